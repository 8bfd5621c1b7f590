//! One window of 4,096 documents: which of them match, and which of those can be among the best.
//!
//! The searcher brings windows in descending order of their bounds. In a window documents are sorted out by bounds alone,
//! cheaply and in bulk; what is left is scored exactly, best bounds first.
//!
//! ```text
//! nothing required   lists whose bounds together stay below the threshold only refine what the other lists bring
//! something required sets of documents; the shortest required list is thinned out by its impacts first
//! ```
//! Invariants: a document that is sorted out has a bound below the threshold; between windows all sums are 0. Memory: 16 KiB.

use super::error::Result;
use super::leaf::{ChunkLeaf, LeafWindow, Scale, Scratch};
use super::plan::Plan;
use super::topk::{ScoredDoc, TopK};
use crate::fts::{DeadChunk, DocId, WINDOW_LEN, whole};
use crate::kernels::{Aligned, Bitmap, Kernels, Sums};

/// A window of a chunk.
pub(super) struct Window<'c> {
    pub(super) chunk: u32,
    pub(super) number: usize,
    pub(super) leaves: &'c [ChunkLeaf<'c>],
    /// For each leaf, what scoring needs; empty when nothing is scored.
    pub(super) scales: &'c [Option<Scale<'c>>],
    pub(super) dead: &'c DeadChunk,
}

/// Evaluates windows, with the same memory.
pub(super) struct WindowSearch<'p> {
    plan: &'p Plan,
    kernels: &'static Kernels,
    sums: Box<Aligned<Sums>>,
    offsets: Box<Aligned<[u16; WINDOW_LEN]>>,
    scratch: Scratch,
    /// Which required sets the document at hand matches.
    found: Vec<bool>,
}

/// A document of the window, and a bound of its score.
type Candidate = (u16, f64);

/// Candidates up to which bounds are looked up one by one instead of summed for the whole window.
const PROBED_LEN_MAX: usize = 128;
/// The greatest threshold of sums: far below where they saturate.
const SUM_THRESHOLD_MAX: f64 = 32_000.0;
const SUM_MAX: f64 = 65_535.0;

impl<'p> WindowSearch<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        WindowSearch {
            plan,
            kernels: Kernels::best(),
            sums: Box::new(Aligned([0; WINDOW_LEN])),
            offsets: Box::new(Aligned([0; WINDOW_LEN])),
            scratch: Scratch::default(),
            found: Vec::new(),
        }
    }

    /// Number of live documents that match.
    pub(super) fn count(&mut self, window: &Window<'_>) -> Result<u64> {
        let leaves = window.open()?;
        let mut matching = [0; WINDOW_LEN / 8];
        if self.plan.required.is_empty() {
            for leaf in leaves.iter().filter(|leaf| leaf.chunk.open.scores()) {
                self.add_matches(window, leaf, &mut matching)?;
            }
        }
        for (number, set) in self.plan.required.iter().enumerate() {
            let mut of_set = [0; WINDOW_LEN / 8];
            for leaf in leaves.iter().filter(|leaf| set.contains(&leaf.chunk.open.place)) {
                self.add_matches(window, leaf, &mut of_set)?;
            }
            if number == 0 {
                matching = of_set;
            } else {
                self.kernels.and(&mut matching, &of_set);
            }
        }
        for leaf in leaves.iter().filter(|leaf| leaf.chunk.open.excluded) {
            let mut excluded = [0; WINDOW_LEN / 8];
            self.add_matches(window, leaf, &mut excluded)?;
            self.kernels.and_not(&mut matching, &excluded);
        }
        window.remove_dead(&mut matching);
        Ok(u64::from(self.kernels.count_bits(&matching)))
    }

    /// Pushes to `top` every document of the window that may be among the best `k`; `floor` is a score that `k` documents
    /// reach.
    pub(super) fn best(
        &mut self,
        window: &Window<'_>,
        floor: f64,
        k: usize,
        top: &mut TopK,
    ) -> Result<()> {
        let leaves = window.open()?;
        let threshold = threshold(top, floor);
        let mut candidates = if self.plan.required.is_empty() {
            self.any(&leaves, threshold)
        } else {
            self.all(&leaves, threshold)
        };
        let excluding: Vec<&LeafWindow<'_>> = leaves
            .iter()
            .filter(|leaf| leaf.chunk.open.excluded && !leaf.chunk.open.is_placed())
            .collect();
        candidates.retain(|&(offset, _)| {
            excluding.iter().all(|leaf| leaf.bound_of(offset).is_none()) && !window.is_dead(offset)
        });
        if candidates.len() > k {
            // Those with the best bounds first, so that the threshold rises before the others are looked at.
            candidates.select_nth_unstable_by(k.saturating_sub(1), |left, right| {
                right.1.total_cmp(&left.1)
            });
        }
        for (offset, bound) in candidates {
            if bound < self::threshold(top, floor) {
                continue;
            }
            if let Some(score) = self.score(window, &leaves, offset)? {
                top.push(ScoredDoc { doc: window.doc(offset), score });
            }
        }
        Ok(())
    }

    /// The score of a document; `None` when it does not match.
    fn score(
        &mut self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        offset: u16,
    ) -> Result<Option<f32>> {
        let mut score = 0.0;
        let mut matches = 0_usize;
        let mut missing = self.plan.required.len();
        self.found.clear();
        self.found.resize(missing, false);
        let offset = window.base() | offset;
        for leaf in leaves {
            let open = leaf.chunk.open;
            let found = if open.scores() {
                let Some(Some(scale)) = window.scales.get(leaf.index) else { continue };
                let share = leaf.score(offset, *scale, &mut self.scratch)?;
                score += share.unwrap_or_default();
                share.is_some()
            } else {
                leaf.frequency(offset, &mut self.scratch)? > 0
            };
            if !found {
                continue;
            }
            if open.excluded {
                return Ok(None);
            }
            matches += 1;
            for &set in &open.required {
                if let Some(found) = self.found.get_mut(set) {
                    missing -= usize::from(!std::mem::replace(found, true));
                }
            }
        }
        Ok((matches > 0 && missing == 0).then_some(score))
    }

    /// Candidates where nothing is required.
    fn any(&mut self, leaves: &[LeafWindow<'_>], threshold: f64) -> Vec<Candidate> {
        let mut scoring: Vec<&LeafWindow<'_>> =
            leaves.iter().filter(|leaf| leaf.chunk.open.scores()).collect();
        scoring.sort_by(|left, right| left.bound.total_cmp(&right.bound));
        let mut rest = 0.0;
        let refining = scoring.iter().take_while(|leaf| {
            let stays_below = rest + leaf.bound < threshold;
            rest += if stays_below { leaf.bound } else { 0.0 };
            stays_below
        });
        let (refining, bringing) = scoring.split_at(refining.count());
        let units = self.sum(bringing, threshold);
        let least = ((threshold - rest) * units).clamp(1.0, SUM_MAX);
        let candidates = self.take(whole(least), units);
        refine(candidates, refining, rest, threshold)
    }

    /// Candidates where something is required.
    fn all(&mut self, leaves: &[LeafWindow<'_>], threshold: f64) -> Vec<Candidate> {
        let total: f64 = leaves.iter().map(|leaf| leaf.bound).sum();
        let alone = |set: &Vec<usize>| match set.as_slice() {
            [place] => leaves.iter().find(|leaf| leaf.chunk.open.place == *place),
            _ => None,
        };
        let lead = self.plan.required.iter().filter_map(alone).min_by_key(|leaf| leaf.len());
        let mut matching = [0; WINDOW_LEN / 8];
        match lead {
            Some(lead) => {
                self.add_thinned(lead, threshold - (total - lead.bound), &mut matching);
            }
            None => matching.fill(u8::MAX),
        }
        for set in &self.plan.required {
            let mut of_set = [0; WINDOW_LEN / 8];
            let of_lead = lead.is_some_and(|lead| *set == [lead.chunk.open.place]);
            for leaf in leaves.iter().filter(|leaf| set.contains(&leaf.chunk.open.place)) {
                self.add_possible(leaf, &mut of_set);
            }
            if !of_lead && self.kernels.and(&mut matching, &of_set) == 0 {
                return Vec::new();
            }
        }
        let count = self.kernels.bitmap_offsets(&matching, &mut self.offsets.0);
        let scoring: Vec<&LeafWindow<'_>> =
            leaves.iter().filter(|leaf| leaf.chunk.open.scores()).collect();
        if count <= PROBED_LEN_MAX {
            let candidates =
                self.offsets.0.iter().take(count).map(|&offset| (offset, 0.0)).collect();
            return refine(candidates, &scoring, total, threshold);
        }
        let units = self.sum(&scoring, threshold);
        let least = whole((threshold * units).clamp(0.0, SUM_MAX));
        // Summing has used the offsets for itself.
        let count = self.kernels.bitmap_offsets(&matching, &mut self.offsets.0);
        let sums = &self.sums.0;
        let of = |&offset: &u16| (offset, sums[usize::from(offset)]);
        let kept = self.offsets.0.iter().take(count).map(of).filter(|&(_, sum)| sum >= least);
        let candidates = kept.map(|(offset, sum)| (offset, bound_of_sum(sum, units))).collect();
        self.sums.0.fill(0);
        candidates
    }

    /// Sums bounds of the leaves for all documents; gives how many units of a sum are 1.
    fn sum(&mut self, leaves: &[&LeafWindow<'_>], threshold: f64) -> f64 {
        let mut units = SUM_THRESHOLD_MAX / threshold.max(f64::MIN_POSITIVE);
        for leaf in leaves {
            // A list's weight and a single bound have to fit a sum each.
            let greatest = leaf.impacts().map_or(leaf.bound, |factor| factor * 256.0);
            units = units.min((SUM_MAX - 1.0) / greatest.max(f64::MIN_POSITIVE));
        }
        for leaf in leaves {
            let impacts = leaf.impacts().filter(|_| !leaf.chunk.open.is_placed());
            if let (Some(factor), [term]) = (impacts, leaf.terms.as_slice()) {
                let weight = whole((factor * 256.0 * units).ceil());
                let impacts = term.marks().bytes();
                let fits = match term.offsets() {
                    Ok(offsets) => {
                        self.kernels.add_listed(&mut self.sums.0, offsets, impacts, weight)
                    }
                    Err(bitmap) => {
                        self.kernels.add_bitmap(&mut self.sums.0, bitmap, impacts, weight)
                    }
                };
                debug_assert!(fits, "invariant: a window has as many impacts as documents");
                continue;
            }
            let mut possible = [0; WINDOW_LEN / 8];
            self.add_possible(leaf, &mut possible);
            let count = self.kernels.bitmap_offsets(&possible, &mut self.offsets.0);
            for &offset in self.offsets.0.iter().take(count) {
                let bound = leaf.bound_of(offset).unwrap_or_default();
                let sum = &mut self.sums.0[usize::from(offset)];
                *sum = sum.saturating_add(whole((bound * units).ceil().min(SUM_MAX)));
            }
        }
        units
    }

    /// The documents whose sums are at least so much; sums are 0 afterwards.
    fn take(&mut self, least: u16, units: f64) -> Vec<Candidate> {
        let count = self.kernels.at_least(&self.sums.0, least, &mut self.offsets.0);
        let sums = &self.sums.0;
        let of = |&offset: &u16| (offset, bound_of_sum(sums[usize::from(offset)], units));
        let candidates = self.offsets.0.iter().take(count).map(of).collect();
        self.sums.0.fill(0);
        candidates
    }

    /// Adds the documents in which a leaf can occur and get at least `least` from it.
    fn add_thinned(&mut self, leaf: &LeafWindow<'_>, least: f64, to: &mut Bitmap) {
        let factor = leaf.impacts().filter(|_| leaf.terms.len() == 1 && leaf.chunk.open.scores());
        let (Some(factor), [term]) = (factor.filter(|_| least > 0.0), leaf.terms.as_slice()) else {
            self.add_possible(leaf, to);
            return;
        };
        let impact = (least / factor).ceil();
        if impact > 255.0 {
            return;
        }
        let impacts = term.marks().bytes();
        let mut indexes = [0; WINDOW_LEN];
        let count = self.kernels.impacts_at_least(
            impacts,
            u8::try_from(whole(impact)).unwrap_or(u8::MAX),
            &mut indexes,
        );
        let indexes = indexes.get(..count).unwrap_or_default();
        let offsets = match term.offsets() {
            Ok(offsets) => offsets,
            Err(bitmap) => {
                let count = self.kernels.bitmap_offsets(bitmap, &mut self.offsets.0);
                self.offsets.0.get(..count).unwrap_or_default()
            }
        };
        for &index in indexes {
            if let Some(offset) = offsets.get(usize::from(index)) {
                let place = usize::from(*offset) % WINDOW_LEN;
                to[place / 8] |= 1 << (place % 8);
            }
        }
    }

    /// Adds the documents in which a leaf can occur.
    fn add_possible(&mut self, leaf: &LeafWindow<'_>, to: &mut Bitmap) {
        let [term] = leaf.terms.as_slice() else {
            let mut all = [u8::MAX; WINDOW_LEN / 8];
            for term in &leaf.terms {
                let mut of_term = [0; WINDOW_LEN / 8];
                term.add_to(&mut of_term);
                self.kernels.and(&mut all, &of_term);
            }
            self.kernels.or(to, &all);
            return;
        };
        term.add_to(to);
    }

    /// Adds the documents in which a leaf occurs.
    fn add_matches(
        &mut self,
        window: &Window<'_>,
        leaf: &LeafWindow<'_>,
        to: &mut Bitmap,
    ) -> Result<()> {
        if !leaf.chunk.open.is_placed() {
            self.add_possible(leaf, to);
            return Ok(());
        }
        let mut possible = [0; WINDOW_LEN / 8];
        self.add_possible(leaf, &mut possible);
        let count = self.kernels.bitmap_offsets(&possible, &mut self.offsets.0);
        for &offset in self.offsets.0.iter().take(count) {
            if leaf.frequency(window.base() | offset, &mut self.scratch)? > 0 {
                to[usize::from(offset) / 8] |= 1 << (offset % 8);
            }
        }
        Ok(())
    }
}

impl<'c> Window<'c> {
    fn base(&self) -> u16 {
        u16::try_from(self.number * WINDOW_LEN).unwrap_or_default()
    }

    fn doc(&self, offset: u16) -> DocId {
        DocId::from_parts(self.chunk, self.base() | offset)
    }

    /// The leaves that may occur here.
    fn open(&self) -> Result<Vec<LeafWindow<'c>>> {
        let mut open = Vec::with_capacity(self.leaves.len());
        for (index, leaf) in self.leaves.iter().enumerate() {
            open.extend(leaf.window(self.number, index)?);
        }
        Ok(open)
    }

    fn is_dead(&self, offset: u16) -> bool {
        self.dead.contains(self.base() | offset)
    }

    fn remove_dead(&self, from: &mut Bitmap) {
        if self.dead.is_empty() {
            return;
        }
        for (byte, base) in from.iter_mut().zip((self.base()..).step_by(8)) {
            for bit in 0..8 {
                if *byte >> bit & 1 == 1 && self.dead.contains(base | bit) {
                    *byte &= !(1 << bit);
                }
            }
        }
    }
}

/// The score below which no document is among the best.
fn threshold(top: &TopK, floor: f64) -> f64 {
    top.threshold().map_or(floor, |score| floor.max(score.into()))
}

/// Adds to the bounds of candidates what further leaves, which add up to `rest` at most, give them; drops who stays below.
fn refine(
    mut candidates: Vec<Candidate>,
    leaves: &[&LeafWindow<'_>],
    rest: f64,
    threshold: f64,
) -> Vec<Candidate> {
    candidates.retain_mut(|(offset, bound)| {
        let mut rest = rest;
        // The greatest first, after which most are decided.
        for leaf in leaves.iter().rev() {
            if *bound + rest < threshold {
                return false;
            }
            rest -= leaf.bound;
            *bound += leaf.bound_of(*offset).unwrap_or_default();
        }
        *bound >= threshold
    });
    candidates
}

/// The bound that a sum stands for; a sum that reached its end may stand for any.
fn bound_of_sum(sum: u16, units: f64) -> f64 {
    if sum == u16::MAX { f64::INFINITY } else { f64::from(sum) / units }
}
