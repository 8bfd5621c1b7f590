//! The free extents of a file, in the order of their addresses, and the lowest one that is long enough.
//!
//! [`Space`](super::Space) owns one, under its lock. Beside the map by address stand summaries: for every aligned span
//! of 16, 256, 4,096 … pages the length of the longest extent that begins in it. A search walks down from the
//! longest span, so it looks at no more than sixteen places a level.
//!
//! Invariants
//! * extents are disjoint and no two touch: neighbours are joined as they come in;
//! * each summary equals the greatest of those below it, and a span without an extent has none.
//!
//! Cost: O(log n) for every operation, however many extents there are.

use std::collections::BTreeMap;

use crate::lsm::ids::Extent;

/// Each level's spans are 2 to this power as long as those of the level below.
const SPAN_BITS: u32 = 4;
/// With these the longest span covers every page number that there may be.
const LEVELS: usize = 13;

/// Disjoint extents that never touch.
#[derive(Debug, Default)]
pub(super) struct FreeExtents {
    by_start: BTreeMap<u64, u64>,
    /// Longest extent of each span, shortest spans first.
    longest: [BTreeMap<u64, u64>; LEVELS],
    pages: u64,
}

impl FreeExtents {
    /// Pages of all extents.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// Ascending by address.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Extent> + '_ {
        self.by_start.iter().map(|(&start, &pages)| Extent { start, pages })
    }

    /// Those that begin at page `from` or behind it.
    pub(super) fn iter_from(&self, from: u64) -> impl Iterator<Item = Extent> + '_ {
        self.by_start.range(from..).map(|(&start, &pages)| Extent { start, pages })
    }

    pub(super) fn last(&self) -> Option<Extent> {
        self.iter().next_back()
    }

    pub(super) fn len(&self) -> usize {
        self.by_start.len()
    }

    /// The extent with the lowest address of those with at least `pages` pages.
    pub(super) fn lowest(&self, pages: u64) -> Option<Extent> {
        let mut span = 0;
        for level in self.longest[..LEVELS].iter().rev() {
            span = first_of(level, span, pages)?;
        }
        let start = first_of(&self.by_start, span, pages)?;
        Some(Extent { start, pages: self.by_start.get(&start).copied()? })
    }

    /// Adds an extent that overlaps none, joining it with its neighbours.
    pub(super) fn add(&mut self, extent: Extent) {
        let mut joined = extent;
        let before = self.by_start.range(..extent.start).next_back();
        let before = before.map(|(&start, &pages)| Extent { start, pages });
        if let Some(before) = before.filter(|before| before.end() == extent.start) {
            self.remove(before);
            joined = Extent { start: before.start, pages: before.pages + joined.pages };
        }
        if let Some(&pages) = self.by_start.get(&joined.end()) {
            self.remove(Extent { start: joined.end(), pages });
            joined.pages += pages;
        }
        self.insert(joined);
    }

    /// Takes out all pages of `extent` if they are free; else nothing, and false.
    pub(super) fn take(&mut self, extent: Extent) -> bool {
        let around = self.by_start.range(..=extent.start).next_back();
        let around = around.map(|(&start, &pages)| Extent { start, pages });
        let end = extent.start.checked_add(extent.pages);
        let Some(around) = around.filter(|around| end.is_some_and(|end| end <= around.end()))
        else {
            return false;
        };
        if extent.pages == 0 {
            return false;
        }
        self.remove(around);
        if around.start < extent.start {
            let pages = extent.start - around.start;
            self.insert(Extent { start: around.start, pages });
        }
        if extent.end() < around.end() {
            let pages = around.end() - extent.end();
            self.insert(Extent { start: extent.end(), pages });
        }
        true
    }

    /// Takes out whatever is free of `extent`.
    pub(super) fn take_any(&mut self, extent: Extent) {
        let before = self.by_start.range(..extent.start).next_back().map(|(&start, _)| start);
        let first = before.unwrap_or(extent.start);
        let touched = self.by_start.range(first..extent.end());
        let touched: Vec<Extent> =
            touched.map(|(&start, &pages)| Extent { start, pages }).collect();
        for free in touched {
            let (start, end) = (free.start.max(extent.start), free.end().min(extent.end()));
            if start < end {
                self.take(Extent { start, pages: end - start });
            }
        }
    }

    /// How many pages of `extent` are free.
    pub(super) fn pages_within(&self, extent: Extent) -> u64 {
        let before = self.by_start.range(..extent.start).next_back().map(|(&start, _)| start);
        let touched = self.by_start.range(before.unwrap_or(extent.start)..extent.end());
        let within = touched.map(|(&start, &pages)| {
            (start + pages).min(extent.end()).saturating_sub(start.max(extent.start))
        });
        within.sum()
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self) -> Vec<Extent> {
        let all = self.iter().collect();
        *self = FreeExtents::default();
        all
    }

    fn insert(&mut self, extent: Extent) {
        self.pages += extent.pages;
        self.by_start.insert(extent.start, extent.pages);
        let mut span = extent.start;
        for level in &mut self.longest {
            span >>= SPAN_BITS;
            let longest = level.entry(span).or_default();
            if *longest >= extent.pages {
                return;
            }
            *longest = extent.pages;
        }
    }

    fn remove(&mut self, extent: Extent) {
        self.pages -= extent.pages;
        self.by_start.remove(&extent.start);
        let mut span = extent.start;
        let mut below = &self.by_start;
        for level in &mut self.longest {
            span >>= SPAN_BITS;
            let left = children(below, span).map(|(_, &pages)| pages).max();
            let had = match left {
                Some(left) => level.insert(span, left),
                None => level.remove(&span),
            };
            if had == left {
                return;
            }
            below = level;
        }
    }
}

/// What `span` consists of in the level below.
fn children(below: &BTreeMap<u64, u64>, span: u64) -> impl Iterator<Item = (&u64, &u64)> {
    let first = span << SPAN_BITS;
    below.range(first..first + (1 << SPAN_BITS))
}

/// The first of those in which an extent of at least `pages` pages begins.
fn first_of(below: &BTreeMap<u64, u64>, span: u64, pages: u64) -> Option<u64> {
    children(below, span).find(|&(_, &longest)| longest >= pages).map(|(&first, _)| first)
}
