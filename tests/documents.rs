//! Documents and their index through the public API: a model, power cuts, I/O errors and flipped bits. Whatever happens,
//! a document is found by its terms exactly when it can be read by its `_id`; every test ends with `check(deep)`.
//!
//! The model is a map from `_id` to document. After a power cut the database must hold the state after some commit,
//! at least the last acknowledged one. `ALLUVIUM_TEST_SCALE=10` runs ten times as many cases.

use std::collections::BTreeMap;

use alluvium::bson::RawDocumentBuf;
use alluvium::collection;
use alluvium::lsm::SimulatedStorage;
use alluvium::{
    AnalyzerOptions, CollectionOptions, Database, Error, Feedback, LikeOptions, Query,
    TextIndexOptions, Transaction, UserOptions, ValueIndexOptions, doc,
};

#[path = "support/tiny.rs"]
mod tiny;

type Model = BTreeMap<i32, String>;

const WORDS: [&str; 12] = [
    "gold", "silver", "river", "slows", "panning", "nugget", "ore", "creek", "vein", "quartz",
    "miner", "sluice",
];

fn random_text(rng: &mut fastrand::Rng) -> String {
    let words: Vec<&str> = (0..rng.usize(0..9)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
    words.join(" ")
}

/// Some writes of one transaction, to the database and to the model; now and then the collection is dropped before.
fn write(
    transaction: &mut Transaction,
    model: &mut Model,
    rng: &mut fastrand::Rng,
) -> Result<(), Error> {
    if rng.u32(0..12) == 0 {
        match transaction.drop_collection("notes") {
            Ok(()) => model.clear(),
            Err(error) if error.is_unknown_collection() => assert!(model.is_empty(), "{error}"),
            Err(error) => return Err(error),
        }
        if rng.bool() {
            return Ok(());
        }
    }
    let mut notes = transaction.collection("notes")?;
    for (name, options) in [
        ("tags", ValueIndexOptions::ascending("tags")),
        ("id", ValueIndexOptions::ascending("_id").unique()),
    ] {
        if rng.u32(0..6) == 0 {
            match notes.drop_value_index(name) {
                Ok(()) => {}
                Err(Error::Collection(
                    collection::Error::UnknownIndex { .. }
                    | collection::Error::UnknownCollection { .. },
                )) => notes.create_value_index(name, &options)?,
                Err(error) => return Err(error),
            }
        }
    }
    for _ in 0..rng.u32(1..5) {
        let (id, text) = (rng.i32(0..20), random_text(rng));
        let document = doc! { "_id": id, "text": text.clone(), "tags": [text.clone(), "all"] };
        match rng.u32(0..6) {
            0 | 1 => {
                notes.upsert(document)?;
                model.insert(id, text);
            }
            2 | 3 => match notes.insert(document) {
                Ok(_) => assert!(model.insert(id, text).is_none(), "a duplicate was inserted"),
                Err(error) if error.is_duplicate_id() => assert!(model.contains_key(&id)),
                Err(error) => return Err(error),
            },
            4 => {
                let replaced = notes.replace(document)?;
                assert_eq!(replaced, model.contains_key(&id));
                if replaced {
                    model.insert(id, text);
                }
            }
            _ => assert_eq!(notes.remove(id)?, model.remove(&id).is_some()),
        }
    }
    Ok(())
}

/// What is there, read by `_id`, by iterating, and by searching for each word; they must agree.
fn read(db: &Database) -> Result<Model, Error> {
    let notes = db.snapshot().collection("notes")?;
    let mut model = Model::new();
    for document in notes.documents() {
        let document = document?;
        let id = document.get_i32("_id").expect("every document has one");
        assert_eq!(notes.get(id)?.as_ref(), Some(&document));
        model.insert(id, document.get_str("text").expect("a text").to_owned());
    }
    assert_eq!(notes.count()?, model.len() as u64);
    for word in WORDS {
        let having = model.values().filter(|text| text.split(' ').any(|have| have == word));
        assert_eq!(notes.search(Query::word(word))?.count()?, having.count() as u64, "{word}");
    }
    Ok(model)
}

fn check(db: &Database, context: &str) {
    let report = db.check(true).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(report.is_ok(), "{context}: {report:?}");
}

#[test]
fn documents_equal_their_model_under_random_operations() -> Result<(), Error> {
    for seed in 0..12 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let device = SimulatedStorage::new(seed);
        let mut db = Database::open_storage(device.clone(), tiny::options())?;
        let mut model = Model::new();
        for _ in 0..60 {
            match rng.u32(0..20) {
                0..10 => {
                    let mut transaction = db.begin()?;
                    let mut pending = model.clone();
                    write(&mut transaction, &mut pending, &mut rng)?;
                    if rng.bool() {
                        let word = WORDS[rng.usize(..WORDS.len())];
                        let mut notes = transaction.collection("notes")?;
                        let having = pending
                            .values()
                            .filter(|text| text.split(' ').any(|have| have == word));
                        let found = notes.search(Query::word(word))?.count()?;
                        assert_eq!(found, having.count() as u64, "its own writes are found");
                        assert_eq!(notes.count()?, pending.len() as u64);
                    }
                    if rng.u32(0..4) > 0 {
                        transaction.commit()?;
                        model = pending;
                    }
                }
                10..16 => {
                    db.step()?;
                }
                16 => db.compact()?,
                17 => {
                    db.close()?;
                    db = Database::open_storage(device.clone(), tiny::options())?;
                }
                _ => assert_eq!(read(&db)?, model, "seed {seed}"),
            }
        }
        assert_eq!(read(&db)?, model, "seed {seed}");
        check(&db, &format!("seed {seed}"));
        db.compact()?;
        assert_eq!(read(&db)?, model, "seed {seed}");
        check(&db, &format!("seed {seed}, compacted"));
    }
    Ok(())
}

/// Commits some transactions; returns the states so far and how many commits were acknowledged.
fn script(device: &SimulatedStorage, seed: u64) -> (Vec<Model>, usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut states = vec![Model::new()];
    let mut acknowledged = 0;
    let mut run = || -> Result<(), Error> {
        let db = Database::open_storage(device.clone(), tiny::options())?;
        for _ in 0..10 {
            let mut transaction = db.begin()?;
            let mut model = states[states.len() - 1].clone();
            write(&mut transaction, &mut model, &mut rng)?;
            states.push(model);
            transaction.commit()?;
            acknowledged = states.len() - 1;
            for _ in 0..rng.u32(0..3) {
                db.step()?;
            }
            match rng.u32(0..8) {
                0 => db.compact()?,
                1 => db.sync()?,
                _ => {}
            }
        }
        db.close()
    };
    let _ = run();
    (states, acknowledged)
}

fn verify(device: SimulatedStorage, states: &[Model], acknowledged: usize, context: &str) {
    let db = Database::open_storage(device, tiny::options())
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = read(&db).unwrap_or_else(|error| panic!("{context}: {error}"));
    let known = states[acknowledged..].contains(&found);
    assert!(known, "{context}: not the state after commit {acknowledged} or a later one");
    check(&db, context);
}

#[test]
fn a_power_cut_at_any_operation_leaves_documents_and_postings_in_agreement() {
    for seed in 0..2 * tiny::scale() {
        let device = SimulatedStorage::new(seed);
        let (states, acknowledged) = script(&device, seed);
        assert_eq!(acknowledged, states.len() - 1, "an undisturbed script runs to its end");
        let operations = device.ops();
        verify(device, &states, acknowledged, "undisturbed");
        for cut in 1..=operations {
            let device = SimulatedStorage::new(seed);
            device.power_cut_at(cut);
            let (states, acknowledged) = script(&device, seed);
            for sectors in 0..2 {
                let after = device.after_power_cut(cut * 10 + sectors);
                let context = format!("seed {seed}, cut {cut} of {operations}, sectors {sectors}");
                verify(after, &states, acknowledged, &context);
            }
        }
    }
}

#[test]
fn an_io_error_at_any_operation_leaves_documents_and_postings_in_agreement() {
    let seed = 1;
    let device = SimulatedStorage::new(seed);
    script(&device, seed);
    let (operations, reads) = (device.ops(), device.reads());
    for fail in 1..=operations + reads {
        let device = SimulatedStorage::new(seed);
        if fail <= operations {
            device.fail_at(fail, std::io::ErrorKind::Other);
        } else {
            device.fail_read_at(fail - operations, std::io::ErrorKind::Other);
        }
        let (states, acknowledged) = script(&device, seed);
        let contents = SimulatedStorage::from_bytes(device.contents());
        verify(contents, &states, acknowledged, &format!("error {fail} of {operations} + {reads}"));
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_harmless() {
    let device = SimulatedStorage::new(2);
    let (states, acknowledged) = script(&device, 2);
    let bytes = device.contents();
    let mut rng = fastrand::Rng::with_seed(3);
    for offset in 0..bytes.len() {
        let row = &bytes[offset / 64 * 64..][..64];
        if offset % 64 != 0 && row.iter().all(|&byte| byte == 0) {
            continue;
        }
        if rng.u64(0..4) >= tiny::scale().min(4) {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[offset] ^= 1 << rng.u32(0..8);
        let device = SimulatedStorage::from_bytes(damaged);
        let Ok(db) = Database::open_storage(device, tiny::options()) else { continue };
        if let Ok(found) = read(&db) {
            assert_eq!(found, states[acknowledged], "byte {offset}");
        }
        let _ = db.check(true);
    }
}

#[test]
fn a_document_of_20_mib_lives_like_any_other_and_one_above_the_limit_is_refused()
-> Result<(), Error> {
    use alluvium::bson::{DOCUMENT_BYTES_MAX, RawDocumentBuf, rawdoc};

    let folder = tempfile::tempdir().expect("a folder for the test");
    let db = Database::open(folder.path().join("large.alv"))?;
    let files = db.collection("files")?;
    let of = |id: i32, bytes: usize| -> RawDocumentBuf {
        let empty = rawdoc! { "_id": id, "text": "", "nested": { "list": [1, 2.5, null, "gold"] } };
        let text: String = "silver and nothing else, "
            .chars()
            .cycle()
            .take(bytes - empty.as_bytes().len())
            .collect();
        rawdoc! { "_id": id, "text": text, "nested": { "list": [1, 2.5, null, "gold"] } }
    };
    let largest = of(1, 20 << 20);
    assert_eq!(largest.as_bytes().len(), 20 << 20);
    files.insert(&largest)?;
    let error = files.insert(of(2, DOCUMENT_BYTES_MAX + 1)).expect_err("one byte too many");
    assert!(error.is_document_refused() && error.to_string().contains("67108864"), "{error}");
    assert_eq!(files.get(1)?.expect("it is there").as_bytes(), largest.as_bytes());
    assert_eq!(files.search("nested.list:gold")?.count()?, 1);
    drop(files);
    db.close()?;

    let db = Database::open(folder.path().join("large.alv"))?;
    let stored = db.collection("files")?.get(1)?.expect("it is there");
    assert_eq!(stored.as_bytes(), largest.as_bytes());
    let stats = db.stats();
    assert!(stats.value_segments == 1 && stats.value_pages_live > 0, "{stats:?}");
    check(&db, "one large document");
    db.compact()?;
    assert_eq!(
        db.collection("files")?.get(1)?.expect("it is there").as_bytes(),
        largest.as_bytes()
    );
    assert!(db.collection("files")?.remove(1)?);
    db.compact()?;
    assert!(db.collection("files")?.get(1)?.is_none());
    assert_eq!(db.stats().value_segments, 0, "its room is given back");
    check(&db, "no document");
    Ok(())
}

#[test]
fn a_dropped_collection_is_gone_for_all_but_those_who_saw_it() -> Result<(), Error> {
    let device = SimulatedStorage::new(4);
    let db = Database::open_storage(device.clone(), tiny::options())?;
    for collection in ["notes", "places"] {
        let collection = db.collection(collection)?;
        collection
            .insert_many((0..200).map(|id| doc! { "_id": id, "text": "gold in the river" }))?;
    }
    let before = db.snapshot();
    let mut transaction = db.begin()?;
    transaction.collection("notes")?.insert(doc! { "_id": 200, "text": "silver" })?;
    transaction.drop_collection("notes")?;
    let error = transaction.drop_collection("notes").expect_err("it is gone");
    assert!(error.is_unknown_collection(), "{error}");
    transaction.collection("notes")?.insert(doc! { "_id": 1, "text": "a nugget of gold" })?;
    assert_eq!(transaction.collection("notes")?.search("gold")?.count()?, 1);
    transaction.commit()?;
    assert_eq!(before.collection("notes")?.search("river")?.count()?, 200);
    assert_eq!(db.collection("notes")?.search("river")?.count()?, 0);
    assert_eq!(db.collection("places")?.search("river")?.count()?, 200);
    drop(before);
    db.drop_collection("places")?;
    db.compact()?;
    check(&db, "dropped");
    db.close()?;
    let db = Database::open_storage(device, tiny::options())?;
    assert_eq!(db.collection_names()?, ["notes"]);
    assert_eq!(db.collection("notes")?.search("gold")?.count()?, 1);
    check(&db, "reopened");
    Ok(())
}

#[test]
fn a_transaction_finds_its_own_writes_and_a_rollback_leaves_nothing() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let db = Database::open(folder.path().join("notes.alv"))?;
    let notes = db.collection("notes")?;
    notes.insert(doc! { "_id": 1, "text": "gold in the river" })?;

    let mut transaction = db.begin()?;
    let mut pending = transaction.collection("notes")?;
    pending.insert(doc! { "_id": 2, "text": "a nugget of gold" })?;
    pending.upsert(doc! { "_id": 1, "text": "only silver" })?;
    let ids: Vec<_> =
        pending.search("gold")?.into_iter().map(|hit| hit?.id()).collect::<Result<_, _>>()?;
    assert_eq!(ids, [2.into()], "the new one is found, the replaced one is not");
    assert_eq!(notes.search("gold")?.count()?, 1, "nobody else sees any of it");
    assert!(pending.insert(doc! { "_id": 2, "text": "again" }).is_err_and(|e| e.is_duplicate_id()));
    transaction.rollback();
    assert_eq!(notes.search("nugget silver")?.count()?, 0);
    assert_eq!(notes.count()?, 1);

    let mut transaction = db.begin()?;
    transaction.collection("notes")?.insert(doc! { "_id": 2, "text": "a nugget" })?;
    transaction.collection("places")?.insert(doc! { "_id": 1, "text": "creek" })?;
    transaction.commit()?;
    drop(notes);
    db.close()?;

    let db = Database::open(folder.path().join("notes.alv"))?;
    assert_eq!(db.collection_names()?, ["notes", "places"]);
    assert_eq!(db.collection("notes")?.search("nugget")?.count()?, 1);
    check(&db, "reopened");
    Ok(())
}

#[test]
fn what_was_typed_is_paged_through_under_filters_and_with_pending_writes() -> Result<(), Error> {
    let db = Database::in_memory()?;
    db.collection("notes")?.insert_many((0..40).map(|n| {
        let text = ["the river", "a rivr", "rivers and a rivr", "silver"][n % 4];
        doc! { "_id": i32::try_from(n).unwrap_or_default(), "text": text, "even": n % 8 < 4 }
    }))?;
    let mut transaction = db.begin()?;
    let mut notes = transaction.collection("notes")?;
    for id in 40..44 {
        notes.insert(doc! { "_id": id, "text": "rivr", "even": true })?;
    }
    let query = Query::user_with("rivr", UserOptions::new().typos(true));
    let even = || doc! { "even": true };
    let mut all = Vec::new();
    for hit in notes.search(query.clone())?.filter(even())?.limit(1000) {
        let hit = hit?;
        assert_eq!(hit.explain()?.value.to_bits(), hit.score.to_bits());
        all.push((hit.id()?, hit.position(), hit.is_corrected()));
    }
    assert!(all.is_sorted_by_key(|hit| hit.2), "{all:?}");
    assert_eq!(all.iter().filter(|hit| hit.2).count(), 5);
    assert_eq!(all.len(), 19);
    let mut pages = Vec::new();
    while pages.len() < all.len() {
        let mut search = notes.search(query.clone())?.filter(even())?.limit(3).with_total();
        if let Some(&(_, position, _)) = pages.last() {
            search = search.after(position);
        }
        let hits = search.run()?;
        assert_eq!((hits.total(), hits.len()), (Some(19), 3.min(all.len() - pages.len())));
        for hit in hits {
            pages.push((hit.id()?, hit.position(), hit.is_corrected()));
        }
    }
    assert_eq!(pages, all);
    let search = notes.search(query)?.filter(even())?.after(all[4].1).offset(8).limit(3);
    let ids: Vec<_> = search.into_iter().map(|hit| hit?.id()).collect::<Result<_, _>>()?;
    assert_eq!(ids, all[13..16].iter().map(|hit| hit.0.clone()).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn what_a_transaction_knows_of_a_collection_ends_with_its_next_write() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let mut transaction = db.begin()?;
    let count = |transaction: &mut Transaction, name: &str, query: &str| -> Result<u64, Error> {
        // The first one learns what there is, the second one relies on it.
        let mut collection = transaction.collection(name)?;
        let first = collection.search(query)?.count()?;
        assert_eq!(collection.search(query)?.count()?, first);
        assert_eq!(collection.search(query)?.limit(100).run()?.len() as u64, first);
        Ok(first)
    };
    assert_eq!(count(&mut transaction, "notes", "gold")?, 0, "there is no collection yet");
    for id in 0..5 {
        transaction.collection("notes")?.insert(doc! { "_id": id, "text": "gold", "by": "Ada" })?;
        assert_eq!(count(&mut transaction, "notes", "gold")?, u64::try_from(id).unwrap() + 1);
    }
    transaction.collection("notes")?.replace(doc! { "_id": 1, "text": "silver" })?;
    assert_eq!(count(&mut transaction, "notes", "gold")?, 4);
    assert_eq!(count(&mut transaction, "notes", "silver")?, 1);
    transaction.collection("notes")?.remove(2)?;
    assert_eq!(count(&mut transaction, "notes", "gold")?, 3);
    assert_eq!(transaction.collection("notes")?.count()?, 4);

    let by = TextIndexOptions::chosen([("by", 1.0)], AnalyzerOptions::default());
    transaction.collection("notes")?.create_text_index("by", &by)?;
    let mut notes = transaction.collection("notes")?;
    assert_eq!(notes.search("ada")?.index("by").count()?, 3);
    notes.drop_text_index("by")?;
    assert!(notes.search("ada")?.index("by").count().is_err());

    transaction.drop_collection("notes")?;
    assert_eq!(count(&mut transaction, "notes", "gold")?, 0);
    transaction.collection("notes")?.insert(doc! { "_id": 9, "text": "gold" })?;
    assert_eq!(count(&mut transaction, "notes", "gold")?, 1);
    transaction.commit()?;
    check(&db, "committed");
    Ok(())
}

/// Everything that searches say: of each query the documents and their scores, and how many match.
fn answers(db: &Database, name: &str) -> Result<Vec<Answer>, Error> {
    let collection = db.collection(name)?;
    let queries =
        ["gold", "gold river ore", "+gold +ore", "\"gold river\"", "+ore -gold", "title:gold vein"];
    let mut answers = Vec::new();
    for query in queries {
        let hits = collection.search(query)?.limit(1000).with_total().run()?;
        let total = hits.total();
        let mut found: Vec<(String, u32)> = hits
            .map(|hit| Ok((hit.id()?.to_string(), hit.score.to_bits())))
            .collect::<Result<_, Error>>()?;
        found.sort();
        answers.push((query.to_owned(), total, found));
    }
    Ok(answers)
}

type Answer = (String, Option<u64>, Vec<(String, u32)>);

#[test]
fn a_reordered_copy_has_the_same_documents_and_answers_and_similar_ones_are_neighbours()
-> Result<(), Error> {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::open(folder.path().join("notes.alv"))?;
    let title = TextIndexOptions::chosen([("title", 2.0)], AnalyzerOptions::default());
    db.create_collection("books", &CollectionOptions::new().text_index(title))?;
    db.create_collection("plain", &CollectionOptions::new().text_index(None))?;
    let mut rng = fastrand::Rng::with_seed(60);
    // Two kinds of documents that have no word in common, in turn.
    let mut transaction = db.begin()?;
    for id in 0..600 {
        let kind = if id % 2 == 0 { &WORDS[..6] } else { &WORDS[6..] };
        let text: Vec<&str> = (0..12).map(|_| kind[rng.usize(..kind.len())]).collect();
        let document = doc! { "_id": id, "title": text[..4].join(" "), "text": text.join(" ") };
        for name in ["notes", "books", "plain"] {
            transaction.collection(name)?.insert(&document)?;
        }
    }
    transaction.commit()?;
    for id in (0..600).step_by(7) {
        assert!(db.collection("notes")?.remove(id)?);
    }
    db.collection("notes")?.upsert(doc! { "_id": 1, "text": "gold vein of gold" })?;

    let copy = folder.path().join("copy.alv");
    let mut told = Vec::new();
    let report = db.reorder_into_with(&copy, |progress| told.push(progress.documents))?;
    let documents: u64 = db
        .collection_names()?
        .iter()
        .map(|name| db.collection(name)?.count())
        .sum::<Result<_, _>>()?;
    assert_eq!((report.collections, report.documents), (3, documents));
    assert!(told.is_sorted() && told.last() == Some(&documents));
    assert!(db.reorder_into(&copy).is_err_and(|error| matches!(error, Error::FileExists { .. })));

    let reordered = Database::open(&copy)?;
    assert!(reordered.check(true)?.is_ok());
    assert_eq!(reordered.collection_names()?, db.collection_names()?);
    for name in db.collection_names()? {
        let [before, after] = [&db, &reordered].map(|db| db.collection(&name).unwrap());
        assert_eq!(before.options()?, after.options()?, "{name}");
        let [mut was, mut is] = [before.documents()?, after.documents()?]
            .map(|documents| documents.collect::<Result<Vec<_>, _>>().unwrap());
        let kinds: Vec<bool> =
            is.iter().map(|document| document.get_i32("_id").unwrap() % 2 == 0).collect();
        let borders = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if name == "plain" {
            assert_eq!(was, is);
        } else {
            assert!(borders < 40, "{name}: {borders} neighbours have nothing in common");
            assert_eq!(answers(&db, &name)?, answers(&reordered, &name)?);
        }
        let by_id = |document: &RawDocumentBuf| document.get_i32("_id").unwrap();
        was.sort_by_key(by_id);
        is.sort_by_key(by_id);
        assert_eq!(was, is, "{name}");
    }
    Ok(())
}

#[test]
fn what_is_like_a_document_is_an_ordinary_search_in_every_view() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let notes = db.collection("notes")?;
    assert_eq!(notes.more_like(1)?.count()?, 0);
    assert!(notes.complete("gol")?.run()?.is_empty());
    assert!(notes.suggest("gol")?.is_none());
    for (id, text) in
        (1..).zip(["gold river", "gold king", "silver mine", "silver spoon", "gold of a river"])
    {
        notes.insert(doc! { "_id": id, "text": text, "n": id })?;
    }
    let ids = |search: alluvium::Search<'_>| -> Result<Vec<i32>, Error> {
        search.run()?.map(|hit| Ok(hit.id()?.as_i32().unwrap())).collect()
    };
    // `gold` is in more than half of the documents.
    assert_eq!(notes.query_like("gold and a river", &LikeOptions::new())?.to_string(), "river");
    assert_eq!(ids(notes.more_like(1)?)?, [5]);
    assert_eq!(ids(notes.more_like(3)?)?, [4]);
    let like = notes.more_like(5)?.with_total().run()?;
    assert_eq!(like.total(), Some(1));
    let hit = like.into_iter().next().unwrap();
    assert_eq!(hit.snippet("text")?.to_string(), "gold **river**");
    let filter = |n| doc! { "n": { "$gte": n } };
    assert_eq!(ids(notes.more_like(4)?.filter(filter(3))?)?, [3]);
    // Where nothing tells anything, filters alone find nothing either.
    for id in [2, 99] {
        assert_eq!(notes.more_like(id)?.filter(filter(1))?.count()?, 0, "{id}");
    }
    let none = notes.query_like("zirconium", &LikeOptions::new())?;
    assert_eq!(notes.search(none)?.filter(filter(1))?.count()?, 0);
    let unknown = LikeOptions::new().index("other");
    assert!(notes.more_like_with(1, &unknown).is_err());
    assert!(notes.query_like("gold", &unknown).is_err());

    let before = db.snapshot();
    let mut transaction = db.begin()?;
    let mut pending = transaction.collection("notes")?;
    pending.remove(5)?;
    pending.insert(doc! { "_id": 6, "text": "a river of silver" })?;
    pending.insert(doc! { "_id": 7, "text": "golden" })?;
    assert_eq!(ids(pending.more_like(6)?)?, [1, 3, 4]);
    let completed: Vec<_> =
        pending.complete("gol")?.run()?.into_iter().map(|found| found.word).collect();
    assert_eq!(completed, ["gold", "golden"]);
    assert_eq!(pending.suggest("golen")?.unwrap().text, "golden");
    assert_eq!(pending.query_like("river", &LikeOptions::new())?.to_string(), "river");
    transaction.commit()?;
    let before = before.collection("notes")?;
    assert_eq!(ids(before.more_like(1)?)?, [5]);
    assert_eq!(before.complete("gol")?.run()?.len(), 1);
    assert!(before.suggest("golen")?.is_none());
    assert_eq!(before.query_like("river", &LikeOptions::new())?.to_string(), "river");
    Ok(())
}

#[test]
fn feedback_is_part_of_all_that_a_search_tells() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let notes = db.collection("notes")?;
    assert_eq!(notes.search("gold")?.feedback(Feedback::new()).count()?, 0);
    for (id, text) in (1..).zip([
        "gold gravel",
        "gold gravel",
        "gravel sand",
        "gravel sand pan",
        "goldd sand",
        "snow",
        "rain",
        "wind",
        "hail",
        "fog",
    ]) {
        notes.insert(doc! { "_id": id, "text": text, "n": id })?;
    }
    let ids = |search: alluvium::Search<'_>| -> Result<Vec<i32>, Error> {
        search.run()?.map(|hit| Ok(hit.id()?.as_i32().unwrap())).collect()
    };
    let feedback = || Feedback::new().documents(2);
    let search = |text: &str| Ok::<_, Error>(notes.search(text)?.feedback(feedback()));
    assert_eq!(ids(search("gold")?)?, [1, 2, 3, 4]);
    assert_eq!(ids(search("+gold")?)?, [1, 2]);
    assert_eq!(ids(search("gold -sand")?)?, [1, 2]);
    assert_eq!(ids(search("gold")?.combine_fields())?, [1, 2, 3, 4]);
    assert_eq!(ids(search("gold")?.filter(doc! { "n": { "$gte": 2 } })?)?, [2, 3, 4]);
    // The first hits are those by score, whatever the order and the page.
    let newest = alluvium::SortKey::descending("n");
    assert_eq!(ids(search("gold")?.sort_by([newest]))?, [4, 3, 2, 1]);
    assert_eq!(ids(search("gold")?.offset(3))?, [4]);
    assert_eq!(search("gold")?.count()?, 4);
    let found = search("gold")?.aggregate([("n", alluvium::Aggregation::stats("n"))])?;
    assert_eq!(found["n"].stats().map(|stats| stats.count), Some(4));
    let hits: Vec<_> = search("gold")?.with_total().run()?.collect();
    for hit in &hits {
        assert_eq!(hit.explain()?.value.to_bits(), hit.score.to_bits());
        assert_eq!(search("gold")?.explain(hit.id()?)?, Some(hit.explain()?));
    }
    assert_eq!(hits[3].snippet("text")?.to_string(), "**gravel** sand pan");
    assert_eq!(ids(search("gold")?.after(hits[1].position()))?, [3, 4]);
    // What was corrected stays behind all that matches as typed, be it by a word that was added.
    let typos = Query::user_with("gold", UserOptions::new().typos(true));
    let hits = notes.search(typos)?.feedback(feedback()).run()?;
    let told: Vec<_> =
        hits.map(|hit| Ok((hit.id()?, hit.is_corrected()))).collect::<Result<_, Error>>()?;
    assert_eq!(told.last(), Some(&(5.into(), true)));
    assert_eq!(told.iter().filter(|hit| !hit.1).count(), 4);

    for wrong in [feedback().documents(0), feedback().terms(101), feedback().original_weight(0.0)] {
        let refused = notes.search("gold")?.feedback(wrong);
        assert!(matches!(refused.count(), Err(Error::Query(_))));
        assert!(refused.run().unwrap_err().to_string().contains("1 to 100"));
    }
    Ok(())
}
