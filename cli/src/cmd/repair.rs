//! `alluvium repair`: the documents of a damaged file in a new one. The work is the library's; this file shows how far it
//! is, and prints what was recovered and what was not, as text or as one JSON object.

use std::io::Write;

use alluvium::lsm::Loss;
use alluvium::{Database, Options};
use indicatif::ProgressBar;
use serde_json::json;

use crate::args::RepairArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Error, Result};
use crate::output::{self, STRONG, bytes, count, printable};
use crate::table::Table;

/// Lost places that are listed.
const PLACES_SHOWN: usize = 20;

/// Runs the verb.
pub(crate) fn run(arguments: &RepairArguments) -> Result<Outcome> {
    let path = arguments.source.as_path();
    database::present(path)?;
    let memory_bytes = usize::try_from(arguments.memory.bytes).unwrap_or(usize::MAX);
    let options = Options::new().memory_bytes(memory_bytes);
    let bar = ProgressBar::new(0);
    let report = Database::repair_with(path, &arguments.target, options, |progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
        if progress.documents > 0 {
            bar.set_message(count(progress.documents));
        }
    });
    bar.finish_and_clear();
    let report = report.at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        let mut object = serde_json::to_value(&report)
            .map_err(|error| Error::Other(format!("{}: {error}", path.display())))?;
        object["complete"] = json!(report.is_complete());
        output::json_line(&mut out, &object)?;
    } else {
        let target = arguments.target.display();
        writeln!(out, "{STRONG}{target}{STRONG:#} has {} documents.", count(report.documents))?;
        if let Some(trouble) = &report.trouble {
            writeln!(out, "The damaged file does not open: {}", printable(trouble))?;
        }
        let mut table = Table::new(&["<collection", "recovered", "there were"]);
        for collection in &report.collections {
            table.row([
                collection.name.clone(),
                count(collection.documents),
                collection.expected.map_or("not known".to_owned(), count),
            ]);
        }
        table.write(&mut out)?;
        write_places(&mut out, "damaged in indexes, which are new now", &report.rebuilt)?;
        write_places(&mut out, "lost", &report.losses)?;
        if report.is_complete() {
            writeln!(out, "Nothing is known to be lost.")?;
        } else {
            writeln!(out, "{} are known to be lost.", bytes(report.lost_bytes))?;
        }
    }
    out.flush()?;
    Ok(if report.is_complete() { Outcome::Done } else { Outcome::Incomplete })
}

fn write_places(out: &mut dyn Write, title: &str, losses: &[Loss]) -> Result<()> {
    if losses.is_empty() {
        return Ok(());
    }
    writeln!(out, "{STRONG}{title}{STRONG:#}")?;
    for loss in losses.iter().take(PLACES_SHOWN) {
        writeln!(
            out,
            "  {}, keys {}: {} ({})",
            printable(&loss.keyspace),
            printable(&loss.keys),
            printable(&loss.what),
            printable(&loss.place),
        )?;
    }
    if let Some(more) = losses.len().checked_sub(PLACES_SHOWN).filter(|&more| more > 0) {
        writeln!(out, "  and {more} more, which --json lists")?;
    }
    Ok(())
}
