//! `values`: documents by their values, alone and beside a search, sorted and counted, beside tantivy.
//!
//! A million documents of 20 words with a year, a kind, a price and up to three tags. Both engines get what makes the questions fast:
//! value indexes and columns here, indexed and fast fields there; each is one run or segment when it is asked. The engines take
//! turns; the answers have to agree: counts, the ten best scores, the ten largest buckets, the ten greatest prices.

mod data;
mod ours;
mod rival;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use crate::Result;
use crate::machine::Machine;
use crate::process::disk_bytes;
use crate::report::{Figure, Line, Report, Unit, set_ratios};
use data::{Question, Record, questions, records};

/// Filters, sorts and facets.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// 20,000 documents and 2 passes.
    #[arg(long)]
    quick: bool,
    /// How often each question is asked.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    passes: u32,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Where the files are made and removed. Default: the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// An engine that has all documents.
trait Engine {
    /// Counts, scores or prices, whichever is wanted.
    fn ask(&self, question: &Question) -> Result<Vec<f64>>;
}

type Build = fn(&mut dyn Iterator<Item = Record>, &Path) -> Result<Box<dyn Engine>>;

const ENGINES: [(&str, Build); 2] = [("alluvium", ours::build), ("tantivy", rival::build)];

/// How far scores may lie apart, as a part of themselves.
const SCORES_APART_MAX: f64 = 1e-4;

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (len, passes) = if options.quick { (20_000, 2) } else { (1_000_000, options.passes) };
    let folder = match &options.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let report = Report { json: options.json };
    let machine = Machine::of(folder.path());
    let text = format!("{}\n{len} documents, {passes} passes", machine.line());
    let object =
        json!({ "bench": "values", "machine": machine, "documents": len, "passes": passes });
    report.head(&text, &object)?;
    let mut engines = Vec::new();
    let mut lines = Vec::new();
    for (name, build) in ENGINES {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder)?;
        let start = Instant::now();
        engines.push((name, build(&mut records(len), &folder)?));
        let seconds = start.elapsed().as_secs_f64();
        for (row, value, unit) in
            [("build", seconds, Unit::Seconds), ("bytes", disk_bytes(&folder)? as f64, Unit::Bytes)]
        {
            lines.push(line(row, name, Figure::of(&[value], unit)));
        }
    }
    for question in questions() {
        let mut times = vec![Vec::new(); engines.len()];
        for pass in 0..passes as usize {
            let mut answers = Vec::new();
            for turn in 0..engines.len() {
                let place = (pass + turn) % engines.len();
                let (name, engine) = &engines[place];
                let start = Instant::now();
                let answer = engine.ask(&question)?;
                times[place].push(start.elapsed().as_secs_f64() * 1e6);
                answers.push((*name, answer));
            }
            agree(&question, &answers)?;
        }
        for ((name, _), times) in engines.iter().zip(&times) {
            lines.push(line(question.row, name, Figure::of(times, Unit::Microseconds)));
        }
    }
    set_ratios(&mut lines, ENGINES[0].0, ENGINES[1].0);
    report.figures(&lines, &ENGINES.map(|(name, _)| name.to_owned()))
}

fn line(row: &str, engine: &str, figure: Figure) -> Line {
    Line { bench: "values", row: row.to_owned(), engine: engine.to_owned(), figure }
}

/// Refuses answers that differ.
fn agree(question: &Question, answers: &[(&str, Vec<f64>)]) -> Result<()> {
    let [(_, first), others @ ..] = answers else { return Ok(()) };
    for (name, other) in others {
        let is_near = |(left, right): (&f64, &f64)| {
            (left - right).abs() <= SCORES_APART_MAX * left.abs().max(right.abs())
        };
        if first.len() != other.len() || !first.iter().zip(other).all(is_near) {
            let row = question.row;
            return Err(format!("{row}: {name} says {other:?}, {} {first:?}", answers[0].0).into());
        }
    }
    Ok(())
}
