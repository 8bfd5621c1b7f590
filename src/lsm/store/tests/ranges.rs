//! Deleted ranges in the whole store: against a map that is asked key by key, and by how little is read.
//!
//! The model, crash, error and damage tests pass through ranges too; here the keys are the awkward ones (the empty key,
//! prefixes of each other, 0xFF), every key is asked for after every transaction, and the device counts the reads.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{open, tiny_options};
use crate::lsm::ranges::tests::{is_between, random_bound, random_key};
use crate::lsm::{
    CompactionReport, Durability, KeyspaceId, Options, Reader, Result, Seek, SimulatedStorage,
    Store,
};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(|key| &key[..])
}

/// One transaction of a few writes to `id`, whose merge operator appends.
fn transact(store: &Store, id: KeyspaceId, map: &mut Map, rng: &mut fastrand::Rng) -> Result<()> {
    let mut transaction = store.begin()?;
    for _ in 0..rng.u32(1..8) {
        let key = random_key(rng);
        let value = vec![rng.u8(b'a'..=b'z'); rng.usize(1..40)];
        match rng.u32(0..8) {
            0..2 => {
                transaction.put(id, &key, value.clone())?;
                map.insert(key, value);
            }
            2..5 => {
                transaction.merge(id, &key, value.clone())?;
                map.entry(key).or_default().extend(value);
            }
            5 => {
                transaction.delete(id, &key)?;
                map.remove(&key);
            }
            6 => {
                transaction.delete_prefix(id, &key)?;
                map.retain(|have, _| !have.starts_with(&key));
            }
            _ => {
                let (lower, upper) = (random_bound(rng), random_bound(rng));
                transaction.delete_range(id, slice(&lower), slice(&upper))?;
                map.retain(|have, _| !is_between(have, &lower, &upper));
            }
        }
        if rng.u32(0..6) == 0 {
            compare(&transaction, id, map, rng)?;
        }
    }
    transaction.commit(Durability::Buffered).map(|_| ())
}

/// Every answer that a reader gives about single keys, and walks between random bounds.
fn compare(reader: &dyn Reader, id: KeyspaceId, map: &Map, rng: &mut fastrand::Rng) -> Result<()> {
    let (lower, upper) = (random_bound(rng), random_bound(rng));
    let expected: Vec<(&Vec<u8>, &Vec<u8>)> =
        map.iter().filter(|(key, _)| is_between(key, &lower, &upper)).collect();
    let mut cursor = reader.cursor(id)?.bounded(lower.clone(), upper.clone());
    let mut on_entry = cursor.first()?;
    for (key, value) in &expected {
        assert!(on_entry && cursor.key() == &key[..] && cursor.value()? == value[..]);
        on_entry = cursor.next()?;
    }
    assert!(!on_entry, "forwards");
    on_entry = cursor.last()?;
    for (key, value) in expected.iter().rev() {
        assert!(on_entry && cursor.key() == &key[..] && cursor.value()? == value[..]);
        on_entry = cursor.prev()?;
    }
    assert!(!on_entry, "backwards");
    for _ in 0..20 {
        let key = random_key(rng);
        assert_eq!(reader.get(id, &key)?.as_deref(), map.get(&key).map(|value| &value[..]));
        let at = expected.partition_point(|(have, _)| **have < key);
        let is_there = expected.get(at).is_some_and(|(have, _)| **have == key);
        let (how, mut place) = match rng.u32(0..3) {
            0 => (Seek::Eq, is_there.then_some(at)),
            1 => (Seek::Ge, (at < expected.len()).then_some(at)),
            _ => (Seek::Le, if is_there { Some(at) } else { at.checked_sub(1) }),
        };
        let mut on_entry = cursor.seek(&key, how)?;
        for _ in 0..3 {
            assert_eq!(on_entry.then(|| cursor.key()), place.map(|place| &expected[place].0[..]));
            let forward = rng.bool();
            on_entry = if forward { cursor.next()? } else { cursor.prev()? };
            place = place
                .and_then(|place| if forward { Some(place + 1) } else { place.checked_sub(1) });
            place = place.filter(|&place| place < expected.len());
        }
    }
    walk_some(reader, id, map, rng)
}

/// Walks that end behind some entries or before a key, go on with another step, and walk on.
fn walk_some(
    reader: &dyn Reader,
    id: KeyspaceId,
    map: &Map,
    rng: &mut fastrand::Rng,
) -> Result<()> {
    for is_bounded in [false, true] {
        let mut cursor = reader.cursor(id)?;
        if is_bounded {
            cursor = cursor.bounded(Bound::Unbounded, Bound::Unbounded).prefix(&[]);
        }
        let from = random_key(rng);
        cursor.seek(&from, Seek::Ge)?;
        let mut expected = map.keys().filter(|key| **key >= from).peekable();
        while expected.peek().is_some() {
            let upper = Some(random_key(rng)).filter(|_| rng.bool());
            let most = rng.usize(0..9);
            let mut keys = Vec::new();
            let walked = cursor.walk(upper.as_deref(), most, &mut |key| {
                keys.push(key.to_vec());
                Ok(())
            })?;
            assert!(keys.len() <= walked && walked <= most);
            for key in &keys {
                assert_eq!(Some(key), expected.next());
            }
            let is_before = |key: &&&Vec<u8>| upper.as_ref().is_none_or(|upper| **key < upper);
            assert!(walked == most || expected.peek().is_none_or(|key| !is_before(&key)));
            assert_eq!(cursor.valid().then(|| cursor.key()), expected.peek().map(|key| &key[..]));
            if rng.bool() && expected.next().is_some() {
                cursor.next()?;
            }
        }
        assert!(!cursor.valid() && cursor.walk(None, 5, &mut |_| Ok(()))? == 0);
    }
    Ok(())
}

#[test]
fn ranges_of_many_runs_equal_a_map_key_by_key() -> Result<()> {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let options = Options {
            memory_bytes: 1 << rng.u32(15..20),
            segment_bytes_target: 1 << rng.u32(5..11),
            level0_runs_max: rng.usize(1..4),
            level1_bytes_max: 1 << rng.u32(6..12),
            ..tiny_options()
        };
        let device = SimulatedStorage::new(seed);
        let mut store = open(device.clone(), options.clone())?;
        let id = store.snapshot().keyspace("merged").expect("created by open");
        let (mut map, mut kept) = (Map::new(), Vec::new());
        for _ in 0..60 {
            transact(&store, id, &mut map, &mut rng)?;
            match rng.u32(0..12) {
                0..3 => store.flush()?,
                3 => store.compact()?,
                4 => kept.push((store.snapshot(), map.clone())),
                5 => {
                    kept.clear();
                    store.core.abandon();
                    drop(store);
                    store = Store::open(device.clone(), options.clone())?;
                }
                _ => {
                    for _ in 0..rng.u32(0..8) {
                        store.step()?;
                    }
                }
            }
            compare(&store.snapshot(), id, &map, &mut rng)?;
            if let Some((snapshot, map)) = kept.last() {
                compare(snapshot, id, map, &mut rng)?;
            }
        }
        store.check()?;
        store.compact()?;
        let report = store.check()?;
        assert_eq!((report.entries, report.ranges), (map.len() as u64, 0), "seed {seed}");
        compare(&store.snapshot(), id, &map, &mut rng)?;
    }
    Ok(())
}

const KEYS: u32 = 20_000;

/// A store with many small entries on disk, one run.
fn filled(device: &SimulatedStorage) -> Result<(Store, KeyspaceId)> {
    let options = Options {
        memory_bytes: 32 << 20,
        segment_bytes_target: 32 << 10,
        block_bytes: 1 << 10,
        ..tiny_options()
    };
    let store = open(device.clone(), options)?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut transaction = store.begin()?;
    for number in 0..KEYS {
        transaction.put(id, &number.to_be_bytes(), "some value")?;
    }
    transaction.commit(Durability::Buffered)?;
    store.compact()?;
    Ok((store, id))
}

/// Number and bytes of all segments.
fn segments(store: &Store) -> (usize, u64) {
    let stats = store.stats();
    let levels = stats.keyspaces.iter().flat_map(|keyspace| &keyspace.levels);
    levels.fold((0, 0), |sum, level| (sum.0 + level.segments, sum.1 + level.bytes))
}

const FROM: [u8; 4] = 50_u32.to_be_bytes();
const TO: [u8; 4] = (KEYS - 50).to_be_bytes();

/// Steps over the hidden range in both directions and seeks into it; returns the reads of the device.
fn reads_over_the_range(
    reader: &dyn Reader,
    id: KeyspaceId,
    device: &SimulatedStorage,
) -> Result<u64> {
    let before = device.reads();
    let mut cursor = reader.cursor(id)?;
    assert!(cursor.seek(&49_u32.to_be_bytes(), Seek::Eq)?);
    assert!(cursor.next()? && cursor.key() == TO);
    assert!(cursor.prev()? && cursor.key() == 49_u32.to_be_bytes());
    assert!(cursor.seek(&(KEYS / 2).to_be_bytes(), Seek::Ge)? && cursor.key() == TO);
    assert!(cursor.seek(&(KEYS / 2).to_be_bytes(), Seek::Le)?);
    assert_eq!(cursor.key(), 49_u32.to_be_bytes());
    assert_eq!(reader.get(id, &(KEYS / 2).to_be_bytes())?, None);
    Ok(device.reads() - before)
}

#[test]
fn a_scan_over_a_hidden_range_reads_a_few_blocks_however_long_it_is() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let (store, id) = filled(&device)?;
    assert!(segments(&store).0 > 10);
    let mut transaction = store.begin()?;
    transaction.delete_range(id, Bound::Included(&FROM), Bound::Excluded(&TO))?;
    // The segments at both ends, each with footer, index and a leaf or two; and one in the middle for the seeks.
    let reads = reads_over_the_range(&transaction, id, &device)?;
    assert!(reads <= 16, "{reads} reads with a pending range");
    transaction.commit(Durability::Buffered)?;
    let reads = reads_over_the_range(&store.snapshot(), id, &device)?;
    assert!(reads <= 8, "{reads} reads with a fresh range");
    store.flush()?;
    let reads = reads_over_the_range(&store.snapshot(), id, &device)?;
    assert!(reads <= 12, "{reads} reads with a range on disk");
    Ok(())
}

#[test]
fn segments_that_a_range_hides_are_dropped_without_being_read() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let (store, id) = filled(&device)?;
    let (_, bytes) = segments(&store);
    let mut transaction = store.begin()?;
    transaction.delete_range(id, Bound::Included(&FROM), Bound::Excluded(&TO))?;
    transaction.commit(Durability::Buffered)?;
    store.flush()?;
    let before = device.reads();
    store.compact()?;
    let reads = device.reads() - before;
    let report = store.last_compaction().expect("it was just done");
    let CompactionReport { covered, segments_hidden, ranges_in, ranges_dropped, .. } = report;
    assert_eq!((covered, ranges_in, ranges_dropped), (u64::from(KEYS) - 100, 1, 1));
    // All but the two segments at the ends, whose blocks are read.
    assert!(segments_hidden >= 10 && reads < 100, "{segments_hidden} segments, {reads} reads");
    assert!(segments(&store).1 < bytes / 4, "what it held is gone");
    assert_eq!((store.check()?.entries, store.check()?.ranges), (100, 0));
    Ok(())
}

#[test]
fn a_range_that_does_not_fit_leaves_the_transaction_as_it_was() -> Result<()> {
    let options = Options { memory_bytes: 64 << 10, ..tiny_options() };
    let store = open(SimulatedStorage::new(1), options)?;
    let mut transaction = store.begin()?;
    let id = transaction.keyspace("plain").expect("created by open");
    transaction.put(id, b"key", "value")?;
    let bytes = transaction.bytes();
    let long = vec![1; 65_000];
    let refused =
        transaction.delete_range(id, Bound::Included(&long), Bound::Included(&vec![2; 65_000]));
    assert!(refused.is_err());
    assert_eq!(transaction.bytes(), bytes);
    assert_eq!(transaction.get(id, b"key")?.as_deref(), Some(&b"value"[..]));
    transaction.delete_range(id, Bound::Excluded(b"key"), Bound::Excluded(b"key"))?;
    transaction.delete_range(id, Bound::Included(b"z"), Bound::Included(b"a"))?;
    assert_eq!(transaction.bytes(), bytes, "ranges without keys are nothing");
    transaction.delete_range(id, Bound::Included(b"key"), Bound::Included(b"key"))?;
    assert_eq!(transaction.get(id, b"key")?, None);
    Ok(())
}
