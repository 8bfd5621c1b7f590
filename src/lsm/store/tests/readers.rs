//! Readers beside a writer: each sees exactly a commit, whatever the writer does meanwhile, and their leases hold back
//! what they reach.
//!
//! Everything runs on one thread: the storage of the readers lets the writer work before any of their reads, so that what
//! it does falls between any two of them, in the middle of an opening too. The writer commits, flushes, compacts, moves,
//! cuts, punches, closes and dies; each reader is compared with what was committed at the commit that it shows.
//! The device refuses to change what a reader has mapped, and a reused page has other checksums.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::cipher::cipher_of;
use super::model::{compare_cursors, transact};
use super::{Seen, State, Write, open, read_all, scale, tiny_options};
use crate::lsm::store::core::lock;
use crate::lsm::{
    CommitNo, Durability, Error, KeyspaceOptions, ManualClock, Options, Reader, Result,
    SimulatedStorage, Snapshot, Storage, Store, StoreReader,
};

const CASES: u64 = 40;
const OPERATIONS: usize = 120;

/// The process that writes, and what it committed.
struct Writer {
    device: SimulatedStorage,
    clock: Arc<ManualClock>,
    options: Options,
    store: Option<Store>,
    state: State,
    /// What each commit left.
    history: BTreeMap<CommitNo, State>,
    rng: fastrand::Rng,
    /// It does nothing but cut a log that grows, so that extents of the log serve again.
    long_log: bool,
    seen: Seen,
    held: u64,
    died: u64,
}

impl Writer {
    fn new(seed: u64, device: &SimulatedStorage) -> Result<Writer> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let clock = Arc::new(ManualClock::default());
        let cipher = cipher_of(seed);
        // Small logs and runs in memory of many commits, by turns.
        let log_bytes_max = [8 << 10, 48 << 10, 400 << 10][rng.usize(0..3)];
        let memory_bytes = [40 << 10, 64 << 10, 400 << 10][rng.usize(0..3)];
        let (log_bytes_max, memory_bytes) =
            if seed % 5 == 4 { (48 << 10, 400 << 10) } else { (log_bytes_max, memory_bytes) };
        let options = tiny_options();
        let options =
            Options { clock: clock.clone(), cipher, log_bytes_max, memory_bytes, ..options };
        let store = Some(Store::open(device.clone(), options.clone())?);
        let (state, history) =
            (State::default(), BTreeMap::from([(CommitNo(0), State::default())]));
        Ok(Writer {
            device: device.clone(),
            clock,
            options,
            store,
            state,
            history,
            rng,
            long_log: seed % 5 == 4,
            seen: Seen::default(),
            held: 0,
            died: 0,
        })
    }

    /// Does one thing or another.
    fn work(&mut self) -> Result<()> {
        let store = self.store.as_ref().expect("the writer is open between its works");
        let mut reopened = false;
        let long_log = self.long_log;
        match self.rng.u32(0..40) {
            30.. if long_log && self.rng.bool() => {
                store.flush()?;
                store.checkpoint()?;
            }
            30.. if long_log => {
                let mut transaction = store.begin()?;
                for _ in 0..20 {
                    let key = format!("{:03}", self.rng.u32(0..60)).into_bytes();
                    let write = Write::Put(0, key, vec![b'l'; self.rng.usize(0..1000)]);
                    write.write_to(&mut transaction)?;
                    write.apply_to(&mut self.state);
                }
                let commit = transaction.commit(Durability::Buffered)?;
                self.history.insert(commit, self.state.clone());
            }
            0..18 => {
                transact(store, &mut self.state, &mut self.rng)?;
                self.history.insert(store.snapshot().commit(), self.state.clone());
            }
            18..30 => {
                for _ in 0..self.rng.u32(1..8) {
                    store.step()?;
                }
                let rested = !long_log && self.rng.u32(0..3) == 0;
                self.clock.advance(Duration::from_millis(if rested { 2000 } else { 1 }));
            }
            30 | 31 => store.flush()?,
            32 => store.compact()?,
            33 => {
                store.shrink()?;
                self.seen.shrunk += 1;
            }
            34..38 => store.checkpoint()?,
            _ => {
                self.seen.observe(store);
                if self.rng.bool() {
                    store.core.abandon();
                    self.died += 1;
                } else {
                    store.core.close(0, &mut |_| {})?;
                }
                reopened = true;
            }
        }
        if reopened {
            self.store = None;
            self.store = Some(Store::open(self.device.clone(), self.options.clone())?);
        }
        let store = self.store.as_ref().expect("it was just opened");
        assert_eq!(store.snapshot().commit(), *self.history.keys().next_back().unwrap());
        self.seen.observe(store);
        self.held = self.held.max(store.stats().held_pages);
        Ok(())
    }
}

/// What a reader sees of the device: the writer may work before each of its reads.
#[derive(Clone)]
struct Beside {
    device: SimulatedStorage,
    writer: Arc<Mutex<Writer>>,
    /// Chance of one in so many, 0: never; and how often at most.
    chance: Arc<Mutex<(u32, u32)>>,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.device.fmt(f)
    }
}

impl Beside {
    fn let_work(&self) {
        let mut chance = self.chance.lock().unwrap();
        let mut writer = self.writer.lock().unwrap();
        while chance.0 > 0 && chance.1 > 0 && writer.rng.u32(0..chance.0) == 0 {
            writer.work().unwrap();
            chance.1 -= 1;
        }
    }
}

impl Storage for Beside {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.let_work();
        self.device.read_at(offset, buffer)
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        panic!("a reader writes");
    }

    fn sync(&self) -> io::Result<()> {
        panic!("a reader syncs");
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.let_work();
        self.device.len_bytes()
    }

    fn set_len(&self, _bytes: u64) -> io::Result<()> {
        panic!("a reader cuts");
    }

    fn map(&self, offset: u64, bytes: u64, keep: Arc<dyn Any + Send + Sync>) -> Option<Bytes> {
        self.let_work();
        self.device.map(offset, bytes, keep)
    }

    fn lease(&self, generation: u64) -> io::Result<Option<Arc<dyn Any + Send + Sync>>> {
        self.let_work();
        self.device.lease(generation)
    }

    fn has_writer(&self) -> bool {
        true
    }
}

/// What readers passed through.
#[derive(Debug, Default)]
struct Passed {
    opened: u64,
    /// Refreshes that went on in the log, with something new.
    followed: u64,
    /// Refreshes that went to another root, to that of another chain, and segments that were carried over.
    moved: u64,
    rebuilt: u64,
    carried: u64,
    nothing: u64,
    compared: u64,
    /// Generations that had a newer root than the next one when they were let go.
    old: u64,
}

struct Case {
    beside: Beside,
    rng: fastrand::Rng,
    readers: Vec<StoreReader>,
    snapshots: Vec<(Snapshot, State)>,
    passed: Passed,
}

impl Case {
    fn run(seed: u64, passed: Passed) -> Result<(Passed, Writer)> {
        let device = SimulatedStorage::new(seed);
        let writer = Arc::new(Mutex::new(Writer::new(seed, &device)?));
        let beside = Beside { device, writer, chance: Arc::default() };
        let rng = fastrand::Rng::with_seed(seed ^ 0x5EED);
        let mut case = Case { beside, rng, readers: Vec::new(), snapshots: Vec::new(), passed };
        for _ in 0..OPERATIONS {
            *case.beside.chance.lock().unwrap() = ([0, 3, 10, 40][case.rng.usize(0..4)], 20);
            case.step()?;
        }
        case.beside.chance.lock().unwrap().0 = 0;
        for (snapshot, state) in &case.snapshots {
            assert_eq!(read_all(snapshot)?, *state, "a snapshot changed");
        }
        let Case { beside, readers, snapshots, passed, .. } = case;
        drop((readers, snapshots));
        let Beside { device, writer, .. } = beside;
        assert_eq!(device.oldest_lease().unwrap(), None, "leases end with what they are for");
        let writer = Arc::try_unwrap(writer).ok().expect("nobody else has it").into_inner();
        let mut writer = writer.unwrap();
        let store = writer.store.take().expect("it is open");
        store.shrink()?;
        // What a compaction that has not ended wrote is pinned.
        while store.step()? {}
        let report = store.check()?;
        assert_eq!((report.held_pages, report.pinned_pages), (0, 0));
        assert_eq!(read_all(&store.snapshot())?, writer.state);
        store.close()?;
        Ok((passed, writer))
    }

    fn step(&mut self) -> Result<()> {
        match self.rng.u32(0..20) {
            0..4 => self.beside.writer.lock().unwrap().work()?,
            4 if self.readers.len() < 3 => {
                let options = self.beside.writer.lock().unwrap().options.clone();
                let options = Options { mmap: self.rng.u32(0..4) > 0, ..options };
                let reader = StoreReader::open(self.beside.clone(), options)?;
                let failures = lock(&reader.reading).failures.clone();
                assert!(failures.is_empty(), "what is leased does not change: {failures:?}");
                self.compare(&reader.snapshot())?;
                self.readers.push(reader);
                self.passed.opened += 1;
            }
            5 if !self.readers.is_empty() => {
                drop(self.readers.swap_remove(self.rng.usize(..self.readers.len())));
            }
            6 | 7 if !self.snapshots.is_empty() => {
                let (snapshot, state) =
                    self.snapshots.swap_remove(self.rng.usize(..self.snapshots.len()));
                assert_eq!(read_all(&snapshot)?, state, "a snapshot changed");
                compare_cursors(&snapshot, &state, &mut self.rng)?;
            }
            8..11 if !self.readers.is_empty() => {
                let reader = &self.readers[self.rng.usize(..self.readers.len())];
                let snapshot = reader.snapshot();
                let state = self.state_of(&snapshot);
                self.snapshots.push((snapshot, state));
            }
            _ if !self.readers.is_empty() => self.refresh()?,
            _ => {}
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<()> {
        let reader = self.readers.swap_remove(self.rng.usize(..self.readers.len()));
        let before = reader.snapshot().commit();
        let (root, version) = {
            let reading = lock(&reader.reading);
            (reading.root.clone(), Arc::clone(&reading.version))
        };
        let news = reader.refresh()?;
        let snapshot = reader.snapshot();
        assert_eq!(snapshot.commit() > before, news);
        assert!(snapshot.commit() >= before, "a reader goes back");
        {
            let reading = lock(&reader.reading);
            assert!(
                reading.failures.is_empty(),
                "what is leased does not change: {:?}",
                reading.failures
            );
            let passed = &mut self.passed;
            if reading.root != root {
                passed.moved += 1;
                passed.rebuilt += u64::from(reading.root.chain != root.chain);
                passed.old += u64::from(reading.root.generation > root.generation + 1);
                let kept = |version: &crate::lsm::manifest::Version| -> Vec<_> {
                    let segments = version.keyspaces.values().flat_map(|k| k.segments());
                    segments.map(Arc::as_ptr).collect()
                };
                let old = kept(&version);
                passed.carried +=
                    kept(&reading.version).iter().filter(|s| old.contains(s)).count() as u64;
            } else if news {
                passed.followed += 1;
            } else {
                passed.nothing += 1;
            }
        }
        self.compare(&snapshot)?;
        self.readers.push(reader);
        Ok(())
    }

    fn state_of(&self, snapshot: &Snapshot) -> State {
        let writer = self.beside.writer.lock().unwrap();
        writer.history.get(&snapshot.commit()).expect("a reader shows a commit").clone()
    }

    fn compare(&mut self, snapshot: &Snapshot) -> Result<()> {
        let state = self.state_of(snapshot);
        assert_eq!(read_all(snapshot)?, state, "what commit {} left", snapshot.commit());
        self.passed.compared += 1;
        Ok(())
    }
}

#[test]
fn readers_show_commits_whatever_the_writer_does_meanwhile() {
    let (mut passed, mut all) = (Passed::default(), Seen::default());
    let (mut held, mut died) = (0, 0);
    for seed in 0..CASES * scale() {
        let (now, writer) = Case::run(seed, passed).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        passed = now;
        held += writer.held;
        died += writer.died;
        all.relocated += writer.seen.relocated;
        all.punched += writer.seen.punched;
        all.shrunk += writer.seen.shrunk;
        all.encrypted += writer.seen.encrypted;
        all.log_extents_reused += writer.seen.log_extents_reused;
        all.mapped += writer.seen.mapped;
        all.values.iter_mut().zip(writer.seen.values).for_each(|(all, seen)| *all += seen);
    }
    let Passed { opened, followed, moved, rebuilt, carried, nothing, compared, old } = passed;
    let readers = [opened, followed, moved, rebuilt, carried, nothing, compared, old];
    assert!(readers.iter().all(|&times| times > 0), "{passed:?}");
    let writer = [held, died, all.relocated, all.punched, all.shrunk, all.encrypted];
    assert!(writer.iter().all(|&times| times > 0), "{writer:?} {all:?}");
    assert!(all.log_extents_reused > 0 && all.values[1] > 0, "{all:?}");
}

#[test]
fn a_flush_that_began_before_what_a_reader_has_seen_takes_a_part_of_a_run() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options = Options { memory_bytes: 4 << 20, log_bytes_max: 4 << 20, ..tiny_options() };
    let store = open(device.clone(), options.clone())?;
    let reader = StoreReader::open(device.clone(), options)?;
    let (mut state, mut rng) = (State::default(), fastrand::Rng::with_seed(2));
    let mut commit = |state: &mut State| -> Result<()> {
        let mut transaction = store.begin()?;
        for _ in 0..5 {
            let key = format!("{:03}", rng.u32(0..60)).into_bytes();
            let write = Write::Merge(key, vec![rng.u8(b'a'..=b'z'); 40]);
            write.write_to(&mut transaction)?;
            write.apply_to(state);
        }
        transaction.commit(Durability::Buffered).map(drop)
    };
    let (mut taken_apart, mut whole) = (0, 0);
    for round in 0..8 {
        for _ in 0..40 {
            commit(&mut state)?;
        }
        // It takes what is there now.
        lock(&store.core.jobs).flush_wanted = store.snapshot().commit();
        while lock(&store.core.writer).flushing == CommitNo(0) {
            assert!(store.step()?);
        }
        for _ in 0..round * 7 {
            commit(&mut state)?;
        }
        assert!(reader.refresh()?);
        assert_eq!(read_all(&reader.snapshot())?, state);
        let before = Arc::clone(&lock(&reader.reading).version);
        let flushing = lock(&store.core.writer).flushing;
        while lock(&store.core.writer).flushing != CommitNo(0) {
            assert!(store.step()?);
        }
        commit(&mut state)?;
        reader.refresh()?;
        assert_eq!(read_all(&reader.snapshot())?, state);
        let reading = lock(&reader.reading);
        assert!(reading.version.flushed >= flushing);
        let spans = |run: &Arc<crate::lsm::fresh::FreshRun>| {
            run.commits.0 <= reading.version.flushed && reading.version.flushed < run.commits.1
        };
        taken_apart += u32::from(before.fresh.iter().any(spans));
        whole += u32::from(!before.fresh.iter().any(spans));
    }
    assert!(taken_apart > 0 && whole > 0, "{taken_apart} and {whole}");
    Ok(())
}

#[test]
fn what_is_being_appended_is_the_end_until_it_is_whole() -> Result<()> {
    let device = SimulatedStorage::new(3);
    let store = open(device.clone(), tiny_options())?;
    let mut states = vec![State::default()];
    let before = device.contents();
    let mut transaction = store.begin()?;
    let mut state = State::default();
    for number in 0..40_u32 {
        let write = Write::Put(0, number.to_be_bytes().to_vec(), vec![b'w'; 60]);
        write.write_to(&mut transaction)?;
        write.apply_to(&mut state);
    }
    transaction.commit(Durability::Buffered)?;
    states.push(state);
    let after = device.contents();
    let changed: Vec<usize> =
        (0..after.len()).filter(|&at| before.get(at) != Some(&after[at])).collect();
    let (first, last) = (changed[0], changed[changed.len() - 1]);
    assert!(last - first > 2000, "one record of some length");
    for end in (first..=last + 1).step_by(61).chain([last, last + 1]) {
        let mut bytes = after.clone();
        bytes[end..].fill(0);
        bytes[end..before.len()].copy_from_slice(&before[end..]);
        let torn = SimulatedStorage::from_bytes(bytes);
        let reader = StoreReader::open(torn.clone(), tiny_options())?;
        assert_eq!(read_all(&reader.snapshot())?, states[usize::from(end > last)]);
        assert!(!reader.refresh()?);
        torn.write_at(first as u64, &after[first..]).unwrap();
        assert_eq!(reader.refresh()?, end <= last);
        assert_eq!(read_all(&reader.snapshot())?, states[1]);
    }
    Ok(())
}

/// What the writer has not flushed is in the readers' memory too, and blocks give way to it.
#[test]
fn commits_that_are_replayed_count_in_a_readers_budget() -> Result<()> {
    const MEMORY_BYTES: usize = 256 << 10;
    let device = SimulatedStorage::new(5);
    let large = Options { memory_bytes: 4 << 20, log_bytes_max: 4 << 20, ..tiny_options() };
    let store = Store::open(device.clone(), large)?;
    let mut transaction = store.begin()?;
    let id = transaction.create_keyspace("plain", KeyspaceOptions::default())?;
    for key in 0..5_000_u64 {
        transaction.put(id, &key.to_be_bytes(), [7; 100])?;
    }
    transaction.commit(Durability::Buffered)?;
    store.flush()?;
    store.checkpoint()?;
    let small = Options { memory_bytes: MEMORY_BYTES, mmap: false, ..tiny_options() };
    let reader = StoreReader::open(device, small)?;
    let used = || -> Result<(usize, usize)> {
        let snapshot = reader.snapshot();
        let mut keys = 0..5_000_u64;
        keys.try_for_each(|key| snapshot.get(id, &key.to_be_bytes()).map(drop))?;
        let reading = lock(&reader.reading);
        let cached = usize::try_from(reading.disk.cache.bytes()).expect("a small cache");
        Ok((cached, reading.version.fresh_bytes()))
    };
    assert!(used()?.0 > MEMORY_BYTES / 2);
    for round in 0..10_u64 {
        let mut transaction = store.begin()?;
        for key in 0..100 {
            transaction.put(id, &(round * 100 + key).to_be_bytes(), [8; 100])?;
        }
        transaction.commit(Durability::Buffered)?;
        assert!(reader.refresh()?);
        let (cached, fresh) = used()?;
        assert!(fresh as u64 >= (round + 1) * 10_000, "{fresh}");
        assert!(cached + fresh <= MEMORY_BYTES, "round {round}: {cached} {fresh}");
    }
    Ok(())
}

#[test]
fn a_failed_read_leaves_a_reader_where_it_is() -> Result<()> {
    let device = SimulatedStorage::new(4);
    let store = open(device.clone(), tiny_options())?;
    let mut rng = fastrand::Rng::with_seed(4);
    let mut state = State::default();
    let reader = StoreReader::open(device.clone(), tiny_options())?;
    let (mut failed, mut shown) = (0, State::default());
    for round in 0..300 {
        transact(&store, &mut state, &mut rng)?;
        match round % 5 {
            0 => drop(store.step()?),
            1 => store.checkpoint()?,
            _ => {}
        }
        device.fail_read_at(device.reads() + rng.u64(1..20), io::ErrorKind::Other);
        match reader.refresh() {
            Ok(_) => shown = state.clone(),
            Err(error) => {
                failed += 1;
                assert!(matches!(error, Error::Io { .. }), "{error}");
            }
        }
        // What was to fail and was not asked for fails now.
        for _ in 0..20 {
            let _ = device.read_at(0, &mut [0]);
        }
        assert_eq!(read_all(&reader.snapshot())?, shown);
    }
    assert!(failed > 50, "{failed}");
    assert!(reader.refresh().is_ok());
    assert_eq!(read_all(&reader.snapshot())?, state);
    Ok(())
}
