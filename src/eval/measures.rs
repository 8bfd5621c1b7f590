//! The measures themselves, by the definitions of `trec_eval`.
//!
//! With grades `g`, a document at rank `i` (from 1) and `R` documents judged relevant (`g ≥ 1`):
//!
//! ```text
//! average precision   sum over relevant documents found of (relevant up to i) / i, divided by R
//! P@10                relevant among the first 10, divided by 10, however many were found
//! recall@100          relevant among the first 100, divided by R
//! reciprocal rank     1 / rank of the first relevant document, 0 if none was found
//! DCG@10              sum over the first 10 of max(g, 0) / log2(i + 1)
//! nDCG@10             DCG@10 of the ranking / DCG@10 of the best order of all judged documents
//! ```
//! These are `map`, `P_10`, `recall_100`, `recip_rank` and `ndcg_cut_10` of `trec_eval` 9. Average
//! precision and reciprocal rank look at the whole ranking, so runs to be compared should be of the
//! same depth (1,000 is usual).
//!
//! **Means** are over the queries that have at least one relevant document; such a query without
//! any result counts as 0. `trec_eval` by default averages over the queries that are in both files,
//! which rewards an engine for not answering; its `-c` counts missing queries as 0 as we do, but
//! then also judged queries to which nothing is relevant, which no engine can answer.
//!
//! Invariants: every value is finite and in 0..=1, also when there is nothing to average.
//! Cost: one look-up per ranked document and one sort of the judged grades per query.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judgements::{Grades, Judgements, RELEVANT_GRADE_MIN};
use super::run::Run;

/// Ranks that P@10 and nDCG@10 look at.
const TOP_RANKS: u32 = 10;
/// Ranks that recall@100 looks at.
const RECALL_RANKS: u32 = 100;

/// The measures of one query.
///
/// ```
/// let mut grades = alluvium::eval::Grades::new();
/// grades.insert("d1".into(), 1);
/// let measures = alluvium::eval::measure_ranking(["d9", "d1"], &grades).unwrap();
/// assert_eq!(measures.reciprocal_rank, 0.5);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueryMeasures {
    /// Average precision: over the relevant documents found, the sum of (relevant up to its rank) /
    /// rank, divided by the number of relevant documents. Its mean is MAP.
    pub average_precision: f64,
    /// Relevant documents among the first 10, divided by 10.
    pub p_at_10: f64,
    /// Gains (grades above 0) of the first 10, each divided by log2(rank + 1), divided by the same
    /// sum for the best order of all judged documents.
    pub ndcg_at_10: f64,
    /// Relevant documents among the first 100, divided by the number of relevant documents.
    pub recall_at_100: f64,
    /// One over the rank of the first relevant document, 0 if none was found; its mean is MRR.
    pub reciprocal_rank: f64,
}

/// The means over all queries that have a relevant document; the JSON of `alluvium eval --json`.
///
/// ```
/// let summary = alluvium::eval::MeasureSummary::default();
/// assert_eq!(
///     serde_json::to_string(&summary)?,
///     r#"{"queries":0,"map":0.0,"p_at_10":0.0,"ndcg_at_10":0.0,"recall_at_100":0.0,"mrr":0.0}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeasureSummary {
    /// How many queries the means are over.
    pub queries: u32,
    /// Mean average precision.
    pub map: f64,
    /// Mean precision among the first 10.
    pub p_at_10: f64,
    /// Mean normalised discounted cumulative gain among the first 10.
    pub ndcg_at_10: f64,
    /// Mean recall among the first 100.
    pub recall_at_100: f64,
    /// Mean reciprocal rank.
    pub mrr: f64,
}

/// What [`evaluate`] found: the means, and the measures of each query behind them.
///
/// ```
/// use alluvium::eval::{Judgements, Run, evaluate};
///
/// let evaluation = evaluate(&Run::new(), &Judgements::new());
/// assert_eq!(evaluation.summary.queries, 0);
/// assert!(evaluation.per_query.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The means.
    pub summary: MeasureSummary,
    /// The measures of each query that has a relevant document, by its identifier.
    pub per_query: BTreeMap<String, QueryMeasures>,
}

/// Measures a run against judgements, in the order that the run has.
///
/// Means are over the queries that have at least one relevant document, and such a query without
/// any result counts as 0. Answers to queries without judgements are ignored.
///
/// ```
/// use alluvium::eval::{Judgements, Run, evaluate};
///
/// let judgements = Judgements::read("q1 d1 1\nq1 d2 2\nq2 d1 1\n".as_bytes(), "qrels.tsv")?;
/// let mut run = Run::new();
/// run.insert("q1", [("d1", 9.0), ("d5", 8.0), ("d2", 7.0)])?;
///
/// let evaluation = evaluate(&run, &judgements);
/// assert_eq!(evaluation.per_query["q1"].average_precision, (1.0 / 1.0 + 2.0 / 3.0) / 2.0);
/// assert_eq!(evaluation.per_query["q2"].average_precision, 0.0); // judged, but no answer
/// assert_eq!(evaluation.summary.queries, 2);
/// assert_eq!(evaluation.summary.mrr, 0.5);
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
pub fn evaluate(run: &Run, judgements: &Judgements) -> Evaluation {
    let mut per_query = BTreeMap::new();
    for (query, grades) in judgements.iter() {
        let ranking = run.ranking(query).iter().map(|document| document.id.as_str());
        if let Some(measures) = measure_ranking(ranking, grades) {
            per_query.insert(query.to_owned(), measures);
        }
    }
    Evaluation { summary: summarize(per_query.values()), per_query }
}

/// Measures one ranking, best document first; `None` when nothing is relevant to the query.
///
/// A document must not appear twice; [`Run`] sees to that.
///
/// ```
/// use alluvium::eval::{Grades, measure_ranking};
///
/// let grades = Grades::from([("d1".to_owned(), 0)]);
/// assert_eq!(measure_ranking(["d1", "d2"], &grades), None);
/// ```
pub fn measure_ranking<'a>(
    ranking: impl IntoIterator<Item = &'a str>,
    grades: &Grades,
) -> Option<QueryMeasures> {
    let ideal_dcg = ideal_dcg(grades);
    let relevant = count_relevant(grades)?;

    let mut found = 0_u32;
    let mut found_in_top = 0_u32;
    let mut found_in_recall = 0_u32;
    let mut first_rank = None;
    let mut precision_sum = 0.0;
    let mut dcg = 0.0;
    for (rank, document) in (1_u32..).zip(ranking) {
        let grade = grades.get(document).copied().unwrap_or(0);
        if grade < RELEVANT_GRADE_MIN {
            continue;
        }
        found += 1;
        first_rank.get_or_insert(rank);
        precision_sum += f64::from(found) / f64::from(rank);
        if rank <= TOP_RANKS {
            found_in_top = found;
            dcg += discounted(grade, rank);
        }
        if rank <= RECALL_RANKS {
            found_in_recall = found;
        }
    }
    Some(QueryMeasures {
        average_precision: precision_sum / relevant,
        p_at_10: f64::from(found_in_top) / f64::from(TOP_RANKS),
        ndcg_at_10: dcg / ideal_dcg,
        recall_at_100: f64::from(found_in_recall) / relevant,
        reciprocal_rank: first_rank.map_or(0.0, |rank| 1.0 / f64::from(rank)),
    })
}

/// The number of relevant documents as the divisor that it will be; `None` instead of 0.
fn count_relevant(grades: &Grades) -> Option<f64> {
    let count = grades.values().filter(|&&grade| grade >= RELEVANT_GRADE_MIN).count();
    u32::try_from(count).ok().filter(|&count| count > 0).map(f64::from)
}

/// The largest DCG@10 that any order of the judged documents can reach.
fn ideal_dcg(grades: &Grades) -> f64 {
    let mut gains: Vec<i32> =
        grades.values().copied().filter(|&grade| grade >= RELEVANT_GRADE_MIN).collect();
    gains.sort_unstable_by(|left, right| right.cmp(left));
    (1..=TOP_RANKS).zip(gains).map(|(rank, grade)| discounted(grade, rank)).sum()
}

/// The gain of a relevant document at a rank counted from 1.
fn discounted(grade: i32, rank: u32) -> f64 {
    f64::from(grade) / f64::from(rank + 1).log2()
}

fn summarize<'a>(per_query: impl Iterator<Item = &'a QueryMeasures>) -> MeasureSummary {
    let mut sum = MeasureSummary::default();
    for measures in per_query {
        sum.queries += 1;
        sum.map += measures.average_precision;
        sum.p_at_10 += measures.p_at_10;
        sum.ndcg_at_10 += measures.ndcg_at_10;
        sum.recall_at_100 += measures.recall_at_100;
        sum.mrr += measures.reciprocal_rank;
    }
    let divisor = f64::from(sum.queries.max(1));
    MeasureSummary {
        queries: sum.queries,
        map: sum.map / divisor,
        p_at_10: sum.p_at_10 / divisor,
        ndcg_at_10: sum.ndcg_at_10 / divisor,
        recall_at_100: sum.recall_at_100 / divisor,
        mrr: sum.mrr / divisor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grades(of: &[(&str, i32)]) -> Grades {
        of.iter().map(|(id, grade)| ((*id).to_owned(), *grade)).collect()
    }

    #[test]
    fn a_perfect_ranking_scores_one_and_precision_still_divides_by_ten() {
        let grades = grades(&[("a", 3), ("b", 1), ("c", 0)]);
        let measures = measure_ranking(["a", "b", "c"], &grades).unwrap();
        assert!((measures.ndcg_at_10 - 1.0).abs() < 1e-15);
        assert!((measures.average_precision - 1.0).abs() < 1e-15);
        assert!((measures.p_at_10 - 0.2).abs() < 1e-15);
        assert!((measures.recall_at_100 - 1.0).abs() < 1e-15);
        assert!((measures.reciprocal_rank - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_ideal_order_knows_judged_documents_that_were_not_found() {
        let grades = grades(&[("a", 1), ("missed", 3)]);
        let measures = measure_ranking(["a"], &grades).unwrap();
        let ideal = 3.0 + 1.0 / 3.0_f64.log2();
        assert!((measures.ndcg_at_10 - 1.0 / ideal).abs() < 1e-15);
    }

    #[test]
    fn grades_below_one_gain_and_cost_nothing() {
        let positive = grades(&[("a", 2)]);
        let negative = grades(&[("a", 2), ("b", -3), ("c", 0), ("d", i32::MIN)]);
        let ranking = ["b", "d", "a", "c"];
        assert_eq!(measure_ranking(ranking, &positive), measure_ranking(ranking, &negative));
        assert_eq!(measure_ranking(ranking, &grades(&[("b", -3), ("c", 0)])), None);
    }

    #[test]
    fn cut_offs_fall_after_ranks_ten_and_one_hundred() {
        let ids: Vec<String> = (1..=101).map(|rank| format!("d{rank}")).collect();
        let at = |rank: usize| {
            let grades = Grades::from([(format!("d{rank}"), 1)]);
            measure_ranking(ids.iter().map(String::as_str), &grades).unwrap()
        };
        assert!(at(10).p_at_10 > 0.0 && at(10).ndcg_at_10 > 0.0);
        assert!(at(11).p_at_10 == 0.0 && at(11).ndcg_at_10 == 0.0);
        assert!(at(100).recall_at_100 > 0.0 && at(101).recall_at_100 == 0.0);
        assert!((at(101).reciprocal_rank - 1.0 / 101.0).abs() < 1e-15);
        assert!((at(101).average_precision - 1.0 / 101.0).abs() < 1e-15);
    }

    #[test]
    fn means_count_unanswered_queries_and_skip_unanswerable_ones() {
        let judgements =
            Judgements::read("q1 a 1\nq2 a 1\nq3 a 0\nq4 a -1\n".as_bytes(), "qrels").unwrap();
        let mut run = Run::new();
        run.insert("q1", [("a", 1.0)]).unwrap();
        run.insert("q3", [("a", 1.0)]).unwrap();
        run.insert("unjudged", [("a", 1.0)]).unwrap();
        let Evaluation { summary, per_query } = evaluate(&run, &judgements);
        assert_eq!(per_query.keys().collect::<Vec<_>>(), ["q1", "q2"]);
        assert_eq!(summary.queries, 2);
        assert!((summary.map - 0.5).abs() < 1e-15);
    }
}
