//! What can go wrong in the inverted index, and what a person can do about it.
//!
//! Damage in stored bytes and failures of the device come from the storage core and are wrapped in
//! [`Error::Lsm`]; the other variants are limits of the index itself. The layers above wrap this type.

use std::fmt;

use super::analysis::AnalyzerError;
use crate::bson;
use crate::lsm;

/// The result of every fallible operation of the inverted index.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the inverted index.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The storage core failed, or stored bytes are damaged.
    Lsm(lsm::Error),
    /// A term is too long for the keys of the text index.
    TermTooLong {
        /// Bytes of the refused term.
        bytes: usize,
        /// Bytes that a term may have.
        bytes_max: usize,
    },
    /// All 2^48 document numbers of a collection are used up.
    DocIdsExhausted,
    /// A document's text takes more positions than 32 bits can number.
    TooManyPositions,
    /// The options of a text index make no sense.
    InvalidIndex {
        /// What is wrong with them.
        reason: String,
    },
    /// The analyzer of a text index cannot be made by this program.
    Analyzer(AnalyzerError),
    /// A pattern of terms is none, or its automaton gets too large.
    TermPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A document cannot be walked.
    Document(bson::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Lsm(error) => error.fmt(f),
            Error::TermTooLong { bytes, bytes_max } => write!(
                f,
                "a term of {bytes} bytes is too long for the text index, at most {bytes_max} are \
                 allowed; use an analyzer that drops or splits long tokens"
            ),
            Error::DocIdsExhausted => write!(
                f,
                "the collection has used all 2^48 document numbers; export its documents and \
                 import them into a new collection"
            ),
            Error::TooManyPositions => write!(
                f,
                "the document's text takes more than 2^32 positions in the text index; split it \
                 into several documents"
            ),
            Error::InvalidIndex { reason } => {
                write!(f, "a text index cannot be set up like this: {reason}")
            }
            Error::Analyzer(error) => write!(f, "the analyzer cannot be made: {error}"),
            Error::TermPattern { pattern, reason } => {
                write!(f, "no words can be looked for like `{pattern}`: {reason}")
            }
            Error::Document(error) => write!(f, "text cannot be taken from a document: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is already ours, so what comes next is what stands behind it.
            Error::Lsm(error) => error.source(),
            Error::Document(error) => Some(error),
            Error::Analyzer(error) => Some(error),
            Error::TermTooLong { .. }
            | Error::TooManyPositions
            | Error::InvalidIndex { .. }
            | Error::TermPattern { .. }
            | Error::DocIdsExhausted => None,
        }
    }
}

impl From<AnalyzerError> for Error {
    fn from(error: AnalyzerError) -> Self {
        Error::Analyzer(error)
    }
}

impl From<bson::Error> for Error {
    fn from(error: bson::Error) -> Self {
        Error::Document(error)
    }
}

impl From<lsm::Error> for Error {
    fn from(error: lsm::Error) -> Self {
        Error::Lsm(error)
    }
}
