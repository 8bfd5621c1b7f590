//! The indexer writes only through the transaction: one that is spilled to the file, one that stays in memory and one that
//! is rolled back leave the same postings, or none.
//!
//! The same writes go to two databases that differ in memory only; results, scores and the deep check are compared.

use std::sync::Arc;

use alluvium::lsm::{self, ManualScheduler, MemoryStorage};
use alluvium::{Database, Error, Query, doc};

const WORDS: u32 = 60;

fn open(memory_bytes: usize) -> Result<Database, Error> {
    let scheduler = Arc::new(ManualScheduler);
    let options = lsm::Options { memory_bytes, scheduler, ..lsm::Options::default() };
    Database::open_storage(MemoryStorage::default(), options)
}

fn text(rng: &mut fastrand::Rng) -> String {
    let words: Vec<String> = (0..30).map(|_| format!("w{}", rng.u32(..WORDS))).collect();
    words.join(" ")
}

/// Inserts, replaces and removes.
fn write(transaction: &mut alluvium::Transaction, seed: u64, count: i32) -> Result<(), Error> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut notes = transaction.collection("notes")?;
    for _ in 0..count {
        let id = rng.i32(0..count);
        match rng.u32(0..6) {
            0 => drop(notes.remove(id)?),
            _ => drop(notes.upsert(doc! { "_id": id, "text": text(&mut rng) })?),
        }
    }
    Ok(())
}

/// How many documents there are, or a word finds, and the best of them with their scores.
type Found = (u64, Vec<(String, f32)>);

/// What is there, then what each word finds.
fn found(db: &Database) -> Result<Vec<Found>, Error> {
    let notes = db.collection("notes")?;
    let mut found = vec![(notes.count()?, Vec::new())];
    for word in 0..WORDS {
        let search = notes.search(Query::user(&format!("w{word}")))?.limit(20);
        let count = search.count()?;
        let mut hits = Vec::new();
        for hit in search.run()? {
            hits.push((hit.id()?.to_string(), hit.score));
        }
        found.push((count, hits));
    }
    Ok(found)
}

#[test]
fn a_spilled_transaction_and_one_in_memory_leave_equal_postings() -> Result<(), Error> {
    let (spilling, roomy) = (open(96 << 10)?, open(256 << 20)?);
    for (round, count) in [100, 500, 200].into_iter().enumerate() {
        let round = round as u64;
        let before = found(&roomy)?;
        // What is rolled back leaves nothing, however far it went.
        let used = spilling.stats().used_pages;
        let mut transaction = spilling.begin()?;
        write(&mut transaction, round + 100, 500)?;
        assert!(spilling.stats().used_pages > used, "it is spilled");
        transaction.rollback();
        assert_eq!(spilling.stats().used_pages, used, "its pages are free at once");
        assert_eq!(found(&spilling)?, before);
        for db in [&spilling, &roomy] {
            let mut transaction = db.begin()?;
            write(&mut transaction, round, count)?;
            transaction.commit()?;
            db.check(true)?;
        }
        assert_eq!(found(&spilling)?, found(&roomy)?);
    }
    spilling.compact()?;
    spilling.check(true)?;
    assert_eq!(found(&spilling)?, found(&roomy)?);
    Ok(())
}
