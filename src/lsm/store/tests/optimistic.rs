//! Optimistic transactions: a conflict exactly when what was read was written, and executions that equal a serial one.
//!
//! Histories are random: several transactions are open at once, read and write, and end in any order, while others commit
//! and the store flushes and compacts. What each should meet is worked out from the sets of keys alone; then the
//! commits are replayed one after the other on a map, where every read must give what it gave.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Barrier;
use std::thread;

use super::super::lock;
use super::{Write, open, scale, tiny_options};
use crate::lsm::{
    CommitNo, Durability, Error, KeyspaceId, KeyspaceOptions, Options, Reader, Result, Seek,
    SimulatedStorage, Store, Transaction,
};

fn open_merged(seed: u64, options: Options) -> Result<(Store, KeyspaceId)> {
    let store = open(SimulatedStorage::new(seed), options)?;
    let id = store.snapshot().keyspace("merged").expect("created by open");
    Ok((store, id))
}

fn put(store: &Store, id: KeyspaceId, key: &[u8], value: &[u8]) -> Result<()> {
    let mut transaction = store.begin()?;
    transaction.put(id, key, value)?;
    transaction.commit(Durability::Buffered).map(|_| ())
}

fn is_conflict(result: &Result<CommitNo>) -> bool {
    matches!(result, Err(Error::Conflict { .. }))
}

#[test]
fn of_two_threads_that_race_on_a_key_one_passes() -> Result<()> {
    let (store, id) = open_merged(1, Options { memory_bytes: 1 << 20, ..tiny_options() })?;
    for round in 0..50_u32 {
        let barrier = Barrier::new(2);
        let race = || -> Result<CommitNo> {
            let mut transaction = store.begin_optimistic()?;
            transaction.get(id, b"key")?;
            barrier.wait();
            transaction.put(id, b"key", round.to_be_bytes())?;
            transaction.commit(Durability::Sync)
        };
        let results = thread::scope(|scope| {
            let racing = [scope.spawn(race), scope.spawn(race)];
            racing.map(|thread| thread.join().expect("no panic"))
        });
        let passed = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(passed, 1, "{results:?}");
        assert!(results.iter().any(is_conflict));
    }
    assert!(lock(&store.core.window).is_empty(), "nobody asks any more");
    Ok(())
}

#[test]
fn disjoint_keys_and_blind_writes_pass() -> Result<()> {
    let (store, id) = open_merged(1, tiny_options())?;
    let mut left = store.begin_optimistic()?;
    let mut right = store.begin_optimistic()?;
    assert!(left.get(id, b"left")?.is_none() && right.get(id, b"right")?.is_none());
    for (transaction, key) in [(&mut left, b"left"), (&mut right, b"righ")] {
        transaction.put(id, key, "value")?;
        transaction.merge(id, b"both", "x")?;
    }
    left.commit(Durability::Sync)?;
    right.commit(Durability::Sync)?;
    assert_eq!(store.snapshot().get(id, b"both")?.as_deref(), Some(&b"xx"[..]));
    Ok(())
}

#[test]
fn background_work_alone_never_conflicts() -> Result<()> {
    let (store, id) = open_merged(1, tiny_options())?;
    for key in 0..100_u32 {
        put(&store, id, &key.to_be_bytes(), b"value")?;
    }
    let mut transaction = store.begin_optimistic()?;
    let before = transaction.view(id)?;
    let mut cursor = transaction.cursor(id)?;
    let mut on_entry = cursor.first()?;
    while on_entry {
        on_entry = cursor.next()?;
    }
    drop(cursor);
    while store.step()? {}
    store.flush()?;
    store.compact()?;
    let after = store.snapshot().view(id)?;
    assert_eq!(before.commit, after.commit, "nothing was committed");
    assert_ne!(before.runs, after.runs, "but all was rewritten");
    transaction.put(id, b"key", "value")?;
    transaction.commit(Durability::Sync)?;
    assert!(store.snapshot().view(id)?.commit > after.commit);
    Ok(())
}

#[test]
fn what_a_cursor_passed_over_is_read_too() -> Result<()> {
    /// What is read, and which of the keys 0 to 9 that conflicts with.
    type Case = (fn(&Transaction, KeyspaceId) -> Result<()>, &'static [u8]);
    let cases: [Case; 7] = [
        (|reader, id| reader.cursor(id)?.first().map(|_| ()), &[0, 1, 2]),
        (|reader, id| reader.cursor(id)?.last().map(|_| ()), &[6, 7, 8, 9]),
        (|reader, id| reader.cursor(id)?.seek(&[3], Seek::Ge).map(|_| ()), &[3, 4]),
        (|reader, id| reader.cursor(id)?.seek(&[5], Seek::Le).map(|_| ()), &[4, 5]),
        (|reader, id| reader.cursor(id)?.seek(&[5], Seek::Eq).map(|_| ()), &[5]),
        (|reader, id| reader.get(id, &[7]).map(|_| ()), &[7]),
        (
            |reader, id| {
                let bounds = (Bound::Excluded(vec![2]), Bound::Excluded(vec![4]));
                reader.cursor(id)?.bounded(bounds.0, bounds.1).first().map(|_| ())
            },
            &[3],
        ),
    ];
    for (index, (read, conflicting)) in cases.into_iter().enumerate() {
        for key in 0..10_u8 {
            let (store, id) = open_merged(1, tiny_options())?;
            for there in [2, 4, 6] {
                put(&store, id, &[there], b"value")?;
            }
            let mut transaction = store.begin_optimistic()?;
            read(&transaction, id)?;
            transaction.put(id, b"written", "value")?;
            put(&store, id, &[key], b"value")?;
            let conflicts = is_conflict(&transaction.commit(Durability::Buffered));
            assert_eq!(conflicts, conflicting.contains(&key), "case {index}, key {key}");
        }
    }
    Ok(())
}

#[test]
fn a_deleted_range_conflicts_with_what_was_read_in_it() -> Result<()> {
    for (key, conflicts) in [(b"a", false), (b"b", true), (b"c", true), (b"d", false)] {
        let (store, id) = open_merged(1, tiny_options())?;
        let mut transaction = store.begin_optimistic()?;
        assert_eq!(transaction.get(id, key)?, None);
        transaction.put(id, b"x", "value")?;
        let mut other = store.begin()?;
        other.delete_range(id, Bound::Included(b"b"), Bound::Excluded(b"d"))?;
        other.commit(Durability::Buffered)?;
        assert_eq!(is_conflict(&transaction.commit(Durability::Buffered)), conflicts);
    }
    Ok(())
}

#[test]
fn a_keyspace_that_was_not_there_is_read_too() -> Result<()> {
    let (store, id) = open_merged(1, tiny_options())?;
    let mut first = store.begin_optimistic()?;
    let mut second = store.begin_optimistic()?;
    let mut third = store.begin_optimistic()?;
    first.create_keyspace("new", KeyspaceOptions::default())?;
    second.create_keyspace("other", KeyspaceOptions::default())?;
    third.put(id, b"key", "value")?;
    first.commit(Durability::Sync)?;
    assert!(is_conflict(&second.commit(Durability::Sync)));
    third.commit(Durability::Sync)?;
    Ok(())
}

#[test]
fn more_than_is_remembered_is_a_conflict() -> Result<()> {
    let (store, id) = open_merged(1, tiny_options())?;
    let mut transaction = store.begin_optimistic()?;
    transaction.put(id, b"key", "value")?;
    for key in 0..500_u32 {
        put(&store, id, &key.to_be_bytes(), b"value")?;
        store.step()?;
    }
    let error = transaction.commit(Durability::Sync).expect_err("too long ago");
    assert!(error.to_string().contains("begin a new transaction"), "{error}");
    let mut transaction = store.begin_optimistic()?;
    transaction.put(id, b"key", "value")?;
    transaction.commit(Durability::Sync)?;
    Ok(())
}

#[test]
fn a_loser_leaves_no_page_in_use() -> Result<()> {
    let (store, id) = open_merged(1, tiny_options())?;
    let mut transaction = store.begin_optimistic()?;
    transaction.get(id, b"key")?;
    for key in 0..200_u32 {
        transaction.put(id, &key.to_be_bytes(), vec![7; 300])?;
    }
    assert!(transaction.writes.pending.is_spilled());
    put(&store, id, b"key", b"value")?;
    assert!(is_conflict(&transaction.commit(Durability::Sync)));
    assert_eq!(store.check()?.pinned_pages, 0);
    Ok(())
}

/// What an open transaction did, and what it saw.
struct Open {
    transaction: Transaction,
    base: CommitNo,
    actions: Vec<Action>,
    read: BTreeSet<u8>,
    written: BTreeSet<u8>,
    /// Keys of which it need not ask what was there before.
    settled: BTreeSet<u8>,
}

enum Action {
    Get(u8, Option<Vec<u8>>),
    Scan(u8, u8, Vec<(u8, Vec<u8>)>),
    Put(u8, Vec<u8>),
    Delete(u8),
    Merge(u8, Vec<u8>),
    DeleteRange(u8, u8),
}

const KEYS: u8 = 40;

impl Open {
    fn begin(store: &Store) -> Result<Self> {
        let transaction = store.begin_optimistic()?;
        let base = transaction.writes.base.commit;
        let [read, written, settled] = <[BTreeSet<u8>; 3]>::default();
        Ok(Open { transaction, base, actions: Vec::new(), read, written, settled })
    }

    fn act(&mut self, id: KeyspaceId, rng: &mut fastrand::Rng) -> Result<()> {
        let key = rng.u8(0..KEYS);
        let value: Vec<u8> = vec![rng.u8(b'a'..=b'z'); rng.usize(1..4000)];
        let upper = key.saturating_add(rng.u8(0..6)).min(KEYS);
        self.actions.push(match rng.u32(0..12) {
            0..4 => {
                let found = self.transaction.get(id, &[key])?;
                if !self.settled.contains(&key) {
                    self.read.insert(key);
                }
                Action::Get(key, found.map(|value| value.to_vec()))
            }
            4 => {
                let bounds = (Bound::Included(vec![key]), Bound::Excluded(vec![upper]));
                let mut cursor = self.transaction.cursor(id)?.bounded(bounds.0, bounds.1);
                let mut found = Vec::new();
                let mut on_entry = cursor.first()?;
                while on_entry {
                    found.push((cursor.key()[0], cursor.value()?.to_vec()));
                    on_entry = cursor.next()?;
                }
                self.read.extend(key..upper);
                Action::Scan(key, upper, found)
            }
            5..8 => {
                self.transaction.put(id, &[key], value.clone())?;
                self.written.insert(key);
                self.settled.insert(key);
                Action::Put(key, value)
            }
            8 => {
                self.transaction.delete(id, &[key])?;
                self.written.insert(key);
                self.settled.insert(key);
                Action::Delete(key)
            }
            9 => {
                self.transaction.delete_range(
                    id,
                    Bound::Included(&[key]),
                    Bound::Excluded(&[upper]),
                )?;
                self.written.extend(key..upper);
                self.settled.extend(key..upper);
                Action::DeleteRange(key, upper)
            }
            _ => {
                self.transaction.merge(id, &[key], value.clone())?;
                self.written.insert(key);
                Action::Merge(key, value)
            }
        });
        Ok(())
    }
}

/// Does again what a transaction did; its reads must give the same.
fn replay(actions: &[Action], map: &mut BTreeMap<u8, Vec<u8>>) {
    for action in actions {
        match action {
            Action::Get(key, found) => assert_eq!(map.get(key), found.as_ref()),
            Action::Scan(lower, upper, found) => {
                let here = map.range(lower..upper).map(|(&key, value)| (key, value.clone()));
                assert!(here.eq(found.iter().cloned()));
            }
            Action::Put(key, value) => drop(map.insert(*key, value.clone())),
            Action::Delete(key) => drop(map.remove(key)),
            Action::Merge(key, operand) => map.entry(*key).or_default().extend(operand),
            Action::DeleteRange(lower, upper) => {
                map.retain(|key, _| !(lower..upper).contains(&key));
            }
        }
    }
}

#[test]
fn random_histories_equal_a_serial_one_and_conflict_only_where_they_must() -> Result<()> {
    let (mut passed, mut conflicted, mut spilled) = (0, 0, 0);
    for seed in 0..60 * scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        // So little memory that some are spilled, and enough for the window and for what they read.
        let (store, id) = open_merged(seed, Options { memory_bytes: 320 << 10, ..tiny_options() })?;
        let mut history: Vec<(CommitNo, BTreeSet<u8>, Vec<Action>)> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        for _ in 0..200 {
            match rng.u32(0..20) {
                0..3 if open.len() < 5 => open.push(Open::begin(&store)?),
                3..14 if !open.is_empty() => {
                    let index = rng.usize(..open.len());
                    open[index].act(id, &mut rng)?;
                }
                14..17 if !open.is_empty() => {
                    let Open { transaction, base, actions, read, written, .. } =
                        open.swap_remove(rng.usize(..open.len()));
                    let since = history.iter().filter(|(commit, ..)| *commit > base);
                    let touched =
                        since.flat_map(|(_, written, _)| written).any(|k| read.contains(k));
                    let writes = !transaction.writes.pending.is_empty();
                    let is_spilled = transaction.writes.pending.is_spilled();
                    let result = transaction.commit(Durability::Buffered);
                    assert_eq!(is_conflict(&result), touched && writes, "seed {seed}");
                    match result {
                        Ok(commit) if writes => {
                            history.push((commit, written, actions));
                            passed += 1;
                            spilled += u32::from(is_spilled);
                        }
                        Ok(_) => {}
                        Err(Error::Conflict { .. }) => conflicted += 1,
                        Err(error) => return Err(error),
                    }
                }
                17 => store.flush()?,
                18 => store.compact()?,
                _ => drop(store.step()?),
            }
        }
        drop(open);
        let mut map = BTreeMap::new();
        for (_, _, actions) in &history {
            replay(actions, &mut map);
        }
        let snapshot = store.snapshot();
        for key in 0..KEYS {
            let found = snapshot.get(id, &[key])?;
            assert_eq!(found.as_deref(), map.get(&key).map(|value| &value[..]), "seed {seed}");
        }
        drop(snapshot);
        // What a compaction that has begun holds is no leak.
        while store.step()? {}
        assert_eq!(store.check()?.pinned_pages, 0);
        assert!(lock(&store.core.window).is_empty());
    }
    assert!(passed > 100 && conflicted > 50 && spilled > 10, "{passed}, {conflicted}, {spilled}");
    Ok(())
}

#[test]
fn a_spilled_commit_conflicts_by_its_keys() -> Result<()> {
    for (key, conflicts) in [(50_u32, true), (1000, false)] {
        let (store, id) = open_merged(1, tiny_options())?;
        let mut transaction = store.begin_optimistic()?;
        transaction.get(id, &key.to_be_bytes())?;
        transaction.put(id, b"key", "value")?;
        let mut other = store.begin()?;
        for key in 0..200_u32 {
            Write::Put(1, key.to_be_bytes().to_vec(), vec![7; 300]).write_to(&mut other)?;
        }
        assert!(other.writes.pending.is_spilled());
        other.commit(Durability::Buffered)?;
        assert_eq!(is_conflict(&transaction.commit(Durability::Buffered)), conflicts);
    }
    Ok(())
}
