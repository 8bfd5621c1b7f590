//! Who owns which pages of the file.
//!
//! Free space is what nothing uses: it is rebuilt when the store opens, from the manifest, and never stored,
//! so it cannot leak. Pages are handed out as an [`ExtentLease`] whose drop gives them back. Allocation is
//! lowest address first, so that the end of the file becomes free and can be cut off.
//!
//! Invariants
//! * every page of `[0, end)` is in exactly one of: leased, deferred, free; neighbours in `free` are joined;
//! * an extent that a root may reach is not reused before both root slots were written anew: it is
//!   *deferred* until the checkpoint after next is durable. One that no root ever named is free at once.
//!
//! Cost: O(log n) to give back, O(free extents) to allocate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{Error, Result};
use super::ids::{Extent, PAGE_BYTES};

/// The page allocator of a store.
#[derive(Debug)]
pub(crate) struct Space {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// First page behind everything that is in use or free: the file ends here or earlier.
    end: u64,
    /// Generation of the newest durable checkpoint.
    generation: u64,
    free: BTreeMap<u64, u64>,
    leased: BTreeMap<u64, u64>,
    /// Extents to be freed when the generation that stands beside them is durable.
    deferred: Vec<(u64, Extent)>,
}

/// Pages in use; dropping the lease gives them back.
#[derive(Debug)]
pub(crate) struct ExtentLease {
    extent: Extent,
    space: Arc<Space>,
    published: AtomicBool,
}

impl ExtentLease {
    pub(crate) fn extent(&self) -> Extent {
        self.extent
    }

    /// Notes that a root or a log record may name the extent, so that it must outlive both roots.
    pub(crate) fn publish(&self) {
        self.published.store(true, Ordering::Release);
    }

    /// Notes that no root names the extent any more: its pages are free when the lease is dropped.
    pub(crate) fn forget_roots(&self) {
        self.published.store(false, Ordering::Release);
    }

    /// Gives back all pages but the first `pages`.
    pub(crate) fn shrink_to(&mut self, pages: u64) {
        if pages < self.extent.pages {
            let tail =
                Extent { start: self.extent.start + pages, pages: self.extent.pages - pages };
            self.extent.pages = pages;
            let mut state = self.space.lock();
            state.leased.insert(self.extent.start, pages);
            state.free(tail);
        }
    }
}

impl Drop for ExtentLease {
    fn drop(&mut self) {
        let mut state = self.space.lock();
        state.leased.remove(&self.extent.start);
        if self.published.load(Ordering::Acquire) {
            let usable_at = state.generation + 2;
            state.deferred.push((usable_at, self.extent));
        } else {
            state.free(self.extent);
        }
    }
}

impl Space {
    /// The space of a file of which everything is free but the first `reserved_pages`.
    pub(crate) fn new(reserved: &[Extent], file_pages: u64, generation: u64) -> Arc<Self> {
        let reserved_end = reserved.iter().map(|extent| extent.end()).max().unwrap_or_default();
        let end = file_pages.max(reserved_end);
        let mut state = State { end, generation, ..State::default() };
        state.free.insert(0, end);
        for &extent in reserved {
            state.claim(extent);
            state.leased.insert(extent.start, extent.pages);
        }
        Arc::new(Space { state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lowest free pages, growing the file if none suffice.
    pub(crate) fn allocate(self: &Arc<Self>, pages: u64) -> ExtentLease {
        self.allocate_between(pages, pages)
    }

    /// Takes the lowest free extent of at least `pages_min` pages, and of that at most `pages` pages.
    ///
    /// For what can adapt to the gaps that others left.
    pub(crate) fn allocate_between(self: &Arc<Self>, pages_min: u64, pages: u64) -> ExtentLease {
        let mut state = self.lock();
        let mut pages = pages;
        let found = state.free.iter().find(|&(_, &len)| len >= pages_min);
        let inside = found.map(|(&start, &len)| (start, len)).filter(|&(start, len)| {
            // The free tail of the file can grow to what is wanted.
            len >= pages || start + len < state.end
        });
        let start = inside.map(|(start, len)| {
            pages = pages.min(len);
            start
        });
        let start = start.unwrap_or_else(|| {
            let last = state.free.last_key_value().map(|(&start, &len)| (start, len));
            match last {
                // A free tail is used and grown rather than left behind.
                Some((start, len)) if start + len == state.end => {
                    state.end = start + pages;
                    state.free.insert(start, pages);
                    start
                }
                _ => {
                    let start = state.end;
                    state.end += pages;
                    state.free.insert(start, pages);
                    start
                }
            }
        });
        let extent = Extent { start, pages };
        state.claim(extent);
        state.leased.insert(start, pages);
        drop(state);
        self.lease(extent, false)
    }

    /// Takes exactly `extent`, which a root or the log named.
    ///
    /// # Errors
    /// Corruption when a part of it is in use already: two owners were recorded for one page.
    pub(crate) fn adopt(self: &Arc<Self>, extent: Extent) -> Result<ExtentLease> {
        let mut state = self.lock();
        if !state.claim_checked(extent) {
            return Err(Error::corruption(
                format!("{extent} is used twice or lies behind the end of the file"),
                extent.start.saturating_mul(PAGE_BYTES),
            ));
        }
        state.leased.insert(extent.start, extent.pages);
        drop(state);
        Ok(self.lease(extent, true))
    }

    fn lease(self: &Arc<Self>, extent: Extent, published: bool) -> ExtentLease {
        ExtentLease { extent, space: Arc::clone(self), published: AtomicBool::new(published) }
    }

    /// Holds back all free pages until `generation` is durable: a root that was not read may name them.
    pub(crate) fn defer_free_until(&self, generation: u64) {
        let mut state = self.lock();
        let free = std::mem::take(&mut state.free);
        state
            .deferred
            .extend(free.into_iter().map(|(start, pages)| (generation, Extent { start, pages })));
    }

    /// A checkpoint became durable: what waited for it is free. Returns the pages that the file needs.
    pub(crate) fn checkpoint_durable(&self, generation: u64) -> u64 {
        let mut state = self.lock();
        state.generation = generation;
        let deferred = std::mem::take(&mut state.deferred);
        for (usable_at, extent) in deferred {
            if usable_at <= generation {
                state.free(extent);
            } else {
                state.deferred.push((usable_at, extent));
            }
        }
        if let Some((start, pages)) = state.free.pop_last() {
            if start + pages == state.end {
                state.end = start;
            } else {
                state.free.insert(start, pages);
            }
        }
        state.end
    }

    /// Whether `pages` free ones stand together before `page`.
    pub(crate) fn fits_before(&self, pages: u64, page: u64) -> bool {
        self.lock().free.range(..page).any(|(_, &len)| len >= pages)
    }

    /// Generation of the newest durable checkpoint.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Pages that wait for a checkpoint before they are free.
    pub(crate) fn deferred_pages(&self) -> u64 {
        self.lock().deferred.iter().map(|(_, extent)| extent.pages).sum()
    }

    /// Pages behind which nothing is in use.
    pub(crate) fn end(&self) -> u64 {
        self.lock().end
    }

    /// Pages in (leased, deferred, free) extents, after proving that they tile the file.
    ///
    /// # Errors
    /// Corruption when two extents overlap or a page belongs to none.
    pub(crate) fn check(&self) -> Result<SpaceUse> {
        let state = self.lock();
        let mut all: Vec<Extent> = [&state.leased, &state.free]
            .into_iter()
            .flatten()
            .map(|(&start, &pages)| Extent { start, pages })
            .chain(state.deferred.iter().map(|&(_, extent)| extent))
            .collect();
        all.sort_unstable();
        let mut page = 0;
        for extent in all {
            if extent.start != page {
                let what = format!("page map: {extent} should start at page {page}");
                return Err(Error::corruption(what, extent.offset()));
            }
            page = extent.end();
        }
        if page != state.end {
            let what = format!("page map: ends at page {page} of {}", state.end);
            return Err(Error::corruption(what, page));
        }
        Ok(SpaceUse {
            leased: state.leased.iter().map(|(&start, &pages)| Extent { start, pages }).collect(),
            deferred_pages: state.deferred.iter().map(|(_, extent)| extent.pages).sum(),
            free_pages: state.free.values().sum(),
            pages: state.end,
        })
    }
}

/// What the pages of a file are used for.
#[derive(Debug)]
pub(crate) struct SpaceUse {
    /// Every extent that something in memory owns, ascending.
    pub(crate) leased: Vec<Extent>,
    pub(crate) deferred_pages: u64,
    pub(crate) free_pages: u64,
    pub(crate) pages: u64,
}

impl State {
    fn free(&mut self, extent: Extent) {
        let mut joined = extent;
        if let Some((&start, &pages)) = self.free.range(..extent.start).next_back()
            && start + pages == extent.start
        {
            self.free.remove(&start);
            joined = Extent { start, pages: pages + joined.pages };
        }
        if let Some(pages) = self.free.remove(&joined.end()) {
            joined.pages += pages;
        }
        self.free.insert(joined.start, joined.pages);
    }

    fn claim(&mut self, extent: Extent) {
        let free = self.claim_checked(extent);
        assert!(free, "invariant: pages are handed out from free extents only");
    }

    fn claim_checked(&mut self, extent: Extent) -> bool {
        let around =
            self.free.range(..=extent.start).next_back().map(|(&start, &len)| (start, len));
        let Some((start, len)) = around else { return false };
        let end = extent.start.checked_add(extent.pages);
        if end.is_none_or(|end| end > start + len) || extent.pages == 0 {
            return false;
        }
        self.free.remove(&start);
        if start < extent.start {
            self.free.insert(start, extent.start - start);
        }
        if extent.end() < start + len {
            self.free.insert(extent.end(), start + len - extent.end());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_tile_the_file_and_the_lowest_fit_is_taken() {
        let space = Space::new(&[Extent { start: 0, pages: 2 }], 2, 1);
        let mut rng = fastrand::Rng::with_seed(11);
        let mut leases = Vec::new();
        let mut generation = 1;
        for _ in 0..5_000 {
            match rng.u32(0..10) {
                0..5 => {
                    let pages = rng.u64(1..9);
                    let lowest = (0..space.end()).find(|&page| {
                        let state = space.lock();
                        let around = state.free.range(..=page).next_back();
                        around.is_some_and(|(&start, &len)| page + pages <= start + len)
                    });
                    let lease = space.allocate(pages);
                    if let Some(lowest) = lowest {
                        assert_eq!(lease.extent().start, lowest);
                    }
                    if rng.bool() {
                        lease.publish();
                    }
                    leases.push(lease);
                }
                5..9 if !leases.is_empty() => {
                    let mut lease: ExtentLease = leases.swap_remove(rng.usize(..leases.len()));
                    if rng.bool() {
                        lease.shrink_to(lease.extent().pages.div_ceil(2));
                    }
                }
                _ => {
                    generation += 1;
                    space.checkpoint_durable(generation);
                }
            }
            let used = space.check().unwrap();
            let leased: u64 = leases.iter().map(|lease| lease.extent().pages).sum();
            assert_eq!(leased + 2, used.leased.iter().map(|extent| extent.pages).sum::<u64>());
        }
        leases.clear();
        space.checkpoint_durable(generation + 1);
        assert_eq!(
            space.checkpoint_durable(generation + 2),
            2,
            "everything behind the roots is cut"
        );
    }

    #[test]
    fn a_published_extent_is_not_reused_before_both_roots_were_written_anew() {
        let space = Space::new(&[Extent { start: 0, pages: 1 }], 1, 7);
        let lease = space.allocate(1);
        lease.publish();
        drop(lease);
        assert_eq!(space.allocate(1).extent().start, 2);
        space.checkpoint_durable(8);
        assert_eq!(space.allocate(1).extent().start, 2);
        space.checkpoint_durable(9);
        assert_eq!(space.allocate(1).extent().start, 1);
    }

    #[test]
    fn who_can_adapt_takes_a_smaller_gap_but_lets_the_tail_grow() {
        let space = Space::new(&[Extent { start: 0, pages: 1 }], 1, 1);
        let gap = space.allocate(8);
        let _behind = space.allocate(1);
        drop(gap);
        let small = space.allocate_between(5, 10);
        assert_eq!(small.extent(), Extent { start: 1, pages: 8 });
        drop(space.allocate(6));
        let tail = space.allocate_between(5, 10);
        assert_eq!(tail.extent(), Extent { start: 10, pages: 10 });
        space.check().unwrap();
    }

    #[test]
    fn two_owners_of_one_page_are_a_corruption() {
        let space = Space::new(&[], 10, 1);
        let _first = space.adopt(Extent { start: 2, pages: 4 }).unwrap();
        assert!(space.adopt(Extent { start: 5, pages: 1 }).is_err());
        assert!(space.adopt(Extent { start: 8, pages: 3 }).is_err());
        assert!(space.adopt(Extent { start: u64::MAX, pages: 2 }).is_err());
    }
}
