//! The best documents of a search for one word and nothing else but filters.
//!
//! Nothing is joined here: each document stands in one block of the word's postings, and what it gets there is its score. So the
//! searcher comes here with such a plan, whatever runs the postings are spread over. Impacts are compared where they stand; which
//! documents they belong to, how often these hold the word and how long they are is looked up of the few that are left.
//!
//! ```text
//! ranks of impacts ─► a first threshold ─► lists with lengths, blocks with impacts ─► who may be among the best ─► exact scores
//! ```
//! Where documents have to be in a set besides, blocks are joined with its bits before impacts are compared. Where filters are asked about
//! single documents, those that impacts leave are asked: from a guessed threshold on, that so many reach as there have to be for enough
//! to pass.
//!
//! Invariant: the same documents and scores as by way of windows. Cost: a few nanoseconds for every 64 impacts of a block that may
//! have one of the best, some tens for each document that is scored, and a few for each posting of a list that has lengths.

use std::sync::Arc;

use super::bm25::Norms;
use super::bounds::Bounds;
use super::deferred::{Deferred, Found};
use super::error::Result;
use super::filtered::Passing;
use super::leaf::{OpenLeaf, find_lengths, missing_lengths};
use super::memory::Memory;
use super::plan::{LeafKey, Plan};
use super::term_window::{WINDOW, bits_at, has_bit, index_in, keep_at};
use super::topk::{ScoredDoc, TopK};
use crate::fts::{
    self, Block, Body, DeadChunk, DocId, DocumentSet, Drift, FieldId, Marks, Offsets, Postings,
    StoredLengths, TermPostings, TextReader, WINDOW_LEN, WINDOWS_LEN,
};
use crate::kernels::{Bitmap, Kernels};
use crate::lsm;

/// The word of a plan that asks for nothing else.
pub(super) struct LoneTerm<'s, 'p> {
    open: &'s OpenLeaf<'p>,
    postings: &'s TermPostings,
    /// Where its documents have to be among these.
    within: Option<&'s DocumentSet>,
}

/// What one run has of the word in a chunk.
struct Part<'s> {
    chunk: u32,
    dead: Arc<DeadChunk>,
    within: Option<&'s [Bitmap; WINDOWS_LEN]>,
    postings: Postings<'s>,
    bounds: Bounds,
}

/// A block whose postings have impacts.
struct Ranked {
    /// No document gets more.
    bound: f64,
    /// Its part's place among the parts, and its window; of a list 0.
    part: usize,
    window: usize,
}

/// Finds the best documents.
struct Search<'s> {
    parts: &'s [Part<'s>],
    blocks: &'s [Ranked],
    norms: &'s Norms,
    field: FieldId,
    /// By ascending chunk.
    lengths: &'s [(u32, StoredLengths)],
    top: TopK,
    /// Only documents that pass are wanted; and how many of those asked did.
    passes: Option<&'s Passes<'s>>,
    passing: Passing,
    deferred: Deferred,
    memory: Box<Memory>,
}

/// Whether a document passes the filters beside the word.
pub(super) type Passes<'f> = dyn Fn(DocId) -> bool + 'f;

impl<'s, 'p> LoneTerm<'s, 'p> {
    /// The word of a plan with these leaves, if it asks for one and nothing else, or also for documents of one set.
    pub(super) fn new(plan: &Plan, leaves: &'s [OpenLeaf<'p>]) -> Option<Self> {
        let (open, set) = match leaves {
            [open] => (open, None),
            [open, set] | [set, open] if set.known_documents().is_some() => (open, Some(set)),
            _ => return None,
        };
        // Of leaves that were not opened there are no documents: what requires one of them is in vain.
        let is_required = |set: &OpenLeaf<'_>| {
            !open.required.is_empty()
                && matches!(set.required.as_slice(), &[place] if plan.required[place] == [set.place])
        };
        let is_alone = plan.tree.is_none()
            && leaves.iter().all(|leaf| !leaf.excluded)
            && set.is_none_or(is_required)
            && open.required.len() + usize::from(set.is_some()) == plan.required.len();
        let postings = open.lone_term().filter(|_| is_alone && open.scores())?;
        Some(LoneTerm { open, postings, within: set.and_then(OpenLeaf::known_documents) })
    }

    /// What the plan asks for it.
    pub(super) fn key(&self) -> &LeafKey {
        &self.open.leaf.key
    }

    /// The best documents that hold it, best first, as many as `top` keeps of all.
    ///
    /// # Errors
    /// Those of the text index.
    pub(super) fn best(
        &self,
        reader: &TextReader<'_>,
        norms: &Norms,
        top: TopK,
    ) -> Result<Vec<ScoredDoc>> {
        let parts = self.parts(reader, norms)?;
        // Ranks of impacts count documents that are not in the set too.
        let floor = if self.within.is_some() { 0.0 } else { first_threshold(&parts, top.k()) };
        Ok(self.above(reader, norms, &parts, floor, top, None)?.0)
    }

    /// The best `k` documents that hold it and pass, best first, when there are as many among about the best `looked_at` that hold it; and
    /// how many of those that were looked at pass.
    ///
    /// # Errors
    /// Those of the text index.
    pub(super) fn best_that_pass(
        &self,
        reader: &TextReader<'_>,
        norms: &Norms,
        k: usize,
        looked_at: usize,
        passes: &Passes<'_>,
    ) -> Result<(Option<Vec<ScoredDoc>>, Passing)> {
        let parts = self.parts(reader, norms)?;
        let floor = first_threshold(&parts, looked_at);
        let top = TopK::new(k, None);
        let (best, passing) = self.above(reader, norms, &parts, floor, top, Some(passes))?;
        // Whoever is worse than the guessed threshold may have been passed over, and whoever ties with it when they are too many.
        let is_enough = floor == 0.0
            || best.get(k.saturating_sub(1)).is_some_and(|last| f64::from(last.score) >= floor);
        let are_all = is_enough && !passing.has_asked_many();
        Ok((are_all.then_some(best), passing))
    }

    /// The best documents, of those at least whose score is not below `floor`; and how many of those that were asked pass.
    fn above(
        &self,
        reader: &TextReader<'_>,
        norms: &Norms,
        parts: &[Part<'_>],
        floor: f64,
        top: TopK,
        passes: Option<&Passes<'_>>,
    ) -> Result<(Vec<ScoredDoc>, Passing)> {
        let blocks = rank(parts, floor);
        let field = self.key().field;
        let lengths = reader.all_lengths(field)?;
        let mut search = Search {
            deferred: Deferred::new(top.k(), floor, self.open.bounds.full()),
            parts,
            blocks: &blocks,
            norms,
            field,
            lengths: &lengths,
            top,
            passes,
            passing: Passing::default(),
            memory: Memory::take(),
        };
        search.run()?;
        search.memory.give_back();
        Ok((search.top.into_sorted(), search.passing))
    }

    fn parts(&self, reader: &TextReader<'_>, norms: &Norms) -> Result<Vec<Part<'s>>> {
        let mut parts = Vec::with_capacity(self.postings.chunks.len());
        for stored in &self.postings.chunks {
            let (chunk, dead) = (stored.chunk, reader.dead(stored.chunk)?);
            let within = self.within.map(|documents| documents.in_chunk(chunk));
            if within == Some(None) {
                continue;
            }
            for postings in stored.parts() {
                let postings = postings?;
                let averages = postings.averages();
                let drift = averages.map_or(Drift::NONE, |averages| norms.drift(averages));
                let (bounds, dead) = (self.open.bounds.with_drift(drift), Arc::clone(&dead));
                let within = within.flatten();
                parts.push(Part { chunk, dead, within, postings, bounds });
            }
        }
        Ok(parts)
    }
}

impl<'s> Part<'s> {
    /// The block of a window, or that of a list.
    fn block(&self, window: usize) -> lsm::Result<Option<Block<'s>>> {
        match self.postings.body() {
            Body::None => Ok(None),
            Body::List { block, .. } => Ok(Some(*block)),
            Body::Windows(windows) => windows.block(window),
        }
    }

    /// The impacts of that block.
    fn impacts(&self, window: usize) -> lsm::Result<&'s [u8]> {
        match self.postings.body() {
            Body::None => Ok(&[]),
            Body::List { block, .. } => Ok(block.marks().bytes()),
            Body::Windows(windows) => windows.impacts(window),
        }
    }

    fn doc(&self, window: usize, offset: u16) -> DocId {
        let base = u16::try_from(window * WINDOW_LEN).unwrap_or_default();
        DocId::from_parts(self.chunk, base | offset)
    }

    /// Whether a document is dead, or not among those that it has to be among.
    fn is_out(&self, doc: DocId) -> bool {
        let (window, offset) = (usize::from(doc.offset() / WINDOW), doc.offset() % WINDOW);
        let is_in = |within: &[Bitmap; WINDOWS_LEN]| has_bit(&within[window], offset);
        self.dead.contains(doc.offset()) || self.within.is_some_and(|within| !is_in(within))
    }
}

impl Search<'_> {
    fn run(&mut self) -> Result<()> {
        for part in self.parts {
            self.score_list(part)?;
        }
        for (order, ranked) in (0_u32..).zip(self.blocks) {
            if self.passing.has_asked_many() {
                break;
            }
            if ranked.bound >= self.threshold() {
                self.scan(order, ranked)?;
            }
            if self.deferred.is_full() {
                self.score_deferred()?;
            }
        }
        self.score_deferred()
    }

    /// A score below which no document is among the best.
    fn threshold(&self) -> f64 {
        let known = self.deferred.threshold();
        self.top.threshold().map_or(known, |score| known.max(score.into()))
    }

    /// Scores the documents of a list that has their lengths. Where all are wanted, of more than `k` no more are kept than those and
    /// whoever ties with the worst of them.
    fn score_list(&mut self, part: &Part<'_>) -> Result<()> {
        let Body::List { block, .. } = part.postings.body() else { return Ok(()) };
        let Marks::Codes(codes) = block.marks() else { return Ok(()) };
        let mut frequencies = std::mem::take(&mut self.memory.frequencies);
        block.read_frequencies(&mut frequencies).map_err(fts::Error::from)?;
        let (norms, weight) = (self.norms, part.bounds.weight());
        let score = |(&code, &frequency)| norms.score(weight, frequency, code);
        let mut scores = std::mem::take(&mut self.memory.scores);
        scores.clear();
        scores.extend(codes.iter().zip(&frequencies).map(score));
        let (mut threshold, k) = (self.threshold(), self.top.k());
        if self.wants_all(part) && (1..scores.len()).contains(&k) {
            // Scores are not below zero, so that their bits are in the same order.
            frequencies.clear();
            frequencies.extend(scores.iter().map(|score| score.to_bits()));
            let descending = |left: &u32, right: &u32| right.cmp(left);
            let (_, worst, _) = frequencies.select_nth_unstable_by(k - 1, descending);
            threshold = threshold.max(f32::from_bits(*worst).into());
        }
        let mut are_decoded = false;
        for (index, &score) in scores.iter().enumerate() {
            if f64::from(score) < threshold {
                continue;
            }
            let offsets = &mut self.memory.offsets.0;
            if !std::mem::replace(&mut are_decoded, true) {
                block.decode_offsets(offsets).map_err(fts::Error::from)?;
            }
            let offset = offsets.get(index).copied().unwrap_or_default();
            let doc = part.doc(0, offset);
            if part.is_out(doc) || !passes_all(self.passes, &mut self.passing, doc) {
                continue;
            }
            self.top.push(ScoredDoc { doc, score });
            self.deferred.count(score.into());
            threshold = threshold.max(self.threshold());
        }
        (self.memory.frequencies, self.memory.scores) = (frequencies, scores);
        Ok(())
    }

    /// Puts off the documents of a block that may be among the best.
    fn scan(&mut self, order: u32, ranked: &Ranked) -> Result<()> {
        let part = &self.parts[ranked.part];
        let mut threshold = self.threshold();
        let Ok(impact) = u8::try_from(part.bounds.impact_for(threshold)) else { return Ok(()) };
        let count = self.find(part, ranked.window, impact)?;
        let wants_all = self.wants_all(part);
        let Memory { indexes, offsets, .. } = &*self.memory;
        let found = indexes.0.iter().zip(&offsets.0).take(count);
        let impacts = part.impacts(ranked.window).map_err(fts::Error::from)?;
        let slack = part.bounds.slack();
        for (&index, &offset) in found {
            let impact = impacts.get(usize::from(index)).copied();
            let bound = part.bounds.on_line(impact.unwrap_or(u8::MAX));
            let doc = part.doc(ranked.window, offset);
            if bound >= threshold
                && (wants_all
                    || !part.is_out(doc) && passes_all(self.passes, &mut self.passing, doc))
            {
                let found = Found { window: order, offset: index, bound };
                self.deferred.push(found, bound - slack);
                threshold = threshold.max(self.deferred.threshold());
            }
        }
        Ok(())
    }

    /// Whether every document of a part may be among the best.
    fn wants_all(&self, part: &Part<'_>) -> bool {
        part.dead.is_empty() && part.within.is_none() && self.passes.is_none()
    }

    /// Finds the documents of a block that have at least an impact: how many they are, their indexes and, unless all documents are wanted,
    /// their offsets. Where they have to be among others, and both are bits, none that is not.
    fn find(&mut self, part: &Part<'_>, window: usize, impact: u8) -> Result<usize> {
        let wants_all = self.wants_all(part);
        let (kernels, Memory { indexes, offsets, .. }) = (Kernels::best(), &mut *self.memory);
        let impacts = part.impacts(window).map_err(fts::Error::from)?;
        if wants_all {
            return Ok(kernels.impacts_at_least(impacts, impact, &mut indexes.0));
        }
        let Some(block) = part.block(window).map_err(fts::Error::from)? else { return Ok(0) };
        let (Some(within), Offsets::Bitmap(bitmap)) = (part.within, block.offsets()) else {
            let count = kernels.impacts_at_least(impacts, impact, &mut indexes.0);
            let found = indexes.0.get(..count).unwrap_or_default();
            return Ok(offsets_at(&block, found, &mut offsets.0)?.len());
        };
        block.check_bitmap().map_err(fts::Error::from)?;
        let (mut both, mut found) = (within[window], 0);
        if kernels.and(&mut both, bitmap) == 0 {
            return Ok(0);
        }
        let (count, ranks) = (kernels.bitmap_offsets(&both, &mut offsets.0), kernels.ranks(bitmap));
        for place in 0..count {
            let offset = offsets.0[place];
            let index = index_in(bitmap, &ranks, offset).unwrap_or_default();
            if impacts.get(index).is_some_and(|&of| of >= impact) {
                indexes.0[found] = u16::try_from(index).unwrap_or_default();
                offsets.0[found] = offset;
                found += 1;
            }
        }
        Ok(found)
    }

    /// Scores the documents that were put off: when they are many, those with the best bounds first.
    fn score_deferred(&mut self) -> Result<()> {
        let (mut found, k) = (self.deferred.take(self.threshold()), self.top.k());
        if k == 0 || found.len() <= 2 * k {
            return self.score(&found);
        }
        found.select_nth_unstable_by(k - 1, |left, right| right.bound.total_cmp(&left.bound));
        let mut others = found.split_off(k);
        self.score_in_order(&mut found)?;
        let threshold = self.threshold();
        others.retain(|found| found.bound >= threshold);
        self.score_in_order(&mut others)
    }

    fn score_in_order(&mut self, found: &mut [Found]) -> Result<()> {
        found.sort_unstable_by_key(|found| (found.window, found.offset));
        self.score(found)
    }

    /// Scores documents, which ascend in each block and are those of one block after those of another.
    fn score(&mut self, found: &[Found]) -> Result<()> {
        for of_block in found.chunk_by(|left, right| left.window == right.window) {
            let Some(ranked) = self.blocks.get(of_block[0].window as usize) else { continue };
            let part = &self.parts[ranked.part];
            let Some(block) = part.block(ranked.window).map_err(fts::Error::from)? else {
                continue;
            };
            let lengths = find_lengths(self.lengths, part.chunk)?;
            let lengths = lengths.ok_or_else(|| missing_lengths(self.field, part.chunk))?;
            let (ranks, weight) = (block.frequency_ranks(), part.bounds.weight());
            let Memory { indexes, offsets, .. } = &mut *self.memory;
            indexes.0.iter_mut().zip(of_block).for_each(|(index, found)| *index = found.offset);
            let indexes = indexes.0.get(..of_block.len()).unwrap_or_default();
            for (&index, &offset) in
                indexes.iter().zip(offsets_at(&block, indexes, &mut offsets.0)?)
            {
                let doc = part.doc(ranked.window, offset);
                let frequency = block.frequency(index.into(), &ranks).map_err(fts::Error::from)?;
                let code = lengths.length_code(doc.offset());
                self.top.push(ScoredDoc { doc, score: self.norms.score(weight, frequency, code) });
            }
        }
        Ok(())
    }
}

/// Whether a document passes, which is counted.
fn passes_all(passes: Option<&Passes<'_>>, passing: &mut Passing, doc: DocId) -> bool {
    passes.is_none_or(|passes| passing.count(passes(doc)))
}

/// The offsets of a block's documents at some indexes, which ascend; `out` is overwritten. Of few documents of a bitmap no others are decoded.
fn offsets_at<'o>(
    block: &Block<'_>,
    indexes: &[u16],
    out: &'o mut [u16; WINDOW_LEN],
) -> Result<&'o [u16]> {
    if let Offsets::Bitmap(bitmap) = block.offsets() {
        block.check_bitmap().map_err(fts::Error::from)?;
        bits_at(bitmap, || Kernels::best().ranks(bitmap), indexes, out);
    } else {
        block.decode_offsets(out).map_err(fts::Error::from)?;
        keep_at(indexes, out);
    }
    Ok(out.get(..indexes.len()).unwrap_or_default())
}

/// The blocks of postings that have impacts, and a document that may reach the threshold: where there is none, by descending bound,
/// else as they stand, since what may be among the best is known about as well as after a look at the best blocks.
fn rank(parts: &[Part<'_>], threshold: f64) -> Vec<Ranked> {
    let mut blocks = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let mut push = |window, impact| {
            let bound = part.bounds.on_line(impact);
            if bound >= threshold {
                blocks.push(Ranked { bound, part: place, window });
            }
        };
        match part.postings.body() {
            Body::None => {}
            Body::List { block, .. } => {
                if let Marks::Impacts(impacts) = block.marks() {
                    push(0, impacts.iter().fold(0, |most, &impact| most.max(impact)));
                }
            }
            Body::Windows(windows) => {
                let occurring = (0..WINDOWS_LEN).filter(|&window| windows.count(window) > 0);
                occurring.for_each(|window| push(window, windows.bound(window)));
            }
        }
    }
    if threshold == 0.0 {
        blocks.sort_by(|left, right| right.bound.total_cmp(&left.bound));
    }
    blocks
}

/// A score that `k` documents reach or exceed, from the ranks of impacts in windows; 0 when they do not tell.
fn first_threshold(parts: &[Part<'_>], k: usize) -> f64 {
    let mut wanted = k;
    let mut reached = Vec::new();
    for part in parts {
        let Body::Windows(windows) = part.postings.body() else { continue };
        // Any of them may be dead.
        wanted = wanted.saturating_add(part.dead.len() as usize);
        let mut before = 0;
        for (rank, impact) in windows.ranked() {
            reached.push((part.bounds.below(impact), rank - before));
            before = rank;
            if rank >= wanted {
                break;
            }
        }
    }
    reached.sort_unstable_by(|left, right| right.0.total_cmp(&left.0));
    let mut sum = 0;
    let kth = reached.into_iter().find(|&(_, count)| {
        sum += count;
        sum >= wanted
    });
    kth.map_or(0.0, |(least, _)| least.max(0.0))
}
