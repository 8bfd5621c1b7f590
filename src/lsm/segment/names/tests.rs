//! Names of segments against a sorted set, against lists that disagree with their entries, and against damage. Segments are those of the
//! tests of segments, in a file of their own each, with blocks so small that few groups fill enough of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::super::footer::FOOTER_BYTES;
use super::super::tests::{COMMITS, COMPRESSIONS, TINY, lease, segment};
use super::super::{SegmentLayout, SegmentSummary, SegmentWriter};
use super::*;
use crate::lsm::cache::BlockCache;
use crate::lsm::cipher::tests::ToyCipher;
use crate::lsm::cursor::RawCursor;
use crate::lsm::ids::{Extent, KeyspaceId, pages_for};
use crate::lsm::ranges::KeyRange;
use crate::lsm::segment::KeyHash;
use crate::lsm::storage::{SimulatedStorage, Storage};

/// The keys of each group, by its name: one of the beginnings up to a zero byte.
type Groups = BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>;

fn random_groups(rng: &mut fastrand::Rng, groups: usize) -> Groups {
    let name = |rng: &mut fastrand::Rng| {
        let mut name: Vec<u8> = (0..rng.usize(..6)).map(|_| rng.u8(b'a'..b'e')).collect();
        name.push(0);
        name
    };
    let keys = |rng: &mut fastrand::Rng, name: &[u8]| {
        (0..rng.u8(1..4)).map(|_| [name, &[rng.u8(..9)]].concat()).collect()
    };
    let mut random = || {
        let name = name(rng);
        let keys = keys(rng, &name);
        (name, keys)
    };
    (0..groups).map(|_| random()).collect()
}

/// A segment of these groups, which lists `names` of its own if it is given some.
fn write(
    groups: &Groups,
    names: Option<&BTreeSet<Vec<u8>>>,
    layout: &SegmentLayout,
) -> (Vec<u8>, SegmentSummary) {
    let mut writer = SegmentWriter::new(SegmentId(7), KeyspaceId(2), layout);
    for name in names.into_iter().flatten() {
        writer.add_name(name);
    }
    for (name, keys) in groups {
        if names.is_none() {
            writer.add_name(name);
        }
        for key in keys {
            writer.add(key, EntryKind::Put, &[7; 9]).unwrap();
        }
    }
    writer.add_range(KeyRange::of_prefix(b"b"));
    let bytes = writer.bytes();
    let (stream, summary) = writer.finish(COMMITS).unwrap();
    assert!(bytes <= stream.len() as u64 + 1000);
    (stream, summary)
}

fn listed(segment: &Arc<Segment>) -> Result<Vec<Vec<u8>>> {
    let mut cursor = segment.naming_cursor();
    let mut names = Vec::new();
    cursor.first()?;
    while cursor.valid() {
        names.push(cursor.key().to_vec());
        cursor.next()?;
    }
    Ok(names)
}

/// Where names and the index over them stand.
fn places(segment: &Segment) -> Range<usize> {
    let parts = segment.parts().unwrap();
    let place = |offset: u64| usize::try_from(offset).unwrap();
    place(parts.body_end())..place(parts.ranges_offset())
}

#[test]
fn cursors_over_names_are_those_of_a_sorted_set() {
    let mut rng = fastrand::Rng::with_seed(1);
    for round in 0..30 {
        let compression = COMPRESSIONS[round % COMPRESSIONS.len()];
        let layout = SegmentLayout { compression, filter_bits_per_key: 4, ..TINY };
        let groups = random_groups(&mut rng, 1 + round * 10);
        let (stream, summary) = write(&groups, None, &layout);
        let segment = segment(&stream, &summary);
        let counts = segment.verify().unwrap();
        let is_listed = counts.leaf_blocks >= NAMED_LEAF_BLOCKS_MIN;
        assert_eq!(
            (segment.lists_names().unwrap(), !counts.names.is_empty()),
            (is_listed, is_listed)
        );
        let version = stream[stream.len() - usize::try_from(FOOTER_BYTES).unwrap() + 8];
        assert_eq!(version, if is_listed { 2 } else { 1 });
        if !is_listed {
            let keys: Vec<_> = groups.values().flatten().cloned().collect();
            assert_eq!(listed(&segment).unwrap(), keys, "entries stand in for names");
            continue;
        }
        let names: Vec<_> = groups.keys().cloned().collect();
        assert_eq!(listed(&segment).unwrap(), names);
        assert_eq!(counts.names.names, names.len() as u64);
        let mut cursor = segment.naming_cursor();
        for _ in 0..50 {
            let sought: Vec<u8> = (0..rng.usize(..5)).map(|_| rng.u8(b'`'..b'f')).collect();
            let at = names.partition_point(|name| *name < sought);
            cursor.seek_ge(&sought).unwrap();
            for name in names.iter().skip(at).take(3) {
                assert_eq!(cursor.key(), name);
                cursor.next().unwrap();
            }
            cursor.seek_le(&sought).unwrap();
            let before = names.iter().rev().find(|name| **name <= sought);
            assert_eq!(cursor.valid().then(|| cursor.key()), before.map(Vec::as_slice));
        }
        for key in groups.values().flatten() {
            assert!(segment.get(key, KeyHash::of(key)).unwrap().is_some());
        }
    }
}

#[test]
fn a_list_that_disagrees_with_the_entries_is_found() {
    let mut rng = fastrand::Rng::with_seed(2);
    let groups = random_groups(&mut rng, 200);
    let names: BTreeSet<_> = groups.keys().cloned().collect();
    let verify = |names: &BTreeSet<Vec<u8>>| {
        let (stream, summary) = write(&groups, Some(names), &TINY);
        segment(&stream, &summary).verify()
    };
    verify(&names).unwrap();
    for name in &names {
        let mut missing = names.clone();
        missing.remove(name);
        let error = verify(&missing).unwrap_err();
        assert!(error.is_corruption() && error.to_string().contains("has no name"), "{error}");
    }
    for _ in 0..100 {
        let mut more = names.clone();
        let mut other = rng.choice(&names).unwrap().clone();
        other.insert(rng.usize(..other.len()), rng.u8(b'`'..b'f'));
        if more.insert(other) {
            let error = verify(&more).unwrap_err();
            assert!(error.is_corruption() && error.to_string().contains("no entry"), "{error}");
        }
    }
}

#[test]
fn damage_of_names_is_an_error_of_whoever_reads_them_and_of_nobody_else() {
    let groups = random_groups(&mut fastrand::Rng::with_seed(3), 60);
    let (stream, summary) = write(&groups, None, &TINY);
    let whole = segment(&stream, &summary);
    let names = listed(&whole).unwrap();
    for byte in places(&whole) {
        let mut damaged = stream.clone();
        damaged[byte] ^= 1 << (byte % 8);
        let segment = segment(&damaged, &summary);
        assert!(segment.verify().unwrap_err().is_corruption(), "{byte}");
        assert!(listed(&segment).unwrap_err().is_corruption(), "{byte}");
        for sought in names.iter().step_by(5) {
            let mut cursor = segment.naming_cursor();
            match cursor.seek_ge(sought) {
                Ok(()) => assert_eq!(cursor.key(), sought),
                Err(error) => assert!(error.is_corruption()),
            }
        }
        let (name, keys) = groups.first_key_value().unwrap();
        let mut cursor = segment.cursor();
        cursor.seek_ge(name).unwrap();
        assert_eq!(Some(cursor.key()), keys.first().map(Vec::as_slice));
        assert!(segment.anatomy().is_ok(), "leaves are found beside damaged names");
    }
}

/// What another key has sealed, put in the place of what ours did.
#[test]
fn names_are_proved_by_the_cipher() {
    let groups = random_groups(&mut fastrand::Rng::with_seed(4), 60);
    let sealer = |key| Sealer::new(Arc::new(ToyCipher::new(key)), [3; 16]);
    let layout = |key| SegmentLayout { sealer: sealer(key), ..TINY };
    let (stream, summary) = write(&groups, None, &layout(1));
    let (others, _) = write(&groups, None, &layout(2));
    let read = |stream: &[u8]| {
        let storage = SimulatedStorage::new(1);
        let extent = Extent { start: 0, pages: pages_for(summary.bytes) };
        storage.write_at(0, stream).unwrap();
        storage.set_len(extent.bytes()).unwrap();
        let cache = Arc::new(BlockCache::new(64 << 10));
        let (storage, lease) = (Arc::new(storage), lease(extent));
        Arc::new(Segment::new(storage, cache, sealer(1), summary.clone(), lease, true))
    };
    let ours = read(&stream);
    ours.verify().unwrap();
    assert!(listed(&ours).unwrap().into_iter().eq(groups.into_keys()));
    for block in ours.anatomy().unwrap().names {
        let place = |offset: u64| usize::try_from(offset).unwrap();
        let range = place(block.offset)..place(block.offset + block.bytes);
        let mut forged = stream.clone();
        forged[range.clone()].copy_from_slice(&others[range]);
        assert!(read(&forged).verify().unwrap_err().is_corruption());
        assert!(listed(&read(&forged)).unwrap_err().is_corruption());
    }
}
