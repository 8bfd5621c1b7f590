//! `alluvium blocks`: the leaf blocks of one segment, as a table or as JSON, one object a block. A damaged block is a row
//! that says so, and the exit code tells it too.

use std::io::Write;

use alluvium::lsm::SegmentId;

use crate::args::BlocksArguments;
use crate::cmd::Outcome;
use crate::database;
use crate::error::{At, Result};
use crate::output::{self, bytes, count};
use crate::table::Table;

/// Runs the verb.
pub(crate) fn run(arguments: &BlocksArguments) -> Result<Outcome> {
    let path = arguments.file.database.as_path();
    let blocks = database::inspect(path)?.blocks(SegmentId(arguments.segment));
    let blocks = blocks.map_err(alluvium::Error::from).at(path)?;
    let mut out = output::open(arguments.file.json);
    let mut table = Table::new(&[
        "offset",
        "page",
        "stored",
        "raw",
        "keys",
        "tombstones",
        "external",
        "<first key",
        "<last key",
        "<separator",
    ]);
    for block in &blocks {
        if arguments.file.json {
            output::json_line(&mut out, block)?;
        }
        let first = match &block.damage {
            Some(damage) => format!("DAMAGED: {damage}"),
            None => block.first.clone(),
        };
        table.row([
            format!("{:#x}", block.offset),
            block.page.to_string(),
            bytes(block.stored_bytes),
            bytes(block.raw_bytes),
            count(block.keys),
            count(block.tombstones),
            count(block.external_values),
            first,
            block.last.clone(),
            block.separator.clone(),
        ]);
    }
    if !arguments.file.json {
        table.write(&mut out)?;
    }
    out.flush()?;
    let sound = blocks.iter().all(|block| block.damage.is_none());
    Ok(if sound { Outcome::Done } else { Outcome::NotSound })
}
