//! Imports through the public API: whatever the number of threads and the size of batches, the collection is the one that results
//! from storing document by document; refused documents are left out, and an import goes on where it was ended.
//!
//! Random documents are imported and inserted one by one, and the two collections compared; files are compared entry by entry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alluvium::lsm::{self, FileStorage, ManualScheduler, Reader, Store};
use alluvium::{
    AnalyzerOptions, Collection, CollectionOptions, Database, Language, TextIndexOptions,
    ValueIndexOptions, collection,
};
use bson::{Document, doc};

const WORDS: &[&str] = &[
    "gold", "river", "rivers", "silt", "bed", "Panning", "the", "of", "Größe", "東京", "x1", "a.b",
];

fn random_document(rng: &mut fastrand::Rng, ids: i32) -> Document {
    let text = |rng: &mut fastrand::Rng| {
        let words = (0..rng.usize(0..30)).map(|_| WORDS[rng.usize(..WORDS.len())]);
        words.collect::<Vec<_>>().join(" ")
    };
    let mut document = doc! { "title": text(rng), "body": text(rng), "year": rng.i32(0..50) };
    if rng.u8(..20) > 0 {
        document.insert("_id", rng.i32(0..ids));
    }
    if rng.u8(..10) == 0 {
        document.insert("notes", vec![text(rng), text(rng)]);
    }
    document
}

fn options(scheduler: bool) -> lsm::Options {
    let mut options = lsm::Options {
        memory_bytes: 8 << 20,
        merge_operators: collection::operators(),
        group_rewriters: collection::rewriters(),
        ..lsm::Options::default()
    };
    if !scheduler {
        options.scheduler = Arc::new(ManualScheduler);
    }
    options
}

fn open(path: &std::path::Path) -> Database {
    Database::open_storage(
        FileStorage::open(path).expect("the file of the test works"),
        options(false),
    )
    .expect("the file of the test works")
}

fn create(db: &Database) -> Collection {
    let english = AnalyzerOptions::for_language(Language::English);
    let fields = TextIndexOptions::chosen([("title", 2.0), ("body", 1.0)], english);
    let notes = db
        .create_collection("notes", &CollectionOptions::new().text_index(fields))
        .expect("the file of the test works");
    notes
        .create_text_index("all", &TextIndexOptions::default())
        .expect("the file of the test works");
    notes
        .create_value_index("year", &ValueIndexOptions::ascending("year"))
        .expect("the file of the test works");
    notes.create_column("year").expect("the file of the test works");
    notes
}

/// All entries of every keyspace.
fn entries(path: &std::path::Path) -> BTreeMap<(String, Vec<u8>), Vec<u8>> {
    let store =
        Store::open(FileStorage::open(path).expect("the file of the test works"), options(false))
            .expect("the file of the test works");
    let snapshot = store.snapshot();
    let mut entries = BTreeMap::new();
    for name in snapshot.keyspace_names() {
        let keyspace = snapshot.keyspace(&name).expect("the file of the test works");
        let mut cursor = snapshot.cursor(keyspace).expect("the file of the test works");
        let mut valid = cursor.first().expect("the file of the test works");
        while valid {
            entries.insert(
                (name.clone(), cursor.key().to_vec()),
                cursor.value().expect("the file of the test works").to_vec(),
            );
            valid = cursor.next().expect("the file of the test works");
        }
    }
    entries
}

#[test]
fn what_is_stored_does_not_depend_on_the_number_of_threads() {
    let mut rng = fastrand::Rng::with_seed(7);
    let documents: Vec<Document> = (0..1500)
        .map(|id| {
            let mut d = random_document(&mut rng, 10);
            d.insert("_id", id);
            d
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for threads in [1, 2, 5] {
        let path = folder.path().join(format!("{threads}.alv"));
        let db = open(&path);
        let notes = create(&db);
        let report = notes.import().threads(threads).batch_bytes(25_000).run(&documents).unwrap();
        assert_eq!(report.documents, 1500);
        assert!(report.batches > 5, "{report:?}");
        assert!(db.check(true).unwrap().is_ok());
        drop(notes);
        db.close().unwrap();
        all.push(entries(&path));
    }
    assert!(all[0].len() > 1500);
    let [first, others @ ..] = &all[..] else { panic!("there are three") };
    for other in others {
        let differs = first.iter().zip(other).find(|(left, right)| left != right);
        assert_eq!(differs, None);
    }
}

#[test]
fn words_are_counted() {
    let mut rng = fastrand::Rng::with_seed(3);
    let db = Database::in_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    let texts: Vec<Vec<String>> = (0..200)
        .map(|_| (0..rng.usize(..20)).map(|_| format!("w{}", rng.u32(..300))).collect())
        .collect();
    let documents =
        (0..).zip(&texts).map(|(id, text): (i32, _)| doc! { "_id": id, "text": text.join(" ") });
    let report = notes.import().threads(2).batch_documents(30).run(documents).unwrap();
    assert_eq!(report.tokens, texts.iter().map(Vec::len).sum::<usize>() as u64);
    let different = |texts: &[Vec<String>]| -> u64 {
        texts.iter().flatten().collect::<BTreeSet<_>>().len() as u64
    };
    assert_eq!(notes.count_terms().unwrap(), different(&texts));
    for id in 0..150 {
        notes.remove(id).unwrap();
    }
    assert_eq!(notes.count_terms().unwrap(), different(&texts[150..]));
}

#[test]
fn an_import_stores_what_single_writes_store() {
    for seed in 0..12 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let replaces = rng.bool();
        let documents: Vec<Document> =
            (0..rng.usize(1..400)).map(|_| random_document(&mut rng, 200)).collect();
        let db = Database::in_memory().unwrap();
        let (one, bulk) = (db.collection("one").unwrap(), db.collection("bulk").unwrap());
        // Documents without an `_id` are given another one each time.
        let with_id = |document: &Document| document.contains_key("_id");
        let documents: Vec<_> = documents.into_iter().filter(with_id).collect();
        let before = (0..50).map(|_| random_document(&mut rng, 200)).filter(with_id);
        for document in before {
            let (left, right) = (one.upsert(&document).unwrap(), bulk.upsert(document).unwrap());
            assert_eq!(left, right);
        }
        let (mut refused, mut replaced) = (Vec::new(), 0);
        for (number, document) in (0..).zip(&documents) {
            if replaces {
                replaced +=
                    u64::from(one.upsert(document).unwrap() == alluvium::Upserted::Replaced);
            } else if let Err(error) = one.insert(document) {
                assert!(error.is_duplicate_id());
                refused.push(number);
            }
        }
        let mut found = Vec::new();
        let mut progress = 0;
        let report = bulk
            .import()
            .replace(replaces)
            .threads(rng.usize(1..4))
            .batch_bytes(rng.usize(1..20_000))
            .on_refused(|refused| {
                assert!(refused.error.is_duplicate_id() && refused.document.is_some());
                found.push(refused.number);
                Ok(())
            })
            .on_progress(|report| {
                assert!(report.documents >= progress);
                progress = report.documents;
            })
            .run(&documents)
            .unwrap();
        assert_eq!(found, refused);
        assert_eq!((report.replaced, report.refused), (replaced, refused.len() as u64));
        assert_eq!(report.documents + report.refused, documents.len() as u64);
        assert_eq!(progress, report.documents);
        assert_eq!(one.count().unwrap(), bulk.count().unwrap());
        for word in WORDS {
            let hits = |collection: &Collection| {
                let hits = collection.search(*word).unwrap().limit(1000).run().unwrap();
                hits.map(|hit| (hit.score.to_bits(), hit.document().unwrap().clone()))
                    .collect::<Vec<_>>()
            };
            assert!(hits(&one) == hits(&bulk), "seed {seed}, {word}");
        }
        assert!(db.check(true).unwrap().is_ok(), "seed {seed}");
    }
}

#[test]
fn indexes_that_come_during_an_import_are_filled() {
    let db = Database::in_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    let mut batches = 0;
    let documents = (0..200).map(|id| doc! { "_id": id, "text": "the rivers" });
    let other = notes.clone();
    let import = notes.import().batch_bytes(2_000).on_progress(|_| {
        batches += 1;
        if batches == 3 {
            let english = AnalyzerOptions::for_language(Language::English);
            other.create_text_index("english", &TextIndexOptions::all(english)).unwrap();
        }
    });
    import.run(documents).unwrap();
    assert!(batches > 5);
    let found = |query: &str| notes.search(query).unwrap().index("english").count().unwrap();
    assert_eq!((found("river"), found("the")), (200, 0));
    assert!(db.check(true).unwrap().is_ok());
}

/// How many documents the import `list` is behind.
fn mark(collection: &Collection) -> Option<u64> {
    let mark = collection.import_mark("list").expect("the mark can be read")?;
    Some(
        u64::try_from(mark.get_i64("documents").expect("the mark can be read"))
            .expect("the mark can be read"),
    )
}

#[test]
fn an_import_that_was_ended_goes_on_behind_its_last_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.alv");
    let documents = || (0..500).map(|id| doc! { "_id": id, "text": "gold" });
    let mut rng = fastrand::Rng::with_seed(3);
    let mut rounds = 0;
    loop {
        let db = Database::open(&path).unwrap();
        let notes = db.collection("notes").unwrap();
        let mark = mark(&notes).unwrap_or(0);
        assert_eq!(notes.count().unwrap(), mark);
        let end = rng.u64(50..200);
        let import = notes.import().resumable("list").batch_bytes(3_000);
        // A document that cannot be stored ends it, in the middle of a batch.
        let bad = |id: u64| {
            if id == mark + end {
                doc! { "_id": ["no"] }
            } else {
                doc! { "_id": i64::try_from(id).unwrap(), "text": "gold" }
            }
        };
        let ended = import.run((0..500).map(bad));
        rounds += 1;
        assert!(rounds < 50);
        if ended.is_ok() {
            break;
        }
    }
    let db = Database::open(&path).unwrap();
    let notes = db.collection("notes").unwrap();
    assert_eq!(
        (notes.count().unwrap(), notes.search("gold").unwrap().count().unwrap()),
        (500, 500)
    );
    assert_eq!(mark(&notes), Some(500));
    assert!(rounds > 3);
    assert!(db.check(true).unwrap().is_ok());
    // It has nothing left to do; one of another name begins anew.
    assert_eq!(notes.import().resumable("list").run(documents()).unwrap().documents, 0);
    assert!(notes.import().resumable("other").run(documents()).unwrap_err().is_duplicate_id());
    // The marks go with the collection.
    let mut transaction = db.begin().unwrap();
    transaction.drop_collection("notes").unwrap();
    transaction.commit().unwrap();
    assert_eq!(notes.import_mark("list").unwrap(), None);
}
