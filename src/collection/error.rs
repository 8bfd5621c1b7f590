//! What can go wrong with collections and their documents, and what a person can do about it.
//!
//! Wraps the errors of the layers below and adds those of names, `_id`s and indexes. The facade wraps this type.

use std::fmt;

use crate::{bson, fts, lsm};

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
    /// The collection has no text index of this name, or none at all.
    UnknownIndex {
        /// The collection.
        collection: String,
        /// The name that was looked for; `None` when any text index would have done.
        index: Option<String>,
        /// The names of the text indexes that there are.
        known: Vec<String>,
    },
    /// The collection has an index of this name already.
    IndexExists {
        /// The collection.
        collection: String,
        /// The name of the index.
        index: String,
    },
    /// A document with this `_id` is there already.
    DuplicateId {
        /// The collection.
        collection: String,
        /// The `_id`, as extended JSON.
        id: String,
    },
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
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Lsm(error) => error.fmt(f),
            Error::Fts(error) => error.fmt(f),
            Error::Document(error) => error.fmt(f),
            Error::InvalidName { name, reason } => {
                write!(f, "{name:?} cannot be a name here: {reason}")
            }
            Error::UnknownCollection { name } => {
                write!(f, "there is no collection {name}; insert a document to create it")
            }
            Error::UnknownIndex { collection, index, known } => {
                match index {
                    Some(index) => write!(f, "{collection} has no text index {index}")?,
                    None => write!(f, "{collection} has no text index that could be meant")?,
                }
                if known.is_empty() {
                    return write!(f, "; create one first");
                }
                write!(f, "; name one of these: {}", known.join(", "))
            }
            Error::IndexExists { collection, index } => write!(
                f,
                "{collection} has an index {index} already; drop it first, or choose another name"
            ),
            Error::DuplicateId { collection, id } => write!(
                f,
                "{collection} has a document with the _id {id} already; use replace or upsert to \
                 overwrite it"
            ),
            Error::InvalidId { kind } => {
                write!(f, "an _id cannot be of the type {kind}; use a string, number or ObjectId")
            }
            Error::MissingId => {
                write!(f, "the document has no _id that says which one to replace; use insert")
            }
            Error::IdTooLong { bytes, bytes_max } => write!(
                f,
                "the _id takes {bytes} bytes as a key and may take {bytes_max}; use a shorter one"
            ),
            Error::AnalyzerChanged { collection, index, stored, current } => write!(
                f,
                "the text index {index} of {collection} was written by another analyzer; reindex \
                 it (the documents are in the file). It was `{stored}` and is `{current}`"
            ),
            Error::TransactionFailed { collection } => write!(
                f,
                "an earlier write to {collection} stopped half way; roll the transaction back"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their texts are already ours, so what comes next is what stands behind them.
            Error::Lsm(error) => error.source(),
            Error::Fts(error) => error.source(),
            Error::Document(error) => error.source(),
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

impl From<bson::Error> for Error {
    fn from(error: bson::Error) -> Self {
        Error::Document(error)
    }
}
