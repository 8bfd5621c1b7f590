//! What a leaf adds to scores at most, as impacts tell: for documents, for windows, and in units of a sum.
//!
//! Each part of a posting list has its [`Bounds`], and so has a leaf in a window, where those of its terms hold together.
//! Invariant: a bound is never below the score that the same document gets, all rounding included. Cost: a multiplication, or
//! a division.

use crate::fts::{Drift, whole};
use crate::kernels::Line;

/// Bounds of what a leaf gives, by impact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    weight: f32,
    /// Bounds are larger by this factor, so that no rounding of a sum of scores exceeds them.
    rounding: f64,
    /// How shares of a score differ from what impacts say.
    drift: Drift,
    /// No document gets more, however often it holds the leaf.
    full: f64,
    /// A line over impacts that no score is above: where it begins, and by how much it rises with each.
    line: (f64, f64),
}

impl Bounds {
    /// For a leaf of this weight.
    pub(super) fn new(weight: f32, rounding: f64, drift: Drift) -> Self {
        let (full, slope) = (f64::from(weight) * rounding, drift.slope());
        let line = (full * (1.0 - slope), full * slope / f64::from(u8::MAX));
        Bounds { weight, rounding, drift, full, line }
    }

    /// The same, where shares differ so from what impacts say.
    pub(super) fn with_drift(&self, drift: Drift) -> Self {
        Bounds::new(self.weight, self.rounding, drift)
    }

    /// How shares of a score differ from what impacts say.
    pub(super) fn drift(&self) -> Drift {
        self.drift
    }

    /// What scores are multiplied by.
    pub(super) fn weight(&self) -> f32 {
        self.weight
    }

    /// No document gets more from the leaf, however often it occurs.
    pub(super) fn full(&self) -> f64 {
        self.full
    }

    /// What a document gets from the leaf is at most so much below its bound, where no positions decide.
    pub(super) fn slack(&self) -> f64 {
        self.full * (self.drift.slack() + 4.0 * (self.rounding - 1.0))
    }

    /// The bound of a document whose score is known.
    pub(super) fn of_score(&self, score: f32) -> f64 {
        f64::from(score) * self.rounding
    }

    /// No document with this impact gets more.
    pub(super) fn above(&self, impact: u8) -> f64 {
        self.full * self.drift.above(impact)
    }

    /// The line at this impact: [`above`](Self::above) or a little more, and faster.
    pub(super) fn on_line(&self, impact: u8) -> f64 {
        self.line.0 + self.line.1 * f64::from(impact)
    }

    /// No document with this impact gets less.
    pub(super) fn below(&self, impact: u8) -> f64 {
        f64::from(self.weight) / self.rounding * self.drift.below(impact)
    }

    /// What a document with this score gets at least, all rounding of a sum included.
    pub(super) fn least_of(&self, score: f32) -> f64 {
        f64::from(score) / self.rounding
    }

    /// The least impact, 0 to 256, with which a document may get so much.
    pub(super) fn impact_for(&self, score: f64) -> u16 {
        self.drift.impact_for(score / self.full.max(f64::MIN_POSITIVE))
    }

    /// An impact for a document whose score is known: [`above`](Self::above) and [`below`](Self::below) hold for it.
    pub(super) fn impact_of(&self, score: f32) -> u8 {
        let bound = self.of_score(score);
        let impact = u8::try_from(self.impact_for(bound)).unwrap_or(u8::MAX);
        // It may be too small by a rounding.
        if self.above(impact) < bound { impact.saturating_add(1) } else { impact }
    }

    /// A line over impacts that bounds what a document gets, in so many `units` for 1; [`full`](Self::full) of them are
    /// below [`u16::MAX`].
    pub(super) fn line(&self, units: f64) -> Line {
        // Kernels count 256ths, and what they round off is less than 1. Who occurs gets something, be the weight 0.
        let slope = (self.line.1 * units * 256.0).ceil();
        let base = ((self.line.0 * units).ceil() + 1.0).max(1.0);
        Line { slope: whole(slope), base: whole(base) }
    }
}
