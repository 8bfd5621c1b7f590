//! [`TextIndex`]: a text index as one state of the database has it, opened once and shared by all who read that state.
//!
//! Whoever opens a collection makes it, a [`TextReader`](super::TextReader) reads through it. Opening takes names,
//! options and an analyzer; statistics, lengths and dead documents are asked for by every search, so that what was read of
//! them is kept; so are terms, as far as there is memory for them. Invariant: a `TextIndex` belongs to one state; a transaction
//! that writes on is another one. Memory: a byte for each document and field where the file is not mapped, and for terms what
//! the storage core reserves for readers.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::dead::DeadChunk;
use super::error::Result;
use super::ids::FieldId;
use super::indexer::TextWalker;
use super::keyspace::names;
use super::norms::LengthCodes;
use super::schema::{Field, TextIndexOptions};
use super::term::TermPostings;
use crate::lsm::{self, KeyspaceId, Reader};

/// A text index as one state of the database has it: what the searches of that state share.
#[derive(Debug)]
pub struct TextIndex {
    pub(super) text: KeyspaceId,
    pub(super) norms: KeyspaceId,
    pub(super) dead_documents: KeyspaceId,
    pub(super) options: TextIndexOptions,
    pub(super) fields: Vec<Field>,
    pub(super) walker: TextWalker,
    pub(super) statistics: Known<FieldId, FieldStatistics>,
    pub(super) lengths: Known<FieldId, Arc<[(u32, StoredLengths)]>>,
    pub(super) dead: Known<u32, Arc<DeadChunk>>,
    /// By what their keys begin with; each has its memory reserved.
    pub(super) terms: Known<Vec<u8>, Arc<TermPostings>>,
}

/// What was read of a state that does not change.
pub(super) struct Known<K, V>(RwLock<HashMap<K, V>>);

/// Exact numbers of a field, over the live documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldStatistics {
    /// Documents with a token in the field.
    pub documents: u64,
    /// Tokens of the field in all documents.
    pub total_length: u64,
}

/// The length codes of a field in one chunk, as they are stored.
#[derive(Debug, Clone)]
pub struct StoredLengths(Bytes);

impl TextIndex {
    /// Opens the text index of `collection` whose keyspaces have `index` in their names, and which has these options, in the state
    /// that `reader` shows.
    ///
    /// # Errors
    /// [`lsm::Error::UnknownKeyspace`] when there is no such index.
    pub fn open(
        reader: &dyn Reader,
        collection: &str,
        index: &str,
        options: TextIndexOptions,
    ) -> Result<Self> {
        let find = |name: String| {
            let found = reader.keyspace(&name);
            found.ok_or(lsm::Error::UnknownKeyspace(name))
        };
        Ok(TextIndex {
            text: find(names::text(collection, index))?,
            norms: find(names::norms(collection, index))?,
            dead_documents: find(names::dead(collection))?,
            fields: options.fields(),
            walker: TextWalker::new(&options)?,
            options,
            statistics: Known::default(),
            lengths: Known::default(),
            dead: Known::default(),
            terms: Known::default(),
        })
    }
}

impl<K: Eq + Hash, V: Clone> Known<K, V> {
    /// What stands under `key`, read when it is not known.
    pub(super) fn get(&self, key: K, read: impl FnOnce(&K) -> Result<V>) -> Result<V> {
        if let Some(known) = self.find(&key) {
            return Ok(known);
        }
        let value = read(&key)?;
        self.keep(key, value.clone());
        Ok(value)
    }

    /// What stands under `key`, if it is known.
    pub(super) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// From now on `key` is known.
    pub(super) fn keep(&self, key: K, value: V) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, value);
    }
}

impl<K, V> fmt::Debug for Known<K, V> {
    /// How much is known: what it is may be megabytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.read().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Known").field("len", &len).finish_non_exhaustive()
    }
}

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Known(RwLock::default())
    }
}

impl StoredLengths {
    pub(super) fn new(bytes: Bytes) -> Self {
        StoredLengths(bytes)
    }

    /// The length codes; constant time.
    pub fn view(&self) -> Result<LengthCodes<'_>> {
        Ok(LengthCodes::parse(&self.0)?)
    }
}
