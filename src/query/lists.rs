//! Posting lists opened for one search: a term in a chunk.
//!
//! The evaluator opens every chunk in which a document may match, or a stretch of one, and takes windows from it. Parts that commits and
//! compactions left are not joined: a bound is that of all parts, and a window that of the only part with documents there, or made of
//! several where parts mix; of a term in one part there is a view of a window too, with no more than sorts documents out. Lists that
//! stand in one block are decoded once a chunk, windows when they are looked at. A set of documents is shown like the list of a word
//! that stands in each of them.
//!
//! Invariants: offsets of a list count from the beginning of the chunk; marks of all parts are of one kind, length codes with
//! scores or impacts, once they are weighed. Cost: a fraction of a nanosecond a posting, some more for those with length codes.

use super::bm25::Norms;
use super::bounds::Bounds;
use super::open_set::SetChunk;
use super::reached::Reached;
use super::term_window::{TermWindow, WINDOW, bits_at, find_near, index_in, listed_at};
use crate::fts::{
    self, Block, Body, Drift, LISTED_LEN_MAX, Marks, Offsets, Postings, StoredPostings, WINDOW_LEN,
    WINDOWS_LEN,
};
use crate::kernels::{Bitmap, Kernels};
use crate::lsm;

#[cfg(test)]
mod tests;

/// A term in one chunk.
#[derive(Debug)]
pub(super) struct TermChunk<'a> {
    /// None of a set.
    first: Option<Part<'a>>,
    /// None where postings are compacted.
    others: Vec<Part<'a>>,
    /// The set whose documents these are, and what they get once it is weighed.
    set: Option<(SetChunk<'a>, Option<Bounds>)>,
    /// Documents of each window.
    counts: [u16; WINDOWS_LEN],
}

/// What sorts documents of a window out: which of them hold a term, and for each, ascending, its impact, or what it gets.
#[derive(Debug)]
pub(super) struct WindowView<'w> {
    pub(super) documents: Documents<'w>,
    /// None where the documents have scores, or nothing is scored.
    pub(super) impacts: &'w [u8],
    pub(super) scores: &'w [f32],
}

/// Documents of a window.
#[derive(Debug)]
pub(super) enum Documents<'w> {
    /// Their offsets, each with that of the window if these count from the beginning of the chunk.
    List { offsets: &'w [u16], base: u16 },
    /// And how many documents stand before each 64th.
    Bitmap(&'w Bitmap, &'w [u16; 64]),
}

/// What one run has of a term in a chunk: at least one document.
#[derive(Debug)]
struct Part<'a> {
    postings: Postings<'a>,
    /// A bit for each window that has documents.
    windows: u16,
    /// Offsets of all documents, when they stand in one block, and where those of each window begin and the last ones end.
    offsets: Vec<u16>,
    starts: [u16; WINDOWS_LEN + 1],
    /// What documents get from the term, where the parts have length codes.
    scores: Vec<f32>,
    /// In place of length codes, where other parts have impacts.
    impacts: Vec<u8>,
    /// What its impacts say, once it is weighed.
    bounds: Option<Bounds>,
    /// No document of each window gets more; of a list.
    most: Vec<f64>,
}

impl<'a> TermChunk<'a> {
    /// Opens the postings of a chunk; `None` when they have no document.
    pub(super) fn open(stored: &'a StoredPostings) -> fts::Result<Option<Self>> {
        Self::of_parts(stored.parts())
    }

    /// Opens what some runs have of a chunk; `None` when that is no document.
    pub(super) fn of_parts(
        parts: impl Iterator<Item = fts::Result<Postings<'a>>>,
    ) -> fts::Result<Option<Self>> {
        let mut opened: Option<Self> = None;
        for postings in parts {
            let Some(part) = Self::of_part(postings?)? else { continue };
            match &mut opened {
                None => opened = Some(part),
                Some(opened) => {
                    for (sum, count) in opened.counts.iter_mut().zip(part.counts) {
                        *sum = sum.saturating_add(count);
                    }
                    opened.others.extend(part.first);
                }
            }
        }
        Ok(opened)
    }

    /// Opens what one run has of a chunk; `None` when that is no document.
    pub(super) fn of_part(postings: Postings<'a>) -> fts::Result<Option<Self>> {
        let Some(mut part) = Part::open(postings)? else { return Ok(None) };
        let counts = std::array::from_fn(|window| part.count(window));
        for (window, count) in counts.iter().enumerate() {
            part.windows |= u16::from(*count > 0) << window;
        }
        let (first, others, set) = (Some(part), Vec::new(), None);
        Ok(Some(TermChunk { first, others, set, counts }))
    }

    /// The documents of a set, each of which gets all that the leaf gives.
    pub(super) fn of_set(set: SetChunk<'a>) -> Self {
        let counts = set.counts();
        TermChunk { first: None, others: Vec::new(), set: Some((set, None)), counts }
    }

    /// Finds what bounds and scores need, for a leaf that has these bounds where nothing drifts.
    pub(super) fn weigh(&mut self, norms: &Norms, bounds: &Bounds) -> lsm::Result<()> {
        let has_impacts = self.has_impacts();
        if let Some((_, of_set)) = &mut self.set {
            *of_set = Some(bounds.with_drift(Drift::NONE));
        }
        for part in self.first.iter_mut().chain(&mut self.others) {
            part.weigh(norms, bounds, has_impacts)?;
        }
        Ok(())
    }

    /// Whether there are impacts: else the postings have the lengths of all documents.
    pub(super) fn has_impacts(&self) -> bool {
        self.set.is_some() || self.parts().any(|part| part.postings.averages().is_some())
    }

    /// Offsets of the first and the last document, of a term in one part.
    pub(super) fn ends(&self) -> (u16, u16) {
        self.first.as_ref().map_or((0, 0), |part| (part.postings.first(), part.postings.last()))
    }

    /// Number of documents in a window.
    pub(super) fn count(&self, window: usize) -> usize {
        self.counts.get(window).copied().map_or(0, usize::from)
    }

    /// No document of the window gets more from the term, once it is weighed.
    pub(super) fn bound(&self, window: usize) -> f64 {
        if let Some((_, bounds)) = &self.set {
            let bound = bounds.as_ref().map_or(0.0, |bounds| bounds.above(u8::MAX));
            return if self.count(window) > 0 { bound } else { 0.0 };
        }
        let of_part = |part: &Part<'_>| match (part.postings.body(), &part.bounds) {
            (Body::Windows(windows), Some(bounds)) => bounds.above(windows.bound(window)),
            _ => part.most.get(window).copied().unwrap_or_default(),
        };
        self.holding(window).map(of_part).fold(0.0, f64::max)
    }

    /// What documents get, by impact, of a term in one part, once it is weighed.
    pub(super) fn bounds(&self) -> Option<&Bounds> {
        self.first.as_ref()?.bounds.as_ref()
    }

    /// How shares of a score differ in a window from what impacts say.
    pub(super) fn drift(&self, window: usize) -> Drift {
        let known = self.holding(window).filter_map(|part| part.bounds.as_ref());
        known.map(Bounds::drift).reduce(Drift::and).unwrap_or(Drift::NONE)
    }

    /// The documents and what they get, where length codes tell; nothing elsewhere.
    pub(super) fn scores(&self) -> impl Iterator<Item = (u16, f32)> {
        let documents = self.parts().flat_map(|part| part.offsets.iter().zip(&part.scores));
        documents.map(|(&offset, &score)| (offset, score))
    }

    /// Whether there are scores, of all documents.
    pub(super) fn has_scores(&self) -> bool {
        self.first.as_ref().is_some_and(|first| !first.scores.is_empty())
    }

    /// Counts documents by what they get at least, as far as that may raise the threshold.
    pub(super) fn count_reached(&self, reached: &mut Reached) {
        if let Some((set, Some(bounds))) = &self.set
            && set.has_exact_counts()
        {
            let count = self.counts.iter().map(|&count| u32::from(count)).sum();
            reached.count(count, bounds.below(u8::MAX));
        }
        for part in self.parts() {
            part.count_reached(reached);
        }
    }

    /// The documents of a window.
    pub(super) fn window(&self, window: usize) -> lsm::Result<Option<TermWindow<'_>>> {
        if let Some((set, _)) = &self.set {
            return Ok(Some(TermWindow::of_set(set.window(window))));
        }
        let mut holding = self.holding(window);
        let (Some(first), second) = (holding.next(), holding.next()) else { return Ok(None) };
        let Some(second) = second else { return first.window(window) };
        let mut windows = Vec::new();
        for part in [first, second].into_iter().chain(holding) {
            windows.extend(part.window(window)?);
        }
        TermWindow::join(windows).map(Some)
    }

    /// The impacts of a window's documents, of a term in one part, if they have some.
    pub(super) fn impacts(&self, window: usize) -> lsm::Result<Option<&[u8]>> {
        self.first.as_ref().map_or(Ok(None), |part| part.impacts(window))
    }

    /// What sorts documents of a window out, of a term in one part; `room` is for offsets.
    pub(super) fn view<'w>(
        &'w self,
        window: usize,
        room: &'w mut [u16; WINDOW_LEN],
    ) -> lsm::Result<Option<WindowView<'w>>> {
        self.first.as_ref().map_or(Ok(None), |part| part.view(window, room))
    }

    /// What is known of a window's documents whose indexes are known, of a term in one part; it does not find them.
    pub(super) fn postings(&self, window: usize) -> lsm::Result<Option<TermWindow<'_>>> {
        self.first.as_ref().map_or(Ok(None), |part| part.postings(window))
    }

    /// Keeps the bits of a window's documents, of a term in one part; gives how many are left. `scratch` is overwritten.
    pub(super) fn keep_in(
        &self,
        window: usize,
        bitmap: &mut Bitmap,
        scratch: &mut [u16; WINDOW_LEN],
    ) -> lsm::Result<u32> {
        if let Some(part) = &self.first
            && let Body::Windows(windows) = part.postings.body()
            && let Some(block) = windows.block(window)?
            && let Offsets::Bitmap(documents) = block.offsets()
        {
            block.check_bitmap()?;
            return Ok(Kernels::best().and(bitmap, documents));
        }
        let mut documents = [0; WINDOW_LEN / 8];
        self.add_to(window, &mut documents, scratch)?;
        Ok(Kernels::best().and(bitmap, &documents))
    }

    /// Sets the bits of a window's documents, without a look at anything else of them; `scratch` is overwritten.
    pub(super) fn add_to(
        &self,
        window: usize,
        to: &mut Bitmap,
        scratch: &mut [u16; WINDOW_LEN],
    ) -> lsm::Result<()> {
        if let Some((set, _)) = &self.set {
            Kernels::best().or(to, set.window(window).all());
            return Ok(());
        }
        let mut holding = self.holding(window);
        if let (Some(only), None) = (holding.next(), holding.next()) {
            return only.add_to(window, to, scratch);
        }
        if let Some(documents) = self.window(window)? {
            documents.add_to(to);
        }
        Ok(())
    }

    /// The parts that have documents in a window.
    fn holding(&self, window: usize) -> impl Iterator<Item = &Part<'a>> {
        self.parts().filter(move |part| part.windows >> window & 1 == 1)
    }

    fn parts(&self) -> impl Iterator<Item = &Part<'a>> {
        self.first.iter().chain(&self.others)
    }
}

impl Documents<'_> {
    /// Their offsets, unless they stand in a bitmap.
    pub(super) fn places(&self) -> Result<&[u16], &Bitmap> {
        match self {
            Documents::List { offsets, .. } => Ok(offsets),
            Documents::Bitmap(bitmap, _) => Err(bitmap),
        }
    }

    /// Index of the document at `offset`, if it is there.
    #[inline]
    pub(super) fn find(&self, offset: u16) -> Option<usize> {
        let offset = offset % WINDOW;
        match self {
            Documents::List { offsets, base } => offsets.binary_search(&(offset | base)).ok(),
            Documents::Bitmap(bitmap, ranks) => index_in(bitmap, ranks, offset),
        }
    }

    /// The same, near the `place` where the last search ended.
    #[inline]
    pub(super) fn find_near(&self, offset: u16, place: &mut usize) -> Option<usize> {
        match self {
            Documents::List { offsets, .. } => find_near(offsets, offset, place),
            Documents::Bitmap(bitmap, ranks) => index_in(bitmap, ranks, offset),
        }
    }

    /// Writes the offsets of the documents at some indexes, which ascend, to the front of `out`.
    pub(super) fn offsets_at(&self, indexes: &[u16], out: &mut [u16; WINDOW_LEN]) {
        match self {
            Documents::List { offsets, .. } => listed_at(offsets, indexes, out),
            Documents::Bitmap(bitmap, ranks) => bits_at(bitmap, || *ranks, indexes, out),
        }
    }
}

impl<'a> Part<'a> {
    fn open(postings: Postings<'a>) -> fts::Result<Option<Self>> {
        let (mut offsets, mut starts) = (Vec::new(), [0; WINDOWS_LEN + 1]);
        match postings.body() {
            Body::None => return Ok(None),
            Body::Windows(_) => {}
            Body::List { block, .. } => {
                block.read_offsets(&mut offsets)?;
                let mut before = 0;
                for (number, end) in (1..).zip(starts.iter_mut().skip(1)) {
                    let rest = offsets.get(before..).unwrap_or_default();
                    let is_inside = |offset: &u16| usize::from(*offset) / WINDOW_LEN < number;
                    before += rest.partition_point(is_inside);
                    *end = u16::try_from(before).unwrap_or(u16::MAX);
                }
            }
        }
        let (scores, impacts) = (Vec::new(), Vec::new());
        let (windows, bounds, most) = (0, None, Vec::new());
        Ok(Some(Part { postings, windows, offsets, starts, scores, impacts, bounds, most }))
    }

    fn weigh(&mut self, norms: &Norms, bounds: &Bounds, has_impacts: bool) -> lsm::Result<()> {
        let averages = self.postings.averages();
        let drift = averages.map_or(Drift::NONE, |averages| norms.drift(averages));
        let bounds = self.bounds.insert(bounds.with_drift(drift));
        let Body::List { block, .. } = self.postings.body() else { return Ok(()) };
        if let Marks::Codes(codes) = block.marks() {
            let ranks = block.frequency_ranks();
            let scored_len = if has_impacts { 0 } else { codes.len() };
            self.scores.reserve_exact(scored_len);
            self.impacts.reserve_exact(codes.len() - scored_len);
            for (index, &code) in codes.iter().enumerate() {
                let score = norms.score(bounds.weight(), block.frequency(index, &ranks)?, code);
                if has_impacts {
                    self.impacts.push(bounds.impact_of(score));
                } else {
                    self.scores.push(score);
                }
            }
        }
        let bounds = *bounds;
        let most = |window| {
            let range = self.listed(window);
            if range.is_empty() {
                return 0.0;
            }
            if has_impacts {
                let impacts = self.marks(block).bytes().get(range).unwrap_or_default();
                impacts.iter().copied().max().map_or(0.0, |impact| bounds.above(impact))
            } else {
                let scores = self.scores.get(range).unwrap_or_default();
                scores.iter().copied().reduce(f32::max).map_or(0.0, |score| bounds.of_score(score))
            }
        };
        self.most = (0..WINDOWS_LEN).map(most).collect();
        Ok(())
    }

    /// Number of documents in a window.
    fn count(&self, window: usize) -> u16 {
        let count = match self.postings.body() {
            Body::None => 0,
            Body::List { .. } => self.listed(window).len(),
            Body::Windows(windows) => windows.count(window),
        };
        u16::try_from(count).unwrap_or(u16::MAX)
    }

    fn count_reached(&self, reached: &mut Reached) {
        let Some(bounds) = &self.bounds else { return };
        match self.postings.body() {
            Body::None => {}
            Body::Windows(windows) => {
                let mut before = 0;
                for (rank, impact) in windows.ranked() {
                    let more = u32::try_from(rank - before).unwrap_or_default();
                    reached.count(more, bounds.below(impact));
                    before = rank;
                    if rank >= reached.wanted() {
                        break;
                    }
                }
            }
            Body::List { block, .. } => match self.marks(block) {
                Marks::Codes(_) => {
                    for &score in &self.scores {
                        reached.count(1, bounds.least_of(score));
                    }
                }
                Marks::Impacts(impacts) => count_impacts(impacts, bounds, reached),
            },
        }
    }

    fn window(&self, window: usize) -> lsm::Result<Option<TermWindow<'_>>> {
        match self.postings.body() {
            Body::None => Ok(None),
            Body::List { block, .. } => {
                let range = self.listed(window);
                let offsets = self.offsets.get(range.clone()).unwrap_or_default();
                if offsets.is_empty() {
                    return Ok(None);
                }
                let marks = match self.marks(block) {
                    Marks::Codes(codes) => {
                        Marks::Codes(codes.get(range.clone()).unwrap_or_default())
                    }
                    Marks::Impacts(impacts) => {
                        Marks::Impacts(impacts.get(range.clone()).unwrap_or_default())
                    }
                };
                let scores = self.scores.get(range.clone()).unwrap_or_default();
                Ok(Some(TermWindow::of_list(*block, range.start, offsets, marks, scores)))
            }
            Body::Windows(windows) => {
                let Some(block) = windows.block(window)? else { return Ok(None) };
                if let Offsets::Bitmap(bitmap) = block.offsets() {
                    block.check_bitmap()?;
                    return Ok(Some(TermWindow::of_bitmap(block, bitmap)));
                }
                let mut offsets = Vec::new();
                block.read_offsets(&mut offsets)?;
                Ok(Some(TermWindow::of_block(block, offsets)))
            }
        }
    }

    fn impacts(&self, window: usize) -> lsm::Result<Option<&[u8]>> {
        match self.postings.body() {
            Body::None => Ok(None),
            Body::List { block, .. } => match self.marks(block) {
                Marks::Impacts(impacts) => Ok(impacts.get(self.listed(window))),
                Marks::Codes(_) => Ok(None),
            },
            Body::Windows(windows) => windows.impacts(window).map(Some),
        }
    }

    fn view<'w>(
        &'w self,
        window: usize,
        room: &'w mut [u16; WINDOW_LEN],
    ) -> lsm::Result<Option<WindowView<'w>>> {
        let impacts = self.impacts(window)?.unwrap_or_default();
        let Body::Windows(windows) = self.postings.body() else {
            let range = self.listed(window);
            let offsets = self.offsets.get(range.clone()).unwrap_or_default();
            let scores = self.scores.get(range).unwrap_or_default();
            let base = u16::try_from(window * WINDOW_LEN).unwrap_or_default();
            let documents = Documents::List { offsets, base };
            return Ok(Some(WindowView { documents, impacts, scores }));
        };
        let Some(block) = windows.block(window)? else { return Ok(None) };
        let documents = if let Offsets::Bitmap(bitmap) = block.offsets() {
            block.check_bitmap()?;
            let (ranks, _) = room.split_first_chunk_mut().expect("invariant: there is room for 64");
            *ranks = Kernels::best().ranks(bitmap);
            Documents::Bitmap(bitmap, ranks)
        } else {
            Documents::List { offsets: block.decode_offsets(room)?, base: 0 }
        };
        Ok(Some(WindowView { documents, impacts, scores: &[] }))
    }

    fn postings(&self, window: usize) -> lsm::Result<Option<TermWindow<'_>>> {
        let Body::Windows(windows) = self.postings.body() else { return self.window(window) };
        let block = windows.block(window)?;
        Ok(block.map(|block| TermWindow::of_list(block, 0, &[], block.marks(), &[])))
    }

    fn add_to(
        &self,
        window: usize,
        to: &mut Bitmap,
        scratch: &mut [u16; WINDOW_LEN],
    ) -> lsm::Result<()> {
        match self.postings.body() {
            Body::None => {}
            Body::List { .. } => {
                let offsets = self.offsets.get(self.listed(window)).unwrap_or_default();
                Kernels::best().set_bits(to, offsets);
            }
            Body::Windows(windows) => {
                if let Some(block) = windows.block(window)? {
                    block.add_to(to, scratch)?;
                }
            }
        }
        Ok(())
    }

    /// A byte for each document of a list, of the kind that all parts have.
    fn marks<'m>(&'m self, block: &Block<'m>) -> Marks<'m> {
        if self.impacts.is_empty() { block.marks() } else { Marks::Impacts(&self.impacts) }
    }

    /// Indexes of a window's documents in the list.
    fn listed(&self, window: usize) -> std::ops::Range<usize> {
        let at = |number: usize| self.starts.get(number).copied().map_or(0, usize::from);
        at(window)..at(window + 1)
    }
}

/// Counts documents of a list with these impacts, the greatest first, as far as that may raise the threshold.
fn count_impacts(impacts: &[u8], bounds: &Bounds, reached: &mut Reached) {
    let Ok(least) = u8::try_from(bounds.impact_for(reached.threshold())) else { return };
    let mut indexes = [0; LISTED_LEN_MAX];
    let Some(room) = indexes.get_mut(..impacts.len()) else { return };
    let kept_len = Kernels::best().impacts_at_least(impacts, least, room);
    let mut counts = [0_u32; 256];
    for &index in room.iter().take(kept_len) {
        counts[usize::from(impacts[usize::from(index)])] += 1;
    }
    let mut sum = 0;
    for (impact, count) in (0..=u8::MAX).zip(counts).skip(least.into()).rev() {
        if count > 0 {
            reached.count(count, bounds.below(impact));
            sum += count as usize;
        }
        if sum >= reached.wanted() {
            break;
        }
    }
}
