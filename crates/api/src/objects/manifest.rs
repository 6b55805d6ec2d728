//! An object's JSON, compressed: it is read one at a time and kept for all.

/// Manifests are cut off here when read back; the API server itself takes 3 MiB at most.
const MAX_BYTES: usize = 8 << 20;

/// Fast, and within a tenth of what the highest levels reach on a few KiB of JSON.
const ZSTD_LEVEL: i32 = 3;

#[derive(Clone, Debug, Default)]
pub struct Manifest(Box<[u8]>);

impl Manifest {
    pub fn compress(json: &str) -> Self {
        zstd::bulk::compress(json.as_bytes(), ZSTD_LEVEL)
            .map_or_else(|_| Self::default(), |bytes| Self(bytes.into()))
    }

    /// `null` when there is none or it cannot be read.
    pub fn read(&self) -> serde_json::Value {
        zstd::bulk::decompress(&self.0, MAX_BYTES)
            .ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_compressed_and_null_for_anything_else() {
        let json = r#"{"kind":"Pod","metadata":{"name":"ä","creationTimestamp":"2026-11-21T10:00:00Z"}}"#;
        let value = Manifest::compress(json).read();
        assert_eq!(value["metadata"]["name"], "ä");
        assert_eq!(Manifest::compress("").read(), serde_json::Value::Null);
        assert_eq!(Manifest::compress("{").read(), serde_json::Value::Null);
        assert_eq!(Manifest(Box::new([1, 2, 3])).read(), serde_json::Value::Null);
    }
}
