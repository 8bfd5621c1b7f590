//! Closing: a file of which much is free gets shorter without a compaction, and a close copies no more than it may. What there is little
//! to gain for stays where it is. Neither a power cut nor a full device on the way costs anything.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use super::super::shrink::trimming_pays;
use super::super::{CLOSE_TRIMMED_PAGES_MAX, lock};
use super::{State, open, read_all, tiny_options};
use crate::lsm::ids::PAGE_BYTES;
use crate::lsm::space::Fill;
use crate::lsm::{Durability, ManualClock, Options, Reader, Result, SimulatedStorage, Store};

fn options() -> Options {
    Options {
        memory_bytes: 16 << 20,
        block_bytes: 4 << 10,
        segment_bytes_target: 64 << 10,
        level0_runs_max: 1000,
        level1_bytes_max: 64 << 20,
        log_bytes_max: 256 << 10,
        clock: Arc::new(ManualClock::default()),
        ..tiny_options()
    }
}

/// A file, closed, that has about so many bytes of holes and behind them so many values of 4,000 bytes.
fn with_holes(hole_bytes: u32, values: u32) -> Result<Vec<u8>> {
    let device = SimulatedStorage::new(1);
    let store = open(device.clone(), options())?;
    let mut rng = fastrand::Rng::with_seed(11);
    for (name, values) in [("plain", hole_bytes / 4000), ("merged", values)] {
        let id = store.snapshot().keyspace(name).expect("created by open");
        let mut transaction = store.begin()?;
        for number in 0..values {
            let value: Vec<u8> = (0..500).flat_map(|_| rng.u64(..).to_le_bytes()).collect();
            transaction.put(id, &number.to_be_bytes(), value)?;
        }
        transaction.commit(Durability::Sync)?;
        store.flush()?;
    }
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut transaction = store.begin()?;
    transaction.delete_range(id, Bound::Unbounded, Bound::Unbounded)?;
    transaction.commit(Durability::Sync)?;
    store.compact_range(id, ..)?;
    store.core.close(0, &mut |_| {})?;
    Ok(device.contents())
}

/// The file, opened and written to, and what is in it.
fn opened(file: &[u8]) -> Result<(SimulatedStorage, Store, State)> {
    let device = SimulatedStorage::from_bytes(file.to_vec());
    let store = Store::open(device.clone(), options())?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut transaction = store.begin()?;
    transaction.put(id, b"left", "gold")?;
    transaction.commit(Durability::Sync)?;
    let state = read_all(&store.snapshot())?;
    Ok((device, store, state))
}

/// That the file has this in it, and is sound.
fn assert_holds(device: SimulatedStorage, expected: &State) -> Result<()> {
    let store = Store::open(device, options())?;
    assert!(read_all(&store.snapshot())? == *expected);
    store.check()?;
    Ok(())
}

#[test]
fn closing_moves_the_end_of_the_file_into_its_holes_and_cuts_it() -> Result<()> {
    let (device, store, expected) = opened(&with_holes(1_500_000, 300)?)?;
    let core = Arc::clone(&store.core);
    let mut told = Vec::new();
    let report = store.close_with(|progress| told.push(progress))?;
    assert!(report.file_bytes_before > 2_600_000, "{report:?}");
    assert!(report.file_bytes < report.live_bytes / 20 * 21 + (8 << 12), "{report:?}");
    assert!(report.bytes_moved <= report.live_bytes && report.segments_moved > 0, "{report:?}");
    // A flush, and nothing was compacted.
    assert_eq!(lock(&core.jobs).reports.len(), 1);
    assert!(told.windows(2).all(|two| two[0].done_bytes <= two[1].done_bytes), "{told:?}");
    let last = told.last().expect("it was told of");
    assert_eq!((last.done_bytes, last.total_bytes), (report.bytes_moved, report.bytes_moved));
    drop(core);
    let store = Store::open(device.clone(), options())?;
    assert!(read_all(&store.snapshot())? == expected);
    store.check()?;
    // What was closed in order is left alone.
    let ops = device.ops();
    let again = store.close_with(|_| panic!("there is nothing to move"))?;
    assert_eq!((again.segments_moved, device.ops()), (0, ops));
    Ok(())
}

#[test]
fn a_close_copies_no_more_than_it_may() -> Result<()> {
    let file = with_holes(1_500_000, 300)?;
    for pages_max in [0, 1, 40, 150, CLOSE_TRIMMED_PAGES_MAX] {
        let (device, store, expected) = opened(&file)?;
        let largest = (64 << 10) / PAGE_BYTES * 2;
        let moved = store.core.close(pages_max, &mut |_| {})?;
        assert!(moved.bytes / PAGE_BYTES <= pages_max.saturating_add(largest), "{moved:?}");
        assert_eq!(moved.bytes > 0, pages_max > 0, "{pages_max}");
        drop(store);
        assert_holds(device, &expected)?;
    }
    Ok(())
}

#[test]
fn where_there_is_little_to_gain_nothing_moves() -> Result<()> {
    for (end, free_pages, deferred_pages, pays) in [
        (400, 255, 0, false),
        (400, 200, 55, false),
        (400, 200, 56, true),
        (2048, 256, 0, false),
        (2048, 200, 57, true),
        (1 << 20, 1 << 16, 0, false),
        (1 << 20, 1 << 18, 0, true),
    ] {
        let (leased_end, free_extents, punched_pages) = (end, 1, 0);
        let fill =
            Fill { end, leased_end, free_pages, free_extents, punched_pages, deferred_pages };
        assert_eq!(trimming_pays(&fill), pays, "{fill:?}");
    }
    let (_, store, _) = opened(&with_holes(200_000, 50)?)?;
    let stats = store.stats();
    assert!(stats.free_pages * PAGE_BYTES > 200_000, "{stats:?}");
    let report = store.close_with(|_| ())?;
    assert_eq!(report.segments_moved, 0, "{stats:?}, {report:?}");
    Ok(())
}

#[test]
fn a_device_without_room_for_copies_closes_as_it_is() -> Result<()> {
    let (device, store, expected) = opened(&with_holes(1_500_000, 300)?)?;
    let mut is_full = false;
    // As soon as a segment is being copied.
    let closed = store.close_with(|progress| {
        if progress.done_bytes > 100 << 10 && !is_full {
            is_full = true;
            device.fail_at(device.ops() + 1, io::ErrorKind::StorageFull);
        }
    });
    assert!(is_full);
    assert_eq!(closed?.segments_moved, 0);
    assert_holds(device, &expected)
}

#[test]
fn a_power_cut_while_a_close_moves_segments_costs_nothing() -> Result<()> {
    let file = with_holes(1_500_000, 300)?;
    let (device, store, expected) = opened(&file)?;
    let first = device.ops();
    store.close()?;
    let last = device.ops();
    assert!(last - first > 30, "{} operations", last - first);
    let every = usize::try_from((last - first) / 12).unwrap_or(1);
    for cut in (first + 1..=last).step_by(every) {
        let (device, store, _) = opened(&file)?;
        device.power_cut_at(cut);
        assert!(store.close().is_err(), "cut {cut}");
        assert_holds(device.after_power_cut(cut), &expected)?;
    }
    Ok(())
}
