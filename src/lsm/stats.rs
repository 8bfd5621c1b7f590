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
