//! Tests of the whole store: against a model, under power cuts and I/O errors, and with flipped bits. Each module
//! states its goal; this one holds what they share: tiny options, an operator, and the model itself.

mod background;
mod crash;
mod damage;
mod killed;
mod model;
mod opening;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lsm::{
    Compression, Durability, Error, KeyspaceOptions, ManualClock, ManualScheduler, MergeOperator,
    Options, Reader, Result, Storage, Store,
};

/// Appends operands to each other: not commutative, so that a wrong order shows.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn merge(&self, _key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        out.extend(operands.iter().flat_map(|operand| operand.iter()));
        Ok(())
    }
}

/// Options under which a few hundred entries make many blocks, segments, levels and checkpoints.
fn tiny_options() -> Options {
    Options {
        memory_bytes: 64 << 10,
        block_bytes: 128,
        restart_interval: 3,
        segment_bytes_target: 2 << 10,
        level0_runs_max: 2,
        level_ratio: 2,
        level1_bytes_max: 8 << 10,
        log_bytes_max: 48 << 10,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        merge_operators: vec![Arc::new(Append)],
        ..Options::default()
    }
}

/// The keyspaces that the tests use: one plain, one compressed with an operator.
fn keyspaces() -> [(&'static str, KeyspaceOptions); 2] {
    let plain = KeyspaceOptions {
        compression: Compression::None,
        value_bytes_inline_max: 100,
        ..KeyspaceOptions::default()
    };
    let merged =
        KeyspaceOptions { merge_operator: Some("append".to_owned()), ..KeyspaceOptions::default() };
    [("plain", plain), ("merged", merged)]
}

/// What the store should hold: keyspace by keyspace, key by key.
type State = [BTreeMap<Vec<u8>, Vec<u8>>; 2];

/// One write of a script.
#[derive(Debug, Clone)]
enum Write {
    Put(usize, Vec<u8>, Vec<u8>),
    Delete(usize, Vec<u8>),
    Merge(Vec<u8>, Vec<u8>),
}

impl Write {
    fn random(rng: &mut fastrand::Rng) -> Write {
        let keyspace = rng.usize(0..2);
        let key = format!("{:03}", rng.u32(0..60)).into_bytes();
        let key = if rng.u32(0..40) == 0 { Vec::new() } else { key };
        let len = if rng.u32(0..12) == 0 { rng.usize(100..900) } else { rng.usize(0..30) };
        let value: Vec<u8> = (0..len).map(|_| rng.u8(b'a'..=b'z')).collect();
        match rng.u32(0..10) {
            0..5 => Write::Put(keyspace, key, value),
            5..7 => Write::Delete(keyspace, key),
            _ => Write::Merge(key, value),
        }
    }

    fn apply_to(&self, state: &mut State) {
        match self.clone() {
            Write::Put(keyspace, key, value) => {
                state[keyspace].insert(key, value);
            }
            Write::Delete(keyspace, key) => {
                state[keyspace].remove(&key);
            }
            Write::Merge(key, operand) => state[1].entry(key).or_default().extend(operand),
        }
    }

    fn write_to(&self, transaction: &mut crate::lsm::Transaction) -> Result<()> {
        let id = |index: usize| {
            let name = keyspaces()[index].0;
            transaction.keyspace(name).ok_or_else(|| Error::UnknownKeyspace(name.to_owned()))
        };
        match self.clone() {
            Write::Put(keyspace, key, value) => {
                let id = id(keyspace)?;
                transaction.put(id, &key, value)
            }
            Write::Delete(keyspace, key) => {
                let id = id(keyspace)?;
                transaction.delete(id, &key)
            }
            Write::Merge(key, operand) => {
                let id = id(1)?;
                transaction.merge(id, &key, operand)
            }
        }
    }
}

/// Opens a store and creates the keyspaces if they are not there.
fn open(storage: impl Storage + 'static, options: Options) -> Result<Store> {
    let store = Store::open(storage, options)?;
    let missing =
        keyspaces().into_iter().any(|(name, _)| store.snapshot().keyspace(name).is_none());
    if missing {
        let mut transaction = store.begin()?;
        for (name, options) in keyspaces() {
            transaction.create_keyspace(name, options)?;
        }
        transaction.commit(Durability::Sync)?;
    }
    Ok(store)
}

/// Everything that a reader sees.
fn read_all(reader: &dyn Reader) -> Result<State> {
    let mut state = State::default();
    for (index, (name, _)) in keyspaces().into_iter().enumerate() {
        let Some(id) = reader.keyspace(name) else { continue };
        let mut cursor = reader.cursor(id)?;
        let mut on_entry = cursor.first()?;
        while on_entry {
            state[index].insert(cursor.key().to_vec(), cursor.value()?.to_vec());
            on_entry = cursor.next()?;
        }
    }
    Ok(state)
}
