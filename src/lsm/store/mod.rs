//! The store: every part of the storage core put together.
//!
//! Life of a write: a [`Transaction`] collects it; `commit` makes it a fresh run, appends the run's bytes to the
//! log, lets the next transaction begin, makes the log as durable as asked (one write for all that wait), and shows readers
//! a version with one atomic swap. Background steps later flush fresh runs
//! into segments, compact those, and checkpoint the manifest, so that the log can be cut.
//!
//! Locks, in the order in which they may be taken
//! 1. the gate: one transaction at a time; held by the program between `begin` and `commit`, until its run is appended;
//! 2. `maintenance`: tried, never waited for, by background steps that find nothing else to do;
//! 3. `jobs`: which jobs there are and what they claim; held to pick one and to put it back, never for its work;
//! 4. `checkpoints`: one checkpoint at a time;
//! 5. `writer`: the log's end and the publishing of versions; held for one append, not while that is made durable;
//! 6. `window`: what optimistic transactions are validated against; held while one is, which the gate lets happen once;
//! 7. inside `space` and `cache`, for a few instructions.
//!
//! A thread that steps a job has taken it out of `jobs` and holds no lock meanwhile, so flushes, compactions and
//! checkpoints run side by side. A job's place is kept while it is out, and cleared by a guard whatever happens.
//!
//! Readers take none: a snapshot is an atomic load. After a failed write to the log or a failed sync the store is
//! poisoned: what is on the device is unknown until it is opened anew.

mod background;
mod checkpoint;
mod commit;
mod compacting;
mod copy;
mod core;
mod examine;
mod loading;
mod maintenance;
mod optimistic;
mod pacing;
mod reader;
mod shrink;
mod versions;
mod window;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use self::loading::BulkLoad;
pub use self::reader::StoreReader;

use self::background::background_step;
use self::checkpoint::Checkpoint;
pub use self::compacting::Compaction;
use self::core::{Core, Counters, Gate, Writer, lock};
use self::versions::{Held, Versions};
use super::check::CheckReport;
use super::compaction::CompactionReport;
#[cfg(doc)]
use super::error::Error;
use super::error::Result;
use super::ids::{CommitNo, KeyspaceId, PAGE_BYTES};
use super::manifest::Registry;
use super::options::{Durability, Options};
use super::recovery::{Recovered, recover};
use super::scheduler::ManualScheduler;
use super::stats::{BackupReport, Progress, ShrinkReport, Stats};
use super::storage::{FileStorage, PartialFile, Storage};
use super::sync::{AtomicBool, Condvar, Mutex};
use super::txn::{Snapshot, Transaction};

/// Pages that a close copies at most to have the file shorter: for a second or so on an ordinary disk.
const CLOSE_TRIMMED_PAGES_MAX: u64 = (128 << 20) / PAGE_BYTES;

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

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
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
            flying: None,
            waiting: 0,
            shown: Arc::new(Condvar::new()),
            watching: 0,
            held: Held::default(),
            poison: None,
            past: Vec::new(),
            past_max: 16,
        };
        let fresh_loan = Mutex::new(disk.cache.lend());
        let core = Arc::new(Core {
            disk,
            registry,
            version: Versions::new(version),
            inherited: AtomicBool::new(inherited),
            jobs: Mutex::default(),
            stepped: Condvar::new(),
            maintenance: Mutex::default(),
            checkpoints: Mutex::default(),
            writer: Mutex::new(writer),
            landed: Condvar::new(),
            gate: Gate::default(),
            window: Mutex::default(),
            trouble: Mutex::default(),
            last_commit: AtomicU64::new(0),
            pause: AtomicU64::new(0),
            loads: AtomicUsize::new(0),
            told: AtomicU8::new(0),
            owed: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
            fresh_loan,
            counters: Counters::default(),
            running: OnceLock::new(),
        });
        core.borrow_for_fresh_runs()?;
        // As if a commit had come now, and none before it.
        let _ = core.note_commit();
        core.pause.store(0, Ordering::Relaxed);
        // The threads must not keep the store alive.
        let weak = Arc::downgrade(&core);
        let running = scheduler.start(Arc::new(move |worker| background_step(&weak, worker)));
        core.running.get_or_init(|| running);
        Ok(Store { core })
    }

    /// A view of everything that is committed now; a commit that is not durable yet, and should be, is not.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::held(self.core.version.visible())
    }

    /// Waits until a [`snapshot`](Self::snapshot) has something that was committed behind `commit`, or as long as `timeout`; whether
    /// one has.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use alluvium::lsm::{Durability, KeyspaceOptions, MemoryStorage, Options, Store};
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let before = store.snapshot().commit();
    /// assert!(!store.wait_for_commit(before, Duration::ZERO)?);
    /// let mut transaction = store.begin()?;
    /// transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// transaction.commit(Durability::Sync)?;
    /// assert!(store.wait_for_commit(before, Duration::MAX)?);
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Poisoned`] after a failed write.
    pub fn wait_for_commit(&self, commit: CommitNo, timeout: Duration) -> Result<bool> {
        self.core.wait_for_commit(commit, timeout)
    }

    /// Begins a transaction, waiting for the one before to end.
    ///
    /// # Errors
    /// [`Error::Poisoned`] after a failed write.
    pub fn begin(&self) -> Result<Transaction> {
        commit::begin(&self.core)
    }

    /// Begins a transaction that does not keep others out, and may have to be done again for it.
    ///
    /// It conflicts when a commit since it began wrote a key that it read, whether that was there or not, or a key
    /// between those that a cursor found; what it only writes never conflicts, nor does any background work.
    /// Its share of memory is an eighth of that of a transaction of [`begin`](Self::begin).
    ///
    /// ```
    /// use alluvium::lsm::{Durability, Error, KeyspaceOptions, MemoryStorage, Options, Reader, Store};
    ///
    /// let store = Store::open(MemoryStorage::default(), Options::default())?;
    /// let mut transaction = store.begin()?;
    /// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    /// transaction.commit(Durability::Sync)?;
    /// let (mut first, mut second) = (store.begin_optimistic()?, store.begin_optimistic()?);
    /// for transaction in [&mut first, &mut second] {
    ///     assert!(transaction.get(fruit, b"apple")?.is_none());
    ///     transaction.put(fruit, b"apple", "red")?;
    /// }
    /// first.commit(Durability::Sync)?;
    /// assert!(matches!(second.commit(Durability::Sync), Err(Error::Conflict { .. })));
    /// # Ok::<(), alluvium::lsm::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Poisoned`] after a failed write.
    pub fn begin_optimistic(&self) -> Result<Transaction> {
        optimistic::begin_optimistic(&self.core)
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

    /// Says that much is going to be loaded, until what this gives is dropped: compactions then put off what later ones would do again.
    pub fn begin_load(&self) -> BulkLoad {
        BulkLoad::begin(&self.core)
    }

    /// Does the compactions that are due, with the threads that are at them already: after a load these are many.
    ///
    /// # Errors
    /// What the work met; the data is unchanged. [`Error::Closed`] when the store is closed meanwhile.
    pub fn catch_up(&self) -> Result<()> {
        self.core.catch_up()
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
        self.compact_with(|_| {})
    }

    /// Like [`compact`](Self::compact), telling how far it is.
    ///
    /// # Errors
    /// Those of [`compact`](Self::compact).
    pub fn compact_with(&self, mut progress: impl FnMut(Progress)) -> Result<()> {
        self.core.compact(&mut progress)
    }

    /// Compacts a key range of one keyspace into one run, with the segments that reach beyond it.
    ///
    /// # Errors
    /// What the work met, and [`Error::UnknownKeyspace`](super::Error::UnknownKeyspace); the data is unchanged.
    pub fn compact_range(&self, keyspace: KeyspaceId, range: impl RangeBounds<[u8]>) -> Result<()> {
        self.core.start_compaction_of(keyspace, &range)?.wait()
    }

    /// Asks for every keyspace to be compacted into one run; the handle tells how far it is, and cancels it.
    ///
    /// # Errors
    /// What the flush that comes first met.
    pub fn start_compaction(&self) -> Result<Compaction> {
        self.core.start_compaction()
    }

    /// Makes the file as small as what is in it: segments move from its end into holes, and it is cut behind them.
    ///
    /// Only keyspaces in which more than one entry in forty may be dead are compacted first. Reads and commits go on
    /// meanwhile; what snapshots hold stays where it is. Background steps do the same by and by, less thoroughly.
    ///
    /// # Errors
    /// What the work met; the data is unchanged.
    pub fn shrink(&self) -> Result<ShrinkReport> {
        self.core.shrink()
    }

    /// The options that it was opened with.
    pub fn options(&self) -> &Options {
        self.core.options()
    }

    /// Writes a minimal copy of everything that is committed now into a new file: a backup, ready to be opened.
    ///
    /// Reads and commits go on meanwhile and do not show in the copy. It has one run a keyspace, nothing dead and nothing
    /// free, and was verified. Until it is whole and durable no file of that name is there.
    ///
    /// ```
    /// use alluvium::lsm::{Error, Options, Store};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let store = Store::open_file(folder.path().join("fruit.alv"), Options::default())?;
    /// let copy = folder.path().join("copy.alv");
    /// store.compact_into(&copy)?;
    /// assert!(matches!(store.compact_into(&copy), Err(Error::TargetExists { .. })));
    /// Store::open_file(&copy, Options::default())?.check()?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TargetExists`](super::Error::TargetExists); damage that was met on the way; what writing met. No file
    /// is left behind.
    pub fn compact_into(&self, path: impl AsRef<Path>) -> Result<BackupReport> {
        self.compact_into_with(path, |_| {})
    }

    /// Like [`compact_into`](Self::compact_into), telling how far it is.
    ///
    /// # Errors
    /// Those of [`compact_into`](Self::compact_into).
    pub fn compact_into_with(
        &self,
        path: impl AsRef<Path>,
        progress: impl FnMut(Progress),
    ) -> Result<BackupReport> {
        let (partial, storage) = PartialFile::create(path.as_ref())?;
        let report = self.copy_to(storage, progress)?;
        partial.publish()?;
        Ok(report)
    }

    /// Makes an empty storage hold a copy of everything that is committed now.
    fn copy_to(
        &self,
        storage: impl Storage + 'static,
        mut progress: impl FnMut(Progress),
    ) -> Result<BackupReport> {
        let options = Options {
            scheduler: Arc::new(ManualScheduler),
            log: true,
            ..self.core.options().clone()
        };
        let target = Store::open(storage, options)?;
        let version = self.core.version.visible();
        let mut report = copy::fill(&target.core, &self.core, &version, &mut progress)?;
        target.core.close(CLOSE_TRIMMED_PAGES_MAX, &mut |_| {})?;
        report.file_bytes = target.stats().file_bytes;
        Ok(report)
    }

    /// Writes the manifest and cuts the log.
    ///
    /// # Errors
    /// What the write met; the checkpoint before stays in force.
    pub fn checkpoint(&self) -> Result<()> {
        self.core.await_past()?;
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
        lock(&self.core.jobs).reports.back().cloned()
    }

    /// What the last flushes and compactions did, oldest first; at most 64.
    pub fn compactions(&self) -> Vec<CompactionReport> {
        lock(&self.core.jobs).reports.iter().cloned().collect()
    }

    /// What is wrong, if anything: why the store is poisoned, or an error of background work of a kind that has not
    /// succeeded since.
    pub fn health(&self) -> Option<String> {
        let poison = lock(&self.core.writer).poison.clone();
        poison.or_else(|| lock(&self.core.trouble).values().next().cloned())
    }

    /// Flushes, checkpoints, cuts the file and stops every thread.
    ///
    /// When more than an eighth of the file is free, segments of its end move into holes first, of 128 MiB at most;
    /// [`close_with`](Self::close_with) moves all that pays. Nothing is compacted, and what was closed in order and not written to since stays as
    /// it is.
    ///
    /// Dropping the store does the same, but cannot report an error. Snapshots that are still held keep the file
    /// open (and locked) until they are dropped.
    ///
    /// # Errors
    /// What the work met; everything committed stays as durable as it was.
    pub fn close(self) -> Result<()> {
        self.core.close(CLOSE_TRIMMED_PAGES_MAX, &mut |_| {}).map(drop)
    }

    /// Like [`close`](Self::close), however much there is to move, telling how far it is.
    ///
    /// # Errors
    /// Those of [`close`](Self::close).
    pub fn close_with(self, mut progress: impl FnMut(Progress)) -> Result<ShrinkReport> {
        let file_bytes_before = self.core.file_bytes()?;
        let moved = self.core.close(u64::MAX, &mut progress)?;
        Ok(ShrinkReport {
            file_bytes_before,
            file_bytes: self.core.file_bytes()?,
            live_bytes: self.core.live_pages(&self.core.version.load())? * PAGE_BYTES,
            segments_moved: moved.segments,
            bytes_moved: moved.bytes,
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whatever fails here was no promise: commits are in the log.
        let _ = self.core.close(CLOSE_TRIMMED_PAGES_MAX, &mut |_| {});
    }
}
