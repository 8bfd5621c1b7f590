//! Opening and closing again and again: nothing is left behind in the process or in the file.
//!
//! Alone in its binary, because it counts the threads and open files of the whole process.

use alluvium::lsm::{Durability, KeyspaceOptions, Options, Result, Store};

/// How many entries a folder of `/proc` has, where there is one.
fn count(folder: &str) -> Option<usize> {
    std::fs::read_dir(folder).ok().map(Iterator::count)
}

#[test]
fn a_thousand_cycles_leave_no_thread_no_handle_and_no_byte() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store.alv");
    let store = Store::open_file(&path, Options::default())?;
    let mut transaction = store.begin()?;
    let id = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
    transaction.put(id, b"apple", "red")?;
    transaction.commit(Durability::Sync)?;
    store.close()?;
    let bytes = std::fs::read(&path).expect("the file");
    let before = (count("/proc/self/task"), count("/proc/self/fd"));
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
    assert_eq!((count("/proc/self/task"), count("/proc/self/fd")), before);
    assert_eq!(std::fs::read(&path).expect("the file"), bytes);
    Ok(())
}
