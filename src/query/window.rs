//! One window of 4,096 documents: which of them match, and which of those can be among the best.
//!
//! The searcher brings windows in descending order of their bounds. In a window documents are sorted out by bounds alone,
//! cheaply and in bulk. What is left is scored exactly: at once who is among the best so far for certain, or whoever may be where
//! positions decide; the others at the end, if they still may be (`deferred`). Those that match for certain are scored term by term (`shares`).
//!
//! ```text
//! nothing required   lists whose bounds together stay below the threshold only refine what the other lists bring
//! something required sets of documents; the shortest required list is thinned out by its impacts first
//! only filters       as where nothing is, once there is a threshold; filters are asked about what is left
//! ```
//! Invariant: a document that is sorted out has a bound below the threshold.

use super::deferred::{Deferred, Found};
use super::error::Result;
use super::filtered::filters_of_best;
use super::leaf::{ChunkLeaf, LeafWindow, Scale};
use super::memory::Memory;
use super::nesting::{Best, Group, Node};
use super::plan::Plan;
use super::shares::sum_shares;
use super::sums::{self, SUM_MAX, UNITS_SLACK, bound_of_sum, least_sum};
use super::term_window::{Finder, WINDOW, has_bit, index_in};
use super::topk::{ScoredDoc, TopK};
use super::tree_score::{Occurrence, TreeBounds, TreeScore, find_occurrences, with_constant};
use crate::fts::{DeadChunk, DocId, Marks, WINDOW_LEN, whole};
use crate::kernels::{Bitmap, Kernels};

/// A window of a chunk.
pub(super) struct Window<'c> {
    pub(super) chunk: u32,
    pub(super) number: usize,
    pub(super) leaves: &'c [ChunkLeaf<'c>],
    /// For each leaf, what scoring needs; empty when nothing is scored.
    pub(super) scales: &'c [Option<Scale<'c>>],
    pub(super) dead: &'c DeadChunk,
    /// The live documents that match, where they are known.
    pub(super) matching: Option<&'c Bitmap>,
}

/// Evaluates windows, with the same memory.
pub(super) struct WindowSearch<'p> {
    plan: &'p Plan,
    /// Filters that are asked about the best by the other leaves.
    filters: Vec<usize>,
    /// A score that as many documents reach as are wanted, or 0.
    floor: f64,
    top: TopK,
    /// Where bounds tell which documents match.
    deferred: Option<Deferred>,
    kernels: &'static Kernels,
    /// Between windows all sums are 0.
    memory: Box<Memory>,
    /// Which required sets the document at hand matches.
    found: Vec<bool>,
    /// Where there is a tree: which leaves occur in the document.
    occurrences: Vec<Option<Occurrence>>,
    /// Where less than the sum of bounds may be all that a document gets: the bound of each leaf.
    combined: Option<(&'p Group<usize>, TreeBounds)>,
    /// The leaves of the first windows that have documents which were put off, and the places of these windows.
    kept: Vec<(u32, Vec<LeafWindow<'p>>)>,
    /// Whether candidates match that hold any term, and add up what they get from each.
    scores_together: bool,
    /// Documents of the window at hand that are scored together, and their scores.
    batch: Vec<u16>,
    scores: Vec<Option<f32>>,
}

/// A document of the window, and a bound of its score.
type Candidate = (u16, f64);

/// Leaves of windows that are kept decoded for the documents that are put off there: of most searches all such windows. Each takes 8 KiB
/// for a term at most.
const KEPT_LEAVES_LEN_MAX: usize = 64;
/// Candidates up to which bounds are looked up one by one instead of summed for the whole window.
const PROBED_LEN_MAX: usize = 128;
/// Documents of the shortest required list up to which the other lists are not joined with it as bitmaps.
const JOINED_LEN_MIN: usize = 8;
/// Documents that are scored together at most: none of them sees how the others raise the threshold.
const BATCH_LEN: usize = 32;
/// Where fewer than one in so many documents pass a filter, these are looked at first.
const FILTERED_SHARE: usize = 8;

impl<'p> WindowSearch<'p> {
    /// A search for the documents that match.
    pub(super) fn of_matching(plan: &'p Plan) -> Self {
        Self::new(plan, TopK::new(0, None), 0.0, 0.0)
    }

    /// A search for the best documents, of which as many as are wanted have scores of `floor` or more, while no score is above `most`.
    pub(super) fn new(plan: &'p Plan, top: TopK, floor: f64, most: f64) -> Self {
        let positions_decide = plan.leaves.iter().any(|leaf| leaf.key.is_placed());
        let bounds_decide = !positions_decide && plan.tree.as_ref().is_none_or(Group::is_union);
        let has_sets = plan.leaves.iter().any(|leaf| leaf.key.set.is_some());
        let combined = plan.combining().map(|tree| (tree, TreeBounds::new(plan)));
        WindowSearch {
            plan,
            filters: if top.k() > 0 { filters_of_best(plan) } else { Vec::new() },
            floor,
            deferred: bounds_decide.then(|| Deferred::new(top.k(), floor, top.most(most))),
            top,
            kernels: Kernels::best(),
            memory: Memory::take(),
            found: Vec::new(),
            occurrences: vec![None; if plan.tree.is_some() { plan.leaves.len() } else { 0 }],
            combined,
            kept: Vec::new(),
            // What a set may hold is more than what it holds.
            scores_together: bounds_decide && plan.tree.is_none() && !has_sets,
            batch: Vec::new(),
            scores: Vec::new(),
        }
    }

    /// The live documents that match.
    pub(super) fn matching(&mut self, window: &Window<'_>) -> Result<Bitmap> {
        if let Some(tree) = &self.plan.tree {
            let mut matching = self.matching_group(window, tree)?;
            window.remove_dead(&mut matching);
            return Ok(matching);
        }
        let leaves = || window.leaves.iter().filter(|leaf| !leaf.is_empty(window.number));
        let mut matching = [0; WINDOW_LEN / 8];
        if self.plan.required.is_empty() {
            for leaf in leaves().filter(|leaf| leaf.open.scores()) {
                self.add_matches(window, leaf, &mut matching)?;
            }
        }
        let of_set = |set: usize| leaves().filter(move |leaf| leaf.open.required.contains(&set));
        let len = |&set: &usize| of_set(set).map(|leaf| leaf.len(window.number)).sum::<usize>();
        let mut sets: Vec<usize> = (0..self.plan.required.len()).collect();
        sets.sort_by_cached_key(len);
        for (place, set) in sets.into_iter().enumerate() {
            let mut documents = [0; WINDOW_LEN / 8];
            for leaf in of_set(set) {
                self.add_matches(window, leaf, &mut documents)?;
            }
            if place == 0 {
                matching = documents;
            } else if self.kernels.and(&mut matching, &documents) == 0 {
                return Ok(matching);
            }
        }
        for leaf in leaves().filter(|leaf| leaf.open.excluded) {
            let mut excluded = [0; WINDOW_LEN / 8];
            self.add_matches(window, leaf, &mut excluded)?;
            self.kernels.and_not(&mut matching, &excluded);
        }
        window.remove_dead(&mut matching);
        Ok(matching)
    }

    /// The documents in which the conditions of a group hold.
    fn matching_group(&mut self, window: &Window<'_>, group: &Group<usize>) -> Result<Bitmap> {
        let asked = match group.required.split_first() {
            None => self.matching_any(window, &group.optional)?,
            Some((first, others)) => {
                let mut all = self.matching_any(window, first)?;
                for set in others {
                    let of_set = self.matching_any(window, set)?;
                    self.kernels.and(&mut all, &of_set);
                }
                all
            }
        };
        let mut matching = asked;
        let excluded = self.matching_any(window, &group.excluded)?;
        self.kernels.and_not(&mut matching, &excluded);
        Ok(matching)
    }

    /// The documents in which one of some conditions holds.
    fn matching_any(&mut self, window: &Window<'_>, nodes: &[Node<usize>]) -> Result<Bitmap> {
        let mut matching = [0; WINDOW_LEN / 8];
        for node in nodes {
            match node {
                Node::Leaf(place) => self.add_leaf(window, *place, &mut matching)?,
                Node::Group(group) => {
                    let of_group = self.matching_group(window, group)?;
                    self.kernels.or(&mut matching, &of_group);
                }
                Node::Across(places) => {
                    for place in places {
                        self.add_leaf(window, *place, &mut matching)?;
                    }
                }
                Node::Best(best) => {
                    for group in &best.alternatives {
                        let of_group = self.matching_group(window, group)?;
                        self.kernels.or(&mut matching, &of_group);
                    }
                }
            }
        }
        Ok(matching)
    }

    /// The best documents of all windows that were searched; to be asked when no search failed.
    pub(super) fn into_top(self) -> TopK {
        self.memory.give_back();
        self.top
    }

    /// The score below which no document is among the best.
    pub(super) fn threshold(&self) -> f64 {
        let known = self.deferred.as_ref().map_or(self.floor, Deferred::threshold);
        self.top.threshold().map_or(known, |score| known.max(score.into()))
    }

    /// Finds every document of a window that may be among the best; `place` is the window's in the order of evaluation.
    pub(super) fn search(&mut self, window: &Window<'p>, place: u32) -> Result<()> {
        let leaves = window.leaves();
        let threshold = self.threshold();
        let (mut candidates, mut unit) = if let Some(best) = self.plan.lone_best() {
            (self.any_alternative(window, &leaves, best, threshold)?, 0.0)
        } else if self.plan.required.is_empty() {
            self.any(window, leaves.iter().collect(), threshold)?
        } else if self.asks_filters_last(window, &leaves, threshold) {
            self.any_that_pass(window, &leaves, threshold)?
        } else {
            self.all(window, &leaves, threshold)?
        };
        if let Some((tree, bounds)) = &mut self.combined {
            *bounds = TreeBounds::new(self.plan);
            combine(&mut candidates, tree, &leaves, bounds, threshold)?;
            unit = 0.0;
        }
        if let Some(matching) = window.matching {
            candidates.retain(|&(offset, _)| has_bit(matching, offset));
        } else {
            let excluding = leaves
                .iter()
                .filter(|leaf| leaf.chunk.open.excluded && !leaf.chunk.open.is_placed());
            for leaf in excluding {
                if let Some(mut finder) = leaf.finder()? {
                    candidates.retain(|&(offset, _)| finder.find(offset).is_none());
                } else {
                    retain(&mut candidates, |(offset, _)| Ok(!leaf.holds(*offset)?))?;
                }
            }
            if !window.dead.is_empty() {
                candidates.retain(|&(offset, _)| !window.is_dead(offset));
            }
        }
        let scoring = leaves.iter().filter(|leaf| leaf.chunk.open.scores());
        let slack: f64 = scoring.map(|leaf| leaf.bounds.slack() + UNITS_SLACK * unit).sum();
        // A sum that reached its end is at least that.
        let most = if unit > 0.0 { SUM_MAX * unit } else { f64::INFINITY };
        if candidates.len() > self.top.k() {
            self.best_first(&mut candidates);
        }
        let mut puts_off = false;
        for (offset, bound) in candidates {
            let (least, threshold) = (bound.min(most) - slack, self.threshold());
            if bound < threshold {
                continue;
            }
            match &mut self.deferred {
                // Ranked before all that is wanted.
                Some(_) if !self.top.wants_above(least) => {}
                // Who may turn out to be worse is scored last, when fewer may be among the best. One of them that turns out to be
                // ranked before raises no threshold until then, since the least that it gets is below.
                Some(deferred) if least < threshold => {
                    deferred.push(Found { window: place, offset, bound }, least);
                    puts_off = true;
                }
                _ => self.score_with_others(window, &leaves, offset)?,
            }
        }
        self.score_batch(window, &leaves)?;
        let kept_len = self.kept.iter().map(|(_, leaves)| leaves.len()).sum::<usize>();
        if puts_off && kept_len + leaves.len() <= KEPT_LEAVES_LEN_MAX {
            self.kept.push((place, leaves));
        }
        Ok(())
    }

    /// Puts those with the best bounds first, so that the threshold rises before the others are looked at.
    fn best_first(&self, candidates: &mut [Candidate]) {
        let by_bound = |left: &Candidate, right: &Candidate| right.1.total_cmp(&left.1);
        if self.deferred.is_some() {
            candidates.select_nth_unstable_by(self.top.k().saturating_sub(1), by_bound);
        } else if self.top.threshold().is_none() {
            // Few of them may match: there have to be more.
            candidates
                .sort_unstable_by(|left, right| by_bound(left, right).then(left.0.cmp(&right.0)));
        }
    }

    /// Adds a document whose score is known. Whoever was put off is counted again, which makes no threshold too high: the least that it
    /// gets was below a score that as many reached as are wanted.
    pub(super) fn push(&mut self, document: ScoredDoc) {
        if !self.top.wants(&document) {
            return;
        }
        self.top.push(document);
        if let Some(deferred) = &mut self.deferred {
            deferred.count(document.score.into());
        }
    }

    /// Whether documents that were put off have to be scored now.
    pub(super) fn is_full(&mut self) -> bool {
        self.deferred.as_mut().is_some_and(Deferred::is_full)
    }

    /// Scores the documents that were put off; `window_at` gives a window by its place in the order of evaluation.
    pub(super) fn score_deferred(&mut self, window_at: impl Fn(usize) -> Window<'p>) -> Result<()> {
        let threshold = self.threshold();
        let found = self.deferred.as_mut().map(|deferred| deferred.take(threshold));
        for found in found.unwrap_or_default().chunk_by(|left, right| left.window == right.window) {
            let place = found[0].window;
            let window = window_at(place as usize);
            let kept = self.kept.iter().position(|(kept, _)| *kept == place);
            let leaves = kept.map_or_else(|| window.leaves(), |kept| self.kept.swap_remove(kept).1);
            for found in found {
                if found.bound >= self.threshold() {
                    self.score_with_others(&window, &leaves, found.offset)?;
                }
            }
            self.score_batch(&window, &leaves)?;
        }
        Ok(())
    }

    /// Scores a document and adds it: at once, or with the others of the batch when it is full.
    fn score_with_others(
        &mut self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        offset: u16,
    ) -> Result<()> {
        if self.scores_together {
            self.batch.push(window.base() | offset);
            let is_full = self.batch.len() == BATCH_LEN;
            return if is_full { self.score_batch(window, leaves) } else { Ok(()) };
        }
        if let Some(score) = self.score(window, leaves, offset)? {
            self.push(ScoredDoc { doc: window.doc(offset), score });
        }
        Ok(())
    }

    /// Scores the documents of the batch and adds them; it is empty then.
    fn score_batch(&mut self, window: &Window<'_>, leaves: &[LeafWindow<'_>]) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        let mut scores = std::mem::take(&mut self.scores);
        sum_shares(leaves, window.scales, &batch, &mut scores)?;
        for (&offset, score) in batch.iter().zip(&scores) {
            if let Some(score) = *score {
                self.push(ScoredDoc { doc: window.doc(offset), score });
            }
        }
        batch.clear();
        (self.batch, self.scores) = (batch, scores);
        Ok(())
    }

    /// The score of a document; `None` when it does not match.
    fn score(
        &mut self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        offset: u16,
    ) -> Result<Option<f32>> {
        if let Some(tree) = &self.plan.tree {
            return self.score_in(tree, window, leaves, offset);
        }
        let (mut score, mut constant) = (0.0, 0.0);
        let mut matches = 0_usize;
        let mut missing = self.plan.required.len();
        self.found.clear();
        self.found.resize(missing, false);
        let offset = window.base() | offset;
        for leaf in leaves {
            let open = leaf.chunk.open;
            let found = if open.leaf.key.set.is_some() {
                let holds = leaf.holds(offset)?;
                constant += if holds { open.leaf.boost } else { 0.0 };
                holds
            } else if open.scores() {
                let Some(Some(scale)) = window.scales.get(leaf.index) else { continue };
                let share = leaf.score(offset, *scale, &mut self.memory.scratch)?;
                score += share.unwrap_or_default();
                share.is_some()
            } else {
                leaf.frequency(offset, &mut self.memory.scratch)? > 0
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
        Ok((matches > 0 && missing == 0).then(|| with_constant(score, constant)))
    }

    /// The score of a document where a tree says which leaves count; `None` when it does not match.
    fn score_in(
        &mut self,
        tree: &Group<usize>,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        offset: u16,
    ) -> Result<Option<f32>> {
        let offset = window.base() | offset;
        let WindowSearch { plan, memory, occurrences, .. } = self;
        find_occurrences(leaves, offset, &mut memory.scratch, occurrences)?;
        let scales = window.scales;
        TreeScore { plan, leaves, scales, offset, occurrences }.score(tree)
    }

    /// Candidates where nothing is required, and what a unit of their bounds is worth, if they were summed in such.
    fn any(
        &mut self,
        window: &Window<'_>,
        mut scoring: Vec<&LeafWindow<'_>>,
        threshold: f64,
    ) -> Result<(Vec<Candidate>, f64)> {
        scoring.retain(|leaf| leaf.chunk.open.scores());
        scoring.sort_by(|left, right| left.bound.total_cmp(&right.bound));
        let mut rest = 0.0;
        let refining = scoring.iter().take_while(|leaf| {
            let stays_below = rest + leaf.bound < threshold;
            rest += if stays_below { leaf.bound } else { 0.0 };
            stays_below
        });
        let (refining, bringing) = scoring.split_at(refining.count());
        let (mut candidates, unit) = match bringing {
            [] => return Ok((Vec::new(), 0.0)),
            [leaf] if leaf.chunk.open.is_placed() => {
                (self.scan_placed(window, leaf, threshold - rest)?, 0.0)
            }
            [leaf] => (self.scan(leaf, threshold - rest)?, 0.0),
            _ => {
                let units = self.sum(bringing, threshold)?;
                let least = ((threshold - rest) * units).clamp(1.0, SUM_MAX);
                (self.take(whole(least), units, |_| true), 1.0 / units)
            }
        };
        // The greatest first, after which most are decided.
        for leaf in refining.iter().rev() {
            rest = refine(&mut candidates, leaf, rest, threshold, false)?;
        }
        Ok((candidates, unit))
    }

    /// Whether more documents are sorted out by what they can get than by filters.
    fn asks_filters_last(
        &self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        threshold: f64,
    ) -> bool {
        if self.filters.is_empty() || window.matching.is_some() || threshold <= 0.0 {
            return false;
        }
        let is_filter = |leaf: &&LeafWindow<'_>| self.is_filter(leaf);
        let passing = leaves.iter().filter(is_filter).map(LeafWindow::len).min();
        let others: usize =
            leaves.iter().filter(|leaf| !self.is_filter(leaf)).map(LeafWindow::len).sum();
        passing.unwrap_or_default() >= others / FILTERED_SHARE
    }

    fn is_filter(&self, leaf: &LeafWindow<'_>) -> bool {
        self.filters.contains(&leaf.chunk.open.place)
    }

    /// Candidates where filters are all that is required beside any of the other leaves; else as [`any`](Self::any).
    fn any_that_pass(
        &mut self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        threshold: f64,
    ) -> Result<(Vec<Candidate>, f64)> {
        let (filters, others): (Vec<_>, Vec<_>) =
            leaves.iter().partition(|leaf| self.is_filter(leaf));
        let (mut candidates, unit) = self.any(window, others, threshold)?;
        for filter in filters {
            for term in filter.terms()? {
                term.prepare_for(candidates.len());
                candidates.retain(|&(offset, _)| term.holds(offset));
            }
        }
        Ok((candidates, unit))
    }

    /// Candidates where alternatives are all that is asked for, of which the best counts: in one of them at least they get what is
    /// left of the threshold when the others give what they can. Bounds are still to be found.
    fn any_alternative(
        &mut self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        best: &Best<usize>,
        threshold: f64,
    ) -> Result<Vec<Candidate>> {
        let leaf_at = |place: usize| leaves.iter().find(|leaf| leaf.chunk.open.place == place);
        let mut bounds = TreeBounds::new(self.plan);
        for leaf in leaves {
            bounds.set(leaf.chunk.open.place, leaf.bound, leaf.bounds.full());
        }
        let bounds: Vec<f64> = best.alternatives.iter().map(|group| bounds.most(group)).collect();
        let (total, tie_breaker) = (bounds.iter().sum::<f64>(), f64::from(best.tie_breaker));
        let mut found = [0; WINDOW_LEN / 8];
        for (group, bound) in best.alternatives.iter().zip(bounds) {
            let least = (threshold - tie_breaker * (total - bound)).max(0.0);
            if bound < least {
                continue;
            }
            let mut of_group = Vec::new();
            group.each_leaf(&mut |&place| of_group.extend(leaf_at(place)));
            let (candidates, _) = self.any(window, of_group, least)?;
            for (offset, _) in candidates {
                found[usize::from(offset) / 8] |= 1 << (offset % 8);
            }
        }
        let count = self.kernels.bitmap_offsets(&found, &mut self.memory.offsets.0);
        let found = self.memory.offsets.0.iter().take(count);
        Ok(found.map(|&offset| (offset, f64::INFINITY)).collect())
    }

    /// Candidates where something is required; else as [`any`](Self::any).
    fn all(
        &mut self,
        window: &Window<'_>,
        leaves: &[LeafWindow<'_>],
        threshold: f64,
    ) -> Result<(Vec<Candidate>, f64)> {
        let total: f64 = leaves.iter().map(|leaf| leaf.bound).sum();
        let sets = required_sets(self.plan, leaves);
        let mut matching = [u8::MAX; WINDOW_LEN / 8];
        let mut known = 0;
        if let Some(documents) = window.matching {
            matching = *documents;
            known = sets.len();
        } else if let Some(lead) = sets.first().and_then(|set| set.alone) {
            matching.fill(0);
            known = 1;
            let count = self.add_thinned(lead, threshold - (total - lead.bound), &mut matching)?;
            if count == 0 {
                return Ok((Vec::new(), 0.0));
            }
            if count <= JOINED_LEN_MIN && sets.iter().all(|set| set.alone.is_some()) {
                // They are looked up in the other lists.
                known = sets.len();
            }
        }
        for set in sets.iter().skip(known) {
            let left = if let Some(leaf) = set.alone
                && let [term] = leaf.terms()?
            {
                term.keep_in(&mut matching)
            } else {
                let mut of_set = [0; WINDOW_LEN / 8];
                for leaf in set.leaves(leaves) {
                    self.add_possible(leaf, &mut of_set)?;
                }
                self.kernels.and(&mut matching, &of_set)
            };
            if left == 0 {
                return Ok((Vec::new(), 0.0));
            }
        }
        let count = self.kernels.bitmap_offsets(&matching, &mut self.memory.offsets.0);
        let scoring: Vec<&LeafWindow<'_>> =
            leaves.iter().filter(|leaf| leaf.chunk.open.scores()).collect();
        if count <= PROBED_LEN_MAX {
            let found = self.memory.offsets.0.iter().take(count);
            let mut candidates = found.map(|&offset| (offset, 0.0)).collect();
            let mut rest = total;
            let is_alone = |leaf: &LeafWindow<'_>| {
                sets.iter().filter_map(|set| set.alone).any(|alone| alone.index == leaf.index)
            };
            for leaf in sets.iter().filter_map(|set| set.alone) {
                rest = refine(&mut candidates, leaf, rest, threshold, true)?;
            }
            for leaf in scoring.into_iter().filter(|leaf| !is_alone(leaf)) {
                rest = refine(&mut candidates, leaf, rest, threshold, false)?;
            }
            return Ok((candidates, 0.0));
        }
        let units = self.sum(&scoring, threshold)?;
        let least = least_sum(threshold, units);
        Ok((self.take(least, units, |offset| has_bit(&matching, offset)), 1.0 / units))
    }

    /// The documents that may get so much from a leaf of one term.
    fn scan(&mut self, leaf: &LeafWindow<'_>, least: f64) -> Result<Vec<Candidate>> {
        let Some(term) = leaf.weighed()? else {
            return Ok(leaf.exact_bounds()?.filter(|&(_, bound)| bound >= least).collect());
        };
        let count = self.memory.thin_out(term, &leaf.bounds, least);
        let impacts = term.marks().bytes();
        let found = self.memory.indexes.0.iter().zip(&self.memory.offsets.0).take(count);
        let bound =
            |&index: &u16| impacts.get(usize::from(index)).map(|&of| leaf.bounds.on_line(of));
        let candidate = |(index, offset)| (offset % WINDOW, bound(index).unwrap_or(leaf.bound));
        Ok(found.map(candidate).collect())
    }

    /// The documents that hold all terms of a leaf and may get so much from it.
    fn scan_placed(
        &mut self,
        window: &Window<'_>,
        leaf: &LeafWindow<'_>,
        least: f64,
    ) -> Result<Vec<Candidate>> {
        let mut possible = window.matching.copied().unwrap_or([u8::MAX; WINDOW_LEN / 8]);
        for term in leaf.terms()? {
            let mut of_term = [0; WINDOW_LEN / 8];
            if least > 0.0 && matches!(term.marks(), Marks::Impacts(_)) {
                let count = self.memory.thin_out(term, &leaf.bounds, least);
                let offsets = self.memory.offsets.0.get(..count).unwrap_or_default();
                self.kernels.set_bits(&mut of_term, offsets);
            } else {
                term.add_to(&mut of_term);
            }
            if self.kernels.and(&mut possible, &of_term) == 0 {
                return Ok(Vec::new());
            }
        }
        let count = self.kernels.bitmap_offsets(&possible, &mut self.memory.offsets.0);
        let mut candidates = Vec::with_capacity(count);
        for &offset in self.memory.offsets.0.iter().take(count) {
            let bound = leaf.bound_of(offset)?;
            candidates.extend(bound.filter(|&bound| bound >= least).map(|bound| (offset, bound)));
        }
        Ok(candidates)
    }

    /// Sums bounds of the leaves for all documents; gives how many units of a sum are 1.
    fn sum(&mut self, leaves: &[&LeafWindow<'_>], threshold: f64) -> Result<f64> {
        let units = sums::units(threshold, leaves.iter().map(|leaf| &leaf.bounds));
        for leaf in leaves {
            if let ([term], false) = (leaf.terms()?, leaf.chunk.open.is_placed()) {
                let impacts = if term.has_impacts() { term.marks().bytes() } else { &[] };
                let (sums, scores) = (&mut self.memory.sums.0, term.scores());
                sums::add_all(sums, term.offsets(), impacts, scores, &leaf.bounds, units);
                continue;
            }
            let mut possible = [0; WINDOW_LEN / 8];
            self.add_possible(leaf, &mut possible)?;
            let count = self.kernels.bitmap_offsets(&possible, &mut self.memory.offsets.0);
            for &offset in self.memory.offsets.0.iter().take(count) {
                let bound = leaf.bound_of(offset)?.unwrap_or_default();
                sums::add(&mut self.memory.sums.0, offset, bound, units);
            }
        }
        Ok(units)
    }

    /// The documents that are `wanted` and whose sums are at least so much; sums are 0 afterwards.
    fn take(&mut self, least: u16, units: f64, wanted: impl Fn(u16) -> bool) -> Vec<Candidate> {
        let count = self.kernels.at_least(&self.memory.sums.0, least, &mut self.memory.offsets.0);
        let sums = &self.memory.sums.0;
        let of = |&offset: &u16| (offset, bound_of_sum(sums[usize::from(offset)], units));
        let found = self.memory.offsets.0.iter().take(count).filter(|&&offset| wanted(offset));
        let mut candidates = Vec::with_capacity(count);
        candidates.extend(found.map(of));
        self.memory.sums.0.fill(0);
        candidates
    }

    /// Adds the documents in which a leaf can occur and get at least `least` from it; gives how many there may be.
    fn add_thinned(&mut self, leaf: &LeafWindow<'_>, least: f64, to: &mut Bitmap) -> Result<usize> {
        let thinned = leaf.weighed()?.filter(|_| least > 0.0 && leaf.chunk.open.scores());
        let Some(term) = thinned else {
            self.add_possible(leaf, to)?;
            return Ok(leaf.len());
        };
        let count = self.memory.thin_out(term, &leaf.bounds, least);
        self.kernels.set_bits(to, self.memory.offsets.0.get(..count).unwrap_or_default());
        Ok(count)
    }

    /// Adds the documents in which a leaf can occur.
    fn add_possible(&mut self, leaf: &LeafWindow<'_>, to: &mut Bitmap) -> Result<()> {
        if let [term] = leaf.terms()? {
            term.add_to(to);
            return Ok(());
        }
        let mut all = [u8::MAX; WINDOW_LEN / 8];
        for term in leaf.terms()? {
            let mut of_term = [0; WINDOW_LEN / 8];
            term.add_to(&mut of_term);
            self.kernels.and(&mut all, &of_term);
        }
        self.kernels.or(to, &all);
        Ok(())
    }

    /// Adds the documents in which the leaf at this place of the plan occurs.
    fn add_leaf(&mut self, window: &Window<'_>, place: usize, to: &mut Bitmap) -> Result<()> {
        let leaf = window.leaves.iter().find(|leaf| leaf.open.place == place);
        match leaf.filter(|leaf| !leaf.is_empty(window.number)) {
            Some(leaf) => self.add_matches(window, leaf, to),
            None => Ok(()),
        }
    }

    /// Adds the documents in which a leaf occurs.
    fn add_matches(
        &mut self,
        window: &Window<'_>,
        leaf: &ChunkLeaf<'_>,
        to: &mut Bitmap,
    ) -> Result<()> {
        if !leaf.open.is_placed() {
            return leaf.add_possible(window.number, to, &mut self.memory.offsets.0);
        }
        let Some(leaf) = leaf.window(window.number, 0) else { return Ok(()) };
        let mut possible = [0; WINDOW_LEN / 8];
        self.add_possible(&leaf, &mut possible)?;
        let count = self.kernels.bitmap_offsets(&possible, &mut self.memory.offsets.0);
        for &offset in self.memory.offsets.0.iter().take(count) {
            if leaf.frequency(window.base() | offset, &mut self.memory.scratch)? > 0 {
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
    fn leaves(&self) -> Vec<LeafWindow<'c>> {
        let mut leaves = Vec::with_capacity(self.leaves.len());
        // Adapters would copy each on its way, and it is long.
        for (index, leaf) in self.leaves.iter().enumerate() {
            if let Some(leaf) = leaf.window(self.number, index) {
                leaves.push(leaf);
            }
        }
        leaves
    }

    fn is_dead(&self, offset: u16) -> bool {
        self.dead.contains(self.base() | offset)
    }

    fn remove_dead(&self, from: &mut Bitmap) {
        remove_dead(self.dead, self.base(), from);
    }
}

/// Takes the dead documents of a chunk out of those of its window that begins at `base`.
pub(super) fn remove_dead(dead: &DeadChunk, base: u16, from: &mut Bitmap) {
    if dead.is_empty() {
        return;
    }
    for (byte, base) in from.iter_mut().zip((base..).step_by(8)) {
        for bit in 0..8 {
            if *byte >> bit & 1 == 1 && dead.contains(base | bit) {
                *byte &= !(1 << bit);
            }
        }
    }
}

/// A required set in a window.
struct RequiredSet<'s, 'l, 'c> {
    places: &'s [usize],
    /// Its only leaf, if it has no other anywhere.
    alone: Option<&'l LeafWindow<'c>>,
}

impl RequiredSet<'_, '_, '_> {
    /// Those of the window's leaves that belong to it.
    fn leaves<'l, 'c>(
        &self,
        leaves: &'l [LeafWindow<'c>],
    ) -> impl Iterator<Item = &'l LeafWindow<'c>> {
        leaves.iter().filter(|leaf| self.places.contains(&leaf.chunk.open.place))
    }
}

/// The required sets, those first that hold the fewest documents here.
fn required_sets<'s, 'l, 'c>(
    plan: &'s Plan,
    leaves: &'l [LeafWindow<'c>],
) -> Vec<RequiredSet<'s, 'l, 'c>> {
    let set = |places: &'s Vec<usize>| {
        let alone = match places.as_slice() {
            [place] => leaves.iter().find(|leaf| leaf.chunk.open.place == *place),
            _ => None,
        };
        RequiredSet { places, alone }
    };
    let mut sets: Vec<_> = plan.required.iter().map(set).collect();
    sets.sort_by_cached_key(|set| set.leaves(leaves).map(LeafWindow::len).sum::<usize>());
    sets
}

/// Adds to the bounds of candidates what a further leaf gives them, and drops those that stay below the threshold; and, where it
/// has to occur, those that do not hold it.
///
/// All further leaves together add up to `rest` at most; gives what those behind this one do.
fn refine(
    candidates: &mut Vec<Candidate>,
    leaf: &LeafWindow<'_>,
    rest: f64,
    threshold: f64,
    is_required: bool,
) -> Result<f64> {
    candidates.retain(|(_, bound)| bound + rest >= threshold);
    if candidates.is_empty() {
        return Ok(rest);
    }
    // Rounding may leave less than nothing, of which nobody falls short whose score is nothing.
    let behind = (rest - leaf.bound).max(0.0);
    let add = |bound: &mut f64, more: Option<f64>| {
        *bound += more.unwrap_or_default();
        *bound + behind >= threshold && (more.is_some() || !is_required)
    };
    if let Some(term) = leaf.weighed()? {
        let mut finder = term.finder();
        // Documents of a set are not counted for that: all get the most.
        let impacts = if matches!(finder, Finder::Set(_)) { &[] } else { term.marks().bytes() };
        let impact = |index| impacts.get(index).copied().unwrap_or(u8::MAX);
        let on_line = |index| leaf.bounds.on_line(impact(index));
        if let Finder::Bitmap(bitmap, ranks) = finder {
            let find = |offset| index_in(bitmap, ranks, offset).map(on_line);
            candidates.retain_mut(|(offset, bound)| add(bound, find(*offset)));
        } else {
            candidates.retain_mut(|(offset, bound)| add(bound, finder.find(*offset).map(on_line)));
        }
    } else {
        retain(candidates, |(offset, bound)| Ok(add(bound, leaf.bound_of(*offset)?)))?;
    }
    Ok(behind)
}

/// Bounds candidates by what the tree makes of the bounds of leaves, which `bounds` is used for, and drops those that stay below the
/// threshold.
fn combine(
    candidates: &mut Vec<Candidate>,
    tree: &Group<usize>,
    leaves: &[LeafWindow<'_>],
    bounds: &mut TreeBounds,
    threshold: f64,
) -> Result<()> {
    retain(candidates, |(offset, bound)| {
        for leaf in leaves.iter().filter(|leaf| leaf.chunk.open.scores()) {
            let bound = leaf.bound_of(*offset)?.unwrap_or_default();
            bounds.set(leaf.chunk.open.place, bound, leaf.bounds.full());
        }
        *bound = bounds.most(tree);
        Ok(*bound >= threshold)
    })
}

/// Keeps what `keep` says, as far as there is no error.
fn retain(
    candidates: &mut Vec<Candidate>,
    mut keep: impl FnMut(&mut Candidate) -> Result<bool>,
) -> Result<()> {
    let mut failed = None;
    candidates.retain_mut(|candidate| {
        keep(candidate).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            false
        })
    });
    failed.map_or(Ok(()), Err)
}
