//! Range tombstones against a set of single keys: every key of a small alphabet is asked for, one by one.
//!
//! Keys are all strings of up to three bytes out of 0, 7 and 0xFF, so that neighbours, prefixes, the empty key and
//! bounds without successor all occur; tests of the store take theirs from here. Runs are compared with a map per key in which newest wins.

use super::*;
use crate::lsm::codec::ByteReader;

const ALPHABET: [u8; 3] = [0, 7, u8::MAX];

/// All keys, in order.
fn keys() -> Vec<Vec<u8>> {
    let mut keys = vec![Vec::new()];
    for len in 0..3 {
        let longest = keys.clone().into_iter().filter(|key| key.len() == len);
        let longer = longest.flat_map(|key| ALPHABET.map(|byte| [&key[..], &[byte]].concat()));
        keys.extend(longer.collect::<Vec<_>>());
    }
    keys.sort();
    keys
}

/// A key of the alphabet.
pub(crate) fn random_key(rng: &mut fastrand::Rng) -> Vec<u8> {
    (0..rng.usize(0..4)).map(|_| ALPHABET[rng.usize(0..3)]).collect()
}

/// A bound of any kind, mostly of a key.
pub(crate) fn random_bound(rng: &mut fastrand::Rng) -> Bound<Vec<u8>> {
    match rng.u32(0..8) {
        0 => Bound::Unbounded,
        1..5 => Bound::Included(random_key(rng)),
        _ => Bound::Excluded(random_key(rng)),
    }
}

/// Whether a key is between two bounds, the obvious way.
pub(crate) fn is_between(key: &[u8], lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    let from = match lower {
        Bound::Unbounded => true,
        Bound::Included(bound) => key >= &bound[..],
        Bound::Excluded(bound) => key > &bound[..],
    };
    let to = match upper {
        Bound::Unbounded => true,
        Bound::Included(bound) => key <= &bound[..],
        Bound::Excluded(bound) => key < &bound[..],
    };
    from && to
}

fn check_form(ranges: &Ranges) {
    let list: Vec<KeyRange> = ranges.iter().collect();
    for range in &list {
        assert!(range.ends_behind(&range.lower), "{range:?} has a key");
    }
    for pair in list.windows(2) {
        let end = pair[0].upper.as_ref().expect("only the last one may have no end");
        assert!(*end < pair[1].lower, "ranges neither touch nor overlap: {list:?}");
    }
    let memory_bytes: usize = list.iter().map(KeyRange::memory_bytes).sum();
    assert_eq!(ranges.memory_bytes(), memory_bytes);
    let mut bytes = Vec::new();
    ranges.encode(&mut bytes);
    let mut reader = ByteReader::new("test", &bytes);
    assert_eq!(Ranges::decode(&mut reader).unwrap(), *ranges);
    reader.expect_end().unwrap();
}

/// Every answer about every key and every pair of keys.
fn check_answers(ranges: &Ranges, covered: &[bool], keys: &[Vec<u8>]) {
    for (key, &is_covered) in keys.iter().zip(covered) {
        assert_eq!(ranges.covers(key), is_covered, "{key:?} in {ranges:?}");
        let stretch = ranges.stretch(key);
        assert!(stretch.keys.contains(key) && stretch.is_covered == is_covered);
        for (other, &other_covered) in keys.iter().zip(covered) {
            if stretch.keys.contains(other) {
                assert_eq!(other_covered, is_covered, "one stretch is of one kind");
            }
        }
    }
}

#[test]
fn ranges_cover_what_a_set_of_keys_says() {
    let keys = keys();
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut ranges, mut covered) = (Ranges::default(), vec![false; keys.len()]);
        for _ in 0..rng.usize(1..8) {
            let (lower, upper) = (random_bound(&mut rng), random_bound(&mut rng));
            let slices = (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
            let range = KeyRange::between(slices.0, slices.1);
            for (key, covered) in keys.iter().zip(&mut covered) {
                let inside = is_between(key, &lower, &upper);
                assert_eq!(range.as_ref().is_some_and(|range| range.contains(key)), inside);
                *covered |= inside;
            }
            ranges.extend(range);
            check_form(&ranges);
        }
        check_answers(&ranges, &covered, &keys);
    }
}

#[test]
fn united_and_cut_ranges_cover_the_same_keys() {
    let keys = keys();
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut random = || {
            let mut ranges = Ranges::default();
            for _ in 0..rng.usize(0..6) {
                let (lower, upper) = (random_key(&mut rng), random_key(&mut rng));
                let range = KeyRange::between(Bound::Included(&lower), Bound::Excluded(&upper));
                ranges.extend(range);
            }
            ranges
        };
        let (left, right) = (random(), random());
        let mut both = left.clone();
        both.unite(&right);
        check_form(&both);
        for key in &keys {
            assert_eq!(both.covers(key), left.covers(key) || right.covers(key));
        }
        for (one, other) in left.iter().flat_map(|one| right.iter().map(move |r| (one.clone(), r)))
        {
            let (common, hull) = (one.intersection(&other), one.hull(&other));
            for key in &keys {
                let in_both = one.contains(key) && other.contains(key);
                assert_eq!(common.as_ref().is_some_and(|common| common.contains(key)), in_both);
                assert!(hull.contains(key) || !(one.contains(key) || other.contains(key)));
            }
        }
        // Every bound is one of the keys, so what is covered between two of them shows in the keys.
        for (lower, upper) in keys.iter().zip(keys.iter().skip(5)) {
            let range = KeyRange::between(Bound::Included(lower), Bound::Excluded(upper)).unwrap();
            let all = keys.iter().all(|key| !range.contains(key) || both.covers(key));
            assert_eq!(both.cover_all(&range), all);
        }
        // Cut at a key and put together again, nothing is lost.
        let mut again = Ranges::default();
        let cut = &keys[rng.usize(0..keys.len())];
        for half in [
            KeyRange::between(Bound::Unbounded, Bound::Excluded(cut)),
            KeyRange::between(Bound::Included(cut), Bound::Unbounded),
        ] {
            let Some(half) = half else { continue };
            again.extend(both.iter().filter_map(|range| range.intersection(&half)));
        }
        assert_eq!(again, both);
    }
}

#[test]
fn a_bound_longer_than_any_key_is_replaced_by_the_next_key() {
    let longest = vec![5; KEY_BYTES_MAX];
    let behind = KeyRange::between(Bound::Excluded(&longest), Bound::Unbounded).unwrap();
    assert!(!behind.contains(&longest) && behind.contains(&[6]));
    assert!(behind.lower.len() <= KEY_BYTES_MAX);
    let through = KeyRange::between(Bound::Unbounded, Bound::Included(&longest)).unwrap();
    assert!(through.contains(&longest) && !through.contains(&behind.lower));
    let last = vec![u8::MAX; KEY_BYTES_MAX];
    assert_eq!(
        KeyRange::between(Bound::Excluded(&last), Bound::Unbounded),
        None,
        "no key is behind"
    );
    let all = KeyRange::between(Bound::Unbounded, Bound::Included(&last)).unwrap();
    assert_eq!(all, KeyRange::default());
}

#[test]
fn a_prefix_is_the_range_of_its_keys() {
    let keys = keys();
    for prefix in &keys {
        let range = KeyRange::of_prefix(prefix);
        assert!(keys.iter().all(|key| range.contains(key) == key.starts_with(prefix)));
    }
}

#[test]
fn an_end_is_before_what_is_behind_it() {
    let keys = keys();
    let ends = keys.iter().flat_map(|key| {
        let key = Bytes::copy_from_slice(key);
        [KeyEnd::Excluded(key.clone()), KeyEnd::Included(key)]
    });
    let ends: Vec<KeyEnd> = ends.chain([KeyEnd::Unbounded]).collect();
    assert!(ends.is_sorted());
    for end in &ends {
        let upper = end.upper();
        let keys_up_to = KeyRange { lower: Bytes::new(), upper };
        assert!(keys.iter().all(|key| end.is_before(key) != keys_up_to.contains(key)));
    }
}

#[test]
fn ranges_that_are_not_in_their_form_are_refused() {
    let range = |lower: &[u8], upper: Option<&[u8]>| {
        let mut out = Vec::new();
        put_varint(&mut out, lower.len() as u64);
        out.extend_from_slice(lower);
        put_varint(&mut out, upper.map_or(0, |upper| upper.len() as u64 + 1));
        out.extend_from_slice(upper.unwrap_or_default());
        out
    };
    let decode = |ranges: &[Vec<u8>]| {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, ranges.len() as u64);
        bytes.extend(ranges.concat());
        Ranges::decode(&mut ByteReader::new("test", &bytes))
    };
    assert_eq!(decode(&[range(b"a", Some(b"b")), range(b"c", None)]).unwrap().len(), 2);
    let long = vec![1; KEY_BYTES_MAX + 1];
    for wrong in [
        vec![range(b"b", Some(b"b"))],
        vec![range(b"b", Some(b"a"))],
        vec![range(b"a", Some(b"b")), range(b"b", Some(b"c"))],
        vec![range(b"c", Some(b"d")), range(b"a", Some(b"b"))],
        vec![range(b"a", None), range(b"b", Some(b"c"))],
        vec![range(b"a", Some(&long))],
        vec![range(&long, None)],
    ] {
        assert!(decode(&wrong).unwrap_err().is_corruption(), "{wrong:?}");
    }
    assert!(Ranges::decode(&mut ByteReader::new("test", &[200, 1])).is_err(), "more than there is");
}
