//! Two baselines side by side: what happened to the means, to each query, and to the documents on top.
//!
//! Made of a stored [`Baseline`] and of what was measured just now; [`Regression`](super::Regression) decides whether it is bad
//! news, the command line prints it. Only queries and measures that both sides have are compared, so that every difference has
//! its pair; what only one side has is listed.
//!
//! Invariants: means are over the queries compared; queries stand worst first by the sum of their differences.
//! Cost: a walk over both sides, and the test of `significance` per measure.

use std::fmt;

use serde::Serialize;

use super::baseline::{Baseline, BaselineQuery, rounded};
use super::graded::count;
use super::judgements::{Grades, Judgements};
use super::measure::Measure;
use super::significance::p_value;

/// The difference between two baselines.
///
/// ```
/// use alluvium::eval::{Baseline, Comparison, Judgements, Measure, Run, evaluate};
///
/// let judgements = Judgements::read("q1 panning 2\n".as_bytes(), "qrels.tsv")?;
/// let measured = |ranking: [(&str, f64); 2]| {
///     let mut run = Run::new();
///     run.insert("q1", ranking)?;
///     let evaluation = evaluate(&run, &judgements, &[Measure::Mrr]);
///     Ok::<_, alluvium::eval::Error>(Baseline::new(&evaluation, &run, &[]))
/// };
/// let before = measured([("panning", 2.0), ("rhine", 1.0)])?;
/// let after = measured([("rhine", 2.0), ("panning", 1.0)])?;
///
/// let comparison = Comparison::new(&before, &after, &judgements);
/// assert_eq!(comparison.means[0].delta(), -0.5);
/// assert_eq!(comparison.queries[0].moves[0].to_string(), "panning 1 → 2 (grade 2)");
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Parameters that differ, by name.
    pub parameters: Vec<ParameterChange>,
    /// The measures that both sides have, in the order of the one before.
    pub means: Vec<MeanChange>,
    /// Queries of which a value or a document on top changed, worst first.
    pub queries: Vec<QueryChange>,
    /// How many queries both sides have.
    pub queries_compared: usize,
    /// Queries that were measured before only.
    pub queries_missing: Vec<String>,
    /// Queries that are measured now only.
    pub queries_added: Vec<String>,
}

/// A parameter that is not what it was; `None` where a side does not have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ParameterChange {
    /// Its name.
    pub name: String,
    /// Its value before.
    pub before: Option<String>,
    /// Its value now.
    pub after: Option<String>,
}

/// What happened to the mean of one measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MeanChange {
    /// The measure.
    pub measure: Measure,
    /// The mean before, over the queries compared.
    pub before: f64,
    /// The mean now, over the same.
    pub after: f64,
    /// How likely a difference this far from 0 is if both rankings are equally good: a paired, two-sided randomisation test.
    pub p_value: f64,
    /// Queries whose value rose.
    pub better: usize,
    /// Queries whose value fell.
    pub worse: usize,
}

/// What happened to one query.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QueryChange {
    /// Its identifier.
    pub id: String,
    /// What was asked.
    pub text: String,
    /// A value for each of [`Comparison::means`], before.
    pub before: Vec<f64>,
    /// And now.
    pub after: Vec<f64>,
    /// The documents that changed their place among the first ten, by the place before, then by that of now.
    pub moves: Vec<DocumentMove>,
}

/// A document that changed its place among the first ten of a query.
///
/// As text: `Penicillin 1 → 4 (grade 2)`; `–` stands for a place behind the tenth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DocumentMove {
    /// The document's identifier.
    pub id: String,
    /// Its rank before, from 1; `None` when it was not among the first ten.
    pub before: Option<u32>,
    /// Its rank now.
    pub after: Option<u32>,
    /// Its grade for the query, if it was judged.
    pub grade: Option<i32>,
}

impl Comparison {
    /// Compares what was kept with what was measured now; grades are told from `judgements`.
    pub fn new(before: &Baseline, after: &Baseline, judgements: &Judgements) -> Self {
        let columns = Columns::new(before, after);
        let pairs: Vec<Pair<'_>> = before
            .queries()
            .filter_map(|(id, query)| Some(Pair::new(id, query, after.query(id)?, &columns)))
            .collect();
        let means = columns.measures.iter().enumerate();
        let means = means.map(|(column, measure)| mean_change(*measure, column, &pairs)).collect();
        let mut queries: Vec<QueryChange> =
            pairs.iter().filter_map(|pair| pair.change(judgements.grades(pair.id))).collect();
        queries.sort_by(|left, right| left.sum().total_cmp(&right.sum()));
        Self {
            parameters: parameter_changes(before, after),
            means,
            queries,
            queries_compared: pairs.len(),
            queries_missing: only_in(before, after),
            queries_added: only_in(after, before),
        }
    }
}

impl MeanChange {
    /// What was gained; below 0 what was lost.
    pub fn delta(&self) -> f64 {
        rounded(self.after - self.before)
    }
}

impl QueryChange {
    /// What was gained of the measure at `column` of [`Comparison::means`]; 0 when there is no such column.
    pub fn delta(&self, column: usize) -> f64 {
        difference(&self.before, &self.after, column)
    }

    fn sum(&self) -> f64 {
        (0..self.before.len()).map(|column| self.delta(column)).sum()
    }
}

impl fmt::Display for DocumentMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |rank: Option<u32>| rank.map_or("–".to_owned(), |rank| rank.to_string());
        write!(f, "{} {} → {}", self.id, place(self.before), place(self.after))?;
        match self.grade {
            Some(grade) => write!(f, " (grade {grade})"),
            None => Ok(()),
        }
    }
}

/// The measures of both sides, and where their values stand.
struct Columns {
    measures: Vec<Measure>,
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Columns {
    fn new(before: &Baseline, after: &Baseline) -> Self {
        let mut columns = Self { measures: Vec::new(), before: Vec::new(), after: Vec::new() };
        for (column, measure) in before.measures().iter().enumerate() {
            if let Some(now) = after.measures().iter().position(|other| other == measure) {
                columns.measures.push(*measure);
                columns.before.push(column);
                columns.after.push(now);
            }
        }
        columns
    }
}

/// One query on both sides.
struct Pair<'a> {
    id: &'a str,
    text: &'a str,
    before: Vec<f64>,
    after: Vec<f64>,
    top_before: &'a [String],
    top_after: &'a [String],
}

impl<'a> Pair<'a> {
    fn new(
        id: &'a str,
        before: &'a BaselineQuery,
        after: &'a BaselineQuery,
        columns: &Columns,
    ) -> Self {
        let chosen = |query: &BaselineQuery, columns: &[usize]| {
            columns.iter().filter_map(|column| query.values.get(*column).copied()).collect()
        };
        Self {
            id,
            text: if after.text.is_empty() { &before.text } else { &after.text },
            before: chosen(before, &columns.before),
            after: chosen(after, &columns.after),
            top_before: &before.top,
            top_after: &after.top,
        }
    }

    /// `None` when all is as it was.
    fn change(&self, grades: Option<&Grades>) -> Option<QueryChange> {
        if self.before == self.after && self.top_before == self.top_after {
            return None;
        }
        Some(QueryChange {
            id: self.id.to_owned(),
            text: self.text.to_owned(),
            before: self.before.clone(),
            after: self.after.clone(),
            moves: self.moves(grades),
        })
    }

    fn moves(&self, grades: Option<&Grades>) -> Vec<DocumentMove> {
        let rank = |top: &[String], id: &String| {
            (1..).zip(top).find(|(_, document)| *document == id).map(|(rank, _)| rank)
        };
        let entered = self.top_after.iter().filter(|id| !self.top_before.contains(id));
        let moves = self.top_before.iter().chain(entered).map(|id| DocumentMove {
            before: rank(self.top_before, id),
            after: rank(self.top_after, id),
            grade: grades.and_then(|grades| grades.get(id)).copied(),
            id: id.clone(),
        });
        moves.filter(|moved| moved.before != moved.after).collect()
    }
}

fn mean_change(measure: Measure, column: usize, pairs: &[Pair<'_>]) -> MeanChange {
    let differences: Vec<f64> =
        pairs.iter().map(|pair| difference(&pair.before, &pair.after, column)).collect();
    MeanChange {
        measure,
        before: mean(pairs.iter().filter_map(|pair| pair.before.get(column))),
        after: mean(pairs.iter().filter_map(|pair| pair.after.get(column))),
        p_value: p_value(&differences),
        better: differences.iter().filter(|difference| **difference > 0.0).count(),
        worse: differences.iter().filter(|difference| **difference < 0.0).count(),
    }
}

fn mean<'a>(values: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    rounded(values.clone().sum::<f64>() / count(values.count().max(1)))
}

/// What `column` gained; 0 where a side does not have it.
fn difference(before: &[f64], after: &[f64], column: usize) -> f64 {
    match (before.get(column), after.get(column)) {
        (Some(before), Some(after)) => rounded(after - before),
        _ => 0.0,
    }
}

fn parameter_changes(before: &Baseline, after: &Baseline) -> Vec<ParameterChange> {
    let (before, after) = (before.parameters(), after.parameters());
    let added = after.keys().filter(|name| !before.contains_key(*name));
    let changes = before.keys().chain(added).map(|name| ParameterChange {
        name: name.clone(),
        before: before.get(name).cloned(),
        after: after.get(name).cloned(),
    });
    changes.filter(|change| change.before != change.after).collect()
}

fn only_in(side: &Baseline, other: &Baseline) -> Vec<String> {
    let ids = side.queries().map(|(id, _)| id);
    ids.filter(|id| other.query(id).is_none()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::evaluation::evaluate;
    use super::super::run::Run;
    use super::*;

    const MEASURES: [Measure; 2] = [Measure::Mrr, Measure::Recall(5)];

    fn judgements() -> Judgements {
        Judgements::read("q1 a 2\nq1 x 0\nq2 a 1\nq3 c 1\n".as_bytes(), "qrels").unwrap()
    }

    fn baseline(rankings: &[(&str, &str)], k1: f32, measures: &[Measure]) -> Baseline {
        let mut run = Run::new();
        for (query, ids) in rankings {
            run.insert(*query, ids.split(' ').map(|id| (id, 1.0))).unwrap();
        }
        Baseline::new(&evaluate(&run, &judgements(), measures), &run, &[]).parameter("k1", k1)
    }

    #[test]
    fn equal_baselines_have_no_changes() {
        let same = baseline(&[("q1", "a b"), ("q2", "b a")], 1.2, &MEASURES);
        let found = Comparison::new(&same, &same, &judgements());
        assert!(found.parameters.is_empty() && found.queries.is_empty());
        assert_eq!(found.queries_compared, 3);
        assert_eq!(found.means.len(), 2);
        for mean in found.means {
            assert_eq!((mean.better, mean.worse), (0, 0));
            assert!(mean.delta() == 0.0 && (mean.p_value - 1.0).abs() < 1e-15);
        }
    }

    #[test]
    fn queries_stand_worst_first_with_the_documents_that_moved() {
        let before =
            baseline(&[("q1", "a b x"), ("q2", "b a"), ("q3", "d e f g h c")], 1.2, &MEASURES);
        let after =
            baseline(&[("q1", "x b a"), ("q2", "a y"), ("q3", "d e f g c h")], 0.9, &MEASURES);
        let found = Comparison::new(&before, &after, &judgements());
        let ids: Vec<&str> = found.queries.iter().map(|query| query.id.as_str()).collect();
        assert_eq!(ids, ["q1", "q2", "q3"]);
        let moves = |query: usize| -> Vec<String> {
            found.queries[query].moves.iter().map(ToString::to_string).collect()
        };
        assert_eq!(moves(0), ["a 1 → 3 (grade 2)", "x 3 → 1 (grade 0)"]);
        assert_eq!(moves(1), ["b 1 → –", "a 2 → 1 (grade 1)", "y – → 2"]);
        assert!((found.queries[0].delta(0) + 0.666_667).abs() < 1e-12);
        assert!(found.queries[0].delta(7) == 0.0);
        let mrr = &found.means[0];
        assert_eq!((mrr.measure, mrr.better, mrr.worse), (Measure::Mrr, 2, 1));
        assert!((mrr.before - (1.0 + 0.5 + 1.0 / 6.0) / 3.0).abs() < 1e-6);
        let change = &found.parameters[0];
        assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("1.2"), Some("0.9")));
    }

    #[test]
    fn what_only_one_side_has_is_listed_and_not_compared() {
        let before = baseline(&[("q1", "a")], 1.2, &[Measure::Map, Measure::Mrr]);
        let text = before.to_json().replace("\"q3\"", "\"q4\"");
        let before = Baseline::read(&text, "x").unwrap();
        let after = baseline(&[("q1", "a"), ("q3", "c")], 1.2, &MEASURES).parameter("b", 1);
        let found = Comparison::new(&before, &after, &judgements());
        assert_eq!((found.queries_compared, found.queries.len()), (2, 0));
        assert_eq!(
            (found.queries_missing, found.queries_added),
            (vec!["q4".to_owned()], vec!["q3".to_owned()])
        );
        assert_eq!(found.means.len(), 1);
        assert!((found.means[0].before - 0.5).abs() < 1e-15, "over the queries compared");
        assert_eq!(found.parameters[0].before, None);
    }
}
