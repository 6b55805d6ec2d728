//! Bytes: variable-length integers, packed sections, checksums.

/// Bytes that are not what was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("the bytes end too early")]
    Truncated,
    #[error("the checksum does not match")]
    Checksum,
    #[error("version {found} is not known")]
    Version { found: u8 },
    #[error("{what} out of bounds")]
    Bounds { what: &'static str },
    #[error("a column cannot be read: {0}")]
    Column(#[from] pco::errors::PcoError),
    #[error("a section cannot be unpacked: {0}")]
    Section(#[source] std::io::Error),
}

/// Largest section that is unpacked: a bound on memory for bytes that nobody checked.
const MAX_SECTION_BYTES: usize = 64 << 20;

/// Sections shorter than this are not worth a frame of their own.
const MIN_PACKED_BYTES: usize = 64;

/// Reads from the front.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, n_bytes: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.bytes.split_at_checked(n_bytes).ok_or(CodecError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError::Bounds { what: "integer" })
    }

    pub(crate) fn signed(&mut self) -> Result<i64, CodecError> {
        Ok(unzigzag(self.varint()?))
    }

    /// A count or an index, at most `limit`.
    pub(crate) fn bounded(&mut self, limit: usize, what: &'static str) -> Result<usize, CodecError> {
        let value = usize::try_from(self.varint()?).map_err(|_| CodecError::Bounds { what })?;
        if value > limit { Err(CodecError::Bounds { what }) } else { Ok(value) }
    }

    pub(crate) fn small(&mut self, what: &'static str) -> Result<u32, CodecError> {
        u32::try_from(self.varint()?).map_err(|_| CodecError::Bounds { what })
    }

    pub(crate) fn float(&mut self) -> Result<f64, CodecError> {
        let mut bits = [0; 8];
        bits.copy_from_slice(self.take(8)?);
        Ok(f64::from_bits(u64::from_le_bytes(bits)))
    }

    /// What [`put_section`] wrote.
    pub(crate) fn section(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.bounded(MAX_SECTION_BYTES, "section")?;
        self.take(length)
    }

    /// What [`put_packed`] wrote.
    pub(crate) fn packed(&mut self) -> Result<Vec<u8>, CodecError> {
        let raw_length = self.bounded(MAX_SECTION_BYTES, "section")?;
        let section = self.section()?;
        if section.len() == raw_length {
            return Ok(section.to_vec());
        }
        let raw = zstd::bulk::decompress(section, raw_length).map_err(CodecError::Section)?;
        if raw.len() == raw_length { Ok(raw) } else { Err(CodecError::Truncated) }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

/// Bytes preceded by their number.
pub(crate) fn put_section(out: &mut Vec<u8>, section: &[u8]) {
    put_varint(out, section.len() as u64);
    out.extend_from_slice(section);
}

/// Bytes compressed by zstd if that makes them shorter.
pub(crate) fn put_packed(out: &mut Vec<u8>, section: &[u8], level: i32) {
    put_varint(out, section.len() as u64);
    let packed = if section.len() < MIN_PACKED_BYTES {
        None
    } else {
        zstd::bulk::compress(section, level).ok().filter(|packed| packed.len() < section.len())
    };
    put_section(out, packed.as_deref().unwrap_or(section));
}

/// Small for numbers near zero on either side.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// `body` behind its checksum.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 4);
    out.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// The body that [`seal`] was given.
pub(crate) fn unseal(bytes: &[u8]) -> Result<&[u8], CodecError> {
    let (checksum, body) = bytes.split_first_chunk::<4>().ok_or(CodecError::Truncated)?;
    if crc32fast::hash(body) == u32::from_le_bytes(*checksum) { Ok(body) } else { Err(CodecError::Checksum) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_sections_that_claim_to_be_huge() {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, u64::MAX);
        assert!(Reader::new(&bytes).section().is_err());
        assert!(Reader::new(&bytes).packed().is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err(), "an integer has ten bytes at most");
    }

    proptest! {
        #[test]
        fn gives_back_integers_floats_and_sections(
            unsigned: u64,
            signed: i64,
            bits: u64,
            section in prop::collection::vec(0u8..4, 0..300),
        ) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, unsigned);
            put_signed(&mut bytes, signed);
            put_float(&mut bytes, f64::from_bits(bits));
            put_packed(&mut bytes, &section, 3);
            let sealed = seal(&bytes);
            let mut reader = Reader::new(unseal(&sealed).expect("a right checksum"));
            prop_assert_eq!(reader.varint().expect("an integer"), unsigned);
            prop_assert_eq!(reader.signed().expect("an integer"), signed);
            prop_assert_eq!(reader.float().expect("a float").to_bits(), bits);
            prop_assert_eq!(reader.packed().expect("a section"), section);
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn notices_a_changed_byte(body in prop::collection::vec(any::<u8>(), 1..50), at: usize, flip in 1u8..) {
            let mut sealed = seal(&body);
            let at = at % sealed.len();
            sealed[at] ^= flip;
            prop_assert!(unseal(&sealed).is_err());
        }
    }
}
