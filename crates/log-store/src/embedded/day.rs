//! The index of one day.

use std::path::Path;

use jiff::Timestamp as Instant;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tantivy::collector::Collector;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use super::collect::Found;
use super::query;
use super::schema::{self, Fields};
use crate::{Cursor, Document, DocumentFilter, DocumentId, LogStoreError, Order};

/// Days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DayNumber(i64);

const DAY_MS: i64 = 86_400_000;

impl DayNumber {
    pub(super) const fn holding_ms(millis: i64) -> Self {
        Self(millis.div_euclid(DAY_MS))
    }

    pub(super) const fn holding_ns(nanos: i64) -> Self {
        Self::holding_ms(nanos.div_euclid(1_000_000))
    }

    /// `2026-11-21`.
    pub(super) fn name(self) -> String {
        let date = Instant::from_millisecond(self.0.saturating_mul(DAY_MS))
            .map(|at| at.to_zoned(TimeZone::UTC).date());
        date.map_or_else(|_| self.0.to_string(), |date| date.to_string())
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        let date: Date = name.parse().ok()?;
        let start = date.to_zoned(TimeZone::UTC).ok()?;
        (date.to_string() == name).then_some(Self(start.timestamp().as_millisecond().div_euclid(DAY_MS)))
    }
}

pub(super) struct Day {
    number: DayNumber,
    index: Index,
    reader: IndexReader,
    fields: Fields,
}

/// Memory of a writer; tantivy's least.
const WRITER_BYTES: usize = 15_000_000;

impl Day {
    pub(super) fn open(folder: &Path, number: DayNumber) -> Result<Self, LogStoreError> {
        let failed = |error: &dyn std::fmt::Display| LogStoreError::Open {
            message: format!(
                "the index {}: {error}; delete this folder to go on without that day",
                folder.display()
            ),
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let directory = tantivy::directory::MmapDirectory::open(folder).map_err(|error| failed(&error))?;
        let (schema, fields) = Fields::build();
        let index = Index::open_or_create(directory, schema).map_err(|error| failed(&error))?;
        index.tokenizers().register(schema::TOKENIZER, schema::tokenizer());
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .doc_store_cache_num_blocks(8)
            .try_into()
            .map_err(|error| failed(&error))?;
        Ok(Self { number, index, reader, fields })
    }

    pub(super) const fn number(&self) -> DayNumber {
        self.number
    }

    pub(super) const fn fields(&self) -> Fields {
        self.fields
    }

    pub(super) fn writer(&self) -> Result<IndexWriter, LogStoreError> {
        self.index.writer_with_num_threads(1, WRITER_BYTES).map_err(storage)
    }

    /// Shows readers what was committed.
    pub(super) fn reload(&self) -> Result<(), LogStoreError> {
        self.reader.reload().map_err(storage)
    }

    pub(super) fn id_term(&self, id: DocumentId) -> Term {
        Term::from_field_text(self.fields.id, &schema::id_text(id))
    }

    /// Whether a committed document has this id.
    pub(super) fn has(&self, id: DocumentId) -> Result<bool, LogStoreError> {
        Ok(self.reader.searcher().doc_freq(&self.id_term(id)).map_err(storage)? > 0)
    }

    pub(super) fn run<C: Collector>(
        &self,
        filter: &DocumentFilter,
        after: Option<(Cursor, Order)>,
        collector: &C,
    ) -> Result<C::Fruit, LogStoreError> {
        let query = query::build(filter, after, self.fields);
        self.reader.searcher().search(&*query, collector).map_err(storage)
    }

    pub(super) fn document(&self, found: Found) -> Result<Document, LogStoreError> {
        let document: TantivyDocument = self.reader.searcher().doc(found.address).map_err(storage)?;
        Ok(self.fields.read(&document))
    }

    pub(super) fn n_documents(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.reader.searcher().space_usage().map_or(0, |usage| usage.total().get_bytes())
    }
}

pub(super) fn storage(error: tantivy::TantivyError) -> LogStoreError {
    LogStoreError::Storage { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_name_that_leads_back_to_it() {
        let day = DayNumber::holding_ms(1_795_219_200_000);
        assert_eq!(day.name(), "2026-11-21");
        assert_eq!(DayNumber::from_name("2026-11-21"), Some(day));
        assert_eq!(DayNumber::from_name("lost+found"), None);
        assert_eq!(DayNumber::from_name("20261121"), None);
    }
}
