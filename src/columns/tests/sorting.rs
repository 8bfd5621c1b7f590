//! Sorts and ranges against a full sort of all documents by the sort keys of their values. Pages that continue behind each
//! other have to make the whole.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Collection, key_of, values};
use crate::bson::Bson;
use crate::bson::Direction;
use crate::columns::{SortKey, Sorted, range_documents, sorted};
use crate::fts::{DocId, DocumentSet};

/// The documents of a set in their order, by a full sort.
fn twin(collection: &Collection, set: &DocumentSet, keys: &[SortKey]) -> Vec<Sorted> {
    let null = key_of(&Bson::Null);
    let mut all: Vec<Sorted> = set
        .iter()
        .map(|doc| {
            let key = |key: &SortKey| {
                let found = collection.documents.get(&doc).map(|found| values(found, &key.path));
                let mut found = found.unwrap_or_default().into_keys();
                let found = match key.direction {
                    Direction::Ascending => found.next(),
                    Direction::Descending => found.next_back(),
                };
                found.unwrap_or_else(|| null.clone())
            };
            Sorted { doc, keys: keys.iter().map(key).collect() }
        })
        .collect();
    all.sort_by(|a, b| {
        for (key, (a, b)) in keys.iter().zip(a.keys.iter().zip(&b.keys)) {
            let order = if key.direction == Direction::Ascending { a.cmp(b) } else { b.cmp(a) };
            if order.is_ne() {
                return order;
            }
        }
        a.doc.cmp(&b.doc)
    });
    all
}

#[test]
fn sorts_equal_a_full_sort_in_pages_too() {
    let mut rng = fastrand::Rng::with_seed(21);
    for round in 0..12 {
        let collection = Collection::random(&mut rng, round);
        let set = collection.random_set(&mut rng);
        let mut keys: Vec<SortKey> = ["v", "w", "none"]
            .map(
                |path| {
                    if rng.bool() { SortKey::ascending(path) } else { SortKey::descending(path) }
                },
            )
            .into();
        rng.shuffle(&mut keys);
        keys.truncate(rng.usize(..4));
        let expected = twin(&collection, &set, &keys);
        for limit in [0, 1, 10, 3000] {
            let offset = [0, 1, 25, usize::MAX][rng.usize(..4)];
            let found = sorted(&set, &collection, &keys, offset, limit, None).unwrap();
            let offset = offset.min(expected.len());
            let expected = &expected[offset..(offset + limit).min(expected.len())];
            assert_eq!(found, expected, "{keys:?} {offset} {limit}");
        }
        let limit = rng.usize(1..40) + expected.len() / 12;
        let (mut pages, mut after) = (Vec::new(), None);
        loop {
            let page = sorted(&set, &collection, &keys, 0, limit, after.as_ref()).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            pages.extend(page);
            assert_eq!(pages, expected[..pages.len()], "{keys:?} by {limit}");
        }
        assert_eq!(pages.len(), expected.len());
    }
}

#[test]
fn many_documents_of_one_chunk_are_dropped_in_time() {
    let mut rng = fastrand::Rng::with_seed(22);
    let value = |at: u16| Bson::Int32(i32::from(at.wrapping_mul(40_503) % 5_000));
    let collection = Collection::of((0..4_000).map(|at| (DocId::from_parts(3, at), value(at))));
    let set: DocumentSet = collection.documents.keys().copied().collect();
    for keys in [vec![SortKey::ascending("v")], vec![SortKey::descending("v")], vec![]] {
        let expected = twin(&collection, &set, &keys);
        for wanted in [1, 3, 700, 3_999, 4_000] {
            let offset = rng.usize(..wanted);
            let found = sorted(&set, &collection, &keys, offset, wanted - offset, None).unwrap();
            assert_eq!(found, expected[offset..wanted]);
        }
    }
}

#[test]
fn after_may_be_a_document_that_is_gone() {
    let docs = [5, 6, 7, 8].map(|at| DocId::from_parts(0, at));
    let values = [10, 20, 20, 30].map(Bson::Int32);
    let collection = Collection::of(docs.into_iter().zip(values));
    let set: DocumentSet = docs.into_iter().collect();
    let keys = [SortKey::descending("v")];
    for (value, doc, expected) in
        [(25, 9, [6, 7].as_slice()), (20, 6, &[7, 5]), (20, 9, &[5]), (30, 9, &[6, 7])]
    {
        let after =
            Sorted { doc: DocId::from_parts(0, doc), keys: vec![key_of(&Bson::Int32(value))] };
        let found = sorted(&set, &collection, &keys, 0, 2, Some(&after)).unwrap();
        let found: Vec<u16> = found.into_iter().map(|sorted| sorted.doc.offset()).collect();
        assert_eq!(found, expected, "{value} {doc}");
    }
}

#[test]
fn ranges_equal_a_look_at_every_document() {
    let mut rng = fastrand::Rng::with_seed(23);
    for round in 0..12 {
        let collection = Collection::random(&mut rng, round);
        let keys: Vec<Vec<u8>> = collection
            .documents
            .values()
            .flat_map(|found| values(found, "v").into_keys())
            .collect();
        let mut bound = || match (rng.u8(..3), rng.choice(&keys)) {
            (0, Some(key)) => Bound::Included(key.as_slice()),
            (1, Some(key)) => Bound::Excluded(key.as_slice()),
            _ => Bound::Unbounded,
        };
        let (lower, upper) = (bound(), bound());
        let mut found = DocumentSet::default();
        for (&(_, chunk), column) in collection.columns.iter().filter(|((path, _), _)| path == "v")
        {
            range_documents(column, chunk, lower, upper, &mut found);
        }
        let within = |key: &[u8]| {
            let above = match lower {
                Bound::Included(lower) => lower <= key,
                Bound::Excluded(lower) => lower < key,
                Bound::Unbounded => true,
            };
            above
                && match upper {
                    Bound::Included(upper) => key <= upper,
                    Bound::Excluded(upper) => key < upper,
                    Bound::Unbounded => true,
                }
        };
        let matching: BTreeMap<_, _> = collection
            .documents
            .iter()
            .filter(|(_, document)| values(document, "v").into_keys().any(|key| within(&key)))
            .collect();
        assert!(found.iter().eq(matching.into_keys().copied()));
    }
}
