//! What reading from the storage core costs when everything is in the cache: gets, scans, and scans of 20.
//!
//! Run with `cargo bench --bench lsm_read [-- RECORDS] [raw] [memory=MIB] [block=KIB] [encrypted]`. Two million records (or so many) with
//! keys of 16 to 40 bytes that share prefixes and values of 100 bytes are loaded and compacted into one run; `raw` stores
//! them uncompressed, `memory` is the store's budget (3 GiB, so that all is cached), `block` the size of a block; with the feature `encryption`, `encrypted`
//! encrypts the file. The time of the load is shown, too.
//! Every measurement is repeated five times; the table shows the best and the worst one, in nanoseconds. On Linux they are
//! nanoseconds of this thread on a processor, so that other programs disturb them less.

use std::io::Write;
use std::time::{Duration, Instant};

use alluvium::lsm::{
    Compression, Durability, FileStorage, KeyspaceId, KeyspaceOptions, Options, Reader, Result,
    Seek, Snapshot, Store,
};

const ROUNDS: usize = 5;
const PROBES: usize = 300_000;
const PREFIXES: [&str; 4] = ["", "account/", "device/sensor/", "account/archived/2024/06/"];

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let records = arguments.iter().find_map(|argument| argument.parse().ok());
    let records: u64 = records.unwrap_or(2_000_000);
    let raw = arguments.iter().any(|argument| argument == "raw");
    let folder = tempfile::tempdir()?;
    let storage = FileStorage::open(folder.path().join("bench.alv"))?;
    let number = |name: &str| -> Option<u32> {
        arguments.iter().find_map(|argument| argument.strip_prefix(name)?.parse().ok())
    };
    let mut options = Options::default();
    options.memory_bytes = usize::try_from(number("memory=").unwrap_or(3072))? << 20;
    options.block_bytes = number("block=").map_or(options.block_bytes, |kib| kib << 10);
    #[cfg(feature = "encryption")]
    if arguments.iter().any(|argument| argument == "encrypted") {
        let cipher = alluvium::lsm::XChaChaCipher::from_key([7; 32]);
        options.cipher = Some(std::sync::Arc::new(cipher));
    }
    let store = Store::open(storage, options)?;
    let compression = if raw { Compression::None } else { Compression::Lz4 };
    let options = KeyspaceOptions { compression, ..KeyspaceOptions::default() };
    let began = Instant::now();
    let keyspace = load(&store, options, records)?;
    let mut out = std::io::stdout();
    writeln!(out, "loaded and compacted in {} ms", began.elapsed().as_millis())?;
    let file_bytes = store.stats().file_bytes;
    writeln!(out, "{records} records, {compression:?}, {} MiB", file_bytes >> 20)?;

    let snapshot = store.snapshot();
    let mut rng = fastrand::Rng::with_seed(2);
    let mut probes = |salt: u64| -> Vec<Vec<u8>> {
        (0..PROBES).map(|_| key(rng.u64(0..records) * 2 + salt)).collect()
    };
    let (present, absent) = (probes(0), probes(1));
    measure("get, present", PROBES, || gets(&snapshot, keyspace, &present, true))?;
    measure("get, absent", PROBES, || gets(&snapshot, keyspace, &absent, false))?;
    measure("full scan, an entry", usize::try_from(records)?, || {
        scan(&snapshot, keyspace, &[], usize::MAX)
    })?;
    let starts = &present[..PROBES / 10];
    measure("scan of 20", starts.len(), || {
        starts.iter().map(|start| scan(&snapshot, keyspace, start, 20)).sum()
    })?;
    writeln!(out, "{} MiB of cache", store.stats().cache_bytes >> 20)?;
    drop(snapshot);
    store.close()?;
    Ok(())
}

/// The key of a record: even numbers are loaded, odd ones are not.
fn key(number: u64) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let prefix = PREFIXES[usize::try_from(mixed >> 62).unwrap_or(0)];
    format!("{prefix}{:016x}", mixed.rotate_left(2)).into_bytes()
}

fn load(store: &Store, options: KeyspaceOptions, records: u64) -> Result<KeyspaceId> {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut transaction = store.begin()?;
    let keyspace = transaction.create_keyspace("bench", options)?;
    for number in 0..records {
        let noise: Vec<u8> = (0..50).map(|_| rng.u8(..)).collect();
        let value = [&noise[..], &[b'.'; 50]].concat();
        transaction.put(keyspace, &key(number * 2), value)?;
        if number % 100_000 == 99_999 {
            transaction.commit(Durability::Buffered)?;
            transaction = store.begin()?;
        }
    }
    transaction.commit(Durability::Buffered)?;
    store.compact()?;
    Ok(keyspace)
}

fn gets(snapshot: &Snapshot, keyspace: KeyspaceId, keys: &[Vec<u8>], found: bool) -> Result<usize> {
    let mut bytes = 0;
    for key in keys {
        let value = snapshot.get(keyspace, key)?;
        assert_eq!(value.is_some(), found);
        bytes += value.map_or(0, |value| value.len());
    }
    Ok(bytes)
}

fn scan(snapshot: &Snapshot, keyspace: KeyspaceId, start: &[u8], entries: usize) -> Result<usize> {
    let mut cursor = snapshot.cursor(keyspace)?;
    let mut on_entry = cursor.seek(start, Seek::Ge)?;
    let mut bytes = 0;
    for _ in 0..entries {
        if !on_entry {
            break;
        }
        bytes += cursor.key().len() + cursor.value()?.len();
        on_entry = cursor.next()?;
    }
    Ok(bytes)
}

/// Runs `work`, which does `count` things, once to warm up and then several times.
fn measure(
    name: &str,
    count: usize,
    mut work: impl FnMut() -> Result<usize>,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let expected = work()?;
    let began = Instant::now();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = now(&began);
        assert_eq!(work()?, expected);
        let count = u32::try_from(count).expect("fewer than 4 billion");
        times.push((now(&began).saturating_sub(start) / count).as_nanos());
    }
    times.sort_unstable();
    writeln!(std::io::stdout(), "{name:<22} {:>7} ns ({:>7})", times[0], times[ROUNDS - 1])?;
    Ok(())
}

/// Time that this thread spent on a processor, or that passed since `began` where the system does not tell.
fn now(began: &Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat");
    let told = told.ok().and_then(|told| told.split(' ').next()?.parse().ok());
    told.map_or_else(|| began.elapsed(), Duration::from_nanos)
}
