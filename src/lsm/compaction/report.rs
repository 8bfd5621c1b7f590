//! What a flush or compaction did: accounts that must balance, and what it cost.
//!
//! `rewrite` counts, `job` adds up and proves the balance before anything is installed, and programs read the last
//! reports. An entry that is in no account was lost, so such a compaction is discarded.

use std::fmt;

use serde::Serialize;

use crate::lsm::error::{Error, Result};

/// The accounts of one flush or compaction, in entries, and its cost.
///
/// `input == output + shadowed + merged + purged + dropped` and
/// `ranges_in + ranges_split == ranges_out + ranges_joined + ranges_dropped`; one that does not balance is discarded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CompactionReport {
    /// Name of the keyspace; `*` for a flush, which spans all.
    pub keyspace: String,
    /// The level that was written; 0 for a flush.
    pub level: u8,
    /// Entries that the inputs were said to hold.
    pub input: u64,
    /// Entries of the input that came from the oldest of its runs; the others came from newer ones.
    pub input_older: u64,
    /// Entries written.
    pub output: u64,
    /// Entries that a newer one hid.
    pub shadowed: u64,
    /// Those of them that a newer range tombstone covers.
    pub covered: u64,
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
    /// Segments read.
    pub segments_in: u64,
    /// Segments written; each has one index block.
    pub segments_out: u64,
    /// Leaf blocks written.
    pub blocks_out: u64,
    /// Range tombstones that the inputs were said to hold.
    pub ranges_in: u64,
    /// Range tombstones written.
    pub ranges_out: u64,
    /// Range tombstones that became part of another one.
    pub ranges_joined: u64,
    /// Range tombstones that were cut in two, where a segment ends.
    pub ranges_split: u64,
    /// Range tombstones in which no older run holds a key.
    pub ranges_dropped: u64,
    /// Segments that were not read because a newer range tombstone covers all of their keys.
    pub segments_hidden: u64,
    /// Segments that changed level without being read or rewritten.
    pub segments_moved: u64,
    /// Their bytes.
    pub bytes_moved: u64,
    /// From the first step to the last, by the store's clock.
    pub elapsed_micros: u64,
}

impl CompactionReport {
    /// Proves that every entry and every range tombstone is accounted for.
    pub(crate) fn balance(&self) -> Result<()> {
        let out = [self.output, self.shadowed, self.merged, self.purged, self.dropped];
        let ranges = [self.ranges_out, self.ranges_joined, self.ranges_dropped];
        let ranges_balance = ranges.iter().sum::<u64>() == self.ranges_in + self.ranges_split;
        if out.iter().sum::<u64>() == self.input && ranges_balance {
            return Ok(());
        }
        Err(Error::Unbalanced { report: self.to_string() })
    }

    /// Adds what another part of the same job did.
    pub(crate) fn add(&mut self, part: &CompactionReport) {
        self.input += part.input;
        self.output += part.output;
        self.shadowed += part.shadowed;
        self.covered += part.covered;
        self.merged += part.merged;
        self.purged += part.purged;
        self.dropped += part.dropped;
        self.ranges_in += part.ranges_in;
        self.ranges_out += part.ranges_out;
        self.ranges_joined += part.ranges_joined;
        self.ranges_split += part.ranges_split;
        self.ranges_dropped += part.ranges_dropped;
        self.segments_hidden += part.segments_hidden;
        self.bytes_in += part.bytes_in;
        self.bytes_out += part.bytes_out;
        self.segments_out += part.segments_out;
        self.blocks_out += part.blocks_out;
    }
}

impl fmt::Display for CompactionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} in = {} out + {} shadowed + {} merged + {} purged + {} dropped; \
             ranges {} in + {} split = {} out + {} joined + {} dropped; {} to {} bytes, \
             {} segments moved, {} hidden",
            self.keyspace,
            self.input,
            self.output,
            self.shadowed,
            self.merged,
            self.purged,
            self.dropped,
            self.ranges_in,
            self.ranges_split,
            self.ranges_out,
            self.ranges_joined,
            self.ranges_dropped,
            self.bytes_in,
            self.bytes_out,
            self.segments_moved,
            self.segments_hidden,
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
        report.output = 4;
        (report.ranges_in, report.ranges_split, report.ranges_out) = (3, 2, 4);
        assert!(matches!(report.balance(), Err(Error::Unbalanced { .. })));
        report.ranges_dropped = 1;
        report.balance().unwrap();
    }
}
