//! Definitions survive, share what they can, and are refused when they make no sense.

use proptest::prelude::*;
use sentinel_model::METRIC_NAME;

use super::*;
use crate::testing::{damage, labels, table};

fn written(series: &[Series]) -> pb::Definitions {
    DefinitionWriter::default().write(series).expect("there are series")
}

fn read(definitions: &pb::Definitions) -> Result<Vec<Series>, DecodeError> {
    DefinitionReader::default().read(definitions, 0, Known::default())
}

#[test]
fn later_definitions_use_the_texts_of_earlier_ones() {
    let series = table(40);
    let (mut writer, mut reader) = (DefinitionWriter::default(), DefinitionReader::default());
    let first = writer.write(&series[..32]).expect("there are series");
    let second = writer.write(&series[32..]).expect("there are series");
    assert_eq!(second.symbols, "web-4", "only the pod is new");
    assert_eq!(reader.read(&first, 0, Known::default()).expect("what was written"), series[..32]);
    assert_eq!(reader.read(&second, 32, Known::default()).expect("what was written"), series[32..]);
    assert_eq!(writer.write(&[]), None);
}

#[test]
fn shares_labels_that_were_known_before() {
    let series = table(16);
    let before = read(&written(&series)).expect("what was written");
    let mut renumbered = series.clone();
    renumbered.swap(3, 4);
    let again = DefinitionReader::default()
        .read(&written(&renumbered), 0, Known { before: &before, labels: None })
        .expect("what was written");
    assert_eq!(again, renumbered);
    let text = |series: &Series| series.labels.metric_name().as_ptr();
    assert_eq!(text(&again[0]), text(&before[0]), "the same text in memory");
    assert_ne!(text(&again[3]), text(&before[3]));
}

#[test]
fn knows_the_next_bucket_of_a_histogram() {
    let bucket = |name, pod, le| labels(&[(METRIC_NAME, name), ("pod", pod), ("le", le)]);
    let first = bucket("wait_bucket", "a", "1");
    assert!(continues_histogram(&first, &bucket("wait_bucket", "a", "2")));
    assert!(!continues_histogram(&first, &bucket("wait_bucket", "b", "2")));
    assert!(!continues_histogram(&first, &bucket("hold_bucket", "a", "2")));
    assert!(!continues_histogram(&bucket("wait", "a", "1"), &bucket("wait", "a", "2")));
    assert!(!continues_histogram(&Labels::empty(), &first));
}

#[test]
fn refuses_what_is_not_defined_or_left_over() {
    let good = written(&table(9));
    let damaged = |damage: fn(&mut pb::Definitions)| {
        let mut definitions = good.clone();
        damage(&mut definitions);
        read(&definitions).expect_err("a damaged definition").to_string()
    };
    assert!(damaged(|d| d.symbols.push('x')).contains("symbols without a length"));
    assert!(damaged(|d| d.symbols.replace_range(.., "é")).contains("length of a symbol"));
    assert!(damaged(|d| d.shapes = vec![9].into()).contains("a shape is cut"));
    assert!(damaged(|d| d.shapes = vec![1, 99].into()).contains("symbol that is not defined"));
    assert!(damaged(|d| d.kinds = vec![3; 9].into()).contains("kind of a series"));
    assert!(damaged(|d| d.shape_refs = vec![77; 9].into()).contains("shape that is not defined"));
    assert!(damaged(|d| d.shape_refs = vec![0; 10].into()).contains("more than it should"));
    assert!(damaged(|d| d.label_values.clear()).contains("labels without values"));
}

#[test]
fn refuses_a_label_given_twice() {
    let definitions = pb::Definitions {
        symbols: "ab".into(),
        symbol_lengths: vec![1, 1].into(),
        shapes: vec![2, 0, 0].into(),
        kinds: vec![0].into(),
        shape_refs: vec![0].into(),
        label_values: vec![2, 2].into(),
    };
    assert!(read(&definitions).expect_err("twice").to_string().contains("given twice"));
}

#[test]
fn refuses_labels_that_would_take_memory_without_end() {
    let text = "x".repeat(1 << 20);
    let series: Vec<_> =
        (0..600).map(|_| Series { labels: labels(&[("a", &text)]), kind: MetricKind::Gauge }).collect();
    let definitions = written(&series);
    assert!(definitions.symbols.len() < 2 << 20, "the text is there once");
    let error = read(&definitions).expect_err("600 MiB of labels");
    assert!(matches!(error, DecodeError::TooLarge { what: "bytes of labels", .. }), "{error}");
    let error = DefinitionReader::default().read(&definitions, MAX_SERIES - 599, Known::default());
    assert!(matches!(error, Err(DecodeError::TooLarge { what: "series", .. })));
}

proptest! {
    #[test]
    fn gives_back_every_label(
        tables in prop::collection::vec(
            prop::collection::vec((prop::collection::btree_map("[a-d]{1,2}", "\\PC{1,3}", 0..5), 0u8..3), 0..12),
            1..4,
        ),
    ) {
        let (mut writer, mut reader) = (DefinitionWriter::default(), DefinitionReader::default());
        let mut n_known = 0;
        for table in tables {
            let series: Vec<Series> = table
                .iter()
                .map(|(pairs, kind)| Series {
                    labels: Labels::from_pairs(pairs).expect("a map has unique names"),
                    kind: kind_from_byte(*kind).expect("a kind"),
                })
                .collect();
            if let Some(definitions) = writer.write(&series) {
                let read = reader.read(&definitions, n_known, Known::default()).expect("what was written");
                prop_assert_eq!(&read, &series);
                n_known += read.len();
            }
        }
    }

    #[test]
    fn survives_damaged_columns(column in 0usize..6, damage in damage()) {
        let mut definitions = written(&table(20));
        let damaged = |bytes: &bytes::Bytes| {
            let mut bytes = bytes.to_vec();
            damage.to(&mut bytes);
            bytes.into()
        };
        match column {
            0 => {
                let mut text = definitions.symbols.into_bytes();
                damage.to(&mut text);
                definitions.symbols = String::from_utf8_lossy(&text).into_owned();
            }
            1 => definitions.symbol_lengths = damaged(&definitions.symbol_lengths),
            2 => definitions.shapes = damaged(&definitions.shapes),
            3 => definitions.kinds = damaged(&definitions.kinds),
            4 => definitions.shape_refs = damaged(&definitions.shape_refs),
            _ => definitions.label_values = damaged(&definitions.label_values),
        }
        let _ = read(&definitions);
    }
}

#[test]
fn what_was_forgotten_is_written_again() {
    let series = table(64);
    let (mut writer, mut reader) = (DefinitionWriter::default(), DefinitionReader::default());
    for part in series.chunks(16) {
        let written = writer.write(part).expect("there are series");
        assert_eq!(reader.read(&written, 0, Known::default()).expect("what was written"), part);
        writer.forget();
    }
}

#[test]
fn labels_of_a_pool_are_shared_between_readers() {
    let pool = LabelPool::default();
    let definitions = written(&table(32));
    let known = Known { before: &[], labels: Some(&pool) };
    let read = || DefinitionReader::default().read(&definitions, 0, known).expect("what was written");
    assert_eq!((read(), read()), (table(32), table(32)));
    assert_eq!(pool.len(), 32);
}
