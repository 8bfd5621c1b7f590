//! Words that stand for others: synonyms, compounds, languages of documents, and fields with analyzers of their own.
//!
//! Synonyms are compared with a twin that replaces words in every way and looks for the results in the documents as they stand.

use super::*;
use crate::fts::{Compounds, Diacritics, Tokenizer};
use crate::query::UserOptions;
use crate::query::plan::Plan;
use crate::query::topk::ScoredDoc;

/// What each of these words, side by side, also stands for.
const RULES: [(&[&str], &[&[&str]]); 5] = [
    (&["gold"], &[&["au"], &["yellow", "metal"]]),
    (&["au"], &[&["gold"], &["yellow", "metal"]]),
    (&["yellow", "metal"], &[&["gold"], &["au"]]),
    (&["pan"], &[&["tool"]]),
    (&["river", "bed"], &[&["bed"]]),
];
const TEXTS: [&str; 3] = ["gold, au, yellow metal", "pan => tool", "river bed => bed"];
const VOCABULARY: [&str; 9] =
    ["gold", "au", "yellow", "metal", "pan", "tool", "river", "bed", "sand"];

/// All ways to say the same, as the words of a phrase.
fn ways(words: &[&str]) -> Vec<Vec<String>> {
    let Some(first) = words.first() else { return vec![Vec::new()] };
    let fitting = RULES.iter().filter(|(from, _)| words.starts_with(from));
    let rule = fitting.max_by_key(|(from, _)| from.len());
    let (len, mut choices) = rule.map_or((1, Vec::new()), |(from, to)| (from.len(), to.to_vec()));
    let typed = words.get(..len).unwrap_or(std::slice::from_ref(first));
    choices.push(typed);
    let rest = ways(&words[len..]);
    let join = |choice: &&[&str], rest: &Vec<String>| {
        choice.iter().map(|word| (*word).to_owned()).chain(rest.clone()).collect()
    };
    choices.iter().flat_map(|choice| rest.iter().map(move |rest| join(choice, rest))).collect()
}

fn holds(text: &str, words: &[&str]) -> bool {
    let written: Vec<&str> = text.split(' ').collect();
    ways(words).iter().any(|way| written.windows(way.len()).any(|window| window == way))
}

pub(super) fn filled(options: TextIndexOptions, documents: Vec<RawDocumentBuf>) -> World {
    let mut world = World::new(options);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for document in documents {
        world.put(&mut transaction, &mut writer, document);
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    world
}

/// Documents that a text finds as a query, by `_id`, and the snippets of their text.
pub(super) fn found(world: &World, text: &str) -> Vec<(i32, String)> {
    found_by(world, &Query::user(text).query)
}

fn found_by(world: &World, query: &Query) -> Vec<(i32, String)> {
    with_hits(world, query, |searcher, plan, hits| {
        let highlighter = Highlighter::new(searcher.reader, plan);
        let mut found: Vec<_> = hits
            .into_iter()
            .map(|hit| {
                let document = searcher.collection().document(hit.doc).unwrap().unwrap();
                let snippet = highlighter.field(&document, "text").unwrap();
                (id_of(&document), snippet.map(|snippet| snippet.to_string()).unwrap_or_default())
            })
            .collect();
        found.sort();
        found
    })
}

/// Searches what is committed, and shows the best 1,000 documents.
pub(super) fn with_hits<T>(
    world: &World,
    query: &Query,
    show: impl FnOnce(Searcher<'_, '_>, &Plan, Vec<ScoredDoc>) -> T,
) -> T {
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
    let text = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &text);
    let (plan, _) = searcher.plan(query).unwrap();
    let hits = searcher.search(&plan, Parameters::default(), 0, 1000).unwrap();
    show(searcher, &plan, hits)
}

pub(super) fn ids(world: &World, query: &str) -> Vec<i32> {
    found(world, query).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn synonyms_find_what_saying_it_otherwise_finds() {
    let mut rng = fastrand::Rng::with_seed(12);
    let mut words = |count: usize| -> Vec<&str> {
        (0..count).map(|_| VOCABULARY[rng.usize(..VOCABULARY.len())]).collect()
    };
    let texts: Vec<String> = (0..60).map(|number| words(1 + number % 7).join(" ")).collect();
    let document = |(id, text): (i32, &String)| rawdoc! { "_id": id, "text": text.as_str() };
    let options = AnalyzerOptions::default().synonyms(TEXTS);
    let world = filled(TextIndexOptions::all(options), (0..).zip(&texts).map(document).collect());
    let expected = |is: &dyn Fn(&str) -> bool| -> Vec<i32> {
        (0..).zip(&texts).filter(|(_, text)| is(text)).map(|(id, _)| id).collect()
    };
    let (mut nothing, mut something) = (0, 0);
    for _ in 0..150 {
        let phrase = words(3);
        let (one, other, both) = (&phrase[..1], &phrase[1..2], &phrase[..2]);
        for (query, expected) in [
            (one.concat(), expected(&|text| holds(text, one))),
            (
                format!("+{} +{}", one[0], other[0]),
                expected(&|text| holds(text, one) && holds(text, other)),
            ),
            (
                format!("+{} -{}", one[0], other[0]),
                expected(&|text| holds(text, one) && !holds(text, other)),
            ),
            (format!("\"{}\"", both.join(" ")), expected(&|text| holds(text, both))),
            (format!("\"{}\"", phrase.join(" ")), expected(&|text| holds(text, &phrase))),
            // Side by side as alternatives, words may be a synonym together.
            (
                both.join(" "),
                expected(&|text| holds(text, one) || holds(text, other) || holds(text, both)),
            ),
        ] {
            assert_eq!(ids(&world, &query), expected, "{query}");
            *(if expected.is_empty() { &mut nothing } else { &mut something }) += 1;
        }
    }
    assert!(nothing > 50 && something > 300, "{nothing} {something}");
}

#[test]
fn synonyms_are_found_across_fields() {
    let mut rng = fastrand::Rng::with_seed(13);
    let mut words = |count: usize| -> String {
        let words: Vec<_> = (0..count).map(|_| VOCABULARY[rng.usize(..VOCABULARY.len())]).collect();
        words.join(" ")
    };
    let document = |id: i32, title: String, text: String| rawdoc! { "_id": id, "title": title.as_str(), "text": text.as_str() };
    let documents = (0..60).map(|id| document(id, words(2), words(3))).collect();
    let options = AnalyzerOptions::default().synonyms(TEXTS);
    let fields = [("title", 2.0), ("text", 1.0)];
    let world = filled(TextIndexOptions::chosen(fields, options), documents);
    let mut something = 0;
    for _ in 0..100 {
        let (one, other) = (words(1), words(1));
        for text in [
            one.clone(),
            format!("+{one} +{other}"),
            format!("+{one} -{other}"),
            format!("\"{one} {other}\""),
            format!("{one} {other}"),
            format!("+({one} {other}) -sand"),
        ] {
            let query = Query::user(&text).query;
            let found = found_by(&world, &query);
            let across = Query::across(["title", "text"], query);
            assert_eq!(found_by(&world, &across), found, "{text}");
            something += found.len();
        }
    }
    assert!(something > 5000, "{something}");
}

#[test]
fn snippets_mark_what_stands_for_the_words() {
    let options = AnalyzerOptions::default().synonyms(TEXTS).compounds(Compounds::Joined);
    let documents = vec![
        rawdoc! { "_id": 1, "text": "A yellow metal, a metal and au." },
        rawdoc! { "_id": 2, "text": "Wi-Fi networks" },
        rawdoc! { "_id": 3, "text": "wifi networks" },
        rawdoc! { "_id": 4, "text": "wi fi networks" },
    ];
    let world = filled(TextIndexOptions::all(options), documents);
    let owned = |found: &[(i32, &str)]| -> Vec<(i32, String)> {
        found.iter().map(|(id, text)| (*id, (*text).to_owned())).collect()
    };
    assert_eq!(found(&world, "gold"), owned(&[(1, "A **yellow metal**, a metal and **au**.")]));
    let all =
        owned(&[(2, "**Wi-Fi networks**"), (3, "**wifi networks**"), (4, "**wi fi networks**")]);
    assert_eq!(found(&world, "\"wi-fi networks\""), all);
    assert_eq!(ids(&world, "+wi-fi"), [2, 3, 4]);
    assert_eq!(ids(&world, "wifi"), [2, 3]);
    assert_eq!(ids(&world, "+fi"), [2, 4]);
    assert_eq!(ids(&world, "+networks -wi-fi"), [0; 0]);
}

#[test]
fn the_rarest_name_of_a_thing_does_not_come_first() {
    let mut documents: Vec<_> =
        (0..9).map(|id| rawdoc! { "_id": id, "text": "gold sand" }).collect();
    documents.insert(0, rawdoc! { "_id": 99, "text": "au sand" });
    let options = TextIndexOptions::all(AnalyzerOptions::default().synonyms(TEXTS));
    let world = filled(options, documents);
    let hits = with_hits(&world, &Query::user("gold").query, |_, _, hits| hits);
    assert_eq!(hits.len(), 10);
    let spread = hits[0].score / hits[9].score - 1.0;
    assert!(spread.abs() < 1e-4, "{hits:?}");
}

#[test]
fn documents_are_analyzed_in_the_language_they_name() {
    let english = AnalyzerOptions::for_language(Language::English);
    let languages = [Language::English, Language::German, Language::French];
    let options = TextIndexOptions::all(english).by_language("lang", languages);
    let documents = vec![
        rawdoc! { "_id": 1, "text": "The rivers slowed" },
        rawdoc! { "_id": 2, "lang": "de", "text": "In alten Häusern" },
        rawdoc! { "_id": 3, "lang": "French", "text": "l'eau des rivières" },
        rawdoc! { "_id": 4, "lang": "xx", "text": "Häusern rivers" },
        rawdoc! { "_id": 5, "lang": 7, "text": "die rivers" },
    ];
    let mut world = filled(options, documents);
    for (query, expected) in [
        ("river", vec![1, 4, 5]),
        ("haus", vec![2]),
        ("rivière", vec![3]),
        ("+eau +rivières", vec![3]),
        // A stop word in German, and of no meaning in English.
        ("die", vec![5]),
        ("\"alten haus\"", vec![2]),
    ] {
        assert_eq!(ids(&world, query), expected, "{query}");
    }
    assert_eq!(found(&world, "haus"), [(2, "In alten **Häusern**".to_owned())]);
    assert_eq!(found(&world, "eau"), [(3, "**l'eau** des rivières".to_owned())]);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    world.put(&mut transaction, &mut writer, rawdoc! { "_id": 2, "text": "In alten Häusern" });
    world.remove(&mut transaction, &mut writer, 3);
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    assert_eq!(ids(&world, "haus"), [0; 0]);
    let report = check(&world.store.snapshot()).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn fields_have_analyzers_of_their_own() {
    let english = AnalyzerOptions::for_language(Language::English);
    let options = TextIndexOptions::chosen([("text", 1.0), ("code", 1.0), ("tag", 1.0)], english)
        .field_analyzer("code", AnalyzerOptions::default().tokenizer(Tokenizer::path('/')))
        .field_analyzer("tag", AnalyzerOptions::default().tokenizer(Tokenizer::Keyword));
    let documents = vec![
        rawdoc! { "_id": 1, "text": "rivers of gold", "code": "/usr/share/Doc", "tag": "New York" },
        rawdoc! { "_id": 2, "text": "new york rivers", "code": "/usr/bin", "tag": "rivers" },
    ];
    let world = filled(options, documents);
    for (query, expected) in [
        ("river", vec![1, 2]),
        ("tag:river", vec![]),
        ("tag:rivers", vec![2]),
        ("tag:\"new york\"", vec![1]),
        ("\"new york\"", vec![1, 2]),
        ("code:\"/usr\"", vec![1, 2]),
        ("code:\"/usr/share\"", vec![1]),
        ("code:\"/share\"", vec![]),
        ("tag:New*", vec![1]),
        // In whichever field.
        ("+gold +river", vec![1]),
        ("+rivers -tag:rivers", vec![1]),
    ] {
        assert_eq!(ids(&world, query), expected, "{query}");
    }
}

#[test]
fn misspelt_words_and_patterns_are_those_of_each_field() {
    let english = AnalyzerOptions::for_language(Language::English);
    let plain = AnalyzerOptions::default().diacritics(Diacritics::Fold);
    let options = TextIndexOptions::chosen([("text", 1.0), ("tag", 1.0)], english)
        .field_analyzer("tag", plain);
    let documents = vec![
        rawdoc! { "_id": 1, "text": "They run.", "tag": "sand" },
        rawdoc! { "_id": 2, "text": "Sand.", "tag": "running" },
        rawdoc! { "_id": 3, "text": "Cafés", "tag": "cafeteria" },
        rawdoc! { "_id": 4, "text": "sand", "tag": "rubbing sand" },
    ];
    let world = filled(options, documents);
    for (query, expected) in [
        ("running~1", vec![1, 2]),
        ("+running~1 +sand", vec![1, 2]),
        ("running~2", vec![1, 2, 4]),
        ("sand -running~1", vec![4]),
        // As it is written in the one, without its accent in the other.
        ("café*", vec![3]),
        ("tag:café*", vec![3]),
        ("caf\u{e9}t*", vec![3]),
        ("text:caf\u{e9}t*", vec![]),
        ("sand -c\u{e1}f*", vec![1, 2, 4]),
    ] {
        assert_eq!(ids(&world, query), expected, "{query}");
    }
    let typos = UserOptions::new().typos(true);
    for (text, expected) in [("runnind", vec![2]), ("+runnind +sand", vec![2])] {
        let query = Query::user_with(text, typos).relaxed.unwrap();
        let found: Vec<_> = found_by(&world, &query).into_iter().map(|(id, _)| id).collect();
        assert_eq!(found, expected, "{text}");
    }
}
