//! The `alluvium` command: imports, searches, measures and checks database files from a shell.
//!
//! This file reads the command line, calls one verb of [`cmd`] and turns what it returns into an
//! exit code. Verbs build on the library's facade alone; what they share is in `database` (opening
//! files, collections, identifiers), `documents` (from records to transactions), `output` and
//! `progress`.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; `search`, `like`, `complete`, `suggest` and `find` found something, `get` found the document, `check` found nothing wrong |
//! | 1 | one of these found nothing, `analyze` left nothing of the text, `get` found no such document, `watch --once` no change, `index list` no index, `repair` could not recover everything |
//! | 2 | an error, told in one line on standard error; `check` or `page` found something wrong; `eval` found a regression |
//!
//! A reader of the output that goes away (`alluvium search … | head -1`) is not an error.

mod args;
mod cmd;
mod database;
mod documents;
mod error;
mod output;
mod progress;
mod report;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{CommandLine, Verb};
use cmd::Outcome;
use error::Result;

fn main() -> ExitCode {
    let arguments = CommandLine::parse();
    match run(&arguments.verb) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::NothingFound | Outcome::Incomplete) => ExitCode::from(1),
        Ok(Outcome::NotSound | Outcome::Worse) => ExitCode::from(2),
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            let style = output::ERROR;
            // Nobody is left to tell when standard error is closed too.
            let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {error}");
            ExitCode::from(2)
        }
    }
}

fn run(verb: &Verb) -> Result<Outcome> {
    match verb {
        Verb::Demo(arguments) => cmd::demo::run(arguments),
        Verb::Import(arguments) => cmd::import::run(arguments),
        Verb::Export(arguments) => cmd::export::run(arguments),
        Verb::Search(arguments) => cmd::search::run(arguments),
        Verb::Like(arguments) => cmd::like::run(arguments),
        Verb::Complete(arguments) => cmd::complete::run(arguments),
        Verb::Suggest(arguments) => cmd::suggest::run(arguments),
        Verb::Analyze(arguments) => cmd::analyze::run(arguments),
        Verb::Find(arguments) => cmd::find::run(arguments),
        Verb::Get(arguments) => cmd::get::run(arguments),
        Verb::Watch(arguments) => cmd::watch::run(arguments),
        Verb::Aggregate(arguments) => cmd::aggregate::run(arguments),
        Verb::Column(arguments) => cmd::column::run(arguments),
        Verb::Index(arguments) => cmd::index::run(arguments),
        Verb::Reindex(arguments) => cmd::reindex::run(arguments),
        Verb::Eval(arguments) => cmd::eval::run(arguments),
        Verb::Stats(arguments) => cmd::stats::run(arguments),
        Verb::Check(arguments) => cmd::check::run(arguments),
        Verb::Compact(arguments) => cmd::compact::run(arguments),
        Verb::Shrink(arguments) => cmd::shrink::run(arguments),
        Verb::Backup(arguments) => cmd::backup::run(arguments),
        Verb::Levels(arguments) => cmd::levels::run(arguments),
        Verb::Segments(arguments) => cmd::segments::run(arguments),
        Verb::Blocks(arguments) => cmd::blocks::run(arguments),
        Verb::Page(arguments) => cmd::page::run(arguments),
        Verb::Compactions(arguments) => cmd::compactions::run(arguments),
        Verb::Dump(arguments) => cmd::dump::run(arguments),
        Verb::Repair(arguments) => cmd::repair::run(arguments),
    }
}
