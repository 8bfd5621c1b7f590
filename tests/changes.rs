//! The change feed: whoever applies what changed has the same documents, across rollbacks, compactions and reopenings, and with other
//! writers; waiting ends when something is there.
//!
//! A follower that reads page by page is compared with the collection; waiting is tried with another thread that writes.

use std::collections::BTreeMap;
use std::time::Duration;

use alluvium::{Change, Collection, Database};
use bson::{Bson, Document, RawDocumentBuf, doc};

/// A copy of a collection that follows its changes.
#[derive(Default)]
struct Follower {
    documents: BTreeMap<i32, Document>,
    next: u64,
}

fn number(id: &Bson) -> i32 {
    id.as_i32().expect("ids of the test are numbers")
}

impl Follower {
    fn follow(&mut self, collection: &Collection, limit: usize) {
        loop {
            let page =
                collection.changes(self.next, limit).expect("the collection of the test works");
            assert!(page.changes.len() <= limit);
            let is_last = page.changes.len() < limit;
            for change in page.changes {
                match change {
                    Change::Stored(document) => {
                        let document = parsed(&document);
                        self.documents.insert(
                            document.get_i32("_id").expect("the collection of the test works"),
                            document,
                        );
                    }
                    Change::Removed(id) => {
                        self.documents.remove(&number(&id));
                    }
                    _ => panic!("there are no other changes"),
                }
            }
            assert!(page.next >= self.next);
            self.next = page.next;
            if is_last {
                return;
            }
        }
    }
}

fn parsed(document: &RawDocumentBuf) -> Document {
    Document::try_from(document).expect("what is stored is a document")
}

fn all(collection: &Collection) -> BTreeMap<i32, Document> {
    let found = collection
        .find(doc! {})
        .expect("the collection of the test works")
        .run()
        .expect("the collection of the test works");
    let documents =
        found.map(|document| parsed(&document.expect("the collection of the test works")));
    documents
        .map(|document| {
            (document.get_i32("_id").expect("the collection of the test works"), document)
        })
        .collect()
}

#[test]
fn a_follower_has_the_documents_of_the_collection() {
    for seed in 0..8 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.alv");
        let mut db = Database::open(&path).unwrap();
        let mut notes = db.collection("notes").unwrap();
        notes.insert(doc! { "_id": -1 }).unwrap();
        assert!(notes.track_removals().unwrap());
        assert!(!notes.track_removals().unwrap());
        let mut followers = [Follower::default(), Follower::default()];
        for round in 0..120 {
            match rng.u8(..20) {
                0..8 => {
                    let id = rng.i32(0..30);
                    notes.upsert(doc! { "_id": id, "text": "gold", "round": round }).unwrap();
                }
                8..13 => {
                    notes.remove(rng.i32(-1..30)).unwrap();
                }
                13 | 14 => {
                    let mut transaction = db.begin().unwrap();
                    let mut pending = transaction.collection("notes").unwrap();
                    for _ in 0..5 {
                        let id = rng.i32(0..30);
                        pending.upsert(doc! { "_id": id, "round": round }).unwrap();
                        pending.remove(rng.i32(0..30)).unwrap();
                    }
                    if rng.bool() {
                        transaction.commit().unwrap();
                    }
                }
                15 => db.compact().unwrap(),
                16 => {
                    drop(notes);
                    db.close().unwrap();
                    db = Database::open(&path).unwrap();
                    notes = db.collection("notes").unwrap();
                }
                _ => followers[0].follow(&notes, rng.usize(1..6)),
            }
        }
        for follower in &mut followers {
            follower.follow(&notes, 7);
            assert_eq!(follower.documents, all(&notes), "seed {seed}");
        }
        let report = db.check(true).unwrap();
        assert!(report.is_ok(), "{report}");
        // One that begins later needs no removals of before.
        notes.forget_removals(followers[0].next).unwrap();
        let mut late = Follower::default();
        late.follow(&notes, 100);
        assert_eq!(late.documents, all(&notes));
        notes.remove(*late.documents.keys().next().unwrap_or(&-1)).unwrap();
        late.follow(&notes, 100);
        assert_eq!(late.documents, all(&notes));
    }
}

#[test]
fn waiting_ends_with_the_first_change_or_the_time() {
    let db = Database::in_memory().unwrap();
    let notes = db.collection("notes").unwrap();
    assert!(!notes.wait_for_changes(0, Duration::ZERO).unwrap());
    let writer = std::thread::spawn({
        let (db, notes) = (db.clone(), notes.clone());
        move || {
            // A commit to another collection is none of it.
            db.collection("other").unwrap().insert(doc! {}).unwrap();
            for id in 0..200 {
                notes.insert(doc! { "_id": id }).unwrap();
            }
        }
    });
    let mut follower = Follower::default();
    while follower.documents.len() < 200 {
        assert!(notes.wait_for_changes(follower.next, Duration::MAX).unwrap());
        let before = follower.documents.len();
        follower.follow(&notes, 50);
        assert!(follower.documents.len() > before);
    }
    writer.join().unwrap();
    assert!(!notes.wait_for_changes(follower.next, Duration::ZERO).unwrap());
}
