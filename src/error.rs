//! The error of the facade: what went wrong, where, and what to do, from whichever layer it came. Layers below wrap
//! upward into it and never import it.

use std::fmt;
use std::path::PathBuf;

use crate::{bson, collection, columns, fts, lsm, query};

/// The result of every fallible operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of Alluvium.
///
/// ```
/// use alluvium::{Database, doc};
///
/// let db = Database::in_memory()?;
/// let notes = db.collection("notes")?;
/// notes.insert(doc! { "_id": 1, "text": "gold" })?;
/// let error = notes.insert(doc! { "_id": 1, "text": "silver" }).unwrap_err();
/// assert!(error.is_duplicate_id());
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The storage core: the file, the device, the log.
    Store(lsm::Error),
    /// Documents, `_id`s, collections and their indexes.
    Collection(collection::Error),
    /// A search.
    Query(query::Error),
    /// A file stands where a new one was asked for.
    FileExists {
        /// The path.
        path: PathBuf,
    },
    /// A collection of this name exists already with another text index, or stores documents while that was not asked for, or the other way round.
    CollectionExists {
        /// Its name.
        name: String,
    },
    /// `close` was called while other handles of the database are alive.
    HandlesOpen,
    /// A value that was to be stored does not serialize to a document; nothing was written.
    Serialize {
        /// The value's type, as the compiler names it.
        type_name: &'static str,
        /// What stands in the way.
        message: String,
    },
    /// A stored document does not deserialize to the type that was asked for.
    Deserialize {
        /// That type, as the compiler names it.
        type_name: &'static str,
        /// The document's `_id` as extended JSON; `None` when it cannot be read.
        id: Option<String>,
        /// Dotted path of the value that does not fit, with array indexes; empty for the whole document. It ends where serde
        /// gathers values before it looks at them: at what holds flattened fields, and at untagged and internally tagged enums.
        path: String,
        /// What is wrong there.
        message: String,
    },
}

impl Error {
    /// Whether an insert met a document with the same `_id`.
    pub fn is_duplicate_id(&self) -> bool {
        matches!(self, Error::Collection(collection::Error::DuplicateId { .. }))
    }

    /// Whether a write met a document with the same key of a unique index.
    pub fn is_duplicate_key(&self) -> bool {
        matches!(self, Error::Collection(collection::Error::DuplicateKey { .. }))
    }

    /// Whether there is no collection of the name that was given.
    pub fn is_unknown_collection(&self) -> bool {
        matches!(self, Error::Collection(collection::Error::UnknownCollection { .. }))
    }

    /// Whether a document is needed that its collection [does not store](crate::CollectionOptions::index_only).
    pub fn is_not_stored(&self) -> bool {
        let of_collection =
            |error: &collection::Error| matches!(error, collection::Error::NotStored);
        match self {
            Error::Collection(error) => of_collection(error),
            Error::Query(query::Error::Collection(error)) => of_collection(error),
            _ => false,
        }
    }

    /// Whether a document, and not the file or the device, is at fault: another one may well be stored.
    pub fn is_document_refused(&self) -> bool {
        use collection::Error as Refused;
        if let Error::Collection(Refused::Columns(error)) = self {
            return matches!(**error, columns::Error::ValuesTooLong { .. });
        }
        matches!(
            self,
            Error::Serialize { .. }
                | Error::Collection(
                    Refused::DuplicateId { .. }
                        | Refused::DuplicateKey { .. }
                        | Refused::IndexKeyTooLong { .. }
                        | Refused::InvalidId { .. }
                        | Refused::IdTooLong { .. }
                        | Refused::MissingId
                        | Refused::NotStored
                        | Refused::OtherDocument
                        | Refused::Document(_)
                        | Refused::Fts(fts::Error::TermTooLong { .. } | fts::Error::Document(_))
                )
        )
    }

    /// Whether the error reports damage in the file.
    pub fn is_corruption(&self) -> bool {
        match self {
            Error::Store(error) | Error::Query(query::Error::Fts(fts::Error::Lsm(error))) => {
                error.is_corruption()
            }
            Error::Collection(error) => error.is_corruption(),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Store(error) => error.fmt(f),
            Error::Collection(error) => error.fmt(f),
            Error::Query(error) => error.fmt(f),
            Error::FileExists { path } => {
                write!(f, "{} exists already; choose another path", path.display())
            }
            Error::CollectionExists { name } => write!(
                f,
                "the collection {name} exists already with another text index, or differs in whether it stores documents; \
                 use it as it is, or choose another name"
            ),
            Error::HandlesOpen => write!(
                f,
                "collections, transactions or snapshots of the database are still in use; drop \
                 them before closing it"
            ),
            Error::Serialize { type_name, message } => {
                write!(f, "the value of type {type_name} cannot become a document: {message}")
            }
            Error::Deserialize { type_name, id, path, message } => {
                match id {
                    Some(id) => write!(f, "the document with the _id {id}")?,
                    None => write!(f, "a document without a readable _id")?,
                }
                write!(f, " does not fit the type {type_name}: ")?;
                if !path.is_empty() {
                    write!(f, "{path}: ")?;
                }
                write!(f, "{message}; read it untyped, or let the type allow it")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Store(error) => Some(error),
            Error::Collection(error) => Some(error),
            Error::Query(error) => Some(error),
            Error::FileExists { .. }
            | Error::CollectionExists { .. }
            | Error::HandlesOpen
            | Error::Serialize { .. }
            | Error::Deserialize { .. } => None,
        }
    }
}

impl From<lsm::Error> for Error {
    fn from(error: lsm::Error) -> Self {
        Error::Store(error)
    }
}

impl From<collection::Error> for Error {
    fn from(error: collection::Error) -> Self {
        match error {
            collection::Error::Lsm(error) => Error::Store(error),
            error => Error::Collection(error),
        }
    }
}

impl From<fts::Error> for Error {
    fn from(error: fts::Error) -> Self {
        collection::Error::from(error).into()
    }
}

impl From<columns::Error> for Error {
    fn from(error: columns::Error) -> Self {
        collection::Error::from(error).into()
    }
}

impl From<bson::Error> for Error {
    fn from(error: bson::Error) -> Self {
        collection::Error::from(error).into()
    }
}

impl From<query::Error> for Error {
    fn from(error: query::Error) -> Self {
        Error::Query(error)
    }
}
