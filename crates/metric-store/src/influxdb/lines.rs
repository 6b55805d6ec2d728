//! Rows as line protocol, in bodies of bounded size.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sentinel_model::{Labels, METRIC_NAME, Resolution, Timestamp};

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

/// Lines by resolution, cut into bodies.
#[derive(Debug)]
pub(crate) struct Bodies {
    bounds: Bounds,
    full: Vec<(Resolution, Lines)>,
    open: [Lines; Resolution::ALL.len()],
}

/// What is reserved for a line in a body that begins.
const USUAL_LINE_BYTES: usize = 512;

impl Bodies {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, full: Vec::new(), open: Default::default() }
    }

    /// Adds a line. `n_left` lines may come, this one included.
    pub(crate) fn push(
        &mut self,
        resolution: Resolution,
        at: RowAt,
        n_left: usize,
        put: impl FnOnce(&mut Vec<u8>),
    ) {
        let body = &mut self.open[resolution as usize];
        if body.len() >= self.bounds.lines || body.bytes.len() >= self.bounds.bytes {
            self.full.push((resolution, std::mem::take(body)));
        }
        if body.bytes.capacity() == 0 {
            // Room for the line that passes the bound, too.
            let n_lines = n_left.min(self.bounds.lines);
            let usual = n_lines.saturating_mul(USUAL_LINE_BYTES);
            body.ends.reserve(n_lines);
            body.rows.reserve(n_lines);
            body.bytes.reserve(self.bounds.bytes.min(usual).saturating_add(USUAL_LINE_BYTES));
        }
        body.push(at, put);
    }

    pub(crate) fn finish(self) -> Vec<(Resolution, Lines)> {
        let open = Resolution::ALL.into_iter().zip(self.open).filter(|(_, lines)| !lines.is_empty());
        self.full.into_iter().chain(open).collect()
    }
}

impl Lines {
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

/// `metric,label=value last=1,shape=0i 1700000000000`, without its line feed; `series` is what [`put_series`] gives.
pub(crate) fn put_line(out: &mut Vec<u8>, series: &[u8], start: Timestamp, row: &Row) {
    out.extend_from_slice(series);
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
    use sentinel_model::{Aggregate, Window};

    use super::*;
    use crate::contract::row;

    fn windows(n_rows: usize) -> (Vec<WindowRows>, Vec<RowAt>) {
        let window = Window { resolution: Resolution::TenSeconds, start: Timestamp::from_millis(20_000) };
        let rows = (0..n_rows).map(|n| row("up", &n.to_string(), Aggregate::Single(n as f64))).collect();
        let at = |row| RowAt { window: 0, row: row as u32 };
        (vec![WindowRows { window, rows }], (0..n_rows).map(at).collect())
    }

    fn bodies(windows: &[WindowRows], rows: &[RowAt], bounds: Bounds) -> Vec<Lines> {
        let mut bodies = Bodies::new(bounds);
        let mut series = Vec::new();
        for at in rows {
            let (window, row) = at.find(windows);
            series.clear();
            put_series(&mut series, &row.series.labels);
            bodies.push(window.window.resolution, *at, rows.len(), |out| {
                put_line(out, &series, window.window.start, row);
            });
        }
        bodies.finish().into_iter().map(|(_, lines)| lines).collect()
    }

    #[test]
    fn one_line_for_each_row() {
        let (windows, rows) = windows(2);
        let bodies = bodies(&windows, &rows, Bounds { lines: 10, bytes: 1_000 });
        assert_eq!(bodies.len(), 1);
        let text = String::from_utf8(bodies[0].bytes().to_vec()).expect("text");
        assert_eq!(text, "up,n=0 last=0,shape=0i 20000\nup,n=1 last=1,shape=0i 20000\n");
        assert_eq!(bodies[0].line(1), b"up,n=1 last=1,shape=0i 20000");
    }

    #[test]
    fn cuts_bodies_by_lines_and_by_bytes() {
        let (windows, rows) = windows(10);
        let sizes = |bounds| bodies(&windows, &rows, bounds).iter().map(Lines::len).collect::<Vec<_>>();
        assert_eq!(sizes(Bounds { lines: 4, bytes: 1_000 }), [4, 4, 2]);
        assert_eq!(sizes(Bounds { lines: 100, bytes: 60 }), [3, 3, 3, 1]);
    }

    #[test]
    fn a_body_is_of_one_resolution() {
        let (mut windows, mut rows) = windows(3);
        let hour = Window { resolution: Resolution::OneHour, ..windows[0].window };
        let last = windows[0].rows.split_off(2);
        windows.push(WindowRows { window: hour, rows: last });
        rows[2] = RowAt { window: 1, row: 0 };
        let bounds = Bounds { lines: 10, bytes: 1_000 };
        assert_eq!(bodies(&windows, &rows, bounds).iter().map(Lines::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn halves_hold_every_line_once() {
        let (windows, rows) = windows(5);
        let whole = &bodies(&windows, &rows, Bounds { lines: 10, bytes: 1_000 })[0];
        let [left, right] = whole.halves();
        assert_eq!((left.len(), right.len()), (2, 3));
        assert_eq!([left.bytes(), right.bytes()].concat(), whole.bytes());
        assert_eq!(right.row(0), RowAt { window: 0, row: 2 });
    }
}
