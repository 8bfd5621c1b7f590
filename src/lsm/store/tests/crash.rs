//! Crash tests: the power goes at **every** storage operation of scripted workloads, and every operation fails once.
//!
//! A cut keeps all synced bytes and an arbitrary subset of unsynced 512-byte sectors. After it the store must open,
//! check clean, and hold a prefix of the commits that includes every acknowledged `Sync` commit. After an I/O
//! error nothing acknowledged may be lost and nothing half done may show.

use super::{State, Write, open, read_all, tiny_options};
use crate::lsm::{Durability, Error, Options, Result, SimulatedStorage, Store};

/// A workload: what each commit should leave, and how far a run came.
struct Script {
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
        Script { seed, states: vec![State::default()], durable: 0, acknowledged: 0 }
    }

    /// Runs the workload on `device` until it ends or the device fails.
    fn run(&mut self, device: &SimulatedStorage, options: &Options) -> Result<()> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut store = open(device.clone(), options.clone())?;
        for _ in 0..14 {
            self.commit(&store, &mut rng)?;
            for _ in 0..rng.u32(0..4) {
                store.step()?;
            }
            match rng.u32(0..16) {
                0 => store.flush()?,
                1 => store.compact()?,
                2 => store.checkpoint()?,
                3 => {
                    store.close()?;
                    store = open(device.clone(), options.clone())?;
                }
                _ => {}
            }
        }
        store.close()
    }

    fn commit(&mut self, store: &Store, rng: &mut fastrand::Rng) -> Result<()> {
        let mut state = self.states.last().cloned().unwrap_or_default();
        let mut transaction = store.begin()?;
        for _ in 0..rng.u32(1..10) {
            let write = Write::random(rng);
            write.write_to(&mut transaction)?;
            write.apply_to(&mut state);
        }
        let sync = rng.u32(0..3) > 0;
        // Known before the commit returns: it may turn out to have survived.
        self.states.push(state);
        transaction.commit(if sync { Durability::Sync } else { Durability::Buffered })?;
        self.acknowledged = self.states.len() - 1;
        if sync {
            self.durable = self.acknowledged;
        }
        Ok(())
    }

    /// The store on `device` must hold a state of the script, at least the last durable one.
    fn verify(&self, device: SimulatedStorage, at_least: usize, context: &str) {
        let store =
            open(device, tiny_options()).unwrap_or_else(|error| panic!("{context}: {error}"));
        store.check().unwrap_or_else(|error| panic!("{context}: {error}"));
        let found =
            read_all(&store.snapshot()).unwrap_or_else(|error| panic!("{context}: {error}"));
        let prefix = (at_least..self.states.len()).find(|&index| self.states[index] == found);
        assert!(prefix.is_some(), "{context}: neither of commits {at_least}.. is what is there");
        store.close().unwrap_or_else(|error| panic!("{context}: {error}"));
    }
}

fn cases() -> u64 {
    let scale = std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok());
    3 * scale.unwrap_or(1)
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_prefix_with_every_durable_commit() {
    for seed in 0..cases() {
        let device = SimulatedStorage::new(seed);
        let mut script = Script::new(seed);
        script.run(&device, &tiny_options()).expect("a healthy device");
        let operations = device.ops();
        script.verify(device, script.acknowledged, "undisturbed");
        for cut in 1..=operations {
            let device = SimulatedStorage::new(seed);
            device.power_cut_at(cut);
            let mut script = Script::new(seed);
            let _ = script.run(&device, &tiny_options());
            for cut_seed in 0..3 {
                let after = device.after_power_cut(cut_seed * 1000 + cut);
                script.verify(after, script.durable, &format!("seed {seed}, cut {cut}/{cut_seed}"));
            }
        }
    }
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_either() {
    let seed = 77;
    let device = SimulatedStorage::new(seed);
    Script::new(seed).run(&device, &tiny_options()).expect("a healthy device");
    let operations = device.ops();
    for cut in (1..=operations).step_by(5) {
        let device = SimulatedStorage::new(seed);
        device.power_cut_at(cut);
        let mut script = Script::new(seed);
        let _ = script.run(&device, &tiny_options());
        let mut second = 1;
        loop {
            let again = device.after_power_cut(cut);
            again.power_cut_at(second);
            if let Ok(store) = Store::open(again.clone(), tiny_options()) {
                if store.close().is_ok() {
                    break;
                }
            }
            let context = format!("cut {cut}, then {second}");
            script.verify(again.after_power_cut(second), script.durable, &context);
            second += 1;
        }
    }
}

#[test]
fn an_error_at_any_operation_loses_no_acknowledged_commit() {
    for seed in 0..cases() {
        let device = SimulatedStorage::new(seed);
        Script::new(seed).run(&device, &tiny_options()).expect("a healthy device");
        let (operations, reads) = (device.ops(), device.reads());
        for fail in 1..=operations + reads {
            let device = SimulatedStorage::new(seed);
            if fail <= operations {
                device.fail_at(fail, std::io::ErrorKind::Other);
            } else {
                device.fail_read_at(fail - operations, std::io::ErrorKind::Other);
            }
            let mut script = Script::new(seed);
            let result = script.run(&device, &tiny_options());
            let context =
                format!("seed {seed}, error {fail} of {operations} + {reads}: {result:?}");
            // The process lives on: what the system has is what the next opening sees.
            let contents = SimulatedStorage::from_bytes(device.contents());
            script.verify(contents, script.durable, &context);
        }
    }
}

#[test]
fn a_full_disk_is_an_error_that_goes_away_with_the_cause() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let store = open(device.clone(), tiny_options())?;
    let mut script = Script::new(1);
    let mut rng = fastrand::Rng::with_seed(1);
    script.commit(&store, &mut rng)?;
    device.full_at(80 << 10);
    let full = loop {
        let committed = script.commit(&store, &mut rng);
        let stepped = store.step();
        if let Err(error) = committed.and(stepped) {
            break error;
        }
    };
    assert!(matches!(full, Error::Io { .. }), "{full}");
    assert!(store.health().is_some());
    device.full_at(u64::MAX);
    drop(store);
    script.verify(device, script.durable, "after the disk was full");
    Ok(())
}
