//! The walk over a dictionary against a scan of all entries, whatever the terms stand in: segments with names and without, runs in
//! memory, pending writes; while terms come and go, and the store is flushed, compacted and opened again. The scan is all that is trusted: it steps from entry to entry and asks the pattern about each term.

use std::sync::Arc;

use super::*;
use crate::fts::counters::TermCounters;
use crate::fts::impact::ImpactScale;
use crate::fts::postings::{PostingsBuilder, TextOperator};
use crate::fts::rewriter::TextRewriter;
use crate::lsm::{
    Compression, Durability, GroupRewriter, KeyspaceOptions, ManualClock, ManualScheduler,
    MergeOperator, Options, SimulatedStorage, Store, Transaction,
};

const FIELDS: [FieldId; 4] = [FieldId(0), FieldId(1), FieldId(0x0100), FieldId::PATHS];

/// What a walk shows of a term.
type Shown = (Vec<u8>, u8, u64, Vec<u32>);

fn options() -> Options {
    Options {
        memory_bytes: 256 << 10,
        block_bytes: 256,
        segment_bytes_target: 8 << 10,
        level0_runs_max: 2,
        scheduler: Arc::new(ManualScheduler),
        clock: Arc::new(ManualClock::default()),
        merge_operators: vec![Arc::new(TextOperator)],
        group_rewriters: vec![Arc::new(TextRewriter)],
        ..Options::default()
    }
}

fn text_options() -> KeyspaceOptions {
    KeyspaceOptions {
        compression: Compression::None,
        merge_operator: Some(TextOperator.name().to_owned()),
        group_rewriter: Some(TextRewriter.name().to_owned()),
        ..KeyspaceOptions::default()
    }
}

/// Terms of a few syllables, which are like many others; some have zero bytes.
fn random_term(rng: &mut fastrand::Rng) -> Vec<u8> {
    let syllables = ["ga", "go", "ber", "berg", "g", "old", "é", "水", "im", "\0", "\u{1}", "ÿ"];
    let syllable = |rng: &mut fastrand::Rng| match rng.u8(..12) {
        0 => *rng.choice(&syllables).unwrap(),
        _ => *rng.choice(&syllables[..9]).unwrap(),
    };
    (0..rng.usize(..5)).map(|_| syllable(rng)).collect::<String>().into_bytes()
}

fn random_pattern(rng: &mut fastrand::Rng) -> TermPattern {
    let term = String::from_utf8(random_term(rng)).unwrap();
    let plain = term.replace(['\0', '\u{1}'], "");
    match rng.u8(..11) {
        0 => TermPattern::prefix(""),
        1 => TermPattern::prefix(&term),
        2 => TermPattern::wildcard(&format!("*{plain}")).unwrap(),
        3 => TermPattern::wildcard(&format!("*{plain}*")).unwrap(),
        4 => TermPattern::wildcard(&format!("?{plain}*ld")).unwrap(),
        5 => TermPattern::regex(&format!("(g[ao]|{plain}).*(ber|im)?")).unwrap(),
        6 => TermPattern::fuzzy(&term, rng.u8(..3), rng.bool()),
        7 => TermPattern::typo(&term, rng.u8(1..3), rng.bool()),
        8 => TermPattern::wildcard(&format!("{plain}*berg")).unwrap(),
        9 => TermPattern::regex("([g-é]|ber).*(berg|old|\u{1}|\u{1}g|é)").unwrap(),
        _ => TermPattern::character("水"),
    }
}

/// Adds documents to some terms, and takes others away in one of the ways in which terms end.
fn write(rng: &mut fastrand::Rng, transaction: &mut Transaction, text: KeyspaceId, doc: &mut u32) {
    let scale = ImpactScale::new(1.0);
    for _ in 0..rng.usize(..120) {
        let (field, term) = (*rng.choice(&FIELDS).unwrap(), random_term(rng));
        *doc += 1;
        let key = keyspace::postings_key(field, &term, *doc / 50);
        let mut value = Vec::new();
        let mut builder = PostingsBuilder::default();
        builder.push((*doc % 50) as u16, 1, [0; 7]);
        builder.finish_into(TermCounters::default(), &scale, &mut value);
        transaction.merge(text, &key, value).unwrap();
    }
    for _ in 0..rng.usize(..4) {
        let prefix = keyspace::term_prefix(*rng.choice(&FIELDS).unwrap(), &random_term(rng));
        match rng.u8(..3) {
            0 => transaction.delete_prefix(text, &prefix).unwrap(),
            1 => transaction.delete_prefix(text, &prefix[..prefix.len() - 2]).unwrap(),
            _ => {
                for chunk in 0..=*doc / 50 {
                    let key = [&prefix[..], &chunk.to_be_bytes()].concat();
                    transaction.delete(text, &key).unwrap();
                }
            }
        }
    }
}

/// What the walk shows, and whether it went over lists of names.
fn walked(
    reader: &dyn Reader,
    text: KeyspaceId,
    field: FieldId,
    pattern: &TermPattern,
) -> (Vec<Shown>, bool) {
    let mut shown = Vec::new();
    each_term(reader, text, (field, pattern), &mut |term, distance, postings| {
        let chunks = postings.chunks.iter().map(|stored| stored.chunk).collect();
        shown.push((term.to_vec(), distance, postings.statistics.df, chunks));
        Ok(())
    })
    .unwrap();
    let filter = || -> Box<dyn NameFilter + '_> { Box::new(TermFilter::new(field, pattern, 1)) };
    (shown, !pattern.is_narrow() && reader.names(text, b"", &filter).unwrap().is_some())
}

/// All entries one by one.
fn scanned(
    reader: &dyn Reader,
    text: KeyspaceId,
    field: FieldId,
    pattern: &TermPattern,
) -> Vec<Shown> {
    let mut cursor = reader.cursor(text).unwrap();
    let mut shown: Vec<Shown> = Vec::new();
    let mut valid = cursor.first().unwrap();
    while valid {
        let key = keyspace::decode(cursor.key()).unwrap();
        if key.field == field
            && let Some(distance) = pattern.distance_of(&key.term)
        {
            let value = cursor.value().unwrap();
            let df = crate::fts::postings::Postings::parse(&value).unwrap().counters().df;
            let df = u64::try_from(df).unwrap();
            match shown.last_mut().filter(|shown| *shown.0 == *key.term) {
                Some(shown) => {
                    shown.2 += df;
                    shown.3.push(key.chunk);
                }
                None => shown.push((key.term.to_vec(), distance, df, vec![key.chunk])),
            }
        }
        valid = cursor.next().unwrap();
    }
    shown
}

#[test]
fn the_walk_shows_what_a_scan_of_all_entries_finds() {
    let (mut listed, mut matched) = ([0_u32; 2], 0);
    for seed in 0..4 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let storage = SimulatedStorage::new(seed);
        let mut store = Store::open(storage.clone(), options()).unwrap();
        let mut transaction = store.begin().unwrap();
        let text = transaction.create_keyspace("notes/text.a", text_options()).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
        let mut doc = 0;
        for _ in 0..25 {
            let mut transaction = store.begin().unwrap();
            write(&mut rng, &mut transaction, text, &mut doc);
            let mut compare = |reader: &dyn Reader, rounds: usize| {
                for _ in 0..rounds {
                    let field = *rng.choice(&FIELDS).unwrap();
                    let pattern = random_pattern(&mut rng);
                    let (shown, was_listed) = walked(reader, text, field, &pattern);
                    assert_eq!(
                        shown,
                        scanned(reader, text, field, &pattern),
                        "{pattern}, {field:?}"
                    );
                    listed[usize::from(was_listed)] += 1;
                    matched += shown.len();
                }
            };
            compare(&transaction, 3);
            if rng.bool() {
                transaction.spill().unwrap();
            }
            transaction.commit(Durability::Buffered).unwrap();
            match rng.u8(..6) {
                0 => store.flush().unwrap(),
                1 => store.compact().unwrap(),
                2 => while store.step().unwrap() {},
                3 => {
                    store.close().unwrap();
                    store = Store::open(storage.clone(), options()).unwrap();
                }
                _ => {}
            }
            let mut compare = |reader: &dyn Reader| {
                let field = *rng.choice(&FIELDS).unwrap();
                let pattern = random_pattern(&mut rng);
                let (shown, _) = walked(reader, text, field, &pattern);
                assert_eq!(shown, scanned(reader, text, field, &pattern), "{pattern}, {field:?}");
            };
            (0..4).for_each(|_| compare(&store.snapshot()));
            compare(&store.begin_optimistic().unwrap());
        }
        store.check().unwrap();
    }
    assert!(listed[0] > 20 && listed[1] > 100 && matched > 5_000, "{listed:?} {matched}");
}
