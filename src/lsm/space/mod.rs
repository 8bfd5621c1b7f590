//! Who owns which pages of the file.
//!
//! Free space is what nothing uses: it is rebuilt when the store opens, from the manifest, and never stored,
//! so it cannot leak. Pages are handed out as an [`ExtentLease`] whose drop gives them back. Allocation is
//! lowest address first, so that the end of the file becomes free and can be cut off.
//!
//! Invariants
//! * every page of `[0, end)` is in exactly one of: leased, deferred, free;
//! * an extent that a root may reach is not reused before both root slots were written anew and no reader in another
//!   process looks at so old a root: given back while root *f* was the newest, it is *deferred* until root *f + 2* is
//!   durable, and then *held* while there is a lease of *f* or an older one. One that no root ever named is free at once;
//! * free pages that the device took back (*punched*) are free pages. Which they are is known in memory only: after an
//!   opening none is known to be.
//!
//! Cost: O(log n) to allocate and to give back, however many free extents there are (`free`).

mod free;

#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use self::free::FreeExtents;
use super::error::{Error, Result};
use super::ids::{Extent, PAGE_BYTES};
use super::sync::{AtomicBool, Mutex, MutexGuard};

/// Smallest free extent that is worth a hole, in a file that is large enough.
const PUNCH_PAGES_MIN: u64 = (1 << 20) / PAGE_BYTES;
/// Free pages below this share of the file keep their place on the device, for reuse.
const PUNCH_FREE_SHARE: u64 = 10;
/// Holes that are punched at a time.
const PUNCH_EXTENTS_MAX: usize = 64;

/// The page allocator of a store.
#[derive(Debug)]
pub(crate) struct Space {
    state: Mutex<State>,
}

/// What keeps a root's pages as they are, see `Storage::lease`.
pub(crate) type RootLease = Arc<dyn Any + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    /// First page behind everything that is in use or free: the file ends here or earlier.
    end: u64,
    /// Generation of the newest checkpoint that is durable or being written.
    generation: u64,
    /// Generation of the newest checkpoint that is durable.
    durable: u64,
    /// The oldest generation that a reader elsewhere looks at, when that was last asked.
    oldest_lease: Option<u64>,
    /// The space is a reader's own: nothing is ever written.
    only_read: bool,
    /// In a reader's space, what keeps what is adopted as it is, if anything has to.
    root_lease: Option<RootLease>,
    free: FreeExtents,
    /// Those of `free` that take no room on the device.
    punched: FreeExtents,
    leased: BTreeMap<u64, u64>,
    /// Extents to be freed when the generation that stands beside them is durable and no reader needs them.
    deferred: Vec<(u64, Extent)>,
    deferred_pages: u64,
    /// Of those, the ones that wait for readers only.
    held_pages: u64,
}

/// Pages in use; dropping the lease gives them back.
#[derive(Debug)]
pub(crate) struct ExtentLease {
    extent: Extent,
    space: Arc<Space>,
    published: AtomicBool,
    /// In a reader's space, what keeps the extent as it is: that of the newest root that is known to reach it.
    root: Mutex<Option<RootLease>>,
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

    /// Takes the pages behind its own too, until there are `pages`, if those are free or the file ends there.
    ///
    /// For what does not know how long it will be.
    pub(crate) fn grow_to(&mut self, pages: u64) -> bool {
        let Some(more) = pages.checked_sub(self.extent.pages).filter(|&more| more > 0) else {
            return true;
        };
        let behind = Extent { start: self.extent.end(), pages: more };
        let mut state = self.space.lock();
        let tail = state.free.last().filter(|last| last.end() == state.end);
        if tail.map_or(state.end, |tail| tail.start) == behind.start {
            state.grow(more);
        } else if state.free.pages_within(behind) < more {
            return false;
        }
        state.claim(behind);
        state.leased.insert(self.extent.start, pages);
        self.extent.pages = pages;
        true
    }

    /// In a reader's space: the root that is read now reaches the extent, too.
    pub(crate) fn renew(&self) {
        let newest = self.space.lock().root_lease.clone();
        let before = {
            let mut root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *root, newest)
        };
        // The last one tells the system.
        drop(before);
    }

    /// Gives back all pages but the first `pages`.
    pub(crate) fn shrink_to(&mut self, pages: u64) {
        if pages < self.extent.pages {
            let tail =
                Extent { start: self.extent.start + pages, pages: self.extent.pages - pages };
            self.extent.pages = pages;
            let mut state = self.space.lock();
            state.leased.insert(self.extent.start, pages);
            state.free.add(tail);
        }
    }
}

impl Drop for ExtentLease {
    fn drop(&mut self) {
        let mut state = self.space.lock();
        state.leased.remove(&self.extent.start);
        if self.published.load(Ordering::Acquire) && !state.only_read {
            let usable_at = state.generation + 2;
            state.defer(usable_at, self.extent);
        } else {
            state.free.add(self.extent);
        }
    }
}

impl Space {
    /// The space of a file of which everything is free but the first `reserved_pages`.
    pub(crate) fn new(reserved: &[Extent], file_pages: u64, generation: u64) -> Arc<Self> {
        let reserved_end = reserved.iter().map(|extent| extent.end()).max().unwrap_or_default();
        let end = file_pages.max(reserved_end);
        let mut state = State { end, generation, durable: generation, ..State::default() };
        if end > 0 {
            state.free.add(Extent { start: 0, pages: end });
        }
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
        // The free tail of the file can grow to what is wanted.
        let found = state.free.lowest(pages_min);
        let found = found.filter(|found| found.pages >= pages || found.end() < state.end);
        let extent = match found {
            Some(found) => Extent { start: found.start, pages: pages.min(found.pages) },
            None => state.grow(pages),
        };
        self.hand_out(state, extent)
    }

    /// Takes the lowest free pages, if they end at page `limit` or before.
    ///
    /// For what has a place already and shall get a lower one.
    pub(crate) fn allocate_below(self: &Arc<Self>, pages: u64, limit: u64) -> Option<ExtentLease> {
        let state = self.lock();
        let found = state.free.lowest(pages)?;
        let extent = Extent { start: found.start, pages };
        (extent.end() <= limit).then(|| self.hand_out(state, extent))
    }

    /// Takes pages behind everything that is in use, growing the file.
    ///
    /// For what has to make room.
    pub(crate) fn allocate_behind(self: &Arc<Self>, pages: u64) -> ExtentLease {
        let mut state = self.lock();
        let extent = state.grow(pages);
        self.hand_out(state, extent)
    }

    /// Leases free pages.
    fn hand_out(self: &Arc<Self>, mut state: MutexGuard<'_, State>, extent: Extent) -> ExtentLease {
        state.claim(extent);
        state.leased.insert(extent.start, extent.pages);
        drop(state);
        self.lease(extent, false)
    }

    /// Takes exactly `extent`, which a root or the log named.
    ///
    /// # Errors
    /// Corruption when a part of it is in use already: two owners were recorded for one page.
    pub(crate) fn adopt(self: &Arc<Self>, extent: Extent) -> Result<ExtentLease> {
        let mut state = self.lock();
        if !state.free.take(extent) {
            return Err(Error::corruption(
                format!("{extent} is used twice or lies behind the end of the file"),
                extent.start.saturating_mul(PAGE_BYTES),
            ));
        }
        state.leased.insert(extent.start, extent.pages);
        drop(state);
        let lease = self.lease(extent, true);
        lease.renew();
        Ok(lease)
    }

    fn lease(self: &Arc<Self>, extent: Extent, published: bool) -> ExtentLease {
        let (published, root) = (AtomicBool::new(published), Mutex::default());
        ExtentLease { extent, space: Arc::clone(self), published, root }
    }

    /// Makes this the space of a reader, whose root `lease` keeps what is adopted from now on as it is, if anything has to.
    pub(crate) fn read_under(&self, lease: Option<RootLease>) {
        let before = {
            let mut state = self.lock();
            state.only_read = true;
            std::mem::replace(&mut state.root_lease, lease)
        };
        drop(before);
    }

    /// Adds the pages up to `pages`, if there are fewer: somebody made the file longer.
    pub(crate) fn cover(&self, pages: u64) {
        let mut state = self.lock();
        if pages > state.end {
            let start = state.end;
            state.free.add(Extent { start, pages: pages - start });
            state.end = pages;
        }
    }

    /// Holds back all free pages until `generation` is durable: a root that was not read may name them.
    pub(crate) fn defer_free_until(&self, generation: u64) {
        let mut state = self.lock();
        for extent in state.free.clear() {
            state.defer(generation, extent);
        }
        state.punched.clear();
    }

    /// A checkpoint is about to be written: what is given back from now on may be named by its root.
    pub(crate) fn begin_checkpoint(&self, generation: u64) {
        self.lock().generation = generation;
    }

    /// A checkpoint became durable, and then the oldest generation that readers elsewhere look at was `oldest_lease`:
    /// what waited for it is free. Returns the pages that the file needs now.
    pub(crate) fn checkpoint_durable(&self, generation: u64, oldest_lease: Option<u64>) -> u64 {
        let mut state = self.lock();
        state.generation = generation;
        state.durable = generation;
        state.oldest_lease = oldest_lease;
        state.release();
        if let Some(tail) = state.free.last().filter(|last| last.end() == state.end) {
            state.claim(tail);
            state.end = tail.start;
        }
        state.end
    }

    /// Readers elsewhere look at `oldest_lease` and newer roots now; true when pages became free by that.
    pub(crate) fn readers_at(&self, oldest_lease: Option<u64>) -> bool {
        let mut state = self.lock();
        let before = state.free.pages();
        state.oldest_lease = oldest_lease;
        state.release();
        state.free.pages() > before
    }

    /// Whether `pages` free ones stand together before `page`.
    pub(crate) fn fits_before(&self, pages: u64, page: u64) -> bool {
        self.lock().free.lowest(pages).is_some_and(|found| found.start < page)
    }

    /// Leases free extents that take room on the device for nothing, the highest ones: what is left of those at the
    /// bottom is a tenth of the file, for reuse.
    ///
    /// The caller punches them and gives each to [`mark_punched`](Self::mark_punched); nobody else can take them meanwhile.
    pub(crate) fn lease_for_punching(self: &Arc<Self>) -> Vec<ExtentLease> {
        let mut state = self.lock();
        let kept_pages = state.end / PUNCH_FREE_SHARE;
        let pages_min = (state.end / 16).clamp(1, PUNCH_PAGES_MIN);
        let mut solid_pages = state.free.pages() - state.punched.pages();
        let mut chosen = Vec::new();
        for extent in state.free.iter().rev() {
            if solid_pages <= kept_pages || chosen.len() == PUNCH_EXTENTS_MAX {
                break;
            }
            let solid = extent.pages - state.punched.pages_within(extent);
            if solid >= pages_min {
                solid_pages -= solid;
                chosen.push(extent);
            }
        }
        for &extent in &chosen {
            state.claim(extent);
            state.leased.insert(extent.start, extent.pages);
        }
        drop(state);
        chosen.into_iter().map(|extent| self.lease(extent, false)).collect()
    }

    /// Gives back an extent of [`lease_for_punching`](Self::lease_for_punching) that takes no room any more.
    pub(crate) fn mark_punched(&self, lease: ExtentLease) {
        let extent = lease.extent();
        drop(lease);
        let mut state = self.lock();
        // Between the two locks another thread may have taken a part of it. One that also gave it back meanwhile makes
        // this a wrong guess, which costs room on the device until the pages are used again.
        if state.free.pages_within(extent) == extent.pages {
            state.punched.add(extent);
        }
    }

    /// Generation of the newest durable checkpoint.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// What was to be used again with this generation, or an earlier one, may be: its root is durable, and no reader
    /// looks at one before the root before it.
    pub(crate) fn usable(&self) -> u64 {
        self.lock().usable()
    }

    /// Pages that wait for a checkpoint before they are free.
    pub(crate) fn deferred_pages(&self) -> u64 {
        self.lock().deferred_pages
    }

    /// Pages that would be free but for readers in other processes.
    pub(crate) fn held_pages(&self) -> u64 {
        self.lock().held_pages
    }

    /// How full the file is.
    pub(crate) fn fill(&self) -> Fill {
        let state = self.lock();
        let last = state.leased.last_key_value();
        let leased_end = last.map_or(0, |(&start, &pages)| start + pages);
        let held = state.deferred.iter().filter(|&&(usable_at, _)| usable_at <= state.durable);
        Fill {
            end: state.end,
            leased_end: held.map(|(_, extent)| extent.end()).fold(leased_end, u64::max),
            free_pages: state.free.pages(),
            free_extents: state.free.len(),
            punched_pages: state.punched.pages(),
            deferred_pages: state.deferred_pages,
        }
    }

    /// The lowest free extent of at least `pages` pages.
    pub(crate) fn lowest(&self, pages: u64) -> Option<Extent> {
        self.lock().free.lowest(pages)
    }

    /// The lowest free extent that begins at page `from` or behind it.
    pub(crate) fn first_free(&self, from: u64) -> Option<Extent> {
        self.lock().free.iter_from(from).next()
    }

    /// Pages behind which nothing is in use.
    pub(crate) fn end(&self) -> u64 {
        self.lock().end
    }

    /// Calls `cut` with the page behind which nothing is in use; nobody takes pages until it returns.
    pub(crate) fn cut_behind<T>(&self, cut: impl FnOnce(u64) -> T) -> T {
        let state = self.lock();
        cut(state.end)
    }

    /// Pages in (leased, deferred, free) extents, after proving that they tile the file.
    ///
    /// # Errors
    /// Corruption when two extents overlap or a page belongs to none.
    pub(crate) fn check(&self) -> Result<SpaceUse> {
        let state = self.lock();
        let leased = state.leased.iter().map(|(&start, &pages)| Extent { start, pages });
        let deferred = state.deferred.iter().map(|&(_, extent)| extent);
        let mut all: Vec<Extent> = leased.chain(deferred).chain(state.free.iter()).collect();
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
            deferred: state.deferred.iter().map(|&(_, extent)| extent).collect(),
            deferred_pages: state.deferred_pages,
            held_pages: state.held_pages,
            free_pages: state.free.pages(),
            pages: state.end,
        })
    }
}

/// What the pages of a file are used for.
#[derive(Debug)]
pub(crate) struct SpaceUse {
    /// Every extent that something in memory owns, ascending.
    pub(crate) leased: Vec<Extent>,
    /// Extents that wait for a checkpoint, or for readers, before they are free.
    pub(crate) deferred: Vec<Extent>,
    pub(crate) deferred_pages: u64,
    pub(crate) held_pages: u64,
    pub(crate) free_pages: u64,
    pub(crate) pages: u64,
}

/// How full a file is, in pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    /// Of the file.
    pub(crate) end: u64,
    /// Up to which something is in use or held: where the file ends when nothing is deferred any more.
    pub(crate) leased_end: u64,
    pub(crate) free_pages: u64,
    pub(crate) free_extents: usize,
    /// Free ones that take no room on the device.
    pub(crate) punched_pages: u64,
    pub(crate) deferred_pages: u64,
}

impl State {
    fn defer(&mut self, usable_at: u64, extent: Extent) {
        let waits_for =
            if usable_at > self.durable { &mut self.deferred_pages } else { &mut self.held_pages };
        *waits_for += extent.pages;
        self.deferred.push((usable_at, extent));
    }

    fn usable(&self) -> u64 {
        let read = self.oldest_lease.map(|oldest| oldest.saturating_add(1));
        read.map_or(self.durable, |read| read.min(self.durable))
    }

    /// Makes free what need not wait any longer.
    fn release(&mut self) {
        let usable = self.usable();
        (self.deferred_pages, self.held_pages) = (0, 0);
        for (usable_at, extent) in std::mem::take(&mut self.deferred) {
            if usable_at <= usable {
                self.free.add(extent);
            } else {
                self.defer(usable_at, extent);
            }
        }
    }

    /// Takes free pages.
    fn claim(&mut self, extent: Extent) {
        let free = self.free.take(extent);
        assert!(free, "invariant: pages are handed out from free extents only");
        self.punched.take_any(extent);
    }

    /// Makes the last `pages` pages of a larger file free; a free tail is used rather than left behind.
    fn grow(&mut self, pages: u64) -> Extent {
        let tail = self.free.last().filter(|last| last.end() == self.end);
        let start = tail.map_or(self.end, |tail| tail.start);
        let end = self.end.max(start + pages);
        if end > self.end {
            self.free.add(Extent { start: self.end, pages: end - self.end });
            self.end = end;
        }
        Extent { start, pages }
    }
}
