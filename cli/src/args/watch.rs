//! How changes of a collection are followed: the arguments of `alluvium watch`. The verb checks whether the collection has changes of such a
//! number.

use std::path::PathBuf;

use clap::Args;

/// Follow the changes of a collection.
///
/// Prints what was stored and removed, one change a line, and goes on while this or another process writes to the file, until it is
/// interrupted or nobody reads its output any more. A document that was stored several times is told once, in its last form;
/// removals are told from when the collection tracks them.
#[derive(Debug, Args)]
#[command(after_help = "\
With --json, and whenever the output is no terminal, each change is an object on a line of its own: number, change (stored or
removed), _id, and document if it was stored. To go on later, give --since the last number and 1. Exit code 1 when there was no
change.")]
pub(crate) struct WatchArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Begin with the change of this number; 0 is everything that is there, new the next change that is made.
    #[arg(long, value_name = "NUMBER|new", value_parser = since, default_value = "0")]
    pub(crate) since: Since,
    /// End when everything that is there is told.
    #[arg(long)]
    pub(crate) once: bool,
    /// Leave out the documents.
    #[arg(long)]
    pub(crate) ids: bool,
    /// Print JSON on a terminal too.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where following begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// With the change of this number.
    Number(u64),
    /// With the next change that is made.
    New,
}

fn since(text: &str) -> Result<Since, String> {
    if text == "new" {
        return Ok(Since::New);
    }
    text.parse().map(Since::Number).map_err(|_| "expected a number, or new".to_owned())
}
