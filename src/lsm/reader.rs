//! [`Reader`]: the face through which everything above the storage core reads.
//!
//! Snapshots and transactions implement it, and rewriters are handed one, so that the same code reads what is committed
//! and what is pending. It only promises a consistent view; where the entries come from is the implementer's matter.

use bytes::Bytes;

use super::error::Result;
use super::ids::KeyspaceId;
use super::scan::Cursor;
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
}
