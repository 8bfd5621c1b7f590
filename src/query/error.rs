//! What can go wrong with a search, and what a person can do about it.
//!
//! A query text never fails; what fails are parameters and limits that a program sets, and the layers below, whose
//! errors are wrapped. The facade wraps this type.

use std::fmt;

use crate::{bson, collection, fts};

/// The result of every fallible operation of a search.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a search.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text index failed, or stored bytes are damaged.
    Fts(fts::Error),
    /// The documents cannot be read.
    Collection(Box<collection::Error>),
    /// A filter of the query is none.
    Filter(bson::Error),
    /// The parameters of the score are outside their ranges.
    InvalidParameters {
        /// The k1 that was asked for.
        k1: f32,
        /// The b that was asked for.
        b: f32,
    },
    /// Feedback is outside its ranges.
    InvalidFeedback {
        /// How many documents were asked for.
        documents: usize,
        /// How many words were asked for.
        terms: usize,
        /// The weight of the query's own words.
        original_weight: f32,
    },
    /// A text is no position of a hit.
    InvalidPosition {
        /// How it begins.
        text: String,
    },
    /// The document of a position is not there any more, and nothing else tells its values.
    PositionGone {
        /// The position.
        text: String,
    },
    /// A search asks for more than a search may take.
    LimitExceeded {
        /// What there is too much of.
        what: &'static str,
        /// How much was asked for.
        asked: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The words of a field are asked for that the text index does not have apart.
    UnknownField {
        /// The field.
        field: String,
        /// The fields that it has; none in an index over everything.
        known: Vec<String>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Fts(error) => error.fmt(f),
            Error::Collection(error) => error.fmt(f),
            Error::Filter(error) => error.fmt(f),
            Error::InvalidParameters { k1, b } => write!(
                f,
                "documents cannot be scored with k1 = {k1} and b = {b}; k1 is a finite number of 0 or more and b one \
                 from 0 to 1, usually 1.2 and 0.75"
            ),
            Error::InvalidFeedback { documents, terms, original_weight } => write!(
                f,
                "feedback cannot take {terms} words from {documents} documents with an original weight of {original_weight}; \
                 words and documents are 1 to 100 each, and the weight is above 0 and up to 1, usually 0.8"
            ),
            Error::InvalidPosition { text } => write!(
                f,
                "{text:?} is no position of a hit, which reads like t3f99af2e-1c; give one as a hit gave it"
            ),
            Error::PositionGone { text } => write!(
                f,
                "the document at {text} was removed or replaced, so a sorted search cannot go on behind it; begin anew"
            ),
            Error::LimitExceeded { what, asked, limit } => write!(
                f,
                "{asked} {what} are too many for one search, at most {limit} are allowed; ask for fewer"
            ),
            Error::UnknownField { field, known } if known.is_empty() => write!(
                f,
                "the text index is over everything and keeps no words of {field} apart; leave the field out, or create an \
                 index of chosen fields"
            ),
            Error::UnknownField { field, known } => {
                write!(f, "the text index has no field {field}; it has {}", known.join(", "))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is already ours, so what comes next is what stands behind it.
            Error::Fts(error) => error.source(),
            Error::Collection(error) => error.source(),
            Error::Filter(error) => error.source(),
            Error::InvalidParameters { .. }
            | Error::InvalidFeedback { .. }
            | Error::InvalidPosition { .. }
            | Error::PositionGone { .. }
            | Error::UnknownField { .. }
            | Error::LimitExceeded { .. } => None,
        }
    }
}

impl From<collection::Error> for Error {
    fn from(error: collection::Error) -> Self {
        Error::Collection(Box::new(error))
    }
}

impl From<fts::Error> for Error {
    fn from(error: fts::Error) -> Self {
        Error::Fts(error)
    }
}
