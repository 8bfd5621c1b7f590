//! Whether a difference between two means may be chance: the paired randomisation test.
//!
//! Called by [`Comparison`](super::Comparison) with one difference per query. If the two rankings were equally good, each
//! difference could as well have had the other sign; the p value is the part of all choices of signs whose mean is at least as
//! far from 0 as the one that was found, on either side. No distribution is assumed. Up to thirteen queries that differ, all
//! choices are counted; beyond, [`ROUNDS`] are drawn, from a fixed seed, so that the same input has the same p value. Drawn
//! ones count the one that was found too, so p is never 0.
//!
//! Source: M. D. Smucker, J. Allan, B. Carterette, "A comparison of statistical significance tests for information retrieval
//! evaluation", CIKM 2007. Cost: rounds × differing queries additions.

/// Choices of signs that are drawn; more than this are never counted one by one.
const ROUNDS: u32 = 10_000;
/// Where the drawing starts.
const SEED: u64 = 0x0A11_0716_5EED;
/// Sums that differ by no more are equal: values have six places after the point.
const EQUAL: f64 = 1e-9;

/// The p value of a paired, two-sided randomisation test; 1 when nothing differs.
pub(super) fn p_value(differences: &[f64]) -> f64 {
    let differing: Vec<f64> = differences.iter().copied().filter(|d| d.abs() > EQUAL).collect();
    let found = differing.iter().sum::<f64>().abs() - EQUAL;
    match u32::try_from(differing.len()).ok().and_then(|len| 1_u32.checked_shl(len)) {
        Some(choices) if choices <= ROUNDS => {
            let signs = (0..choices).map(u64::from);
            let extreme = signs.filter(|signs| signed_sum(&differing, || *signs) >= found);
            share(extreme.count(), 0, choices)
        }
        _ => {
            let mut random = SplitMix(SEED);
            let extreme = (0..ROUNDS).filter(|_| signed_sum(&differing, || random.next()) >= found);
            share(extreme.count(), 1, ROUNDS)
        }
    }
}

fn share(extreme: usize, more: u32, of: u32) -> f64 {
    let extreme = u32::try_from(extreme).unwrap_or(of).min(of);
    f64::from(extreme + more) / f64::from(of + more)
}

/// The distance from 0 of the sum with signs from the bits that `signs` gives, sixty-four at a time.
fn signed_sum(differences: &[f64], mut signs: impl FnMut() -> u64) -> f64 {
    let mut sum = 0.0;
    for chunk in differences.chunks(64) {
        let mut signs = signs();
        for difference in chunk {
            sum += if signs & 1 == 0 { *difference } else { -difference };
            signs >>= 1;
        }
    }
    sum.abs()
}

/// Steele, Lea and Flood's generator: 64 bits of state, and every bit of what it gives is fit for use.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_p(differences: &[f64], expected: f64, tolerance: f64) {
        let p = p_value(differences);
        assert!((p - expected).abs() <= tolerance, "{p}, not {expected}");
    }

    #[test]
    fn few_differences_are_counted_exactly() {
        assert_p(&[], 1.0, 0.0);
        assert_p(&[0.0, 0.0], 1.0, 0.0);
        // Of the choices of signs only the one found and its mirror are as far from 0.
        assert_p(&[0.1], 1.0, 0.0);
        assert_p(&[0.1, 0.2, 0.0, 0.3], 0.25, 0.0);
        assert_p(&[0.5; 13], 2.0 / 8_192.0, 1e-15);
        assert_p(&[0.3, -0.1, 0.2], 0.5, 0.0);
        assert_p(&[0.2, -0.2], 1.0, 0.0);
    }

    /// `scipy.stats.permutation_test((d, 0 * d), …, permutation_type='samples', n_resamples=100_000)` of SciPy 1.17.
    #[test]
    fn many_differences_are_drawn_near_the_exact_value() {
        let differences = |shift: f64| -> Vec<f64> {
            let value = |n: u32| f64::from(n * n * 7 % 41) / 41.0 - 0.5 + shift;
            (0..60).map(value).collect()
        };
        for (shift, expected) in P_OF_SCIPY {
            assert_p(&differences(shift), expected, 0.01);
        }
    }

    const P_OF_SCIPY: [(f64, f64); 3] = [(0.02, 0.8886), (0.06, 0.1933), (0.1, 0.0161)];

    #[test]
    fn the_same_differences_have_the_same_p_value_and_never_zero() {
        let differences: Vec<f64> = (1..200).map(|n| f64::from(n) / 1_000.0).collect();
        assert_eq!(p_value(&differences).to_bits(), p_value(&differences).to_bits());
        assert_p(&differences, 1.0 / 10_001.0, 1e-15);
    }
}
