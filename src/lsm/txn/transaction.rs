//! [`Transaction`]: pending writes over the version they began on.
//!
//! The store gives it out with a right, and takes both back when it commits. The right says whether it is the only one,
//! or one of several optimistic ones; those note what they read.

use std::fmt;
use std::io::Read;
use std::ops::Bound;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::reads::{Reads, Watch};
use super::snapshot::{KeyspaceView, names, view};
use super::writes::{Savepoint, Writes};
use crate::lsm::cursor::EntryKind;
use crate::lsm::disk::Disk;
use crate::lsm::error::Result;
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::name_filter::NameFilter;
use crate::lsm::operands::Content;
use crate::lsm::options::{Durability, KeyspaceOptions};
use crate::lsm::ranges::KeyRange;
use crate::lsm::reader::Reader;
use crate::lsm::scan::{Cursor, NameCursor};
use crate::lsm::sync::{Mutex, MutexGuard};
use crate::lsm::value::ValueReader;

/// The right to write, which the store gives to one transaction at a time, or that to try; dropped, the next one may.
pub(crate) trait WriteRight: Send + Sync + fmt::Debug {
    fn registry(&self) -> &Registry;
    fn disk(&self) -> &Arc<Disk>;

    /// Appends a commit to the log and publishes it.
    ///
    /// The next transaction may begin as soon as the commit is appended; returns when it is visible and as durable
    /// as asked. `reads` of an optimistic transaction must still hold.
    fn commit(
        self: Box<Self>,
        writes: Writes,
        reads: Option<Reads>,
        durability: Durability,
    ) -> Result<CommitNo>;

    /// Makes what is committed as durable as asked.
    fn harden(&self, durability: Durability) -> Result<()>;
}

/// Pending writes; visible to its own reads at once, to others after `commit`.
///
/// It begins on all that is committed, a commit that still waits for its sync included; its own commit is durable
/// only together with that. It may be larger than memory: what exceeds its share of the budget waits in the file.
///
/// One of [`Store::begin`](crate::lsm::Store::begin) is alone; of
/// [`Store::begin_optimistic`](crate::lsm::Store::begin_optimistic) there may be several, and what one of them read must not
/// be written by another commit before its own.
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction {
    right: Box<dyn WriteRight>,
    pub(crate) writes: Writes,
    /// What an optimistic one has read.
    reads: Option<Mutex<Reads>>,
}

impl Transaction {
    pub(crate) fn new(base: Arc<Version>, right: Box<dyn WriteRight>) -> Self {
        let bytes_max = right.disk().options.transaction_bytes_max();
        let writes = Writes::new(base, true, bytes_max, right.disk().cache.lend());
        Transaction { right, writes, reads: None }
    }

    pub(crate) fn new_optimistic(base: Arc<Version>, right: Box<dyn WriteRight>) -> Self {
        let bytes_max = right.disk().options.optimistic_bytes_max();
        let cache = &right.disk().cache;
        let writes = Writes::new(base, false, bytes_max, cache.lend());
        let reads = Some(Mutex::new(Reads::new(bytes_max, cache.lend())));
        Transaction { right, writes, reads }
    }

    fn reads(&self) -> Option<MutexGuard<'_, Reads>> {
        let reads = self.reads.as_ref()?;
        Some(reads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Content>> {
        self.writes.find(keyspace, key, || {
            if let Some(mut reads) = self.reads() {
                reads.note(keyspace, Bound::Included(key), Bound::Included(key));
            }
        })
    }

    /// Notes that an answer depends on which keyspaces there are.
    fn note_names(&self) {
        if let Some(mut reads) = self.reads() {
            reads.note_names();
        }
    }

    /// Creates a keyspace, or finds the one of this name if its options are the same.
    ///
    /// # Errors
    /// `KeyspaceExists` when its options differ, `UnknownOperator` when they name an operator that the store was
    /// opened without.
    pub fn create_keyspace(&mut self, name: &str, options: KeyspaceOptions) -> Result<KeyspaceId> {
        if self.writes.base.keyspace_named(name).is_none() {
            self.note_names();
        }
        self.writes.create_keyspace(self.right.registry(), name, options)
    }

    /// Drops a keyspace with all that it holds, at a cost that does not depend on how much that is.
    ///
    /// Its number names nothing any more; another one of the same name can be created at once. Snapshots that have it
    /// keep it, and its pages are free when the last of them goes. The commit writes what is in memory into segments.
    ///
    /// ```
    /// use alluvium::lsm::{Durability, KeyspaceOptions, MemoryStorage, Options, Reader, Store};
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let mut transaction = store.begin()?;
    /// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// transaction.put(fruit, b"apple", "red")?;
    /// transaction.commit(Durability::Sync)?;
    /// let before = store.snapshot();
    /// let mut transaction = store.begin()?;
    /// transaction.drop_keyspace(fruit)?;
    /// transaction.commit(Durability::Sync)?;
    /// assert_eq!(store.snapshot().keyspace("fruit"), None);
    /// assert_eq!(before.get(fruit, b"apple")?.unwrap(), "red");
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// `UnknownKeyspace`.
    pub fn drop_keyspace(&mut self, keyspace: KeyspaceId) -> Result<()> {
        self.writes.drop_keyspace(keyspace)
    }

    /// Sets the value of a key.
    ///
    /// A long value is written to the file at once, and counts against the transaction's memory with a few bytes only.
    ///
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong`, `UnknownKeyspace`, `TransactionTooLarge` when the entry alone exceeds the
    /// transaction's memory, and `Io` when pending writes could not be written to the file; the transaction is
    /// then as it was before.
    pub fn put(&mut self, keyspace: KeyspaceId, key: &[u8], value: impl AsRef<[u8]>) -> Result<()> {
        self.writes.write(self.right.disk(), keyspace, key, EntryKind::Put, value.as_ref())
    }

    /// Sets the value of a key to all that `value` gives, of whatever length, in bounded memory.
    ///
    /// [`open_value`](Reader::open_value) reads it back as a stream; its page has an example.
    ///
    /// # Errors
    /// Those of [`put`](Self::put), and `Io` for what reading `value` meets.
    pub fn put_stream(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        mut value: impl Read,
    ) -> Result<()> {
        self.writes.write_stream(self.right.disk(), keyspace, key, &mut value)
    }

    /// Removes a key, whether it exists or not.
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub fn delete(&mut self, keyspace: KeyspaceId, key: &[u8]) -> Result<()> {
        self.writes.write(self.right.disk(), keyspace, key, EntryKind::Delete, &[])
    }

    /// Combines `operand` with the key's value by the keyspace's merge operator.
    ///
    /// # Errors
    /// Those of [`put`](Self::put), and `NoMergeOperator`.
    pub fn merge(
        &mut self,
        keyspace: KeyspaceId,
        key: &[u8],
        operand: impl AsRef<[u8]>,
    ) -> Result<()> {
        self.writes.write(self.right.disk(), keyspace, key, EntryKind::Merge, operand.as_ref())
    }

    /// Removes every key between two bounds, at a cost that does not depend on how many there are.
    ///
    /// A range without keys, or whose ends are the wrong way round, removes nothing.
    ///
    /// ```
    /// use std::ops::Bound;
    ///
    /// use alluvium::lsm::{KeyspaceOptions, MemoryStorage, Options, Reader, Store};
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let mut transaction = store.begin()?;
    /// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// transaction.put(fruit, b"apple", "red")?;
    /// transaction.put(fruit, b"pear", "green")?;
    /// transaction.delete_range(fruit, Bound::Unbounded, Bound::Excluded(b"pear"))?;
    /// assert!(transaction.get(fruit, b"apple")?.is_none());
    /// assert!(transaction.get(fruit, b"pear")?.is_some());
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub fn delete_range(
        &mut self,
        keyspace: KeyspaceId,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
    ) -> Result<()> {
        self.writes.delete_range(self.right.disk(), keyspace, lower, upper)
    }

    /// Removes every key that begins with `prefix`; all keys when it is empty.
    ///
    /// # Errors
    /// Those of [`put`](Self::put).
    pub fn delete_prefix(&mut self, keyspace: KeyspaceId, prefix: &[u8]) -> Result<()> {
        let range = KeyRange::of_prefix(prefix);
        let (lower, upper) = range.bounds();
        self.delete_range(keyspace, lower, upper)
    }

    /// A place to which the transaction can be rolled back, as long as it is kept.
    ///
    /// # Errors
    /// What a merge operator meets when savepoints that were dropped are joined.
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        self.writes.savepoint()
    }

    /// Undoes everything since `savepoint`, which can be rolled back to again; later savepoints are gone.
    ///
    /// What was spilled since then is free at once.
    ///
    /// # Errors
    /// `UnknownSavepoint` when it belongs to another transaction, or to a part that was rolled back.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) -> Result<()> {
        self.writes.rollback_to(savepoint)
    }

    /// Moves what is pending in memory to the file, where nothing refers to it until the commit.
    ///
    /// Large transactions do so by themselves. One that is about to be committed spares writing its bytes to the log and flushing them
    /// later, for the price of a segment in each keyspace and another sync.
    ///
    /// # Errors
    /// After an error nothing is different.
    pub fn spill(&mut self) -> Result<()> {
        self.writes.spill(self.right.disk())
    }

    /// Bytes of memory that the pending writes take.
    pub fn bytes(&self) -> usize {
        self.writes.pending.bytes()
    }

    /// Of which runs the version that the transaction began on consists; its own writes are not among them.
    ///
    /// # Errors
    /// `UnknownKeyspace`.
    pub fn view(&self, keyspace: KeyspaceId) -> Result<KeyspaceView> {
        view(&self.writes.base, keyspace)
    }

    /// Makes the writes visible to everyone, and as durable as asked.
    ///
    /// # Errors
    /// `Conflict` when it is optimistic and what it read was written meanwhile: begin another one and do it again.
    /// After any error nothing of the transaction is visible, and its pages are free; one while the log is written also
    /// poisons the store, because it is then unknown whether the commit would survive.
    pub fn commit(self, durability: Durability) -> Result<CommitNo> {
        if self.writes.is_empty() {
            self.right.harden(durability)?;
            return Ok(self.writes.base.commit);
        }
        let reads =
            self.reads.map(|reads| reads.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.right.commit(self.writes, reads, durability)
    }
}

impl Reader for Transaction {
    fn keyspace(&self, name: &str) -> Option<KeyspaceId> {
        let found = self.writes.base.keyspace_named(name);
        if found.is_none() {
            self.note_names();
        }
        found
    }

    fn keyspace_names(&self) -> Vec<String> {
        self.note_names();
        names(&self.writes.base)
    }

    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        match self.find(keyspace, key)? {
            Some(Content::Value(value)) => Ok(Some(value)),
            found => found.map(|content| self.writes.lookup(keyspace)?.load(content)).transpose(),
        }
    }

    fn open_value(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<ValueReader>> {
        let found = self.find(keyspace, key)?;
        found.map(|content| self.writes.lookup(keyspace)?.open(content)).transpose()
    }

    fn cursor(&self, keyspace: KeyspaceId) -> Result<Cursor<'_>> {
        let cursor = self.writes.cursor(keyspace)?;
        Ok(match &self.reads {
            Some(reads) => cursor.observed_by(Box::new(Watch { reads, keyspace })),
            None => cursor,
        })
    }

    fn names<'a>(
        &'a self,
        keyspace: KeyspaceId,
        from: &[u8],
        filter: &dyn Fn() -> Box<dyn NameFilter + 'a>,
    ) -> Result<Option<NameCursor<'a>>> {
        // An optimistic transaction notes the keys that its cursors pass over, so that new ones among them are a conflict.
        if self.reads.is_some() {
            return Ok(None);
        }
        self.writes.names(keyspace, from, filter)
    }
}
