//! Tests of the whole store: against a model, under power cuts and I/O errors, and with flipped bits. Each module
//! states its goal; this one holds what they share: tiny options, an operator, and the model itself.

mod background;
mod cipher;
mod closing;
mod compaction;
mod crash;
mod damage;
mod files;
mod group;
mod inspect;
mod interplay;
mod keyspaces;
mod killed;
mod model;
mod opening;
mod optimistic;
mod ranges;
mod readers;
mod salvage;
mod space;
mod spilled;
mod strengths;
mod values;
mod witness;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::lsm::{
    CompactionReport, Compression, Durability, GroupRewriter, KeyspaceId, KeyspaceOptions,
    ManualClock, ManualScheduler, MergeOperator, Options, Reader, Result, Rewrite, RewritePass,
    Storage, Store, Transaction,
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

/// Drops values of `~` and cuts `#` from the end of others: readers do the same, so they never see a difference.
#[derive(Debug)]
struct Tidy;

impl GroupRewriter for Tidy {
    fn name(&self) -> &'static str {
        "tidy"
    }

    fn group_len(&self, key: &[u8]) -> usize {
        key.len().min(2)
    }

    fn lists_names(&self) -> bool {
        true
    }

    fn begin<'a>(
        &'a self,
        keyspace: &str,
        reader: &'a dyn Reader,
    ) -> Result<Box<dyn RewritePass + 'a>> {
        assert!(reader.keyspace(keyspace).is_some(), "the reader shows the keyspace itself");
        Ok(Box::new(Tidy))
    }
}

impl RewritePass for Tidy {
    fn entry(&mut self, _key: &[u8], value: &[u8]) -> Result<Rewrite> {
        Ok(match tidied(value) {
            None => Rewrite::Drop,
            Some(kept) if kept.len() < value.len() => Rewrite::Replace(kept.to_vec()),
            Some(_) => Rewrite::Keep,
        })
    }
}

/// What readers of the tidied keyspace make of a value.
fn tidied(value: &[u8]) -> Option<&[u8]> {
    (value != b"~").then(|| value.strip_suffix(b"#").unwrap_or(value))
}

/// Options under which a few hundred entries make many blocks, segments, levels and checkpoints.
fn tiny_options() -> Options {
    Options {
        memory_bytes: 64 << 10,
        block_bytes: 128,
        restart_interval: 3,
        segment_bytes_target: 2 << 10,
        value_chunk_bytes: 150,
        level0_runs_max: 2,
        level_ratio: 2,
        level1_bytes_max: 8 << 10,
        level_runs_max: 2,
        compaction_bytes_max: 8 << 10,
        log_bytes_max: 48 << 10,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        merge_operators: vec![Arc::new(Append)],
        group_rewriters: vec![Arc::new(Tidy)],
        ..Options::default()
    }
}

/// The keyspaces that the tests use: one plain, one compressed with an operator, one with a rewriter.
fn keyspaces() -> [(&'static str, KeyspaceOptions); 3] {
    let plain = KeyspaceOptions {
        compression: Compression::None,
        value_bytes_inline_max: 100,
        filter_bits_per_key: 0,
        ..KeyspaceOptions::default()
    };
    let merged =
        KeyspaceOptions { merge_operator: Some("append".to_owned()), ..KeyspaceOptions::default() };
    let tidied = KeyspaceOptions {
        group_rewriter: Some("tidy".to_owned()),
        value_bytes_inline_max: 0,
        #[cfg(feature = "zstd")]
        compression: Compression::Zstd,
        ..KeyspaceOptions::default()
    };
    [("plain", plain), ("merged", merged), ("tidied", tidied)]
}

/// What the store should hold: keyspace by keyspace, key by key.
type State = [BTreeMap<Vec<u8>, Vec<u8>>; 3];

/// One write of a script.
#[derive(Debug, Clone)]
enum Write {
    Put(usize, Vec<u8>, Vec<u8>),
    Delete(usize, Vec<u8>),
    Merge(Vec<u8>, Vec<u8>),
    /// Keys from the first up to the second, to the end without one.
    DeleteRange(usize, Vec<u8>, Option<Vec<u8>>),
    /// The keyspace itself; the next write to it creates another one.
    Drop(usize),
}

impl Write {
    fn random(rng: &mut fastrand::Rng) -> Write {
        let keyspace = rng.usize(0..3);
        if rng.u32(0..100) == 0 {
            return Write::Drop(keyspace);
        }
        let key = format!("{:03}", rng.u32(0..60)).into_bytes();
        let key = if rng.u32(0..40) == 0 { Vec::new() } else { key };
        if rng.u32(0..14) == 0 {
            // Mostly a few keys, now and then many, all, or none.
            let len = [3, 3, 3, 8, 30][rng.usize(0..5)];
            let from: u32 = str::from_utf8(&key).ok().and_then(|key| key.parse().ok()).unwrap_or(0);
            let upper = format!("{:03}", (from + rng.u32(0..len)).saturating_sub(1)).into_bytes();
            let upper = (rng.u32(0..20) > 0).then_some(upper);
            return Write::DeleteRange(keyspace, key, upper);
        }
        let len = if rng.u32(0..12) == 0 { rng.usize(100..900) } else { rng.usize(0..30) };
        let mut value: Vec<u8> = (0..len).map(|_| rng.u8(b'a'..=b'z')).collect();
        match rng.u32(0..6) {
            0 => value = b"~".to_vec(),
            1 => value.push(b'#'),
            _ => {}
        }
        match rng.u32(0..10) {
            0..5 => Write::Put(keyspace, key, value),
            5..7 => Write::Delete(keyspace, key),
            _ => Write::Merge(key, value),
        }
    }

    fn apply_to(&self, state: &mut State) {
        match self.clone() {
            Write::Put(2, key, value) => match tidied(&value) {
                Some(value) => drop(state[2].insert(key, value.to_vec())),
                None => drop(state[2].remove(&key)),
            },
            Write::Put(keyspace, key, value) => drop(state[keyspace].insert(key, value)),
            Write::Delete(keyspace, key) => drop(state[keyspace].remove(&key)),
            Write::Drop(keyspace) => state[keyspace].clear(),
            Write::DeleteRange(keyspace, lower, upper) => state[keyspace]
                .retain(|key, _| *key < lower || upper.as_ref().is_some_and(|upper| upper <= key)),
            Write::Merge(key, operand) => state[1].entry(key).or_default().extend(operand),
        }
    }

    /// Writes it; the keyspace is created with the first write to it.
    fn write_to(&self, transaction: &mut Transaction) -> Result<()> {
        let id = |transaction: &mut Transaction, index: usize| -> Result<KeyspaceId> {
            let (name, options) = keyspaces()[index].clone();
            match transaction.keyspace(name) {
                Some(id) => Ok(id),
                None => transaction.create_keyspace(name, options),
            }
        };
        match self.clone() {
            Write::Put(keyspace, key, value) => {
                let id = id(transaction, keyspace)?;
                transaction.put(id, &key, value)
            }
            Write::Delete(keyspace, key) => {
                let id = id(transaction, keyspace)?;
                transaction.delete(id, &key)
            }
            Write::Drop(keyspace) => match transaction.keyspace(keyspaces()[keyspace].0) {
                Some(id) => transaction.drop_keyspace(id),
                None => Ok(()),
            },
            Write::DeleteRange(keyspace, lower, upper) => {
                let id = id(transaction, keyspace)?;
                let upper =
                    upper.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(&key[..]));
                transaction.delete_range(id, Bound::Included(&lower), upper)
            }
            Write::Merge(key, operand) => {
                let id = id(transaction, 1)?;
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

/// How often the expensive tests do what they do: `ALLUVIUM_TEST_SCALE`, 1 by default.
fn scale() -> u64 {
    let scale = std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok());
    scale.unwrap_or(1)
}

/// What a run passed through, so that a test knows that it tested something.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    levels: usize,
    moved: u64,
    merged: u64,
    dropped: u64,
    purged: u64,
    /// Entries that ranges covered; ranges carried, dropped and cut; segments that a range hid.
    ranges: [u64; 5],
    flushes: u64,
    checkpoints: u64,
    log_extents: u64,
    flushed: u64,
    /// Transactions that were committed after they were spilled.
    spilled: u64,
    log_extents_reused: u64,
    /// Segments that kept their filter, and that were read in place, counted after every step.
    filters: u64,
    mapped: u64,
    /// Looks at a store with a cipher.
    encrypted: u64,
    relocated: u64,
    punched: u64,
    shrunk: u64,
    copied: u64,
    /// Loads that ended, and what they had put off.
    caught_up: u64,
    /// Keyspaces that another one of the same name has followed, and the number of each name's newest.
    recreated: u64,
    newest: [Option<KeyspaceId>; 3],
    /// Compactions that were begun and not ended, at most.
    side_by_side: usize,
    /// Runs of a level below the first, at most.
    tiers: usize,
    /// Value segments that were cleaned, that were released, and such as hold several values.
    values: [u64; 3],
    value_segments: usize,
}

impl Seen {
    /// Looks at a store, after every step.
    fn observe(&mut self, store: &Store) {
        let version = store.core.version.load();
        self.encrypted += u64::from(store.core.disk.sealer.is_on());
        self.flushes += u64::from(version.flushed.0 > self.flushed);
        self.flushed = version.flushed.0;
        for keyspace in version.keyspaces.values() {
            self.levels = self.levels.max(keyspace.levels.len());
            for segment in keyspace.segments() {
                let (filter, mapped) = segment.keeps();
                self.filters += u64::from(filter);
                self.mapped += u64::from(mapped);
            }
            let tiers = keyspace.levels.iter().skip(1).map(|level| level.runs.len()).max();
            self.tiers = self.tiers.max(tiers.unwrap_or_default());
        }
        for (newest, (name, _)) in self.newest.iter_mut().zip(keyspaces()) {
            let Some(id) = version.keyspace_named(name) else { continue };
            self.recreated += u64::from(newest.replace(id).is_some_and(|before| before != id));
        }
        let value_segments = version.value_segments().count();
        self.values[1] += u64::from(value_segments < self.value_segments);
        self.value_segments = value_segments;
        let shared = version.value_segments().filter(|(_, held)| held.live_pages > 1);
        self.values[2] += shared.count() as u64;
        let counters = &store.core.counters;
        self.relocated = self.relocated.max(counters.relocated_segments.load(Ordering::Relaxed));
        let cleaned = counters.cleaned_segments.load(Ordering::Relaxed);
        self.values[0] = self.values[0].max(cleaned);
        self.punched = self.punched.max(counters.punched_pages.load(Ordering::Relaxed));
        self.side_by_side = self.side_by_side.max(super::lock(&store.core.jobs).compactions.len());
        let writer = super::lock(&store.core.writer);
        self.checkpoints = self.checkpoints.max(writer.root.generation);
        self.log_extents = self.log_extents.max(writer.log.position().sequence);
        self.log_extents_reused = self.log_extents_reused.max(writer.log.extents_reused());
        drop(writer);
        if let Some(report) = store.last_compaction() {
            self.moved = self.moved.max(report.segments_moved);
            self.merged = self.merged.max(report.merged);
            self.dropped = self.dropped.max(report.dropped);
            self.purged = self.purged.max(report.purged);
            let CompactionReport { covered, ranges_out, ranges_dropped, ranges_split, .. } = report;
            let segments_hidden = report.segments_hidden;
            let ranges = [covered, ranges_out, ranges_dropped, ranges_split, segments_hidden];
            for (seen, count) in self.ranges.iter_mut().zip(ranges) {
                *seen = (*seen).max(count);
            }
        }
    }

    /// Nothing that matters was left out.
    fn assert_all(&self) {
        assert!(self.levels > 2, "levels below the first: {self:?}");
        assert!(self.side_by_side > 1, "compactions take turns: {self:?}");
        assert!(self.flushes > 3 && self.checkpoints > 5 && self.log_extents > 2, "{self:?}");
        let accounts = [self.moved, self.merged, self.dropped, self.purged];
        assert!(accounts.iter().all(|&account| account > 0), "{self:?}");
        assert!(self.spilled > 0 && self.encrypted > 0 && self.recreated > 0, "{self:?}");
        assert!(self.ranges[..3].iter().any(|&account| account > 0), "{self:?}");
        let room = [self.relocated, self.shrunk, self.copied];
        assert!(room.iter().all(|&times| times > 0), "{self:?}");
    }
}

/// Everything that a reader sees.
fn read_all(reader: &dyn Reader) -> Result<State> {
    let mut state = State::default();
    for (index, (name, _)) in keyspaces().into_iter().enumerate() {
        let Some(id) = reader.keyspace(name) else { continue };
        let mut cursor = reader.cursor(id)?;
        let mut on_entry = cursor.first()?;
        while on_entry {
            let value = cursor.value()?;
            if let Some(value) = if index == 2 { tidied(&value) } else { Some(&value[..]) } {
                state[index].insert(cursor.key().to_vec(), value.to_vec());
            }
            on_entry = cursor.next()?;
        }
    }
    Ok(state)
}
