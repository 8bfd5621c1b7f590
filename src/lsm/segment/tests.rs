//! Segments against a sorted map, against damage, and against the page that describes them.
//!
//! Random sets of entries with fixed seeds go through every layout: tiny and ordinary blocks, with and
//! without compression, with values in the blocks and in the value area.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::index::LeafHandle;
use super::*;
use crate::lsm::block::{BlockCursor, Compression, TRAILER_BYTES, seal};
use crate::lsm::cache::BlockCache;
use crate::lsm::cipher::Sealer;
use crate::lsm::cipher::tests::ToyCipher;
use crate::lsm::codec::ByteReader;
use crate::lsm::cursor::{EntryKind, RawCursor};
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{CommitNo, Extent, KEY_BYTES_MAX, KeyspaceId, SegmentId, pages_for};
use crate::lsm::ranges::{KeyEnd, KeyRange, Ranges};
use crate::lsm::space::{ExtentLease, Space};
use crate::lsm::storage::{MemoryStorage, SimulatedStorage, Storage};

type Value = (EntryKind, Vec<u8>);
type Model = BTreeMap<Vec<u8>, Value>;
type Entry = (Vec<u8>, Value);

const PAGE: &str = include_str!("../../../docs/format/segment.md");
pub(super) const COMMITS: (CommitNo, CommitNo) = (CommitNo(3), CommitNo(9));

pub(super) const COMPRESSIONS: &[Compression] = &[
    Compression::None,
    Compression::Lz4,
    #[cfg(feature = "zstd")]
    Compression::Zstd,
];

pub(super) const TINY: SegmentLayout = SegmentLayout {
    description: Bytes::from_static(b"mail"),
    block_bytes: 64,
    restart_interval: 4,
    compression: Compression::None,
    value_bytes_inline_max: 24,
    filter_bits_per_key: 0,
    sealer: Sealer::NONE,
};
const ORDINARY: SegmentLayout = SegmentLayout {
    description: Bytes::new(),
    block_bytes: 16 * 1024,
    restart_interval: 16,
    compression: Compression::Lz4,
    value_bytes_inline_max: 4096,
    filter_bits_per_key: 10,
    sealer: Sealer::NONE,
};

fn layouts() -> Vec<SegmentLayout> {
    let mut layouts = Vec::new();
    for layout in [TINY, ORDINARY] {
        for &compression in COMPRESSIONS {
            for value_bytes_inline_max in [0, layout.value_bytes_inline_max, u32::MAX] {
                let filter_bits_per_key = [0, 2, 10][layouts.len() % 3];
                layouts.push(SegmentLayout {
                    compression,
                    value_bytes_inline_max,
                    filter_bits_per_key,
                    ..layout.clone()
                });
            }
        }
    }
    layouts
}

/// The stream of a segment, taken in pieces as a caller would.
fn write(model: &Model, layout: &SegmentLayout) -> (Vec<u8>, SegmentSummary) {
    write_with(&Ranges::default(), model, layout)
}

fn write_with(ranges: &Ranges, model: &Model, layout: &SegmentLayout) -> (Vec<u8>, SegmentSummary) {
    let mut writer = SegmentWriter::new(SegmentId(7), KeyspaceId(2), layout);
    let mut stream = Vec::new();
    for range in ranges.iter() {
        writer.add_range(range);
    }
    for (at, (key, (kind, value))) in model.iter().enumerate() {
        writer.add(key, *kind, value).unwrap();
        assert!(writer.bytes() >= (stream.len() + writer.output().len()) as u64);
        if at % 7 == 3 {
            let left = at % 5 * writer.output().len() / 4;
            let taken = writer.output().len() - left;
            stream.extend(&writer.output()[..taken]);
            writer.take_output(taken);
            assert_eq!(writer.output().len(), left);
        }
    }
    let (rest, summary) = writer.finish(COMMITS).unwrap();
    stream.extend(rest);
    assert_eq!(stream.len() as u64, summary.bytes);
    (stream, summary)
}

/// A segment whose extent starts at page 2 of a storage that is no page too long.
pub(super) fn segment(stream: &[u8], summary: &SegmentSummary) -> Arc<Segment> {
    segment_that_reads(stream, summary, false)
}

/// Such a segment, which is read in place where it is not compressed if so asked.
fn segment_that_reads(stream: &[u8], summary: &SegmentSummary, in_place: bool) -> Arc<Segment> {
    let storage = SimulatedStorage::new(1);
    let extent = Extent { start: 2, pages: pages_for(summary.bytes) };
    storage.write_at(extent.offset(), stream).unwrap();
    storage.set_len(extent.offset() + extent.bytes()).unwrap();
    let cache = Arc::new(BlockCache::new(64 << 10));
    Arc::new(Segment::new(
        Arc::new(storage),
        cache,
        Sealer::NONE,
        summary.clone(),
        lease(extent),
        in_place,
    ))
}

/// The pages of `extent` in a file of their own.
pub(super) fn lease(extent: Extent) -> ExtentLease {
    Space::new(&[], extent.end(), 1).adopt(extent).unwrap()
}

fn get(segment: &Segment, key: &[u8]) -> Result<Option<(EntryKind, Bytes)>> {
    segment.get(key, KeyHash::of(key))
}

fn entry(cursor: &SegmentCursor) -> Option<Entry> {
    if !cursor.valid() {
        assert!(cursor.key().is_empty());
        return None;
    }
    Some((cursor.key().to_vec(), (cursor.kind(), cursor.value().unwrap().to_vec())))
}

fn owned(found: Option<(&Vec<u8>, &Value)>) -> Option<Entry> {
    found.map(|(key, value)| (key.clone(), value.clone()))
}

fn random_key(rng: &mut fastrand::Rng) -> Vec<u8> {
    let alphabet = [0, 1, b'a', b'b', 254, 255];
    let len = match rng.u32(0..40) {
        0 => KEY_BYTES_MAX,
        1 => rng.usize(0..KEY_BYTES_MAX),
        2 => 0,
        _ => rng.usize(0..20),
    };
    let byte = rng.u8(..);
    let tail = len.min(12);
    let tail = (0..tail).map(|_| alphabet[rng.usize(0..alphabet.len())]).collect::<Vec<_>>();
    [vec![byte % 3; len - tail.len()], tail].concat()
}

fn random_model(rng: &mut fastrand::Rng, len: usize, value_bytes_max: usize) -> Model {
    let entry = |rng: &mut fastrand::Rng| {
        let kind = [EntryKind::Put, EntryKind::Put, EntryKind::Merge, EntryKind::Delete];
        let kind = kind[rng.usize(0..4)];
        let len = match (kind, rng.u32(0..20)) {
            (EntryKind::Delete, _) => 0,
            (_, 0) => rng.usize(0..=value_bytes_max),
            _ => rng.usize(0..60),
        };
        let byte = rng.u8(..);
        let noisy = rng.bool();
        let value = (0..len).map(|_| if noisy { rng.u8(..) } else { byte }).collect();
        (random_key(rng), (kind, value))
    };
    (0..len).map(|_| entry(rng)).collect()
}

fn compare(model: &Model, segment: &Arc<Segment>, rng: &mut fastrand::Rng) {
    let counts = segment.verify().unwrap();
    assert_eq!(counts.entries, model.len() as u64);
    let raw_bytes = model.iter().map(|(key, (_, value))| key.len() + value.len()).sum::<usize>();
    assert_eq!(counts.raw_bytes, raw_bytes as u64);

    let mut cursor = segment.cursor();
    cursor.next().unwrap();
    cursor.prev().unwrap();
    assert_eq!(entry(&cursor), None);
    cursor.first().unwrap();
    for expected in model {
        assert_eq!(entry(&cursor), owned(Some(expected)));
        cursor.next().unwrap();
    }
    assert_eq!(entry(&cursor), None);
    cursor.prev().unwrap();
    assert_eq!(entry(&cursor), None);
    cursor.last().unwrap();
    for expected in model.iter().rev() {
        assert_eq!(entry(&cursor), owned(Some(expected)));
        cursor.prev().unwrap();
    }
    assert_eq!(entry(&cursor), None);

    let keys: Vec<&Vec<u8>> = model.keys().collect();
    for _ in 0..200 {
        let key = if rng.bool() {
            random_key(rng)
        } else {
            let mut key = keys[rng.usize(0..keys.len())].clone();
            match rng.u32(0..3) {
                0 => key.push(0),
                1 => drop(key.pop()),
                _ => {}
            }
            key
        };
        let found = get(segment, &key).unwrap().map(|(kind, value)| (kind, value.to_vec()));
        assert_eq!(found.as_ref(), model.get(&key));
        cursor.seek_ge(&key).unwrap();
        assert_eq!(entry(&cursor), owned(model.range(key.clone()..).next()));
        if cursor.valid() && rng.bool() {
            cursor.prev().unwrap();
            assert_eq!(entry(&cursor), owned(model.range(..key.clone()).next_back()));
        }
        cursor.seek_le(&key).unwrap();
        assert_eq!(entry(&cursor), owned(model.range(..=key.clone()).next_back()));
        if cursor.valid() {
            cursor.next().unwrap();
            let behind = (Bound::Excluded(key), Bound::Unbounded);
            assert_eq!(entry(&cursor), owned(model.range(behind).next()));
        }
    }
}

#[test]
fn a_segment_is_the_map_it_was_made_of() {
    let mut rng = fastrand::Rng::with_seed(21);
    for layout in layouts() {
        for len in [1, 2, 30, 300] {
            let model = random_model(&mut rng, len, 300 * 1024);
            let (stream, summary) = write(&model, &layout);
            compare(&model, &segment(&stream, &summary), &mut rng);
            compare(&model, &segment_that_reads(&stream, &summary, true), &mut rng);
        }
    }
}

fn random_ranges(rng: &mut fastrand::Rng, len: usize) -> Ranges {
    let mut ranges = Ranges::default();
    for _ in 0..len {
        let (left, right) = (random_key(rng), random_key(rng));
        let (lower, upper) = (left.clone().min(right.clone()), left.max(right));
        let upper =
            if rng.u32(0..20) == 0 { Bound::Unbounded } else { Bound::Excluded(&upper[..]) };
        let range = KeyRange::between(Bound::Included(&lower), upper);
        ranges.extend(range);
    }
    ranges
}

#[test]
fn range_tombstones_come_back_beside_the_entries_and_without_any() {
    let mut rng = fastrand::Rng::with_seed(24);
    for case in 0..200 {
        let entries = if case % 4 == 0 { 0 } else { rng.usize(1..40) };
        let mut model = random_model(&mut rng, entries, 500);
        let ranges = random_ranges(&mut rng, 4);
        if model.is_empty() && ranges.is_empty() {
            model.insert(Vec::new(), (EntryKind::Delete, Vec::new()));
        }
        let (stream, summary) = write_with(&ranges, &model, &TINY);
        let segment = segment(&stream, &summary);
        assert_eq!(segment.verify().unwrap().ranges, ranges.len());
        assert_eq!(segment.ranges().unwrap().cloned().unwrap_or_default(), ranges);
        for _ in 0..50 {
            let key = random_key(&mut rng);
            let covered = ranges.covers(&key);
            assert_eq!(segment.hides(&key).unwrap(), covered);
            assert!(!(covered || model.contains_key(&key)) || summary.spans(&key));
        }
        if model.is_empty() {
            let mut cursor = segment.cursor();
            cursor.first().unwrap();
            cursor.last().unwrap();
            cursor.seek_ge(b"").unwrap();
            assert_eq!(entry(&cursor), None);
            assert_eq!(get(&segment, b"k").unwrap(), None);
        } else {
            compare(&model, &segment, &mut rng);
        }
    }
}

#[test]
fn every_flipped_bit_of_range_tombstones_is_found() {
    let mut rng = fastrand::Rng::with_seed(25);
    let mut ranges = Ranges::default();
    for lower in [&b"a"[..], b"k", b"x"] {
        let upper = [lower, b"9"].concat();
        let range = KeyRange::between(Bound::Included(lower), Bound::Excluded(&upper));
        ranges.insert(range.expect("it has keys"));
    }
    for entries in [0, 5] {
        let model = (0..entries).map(|number| {
            let value = vec![number; usize::from(number)];
            (vec![b'k', number], (EntryKind::Put, value))
        });
        let model: Model = model.collect();
        let (stream, summary) = write_with(&ranges, &model, &TINY);
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let segment = segment(&damaged, &summary);
            assert!(segment.verify().unwrap_err().is_corruption(), "no byte is padding");
            let _ = segment.hides(&random_key(&mut rng));
            let _ = read_all(&segment);
        }
    }
}

#[test]
fn an_entry_longer_than_a_block_stands_alone() {
    let mut model = Model::new();
    for key in [&b"a"[..], b"b", b"c"] {
        model.insert(key.to_vec(), (EntryKind::Put, vec![1; 500]));
    }
    let layout = SegmentLayout { value_bytes_inline_max: 1000, ..TINY };
    let (stream, summary) = write(&model, &layout);
    assert_eq!(segment(&stream, &summary).verify().unwrap().leaf_blocks, 3);
}

#[test]
fn values_of_the_value_area_are_aligned_and_contiguous() {
    let mut model = Model::new();
    for key in 0..10_u8 {
        let value: Vec<u8> = (0..100 + key).map(|byte| byte ^ key).collect();
        model.insert(vec![key], (EntryKind::Put, value));
    }
    let (stream, summary) = write(&model, &TINY);
    let values = model.values().map(|(_, value)| value);
    for value in values {
        let mut aligned = stream.chunks(64).enumerate();
        assert!(aligned.any(|(at, _)| stream[at * 64..].starts_with(value)));
    }
    let counts = segment(&stream, &summary).verify().unwrap();
    assert_eq!((counts.external_values, counts.external_bytes), (10, 1045));
}

#[test]
fn a_copied_segment_reads_the_same_elsewhere() {
    let mut rng = fastrand::Rng::with_seed(22);
    let model = random_model(&mut rng, 100, 5000);
    let (stream, summary) = write(&model, &TINY);
    let storage = MemoryStorage::default();
    let extent = Extent { start: 77, pages: pages_for(summary.bytes) + 3 };
    storage.write_at(extent.offset(), &stream).unwrap();
    let cache = Arc::new(BlockCache::new(0));
    compare(
        &model,
        &Arc::new(Segment::new(
            Arc::new(storage),
            cache,
            Sealer::NONE,
            summary,
            lease(extent),
            true,
        )),
        &mut rng,
    );
}

/// Everything that the segment says, or the first error.
fn read_all(segment: &Arc<Segment>) -> Result<Vec<(Vec<u8>, EntryKind, Bytes)>> {
    let mut found = Vec::new();
    let mut cursor = segment.cursor();
    cursor.first()?;
    while cursor.valid() {
        let (kind, value) = (cursor.kind(), cursor.value()?);
        let got = get(segment, cursor.key())?;
        found.push((cursor.key().to_vec(), kind, value.clone()));
        if got != Some((kind, value)) {
            return Err(Error::corruption("a get and a cursor differ", 0));
        }
        cursor.next()?;
    }
    Ok(found)
}

#[test]
fn every_flipped_bit_gives_an_error_or_the_same_content() {
    for &compression in COMPRESSIONS {
        let mut model = Model::new();
        for number in 0..12_u8 {
            let key = format!("river {number:02}").into_bytes();
            let kinds = [EntryKind::Put, EntryKind::Merge, EntryKind::Delete];
            let kind = kinds[usize::from(number) % 3];
            let len = if kind == EntryKind::Delete { 0 } else { usize::from(number) * 6 };
            model.insert(key, (kind, vec![number; len]));
        }
        let (stream, summary) =
            write(&model, &SegmentLayout { compression, filter_bits_per_key: 10, ..TINY });
        let intact = read_all(&segment(&stream, &summary)).unwrap();
        assert_eq!(intact.len(), model.len());
        let mut harmless = 0;
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let segment = segment_that_reads(&damaged, &summary, bit % 2 == 0);
            match (read_all(&segment), segment.verify()) {
                (Err(read), Err(verified)) => {
                    assert!(read.is_corruption() && verified.is_corruption());
                    assert!(read.to_string().contains("segment 7, pages 2..3"), "{read}");
                }
                (Ok(found), Ok(_)) => {
                    assert_eq!(found, intact);
                    harmless += 1;
                }
                (read, verified) => panic!("bit {bit}: {read:?} but {verified:?}"),
            }
        }
        assert!(harmless < stream.len() * 8 / 4, "only padding is not covered: {harmless}");
    }
}

#[test]
fn forged_leaves_with_right_checksums_never_panic_a_reader() {
    let mut rng = fastrand::Rng::with_seed(23);
    let mut model = Model::new();
    for number in 0..20_u8 {
        let len = usize::from(number) * 2;
        model.insert(vec![b'k', number], (EntryKind::Put, vec![number; len]));
    }
    let layout = SegmentLayout { block_bytes: 200, ..TINY };
    let (stream, summary) = write(&model, &layout);
    let mut index = BlockCursor::new(segment(&stream, &summary).index().unwrap().into_owned());
    let mut leaves = Vec::new();
    index.first().unwrap();
    while index.valid() {
        leaves.push(LeafHandle::at(&index).unwrap());
        index.next().unwrap();
    }
    let (mut failed_reads, mut failed_checks) = (0, 0);
    for _ in 0..2000 {
        let leaf = leaves[rng.usize(0..leaves.len())];
        let start = usize::try_from(leaf.offset).unwrap();
        let end = start + usize::try_from(leaf.bytes).unwrap();
        let mut raw = stream[start..end - TRAILER_BYTES].to_vec();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(0..raw.len());
            raw[at] ^= 1 << rng.u32(0..8);
        }
        let mut sealed = Vec::new();
        seal(&Sealer::NONE, &raw, Compression::None, summary.id, leaf.offset, &mut sealed).unwrap();
        let mut forged = stream.clone();
        forged[start..end].copy_from_slice(&sealed);
        let segment = segment_that_reads(&forged, &summary, rng.bool());
        failed_reads += usize::from(read_all(&segment).is_err());
        failed_checks += usize::from(segment.verify().is_err());
        let mut cursor = segment.cursor();
        for key in model.keys() {
            let _ = get(&segment, key);
            let _ = cursor.seek_le(key);
        }
        let _ = cursor.last();
        for _ in 0..1000 {
            let _ = cursor.prev();
        }
        assert!(!cursor.valid());
    }
    assert!(failed_reads > 500 && failed_checks > failed_reads, "{failed_reads} {failed_checks}");
}

#[test]
fn a_summary_that_does_not_fit_the_bytes_is_corruption() {
    let model = Model::from([(b"k".to_vec(), (EntryKind::Put, b"v".to_vec()))]);
    let (stream, summary) = write(&model, &ORDINARY);
    let wrong = [
        SegmentSummary { id: SegmentId(8), ..summary.clone() },
        SegmentSummary { keyspace: KeyspaceId(1), ..summary.clone() },
        SegmentSummary { entries: 2, ..summary.clone() },
        SegmentSummary { end: KeyEnd::Included(Bytes::from_static(b"l")), ..summary.clone() },
        SegmentSummary { ranges: 1, ..summary.clone() },
        SegmentSummary { bytes: summary.bytes - 1, ..summary.clone() },
        SegmentSummary { bytes: summary.bytes + 1, ..summary.clone() },
        SegmentSummary { bytes: 0, ..summary.clone() },
        SegmentSummary { bytes: u64::MAX, ..summary.clone() },
        SegmentSummary { commits: (CommitNo(3), CommitNo(8)), ..summary.clone() },
    ];
    for wrong in wrong {
        let storage = MemoryStorage::default();
        let extent = Extent { start: 0, pages: 1 };
        storage.write_at(0, &stream).unwrap();
        let cache = Arc::new(BlockCache::new(0));
        let segment = Segment::new(
            Arc::new(storage),
            cache,
            Sealer::NONE,
            wrong.clone(),
            lease(extent),
            true,
        );
        assert!(get(&segment, b"k").unwrap_err().is_corruption(), "{wrong:?}");
    }
    let mut encoded = Vec::new();
    summary.encode(&mut encoded);
    let decoded = SegmentSummary::decode(&mut ByteReader::new("test", &encoded)).unwrap();
    assert_eq!(decoded, summary);
}

#[test]
fn one_index_block_leads_to_hundreds_of_leaves() {
    let value = (EntryKind::Put, vec![b'.'; 100]);
    let entry =
        |number: u32| (format!("{:016}", u64::from(number) * 37).into_bytes(), value.clone());
    let model: Model = (0..40_000).map(entry).collect();
    let layout = SegmentLayout { block_bytes: 4096, compression: Compression::None, ..ORDINARY };
    let (stream, summary) = write(&model, &layout);
    let segment = segment(&stream, &summary);
    let leaves = segment.verify().unwrap().leaf_blocks;
    let index_bytes = segment.index().unwrap().memory_bytes() as u64;
    assert!(leaves >= 1000, "one block leads to all {leaves}");
    assert!(index_bytes / leaves < 4096 / 100, "{} bytes of index a leaf", index_bytes / leaves);
}

#[test]
fn what_was_read_in_place_keeps_its_pages() {
    let external: Vec<u8> = (0..100).collect();
    let model = Model::from([
        (b"gold".to_vec(), (EntryKind::Put, external.clone())),
        (b"silt".to_vec(), (EntryKind::Put, b"in the block".to_vec())),
    ]);
    let (stream, summary) = write(&model, &TINY);
    let storage: Arc<dyn Storage> = Arc::new(SimulatedStorage::new(1));
    let extent = Extent { start: 0, pages: 1 };
    storage.write_at(0, &[&stream[..], &vec![0; 4096 - stream.len()]].concat()).unwrap();
    let space = Space::new(&[], 1, 1);
    let cache = Arc::new(BlockCache::new(64 << 10));
    let lease = space.adopt(extent).unwrap();
    let segment = Segment::new(storage, Arc::clone(&cache), Sealer::NONE, summary, lease, true);
    let pinned = cache.bytes();
    let value = |key: &[u8]| get(&segment, key).unwrap().unwrap().1;
    let (gold, silt) = (value(b"gold"), value(b"silt"));
    assert!(cache.bytes() < pinned + 1000, "blocks and values are not cached besides");
    drop(segment);
    assert_eq!(cache.bytes(), 0, "a segment gives back what it had pinned");
    assert_eq!(space.check().unwrap().leased, [extent]);
    assert_eq!((&gold[..], &silt[..]), (&external[..], &b"in the block"[..]));
    drop(gold);
    assert_eq!(space.check().unwrap().leased, [extent]);
    drop(silt);
    assert_eq!(space.check().unwrap().leased, []);
}

/// The parts of a segment of another key have right checksums: each is put in the place of ours.
#[test]
fn every_part_is_proved_by_the_cipher_and_a_copy_opens_anywhere() {
    let mut model = Model::new();
    for number in 0..60_u8 {
        let value = vec![number; usize::from(number) * 3];
        model.insert(vec![b'k', number], (EntryKind::Put, value));
    }
    let sealer = |key| Sealer::new(Arc::new(ToyCipher::new(key)), [3; 16]);
    for compression in [Compression::None, Compression::Lz4] {
        let layout = |key| SegmentLayout {
            compression,
            filter_bits_per_key: 10,
            sealer: sealer(key),
            ..TINY
        };
        let (stream, summary) = write(&model, &layout(1));
        let (others, _) = write(&model, &layout(2));
        assert_eq!(stream.len(), others.len());
        let read = |stream: &[u8], start: u64, key| {
            let storage = SimulatedStorage::new(1);
            let extent = Extent { start, pages: pages_for(summary.bytes) };
            storage.write_at(extent.offset(), stream).unwrap();
            storage.set_len(extent.offset() + extent.bytes()).unwrap();
            let cache = Arc::new(BlockCache::new(64 << 10));
            let (storage, lease) = (Arc::new(storage), lease(extent));
            Arc::new(Segment::new(storage, cache, sealer(key), summary.clone(), lease, true))
        };
        let ours = read(&stream, 2, 1);
        for segment in [&ours, &read(&stream, 9, 1)] {
            segment.verify().unwrap();
            for (key, (kind, value)) in &model {
                let found = get(segment, key).unwrap().unwrap();
                assert_eq!((found.0, &found.1[..]), (*kind, &value[..]));
            }
        }
        assert!(read(&stream, 2, 2).verify().unwrap_err().is_corruption());
        // Index, properties, filter; leaves and values one by one.
        let (parts, _) = ours.read_parts().unwrap();
        let footer_offset = summary.bytes - 64;
        let mut places = vec![(parts.index_offset, footer_offset)];
        let mut index = BlockCursor::new(ours.index().unwrap().into_owned());
        index.first().unwrap();
        let mut end = 0;
        while index.valid() {
            let leaf = LeafHandle::at(&index).unwrap();
            places.extend([(leaf.offset, leaf.offset + leaf.bytes), (end, leaf.offset)]);
            end = leaf.offset + leaf.bytes;
            index.next().unwrap();
        }
        places.extend((parts.index_offset..footer_offset).step_by(9).map(|at| (at, footer_offset)));
        for (start, end) in places.into_iter().filter(|(start, end)| start < end) {
            let mut forged = stream.clone();
            let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
            forged[start..end].copy_from_slice(&others[start..end]);
            let segment = read(&forged, 2, 1);
            assert!(segment.verify().unwrap_err().is_corruption(), "{start}..{end}");
            for (key, (_, value)) in &model {
                if let Ok(found) = get(&segment, key) {
                    assert_eq!(&found.unwrap().1[..], &value[..], "never wrong data");
                }
            }
        }
    }
}

#[test]
fn what_is_too_long_is_refused_and_the_writer_goes_on() {
    let mut writer = SegmentWriter::new(SegmentId(7), KeyspaceId(2), &ORDINARY);
    let long = vec![0; KEY_BYTES_MAX + 1];
    let refused = writer.add(&long, EntryKind::Put, b"").unwrap_err();
    assert!(matches!(refused, Error::KeyTooLong { .. }));
    writer.add(&long[1..], EntryKind::Put, b"").unwrap();
    let (stream, summary) = writer.finish(COMMITS).unwrap();
    let found = get(&segment(&stream, &summary), &long[1..]).unwrap();
    assert_eq!(found, Some((EntryKind::Put, Bytes::new())));
}

#[test]
fn the_page_on_segments_shows_the_bytes_of_this_segment() {
    let model = Model::from([
        (b"gold".to_vec(), (EntryKind::Put, b"settles where the river slows".to_vec())),
        (b"silt".to_vec(), (EntryKind::Delete, Vec::new())),
    ]);
    let river = KeyRange::between(Bound::Included(b"river"), Bound::Excluded(b"sand"));
    let mut ranges = Ranges::default();
    ranges.insert(river.expect("it has keys"));
    let (stream, _) = write_with(&ranges, &model, &TINY);
    let mut dump = String::new();
    for (row, bytes) in stream.chunks(16).enumerate() {
        write!(dump, "{:04x} ", row * 16).unwrap();
        for byte in bytes {
            write!(dump, " {byte:02x}").unwrap();
        }
        dump.push('\n');
    }
    assert!(PAGE.contains(&dump), "the bytes are now\n{dump}");
}
