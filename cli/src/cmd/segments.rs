//! `alluvium segments`: every segment of a file, run by run. The figures are the library's; this file shows them as a
//! table or as JSON, one object a segment.

use std::io::Write;

use alluvium::lsm::KeyspaceFigures;
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
    write_values(&mut out, &keyspaces, arguments.file.json)?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// The value segments, behind the others.
fn write_values(out: &mut dyn Write, keyspaces: &[KeyspaceFigures], is_json: bool) -> Result<()> {
    let mut table =
        Table::new(&["value segment", "<keyspace", "<pages", "alive", "stretches", "commit"]);
    let mut any = false;
    for keyspace in keyspaces {
        for values in &keyspace.values {
            any = true;
            if is_json {
                let object = json!({ "keyspace": keyspace.name, "value_segment": values });
                output::json_line(out, &object)?;
            }
            table.row([
                values.id.to_string(),
                keyspace.name.clone(),
                format!("{}..{}", values.start_page, values.start_page + values.pages),
                count(values.live_pages),
                count(values.stretches),
                values.commit.0.to_string(),
            ]);
        }
    }
    if any && !is_json {
        writeln!(out)?;
        table.write(out)?;
    }
    Ok(())
}
