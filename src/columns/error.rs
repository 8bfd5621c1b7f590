//! What can go wrong in columns, sorts and aggregations, and what a person can do about it.
//!
//! Damage in stored bytes and failures of the device come from the storage core and are wrapped in [`Error::Lsm`]; the other
//! variants are limits of columns, or say what makes an aggregation impossible. The layers above wrap this type.

use std::fmt;

use crate::bson;
use crate::lsm;

/// The result of every fallible operation of columns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a column, a sort or an aggregation.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The storage core failed, or stored bytes are damaged.
    Lsm(lsm::Error),
    /// A document cannot be walked.
    Document(bson::Error),
    /// A document has too many values for a stored column, or too long ones.
    ValuesTooLong {
        /// Path of the column.
        path: String,
        /// Bytes that its values take.
        bytes: usize,
        /// Bytes that they may take.
        bytes_max: usize,
    },
    /// An aggregation of a bucket has aggregations for buckets of its own.
    NestedTooDeeply {
        /// Name of the aggregation that is one level too deep.
        name: String,
    },
    /// An aggregation asks for more terms than it may give back.
    TooManyTerms {
        /// Path of the aggregation.
        path: String,
        /// What it asks for.
        limit: usize,
        /// What it may ask for.
        limit_max: usize,
    },
    /// A histogram has too many buckets.
    TooManyBuckets {
        /// Path of the histogram.
        path: String,
        /// Buckets that a histogram may have.
        buckets_max: usize,
    },
    /// The buckets of an aggregation and what is to be computed in each are too many together.
    TooManyInner {
        /// Path of the aggregation.
        path: String,
        /// Its buckets.
        buckets: usize,
        /// What is asked for in each.
        inner: usize,
        /// Results inside of buckets that one aggregation may have.
        results_max: usize,
    },
    /// The interval or the offset of a histogram makes no sense.
    Interval {
        /// Path of the histogram.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Lsm(error) => error.fmt(f),
            Error::Document(error) => {
                write!(f, "values cannot be taken from a document: {error}")
            }
            Error::ValuesTooLong { path, bytes, bytes_max } => write!(
                f,
                "the values at `{path}` take {bytes} bytes in the column, a document may have {bytes_max}; store fewer or \
                 shorter ones, or drop the column"
            ),
            Error::NestedTooDeeply { name } => write!(
                f,
                "the aggregation `{name}` lies two levels inside another one, buckets may have \
                 one level; ask for it in a search of its own"
            ),
            Error::TooManyTerms { path, limit, limit_max } => write!(
                f,
                "{limit} terms of `{path}` are asked for, at most {limit_max} are given back; \
                 lower the limit, or filter the documents first"
            ),
            Error::TooManyBuckets { path, buckets_max } => write!(
                f,
                "the histogram of `{path}` has more than {buckets_max} buckets; choose a larger \
                 interval, or filter the documents first"
            ),
            Error::TooManyInner { path, buckets, inner, results_max } => write!(
                f,
                "{inner} aggregations in each of {buckets} buckets of `{path}` are asked for, at most {results_max} \
                 together are computed; ask for fewer, or for fewer buckets"
            ),
            Error::Interval { path, reason } => {
                write!(f, "the histogram of `{path}` cannot be made: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is already ours, so what comes next is what stands behind it.
            Error::Lsm(error) => error.source(),
            Error::Document(error) => Some(error),
            Error::ValuesTooLong { .. }
            | Error::NestedTooDeeply { .. }
            | Error::TooManyTerms { .. }
            | Error::TooManyBuckets { .. }
            | Error::TooManyInner { .. }
            | Error::Interval { .. } => None,
        }
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
