//! What stands in the log of a file that was not closed, when it is opened: many commits, commits of a past that was
//! lost, and bytes that the system shows although the device refused them.
//!
//! Each test leaves a file behind as a death would, opens it, and compares what it shows.

use super::{Write, open, read_all, tiny_options};
use crate::lsm::{Durability, Options, Reader, Result, SimulatedStorage, Store};

fn append(store: &Store, operand: &[u8], durability: Durability) -> Result<()> {
    let mut transaction = store.begin()?;
    Write::Merge(b"key".to_vec(), operand.to_vec()).write_to(&mut transaction)?;
    transaction.commit(durability).map(|_| ())
}

#[test]
fn the_commits_of_a_long_log_are_folded_when_it_is_replayed() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options = Options { memory_bytes: 64 << 20, log_bytes_max: 64 << 20, ..tiny_options() };
    let store = open(device.clone(), options.clone())?;
    for _ in 0..3000 {
        append(&store, b"x", Durability::Buffered)?;
    }
    store.flush()?;
    for _ in 0..3000 {
        append(&store, b"y", Durability::Buffered)?;
    }
    let expected = read_all(&store.snapshot())?;
    let store = Store::open(SimulatedStorage::from_bytes(device.contents()), options)?;
    assert!(store.stats().fresh_runs <= 32, "{} runs", store.stats().fresh_runs);
    assert_eq!(read_all(&store.snapshot())?, expected);
    Ok(())
}

#[test]
fn a_commit_that_was_lost_does_not_come_back_behind_one_that_was_repeated() -> Result<()> {
    let device = SimulatedStorage::new(1);
    open(device.clone(), tiny_options())?.close()?;
    let store = open(device.clone(), tiny_options())?;
    let before = device.contents();
    append(&store, &[b'x'; 900], Durability::Buffered)?;
    let between = device.contents();
    append(&store, &[b'y'; 900], Durability::Buffered)?;
    // The power goes, and of the two records only the second one reached the device.
    let mut left = device.contents();
    for (offset, byte) in before.iter().enumerate() {
        if between[offset] != *byte {
            left[offset] = *byte;
        }
    }
    let device = SimulatedStorage::from_bytes(left);
    let store = open(device.clone(), tiny_options())?;
    assert!(read_all(&store.snapshot())?[1].is_empty());
    append(&store, &[b'x'; 900], Durability::Buffered)?;
    let device = SimulatedStorage::from_bytes(device.contents());
    let found = read_all(&open(device, tiny_options())?.snapshot())?;
    assert_eq!(found[1].get(&b"key"[..]), Some(&vec![b'x'; 900]));
    Ok(())
}

#[test]
fn a_commit_after_a_failed_one_and_reopening_does_not_lean_on_what_is_not_durable() -> Result<()> {
    for seed in 0..40 {
        let device = SimulatedStorage::new(seed);
        let options = Options { memory_bytes: 4 << 20, ..tiny_options() };
        let store = open(device.clone(), options)?;
        append(&store, b"a", Durability::Sync)?;
        let is_long = seed % 2 == 1;
        if is_long {
            // More than is kept in memory: what follows is made durable by a write and a sync.
            append(&store, &vec![b'x'; 300 << 10], Durability::Buffered)?;
        }
        let syncs = device.syncs();
        device.fail_at(device.ops() + if is_long { 2 } else { 1 }, std::io::ErrorKind::Other);
        append(&store, b"b", Durability::Sync).expect_err("the device fails");
        assert_eq!(device.syncs() - syncs, u64::from(is_long));
        drop(store);
        let store = open(device.clone(), tiny_options())?;
        append(&store, b"c", Durability::Sync)?;
        let expected = read_all(&store.snapshot())?;
        let after = open(device.after_power_cut(seed), tiny_options())?;
        assert_eq!(read_all(&after.snapshot())?, expected, "seed {seed}");
    }
    Ok(())
}

#[test]
fn a_small_store_whose_first_page_was_wiped_is_not_created_anew() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let store = open(device.clone(), tiny_options())?;
    append(&store, b"kept", Durability::Sync)?;
    let mut open_file = device.contents();
    store.close()?;
    let mut closed_file = device.contents();
    for bytes in [&mut open_file, &mut closed_file] {
        bytes[..4096].fill(0);
        let device = SimulatedStorage::from_bytes(bytes.clone());
        Store::open(device.clone(), tiny_options()).expect_err("it is damaged");
        assert_eq!(device.contents(), *bytes);
    }
    Ok(())
}

#[test]
fn snapshots_of_a_replayed_store_name_the_last_commit() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let store = open(device.clone(), tiny_options())?;
    append(&store, b"a", Durability::Buffered)?;
    let commit = store.snapshot().commit();
    let store = open(SimulatedStorage::from_bytes(device.contents()), tiny_options())?;
    assert_eq!(store.snapshot().commit(), commit);
    let id = store.snapshot().keyspace("merged").expect("created by open");
    assert_eq!(store.snapshot().get(id, b"key")?.as_deref(), Some(&b"a"[..]));
    Ok(())
}
