//! Dropped keyspaces: gone at once whatever they hold, kept by what saw them, and never back, whatever is created under
//! their name.
//!
//! Each test drops in one situation: from segments, under snapshots, in a log that is replayed, in the middle of a
//! compaction, behind savepoints, before an optimistic commit. All end with a check that no page is held.

use super::{open, tiny_options};
use crate::lsm::{
    Durability, Error, KeyspaceId, KeyspaceOptions, Options, Reader, Result, SimulatedStorage,
    Store,
};

fn create(store: &Store, name: &str) -> Result<KeyspaceId> {
    let mut transaction = store.begin()?;
    let id = transaction.create_keyspace(name, KeyspaceOptions::default())?;
    transaction.commit(Durability::Buffered)?;
    Ok(id)
}

fn fill(store: &Store, id: KeyspaceId, keys: u32) -> Result<()> {
    let mut transaction = store.begin()?;
    for key in 0..keys {
        transaction.put(id, &key.to_be_bytes(), vec![b'v'; 100])?;
    }
    transaction.commit(Durability::Buffered)?;
    Ok(())
}

fn drop_keyspace(store: &Store, id: KeyspaceId) -> Result<()> {
    let mut transaction = store.begin()?;
    transaction.drop_keyspace(id)?;
    transaction.commit(Durability::Sync)?;
    Ok(())
}

#[test]
fn a_large_keyspace_is_dropped_without_reading_it() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options =
        Options { memory_bytes: 1 << 20, segment_bytes_target: 64 << 10, ..tiny_options() };
    let store = open(device.clone(), options)?;
    let id = create(&store, "large")?;
    for _ in 0..4 {
        fill(&store, id, 20_000)?;
    }
    store.flush()?;
    store.checkpoint()?;
    let used = store.stats().used_pages;
    let (operations, reads) = (device.ops(), device.reads());
    drop_keyspace(&store, id)?;
    assert_eq!(device.reads(), reads, "none of it is read");
    assert!(device.ops() - operations <= 4, "{} operations", device.ops() - operations);
    store.checkpoint()?;
    store.checkpoint()?;
    assert!(store.stats().used_pages < used / 4, "its pages are free");
    assert_eq!(store.check()?.pinned_pages, 0);
    Ok(())
}

#[test]
fn who_saw_a_dropped_keyspace_goes_on_seeing_it() -> Result<()> {
    let store = open(SimulatedStorage::new(1), tiny_options())?;
    let id = create(&store, "seen")?;
    fill(&store, id, 200)?;
    store.flush()?;
    fill(&store, id, 300)?;
    let snapshot = store.snapshot();
    let mut cursor = snapshot.cursor(id)?;
    assert!(cursor.first()?);
    drop_keyspace(&store, id)?;
    assert!(matches!(store.snapshot().get(id, b""), Err(Error::UnknownKeyspace(_))));
    let again = create(&store, "seen")?;
    assert_ne!(again, id, "a number names one keyspace for ever");
    fill(&store, again, 10)?;
    store.compact()?;
    let mut keys = 1;
    while cursor.next()? {
        keys += 1;
    }
    assert_eq!(keys, 300);
    drop(cursor);
    assert!(store.check()?.pinned_pages > 0);
    drop(snapshot);
    // What a commit has begun to compact holds pages until its end.
    while store.step()? {}
    store.checkpoint()?;
    assert_eq!(store.check()?.pinned_pages, 0, "its pages went with the last who saw it");
    Ok(())
}

#[test]
fn a_keyspace_that_is_gone_stays_gone_when_the_log_is_replayed() -> Result<()> {
    // Dropped in each place of a log that also writes to it, creates it and its namesake; with checkpoints between.
    for checkpoints in 0..32_u32 {
        let device = SimulatedStorage::new(1);
        let store = open(device.clone(), tiny_options())?;
        let mut step = 0;
        let mut moment = |store: &Store| {
            step += 1;
            if checkpoints >> (step - 1) & 1 == 1 { store.checkpoint() } else { Ok(()) }
        };
        let id = create(&store, "name")?;
        moment(&store)?;
        fill(&store, id, 20)?;
        moment(&store)?;
        drop_keyspace(&store, id)?;
        moment(&store)?;
        let again = create(&store, "name")?;
        moment(&store)?;
        fill(&store, again, 7)?;
        moment(&store)?;
        drop_keyspace(&store, again)?;
        let mut transaction = store.begin()?;
        let passing = transaction.create_keyspace("passing", KeyspaceOptions::default())?;
        transaction.put(passing, b"k", "v")?;
        transaction.drop_keyspace(passing)?;
        transaction.commit(Durability::Sync)?;
        store.core.abandon();
        drop(store);
        let store = open(device.after_power_cut(checkpoints.into()), tiny_options())?;
        assert_eq!(store.snapshot().keyspace("name"), None);
        assert_eq!(store.snapshot().keyspace("passing"), None);
        let third = create(&store, "name")?;
        assert!(third > passing, "numbers of what is gone are not given again");
        assert!(!store.snapshot().cursor(third)?.first()?, "it begins empty");
        assert_eq!(store.check()?.pinned_pages, 0);
    }
    Ok(())
}

#[test]
fn a_compaction_of_a_keyspace_that_is_dropped_comes_to_nothing() -> Result<()> {
    let mut interrupted = 0;
    for steps in 0..6 {
        let device = SimulatedStorage::new(steps);
        let options = Options {
            memory_bytes: 32 << 20,
            level0_runs_max: 1,
            compaction_bytes_max: 64 << 20,
            ..tiny_options()
        };
        let store = open(device.clone(), options.clone())?;
        let id = create(&store, "name")?;
        for _ in 0..3 {
            fill(&store, id, 30_000)?;
            store.flush()?;
        }
        for _ in 0..steps {
            store.step()?;
        }
        // What a job has written and nothing names yet.
        interrupted += u64::from(store.check()?.pinned_pages > 0);
        drop_keyspace(&store, id)?;
        let again = create(&store, "name")?;
        fill(&store, again, 100)?;
        while store.step()? {}
        assert_eq!(store.health(), None);
        assert_eq!(store.check()?.pinned_pages, 0, "what it wrote is free");
        store.core.abandon();
        drop(store);
        let store = open(device, options)?;
        assert!(store.snapshot().get(again, &99_u32.to_be_bytes())?.is_some());
        assert_eq!(store.check()?.pinned_pages, 0);
    }
    assert!(interrupted > 0, "a keyspace was dropped in the middle of its compaction");
    Ok(())
}

#[test]
fn the_rewriter_of_a_dropped_keyspace_is_not_asked_any_more() -> Result<()> {
    let mut interrupted = 0;
    for steps in 0..12 {
        let options = Options { level0_runs_max: 1, ..tiny_options() };
        let store = open(SimulatedStorage::new(steps), options)?;
        let id = store.snapshot().keyspace("tidied").expect("created by open");
        for _ in 0..3 {
            fill(&store, id, 300)?;
            store.flush()?;
        }
        for _ in 0..steps {
            store.step()?;
        }
        interrupted += u64::from(store.check()?.pinned_pages > 0);
        drop_keyspace(&store, id)?;
        // Nothing follows under its name; the rewriter asserts that it is shown the keyspace.
        while store.step()? {}
        assert_eq!(store.health(), None);
        assert_eq!(store.check()?.pinned_pages, 0, "what the compaction wrote is free");
    }
    assert!(interrupted > 0, "a keyspace was dropped in the middle of its compaction");
    Ok(())
}

#[test]
fn a_rollback_brings_a_dropped_keyspace_back_with_what_was_pending() -> Result<()> {
    // With little memory all of it is spilled at some time or other.
    for memory_bytes in [16 << 10, 1 << 20] {
        let store = open(SimulatedStorage::new(1), Options { memory_bytes, ..tiny_options() })?;
        let id = store.snapshot().keyspace("plain").expect("created by open");
        fill(&store, id, 10)?;
        let mut transaction = store.begin()?;
        for key in 0..30_u32 {
            transaction.put(id, &key.to_be_bytes(), vec![b'p'; 300])?;
        }
        let savepoint = transaction.savepoint()?;
        transaction.drop_keyspace(id)?;
        assert!(matches!(transaction.put(id, b"k", "v"), Err(Error::UnknownKeyspace(_))));
        let again = transaction.create_keyspace("plain", KeyspaceOptions::default())?;
        for key in 0..30_u32 {
            transaction.put(again, &key.to_be_bytes(), vec![b'q'; 300])?;
        }
        let inner = transaction.savepoint()?;
        transaction.drop_keyspace(again)?;
        transaction.rollback_to(&inner)?;
        assert_eq!(
            transaction.get(again, &3_u32.to_be_bytes())?.as_deref(),
            Some(&[b'q'; 300][..])
        );
        transaction.rollback_to(&savepoint)?;
        assert!(matches!(transaction.get(again, b""), Err(Error::UnknownKeyspace(_))));
        assert_eq!(transaction.keyspace("plain"), Some(id));
        assert_eq!(transaction.get(id, &29_u32.to_be_bytes())?.as_deref(), Some(&[b'p'; 300][..]));
        transaction.commit(Durability::Sync)?;
        let pending = store.snapshot().get(id, &29_u32.to_be_bytes())?;
        assert_eq!(pending.as_deref(), Some(&[b'p'; 300][..]));
        assert_eq!(store.check()?.pinned_pages, 0);
    }
    Ok(())
}

#[test]
fn a_drop_conflicts_with_who_began_before_it() -> Result<()> {
    let store = open(SimulatedStorage::new(1), tiny_options())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut late = store.begin_optimistic()?;
    late.put(id, b"k", "v")?;
    let mut first = store.begin_optimistic()?;
    first.drop_keyspace(id)?;
    let again = first.create_keyspace("plain", KeyspaceOptions::default())?;
    first.put(again, b"k", "new")?;
    fill(&store, store.snapshot().keyspace("tidied").expect("created by open"), 3)?;
    first.commit(Durability::Sync)?;
    assert!(matches!(late.commit(Durability::Sync), Err(Error::Conflict { .. })));
    assert_eq!(store.snapshot().get(again, b"k")?.as_deref(), Some(&b"new"[..]));
    assert!(matches!(store.snapshot().get(id, b"k"), Err(Error::UnknownKeyspace(_))));
    assert_eq!(store.check()?.pinned_pages, 0);
    Ok(())
}
