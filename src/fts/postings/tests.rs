//! Postings and positions against maps of documents and their positions, with random contents.
//!
//! What is built comes back. Joining in any order and grouping gives the bytes that building all at once
//! gives. Bytes that nobody wrote give errors and no panics.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fts::ids::FieldId;
use crate::fts::keyspace;
use crate::lsm::{MergeOperator, Result};

/// Documents by offset, with the positions of each.
type Twin = BTreeMap<u16, Vec<u32>>;

fn postings_of(twin: &Twin) -> Vec<u8> {
    let mut builder = PostingsBuilder::default();
    for (&offset, positions) in twin {
        builder.push(offset, u32::try_from(positions.len()).unwrap());
    }
    assert_eq!(builder.count() as usize, twin.len());
    builder.finish()
}

fn positions_of(twin: &Twin) -> Vec<u8> {
    let mut builder = PositionsBuilder::default();
    for (&offset, positions) in twin {
        builder.push(offset, positions.iter().copied());
    }
    assert_eq!(builder.count() as usize, twin.len());
    builder.finish()
}

fn read_postings(bytes: &[u8]) -> Result<Vec<(u16, u32)>> {
    Postings::parse(bytes)?.iter().collect()
}

fn read_positions(bytes: &[u8]) -> Result<Twin> {
    let mut cursor = Positions::parse(bytes)?.cursor();
    let (mut twin, mut positions) = (Twin::new(), Vec::new());
    while let Some(offset) = cursor.advance()? {
        cursor.positions(&mut positions)?;
        twin.insert(offset, positions.clone());
    }
    Ok(twin)
}

fn joined(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    TextOperator.merge(key, parts, &mut out).unwrap();
    out
}

fn any_positions() -> impl Strategy<Value = Vec<u32>> {
    let position = prop_oneof![0..50_u32, any::<u32>()];
    proptest::collection::vec(position, 1..6).prop_map(|mut positions| {
        positions.sort_unstable();
        positions
    })
}

fn any_twin() -> impl Strategy<Value = Twin> {
    let offset = prop_oneof![0..40_u16, any::<u16>(), Just(u16::MAX)];
    proptest::collection::btree_map(offset, any_positions(), 1..40)
}

/// Splits a map at random into parts: ranges that do not interleave, or any documents.
fn split(twin: &Twin, part_of: &[u8], ranges: bool) -> Vec<Twin> {
    let mut parts = vec![Twin::new(); 4];
    for (index, (&offset, positions)) in twin.iter().enumerate() {
        let any = usize::from(part_of[index % part_of.len()]) % 4;
        let part = if ranges { index * 4 / twin.len() } else { any };
        parts[part].insert(offset, positions.clone());
    }
    parts.retain(|part| !part.is_empty());
    parts
}

proptest! {
    #[test]
    fn what_is_built_comes_back(twin in any_twin(), target: u16) {
        let postings = postings_of(&twin);
        let expected: Vec<_> = twin.iter().map(|(&o, p)| (o, u32::try_from(p.len()).unwrap())).collect();
        prop_assert_eq!(read_postings(&postings).unwrap(), expected);
        let head = Postings::parse(&postings).unwrap();
        prop_assert_eq!(Some(&head.first()), twin.keys().next());
        prop_assert_eq!(Some(&head.last()), twin.keys().next_back());
        prop_assert_eq!(head.count() as usize, twin.len());

        let positions = positions_of(&twin);
        prop_assert_eq!(&read_positions(&positions).unwrap(), &twin);
        let mut cursor = Positions::parse(&positions).unwrap().cursor();
        let (mut out, found) = (vec![7], twin.range(target..).next());
        prop_assert_eq!(cursor.seek(target).unwrap(), found.map(|(&offset, _)| offset));
        prop_assert_eq!(cursor.seek(target).unwrap(), cursor.offset());
        cursor.positions(&mut out).unwrap();
        prop_assert_eq!(Some(&out).filter(|out| !out.is_empty()), found.map(|(_, positions)| positions));
    }

    #[test]
    fn joining_in_any_order_and_grouping_gives_the_whole(
        twin in any_twin(),
        part_of in proptest::collection::vec(any::<u8>(), 8),
        ranges: bool,
        rotate in 0..4_usize,
    ) {
        for (key, encode) in [
            (keyspace::postings_key(FieldId(0), b"t", 1), postings_of as fn(&Twin) -> Vec<u8>),
            (keyspace::positions_key(FieldId(0), b"t", 1), positions_of),
        ] {
            let mut parts: Vec<_> = split(&twin, &part_of, ranges).iter().map(encode).collect();
            let shift = rotate % parts.len();
            parts.rotate_left(shift);
            let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
            let whole = encode(&twin);
            prop_assert_eq!(&joined(&key, &parts), &whole);
            for cut in 1..parts.len() {
                let (left, right) = parts.split_at(cut);
                let (left, right) = (joined(&key, left), joined(&key, right));
                prop_assert_eq!(&joined(&key, &[&left, &right]), &whole);
                prop_assert_eq!(&joined(&key, &[&right, &left]), &whole);
            }
        }
    }

    #[test]
    fn a_document_in_two_parts_is_an_error(twin in any_twin(), other in any_twin()) {
        let mut other = other;
        let (&offset, _) = twin.iter().next().unwrap();
        other.insert(offset, vec![1]);
        let mut out = Vec::new();
        let postings = join_postings(&[&postings_of(&twin), &postings_of(&other)], &mut out);
        prop_assert!(postings.unwrap_err().is_corruption());
        let positions = join_positions(&[&positions_of(&twin), &positions_of(&other)], &mut out);
        prop_assert!(positions.unwrap_err().is_corruption());
    }

    #[test]
    fn retaining_equals_building_from_what_is_kept(twin in any_twin(), divisor in 1..4_u16) {
        let mut kept = twin.clone();
        kept.retain(|offset, _| offset.is_multiple_of(divisor));
        let mut keep = |offset: u16| offset.is_multiple_of(divisor);
        let postings = retain_postings(&postings_of(&twin), &mut keep).unwrap();
        let positions = retain_positions(&positions_of(&twin), &mut keep).unwrap();
        if kept.len() == twin.len() {
            prop_assert_eq!((postings, positions), (Retained::Everything, Retained::Everything));
        } else if kept.is_empty() {
            prop_assert_eq!((postings, positions), (Retained::Nothing, Retained::Nothing));
        } else {
            prop_assert_eq!(postings, Retained::Part(postings_of(&kept)));
            prop_assert_eq!(positions, Retained::Part(positions_of(&kept)));
        }
    }

    #[test]
    fn arbitrary_and_damaged_bytes_give_errors_and_no_panics(
        mut bytes: Vec<u8>,
        twin in any_twin(),
        at: u16,
        flip: u8,
    ) {
        for tame in [false, true] {
            if tame && !bytes.is_empty() {
                bytes[0] = 1;
            }
            let _ = read_postings(&bytes);
            let _ = read_positions(&bytes);
        }
        let mut postings = postings_of(&twin);
        let at_posting = usize::from(at) % postings.len();
        prop_assert!(read_postings(&postings[..at_posting]).is_err());
        postings[at_posting] ^= flip;
        let _ = read_postings(&postings);
        let _ = join_postings(&[&postings, &bytes], &mut Vec::new());
        let _ = join_postings(&[&postings, &postings_of(&twin)], &mut Vec::new());
        let mut positions = positions_of(&twin);
        let at_position = usize::from(at) % positions.len();
        prop_assert!(read_positions(&positions[..at_position]).is_err());
        positions[at_position] ^= flip;
        let _ = read_positions(&positions);
        let _ = join_positions(&[&positions, &bytes], &mut Vec::new());
        let _ = join_positions(&[&positions, &positions_of(&twin)], &mut Vec::new());
    }
}

#[test]
fn a_full_chunk_comes_back_and_joins() {
    let full: Twin = (0..=u16::MAX).map(|offset| (offset, vec![u32::from(offset)])).collect();
    let parts = split(&full, &[0], true);
    let parts: Vec<_> = parts.iter().map(postings_of).collect();
    let parts: Vec<_> = parts.iter().rev().map(Vec::as_slice).collect();
    let mut out = Vec::new();
    join_postings(&parts, &mut out).unwrap();
    assert_eq!(out, postings_of(&full));
    assert_eq!(Postings::parse(&out).unwrap().count(), 65_536);
    assert_eq!(read_positions(&positions_of(&full)).unwrap(), full);
}

#[test]
fn headers_are_summed() {
    let out = joined(&keyspace::header_key(FieldId(0), b"t"), &[&[1, 4, 6], &[1, 1, 1]]);
    assert_eq!(out, [1, 2, 4]);
}

#[test]
fn heads_that_cannot_be_true_are_refused() {
    let heads: [&[u8]; 7] = [
        &[2, 0, 0, 0, 0, 1, 1],                   // unknown version
        &[1, 5, 0, 4, 0, 1, 1],                   // last before first
        &[1, 4, 0, 5, 0, 1, 1],                   // one document, two ends
        &[1, 4, 0, 4, 0, 2, 1, 1, 1],             // two documents, one end
        &[1, 4, 0, 5, 0, 3, 1, 1, 1, 1, 1],       // more documents than offsets
        &[1, 0, 0, 0xFF, 0xFF, 0x80, 0x80, 4, 1], // more documents than bytes
        &[1, 4, 0, 4, 0, 0],                      // no document
    ];
    for head in heads {
        assert!(Postings::parse(head).is_err(), "{head:?}");
        assert!(Positions::parse(head).is_err(), "{head:?}");
    }
}

#[test]
fn the_format_page_shows_true_bytes() {
    let twin: Twin = [(3, vec![8, 15]), (300, vec![2])].into();
    assert_eq!(postings_of(&twin), [1, 3, 0, 0x2C, 1, 2, 2, 0xA9, 2, 1]);
    assert_eq!(positions_of(&twin), [1, 3, 0, 0x2C, 1, 2, 2, 8, 7, 0xA9, 2, 1, 2]);
    let page = include_str!("../../../docs/format/postings.md");
    assert!(page.contains("01  03 00  2C 01  02  02  A9 02  01"));
    assert!(page.contains("01  03 00  2C 01  02  02 08 07  A9 02  01 02"));
}
