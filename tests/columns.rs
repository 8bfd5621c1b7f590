//! Columns, sorts and aggregations through the public API, against documents that are looked at one by one: whatever is written,
//! over several runs, pending writes and reopened files, and whether a path has a column or not.
//!
//! The naive twin takes values out of documents by itself, sorts all of them and counts in maps. Every test ends with `check(deep)`.
//! `ALLUVIUM_TEST_SCALE=10` runs ten times as many cases.

use std::collections::{BTreeMap, BTreeSet};

use alluvium::bson::{
    Bson, Direction, Document, Filter, RawBson, RawDocument, RawDocumentBuf, sort_key,
};
use alluvium::lsm::SimulatedStorage;
use alluvium::{
    Aggregation, AggregationResults, Collection, Database, Error, Find, SortKey, ValueIndexOptions,
    doc,
};

#[path = "support/tiny.rs"]
mod tiny;

/// Paths that documents have values at; any may have a column.
const PATHS: [&str; 4] = ["n", "tags", "a.b", "day"];

fn value(rng: &mut fastrand::Rng) -> Bson {
    match rng.u32(0..9) {
        0..=3 => Bson::Int32(rng.i32(-3..9)),
        4 => Bson::Double([0.5, -0.0, 2.0, f64::NAN][rng.usize(0..4)]),
        5 | 6 => Bson::String(["x", "y", "xy", ""][rng.usize(0..4)].to_owned()),
        7 => Bson::Null,
        _ => Bson::Boolean(rng.bool()),
    }
}

fn document(rng: &mut fastrand::Rng, id: i32) -> Document {
    let mut document = doc! { "_id": id };
    if rng.u32(0..6) > 0 {
        let n = value(rng);
        document.insert("n", n);
    }
    if rng.bool() {
        let tags: Vec<Bson> = (0..rng.usize(0..4)).map(|_| value(rng)).collect();
        document.insert("tags", tags);
    }
    match rng.u32(0..3) {
        0 => drop(document.insert("a", doc! { "b": value(rng) })),
        1 => {
            let elements: Vec<Bson> =
                (0..rng.usize(0..3)).map(|_| Bson::Document(doc! { "b": value(rng) })).collect();
            document.insert("a", elements);
        }
        _ => {}
    }
    if rng.bool() {
        document.insert("day", rng.i64(0..40));
    }
    document
}

fn parsed(document: &RawDocument) -> Document {
    Document::try_from(document).expect("what is stored is a document")
}

/// The values of a document at a path: keys by which they sort, and the first that was met for each.
fn values(document: &Document, path: &str) -> BTreeMap<Vec<u8>, Bson> {
    let mut found = vec![Bson::Document(document.clone())];
    for name in path.split('.') {
        let inside = found.into_iter().flat_map(|value| match value {
            Bson::Array(elements) => elements,
            other => vec![other],
        });
        let field = |value: Bson| match value {
            Bson::Document(document) => document.get(name).cloned(),
            _ => None,
        };
        found = inside.filter_map(field).collect();
    }
    let elements = found.into_iter().flat_map(|value| match value {
        Bson::Array(elements) => elements,
        other => vec![other],
    });
    let mut values = BTreeMap::new();
    for value in elements {
        values.entry(key(&value)).or_insert(value);
    }
    values
}

fn key(value: &Bson) -> Vec<u8> {
    let mut key = Vec::new();
    let raw = RawBson::try_from(value.clone()).expect("a value of the test");
    sort_key(raw.as_raw_bson_ref(), &mut key).expect("a value of the test");
    key
}

/// The `_id`s of documents in the order that is asked for.
fn naive_order(documents: &[Document], keys: &[SortKey]) -> Vec<i32> {
    let ascending = |sort: &SortKey| *sort == SortKey::ascending(sort.path.clone());
    let mut order: Vec<&Document> = documents.iter().collect();
    order.sort_by(|left, right| {
        let by_key = keys.iter().map(|sort| {
            let counts_with = |document: &Document| {
                let values = values(document, &sort.path);
                let value =
                    if ascending(sort) { values.keys().next() } else { values.keys().last() };
                value.cloned().unwrap_or_else(|| key(&Bson::Null))
            };
            let (left, right) = (counts_with(left), counts_with(right));
            if ascending(sort) { left.cmp(&right) } else { right.cmp(&left) }
        });
        by_key.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    order
        .into_iter()
        .map(|document| document.get_i32("_id").expect("every document has one"))
        .collect()
}

fn same_order(
    found: Find<'_>,
    documents: &[Document],
    rng: &mut fastrand::Rng,
    context: &str,
) -> Result<(), Error> {
    let sort = |rng: &mut fastrand::Rng| {
        let path = PATHS[rng.usize(0..4)];
        if rng.bool() { SortKey::ascending(path) } else { SortKey::descending(path) }
    };
    let keys: Vec<SortKey> = (0..rng.usize(0..3)).map(|_| sort(rng)).collect();
    let (offset, limit) = (rng.usize(0..4), rng.usize(0..80));
    let found = found.sort_by(keys.clone()).offset(offset).limit(limit).run()?;
    let id = |found: RawDocumentBuf| found.get_i32("_id").expect("there is one");
    let ids = found.map(|found| Ok(id(found?))).collect::<Result<Vec<_>, Error>>()?;
    let expected: Vec<i32> =
        naive_order(documents, &keys).into_iter().skip(offset).take(limit).collect();
    assert_eq!(ids, expected, "{context} {keys:?} {offset} {limit}");
    Ok(())
}

/// Counts of values, of documents without one, and of numbers, with their sum.
fn same_counts(results: &AggregationResults, documents: &[Document], context: &str) {
    for path in PATHS {
        let mut counts: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        let mut missing = 0;
        for document in documents {
            let values = values(document, path);
            missing += u64::from(values.is_empty());
            for key in values.into_keys() {
                *counts.entry(key).or_default() += 1;
            }
        }
        let terms = results[path].buckets().expect("terms have buckets");
        let found: BTreeMap<Vec<u8>, u64> =
            terms.iter().map(|bucket| (key(&bucket.key), bucket.count)).collect();
        assert_eq!(found, counts, "{context} {path}");
        let order: Vec<_> =
            terms.iter().map(|bucket| (u64::MAX - bucket.count, key(&bucket.key))).collect();
        assert!(order.is_sorted(), "{context} {path}");
        let stats = results[&format!("{path} stats")].stats().expect("stats");
        assert_eq!(stats.count, counts.values().sum::<u64>(), "{context} {path}");
        assert_eq!(stats.min.as_ref().map(key), counts.keys().next().cloned(), "{context} {path}");
        assert_eq!(stats.max.as_ref().map(key), counts.keys().last().cloned(), "{context} {path}");
        assert!(missing <= documents.len() as u64);
    }
}

fn aggregations() -> Vec<(String, Aggregation)> {
    let of_path = |path: &str| {
        [
            (path.to_owned(), Aggregation::from(Aggregation::terms(path).limit(100))),
            (format!("{path} stats"), Aggregation::stats(path)),
        ]
    };
    PATHS.into_iter().flat_map(of_path).collect()
}

#[test]
fn sorts_and_aggregations_say_the_same_with_columns_as_without() -> Result<(), Error> {
    for seed in 0..12 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let device = SimulatedStorage::new(seed);
        let mut db = Database::open_storage(device.clone(), tiny::options())?;
        let mut columns = BTreeSet::new();
        for round in 0..12 {
            let context = format!("seed {seed}, round {round}:");
            let mut transaction = db.begin()?;
            let mut things = transaction.collection("things")?;
            for _ in 0..rng.u32(1..25) {
                let id = rng.i32(0..70);
                if rng.u32(0..5) == 0 {
                    things.remove(id)?;
                } else {
                    things.upsert(document(&mut rng, id))?;
                }
            }
            let path = PATHS[rng.usize(0..4)];
            if columns.remove(path) {
                things.drop_column(path)?;
            } else {
                things.create_column(path)?;
                columns.insert(path);
            }
            let pending = things.find(doc! {})?.into_iter();
            let all =
                pending.map(|found| Ok(parsed(&found?))).collect::<Result<Vec<_>, Error>>()?;
            same_order(things.find(doc! {})?, &all, &mut rng, &context)?;
            same_counts(&things.find(doc! {})?.aggregate(aggregations())?, &all, &context);
            transaction.commit()?;
            while rng.u32(0..4) > 0 && db.step()? {}
            if rng.u32(0..6) == 0 {
                db.compact()?;
            }
            if rng.u32(0..6) == 0 {
                db.close()?;
                db = Database::open_storage(device.clone(), tiny::options())?;
            }
            let things = db.snapshot().collection("things")?;
            assert_eq!(
                things.columns()?.into_iter().collect::<BTreeSet<_>>(),
                columns.iter().map(|&path| path.to_owned()).collect()
            );
            for filter in [doc! {}, doc! { "n": { "$gte": 2 } }, doc! { "tags": "x" }] {
                let compiled = Filter::try_from(&filter)?;
                let mut wanted = Vec::new();
                for document in things.documents() {
                    let document = document?;
                    if compiled.matches(&document)? {
                        wanted.push(parsed(&document));
                    }
                }
                same_order(things.find(&filter)?, &wanted, &mut rng, &context)?;
                same_counts(&things.find(&filter)?.aggregate(aggregations())?, &wanted, &context);
            }
        }
        let report = db.check(true)?;
        assert!(report.is_ok(), "seed {seed}: {report}");
    }
    Ok(())
}

/// A number of the test, which 32 bits can hold.
fn narrow(number: f64) -> f32 {
    number.to_string().parse().expect("a number")
}

#[test]
fn searches_are_sorted_rescored_and_counted_as_their_documents_say() -> Result<(), Error> {
    for seed in 0..6 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let db = Database::in_memory()?;
        let things = db.collection("things")?;
        things.insert(doc! { "_id": -1, "text": "silver" })?;
        for path in PATHS.into_iter().filter(|_| rng.bool()) {
            things.create_column(path)?;
        }
        for id in 0..300 {
            let mut document = document(&mut rng, id);
            let text = ["gold", "gold river", "gold gold", "silver", "river of silver"];
            document.insert("text", text[rng.usize(0..5)]);
            things.upsert(&document)?;
            if rng.u32(0..4) == 0 {
                things.remove(rng.i32(0..=id))?;
            }
        }
        let has_gold = |document: &Document| document.get_str("text").unwrap().contains("gold");
        let all = things.documents()?.map(|found| Ok(parsed(&found?)));
        let all = all.collect::<Result<Vec<_>, Error>>()?;
        let golden: Vec<Document> = all.into_iter().filter(has_gold).collect();
        let scored: BTreeMap<i32, f32> = things
            .search("gold")?
            .limit(1_000)
            .run()?
            .map(|hit| Ok((hit.document()?.get_i32("_id").unwrap(), hit.score)))
            .collect::<Result<_, Error>>()?;
        assert_eq!(scored.len(), golden.len());

        let ids = |search: alluvium::Search<'_>| {
            let hits = search.limit(25).offset(2).run()?;
            let id =
                |hit: alluvium::Hit<'_>| Ok((hit.document()?.get_i32("_id").unwrap(), hit.score));
            hits.map(id).collect::<Result<Vec<_>, Error>>()
        };
        for path in PATHS {
            let keys = [SortKey::descending(path), SortKey::ascending("day")];
            let order = naive_order(&golden, &keys).into_iter().skip(2).take(25);
            let expected: Vec<_> = order.map(|id| (id, scored[&id])).collect();
            assert_eq!(ids(things.search("gold")?.sort_by(keys))?, expected, "seed {seed} {path}");

            let rescored = |score: f32, n: Option<f64>| match n {
                Some(2.0) => f32::NAN,
                n => score + narrow(n.unwrap_or(0.25)),
            };
            let mut expected: Vec<(i32, f32)> = Vec::new();
            for document in &golden {
                let mut numbers =
                    values(document, path).into_values().filter_map(|value| match value {
                        Bson::Int32(number) => Some(number.into()),
                        Bson::Int64(number) => i32::try_from(number).ok().map(f64::from),
                        Bson::Double(number) => Some(number),
                        _ => None,
                    });
                let id = document.get_i32("_id").unwrap();
                let score = rescored(scored[&id], numbers.next_back());
                expected.push((id, if score.is_nan() { f32::NEG_INFINITY } else { score }));
            }
            expected.sort_by(|left, right| right.1.total_cmp(&left.1));
            let expected: Vec<_> = expected.into_iter().skip(2).take(25).collect();
            let search =
                things.search("gold")?.score_by([path], move |score, n| rescored(score, n[0]));
            assert_eq!(ids(search)?, expected, "seed {seed} {path}");
        }
        same_counts(&things.search("gold")?.aggregate(aggregations())?, &golden, "search");
        let filtered = things.search("gold")?.filter(doc! { "n": { "$lt": 3 } })?;
        let filter = Filter::try_from(&doc! { "n": { "$lt": 3 } })?;
        let raw = |document: &Document| RawDocumentBuf::try_from(document).unwrap();
        let few: Vec<_> =
            golden.into_iter().filter(|document| filter.matches(&raw(document)).unwrap()).collect();
        same_counts(&filtered.aggregate(aggregations())?, &few, "filtered search");
        assert!(db.check(true)?.is_ok());
    }
    Ok(())
}

#[test]
fn a_column_refuses_texts_and_leaves_all_as_it_was() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    things.insert(doc! { "_id": 1, "n": "x".repeat(2_000) })?;
    let error = things.create_column("n").unwrap_err().to_string();
    assert!(error.contains("the values at `n` take 2011 bytes in the column"), "{error}");
    // Sorting reads the documents then.
    assert_eq!(things.find(doc! {})?.sort_by([SortKey::ascending("n")]).run()?.count(), 1);
    things.remove(1)?;
    things.create_column("n")?;
    let error = things.insert(doc! { "_id": 1, "n": "x".repeat(2_000) }).unwrap_err();
    assert!(error.is_document_refused(), "{error}");
    let error = things.create_column("n").unwrap_err().to_string();
    assert_eq!(error, "things has a column n already");
    let error = things.drop_column("m").unwrap_err().to_string();
    assert_eq!(error, "things has no column m; name one of these: n");
    assert!(things.create_column("a..b").is_err());
    things.drop_column("n")?;
    assert!(things.columns()?.is_empty());
    assert!(db.check(true)?.is_ok());
    Ok(())
}

/// Documents enough for several windows, with values of every form that columns have.
fn many(rng: &mut fastrand::Rng, len: i32) -> Vec<Document> {
    let document = |id| {
        let words = ["gold", "river", "sand", "gold river", "silver"];
        let text: Vec<&str> = (0..rng.usize(1..6)).map(|_| words[rng.usize(0..5)]).collect();
        let tags: Vec<String> =
            (0..rng.usize(0..4)).map(|_| format!("t{}", rng.u32(0..30) * rng.u32(0..2))).collect();
        let kind = ["book", "film", "song"][rng.usize(0..3)];
        let mut document = doc! {
            "_id": id, "text": text.join(" "), "year": rng.i32(0..40), "tags": tags,
            "kind": kind, "price": rng.f64() * 100.0,
            "name": format!("n{:05}", rng.u32(0..90_000)),
        };
        if rng.u8(0..50) == 0 {
            document.insert("rare", rng.i64(0..9));
        }
        if rng.u8(0..3) > 0 {
            document.insert("part", rng.i64(0..500));
        }
        document
    };
    (0..len).map(document).collect()
}

fn id_of(document: &RawDocument) -> i32 {
    document.get_i32("_id").expect("every document has one")
}

/// The ids and scores of the best hits.
fn ranked(search: alluvium::Search<'_>, limit: usize) -> Result<Vec<(i32, f32)>, Error> {
    let hits = search.limit(limit).run()?;
    let id = |hit: alluvium::Hit<'_>| Ok((id_of(&hit.document()?), hit.score));
    hits.map(id).collect()
}

/// The paths of [`many`] documents that have columns.
const MANY_PATHS: [&str; 7] = ["year", "tags", "kind", "price", "name", "rare", "part"];

fn filters_of_many() -> [Document; 10] {
    [
        doc! { "year": { "$gte": 8 } },
        doc! { "year": 7 },
        doc! { "year": { "$in": [3, 5, 39] }, "kind": "film" },
        doc! { "kind": "book", "price": { "$lt": 70.0 } },
        doc! { "tags": "t0", "year": { "$lt": 30 } },
        doc! { "tags": { "$in": ["t3", "t4"] }, "part": { "$gte": 20 } },
        doc! { "rare": { "$gte": 3 } },
        doc! { "name": { "$gte": "n2", "$lt": "n8" }, "part": { "$lt": 400 } },
        doc! { "$or": [{ "year": 9 }, { "tags": "t7" }] },
        doc! { "year": { "$gte": 4 }, "text": { "$regex": "^gold" } },
    ]
}

/// A document, and the sort keys of its values at each path.
struct Known {
    id: i32,
    document: RawDocumentBuf,
    values: BTreeMap<&'static str, Vec<Vec<u8>>>,
}

impl Known {
    fn new(document: &Document) -> Self {
        let of_path = |path| (path, values(document, path).into_keys().collect());
        let values = MANY_PATHS.into_iter().map(of_path).collect();
        let document = RawDocumentBuf::try_from(document).expect("a document of the test");
        Known { id: id_of(&document), document, values }
    }
}

/// The ten most frequent values, each with the number of its documents.
fn naive_terms(documents: &[&Known], path: &str) -> Vec<(Vec<u8>, u64)> {
    let mut counts: BTreeMap<&Vec<u8>, u64> = BTreeMap::new();
    for key in documents.iter().flat_map(|known| &known.values[path]) {
        *counts.entry(key).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(right.0)));
    counts.into_iter().take(10).map(|(key, count)| (key.clone(), count)).collect()
}

/// The ids in the order of the values at a path, of equal ones by price.
fn naive_by(documents: &[&Known], path: &str, ascending: bool) -> Vec<i32> {
    let null = key(&Bson::Null);
    let mut order = documents.to_vec();
    order.sort_by(|left, right| {
        let of = |known: &Known| {
            let values = &known.values[path];
            let value = if ascending { values.first() } else { values.last() };
            value.unwrap_or(&null).clone()
        };
        let by_path = if ascending { of(left).cmp(&of(right)) } else { of(right).cmp(&of(left)) };
        by_path.then_with(|| left.values["price"].cmp(&right.values["price"]))
    });
    order.into_iter().map(|known| known.id).collect()
}

fn terms(results: &AggregationResults) -> Vec<(Vec<u8>, u64)> {
    let buckets = results[""].buckets().expect("terms have buckets").iter();
    buckets.map(|bucket| (key(&bucket.key), bucket.count)).collect()
}

/// Queries whose best hits are asked whether they pass.
const QUERIES: [&str; 7] = [
    "gold",
    "river",
    "gold silver",
    "gold silver -sand",
    "\"gold river\"",
    "+gold river",
    "gold \"silver gold\"",
];

/// The best that pass a filter are the best of all hits, less those that do not pass.
fn best_of_many(
    things: &Collection,
    hits: &[(&str, Vec<(i32, f32)>)],
    filter: &Document,
    ids: &BTreeSet<i32>,
) -> Result<(), Error> {
    for (query, hits) in hits {
        let passing: Vec<_> = hits.iter().filter(|(id, _)| ids.contains(id)).copied().collect();
        for limit in [1, 10, 60] {
            let best: Vec<_> = passing.iter().take(limit).copied().collect();
            let found = ranked(things.search(*query)?.filter(filter)?, limit)?;
            assert_eq!(found, best, "{query} {filter} {limit}");
        }
        let second = things.search(*query)?.filter(filter)?.offset(5);
        let page: Vec<_> = passing.iter().skip(5).take(10).copied().collect();
        assert_eq!(ranked(second, 10)?, page, "{query} {filter}");
        let first = things.search(*query)?.filter(filter)?.limit(5).run()?;
        if let Some(last) = first.last() {
            let next = things.search(*query)?.filter(filter)?.after(last.position());
            assert_eq!(ranked(next, 10)?, page, "{query} {filter}");
        }
    }
    Ok(())
}

/// Finds, searches, sorts and counts those of `all` documents that a filter wants, of which the hits for "gold" are `golden`.
fn same_of_many(
    things: &Collection,
    (all, golden): (&[Known], &[(i32, f32)]),
    filter: &Document,
    rng: &mut fastrand::Rng,
) -> Result<BTreeSet<i32>, Error> {
    let compiled = Filter::try_from(filter)?;
    let wanted: Vec<&Known> = all
        .iter()
        .filter(|known| compiled.matches(&known.document).expect("a document of the test"))
        .collect();
    let ids: BTreeSet<i32> = wanted.iter().map(|known| known.id).collect();
    let found = things.find(filter)?;
    assert_eq!(found.count()?, wanted.len() as u64, "{filter}");
    assert_eq!(found.explain()?.found, wanted.len() as u64, "{filter}");
    assert_eq!(things.find(filter)?.without_indexes().count()?, wanted.len() as u64, "{filter}");
    let listed = found.run()?.map(|found| Ok(id_of(&found?)));
    assert!(listed.collect::<Result<Vec<_>, Error>>()?.into_iter().eq(ids.clone()), "{filter}");

    let search = || things.search("gold")?.filter(filter);
    let few: Vec<_> = golden.iter().filter(|(id, _)| ids.contains(id)).copied().collect();
    assert_eq!(search()?.count()?, few.len() as u64, "{filter}");
    for limit in [1, 10, 300] {
        let best: Vec<_> = few.iter().take(limit).copied().collect();
        assert_eq!(ranked(search()?, limit)?, best, "{filter} {limit}");
    }
    let few: BTreeSet<i32> = few.into_iter().map(|(id, _)| id).collect();
    let few: Vec<&Known> = wanted.iter().filter(|known| few.contains(&known.id)).copied().collect();
    for path in rng.choose_multiple(MANY_PATHS, 2) {
        let ascending = rng.bool();
        let key = if ascending { SortKey::ascending(path) } else { SortKey::descending(path) };
        let keys = [key, SortKey::ascending("price")];
        let (offset, limit) = (rng.usize(0..30), rng.usize(1..40));
        let page = |documents: &[&Known]| {
            let order = naive_by(documents, path, ascending).into_iter();
            order.skip(offset).take(limit).collect::<Vec<_>>()
        };
        let sorted = things.find(filter)?.sort_by(keys.clone()).offset(offset).limit(limit);
        let sorted = sorted.run()?.map(|found| Ok(id_of(&found?)));
        assert_eq!(sorted.collect::<Result<Vec<_>, Error>>()?, page(&wanted), "{filter} {path}");
        let sorted = ranked(search()?.sort_by(keys.clone()).offset(offset), limit)?;
        assert!(sorted.into_iter().map(|(id, _)| id).eq(page(&few)), "{filter} {path}");

        let asked = || [("", Aggregation::terms(path))];
        let counted = things.find(filter)?.aggregate(asked())?;
        assert_eq!(terms(&counted), naive_terms(&wanted, path), "{filter} {path}");
        let counted = search()?.aggregate(asked())?;
        assert_eq!(terms(&counted), naive_terms(&few, path), "{filter} {path}");
    }
    Ok(ids)
}

#[test]
fn many_documents_are_found_sorted_and_counted_alike_whatever_way() -> Result<(), Error> {
    let mut rng = fastrand::Rng::with_seed(5);
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    let compound = [("kind", Direction::Ascending), ("year", Direction::Descending)];
    things.create_value_index("year", &ValueIndexOptions::ascending("year"))?;
    things.create_value_index("tags", &ValueIndexOptions::ascending("tags"))?;
    things.create_value_index("kind_year", &ValueIndexOptions::new(compound))?;
    for path in MANY_PATHS {
        things.create_column(path)?;
    }
    let documents = many(&mut rng, 17_000);
    for some in documents.chunks(8_500) {
        things.insert_many(some)?;
    }
    let mut all: Vec<Known> = documents.iter().map(Known::new).collect();
    for is_compact in [false, true] {
        for _ in 0..300 {
            things.remove(all.swap_remove(rng.usize(0..all.len())).id)?;
        }
        all.sort_by_key(|known| known.id);
        if is_compact {
            db.compact()?;
        }
        let golden = ranked(things.search("gold")?, 20_000)?;
        let hits = |query| Ok((query, ranked(things.search(query)?, 20_000)?));
        let hits = QUERIES.into_iter().map(hits).collect::<Result<Vec<_>, Error>>()?;
        // Of two runs some are enough.
        for filter in filters_of_many().into_iter().step_by(if is_compact { 1 } else { 3 }) {
            let ids = same_of_many(&things, (&all, &golden), &filter, &mut rng)?;
            best_of_many(&things, &hits, &filter, &ids)?;
        }
    }
    assert!(db.check(true)?.is_ok());
    Ok(())
}

#[test]
fn whoever_passes_is_found_behind_thousands_that_tie() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    things.create_column("part")?;
    let document = |id: i32| {
        let is_best = id >= 8_995;
        let text = if is_best { "gold gold gold pan" } else { "gold pan pan slow" };
        doc! { "_id": id, "text": text, "part": if is_best { 0 } else { id % 100 } }
    };
    things.insert_many((0..9_000).map(document))?;
    let best: Vec<i32> = (8_995..9_000).chain((0..500).step_by(100)).collect();
    for filter in [doc! { "part": 0 }, doc! { "part": { "$lt": 1 } }] {
        let found = ranked(things.search("gold")?.filter(&filter)?, 10)?;
        assert!(found.into_iter().map(|(id, _)| id).eq(best.iter().copied()), "{filter}");
    }
    Ok(())
}
