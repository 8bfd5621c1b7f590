//! Collections that index documents and do not store them, beside a twin that does: whatever is inserted and removed, both find the
//! same documents with the same scores. What needs a document that is not there says so and changes nothing.

use std::collections::BTreeMap;
use std::ops::Bound;

use alluvium::bson::{Bson, Document, RawDocumentBuf, doc};
use alluvium::{
    Collection, CollectionOptions, Database, Error, Options, Result, TextIndexOptions,
    ValueIndexOptions,
};

const WORDS: [&str; 7] = ["gold", "river", "silt", "bed", "pan", "nugget", "slow"];

fn text(rng: &mut fastrand::Rng) -> String {
    (0..rng.usize(1..20)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}

/// `_id` and score of every hit.
fn found(collection: &Collection, query: &str) -> Result<Vec<(Bson, u32)>> {
    let hits = collection.search(query)?.limit(1000).run()?;
    hits.map(|hit| Ok((hit.id()?, hit.score.to_bits()))).collect()
}

fn assert_not_stored<T: std::fmt::Debug>(what: &str, result: Result<T>) {
    let error = result.expect_err(what);
    assert!(error.is_not_stored(), "{what}: {error}");
    assert!(error.to_string().contains("does not store documents"), "{what}: {error}");
}

fn both(db: &Database) -> Result<[Collection; 2]> {
    Ok([
        db.create_collection("stored", &CollectionOptions::new())?,
        db.create_collection("indexed", &CollectionOptions::new().index_only(true))?,
    ])
}

#[test]
fn it_finds_what_a_collection_finds_that_stores_documents() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.alv");
    let mut rng = fastrand::Rng::with_seed(3);
    let mut model: BTreeMap<i32, Document> = BTreeMap::new();
    let mut db = Database::open(&path)?;
    for round in 0..12 {
        let [stored, indexed] = both(&db)?;
        for _ in 0..25 {
            let id = rng.i32(0..60);
            let document = doc! { "_id": id, "text": text(&mut rng), "title": text(&mut rng) };
            let before = model.range((Bound::Included(id), Bound::Included(id))).next();
            if let Some((_, before)) = before {
                // One takes the place of another when its words are subtracted.
                assert_not_stored("upsert", indexed.upsert(&document));
                assert_not_stored("replace", indexed.replace(&document));
                assert_not_stored("remove", indexed.remove(id));
                assert!(indexed.insert(&document).is_err_and(|error| error.is_duplicate_id()));
                let other = doc! { "_id": id, "text": "another" };
                assert!(indexed.remove_document(other).is_err());
                assert!(stored.remove_document(doc! { "_id": id }).is_err());
                assert!(indexed.remove_document(before)? && stored.remove_document(before)?);
                assert!(!indexed.remove_document(before)?);
                model.remove(&id);
            }
            if before_is_kept(&mut rng) {
                indexed.insert(&document)?;
                stored.insert(&document)?;
                model.insert(id, document);
            }
        }
        for query in ["gold", "+river -silt", "\"pan gold\"", "title:nugget slow", "be*"] {
            assert_eq!(found(&indexed, query)?, found(&stored, query)?, "{query}");
            assert_eq!(indexed.search(query)?.count()?, stored.search(query)?.count()?);
        }
        assert_eq!(indexed.count()?, model.len() as u64);
        let check = db.check(true)?;
        assert!(check.is_ok(), "{check}");
        drop((stored, indexed));
        match round % 4 {
            0 => db.compact()?,
            1 => {
                db.close()?;
                db = Database::open(&path)?;
            }
            2 => {
                let copy = folder.path().join(format!("copy {round}.alv"));
                db.compact_into(&copy)?;
                let copy = Database::open(copy)?;
                let [stored, indexed] = both(&copy)?;
                assert_eq!(found(&indexed, "gold")?, found(&stored, "gold")?);
            }
            _ => {}
        }
    }
    Ok(())
}

fn before_is_kept(rng: &mut fastrand::Rng) -> bool {
    rng.u8(..3) > 0
}

#[test]
fn imports_index_and_values_are_found_over_their_indexes() -> Result<()> {
    let db = Database::in_memory()?;
    let mut rng = fastrand::Rng::with_seed(4);
    let documents: Vec<Document> = (0..500)
        .map(|id| doc! { "_id": id, "text": text(&mut rng), "km": id % 7, "name": id.to_string() })
        .collect();
    let [stored, indexed] = both(&db)?;
    for collection in [&stored, &indexed] {
        collection.create_value_index("km", &ValueIndexOptions::ascending("km"))?;
        collection.create_value_index("name", &ValueIndexOptions::ascending("name").unique())?;
        collection.create_column("km")?;
        let report = collection.import().batch_documents(70).run(documents.iter())?;
        assert_eq!(report.documents, 500);
    }
    assert_eq!(found(&indexed, "gold river")?, found(&stored, "gold river")?);
    let filter = doc! { "km": 3 };
    assert_eq!(indexed.find(&filter)?.count()?, stored.find(&filter)?.count()?);
    let filtered = |collection: &Collection| -> Result<Vec<Bson>> {
        let hits = collection.search("gold")?.filter(doc! { "km": { "$gte": 5 } })?.run()?;
        hits.map(|hit| hit.id()).collect()
    };
    assert_eq!(filtered(&indexed)?, filtered(&stored)?);
    let twice = doc! { "_id": 1000, "name": "7" };
    assert!(indexed.insert(&twice).is_err_and(|error| error.is_duplicate_key()));
    // A document that would replace another one is refused, and the others go on.
    let more = [doc! { "_id": 3, "text": "gold" }, doc! { "_id": 501, "text": "gold" }];
    let mut refused = Vec::new();
    let import = indexed.import().replace(true).on_refused(|document| {
        refused.push(document.error.is_not_stored());
        Ok(())
    });
    assert_eq!(import.run(more)?.documents, 1);
    assert_eq!(refused, [true]);
    assert!(db.check(true)?.is_ok());
    Ok(())
}

#[test]
fn what_needs_a_document_says_that_it_is_not_stored() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.alv");
    let db = Database::open(&path)?;
    let [_, indexed] = both(&db)?;
    indexed.insert(doc! { "_id": 1, "text": "a river of gold", "km": 7 })?;
    indexed.insert(doc! { "_id": 2, "text": "gold", "km": 8 })?;
    let hit = indexed.search("gold")?.run()?.next().expect("a hit");
    assert_eq!(hit.id()?, Bson::Int32(2));
    assert_not_stored("document", hit.document());
    assert_not_stored("snippet", hit.snippet("text"));
    assert_not_stored("best snippet", hit.best_snippet());
    drop(hit);
    assert_not_stored("get", indexed.get(1));
    assert_not_stored("find", indexed.find(doc! { "km": 7 })?.run()?.collect::<Result<Vec<_>>>());
    assert_not_stored("filter", indexed.search("gold")?.filter(doc! { "km": 7 })?.run().map(drop));
    assert_not_stored("changes", indexed.changes(0, 10));
    assert_not_stored("reindex", indexed.reindex("default"));
    assert_not_stored("index", indexed.create_text_index("more", &TextIndexOptions::default()));
    let by_km = ValueIndexOptions::ascending("km");
    assert_not_stored("value index", indexed.create_value_index("km", &by_km));
    assert_not_stored("column", indexed.create_column("km"));
    assert_not_stored("reorder", db.reorder_into(folder.path().join("near.alv")));
    let documents: Result<Vec<RawDocumentBuf>> =
        db.snapshot().collection("indexed")?.documents().collect();
    assert_not_stored("documents", documents);
    // All that failed left nothing behind.
    assert!(db.check(true)?.is_ok());
    assert_eq!(found(&indexed, "gold")?.len(), 2);
    let other = db.create_collection("indexed", &CollectionOptions::new());
    assert!(matches!(other, Err(Error::CollectionExists { .. })));
    drop(indexed);
    db.close()?;
    // Repair tells that they cannot be had from here.
    let report = Database::repair(&path, folder.path().join("new.alv"), Options::new())?;
    assert!(!report.is_complete());
    assert_eq!(report.losses.len(), 1, "{:?}", report.losses);
    assert!(report.losses[0].what.contains("does not store documents"));
    Ok(())
}
