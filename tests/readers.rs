//! Readers and a writer in processes of their own, on one file, each killed (`kill -9`) at random moments.
//!
//! The test runs its own binary as children. The writer commits numbered transactions, compacts and shrinks; what the
//! file holds after each of them is known. Readers refresh all the time and compare everything that they see with that,
//! and an older snapshot too. A reader that finds a difference ends, and the test with it.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::ops::Bound;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use alluvium::lsm::{
    Compression, Durability, KeyspaceOptions, ManualScheduler, Options, Reader, Result, Snapshot,
    Store, StoreReader, Transaction,
};

const CHILD: &str = "ALLUVIUM_READERS_TEST_CHILD";
const FILE: &str = "ALLUVIUM_READERS_TEST_FILE";
/// `ALLUVIUM_TEST_SCALE=10` runs ten times as many.
const ROUNDS: u64 = 8;
const KEYS: u64 = 400;

/// Options under which a second of writing goes through every part of the store.
fn options() -> Options {
    Options {
        memory_bytes: 2 << 20,
        segment_bytes_target: 32 << 10,
        level1_bytes_max: 128 << 10,
        log_bytes_max: 256 << 10,
        ..Options::default()
    }
}

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn key_of(number: u64) -> Vec<u8> {
    format!("key {:03}", number % KEYS).into_bytes()
}

/// What one transaction does.
struct Writes {
    /// A range that it deletes, from the first key up to the second.
    gone: Option<(Vec<u8>, Vec<u8>)>,
    /// What it puts after that.
    put: Model,
}

fn writes_of(number: u64) -> Writes {
    let from = number * 37 % KEYS;
    let gone = number.is_multiple_of(13).then(|| (key_of(from), key_of((from + 60).min(KEYS - 1))));
    // Now and then all of them, which is more than the memory of a transaction.
    let (count, len) = if number.is_multiple_of(101) {
        (KEYS, 3000)
    } else {
        (8, usize::try_from(number * 31 % 700).expect("a short length"))
    };
    let put = (0..count).map(|at| {
        let value = (number + at).to_be_bytes().into_iter().cycle();
        (key_of(number * 7919 + at * 11), value.take(len).collect())
    });
    Writes { gone, put: put.collect() }
}

fn apply(model: &mut Model, number: u64) {
    let Writes { gone, put } = writes_of(number);
    if let Some((lower, upper)) = gone {
        model.retain(|key, _| *key < lower || *key >= upper);
    }
    model.extend(put);
}

/// The number of the last transaction that a reader sees; each writes its own.
fn last_of(reader: &dyn Reader) -> Result<u64> {
    let Some(id) = reader.keyspace("last") else { return Ok(0) };
    let number = reader.get(id, b"last")?;
    Ok(number.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().expect("eight bytes"))))
}

fn write_one(transaction: &mut Transaction) -> Result<u64> {
    let number = last_of(transaction)? + 1;
    let last = transaction.create_keyspace("last", KeyspaceOptions::default())?;
    // One keyspace is read in place, the other through the cache.
    let plain = KeyspaceOptions { compression: Compression::None, ..KeyspaceOptions::default() };
    let keyspaces = [
        transaction.create_keyspace("plain", plain)?,
        transaction.create_keyspace("packed", KeyspaceOptions::default())?,
    ];
    transaction.put(last, b"last", number.to_be_bytes())?;
    let Writes { gone, put } = writes_of(number);
    for id in keyspaces {
        if let Some((lower, upper)) = &gone {
            transaction.delete_range(id, Bound::Included(lower), Bound::Excluded(upper))?;
        }
        for (key, value) in &put {
            transaction.put(id, key, value.clone())?;
        }
    }
    Ok(number)
}

/// Tells the parent; false when there is none any more.
fn tell(what: &str, number: u64) -> bool {
    let mut out = std::io::stdout();
    writeln!(out, "\n{what} {number}").and_then(|()| out.flush()).is_ok()
}

/// Commits for ever.
fn write_until_killed(path: &Path) -> Result<()> {
    let store = Store::open_file(path, options())?;
    loop {
        let mut transaction = store.begin()?;
        let number = write_one(&mut transaction)?;
        transaction.commit(match number % 4 {
            0 => Durability::Sync,
            _ => Durability::Buffered,
        })?;
        match number % 400 {
            150 => store.compact()?,
            300 => assert!(store.shrink()?.file_bytes > 0),
            _ => {}
        }
        if number.is_multiple_of(20) && !tell("held", store.stats().held_pages) {
            return Ok(());
        }
        if !tell("acknowledged", number) {
            return Ok(());
        }
    }
}

fn assert_shows(snapshot: &Snapshot, model: &Model, number: u64) -> Result<()> {
    for name in ["plain", "packed"] {
        let mut expected = model.iter();
        if let Some(id) = snapshot.keyspace(name) {
            let mut cursor = snapshot.cursor(id)?;
            let mut on_entry = cursor.first()?;
            while on_entry {
                let (key, value) = expected.next().expect("no more entries than were written");
                assert_eq!(cursor.key(), key, "{name} at {number}");
                assert!(cursor.value()? == value, "the value of {key:?} in {name} at {number}");
                on_entry = cursor.next()?;
            }
        }
        assert!(expected.next().is_none(), "an entry of {name} is missing at {number}");
    }
    Ok(())
}

/// Refreshes and compares for ever.
fn read_until_killed(path: &Path) -> Result<()> {
    let reader = StoreReader::open_file(path, options())?;
    let (mut model, mut last) = (Model::default(), 0);
    let mut old: Option<(Snapshot, Model, u64, u64)> = None;
    for round in 0.. {
        let news = reader.refresh()?;
        let snapshot = reader.snapshot();
        let number = last_of(&snapshot)?;
        assert!(number >= last, "from {last} back to {number}");
        assert!(news || number == last || round == 0);
        (last + 1..=number).for_each(|number| apply(&mut model, number));
        last = number;
        assert_shows(&snapshot, &model, number)?;
        // For some time an older state too, while the writer goes on.
        if let Some((snapshot, model, number, until)) = &old
            && *until <= round
        {
            assert_shows(snapshot, model, *number)?;
            old = None;
        }
        if old.is_none() {
            let until = round + 1 + number % 40;
            old = Some((snapshot, model.clone(), number, until));
        }
        if !tell("verified", number) {
            return Ok(());
        }
    }
    Ok(())
}

/// Keeps the snapshot it begins with, and compares it for every line that it is sent.
fn keep_until_killed(path: &Path) -> Result<()> {
    let snapshot = StoreReader::open_file(path, options())?.snapshot();
    let number = last_of(&snapshot)?;
    let mut model = Model::default();
    (1..=number).for_each(|number| apply(&mut model, number));
    tell("keeps", number);
    for _ in std::io::stdin().lines().map_while(std::result::Result::ok) {
        assert_shows(&snapshot, &model, number)?;
        tell("kept", number);
    }
    Ok(())
}

/// A child, and what it tells.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(role: &str, path: &Path) -> Process {
        let mut child = Command::new(std::env::current_exe().expect("the test's own binary"))
            .args(["--exact", "--nocapture", "--test-threads=1"])
            .arg("readers_in_other_processes_see_every_commit_whole")
            .env(CHILD, role)
            .env(FILE, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        Process { child, lines }
    }

    /// The next number that it tells under the name `what`.
    fn next(&mut self, what: &str) -> u64 {
        loop {
            let line = self.lines.next().and_then(std::io::Result::ok);
            let line = line.unwrap_or_else(|| panic!("the child that tells `{what}` ended"));
            let number = line.strip_prefix(what).and_then(|rest| rest.trim().parse().ok());
            if let Some(number) = number {
                return number;
            }
        }
    }

    fn send_line(&mut self) {
        self.child.stdin.as_ref().expect("it was piped").write_all(b"\n").expect("it listens");
    }

    fn kill(mut self) {
        self.child.kill().expect("it is killed");
        assert!(!self.child.wait().expect("it ends").success(), "it was to be killed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // When the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scale() -> u64 {
    std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1)
}

#[test]
fn readers_in_other_processes_see_every_commit_whole() {
    if let (Some(role), Some(path)) = (std::env::var_os(CHILD), std::env::var_os(FILE)) {
        let path = Path::new(&path);
        let ended = match role.to_str() {
            Some("writer") => write_until_killed(path),
            Some("reader") => read_until_killed(path),
            _ => keep_until_killed(path),
        };
        ended.expect("the child goes on until it is killed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.alv");
    // The file is there before the first reader comes.
    Store::open_file(&path, options()).unwrap().close().unwrap();
    let mut rng = fastrand::Rng::with_seed(21);
    let mut readers: Vec<Process> = (0..2).map(|_| Process::start("reader", &path)).collect();
    let mut last = 0;
    for round in 0..ROUNDS * scale() {
        let mut writer = Process::start("writer", &path);
        for _ in 0..=rng.u64(0..10) {
            last = writer.next("acknowledged");
            // Readers that are ahead of what they could tell wait for the pipe.
            for reader in &mut readers {
                while reader.next("verified") + 200 < last {}
            }
        }
        if round % 3 == 0 {
            let at = rng.usize(..readers.len());
            readers.swap_remove(at).kill();
            readers.push(Process::start("reader", &path));
        }
        writer.kill();
        // Everything that was acknowledged is seen by readers that outlive the writer.
        for reader in &mut readers {
            while reader.next("verified") < last {}
        }
    }
    drop(readers);
    // Readers that refresh may let go of everything in time. What one snapshot shows is held back, however long the
    // writer goes on.
    let mut keeper = Process::start("keeper", &path);
    assert!(keeper.next("keeps") >= last);
    let mut writer = Process::start("writer", &path);
    assert!((0..100).any(|_| writer.next("held") > 0), "pages are held back for the snapshot");
    keeper.send_line();
    keeper.next("kept");
    last = writer.next("acknowledged");
    writer.kill();
    keeper.kill();
    let store =
        Store::open_file(&path, Options { scheduler: Arc::new(ManualScheduler), ..options() });
    let store = store.unwrap();
    store.check().unwrap();
    store.shrink().unwrap();
    let report = store.check().unwrap();
    assert_eq!(
        (report.held_pages, report.pinned_pages),
        (0, 0),
        "leases ended with their processes"
    );
    let number = last_of(&store.snapshot()).unwrap();
    assert!(number >= last);
    let mut model = Model::default();
    (1..=number).for_each(|number| apply(&mut model, number));
    assert_shows(&store.snapshot(), &model, number).unwrap();
    store.close().unwrap();
}
