//! `alluvium stats`: what a file holds and how it is laid out. The figures and their names are the
//! library's; this file shows them as an outline or as JSON.

use std::io::Write;

use crate::args::StatsArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &StatsArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open(path)?;
    let stats = db.stats().at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &stats)?;
    } else {
        let value = serde_json::to_value(&stats)
            .map_err(|error| Error::Other(format!("{}: {error}", path.display())))?;
        output::outline(&mut out, &value, 0)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
