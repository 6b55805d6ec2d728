//! Which values of a column are written because they could not be foretold from other columns.

use super::integers::{put_integers, read_integers};
use crate::embedded::codec::{CodecError, Reader};

const NONE: u8 = 0;
const ALL: u8 = 1;
const SOME: u8 = 2;

/// One flag for each value, in order of series.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    pub(crate) flags: Vec<bool>,
    pub(crate) lengths: Vec<usize>,
}

impl Misses {
    pub(crate) fn start_series(&mut self) {
        self.lengths.push(0);
    }

    pub(crate) fn push(&mut self, is_missed: bool) {
        self.flags.push(is_missed);
        if let Some(length) = self.lengths.last_mut() {
            *length += 1;
        }
    }

    pub(crate) fn put(&self, meta: &mut Vec<u8>, data: &mut Vec<u8>) {
        let whole = kind(&self.flags);
        meta.push(whole);
        if whole != SOME {
            return;
        }
        let mut mixed = Vec::new();
        let mut rest = self.flags.as_slice();
        for length in &self.lengths {
            let (flags, after) = rest.split_at(*length);
            rest = after;
            let kind = kind(flags);
            meta.push(kind);
            if kind == SOME {
                mixed.extend(flags.iter().map(|flag| i64::from(*flag)));
            }
        }
        put_integers(data, &mixed);
    }

    pub(crate) fn read(
        meta: &mut Reader<'_>,
        data: &mut Reader<'_>,
        lengths: Vec<usize>,
    ) -> Result<Self, CodecError> {
        let n_values = lengths.iter().sum();
        let whole = meta.byte()?;
        if whole != SOME {
            return Ok(Self { flags: vec![whole == ALL; n_values], lengths });
        }
        let kinds = meta.take(lengths.len())?;
        let of = |(kind, length): (&u8, &usize)| if *kind == SOME { *length } else { 0 };
        let n_mixed = kinds.iter().zip(&lengths).map(of).sum();
        let mixed = read_integers(data, n_mixed)?;
        let mut mixed = mixed.as_slice();
        let mut flags = Vec::with_capacity(n_values);
        for (kind, length) in kinds.iter().zip(&lengths) {
            if *kind == SOME {
                let own = mixed.split_off(..*length).ok_or(CodecError::Truncated)?;
                flags.extend(own.iter().map(|flag| *flag != 0));
            } else {
                flags.resize(flags.len() + length, *kind == ALL);
            }
        }
        Ok(Self { flags, lengths })
    }

    /// How many values of each series are written.
    pub(crate) fn n_missed(&self) -> Vec<usize> {
        let mut rest = self.flags.as_slice();
        self.lengths
            .iter()
            .map(|length| {
                let (own, after) = rest.split_at(*length);
                rest = after;
                own.iter().filter(|flag| **flag).count()
            })
            .collect()
    }
}

fn kind(flags: &[bool]) -> u8 {
    if !flags.contains(&true) {
        NONE
    } else if flags.contains(&false) {
        SOME
    } else {
        ALL
    }
}
