//! [`ColumnIndexer`]: keeps a stored column up to date inside a pending transaction.
//!
//! The collection's writer adds every document that it stores, and drains before a commit. What documents have at the column's
//! path gathers in memory, chunk by chunk; draining writes one merge operand for each. A document that is removed leaves its
//! values behind, whoever reads masks them. Cost: that of the builder.

use std::collections::BTreeMap;

use super::builder::ColumnChunkBuilder;
use super::error::{Error, Result};
use super::operator::column_key;
use crate::bson::{Path, RawBsonRef, RawDocument, sort_key};
use crate::fts::DocId;
use crate::lsm::{self, KeyspaceId};

/// Bytes that the values of one document may take in a stored column: then those of a full chunk are a value that the store takes.
pub const COLUMN_DOCUMENT_BYTES_MAX: usize = 1_000;
/// Bytes that a value takes beside its own: its type and length, its ordinal, and its share of what marks the document.
const BESIDE_BYTES: usize = 8;
/// The most bytes of a value of fixed width, however short its sort key.
const FIXED_BYTES: usize = 17;

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
    /// [`Error::ValuesTooLong`], and [`Error::Document`] for bytes that were not validated.
    pub fn check(&self, document: &RawDocument) -> Result<()> {
        let (mut key, mut bytes, mut keyed) = (Vec::new(), 0_usize, Ok(()));
        self.path.each_value(document, &mut |value| {
            if keyed.is_ok() {
                key.clear();
                keyed = sort_key(value, &mut key);
                bytes = bytes.saturating_add(stored_bytes(value, key.len()));
            }
        })?;
        keyed?;
        if bytes > COLUMN_DOCUMENT_BYTES_MAX {
            let (path, bytes_max) = (self.path.to_string(), COLUMN_DOCUMENT_BYTES_MAX);
            return Err(Error::ValuesTooLong { path, bytes, bytes_max });
        }
        Ok(())
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

/// No fewer bytes than a value takes in a chunk, its sort key having so many.
fn stored_bytes(value: RawBsonRef<'_>, key_len: usize) -> usize {
    let len = match value {
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Array(array) => array.as_bytes().len(),
        RawBsonRef::JavaScriptCodeWithScope(code) => code.code.len() + code.scope.as_bytes().len(),
        _ => key_len,
    };
    len.max(key_len).max(FIXED_BYTES) + BESIDE_BYTES
}
