//! Memory as the kernel counts it: by kind, in pages, below its limit.

/// Bytes of memory by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemoryUse {
    pub working_set: f64,
    pub usage: f64,
    pub rss: f64,
    pub cache: f64,
    pub max_usage: f64,
}

impl MemoryUse {
    /// `limit` 0 means none.
    pub fn from_working_set(bytes: f64, limit: f64) -> Self {
        let bytes = if limit > 0.0 { bytes.min(limit * 0.998) } else { bytes };
        let working_set = pages(bytes);
        let inactive = pages(bytes * 0.07);
        Self {
            working_set,
            usage: if limit > 0.0 { (working_set + inactive).min(limit) } else { working_set + inactive },
            rss: pages(bytes * 0.83),
            cache: pages(bytes * 0.14),
            max_usage: pages(if limit > 0.0 { (bytes * 1.12).min(limit) } else { bytes * 1.12 }),
        }
    }

    pub(super) const fn sandbox() -> Self {
        Self { working_set: 208_896.0, usage: 208_896.0, rss: 40_960.0, cache: 0.0, max_usage: 3_522_560.0 }
    }

    pub fn plus(self, other: &Self) -> Self {
        Self {
            working_set: self.working_set + other.working_set,
            usage: self.usage + other.usage,
            rss: self.rss + other.rss,
            cache: self.cache + other.cache,
            max_usage: self.max_usage + other.max_usage,
        }
    }
}

/// Memory and files come in pages.
pub(super) fn pages(bytes: f64) -> f64 {
    (bytes.max(0.0) / 4_096.0).floor() * 4_096.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::MIB;

    #[test]
    fn memory_stays_below_its_limit() {
        let full = MemoryUse::from_working_set(900.0 * MIB as f64, 512.0 * MIB as f64);
        assert!(full.usage <= 512.0 * MIB as f64 && full.working_set <= full.usage, "{full:?}");
        assert!(full.working_set > 508.0 * MIB as f64);
    }
}
