//! The window of recent commits: what was written since the oldest open optimistic transaction began.
//!
//! While no optimistic transaction is open nothing is kept and commits pay nothing. Otherwise each commit leaves its
//! keys and deleted ranges here; one that was spilled leaves its runs, which are asked instead. A transaction that
//! commits is validated against the commits behind its base: it conflicts exactly when one of them wrote a key or
//! range that it read. Flushes, folds and compactions are no commits and leave nothing.
//!
//! The window has a share of the memory budget. Beyond it the oldest commits are forgotten; a transaction that began
//! before them conflicts.
//!
//! Cost of validating: for each commit, the smaller of its keys and the ranges read, times a binary search.

use std::collections::{BTreeMap, VecDeque};

use crate::lsm::cursor::RawCursor;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::FreshRun;
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::Run;
use crate::lsm::ranges::{KeyRange, Ranges};
use crate::lsm::scan::RunCursor;
use crate::lsm::txn::Reads;

/// Bytes of memory that a key takes besides itself.
const KEY_OVERHEAD_BYTES: usize = 32;

/// Recent commits, oldest first.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// Where open optimistic transactions began, and how many there.
    open: BTreeMap<CommitNo, usize>,
    commits: VecDeque<Written>,
    bytes: usize,
    /// Commits up to this one were forgotten for want of room.
    forgotten: CommitNo,
}

/// What one commit wrote.
#[derive(Debug)]
pub(super) struct Written {
    commit: CommitNo,
    /// Whether it created keyspaces.
    creates: bool,
    /// Whether it dropped keyspaces: whoever began before may rely on them.
    drops: bool,
    keyspaces: BTreeMap<KeyspaceId, WrittenKeys>,
    bytes: usize,
}

#[derive(Debug)]
enum WrittenKeys {
    /// Ascending keys, and deleted ranges.
    Listed(Vec<Box<[u8]>>, Ranges),
    /// The runs of a spilled transaction; they hold their segments until they are forgotten.
    Runs(Vec<Run>),
}

impl Window {
    /// Whether nothing is kept and nobody asks.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.commits.is_empty() && self.bytes == 0
    }

    /// Notes that a transaction begins on the version of `base`.
    pub(super) fn open(&mut self, base: CommitNo) {
        *self.open.entry(base).or_default() += 1;
    }

    /// Notes that such a transaction has ended, and forgets what nobody asks for any more.
    pub(super) fn close(&mut self, base: CommitNo) {
        if let Some(count) = self.open.get_mut(&base) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&base);
            }
        }
        let oldest = self.open.first_key_value().map(|(&base, _)| base);
        while let Some(first) = self.commits.front()
            && oldest.is_none_or(|oldest| first.commit <= oldest)
        {
            self.bytes -= first.bytes;
            self.commits.pop_front();
        }
    }

    /// Keeps what a commit wrote if somebody may ask.
    pub(super) fn note(&mut self, bytes_max: usize, written: impl FnOnce() -> Written) {
        if self.open.is_empty() {
            return;
        }
        let written = written();
        self.bytes += written.bytes;
        self.commits.push_back(written);
        while self.bytes > bytes_max
            && let Some(oldest) = self.commits.pop_front()
        {
            self.bytes -= oldest.bytes;
            self.forgotten = oldest.commit;
        }
    }

    /// An error when a commit behind `base` wrote what was read.
    pub(super) fn validate(&self, base: CommitNo, reads: &Reads) -> Result<()> {
        if base < self.forgotten {
            let what = "more was written since it began than is remembered".to_owned();
            return Err(Error::Conflict { commit: self.forgotten, what });
        }
        for written in self.commits.iter().filter(|written| written.commit > base) {
            let conflict = |what: String| Error::Conflict { commit: written.commit, what };
            if written.creates && reads.has_names() {
                return Err(conflict("a keyspace was created".to_owned()));
            }
            if written.drops {
                return Err(conflict("a keyspace was dropped".to_owned()));
            }
            for (&id, keys) in &written.keyspaces {
                let Some(read) = reads.of(id) else { continue };
                if keys.touch(read)? {
                    return Err(conflict(format!("what was read of keyspace {id} was written")));
                }
            }
        }
        Ok(())
    }
}

impl Written {
    /// What the run of one commit holds.
    pub(super) fn of_run(run: &FreshRun) -> Self {
        let mut written = Written {
            commit: run.commits.1,
            creates: !run.created.is_empty(),
            drops: false,
            keyspaces: BTreeMap::new(),
            bytes: KEY_OVERHEAD_BYTES,
        };
        for id in run.keyspaces() {
            let keys: Vec<Box<[u8]>> = run.keys(id).map(Box::from).collect();
            let ranges = run.ranges(id).cloned().unwrap_or_default();
            written.bytes += ranges.memory_bytes();
            written.bytes += keys.iter().map(|key| key.len() + KEY_OVERHEAD_BYTES).sum::<usize>();
            written.keyspaces.insert(id, WrittenKeys::Listed(keys, ranges));
        }
        written
    }

    /// What a transaction wrote that was committed as an edit.
    pub(super) fn of_runs(
        commit: CommitNo,
        (creates, drops): (bool, bool),
        runs: BTreeMap<KeyspaceId, Vec<Run>>,
    ) -> Self {
        let segments = runs.values().flatten().map(|run| run.segments.len()).sum::<usize>();
        let keyspaces = runs.into_iter().map(|(id, runs)| (id, WrittenKeys::Runs(runs))).collect();
        Written { commit, creates, drops, keyspaces, bytes: (1 + segments) * KEY_OVERHEAD_BYTES }
    }
}

impl WrittenKeys {
    /// Whether a key or a range is among what was read.
    fn touch(&self, read: &Ranges) -> Result<bool> {
        match self {
            WrittenKeys::Listed(keys, ranges) => {
                Ok(keys_touch(keys, read) || ranges.iter().any(|range| read.touches(&range)))
            }
            WrittenKeys::Runs(runs) => {
                for run in runs {
                    if run_touches(run, read)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

fn keys_touch(keys: &[Box<[u8]>], read: &Ranges) -> bool {
    if (keys.len() as u64) < read.len() {
        return keys.iter().any(|key| read.covers(key));
    }
    read.iter().any(|range| {
        let from = keys.partition_point(|key| key[..] < range.lower[..]);
        keys.get(from).is_some_and(|key| range.contains(key))
    })
}

fn run_touches(run: &Run, read: &Ranges) -> Result<bool> {
    for segment in run.segments.iter() {
        if let Some(ranges) = segment.ranges()?
            && ranges.iter().any(|range: KeyRange| read.touches(&range))
        {
            return Ok(true);
        }
    }
    let mut cursor = RunCursor::passing(std::sync::Arc::clone(&run.segments));
    for range in read.iter() {
        cursor.seek_ge(&range.lower)?;
        if cursor.valid() && range.contains(cursor.key()) {
            return Ok(true);
        }
    }
    Ok(false)
}
