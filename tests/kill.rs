//! Kill test: a real process that writes is killed (`kill -9`) at a random moment, again and again, on one file.
//!
//! The test runs its own binary as the child, which commits and says so over a pipe. The parent reads a random number
//! of acknowledgements, kills the child, and opens the file: it must check clean, hold every acknowledged commit, at
//! most one more, and nothing that its last commit does not explain. The child puts, deletes, merges, deletes ranges and
//! drops keyspaces, now and then in a transaction that is larger than its memory, and rolls back to savepoints; meanwhile
//! its threads flush and compact, and one shrinks the file again and again.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Bound;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use alluvium::lsm::{
    Durability, KeyspaceId, KeyspaceOptions, ManualScheduler, MergeOperator, Options, Reader,
    Result, Store, Transaction,
};

const CHILD: &str = "ALLUVIUM_KILL_TEST_FILE";
/// A tenth of the full number, which `ALLUVIUM_TEST_SCALE=10` runs.
const ROUNDS: u64 = 20;
const KEYS: u64 = 300;
/// Commits of a child between two calls of `shrink`.
const SHRINK_EVERY: u64 = 40;

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
        // Half of the values of a large transaction are longer.
        value_chunk_bytes: 2000,
        level1_bytes_max: 128 << 10,
        log_bytes_max: 512 << 10,
        merge_operators: vec![Arc::new(Tail)],
        ..Options::default()
    }
}

/// What a transaction does to the two keyspaces, `values` and `tails`.
enum Op {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Append(Vec<u8>, Vec<u8>),
    /// In both keyspaces; from the first key up to the second.
    DeleteRange(Vec<u8>, Vec<u8>),
    /// Drops both keyspaces and creates them anew.
    Drop,
}

/// What both keyspaces hold.
#[derive(Default)]
struct Model {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    tails: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Put(key, value) => drop(self.values.insert(key, value)),
            Op::Delete(key) => drop(self.values.remove(&key)),
            Op::Append(key, operand) => {
                let tail = self.tails.entry(key).or_default();
                tail.extend(operand);
                tail.drain(..tail.len().saturating_sub(64));
            }
            Op::Drop => *self = Model::default(),
            Op::DeleteRange(lower, upper) => {
                for map in [&mut self.values, &mut self.tails] {
                    map.retain(|key, _| *key < lower || *key >= upper);
                }
            }
        }
    }
}

fn key_of(number: u64) -> Vec<u8> {
    format!("key {number:03}").into_bytes()
}

fn value_of(number: u64, len: u64) -> Vec<u8> {
    let len = usize::try_from(len).expect("a short length");
    number.to_be_bytes().into_iter().cycle().take(len).collect()
}

/// Everything that transaction `number` does and keeps.
fn ops_of(number: u64) -> Vec<Op> {
    let at = number * 7919 % KEYS;
    let mut ops = Vec::new();
    if number.is_multiple_of(59) {
        ops.push(Op::Drop);
    }
    if number.is_multiple_of(13) {
        let len = if number.is_multiple_of(169) { KEYS } else { number % 20 };
        ops.push(Op::DeleteRange(key_of(at), key_of((at + len).min(999))));
    }
    if number.is_multiple_of(53) {
        // More than the transaction's share of memory, so that it waits in the file.
        for written in 0..KEYS {
            let value = value_of(number + written, 1000 + (number + written) * 31 % 2000);
            ops.push(Op::Put(key_of(written), value));
            if written % 100 == 99 {
                ops.push(Op::DeleteRange(key_of(written - number % 60), key_of(written)));
            }
        }
    }
    let len = if number.is_multiple_of(97) { 100_000 } else { number * 31 % 2000 };
    ops.push(if number.is_multiple_of(11) {
        Op::Delete(key_of(at))
    } else {
        Op::Put(key_of(at), value_of(number, len))
    });
    ops.push(Op::Append(key_of(at), number.to_be_bytes().to_vec()));
    ops
}

/// The keyspaces of the model.
struct Keyspaces {
    values: KeyspaceId,
    tails: KeyspaceId,
}

impl Keyspaces {
    fn create(transaction: &mut Transaction) -> Result<Self> {
        let tail = KeyspaceOptions { merge_operator: Some("tail".into()), ..Default::default() };
        Ok(Keyspaces {
            values: transaction.create_keyspace("values", KeyspaceOptions::default())?,
            tails: transaction.create_keyspace("tails", tail)?,
        })
    }

    fn write(&mut self, transaction: &mut Transaction, op: Op) -> Result<()> {
        match op {
            Op::Put(key, value) => transaction.put(self.values, &key, value),
            Op::Delete(key) => transaction.delete(self.values, &key),
            Op::Append(key, operand) => transaction.merge(self.tails, &key, operand),
            Op::Drop => {
                transaction.drop_keyspace(self.values)?;
                transaction.drop_keyspace(self.tails)?;
                *self = Keyspaces::create(transaction)?;
                Ok(())
            }
            Op::DeleteRange(lower, upper) => {
                for id in [self.values, self.tails] {
                    let (lower, upper) = (Bound::Included(&lower[..]), Bound::Excluded(&upper[..]));
                    transaction.delete_range(id, lower, upper)?;
                }
                Ok(())
            }
        }
    }
}

/// The number of the last transaction that a reader sees; each writes its own.
fn last_of(reader: &dyn Reader) -> Result<u64> {
    let Some(id) = reader.keyspace("last") else { return Ok(0) };
    let number = reader.get(id, b"last")?;
    Ok(number.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().expect("eight bytes"))))
}

/// Commits for ever, while another thread shrinks the file.
fn write_until_killed(path: &Path) -> Result<()> {
    let store = Store::open_file(path, options())?;
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let shrinks = scope.spawn(|| shrink_when(told, &store));
        let written = write_for_ever(&store, &tell);
        drop(tell);
        shrinks.join().expect("shrinking does not panic").and(written)
    })
}

/// Shrinks the file after every few commits.
fn shrink_when(committed: mpsc::Receiver<u64>, store: &Store) -> Result<()> {
    for number in committed {
        if number.is_multiple_of(SHRINK_EVERY) {
            store.shrink()?;
            // Nobody is left to tell when the parent has gone.
            let _ = writeln!(std::io::stdout(), "\nshrunk {number}");
        }
    }
    Ok(())
}

fn write_for_ever(store: &Store, tell: &mpsc::Sender<u64>) -> Result<()> {
    let mut out = std::io::stdout();
    loop {
        let mut transaction = store.begin()?;
        let number = last_of(&transaction)? + 1;
        let last = transaction.create_keyspace("last", KeyspaceOptions::default())?;
        let mut keyspaces = Keyspaces::create(&mut transaction)?;
        transaction.put(last, b"last", number.to_be_bytes())?;
        if number.is_multiple_of(7) {
            // What other transactions keep; here it is undone.
            let savepoint = transaction.savepoint()?;
            for op in ops_of(if number.is_multiple_of(3) { number * 53 } else { number + 1 }) {
                keyspaces.write(&mut transaction, op)?;
            }
            transaction.rollback_to(&savepoint)?;
            keyspaces = Keyspaces::create(&mut transaction)?;
        }
        for op in ops_of(number) {
            keyspaces.write(&mut transaction, op)?;
        }
        transaction.commit(match number % 4 {
            0 => Durability::Sync,
            1 => Durability::Interval(Duration::from_millis(2)),
            _ => Durability::Buffered,
        })?;
        // The death of the process takes back nothing that the system has, so every commit counts.
        let told = writeln!(out, "\nacknowledged {number}").and_then(|()| out.flush());
        if told.is_err() || tell.send(number).is_err() {
            return Ok(());
        }
    }
}

/// What the store holds must be what its transactions wrote; `model` is what the first `verified` of them did.
fn verify(path: &Path, acknowledged: u64, model: &mut Model, verified: u64) -> Result<u64> {
    // Without a thread of its own, so that no running job pins pages.
    let options = Options { scheduler: Arc::new(ManualScheduler), ..options() };
    let store = Store::open_file(path, options)?;
    store.check()?;
    let snapshot = store.snapshot();
    let last = last_of(&snapshot)?;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&last),
        "transaction {acknowledged} was acknowledged, the file ends with {last}"
    );
    (verified + 1..=last).flat_map(ops_of).for_each(|op| model.apply(op));
    for (name, expected) in [("values", &model.values), ("tails", &model.tails)] {
        let mut expected = expected.iter();
        if let Some(id) = snapshot.keyspace(name) {
            let mut cursor = snapshot.cursor(id)?;
            let mut on_entry = cursor.first()?;
            while on_entry {
                let (key, value) = expected.next().expect("no more entries than were written");
                assert_eq!(cursor.key(), key);
                assert!(cursor.value()? == value, "the value of {key:?} at {last}");
                on_entry = cursor.next()?;
            }
        }
        assert!(expected.next().is_none(), "an entry of {name} is missing");
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
    let (mut last, mut model) = (0, Model::default());
    let mut shrunk = 0;
    for round in 0..ROUNDS * scale() {
        let verified = last;
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
            shrunk += u64::from(line.starts_with("shrunk "));
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
        last = verify(file, last, &mut model, verified)
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(last > 1000, "{last} transactions");
    assert!(shrunk > ROUNDS, "the file was shrunk {shrunk} times while it was written");
}
