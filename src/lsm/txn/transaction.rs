//! [`Transaction`]: exclusive pending writes over the version they began on.
//!
//! The store gives it out with the right to write. Its writes wait in memory as a run in front of the version.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::right::WriteRight;
use super::snapshot::{names, shorten};
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::{FreshTableBuilder, KeyspaceDescriptor, combine};
use crate::lsm::ids::{CommitNo, KEY_BYTES_MAX, KeyspaceId, VALUE_BYTES_MAX};
use crate::lsm::manifest::{Keyspace, Version};
use crate::lsm::options::{Durability, KeyspaceOptions};
use crate::lsm::reader::Reader;
use crate::lsm::scan::{Cursor, PendingCursor, PendingTable};

/// Bytes that a pending write takes besides its key and value.
const PENDING_OVERHEAD_BYTES: usize = 96;

/// Exclusive pending writes; visible to its own reads at once, to others after `commit`.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    right: Box<dyn WriteRight>,
    /// The version it began on, and the keyspaces it created.
    base: Version,
    pending: BTreeMap<KeyspaceId, PendingTable>,
    created: Vec<KeyspaceDescriptor>,
    bytes: usize,
}

impl Transaction {
    pub(crate) fn new(base: &Version, right: Box<dyn WriteRight>) -> Self {
        Transaction {
            right,
            base: base.clone(),
            pending: BTreeMap::new(),
            created: Vec::new(),
            bytes: 0,
        }
    }

    /// Creates a keyspace, or finds the one of this name if its options are the same.
    ///
    /// # Errors
    /// [`Error::KeyspaceExists`] when its options differ, [`Error::UnknownOperator`] when they name an
    /// operator that the store was opened without.
    pub fn create_keyspace(&mut self, name: &str, options: KeyspaceOptions) -> Result<KeyspaceId> {
        if let Some(id) = self.base.keyspace_named(name) {
            if self.base.keyspace(id)?.options == options {
                return Ok(id);
            }
            return Err(Error::KeyspaceExists(name.to_owned()));
        }
        let last = self.base.keyspaces.last_key_value().map_or(0, |(id, _)| id.0);
        let descriptor =
            KeyspaceDescriptor { id: KeyspaceId(last + 1), name: name.to_owned(), options };
        self.base.create_keyspace(&descriptor, self.right.registry())?;
        self.created.push(descriptor);
        Ok(KeyspaceId(last + 1))
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::ValueTooLong`], [`Error::UnknownKeyspace`], and
    /// [`Error::TransactionTooLarge`]; the transaction is then as it was before.
    pub fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: impl Into<Bytes>) -> Result<()> {
        self.write(keyspace, key, EntryKind::Put, value.into())
    }

    /// Removes a key, whether it exists or not.
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub fn delete(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<()> {
        self.write(keyspace, key, EntryKind::Delete, Bytes::new())
    }

    /// Combines `operand` with the key's value by the keyspace's merge operator.
    ///
    /// # Errors
    /// Those of [`put`](Self::put), and [`Error::NoMergeOperator`].
    pub fn merge(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        operand: impl Into<Bytes>,
    ) -> Result<()> {
        self.write(keyspace, key, EntryKind::Merge, operand.into())
    }

    fn write(&mut self, id: KeyspaceId, key: &[u8], kind: EntryKind, value: Bytes) -> Result<()> {
        let keyspace = self.base.keyspace(id)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::KeyTooLong { bytes: key.len() });
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::ValueTooLong { bytes: value.len() });
        }
        let operator = keyspace.combiner.operator.as_deref();
        if kind == EntryKind::Merge && operator.is_none() {
            return Err(Error::NoMergeOperator { keyspace: keyspace.name.clone() });
        }
        let have = self.pending.get(&id).and_then(|table| table.get(key));
        let (entry, bytes) = if let Some(have) = have {
            let entry = combine(key, have, (kind, value), operator)?;
            if entry.1.len() > VALUE_BYTES_MAX {
                return Err(Error::ValueTooLong { bytes: entry.1.len() });
            }
            let bytes = self.bytes - have.1.len() + entry.1.len();
            (entry, bytes)
        } else {
            let bytes = self.bytes + key.len() + value.len() + PENDING_OVERHEAD_BYTES;
            ((kind, value), bytes)
        };
        let bytes_max = self.right.options().transaction_bytes_max();
        if bytes > bytes_max {
            return Err(Error::TransactionTooLarge { bytes, bytes_max });
        }
        let table = self.pending.entry(id).or_default();
        match table.get_mut(key) {
            Some(have) => *have = entry,
            None => {
                table.insert(key.to_vec(), entry);
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Bytes of memory that the pending writes take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the writes visible to everyone, and as durable as asked.
    ///
    /// # Errors
    /// After an error nothing of the transaction is visible; an error while the log is written also poisons
    /// the store, because it is then unknown whether the commit would survive.
    pub fn commit(mut self, durability: Durability) -> Result<CommitNo> {
        if self.pending.is_empty() && self.created.is_empty() {
            self.right.harden(durability)?;
            return Ok(self.base.commit);
        }
        let mut tables = BTreeMap::new();
        // Entry by entry from one form into the other, so that they are not both in memory whole.
        for (id, pending) in std::mem::take(&mut self.pending) {
            let mut builder = FreshTableBuilder::default();
            for (key, (kind, value)) in pending {
                builder.add(&key, kind, &value);
            }
            tables.insert(id, builder);
        }
        self.right.commit(self.created, tables, durability)
    }

    fn pending(&self, keyspace: &Keyspace) -> Option<&PendingTable> {
        self.pending.get(&keyspace.id)
    }
}

impl Reader for Transaction {
    fn keyspace(&self, name: &str) -> Option<KeyspaceId> {
        self.base.keyspace_named(name)
    }

    fn keyspace_names(&self) -> Vec<String> {
        names(&self.base)
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        let keyspace = self.base.keyspace(keyspace)?;
        match self.pending(keyspace).and_then(|pending| pending.get(key)) {
            Some(newest) => self.base.find_below(keyspace, key, newest.clone()),
            None => self.base.find(keyspace, key),
        }
    }

    fn cursor(&self, keyspace: KeyspaceId) -> Result<Cursor<'_>> {
        let keyspace = self.base.keyspace(keyspace)?;
        let mut sources: Vec<Box<dyn RawCursor + '_>> = Vec::new();
        if let Some(pending) = self.pending(keyspace) {
            sources.push(Box::new(PendingCursor::new(pending)));
        }
        sources.extend(self.base.cursors(keyspace).into_iter().map(shorten));
        Ok(Cursor::new(Arc::clone(&keyspace.combiner), sources))
    }
}
