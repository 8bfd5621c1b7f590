//! `overload`: how long can a commit take when a writer never pauses?
//!
//! One thread commits random records as fast as it can, without syncs; every commit's time goes into a histogram. Beside it a
//! thread that only sleeps a millisecond at a time notes how late it is woken: what the machine does to a thread that has no
//! storage engine under it. It also samples the memory of the process. A commit that took long while that thread was late as
//! well was not the engine's doing.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, park_timeout};
use std::time::{Duration, Instant};

use alluvium::lsm::{self, Durability, KeyspaceOptions, Store};
use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::Result;
use crate::engines::{MEMORY_BYTES, OURS};
use crate::machine::Machine;
use crate::process::anonymous_bytes;
use crate::records::{Batch, shuffled};
use crate::report::{Figure, Line, Report, Unit};

/// Records among which the writer chooses.
const RECORDS: u32 = 2_000_000;

/// Records of a commit in the two variants.
const VARIANTS: [usize; 2] = [1, 10];

/// Commit times under sustained overload.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seconds that each variant runs.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Where the files are made and removed. Default: the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let report = Report { json: options.json };
    let machine = Machine::of(&folder);
    let seconds = options.seconds;
    let text = format!(
        "{}\n{seconds} s each of commits of one and of ten records, {} MiB of memory",
        machine.line(),
        MEMORY_BYTES >> 20
    );
    let object = json!({
        "bench": "overload",
        "machine": machine,
        "seconds": seconds,
        "memory_bytes": MEMORY_BYTES,
    });
    report.head(&text, &object)?;
    let mut lines = Vec::new();
    for records in VARIANTS {
        let folder = tempfile::tempdir_in(&folder)?;
        let options = lsm::Options { memory_bytes: MEMORY_BYTES as usize, ..Default::default() };
        let store = Store::open_file(folder.path().join("overload.alv"), options)?;
        let measured = overload(&store, records, Duration::from_secs(seconds))?;
        store.close()?;
        lines.extend(measured.lines(records));
    }
    report.figures(&lines, &[OURS.to_owned(), CONTROL.to_owned()])
}

/// The thread that only sleeps, among the engines.
const CONTROL: &str = "control";

/// Times in nanoseconds.
struct Measured {
    commits: Histogram<u64>,
    delays: Histogram<u64>,
    peak_bytes: u64,
    seconds: f64,
}

impl Measured {
    fn lines(&self, records: usize) -> Vec<Line> {
        let line = |row: &str, engine: &str, value: f64, unit| {
            let row = format!("{row}_of_{records}");
            let figure = Figure::of(&[value], unit);
            Line { bench: "overload", row, engine: engine.to_owned(), figure }
        };
        let mut lines = Vec::new();
        for (row, share) in [("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999), ("max", 1.0)] {
            for (engine, times) in [(OURS, &self.commits), (CONTROL, &self.delays)] {
                let value = times.value_at_quantile(share) as f64 / 1e3;
                lines.push(line(row, engine, value, Unit::Microseconds));
            }
        }
        lines.push(line("peak_rss_anon", OURS, self.peak_bytes as f64, Unit::Bytes));
        let rate = self.commits.len() as f64 / self.seconds;
        lines.push(line("commits_per_second", OURS, rate, Unit::PerSecond));
        lines
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn overload(store: &Store, records: usize, time: Duration) -> Result<Measured> {
    let mut transaction = store.begin()?;
    let keyspace = transaction.create_keyspace("overload", KeyspaceOptions::default())?;
    transaction.commit(Durability::Sync)?;
    let numbers = shuffled(RECORDS, 1);
    let mut commits = histogram()?;
    let mut batch = Batch::default();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let control = scope.spawn(|| watch(&stop));
        let start = Instant::now();
        let mut write = |numbers: &[u32]| -> Result<()> {
            batch.fill(numbers, 0);
            let start = Instant::now();
            let mut transaction = store.begin()?;
            for (key, value) in batch.iter() {
                transaction.put(keyspace, key, value)?;
            }
            transaction.commit(Durability::Buffered)?;
            commits.saturating_record(nanoseconds(start.elapsed()));
            Ok(())
        };
        let mut result = Ok(());
        let mut chunks = numbers.chunks(records).cycle();
        while result.is_ok() && start.elapsed() < time {
            result = chunks.next().map_or(Ok(()), &mut write);
        }
        let seconds = start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let (delays, peak_bytes) = control.join().map_err(|_| "the control thread panicked")??;
        result?;
        Ok(Measured { commits, delays, peak_bytes, seconds })
    })
}

/// Sleeps a millisecond at a time until told to stop: how late each wake-up was, and the most memory seen.
fn watch(stop: &AtomicBool) -> Result<(Histogram<u64>, u64)> {
    let nap = Duration::from_millis(1);
    let mut delays = histogram()?;
    let mut peak_bytes = 0;
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let start = Instant::now();
        park_timeout(nap);
        delays.saturating_record(nanoseconds(start.elapsed().saturating_sub(nap)).max(1));
        if turn % 50 == 0 {
            peak_bytes = peak_bytes.max(anonymous_bytes()?);
        }
    }
    Ok((delays, peak_bytes))
}
