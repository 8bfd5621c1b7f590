//! The best documents of a search, however many it scores.
//!
//! The searcher pushes every matching document and takes the best at the end. The order is total, so the result does
//! not depend on the order of pushing: score descending, then DocId ascending. Invariant: at most `k` documents are
//! held. Cost: one comparison for a document that is not among the best so far, O(log k) for one that is.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::fts::DocId;

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
    /// The worst one on top.
    best: BinaryHeap<Ranked>,
}

/// Orders documents from the best to the worst.
#[derive(Debug)]
struct Ranked(ScoredDoc);

impl TopK {
    /// Keeps the best `k`.
    pub(crate) fn new(k: usize) -> Self {
        TopK { k, best: BinaryHeap::new() }
    }

    /// Adds a document.
    pub(crate) fn push(&mut self, document: ScoredDoc) {
        let document = Ranked(document);
        if self.best.len() < self.k {
            self.best.push(document);
        } else if let Some(mut worst) = self.best.peek_mut()
            && document < *worst
        {
            *worst = document;
        }
    }

    /// The score below which no document is among the best any more; `None` before there are `k`.
    pub(crate) fn threshold(&self) -> Option<f32> {
        let worst = self.best.peek().filter(|_| self.best.len() >= self.k);
        worst.map(|Ranked(worst)| worst.score)
    }

    /// The best documents, the very best first.
    pub(crate) fn into_sorted(self) -> Vec<ScoredDoc> {
        self.best.into_sorted_vec().into_iter().map(|Ranked(document)| document).collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let (Ranked(left), Ranked(right)) = (self, other);
        right.score.total_cmp(&left.score).then(left.doc.cmp(&right.doc))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_equal_the_front_of_everything_sorted() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..200 {
            let mut all: Vec<ScoredDoc> = (0..rng.u16(..60))
                .map(|offset| ScoredDoc {
                    doc: DocId::from_parts(rng.u32(..3), offset),
                    score: f32::from(rng.u8(..6)),
                })
                .collect();
            let k = rng.usize(..70);
            let mut top = TopK::new(k);
            for &document in &all {
                top.push(document);
            }
            all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.doc.cmp(&b.doc)));
            all.truncate(k);
            assert_eq!(top.into_sorted(), all);
        }
    }
}
