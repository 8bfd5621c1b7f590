//! Value indexes: documents by the values at some paths, alone or together, in their order.
//!
//! Sits beside the text indexes: the collection writer feeds them in the same transaction, readers find documents through them, and
//! the deep check compares them with the documents. Invariants: an index has a living document under exactly the keys that its
//! [`KeyShape`](crate::bson::KeyShape) makes of it, unless its options leave the document out; no two living documents have a
//! key of a unique index in common.

mod build;
mod entry;
mod index;
mod indexer;

pub use build::{create_value_index, drop_value_index};
pub use entry::ValueRewriter;
pub(super) use index::{ValueIndex, ValueStep, ValueWalk};
pub(super) use indexer::ValueIndexer;
