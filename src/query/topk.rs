//! The best documents of a search, however many it scores.
//!
//! The searcher pushes what may be among the best and takes the best at the end. The order is total, so the result does
//! not depend on the order of pushing: score descending, then DocId ascending. Documents gather until they are twice as
//! many as are wanted; then the better half stays, found without sorting, and its worst one is the measure for the next.
//! Where a ranking goes on behind some document, those up to it are never held.
//! Invariant: at most `2 k` documents are held. Cost: one comparison for a document that is not among the best so far, some
//! more for one that is, however large `k` is.

use crate::fts::DocId;

/// Documents for which there is room from the beginning, at most.
const ROOM_LEN_MAX: usize = 64;
/// Documents up to which they are sorted themselves.
const MOVED_LEN_MAX: usize = 64;

/// A document that matches, and how well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredDoc {
    /// Its number.
    pub doc: DocId,
    /// Its score; never NaN.
    pub score: f32,
}

/// Keeps the `k` best of the documents that are pushed.
#[derive(Debug)]
pub(crate) struct TopK {
    k: usize,
    /// All that is wanted is ranked behind it.
    after: Option<ScoredDoc>,
    /// The `k` best of all are among these.
    found: Vec<ScoredDoc>,
    /// The worst of the `k` best when these were looked for last.
    worst: Option<ScoredDoc>,
}

impl TopK {
    /// Keeps the best `k` of those that are ranked behind `after`.
    pub(crate) fn new(k: usize, after: Option<ScoredDoc>) -> Self {
        TopK { k, after, found: Vec::with_capacity((2 * k).min(ROOM_LEN_MAX)), worst: None }
    }

    /// Whether a document is ranked behind what is left out.
    pub(crate) fn wants(&self, document: &ScoredDoc) -> bool {
        self.after.is_none_or(|after| rank(document) > rank(&after))
    }

    /// Whether every document is that gets at most so much.
    pub(crate) fn wants_all_below(&self, bound: f64) -> bool {
        self.after.is_none_or(|after| bound < after.score.into())
    }

    /// What no score of a document is above that is wanted, where none at all is above `most`.
    pub(crate) fn most(&self, most: f64) -> f64 {
        self.after.map_or(most, |after| most.min(after.score.into()))
    }

    /// Whether some document may be that gets at least so much.
    pub(crate) fn wants_above(&self, least: f64) -> bool {
        self.after.is_none_or(|after| least <= after.score.into())
    }

    /// How many are kept.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Adds a document.
    pub(crate) fn push(&mut self, document: ScoredDoc) {
        if !self.wants(&document) || self.worst.is_some_and(|worst| rank(&document) >= rank(&worst))
        {
            return;
        }
        self.found.push(document);
        let len = self.found.len();
        if len >= 2 * self.k || len == self.k && self.worst.is_none() {
            self.forget();
        }
    }

    /// Forgets all but the best `k`, of which there are as many.
    fn forget(&mut self) {
        if let Some(last) = self.k.checked_sub(1) {
            let (_, worst, _) = self.found.select_nth_unstable_by_key(last, rank);
            self.worst = Some(*worst);
        }
        self.found.truncate(self.k);
    }

    /// A score below which no document is among the best any more; `None` before there are `k`.
    pub(crate) fn threshold(&self) -> Option<f32> {
        self.worst.map(|worst| worst.score)
    }

    /// The best documents, the very best first.
    pub(crate) fn into_sorted(mut self) -> Vec<ScoredDoc> {
        if self.found.len() > self.k {
            self.forget();
        }
        let TopK { mut found, .. } = self;
        if found.len() <= MOVED_LEN_MAX || u32::try_from(found.len()).is_err() {
            found.sort_unstable_by_key(rank);
            return found;
        }
        // Scores and places are shorter than documents: they are sorted in two thirds of the time. Few scores are the same.
        let order =
            (0..).zip(&found).map(|(place, of)| u64::from(descending(of.score)) << 32 | place);
        let mut order: Vec<u64> = order.collect();
        order.sort_unstable();
        let place = |number: &u64| usize::try_from(number % (1 << 32)).unwrap_or_default();
        let mut sorted: Vec<_> = order.iter().map(|number| found[place(number)]).collect();
        for same in sorted.chunk_by_mut(|one, next| descending(one.score) == descending(next.score))
        {
            same.sort_unstable_by_key(|found| found.doc);
        }
        sorted
    }
}

/// A number that orders documents from the best to the worst. One comparison of numbers takes no branches, where that of two scores and
/// then of two documents does.
fn rank(document: &ScoredDoc) -> u128 {
    u128::from(descending(document.score)) << 64 | u128::from(document.doc.number())
}

/// A number that orders scores as `f32::total_cmp` does, the greatest first.
fn descending(score: f32) -> u32 {
    let bits = score.to_bits();
    !(if score.is_sign_negative() { !bits } else { bits | 1 << 31 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_equal_the_front_of_everything_sorted() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..200 {
            let mut all: Vec<ScoredDoc> = (0..rng.u16(..400))
                .map(|offset| ScoredDoc {
                    doc: DocId::from_parts(rng.u32(..) >> rng.u8(..32), offset),
                    score: f32::from(rng.i8(-2..100)),
                })
                .collect();
            let k = rng.usize(..300);
            let after = rng.bool().then(|| ScoredDoc {
                doc: DocId::from_parts(rng.u32(..3), rng.u16(..400)),
                score: f32::from(rng.i8(-2..100)),
            });
            let mut top = TopK::new(k, after);
            for &document in &all {
                top.push(document);
                assert!(top.found.len() < 2 * k.max(1));
                assert!(top.threshold().is_some() || top.found.len() < k.max(1));
            }
            if let Some(after) = after {
                let is_behind = |found: &ScoredDoc| {
                    let by_doc =
                        found.score.to_bits() == after.score.to_bits() && found.doc > after.doc;
                    found.score < after.score || by_doc
                };
                all.retain(is_behind);
            }
            all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.doc.cmp(&b.doc)));
            all.truncate(k);
            assert_eq!(top.into_sorted(), all);
        }
    }
}
