//! Numbers about a store, for people and programs.
//!
//! Plain data that [`Store::stats`](super::Store::stats) fills from memory alone, without reading the file.

use serde::Serialize;

use super::ids::CommitNo;

/// The state of a store in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The newest commit.
    pub commit: CommitNo,
    /// Length of the file.
    pub file_bytes: u64,
    /// Pages in use, of manifests, log and segments.
    pub used_pages: u64,
    /// Pages that become free with the next checkpoints.
    pub deferred_pages: u64,
    /// Pages that are free.
    pub free_pages: u64,
    /// Extents in which they lie.
    pub free_extents: usize,
    /// Free pages that take no room on the device; those of earlier openings are not counted.
    pub punched_pages: u64,
    /// Segments that were moved to a lower place since the store was opened.
    pub segments_relocated: u64,
    /// Value segments.
    pub value_segments: usize,
    /// Their pages.
    pub value_pages: u64,
    /// Pages of them that hold values that are alive; all of those whose commit is in memory.
    pub value_pages_live: u64,
    /// Value segments that were copied without their dead values since the store was opened.
    pub value_segments_cleaned: u64,
    /// Bytes of log since the last checkpoint.
    pub log_bytes: u64,
    /// Log extents that were used again instead of being made anew, since the store was opened.
    pub log_extents_reused: u64,
    /// Runs in memory.
    pub fresh_runs: usize,
    /// Bytes of the runs in memory.
    pub fresh_bytes: usize,
    /// Bytes of the block cache in use.
    pub cache_bytes: u64,
    /// One for each keyspace, by name.
    pub keyspaces: Vec<KeyspaceStats>,
    /// What was written since the store was opened.
    pub written: Written,
    /// How commits were held up since then.
    pub stalls: Stalls,
    /// Flushes, compactions and moves of segments that have begun and not come to their end.
    pub background_jobs: usize,
    /// Pages that would be free but for readers in other processes, which look at older states.
    pub held_pages: u64,
}

/// Bytes written since the store was opened, by their reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Keys and values of commits, with what it takes to tell them apart.
    pub user_bytes: u64,
    /// Of commits into the log.
    pub log_bytes: u64,
    /// Of segments by flushes.
    pub flushed_bytes: u64,
    /// Of segments by compactions.
    pub compacted_bytes: u64,
    /// Of segments that changed level without being written again; not part of the write amplification.
    pub moved_bytes: u64,
}

impl Written {
    /// Bytes written for whatever reason.
    pub fn all_bytes(&self) -> u64 {
        self.log_bytes + self.flushed_bytes + self.compacted_bytes
    }

    /// Bytes written for each hundred bytes of the commits; 0 when there were none.
    pub fn amplification_percent(&self) -> u64 {
        self.all_bytes().saturating_mul(100).checked_div(self.user_bytes).unwrap_or(0)
    }
}

/// Commits that did background work, or waited for some, before they were accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stalls {
    /// Such commits.
    pub count: u64,
    /// Time that they spent so.
    pub total_micros: u64,
    /// The longest of these times.
    pub max_micros: u64,
}

/// The state of one keyspace on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeyspaceStats {
    /// Its name.
    pub name: String,
    /// Its levels, level 0 first.
    pub levels: Vec<LevelStats>,
}

/// The state of one level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LevelStats {
    /// Runs.
    pub runs: usize,
    /// Segments of all runs.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Their entries, tombstones among them.
    pub entries: u64,
    /// Their tombstones.
    pub tombstones: u64,
    /// Their range tombstones.
    pub ranges: u64,
}

/// What [`Store::shrink`](super::Store::shrink) or [`Store::close_with`](super::Store::close_with) did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ShrinkReport {
    /// Length of the file before.
    pub file_bytes_before: u64,
    /// Length of the file now.
    pub file_bytes: u64,
    /// Length of a file that holds the segments of the newest version, what leads to them, a smallest log, and nothing
    /// else. Entries that newer ones hide count as live here: `compact` removes them.
    pub live_bytes: u64,
    /// Segments that were moved, some of them twice.
    pub segments_moved: u64,
    /// Bytes that were copied for it.
    pub bytes_moved: u64,
}

/// What [`Store::compact_into`](super::Store::compact_into) wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BackupReport {
    /// The newest commit that the copy holds.
    pub commit: CommitNo,
    /// Length of the copy.
    pub file_bytes: u64,
    /// Entries in it.
    pub entries: u64,
    /// Segments that were copied byte for byte.
    pub segments_copied: u64,
    /// Segments that were written anew, because what they hold was spread over several runs.
    pub segments_merged: u64,
    /// Values of value segments that were copied.
    pub values_copied: u64,
}

/// How far a copy or a compaction is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of segments that are copied or compacted.
    pub done_bytes: u64,
    /// Bytes of segments that there were when it began.
    pub total_bytes: u64,
}
