//! Relocation: segments move to another place of the file, so that its end becomes free and can be cut off.
//!
//! A segment does not depend on its place, so it is copied byte for byte, in bounded steps; then the device is synced and
//! one edit names the new extents (`store::relocate`). Until that edit is in the log the old extents are the segments',
//! and the new ones belong to nobody: a crash, an error or dropping the job gives them back. Snapshots that hold a
//! segment at its old place keep those pages until they go.
//!
//! What moves where: [`evacuate`] takes what lies above a page into holes below, and every move goes down, so it comes
//! to an end; [`clear`] takes what stands around a hole to the end of the file, where all holes are too small.

use std::sync::Arc;

use super::disk::Disk;
use super::error::{Error, Result};
use super::ids::Extent;
use super::manifest::Version;
use super::segment::Segment;
use super::space::ExtentLease;

/// Bytes that one step copies.
const STEP_BYTES_MAX: u64 = 2 << 20;

/// Where the segments of a job go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Into the lowest free place, which must be below their own.
    Down,
    /// Behind everything else.
    Behind,
}

/// Copies segments to other places.
#[derive(Debug)]
pub(crate) struct RelocationJob {
    disk: Arc<Disk>,
    way: Way,
    /// The next one last.
    waiting: Vec<Arc<Segment>>,
    copying: Option<Copying>,
    copied: Vec<Relocated>,
}

#[derive(Debug)]
struct Copying {
    segment: Arc<Segment>,
    lease: ExtentLease,
    bytes: u64,
}

/// A segment as the version has it, and its copy.
#[derive(Debug)]
pub(crate) struct Relocated {
    pub(crate) old: Arc<Segment>,
    pub(crate) new: Arc<Segment>,
}

/// Moves what ends behind page `goal` into holes below, the highest first, about `pages_max` pages of it.
///
/// `None` when nothing fits.
pub(crate) fn evacuate(
    disk: &Arc<Disk>,
    version: &Version,
    goal: u64,
    pages_max: u64,
) -> Option<RelocationJob> {
    let fits = |extent: Extent| {
        let lowest = disk.space.lowest(extent.pages);
        lowest.is_some_and(|found| found.start + extent.pages <= extent.start)
    };
    let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
    let above = segments.filter(|segment| segment.extent().end() > goal);
    let mut waiting: Vec<Arc<Segment>> =
        above.filter(|segment| fits(segment.extent())).cloned().collect();
    waiting.sort_unstable_by_key(|segment| std::cmp::Reverse(segment.extent().start));
    limit(&mut waiting, pages_max);
    RelocationJob::new(disk, Way::Down, waiting)
}

/// Moves about `pages_max` pages of segments behind page `from` to the end of the file, so that they leave one hole.
pub(crate) fn clear(
    disk: &Arc<Disk>,
    version: &Version,
    from: u64,
    pages_max: u64,
) -> Option<RelocationJob> {
    let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
    let mut waiting: Vec<Arc<Segment>> =
        segments.filter(|segment| segment.extent().start >= from).cloned().collect();
    waiting.sort_unstable_by_key(|segment| segment.extent().start);
    limit(&mut waiting, pages_max);
    RelocationJob::new(disk, Way::Behind, waiting)
}

/// Keeps the first segments, until they have `pages_max` pages.
fn limit(segments: &mut Vec<Arc<Segment>>, pages_max: u64) {
    let mut pages = 0;
    segments.retain(|segment| {
        let kept = pages < pages_max;
        pages += segment.extent().pages;
        kept
    });
}

impl RelocationJob {
    fn new(disk: &Arc<Disk>, way: Way, mut waiting: Vec<Arc<Segment>>) -> Option<Self> {
        waiting.reverse();
        let disk = Arc::clone(disk);
        let job = RelocationJob { disk, way, waiting, copying: None, copied: Vec::new() };
        (!job.waiting.is_empty()).then_some(job)
    }

    /// One bounded step; true when all is copied.
    pub(crate) fn step(&mut self) -> Result<bool> {
        let Some(copying) = &mut self.copying else {
            let Some(segment) = self.waiting.pop() else { return Ok(true) };
            let Extent { start, pages } = segment.extent();
            let lease = match self.way {
                Way::Down => self.disk.space.allocate_below(pages, start),
                Way::Behind => Some(self.disk.space.allocate_behind(pages)),
            };
            // What others took meanwhile is no reason to fail: the segment stays where it is.
            self.copying = lease.map(|lease| Copying { segment, lease, bytes: 0 });
            return Ok(false);
        };
        if copying.step(&self.disk)? {
            let Copying { segment: old, lease, .. } =
                self.copying.take().expect("invariant: it was just stepped");
            // It has the same number, so that cached blocks serve both.
            let new = self.disk.segment(old.summary().clone(), lease);
            self.copied.push(Relocated { old, new });
        }
        Ok(false)
    }

    pub(crate) fn finish(self) -> Vec<Relocated> {
        self.copied
    }
}

impl Copying {
    /// Copies a piece; true when it was the last one.
    fn step(&mut self, disk: &Disk) -> Result<bool> {
        let from = self.segment.extent();
        let piece = (from.bytes() - self.bytes).min(STEP_BYTES_MAX);
        let mut buffer = vec![0; usize::try_from(piece).unwrap_or_default()];
        let (source, target) =
            (from.offset() + self.bytes, self.lease.extent().offset() + self.bytes);
        disk.storage
            .read_at(source, &mut buffer)
            .and_then(|()| disk.storage.write_bulk(target, &buffer))
            .map_err(|error| {
                let to = self.lease.extent();
                Error::io(format!("moving {} to {to}", self.segment), error)
            })?;
        self.bytes += piece;
        Ok(self.bytes == from.bytes())
    }
}
