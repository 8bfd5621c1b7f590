//! Opening and closing again and again: nothing is left behind in the process or in the file.
//!
//! Alone in its binary, because it counts the threads and open files of the whole process.

use alluvium::lsm::{Durability, KeyspaceOptions, Options, Result, Store};

/// How many times the threads are counted again when there are too many: a thread that has been joined may still be
/// on its way out of the kernel's list, for as long as others use its processor.
const RECOUNTS_MAX: usize = 1_000_000;

/// How many entries a folder of `/proc` has, where there is one.
fn count(folder: &str) -> Option<usize> {
    std::fs::read_dir(folder).ok().map(Iterator::count)
}

/// The threads of the process, when there are as many as `expected`, or when they stay more than that.
fn count_threads(expected: Option<usize>) -> Option<usize> {
    for _ in 0..RECOUNTS_MAX {
        if count("/proc/self/task") == expected {
            return expected;
        }
        std::thread::yield_now();
    }
    count("/proc/self/task")
}

#[test]
fn a_thousand_cycles_leave_no_thread_no_handle_and_no_byte() -> Result<()> {
    let threads = count("/proc/self/task");
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store.alv");
    let store = Store::open_file(&path, Options::default())?;
    let mut transaction = store.begin()?;
    let id = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    transaction.put(id, b"apple", "red")?;
    transaction.commit(Durability::Sync)?;
    store.close()?;
    let bytes = std::fs::read(&path).expect("the file");
    let handles = count("/proc/self/fd");
    for cycle in 0..1_000 {
        let store = Store::open_file(&path, Options::default())?;
        let snapshot = store.snapshot();
        // Every second one is dropped instead of closed, and snapshots may outlive their store.
        if cycle % 2 == 0 {
            store.close()?;
        } else {
            drop(store);
        }
        drop(snapshot);
    }
    assert_eq!(count_threads(threads), threads);
    assert_eq!(count("/proc/self/fd"), handles);
    assert_eq!(std::fs::read(&path).expect("the file"), bytes);
    Ok(())
}
