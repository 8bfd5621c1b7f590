//! Impacts: one byte a posting that says how much it can add to a score, before anything is known about the query.
//!
//! A posting of frequency `tf` in a document of length `L` adds `w · s` to a score, where `s = tf / (tf + norm(L))` lies below
//! 1 and only `w` depends on the query. The impact is `s` in 255ths, rounded up, for the parameters that most searches have
//! (k1 = 1.2, b = 0.75) and the average length that was known when the posting was written. Builders of posting lists write
//! it; searches sort out by it what cannot be among the best, and compute exact scores of the rest from frequencies and lengths.
//!
//! Invariant: `s ≤ impact / 255` and `s ≥ (impact − 1) / 255` for the average that the impact names. For others
//! [`Averages::drift`] says how the two bounds move. Cost: a division an impact.
//!
//! With another average or other parameters the norm is another one, by a factor `r`, and `s` becomes `s / (s + r (1 − s))`:
//! little of a share near 1 is lost or won. What impacts say stays of use even where norms are far apart.

use super::length_code;

/// Parameters of BM25 that impacts are computed for.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What an impact of 1 stands for is one of so many parts.
const PARTS: f64 = 255.0;

/// How far a norm may be off that a search has rounded to 32 bits, as a part of itself.
const ROUNDING: f64 = 1e-6;

/// Computes impacts for one average length.
#[derive(Debug, Clone)]
pub struct ImpactScale {
    average: f32,
    /// `norm` by length code.
    norms: Box<[f64; 256]>,
}

/// The average lengths that the impacts of a posting list assume: parts of it may have been written at different times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Averages {
    /// For this one all impacts are bounds from above.
    pub least: f32,
    /// For this one all impacts are bounds from below.
    pub greatest: f32,
}

/// How shares of a score as a search computes them differ from those that impacts bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The least and the greatest factor between norms there and here.
    least: f64,
    greatest: f64,
}

impl ImpactScale {
    /// The scale for documents that have `average` tokens on average.
    pub fn new(average: f32) -> Self {
        let average = if average.is_finite() { average.max(1.0) } else { 1.0 };
        let norms =
            std::array::from_fn(|code| norm(average, u8::try_from(code).unwrap_or(u8::MAX)));
        ImpactScale { average, norms: Box::new(norms) }
    }

    /// The scale for documents that have `total_length` tokens together.
    pub fn of_documents(documents: u64, total_length: u64) -> Self {
        // In 256ths: any number near the average is as good.
        let documents = documents.max(1);
        let part = |number: u64| f32::from(u16::try_from(number).unwrap_or(u16::MAX));
        let average = part(total_length / documents)
            + part((total_length % documents).saturating_mul(256) / documents) / 256.0;
        Self::new(average)
    }

    /// The average length.
    pub fn average(&self) -> f32 {
        self.average
    }

    /// The impact of `frequency` occurrences in a document with this length code; at least 1.
    pub fn impact(&self, frequency: u32, length_code: u8) -> u8 {
        let frequency = f64::from(frequency.max(1));
        let share = frequency / (frequency + self.norms[usize::from(length_code)]);
        u8::try_from(whole((share * PARTS).ceil())).unwrap_or(u8::MAX).max(1)
    }
}

impl Averages {
    /// One average.
    pub fn of(average: f32) -> Self {
        Averages { least: average, greatest: average }
    }

    /// What holds for the impacts of both.
    pub fn and(self, other: Self) -> Self {
        Averages { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }

    /// How shares by the norms `norms` (by length code) of a search differ from those that impacts bound.
    ///
    /// Norms are a straight line over lengths, here and there, so that their ratio has no extreme but at the two ends.
    pub fn drift(self, norms: &[f32; 256]) -> Drift {
        let ratios = |average: f32| {
            [1, u8::MAX].map(|code| f64::from(norms[usize::from(code)]) / norm(average, code))
        };
        let [first, last] = ratios(self.least);
        let least = first.min(last) * (1.0 - ROUNDING);
        let [first, last] = ratios(self.greatest);
        let greatest = first.max(last) * (1.0 + ROUNDING);
        Drift { least, greatest }
    }
}

impl Drift {
    /// Nothing differs.
    pub const NONE: Drift = Drift { least: 1.0, greatest: 1.0 };

    /// What holds where this or the other does.
    pub fn and(self, other: Self) -> Self {
        Drift { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }

    /// No share of a posting with this impact is above.
    pub fn above(self, impact: u8) -> f64 {
        drifted(f64::from(impact) / PARTS, self.least)
    }

    /// No share of a posting with this impact is below.
    pub fn below(self, impact: u8) -> f64 {
        drifted((f64::from(impact) - 1.0) / PARTS, self.greatest)
    }

    /// The slope of a straight line that `above` lies below: `1 - slope · (1 - impact / 255)`.
    pub fn slope(self) -> f64 {
        self.least.min(1.0)
    }

    /// How far the line is above [`below`](Self::below) at most.
    pub fn slack(self) -> f64 {
        // The second bound moves the furthest from a share in the middle, where a norm of 1 becomes one of the root.
        let root = self.greatest.max(1.0).sqrt();
        let moved = if root.is_finite() { (root - 1.0) / (root + 1.0) } else { 1.0 };
        (1.0 - self.slope()) + 1.0 / PARTS + moved
    }

    /// The least impact, 0 to 256, of which `above` may be `share` or more.
    pub fn impact_for(self, share: f64) -> u16 {
        if share > 1.0 {
            return 256;
        }
        // The inverse, of a little less, so that no rounding makes it too much.
        let share = share.max(0.0) * (1.0 - 1e-9);
        let impact = drifted(share, 1.0 / self.least.max(f64::MIN_POSITIVE)) * PARTS;
        whole((impact * (1.0 - 1e-9)).ceil())
    }
}

/// What becomes of a share when its norm grows by `factor`.
fn drifted(share: f64, factor: f64) -> f64 {
    // The norm of a share of 1 is 0 and stays so, and a share of 0 is one of an endless norm.
    if share <= 0.0 || share >= 1.0 {
        return share.clamp(0.0, 1.0);
    }
    share / (share + factor * (1.0 - share))
}

/// What a frequency is weighed against in a document with this length code, where lengths are `average` on average.
fn norm(average: f32, code: u8) -> f64 {
    let length = f64::from(length_code::DECODED[usize::from(code)]);
    K1 * ((1.0 - B) + B * (length / f64::from(average)))
}

/// The number without its fraction; 0 for what is below, 65,535 for what is above.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast does just that, and there is no other way to it"
)]
pub(crate) fn whole(number: f64) -> u16 {
    number as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norms(k1: f32, b: f32, average: f32) -> [f32; 256] {
        let length = |code: usize| {
            let [a, b, c, d] = length_code::DECODED[code].to_le_bytes();
            let half = |bytes| f32::from(u16::from_le_bytes(bytes));
            half([c, d]) * 65_536.0 + half([a, b])
        };
        std::array::from_fn(|code| k1 * ((1.0 - b) + b * (length(code) / average)))
    }

    #[test]
    fn impacts_bound_shares_from_both_sides_whatever_the_parameters() {
        let mut rng = fastrand::Rng::with_seed(3);
        for (k1, b) in [(1.2, 0.75), (0.9, 0.4), (2.0, 1.0), (0.0, 0.0), (1.2, 0.0)] {
            for average in [1.0, 7.5, 140.0, 9000.0] {
                let other = average * (1.0 + rng.f32());
                let averages = Averages::of(other).and(Averages::of(average));
                let scale = ImpactScale::new(if rng.bool() { average } else { other });
                for factor in [0.2, 0.9, 1.0, 1.3, 6.0] {
                    let norms = norms(k1, b, average * factor);
                    let drift = averages.drift(&norms);
                    for _ in 0..2000 {
                        let frequency = if rng.bool() { rng.u32(1..20) } else { rng.u32(1..) };
                        let code = rng.u8(1..);
                        let tf = f64::from(frequency);
                        let share = tf / (tf + f64::from(norms[usize::from(code)]));
                        let impact = scale.impact(frequency, code);
                        let (above, below) = (drift.above(impact), drift.below(impact));
                        assert!(share <= above * (1.0 + 1e-12), "{share} {above}");
                        assert!(share >= below * (1.0 - 1e-12), "{share} {below}");
                        let line = 1.0 - drift.slope() * (1.0 - f64::from(impact) / PARTS);
                        assert!(above <= line * (1.0 + 1e-12), "{above} {line}");
                        assert!(line - below <= drift.slack() + 1e-12, "{line} {below}");
                        assert!(u16::from(impact) >= drift.impact_for(share));
                    }
                }
            }
        }
    }

    #[test]
    fn without_drift_the_bounds_are_those_of_the_rounding() {
        let drift = Averages::of(140.0).drift(&norms(1.2, 0.75, 140.0));
        for impact in 1..=255 {
            let share = f64::from(impact) / PARTS;
            assert!((drift.above(impact) - share).abs() < 1e-5, "{drift:?}");
            assert!((drift.below(impact) - (share - 1.0 / PARTS)).abs() < 1e-5, "{drift:?}");
            assert!((drift.impact_for(share + 1e-4)).abs_diff(u16::from(impact) + 1) <= 1);
            assert!((drift.impact_for(share - 1e-4)).abs_diff(u16::from(impact)) == 0);
        }
        assert_eq!((drift.impact_for(0.0), drift.impact_for(1.01)), (0, 256));
    }

    #[test]
    fn averages_that_are_none_count_as_one() {
        for average in [f32::NAN, f32::INFINITY, -3.0, 0.0] {
            assert!(ImpactScale::new(average).average() >= 1.0);
        }
    }
}
