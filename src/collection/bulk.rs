//! [`BulkIndexer`]: analyzes the text of many documents beside the writer, on several threads, before it is known which numbers
//! they are given.
//!
//! Each thread has one. Documents are counted from 0 in the order in which they will be stored; a thread takes some of them, in this
//! order. What all threads gathered is a [`BulkText`], which [`CollectionWriter::add_text`](super::CollectionWriter::add_text) takes over:
//! what is then in the index does not depend on who analyzed what. Cost: that of the analyzer, and nothing that threads share.

use crate::bson::{NESTING_MAX, RawDocument, validate};
use crate::fts::{self, DocId, Inverter, SideIndexer, TextIndexOptions};

use super::error::Result;

/// Analyzes some of a bulk's documents.
#[derive(Debug)]
pub struct BulkIndexer {
    /// One for each text index.
    indexers: Vec<SideIndexer>,
}

/// What was gathered of the documents of a bulk.
#[derive(Debug, Default)]
pub struct BulkText {
    /// For each text index.
    indexes: Vec<Vec<Inverter>>,
}

impl BulkIndexer {
    /// An indexer for text indexes of these options.
    ///
    /// # Errors
    /// [`fts::Error::InvalidIndex`].
    pub fn new(options: &[TextIndexOptions]) -> Result<Self> {
        let indexers = options.iter().map(SideIndexer::new).collect::<fts::Result<_>>()?;
        Ok(BulkIndexer { indexers })
    }

    /// Adds the text of document `number` of the bulk; numbers ascend.
    ///
    /// # Errors
    /// Those of a document that the writer refuses; what was gathered is of no use then.
    pub fn add(&mut self, number: u64, document: &RawDocument) -> Result<()> {
        let document = validate(document.as_bytes(), NESTING_MAX)?;
        let number = DocId::new(number).ok_or(fts::Error::DocIdsExhausted)?;
        for indexer in &mut self.indexers {
            indexer.add(number, document)?;
        }
        Ok(())
    }

    /// Moves what has gathered to that of other threads.
    pub fn take_into(&mut self, text: &mut BulkText) {
        text.indexes.resize_with(self.indexers.len(), Vec::new);
        for (inverters, indexer) in text.indexes.iter_mut().zip(&mut self.indexers) {
            inverters.push(indexer.take());
        }
    }
}

impl BulkText {
    /// Tokens of all text indexes.
    pub fn tokens(&self) -> u64 {
        let tokens = self.indexes.iter().flatten().map(Inverter::tokens).sum::<i64>();
        // Nothing was removed here.
        tokens.unsigned_abs()
    }

    pub(super) fn into_indexes(self) -> Vec<Vec<Inverter>> {
        self.indexes
    }
}
