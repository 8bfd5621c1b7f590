//! Whether a comparison is bad news: which means fell further than tolerated, and which queries did it.
//!
//! [`Comparison::regression`] is what a test of relevance asks last, and what `alluvium eval --fail-on-regression` ends with. A
//! [`Regression`] prints as the message of a failing test: the means, then the queries that got worse, the worst first, with the
//! documents that moved. A query that the baseline has and nobody measured now is bad news too, since nothing is known of it.
//!
//! A tolerance is a drop of the mean, in the measure's own units: `ndcg@10=0.01` lets .7162 fall to .7062. Rises are never held
//! against a ranking, and neither are single queries.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::comparison::{Comparison, MeanChange, QueryChange};
use super::error::{Error, Result};
use super::measure::{Measure, MeasureError};

/// Queries that the message shows with all that moved; of the others it tells names and losses.
const QUERIES_IN_FULL: usize = 10;
/// What a mean may differ by for its rounding.
const EQUAL: f64 = 1e-9;

/// How far which means may fall.
///
/// Without any measure, every one that is compared has to stay where it is or rise; else those that are named are looked at and
/// no others. As text: `ndcg@10=0.01,map`, which tolerates no drop of MAP.
///
/// ```
/// use alluvium::eval::{Measure, Tolerances};
///
/// let tolerances: Tolerances = "ndcg@10=0.01,map".parse()?;
/// let same = Tolerances::new().allow(Measure::Ndcg(Some(10)), 0.01).allow(Measure::Map, 0.0);
/// assert_eq!(tolerances, same);
/// # Ok::<(), alluvium::eval::TolerancesError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tolerances {
    drops: BTreeMap<Measure, f64>,
}

impl Tolerances {
    /// Tolerates no drop of any measure.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at this measure, and lets its mean fall by `drop`.
    #[must_use]
    pub fn allow(mut self, measure: Measure, drop: f64) -> Self {
        self.drops.insert(measure, drop);
        self
    }
}

impl FromStr for Tolerances {
    type Err = TolerancesError;

    fn from_str(text: &str) -> std::result::Result<Self, TolerancesError> {
        let mut tolerances = Self::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (measure, drop) = part.split_once('=').unwrap_or((part, "0"));
            let drop = drop.trim().parse::<f64>().ok();
            let drop = drop.filter(|drop| drop.is_finite() && *drop >= 0.0);
            let drop = drop.ok_or_else(|| TolerancesError::Drop { found: part.to_owned() })?;
            tolerances = tolerances.allow(measure.parse().map_err(TolerancesError::Measure)?, drop);
        }
        Ok(tolerances)
    }
}

/// A text that does not say how far means may fall.
///
/// ```
/// use alluvium::eval::Tolerances;
///
/// let error = "ndcg@10=little".parse::<Tolerances>().unwrap_err();
/// assert!(error.to_string().starts_with("expected a number from 0 up behind the ="));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TolerancesError {
    /// No measure has this name.
    Measure(MeasureError),
    /// What should be a drop is no number from 0 up.
    Drop {
        /// The part of the text that it stands in.
        found: String,
    },
}

impl fmt::Display for TolerancesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measure(error) => error.fmt(f),
            Self::Drop { found } => write!(
                f,
                "expected a number from 0 up behind the =, as in ndcg@10=0.01, found `{found}`"
            ),
        }
    }
}

impl std::error::Error for TolerancesError {}

/// Means that fell further than tolerated, and the queries that did it. Prints as the message of a failing test.
///
/// ```
/// use alluvium::eval::{Baseline, Comparison, Judgements, Measure, Run, Tolerances, evaluate};
///
/// let judgements = Judgements::read("q1 panning 2\n".as_bytes(), "qrels.tsv")?;
/// let measured = |ranking: &[(&str, f64)]| {
///     let mut run = Run::new();
///     run.insert("q1", ranking.iter().copied())?;
///     let evaluation = evaluate(&run, &judgements, &[Measure::Mrr]);
///     Ok::<_, alluvium::eval::Error>(Baseline::new(&evaluation, &run, &[]))
/// };
/// let before = measured(&[("panning", 2.0), ("rhine", 1.0)])?;
/// let after = measured(&[("rhine", 2.0)])?;
///
/// let comparison = Comparison::new(&before, &after, &judgements);
/// let regression = comparison.regression(&Tolerances::new())?.expect("the mean fell");
/// assert_eq!(
///     regression.to_string(),
///     "relevance fell further than tolerated:\n  \
///        MRR  1.0000 → 0.0000  -1.0000, tolerated 0, p 1.0000\n\
///      1 query got worse:\n  \
///        q1  MRR 1.0000 → 0.0000\n      \
///          panning 1 → – (grade 2), rhine 2 → 1\n"
/// );
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Regression {
    /// The means that fell, in the order of the comparison.
    pub means: Vec<MeanDrop>,
    /// The queries that lost in one of these measures, the greatest loss first; their values are those of [`Regression::means`].
    pub queries: Vec<QueryChange>,
    /// Queries of the baseline that were not measured now.
    pub queries_missing: Vec<String>,
}

/// A mean that fell further than tolerated.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MeanDrop {
    /// The mean before and now.
    #[serde(flatten)]
    pub change: MeanChange,
    /// The drop that would have been tolerated.
    pub tolerance: f64,
}

impl Comparison {
    /// What is worse than tolerated; `None` when nothing is.
    ///
    /// # Errors
    /// A tolerance is for a measure that is not compared, or there is no query to compare.
    pub fn regression(&self, tolerances: &Tolerances) -> Result<Option<Regression>> {
        if self.queries_compared == 0 {
            return Err(Error::NothingToCompare);
        }
        let is_compared =
            |measure: &Measure| self.means.iter().any(|mean| mean.measure == *measure);
        if let Some(measure) = tolerances.drops.keys().find(|measure| !is_compared(measure)) {
            return Err(Error::NotCompared { measure: *measure });
        }
        let tolerated = |measure: Measure| match tolerances.drops.get(&measure) {
            None if tolerances.drops.is_empty() => Some(0.0),
            found => found.copied(),
        };
        let (mut columns, mut means) = (Vec::new(), Vec::new());
        for (column, change) in self.means.iter().enumerate() {
            if let Some(tolerance) = tolerated(change.measure)
                && change.delta() < -tolerance - EQUAL
            {
                columns.push(column);
                means.push(MeanDrop { change: change.clone(), tolerance });
            }
        }
        if means.is_empty() && self.queries_missing.is_empty() {
            return Ok(None);
        }
        let queries = worse_queries(&self.queries, &columns);
        Ok(Some(Regression { means, queries, queries_missing: self.queries_missing.clone() }))
    }
}

/// The queries that lost in one of `columns`, with the values of these columns alone.
fn worse_queries(queries: &[QueryChange], columns: &[usize]) -> Vec<QueryChange> {
    let chosen = |values: &[f64]| -> Vec<f64> {
        columns.iter().filter_map(|column| values.get(*column).copied()).collect()
    };
    let projected = queries.iter().map(|query| QueryChange {
        before: chosen(&query.before),
        after: chosen(&query.after),
        ..query.clone()
    });
    let mut worse: Vec<QueryChange> =
        projected.filter(|query| greatest_loss(query) < 0.0).collect();
    worse.sort_by(|left, right| greatest_loss(left).total_cmp(&greatest_loss(right)));
    worse
}

/// The lowest difference of a query; 0 when it has no values.
fn greatest_loss(query: &QueryChange) -> f64 {
    (0..query.before.len()).map(|column| query.delta(column)).fold(0.0, f64::min)
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.means.is_empty() {
            writeln!(f, "relevance fell further than tolerated:")?;
        }
        let names = self.means.iter().map(|mean| mean.change.measure.to_string().len());
        let width = names.max().unwrap_or_default();
        for MeanDrop { change, tolerance } in &self.means {
            let MeanChange { measure, before, after, p_value, .. } = change;
            let delta = change.delta();
            writeln!(
                f,
                "  {measure:<width$}  {before:.4} → {after:.4}  {delta:+.4}, tolerated {tolerance}, p {p_value:.4}"
            )?;
        }
        match self.queries.len() {
            0 => {}
            1 => writeln!(f, "1 query got worse:")?,
            number => writeln!(f, "{number} queries got worse, the worst first:")?,
        }
        for query in self.queries.iter().take(QUERIES_IN_FULL) {
            self.write_query(f, query)?;
        }
        let others = self.queries.iter().skip(QUERIES_IN_FULL);
        let others: Vec<String> =
            others.map(|query| format!("{} {:+.4}", query.id, greatest_loss(query))).collect();
        if !others.is_empty() {
            writeln!(f, "  and {}", others.join(", "))?;
        }
        if !self.queries_missing.is_empty() {
            let missing = self.queries_missing.join(", ");
            writeln!(f, "of the baseline, these queries were not measured: {missing}")?;
        }
        Ok(())
    }
}

impl Regression {
    fn write_query(&self, f: &mut fmt::Formatter<'_>, query: &QueryChange) -> fmt::Result {
        let values = self.means.iter().zip(query.before.iter().zip(&query.after));
        let changed = values.filter(|(_, (before, after))| (*before - *after).abs() > EQUAL);
        let changed: Vec<String> = changed
            .map(|(mean, (before, after))| {
                format!("{} {before:.4} → {after:.4}", mean.change.measure)
            })
            .collect();
        let text = if query.text.is_empty() { "" } else { "  " };
        writeln!(f, "  {}  {}{text}{}", query.id, changed.join(", "), query.text)?;
        let moves: Vec<String> = query.moves.iter().map(ToString::to_string).collect();
        match moves.as_slice() {
            [] => writeln!(f, "      the first ten documents are the same, others moved"),
            moves => writeln!(f, "      {}", moves.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::baseline::Baseline;
    use super::super::evaluation::evaluate;
    use super::super::judgements::Judgements;
    use super::super::run::Run;
    use super::*;

    /// Queries of which the relevant document stands at these ranks.
    fn baseline(ranks: &[usize]) -> Baseline {
        let mut run = Run::new();
        for (number, rank) in ranks.iter().enumerate() {
            let others = (1..*rank).map(|rank| format!("d{rank}"));
            let ids = others.chain(["a".to_owned()]).map(|id| (id, 1.0));
            run.insert(format!("q{number:02}"), ids).unwrap();
        }
        let measures = [Measure::Mrr, Measure::Precision(1), Measure::Recall(100)];
        Baseline::new(&evaluate(&run, &judgements(ranks.len()), &measures), &run, &[])
    }

    fn judgements(queries: usize) -> Judgements {
        let mut judgements = Judgements::new();
        for number in 0..queries {
            judgements.insert(format!("q{number:02}"), "a", 1);
        }
        judgements
    }

    fn compare(before: &[usize], after: &[usize]) -> Comparison {
        Comparison::new(&baseline(before), &baseline(after), &judgements(before.len()))
    }

    fn fell(comparison: &Comparison, tolerances: &str) -> Vec<Measure> {
        let tolerances = tolerances.parse().unwrap();
        let regression = comparison.regression(&tolerances).unwrap();
        let means = regression.map(|regression| regression.means).unwrap_or_default();
        means.into_iter().map(|mean| mean.change.measure).collect()
    }

    #[test]
    fn only_drops_beyond_their_tolerance_are_held_against_a_ranking() {
        let comparison = compare(&[1, 2, 1, 1], &[1, 1, 2, 4]);
        // MRR falls by (0.5 + 0.75 - 0.5) / 4, P@1 by 1 / 4, recall stays.
        assert_eq!(fell(&comparison, ""), [Measure::Mrr, Measure::Precision(1)]);
        assert_eq!(fell(&comparison, "mrr=0.1875,p@1=0.25,recall@100"), []);
        assert_eq!(fell(&comparison, "mrr=0.1874,p@1=0.25"), [Measure::Mrr]);
        assert_eq!(fell(&comparison, "p@1=0.2"), [Measure::Precision(1)]);
        assert_eq!(fell(&compare(&[2, 2], &[1, 2]), ""), []);
        assert_eq!(fell(&compare(&[3], &[3]), ""), []);
    }

    #[test]
    fn what_cannot_be_checked_is_an_error_and_not_a_pass() {
        let comparison = compare(&[1], &[1]);
        let missing = comparison.regression(&"bpref".parse().unwrap()).unwrap_err();
        assert!(missing.to_string().starts_with("bpref is not in both baselines"), "{missing}");
        let nothing = compare(&[], &[1]).regression(&Tolerances::new()).unwrap_err();
        assert!(matches!(nothing, Error::NothingToCompare), "{nothing}");
    }

    #[test]
    fn a_query_that_is_not_measured_any_more_is_a_regression() {
        let before = baseline(&[1, 1, 1]);
        let after = Baseline::read(&baseline(&[1, 1, 1]).to_json().replace("q01", "q09"), "x");
        let comparison = Comparison::new(&before, &after.unwrap(), &judgements(3));
        let regression = comparison.regression(&"mrr=1".parse().unwrap()).unwrap().unwrap();
        assert_eq!(
            regression.to_string(),
            "of the baseline, these queries were not measured: q01\n"
        );
    }

    #[test]
    fn the_message_names_every_query_that_lost_and_tells_of_the_worst() {
        let comparison = compare(&[1; 14], &[3, 2, 1, 12, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        let regression = comparison.regression(&"mrr=0.1,p@1=0.3".parse().unwrap()).unwrap();
        let message = regression.unwrap().to_string();
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines[0], "relevance fell further than tolerated:");
        assert!(lines[1].starts_with("  MRR  1.0000 → "), "{message}");
        assert!(lines[2].starts_with("  P@1  1.0000 → 0.0714  -0.9286, tolerated 0.3, p 0.0"));
        assert_eq!(lines[3], "13 queries got worse, the worst first:");
        assert_eq!(lines[4], "  q03  MRR 1.0000 → 0.0833, P@1 1.0000 → 0.0000");
        assert!(lines[5].starts_with("      a 1 → – (grade 1), d1 – → 1, d2 – → 2"), "{message}");
        assert_eq!(lines[6], "  q00  MRR 1.0000 → 0.3333, P@1 1.0000 → 0.0000");
        assert_eq!(lines[7], "      a 1 → 3 (grade 1), d1 – → 1, d2 – → 2");
        assert_eq!(lines.len(), 4 + 2 * QUERIES_IN_FULL + 1);
        assert_eq!(lines[24], "  and q11 -1.0000, q12 -1.0000, q13 -1.0000");
        assert!(!message.contains("q02"));
    }

    #[test]
    fn moves_below_the_tenth_rank_are_told_as_such() {
        let comparison = compare(&[11], &[13]);
        let message = comparison.regression(&Tolerances::new()).unwrap().unwrap().to_string();
        assert!(message.contains("the first ten documents are the same"), "{message}");
    }

    #[test]
    fn tolerances_are_measures_with_drops() {
        let parse = |text: &str| text.parse::<Tolerances>();
        assert_eq!(
            parse(" map = 0.5 , ,mrr"),
            Ok(Tolerances::new().allow(Measure::Map, 0.5).allow(Measure::Mrr, 0.0))
        );
        for text in ["map=-1", "map=", "map=NaN", "map=inf", "f1=0.1", "=0.1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
