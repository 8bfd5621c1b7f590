//! Searches for documents that hold all of some words, or a phrase of them, and for nothing else.
//!
//! The searcher comes here with such a plan, and goes without leaves of windows, sets and trees that only other plans need. As there,
//! windows are looked at by descending bound, documents are sorted out by impacts, and whoever may be among the best is put off.
//!
//! ```text
//! this file   chunks and windows in which all words occur, each window with a bound
//! join        the documents of a window that hold all words and may be among the best
//! search      the windows one after the other; scores, phrases, counts
//! ```
//! Of a word that several runs have, each part is searched by itself, with those parts of the others whose documents may be the same;
//! parts stand one behind the other, since documents are numbered in the order of commits. Words whose parts mix are not searched here.
//!
//! ```text
//! run 1: river 0..90, bed 0..90    run 2: river 91..200    run 3: bed 91..200    searched: (1, 1) in 0..90, (2, 3) in 91..200
//! ```
//! Invariant: the same documents, scores and counts as by way of [`WindowSearch`](super::window::WindowSearch). Cost: about a microsecond
//! for each window that may have one of the best, and positions of a phrase.

use std::sync::Arc;

use self::search::Search;
use super::bounds::Bounds;
use super::deferred::Deferred;
use super::error::Result;
use super::leaf::{FieldNorms, OpenLeaf, Scale, find_lengths, missing_lengths};
use super::lists::{TermChunk, WindowView};
use super::plan::{LeafKey, Plan};
use super::term_window::TermWindow;
use super::topk::{ScoredDoc, TopK};
use crate::fts::{
    self, DeadChunk, DocId, StoredLengths, StoredPostings, TermPostings, TextReader, WINDOW_LEN,
    WINDOWS_LEN,
};
use crate::kernels::Aligned;

mod join;
mod occurrences;
mod search;

/// Words of a search, at most: each takes 8 KiB of memory for its documents.
const TERMS_LEN_MAX: usize = 32;
/// Room for the offsets of a word in a window.
type Room = Aligned<[u16; WINDOW_LEN]>;

/// The words of a plan that asks for all of them and nothing else.
pub(super) struct Conjunction<'s, 'p> {
    /// One for each word, or that of the phrase.
    leaves: &'s [OpenLeaf<'p>],
    terms: Vec<&'s TermPostings>,
}

/// A chunk in which all words occur, opened.
struct OpenChunk<'s> {
    number: u32,
    dead: Arc<DeadChunk>,
    /// By word, and of each by ascending documents.
    parts: Vec<Part<'s>>,
}

/// What one run has of a word in a chunk.
struct Part<'s> {
    /// The word's place among the words.
    place: usize,
    term: TermChunk<'s>,
    /// Offsets of its first and its last document.
    ends: (u16, u16),
    /// What no document of each window gets more.
    bounds: [f64; WINDOWS_LEN],
}

/// The documents of a chunk that each word has in one part: all of them, where postings are compacted.
struct Chunk<'s> {
    number: u32,
    dead: Arc<DeadChunk>,
    terms: Vec<&'s TermChunk<'s>>,
    /// For each word and window, what no document there gets more from it.
    bounds: Vec<&'s [f64; WINDOWS_LEN]>,
}

/// A window in which all words occur.
struct Ranked {
    /// No document gets more.
    bound: f64,
    /// Its chunk's place among the chunks, and its number there.
    place: usize,
    number: usize,
}

/// A word in the window at hand.
struct Word<'w> {
    /// Its place among the words.
    place: usize,
    view: WindowView<'w>,
    bounds: &'w Bounds,
}

impl<'s, 'p: 's> Conjunction<'s, 'p> {
    /// Whether a plan asks for all of several words, or for a phrase, and for nothing else.
    pub(super) fn is_asked_for(plan: &Plan) -> bool {
        let leaves = || plan.leaves.iter().map(|leaf| &leaf.key);
        let is_required = |place| plan.required.iter().any(|set| **set == [place]);
        let is_bare = plan.tree.is_none() && plan.excluded.is_empty() && plan.sets.is_empty();
        let is_own = |key: &LeafKey| key.across.is_none() && key.path.is_none();
        let are_words = leaves().all(|key| !key.is_phrase);
        is_bare
            && leaves().all(is_own)
            && match plan.leaves.as_slice() {
                [phrase] => phrase.key.is_phrase && plan.required.len() <= 1,
                leaves => are_words && (0..leaves.len()).all(is_required),
            }
    }

    /// The words of a plan with these leaves, if it [asks](Self::is_asked_for) for them and nothing else.
    pub(super) fn new(plan: &Plan, leaves: &'s [OpenLeaf<'p>]) -> Option<Self> {
        if !Self::is_asked_for(plan) || plan.leaves.len() != leaves.len() {
            return None;
        }
        let terms: Vec<&TermPostings> =
            leaves.iter().flat_map(OpenLeaf::terms).map(|term| &**term).collect();
        let fits = (2..=TERMS_LEN_MAX).contains(&terms.len());
        fits.then_some(Conjunction { leaves, terms })
    }

    /// The best documents, best first, as many as `top` keeps of all; and how many match, if they are to be counted. `None` when parts of
    /// a word mix.
    ///
    /// # Errors
    /// Those of the text index.
    pub(super) fn best(
        &self,
        reader: &TextReader<'_>,
        norms: &FieldNorms,
        top: TopK,
        counts: bool,
    ) -> Result<Option<(Vec<ScoredDoc>, u64)>> {
        let Some(opened) = self.open(reader, Some(norms))? else { return Ok(None) };
        let chunks = chunks(&opened, self.terms.len());
        let lengths = self.lengths(reader, &chunks)?;
        let scales = self.scales(norms, &lengths, &chunks)?;
        let phrase = self.phrase();
        let windows = rank(&chunks, phrase.is_some());
        let most = windows.first().map_or(0.0, |first| first.bound);
        let deferred = phrase.is_none().then(|| Deferred::new(top.k(), 0.0, most));
        let mut search = Search::new(self.leaves, &chunks, &windows, &scales, top, deferred);
        let count = match phrase {
            Some(phrase) if counts => search.occurrences(phrase)?,
            _ => {
                search.run()?;
                if counts { search.count()? } else { 0 }
            }
        };
        Ok(Some((search.end(), count)))
    }

    /// How many documents match; `None` when parts of a word mix. Never scores.
    ///
    /// # Errors
    /// Those of the text index.
    pub(super) fn count(&self, reader: &TextReader<'_>) -> Result<Option<u64>> {
        let Some(opened) = self.open(reader, None)? else { return Ok(None) };
        let chunks = chunks(&opened, self.terms.len());
        let windows = rank(&chunks, false);
        let top = TopK::new(0, None);
        let mut search = Search::new(self.leaves, &chunks, &windows, &[], top, None);
        let count = search.count()?;
        search.end();
        Ok(Some(count))
    }

    /// The leaf, if it is a phrase.
    fn phrase(&self) -> Option<&'s OpenLeaf<'p>> {
        self.leaves.first().filter(|open| open.is_placed())
    }

    /// The leaf that a word belongs to.
    fn leaf(&self, place: usize) -> &'s OpenLeaf<'p> {
        if self.leaves.len() == 1 { &self.leaves[0] } else { &self.leaves[place] }
    }

    /// Opens the chunks in which all words occur; `None` when parts of a word mix. Without norms nothing is scored.
    fn open(
        &self,
        reader: &TextReader<'_>,
        norms: Option<&FieldNorms>,
    ) -> Result<Option<Vec<OpenChunk<'s>>>> {
        let rarest = self.terms.iter().min_by_key(|term| term.chunks.len());
        let mut chunks = Vec::new();
        'chunks: for stored in rarest.into_iter().flat_map(|term| &term.chunks) {
            let number = stored.chunk;
            let mut parts = Vec::with_capacity(self.terms.len());
            for (place, term) in self.terms.iter().enumerate() {
                let Some(stored) = term.in_chunk(number) else { continue 'chunks };
                let first = parts.len();
                self.open_parts(place, stored, norms, &mut parts)?;
                let of_word = parts.get_mut(first..).unwrap_or_default();
                of_word.sort_unstable_by_key(|part| part.ends);
                if of_word.is_empty() {
                    continue 'chunks;
                }
                if of_word.windows(2).any(|pair| pair[0].ends.1 >= pair[1].ends.0) {
                    return Ok(None);
                }
            }
            chunks.push(OpenChunk { number, dead: reader.dead(number)?, parts });
        }
        Ok(Some(chunks))
    }

    /// Opens the parts of a word in a chunk.
    fn open_parts(
        &self,
        place: usize,
        stored: &'s StoredPostings,
        norms: Option<&FieldNorms>,
        to: &mut Vec<Part<'s>>,
    ) -> Result<()> {
        let open = self.leaf(place);
        let norms = norms.and_then(|norms| norms.of(&open.leaf.key));
        for postings in stored.parts() {
            let Some(mut term) = TermChunk::of_part(postings?)? else { continue };
            if let Some(norms) = norms {
                term.weigh(norms, &open.bounds).map_err(fts::Error::from)?;
            }
            let is_in = |window| term.count(window) > 0;
            let bound = |window| if is_in(window) { term.bound(window) } else { 0.0 };
            let bounds = std::array::from_fn(bound);
            to.push(Part { place, ends: term.ends(), term, bounds });
        }
        Ok(())
    }

    /// For each leaf the length codes of its field by ascending chunk, if lists do not have them all.
    fn lengths(&self, reader: &TextReader<'_>, chunks: &[Chunk<'_>]) -> Result<Vec<Lengths>> {
        let of_leaf = |(place, open): (usize, &OpenLeaf<'_>)| {
            let needed = chunks.iter().any(|chunk| chunk.terms[place].has_impacts());
            Ok(if needed { Some(reader.all_lengths(open.leaf.key.field)?) } else { None })
        };
        self.leaves.iter().enumerate().map(of_leaf).collect()
    }

    fn scales<'n>(
        &self,
        norms: &'n FieldNorms,
        lengths: &'n [Lengths],
        chunks: &[Chunk<'_>],
    ) -> Result<Vec<Vec<Scale<'n>>>> {
        let of_chunk = |chunk: &Chunk<'_>| {
            let mut scales = Vec::with_capacity(self.leaves.len());
            for ((place, open), lengths) in self.leaves.iter().enumerate().zip(lengths) {
                let field = open.leaf.key.field;
                let lengths = find_lengths(lengths.as_deref().unwrap_or_default(), chunk.number)?;
                if lengths.is_none() && chunk.terms[place].has_impacts() {
                    return Err(missing_lengths(field, chunk.number));
                }
                scales.extend(norms.of(&open.leaf.key).map(|norms| Scale { norms, lengths }));
            }
            Ok(scales)
        };
        chunks.iter().map(of_chunk).collect()
    }
}

/// Length codes of a field by ascending chunk.
type Lengths = Option<Arc<[(u32, StoredLengths)]>>;

impl<'s> OpenChunk<'s> {
    /// Adds all choices of one part of each word that may have documents `from..=to` together; `chosen` are those of the words before.
    fn add_chunks<'c>(
        &'c self,
        (from, to): (u16, u16),
        chosen: &mut Vec<&'c Part<'s>>,
        terms_len: usize,
        chunks: &mut Vec<Chunk<'c>>,
    ) {
        if chosen.len() == terms_len {
            chunks.push(Chunk {
                number: self.number,
                dead: Arc::clone(&self.dead),
                terms: chosen.iter().map(|part| &part.term).collect(),
                bounds: chosen.iter().map(|part| &part.bounds).collect(),
            });
            return;
        }
        let place = chosen.len();
        for part in self.parts.iter().filter(|part| part.place == place) {
            let both = (from.max(part.ends.0), to.min(part.ends.1));
            if both.0 <= both.1 {
                chosen.push(part);
                self.add_chunks(both, chosen, terms_len, chunks);
                chosen.pop();
            }
        }
    }
}

impl Chunk<'_> {
    /// Whether all words occur in a window.
    fn may_match(&self, number: usize) -> bool {
        self.terms.iter().all(|term| term.count(number) > 0)
    }

    /// No document of a window gets more.
    fn bound(&self, number: usize, is_phrase: bool) -> f64 {
        let bounds = self.bounds.iter().map(|bounds| bounds[number]);
        if is_phrase { bounds.fold(f64::INFINITY, f64::min) } else { bounds.sum() }
    }

    /// A word in a window.
    fn word<'w>(
        &'w self,
        place: usize,
        number: usize,
        room: &'w mut Room,
    ) -> Result<Option<Word<'w>>> {
        let term = &self.terms[place];
        let view = term.view(number, &mut room.0).map_err(fts::Error::from)?;
        let found = view.zip(term.bounds());
        Ok(found.map(|(view, bounds)| Word { place, view, bounds }))
    }

    /// Orders the places of words, those first that the fewest documents of a window hold.
    fn sort_by_count(&self, number: usize, places: &mut [usize]) {
        places.sort_unstable_by_key(|&place| self.terms[place].count(number));
    }

    /// What is known of the words' documents in a window.
    fn postings(&self, number: usize) -> Result<Vec<TermWindow<'_>>> {
        let mut postings = Vec::with_capacity(self.terms.len());
        for term in &self.terms {
            postings.extend(term.postings(number).map_err(fts::Error::from)?);
        }
        Ok(postings)
    }

    fn doc(&self, number: usize, offset: u16) -> DocId {
        DocId::from_parts(self.number, base(number) | offset)
    }
}

impl Word<'_> {
    /// What a document gets at most; `None` when it does not hold the word.
    #[inline]
    fn bound_of(&self, offset: u16) -> Option<f64> {
        Some(self.bound_at(self.view.documents.find(offset)?))
    }

    /// What the document at an index gets at most.
    #[inline]
    fn bound_at(&self, index: usize) -> f64 {
        if let Some(&impact) = self.view.impacts.get(index) {
            return self.bounds.on_line(impact);
        }
        let score = self.view.scores.get(index);
        score.map_or(self.bounds.full(), |&score| self.bounds.of_score(score))
    }
}

/// The chunks of so many words, each word in one part.
fn chunks<'c>(opened: &'c [OpenChunk<'_>], terms_len: usize) -> Vec<Chunk<'c>> {
    let (mut chunks, mut chosen) =
        (Vec::with_capacity(opened.len()), Vec::with_capacity(terms_len));
    for chunk in opened {
        chunk.add_chunks((0, u16::MAX), &mut chosen, terms_len, &mut chunks);
    }
    chunks
}

/// The windows in which all words occur, by descending bound.
fn rank(chunks: &[Chunk<'_>], is_phrase: bool) -> Vec<Ranked> {
    let mut windows = Vec::new();
    for (place, chunk) in chunks.iter().enumerate() {
        for number in (0..WINDOWS_LEN).filter(|&number| chunk.may_match(number)) {
            windows.push(Ranked { bound: chunk.bound(number, is_phrase), place, number });
        }
    }
    windows.sort_by(|left, right| right.bound.total_cmp(&left.bound));
    windows
}

/// Offset in its chunk of a window's first document.
fn base(number: usize) -> u16 {
    u16::try_from(number * WINDOW_LEN).unwrap_or_default()
}
