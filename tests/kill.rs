//! Kill test: a real process that writes is killed (`kill -9`) at a random moment, again and again, on one file.
//!
//! The test runs its own binary as the child, which commits and says so over a pipe. The parent reads a random number
//! of acknowledgements, kills the child, and opens the file: it must check clean, hold every acknowledged commit, at
//! most one more, and nothing that its last commit does not explain.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use alluvium::lsm::{
    Durability, KeyspaceId, KeyspaceOptions, ManualScheduler, MergeOperator, Options, Reader,
    Result, Store,
};

const CHILD: &str = "ALLUVIUM_KILL_TEST_FILE";
/// A tenth of the full number, which `ALLUVIUM_TEST_SCALE=10` runs.
const ROUNDS: u64 = 20;
const KEYS: u64 = 300;

/// Keeps the last 64 bytes of what was appended.
#[derive(Debug)]
struct Tail;

impl MergeOperator for Tail {
    fn name(&self) -> &'static str {
        "tail"
    }

    fn merge(&self, _key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        let all = operands.concat();
        out.extend_from_slice(&all[all.len().saturating_sub(64)..]);
        Ok(())
    }
}

/// Options under which a second of writing goes through every part of the store.
fn options() -> Options {
    Options {
        memory_bytes: 2 << 20,
        segment_bytes_target: 32 << 10,
        level1_bytes_max: 128 << 10,
        log_bytes_max: 512 << 10,
        merge_operators: vec![Arc::new(Tail)],
        ..Options::default()
    }
}

/// The key that a commit writes and its value; none when it deletes.
fn write_of(commit: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let key = format!("key {:03}", commit * 7919 % KEYS).into_bytes();
    let len = if commit.is_multiple_of(97) { 100_000 } else { commit * 31 % 2000 };
    let value = commit
        .to_be_bytes()
        .into_iter()
        .cycle()
        .take(usize::try_from(len).expect("a short length"));
    (key, (!commit.is_multiple_of(11)).then(|| value.collect()))
}

/// Keys that some commits write all at once: more than the memory of a transaction, so that it is spilled.
const BULK_KEYS: u8 = 60;

fn bulk_of(commit: u64) -> Vec<u8> {
    commit.to_be_bytes().repeat(1_500)
}

/// Which commits write in bulk, and which do so but roll it back.
fn is_bulk(commit: u64) -> bool {
    commit.is_multiple_of(40)
}

fn is_rolled_back(commit: u64) -> bool {
    commit % 40 == 20
}

fn keyspaces(store: &Store) -> Result<[KeyspaceId; 3]> {
    let mut transaction = store.begin()?;
    let tail = KeyspaceOptions { merge_operator: Some("tail".into()), ..Default::default() };
    let ids = [
        transaction.create_keyspace("values", KeyspaceOptions::default())?,
        transaction.create_keyspace("tails", tail)?,
        transaction.create_keyspace("bulk", KeyspaceOptions::default())?,
    ];
    if store.snapshot().keyspace_names().is_empty() {
        transaction.commit(Durability::Sync)?;
    }
    Ok(ids)
}

/// Number of the last commit; the store counts otherwise.
fn last_commit(reader: &dyn Reader) -> Result<u64> {
    let Some(bulk) = reader.keyspace("bulk") else { return Ok(0) };
    let last = reader.get(bulk, b"last")?;
    Ok(last.map_or(0, |last| u64::from_be_bytes(last[..].try_into().expect("eight bytes"))))
}

/// Commits for ever. Every commit is in all keyspaces.
fn write_until_killed(path: &Path) -> Result<()> {
    let store = Store::open_file(path, options())?;
    let [values, tails, bulk] = keyspaces(&store)?;
    let mut out = std::io::stdout();
    loop {
        let mut transaction = store.begin()?;
        let commit = last_commit(&transaction)? + 1;
        transaction.put(bulk, b"last", commit.to_be_bytes().to_vec())?;
        let savepoint = transaction.savepoint()?;
        if is_bulk(commit) || is_rolled_back(commit) {
            for key in 0..BULK_KEYS {
                transaction.put(bulk, &[key], bulk_of(commit))?;
            }
        }
        if is_rolled_back(commit) {
            transaction.rollback_to(&savepoint)?;
        }
        let (key, value) = write_of(commit);
        match value {
            Some(value) => transaction.put(values, &key, value)?,
            None => transaction.delete(values, &key)?,
        }
        transaction.merge(tails, &key, commit.to_be_bytes().to_vec())?;
        transaction.commit(match commit % 4 {
            0 => Durability::Sync,
            1 => Durability::Interval(Duration::from_millis(2)),
            _ => Durability::Buffered,
        })?;
        // The death of the process takes back nothing that the system has, so every commit counts.
        let told = writeln!(out, "\nacknowledged {commit}").and_then(|()| out.flush());
        if told.is_err() {
            return Ok(());
        }
    }
}

/// What the store holds must be what its commits wrote.
fn verify(path: &Path, acknowledged: u64) -> Result<u64> {
    // Without a thread of its own, so that no running job pins pages.
    let options = Options { scheduler: Arc::new(ManualScheduler), ..options() };
    let store = Store::open_file(path, options)?;
    store.check()?;
    let snapshot = store.snapshot();
    let last = last_commit(&snapshot)?;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&last),
        "commit {acknowledged} was acknowledged, the file ends with {last}"
    );
    let mut expected = [BTreeMap::new(), BTreeMap::<Vec<u8>, Vec<u8>>::new()];
    for commit in 1..=last {
        let (key, value) = write_of(commit);
        let tail = expected[1].entry(key.clone()).or_default();
        tail.extend(commit.to_be_bytes());
        tail.drain(..tail.len().saturating_sub(64));
        match value {
            Some(value) => drop(expected[0].insert(key, value)),
            None => drop(expected[0].remove(&key)),
        }
    }
    for (name, expected) in ["values", "tails"].into_iter().zip(expected) {
        let mut expected = expected.into_iter();
        if let Some(id) = snapshot.keyspace(name) {
            let mut cursor = snapshot.cursor(id)?;
            let mut on_entry = cursor.first()?;
            while on_entry {
                let (key, value) = expected.next().expect("no more entries than were written");
                assert_eq!(cursor.key(), key);
                assert!(cursor.value()? == value, "the value of {key:?} at commit {last}");
                on_entry = cursor.next()?;
            }
        }
        assert!(expected.next().is_none(), "an entry of {name} is missing");
    }
    if let (Some(id), Some(bulk)) =
        (snapshot.keyspace("bulk"), (1..=last).rev().find(|&commit| is_bulk(commit)))
    {
        for key in 0..BULK_KEYS {
            assert!(snapshot.get(id, &[key])?.is_some_and(|value| value == bulk_of(bulk)));
        }
    }
    drop(snapshot);
    let report = store.check()?;
    assert_eq!(report.pinned_pages, 0, "what was spilled and not committed is free");
    store.close()?;
    Ok(last)
}

fn scale() -> u64 {
    std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1)
}

#[test]
fn a_killed_process_leaves_every_commit_that_it_acknowledged() {
    if let Some(path) = std::env::var_os(CHILD) {
        write_until_killed(Path::new(&path)).expect("the child writes until it is killed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.alv");
    let copy = folder.path().join("copy.alv");
    let mut rng = fastrand::Rng::with_seed(15);
    let mut last = 0;
    for round in 0..ROUNDS * scale() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("a_killed_process_leaves_every_commit_that_it_acknowledged")
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut patience = rng.u32(0..600);
        for line in lines {
            // Cut short by the kill, a line may end anywhere; whole numbers are followed by the next line.
            let Ok(line) = line else { break };
            let Some(number) = line.strip_prefix("acknowledged ") else { continue };
            last = number.parse().unwrap();
            if patience == 0 {
                child.kill().unwrap();
            }
            patience = patience.saturating_sub(1);
        }
        let status = child.wait().unwrap();
        assert!(!status.success(), "round {round}: the child was to be killed");
        // Every second time the child's successor has to cope with what it left.
        std::fs::copy(&path, &copy).unwrap();
        let file = if round % 2 == 0 { &path } else { &copy };
        last = verify(file, last).unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(last > 1000, "{last} commits");
}
