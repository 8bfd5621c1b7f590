//! [`Error`]: why a source cannot be read on, or an export not be written. What is wrong with one record is not here: that is a
//! [`Refusal`](crate::Refusal) inside the record, and reading goes on behind it.

use std::fmt;
use std::io;

use crate::place::Place;

/// What everything here that can fail returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a source cannot be opened or read on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file or stream cannot be read or written.
    Io {
        /// Its name, as it was given.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// Where the next record begins cannot be told any more, so that those behind this place would be lost without a word.
    Lost {
        /// Where that was noticed.
        place: Place,
        /// What is there instead.
        reason: String,
    },
    /// The source is not what it was taken for, or cannot be read in the way that was asked for.
    Unusable {
        /// Its name, as it was given.
        file: String,
        /// Why, and what to do about it.
        reason: String,
    },
    /// A document would not come back from JSON as it is.
    Inexact {
        /// Its `_id`, as text.
        id: String,
        /// What is in the way.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(file: &str, source: io::Error) -> Self {
        Error::Io { file: file.to_owned(), source }
    }

    pub(crate) fn unusable(file: &str, reason: impl Into<String>) -> Self {
        Error::Unusable { file: file.to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { file, source } => write!(f, "{file}: {source}"),
            Error::Lost { place, reason } => {
                write!(f, "{place}: {reason}; nothing behind this place can be read")
            }
            Error::Unusable { file, reason } => write!(f, "{file}: {reason}"),
            Error::Inexact { id, reason } => write!(
                f,
                "JSON cannot carry document {id} as it is: {reason}; export as BSON, which can"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Lost { .. } | Error::Unusable { .. } | Error::Inexact { .. } => None,
        }
    }
}
