//! Model test: the store equals a `BTreeMap` per commit, whatever is flushed, compacted, folded or reopened.
//!
//! Random operations on a tiny store; snapshots are kept and compared again later, cursors walk both ways, pending
//! transactions are read before they end. `ALLUVIUM_TEST_SCALE=10` runs ten times as many cases.

use std::sync::Arc;
use std::time::Duration;

use super::cipher::cipher_of;
use super::{Seen, State, Write, open, read_all, scale, tiny_options};
use crate::lsm::{
    Durability, Error, ManualClock, MemoryStorage, Options, Reader, Result, Seek, SimulatedStorage,
    Snapshot, Store,
};

/// A tenth of the full number, which `ALLUVIUM_TEST_SCALE=10` runs.
const CASES: u64 = 200;
const OPERATIONS: usize = 200;

#[test]
fn the_store_equals_its_model_under_random_operations() {
    let mut all = Seen::default();
    for seed in 0..CASES * scale() {
        let seen = run_case(seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        all.levels = all.levels.max(seen.levels);
        all.flushes = all.flushes.max(seen.flushes);
        all.checkpoints = all.checkpoints.max(seen.checkpoints);
        all.log_extents = all.log_extents.max(seen.log_extents);
        all.side_by_side = all.side_by_side.max(seen.side_by_side);
        all.tiers = all.tiers.max(seen.tiers);
        all.moved += seen.moved;
        all.merged += seen.merged;
        all.dropped += seen.dropped;
        all.purged += seen.purged;
        all.spilled += seen.spilled;
        all.filters += seen.filters;
        all.mapped += seen.mapped;
        all.recreated += seen.recreated;
        all.ranges.iter_mut().zip(seen.ranges).for_each(|(all, seen)| *all += seen);
        all.encrypted += seen.encrypted;
        all.relocated += seen.relocated;
        all.punched += seen.punched;
        all.shrunk += seen.shrunk;
        all.copied += seen.copied;
        all.caught_up += seen.caught_up;
        all.values.iter_mut().zip(seen.values).for_each(|(all, seen)| *all += seen);
    }
    all.assert_all();
    assert!(all.filters > 0 && all.mapped > 0, "filters and mappings: {all:?}");
    assert!(all.punched > 0 && all.caught_up > 0, "{all:?}");
    assert!(all.ranges.iter().all(|&account| account > 0), "{all:?}");
    assert!(all.values.iter().all(|&times| times > 0), "value segments: {all:?}");
    assert!(all.tiers > 1, "levels below the first have several runs: {all:?}");
}

/// Options of any kind that make sense together; every third case has the tiny ones.
pub(super) fn random_options(seed: u64, rng: &mut fastrand::Rng) -> Options {
    if seed.is_multiple_of(3) {
        return tiny_options();
    }
    Options {
        memory_bytes: 1 << rng.u32(15..23),
        block_bytes: 1 << rng.u32(0..15),
        restart_interval: rng.u32(1..20),
        segment_bytes_target: 1 << rng.u32(0..18),
        value_chunk_bytes: 1 << rng.u32(3..12),
        level0_runs_max: rng.usize(0..5),
        level_ratio: rng.u64(0..5),
        level1_bytes_max: rng.u64(0..32 << 10),
        level_runs_max: rng.usize(0..5),
        compaction_bytes_max: 1 << rng.u32(0..20),
        settle_after: Duration::from_millis(rng.u64(0..4)),
        log_bytes_max: 1 << rng.u32(0..20),
        mmap: rng.bool(),
        ..tiny_options()
    }
}

fn run_case(seed: u64) -> Result<Seen> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let device = SimulatedStorage::new(seed);
    let clock = Arc::new(ManualClock::default());
    let cipher = cipher_of(seed);
    let options = Options { clock: clock.clone(), cipher, ..random_options(seed, &mut rng) };
    let mut seen = Seen::default();
    let mut store = Store::open(device.clone(), options.clone())?;
    let mut state = State::default();
    let mut snapshots: Vec<(Snapshot, State)> = Vec::new();
    let mut load = None;
    // Some states of the levels need a longer history.
    let longer = if seed % 8 == 7 { 4 } else { 1 };
    for _ in 0..OPERATIONS * longer {
        match rng.u32(0..100) {
            0..45 => match transact(&store, &mut state, &mut rng) {
                Err(Error::SnapshotsHoldMemory { .. }) if !snapshots.is_empty() => {
                    snapshots.clear();
                }
                spilled => seen.spilled += u64::from(spilled?),
            },
            45..75 => {
                for _ in 0..rng.u32(1..6) {
                    store.step()?;
                    seen.observe(&store);
                }
                clock.advance(Duration::from_millis(if rng.u32(0..4) == 0 { 2000 } else { 1 }));
            }
            75..79 => store.flush()?,
            79 if load.is_none() => load = Some(store.begin_load()),
            79 => {
                load = None;
                store.catch_up()?;
                seen.caught_up += 1;
                assert_eq!(read_all(&store.snapshot())?, state, "after a load");
            }
            80 => store.compact()?,
            81 if rng.bool() => {
                seen.shrunk += 1;
                let report = store.shrink()?;
                assert!(report.file_bytes >= report.live_bytes, "{report:?}");
                seen.observe(&store);
            }
            81 => {
                let copy = SimulatedStorage::new(seed);
                store.copy_to(copy.clone(), |_| {})?;
                let copy = Store::open(copy, options.clone())?;
                assert_eq!(read_all(&copy.snapshot())?, state, "a copy");
                copy.check()?;
                seen.copied += 1;
            }
            82..84 => store.checkpoint()?,
            84..90 => snapshots.push((store.snapshot(), state.clone())),
            90..94 if !snapshots.is_empty() => {
                let (snapshot, seen) = snapshots.swap_remove(rng.usize(..snapshots.len()));
                assert_eq!(read_all(&snapshot)?, seen, "a snapshot changed");
            }
            94..97 => {
                snapshots.clear();
                load = None;
                if rng.bool() {
                    store.close()?;
                } else {
                    // The process dies: what the system has stays.
                    let copy = SimulatedStorage::from_bytes(device.contents());
                    drop(store);
                    store = Store::open(copy, options.clone())?;
                    assert_eq!(read_all(&store.snapshot())?, state, "after a kill");
                    store.check()?;
                    drop(store);
                }
                store = Store::open(device.clone(), options.clone())?;
                assert_eq!(read_all(&store.snapshot())?, state, "after reopening");
            }
            97 => walk_while_the_store_moves(&store, &state, &mut rng)?,
            _ => compare_cursors(&store.snapshot(), &state, &mut rng)?,
        }
    }
    assert_eq!(read_all(&store.snapshot())?, state);
    snapshots.clear();
    store.check()?;
    store.compact()?;
    assert_eq!(read_all(&store.snapshot())?, state);
    while store.step()? {}
    let report = store.check()?;
    assert_eq!(report.pinned_pages, 0, "nothing but the version uses pages");
    let living: usize = state.iter().map(std::collections::BTreeMap::len).sum();
    assert_eq!(report.entries, living as u64, "one run, no tombstones, no shadowed entries");
    assert_eq!(report.ranges, 0, "nothing older is left");
    store.close()?;
    Ok(seen)
}

/// Walks several cursors of one snapshot while what they read is flushed and compacted away.
fn walk_while_the_store_moves(store: &Store, state: &State, rng: &mut fastrand::Rng) -> Result<()> {
    let snapshot = store.snapshot();
    let Some(id) = snapshot.keyspace("merged") else {
        return Ok(());
    };
    let mut cursors = Vec::new();
    for skipped in 0..3 {
        let mut cursor = snapshot.cursor(id)?;
        cursor.first()?;
        for _ in 0..skipped * 3 {
            cursor.next()?;
        }
        cursors.push((cursor, state[1].iter().skip(skipped * 3)));
    }
    while cursors.iter().any(|(cursor, _)| cursor.valid()) {
        for (cursor, expected) in &mut cursors {
            let expected = expected.next();
            assert_eq!(cursor.valid(), expected.is_some());
            if let Some((key, value)) = expected {
                assert_eq!((cursor.key(), &cursor.value()?[..]), (&key[..], &value[..]));
            }
            cursor.next()?;
        }
        match rng.u32(0..20) {
            0 => store.compact()?,
            1 => store.flush()?,
            _ => drop(store.step()?),
        }
    }
    Ok(())
}

/// One transaction, with a savepoint now and then; tells whether it was spilled and committed.
pub(super) fn transact(store: &Store, state: &mut State, rng: &mut fastrand::Rng) -> Result<bool> {
    let mut transaction = store.begin()?;
    let mut pending = state.clone();
    let mut savepoint = None;
    let writes = if rng.u32(0..12) == 0 { 150 } else { 12 };
    for _ in 0..rng.u32(0..writes) {
        match rng.u32(0..30) {
            0 => savepoint = Some((transaction.savepoint()?, pending.clone())),
            1 => savepoint = None,
            2 => {
                if let Some((savepoint, before)) = &savepoint {
                    transaction.rollback_to(savepoint)?;
                    pending = before.clone();
                }
            }
            _ => {
                let write = Write::random(rng);
                write.write_to(&mut transaction)?;
                write.apply_to(&mut pending);
            }
        }
    }
    let room = store.core.options().transaction_bytes_max();
    if rng.u32(0..12) == 0 && room > 350 << 10 {
        let key = format!("{:03}", rng.u32(0..60)).into_bytes();
        let large = Write::Put(rng.usize(0..2), key, vec![rng.u8(..); rng.usize(0..300 << 10)]);
        large.write_to(&mut transaction)?;
        large.apply_to(&mut pending);
    }
    if rng.u32(0..4) == 0 {
        assert_eq!(read_all(&transaction)?, pending, "a transaction reads its own writes");
        compare_cursors(&transaction, &pending, rng)?;
        assert_eq!(read_all(&store.snapshot())?, *state, "nobody else does");
    }
    if rng.u32(0..5) == 0 {
        return Ok(false);
    }
    let durability = match rng.u32(0..3) {
        0 => Durability::Sync,
        1 => Durability::Interval(Duration::from_millis(rng.u64(0..5))),
        _ => Durability::Buffered,
    };
    let spilled = transaction.writes.pending.is_spilled();
    transaction.commit(durability)?;
    *state = pending;
    Ok(spilled)
}

/// Walks a cursor at random beside the model.
pub(super) fn compare_cursors(
    reader: &dyn Reader,
    state: &State,
    rng: &mut fastrand::Rng,
) -> Result<()> {
    // The third keyspace's rewriter may take entries away from under the model.
    for (index, (name, _)) in super::keyspaces().into_iter().enumerate().take(2) {
        let Some(id) = reader.keyspace(name) else {
            continue;
        };
        let entries: Vec<(&Vec<u8>, &Vec<u8>)> = state[index].iter().collect();
        let mut cursor = reader.cursor(id)?;
        let mut at: Option<usize> = None;
        for _ in 0..40 {
            let key = format!("{:03}", rng.u32(0..62)).into_bytes();
            let at_or_behind = entries.partition_point(|(have, _)| *have < &key);
            let found = entries.get(at_or_behind).is_some_and(|(have, _)| *have == &key);
            let on_entry = match rng.u32(0..9) {
                0 => {
                    at = (!entries.is_empty()).then_some(0);
                    cursor.first()?
                }
                1 => {
                    at = entries.len().checked_sub(1);
                    cursor.last()?
                }
                2 => {
                    at = found.then_some(at_or_behind);
                    assert_eq!(
                        reader.get(id, &key)?.as_deref(),
                        state[index].get(&key).map(|value| &value[..])
                    );
                    cursor.seek(&key, Seek::Eq)?
                }
                3 => {
                    at = Some(at_or_behind).filter(|&at| at < entries.len());
                    cursor.seek(&key, Seek::Ge)?
                }
                4 => {
                    at = if found { Some(at_or_behind) } else { at_or_behind.checked_sub(1) };
                    cursor.seek(&key, Seek::Le)?
                }
                5 | 6 => {
                    at = at.map(|at| at + 1).filter(|&at| at < entries.len());
                    cursor.next()?
                }
                _ => {
                    at = at.and_then(|at| at.checked_sub(1));
                    cursor.prev()?
                }
            };
            assert_eq!(on_entry, at.is_some());
            assert_eq!(on_entry, cursor.valid());
            if let Some((key, value)) = at.map(|at| entries[at]) {
                assert_eq!(cursor.key(), key);
                assert_eq!(cursor.value()?, value);
            }
        }
        let mut bounded = reader.cursor(id)?.prefix(b"02");
        let mut keys = Vec::new();
        let mut on_entry =
            if rng.bool() { bounded.first()? } else { bounded.seek(b"", Seek::Ge)? };
        while on_entry {
            keys.push(bounded.key().to_vec());
            on_entry = bounded.next()?;
        }
        let expected = state[index].keys().filter(|key| key.starts_with(b"02"));
        assert!(expected.eq(keys.iter()));
        let last = if rng.bool() { bounded.last()? } else { bounded.seek(b"9", Seek::Le)? };
        assert_eq!(last, !keys.is_empty());
        assert_eq!(bounded.key(), keys.last().map_or(&b""[..], |key| key));
    }
    Ok(())
}

#[test]
fn a_store_in_memory_without_a_log_works_the_same() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(5);
    let options = Options { log: false, ..tiny_options() };
    let store = open(MemoryStorage::default(), options)?;
    let mut state = State::default();
    for _ in 0..200 {
        transact(&store, &mut state, &mut rng)?;
        store.step()?;
    }
    assert_eq!(read_all(&store.snapshot())?, state);
    store.check()?;
    Ok(())
}

#[test]
fn the_background_thread_does_the_steps_by_itself() -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(6);
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store.alv");
    let options =
        Options { scheduler: Arc::new(crate::lsm::ThreadScheduler::default()), ..tiny_options() };
    let mut state = State::default();
    for _ in 0..3 {
        let file = crate::lsm::FileStorage::open(&path)?;
        let store = open(file, options.clone())?;
        assert_eq!(read_all(&store.snapshot())?, state);
        for _ in 0..400 {
            transact(&store, &mut state, &mut rng)?;
        }
        assert_eq!(read_all(&store.snapshot())?, state);
        assert_eq!(store.health(), None);
        store.close()?;
    }
    Ok(())
}
