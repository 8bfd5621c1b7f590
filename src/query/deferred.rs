//! Documents that may be among the best, put off until all windows were looked at.
//!
//! A document's bound says how much it gets at most, and bounds are close: less a *slack* they say how much it gets at
//! least. So a threshold rises without a single exact score, by counting; what is left at the end is little more than what a
//! search returns. The searcher uses it where bounds alone tell which documents match, that is, where no positions decide.
//!
//! The searcher scores at once who is among the best already by the least that it gets, which makes the threshold exact, and
//! puts off the others.
//!
//! Invariants: `k` documents have scores of at least [`threshold`](Deferred::threshold); every document whose bound was not
//! below the threshold of its time, and still is not, is given back. Cost: a few steps a document. Memory: 16 bytes a document, at
//! most [`FOUND_LEN_MAX`] of them and those of a window, and 4 KiB.

use super::reached::Reached;

/// Documents for which there is room from the beginning: enough for most searches.
const FOUND_LEN_MIN: usize = 128;
/// Documents that are put off at most before some have to be scored.
const FOUND_LEN_MAX: usize = 1 << 16;

/// A document that may be among the best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// Where it was found: its window's place in the order of evaluation.
    pub(super) window: u32,
    /// Which document it is there, as the searcher tells them apart.
    pub(super) offset: u16,
    /// What it gets at most.
    pub(super) bound: f64,
}

/// Collects documents for the best `k`.
#[derive(Debug)]
pub(super) struct Deferred {
    reached: Reached,
    found: Vec<Found>,
}

impl Deferred {
    /// `k` documents are known to have scores of `floor` or more, or it is 0; no score is above `most`.
    pub(super) fn new(k: usize, floor: f64, most: f64) -> Self {
        let (reached, found) = (Reached::new(k, floor, most), Vec::with_capacity(FOUND_LEN_MIN));
        Deferred { reached, found }
    }

    /// A score that `k` documents reach.
    pub(super) fn threshold(&self) -> f64 {
        self.reached.threshold()
    }

    /// Puts a document off that gets from `least` to `found.bound`.
    pub(super) fn push(&mut self, found: Found, least: f64) {
        self.found.push(found);
        self.count(least);
    }

    /// Counts a document that gets `least` or more and is not put off.
    pub(super) fn count(&mut self, least: f64) {
        self.reached.count(1, least);
    }

    /// Whether documents have to be [taken](Self::take) before there can be more.
    pub(super) fn is_full(&mut self) -> bool {
        if self.found.len() < FOUND_LEN_MAX {
            return false;
        }
        self.forget(self.threshold());
        self.found.len() >= FOUND_LEN_MAX / 2
    }

    /// The documents that may be among the best, by window and offset.
    pub(super) fn take(&mut self, threshold: f64) -> Vec<Found> {
        self.forget(threshold);
        std::mem::take(&mut self.found)
    }

    fn forget(&mut self, threshold: f64) {
        self.found.retain(|found| found.bound >= threshold);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_one_that_k_documents_reach_and_nobody_above_it_is_lost() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..300 {
            let (k, floor) = (rng.usize(1..40), f64::from(rng.u8(..20)) / 10.0);
            let mut deferred = Deferred::new(k, floor, floor + 5.0);
            let (mut least, mut bounds) = (Vec::new(), Vec::new());
            for window in 0..rng.u32(..30) {
                for offset in 0..rng.u16(..20) {
                    // Some beyond both ends.
                    let score = floor - 0.5 + rng.f64() * 6.0;
                    let bound = score + rng.f64() * 0.1;
                    if bound < deferred.threshold() {
                        continue;
                    }
                    deferred.push(Found { window, offset, bound }, score);
                    least.push(score);
                    bounds.push(Found { window, offset, bound });
                }
            }
            least.sort_by(f64::total_cmp);
            let threshold = deferred.threshold();
            let reaching = least.iter().filter(|&&score| score >= threshold).count();
            assert!(threshold <= floor || reaching >= k, "{reaching} of {k} at {threshold}");
            // No more than a step below the best that can be said.
            let kth = least.len().checked_sub(k).map(|place| least[place].min(floor + 4.99));
            assert!(kth.is_none_or(|kth| threshold >= kth - 5.0 / 1000.0), "{kth:?} {threshold}");
            bounds.retain(|found| found.bound >= threshold);
            assert_eq!(deferred.take(threshold), bounds);
            assert!(deferred.take(0.0).is_empty());
        }
    }

    #[test]
    fn documents_that_all_reach_the_same_fill_it() {
        let mut deferred = Deferred::new(3, 0.0, 1.0);
        for offset in 0..u16::MAX {
            deferred.push(Found { window: 0, offset, bound: 0.5 }, 0.4);
            assert!(!deferred.is_full());
        }
        for offset in 0..2 {
            deferred.push(Found { window: 1, offset, bound: 0.2 }, 0.1);
        }
        assert!(deferred.is_full());
        assert_eq!(deferred.take(0.3).len(), usize::from(u16::MAX));
        assert!(!deferred.is_full());
    }
}
