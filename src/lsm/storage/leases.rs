//! Leases in a file: which roots readers in other processes look at, told through locks of single bytes.
//!
//! A reader of the root of generation *g* holds a shared lock on the byte `2^62 + g`, far behind the end of any file; the
//! writer asks which of these bytes is the first that anyone has locked, and holds an exclusive lock on the byte before
//! all of them, which tells readers that it is there. Nothing is written: a byte need not exist to be locked. The locks
//! belong to an open file (Linux: `F_OFD_SETLK`), so they end with it, however its process ends, and two handles of one
//! process exclude each other as two processes do.
//!
//! What a lease promises, and why that is so, stands in `docs/decisions/0013-readers-in-other-processes.md`. Where the
//! system or the file system has no such locks, there are no leases, and whoever reads keeps the writer out instead.
//!
//! Cost: one system call for a lease, and two for the question if nobody holds one.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The byte of generation 0.
const FIRST_BYTE: u64 = 1 << 62;
/// The byte that the writer holds.
const WRITER_BYTE: u64 = FIRST_BYTE - 1;
/// The byte that whoever wants to know whether there are locks tries to lock.
const TRIED_BYTE: u64 = FIRST_BYTE - 2;

/// The leases of one open file.
#[derive(Debug, Clone)]
pub(super) struct Leases {
    file: Arc<File>,
    /// How often each generation is held through this file.
    held: Arc<Mutex<BTreeMap<u64, usize>>>,
}

/// A generation that is held until this is dropped.
#[derive(Debug)]
struct Lease {
    leases: Leases,
    generation: u64,
}

impl Leases {
    /// Those of `file`, if the system and the file system know locks of single bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when somebody has locked the whole file in a way that excludes them.
    pub(super) fn of(file: &Arc<File>) -> io::Result<Option<Leases>> {
        match system::lock(file, Kind::Shared, TRIED_BYTE) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(_) => return Ok(None),
        }
        system::unlock(file, TRIED_BYTE)?;
        Ok(Some(Leases { file: Arc::clone(file), held: Arc::default() }))
    }

    /// Tells readers that a writer is there, until the file is closed.
    pub(super) fn announce_writer(&self) -> io::Result<()> {
        system::lock(&self.file, Kind::Exclusive, WRITER_BYTE)
    }

    /// Whether another open file belongs to a writer.
    pub(super) fn has_writer(&self) -> bool {
        system::first_locked(&self.file, Kind::Shared, WRITER_BYTE, FIRST_BYTE)
            .is_ok_and(|found| found.is_some())
    }

    /// Holds `generation`.
    pub(super) fn take(&self, generation: u64) -> io::Result<Arc<dyn Any + Send + Sync>> {
        let byte = byte_of(generation)?;
        let mut held = self.lock();
        let count = held.entry(generation).or_default();
        if *count == 0
            && let Err(error) = system::lock(&self.file, Kind::Shared, byte)
        {
            held.remove(&generation);
            return Err(error);
        }
        *count += 1;
        drop(held);
        Ok(Arc::new(Lease { leases: self.clone(), generation }))
    }

    /// The oldest generation that any other open file holds.
    pub(super) fn oldest(&self) -> io::Result<Option<u64>> {
        let (mut oldest, mut end) = (None, i64::MAX.unsigned_abs());
        // The system names any of them; asked about those before it, it names an older one.
        while let Some(byte) = system::first_locked(&self.file, Kind::Exclusive, FIRST_BYTE, end)? {
            // One that begins before is of the whole file, so of every generation.
            let byte = byte.clamp(FIRST_BYTE, end.saturating_sub(1).max(FIRST_BYTE));
            oldest = Some(byte - FIRST_BYTE);
            if byte == FIRST_BYTE {
                break;
            }
            end = byte;
        }
        Ok(oldest)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        // No code panics while it holds the lock.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = self.leases.lock();
        if let Some(count) = held.get_mut(&self.generation) {
            *count -= 1;
            if *count > 0 {
                return;
            }
        }
        held.remove(&self.generation);
        // A lock that cannot be given back ends with the file: until then pages wait for nobody.
        if let Ok(byte) = byte_of(self.generation) {
            let _ = system::unlock(&self.leases.file, byte);
        }
    }
}

/// The byte that stands for a generation.
fn byte_of(generation: u64) -> io::Result<u64> {
    let byte = FIRST_BYTE.checked_add(generation).filter(|&byte| byte < i64::MAX.unsigned_abs());
    byte.ok_or_else(|| {
        let what = format!("no root has generation {generation}");
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })
}

/// Of a lock.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Shared,
    Exclusive,
}

/// Where offsets have 64 bits: locks of an open file.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod system {
    use std::fs::File;
    use std::io;

    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    use super::Kind;

    /// Locks one byte, or says that others hold it.
    pub(super) fn lock(file: &File, kind: Kind, byte: u64) -> io::Result<()> {
        set(file, number(kind), byte)
    }

    pub(super) fn unlock(file: &File, byte: u64) -> io::Result<()> {
        set(file, libc::F_UNLCK, byte)
    }

    /// The first byte of a lock in `from..to` that stands in the way of one of `kind`, if there is any.
    pub(super) fn first_locked(
        file: &File,
        kind: Kind,
        from: u64,
        to: u64,
    ) -> io::Result<Option<u64>> {
        let mut lock = range(number(kind), from, to)?;
        retried(|| fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)).map(drop))?;
        let is_free = i32::from(lock.l_type) == libc::F_UNLCK;
        Ok((!is_free).then(|| u64::try_from(lock.l_start).unwrap_or_default()))
    }

    fn number(kind: Kind) -> i32 {
        match kind {
            Kind::Shared => libc::F_RDLCK,
            Kind::Exclusive => libc::F_WRLCK,
        }
    }

    fn set(file: &File, number: i32, byte: u64) -> io::Result<()> {
        let lock = range(number, byte, byte.saturating_add(1))?;
        retried(|| fcntl(file, FcntlArg::F_OFD_SETLK(&lock)).map(drop)).map_err(|error| {
            // Two names for one answer.
            if error.raw_os_error() == Some(libc::EACCES) {
                io::ErrorKind::WouldBlock.into()
            } else {
                error
            }
        })
    }

    fn range(number: i32, from: u64, to: u64) -> io::Result<libc::flock> {
        let far = |_| io::Error::from(io::ErrorKind::InvalidInput);
        Ok(libc::flock {
            l_type: i16::try_from(number).map_err(far)?,
            l_whence: i16::try_from(libc::SEEK_SET).map_err(far)?,
            l_start: i64::try_from(from).map_err(far)?,
            l_len: i64::try_from(to.saturating_sub(from)).map_err(far)?,
            // It must be 0 for a lock of an open file.
            l_pid: 0,
        })
    }

    fn retried(mut call: impl FnMut() -> Result<(), Errno>) -> io::Result<()> {
        loop {
            match call() {
                Ok(()) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Systems without them.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod system {
    use std::fs::File;
    use std::io;

    use super::Kind;

    pub(super) fn lock(_file: &File, _kind: Kind, _byte: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn unlock(_file: &File, _byte: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn first_locked(
        _file: &File,
        _kind: Kind,
        _from: u64,
        _to: u64,
    ) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lease_is_that_of_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leased.alv");
        File::create(&path).unwrap();
        let open = || Leases::of(&Arc::new(File::open(&path).unwrap())).unwrap();
        let Some(writer) = open() else { return };
        for seed in 0..20 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let readers: Vec<_> = (0..3).filter_map(|_| open()).collect();
            let mut held: Vec<(u64, Arc<dyn Any + Send + Sync>)> = Vec::new();
            for _ in 0..100 {
                if rng.bool() {
                    // Neighbours are one range to the system.
                    let generation = rng.u64(0..12) + rng.u64(0..2) * (1 << 40);
                    let reader = &readers[rng.usize(..readers.len())];
                    held.push((generation, reader.take(generation).unwrap()));
                } else if !held.is_empty() {
                    drop(held.swap_remove(rng.usize(..held.len())));
                }
                let expected = held.iter().map(|&(generation, _)| generation).min();
                assert_eq!(writer.oldest().unwrap(), expected, "seed {seed}");
            }
        }
        assert_eq!(writer.oldest().unwrap(), None, "leases end with their files");
    }

    #[test]
    fn a_generation_that_no_byte_stands_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(File::create(folder.path().join("leased.alv")).unwrap());
        let Some(leases) = Leases::of(&file).unwrap() else { return };
        for generation in [u64::MAX, 1 << 62, i64::MAX.unsigned_abs() - FIRST_BYTE] {
            assert_eq!(leases.take(generation).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert!(leases.take((1 << 62) - 2).is_ok());
    }
}
