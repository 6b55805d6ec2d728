//! Definitions of series as columns: each text once, each list of label names once, and the labels' values
//! name by name, where they repeat from metric to metric.

use ahash::AHashMap;
use sentinel_model::{LabelPool, Labels, MetricKind, Series};

use crate::DecodeError;
use crate::columns::{Reader, put_varint, put_zigzag};
use crate::limits::{LABEL_BYTES, MAX_SERIES, SYMBOL_BYTES};
use crate::pb::metrics::v1 as pb;

/// Writes definitions, and remembers the texts and shapes that readers know.
#[derive(Debug, Default)]
pub(crate) struct DefinitionWriter {
    symbols: Numbers<str>,
    shapes: Numbers<[u32]>,
}

/// Things with the numbers that readers know them by, in order of first appearance.
#[derive(Debug)]
struct Numbers<T: ?Sized> {
    known: AHashMap<Box<T>, u32>,
    next: u32,
}

impl<T: ?Sized> Default for Numbers<T> {
    fn default() -> Self {
        Self { known: AHashMap::new(), next: 0 }
    }
}

impl<T: ?Sized + Eq + std::hash::Hash> Numbers<T>
where
    for<'a> Box<T>: From<&'a T>,
{
    /// The number of a thing, and whether it is new.
    fn of(&mut self, thing: &T) -> (u32, bool) {
        if let Some(number) = self.known.get(thing) {
            return (*number, false);
        }
        let number = self.next;
        self.next += 1;
        self.known.insert(thing.into(), number);
        (number, true)
    }
}

impl DefinitionWriter {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Frees what it remembers: what comes again is written again, under a new number.
    pub(crate) fn forget(&mut self) {
        self.symbols.known = AHashMap::new();
        self.shapes.known = AHashMap::new();
    }

    pub(crate) fn write(&mut self, series: &[Series]) -> Option<pb::Definitions> {
        if series.is_empty() {
            return None;
        }
        let mut columns = Columns::default();
        let (mut names, mut number) = (Vec::new(), 0);
        // Most labels are those of the series before: to compare them is cheaper than to look their texts up.
        let (mut pairs, mut before): (Vec<(&str, &str)>, Vec<(&str, &str)>) = (Vec::new(), Vec::new());
        let mut values: Vec<u32> = Vec::new();
        for series in series {
            columns.kinds.push(kind_to_byte(series.kind));
            std::mem::swap(&mut pairs, &mut before);
            pairs.clear();
            pairs.extend(series.labels.iter());
            let has_same_names =
                pairs.len() == before.len() && pairs.iter().zip(&before).all(|(this, last)| this.0 == last.0);
            if !has_same_names || columns.rows.is_empty() {
                names.clear();
                names.extend(pairs.iter().map(|(name, _)| columns.symbol(&mut self.symbols, name)));
                number = columns.shape(&mut self.shapes, &names);
                before.clear();
                values.clear();
                values.resize(pairs.len(), 0);
            }
            put_varint(&mut columns.shape_refs, u64::from(number));
            for (i, (_, value)) in pairs.iter().enumerate() {
                if before.get(i).is_none_or(|last| last.1 != *value) {
                    values[i] = columns.symbol(&mut self.symbols, value);
                }
            }
            columns.rows[number as usize].extend_from_slice(&values);
        }
        Some(columns.finish(&self.shapes))
    }
}

#[derive(Default)]
struct Columns {
    symbols: String,
    symbol_lengths: Vec<u8>,
    shapes: Vec<u8>,
    kinds: Vec<u8>,
    shape_refs: Vec<u8>,
    /// By shape: symbols of the values, series by series.
    rows: Vec<Vec<u32>>,
}

impl Columns {
    fn symbol(&mut self, known: &mut Numbers<str>, text: &str) -> u32 {
        let (number, is_new) = known.of(text);
        if is_new {
            self.symbols.push_str(text);
            put_varint(&mut self.symbol_lengths, text.len() as u64);
        }
        number
    }

    fn shape(&mut self, known: &mut Numbers<[u32]>, names: &[u32]) -> u32 {
        let (number, is_new) = known.of(names);
        if is_new {
            put_varint(&mut self.shapes, names.len() as u64);
            names.iter().for_each(|name| put_varint(&mut self.shapes, u64::from(*name)));
        }
        if self.rows.len() <= number as usize {
            self.rows.resize_with(number as usize + 1, Vec::new);
        }
        number
    }

    fn finish(self, shapes: &Numbers<[u32]>) -> pb::Definitions {
        let mut widths = vec![0; self.rows.len()];
        for (names, number) in &shapes.known {
            if let Some(width) = widths.get_mut(*number as usize) {
                *width = names.len();
            }
        }
        let mut label_values = Vec::new();
        for (rows, width) in self.rows.iter().zip(widths) {
            for name in 0..width {
                let mut before = 0;
                for symbol in rows.iter().skip(name).step_by(width) {
                    put_zigzag(&mut label_values, i64::from(*symbol) - before);
                    before = i64::from(*symbol);
                }
            }
        }
        pb::Definitions {
            symbols: self.symbols,
            symbol_lengths: self.symbol_lengths.into(),
            shapes: self.shapes.into(),
            kinds: self.kinds.into(),
            shape_refs: self.shape_refs.into(),
            label_values: label_values.into(),
        }
    }
}

/// Labels that are held already and can be shared instead of held again.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// The series of the same numbers, before the last key frame.
    pub(crate) before: &'a [Series],
    pub(crate) labels: Option<&'a LabelPool>,
}

/// Reads definitions, and remembers the texts and shapes of the stream.
#[derive(Debug, Default)]
pub(crate) struct DefinitionReader {
    text: String,
    /// End of each symbol in `text`.
    ends: Vec<u32>,
    shapes: Vec<Box<[u32]>>,
}

impl DefinitionReader {
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The series that `definitions` adds to `n_known` others.
    pub(crate) fn read(
        &mut self,
        definitions: &pb::Definitions,
        n_known: usize,
        known: Known<'_>,
    ) -> Result<Vec<Series>, DecodeError> {
        let n_series = definitions.kinds.len();
        if n_known + n_series > MAX_SERIES {
            let found = (n_known + n_series) as u64;
            return Err(DecodeError::TooLarge { what: "series", found, limit: MAX_SERIES as u64 });
        }
        self.read_symbols(definitions)?;
        self.read_shapes(&definitions.shapes)?;
        let shape_refs = self.read_shape_refs(&definitions.shape_refs, n_series)?;
        let mut values = self.read_values(&definitions.label_values, &shape_refs)?;
        let mut series = Vec::with_capacity(n_series);
        let mut label_bytes = 0;
        for (i, (shape, kind)) in shape_refs.iter().zip(&definitions.kinds).enumerate() {
            let kind = kind_from_byte(*kind)?;
            let row = values[*shape].next_row();
            let labels = self.labels(&self.shapes[*shape], row, (i, known))?;
            label_bytes += labels.heap_bytes();
            if label_bytes > LABEL_BYTES {
                let (found, limit) = (label_bytes as u64, LABEL_BYTES as u64);
                return Err(DecodeError::TooLarge { what: "bytes of labels", found, limit });
            }
            series.push(Series { labels, kind });
        }
        Ok(series)
    }

    fn read_symbols(&mut self, definitions: &pb::Definitions) -> Result<(), DecodeError> {
        let found = self.text.len() + definitions.symbols.len();
        if found > SYMBOL_BYTES {
            let (found, limit) = (found as u64, SYMBOL_BYTES as u64);
            return Err(DecodeError::TooLarge { what: "bytes of symbols", found, limit });
        }
        let mut end = self.text.len();
        self.text.push_str(&definitions.symbols);
        let mut lengths = Reader::new(&definitions.symbol_lengths);
        while lengths.remaining() > 0 {
            end = end.saturating_add(lengths.index()?);
            if !self.text.is_char_boundary(end) {
                return Err(DecodeError::Corrupt { detail: "the length of a symbol" });
            }
            self.ends.push(end as u32);
        }
        if end == self.text.len() {
            Ok(())
        } else {
            Err(DecodeError::Corrupt { detail: "symbols without a length" })
        }
    }

    fn read_shapes(&mut self, column: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(column);
        while reader.remaining() > 0 {
            let n_names = reader.index()?;
            if n_names > reader.remaining() {
                return Err(DecodeError::Corrupt { detail: "a shape is cut" });
            }
            let names = (0..n_names).map(|_| self.known(reader.varint()?));
            let names = names.collect::<Result<_, _>>()?;
            self.shapes.push(names);
        }
        Ok(())
    }

    fn read_shape_refs(&self, column: &[u8], n_series: usize) -> Result<Vec<usize>, DecodeError> {
        let mut reader = Reader::new(column);
        let shape = |_| match reader.index()? {
            shape if shape < self.shapes.len() => Ok(shape),
            _ => Err(DecodeError::Corrupt { detail: "a shape that is not defined" }),
        };
        let shapes = (0..n_series).map(shape).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(shapes)
    }

    fn read_values(&self, column: &[u8], shape_refs: &[usize]) -> Result<Vec<Rows>, DecodeError> {
        let mut counts = vec![0usize; self.shapes.len()];
        shape_refs.iter().for_each(|shape| counts[*shape] += 1);
        let mut reader = Reader::new(column);
        let mut rows = Vec::with_capacity(counts.len());
        for (shape, n_rows) in self.shapes.iter().zip(counts) {
            let width = shape.len();
            // Each value takes a byte at least; so what is allocated is bounded by what came.
            if n_rows.saturating_mul(width) > reader.remaining() {
                return Err(DecodeError::Corrupt { detail: "labels without values" });
            }
            let mut symbols = vec![0; n_rows * width];
            for name in 0..width {
                let mut before = 0i64;
                for row in 0..n_rows {
                    before = before.wrapping_add(reader.zigzag()?);
                    symbols[row * width + name] = self.known(before as u64)?;
                }
            }
            rows.push(Rows { symbols, width, at: 0 });
        }
        reader.finish()?;
        Ok(rows)
    }

    fn labels(
        &self,
        names: &[u32],
        values: &[u32],
        (i, known): (usize, Known<'_>),
    ) -> Result<Labels, DecodeError> {
        let pairs =
            || names.iter().zip(values).map(|(name, value)| (self.symbol(*name), self.symbol(*value)));
        if let Some(before) = known.before.get(i).filter(|before| before.labels.iter().eq(pairs())) {
            return Ok(before.labels.clone());
        }
        let labels = Labels::from_pairs(pairs())
            .map_err(|_| DecodeError::Corrupt { detail: "a label is given twice" })?;
        Ok(match known.labels {
            Some(pool) => pool.share(labels),
            None => labels,
        })
    }

    fn known(&self, symbol: u64) -> Result<u32, DecodeError> {
        if symbol < self.ends.len() as u64 {
            Ok(symbol as u32)
        } else {
            Err(DecodeError::Corrupt { detail: "a symbol that is not defined" })
        }
    }

    /// The text of a symbol that [`Self::known`] has let pass.
    fn symbol(&self, symbol: u32) -> &str {
        let symbol = symbol as usize;
        let start = if symbol == 0 { 0 } else { self.ends[symbol - 1] as usize };
        &self.text[start..self.ends[symbol] as usize]
    }
}

/// Values of the series of one shape, taken one series at a time.
struct Rows {
    symbols: Vec<u32>,
    width: usize,
    at: usize,
}

impl Rows {
    fn next_row(&mut self) -> &[u32] {
        let start = self.at;
        self.at += self.width;
        &self.symbols[start..self.at]
    }
}

const fn kind_to_byte(kind: MetricKind) -> u8 {
    match kind {
        MetricKind::Unknown => 0,
        MetricKind::Gauge => 1,
        MetricKind::Counter => 2,
    }
}

const fn kind_from_byte(byte: u8) -> Result<MetricKind, DecodeError> {
    match byte {
        0 => Ok(MetricKind::Unknown),
        1 => Ok(MetricKind::Gauge),
        2 => Ok(MetricKind::Counter),
        _ => Err(DecodeError::Corrupt { detail: "the kind of a series is unknown" }),
    }
}

/// Whether `this` is the bucket after `before` in the same histogram.
pub(crate) fn continues_histogram(before: &Labels, this: &Labels) -> bool {
    this.metric_name().ends_with("_bucket")
        && this.len() == before.len()
        && before.iter().zip(this.iter()).all(|(a, b)| a.0 == b.0 && (a.1 == b.1 || a.0 == "le"))
}

#[cfg(test)]
mod tests;
