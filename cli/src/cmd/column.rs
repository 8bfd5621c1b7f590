//! `alluvium column`: lists, creates and drops columns, which keep the values of a path beside the documents. What they hold is the
//! library's business; this file calls it and prints paths.

use std::io::Write;

use serde_json::json;

use crate::args::{ColumnArguments, ColumnVerb};
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output;

/// Runs the verb.
pub(crate) fn run(arguments: &ColumnArguments) -> Result<Outcome> {
    match &arguments.verb {
        ColumnVerb::List(list) => {
            let path = list.place.database.as_path();
            let db = database::open_reader(path)?;
            let collection = database::collection(&db, path, list.place.collection.as_deref())?;
            let columns = collection.columns().at(path)?;
            let mut out = output::open(list.json);
            for column in &columns {
                if list.json {
                    output::json_line(&mut out, &json!({ "path": column }))?;
                } else {
                    writeln!(out, "{}", output::printable(column))?;
                }
            }
            out.flush()?;
            Ok(if columns.is_empty() { Outcome::NothingFound } else { Outcome::Done })
        }
        ColumnVerb::Create(column) => {
            let place = &column.place;
            database::change_collection(&place.database, place.collection.as_deref(), |things| {
                things.create_column(&column.path)
            })
        }
        ColumnVerb::Drop(column) => {
            let place = &column.place;
            database::change_collection(&place.database, place.collection.as_deref(), |things| {
                things.drop_column(&column.path)
            })
        }
    }
}
