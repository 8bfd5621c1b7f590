//! What the parts do to each other: threads that use the file side by side, and every short history of one key through
//! every kind of run.
//!
//! A device that waits for a sign makes the interleavings certain.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use bytes::Bytes;

use super::super::checkpoint::Checkpoint;
use super::super::lock;
use super::{State, Write, open, read_all, scale, tiny_options};
use crate::lsm::{
    Durability, KeyspaceId, Options, Reader, Result, SimulatedStorage, Storage, Store, Transaction,
};

/// A device on which the next question for the length waits twice, for a sign to come and one to go on.
#[derive(Debug, Clone)]
struct Paused {
    device: SimulatedStorage,
    armed: Arc<AtomicBool>,
    barrier: Arc<Barrier>,
}

impl Storage for Paused {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.device.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        if self.armed.swap(false, Ordering::Relaxed) {
            self.barrier.wait();
            self.barrier.wait();
        }
        self.device.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.device.set_len(bytes)
    }
}

#[test]
fn a_checkpoint_does_not_cut_off_what_a_transaction_spills_meanwhile() -> Result<()> {
    let storage = Paused {
        device: SimulatedStorage::new(1),
        armed: Arc::default(),
        barrier: Arc::new(Barrier::new(2)),
    };
    let store = open(storage.clone(), tiny_options())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut transaction = store.begin()?;
    thread::scope(|scope| -> Result<()> {
        storage.armed.store(true, Ordering::Relaxed);
        let checkpoint = scope.spawn(|| {
            let _jobs = lock(&store.core.jobs);
            store.core.checkpoint(Checkpoint::Plain)
        });
        storage.barrier.wait();
        // The checkpoint knows what became free, and has not cut the file yet.
        for key in 0..400_u32 {
            transaction.put(id, &key.to_be_bytes(), vec![7; 900])?;
        }
        storage.barrier.wait();
        checkpoint.join().expect("no panic")
    })?;
    assert!(transaction.writes.pending.is_spilled());
    transaction.commit(Durability::Sync)?;
    assert_eq!(read_all(&store.snapshot())?[0].len(), 400);
    store.check().map(drop)
}

/// How what comes next in a history is separated from what was before.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Nothing,
    Savepoint,
    /// Something of the same key is written behind a savepoint, and undone.
    Undone,
    Commit,
    Flush,
    Spill,
    Compact,
}

const CUTS: [Cut; 7] =
    [Cut::Nothing, Cut::Savepoint, Cut::Undone, Cut::Commit, Cut::Flush, Cut::Spill, Cut::Compact];

/// Bytes that make a transaction of either kind spill.
const FILLING_BYTES: usize = 6 << 10;

fn begin(store: &Store, optimistic: bool) -> Result<Transaction> {
    if optimistic { store.begin_optimistic() } else { store.begin() }
}

/// Writes the steps of a history, with the cuts between them.
fn run_history(steps: &[(Write, Cut)], optimistic: bool) -> Result<()> {
    let options = Options { memory_bytes: 16 << 10, ..tiny_options() };
    let store = open(SimulatedStorage::new(0), options)?;
    let ids = ["plain", "merged"].map(|name| store.snapshot().keyspace(name).expect("is there"));
    let mut state = State::default();
    let mut transaction = begin(&store, optimistic)?;
    let mut savepoints = Vec::new();
    for (write, cut) in steps {
        write.write_to(&mut transaction)?;
        write.apply_to(&mut state);
        match cut {
            Cut::Nothing => {}
            Cut::Savepoint => savepoints.push(transaction.savepoint()?),
            Cut::Undone => {
                let savepoint = transaction.savepoint()?;
                transaction.merge(ids[1], b"k", "undone")?;
                transaction.delete_range(ids[1], Bound::Unbounded, Bound::Unbounded)?;
                transaction.rollback_to(&savepoint)?;
            }
            Cut::Spill => fill(&mut transaction, ids[0], &mut state)?,
            Cut::Commit | Cut::Flush | Cut::Compact => {
                transaction.commit(Durability::Buffered)?;
                savepoints.clear();
                match cut {
                    Cut::Flush => store.flush()?,
                    Cut::Compact => store.compact()?,
                    _ => {}
                }
                transaction = begin(&store, optimistic)?;
            }
        }
        compare(&transaction, ids[1], &state)?;
    }
    transaction.commit(Durability::Sync)?;
    compare(&store.snapshot(), ids[1], &state)?;
    assert_eq!(read_all(&store.snapshot())?, state);
    store.compact()?;
    assert_eq!(read_all(&store.snapshot())?, state);
    assert!(lock(&store.core.window).is_empty());
    assert_eq!(store.check()?.pinned_pages, 0);
    Ok(())
}

/// Makes what was written so far a pending run, without touching the keys of the history.
fn fill(transaction: &mut Transaction, id: KeyspaceId, state: &mut State) -> Result<()> {
    for key in 0..FILLING_BYTES / 230 {
        let (key, value) = (format!("filling{key}").into_bytes(), vec![7; 140]);
        transaction.put(id, &key, Bytes::from(value.clone()))?;
        state[0].insert(key, value);
    }
    assert!(transaction.writes.pending.is_spilled());
    Ok(())
}

/// Key by key and by a cursor, both ways.
fn compare(reader: &dyn Reader, id: KeyspaceId, state: &State) -> Result<()> {
    for key in [&b"j"[..], b"k", b"l"] {
        assert_eq!(reader.get(id, key)?.as_deref(), state[1].get(key).map(|value| &value[..]));
    }
    let mut cursor = reader.cursor(id)?;
    let mut backwards = Vec::new();
    let mut on_entry = cursor.last()?;
    while on_entry {
        backwards.push((cursor.key().to_vec(), cursor.value()?.to_vec()));
        on_entry = cursor.prev()?;
    }
    backwards.reverse();
    let expected: Vec<_> = state[1].clone().into_iter().collect();
    assert_eq!(backwards, expected);
    Ok(())
}

#[test]
fn every_short_history_of_a_key_reads_the_same_through_runs_of_every_kind() {
    let key = b"k".to_vec();
    let kinds = |step: u8| {
        let value = vec![b'0' + step; 2];
        [
            Write::Put(1, key.clone(), value.clone()),
            Write::Merge(key.clone(), value),
            Write::Delete(1, key.clone()),
            Write::DeleteRange(1, b"a".to_vec(), Some(b"z".to_vec())),
            // A range that ends with the key, which it does not hold.
            Write::DeleteRange(1, b"a".to_vec(), Some(key.clone())),
        ]
    };
    let mut rng = fastrand::Rng::with_seed(0);
    for round in 0..2 * scale() {
        for number in 0..5_usize.pow(4) {
            let mut rest = number;
            let mut steps = vec![(Write::Put(1, b"j".to_vec(), b"x".to_vec()), Cut::Commit)];
            for step in 0..4 {
                steps.push((kinds(step)[rest % 5].clone(), CUTS[rng.usize(..CUTS.len())]));
                rest /= 5;
            }
            let optimistic = rng.bool();
            let run = std::panic::catch_unwind(|| run_history(&steps, optimistic));
            assert!(
                matches!(run, Ok(Ok(()))),
                "round {round}, optimistic {optimistic}: {steps:?}: {run:?}"
            );
        }
    }
}
