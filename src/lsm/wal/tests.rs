//! The log by itself: what a torn end costs the reader, whatever the user's bytes look like.
//!
//! Bytes read are counted, because time is not.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{Log, LogWriter, NextExtent, RecordKind};
use crate::lsm::cipher::Sealer;
use crate::lsm::ids::{Extent, PAGE_BYTES};
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

fn create(storage: Arc<dyn Storage>, space: Arc<Space>, log_bytes_max: u64) -> LogWriter {
    LogWriter::create(storage, space, Sealer::NONE, log_bytes_max).unwrap()
}

#[test]
fn a_torn_record_costs_its_length_even_when_it_is_full_of_what_looks_like_records() {
    const PAYLOAD_BYTES: usize = 4 << 20;
    let storage = Arc::new(Counting::default());
    let space = Space::new(&[Extent { start: 0, pages: 9 }], 9, 1);
    let mut writer = create(storage.clone(), space, 64 << 20);
    let start = writer.position();
    // Wherever a page begins: a length of 1 MiB, kind 1, and great numbers.
    let like_a_header = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0];
    let payload: Vec<u8> = like_a_header.iter().copied().cycle().take(PAYLOAD_BYTES + 24).collect();
    let payload = Bytes::from(payload).slice(24 % 16..);
    let torn = writer.append(RecordKind::Group, &[payload], false).unwrap();
    writer.cache().unwrap();
    storage.write_at(torn.extent.offset() + torn.offset, &[0xFF]).unwrap();
    let mut log = Log::open(&*storage, &Sealer::NONE, start).unwrap();
    assert!(log.next().unwrap().is_none());
    log.prove_end(&|_| false).unwrap();
    let bytes_read = storage.bytes_read.load(Ordering::Relaxed);
    assert!(bytes_read < 2 * PAYLOAD_BYTES as u64, "{bytes_read} bytes read");
}

/// Appends records until the log goes on in another extent.
fn fill_extent(writer: &mut LogWriter) -> Extent {
    let before = writer.position().sequence;
    while writer.position().sequence == before {
        writer.append(RecordKind::Group, &[Bytes::from_static(&[7; 3000])], true).unwrap();
    }
    writer.position().extent
}

#[test]
fn a_cut_extent_serves_again_when_no_root_can_name_it_and_not_before() {
    let space = Space::new(&[Extent { start: 0, pages: 9 }], 9, 1);
    let _rest_of_the_file = space.allocate(1000);
    let storage = Arc::new(MemoryStorage::default());
    let mut writer = create(storage.clone(), Arc::clone(&space), 1 << 20);
    let start = writer.position();
    let mut cut = BTreeSet::new();
    for _ in 0..4 {
        cut.insert(fill_extent(&mut writer));
    }
    // The last one is where the log is now.
    let last = writer.position().extent;
    cut.remove(&last);
    space.checkpoint_durable(2, None);
    writer.cut(&writer.position());
    let kept: BTreeSet<Extent> = writer.extents().filter(|extent| cut.contains(extent)).collect();
    assert!(kept.len() > 1, "{cut:?}");
    for generation in 2..4 {
        let next = fill_extent(&mut writer);
        assert!(!kept.contains(&next), "{next} was needed at generation {generation}");
        space.checkpoint_durable(generation + 1, None);
    }
    let next = fill_extent(&mut writer);
    assert_eq!(Some(&next), kept.first(), "the lowest one");
    assert_eq!(writer.extents_reused(), 1);

    // What an earlier use left there is not taken for a continuation.
    writer.cache().unwrap();
    let mut log = Log::open(&*storage, &Sealer::NONE, writer.position()).unwrap();
    assert!(log.next().unwrap().is_none());
    assert!(Log::open(&*storage, &Sealer::NONE, start).is_ok());

    // A small log keeps nothing; everything but it and the rest of the file is free or will be.
    writer.begin_small_extent().unwrap();
    writer.cut(&writer.position());
    assert_eq!(writer.extents().count(), 1);
    space.checkpoint_durable(5, None);
    space.checkpoint_durable(6, None);
    let used: u64 = space.check().unwrap().leased.iter().map(|extent| extent.pages).sum();
    assert_eq!(used, 9 + 1000 + 7);
}

#[test]
fn extents_grow_to_an_eighth_of_the_log_and_only_a_long_record_makes_a_larger_one() {
    for (log_bytes_max, pages_max) in [(0, 8), (1 << 20, 32), (64 << 20, 1024), (1 << 40, 1024)] {
        let space = Space::new(&[Extent { start: 0, pages: 9 }], 9, 1);
        let storage = Arc::new(MemoryStorage::default());
        let mut writer = create(storage.clone(), space, log_bytes_max);
        let pages = (0..6).map(|_| fill_extent(&mut writer).pages).max();
        assert_eq!(pages, Some(pages_max));
        let long = Bytes::from(vec![7; 5 << 20]);
        let place = writer.append(RecordKind::Group, &[long], true).unwrap();
        assert!(place.extent.pages * PAGE_BYTES > 5 << 20);
        // All of it was written before: the device has nothing to grow for.
        assert!(storage.len_bytes().unwrap() >= place.extent.end() * PAGE_BYTES);
    }
}

#[test]
fn a_mark_finds_room_in_the_extent_of_the_record_that_it_seals() {
    let space = Space::new(&[Extent { start: 0, pages: 9 }], 9, 1);
    let storage = Arc::new(MemoryStorage::default());
    let mut writer = create(storage.clone(), space, 64 << 10);
    let start = writer.position();
    let mut rng = fastrand::Rng::with_seed(3);
    let (mut marks, mut records) = (0, 0);
    while writer.position().sequence < 200 {
        let len = if rng.u8(..20) == 0 { rng.usize(..60_000) } else { rng.usize(..3000) };
        let payload = Bytes::from(vec![7; len]);
        writer.append(RecordKind::Group, &[payload], rng.bool()).unwrap();
        records += 1;
        let before = writer.position();
        if !writer.is_sealed() && rng.bool() {
            // So a commit that was appended needs no more space to become durable.
            writer.append(RecordKind::Mark, &[], true).unwrap();
            assert_eq!(writer.position().extent, before.extent, "at {before:?}");
            assert!(writer.is_sealed());
            marks += 1;
        }
    }
    assert!(marks > 100);
    writer.cache().unwrap();
    let mut log = Log::open(&*storage, &Sealer::NONE, start).unwrap();
    let read = std::iter::from_fn(|| log.next().unwrap()).count();
    assert_eq!(read, marks + records);
}

/// Appends records until it is time to make the next extent ready.
fn fill_half(writer: &mut LogWriter) -> NextExtent {
    loop {
        writer.append(RecordKind::Group, &[Bytes::from_static(&[7; 3000])], true).unwrap();
        if let Some(next) = writer.next_extent() {
            return next;
        }
    }
}

fn make_ready(storage: &dyn Storage, next: &mut NextExtent) {
    while !next.write_piece(storage).unwrap() {}
    next.begin(storage).unwrap();
}

#[test]
fn the_log_goes_on_in_the_extent_that_was_made_ready_unless_that_is_outdated_or_too_small() {
    let space = Space::new(&[Extent { start: 0, pages: 9 }], 9, 1);
    let storage = Arc::new(MemoryStorage::default());
    let mut writer = create(storage.clone(), Arc::clone(&space), 1 << 20);
    let start = writer.position();
    let mut next = fill_half(&mut writer);
    make_ready(&*storage, &mut next);
    let extent = next.extent();
    writer.accept_next(next);
    assert!(writer.extents().any(|other| other == extent), "the store can account for it");
    assert!(!writer.wants_next());
    assert_eq!(fill_extent(&mut writer), extent);

    // A record that does not fit goes elsewhere, and the extent serves after that.
    let mut next = fill_half(&mut writer);
    make_ready(&*storage, &mut next);
    let extent = next.extent();
    writer.accept_next(next);
    let long = vec![7; usize::try_from(extent.bytes()).unwrap()];
    let place = writer.append(RecordKind::Group, &[Bytes::from(long)], true).unwrap();
    assert_ne!(place.extent, extent);
    assert_eq!(fill_extent(&mut writer), extent);

    // What was begun before the log moved elsewhere is given back.
    let mut next = fill_half(&mut writer);
    make_ready(&*storage, &mut next);
    let outdated = next.extent();
    writer.begin_small_extent().unwrap();
    writer.accept_next(next);
    assert!(writer.extents().all(|other| other != outdated));
    assert!(space.check().unwrap().leased.iter().all(|&other| other != outdated));

    // Who could not make it ready is not asked again for this one.
    fill_extent(&mut writer);
    drop(fill_half(&mut writer));
    writer.give_next_up();
    assert!(!writer.wants_next());
    fill_extent(&mut writer);
    drop(fill_half(&mut writer));

    writer.cache().unwrap();
    let mut log = Log::open(&*storage, &Sealer::NONE, start).unwrap();
    while log.next().unwrap().is_some() {}
    assert_eq!(log.end(), writer.position());
}
