//! Thread schedules: the storage core on a simulated device, with a scheduler that decides who runs next.
//!
//! Each test is a small program of a few threads. It runs many times; at every lock, condition, atomic and swap of a version
//! the scheduler (shuttle) picks the thread that goes on, by chance or by priorities that change a few times. Where all threads wait
//! for each other the run fails. `ALLUVIUM_TEST_SCALE` multiplies the number of runs. A failure prints a schedule, which
//! `shuttle::replay` runs again.
//!
//! What they look for: a commit that is shown or acknowledged before it is durable, a wake-up that is lost, a failure that nobody is told
//! of, a snapshot that changes, and pages that are used again while something may still read them.

use std::io;
use std::sync::Arc;

use alluvium_schedules::lsm::{
    Durability, KeyspaceId, KeyspaceOptions, ManualClock, ManualScheduler, Options, Reader, Result,
    SimulatedStorage, Snapshot, Storage, Store,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::{Config, MaxSteps, Runner, thread};

/// Runs of each test with a scale of 1, of each kind of scheduler.
const RUNS: usize = 500;
/// Times at which priorities change in one run.
const CHANGES: usize = 4;

fn scale() -> usize {
    let scale = std::env::var("ALLUVIUM_TEST_SCALE").ok();
    scale.and_then(|scale| scale.parse().ok()).unwrap_or(1)
}

/// Runs `program` under many schedules.
fn explore(program: impl Fn() + Send + Sync + Copy + 'static) {
    explore_with(RandomScheduler::new(RUNS * scale()), program);
    explore_with(PctScheduler::new(CHANGES, RUNS * scale()), program);
}

fn explore_with(scheduler: impl Scheduler + 'static, program: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // A commit has a deep stack where nothing is optimized.
    config.stack_size = 4 << 20;
    config.max_steps = MaxSteps::FailAfter(1_000_000);
    Runner::new(scheduler, config).run(program);
}

/// Options under which a few commits make segments, levels and checkpoints.
fn options() -> Options {
    Options {
        memory_bytes: 64 << 10,
        block_bytes: 128,
        segment_bytes_target: 1 << 10,
        level0_runs_max: 1,
        log_bytes_max: 16 << 10,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        ..Options::default()
    }
}

/// A store on a device of which another handle is kept.
struct World {
    device: SimulatedStorage,
    store: Store,
    id: KeyspaceId,
}

impl World {
    fn new() -> Arc<World> {
        let device = SimulatedStorage::new(1);
        let store = Store::open(device.clone(), options()).expect("an empty device");
        let mut transaction = store.begin().expect("a new store");
        let id = transaction.create_keyspace("words", KeyspaceOptions::default());
        let id = id.expect("a new name");
        transaction.commit(Durability::Sync).expect("a healthy device");
        Arc::new(World { device, store, id })
    }

    fn put(&self, key: &[u8], value: &[u8], durability: Durability) -> Result<()> {
        let mut transaction = self.store.begin()?;
        transaction.put(self.id, key, value)?;
        transaction.commit(durability).map(|_| ())
    }

    fn get(&self, snapshot: &Snapshot, key: &[u8]) -> Option<Vec<u8>> {
        let value = snapshot.get(self.id, key).expect("a healthy device");
        value.map(|value| value.to_vec())
    }

    /// What would be there if the power went now.
    fn survivor(&self) -> Store {
        let seed = shuttle::rand::RngCore::next_u64(&mut shuttle::rand::thread_rng());
        Store::open(self.device.after_power_cut(seed), options()).expect("it opens after any death")
    }

    /// What readers see of commits that were to be durable is durable.
    fn assert_shown_is_durable(&self, keys: &[[u8; 2]]) {
        let shown = self.store.snapshot();
        let left = self.survivor().snapshot();
        for key in keys {
            let value = self.get(&shown, key);
            if value.as_deref() == Some(b"Sync") {
                assert_eq!(self.get(&left, key), value, "{key:?} was shown too early");
            }
        }
    }
}

/// Which commit asks for what: most are durable, and some are not.
fn strength(writer: u8, number: u8) -> Durability {
    if (writer + number) % 3 == 2 { Durability::Buffered } else { Durability::Sync }
}

const WRITERS: u8 = 3;
const COMMITS: u8 = 2;

fn keys() -> Vec<[u8; 2]> {
    (0..WRITERS).flat_map(|writer| (0..COMMITS).map(move |number| [writer, number])).collect()
}

#[test]
fn a_commit_is_shown_and_acknowledged_when_it_is_durable() {
    explore(|| {
        let world = World::new();
        let writers = (0..WRITERS).map(|writer| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                for number in 0..COMMITS {
                    let (key, durability) = ([writer, number], strength(writer, number));
                    let value = format!("{durability:?}");
                    world.put(&key, value.as_bytes(), durability).expect("a healthy device");
                    let shown = world.store.snapshot();
                    assert!(world.get(&shown, &key).is_some(), "{key:?} is acknowledged");
                    world.assert_shown_is_durable(&[key]);
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let reader = Arc::clone(&world);
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                reader.assert_shown_is_durable(&keys());
            }
        });
        for thread in writers.into_iter().chain([reader]) {
            thread.join().expect("it says why");
        }
        let shown = world.store.snapshot();
        assert!(keys().iter().all(|key| world.get(&shown, key).is_some()));
        world.store.check().expect("nothing is lost or used twice");
    });
}

#[test]
fn a_checkpoint_names_nothing_that_is_not_durable() {
    explore(|| {
        let world = World::new();
        let writer = Arc::clone(&world);
        let writer = thread::spawn(move || {
            let mut transaction = writer.store.begin().expect("a sound store");
            let late = transaction.create_keyspace("late", KeyspaceOptions::default());
            let late = late.expect("a new name");
            transaction.put(late, b"key", b"value").expect("it is small");
            transaction.commit(Durability::Sync).expect("a healthy device");
        });
        let follower = Arc::clone(&world);
        let follower = thread::spawn(move || {
            follower.put(b"other", b"Sync", Durability::Sync).expect("a healthy device");
        });
        let checkpoint = Arc::clone(&world);
        let checkpoint = thread::spawn(move || {
            checkpoint.store.checkpoint().expect("a healthy device");
        });
        for _ in 0..3 {
            let left = world.survivor().snapshot();
            if let Some(late) = left.keyspace("late") {
                let value = left.get(late, b"key").expect("a healthy device");
                assert!(value.is_some(), "the keyspace is there, and what came with it is not");
            }
            thread::yield_now();
        }
        for thread in [writer, follower, checkpoint] {
            thread.join().expect("it says why");
        }
        world.store.check().expect("nothing is lost or used twice");
    });
}

#[test]
fn a_device_that_fails_fails_everyone_who_waits_and_loses_nothing_acknowledged() {
    explore(|| {
        let world = World::new();
        let soon = shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 1..8);
        world.device.fail_at(world.device.ops() + soon, io::ErrorKind::Other);
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let writers = (0..WRITERS).map(|writer| {
            let (world, acknowledged) = (Arc::clone(&world), Arc::clone(&acknowledged));
            thread::spawn(move || {
                for number in 0..COMMITS {
                    let key = [writer, number];
                    if world.put(&key, b"Sync", Durability::Sync).is_err() {
                        return;
                    }
                    acknowledged.lock().expect("nobody panics with it").push(key);
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        let stepper = Arc::clone(&world);
        let stepper = thread::spawn(move || {
            // Syncs beside those of the commits, which may be told of their failure.
            let _ = stepper.store.flush();
            let _ = stepper.store.checkpoint();
        });
        for thread in writers.into_iter().chain([stepper]) {
            thread.join().expect("it says why");
        }
        world.assert_shown_is_durable(&keys());
        let left = world.survivor().snapshot();
        for key in acknowledged.lock().expect("nobody panics with it").iter() {
            assert!(world.get(&left, key).is_some(), "{key:?} was acknowledged");
        }
    });
}

#[test]
fn of_overlapping_syncs_none_is_believed_when_one_fails() {
    explore(|| {
        let device = SimulatedStorage::from_bytes(vec![0; 3 * 512]);
        let handle = Arc::new(device.clone());
        let failing = shuttle::rand::Rng::gen_range(&mut shuttle::rand::thread_rng(), 1..7);
        device.fail_at(failing, io::ErrorKind::Other);
        let threads = (0..3_u8).map(|number| {
            let handle = Arc::clone(&handle);
            thread::spawn(move || {
                let offset = u64::from(number) * 512;
                let written = handle.write_at(offset, &[number + 1; 512]);
                written.is_ok() && handle.sync().is_ok()
            })
        });
        let threads: Vec<_> = threads.collect();
        for (number, thread) in (0..3_u8).zip(threads) {
            let synced = thread.join().expect("it does not panic");
            for seed in 0..if synced { 20 } else { 0 } {
                let left = device.after_power_cut(seed).contents();
                assert_eq!(left[usize::from(number) * 512], number + 1, "its sync succeeded");
            }
        }
    });
}

#[test]
fn snapshots_neither_change_nor_go_back_while_runs_are_flushed_and_compacted() {
    explore(|| {
        let world = World::new();
        let writer = Arc::clone(&world);
        let writer = thread::spawn(move || {
            for number in 1..=4_u8 {
                let mut transaction = writer.store.begin().expect("a sound store");
                for key in [b"a", b"b"] {
                    transaction.put(writer.id, key, vec![number; 90]).expect("it is small");
                }
                let durability = strength(0, number);
                transaction.commit(durability).expect("a healthy device");
            }
        });
        let stepper = Arc::clone(&world);
        let stepper = thread::spawn(move || {
            for _ in 0..2 {
                stepper.store.flush().expect("a healthy device");
                while stepper.store.step().expect("a healthy device") {}
            }
        });
        let readers = (0..2).map(|_| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let seen = |snapshot: &Snapshot| {
                    let values = [b"a", b"b"].map(|key| world.get(snapshot, key));
                    assert_eq!(values[0], values[1], "a commit is whole");
                    values[0].as_ref().map_or(0, |value| value[0])
                };
                let kept = world.store.snapshot();
                let first = seen(&kept);
                let mut last = first;
                for _ in 0..2 {
                    let now = seen(&world.store.snapshot());
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
                assert_eq!(seen(&kept), first, "a snapshot changed");
            })
        });
        let readers: Vec<_> = readers.collect();
        for thread in readers.into_iter().chain([writer, stepper]) {
            thread.join().expect("it says why");
        }
        assert_eq!(world.get(&world.store.snapshot(), b"a"), Some(vec![4; 90]));
        world.store.check().expect("nothing is lost or used twice");
    });
}

#[test]
fn pages_are_used_again_only_when_neither_a_snapshot_nor_a_root_needs_them() {
    explore(|| {
        let world = World::new();
        let fill = |world: &World, value: u8| -> Result<()> {
            for key in 0..6_u8 {
                world.put(&[key], &[value; 90], Durability::Buffered)?;
            }
            world.store.flush()
        };
        // Two runs, which a root names and a compaction will replace; a snapshot holds one of them.
        fill(&world, 1).expect("a healthy device");
        let pinned = world.store.snapshot();
        fill(&world, 2).expect("a healthy device");
        world.store.checkpoint().expect("a healthy device");
        let reader = Arc::clone(&world);
        let reader = thread::spawn(move || {
            for key in 0..6_u8 {
                assert_eq!(reader.get(&pinned, &[key]), Some(vec![1; 90]), "what it shows changed");
            }
            drop(pinned);
        });
        let compactor = Arc::clone(&world);
        let compactor = thread::spawn(move || {
            while compactor.store.step().expect("a healthy device") {}
            compactor.store.checkpoint().expect("a healthy device");
        });
        let writer = Arc::clone(&world);
        let writer = thread::spawn(move || {
            for value in 3..6 {
                fill(&writer, value).expect("a healthy device");
            }
        });
        let deaths = Arc::clone(&world);
        let deaths = thread::spawn(move || {
            for _ in 0..4 {
                let left = deaths.survivor();
                left.check().expect("what a root or the log names is whole");
                let left = left.snapshot();
                for key in 0..6_u8 {
                    let value = deaths.get(&left, &[key]);
                    assert!(value.is_some_and(|value| value[0] >= 2), "it was durable");
                }
            }
        });
        for thread in [reader, compactor, writer, deaths] {
            thread.join().expect("it says why");
        }
        let shown = world.store.snapshot();
        for key in 0..6_u8 {
            assert_eq!(world.get(&shown, &[key]), Some(vec![5; 90]));
        }
        drop(shown);
        // A compaction that was begun has pages of its own.
        while world.store.step().expect("a healthy device") {}
        let report = world.store.check().expect("nothing is lost or used twice");
        assert_eq!(report.pinned_pages, 0, "nothing is leaked");
    });
}
