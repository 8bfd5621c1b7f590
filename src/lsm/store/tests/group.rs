//! Group commit: one durable write for all that wait, nothing visible before it is durable, and nothing at all after it failed.
//!
//! A device whose durable writes wait for a sign makes the interleavings certain; threads under a power cut at a random
//! operation try the others. Every commit writes its number and how durable it wanted to be, so that what is found
//! afterwards can be compared with what was acknowledged and with what readers saw.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use super::super::lock;
use super::{open, scale, tiny_options};
use crate::lsm::{
    Durability, Error, KeyspaceId, Options, Reader, Result, SimulatedStorage, Snapshot, Storage,
    Store,
};

/// A device whose durable writes can be made to wait.
#[derive(Debug, Clone)]
struct Gated {
    device: SimulatedStorage,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Debug, Default)]
struct Gate {
    /// Durable writes may pass only so often before they are made, and before they return.
    may_begin: Option<u64>,
    may_return: Option<u64>,
    /// Durable writes that wait to be made, and to return.
    begins: u64,
    returns: u64,
}

impl Gated {
    fn new(seed: u64) -> Self {
        Gated { device: SimulatedStorage::new(seed), gate: Arc::default() }
    }

    fn change(&self, change: impl FnOnce(&mut Gate)) {
        let (gate, changed) = &*self.gate;
        change(&mut lock(gate));
        changed.notify_all();
    }

    fn wait(&self, mut until: impl FnMut(&mut Gate) -> bool) {
        let (gate, changed) = &*self.gate;
        let mut gate = lock(gate);
        while !until(&mut gate) {
            gate = changed.wait(gate).unwrap();
        }
        changed.notify_all();
    }

    fn close(&self) {
        self.change(|gate| gate.may_begin = Some(0));
    }

    fn open(&self) {
        self.change(|gate| (gate.may_begin, gate.may_return) = (None, None));
    }

    /// Waits until a durable write waits to be made.
    fn await_flight(&self) {
        self.wait(|gate| gate.begins == 1);
    }

    /// Takes one of the permits that are left.
    fn pass(permits: &mut Option<u64>) -> bool {
        match permits {
            None => true,
            Some(0) => false,
            Some(permits) => {
                *permits -= 1;
                true
            }
        }
    }
}

impl Storage for Gated {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.device.write_at(offset, bytes)
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(|gate| gate.begins += 1);
        self.wait(|gate| Gated::pass(&mut gate.may_begin));
        let written = self.device.write_durable(offset, bytes);
        self.change(|gate| (gate.begins, gate.returns) = (gate.begins - 1, gate.returns + 1));
        self.wait(|gate| Gated::pass(&mut gate.may_return));
        self.change(|gate| gate.returns -= 1);
        written
    }

    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.device.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.device.set_len(bytes)
    }
}

const COUNTER: &[u8] = b"counter";

/// Options under which nothing happens besides the commits.
fn quiet_options() -> Options {
    Options { memory_bytes: 1 << 20, log_bytes_max: 1 << 30, ..tiny_options() }
}

/// A store whose log has room for many sealed records, so that no commit has to make another extent.
fn open_gated(storage: &Gated) -> Result<(Store, KeyspaceId)> {
    let store = open(storage.clone(), quiet_options())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    while lock(&store.core.writer).log.position().extent.pages < 64 {
        count_up(&store, id, Durability::Sync)?;
    }
    Ok((store, id))
}

/// Number of the next record of the log.
fn appended(store: &Store) -> u64 {
    lock(&store.core.writer).log.position().record
}

/// Waits until other threads have appended so many records, or more.
fn await_appended(store: &Store, record: u64) {
    while appended(store) < record {
        thread::yield_now();
    }
}

/// Writes the next number, and how durable it wanted to be; each commit reads what the one before it wrote.
fn count_up(store: &Store, id: KeyspaceId, durability: Durability) -> Result<u32> {
    let mut transaction = store.begin()?;
    let number = counter(&transaction, id)? + 1;
    transaction.put(id, COUNTER, number.to_be_bytes())?;
    transaction.put(id, &number.to_be_bytes(), format!("{durability:?}"))?;
    transaction.commit(durability)?;
    Ok(number)
}

fn counter(reader: &dyn Reader, id: KeyspaceId) -> Result<u32> {
    let bytes = reader.get(id, COUNTER)?;
    Ok(bytes.map_or(0, |bytes| u32::from_be_bytes(bytes[..].try_into().unwrap())))
}

/// The counter, after proving that everything below it is there too; and the greatest number that was to be durable.
fn counted(snapshot: &Snapshot, id: KeyspaceId) -> Result<(u32, u32)> {
    let (last, mut durable) = (counter(snapshot, id)?, 0);
    for number in 1..=last {
        let durability = snapshot.get(id, &number.to_be_bytes())?;
        let durability = durability.unwrap_or_else(|| panic!("{number} of {last} is not there"));
        if durability == "Sync" {
            durable = number;
        }
    }
    assert_eq!(snapshot.get(id, &(last + 1).to_be_bytes())?, None);
    Ok((last, durable))
}

#[test]
fn commits_that_wait_share_a_durable_write_and_its_pages() -> Result<()> {
    const THREADS: u64 = 8;
    for seed in 0..3 {
        let storage = Gated::new(seed);
        let (store, id) = open_gated(&storage)?;
        for round in 0..5 {
            let (ops, syncs) = (storage.device.ops(), storage.device.syncs());
            let first = counter(&store.snapshot(), id)?;
            let position = lock(&store.core.writer).log.position();
            storage.close();
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        count_up(&store, id, Durability::Sync).expect("a healthy device")
                    });
                }
                await_appended(&store, position.record + THREADS);
                storage.open();
            });
            assert_eq!(storage.device.syncs(), syncs, "nobody syncs the file");
            assert_eq!(storage.device.ops() - ops, 2, "the first one's, and that of the others");
            let pages = lock(&store.core.writer).log.position().offset - position.offset;
            assert!(pages / 4096 < THREADS / 2, "{THREADS} commits took {pages} bytes of log");
            let after = open(storage.device.after_power_cut(round), quiet_options())?;
            let (last, durable) = counted(&after.snapshot(), id)?;
            assert_eq!((last, durable), (first + 8, first + 8), "all were acknowledged");
        }
    }
    Ok(())
}

#[test]
fn a_lone_writer_pays_one_durable_write_for_a_commit() -> Result<()> {
    let storage = Gated::new(1);
    let (store, id) = open_gated(&storage)?;
    let (ops, syncs) = (storage.device.ops(), storage.device.syncs());
    for _ in 0..20 {
        count_up(&store, id, Durability::Sync)?;
    }
    assert_eq!((storage.device.ops() - ops, storage.device.syncs() - syncs), (20, 0));
    Ok(())
}

#[test]
fn a_commit_shows_when_it_is_durable_and_the_next_transaction_begins_before() -> Result<()> {
    let storage = Gated::new(1);
    let (store, id) = open_gated(&storage)?;
    let before = counter(&store.snapshot(), id)?;
    storage.close();
    thread::scope(|scope| {
        let strict = scope.spawn(|| count_up(&store, id, Durability::Sync));
        storage.await_flight();
        assert_eq!(counter(&store.snapshot(), id)?, before, "it may still be lost");
        // The weaker one is visible only together with the one before it, so it is acknowledged then.
        let record = appended(&store);
        let weaker = scope.spawn(|| count_up(&store, id, Durability::Buffered));
        await_appended(&store, record + 1);
        let third = store.begin()?;
        assert_eq!(counter(&third, id)?, before + 2, "a transaction begins on what is appended");
        assert_eq!(counter(&store.snapshot(), id)?, before);
        drop(third);
        // What background steps do meanwhile shows nothing either.
        while store.step()? {}
        assert_eq!(counter(&store.snapshot(), id)?, before);
        assert!(!strict.is_finished() && !weaker.is_finished());
        storage.open();
        strict.join().expect("no panic")?;
        weaker.join().expect("no panic")?;
        assert_eq!(counter(&store.snapshot(), id)?, before + 2);
        Ok(())
    })
}

#[test]
fn a_commit_that_is_durable_and_not_shown_yet_survives() -> Result<()> {
    let storage = Gated::new(1);
    let (store, id) = open_gated(&storage)?;
    let before = counter(&store.snapshot(), id)?;
    storage.change(|gate| gate.may_return = Some(0));
    thread::scope(|scope| {
        let strict = scope.spawn(|| count_up(&store, id, Durability::Sync));
        storage.wait(|gate| gate.returns == 1);
        let record = appended(&store);
        // These come while the write is under way: no later page says that they are durable.
        let others = [Durability::Sync, Durability::Buffered].map(|durability| {
            let (store, scope) = (&store, &scope);
            scope.spawn(move || count_up(store, id, durability))
        });
        await_appended(&store, record + 2);
        assert_eq!(counter(&store.snapshot(), id)?, before);
        for seed in 0..40 {
            let after = open(storage.device.after_power_cut(seed), quiet_options())?;
            let (last, _) = counted(&after.snapshot(), id)?;
            assert!((before + 1..=before + 3).contains(&last), "{last} behind {before}");
        }
        storage.open();
        strict.join().expect("no panic")?;
        for other in others {
            other.join().expect("no panic")?;
        }
        assert_eq!(counted(&store.snapshot(), id)?.0, before + 3);
        Ok(())
    })
}

#[test]
fn groups_follow_each_other_while_others_append() -> Result<()> {
    let storage = Gated::new(1);
    let (store, id) = open_gated(&storage)?;
    let before = counter(&store.snapshot(), id)?;
    storage.close();
    thread::scope(|scope| {
        let mut waiting = vec![scope.spawn(|| count_up(&store, id, Durability::Sync))];
        storage.await_flight();
        for group in 0..6 {
            assert_eq!(counter(&store.snapshot(), id)?, before + group * 4 - group.min(1) * 3);
            for number in 0..4 {
                let record = appended(&store);
                let hour = Duration::from_secs(3600);
                let durability =
                    if number == 1 { Durability::Interval(hour) } else { Durability::Sync };
                let store = &store;
                waiting.push(scope.spawn(move || count_up(store, id, durability)));
                await_appended(store, record + 1);
            }
            // What is flying lands and takes nothing of this group along; then this group flies.
            let durable = lock(&store.core.writer).log.durable();
            storage.change(|gate| gate.may_begin = Some(1));
            while lock(&store.core.writer).log.durable() == durable {
                thread::yield_now();
            }
            storage.await_flight();
            let shown = counter(&store.snapshot(), id)?;
            assert_eq!(shown, before + 1 + group * 4);
            let after = open(storage.device.after_power_cut(group.into()), quiet_options())?;
            assert!(counted(&after.snapshot(), id)?.0 >= shown);
        }
        storage.open();
        for commit in waiting {
            commit.join().expect("no panic")?;
        }
        assert_eq!(counted(&store.snapshot(), id)?.0, before + 25);
        Ok(())
    })
}

#[test]
fn a_checkpoint_names_nothing_that_is_still_flying() -> Result<()> {
    for seed in 0..20 {
        let storage = Gated::new(seed);
        let (store, id) = open_gated(&storage)?;
        let before = counter(&store.snapshot(), id)?;
        storage.close();
        thread::scope(|scope| -> Result<()> {
            let strict = scope.spawn(|| count_up(&store, id, Durability::Sync));
            storage.await_flight();
            let ops = storage.device.ops();
            let checkpoint = scope.spawn(|| store.checkpoint());
            // Its manifest is written; the root must wait.
            while storage.device.ops() == ops {
                thread::yield_now();
            }
            storage.device.fail_at(storage.device.ops() + 1, io::ErrorKind::Other);
            storage.open();
            strict.join().expect("no panic").expect_err("its write failed");
            checkpoint.join().expect("no panic").expect_err("the store is poisoned");
            Ok(())
        })?;
        drop(store);
        let after = open(storage.device.after_power_cut(seed), quiet_options())?;
        assert!((before..=before + 1).contains(&counted(&after.snapshot(), id)?.0));
    }
    Ok(())
}

#[test]
fn after_a_failed_write_no_commit_that_waited_for_it_shows() -> Result<()> {
    for seed in 0..20 {
        let storage = Gated::new(seed);
        let (store, id) = open_gated(&storage)?;
        let (before, _) = counted(&store.snapshot(), id)?;
        storage.close();
        let seen = store.snapshot().commit();
        thread::scope(|scope| -> Result<()> {
            let watcher = scope.spawn(|| store.wait_for_commit(seen, Duration::MAX));
            while lock(&store.core.writer).watching == 0 {
                thread::yield_now();
            }
            let leader = scope.spawn(|| count_up(&store, id, Durability::Sync));
            storage.await_flight();
            let record = appended(&store);
            let follower = scope.spawn(|| count_up(&store, id, Durability::Sync));
            await_appended(&store, record + 1);
            let weaker = scope.spawn(|| count_up(&store, id, Durability::Buffered));
            await_appended(&store, record + 2);
            storage.device.fail_at(storage.device.ops() + 1, io::ErrorKind::Other);
            storage.open();
            let error = leader.join().expect("no panic").expect_err("its write failed");
            assert!(matches!(error, Error::Io { .. }), "{error}");
            for waiting in [follower, weaker] {
                let error = waiting.join().expect("no panic").expect_err("it waited");
                assert!(matches!(error, Error::Poisoned { .. }), "{error}");
            }
            let error = watcher.join().expect("no panic").expect_err("nothing will come");
            assert!(matches!(error, Error::Poisoned { .. }), "{error}");
            Ok(())
        })?;
        assert_eq!(counted(&store.snapshot(), id)?.0, before);
        assert!(matches!(store.begin(), Err(Error::Poisoned { .. })));
        assert!(store.health().is_some());
        drop(store);
        let after = open(storage.device.after_power_cut(seed), quiet_options())?;
        let (last, _) = counted(&after.snapshot(), id)?;
        assert!((before..=before + 3).contains(&last), "a prefix of what was tried");
    }
    Ok(())
}

#[test]
fn a_power_cut_under_many_writers_leaves_a_prefix_with_all_that_was_acknowledged_or_seen() {
    for seed in 0..40 * scale() {
        let device = SimulatedStorage::new(seed);
        let options = Options { memory_bytes: 24 << 10, log_bytes_max: 24 << 10, ..tiny_options() };
        let store = open(device.clone(), options.clone()).expect("a healthy device");
        let id = store.snapshot().keyspace("plain").expect("created by open");
        // Other schedules for each seed, however many they are, and not ever longer runs.
        device.power_cut_at(device.ops() + 1 + seed % 400 * 7);
        // The greatest number that was acknowledged as durable, or seen by a reader and had to be.
        let promised = AtomicU64::new(0);
        let promise = |number: u32| promised.fetch_max(number.into(), Ordering::Relaxed);
        thread::scope(|scope| {
            for worker in 0..4 {
                let (store, promise) = (&store, &promise);
                scope.spawn(move || {
                    let mut rng = fastrand::Rng::with_seed(seed * 10 + worker);
                    loop {
                        let strict = rng.bool();
                        let durability =
                            if strict { Durability::Sync } else { Durability::Buffered };
                        match count_up(store, id, durability) {
                            Ok(number) if strict => drop(promise(number)),
                            Ok(_) => {}
                            // The reader waits for a processor, and so does all that was written since it looked.
                            Err(Error::SnapshotsHoldMemory { .. }) => thread::yield_now(),
                            Err(_) => return,
                        }
                    }
                });
            }
            scope.spawn(|| {
                let mut last = 0;
                while !device.power_is_off() {
                    let snapshot = store.snapshot();
                    // Reads may fail when the power goes meanwhile.
                    let Ok(seen) = counter(&snapshot, id) else { return };
                    assert!(seen >= last, "time runs backwards for readers");
                    last = seen;
                    for number in (1..=seen).rev() {
                        match snapshot.get(id, &number.to_be_bytes()) {
                            Ok(Some(durability)) if durability == "Sync" => {
                                promise(number);
                                break;
                            }
                            Ok(Some(_)) => {}
                            Ok(None) => panic!("{number} of {seen} is not there"),
                            Err(_) => return,
                        }
                    }
                    let _ = store.step();
                }
            });
        });
        let after = open(device.after_power_cut(seed), options).expect("what is left opens");
        after.check().expect("what is left is whole");
        let (last, _) = counted(&after.snapshot(), id).expect("what is left is readable");
        let promised = promised.load(Ordering::Relaxed);
        assert!(u64::from(last) >= promised, "seed {seed}: {last} of {promised}");
    }
}
