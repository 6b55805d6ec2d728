//! Series on disk: records of many definitions, each text once and only what differs from the
//! definition before.

use ahash::HashMap;
use sentinel_model::{Labels, MetricKind, Series};

use super::codec::{CodecError, Reader, put_packed, put_section, put_varint, seal, unseal};

const VERSION: u8 = 1;
/// Definitions are written once and read at each start.
const LEVEL: i32 = 9;
/// More definitions in one record are never written.
const MAX_DEFINITIONS: usize = 1 << 20;
/// More labels in one series are never written.
const MAX_LABELS: usize = 1 << 16;

/// A series by its number.
pub(crate) type Definition = (u32, Series);

/// In any order; similar ones beside each other cost least.
pub(crate) fn encode<'a>(definitions: impl IntoIterator<Item = (u32, &'a Series)>) -> Vec<u8> {
    let mut numbers: HashMap<String, u64> = HashMap::default();
    let (mut texts, mut entries) = (Vec::new(), Vec::new());
    let (mut n_definitions, mut number_before) = (0u64, 0u32);
    let mut before: Vec<(u64, u64)> = Vec::new();
    for (number, series) in definitions {
        n_definitions += 1;
        put_varint(&mut entries, u64::from(number.wrapping_sub(number_before)));
        number_before = number;
        entries.push(kind_code(series.kind));
        let mut symbol = |text: &str| {
            if let Some(symbol) = numbers.get(text) {
                return *symbol;
            }
            put_section(&mut texts, text.as_bytes());
            let symbol = numbers.len() as u64;
            numbers.insert(text.to_owned(), symbol);
            symbol
        };
        let pairs: Vec<_> = series.labels.iter().map(|(name, value)| (symbol(name), symbol(value))).collect();
        put_pairs(&mut entries, &pairs, &before);
        before = pairs;
    }
    let mut body = Vec::new();
    put_varint(&mut body, n_definitions);
    put_varint(&mut body, numbers.len() as u64);
    body.extend_from_slice(&texts);
    body.extend_from_slice(&entries);
    let mut record = vec![VERSION];
    put_packed(&mut record, &body, LEVEL);
    seal(&record)
}

pub(crate) fn decode(record: &[u8]) -> Result<Vec<Definition>, CodecError> {
    let mut reader = Reader::new(unseal(record)?);
    let version = reader.byte()?;
    if version != VERSION {
        return Err(CodecError::Version { found: version });
    }
    let body = reader.packed()?;
    let mut reader = Reader::new(&body);
    let n_definitions = reader.bounded(MAX_DEFINITIONS, "number of definitions")?;
    let n_texts = reader.bounded(body.len(), "number of texts")?;
    let mut texts = Vec::with_capacity(n_texts);
    for _ in 0..n_texts {
        let text = std::str::from_utf8(reader.section()?);
        texts.push(text.map_err(|_| CodecError::Bounds { what: "text" })?);
    }
    let mut definitions = Vec::new();
    let mut number = 0u32;
    let mut pairs = Vec::new();
    for _ in 0..n_definitions {
        number = number.wrapping_add(reader.small("series number")?);
        let kind = kind_of(reader.byte()?)?;
        pairs = read_pairs(&mut reader, &pairs)?;
        let mut named = Vec::with_capacity(pairs.len());
        for (name, value) in &pairs {
            let text = |symbol: u64| texts.get(symbol as usize).copied();
            named.push(text(*name).zip(text(*value)).ok_or(CodecError::Bounds { what: "text" })?);
        }
        let labels = Labels::from_pairs(named).map_err(|_| CodecError::Bounds { what: "labels" })?;
        definitions.push((number, Series { labels, kind }));
    }
    Ok(definitions)
}

/// How many labels, then for each one 0 (as before at this place) or the numbers of its texts plus 1.
fn put_pairs(out: &mut Vec<u8>, pairs: &[(u64, u64)], before: &[(u64, u64)]) {
    put_varint(out, pairs.len() as u64);
    for (at, pair) in pairs.iter().enumerate() {
        if before.get(at) == Some(pair) {
            out.push(0);
        } else {
            put_varint(out, pair.0 + 1);
            put_varint(out, pair.1);
        }
    }
}

fn read_pairs(reader: &mut Reader<'_>, before: &[(u64, u64)]) -> Result<Vec<(u64, u64)>, CodecError> {
    let n_pairs = reader.bounded(MAX_LABELS, "number of labels")?;
    let mut pairs = Vec::new();
    for at in 0..n_pairs {
        pairs.push(match reader.varint()?.checked_sub(1) {
            Some(name) => (name, reader.varint()?),
            None => *before.get(at).ok_or(CodecError::Bounds { what: "label" })?,
        });
    }
    Ok(pairs)
}

const fn kind_code(kind: MetricKind) -> u8 {
    match kind {
        MetricKind::Unknown => 0,
        MetricKind::Gauge => 1,
        MetricKind::Counter => 2,
    }
}

const fn kind_of(code: u8) -> Result<MetricKind, CodecError> {
    match code {
        0 => Ok(MetricKind::Unknown),
        1 => Ok(MetricKind::Gauge),
        2 => Ok(MetricKind::Counter),
        _ => Err(CodecError::Bounds { what: "kind of metric" }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn definition() -> impl Strategy<Value = Definition> {
        let pairs = prop::collection::btree_map("[a-e]{1,2}", "\\PC{0,6}", 0..6);
        let kind = prop::sample::select(vec![MetricKind::Unknown, MetricKind::Gauge, MetricKind::Counter]);
        (any::<u32>(), pairs, kind).prop_map(|(number, pairs, kind)| {
            (number, Series { labels: Labels::from_pairs(&pairs).expect("a map has unique names"), kind })
        })
    }

    proptest! {
        #[test]
        fn gives_back_every_definition(definitions in prop::collection::vec(definition(), 0..30)) {
            let record = encode(definitions.iter().map(|(number, series)| (*number, series)));
            prop_assert_eq!(decode(&record).expect("own bytes"), definitions);
        }

        #[test]
        fn bytes_that_nobody_wrote_are_no_panic(
            definitions in prop::collection::vec(definition(), 0..4), at: usize, flip in 1u8..) {
            let record = encode(definitions.iter().map(|(number, series)| (*number, series)));
            let mut body = unseal(&record).expect("own bytes").to_vec();
            let at = at % body.len();
            body[at] ^= flip;
            let _ = decode(&seal(&body));
        }
    }

    #[test]
    fn similar_series_cost_a_few_bytes_each() {
        let series = |number: u32| {
            let pod = format!("web-{}", number / 20);
            let metric = format!("container_metric_{}_bytes_total", number % 20);
            let pairs =
                [("__name__", metric.as_str()), ("namespace", "shop"), ("pod", &pod), ("node", "node-1")];
            Series { labels: Labels::from_pairs(pairs).expect("unique names"), kind: MetricKind::Counter }
        };
        let all: Vec<_> = (0..1_000).map(|number| (number, series(number))).collect();
        let bytes = encode(all.iter().map(|(number, series)| (*number, series))).len();
        assert!(bytes < 4_000, "{bytes} bytes for 1000 series");
    }
}
