//! The one error type of relevance evaluation.
//!
//! Every reader of this layer reports what stood where and what was expected there, so that a
//! message alone is enough to mend the file. Files are named by the path that the caller gave.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::measure::Measure;

/// The result of every fallible function of [`eval`](crate::eval).
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong between a test collection on disk and its measures.
///
/// ```
/// use alluvium::eval::Judgements;
///
/// let error = Judgements::read("q1\td7\tyes\n".as_bytes(), "qrels.tsv").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "qrels.tsv, line 1: expected a whole number as the grade, found `yes`"
/// );
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    Io {
        /// The file, as the caller named it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line of a file is not what its layout asks for.
    Malformed {
        /// The file, as the caller named it.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What should have stood there.
        expected: String,
        /// What stood there, shortened when long.
        found: String,
    },
    /// The judgements of a test collection name a query that its query file does not have.
    UnknownQuery {
        /// The file of judgements.
        path: PathBuf,
        /// The identifier that is in no line of the query file.
        query: String,
    },
    /// A folder has its documents only in compressed form, which this library does not unpack.
    CompressedCorpus {
        /// The compressed file that is there.
        path: PathBuf,
    },
    /// A file that should hold a [`Baseline`](super::Baseline) holds something else.
    UnusableBaseline {
        /// The file, as the caller named it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A measure is to be kept under test that the two sides of a comparison do not both have.
    NotCompared {
        /// The measure.
        measure: Measure,
    },
    /// The two sides of a comparison have no query in common.
    NothingToCompare,
    /// A run was given two rankings for one query.
    DuplicateQuery {
        /// The query's identifier.
        query: String,
    },
    /// A ranking holds a document twice; measures would count it twice.
    DuplicateDocument {
        /// The query's identifier.
        query: String,
        /// The document's identifier.
        document: String,
    },
    /// A score is not a number, so no order can be made of it.
    ScoreNotANumber {
        /// The query's identifier.
        query: String,
        /// The document's identifier.
        document: String,
    },
    /// An identifier cannot stand in a run file: it is empty or holds a tab or a line break.
    UnwritableId {
        /// The identifier.
        id: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Malformed { path, line, expected, found } => {
                write!(f, "{}, line {line}: expected {expected}, found {found}", path.display())
            }
            Self::UnknownQuery { path, query } => write!(
                f,
                "{}: query `{query}` is judged, but the query file has no such `_id`; add the \
                 query or remove its judgements",
                path.display()
            ),
            Self::CompressedCorpus { path } => write!(
                f,
                "{}: the documents are compressed; unpack them to corpus.jsonl, or give \
                 CorpusReader::new a reader that decompresses",
                path.display()
            ),
            Self::UnusableBaseline { path, reason } => write!(
                f,
                "{}: not a baseline: {reason}; save it again from a run that is as it should be",
                path.display()
            ),
            Self::NotCompared { measure } => write!(
                f,
                "{measure} is not in both baselines, so no drop of it can be seen; measure it, and \
                 save the baseline again if it lacks it"
            ),
            Self::NothingToCompare => write!(
                f,
                "the baseline and this run have no query in common; compare runs of one query file, \
                 or save the baseline again"
            ),
            Self::DuplicateQuery { query } => write!(
                f,
                "the run has a ranking for query `{query}` already; give each query one ranking"
            ),
            Self::DuplicateDocument { query, document } => write!(
                f,
                "the ranking of query `{query}` holds document `{document}` twice; keep only its \
                 best rank"
            ),
            Self::ScoreNotANumber { query, document } => write!(
                f,
                "the score of document `{document}` for query `{query}` is not a number; a run \
                 needs scores that can be ordered"
            ),
            Self::UnwritableId { id } => write!(
                f,
                "identifier {id:?} cannot stand in a run file: expected at least one character, \
                 no tab and no line break"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
