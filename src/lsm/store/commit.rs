//! Commits: the right to write, the append to the log, and the durable write that commits share.
//!
//! ```text
//! 1 room      background steps, when memory is full                  gate
//! 2 append    one record to the log, in memory; the latest           gate, writer
//!             version has it
//! 3 let in    the next transaction begins on it                      –
//! 4 fly       the first that finds nobody flying takes off with      –
//!             whole pages of all that is appended, in one durable
//!             write; what is appended meanwhile waits for the
//!             flight after this one
//! 5 show      readers see it                                         writer
//! 6 pay       background work that the commit owes (`pacing`)        –
//! ```
//! The record is a group, the commit's own bytes; of a transaction that was spilled, its rest is written too, fresh runs
//! are flushed so that they stay newer than everything on disk, its segments are synced, and the record is an edit
//! that names them: each byte is written once. It spans the commit numbers of all its runs. A transaction that drops
//! keyspaces is committed so too: what older commits wrote to them is then in segments, and these go with the edit.
//!
//! Durability is decided in 4: a `Sync` commit waits until its record is durable. A weaker one is written through the system's
//! cache in 2, so that it survives the death of the process, and waits only until all `Sync`
//! commits before it are durable (see `versions`), so usually not at all. A flight covers every record before it, of whatever
//! commit: a stronger commit makes all earlier ones durable. It ends with a sealed page, so that nothing that
//! is appended meanwhile touches what it makes durable. A lone writer pays one durable write and two locks for a commit; those
//! that come during a flight share the pages of the next.
//!
//! After a failed flight or sync, or a failed append, the store is poisoned, unless the append failed before it touched the log,
//! as on a full disk: everyone who waits for it gets the error, readers go on
//! seeing what they saw, and what is on the device is decided when the file is opened anew.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::checkpoint::publish;
use super::core::{Core, Writer, lock};
use super::window::Written;
use crate::lsm::disk::Disk;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::FreshRun;
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::{Edit, FRESH_RUNS_MAX, Made, Placed, Registry, Version};
use crate::lsm::options::Durability;
use crate::lsm::sync::MutexGuard;
use crate::lsm::txn::{NewValues, Reads, Transaction, WriteRight, Writes};
use crate::lsm::value::{Kept, PlacedValues, ValueSegment};
use crate::lsm::wal::{LogPosition, RecordKind};

/// A commit of so many tells the threads that wait of work that those before it told them of.
const TELL_EVERY: u64 = 16;
/// The longest time that pauses between commits put off what waits for none to come.
const LULL_MAX: Duration = Duration::from_secs(10);

/// The right to write; dropped, it lets the next transaction in.
#[derive(Debug)]
pub(super) struct WriteToken {
    core: Arc<Core>,
}

impl WriteToken {
    /// Waits for the gate.
    pub(super) fn take(core: &Arc<Core>) -> Result<Self> {
        core.gate.enter();
        let token = WriteToken { core: Arc::clone(core) };
        drop(core.writer()?);
        Ok(token)
    }
}

impl Drop for WriteToken {
    fn drop(&mut self) {
        self.core.gate.leave();
    }
}

impl WriteRight for WriteToken {
    fn registry(&self) -> &Registry {
        &self.core.registry
    }

    fn disk(&self) -> &Arc<Disk> {
        &self.core.disk
    }

    fn commit(
        self: Box<Self>,
        writes: Writes,
        _reads: Option<Reads>,
        durability: Durability,
    ) -> Result<CommitNo> {
        let core = Arc::clone(&self.core);
        core.commit(*self, writes, durability)
    }

    fn harden(&self, durability: Durability) -> Result<()> {
        self.core.harden(durability)
    }
}

/// Begins a transaction, waiting for the one before to end.
pub(super) fn begin(core: &Arc<Core>) -> Result<Transaction> {
    let token = WriteToken::take(core)?;
    let base = core.version.load_full();
    Ok(Transaction::new(base, Box::new(token)))
}

impl Core {
    /// Appends a commit to the log, gives the gate away, and waits until the commit is visible.
    fn commit(
        &self,
        token: WriteToken,
        writes: Writes,
        durability: Durability,
    ) -> Result<CommitNo> {
        self.await_past()?;
        self.make_room()?;
        let as_edit = writes.pending.is_spilled() || writes.pending.dropped().next().is_some();
        let (writer, commit, bytes) = if as_edit {
            self.append_edit(writes, durability)?
        } else {
            self.append_group(writes, durability)?
        };
        drop(token);
        let left = as_edit || self.leaves_work(&writer, commit);
        self.fly_until(writer, |_| self.version.visible_commit() >= commit)?;
        // What failed is tried again.
        if self.note_commit() || left || !lock(&self.trouble).is_empty() {
            self.wake();
        }
        self.keep_pace(bytes);
        Ok(commit)
    }

    /// Makes a commit the newest fresh run.
    fn append_group(
        &self,
        writes: Writes,
        durability: Durability,
    ) -> Result<(MutexGuard<'_, Writer>, CommitNo, u64)> {
        let Writes { base, pending, created } = writes;
        let (tables, values) = pending.into_tables(&base)?;
        // Nobody shall seem to hold a version that is about to be replaced.
        drop(base);
        if self.options().log && !values.is_empty() {
            // Before a record can name them.
            self.sync_written("syncing values")?;
        }
        let mut writer = self.writer()?;
        let current = self.version.load();
        let commit = CommitNo(current.commit.0 + 1);
        let (placed, made) = placed(values, commit);
        self.counters.count_spilled(placed.iter().map(|placed| placed.extent.bytes()).sum());
        let run = Arc::new(FreshRun::new(commit, created, placed, tables));
        let bytes = run.table_bytes();
        self.counters.user_bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut next = Version::clone(&current);
        next.push_fresh(Arc::clone(&run), &self.registry, &Made::new(&[], &made))?;
        publish(&[], &made);
        next.fold_after_commit(writer.flushing)?;
        if self.options().log {
            let pieces = run.encode();
            let logged = pieces.iter().map(|piece| piece.len() as u64).sum();
            self.counters.log_bytes.fetch_add(logged, Ordering::Relaxed);
            let position =
                self.append_commit(&mut writer, RecordKind::Group, &pieces, durability)?;
            writer.groups.push_back((commit, position));
        }
        lock(&self.window).note(self.options().optimistic_bytes_max(), || Written::of_run(&run));
        self.advance(&mut writer, next);
        Ok((writer, commit, bytes))
    }

    /// Makes the runs of a transaction the newest ones of level 0, and drops keyspaces.
    fn append_edit(
        &self,
        writes: Writes,
        durability: Durability,
    ) -> Result<(MutexGuard<'_, Writer>, CommitNo, u64)> {
        let Writes { base, pending, created } = writes;
        let dropped: Vec<KeyspaceId> = pending.dropped().collect();
        let (runs, values, commit) = pending.into_runs(&base, &self.disk)?;
        let (values, made) = placed(values, commit);
        // The gate is held: nothing is committed between the base and this.
        self.flush()?;
        let changes = (!created.is_empty(), !dropped.is_empty());
        let value_bytes: u64 = values.iter().map(|placed| placed.extent.bytes()).sum();
        let mut edit = Edit { flushed: Some(commit), created, dropped, values, ..Edit::default() };
        let mut segments = Vec::new();
        let mut bytes = 0;
        for run in runs.values().flat_map(|newest_first| newest_first.iter().rev()) {
            for segment in run.segments.iter() {
                let (extent, summary) = (segment.extent(), segment.summary().clone());
                let summary_bytes = summary.bytes;
                edit.added.push(Placed { level: 0, run: run.id, extent, summary });
                bytes += summary_bytes;
                segments.push(Arc::clone(segment));
            }
        }
        // What is on disk already owes no flush, and counts as one.
        self.counters.count_spilled(bytes + value_bytes);
        if !segments.is_empty() {
            self.sync_written("syncing segments")?;
        }
        let mut writer = self.writer()?;
        let mut next = Version::clone(&self.version.load());
        next.apply(&edit, &self.registry, &Made::new(&segments, &made))?;
        // From here on the log may name the extents.
        publish(&segments, &made);
        let pieces = [edit.encode().into()];
        // Without a log nobody waits for it.
        let durability = if self.options().log { durability } else { Durability::Buffered };
        self.append_commit(&mut writer, RecordKind::Edit, &pieces, durability)?;
        let written = || Written::of_runs(commit, changes, runs);
        lock(&self.window).note(self.options().optimistic_bytes_max(), written);
        self.advance(&mut writer, next);
        Ok((writer, commit, bytes))
    }

    /// Makes durable what is to be named by a record or a root.
    pub(super) fn sync_written(&self, what: &str) -> Result<()> {
        let synced = self.disk.storage.sync().map_err(|source| Error::io(what, source));
        lock(&self.writer).poison_on_error(synced)
    }

    /// Appends a commit's record, and sees to what must happen to it before it counts.
    fn append_commit(
        &self,
        writer: &mut Writer,
        kind: RecordKind,
        pieces: &[Bytes],
        durability: Durability,
    ) -> Result<LogPosition> {
        // When it takes off at once it has its page to itself. Those that wait share pages, which a mark seals.
        let sealed = durability == Durability::Sync && writer.flying.is_none();
        let position = writer.append(kind, pieces, sealed)?;
        if durability == Durability::Sync {
            self.version.hold(&mut writer.held, position.record);
        } else {
            writer.cache_log()?;
            self.note_due(writer, durability);
        }
        Ok(position)
    }

    /// Makes what is committed as durable as asked.
    pub(super) fn harden(&self, durability: Durability) -> Result<()> {
        self.await_past()?;
        let mut writer = self.writer()?;
        if durability != Durability::Sync {
            self.note_due(&mut writer, durability);
            return Ok(());
        }
        if writer.log.is_durable() {
            writer.sync_due = None;
        }
        let end = writer.log.position().record;
        self.fly_until(writer, |writer| writer.log.durable() >= end)
    }

    /// Notes when what an `Interval` commit left must be durable.
    fn note_due(&self, writer: &mut Writer, durability: Durability) {
        if let Durability::Interval(interval) = durability
            && !writer.log.is_durable()
        {
            let due = self.options().clock.now().saturating_add(interval);
            writer.sync_due = Some(writer.sync_due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// Waits until `done`; makes the log durable itself while nobody else does.
    fn fly_until<'a>(
        &'a self,
        mut writer: MutexGuard<'a, Writer>,
        done: impl Fn(&Writer) -> bool,
    ) -> Result<()> {
        while !done(&writer) {
            if writer.flying.is_some() {
                writer = self.wait_for_flight(writer)?;
            } else {
                writer = self.fly(writer)?;
            }
        }
        Ok(())
    }

    /// Makes every record of the log durable, and shows what waited for it. Others append meanwhile.
    fn fly<'a>(&'a self, mut writer: MutexGuard<'a, Writer>) -> Result<MutexGuard<'a, Writer>> {
        if !writer.log.is_sealed() {
            // The mark seals the page that is about to become durable.
            writer.append(RecordKind::Mark, &[], true)?;
        }
        let flight = writer.log.take_off();
        // What is appended from now on is due by a time of its own.
        writer.sync_due = None;
        writer.flying = Some(flight.record());
        drop(writer);
        let awaited = self.disk.awaited.wait();
        let written = flight.write(&*self.disk.storage);
        let mut writer = lock(&self.writer);
        drop(awaited);
        writer.flying = None;
        if writer.waiting > 0 {
            self.landed.notify_all();
        }
        writer.poison_on_error(written)?;
        // Who was told of a failure of the device may have been another one.
        writer.expect_sound()?;
        writer.log.landed(flight);
        self.show(&mut writer);
        Ok(writer)
    }

    /// Waits for a flight that was under way, up to `record`.
    pub(super) fn await_landing(&self, record: u64) -> Result<()> {
        let mut writer = self.writer()?;
        while writer.log.durable() < record {
            writer = self.wait_for_flight(writer)?;
        }
        Ok(())
    }

    /// Waits until the flight that is under way has ended.
    fn wait_for_flight<'a>(
        &self,
        mut writer: MutexGuard<'a, Writer>,
    ) -> Result<MutexGuard<'a, Writer>> {
        writer.waiting += 1;
        writer = self.landed.wait(writer).unwrap_or_else(PoisonError::into_inner);
        writer.waiting -= 1;
        writer.expect_sound()?;
        Ok(writer)
    }

    /// Makes sure that the log may be appended to. Called without `jobs`, or after `settle_past`.
    pub(super) fn await_past(&self) -> Result<()> {
        if self.inherited.load(Ordering::Acquire) {
            let _jobs = lock(&self.jobs);
            self.settle_past()?;
        }
        Ok(())
    }

    /// Time until the oldest `Interval` commit must be durable, or until the store counts as idle.
    pub(super) fn time_to_work(&self) -> Option<Duration> {
        let due = self.writer().ok()?.sync_due;
        let sync = due.map(|due| due.saturating_sub(self.options().clock.now()));
        let settle = self.lull(self.options().settle_after).checked_sub(self.idle_for());
        let settle = settle.filter(|left| !left.is_zero());
        sync.into_iter().chain(settle).min().map(|left| left.max(Duration::from_millis(1)))
    }

    /// Time since the last commit.
    pub(super) fn idle_for(&self) -> Duration {
        let last = Duration::from_micros(self.last_commit.load(Ordering::Relaxed));
        self.options().clock.now().saturating_sub(last)
    }

    /// Whether no commit came for so long that what could wait is done.
    pub(super) fn is_idle(&self) -> bool {
        self.idle_for() >= self.lull(self.options().settle_after)
    }

    /// Time without a commit after which none is expected soon: `least`, or more where commits come with pauses between them, as
    /// batches of an import do.
    pub(super) fn lull(&self, least: Duration) -> Duration {
        let pause = Duration::from_micros(self.pause.load(Ordering::Relaxed));
        least.max((pause * 2).min(LULL_MAX))
    }

    /// Notes that a commit has come now; true when the store was idle.
    pub(super) fn note_commit(&self) -> bool {
        let was_idle = self.is_idle();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // A few commits in a row do not hide that there was a pause before them.
        let pause = micros(self.idle_for()).max(self.pause.load(Ordering::Relaxed) / 2);
        self.pause.store(pause, Ordering::Relaxed);
        self.last_commit.store(micros(self.options().clock.now()), Ordering::Relaxed);
        was_idle
    }

    /// Whether `commit`, which was appended just now, leaves something to be done of which the threads that wait should be told.
    ///
    /// They are when it arises, and now and then while it lasts. What a step leaves is told when it ends.
    fn leaves_work(&self, writer: &Writer, commit: CommitNo) -> bool {
        let version = self.version.load();
        let flushes = writer.flushing > CommitNo(0);
        let foldable = version.fresh.partition_point(|run| run.commits.0 > writer.flushing);
        let due = [
            writer.log.wants_next(),
            foldable > FRESH_RUNS_MAX / 4 * 3,
            !flushes && version.fresh_bytes() >= self.options().fresh_bytes_flush(),
            !flushes && writer.log.bytes() > self.options().log_bytes_max,
        ];
        let due = due.iter().fold(0, |bits, &due| bits << 1 | u8::from(due));
        let told = self.told.swap(due, Ordering::Relaxed);
        let is_new = due & !told != 0;
        // How soon a thread must look again may have changed.
        is_new || (due != 0 && commit.0.is_multiple_of(TELL_EVERY)) || writer.sync_due.is_some()
    }
}

/// How `commit` names the value segments that it brings, and those themselves.
fn placed(values: Vec<NewValues>, commit: CommitNo) -> (Vec<PlacedValues>, Vec<Arc<ValueSegment>>) {
    let placed = values.iter().map(|(keyspace, segment)| PlacedValues {
        id: segment.id(),
        keyspace: *keyspace,
        commit,
        extent: segment.extent(),
        kept: Kept::default(),
    });
    (placed.collect(), values.into_iter().map(|(_, segment)| segment).collect())
}
