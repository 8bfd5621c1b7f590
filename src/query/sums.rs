//! Sums of bounds over the documents of a window, in 16-bit integers.
//!
//! Where many documents of a window may be among the best, bounds are not looked up one by one: kernels add them up for all of them
//! at once, in units that are as small as the threshold and what a document gets at most allow. Invariants: a sum is never below
//! the bounds that it stands for; one that reached its end stands for any. Between windows all sums are 0.
//! Cost: a fraction of a nanosecond a posting.

use super::bounds::Bounds;
use super::term_window::WINDOW;
use crate::fts::whole;
use crate::kernels::{Bitmap, Kernels, Sums};

/// The greatest threshold of sums: far below where they saturate.
const THRESHOLD_MAX: f64 = 32_000.0;
/// The greatest sum.
pub(super) const SUM_MAX: f64 = 65_535.0;
/// The greatest share of a sum, so that a line over impacts fits with all its rounding.
const SHARE_MAX: f64 = 65_000.0;
/// How many units of a sum a word may add to what its line says.
pub(super) const UNITS_SLACK: f64 = 4.0;

/// How many units of a sum are 1, for words with these bounds and documents that matter from `threshold` on.
pub(super) fn units<'b>(threshold: f64, bounds: impl Iterator<Item = &'b Bounds>) -> f64 {
    let units = THRESHOLD_MAX / threshold.max(f64::MIN_POSITIVE);
    // What a document gets from one list at most has to fit a sum.
    bounds.fold(units, |units, bounds| units.min(SHARE_MAX / bounds.full().max(f64::MIN_POSITIVE)))
}

/// The least sum that a score may stand behind.
pub(super) fn least_sum(score: f64, units: f64) -> u16 {
    whole((score * units).clamp(0.0, SUM_MAX))
}

/// The bound that a sum stands for; a sum that reached its end may stand for any.
pub(super) fn bound_of_sum(sum: u16, units: f64) -> f64 {
    if sum == u16::MAX { f64::INFINITY } else { f64::from(sum) / units }
}

/// Adds a bound to the sum of the document at `offset`.
pub(super) fn add(sums: &mut Sums, offset: u16, bound: f64, units: f64) {
    let sum = &mut sums[usize::from(offset % WINDOW)];
    *sum = sum.saturating_add(whole((bound * units).ceil().max(1.0)));
}

/// Adds the bounds of a word to the sums of all documents of a window that hold it, where these are, with the impact of each, or what it
/// gets.
pub(super) fn add_all(
    sums: &mut Sums,
    places: Result<&[u16], &Bitmap>,
    impacts: &[u8],
    scores: &[f32],
    bounds: &Bounds,
    units: f64,
) {
    let line = bounds.line(units);
    let fits = match places {
        Ok(offsets) if impacts.is_empty() => {
            for (&offset, &score) in offsets.iter().zip(scores) {
                add(sums, offset, bounds.of_score(score), units);
            }
            true
        }
        Ok(offsets) => Kernels::best().add_listed(sums, offsets, impacts, line),
        Err(bitmap) => Kernels::best().add_bitmap(sums, bitmap, impacts, line),
    };
    debug_assert!(fits, "invariant: a window has as many impacts as documents");
}
