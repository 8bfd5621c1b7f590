//! Replay: what the log behind a root says, applied to a version.
//!
//! Recovery does it once, from a root's place to the end; a reader in another process also goes on where it ended, while
//! the log grows. Both look ahead first: a commit that an edit further on has in segments need not be kept in memory,
//! and the commits that are kept can be folded as they come, since no edit of the same part flushes only half of a run.

use std::collections::VecDeque;
use std::sync::Arc;

use super::disk::Disk;
use super::error::{Error, Result};
use super::fresh::FreshRun;
use super::ids::{CommitNo, PAGE_BYTES};
use super::manifest::{Edit, Opener, Registry, Version};
use super::wal::{Log, LogPosition, LogRecord, RecordKind};

/// Where the log holds each commit that is not flushed, oldest first.
pub(crate) type Groups = VecDeque<(CommitNo, LogPosition)>;

/// A file whose log is replayed.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) registry: &'a Registry,
    /// Edits in records of smaller numbers are in the manifest.
    pub(crate) edits_before: u64,
}

/// What there is in a part of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ahead {
    /// Number of the record behind its last one.
    pub(crate) end: u64,
    /// The last commit that one of its edits flushes.
    pub(crate) flushed: CommitNo,
}

impl<'a> Replay<'a> {
    /// The log from `start` on.
    pub(crate) fn log(&self, start: LogPosition) -> Result<Log<'a>> {
        Log::open(&*self.disk.storage, &self.disk.sealer, start)
    }

    /// Looks at the log from `start` to its end, and makes the disk as large as what it names.
    pub(crate) fn look_ahead(&self, start: LogPosition) -> Result<Ahead> {
        // What is there now is no longer than the file. Somebody who appends as fast as this reads has to be left behind.
        let bytes_max = self.len_bytes()?;
        let mut log = self.log(start)?;
        let mut flushed = CommitNo(0);
        while log.bytes() <= bytes_max
            && let Some(record) = log.next()?
        {
            if let Some(edit) = self.edit(&record)? {
                flushed = flushed.max(edit.flushed.unwrap_or_default());
            }
        }
        self.disk.space.cover(self.len_bytes()?.div_ceil(PAGE_BYTES));
        Ok(Ahead { end: log.end().record, flushed })
    }

    fn len_bytes(&self) -> Result<u64> {
        let len_bytes = self.disk.storage.len_bytes();
        len_bytes.map_err(|source| Error::io("reading the file's length", source))
    }

    /// Applies the records up to the end of what was looked at; gives the places of the commits that stay in memory.
    pub(crate) fn run(
        &self,
        log: &mut Log<'_>,
        version: &mut Version,
        ahead: Ahead,
        opener: &dyn Opener,
    ) -> Result<Groups> {
        let mut groups = VecDeque::new();
        // What has come since is of no length that is known.
        log.stop_before(ahead.end);
        while let Some(record) = log.next()? {
            let place = || format!("log record {}", record.record);
            if let Some(edit) = self.edit(&record)? {
                // Runs that segments were moved to may be new as well.
                for &(_, _, run) in &edit.moved {
                    self.disk.reserve_ids(0, run.saturating_add(1));
                }
                version.apply(&edit, self.registry, opener).map_err(|error| error.at(place))?;
            }
            if record.kind != RecordKind::Group {
                continue;
            }
            let run = FreshRun::decode(&record.payload).map_err(|error| error.at(place))?;
            if run.commits.0 <= version.flushed {
                continue;
            }
            if run.commits.0.0 != version.commit.0 + 1 {
                let what = format!("log: commit {} follows {}", run.commits.0, version.commit);
                return Err(Error::corruption(what, 0).at(place));
            }
            if run.commits.0 <= ahead.flushed {
                // An edit that follows has its entries, but not the keyspaces that it creates.
                version.skip(&run, self.registry)?;
                continue;
            }
            groups.push_back((run.commits.0, record.position));
            version.push_fresh(Arc::new(run), self.registry, opener)?;
            version.fold_after_commit(ahead.flushed)?;
        }
        let found = log.end().record;
        if found != ahead.end {
            let what = format!("log: it ended before record {} and ends before {found}", ahead.end);
            return Err(Error::corruption(what, 0));
        }
        Ok(groups)
    }

    /// Takes what is flushed by now out of the runs in memory, which `groups` made; a run that is so in part is made
    /// anew of the rest.
    pub(crate) fn drop_flushed(
        &self,
        version: &mut Version,
        groups: &Groups,
        flushed: CommitNo,
    ) -> Result<()> {
        version.fresh.retain(|run| run.commits.1 > flushed);
        let Some(oldest) = version.fresh.last().filter(|run| run.commits.0 <= flushed) else {
            return Ok(());
        };
        let (rest, last) = (flushed.0 + 1, oldest.commits.1.0);
        let keyspaces = version.keyspaces.clone();
        let mut rebuilt = Version { keyspaces, ..Version::default() };
        let from = groups.partition_point(|(commit, _)| commit.0 < rest);
        for (commit, position) in groups.range(from..).take_while(|(commit, _)| commit.0 <= last) {
            let lost = || Error::corruption(format!("log: commit {commit} is gone"), 0);
            let record = self.log(*position)?.next()?.ok_or_else(lost)?;
            let run = FreshRun::decode(&record.payload)?;
            // Its keyspaces and value segments are there.
            rebuilt.fresh.insert(0, Arc::new(run));
            rebuilt.fold_after_commit(flushed)?;
        }
        version.fresh.pop();
        version.fresh.extend(rebuilt.fresh);
        version.check_order()
    }

    /// The edit in a record, if it is one that the manifest does not have.
    fn edit(&self, record: &LogRecord) -> Result<Option<Edit>> {
        if record.kind != RecordKind::Edit || record.record < self.edits_before {
            return Ok(None);
        }
        let edit = Edit::decode(&record.payload);
        edit.map(Some).map_err(|error| error.at(|| format!("log record {}", record.record)))
    }
}
