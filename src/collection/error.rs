//! What can go wrong with collections and their documents, and what a person can do about it.
//!
//! Wraps the errors of the layers below and adds those of names, `_id`s and indexes. The facade wraps this type.

use std::fmt;

use crate::fts::AnalyzerError;
use crate::{bson, columns, fts, lsm};

/// The result of every fallible operation on collections.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the collection layer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The storage core failed, or stored bytes are damaged.
    Lsm(lsm::Error),
    /// The text index failed.
    Fts(fts::Error),
    /// A column, a sort or an aggregation failed.
    Columns(Box<columns::Error>),
    /// The bytes are not a document that can be stored.
    Document(bson::Error),
    /// A collection or an index cannot have this name.
    InvalidName {
        /// The refused name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The collection does not exist.
    UnknownCollection {
        /// The name that was looked for.
        name: String,
    },
    /// The collection has no index of this kind and name, or none at all.
    UnknownIndex {
        /// The collection.
        collection: String,
        /// The kind: `text` or `value`.
        kind: &'static str,
        /// The name that was looked for; `None` when any index of the kind would have done.
        index: Option<String>,
        /// The names of the indexes of this kind that there are.
        known: Vec<String>,
    },
    /// The collection has an index of this name already.
    IndexExists {
        /// The collection.
        collection: String,
        /// The name of the index.
        index: String,
    },
    /// The collection has a column of this path already.
    ColumnExists {
        /// The collection.
        collection: String,
        /// The path.
        path: String,
    },
    /// The collection has no column of this path.
    UnknownColumn {
        /// The collection.
        collection: String,
        /// The path that was looked for.
        path: String,
        /// The paths of the columns that there are.
        known: Vec<String>,
    },
    /// A document with this `_id` is there already.
    DuplicateId {
        /// The collection.
        collection: String,
        /// The `_id`, as extended JSON.
        id: String,
    },
    /// An index that was asked for by name does not lead to the documents of a filter.
    IndexNotUsable {
        /// The index.
        index: String,
        /// Why.
        reason: &'static str,
    },
    /// A document has a key of a unique index that another document has already.
    DuplicateKey {
        /// The collection.
        collection: String,
        /// The index.
        index: String,
        /// The paths whose values the two have in common.
        paths: Box<str>,
        /// The `_id` of the other document, as extended JSON.
        id: String,
    },
    /// A document's values at the fields of a value index are too long for a key.
    IndexKeyTooLong {
        /// The index.
        index: String,
        /// Bytes of the key.
        bytes: usize,
        /// Bytes that a key may have.
        bytes_max: usize,
    },
    /// The text of the document is needed, and its collection does not store documents.
    NotStored,
    /// The document that was given to have its text subtracted is not the one that was indexed.
    OtherDocument,
    /// A document's `_id` has a type that cannot name a document.
    InvalidId {
        /// The type: `array`, `regular expression` or `undefined`.
        kind: &'static str,
    },
    /// A document has to have an `_id` here and has none.
    MissingId,
    /// A document's `_id` is too long to be a key.
    IdTooLong {
        /// Bytes of its sort key.
        bytes: usize,
        /// Bytes that a sort key may have.
        bytes_max: usize,
    },
    /// The index was written by an analyzer that makes other terms than this program's.
    AnalyzerChanged {
        /// The collection.
        collection: String,
        /// The index.
        index: String,
        /// Fingerprint of the analyzer that wrote the index.
        stored: String,
        /// Fingerprint of this program's analyzer with the same options.
        current: String,
    },
    /// This program cannot make the analyzer of the index: it names a part that is not registered, or needs a feature.
    AnalyzerMissing {
        /// The collection.
        collection: String,
        /// The index.
        index: String,
        /// What is missing.
        error: Box<AnalyzerError>,
    },
    /// What was being built to take the place of a text index is gone.
    RebuildEnded {
        /// The collection.
        collection: String,
        /// The index.
        index: String,
    },
    /// An earlier write of this transaction stopped half way.
    TransactionFailed {
        /// The collection.
        collection: String,
    },
}

impl Error {
    /// Whether the error reports damage in the file.
    pub fn is_corruption(&self) -> bool {
        match self {
            Error::Lsm(error) | Error::Fts(fts::Error::Lsm(error)) => error.is_corruption(),
            _ => false,
        }
    }

    /// Displays what is wrong with a document or its `_id`.
    fn fmt_document(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidId { kind } => {
                write!(f, "an _id cannot be of the type {kind}; use a string, number or ObjectId")
            }
            Error::MissingId => {
                write!(f, "the document has no _id that says which one to replace; use insert")
            }
            Error::NotStored => write!(
                f,
                "the collection is an index only and does not store documents: hits have scores and _ids; \
                 get the document from where it is kept, remove it with `remove_document`, and import anew \
                 for another index"
            ),
            Error::OtherDocument => write!(
                f,
                "the document is not, byte for byte, the one that was indexed under its _id; give the one \
                 that was, since its words have to be subtracted"
            ),
            Error::IdTooLong { bytes, bytes_max } => write!(
                f,
                "the _id takes {bytes} bytes as a key and may take {bytes_max}; use a shorter one"
            ),
            _ => Ok(()),
        }
    }

    /// Displays what is wrong with an analyzer.
    fn fmt_analyzer(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AnalyzerChanged { collection, index, stored, current } => write!(
                f,
                "the text index {index} of {collection} was written by another analyzer; build it \
                 anew with `alluvium reindex` or `Collection::reindex` (the documents are in the \
                 file). It was `{stored}` and is `{current}`"
            ),
            Error::AnalyzerMissing { collection, index, error } => write!(
                f,
                "the text index {index} of {collection} can neither be searched nor written to by this \
                 program: {error}. Nothing is lost; open the file with what is missing, or build the \
                 index anew with another analyzer"
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Lsm(error) => error.fmt(f),
            Error::Fts(error) => error.fmt(f),
            Error::Columns(error) => error.fmt(f),
            Error::Document(error) => error.fmt(f),
            Error::InvalidName { name, reason } => {
                write!(f, "{name:?} cannot be a name here: {reason}")
            }
            Error::UnknownCollection { name } => {
                write!(f, "there is no collection {name}; insert a document to create it")
            }
            Error::UnknownIndex { collection, kind, index, known } => {
                let name = index.as_deref().unwrap_or("that could be meant");
                write!(f, "{collection} has no {kind} index {name}{}", one_of(known))
            }
            Error::IndexExists { collection, index } => write!(
                f,
                "{collection} has an index {index} already; drop it first, or choose another name"
            ),
            Error::ColumnExists { collection, path } => {
                write!(f, "{collection} has a column {path} already")
            }
            Error::UnknownColumn { collection, path, known } => {
                write!(f, "{collection} has no column {path}{}", one_of(known))
            }
            Error::AnalyzerChanged { .. } | Error::AnalyzerMissing { .. } => self.fmt_analyzer(f),
            Error::RebuildEnded { collection, index } => write!(
                f,
                "the rebuild of the text index {index} of {collection} was cancelled or replaced, \
                 or went with the index; start again if it is still wanted"
            ),
            Error::TransactionFailed { collection } => write!(
                f,
                "an earlier write to {collection} stopped half way; roll the transaction back"
            ),
            Error::DuplicateId { collection, id } => write!(
                f,
                "{collection} has a document with the _id {id} already; use replace or upsert to \
                 overwrite it"
            ),
            Error::IndexNotUsable { index, reason } => {
                write!(f, "the index {index} does not serve this filter: {reason}; give no hint")
            }
            Error::DuplicateKey { collection, index, paths, id } => write!(
                f,
                "the unique index {index} of {collection} has the document with the _id {id} for \
                 the same {paths}; change one of them, or drop the index"
            ),
            Error::IndexKeyTooLong { index, bytes, bytes_max } => write!(
                f,
                "the document's key in the index {index} takes {bytes} bytes and may take \
                 {bytes_max}; store shorter values, or index other fields"
            ),
            Error::InvalidId { .. }
            | Error::MissingId
            | Error::NotStored
            | Error::OtherDocument
            | Error::IdTooLong { .. } => self.fmt_document(f),
        }
    }
}

/// What to do where there is none of a name.
fn one_of(known: &[String]) -> String {
    if known.is_empty() {
        "; create one first".to_owned()
    } else {
        format!("; name one of these: {}", known.join(", "))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their texts are already ours, so what comes next is what stands behind them.
            Error::Lsm(error) => error.source(),
            Error::Fts(error) => error.source(),
            Error::Columns(error) => error.source(),
            Error::Document(error) => error.source(),
            Error::AnalyzerMissing { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<lsm::Error> for Error {
    fn from(error: lsm::Error) -> Self {
        Error::Lsm(error)
    }
}

impl From<fts::Error> for Error {
    fn from(error: fts::Error) -> Self {
        Error::Fts(error)
    }
}

impl From<columns::Error> for Error {
    fn from(error: columns::Error) -> Self {
        match error {
            columns::Error::Lsm(error) => Error::Lsm(error),
            columns::Error::Document(error) => Error::Document(error),
            error => Error::Columns(Box::new(error)),
        }
    }
}

impl From<bson::Error> for Error {
    fn from(error: bson::Error) -> Self {
        Error::Document(error)
    }
}
