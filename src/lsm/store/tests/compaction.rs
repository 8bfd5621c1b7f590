//! Tests of the compaction policy: what it costs, what it leaves, and that no key range and no memory is forgotten.
//!
//! Stores in memory with small segments are loaded and stepped by hand; what is asserted are counted bytes, runs and
//! levels. What the policy costs under several options is measured by `benches/compaction.rs`.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::super::lock;
use super::tiny_options;
use crate::lsm::{
    Compression, Durability, Error, KeyspaceId, KeyspaceOptions, ManualClock, MemoryStorage,
    Options, Reader, Result, Store, ThreadScheduler,
};

/// Segments of 16 KiB, flushes of 32 KiB, and a last level that soon has others above it.
fn options() -> Options {
    Options {
        memory_bytes: 256 << 10,
        segment_bytes_target: 16 << 10,
        block_bytes: 1 << 10,
        level0_runs_max: 4,
        level_ratio: 4,
        level_runs_max: 3,
        level1_bytes_max: 256 << 10,
        compaction_bytes_max: 256 << 10,
        log_bytes_max: 1 << 20,
        log: false,
        ..tiny_options()
    }
}

fn open(options: Options) -> Result<(Store, KeyspaceId)> {
    let store = Store::open(MemoryStorage::default(), options)?;
    let plain = KeyspaceOptions { compression: Compression::None, ..KeyspaceOptions::default() };
    let mut transaction = store.begin()?;
    let id = transaction.create_keyspace("plain", plain)?;
    transaction.commit(Durability::Buffered)?;
    Ok((store, id))
}

/// Commits `keys` in transactions of 50, with values of 100 bytes, and does the steps that a thread would do.
fn load(store: &Store, id: KeyspaceId, keys: impl Iterator<Item = u64>) -> Result<()> {
    let mut keys = keys.peekable();
    while keys.peek().is_some() {
        let mut transaction = store.begin()?;
        for key in keys.by_ref().take(50) {
            transaction.put(id, &key.to_be_bytes(), vec![key.to_be_bytes()[7]; 100])?;
        }
        transaction.commit(Durability::Buffered)?;
        for _ in 0..4 {
            store.step()?;
        }
    }
    Ok(())
}

fn rest(store: &Store) -> Result<()> {
    for _ in 0..100_000 {
        if !store.step()? {
            return Ok(());
        }
    }
    panic!("the steps do not come to an end");
}

/// Random keys below `range`.
fn random(seed: u64, range: u64, count: usize) -> impl Iterator<Item = u64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(move |_| rng.u64(0..range))
}

#[test]
fn a_load_writes_less_and_leaves_few_runs_once_it_was_caught_up_with() -> Result<()> {
    let mut written = Vec::new();
    for loads in [false, true] {
        let (store, id) = open(options())?;
        let runs = |store: &Store| {
            let version = store.core.version.load();
            version.keyspaces[&id].levels.iter().map(|level| level.runs.len()).collect::<Vec<_>>()
        };
        let guard = loads.then(|| store.begin_load());
        load(&store, id, random(5, 1 << 40, 60_000))?;
        if loads {
            assert!(runs(&store).iter().sum::<usize>() > 8, "{:?}", runs(&store));
        }
        drop(guard);
        store.catch_up()?;
        let (last, above) = (runs(&store).len() - 1, runs(&store));
        assert!(above[0] <= 4 && above[last] == 1, "{above:?}");
        assert!(above[1..last].iter().all(|&runs| runs <= 3), "{above:?}");
        written.push(store.stats().written.compacted_bytes);
        store.flush()?;
        assert_eq!(store.check()?.entries, 60_000);
    }
    assert!(written[1] * 4 < written[0] * 3, "{written:?} bytes without and with a load");
    Ok(())
}

/// Segments of all levels but the last.
fn above_last(store: &Store, id: KeyspaceId) -> BTreeSet<u64> {
    let version = store.core.version.load();
    let levels = &version.keyspaces[&id].levels;
    let last = levels.iter().rposition(|level| !level.runs.is_empty()).unwrap_or_default();
    let runs = levels[..last].iter().flat_map(|level| &level.runs);
    runs.flat_map(|run| run.segments.iter().map(|segment| segment.summary().id.0)).collect()
}

#[test]
fn levels_keep_their_limits_when_the_work_is_done() -> Result<()> {
    let options = options();
    let (store, id) = open(options.clone())?;
    for round in 0..4 {
        load(&store, id, random(round, 40_000, 10_000))?;
        rest(&store)?;
        let stats = store.stats();
        let levels = &stats.keyspaces[0].levels;
        let last = levels.iter().rposition(|level| level.runs > 0).expect("there is data");
        assert!(levels[0].runs <= options.level0_runs_max, "{levels:?}");
        let mut target = levels[last].bytes;
        for level in levels[1..last].iter().rev() {
            target /= options.level_ratio;
            assert!(level.runs <= options.level_runs_max, "{levels:?}");
            assert!(level.bytes <= target + target / 10, "{levels:?}");
        }
        assert!(last >= 1 && levels[last].runs == 1, "{levels:?}");
    }
    assert!(store.stats().keyspaces[0].levels.len() > 3, "{:?}", store.stats());
    assert!(store.stats().written.amplification_percent() < 1200, "{:?}", store.stats());
    store.check()?;
    Ok(())
}

#[test]
fn every_key_range_has_its_turn() -> Result<()> {
    let (store, id) = open(options())?;
    load(&store, id, random(1, 60_000, 40_000))?;
    let before = above_last(&store, id);
    assert!(before.len() > 20, "levels above the last hold something: {before:?}");
    // All that is written now lies in a fiftieth of the keys.
    let mut rounds = 0;
    while !above_last(&store, id).is_disjoint(&before) {
        load(&store, id, random(rounds, 1_200, 2_000))?;
        load(&store, id, random(rounds + 1000, 60_000, 2_000))?;
        rounds += 1;
        assert!(rounds < 60, "{:?} never moved", above_last(&store, id).intersection(&before));
    }
    Ok(())
}

#[test]
fn keys_that_go_down_rewrite_only_what_they_overlap() -> Result<()> {
    let mut rewritten = Vec::new();
    for keys in [10_000_u64, 40_000] {
        let (store, id) = open(options())?;
        load(&store, id, 0..keys)?;
        store.compact()?;
        let before = store.stats().written.compacted_bytes;
        // 40 keys that lie together, over and over again.
        load(&store, id, (5_000..5_040).cycle().take(4_000))?;
        store.flush()?;
        rest(&store)?;
        store.compact_range(id, ..)?;
        let all = store.stats().written.compacted_bytes - before;
        let before = store.stats().written.compacted_bytes;
        load(&store, id, 5_000..5_040)?;
        let keys = [5_000_u64.to_be_bytes(), 5_039_u64.to_be_bytes()];
        store.compact_range(id, (Bound::Included(&keys[0][..]), Bound::Included(&keys[1][..])))?;
        rewritten.push(store.stats().written.compacted_bytes - before);
        assert!(all > 0);
    }
    let bound = 20 * 40 * 108;
    assert!(rewritten.iter().all(|&bytes| 0 < bytes && bytes <= bound), "{rewritten:?}, {bound}");
    Ok(())
}

#[test]
fn ascending_keys_are_written_once_and_moved() -> Result<()> {
    let (store, id) = open(Options { memory_bytes: 1 << 20, ..options() })?;
    load(&store, id, 0..40_000)?;
    store.flush()?;
    rest(&store)?;
    let written = store.stats().written;
    assert!(written.moved_bytes > 0 && written.amplification_percent() < 200, "{written:?}");
    assert!(store.stats().keyspaces[0].levels.len() > 2);
    Ok(())
}

#[test]
fn what_was_deleted_is_gone_when_the_store_has_been_idle() -> Result<()> {
    let clock = Arc::new(ManualClock::default());
    let (store, id) = open(Options { clock: clock.clone(), ..options() })?;
    load(&store, id, 0..20_000)?;
    store.compact()?;
    for start in (0..20_000_u64).step_by(50) {
        let mut transaction = store.begin()?;
        for key in start..start + 50 {
            transaction.delete(id, &key.to_be_bytes())?;
        }
        transaction.commit(Durability::Buffered)?;
        store.step()?;
    }
    clock.advance(Duration::from_secs(2));
    rest(&store)?;
    let left: u64 = store.stats().keyspaces[0].levels.iter().map(|level| level.entries).sum();
    assert!(left < 1_000, "{:?}", store.stats().keyspaces);
    Ok(())
}

#[test]
fn a_compaction_tells_how_far_it_is_and_ends_when_it_is_cancelled() -> Result<()> {
    let (store, id) = open(options())?;
    load(&store, id, random(3, 20_000, 20_000))?;
    let compaction = store.start_compaction()?;
    let (mut last, mut jobs_max) = (0, 0);
    while compaction.progress().done_bytes < compaction.progress().total_bytes / 2 {
        assert!(compaction.step()?);
        jobs_max = store.stats().background_jobs.max(jobs_max);
        let done = compaction.progress().done_bytes;
        last = last.max(done);
    }
    assert!(last > 0 && jobs_max > 0);
    compaction.cancel();
    assert!(!compaction.step()?);
    assert!(lock(&store.core.jobs).united.is_empty());
    store.check()?;
    let compaction = store.start_compaction()?;
    let total = compaction.progress().total_bytes;
    while compaction.step()? {}
    assert_eq!(compaction.progress().done_bytes, total);
    let runs: usize = store.stats().keyspaces[0].levels.iter().map(|level| level.runs).sum();
    assert_eq!(runs, 1);
    while store.step()? {}
    assert_eq!(store.stats().background_jobs, 0);
    let reports = store.compactions();
    assert!(reports.iter().any(|report| report.input_older > 0 && report.blocks_out > 0));
    // Closing does not wait for one that was begun.
    let left = store.start_compaction()?;
    assert!(left.step()?);
    let core = Arc::clone(&store.core);
    store.close()?;
    assert!(matches!(left.step(), Err(Error::Closed)));
    assert!(lock(&core.jobs).compactions.is_empty());
    Ok(())
}

#[test]
fn bytes_of_a_compaction_are_counted_while_they_are_written_and_each_once() -> Result<()> {
    let (store, id) = open(options())?;
    load(&store, id, random(4, 1 << 40, 20_000))?;
    // Nothing is half done.
    rest(&store)?;
    let written = || {
        let written = store.stats().written;
        written.flushed_bytes + written.compacted_bytes
    };
    let before = written();
    lock(&store.core.jobs).reports.clear();
    let compaction = store.start_compaction()?;
    let (mut last, mut moves) = (before, 0);
    while compaction.step()? {
        let now = written();
        assert!(now >= last);
        moves += usize::from(now > last);
        last = now;
    }
    assert!(moves > 10, "counted {moves} times");
    let told: u64 = store.compactions().iter().map(|report| report.bytes_out).sum();
    assert_eq!(written() - before, told);
    Ok(())
}

#[test]
fn commits_alone_keep_memory_and_level_0_within_their_bounds() -> Result<()> {
    let options = options();
    let (store, id) = open(options.clone())?;
    let mut rng = fastrand::Rng::with_seed(8);
    for _ in 0..3_000 {
        let mut transaction = store.begin()?;
        for _ in 0..10 {
            transaction.put(id, &rng.u64(0..100_000).to_be_bytes(), vec![1; 100])?;
        }
        transaction.commit(Durability::Buffered)?;
        let stats = store.stats();
        assert!(stats.fresh_bytes <= options.fresh_bytes_max() + 4096, "{stats:?}");
        let runs = stats.keyspaces[0].levels.first().map_or(0, |level| level.runs);
        assert!(runs <= options.level0_runs_max * 8, "{stats:?}");
    }
    assert!(store.stats().stalls.count > 0);
    store.check()?;
    Ok(())
}

/// Blocks have what nobody else needs, and give it up before it is needed.
#[test]
fn one_budget_bounds_blocks_fresh_runs_snapshots_and_transactions() -> Result<()> {
    const MEMORY_BYTES: u64 = 1 << 20;
    let options = Options { memory_bytes: 1 << 20, mmap: false, ..options() };
    let (store, id) = open(options.clone())?;
    load(&store, id, 0..20_000)?;
    load(&store, id, (0..20_000).step_by(7))?;
    store.compact()?;
    rest(&store)?;
    // A key of every block.
    let read_all = || -> Result<u64> {
        let (snapshot, keys) = (store.snapshot(), (0..20_000_u64).step_by(5));
        keys.into_iter().try_for_each(|key| snapshot.get(id, &key.to_be_bytes()).map(drop))?;
        Ok(store.stats().cache_bytes)
    };
    assert!(store.stats().cache_bytes < MEMORY_BYTES / 4, "compactions keep nothing");
    let alone = MEMORY_BYTES / 4 * 3;
    assert!(read_all()? > alone, "{:?}", store.stats());
    let (mut snapshots, mut fresh_max, mut held_max) = (Vec::new(), 0, 0);
    for round in 0..40_u64 {
        let mut transaction = store.begin()?;
        for key in 0..round * 40 {
            transaction.put(id, &(key * 7).to_be_bytes(), vec![2; 100])?;
            if key % 300 == 0 {
                read_all()?;
            }
        }
        let pending = transaction.writes.pending.bytes() as u64;
        let used = store.stats().cache_bytes + store.stats().fresh_bytes as u64 + pending;
        assert!(used <= MEMORY_BYTES, "round {round}: {pending} {:?}", store.stats());
        transaction.commit(Durability::Buffered)?;
        let held = store.core.borrow_for_fresh_runs()?.map_or(0, |(_, bytes)| bytes as u64);
        let stats = store.stats();
        let used = stats.cache_bytes + stats.fresh_bytes as u64 + held;
        assert!(used <= MEMORY_BYTES, "round {round}: {held} {stats:?}");
        (fresh_max, held_max) = (stats.fresh_bytes.max(fresh_max), held.max(held_max));
        // More than a quarter would fail commits.
        if held > MEMORY_BYTES / 12 {
            snapshots.clear();
        }
        snapshots.push(store.snapshot());
    }
    assert!(fresh_max > options.fresh_bytes_flush() / 2 && held_max > MEMORY_BYTES / 20);
    snapshots.clear();
    store.flush()?;
    rest(&store)?;
    assert!(read_all()? > alone, "what was borrowed is given back: {:?}", store.stats());
    Ok(())
}

#[test]
fn snapshots_that_hold_too_much_memory_are_named_and_commits_go_on_without_them() -> Result<()> {
    let (store, id) = open(options())?;
    let mut snapshots = vec![store.snapshot()];
    let error = loop {
        let result = load(&store, id, random(snapshots.len() as u64, 1_000, 50));
        if let Err(error) = result {
            break error;
        }
        snapshots.push(store.snapshot());
        assert!(snapshots.len() < 2_000, "{:?}", store.stats());
    };
    let Error::SnapshotsHoldMemory { oldest, bytes, bytes_max } = &error else { panic!("{error}") };
    assert!(*oldest <= snapshots[1].commit() && bytes > bytes_max, "{error}");
    snapshots.clear();
    load(&store, id, 0..50)
}

#[test]
fn what_the_store_holds_for_its_own_steps_fails_no_commit() -> Result<()> {
    let (store, id) = open(options())?;
    let mut versions = Vec::new();
    for seed in 0..200 {
        load(&store, id, random(seed, 1_000, 50))?;
        versions.push(store.core.version.load_full());
    }
    Ok(())
}

#[test]
fn optimistic_transactions_hold_memory_as_snapshots_do() -> Result<()> {
    let (store, id) = open(options())?;
    let mut transactions = Vec::new();
    let error = loop {
        transactions.push(store.begin_optimistic()?);
        if let Err(error) = load(&store, id, random(transactions.len() as u64, 1_000, 50)) {
            break error;
        }
        assert!(transactions.len() < 2_000, "{:?}", store.stats());
    };
    assert!(matches!(error, Error::SnapshotsHoldMemory { .. }), "{error}");
    transactions.clear();
    load(&store, id, 0..50)
}

#[test]
fn several_threads_step_different_jobs_and_nothing_is_lost() -> Result<()> {
    let scheduler = Arc::new(ThreadScheduler::new(3));
    let (store, id) = open(Options { scheduler, log: true, ..options() })?;
    std::thread::scope(|scope| -> Result<()> {
        let asked = scope.spawn(|| (0..4).try_for_each(|_| store.compact()));
        let checked = scope.spawn(|| (0..20).try_for_each(|_| store.check().map(|_| ())));
        load(&store, id, (0..30_000).map(|key| key * 7919 % 30_000))?;
        asked.join().expect("no panic")?;
        checked.join().expect("no panic")
    })?;
    assert_eq!(store.health(), None);
    store.compact()?;
    let snapshot = store.snapshot();
    for key in 0..30_000_u64 {
        assert_eq!(
            snapshot.get(id, &key.to_be_bytes())?.as_deref(),
            Some(&vec![key.to_be_bytes()[7]; 100][..])
        );
    }
    drop(snapshot);
    assert_eq!(store.check()?.entries, 30_000);
    store.close()
}
