//! Fresh runs against what their commits do to each key, one after the other.
//!
//! A run is asked what it makes of a key that has no value below it, and of one that has: [`Says`] is the twin, to which every
//! write is done at once. Parts are a few hundred bytes in tests, so tables of a few dozen entries have several.

use std::ops::Bound;

use super::fold::is_free;
use super::table::Part;
use super::*;
use crate::lsm::cursor::RawCursor;
use crate::lsm::ranges::KeyRange;

/// Appends operands.
#[derive(Debug)]
pub(crate) struct Append;

impl MergeOperator for Append {
    fn name(&self) -> &'static str {
        "append"
    }

    fn merge(&self, _: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        out.extend(operands.concat());
        Ok(())
    }
}

/// What the keys 0..[`KEYS`] have above nothing, and above a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Says(Vec<[Option<Vec<u8>>; 2]>);

pub(crate) const KEYS: usize = 400;

pub(crate) fn key(number: usize) -> Vec<u8> {
    format!("key {number:04}").into_bytes()
}

impl Default for Says {
    fn default() -> Self {
        Says(vec![[None, Some(b"below".to_vec())]; KEYS])
    }
}

impl Says {
    pub(crate) fn write(&mut self, number: usize, kind: EntryKind, value: &[u8]) {
        for have in &mut self.0[number] {
            match kind {
                EntryKind::Delete => *have = None,
                EntryKind::Merge => have.get_or_insert_default().extend_from_slice(value),
                EntryKind::Put | EntryKind::Refer => *have = Some(value.to_vec()),
            }
        }
    }

    pub(crate) fn hide(&mut self, numbers: std::ops::Range<usize>) {
        self.0[numbers].fill([None, None]);
    }

    /// What entries and range tombstones say.
    pub(crate) fn of(find: impl Fn(&[u8]) -> Option<(EntryKind, Bytes)>, ranges: &Ranges) -> Says {
        let mut says = Says::default();
        for number in 0..KEYS {
            if ranges.covers(&key(number)) {
                says.hide(number..number + 1);
            }
            if let Some((kind, value)) = find(&key(number)) {
                says.write(number, kind, &value);
            }
        }
        says
    }
}

pub(crate) fn range(numbers: &std::ops::Range<usize>) -> KeyRange {
    let (lower, upper) = (key(numbers.start), key(numbers.end));
    KeyRange::between(Bound::Included(&lower), Bound::Excluded(&upper)).expect("it has keys")
}

/// Walks all of a cursor both ways; gives its entries.
pub(crate) fn walk(cursor: &mut dyn RawCursor) -> Vec<(Vec<u8>, EntryKind, Bytes)> {
    let here = |cursor: &dyn RawCursor| {
        (cursor.key().to_vec(), cursor.kind(), cursor.value().expect("it is in memory"))
    };
    assert!(!cursor.valid(), "a fresh cursor stands nowhere");
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    cursor.first().unwrap();
    while cursor.valid() {
        forward.push(here(cursor));
        cursor.next().unwrap();
    }
    cursor.next().unwrap();
    assert!(!cursor.valid() && cursor.key().is_empty());
    cursor.last().unwrap();
    while cursor.valid() {
        backward.push(here(cursor));
        cursor.prev().unwrap();
    }
    for (index, (key, ..)) in forward.iter().enumerate() {
        cursor.seek_ge(key).unwrap();
        assert_eq!(cursor.key(), key);
        cursor.seek_ge(&[key, &b"+"[..]].concat()).unwrap();
        let next = forward.get(index + 1).map(|(key, ..)| &key[..]).unwrap_or_default();
        assert_eq!(cursor.key(), next);
    }
    backward.reverse();
    assert_eq!(forward, backward);
    forward
}

/// Form of a table: its parts, what it counts, and its bytes in the log.
fn check(table: &Arc<FreshTable>) {
    let entries = walk(&mut PartsCursor::new(Arc::clone(table)));
    assert!(entries.is_sorted_by(|left, right| left.0 < right.0), "keys ascend");
    assert_eq!(entries.len(), table.entries());
    let bytes: Vec<u8> = table.parts.iter().flat_map(|part| part.bytes.to_vec()).collect();
    assert_eq!(bytes.len(), table.bytes());
    let decoded = FreshTable::decode(&Bytes::from(bytes), entries.len(), Ranges::default());
    let decoded = PartsCursor::new(Arc::new(decoded.unwrap()));
    assert_eq!(walk(&mut { decoded }), entries);
    assert!(table.parts.iter().all(|part| !part.bytes.is_empty()));
    let small = |pair: &[Arc<Part>]| pair.iter().all(|part| part.bytes.len() < 100);
    assert!(!table.parts.windows(2).any(small), "small neighbours are one part");
    for (key, kind, value) in entries {
        assert!(
            !(table.ranges.covers(&key) && matches!(kind, EntryKind::Delete | EntryKind::Merge))
        );
        let place = table.find(&key).expect("it was walked over");
        assert_eq!(table.value(place), value);
    }
}

/// A table of random entries of the keys from..to, of which one in `one_in` is there.
fn random_table(
    rng: &mut fastrand::Rng,
    numbers: std::ops::Range<usize>,
    one_in: usize,
    plain: bool,
    says: &mut Says,
) -> Arc<FreshTable> {
    let mut ranges = Ranges::default();
    if !plain && rng.u32(0..3) == 0 {
        let lower = rng.usize(0..KEYS - 1);
        let hidden = lower..rng.usize(lower + 1..KEYS);
        ranges.insert(range(&hidden));
        says.hide(hidden);
    }
    let mut builder = FreshTableBuilder::new(Arc::new(ranges.clone()));
    for number in numbers {
        if rng.usize(0..one_in) > 0 {
            continue;
        }
        let value = vec![rng.u8(b'a'..=b'z'); rng.usize(0..30)];
        let kind = match rng.u32(0..6) {
            _ if ranges.covers(&key(number)) => EntryKind::Put,
            0 => EntryKind::Delete,
            1 => EntryKind::Merge,
            _ => EntryKind::Put,
        };
        let value = if kind == EntryKind::Delete { Vec::new() } else { value };
        says.write(number, kind, &value);
        builder.add(&key(number), kind, &value);
        assert_eq!(builder.last_key(), Some(&key(number)[..]));
    }
    let added = walk(&mut PartsCursor::new(&builder));
    let table = Arc::new(builder.finish());
    assert_eq!(walk(&mut PartsCursor::new(Arc::clone(&table))), added);
    table
}

/// Neighbours fold in any order, whether their keys ascend, lie apart, touch at their ends, or mix.
#[test]
fn folded_tables_say_what_their_commits_do_one_after_the_other() {
    let (mut free, mut shared, mut mixed) = (0, 0, 0);
    for seed in 0..1500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plain = rng.bool();
        let shape = rng.u32(0..4);
        let count = rng.usize(2..7);
        let width = KEYS / count;
        let mut says = Says::default();
        let mut tables: Vec<Arc<FreshTable>> = Vec::new();
        for index in 0..count {
            let (from, to) = match shape {
                0 => (index * width, (index + 1) * width),
                1 => ((count - 1 - index) * width, (count - index) * width),
                2 => (index * width, ((index + 1) * width + 3).min(KEYS)),
                _ => (0, KEYS),
            };
            let one_in = rng.usize(1..20);
            tables.push(random_table(&mut rng, from..to, one_in, plain, &mut says));
        }
        while tables.len() > 1 {
            let at = rng.usize(0..tables.len() - 1);
            let (older, newer) = (&tables[at], &tables[at + 1]);
            let folded = Arc::new(fold::fold_tables(older, newer, Some(&Append)).unwrap());
            check(&folded);
            let parts = older.parts.iter().chain(&newer.parts);
            let is_shared = |part: &&Arc<Part>| folded.parts.iter().any(|p| Arc::ptr_eq(p, part));
            let (large, count) = (parts.clone().filter(|p| p.bytes.len() >= 100), parts.count());
            if is_free(older, newer) {
                free += usize::from(count > 1);
                assert!(
                    large.clone().all(|part| is_shared(&part)),
                    "what lies apart is not copied"
                );
            } else {
                mixed += 1;
                shared += usize::from(large.filter(is_shared).count() > 0);
            }
            tables.splice(at..at + 2, [folded]);
        }
        let table = &tables[0];
        let find = |key: &[u8]| {
            let place = table.find(key)?;
            table.entry(place).map(|(_, kind, _)| (kind, table.value(place)))
        };
        assert_eq!(Says::of(find, &table.ranges), says, "seed {seed}");
    }
    assert!(free > 500 && shared > 100 && mixed > 500, "{free} {shared} {mixed}");
}

#[test]
fn a_run_comes_back_from_the_log_whatever_its_parts() {
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..50 {
        let mut builders = BTreeMap::new();
        for id in 0..rng.u32(0..4) {
            let mut builder = FreshTableBuilder::default();
            for number in 0..rng.usize(0..100) {
                builder.add(&key(number), EntryKind::Put, &vec![7; rng.usize(0..50)]);
            }
            builders.insert(KeyspaceId(id), builder);
        }
        let run = FreshRun::new(CommitNo(3), Vec::new(), Vec::new(), builders);
        let pieces: Vec<u8> = run.encode().iter().flat_map(|piece| piece.to_vec()).collect();
        let decoded = FreshRun::decode(&Bytes::from(pieces)).unwrap();
        assert_eq!(decoded.commits, run.commits);
        assert!(decoded.keyspaces().eq(run.keyspaces()));
        for id in run.keyspaces() {
            let of = |run: &FreshRun| walk(&mut *run.source(id).unwrap().cursor);
            assert_eq!(of(&decoded), of(&run));
            assert_eq!(decoded.entries(id), run.entries(id));
            assert!(decoded.keys(id).eq(run.keys(id)));
        }
        assert_eq!(decoded.table_bytes(), run.table_bytes());
        let pieces: usize = run.pieces().map(|(_, bytes)| bytes).sum();
        assert_eq!(pieces, run.memory_bytes());
    }
}
