//! What a compaction did, as accounts that must balance.
//!
//! `rewrite` counts, `job` adds up and proves the balance before anything is installed, and programs read the last
//! report. An entry that is in no account was lost, so such a compaction is discarded.

use std::fmt;

use crate::lsm::error::{Error, Result};

/// The accounts of one flush or compaction, in entries.
///
/// `input == output + shadowed + merged + purged + dropped`; one that does not balance is discarded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Name of the keyspace; `*` for a flush, which spans all.
    pub keyspace: String,
    /// Entries that the inputs were said to hold.
    pub input: u64,
    /// Entries written.
    pub output: u64,
    /// Entries that a newer one hid.
    pub shadowed: u64,
    /// Operands that were combined into another entry.
    pub merged: u64,
    /// Entries that a group rewriter dropped.
    pub purged: u64,
    /// Tombstones below which nothing was left.
    pub dropped: u64,
    /// Bytes of the segments read.
    pub bytes_in: u64,
    /// Bytes of the segments written.
    pub bytes_out: u64,
    /// Segments that changed level without being rewritten.
    pub segments_moved: u64,
}

impl CompactionReport {
    /// Proves that every entry is accounted for.
    pub(crate) fn balance(&self) -> Result<()> {
        let out = [self.output, self.shadowed, self.merged, self.purged, self.dropped];
        if out.iter().sum::<u64>() == self.input {
            return Ok(());
        }
        Err(Error::Unbalanced { report: self.to_string() })
    }
}

impl fmt::Display for CompactionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} in = {} out + {} shadowed + {} merged + {} purged + {} dropped; {} to {} bytes, \
             {} segments moved",
            self.keyspace,
            self.input,
            self.output,
            self.shadowed,
            self.merged,
            self.purged,
            self.dropped,
            self.bytes_in,
            self.bytes_out,
            self.segments_moved,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_account_is_an_error() {
        let mut report = CompactionReport {
            input: 10,
            output: 4,
            shadowed: 2,
            merged: 1,
            purged: 2,
            dropped: 1,
            ..CompactionReport::default()
        };
        report.balance().unwrap();
        report.output = 3;
        assert!(matches!(report.balance(), Err(Error::Unbalanced { .. })));
    }
}
