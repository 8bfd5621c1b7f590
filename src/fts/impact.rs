//! Impacts: one byte a posting that says how much it can add to a score, before anything is known about the query.
//!
//! A posting of frequency `tf` in a document of length `L` adds `w · s` to a score, where `s = tf / (tf + norm(L))` lies below
//! 1 and only `w` depends on the query. The impact is `s` in 255ths, rounded up, for the parameters that most searches have
//! (k1 = 1.2, b = 0.75) and the average length that was known when the posting was written. Builders of posting lists write
//! it; searches sort out by it what cannot be among the best, and compute exact scores of the rest from frequencies and lengths.
//!
//! Invariant: `s ≤ impact / 255` and `s ≥ (impact − 1) / 255` for the average that the impact names. For others
//! [`Averages::drift`] says by how much the two bounds move. Cost: a division an impact.

use super::length_code;

/// Parameters of BM25 that impacts are computed for.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// What an impact of 1 stands for is one of so many parts.
const PARTS: f64 = 255.0;

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

/// Factors between shares of a score as impacts bound them and shares as a search computes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// `share ≤ above · impact / 255`.
    pub above: f64,
    /// `share ≥ below · (impact − 1) / 255`.
    pub below: f64,
}

impl ImpactScale {
    /// The scale for documents that have `average` tokens on average.
    pub fn new(average: f32) -> Self {
        let average = if average.is_finite() { average.max(1.0) } else { 1.0 };
        let length = |code: usize| f64::from(length_code::DECODED[code]) / f64::from(average);
        let norms = std::array::from_fn(|code| K1 * ((1.0 - B) + B * length(code)));
        ImpactScale { average, norms: Box::new(norms) }
    }

    /// The scale for documents that have `total_length` tokens together.
    pub fn of_documents(documents: usize, total_length: u64) -> Self {
        // In 256ths: any number near the average is as good.
        let documents = (documents as u64).max(1);
        let part = |number: u64| f32::from(u16::try_from(number).unwrap_or(u16::MAX));
        let average = part(total_length / documents)
            + part(total_length % documents * 256 / documents) / 256.0;
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
    /// With `n` a norm here and `m` the same one there, shares differ by `(tf + n) / (tf + m)`, which is the furthest from 1
    /// where `tf` is 1.
    pub fn drift(self, norms: &[f32; 256]) -> Drift {
        let ratios = |average: f32| {
            let here = ImpactScale::new(average);
            let ratio = |(here, there): (&f64, &f32)| (1.0 + here) / (1.0 + f64::from(*there));
            let ratios: Vec<f64> = here.norms.iter().zip(norms).skip(1).map(ratio).collect();
            ratios
        };
        Drift {
            above: ratios(self.least).into_iter().fold(1.0, f64::max),
            below: ratios(self.greatest).into_iter().fold(1.0, f64::min),
        }
    }
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
                        let impact = f64::from(scale.impact(frequency, code));
                        assert!(share <= drift.above * impact / PARTS * (1.0 + 1e-12));
                        assert!(share >= drift.below * (impact - 1.0) / PARTS * (1.0 - 1e-12));
                    }
                }
            }
        }
    }

    #[test]
    fn without_drift_the_bounds_are_those_of_the_rounding() {
        let drift = Averages::of(140.0).drift(&norms(1.2, 0.75, 140.0));
        assert!((drift.above - 1.0).abs() < 1e-6 && (drift.below - 1.0).abs() < 1e-6, "{drift:?}");
    }

    #[test]
    fn averages_that_are_none_count_as_one() {
        for average in [f32::NAN, f32::INFINITY, -3.0, 0.0] {
            assert!(ImpactScale::new(average).average() >= 1.0);
        }
    }
}
