//! What can go wrong in the storage core, and what a person can do about it.
//!
//! Every layer above wraps [`Error`]; nothing below it exists. Damage found in the file is data
//! ([`Corruption`]): which structure, where, what was expected and what stood there.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::ids::{CommitNo, SegmentId};

/// The result of every fallible operation of the storage core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the storage core.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read, a write or a sync.
    Io {
        /// What was being done, for example `writing 4096 bytes at offset 8192`.
        what: String,
        /// The system's own error.
        source: io::Error,
    },
    /// Bytes of the file are not what was written there.
    Corruption(Corruption),
    /// The file is not an Alluvium file.
    NotADatabase {
        /// What stands where the file's descriptor should.
        found: String,
    },
    /// The file was written by a newer version of Alluvium.
    NewerFormat {
        /// The format version that the file names.
        found: u32,
        /// The newest format version that this build reads.
        supported: u32,
    },
    /// The file is shorter than its root says.
    Truncated {
        /// Bytes that the root promises.
        expected_bytes: u64,
        /// Bytes that are there.
        found_bytes: u64,
    },
    /// The file is encrypted, and the program gave no cipher, or another one.
    Encrypted {
        /// The name of the cipher that opens it.
        cipher: String,
    },
    /// The program gave a cipher, and the file is not encrypted.
    NotEncrypted,
    /// The file was encrypted with another key.
    WrongKey {
        /// The name of the cipher.
        cipher: String,
    },
    /// Another process, or another handle in this one, has the file open.
    Locked,
    /// An earlier write or sync failed, so nothing more is accepted until the file is opened anew.
    Poisoned {
        /// The failure that poisoned the store.
        cause: String,
    },
    /// The store was closed.
    Closed,
    /// A key is longer than [`KEY_BYTES_MAX`](super::KEY_BYTES_MAX).
    KeyTooLong {
        /// Bytes of the refused key.
        bytes: usize,
    },
    /// A value is longer than [`STREAM_BYTES_MAX`](super::STREAM_BYTES_MAX), or, in a keyspace whose merge operator or
    /// group rewriter looks at values, than [`VALUE_BYTES_MAX`](super::VALUE_BYTES_MAX).
    ValueTooLong {
        /// Bytes of the refused value, as far as they were counted.
        bytes: u64,
        /// Bytes that a value may have there.
        bytes_max: u64,
    },
    /// A value is too long to be read whole; [`open_value`](super::Reader::open_value) reads it as a stream.
    LargeValue {
        /// Bytes of the value.
        bytes: u64,
        /// Bytes that a value may have to be read whole.
        bytes_max: u64,
    },
    /// One entry is larger than the memory that a transaction may take.
    TransactionTooLarge {
        /// Bytes that the entry would take.
        bytes: usize,
        /// Bytes of memory that one transaction may take.
        bytes_max: usize,
    },
    /// What an optimistic transaction read was written by a commit since it began.
    Conflict {
        /// That commit.
        commit: CommitNo,
        /// What it wrote.
        what: String,
    },
    /// A savepoint belongs to another transaction, or to a part of this one that was rolled back.
    UnknownSavepoint,
    /// The file has fewer pages.
    NoSuchPage {
        /// The page that was asked for.
        page: u64,
        /// Pages that the file has.
        pages: u64,
    },
    /// No segment of the file has this number.
    UnknownSegment(SegmentId),
    /// Snapshots hold more memory than the budget allows, and only dropping them frees it.
    SnapshotsHoldMemory {
        /// The commit that the oldest of them shows.
        oldest: CommitNo,
        /// Bytes of commits that were flushed or folded meanwhile and that they keep in memory.
        bytes: usize,
        /// Bytes that they may keep.
        bytes_max: usize,
    },
    /// No keyspace has this name or number.
    UnknownKeyspace(String),
    /// A keyspace of this name exists already with other options.
    KeyspaceExists(String),
    /// The file needs something that this build was made without.
    MissingFeature {
        /// The cargo feature that has it.
        feature: &'static str,
    },
    /// A keyspace names a merge operator or group rewriter that the store was opened without.
    UnknownOperator {
        /// The name that the file carries.
        name: String,
    },
    /// `merge` was called on a keyspace without a merge operator.
    NoMergeOperator {
        /// The keyspace's name.
        keyspace: String,
    },
    /// A copy was to be written to a file that is there already.
    TargetExists {
        /// Its path.
        path: PathBuf,
    },
    /// A compaction's accounts do not balance; its output was discarded and the inputs stay.
    Unbalanced {
        /// The accounts, spelled out.
        report: String,
    },
}

/// Damage in the file: which structure, where, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corruption {
    /// The structure and its defect, for example `leaf block: checksum mismatch`.
    pub what: String,
    /// Byte offset of the defect, from the start of the named structure.
    pub offset: u64,
    /// Where the structure stands in the file, when the reader knows it.
    pub place: Option<String>,
}

impl Error {
    /// An error that reports damage in the structure that `what` names, `offset` bytes into it.
    pub fn corruption(what: impl Into<String>, offset: u64) -> Self {
        Error::Corruption(Corruption { what: what.into(), offset, place: None })
    }

    /// An operating system's error with what was being done.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Error::Io { what: what.into(), source }
    }

    /// What to say of a part of the file that was asked for and is not there.
    fn fmt_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchPage { page, pages } => {
                write!(f, "there is no page {page}; the file has {pages} pages, counted from 0")
            }
            Error::UnknownSegment(id) => {
                write!(f, "there is no segment {id}; `segments` lists those that there are")
            }
            _ => Ok(()),
        }
    }

    /// Adds to a corruption where in the file the damaged structure stands; other errors pass.
    #[must_use]
    pub fn at(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Error::Corruption(mut corruption) => {
                corruption.place.get_or_insert_with(place);
                Error::Corruption(corruption)
            }
            other => other,
        }
    }

    /// Why a file of ours is not opened.
    fn fmt_refused(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NewerFormat { found, supported } => write!(
                f,
                "the file has format version {found}, this build reads up to {supported}; \
                 open it with a newer Alluvium"
            ),
            Error::Truncated { expected_bytes, found_bytes } => write!(
                f,
                "the file is truncated: its root promises {expected_bytes} bytes, {found_bytes} \
                 are there; restore it from a copy"
            ),
            Error::Encrypted { cipher } => {
                write!(f, "the file is encrypted; open it with the cipher `{cipher}` and its key")
            }
            Error::WrongKey { cipher } => write!(
                f,
                "the file was encrypted with another key of `{cipher}`, nothing was read or \
                 changed; open it with the key it was created with"
            ),
            _ => write!(
                f,
                "the file is not encrypted; open it without a cipher, or copy it into a new file \
                 that has one"
            ),
        }
    }

    /// Whether the error reports damage in the file (and not, say, a full disk).
    pub fn is_corruption(&self) -> bool {
        matches!(self, Error::Corruption(_) | Error::Truncated { .. })
    }
}

const LOCKED: &str =
    "the file is open in another process or through another handle; close that one first";

const UNKNOWN_SAVEPOINT: &str =
    "the savepoint was rolled back, or is another transaction's; take a new one";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { what, source } => write!(f, "{what}: {source}"),
            Error::Corruption(corruption) => corruption.fmt(f),
            Error::NotADatabase { found } => {
                write!(f, "not an Alluvium file: {found}; nothing was changed, check the path")
            }
            Error::NewerFormat { .. }
            | Error::Truncated { .. }
            | Error::Encrypted { .. }
            | Error::NotEncrypted
            | Error::WrongKey { .. } => self.fmt_refused(f),
            Error::Locked => f.write_str(LOCKED),
            Error::Poisoned { cause } => write!(
                f,
                "no more writes are accepted because an earlier one failed ({cause}); open the \
                 file anew, acknowledged commits are safe"
            ),
            Error::Closed => write!(f, "the store is closed"),
            Error::KeyTooLong { bytes } => {
                too_long(f, "key", *bytes as u64, super::KEY_BYTES_MAX as u64)
            }
            Error::ValueTooLong { bytes, bytes_max } => too_long(f, "value", *bytes, *bytes_max),
            Error::LargeValue { bytes, bytes_max } => write!(
                f,
                "a value of {bytes} bytes is too long to be read whole, at most {bytes_max} are; read \
                 it with `open_value`"
            ),
            Error::TransactionTooLarge { bytes, bytes_max } => write!(
                f,
                "an entry takes {bytes} bytes of memory and a transaction may take {bytes_max}; open \
                 with a larger memory budget"
            ),
            Error::Conflict { commit, what } => {
                write!(f, "commit {commit} came between: {what}; begin a new transaction")
            }
            Error::UnknownSavepoint => f.write_str(UNKNOWN_SAVEPOINT),
            Error::NoSuchPage { .. } | Error::UnknownSegment(_) => self.fmt_missing(f),
            Error::SnapshotsHoldMemory { oldest, bytes, bytes_max } => write!(
                f,
                "snapshots hold {bytes} bytes of memory and may hold {bytes_max}; drop old ones (the \
                 oldest shows commit {oldest}), or open with a larger memory budget"
            ),
            Error::UnknownKeyspace(name) => write!(f, "there is no keyspace {name}"),
            Error::KeyspaceExists(name) => {
                write!(f, "a keyspace named {name} exists already with other options")
            }
            Error::MissingFeature { feature } => write!(
                f,
                "the file needs the feature `{feature}` of alluvium, which this program was built without"
            ),
            Error::UnknownOperator { name } => write!(
                f,
                "the file uses the operator `{name}`, which this program did not register; open \
                 it with the program that wrote it"
            ),
            Error::NoMergeOperator { keyspace } => write!(
                f,
                "the keyspace {keyspace} has no merge operator; create it with one, or use `put`"
            ),
            Error::TargetExists { path } => {
                write!(f, "{} exists already and is never overwritten", path.display())
            }
            Error::Unbalanced { report } => write!(
                f,
                "a compaction did not account for every entry and was discarded, the data is \
                 unchanged: {report}; please report this"
            ),
        }
    }
}

fn too_long(f: &mut fmt::Formatter<'_>, what: &str, bytes: u64, max: u64) -> fmt::Result {
    write!(f, "a {what} of {bytes} bytes is too long, at most {max} are allowed")
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged file: {} (byte {}", self.what, self.offset)?;
        if let Some(place) = &self.place {
            write!(f, ", {place}")?;
        }
        write!(f, "); run `check`, then restore from a copy or save what verifies with `repair`")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
