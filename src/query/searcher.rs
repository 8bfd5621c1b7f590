//! The searcher: evaluates a plan and gives the best documents, or counts all that match.
//!
//! The facade calls it; it reads postings, positions, lengths and dead documents through a `TextReader`, scores with
//! `bm25` and ranks with `topk`. It walks over chunks of 65,536 documents and, inside a chunk, leaf by leaf:
//!
//! ```text
//! chunk ─► for each leaf, in canonical order: its documents with their frequencies
//!            ├► scores[offset] += score          an array as long as the chunk
//!            ├► touched, required sets           bitmaps
//!            └► excluded                         a bitmap
//!          matching = required sets all, or touched;  without excluded and dead ──► top k, or count
//! ```
//! Because leaves stand in canonical order, every document's score is summed in that order. What commits, compactions
//! and pending writes left in several runs is one value here already.
//!
//! Invariants: between chunks all scores are 0; a set that has to match and has no leaf in a chunk skips it; counting
//! never scores. Cost: each posting is decoded once, a phrase decodes positions only in documents with all its terms;
//! no allocation a posting. Memory: half a MiB, and 8 KiB for each required set.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::ast::Query;
use super::bm25::{Norms, Parameters, clause_weight, idf};
use super::error::{Error, Result};
use super::parser::Warning;
use super::plan::{Leaf, Plan};
use super::topk::{ScoredDoc, TopK};
use crate::fts::{
    self, DocId, FieldId, PositionsCursor, StoredLengths, StoredPositions, TextReader,
};
use crate::lsm;

/// The furthest result of one search: `offset` and `limit` together.
pub const RESULTS_LEN_MAX: usize = 100_000;

/// Searches one text index.
#[derive(Debug, Clone, Copy)]
pub struct Searcher<'s, 'r> {
    reader: &'s TextReader<'r>,
}

impl<'s, 'r> Searcher<'s, 'r> {
    /// A searcher of the index that `reader` reads.
    pub fn new(reader: &'s TextReader<'r>) -> Self {
        Searcher { reader }
    }

    /// Plans a query; the warnings tell what was not taken as written.
    ///
    /// # Errors
    /// Those of the text index. No query is refused.
    pub fn plan(self, query: &Query) -> Result<(Plan, Vec<Warning>)> {
        Plan::new(self.reader, query)
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
        let k = offset.saturating_add(limit);
        if k > RESULTS_LEN_MAX {
            let what = "results (offset and limit together)";
            return Err(Error::LimitExceeded { what, asked: k, limit: RESULTS_LEN_MAX });
        }
        let mut top = TopK::new(k);
        if limit > 0 {
            let mut evaluation = Evaluation::new(self.reader, plan, Some(parameters));
            evaluation.run(&mut |doc, score| top.push(ScoredDoc { doc, score }))?;
        }
        Ok(top.into_sorted().into_iter().skip(offset).collect())
    }

    /// How many documents match. Never scores.
    ///
    /// # Errors
    /// Those of the text index.
    pub fn count(self, plan: &Plan) -> Result<u64> {
        let mut count = 0;
        Evaluation::new(self.reader, plan, None).run(&mut |_, _| count += 1)?;
        Ok(count)
    }
}

/// Documents of a chunk: a bit each.
struct Bitmap(Box<[u64; 1024]>);

impl Bitmap {
    fn new() -> Self {
        Bitmap(Box::new([0; 1024]))
    }

    fn insert(&mut self, offset: u16) {
        self.0[usize::from(offset >> 6)] |= 1 << (offset & 63);
    }

    fn remove(&mut self, offset: u16) {
        self.0[usize::from(offset >> 6)] &= !(1 << (offset & 63));
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }

    fn retain(&mut self, other: &Bitmap) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word &= other);
    }

    fn subtract(&mut self, other: &Bitmap) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word &= !other);
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn each(&self, mut f: impl FnMut(u16)) {
        for (base, &word) in (0..=u16::MAX).step_by(64).zip(self.0.iter()) {
            let mut rest = word;
            while rest != 0 {
                f(base | u16::try_from(rest.trailing_zeros()).unwrap_or_default());
                rest &= rest - 1;
            }
        }
    }
}

/// How a leaf takes part in an evaluation.
struct Role {
    /// What its saturated frequency is multiplied by.
    weight: f32,
    /// Places of the required sets that it belongs to.
    required: Vec<usize>,
    excluded: bool,
}

/// What scoring needs.
struct Scoring {
    norms: BTreeMap<FieldId, Norms>,
    /// One score for each document of the chunk.
    scores: Box<[f32]>,
    /// Lengths of the field that was scored last, in the current chunk.
    lengths: Option<(FieldId, Option<StoredLengths>)>,
}

/// One walk of a plan over the chunks of an index; holds the memory that all chunks share.
struct Evaluation<'e, 'r> {
    reader: &'e TextReader<'r>,
    plan: &'e Plan,
    roles: Vec<Role>,
    /// `None` counts.
    scoring: Option<Scoring>,
    touched: Bitmap,
    required: Vec<Bitmap>,
    excluded: Bitmap,
}

impl<'e, 'r> Evaluation<'e, 'r> {
    fn new(reader: &'e TextReader<'r>, plan: &'e Plan, parameters: Option<Parameters>) -> Self {
        let mut roles: Vec<Role> = plan
            .leaves
            .iter()
            .map(|leaf| Role {
                weight: weight_of(plan, leaf),
                required: Vec::new(),
                excluded: false,
            })
            .collect();
        for (set, places) in plan.required.iter().enumerate() {
            for &place in places {
                roles[place].required.push(set);
            }
        }
        for &place in &plan.excluded {
            roles[place].excluded = true;
        }
        let norms_of = |parameters| {
            let norms = plan.fields.iter().map(|(&id, field)| {
                let statistics = field.statistics;
                (id, Norms::new(parameters, statistics.documents, statistics.total_length))
            });
            norms.collect()
        };
        let scoring = parameters.map(|parameters| Scoring {
            norms: norms_of(parameters),
            scores: vec![0.0; 1 << 16].into_boxed_slice(),
            lengths: None,
        });
        Evaluation {
            reader,
            plan,
            roles,
            scoring,
            touched: Bitmap::new(),
            required: plan.required.iter().map(|_| Bitmap::new()).collect(),
            excluded: Bitmap::new(),
        }
    }

    /// Passes every matching live document to `found`, ascending; its score is 0 when counting.
    fn run(&mut self, found: &mut dyn FnMut(DocId, f32)) -> Result<()> {
        for (chunk, places) in self.chunks()? {
            self.chunk(chunk, &places, found)?;
        }
        Ok(())
    }

    /// The chunks in which documents may match, each with the leaves that occur there.
    fn chunks(&self) -> Result<BTreeMap<u32, Vec<usize>>> {
        let mut known: HashMap<(FieldId, &str), Vec<u32>> = HashMap::new();
        let mut chunks: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let optional_counts = self.scoring.is_some() || self.required.is_empty();
        for (place, (leaf, role)) in self.plan.leaves.iter().zip(&self.roles).enumerate() {
            let counts = optional_counts || !role.required.is_empty() || role.excluded;
            if leaf.is_empty() || !counts {
                continue;
            }
            let rarest = leaf.dfs.iter().zip(&leaf.key.terms).min_by_key(|(df, _)| **df);
            let Some((_, (term, _))) = rarest else { continue };
            let name = (leaf.key.field, term.as_str());
            let of_term = match known.entry(name) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(self.reader.chunks(name.0, name.1)?),
            };
            for &mut chunk in of_term {
                chunks.entry(chunk).or_default().push(place);
            }
        }
        chunks.retain(|_, places| self.may_match(places));
        Ok(chunks)
    }

    fn may_match(&self, places: &[usize]) -> bool {
        if self.required.is_empty() {
            return places.iter().any(|&place| self.plan.leaves[place].clauses > 0);
        }
        self.plan.required.iter().all(|set| places.iter().any(|place| set.contains(place)))
    }

    fn chunk(
        &mut self,
        chunk: u32,
        places: &[usize],
        found: &mut dyn FnMut(DocId, f32),
    ) -> Result<()> {
        self.required.iter_mut().for_each(Bitmap::clear);
        self.touched.clear();
        self.excluded.clear();
        if let Some(scoring) = &mut self.scoring {
            scoring.lengths = None;
        }
        for &place in places {
            self.leaf(chunk, place)?;
        }
        let mut matching = Bitmap(self.touched.0.clone());
        self.required.iter().for_each(|set| matching.retain(set));
        matching.subtract(&self.excluded);
        if !matching.is_empty() {
            self.reader.dead(chunk)?.iter().for_each(|offset| matching.remove(offset));
        }
        let Some(scoring) = &mut self.scoring else {
            matching.each(|offset| found(DocId::from_parts(chunk, offset), 0.0));
            return Ok(());
        };
        let scores = &mut scoring.scores;
        matching
            .each(|offset| found(DocId::from_parts(chunk, offset), scores[usize::from(offset)]));
        self.touched.each(|offset| scores[usize::from(offset)] = 0.0);
        Ok(())
    }

    /// Adds what one leaf says about the documents of a chunk.
    fn leaf(&mut self, chunk: u32, place: usize) -> Result<()> {
        let Evaluation { reader, plan, roles, scoring, touched, required, excluded } = self;
        let (leaf, role) = (&plan.leaves[place], &roles[place]);
        if leaf.clauses == 0 {
            return each_match(reader, plan, leaf, chunk, |offset, _| excluded.insert(offset));
        }
        let mut mark = |offset| {
            touched.insert(offset);
            role.required.iter().for_each(|&set| required[set].insert(offset));
            if role.excluded {
                excluded.insert(offset);
            }
        };
        let Some(Scoring { norms, scores, lengths }) = scoring else {
            return each_match(reader, plan, leaf, chunk, |offset, _| mark(offset));
        };
        let field = leaf.key.field;
        if lengths.as_ref().is_none_or(|(known, _)| *known != field) {
            *lengths = Some((field, reader.lengths(field, chunk)?));
        }
        let Some((norms, Some((_, Some(lengths))))) = norms.get(&field).zip(Some(lengths.as_ref()))
        else {
            let what =
                format!("length codes: field {field} has postings and no lengths in chunk {chunk}");
            return Err(corruption(what));
        };
        let lengths = lengths.view()?;
        each_match(reader, plan, leaf, chunk, |offset, frequency| {
            mark(offset);
            let code = lengths.length_code(offset);
            scores[usize::from(offset)] += norms.score(role.weight, frequency, code);
        })
    }
}

/// The weight of a leaf: that of its field, for each clause, times the idf of its terms, added in their order.
fn weight_of(plan: &Plan, leaf: &Leaf) -> f32 {
    let Some(field) = plan.fields.get(&leaf.key.field) else { return 0.0 };
    let documents = field.statistics.documents;
    let idf = leaf.dfs.iter().map(|&df| idf(documents, df)).sum();
    clause_weight(idf, f64::from(field.weight) * f64::from(leaf.clauses))
}

/// Passes every document of a chunk that holds the leaf to `f`, ascending, with the leaf's frequency; dead ones too.
fn each_match(
    reader: &TextReader<'_>,
    plan: &Plan,
    leaf: &Leaf,
    chunk: u32,
    mut f: impl FnMut(u16, u32),
) -> Result<()> {
    if leaf.key.is_phrase || leaf.key.path.is_some() {
        return each_placed_match(reader, plan, leaf, chunk, &mut f);
    }
    for (term, _) in &leaf.key.terms {
        let Some(postings) = reader.postings(leaf.key.field, term, chunk)? else { continue };
        for posting in &postings.view()? {
            let (offset, frequency) = posting.map_err(fts::Error::from)?;
            f(offset, frequency);
        }
    }
    Ok(())
}

/// [`each_match`] for leaves that depend on positions.
fn each_placed_match(
    reader: &TextReader<'_>,
    plan: &Plan,
    leaf: &Leaf,
    chunk: u32,
    f: &mut dyn FnMut(u16, u32),
) -> Result<()> {
    let mut stored = Vec::with_capacity(leaf.key.terms.len());
    for (term, distance) in &leaf.key.terms {
        let Some(positions) = reader.positions(leaf.key.field, term, chunk)? else { return Ok(()) };
        stored.push((positions, *distance));
    }
    let mut terms = Vec::with_capacity(stored.len());
    for (positions, distance) in &stored {
        let view = positions.view()?;
        terms.push((view.count(), PlacedTerm::new(view.cursor(), *distance)));
    }
    // The rarest leads; ties keep their order.
    terms.sort_by_key(|(count, _)| *count);
    let mut terms: Vec<PlacedTerm<'_>> = terms.into_iter().map(|(_, term)| term).collect();
    let last = leaf.key.terms.last().map_or(0, |&(_, distance)| distance);

    let stored_ranges = match &leaf.key.path {
        None => None,
        Some(path) => Some(stored_ranges(reader, plan, path, chunk)?),
    };
    let mut ranges = stored_ranges.as_deref().map(PathRanges::new).transpose()?;
    let mut next = 0;
    while let Some(offset) = align(&mut terms, next)? {
        let frequency = match &mut ranges {
            None => places(&mut terms, |_| true)?,
            Some(ranges) => {
                ranges.read(offset)?;
                places(&mut terms, |first| ranges.holds(first, last))?
            }
        };
        if frequency > 0 {
            f(offset, frequency);
        }
        let Some(behind) = offset.checked_add(1) else { break };
        next = behind;
    }
    Ok(())
}

/// A term of a phrase in one chunk.
struct PlacedTerm<'a> {
    cursor: PositionsCursor<'a>,
    /// Positions between the phrase's beginning and this term.
    distance: u32,
    /// Positions in the current document.
    positions: Vec<u32>,
}

impl<'a> PlacedTerm<'a> {
    fn new(cursor: PositionsCursor<'a>, distance: u32) -> Self {
        PlacedTerm { cursor, distance, positions: Vec::new() }
    }
}

/// The first document from `next` on that all terms have; their cursors stand on it.
fn align(terms: &mut [PlacedTerm<'_>], next: u16) -> Result<Option<u16>> {
    let mut candidate = next;
    loop {
        let mut aligned = true;
        for term in terms.iter_mut() {
            let Some(offset) = term.cursor.seek(candidate).map_err(fts::Error::from)? else {
                return Ok(None);
            };
            if offset != candidate {
                aligned = false;
                candidate = offset;
                break;
            }
        }
        // A single term's first seek may move: one more round finds it aligned.
        if aligned {
            return Ok(Some(candidate));
        }
    }
}

/// How often the phrase occurs in the document that the cursors stand on, at places that `counts`.
fn places(terms: &mut [PlacedTerm<'_>], counts: impl Fn(u32) -> bool) -> Result<u32> {
    for term in terms.iter_mut() {
        let PlacedTerm { cursor, positions, .. } = term;
        cursor.positions(positions).map_err(fts::Error::from)?;
    }
    let Some((lead, others)) = terms.split_first() else { return Ok(0) };
    let firsts = lead.positions.iter().filter_map(|position| position.checked_sub(lead.distance));
    let follows = |first: u32, term: &PlacedTerm<'_>| {
        let position = first.checked_add(term.distance);
        position.is_some_and(|position| term.positions.binary_search(&position).is_ok())
    };
    let found =
        firsts.filter(|&first| others.iter().all(|term| follows(first, term)) && counts(first));
    Ok(u32::try_from(found.count()).unwrap_or(u32::MAX))
}

/// The texts of the current document at or below a path, as ranges of positions.
struct PathRanges<'a> {
    cursors: Vec<PositionsCursor<'a>>,
    /// First and last position, ascending.
    ranges: Vec<(u32, u32)>,
    pairs: Vec<u32>,
}

/// The boundaries of all texts at or below `path` in a chunk.
fn stored_ranges(
    reader: &TextReader<'_>,
    plan: &Plan,
    path: &str,
    chunk: u32,
) -> Result<Vec<StoredPositions>> {
    let mut stored = Vec::new();
    for path in plan.paths.get(path).into_iter().flatten() {
        stored.extend(reader.positions(FieldId::PATHS, path, chunk)?);
    }
    Ok(stored)
}

impl<'a> PathRanges<'a> {
    fn new(stored: &'a [StoredPositions]) -> Result<Self> {
        let cursors = stored.iter().map(|positions| Ok(positions.view()?.cursor()));
        let cursors = cursors.collect::<Result<_>>()?;
        Ok(PathRanges { cursors, ranges: Vec::new(), pairs: Vec::new() })
    }

    /// Goes to a document; documents ascend.
    fn read(&mut self, offset: u16) -> Result<()> {
        self.ranges.clear();
        for cursor in &mut self.cursors {
            if cursor.seek(offset).map_err(fts::Error::from)? != Some(offset) {
                continue;
            }
            cursor.positions(&mut self.pairs).map_err(fts::Error::from)?;
            let (pairs, rest) = self.pairs.as_chunks::<2>();
            if !rest.is_empty() {
                return Err(corruption("positions of a path: a text has no end".to_owned()));
            }
            self.ranges.extend(pairs.iter().map(|[start, end]| (*start, *end)));
        }
        self.ranges.sort_unstable();
        Ok(())
    }

    /// Whether a phrase that begins at `first` and ends `last` positions further on lies in one of the texts.
    fn holds(&self, first: u32, last: u32) -> bool {
        let behind = self.ranges.partition_point(|&(start, _)| start <= first);
        let range = behind.checked_sub(1).and_then(|place| self.ranges.get(place));
        range.is_some_and(|&(_, end)| first.checked_add(last).is_some_and(|last| last < end))
    }
}

fn corruption(what: String) -> Error {
    fts::Error::Lsm(lsm::Error::corruption(what, 0)).into()
}
