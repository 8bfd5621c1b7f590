//! The device under the store: bytes at offsets, and one call that makes them durable.
//!
//! The store reaches its file only through [`Storage`]. [`FileStorage`] is the real one, [`MemoryStorage`]
//! keeps everything in memory, [`SimulatedStorage`] loses power and reports errors where a test says so.
//!
//! What a storage promises, and the store relies on nothing more:
//! * a read sees every write that returned before it began;
//! * after `sync` returned, every write and every change of length that returned before `sync` began
//!   survives a loss of power;
//! * without it, each 512-byte sector of a write survives or not, alone and in any order; the same holds for
//!   the zeros of `punch`;
//! * bytes of `map` are those of the file, and a storage refuses to change what it has mapped;
//! * after `write_durable` returned, the bytes that it wrote survive a loss of power, in a storage whose length does;
//! * after an error of a write or a `sync` nothing is known of the bytes concerned;
//! * a `sync` that fails fails every other one of the same handle that had not returned, and every later one: what
//!   the error was about is known to nobody (`syncs`);
//! * leases are told to every handle, in this process or another, from when `lease` returned until they are dropped.

#[cfg(target_os = "linux")]
mod direct;
mod file;
mod leases;
mod map;
mod memory;
mod partial;
mod simulated;
mod syncs;

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

pub use file::FileStorage;
pub use memory::MemoryStorage;
pub use partial::PartialFile;
pub use simulated::SimulatedStorage;

use super::ids::PAGE_BYTES;

/// A device that holds one store.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Fills `buffer` with the bytes at `offset`; an empty buffer is filled wherever it stands.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the range does not lie within [`len_bytes`](Self::len_bytes).
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes `bytes` at `offset`; the storage grows when the range ends behind its end,
    /// and what lies between reads as zeros. Empty `bytes` change nothing.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes whole pages that nobody reads before the write returned: segments, copies of them, manifests.
    ///
    /// It promises what [`write_at`](Self::write_at) does, and may bypass the system's cache, so that a sync which
    /// follows has little left to write.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when `offset` or the length is not a multiple of [`PAGE_BYTES`].
    fn write_bulk(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_pages(offset, bytes.len() as u64)?;
        self.write_at(offset, bytes)
    }

    /// Writes whole pages and makes them durable, and nothing else: the length stays in doubt if it was.
    ///
    /// For a log, whose pages exist before they are written. A storage may do it in one request; the default is
    /// [`write_at`](Self::write_at) and [`sync`](Self::sync).
    ///
    /// # Errors
    /// Those of [`write_bulk`](Self::write_bulk). After any other nothing is known of the pages, as after `sync`.
    fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_pages(offset, bytes.len() as u64)?;
        self.write_at(offset, bytes)?;
        self.sync()
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// After one that failed every later one fails, and so does every other that had not returned.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Cuts or extends (with zeros) to `bytes`.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Gives the place of whole pages back, if the device can, and says whether it did.
    ///
    /// After `true` the range reads as zeros, after `false` as before. The length stays as it is, and what of the
    /// range lies behind it is ignored. A storage that keeps the default cannot.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when `offset` or `bytes` is not a multiple of [`PAGE_BYTES`]. After any
    /// other error each page of the range may read as before or as zeros.
    fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        check_pages(offset, bytes).map(|()| false)
    }

    /// The bytes of whole pages as memory of the file itself, if the storage can; `keep` is dropped after them.
    ///
    /// `keep` should own what stops the range from changing, such as the lease of its extent: a storage refuses, with
    /// [`io::ErrorKind::ResourceBusy`], to write, punch or cut what it has mapped. `None` when the range is not of whole
    /// pages within the storage, or overlaps another mapping without being the same, or is being changed.
    ///
    /// A page that the device cannot read ends the process (`SIGBUS`) when the program touches it, and so does one that
    /// another program cuts off in spite of the store's lock. Whoever cannot have that reads with
    /// [`read_at`](Self::read_at). A storage that keeps the default maps nothing.
    fn map(&self, _offset: u64, _bytes: u64, _keep: Arc<dyn Any + Send + Sync>) -> Option<Bytes> {
        None
    }

    /// Tells whoever writes to the storage that the root of `generation` is being read, until what is returned is
    /// dropped: what that root reaches stays as it is.
    ///
    /// `None`: the storage knows no leases, and nobody may write to it while it is read. This is the default.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when whoever writes keeps readers out.
    fn lease(&self, _generation: u64) -> io::Result<Option<Arc<dyn Any + Send + Sync>>> {
        Ok(None)
    }

    /// The oldest generation of which anybody holds a lease.
    ///
    /// # Errors
    /// When that is unknown: any generation may be leased.
    fn oldest_lease(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Whether another handle writes to the storage now. A storage that cannot know says no.
    fn has_writer(&self) -> bool {
        false
    }
}

/// Refuses a range that is not of whole pages.
fn check_pages(offset: u64, bytes: u64) -> io::Result<()> {
    if offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES) {
        return Ok(());
    }
    let what = format!("{bytes} bytes at {offset} are not whole pages of {PAGE_BYTES} bytes");
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

#[cfg(test)]
mod tests;
