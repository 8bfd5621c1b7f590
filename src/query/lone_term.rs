//! The best documents of a search for one word and nothing else.
//!
//! Nothing is joined here: each document stands in one block of the word's postings, and what it gets there is its score. So the
//! searcher comes here with such a plan, whatever runs the postings are spread over. Impacts are compared where they stand; which
//! documents they belong to, how often these hold the word and how long they are is looked up of the few that are left.
//!
//! ```text
//! ranks of impacts ─► a first threshold ─► lists with lengths, blocks with impacts ─► who may be among the best ─► exact scores
//! ```
//! Invariant: the same documents and scores as by way of windows. Cost: a few nanoseconds for every 64 impacts of a block that may
//! have one of the best, some tens for each document that is scored, and one or two for each posting of a list that has lengths.

use std::sync::Arc;

use super::bm25::Norms;
use super::bounds::Bounds;
use super::deferred::{Deferred, Found};
use super::error::Result;
use super::leaf::{OpenLeaf, find_lengths, missing_lengths};
use super::memory::Memory;
use super::plan::{LeafKey, Plan};
use super::topk::{ScoredDoc, TopK};
use crate::fts::{
    self, Block, Body, DeadChunk, DocId, Drift, FieldId, Marks, Postings, StoredLengths,
    TermPostings, TextReader, WINDOW_LEN, WINDOWS_LEN,
};
use crate::kernels::Kernels;
use crate::lsm;

/// The word of a plan that asks for nothing else.
pub(super) struct LoneTerm<'s, 'p> {
    open: &'s OpenLeaf<'p>,
    postings: &'s TermPostings,
}

/// What one run has of the word in a chunk.
struct Part<'s> {
    chunk: u32,
    dead: Arc<DeadChunk>,
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
    deferred: Deferred,
    memory: Box<Memory>,
}

impl<'s, 'p> LoneTerm<'s, 'p> {
    /// The word of a plan with these leaves, if it asks for one and nothing else.
    pub(super) fn new(plan: &Plan, leaves: &'s [OpenLeaf<'p>]) -> Option<Self> {
        let [open] = leaves else { return None };
        let is_alone = plan.leaves.len() == 1 && plan.required.len() <= 1 && plan.tree.is_none();
        let postings = open.lone_term().filter(|_| is_alone && open.scores() && !open.excluded)?;
        Some(LoneTerm { open, postings })
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
        let floor = first_threshold(&parts, top.k());
        let blocks = rank(&parts, floor);
        let field = self.key().field;
        let lengths = reader.all_lengths(field)?;
        let mut search = Search {
            deferred: Deferred::new(top.k(), floor, self.open.bounds.full()),
            parts: &parts,
            blocks: &blocks,
            norms,
            field,
            lengths: &lengths,
            top,
            memory: Memory::take(),
        };
        search.run()?;
        search.memory.give_back();
        Ok(search.top.into_sorted())
    }

    fn parts(&self, reader: &TextReader<'_>, norms: &Norms) -> Result<Vec<Part<'s>>> {
        let mut parts = Vec::with_capacity(self.postings.chunks.len());
        for stored in &self.postings.chunks {
            let (chunk, dead) = (stored.chunk, reader.dead(stored.chunk)?);
            for postings in stored.parts() {
                let postings = postings?;
                let averages = postings.averages();
                let drift = averages.map_or(Drift::NONE, |averages| norms.drift(averages));
                let (bounds, dead) = (self.open.bounds.with_drift(drift), Arc::clone(&dead));
                parts.push(Part { chunk, dead, postings, bounds });
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

    /// Whether a document of a block is dead.
    fn is_dead(&self, window: usize, offset: u16) -> bool {
        self.dead.contains(self.doc(window, offset).offset())
    }
}

impl Search<'_> {
    fn run(&mut self) -> Result<()> {
        for part in self.parts {
            self.score_list(part)?;
        }
        for (order, ranked) in (0_u32..).zip(self.blocks) {
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

    /// Scores the documents of a list that has their lengths. Most hold the word once: with more than some length they are out.
    fn score_list(&mut self, part: &Part<'_>) -> Result<()> {
        let Body::List { block, .. } = part.postings.body() else { return Ok(()) };
        let Marks::Codes(codes) = block.marks() else { return Ok(()) };
        let (norms, weight, ranks) = (self.norms, part.bounds.weight(), block.frequency_ranks());
        let mut threshold = self.threshold();
        let mut reaching = norms.codes_reaching(weight, 1, threshold);
        let mut are_decoded = false;
        for (index, &code) in codes.iter().enumerate() {
            let frequency = block.frequency(index, &ranks).map_err(fts::Error::from)?;
            if frequency == 1 && usize::from(code) >= reaching {
                continue;
            }
            let score = norms.score(weight, frequency, code);
            if f64::from(score) < threshold {
                continue;
            }
            let offsets = &mut self.memory.offsets.0;
            if !std::mem::replace(&mut are_decoded, true) {
                block.decode_offsets(offsets).map_err(fts::Error::from)?;
            }
            let offset = offsets.get(index).copied().unwrap_or_default();
            if part.is_dead(0, offset) {
                continue;
            }
            self.top.push(ScoredDoc { doc: part.doc(0, offset), score });
            self.deferred.count(score.into());
            if self.threshold() > threshold {
                threshold = self.threshold();
                reaching = norms.codes_reaching(weight, 1, threshold);
            }
        }
        Ok(())
    }

    /// Puts off the documents of a block that may be among the best.
    fn scan(&mut self, order: u32, ranked: &Ranked) -> Result<()> {
        let part = &self.parts[ranked.part];
        let mut threshold = self.threshold();
        let Ok(impact) = u8::try_from(part.bounds.impact_for(threshold)) else { return Ok(()) };
        let Memory { indexes, offsets, .. } = &mut *self.memory;
        let impacts = part.impacts(ranked.window).map_err(fts::Error::from)?;
        let count = Kernels::best().impacts_at_least(impacts, impact, &mut indexes.0);
        let found = indexes.0.get(..count).unwrap_or_default();
        let mut documents = None;
        if !part.dead.is_empty()
            && !found.is_empty()
            && let Some(block) = part.block(ranked.window).map_err(fts::Error::from)?
        {
            documents = Some(block.decode_offsets(&mut offsets.0).map_err(fts::Error::from)?);
        }
        let slack = part.bounds.slack();
        for &index in found {
            let at = usize::from(index);
            let bound = part.bounds.on_line(impacts.get(at).copied().unwrap_or(u8::MAX));
            let is_dead = |offsets: &[u16]| {
                offsets.get(at).is_some_and(|&offset| part.is_dead(ranked.window, offset))
            };
            if bound >= threshold && !documents.is_some_and(is_dead) {
                let found = Found { window: order, offset: index, bound };
                self.deferred.push(found, bound - slack);
                threshold = threshold.max(self.deferred.threshold());
            }
        }
        Ok(())
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
            let offsets = block.decode_offsets(&mut self.memory.offsets.0);
            let offsets = offsets.map_err(fts::Error::from)?;
            for found in of_block {
                let index = usize::from(found.offset);
                let doc = part.doc(ranked.window, offsets.get(index).copied().unwrap_or_default());
                let frequency = block.frequency(index, &ranks).map_err(fts::Error::from)?;
                let code = lengths.length_code(doc.offset());
                self.top.push(ScoredDoc { doc, score: self.norms.score(weight, frequency, code) });
            }
        }
        Ok(())
    }
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
