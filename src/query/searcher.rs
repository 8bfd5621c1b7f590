//! The searcher: evaluates a plan and gives the best documents, or counts all that match.
//!
//! The facade calls it; it reads posting lists, lengths and dead documents through a `TextReader` and leaves the work on
//! windows to `window`. What commits, compactions and pending writes left of a chunk in several parts is searched in stretches of documents
//! that no part reaches beyond; where parts of a stretch mix, `lists` shows them as one.
//!
//! ```text
//! leaves ─► chunks in which documents may match ─► windows of 4,096 documents, each with a bound of its scores
//!           best k:  windows by descending bound, until none can hold a document among the best
//!           count:   every window, as sets of documents; nothing is scored
//! ```
//! Where only words are asked for and none is required or excluded, the best impacts of each list give a first threshold:
//! so many documents get that much from one word alone. Where filters have to hold too, it is guessed from the share that passes, and
//! without it the search is done again when it was too high. A short list that stands alone in a chunk has its scores already and
//! needs no windows.
//!
//! Invariants: scores are exact, each summed over the leaves in canonical order; what is skipped has a bound below the worst
//! of `k` known scores. Cost: a step for each window and leaf, and as much for its documents as its bound deserves.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use super::ast::Query;
use super::bm25::Parameters;
use super::conjunction::Conjunction;
use super::error::{Error, Result};
use super::filtered::{Passing, Postponed, filters_of_best, matching_at_most, without_filters};
use super::leaf::{
    ChunkLeaf, FieldNorms, LeafParts, OpenLeaf, Scale, find_lengths, missing_lengths,
};
use super::lists::TermChunk;
use super::lone_term::LoneTerm;
use super::nesting::Group;
use super::open_set::OpenSet;
use super::parser::Warning;
use super::plan::{Plan, PlannedFilter, PlannedSet};
use super::reached::Reached;
use super::sets::{add_terms, each_plan_below};
use super::term_window::WINDOW;
use super::topk::{ScoredDoc, TopK};
use super::tree_score::TreeBounds;
use super::window::{Window, WindowSearch};
use crate::bson::Filter;
use crate::collection::{self, Access, CollectionReader, ColumnDocuments, Hint};
use crate::fts::{
    self, DeadChunk, DocId, DocumentSet, FieldId, StoredLengths, TextReader, WINDOW_LEN,
    WINDOWS_LEN,
};
use crate::kernels::{Bitmap, Kernels};

/// The most results for which filters are tried on the best documents first, and the most documents that they are tried on.
const POSTPONED_LEN_MAX: usize = 256;
const LOOKED_AT_LEN_MAX: usize = 1280;

/// The most documents among which as many are looked for as pass filters in columns; some more are asked where scores tie.
const FRONT_LEN_MAX: usize = 384;

/// Documents with words up to which the best are ranked and then looked up in columns.
const CHECKED_LEN_MAX: u64 = 4_096;

/// Windows of which some documents are asked whether they pass, which ones, and how many have to for a guess.
const SAMPLED_WINDOWS_LEN: usize = 8;
const SAMPLED_STEP: usize = 128;
const PASSING_LEN_MIN: u32 = 8;

/// The furthest result of one search: `offset` and `limit` together.
pub const RESULTS_LEN_MAX: usize = 100_000;

/// Searches one text index of a collection.
#[derive(Debug, Clone, Copy)]
pub struct Searcher<'s, 'r> {
    pub(super) collection: &'s CollectionReader<'r>,
    pub(super) reader: &'s TextReader<'r>,
}

impl<'s, 'r> Searcher<'s, 'r> {
    /// A searcher of the index that `reader` reads, one of the `collection`'s.
    pub fn new(collection: &'s CollectionReader<'r>, reader: &'s TextReader<'r>) -> Self {
        Searcher { collection, reader }
    }

    /// The collection that is searched.
    pub fn collection(self) -> &'s CollectionReader<'r> {
        self.collection
    }

    /// Plans a query; the warnings tell what was not taken as written.
    ///
    /// # Errors
    /// [`Error::Filter`] for a filter that is none; no other query is refused. Those of the text index.
    pub fn plan(self, query: &Query) -> Result<(Plan, Vec<Warning>)> {
        Plan::new(self.reader, self.collection.count(), query)
    }

    /// The best documents, best first: score descending, then DocId ascending; `limit` of them from `offset` on.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when `offset` and `limit` exceed [`RESULTS_LEN_MAX`], and those of the text index.
    pub fn search(
        self,
        plan: &Plan,
        parameters: Parameters,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<ScoredDoc>> {
        self.search_after(plan, parameters, None, offset, limit)
    }

    /// The same of the documents that are ranked behind `after`; `offset` counts from there.
    ///
    /// # Errors
    /// Those of [`search`](Self::search).
    pub fn search_after(
        self,
        plan: &Plan,
        parameters: Parameters,
        after: Option<ScoredDoc>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<ScoredDoc>> {
        let k = offset.saturating_add(limit);
        if let Some(postponed) =
            Postponed::new(plan).filter(|_| (1..=POSTPONED_LEN_MAX).contains(&k))
            && let Some(mut best) = self.best_that_pass(&postponed, parameters, after, k)?
        {
            best.drain(..offset.min(best.len()));
            return Ok(best);
        }
        Ok(self.evaluate(plan, parameters, after, offset..k, false)?.0)
    }

    /// The best `k` documents, found among the best that match without the filters, or among those that indexes lead to, whichever costs
    /// less; `None` when both cost more than to find all that pass.
    fn best_that_pass(
        self,
        postponed: &Postponed<'_>,
        parameters: Parameters,
        after: Option<ScoredDoc>,
        k: usize,
    ) -> Result<Option<Vec<ScoredDoc>>> {
        let (mut are_in_columns, mut columns, mut accesses) = (true, Vec::new(), Vec::new());
        for filter in &postponed.filters {
            are_in_columns &= Access::is_in_columns(self.collection, filter)?;
        }
        let most = matching_at_most(&postponed.rest);
        if are_in_columns && most.is_none_or(|most| most > CHECKED_LEN_MAX) {
            // To ask columns about windows, or about the documents at the front, costs less than to rank all these documents.
            return if after.is_none() {
                self.best_of_word(postponed, parameters, k)
            } else {
                Ok(None)
            };
        }
        for filter in &postponed.filters {
            if are_in_columns {
                columns.extend(ColumnDocuments::of(self.collection, filter)?);
            } else {
                accesses.push(Access::open(self.collection, filter, Hint::None)?);
            }
        }
        let (mut passed, mut looked_at, mut wanted) = (Vec::with_capacity(k), 0, 2 * k);
        while wanted <= LOOKED_AT_LEN_MAX.max(2 * k) {
            if columns.is_empty()
                && let Some(found) = found_over_indexes(&mut accesses, wanted as u64)?
            {
                let plan = postponed.rest.within(Arc::new(found));
                return Ok(Some(self.evaluate(&plan, parameters, after, 0..k, false)?.0));
            }
            let (ranked, _) =
                self.evaluate(&postponed.rest, parameters, after, 0..wanted, false)?;
            for found in ranked.iter().skip(looked_at) {
                let passes = if columns.is_empty() {
                    self.passes(&postponed.filters, found.doc)?
                } else {
                    columns.iter().all(|column| column.contains(found.doc))
                };
                if passes {
                    passed.push(*found);
                    if passed.len() == k {
                        return Ok(Some(passed));
                    }
                }
            }
            if ranked.len() < wanted {
                return Ok(Some(passed));
            }
            (looked_at, wanted) = (wanted, wanted.saturating_mul(4));
        }
        Ok(None)
    }

    /// The same where one word is asked for beside filters that columns answer; `None` also where it is not.
    fn best_of_word(
        self,
        postponed: &Postponed<'_>,
        parameters: Parameters,
        k: usize,
    ) -> Result<Option<Vec<ScoredDoc>>> {
        let leaves = self.open(&postponed.rest, true)?;
        let norms = FieldNorms::new(&postponed.rest, parameters);
        let Some(word) = LoneTerm::new(&postponed.rest, &leaves) else { return Ok(None) };
        let Some(norms) = norms.of(word.key()) else { return Ok(None) };
        let mut columns = Vec::with_capacity(postponed.filters.len());
        for filter in &postponed.filters {
            columns.extend(ColumnDocuments::of(self.collection, filter)?);
        }
        let passes = |doc| columns.iter().all(|column| column.contains(doc));
        let mut looked_at = 2 * k;
        while looked_at <= FRONT_LEN_MAX {
            let (best, passing) = word.best_that_pass(self.reader, norms, k, looked_at, &passes)?;
            if best.is_some() || passing.has_asked_many() {
                return Ok(best);
            }
            looked_at = passing.wanted(k).max(2 * looked_at);
        }
        Ok(None)
    }

    fn passes(self, filters: &[&Filter], doc: DocId) -> Result<bool> {
        let Some(document) = self.collection.document(doc)? else { return Ok(false) };
        for filter in filters {
            if !filter.matches(&document).map_err(collection::Error::from)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What [`search`](Self::search) and [`count`](Self::count) give, with less work than both. Memory: where finding out which
    /// documents match is work, a bit for each.
    ///
    /// # Errors
    /// Those of [`search`](Self::search).
    pub fn search_and_count(
        self,
        plan: &Plan,
        parameters: Parameters,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<ScoredDoc>, u64)> {
        self.evaluate(plan, parameters, None, offset..offset.saturating_add(limit), true)
    }

    fn evaluate(
        self,
        plan: &Plan,
        parameters: Parameters,
        after: Option<ScoredDoc>,
        page: Range<usize>,
        counts: bool,
    ) -> Result<(Vec<ScoredDoc>, u64)> {
        let k = page.end;
        if k > RESULTS_LEN_MAX {
            let what = "results (offset and limit together)";
            return Err(Error::LimitExceeded { what, asked: k, limit: RESULTS_LEN_MAX });
        }
        if page.is_empty() {
            return Ok((Vec::new(), if counts { self.count(plan)? } else { 0 }));
        }
        let leaves = self.open(plan, true)?;
        if after.is_none()
            && let Some(all) = Conjunction::new(plan, &leaves)
        {
            let norms = FieldNorms::new(plan, parameters);
            let found = all.best(self.reader, &norms, TopK::new(k, None), counts)?;
            if let Some((mut best, count)) = found {
                best.drain(..page.start.min(best.len()));
                return Ok((best, count));
            }
        }
        let known = if counts { self.counted(plan)? } else { Some(0) };
        let mut counter = known.is_none().then(|| Counter::new(plan));
        let top = TopK::new(k, after);
        let mut best =
            self.best(plan, &leaves, &FieldNorms::new(plan, parameters), top, &mut counter)?;
        best.drain(..page.start.min(best.len()));
        let found = counter.map_or(0, Counter::end);
        Ok((best, known.unwrap_or(found)))
    }

    /// How many documents match. Never scores.
    ///
    /// # Errors
    /// Those of the text index.
    pub fn count(self, plan: &Plan) -> Result<u64> {
        if let Some(count) = self.counted(plan)? {
            return Ok(count);
        }
        if Conjunction::is_asked_for(plan)
            && let Some(all) = Conjunction::new(plan, &self.open(plan, true)?)
            && let Some(count) = all.count(self.reader)?
        {
            return Ok(count);
        }
        let mut count = 0;
        self.each_matching(plan, &mut |_, _, matching| {
            count += u64::from(Kernels::best().count_bits(matching));
        })?;
        Ok(count)
    }

    /// The documents that match. Memory: a bit for each of the collection's.
    ///
    /// # Errors
    /// Those of the text index.
    pub fn documents(self, plan: &Plan) -> Result<DocumentSet> {
        let mut documents = DocumentSet::default();
        self.each_matching(plan, &mut |chunk, number, matching| {
            Kernels::best().or(documents.window_mut(chunk, number), matching);
        })?;
        Ok(documents)
    }

    /// Passes the windows in which documents match to `visit`: chunk, number there, and which documents those are.
    fn each_matching(self, plan: &Plan, visit: &mut dyn FnMut(u32, usize, &Bitmap)) -> Result<()> {
        let leaves = self.open(plan, plan.required.is_empty())?;
        let mut search = WindowSearch::of_matching(plan);
        for chunk in self.chunks(plan, &leaves, None)? {
            for number in chunk.windows(plan) {
                let matching = search.matching(&chunk.window(number, &[], None))?;
                visit(chunk.number, number, &matching);
            }
        }
        search.into_top();
        Ok(())
    }

    /// The documents that a leaf of a plan stands for; of a filter, those of them at least that match the plan.
    fn set(self, plan: &Plan, set: &PlannedSet) -> Result<OpenSet> {
        let mut documents = DocumentSet::default();
        let mut add_matching = |plan: &Plan| {
            self.each_matching(plan, &mut |chunk, number, matching| {
                Kernels::best().or(documents.window_mut(chunk, number), matching);
            })
        };
        match set {
            PlannedSet::Filter(PlannedFilter { filter, .. }) => {
                let rest = without_filters(plan);
                let mut access = Access::open(self.collection, filter, Hint::None)?;
                let is_way = access.run(rest.as_ref().and_then(matching_at_most))?;
                if !is_way && let Some(documents) = access.in_columns()? {
                    return Ok(OpenSet::InColumns(Arc::new(documents)));
                }
                let within = match rest {
                    Some(rest) if !(is_way && access.is_exact()) => {
                        add_matching(&rest)?;
                        Some(std::mem::take(&mut documents))
                    }
                    _ => None,
                };
                documents = access.documents(within.as_ref())?;
            }
            PlannedSet::Documents(documents) | PlannedSet::Fitting { documents, .. } => {
                return Ok(OpenSet::Gathered(Arc::clone(documents)));
            }
            PlannedSet::All => return Ok(OpenSet::Gathered(self.collection.live_documents()?)),
            PlannedSet::Query(plan) => add_matching(plan)?,
            PlannedSet::Terms { fields, path: None, pattern } => {
                add_terms(self.reader, fields, pattern, &mut documents)?;
            }
            PlannedSet::Terms { fields, path: Some(path), pattern } => {
                each_plan_below(self.reader, plan, fields, path, pattern, &mut add_matching)?;
            }
        }
        Ok(OpenSet::Gathered(Arc::new(documents)))
    }

    /// Looks up all leaves; those that neither are required nor exclude only when `optional` ones count.
    pub(super) fn open(self, plan: &Plan, optional: bool) -> Result<Vec<OpenLeaf<'_>>> {
        let mut leaves = Vec::with_capacity(plan.leaves.len());
        let mut sets: BTreeMap<usize, OpenSet> = BTreeMap::new();
        for (place, leaf) in plan.leaves.iter().enumerate() {
            let decides = plan.tree.is_some()
                || plan.excluded.contains(&place)
                || plan.required.iter().any(|set| set.contains(&place));
            if !leaf.is_empty() && (optional || decides) {
                let set = match leaf.key.set {
                    None => None,
                    Some(place) => Some(match sets.entry(place) {
                        Entry::Occupied(known) => known.get().clone(),
                        Entry::Vacant(unknown) => {
                            unknown.insert(self.set(plan, &plan.sets[place])?).clone()
                        }
                    }),
                };
                leaves.push(OpenLeaf::new(self.reader, plan, place, set)?);
            }
        }
        Ok(leaves)
    }

    /// Opens the chunks in which documents may match.
    fn chunks<'c>(
        self,
        plan: &Plan,
        leaves: &'c [OpenLeaf<'c>],
        norms: Option<&FieldNorms>,
    ) -> Result<Vec<Chunk<'c>>> {
        let numbers: BTreeSet<u32> = leaves.iter().flat_map(OpenLeaf::chunks).collect();
        let mut chunks = Vec::new();
        for number in numbers {
            let opened = self.stretches(leaves, number, norms)?.into_iter();
            chunks.extend(opened.filter(|chunk| may_match(plan, || chunk.leaves.iter())));
        }
        Ok(chunks)
    }

    /// Opens a chunk; where runs have several parts of it, in stretches of documents that no part reaches beyond. So most parts need not
    /// be joined: documents are numbered in the order of commits.
    fn stretches<'c>(
        self,
        leaves: &'c [OpenLeaf<'c>],
        number: u32,
        norms: Option<&FieldNorms>,
    ) -> Result<Vec<Chunk<'c>>> {
        let parts = if leaves.iter().any(|open| open.is_in_parts(number)) {
            let parts = leaves.iter().map(|open| open.parts(number).transpose());
            parts.collect::<Option<fts::Result<Vec<_>>>>().transpose()?
        } else {
            None
        };
        let Some(mut parts) = parts else { return Ok(vec![self.chunk(leaves, number, norms)?]) };
        let dead = self.reader.dead(number)?;
        let mut chunks = Vec::new();
        for stretch in stretches(&parts) {
            let mut opened = Vec::with_capacity(leaves.len());
            for (open, parts) in leaves.iter().zip(&mut parts) {
                let norms = norms.and_then(|norms| norms.of(&open.leaf.key));
                opened.extend(ChunkLeaf::of_parts(open, parts, &stretch, norms)?);
            }
            chunks.push(Chunk { number, leaves: opened, dead: Arc::clone(&dead) });
        }
        Ok(chunks)
    }

    /// Opens a chunk.
    pub(super) fn chunk<'c>(
        self,
        leaves: &'c [OpenLeaf<'c>],
        number: u32,
        norms: Option<&FieldNorms>,
    ) -> Result<Chunk<'c>> {
        let mut opened = Vec::with_capacity(leaves.len());
        for open in leaves {
            let norms = norms.and_then(|norms| norms.of(&open.leaf.key));
            opened.extend(ChunkLeaf::open(open, number, norms)?);
        }
        Ok(Chunk { number, leaves: opened, dead: self.reader.dead(number)? })
    }

    fn best(
        self,
        plan: &Plan,
        leaves: &[OpenLeaf<'_>],
        norms: &FieldNorms,
        mut top: TopK,
        counter: &mut Option<Counter<'_>>,
    ) -> Result<Vec<ScoredDoc>> {
        if counter.is_none()
            && top.wants_all_below(f64::INFINITY)
            && let Some(term) = LoneTerm::new(plan, leaves)
            && let Some(norms) = norms.of(term.key())
        {
            return term.best(self.reader, norms, top);
        }
        let chunks = self.chunks(plan, leaves, Some(norms))?;
        let Ranking { windows, alone, most } = rank(plan, &chunks, counter)?;
        if windows.is_empty() {
            for document in alone {
                top.push(document);
            }
            return Ok(top.into_sorted());
        }
        let is_union = plan.required.is_empty()
            && plan.excluded.is_empty()
            && plan.tree.as_ref().is_none_or(Group::is_union);
        // It counts documents that are left out, if any are.
        let is_all = is_union && top.wants_all_below(most);
        let floor = if is_all { first_threshold(leaves, &chunks, top.k()) } else { 0.0 };
        let lengths = self.lengths(&chunks)?;
        let mut scales = Vec::with_capacity(chunks.len());
        for chunk in &chunks {
            scales.push(chunk.scales(norms, &lengths)?);
        }
        let ranking = Ranking { windows, alone, most };
        let k = top.k();
        if !is_all
            && top.wants_all_below(most)
            && let Some(passing) = passing(plan, &chunks, &ranking.windows)?
        {
            let guessed = first_threshold(leaves, &chunks, passing.wanted(k));
            if guessed > 0.0 {
                let search = WindowSearch::new(plan, TopK::new(k, None), guessed, most);
                let found = best_above(search, &ranking, &chunks, &scales)?;
                if found.get(k - 1).is_some_and(|last| f64::from(last.score) >= guessed) {
                    return Ok(found);
                }
            }
        }
        best_above(WindowSearch::new(plan, top, floor, most), &ranking, &chunks, &scales)
    }

    /// How many documents match, if it is known: where one term decides, whose counter is exact for the live documents, or nothing.
    fn counted(self, plan: &Plan) -> Result<Option<u64>> {
        if plan.tree.is_some() || !plan.excluded.is_empty() {
            return Ok(None);
        }
        let leaf = match (plan.required.as_slice(), plan.leaves.as_slice()) {
            ([], [leaf]) => leaf,
            ([set], leaves) => match set.as_slice() {
                [place] => &leaves[*place],
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        match leaf.key.set.map(|set| plan.sets.get(set)) {
            None if !leaf.key.is_placed() => Ok(Some(leaf.dfs.iter().sum())),
            None if leaf.key.path.is_some() => Ok(None),
            None => match leaf.key.found_by(self.reader.pairs()).as_slice() {
                [only] => Ok(Some(self.reader.term(only.field, &only.term)?.df)),
                _ => Ok(None),
            },
            Some(Some(PlannedSet::All)) => Ok(Some(self.collection.count())),
            Some(_) => Ok(None),
        }
    }

    /// The length codes of the fields whose lists do not have them all.
    pub(super) fn lengths(self, chunks: &[Chunk<'_>]) -> Result<Lengths> {
        let mut lengths = Lengths::new();
        let needing =
            chunks.iter().flat_map(|chunk| &chunk.leaves).filter(|leaf| leaf.needs_lengths());
        for leaf in needing {
            if let Entry::Vacant(unknown) = lengths.entry(leaf.open.leaf.key.field) {
                let found = self.reader.all_lengths(leaf.open.leaf.key.field)?;
                unknown.insert(found);
            }
        }
        Ok(lengths)
    }
}

/// The stretches of a chunk beyond which no part of a leaf reaches, ascending.
fn stretches(parts: &[LeafParts<'_>]) -> Vec<RangeInclusive<u16>> {
    let parts = parts.iter().flatten().flatten();
    let mut ends: Vec<(u16, u16)> = parts.map(|part| (part.first(), part.last())).collect();
    ends.sort_unstable();
    let mut stretches: Vec<RangeInclusive<u16>> = Vec::new();
    for (first, last) in ends {
        match stretches.last_mut() {
            Some(stretch) if first <= *stretch.end() => {
                *stretch = *stretch.start()..=last.max(*stretch.end());
            }
            _ => stretches.push(first..=last),
        }
    }
    stretches
}

/// The documents that all filters let through, where indexes tell that at less than what it costs to look at so many documents.
fn found_over_indexes(
    accesses: &mut [Access<'_, '_>],
    looked_at: u64,
) -> Result<Option<DocumentSet>> {
    for access in accesses.iter_mut() {
        if !access.run(Some(looked_at))? || !access.is_exact() {
            return Ok(None);
        }
    }
    let mut found: Option<DocumentSet> = None;
    for access in accesses {
        found = Some(access.documents(found.as_ref())?);
    }
    Ok(found)
}

/// Length codes by field, and by ascending chunk.
pub(super) type Lengths = BTreeMap<FieldId, Arc<[(u32, StoredLengths)]>>;

/// A chunk in which documents may match, or a stretch of one that has all documents of the parts in it.
pub(super) struct Chunk<'c> {
    number: u32,
    pub(super) leaves: Vec<ChunkLeaf<'c>>,
    dead: Arc<DeadChunk>,
}

impl<'c> Chunk<'c> {
    /// The windows in which documents may match.
    fn windows(&self, plan: &Plan) -> impl Iterator<Item = usize> {
        (0..WINDOWS_LEN).filter(|&number| may_match(plan, || self.occurring(number)))
    }

    /// The only leaf that occurs, when nothing else is asked for and its list tells the scores.
    fn lone_list(&self, plan: &Plan) -> Option<&ChunkLeaf<'c>> {
        let [leaf] = self.leaves.as_slice() else { return None };
        let is_asked_for = leaf.open.scores() && !leaf.open.excluded;
        let is_all = plan.required.len() <= 1 && plan.tree.is_none();
        Some(leaf).filter(|_| is_asked_for && is_all && leaf.has_exact_scores())
    }

    /// The leaves that may occur in a window.
    fn occurring(&self, number: usize) -> impl Iterator<Item = &ChunkLeaf<'c>> {
        self.leaves.iter().filter(move |leaf| !leaf.is_empty(number))
    }

    /// No document of a window gets more.
    fn bound(&self, plan: &Plan, number: usize) -> f64 {
        let leaves = self.occurring(number);
        let Some(tree) = plan.combining() else {
            return leaves.map(|leaf| leaf.bound(number)).sum();
        };
        let mut bounds = TreeBounds::new(plan);
        for leaf in leaves {
            bounds.set(leaf.open.place, leaf.bound(number), leaf.open.bounds.full());
        }
        bounds.most(tree)
    }

    /// The first term of a leaf, if it may occur.
    fn term(&self, open: &OpenLeaf<'_>) -> Option<&TermChunk<'c>> {
        let leaf = self.leaves.iter().find(|leaf| std::ptr::eq(leaf.open, open));
        leaf.and_then(ChunkLeaf::term)
    }

    fn window<'w>(
        &'w self,
        number: usize,
        scales: &'w [Option<Scale<'w>>],
        matching: Option<&'w Bitmap>,
    ) -> Window<'w> {
        let (chunk, leaves) = (self.number, &self.leaves);
        Window { chunk, number, leaves, scales, dead: &self.dead, matching }
    }

    /// What scoring needs for each leaf.
    pub(super) fn scales<'s>(
        &self,
        norms: &'s FieldNorms,
        lengths: &'s Lengths,
    ) -> Result<Vec<Option<Scale<'s>>>> {
        let mut scales = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let field = leaf.open.leaf.key.field;
            let of_field = lengths.get(&field).map(|lengths| &**lengths).unwrap_or_default();
            let lengths = find_lengths(of_field, self.number)?;
            if lengths.is_none() && leaf.needs_lengths() {
                return Err(missing_lengths(field, self.number));
            }
            scales.push(norms.of(&leaf.open.leaf.key).map(|norms| Scale { norms, lengths }));
        }
        Ok(scales)
    }
}

/// A window in which documents may match.
struct Ranked {
    /// No document gets more.
    bound: f64,
    /// Its chunk's place among the chunks, and its number there.
    place: usize,
    number: usize,
    /// The documents that match, where that is known and a search would have to find it out.
    matching: Option<Box<Bitmap>>,
}

/// Where documents may match.
struct Ranking {
    /// By descending bound.
    windows: Vec<Ranked>,
    /// Those of chunks that have nothing of the query but a list that tells their scores.
    alone: Vec<ScoredDoc>,
    /// No score is above it.
    most: f64,
}

/// Finds the windows in which documents may match, and counts in those of them whose documents are not known otherwise.
fn rank(plan: &Plan, chunks: &[Chunk<'_>], counter: &mut Option<Counter<'_>>) -> Result<Ranking> {
    let (mut windows, mut alone, mut most) = (Vec::new(), Vec::new(), 0.0);
    for (place, chunk) in chunks.iter().enumerate() {
        if let Some(list) = chunk.lone_list(plan) {
            let found = alone.len();
            for (offset, score) in list.exact_scores() {
                if !chunk.dead.contains(offset) {
                    let doc = DocId::from_parts(chunk.number, offset);
                    alone.push(ScoredDoc { doc, score });
                    most = f64::max(most, list.open.bounds.of_score(score));
                }
            }
            if let Some(counter) = counter {
                counter.count += (alone.len() - found) as u64;
            }
            continue;
        }
        for number in chunk.windows(plan) {
            let mut matching = None;
            if let Some(counter) = counter {
                let (count, documents) = counter.count(&chunk.window(number, &[], None))?;
                if count == 0 {
                    continue;
                }
                matching = documents;
            }
            let bound = chunk.bound(plan, number);
            most = most.max(bound);
            windows.push(Ranked { bound, place, number, matching });
        }
    }
    windows.sort_unstable_by(|left, right| {
        let by_bound = right.bound.total_cmp(&left.bound);
        by_bound.then((left.place, left.number).cmp(&(right.place, right.number)))
    });
    Ok(Ranking { windows, alone, most })
}

/// The best documents of all windows.
fn best_above<'w>(
    mut search: WindowSearch<'w>,
    ranking: &'w Ranking,
    chunks: &'w [Chunk<'w>],
    scales: &'w [Vec<Option<Scale<'w>>>],
) -> Result<Vec<ScoredDoc>> {
    for &document in &ranking.alone {
        search.push(document);
    }
    let window = |order: usize| {
        let &Ranked { place, number, ref matching, .. } = &ranking.windows[order];
        chunks[place].window(number, &scales[place], matching.as_deref())
    };
    for (order, ranked) in (0_u32..).zip(&ranking.windows) {
        if ranked.bound < search.threshold() {
            break;
        }
        search.search(&window(order as usize), order)?;
        if search.is_full() {
            search.score_deferred(window)?;
        }
    }
    search.score_deferred(window)?;
    Ok(search.into_top().into_sorted())
}

/// Asks filters that are asked about the best of the other leaves about some documents; `None` where there are none, or too few pass.
fn passing(plan: &Plan, chunks: &[Chunk<'_>], windows: &[Ranked]) -> Result<Option<Passing>> {
    let filters = filters_of_best(plan);
    if filters.is_empty() {
        return Ok(None);
    }
    let mut found = Passing::default();
    let step = windows.len().div_ceil(SAMPLED_WINDOWS_LEN).max(1);
    for ranked in windows.iter().step_by(step) {
        let leaves = chunks[ranked.place].leaves.iter();
        let leaves = leaves.filter(|leaf| filters.contains(&leaf.open.place));
        let leaves: Vec<_> = leaves.filter_map(|leaf| leaf.window(ranked.number, 0)).collect();
        if let [leaf] = leaves.as_slice()
            && leaf.len() < WINDOW_LEN
        {
            // Where not all may be in it, it says how many are.
            found.passing += u32::try_from(leaf.len()).unwrap_or(0);
            found.of += u32::from(WINDOW);
            continue;
        }
        for offset in (0..WINDOW).step_by(SAMPLED_STEP) {
            let mut passes = true;
            for leaf in &leaves {
                passes = passes && leaf.holds(offset)?;
            }
            found.passing += u32::from(passes);
            found.of += 1;
        }
    }
    Ok((found.passing >= PASSING_LEN_MIN).then_some(found))
}

/// Counts, in a search that does that too.
struct Counter<'p> {
    search: WindowSearch<'p>,
    count: u64,
    /// Whether a search has more to do for the documents than to look them up.
    keeps: bool,
}

impl<'p> Counter<'p> {
    fn new(plan: &'p Plan) -> Self {
        let keeps = plan.tree.is_some()
            || plan.required.len() > 1
            || !plan.excluded.is_empty()
            || plan.leaves.iter().any(|leaf| leaf.key.is_placed());
        Counter { search: WindowSearch::of_matching(plan), count: 0, keeps }
    }

    /// Counts the documents of a window that match; which these are, if there are any, and it is worth it.
    fn count(&mut self, window: &Window<'_>) -> Result<(u64, Option<Box<Bitmap>>)> {
        let matching = self.search.matching(window)?;
        let count = u64::from(Kernels::best().count_bits(&matching));
        self.count += count;
        Ok((count, (self.keeps && count > 0).then(|| Box::new(matching))))
    }

    /// How many there were in all.
    fn end(self) -> u64 {
        self.search.into_top();
        self.count
    }
}

/// Whether documents may match where these leaves occur.
fn may_match<'l, 'c: 'l, I>(plan: &Plan, leaves: impl Fn() -> I) -> bool
where
    I: Iterator<Item = &'l ChunkLeaf<'c>>,
{
    if plan.required.is_empty() {
        return leaves().any(|leaf| leaf.open.scores());
    }
    plan.required.iter().all(|set| leaves().any(|leaf| set.contains(&leaf.open.place)))
}

/// A score that `k` documents reach or exceed; 0 when the lists do not tell.
///
/// Of each word, from the ranks of its impacts in all parts of all chunks; where documents are dead, more of them have to reach it. Words
/// that give less at most than another one is known to are not looked at.
fn first_threshold(leaves: &[OpenLeaf<'_>], chunks: &[Chunk<'_>], k: usize) -> f64 {
    let mut by_full: Vec<_> = leaves.iter().filter(|open| !open.is_placed()).collect();
    by_full.sort_by(|left, right| right.bounds.full().total_cmp(&left.bounds.full()));
    by_full.into_iter().fold(0.0, |floor, open| {
        let full = open.bounds.full();
        if full <= floor {
            return floor;
        }
        let occurring = || chunks.iter().filter_map(|chunk| Some((chunk, chunk.term(open)?)));
        let mut dead = 0;
        let mut before = None;
        for (chunk, _) in occurring() {
            // Stretches of one chunk share them.
            if before.replace(chunk.number) != Some(chunk.number) {
                dead += chunk.dead.len() as usize;
            }
        }
        let mut reached = Reached::new(k.saturating_add(dead), floor, full);
        for (_, term) in occurring() {
            term.count_reached(&mut reached);
        }
        reached.threshold()
    })
}
