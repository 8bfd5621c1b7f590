//! [`ColumnIndexer`]: keeps a stored column up to date inside a pending transaction.
//!
//! The collection's writer adds every document that it stores, and drains before a commit. What documents have at the column's
//! path gathers in memory, chunk by chunk; draining writes one merge operand for each. A document that is removed leaves its
//! values behind, whoever reads masks them. Cost: that of the builder.

use std::collections::BTreeMap;

use super::builder::ColumnChunkBuilder;
use super::error::{Error, Result};
use super::operator::column_key;
use crate::bson::{Path, RawDocument, sort_key};
use crate::fts::DocId;
use crate::lsm::{self, KeyspaceId};

/// The longest sort key of a value that a stored column takes, in bytes.
pub const COLUMN_KEY_BYTES_MAX: usize = 1024;

/// Gathers the values of one column.
#[derive(Debug)]
pub struct ColumnIndexer {
    keyspace: KeyspaceId,
    path: Path,
    chunks: BTreeMap<u32, ColumnChunkBuilder>,
}

impl ColumnIndexer {
    /// An indexer of the values at `path` that writes to `keyspace`.
    pub fn new(keyspace: KeyspaceId, path: Path) -> Self {
        ColumnIndexer { keyspace, path, chunks: BTreeMap::new() }
    }

    /// Refuses a document that [`add`](Self::add) would fail for; changes nothing.
    ///
    /// # Errors
    /// [`Error::ValueTooLong`], and [`Error::Document`] for bytes that were not validated.
    pub fn check(&self, document: &RawDocument) -> Result<()> {
        let (mut key, mut checked) = (Vec::new(), Ok(()));
        self.path.each_value(document, &mut |value| {
            if checked.is_err() {
                return;
            }
            key.clear();
            checked = sort_key(value, &mut key).map_err(Error::from).and_then(|()| {
                let (bytes, bytes_max) = (key.len(), COLUMN_KEY_BYTES_MAX);
                let path = || self.path.to_string();
                let too_long = bytes > bytes_max;
                if too_long {
                    Err(Error::ValueTooLong { path: path(), bytes, bytes_max })
                } else {
                    Ok(())
                }
            });
        })?;
        checked
    }

    /// Adds the values of a document that is stored; each document once.
    ///
    /// # Errors
    /// Those of [`check`](Self::check); the transaction has to be rolled back then.
    pub fn add(&mut self, doc: DocId, document: &RawDocument) -> Result<()> {
        self.check(document)?;
        self.chunks.entry(doc.chunk()).or_default().add(doc.offset(), &self.path, document)
    }

    /// Bytes of memory that wait to be drained.
    pub fn bytes(&self) -> usize {
        self.chunks.values().map(ColumnChunkBuilder::bytes).sum()
    }

    /// Writes what has gathered into the transaction, so that its searches see it and its commit keeps it.
    ///
    /// # Errors
    /// Those of [`lsm::Transaction::merge`]; the transaction has to be rolled back then.
    pub fn drain(&mut self, transaction: &mut lsm::Transaction) -> Result<()> {
        while let Some((chunk, mut builder)) = self.chunks.pop_first() {
            let mut operand = Vec::new();
            builder.finish_into(&mut operand);
            if !operand.is_empty() {
                transaction.merge(self.keyspace, &column_key(chunk), operand)?;
            }
        }
        Ok(())
    }
}
