//! Large values: streamed in and out, moved by reference, readable while they are compacted away, and their room is given
//! back whatever becomes of them.
//!
//! The twin is a map of whole values. Chunks are short, so that values of a few kilobytes are long ones; a test of real
//! sizes runs with 128 MiB, and with 1 GiB at `ALLUVIUM_TEST_SCALE=10`.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::cipher::cipher_of;
use super::{Append, Seen, scale, tiny_options};
use crate::lsm::{
    Durability, Error, FileStorage, KEY_BYTES_MAX, KeyspaceId, KeyspaceOptions, ManualClock,
    MemoryStorage, Options, PAGE_BYTES, Reader, Result, SimulatedStorage, Snapshot, Store,
    Transaction, VALUE_BYTES_MAX, ValueReader,
};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

const CASES: u64 = 24;
const OPERATIONS: usize = 150;

fn keyspace(store: &Store) -> Result<KeyspaceId> {
    let mut transaction = store.begin()?;
    let options = KeyspaceOptions { filter_bits_per_key: 4, ..KeyspaceOptions::default() };
    let id = transaction.create_keyspace("values", options)?;
    transaction.commit(Durability::Sync)?;
    Ok(id)
}

fn value(rng: &mut fastrand::Rng) -> Vec<u8> {
    let len = match rng.u32(0..10) {
        0 => 0,
        1..4 => rng.usize(0..151),
        4..8 => rng.usize(151..3000),
        8 => rng.usize(3000..20_000),
        _ => rng.usize(20_000..150_000),
    };
    let letters = if rng.bool() { 1 } else { 250 };
    (0..len).map(|_| rng.u8(..letters)).collect()
}

fn key(rng: &mut fastrand::Rng) -> Vec<u8> {
    format!("{:02}", rng.u32(0..40)).into_bytes()
}

fn whole(mut reader: ValueReader) -> Vec<u8> {
    let mut value = Vec::new();
    reader.read_to_end(&mut value).expect("a sound value");
    assert_eq!(value.len() as u64, reader.len());
    value
}

/// Everything, by gets, by streams and by a cursor.
fn compare(reader: &dyn Reader, id: KeyspaceId, model: &Model) -> Result<()> {
    let mut cursor = reader.cursor(id)?;
    let mut on_entry = cursor.first()?;
    for (number, (key, value)) in model.iter().enumerate() {
        assert!(on_entry && cursor.key() == key, "{key:?}");
        match number % 3 {
            0 => assert_eq!(cursor.value()?, value),
            1 => assert_eq!(reader.get(id, key)?.as_deref(), Some(&value[..])),
            _ => assert_eq!(&whole(reader.open_value(id, key)?.expect("it is there")), value),
        }
        on_entry = cursor.next()?;
    }
    assert!(!on_entry);
    Ok(())
}

/// A transaction that may be rolled back whole or in part; whether it was spilled and committed.
fn transact(
    store: &Store,
    id: KeyspaceId,
    model: &mut Model,
    rng: &mut fastrand::Rng,
) -> Result<bool> {
    let optimistic = rng.u32(0..4) == 0;
    let mut transaction = if optimistic { store.begin_optimistic()? } else { store.begin()? };
    let mut pending = model.clone();
    let mut savepoint = None;
    let most = if rng.u32(0..8) == 0 { 80 } else { 8 };
    for _ in 0..rng.u32(1..most) {
        match rng.u32(0..20) {
            0 => savepoint = Some((transaction.savepoint()?, pending.clone())),
            1 => savepoint = None,
            2 => {
                if let Some((savepoint, before)) = &savepoint {
                    transaction.rollback_to(savepoint)?;
                    pending = before.clone();
                }
            }
            3 => {
                let (lower, len) = (rng.u32(0..40), rng.u32(1..8));
                let [lower, upper] = [lower, lower + len].map(|n| format!("{n:02}").into_bytes());
                transaction.delete_range(id, Bound::Included(&lower), Bound::Excluded(&upper))?;
                pending.retain(|key, _| *key < lower || *key >= upper);
            }
            4..7 => {
                let key = key(rng);
                transaction.delete(id, &key)?;
                pending.remove(&key);
            }
            7..12 => {
                let (key, value) = (key(rng), value(rng));
                transaction.put_stream(id, &key, &value[..])?;
                pending.insert(key, value);
            }
            _ => {
                let (key, value) = (key(rng), value(rng));
                transaction.put(id, &key, value.clone())?;
                pending.insert(key, value);
            }
        }
    }
    if rng.u32(0..3) == 0 {
        compare(&transaction, id, &pending)?;
    }
    if rng.u32(0..4) == 0 {
        return Ok(false);
    }
    let spilled = transaction.writes.pending.is_spilled();
    let durability = if rng.bool() { Durability::Sync } else { Durability::Buffered };
    transaction.commit(durability)?;
    *model = pending;
    Ok(spilled)
}

#[test]
fn large_values_equal_their_model_under_random_operations() -> Result<()> {
    let mut all = Seen::default();
    for seed in 0..CASES * scale() {
        let seen = run_case(seed)?;
        all.values.iter_mut().zip(seen.values).for_each(|(all, seen)| *all += seen);
        all.spilled += seen.spilled;
        all.relocated += seen.relocated;
        all.encrypted += seen.encrypted;
    }
    assert!(all.values.iter().all(|&times| times > 10), "{all:?}");
    assert!(all.spilled > 10 && all.relocated > 10 && all.encrypted > 0, "{all:?}");
    Ok(())
}

fn run_case(seed: u64) -> Result<Seen> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let device = SimulatedStorage::new(seed);
    let clock = Arc::new(ManualClock::default());
    let options = Options {
        memory_bytes: 16 << 10,
        clock: clock.clone(),
        cipher: cipher_of(seed),
        log: seed % 8 != 7,
        ..tiny_options()
    };
    let mut store = Store::open(device.clone(), options.clone())?;
    let id = keyspace(&store)?;
    let (mut seen, mut model) = (Seen::default(), Model::new());
    let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
    let mut readers: Vec<(ValueReader, Vec<u8>)> = Vec::new();
    for _ in 0..OPERATIONS {
        match rng.u32(0..100) {
            0..40 => match transact(&store, id, &mut model, &mut rng) {
                Err(Error::SnapshotsHoldMemory { .. }) => snapshots.clear(),
                spilled => seen.spilled += u64::from(spilled?),
            },
            40..70 => {
                for _ in 0..rng.u32(1..8) {
                    store.step()?;
                    seen.observe(&store);
                }
                clock.advance(Duration::from_millis(if rng.u32(0..3) == 0 { 2000 } else { 1 }));
            }
            70..75 => store.flush()?,
            75 => store.compact()?,
            76 => seen.shrunk += u64::from(store.shrink()?.segments_moved > 0),
            77 => {
                let copy = SimulatedStorage::new(seed);
                let report = store.copy_to(copy.clone(), |_| {})?;
                let copy = Store::open(copy, options.clone())?;
                compare(&copy.snapshot(), id, &model)?;
                assert_eq!(copy.check()?.values, report.values_copied);
                let stats = copy.stats();
                assert_eq!(stats.value_pages, stats.value_pages_live, "nothing dead is copied");
            }
            78..80 => store.checkpoint()?,
            80..85 => snapshots.push((store.snapshot(), model.clone())),
            85..90 if !snapshots.is_empty() => {
                let (snapshot, then) = snapshots.swap_remove(rng.usize(..snapshots.len()));
                compare(&snapshot, id, &then)?;
            }
            90..94 => {
                if let Some((key, value)) = model.iter().nth(rng.usize(..model.len().max(1))) {
                    let reader = store.snapshot().open_value(id, key)?.expect("it is there");
                    readers.push((reader, value.clone()));
                }
            }
            94..96 if !readers.is_empty() => {
                let (reader, value) = readers.swap_remove(rng.usize(..readers.len()));
                assert_eq!(whole(reader), value, "a value changed under its reader");
            }
            96 => {
                (snapshots, readers) = (Vec::new(), Vec::new());
                if options.log && rng.bool() {
                    // The process dies: what the system has stays.
                    let copy = SimulatedStorage::from_bytes(device.contents());
                    drop(store);
                    store = Store::open(copy, options.clone())?;
                    compare(&store.snapshot(), id, &model)?;
                    store.check()?;
                    drop(store);
                } else {
                    store.close()?;
                }
                store = Store::open(device.clone(), options.clone())?;
                compare(&store.snapshot(), id, &model)?;
            }
            97 => assert!(store.check()?.pages > 0),
            _ => compare(&store.snapshot(), id, &model)?,
        }
    }
    for (reader, value) in readers {
        assert_eq!(whole(reader), value);
    }
    drop(snapshots);
    store.compact()?;
    compare(&store.snapshot(), id, &model)?;
    store.shrink()?;
    let report = store.check()?;
    assert_eq!(report.pinned_pages, 0, "nothing but the version uses pages");
    let long = model.values().filter(|value| value.len() > 150).count();
    assert_eq!(report.values, long as u64, "one value for each long one");
    let stats = store.stats();
    assert!(stats.value_pages * 39 <= stats.value_pages_live * 40, "{stats:?}");
    let mut transaction = store.begin()?;
    transaction.delete_prefix(id, b"")?;
    transaction.commit(Durability::Buffered)?;
    store.compact()?;
    assert_eq!(store.stats().value_segments, 0, "all is released with the last reference");
    store.close()?;
    Ok(seen)
}

#[test]
fn what_is_not_committed_leaves_no_page_in_use() -> Result<()> {
    let store = Store::open(SimulatedStorage::new(1), tiny_options())?;
    let id = keyspace(&store)?;
    let used = store.stats().used_pages;
    let nothing_left = |what: &str| -> Result<()> {
        assert_eq!(store.stats().used_pages, used, "{what}");
        assert_eq!(store.check()?.pinned_pages, 0, "{what}");
        Ok(())
    };
    let mut transaction = store.begin()?;
    transaction.put(id, b"a", vec![1; 9000])?;
    transaction.put_stream(id, b"b", io::repeat(2).take(900_000))?;
    assert!(store.stats().used_pages > used);
    drop(transaction);
    nothing_left("a rollback")?;

    let mut transaction = store.begin()?;
    let savepoint = transaction.savepoint()?;
    transaction.put_stream(id, b"b", io::repeat(2).take(900_000))?;
    let reader = transaction.open_value(id, b"b")?.expect("written above");
    transaction.rollback_to(&savepoint)?;
    assert_eq!(whole(reader), vec![2; 900_000], "a reader keeps what it reads");
    nothing_left("a savepoint")?;
    for round in 0..20 {
        transaction.put(id, b"a", vec![round; 9000])?;
    }
    transaction.delete(id, b"a")?;
    transaction.commit(Durability::Sync)?;
    store.flush()?;
    store.checkpoint()?;
    store.checkpoint()?;
    assert_eq!(store.stats().value_segments, 0, "what was overwritten before is not committed");

    let mut transaction = store.begin()?;
    let long = vec![0; KEY_BYTES_MAX + 1];
    assert!(matches!(
        transaction.put_stream(id, &long, io::empty()),
        Err(Error::KeyTooLong { .. })
    ));
    transaction.drop_keyspace(id)?;
    assert!(transaction.put_stream(id, b"a", io::empty()).is_err());
    let other = transaction.create_keyspace("other", KeyspaceOptions::default())?;
    transaction.put(other, b"a", vec![1; 9000])?;
    transaction.drop_keyspace(other)?;
    transaction.commit(Durability::Sync)?;
    assert_eq!(store.stats().value_segments, 0, "a keyspace takes its values along");
    Ok(())
}

/// Writes values until three quarters of a value segment are dead, and nothing else happens.
fn mostly_dead(store: &Store, id: KeyspaceId) -> Result<()> {
    let mut transaction = store.begin()?;
    for number in 0..12_u8 {
        transaction.put(id, &[number], vec![number; 1000])?;
    }
    transaction.commit(Durability::Sync)?;
    let mut transaction = store.begin()?;
    (0..12_u8).filter(|n| n % 4 != 0).try_for_each(|n| transaction.delete(id, &[n]))?;
    transaction.commit(Durability::Sync)?;
    store.flush()
}

#[test]
fn cleaning_leaves_references_readers_and_snapshots_as_they_are() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let device = SimulatedStorage::new(1);
    let options = Options { clock: clock.clone(), ..tiny_options() };
    let store = Store::open(device.clone(), options.clone())?;
    let id = keyspace(&store)?;
    mostly_dead(&store, id)?;
    let before = store.snapshot();
    let reader = before.open_value(id, &[4])?.expect("written above");
    let stats = store.stats();
    assert_eq!((stats.value_pages, stats.value_pages_live), (12, 3));
    for _ in 0..2 {
        while store.step()? {}
        clock.advance(Duration::from_secs(5));
    }
    while store.step()? {}
    let stats = store.stats();
    assert_eq!((stats.value_pages, stats.value_pages_live), (3, 3));
    assert!(stats.value_segments_cleaned > 0);
    for number in [0, 4, 8_u8] {
        for view in [&before, &store.snapshot()] {
            assert_eq!(view.get(id, &[number])?.unwrap(), vec![number; 1000]);
        }
    }
    assert_eq!(whole(reader), vec![4; 1000]);
    drop(before);
    assert_eq!(store.check()?.values, 3);
    // Again, of what was cleaned before; then after a crash, from the log alone.
    let mut transaction = store.begin()?;
    transaction.delete(id, &[4])?;
    transaction.delete(id, &[8])?;
    transaction.commit(Durability::Sync)?;
    store.compact()?;
    store.shrink()?;
    assert_eq!(store.stats().value_pages, 1);
    let copy = SimulatedStorage::from_bytes(device.contents());
    drop(store);
    for device in [copy, device] {
        let store = Store::open(device, options.clone())?;
        assert_eq!(store.stats().value_pages, 1);
        assert_eq!(store.snapshot().get(id, &[0])?.unwrap(), vec![0; 1000]);
        assert_eq!(store.check()?.values, 1);
    }
    Ok(())
}

#[test]
fn a_few_values_that_are_overwritten_all_the_time_do_not_fill_the_file() -> Result<()> {
    let options =
        Options { scheduler: Arc::new(crate::lsm::ManualScheduler), ..Options::default() };
    let store = Store::open(MemoryStorage::default(), options)?;
    let id = keyspace(&store)?;
    let mut file_bytes_max = 0;
    for round in 0..120_u32 {
        let mut transaction = store.begin()?;
        let mut rng = fastrand::Rng::with_seed(round.into());
        let value: Vec<u8> = (0..1 << 20).map(|_| rng.u8(..)).collect();
        transaction.put(id, &(round % 3).to_be_bytes(), value)?;
        transaction.commit(Durability::Buffered)?;
        for _ in 0..4 {
            store.step()?;
        }
        file_bytes_max = file_bytes_max.max(store.stats().file_bytes);
    }
    assert!(file_bytes_max < 100 << 20, "{file_bytes_max} bytes");
    store.shrink()?;
    assert_eq!((store.stats().value_pages_live * PAGE_BYTES) >> 20, 3);
    let file_bytes = store.stats().file_bytes;
    assert!(file_bytes < 7 << 19, "{file_bytes} bytes for three values of a mebibyte");
    Ok(())
}

#[test]
fn keys_and_values_have_limits_and_errors_name_them() -> Result<()> {
    let options = Options { merge_operators: vec![Arc::new(Append)], ..Options::default() };
    let store = Store::open(MemoryStorage::default(), options)?;
    let id = keyspace(&store)?;
    let mut transaction = store.begin()?;
    let longest = vec![7; KEY_BYTES_MAX];
    for key in [&b""[..], &longest] {
        transaction.put(id, key, vec![1; 100_000])?;
    }
    let refused = transaction.put(id, &vec![7; KEY_BYTES_MAX + 1], "x").unwrap_err();
    assert!(matches!(refused, Error::KeyTooLong { .. }), "{refused}");
    assert!(refused.to_string().contains(&KEY_BYTES_MAX.to_string()), "{refused}");
    let merged =
        KeyspaceOptions { merge_operator: Some("append".to_owned()), ..KeyspaceOptions::default() };
    let merged = transaction.create_keyspace("merged", merged)?;
    let above = VALUE_BYTES_MAX as u64 + 1;
    let refused = transaction.put_stream(merged, b"k", io::repeat(0).take(above)).unwrap_err();
    assert!(matches!(refused, Error::ValueTooLong { .. }), "{refused}");
    transaction.put_stream(merged, b"k", io::repeat(1).take(200_000))?;
    transaction.merge(merged, b"k", "end")?;
    transaction.put_stream(id, b"long", io::repeat(0).take(above))?;
    transaction.commit(Durability::Sync)?;
    store.flush()?;
    for _ in 0..2 {
        let snapshot = store.snapshot();
        for key in [&b""[..], &longest] {
            assert_eq!(snapshot.get(id, key)?.unwrap(), vec![1; 100_000]);
        }
        assert!(snapshot.get(merged, b"k")?.unwrap().ends_with(b"\x01end"));
        let refused = snapshot.get(id, b"long").unwrap_err();
        assert!(matches!(refused, Error::LargeValue { .. }), "{refused}");
        assert!(refused.to_string().contains("open_value"), "{refused}");
        let mut reader = snapshot.open_value(id, b"long")?.expect("written above");
        assert_eq!(io::copy(&mut reader, &mut io::sink()).expect("it is sound"), above);
        drop(snapshot);
        store.compact()?;
    }
    store.check().map(|_| ())
}

/// Bytes of which every part is another one.
struct Pattern {
    at: u64,
    len: u64,
}

impl Read for Pattern {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from((self.len - self.at).min(out.len() as u64)).unwrap();
        for (index, byte) in out[..len].iter_mut().enumerate() {
            let at = self.at + index as u64;
            *byte = ((at / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (at % 8 * 8)).to_le_bytes()[0];
        }
        self.at += len as u64;
        Ok(len)
    }
}

#[test]
fn a_value_of_real_size_goes_in_and_out_while_it_is_compacted_away() -> Result<()> {
    let len = (64 << 20) * (scale() * 16).div_ceil(10).clamp(1, 16);
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store.alv");
    let options = Options { memory_bytes: 8 << 20, ..Options::default() };
    let store = Store::open(FileStorage::open(&path)?, options.clone())?;
    let id = keyspace(&store)?;
    let mut transaction = store.begin()?;
    transaction.put_stream(id, b"long", Pattern { at: 0, len })?;
    transaction.put(id, b"short", "x")?;
    assert!(transaction.bytes() < 1000, "{} bytes in memory", transaction.bytes());
    transaction.commit(Durability::Sync)?;
    store.close()?;
    let store = Store::open(FileStorage::open(&path)?, options)?;
    assert_eq!(store.stats().value_segments, 1);
    let mut reader = store.snapshot().open_value(id, b"long")?.expect("written above");
    let mut begin: Transaction = store.begin()?;
    begin.delete(id, b"long")?;
    begin.commit(Durability::Sync)?;
    store.compact()?;
    assert_eq!(store.stats().value_segments, 0);
    let mut expected = Pattern { at: 0, len };
    let (mut found, mut wanted) = (vec![0; 100_000], vec![0; 100_000]);
    loop {
        let len = reader.read(&mut found).expect("a sound value");
        if len == 0 {
            break;
        }
        expected.read_exact(&mut wanted[..len]).unwrap();
        assert!(found[..len] == wanted[..len], "before byte {}", expected.at);
    }
    assert_eq!(expected.at, len);
    drop(reader);
    store.shrink()?;
    assert!(store.stats().file_bytes < 1 << 20, "{} bytes", store.stats().file_bytes);
    store.close()
}
