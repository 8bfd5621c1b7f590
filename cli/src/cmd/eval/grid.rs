//! Parameter sweeps: all questions once for each place of a grid of k1 and b.
//!
//! Called by `eval --grid`. The table has the best place first. What is best for the questions at hand may be so by chance:
//! neighbours that are as good, and other questions, tell whether it is.

use std::io::Write;

use alluvium::eval::{Evaluation, Measure, evaluate};
use alluvium::{Parameters, SnapshotCollection};
use serde_json::{Map, Value};

use super::Questions;
use super::ask::{ask, parameters};
use super::tables::means_json;
use crate::args::{EvalArguments, places_of_grid};
use crate::cmd::Outcome;
use crate::error::{Error, Result};
use crate::output;
use crate::table::Table;

/// One place of the grid.
struct Place {
    parameters: Parameters,
    evaluation: Evaluation,
}

/// Measures at every place, and shows them.
pub(super) fn run(
    arguments: &EvalArguments,
    collection: &SnapshotCollection,
    questions: &Questions,
) -> Result<Outcome> {
    let mut measures = questions.measures.clone();
    let order = arguments.sort.or(measures.first().copied()).unwrap_or(Measure::Map);
    measures.push(order);
    let mut places = Vec::new();
    for ranking in places_of_grid(&arguments.grid, arguments.ranking).map_err(Error::Other)? {
        let (depth, path) = (arguments.depth, arguments.database.as_path());
        let asked = ask(collection, &questions.queries, ranking, depth, path)?;
        let evaluation = evaluate(&asked.run, &questions.judgements, &measures);
        places.push(Place { parameters: parameters(ranking), evaluation });
    }
    let mean = |place: &Place| place.evaluation.mean(order).unwrap_or_default();
    places.sort_by(|left, right| mean(right).total_cmp(&mean(left)));

    let mut out = output::open(arguments.json);
    if arguments.json {
        for place in &places {
            output::json_line(&mut out, &place.to_json())?;
        }
    } else {
        write_table(&mut out, &places)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

impl Place {
    fn to_json(&self) -> Map<String, Value> {
        // As text, since the nearest f64 to an f32 has more digits than anybody asked for.
        let number = |value: f32| value.to_string().parse::<f64>().map_or(Value::Null, Value::from);
        let parameters = [("k1", self.parameters.k1()), ("b", self.parameters.b())].into_iter();
        let parameters = parameters.map(|(name, value)| (name.to_owned(), number(value)));
        parameters.chain(means_json(&self.evaluation)).collect()
    }
}

fn write_table(out: &mut dyn Write, places: &[Place]) -> Result<()> {
    let Some(first) = places.first() else {
        return Ok(());
    };
    let measures: Vec<String> =
        first.evaluation.measures().iter().map(ToString::to_string).collect();
    let head = ["k1", "b"].into_iter().chain(measures.iter().map(String::as_str));
    let mut table = Table::new(&head.collect::<Vec<_>>());
    for Place { parameters, evaluation } in places {
        let parameters = [parameters.k1().to_string(), parameters.b().to_string()];
        let means = evaluation.means().map(|(_, mean)| format!("{mean:.4}"));
        table.row(parameters.into_iter().chain(means));
    }
    table.write(out)
}
