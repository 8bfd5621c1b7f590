//! Text indexes that are built anew under other options while documents are written: through the public API, against an index
//! that was created with those options. Whatever happens between two steps of a rebuild, searches give what the old options say
//! until it is done, and what the new ones say from then on, to the last bit of each score.
//!
//! The twin is a database in memory with the same documents in the same order. Every test ends with `check(deep)`, which compares
//! what is half built too. `ALLUVIUM_TEST_SCALE=10` runs ten times as many cases.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use alluvium::bson::{Bson, Document, RawDocumentBuf};
use alluvium::lsm::SimulatedStorage;
use alluvium::{
    AnalyzerOptions, CollectionOptions, Database, Error, Language, TextIndexOptions,
    TextIndexRebuild, Transaction, collection, doc,
};

#[path = "support/tiny.rs"]
mod tiny;

const WORDS: [&str; 10] =
    ["gold", "rivers", "river", "the", "panning", "pan", "pans", "creek", "of", "sluices"];
const QUERIES: [&str; 8] = [
    "gold",
    "river pan",
    "rivers",
    "\"the river\"",
    "title:pans",
    "text:gold creek",
    "slu*",
    "+panning -gold",
];
/// The index that is rebuilt.
const INDEX: &str = "default";
/// Ways to build it: see [`index_options`].
const OPTIONS_LEN: usize = 5;

/// What an index is rebuilt to: other words, other fields, other weights, pairs.
fn index_options(number: usize) -> TextIndexOptions {
    let english = AnalyzerOptions::for_language(Language::English);
    match number {
        0 => TextIndexOptions::default(),
        1 => TextIndexOptions::all(english.stop_words(false)),
        2 => TextIndexOptions::chosen([("title", 2.0), ("text", 1.0)], english),
        3 => TextIndexOptions::chosen([("text", 3.5)], AnalyzerOptions::default()),
        _ => index_options(1).paired_words(["the", "of", "rivers"]),
    }
}

fn random_text(rng: &mut fastrand::Rng, words: usize) -> String {
    let words: Vec<&str> =
        (0..rng.usize(0..words)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
    words.join(" ")
}

fn random_document(rng: &mut fastrand::Rng) -> Document {
    let (title, text) = (random_text(rng, 4), random_text(rng, 12));
    doc! { "_id": rng.i32(0..24), "title": title, "text": text, "tags": ["gold", random_text(rng, 3)] }
}

/// Some writes of one transaction.
fn write(transaction: &mut Transaction, rng: &mut fastrand::Rng) -> Result<(), Error> {
    let mut notes = transaction.collection("notes")?;
    for _ in 0..rng.u32(1..8) {
        match rng.u32(0..6) {
            0 | 1 => drop(notes.upsert(random_document(rng))?),
            2 => drop(notes.replace(random_document(rng))?),
            3 | 4 => match notes.insert(random_document(rng)) {
                Err(error) if !error.is_duplicate_id() => return Err(error),
                _ => {}
            },
            _ => drop(notes.remove(rng.i32(0..24))?),
        }
    }
    Ok(())
}

/// Hits of some queries: `_id` and the bits of the score.
type Answers = BTreeMap<&'static str, Vec<(Bson, u32)>>;

fn answers(db: &Database) -> Result<Answers, Error> {
    let notes = db.collection("notes")?;
    let mut answers = Answers::new();
    for query in QUERIES {
        let mut hits = Vec::new();
        for hit in notes.search(query)?.limit(100) {
            let hit = hit?;
            hits.push((hit.id()?, hit.score.to_bits()));
        }
        answers.insert(query, hits);
    }
    Ok(answers)
}

fn documents(db: &Database) -> Result<Vec<RawDocumentBuf>, Error> {
    db.collection("notes")?.documents()?.collect()
}

/// Compares all searches with those of an index that was created with these options.
#[track_caller]
fn compare(db: &Database, options: &TextIndexOptions, context: &str) -> Result<(), Error> {
    let twin = Database::in_memory()?;
    let with_options = CollectionOptions::new().text_index(options.clone());
    twin.create_collection("notes", &with_options)?.insert_many(documents(db)?)?;
    assert_eq!(answers(db)?, answers(&twin)?, "{context}");
    let indexes = db.collection("notes")?.text_indexes()?;
    assert_eq!(indexes, [(INDEX.to_owned(), options.clone())], "{context}");
    Ok(())
}

#[track_caller]
fn check(db: &Database, context: &str) {
    let report = db.check(true).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(report.is_ok(), "{context}: {report:?}");
}

fn is_ended(error: &Error) -> bool {
    matches!(error, Error::Collection(collection::Error::RebuildEnded { .. }))
}

/// A rebuild and the options that it leads to.
struct Running {
    rebuild: TextIndexRebuild,
    options: usize,
    /// Whether what it built is there no more.
    ended: bool,
}

/// The state of a random test.
struct World {
    db: Database,
    device: SimulatedStorage,
    /// Options of the index, and of what is half built.
    options: usize,
    half_built: Option<usize>,
    running: Vec<Running>,
    switches: u64,
}

impl World {
    fn new(seed: u64) -> Result<Self, Error> {
        let device = SimulatedStorage::new(seed);
        let db = Database::open_storage(device.clone(), tiny::options())?;
        db.create_collection("notes", &CollectionOptions::new())?;
        let (options, half_built, running, switches) = (0, None, Vec::new(), 0);
        Ok(World { db, device, options, half_built, running, switches })
    }

    /// What was half built is gone.
    fn end_rebuild(&mut self) {
        self.half_built = None;
        for running in &mut self.running {
            running.ended = true;
        }
    }

    fn start(&mut self, options: usize) -> Result<(), Error> {
        let rebuild = self.db.collection("notes")?.start_rebuild(INDEX, &index_options(options))?;
        if self.half_built != Some(options) {
            self.end_rebuild();
        }
        self.half_built = Some(options);
        self.running.push(Running { rebuild, options, ended: false });
        Ok(())
    }

    fn step(&mut self, place: usize, documents_max: usize) -> Result<(), Error> {
        let Running { rebuild, options, ended } = &mut self.running[place];
        match rebuild.step(documents_max) {
            Err(error) if *ended => assert!(is_ended(&error), "{error}"),
            Ok(left) if !*ended => {
                assert_eq!(left, rebuild.progress()?);
                if left.is_some() {
                    return Ok(());
                }
                self.options = *options;
                self.switches += 1;
                let done = self.half_built.take();
                assert_eq!(done, Some(self.options));
                // Those who shared the work see that it is done.
                for other in &mut self.running {
                    if !other.ended {
                        assert_eq!(other.rebuild.step(1)?, None);
                        other.ended = true;
                    }
                }
                self.running.clear();
                return Ok(());
            }
            other => panic!("ended: {ended}, and a step gave {other:?}"),
        }
        self.running.remove(place);
        Ok(())
    }

    /// Changes the index while something may be half built.
    fn change_index(&mut self, rng: &mut fastrand::Rng) -> Result<(), Error> {
        let mut transaction = self.db.begin()?;
        match rng.u32(0..3) {
            0 => {
                transaction.drop_collection("notes")?;
                transaction.collection("notes")?.insert(random_document(rng))?;
                self.options = 0;
            }
            1 => {
                self.options = rng.usize(..OPTIONS_LEN);
                let mut notes = transaction.collection("notes")?;
                notes.drop_text_index(INDEX)?;
                notes.create_text_index(INDEX, &index_options(self.options))?;
            }
            _ => transaction.collection("notes")?.reindex(INDEX)?,
        }
        transaction.commit()?;
        self.end_rebuild();
        Ok(())
    }

    fn cancel(&mut self) {
        let Some(Running { rebuild, ended, .. }) = self.running.pop() else { return };
        match rebuild.cancel() {
            Ok(()) if !ended => self.end_rebuild(),
            Err(error) if ended => assert!(is_ended(&error), "{error}"),
            other => panic!("ended: {ended}, and cancelling gave {other:?}"),
        }
    }

    fn reopen(self, rng: &mut fastrand::Rng) -> Result<Self, Error> {
        let World { db, device, options, half_built, running, switches } = self;
        drop(running);
        let device = if rng.bool() {
            db.close()?;
            device
        } else {
            // All that was committed is in the file; steps are, because nothing fails.
            db.sync()?;
            let after = device.after_power_cut(rng.u64(..));
            drop(db);
            after
        };
        let db = Database::open_storage(device.clone(), tiny::options())?;
        Ok(World { db, device, options, half_built, running: Vec::new(), switches })
    }
}

#[test]
fn searches_equal_those_of_an_index_created_so_whatever_happens_between_steps() -> Result<(), Error>
{
    let mut switches = 0;
    for seed in 0..12 * tiny::scale() {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(seed)?;
        for round in 0..80 {
            let context = format!("seed {seed}, round {round}");
            match rng.u32(0..32) {
                0..10 => {
                    let mut transaction = world.db.begin()?;
                    write(&mut transaction, &mut rng)?;
                    if rng.u32(0..4) > 0 {
                        transaction.commit()?;
                    }
                }
                10..14 => {
                    // Most often what was begun goes on.
                    let options = world.half_built.filter(|_| rng.u32(0..4) > 0);
                    world.start(options.unwrap_or_else(|| rng.usize(..OPTIONS_LEN)))?;
                }
                14..23 if !world.running.is_empty() => {
                    let place = rng.usize(..world.running.len());
                    world.step(place, rng.usize(0..10))?;
                }
                23 => {
                    world.change_index(&mut rng)?;
                }
                24 => world.cancel(),
                25 => world = world.reopen(&mut rng)?,
                26 => world.db.compact()?,
                27 => check(&world.db, &context),
                28 | 29 => compare(&world.db, &index_options(world.options), &context)?,
                _ => drop(world.db.step()?),
            }
        }
        let context = format!("seed {seed}");
        compare(&world.db, &index_options(world.options), &context)?;
        check(&world.db, &context);
        world.running.clear();
        world.start(2)?;
        while !world.running.is_empty() {
            world.step(0, 5)?;
        }
        compare(&world.db, &index_options(2), &context)?;
        world.db.compact()?;
        compare(&world.db, &index_options(2), &context)?;
        check(&world.db, &context);
        switches += world.switches;
    }
    assert!(switches >= 24, "{switches} rebuilds came to their end");
    Ok(())
}

/// Documents in their order, and the options of the index; none where there is no collection.
type State = (Vec<RawDocumentBuf>, Option<usize>);

/// What a script did until it ended or failed.
#[derive(Default)]
struct Told {
    states: Vec<State>,
    /// Place of the last state that was acknowledged as durable.
    acknowledged: usize,
}

impl Told {
    fn write(&mut self, db: &Database, rng: &mut fastrand::Rng) -> Result<(), Error> {
        let mut transaction = db.begin()?;
        write(&mut transaction, rng)?;
        let mut notes = transaction.collection("notes")?;
        let documents = notes.find(doc! {})?.run()?.collect::<Result<Vec<_>, _>>()?;
        let options = self.states.last().and_then(|state| state.1);
        self.states.push((documents, options.or(Some(0))));
        transaction.commit()?;
        self.acknowledged = self.states.len() - 1;
        Ok(())
    }

    /// A step of at most 5 documents; whether the rebuild goes on.
    fn step(&mut self, rebuild: &mut TextIndexRebuild, options: usize) -> Result<bool, Error> {
        let Some(before) = rebuild.progress()? else { return Ok(false) };
        let documents = self.states.last().map(|state| state.0.clone()).unwrap_or_default();
        self.states.push((documents, Some(options)));
        let done = rebuild.step(5).map(|left| left.is_none());
        if matches!(done, Ok(false)) || before.documents + 5 < before.total && done.is_err() {
            // It was not the last one: dead documents alone are passed by without being counted.
            self.states.pop();
        } else if done.is_ok() {
            self.acknowledged = self.states.len() - 1;
        }
        Ok(!done?)
    }
}

/// Writes and rebuilds; one rebuild is given up, one is taken up again after the file was opened anew.
fn script(device: &SimulatedStorage, seed: u64) -> Told {
    let mut told = Told { states: vec![(Vec::new(), None)], acknowledged: 0 };
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut run = || -> Result<(), Error> {
        let mut db = Database::open_storage(device.clone(), tiny::options())?;
        for options in [2, 3, 1] {
            told.write(&db, &mut rng)?;
            told.write(&db, &mut rng)?;
            let notes = db.collection("notes")?;
            let mut rebuild = notes.start_rebuild(INDEX, &index_options(options))?;
            let mut steps = 0;
            while told.step(&mut rebuild, options)? {
                told.write(&db, &mut rng)?;
                db.step()?;
                steps += 1;
                if (options, steps) == (3, 1) {
                    rebuild.cancel()?;
                    break;
                }
                if (options, steps) == (1, 1) {
                    drop((rebuild, notes));
                    db.close()?;
                    db = Database::open_storage(device.clone(), tiny::options())?;
                    told.write(&db, &mut rng)?;
                    let rest = db.collection("notes")?.start_rebuild(INDEX, &index_options(1))?;
                    assert!(rest.progress()?.is_some_and(|progress| progress.documents > 0));
                    rebuild = rest;
                    while told.step(&mut rebuild, 1)? {}
                    break;
                }
            }
        }
        db.close()
    };
    let _ = run();
    told
}

fn verify(device: SimulatedStorage, told: &Told, context: &str) -> Result<(), Error> {
    let db = Database::open_storage(device, tiny::options())?;
    let indexes = db.collection("notes")?.text_indexes()?;
    let number = |(_, options): &(String, TextIndexOptions)| {
        (0..OPTIONS_LEN)
            .find(|&number| index_options(number) == *options)
            .expect("one of the script's")
    };
    let options = indexes.first().map(number);
    let found = (documents(&db)?, options);
    let known = told.states[told.acknowledged..].contains(&found);
    assert!(known, "{context}: not state {} or a later one: {found:?}", told.acknowledged);
    check(&db, context);
    let Some(options) = options else { return Ok(()) };
    compare(&db, &index_options(options), context)?;
    let notes = db.collection("notes")?;
    notes.upsert(doc! { "_id": 1, "title": "gold", "text": "the last river" })?;
    notes.rebuild_text_index(INDEX, &index_options(1))?;
    compare(&db, &index_options(1), context)?;
    check(&db, context);
    Ok(())
}

/// A tenth of the operations, at the scale 10 all.
fn some_of(operations: u64, seed: u64) -> impl Iterator<Item = u64> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (1..=operations).filter(move |_| rng.u64(0..10) < tiny::scale())
}

#[test]
fn a_power_cut_at_any_operation_leaves_an_index_that_works_and_a_rebuild_that_can_go_on()
-> Result<(), Error> {
    for seed in 0..tiny::scale() {
        let device = SimulatedStorage::new(seed);
        let told = script(&device, seed);
        assert_eq!(told.acknowledged, told.states.len() - 1, "undisturbed");
        let operations = device.ops();
        for cut in some_of(operations, seed) {
            let device = SimulatedStorage::new(seed);
            device.power_cut_at(cut);
            let told = script(&device, seed);
            let context = format!("seed {seed}, cut {cut} of {operations}");
            verify(device.after_power_cut(cut), &told, &context)?;
        }
    }
    Ok(())
}

#[test]
fn an_io_error_at_any_operation_leaves_an_index_that_works() -> Result<(), Error> {
    let device = SimulatedStorage::new(7);
    script(&device, 7);
    let operations = device.ops();
    for fail in some_of(operations, 7) {
        let device = SimulatedStorage::new(7);
        device.fail_at(fail, std::io::ErrorKind::Other);
        let told = script(&device, 7);
        let contents = SimulatedStorage::from_bytes(device.contents());
        verify(contents, &told, &format!("error {fail} of {operations}"))?;
    }
    Ok(())
}

#[test]
fn others_write_and_search_while_an_index_is_rebuilt() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let notes = db.collection("notes")?;
    let mut rng = fastrand::Rng::with_seed(1);
    let text = |rng: &mut fastrand::Rng| random_text(rng, 12);
    let document = |id: i32, rng: &mut fastrand::Rng| {
        let (title, text) = (text(rng), text(rng));
        doc! { "_id": id, "title": title, "text": text }
    };
    notes.insert_many((0..600).map(|id| document(id, &mut rng)))?;
    let done = AtomicBool::new(false);
    let (written, told) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|thread| {
                let (notes, done) = (&notes, &done);
                scope.spawn(move || -> Result<u64, Error> {
                    let mut rng = fastrand::Rng::with_seed(thread);
                    let mut written = 0;
                    while !done.load(Ordering::Relaxed) {
                        let id = rng.i32(0..700);
                        if rng.bool() {
                            notes.upsert(document(id, &mut rng))?;
                        } else {
                            notes.remove(id)?;
                        }
                        notes.search("gold")?.count()?;
                        written += 1;
                    }
                    Ok(written)
                })
            })
            .collect();
        let mut told = Vec::new();
        let rebuilt = notes.start_rebuild(INDEX, &index_options(2)).and_then(|mut rebuild| {
            while let Some(progress) = rebuild.step(20)? {
                told.push(progress);
            }
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        let written = writers.into_iter().map(|writer| writer.join().expect("no panic"));
        let written: Result<Vec<_>, Error> = written.collect();
        rebuilt.and(written).map(|written| (written, told))
    })?;
    assert!(written.iter().sum::<u64>() > 0, "{written:?}");
    assert!(told.is_sorted_by_key(|progress| progress.documents), "{told:?}");
    assert!(
        told.iter().all(|progress| progress.total >= 600 && progress.documents < progress.total)
    );
    compare(&db, &index_options(2), "threads")?;
    check(&db, "threads");
    Ok(())
}

#[test]
fn rebuilds_that_cannot_be_are_refused_and_leave_the_index_as_it_is() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let notes = db.collection("notes")?;
    let missing = notes.rebuild_text_index(INDEX, &index_options(1)).unwrap_err();
    assert!(missing.is_unknown_collection(), "{missing}");
    notes.insert_many((0..9).map(|id| doc! { "_id": id, "text": "panning for gold" }))?;
    for error in [
        notes.rebuild_text_index("title", &index_options(1)).unwrap_err(),
        notes.reindex("title").unwrap_err(),
    ] {
        let text = error.to_string();
        assert_eq!(text, "notes has no text index title; name one of these: default");
    }
    let twice = TextIndexOptions::chosen([("a", 1.0), ("a", 2.0)], AnalyzerOptions::default());
    let error = notes.rebuild_text_index(INDEX, &twice).unwrap_err();
    assert!(error.to_string().contains("the path a is given twice"), "{error}");

    let mut first = notes.start_rebuild(INDEX, &index_options(1))?;
    assert_eq!(first.step(4)?.map(|progress| (progress.documents, progress.total)), Some((4, 9)));
    let mut same = notes.start_rebuild(INDEX, &index_options(1))?;
    assert_eq!(same.progress()?, first.progress()?);
    let mut other = notes.start_rebuild(INDEX, &index_options(2))?;
    for ended in [&mut first, &mut same] {
        let error = ended.step(4).unwrap_err();
        assert!(is_ended(&error) && error.to_string().contains("start again"), "{error}");
    }
    other.step(4)?;
    compare(&db, &index_options(0), "half built")?;
    notes.drop_text_index(INDEX)?;
    assert!(is_ended(&other.step(4).unwrap_err()));
    assert!(is_ended(&other.cancel().unwrap_err()));
    check(&db, "dropped");

    notes.create_text_index(INDEX, &index_options(0))?;
    let mut last = notes.start_rebuild(INDEX, &index_options(1))?;
    last.step(4)?;
    db.drop_collection("notes")?;
    assert!(is_ended(&last.step(4).unwrap_err()));
    notes.insert(doc! { "_id": 1, "text": "gold" })?;
    assert!(is_ended(&last.step(4).unwrap_err()), "another collection of the same name");
    let namesake = notes.start_rebuild(INDEX, &index_options(1))?;
    assert!(is_ended(&last.step(4).unwrap_err()), "another rebuild of the same names");
    namesake.cancel()?;
    let error = first.progress().unwrap_err();
    assert!(is_ended(&error), "{error}");
    compare(&db, &index_options(0), "a new collection")?;
    check(&db, "a new collection");
    Ok(())
}

#[test]
fn a_rebuild_under_the_same_options_and_of_nothing_ends_too() -> Result<(), Error> {
    let db = Database::in_memory()?;
    let notes = db.create_collection("notes", &CollectionOptions::new())?;
    notes.rebuild_text_index(INDEX, &index_options(2))?;
    notes.insert_many((0..9).map(|id| doc! { "_id": id, "title": "pans", "text": "gold" }))?;
    let mut told = Vec::new();
    let mut tell = |progress: alluvium::RebuildProgress| told.push(progress.documents);
    notes.rebuild_text_index_with(INDEX, &index_options(2), &mut tell)?;
    notes.reindex(INDEX)?;
    assert_eq!(told, [0]);
    compare(&db, &index_options(2), "the same options")?;
    check(&db, "the same options");
    notes.start_rebuild(INDEX, &index_options(1))?.cancel()?;
    compare(&db, &index_options(2), "cancelled")?;
    check(&db, "cancelled");
    Ok(())
}
