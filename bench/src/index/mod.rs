//! `index`: how fast documents become a searchable file, how large it is, and what one durable change costs, beside other engines.
//!
//! Every build runs in a process of its own, which this program starts as itself: so that the memory of one engine is not that of
//! another, and so that the engines take turns on a machine in the same state. With one thread the whole process, whatever threads
//! its engine has, is kept on one processor. The documents are in memory before the clock starts; it stops when
//! the engine says that they are durable and its background threads have nothing left to do. All engines store the documents.
//!
//! Changes of single documents follow the build on two threads: each is durable and visible to the next search when its clock stops, and a
//! search that nobody times makes sure of it.

mod child;
mod corpus;
mod engines;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::json;

use crate::Result;
use crate::engines::OURS;
use crate::machine::Machine;
use crate::report::{Figure, Line, Report, Unit, json_line, set_ratios, show_progress};
use crate::search::BUNDLED;
use child::Built;

/// Building indexes, and changing them.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Documents: a file with {"title": …, "text": …} a line, perhaps .gz. Default: the
    /// bundled corpus.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// At most so many documents.
    #[arg(long, default_value_t = usize::MAX)]
    documents: usize,
    /// Engines, separated by commas. Default: all.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// How often each index is built.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Single documents that are inserted, changed and removed; they are written in the first round.
    #[arg(long, default_value_t = 1000)]
    writes: u32,
    /// 2,000 documents, one round and 10 writes.
    #[arg(long)]
    quick: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Where the files are made and removed. Default: the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// What a process of its own does: build with this engine.
    #[arg(long, hide = true)]
    only: Option<String>,
    /// On so many threads.
    #[arg(long, hide = true, default_value_t = 1)]
    threads: usize,
}

/// Threads of a build, and its row.
const BUILDS: [(usize, &str); 2] = [(1, "build_1t"), (2, "build_2t")];

/// Runs the benchmark, or one build of it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let path = options.corpus.as_deref().unwrap_or(Path::new(BUNDLED));
    if let Some(name) = &options.only {
        let corpus = corpus::read(path, options.documents)?;
        let rival = engines::find(name)?;
        return json_line(&child::run(rival, &corpus, options.threads, options.writes, &folder)?);
    }
    let report = Report { json: options.json };
    let rivals = engines::chosen(&options.engines, show_progress)?;
    let (len, rounds, writes) = if options.quick {
        (options.documents.min(2_000), 1, 10)
    } else {
        (options.documents, options.rounds, options.writes)
    };
    let made = tempfile::tempdir_in(&folder)?;
    let text_bytes = corpus::read(path, len)?.text_bytes();
    let machine = Machine::of(&folder);
    let sync_us = child::sync_us(made.path())?;
    report.head(
        &format!(
            "{}\n{:.1} MB of text, {rounds} rounds, {writes} writes; one fdatasync {sync_us:.0} µs",
            machine.line(),
            text_bytes as f64 / 1e6
        ),
        &json!({
            "bench": "index",
            "machine": machine,
            "text_bytes": text_bytes,
            "rounds": rounds,
            "writes": writes,
            "fdatasync_us": sync_us,
        }),
    )?;
    let mut figures = Figures::default();
    for round in 0..rounds {
        for &(threads, row) in &BUILDS {
            for rival in rivals.iter().filter(|rival| threads <= rival.threads_max) {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["index", "--only", rival.name, "--corpus"]).arg(path);
                command.args(["--documents", &len.to_string(), "--threads", &threads.to_string()]);
                let written = if round == 0 && threads == rival.threads_max { writes } else { 0 };
                command.args(["--writes", &written.to_string(), "--folder"]).arg(made.path());
                let output = command.stderr(Stdio::inherit()).output()?;
                if !output.status.success() {
                    return Err(format!("{} failed; its words stand above", rival.name).into());
                }
                figures.add(rival.name, row, &serde_json::from_slice(&output.stdout)?);
            }
        }
    }
    let mut lines = figures.lines();
    set_ratios(&mut lines, OURS, engines::TANTIVY);
    let columns: Vec<String> = rivals.iter().map(|rival| rival.name.to_owned()).collect();
    report.figures(&lines, &columns)
}

/// What all builds said, by engine and row.
#[derive(Default)]
struct Figures(Vec<(&'static str, &'static str, Unit, Vec<f64>)>);

impl Figures {
    fn add(&mut self, engine: &'static str, build: &'static str, built: &Built) {
        // Memory and file are those of one thread.
        let of_one = |bytes: u64| (build == BUILDS[0].1).then_some(bytes as f64);
        for (row, unit, value) in [
            (build, Unit::Seconds, Some(built.seconds)),
            ("bytes", Unit::Bytes, of_one(built.bytes)),
            ("peak_rss", Unit::Bytes, of_one(built.peak_bytes)),
            ("insert_commit", Unit::Microseconds, built.insert_us),
            ("update_commit", Unit::Microseconds, built.update_us),
            ("delete_commit", Unit::Microseconds, built.delete_us),
        ] {
            let Some(value) = value else { continue };
            match self.0.iter_mut().find(|(of, other, ..)| (*of, *other) == (engine, row)) {
                Some((.., values)) => values.push(value),
                None => self.0.push((engine, row, unit, vec![value])),
            }
        }
    }

    fn lines(self) -> Vec<Line> {
        let line = |(engine, row, unit, values): (&str, &str, Unit, Vec<f64>)| Line {
            bench: "index",
            row: row.to_owned(),
            engine: engine.to_owned(),
            figure: Figure::of(&values, unit),
        };
        self.0.into_iter().map(line).collect()
    }
}
