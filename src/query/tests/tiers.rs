//! Searches of what was typed against a naive ranking in two tiers, and what words stand for, case by case. They run on random
//! collections between transactions; identifiers, scores to the bit, tiers and pages have to be those of the naive ranking.

use super::naive_search::{NaiveParameters, NaiveSearch};
use super::{World, id_of, indexes, paging, random_document, random_word, world_of};
use crate::collection::CollectionReader;
use crate::fts::{Analyzer, Fields};
use crate::lsm::{Durability, Reader};
use crate::query::{Highlighter, Parameters, ParsedQuery, Query, Searcher, UserOptions};

/// A word as it may be typed.
pub(super) fn random_typed_word(rng: &mut fastrand::Rng) -> String {
    let mut word: Vec<char> = random_word(rng).chars().collect();
    let at = rng.usize(..word.len());
    match rng.u8(..5) {
        0 if word.len() > 1 => drop(word.remove(at)),
        1 if at > 0 => word.swap(at - 1, at),
        2 => word.truncate(at + 1),
        _ => {}
    }
    word.into_iter().collect()
}

/// A line of text, as people type it.
pub(super) fn random_typed(rng: &mut fastrand::Rng) -> ParsedQuery {
    let mut text = String::new();
    for _ in 0..rng.usize(1..5) {
        let (word, other) = (random_typed_word(rng), random_typed_word(rng));
        text.push_str(rng.choice(&["", "", "", "", "+", "+", "-"]).unwrap());
        text.push_str(rng.choice(&["", "", "", "", "title:", "body:", "n:"]).unwrap());
        let clause = match rng.u8(..9) {
            0 => format!("\"{word} {other}\" "),
            1 => format!("({word} {other}) "),
            2 => format!("(+{word} {other} -x)^2 "),
            3 => format!("{word}^=2 "),
            4 => format!("{word}* "),
            _ => format!("{word} "),
        };
        text.push_str(&clause);
    }
    let text = if rng.bool() { text.trim_end() } else { &text };
    Query::user_with(text, UserOptions::new().typos(rng.u8(..4) > 0).prefix(rng.bool()))
}

impl World {
    /// The naive results: identifier, score, and whether it matches only with corrections.
    pub(super) fn tiers(&self, query: &ParsedQuery) -> Vec<(i32, u32, bool)> {
        let analyzer = Analyzer::new(&self.options.analyzer).unwrap();
        let chosen = match &self.options.fields {
            Fields::All => None,
            Fields::Chosen(fields) => Some(fields.clone()),
        };
        let naive = NaiveSearch::new(&analyzer, chosen, self.documents());
        let parameters = NaiveParameters { k1: 1.2, b: 0.75 };
        let as_typed = naive.search(&query.query, &parameters);
        let as_typed: Vec<i32> = as_typed.iter().map(|(document, _)| id_of(document)).collect();
        let all = naive.search(query.relaxed.as_ref().unwrap_or(&query.query), &parameters);
        let found = all.into_iter().map(|(document, score)| {
            let id = id_of(document);
            (id, score.to_bits(), !as_typed.contains(&id))
        });
        let mut all: Vec<_> = found.collect();
        assert_eq!(all.iter().filter(|found| !found.2).count(), as_typed.len());
        // Stable, so that the order within a tier stays.
        all.sort_by_key(|found| found.2);
        all
    }

    /// Asks the queries and compares; gives how many results were corrected, and how many were not.
    fn compare_tiers(
        &self,
        reader: &dyn Reader,
        queries: &[ParsedQuery],
        rng: &mut fastrand::Rng,
    ) -> [usize; 2] {
        let collection = CollectionReader::open(reader, super::NAME).unwrap().unwrap();
        let text = collection.text_index(None).unwrap();
        let searcher = Searcher::new(&collection, &text);
        let mut counts = [0; 2];
        for query in queries {
            let expected = self.tiers(query);
            let (as_typed, _) = searcher.plan(&query.query).unwrap();
            let relaxed = query.relaxed.as_ref();
            let (plan, _) = searcher.plan(relaxed.unwrap_or(&query.query)).unwrap();
            assert_eq!(searcher.count(&plan).unwrap(), expected.len() as u64, "{query:?}");
            for (offset, limit) in
                [(0, 1000), (0, rng.usize(1..5)), (rng.usize(..30), rng.usize(..20))]
            {
                let as_typed = relaxed.map(|_| &as_typed);
                let parameters = Parameters::default();
                let found = searcher.search_tiers(&plan, as_typed, parameters, None, offset, limit);
                let found = found.unwrap().into_iter().map(|found| {
                    let document = collection.document(found.doc).unwrap().unwrap();
                    (id_of(&document), found.score.to_bits(), found.is_corrected)
                });
                let page: Vec<_> = expected.iter().copied().skip(offset).take(limit).collect();
                assert_eq!(found.collect::<Vec<_>>(), page, "{query:?} {offset} {limit}");
            }
            let as_typed = relaxed.map(|_| &as_typed);
            paging::check(searcher, &plan, as_typed, Parameters::default(), rng);
            for found in expected {
                counts[usize::from(found.2)] += 1;
            }
        }
        counts
    }
}

#[test]
fn what_matches_as_typed_comes_first() {
    for (seed, index) in (0..).zip(indexes()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(index);
        let mut counts = [0; 2];
        for _ in 0..5 {
            let mut transaction = world.store.begin().unwrap();
            let mut writer = world.writer(&mut transaction);
            for _ in 0..rng.usize(1..25) {
                let id = rng.i32(0..60);
                if rng.u8(..4) == 0 {
                    world.remove(&mut transaction, &mut writer, id);
                } else {
                    let document = random_document(&mut rng, id);
                    world.put(&mut transaction, &mut writer, document);
                }
            }
            writer.drain(&mut transaction).unwrap();
            let queries: Vec<ParsedQuery> = (0..9).map(|_| random_typed(&mut rng)).collect();
            world.compare_tiers(&transaction, &queries, &mut rng);
            transaction.commit(Durability::Buffered).unwrap();
            let [typed, corrected] =
                world.compare_tiers(&world.store.snapshot(), &queries, &mut rng);
            counts = [counts[0] + typed, counts[1] + corrected];
        }
        assert!(counts.iter().all(|&count| count > 10), "seed {seed}: {counts:?}");
    }
}

/// Identifiers of the results of a typed text, and how many of them match as typed.
fn found(world: &World, text: &str, typos: bool, prefix: bool) -> (Vec<i32>, usize) {
    let query = Query::user_with(text, UserOptions::new().typos(typos).prefix(prefix));
    let snapshot = world.store.snapshot();
    let [typed, _] = world.compare_tiers(
        &snapshot,
        std::slice::from_ref(&query),
        &mut fastrand::Rng::with_seed(1),
    );
    (world.tiers(&query).into_iter().map(|found| found.0).collect(), typed)
}

#[test]
fn words_stand_for_what_may_have_been_meant() {
    let world = world_of(&[
        "sea",
        "sew",
        "river",
        "mountain",
        "fountain",
        "riverside",
        "1848",
        "1849",
        "gold river",
    ]);
    let cases: [(&str, bool, bool, &[i32], usize); 17] = [
        ("sea", true, false, &[0], 1),
        ("seu", true, false, &[], 0),
        ("rivre", true, false, &[2, 8], 0),
        ("river", true, false, &[2, 8], 2),
        ("iver", true, false, &[], 0),
        ("riv", false, true, &[5, 2, 8], 0),
        ("riv ", false, true, &[], 0),
        ("river", false, true, &[2, 8, 5], 2),
        ("rvier", true, true, &[2, 5, 8], 0),
        ("mountian", true, false, &[3], 0),
        ("mountain", true, false, &[3, 4], 1),
        ("1848", true, false, &[6], 1),
        ("184", false, true, &[6, 7], 0),
        ("+gold +rivr", true, false, &[8], 0),
        ("gold -rivr", true, false, &[8], 1),
        ("\"gold rivr\"", true, true, &[], 0),
        ("(gold riv", false, true, &[8, 5, 2], 1),
    ];
    for (text, typos, prefix, expected, typed) in cases {
        let expected = (expected.to_vec(), typed);
        assert_eq!(found(&world, text, typos, prefix), expected, "{text:?}");
    }
}

#[test]
fn a_query_without_options_is_read_as_ever() {
    for (text, options) in [
        ("gold riv", UserOptions::new()),
        ("gold riv ", UserOptions::new().prefix(true)),
        ("gold -riv", UserOptions::new().prefix(true)),
        ("\"gold\" riv* -x -(y)", UserOptions::new().typos(true)),
    ] {
        assert_eq!(Query::user_with(text, options), Query::user(text), "{text}");
    }
    let relaxed = Query::user_with("a:(gold riv", UserOptions::new().prefix(true)).relaxed;
    assert_eq!(relaxed.unwrap().to_string(), "a:(gold riv~*)");
}

#[test]
fn more_words_than_may_be_corrected_are_found_as_typed() {
    let world = world_of(&["gold", "river gold"]);
    let many = "gold ".repeat(90) + "river* rivr";
    let options = UserOptions::new().typos(true);
    let query = Query::user_with(&many, options);
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let text = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &text);
    let (plan, warnings) = searcher.plan(&query.relaxed.unwrap()).unwrap();
    assert_eq!((searcher.count(&plan).unwrap(), warnings), (2, vec![]));
}

#[test]
fn all_words_that_a_beginning_stands_for_are_marked() {
    let words: Vec<String> = (b'a'..=b'z')
        .flat_map(|c| ["", "a", "b"].map(|end| format!("gold{}{end}", char::from(c))))
        .collect();
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let world = world_of(&texts);
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let query = Query::user_with("gol", UserOptions::new().prefix(true)).relaxed.unwrap();
    let (plan, _) = Searcher::new(&collection, &index).plan(&query).unwrap();
    let highlighter = Highlighter::new(&index, &plan);
    for word in &words {
        assert_eq!(highlighter.snippet("body", word).to_string(), format!("**{word}**"));
    }
}
