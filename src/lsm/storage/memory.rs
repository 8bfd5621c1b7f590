//! A store that lives in memory and ends with its owner: for tests, caches, and temporary indexes.
//!
//! `Database::in_memory` opens one; the store above sees only [`Storage`]. The bytes lie in slabs of
//! 1 MiB, made on the first write to each: growing never copies what is there and never holds it
//! twice, and a hole costs nothing.
//!
//! Invariants
//! * slabs cover `len_bytes` and no slab lies wholly behind it;
//! * bytes of the last slab behind `len_bytes` are zero, so that growing shows zeros.
//!
//! Reads run side by side; a write excludes them while it copies. `sync` does nothing.

use std::fmt;
use std::io;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Storage, check_pages};

/// Bytes of one slab.
const SLAB_BYTES: usize = 1 << 20;

/// A store in memory.
///
/// ```
/// use alluvium::lsm::{MemoryStorage, Storage};
///
/// # fn main() -> std::io::Result<()> {
/// let storage = MemoryStorage::default();
/// storage.write_at(2, b"gold")?;
/// let mut bytes = [0; 6];
/// storage.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"\0\0gold");
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct MemoryStorage {
    slabs: RwLock<Slabs>,
}

#[derive(Default)]
struct Slabs {
    len_bytes: usize,
    /// `None` is a slab of zeros.
    slabs: Vec<Option<Box<[u8]>>>,
}

impl MemoryStorage {
    // No code panics while it holds the lock, so a poisoned lock still guards whole bytes.
    fn shared(&self) -> RwLockReadGuard<'_, Slabs> {
        self.slabs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Slabs> {
        self.slabs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storage for MemoryStorage {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        let slabs = self.shared();
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        if start.checked_add(buffer.len()).is_none_or(|end| end > slabs.len_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        slabs.read(start, buffer);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut slabs = self.exclusive();
        if end > slabs.len_bytes {
            slabs.set_len(end)?;
        }
        slabs.write(start, bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        u64::try_from(self.shared().len_bytes).map_err(io::Error::other)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.exclusive().set_len(bytes)
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        check_pages(offset, bytes)?;
        let end = usize::try_from(offset.saturating_add(bytes)).unwrap_or(usize::MAX);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut slabs = self.exclusive();
        let end = end.min(slabs.len_bytes);
        slabs.punch(start.min(end), end);
        Ok(true)
    }
}

impl Slabs {
    /// Fills `buffer` from `start`; the range lies within `len_bytes`.
    fn read(&self, start: usize, mut buffer: &mut [u8]) {
        let (mut index, mut within) = (start / SLAB_BYTES, start % SLAB_BYTES);
        while !buffer.is_empty() {
            let (piece, rest) = buffer.split_at_mut(buffer.len().min(SLAB_BYTES - within));
            match &self.slabs[index] {
                Some(slab) => piece.copy_from_slice(&slab[within..within + piece.len()]),
                None => piece.fill(0),
            }
            buffer = rest;
            (index, within) = (index + 1, 0);
        }
    }

    /// Copies `bytes` to `start`; the range lies within `len_bytes`.
    fn write(&mut self, start: usize, mut bytes: &[u8]) {
        let (mut index, mut within) = (start / SLAB_BYTES, start % SLAB_BYTES);
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(SLAB_BYTES - within));
            let slab = self.slabs[index].get_or_insert_with(|| vec![0; SLAB_BYTES].into());
            slab[within..within + piece.len()].copy_from_slice(piece);
            bytes = rest;
            (index, within) = (index + 1, 0);
        }
    }

    /// Zeros `[start, end)`, which lies within `len_bytes`, and drops the slabs that lie wholly in it.
    fn punch(&mut self, mut start: usize, end: usize) {
        while start < end {
            let (index, within) = (start / SLAB_BYTES, start % SLAB_BYTES);
            let piece = (end - start).min(SLAB_BYTES - within);
            if piece == SLAB_BYTES {
                self.slabs[index] = None;
            } else if let Some(slab) = &mut self.slabs[index] {
                slab[within..within + piece].fill(0);
            }
            start += piece;
        }
    }

    fn set_len(&mut self, len_bytes: usize) -> io::Result<()> {
        let count = len_bytes.div_ceil(SLAB_BYTES);
        let missing = count.saturating_sub(self.slabs.len());
        // A length from nowhere is an error to report, not an abort.
        self.slabs.try_reserve(missing).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.slabs.resize_with(count, || None);
        if len_bytes < self.len_bytes
            && let Some(Some(last)) = self.slabs.last_mut()
            && !len_bytes.is_multiple_of(SLAB_BYTES)
        {
            last[len_bytes % SLAB_BYTES..].fill(0);
        }
        self.len_bytes = len_bytes;
        Ok(())
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len_bytes = self.shared().len_bytes;
        f.debug_struct("MemoryStorage").field("len_bytes", &len_bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_across_slabs_read_back_whole() {
        let storage = MemoryStorage::default();
        let mut rng = fastrand::Rng::with_seed(1);
        let bytes: Vec<u8> =
            std::iter::repeat_with(|| rng.u8(..)).take(2 * SLAB_BYTES + 77).collect();
        let offset = SLAB_BYTES as u64 - 9;
        storage.write_at(offset, &bytes).unwrap();
        let mut found = vec![1; bytes.len()];
        storage.read_at(offset, &mut found).unwrap();
        assert!(found == bytes);
        let mut hole = [1; 64];
        storage.read_at(100, &mut hole).unwrap();
        assert_eq!(hole, [0; 64]);
        assert_eq!(storage.len_bytes().unwrap(), offset + bytes.len() as u64);
    }

    #[test]
    fn cut_bytes_do_not_come_back() {
        for cut in [0, 1, SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1] {
            let storage = MemoryStorage::default();
            storage.write_at(0, &vec![7; 2 * SLAB_BYTES]).unwrap();
            storage.set_len(cut as u64).unwrap();
            storage.set_len(2 * SLAB_BYTES as u64).unwrap();
            let mut found = vec![1; 2 * SLAB_BYTES];
            storage.read_at(0, &mut found).unwrap();
            assert!(found[..cut].iter().all(|&byte| byte == 7), "cut at {cut}");
            assert!(found[cut..].iter().all(|&byte| byte == 0), "cut at {cut}");
        }
    }

    #[test]
    fn a_hole_takes_no_slabs_and_an_absurd_length_is_an_error() {
        let storage = MemoryStorage::default();
        storage.set_len(1 << 32).unwrap();
        storage.write_at((1 << 32) - 1, b"x").unwrap();
        assert_eq!(storage.shared().slabs.iter().flatten().count(), 1);
        storage.punch((1 << 32) - SLAB_BYTES as u64, SLAB_BYTES as u64).unwrap();
        assert_eq!(storage.shared().slabs.iter().flatten().count(), 0);
        assert!(storage.set_len(u64::MAX).is_err());
        assert!(storage.write_at(u64::MAX - 1, b"xyz").is_err());
        assert_eq!(storage.len_bytes().unwrap(), 1 << 32);
    }
}
