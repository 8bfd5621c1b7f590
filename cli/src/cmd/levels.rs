//! `alluvium levels`: the runs of every keyspace, level by level, newest first. The figures are the library's; this file
//! adds up the segments of each run and shows them as a table or as JSON, one object a run.

use std::io::Write;

use alluvium::lsm::{ContentFigures, KeyspaceFigures};
use serde_json::json;

use crate::args::DeepArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output::{self, bytes, count};
use crate::table::Table;

/// Runs the verb.
pub(crate) fn run(arguments: &DeepArguments) -> Result<Outcome> {
    let keyspaces = keyspaces(arguments)?;
    let mut out = output::open(arguments.file.json);
    let mut table = Table::new(&[
        "<keyspace",
        "level",
        "run",
        "segments",
        "keys",
        "tombstones",
        "bytes",
        "raw",
        "leaves",
        "keys/leaf",
        "fill",
    ]);
    for keyspace in &keyspaces {
        for run in &keyspace.runs {
            let sum = run.sum();
            if arguments.file.json {
                let object = json!({
                    "keyspace": keyspace.name, "level": run.level, "run": run.run, "figures": sum,
                });
                output::json_line(&mut out, &object)?;
            }
            table.row([
                keyspace.name.clone(),
                run.level.to_string(),
                run.run.to_string(),
                count(sum.segments),
                count(sum.entries),
                count(sum.tombstones),
                bytes(sum.bytes),
                bytes(sum.raw_bytes),
                count(sum.leaf_blocks),
                keys_of_leaf(&sum),
                fill(&sum),
            ]);
        }
    }
    if !arguments.file.json {
        table.write(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// The keyspaces to show: all, or the one that is named.
pub(crate) fn keyspaces(arguments: &DeepArguments) -> Result<Vec<KeyspaceFigures>> {
    let path = arguments.file.database.as_path();
    let structure = database::inspect(path)?.structure(arguments.deep);
    let mut keyspaces = structure.map_err(alluvium::Error::from).at(path)?.keyspaces;
    let Some(wanted) = &arguments.keyspace else { return Ok(keyspaces) };
    let names: Vec<String> = keyspaces.iter().map(|keyspace| keyspace.name.clone()).collect();
    keyspaces.retain(|keyspace| keyspace.name == *wanted);
    if keyspaces.is_empty() {
        return Err(Error::Other(format!(
            "{}: there is no keyspace `{wanted}`; name one of: {}",
            path.display(),
            names.join(", ")
        )));
    }
    Ok(keyspaces)
}

/// Fewest, mean and most keys of a leaf when they were counted, else the mean that the properties give.
pub(crate) fn keys_of_leaf(figures: &ContentFigures) -> String {
    match &figures.leaves {
        Some(leaves) => {
            let mean = leaves.keys_mean().unwrap_or_default();
            format!("{}/{mean:.0}/{}", leaves.keys_min, leaves.keys_max)
        }
        None if figures.leaf_blocks == 0 => "-".to_owned(),
        None => {
            let mean = output::float(figures.entries) / output::float(figures.leaf_blocks);
            format!("{mean:.0}")
        }
    }
}

/// How full leaves are, when that was counted.
pub(crate) fn fill(figures: &ContentFigures) -> String {
    let fill = figures.leaves.as_ref().and_then(alluvium::lsm::LeafFigures::fill);
    fill.map_or("-".to_owned(), |fill| format!("{:.0} %", fill * 100.0))
}
