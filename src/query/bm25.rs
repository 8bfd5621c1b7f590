//! BM25: the one definition of a document's score, and the arithmetic that makes it the same number everywhere.
//!
//! The searcher asks here for a clause's weight ([`clause_weight`]) and for a field's table ([`Norms`]), and then
//! for one number a posting ([`Norms::score`]). Nothing here knows documents or an index. Invariants: scores are finite
//! or infinite but never NaN, and never below 0; a score depends on the numbers passed in alone. Cost: a look-up, a
//! division and a multiplication a posting.
//!
#![doc = include_str!("../../docs/scoring.md")]

use std::sync::LazyLock;

use super::ast::Weight;
use super::error::{Error, Result};
use crate::fts::{Averages, Drift, length_code};

/// The two parameters of BM25.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    k1: f32,
    b: f32,
}

/// What a posting's frequency is weighed against, by the length code of its document.
#[derive(Debug, Clone)]
pub(crate) struct Norms {
    /// Apart, so that tables move cheaply.
    by_code: Box<[f32; 256]>,
    average: f32,
    parameters: Parameters,
    /// What a frequency is multiplied by, where several fields score as one.
    factor: f32,
}

impl Parameters {
    /// How much repetition of a term counts.
    pub fn k1(self) -> f32 {
        self.k1
    }

    /// How much the length of a text counts.
    pub fn b(self) -> f32 {
        self.b
    }

    /// The parameters `k1` (how slowly repetition saturates) and `b` (how much length counts).
    ///
    /// # Errors
    /// [`Error::InvalidParameters`] unless `k1` is finite and at least 0, and `b` lies from 0 to 1.
    pub fn new(k1: f32, b: f32) -> Result<Self> {
        if k1.is_finite() && k1 >= 0.0 && (0.0..=1.0).contains(&b) {
            Ok(Parameters { k1, b })
        } else {
            Err(Error::InvalidParameters { k1, b })
        }
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters { k1: 1.2, b: 0.75 }
    }
}

/// Rarity of a term that `df` of `documents` documents hold; above 0. `df` is at most `documents`.
pub(crate) fn idf(documents: u64, df: u64) -> f64 {
    let (documents, df) = (exact(documents), exact(df));
    (1.0 + (documents - df + 0.5) / (df + 0.5)).ln()
}

/// What a clause's saturated frequency is multiplied by: `weight` times `idf`, rounded here and nowhere else.
pub(crate) fn clause_weight(idf: f64, weight: f64) -> f32 {
    // Weights are the user's: without the bound, infinity times 0 would be no number.
    rounded(weight * idf).min(f32::MAX)
}

/// Boosts count in steps of one such part of 1: sums of them are exact, in whatever order they are added.
const BOOST_PARTS: f64 = 1_048_576.0;

/// The boost, from 0 to [`Weight::MAX`], that is nearest to this one.
pub(crate) fn boost_of(boost: f64) -> f64 {
    (boost.min(Weight::MAX.into()) * BOOST_PARTS).round() / BOOST_PARTS
}

/// A sum of so many scores, each rounded and added as the definition says, exceeds the true one by less than this factor.
///
/// Each of them is rounded a few times on its way, by at most 2^-24 of itself, and once when it is added, by at most 2^-24 of
/// the sum so far; twice that is on the safe side.
pub(crate) fn rounding(scores: usize) -> f64 {
    let roundings = f64::from(u32::try_from(scores).unwrap_or(u32::MAX)) + 8.0;
    1.0 + roundings / 8_388_608.0
}

/// The score of a clause across fields, of a frequency that was added up over them.
pub(crate) fn score_across(weight: f32, frequency: f64, parameters: Parameters) -> f32 {
    if frequency > 0.0 {
        weight * rounded(frequency / (f64::from(parameters.k1) + frequency))
    } else {
        0.0
    }
}

/// The score of alternatives that have these: the highest, and `tie_breaker` times the sum of the others, which are added from the highest on.
pub(crate) fn best_of(scores: &mut [f32], tie_breaker: f32) -> f32 {
    scores.sort_unstable_by(|left, right| right.total_cmp(left));
    let Some((best, others)) = scores.split_first() else { return 0.0 };
    // Infinity times 0 would be no number.
    let rest = others.iter().fold(0.0, |sum, score| sum + score);
    if tie_breaker > 0.0 { best + tie_breaker * rest } else { *best }
}

/// What length codes stand for.
static LENGTHS: LazyLock<[f32; 256]> = LazyLock::new(|| length_code::DECODED.map(single));

impl Norms {
    /// The table of what scores its whole weight wherever it occurs.
    pub(crate) fn constant() -> Self {
        let (by_code, parameters) = (Box::new([0.0; 256]), Parameters::default());
        Norms { by_code, average: 0.0, parameters, factor: 1.0 }
    }

    /// The table of a field in which `documents` documents have `total_length` tokens.
    pub(crate) fn new(parameters: Parameters, documents: u64, total_length: u64) -> Self {
        let Parameters { k1, b } = parameters;
        let average = rounded(exact(total_length) / exact(documents.max(1)));
        let norm = |length| k1 * ((1.0 - b) + b * (length / average));
        // Without a token there is no posting to score, and nothing to divide by.
        let average_is_zero = total_length == 0;
        let by_code = LENGTHS.map(|length| if average_is_zero { k1 } else { norm(length) });
        Norms { by_code: Box::new(by_code), average, parameters, factor: 1.0 }
    }

    /// The same of a field that scores as one with others, and in which an occurrence counts `factor` times. By itself it scores as in
    /// a search for it alone.
    pub(crate) fn times(mut self, factor: f32) -> Self {
        self.factor = factor;
        for norm in self.by_code.iter_mut() {
            // Beyond the greatest number scores would be nothing, and bounds below them.
            *norm = (*norm / factor).min(f32::MAX);
        }
        self
    }

    /// Tokens of the field in a document that has some, on average.
    pub(crate) fn average(&self) -> f32 {
        self.average
    }

    /// What the frequency in a document with this length code is weighed against.
    pub(crate) fn norm(&self, length_code: u8) -> f32 {
        self.by_code[usize::from(length_code)]
    }

    /// What an occurrence in a document with this length code counts, where several fields score as one.
    pub(crate) fn length_factor(&self, length_code: u8) -> f32 {
        let b = self.parameters.b;
        if self.average > 0.0 {
            (1.0 - b) + b * (LENGTHS[usize::from(length_code)] / self.average)
        } else {
            1.0
        }
    }

    /// The frequency as it is added up over fields that score as one.
    pub(crate) fn weighted(&self, frequency: u32, length_code: u8) -> f64 {
        let frequency = f64::from(self.factor) * f64::from(frequency);
        // Only fields of no length have nothing to divide by, and those have no term.
        frequency / f64::from(self.length_factor(length_code).max(f32::MIN_POSITIVE))
    }

    /// The parameters.
    pub(crate) fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// How scores by these norms differ from what impacts say that assume `averages`.
    pub(crate) fn drift(&self, averages: Averages) -> Drift {
        averages.drift(&self.by_code)
    }

    /// Score of a clause that occurs `frequency` times, at least once, in a document with this length code.
    pub(crate) fn score(&self, weight: f32, frequency: u32, length_code: u8) -> f32 {
        let frequency = single(frequency);
        weight * (frequency / (frequency + self.norm(length_code)))
    }
}

/// The nearest f32; of two equally near ones the even one.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding to f32 is what the definition asks for"
)]
pub(crate) fn rounded(value: f64) -> f32 {
    value as f32
}

/// The nearest f64: exact below 2^53, rounded once above.
pub(super) fn exact(number: u64) -> f64 {
    let [low, high] = [number & u64::from(u32::MAX), number >> 32];
    let half = |half: u64| f64::from(u32::try_from(half).unwrap_or(u32::MAX));
    half(high) * 4_294_967_296.0 + half(low)
}

/// The nearest f32: exact up to 2^24, rounded once above.
fn single(number: u32) -> f32 {
    rounded(f64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_true_numbers() {
        let page = include_str!("../../docs/scoring.md");
        let weight = clause_weight(idf(1000, 10), 1.0);
        let norms = Norms::new(Parameters::default(), 1000, 120_000);
        let score = norms.score(weight, 3, length_code::encode(97));
        for shown in [
            format!("w     = {weight:?}"),
            format!("norm  = {:?}", norms.by_code[usize::from(length_code::encode(97))]),
            format!("score = {score:?}"),
        ] {
            assert!(page.contains(&shown), "{shown}");
        }
    }

    #[test]
    fn sums_of_rounded_scores_stay_within_their_factor() {
        // Each addition rounds up by almost half of the last place of the sum.
        let score = f32::MIN_POSITIVE.max(1.000_1 / 16_777_216.0);
        for scores in [1, 10, 5_000, 1_000_000] {
            let (mut sum, mut exact) = (1.0_f32, 1.0_f64);
            for _ in 0..scores {
                sum += score;
                exact += f64::from(score);
            }
            assert!(f64::from(sum) <= exact * rounding(scores + 1), "{scores}: {sum} {exact}");
            assert!(scores < 5_000 || f64::from(sum) > exact * rounding(scores / 4), "{scores}");
        }
    }

    #[test]
    fn parameters_outside_their_ranges_are_refused() {
        for (k1, b) in [(0.0, 0.0), (1.2, 0.75), (f32::MAX, 1.0)] {
            assert!(Parameters::new(k1, b).is_ok());
        }
        for (k1, b) in [
            (-0.1, 0.5),
            (f32::NAN, 0.5),
            (f32::INFINITY, 0.5),
            (1.2, f32::NAN),
            (1.2, -0.1),
            (1.2, 1.1),
        ] {
            let error = Parameters::new(k1, b).unwrap_err();
            assert!(error.to_string().contains("usually 1.2 and 0.75"), "{error}");
        }
    }

    #[test]
    fn scores_are_never_below_zero_and_never_no_number() {
        let extremes = [0.0, f32::MIN_POSITIVE, 1.2, f32::MAX];
        for k1 in extremes {
            for b in [0.0, 0.75, 1.0] {
                let parameters = Parameters::new(k1, b).unwrap();
                for (documents, total) in [(0, 0), (1, 1), (u64::MAX, u64::MAX), (1, u64::MAX)] {
                    let norms = Norms::new(parameters, documents, total);
                    for weight in [f64::MIN_POSITIVE, 1.0, f64::from(f32::MAX)] {
                        let weight = clause_weight(idf(documents, documents.min(3)), weight);
                        for frequency in [1, 7, u32::MAX] {
                            for code in [0, 1, 40, 255] {
                                assert!(norms.score(weight, frequency, code) >= 0.0);
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_become_floats_with_one_rounding() {
        for number in [0, 1, 0xFFFF_FFFF, 1 << 32, (1 << 53) - 1, (1 << 53) + 3, u64::MAX] {
            let decimal: f64 = number.to_string().parse().unwrap();
            assert_eq!(exact(number).to_bits(), decimal.to_bits());
        }
        for number in [0, 1, (1 << 24) + 1, (1 << 24) + 3, u32::MAX] {
            let decimal: f32 = number.to_string().parse().unwrap();
            assert_eq!(single(number).to_bits(), decimal.to_bits());
        }
    }
}
