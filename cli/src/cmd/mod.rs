//! The verbs, one file each. Every verb has a `run` that takes its arguments from `args`, prints
//! through `output`, and returns an [`Outcome`] or an error that names the file it is about.

pub(crate) mod aggregate;
pub(crate) mod analyze;
pub(crate) mod backup;
pub(crate) mod blocks;
pub(crate) mod check;
pub(crate) mod column;
pub(crate) mod compact;
pub(crate) mod compactions;
pub(crate) mod complete;
pub(crate) mod demo;
pub(crate) mod dump;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod find;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod index;
pub(crate) mod levels;
pub(crate) mod like;
pub(crate) mod page;
pub(crate) mod reindex;
pub(crate) mod repair;
pub(crate) mod search;
pub(crate) mod segments;
pub(crate) mod shrink;
pub(crate) mod stats;
pub(crate) mod suggest;
pub(crate) mod watch;

/// How a verb that met no error ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what was asked.
    Done,
    /// What was asked for is not there.
    NothingFound,
    /// It did what it could, and something is missing.
    Incomplete,
    /// The file is not what it should be; the verb has said in which way.
    NotSound,
    /// The ranking is worse than it may be; the verb has said in which way.
    Worse,
}
