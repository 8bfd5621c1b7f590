//! Blocks against a sorted map, against damage, and against the page that describes them.
//!
//! Entry sets are random with fixed seeds; keys come from small alphabets so that they share prefixes, have
//! equal heads and are prefixes of each other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::Bytes;

use super::compression::Codec;
use super::*;
use crate::lsm::cipher::Sealer;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;
use crate::lsm::name_filter::{Look, NameFilter};

thread_local! {
    /// Steps of binary searches that this thread made.
    pub(super) static COMPARISONS: Cell<u32> = const { Cell::new(0) };
}

type Value = (EntryKind, Vec<u8>);
type Model = BTreeMap<Vec<u8>, Value>;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format/block.md"));

fn random_model(rng: &mut fastrand::Rng) -> Model {
    let prefix = vec![b'p'; rng.usize(0..12)];
    let alphabet = [0, 1, b'a', b'b', 255];
    let entry = |rng: &mut fastrand::Rng| {
        let mut key = prefix.clone();
        key.extend((0..rng.usize(0..14)).map(|_| alphabet[rng.usize(0..alphabet.len())]));
        let kind = [EntryKind::Put, EntryKind::Merge, EntryKind::Delete][rng.usize(0..3)];
        let len = if kind == EntryKind::Delete { 0 } else { rng.usize(0..20) };
        (key, (kind, vec![rng.u8(..); len]))
    };
    (0..=rng.usize(0..80)).map(|_| entry(rng)).collect()
}

fn raw_block(model: &Model, restart_interval: u32) -> Bytes {
    let mut builder = BlockBuilder::new(restart_interval);
    let mut estimate = 0;
    for (key, (kind, value)) in model {
        assert!(builder.is_empty() || builder.raw_bytes() <= estimate);
        estimate = builder.raw_bytes_with(key, value.len());
        builder.add(key, *kind, EntryValue::Inline(value));
    }
    let expected = builder.raw_bytes();
    let raw = Bytes::copy_from_slice(builder.finish());
    assert_eq!(raw.len(), expected);
    raw
}

fn entry(cursor: &BlockCursor) -> Option<(Vec<u8>, Value)> {
    if !cursor.valid() {
        assert!(cursor.key().is_empty());
        return None;
    }
    let BlockValue::Inline(value) = cursor.value() else { panic!("an external value") };
    Some((cursor.key().to_vec(), (cursor.kind(), value.to_vec())))
}

fn owned(found: Option<(&Vec<u8>, &Value)>) -> Option<(Vec<u8>, Value)> {
    found.map(|(key, value)| (key.clone(), value.clone()))
}

#[test]
fn a_block_is_the_map_it_was_made_of() {
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..400 {
        let model = random_model(&mut rng);
        let interval = [1, 2, 3, 16, 256][round % 5];
        let block = Block::parse(raw_block(&model, interval)).unwrap();
        let mut cursor = BlockCursor::new(block.clone());
        cursor.check().unwrap();
        assert!(!cursor.valid());

        let (mut forward, mut shared) = (Vec::new(), Vec::new());
        cursor.first().unwrap();
        while let Some(found) = entry(&cursor) {
            forward.push(found);
            shared.push(cursor.shared());
            cursor.next().unwrap();
        }
        assert!(forward.iter().map(|(key, value)| (key, value)).eq(&model));
        let (mut keys, mut at) = (Vec::new(), 0);
        cursor.first().unwrap();
        while cursor.valid() {
            let most = rng.usize(1..6);
            let mut keep = |key: &[u8]| {
                keys.push(key.to_vec());
                Ok(())
            };
            at += cursor.walk(None, most, &mut keep).unwrap();
            assert_eq!(entry(&cursor), forward.get(at).cloned());
            assert!(!cursor.valid() || cursor.shared() == shared[at]);
        }
        let alive = model.iter().filter(|(_, (kind, _))| *kind != EntryKind::Delete);
        assert!(keys.iter().eq(alive.map(|(key, _)| key)));
        if let Some(refused) = rng.choice(&keys) {
            // It stands on the entry that its caller refused, and goes on from there.
            cursor.first().unwrap();
            let mut refuse = |key: &[u8]| {
                if key == refused { Err(Error::corruption("refused", 0)) } else { Ok(()) }
            };
            cursor.walk(None, usize::MAX, &mut refuse).unwrap_err();
            for expected in forward.iter().skip_while(|(key, _)| key != refused) {
                assert_eq!(entry(&cursor).as_ref(), Some(expected));
                cursor.next().unwrap();
            }
        }
        // A filter sees all keys, told no more than they share, and the cursor stands on those it does not pass over.
        let mut filter = Sometimes { rng: rng.fork(), seen: Vec::new() };
        cursor.first().unwrap();
        let mut shared = 0;
        while cursor.valid() {
            let look = cursor.look_on(&mut filter, shared).unwrap();
            assert_eq!(cursor.valid(), look != Look::Pass);
            assert!(!cursor.valid() || filter.seen.last() == Some(&cursor.key().to_vec()));
            assert_eq!(
                entry(&cursor),
                forward.get(filter.seen.len() - 1).cloned().filter(|_| cursor.valid())
            );
            cursor.next().unwrap();
            shared = cursor.shared();
        }
        assert!(filter.seen.iter().eq(model.keys()));
        let mut backward = Vec::new();
        cursor.last().unwrap();
        while let Some(found) = entry(&cursor) {
            backward.push(found);
            cursor.prev().unwrap();
        }
        assert!(backward.iter().map(|(key, value)| (key, value)).eq(model.iter().rev()));

        let probes: Vec<Vec<u8>> =
            model.keys().cloned().chain(random_model(&mut rng).into_keys()).collect();
        for key in probes {
            cursor.seek_ge(&key).unwrap();
            assert_eq!(entry(&cursor), owned(model.range(key.clone()..).next()));
            let found = block.find(&key).unwrap().map(|found| {
                let kind = found.kind;
                let BlockValue::Inline(value) = block.clone().into_value(found) else { panic!() };
                (kind, value.to_vec())
            });
            assert_eq!(found.as_ref(), model.get(&key));
            let mut below = Vec::new();
            let mut keep = |key: &[u8]| {
                below.push(key.to_vec());
                Ok(())
            };
            cursor.first().unwrap();
            let walked = cursor.walk(Some(&key), usize::MAX, &mut keep).unwrap();
            assert_eq!(walked, model.range(..key.clone()).count());
            let alive = model.range(..key.clone());
            let alive = alive.filter(|(_, (kind, _))| *kind != EntryKind::Delete);
            assert!(below.iter().eq(alive.map(|(key, _)| key)));
            assert_eq!(entry(&cursor), owned(model.range(key.clone()..).next()));
            if cursor.valid() {
                cursor.prev().unwrap();
                assert_eq!(entry(&cursor), owned(model.range(..key).next_back()));
            }
        }
    }
}

/// Takes some of the keys, and keeps all.
struct Sometimes {
    rng: fastrand::Rng,
    seen: Vec<Vec<u8>>,
}

impl NameFilter for Sometimes {
    fn look(&mut self, key: &[u8], shared: usize) -> Result<Look> {
        let before = self.seen.last().map_or(&[][..], |before| before);
        assert_eq!(key.get(..shared), before.get(..shared), "{key:?} behind {before:?}");
        self.seen.push(key.to_vec());
        Ok(if self.rng.u8(0..8) == 0 { Look::Take(key.len()) } else { Look::Pass })
    }
}

/// Visits a block in every way; what matters is that it ends without panic.
fn visit(raw: Bytes) -> Result<()> {
    let block = Block::parse(raw)?;
    let mut cursor = BlockCursor::new(block.clone());
    let checked = cursor.check();
    for key in [&b""[..], b"pp", b"pppppppppppa", b"\xff"] {
        let _ = cursor.seek_ge(key);
        let _ = block.find(key);
    }
    let limit = 10_000;
    let _ = cursor.first();
    assert!((0..limit).any(|_| cursor.next().is_err() || !cursor.valid()));
    let _ = cursor.last();
    assert!((0..limit).any(|_| cursor.prev().is_err() || !cursor.valid()));
    let _ = cursor.first();
    let (mut looks, mut ended) = (0, false);
    while looks < limit && !ended {
        looks += 1;
        let mut filter =
            Sometimes { rng: fastrand::Rng::with_seed(looks as u64), seen: Vec::new() };
        let look = cursor.look_on(&mut filter, 0);
        ended = look.is_err() || cursor.next().is_err() || !cursor.valid();
    }
    assert!(ended);
    let _ = cursor.first();
    let walked = cursor.walk(None, limit, &mut |_| Ok(()));
    assert!(!walked.is_ok_and(|walked| walked == limit));
    checked
}

#[test]
fn damaged_raw_blocks_give_errors_and_never_panic() {
    let mut rng = fastrand::Rng::with_seed(12);
    let mut found = 0;
    for round in 0..300 {
        let raw = raw_block(&random_model(&mut rng), [1, 4, 16][round % 3]);
        visit(raw.clone()).unwrap();
        for _ in 0..30 {
            let mut bytes = raw.to_vec();
            match rng.u32(0..3) {
                0 => bytes.truncate(rng.usize(0..bytes.len())),
                1 => bytes[rng.usize(0..raw.len())] = rng.u8(..),
                _ => bytes.iter_mut().rev().take(rng.usize(0..40)).for_each(|b| *b = rng.u8(..)),
            }
            found += usize::from(visit(Bytes::from(bytes)).is_err());
        }
        let noise: Vec<u8> = (0..rng.usize(0..200)).map(|_| rng.u8(0..4)).collect();
        let _ = visit(Bytes::from(noise));
    }
    assert!(found > 4000, "{found}");
}

#[test]
fn references_to_external_values_come_back() {
    let value = ValueRef {
        offset: 64 * 1000,
        stored_bytes: 700,
        raw_bytes: 9000,
        codec: Codec::Lz4,
        checksum: 0x0123_4567_89AB_CDEF,
    };
    let same = ValueRef { stored_bytes: 9000, codec: Codec::Raw, ..value };
    let mut builder = BlockBuilder::new(16);
    builder.add(b"a", EntryKind::Put, EntryValue::External(value));
    builder.add(b"b", EntryKind::Merge, EntryValue::External(same));
    let raw = Bytes::copy_from_slice(builder.finish());
    let mut cursor = BlockCursor::new(Block::parse(raw).unwrap());
    for (kind, expected) in [(EntryKind::Put, value), (EntryKind::Merge, same)] {
        if kind == EntryKind::Put { cursor.first() } else { cursor.next() }.unwrap();
        assert_eq!(cursor.kind(), kind);
        assert!(matches!(cursor.value(), BlockValue::External(found) if found == expected));
    }
}

#[test]
fn a_search_compares_about_log2_of_the_restarts() {
    let mut rng = fastrand::Rng::with_seed(13);
    for restarts in [1, 2, 3, 100, 512, 1000] {
        // Half of the keys have equal heads.
        let key = |number: u32| match number % 2 {
            0 => format!("equal heads {number:08}").into_bytes(),
            _ => (number.wrapping_mul(0x9E37_79B9)).to_be_bytes().to_vec(),
        };
        let model = (0..restarts).map(|number| (key(number), (EntryKind::Put, Vec::new())));
        let block = Block::parse(raw_block(&model.collect(), 1)).unwrap();
        assert_eq!(block.restart_count(), restarts as usize);
        for _ in 0..100 {
            COMPARISONS.set(0);
            block.restart_ge(&key(rng.u32(0..2 * restarts))).unwrap();
            let bound = restarts.next_power_of_two().ilog2() + 2;
            assert!(COMPARISONS.get() <= bound, "{} for {restarts}", COMPARISONS.get());
        }
    }
}

#[test]
fn restart_groups_share_more_than_one_prefix_of_the_block_would() {
    let mut rng = fastrand::Rng::with_seed(14);
    let hosts = ["example.org", "en.wikipedia.org", "docs.rs", "crates.io"];
    let url = |rng: &mut fastrand::Rng| {
        let host = hosts[rng.usize(0..4)];
        let (section, page) = (rng.u32(0..40), rng.u32(0..20_000));
        let url = format!("https://{host}/section-{section}/archive/2024/page-{page:05}.html");
        (url.into_bytes(), (EntryKind::Delete, Vec::new()))
    };
    let model: Model = (0..20_000).map(|_| url(&mut rng)).collect();
    let keys: Vec<&Vec<u8>> = model.keys().collect();
    let (mut shared, mut one_prefix) = (0, 0);
    for keys in keys.chunks(300) {
        let part = keys.iter().map(|key| ((*key).clone(), (EntryKind::Delete, Vec::new())));
        shared += raw_block(&part.collect(), 16).len();
        let prefix = entry::shared_len(keys[0], keys[keys.len() - 1]);
        one_prefix += prefix + keys.iter().map(|key| key.len() - prefix).sum::<usize>();
    }
    assert!(one_prefix >= shared * 2, "{one_prefix} bytes of keys became {shared}");
}

#[test]
fn a_builder_starts_anew_after_clear() {
    let mut builder = BlockBuilder::new(16);
    builder.add(b"left", EntryKind::Put, EntryValue::Inline(b"1"));
    let first = builder.finish().to_vec();
    builder.clear();
    assert!(builder.is_empty());
    assert_eq!(builder.last_key(), b"left");
    builder.add(b"left", EntryKind::Put, EntryValue::Inline(b"1"));
    assert_eq!(builder.finish(), first);
}

#[test]
fn the_page_on_blocks_shows_the_bytes_of_this_block() {
    let mut builder = BlockBuilder::new(2);
    builder.add(b"gold", EntryKind::Put, EntryValue::Inline(b"Au"));
    builder.add(b"goldpan", EntryKind::Delete, EntryValue::Inline(b""));
    builder.add(b"gorge", EntryKind::Merge, EntryValue::Inline(b"+1"));
    let mut sealed = Vec::new();
    seal(&Sealer::NONE, builder.finish(), Compression::None, SegmentId(7), 0, &mut sealed).unwrap();
    let mut dump = String::new();
    for (row, bytes) in sealed.chunks(16).enumerate() {
        write!(dump, "{:04x} ", row * 16).unwrap();
        for byte in bytes {
            write!(dump, " {byte:02x}").unwrap();
        }
        dump.push('\n');
    }
    assert!(PAGE.contains(&dump), "the bytes are now\n{dump}");
}
