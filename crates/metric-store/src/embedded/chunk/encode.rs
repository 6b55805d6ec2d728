//! Rows → chunk.

use sentinel_model::{Aggregate, Summary};

use super::column::Column;
use super::header::Header;
use super::integers::put_integers;
use super::sketches::Sketches;
use super::{SeriesRows, VERSION, foretold};
use crate::embedded::codec::{put_packed, put_section, put_varint, seal};

/// Descriptions are short: the best level costs microseconds.
const DESCRIPTION_LEVEL: i32 = 9;

#[derive(Default)]
struct Columns {
    counts: Vec<i64>,
    last: Column,
    min: Column,
    max: Column,
    sum: Column,
    m2: Column,
    increase: Column,
    sketches: Sketches,
}

/// `series` ascending by number, rows ascending by window, neither twice.
pub(crate) fn encode(series: &[SeriesRows]) -> Vec<u8> {
    let mut columns = Columns::default();
    series.iter().for_each(|one| columns.add_series(&one.rows));
    let mut meta = Vec::new();
    Header::of(series).put(&mut meta);
    let mut body = Vec::new();
    for (own_meta, own_data) in columns.put() {
        put_section(&mut meta, &own_meta);
        put_varint(&mut meta, own_data.len() as u64);
        body.extend_from_slice(&own_data);
    }
    let mut chunk = vec![VERSION];
    put_packed(&mut chunk, &meta, DESCRIPTION_LEVEL);
    chunk.extend_from_slice(&body);
    seal(&chunk)
}

impl Columns {
    fn add_series(&mut self, rows: &[(u32, Aggregate)]) {
        for column in
            [&mut self.last, &mut self.min, &mut self.max, &mut self.sum, &mut self.m2, &mut self.increase]
        {
            column.start_series();
        }
        let mut before = None;
        for (_, aggregate) in rows {
            self.last.push(aggregate.last(), None);
            if let Aggregate::Summary(summary) = aggregate {
                self.add_summary(summary, before);
            }
            before = Some(aggregate.last());
        }
    }

    fn add_summary(&mut self, summary: &Summary, before: Option<f64>) {
        self.counts.push(summary.count as i64);
        self.min.push(summary.min, Some(summary.last));
        self.max.push(summary.max, Some(summary.last));
        self.sum.push(summary.sum, Some(foretold::sum(summary)));
        self.m2.push(summary.m2, Some(foretold::m2(summary)));
        if let Some(increase) = summary.increase {
            self.increase.push(increase, Some(foretold::increase(before, summary.last)));
        }
        if let Some(sketch) = &summary.sketch {
            self.sketches.push(sketch);
        }
    }

    /// Description and data of each column, in the order of `ColumnKind`.
    fn put(&self) -> [(Vec<u8>, Vec<u8>); super::N_COLUMNS] {
        let column = |put: &dyn Fn(&mut Vec<u8>, &mut Vec<u8>)| {
            let (mut meta, mut data) = (Vec::new(), Vec::new());
            put(&mut meta, &mut data);
            (meta, data)
        };
        [
            column(&|_, data| {
                let mut before = 0;
                let steps: Vec<i64> = self
                    .counts
                    .iter()
                    .map(|count| {
                        let step = count.wrapping_sub(before);
                        before = *count;
                        step
                    })
                    .collect();
                put_integers(data, &steps);
            }),
            column(&|meta, data| self.last.put(meta, data)),
            column(&|meta, data| self.min.put(meta, data)),
            column(&|meta, data| self.max.put(meta, data)),
            column(&|meta, data| self.sum.put(meta, data)),
            column(&|meta, data| self.m2.put(meta, data)),
            column(&|meta, data| self.increase.put(meta, data)),
            column(&|meta, data| self.sketches.put(meta, data)),
        ]
    }
}
