//! Snapshots and transactions: how programs read and write the store.
//!
//! A [`Snapshot`] is an `Arc` of a version: taking one costs a reference count, and nothing that happens later
//! changes what it shows. A [`Transaction`] is exclusive; its writes wait as runs in front of the version it began
//! on, so it reads its own writes through the same cursors. Dropping it undoes it.
//!
//! The store hands out both; what it gives a transaction is a [`WriteRight`], behind which logs, locks and versions
//! stay its own matter.

mod right;
mod snapshot;
mod transaction;

pub(crate) use right::WriteRight;
pub use snapshot::Snapshot;
pub use transaction::Transaction;
