//! A leaf of a plan while it is evaluated: opened for the search, for a chunk, for a window.
//!
//! Says for a document how much the leaf can add to its score at most, and how much it adds. Bounds come from impacts and
//! touch nothing but posting lists; exact scores ask for frequencies, lengths, and, of phrases and paths, positions.
//!
//! Invariant: a bound is never below the score that the same document gets, all rounding included. Cost: a bound is a look-up
//! in the list; a score one more, and a division.

use std::rc::Rc;

use super::bm25::{Norms, clause_weight, idf, rounding};
use super::error::Result;
use super::lists::{TermChunk, TermWindow};
use super::placed::{PathRanges, places};
use super::plan::{Leaf, Plan};
use crate::fts::{
    self, Averages, Body, Drift, FieldId, LengthCodes, Marks, TermPostings, TextReader,
};

/// What an impact is a part of.
const PARTS: f64 = 255.0;

/// A leaf opened for one search.
pub(super) struct OpenLeaf<'p> {
    pub(super) leaf: &'p Leaf,
    /// Its place in the plan.
    pub(super) place: usize,
    weight: f32,
    /// Bounds are larger by this factor, so that no rounding of a sum of scores exceeds them.
    rounding: f64,
    /// Places of the required sets that it belongs to.
    pub(super) required: Vec<usize>,
    pub(super) excluded: bool,
    terms: Vec<Rc<TermPostings>>,
    /// Where the texts at and below the leaf's path stand.
    paths: Vec<Rc<TermPostings>>,
}

/// A leaf in one chunk, where all of its terms occur.
pub(super) struct ChunkLeaf<'a> {
    pub(super) open: &'a OpenLeaf<'a>,
    terms: Vec<TermChunk<'a>>,
    paths: Vec<TermChunk<'a>>,
    /// By how much scores may differ from what impacts say; of all terms.
    drift: Drift,
    /// Scores of the documents, where the list has their lengths; of leaves with one term and no path.
    scores: Vec<f32>,
    /// No document of the chunk gets more.
    bound: f64,
}

/// A leaf in one window, where all of its terms occur.
pub(super) struct LeafWindow<'c> {
    pub(super) chunk: &'c ChunkLeaf<'c>,
    /// Its place among the leaves of the chunk.
    pub(super) index: usize,
    pub(super) terms: Vec<TermWindow<'c>>,
    /// No document of the window gets more from the leaf.
    pub(super) bound: f64,
}

/// What scoring in one chunk needs of a leaf's field.
#[derive(Clone, Copy)]
pub(super) struct Scale<'s> {
    pub(super) norms: &'s Norms,
    pub(super) lengths: Option<LengthCodes<'s>>,
}

/// Memory for a document's positions, used again and again.
#[derive(Default)]
pub(super) struct Scratch {
    indexes: Vec<usize>,
    positions: Vec<Vec<u32>>,
    ranges: PathRanges,
}

impl<'p> OpenLeaf<'p> {
    /// Looks the terms of a leaf up.
    pub(super) fn new(reader: &TextReader<'_>, plan: &'p Plan, place: usize) -> Result<Self> {
        let leaf = &plan.leaves[place];
        let field = leaf.key.field;
        let terms = leaf.key.terms.iter().map(|(term, _)| reader.postings(field, term));
        let paths = leaf.key.path.as_ref().and_then(|path| plan.paths.get(path));
        let paths = paths.into_iter().flatten().map(|path| reader.postings(FieldId::PATHS, path));
        let sets = plan.required.iter().enumerate().filter(|(_, set)| set.contains(&place));
        Ok(OpenLeaf {
            leaf,
            place,
            weight: weight_of(plan, leaf),
            rounding: rounding(plan.leaves.len()),
            required: sets.map(|(set, _)| set).collect(),
            excluded: plan.excluded.contains(&place),
            terms: terms.collect::<fts::Result<_>>()?,
            paths: paths.collect::<fts::Result<_>>()?,
        })
    }

    /// The chunks in which the leaf may occur: those of its rarest term.
    pub(super) fn chunks(&self) -> impl Iterator<Item = u32> {
        let rarest = self.terms.iter().min_by_key(|term| term.chunks.len());
        rarest.into_iter().flat_map(|term| term.chunks.iter().map(|stored| stored.chunk))
    }

    /// Whether positions decide.
    pub(super) fn is_placed(&self) -> bool {
        self.leaf.key.is_phrase || self.leaf.key.path.is_some()
    }

    /// Whether it adds to scores.
    pub(super) fn scores(&self) -> bool {
        self.leaf.clauses > 0
    }
}

impl<'a> ChunkLeaf<'a> {
    /// Opens a leaf in a chunk; `None` where it cannot occur. Without norms nothing is scored.
    pub(super) fn open(
        open: &'a OpenLeaf<'a>,
        chunk: u32,
        norms: Option<&Norms>,
    ) -> Result<Option<Self>> {
        let mut terms = Vec::with_capacity(open.terms.len());
        for term in &open.terms {
            let Some(stored) = term.in_chunk(chunk) else { return Ok(None) };
            terms.push(TermChunk::open(stored)?);
        }
        let in_chunk = open.paths.iter().filter_map(|path| path.in_chunk(chunk));
        let paths = in_chunk.map(TermChunk::open).collect::<fts::Result<_>>()?;
        let drift = Drift { above: 1.0, below: 1.0 };
        let mut leaf = ChunkLeaf { open, terms, paths, drift, scores: Vec::new(), bound: 0.0 };
        if let (Some(norms), true) = (norms, open.scores()) {
            leaf.weigh(norms)?;
        }
        Ok(Some(leaf))
    }

    /// Finds what bounds and scores need.
    fn weigh(&mut self, norms: &Norms) -> Result<()> {
        let averages = self.terms.iter().filter_map(|term| averages(term.postings().body()));
        if let Some(averages) = averages.reduce(Averages::and) {
            self.drift = norms.drift(averages);
        }
        if let (false, [term]) = (self.open.is_placed(), self.terms.as_slice())
            && let Body::List { block, .. } = term.postings().body()
            && let Marks::Codes(codes) = block.marks()
        {
            let ranks = block.frequency_ranks();
            for (index, &code) in codes.iter().enumerate() {
                let frequency = block.frequency(index, &ranks).map_err(fts::Error::from)?;
                self.scores.push(norms.score(self.open.weight, frequency, code));
            }
        }
        let factor = self.impact_factor();
        let bounds = self.terms.iter().map(|term| match term.postings().body() {
            Body::List { block, .. } if matches!(block.marks(), Marks::Impacts(_)) => {
                factor * f64::from(block.marks().bytes().iter().copied().max().unwrap_or_default())
            }
            Body::None | Body::List { .. } | Body::Windows(_) => {
                f64::from(self.open.weight) * self.open.rounding
            }
        });
        self.bound = bounds.fold(f64::INFINITY, f64::min);
        if !self.scores.is_empty() {
            self.bound = self.scores.iter().fold(0.0, |most, &score| f64::max(most, score.into()))
                * self.open.rounding;
        }
        Ok(())
    }

    /// Whether the leaf cannot occur in a window.
    pub(super) fn is_empty(&self, window: usize) -> bool {
        self.terms.iter().any(|term| term.is_empty(window))
    }

    /// What no score of the leaf in a window exceeds; 0 for leaves that do not score.
    pub(super) fn bound(&self, window: usize) -> f64 {
        if !self.open.scores() {
            return 0.0;
        }
        let windows = self.terms.iter().filter_map(TermChunk::windows);
        let bounds = windows.map(|windows| self.impact_factor() * f64::from(windows.bound(window)));
        bounds.fold(self.bound, f64::min)
    }

    /// What an impact is multiplied by to bound a score.
    fn impact_factor(&self) -> f64 {
        f64::from(self.open.weight) * self.drift.above / PARTS * self.open.rounding
    }

    /// What an impact less one is multiplied by to be exceeded by a score.
    pub(super) fn impact_factor_below(&self) -> f64 {
        f64::from(self.open.weight) * self.drift.below / PARTS / self.open.rounding
    }

    /// The leaf in a window; `None` where it cannot occur.
    pub(super) fn window(&self, window: usize, index: usize) -> Result<Option<LeafWindow<'_>>> {
        let mut terms = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            match term.window(window).map_err(fts::Error::from)? {
                Some(term) => terms.push(term),
                None => return Ok(None),
            }
        }
        Ok(Some(LeafWindow { chunk: self, index, terms, bound: self.bound(window) }))
    }

    /// The first term, for leaves that have no other.
    pub(super) fn term(&self) -> Option<&TermChunk<'a>> {
        self.terms.first()
    }

    /// Whether scores ask for lengths that do not stand in the lists.
    pub(super) fn needs_lengths(&self) -> bool {
        let has_codes = |term: &TermChunk<'_>| averages(term.postings().body()).is_none();
        self.open.scores() && !self.terms.first().is_some_and(has_codes)
    }
}

impl LeafWindow<'_> {
    /// Number of documents that may match, at most.
    pub(super) fn len(&self) -> usize {
        self.terms.iter().map(TermWindow::len).min().unwrap_or_default()
    }

    /// The factor of impacts, where all bounds of the leaf come from impacts.
    pub(super) fn impacts(&self) -> Option<f64> {
        let impacts = self.terms.iter().all(|term| matches!(term.marks(), Marks::Impacts(_)));
        impacts.then(|| self.chunk.impact_factor())
    }

    /// What a document gets from the leaf at most; `None` when it does not match.
    pub(super) fn bound_of(&self, offset: u16) -> Option<f64> {
        let mut bound = f64::INFINITY;
        for term in &self.terms {
            let index = term.find(offset)?;
            let of_term = match term.marks() {
                Marks::Impacts(impacts) => {
                    self.chunk.impact_factor()
                        * f64::from(impacts.get(index).copied().unwrap_or(u8::MAX))
                }
                Marks::Codes(_) => {
                    let exact = self.chunk.scores.get(term.index_in_block(index));
                    exact.map_or(f64::from(self.chunk.open.weight), |&score| f64::from(score))
                        * self.chunk.open.rounding
                }
            };
            bound = bound.min(of_term);
        }
        Some(bound)
    }

    /// What a document gets from the leaf; `None` when it does not match.
    pub(super) fn score(
        &self,
        offset: u16,
        scale: Scale<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<f32>> {
        let [term] = self.terms.as_slice() else {
            return self.placed_score(offset, scale, scratch);
        };
        if self.chunk.open.is_placed() {
            return self.placed_score(offset, scale, scratch);
        }
        let Some(index) = term.find(offset) else { return Ok(None) };
        if let Some(&score) = self.chunk.scores.get(term.index_in_block(index)) {
            return Ok(Some(score));
        }
        let frequency = term.frequency(index).map_err(fts::Error::from)?;
        Ok(Some(self.score_of(offset, index, frequency, scale)))
    }

    fn placed_score(
        &self,
        offset: u16,
        scale: Scale<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<f32>> {
        let frequency = self.frequency(offset, scratch)?;
        let first = self.terms.first().and_then(|term| term.find(offset));
        Ok(first
            .filter(|_| frequency > 0)
            .map(|index| self.score_of(offset, index, frequency, scale)))
    }

    fn score_of(&self, offset: u16, index: usize, frequency: u32, scale: Scale<'_>) -> f32 {
        let code = match self.terms.first().map(TermWindow::marks) {
            Some(Marks::Codes(codes)) => codes.get(index).copied(),
            _ => scale.lengths.map(|lengths| lengths.length_code(offset)),
        };
        scale.norms.score(self.chunk.open.weight, frequency, code.unwrap_or_default())
    }

    /// How often the leaf occurs in a document; 0 when it does not match.
    pub(super) fn frequency(&self, offset: u16, scratch: &mut Scratch) -> Result<u32> {
        let Scratch { indexes, positions, ranges } = scratch;
        indexes.clear();
        for term in &self.terms {
            let Some(index) = term.find(offset) else { return Ok(0) };
            indexes.push(index);
        }
        if let (false, [term], [index]) =
            (self.chunk.open.is_placed(), self.terms.as_slice(), indexes.as_slice())
        {
            return Ok(term.frequency(*index).map_err(fts::Error::from)?);
        }
        positions.resize_with(positions.len().max(self.terms.len()), Vec::new);
        for ((term, index), out) in self.terms.iter().zip(indexes).zip(positions.iter_mut()) {
            term.positions(*index, out).map_err(fts::Error::from)?;
        }
        let within = if self.chunk.open.leaf.key.path.is_some() {
            ranges.read(&self.chunk.paths, offset)?;
            Some(&*ranges)
        } else {
            None
        };
        Ok(places(positions, &self.chunk.open.leaf.key.terms, within))
    }
}

/// The average lengths that the impacts of postings assume; `None` when there are no impacts.
fn averages(body: &Body<'_>) -> Option<Averages> {
    match body {
        Body::Windows(windows) => Some(windows.averages()),
        Body::List { block, averages } if matches!(block.marks(), Marks::Impacts(_)) => {
            Some(*averages)
        }
        Body::None | Body::List { .. } => None,
    }
}

/// The weight of a leaf: that of its field, for each clause, times the idf of its terms, added in their order.
fn weight_of(plan: &Plan, leaf: &Leaf) -> f32 {
    let Some(field) = plan.fields.get(&leaf.key.field) else { return 0.0 };
    let documents = field.statistics.documents;
    let idf = leaf.dfs.iter().map(|&df| idf(documents, df)).sum();
    clause_weight(idf, f64::from(field.weight) * f64::from(leaf.clauses))
}
