//! Background steps: flushes, folds, compactions, checkpoints and due syncs, one bounded piece at a time.
//!
//! The scheduler's threads call [`background_step`]; commits that need room, `flush` and `compact` call
//! [`Core::step_preferring`] themselves. A step takes what is due out of `jobs`, works on it without a lock, and puts
//! it back or installs its result. One that fails is undone and tried again later; `health` tells about it.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};

use bytes::Bytes;

use super::checkpoint::{Checkpoint, publish};
use super::core::{Begun, Checkpointing, Core, Jobs, Place, Unite, lock};
use super::maintenance::{Moved, REST, REST_WAIT_MAX};
use crate::lsm::compaction::{
    CompactionJob, CompactionReport, Finished, FlushJob, Phase, Work, unite,
};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, KeyspaceId, PAGE_BYTES};
use crate::lsm::manifest::{FRESH_RUNS_MAX, Made, Version};
use crate::lsm::options::Durability;
use crate::lsm::scheduler::Outcome;
use crate::lsm::stats::Progress;
use crate::lsm::txn::Snapshot;
use crate::lsm::wal::{NextExtent, RecordKind};

/// Pages that may wait for a checkpoint before one is due for their sake.
const DEFERRED_PAGES_MAX: u64 = (32 << 20) / PAGE_BYTES;

/// Pages of value segments that fresh runs may keep in any case.
const FRESH_VALUE_PAGES_MAX: u64 = (16 << 20) / PAGE_BYTES;

/// Bytes of entries that one step may take at most.
const STEP_BYTES_MAX: usize = 1 << 20;

/// Reports that are kept.
const REPORTS_MAX: usize = 64;

/// What comes first when several kinds of work are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefer {
    Flush,
    Compaction,
    /// One after the other.
    Turns,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    Worked,
    /// Other threads are at everything that is due.
    Busy,
    Idle,
}

/// A piece of work, taken out of `jobs`.
enum Task {
    Sync,
    Checkpoint,
    Fold(Arc<Version>, usize),
    Flush(FlushJob),
    Compaction(u64, CompactionJob),
    Log(NextExtent),
}

/// Clears the place of a task that is not put back: when it has come to its end, failed, or panicked.
struct Hold<'a> {
    core: &'a Core,
    place: Place,
    /// It was put back, and another thread may have taken it out again.
    is_back: bool,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut jobs = lock(&self.core.jobs);
        match self.place {
            _ if self.is_back => {}
            Place::Sync | Place::Maintenance => {}
            Place::Checkpoint => jobs.checkpointing = Checkpointing::Idle,
            Place::Fold => jobs.folding = false,
            Place::Log => jobs.log = None,
            Place::Flush => {
                jobs.flush = None;
                lock(&self.core.writer).flushing = CommitNo(0);
            }
            Place::Compaction(number) => {
                jobs.compactions.retain(|(of, _)| *of != number);
                jobs.claims.release(number);
            }
        }
        jobs.steps += 1;
        drop(jobs);
        self.core.told.store(0, Ordering::Relaxed);
        self.core.stepped.notify_all();
    }
}

pub(super) fn background_step(core: &Weak<Core>, worker: usize) -> Outcome {
    let Some(core) = core.upgrade() else { return Outcome::Finished };
    let prefer = if worker == 0 { Prefer::Flush } else { Prefer::Compaction };
    match core.step_preferring(prefer, core.step_bytes()) {
        Ok(Stepped::Worked) => Outcome::More,
        // An error is kept in `health`; the next wake-up, or the next sync that is due, tries again.
        Ok(Stepped::Busy | Stepped::Idle) => {
            let rest = core.maintenance.try_lock().ok();
            let rest = rest.filter(|_| core.phase() != Phase::Loading);
            let rest =
                rest.and_then(|m| m.rest.time_left(core.lull(REST), core.options().clock.now()));
            // Nobody tells when a reader in another process goes.
            let held = (core.disk.space.held_pages() > 0).then_some(REST_WAIT_MAX);
            Outcome::Idle(core.time_to_work().into_iter().chain(rest).chain(held).min())
        }
        Err(_) => Outcome::Idle(core.time_to_work()),
    }
}

impl Core {
    /// Bytes of entries that one step takes; few in a store that has little memory.
    pub(super) fn step_bytes(&self) -> usize {
        STEP_BYTES_MAX.min(self.options().memory_bytes / 64).max(1)
    }

    /// One bounded piece of background work; the several jobs that threads would step side by side take turns.
    pub(super) fn step(&self) -> Result<bool> {
        Ok(self.step_preferring(Prefer::Turns, self.step_bytes())? == Stepped::Worked)
    }

    /// One piece of background work of about `bytes_max` bytes.
    pub(super) fn step_preferring(&self, prefer: Prefer, bytes_max: usize) -> Result<Stepped> {
        let task = {
            let mut jobs = lock(&self.jobs);
            self.settle_past()?;
            match self.take_task(&mut jobs, prefer)? {
                Some(task) => Some(task),
                None if jobs.is_busy() => return Ok(Stepped::Busy),
                None if jobs.closing => return Ok(Stepped::Idle),
                None => None,
            }
        };
        match task {
            Some(task) => self.perform_held(task, bytes_max, true),
            None => self.rest(),
        }
    }

    /// When nothing else is due: a piece of maintenance, unless another thread is at it.
    fn rest(&self) -> Result<Stepped> {
        let Ok(mut maintenance) = self.maintenance.try_lock() else { return Ok(Stepped::Busy) };
        let result = self.maintenance_step(&mut maintenance);
        match &result {
            Ok(true) => {}
            Ok(false) => drop(lock(&self.trouble).remove(&Place::Maintenance)),
            Err(error) => {
                maintenance.relocation = None;
                lock(&self.trouble).insert(Place::Maintenance, error.to_string());
            }
        }
        Ok(if result? { Stepped::Worked } else { Stepped::Idle })
    }

    /// One piece of a flush or compaction, without what may take longer than its bytes: a job that is ready is left to
    /// be installed by others.
    pub(super) fn assist(&self, prefer: Prefer, bytes_max: usize) -> Result<Stepped> {
        let task = {
            let mut jobs = lock(&self.jobs);
            let task = match prefer {
                Prefer::Flush => self.take_flush(&mut jobs, false, false)?,
                Prefer::Compaction | Prefer::Turns => self.take_compaction(&mut jobs, false)?,
            };
            match task {
                Some(task) => task,
                None if jobs.is_busy() => return Ok(Stepped::Busy),
                None => return Ok(Stepped::Idle),
            }
        };
        self.perform_held(task, bytes_max, false)
    }

    /// Performs a task while its place is held, and notes how that went.
    fn perform_held(&self, task: Task, bytes_max: usize, installs: bool) -> Result<Stepped> {
        let mut hold = Hold { core: self, place: task.place(), is_back: false };
        // All compactions are one kind.
        let kind =
            if let Place::Compaction(_) = hold.place { Place::Compaction(0) } else { hold.place };
        let result = self.perform(task, bytes_max, installs, &mut hold.is_back);
        drop(hold);
        let checkpointing = match (kind, &result) {
            (Place::Checkpoint, Err(_)) => Some((Checkpointing::Idle, Checkpointing::Failed)),
            (Place::Flush, Ok(true)) => Some((Checkpointing::Failed, Checkpointing::Idle)),
            _ => None,
        };
        if let Some((from, to)) = checkpointing {
            let mut jobs = lock(&self.jobs);
            if jobs.checkpointing == from {
                jobs.checkpointing = to;
            }
        }
        // It may be ready now, or what it claimed is free, or it left more to do.
        let ended =
            matches!(result, Ok(true)) && matches!(kind, Place::Flush | Place::Compaction(_));
        if !installs || ended {
            self.wake();
        }
        match result {
            Ok(finished) => {
                if finished {
                    lock(&self.trouble).remove(&kind);
                }
                Ok(Stepped::Worked)
            }
            Err(error) => {
                lock(&self.trouble).insert(kind, error.to_string());
                Err(error)
            }
        }
    }

    /// Waits until a step that another thread is at has ended.
    pub(super) fn await_step(&self) {
        let jobs = lock(&self.jobs);
        let steps = jobs.steps;
        let waits = self.stepped.wait_while(jobs, |jobs| jobs.steps == steps && jobs.is_busy());
        drop(waits.unwrap_or_else(PoisonError::into_inner));
    }

    fn take_task(&self, jobs: &mut Jobs, prefer: Prefer) -> Result<Option<Task>> {
        let due = self.writer()?.sync_due;
        if due.is_some_and(|due| due <= self.options().clock.now()) {
            return Ok(Some(Task::Sync));
        }
        let compaction_first = match prefer {
            Prefer::Flush => false,
            Prefer::Compaction => true,
            Prefer::Turns => jobs.steps % 2 == 1,
        };
        if compaction_first && let Some(task) = self.take_compaction(jobs, true)? {
            return Ok(Some(task));
        }
        if let Some(task) = self.take_upkeep(jobs)? {
            return Ok(Some(task));
        }
        if compaction_first { Ok(None) } else { self.take_compaction(jobs, true) }
    }

    /// A flush, checkpoint or fold that is due.
    fn take_upkeep(&self, jobs: &mut Jobs) -> Result<Option<Task>> {
        let log_bytes_max = self.options().log_bytes_max;
        let (long_log, mostly_fresh) = {
            let writer = self.writer()?;
            let fresh = writer.groups.front().map_or(0, |(_, from)| writer.log.bytes_from(from));
            (writer.log.bytes() > log_bytes_max, fresh > log_bytes_max / 2)
        };
        if let Some(task) = self.take_log(jobs)? {
            return Ok(Some(task));
        }
        // Before flushes, which commits that go on make due again and again: the file would grow by all that is written.
        let deferred = self.disk.space.deferred_pages() > self.deferred_pages_max();
        if deferred && jobs.checkpointing == Checkpointing::Idle {
            jobs.checkpointing = Checkpointing::Running;
            return Ok(Some(Task::Checkpoint));
        }
        // Only when that would free most of the log: else commits that go on would put off the checkpoint for ever.
        if let Some(task) = self.take_flush(jobs, long_log && mostly_fresh, true)? {
            return Ok(Some(task));
        }
        // While a flush runs, the log gets shorter when it has ended.
        let long_log = long_log && jobs.flush.is_none();
        if (long_log || deferred) && jobs.checkpointing != Checkpointing::Running {
            jobs.checkpointing = Checkpointing::Running;
            return Ok(Some(Task::Checkpoint));
        }
        if jobs.folding {
            return Ok(None);
        }
        let flushing = self.writer()?.flushing;
        let version = self.version.load_full();
        let index = version.cheapest_fold(flushing, FRESH_RUNS_MAX / 2);
        jobs.folding = index.is_some();
        Ok(index.map(|index| Task::Fold(version, index)))
    }

    /// The extent in which the log shall go on, if it is to be made ready.
    fn take_log(&self, jobs: &mut Jobs) -> Result<Option<Task>> {
        if let Some(begun) = &mut jobs.log {
            return Ok(begun.take(true).map(Task::Log));
        }
        let next = self.writer()?.log.next_extent();
        jobs.log = next.is_some().then(|| Begun::new(0, None));
        Ok(next.map(Task::Log))
    }

    /// The flush, if one runs or is due; one that is ready only `ready`.
    fn take_flush(&self, jobs: &mut Jobs, long_log: bool, ready: bool) -> Result<Option<Task>> {
        if let Some(begun) = &mut jobs.flush {
            return Ok(begun.take(ready).map(Task::Flush));
        }
        let Some(job) = self.begin_flush(jobs.flush_wanted, long_log)? else { return Ok(None) };
        let (_, total) = job.progress();
        jobs.flush = Some(Begun::new(total, None));
        Ok(Some(Task::Flush(job)))
    }

    /// A compaction: a new one while there may be more, else the one that waits longest; one that is ready only `ready`.
    fn take_compaction(&self, jobs: &mut Jobs, ready: bool) -> Result<Option<Task>> {
        if jobs.closing {
            return Ok(None);
        }
        if jobs.compactions.len() < self.options().scheduler.workers().max(1)
            && let Some((work, serves)) = self.pick(jobs)
        {
            let version = self.version.load();
            // Dropped since it was picked.
            if version.keyspace(work.keyspace).is_err() {
                return Ok(None);
            }
            let run = work.run.unwrap_or_else(|| self.disk.new_run_id());
            let claim = work.claim(run);
            let job = CompactionJob::new(Arc::clone(&self.disk), &version, work, run)?;
            let number = jobs.claims.take(claim);
            let (_, total) = job.progress();
            jobs.compactions.push_back((number, Begun::new(total, serves)));
            return Ok(Some(Task::Compaction(number, job)));
        }
        let may_take = |begun: &Begun<_>| begun.job.is_some() && (ready || !begun.ready);
        let waiting = jobs.compactions.iter().position(|(_, begun)| may_take(begun));
        let Some((number, mut begun)) = waiting.and_then(|at| jobs.compactions.remove(at)) else {
            return Ok(None);
        };
        let job = begun.take(ready);
        jobs.compactions.push_back((number, begun));
        Ok(job.map(|job| Task::Compaction(number, job)))
    }

    /// The next compaction to begin, and the request that it serves.
    fn pick(&self, jobs: &mut Jobs) -> Option<(Work, Option<u64>)> {
        let version = self.version.load_full();
        let mut reserved: HashSet<KeyspaceId> = HashSet::new();
        let mut at = 0;
        while let Some(request) = jobs.united.get_mut(at) {
            at += 1;
            // One after the other in a keyspace, and after what was begun there before.
            if !reserved.insert(request.keyspace) || jobs.claims.busy(request.keyspace) {
                continue;
            }
            let before = *request.before.get_or_insert_with(|| self.disk.next_segment());
            let Unite { number, smallest, greatest, .. } = &*request;
            let Ok(keyspace) = version.keyspace(request.keyspace) else {
                // It was dropped meanwhile: there is nothing left to unite.
                at -= 1;
                jobs.united.remove(at);
                continue;
            };
            let work = unite(keyspace, smallest, greatest.as_deref(), before, self.options());
            let number = *number;
            if let Some(work) = work {
                return Some((work, Some(number)));
            }
            at -= 1;
            jobs.united.remove(at);
        }
        let Jobs { picker, claims, .. } = jobs;
        let work = picker.pick(&version, self.options(), claims, &reserved, self.phase());
        work.map(|work| (work, None))
    }

    /// What decides which compactions are due.
    pub(super) fn phase(&self) -> Phase {
        if self.loads.load(Ordering::Relaxed) > 0 {
            Phase::Loading
        } else if self.is_idle() {
            Phase::Resting
        } else {
            Phase::Steady
        }
    }

    /// Does the compactions that are due, and waits for those that others are at.
    pub(super) fn catch_up(&self) -> Result<()> {
        loop {
            let task = {
                let mut jobs = lock(&self.jobs);
                self.settle_past()?;
                if jobs.closing {
                    return Err(Error::Closed);
                }
                match self.take_compaction(&mut jobs, true)? {
                    None if jobs.compactions.is_empty() => return Ok(()),
                    task => task,
                }
            };
            match task {
                Some(task) => self.perform_held(task, self.step_bytes(), true).map(|_| ())?,
                None => self.await_step(),
            }
        }
    }

    /// Works on a task; true when it has come to its end. What is ready is put back unless `installs`.
    fn perform(
        &self,
        task: Task,
        bytes_max: usize,
        installs: bool,
        is_back: &mut bool,
    ) -> Result<bool> {
        match task {
            Task::Sync => self.harden(Durability::Sync).map(|()| true),
            Task::Checkpoint => self.checkpoint(Checkpoint::Plain).map(|()| true),
            Task::Fold(version, index) => self.fold(&version, index).map(|()| true),
            Task::Log(next) => self.prepare_log(next, is_back),
            Task::Flush(mut job) => {
                let ready = job.step(bytes_max)?;
                self.counters.count_written(job.take_written(), true);
                if ready && installs {
                    return self.install(job.finish()).map(|()| true);
                }
                let (done, _) = job.progress();
                let mut jobs = lock(&self.jobs);
                if let Some(begun) = &mut jobs.flush {
                    begun.put_back(job, ready, done);
                    *is_back = true;
                }
                Ok(false)
            }
            Task::Compaction(number, mut job) => {
                let version = self.version.load_full();
                if job.is_in_vain(&version) {
                    return Ok(true);
                }
                let reader = self.shown_to_rewriters(version);
                let ready = job.step(bytes_max, &reader)?;
                self.counters.count_written(job.take_written(), false);
                if ready && installs {
                    return self.install(job.finish()).map(|()| true);
                }
                let (done, _) = job.progress();
                let mut jobs = lock(&self.jobs);
                let begun = jobs.compactions.iter_mut().find(|(of, _)| *of == number);
                if let Some((_, begun)) = begun.filter(|(_, begun)| !begun.cancelled) {
                    begun.put_back(job, ready, done);
                    *is_back = true;
                }
                Ok(false)
            }
        }
    }

    /// Makes an extent ready for the log, a piece at a time; true when that has come to its end.
    fn prepare_log(&self, mut next: NextExtent, is_back: &mut bool) -> Result<bool> {
        let storage = &*self.disk.storage;
        let written = match next.write_piece(storage) {
            Ok(false) => {
                let mut jobs = lock(&self.jobs);
                if let Some(begun) = &mut jobs.log {
                    begun.put_back(next, false, 0);
                    *is_back = true;
                }
                return Ok(false);
            }
            written => written.map(drop),
        };
        if written.is_ok() && !next.is_recycled() {
            self.sync_checkpoint("syncing an extent of the log")?;
        }
        let begun = written.and_then(|()| next.begin(storage));
        let mut writer = self.writer()?;
        match begun {
            Ok(()) => writer.log.accept_next(next),
            Err(_) => writer.log.give_next_up(),
        }
        Ok(true)
    }

    pub(super) fn deferred_pages_max(&self) -> u64 {
        DEFERRED_PAGES_MAX.max(self.disk.space.end() / 4)
    }

    /// Pages of value segments that fresh runs may keep, whether or not anything refers to them: an eighth of the file.
    fn fresh_value_pages_max(&self) -> u64 {
        FRESH_VALUE_PAGES_MAX.max(self.disk.space.end() / 8)
    }

    /// Starts a flush if one is due.
    fn begin_flush(&self, wanted: CommitNo, long_log: bool) -> Result<Option<FlushJob>> {
        let mut writer = self.writer()?;
        let version = self.version.load_full();
        let flush_at = self.options().fresh_bytes_flush() / if self.is_idle() { 8 } else { 1 };
        let due = version.fresh_bytes() >= flush_at
            || version.fresh_value_pages() > self.fresh_value_pages_max()
            || long_log
            || version.flushed < wanted;
        if version.fresh.is_empty() || !due {
            return Ok(None);
        }
        writer.flushing = version.commit;
        Ok(Some(FlushJob::new(Arc::clone(&self.disk), version)))
    }

    /// Folds two neighbouring fresh runs of `version`, if both are still there when that is done.
    fn fold(&self, version: &Version, index: usize) -> Result<()> {
        let folded = Arc::new(version.folded(index)?);
        let mut writer = self.writer()?;
        let parts = [&version.fresh[index - 1], &version.fresh[index]];
        // A flush that has begun meanwhile holds the parts.
        if parts[1].commits.0 > writer.flushing {
            let mut next = Version::clone(&self.version.load());
            if next.replace_folded(parts, &folded) {
                self.advance(&mut writer, next);
            }
        }
        Ok(())
    }

    /// What a rewriter may act on: with a log the newest version, because an edit in the log comes after the
    /// commits that it leans on; without one only what is flushed, because a crash takes the rest back.
    fn shown_to_rewriters(&self, version: Arc<Version>) -> Snapshot {
        if self.options().log || version.fresh.is_empty() {
            return Snapshot::new(version);
        }
        let mut flushed = Version::clone(&version);
        flushed.fresh.clear();
        flushed.commit = flushed.flushed;
        Snapshot::new(Arc::new(flushed))
    }

    /// Makes a finished job's output part of the store.
    pub(super) fn install(&self, finished: Finished) -> Result<()> {
        let Finished { keyspace, edit, segments, report, told_bytes } = finished;
        if !segments.is_empty() {
            let synced = self.disk.storage.sync();
            let synced = synced.map_err(|source| Error::io("syncing segments", source));
            self.writer()?.poison_on_error(synced)?;
        }
        let is_flush = edit.flushed.is_some();
        let mut writer = self.writer()?;
        let mut next = Version::clone(&self.version.load());
        // What was made for a keyspace that was dropped meanwhile leads nowhere.
        if keyspace.is_some_and(|id| !next.keyspaces.contains_key(&id)) {
            return Ok(());
        }
        next.apply(&edit, &self.registry, &Made::new(&segments, &[]))?;
        // From here on the log may name the extents.
        publish(&segments, &[]);
        writer.append(RecordKind::Edit, &[Bytes::from(edit.encode())], false)?;
        if !self.options().log {
            // Nothing but the edit has what was flushed survive the death of the process.
            writer.cache_log()?;
        }
        while writer.groups.front().is_some_and(|&(commit, _)| commit <= next.flushed) {
            writer.groups.pop_front();
        }
        self.advance(&mut writer, next);
        drop(writer);
        self.record(report, told_bytes, is_flush);
        if is_flush {
            self.borrow_for_fresh_runs()?;
        }
        Ok(())
    }

    fn record(&self, report: CompactionReport, told_bytes: u64, is_flush: bool) {
        self.counters.count_report(&report, told_bytes, is_flush);
        let mut jobs = lock(&self.jobs);
        if jobs.reports.len() == REPORTS_MAX {
            jobs.reports.pop_front();
        }
        jobs.reports.push_back(report);
    }

    pub(super) fn flush(&self) -> Result<()> {
        let wanted = self.version.load().commit;
        loop {
            {
                let mut jobs = lock(&self.jobs);
                jobs.flush_wanted = jobs.flush_wanted.max(wanted);
            }
            if self.version.load().flushed >= wanted {
                return Ok(());
            }
            if self.step_preferring(Prefer::Flush, self.step_bytes())? == Stepped::Busy {
                self.await_step();
            }
        }
    }

    /// Asks for a keyspace to become one run.
    pub(super) fn request(&self, keyspace: KeyspaceId) -> u64 {
        let mut jobs = lock(&self.jobs);
        let request = jobs.new_request(keyspace, Vec::new(), None);
        let number = request.number;
        jobs.united.push_back(request);
        number
    }

    /// Works until a request is fulfilled.
    pub(super) fn await_request(&self, number: u64) -> Result<()> {
        while lock(&self.jobs).united.iter().any(|unite| unite.number == number) {
            match self.step_preferring(Prefer::Compaction, self.step_bytes()) {
                Ok(Stepped::Busy) => self.await_step(),
                Ok(_) => {}
                Err(error) => {
                    lock(&self.jobs).cancel(&[number]);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Ends all work; about `trimmed_pages_max` pages are copied at most to have the file shorter.
    pub(super) fn close(
        &self,
        trimmed_pages_max: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Moved> {
        if let Some(running) = self.running.get() {
            running.stop();
        }
        lock(&self.maintenance).relocation = None;
        {
            let mut jobs = lock(&self.jobs);
            jobs.closing = true;
            jobs.united.clear();
            jobs.drop_compactions(|_| true);
        }
        // A handle of `compacting` may be at a last step elsewhere.
        while lock(&self.jobs).is_busy() {
            self.await_step();
        }
        self.flush()?;
        let settled = {
            let writer = self.writer()?;
            writer.root.clean && writer.log.position() == writer.root.log
        };
        if settled {
            return Ok(Moved::default());
        }
        let trimmed = self.trim(trimmed_pages_max, progress);
        self.settle(true)?;
        match trimmed {
            // Without room for a copy all stays where it is.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => {
                Ok(Moved::default())
            }
            trimmed => trimmed,
        }
    }
}

impl Task {
    fn place(&self) -> Place {
        match self {
            Task::Sync => Place::Sync,
            Task::Checkpoint => Place::Checkpoint,
            Task::Fold(..) => Place::Fold,
            Task::Flush(_) => Place::Flush,
            Task::Compaction(number, _) => Place::Compaction(*number),
            Task::Log(_) => Place::Log,
        }
    }
}

impl<J> Begun<J> {
    /// A job that begins with a step.
    fn new(total: u64, serves: Option<u64>) -> Self {
        Begun { job: None, serves, ready: false, cancelled: false, done: 0, total }
    }

    /// Takes the job out for a step; when it is ready only `ready`.
    fn take(&mut self, ready: bool) -> Option<J> {
        if ready || !self.ready { self.job.take() } else { None }
    }

    fn put_back(&mut self, job: J, ready: bool, done: u64) {
        self.job = Some(job);
        self.ready = ready;
        self.done = done;
    }
}

impl Jobs {
    /// Whether a thread is at a step.
    fn is_busy(&self) -> bool {
        self.checkpointing == Checkpointing::Running
            || self.folding
            || self.log.as_ref().is_some_and(|begun| begun.job.is_none())
            || self.flush.as_ref().is_some_and(|begun| begun.job.is_none())
            || self.compactions.iter().any(|(_, begun)| begun.job.is_none())
    }

    pub(super) fn new_request(
        &mut self,
        keyspace: KeyspaceId,
        smallest: Vec<u8>,
        greatest: Option<Vec<u8>>,
    ) -> Unite {
        self.unites += 1;
        Unite { number: self.unites, keyspace, smallest, greatest, before: None }
    }

    /// Drops requests with what was begun for them; a step that runs is the last.
    pub(super) fn cancel(&mut self, requests: &[u64]) {
        self.united.retain(|unite| !requests.contains(&unite.number));
        self.drop_compactions(|begun| {
            begun.serves.is_some_and(|number| requests.contains(&number))
        });
    }

    /// Drops compactions. One that a thread is at is dropped by it after the step; it may still be installed if that
    /// was its last one, so it keeps its claim until then.
    fn drop_compactions(&mut self, which: impl Fn(&Begun<CompactionJob>) -> bool) {
        let Jobs { compactions, claims, .. } = self;
        compactions.retain_mut(|(number, begun)| {
            begun.cancelled |= which(begun);
            let dropped = begun.job.is_some() && begun.cancelled;
            if dropped {
                claims.release(*number);
            }
            !dropped
        });
    }
}
