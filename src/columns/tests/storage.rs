//! Chunks and their bytes: what was put in comes out, joins are the same in any grouping, and bad bytes are errors. The twin is a
//! map from documents to what they hold.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use proptest::prelude::*;

use super::{KINDS, Kind, document, key, values};
use crate::bson::{Bson, DateTime, Path, RawDocumentBuf, doc, rawdoc};
use crate::columns::{
    COLUMN_DOCUMENT_BYTES_MAX, ColumnChunk, ColumnChunkBuilder, ColumnIndexer, ColumnOperator,
    Error, column_key,
};
use crate::fts::{DocId, WINDOW_LEN, WINDOWS_LEN, names};
use crate::kernels::Bitmap;
use crate::lsm::{
    KeyspaceId, KeyspaceOptions, MemoryStorage, MergeOperator, Options, Reader, Store,
    VALUE_BYTES_MAX,
};

type Twin = BTreeMap<u16, RawDocumentBuf>;

fn builder<'a>(
    documents: impl IntoIterator<Item = (&'a u16, &'a RawDocumentBuf)>,
) -> ColumnChunkBuilder {
    let path = Path::parse("v").unwrap();
    let mut builder = ColumnChunkBuilder::default();
    for (&offset, document) in documents {
        builder.add(offset, &path, document).unwrap();
    }
    builder
}

fn encoded(twin: &Twin) -> Vec<u8> {
    let mut out = Vec::new();
    builder(twin).finish_into(&mut out);
    out
}

fn merged(operands: &[&[u8]]) -> crate::lsm::Result<Vec<u8>> {
    let mut out = Vec::new();
    ColumnOperator.merge(&column_key(7), operands, &mut out).map(|()| out)
}

/// Random documents: a few or many, near each other or far apart.
fn random_twin(rng: &mut fastrand::Rng, kind: Kind) -> Twin {
    let (len, has_several) = ([3, 40, 600][rng.usize(..3)], rng.bool());
    let first = rng.u16(..);
    let span = [len, len * 3, 65_536][rng.usize(..3)];
    let offset = |rng: &mut fastrand::Rng| {
        u16::try_from((u32::from(first) + rng.u32(..span)).min(65_535)).unwrap()
    };
    (0..len).map(|_| (offset(rng), document(rng, kind, has_several))).collect()
}

fn check_chunk(chunk: &ColumnChunk, twin: &Twin, rng: &mut fastrand::Rng) {
    let mut distinct = BTreeMap::new();
    for document in twin.values() {
        for (key, value) in values(document, "v") {
            distinct.entry(key).or_insert(value);
        }
    }
    let keys: Vec<&Vec<u8>> = distinct.keys().collect();
    assert_eq!(chunk.cardinality() as usize, keys.len());
    let mut scratch = Vec::new();
    for ((ordinal, (expected, value)), at) in (0..).zip(&distinct).zip(0_usize..) {
        assert_eq!(chunk.key(ordinal, &mut scratch), expected);
        assert_eq!(chunk.find(expected), (ordinal, true));
        // NaN is not equal to itself.
        let found = Bson::try_from(chunk.value(ordinal)).unwrap();
        assert_eq!(format!("{found:?}"), format!("{value:?}"), "{at}");
    }
    assert_eq!(
        (key(chunk.min()), key(chunk.max())),
        (keys[0].clone(), keys[keys.len() - 1].clone())
    );
    let ordinal_of = |key: &Vec<u8>| u32::try_from(keys.binary_search(&key).unwrap()).unwrap();
    let ordinals: BTreeMap<u16, Vec<u32>> = twin
        .iter()
        .map(|(&offset, document)| (offset, values(document, "v").keys().map(ordinal_of).collect()))
        .collect();
    for offset in twin.keys().copied().chain((0..=u16::MAX).step_by(61)) {
        let expected = ordinals.get(&offset).map(Vec::as_slice).unwrap_or_default();
        assert!(chunk.ordinals(offset).eq(expected.iter().copied()), "{offset}");
        assert_eq!(chunk.slot(offset, false), expected.first().map_or(0, |least| least + 1));
        assert_eq!(chunk.slot(offset, true), expected.last().map_or(0, |greatest| greatest + 1));
    }
    // All of each window, many and few.
    for share in [1, 3, 200] {
        let some: Vec<u16> = (0..=u16::MAX).filter(|_| rng.u8(..share) == 0).collect();
        let (mut counts, mut expected) = (vec![0; keys.len() + 1], vec![0; keys.len() + 1]);
        chunk.count(&some, &mut counts);
        for &offset in &some {
            let ordinals = ordinals.get(&offset).map(Vec::as_slice).unwrap_or_default();
            expected[0] += u32::from(ordinals.is_empty());
            for &ordinal in ordinals {
                expected[ordinal as usize + 1] += 1;
            }
        }
        assert_eq!(counts, expected, "one of {share}");
        let mut passed = Vec::new();
        chunk.each_of(&some, |offset, found| {
            let expected = ordinals.get(&offset).map(Vec::as_slice).unwrap_or_default();
            assert_eq!(found, expected, "{offset}");
            passed.push(offset);
        });
        assert_eq!(passed, some);
    }
    let bounds = [rng.usize(..keys.len()), rng.usize(..keys.len())].map(|at| keys[at].as_slice());
    let (lower, upper) = (Bound::Excluded(bounds[0]), Bound::Included(bounds[1]));
    let range = chunk.ordinals_between(lower, upper);
    for near in [0..0, 0..u32::MAX, range.clone(), range.start / 2..range.end.saturating_add(9)] {
        assert_eq!(chunk.ordinals_near(lower, upper, &near), range, "near {near:?}");
    }
    for window in 0..WINDOWS_LEN {
        let mut bitmap: Bitmap = [0; WINDOW_LEN / 8];
        chunk.in_range(window, &range, &mut bitmap);
        for at in 0..WINDOW_LEN {
            let offset = u16::try_from(window * WINDOW_LEN + at).unwrap();
            let is_within = |&ordinal: &u32| {
                let key = keys[ordinal as usize].as_slice();
                bounds[0] < key && key <= bounds[1]
            };
            let expected = ordinals.get(&offset).is_some_and(|found| found.iter().any(is_within));
            assert_eq!(bitmap[at / 8] >> (at % 8) & 1 == 1, expected, "{offset}");
        }
    }
}

#[test]
fn chunks_equal_their_documents_and_joins_are_the_same_in_any_grouping() {
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..12 {
        let kind = KINDS[round % KINDS.len()];
        let twin = random_twin(&mut rng, kind);
        let whole = encoded(&twin);
        let mut parts: [Twin; 4] = Default::default();
        for (&offset, document) in &twin {
            parts[rng.usize(..4)].insert(offset, document.clone());
        }
        let mut parts: Vec<Vec<u8>> = parts.iter().map(encoded).collect();
        parts.retain(|part| !part.is_empty());
        while parts.len() > 1 {
            let some = (0..rng.usize(2..=parts.len()))
                .map(|_| parts.swap_remove(rng.usize(..parts.len())))
                .collect::<Vec<_>>();
            parts.push(merged(&some.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap());
        }
        let joined = parts.pop().unwrap_or_default();
        assert_eq!(joined, whole, "{kind:?}");
        if !joined.is_empty() {
            let chunk = ColumnChunk::decode(&joined.clone().into()).unwrap();
            check_chunk(&chunk, &twin, &mut rng);
            let built = builder(twin.iter().rev()).finish().unwrap();
            assert_eq!(format!("{chunk:?}"), format!("{built:?}"));
        }
    }
}

#[test]
fn every_document_of_a_chunk_may_have_a_value_of_its_own() {
    let document = |offset: u16| (offset, rawdoc! { "v": i64::from(offset) * 3 });
    let bytes = encoded(&(0..=u16::MAX).map(document).collect());
    // A gap of 2 bits and an ordinal of 16 bits for each document.
    assert!(bytes.len() < 65_536 * 18 / 8 + 600, "{}", bytes.len());
    let chunk = ColumnChunk::decode(&bytes.clone().into()).unwrap();
    assert_eq!(chunk.cardinality(), 65_536);
    let offsets: Vec<u16> = (0..=u16::MAX).step_by(97).collect();
    let mut counts = vec![0; 65_537];
    chunk.count(&offsets, &mut counts);
    for (offset, &count) in (0..).zip(counts.iter().skip(1)) {
        assert_eq!(count, u32::from(offset % 97 == 0));
    }
    for &offset in &offsets {
        assert!(chunk.ordinals(offset).eq([u32::from(offset)]));
        assert_eq!(chunk.value(offset.into()).as_i64(), Some(i64::from(offset) * 3));
    }
    let mut bitmap: Bitmap = [0; WINDOW_LEN / 8];
    chunk.in_range(15, &(65_527..65_529), &mut bitmap);
    assert_eq!(bitmap[510..], [0b1000_0000, 0b0000_0001]);
    assert!(bitmap[..510].iter().all(|&byte| byte == 0));
}

#[test]
fn whole_windows_are_read_like_single_documents() {
    let mut rng = fastrand::Rng::with_seed(17);
    let first = rng.u16(1..4_000);
    for form in 0..4 {
        let document = |offset: u16| {
            let values: Vec<i32> = (0..offset % 4).map(|at| i32::from(at) * 3).collect();
            let document = match form {
                0 => doc! { "v": i32::from(offset % 125) },
                1 if offset.is_multiple_of(50) => doc! {},
                1 => doc! { "v": f64::from(offset % 7) + 0.5 },
                2 => doc! { "v": values },
                _ => doc! { "v": [i32::from(offset % 9), 40 + i32::from(offset % 2)] },
            };
            (offset, RawDocumentBuf::try_from(&document).unwrap())
        };
        let twin: Twin = (first..14_001).map(document).collect();
        let chunk = ColumnChunk::decode(&encoded(&twin).into()).unwrap();
        check_chunk(&chunk, &twin, &mut rng);
    }
}

#[test]
fn documents_may_have_many_values() {
    let document = |offset: u16| {
        let numbers = i32::from(offset) * 1000..i32::from(offset) * 1000 + 1000;
        (offset, RawDocumentBuf::try_from(&doc! { "v": numbers.collect::<Vec<_>>() }).unwrap())
    };
    let bytes = encoded(&(0..66).map(document).collect());
    // Ordinals of 17 bits; consecutive numbers take no more than the width of their blocks.
    assert!(bytes.len() < 66_000 * 17 / 8 + 700, "{}", bytes.len());
    let chunk = ColumnChunk::decode(&bytes.clone().into()).unwrap();
    assert_eq!(chunk.cardinality(), 66_000);
    assert!(chunk.ordinals(65).eq(65_000..66_000));
    assert_eq!(chunk.ordinals(66).count(), 0);
}

#[test]
fn few_values_and_few_documents_are_compact() {
    let size = |len: u32, step: u32, value: &dyn Fn(u32) -> Bson| {
        let document = |at: u32| RawDocumentBuf::try_from(&doc! { "v": value(at) }).unwrap();
        encoded(&(0..len).map(|at| (u16::try_from(at * step).unwrap(), document(at))).collect())
            .len()
    };
    assert!(size(9_000, 1, &|_| Bson::String("gold".into())) < 20);
    assert!(size(8_192, 1, &|at| Bson::Boolean(at % 2 == 0)) < 1_024 + 20);
    assert!(size(10, 6_000, &|at| Bson::Int32(2_000 + i32::try_from(at).unwrap())) < 40);
    // A day's milliseconds take 27 bits, 14 of them where documents stand.
    let mut rng = fastrand::Rng::with_seed(3);
    let times: Vec<i64> = (0..16_384).map(|_| rng.i64(0..86_400_000)).collect();
    let time = |at: u32| Bson::DateTime(DateTime::from_millis(times[at as usize]));
    assert!(size(16_384, 1, &time) < 16_384 * 30 / 8);
}

#[test]
fn a_document_in_two_parts_is_an_error() {
    let part = |offsets: &[u16]| {
        let document = |&offset: &u16| (offset, rawdoc! { "v": i32::from(offset) % 2 });
        encoded(&offsets.iter().map(document).collect())
    };
    assert!(merged(&[&part(&[4, 9]), &part(&[1, 9])]).unwrap_err().is_corruption());
    assert_eq!(merged(&[&part(&[4, 9]), &part(&[1])]).unwrap(), part(&[1, 4, 9]));
    assert!(ColumnOperator.merge(&[1], &[&part(&[1]), &part(&[2])], &mut Vec::new()).is_err());
}

#[test]
fn the_format_page_shows_true_bytes() {
    let page = include_str!("../../../docs/format/columns.md");
    let date = |millis| rawdoc! { "v": DateTime::from_millis(millis) };
    for (documents, shown) in [
        (
            [(3, rawdoc! { "v": "gold" }), (4, rawdoc! {}), (5, rawdoc! { "v": ["sand", "gold"] })],
            "01 02  02  02 04 67 6F 6C 64  02 04 73 61 6E 64  03 00 05 00  02 21 04",
        ),
        (
            [(300, date(1000)), (301, date(1007)), (302, date(1000))],
            "01 09  02 09  D0 0F  07  03 06  2C 01 2E 01  02",
        ),
    ] {
        let bytes = shown.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap());
        assert_eq!(encoded(&documents.into()), bytes.collect::<Vec<_>>());
        assert!(page.contains(shown));
    }
}

#[test]
fn an_indexer_writes_what_it_checked() {
    let merge_operators: Vec<Arc<dyn MergeOperator>> = vec![Arc::new(ColumnOperator)];
    let options = Options { merge_operators, ..Options::default() };
    let store = Store::open(MemoryStorage::default(), options).unwrap();
    let mut transaction = store.begin().unwrap();
    let merge_operator = Some(ColumnOperator.name().to_owned());
    let options = KeyspaceOptions { merge_operator, ..KeyspaceOptions::default() };
    let keyspace = transaction.create_keyspace(&names::columns("notes", "v"), options).unwrap();
    let mut indexer = ColumnIndexer::new(keyspace, Path::parse("v").unwrap());
    let long = |bytes| rawdoc! { "v": [1, "x".repeat(bytes)] };
    // Of a string's key 3 bytes are not text; 17 are counted for the number, and 8 beside each of the two.
    indexer.check(&long(COLUMN_DOCUMENT_BYTES_MAX - 36)).unwrap();
    let error = indexer.check(&long(COLUMN_DOCUMENT_BYTES_MAX - 35)).unwrap_err();
    assert!(
        matches!(&error, Error::ValuesTooLong { path, bytes: 1001, bytes_max: 1000 } if path == "v")
    );
    assert_eq!(
        error.to_string(),
        "the values at `v` take 1001 bytes in the column, a document may have 1000; store fewer or \
         shorter ones, or drop the column"
    );
    assert_eq!(indexer.bytes(), 0);
    for (number, word) in [(7, "a"), (9, "b")] {
        indexer.add(DocId::new(number).unwrap(), &rawdoc! { "v": word }).unwrap();
        assert!(indexer.bytes() > 0);
        indexer.drain(&mut transaction).unwrap();
        indexer.add(DocId::new(number + (5 << 16)).unwrap(), &rawdoc! { "v": [] }).unwrap();
    }
    indexer.drain(&mut transaction).unwrap();
    assert!(transaction.get(keyspace, &column_key(5)).unwrap().is_none());
    let stored = transaction.get(keyspace, &column_key(0)).unwrap().unwrap();
    let chunk = ColumnChunk::decode(&stored).unwrap();
    assert_eq!((chunk.min().as_str(), chunk.max().as_str()), (Some("a"), Some("b")));
}

#[test]
fn changed_and_cut_bytes_are_errors_or_columns() {
    let mut rng = fastrand::Rng::with_seed(12);
    for round in 0..30 {
        let twin: Twin = (0..rng.u16(1..40))
            .map(|at| {
                (at * rng.u16(1..3), document(&mut rng, KINDS[round % KINDS.len()], round % 2 == 0))
            })
            .collect();
        let bytes = encoded(&twin);
        for _ in 0..25 {
            let mut bytes = bytes.clone();
            for _ in 0..rng.usize(1..4) {
                if let Some(byte) = rng.choice(&mut bytes) {
                    *byte = if rng.bool() { rng.u8(..) } else { *byte ^ (1 << rng.u8(..8)) };
                }
            }
            bytes.truncate(if rng.u8(..4) == 0 { rng.usize(..=bytes.len()) } else { bytes.len() });
            if let Ok(chunk) = ColumnChunk::decode(&bytes.clone().into()) {
                assert!(
                    (0..chunk.cardinality()).all(|ordinal| !key(chunk.value(ordinal)).is_empty())
                );
                let again = merged(&[&bytes, &bytes]);
                assert!(again.unwrap_err().is_corruption());
            }
        }
    }
}

#[test]
fn claims_beyond_the_bytes_are_refused_before_memory_is_taken() {
    let dates = |rest: &[u8]| ColumnChunk::decode(&[&[1, 1], rest].concat().into()).is_err();
    // 2^32 consecutive dates; a width that is none; numbers beyond their span.
    assert!(dates(&[0x80, 0x80, 0x80, 0x80, 0x10, 9, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0]));
    assert!(dates(&[2, 9, 0, 9, 70, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(dates(&[2, 9, 0, 9, 4, 9, 0, 0, 1, 0, 2]));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_an_error_or_a_column(mut bytes: Vec<u8>, form in 0..16_u8) {
        let _ = ColumnChunk::decode(&bytes.clone().into());
        bytes.splice(..0, [1, form]);
        if let Ok(chunk) = ColumnChunk::decode(&bytes.clone().into()) {
            prop_assert!(chunk.cardinality() > 0);
            prop_assert!(chunk.ordinals(0).all(|ordinal| ordinal < chunk.cardinality()));
        }
    }
}

#[test]
fn a_full_chunk_of_what_is_accepted_is_a_value_that_the_store_accepts() {
    // As many values as are accepted, short ones that take the most beside what they are counted with, all of them different.
    let many = |n: i32, len: i32, value: fn(i32) -> Bson| {
        let values: Vec<Bson> = (n * len..(n + 1) * len).map(value).collect();
        RawDocumentBuf::try_from(&doc! { "v": values }).unwrap()
    };
    let documents: [&dyn Fn(i32) -> RawDocumentBuf; 5] = [
        &|n| many(n, 40, |i| Bson::Double(i.into())),
        &|n| many(n, 40, |i| Bson::Int64(i64::from(i) << 24)),
        &|n| many(n, 40, |i| Bson::String(format!("{i:08}"))),
        &|n| many(n, 40, |i| Bson::Document(doc! { "a": i })),
        &|n| rawdoc! { "v": format!("{n:0989}") },
    ];
    for document in documents {
        let path = Path::parse("v").unwrap();
        let indexer = ColumnIndexer::new(KeyspaceId(0), path.clone());
        let mut builder = ColumnChunkBuilder::default();
        for offset in 0..2_000 {
            let document = document(offset.into());
            indexer.check(&document).unwrap();
            builder.add(offset, &path, &document).unwrap();
        }
        let mut bytes = Vec::new();
        builder.finish_into(&mut bytes);
        // Ordinals of a full chunk have at most 6 bits more than those of so few documents.
        let of_document = bytes.len() / 2_000 + 40 * 6 / 8;
        assert!(of_document << 16 < VALUE_BYTES_MAX, "{of_document} bytes a document");
    }
}
