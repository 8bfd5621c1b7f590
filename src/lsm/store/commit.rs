//! Commits: the right to write, the append to the log, and making it durable.
//!
//! A commit appends one group to the log, syncs as asked, and publishes a version with one atomic swap. When memory
//! or level 0 is full it first does background steps itself. After a failed append or sync the store is poisoned.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::core::{Core, Writer, lock};
use crate::lsm::error::Result;
use crate::lsm::fresh::{FreshRun, FreshTableBuilder, KeyspaceDescriptor};
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::{Registry, Version};
use crate::lsm::options::{Durability, Options};
use crate::lsm::txn::{Transaction, WriteRight};
use crate::lsm::wal::RecordKind;

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

/// Begins a transaction, waiting for the one before to end.
pub(super) fn begin(core: &Arc<Core>) -> Result<Transaction> {
    let mut taken = lock(&core.gate.taken);
    while *taken {
        taken = core.gate.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
    }
    *taken = true;
    drop(taken);
    let token = WriteToken { core: Arc::clone(core) };
    drop(core.writer()?);
    let base = core.version.load_full();
    Ok(Transaction::new(&base, Box::new(token)))
}

impl Core {
    /// Appends a commit to the log and publishes it.
    pub(super) fn commit(
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
    pub(super) fn harden(&self, durability: Durability) -> Result<()> {
        self.await_past()?;
        let mut writer = self.writer()?;
        if durability == Durability::Sync && !writer.log.is_durable() {
            // The mark seals the page that is about to become durable.
            let appended = writer.log.append(RecordKind::Mark, &[], true);
            writer.poison_on_error(appended)?;
        }
        self.harden_log(&mut writer, durability)
    }

    pub(super) fn harden_log(&self, writer: &mut Writer, durability: Durability) -> Result<()> {
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
    pub(super) fn await_past(&self) -> Result<()> {
        if self.inherited.load(Ordering::Acquire) {
            let _jobs = lock(&self.jobs);
            self.settle_past()?;
        }
        Ok(())
    }
    /// Time until the oldest `Interval` commit must be durable.
    pub(super) fn time_to_sync(&self) -> Option<Duration> {
        let due = self.writer().ok()?.sync_due?;
        Some(due.saturating_sub(self.options().clock.now()).max(Duration::from_millis(1)))
    }

    /// Waits, by working, until there is room for another commit.
    pub(super) fn make_room(&self) -> Result<()> {
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
}
