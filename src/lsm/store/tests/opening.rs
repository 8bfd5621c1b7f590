//! Opening and closing: what is refused and left as it was, what is locked, and what closing leaves behind.
//!
//! A refused file must be byte for byte what it was; sizes of small files are bounds, so that none grows by being opened.

use super::{Write, open, read_all, tiny_options};
use crate::lsm::{
    Durability, Error, FileStorage, Options, Reader, Result, SimulatedStorage, Store,
};

fn sample() -> Vec<u8> {
    let device = SimulatedStorage::new(2);
    let store = open(device.clone(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    Write::Put(0, b"key".to_vec(), b"value".to_vec()).write_to(&mut transaction).unwrap();
    transaction.commit(Durability::Sync).unwrap();
    store.close().unwrap();
    device.contents()
}

/// Opens a file with these bytes, and proves that nothing was written when that fails.
fn refuse(bytes: &[u8]) -> Error {
    let device = SimulatedStorage::from_bytes(bytes.to_vec());
    let error = Store::open(device.clone(), tiny_options()).expect_err("must be refused");
    assert_eq!(device.ops(), 0, "nothing may be written");
    assert_eq!(device.contents(), bytes);
    error
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_was() {
    for bytes in [b"hello".to_vec(), vec![b'x'; 100_000], vec![0; 200_000]] {
        assert!(matches!(refuse(&bytes), Error::NotADatabase { .. }));
    }
}

#[test]
fn a_file_of_a_newer_format_is_refused() {
    let mut bytes = sample();
    bytes[8] = 2;
    assert!(matches!(refuse(&bytes), Error::NewerFormat { found: 2, supported: 1 }));
}

#[test]
fn a_truncated_file_is_refused_at_any_length() {
    let bytes = sample();
    for len in (1..bytes.len()).step_by(511) {
        let error = refuse(&bytes[..len]);
        assert!(!matches!(error, Error::Io { .. }), "{len}: {error}");
    }
}

#[test]
fn an_empty_store_takes_64_kib_and_a_small_one_stays_small() {
    let device = SimulatedStorage::new(1);
    Store::open(device.clone(), tiny_options()).unwrap().close().unwrap();
    assert_eq!(device.contents().len(), 64 << 10);
    assert!(sample().len() <= 80 << 10, "{}", sample().len());
}

#[test]
fn a_file_that_is_open_is_locked_with_a_clear_message() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store.alv");
    let store = Store::open_file(&path, Options::default())?;
    let error = Store::open_file(&path, Options::default()).expect_err("must be locked");
    assert!(matches!(error, Error::Locked));
    assert!(error.to_string().contains("another process"));
    store.close()?;
    Store::open_file(&path, Options::default())?.close()
}

#[test]
fn opening_and_closing_again_and_again_leaves_the_file_as_it_is() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("store.alv");
    std::fs::write(&path, sample()).expect("a file for the test");
    let tiny = tiny_options();
    let options = Options {
        merge_operators: tiny.merge_operators,
        group_rewriters: tiny.group_rewriters,
        ..Options::default()
    };
    let before = std::fs::read(&path).expect("the file");
    for _ in 0..50 {
        let store = open(FileStorage::open(&path)?, options.clone())?;
        assert_eq!(read_all(&store.snapshot())?[0].len(), 1);
        store.close()?;
    }
    assert_eq!(std::fs::read(&path).expect("the file"), before);
    Ok(())
}

#[test]
fn small_sessions_do_not_make_the_file_grow() -> Result<()> {
    let device = SimulatedStorage::new(3);
    let mut sizes = Vec::new();
    for session in 0..60_u32 {
        let store = open(device.clone(), Options { memory_bytes: 1 << 20, ..tiny_options() })?;
        let mut transaction = store.begin()?;
        let key = (session % 10).to_be_bytes().to_vec();
        Write::Put(0, key, vec![7; 50]).write_to(&mut transaction)?;
        transaction.commit(Durability::Sync)?;
        while store.step()? {}
        store.close()?;
        sizes.push(device.contents().len());
    }
    let largest = sizes.iter().max().copied().unwrap_or_default();
    assert!(largest <= 160 << 10, "{sizes:?}");
    Ok(())
}

#[test]
fn an_operator_that_is_not_registered_is_named() {
    let options = Options { merge_operators: Vec::new(), ..tiny_options() };
    let error = Store::open(SimulatedStorage::from_bytes(sample()), options).unwrap_err();
    assert!(error.to_string().contains("append"), "{error}");
}

#[test]
fn a_rolled_back_transaction_leaves_nothing_and_lets_the_next_one_in() -> Result<()> {
    let store = open(SimulatedStorage::new(4), tiny_options())?;
    let mut transaction = store.begin()?;
    Write::Put(0, b"a".to_vec(), b"b".to_vec()).write_to(&mut transaction)?;
    transaction.create_keyspace("short-lived", crate::lsm::KeyspaceOptions::default())?;
    drop(transaction);
    let transaction = store.begin()?;
    assert!(read_all(&transaction)?[0].is_empty());
    assert!(transaction.keyspace("short-lived").is_none());
    Ok(())
}

#[test]
fn limits_are_errors_that_leave_the_transaction_as_it_was() -> Result<()> {
    let store = open(SimulatedStorage::new(5), tiny_options())?;
    let mut transaction = store.begin()?;
    let plain = transaction.keyspace("plain").expect("created above");
    let long = vec![1; crate::lsm::KEY_BYTES_MAX + 1];
    assert!(matches!(transaction.put(plain, &long, "x"), Err(Error::KeyTooLong { .. })));
    let merged = transaction.keyspace("merged").expect("created above");
    let large = vec![1; 20 << 10];
    assert!(matches!(transaction.put(merged, b"k", large), Err(Error::TransactionTooLarge { .. })));
    assert!(matches!(transaction.merge(plain, b"k", "x"), Err(Error::NoMergeOperator { .. })));
    transaction.put(plain, b"k", "v")?;
    transaction.commit(Durability::Sync)?;
    assert_eq!(store.snapshot().get(plain, b"k")?.as_deref(), Some(&b"v"[..]));
    Ok(())
}
