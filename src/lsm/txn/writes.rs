//! [`Writes`]: a version, and what a transaction has written in front of it.
//!
//! Both kinds of transactions keep one; it knows nothing of who may commit. Reading goes through pending writes first,
//! newest first, then through the version.

use std::io::Read;
use std::ops::Bound;
use std::sync::Arc;

use super::pending::Pending;
use crate::lsm::cache::Loan;
use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{KEY_BYTES_MAX, KeyspaceId, STREAM_BYTES_MAX, VALUE_BYTES_MAX};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::name_filter::NameFilter;
use crate::lsm::operands::{Content, Operands};
use crate::lsm::options::KeyspaceOptions;
use crate::lsm::ranges::KeyRange;
use crate::lsm::scan::{Cursor, NameCursor, shadow};
use crate::lsm::value::ValueLookup;

/// Chunks that are read of a stream before a value segment of its own is begun for it.
const HEAD_CHUNKS: u64 = 16;

/// What a transaction has written, and what it is written on.
#[derive(Debug)]
pub(crate) struct Writes {
    /// The version that the transaction began on; a copy when it created or dropped keyspaces.
    pub(crate) base: Arc<Version>,
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
    /// No writes on `base`; at most `bytes_max` of them will be in memory, which `loan` is for.
    pub(super) fn new(
        base: Arc<Version>,
        is_exclusive: bool,
        bytes_max: usize,
        loan: Loan,
    ) -> Self {
        let pending = Pending::new(is_exclusive, bytes_max, loan);
        Writes { base, pending, created: Vec::new() }
    }

    /// Puts the writes on a newer version, which has everything that they rely on.
    pub(crate) fn rebase(&mut self, base: Arc<Version>, registry: &Registry) -> Result<()> {
        self.base = base;
        for created in &self.created {
            Arc::make_mut(&mut self.base).create_keyspace(created, registry)?;
        }
        for id in self.pending.dropped() {
            Arc::make_mut(&mut self.base).drop_keyspace(id)?;
        }
        Ok(())
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
        let none_left = || Error::corruption("no number is left for another keyspace", 0);
        let id = KeyspaceId(self.base.last_keyspace.checked_add(1).ok_or_else(none_left)?);
        let descriptor = KeyspaceDescriptor { id, name: name.to_owned(), options };
        Arc::make_mut(&mut self.base).create_keyspace(&descriptor, registry)?;
        self.created.push(descriptor);
        Ok(id)
    }

    pub(super) fn drop_keyspace(&mut self, id: KeyspaceId) -> Result<()> {
        let keyspace = Arc::make_mut(&mut self.base).drop_keyspace(id)?;
        self.pending.drop_keyspace(keyspace);
        Ok(())
    }

    pub(super) fn write(
        &mut self,
        disk: &Arc<Disk>,
        id: KeyspaceId,
        key: &[u8],
        kind: EntryKind,
        value: &[u8],
    ) -> Result<()> {
        let keyspace = self.base.keyspace(id)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { bytes: key.len() });
        }
        let is_long = value.len() as u64 > u64::from(disk.values.chunk_bytes);
        let refers = kind == EntryKind::Put && is_long && keyspace.can_refer();
        let bytes_max = if refers { STREAM_BYTES_MAX } else { VALUE_BYTES_MAX as u64 };
        if value.len() as u64 > bytes_max {
            return Err(Error::ValueTooLong { bytes: value.len() as u64, bytes_max });
        }
        if refers {
            let reference = self.pending.store_value(disk, keyspace, value)?;
            let entry = (EntryKind::Refer, &reference.encode()[..]);
            return self.pending.write(&self.base, disk, keyspace, key, entry);
        }
        if kind == EntryKind::Merge && keyspace.combiner.operator.is_none() {
            return Err(Error::NoMergeOperator { keyspace: keyspace.name.clone() });
        }
        self.pending.write(&self.base, disk, keyspace, key, (kind, value))
    }

    /// Writes a value that is read from `source`.
    pub(super) fn write_stream(
        &mut self,
        disk: &Arc<Disk>,
        id: KeyspaceId,
        key: &[u8],
        source: &mut dyn Read,
    ) -> Result<()> {
        let keyspace = Arc::clone(self.base.keyspace(id)?);
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { bytes: key.len() });
        }
        let limit = if keyspace.can_refer() {
            HEAD_CHUNKS * u64::from(disk.values.chunk_bytes)
        } else {
            VALUE_BYTES_MAX as u64 + 1
        };
        let mut head = Vec::new();
        let read = Read::take(&mut *source, limit).read_to_end(&mut head);
        read.map_err(|error| Error::io("reading the value that is to be stored", error))?;
        if (head.len() as u64) < limit || !keyspace.can_refer() {
            return self.write(disk, id, key, EntryKind::Put, &head);
        }
        let reference = self.pending.store_stream(disk, &keyspace, &head, source)?;
        let entry = (EntryKind::Refer, &reference.encode()[..]);
        self.pending.write(&self.base, disk, &keyspace, key, entry)
    }

    pub(super) fn delete_range(
        &mut self,
        disk: &Arc<Disk>,
        id: KeyspaceId,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
    ) -> Result<()> {
        self.base.keyspace(id)?;
        match KeyRange::between(lower, upper) {
            Some(range) => self.pending.hide(&self.base, disk, id, range),
            None => Ok(()),
        }
    }

    pub(super) fn spill(&mut self, disk: &Arc<Disk>) -> Result<()> {
        self.pending.spill(&self.base, disk)
    }

    pub(super) fn savepoint(&mut self) -> Result<Savepoint> {
        let point = self.pending.savepoint(&self.base)?;
        Ok(Savepoint { point, created: self.created.len() })
    }

    pub(super) fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        let restored = self.pending.rollback_to(&savepoint.point).ok_or(Error::UnknownSavepoint)?;
        let undone = self.created.split_off(savepoint.created);
        if !restored.is_empty() || !undone.is_empty() {
            let keyspaces = &mut Arc::make_mut(&mut self.base).keyspaces;
            keyspaces.extend(restored.into_iter().map(|keyspace| (keyspace.id, keyspace)));
            for undone in undone {
                keyspaces.remove(&undone.id);
            }
        }
        Ok(())
    }

    /// What a key has; `note` is called when the version behind the pending writes has to be asked.
    pub(super) fn find(
        &self,
        id: KeyspaceId,
        key: &[u8],
        note: impl FnOnce(),
    ) -> Result<Option<Content>> {
        let keyspace = self.base.keyspace(id)?;
        let mut operands = Operands::default();
        if self.pending.find(id, key, &mut operands)? {
            return operands.resolve(&keyspace.combiner, key);
        }
        note();
        self.base.find_below(keyspace, key, operands)
    }

    pub(super) fn cursor(&self, id: KeyspaceId) -> Result<Cursor<'_>> {
        let keyspace = self.base.keyspace(id)?;
        let sources = self.pending.sources(id).into_iter().chain(self.base.sources(keyspace));
        Ok(Cursor::new(Arc::clone(&keyspace.combiner), shadow(sources), self.lookup(id)?))
    }

    pub(super) fn names<'a>(
        &'a self,
        id: KeyspaceId,
        from: &[u8],
        filter: &dyn Fn() -> Box<dyn NameFilter + 'a>,
    ) -> Result<Option<NameCursor<'a>>> {
        let Some(listed) = self.base.name_sources(self.base.keyspace(id)?)? else {
            return Ok(None);
        };
        let pending = self.pending.sources(id).into_iter().map(|source| source.cursor);
        NameCursor::new(pending.chain(listed), from, filter).map(Some)
    }

    /// Finds the values that entries of a keyspace refer to.
    pub(super) fn lookup(&self, id: KeyspaceId) -> Result<ValueLookup> {
        let keyspace = self.base.keyspace(id)?;
        let pending = self.pending.values(id);
        Ok(ValueLookup::new(pending.chain([Arc::clone(&keyspace.values)])))
    }
}
