//! What can be wrong with a document, a path, a line of JSON, a filter or the keys of an index.
//!
//! Every function of this layer that can fail returns this [`Error`]; layers above wrap it and give
//! it back as the `source` of theirs. Offsets are bytes from the start of the document, columns
//! count from 1.

use std::fmt;

/// The result of everything in this layer that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why bytes, a path, a line of JSON, a filter or the fields of an index were refused.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a BSON document.
    Malformed {
        /// Where the unexpected bytes start, in bytes from the start of the document.
        offset: usize,
        /// What the format asks for at that place.
        expected: &'static str,
    },
    /// The document is larger than a document may be.
    TooLarge {
        /// Size of the document in bytes.
        bytes: usize,
        /// Largest size in bytes.
        bytes_max: usize,
    },
    /// Documents and arrays lie inside each other deeper than allowed.
    TooDeep {
        /// Levels allowed; the document itself is level 1.
        nesting_max: usize,
    },
    /// A walk over bytes that were never validated met something unreadable.
    Unreadable {
        /// What the `bson` crate found.
        source: Box<bson::error::Error>,
    },
    /// The text is not a dotted path.
    Path {
        /// The text as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is not JSON.
    Json {
        /// Line within the text, from 1; more than 1 only when the text itself has several lines.
        line: usize,
        /// Column within that line in bytes, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The text is JSON, but one of its values cannot become BSON.
    JsonValue {
        /// Dotted path of that value, with array indexes; empty for the whole text.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The fields are not those of an index.
    KeyFields {
        /// What was expected of them and what was found.
        message: String,
    },
    /// A document has too many keys in an index, or too long ones.
    IndexKeys {
        /// Keys of the document, at least.
        keys: usize,
        /// Size of all of them in bytes, at least.
        bytes: usize,
        /// Most keys of a document.
        keys_max: usize,
        /// Largest size of all its keys in bytes.
        bytes_max: usize,
    },
    /// The document does not say which fields are wanted.
    Projection {
        /// The dotted path in question.
        position: String,
        /// What was expected there and what was found.
        message: String,
    },
    /// The document is not a filter.
    Filter {
        /// Dotted path inside the filter, operators included, as in `$or.1.year.$gte`; empty for the
        /// whole filter, and without its beginning when it is very long.
        position: String,
        /// What was expected there and what was found.
        message: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { offset, expected } => {
                write!(f, "malformed BSON at byte {offset}: expected {expected}")
            }
            Self::TooLarge { bytes, bytes_max } => write!(
                f,
                "document of {bytes} bytes exceeds the largest size of {bytes_max} bytes; split it \
                 into several documents"
            ),
            Self::TooDeep { nesting_max } => write!(
                f,
                "document nests deeper than {nesting_max} levels; flatten it before storing it"
            ),
            Self::Unreadable { source } => {
                write!(f, "unreadable BSON: {source}; validate the bytes before walking them")
            }
            Self::Path { path, reason } => write!(
                f,
                "invalid path {path:?}: {reason}; write field names joined by single dots, as in \
                 author.name"
            ),
            Self::Json { line: 1, column, message } => {
                write!(f, "invalid JSON at column {column}: {message}")
            }
            Self::Json { line, column, message } => {
                write!(f, "invalid JSON at line {line}, column {column}: {message}")
            }
            Self::JsonValue { path, message } if path.is_empty() => {
                write!(f, "JSON that is not a document: {message}")
            }
            Self::JsonValue { path, message } => {
                write!(f, "JSON value at {path} cannot be stored: {message}")
            }
            Self::KeyFields { message } => write!(f, "invalid index fields: {message}"),
            Self::IndexKeys { keys, bytes, keys_max, bytes_max } => write!(
                f,
                "index keys of a document: {keys} of {bytes} bytes in all exceed {keys_max} keys or \
                 {bytes_max} bytes; index fewer array fields together"
            ),
            Self::Projection { position, message } => {
                write!(f, "invalid projection at {position}: {message}")
            }
            Self::Filter { position, message } if position.is_empty() => {
                write!(f, "invalid filter: {message}")
            }
            Self::Filter { position, message } => {
                write!(f, "invalid filter at {position}: {message}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<bson::error::Error> for Error {
    fn from(source: bson::error::Error) -> Self {
        Self::Unreadable { source: Box::new(source) }
    }
}
