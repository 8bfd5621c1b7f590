//! Pacing: what commits and background work owe each other, so that neither memory nor level 0 grows without bound and no
//! commit waits for a whole flush or compaction.
//!
//! * While memory fills during a flush, the flush must be as far on its way as memory is on its way from "flush" to
//!   "full"; while level 0 has too many runs, each byte committed owes some bytes of compaction, the more the more runs
//!   there are.
//! * A commit whose side is behind pays after it is published: it does a *quantum* of the work itself for every so many
//!   bytes that it brought, or waits for the step of a thread that is at the job already. Nobody sleeps.
//! * A quantum never installs, syncs or checkpoints while level 0 is below its bound: that is left to who steps in the
//!   background.
//! * Only when memory is full in spite of this does a commit work until there is room.
//! * Snapshots may hold as much of fresh runs as those may take themselves; then commits fail, and say which snapshot.
//! * What fresh runs take, the block cache gives up, and has it again once they are flushed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::background::{Prefer, Stepped};
use super::core::{Core, Writer, lock};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::CommitNo;
use crate::lsm::manifest::Version;

/// Bytes of entries that a commit takes at a time for others.
const QUANTUM_BYTES: usize = 256 << 10;
/// Bytes committed for each quantum of a flush that is behind.
const FLUSH_CHARGE_BYTES: u64 = 64 << 10;
/// Bytes committed for each quantum of compaction when level 0 is at its bound; more when it is below.
const COMPACTION_CHARGE_BYTES: u64 = 16 << 10;

/// Work that is behind.
#[derive(Debug)]
struct Behind {
    prefer: Prefer,
    /// Bytes committed that pay for a quantum.
    charge: u64,
    /// Whether each commit does a quantum, however small it is.
    always: bool,
}

impl Core {
    /// Makes sure that there is memory for another commit.
    pub(super) fn make_room(&self) -> Result<()> {
        if self.unseen.load(Ordering::Relaxed) > (self.options().memory_bytes / 256) as u64 {
            self.unseen.store(0, Ordering::Relaxed);
            self.check_snapshots()?;
        }
        let is_full = || self.version.load().fresh_bytes() > self.options().fresh_bytes_max();
        if !is_full() {
            return Ok(());
        }
        let started = self.options().clock.now();
        let mut has_failed = false;
        while is_full() {
            match self.step_preferring(Prefer::Flush, self.step_bytes()) {
                Ok(Stepped::Worked) => {}
                Ok(Stepped::Busy) => self.await_step(),
                Ok(Stepped::Idle) => break,
                // Once: after a checkpoint that failed a flush comes first, and that makes room if it succeeds.
                Err(_) if !has_failed => has_failed = true,
                Err(error) => return Err(error),
            }
        }
        self.count_stall(started);
        Ok(())
    }

    /// Pays for a commit of so many bytes, after it was published.
    pub(super) fn keep_pace(&self, bytes: u64) {
        self.unseen.fetch_add(bytes, Ordering::Relaxed);
        let mut owed = self.owed.load(Ordering::Relaxed).saturating_add(bytes);
        let started = self.options().clock.now();
        let quantum = QUANTUM_BYTES.min(self.step_bytes());
        let mut quanta = 0_u32;
        loop {
            let Some(behind) = self.behind() else {
                owed = 0;
                break;
            };
            // Where memory is small, so are the quanta, and what they cost.
            let charge = (behind.charge * quantum as u64 / QUANTUM_BYTES as u64).max(1);
            if owed < charge && !(behind.always && quanta == 0) {
                break;
            }
            owed = owed.saturating_sub(charge);
            quanta += 1;
            // At the bound it matters that what is ready counts, even where no thread does that.
            let stepped = if behind.always {
                self.step_preferring(behind.prefer, quantum)
            } else {
                self.assist(behind.prefer, quantum)
            };
            match stepped {
                Ok(Stepped::Worked) => {}
                Ok(Stepped::Busy) => self.await_step(),
                // Nothing that may be done here; or it failed, but the commit stands, and `health` tells.
                Ok(Stepped::Idle) | Err(_) => {
                    owed = 0;
                    break;
                }
            }
        }
        if quanta > 0 {
            self.count_stall(started);
        }
        self.owed.store(owed, Ordering::Relaxed);
    }

    fn count_stall(&self, started: Duration) {
        self.counters.count_stall(self.options().clock.now().saturating_sub(started));
    }

    /// What commits have to help with, if anything.
    fn behind(&self) -> Option<Behind> {
        let options = self.options();
        let version = self.version.load();
        let (flush, max) = (options.fresh_bytes_flush(), options.fresh_bytes_max());
        let filled = version.fresh_bytes().saturating_sub(flush) * 1000 / (max - flush).max(1);
        if filled > 0 && filled as u64 > self.flush_done() {
            let (prefer, charge) = (Prefer::Flush, FLUSH_CHARGE_BYTES);
            return Some(Behind { prefer, charge, always: false });
        }
        let level0 = version.keyspaces.values().filter_map(|keyspace| keyspace.levels.first());
        let runs = level0.map(|level| level.runs.len()).max().unwrap_or_default();
        let runs_max = self.phase().runs_max(options.level0_runs_max);
        let soft = runs_max + 2;
        let hard = runs_max.saturating_mul(4).max(soft + 2);
        let filled = (runs.saturating_sub(soft) * 1000 / (hard - soft)) as u64;
        (filled > 0).then(|| Behind {
            prefer: Prefer::Compaction,
            charge: COMPACTION_CHARGE_BYTES * 1000 / filled,
            always: filled >= 1000,
        })
    }

    /// Thousandths of the flush that are done.
    fn flush_done(&self) -> u64 {
        let jobs = lock(&self.jobs);
        jobs.flush.as_ref().map_or(0, |begun| begun.done * 1000 / begun.total.max(1))
    }

    /// Fails when what only snapshots hold takes too much memory.
    fn check_snapshots(&self) -> Result<()> {
        let bytes_max = self.options().fresh_bytes_max();
        match self.borrow_for_fresh_runs()? {
            Some((oldest, bytes)) if bytes > bytes_max => {
                Err(Error::SnapshotsHoldMemory { oldest, bytes, bytes_max })
            }
            _ => Ok(()),
        }
    }

    /// Borrows from the cache what fresh runs take now. Gives the commit that the oldest snapshot shows, and the bytes of
    /// fresh runs that only snapshots hold.
    pub(super) fn borrow_for_fresh_runs(&self) -> Result<Option<(CommitNo, usize)>> {
        let (fresh_bytes, held) = {
            let mut writer = self.writer()?;
            let current = self.version.load();
            (current.fresh_bytes(), writer.held_by_snapshots(&current))
        };
        // Blocks are evicted here, where nothing else of the store is locked.
        lock(&self.fresh_loan).set(fresh_bytes + held.map_or(0, |(_, bytes)| bytes));
        Ok(held)
    }
}

impl Writer {
    /// Notes what was shown until now, in case a snapshot holds it.
    pub(super) fn note_past(&mut self, past: &Arc<Version>) {
        if Arc::strong_count(past) > 1 && !past.fresh.is_empty() {
            self.past.push(Arc::downgrade(past));
            if self.past.len() >= self.past_max {
                self.past.retain(|past| past.strong_count() > 0);
                self.past_max = self.past.len() * 2 + 16;
            }
        }
    }

    /// The commit that the oldest snapshot shows, and the bytes of fresh runs that only snapshots hold.
    fn held_by_snapshots(&mut self, current: &Version) -> Option<(CommitNo, usize)> {
        let pieces = current.fresh.iter().flat_map(|run| run.pieces());
        let mut seen: HashSet<usize> = pieces.map(|(at, _)| at).collect();
        let past = self.past.iter().filter_map(std::sync::Weak::upgrade);
        let past: Vec<_> = past.filter(|version| !version.holders.are_none()).collect();
        let pieces = past.iter().flat_map(|version| &version.fresh).flat_map(|run| run.pieces());
        let bytes = pieces.filter(|&(at, _)| seen.insert(at)).map(|(_, bytes)| bytes).sum();
        let oldest = past.iter().map(|version| version.commit).min();
        oldest.map(|oldest| (oldest, bytes))
    }
}
