//! Values against maps of documents and their positions, with random contents of every shape.
//!
//! What is built comes back. Joining in any order and grouping says what building all at once says, and taking documents out
//! says what never adding them says. Marks agree with lengths throughout. Bytes that nobody wrote give errors and no panics.

use std::collections::BTreeMap;

use super::*;
use crate::fts::counters::TermCounters;
use crate::fts::ids::FieldId;
use crate::fts::impact::{Averages, ImpactScale};
use crate::fts::keyspace;
use crate::fts::norms::{LengthCodes, LengthCodesBuilder};
use crate::lsm::{MergeOperator, Result};

/// Documents by offset, with the positions of each.
type Twin = BTreeMap<u16, Vec<u32>>;

/// The length code of a document, the same in all tests.
fn code(offset: u16) -> u8 {
    (offset % 97).to_le_bytes()[0] + 1
}

fn lengths() -> Vec<u8> {
    let mut builder = LengthCodesBuilder::default();
    for offset in 0..=u16::MAX {
        builder.push(offset, code(offset));
    }
    let mut out = Vec::new();
    builder.finish_into(&mut out);
    out
}

fn value_of(twin: &Twin, average: f32) -> Vec<u8> {
    let mut builder = PostingsBuilder::default();
    for (&offset, positions) in twin {
        builder.push(offset, code(offset), positions.iter().copied());
    }
    assert_eq!(builder.count(), twin.len());
    let mut out = Vec::new();
    builder.finish_into(TermCounters::default(), &ImpactScale::new(average), &mut out);
    out
}

fn counters_of(twin: &Twin) -> TermCounters {
    let ttf: usize = twin.values().map(Vec::len).sum();
    TermCounters { df: twin.len().try_into().unwrap(), ttf: ttf.try_into().unwrap() }
}

fn read(bytes: &[u8]) -> Result<Twin> {
    let mut twin = Twin::new();
    Postings::parse(bytes)?.each(&mut |offset, positions| {
        assert!(twin.insert(offset, positions.to_vec()).is_none());
        Ok(())
    })?;
    Ok(twin)
}

/// Everything that a value says has to be what the map says.
fn check(bytes: &[u8], twin: &Twin, counters: TermCounters, lengths: &LengthCodes<'_>) {
    let postings = Postings::parse(bytes).unwrap();
    assert_eq!(&read(bytes).unwrap(), twin);
    assert_eq!(postings.counters(), counters);
    assert_eq!(Postings::counters_of(bytes).unwrap(), counters);
    assert_eq!(postings.count(), twin.len());
    let ends = (twin.keys().next(), twin.keys().next_back());
    assert_eq!(ends.0.copied().unwrap_or_default(), postings.first());
    assert_eq!(ends.1.copied().unwrap_or_default(), postings.last());
    assert_eq!(postings.wrong_mark(Some(lengths)).unwrap(), None);
    check_single_looks(&postings, twin);
}

/// Frequencies and positions that are looked up one by one.
fn check_single_looks(postings: &Postings<'_>, twin: &Twin) {
    let mut rng = fastrand::Rng::with_seed(twin.len() as u64);
    let mut blocks = Vec::new();
    match postings.body() {
        Body::None => {}
        Body::List { block, .. } => blocks.push((0, *block)),
        Body::Windows(windows) => {
            for window in 0..WINDOWS_LEN {
                let block = windows.block(window).unwrap();
                assert_eq!(block.map_or(0, |block| block.count()), windows.count(window));
                let impacts = block.map_or(&[][..], |block| block.marks().bytes());
                assert_eq!(windows.impacts(window).unwrap(), impacts);
                blocks.extend(block.map(|block| (window * WINDOW_LEN, block)));
            }
        }
    }
    for (base, block) in blocks {
        let mut offsets = Vec::new();
        let ranks = block.frequency_ranks();
        block.read_offsets(&mut offsets).unwrap();
        assert_eq!(block.decode_offsets(&mut [0; WINDOW_LEN]).unwrap(), offsets);
        block.check_bitmap().unwrap();
        assert_eq!(offsets.len(), block.count());
        assert_eq!(block.marks().bytes().len(), block.count());
        let (mut place, mut table) = (PositionsPlace::default(), PositionTable::default());
        // What a table held before is gone.
        let all_fit = [(); 2].map(|()| block.read_positions(&mut table).unwrap());
        let in_chunk = |offset: &u16| u16::try_from(base + usize::from(*offset)).unwrap();
        let lasts = offsets.iter().map(|offset| twin[&in_chunk(offset)].last().unwrap());
        let sum = lasts.map(|&last| u64::from(last)).sum::<u64>();
        assert_eq!(all_fit, [u32::try_from(sum).is_ok(); 2]);
        for (index, offset) in offsets.iter().enumerate().filter(|_| all_fit[0]) {
            assert_eq!(table.positions(index).collect::<Vec<u32>>(), twin[&in_chunk(offset)]);
        }
        assert!(!all_fit[0] || table.positions(offsets.len()).count() == 0);
        for turn in 0..offsets.len().min(20) {
            // Now and then on from where the last one was, as searches do.
            let behind = turn * 7 % offsets.len();
            let index = if rng.bool() { rng.usize(..offsets.len()) } else { behind };
            let offset = u16::try_from(base + usize::from(offsets[index])).unwrap();
            let positions = block.positions(index, &ranks, &mut place).unwrap();
            let positions: Vec<u32> = positions.map(Result::unwrap).collect();
            assert_eq!(positions, twin[&offset]);
            assert_eq!(block.frequency(index, &ranks).unwrap() as usize, positions.len());
        }
    }
}

fn random_positions(rng: &mut fastrand::Rng, far: u8) -> Vec<u32> {
    let len = match rng.u8(..40) {
        0 => rng.usize(1..60),
        1..10 => rng.usize(1..5),
        _ => 1,
    };
    let end = if rng.u8(..20) < far { u32::MAX } else { 400 };
    let mut positions: Vec<u32> = (0..len).map(|_| rng.u32(..=end)).collect();
    positions.sort_unstable();
    positions
}

/// Documents of a random number, density and place.
fn random_twin(rng: &mut fastrand::Rng) -> Twin {
    let len = match rng.u8(..6) {
        0 => 1,
        1 => rng.usize(1..5),
        2 => rng.usize(1..300),
        3 => rng.usize(900..1200),
        4 => rng.usize(1000..9000),
        _ => rng.usize(1..40),
    };
    let span = match rng.u8(..3) {
        0 => u16::MAX,
        1 => rng.u16(..),
        _ => u16::try_from(len.max(10) * 2).unwrap_or(u16::MAX),
    };
    let start = rng.u16(..=u16::MAX - span);
    let far = rng.u8(..2);
    (0..len).map(|_| (start + rng.u16(..=span), random_positions(rng, far))).collect()
}

/// Splits a map at random into parts: ranges that do not interleave, or any documents.
fn split(twin: &Twin, rng: &mut fastrand::Rng) -> Vec<Twin> {
    let ranges = rng.bool();
    let mut parts = vec![Twin::new(); rng.usize(1..6)];
    let len = parts.len();
    for (index, (&offset, positions)) in twin.iter().enumerate() {
        let part = if ranges { index * len / twin.len() } else { rng.usize(..len) };
        parts[part].insert(offset, positions.clone());
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let key = keyspace::postings_key(FieldId(0), b"t", 1);
    TextOperator.merge(&key, parts, &mut out).unwrap();
    out
}

#[test]
fn what_is_built_comes_back_in_every_shape() {
    let lengths = lengths();
    let lengths = LengthCodes::parse(&lengths).unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut shapes = [0; 4];
    for _ in 0..200 {
        let twin = random_twin(&mut rng);
        let value = value_of(&twin, 40.0);
        check(&value, &twin, counters_of(&twin), &lengths);
        let postings = Postings::parse(&value).unwrap();
        shapes[match postings.body() {
            Body::None => unreachable!("there are documents"),
            Body::List { block, .. } if block.count() == 1 => 0,
            Body::List { block, .. } if matches!(block.marks(), Marks::Codes(_)) => 1,
            Body::List { .. } => 2,
            Body::Windows(_) => 3,
        }] += 1;
    }
    assert!(shapes.iter().all(|&seen| seen > 5), "{shapes:?}");
}

#[test]
fn joining_in_any_order_and_grouping_says_the_whole() {
    let lengths = lengths();
    let lengths = LengthCodes::parse(&lengths).unwrap();
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..150 {
        let twin = random_twin(&mut rng);
        let counters = counters_of(&twin);
        let parts = split(&twin, &mut rng);
        let mut values: Vec<Vec<u8>> =
            parts.iter().map(|part| value_of(part, 30.0 + 20.0 * rng.f32())).collect();
        rng.shuffle(&mut values);
        let parts: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        check(&joined(&parts), &twin, counters, &lengths);
        for cut in 1..parts.len() {
            let (left, right) = parts.split_at(cut);
            let (left, right) = (joined(left), joined(right));
            check(&joined(&[&left, &right]), &twin, counters, &lengths);
            check(&joined(&[&right, &left]), &twin, counters, &lengths);
        }
    }
}

#[test]
fn counters_are_summed_whatever_becomes_of_the_documents() {
    let lengths = lengths();
    let lengths = LengthCodes::parse(&lengths).unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..150 {
        let twin = random_twin(&mut rng);
        let dead: Vec<u16> = twin.keys().copied().filter(|_| rng.u8(..3) == 0).collect();
        let mut value = value_of(&twin, 40.0);
        let mut living = twin.clone();
        let mut removed = TermCounters::default();
        for offset in &dead {
            let positions = living.remove(offset).unwrap();
            removed.df -= 1;
            removed.ttf -= i64::try_from(positions.len()).unwrap();
        }
        if !dead.is_empty() {
            let mut counters = Vec::new();
            PostingsBuilder::default().finish_into(removed, &ImpactScale::new(1.0), &mut counters);
            value = joined(&[&counters, &value]);
        }
        check(&value, &twin, counters_of(&living), &lengths);
        let scale = ImpactScale::new(rng.f32() * 100.0);
        let weights = Some(Weights { lengths, scale: &scale }).filter(|_| rng.bool());
        let has_impacts = Postings::parse(&value).unwrap().averages().is_some();
        let changes = !dead.is_empty() || weights.is_some() && has_impacts;
        match rewrite(&value, &mut |offset| !dead.contains(&offset), weights).unwrap() {
            Rewritten::Same => assert!(!changes),
            Rewritten::Nothing => assert!(living.is_empty()),
            Rewritten::Changed(value) => {
                assert!(changes);
                check(&value, &living, counters_of(&living), &lengths);
                let averages = Postings::parse(&value).unwrap().averages();
                let expected = weights.map_or(40.0, |weights| weights.scale.average());
                assert!(averages.is_none_or(|averages| averages == Averages::of(expected)));
            }
        }
    }
    let mut nothing = Vec::new();
    let zero = TermCounters::default();
    PostingsBuilder::default().finish_into(zero, &ImpactScale::new(1.0), &mut nothing);
    assert!(nothing.is_empty());
}

#[test]
fn a_document_in_two_parts_is_an_error() {
    let mut rng = fastrand::Rng::with_seed(4);
    for _ in 0..60 {
        let twin = random_twin(&mut rng);
        let mut other = random_twin(&mut rng);
        let (&offset, positions) = twin.iter().nth(rng.usize(..twin.len())).unwrap();
        other.insert(offset, positions.clone());
        let error = join(&[&value_of(&twin, 9.0), &value_of(&other, 9.0)], &mut Vec::new());
        assert!(error.unwrap_err().is_corruption());
    }
}

#[test]
fn bytes_that_nobody_wrote_are_errors_or_postings() {
    let mut rng = fastrand::Rng::with_seed(5);
    let touch = |bytes: &[u8]| {
        let Ok(postings) = Postings::parse(bytes) else { return };
        let _ = postings.wrong_mark(None);
        if let Body::Windows(windows) = postings.body() {
            for window in 0..WINDOWS_LEN {
                let _ = windows.impacts(window);
                if let Ok(Some(block)) = windows.block(window) {
                    let _ = block.decode_offsets(&mut [0; WINDOW_LEN]);
                    let ranks = block.frequency_ranks();
                    let _ = block.frequency(block.count() / 2, &ranks);
                    let (mut place, mut table) =
                        (PositionsPlace::default(), PositionTable::default());
                    let _ = block.read_positions(&mut table);
                    (0..=block.count()).for_each(|index| table.positions(index).for_each(drop));
                    for index in [0, block.count() / 2, block.count() - 1] {
                        if let Ok(positions) = block.positions(index, &ranks, &mut place) {
                            positions.for_each(drop);
                        }
                    }
                }
            }
        }
        let lengths = lengths();
        let scale = &ImpactScale::new(5.0);
        let weights = Weights { lengths: LengthCodes::parse(&lengths).unwrap(), scale };
        let _ = rewrite(bytes, &mut |offset| offset % 2 == 0, None);
        let _ = rewrite(bytes, &mut |offset| offset % 2 == 0, Some(weights));
        let other = value_of(&Twin::from([(9, vec![1])]), 3.0);
        let _ = join(&[bytes, &other], &mut Vec::new());
    };
    for _ in 0..400 {
        let mut value = value_of(&random_twin(&mut rng), 40.0);
        for _ in 0..rng.usize(1..4) {
            // The directory, more often than not.
            let end = if rng.u8(..3) > 0 { value.len().min(64) } else { value.len() };
            let at = rng.usize(..end);
            value[at] = rng.u8(..);
        }
        touch(&value);
        value.truncate(rng.usize(..=value.len()));
        touch(&value);
    }
    for _ in 0..2000 {
        let len = rng.usize(..60);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
        if let Some(tag) = bytes.first_mut() {
            *tag = 0x20 | *tag & 0x0F;
        }
        touch(&bytes);
    }
}

fn digit(number: u8) -> char {
    char::from_digit(number.into(), 16).unwrap().to_ascii_uppercase()
}

#[test]
fn the_format_page_shows_true_bytes() {
    let hex = |bytes: &[u8]| -> String {
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
    };
    let page = include_str!("../../../docs/format/postings.md");
    let shown: Vec<String> = page.lines().map(|line| line.replace(' ', "")).collect();
    let scale = ImpactScale::new(1.0);
    let mut builder = PostingsBuilder::default();
    let mut value = |documents: &[(u16, u8, &[u32])], removed| {
        for (offset, code, positions) in documents {
            builder.push(*offset, *code, positions.iter().copied());
        }
        let mut out = Vec::new();
        builder.finish_into(removed, &scale, &mut out);
        hex(&out)
    };
    let nothing = TermCounters::default();
    let (first, second) = ((3, 12, [8, 15].as_slice()), (300, 40, [2].as_slice()));
    for expected in [
        value(&[first], nothing),
        value(&[first, second], nothing),
        value(&[], TermCounters { df: -1, ttf: -2 }),
    ] {
        assert!(shown.contains(&expected), "{expected}");
    }
}
