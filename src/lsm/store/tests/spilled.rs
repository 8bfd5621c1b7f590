//! Transactions larger than their memory: what is spilled reads, commits and goes like what is in memory, each byte is
//! written once, and nothing of it is left behind when it does not commit.
//!
//! Random writes go to a transaction with little memory, to a savepoint stack, and to the model.

use super::super::lock;
use super::{State, Write, open, read_all, scale, tiny_options};
use crate::lsm::{
    Durability, Error, Options, Reader, Result, SimulatedStorage, Store, Transaction,
};

/// What the options below leave one transaction.
const BYTES_MAX: usize = 4 << 10;

fn options() -> Options {
    Options { memory_bytes: 4 * BYTES_MAX, level0_runs_max: 100, ..tiny_options() }
}

/// Writes at random until at least `bytes` were written.
fn fill(transaction: &mut Transaction, state: &mut State, bytes: usize, seed: u64) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut written = 0;
    while written < bytes {
        let write = Write::random(&mut rng);
        if let Write::Put(_, key, value) = &write {
            written += key.len() + value.len();
        }
        write.write_to(transaction)?;
        write.apply_to(state);
        assert!(transaction.bytes() <= BYTES_MAX, "{} bytes in memory", transaction.bytes());
        assert_eq!(transaction.bytes(), transaction.writes.pending.table_bytes());
    }
    Ok(())
}

/// Nothing but the version, the log and the manifests uses pages.
fn assert_nothing_leaked(store: &Store, used_pages: u64) -> Result<()> {
    assert_eq!(store.check()?.pinned_pages, 0);
    assert_eq!(store.stats().used_pages, used_pages, "free again without reopening");
    Ok(())
}

#[test]
fn a_transaction_of_any_size_needs_little_memory_and_commits_whole() -> Result<()> {
    for seed in 0..10 * scale() {
        let device = SimulatedStorage::new(seed);
        let store = open(device.clone(), options())?;
        let mut state = State::default();
        let mut transaction = store.begin()?;
        fill(&mut transaction, &mut state, BYTES_MAX / 2, seed)?;
        transaction.commit(Durability::Buffered)?;
        let before = state.clone();
        let mut transaction = store.begin()?;
        let created = transaction.create_keyspace("new", crate::lsm::KeyspaceOptions::default())?;
        transaction.put(created, b"key", "value")?;
        fill(&mut transaction, &mut state, 40 * BYTES_MAX, seed + 1000)?;
        assert!(transaction.writes.pending.is_spilled());
        assert!(transaction.writes.pending.runs_max() <= 4, "pending runs are merged");
        assert_eq!(read_all(&transaction)?, state, "it reads its own writes");
        assert_eq!(read_all(&store.snapshot())?, before, "nobody else does");
        let durability = if seed % 2 == 0 { Durability::Sync } else { Durability::Buffered };
        let commit = transaction.commit(durability)?;
        let snapshot = store.snapshot();
        assert_eq!(snapshot.commit(), commit);
        assert_eq!(read_all(&snapshot)?, state);
        assert_eq!(snapshot.get(created, b"key")?.as_deref(), Some(&b"value"[..]));
        drop(snapshot);
        assert_eq!(store.check()?.pinned_pages, 0);
        let after = open(device.after_power_cut(seed), options())?;
        let found = read_all(&after.snapshot())?;
        assert!(found == state || durability == Durability::Buffered && found == before);
        after.check()?;
        // Commits go on behind it.
        let mut transaction = store.begin()?;
        fill(&mut transaction, &mut state, BYTES_MAX / 2, seed + 2000)?;
        transaction.commit(Durability::Sync)?;
        let after = open(device.after_power_cut(seed), options())?;
        assert_eq!(read_all(&after.snapshot())?, state);
        store.compact()?;
        assert_eq!(read_all(&store.snapshot())?, state);
        store.check()?;
    }
    Ok(())
}

#[test]
fn a_spilled_transaction_that_does_not_commit_leaves_no_page_in_use() -> Result<()> {
    let store = open(SimulatedStorage::new(1), options())?;
    store.checkpoint()?;
    let used = store.stats().used_pages;
    let mut transaction = store.begin()?;
    fill(&mut transaction, &mut State::default(), 20 * BYTES_MAX, 1)?;
    assert!(store.stats().used_pages > used, "it waits in the file");
    assert!(store.check()?.pinned_pages > 0);
    drop(transaction);
    assert_nothing_leaked(&store, used)?;
    assert_eq!(read_all(&store.snapshot())?, State::default());
    Ok(())
}

#[test]
fn rolling_back_to_a_savepoint_undoes_what_was_spilled_since() -> Result<()> {
    let store = open(SimulatedStorage::new(1), options())?;
    let mut state = State::default();
    let mut transaction = store.begin()?;
    fill(&mut transaction, &mut state, BYTES_MAX / 2, 1)?;
    let first = transaction.savepoint()?;
    let before_first = state.clone();
    fill(&mut transaction, &mut state, 10 * BYTES_MAX, 2)?;
    let second = transaction.savepoint()?;
    let before_second = state.clone();
    let used = store.stats().used_pages;
    let late = transaction.create_keyspace("late", crate::lsm::KeyspaceOptions::default())?;
    transaction.put(late, b"key", "value")?;
    fill(&mut transaction, &mut state, 10 * BYTES_MAX, 3)?;
    for _ in 0..2 {
        transaction.rollback_to(&second)?;
        assert_eq!(read_all(&transaction)?, before_second);
        assert_eq!(transaction.keyspace("late"), None);
    }
    // The table from before the second savepoint may have been spilled in a run of its own since.
    assert!(store.stats().used_pages <= used + 8);
    fill(&mut transaction, &mut state, 10 * BYTES_MAX, 4)?;
    transaction.rollback_to(&first)?;
    assert_eq!(read_all(&transaction)?, before_first);
    assert!(matches!(transaction.rollback_to(&second), Err(Error::UnknownSavepoint)));
    let mut state = before_first;
    fill(&mut transaction, &mut state, 10 * BYTES_MAX, 5)?;
    transaction.commit(Durability::Sync)?;
    assert_eq!(read_all(&store.snapshot())?, state);
    assert_eq!(store.check()?.pinned_pages, 0);
    Ok(())
}

#[test]
fn savepoints_that_were_dropped_cost_nothing() -> Result<()> {
    let store = open(SimulatedStorage::new(1), options())?;
    let mut state = State::default();
    let mut transaction = store.begin()?;
    for seed in 0..300 {
        let savepoint = transaction.savepoint()?;
        let before = state.clone();
        fill(&mut transaction, &mut state, 100, seed)?;
        if seed % 5 == 0 {
            transaction.rollback_to(&savepoint)?;
            state = before;
        }
        assert!(transaction.writes.pending.layers() <= 2);
    }
    assert_eq!(read_all(&transaction)?, state);
    transaction.commit(Durability::Buffered)?;
    assert_eq!(read_all(&store.snapshot())?, state);
    Ok(())
}

#[test]
fn savepoints_at_random_equal_a_stack_of_states() -> Result<()> {
    for seed in 0..60 * scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let store = open(SimulatedStorage::new(seed), options())?;
        let mut state = State::default();
        let mut transaction = store.begin()?;
        let mut savepoints = Vec::new();
        for _ in 0..40 {
            match rng.u32(0..10) {
                0..5 => fill(&mut transaction, &mut state, rng.usize(0..BYTES_MAX), rng.u64(..))?,
                5..7 => savepoints.push((transaction.savepoint()?, state.clone())),
                7 if !savepoints.is_empty() => {
                    savepoints.truncate(rng.usize(..savepoints.len()) + 1);
                    let (savepoint, before) = savepoints.last().expect("one is left");
                    transaction.rollback_to(savepoint)?;
                    state = before.clone();
                }
                8 if !savepoints.is_empty() => {
                    drop(savepoints.remove(rng.usize(..savepoints.len())));
                }
                _ => assert_eq!(read_all(&transaction)?, state, "seed {seed}"),
            }
        }
        assert_eq!(read_all(&transaction)?, state);
        drop(savepoints);
        if rng.bool() {
            transaction.commit(Durability::Sync)?;
            assert_eq!(read_all(&store.snapshot())?, state, "seed {seed}");
        } else {
            drop(transaction);
            assert_eq!(read_all(&store.snapshot())?, State::default());
        }
        assert_eq!(store.check()?.pinned_pages, 0);
    }
    Ok(())
}

#[test]
fn a_write_that_cannot_be_spilled_leaves_the_transaction_as_it_was() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let store = open(device.clone(), options())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut transaction = store.begin()?;
    let mut number = 0_u32;
    for failing in 0..40 {
        device.fail_at(device.ops() + 1 + failing, std::io::ErrorKind::StorageFull);
        loop {
            let before = number;
            match transaction.put(id, &number.to_be_bytes(), vec![7; 300]) {
                Ok(()) => number += 1,
                Err(error) => {
                    assert!(matches!(error, Error::Io { .. }), "{error}");
                    assert_eq!(transaction.get(id, &before.to_be_bytes())?, None);
                    break;
                }
            }
        }
    }
    for key in 0..number {
        assert!(transaction.get(id, &key.to_be_bytes())?.is_some(), "{key} of {number}");
    }
    assert!(transaction.writes.pending.is_spilled());
    transaction.commit(Durability::Sync)?;
    let report = store.check()?;
    assert_eq!((report.entries, report.pinned_pages), (number.into(), 0));
    Ok(())
}

#[test]
fn what_is_spilled_is_written_once_and_not_to_the_log() -> Result<()> {
    let store = open(SimulatedStorage::new(1), Options { log_bytes_max: 1 << 30, ..options() })?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let log_before = lock(&store.core.writer).log.bytes();
    let mut transaction = store.begin()?;
    for number in 0..200_u32 {
        transaction.put(id, &number.to_be_bytes(), vec![7; 300])?;
    }
    transaction.commit(Durability::Sync)?;
    let log = lock(&store.core.writer).log.bytes() - log_before;
    assert!(log <= 8 << 10, "{log} bytes in the log");
    Ok(())
}
