//! Snapshots and transactions: how programs read and write the store.
//!
//! A [`Snapshot`] is an `Arc` of a version: taking one costs a reference count, and nothing that happens later
//! changes what it shows. A [`Transaction`] is exclusive; its writes wait as runs in front of the version it began
//! on, in memory and, when they are many, in the file, so it reads its own writes through the same cursors. Dropping
//! it undoes it; a [`Savepoint`] undoes a part. An optimistic one is not alone, and notes what it reads.
//!
//! The store hands out both; what it gives a transaction is a [`WriteRight`], behind which logs, locks and versions
//! stay its own matter.

mod pending;
mod reads;
mod snapshot;
mod table;
mod transaction;
mod writes;

pub(crate) use pending::NewValues;
pub(crate) use reads::Reads;
pub use snapshot::{KeyspaceView, RunView, Snapshot};
pub use transaction::Transaction;
pub(crate) use transaction::WriteRight;
pub use writes::Savepoint;
pub(crate) use writes::Writes;
