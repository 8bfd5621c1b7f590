//! Relocation: segments move to another place of the file, so that its end becomes free and can be cut off.
//!
//! A segment does not depend on its place, so it is copied byte for byte, in bounded steps; then the device is synced and
//! one edit names the new extents (`store::relocate`). Until that edit is in the log the old extents are the segments',
//! and the new ones belong to nobody: a crash, an error or dropping the job gives them back. Snapshots that hold a
//! segment at its old place keep those pages until they go.
//!
//! What moves where: [`evacuate`] takes what lies above a page into holes below, and every move goes down, so it comes
//! to an end; [`clear`] takes what stands around a hole to the end of the file, where all holes are too small.
//!
//! Value segments move in the same way, and [`clean`] moves those that are mostly dead without their dead values. Which
//! those are is found first, by a scan of one version; later versions have no references that it had not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::alive::{AliveScan, alive};
use super::disk::Disk;
use super::error::{Error, Result};
use super::ids::{Extent, KeyspaceId, PAGE_BYTES, SegmentId};
use super::manifest::Version;
use super::segment::Segment;
use super::space::ExtentLease;
use super::value::{HeldValues, Kept, ValueSegment};

/// Bytes that one step copies.
const STEP_BYTES_MAX: u64 = 2 << 20;

/// Where the segments of a job go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Into the lowest free place, which must be below their own.
    Down,
    /// Behind everything else.
    Behind,
    /// Into the lowest free place.
    Anywhere,
}

/// What has an extent of its own and can stand elsewhere.
#[derive(Debug, Clone)]
pub(crate) enum Movable {
    Segment(Arc<Segment>),
    Values(KeyspaceId, HeldValues),
}

/// Everything of `version` that can move. Value segments can once their commit is flushed: until then the log names them.
pub(crate) fn movables(version: &Version) -> impl Iterator<Item = Movable> + '_ {
    let segments = version.keyspaces.values().flat_map(|keyspace| keyspace.segments());
    let values = version.value_segments().filter(|(_, held)| held.commit <= version.flushed);
    let values = values.map(|(keyspace, held)| Movable::Values(keyspace.id, held.clone()));
    segments.map(|segment| Movable::Segment(Arc::clone(segment))).chain(values)
}

impl Movable {
    pub(crate) fn extent(&self) -> Extent {
        match self {
            Movable::Segment(segment) => segment.extent(),
            Movable::Values(_, held) => held.segment.extent(),
        }
    }

    /// Whether `version` has it where it is.
    pub(crate) fn is_in(&self, version: &Version) -> bool {
        match self {
            Movable::Segment(segment) => {
                let keyspace = version.keyspaces.get(&segment.summary().keyspace);
                keyspace.is_some_and(|keyspace| {
                    let smallest = &segment.summary().smallest;
                    keyspace.runs().any(|run| {
                        run.segment_for(smallest).is_some_and(|have| Arc::ptr_eq(have, segment))
                    })
                })
            }
            Movable::Values(keyspace, held) => {
                let keyspace = version.keyspaces.get(keyspace);
                let have = keyspace.and_then(|keyspace| keyspace.values.get(&held.segment.id()));
                have.is_some_and(|have| Arc::ptr_eq(&have.segment, &held.segment))
            }
        }
    }

    /// How it stands at its new place, which `lease` holds; with the pages that are `kept` of a value segment.
    fn at(&self, disk: &Disk, lease: ExtentLease, kept: Kept) -> NewPlace {
        match self {
            // It has the same number, so that cached blocks serve both.
            Movable::Segment(segment) => {
                NewPlace::Segment(disk.segment(segment.summary().clone(), lease))
            }
            Movable::Values(_, held) => {
                NewPlace::Values(disk.value_segment(held.segment.id(), lease, kept))
            }
        }
    }

    /// Where the pages stand that are to be copied.
    fn sources(&self, kept: Option<&Kept>) -> VecDeque<Extent> {
        let extent = self.extent();
        let (Movable::Values(_, held), Some(kept)) = (self, kept) else {
            return VecDeque::from([extent]);
        };
        let stretches = kept.stretches().iter().filter_map(|stretch| {
            let page = held.segment.kept().place(stretch.page, stretch.pages, extent.pages)?;
            Some(Extent { start: extent.start + page, pages: stretch.pages })
        });
        stretches.collect()
    }
}

/// The copy of what was moved.
#[derive(Debug)]
pub(crate) enum NewPlace {
    Segment(Arc<Segment>),
    Values(Arc<ValueSegment>),
}

impl NewPlace {
    fn extent(&self) -> Extent {
        match self {
            NewPlace::Segment(segment) => segment.extent(),
            NewPlace::Values(values) => values.extent(),
        }
    }
}

/// Copies segments to other places.
#[derive(Debug)]
pub(crate) struct RelocationJob {
    disk: Arc<Disk>,
    way: Way,
    /// What is mostly dead, while it is not known yet what of it is alive.
    cleaning: Option<(AliveScan, Vec<(KeyspaceId, HeldValues)>)>,
    /// The next one last; of some value segments only a part.
    waiting: Vec<(Movable, Option<Kept>)>,
    copying: Option<Copying>,
    copied: Vec<Relocated>,
}

#[derive(Debug)]
struct Copying {
    old: Movable,
    kept: Kept,
    /// What is to be copied, in this order.
    sources: VecDeque<Extent>,
    lease: ExtentLease,
    /// Bytes of `lease` that are written.
    bytes: u64,
}

/// A segment as the version has it, and its copy.
#[derive(Debug)]
pub(crate) struct Relocated {
    pub(crate) old: Movable,
    pub(crate) new: NewPlace,
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
    let above = movables(version).filter(|movable| movable.extent().end() > goal);
    let mut waiting: Vec<Movable> = above.filter(|movable| fits(movable.extent())).collect();
    waiting.sort_unstable_by_key(|movable| Reverse(movable.extent().start));
    limit(&mut waiting, pages_max, |movable| movable.extent().pages);
    RelocationJob::new(disk, Way::Down, waiting)
}

/// Moves about `pages_max` pages of segments behind page `from` to the end of the file, so that they leave one hole.
pub(crate) fn clear(
    disk: &Arc<Disk>,
    version: &Version,
    from: u64,
    pages_max: u64,
) -> Option<RelocationJob> {
    let behind = movables(version).filter(|movable| movable.extent().start >= from);
    let mut waiting: Vec<Movable> = behind.collect();
    waiting.sort_unstable_by_key(|movable| movable.extent().start);
    limit(&mut waiting, pages_max, |movable| movable.extent().pages);
    RelocationJob::new(disk, Way::Behind, waiting)
}

/// Copies what is alive of value segments of which more than one page in `share` is dead, about `pages_max` pages of it.
///
/// `None` when there is none.
pub(crate) fn clean(
    disk: &Arc<Disk>,
    version: &Version,
    share: u64,
    pages_max: u64,
) -> Option<RelocationJob> {
    let mut dirty = Vec::new();
    for (keyspace, held) in version.value_segments() {
        let pages = held.segment.extent().pages;
        let dead = pages.saturating_sub(held.live_pages);
        let is_alive = held.live_pages > 0 && held.commit <= version.flushed;
        if is_alive && dead.saturating_mul(share) > pages {
            dirty.push((Reverse(dead), keyspace, held));
        }
    }
    dirty.sort_by_key(|(dead, ..)| *dead);
    limit(&mut dirty, pages_max, |(_, _, held)| held.live_pages);
    let wanted: BTreeSet<SegmentId> = dirty.iter().map(|(_, _, held)| held.segment.id()).collect();
    let keyspaces: BTreeMap<_, _> = dirty.iter().map(|(_, k, _)| (k.id, *k)).collect();
    let segments = keyspaces.values().flat_map(|keyspace| keyspace.segments());
    let scan = AliveScan::new(segments, &wanted);
    let dirty: Vec<_> = dirty.into_iter().map(|(_, k, held)| (k.id, held.clone())).collect();
    (!dirty.is_empty()).then(|| RelocationJob {
        disk: Arc::clone(disk),
        way: Way::Anywhere,
        cleaning: Some((scan, dirty)),
        waiting: Vec::new(),
        copying: None,
        copied: Vec::new(),
    })
}

/// Keeps the first segments, until they have `pages_max` pages.
fn limit<T>(segments: &mut Vec<T>, pages_max: u64, pages_of: impl Fn(&T) -> u64) {
    let mut pages = 0;
    segments.retain(|segment| {
        let kept = pages < pages_max;
        pages += pages_of(segment);
        kept
    });
}

impl RelocationJob {
    fn new(disk: &Arc<Disk>, way: Way, waiting: Vec<Movable>) -> Option<Self> {
        let waiting: Vec<_> = waiting.into_iter().rev().map(|movable| (movable, None)).collect();
        let (disk, copied) = (Arc::clone(disk), Vec::new());
        let job = RelocationJob { disk, way, cleaning: None, waiting, copying: None, copied };
        (!job.waiting.is_empty()).then_some(job)
    }

    /// One bounded step; true when all is copied.
    pub(crate) fn step(&mut self) -> Result<bool> {
        if let Some((scan, _)) = &mut self.cleaning {
            if scan.step()? {
                self.choose()?;
            }
            return Ok(false);
        }
        let Some(copying) = &mut self.copying else {
            let Some((old, kept)) = self.waiting.pop() else { return Ok(true) };
            let Extent { start, pages } = old.extent();
            let pages = kept.as_ref().map_or(pages, Kept::pages);
            let lease = match self.way {
                Way::Down => self.disk.space.allocate_below(pages, start),
                Way::Behind => Some(self.disk.space.allocate_behind(pages)),
                Way::Anywhere => Some(self.disk.space.allocate(pages)),
            };
            let sources = old.sources(kept.as_ref());
            let kept = match (&old, kept) {
                (_, Some(kept)) => kept,
                (Movable::Values(_, held), None) => held.segment.kept().clone(),
                (Movable::Segment(_), None) => Kept::default(),
            };
            // What others took meanwhile is no reason to fail: the segment stays where it is.
            self.copying = lease.map(|lease| Copying { old, kept, sources, lease, bytes: 0 });
            return Ok(false);
        };
        if copying.step(&self.disk)? {
            let Copying { old, kept, lease, .. } =
                self.copying.take().expect("invariant: it was just stepped");
            let new = old.at(&self.disk, lease, kept);
            self.copied.push(Relocated { old, new });
        }
        Ok(false)
    }

    /// Decides what is to be copied of value segments, when it is known what of them is alive.
    fn choose(&mut self) -> Result<()> {
        let Some((scan, dirty)) = self.cleaning.take() else { return Ok(()) };
        let references = scan.finish()?;
        for (keyspace, held) in dirty {
            let of = references.get(&held.segment.id()).map(|found| &found[..]);
            let kept = alive(&held, of.unwrap_or_default())?;
            self.waiting.push((Movable::Values(keyspace, held), Some(kept)));
        }
        Ok(())
    }

    /// Bytes that are copied, and those of all that is known to be copied.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let copied: u64 = self.copied.iter().map(|relocated| relocated.new.extent().bytes()).sum();
        let (copying, being_copied) =
            self.copying.as_ref().map_or((0, 0), |c| (c.bytes, c.lease.extent().bytes()));
        let waiting = self.waiting.iter().map(|(movable, kept)| {
            kept.as_ref().map_or(movable.extent().bytes(), |kept| kept.pages() * PAGE_BYTES)
        });
        (copied + copying, copied + being_copied + waiting.sum::<u64>())
    }

    pub(crate) fn finish(self) -> Vec<Relocated> {
        self.copied
    }
}

impl Copying {
    /// Copies a piece; true when it was the last one.
    fn step(&mut self, disk: &Disk) -> Result<bool> {
        let Some(from) = self.sources.front_mut() else { return Ok(true) };
        let piece = from.pages.min(STEP_BYTES_MAX / PAGE_BYTES);
        let piece = Extent { start: from.start, pages: piece };
        from.start += piece.pages;
        from.pages -= piece.pages;
        if from.pages == 0 {
            self.sources.pop_front();
        }
        let mut buffer = vec![0; usize::try_from(piece.bytes()).unwrap_or_default()];
        let target = self.lease.extent().offset() + self.bytes;
        disk.storage
            .read_at(piece.offset(), &mut buffer)
            .and_then(|()| disk.storage.write_bulk(target, &buffer))
            .map_err(|error| {
                let (from, to) = (self.old.extent(), self.lease.extent());
                Error::io(format!("moving a segment from {from} to {to}"), error)
            })?;
        self.bytes += piece.bytes();
        Ok(self.sources.is_empty())
    }
}
