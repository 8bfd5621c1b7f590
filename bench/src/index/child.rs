//! One build in a process of its own: its time, its memory, its file, and what single changes cost.
//!
//! The parent starts it and reads what it says as JSON. Memory is sampled by a thread that only sleeps in between.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, park_timeout};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use super::corpus::Corpus;
use super::engines::{Indexer, Prepared, Rival};
use crate::Result;
use crate::process::{anonymous_bytes, anonymous_bytes_of, disk_bytes};
use crate::report::percentile;

/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(2);
/// Syncs of which the median is the device's.
const SYNCS: usize = 200;

/// What a build says.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Built {
    pub(super) seconds: f64,
    /// What the engine had in memory at most, without the documents that it was given.
    pub(super) peak_bytes: u64,
    /// What it left on disk.
    pub(super) bytes: u64,
    /// Medians of single changes.
    pub(super) insert_us: Option<f64>,
    pub(super) update_us: Option<f64>,
    pub(super) delete_us: Option<f64>,
}

/// Builds an index in a fresh folder of `folder`, and changes as many documents as there are `writes`.
pub(super) fn run(
    rival: &Rival,
    corpus: &Corpus,
    threads: usize,
    writes: u32,
    folder: &Path,
) -> Result<Built> {
    if threads == 1 {
        stay_on_one_processor()?;
    }
    let folder = tempfile::tempdir_in(folder)?;
    let Prepared { process, build } = rival.prepare(corpus, folder.path(), threads)?;
    let memory_bytes = || process.map_or_else(anonymous_bytes, anonymous_bytes_of);
    let before = memory_bytes()?;
    let (peak, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let (built, seconds) = thread::scope(|scope| {
        let sampler = scope.spawn(|| -> Result<()> {
            while !ended.load(Ordering::Relaxed) {
                peak.fetch_max(memory_bytes()?, Ordering::Relaxed);
                park_timeout(SAMPLE_EVERY);
            }
            Ok(())
        });
        let start = Instant::now();
        let built = build();
        let seconds = start.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        sampler.thread().unpark();
        sampler.join().map_err(|_| "the thread that samples memory panicked")??;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((built?, seconds))
    })?;
    let mut figures = Built {
        seconds,
        peak_bytes: peak.into_inner().saturating_sub(before),
        bytes: disk_bytes(folder.path())?,
        ..Built::default()
    };
    if writes > 0 {
        change(built, corpus, writes, &mut figures)?;
    }
    Ok(figures)
}

/// Inserts, changes and removes documents one by one.
fn change(
    mut indexer: Box<dyn Indexer>,
    corpus: &Corpus,
    writes: u32,
    figures: &mut Built,
) -> Result<()> {
    let marked = |word: &str, number: u32| {
        let text = &corpus.texts[number as usize % corpus.texts.len()].text;
        format!("{text} {word}{number}")
    };
    let id = |number: u32| i64::from(number) + i64::from(u32::MAX);
    let timed = |change: &mut dyn FnMut() -> Result<()>| -> Result<f64> {
        let start = Instant::now();
        change()?;
        Ok(start.elapsed().as_secs_f64() * 1e6)
    };
    let (mut inserts, mut updates, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..writes {
        let text = marked("zzinserted", number);
        inserts.push(timed(&mut || indexer.insert(id(number), &text))?);
        expect(&mut *indexer, &format!("zzinserted{number}"), 1)?;
    }
    for number in 0..writes {
        let text = marked("zzupdated", number);
        updates.push(timed(&mut || indexer.update(id(number), &text))?);
        expect(&mut *indexer, &format!("zzupdated{number}"), 1)?;
        expect(&mut *indexer, &format!("zzinserted{number}"), 0)?;
    }
    for number in 0..writes {
        deletes.push(timed(&mut || indexer.delete(id(number)))?);
        expect(&mut *indexer, &format!("zzupdated{number}"), 0)?;
    }
    figures.insert_us = Some(percentile(&mut inserts, 50));
    figures.update_us = Some(percentile(&mut updates, 50));
    figures.delete_us = Some(percentile(&mut deletes, 50));
    Ok(())
}

/// Refuses an engine that does not show what it says is done.
fn expect(indexer: &mut dyn Indexer, word: &str, documents: u64) -> Result<()> {
    let found = indexer.count(word)?;
    if found != documents {
        return Err(format!("{word} is in {documents} documents, and found in {found}").into());
    }
    Ok(())
}

/// Keeps this process, and every thread that it starts, on the first processor that it may use.
fn stay_on_one_processor() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|&number| allowed.is_set(number));
    let mut one = CpuSet::new();
    one.set(first.ok_or("this process may use no processor")?);
    sched_setaffinity(None, &one)?;
    Ok(())
}

/// The median time of appending 4 KiB to a file and making them durable.
pub(super) fn sync_us(folder: &Path) -> Result<f64> {
    let mut file: File = tempfile::tempfile_in(folder)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&[7; 4096])?;
        rustix::fs::fdatasync(file.as_fd())?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(&mut times, 50))
}
