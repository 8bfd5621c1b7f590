//! `alluvium-bench`: measurements of Alluvium, side by side with other engines where there are any.
//!
//! Each verb is a file or a folder. They share the records that are written ([`records`]), the face of the engines
//! ([`engines`]), what the kernel knows of a process ([`process`]), and how figures are shown ([`report`]).
//! `bench/README.md` says how to run them and what each row means.

mod churn;
mod driver;
mod engines;
mod generate;
mod index;
mod kv;
mod lucene;
mod machine;
mod overload;
mod process;
mod records;
mod report;
mod search;
mod values;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::search::Disagreement;

/// Any error: a benchmark that meets one stops and shows it.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Measurements of Alluvium, beside other engines where there are any.
#[derive(Debug, Parser)]
#[command(name = "alluvium-bench", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Kv(kv::Options),
    Churn(churn::Options),
    Overload(overload::Options),
    Search(search::Options),
    Values(values::Options),
    Index(index::Options),
    Generate(generate::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Kv(options) => kv::run(&options),
        Verb::Churn(options) => churn::run(&options),
        Verb::Overload(options) => overload::run(&options),
        Verb::Search(options) => search::run(&options),
        Verb::Values(options) => values::run(&options),
        Verb::Index(options) => index::run(&options),
        Verb::Generate(options) => generate::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even this cannot be shown.
            let _ = writeln!(anstream::stderr(), "error: {error}");
            if error.is::<Disagreement>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
