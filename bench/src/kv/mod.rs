//! `kv`: the storage core beside other engines on the same records.
//!
//! In each round the engines take turns, each in a fresh folder and in a process of its own ([`workload`] runs there), so that
//! memory is counted for each and no thread of one disturbs the next. The engine that begins moves on by one every round.
//! A process writes one JSON object a row to its output; this file gathers them into figures.

mod workload;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use serde_json::{Value, json};

use self::workload::{Plan, Row};
use crate::Result;
use crate::engines::{self, ENGINES, MEMORY_BYTES, OURS, Rival};
use crate::machine::{Machine, version_of};
use crate::report::{Figure, Line, Report, Unit, show_progress};

/// The name under which one write and `fdatasync` of a record appear among the engines.
const FDATASYNC: &str = "fdatasync";

/// Storage engines side by side.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// 20,000 records and one round, to see that everything works; the figures mean little.
    #[arg(long)]
    quick: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Engines to run, with commas; all of this build by default.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Rounds, of which the median is shown. Default: 5, or 1 with --quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// Records. Default: 2,000,000, or 20,000 with --quick.
    #[arg(long)]
    records: Option<u32>,
    /// Where the files are made and removed: the device that is measured. Default: the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Run the workloads with one engine in this process and this folder.
    #[arg(long, hide = true, requires = "folder")]
    child: Option<String>,
}

/// What was measured.
#[derive(Default)]
struct Values {
    /// Of every row and engine, one for each round.
    of: BTreeMap<(Row, String), Vec<f64>>,
    /// `fdatasync` in our own processes alone, one for each round: what our commits are measured by.
    beside_ours: BTreeMap<Row, Vec<f64>>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let plan = Plan::new(options.quick, options.records);
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    if let Some(name) = &options.child {
        return child(engines::named(name)?, &folder, &plan);
    }
    let engines = chosen(&options.engines)?;
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 5 }).max(1);
    let report = Report { json: options.json };
    head(report, &Machine::of(&folder), &engines, &plan, rounds)?;
    let mut values = Values::default();
    for round in 0..rounds {
        for turn in 0..engines.len() {
            let engine = engines[(round + turn) % engines.len()];
            show_progress(&format!("round {} of {rounds}: {}", round + 1, engine.name));
            spawn(engine, &folder, options, &mut values)?;
        }
    }
    let mut columns: Vec<String> = engines.iter().map(|engine| engine.name.to_owned()).collect();
    columns.push(FDATASYNC.to_owned());
    report.figures(&lines(&values, &columns), &columns)
}

/// The engines of these names; all when there are none. Our own is always the first of the table.
fn chosen(names: &[String]) -> Result<Vec<&'static Rival>> {
    if names.is_empty() {
        return Ok(ENGINES.iter().collect());
    }
    names.iter().map(|name| engines::named(name)).collect()
}

fn head(
    report: Report,
    machine: &Machine,
    engines: &[&Rival],
    plan: &Plan,
    rounds: usize,
) -> Result<()> {
    let versions: Vec<(&str, &str)> =
        engines.iter().map(|engine| (engine.name, version_of(engine.package))).collect();
    let shown: Vec<String> =
        versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let text = format!(
        "{}\n{} records, median of {rounds} rounds, {} MiB of memory each · {}",
        machine.line(),
        plan.records,
        MEMORY_BYTES >> 20,
        shown.join(", ")
    );
    let versions: serde_json::Map<String, Value> =
        versions.iter().map(|&(name, version)| (name.to_owned(), version.into())).collect();
    let object = json!({
        "bench": "kv",
        "machine": machine,
        "rounds": rounds,
        "records": plan.records,
        "memory_bytes": MEMORY_BYTES,
        "engines": versions,
    });
    report.head(&text, &object)
}

/// Runs the workloads here and writes each row as it is known.
fn child(engine: &Rival, folder: &Path, plan: &Plan) -> Result<()> {
    workload::run(engine, folder, plan, &mut |row, engine, value| {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, &json!({ "row": row, "engine": engine, "value": value }))?;
        writeln!(out)?;
        Ok(())
    })
}

/// Runs the workloads with one engine in a process of its own, and gathers what it writes.
fn spawn(engine: &Rival, folder: &Path, options: &Options, values: &mut Values) -> Result<()> {
    let fresh = tempfile::tempdir_in(folder)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["kv", "--child", engine.name, "--folder"]).arg(fresh.path());
    if options.quick {
        command.arg("--quick");
    }
    if let Some(records) = options.records {
        command.args(["--records", &records.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{} stopped: {}", engine.name, output.status).into());
    }
    for line in String::from_utf8(output.stdout)?.lines() {
        let measured: Measured = serde_json::from_str(line)?;
        if engine.name == OURS && measured.engine == FDATASYNC {
            values.beside_ours.entry(measured.row).or_default().push(measured.value);
        }
        values.of.entry((measured.row, measured.engine)).or_default().push(measured.value);
    }
    Ok(())
}

/// What a child writes of each row.
#[derive(serde::Deserialize)]
struct Measured {
    row: Row,
    engine: String,
    value: f64,
}

/// All figures, row by row; ours with its ratio to the best of the others, to `fdatasync` of the same process, or, beside
/// compactions and overwrites, to what the same commits took without them.
fn lines(values: &Values, columns: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    for &row in Row::ALL {
        let figure = |engine: &String| {
            let values = values.of.get(&(row, engine.clone()))?;
            Some(Figure::of(values, row.unit()))
        };
        let rivals = columns.iter().filter(|engine| *engine != OURS).filter_map(figure);
        let best = rivals.map(|figure| figure.value).min_by(f64::total_cmp);
        let bare = match row {
            Row::CommitP99Merging | Row::CommitP99Compacting => {
                values.of.get(&(Row::CommitP99, OURS.to_owned()))
            }
            _ => values.beside_ours.get(&row),
        };
        for engine in columns {
            let Some(mut figure) = figure(engine) else { continue };
            if engine == OURS {
                let to_best = best.map(|best| figure.value / best);
                figure.ratio = bare.and_then(|bare| values.ratio_to(row, bare)).or(to_best);
            }
            lines.push(Line {
                bench: "kv",
                row: row.name().to_owned(),
                engine: engine.clone(),
                figure,
            });
        }
    }
    lines
}

impl Values {
    /// The median ratio of our own values to these of the same rounds.
    fn ratio_to(&self, row: Row, bare: &[f64]) -> Option<f64> {
        let ours = self.of.get(&(row, OURS.to_owned()))?;
        let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| ours / bare).collect();
        (!ratios.is_empty()).then(|| Figure::of(&ratios, Unit::One).value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_runs_every_row() {
        for engine in ENGINES {
            let folder = tempfile::tempdir().unwrap();
            let mut rows = Vec::new();
            let plan = Plan::new(true, Some(3000));
            workload::run(engine, folder.path(), &plan, &mut |row, name, value| {
                assert!(value > 0.0, "{} has no {}", engine.name, row.name());
                rows.extend((name == engine.name).then_some(row));
                Ok(())
            })
            .unwrap();
            rows.sort_unstable();
            let compacts = [OURS, "fjall", "rocksdb"].contains(&engine.name);
            let has = |row: &Row| *row != Row::CommitP99Merging || compacts;
            let expected: Vec<_> = Row::ALL.iter().copied().filter(has).collect();
            assert_eq!(rows, expected, "{}", engine.name);
        }
    }

    #[test]
    fn ratios_are_ours_to_the_best_rival() {
        let mut values = Values::default();
        for (engine, value) in [(OURS, 3.0), ("fjall", 6.0), ("redb", 9.0)] {
            values.of.insert((Row::Get, engine.to_owned()), vec![value]);
        }
        let columns = [OURS, "fjall", "redb"].map(str::to_owned);
        let ratios: Vec<_> =
            lines(&values, &columns).iter().map(|line| line.figure.ratio).collect();
        assert_eq!(ratios, [Some(0.5), None, None]);
    }

    #[test]
    fn commits_beside_others_are_measured_by_those_without_in_the_same_process_and_round() {
        let mut values = Values::default();
        let mut note = |row: Row, engine: &str, rounds: [f64; 3]| {
            values.of.insert((row, engine.to_owned()), rounds.to_vec());
        };
        note(Row::CommitP99, OURS, [100.0, 200.0, 300.0]);
        note(Row::CommitP99Merging, OURS, [300.0, 300.0, 300.0]);
        note(Row::CommitP99Compacting, OURS, [600.0, 600.0, 600.0]);
        note(Row::CommitP99Compacting, "redb", [1.0, 1.0, 1.0]);
        let lines = lines(&values, &[OURS, "redb"].map(str::to_owned));
        for (row, ratio) in [(Row::CommitP99Merging, 1.5), (Row::CommitP99Compacting, 3.0)] {
            let line = lines.iter().find(|line| line.row == row.name());
            assert_eq!(line.unwrap().figure.ratio, Some(ratio));
        }
    }

    #[test]
    fn commits_are_measured_by_what_the_device_did_in_the_same_process_and_round() {
        let mut values = Values::default();
        let mut note = |engine: &str, rounds: [f64; 3]| {
            values.of.insert((Row::Commit, engine.to_owned()), rounds.to_vec());
        };
        note(OURS, [100.0, 10.0, 33.0]);
        // Whatever others met in their turns.
        note("redb", [1.0, 1.0, 1.0]);
        note(FDATASYNC, [1.0, 2.0, 90.0]);
        values.beside_ours.insert(Row::Commit, vec![100.0, 8.0, 30.0]);
        let columns = [OURS, "redb", FDATASYNC].map(str::to_owned);
        let ratios: Vec<_> =
            lines(&values, &columns).iter().map(|line| line.figure.ratio).collect();
        assert_eq!(ratios, [Some(1.1), None, None]);
    }
}
