//! How often reading allocates: a get from what is in memory not at all, a scan not once a block.
//!
//! Counted by an allocator of this program's own, thread by thread. Numbers are bounds, not measurements: a change that
//! allocates for every entry fails here whatever machine it runs on.

use std::io::{Read, copy, repeat, sink};
use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use alluvium::lsm::{
    Compression, Durability, FileStorage, KeyspaceId, KeyspaceOptions, ManualScheduler,
    MemoryStorage, Options, Reader, Result, Seek, Snapshot, Storage, Store,
};

const RECORDS: u32 = 20_000;

fn key(number: u32) -> Vec<u8> {
    format!("account/{:08}", number * 2).into_bytes()
}

/// A store whose records stand in several segments of one run, all of it in the cache.
fn store(
    storage: impl Storage + 'static,
    compression: Compression,
) -> Result<(Store, Snapshot, KeyspaceId)> {
    let options = Options {
        scheduler: Arc::new(ManualScheduler),
        segment_bytes_target: 512 << 10,
        ..Options::default()
    };
    let store = Store::open(storage, options)?;
    let mut transaction = store.begin()?;
    let options = KeyspaceOptions { compression, ..KeyspaceOptions::default() };
    let keyspace = transaction.create_keyspace("records", options)?;
    for number in 0..RECORDS {
        transaction.put(keyspace, &key(number), vec![b'.'; 100])?;
    }
    transaction.commit(Durability::Sync)?;
    store.compact()?;
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(keyspace)?;
    let mut on_entry = cursor.first()?;
    while on_entry {
        assert!(snapshot.get(keyspace, cursor.key())?.is_some());
        on_entry = cursor.next()?;
    }
    drop(cursor);
    Ok((store, snapshot, keyspace))
}

/// Runs `work` and says what it allocated.
fn counted<T>(work: impl FnOnce() -> Result<T>) -> Result<(AllocationInfo, T)> {
    let mut result = None;
    let info = measure(|| result = Some(work()));
    Ok((info, result.expect("the work was done")?))
}

fn check(storage: impl Storage + 'static, compression: Compression) -> Result<()> {
    let (store, snapshot, keyspace) = store(storage, compression)?;
    let (present, absent) = (key(7000), [&key(7000)[..], b"?"].concat());
    let (present, value) = counted(|| snapshot.get(keyspace, &present))?;
    let (absent, nothing) = counted(|| snapshot.get(keyspace, &absent))?;
    assert!(value.is_some_and(|value| value.len() == 100) && nothing.is_none());
    assert_eq!((present.count_total, absent.count_total), (0, 0), "gets, {compression:?}");

    // Opening a cursor allocates the same few things, however large blocks are.
    let (opening, found) = counted(|| snapshot.cursor(keyspace)?.seek(&key(7000), Seek::Ge))?;
    assert!(found);
    assert!(opening.count_total <= 12 && opening.bytes_total < 4096, "{opening:?}");

    let blocks = u64::from(RECORDS) * 100 / u64::from(Options::default().block_bytes);
    let (scan, entries) = counted(|| {
        let mut cursor = snapshot.cursor(keyspace)?;
        let mut on_entry = cursor.first()?;
        let mut entries = 0;
        while on_entry {
            entries += 1;
            assert_eq!(cursor.value()?.len(), 100);
            on_entry = cursor.next()?;
        }
        Ok(entries)
    })?;
    assert_eq!(entries, RECORDS);
    assert!(scan.count_total < blocks / 2, "{scan:?} for {blocks} blocks, {compression:?}");
    drop(snapshot);
    store.close()
}

#[test]
fn warm_reads_allocate_nothing_for_an_entry() -> Result<()> {
    check(MemoryStorage::default(), Compression::Lz4)?;
    check(MemoryStorage::default(), Compression::None)
}

#[test]
fn reads_in_place_allocate_nothing_for_an_entry() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    check(FileStorage::open(folder.path().join("store.alv"))?, Compression::None)
}

#[test]
fn a_long_value_goes_in_and_out_through_a_little_memory() -> Result<()> {
    const LEN: u64 = 48 << 20;
    let folder = tempfile::tempdir().expect("a folder for the test");
    let options = Options { scheduler: Arc::new(ManualScheduler), ..Options::default() };
    let store = Store::open(FileStorage::open(folder.path().join("store.alv"))?, options)?;
    let mut transaction = store.begin()?;
    let keyspace = transaction.create_keyspace("values", KeyspaceOptions::default())?;
    let (info, ()) = counted(|| transaction.put_stream(keyspace, b"k", repeat(7).take(LEN)))?;
    assert!(info.bytes_max < 8 << 20, "written through {} bytes", info.bytes_max);
    transaction.commit(Durability::Sync)?;
    let mut value = store.snapshot().open_value(keyspace, b"k")?.expect("it was written");
    let (info, len) = counted(|| Ok(copy(&mut value, &mut sink()).expect("it is sound")))?;
    assert_eq!(len, LEN);
    assert!(info.bytes_max < 1 << 20, "read through {} bytes", info.bytes_max);
    store.close()
}
