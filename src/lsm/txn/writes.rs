//! [`Writes`]: a version, and what a transaction has written in front of it.
//!
//! Both kinds of transactions keep one; it knows nothing of who may commit. Reading goes through pending writes first,
//! newest first, then through the version.

use std::sync::Arc;

use bytes::Bytes;

use super::pending::Pending;
use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{KEY_BYTES_MAX, KeyspaceId, VALUE_BYTES_MAX};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::operands::Operands;
use crate::lsm::options::KeyspaceOptions;
use crate::lsm::ranges::KeyRange;
use crate::lsm::scan::{Cursor, shadow};

/// What a transaction has written, and what it is written on.
#[derive(Debug)]
pub(crate) struct Writes {
    /// The version that the transaction began on, and the keyspaces it created.
    pub(crate) base: Version,
    pub(crate) pending: Pending,
    pub(crate) created: Vec<KeyspaceDescriptor>,
}

/// A place in a transaction to which it can be rolled back, as long as this is kept.
///
/// Taking one costs nothing but a table of its own for what is written behind it; when it is dropped the two are
/// joined.
///
/// ```
/// use alluvium::lsm::{KeyspaceOptions, MemoryStorage, Options, Reader, Store};
///
/// let store = Store::open(MemoryStorage::default(), Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.put(fruit, b"apple", "red")?;
/// let savepoint = transaction.savepoint()?;
/// transaction.put(fruit, b"apple", "blue")?;
/// transaction.rollback_to(&savepoint)?;
/// assert_eq!(transaction.get(fruit, b"apple")?.unwrap(), "red");
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
#[derive(Debug)]
pub struct Savepoint {
    point: Arc<()>,
    /// Keyspaces that the transaction had created.
    created: usize,
}

impl Writes {
    pub(crate) fn new(base: &Version) -> Self {
        Writes { base: base.clone(), pending: Pending::default(), created: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.created.is_empty()
    }

    pub(super) fn create_keyspace(
        &mut self,
        registry: &Registry,
        name: &str,
        options: KeyspaceOptions,
    ) -> Result<KeyspaceId> {
        if let Some(id) = self.base.keyspace_named(name) {
            if self.base.keyspace(id)?.options == options {
                return Ok(id);
            }
            return Err(Error::KeyspaceExists(name.to_owned()));
        }
        let last = self.base.keyspaces.last_key_value().map_or(0, |(id, _)| id.0);
        let id = KeyspaceId(last + 1);
        let descriptor = KeyspaceDescriptor { id, name: name.to_owned(), options };
        self.base.create_keyspace(&descriptor, registry)?;
        self.created.push(descriptor);
        Ok(id)
    }

    pub(super) fn write(
        &mut self,
        disk: &Arc<Disk>,
        id: KeyspaceId,
        key: &[u8],
        kind: EntryKind,
        value: Bytes,
    ) -> Result<()> {
        let keyspace = self.base.keyspace(id)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { bytes: key.len() });
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::ValueTooLong { bytes: value.len() });
        }
        if kind == EntryKind::Merge && keyspace.combiner.operator.is_none() {
            return Err(Error::NoMergeOperator { keyspace: keyspace.name.clone() });
        }
        self.pending.write(&self.base, disk, keyspace, key, (kind, value))
    }

    pub(super) fn delete_range(
        &mut self,
        disk: &Arc<Disk>,
        id: KeyspaceId,
        range: KeyRange,
    ) -> Result<()> {
        let keyspace = self.base.keyspace(id)?;
        self.pending.delete_range(&self.base, disk, keyspace, range)
    }

    pub(super) fn savepoint(&mut self) -> Result<Savepoint> {
        let point = self.pending.savepoint(&self.base)?;
        Ok(Savepoint { point, created: self.created.len() })
    }

    pub(super) fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        if !self.pending.rollback_to(&savepoint.point) {
            return Err(Error::UnknownSavepoint);
        }
        for undone in self.created.drain(savepoint.created..) {
            self.base.keyspaces.remove(&undone.id);
        }
        Ok(())
    }

    /// What the pending writes say of a key, and whether the version behind them has to be asked.
    pub(super) fn find_pending(&self, id: KeyspaceId, key: &[u8]) -> Result<(Operands, bool)> {
        let mut operands = Operands::default();
        let is_settled = self.pending.find(id, key, &mut operands)?;
        Ok((operands, !is_settled))
    }

    pub(super) fn get(&self, id: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        let keyspace = self.base.keyspace(id)?;
        match self.find_pending(id, key)? {
            (operands, true) => self.base.find_below(keyspace, key, operands),
            (operands, false) => operands.resolve(&keyspace.combiner, key),
        }
    }

    pub(super) fn cursor(&self, id: KeyspaceId) -> Result<Cursor<'_>> {
        let keyspace = self.base.keyspace(id)?;
        let mut sources = self.pending.sources(id);
        sources.extend(self.base.sources(keyspace));
        Ok(Cursor::new(Arc::clone(&keyspace.combiner), shadow(sources)))
    }
}
