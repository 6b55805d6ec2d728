//! Rows as line protocol, in bodies of bounded size.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sentinel_model::{Labels, METRIC_NAME, Timestamp};

use super::shape::put_fields;
use super::text::{put_key, put_measurement, put_value};
use crate::{Row, WindowRows};

/// A row of a write: the number of its window and its number in there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowAt {
    pub(crate) window: u32,
    pub(crate) row: u32,
}

impl RowAt {
    pub(crate) fn find(self, windows: &[WindowRows]) -> (&WindowRows, &Row) {
        let window = &windows[self.window as usize];
        (window, &window.rows[self.row as usize])
    }
}

/// Lines, one for each row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// End of each line, its line feed included.
    ends: Vec<u32>,
    rows: Vec<RowAt>,
}

/// How large a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

impl Lines {
    /// The lines of some rows, cut into bodies.
    pub(crate) fn build(windows: &[WindowRows], rows: &[RowAt], bounds: Bounds) -> Vec<Self> {
        let mut bodies = Vec::new();
        let mut body = Self::default();
        for at in rows {
            let (window, row) = at.find(windows);
            if body.len() >= bounds.lines || body.bytes.len() >= bounds.bytes {
                bodies.push(std::mem::take(&mut body));
            }
            if body.bytes.capacity() == 0 {
                // Room for the line that passes the bound, too.
                body.bytes.reserve(bounds.bytes.min(rows.len().saturating_mul(512)).saturating_add(512));
            }
            body.push(*at, |out| put_line(out, &row.series.labels, window.window.start, row));
        }
        if !body.is_empty() {
            bodies.push(body);
        }
        bodies
    }

    #[cfg(feature = "bench")]
    pub(crate) fn of_all(windows: &[WindowRows], lines: usize) -> Vec<Self> {
        let mut rows = Vec::new();
        for (window, one) in windows.iter().enumerate() {
            rows.extend((0..one.rows.len()).map(|row| RowAt { window: window as u32, row: row as u32 }));
        }
        Self::build(windows, &rows, Bounds { lines, bytes: 1 << 20 })
    }

    pub(crate) fn push(&mut self, at: RowAt, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.bytes);
        self.bytes.push(b'\n');
        // A body is bounded far below 4 GiB.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        self.rows.push(at);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn row(&self, n: usize) -> RowAt {
        self.rows[n]
    }

    /// A line without its line feed.
    pub(crate) fn line(&self, n: usize) -> &[u8] {
        let start = if n == 0 { 0 } else { self.ends[n - 1] as usize };
        &self.bytes[start..self.ends[n] as usize - 1]
    }

    /// Those lines that are wanted.
    pub(crate) fn only(&self, is_wanted: impl Fn(usize) -> bool) -> Self {
        let mut only = Self::default();
        for n in (0..self.len()).filter(|n| is_wanted(*n)) {
            only.push(self.rows[n], |out| out.extend_from_slice(self.line(n)));
        }
        only
    }

    pub(crate) fn halves(&self) -> [Self; 2] {
        let middle = self.len() / 2;
        [self.only(|n| n < middle), self.only(|n| n >= middle)]
    }

    /// At the fastest level: it takes most of what there is to win.
    pub(crate) fn gzip(&self) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::with_capacity(self.bytes.len() / 6), Compression::fast());
        encoder.write_all(&self.bytes).and_then(|()| encoder.finish()).expect("memory takes every byte")
    }
}

/// `metric,label=value last=1,shape=0i 1700000000000`, without its line feed.
fn put_line(out: &mut Vec<u8>, labels: &Labels, start: Timestamp, row: &Row) {
    put_series(out, labels);
    out.push(b' ');
    put_fields(out, &row.aggregate);
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(start.as_millis()).as_bytes());
}

/// Measurement and tags, in order of label names.
pub(crate) fn put_series(out: &mut Vec<u8>, labels: &Labels) {
    put_measurement(out, labels.metric_name());
    for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        out.push(b',');
        put_key(out, name);
        out.push(b'=');
        put_value(out, value);
    }
}

#[cfg(test)]
mod tests {
    use sentinel_model::{Aggregate, Resolution, Window};

    use super::*;
    use crate::contract::row;

    fn windows(n_rows: usize) -> (Vec<WindowRows>, Vec<RowAt>) {
        let window = Window { resolution: Resolution::TenSeconds, start: Timestamp::from_millis(20_000) };
        let rows = (0..n_rows).map(|n| row("up", &n.to_string(), Aggregate::Single(n as f64))).collect();
        let at = |row| RowAt { window: 0, row: row as u32 };
        (vec![WindowRows { window, rows }], (0..n_rows).map(at).collect())
    }

    #[test]
    fn one_line_for_each_row() {
        let (windows, rows) = windows(2);
        let bodies = Lines::build(&windows, &rows, Bounds { lines: 10, bytes: 1_000 });
        assert_eq!(bodies.len(), 1);
        let text = String::from_utf8(bodies[0].bytes().to_vec()).expect("text");
        assert_eq!(text, "up,n=0 last=0,shape=0i 20000\nup,n=1 last=1,shape=0i 20000\n");
        assert_eq!(bodies[0].line(1), b"up,n=1 last=1,shape=0i 20000");
    }

    #[test]
    fn cuts_bodies_by_lines_and_by_bytes() {
        let (windows, rows) = windows(10);
        let sizes = |bounds| {
            let bodies = Lines::build(&windows, &rows, bounds);
            bodies.iter().map(Lines::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(Bounds { lines: 4, bytes: 1_000 }), [4, 4, 2]);
        assert_eq!(sizes(Bounds { lines: 100, bytes: 60 }), [3, 3, 3, 1]);
    }

    #[test]
    fn halves_hold_every_line_once() {
        let (windows, rows) = windows(5);
        let whole = &Lines::build(&windows, &rows, Bounds { lines: 10, bytes: 1_000 })[0];
        let [left, right] = whole.halves();
        assert_eq!((left.len(), right.len()), (2, 3));
        assert_eq!([left.bytes(), right.bytes()].concat(), whole.bytes());
        assert_eq!(right.row(0), RowAt { window: 0, row: 2 });
    }
}
