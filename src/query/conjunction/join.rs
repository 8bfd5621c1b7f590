//! The documents of a window that hold all words of a conjunction and may be among the best.
//!
//! The word with the fewest documents that may, as its impacts tell, leads: these are looked up in the other lists, when they are few; when
//! they are many, sets of documents are joined as bitmaps, and what they get at most is summed for all at once. A phrase gets no more
//! than any of its words, so that each of them has to give as much as is asked of the whole. Invariant: nobody is left out whose bound is
//! not below the threshold. Cost: a fraction of a nanosecond for each impact of the leading word, some nanoseconds for each of
//! its documents that are looked up.

use super::{Chunk, Ranked, Room, Word, base};
use crate::fts::{self, WINDOW_LEN};
use crate::kernels::{Bitmap, Kernels};
use crate::query::bounds::Bounds;
use crate::query::error::Result;
use crate::query::lists::{Documents, WindowView};
use crate::query::memory::Memory;
use crate::query::sums::{self, bound_of_sum, least_sum};
use crate::query::term_window::WINDOW;
use crate::query::window::remove_dead;

/// Documents of a word up to which it is not asked whether another would leave fewer.
const LEAD_LEN_MIN: usize = 32;
/// Documents up to which those of the leading word are looked up in the other lists one by one.
const PROBED_LEN_MAX: usize = 128;

/// A document of the window at hand, and what it gets at most.
pub(super) type Candidate = (u16, f64);

/// Finds candidates, with the same memory.
pub(super) struct Joiner {
    is_phrase: bool,
    /// Those of the last window.
    pub(super) candidates: Vec<Candidate>,
    /// All words, in the order in which a window is searched for them.
    places: Vec<usize>,
    kernels: &'static Kernels,
    /// Between windows all sums are 0.
    pub(super) memory: Box<Memory>,
}

impl Joiner {
    /// For so many words.
    pub(super) fn new(is_phrase: bool, terms_len: usize) -> Self {
        Joiner {
            is_phrase,
            candidates: Vec::with_capacity(PROBED_LEN_MAX),
            places: (0..terms_len).collect(),
            kernels: Kernels::best(),
            memory: Memory::take(),
        }
    }

    /// Finds the candidates of a window: all documents that hold the words and may be among the best. Gives the words, and what a unit
    /// of the candidates' bounds is worth, if they were summed in such.
    pub(super) fn join<'w>(
        &mut self,
        chunk: &'w Chunk<'_>,
        ranked: &Ranked,
        threshold: f64,
        rooms: &'w mut [Room],
    ) -> Result<(Vec<Word<'w>>, f64)> {
        let (number, is_phrase) = (ranked.number, self.is_phrase);
        self.candidates.clear();
        let mut words: Vec<Word<'w>> = Vec::with_capacity(chunk.terms.len());
        let mut matching = [0; WINDOW_LEN / 8];
        let (mut rest, mut are_listed) = (ranked.bound, false);
        let thinned = self.choose_lead(chunk, ranked, threshold)?;
        for (turn, room) in (0..self.places.len()).zip(rooms) {
            let place = self.places[turn];
            let (bound, least) =
                (chunk.bounds[place][number], self.least(chunk, ranked, place, threshold));
            rest = if is_phrase { 0.0 } else { (rest - bound).max(0.0) };
            let is_first = words.is_empty();
            let word = if thinned == Some(0) { None } else { chunk.word(place, number, room)? };
            let Some(word) = word else {
                self.candidates.clear();
                return Ok((words, 0.0));
            };
            if is_first {
                are_listed = self.lead(&word, thinned, least, &mut matching);
            } else if are_listed {
                self.refine(&word, threshold - rest);
            } else if self.keep_in(&word, least, &mut matching) <= PROBED_LEN_MAX {
                self.list(&words, &word, &matching);
                self.candidates.retain(|&(_, bound)| bound >= threshold - rest);
                are_listed = true;
            }
            words.push(word);
            if are_listed && self.candidates.is_empty() {
                return Ok((words, 0.0));
            }
        }
        if are_listed {
            return Ok((words, 0.0));
        }
        if let ([first @ .., last], true) = (words.as_slice(), is_phrase) {
            self.list(first, last, &matching);
            self.candidates.retain(|&(_, bound)| bound >= threshold);
            return Ok((words, 0.0));
        }
        let unit = self.sum(&words, &matching, threshold);
        Ok((words, unit))
    }

    /// Finds all documents of a window that hold the words; gives whether there are any.
    pub(super) fn join_all(
        &mut self,
        chunk: &Chunk<'_>,
        number: usize,
        matching: &mut Bitmap,
    ) -> Result<bool> {
        matching.fill(0);
        chunk.sort_by_count(number, &mut self.places);
        let scratch = &mut self.memory.offsets.0;
        for (turn, &place) in self.places.iter().enumerate() {
            let term = &chunk.terms[place];
            if turn == 0 {
                term.add_to(number, matching, scratch).map_err(fts::Error::from)?;
            } else if term.keep_in(number, matching, scratch).map_err(fts::Error::from)? == 0 {
                return Ok(false);
            }
        }
        remove_dead(&chunk.dead, base(number), matching);
        Ok(true)
    }

    /// Makes candidates of these documents, with no bounds.
    pub(super) fn take_all(&mut self, matching: &Bitmap) {
        let count = self.kernels.bitmap_offsets(matching, &mut self.memory.offsets.0);
        let offsets = self.memory.offsets.0.iter().take(count);
        self.candidates.clear();
        self.candidates.extend(offsets.map(|&offset| (offset, f64::INFINITY)));
    }

    /// What a document has to get from a word to be among the best of a window.
    fn least(&self, chunk: &Chunk<'_>, ranked: &Ranked, place: usize, threshold: f64) -> f64 {
        if self.is_phrase {
            return threshold;
        }
        threshold - (ranked.bound - chunk.bounds[place][ranked.number])
    }

    /// Puts the word first that the fewest documents of a window hold which may be among the best, as far as impacts tell, and the others
    /// behind it, the rarest first. Gives how many documents these are, and lists their indexes; `None` where impacts do not tell.
    fn choose_lead(
        &mut self,
        chunk: &Chunk<'_>,
        ranked: &Ranked,
        threshold: f64,
    ) -> Result<Option<usize>> {
        let number = ranked.number;
        chunk.sort_by_count(number, &mut self.places);
        let (mut lead, mut fewest) = (0, None);
        for (turn, &place) in self.places.iter().enumerate() {
            let least = self.least(chunk, ranked, place, threshold);
            let Memory { indexes, offsets, .. } = &mut *self.memory;
            let out = if turn == 0 { &mut indexes.0 } else { &mut offsets.0 };
            let term = &chunk.terms[place];
            // They are compared before anything else is decoded.
            let impacts = term.impacts(number).map_err(fts::Error::from)?;
            let known = impacts.zip(term.bounds());
            let count = known.and_then(|(impacts, bounds)| thin_out(impacts, bounds, least, out));
            match (count, fewest) {
                (Some(count), Some(so_far)) if count < so_far => {
                    indexes.0[..count].copy_from_slice(&offsets.0[..count]);
                    (lead, fewest) = (turn, Some(count));
                }
                (_, None) => fewest = count,
                _ => {}
            }
            if fewest.is_none_or(|fewest| fewest <= LEAD_LEN_MIN) {
                break;
            }
        }
        self.places[..=lead].rotate_right(1);
        Ok(fewest)
    }

    /// Begins with the documents of a word: lists them when they are few, else sets their bits. Gives whether they are listed.
    fn lead(
        &mut self,
        word: &Word<'_>,
        thinned: Option<usize>,
        least: f64,
        matching: &mut Bitmap,
    ) -> bool {
        let documents = &word.view.documents;
        let Memory { indexes, offsets, .. } = &mut *self.memory;
        let Some(count) = thinned else {
            match *documents {
                Documents::List { offsets, .. } if offsets.len() <= PROBED_LEN_MAX => {
                    let all = offsets.iter().enumerate();
                    let all = all.map(|(index, &offset)| (offset % WINDOW, word.bound_at(index)));
                    self.candidates.extend(all.filter(|&(_, bound)| bound >= least));
                    return true;
                }
                Documents::List { offsets, .. } => self.kernels.set_bits(matching, offsets),
                Documents::Bitmap(bitmap, _) => *matching = *bitmap,
            }
            return false;
        };
        let indexes = indexes.0.get(..count).unwrap_or_default();
        documents.offsets_at(indexes, &mut offsets.0);
        let offsets = offsets.0.get(..count).unwrap_or_default();
        if count > PROBED_LEN_MAX {
            self.kernels.set_bits(matching, offsets);
            return false;
        }
        let bounds = indexes.iter().map(|&index| word.bound_at(index.into()));
        self.candidates.extend(offsets.iter().map(|offset| offset % WINDOW).zip(bounds));
        true
    }

    /// Keeps the candidates that hold a further word and get at least so much with it.
    fn refine(&mut self, word: &Word<'_>, least: f64) {
        let is_phrase = self.is_phrase;
        self.candidates.retain_mut(|(offset, bound)| {
            let of_word = word.bound_of(*offset);
            *bound = together(is_phrase, *bound, of_word.unwrap_or_default());
            of_word.is_some() && *bound >= least
        });
    }

    /// Keeps the documents that hold a further word; gives how many are left at most.
    fn keep_in(&mut self, word: &Word<'_>, least: f64, matching: &mut Bitmap) -> usize {
        let thinned = if self.is_phrase {
            thin_out(word.view.impacts, word.bounds, least, &mut self.memory.indexes.0)
        } else {
            None
        };
        let mut documents = [0; WINDOW_LEN / 8];
        let of_word = match (thinned, &word.view.documents) {
            (None, Documents::Bitmap(bitmap, _)) => bitmap,
            (None, Documents::List { offsets, .. }) => {
                self.kernels.set_bits(&mut documents, offsets);
                &documents
            }
            (Some(count), all) => {
                let Memory { indexes, offsets, .. } = &mut *self.memory;
                all.offsets_at(indexes.0.get(..count).unwrap_or_default(), &mut offsets.0);
                self.kernels.set_bits(&mut documents, offsets.0.get(..count).unwrap_or_default());
                &documents
            }
        };
        self.kernels.and(matching, of_word) as usize
    }

    /// Makes candidates of documents that hold all words so far.
    fn list(&mut self, words: &[Word<'_>], last: &Word<'_>, matching: &Bitmap) {
        let count = self.kernels.bitmap_offsets(matching, &mut self.memory.offsets.0);
        let is_phrase = self.is_phrase;
        for &offset in self.memory.offsets.0.iter().take(count) {
            let mut bound = last.bound_of(offset).unwrap_or_default();
            for word in words {
                bound = together(is_phrase, bound, word.bound_of(offset).unwrap_or_default());
            }
            self.candidates.push((offset, bound));
        }
    }

    /// Makes candidates of many documents that hold all words, by sums; gives what a unit of these is worth.
    fn sum(&mut self, words: &[Word<'_>], matching: &Bitmap, threshold: f64) -> f64 {
        let Memory { sums, offsets, .. } = &mut *self.memory;
        let units = sums::units(threshold, words.iter().map(|word| word.bounds));
        for word in words {
            let WindowView { documents, impacts, scores } = &word.view;
            sums::add_all(&mut sums.0, documents.places(), impacts, scores, word.bounds, units);
        }
        let least = least_sum(threshold, units);
        let count = self.kernels.bitmap_offsets(matching, &mut offsets.0);
        let sum_of = |&offset: &u16| (offset, sums.0[usize::from(offset % WINDOW)]);
        let found = offsets.0.iter().take(count).map(sum_of).filter(|&(_, sum)| sum >= least);
        self.candidates.extend(found.map(|(offset, sum)| (offset, bound_of_sum(sum, units))));
        sums.0.fill(0);
        1.0 / units
    }
}

/// What two words give together at most.
fn together(is_phrase: bool, left: f64, right: f64) -> f64 {
    if is_phrase { left.min(right) } else { left + right }
}

/// Finds which of a word's documents with these impacts get at least so much from it, by index, and how many they are; `None` where impacts do
/// not tell.
fn thin_out(
    impacts: &[u8],
    bounds: &Bounds,
    least: f64,
    indexes: &mut [u16; WINDOW_LEN],
) -> Option<usize> {
    if least <= 0.0 || impacts.is_empty() {
        return None;
    }
    let Ok(impact) = u8::try_from(bounds.impact_for(least)) else { return Some(0) };
    Some(Kernels::best().impacts_at_least(impacts, impact, indexes))
}
