//! Crash tests: the power goes at **every** storage operation of scripted workloads, and operations and reads fail.
//!
//! One run of a script gives all its crash points ([`Witness`]); an error needs a run of its own, so a share of them fails.
//! A cut keeps all synced bytes and an arbitrary subset of unsynced 512-byte sectors. After it the store must open,
//! check clean, and hold a prefix of the commits that includes every acknowledged `Sync` commit. After an I/O
//! error nothing acknowledged may be lost and nothing half done may show.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::cipher::cipher_of;
use super::witness::Witness;
use super::{Seen, State, Write, open, read_all, scale, tiny_options};
use crate::lsm::{
    Durability, Error, ManualClock, Options, Result, SimulatedStorage, Storage, Store, StoreReader,
};

const COMMITS: u32 = 18;
/// Commits of a script that does nothing but cut its log again and again, so that its extents serve again.
const COMMITS_OF_LONG_LOG: u32 = 36;

/// Options under which a script of a few commits flushes by itself and fills several levels.
fn options(seed: u64) -> Options {
    Options {
        memory_bytes: 20 << 10,
        segment_bytes_target: 1 << 10,
        level0_runs_max: 1,
        level1_bytes_max: 2 << 10,
        log_bytes_max: 20 << 10,
        cipher: cipher_of(seed),
        ..tiny_options()
    }
}

/// A workload, and how far a run came.
struct Script {
    seed: u64,
    /// Shared with who looks at the device meanwhile.
    progress: Arc<Mutex<Progress>>,
    seen: Seen,
}

/// What each commit should leave, and what was acknowledged.
struct Progress {
    seed: u64,
    /// The state after each commit; the first is the empty one.
    states: Vec<State>,
    /// Commits that were acknowledged as durable.
    durable: usize,
    /// Commits that were acknowledged at all.
    acknowledged: usize,
}

impl Script {
    fn new(seed: u64) -> Self {
        let states = vec![State::default()];
        let progress = Progress { seed, states, durable: 0, acknowledged: 0 };
        Script { seed, progress: Arc::new(Mutex::new(progress)), seen: Seen::default() }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no test fails here and goes on")
    }

    /// Runs the workload on `device` until it ends or the device fails.
    fn run(&mut self, device: &(impl Storage + Clone + 'static)) -> Result<()> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let clock = Arc::new(ManualClock::default());
        let options = Options { clock: clock.clone(), ..options(self.seed) };
        let mut store = Store::open(device.clone(), options.clone())?;
        let long_log = self.seed % 3 == 2;
        // Keeps old segments, so that free pages stay inside the file.
        let mut pin = None;
        for number in 0..if long_log { COMMITS_OF_LONG_LOG } else { COMMITS } {
            self.commit(&store, &mut rng)?;
            let rested = rng.u32(0..4) == 0;
            clock.advance(Duration::from_millis(if rested { 1500 } else { rng.u64(0..8) }));
            for _ in 0..rng.u32(0..24) {
                store.step()?;
                self.seen.observe(&store);
            }
            match if long_log { 6 + number % 3 } else { rng.u32(0..30) } {
                0 => store.flush()?,
                1 => store.compact()?,
                2 => store.checkpoint()?,
                3 => {
                    pin = None;
                    store.close()?;
                    store = Store::open(device.clone(), options.clone())?;
                }
                4 => {
                    // The process dies and the machine lives on.
                    store.core.abandon();
                    drop(store);
                    pin = None;
                    store = Store::open(device.clone(), options.clone())?;
                }
                6 if long_log => {
                    store.flush()?;
                    store.checkpoint()?;
                }
                5 => {
                    store.sync()?;
                    let mut progress = self.progress();
                    progress.durable = progress.acknowledged;
                }
                6 | 7 if !long_log => {
                    store.shrink()?;
                    self.seen.shrunk += 1;
                }
                8 if !long_log => {
                    store.copy_to(SimulatedStorage::new(self.seed), |_| {})?;
                    self.seen.copied += 1;
                }
                9..12 if !long_log => pin = Some(store.snapshot()),
                _ => {}
            }
            self.seen.observe(&store);
        }
        drop(pin);
        store.close()
    }

    fn commit(&mut self, store: &Store, rng: &mut fastrand::Rng) -> Result<()> {
        let mut state = self.progress().states.last().cloned().unwrap_or_default();
        let number_of_commit = self.progress().states.len();
        let mut transaction = store.begin()?;
        if rng.u32(0..6) == 0 {
            // One that is rolled back, whole or in part, after it was spilled.
            let savepoint = transaction.savepoint()?;
            for number in 0..20_u32 {
                let write = Write::Put(0, number.to_be_bytes().to_vec(), vec![b'r'; 400]);
                write.write_to(&mut transaction)?;
            }
            if rng.bool() {
                transaction.rollback_to(&savepoint)?;
            } else {
                drop(transaction);
                transaction = store.begin()?;
            }
        }
        let writes = if rng.u32(0..6) == 0 { rng.usize(10..40) } else { rng.usize(1..10) };
        for number in 0..writes {
            // Some keys ascend from commit to commit, so that segments overlap nothing.
            let write = if rng.u32(0..3) == 0 {
                let key = format!("{:05}", 10_000 + number_of_commit * 10 + number).into_bytes();
                Write::Put(0, key, vec![b'v'; rng.usize(100..400)])
            } else {
                Write::random(rng)
            };
            write.write_to(&mut transaction)?;
            write.apply_to(&mut state);
        }
        // Known before the commit returns: it may turn out to have survived.
        self.progress().states.push(state);
        self.seen.spilled += u64::from(transaction.writes.pending.is_spilled());
        let durability = match rng.u32(0..4) {
            0 | 1 => Durability::Sync,
            2 => Durability::Interval(Duration::from_millis(rng.u64(0..20))),
            _ => Durability::Buffered,
        };
        transaction.commit(durability)?;
        let mut progress = self.progress();
        progress.acknowledged = progress.states.len() - 1;
        if durability == Durability::Sync {
            progress.durable = progress.acknowledged;
        }
        Ok(())
    }

    fn verify(&self, device: SimulatedStorage, context: &str) {
        let progress = self.progress();
        progress.verify(device, progress.durable, context);
    }
}

impl Progress {
    /// The store on `device` must hold a state of the script, at least the last durable one.
    fn verify(&self, device: SimulatedStorage, at_least: usize, context: &str) {
        let reader = match StoreReader::open(device.clone(), options(self.seed)) {
            Ok(reader) => Some(reader),
            // The file was not there yet.
            Err(Error::NotADatabase { .. }) if at_least == 0 => None,
            Err(error) => panic!("{context}, a reader: {error}"),
        };
        let store = Store::open(device, options(self.seed))
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        store.check().unwrap_or_else(|error| panic!("{context}: {error}"));
        let found =
            read_all(&store.snapshot()).unwrap_or_else(|error| panic!("{context}: {error}"));
        if let Some(reader) = reader {
            let read = read_all(&reader.snapshot());
            assert_eq!(read.ok().as_ref(), Some(&found), "{context}: a reader sees something else");
        }
        let prefix = (at_least..self.states.len()).find(|&index| self.states[index] == found);
        assert!(prefix.is_some(), "{context}: neither of commits {at_least}.. is what is there");
        store.close().unwrap_or_else(|error| panic!("{context}: {error}"));
    }
}

/// Crash points and failing operations that the tests pass through at least; `ALLUVIUM_TEST_SCALE=10` is the full number.
const CRASH_POINTS_MIN: u64 = 10_000;
const ERRORS_MIN: u64 = 2_000;
/// Scripts of the sweeps, and ways in which the power goes at each operation.
const SCRIPTS: u64 = 9;
const WAYS: u64 = 3;

#[test]
fn the_scripts_pass_through_everything_that_may_be_cut_short() {
    let mut all = Seen::default();
    for seed in 0..SCRIPTS {
        let mut script = Script::new(seed);
        script.run(&SimulatedStorage::new(seed)).expect("a healthy device");
        let seen = script.seen;
        all.levels = all.levels.max(seen.levels);
        all.flushes = all.flushes.max(seen.flushes);
        all.checkpoints = all.checkpoints.max(seen.checkpoints);
        all.log_extents = all.log_extents.max(seen.log_extents);
        all.log_extents_reused = all.log_extents_reused.max(seen.log_extents_reused);
        all.side_by_side = all.side_by_side.max(seen.side_by_side);
        all.tiers = all.tiers.max(seen.tiers);
        all.values.iter_mut().zip(seen.values).for_each(|(all, seen)| *all += seen);
        all.moved += seen.moved;
        all.merged += seen.merged;
        all.dropped += seen.dropped;
        all.purged += seen.purged;
        all.spilled += seen.spilled;
        all.recreated += seen.recreated;
        all.ranges.iter_mut().zip(seen.ranges).for_each(|(all, seen)| *all += seen);
        all.encrypted += seen.encrypted;
        all.relocated += seen.relocated;
        all.punched += seen.punched;
        all.shrunk += seen.shrunk;
        all.copied += seen.copied;
    }
    all.assert_all();
    assert!(all.values[1] > 0 && all.values[2] > 0, "value segments come and go: {all:?}");
    assert!(all.log_extents_reused > 0, "extents of the log that serve again: {all:?}");
    assert!(all.punched > 0, "holes: {all:?}");
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_prefix_with_every_durable_commit() {
    let points = Arc::new(AtomicU64::new(0));
    for seed in 0..SCRIPTS * scale() {
        let mut script = Script::new(seed);
        let (progress, counted) = (Arc::clone(&script.progress), Arc::clone(&points));
        let witness = Witness::new(SimulatedStorage::new(seed), move |cut, device| {
            let progress = progress.lock().expect("no test fails here and goes on");
            for way in 0..WAYS {
                let context = format!("seed {seed}, cut {cut}/{way}");
                let after = device.after_power_cut(way * 1000 + cut);
                progress.verify(after, progress.durable, &context);
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        script.run(&witness).expect("a healthy device");
        let progress = script.progress();
        progress.verify(witness.device, progress.acknowledged, "undisturbed");
    }
    let points = points.load(Ordering::Relaxed);
    assert!(points >= CRASH_POINTS_MIN * scale(), "{points} crash points");
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_either() {
    let seed = 77;
    let mut script = Script::new(seed);
    let progress = Arc::clone(&script.progress);
    let witness = Witness::new(SimulatedStorage::new(seed), move |cut, device| {
        if cut % 5 != 1 {
            return;
        }
        let progress = progress.lock().expect("no test fails here and goes on");
        for second in 1.. {
            let again = device.after_power_cut(cut);
            again.power_cut_at(second);
            if let Ok(store) = Store::open(again.clone(), options(seed))
                && store.close().is_ok()
            {
                break;
            }
            let context = format!("cut {cut}, then {second}");
            progress.verify(again.after_power_cut(second), progress.durable, &context);
        }
    });
    script.run(&witness).expect("a healthy device");
}

#[test]
fn an_error_at_any_operation_loses_no_acknowledged_commit() {
    let mut errors = 0;
    for seed in 0..SCRIPTS * scale() {
        let device = SimulatedStorage::new(seed);
        Script::new(seed).run(&device).expect("a healthy device");
        let (operations, reads) = (device.ops(), device.reads());
        let all = operations + reads;
        // Each script is left with its share, other operations each time.
        let step = (all * SCRIPTS / (ERRORS_MIN + 2 * SCRIPTS)).max(1);
        for fail in (1 + seed % step..=all).step_by(usize::try_from(step).expect("few")) {
            let device = SimulatedStorage::new(seed);
            if fail <= operations {
                device.fail_at(fail, std::io::ErrorKind::Other);
            } else {
                device.fail_read_at(fail - operations, std::io::ErrorKind::Other);
            }
            let mut script = Script::new(seed);
            let result = script.run(&device);
            let context =
                format!("seed {seed}, error {fail} of {operations} + {reads}: {result:?}");
            // The process lives on: what the system has is what the next opening sees.
            script.verify(SimulatedStorage::from_bytes(device.contents()), &context);
            errors += 1;
        }
    }
    assert!(errors >= ERRORS_MIN * scale(), "{errors} errors");
}

#[test]
fn a_full_disk_is_an_error_that_goes_away_with_the_cause() -> Result<()> {
    let (mut in_log, mut in_steps) = (0, 0);
    for seed in 0..40 {
        let device = SimulatedStorage::new(seed);
        // Values of value segments would always meet it first.
        let value_chunk_bytes = if seed % 2 == 0 { 64 << 10 } else { 150 };
        let options = Options { cipher: cipher_of(seed), value_chunk_bytes, ..tiny_options() };
        let store = open(device.clone(), options)?;
        let mut script = Script::new(seed);
        let mut rng = fastrand::Rng::with_seed(seed);
        script.commit(&store, &mut rng)?;
        for round in 1..4 {
            device.full_at(device.len_bytes().unwrap() + rng.u64(0..4) * 4096);
            // Which part of the store meets it first depends on which of them grows the file.
            let full = loop {
                let before = script.progress().states.len();
                if let Err(error) = script.commit(&store, &mut rng) {
                    // Nothing of it happened.
                    script.progress().states.truncate(before);
                    in_log += 1;
                    break error;
                }
                if rng.bool()
                    && let Err(error) = store.step()
                {
                    in_steps += 1;
                    break error;
                }
            };
            let is_full =
                |source: &std::io::Error| source.kind() == std::io::ErrorKind::StorageFull;
            assert!(matches!(&full, Error::Io { source, .. } if is_full(source)), "{full}");
            drop(store.begin()?);
            assert_eq!(Some(&read_all(&store.snapshot())?), script.progress().states.last());
            device.full_at(u64::MAX);
            script.commit(&store, &mut rng)?;
            while store.step()? {}
            assert_eq!(store.health(), None, "seed {seed}, round {round}");
        }
        drop(store);
        let progress = script.progress();
        progress.verify(device, progress.acknowledged, &format!("seed {seed}, the disk was full"));
    }
    assert!(in_log > 5 && in_steps > 0, "{in_log} commits and {in_steps} steps met it");
    Ok(())
}
