//! Writes that bypass the system's cache, through a second descriptor of the same file (`O_DIRECT`, Linux).
//!
//! [`FileStorage`](super::FileStorage) sends bulk and durable writes here. What they share with the
//! buffered descriptor is the file alone: a commit waits neither for dirty pages of a segment that someone else is
//! writing, as `fdatasync` of the whole file does, nor behind a long request in the device's queue, because bulk
//! writes go out in pieces of 256 KiB (decision 0003 has the numbers).
//!
//! The system wants memory, offset and length in whole blocks of the device, so bytes are copied into aligned buffers,
//! which are kept for the next write. A file system that refuses (`tmpfs` of older kernels, some network file systems)
//! gets ordinary writes from then on.
//!
//! Reads are buffered, and rely on this: a direct write drops the cached pages of its range before it begins and after
//! it ended, so a read that begins after it returned sees it. The store never reads a range while it is being written.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// Bytes of one request: long ones keep a commit waiting, short ones waste the device.
const PIECE_BYTES: usize = 256 << 10;
/// What memory, offset and length are aligned to: the page of the store, and no device has larger blocks.
const ALIGN_BYTES: usize = 4096;

/// The descriptor that bypasses the cache, if there is one, and memory for its writes.
#[derive(Debug, Default)]
pub(super) struct Direct {
    file: Option<File>,
    /// Set when a write was refused for its kind.
    refused: AtomicBool,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Direct {
    /// A second descriptor of `file`, which was opened at `path`.
    pub(super) fn open(path: &Path, file: &File) -> Direct {
        let flags = i32::try_from(OFlags::DIRECT.bits()).unwrap_or_default();
        let opened = OpenOptions::new().write(true).custom_flags(flags).open(path).ok();
        // The name may lead elsewhere by now.
        let same = opened.filter(|opened| {
            let identity = |file: &File| file.metadata().ok().map(|data| (data.dev(), data.ino()));
            identity(opened).is_some_and(|found| Some(found) == identity(file))
        });
        Direct { file: same, ..Direct::default() }
    }

    /// Writes whole pages, past the cache if that is possible and else through `buffered`.
    pub(super) fn write(&self, buffered: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut at = offset;
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.write_piece(at, piece, ReadWriteFlags::empty())? {
                buffered.write_all_at(piece, at)?;
            }
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Writes whole pages and makes each piece of them durable with the request that writes it; gives the bytes that were
    /// written when the system refuses to do that.
    pub(super) fn write_durable(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.write_piece(offset + written as u64, piece, ReadWriteFlags::DSYNC)? {
                break;
            }
            written += piece.len();
        }
        Ok(written)
    }

    /// Writes at most [`PIECE_BYTES`] past the cache; `false` when the system does not do that.
    fn write_piece(&self, offset: u64, bytes: &[u8], flags: ReadWriteFlags) -> io::Result<bool> {
        let usable = !self.refused.load(Ordering::Relaxed);
        let Some(file) = self.file.as_ref().filter(|_| usable) else { return Ok(false) };
        let mut buffer = self.take_buffer();
        let start = buffer.as_ptr().align_offset(ALIGN_BYTES);
        let aligned = &mut buffer[start..start + bytes.len()];
        aligned.copy_from_slice(bytes);
        let written = write_all(file, offset, aligned, flags);
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        match written {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.refused.store(true, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn take_buffer(&self) -> Vec<u8> {
        let kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| vec![0; PIECE_BYTES + ALIGN_BYTES])
    }
}

fn write_all(
    file: &File,
    mut offset: u64,
    mut bytes: &[u8],
    flags: ReadWriteFlags,
) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match pwritev2(file, &[IoSlice::new(bytes)], offset, flags) {
            // What is left after a part of a page is written the ordinary way, with all before it.
            Ok(written) if written == 0 || !written.is_multiple_of(ALIGN_BYTES) => {
                return Err(Errno::INVAL);
            }
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
