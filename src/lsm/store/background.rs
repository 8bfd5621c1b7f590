//! Background steps: flushes, folds, compactions and due syncs, one bounded piece at a time.
//!
//! The scheduler's thread calls [`background_step`]; commits that need room, `flush` and `compact` call
//! [`Core::step`] themselves. A step that fails is undone and tried again later; `health` tells about it.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::checkpoint::{Checkpoint, publish};
use super::core::{Core, Jobs, lock};
use crate::lsm::compaction::{CompactionJob, CompactionReport, Finished, FlushJob, everything};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, PAGE_BYTES};
use crate::lsm::manifest::{FRESH_RUNS_MAX, Version};
use crate::lsm::options::Durability;
use crate::lsm::scheduler::Outcome;
use crate::lsm::txn::Snapshot;
use crate::lsm::wal::RecordKind;

/// Pages that may wait for a checkpoint before one is due for their sake.
const DEFERRED_PAGES_MAX: u64 = (32 << 20) / PAGE_BYTES;

pub(super) fn background_step(core: &Weak<Core>) -> Outcome {
    let Some(core) = core.upgrade() else { return Outcome::Finished };
    match core.step() {
        Ok(true) => Outcome::More,
        // An error is kept in `health`; the next wake-up, or the next sync that is due, tries again.
        Ok(false) => {
            let rest = lock(&core.jobs).rest.time_left(core.options().clock.now());
            Outcome::Idle(core.time_to_sync().into_iter().chain(rest).min())
        }
        Err(_) => Outcome::Idle(core.time_to_sync()),
    }
}

impl Core {
    /// One bounded piece of background work.
    pub(super) fn step(&self) -> Result<bool> {
        let mut jobs = lock(&self.jobs);
        let result = self.step_of(&mut jobs);
        match &result {
            Ok(worked) if *worked => *lock(&self.trouble) = None,
            Ok(_) => {}
            Err(error) => {
                // What `compact` waits for stays wanted, so that the failure meets it too.
                jobs.flush = None;
                jobs.compaction = None;
                jobs.relocation = None;
                lock(&self.writer).flushing = CommitNo(0);
                *lock(&self.trouble) = Some(error.to_string());
            }
        }
        result
    }

    pub(super) fn step_of(&self, jobs: &mut Jobs) -> Result<bool> {
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
        if self.compaction_step(jobs)? {
            return Ok(true);
        }
        self.maintenance_step(jobs)
    }

    pub(super) fn deferred_pages_max(&self) -> u64 {
        DEFERRED_PAGES_MAX.max(self.disk.space.end() / 4)
    }

    /// Starts a flush if one is due.
    pub(super) fn begin_flush(&self, wanted: CommitNo, long_log: bool) -> Result<Option<FlushJob>> {
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
    pub(super) fn fold_step(&self) -> Result<bool> {
        let mut writer = self.writer()?;
        let current = self.version.load();
        if current.fresh.len() <= FRESH_RUNS_MAX / 2 {
            return Ok(false);
        }
        let mut next = Version::clone(&current);
        let folded = next.fold_cheapest(writer.flushing, FRESH_RUNS_MAX / 2)?;
        if folded {
            self.advance(&mut writer, next);
        }
        Ok(folded)
    }

    pub(super) fn compaction_step(&self, jobs: &mut Jobs) -> Result<bool> {
        let version = self.version.load_full();
        // Those of a keyspace that was dropped meanwhile lead nowhere.
        jobs.compact_wanted.retain(|id| version.keyspaces.contains_key(id));
        if jobs.compaction.take_if(|(job, _)| version.keyspace(job.keyspace()).is_err()).is_some() {
            return Ok(true);
        }
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
    pub(super) fn shown_to_rewriters(&self, version: Arc<Version>) -> Snapshot {
        if self.options().log || version.fresh.is_empty() {
            return Snapshot::new(version);
        }
        let mut flushed = Version::clone(&version);
        flushed.fresh.clear();
        flushed.commit = flushed.flushed;
        Snapshot::new(Arc::new(flushed))
    }

    /// Makes a finished job's output part of the store.
    pub(super) fn install(&self, finished: Finished) -> Result<CompactionReport> {
        let Finished { keyspace, edit, segments, report } = finished;
        if !segments.is_empty() {
            let synced = self.disk.storage.sync();
            let synced = synced.map_err(|source| Error::io("syncing segments", source));
            self.writer()?.poison_on_error(synced)?;
        }
        let mut writer = self.writer()?;
        let mut next = Version::clone(&self.version.load());
        if keyspace.is_some_and(|id| !next.keyspaces.contains_key(&id)) {
            return Ok(report);
        }
        next.apply_own(&edit, &self.registry, &segments)?;
        // From here on the log may name the extents.
        publish(&segments);
        writer.append(RecordKind::Edit, &[Bytes::from(edit.encode())], false)?;
        while writer.groups.front().is_some_and(|&(commit, _)| commit <= next.flushed) {
            writer.groups.pop_front();
        }
        self.advance(&mut writer, next);
        Ok(report)
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
            self.step()?;
        }
    }

    pub(super) fn compact(&self) -> Result<()> {
        self.flush()?;
        // What the log and earlier segments leave becomes free first, so that the output lands low in the file.
        self.settle(false)?;
        // What is being moved is rewritten now.
        lock(&self.jobs).relocation = None;
        let version = self.version.load();
        let filled =
            version.keyspaces.values().filter(|keyspace| keyspace.segments().next().is_some());
        lock(&self.jobs).compact_wanted.extend(filled.map(|keyspace| keyspace.id));
        drop(version);
        self.compact_wanted()?;
        self.settle(false)
    }

    /// Does steps until no compaction is wanted any more.
    pub(super) fn compact_wanted(&self) -> Result<()> {
        while !lock(&self.jobs).compact_wanted.is_empty() {
            if let Err(error) = self.step() {
                lock(&self.jobs).compact_wanted.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn close(&self) -> Result<()> {
        if let Some(running) = self.running.get() {
            running.stop();
        }
        {
            let mut jobs = lock(&self.jobs);
            jobs.compaction = None;
            jobs.relocation = None;
            jobs.compact_wanted.clear();
        }
        self.flush()?;
        let settled = {
            let writer = self.writer()?;
            writer.root.clean && writer.log.position() == writer.root.log
        };
        if settled { Ok(()) } else { self.settle(true) }
    }
}
