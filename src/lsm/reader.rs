//! [`Reader`]: the face through which everything above the storage core reads.
//!
//! Snapshots and transactions implement it, and rewriters are handed one, so that the same code reads what is committed
//! and what is pending. It only promises a consistent view; where the entries come from is the implementer's matter.

use bytes::Bytes;

use super::error::Result;
use super::ids::KeyspaceId;
use super::name_filter::NameFilter;
use super::scan::{Cursor, NameCursor};
use super::value::ValueReader;

/// A consistent view of all keyspaces: a [`Snapshot`](super::Snapshot), or a
/// [`Transaction`](super::Transaction) with its own writes in front.
pub trait Reader {
    /// The keyspace of this name, if it exists.
    fn keyspace(&self, name: &str) -> Option<KeyspaceId>;

    /// Names of all keyspaces, in ascending order.
    fn keyspace_names(&self) -> Vec<String>;

    /// The value of `key`, with operands applied; `None` when the key does not exist.
    ///
    /// # Errors
    /// [`Error::LargeValue`](super::Error::LargeValue) for a value that is too long to be read whole.
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>>;

    /// A reader of the value of `key`, however long that is; `None` when the key does not exist.
    ///
    /// It goes on reading the same value whatever becomes of the key and of this view.
    fn open_value(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<ValueReader>> {
        Ok(self.get(keyspace, key)?.map(ValueReader::from))
    }

    /// A cursor over all living entries of a keyspace, standing nowhere.
    fn cursor(&self, keyspace: KeyspaceId) -> Result<Cursor<'_>>;

    /// A cursor over the names of groups from `from` on, those that the filters take; each source of names gets one from `filter`.
    ///
    /// It shows every name that a living entry has, and names that no living entry has any more: look for their entries. `None` where
    /// names are found by no other way than [`cursor`](Self::cursor): no segment of the keyspace lists any, or the view notes what is read.
    ///
    /// ```
    /// use alluvium::lsm::{KeyspaceOptions, Look, MemoryStorage, NameFilter, Options, Reader, Result, Store};
    ///
    /// struct All;
    ///
    /// impl NameFilter for All {
    ///     fn look(&mut self, key: &[u8], _: usize) -> Result<Look> {
    ///         Ok(Look::Take(key.len()))
    ///     }
    /// }
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let mut transaction = store.begin()?;
    /// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// transaction.put(fruit, b"apple", "red")?;
    /// assert!(transaction.names(fruit, b"", &|| Box::new(All))?.is_none());
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// `UnknownKeyspace`, and corruption.
    fn names<'a>(
        &'a self,
        keyspace: KeyspaceId,
        from: &[u8],
        filter: &dyn Fn() -> Box<dyn NameFilter + 'a>,
    ) -> Result<Option<NameCursor<'a>>> {
        let _ = (keyspace, from, filter);
        Ok(None)
    }
}
