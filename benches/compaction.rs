//! What the compaction policy costs under several ratios and runs per level, in counted bytes and runs.
//!
//! Run with `cargo bench --bench compaction`. A store in memory, stepped by hand, takes 800,000 random keys out of
//! 300,000; nothing depends on the machine.

use std::io::Write;
use std::sync::Arc;

use alluvium::lsm::{
    Compression, Durability, KeyspaceOptions, ManualScheduler, MemoryStorage, Options, Result,
    Store,
};

const PARTS: u64 = 40;
const KEYS_PER_PART: usize = 20_000;
const KEYS: u64 = 300_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    writeln!(out, "ratio  runs a level  written for 100 bytes  runs asked  bytes for 100 live")?;
    for ratio in [4, 8] {
        for runs in [1, 2, 4] {
            let (written, asked, space) = measure(ratio, runs)?;
            let asked = format!("{}.{}", asked / 10, asked % 10);
            writeln!(out, "{ratio:5}  {runs:12}  {written:21}  {asked:>10}  {space:18}")?;
        }
    }
    Ok(())
}

/// Bytes written for a hundred bytes committed, ten times the mean of runs on disk, bytes at rest for a hundred that live.
fn measure(level_ratio: u64, level_runs_max: usize) -> Result<(u64, usize, u64)> {
    let store = Store::open(
        MemoryStorage::default(),
        Options {
            memory_bytes: 1 << 20,
            segment_bytes_target: 64 << 10,
            level_ratio,
            level_runs_max,
            level1_bytes_max: (512 << 10) * level_ratio,
            compaction_bytes_max: 1 << 20,
            log: false,
            scheduler: Arc::new(ManualScheduler),
            ..Options::default()
        },
    )?;
    let plain = KeyspaceOptions { compression: Compression::None, ..KeyspaceOptions::default() };
    let mut transaction = store.begin()?;
    let id = transaction.create_keyspace("plain", plain)?;
    transaction.commit(Durability::Buffered)?;
    let mut rng = fastrand::Rng::with_seed(1);
    let mut asked = 0;
    for _ in 0..PARTS {
        for _ in 0..KEYS_PER_PART / 50 {
            let mut transaction = store.begin()?;
            for _ in 0..50 {
                transaction.put(id, &rng.u64(0..KEYS).to_be_bytes(), vec![7; 100])?;
            }
            transaction.commit(Durability::Buffered)?;
            for _ in 0..8 {
                store.step()?;
            }
        }
        asked += store.stats().keyspaces[0].levels.iter().map(|level| level.runs).sum::<usize>();
    }
    let written = store.stats().written.amplification_percent();
    let bytes = bytes(&store);
    store.compact()?;
    let parts = usize::try_from(PARTS).unwrap_or(1);
    Ok((written, asked * 10 / parts, bytes * 100 / self::bytes(&store).max(1)))
}

fn bytes(store: &Store) -> u64 {
    store.stats().keyspaces[0].levels.iter().map(|level| level.bytes).sum()
}
