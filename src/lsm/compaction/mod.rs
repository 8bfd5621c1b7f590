//! Compaction: rewriting runs into fewer runs, in bounded steps.
//!
//! ```text
//! 1 pick      which segments, to which level             picker
//!   claim     nobody else takes them, or writes there    claims
//! 2 merge     walk the inputs newest first per key       input, rewrite
//! 3 write     new segments into new extents              output
//! 4 balance   every entry read is accounted for          report
//! 5 sync      the device, then one edit in the log       store
//! 6 publish   a version without the inputs               store
//! ```
//! Steps 2 and 3 stop after about a mebibyte and go on when they are called again. A crash before 5 leaves nothing:
//! the output's pages belong to nobody. A tombstone is dropped exactly when no older run can hold its key,
//! a range tombstone when none can hold a key in it.
//! A flush is the same work with fresh runs as inputs.

mod claims;
mod copy;
mod input;
mod job;
mod output;
mod pending;
mod picker;
mod report;
mod rewrite;
#[cfg(test)]
mod tests;

pub(crate) use claims::Claims;
pub(crate) use copy::KeyspaceCopy;
pub(crate) use job::{CompactionJob, Finished, FlushJob};
pub(crate) use pending::{merge_pending, write_pending};
pub(crate) use picker::{Phase, Picker, Work, unite};
pub use report::CompactionReport;
