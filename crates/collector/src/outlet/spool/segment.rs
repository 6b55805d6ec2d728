//! One file of the spool: a mark, then entries, each under a header that carries its number and two
//! checksums. Numbers have no holes, so that damage can be told and counted exactly.

use bytes::Bytes;
use memchr::memmem;

use super::Entry;

pub(super) const MAGIC: &[u8; 8] = b"SMSPOOL1";
pub(super) const HEADER_BYTES: u64 = MAGIC.len() as u64;

/// Begins each entry, so that reading can go on behind a damaged one.
const MARK: &[u8; 4] = b"\xf5SME";
/// Mark, length, number, checksum of those, checksum of the entry.
const ENTRY_HEADER_BYTES: usize = 4 + 4 + 8 + 4 + 4;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// With their numbers, which rise.
    pub entries: Vec<(u64, Entry)>,
    /// Up to the end of the last whole entry.
    pub whole_bytes: u64,
    /// Something else than a torn tail is wrong with it.
    pub is_damaged: bool,
}

pub(super) fn frame_entry(sequence: u64, entry: &Entry, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; ENTRY_HEADER_BYTES]);
    entry.write(out);
    let length = (out.len() - start - ENTRY_HEADER_BYTES) as u32;
    let checksum = crc32fast::hash(&out[start + ENTRY_HEADER_BYTES..]);
    let header = &mut out[start..start + ENTRY_HEADER_BYTES];
    header[..4].copy_from_slice(MARK);
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    let head_checksum = crc32fast::hash(&header[..16]);
    header[16..20].copy_from_slice(&head_checksum.to_le_bytes());
    header[20..24].copy_from_slice(&checksum.to_le_bytes());
}

/// Reads every whole entry, also behind damaged ones.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut scan = Scan::default();
    let mut at = 0;
    let mut is_expected = bytes.starts_with(MAGIC);
    if is_expected {
        at = MAGIC.len();
        scan.whole_bytes = HEADER_BYTES;
    }
    while at < bytes.len() {
        let Some((sequence, entry, end)) = read_entry(&bytes, at) else {
            is_expected = false;
            match memmem::find(&bytes[at + 1..], MARK) {
                Some(found) => at += 1 + found,
                None => break,
            }
            continue;
        };
        scan.is_damaged |= !is_expected;
        is_expected = true;
        scan.whole_bytes = end as u64;
        at = end;
        if scan.entries.last().is_none_or(|(last, _)| *last < sequence) {
            scan.entries.push((sequence, entry));
        }
    }
    scan
}

fn read_entry(bytes: &Bytes, at: usize) -> Option<(u64, Entry, usize)> {
    let header = bytes.get(at..at + ENTRY_HEADER_BYTES)?;
    let number = |from: usize| {
        u32::from_le_bytes([header[from], header[from + 1], header[from + 2], header[from + 3]])
    };
    if &header[..4] != MARK || number(16) != crc32fast::hash(&header[..16]) {
        return None;
    }
    let sequence = u64::from(number(8)) | (u64::from(number(12)) << 32);
    let start = at + ENTRY_HEADER_BYTES;
    let end = start.checked_add(number(4) as usize)?;
    let payload = bytes.get(start..end)?;
    if number(20) != crc32fast::hash(payload) {
        return None;
    }
    Some((sequence, Entry::read(bytes.slice(start..end))?, end))
}
