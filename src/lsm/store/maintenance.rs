//! What the store does for its file while nobody writes: it flushes and compacts what hides dead entries, moves the tail
//! of the file into holes below, cuts the file, and gives holes back to the device.
//!
//! The last of the background steps, by one thread at a time. It begins when no commit came for a second, or for a lull in commits that come with pauses, or anyway when the
//! last time is half a minute ago, but never while much is loaded: work that only saves room must not cost commits anything. Each piece is bounded,
//! each makes the file smaller or the next piece possible, and none is repeated without effect, so the steps end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::checkpoint::{Checkpoint, publish};
use super::core::{Core, Maintenance, Rest, lock};
use crate::lsm::compaction::Phase;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, Extent, PAGE_BYTES};
use crate::lsm::manifest::{Edit, Keyspace, Made, Run, Version, described};
use crate::lsm::ranges::Ranges;
use crate::lsm::relocation::{Movable, NewPlace, Relocated, clean, evacuate};
use crate::lsm::segment::Segment;
use crate::lsm::space::Fill;
use crate::lsm::value::HeldValues;
use crate::lsm::wal::RecordKind;

/// Time without a commit after which maintenance begins at the earliest.
pub(super) const REST: Duration = Duration::from_secs(1);
/// Time after which it begins although commits go on.
pub(super) const REST_WAIT_MAX: Duration = Duration::from_secs(30);
/// Pages of values that are copied at a time where others are left out: each time costs a scan of what refers to them.
pub(super) const CLEANED_PAGES_MAX: u64 = (64 << 20) / PAGE_BYTES;
/// Pages that one relocation moves before it is synced.
const RELOCATED_PAGES_MAX: u64 = (16 << 20) / PAGE_BYTES;

impl Rest {
    /// Whether maintenance may go on at `now`, when `commit` is the newest, and none is expected for a `lull`.
    fn is_over(&mut self, commit: CommitNo, lull: Duration, now: Duration) -> bool {
        if commit != self.commit {
            (self.commit, self.since, self.done) = (commit, now, false);
        }
        let rested = now.saturating_sub(self.since) >= lull;
        rested || now.saturating_sub(self.last_done) >= REST_WAIT_MAX
    }

    /// Time until there may be something to do, if there may be.
    pub(super) fn time_left(&self, lull: Duration, now: Duration) -> Option<Duration> {
        let left = lull.saturating_sub(now.saturating_sub(self.since));
        (!self.done).then(|| left.max(Duration::from_millis(1)))
    }
}

impl Core {
    /// One bounded piece of what saves room in the file.
    pub(super) fn maintenance_step(&self, maintenance: &mut Maintenance) -> Result<bool> {
        let version = self.version.load_full();
        let now = self.options().clock.now();
        if self.phase() == Phase::Loading {
            return Ok(false);
        }
        if !maintenance.rest.is_over(version.commit, self.lull(REST), now) {
            return Ok(false);
        }
        let worked = self.maintain(maintenance, &version)?;
        if !worked {
            maintenance.rest.done = true;
            maintenance.rest.last_done = now;
        }
        Ok(worked)
    }

    fn maintain(&self, maintenance: &mut Maintenance, version: &Version) -> Result<bool> {
        if let Some(job) = &mut maintenance.relocation {
            if job.step()? {
                let job = maintenance.relocation.take().expect("invariant: it was just stepped");
                let moved = self.install_relocated(job.finish())?;
                self.count_relocated(&moved);
            }
            return Ok(true);
        }
        if self.disk.space.held_pages() > 0 && self.disk.space.readers_at(self.oldest_lease()) {
            return Ok(true);
        }
        let fill = self.disk.space.fill();
        if self.flush_pays(version, &fill)? {
            let mut jobs = lock(&self.jobs);
            jobs.flush_wanted = jobs.flush_wanted.max(version.commit);
            return Ok(true);
        }
        for keyspace in version.keyspaces.values() {
            if compaction_pays(keyspace, 8)? {
                self.request(keyspace.id);
                return Ok(true);
            }
        }
        maintenance.relocation = clean(&self.disk, version, 2, CLEANED_PAGES_MAX);
        if maintenance.relocation.is_some() {
            return Ok(true);
        }
        let unused = fill.free_pages + fill.deferred_pages;
        if unused > fill.end / 8 {
            let used = fill.end - unused;
            let goal = used + used / 20;
            maintenance.relocation = evacuate(&self.disk, version, goal, RELOCATED_PAGES_MAX);
            if maintenance.relocation.is_some() {
                return Ok(true);
            }
        }
        if fill.deferred_pages.max(fill.end - fill.leased_end) > fill.end / 16 {
            self.checkpoint(Checkpoint::Plain)?;
            return Ok(true);
        }
        if version.fresh.is_empty() && self.log_is_in_the_way(&fill)? {
            self.settle_in_small_log(false)?;
            return Ok(true);
        }
        self.punch_holes(maintenance)
    }

    /// Whether what is in memory may delete much of what is in the file, or keeps much of the file as log.
    fn flush_pays(&self, version: &Version, fill: &Fill) -> Result<bool> {
        if version.fresh_value_pages() > fill.end / 8 {
            return Ok(true);
        }
        let (mut entries, mut dead_max) = (0, 0);
        for keyspace in version.keyspaces.values() {
            entries += keyspace.segments().map(|segment| segment.summary().entries).sum::<u64>();
            for run in &version.fresh {
                if let Some(ranges) = run.ranges(keyspace.id) {
                    dead_max += hidden_entries(ranges, keyspace.segments());
                }
            }
        }
        if dead_max > entries / 8 {
            return Ok(true);
        }
        // A log that holds commits cannot move, and at the end of the file it keeps all that is free before it.
        let log_end = self.writer()?.log.extents().map(Extent::end).max().unwrap_or_default();
        let is_wide = fill.free_pages + fill.deferred_pages > fill.end / 8;
        if !version.fresh.is_empty() && is_wide && log_end == fill.leased_end {
            return Ok(true);
        }
        // Few bytes are not worth a run of their own, though they may be many entries of a small file.
        if version.fresh_bytes() * 16 < self.options().fresh_bytes_flush() {
            return Ok(false);
        }
        let ids = || version.keyspaces.keys();
        let fresh = version.fresh.iter().flat_map(|run| ids().map(|&id| run.entries(id)));
        if fresh.sum::<u64>() > entries / 8 {
            return Ok(true);
        }
        let log_pages: u64 = self.writer()?.log.extents().map(|extent| extent.pages).sum();
        Ok(log_pages > fill.end / 8)
    }

    /// Whether the log takes more of the file than it needs, or keeps it from being cut.
    fn log_is_in_the_way(&self, fill: &Fill) -> Result<bool> {
        let writer = self.writer()?;
        let pages: u64 = writer.log.extents().map(|extent| extent.pages).sum();
        let end = writer.log.extents().map(Extent::end).max().unwrap_or_default();
        let is_large = !writer.log.is_small() && pages > fill.end / 16;
        Ok(is_large || (end == fill.leased_end && writer.log.fits_lower()))
    }

    /// Gives what lies free inside the file back to the device, but for a part.
    pub(super) fn punch_holes(&self, maintenance: &mut Maintenance) -> Result<bool> {
        if maintenance.cannot_punch {
            return Ok(false);
        }
        let holes = self.disk.space.lease_for_punching();
        let any = !holes.is_empty();
        for hole in holes {
            let extent = hole.extent();
            let punched = self.disk.storage.punch(extent.offset(), extent.bytes());
            let punched = punched
                .map_err(|source| Error::io(format!("punching a hole, {extent}"), source))?;
            if !punched {
                maintenance.cannot_punch = true;
                return Ok(false);
            }
            self.disk.space.mark_punched(hole);
            self.counters.punched_pages.fetch_add(extent.pages, Ordering::Relaxed);
        }
        Ok(any)
    }

    pub(super) fn count_relocated(&self, moved: &Moved) {
        self.counters.relocated_segments.fetch_add(moved.segments, Ordering::Relaxed);
        self.counters.cleaned_segments.fetch_add(moved.cleaned, Ordering::Relaxed);
    }

    /// Makes copies of segments the segments, but for those that are gone or were moved by someone else.
    pub(super) fn install_relocated(&self, mut relocated: Vec<Relocated>) -> Result<Moved> {
        if !relocated.is_empty() {
            let synced = self.disk.storage.sync();
            let synced = synced.map_err(|source| Error::io("syncing moved segments", source));
            self.writer()?.poison_on_error(synced)?;
        }
        let mut writer = self.writer()?;
        let current = self.version.load_full();
        relocated.retain(|relocated| relocated.old.is_in(&current));
        let mut moved = Moved::default();
        if relocated.is_empty() {
            return Ok(moved);
        }
        let mut edit = Edit::default();
        let (mut segments, mut values) = (Vec::new(), Vec::new());
        for Relocated { old, new } in relocated {
            moved.segments += 1;
            match (new, old) {
                (NewPlace::Segment(new), _) => {
                    moved.bytes += new.extent().bytes();
                    edit.relocated.push((new.summary().id, new.extent()));
                    segments.push(new);
                }
                (NewPlace::Values(segment), Movable::Values(keyspace, held)) => {
                    let pages = segment.extent().pages;
                    moved.bytes += segment.extent().bytes();
                    moved.cleaned += u64::from(pages < held.segment.extent().pages);
                    values.push(Arc::clone(&segment));
                    edit.values.push(described(keyspace, &HeldValues { segment, ..held }));
                }
                (NewPlace::Values(_), Movable::Segment(_)) => {}
            }
        }
        let mut next = Version::clone(&current);
        next.apply(&edit, &self.registry, &Made::new(&segments, &values))?;
        publish(&segments, &values);
        writer.append(RecordKind::Edit, &[Bytes::from(edit.encode())], false)?;
        self.advance(&mut writer, next);
        Ok(moved)
    }
}

/// How much one relocation moved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    pub(super) segments: u64,
    pub(super) bytes: u64,
    /// Value segments that became shorter.
    pub(super) cleaned: u64,
}

/// Whether more than one in `share` of a keyspace's entries may be dead, so that one run of all would be smaller.
///
/// What a newer run holds in a key range that older ones know nothing of hides nothing, and nor do operands; of what range
/// tombstones hide, whole segments count.
pub(super) fn compaction_pays(keyspace: &Keyspace, share: u64) -> Result<bool> {
    let runs: Vec<_> = keyspace.runs().collect();
    let (mut all, mut dead_max) = (0, 0);
    for (index, run) in runs.iter().enumerate() {
        let older = runs.get(index + 1..).unwrap_or_default();
        for segment in run.segments.iter() {
            let summary = segment.summary();
            all += summary.entries;
            let hides = older.iter().any(|older| {
                let segments = &older.segments;
                let next =
                    segments.partition_point(|s| s.summary().end.is_before(&summary.smallest));
                segments.get(next).is_some_and(|s| !summary.end.is_before(&s.summary().smallest))
            });
            dead_max += summary.tombstones;
            if hides {
                dead_max += summary.entries.saturating_sub(segment.merges()?);
            }
            if let Some(ranges) = segment.ranges()? {
                let older = older.iter().flat_map(|run| run.segments.iter());
                dead_max += hidden_entries(ranges, older);
            }
        }
    }
    let pages: u64 = keyspace.values.values().map(|held| held.live_pages).sum();
    Ok(dead_max > all / share || dead_value_pages(&runs) > pages / share)
}

/// About how many pages of value segments newer runs may have made obsolete: as many as what they refer to
/// themselves has, and for each of their entries as many as one of the older segment has on average.
fn dead_value_pages(runs: &[&Run]) -> u64 {
    let pages =
        |segment: &Segment| segment.summary().referred.iter().map(|(_, pages)| pages).sum::<u64>();
    let mut dead_max = 0;
    for (index, run) in runs.iter().enumerate() {
        for segment in run.segments.iter().filter(|s| !s.summary().referred.is_empty()) {
            let own = pages(segment);
            let newer = runs.iter().take(index).flat_map(|newer| newer.overlapping(segment));
            let hidden = newer.map(|newer| {
                let entries = newer.summary().entries;
                pages(newer) + entries.saturating_mul(own) / segment.summary().entries.max(1)
            });
            dead_max += own.min(hidden.sum());
        }
    }
    dead_max
}

/// Entries of segments that lie whole within `ranges`.
fn hidden_entries<'s>(ranges: &Ranges, segments: impl Iterator<Item = &'s Arc<Segment>>) -> u64 {
    let summaries = segments.map(|segment| segment.summary());
    let hidden = summaries.filter(|summary| ranges.cover_all(&summary.keys()));
    hidden.map(|summary| summary.entries).sum()
}
