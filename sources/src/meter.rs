//! [`Meter`]: how much of a source has been read, for whoever shows that meanwhile, perhaps on another thread.
//!
//! Inputs count what they take from the disk or the stream, packed or not, since the size of that is known before the end.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a source is read.
#[derive(Debug, Default)]
pub struct Meter {
    read: AtomicU64,
    unpacked: AtomicU64,
    /// Size of everything, and 1 more; 0 when it is not known.
    total: AtomicU64,
    left_out: AtomicU64,
}

impl Meter {
    /// Bytes read, of what is stored: packed ones if it is packed.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes read, of what is inside.
    pub fn bytes_unpacked(&self) -> u64 {
        self.unpacked.load(Ordering::Relaxed)
    }

    /// Bytes of all there is to read, where that is known.
    pub fn bytes_total(&self) -> Option<u64> {
        self.total.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Files of a folder that are no text, and hence no documents.
    pub fn files_left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    pub(crate) fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_unpacked(&self, bytes: u64) {
        self.unpacked.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn take_unpacked(&self, bytes: u64) {
        self.unpacked.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn begin_anew(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.unpacked.store(0, Ordering::Relaxed);
    }

    pub(crate) fn set_total(&self, bytes: u64) {
        self.total.store(bytes.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn leave_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }
}

/// A reader whose bytes are counted.
#[derive(Debug)]
pub(crate) struct Metered<R> {
    reader: R,
    meter: Arc<Meter>,
}

impl<R> Metered<R> {
    pub(crate) fn new(reader: R, meter: &Arc<Meter>) -> Self {
        Metered { reader, meter: Arc::clone(meter) }
    }

    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.meter.add_read(read as u64);
        Ok(read)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}
