//! Repair on real damage: bits flipped, pages zeroed, files cut, roots and manifests destroyed. What is intact is in the new
//! file, whose deep check passes and which answers every search as a file made of its documents does; the damaged file is
//! byte for byte what it was; a file that is there is left alone; and no document is one that never was.
//!
//! `ALLUVIUM_TEST_SCALE` multiplies the random cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use alluvium::bson::RawDocumentBuf;
use alluvium::lsm::{self, BlockCipher, SimulatedStorage, Storage};
use alluvium::{Database, Durability, Error, Options, RepairReport, doc};

const WORDS: [&str; 8] = ["gold", "river", "silt", "pan", "stone", "water", "nugget", "bank"];

type Documents = BTreeMap<String, RawDocumentBuf>;

/// What a database holds, and every document that it ever held.
struct Held {
    now: Documents,
    ever: BTreeSet<Vec<u8>>,
}

/// Fills a database: documents that were replaced and removed too, a collection that was dropped, a transaction larger
/// than memory.
fn fill(db: &Database, rng: &mut fastrand::Rng) -> alluvium::Result<Held> {
    let notes = db.collection("notes")?;
    db.collection("old")?.insert_many((0..50).map(|id| doc! { "_id": id, "text": "gold" }))?;
    let mut ever = BTreeSet::new();
    for round in 0..6 {
        let mut transaction = db.begin()?;
        let mut pending = transaction.collection("notes")?;
        for number in 0..60 {
            let words: Vec<&str> = (0..rng.usize(3..60)).map(|_| WORDS[rng.usize(..8)]).collect();
            let long = if number == round { "gravel ".repeat(2000) } else { String::new() };
            let id = format!("{:03}", rng.u32(0..300));
            let document = doc! { "_id": id, "text": words.join(" "), "long": long };
            ever.insert(RawDocumentBuf::try_from(&document).expect("a document").into_bytes());
            pending.upsert(document)?;
        }
        transaction.commit_with(if round < 5 { Durability::Sync } else { Durability::Buffered })?;
        notes.remove(format!("{:03}", rng.u32(0..300)))?;
        match round {
            1 => db.drop_collection("old")?,
            2 => db.compact()?,
            _ => {}
        }
    }
    drop(notes);
    Ok(Held { now: held(db)?, ever })
}

/// A file that was closed in order.
fn database(path: &Path, rng: &mut fastrand::Rng) -> alluvium::Result<Held> {
    let db = Database::open_with(path, Options::new().memory_bytes(1 << 20))?;
    let held = fill(&db, rng)?;
    db.close()?;
    Ok(held)
}

fn held(db: &Database) -> alluvium::Result<Documents> {
    let mut documents = Documents::new();
    for document in db.collection("notes")?.documents()? {
        let document = document?;
        let id = document.get_str("_id").expect("every document has a name").to_owned();
        documents.insert(id, document);
    }
    Ok(documents)
}

/// Proves that a database answers as one does that is made of its documents.
fn assert_answers(db: &Database) -> alluvium::Result<()> {
    let twin = Database::in_memory()?;
    let documents = db.collection("notes")?.documents()?.collect::<alluvium::Result<Vec<_>>>()?;
    twin.collection("notes")?.insert_many(documents)?;
    for query in ["gold", "river silt", "+pan -stone", "\"gold river\"", "gravel"] {
        let answer = |db: &Database| -> alluvium::Result<Vec<(String, u32)>> {
            let notes = db.collection("notes")?;
            let mut hits = Vec::new();
            for hit in notes.search(query)?.limit(1000) {
                let hit = hit?;
                let id = hit.document()?.get_str("_id").expect("a name").to_owned();
                hits.push((id, hit.score.to_bits()));
            }
            Ok(hits)
        };
        assert_eq!(answer(db)?, answer(&twin)?, "{query}");
    }
    Ok(())
}

/// Repairs `bytes` and proves what holds whatever is damaged; gives the report and the documents.
fn repair(folder: &Path, bytes: &[u8]) -> alluvium::Result<(RepairReport, Documents)> {
    let (source, target) = (folder.join("damaged.alv"), folder.join("repaired.alv"));
    fs::write(&source, bytes).expect("a file of the test");
    let repaired = Database::repair(&source, &target, Options::new().memory_bytes(1 << 20));
    assert!(fs::read(&source).expect("a file of the test") == bytes, "the source is only read");
    if repaired.is_err() {
        assert!(!target.exists(), "an unfinished file is removed");
    }
    let report = repaired?;
    assert!(Database::check_file(&target, true)?.is_ok());
    let db = Database::open(&target)?;
    let documents = held(&db)?;
    assert_eq!(report.documents, documents.len() as u64);
    assert_answers(&db)?;
    db.close()?;
    fs::remove_file(&target).expect("a file of the test");
    Ok((report, documents))
}

#[test]
fn a_sound_file_is_copied_whole() -> alluvium::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.alv");
    let documents = database(&path, &mut fastrand::Rng::with_seed(1))?.now;
    let (report, found) = repair(folder.path(), &fs::read(&path).expect("the file"))?;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(found, documents);
    Ok(())
}

#[test]
fn without_roots_and_manifest_all_documents_come_back() -> alluvium::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.alv");
    let documents = database(&path, &mut fastrand::Rng::with_seed(2))?.now;
    let mut bytes = fs::read(&path).expect("the file");
    bytes[..4096].fill(0xA5);
    bytes[4096..8192].fill(0xA5);
    bytes[8 * 4096..9 * 4096].fill(0xA5);
    let (report, found) = repair(folder.path(), &bytes)?;
    assert!(report.trouble.is_some());
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(found, documents);
    Ok(())
}

#[test]
fn random_damage_costs_what_it_hit_and_no_more() -> alluvium::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.alv");
    let mut rng = fastrand::Rng::with_seed(3);
    let Held { now: documents, ever } = database(&path, &mut rng)?;
    let bytes = fs::read(&path).expect("the file");
    let pages = bytes.len() / 4096;
    let scale = std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok());
    let (mut complete, mut partial) = (0, 0);
    for case in 0..24 * scale.unwrap_or(1) {
        let mut damaged = bytes.clone();
        let page = rng.usize(..pages) * 4096;
        match case % 4 {
            // Few for each page: a file that was closed has little but what is alive.
            0 => (0..=pages / 16)
                .for_each(|_| damaged[rng.usize(..pages * 4096)] ^= 1 << rng.u32(0..8)),
            1 => damaged[page..page + 4096].fill(0),
            2 => damaged[page..page + 4096].fill_with(|| rng.u8(..)),
            _ => damaged.truncate(damaged.len() - rng.usize(1..damaged.len() / 3)),
        }
        let (report, found) = match repair(folder.path(), &damaged) {
            Ok(repaired) => repaired,
            Err(error) => panic!("case {case}: {error}"),
        };
        let lost = documents.iter().filter(|(id, document)| found.get(*id) != Some(document));
        let lost = lost.count();
        let is_known = |document: &RawDocumentBuf| ever.contains(document.as_bytes());
        assert!(found.values().all(is_known), "case {case}: a document that never was");
        assert!(!report.is_complete() || lost == 0, "case {case}: {lost} lost and not told");
        // The file has some thirty pages, so that one of them may hold what leads to most documents.
        assert!(case % 4 == 3 || lost < documents.len() * 3 / 4, "case {case}: {lost} lost");
        *(if report.is_complete() { &mut complete } else { &mut partial }) += 1;
    }
    assert!(complete > 0 && partial > 0, "{complete} complete, {partial} not");
    Ok(())
}

/// Segments say to which keyspace they belong, and large values to which segment.
#[test]
fn without_any_root_and_manifest_segments_tell_what_they_hold() -> alluvium::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.alv");
    let db = Database::open(&path)?;
    let notes = db.collection("notes")?;
    for number in 0..300 {
        let repeats = if number % 100 == 7 { 20_000 } else { 3 };
        let text = "gold sediment ".repeat(repeats);
        notes.insert(doc! { "_id": format!("{number:03}"), "text": text })?;
        if number == 150 {
            db.compact()?;
        }
    }
    drop(notes);
    let documents = held(&db)?;
    db.close()?;
    let mut bytes = fs::read(&path).expect("the file");
    let is_root = |page: &[u8]| {
        page.starts_with(b"ALVROOT") || page[page.len() - 232..].starts_with(b"ALVROOT")
    };
    let mut destroyed = 0;
    for page in bytes.chunks_mut(4096).filter(|page| is_root(page)) {
        page.fill(0xA5);
        destroyed += 1;
    }
    assert!(destroyed > 2, "both roots, and the manifests with their copies");
    let (report, found) = repair(folder.path(), &bytes)?;
    assert!(!report.is_complete(), "nobody knows what there was");
    assert_eq!(found, documents);
    Ok(())
}

/// Whatever ends the process meanwhile leaves no half-filled file under the name that was asked for.
#[test]
fn the_new_file_has_its_name_when_it_is_whole() -> alluvium::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, target) = (folder.path().join("a.alv"), folder.path().join("b.alv"));
    database(&source, &mut fastrand::Rng::with_seed(3))?;
    let names = || {
        let entries = fs::read_dir(folder.path()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let mut partial = 0;
    Database::repair_with(&source, &target, Options::new(), |progress| {
        assert!(!target.exists());
        let is_partial = |name: &String| name.ends_with(".alluvium-partial");
        partial += usize::from(progress.documents > 0 && names().iter().any(is_partial));
    })?;
    assert!(partial > 0);
    let mut left = names();
    left.sort();
    assert_eq!(left, ["a.alv", "b.alv"]);
    Ok(())
}

#[test]
fn a_file_that_is_there_is_left_alone_and_rubbish_makes_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, target) = (folder.path().join("a.alv"), folder.path().join("b.alv"));
    fs::write(&source, vec![7; 40_000]).expect("a file of the test");
    fs::write(&target, b"mine").expect("a file of the test");
    let there = Database::repair(&source, &target, Options::new());
    assert!(matches!(there, Err(Error::FileExists { .. })));
    assert_eq!(fs::read(&target).expect("a file of the test"), b"mine");
    let rubbish = Database::repair(&source, folder.path().join("c.alv"), Options::new());
    assert!(rubbish.is_err());
    assert!(!folder.path().join("c.alv").exists());
}

/// Turns bits over, and proves nothing but its context: enough to see that the key is asked for.
#[derive(Debug)]
struct Toy(u8);

impl BlockCipher for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn reserved_bytes(&self) -> usize {
        8
    }

    fn new_salt(&self) -> io::Result<[u8; 16]> {
        Ok([7; 16])
    }

    fn seal(&self, context: &[u8], piece: &mut [u8], reserved: &mut [u8]) -> io::Result<()> {
        reserved.copy_from_slice(&self.tag(context));
        for byte in piece {
            *byte ^= self.0;
        }
        Ok(())
    }

    fn open(&self, context: &[u8], piece: &mut [u8], reserved: &[u8]) -> bool {
        for byte in piece {
            *byte ^= self.0;
        }
        reserved == self.tag(context)
    }
}

impl Toy {
    fn tag(&self, context: &[u8]) -> [u8; 8] {
        let sum = context.iter().fold(u64::from(self.0), |sum, byte| {
            sum.wrapping_mul(0x100_0000_01B3) ^ u64::from(*byte)
        });
        sum.to_le_bytes()
    }
}

#[test]
fn an_encrypted_file_is_repaired_with_its_key() -> alluvium::Result<()> {
    let options = |key: Option<u8>| lsm::Options {
        cipher: key.map(|key| Arc::new(Toy(key)) as Arc<dyn BlockCipher>),
        memory_bytes: 1 << 20,
        ..lsm::Options::default()
    };
    let source = SimulatedStorage::new(4);
    let db = Database::open_storage(source.clone(), options(Some(9)))?;
    let documents = fill(&db, &mut fastrand::Rng::with_seed(4))?.now;
    db.close()?;
    for page in [1, 8] {
        source.write_at(page * 4096, &[0xA5; 4096]).expect("memory");
    }
    let source: Arc<dyn Storage> = Arc::new(source);
    for key in [None, Some(8)] {
        let refused = Database::repair_storage(&source, SimulatedStorage::new(5), options(key));
        let refused = refused.expect_err("the key is wrong").to_string();
        assert!(refused.contains("toy"), "{refused}");
    }
    let target = SimulatedStorage::new(6);
    let report = Database::repair_storage(&source, target.clone(), options(Some(9)))?;
    assert!(report.is_complete() && report.trouble.is_some(), "{report:?}");
    let db = Database::open_storage(target, options(Some(9)))?;
    assert_eq!(held(&db)?, documents);
    Ok(())
}
