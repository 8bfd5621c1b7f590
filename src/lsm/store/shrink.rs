//! `shrink`: makes the file as small as its live data, by moving segments; only keyspaces with dead entries are rewritten. And
//! `trim`, which a close does: the moves alone, when much of the file is free.
//!
//! Rounds of moves and checkpoints, because what a move leaves is free two checkpoints later. Each round moves what lies
//! above the live size into holes below. When every hole is too small for what is above, a stretch of segments behind
//! the lowest hole is taken to the end of the file first, which joins the holes of that stretch; the stretches ascend, so
//! this comes to an end too. Commits and reads go on meanwhile; snapshots pin what they hold. `trim` only moves what stands above
//! the size that the file shall have into holes below, so it copies about as much as the file gets shorter, and never more than it
//! may.

use super::checkpoint::Checkpoint;
use super::core::{Core, lock};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::PAGE_BYTES;
use crate::lsm::manifest::Version;
use crate::lsm::relocation::{RelocationJob, clean, clear, evacuate, movables};
use crate::lsm::root::{NEW_FILE_PAGES, RESERVED};
use crate::lsm::space::Fill;
use crate::lsm::stats::{Progress, ShrinkReport};
use crate::lsm::wal::FIRST_EXTENT_PAGES;

use super::maintenance::{CLEANED_PAGES_MAX, Moved, compaction_pays};

/// Pages that the roots and the descriptor occupy.
const RESERVED_PAGES: u64 = RESERVED.len() as u64;
/// Pages between the two roots, which a manifest fits into, but hardly anything else.
const BETWEEN_ROOTS_PAGES: u64 = NEW_FILE_PAGES - FIRST_EXTENT_PAGES - RESERVED_PAGES;

/// Free pages below which a close does not trim the file.
const TRIMMED_PAGES_MIN: u64 = (1 << 20) / PAGE_BYTES;

impl Core {
    /// Moves, checkpoints and cuts until the file is at most a twentieth larger than what is in it, or nothing helps.
    pub(super) fn shrink(&self) -> Result<ShrinkReport> {
        let file_bytes_before = self.file_bytes()?;
        self.flush()?;
        self.compact_dead()?;
        // What the background may be moving, it would move again.
        lock(&self.maintenance).relocation = None;
        let mut total = Moved::default();
        self.clean_values(&mut total)?;
        let mut from = NEW_FILE_PAGES;
        let mut has_log_moved = false;
        let live_pages = loop {
            self.settle(false)?;
            let version = self.version.load_full();
            let live_pages = self.live_pages(&version)?;
            let end = self.disk.space.end();
            if end <= live_pages + live_pages / 20 {
                break live_pages;
            }
            if let Some(job) = evacuate(&self.disk, &version, live_pages, u64::MAX) {
                self.relocate(job, &mut total, &mut |_| {})?;
                continue;
            }
            // What was taken to the end of the file would stay there while readers hold the place it came from.
            if end <= live_pages + BETWEEN_ROOTS_PAGES || self.disk.space.held_pages() > 0 {
                break live_pages;
            }
            let Some(hole) = self.disk.space.first_free(from) else { break live_pages };
            from = hole.end();
            let pages_max = (live_pages / 8).max(2 * largest(&version));
            match clear(&self.disk, &version, from, pages_max) {
                Some(job) => self.relocate(job, &mut total, &mut |_| {})?,
                // It comes back when all is settled, since what it leaves is larger than itself.
                None if !has_log_moved && self.log_begins_at(from)? => {
                    has_log_moved = true;
                    self.settle_in_small_log(false)?;
                }
                None => break live_pages,
            }
        };
        self.punch_holes(&mut lock(&self.maintenance))?;
        Ok(ShrinkReport {
            file_bytes_before,
            file_bytes: self.file_bytes()?,
            live_bytes: live_pages * PAGE_BYTES,
            segments_moved: total.segments,
            bytes_moved: total.bytes,
        })
    }

    /// Whether the log is what stands behind a hole that ends at this page.
    fn log_begins_at(&self, page: u64) -> Result<bool> {
        Ok(self.writer()?.log.extents().map(|extent| extent.start).min() == Some(page))
    }

    pub(super) fn file_bytes(&self) -> Result<u64> {
        let len = self.disk.storage.len_bytes();
        len.map_err(|source| Error::io("reading the file's length", source))
    }

    /// Moves what stands at the end of the file into holes and cuts it, if more than an eighth of it is free; about `pages_max` pages
    /// are copied at most, and nothing is compacted.
    pub(super) fn trim(&self, pages_max: u64, progress: &mut dyn FnMut(Progress)) -> Result<Moved> {
        let mut total = Moved::default();
        // What was moved away would stay there while readers hold the place that it came from.
        let is_read = self.disk.space.held_pages() > 0 || self.oldest_lease().is_some();
        if is_read || !trimming_pays(&self.disk.space.fill()) {
            return Ok(total);
        }
        self.settle(false)?;
        // Most of what was free may have stood at the end, and is cut.
        if !trimming_pays(&self.disk.space.fill()) {
            return Ok(total);
        }
        loop {
            let fill = self.disk.space.fill();
            let used = fill.end - fill.free_pages - fill.deferred_pages;
            let goal = used + used / 20;
            let pages_left = pages_max.saturating_sub(total.bytes / PAGE_BYTES);
            if fill.end <= goal || pages_left == 0 {
                break;
            }
            let version = self.version.load_full();
            let Some(job) = evacuate(&self.disk, &version, goal, pages_left) else { break };
            let before = total.segments;
            self.relocate(job, &mut total, progress)?;
            if total.segments == before {
                break;
            }
            self.settle(false)?;
        }
        self.punch_holes(&mut lock(&self.maintenance))?;
        Ok(total)
    }

    /// Compacts the keyspaces in which enough may be dead to matter here.
    fn compact_dead(&self) -> Result<()> {
        let version = self.version.load_full();
        for keyspace in version.keyspaces.values() {
            if compaction_pays(keyspace, 40)? {
                self.await_request(self.request(keyspace.id))?;
            }
        }
        Ok(())
    }

    /// Copies value segments of which enough is dead to matter here, some at a time.
    fn clean_values(&self, total: &mut Moved) -> Result<()> {
        while let Some(job) = clean(&self.disk, &self.version.load_full(), 40, CLEANED_PAGES_MAX) {
            let before = total.segments;
            self.relocate(job, total, &mut |_| {})?;
            if total.segments == before {
                break;
            }
            self.checkpoint(Checkpoint::Plain)?;
        }
        Ok(())
    }

    /// Does a whole job, while background work goes on.
    fn relocate(
        &self,
        mut job: RelocationJob,
        total: &mut Moved,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        loop {
            let (done, all) = job.progress();
            progress(Progress { done_bytes: total.bytes + done, total_bytes: total.bytes + all });
            if job.step()? {
                let moved = self.install_relocated(job.finish())?;
                self.count_relocated(&moved);
                total.segments += moved.segments;
                total.bytes += moved.bytes;
                total.cleaned += moved.cleaned;
                return Ok(());
            }
        }
    }

    /// Pages that a file with nothing but `version` would have.
    pub(super) fn live_pages(&self, version: &Version) -> Result<u64> {
        let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
        let segments: u64 = segments.map(|segment| segment.extent().pages).sum();
        let values: u64 = version.value_segments().map(|(_, v)| v.segment.extent().pages).sum();
        let manifest = self.writer()?.root.manifest.pages;
        // Each of the two roots has a manifest of its own.
        Ok((RESERVED_PAGES + FIRST_EXTENT_PAGES + 2 * manifest + segments + values)
            .max(NEW_FILE_PAGES))
    }
}

/// Whether so much is free that a close moves segments for it: more than an eighth of the file, and at least a megabyte.
pub(super) fn trimming_pays(fill: &Fill) -> bool {
    let unused = fill.free_pages + fill.deferred_pages;
    unused >= TRIMMED_PAGES_MIN && unused > fill.end / 8
}

/// Pages of the largest segment.
fn largest(version: &Version) -> u64 {
    movables(version).map(|movable| movable.extent().pages).max().unwrap_or_default()
}
