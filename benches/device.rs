//! What durable commits cost on a device, alone and while another thread writes segments into the same file.
//!
//! Run with `cargo bench --bench device [-- FOLDER]`. The folder says which device is measured; without one it is the
//! system's temporary folder. A commit is 4 KiB into pages that exist; the other thread appends pieces of 1 MiB, either
//! as compactions do (a pause after each, about 300 MB/s) or without a pause, and syncs after every eighth. The ways
//! of writing alternate within each round, and the table shows medians over the rounds, so that all see the same
//! weather. On a machine that is busy with other things the scheduler's time slices are measured instead of the
//! device: `chrt -f 10 cargo bench --bench device` keeps them out.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use alluvium::lsm::{FileStorage, Storage};

const ROUNDS: usize = 5;
const MEASURED: Duration = Duration::from_millis(500);
const LOG_BYTES: u64 = 64 << 20;
const BULK_BYTES: u64 = 1 << 30;
const PIECE_BYTES: usize = 1 << 20;

/// How commits and segments are written.
#[derive(Debug, Clone, Copy)]
struct Way {
    name: &'static str,
    bulk: fn(&FileStorage, u64, &[u8]) -> std::io::Result<()>,
    commit: fn(&FileStorage, u64, &[u8]) -> std::io::Result<()>,
}

/// What else happens to the file.
#[derive(Debug, Clone, Copy)]
struct Load {
    name: &'static str,
    pause: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Row {
    per_second: f64,
    p50: f64,
    p99: f64,
    bulk_mb_per_second: f64,
}

fn write_and_sync(storage: &FileStorage, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    storage.write_at(offset, bytes)?;
    storage.sync()
}

const WAYS: [Way; 4] = [
    Way { name: "cached, write + sync", bulk: FileStorage::write_at, commit: write_and_sync },
    Way {
        name: "cached, durable write",
        bulk: FileStorage::write_at,
        commit: FileStorage::write_durable,
    },
    Way { name: "direct, write + sync", bulk: FileStorage::write_bulk, commit: write_and_sync },
    Way {
        name: "direct, durable write",
        bulk: FileStorage::write_bulk,
        commit: FileStorage::write_durable,
    },
];

const LOADS: [Load; 3] = [
    Load { name: "alone", pause: None },
    Load { name: "300 MB/s", pause: Some(Duration::from_millis(3)) },
    Load { name: "all it can", pause: Some(Duration::ZERO) },
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(folder)?;
    let storage = FileStorage::open(folder.path().join("bench.alv"))?;
    let piece: Vec<u8> = (0..=250).cycle().take(PIECE_BYTES).collect();
    for at in (0..LOG_BYTES).step_by(PIECE_BYTES) {
        storage.write_at(at, &piece)?;
    }
    let mut rows = vec![vec![Vec::new(); WAYS.len()]; LOADS.len()];
    for _ in 0..ROUNDS {
        for (load, rows) in LOADS.iter().zip(&mut rows) {
            for (way, rows) in WAYS.iter().zip(rows) {
                storage.set_len(LOG_BYTES)?;
                storage.sync()?;
                rows.push(measure(&storage, *way, *load, &piece)?);
            }
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<12} {:<22} {:>10} {:>10} {:>10} {:>12}",
        "segments", "way", "commits/s", "p50", "p99", "segments"
    )?;
    for (load, rows) in LOADS.iter().zip(&rows) {
        for (way, rows) in WAYS.iter().zip(rows) {
            let median = |of: fn(&Row) -> f64| {
                let mut values: Vec<f64> = rows.iter().map(of).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            writeln!(
                out,
                "{:<12} {:<22} {:>10.0} {:>7.0} µs {:>7.0} µs {:>7.0} MB/s",
                load.name,
                way.name,
                median(|row| row.per_second),
                median(|row| row.p50),
                median(|row| row.p99),
                median(|row| row.bulk_mb_per_second),
            )?;
        }
    }
    Ok(())
}

/// Commits one after the other for a while, beside the load.
fn measure(storage: &FileStorage, way: Way, load: Load, piece: &[u8]) -> std::io::Result<Row> {
    let bulk_bytes = AtomicU64::new(0);
    let (stop, stopped) = mpsc::channel::<()>();
    let commit = [7; 4096];
    let mut times = Vec::new();
    let start = Instant::now();
    thread::scope(|scope| -> std::io::Result<()> {
        let segments = load.pause.map(|pause| {
            let bulk_bytes = &bulk_bytes;
            scope.spawn(move || -> std::io::Result<()> {
                for number in 0_u64.. {
                    let written = number * PIECE_BYTES as u64;
                    (way.bulk)(storage, LOG_BYTES + written % BULK_BYTES, piece)?;
                    bulk_bytes.fetch_add(PIECE_BYTES as u64, Ordering::Relaxed);
                    if number % 8 == 7 {
                        storage.sync()?;
                    }
                    if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                        break;
                    }
                }
                Ok(())
            })
        });
        let mut offset = 0;
        while start.elapsed() < MEASURED {
            let begun = Instant::now();
            (way.commit)(storage, offset, &commit)?;
            times.push(begun.elapsed());
            offset = (offset + 4096) % LOG_BYTES;
        }
        drop(stop);
        segments.map_or(Ok(()), |segments| segments.join().expect("it does not panic"))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let per_second = f64::from(count) / times.iter().sum::<Duration>().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    let bulk_mb = u32::try_from(bulk_bytes.into_inner() / 1_000_000).unwrap_or(u32::MAX);
    let bulk_mb_per_second = f64::from(bulk_mb) / seconds;
    Ok(Row { per_second, p50: at(50), p99: at(99), bulk_mb_per_second })
}
