//! `alluvium get`: one document by its `_id`, as JSON. The identifier is text on the command line, so
//! its possible readings are tried in turn (`database::readings_of_id`).

use std::io::Write;

use alluvium::bson::{self, Document, Projection, RawDocumentBuf, to_json};
use serde_json::Value;

use crate::args::GetArguments;
use crate::cmd::Outcome;
use crate::cmd::find::projection;
use crate::database::{self, readings_of_id};
use crate::error::{At, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &GetArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let projection = match projection(&arguments.fields) {
        Some(fields) => Some(compiled(&fields).map_err(alluvium::Error::from).at(path)?),
        None => None,
    };
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    for id in readings_of_id(&arguments.id) {
        let Some(document) = collection.get(id).at(path)? else {
            continue;
        };
        let document = match &projection {
            Some(projection) => {
                projection.apply(&document).map_err(alluvium::Error::from).at(path)?
            }
            None => document,
        };
        let line = to_json(&document);
        // JSON has no raw control characters, so it may go to a terminal as it is.
        let mut out = output::open(true);
        let laid_out = output::on_terminal() && !arguments.json;
        match serde_json::from_str::<Value>(&line) {
            Ok(value) if laid_out => writeln!(out, "{value:#}")?,
            _ => writeln!(out, "{line}")?,
        }
        out.flush()?;
        return Ok(Outcome::Done);
    }
    Ok(Outcome::NothingFound)
}

fn compiled(fields: &Document) -> bson::Result<Projection> {
    Projection::parse(&RawDocumentBuf::try_from(fields)?)
}
