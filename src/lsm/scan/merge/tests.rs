//! A merge cursor against one map of all its runs, moved about at random. The runs are pending tables whose keys lie apart,
//! nearly so, or mix, so that long walks meet a rival late, soon, or with every step.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use super::*;
use crate::lsm::cursor::EntryKind;
use crate::lsm::scan::{PendingCursor, PendingTable};

const KEYS: u16 = 60;

/// Runs whose keys lie apart, lie apart but for a few, or mix.
fn random_runs(rng: &mut fastrand::Rng) -> Vec<PendingTable> {
    let count = rng.u16(1..6);
    let (apart, width) = (rng.bool(), KEYS / count);
    let run = |index: u16| {
        let own = if apart { index * width..(index + 1) * width } else { 0..KEYS };
        let mut keys: Vec<u16> = own.filter(|_| rng.u32(0..3) > 0).collect();
        keys.extend((0..rng.u32(0..2)).map(|_| rng.u16(0..KEYS)));
        let entry = |key: u16| {
            (
                key.to_be_bytes().to_vec(),
                (EntryKind::Put, Bytes::from(vec![index.to_be_bytes()[1]])),
            )
        };
        keys.into_iter().map(entry).collect()
    };
    (0..count).map(run).collect()
}

#[test]
fn several_runs_are_walked_like_one_map_of_them() {
    let mut streaks = 0;
    for seed in 0..500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let runs = random_runs(&mut rng);
        let mut all: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (index, run) in runs.iter().enumerate() {
            for key in run.keys() {
                all.entry(key.clone()).or_default().push(index);
            }
        }
        let sources =
            runs.iter().map(|run| Box::new(PendingCursor::new(run)) as Box<dyn RawCursor>);
        let mut cursor = MergeCursor::new(sources.collect());
        let mut at: Option<Vec<u8>> = None;
        let mut forward = true;
        for _ in 0..200 {
            let key = rng.u16(0..KEYS).to_be_bytes().to_vec();
            let behind = |key: &Vec<u8>| (Bound::Excluded(key.clone()), Bound::Unbounded);
            let before = |key: &Vec<u8>| (Bound::Unbounded, Bound::Excluded(key.clone()));
            // Long walks one way, now and then a turn or a jump.
            forward ^= rng.u32(0..12) == 0;
            let moved = match rng.u32(0..30) {
                0 => (cursor.first(), all.keys().next()),
                1 => (cursor.last(), all.keys().next_back()),
                2 => (cursor.seek_ge(&key), all.range(key..).next().map(|(key, _)| key)),
                3 => (cursor.seek_le(&key), all.range(..=key).next_back().map(|(key, _)| key)),
                _ if forward => {
                    let next = at.as_ref().and_then(|at| all.range(behind(at)).next());
                    (cursor.next(), next.map(|(key, _)| key))
                }
                _ => {
                    let next = at.as_ref().and_then(|at| all.range(before(at)).next_back());
                    (cursor.prev(), next.map(|(key, _)| key))
                }
            };
            moved.0.unwrap();
            at = moved.1.cloned();
            streaks += usize::from(cursor.rival != Rival::Unknown && runs.len() > 1);
            assert_eq!(cursor.valid(), at.is_some());
            assert_eq!(cursor.key(), at.as_deref().unwrap_or_default(), "seed {seed}");
            let held: Vec<usize> = cursor.entries_by_source().map(|(index, _)| index).collect();
            let expected = at.as_ref().map(|at| all[at].clone()).unwrap_or_default();
            assert_eq!(held, expected);
            assert_eq!(cursor.only().is_some(), expected.len() == 1);
        }
    }
    assert!(streaks > 5000, "{streaks}");
}
