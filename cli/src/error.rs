//! The one error type of the command, and how a library's error gets the name of its file.
//!
//! Every error prints as one line: where, what, and what to do about it. Paths stand as the user
//! gave them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use alluvium_sources::Place;

/// What everything in the command that can fail returns.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why a verb stopped.
#[derive(Debug)]
pub(crate) enum Error {
    /// Standard output does not take what is written.
    Output(io::Error),
    /// A file that is not a database cannot be read or written.
    File { path: PathBuf, source: io::Error },
    /// The database refused.
    Database { path: PathBuf, source: alluvium::Error },
    /// A file of a test collection cannot be used.
    Evaluation(alluvium::eval::Error),
    /// A source of documents cannot be read on, or a file of them not be written.
    Source(alluvium_sources::Error),
    /// A record of an import cannot become a document, and the import is to stop there.
    Record {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        reason: String,
        database: PathBuf,
        /// Documents of the batches before, which stay.
        documents_kept: u64,
    },
    /// Anything else, said in full.
    Other(String),
}

impl Error {
    /// Whether the reader of our output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let (Error::Output(source) | Error::Source(alluvium_sources::Error::Io { source, .. })) =
            self
        else {
            return false;
        };
        source.kind() == io::ErrorKind::BrokenPipe
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Output(source) => write!(f, "standard output cannot be written: {source}"),
            Error::File { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Database { path, source } => {
                let (path, message) = (path.display().to_string(), source.to_string());
                if message.contains(&path) {
                    write!(f, "{message}")
                } else {
                    write!(f, "{path}: {message}")
                }
            }
            Error::Evaluation(source) => write!(f, "{source}"),
            Error::Source(source) => write!(f, "{source}"),
            Error::Record { place, reason, database, documents_kept } => write!(
                f,
                "{place}: {reason}; {} holds {documents_kept} documents of the batches before this \
                 one and none of its own: correct it, or import with --on-error skip",
                database.display(),
            ),
            Error::Other(message) => write!(f, "{message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Output(source) | Error::File { source, .. } => Some(source),
            Error::Database { source, .. } => Some(source),
            Error::Evaluation(source) => Some(source),
            Error::Source(source) => Some(source),
            Error::Record { .. } | Error::Other(_) => None,
        }
    }
}

/// Only writing to standard output uses `?` on an I/O error; everything else names its file.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        Error::Output(source)
    }
}

impl From<alluvium::eval::Error> for Error {
    fn from(source: alluvium::eval::Error) -> Self {
        Error::Evaluation(source)
    }
}

impl From<alluvium_sources::Error> for Error {
    fn from(source: alluvium_sources::Error) -> Self {
        Error::Source(source)
    }
}

/// Adds the file that an error is about.
pub(crate) trait At<T> {
    /// The same result, its error with `path`.
    fn at(self, path: &Path) -> Result<T>;
}

impl<T> At<T> for std::result::Result<T, alluvium::Error> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Database { path: path.to_path_buf(), source })
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T> {
        self.map_err(|source| Error::File { path: path.to_path_buf(), source })
    }
}
