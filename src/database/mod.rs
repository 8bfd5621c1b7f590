//! The facade: what a program that uses Alluvium holds in its hands. No algorithm lives here; each call opens a view
//! or a transaction of the storage core and hands it to the layers that know what to do.

mod batches;
mod changes;
mod collection;
mod document;
mod find;
mod handle;
mod import;
mod inspect;
mod options;
mod reader;
mod rebuild;
mod reorder;
mod repair;
mod search;
mod snapshot;
mod suggestions;
mod transaction;
mod typed;
mod typed_find;
mod values;
mod view;

pub use changes::{Change, Changes};
pub use collection::Collection;
pub use document::IntoDocument;
pub use find::{Find, FindIter, FoundDocuments};
pub use handle::{CheckReport, Database};
pub use import::{Import, ImportGauge, ImportReport, RefusedDocument};
pub use inspect::CollectionFigures;
pub use options::{CollectionOptions, Options};
pub use reader::DatabaseReader;
pub use rebuild::TextIndexRebuild;
pub use reorder::{ReorderProgress, ReorderReport};
pub use repair::{RepairProgress, RepairReport, RepairedCollection};
pub use search::{Found, Hit, Hits, Search};
pub use snapshot::{Snapshot, SnapshotCollection};
pub use suggestions::Completions;
pub use transaction::{Transaction, TransactionCollection};
pub use typed::{Typed, TypedCollection, TypedSnapshotCollection, TypedTransactionCollection};
pub use typed_find::{TypedFind, TypedFound};
