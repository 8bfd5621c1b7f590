//! The log by itself: what a torn end costs the reader, whatever the user's bytes look like.
//!
//! Bytes read are counted, because time is not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{Log, LogWriter, RecordKind};
use crate::lsm::ids::Extent;
use crate::lsm::space::Space;
use crate::lsm::storage::{MemoryStorage, Storage};

/// Counts the bytes that are read.
#[derive(Debug, Default)]
struct Counting {
    storage: MemoryStorage,
    bytes_read: AtomicU64,
}

impl Storage for Counting {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes_read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.storage.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.storage.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.storage.sync()
    }

    fn len_bytes(&self) -> io::Result<u64> {
        self.storage.len_bytes()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.storage.set_len(bytes)
    }
}

#[test]
fn a_torn_record_costs_its_length_even_when_it_is_full_of_what_looks_like_records() {
    const PAYLOAD_BYTES: usize = 4 << 20;
    let storage = Arc::new(Counting::default());
    let space = Space::new(&[Extent { start: 0, pages: 9 }], 9, 1);
    let mut writer = LogWriter::create(storage.clone(), space).unwrap();
    let start = writer.position();
    // Wherever a page begins: a length of 1 MiB, kind 1, and great numbers.
    let like_a_header = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0];
    let payload: Vec<u8> = like_a_header.iter().copied().cycle().take(PAYLOAD_BYTES + 24).collect();
    let payload = Bytes::from(payload).slice(24 % 16..);
    let torn = writer.append(RecordKind::Group, &[payload], false).unwrap();
    storage.write_at(torn.extent.offset() + torn.offset, &[0xFF]).unwrap();
    let mut log = Log::open(&*storage, start).unwrap();
    assert!(log.next().unwrap().is_none());
    log.prove_end(&|_| false).unwrap();
    let bytes_read = storage.bytes_read.load(Ordering::Relaxed);
    assert!(bytes_read < 2 * PAYLOAD_BYTES as u64, "{bytes_read} bytes read");
}
