//! `alluvium stats`: what a file holds and how it is laid out, in figures that are cheap to have; with --deep also those
//! that need every leaf block. The figures are the library's; this file adds up the segments of each keyspace and shows
//! tables, or one JSON object. Nothing is written to the file.

use std::io::Write;
use std::path::Path;

use alluvium::lsm::{ContentFigures, KeyspaceFigures, Structure};
use alluvium::{CollectionFigures, Database};
use serde_json::{Value, json};

use crate::args::StatsArguments;
use crate::cmd::Outcome;
use crate::cmd::levels::{fill, keys_of_leaf};
use crate::database;
use crate::error::{At, Error, Result};
use crate::output::{self, STRONG, bytes, count};
use crate::table::Table;

/// Bytes of a page.
const PAGE_BYTES: u64 = alluvium::lsm::PAGE_BYTES;

/// Runs the verb.
pub(crate) fn run(arguments: &StatsArguments) -> Result<Outcome> {
    let path = arguments.file.database.as_path();
    let inspector = database::inspect(path)?;
    let structure = inspector.structure(arguments.deep).map_err(alluvium::Error::from).at(path)?;
    let collections = Database::collections_in(&inspector).at(path)?;
    let mut out = output::open(arguments.file.json);
    if arguments.file.json {
        let mut object = serde_json::to_value(&structure)
            .map_err(|error| Error::Other(format!("{}: {error}", path.display())))?;
        object["keyspaces"] = structure.keyspaces.iter().map(keyspace_json).collect();
        object["collections"] = json!(collections);
        output::json_line(&mut out, &object)?;
    } else {
        write_file(&mut out, path, &structure)?;
        write_collections(&mut out, &collections)?;
        write_keyspaces(&mut out, &structure)?;
        write_pages(&mut out, &structure)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// A keyspace with the sum of its runs in their place.
fn keyspace_json(keyspace: &KeyspaceFigures) -> Value {
    let levels = keyspace.runs.iter().map(|run| i64::from(run.level)).max();
    json!({
        "id": keyspace.id, "name": keyspace.name, "merge_operator": keyspace.merge_operator,
        "group_rewriter": keyspace.group_rewriter, "fresh_entries": keyspace.fresh_entries,
        "levels": levels.map_or(0, |level| level + 1), "runs": keyspace.runs.len(),
        "figures": sum(keyspace), "values": keyspace.values,
    })
}

fn sum(keyspace: &KeyspaceFigures) -> ContentFigures {
    let mut sum = ContentFigures::default();
    keyspace.runs.iter().for_each(|run| sum.add(&run.sum()));
    sum
}

fn write_file(out: &mut dyn Write, path: &Path, structure: &Structure) -> Result<()> {
    let closed = if structure.clean { "closed in order" } else { "not closed in order" };
    writeln!(
        out,
        "{STRONG}{}{STRONG:#}  {}, {closed}, commit {}, checkpoint {}",
        path.display(),
        bytes(structure.file_bytes),
        count(structure.commit.0),
        count(structure.generation),
    )?;
    Ok(())
}

fn write_collections(out: &mut dyn Write, collections: &[CollectionFigures]) -> Result<()> {
    let mut table =
        Table::new(&["<collection", "documents", "replaced or removed", "<text indexes"]);
    for collection in collections {
        table.row([
            collection.name.clone(),
            count(collection.documents),
            count(collection.doc_ids.saturating_sub(collection.documents)),
            collection.indexes.join(", "),
        ]);
    }
    section(out, &table, collections.is_empty())
}

fn write_keyspaces(out: &mut dyn Write, structure: &Structure) -> Result<()> {
    let mut table = Table::new(&[
        "<keyspace",
        "runs",
        "segments",
        "keys",
        "tombstones",
        "in log",
        "bytes",
        "raw",
        "values",
        "leaves/index",
        "keys/leaf",
        "fill",
    ]);
    let mut total = ContentFigures::default();
    for keyspace in &structure.keyspaces {
        let sum = sum(keyspace);
        total.add(&sum);
        table.row(content(
            &keyspace.name,
            keyspace.runs.len() as u64,
            keyspace.fresh_entries,
            &sum,
        ));
    }
    if structure.keyspaces.len() > 1 {
        let runs = structure.keyspaces.iter().map(|keyspace| keyspace.runs.len() as u64).sum();
        let fresh = structure.keyspaces.iter().map(|keyspace| keyspace.fresh_entries).sum();
        table.row(content("all", runs, fresh, &total));
    }
    section(out, &table, structure.keyspaces.is_empty())
}

fn content(name: &str, runs: u64, fresh: u64, sum: &ContentFigures) -> [String; 12] {
    let fan_out = match sum.segments {
        0 => "-".to_owned(),
        segments => format!("{:.0}", output::float(sum.leaf_blocks) / output::float(segments)),
    };
    [
        name.to_owned(),
        count(runs),
        count(sum.segments),
        count(sum.entries),
        count(sum.tombstones),
        count(fresh),
        bytes(sum.bytes),
        bytes(sum.raw_bytes),
        count(sum.external_values),
        fan_out,
        keys_of_leaf(sum),
        fill(sum),
    ]
}

fn write_pages(out: &mut dyn Write, structure: &Structure) -> Result<()> {
    let pages = &structure.pages;
    let mut table = Table::new(&["<pages of", "pages", "bytes"]);
    for (owner, number) in [
        ("segments", pages.segments),
        ("value segments", pages.values),
        ("log", pages.log),
        ("manifests", pages.manifests),
        ("descriptor and roots", pages.reserved),
        ("kept back for the older root", pages.deferred),
        ("nothing: free", pages.free),
        ("the file", pages.total),
    ] {
        table.row([owner.to_owned(), count(number), bytes(number * PAGE_BYTES)]);
    }
    section(out, &table, false)?;
    writeln!(out)?;
    let free = &structure.free;
    if free.pages > 0 {
        writeln!(
            out,
            "free space: {} extents, the largest of {}, fragmentation {:.2}",
            count(free.extents),
            bytes(free.largest_pages * PAGE_BYTES),
            free.fragmentation,
        )?;
    }
    if let Some(amplification) = structure.space_amplification {
        writeln!(out, "space amplification: {amplification:.2} bytes of file a byte of segments")?;
    }
    let log = &structure.log;
    writeln!(
        out,
        "log: {} extents, {} records ({} commits, {} edits), {}",
        count(log.extents),
        count(log.records),
        count(log.groups),
        count(log.edits),
        bytes(log.record_bytes),
    )?;
    if let Some(amplification) = log.write_amplification {
        writeln!(out, "write amplification, as far as the log tells: {amplification:.2}")?;
    }
    Ok(())
}

/// A table with an empty line before it.
fn section(out: &mut dyn Write, table: &Table, is_empty: bool) -> Result<()> {
    if !is_empty {
        writeln!(out)?;
    }
    table.write(out)
}
