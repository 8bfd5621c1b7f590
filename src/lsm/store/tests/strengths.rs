//! Commits of every strength in any order, of every length, in logs of every state: what each of them promises is kept
//! when the process dies, and when the power goes.
//!
//! A device that notes how each page was written proves that the runs passed through every way from memory to the device:
//! pages that went through the cache and are written again, flights over the end of an extent, flights of more than is kept,
//! extents that were made ready in time, and recycled ones.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::lock;
use super::{cipher, open, scale, tiny_options};
use crate::lsm::{
    Durability, KeyspaceId, ManualClock, Options, Reader, Result, SimulatedStorage, Storage, Store,
};

/// A device that notes how its pages were written.
#[derive(Debug, Clone)]
struct Watched {
    device: SimulatedStorage,
    seen: Arc<Mutex<Ways>>,
}

#[derive(Debug, Default)]
struct Ways {
    /// Pages that went through the cache.
    cached: BTreeSet<u64>,
    durable_writes: u64,
    /// Durable writes of such pages.
    written_again: u64,
}

impl Storage for Watched {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let pages = offset / 4096..(offset + bytes.len() as u64).div_ceil(4096);
        lock(&self.seen).cached.extend(pages);
        self.device.write_at(offset, bytes)
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut seen = lock(&self.seen);
        let pages = offset / 4096..(offset + bytes.len() as u64) / 4096;
        seen.written_again += u64::from(seen.cached.range(pages).next().is_some());
        seen.durable_writes += 1;
        drop(seen);
        self.device.write_durable(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        lock(&self.seen).cached.clear();
        self.device.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.device.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.device.set_len(bytes)
    }
}

/// What all runs together passed through.
#[derive(Debug, Default)]
struct Seen {
    written_again: u64,
    /// Flights that were a sync.
    outgrown: u64,
    /// Flights that ended in another extent than they began in.
    over_an_end: u64,
    /// Extents that were made ready by a step, and recycled ones.
    ready: u64,
    recycled: u64,
    deaths: u64,
}

const LAST: &[u8] = b"last";

/// A store, and what it promised.
struct Run {
    device: Watched,
    options: Options,
    store: Store,
    id: KeyspaceId,
    acknowledged: u32,
    durable: u32,
}

impl Run {
    fn new(seed: u64) -> Result<Self> {
        let device = SimulatedStorage::new(seed);
        let device = Watched { device, seen: Arc::default() };
        let options = Options {
            memory_bytes: 4 << 20,
            log_bytes_max: 512 << 10,
            clock: Arc::new(ManualClock::default()),
            cipher: cipher::cipher_of(seed),
            ..tiny_options()
        };
        let store = open(device.clone(), options.clone())?;
        let id = store.snapshot().keyspace("plain").expect("created by open");
        Ok(Run { device, options, store, id, acknowledged: 0, durable: 0 })
    }

    fn commit(&mut self, rng: &mut fastrand::Rng, seen: &mut Seen) -> Result<()> {
        let number = self.acknowledged + 1;
        let len = match rng.u32(0..60) {
            0 => rng.usize(0..200_000),
            1..6 => rng.usize(0..6000),
            _ => rng.usize(0..200),
        };
        let weak = [Durability::Buffered, Durability::Interval(Duration::from_secs(1))];
        let durability = if rng.u32(0..3) == 0 { Durability::Sync } else { weak[rng.usize(0..2)] };
        let mut transaction = self.store.begin()?;
        transaction.put(self.id, LAST, number.to_be_bytes())?;
        transaction.put(self.id, &number.to_be_bytes(), vec![rng.u8(..); len])?;
        let before = self.look();
        transaction.commit(durability)?;
        let after = self.look();
        self.acknowledged = number;
        if durability == Durability::Sync {
            self.durable = number;
            let is_same_extent = before.0 == after.0;
            seen.outgrown += u64::from(is_same_extent && after.1 > before.1);
        }
        // Nobody made the extent ready in the commit itself, and none was there to be used again.
        let moved_on = after.0 - before.0;
        seen.ready += u64::from(moved_on > 0 && after.1 == before.1 && after.3 == before.3);
        seen.recycled += after.3 - before.3;
        seen.over_an_end +=
            u64::from(moved_on > 0 && after.2 - before.2 >= 2 && after.1 == before.1);
        Ok(())
    }

    /// The log's extent, syncs, durable writes, and recycled extents so far.
    fn look(&self) -> (u64, u64, u64, u64) {
        let writer = lock(&self.store.core.writer);
        let (sequence, recycled) = (writer.log.position().sequence, writer.log.extents_reused());
        (sequence, self.device.device.syncs(), lock(&self.device.seen).durable_writes, recycled)
    }

    /// What is left on `device` opens, and has the first commits up to one of `expected`.
    fn verify(&self, device: SimulatedStorage, expected: (u32, u32)) -> Result<()> {
        let store = open(device, self.options.clone())?;
        let snapshot = store.snapshot();
        let last = snapshot.get(self.id, LAST)?;
        let last = last.map_or(0, |bytes| u32::from_be_bytes(bytes[..].try_into().unwrap()));
        assert!((expected.0..=expected.1).contains(&last), "{last} is not of {expected:?}");
        for number in 1..=last {
            assert!(snapshot.get(self.id, &number.to_be_bytes())?.is_some(), "{number}");
        }
        assert_eq!(snapshot.get(self.id, &(last + 1).to_be_bytes())?, None);
        Ok(())
    }

    /// The process dies, and another one goes on.
    fn die(&mut self) -> Result<()> {
        self.store.core.abandon();
        self.store = open(self.device.clone(), self.options.clone())?;
        Ok(())
    }
}

#[test]
fn every_strength_keeps_its_promise_in_every_order() -> Result<()> {
    let mut seen = Seen::default();
    for seed in 0..24 * scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut run = Run::new(seed)?;
        let steps = rng.u32(0..3);
        for number in 0..260 {
            run.commit(&mut rng, &mut seen)?;
            for _ in 0..rng.u32(0..=steps) {
                run.store.step()?;
            }
            match rng.u32(0..100) {
                0 => run.store.checkpoint()?,
                1 => run.store.flush()?,
                2 => {
                    run.store.sync()?;
                    run.durable = run.acknowledged;
                }
                3 => {
                    run.die()?;
                    seen.deaths += 1;
                }
                4..12 => {
                    let left = SimulatedStorage::from_bytes(run.device.device.contents());
                    run.verify(left, (run.acknowledged, run.acknowledged))?;
                }
                12..20 => {
                    let left = run.device.device.after_power_cut(seed * 1000 + number);
                    run.verify(left, (run.durable, run.acknowledged))?;
                }
                _ => {}
            }
        }
        run.store.check()?;
        seen.written_again += lock(&run.device.seen).written_again;
    }
    let Seen { written_again, outgrown, over_an_end, ready, recycled, deaths } = seen;
    let all = [written_again, outgrown, over_an_end, ready, recycled, deaths];
    assert!(all.iter().all(|&count| count > 3), "{seen:?}");
    Ok(())
}
