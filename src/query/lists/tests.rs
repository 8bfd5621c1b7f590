//! Postings in several parts against a map of their documents, for random parts of every shape.
//!
//! Whatever the parts are, documents, frequencies and positions are those of all parts, and bounds, impacts and scores say what
//! they promise about the score of each document. A document in two parts is an error.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::fts::{Drift, ImpactScale, PostingsBuilder, TermCounters};
use crate::query::bm25::{Parameters, rounding};

/// Positions by offset.
type Twin = BTreeMap<u16, Vec<u32>>;

/// The length code of a document.
fn code(offset: u16) -> u8 {
    (offset % 89).to_le_bytes()[0] + 1
}

/// Documents of some windows, few or many in each.
fn random_documents(rng: &mut fastrand::Rng) -> Twin {
    let mut twin = Twin::new();
    let rarest = [2, 20, 500, 3000][rng.usize(..4)];
    for window in 0..WINDOWS_LEN {
        if rng.u8(..3) > 0 {
            continue;
        }
        let rarity = rng.u16(1..=rarest);
        for offset in 0..4096 {
            if rng.u16(..rarity) > 0 {
                continue;
            }
            let offset = u16::try_from(window * WINDOW_LEN).unwrap() + offset;
            let frequency = 1 + if rng.u8(..4) == 0 { rng.u32(..30) } else { 0 };
            twin.insert(offset, (0..frequency).map(|index| index * 3 + rng.u32(..3)).collect());
        }
    }
    twin
}

/// Deals documents out: mixed, or one part behind the other.
fn deal(rng: &mut fastrand::Rng, twin: &Twin, parts_len: usize) -> Vec<Twin> {
    let mut parts = vec![Twin::new(); parts_len];
    let (is_mixed, mut turn) = (rng.bool(), 0);
    for (&offset, positions) in twin {
        if is_mixed || rng.usize(..twin.len()) < parts_len {
            // Later ones get fewer.
            let most = rng.usize(1..=parts_len);
            turn = rng.usize(..most);
        }
        parts[turn].insert(offset, positions.clone());
    }
    parts
}

fn value_of(part: &Twin, scale: &ImpactScale) -> Bytes {
    let mut builder = PostingsBuilder::default();
    for (&offset, positions) in part {
        builder.push(offset, code(offset), positions.iter().copied());
    }
    let mut out = Vec::new();
    // A part may have no documents and counters only.
    builder.finish_into(TermCounters { df: -1, ttf: -1 }, scale, &mut out);
    out.into()
}

#[test]
fn parts_are_what_all_of_their_documents_are() {
    let mut shapes = BTreeMap::<(usize, bool, bool), usize>::new();
    let mut lists = 0;
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let twin = random_documents(&mut rng);
        let parts_len = rng.usize(1..6);
        let parts = deal(&mut rng, &twin, parts_len);
        let average = |rng: &mut fastrand::Rng| 30.0 * (1.0 + rng.f32() * 0.1);
        let values: Vec<_> =
            parts.iter().map(|part| value_of(part, &ImpactScale::new(average(&mut rng)))).collect();
        let stored = StoredPostings::new(0, values.into_iter());
        let Some(mut chunk) = TermChunk::open(&stored).unwrap() else {
            assert!(twin.is_empty());
            continue;
        };
        let norms = Norms::new(Parameters::default(), 1000, 33_000);
        let bounds = Bounds::new(2.5, rounding(3), Drift::NONE);
        chunk.weigh(&norms, &bounds).unwrap();
        let score_of = |offset: u16| {
            let frequency = u32::try_from(twin[&offset].len()).unwrap();
            norms.score(bounds.weight(), frequency, code(offset))
        };
        let known: BTreeMap<u16, u32> =
            chunk.scores().map(|(offset, score)| (offset, score.to_bits())).collect();
        let all = twin.keys().map(|&offset| (offset, score_of(offset).to_bits())).collect();
        assert_eq!(known, if chunk.has_scores() { all } else { BTreeMap::new() });
        assert_eq!(chunk.has_scores(), !chunk.has_impacts());

        let mut found = Twin::new();
        for number in 0..WINDOWS_LEN {
            let (mut bits, mut of_window) = ([0; WINDOW_LEN / 8], [0; WINDOW_LEN / 8]);
            chunk.add_to(number, &mut bits, &mut [7; WINDOW_LEN]).unwrap();
            let Some(window) = chunk.window(number).unwrap() else {
                assert_eq!((chunk.count(number), bits), (0, of_window));
                continue;
            };
            assert_eq!(window.len(), chunk.count(number));
            window.add_to(&mut of_window);
            assert_eq!(bits, of_window);
            let holding = parts.iter().filter(|part| {
                part.keys().any(|offset| usize::from(*offset) / WINDOW_LEN == number)
            });
            let shape = (holding.count(), window.offsets().is_err(), chunk.has_scores());
            *shapes.entry(shape).or_default() += 1;
            let base = u16::try_from(number * WINDOW_LEN).unwrap();
            let bounds = bounds.with_drift(chunk.drift(number));
            let (mut index, mut finder) = (0, window.finder());
            for offset in base..=base + 4095 {
                assert_eq!(finder.find(offset), window.find(offset));
                let Some(at) = window.find(offset) else { continue };
                assert_eq!(at, index);
                index += 1;
                let positions = window.positions(offset, at).unwrap();
                let positions: Vec<u32> = positions.map(Result::unwrap).collect();
                assert_eq!(window.frequency(offset, at).unwrap() as usize, positions.len());
                assert!(found.insert(offset, positions).is_none());
                let score = score_of(offset);
                assert!(f64::from(score) <= chunk.bound(number));
                match window.marks() {
                    Marks::Codes(codes) => {
                        assert_eq!(codes[at], code(offset));
                        assert_eq!(window.scores()[at].to_bits(), score.to_bits());
                    }
                    Marks::Impacts(impacts) => {
                        assert!(window.scores().is_empty());
                        let (score, impact) = (f64::from(score), impacts[at]);
                        assert!(score <= bounds.above(impact) && score >= bounds.below(impact));
                        assert!(score >= bounds.on_line(impact) - bounds.slack());
                    }
                }
            }
            assert_eq!(index, window.len());
        }
        assert_eq!(found, twin, "seed {seed}");
        let mut scores: Vec<f64> = twin.keys().map(|&key| score_of(key).into()).collect();
        scores.sort_by(|left, right| right.total_cmp(left));
        for wanted in [1, 2, 10, 100, 1_000] {
            let mut reached = Reached::new(wanted, 0.0, bounds.full());
            chunk.count_reached(&mut reached);
            let threshold = reached.threshold();
            let kth = scores.get(wanted - 1).copied().unwrap_or_default();
            assert!(threshold <= kth, "seed {seed}: {threshold} is above {kth}, that of {wanted}");
            let is_list = |part: &Part<'_>| matches!(part.postings.body(), Body::List { .. });
            if chunk.parts().all(is_list) {
                // Of lists all impacts are known, and a step is the last that is not.
                let slack = chunk.parts().filter_map(|part| Some(part.bounds.as_ref()?.slack()));
                let slack = slack.fold(bounds.full() / 1_000.0, f64::max) + bounds.full() / 1_000.0;
                assert!(threshold >= kth - slack, "seed {seed}: {threshold} is far below {kth}");
                lists += usize::from(kth > 0.0);
            }
        }
    }
    assert!(lists > 100, "{lists} thresholds of lists");
    for several in [2, 3] {
        for (is_bitmap, has_scores) in [(false, false), (false, true), (true, false)] {
            assert!(shapes.contains_key(&(several, is_bitmap, has_scores)), "{shapes:?}");
        }
    }
}

#[test]
fn a_document_in_two_parts_is_an_error() {
    let mut rng = fastrand::Rng::with_seed(3);
    let twin = random_documents(&mut rng);
    let value = value_of(&twin, &ImpactScale::new(30.0));
    let stored = StoredPostings::new(0, [value.clone(), value].into_iter());
    let chunk = TermChunk::open(&stored).unwrap().unwrap();
    let window = usize::from(*twin.keys().next().unwrap()) / WINDOW_LEN;
    let error = chunk.window(window).unwrap_err();
    assert!(error.to_string().contains("stands in two parts"), "{error}");
}
