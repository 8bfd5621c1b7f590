//! What the handles of a store share: its parts, its locks, and who may hold them.
//!
//! Every other file of this folder adds methods to [`Core`], one concern each. The order of the locks stands in
//! the header of `store`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::versions::{Held, Versions};
use super::window::Window;
use crate::lsm::compaction::{CompactionJob, CompactionReport, FlushJob, Picker};
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::options::Options;
use crate::lsm::relocation::RelocationJob;
use crate::lsm::root::Root;
use crate::lsm::scheduler::Running;
use crate::lsm::space::ExtentLease;
use crate::lsm::wal::{LogPosition, LogWriter, RecordKind};

/// What the handles of a store share.
pub(super) struct Core {
    pub(super) disk: Arc<Disk>,
    pub(super) registry: Registry,
    pub(super) version: Versions,
    /// The log still ends where a process that died left it: nothing may be appended before `settle_past`.
    pub(super) inherited: AtomicBool,
    pub(super) jobs: Mutex<Jobs>,
    pub(super) writer: Mutex<Writer>,
    /// Told when a sync of the log has ended.
    pub(super) synced: Condvar,
    pub(super) gate: Gate,
    /// What was committed since the oldest optimistic transaction began. Taken with or without the writer's lock.
    pub(super) window: Mutex<Window>,
    /// The last background error that was not repaired by a later success.
    pub(super) trouble: Mutex<Option<String>>,
    pub(super) running: OnceLock<Box<dyn Running>>,
}

/// Guarded by the second lock.
#[derive(Default)]
pub(super) struct Jobs {
    pub(super) flush: Option<FlushJob>,
    /// A compaction, and whether `compact` asked for it.
    pub(super) compaction: Option<(CompactionJob, bool)>,
    pub(super) picker: Picker,
    /// Flush up to here even if there is room.
    pub(super) flush_wanted: CommitNo,
    /// Keyspaces to compact into one run; one leaves when that is done.
    pub(super) compact_wanted: VecDeque<KeyspaceId>,
    pub(super) last_report: Option<CompactionReport>,
    pub(super) relocation: Option<RelocationJob>,
    pub(super) rest: Rest,
    /// The storage said that it cannot.
    pub(super) cannot_punch: bool,
    /// Numbers since the opening.
    pub(super) relocated_segments: u64,
    pub(super) punched_pages: u64,
}

/// Since when nobody has written.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// The newest commit when a step last looked.
    pub(super) commit: CommitNo,
    pub(super) since: Duration,
    /// Nothing is left to do about this commit.
    pub(super) done: bool,
    /// When that was last so.
    pub(super) last_done: Duration,
}

/// Guarded by the third lock.
pub(super) struct Writer {
    pub(super) log: LogWriter,
    pub(super) root: Root,
    /// Oldest first; the last is that of `root`.
    pub(super) manifests: VecDeque<ExtentLease>,
    /// Where the log holds each commit that is not flushed, oldest first.
    pub(super) groups: VecDeque<(CommitNo, LogPosition)>,
    /// Fresh runs up to this commit are being flushed, and must not fold with newer ones.
    pub(super) flushing: CommitNo,
    /// When the oldest `Interval` commit must be durable.
    pub(super) sync_due: Option<Duration>,
    /// A thread syncs the log, without the lock; those that come meanwhile share the next sync.
    pub(super) syncing: bool,
    /// Commits that readers do not see yet.
    pub(super) held: Held,
    pub(super) poison: Option<String>,
}

/// Lets one transaction in at a time.
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) taken: Mutex<bool>,
    pub(super) freed: Condvar,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves consistent data: every change under these locks is published last.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("commit", &self.version.load().commit).finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn options(&self) -> &Options {
        &self.disk.options
    }

    /// The writer, unless the store is poisoned.
    pub(super) fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = lock(&self.writer);
        writer.expect_sound()?;
        Ok(writer)
    }

    /// Makes `next` the latest version, and shows it to readers unless they must wait for a sync.
    pub(super) fn advance(&self, writer: &mut Writer, next: Version) {
        self.version.advance(next);
        self.show(writer);
    }

    /// Shows readers what they may see by now.
    pub(super) fn show(&self, writer: &mut Writer) {
        self.version.show(&mut writer.held, writer.log.durable());
    }

    pub(super) fn wake(&self) {
        if let Some(running) = self.running.get() {
            running.wake();
        }
    }
    /// Forgets the store as a process does that dies: closing writes nothing more.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        lock(&self.writer).poison = Some("abandoned".to_owned());
    }
}

impl Writer {
    /// An error when the store is poisoned.
    pub(super) fn expect_sound(&self) -> Result<()> {
        match &self.poison {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Appends a record to the log, and says where it stands.
    pub(super) fn append(
        &mut self,
        kind: RecordKind,
        payload: &[Bytes],
        sealed: bool,
    ) -> Result<LogPosition> {
        let appended = self.log.append(kind, payload, sealed);
        self.poison_if_torn(appended)
    }

    /// Notes a failure of the log, if it is one after which its end is unknown: a full disk is none.
    pub(super) fn poison_if_torn<T>(&mut self, result: Result<T>) -> Result<T> {
        if self.log.is_torn() { self.poison_on_error(result) } else { result }
    }

    /// Notes a failure after which the log's end is unknown.
    pub(super) fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poison.get_or_insert_with(|| error.to_string());
        }
        result
    }
}
