//! The index of one day.

use std::path::Path;

use tantivy::collector::Collector;
use tantivy::query::{Query as _, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term};

use super::collect::Found;
use super::query;
use super::schema::{self, Fields, Layout};
use crate::day::DayNumber;
use crate::{Cursor, Document, DocumentFilter, DocumentId, DocumentKind, LogStoreError, Order};

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
        let open = |layout| {
            let (schema, fields) = Fields::build(layout);
            Index::open_or_create(directory.clone(), schema).map(|index| (index, fields))
        };
        let opened = match open(Layout::Current) {
            Err(TantivyError::SchemaError(_)) => open(Layout::First),
            opened => opened,
        };
        let (index, fields) = opened.map_err(|error| failed(&error))?;
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

    pub(super) fn kind_term(&self, kind: DocumentKind) -> Term {
        Term::from_field_text(self.fields.kind, schema::kind_name(kind))
    }

    /// Whether a committed document has this id.
    pub(super) fn has(&self, id: DocumentId) -> Result<bool, LogStoreError> {
        Ok(self.reader.searcher().doc_freq(&self.id_term(id)).map_err(storage)? > 0)
    }

    /// Whether a committed document is of this kind.
    pub(super) fn has_any(&self, kind: DocumentKind) -> Result<bool, LogStoreError> {
        // Not the term's frequency, which also counts what is only marked as deleted.
        let query = TermQuery::new(self.kind_term(kind), IndexRecordOption::Basic);
        Ok(query.count(&self.reader.searcher()).map_err(storage)? > 0)
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

pub(super) fn storage(error: TantivyError) -> LogStoreError {
    LogStoreError::Storage { message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::line;

    #[test]
    fn reads_a_day_of_an_earlier_version() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let directory = tantivy::directory::MmapDirectory::open(folder.path()).expect("a directory");
        Index::create(directory, Fields::build(Layout::First).0, Default::default()).expect("an old index");
        let day = Day::open(folder.path(), DayNumber::holding_ms(0)).expect("readable");
        let document = line("c", 1, 5, "old");
        assert_eq!(day.fields().read(&day.fields().to_tantivy(&document)), document);
    }
}
