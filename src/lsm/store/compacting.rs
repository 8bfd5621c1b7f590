//! Compactions that a program asks for: the whole store or a key range of it, into one run.
//!
//! `background` picks them before its own work, window by window, so that readers and commits go on and the file grows
//! by one window at most. A [`Compaction`] is the program's handle on it: it tells how far it is, steps it, cancels it.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use super::background::{Prefer, Stepped};
use super::core::{Core, Jobs, Unite, lock};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{KeyspaceId, SegmentId};
use crate::lsm::manifest::Version;
use crate::lsm::stats::Progress;

/// A compaction that was asked for, from [`Store::start_compaction`](super::Store::start_compaction).
///
/// Goes on in the background when the handle is dropped; with a store that is stepped by hand, in its steps.
///
/// ```
/// use alluvium::lsm::{Durability, KeyspaceOptions, MemoryStorage, Options, Store};
///
/// let store = Store::open(MemoryStorage::default(), Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.put(fruit, b"apple", "red")?;
/// transaction.commit(Durability::Sync)?;
/// let compaction = store.start_compaction()?;
/// while compaction.step()? {
///     let progress = compaction.progress();
///     assert!(progress.done_bytes <= progress.total_bytes);
/// }
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
#[must_use = "`wait` for it, or drop it to let it go on in the background"]
pub struct Compaction {
    core: Arc<Core>,
    requests: Vec<u64>,
    total_bytes: u64,
}

impl fmt::Debug for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compaction").field("progress", &self.progress()).finish_non_exhaustive()
    }
}

impl Compaction {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        let total_bytes = self.total_bytes;
        let jobs = lock(&self.core.jobs);
        let version = self.core.version.load();
        let wanted = jobs.united.iter().filter(|unite| self.requests.contains(&unite.number));
        let left: u64 = wanted.map(|unite| unite.bytes_left(&version)).sum();
        let running = jobs.compactions.iter().filter_map(|(_, begun)| {
            begun.serves.is_some_and(|number| self.requests.contains(&number)).then_some(begun.done)
        });
        let running: u64 = running.sum();
        let done_bytes = total_bytes.saturating_sub(left).saturating_add(running).min(total_bytes);
        Progress { done_bytes, total_bytes }
    }

    /// Works on it for one bounded step, or waits for another thread's; false when it has ended.
    ///
    /// # Errors
    /// What the work met; the compaction is then cancelled and the data unchanged. [`Error::Closed`] when the store was
    /// closed before the end.
    pub fn step(&self) -> Result<bool> {
        {
            let jobs = lock(&self.core.jobs);
            if jobs.closing {
                return Err(Error::Closed);
            }
            if !jobs.united.iter().any(|unite| self.requests.contains(&unite.number)) {
                return Ok(false);
            }
        }
        match self.core.step_preferring(Prefer::Compaction, self.core.step_bytes()) {
            Ok(Stepped::Busy) => self.core.await_step(),
            Ok(_) => {}
            Err(error) => {
                self.cancel();
                return Err(error);
            }
        }
        Ok(true)
    }

    /// Works on it until it has ended.
    ///
    /// # Errors
    /// Those of [`step`](Self::step).
    pub fn wait(self) -> Result<()> {
        while self.step()? {}
        Ok(())
    }

    /// Ends it; what is compacted stays so. A step that another thread is at is the last.
    pub fn cancel(&self) {
        lock(&self.core.jobs).cancel(&self.requests);
    }
}

impl Core {
    /// Everything into one run a keyspace.
    pub(super) fn compact(self: &Arc<Self>, progress: &mut dyn FnMut(Progress)) -> Result<()> {
        self.flush()?;
        // What the log and earlier segments leave becomes free first, so that the output lands low in the file.
        self.settle(false)?;
        // What is being moved is rewritten now.
        lock(&self.maintenance).relocation = None;
        let compaction = self.start_compaction()?;
        progress(compaction.progress());
        while compaction.step()? {
            progress(compaction.progress());
        }
        self.settle(false)
    }

    pub(super) fn start_compaction(self: &Arc<Self>) -> Result<Compaction> {
        self.flush()?;
        let version = self.version.load_full();
        let mut jobs = lock(&self.jobs);
        let requests: Vec<Unite> = version
            .keyspaces
            .values()
            .filter(|keyspace| keyspace.segments().next().is_some())
            .map(|keyspace| jobs.new_request(keyspace.id, Vec::new(), None))
            .collect();
        Ok(self.enqueue(&mut jobs, &version, requests))
    }

    pub(super) fn start_compaction_of(
        self: &Arc<Self>,
        keyspace: KeyspaceId,
        range: &impl RangeBounds<[u8]>,
    ) -> Result<Compaction> {
        self.flush()?;
        let version = self.version.load_full();
        version.keyspace(keyspace)?;
        // A key too many at an end costs nothing: segments are taken whole.
        let end = |bound: Bound<&[u8]>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key.to_vec()),
            Bound::Unbounded => None,
        };
        let smallest = end(range.start_bound()).unwrap_or_default();
        let mut jobs = lock(&self.jobs);
        let request = jobs.new_request(keyspace, smallest, end(range.end_bound()));
        Ok(self.enqueue(&mut jobs, &version, vec![request]))
    }

    fn enqueue(
        self: &Arc<Self>,
        jobs: &mut Jobs,
        version: &Version,
        requests: Vec<Unite>,
    ) -> Compaction {
        let total_bytes = requests.iter().map(|request| request.bytes_left(version)).sum();
        let numbers = requests.iter().map(|request| request.number).collect();
        jobs.united.extend(requests);
        self.wake();
        Compaction { core: Arc::clone(self), requests: numbers, total_bytes }
    }
}

impl Unite {
    /// Bytes of the segments that are still to be taken.
    fn bytes_left(&self, version: &Version) -> u64 {
        let before = self.before.unwrap_or(SegmentId(u64::MAX));
        let Ok(keyspace) = version.keyspace(self.keyspace) else { return 0 };
        let left = keyspace.segments().map(|segment| segment.summary()).filter(|summary| {
            summary.id < before
                && !summary.end.is_before(&self.smallest)
                && self.greatest.as_ref().is_none_or(|greatest| summary.smallest <= *greatest)
        });
        left.map(|summary| summary.bytes).sum()
    }
}
