//! Tests of filters: tables of what is wanted and of what is refused, a slow twin, and limits.
//!
//! `cases.txt` says what filters mean, `errors.txt` what is said about what is none. The twin says
//! the same as the tables by definitions that have nothing in common with the code under test, and
//! is compared with it on random filters and documents.

mod planning;
mod random;
mod twin;

use std::fmt::Write;

use super::super::error::{Error, Result};
use super::super::json::{parse_json, to_json};
use super::super::samples::Samples;
use super::super::validate::NESTING_MAX;
use super::Filter;
use super::operators::{OF_DOCUMENTS, OF_FIELDS};
use bson::{Bson, Document, RawArrayBuf, RawDocument, RawDocumentBuf, bson, doc, rawdoc};
use proptest::prelude::*;
use random::Random;

fn parse(filter: &RawDocument) -> Filter {
    Filter::parse(filter).unwrap_or_else(|error| panic!("{}: {error}", to_json(filter)))
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document).expect("keys without NUL")
}

/// Lines of a table with their numbers, without comments and empty ones.
fn lines(table: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = table.lines().enumerate().map(|(at, line)| (at + 1, line));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

#[test]
fn every_filter_of_the_table_wants_what_it_should() {
    let mut filter = parse(&rawdoc! {});
    let mut tried = 0;
    for (number, line) in lines(include_str!("cases.txt")) {
        let json = |text| parse_json(text).unwrap_or_else(|error| panic!("line {number}: {error}"));
        let (wanted, document) = match line.split_at(2) {
            ("+ ", document) => (true, document),
            ("- ", document) => (false, document),
            _ => {
                filter = parse(&json(line));
                continue;
            }
        };
        let found = filter.matches(&json(document)).expect("valid");
        assert_eq!(found, wanted, "line {number}: {document}");
        tried += 1;
    }
    assert!(tried > 500, "{tried} cases");
}

#[test]
fn every_error_of_the_table_says_what_it_should() {
    let mut wrong = String::new();
    for (number, line) in lines(include_str!("errors.txt")) {
        let (filter, expected) = line.split_once(" ⇒ ").expect("an arrow");
        let filter = parse_json(filter).unwrap_or_else(|error| panic!("line {number}: {error}"));
        let error = Filter::parse(&filter).map_or_else(|error| error.to_string(), |_| "ok".into());
        if error != expected {
            writeln!(wrong, "line {number}: {error}").expect("writing to a string");
        }
    }
    assert!(wrong.is_empty(), "the errors are:\n{wrong}");
}

fn assert_as_twin(filter: &Document, document: &Document) -> bool {
    let (raw_filter, raw_document) = (raw(filter), raw(document));
    let found = parse(&raw_filter).matches(&raw_document).expect("valid");
    let wanted = twin::matches(filter, document);
    assert_eq!(found, wanted, "{} on {}", to_json(&raw_filter), to_json(&raw_document));
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_filters_want_what_their_twin_wants(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let filter = random.filter(3);
        for _ in 0..4 {
            assert_as_twin(&filter, &random.document(3));
        }
    }
}

#[test]
fn every_operator_alone_wants_what_its_twin_wants() {
    let mut random = Random::new(7);
    for name in OF_FIELDS {
        let tries = 3000;
        let held = (0..tries)
            .filter(|_| assert_as_twin(&random.single(name), &random.document(3)))
            .count();
        // Otherwise the comparison would be of filters that hold always or never.
        assert!((tries / 100..tries - tries / 100).contains(&held), "{name}: {held} of {tries}");
    }
}

#[test]
fn every_operator_that_is_suggested_is_known() {
    for name in OF_DOCUMENTS {
        let error = Filter::parse(&raw(&doc! { name: "x" })).err().map(|e| e.to_string());
        assert!(error.is_none_or(|error| !error.contains("found $")), "{name}");
    }
    for name in OF_FIELDS {
        let error = Filter::parse(&raw(&doc! { "a": { name: "x" } })).err().map(|e| e.to_string());
        assert!(error.is_none_or(|error| !error.contains("found $")), "{name}");
    }
}

/// A filter with one document or array less than `levels` inside each other.
fn nested(levels: usize, outer: impl Fn(Bson) -> Document, innermost: Bson) -> Document {
    let mut value = innermost;
    for _ in 1..levels {
        value = outer(value).into();
    }
    doc! { "a": value }
}

#[test]
fn filters_nest_as_deep_as_documents_and_no_deeper() {
    let not = |value: Bson| doc! { "$not": value };
    let element = |value: Bson| doc! { "$elemMatch": value };
    for outer in [not, element] {
        let deepest = parse(&raw(&nested(NESTING_MAX - 1, outer, bson!({ "$gt": 1 }))));
        let mut document = bson!(2);
        for _ in 1..NESTING_MAX {
            document = bson!([document]);
        }
        deepest.matches(&raw(&doc! { "a": document })).expect("valid");
        let error = Filter::parse(&raw(&nested(NESTING_MAX, outer, bson!({ "$gt": 1 }))));
        let shown = error.expect_err("too deep").to_string();
        assert!(shown.starts_with("invalid filter at …"), "{shown}");
        assert!(
            shown.ends_with(": expected at most 200 levels of documents, found more"),
            "{shown}"
        );
        assert!(shown.len() < 300, "{shown}");
    }
    let mut joined = doc! { "a": 1 };
    for _ in 0..NESTING_MAX / 2 - 1 {
        joined = doc! { "$or": [joined] };
    }
    assert!(parse(&raw(&joined)).matches(&rawdoc! { "a": 1 }).expect("valid"));
    assert!(Filter::parse(&raw(&doc! { "$or": [{ "$or": [joined] }] })).is_err());
}

#[test]
fn a_filter_has_bounded_parts_and_patterns() {
    let filter =
        |values: Vec<Bson>, name: &str| Filter::parse(&raw(&doc! { "a": { name: values } }));
    assert!(filter(vec![bson!(1); 100_000], "$in").is_ok());
    assert!(filter(vec![bson!(1); 9_999], "$all").is_ok());
    assert_eq!(
        filter(vec![bson!(1); 10_000], "$all").expect_err("too many").to_string(),
        "invalid filter at a.$all.9999: expected at most 10000 conditions in a filter, found \
         another; list many values of one field in $in"
    );
    assert!(Filter::parse(&raw(&doc! { "$or": vec![bson!({}); 10_000] })).is_err());
    let patterns = |count| vec![Bson::RegularExpression(regex("a")); count];
    assert!(filter(patterns(100), "$in").is_ok());
    assert_eq!(
        filter(patterns(101), "$in").expect_err("too many").to_string(),
        "invalid filter at a.$in.100: expected at most 100 regular expressions in a filter, found \
         another"
    );
}

fn regex(pattern: &str) -> bson::Regex {
    let text = |text: &str| bson::raw::CString::try_from(text).expect("no NUL");
    bson::Regex { pattern: text(pattern), options: text("") }
}

#[test]
fn numbers_in_paths_that_could_be_walked_in_many_ways_end_soon() {
    // Each of 100 documents in arrays may take a number as its name or as an index.
    let mut value = bson!({ "0": 1 });
    for _ in 0..99 {
        value = bson!({ "0": [value] });
    }
    let document = raw(&doc! { "a": value });
    let path = ["0"; 8].join(".");
    assert!(!parse(&raw(&doc! { format!("a.{path}"): 1 })).matches(&document).expect("valid"));
    // The bound is one for paths inside each other, not for those side by side.
    let inside = doc! { "$elemMatch": { "0.0": 1, "1.1": 1 } };
    parse(&raw(&doc! { "0.0.0.0.0.0": inside.clone(), "1.1.1.1.1.1": inside }));
}

#[test]
fn trying_a_filter_allocates_nothing() {
    let filter = parse(&rawdoc! {
        "year": { "$gte": 1990, "$mod": [5, 0] },
        "tags": { "$in": ["gold", "tin"], "$all": [regex("^g")], "$size": 2 },
        "authors": { "$elemMatch": { "name": { "$regex": "ar" }, "born": { "$not": { "$lt": 1800 } } } },
        "$or": [{ "note": null }, { "price": { "$type": "number" } }],
    });
    let document = rawdoc! {
        "year": 1995.0, "tags": ["gold", "river"],
        "authors": [{ "name": "Ada", "born": 1815 }, { "name": "Marshall", "born": 1810 }],
    };
    // The first match on a thread warms the caches of the regular expressions.
    assert!(filter.matches(&document).expect("valid"));
    let allocated = allocation_counter::measure(|| {
        filter.matches(&document).expect("valid");
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn damaged_documents_are_errors_and_random_filters_never_panic() {
    let mut samples = Samples::new(41);
    let (mut refused, mut unreadable) = (0, 0);
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let mut filter = raw(&random.filter(3)).into_bytes();
        let mut document = raw(&random.document(3)).into_bytes();
        for bytes in [&mut filter, &mut document] {
            for _ in 0..samples.rng.u8(..3) {
                // The length in front stays, without it nothing is a document at all.
                if let Some(byte) = bytes.get_mut(4..).and_then(|b| samples.rng.choice(b)) {
                    *byte = samples.rng.u8(..);
                }
            }
        }
        let Ok(filter) = RawDocument::from_bytes(&filter) else { continue };
        let filter = Filter::parse(filter);
        refused += usize::from(filter.is_err());
        let whole = Filter::parse(&raw(&random.filter(3))).expect("a filter");
        let Ok(document) = RawDocument::from_bytes(&document) else { continue };
        for filter in filter.iter().chain([&whole]) {
            let found: Result<bool> = filter.matches(document);
            unreadable += usize::from(matches!(found, Err(Error::Unreadable { .. })));
        }
    }
    assert!(refused > 300 && unreadable > 100, "{refused} refused, {unreadable} unreadable");
}

#[test]
fn random_documents_taken_as_filters_never_panic() {
    let mut samples = Samples::new(42);
    let names: Vec<&str> = OF_DOCUMENTS.into_iter().chain(OF_FIELDS).collect();
    let mut accepted = 0;
    for _ in 0..5000 {
        let mut operators = Document::new();
        for _ in 0..=samples.rng.u8(..2) {
            operators.insert(names[samples.rng.usize(..names.len())], samples.value(2));
        }
        let filter = if samples.rng.bool() {
            doc! { "a": operators }
        } else {
            operators
        };
        if let Ok(filter) = Filter::parse(&raw(&filter)) {
            filter.matches(&samples.document(3)).expect("valid");
            accepted += 1;
        }
    }
    assert!(accepted > 500, "{accepted} accepted");
}

#[test]
fn a_parsed_document_is_a_filter_too() {
    let filter = Filter::try_from(&doc! { "a": { "$gt": 1 } }).expect("a filter");
    assert!(filter.clone().matches(&rawdoc! { "a": 2 }).expect("valid"));
    assert!(Filter::try_from(&doc! { "a\0": 1 }).is_err());
    assert!(format!("{filter:?}").contains("Greater"));
    let mut array = RawArrayBuf::new();
    array.push(2);
    assert!(filter.matches(&rawdoc! { "a": array }).expect("valid"));
}
