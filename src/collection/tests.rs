//! Tests of the whole layer on the real store.
//!
//! Goal: whatever a program does, collections equal a map of documents, text indexes equal what a slow search over that
//! map says, and the deep check finds nothing; and when somebody breaks an index by hand, it does find that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::bson::{Bson, RawBsonRef, RawDocument, RawDocumentBuf, each_string, rawdoc, sort_key};
use crate::fts::{Analyzer, AnalyzerOptions, DocId, FieldId, Language, TextIndexOptions, keyspace};
use crate::lsm::{
    Durability, ManualClock, ManualScheduler, MemoryStorage, Options, Reader, SimulatedStorage,
    Store, Transaction,
};

const NAMES: [&str; 2] = ["notes", "books"];
const WORDS: [&str; 16] = [
    "gold",
    "river",
    "the",
    "rivers",
    "sand",
    "Café",
    "pan",
    "slow",
    "日本語",
    "dust",
    "it's",
    "a",
    "x1",
    "deep",
    "bank",
    "of",
];

/// Documents by the sort keys of their ids, for each collection.
type Model = [BTreeMap<Vec<u8>, RawDocumentBuf>; 2];

/// Options under which a few hundred documents make many blocks, segments and levels.
fn tiny_options() -> Options {
    Options {
        memory_bytes: 2 << 20,
        block_bytes: 512,
        segment_bytes_target: 8 << 10,
        value_chunk_bytes: 150,
        level0_runs_max: 2,
        level_ratio: 2,
        level1_bytes_max: 32 << 10,
        log_bytes_max: 128 << 10,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        merge_operators: operators(),
        group_rewriters: rewriters(),
        ..Options::default()
    }
}

fn index_options(collection: usize) -> TextIndexOptions {
    match collection {
        0 => TextIndexOptions::default(),
        _ => TextIndexOptions::chosen(
            [("title", 2.0), ("part.text", 1.0)],
            AnalyzerOptions::for_language(Language::English),
        ),
    }
}

fn writer(transaction: &mut Transaction, collection: usize) -> CollectionWriter {
    let options = WriterOptions { inverter_bytes_max: 20_000, ..WriterOptions::default() };
    let index = index_options(collection);
    let name = NAMES[collection];
    CollectionWriter::open_or_create(transaction, name, Some(&index), options).unwrap()
}

fn text(rng: &mut fastrand::Rng) -> String {
    let words: Vec<&str> = (0..rng.usize(0..12)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
    words.join(if rng.bool() { " " } else { ", " })
}

fn document(rng: &mut fastrand::Rng) -> RawDocumentBuf {
    let id = rng.i32(0..60);
    let (a, b, c) = (text(rng), text(rng), text(rng));
    match rng.u32(0..5) {
        0 => rawdoc! { "_id": id, "title": a, "part": [{ "text": b }, { "text": [c, 7], "n": 1 }] },
        1 => rawdoc! { "title": a, "_id": id, "part": { "text": b, "partial": c } },
        2 => rawdoc! { "_id": format!("id {id}"), "title": [a, b], "partial": { "text": c } },
        3 => rawdoc! { "_id": f64::from(id), "n": id },
        _ => rawdoc! { "_id": { "a": id, "text": a }, "title": b },
    }
}

fn key_of(document: &RawDocument) -> Vec<u8> {
    let mut key = Vec::new();
    sort_key(document.get("_id").unwrap().unwrap(), &mut key).unwrap();
    key
}

/// One random operation on both sides; what it reports has to agree.
fn operate(
    writer: &mut CollectionWriter,
    transaction: &mut Transaction,
    model: &mut BTreeMap<Vec<u8>, RawDocumentBuf>,
    rng: &mut fastrand::Rng,
) {
    let document = document(rng);
    let key = key_of(&document);
    let known = model.contains_key(&key);
    match rng.u32(0..4) {
        0 => {
            let inserted = writer.insert(transaction, &document);
            match inserted {
                Ok(_) => assert!(model.insert(key, document).is_none()),
                Err(error) => assert!(known && matches!(error, Error::DuplicateId { .. })),
            }
        }
        1 => {
            assert_eq!(writer.replace(transaction, &document).unwrap(), known);
            model.entry(key).and_modify(|old| *old = document);
        }
        2 => {
            let done = writer.upsert(transaction, &document).unwrap();
            assert_eq!(done == Upserted::Replaced, known);
            model.insert(key, document);
        }
        _ => {
            let id = document.get("_id").unwrap().unwrap();
            assert_eq!(writer.remove(transaction, id).unwrap(), known);
            model.remove(&key);
        }
    }
    assert_eq!(writer.count(), model.len() as u64);
}

/// Everything that can be read equals the model.
fn compare(reader: &dyn Reader, model: &Model) {
    for (index, documents) in model.iter().enumerate() {
        let Some(collection) = CollectionReader::open(reader, NAMES[index]).unwrap() else {
            assert!(documents.is_empty());
            continue;
        };
        assert_eq!(collection.count(), documents.len() as u64);
        let mut found = BTreeMap::new();
        let mut by_key = BTreeMap::new();
        let mut last = None;
        for document in collection.documents().unwrap() {
            let (doc, document) = document.unwrap();
            assert!(last.replace(doc) < Some(doc), "iteration ascends");
            assert_eq!(collection.document(doc).unwrap().as_ref(), Some(&document));
            let id = document.get("_id").unwrap().unwrap();
            assert_eq!(collection.doc_id(id).unwrap(), Some(doc));
            assert_eq!(collection.get(id).unwrap().as_ref(), Some(&document));
            by_key.insert(key_of(&document), doc);
            found.insert(key_of(&document), document);
        }
        assert_eq!(&found, documents);
        compare_text(&collection, index, documents, &by_key);
    }
}

/// The terms of a field: a set of (document, frequency) for each, found the slow way.
fn compare_text(
    collection: &CollectionReader<'_>,
    index: usize,
    documents: &BTreeMap<Vec<u8>, RawDocumentBuf>,
    by_key: &BTreeMap<Vec<u8>, DocId>,
) {
    let reader = collection.text_index(None).unwrap();
    let analyzer = Analyzer::new(&index_options(index).analyzer).unwrap();
    let mut expected: BTreeMap<(FieldId, String), BTreeMap<DocId, u32>> = BTreeMap::new();
    let mut lengths: BTreeMap<FieldId, (u64, u64)> = BTreeMap::new();
    let mut paths = BTreeSet::new();
    for (key, document) in documents {
        let doc = by_key[key];
        let mut tokens: BTreeMap<FieldId, u64> = BTreeMap::new();
        each_string::<crate::bson::Error>(document, &mut |path, text| {
            let field = match index {
                0 => Some(FieldId(0)),
                _ => reader.field(path),
            };
            let Some(field) = field else { return Ok(()) };
            let positions = analyzer.analyze(text, &mut |token| {
                let term = expected.entry((field, token.term.to_owned())).or_default();
                *term.entry(doc).or_default() += 1;
                *tokens.entry(field).or_default() += 1;
            });
            if positions > 0 {
                paths.insert(path.to_owned());
            }
            Ok(())
        })
        .unwrap();
        for (field, tokens) in tokens {
            let (documents, total) = lengths.entry(field).or_default();
            *documents += 1;
            *total += tokens;
        }
    }
    for field in reader.fields() {
        let statistics = reader.statistics(field.id).unwrap();
        let (documents, total_length) = lengths.get(&field.id).copied().unwrap_or_default();
        assert_eq!((statistics.documents, statistics.total_length), (documents, total_length));
    }
    let words = WORDS.iter().map(|word| (FieldId(0), word.to_lowercase()));
    for (field, term) in expected.keys().cloned().chain(words).collect::<BTreeSet<_>>() {
        let right = expected.get(&(field, term.clone())).cloned().unwrap_or_default();
        let statistics = reader.term(field, &term).unwrap();
        let ttf = right.values().map(|&frequency| u64::from(frequency)).sum();
        assert_eq!((statistics.df, statistics.ttf), (right.len() as u64, ttf), "{term}");
        let mut found = BTreeMap::new();
        for stored in &reader.postings(field, &term).unwrap().chunks {
            let dead = reader.dead(stored.chunk).unwrap();
            let mut insert = |offset, positions: &[u32]| {
                if !dead.contains(offset) {
                    let frequency = u32::try_from(positions.len()).unwrap();
                    found.insert(DocId::from_parts(stored.chunk, offset), frequency);
                }
                Ok(())
            };
            for part in stored.parts() {
                part.unwrap().each(&mut insert).unwrap();
            }
        }
        assert_eq!(found, right, "{term}");
    }
    for path in ["title", "part", "part.text", "partial", "nothing"] {
        let below = format!("{path}.");
        let right = paths.iter().filter(|known| *known == path || known.starts_with(&below));
        let right: Vec<_> = right.filter(|_| index == 0).cloned().collect();
        assert_eq!(reader.paths_under(path, 10).unwrap(), right);
        let first: Vec<_> = right.into_iter().take(1).collect();
        assert_eq!(reader.paths_under(path, 1).unwrap(), first);
    }
}

fn assert_clean(reader: &dyn Reader) -> DeepReport {
    let report = check(reader).unwrap();
    assert!(report.is_ok(), "{report}");
    report
}

#[test]
fn collections_equal_a_map_of_documents_through_commits_rollbacks_compactions_and_reopening() {
    for seed in 0..4 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let storage = SimulatedStorage::new(seed);
        let mut store = Store::open(storage.clone(), tiny_options()).unwrap();
        let mut model = Model::default();
        for round in 0..120 {
            let mut pending = model.clone();
            let mut transaction = store.begin().unwrap();
            let mut writers: Vec<Option<CollectionWriter>> = vec![None, None];
            if rng.u32(..15) == 0 && round < 60 {
                let index = rng.usize(..2);
                match drop_collection(&mut transaction, NAMES[index]) {
                    Ok(()) => pending[index].clear(),
                    Err(error) => assert!(matches!(error, Error::UnknownCollection { .. })),
                }
            }
            for _ in 0..rng.usize(1..25) {
                let index = rng.usize(..2);
                let writer = writers[index].get_or_insert_with(|| writer(&mut transaction, index));
                operate(writer, &mut transaction, &mut pending[index], &mut rng);
                if rng.u32(..20) == 0 {
                    writer.drain(&mut transaction).unwrap();
                    assert_eq!(writer.bytes(), 0);
                }
            }
            for writer in writers.iter_mut().flatten() {
                writer.drain(&mut transaction).unwrap();
            }
            if rng.u32(..8) == 0 {
                compare(&transaction, &pending);
                assert_clean(&transaction);
            }
            if rng.u32(..5) > 0 {
                transaction.commit(Durability::Buffered).unwrap();
                model = pending;
            }
            match rng.u32(..12) {
                0 => store.flush().unwrap(),
                1 => store.compact().unwrap(),
                2 => {
                    store.close().unwrap();
                    store = Store::open(storage.clone(), tiny_options()).unwrap();
                }
                _ => {
                    store.step().unwrap();
                }
            }
            if round % 10 == 0 {
                compare(&store.snapshot(), &model);
                assert_clean(&store.snapshot());
            }
        }
        compare(&store.snapshot(), &model);
        assert_clean(&store.snapshot());
        store.compact().unwrap();
        store.check().unwrap();
        let report = assert_clean(&store.snapshot());
        assert_eq!(report.documents, (model[0].len() + model[1].len()) as u64);
        assert!(report.dead > 100 && report.postings > 100, "{report}");
        compare(&store.snapshot(), &model);
    }
}

#[test]
fn compaction_purges_what_belongs_to_dead_documents() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    for round in 0..20 {
        let mut transaction = store.begin().unwrap();
        let mut writer = writer(&mut transaction, 0);
        for id in 0..20 {
            let document = rawdoc! { "_id": id, "title": format!("gold {round}") };
            writer.upsert(&mut transaction, &document).unwrap();
        }
        writer.drain(&mut transaction).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
        store.flush().unwrap();
    }
    store.compact().unwrap();
    let report = assert_clean(&store.snapshot());
    assert_eq!((report.documents, report.dead), (20, 380));
    assert_eq!(report.dead_postings, 0, "{report}");
}

#[test]
fn terms_stay_known_to_all_readers_of_a_state_within_the_memory_that_there_is_for_them() {
    let known_of = |memory_bytes, flushed: bool| {
        let options = Options { memory_bytes, ..tiny_options() };
        let store = Store::open(MemoryStorage::default(), options).unwrap();
        let mut transaction = store.begin().unwrap();
        let mut writer = writer(&mut transaction, 0);
        for id in 0..400 {
            let document = rawdoc! { "_id": id, "t": format!("gold w{id}") };
            writer.insert(&mut transaction, &document).unwrap();
        }
        writer.drain(&mut transaction).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
        if flushed {
            store.flush().unwrap();
        }
        let snapshot = store.snapshot();
        let collection = CollectionReader::open(&snapshot, "notes").unwrap().unwrap();
        let [one, other] = [0, 1].map(|_| {
            let again = CollectionReader::again(&snapshot, collection.opened());
            again.text_index(None).unwrap()
        });
        let is_known = |term: &str| {
            let found = one.postings(FieldId(0), term).unwrap();
            let again = other.postings(FieldId(0), term).unwrap();
            assert_eq!((found.statistics.df, again.statistics.df), (1, 1), "{term}");
            Arc::ptr_eq(&found, &again)
        };
        let known = (0..400).filter(|id| is_known(&format!("w{id}"))).count();
        assert!(other.postings(FieldId(0), "unknown").unwrap().chunks.is_empty());
        known
    };
    assert_eq!(known_of(64 << 20, true), 400);
    assert!((20..380).contains(&known_of(2 << 20, true)), "some, as far as the memory goes");
    assert_eq!(known_of(64 << 20, false), 0, "what is nowhere but in memory is found at once");
}

#[test]
fn ordering_by_similarity_trusts_no_number_of_documents() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    for id in 0..100 {
        let document =
            rawdoc! { "_id": id, "t": if id % 2 == 0 { "gold pan" } else { "river bed" } };
        writer.insert(&mut transaction, &document).unwrap();
    }
    for id in (0..100).step_by(9) {
        assert!(writer.remove(&mut transaction, RawBsonRef::Int32(id)).unwrap());
    }
    writer.drain(&mut transaction).unwrap();
    let order_in = |transaction: &Transaction| {
        let collection = CollectionReader::open(transaction, "notes").unwrap().unwrap();
        similar_order(&collection, 1 << 20).unwrap()
    };
    let order = order_in(&transaction);
    let stored: BTreeSet<u64> = (0..100).filter(|id| id % 9 != 0).collect();
    assert_eq!(order.iter().map(|doc| doc.number()).collect::<BTreeSet<_>>(), stored);
    let catalog = transaction.keyspace(catalog::CATALOG).unwrap();
    let tally = catalog::Tally { next: DocId::new((1 << 48) - 1).unwrap(), live: u64::MAX };
    catalog::put_tally(&mut transaction, catalog, "notes", tally).unwrap();
    assert_eq!(order_in(&transaction), order);
}

#[test]
fn chunks_are_crossed_by_documents_and_by_removals() {
    let options = Options { memory_bytes: 256 << 20, ..tiny_options() };
    let options = Options { segment_bytes_target: 1 << 20, level1_bytes_max: 8 << 20, ..options };
    let store = Store::open(MemoryStorage::default(), options).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    for id in 0..66_000 {
        let document = rawdoc! { "_id": id, "t": format!("gold w{}", id % 500) };
        writer.insert(&mut transaction, &document).unwrap();
    }
    for id in (0..66_000).step_by(1000).chain(65_530..65_540) {
        assert!(writer.remove(&mut transaction, RawBsonRef::Int32(id)).unwrap(), "{id}");
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    let snapshot = store.snapshot();
    let report = assert_clean(&snapshot);
    assert_eq!((report.documents, report.dead), (66_000 - 76, 76));
    let collection = CollectionReader::open(&snapshot, "notes").unwrap().unwrap();
    let reader = collection.text_index(None).unwrap();
    let gold = reader.postings(FieldId(0), "gold").unwrap();
    assert!(gold.chunks.iter().map(|stored| stored.chunk).eq([0, 1]));
    assert_eq!(reader.term(FieldId(0), "gold").unwrap().df, 65_924);
}

#[test]
fn an_index_can_be_created_on_documents_dropped_and_rebuilt() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut rng = fastrand::Rng::with_seed(9);
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    let mut model = BTreeMap::new();
    for _ in 0..150 {
        operate(&mut writer, &mut transaction, &mut model, &mut rng);
    }
    writer.drain(&mut transaction).unwrap();
    let index =
        |tx: &mut Transaction, name| create_text_index(tx, "notes", name, &index_options(1), 2000);
    index(&mut transaction, "second").unwrap();
    assert_eq!(assert_clean(&transaction).text_indexes, 2);
    assert!(matches!(index(&mut transaction, "second"), Err(Error::IndexExists { .. })));
    assert!(matches!(index(&mut transaction, "a/b"), Err(Error::InvalidName { .. })));
    transaction.commit(Durability::Buffered).unwrap();

    let mut transaction = store.begin().unwrap();
    drop_text_index(&mut transaction, "notes", "second").unwrap();
    reindex(&mut transaction, "notes", "default", 1 << 20).unwrap();
    assert_eq!(assert_clean(&transaction).text_indexes, 1);
    let missing = drop_text_index(&mut transaction, "notes", "second").unwrap_err();
    assert!(missing.to_string().contains("name one of these: default"), "{missing}");
    index(&mut transaction, "second").unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    compare(&store.snapshot(), &[model, BTreeMap::new()]);
    assert_clean(&store.snapshot());
}

/// Stores the document 1 and makes the definition of its text index another one.
fn put_one_and_change_its_index(
    transaction: &mut Transaction,
    change: impl FnOnce(&mut IndexDefinition),
) {
    let mut writer = writer(transaction, 0);
    writer.insert(transaction, &rawdoc! { "_id": 1, "t": "gold" }).unwrap();
    writer.drain(transaction).unwrap();
    let mut definition = collection_definition(transaction, "notes").unwrap().unwrap();
    change(&mut definition.indexes[0]);
    catalog::put_definition(transaction, "notes", &definition).unwrap();
}

#[test]
fn another_analyzer_is_an_error_that_names_the_remedy_and_reindexing_is_it() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    let change = |index: &mut IndexDefinition| index.fingerprint = "alluvium-0".to_owned();
    put_one_and_change_its_index(&mut transaction, change);

    let options = WriterOptions::default();
    let error = CollectionWriter::open(&transaction, "notes", options).unwrap_err();
    assert!(matches!(error, Error::AnalyzerChanged { .. }));
    assert!(error.to_string().contains("reindex"));
    let collection = CollectionReader::open(&transaction, "notes").unwrap().unwrap();
    assert!(matches!(collection.text_index(None), Err(Error::AnalyzerChanged { .. })));
    assert!(collection.get(RawBsonRef::Int32(1)).unwrap().is_some());
    assert_eq!(check(&transaction).unwrap().findings_count, 1);
    reindex(&mut transaction, "notes", "default", 1 << 20).unwrap();
    assert_clean(&transaction);
}

#[test]
fn an_index_that_names_what_is_not_registered_is_refused_and_nothing_is_lost() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    put_one_and_change_its_index(&mut transaction, |index| {
        let analyzer = index.options.analyzer.clone();
        index.options.analyzer = analyzer.filters(["soundex-of-another-program"]);
    });

    let options = WriterOptions::default();
    let error = CollectionWriter::open(&transaction, "notes", options).unwrap_err();
    assert!(matches!(error, Error::AnalyzerMissing { .. }));
    assert!(error.to_string().contains("soundex-of-another-program"), "{error}");
    assert!(!error.is_corruption());
    let collection = CollectionReader::open(&transaction, "notes").unwrap().unwrap();
    assert!(matches!(collection.text_index(None), Err(Error::AnalyzerMissing { .. })));
    assert!(collection.get(RawBsonRef::Int32(1)).unwrap().is_some());
    assert_eq!(check(&transaction).unwrap().findings_count, 1);
    assert!(reindex(&mut transaction, "notes", "default", 1 << 20).is_err());
    drop(transaction);
    assert!(store.snapshot().keyspace_names().is_empty());
}

#[test]
fn refused_documents_leave_everything_as_it_was() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    writer.insert(&mut transaction, &rawdoc! { "_id": 7, "t": "gold" }).unwrap();
    let (bytes, pending) = (writer.bytes(), transaction.bytes());
    let deep = (0..250).fold(rawdoc! {}, |inside, _| rawdoc! { "a": inside });
    let mut broken = rawdoc! { "_id": 9, "t": "gold" }.into_bytes();
    let last = broken.len() - 2;
    broken[last] = b'!';
    let broken = RawDocumentBuf::from_bytes(broken).unwrap();
    for (document, reason) in [
        (rawdoc! { "_id": 7.0 }, "{\"_id\":7"),
        (rawdoc! { "_id": [1] }, "array"),
        (rawdoc! { "_id": RawBsonRef::Undefined }, "undefined"),
        (rawdoc! { "_id": "x".repeat(70_000) }, "shorter"),
        (deep, "nest"),
        (broken, "malformed"),
    ] {
        let error = writer.insert(&mut transaction, &document).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!((writer.bytes(), transaction.bytes()), (bytes, pending));
    }
    let error = writer.replace(&mut transaction, &rawdoc! { "t": "x" }).unwrap_err();
    assert!(matches!(error, Error::MissingId));
    writer.drain(&mut transaction).unwrap();
    assert_eq!(assert_clean(&transaction).documents, 1);
}

#[test]
fn a_write_that_stops_half_way_leaves_only_the_rollback() {
    // So that the document has to fit in memory.
    let value_chunk_bytes = 64 << 10;
    let options = Options { memory_bytes: 64 << 10, value_chunk_bytes, ..tiny_options() };
    let store = Store::open(MemoryStorage::default(), options).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    let document = rawdoc! { "_id": 1, "t": "gold ".repeat(10_000) };
    assert!(matches!(writer.insert(&mut transaction, &document), Err(Error::Lsm(_))));
    let drained = writer.drain(&mut transaction);
    assert!(matches!(drained, Err(Error::TransactionFailed { .. })));
    let next = writer.insert(&mut transaction, &rawdoc! { "_id": 2 });
    assert!(matches!(next, Err(Error::TransactionFailed { .. })));
}

#[test]
fn a_missing_id_becomes_the_first_field_and_all_other_bytes_stay() {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    let document = rawdoc! { "t": "gold", "n": [1, { "a": 2.5 }] };
    let Bson::ObjectId(id) = writer.insert(&mut transaction, &document).unwrap() else {
        panic!("an ObjectId");
    };
    writer.upsert(&mut transaction, &rawdoc! {}).unwrap();
    writer.drain(&mut transaction).unwrap();
    let collection = CollectionReader::open(&transaction, "notes").unwrap().unwrap();
    let stored = collection.get(RawBsonRef::ObjectId(id)).unwrap().unwrap();
    assert_eq!(stored, rawdoc! { "_id": id, "t": "gold", "n": [1, { "a": 2.5 }] });
    assert_eq!(collection.count(), 2);
    assert_clean(&transaction);
}

/// A collection with one text index, whose findings after `break_it` are given.
fn findings_after(break_it: impl Fn(&mut Transaction)) -> Vec<String> {
    let store = Store::open(MemoryStorage::default(), tiny_options()).unwrap();
    let mut transaction = store.begin().unwrap();
    let mut writer = writer(&mut transaction, 0);
    for id in 0..10 {
        let document = rawdoc! { "_id": id, "t": "gold dust", "u": format!("river {id}") };
        writer.insert(&mut transaction, &document).unwrap();
    }
    assert!(writer.remove(&mut transaction, RawBsonRef::Int32(3)).unwrap());
    writer.drain(&mut transaction).unwrap();
    assert_clean(&transaction);
    break_it(&mut transaction);
    let report = check(&transaction).unwrap();
    assert_eq!(report.findings_count, report.findings.len() as u64);
    report.findings
}

#[test]
fn every_kind_of_entry_that_is_broken_by_hand_is_found() {
    let field = FieldId(0);
    let entries = [
        ("notes/text.default", keyspace::postings_key(field, b"gold", 0)),
        ("notes/text.default", keyspace::postings_key(field, b"4", 0)),
        ("notes/text.default", keyspace::postings_key(FieldId::PATHS, b"u", 0)),
        ("notes/norms.default", keyspace::length_codes_key(field, 0)),
        ("notes/norms.default", keyspace::statistics_key(field)),
        ("notes/dead", keyspace::dead_key(0).to_vec()),
        ("notes/docs", DocId::from_parts(0, 5).to_key().to_vec()),
        ("notes/ids", key_of(&rawdoc! { "_id": 5 })),
        ("catalog", b"notes/tally".to_vec()),
        ("catalog", b"notes".to_vec()),
    ];
    for (name, key) in &entries {
        let delete = |tx: &mut Transaction| {
            let id = tx.keyspace(name).unwrap();
            assert!(tx.get(id, key).unwrap().is_some(), "{name} {key:?}");
            tx.delete(id, key).unwrap();
        };
        assert!(!findings_after(delete).is_empty(), "{name} {key:?} was deleted");
        let truncate = |tx: &mut Transaction| {
            let id = tx.keyspace(name).unwrap();
            let value = tx.get(id, key).unwrap().unwrap();
            tx.put(id, key, value.slice(..value.len() - 1)).unwrap();
        };
        assert!(!findings_after(truncate).is_empty(), "{name} {key:?} was cut");
    }
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let text = |tx: &Transaction| tx.keyspace("notes/text.default").unwrap();
    let missing = findings_after(|tx| {
        let key = keyspace::postings_key(FieldId(0), b"4", 0);
        tx.delete(text(tx), &key).unwrap();
    });
    let wanted = "the term \"4\" of field 0 has no posting for document 4";
    assert!(missing.iter().any(|finding| finding.contains(wanted)), "{missing:?}");

    let extra = findings_after(|tx| {
        let from = keyspace::postings_key(FieldId(0), b"4", 0);
        let value = tx.get(text(tx), &from).unwrap().unwrap();
        tx.put(text(tx), &keyspace::postings_key(FieldId(0), b"silver", 0), value).unwrap();
    });
    let wanted = "has a posting for document 4, whose text does not hold it";
    assert!(extra.iter().any(|finding| finding.contains(wanted)), "{extra:?}");

    let resurrected = findings_after(|tx| {
        let id = tx.keyspace("notes/ids").unwrap();
        let key = key_of(&rawdoc! { "_id": 3 });
        tx.put(id, &key, DocId::from_parts(0, 3).to_key()).unwrap();
    });
    let wanted = "an _id leads to 3, which is not alive";
    assert!(resurrected.iter().any(|finding| finding.contains(wanted)), "{resurrected:?}");

    let foreign = findings_after(|tx| {
        let key = keyspace::length_codes_key(FieldId(0), 7);
        let id = tx.keyspace("notes/norms.default").unwrap();
        tx.put(id, &key, vec![1, 0, 0, 3]).unwrap();
    });
    assert!(foreign.iter().any(|finding| finding.contains("never given")), "{foreign:?}");

    let removed = findings_after(|tx| {
        let id =
            tx.create_keyspace("notes/removals", crate::lsm::KeyspaceOptions::default()).unwrap();
        tx.put(id, &DocId::from_parts(0, 5).to_key(), rawdoc! { "_id": 5 }.as_bytes()).unwrap();
        tx.put(id, &DocId::from_parts(0, 3).to_key(), rawdoc! { "a": 3 }.as_bytes()).unwrap();
    });
    assert_eq!(removed.len(), 2, "{removed:?}");
    assert!(removed[0].contains("3 does not say of what"), "{removed:?}");
    assert!(removed[1].contains("number 5, which is not dead"), "{removed:?}");
}
