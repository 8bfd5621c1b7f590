//! What one engine does in one round, in a process of its own.
//!
//! 1. Sorted load into a folder of its own, which is then removed.
//! 2. Random load; the engine settles and is closed; size on disk; opened again.
//! 3. Reads, each kind warmed up by a tenth of it: gets, absent gets, scans of twenty, one whole scan.
//! 4. One-record durable commits, alternating with one write and `fdatasync` of the same bytes to a file that has its pages.
//! 5. The same commits while an engine that compacts on demand merges what was overwritten before.
//! 6. The same commits while another thread overwrites records in batches at a fixed rate that keeps LSM engines compacting.
//!
//! Only the engine's own calls are inside the clock; making records is not. What is read is checked: a wrong count is an
//! error, not a figure.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, park_timeout};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::FDATASYNC;
use crate::Result;
use crate::engines::{Engine, Rival};
use crate::process::{disk_bytes, peak_resident_bytes};
use crate::records::{BATCH_RECORDS, Batch, in_batches, put_absent_key, put_key, shuffled};
use crate::report::{Unit, percentile};

/// What is measured of every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Row {
    SortedLoad,
    RandomLoad,
    /// From the end of the random load until the engine has nothing left to do.
    Settle,
    Get,
    GetAbsent,
    Scan,
    Scan20,
    Commit,
    CommitP99,
    /// Of engines that compact on demand only.
    CommitP99Merging,
    CommitP99Compacting,
    Bytes,
    PeakRss,
}

impl Row {
    pub(super) const ALL: &[Row] = &[
        Row::SortedLoad,
        Row::RandomLoad,
        Row::Settle,
        Row::Get,
        Row::GetAbsent,
        Row::Scan,
        Row::Scan20,
        Row::Commit,
        Row::CommitP99,
        Row::CommitP99Merging,
        Row::CommitP99Compacting,
        Row::Bytes,
        Row::PeakRss,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Row::SortedLoad => "sorted_load",
            Row::RandomLoad => "random_load",
            Row::Settle => "settle",
            Row::Get => "get",
            Row::GetAbsent => "get_absent",
            Row::Scan => "scan",
            Row::Scan20 => "scan20",
            Row::Commit => "commit",
            Row::CommitP99 => "commit_p99",
            Row::CommitP99Merging => "commit_p99_merging",
            Row::CommitP99Compacting => "commit_p99_compacting",
            Row::Bytes => "bytes",
            Row::PeakRss => "peak_rss",
        }
    }

    pub(super) fn unit(self) -> Unit {
        match self {
            Row::SortedLoad | Row::RandomLoad | Row::Settle => Unit::Seconds,
            Row::Get | Row::GetAbsent | Row::Scan | Row::Scan20 => Unit::Nanoseconds,
            Row::Commit | Row::CommitP99 | Row::CommitP99Merging | Row::CommitP99Compacting => {
                Unit::Microseconds
            }
            Row::Bytes | Row::PeakRss => Unit::Bytes,
        }
    }
}

/// How much of everything.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) records: u32,
    gets: usize,
    scans: usize,
    commits: usize,
    /// Records that are overwritten without a pause before commits beside merges or more of them are measured.
    overwritten: usize,
    /// How often these are merged into the others.
    merges: u32,
    beside: Duration,
}

impl Plan {
    pub(super) fn new(quick: bool, records: Option<u32>) -> Self {
        let (beside, merges, default) = if quick {
            (Duration::from_millis(300), 1, 20_000)
        } else {
            (Duration::from_secs(5), 4, 2_000_000)
        };
        let records = records.unwrap_or(default).max(1000);
        let many = records as usize;
        Plan {
            records,
            gets: (many / 4).max(1000),
            scans: (many / 40).max(100),
            commits: if quick { 50 } else { 1000 },
            overwritten: many / 3,
            merges,
            beside,
        }
    }
}

/// Overwritten records in a second beside the measured commits.
const BESIDE_PER_SECOND: u32 = 100_000;

/// Entries of a short scan.
const SHORT_SCAN: usize = 20;

/// Takes a row of an engine as it is measured.
type Emit<'a> = dyn FnMut(Row, &str, f64) -> Result<()> + 'a;

/// Runs everything with one engine in `folder`.
pub(super) fn run(rival: &Rival, folder: &Path, plan: &Plan, emit: &mut Emit<'_>) -> Result<()> {
    let sorted = folder.join("sorted");
    fs::create_dir(&sorted)?;
    let engine = (rival.open)(&sorted)?;
    let numbers: Vec<u32> = (0..plan.records).collect();
    emit(Row::SortedLoad, rival.name, load(&*engine, &numbers)?)?;
    drop(engine);
    fs::remove_dir_all(&sorted)?;

    let random = folder.join("random");
    fs::create_dir(&random)?;
    let engine = (rival.open)(&random)?;
    emit(Row::RandomLoad, rival.name, load(&*engine, &shuffled(plan.records, 1))?)?;
    let start = Instant::now();
    engine.settle()?;
    emit(Row::Settle, rival.name, start.elapsed().as_secs_f64())?;
    drop(engine);
    emit(Row::Bytes, rival.name, disk_bytes(&random)? as f64)?;
    let engine = (rival.open)(&random)?;
    reads(&*engine, plan, &mut |row, value| emit(row, rival.name, value))?;
    commits(&*engine, folder, plan, rival.name, emit)?;
    if let Some(beside) = commits_beside_merges(&*engine, plan)? {
        emit(Row::CommitP99Merging, rival.name, beside)?;
    }
    emit(Row::CommitP99Compacting, rival.name, commits_beside_overwrites(&*engine, plan)?)?;
    drop(engine);
    emit(Row::PeakRss, rival.name, peak_resident_bytes()? as f64)
}

/// Seconds that the engine takes for all records.
fn load(engine: &dyn Engine, numbers: &[u32]) -> Result<f64> {
    let mut time = Duration::ZERO;
    in_batches(numbers, 0, |batch, durable| {
        let start = Instant::now();
        engine.write(batch, durable)?;
        time += start.elapsed();
        Ok(())
    })?;
    Ok(time.as_secs_f64())
}

/// Nanoseconds of a call with a key, after a tenth of the calls that is not counted; keys are made outside the clock.
fn per_call(
    numbers: &[u32],
    put: fn(u32, &mut Vec<u8>),
    mut call: impl FnMut(&[u8]) -> Result<()>,
) -> Result<f64> {
    let mut keys = Vec::new();
    let mut ends = Vec::with_capacity(numbers.len());
    for &number in numbers {
        put(number, &mut keys);
        ends.push(keys.len());
    }
    let mut start_of_key = 0;
    let warm = numbers.len() / 10;
    let mut start = Instant::now();
    for (done, &end) in ends.iter().enumerate() {
        if done == warm {
            start = Instant::now();
        }
        call(&keys[start_of_key..end])?;
        start_of_key = end;
    }
    let calls = u32::try_from(numbers.len() - warm)?;
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls))
}

fn reads(
    engine: &dyn Engine,
    plan: &Plan,
    emit: &mut dyn FnMut(Row, f64) -> Result<()>,
) -> Result<()> {
    let numbers = shuffled(plan.records, 2);
    let gets = &numbers[..plan.gets];
    let scans = &numbers[numbers.len() - plan.scans..];
    engine.read(&mut |view| {
        let mut found = 0;
        let get = per_call(gets, put_key, |key| {
            found += usize::from(view.get(key, &mut |value| touch(value))?);
            Ok(())
        })?;
        expect("gets that found a value", found, gets.len())?;
        emit(Row::Get, get)?;
        let mut found = 0;
        let get = per_call(gets, put_absent_key, |key| {
            found += usize::from(view.get(key, &mut |value| touch(value))?);
            Ok(())
        })?;
        expect("gets of absent keys that found a value", found, 0)?;
        emit(Row::GetAbsent, get)?;
        let mut found = 0;
        let scan = per_call(scans, put_key, |key| {
            view.scan(key, SHORT_SCAN, &mut |_, value| {
                touch(value);
                found += 1;
            })
        })?;
        // Scans that begin at one of the last records are shorter.
        let short: usize = (plan.records as usize - SHORT_SCAN + 1..plan.records as usize)
            .filter(|&number| scans.iter().any(|&scan| scan as usize == number))
            .map(|number| SHORT_SCAN - (plan.records as usize - number))
            .sum();
        expect("entries of short scans", found, scans.len() * SHORT_SCAN - short)?;
        emit(Row::Scan20, scan)?;
        let mut found = 0;
        let start = Instant::now();
        view.scan(&[], usize::MAX, &mut |_, value| {
            touch(value);
            found += 1;
        })?;
        let time = start.elapsed();
        expect("entries of the whole scan", found, plan.records as usize)?;
        emit(Row::Scan, time.as_secs_f64() * 1e9 / f64::from(plan.records))
    })
}

/// Looks at a value, so that an engine that has not read it yet must.
fn touch(value: &[u8]) {
    black_box(value.first().zip(value.last()));
}

fn expect(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{what}: {found}, where {expected} were expected; the engine lost or made up records"
    )
    .into())
}

/// One-record durable commits, each after one write and `fdatasync` of the same bytes beside it.
fn commits(
    engine: &dyn Engine,
    folder: &Path,
    plan: &Plan,
    name: &str,
    emit: &mut Emit<'_>,
) -> Result<()> {
    let mut batch = Batch::default();
    let mut at = 0;
    let beside = File::create(folder.join("beside"))?;
    beside.write_all_at(&vec![7; plan.commits * 256], 0)?;
    beside.sync_all()?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for &number in &shuffled(plan.records, 3)[..plan.commits] {
        let bytes = batch.fill(&[number], 1).bytes();
        let start = Instant::now();
        beside.write_all_at(bytes, at)?;
        beside.sync_data()?;
        bare.push(start.elapsed().as_secs_f64() * 1e6);
        at += bytes.len() as u64;
        let start = Instant::now();
        engine.write(&batch, true)?;
        ours.push(start.elapsed().as_secs_f64() * 1e6);
    }
    for (name, mut times) in [(name, ours), (FDATASYNC, bare)] {
        emit(Row::Commit, name, percentile(&mut times, 50))?;
        emit(Row::CommitP99, name, percentile(&mut times, 99))?;
    }
    Ok(())
}

/// Microseconds of one-record durable commits, one after the other as long as `goes_on` says.
fn commit_times(engine: &dyn Engine, plan: &Plan, goes_on: impl Fn() -> bool) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut batch = Batch::default();
    for number in shuffled(plan.records, 5).into_iter().cycle() {
        batch.fill(&[number], 4);
        let start = Instant::now();
        engine.write(&batch, true)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if !goes_on() {
            break;
        }
    }
    Ok(times)
}

/// The 99th percentile, in microseconds, of such commits while the engine compacts what was overwritten; none of one that does not
/// compact on demand.
fn commits_beside_merges(engine: &dyn Engine, plan: &Plan) -> Result<Option<f64>> {
    if !engine.compact()? {
        return Ok(None);
    }
    let numbers = shuffled(plan.records, 4);
    let mut times = Vec::new();
    for _ in 0..plan.merges {
        in_batches(&numbers[..plan.overwritten], 2, |batch, _| engine.write(batch, false))?;
        let measured = thread::scope(|scope| {
            let compacting = scope.spawn(|| engine.compact());
            let measured = commit_times(engine, plan, || !compacting.is_finished());
            compacting.join().map_err(|_| "the compacting thread panicked")??;
            measured
        })?;
        times.extend(measured);
    }
    Ok(Some(percentile(&mut times, 99)))
}

/// The 99th percentile, in microseconds, of such commits while another thread overwrites records.
fn commits_beside_overwrites(engine: &dyn Engine, plan: &Plan) -> Result<f64> {
    let numbers = shuffled(plan.records, 4);
    in_batches(&numbers[..plan.overwritten], 2, |batch, _| engine.write(batch, false))?;
    let stop = AtomicBool::new(false);
    let mut times = thread::scope(|scope| -> Result<_> {
        let overwriting = scope.spawn(|| overwrite(engine, &numbers, &stop));
        let start = Instant::now();
        let measured = commit_times(engine, plan, || start.elapsed() < plan.beside);
        stop.store(true, Ordering::Relaxed);
        overwriting.join().map_err(|_| "the overwriting thread panicked")??;
        measured
    })?;
    Ok(percentile(&mut times, 99))
}

/// Overwrites records in batches that are not durable, at a fixed rate, until it is told to stop.
fn overwrite(engine: &dyn Engine, numbers: &[u32], stop: &AtomicBool) -> Result<()> {
    let mut batch = Batch::default();
    let start = Instant::now();
    let pace = Duration::from_secs(1) * u32::try_from(BATCH_RECORDS)? / BESIDE_PER_SECOND;
    for (numbers, turn) in numbers.chunks(BATCH_RECORDS).cycle().zip(1..) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        engine.write(batch.fill(numbers, 3), false)?;
        // An engine that cannot keep up still lets the other thread in.
        let due = pace * turn;
        park_timeout(due.saturating_sub(start.elapsed()).max(Duration::from_micros(100)));
    }
    Ok(())
}
