//! Searches against their oracle: random documents and queries, through the real collection on a real store.
//!
//! A script of transactions (inserts, updates, removals) runs on a simulated device, between flushes, compactions and
//! reopenings; after each step, and inside transactions, random queries are asked. Documents, scores to the bit, order,
//! counts and pages must equal those of `tests/support/naive_search.rs`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::{
    Clause, Error, Highlighter, Occur, Parameters, ParsedQuery, Pattern, Query, RESULTS_LEN_MAX,
    Searcher, Warning, WarningKind, Weight,
};
use crate::bson::{
    Error as BsonError, Filter, RawBsonRef, RawDocument, RawDocumentBuf, doc, each_string, rawdoc,
};
use crate::collection::{
    CollectionReader, CollectionWriter, WriterOptions, check, operators, rewriters,
};
use crate::fts::{Analyzer, AnalyzerOptions, Fields, Language, TextIndexOptions};
use crate::lsm::{
    Durability, ManualScheduler, Options, Reader, SimulatedStorage, Store, Transaction,
};
use naive_search::{NaiveParameters, NaiveSearch};

mod alternatives;
mod characters;
mod conjunctions;
mod distinct;
mod explain;
mod feedback;
#[path = "../../tests/support/naive_search.rs"]
mod naive_search;
mod paging;
mod suggestions;
mod syllables;
mod tiers;

const NAME: &str = "notes";
const WORDS: [&str; 16] = [
    "gold",
    "river",
    "bed",
    "sand",
    "the",
    "of",
    "rivers",
    "golden",
    "pan",
    "slow",
    "slows",
    "Ada",
    "multi-agent",
    "東京都",
    "don't",
    "x",
];
const PATHS: [&str; 8] =
    ["title", "body", "tags", "author", "author.name", "a", "nothing", "autho"];

/// A collection with its oracle: the live documents by `_id`, each with its turn.
struct World {
    device: SimulatedStorage,
    store: Store,
    options: TextIndexOptions,
    live: BTreeMap<i32, (u32, RawDocumentBuf)>,
    turn: u32,
}

fn open(device: &SimulatedStorage) -> Store {
    let options = Options {
        scheduler: Arc::new(ManualScheduler),
        merge_operators: operators(),
        group_rewriters: rewriters(),
        ..Options::default()
    };
    Store::open(device.clone(), options).unwrap()
}

impl World {
    fn new(options: TextIndexOptions) -> World {
        let device = SimulatedStorage::new(1);
        let store = open(&device);
        World { device, store, options, live: BTreeMap::new(), turn: 0 }
    }

    fn writer(&self, transaction: &mut Transaction) -> CollectionWriter {
        let options = Some(&self.options);
        CollectionWriter::open_or_create(transaction, NAME, options, WriterOptions::default())
            .unwrap()
    }

    fn put(
        &mut self,
        transaction: &mut Transaction,
        writer: &mut CollectionWriter,
        document: RawDocumentBuf,
    ) {
        writer.upsert(transaction, &document).unwrap();
        self.turn += 1;
        self.live.insert(id_of(&document), (self.turn, document));
    }

    fn remove(&mut self, transaction: &mut Transaction, writer: &mut CollectionWriter, id: i32) {
        let removed = writer.remove(transaction, RawBsonRef::Int32(id)).unwrap();
        assert_eq!(removed, self.live.remove(&id).is_some());
    }

    fn reopen(self) -> World {
        let World { device, store, options, live, turn } = self;
        store.close().unwrap();
        World { store: open(&device), device, options, live, turn }
    }

    /// The live documents, in the order of writing.
    fn documents(&self) -> Vec<&RawDocumentBuf> {
        let mut documents: Vec<_> = self.live.values().collect();
        documents.sort_by_key(|(turn, _)| *turn);
        documents.into_iter().map(|(_, document)| document).collect()
    }

    /// Asks all queries of the index, as `reader` shows it, and of the oracle; gives the number of results.
    fn compare(&self, reader: &dyn Reader, queries: &[Query], rng: &mut fastrand::Rng) -> usize {
        let collection = CollectionReader::open(reader, NAME).unwrap().unwrap();
        let text = collection.text_index(None).unwrap();
        let analyzer = Analyzer::new(&self.options.analyzer).unwrap();
        let chosen = match &self.options.fields {
            Fields::All => None,
            Fields::Chosen(fields) => Some(fields.clone()),
        };
        let naive = NaiveSearch::new(&analyzer, chosen, self.documents());
        let searcher = Searcher::new(&collection, &text);
        let mut results = 0;
        for query in queries {
            let (k1, b) = *rng.choice(&[(1.2, 0.75), (0.9, 0.4), (0.0, 0.0), (2.5, 1.0)]).unwrap();
            let expected: Vec<(i32, u32)> = naive
                .search(query, &NaiveParameters { k1, b })
                .into_iter()
                .map(|(document, score)| (id_of(document), score.to_bits()))
                .collect();
            let (plan, _) = searcher.plan(query).unwrap();
            assert_eq!(searcher.count(&plan).unwrap(), expected.len() as u64, "{query}");
            let parameters = Parameters::new(k1, b).unwrap();
            for (offset, limit) in
                [(0, 1000), (0, rng.usize(1..5)), (rng.usize(..9), rng.usize(..9))]
            {
                let found = searcher.search(&plan, parameters, offset, limit).unwrap();
                let counted = searcher.search_and_count(&plan, parameters, offset, limit).unwrap();
                assert_eq!(counted, (found.clone(), expected.len() as u64), "{query}");
                let found: Vec<(i32, u32)> = found
                    .into_iter()
                    .map(|found| {
                        let document = collection.document(found.doc).unwrap().unwrap();
                        (id_of(&document), found.score.to_bits())
                    })
                    .collect();
                let page: Vec<_> = expected.iter().copied().skip(offset).take(limit).collect();
                assert_eq!(found, page, "{query:?} k1 {k1} b {b} offset {offset} limit {limit}");
            }
            match rng.u8(..8) {
                2 if expected.len() < 1000 => distinct::check(searcher, &plan, parameters, rng),
                0 | 3 => explain::check(searcher, &plan, parameters, &expected),
                1 | 4 => paging::check(searcher, &plan, None, parameters, rng),
                _ => {}
            }
            check_snippets(&Highlighter::new(&text, &plan), &self.documents());
            results += expected.len();
        }
        results
    }
}

fn id_of(document: &RawDocument) -> i32 {
    document.get_i32("_id").unwrap()
}

/// The laws of snippets, whatever the query.
fn check_snippets(highlighter: &Highlighter<'_>, documents: &[&RawDocumentBuf]) {
    for document in documents.iter().take(5) {
        each_string(document, &mut |path, text| {
            let snippet = highlighter.snippet(path, text);
            assert_eq!(snippet.text, text[snippet.source.clone()]);
            let mut before = snippet.source.start;
            for (index, highlight) in snippet.highlights.iter().enumerate() {
                assert!(highlight.start < highlight.end && highlight.end <= snippet.source.end);
                assert!(highlight.start > before || (index == 0 && highlight.start == before));
                assert!(text.get(highlight.clone()).is_some());
                before = highlight.end;
            }
            Ok::<(), BsonError>(())
        })
        .unwrap();
    }
}

fn random_text(rng: &mut fastrand::Rng) -> String {
    let len = if rng.u8(..20) == 0 { rng.usize(..300) } else { rng.usize(..9) };
    let words: Vec<&str> = (0..len).map(|_| random_word(rng)).collect();
    words.join(" ")
}

/// Earlier words are more frequent.
fn random_word(rng: &mut fastrand::Rng) -> &'static str {
    let most = rng.usize(1..=WORDS.len());
    WORDS[rng.usize(..most)]
}

fn random_document(rng: &mut fastrand::Rng, id: i32) -> RawDocumentBuf {
    let mut document = doc! { "_id": id };
    if rng.u8(..8) > 0 {
        document.insert("n", rng.i32(..20));
    }
    if rng.bool() {
        document.insert("title", random_text(rng));
    }
    if rng.u8(..4) > 0 {
        document.insert("body", random_text(rng));
    }
    if rng.bool() {
        let tags: Vec<String> = (0..rng.usize(..4)).map(|_| random_text(rng)).collect();
        document.insert("tags", tags);
    }
    match rng.u8(..4) {
        0 => document.insert("author", random_text(rng)),
        1 => document.insert("author", doc! { "name": random_text(rng), "of": random_text(rng) }),
        2 => document.insert("authority", random_text(rng)),
        _ => None,
    };
    RawDocumentBuf::try_from(&document).unwrap()
}

/// Something that stands for words.
fn random_pattern(rng: &mut fastrand::Rng) -> Query {
    let word: Vec<char> = random_word(rng).chars().collect();
    let mut some = || {
        let at = rng.usize(..word.len());
        (at, word[..at].iter().collect::<String>(), word[at + 1..].iter().collect::<String>())
    };
    let (at, before, behind) = some();
    match rng.u8(..10) {
        9 => {
            let mut query = Query::word(format!("{before}{behind} {before}"));
            let Pattern::Words(text) = query.clauses[0].pattern.clone() else { unreachable!() };
            let (typos, prefix) = (rng.u8(..3) > 0, rng.bool());
            query.clauses[0].pattern = Pattern::Similar { text, typos, prefix };
            query
        }
        7 => {
            let bounds = [rng.i32(..20), rng.i32(..20)].map(|bound| match rng.u8(..3) {
                0 => Bound::Unbounded,
                1 => Bound::Included(bound.to_string()),
                _ => Bound::Excluded(bound.to_string()),
            });
            let [lower, upper] = bounds;
            let mut query = Query::all().field("n");
            query.clauses[0].pattern = Pattern::Range { lower, upper };
            query
        }
        8 => Query::filter(doc! { "n": { "$mod": [2, rng.i32(..2)] } }),
        0 => Query::prefix(before),
        1 => Query::wildcard(format!("{before}?{behind}")),
        2 => Query::wildcard(format!("*{behind}")),
        3 => Query::regex(format!("{before}.*|slow.?")),
        4 => Query::all(),
        5 => {
            let mut query = Query::fuzzy(format!("{before}{behind}"), rng.u8(..3));
            if let Pattern::Fuzzy { prefix, .. } = &mut query.clauses[0].pattern {
                *prefix = at % 2 == 0;
            }
            query
        }
        _ => Query::fuzzy(random_word(rng), rng.u8(..3)),
    }
}

fn random_query(rng: &mut fastrand::Rng, depth: u32) -> Query {
    let mut query = Query::default();
    for _ in 0..rng.usize(1..5) {
        let len = rng.usize(1..4);
        let text = (0..len).map(|_| random_word(rng)).collect::<Vec<_>>().join(" ");
        let mut clause = match rng.u8(..9) {
            0 | 1 => Query::phrase(text),
            2 => Query::word(text),
            6 => Query::phrase(text).slop(rng.u32(..9)),
            7 => Query::near(text, rng.u32(..9)),
            8 => random_pattern(rng),
            3 if rng.u32(..3) > depth => random_query(rng, depth + 1).grouped(),
            4 if rng.u32(..3) > depth => random_best(rng, depth),
            5 if rng.u32(..3) > depth => random_across(rng, depth),
            _ => Query::word(random_word(rng)),
        };
        clause = match rng.u8(..12) {
            0 => clause.boost(*rng.choice(&[0.0, 0.5, 3.0]).unwrap()),
            1 => clause.constant(*rng.choice(&[0.0, 0.25, 2.0]).unwrap()),
            _ => clause,
        };
        clause = match rng.u8(..8) {
            0 | 1 => clause.must(),
            2 => clause.must_not(),
            _ => clause,
        };
        if rng.u8(..4) == 0 && !matches!(clause.clauses[0].pattern, Pattern::Range { .. }) {
            clause = clause.field(PATHS[rng.usize(..PATHS.len())]);
        }
        query = query.with(clause);
    }
    query
}

/// A query whose words are looked for in several fields as in one.
fn random_across(rng: &mut fastrand::Rng, depth: u32) -> Query {
    let len = if rng.bool() { 0 } else { rng.usize(1..4) };
    let fields: Vec<&str> = (0..len).map(|_| PATHS[rng.usize(..PATHS.len())]).collect();
    let words = (0..rng.usize(1..4)).map(|_| random_word(rng)).collect::<Vec<_>>().join(" ");
    Query::across(
        fields,
        match rng.u8(..3) {
            0 => Query::word(words),
            1 => Query::all_words(words),
            _ => random_query(rng, depth + 1),
        },
    )
}

/// Queries of which the best counts.
fn random_best(rng: &mut fastrand::Rng, depth: u32) -> Query {
    let tie_breaker = *rng.choice(&[0.0, 0.0, 0.3, 1.0]).unwrap();
    let word = random_word(rng);
    let queries: Vec<Query> = match rng.u8(..3) {
        0 => ["title", "body", "tags"].map(|field| Query::word(word).field(field)).to_vec(),
        _ => (0..rng.usize(..3)).map(|_| random_query(rng, depth + 1)).collect(),
    };
    Query::dis_max(queries, tie_breaker)
}

#[test]
fn a_word_with_a_distance_matches_more_terms_than_score() {
    let mut world = World::new(TextIndexOptions::all(AnalyzerOptions::default()));
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    let mut texts = Vec::new();
    for letter in 'a'..='z' {
        for word in
            [format!("gold{letter}"), format!("gold{letter}{letter}"), format!("{letter}old")]
        {
            texts.push(word.clone());
            texts.push(format!("{word} golda x"));
        }
    }
    for (id, text) in (0..).zip(texts) {
        let document = doc! { "_id": id, "body": text };
        world.put(&mut transaction, &mut writer, RawDocumentBuf::try_from(&document).unwrap());
    }
    writer.drain(&mut transaction).unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let fuzzy = || Query::fuzzy("gold", 2);
    let queries = [fuzzy(), fuzzy().field("body"), fuzzy().must().with(Query::word("x"))];
    assert!(world.compare(&transaction, &queries, &mut rng) > 300);
}

#[test]
fn groups_inherit_fields_and_nest_no_deeper_than_the_limit() {
    let fields = [("title", 1.0), ("body", 1.0)];
    let mut world = World::new(TextIndexOptions::chosen(fields, AnalyzerOptions::default()));
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for (id, title, body) in [(1, "gold", "sand"), (2, "sand", "gold"), (3, "gold bed", "gold")] {
        let document = doc! { "_id": id, "title": title, "body": body };
        world.put(&mut transaction, &mut writer, RawDocumentBuf::try_from(&document).unwrap());
    }
    writer.drain(&mut transaction).unwrap();
    let collection = CollectionReader::open(&transaction, NAME).unwrap().unwrap();
    let text = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &text);
    let count = |query: &Query| {
        let (plan, warnings) = searcher.plan(query).unwrap();
        (searcher.count(&plan).unwrap(), warnings)
    };
    let either = || Query::word("gold").with(Query::word("bed")).grouped();
    assert_eq!(count(&either()), (3, vec![]));
    assert_eq!(count(&either().field("title")), (2, vec![]));
    let own = Query::word("gold").with(Query::word("sand").field("body").must()).grouped();
    assert_eq!(count(&own.clone().field("title")), (1, vec![]));
    assert_eq!(count(&Query::word("bed").with(own)), (2, vec![]));
    // A group that only excludes matches nothing, and so nothing does that needs it.
    let only_excludes = Query::word("sand").must_not().grouped();
    assert_eq!(count(&Query::word("gold").with(only_excludes.clone().must())), (0, vec![]));
    assert_eq!(count(&Query::word("gold").with(only_excludes.must_not())), (3, vec![]));
    let nested = |depth| (0..depth).fold(Query::word("gold"), |query, _| query.grouped().must());
    assert_eq!(count(&nested(32)), (3, vec![]));
    let (found, warnings) = count(&nested(33));
    assert_eq!((found, warnings.len()), (0, 1));
    assert_eq!(
        warnings[0].to_string(),
        "a group stands in more than 32 others and was ignored; nest fewer"
    );
}

fn random_queries(rng: &mut fastrand::Rng, len: usize) -> Vec<Query> {
    (0..len).map(|_| random_query(rng, 0)).collect()
}

/// The indexes that the random scripts run on.
fn indexes() -> [TextIndexOptions; 6] {
    let english = AnalyzerOptions::for_language(Language::English);
    let fields = [("title", 2.5), ("body", 1.0), ("tags", 0.3), ("author.name", 7.0)];
    [
        TextIndexOptions::default(),
        TextIndexOptions::all(english.clone()),
        TextIndexOptions::chosen(fields, AnalyzerOptions::default()),
        TextIndexOptions::chosen(fields, english),
        TextIndexOptions::default().paired_words(["gold", "river", "bed", "the", "of", "agent"]),
        TextIndexOptions::chosen(fields, AnalyzerOptions::default()).paired_words(WORDS),
    ]
}

#[test]
fn every_search_equals_the_naive_one() {
    for (seed, index) in (0..).zip(indexes()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(index);
        let mut results = 0;
        for step in 0..30 {
            let store_transaction = world.store.begin();
            let mut transaction = store_transaction.unwrap();
            let before = world.live.clone();
            let mut writer = world.writer(&mut transaction);
            for _ in 0..rng.usize(1..12) {
                let id = rng.i32(0..60);
                if rng.u8(..4) == 0 {
                    world.remove(&mut transaction, &mut writer, id);
                } else {
                    let document = random_document(&mut rng, id);
                    world.put(&mut transaction, &mut writer, document);
                }
            }
            writer.drain(&mut transaction).unwrap();
            let queries = random_queries(&mut rng, 10);
            results += world.compare(&transaction, &queries, &mut rng);
            if step > 0 && rng.u8(..6) == 0 {
                drop(transaction);
                world.live = before;
            } else {
                transaction.commit(Durability::Buffered).unwrap();
            }
            world.compare(&world.store.snapshot(), &queries, &mut rng);
            match rng.u8(..8) {
                0 | 1 => world.store.flush().unwrap(),
                2 => world.store.compact().unwrap(),
                3 => world = world.reopen(),
                _ => continue,
            }
            world.compare(&world.store.snapshot(), &queries, &mut rng);
        }
        assert!(results > 1000, "the queries of seed {seed} find something: {results}");
        let report = check(&world.store.snapshot()).unwrap();
        assert!(report.is_ok(), "seed {seed}: {report}");
    }
}

#[test]
fn documents_of_several_chunks_are_ranked_together() {
    let mut rng = fastrand::Rng::with_seed(9);
    let mut world = World::new(TextIndexOptions::default());
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for id in 0..66_500 {
        let text = match id % 1009 {
            0 => "gold river bed gold",
            1 => "bed of gold",
            2 => "golden river",
            _ => "x",
        };
        let document = rawdoc! { "_id": id, "a": text };
        world.put(&mut transaction, &mut writer, document);
    }
    for id in (0..66_500).step_by(2018) {
        world.remove(&mut transaction, &mut writer, id);
    }
    writer.drain(&mut transaction).unwrap();
    let queries =
        ["gold", "+x -x", "+gold +river", "\"river bed\" a:golden", "\"of gold\"", "x bed"];
    let queries = queries.map(|text| Query::user(text).query);
    world.compare(&transaction, &queries, &mut rng);
    transaction.commit(Durability::Buffered).unwrap();
    world.store.compact().unwrap();
    world.compare(&world.store.snapshot(), &queries, &mut rng);
}

/// Words by rarity, so that their lists take all shapes: bitmaps, windows, impacts, lengths, a document alone.
const RARITY: [(&str, u32); 8] = [
    ("the", 2),
    ("gold", 3),
    ("river", 9),
    ("bed", 14),
    ("sand", 40),
    ("slow", 200),
    ("pan", 900),
    ("golden", 9000),
];

/// A text in which each word occurs as often as its rarity says, with many repetitions of some.
fn text_by_rarity(rng: &mut fastrand::Rng) -> String {
    let mut words = vec!["x"; rng.usize(1..12)];
    for (word, rarity) in RARITY {
        while rng.u32(..rarity) == 0 && words.len() < 60 {
            words.push(word);
        }
    }
    rng.shuffle(&mut words);
    words.join(" ")
}

#[test]
fn lists_of_every_shape_are_searched_exactly() {
    compare_lists_of_every_shape(TextIndexOptions::default());
}

#[test]
fn pairs_of_every_shape_are_searched_exactly() {
    let words = RARITY.map(|(word, _)| word);
    compare_lists_of_every_shape(TextIndexOptions::default().paired_words(words));
}

fn compare_lists_of_every_shape(options: TextIndexOptions) {
    let mut rng = fastrand::Rng::with_seed(12);
    let mut world = World::new(options);
    // A word that all but decides scores, beside one that many documents have.
    let mut queries = vec![Query::user("+the golden").query, Query::user("+gold pan slow").query];
    queries.extend(RARITY.map(|(word, _)| Query::word(word)));
    // A word alone, of which half of the documents are wanted, some, or about one in a window.
    for (divisor, (word, _)) in [2, 40, 900].into_iter().flat_map(|by| RARITY.map(|of| (by, of))) {
        let among = Query::filter(doc! { "_id": { "$mod": [divisor, 0] } }).must().boost(0.0);
        queries.push(Query::default().with(Query::word(word).must()).with(among));
    }
    for _ in 0..25 {
        let word = |rng: &mut fastrand::Rng| RARITY[rng.usize(..RARITY.len())].0;
        let (a, b, c) = (word(&mut rng), word(&mut rng), word(&mut rng));
        let text = match rng.u8(..10) {
            0 => a.to_owned(),
            1 | 2 => format!("{a} {b} {c}"),
            3 => format!("+{a} +{b}"),
            4 => format!("+{a} +{b} +{c}"),
            5 => format!("+{a} {b} {c}"),
            6 => format!("\"{a} {b}\""),
            7 => format!("{a} {b} -{c}"),
            8 => format!("\"{a} {b} {c}\""),
            _ => format!("+\"{a} {b}\" {c} -\"{b} {c}\""),
        };
        queries.push(Query::user(&text).query);
        let best =
            [Query::word(a), Query::user(&format!("{b} {c}")).query, Query::user(&text).query];
        let best = &best[..rng.usize(2..4)];
        let best = Query::dis_max(best.iter().cloned(), *rng.choice(&[0.0, 0.3, 1.0]).unwrap());
        queries.push(match rng.u8(..4) {
            0 => best,
            1 => best
                .must()
                .with(Query::filter(doc! { "_id": { "$mod": [3, 0] } }).must().boost(0.0)),
            2 => best.with(Query::dis_max([Query::word(c), Query::word(a)], 0.0)),
            _ => best.with(Query::word(b)),
        });
    }
    for (step, documents) in (0..).zip([9000, 40, 3000, 1]) {
        let mut transaction = world.store.begin().unwrap();
        let mut writer = world.writer(&mut transaction);
        for _ in 0..documents {
            let id = i32::try_from(world.turn).unwrap();
            let document = rawdoc! { "_id": id, "a": text_by_rarity(&mut rng) };
            world.put(&mut transaction, &mut writer, document);
        }
        for _ in 0..step * 150 {
            let id = rng.i32(..9000);
            world.remove(&mut transaction, &mut writer, id);
        }
        writer.drain(&mut transaction).unwrap();
        if step == 2 {
            world.compare(&transaction, &queries, &mut rng);
        }
        transaction.commit(Durability::Buffered).unwrap();
        world.store.flush().unwrap();
        world.compare(&world.store.snapshot(), &queries, &mut rng);
    }
    world.store.compact().unwrap();
    world.compare(&world.store.snapshot(), &queries, &mut rng);
    let report = check(&world.store.snapshot()).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn words_of_several_fields_are_scored_exactly_in_long_lists() {
    let mut rng = fastrand::Rng::with_seed(14);
    let fields = [("title", 2.5), ("body", 1.0), ("tags", 0.01)];
    let mut world = World::new(TextIndexOptions::chosen(fields, AnalyzerOptions::default()));
    let mut queries = Vec::new();
    for _ in 0..12 {
        let word = |rng: &mut fastrand::Rng| RARITY[rng.usize(..RARITY.len())].0;
        let (a, b) = (word(&mut rng), word(&mut rng));
        let across = |query: Query| Query::across(Vec::<String>::new(), query);
        let of_fields = |word| ["title", "body"].map(|field| Query::word(word).field(field));
        let best = |word| Query::dis_max(of_fields(word), 0.2);
        queries.push(match rng.u8(..6) {
            0 => across(Query::word(a)),
            1 => across(Query::word(format!("{a} {b}"))),
            2 => Query::across(["title", "tags"], Query::all_words(format!("{a} {b}"))),
            3 => across(Query::phrase(format!("{a} {b}")).with(Query::word(a))),
            4 => best(a).with(best(b)),
            _ => Query::dis_max([across(Query::word(a)), across(Query::word(b))], 0.5),
        });
    }
    for documents in [2500, 30] {
        let mut transaction = world.store.begin().unwrap();
        let mut writer = world.writer(&mut transaction);
        for _ in 0..documents {
            let id = i32::try_from(world.turn).unwrap();
            let mut text = || text_by_rarity(&mut rng);
            let document = rawdoc! { "_id": id, "title": text(), "body": text(), "tags": text() };
            world.put(&mut transaction, &mut writer, document);
        }
        for _ in 0..150 {
            world.remove(&mut transaction, &mut writer, rng.i32(..2500));
        }
        writer.drain(&mut transaction).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
        world.store.flush().unwrap();
        assert!(world.compare(&world.store.snapshot(), &queries, &mut rng) > 1000);
    }
}

#[test]
fn what_the_dead_documents_had_is_no_threshold_for_the_living() {
    let mut rng = fastrand::Rng::with_seed(13);
    let mut world = World::new(TextIndexOptions::default());
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for id in 0..1500 {
        let gold = if id % 50 == 0 { 60 } else { 1 };
        let text = "gold ".repeat(gold) + &"x ".repeat(rng.usize(1..30));
        world.put(&mut transaction, &mut writer, rawdoc! { "_id": id, "a": text });
    }
    for id in (0..1500).step_by(50) {
        world.remove(&mut transaction, &mut writer, id);
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    let queries = ["gold", "gold x"].map(|text| Query::user(text).query);
    assert!(world.compare(&world.store.snapshot(), &queries, &mut rng) > 2000);
}

#[test]
fn filters_that_the_best_do_not_pass_hide_nobody() {
    let mut rng = fastrand::Rng::with_seed(18);
    let mut world = World::new(TextIndexOptions::default());
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    // Half of the documents pass, so that a threshold is guessed; those that score most do not.
    for id in 0..3000 {
        let gold = if id % 2 == 1 { rng.usize(1..4) } else { rng.usize(20..40) };
        let text = "gold ".repeat(gold) + &"x ".repeat(rng.usize(1..30));
        world.put(&mut transaction, &mut writer, rawdoc! { "_id": id, "a": text, "b": id % 2 });
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    let passing = || Query::filter(doc! { "b": 1 }).must().boost(0.0);
    let words = [Query::word("gold"), Query::user("gold x").query];
    let queries = words.map(|words| Query::default().with(words.must()).with(passing()));
    assert_eq!(world.compare(&world.store.snapshot(), &queries, &mut rng), 3000);
}

#[test]
fn what_a_state_is_known_by_is_counted_not_shown() {
    let world = world_of(&["gold river"]);
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let (plan, _) = Searcher::new(&collection, &index).plan(&Query::user("gold").query).unwrap();
    Searcher::new(&collection, &index).search(&plan, Parameters::default(), 0, 10).unwrap();
    let shown = format!("{collection:?}");
    assert!(shown.contains("statistics: Known { len: 1, .. }"), "{shown}");
    assert!(!shown.contains("StoredLengths"), "{shown}");
}

#[test]
fn dead_documents_of_a_short_list_are_not_found() {
    let mut world = world_of(&["gold"; 60]);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for id in (0..60).step_by(3) {
        world.remove(&mut transaction, &mut writer, id);
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    let living: Vec<u64> = (0..60).filter(|id| id % 3 > 0).collect();
    assert_eq!(ask(&world, "gold").0, living);
}

#[test]
fn documents_are_found_whose_scores_are_nothing() {
    let mut rng = fastrand::Rng::with_seed(17);
    let fields = [("body", f32::from_bits(1)), ("title", 1.0)];
    let options = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
    let mut world = World::new(options);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for id in 0..1500 {
        // The first words are in lists with lengths, those behind in lists with impacts and in windows.
        let word = ["x", "river", "gold"][usize::from(id % 20 == 0) + usize::from(id % 300 == 0)];
        let title = if id % 7 == 0 { "sand" } else { "" };
        let document = rawdoc! { "_id": id, "body": word.to_owned() + " the", "title": title };
        world.put(&mut transaction, &mut writer, document);
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    let queries =
        ["gold", "river", "x", "the", "gold river", "x the", "river sand", "+the +sand x"];
    let queries = queries.map(|text| Query::user(text).query);
    assert!(world.compare(&world.store.snapshot(), &queries, &mut rng) > 3000);
}

/// A collection with one document per text, under `body`.
fn world_of(texts: &[&str]) -> World {
    world_with(TextIndexOptions::default(), texts)
}

fn world_with(options: TextIndexOptions, texts: &[&str]) -> World {
    let mut world = World::new(options);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for (id, text) in (0..).zip(texts) {
        world.put(&mut transaction, &mut writer, rawdoc! { "_id": id, "body": *text });
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    world
}

/// Numbers of the documents that a query finds, best first, and the kinds of the planner's warnings.
fn ask(world: &World, query: impl Into<ParsedQuery>) -> (Vec<u64>, Vec<WarningKind>) {
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &index);
    let (plan, warnings) = searcher.plan(&query.into().query).unwrap();
    let found = searcher.search(&plan, Parameters::default(), 0, 100).unwrap();
    let numbers = found.into_iter().map(|found| found.doc.number()).collect();
    (numbers, warnings.into_iter().map(|warning| warning.kind).collect())
}

#[test]
fn clauses_mean_what_the_query_tree_says() {
    let world =
        world_of(&["gold river", "river gold", "gold", "multi agent", "agent multi", "note"]);
    let found = |text: &str| ask(&world, text).0;
    assert_eq!(found("gold river"), [0, 1, 2]);
    assert_eq!(found("\"gold river\""), [0]);
    assert_eq!(found("+gold -river"), [2]);
    assert_eq!(found("multi-agent"), [3, 4]);
    assert_eq!(found("+multi-agent"), [3, 4]);
    assert_eq!(found("agent -multi-agent"), [4]);
    assert_eq!(found("-gold"), [0_u64; 0]);
    assert_eq!(found("gold -gold"), [0_u64; 0]);
    assert_eq!(found("+gold +silver"), [0_u64; 0]);
    assert_eq!(found("body:river"), [0, 1]);
    let unknown = WarningKind::UnknownField { field: "note".to_owned() };
    let (numbers, warnings) = ask(&world, "note:river");
    assert_eq!((numbers.len(), warnings), (3, vec![unknown]));
    let dots = Query::word("gold").with(Query::word("..."));
    assert_eq!(ask(&world, dots).1, [WarningKind::NoTerms]);
}

#[test]
fn the_best_of_queries_is_plain_data_and_within_limits() {
    let world = world_of(&["gold river", "gold", "sand"]);
    let metal = || Query::word("gold").with(Query::word("silver"));
    let best = Query::dis_max([metal(), Query::word("river").boost(2.0)], 0.5);
    assert_eq!(best.to_string(), "((gold silver) | river^2)~0.5");
    assert_eq!(Query::dis_max(Vec::<Query>::new(), 0.0).field("body").to_string(), "body:()");
    let stored = serde_json::to_string(&best).unwrap();
    assert_eq!(serde_json::from_str::<Query>(&stored).unwrap(), best);
    let found = |query: Query| {
        let snapshot = world.store.snapshot();
        let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
        let text = collection.text_index(None).unwrap();
        let searcher = Searcher::new(&collection, &text);
        let (plan, warnings) = searcher.plan(&query).unwrap();
        (searcher.count(&plan).unwrap(), warnings)
    };
    assert_eq!(found(best.clone()), (2, vec![]));
    assert_eq!(found(Query::word("sand").with(best.must_not())).0, 1);
    // Of nothing nothing is the best.
    assert_eq!(found(Query::dis_max([Query::default()], 0.0)), (0, vec![]));
    for tie_breaker in [-0.1, 1.5, f32::NAN] {
        let (count, warnings) =
            found(Query::dis_max(["gold", "sand"].map(Query::word), tie_breaker));
        assert_eq!((count, warnings.len()), (3, 1));
        assert_eq!(warnings[0].kind, WarningKind::TieBreakerOutOfRange);
    }
    let nested = (0..33).fold(metal(), |query, _| Query::dis_max([query, metal()], 0.0));
    assert!(matches!(found(nested).1[..], [Warning { kind: WarningKind::TooDeep { .. }, .. }]));
}

#[test]
fn stop_words_are_only_missed_when_nothing_else_is_left() {
    let english = TextIndexOptions::all(AnalyzerOptions::for_language(Language::English));
    let world = world_with(english, &["the night watch", "who"]);
    assert_eq!(ask(&world, "the night"), (vec![0], vec![]));
    assert_eq!(ask(&world, "+the night"), (vec![0], vec![WarningKind::NoTerms]));
    assert_eq!(ask(&world, "the of"), (vec![], vec![WarningKind::NoTerms; 2]));
}

#[test]
fn what_exceeds_the_limits_is_dropped_with_a_warning_or_refused() {
    let world = world_of(&["gold"]);
    let many = "gold-".repeat(3000);
    let (numbers, warnings) = ask(&world, format!("{many} river"));
    assert_eq!(numbers, [0]);
    assert_eq!(warnings, [WarningKind::TooManyClauses { clauses_max: 1024 }]);
    for pattern in ["x* ", "x?y ", "x~ ", "/x/ ", "n:>5 ", "n:* ", "x^=1 "] {
        assert_eq!(
            ask(&world, pattern.repeat(64) + "gold*").1,
            [WarningKind::TooManyPatterns { patterns_max: 64 }]
        );
        assert_eq!(ask(&world, pattern.repeat(63) + "gold*"), (vec![0], vec![]));
    }
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &index);
    let (plan, _) = searcher.plan(&Query::word("gold")).unwrap();
    let search = |offset, limit| searcher.search(&plan, Parameters::default(), offset, limit);
    assert_eq!(search(0, RESULTS_LEN_MAX).unwrap().len(), 1);
    assert!(search(5, 0).unwrap().is_empty());
    for (offset, limit) in [(1, RESULTS_LEN_MAX), (usize::MAX, usize::MAX)] {
        let refused = search(offset, limit);
        assert!(matches!(refused, Err(Error::LimitExceeded { limit: RESULTS_LEN_MAX, .. })));
    }
}

#[test]
fn damaged_entries_are_errors() {
    let world = world_of(&["gold river", "gold"]);
    for (term, keyspace) in [("gold", "notes/text.default"), ("", "notes/norms.default")] {
        let mut transaction = world.store.begin().unwrap();
        let keyspace = transaction.keyspace(keyspace).unwrap();
        let mut keys = Vec::new();
        let mut cursor = transaction.cursor(keyspace).unwrap();
        let mut valid = cursor.first().unwrap();
        while valid {
            if cursor.key().get(2..).is_some_and(|key| key.starts_with(term.as_bytes())) {
                keys.push(cursor.key().to_vec());
            }
            valid = cursor.next().unwrap();
        }
        drop(cursor);
        for key in keys {
            for damaged in [&[][..], &[1], &[9, 9, 9, 9, 9, 9], &[1, 0, 0, 3, 0, 9, 1, 1, 1]] {
                transaction.put(keyspace, &key, damaged).unwrap();
                let collection = CollectionReader::open(&transaction, NAME).unwrap().unwrap();
                let index = collection.text_index(None).unwrap();
                let searcher = Searcher::new(&collection, &index);
                for query in ["gold", "\"gold river\"", "body:gold"] {
                    // An error or an answer, but no panic.
                    if let Ok((plan, _)) = searcher.plan(&Query::user(query).query) {
                        let _ = searcher.search(&plan, Parameters::default(), 0, 10);
                        let _ = searcher.count(&plan);
                        let _ = searcher.search_and_count(&plan, Parameters::default(), 0, 10);
                    }
                }
            }
        }
    }
}
