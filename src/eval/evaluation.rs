//! A whole run measured: one value per query and measure, and the means.
//!
//! Called by the command line, by tests, and by [`Baseline`](super::Baseline), which keeps what is found here; the values are
//! made in `graded`.
//!
//! **Means** are over the queries that have at least one relevant document; such a query without any result counts as 0.
//! `trec_eval` by default averages over the queries that are in both files, which rewards an engine for not answering; its `-c`
//! counts missing queries as 0 as we do, but then also judged queries to which nothing is relevant, which no engine can answer.
//!
//! Invariants: a value for each measure in each query; means are finite, also when there is nothing to average.

use std::collections::BTreeMap;

use super::graded::{Graded, count};
use super::judgements::{Grades, Judgements};
use super::measure::Measure;
use super::run::Run;

/// What [`evaluate`] found: the means, and the values of each query behind them.
///
/// ```
/// use alluvium::eval::{Judgements, Measure, Run, evaluate};
///
/// let evaluation = evaluate(&Run::new(), &Judgements::new(), &[Measure::Map]);
/// assert_eq!(evaluation.queries(), 0);
/// assert_eq!(evaluation.mean(Measure::Map), Some(0.0));
/// assert_eq!(evaluation.mean(Measure::Mrr), None); // not measured
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    measures: Vec<Measure>,
    /// As long as `measures`, as is every value below.
    means: Vec<f64>,
    per_query: BTreeMap<String, Vec<f64>>,
}

impl Evaluation {
    /// What was measured, in the order that was asked for.
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// How many queries the means are over: those that have a relevant document.
    pub fn queries(&self) -> usize {
        self.per_query.len()
    }

    /// The mean of one measure; `None` when it was not measured.
    pub fn mean(&self, measure: Measure) -> Option<f64> {
        self.means.get(self.column(measure)?).copied()
    }

    /// All means, in the order of [`Evaluation::measures`].
    ///
    /// ```
    /// # use alluvium::eval::{Judgements, Measure, Run, evaluate};
    /// # let evaluation = evaluate(&Run::new(), &Judgements::new(), &Measure::DEFAULT);
    /// for (measure, mean) in evaluation.means() {
    ///     println!("{measure:>10}  {mean:.4}");
    /// }
    /// ```
    pub fn means(&self) -> impl Iterator<Item = (Measure, f64)> {
        self.measures.iter().copied().zip(self.means.iter().copied())
    }

    /// The value of one measure for one query; `None` when nothing is relevant to it or it was not measured.
    pub fn value(&self, query: &str, measure: Measure) -> Option<f64> {
        self.per_query.get(query)?.get(self.column(measure)?).copied()
    }

    /// Every query with its values in the order of [`Evaluation::measures`], by the bytes of its identifier.
    ///
    /// ```
    /// # use alluvium::eval::{Judgements, Measure, Run, evaluate};
    /// # let judgements = Judgements::read("q1 d1 1\n".as_bytes(), "qrels.tsv")?;
    /// let evaluation = evaluate(&Run::new(), &judgements, &[Measure::Map, Measure::Mrr]);
    /// assert_eq!(evaluation.per_query().collect::<Vec<_>>(), [("q1", &[0.0, 0.0][..])]);
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn per_query(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.per_query.iter().map(|(query, values)| (query.as_str(), values.as_slice()))
    }

    fn column(&self, measure: Measure) -> Option<usize> {
        self.measures.iter().position(|measured| *measured == measure)
    }
}

/// Measures a run against judgements, in the order that the run has.
///
/// Means are over the queries that have at least one relevant document, and such a query without any result counts as 0.
/// Answers to queries without judgements are ignored. A measure that is asked for twice is measured once.
///
/// ```
/// use alluvium::eval::{Judgements, Measure, Run, evaluate};
///
/// let judgements = Judgements::read("q1 d1 1\nq1 d2 2\nq2 d1 1\n".as_bytes(), "qrels.tsv")?;
/// let mut run = Run::new();
/// run.insert("q1", [("d1", 9.0), ("d5", 8.0), ("d2", 7.0)])?;
///
/// let evaluation = evaluate(&run, &judgements, &Measure::DEFAULT);
/// assert_eq!(evaluation.value("q1", Measure::Map), Some((1.0 / 1.0 + 2.0 / 3.0) / 2.0));
/// assert_eq!(evaluation.value("q2", Measure::Map), Some(0.0)); // judged, but no answer
/// assert_eq!(evaluation.queries(), 2);
/// assert_eq!(evaluation.mean(Measure::Mrr), Some(0.5));
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
pub fn evaluate(run: &Run, judgements: &Judgements, measures: &[Measure]) -> Evaluation {
    let mut wanted: Vec<Measure> = Vec::with_capacity(measures.len());
    for measure in measures {
        if !wanted.contains(measure) {
            wanted.push(*measure);
        }
    }
    let mut per_query = BTreeMap::new();
    for (query, grades) in judgements.iter() {
        let ranking = run.ranking(query).iter().map(|document| document.id.as_str());
        if let Some(values) = measure_ranking(ranking, grades, &wanted) {
            per_query.insert(query.to_owned(), values);
        }
    }
    let means = means_of(wanted.len(), per_query.values());
    Evaluation { measures: wanted, means, per_query }
}

/// Measures one ranking, best document first; `None` when nothing is relevant to the query.
///
/// A document must not appear twice; [`Run`] sees to that.
///
/// ```
/// use alluvium::eval::{Grades, Measure, measure_ranking};
///
/// let grades = Grades::from([("d1".to_owned(), 1)]);
/// assert_eq!(measure_ranking(["d9", "d1"], &grades, &[Measure::Mrr]), Some(vec![0.5]));
/// assert_eq!(measure_ranking(["d9", "d1"], &Grades::new(), &[Measure::Mrr]), None);
/// ```
pub fn measure_ranking<'a>(
    ranking: impl IntoIterator<Item = &'a str>,
    grades: &Grades,
    measures: &[Measure],
) -> Option<Vec<f64>> {
    let graded = Graded::new(ranking, grades)?;
    Some(measures.iter().map(|measure| graded.value(*measure)).collect())
}

/// The mean of each column; 0 for each of them without rows.
fn means_of<'a>(columns: usize, rows: impl ExactSizeIterator<Item = &'a Vec<f64>>) -> Vec<f64> {
    let divisor = count(rows.len().max(1));
    let mut sums = vec![0.0; columns];
    for row in rows {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums.into_iter().map(|sum| sum / divisor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_count_unanswered_queries_and_skip_unanswerable_ones() {
        let judgements =
            Judgements::read("q1 a 1\nq2 a 1\nq3 a 0\nq4 a -1\n".as_bytes(), "qrels").unwrap();
        let mut run = Run::new();
        run.insert("q1", [("a", 1.0)]).unwrap();
        run.insert("q3", [("a", 1.0)]).unwrap();
        run.insert("unjudged", [("a", 1.0)]).unwrap();
        let evaluation = evaluate(&run, &judgements, &Measure::DEFAULT);
        let queries: Vec<&str> = evaluation.per_query().map(|(query, _)| query).collect();
        assert_eq!(queries, ["q1", "q2"]);
        assert_eq!(evaluation.queries(), 2);
        assert!((evaluation.mean(Measure::Map).unwrap() - 0.5).abs() < 1e-15);
    }

    #[test]
    fn a_measure_stands_once_however_often_it_is_asked_for() {
        let twice = [Measure::Mrr, Measure::Map, Measure::Mrr];
        let evaluation = evaluate(&Run::new(), &Judgements::new(), &twice);
        assert_eq!(evaluation.measures(), [Measure::Mrr, Measure::Map]);
        assert_eq!(evaluation.means().count(), 2);
    }
}
