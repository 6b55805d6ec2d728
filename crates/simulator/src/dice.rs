//! Chance that is the same on every run: each draw depends only on the seed and on what it is for.

/// Letters of generated names, as Kubernetes uses them: no vowels, nothing that reads as another.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A stream of draws (SplitMix64; its output is fixed by its definition, unlike a library's "small" generator).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream for one purpose: independent of how many draws others made.
    pub fn keyed(seed: u64, key: impl AsRef<[u8]>) -> Self {
        Self(mix(seed ^ hash(key.as_ref())))
    }

    /// A stream of its own.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `low..high`; `low` when the range is empty.
    pub fn whole(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        low + (self.next() % (high - low) as u64) as i64
    }

    /// An index below `n`; 0 for an empty collection.
    pub fn index(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }

    /// True once in `1 / probability` draws.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// The random end of a generated name, such as `kzl7j`.
    pub fn suffix(&mut self) -> [u8; 5] {
        std::array::from_fn(|_| ALPHABET[self.index(ALPHABET.len())])
    }

    pub fn suffix_text(&mut self) -> String {
        self.suffix().iter().map(|byte| char::from(*byte)).collect()
    }

    /// 128 bits laid out as a version 4 UUID.
    pub fn uid(&mut self) -> Uid {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        let version = bits & !(0xf << 76) | 0x4 << 76;
        Uid(version & !(0x3 << 62) | 0x2 << 62)
    }

    /// 32 bytes, such as a container id.
    pub fn digest(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes());
        }
        bytes
    }
}

/// Identity of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub u128);

impl std::fmt::Display for Uid {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(out, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hash at the end of a ReplicaSet's name: FNV-1a of the template, spelled in [`ALPHABET`].
pub fn template_hash(template: &str) -> String {
    let hash = template
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// FNV-1a, 64 bits.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads the bits of a number over all 64.
pub const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// One number in `[-1, 1)` for a place in a sequence: `noise(key, k)` needs no predecessor.
pub fn noise(key: u64, place: i64) -> f64 {
    let bits = mix(key ^ (place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    (bits >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_key_gives_the_same_draws_and_another_key_others() {
        let draws = |key: &str| {
            let mut dice = Dice::keyed(7, key);
            [dice.next(), dice.next(), dice.next()]
        };
        assert_eq!(draws("pod"), draws("pod"));
        assert_ne!(draws("pod"), draws("node"));
    }

    #[test]
    fn a_uid_reads_as_a_version_4_uuid() {
        let text = Dice::new(3).uid().to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(text.as_bytes()[14], b'4', "{text}");
        assert!(b"89ab".contains(&text.as_bytes()[19]), "{text}");
    }

    #[test]
    fn names_use_the_letters_of_kubernetes() {
        let mut dice = Dice::new(9);
        for _ in 0..100 {
            assert!(dice.suffix().iter().all(|letter| ALPHABET.contains(letter)));
        }
        let hash = template_hash("{}");
        assert!(hash.bytes().all(|letter| b"456789bcdf".contains(&letter)), "{hash}");
    }

    proptest! {
        #[test]
        fn draws_stay_in_their_range(seed: u64, low in -1_000_i64..1_000, width in 0_i64..1_000) {
            let mut dice = Dice::new(seed);
            let whole = dice.whole(low, low + width);
            prop_assert!(whole == low || (low..low + width).contains(&whole));
            prop_assert!((0.0..1.0).contains(&dice.unit()));
            prop_assert!((-1.0..1.0).contains(&noise(seed, low)));
        }
    }
}
