//! A storage that fails on command: power cuts, errors and full disks at chosen operations, the same
//! every time.
//!
//! Crash and error tests give one handle to the store and keep another (a clone shares the device):
//! they count the operations of a workload once, then run it again for each operation and let the
//! power go, or an error come, exactly there. Nothing here knows what the bytes mean.
//!
//! What is kept for a loss of power: for every 512-byte sector touched since it was last durable, all
//! the versions it had, and likewise every length. [`after_power_cut`](SimulatedStorage::after_power_cut)
//! picks one version per sector and one length, each for itself, so that later writes may survive
//! earlier ones. Cutting the storage gives the sectors behind the end a version of zeros. File systems
//! lose less than that; what survives here survives them.
//!
//! ```text
//!                 sync          write B      write C   power cut
//! sector 7   A ────●─────────────────●────────────●───────✂      then one of A, B, C
//! ```
//!
//! A durable write settles its own sectors, and no length. A failed sync leaves the versions in doubt but counts the sectors as
//! clean, as operating systems do: no later sync writes them again. Those of the same handle fail, as those of a file do; one
//! of another handle makes durable what was written after the failure.
//!
//! All handles of a device share its leases; the device that a loss of power leaves has none.
//!
//! Invariants
//! * a sector without an entry in `doubts` is durable as `bytes` shows it;
//! * a length is in doubt just when `lengths.older` is not empty.
//!
//! Cost: 512 bytes per sector of each write since the last sync. All chance comes from the seeds.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::map::{Ranges, map_copy};
use super::syncs::Syncs;
use super::{Storage, check_pages};
use crate::lsm::sync::{Mutex, MutexGuard};

/// Bytes that reach the device together or not at all.
const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// A device in memory that loses power and reports errors where a test says so.
///
/// Handles are cheap to clone and share the device; a clone is what opening the file once more would give. Operations are numbered from 1 in the order in
/// which they begin; writes, `sync`, `set_len` and `punch` share one count, [`ops`](Self::ops), and
/// `read_at` has its own, [`reads`](Self::reads).
///
/// ```
/// use alluvium::lsm::{SimulatedStorage, Storage};
///
/// # fn main() -> std::io::Result<()> {
/// let storage = SimulatedStorage::new(1);
/// storage.power_cut_at(3);
/// storage.write_at(0, b"synced")?;
/// storage.sync()?;
/// assert!(storage.write_at(512, b"interrupted").is_err());
/// let survivor = storage.after_power_cut(7);
/// assert_eq!(&survivor.contents()[..6], b"synced");
/// # Ok(())
/// # }
/// ```
pub struct SimulatedStorage {
    device: Arc<Mutex<Device>>,
    ranges: Ranges,
    syncs: Syncs,
    /// A failure of which one sync of this handle is to be told, whichever asks first.
    unreported: Mutex<Option<io::ErrorKind>>,
    leases: Arc<Mutex<BTreeMap<u64, usize>>>,
}

impl Clone for SimulatedStorage {
    fn clone(&self) -> Self {
        let (device, ranges) = (Arc::clone(&self.device), self.ranges.clone());
        let leases = Arc::clone(&self.leases);
        let (syncs, unreported) = (Syncs::default(), Mutex::default());
        SimulatedStorage { device, ranges, syncs, unreported, leases }
    }
}

/// A generation that is leased until this is dropped.
struct Lease {
    leases: Arc<Mutex<BTreeMap<u64, usize>>>,
    generation: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = leases.get_mut(&self.generation) {
            *count -= 1;
        }
        leases.retain(|_, count| *count > 0);
    }
}

struct Device {
    /// What reads see.
    bytes: Vec<u8>,
    /// Older versions of the sectors that a loss of power may set back, by sector number.
    doubts: BTreeMap<usize, Doubt<Sector>>,
    /// Older lengths to which a loss of power may set back.
    lengths: Doubt<usize>,
    chance: Chance,
    ops: u64,
    reads: u64,
    syncs: u64,
    power_cut_at: Option<u64>,
    failures: BTreeMap<u64, io::ErrorKind>,
    read_failures: BTreeMap<u64, io::ErrorKind>,
    full_at_bytes: u64,
}

/// What may stand on the device instead of what reads see.
struct Doubt<T> {
    /// Every value since the last that is known to be durable, that one first, without the present
    /// one.
    older: Vec<T>,
    /// Whether the next sync settles the doubt; a failed sync turns it off.
    dirty: bool,
}

/// How an operation ends.
enum Outcome {
    Done,
    /// The power goes while it runs: any part of it may be on the device.
    PowerCut,
    Failed(io::ErrorKind),
}

impl SimulatedStorage {
    /// An empty device in good health; `seed` decides which part of a failed operation is applied.
    pub fn new(seed: u64) -> Self {
        Self::with_contents(Vec::new(), seed)
    }

    /// A device in good health on which `bytes` are durable.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self::with_contents(bytes, 0)
    }

    fn with_contents(bytes: Vec<u8>, seed: u64) -> Self {
        let device = Device {
            bytes,
            doubts: BTreeMap::new(),
            lengths: Doubt::default(),
            chance: Chance(seed),
            ops: 0,
            reads: 0,
            syncs: 0,
            power_cut_at: None,
            failures: BTreeMap::new(),
            read_failures: BTreeMap::new(),
            full_at_bytes: u64::MAX,
        };
        let (device, ranges) = (Arc::new(Mutex::new(device)), Ranges::default());
        let (syncs, unreported) = (Syncs::default(), Mutex::default());
        SimulatedStorage { device, ranges, syncs, unreported, leases: Arc::default() }
    }

    /// Lets the power go while operation `op` runs: it fails, whole or in part undone, and so does
    /// everything after it, reads too. An `op` that has passed already switches off at once.
    pub fn power_cut_at(&self, op: u64) {
        self.lock().power_cut_at = Some(op);
    }

    /// Whether the power has gone.
    pub fn power_is_off(&self) -> bool {
        self.lock().power_is_off()
    }

    /// Makes operation `op` fail with an error of this kind, the ones after it succeed again.
    ///
    /// Of a write or a punch any of its sectors may be applied, a change of length wholly or not at all. After
    /// a sync it is unknown which unsynced sectors are durable, and no later sync writes them again.
    pub fn fail_at(&self, op: u64, kind: io::ErrorKind) {
        self.lock().failures.insert(op, kind);
    }

    /// Makes read number `read` fail with an error of this kind, the ones after it succeed again.
    pub fn fail_read_at(&self, read: u64, kind: io::ErrorKind) {
        self.lock().read_failures.insert(read, kind);
    }

    /// Makes the device full at `bytes`: writes apply what fits and then fail with
    /// [`io::ErrorKind::StorageFull`], longer lengths are refused. `u64::MAX` lifts it.
    pub fn full_at(&self, bytes: u64) {
        self.lock().full_at_bytes = bytes;
    }

    /// A new device in good health with what this one would show after a loss of power now.
    ///
    /// Everything synced is there; of the rest one version per sector and one length, by chance from
    /// `seed`. Some seeds keep all of the rest and some lose all of it. This device stays as it is.
    pub fn after_power_cut(&self, seed: u64) -> SimulatedStorage {
        Self::with_contents(self.lock().bytes_after_power_cut(seed), seed)
    }

    /// What reads see, an interrupted operation included.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Flips bit `bit` (0 is the lowest) of the byte at `offset`, durably and behind everyone's back.
    ///
    /// # Panics
    /// When `offset` is not within the storage or `bit` is above 7.
    pub fn flip_bit(&self, offset: u64, bit: u8) {
        assert!(bit < 8, "a byte has bits 0 to 7, not {bit}");
        let mut device = self.lock();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        assert!(offset < device.bytes.len(), "byte {offset} is not within the storage");
        device.bytes[offset] ^= 1 << bit;
        if let Some(doubt) = device.doubts.get_mut(&(offset / SECTOR_BYTES)) {
            for sector in &mut doubt.older {
                sector[offset % SECTOR_BYTES] ^= 1 << bit;
            }
        }
    }

    /// Number of writes and calls of `sync`, `set_len` and `punch`, failed ones included.
    pub fn ops(&self) -> u64 {
        self.lock().ops
    }

    /// Number of calls of `read_at`, failed ones included.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Number of calls of `sync`, failed ones included.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    fn lock(&self) -> MutexGuard<'_, Device> {
        lock(&self.device)
    }
}

impl Storage for SimulatedStorage {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut device = self.lock();
        device.reads += 1;
        device.check_power()?;
        let read = device.reads;
        if let Some(kind) = device.read_failures.remove(&read) {
            return Err(failure(kind));
        }
        if buffer.is_empty() {
            return Ok(());
        }
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| device.bytes.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _change = self.ranges.change(offset, offset.saturating_add(bytes.len() as u64))?;
        let mut device = self.lock();
        let outcome = device.begin()?;
        let (start, fitting) = device.fitting(offset, bytes)?;
        match outcome {
            Outcome::Done => {
                device.write(start, fitting);
                if fitting.len() < bytes.len() { Err(full()) } else { Ok(()) }
            }
            // All of it is in doubt now; what survives is drawn by `after_power_cut`.
            Outcome::PowerCut => {
                device.write(start, fitting);
                Err(power_is_off())
            }
            Outcome::Failed(kind) => {
                device.write_in_part(start, fitting);
                Err(failure(kind))
            }
        }
    }

    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_pages(offset, bytes.len() as u64)?;
        let mut device = self.lock();
        let outcome = device.begin()?;
        let (start, fitting) = device.fitting(offset, bytes)?;
        let sectors = start / SECTOR_BYTES..(start + fitting.len()) / SECTOR_BYTES;
        match outcome {
            Outcome::Done => {
                device.write(start, fitting);
                for sector in sectors {
                    device.doubts.remove(&sector);
                }
                if fitting.len() < bytes.len() { Err(full()) } else { Ok(()) }
            }
            Outcome::PowerCut => {
                device.write(start, fitting);
                Err(power_is_off())
            }
            Outcome::Failed(kind) => {
                device.write_in_part(start, fitting);
                device.forget_dirt_of(&sectors);
                Err(failure(kind))
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.syncs.run(|| {
            self.lock().write_back(&self.unreported)?;
            // Here another sync of the handle could come in between, as in a system, if none waited for the other.
            match lock(&self.unreported).take() {
                Some(kind) => Err(failure(kind)),
                None => Ok(()),
            }
        })
    }

    fn len_bytes(&self) -> io::Result<u64> {
        let device = self.lock();
        device.check_power()?;
        Ok(device.bytes.len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let _change = self.ranges.change(bytes, u64::MAX)?;
        let mut device = self.lock();
        let outcome = device.begin()?;
        let len = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        if len > device.bytes.len() && bytes > device.full_at_bytes {
            return Err(full());
        }
        device.reserve(len)?;
        match outcome {
            Outcome::Done => {
                device.set_len(len);
                Ok(())
            }
            Outcome::PowerCut => {
                device.set_len(len);
                Err(power_is_off())
            }
            Outcome::Failed(kind) => {
                if device.chance.coin() {
                    device.set_len(len);
                }
                Err(failure(kind))
            }
        }
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        check_pages(offset, bytes)?;
        let _change = self.ranges.change(offset, offset.saturating_add(bytes))?;
        let mut device = self.lock();
        let outcome = device.begin()?;
        let len = device.bytes.len() as u64;
        let end = offset.saturating_add(bytes).min(len);
        let start = usize::try_from(offset.min(end)).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let zeros = vec![0; usize::try_from(end - offset.min(end)).unwrap_or_default()];
        match outcome {
            Outcome::Done => {
                device.write(start, &zeros);
                Ok(true)
            }
            Outcome::PowerCut => {
                device.write(start, &zeros);
                Err(power_is_off())
            }
            Outcome::Failed(kind) => {
                device.write_in_part(start, &zeros);
                Err(failure(kind))
            }
        }
    }

    /// A copy of the pages as they are now; it counts as a read.
    fn map(&self, offset: u64, bytes: u64, keep: Arc<dyn Any + Send + Sync>) -> Option<Bytes> {
        let end = offset.checked_add(bytes).filter(|&end| Some(end) <= self.len_bytes().ok())?;
        check_pages(offset, end - offset).ok()?;
        let mut copy = vec![0; usize::try_from(bytes).ok()?];
        self.read_at(offset, &mut copy).ok()?;
        map_copy(copy, &self.ranges, offset, keep)
    }

    fn lease(&self, generation: u64) -> io::Result<Option<Arc<dyn Any + Send + Sync>>> {
        self.lock().check_power()?;
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        *leases.entry(generation).or_default() += 1;
        Ok(Some(Arc::new(Lease { leases: Arc::clone(&self.leases), generation })))
    }

    fn oldest_lease(&self) -> io::Result<Option<u64>> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(leases.keys().next().copied())
    }
}

impl Device {
    /// Counts an operation and says how it ends; an error when the power is off already.
    fn begin(&mut self) -> io::Result<Outcome> {
        let powered = self.check_power();
        self.ops += 1;
        powered?;
        Ok(if self.power_is_off() {
            Outcome::PowerCut
        } else if let Some(kind) = self.failures.remove(&self.ops) {
            Outcome::Failed(kind)
        } else {
            Outcome::Done
        })
    }

    fn power_is_off(&self) -> bool {
        self.power_cut_at.is_some_and(|op| self.ops >= op)
    }

    fn check_power(&self) -> io::Result<()> {
        if self.power_is_off() { Err(power_is_off()) } else { Ok(()) }
    }

    /// Where a write begins, and the front part of it for which there is room.
    fn fitting<'a>(&mut self, offset: u64, bytes: &'a [u8]) -> io::Result<(usize, &'a [u8])> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let full_at = usize::try_from(self.full_at_bytes).unwrap_or(usize::MAX);
        // What the storage holds already can be overwritten even when it is full.
        let room = full_at.max(self.bytes.len()).saturating_sub(start);
        let fitting = &bytes[..bytes.len().min(room)];
        self.reserve(start + fitting.len())?;
        Ok((start, fitting))
    }

    /// Makes an absurd length, as a damaged file may ask for, an error instead of an abort.
    fn reserve(&mut self, len: usize) -> io::Result<()> {
        let missing = len.saturating_sub(self.bytes.len());
        self.bytes.try_reserve(missing).map_err(|_| io::ErrorKind::OutOfMemory.into())
    }

    fn write(&mut self, start: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = start + bytes.len();
        for number in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            self.doubt_sector(number);
        }
        if end > self.bytes.len() {
            self.set_len(end);
        }
        self.bytes[start..end].copy_from_slice(bytes);
    }

    /// Writes each sector's part of `bytes` or leaves it, by chance.
    fn write_in_part(&mut self, mut start: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sector_rest = SECTOR_BYTES - start % SECTOR_BYTES;
            let (piece, rest) = bytes.split_at(bytes.len().min(sector_rest));
            if self.chance.coin() {
                self.write(start, piece);
            }
            start += piece.len();
            bytes = rest;
        }
    }

    fn set_len(&mut self, len: usize) {
        let now = self.bytes.len();
        if len == now {
            return;
        }
        if len < now {
            for number in len / SECTOR_BYTES..now.div_ceil(SECTOR_BYTES) {
                self.doubt_sector(number);
            }
        }
        self.lengths.change_from(now);
        self.bytes.resize(len, 0);
    }

    /// Remembers the sector as it is, because it is about to change.
    fn doubt_sector(&mut self, number: usize) {
        let sector = self.sector(number);
        self.doubts.entry(number).or_default().change_from(sector);
    }

    /// The sector as reads see it, zeros behind the end.
    fn sector(&self, number: usize) -> Sector {
        let mut sector = [0; SECTOR_BYTES];
        let bytes = self.bytes.get(number * SECTOR_BYTES..).unwrap_or_default();
        let len = bytes.len().min(SECTOR_BYTES);
        sector[..len].copy_from_slice(&bytes[..len]);
        sector
    }

    /// What a sync does, but for telling whoever asks next that it failed.
    fn write_back(&mut self, unreported: &Mutex<Option<io::ErrorKind>>) -> io::Result<()> {
        self.syncs += 1;
        match self.begin()? {
            Outcome::Done => self.settle(),
            Outcome::PowerCut => return Err(power_is_off()),
            Outcome::Failed(kind) => {
                self.forget_dirt();
                *lock(unreported) = Some(kind);
            }
        }
        Ok(())
    }

    /// A sync that succeeds.
    fn settle(&mut self) {
        self.doubts.retain(|_, doubt| !doubt.dirty);
        if self.lengths.dirty {
            self.lengths = Doubt::default();
        }
    }

    /// A sync that fails.
    fn forget_dirt(&mut self) {
        for doubt in self.doubts.values_mut() {
            doubt.dirty = false;
        }
        self.lengths.dirty = false;
    }

    /// A durable write that fails.
    fn forget_dirt_of(&mut self, sectors: &Range<usize>) {
        for (_, doubt) in self.doubts.range_mut(sectors.clone()) {
            doubt.dirty = false;
        }
    }

    fn bytes_after_power_cut(&self, seed: u64) -> Vec<u8> {
        let mut chance = Chance(seed);
        // Independent coins alone would almost never keep, or lose, the whole of a large write.
        let fate = chance.fate();
        let len = chance.pick(fate, &self.lengths.older).copied().unwrap_or(self.bytes.len());
        let mut bytes = self.bytes.clone();
        bytes.resize(len, 0);
        for (number, doubt) in &self.doubts {
            let picked = chance.pick(fate, &doubt.older);
            if let (Some(sector), Some(target)) = (picked, bytes.get_mut(number * SECTOR_BYTES..)) {
                let kept = target.len().min(SECTOR_BYTES);
                target[..kept].copy_from_slice(&sector[..kept]);
            }
        }
        bytes
    }
}

impl<T> Default for Doubt<T> {
    fn default() -> Self {
        Doubt { older: Vec::new(), dirty: false }
    }
}

impl<T> Doubt<T> {
    fn change_from(&mut self, present: T) {
        self.older.push(present);
        self.dirty = true;
    }
}

/// How a loss of power treats what is not synced.
#[derive(Clone, Copy)]
enum Fate {
    KeepAll,
    LoseAll,
    /// Each is set back with a chance of `lost` in 256, to any of its older versions.
    Mixed {
        lost: u64,
    },
}

/// A small generator of random numbers (splitmix64, Steele, Lea and Flood 2014), so that the library
/// needs no other for it.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is small enough for the bias not to matter.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn fate(&mut self) -> Fate {
        match self.below(8) {
            0 => Fate::KeepAll,
            1 => Fate::LoseAll,
            2 | 3 => Fate::Mixed { lost: 1 + self.below(255) },
            _ => Fate::Mixed { lost: 128 },
        }
    }

    /// One of the older versions, or `None` for the present one.
    fn pick<'a, T>(&mut self, fate: Fate, older: &'a [T]) -> Option<&'a T> {
        match fate {
            Fate::KeepAll => None,
            Fate::LoseAll => older.first(),
            Fate::Mixed { lost } => {
                let any = usize::try_from(self.below((older.len() as u64).max(1))).ok()?;
                if self.below(256) < lost { older.get(any) } else { None }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that panics elsewhere may still look at the device.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn power_is_off() -> io::Error {
    io::Error::other("power is off")
}

fn failure(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "simulated failure")
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the simulated device is full")
}

impl fmt::Debug for SimulatedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = self.lock();
        f.debug_struct("SimulatedStorage")
            .field("len_bytes", &device.bytes.len())
            .field("ops", &device.ops)
            .field("reads", &device.reads)
            .field("unsynced_sectors", &device.doubts.len())
            .field("power_is_off", &device.power_is_off())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
