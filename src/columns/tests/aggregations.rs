//! Aggregations against loops over all documents and values. The twin reads numbers from their text, and counts with sets of
//! documents.

use std::collections::{BTreeMap, BTreeSet};

use super::{Collection, KINDS, key_of, values};
use crate::bson::{Bson, DateTime, doc};
use crate::columns::{
    Aggregation, AggregationResult, AggregationResults, Aggregations, Bucket, Error,
    HISTOGRAM_LEN_MAX, NamedRange, Ranges, StatsResult, TERMS_LEN_MAX, aggregate,
};
use crate::fts::{DocId, DocumentSet};

type Values = BTreeMap<Vec<u8>, Bson>;
/// A bucket of the twin: its name and its documents.
type Found = (Bson, BTreeSet<DocId>);

fn values_of(collection: &Collection, doc: DocId, path: &str) -> Values {
    collection.documents.get(&doc).map(|found| values(found, path)).unwrap_or_default()
}

/// A number as the nearest double, read from its text.
fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => {
            value.to_string().parse().ok()
        }
        _ => None,
    }
}

/// The name of the bucket that a value lies in.
fn interval(aggregation: &Aggregation, value: &Bson) -> Option<Bson> {
    match (aggregation, value) {
        (Aggregation::Histogram(histogram), value) => {
            let buckets = ((number(value)? - histogram.offset) / histogram.interval).floor();
            let begin = buckets * histogram.interval + histogram.offset;
            begin.is_finite().then_some(Bson::Double(begin))
        }
        (Aggregation::DateHistogram(histogram), Bson::DateTime(date)) => {
            let interval = i64::try_from(histogram.interval_ms).unwrap();
            let distance = date.timestamp_millis() - histogram.offset_ms;
            let begin = distance.div_euclid(interval) * interval + histogram.offset_ms;
            Some(Bson::DateTime(DateTime::from_millis(begin)))
        }
        _ => None,
    }
}

fn is_within(range: &NamedRange, key: &[u8]) -> bool {
    range.from.as_ref().is_none_or(|from| key_of(from).as_slice() <= key)
        && range.to.as_ref().is_none_or(|to| key < key_of(to).as_slice())
}

/// All buckets by the sort keys of their names, and the documents that are in none.
fn buckets(
    collection: &Collection,
    set: &BTreeSet<DocId>,
    aggregation: &Aggregation,
) -> (BTreeMap<Vec<u8>, Found>, u64) {
    let (mut buckets, mut missing) = (BTreeMap::<Vec<u8>, Found>::new(), 0);
    for &doc in set {
        let values = values_of(collection, doc, aggregation.path());
        let mut is_missing = true;
        for value in values.values() {
            let name = match aggregation {
                Aggregation::Terms(_) | Aggregation::Distinct(_) => Some(value.clone()),
                aggregation => interval(aggregation, value),
            };
            if let Some(name) = name {
                let bucket = buckets.entry(key_of(&name)).or_insert((name, BTreeSet::new()));
                bucket.1.insert(doc);
                is_missing = false;
            }
        }
        missing += u64::from(is_missing);
    }
    (buckets, missing)
}

fn check_stats(collection: &Collection, set: &BTreeSet<DocId>, path: &str, found: &StatsResult) {
    let all: Vec<(Vec<u8>, Bson)> =
        set.iter().flat_map(|&doc| values_of(collection, doc, path)).collect();
    let key = |value: &Option<Bson>| value.as_ref().map(key_of);
    assert_eq!(found.count, all.len() as u64);
    assert_eq!(key(&found.min), all.iter().map(|(key, _)| key.clone()).min());
    assert_eq!(key(&found.max), all.iter().map(|(key, _)| key.clone()).max());
    let numbers: Vec<f64> = all.iter().filter_map(|(_, value)| number(value)).collect();
    assert_eq!(found.numbers, numbers.len() as u64);
    let sum: f64 = numbers.iter().sum();
    let near = |a: f64, b: f64| {
        a.total_cmp(&b).is_eq()
            || (a - b).abs() <= 1e-9 * b.abs() + 1e-9
            || a.is_nan() && b.is_nan()
    };
    assert!(near(found.sum, sum), "{} is not {sum}", found.sum);
    let count: f64 = numbers.len().to_string().parse().unwrap();
    assert!(found.avg.map_or(numbers.is_empty(), |average| near(average, sum / count)));
    let whole = |(_, value): &(Vec<u8>, Bson)| match value {
        Bson::Int32(number) => Some(Some(i128::from(*number))),
        Bson::Int64(number) => Some(Some(i128::from(*number))),
        value => number(value).map(|number| format!("{number}").parse().ok()),
    };
    let whole: Option<i128> = all.iter().filter_map(whole).sum();
    assert_eq!(found.whole_sum, whole.and_then(|whole| i64::try_from(whole).ok()));
}

/// Checks a bucket's documents and what was computed of them.
fn check_bucket(
    collection: &Collection,
    documents: &BTreeSet<DocId>,
    aggregation: &Aggregation,
    found: &Bucket,
) {
    assert_eq!(found.count, documents.len() as u64, "{:?}", found.key);
    let inner = aggregation.aggregations().unwrap();
    assert!(found.aggregations.keys().eq(inner.keys()));
    check(collection, documents, inner, &found.aggregations);
}

fn check(
    collection: &Collection,
    set: &BTreeSet<DocId>,
    aggregations: &Aggregations,
    results: &AggregationResults,
) {
    for (aggregation, found) in aggregations.values().zip(results.values()) {
        let (mut expected, missing) = buckets(collection, set, aggregation);
        match (aggregation, found) {
            (Aggregation::Terms(terms), AggregationResult::Terms(found)) => {
                assert_eq!((found.distinct, found.missing), (expected.len() as u64, missing));
                let mut order: Vec<_> = expected.iter().collect();
                order.sort_by_key(|(_, (_, documents))| std::cmp::Reverse(documents.len()));
                order.truncate(terms.limit);
                assert_eq!(found.buckets.len(), order.len());
                for (found, (key, (_, documents))) in found.buckets.iter().zip(order) {
                    assert_eq!(&key_of(&found.key), key);
                    check_bucket(collection, documents, aggregation, found);
                }
            }
            (_, AggregationResult::Histogram(found)) => {
                assert_eq!(found.missing, missing);
                assert_eq!(found.buckets.len(), expected.len());
                for (found, (name, documents)) in found.buckets.iter().zip(expected.values()) {
                    assert_eq!(&found.key, name);
                    check_bucket(collection, documents, aggregation, found);
                }
            }
            (Aggregation::Ranges(ranges), AggregationResult::Ranges(found)) => {
                assert_eq!(found.buckets.len(), ranges.ranges.len());
                for (found, range) in found.buckets.iter().zip(&ranges.ranges) {
                    let mut documents = set.clone();
                    documents.retain(|&doc| {
                        let values = values_of(collection, doc, &ranges.path);
                        values.keys().any(|key| is_within(range, key))
                    });
                    assert_eq!(found.key, Bson::String(range.name.clone()));
                    check_bucket(collection, &documents, aggregation, found);
                }
            }
            (Aggregation::Stats(stats), AggregationResult::Stats(found)) => {
                check_stats(collection, set, &stats.path, found);
            }
            (Aggregation::Distinct(_), AggregationResult::Distinct(found)) => {
                expected.retain(|_, (_, documents)| !documents.is_empty());
                assert_eq!(found.distinct, expected.len() as u64);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// One aggregation of each kind, without inner ones.
fn each_kind(rng: &mut fastrand::Rng, path: &str) -> Vec<Aggregation> {
    let mut bound = || {
        let kind = KINDS[rng.usize(..KINDS.len())];
        (rng.u8(..4) > 0).then(|| super::value(rng, kind))
    };
    let ranges = Aggregation::ranges(path)
        .range("a", bound(), bound())
        .range("b", bound(), bound())
        .range("c", Some(0), Some(100));
    let interval = [0.25, 1.0, 7.5, 1e9][rng.usize(..4)];
    vec![
        Aggregation::terms(path).limit(rng.usize(..40)).into(),
        Aggregation::histogram(path, interval).offset(f64::from(rng.i8(..)) / 4.0).into(),
        Aggregation::date_histogram(path, 86_400_000).offset_ms(rng.i64(-9..9)).into(),
        ranges.into(),
        Aggregation::stats(path),
        Aggregation::distinct(path),
    ]
}

fn named(aggregations: Vec<Aggregation>) -> Aggregations {
    aggregations.into_iter().zip('a'..).map(|(inner, name)| (name.to_string(), inner)).collect()
}

/// Gives an aggregation inner ones, if it makes buckets.
fn with(mut outer: Aggregation, inner: Aggregations) -> Aggregation {
    match &mut outer {
        Aggregation::Terms(terms) => terms.aggregations = inner,
        Aggregation::Histogram(histogram) => histogram.aggregations = inner,
        Aggregation::DateHistogram(histogram) => histogram.aggregations = inner,
        Aggregation::Ranges(ranges) => ranges.aggregations = inner,
        Aggregation::Stats(_) | Aggregation::Distinct(_) => {}
    }
    outer
}

#[test]
fn aggregations_equal_loops_over_all_values() {
    let mut rng = fastrand::Rng::with_seed(41);
    for round in 0..12 {
        let collection = Collection::random(&mut rng, round);
        let set = collection.random_set(&mut rng);
        let path = ["v", "w"][rng.usize(..2)];
        let inner_path = ["v", "w", "none"][rng.usize(..3)];
        let mut inner = named(each_kind(&mut rng, inner_path));
        inner.retain(|_, _| rng.u8(..3) == 0);
        let outer = each_kind(&mut rng, path).into_iter().map(|outer| with(outer, inner.clone()));
        let aggregations = named(outer.collect());
        let results = aggregate(&set, &collection, &aggregations).unwrap();
        assert!(results.keys().eq(aggregations.keys()));
        check(&collection, &set.iter().collect(), &aggregations, &results);
    }
}

#[test]
fn results_are_documents_and_json_alike() {
    let docs = [1, 2, 70_000].map(|number| DocId::new(number).unwrap());
    let values = ["gold", "sand", "gold"].map(Bson::from);
    let collection = Collection::of(docs.into_iter().zip(values));
    let set: DocumentSet = docs.into_iter().collect();
    let terms = Aggregation::terms("v").limit(1).with("figures", Aggregation::stats("v"));
    let asked = Aggregations::from([("words".to_owned(), terms.into())]);
    let results = aggregate(&set, &collection, &asked).unwrap();
    let figures = doc! {
        "count": 2_i64, "min": "gold", "max": "gold", "numbers": 0_i64, "sum": 0.0,
        "whole_sum": 0_i64, "avg": null,
    };
    let bucket = doc! { "key": "gold", "count": 2_i64, "aggregations": { "figures": figures } };
    let expected = doc! { "buckets": [bucket], "distinct": 2_i64, "missing": 0_i64 };
    assert_eq!(results["words"].to_document(), expected);
    let json = serde_json::to_value(&results["words"]).unwrap();
    assert_eq!(json, Bson::Document(expected).into_relaxed_extjson());
}

#[test]
fn aggregations_are_written_as_they_are_read() {
    let mut rng = fastrand::Rng::with_seed(42);
    for _ in 0..20 {
        for aggregation in each_kind(&mut rng, "a.b") {
            // NaN is not equal to itself, and JSON has none.
            let text = serde_json::to_string(&aggregation).unwrap();
            let read: Aggregation = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    }
    let shortest: Aggregation = serde_json::from_str(r#"{"terms": {"path": "a"}}"#).unwrap();
    assert_eq!(shortest, Aggregation::terms("a").into());
    assert!(serde_json::from_str::<Aggregation>(r#"{"terms": {"path": "a", "limt": 1}}"#).is_err());
}

#[test]
fn what_cannot_be_computed_is_refused_with_a_remedy() {
    let collection = Collection::of((0..66_i32).map(|at| {
        let numbers = (at * 1_000..at * 1_000 + 1_000).map(Bson::from);
        (DocId::from_parts(0, at.try_into().unwrap()), Bson::Array(numbers.collect()))
    }));
    let set: DocumentSet = collection.documents.keys().copied().collect();
    let refused = |aggregation: Aggregation| {
        let asked = Aggregations::from([("a".to_owned(), aggregation)]);
        aggregate(&set, &collection, &asked).unwrap_err()
    };
    let deep = Aggregation::terms("v").with("b", Aggregation::distinct("v"));
    let error = refused(Aggregation::ranges("v").with("c", deep).into());
    assert!(matches!(&error, Error::NestedTooDeeply { name } if name == "b"), "{error}");
    let error = refused(Aggregation::terms("v").limit(TERMS_LEN_MAX + 1).into());
    assert!(matches!(error, Error::TooManyTerms { limit: 10_001, .. }), "{error}");
    for interval in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = refused(Aggregation::histogram("v", interval).into());
        assert!(matches!(error, Error::Interval { .. }), "{error}");
    }
    let error = refused(Aggregation::histogram("v", 1.0).offset(f64::NAN).into());
    assert!(matches!(error, Error::Interval { .. }), "{error}");
    let error = refused(Aggregation::date_histogram("v", 0).into());
    assert!(matches!(error, Error::Interval { .. }), "{error}");
    let error = refused(Aggregation::histogram("v", 1.0).into());
    assert!(matches!(error, Error::TooManyBuckets { buckets_max: HISTOGRAM_LEN_MAX, .. }));
    assert_eq!(
        error.to_string(),
        "the histogram of `v` has more than 65536 buckets; choose a larger interval, or filter \
         the documents first"
    );
    let many = |len: usize| {
        let ranges = (0..512).fold(Aggregation::ranges("v"), |ranges, number| {
            ranges.range(number.to_string(), Some(number), None::<i32>)
        });
        let stats = |ranges: Ranges, number: usize| {
            ranges.with(number.to_string(), Aggregation::stats("v"))
        };
        Aggregation::from((0..len).fold(ranges, stats))
    };
    let error = refused(many(513));
    assert_eq!(
        error.to_string(),
        "513 aggregations in each of 512 buckets of `v` are asked for, at most 262144 together are \
         computed; ask for fewer, or for fewer buckets"
    );
}
