//! [`Reached`]: a score that as many documents reach as are wanted, found by counting what each is known to get at least.
//!
//! A search knows it before any document is looked at, from what lists tell of their impacts, and raises it as documents are put off. Scores
//! are told apart in steps, so that counting is all the work. Invariant: so many documents as are wanted were counted with at least
//! the [`threshold`](Reached::threshold), or it is the floor. Cost: a few instructions a count. Memory: 4 KiB.

use crate::fts::whole;

/// Steps between the floor and the most that a document gets.
const STEPS: usize = 1024;

/// Counts documents by what they get at least.
#[derive(Debug)]
pub(super) struct Reached {
    wanted: usize,
    floor: f64,
    step: f64,
    /// How many documents get at least so much, by steps above the floor.
    at_least: Box<[u32; STEPS]>,
    /// The highest step that so many documents reach as are wanted, and how many reach one above.
    highest: usize,
    above: usize,
}

impl Reached {
    /// Nothing is counted yet; so many documents as are `wanted` are known to get `floor` or more, or it is 0; none gets more than `most`.
    pub(super) fn new(wanted: usize, floor: f64, most: f64) -> Self {
        let steps = f64::from(u16::try_from(STEPS).unwrap_or(u16::MAX));
        let step = ((most - floor) / steps).max(f64::MIN_POSITIVE);
        Reached { wanted, floor, step, at_least: Box::new([0; STEPS]), highest: 0, above: 0 }
    }

    /// How many documents are wanted.
    pub(super) fn wanted(&self) -> usize {
        self.wanted
    }

    /// A score that so many documents reach as are wanted, or the floor.
    pub(super) fn threshold(&self) -> f64 {
        // A little less, so that no rounding of a product makes it too much.
        let above = f64::from(u16::try_from(self.highest).unwrap_or_default()) * self.step;
        self.floor + above * (1.0 - 1e-9)
    }

    /// Counts so many documents that get `least` or more.
    pub(super) fn count(&mut self, count: u32, least: f64) {
        let step = usize::from(whole((least - self.floor) / self.step)).min(STEPS - 1);
        // Those at the highest step raise nothing, so that no count outgrows its room.
        if step <= self.highest {
            return;
        }
        self.at_least[step] += count;
        self.above += count as usize;
        while self.highest + 1 < STEPS && self.above >= self.wanted {
            self.highest += 1;
            self.above -= self.at_least[self.highest] as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_highest_step_that_so_many_reach() {
        let mut rng = fastrand::Rng::with_seed(12);
        for _ in 0..300 {
            let (wanted, floor) = (rng.usize(1..60), f64::from(rng.u8(..20)) / 10.0);
            let mut reached = Reached::new(wanted, floor, floor + 5.0);
            let mut counted = Vec::new();
            for _ in 0..rng.usize(..60) {
                // Some beyond both ends.
                let (count, least) = (rng.u32(..4), floor - 0.5 + rng.f64() * 6.0);
                reached.count(count, least);
                counted.extend((0..count).map(|_| least));
                counted.sort_by(f64::total_cmp);
                let threshold = reached.threshold();
                let reaching = counted.iter().filter(|&&least| least >= threshold).count();
                assert!(threshold <= floor || reaching >= wanted, "{reaching} of {wanted}");
                // No more than a step below the best that can be said.
                let kth = counted.len().checked_sub(wanted).map(|place| counted[place]);
                let kth = kth.map(|kth| kth.min(floor + 4.99));
                assert!(
                    kth.is_none_or(|kth| threshold >= kth - 5.0 / 1000.0),
                    "{kth:?} {threshold}"
                );
            }
        }
    }
}
