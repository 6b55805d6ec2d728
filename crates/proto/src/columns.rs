//! Columns of bytes: varints, zigzag and ascending positions, written without failing and read without
//! trusting.

use crate::DecodeError;

/// Maps small numbers of either sign to small unsigned ones.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

pub(crate) fn put_varint(column: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, column);
}

pub(crate) fn put_zigzag(column: &mut Vec<u8>, value: i64) {
    put_varint(column, zigzag(value));
}

/// Reads one column from front to back.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(column: &'a [u8]) -> Self {
        Self { rest: column }
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => prost::encoding::decode_varint(&mut self.rest)
                .map_err(|_| DecodeError::Corrupt { detail: "a column ends within a number" }),
        }
    }

    #[inline]
    pub(crate) fn zigzag(&mut self) -> Result<i64, DecodeError> {
        self.varint().map(unzigzag)
    }

    /// A number that is used as an index or a length.
    pub(crate) fn index(&mut self) -> Result<usize, DecodeError> {
        let index = self.varint()?;
        usize::try_from(index).map_err(|_| DecodeError::Corrupt { detail: "an index beyond memory" })
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) =
            self.rest.split_first().ok_or(DecodeError::Corrupt { detail: "a column ends early" })?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn bits(&mut self) -> Result<u64, DecodeError> {
        let (first, rest) =
            self.rest.split_first_chunk().ok_or(DecodeError::Corrupt { detail: "a column ends early" })?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*first))
    }

    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Corrupt { detail: "a column holds more than it should" })
        }
    }
}

/// Writes ascending positions.
#[derive(Default)]
pub(crate) struct PositionWriter {
    pub(crate) column: Vec<u8>,
    next: usize,
}

impl PositionWriter {
    pub(crate) fn put(&mut self, position: usize) {
        debug_assert!(position >= self.next, "positions ascend");
        put_varint(&mut self.column, (position - self.next) as u64);
        self.next = position + 1;
    }
}

/// Tells of ascending positions whether they are in the column.
pub(crate) struct PositionReader<'a> {
    reader: Reader<'a>,
    /// `usize::MAX` when there is no further one.
    next: usize,
}

impl<'a> PositionReader<'a> {
    pub(crate) fn new(column: &'a [u8]) -> Result<Self, DecodeError> {
        let mut positions = Self { reader: Reader::new(column), next: 0 };
        positions.advance(0)?;
        Ok(positions)
    }

    #[inline]
    pub(crate) fn holds(&mut self, position: usize) -> Result<bool, DecodeError> {
        if self.next != position {
            return Ok(false);
        }
        self.advance(position + 1)?;
        Ok(true)
    }

    pub(crate) const fn finish(&self) -> Result<(), DecodeError> {
        if self.next == usize::MAX {
            Ok(())
        } else {
            Err(DecodeError::Corrupt { detail: "a position beyond the last series" })
        }
    }

    fn advance(&mut self, from: usize) -> Result<(), DecodeError> {
        self.next = if self.reader.remaining() == 0 {
            usize::MAX
        } else {
            // A sum of `usize::MAX` would pass for "no further one": let it count as beyond.
            from.saturating_add(self.reader.index()?).min(usize::MAX - 1)
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_a_number_that_is_cut_or_longer_than_64_bits() {
        assert!(Reader::new(&[0x80]).varint().is_err());
        assert!(Reader::new(&[0xff; 11]).varint().is_err());
        assert!(Reader::new(&[]).byte().is_err());
        assert!(Reader::new(&[0; 7]).bits().is_err());
    }

    #[test]
    fn refuses_positions_beyond_the_last_series() {
        let mut column = Vec::new();
        put_varint(&mut column, u64::MAX);
        let mut positions = PositionReader::new(&column).expect("a readable position");
        assert!(!positions.holds(0).expect("no further number is read"));
        assert!(positions.finish().is_err());
    }

    proptest! {
        #[test]
        fn gives_back_numbers_of_either_sign(values in prop::collection::vec(any::<i64>(), 0..50)) {
            let mut column = Vec::new();
            values.iter().for_each(|value| put_zigzag(&mut column, *value));
            let mut reader = Reader::new(&column);
            for value in values {
                prop_assert_eq!(reader.zigzag().expect("what was written"), value);
            }
            prop_assert!(reader.finish().is_ok());
        }

        #[test]
        fn gives_back_positions(positions in prop::collection::btree_set(0usize..500, 0..50)) {
            let mut writer = PositionWriter::default();
            positions.iter().for_each(|position| writer.put(*position));
            let mut reader = PositionReader::new(&writer.column).expect("what was written");
            for position in 0..500 {
                let holds = reader.holds(position).expect("what was written");
                prop_assert_eq!(holds, positions.contains(&position));
            }
            prop_assert!(reader.finish().is_ok());
        }
    }
}
