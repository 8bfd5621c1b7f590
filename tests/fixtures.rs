//! Files of earlier versions still open: `tests/fixtures/v*` holds small ones, each with what it contains beside it as JSON.
//!
//! `ALLUVIUM_WRITE_FIXTURES=1 cargo test --test fixtures` makes those of the current format version anew; it is run once
//! when a format version is frozen, and its files are never changed afterwards. Fixtures are copied before they are opened.

use std::fs;
use std::path::{Path, PathBuf};

use alluvium::bson::to_json;
use alluvium::{Database, Options, Result, doc};
use serde_json::{Map, Value, json};

/// The format version that `ALLUVIUM_WRITE_FIXTURES` writes.
const VERSION: &str = "v1";
const SEARCHES: [&str; 4] = ["gold", "river", "\"wild river\"", "silver"];

fn folder(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version)
}

/// What a file holds: documents by collection, and how many of them some searches find.
fn contents(db: &Database) -> Result<Value> {
    let mut collections = Map::new();
    for name in db.collection_names()? {
        let collection = db.collection(&name)?;
        let mut documents = Vec::new();
        for document in collection.documents()? {
            let line = to_json(&document?);
            documents.push(serde_json::from_str::<Value>(&line).expect("JSON of our own"));
        }
        let mut found = Map::new();
        for query in SEARCHES {
            found.insert(query.to_owned(), json!(collection.search(query)?.count()?));
        }
        collections.insert(name, json!({ "documents": documents, "found": found }));
    }
    Ok(Value::Object(collections))
}

/// Fills a database in several commits, with replaced, removed and large documents.
fn fill(db: &Database) -> Result<()> {
    let rivers = db.collection("rivers")?;
    for round in 0..4 {
        for number in 0..12 {
            let text = format!("A wild river number {number}, gold in round {round}.");
            // One in a block of its own, one in a value segment.
            let repeated = match (number, round) {
                (3, _) => 900,
                (5, 3) => 10_000,
                _ => 2,
            };
            let long = "gravel ".repeat(repeated);
            rivers.upsert(doc! { "_id": number, "text": text, "long": long })?;
        }
        rivers.remove(round)?;
    }
    let names = db.collection("names")?;
    names.insert(
        doc! { "_id": "don", "text": "Quiet flows the Don, without silver.", "km": 1870_i64 },
    )?;
    Ok(())
}

fn write_fixtures() -> Result<()> {
    let folder = folder(VERSION);
    fs::create_dir_all(&folder).expect("the folder of the fixtures");
    let scratch = tempfile::tempdir().expect("a folder");
    for name in ["closed", "killed", "compacted"] {
        let path = scratch.path().join(format!("{name}.alv"));
        let db = Database::open_with(&path, Options::new().memory_bytes(1 << 20))?;
        fill(&db)?;
        let expected = contents(&db)?;
        if name == "compacted" {
            db.compact()?;
            db.shrink()?;
        }
        let fixture = folder.join(format!("{name}.alv"));
        if name == "killed" {
            // What a process leaves that dies here: everything acknowledged is in the file.
            fs::copy(&path, &fixture).expect("a copy");
            db.close()?;
        } else {
            db.close()?;
            fs::copy(&path, &fixture).expect("a copy");
        }
        let text = serde_json::to_string_pretty(&expected).expect("JSON");
        fs::write(fixture.with_extension("json"), text + "\n").expect("a file beside it");
    }
    Ok(())
}

#[test]
fn files_of_every_version_open_and_hold_what_they_held() -> Result<()> {
    if std::env::var_os("ALLUVIUM_WRITE_FIXTURES").is_some() {
        write_fixtures()?;
    }
    let versions = fs::read_dir(folder("")).expect("the folder of the fixtures");
    let mut opened = 0;
    let scratch = tempfile::tempdir().expect("a folder");
    for version in versions {
        let version = version.expect("an entry").path();
        for fixture in fs::read_dir(&version).into_iter().flatten() {
            let fixture = fixture.expect("an entry").path();
            if fixture.extension().is_none_or(|extension| extension != "alv") {
                continue;
            }
            let expected =
                fs::read_to_string(fixture.with_extension("json")).expect("its contents");
            let expected: Value = serde_json::from_str(&expected).expect("JSON");
            let copy = scratch.path().join("copy.alv");
            fs::copy(&fixture, &copy).expect("a copy");
            assert!(Database::check_file(&copy, true)?.is_ok(), "{}", fixture.display());
            let db = Database::open(&copy)?;
            assert!(db.check(true)?.is_ok(), "{}", fixture.display());
            assert_eq!(contents(&db)?, expected, "{}", fixture.display());
            db.close()?;
            assert!(Database::check_file(&copy, true)?.is_ok(), "{}", fixture.display());
            opened += 1;
        }
    }
    assert!(opened >= 3, "{opened} fixtures: closed, killed and compacted files of each version");
    Ok(())
}
