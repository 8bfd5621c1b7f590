//! [`ValueIndexer`]: what the documents of a pending transaction put into one value index.
//!
//! The collection writer asks it for the keys of a document before anything is written, lets it refuse them, and then has it put
//! them into the transaction at once. Invariant: a unique index has entries of living documents only, and one for each key. Cost: the
//! document is walked once for each field; a unique key costs a look-up.

use super::super::catalog::ValueIndexDefinition;
use super::super::error::{Error, Result};
use super::entry::{INDEX_KEY_BYTES_MAX, MARK_KEY, decode_mark, encode_mark, shared_key};
use crate::bson::{Filter, IndexKeys, KeyShape, RawDocument};
use crate::fts::{DocId, names};
use crate::lsm::{self, KeyspaceId, Reader, Transaction};

/// Writes one value index.
#[derive(Debug)]
pub(in super::super) struct ValueIndexer {
    collection: String,
    name: String,
    keyspace: KeyspaceId,
    shape: KeyShape,
    filter: Option<Filter>,
    unique: bool,
    sparse: bool,
    /// The fields that met arrays, as the mark says.
    arrays: u32,
}

impl ValueIndexer {
    /// An indexer for an index that exists.
    pub(in super::super) fn open(
        reader: &dyn Reader,
        collection: &str,
        definition: &ValueIndexDefinition,
    ) -> Result<Self> {
        let keyspace = keyspace(reader, collection, &definition.name)?;
        let (shape, filter) = definition.options.compile()?;
        Ok(ValueIndexer {
            collection: collection.to_owned(),
            name: definition.name.clone(),
            keyspace,
            shape,
            filter,
            unique: definition.options.unique,
            sparse: definition.options.sparse,
            arrays: read_arrays(reader, keyspace)?,
        })
    }

    /// Whether entries of documents that go have to be deleted.
    pub(in super::super) fn is_unique(&self) -> bool {
        self.unique
    }

    /// The keys under which the index has a document; `None` when it leaves it out.
    ///
    /// # Errors
    /// [`Error::IndexKeyTooLong`], and [`Error::Document`] for too many keys.
    pub(in super::super) fn keys(&self, document: &RawDocument) -> Result<Option<IndexKeys>> {
        if let Some(filter) = &self.filter
            && !filter.matches(document)?
        {
            return Ok(None);
        }
        let keys = self.shape.keys(document)?;
        if self.sparse && keys.present == 0 {
            return Ok(None);
        }
        if let Some(key) = keys.keys.iter().find(|key| key.len() > INDEX_KEY_BYTES_MAX) {
            let (index, bytes) = (self.name.clone(), key.len());
            return Err(Error::IndexKeyTooLong { index, bytes, bytes_max: INDEX_KEY_BYTES_MAX });
        }
        Ok(Some(keys))
    }

    /// The document, another than `old`, that has one of these keys already, if they may not have any in common.
    ///
    /// # Errors
    /// Those of the storage core.
    pub(in super::super) fn holder(
        &self,
        reader: &dyn Reader,
        keys: &IndexKeys,
        old: Option<DocId>,
    ) -> Result<Option<DocId>> {
        for key in keys.keys.iter().filter(|_| self.unique) {
            let Some(value) = reader.get(self.keyspace, key)? else { continue };
            let holder = DocId::from_key(&value)?;
            if old != Some(holder) {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// Whether the index has this document under this key.
    ///
    /// # Errors
    /// Those of the storage core.
    pub(in super::super) fn holds(
        &self,
        reader: &dyn Reader,
        key: &[u8],
        doc: DocId,
    ) -> Result<bool> {
        if self.unique {
            let value = reader.get(self.keyspace, key)?;
            return Ok(value.as_deref() == Some(&doc.to_key()));
        }
        Ok(reader.get(self.keyspace, &shared_key(key, doc))?.is_some())
    }

    /// The error for a document whose key another one has, which `id` names as JSON.
    pub(in super::super) fn duplicate(&self, id: String) -> Error {
        let paths: Vec<_> = self.shape.fields().iter().map(|field| field.path.as_str()).collect();
        let (collection, index) = (self.collection.clone(), self.name.clone());
        Error::DuplicateKey { collection, index, paths: paths.join(", ").into(), id }
    }

    /// Adds a document under its keys.
    ///
    /// # Errors
    /// Those of the storage core, which leave the index half way.
    pub(in super::super) fn put(
        &mut self,
        transaction: &mut Transaction,
        doc: DocId,
        keys: &IndexKeys,
    ) -> Result<()> {
        for key in &keys.keys {
            if self.unique {
                transaction.put(self.keyspace, key, doc.to_key())?;
            } else {
                transaction.put(self.keyspace, &shared_key(key, doc), [])?;
            }
        }
        if keys.arrays & !self.arrays != 0 {
            self.arrays |= keys.arrays;
            transaction.put(self.keyspace, &MARK_KEY, encode_mark(self.arrays))?;
        }
        Ok(())
    }

    /// Takes a document out of a unique index, before the one that replaces it is put; others keep what will be masked.
    ///
    /// # Errors
    /// Those of the storage core, which leave the index half way.
    pub(in super::super) fn remove(
        &self,
        transaction: &mut Transaction,
        document: &RawDocument,
    ) -> Result<()> {
        if self.unique {
            for key in self.keys(document)?.iter().flat_map(|keys| &keys.keys) {
                transaction.delete(self.keyspace, key)?;
            }
        }
        Ok(())
    }
}

/// The keyspace of an index that exists.
pub(super) fn keyspace(reader: &dyn Reader, collection: &str, index: &str) -> Result<KeyspaceId> {
    let name = names::value(collection, index);
    let found = reader.keyspace(&name);
    Ok(found.ok_or(lsm::Error::UnknownKeyspace(name))?)
}

/// The fields that met arrays: bit i for field i.
pub(super) fn read_arrays(reader: &dyn Reader, keyspace: KeyspaceId) -> Result<u32> {
    let mark = reader.get(keyspace, &MARK_KEY)?;
    Ok(mark.map(|mark| decode_mark(&mark)).transpose()?.unwrap_or_default())
}
