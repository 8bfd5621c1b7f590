//! `alluvium compact`: everything in one run, nothing dead, the file cut. Says how long the file was and is. On a terminal a bar
//! shows how far it is.

use std::io::Write;

use indicatif::ProgressBar;
use serde_json::json;

use crate::args::CompactArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::{output, progress};

/// Runs the verb.
pub(crate) fn run(arguments: &CompactArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open(path)?;
    let before = db.stats().file_bytes;
    let bar = ProgressBar::new(0);
    let compacted = db.compact_with(|progress| progress::show(&bar, progress));
    bar.finish_and_clear();
    compacted.at(path)?;
    // The new run may stand behind the place of the old ones.
    db.shrink().at(path)?;
    let after = db.stats().file_bytes;
    db.close().at(path)?;
    let mut out = output::open(arguments.json);
    if arguments.json {
        output::json_line(&mut out, &json!({ "file_bytes_before": before, "file_bytes": after }))?;
    } else {
        writeln!(out, "{} before, {} now", output::bytes(before), output::bytes(after))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
