//! Files of a few random commits, for tests that damage, inspect or salvage them: closed in order, or as a dying process
//! leaves them. [`FileOf`] says how one is made, and [`Made`] has its bytes and knows what every commit wrote. Each file is a
//! function of its seed alone, so a case that fails can be made again.

use super::{State, Write, open, tidied};
use crate::lsm::{CommitNo, Durability, Options, Result, SimulatedStorage};

/// How a file is made.
pub(super) struct FileOf {
    pub(super) seed: u64,
    pub(super) commits: usize,
    /// After so many commits what is in memory is written out; 0: only when the store wants to.
    pub(super) flush_every: usize,
    /// So many commits are each larger than memory; 0: none.
    pub(super) spill_every: usize,
    pub(super) closed: bool,
    pub(super) options: Options,
}

/// A file and how it came about.
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    /// The writes of each commit, and its number.
    pub(super) commits: Vec<Vec<Write>>,
    pub(super) numbers: Vec<CommitNo>,
}

impl FileOf {
    /// A small file.
    pub(super) fn a_few_commits(seed: u64, closed: bool, options: Options) -> Self {
        FileOf { seed, commits: 12, flush_every: 0, spill_every: 0, closed, options }
    }

    pub(super) fn make(self) -> Result<Made> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let device = SimulatedStorage::new(self.seed);
        let store = open(device.clone(), self.options)?;
        let is_due = |number: usize, every: usize| every > 0 && number % every == every - 1;
        let (mut commits, mut numbers) = (Vec::new(), Vec::new());
        for number in 0..self.commits {
            let mut writes: Vec<Write> = (0..8).map(|_| Write::random(&mut rng)).collect();
            if is_due(number, self.spill_every) {
                writes.extend((0..120_u32).map(|_| {
                    let value = vec![rng.u8(b'a'..=b'z'); rng.usize(500..1200)];
                    Write::Put(rng.usize(0..3), format!("{:03}", rng.u32(0..60)).into(), value)
                }));
            }
            let mut transaction = store.begin()?;
            writes.iter().try_for_each(|write| write.write_to(&mut transaction))?;
            numbers.push(transaction.commit(Durability::Sync)?);
            commits.push(writes);
            if is_due(number, self.flush_every) {
                store.flush()?;
            }
            store.step()?;
        }
        if self.closed {
            store.close()?;
        } else {
            store.core.abandon();
        }
        Ok(Made { bytes: device.contents(), commits, numbers })
    }
}

impl Made {
    /// What the file held after each commit, nothing first.
    pub(super) fn states(&self) -> Vec<State> {
        let mut states = vec![State::default()];
        for writes in &self.commits {
            let mut state = states[states.len() - 1].clone();
            for write in writes {
                write.apply_to(&mut state);
            }
            states.push(state);
        }
        states
    }

    /// What the file holds.
    pub(super) fn state(&self) -> State {
        self.states().pop().unwrap_or_default()
    }

    /// What it would hold if one of the commits had not been.
    pub(super) fn state_without(&self, lost: usize) -> State {
        let mut state = State::default();
        let kept = self.commits.iter().enumerate().filter(|(number, _)| *number != lost);
        kept.flat_map(|(_, writes)| writes).for_each(|write| write.apply_to(&mut state));
        state
    }

    /// Whether a key was ever given this value.
    pub(super) fn has_put(&self, keyspace: usize, key: &[u8], value: &[u8]) -> bool {
        let is_it = |write: &Write| match write {
            Write::Put(2, of, put) => keyspace == 2 && of == key && tidied(put) == Some(value),
            Write::Put(number, of, put) => *number == keyspace && of == key && put == value,
            _ => false,
        };
        self.commits.iter().flatten().any(is_it)
    }
}
