//! Room in the file: that it shrinks by itself and on demand, that nothing leaks, and that a copy is minimal and whole.
//!
//! Data is overwritten and deleted again and again; what the file may then have is compared with a fresh copy of the same
//! data, the smallest file that there is for it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::super::lock;
use super::super::maintenance::compaction_pays;
use super::{Write, open, read_all, scale, tiny_options};
use crate::lsm::ids::PAGE_BYTES;
use crate::lsm::root::SLOT_PAGES;
use crate::lsm::{
    Durability, Error, KeyspaceId, ManualClock, MemoryStorage, Options, Reader, Result, Seek,
    ShrinkReport, SimulatedStorage, Storage, Store,
};

/// Counts what is written, and refuses roots while it shall.
#[derive(Debug, Clone, Default)]
struct Watching {
    storage: Arc<MemoryStorage>,
    written: Arc<AtomicU64>,
    refuses_roots: Arc<AtomicBool>,
}

impl Storage for Watching {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.storage.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let is_root = SLOT_PAGES.contains(&(offset / PAGE_BYTES));
        if is_root && self.refuses_roots.load(Ordering::Relaxed) {
            return Err(io::Error::other("no roots today"));
        }
        // What is written otherwise comes here too.
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.storage.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.storage.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.storage.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.storage.set_len(bytes)
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        self.storage.punch(offset, bytes)
    }
}

fn options(clock: &Arc<ManualClock>) -> Options {
    Options {
        memory_bytes: 512 << 10,
        block_bytes: 4 << 10,
        segment_bytes_target: 64 << 10,
        level0_runs_max: 4,
        level_ratio: 8,
        level1_bytes_max: 256 << 10,
        log_bytes_max: 256 << 10,
        clock: clock.clone(),
        ..tiny_options()
    }
}

/// Does all steps, after a rest.
fn rest(store: &Store, clock: &ManualClock) -> Result<()> {
    for _ in 0..3 {
        clock.advance(Duration::from_secs(2));
        let mut steps = 0;
        while store.step()? {
            steps += 1;
            assert!(steps < 100_000, "the steps do not come to an end");
        }
    }
    Ok(())
}

/// A twentieth above its content, or what is between the two roots.
fn is_small(report: &ShrinkReport) -> bool {
    report.file_bytes <= report.live_bytes + (report.live_bytes / 20).max(6 << 12)
}

/// Length of the smallest file with the same content.
fn minimal_bytes(store: &Store) -> Result<u64> {
    Ok(store.copy_to(SimulatedStorage::new(1), |_| {})?.file_bytes)
}

fn key(number: u32) -> Vec<u8> {
    format!("{:08}", number.wrapping_mul(0x9E37_79B1)).into_bytes()
}

/// Overwrites everything ten times and deletes nine tenths; returns the bytes that were put.
fn churn(store: &Store, id: KeyspaceId, keys: u32) -> Result<u64> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut put_bytes = 0;
    let mut numbers: Vec<u32> = (0..keys).collect();
    for round in 0..11_u32 {
        rng.shuffle(&mut numbers);
        for batch in numbers.chunks(200) {
            let mut transaction = store.begin()?;
            for &number in batch {
                let (key, value) = (key(number), (0..100).map(|_| rng.u8(..)).collect::<Vec<u8>>());
                if round == 10 && number % 10 != 0 {
                    transaction.delete(id, &key)?;
                } else if round < 10 {
                    put_bytes += (key.len() + value.len()) as u64;
                    transaction.put(id, &key, value)?;
                }
            }
            transaction.commit(Durability::Buffered)?;
            store.step()?;
        }
    }
    Ok(put_bytes)
}

#[test]
fn after_churn_the_file_shrinks_by_itself_and_to_a_twentieth_above_its_content_on_demand()
-> Result<()> {
    // A tree that is larger still has more levels, and writes more often than the bound below allows; one that is smaller is
    // written before pages that wait for a checkpoint make the file grow.
    let keys = 6_000 * u32::try_from(scale().clamp(4, 10)).unwrap_or(4);
    let storage = Watching::default();
    let clock = Arc::new(ManualClock::default());
    let store = open(storage.clone(), options(&clock))?;
    let id = store.snapshot().keyspace("merged").expect("created by open");
    let put_bytes = churn(&store, id, keys)?;
    let before = store.stats().file_bytes;
    // Content, and twice what may wait for a checkpoint, since two roots have to forget it: not all that was written.
    assert!(before <= 96 << 20, "{before} bytes while it is written to");
    rest(&store, &clock)?;
    let stats = store.stats();
    let minimal = minimal_bytes(&store)?;
    let written = storage.written.load(Ordering::Relaxed);
    println!(
        "{put_bytes} bytes put, {written} written ({} %); the file had {before} bytes, has {} when idle, a copy {minimal}",
        written * 100 / put_bytes,
        stats.file_bytes,
    );
    assert!(stats.file_bytes * 10 <= minimal * 13, "{} bytes, {minimal} live", stats.file_bytes);
    assert!(written <= 12 * put_bytes, "{written} bytes written for {put_bytes}");
    let segments: usize =
        stats.keyspaces.iter().flat_map(|keyspace| &keyspace.levels).map(|l| l.segments).sum();
    assert!(stats.free_extents <= 2 * segments + 8, "{stats:?}");
    store.check()?;
    let report = store.shrink()?;
    let minimal = minimal_bytes(&store)?;
    println!("{report:?}, a copy has {minimal}");
    assert!(report.file_bytes * 20 <= minimal * 21, "{report:?}, {minimal} live");
    assert_eq!(report.file_bytes, store.stats().file_bytes);
    let check = store.check()?;
    assert_eq!(check.pinned_pages, 0);
    assert_eq!(check.entries, u64::from(keys.div_ceil(10)));
    store.close()
}

#[test]
fn what_may_hide_others_is_compacted_at_rest_but_operands_are_not_and_nothing_is_in_a_load()
-> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let store = open(MemoryStorage::default(), options(&clock))?;
    let id = store.snapshot().keyspace("merged").expect("created by open");
    let keyspace = || Arc::clone(&store.core.version.load().keyspaces[&id]);
    let write = |is_operand: bool| -> Result<()> {
        let mut transaction = store.begin()?;
        for number in 0..500 {
            if is_operand {
                transaction.merge(id, &key(number), b"x")?;
            } else {
                transaction.put(id, &key(number), "x")?;
            }
        }
        transaction.commit(Durability::Buffered)?;
        store.flush()
    };
    (0..3).try_for_each(|_| write(true))?;
    assert_eq!(keyspace().runs().count(), 3);
    assert!(!compaction_pays(&keyspace(), 8)?, "operands add up");
    write(false)?;
    assert!(compaction_pays(&keyspace(), 8)?, "values hide what is older");
    let load = store.begin_load();
    rest(&store, &clock)?;
    assert_eq!(keyspace().runs().count(), 4, "it can wait");
    drop(load);
    rest(&store, &clock)?;
    assert_eq!(keyspace().runs().count(), 1);
    Ok(())
}

#[test]
fn a_store_rests_after_twice_the_pause_between_commits() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let settle_after = Duration::from_secs(1);
    let store = open(MemoryStorage::default(), Options { settle_after, ..options(&clock) })?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    for (pause_millis, rest_millis) in [(100, 1_000), (1_500, 3_000), (60_000, 10_000)] {
        // Others in a row hide a pause by and by.
        for _ in 0..2 {
            clock.advance(Duration::from_millis(pause_millis));
            let mut transaction = store.begin()?;
            transaction.put(id, b"key", "value")?;
            transaction.commit(Durability::Buffered)?;
        }
        clock.advance(Duration::from_millis(rest_millis - 1));
        assert!(!store.core.is_idle(), "{pause_millis} ms");
        clock.advance(Duration::from_millis(1));
        assert!(store.core.is_idle(), "{pause_millis} ms");
    }
    Ok(())
}

#[test]
fn a_store_whose_checkpoints_fail_goes_on_and_frees_pages_when_they_succeed_again() -> Result<()> {
    let storage = Watching::default();
    let store = open(storage.clone(), options(&Arc::default()))?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut rng = fastrand::Rng::with_seed(9);
    let mut model = BTreeMap::new();
    let mut overwrite = |times: u32| -> Result<()> {
        for _ in 0..times {
            let mut transaction = store.begin()?;
            for _ in 0..100 {
                let (key, value) = (key(rng.u32(0..1000)), vec![rng.u8(..); 1000]);
                transaction.put(id, &key, value.clone())?;
                model.insert(key, value);
            }
            transaction.commit(Durability::Buffered)?;
            // It may fail; commits must not.
            let _ = store.step();
        }
        Ok(())
    };
    storage.refuses_roots.store(true, Ordering::Relaxed);
    let (deferred, max) =
        (|| store.core.disk.space.deferred_pages(), store.core.deferred_pages_max());
    while deferred() <= max {
        overwrite(1)?;
    }
    overwrite(300)?;
    assert!(store.health().is_some_and(|health| health.contains("no roots today")));
    storage.refuses_roots.store(false, Ordering::Relaxed);
    overwrite(100)?;
    assert!(deferred() <= max, "{} pages", deferred());
    assert_eq!(store.health(), None);
    store.check()?;
    let reader = store.snapshot();
    for (key, value) in model {
        assert!(reader.get(id, &key)?.is_some_and(|found| found[..] == value[..]));
    }
    Ok(())
}

#[test]
fn shrinking_joins_holes_that_are_too_small_for_what_stands_behind_them() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let device = SimulatedStorage::new(1);
    let options = Options { memory_bytes: 8 << 20, level0_runs_max: 1000, ..options(&clock) };
    let store = open(device, options)?;
    // Small segments first, with a snapshot between each two, then large ones behind them.
    let ids = [("plain", 4 << 10), ("merged", 60 << 10)];
    for (name, bytes) in ids {
        let id = store.snapshot().keyspace(name).expect("created by open");
        for number in 0..24_u32 {
            let mut transaction = store.begin()?;
            let mut rng = fastrand::Rng::with_seed(u64::from(number));
            for part in 0..bytes / 1024_u32 {
                let value: Vec<u8> = (0..1000).map(|_| rng.u8(..)).collect();
                transaction.put(id, &[number.to_be_bytes(), part.to_be_bytes()].concat(), value)?;
            }
            transaction.commit(Durability::Sync)?;
            store.flush()?;
        }
    }
    let expected = read_all(&store.snapshot())?;
    // Half of the small ones go.
    let id = store.snapshot().keyspace("plain").expect("created by open");
    for number in (0..24_u32).step_by(2) {
        let ids: Vec<_> = {
            let version = store.core.version.load();
            let segments = version.keyspaces[&id].segments();
            let wanted = |s: &&Arc<_>| {
                let s: &Arc<crate::lsm::segment::Segment> = s;
                s.summary().smallest.starts_with(&number.to_be_bytes())
            };
            segments.filter(wanted).map(|segment| segment.summary().id).collect()
        };
        let edit = crate::lsm::manifest::Edit { removed: ids, ..Default::default() };
        let report = crate::lsm::CompactionReport::default();
        let finished = crate::lsm::compaction::Finished::new(None, edit, report);
        store.core.install(finished)?;
    }
    let report = store.shrink()?;
    assert!(is_small(&report), "{report:?}");
    assert!(report.segments_moved > 0);
    let found = read_all(&store.snapshot())?;
    assert_eq!(found[1], expected[1]);
    assert_eq!(found[0].len() * 2, expected[0].len());
    assert!(found[0].iter().all(|(key, value)| expected[0].get(key) == Some(value)));
    store.check()?;
    let again = store.shrink()?;
    assert_eq!(again.segments_moved, 0, "what is small enough is left alone: {again:?}");
    Ok(())
}

#[test]
fn a_snapshot_keeps_what_it_reads_where_it_was_until_it_goes() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let store = open(SimulatedStorage::new(1), options(&clock))?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    churn(&store, id, 1_500)?;
    let snapshot = store.snapshot();
    let expected = read_all(&snapshot)?;
    let mut cursor = snapshot.cursor(id)?;
    assert!(cursor.first()?);
    store.compact()?;
    let relocated = store.stats().segments_relocated;
    store.shrink()?;
    rest(&store, &clock)?;
    assert_eq!(read_all(&snapshot)?, expected);
    let mut keys = 1;
    while cursor.next()? {
        keys += 1;
    }
    assert_eq!(keys, expected[0].len());
    drop(cursor);
    drop(snapshot);
    let report = store.shrink()?;
    assert!(is_small(&report), "{report:?}");
    assert!(store.stats().segments_relocated >= relocated);
    assert_eq!(store.check()?.pinned_pages, 0);
    assert_eq!(read_all(&store.snapshot())?, expected);
    Ok(())
}

#[test]
fn holes_are_given_back_to_the_device_when_the_file_cannot_be_cut() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let store = open(SimulatedStorage::new(1), options(&clock))?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    churn(&store, id, 1_500)?;
    store.flush()?;
    // Pins the end of the file.
    let mut pins = Vec::new();
    for number in 0..3_u8 {
        let mut transaction = store.begin()?;
        transaction.put(id, &[number], vec![number; 100])?;
        transaction.commit(Durability::Sync)?;
        store.flush()?;
        pins.push(store.snapshot());
    }
    store.compact()?;
    rest(&store, &clock)?;
    let stats = store.stats();
    assert!(stats.punched_pages > 0 && stats.punched_pages <= stats.free_pages, "{stats:?}");
    store.check()?;
    drop(pins);
    store.shrink()?;
    store.check()?;
    Ok(())
}

#[test]
fn what_fails_gives_its_pages_back_at_once() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let clock = Arc::new(ManualClock::default());
    let options = Options { clock: clock.clone(), ..tiny_options() };
    let mut store = open(device.clone(), options.clone())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut failures, mut model) = (0, BTreeMap::new());
    while failures < 300 * scale() {
        for _ in 0..5 {
            let (key, value) = (key(rng.u32(0..300)), vec![rng.u8(..); rng.usize(0..300)]);
            let mut transaction = store.begin()?;
            transaction.put(id, &key, value.clone())?;
            transaction.commit(Durability::Buffered)?;
            model.insert(key, value);
        }
        clock.advance(Duration::from_secs(rng.u64(0..2)));
        lock(&store.core.jobs).flush_wanted = store.core.version.load().commit;
        device.fail_at(device.ops() + rng.u64(1..5), io::ErrorKind::StorageFull);
        let result = match rng.u32(0..4) {
            0 => store.compact(),
            1 => store.shrink().map(|_| ()),
            _ => store.step().map(|_| ()),
        };
        failures += u64::from(result.is_err());
        // A failure that was not met is met here.
        for _ in 0..5 {
            let _ = device.clone().sync();
        }
        let poisoned = lock(&store.core.writer).poison.is_some();
        if poisoned {
            // Nothing is forgiven after a failed sync: the file is opened anew.
            drop(store);
            store = open(SimulatedStorage::from_bytes(device.contents()), options.clone())?;
            let whole = model.iter().all(|(key, value)| {
                store.snapshot().get(id, key).expect("a healthy device").as_ref().map(|v| &v[..])
                    == Some(&value[..])
            });
            assert!(whole, "a commit is lost");
            drop(store);
            store = open(device.clone(), options.clone())?;
        }
        {
            let mut jobs = lock(&store.core.jobs);
            (jobs.flush, jobs.claims) = (None, crate::lsm::compaction::Claims::default());
            jobs.compactions.clear();
            jobs.united.clear();
            drop(jobs);
            lock(&store.core.maintenance).relocation = None;
        }
        assert_eq!(store.check()?.pinned_pages, 0, "after {failures} failures");
    }
    store.compact()?;
    let report = store.shrink()?;
    assert!(is_small(&report), "{report:?}");
    Ok(())
}

#[test]
fn a_copy_is_minimal_equal_and_untouched_by_what_happens_meanwhile() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let store = open(SimulatedStorage::new(1), options(&clock))?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    for settled in [false, true] {
        churn(&store, id, 1_000)?;
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..40 {
            let mut transaction = store.begin()?;
            for _ in 0..10 {
                Write::random(&mut rng).write_to(&mut transaction)?;
            }
            transaction.commit(Durability::Buffered)?;
        }
        if settled {
            store.compact()?;
        }
        let expected = read_all(&store.snapshot())?;
        let target = SimulatedStorage::new(2);
        let mut told = Vec::new();
        let report = store.copy_to(target.clone(), |progress| {
            told.push(progress);
            // Somebody writes, and the background works, while the copy is made.
            let mut transaction = store.begin().expect("a healthy device");
            transaction.put(id, b"later", vec![1; 50]).expect("a small value");
            transaction.delete(id, b"00000000").expect("a small key");
            transaction.commit(Durability::Sync).expect("a healthy device");
            store.step().expect("a healthy device");
        })?;
        assert_eq!(report.segments_copied > 0, settled, "{report:?}");
        assert!(told.is_sorted_by_key(|progress| progress.done_bytes));
        assert!(told.last().is_some_and(|last| last.done_bytes == last.total_bytes));
        let len = target.contents().len() as u64;
        assert_eq!(report.file_bytes, len);
        let copy = open(target, options(&clock))?;
        assert_eq!(read_all(&copy.snapshot())?, expected);
        assert_eq!(copy.snapshot().commit(), report.commit);
        let check = copy.check()?;
        assert_eq!((check.deferred_pages, check.pinned_pages), (0, 0));
        assert!(check.free_pages < 8, "free pages only between the two roots: {check:?}");
        // A keyspace whose rewriter drops entries may hold fewer than its readers know of.
        let living: usize = expected.iter().map(BTreeMap::len).sum();
        assert_eq!((check.entries, report.entries), (living as u64, living as u64));
        for keyspace in copy.stats().keyspaces {
            assert!(keyspace.levels.iter().map(|level| level.runs).sum::<usize>() <= 1);
        }
        // It goes on as any store does.
        let mut transaction = copy.begin()?;
        transaction.put(id, b"new", "value")?;
        transaction.commit(Durability::Sync)?;
        copy.compact()?;
        copy.check()?;
        copy.close()?;
        assert_eq!(store.snapshot().get(id, b"later")?.map(|value| value.len()), Some(50));
        let mut transaction = store.begin()?;
        transaction.delete(id, b"later")?;
        transaction.commit(Durability::Sync)?;
    }
    Ok(())
}

#[test]
fn a_copy_that_fails_leaves_no_file_and_one_that_is_there_stays() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let device = SimulatedStorage::new(1);
    let clock = Arc::new(ManualClock::default());
    let store = open(device.clone(), options(&clock))?;
    let id = store.snapshot().keyspace("merged").expect("created by open");
    churn(&store, id, 300)?;
    store.compact()?;
    let names = || {
        let entries = std::fs::read_dir(folder.path()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let target = folder.path().join("copy.alv");
    device.fail_read_at(device.reads() + 1, io::ErrorKind::Other);
    assert!(store.compact_into(&target).is_err());
    assert!(names().is_empty(), "{:?}", names());
    store.compact_into(&target)?;
    assert_eq!(names(), ["copy.alv"]);
    let bytes = std::fs::read(&target).expect("the copy");
    let error = store.compact_into(&target).expect_err("never overwritten");
    assert!(matches!(error, Error::TargetExists { .. }), "{error}");
    assert!(error.to_string().contains("copy.alv"));
    assert_eq!(std::fs::read(&target).expect("the copy"), bytes);
    assert_eq!(names(), ["copy.alv"]);
    assert!(store.compact_into(folder.path().join("no/such.alv")).is_err());
    // Damage is met before the copy has its name.
    let place = store.core.version.load().keyspaces[&id].segments().next().map(|s| s.extent());
    device.flip_bit(place.expect("a segment").offset() + 100, 3);
    let error = store.compact_into(folder.path().join("damaged.alv")).expect_err("damaged");
    assert!(error.is_corruption(), "{error}");
    assert_eq!(names(), ["copy.alv"]);
    Ok(())
}

#[test]
fn a_copy_on_a_device_that_loses_power_is_whole_or_refused_and_the_source_is_untouched()
-> Result<()> {
    let store = open(SimulatedStorage::new(1), tiny_options())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    churn(&store, id, 60)?;
    let expected = read_all(&store.snapshot())?;
    let whole = SimulatedStorage::new(1);
    store.copy_to(whole.clone(), |_| {})?;
    for cut in 1..=whole.ops() {
        let target = SimulatedStorage::new(1);
        target.power_cut_at(cut);
        assert!(store.copy_to(target.clone(), |_| {}).is_err(), "cut {cut}");
        assert_eq!(read_all(&store.snapshot())?, expected);
        // Under its own name nobody would see it; opened nevertheless it is everything or nothing.
        if let Ok(copy) = Store::open(target.after_power_cut(cut), tiny_options()) {
            let found = read_all(&copy.snapshot())?;
            assert!(found == expected || found.iter().all(BTreeMap::is_empty), "cut {cut}");
            copy.check()?;
        }
    }
    store.check()?;
    Ok(())
}

#[test]
fn opening_a_clean_file_of_many_segments_reads_root_manifest_and_log_only() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options = Options { memory_bytes: 256 << 20, segment_bytes_target: 1, ..tiny_options() };
    let store = open(device.clone(), options.clone())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let segments = 10_000_u32;
    let mut transaction = store.begin()?;
    for number in 0..segments {
        transaction.put(id, format!("some longer key {number:08}").as_bytes(), "value")?;
    }
    transaction.commit(Durability::Sync)?;
    store.close()?;
    let (reads, ops) = (device.reads(), device.ops());
    let store = Store::open(device.clone(), options)?;
    let version = store.core.version.load_full();
    assert_eq!(version.keyspaces[&id].segments().count(), segments as usize);
    // Descriptor, two roots, the manifest, and the first page of the log, for each of its readers.
    assert!(device.reads() - reads <= 16, "{} reads", device.reads() - reads);
    assert_eq!(device.ops(), ops, "nothing is written");
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(id)?;
    assert!(cursor.seek(b"some longer key 00005000", Seek::Eq)?);
    Ok(())
}
