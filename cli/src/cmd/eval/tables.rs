//! Means and the measures of each question, as tables and as JSON.
//!
//! Called by `eval`, and by `demo` for the means. Measures are columns in the order in which they were asked for; in JSON they
//! have the names of [`Measure::key`](alluvium::eval::Measure::key).

use std::io::Write;

use alluvium::eval::{Evaluation, TestQuery};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::output::STRONG;
use crate::table::Table;

/// The number of questions that means are over, and the means.
pub(crate) fn means_json(evaluation: &Evaluation) -> Map<String, Value> {
    let queries = ("queries".to_owned(), json!(evaluation.queries()));
    let means = evaluation.means().map(|(measure, mean)| (measure.key(), json!(mean)));
    [queries].into_iter().chain(means).collect()
}

/// The values of each question that has a relevant document.
pub(super) fn per_query_json(evaluation: &Evaluation) -> Value {
    let values_json = |values: &[f64]| -> Map<String, Value> {
        let named = evaluation.measures().iter().zip(values);
        named.map(|(measure, value)| (measure.key(), json!(value))).collect()
    };
    let queries = evaluation.per_query();
    let queries: Map<String, Value> =
        queries.map(|(id, values)| (id.to_owned(), Value::Object(values_json(values)))).collect();
    Value::Object(queries)
}

/// A table of one row.
pub(crate) fn write_means(out: &mut dyn Write, evaluation: &Evaluation) -> Result<()> {
    let heads = evaluation.measures().iter().map(|measure| format!("{measure:>11}"));
    let heads: String = heads.collect();
    writeln!(out, "{STRONG}{:>11}{heads}{STRONG:#}", "questions")?;
    write!(out, "{:>11}", evaluation.queries())?;
    for (_, mean) in evaluation.means() {
        write!(out, "{mean:>11.4}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// A row for each question, in the order of their file.
pub(super) fn write_per_query(
    out: &mut dyn Write,
    evaluation: &Evaluation,
    queries: &[TestQuery],
) -> Result<()> {
    let measures: Vec<String> = evaluation.measures().iter().map(ToString::to_string).collect();
    let head = ["<question"].into_iter().chain(measures.iter().map(String::as_str));
    let mut table = Table::new(&head.chain(["<text"]).collect::<Vec<_>>());
    for query in queries {
        let values: Option<Vec<f64>> = evaluation
            .measures()
            .iter()
            .map(|measure| evaluation.value(&query.id, *measure))
            .collect();
        if let Some(values) = values {
            let values = values.into_iter().map(|value| format!("{value:.4}"));
            table.row([query.id.clone()].into_iter().chain(values).chain([query.text.clone()]));
        }
    }
    table.write(out)
}
