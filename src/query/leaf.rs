//! A leaf of a plan while it is evaluated: opened for the search, for a chunk, for a window.
//!
//! Says for a document how much the leaf can add to its score at most, and how much it adds. Bounds come from impacts and
//! touch nothing but posting lists; exact scores ask for frequencies, lengths, and, of phrases and paths, positions.
//!
//! Invariant: a bound is never below the score that the same document gets, all rounding included. Cost: a bound is a look-up
//! in the list; a score one more, and a division.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::iter;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::bm25::{Norms, Parameters, clause_weight, idf, rounding};
use super::bounds::Bounds;
use super::error::{Error, Result};
use super::lists::TermChunk;
use super::open_set::OpenSet;
use super::placed::{PathRanges, begin, each_sloppy, keep_followed};
use super::plan::{Leaf, LeafKey, Plan, SETS, Slop};
use super::term_window::{Finder, TermWindow, WINDOW};
use crate::fts::{
    self, DocumentPositions, DocumentSet, Drift, FieldId, LengthCodes, Marks, Postings,
    StoredLengths, StoredPostings, TermPostings, TextReader, WINDOW_LEN,
};
use crate::kernels::{Bitmap, Kernels};
use crate::lsm;

/// A leaf opened for one search.
pub(super) struct OpenLeaf<'p> {
    pub(super) leaf: &'p Leaf,
    /// Its place in the plan.
    pub(super) place: usize,
    /// What it gives where shares are what impacts say.
    pub(super) bounds: Bounds,
    /// Places of the required sets that it belongs to.
    pub(super) required: Vec<usize>,
    pub(super) excluded: bool,
    /// The documents that it stands for, of a set.
    set: Option<OpenSet>,
    /// What it is found by: its terms, or pairs of them where the index has these.
    terms: Vec<Arc<TermPostings>>,
    /// Their distances in positions from the first word.
    distances: Vec<u32>,
    /// Their places, the rarest first: most documents that hold all terms are decided after two.
    by_df: Vec<usize>,
    /// Where the texts at and below the leaf's path stand.
    paths: Vec<Arc<TermPostings>>,
}

/// A leaf in one chunk, where all of its terms occur.
pub(super) struct ChunkLeaf<'a> {
    pub(super) open: &'a OpenLeaf<'a>,
    terms: Vec<TermChunk<'a>>,
    paths: Vec<TermChunk<'a>>,
}

/// A leaf in one window, where all of its terms occur.
pub(super) struct LeafWindow<'c> {
    pub(super) chunk: &'c ChunkLeaf<'c>,
    /// Its place among the leaves of the chunk.
    pub(super) index: usize,
    number: usize,
    /// No document of the window gets more from the leaf.
    pub(super) bound: f64,
    /// What documents get, by impact.
    pub(super) bounds: Bounds,
    /// Decoded when they are looked at first: bounds alone decide about most leaves in most windows.
    terms: OnceCell<Vec<TermWindow<'c>>>,
    /// In their place where there is only one: it takes no allocation.
    term: OnceCell<TermWindow<'c>>,
}

/// What runs have of a leaf in a chunk, by term; of each by descending documents, so that the first part is the last.
pub(super) type LeafParts<'a> = Vec<Vec<Postings<'a>>>;

/// Gives the positions of a phrase's term in the document at hand.
pub(super) type PositionsOf<'f, 'c> =
    dyn FnMut(usize) -> Result<Option<DocumentPositions<'c>>> + 'f;

/// The tables of fields.
#[derive(Debug, Default)]
pub(super) struct FieldNorms {
    alone: BTreeMap<FieldId, Norms>,
    /// Of fields that score as one with others.
    across: BTreeMap<FieldId, Norms>,
}

impl FieldNorms {
    /// Those of the fields that the leaves of a plan name.
    pub(super) fn new(plan: &Plan, parameters: Parameters) -> Self {
        let mut norms = FieldNorms::default();
        for (&id, field) in &plan.fields {
            let statistics = field.statistics;
            let of_field = Norms::new(parameters, statistics.documents, statistics.total_length);
            if !plan.across.is_empty() {
                norms.across.insert(id, of_field.clone().times(field.weight));
            }
            norms.alone.insert(id, of_field);
        }
        if !plan.sets.is_empty() {
            norms.alone.insert(SETS, Norms::constant());
        }
        norms
    }

    /// The table that a leaf is scored by.
    pub(super) fn of(&self, key: &LeafKey) -> Option<&Norms> {
        if key.across.is_some() { &self.across } else { &self.alone }.get(&key.field)
    }
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
    /// Positions at which the phrase may begin.
    firsts: Vec<u32>,
    /// Positions of each term.
    lists: Vec<Vec<u32>>,
    ranges: PathRanges,
}

impl Scale<'_> {
    /// What the document at `offset`, which stands at `index` in a window, gets from a term.
    pub(super) fn score_at(
        self,
        term: &TermWindow<'_>,
        offset: u16,
        index: usize,
        weight: f32,
    ) -> Result<f32> {
        if let Some(&score) = term.scores().get(index) {
            return Ok(score);
        }
        let frequency = term.frequency(offset, index).map_err(fts::Error::from)?;
        Ok(self.norms.score(weight, frequency, self.code(term, offset, index)))
    }

    /// The length code of that document.
    pub(super) fn code(self, term: &TermWindow<'_>, offset: u16, index: usize) -> u8 {
        let code = match term.marks() {
            Marks::Codes(codes) => codes.get(index).copied(),
            Marks::Impacts(_) => self.lengths.map(|lengths| lengths.length_code(offset)),
        };
        code.unwrap_or_default()
    }
}

impl<'p> OpenLeaf<'p> {
    /// Looks the terms of a leaf up; a leaf that stands for a set has this one.
    pub(super) fn new(
        reader: &TextReader<'_>,
        plan: &'p Plan,
        place: usize,
        set: Option<OpenSet>,
    ) -> Result<Self> {
        let leaf = &plan.leaves[place];
        let found_by = leaf.key.found_by(reader.pairs());
        let looked_up = found_by.iter().map(|found| reader.postings(found.field, &found.term));
        let terms = looked_up.collect::<fts::Result<Vec<_>>>()?;
        let distances = found_by.iter().map(|found| found.distance).collect();
        let paths = leaf.key.path.as_ref().and_then(|path| plan.paths.get(path));
        let paths = paths.into_iter().flatten().map(|path| reader.postings(FieldId::PATHS, path));
        let mut by_df: Vec<usize> = (0..terms.len()).collect();
        by_df.sort_by_key(|&place| terms[place].statistics.df);
        let sets = plan.required.iter().enumerate().filter(|(_, set)| set.contains(&place));
        Ok(OpenLeaf {
            leaf,
            place,
            bounds: Bounds::new(
                weight_of(plan, leaf, leaf.boost),
                rounding(plan.roundings()),
                Drift::NONE,
            ),
            required: sets.map(|(set, _)| set).collect(),
            excluded: plan.excluded.contains(&place),
            set,
            terms,
            distances,
            by_df,
            paths: paths.collect::<fts::Result<_>>()?,
        })
    }

    /// The term of a leaf that is one, wherever it stands.
    pub(super) fn lone_term(&self) -> Option<&TermPostings> {
        let [term] = self.terms.as_slice() else { return None };
        Some(&**term).filter(|_| self.set.is_none() && !self.is_placed())
    }

    /// The documents that it stands for, where these are known and it adds nothing to scores.
    pub(super) fn known_documents(&self) -> Option<&DocumentSet> {
        match &self.set {
            Some(OpenSet::Gathered(documents)) if self.leaf.boost == 0.0 => Some(documents),
            _ => None,
        }
    }

    /// The chunks in which the leaf may occur: those of its rarest term.
    pub(super) fn chunks(&self) -> impl Iterator<Item = u32> {
        let rarest = self.terms.iter().min_by_key(|term| term.chunks.len());
        let of_term = rarest.into_iter().flat_map(|term| &term.chunks).map(|stored| stored.chunk);
        self.set.as_ref().map(OpenSet::chunks).unwrap_or_default().into_iter().chain(of_term)
    }

    /// Its parts in a chunk, by term, if it is found by nothing but terms.
    pub(super) fn parts(&self, chunk: u32) -> fts::Result<Option<LeafParts<'_>>> {
        if self.set.is_some() || !self.paths.is_empty() {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            let stored = term.in_chunk(chunk).into_iter();
            let mut of_term = Vec::new();
            for postings in stored.flat_map(StoredPostings::parts) {
                of_term.extend(Some(postings?).filter(|postings| postings.count() > 0));
            }
            of_term.sort_unstable_by_key(|postings| Reverse(postings.first()));
            parts.push(of_term);
        }
        Ok(Some(parts))
    }

    /// Whether runs have several parts of a term in a chunk.
    pub(super) fn is_in_parts(&self, chunk: u32) -> bool {
        let mut stored = self.terms.iter().filter_map(|term| term.in_chunk(chunk));
        stored.any(|stored| !stored.is_whole())
    }

    /// Whether positions decide; of a phrase that is one pair its postings do.
    pub(super) fn is_placed(&self) -> bool {
        self.leaf.key.is_placed() && (self.terms.len() > 1 || self.leaf.key.path.is_some())
    }

    /// Whether it adds to scores.
    pub(super) fn scores(&self) -> bool {
        self.leaf.scores
    }

    /// Its terms.
    pub(super) fn terms(&self) -> &[Arc<TermPostings>] {
        &self.terms
    }

    /// The rarest term of a phrase without room between its words, and each other one: places of the two, in their order, and their distance.
    /// The phrase stands where all of them do.
    pub(super) fn pairs(&self) -> impl Iterator<Item = ([usize; 2], u32)> {
        let is_exact = self.leaf.key.slop == Slop::Exact;
        let (rarest, others) = self.by_df.split_first().filter(|_| is_exact).unwrap_or((&0, &[]));
        others.iter().map(|other| {
            let (from, to) = (self.distances[*rarest], self.distances[*other]);
            let pair = if from <= to { [*rarest, *other] } else { [*other, *rarest] };
            (pair, from.abs_diff(to))
        })
    }

    /// Whether it is a phrase that stands wherever its one pair does.
    pub(super) fn is_one_pair(&self) -> bool {
        let is_placed_otherwise = self.leaf.key.slop != Slop::Exact || self.leaf.key.path.is_some();
        self.terms.len() == 2 && self.distances.contains(&0) && !is_placed_otherwise
    }

    /// How often the terms occur in a document where they belong. `positions` gives those of a term there by its place, if it holds it;
    /// `paths` are in its chunk.
    pub(super) fn phrase_frequency(
        &self,
        positions: &mut PositionsOf<'_, '_>,
        paths: &[TermChunk<'_>],
        offset: u16,
        scratch: &mut Scratch,
    ) -> Result<u32> {
        let key = &self.leaf.key;
        if key.slop != Slop::Exact {
            return self.sloppy_frequency(positions, paths, offset, scratch);
        }
        let Scratch { firsts, ranges, .. } = scratch;
        let mut is_first = true;
        for &place in &self.by_df {
            let Some(positions) = positions(place)? else { return Ok(0) };
            let distance = self.distances[place];
            if std::mem::take(&mut is_first) {
                begin(firsts, positions, distance).map_err(fts::Error::from)?;
            } else {
                keep_followed(firsts, positions, distance).map_err(fts::Error::from)?;
            }
            if firsts.is_empty() {
                return Ok(0);
            }
        }
        if key.path.is_some() {
            let last = key.terms.last().map_or(0, |&(_, distance)| distance);
            ranges.read(paths, offset)?;
            firsts.retain(|&first| ranges.holds(first, last));
        }
        Ok(u32::try_from(firsts.len()).unwrap_or(u32::MAX))
    }

    /// How often the terms stand near enough in a document.
    fn sloppy_frequency(
        &self,
        positions: &mut PositionsOf<'_, '_>,
        paths: &[TermChunk<'_>],
        offset: u16,
        scratch: &mut Scratch,
    ) -> Result<u32> {
        let Scratch { lists, ranges, .. } = scratch;
        let key = &self.leaf.key;
        lists.resize_with(self.terms.len(), Vec::new);
        for (place, list) in lists.iter_mut().enumerate() {
            list.clear();
            let Some(positions) = positions(place)? else { return Ok(0) };
            for position in positions {
                list.push(position.map_err(fts::Error::from)?);
            }
        }
        if key.path.is_some() {
            ranges.read(paths, offset)?;
        }
        let mut count = 0;
        each_sloppy(key.slop, lists, &key.terms, |found| {
            let (first, last) = found.iter().fold((u32::MAX, 0), |(first, last), &position| {
                (first.min(position), last.max(position))
            });
            let counts = key.path.is_none() || ranges.holds(first, last - first);
            count += u32::from(counts);
            counts
        });
        Ok(count)
    }
}

impl<'a> ChunkLeaf<'a> {
    /// Opens a leaf in a chunk; `None` where it cannot occur. Without norms nothing is scored.
    pub(super) fn open(
        open: &'a OpenLeaf<'a>,
        chunk: u32,
        norms: Option<&Norms>,
    ) -> Result<Option<Self>> {
        let mut terms = Vec::with_capacity(open.terms.len().max(1));
        if let Some(set) = &open.set {
            let Some(of_chunk) = set.in_chunk(chunk) else { return Ok(None) };
            terms.push(TermChunk::of_set(of_chunk));
        }
        for term in &open.terms {
            let opened = term.in_chunk(chunk).map(TermChunk::open).transpose()?.flatten();
            let Some(opened) = opened else { return Ok(None) };
            terms.push(opened);
        }
        let mut paths = Vec::new();
        for stored in open.paths.iter().filter_map(|path| path.in_chunk(chunk)) {
            paths.extend(TermChunk::open(stored)?);
        }
        ChunkLeaf { open, terms, paths }.weighed(norms).map(Some)
    }

    /// Takes those parts of a leaf whose documents stand in a stretch of a chunk, the first that are left, and opens them; `None` where
    /// the leaf cannot occur.
    pub(super) fn of_parts(
        open: &'a OpenLeaf<'a>,
        parts: &mut LeafParts<'a>,
        stretch: &RangeInclusive<u16>,
        norms: Option<&Norms>,
    ) -> Result<Option<Self>> {
        let mut terms = Vec::with_capacity(parts.len());
        for parts in &mut *parts {
            let is_inside = |part: &mut Postings<'_>| stretch.contains(&part.first());
            terms.extend(TermChunk::of_parts(iter::from_fn(|| parts.pop_if(is_inside)).map(Ok))?);
        }
        if terms.len() < parts.len() {
            return Ok(None);
        }
        ChunkLeaf { open, terms, paths: Vec::new() }.weighed(norms).map(Some)
    }

    fn weighed(mut self, norms: Option<&Norms>) -> Result<Self> {
        if let (Some(norms), true) = (norms, self.open.scores()) {
            for term in &mut self.terms {
                term.weigh(norms, &self.open.bounds).map_err(fts::Error::from)?;
            }
        }
        Ok(self)
    }

    /// Whether the scores of all documents are known, because the postings have their lengths.
    pub(super) fn has_exact_scores(&self) -> bool {
        !self.open.is_placed() && self.term().is_some_and(TermChunk::has_scores)
    }

    /// The documents and their scores, where these are known.
    pub(super) fn exact_scores(&self) -> impl Iterator<Item = (u16, f32)> {
        self.term().into_iter().flat_map(TermChunk::scores)
    }

    /// Whether the leaf cannot occur in a window.
    pub(super) fn is_empty(&self, window: usize) -> bool {
        self.len(window) == 0
    }

    /// What no score of the leaf in a window exceeds; 0 for leaves that do not score.
    pub(super) fn bound(&self, window: usize) -> f64 {
        if !self.open.scores() {
            return 0.0;
        }
        let bounds = self.terms.iter().map(|term| term.bound(window));
        bounds.fold(f64::INFINITY, f64::min)
    }

    /// The leaf in a window, as the leaf at `index` of the chunk; `None` where it cannot occur.
    pub(super) fn window(&self, number: usize, index: usize) -> Option<LeafWindow<'_>> {
        if self.is_empty(number) {
            return None;
        }
        let (bound, terms, term) = (self.bound(number), OnceCell::new(), OnceCell::new());
        let drift = self.terms.iter().map(|term| term.drift(number)).reduce(Drift::and);
        let bounds = self.open.bounds.with_drift(drift.unwrap_or(Drift::NONE));
        Some(LeafWindow { chunk: self, index, number, bound, bounds, terms, term })
    }

    /// Number of documents of a window that may match, at most.
    pub(super) fn len(&self, window: usize) -> usize {
        self.terms.iter().map(|term| term.count(window)).min().unwrap_or_default()
    }

    /// Adds the documents of a window in which the leaf can occur; `scratch` is overwritten.
    pub(super) fn add_possible(
        &self,
        window: usize,
        to: &mut Bitmap,
        scratch: &mut [u16; WINDOW_LEN],
    ) -> Result<()> {
        if let [term] = self.terms.as_slice() {
            return Ok(term.add_to(window, to, scratch).map_err(fts::Error::from)?);
        }
        let mut all = [u8::MAX; WINDOW_LEN / 8];
        for term in &self.terms {
            let mut of_term = [0; WINDOW_LEN / 8];
            term.add_to(window, &mut of_term, scratch).map_err(fts::Error::from)?;
            Kernels::best().and(&mut all, &of_term);
        }
        Kernels::best().or(to, &all);
        Ok(())
    }

    /// The first term, for leaves that have no other.
    pub(super) fn term(&self) -> Option<&TermChunk<'a>> {
        self.terms.first()
    }

    /// Whether scores ask for lengths that do not stand in the lists.
    pub(super) fn needs_lengths(&self) -> bool {
        let has_lengths = self.open.leaf.key.set.is_none();
        has_lengths && self.open.scores() && self.term().is_some_and(TermChunk::has_impacts)
    }
}

impl<'c> LeafWindow<'c> {
    /// Number of documents that may match, at most.
    pub(super) fn len(&self) -> usize {
        self.chunk.len(self.number)
    }

    /// The terms, none of which is missing here.
    pub(super) fn terms(&self) -> Result<&[TermWindow<'c>]> {
        if let [only] = self.chunk.terms.as_slice() {
            if let Some(term) = self.term.get() {
                return Ok(std::slice::from_ref(term));
            }
            // Taken apart once: a window is long to copy.
            return match only.window(self.number) {
                Ok(Some(opened)) => Ok(std::slice::from_ref(self.term.get_or_init(|| opened))),
                Ok(None) => Ok(&[]),
                Err(error) => Err(fts::Error::from(error).into()),
            };
        }
        if let Some(terms) = self.terms.get() {
            return Ok(terms);
        }
        let mut terms = Vec::with_capacity(self.chunk.terms.len());
        for term in &self.chunk.terms {
            terms.extend(term.window(self.number).map_err(fts::Error::from)?);
        }
        Ok(self.terms.get_or_init(|| terms))
    }

    /// The term whose impacts bound what the leaf gives, where one decides.
    pub(super) fn weighed(&self) -> Result<Option<&TermWindow<'c>>> {
        let [term] = self.terms()? else { return Ok(None) };
        Ok(Some(term).filter(|_| term.has_impacts() && !self.chunk.open.is_placed()))
    }

    /// The documents of a leaf of one term without impacts, and what they get at most.
    pub(super) fn exact_bounds(&self) -> Result<impl Iterator<Item = (u16, f64)>> {
        let terms = self.terms()?.first().into_iter();
        let bounds = self.bounds;
        Ok(terms.flat_map(move |term| {
            let offsets = term.offsets().unwrap_or_default().iter().zip(term.scores());
            offsets.map(move |(&offset, &score)| (offset % WINDOW, bounds.of_score(score)))
        }))
    }

    /// Finds documents of a leaf of one term.
    pub(super) fn finder(&self) -> Result<Option<Finder<'_>>> {
        let [term] = self.terms()? else { return Ok(None) };
        Ok(Some(term.finder()))
    }

    /// Whether a document holds all terms.
    pub(super) fn holds(&self, offset: u16) -> Result<bool> {
        Ok(self.terms()?.iter().all(|term| term.holds(offset)))
    }

    /// What a document gets from the leaf at most; `None` when it does not match.
    pub(super) fn bound_of(&self, offset: u16) -> Result<Option<f64>> {
        let (mut bound, bounds) = (f64::INFINITY, &self.bounds);
        for term in self.terms()? {
            let Some(index) = term.find(offset) else { return Ok(None) };
            bound = bound.min(term.bound_at(index, bounds));
        }
        Ok(Some(bound))
    }

    /// What a document gets from the leaf; `None` when it does not match.
    pub(super) fn score(
        &self,
        offset: u16,
        scale: Scale<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<f32>> {
        let terms = self.terms()?;
        let ([term], false) = (terms, self.chunk.open.is_placed()) else {
            let frequency = self.frequency(offset, scratch)?;
            let code = self.length_code(offset, scale)?.filter(|_| frequency > 0);
            return Ok(code.map(|code| scale.norms.score(self.bounds.weight(), frequency, code)));
        };
        let Some(index) = term.find(offset) else { return Ok(None) };
        scale.score_at(term, offset, index, self.bounds.weight()).map(Some)
    }

    /// The length code of the leaf's field in a document; `None` where the leaf cannot occur.
    pub(super) fn length_code(&self, offset: u16, scale: Scale<'_>) -> Result<Option<u8>> {
        let found = self.terms()?.first().and_then(|term| Some((term, term.find(offset)?)));
        Ok(found.map(|(term, index)| scale.code(term, offset, index)))
    }

    /// How often the leaf occurs in a document; 0 when it does not match.
    pub(super) fn frequency(&self, offset: u16, scratch: &mut Scratch) -> Result<u32> {
        let terms = self.terms()?;
        if let (false, [term]) = (self.chunk.open.is_placed(), terms) {
            let Some(index) = term.find(offset) else { return Ok(0) };
            return Ok(term.frequency(offset, index).map_err(fts::Error::from)?);
        }
        let mut positions = |place: usize| {
            let index = terms[place].find(offset);
            let of_term = index.map(|index| terms[place].positions(offset, index)).transpose();
            Ok(of_term.map_err(fts::Error::from)?)
        };
        self.chunk.open.phrase_frequency(&mut positions, &self.chunk.paths, offset, scratch)
    }
}

/// The length codes of a chunk among those of a field, which ascend by chunk.
pub(super) fn find_lengths(
    lengths: &[(u32, StoredLengths)],
    chunk: u32,
) -> Result<Option<LengthCodes<'_>>> {
    let found = lengths.binary_search_by_key(&chunk, |entry| entry.0);
    let stored = found.ok().and_then(|place| lengths.get(place));
    Ok(stored.map(|(_, stored)| stored.view()).transpose()?)
}

/// What is wrong where postings have impacts and documents no lengths.
pub(super) fn missing_lengths(field: FieldId, chunk: u32) -> Error {
    let what = format!("length codes: field {field} has postings and no lengths in chunk {chunk}");
    fts::Error::Lsm(lsm::Error::corruption(what, 0)).into()
}

/// The weight of a leaf with this boost: that of its field, times the boost, times the idf of its terms, added in their order; of what
/// scores as one the boost times the idf; of a set the boost.
pub(super) fn weight_of(plan: &Plan, leaf: &Leaf, boost: f64) -> f32 {
    if leaf.key.set.is_some() {
        return clause_weight(1.0, boost);
    }
    if let Some(across) = leaf.key.across.and_then(|across| plan.across.get(across)) {
        return clause_weight(across.dfs.iter().map(|&df| idf(plan.documents, df)).sum(), boost);
    }
    let Some(field) = plan.fields.get(&leaf.key.field) else { return 0.0 };
    let documents = field.statistics.documents;
    let idf = leaf.dfs.iter().map(|&df| idf(documents, df)).sum();
    clause_weight(idf, f64::from(field.weight) * boost)
}
