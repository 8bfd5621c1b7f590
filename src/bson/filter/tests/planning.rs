//! Tests of what filters say to those who plan searches: ranges of keys, alternatives, implications.
//!
//! A table holds the bytes of ranges. Random filters are then held against [`Filter::matches`]: a
//! document that is wanted has a key in the ranges, and where they are said to be exact no other
//! has one; what is implied holds wherever the filter does.

use super::super::super::index_key::{Direction, KeyField, KeyShape};
use super::super::super::json::{parse_json, to_json};
use super::super::{Filter, KeyRanges};
use super::random::Random;
use super::{parse, raw};
use bson::{Document, RawDocumentBuf, doc, rawdoc};
use std::fmt::Write;

/// Fields as in `a -b.c`, where `-` is descending.
fn shape(fields: &str) -> KeyShape {
    let field = |text: &str| match text.strip_prefix('-') {
        Some(path) => KeyField { path: path.to_owned(), direction: Direction::Descending },
        None => KeyField { path: text.to_owned(), direction: Direction::Ascending },
    };
    KeyShape::new(fields.split(' ').map(field)).expect("fields")
}

fn hex(bytes: &[u8]) -> String {
    format!("{bytes:02x?}").replace(['[', ']', ',', ' '], "")
}

/// As in `= 1f02..1f03 1f04..1f05`, with `<` instead of `=` for what is not exact.
fn shown(ranges: Option<&KeyRanges>) -> String {
    let Some(KeyRanges { ranges, is_exact }) = ranges else { return "-".to_owned() };
    let mut text = if *is_exact { "=" } else { "<" }.to_owned();
    for range in ranges {
        let upper = range.upper.as_deref().map(hex).unwrap_or_default();
        write!(text, " {}..{upper}", hex(&range.lower)).expect("writing to a string");
    }
    text
}

#[test]
fn every_filter_of_the_table_asks_for_the_ranges_that_it_should() {
    // Fields; arrays; filter; ranges.
    const CASES: &[(&str, u32, &str, &str)] = &[
        // Points.
        ("a", 0, r#"{"a": 1}"#, "= 1f02..1f03"),
        ("-a", 0, r#"{"a": 1}"#, "= e0fd..e0fe"),
        ("a", 1, r#"{"a": 1}"#, "= 1f02..1f03"),
        ("a", 0, r#"{"a": null}"#, "= 0c..0d"),
        ("a", 0, r#"{"a": {"$gte": null}}"#, "= 0c..0d"),
        ("a", 0, r#"{"a": {"$gt": null}}"#, "="),
        ("a", 0, r#"{"a": {"$in": [2, 1.0, 1, null]}}"#, "= 0c..0d 1f02..1f03 1f04..1f05"),
        ("-a", 0, r#"{"a": {"$in": [1, 2]}}"#, "= e0fb..e0fc e0fd..e0fe"),
        ("a", 0, r#"{"a": {"$in": []}}"#, "="),
        ("a", 0, r#"{"a": {"$eq": {"$minKey": 1}}}"#, "= 08..09"),
        // Ranges within a type.
        ("a", 0, r#"{"a": {"$gt": 1}}"#, "= 1f03..2a"),
        ("a", 0, r#"{"a": {"$gte": 1}}"#, "= 1f02..2a"),
        ("a", 0, r#"{"a": {"$lt": 1}}"#, "= 11..1f02"),
        ("a", 0, r#"{"a": {"$lte": 1}}"#, "= 11..1f03"),
        ("-a", 0, r#"{"a": {"$lte": 1}}"#, "= e0fd..ef"),
        ("-a", 0, r#"{"a": {"$gt": 1}}"#, "= d6..e0fd"),
        ("a", 0, r#"{"a": {"$lte": {"$numberDouble": "NaN"}}}"#, "= 10..11"),
        ("a", 0, r#"{"a": {"$lt": {"$numberDouble": "NaN"}}}"#, "="),
        ("a", 0, r#"{"a": {"$gt": {"$numberDouble": "NaN"}}}"#, "="),
        ("a", 0, r#"{"a": {"$gt": "x"}}"#, "= 30780002..31"),
        ("a", 0, r#"{"a": {"$lt": true}}"#, "= 44..4401"),
        ("a", 0, r#"{"a": {"$gt": {"$maxKey": 1}}}"#, "-"),
        ("-a", 0, r#"{"a": {"$lt": {}}}"#, "="),
        // Several conditions.
        ("a", 0, r#"{"a": {"$gte": 1, "$lt": 3}}"#, "= 1f02..1f06"),
        ("-a", 0, r#"{"a": {"$gte": 1, "$lt": 3}}"#, "= e0fa..e0fe"),
        ("a", 1, r#"{"a": {"$gte": 1, "$lt": 3}}"#, "< 1f02..2a"),
        ("a", 1, r#"{"a": {"$gte": 1, "$eq": 3}}"#, "< 1f06..1f07"),
        ("a", 1, r#"{"a": {"$gte": 1, "$in": [3, 4]}}"#, "< 1f06..1f07 1f08..1f09"),
        (
            "a",
            0,
            r#"{"a": {"$gte": 1}, "$and": [{"a": {"$in": [0, 1, 2]}}]}"#,
            "= 1f02..1f03 1f04..1f05",
        ),
        ("a", 0, r#"{"a": {"$gt": 1, "$lt": "x"}}"#, "="),
        ("a", 1, r#"{"a": {"$all": [1, 2]}}"#, "< 1f02..1f03"),
        ("a", 1, r#"{"a": {"$elemMatch": {"$gte": 1, "$lt": 3}}}"#, "< 1f02..1f06"),
        ("a.b", 1, r#"{"a": {"$elemMatch": {"b": 1, "c": 2}}}"#, "< 1f02..1f03"),
        ("a.b", 1, r#"{"a": {"$elemMatch": {"b": null}}}"#, "-"),
        ("a.0", 1, r#"{"a": {"$elemMatch": {"0": 1}}}"#, "-"),
        ("a.0", 1, r#"{"a.0": {"$elemMatch": {"$eq": 1}}}"#, "-"),
        // Regular expressions.
        ("a", 0, r#"{"a": {"$regex": "^ab"}}"#, "= 306162..306163 505e61620000..505e61620001"),
        ("a", 0, r#"{"a": {"$regex": "^ab."}}"#, "< 306162..306163 505e61622e0000..505e61622e0001"),
        (
            "a",
            0,
            r#"{"a": {"$in": [1, "abc", {"$regularExpression": {"pattern": "^a", "options": ""}}]}}"#,
            "= 1f02..1f03 3061..3062 505e610000..505e610001",
        ),
        ("a", 0, r#"{"a": {"$regex": "^ab?"}}"#, "< 3061..3062 505e61623f0000..505e61623f0001"),
        ("a", 0, r#"{"a": {"$regex": "^a|b"}}"#, "-"),
        ("a", 0, r#"{"a": {"$regex": "^ab", "$options": "i"}}"#, "-"),
        ("a", 0, r#"{"a": {"$regex": "^ab", "$options": "m"}}"#, "-"),
        ("a", 0, r#"{"a": {"$regex": "ab"}}"#, "-"),
        // What narrows nothing, and what stands beside something that does.
        ("a", 0, "{}", "-"),
        ("a", 0, r#"{"b": 1}"#, "-"),
        ("a", 0, r#"{"a": {"$ne": 1}}"#, "-"),
        ("a", 0, r#"{"a": [1]}"#, "-"),
        ("a", 0, r#"{"a": {"$in": [1, [1]]}}"#, "-"),
        ("a", 0, r#"{"$or": [{"a": 1}, {"a": 2}]}"#, "-"),
        ("a", 0, r#"{"$or": [{"a": 1}]}"#, "= 1f02..1f03"),
        ("a", 0, r#"{"a": 1, "b": 2}"#, "< 1f02..1f03"),
        ("a", 0, r#"{"a": {"$eq": 1, "$exists": true}}"#, "< 1f02..1f03"),
        // Several fields.
        ("a b", 0, r#"{"a": 1, "b": {"$gt": 2}}"#, "= 1f021f05..1f022a"),
        ("a -b", 0, r#"{"a": 1, "b": {"$gt": 2}}"#, "= 1f02d6..1f02e0fb"),
        ("a b", 0, r#"{"a": {"$gt": 1}, "b": 2}"#, "< 1f03..2a"),
        ("a b", 0, r#"{"b": 2}"#, "-"),
        (
            "a b",
            3,
            r#"{"a": {"$in": [1, 2]}, "b": {"$in": [3, 4]}}"#,
            "= 1f021f06..1f021f07 1f021f08..1f021f09 1f041f06..1f041f07 1f041f08..1f041f09",
        ),
        ("-a b", 0, r#"{"a": {"$in": [1, 2]}, "b": 3}"#, "= e0fb1f06..e0fb1f07 e0fd1f06..e0fd1f07"),
        ("a b c", 0, r#"{"a": 1, "c": 3}"#, "< 1f02..1f03"),
    ];
    let mut wrong = String::new();
    for (fields, arrays, filter, expected) in CASES {
        let filter = parse(&parse_json(filter).expect("JSON"));
        let found = shown(filter.key_ranges(&shape(fields), *arrays).as_ref());
        if found != *expected {
            writeln!(wrong, "{fields} {filter:?}\n  {found}\n  {expected}").expect("a string");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn there_are_at_most_1000_ranges() {
    let many = |count: i32| (0..count).collect::<Vec<_>>();
    let count = |filter: Document, arrays| {
        let found = parse(&raw(&filter)).key_ranges(&shape("a b"), arrays);
        found.map(|found| (found.ranges.len(), found.is_exact))
    };
    assert_eq!(count(doc! { "a": { "$in": many(1000) } }, 0), Some((1000, true)));
    assert_eq!(count(doc! { "a": { "$in": many(1001) } }, 0), None);
    assert_eq!(count(doc! { "a": { "$in": many(1001), "$lt": 7 } }, 0), Some((7, true)));
    assert_eq!(count(doc! { "a": { "$in": many(1001), "$lt": 7 } }, 1), Some((1, false)));
    let both = |a, b| doc! { "a": { "$in": many(a) }, "b": { "$in": many(b) } };
    assert_eq!(count(both(40, 25), 0), Some((1000, true)));
    assert_eq!(count(both(40, 26), 0), Some((40, false)));
}

/// What a random test has seen, so that it cannot pass by seeing nothing.
#[derive(Debug, Default)]
struct Seen {
    narrowed: usize,
    exact: usize,
    wanted: usize,
    passed_over: usize,
}

fn check_ranges(filter: &Document, fields: &str, documents: &[RawDocumentBuf], seen: &mut Seen) {
    let shape = shape(fields);
    let filter = raw(filter);
    let keys: Vec<_> = documents.iter().map(|d| shape.keys(d).expect("valid")).collect();
    assert!(keys.iter().all(|found| !found.keys.is_empty()));
    let arrays = keys.iter().fold(0, |arrays, found| arrays | found.arrays);
    let compiled = parse(&filter);
    let Some(found) = compiled.key_ranges(&shape, arrays) else { return };
    let ranges: Vec<_> =
        found.ranges.iter().map(|r| (&r.lower, r.upper.as_ref().expect("an end"))).collect();
    assert!(ranges.iter().all(|(lower, upper)| lower < upper), "{ranges:02x?}");
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ranges:02x?}");
    seen.narrowed += 1;
    seen.exact += usize::from(found.is_exact && !ranges.is_empty());
    for (document, keys) in documents.iter().zip(&keys) {
        let lies_in = |key: &Vec<u8>| ranges.iter().any(|(from, to)| *from <= key && key < *to);
        let has_key = keys.keys.iter().any(lies_in);
        let is_wanted = compiled.matches(document).expect("valid");
        let what = || {
            let (filter, document) = (to_json(&filter), to_json(document));
            format!("{fields}\n{filter}\n{document}\n{found:02x?}\n{keys:02x?}")
        };
        assert!(has_key || !is_wanted, "is not found: {}", what());
        assert!(is_wanted || !has_key || !found.is_exact, "is found: {}", what());
        seen.wanted += usize::from(is_wanted);
        seen.passed_over += usize::from(!has_key);
    }
}

/// Filters of the same few paths, and documents.
fn related(random: &mut Random) -> (Document, Document, Vec<RawDocumentBuf>) {
    let paths = random_fields(random);
    let (this, more) = (random.about(&paths), random.about(&paths[..1]));
    let (this, other) = match random.pick(&[0, 1, 2, 3, 4, 5, 6, 7]) {
        0 => (this.clone(), doc! { "$or": [more, this] }),
        1 => (doc! { "$and": [more, this.clone()] }, this),
        2 => (doc! { "$nor": [more.clone(), this] }, doc! { "$nor": [more] }),
        3 => (doc! { "$or": [this.clone(), { "$and": [more, this.clone()] }] }, this),
        _ => (this, more),
    };
    let documents = (0..4).map(|_| raw(&random.document_about(&paths))).collect();
    (this, other, documents)
}

/// How many implications there were and for how many documents they held.
fn implications_of_seeds(seeds: std::ops::Range<u64>) -> (usize, usize, usize) {
    let (mut implied, mut held, mut required) = (0, 0, 0);
    for seed in seeds {
        let mut random = Random::new(seed);
        let (this, other, documents) = related(&mut random);
        let path = random.pick(&["a", "b", "a.b", "a.0", "b.a"]);
        let (this_raw, other_raw) = (raw(&this), raw(&other));
        let (this, other) = (parse(&this_raw), parse(&other_raw));
        let (implies, requires) = (this.implies(&other), this.requires_present(path));
        implied += usize::from(implies);
        required += usize::from(requires);
        let all = this.is_all();
        for document in &documents {
            let what = || {
                let (this, other) = (to_json(&this_raw), to_json(&other_raw));
                format!("{path}\n{this}\n{other}\n{}", to_json(document))
            };
            let matches = |filter: &Filter| filter.matches(document).expect("valid");
            if !matches(&this) {
                assert!(!all, "is not all: {}", what());
                continue;
            }
            assert!(!implies || matches(&other), "is not implied: {}", what());
            held += usize::from(implies);
            let is_present = shape(path).keys(document).expect("valid").present == 1;
            assert!(!requires || is_present, "is not present: {}", what());
            for choice in this.alternatives() {
                assert!(choice.iter().any(matches), "no alternative: {}", what());
            }
        }
    }
    (implied, held, required)
}

#[test]
fn what_a_random_filter_implies_holds_where_it_does() {
    let (implied, held, required) = implications_of_seeds(0..1_000);
    assert!(implied > 250 && held > 200 && required > 100, "{implied} {held} {required}");
}

#[test]
fn filters_imply_what_they_should() {
    const CASES: &[(&str, &str, bool)] = &[
        (r#"{"a": 1}"#, "{}", true),
        ("{}", r#"{"a": 1}"#, false),
        (r#"{"a": 1, "b": 2}"#, r#"{"b": 2}"#, true),
        (r#"{"a": 5}"#, r#"{"a": {"$gt": 3}}"#, true),
        (r#"{"a": {"$gt": 5}}"#, r#"{"a": {"$gte": 5}}"#, true),
        (r#"{"a": {"$gte": 5}}"#, r#"{"a": {"$gt": 5}}"#, false),
        (r#"{"a": {"$gt": 5}}"#, r#"{"a": {"$gt": "x"}}"#, false),
        (r#"{"a": {"$in": [1, 2]}}"#, r#"{"a": {"$in": [3, 2, 1]}}"#, true),
        (r#"{"a": {"$in": [1, 4]}}"#, r#"{"a": {"$in": [3, 2, 1]}}"#, false),
        (r#"{"a": {"$regex": "^abc"}}"#, r#"{"a": {"$gte": "ab"}}"#, false),
        (r#"{"a": "abc"}"#, r#"{"a": {"$regex": "^ab"}}"#, true),
        (r#"{"a": "abc"}"#, r#"{"a": {"$regex": "^abd?"}}"#, false),
        (r#"{"a": {"$size": 2}}"#, r#"{"a": {"$size": 2}}"#, true),
        (r#"{"a": {"$ne": 1}}"#, r#"{"a": {"$ne": 1}}"#, true),
        (r#"{"a": {"$not": {"$gt": 1}}}"#, r#"{"a": {"$ne": 5}}"#, true),
        (r#"{"a": 1}"#, r#"{"a": {"$ne": 5}}"#, false),
        (r#"{"a": 1}"#, r#"{"a": {"$exists": true}}"#, true),
        (r#"{"a": null}"#, r#"{"a": {"$exists": true}}"#, false),
        (r#"{"a.b": 1}"#, r#"{"a": {"$exists": true}}"#, true),
        (r#"{"a.b": 1}"#, r#"{"a": {"$nin": [2]}}"#, false),
        (r#"{"$or": [{"a": 1}, {"a": 2}]}"#, r#"{"a": {"$lt": 3}}"#, true),
        (r#"{"$or": [{"a": 1}, {"b": 2}]}"#, r#"{"a": {"$lt": 3}}"#, false),
        (r#"{"a": 1}"#, r#"{"$or": [{"b": 1}, {"a": {"$lt": 3}}]}"#, true),
        (r#"{"a": {"$not": {"$ne": 1}}}"#, r#"{"a": 1}"#, true),
        (
            r#"{"a": {"$elemMatch": {"b": 1, "c": 2}}}"#,
            r#"{"a": {"$elemMatch": {"b": {"$gt": 0}}}}"#,
            true,
        ),
        (r#"{"a": {"$elemMatch": {"b": 1}}}"#, r#"{"a": {"$elemMatch": {"b": 1, "c": 2}}}"#, false),
    ];
    for (this, other, expected) in CASES {
        let filter = |text| parse(&parse_json(text).expect("JSON"));
        assert_eq!(filter(this).implies(&filter(other)), *expected, "{this} {other}");
    }
}

#[test]
fn filters_of_very_many_parts_imply_nothing_and_soon() {
    let either = |from: i32| {
        let each = (from..from + 1_500).map(|n| doc! { "$and": [{ "a": n }, { "b": n }] });
        parse(&raw(&doc! { "$or": each.collect::<Vec<_>>() }))
    };
    assert!(!either(0).implies(&either(5_000)));
}

#[test]
fn alternatives_are_those_of_every_or_that_has_to_hold() {
    let count = |filter: RawDocumentBuf| {
        parse(&filter).alternatives().iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(count(rawdoc! { "a": 1 }), [0; 0]);
    assert_eq!(count(rawdoc! { "$or": [{ "a": 1 }, { "b": 1 }, { "c": 1 }] }), [3]);
    let or = rawdoc! { "$or": [{ "a": 1 }, { "b": 1 }] };
    let only = rawdoc! { "$or": [or.clone()] };
    assert_eq!(count(rawdoc! { "$and": [or.clone(), only], "c": 1 }), [2, 2]);
    assert_eq!(count(rawdoc! { "$nor": [or] }), [0; 0]);
}

fn random_fields(random: &mut Random) -> Vec<String> {
    if random.pick(&[true, false, false]) {
        return vec!["a".to_owned()];
    }
    let mut fields: Vec<String> = Vec::new();
    for _ in 0..random.pick(&[1, 1, 2, 3]) {
        let path = random.path();
        if !fields.contains(&path) {
            fields.push(path);
        }
    }
    fields
}

fn ranges_of_seeds(seeds: std::ops::Range<u64>) -> Seen {
    let mut seen = Seen::default();
    for seed in seeds {
        let mut random = Random::new(seed);
        let paths = random_fields(&mut random);
        let directed: Vec<_> =
            paths.iter().map(|path| format!("{}{path}", random.pick(&["", "-"]))).collect();
        let filter = if random.pick(&[true, true, true, false]) {
            random.about(&paths)
        } else {
            random.filter(3)
        };
        let count = random.pick(&[1, 1, 2, 6]);
        let documents: Vec<_> = (0..count).map(|_| raw(&random.document_about(&paths))).collect();
        check_ranges(&filter, &directed.join(" "), &documents, &mut seen);
    }
    seen
}

#[test]
fn documents_that_a_random_filter_wants_have_a_key_in_its_ranges() {
    let seen = ranges_of_seeds(0..1_500);
    assert!(seen.narrowed > 600 && seen.exact > 200, "{seen:?}");
    assert!(seen.wanted > 100 && seen.passed_over > 500, "{seen:?}");
}
