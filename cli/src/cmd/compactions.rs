//! `alluvium compactions`: the flushes, compactions and moves that the log tells of, oldest first, as a table or as JSON,
//! one object an edit. A file that was closed in order has none: the last checkpoint holds them all.

use std::io::Write;

use crate::args::FileArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output::{self, bytes, count};
use crate::table::Table;

/// Numbers of segments that a row lists.
const IDS_SHOWN: usize = 6;

/// Runs the verb.
pub(crate) fn run(arguments: &FileArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let edits = database::inspect(path)?.edits().map_err(alluvium::Error::from).at(path)?;
    let mut out = output::open(arguments.json);
    let mut table = Table::new(&[
        "record",
        "<kind",
        "<keyspaces",
        "to level",
        "keys",
        "bytes",
        "<read",
        "<moved",
        "<written",
    ]);
    for edit in &edits {
        if arguments.json {
            output::json_line(&mut out, edit)?;
        }
        table.row([
            edit.record.to_string(),
            edit.kind.to_owned(),
            edit.keyspaces.join(", "),
            edit.level.map_or("-".to_owned(), |level| level.to_string()),
            count(edit.entries),
            bytes(edit.bytes),
            ids(&edit.removed),
            ids(&edit.moved),
            ids(&edit.added),
        ]);
    }
    if !arguments.json {
        if edits.is_empty() {
            writeln!(out, "None since the last checkpoint.")?;
        }
        table.write(&mut out)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn ids(ids: &[u64]) -> String {
    let shown: Vec<String> = ids.iter().take(IDS_SHOWN).map(u64::to_string).collect();
    match ids.len().saturating_sub(IDS_SHOWN) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}
