//! The deep check of one value index: the documents against its entries, both ways.
//!
//! The walk over the documents shows each living one, whose keys have to be there; then the entries are counted. With as many of
//! living documents as there are keys there is none too many. Invariant: nothing is held in memory but the counts. Cost: a look-up a key
//! and a step an entry.

use super::super::catalog::ValueIndexDefinition;
use super::super::error::Result;
use super::super::value_index::{ValueIndex, ValueIndexer};
use super::{Dead, DeepReport, Life};
use crate::bson::{KeyRange, RawDocument};
use crate::fts::DocId;
use crate::lsm::Reader;

/// Entries that are walked at a time.
const WALKED_LEN: usize = 1024;

/// Compares one value index with the documents.
#[derive(Debug)]
pub(super) struct ValueCheck {
    /// Collection and index, for findings.
    name: String,
    index: ValueIndex,
    indexer: ValueIndexer,
    /// Keys of the living documents.
    keys: u64,
}

impl ValueCheck {
    pub(super) fn new(
        reader: &dyn Reader,
        collection: &str,
        definition: &ValueIndexDefinition,
    ) -> Result<Self> {
        Ok(ValueCheck {
            name: format!("{collection}, {}", definition.name),
            index: ValueIndex::open(reader, collection, definition)?,
            indexer: ValueIndexer::open(reader, collection, definition)?,
            keys: 0,
        })
    }

    /// Looks whether a living document is found under its keys.
    pub(super) fn document(
        &mut self,
        reader: &dyn Reader,
        doc: DocId,
        document: &RawDocument,
        report: &mut DeepReport,
    ) -> Result<()> {
        let name = &self.name;
        let Some(keys) = self.indexer.keys(document)? else { return Ok(()) };
        self.keys += keys.keys.len() as u64;
        for key in &keys.keys {
            if !self.indexer.holds(reader, key, doc)? {
                let key = key.escape_ascii();
                report.found(format_args!("{name}: document {doc} is not under its key {key}"));
            }
        }
        if keys.arrays & !self.index.arrays() != 0 {
            report.found(format_args!("{name}: document {doc} has an array and the mark none"));
        }
        Ok(())
    }

    /// Counts the entries.
    pub(super) fn finish(
        &self,
        reader: &dyn Reader,
        dead: &Dead,
        report: &mut DeepReport,
    ) -> Result<()> {
        let name = &self.name;
        let mut live = 0;
        let everything = KeyRange { lower: vec![1], upper: None };
        let mut walk = self.index.walk(reader, vec![everything])?;
        let (mut documents, mut is_done) = (Vec::new(), false);
        while !is_done {
            documents.clear();
            (_, is_done) = walk.walk(WALKED_LEN, &mut documents)?;
            for &doc in &documents {
                match dead.life(doc) {
                    Life::Live => live += 1,
                    Life::Dead if self.indexer.is_unique() => {
                        report
                            .found(format_args!("{name}: an entry leads to {doc}, which is dead"));
                    }
                    Life::Dead => {}
                    Life::NeverGiven => {
                        report.found(format_args!("{name}: an entry leads to {doc}, never given"));
                    }
                }
            }
        }
        if live != self.keys {
            let keys = self.keys;
            report.found(format_args!("{name}: {live} entries of living documents, {keys} keys"));
        }
        report.value_entries += live;
        Ok(())
    }
}
