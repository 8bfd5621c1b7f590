//! What the handles of a store share: its parts, its locks, and who may hold them.
//!
//! Every other file of this folder adds methods to [`Core`], one concern each. The order of the locks stands in
//! the header of `store`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::versions::{Held, Versions};
use super::window::Window;
use crate::lsm::cache::Loan;
use crate::lsm::compaction::{Claims, CompactionJob, CompactionReport, FlushJob, Picker};
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::options::Options;
use crate::lsm::relocation::RelocationJob;
use crate::lsm::root::Root;
use crate::lsm::scheduler::Running;
use crate::lsm::space::ExtentLease;
use crate::lsm::stats::{Stalls, Written};
use crate::lsm::sync::{AtomicBool, Condvar, Mutex, MutexGuard};
use crate::lsm::wal::{LogPosition, LogWriter, NextExtent, RecordKind};

/// What the handles of a store share.
pub(super) struct Core {
    pub(super) disk: Arc<Disk>,
    pub(super) registry: Registry,
    pub(super) version: Versions,
    /// The log still ends where a process that died left it: nothing may be appended before `settle_past`.
    pub(super) inherited: AtomicBool,
    pub(super) jobs: Mutex<Jobs>,
    /// Signalled with `jobs` whenever a step has ended.
    pub(super) stepped: Condvar,
    /// Held by the thread that is at maintenance.
    pub(super) maintenance: Mutex<Maintenance>,
    /// One checkpoint at a time.
    pub(super) checkpoints: Mutex<()>,
    pub(super) writer: Mutex<Writer>,
    /// Told when a flight of the log has ended.
    pub(super) landed: Condvar,
    pub(super) gate: Gate,
    /// What was committed since the oldest optimistic transaction began. Taken with or without the writer's lock.
    pub(super) window: Mutex<Window>,
    /// For each kind of work that failed, the error, until it succeeds.
    pub(super) trouble: Mutex<BTreeMap<Place, String>>,
    /// When the last commit came, in microseconds of the clock.
    pub(super) last_commit: AtomicU64,
    /// Microseconds between two commits: of the last ones the longest, as far as it is not long ago.
    pub(super) pause: AtomicU64,
    /// The kinds of work that the last commit left, unless a step has ended since: waiting threads know of them.
    pub(super) told: AtomicU8,
    /// Programs that load much.
    pub(super) loads: AtomicUsize,
    /// Bytes committed for which no background work was done yet, though some is behind.
    pub(super) owed: AtomicU64,
    /// Bytes committed since it was last looked what fresh runs take.
    pub(super) unseen: AtomicU64,
    /// Memory of the fresh runs, of the newest version and of those that snapshots hold.
    pub(super) fresh_loan: Mutex<Loan>,
    pub(super) counters: Counters,
    pub(super) running: OnceLock<Box<dyn Running>>,
}

/// What was written since the store was opened, and how long commits were held up.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) user_bytes: AtomicU64,
    pub(super) log_bytes: AtomicU64,
    flushed_bytes: AtomicU64,
    compacted_bytes: AtomicU64,
    moved_bytes: AtomicU64,
    stalls: AtomicU64,
    stall_micros: AtomicU64,
    stall_micros_max: AtomicU64,
    pub(super) relocated_segments: AtomicU64,
    pub(super) cleaned_segments: AtomicU64,
    pub(super) punched_pages: AtomicU64,
}

impl Counters {
    /// A flush or a compaction wrote so many bytes of segments.
    pub(super) fn count_written(&self, bytes: u64, is_flush: bool) {
        let written = if is_flush { &self.flushed_bytes } else { &self.compacted_bytes };
        written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One ended; so many of its bytes were counted before.
    pub(super) fn count_report(&self, report: &CompactionReport, told_bytes: u64, is_flush: bool) {
        self.count_written(report.bytes_out.saturating_sub(told_bytes), is_flush);
        self.moved_bytes.fetch_add(report.bytes_moved, Ordering::Relaxed);
    }

    /// A transaction brought so many bytes of segments that it had written itself.
    pub(super) fn count_spilled(&self, bytes: u64) {
        self.user_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.flushed_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A commit was held up so long by work that others had left.
    pub(super) fn count_stall(&self, stall: Duration) {
        let micros = u64::try_from(stall.as_micros()).unwrap_or(u64::MAX);
        self.stalls.fetch_add(1, Ordering::Relaxed);
        self.stall_micros.fetch_add(micros, Ordering::Relaxed);
        self.stall_micros_max.fetch_max(micros, Ordering::Relaxed);
    }

    pub(super) fn written(&self) -> Written {
        Written {
            user_bytes: self.user_bytes.load(Ordering::Relaxed),
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            flushed_bytes: self.flushed_bytes.load(Ordering::Relaxed),
            compacted_bytes: self.compacted_bytes.load(Ordering::Relaxed),
            moved_bytes: self.moved_bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn stalls(&self) -> Stalls {
        Stalls {
            count: self.stalls.load(Ordering::Relaxed),
            total_micros: self.stall_micros.load(Ordering::Relaxed),
            max_micros: self.stall_micros_max.load(Ordering::Relaxed),
        }
    }
}

/// Guarded by the second lock. A job that a thread is stepping is not here; its place is kept.
#[derive(Default)]
pub(super) struct Jobs {
    pub(super) flush: Option<Begun<FlushJob>>,
    /// By the number of their claim; the next to be stepped first.
    pub(super) compactions: VecDeque<(u64, Begun<CompactionJob>)>,
    pub(super) claims: Claims,
    pub(super) picker: Picker,
    pub(super) checkpointing: Checkpointing,
    pub(super) folding: bool,
    /// Where the log is to go on.
    pub(super) log: Option<Begun<NextExtent>>,
    /// Steps so far; decides what comes first where no thread has a preference.
    pub(super) steps: u64,
    /// Flush up to here even if there is room.
    pub(super) flush_wanted: CommitNo,
    /// What `compact` asked for, oldest first.
    pub(super) united: VecDeque<Unite>,
    pub(super) unites: u64,
    /// The store is closing: no compaction is begun or gone on with.
    pub(super) closing: bool,
    /// Oldest first.
    pub(super) reports: VecDeque<CompactionReport>,
}

/// Where checkpoints of the background steps stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Checkpointing {
    #[default]
    Idle,
    Running,
    /// The last one failed: a flush that is due comes before the next.
    Failed,
}

/// What saves room in the file while nobody writes.
#[derive(Debug, Default)]
pub(super) struct Maintenance {
    pub(super) relocation: Option<RelocationJob>,
    pub(super) rest: Rest,
    /// The storage said that it cannot.
    pub(super) cannot_punch: bool,
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

/// A job that was begun; `None` while a thread is stepping it.
pub(super) struct Begun<J> {
    pub(super) job: Option<J>,
    /// The request that it serves, if one.
    pub(super) serves: Option<u64>,
    /// Its work is done and waits to be installed.
    pub(super) ready: bool,
    /// To be dropped when the step that runs has ended.
    pub(super) cancelled: bool,
    /// How far it was when it was here last, and where it ends.
    pub(super) done: u64,
    pub(super) total: u64,
}

/// A key range of a keyspace that shall become one run.
pub(super) struct Unite {
    pub(super) number: u64,
    pub(super) keyspace: KeyspaceId,
    pub(super) smallest: Vec<u8>,
    /// None: to the end.
    pub(super) greatest: Option<Vec<u8>>,
    /// Segments from this one on need not be touched: they came later. None until it begins.
    pub(super) before: Option<SegmentId>,
}

/// A kind of background work, and which job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Sync,
    Flush,
    Checkpoint,
    Fold,
    Log,
    Compaction(u64),
    Maintenance,
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
    /// A thread makes records below this one durable, without the lock; those that come meanwhile share the next flight.
    pub(super) flying: Option<u64>,
    /// Threads that wait for that.
    pub(super) waiting: usize,
    /// Tells threads that wait for a commit to be visible that one is, or that none will be; and how many there are.
    pub(super) shown: Arc<Condvar>,
    pub(super) watching: usize,
    /// Commits that readers do not see yet.
    pub(super) held: Held,
    pub(super) poison: Option<String>,
    /// Versions that somebody held when they were replaced, and the length at which the list is cleaned.
    pub(super) past: Vec<Weak<Version>>,
    pub(super) past_max: usize,
}

/// Lets one transaction in at a time.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    taken: bool,
    /// Nobody is told, which costs a system call, when nobody waits.
    waiting: usize,
}

impl Gate {
    /// Waits until nobody is in, and goes in.
    pub(super) fn enter(&self) {
        let mut state = lock(&self.state);
        while state.taken {
            state.waiting += 1;
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.taken = true;
    }

    /// Lets the next one in.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.state);
        state.taken = false;
        if state.waiting > 0 {
            self.freed.notify_one();
        }
    }
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
        if let Some(past) = self.version.show(&mut writer.held, writer.log.durable()) {
            writer.note_past(&past);
            writer.tell_watchers();
        }
    }

    /// Waits until readers see a commit behind `commit`, or as long as `timeout`; whether they do.
    pub(super) fn wait_for_commit(&self, commit: CommitNo, timeout: Duration) -> Result<bool> {
        let clock = &self.options().clock;
        let start = clock.now();
        let mut writer = self.writer()?;
        while self.version.visible_commit() <= commit {
            let waited = clock.now().saturating_sub(start);
            let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return Ok(false);
            };
            writer.watching += 1;
            let shown = Arc::clone(&writer.shown);
            let waited = shown.wait_timeout(writer, left);
            (writer, _) = waited.unwrap_or_else(PoisonError::into_inner);
            writer.watching -= 1;
            writer.expect_sound()?;
        }
        Ok(true)
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

    /// Appends a record to the log, in memory, and says where it stands.
    pub(super) fn append(
        &mut self,
        kind: RecordKind,
        payload: &[Bytes],
        sealed: bool,
    ) -> Result<LogPosition> {
        let appended = self.log.append(kind, payload, sealed);
        self.poison_if_torn(appended)
    }

    /// Has everything that was appended survive the death of the process.
    pub(super) fn cache_log(&mut self) -> Result<()> {
        let cached = self.log.cache();
        self.poison_if_torn(cached)
    }

    /// Notes a failure of the log, if it is one after which its end is unknown: a full disk is none.
    pub(super) fn poison_if_torn<T>(&mut self, result: Result<T>) -> Result<T> {
        if self.log.is_torn() { self.poison_on_error(result) } else { result }
    }

    /// Notes a failure after which the log's end is unknown.
    pub(super) fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poison.get_or_insert_with(|| error.to_string());
            self.tell_watchers();
        }
        result
    }

    fn tell_watchers(&self) {
        if self.watching > 0 {
            self.shown.notify_all();
        }
    }
}
