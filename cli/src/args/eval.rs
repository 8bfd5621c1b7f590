//! The arguments of `eval`, which has more of them than the other verbs, and the axes of its grids.
//!
//! [`args`](super) names them among the verbs. A [`GridAxis`] is read here, `cmd::eval` walks over it.

use std::path::PathBuf;
use std::str::FromStr;

use alluvium::eval::{Measure, Tolerances};
use clap::Args;

use super::{RankingArguments, b, k1};

/// Most values on an axis of a grid, and most places of a grid: each is a run over all questions.
const GRID_PLACES_MAX: usize = 1_000;

/// Measure the ranking with the questions and judgements of a test collection.
///
/// Every question is asked as plain words: signs that are operators in a search have no meaning here, since real questions hold
/// hyphens, colons and quotes as text. Document identifiers in the judgements are compared with `_id` as text. Means are over
/// the questions that have a relevant document, by the definitions of trec_eval. What is good can be kept by --save-baseline and
/// compared with later by --against.
#[derive(Debug, Args)]
#[command(after_help = "\
Measures are MAP, nDCG@k, P@k, recall@k, MRR, bpref and ERR@k; nDCG and ERR may do without @k.
With --json there is one object: queries, and each mean by its name, as in ndcg_at_10. --per-query adds per_query, the same for
each question; --against adds comparison (parameters, means with p_value, queries with before, after and moves, queries_compared,
queries_missing, queries_added); --fail-on-regression adds regression, null or means, queries, queries_missing. With --grid there
is an object a line: k1, b, queries and the means.
Exit code 2 when --fail-on-regression found one.")]
pub(crate) struct EvalArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The questions: {"_id": …, "text": …} a line, or `question TAB text`, or TREC topics.
    #[arg(long, value_name = "FILE")]
    pub(crate) queries: PathBuf,
    /// The judgements: `question TAB document TAB grade` a line, or TREC's four columns, or {"query": …, "document": …,
    /// "grade": …}.
    #[arg(long, value_name = "FILE")]
    pub(crate) qrels: PathBuf,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    #[command(flatten)]
    pub(crate) ranking: RankingArguments,
    /// Most hits of each question that are looked at.
    #[arg(long, value_name = "HITS", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) depth: u32,
    /// What to measure, with commas between; by default MAP,nDCG@10,P@10,recall@100,MRR, or what the baseline has.
    #[arg(long, value_name = "MEASURES", value_delimiter = ',')]
    pub(crate) measures: Vec<Measure>,
    /// Show the measures of each question too.
    #[arg(long)]
    pub(crate) per_query: bool,
    /// Write the rankings to this file, in the form that trec_eval reads.
    #[arg(long, value_name = "FILE")]
    pub(crate) run: Option<PathBuf>,
    /// Keep what was measured, with the first ten documents of each question, in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) save_baseline: Option<PathBuf>,
    /// Compare with what --save-baseline kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// End with 2 when a mean fell further than tolerated, as in `ndcg@10=0.01,map=0.02`; without a list, when any fell.
    #[arg(long, value_name = "TOLERANCES", requires = "against", num_args = 0..=1, default_missing_value = "")]
    pub(crate) fail_on_regression: Option<Tolerances>,
    /// Write a report to this file: a page with means, questions, rankings and latencies.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Measure with each of these values of k1 or b, as in k1=0.6,0.9,1.2 or b=0.4:0.8:0.1 (first, last, step); twice for both.
    #[arg(long, value_name = "AXIS",
          conflicts_with_all = ["per_query", "run", "save_baseline", "against", "html"])]
    pub(crate) grid: Vec<GridAxis>,
    /// The measure that orders the table of a grid, the best first [default: the first measure].
    #[arg(long, value_name = "MEASURE", requires = "grid")]
    pub(crate) sort: Option<Measure>,
    /// Print one JSON object; with --grid, one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A parameter and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GridAxis {
    K1(Vec<f32>),
    B(Vec<f32>),
}

impl FromStr for GridAxis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || "expected k1= or b= and values, as in k1=0.6,0.9 or b=0:1:0.25".to_owned();
        let (name, values) = text.split_once('=').ok_or_else(expected)?;
        let parse = |value: fn(&str) -> Result<f32, String>| {
            let values = numbers(values)?;
            values.iter().map(|text| value(text)).collect::<Result<Vec<f32>, String>>()
        };
        match name.trim() {
            "k1" => parse(k1).map(GridAxis::K1),
            "b" => parse(b).map(GridAxis::B),
            _ => Err(expected()),
        }
    }
}

/// Every combination of the values of `axes`, which may name a parameter once; what no axis names stays as in `ranking`.
pub(crate) fn places_of_grid(
    axes: &[GridAxis],
    ranking: RankingArguments,
) -> Result<Vec<RankingArguments>, String> {
    let mut places = vec![ranking];
    let mut named = [false; 2];
    for axis in axes {
        let (number, values) = match axis {
            GridAxis::K1(values) => (0, values),
            GridAxis::B(values) => (1, values),
        };
        if std::mem::replace(&mut named[number], true) {
            return Err("--grid: name k1 and b once each, with all their values".to_owned());
        }
        let place = |place: &RankingArguments, value: f32| match axis {
            GridAxis::K1(_) => RankingArguments { k1: Some(value), ..*place },
            GridAxis::B(_) => RankingArguments { b: Some(value), ..*place },
        };
        let combined = places.iter().flat_map(|at| values.iter().map(|value| place(at, *value)));
        places = combined.collect();
    }
    if places.len() > GRID_PLACES_MAX {
        let number = places.len();
        return Err(format!("--grid: {number} places are more than {GRID_PLACES_MAX}; take fewer"));
    }
    Ok(places)
}

/// The numbers of a list or of a range as texts: steps are counted in decimals, so that 0.1 thrice is 0.3.
fn numbers(text: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    match parts.as_slice() {
        [list] => Ok(list.split(',').map(|value| value.trim().to_owned()).collect()),
        [first, last, step] => {
            let decimal = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
            let (Some(first), Some(last), Some(step)) =
                (decimal(first), decimal(last), decimal(step))
            else {
                return Err("expected three numbers: first, last and step".to_owned());
            };
            if step < 1e-4 || last < first {
                return Err("expected a step from 0.0001 up, and a last value not below the first"
                    .to_owned());
            }
            let values = (0_u16..).map(|number| first + f64::from(number) * step);
            let values = values.take_while(|value| *value <= last + step / 1e3);
            let values: Vec<String> =
                values.take(GRID_PLACES_MAX + 1).map(|value| format!("{value:.6}")).collect();
            if values.len() > GRID_PLACES_MAX {
                return Err(format!("expected at most {GRID_PLACES_MAX} values"));
            }
            Ok(values)
        }
        _ => Err("expected first:last:step, or values with commas between".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_a_list_or_a_range_with_both_ends() {
        for (text, axis) in [
            ("k1=0.6,0.9, 1.2", GridAxis::K1(vec![0.6, 0.9, 1.2])),
            ("k1=0.6:1.8:0.3", GridAxis::K1(vec![0.6, 0.9, 1.2, 1.5, 1.8])),
            ("b=0:1:0.4", GridAxis::B(vec![0.0, 0.4, 0.8])),
            ("b=0.75", GridAxis::B(vec![0.75])),
            ("b=0.5:0.5:1", GridAxis::B(vec![0.5])),
        ] {
            assert_eq!(text.parse(), Ok(axis), "{text}");
        }
        for text in [
            "k1",
            "k2=1",
            "k1=",
            "b=1.5",
            "b=0:2:1",
            "k1=1:0:1",
            "k1=0:1:0",
            "k1=0:1",
            "k1=0:x:1",
            "k1=0:1000:0.001",
            "k1=0:inf:1",
            "k1=-1",
        ] {
            assert!(text.parse::<GridAxis>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_grid_has_every_combination_and_keeps_what_no_axis_names() {
        let ranking = RankingArguments { k1: Some(2.0), ..RankingArguments::default() };
        let axes = [GridAxis::B(vec![0.1, 0.2])];
        let places = places_of_grid(&axes, ranking).unwrap();
        assert_eq!(
            places.iter().map(|at| (at.k1, at.b)).collect::<Vec<_>>(),
            [(Some(2.0), Some(0.1)), (Some(2.0), Some(0.2))]
        );
        let both = [GridAxis::K1(vec![1.0; 3]), GridAxis::B(vec![0.5; 4])];
        assert_eq!(places_of_grid(&both, ranking).unwrap().len(), 12);
        let twice = [GridAxis::B(vec![0.1]), GridAxis::B(vec![0.2])];
        assert!(places_of_grid(&twice, ranking).unwrap_err().contains("once each"));
        let large = [GridAxis::K1(vec![1.0; 50]), GridAxis::B(vec![0.5; 50])];
        assert!(places_of_grid(&large, ranking).unwrap_err().contains("2500 places"));
    }
}
