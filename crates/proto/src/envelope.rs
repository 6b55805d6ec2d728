//! The envelope around everything on the bus: version, codec, checksum, and a bound on what the
//! payload may unfold to.
//!
//! ```text
//! u8 version | u8 codec (0 plain, 1 zstd) | u32 crc32 of all that follows, little endian
//! codec 1: varint bytes of the payload when unfolded | payload
//! ```

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::WireError;

/// Version of the wire contract that this program writes and reads.
pub(crate) const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const HEAD_BYTES: usize = 6;
/// Below this many bytes zstd's own headers cost more than it saves.
const WORTH_COMPRESSING_BYTES: usize = 96;
/// A varint of 64 bits.
const VARINT_BYTES: usize = 10;

thread_local! {
    // A compressor holds about a megabyte of tables: one per thread instead of one per stream.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Wraps a payload; compresses it when that makes it smaller.
pub(crate) fn seal(payload: &[u8], zstd_level: i32) -> Vec<u8> {
    let compressed =
        if payload.len() < WORTH_COMPRESSING_BYTES { None } else { compress(payload, zstd_level) };
    let mut sealed = Vec::with_capacity(HEAD_BYTES + VARINT_BYTES + payload.len());
    sealed.extend_from_slice(&[VERSION, PLAIN, 0, 0, 0, 0]);
    match compressed {
        Some(compressed) if compressed.len() + VARINT_BYTES < payload.len() => {
            sealed[1] = ZSTD;
            prost::encoding::encode_varint(payload.len() as u64, &mut sealed);
            sealed.extend_from_slice(&compressed);
        }
        _ => sealed.extend_from_slice(payload),
    }
    let checksum = crc32fast::hash(&sealed[HEAD_BYTES..]);
    sealed[2..HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    sealed
}

/// Checks an envelope and unfolds its payload.
pub(crate) fn open(sealed: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let Some(&found) = sealed.first() else { return Err(WireError::Empty) };
    if found != VERSION {
        return Err(WireError::UnknownVersion { found, known: VERSION });
    }
    let Some((head, mut rest)) = sealed.split_at_checked(HEAD_BYTES) else {
        return Err(WireError::Corrupt { detail: "it ends within its envelope" });
    };
    if head[2..] != crc32fast::hash(rest).to_le_bytes() {
        return Err(WireError::Corrupt { detail: "its checksum does not match" });
    }
    let too_large = |bytes| WireError::TooLarge { bytes, limit: limit as u64 };
    match head[1] {
        PLAIN if rest.len() > limit => Err(too_large(rest.len() as u64)),
        PLAIN => Ok(rest.to_vec()),
        ZSTD => {
            let bytes = prost::encoding::decode_varint(&mut rest)
                .map_err(|_| WireError::Corrupt { detail: "its unfolded size is not a varint" })?;
            if bytes > limit as u64 {
                return Err(too_large(bytes));
            }
            decompress(rest, bytes as usize)
        }
        _ => Err(WireError::Corrupt { detail: "its codec is unknown" }),
    }
}

fn compress(payload: &[u8], level: i32) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut compressor = Compressor::new(level).ok()?;
            // The envelope tells the size, and tells it before zstd is asked.
            compressor.set_parameter(CParameter::ContentSizeFlag(false)).ok()?;
            *slot = Some(compressor);
        }
        let compressor = slot.as_mut()?;
        compressor.set_compression_level(level).ok()?;
        compressor.compress(payload).ok()
    })
}

fn decompress(compressed: &[u8], bytes: usize) -> Result<Vec<u8>, WireError> {
    let corrupt = WireError::Corrupt { detail: "zstd cannot unfold it to the size it claims" };
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::new().ok();
        }
        let payload = slot.as_mut().and_then(|decompressor| decompressor.decompress(compressed, bytes).ok());
        payload.filter(|payload| payload.len() == bytes).ok_or(corrupt)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    /// The envelope with a valid checksum for whatever it holds now.
    fn resealed(mut sealed: Vec<u8>) -> Vec<u8> {
        let checksum = crc32fast::hash(&sealed[HEAD_BYTES..]);
        sealed[2..HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
        sealed
    }

    #[test]
    fn compresses_only_what_gets_smaller() {
        assert_eq!(seal(b"short", 3).len(), HEAD_BYTES + 5);
        assert!(seal(&[7; 10_000], 3).len() < 50);
    }

    #[test]
    fn says_what_is_wrong() {
        let reason = |sealed: &[u8]| open(sealed, LIMIT).expect_err("malformed").to_string();
        assert_eq!(reason(&[]), "the message is empty");
        assert_eq!(reason(&[2, 0]), "the message has version 2, this program reads 1");
        assert!(reason(&[1, 0, 0]).ends_with("it ends within its envelope"));
        assert!(reason(&[1, 0, 9, 9, 9, 9, 5]).ends_with("its checksum does not match"));
        assert!(reason(&resealed(vec![1, 7, 0, 0, 0, 0, 5])).ends_with("its codec is unknown"));
        assert!(reason(&resealed(vec![1, 1, 0, 0, 0, 0, 0x80])).contains("not a varint"));
        assert!(reason(&resealed(vec![1, 1, 0, 0, 0, 0, 5, 1, 2, 3])).contains("zstd cannot unfold"));
    }

    #[test]
    fn refuses_what_is_larger_than_the_limit_before_unfolding_it() {
        let over = vec![0; LIMIT + 1];
        for sealed in [seal(&over, 3), resealed([&[1, 0, 0, 0, 0, 0], &*over].concat())] {
            let error = open(&sealed, LIMIT).expect_err("too large");
            assert!(matches!(error, WireError::TooLarge { bytes, .. } if bytes == LIMIT as u64 + 1));
        }
    }

    #[test]
    fn refuses_a_payload_that_is_larger_or_smaller_than_it_claims() {
        let sealed = seal(&[7; 200], 3);
        assert_eq!(sealed[HEAD_BYTES..HEAD_BYTES + 2], [0xc8, 1], "200 as a varint");
        for claimed in [0xc7, 0xc9] {
            let mut lying = sealed.clone();
            lying[HEAD_BYTES] = claimed;
            assert!(open(&resealed(lying), LIMIT).is_err());
        }
    }

    proptest! {
        #[test]
        fn gives_back_every_payload(payload in prop::collection::vec(0u8..4, 0..600), level in 1..5i32) {
            prop_assert_eq!(open(&seal(&payload, level), LIMIT).expect("what was sealed"), payload);
        }
    }
}
