//! The store: every part of the storage core put together.
//!
//! Life of a write: a [`Transaction`] collects it; `commit` makes it a fresh run, appends the run's bytes to the
//! log, syncs as asked, and publishes a version with one atomic swap. Background steps later flush fresh runs
//! into segments, compact those, and checkpoint the manifest, so that the log can be cut.
//!
//! Locks, in the order in which they may be taken
//! 1. the gate: one transaction at a time; held by the program between `begin` and `commit`;
//! 2. `jobs`: one background step at a time, at most about 2 MiB of work long;
//! 3. `writer`: the log's end and the publishing of versions; held for one append and sync;
//! 4. inside `space` and `cache`, for a few instructions.
//!
//! Readers take none: a snapshot is an atomic load. After a failed write to the log or a failed sync the store is
//! poisoned: what is on the device is unknown until it is opened anew.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;

use super::check::{CheckReport, check};
use super::codec::checksum::checksum;
use super::compaction::{CompactionJob, CompactionReport, Finished, FlushJob, Picker, everything};
use super::disk::Disk;
use super::error::{Error, Result};
use super::fresh::{FreshRun, FreshTableBuilder, KeyspaceDescriptor};
use super::ids::{CommitNo, Extent, KeyspaceId, PAGE_BYTES};
use super::manifest::{FRESH_RUNS_MAX, Manifest, Registry, Version};
use super::options::{Durability, Options};
use super::recovery::{Recovered, recover, write_manifest};
use super::root::{NEW_FILE_PAGES, RESERVED, Root};
use super::scheduler::{Outcome, Running};
use super::segment::Segment;
use super::space::ExtentLease;
use super::stats::{KeyspaceStats, LevelStats, Stats};
use super::storage::{FileStorage, Storage};
use super::txn::{Snapshot, Transaction, WriteRight};
use super::wal::{LogPosition, LogWriter, RecordKind};

/// Pages that may wait for a checkpoint before one is due for their sake.
const DEFERRED_PAGES_MAX: u64 = (32 << 20) / PAGE_BYTES;

/// Sorted maps of bytes in one file.
///
/// ```
/// use alluvium::lsm::{Durability, KeyspaceOptions, Options, Reader, Store};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("fruit.alv");
/// let store = Store::open_file(&path, Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.put(fruit, b"apple", "red")?;
/// transaction.commit(Durability::Sync)?;
/// assert_eq!(store.snapshot().get(fruit, b"apple")?.unwrap(), "red");
/// store.close()?;
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct Store {
    core: Arc<Core>,
}

/// What the handles of a store share.
struct Core {
    disk: Arc<Disk>,
    registry: Registry,
    version: ArcSwap<Version>,
    /// The log still ends where a process that died left it: nothing may be appended before `settle_past`.
    inherited: AtomicBool,
    jobs: Mutex<Jobs>,
    writer: Mutex<Writer>,
    gate: Gate,
    /// The last background error that was not repaired by a later success.
    trouble: Mutex<Option<String>>,
    running: OnceLock<Box<dyn Running>>,
}

/// Guarded by the second lock.
#[derive(Default)]
struct Jobs {
    flush: Option<FlushJob>,
    /// A compaction, and whether `compact` asked for it.
    compaction: Option<(CompactionJob, bool)>,
    picker: Picker,
    /// Flush up to here even if there is room.
    flush_wanted: CommitNo,
    /// Keyspaces to compact into one run; one leaves when that is done.
    compact_wanted: VecDeque<KeyspaceId>,
    last_report: Option<CompactionReport>,
}

/// Guarded by the third lock.
struct Writer {
    log: LogWriter,
    root: Root,
    /// Oldest first; the last is that of `root`.
    manifests: VecDeque<ExtentLease>,
    /// Where the log holds each commit that is not flushed, oldest first.
    groups: VecDeque<(CommitNo, LogPosition)>,
    /// Fresh runs up to this commit are being flushed, and must not fold with newer ones.
    flushing: CommitNo,
    /// When the oldest `Interval` commit must be durable.
    sync_due: Option<Duration>,
    poison: Option<String>,
}

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checkpoint {
    /// To cut the log and free pages.
    Plain,
    /// To end an orderly close: nothing is in the log, and the root before says the same.
    Clean,
    /// To begin a chain of log records that continues nothing that was there before.
    NewChain,
}

/// Lets one transaction in at a time.
#[derive(Debug, Default)]
struct Gate {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// The right to write; dropped, it lets the next transaction in.
#[derive(Debug)]
struct WriteToken {
    core: Arc<Core>,
}

impl Drop for WriteToken {
    fn drop(&mut self) {
        *lock(&self.core.gate.taken) = false;
        self.core.gate.freed.notify_one();
    }
}

impl WriteRight for WriteToken {
    fn registry(&self) -> &Registry {
        &self.core.registry
    }

    fn options(&self) -> &Options {
        self.core.options()
    }

    fn commit(
        &self,
        created: Vec<KeyspaceDescriptor>,
        tables: BTreeMap<KeyspaceId, FreshTableBuilder>,
        durability: Durability,
    ) -> Result<CommitNo> {
        self.core.commit(created, tables, durability)
    }

    fn harden(&self, durability: Durability) -> Result<()> {
        self.core.harden(durability)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves consistent data: every change under these locks is published last.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("commit", &self.version.load().commit).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the file at `path`, creating it when it does not exist.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::NotADatabase`], [`Error::NewerFormat`], [`Error::Truncated`],
    /// [`Error::Corruption`], [`Error::UnknownOperator`]; a file that is refused is left as it was.
    pub fn open_file(path: impl AsRef<Path>, options: Options) -> Result<Store> {
        Store::open(FileStorage::open(path)?, options)
    }

    /// Opens the store on a storage, creating it when the storage is empty.
    ///
    /// # Errors
    /// Those of [`open_file`](Self::open_file).
    pub fn open(storage: impl Storage + 'static, options: Options) -> Result<Store> {
        let registry = Registry {
            operators: options.merge_operators.clone(),
            rewriters: options.group_rewriters.clone(),
        };
        let scheduler = Arc::clone(&options.scheduler);
        let recovered = recover(Arc::new(storage), options, &registry)?;
        let Recovered { disk, version, log, root, manifests, groups, inherited } = recovered;
        let writer = Writer {
            log,
            root,
            manifests,
            groups,
            flushing: CommitNo(0),
            sync_due: None,
            poison: None,
        };
        let core = Arc::new(Core {
            disk,
            registry,
            version: ArcSwap::from_pointee(version),
            inherited: AtomicBool::new(inherited),
            jobs: Mutex::default(),
            writer: Mutex::new(writer),
            gate: Gate::default(),
            trouble: Mutex::default(),
            running: OnceLock::new(),
        });
        // The thread must not keep the store alive.
        let weak = Arc::downgrade(&core);
        let running = scheduler.start(Box::new(move || background_step(&weak)));
        core.running.get_or_init(|| running);
        Ok(Store { core })
    }

    /// A view of everything that is committed now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.core.version.load_full())
    }

    /// Begins a transaction, waiting for the one before to end.
    ///
    /// # Errors
    /// [`Error::Poisoned`] after a failed write.
    pub fn begin(&self) -> Result<Transaction> {
        let mut taken = lock(&self.core.gate.taken);
        while *taken {
            taken = self.core.gate.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        drop(taken);
        let token = WriteToken { core: Arc::clone(&self.core) };
        drop(self.core.writer()?);
        let base = self.core.version.load_full();
        Ok(Transaction::new(&base, Box::new(token)))
    }

    /// Makes every commit so far durable.
    ///
    /// # Errors
    /// [`Error::Poisoned`], or the sync's own error.
    pub fn sync(&self) -> Result<()> {
        self.core.harden(Durability::Sync)
    }

    /// Does one bounded piece of background work, if there is any to do.
    ///
    /// For programs that opened the store with [`ManualScheduler`](super::ManualScheduler).
    ///
    /// # Errors
    /// What the work met; it was undone and is tried again with the next call.
    pub fn step(&self) -> Result<bool> {
        self.core.step()
    }

    /// Writes all fresh runs into segments.
    ///
    /// # Errors
    /// What the work met; commits stay safe in the log.
    pub fn flush(&self) -> Result<()> {
        self.core.flush()
    }

    /// Compacts every keyspace into one run and cuts the file.
    ///
    /// Readers and commits go on meanwhile.
    ///
    /// # Errors
    /// What the work met; the data is unchanged.
    pub fn compact(&self) -> Result<()> {
        self.core.compact()
    }

    /// Writes the manifest and cuts the log.
    ///
    /// # Errors
    /// What the write met; the checkpoint before stays in force.
    pub fn checkpoint(&self) -> Result<()> {
        let _jobs = lock(&self.core.jobs);
        self.core.settle_past()?;
        self.core.checkpoint(Checkpoint::Plain)
    }

    /// Reads and proves everything; see [`CheckReport`].
    ///
    /// # Errors
    /// The first damage found.
    pub fn check(&self) -> Result<CheckReport> {
        self.core.check()
    }

    /// Numbers about the store.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// What the last finished compaction did.
    pub fn last_compaction(&self) -> Option<CompactionReport> {
        lock(&self.core.jobs).last_report.clone()
    }

    /// What is wrong, if anything: the last background error, or why the store is poisoned.
    pub fn health(&self) -> Option<String> {
        let poison = lock(&self.core.writer).poison.clone();
        poison.or_else(|| lock(&self.core.trouble).clone())
    }

    /// Flushes, checkpoints, cuts the file and stops every thread.
    ///
    /// Dropping the store does the same, but cannot report an error. Snapshots that are still held keep the file
    /// open (and locked) until they are dropped.
    ///
    /// # Errors
    /// What the work met; everything committed stays as durable as it was.
    pub fn close(self) -> Result<()> {
        self.core.close()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whatever fails here was no promise: commits are in the log.
        let _ = self.core.close();
    }
}

fn background_step(core: &Weak<Core>) -> Outcome {
    let Some(core) = core.upgrade() else { return Outcome::Finished };
    match core.step() {
        Ok(true) => Outcome::More,
        // An error is kept in `health`; the next wake-up, or the next sync that is due, tries again.
        Ok(false) | Err(_) => Outcome::Idle(core.time_to_sync()),
    }
}

impl Core {
    fn options(&self) -> &Options {
        &self.disk.options
    }

    /// The writer, unless the store is poisoned.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = lock(&self.writer);
        match &writer.poison {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(writer),
        }
    }

    fn wake(&self) {
        if let Some(running) = self.running.get() {
            running.wake();
        }
    }

    /// Appends a commit to the log and publishes it.
    fn commit(
        &self,
        created: Vec<KeyspaceDescriptor>,
        tables: BTreeMap<KeyspaceId, FreshTableBuilder>,
        durability: Durability,
    ) -> Result<CommitNo> {
        self.await_past()?;
        self.make_room()?;
        let mut writer = self.writer()?;
        let current = self.version.load();
        let commit = CommitNo(current.commit.0 + 1);
        let run = Arc::new(FreshRun::new(commit, created, tables));
        let mut next = Version::clone(&current);
        next.push_fresh(Arc::clone(&run), &self.registry)?;
        next.fold_after_commit(writer.flushing)?;
        if self.options().log {
            let sealed = durability == Durability::Sync;
            let appended = writer.log.append(RecordKind::Group, &run.encode(), sealed);
            let position = writer.poison_on_error(appended)?;
            writer.groups.push_back((commit, position));
            self.harden_log(&mut writer, durability)?;
        }
        self.version.store(Arc::new(next));
        drop(writer);
        self.wake();
        Ok(commit)
    }

    /// Makes what is committed as durable as asked.
    fn harden(&self, durability: Durability) -> Result<()> {
        self.await_past()?;
        let mut writer = self.writer()?;
        if durability == Durability::Sync && !writer.log.is_durable() {
            // The mark seals the page that is about to become durable.
            let appended = writer.log.append(RecordKind::Mark, &[], true);
            writer.poison_on_error(appended)?;
        }
        self.harden_log(&mut writer, durability)
    }

    fn harden_log(&self, writer: &mut Writer, durability: Durability) -> Result<()> {
        match durability {
            Durability::Sync => {
                if !writer.log.is_durable() {
                    let synced = writer.log.sync();
                    writer.poison_on_error(synced)?;
                }
                writer.sync_due = None;
            }
            Durability::Interval(_) if writer.log.is_durable() => {}
            Durability::Interval(interval) => {
                let due = self.options().clock.now().saturating_add(interval);
                writer.sync_due = Some(writer.sync_due.map_or(due, |earlier| earlier.min(due)));
            }
            Durability::Buffered => {}
        }
        Ok(())
    }

    /// Makes sure that the log may be appended to. Called without `jobs`, or after `settle_past`.
    fn await_past(&self) -> Result<()> {
        if self.inherited.load(Ordering::Acquire) {
            let _jobs = lock(&self.jobs);
            self.settle_past()?;
        }
        Ok(())
    }

    /// Takes over what a process that died has left, before anything is appended. Called with `jobs` held.
    ///
    /// The end of its log may stand in the system's cache only, where a sync that failed can have left it for ever; and
    /// behind the end there may be whole records of commits that are lost, which would come back if the commit before
    /// them were repeated byte for byte. So all is flushed, and both roots begin a chain of records of its own.
    fn settle_past(&self) -> Result<()> {
        if !self.inherited.load(Ordering::Acquire) {
            return Ok(());
        }
        let version = self.version.load_full();
        if !version.fresh.is_empty() {
            let mut flush = FlushJob::new(Arc::clone(&self.disk), Arc::clone(&version));
            while !flush.step()? {}
            let Finished { edit, segments, .. } = flush.finish();
            let mut next = Version::clone(&version);
            next.apply_own(&edit, &self.registry, &segments)?;
            publish(&segments);
            self.writer()?.groups.clear();
            self.version.store(Arc::new(next));
        }
        self.checkpoint(Checkpoint::NewChain)?;
        self.checkpoint(Checkpoint::Plain)?;
        self.inherited.store(false, Ordering::Release);
        Ok(())
    }

    /// Time until the oldest `Interval` commit must be durable.
    fn time_to_sync(&self) -> Option<Duration> {
        let due = self.writer().ok()?.sync_due?;
        Some(due.saturating_sub(self.options().clock.now()).max(Duration::from_millis(1)))
    }

    /// Waits, by working, until there is room for another commit.
    fn make_room(&self) -> Result<()> {
        loop {
            let version = self.version.load();
            let runs = version
                .keyspaces
                .values()
                .filter_map(|keyspace| keyspace.levels.first())
                .map(|level| level.runs.len())
                .max();
            let crowded = runs.unwrap_or_default() > self.options().level0_runs_max * 4;
            let full = version.fresh_bytes() > self.options().fresh_bytes_max();
            drop(version);
            if !(crowded || full) || !self.step()? {
                return Ok(());
            }
        }
    }

    /// One bounded piece of background work.
    fn step(&self) -> Result<bool> {
        let mut jobs = lock(&self.jobs);
        let result = self.step_of(&mut jobs);
        match &result {
            Ok(worked) if *worked => *lock(&self.trouble) = None,
            Ok(_) => {}
            Err(error) => {
                // What `compact` waits for stays wanted, so that the failure meets it too.
                jobs.flush = None;
                jobs.compaction = None;
                lock(&self.writer).flushing = CommitNo(0);
                *lock(&self.trouble) = Some(error.to_string());
            }
        }
        result
    }

    fn step_of(&self, jobs: &mut Jobs) -> Result<bool> {
        self.settle_past()?;
        let log_bytes_max = self.options().log_bytes_max;
        let (due, long_log, mostly_fresh) = {
            let writer = self.writer()?;
            let fresh = writer.groups.front().map_or(0, |(_, from)| writer.log.bytes_from(from));
            (writer.sync_due, writer.log.bytes() > log_bytes_max, fresh > log_bytes_max / 2)
        };
        if due.is_some_and(|due| due <= self.options().clock.now()) {
            self.harden(Durability::Sync)?;
            return Ok(true);
        }
        if let Some(flush) = &mut jobs.flush {
            if flush.step()? {
                let flush = jobs.flush.take().expect("invariant: it was just stepped");
                jobs.last_report = Some(self.install(flush.finish())?);
                self.writer()?.flushing = CommitNo(0);
            }
            return Ok(true);
        }
        // Only when that would free most of the log: else commits that go on would put off the checkpoint for ever.
        if let Some(flush) = self.begin_flush(jobs.flush_wanted, long_log && mostly_fresh)? {
            jobs.flush = Some(flush);
            return Ok(true);
        }
        if long_log || self.disk.space.deferred_pages() > self.deferred_pages_max() {
            self.checkpoint(Checkpoint::Plain)?;
            return Ok(true);
        }
        if self.fold_step()? {
            return Ok(true);
        }
        self.compaction_step(jobs)
    }

    fn deferred_pages_max(&self) -> u64 {
        DEFERRED_PAGES_MAX.max(self.disk.space.end() / 4)
    }

    /// Starts a flush if one is due.
    fn begin_flush(&self, wanted: CommitNo, long_log: bool) -> Result<Option<FlushJob>> {
        let mut writer = self.writer()?;
        let version = self.version.load_full();
        let full = version.fresh_bytes() >= self.options().fresh_bytes_flush();
        let due = full || long_log || version.flushed < wanted;
        if version.fresh.is_empty() || !due {
            return Ok(None);
        }
        writer.flushing = version.commit;
        Ok(Some(FlushJob::new(Arc::clone(&self.disk), version)))
    }

    /// Folds two neighbouring fresh runs, when there are many.
    fn fold_step(&self) -> Result<bool> {
        let writer = self.writer()?;
        let current = self.version.load();
        if current.fresh.len() <= FRESH_RUNS_MAX / 2 {
            return Ok(false);
        }
        let mut next = Version::clone(&current);
        let folded = next.fold_cheapest(writer.flushing, FRESH_RUNS_MAX / 2)?;
        if folded {
            self.version.store(Arc::new(next));
        }
        Ok(folded)
    }

    fn compaction_step(&self, jobs: &mut Jobs) -> Result<bool> {
        let version = self.version.load_full();
        if jobs.compaction.is_none() {
            let wanted = jobs.compact_wanted.front();
            let work = match wanted {
                Some(&id) => everything(version.keyspace(id)?),
                None => jobs.picker.pick(&version, self.options()),
            };
            let Some(work) = work else { return Ok(jobs.compact_wanted.pop_front().is_some()) };
            let wanted = wanted.is_some();
            let job = CompactionJob::new(Arc::clone(&self.disk), &version, work)?;
            jobs.compaction = Some((job, wanted));
        }
        let Some((job, _)) = &mut jobs.compaction else { return Ok(false) };
        if job.step(&self.shown_to_rewriters(version))? {
            let (job, wanted) = jobs.compaction.take().expect("invariant: it was just stepped");
            jobs.last_report = Some(self.install(job.finish())?);
            if wanted {
                jobs.compact_wanted.pop_front();
            }
        }
        Ok(true)
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
    fn install(&self, finished: Finished) -> Result<CompactionReport> {
        let Finished { edit, segments, report } = finished;
        if !segments.is_empty() {
            let synced = self.disk.storage.sync();
            let synced = synced.map_err(|source| Error::io("syncing segments", source));
            self.writer()?.poison_on_error(synced)?;
        }
        let mut writer = self.writer()?;
        let mut next = Version::clone(&self.version.load());
        next.apply_own(&edit, &self.registry, &segments)?;
        // From here on the log may name the extents.
        publish(&segments);
        let appended = writer.log.append(RecordKind::Edit, &[Bytes::from(edit.encode())], false);
        writer.poison_on_error(appended)?;
        while writer.groups.front().is_some_and(|&(commit, _)| commit <= next.flushed) {
            writer.groups.pop_front();
        }
        self.version.store(Arc::new(next));
        Ok(report)
    }

    /// Writes the manifest, then the root, and cuts the log. Called with `jobs` held.
    fn checkpoint(&self, kind: Checkpoint) -> Result<()> {
        let (version, start, edits_before, generation, clean, log_end) = {
            let writer = self.writer()?;
            let end = writer.log.position();
            let mut start = writer.groups.front().map_or(end, |&(_, position)| position);
            if kind == Checkpoint::NewChain {
                start.previous = checksum(end.record, writer.root.generation + 1, b"chain");
            }
            // A commit may have come between the two roots of a close.
            let clean = kind == Checkpoint::Clean && start == writer.root.log && start == end;
            let log_end = writer.log.extents().map(Extent::end).max().unwrap_or_default();
            let generation = writer.root.generation + 1;
            (self.version.load_full(), start, end.record, generation, clean, log_end)
        };
        let (next_segment, next_run) = self.disk.next_ids();
        let manifest = Manifest::capture(&version, next_segment, next_run);
        let ends = manifest.segments.iter().map(|placed| placed.extent.end());
        let end = ends.chain([log_end, RESERVED[2].end()]).max().unwrap_or(NEW_FILE_PAGES);
        let (root, lease) = write_manifest(&self.disk, &manifest, |place, bytes, sum| Root {
            generation,
            clean,
            manifest: place,
            manifest_bytes: bytes,
            manifest_checksum: sum,
            commit: version.commit,
            file_pages: end.max(place.end()),
            log: start,
            edits_before,
        })?;
        self.sync_checkpoint("syncing the manifest")?;
        root.write(&*self.disk.storage)?;
        self.sync_checkpoint("syncing the root")?;
        let mut writer = self.writer()?;
        writer.manifests.push_back(lease);
        while writer.manifests.len() > 2 {
            // Both slots were written since: no root names it.
            if let Some(old) = writer.manifests.pop_front() {
                old.forget_roots();
            }
        }
        writer.root = root;
        if kind == Checkpoint::NewChain {
            writer.log.begin_chain(start.previous);
        }
        let file_pages = self.disk.space.checkpoint_durable(generation);
        writer.log.cut(&start);
        // Under the writer's lock, so that the log does not grow behind the cut meanwhile.
        let storage = &self.disk.storage;
        let io = |source| Error::io("cutting the file", source);
        if storage.len_bytes().map_err(io)? > file_pages * PAGE_BYTES {
            storage.set_len(file_pages * PAGE_BYTES).map_err(io)?;
        }
        Ok(())
    }

    fn sync_checkpoint(&self, what: &str) -> Result<()> {
        let synced = self.disk.storage.sync().map_err(|source| Error::io(what, source));
        self.writer()?.poison_on_error(synced)
    }

    fn flush(&self) -> Result<()> {
        let wanted = self.version.load().commit;
        loop {
            {
                let mut jobs = lock(&self.jobs);
                jobs.flush_wanted = jobs.flush_wanted.max(wanted);
            }
            if self.version.load().flushed >= wanted {
                return Ok(());
            }
            self.step()?;
        }
    }

    fn compact(&self) -> Result<()> {
        self.flush()?;
        // What the log and earlier segments leave becomes free first, so that the output lands low in the file.
        self.settle(false)?;
        let version = self.version.load();
        let filled =
            version.keyspaces.values().filter(|keyspace| keyspace.segments().next().is_some());
        lock(&self.jobs).compact_wanted.extend(filled.map(|keyspace| keyspace.id));
        drop(version);
        while !lock(&self.jobs).compact_wanted.is_empty() {
            if let Err(error) = self.step() {
                lock(&self.jobs).compact_wanted.clear();
                return Err(error);
            }
        }
        self.settle(false)
    }

    /// Checkpoints until nothing waits for a checkpoint any more.
    fn settle(&self, clean: bool) -> Result<()> {
        let _jobs = lock(&self.jobs);
        self.settle_past()?;
        let moves = |log: &LogWriter| !log.is_small() || log.fits_lower();
        if !moves(&self.writer()?.log) {
            return self.settle_here(clean);
        }
        self.settle_in_small_log(clean)?;
        // What has become free may let the log go further down, and the file be cut behind it.
        if moves(&self.writer()?.log) { self.settle_in_small_log(clean) } else { Ok(()) }
    }

    fn settle_in_small_log(&self, clean: bool) -> Result<()> {
        {
            let mut writer = self.writer()?;
            let begun = writer.log.begin_small_extent();
            writer.poison_on_error(begun)?;
        }
        self.settle_here(clean)
    }

    fn settle_here(&self, clean: bool) -> Result<()> {
        self.checkpoint(Checkpoint::Plain)?;
        for _ in 0..3 {
            self.checkpoint(if clean { Checkpoint::Clean } else { Checkpoint::Plain })?;
            if self.disk.space.deferred_pages() == 0 {
                break;
            }
        }
        Ok(())
    }

    fn close(&self) -> Result<()> {
        if let Some(running) = self.running.get() {
            running.stop();
        }
        {
            let mut jobs = lock(&self.jobs);
            jobs.compaction = None;
            jobs.compact_wanted.clear();
        }
        self.flush()?;
        let settled = {
            let writer = self.writer()?;
            writer.root.clean && writer.log.position() == writer.root.log
        };
        if settled { Ok(()) } else { self.settle(true) }
    }

    /// Forgets the store as a process does that dies: closing writes nothing more.
    #[cfg(test)]
    fn abandon(&self) {
        lock(&self.writer).poison = Some("abandoned".to_owned());
    }

    fn check(&self) -> Result<CheckReport> {
        let _jobs = lock(&self.jobs);
        let (version, others) = {
            let writer = self.writer()?;
            let manifests = writer.manifests.iter().map(ExtentLease::extent);
            let mut others: Vec<Extent> = manifests.chain(writer.log.extents()).collect();
            others.extend(RESERVED);
            (self.version.load_full(), others)
        };
        check(&self.disk, &version, &others)
    }

    fn stats(&self) -> Stats {
        let version = self.version.load();
        let mut stats = Stats {
            commit: version.commit,
            file_bytes: self.disk.storage.len_bytes().unwrap_or_default(),
            log_bytes: lock(&self.writer).log.bytes(),
            fresh_runs: version.fresh.len(),
            fresh_bytes: version.fresh_bytes(),
            cache_bytes: self.disk.cache.bytes(),
            ..Stats::default()
        };
        if let Ok(used) = self.disk.space.check() {
            stats.used_pages = used.leased.iter().map(|extent| extent.pages).sum();
            stats.deferred_pages = used.deferred_pages;
            stats.free_pages = used.free_pages;
        }
        for keyspace in version.keyspaces.values() {
            let levels = keyspace.levels.iter().map(|level| {
                let mut stats = LevelStats { runs: level.runs.len(), ..LevelStats::default() };
                for segment in level.runs.iter().flat_map(|run| run.segments.iter()) {
                    let summary = segment.summary();
                    stats.segments += 1;
                    stats.bytes += summary.bytes;
                    stats.entries += summary.entries;
                    stats.tombstones += summary.tombstones;
                }
                stats
            });
            let levels = levels.collect();
            stats.keyspaces.push(KeyspaceStats { name: keyspace.name.clone(), levels });
        }
        stats.keyspaces.sort_by(|left, right| left.name.cmp(&right.name));
        stats
    }
}

impl Writer {
    /// Notes a failure after which the log's end is unknown.
    fn poison_on_error<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.poison.get_or_insert_with(|| error.to_string());
        }
        result
    }
}

/// Notes that roots or the log may name the segments from now on.
fn publish(segments: &[Arc<Segment>]) {
    for segment in segments {
        segment.publish();
    }
}
