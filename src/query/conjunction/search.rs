//! The windows of a conjunction: searched by descending bound for the best documents, or all of them to count.
//!
//! Which documents of a window may be among the best is found out by `join`. Of words these are put off until all windows were
//! looked at, each noted with its index in every list, so that scoring it takes no search and decodes no list again; a phrase is looked
//! for at once, since positions decide. Invariant: documents that are noted are those of the windows searched since some were scored
//! last, in the order of the windows. Cost: some ten nanoseconds for each word of a document that is scored, and its positions. Memory: of
//! documents that are put off 18 bytes, and two for each word.

use super::join::{Candidate, Joiner};
use super::occurrences::Occurrences;
use super::{Chunk, Ranked, Room, Word, base};
use crate::fts::{self, WINDOW_LEN};
use crate::kernels::{Aligned, Kernels};
use crate::query::deferred::{Deferred, Found};
use crate::query::error::Result;
use crate::query::leaf::{OpenLeaf, Scale};
use crate::query::lists::WindowView;
use crate::query::sums::{SUM_MAX, UNITS_SLACK};
use crate::query::topk::{ScoredDoc, TopK};

/// Numbers for which there is room from the beginning, of those that are noted: enough for most searches.
const NOTED_LEN_MIN: usize = 512;

/// Finds the best documents.
pub(super) struct Search<'s> {
    leaves: &'s [OpenLeaf<'s>],
    phrase: Option<&'s OpenLeaf<'s>>,
    chunks: &'s [Chunk<'s>],
    /// For each chunk what scoring needs of each leaf.
    scales: &'s [Vec<Scale<'s>>],
    windows: &'s [Ranked],
    top: TopK,
    /// Where impacts tell which documents match.
    deferred: Option<Deferred>,
    /// For each document that was put off its offset, and its index in each list.
    noted: Vec<u16>,
    /// Where those of each window begin, by ascending place of the window.
    starts: Vec<(u32, usize)>,
    joiner: Joiner,
}

impl<'s> Search<'s> {
    /// A search for the best documents, where they are scored.
    pub(super) fn new(
        leaves: &'s [OpenLeaf<'s>],
        chunks: &'s [Chunk<'s>],
        windows: &'s [Ranked],
        scales: &'s [Vec<Scale<'s>>],
        top: TopK,
        deferred: Option<Deferred>,
    ) -> Self {
        let phrase = leaves.first().filter(|open| open.is_placed());
        let terms_len = chunks.first().map_or(0, |chunk| chunk.terms.len());
        Search {
            leaves,
            phrase,
            chunks,
            scales,
            windows,
            top,
            deferred,
            noted: Vec::with_capacity(NOTED_LEN_MIN),
            starts: Vec::with_capacity(windows.len()),
            joiner: Joiner::new(phrase.is_some(), terms_len),
        }
    }

    /// The best documents, best first; to be asked when nothing failed.
    pub(super) fn end(self) -> Vec<ScoredDoc> {
        self.joiner.memory.give_back();
        self.top.into_sorted()
    }

    /// Finds the best documents.
    pub(super) fn run(&mut self) -> Result<()> {
        for (order, ranked) in (0_u32..).zip(self.windows) {
            if ranked.bound < self.threshold() {
                break;
            }
            let mut rooms = self.take_rooms(ranked);
            self.search(order, ranked, &mut rooms)?;
            self.joiner.memory.rooms = rooms;
            if self.deferred.as_mut().is_some_and(Deferred::is_full) {
                self.score_deferred()?;
            }
        }
        self.score_deferred()
    }

    /// A score below which no document is among the best.
    fn threshold(&self) -> f64 {
        let known = self.deferred.as_ref().map_or(0.0, Deferred::threshold);
        self.top.threshold().map_or(known, |score| known.max(score.into()))
    }

    /// Room for every word.
    fn take_rooms(&mut self, ranked: &Ranked) -> Vec<Room> {
        let (mut rooms, len) =
            (std::mem::take(&mut self.joiner.memory.rooms), self.chunks[ranked.place].terms.len());
        while rooms.len() < len {
            rooms.push(Aligned([0; WINDOW_LEN]));
        }
        rooms
    }

    /// Finds every document of a window that may be among the best.
    fn search(&mut self, order: u32, ranked: &Ranked, rooms: &mut [Room]) -> Result<()> {
        let (chunk, number) = (&self.chunks[ranked.place], ranked.number);
        let (mut words, unit) = self.joiner.join(chunk, ranked, self.threshold(), rooms)?;
        if !chunk.dead.is_empty() {
            self.joiner
                .candidates
                .retain(|&(offset, _)| !chunk.dead.contains(base(number) | offset));
        }
        if self.joiner.candidates.is_empty() {
            return Ok(());
        }
        words.sort_unstable_by_key(|word| word.place);
        self.best_first();
        let mut candidates = std::mem::take(&mut self.joiner.candidates);
        match self.phrase {
            Some(phrase) => {
                let views: Vec<_> = words.into_iter().map(|word| word.view).collect();
                self.look_for(phrase, ranked, &views, &mut candidates)?;
            }
            None => self.put_off(order, &words, &candidates, unit),
        }
        self.joiner.candidates = candidates;
        Ok(())
    }

    /// Puts the candidates of a window off that may still be among the best.
    fn put_off(&mut self, order: u32, words: &[Word<'_>], candidates: &[Candidate], unit: f64) {
        let Some(deferred) = &mut self.deferred else { return };
        let slack: f64 = words.iter().map(|word| word.bounds.slack() + UNITS_SLACK * unit).sum();
        // A sum that reached its end is at least that.
        let most = if unit > 0.0 { SUM_MAX * unit } else { f64::INFINITY };
        let scored = self.top.threshold().map_or(0.0, f64::from);
        let (start, mut len) = (self.noted.len(), 0_u16);
        for &(offset, bound) in candidates {
            if bound < deferred.threshold().max(scored) {
                continue;
            }
            deferred.push(Found { window: order, offset: len, bound }, bound.min(most) - slack);
            let index = |word: &Word<'_>| word.view.documents.find(offset).unwrap_or_default();
            let index = |word| u16::try_from(index(word)).unwrap_or_default();
            self.noted.push(offset);
            self.noted.extend(words.iter().map(index));
            len += 1;
        }
        if len > 0 {
            self.starts.push((order, start));
        }
    }

    /// Looks for a phrase in the candidates of a window, of which some that have it not are left out; gives how many have it. Scores them, if
    /// anything is scored.
    fn look_for(
        &mut self,
        phrase: &OpenLeaf<'_>,
        ranked: &Ranked,
        views: &[WindowView<'_>],
        candidates: &mut Vec<Candidate>,
    ) -> Result<u64> {
        let (chunk, number) = (&self.chunks[ranked.place], ranked.number);
        let tables = std::mem::take(&mut self.joiner.memory.tables);
        let occurrences = Occurrences::new(chunk, number, views, tables)?;
        let counts = occurrences.narrow(phrase.pairs(), candidates)?;
        let counts = counts.filter(|_| phrase.is_one_pair());
        let scale = self.scales.get(ranked.place).and_then(|scales| scales.first());
        if scale.is_none() && counts.is_some() {
            self.joiner.memory.tables = occurrences.end();
            return Ok(candidates.len() as u64);
        }
        let mut count = 0;
        for (place, &(offset, bound)) in candidates.iter().enumerate() {
            if bound < self.threshold() {
                continue;
            }
            let in_chunk = base(number) | offset;
            let counted = counts.as_ref().and_then(|counts| counts.get(place)).copied();
            let frequency = counted.map_or_else(
                || {
                    let mut positions = |place| occurrences.positions(place, in_chunk);
                    let scratch = &mut self.joiner.memory.scratch;
                    phrase.phrase_frequency(&mut positions, &[], in_chunk, scratch)
                },
                Ok,
            )?;
            count += u64::from(frequency > 0);
            if let Some(scale) = scale.filter(|_| frequency > 0) {
                let index = views[0].documents.find(offset).unwrap_or_default();
                let code = scale.code(occurrences.postings(0), in_chunk, index);
                let score = scale.norms.score(phrase.bounds.weight(), frequency, code);
                self.top.push(ScoredDoc { doc: chunk.doc(number, offset), score });
            }
        }
        self.joiner.memory.tables = occurrences.end();
        Ok(count)
    }

    /// Puts those with the best bounds first, so that the threshold rises before the others are looked at.
    fn best_first(&mut self) {
        let k = self.top.k();
        if self.joiner.candidates.len() <= k {
            return;
        }
        let by_bound = |left: &Candidate, right: &Candidate| right.1.total_cmp(&left.1);
        if self.deferred.is_some() {
            self.joiner.candidates.select_nth_unstable_by(k.saturating_sub(1), by_bound);
        } else if self.top.threshold().is_none() {
            // Few of them may match: there have to be more.
            self.joiner
                .candidates
                .sort_unstable_by(|left, right| by_bound(left, right).then(left.0.cmp(&right.0)));
        }
    }

    /// Scores the documents that were put off: when they are many, those with the best bounds first.
    fn score_deferred(&mut self) -> Result<()> {
        let (threshold, k) = (self.threshold(), self.top.k());
        let Some(deferred) = &mut self.deferred else { return Ok(()) };
        let mut found = deferred.take(threshold);
        if found.len() > 2 * k {
            found.select_nth_unstable_by(k - 1, |left, right| right.bound.total_cmp(&left.bound));
            let mut others = found.split_off(k);
            found.sort_unstable_by_key(|found| (found.window, found.offset));
            self.score(&found)?;
            let threshold = self.threshold();
            others.retain(|found| found.bound >= threshold);
            others.sort_unstable_by_key(|found| (found.window, found.offset));
            found = others;
        }
        self.score(&found)?;
        self.noted.clear();
        self.starts.clear();
        Ok(())
    }

    /// Scores documents that were put off, those of one window after those of another.
    fn score(&mut self, found: &[Found]) -> Result<()> {
        let stride = self.chunks.first().map_or(1, |chunk| chunk.terms.len() + 1);
        for found in found.chunk_by(|left, right| left.window == right.window) {
            let order = found[0].window;
            let Ok(place) = self.starts.binary_search_by_key(&order, |start| start.0) else {
                continue;
            };
            let noted = self.noted.get(self.starts[place].1..).unwrap_or_default();
            let ranked = &self.windows[order as usize];
            let (chunk, scales) = (&self.chunks[ranked.place], &self.scales[ranked.place]);
            let postings = chunk.postings(ranked.number)?;
            for found in found {
                let noted = noted.get(stride * usize::from(found.offset)..).unwrap_or_default();
                let [offset, indexes @ ..] = noted else { continue };
                let (in_chunk, mut score) = (base(ranked.number) | offset, 0.0);
                for (((term, scale), open), index) in
                    postings.iter().zip(scales).zip(self.leaves).zip(indexes)
                {
                    let weight = open.bounds.weight();
                    score += scale.score_at(term, in_chunk, (*index).into(), weight)?;
                }
                self.top.push(ScoredDoc { doc: chunk.doc(ranked.number, *offset), score });
            }
        }
        Ok(())
    }

    /// How many documents match.
    pub(super) fn count(&mut self) -> Result<u64> {
        let mut count = 0;
        if let Some(phrase) = self.phrase {
            return self.occurrences(phrase);
        }
        let mut matching = [0; WINDOW_LEN / 8];
        for ranked in self.windows {
            let chunk = &self.chunks[ranked.place];
            if self.joiner.join_all(chunk, ranked.number, &mut matching)? {
                count += u64::from(Kernels::best().count_bits(&matching));
            }
        }
        Ok(count)
    }

    /// Looks for a phrase in all documents that hold its words; gives how many have it. Scores them, if anything is scored.
    pub(super) fn occurrences(&mut self, phrase: &OpenLeaf<'_>) -> Result<u64> {
        let mut count = 0;
        let mut matching = [0; WINDOW_LEN / 8];
        for ranked in self.windows {
            let (chunk, number) = (&self.chunks[ranked.place], ranked.number);
            if !self.joiner.join_all(chunk, number, &mut matching)? {
                continue;
            }
            let mut rooms = self.take_rooms(ranked);
            let mut views = Vec::with_capacity(chunk.terms.len());
            for (term, room) in chunk.terms.iter().zip(&mut rooms) {
                views.extend(term.view(number, &mut room.0).map_err(fts::Error::from)?);
            }
            self.joiner.take_all(&matching);
            let mut candidates = std::mem::take(&mut self.joiner.candidates);
            count += self.look_for(phrase, ranked, &views, &mut candidates)?;
            self.joiner.candidates = candidates;
            drop(views);
            self.joiner.memory.rooms = rooms;
        }
        Ok(count)
    }
}
