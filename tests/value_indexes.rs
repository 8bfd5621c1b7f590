//! Value indexes and columns through the public API, against documents that are looked at one by one: whatever is written, in whatever
//! order, over several runs, pending writes and reopened files, a filter finds the same over every index, and beside columns, as over none.
//!
//! The naive twin is [`Filter::matches`] on every document. Unique indexes are compared with a map. Every test ends with
//! `check(deep)`. `ALLUVIUM_TEST_SCALE=10` runs ten times as many cases.

use std::collections::BTreeMap;

use alluvium::bson::Direction::{Ascending, Descending};
use alluvium::bson::{Bson, Document, Filter, RawDocumentBuf};
use alluvium::lsm::SimulatedStorage;
use alluvium::{Database, Error, Find, Query, SortKey, Transaction, ValueIndexOptions, doc};

#[path = "support/tiny.rs"]
mod tiny;

/// The indexes of the random tests: name and options.
fn indexes() -> Vec<(&'static str, ValueIndexOptions)> {
    vec![
        ("n", ValueIndexOptions::ascending("n")),
        ("tags_n", ValueIndexOptions::new([("tags", Ascending), ("n", Descending)])),
        ("sparse", ValueIndexOptions::new([("a.b", Descending)]).sparse()),
        ("partial", ValueIndexOptions::ascending("n").partial(doc! { "kind": "x" })),
        ("kind", ValueIndexOptions::ascending("kind")),
    ]
}

/// A value of few, so that documents collide.
fn value(rng: &mut fastrand::Rng, nests: bool) -> Bson {
    match rng.u32(0..if nests { 10 } else { 8 }) {
        0..=3 => Bson::Int32(rng.i32(0..6)),
        4 => Bson::Double(f64::from(rng.i32(0..12)) / 2.0),
        5 => Bson::String(["x", "y", "xy", ""][rng.usize(0..4)].to_owned()),
        6 => Bson::Null,
        7 => Bson::Boolean(rng.bool()),
        8 => Bson::Array((0..rng.usize(0..3)).map(|_| value(rng, false)).collect()),
        _ => Bson::Document(doc! { "b": value(rng, false) }),
    }
}

fn document(rng: &mut fastrand::Rng, id: i32) -> Document {
    let mut document = doc! { "_id": id };
    for field in ["n", "tags", "kind"] {
        if rng.u32(0..5) > 0 {
            let nests = field == "tags" || rng.u32(0..6) == 0;
            document.insert(field, value(rng, nests));
        }
    }
    match rng.u32(0..4) {
        0 => drop(document.insert("a", doc! { "b": value(rng, true) })),
        1 => {
            let element = |rng: &mut fastrand::Rng| Bson::Document(doc! { "b": value(rng, false) });
            let elements: Vec<Bson> = (0..rng.usize(0..3)).map(|_| element(rng)).collect();
            document.insert("a", elements);
        }
        _ => {}
    }
    document
}

fn condition(rng: &mut fastrand::Rng) -> Document {
    let path = ["n", "tags", "kind", "a.b", "_id"][rng.usize(0..5)];
    let operand = value(rng, false);
    let operator = ["$eq", "$gt", "$gte", "$lt", "$lte", "$ne"][rng.usize(0..6)];
    match rng.u32(0..8) {
        0 => doc! { path: { "$in": [operand, value(rng, false), 3] } },
        1 => doc! { path: { "$exists": rng.bool() } },
        2 => doc! { path: { "$gte": rng.i32(0..3), "$lt": rng.i32(2..6) } },
        3 => doc! { path: { "$elemMatch": { "$gt": rng.i32(0..3), "$lt": 5 } } },
        _ => doc! { path: { operator: operand } },
    }
}

fn filter(rng: &mut fastrand::Rng, levels: u32) -> Document {
    match rng.u32(0..6) {
        0 if levels > 0 => {
            doc! { "$or": [filter(rng, levels - 1), filter(rng, levels - 1)] }
        }
        1 if levels > 0 => {
            doc! { "$and": [filter(rng, levels - 1), condition(rng), { "kind": "x" }] }
        }
        2 => {
            let mut both = condition(rng);
            both.extend(condition(rng));
            both
        }
        _ => condition(rng),
    }
}

fn ids(found: Find<'_>) -> Result<Vec<i32>, Error> {
    found
        .into_iter()
        .map(|found| Ok(found?.get_i32("_id").expect("every document has one")))
        .collect()
}

/// Looks at what was found in one way.
type Compare<'t> = dyn FnMut(Find<'_>) -> Result<(), Error> + 't;

/// Asks in every way; `all` is what the documents are, in their order, and `ask` asks for a filter.
fn compare(
    all: &[RawDocumentBuf],
    wanted: &Document,
    context: &str,
    ask: &mut dyn FnMut(&mut Compare<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let filter = Filter::try_from(wanted)?;
    let mut expected = Vec::new();
    for document in all {
        if filter.matches(document)? {
            expected.push(document.get_i32("_id").expect("every document has one"));
        }
    }
    let mut same = |found: Find<'_>| {
        assert_eq!(found.count()?, expected.len() as u64, "{context} {wanted} {found:?}");
        assert_eq!(found.explain()?.found, expected.len() as u64, "{context} {wanted}");
        assert_eq!(ids(found)?, expected, "{context} {wanted}");
        Ok(())
    };
    ask(&mut same)?;
    ask(&mut |found| same(found.without_indexes()))?;
    for (name, _) in indexes() {
        // Not every index serves every filter.
        ask(&mut |found| {
            let found = found.hint(name);
            if found.explain().is_ok() { same(found) } else { Ok(()) }
        })?;
    }
    Ok(())
}

fn write(transaction: &mut Transaction, rng: &mut fastrand::Rng) -> Result<(), Error> {
    let mut things = transaction.collection("things")?;
    for _ in 0..rng.u32(1..20) {
        let id = rng.i32(0..60);
        if rng.u32(0..4) == 0 {
            things.remove(id)?;
        } else {
            things.upsert(document(rng, id))?;
        }
        if rng.u32(0..40) == 0 {
            let (name, options) = &indexes()[rng.usize(0..5)];
            // It may be there, or not.
            if things.drop_value_index(name).is_ok() || rng.bool() {
                drop(things.create_value_index(name, options));
            }
        }
    }
    Ok(())
}

#[test]
fn a_filter_finds_the_same_over_every_index_as_over_none() -> Result<(), Error> {
    for seed in 0..16 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let device = SimulatedStorage::new(seed);
        let mut db = Database::open_storage(device.clone(), tiny::options())?;
        for (name, options) in indexes() {
            db.collection("things")?.create_value_index(name, &options)?;
        }
        for path in ["n", "a.b", "tags"].into_iter().filter(|_| seed % 2 == 1) {
            db.collection("things")?.create_column(path)?;
        }
        for round in 0..12 {
            let context = format!("seed {seed}, round {round}:");
            let mut transaction = db.begin()?;
            write(&mut transaction, &mut rng)?;
            let mut things = transaction.collection("things")?;
            let all = things.find(doc! {})?.into_iter().collect::<Result<Vec<_>, _>>()?;
            for _ in 0..4 {
                let wanted = filter(&mut rng, 2);
                compare(&all, &wanted, &context, &mut |with| {
                    with(transaction.collection("things")?.find(&wanted)?)
                })?;
            }
            if rng.u32(0..5) == 0 {
                transaction.rollback();
            } else {
                transaction.commit()?;
            }
            while rng.u32(0..4) > 0 && db.step()? {}
            if rng.u32(0..6) == 0 {
                db.compact()?;
            }
            if rng.u32(0..6) == 0 {
                db.close()?;
                db = Database::open_storage(device.clone(), tiny::options())?;
            }
            let things = db.snapshot().collection("things")?;
            let all = things.documents().collect::<Result<Vec<_>, _>>()?;
            for _ in 0..12 {
                let wanted = filter(&mut rng, 2);
                compare(&all, &wanted, &context, &mut |with| with(things.find(&wanted)?))?;
            }
        }
        let report = db.check(true)?;
        assert!(report.is_ok(), "seed {seed}: {report}");
    }
    Ok(())
}

/// A document whose indexes stay in order: it has no arrays.
fn flat_document(rng: &mut fastrand::Rng, id: i32) -> Document {
    let mut document = doc! { "_id": id };
    for field in ["n", "kind"] {
        if rng.u32(0..5) > 0 {
            document.insert(field, value(rng, false));
        }
    }
    if rng.bool() {
        document.insert("a", doc! { "b": value(rng, false) });
    }
    document
}

/// A filter of which an index may tell everything, or a part.
fn plain_filter(rng: &mut fastrand::Rng) -> Document {
    match rng.u32(0..5) {
        0 => doc! {},
        1 => doc! { "kind": value(rng, false) },
        2 => doc! { "kind": value(rng, false), "n": { "$gte": rng.i32(0..4) } },
        3 => doc! { "kind": { "$in": [value(rng, false), 3] }, "a.b": { "$exists": rng.bool() } },
        _ => condition(rng),
    }
}

#[test]
fn a_sort_over_an_index_gives_what_sorting_gives() -> Result<(), Error> {
    let indexes = [
        ("n", ValueIndexOptions::ascending("n")),
        ("kind_n", ValueIndexOptions::new([("kind", Ascending), ("n", Descending)])),
        ("sparse", ValueIndexOptions::new([("a.b", Descending)]).sparse()),
        ("partial", ValueIndexOptions::ascending("kind").partial(doc! { "n": { "$gte": 1 } })),
        ("unique", ValueIndexOptions::ascending("_id").unique()),
    ];
    let sorts =
        [vec!["n"], vec!["kind", "n"], vec!["a.b"], vec!["kind"], vec!["_id"], vec!["n", "kind"]];
    let (mut walked, mut sorted) = (0, 0);
    for seed in 0..8 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let db = Database::open_storage(SimulatedStorage::new(seed), tiny::options())?;
        let things = db.collection("things")?;
        for (name, options) in &indexes {
            things.create_value_index(name, options)?;
        }
        for round in 0..8 {
            for _ in 0..20 {
                let id = rng.i32(0..60);
                match rng.u32(0..5) {
                    0 => drop(things.remove(id)?),
                    1 if round == 7 => drop(things.upsert(document(&mut rng, id))?),
                    _ => drop(things.upsert(flat_document(&mut rng, id))?),
                }
            }
            while rng.u32(0..4) > 0 && db.step()? {}
            for _ in 0..20 {
                let filter = plain_filter(&mut rng);
                let paths = &sorts[rng.usize(0..sorts.len())];
                let keys: Vec<SortKey> = paths
                    .iter()
                    .map(|path| {
                        if rng.bool() {
                            SortKey::ascending(*path)
                        } else {
                            SortKey::descending(*path)
                        }
                    })
                    .collect();
                let (offset, limit) = (rng.usize(0..4), rng.usize(0..8));
                let find = || -> Result<Find<'_>, Error> {
                    let found = things.find(&filter)?.sort_by(keys.clone());
                    Ok(found.offset(offset).limit(limit))
                };
                let expected = ids(find()?.without_indexes())?;
                assert_eq!(
                    ids(find()?)?,
                    expected,
                    "seed {seed} {filter} {keys:?} {offset} {limit}"
                );
                let report = find()?.explain()?;
                *(if report.ordered.is_some() { &mut walked } else { &mut sorted }) += 1;
            }
        }
    }
    assert!(walked > 200 && sorted > 200, "{walked} {sorted}");
    Ok(())
}

#[test]
fn a_search_with_a_filter_finds_the_same_with_indexes_as_without() -> Result<(), Error> {
    const WORDS: [&str; 4] = ["gold", "river", "ore", "vein"];
    for seed in 0..6 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (with, without) = (Database::in_memory()?, Database::in_memory()?);
        for (name, options) in indexes() {
            with.collection("things")?.create_value_index(name, &options)?;
        }
        for path in ["n", "a.b", "tags"].into_iter().filter(|_| seed % 2 == 1) {
            with.collection("things")?.create_column(path)?;
        }
        for id in 0..400 {
            let mut document = document(&mut rng, id % 300);
            let words: Vec<&str> = WORDS.into_iter().filter(|_| rng.u32(0..3) == 0).collect();
            document.insert("text", words.join(" "));
            with.collection("things")?.upsert(&document)?;
            without.collection("things")?.upsert(&document)?;
        }
        for _ in 0..60 {
            let filter = filter(&mut rng, 2);
            let word = WORDS[rng.usize(0..4)];
            let query = ["", word, &format!("+{word}"), &format!("+{word} gold")][rng.usize(0..4)]
                .to_owned();
            let run = |db: &Database| -> Result<Vec<(Bson, u32)>, Error> {
                let search = db.collection("things")?.search(query.as_str())?.filter(&filter)?;
                let hits = search.limit(50).run()?;
                hits.map(|hit| Ok((hit.id()?, hit.score.to_bits()))).collect()
            };
            assert_eq!(run(&with)?, run(&without)?, "seed {seed} {query} {filter}");
        }
    }
    Ok(())
}

#[test]
fn a_filter_that_is_wanted_and_unwanted_lets_nothing_through() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    for id in 0..50 {
        things.insert(doc! { "_id": id, "n": id % 5, "text": "gold" })?;
    }
    let filter = || Query::filter(doc! { "n": 1 });
    for words in [Query::default(), Query::word("gold").must(), Query::word("gold")] {
        let query = words.clone().with(filter().must());
        assert_eq!(things.search(query.clone())?.limit(50).run()?.count(), 10, "{query}");
        let query = query.with(filter().must_not());
        assert_eq!(things.search(query.clone())?.limit(50).run()?.count(), 0, "{query}");
        assert_eq!(things.search(query)?.count()?, 0);
    }
    Ok(())
}

#[test]
fn a_unique_index_refuses_what_a_map_would_refuse() -> Result<(), Error> {
    for seed in 0..12 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let device = SimulatedStorage::new(seed);
        let mut db = Database::open_storage(device.clone(), tiny::options())?;
        let unique = ValueIndexOptions::ascending("key").unique().sparse();
        db.collection("things")?.create_value_index("key", &unique)?;
        // From _id to keys.
        let mut model: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for _ in 0..40 {
            let mut pending = model.clone();
            let mut transaction = db.begin()?;
            let mut things = transaction.collection("things")?;
            for _ in 0..rng.u32(1..8) {
                let id = rng.i32(0..12);
                let keys: Vec<i32> = (0..rng.usize(0..3)).map(|_| rng.i32(0..20)).collect();
                let document = match keys.as_slice() {
                    [] => doc! { "_id": id },
                    [key] => doc! { "_id": id, "key": key },
                    keys => doc! { "_id": id, "key": keys },
                };
                if rng.u32(0..4) == 0 {
                    assert_eq!(things.remove(id)?, pending.remove(&id).is_some());
                    continue;
                }
                let is_taken = pending
                    .iter()
                    .any(|(other, have)| *other != id && keys.iter().any(|key| have.contains(key)));
                match things.upsert(document) {
                    Ok(_) => {
                        assert!(!is_taken, "seed {seed}: {keys:?} of {id} are taken: {pending:?}");
                        pending.insert(id, keys);
                    }
                    Err(error) if error.is_duplicate_key() => {
                        assert!(is_taken, "seed {seed}: {keys:?} of {id} are free: {pending:?}");
                        assert!(error.is_document_refused());
                    }
                    Err(error) => return Err(error),
                }
            }
            if rng.u32(0..4) == 0 {
                transaction.rollback();
            } else {
                transaction.commit()?;
                model = pending;
            }
            while rng.u32(0..3) > 0 && db.step()? {}
            if rng.u32(0..8) == 0 {
                db.close()?;
                db = Database::open_storage(device.clone(), tiny::options())?;
            }
            let key = rng.i32(0..20);
            let holds = model.values().filter(|keys| keys.contains(&key)).count();
            let found = db.collection("things")?.find(doc! { "key": key })?;
            assert_eq!(found.count()?, holds as u64, "seed {seed}");
        }
        let report = db.check(true)?;
        assert!(report.is_ok(), "seed {seed}: {report}");
    }
    Ok(())
}

#[test]
fn one_document_stays_of_many_upserts_by_eight_writers() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    things.create_value_index("name", &ValueIndexOptions::ascending("name").unique())?;
    things.create_value_index("n", &ValueIndexOptions::ascending("n"))?;
    let refused = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let things = things.clone();
                scope.spawn(move || -> Result<u64, Error> {
                    let mut refused = 0;
                    for n in 0..50 {
                        things.upsert(doc! { "_id": "one", "name": "one", "n": n })?;
                        match things.insert(doc! { "_id": format!("{writer} {n}"), "name": n }) {
                            Ok(_) => {}
                            Err(error) if error.is_duplicate_key() => refused += 1,
                            Err(error) => return Err(error),
                        }
                    }
                    Ok(refused)
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("no panic"))
            .sum::<Result<u64, Error>>()
    })?;
    assert_eq!(refused, 7 * 50);
    assert_eq!(things.count()?, 51);
    assert_eq!(things.find(doc! { "name": "one" })?.count()?, 1);
    assert_eq!(things.find(doc! { "n": { "$gte": 0 } })?.hint("n").count()?, 1);
    assert_eq!(things.find(doc! { "n": 49 })?.count()?, 1);
    let report = db.check(true)?;
    assert!(report.is_ok(), "{report}");
    Ok(())
}

#[test]
fn an_index_that_documents_cannot_have_leaves_all_as_it_was() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    things.insert_many([doc! { "_id": 1, "n": 7 }, doc! { "_id": 2, "n": 7.0 }])?;
    let mut transaction = db.begin()?;
    let mut pending = transaction.collection("things")?;
    pending.insert(doc! { "_id": 3, "n": 8 })?;
    let unique = ValueIndexOptions::ascending("n").unique();
    let error = pending.create_value_index("n", &unique).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the unique index n of things has the document with the _id {\"_id\":1} for the same n; change one of them, or drop \
         the index"
    );
    assert_eq!(pending.find(doc! { "n": 7 })?.count()?, 2);
    pending.create_value_index("n", &ValueIndexOptions::ascending("n"))?;
    transaction.commit()?;
    assert_eq!(things.value_indexes()?.len(), 1);
    let report = things.find(doc! { "n": 7 })?.hint("n").explain()?;
    assert_eq!((report.found, report.looked_at), (2, 0));

    let long = doc! { "_id": 4, "n": "x".repeat(70_000) };
    let error = things.insert(long).unwrap_err();
    assert!(error.is_document_refused(), "{error}");
    assert!(error.to_string().contains("in the index n takes 70003 bytes"), "{error}");
    let error = things.create_value_index("n", &unique).unwrap_err();
    assert!(error.to_string().contains("has an index n already"), "{error}");
    let error = things.find(doc! { "m": 1 })?.hint("n").count().unwrap_err();
    assert!(error.to_string().contains("does not serve this filter"), "{error}");
    let error = things.find(doc! { "m": 1 })?.hint("m").count().unwrap_err();
    assert!(error.to_string().contains("has no value index m; name one of these: n"), "{error}");
    things.drop_value_index("n")?;
    assert_eq!(things.find(doc! { "n": 7 })?.count()?, 2);
    assert!(db.check(true)?.is_ok());
    Ok(())
}

#[test]
fn the_first_documents_are_the_same_whichever_way_finds_them() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let things = db.collection("things")?;
    things.create_value_index("n", &ValueIndexOptions::ascending("n"))?;
    things.insert_many((0..5_000).map(|id| doc! { "_id": id, "n": (id * 7) % 5_000 }))?;
    for (least, limit, offset) in
        [(0, 3, 0), (0, 3, 200), (4_990, 3, 4), (2_500, 10, 0), (5_000, 1, 0)]
    {
        let wanted = doc! { "n": { "$gte": least } };
        let first = |found: Find<'_>| ids(found.limit(limit).offset(offset));
        let over_index = first(things.find(&wanted)?.hint("n"))?;
        assert_eq!(first(things.find(&wanted)?)?, over_index, "{least} {limit} {offset}");
        assert_eq!(first(things.find(&wanted)?.without_indexes())?, over_index);
    }
    Ok(())
}
