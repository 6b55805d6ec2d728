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
