//! Collections: documents, their `_id`s, their indexes and their columns, tied together in one transaction.
//!
//! Sits between the storage core with the text index on one side, and searches with the facade on the other. All that a
//! write changes goes into one transaction of the storage core; all that a read sees comes from one `Reader`.
//!
//! ```text
//!                    ┌► docs  DocId → BSON             catalog: which collections and indexes there are
//! CollectionWriter ──┼► ids   _id → DocId
//!   (one a           ├► dead  chunk → bitmap           CollectionReader: all of it over one snapshot
//!   transaction)     ├► text.<index>, norms.<index>    Access: the documents that a filter wants, over indexes
//!                    ├► value.<index>  values → DocId  Rebuild: a text index anew, while the old one is searched
//!                    └► columns.<path> chunk → values  check: whether all of it agrees
//! ```
//!
//! Invariants
//! * A DocId names one document for ever; an update puts the document under a new one and marks the old one dead.
//! * A document is found by its terms and its values exactly when it can be read by its `_id`.
//! * What is read back is byte for byte what was stored.

mod access;
mod bulk;
mod catalog;
mod changes;
mod check;
mod column_source;
mod columns;
mod documents;
mod error;
mod fill;
mod import_marks;
mod kept_columns;
mod read;
mod rebuild;
mod registry;
mod salvage;
mod similarity;
mod stub;
#[cfg(test)]
mod tests;
mod text_definition;
mod text_index;
mod value_index;
mod value_options;
mod write;

pub use access::{
    Access, AccessReport, ColumnDocuments, ColumnDocumentsChunk, Hint, OrderedDocuments, WayReport,
    first_in_order,
};
pub use bulk::{BulkIndexer, BulkText};
pub use catalog::{
    CollectionDefinition, NAME_BYTES_MAX, ValueIndexDefinition, check_name, collection_definition,
    collection_names, create_collection, create_index_only, drop_collection,
};
pub use changes::{Change, Changes, forget_removals, track_removals};
pub use check::{DeepReport, FINDINGS_LEN_MAX, check};
pub use column_source::CollectionColumns;
pub use columns::{create_column, drop_column};
pub use documents::{DocsRewriter, Documents};
pub use error::{Error, Result};
pub use import_marks::{ImportMark, forget_import_mark, import_mark, import_marks};
pub use read::{CollectionReader, OpenCollection};
pub use rebuild::{BatchLimits, Rebuild, RebuildBatch, RebuildProgress};
pub use registry::{operators, rewriters};
pub use salvage::{SalvagedCollection, salvage_collections};
pub use similarity::similar_order;
pub use text_definition::{IndexDefinition, RebuildDefinition};
pub use text_index::{DEFAULT_TEXT_INDEX, create_text_index, drop_text_index, reindex};
pub use value_index::{ValueRewriter, create_value_index, drop_value_index};
pub use value_options::ValueIndexOptions;
pub use write::{CollectionWriter, Upserted, WriterOptions};
