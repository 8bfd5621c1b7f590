//! `alluvium segments`: every segment of a file, run by run. The figures are the library's; this file shows them as a
//! table or as JSON, one object a segment.

use std::io::Write;

use serde_json::json;

use crate::args::DeepArguments;
use crate::cmd::Outcome;
use crate::cmd::levels::{fill, keys_of_leaf, keyspaces};
use crate::error::Result;
use crate::output::{self, bytes, count};
use crate::table::Table;

/// Runs the verb.
pub(crate) fn run(arguments: &DeepArguments) -> Result<Outcome> {
    let keyspaces = keyspaces(arguments)?;
    let mut out = output::open(arguments.file.json);
    let mut table = Table::new(&[
        "segment",
        "<keyspace",
        "level",
        "run",
        "<pages",
        "keys",
        "tombstones",
        "bytes",
        "leaves",
        "keys/leaf",
        "fill",
        "commits",
        "<first key",
        "<last key",
    ]);
    for keyspace in &keyspaces {
        for run in &keyspace.runs {
            for segment in &run.segments {
                if arguments.file.json {
                    let object = json!({
                        "keyspace": keyspace.name, "level": run.level, "run": run.run,
                        "segment": segment,
                    });
                    output::json_line(&mut out, &object)?;
                }
                let figures = &segment.figures;
                table.row([
                    segment.id.to_string(),
                    keyspace.name.clone(),
                    run.level.to_string(),
                    run.run.to_string(),
                    format!("{}..{}", segment.start_page, segment.start_page + segment.pages),
                    count(figures.entries),
                    count(figures.tombstones),
                    bytes(figures.bytes),
                    count(figures.leaf_blocks),
                    keys_of_leaf(figures),
                    fill(figures),
                    format!("{}-{}", segment.first_commit.0, segment.last_commit.0),
                    segment.smallest.clone(),
                    segment.greatest.clone(),
                ]);
            }
        }
    }
    if !arguments.file.json {
        table.write(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
