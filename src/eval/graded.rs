//! The measures themselves, by the definitions of `trec_eval`, and of `gdeval` for ERR.
//!
//! A [`Graded`] ranking is made per query by [`evaluate`](super::evaluate), and asked for the value of each [`Measure`]. With grades `g`, a document at rank `i` (from 1), `R` documents judged relevant (`g ≥ 1`) and `N` judged not
//! relevant (`g = 0`):
//!
//! ```text
//! MAP        sum over relevant documents found of (relevant up to i) / i, divided by R
//! P@k        relevant among the first k, divided by k, however many were found
//! recall@k   relevant among the first k, divided by R
//! MRR        1 / rank of the first relevant document, 0 if none was found
//! DCG@k      sum over the first k of max(g, 0) / log2(i + 1)
//! nDCG@k     DCG@k of the ranking / DCG@k of the best order of all judged documents
//! bpref      sum over relevant documents found of 1 - min(n, R) / min(N, R), divided by R,
//!            where n documents before it are judged not relevant; 1 while there is none
//! ERR@k      sum over the first k of r / i times the product of 1 - r of all before it,
//!            where r = (2^g - 1) / 16
//! ```
//! Those that look at the whole ranking (MAP, MRR, bpref, and nDCG and ERR without `@k`) compare runs of the same depth; 1,000
//! is usual. What nobody judged counts as not relevant, save for bpref, which passes over it and is therefore fit for young
//! judgements. A grade below 0 is, to bpref, no judgement. ERR is made for grades 0 to 4: higher ones count as 4, and with few
//! grades, 0 and 1 say, it never comes near 1.
//!
//! Invariants: every value is finite and in 0..=1. Cost: a look-up per ranked document, one sort of the judged grades, and a
//! walk over the ranking per measure.

use super::judgements::{Grades, RELEVANT_GRADE_MIN};
use super::measure::Measure;

/// The grade from which on ERR sees no difference, as in `gdeval`.
const ERR_GRADE_MAX: i32 = 4;

/// A ranking as measures see it: a grade per rank, and what the judgements say of the whole.
pub(super) struct Graded {
    /// Best document first; `None` where nobody judged.
    grades: Vec<Option<i32>>,
    /// Grades of all relevant documents, found or not, the highest first.
    ideal: Vec<i32>,
    /// Their number as the divisor that it is, at least 1.
    relevant: f64,
    /// Documents judged not relevant, found or not.
    not_relevant: f64,
}

impl Graded {
    /// `None` when nothing is relevant to the query.
    pub(super) fn new<'a>(
        ranking: impl IntoIterator<Item = &'a str>,
        judged: &Grades,
    ) -> Option<Self> {
        let mut ideal: Vec<i32> =
            judged.values().copied().filter(|grade| is_relevant(*grade)).collect();
        ideal.sort_unstable_by(|left, right| right.cmp(left));
        let relevant = count(ideal.len());
        let not_relevant =
            count(judged.values().filter(|grade| is_judged_against(**grade)).count());
        let grades = ranking.into_iter().map(|document| judged.get(document).copied()).collect();
        (!ideal.is_empty()).then_some(Self { grades, ideal, relevant, not_relevant })
    }

    /// The value of one measure.
    pub(super) fn value(&self, measure: Measure) -> f64 {
        let value = match measure {
            Measure::Map => self.average_precision(),
            Measure::Ndcg(ranks) => self.ndcg(ranks_of(ranks)),
            Measure::Precision(0) => 0.0,
            Measure::Precision(ranks) => self.found_in(ranks) / f64::from(ranks),
            Measure::Recall(ranks) => self.found_in(ranks) / self.relevant,
            Measure::Mrr => self.reciprocal_rank(),
            Measure::Bpref => self.bpref(),
            Measure::ExpectedReciprocalRank(ranks) => {
                self.expected_reciprocal_rank(ranks_of(ranks))
            }
        };
        // A sum of nothing is -0.0; adding 0.0 takes its sign.
        value + 0.0
    }

    /// Rank and grade of the relevant documents among the first `ranks`.
    fn hits(&self, ranks: u32) -> impl Iterator<Item = (u32, i32)> {
        let ranked = (1..=ranks).zip(&self.grades);
        ranked.filter_map(|(rank, grade)| Some((rank, (*grade)?))).filter(|(_, g)| is_relevant(*g))
    }

    fn found_in(&self, ranks: u32) -> f64 {
        count(self.hits(ranks).count())
    }

    fn average_precision(&self) -> f64 {
        let found = (1_u32..).zip(self.hits(u32::MAX));
        let sum: f64 = found.map(|(found, (rank, _))| f64::from(found) / f64::from(rank)).sum();
        sum / self.relevant
    }

    fn reciprocal_rank(&self) -> f64 {
        self.hits(u32::MAX).next().map_or(0.0, |(rank, _)| 1.0 / f64::from(rank))
    }

    fn ndcg(&self, ranks: u32) -> f64 {
        let dcg: f64 = self.hits(ranks).map(|(rank, grade)| discounted(grade, rank)).sum();
        let best = (1..=ranks).zip(&self.ideal);
        let ideal: f64 = best.map(|(rank, grade)| discounted(*grade, rank)).sum();
        if ideal > 0.0 { dcg / ideal } else { 0.0 }
    }

    fn bpref(&self) -> f64 {
        let bound = self.not_relevant.min(self.relevant);
        let mut before = 0.0_f64;
        let mut sum = 0.0;
        for grade in self.grades.iter().copied().flatten() {
            if is_relevant(grade) {
                sum += if before > 0.0 { 1.0 - before.min(self.relevant) / bound } else { 1.0 };
            } else if is_judged_against(grade) {
                before += 1.0;
            }
        }
        sum / self.relevant
    }

    fn expected_reciprocal_rank(&self, ranks: u32) -> f64 {
        let mut sum = 0.0;
        let mut still_looking = 1.0;
        for (rank, grade) in self.hits(ranks) {
            let satisfied =
                (2.0_f64.powi(grade.min(ERR_GRADE_MAX)) - 1.0) / 2.0_f64.powi(ERR_GRADE_MAX);
            sum += still_looking * satisfied / f64::from(rank);
            still_looking *= 1.0 - satisfied;
        }
        sum
    }
}

fn ranks_of(ranks: Option<u32>) -> u32 {
    ranks.unwrap_or(u32::MAX)
}

fn is_relevant(grade: i32) -> bool {
    grade >= RELEVANT_GRADE_MIN
}

fn is_judged_against(grade: i32) -> bool {
    (0..RELEVANT_GRADE_MIN).contains(&grade)
}

/// The gain of a relevant document at a rank counted from 1.
fn discounted(grade: i32, rank: u32) -> f64 {
    f64::from(grade) / (f64::from(rank) + 1.0).log2()
}

/// A number of documents as a divisor; no ranking has more than 2^32.
pub(super) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(of: &[(&str, i32)]) -> Grades {
        of.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect()
    }

    #[track_caller]
    fn assert_values(ranking: &[&str], judged: &Grades, expected: &[(&str, f64)]) {
        let ranking = Graded::new(ranking.iter().copied(), judged).unwrap();
        for (name, expected) in expected {
            let found = ranking.value(name.parse().unwrap());
            assert!((found - expected).abs() < 1e-15, "{name} is {found}, not {expected}");
        }
    }

    #[test]
    fn a_perfect_ranking_scores_one_and_precision_still_divides_by_its_ranks() {
        let judged = grades(&[("a", 3), ("b", 1), ("c", 0)]);
        let ones = ["nDCG", "nDCG@1", "nDCG@10", "MAP", "recall@100", "MRR", "bpref"];
        assert_values(&["a", "b", "c"], &judged, &ones.map(|name| (name, 1.0)));
        assert_values(&["a", "b", "c"], &judged, &[("P@10", 0.2), ("P@1", 1.0), ("recall@1", 0.5)]);
    }

    #[test]
    fn the_ideal_order_knows_judged_documents_that_were_not_found() {
        let judged = grades(&[("a", 1), ("missed", 3)]);
        assert_values(&["a"], &judged, &[("nDCG@10", 1.0 / (3.0 + 1.0 / 3.0_f64.log2()))]);
    }

    #[test]
    fn bpref_passes_over_what_nobody_judged() {
        let judged = grades(&[("a", 1), ("b", 2), ("x", 0), ("y", 0), ("z", 0), ("n", -1)]);
        assert_values(&["?", "n", "a", "?", "b"], &judged, &[("bpref", 1.0)]);
        assert_values(&["a", "x", "b"], &judged, &[("bpref", 0.75)]);
        assert_values(&["x", "y", "z", "a", "b"], &judged, &[("bpref", 0.0)]);
        assert_values(&["?", "a"], &grades(&[("a", 1)]), &[("bpref", 1.0)]);
    }

    #[test]
    fn err_stops_looking_where_a_document_satisfies() {
        let judged = grades(&[("a", 4), ("b", 1), ("c", 9)]);
        let (high, low) = (15.0 / 16.0, 1.0 / 16.0);
        assert_values(&["a", "b"], &judged, &[("ERR", high + (1.0 - high) * low / 2.0)]);
        assert_values(&["a", "b"], &judged, &[("ERR@1", high)]);
        assert_values(&["?", "c"], &judged, &[("ERR@20", high / 2.0)]);
    }

    #[test]
    fn grades_below_one_gain_and_cost_nothing() {
        let positive = grades(&[("a", 2)]);
        let negative = grades(&[("a", 2), ("b", -3), ("c", 0), ("d", i32::MIN)]);
        let ranking = ["b", "d", "a", "c"];
        let values = |judged: &Grades| {
            let ranking = Graded::new(ranking, judged).unwrap();
            Measure::DEFAULT.map(|measure| ranking.value(measure).to_bits())
        };
        assert_eq!(values(&positive), values(&negative));
        assert!(Graded::new(ranking, &grades(&[("b", -3), ("c", 0)])).is_none());
    }

    #[test]
    fn cut_offs_fall_behind_their_rank() {
        let ids: Vec<String> = (1..=101).map(|rank| format!("d{rank}")).collect();
        let at = |rank: usize, name: &str| {
            let judged = Grades::from([(format!("d{rank}"), 1)]);
            let ranking = Graded::new(ids.iter().map(String::as_str), &judged).unwrap();
            ranking.value(name.parse().unwrap())
        };
        for name in ["P@10", "nDCG@10", "recall@10", "ERR@10"] {
            assert!(at(10, name) > 0.0, "{name}");
            assert!(at(11, name) == 0.0, "{name}");
        }
        assert!((at(101, "MRR") - 1.0 / 101.0).abs() < 1e-15);
        assert!((at(101, "MAP") - 1.0 / 101.0).abs() < 1e-15);
        assert!(
            Graded::new(["a"], &grades(&[("a", 1)])).unwrap().value(Measure::Precision(0)) == 0.0
        );
    }

    #[test]
    fn every_value_is_between_zero_and_one() {
        let mut random = fastrand::Rng::with_seed(11);
        let ids: Vec<String> = (0..30).map(|id| format!("d{id}")).collect();
        for _ in 0..500 {
            let mut ranking: Vec<&str> = ids.iter().map(String::as_str).collect();
            random.shuffle(&mut ranking);
            ranking.truncate(random.usize(0..30));
            let chosen = ids.iter().filter_map(|id| {
                let grade = random.i32(-6..9);
                (grade > -3).then(|| (id.clone(), grade))
            });
            let judged: Grades = chosen.collect();
            let Some(graded) = Graded::new(ranking, &judged) else { continue };
            let cut = random.u32(0..40);
            for measure in [
                Measure::Map,
                Measure::Ndcg(Some(cut)),
                Measure::Ndcg(None),
                Measure::Precision(cut),
                Measure::Recall(cut),
                Measure::Mrr,
                Measure::Bpref,
                Measure::ExpectedReciprocalRank(Some(cut)),
            ] {
                let value = graded.value(measure);
                assert!((0.0..=1.0 + 1e-12).contains(&value), "{measure}: {value}");
                assert!(value.is_sign_positive(), "{measure}");
            }
        }
    }
}
