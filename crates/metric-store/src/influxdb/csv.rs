//! Annotated CSV, as queries are answered: tables one after the other, read as the bytes come.

use csv_core::{ReadRecordResult, Reader};

/// A record of more bytes or columns is not ours.
const MAX_RECORD_BYTES: usize = 4 << 20;
const MAX_COLUMNS: usize = 4_096;
/// First column of the record that comes before each header.
const ANNOTATION: &str = "#datatype";
/// The annotation, the result's name and the table's number come before the columns.
const N_FRONT: usize = 3;

/// An answer that is no result.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CsvError {
    #[error("the answer breaks off")]
    Truncated,
    #[error("the answer cannot be read: {0}")]
    Malformed(&'static str),
    #[error("the query failed: {0}")]
    Failed(String),
    /// Enough was read.
    #[error("the answer is larger than asked for")]
    Stopped,
}

/// Reads chunks; calls back for each record.
pub(crate) struct CsvReader {
    reader: Reader,
    record: Vec<u8>,
    n_bytes: usize,
    ends: Vec<usize>,
    n_ends: usize,
    header: Header,
    expects: Expects,
    /// The last bytes that came: an answer ends with an empty line.
    tail: [u8; 4],
    n_seen: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expects {
    Annotation,
    Header,
    Records,
    Failure,
}

/// Names of the columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    names: Vec<String>,
    /// Counts the headers of an answer.
    pub(crate) number: usize,
}

/// Values of the columns of one row.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl Header {
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }

    /// # Errors
    /// No such column.
    pub(crate) fn find(&self, name: &str) -> Result<usize, CsvError> {
        self.position(name).ok_or(CsvError::Malformed("a column is missing"))
    }
}

impl<'a> Record<'a> {
    /// Bytes of the column with this number in the header.
    pub(crate) fn bytes(self, n: usize) -> &'a [u8] {
        let at = n + N_FRONT;
        &self.bytes[self.ends[at - 1]..self.ends[at]]
    }

    /// # Errors
    /// Bytes that are no text.
    pub(crate) fn column(self, n: usize) -> Result<&'a str, CsvError> {
        std::str::from_utf8(self.bytes(n)).map_err(|_| CsvError::Malformed("a value is no text"))
    }
}

impl CsvReader {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::new(),
            record: vec![0; 4_096],
            n_bytes: 0,
            ends: vec![0; 64],
            n_ends: 0,
            header: Header::default(),
            expects: Expects::Annotation,
            tail: [0; 4],
            n_seen: 0,
        }
    }

    /// # Errors
    /// What is no annotated CSV, a failure that the server tells, and what `each` gives.
    pub(crate) fn read(
        &mut self,
        mut chunk: &[u8],
        each: &mut impl FnMut(&Header, Record<'_>) -> Result<(), CsvError>,
    ) -> Result<(), CsvError> {
        self.remember(chunk);
        // An empty chunk would be the end for the reader.
        while !chunk.is_empty() {
            let n_read = self.step(chunk, each)?;
            chunk = &chunk[n_read..];
        }
        Ok(())
    }

    /// # Errors
    /// An answer that does not end as answers do.
    pub(crate) fn finish(
        mut self,
        each: &mut impl FnMut(&Header, Record<'_>) -> Result<(), CsvError>,
    ) -> Result<(), CsvError> {
        self.step(&[], each)?;
        let is_blank = self.n_seen <= 2 && self.tail.iter().all(|byte| matches!(byte, 0 | b'\r' | b'\n'));
        if is_blank || self.tail == *b"\r\n\r\n" { Ok(()) } else { Err(CsvError::Truncated) }
    }

    fn step(
        &mut self,
        chunk: &[u8],
        each: &mut impl FnMut(&Header, Record<'_>) -> Result<(), CsvError>,
    ) -> Result<usize, CsvError> {
        let (result, n_read, n_bytes, n_ends) =
            self.reader.read_record(chunk, &mut self.record[self.n_bytes..], &mut self.ends[self.n_ends..]);
        self.n_bytes += n_bytes;
        self.n_ends += n_ends;
        match result {
            ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            ReadRecordResult::OutputFull if self.record.len() < MAX_RECORD_BYTES => {
                self.record.resize(self.record.len() * 2, 0);
            }
            ReadRecordResult::OutputEndsFull if self.ends.len() < MAX_COLUMNS => {
                self.ends.resize(self.ends.len() * 2, 0);
            }
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                return Err(CsvError::Malformed("a record is too large"));
            }
            ReadRecordResult::Record => {
                let (n_bytes, n_ends) = (std::mem::take(&mut self.n_bytes), std::mem::take(&mut self.n_ends));
                self.record(n_bytes, n_ends, each)?;
            }
        }
        Ok(n_read)
    }

    fn record(
        &mut self,
        n_bytes: usize,
        n_ends: usize,
        each: &mut impl FnMut(&Header, Record<'_>) -> Result<(), CsvError>,
    ) -> Result<(), CsvError> {
        let record = Record { bytes: &self.record[..n_bytes], ends: &self.ends[..n_ends] };
        let first = &record.bytes[..record.ends.first().copied().unwrap_or_default()];
        if first == ANNOTATION.as_bytes() {
            self.expects = Expects::Header;
            return Ok(());
        }
        match self.expects {
            Expects::Annotation => Err(CsvError::Malformed("it does not begin with an annotation")),
            Expects::Header => {
                let column = |n: usize| {
                    let start = if n == 0 { 0 } else { record.ends[n - 1] };
                    String::from_utf8_lossy(&record.bytes[start..record.ends[n]]).into_owned()
                };
                if n_ends > 1 && column(1) == "error" {
                    self.expects = Expects::Failure;
                    return Ok(());
                }
                if n_ends < N_FRONT {
                    return Err(CsvError::Malformed("a header is too short"));
                }
                let number = self.header.number + 1;
                self.header = Header { names: (N_FRONT..n_ends).map(column).collect(), number };
                self.expects = Expects::Records;
                Ok(())
            }
            Expects::Failure => {
                let end = record.ends.get(1).copied().unwrap_or_default();
                Err(CsvError::Failed(String::from_utf8_lossy(&record.bytes[first.len()..end]).into_owned()))
            }
            Expects::Records if n_ends != self.header.names.len() + N_FRONT => Err(CsvError::Truncated),
            Expects::Records => each(&self.header, record),
        }
    }

    fn remember(&mut self, chunk: &[u8]) {
        self.n_seen = self.n_seen.saturating_add(chunk.len());
        for byte in &chunk[chunk.len().saturating_sub(self.tail.len())..] {
            self.tail.rotate_left(1);
            self.tail[3] = *byte;
        }
    }
}

/// Milliseconds of `2026-11-21T20:04:40.123456789Z`.
pub(crate) fn millis(text: &[u8]) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits
            .iter()
            .try_fold(0i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let mut millis = 0;
    match text.get(19..)? {
        b"Z" => {}
        [b'.', fraction @ .., b'Z'] if !fraction.is_empty() => {
            for n in 0..3 {
                let digit = fraction.get(n).map_or(0, |digit| i64::from(digit.saturating_sub(b'0')));
                millis = millis * 10 + digit;
            }
        }
        _ => return None,
    }
    // Days from a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + millis)
}

#[cfg(test)]
mod tests;
