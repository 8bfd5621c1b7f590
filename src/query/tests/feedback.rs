//! Relevance feedback against a loop over all words of all documents, and case by case: the words of the first hits, their
//! probabilities, and which documents the query finds with them. The loop takes hits as they come and counts everything anew; it gives
//! the same numbers to the bit, as it adds in the same order.

use std::collections::BTreeMap;

use super::suggestions::{Words, each_state};
use super::{World, id_of, random_query, random_word, world_of};
use crate::bson::{RawDocumentBuf, doc};
use crate::collection::CollectionReader;
use crate::fts::{AnalyzerOptions, Fields, Language, TextIndexOptions};
use crate::lsm::{Durability, Reader};
use crate::query::{
    Error, Feedback, Occur, Parameters, Pattern, Query, RankedDoc, RelevanceModel, Searcher, Weight,
};

/// Does something with a searcher of the world.
fn with_searcher<T>(reader: &dyn Reader, ask: impl FnOnce(Searcher<'_, '_>) -> T) -> T {
    let collection = CollectionReader::open(reader, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    ask(Searcher::new(&collection, &index))
}

/// The first hits of a query.
fn first(searcher: Searcher<'_, '_>, query: &Query, documents: usize) -> Vec<RankedDoc> {
    let (plan, _) = searcher.plan(query).unwrap();
    let found = searcher.search(&plan, Parameters::default(), 0, documents).unwrap();
    found.into_iter().map(RankedDoc::as_typed).collect()
}

/// The query with the words of its first hits.
fn expanded(searcher: Searcher<'_, '_>, query: &Query, feedback: Feedback) -> Query {
    let hits = first(searcher, query, feedback.documents);
    RelevanceModel::new(searcher, &hits, feedback).unwrap().expand(searcher, query)
}

/// The `_id`s of all hits of a query, ascending.
fn ids(searcher: Searcher<'_, '_>, query: &Query) -> Vec<i32> {
    let hits = first(searcher, query, 1_000);
    let id = |hit: &RankedDoc| id_of(&searcher.collection().document(hit.doc).unwrap().unwrap());
    let mut ids: Vec<i32> = hits.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

/// The words of hits by the book: the places of the hits among all documents, and their scores.
fn naive_words(
    world: &World,
    words: &Words,
    hits: &[(usize, f32)],
    terms: usize,
) -> Vec<(String, f64)> {
    let weights: Vec<f32> = match &world.options.fields {
        Fields::All => vec![1.0],
        Fields::Chosen(fields) => fields.iter().map(|(_, weight)| *weight).collect(),
    };
    let scores: f64 = hits.iter().map(|(_, score)| f64::from(*score)).sum();
    let mut model: BTreeMap<&String, (f64, String)> = BTreeMap::new();
    for &(place, score) in hits {
        let tokens = &words.documents[place];
        let counted = |term: Option<&String>, field: usize| {
            let is_it = |(of, other, _): &&(usize, String, String)| {
                *of == field && term.is_none_or(|term| term == other)
            };
            tokens.iter().filter(is_it).map(|_| 1.0).sum::<f64>()
        };
        let fields = || weights.iter().map(|weight| f64::from(*weight)).enumerate();
        let length: f64 = fields().map(|(field, weight)| weight * counted(None, field)).sum();
        let share = if scores > 0.0 { f64::from(score) / scores } else { 1.0 };
        let mut seen = Vec::new();
        for (_, term, written) in tokens {
            if seen.contains(&term) {
                continue;
            }
            seen.push(term);
            let entry = model.entry(term).or_insert_with(|| (0.0, written.clone()));
            for (field, weight) in fields() {
                entry.0 += share * weight * counted(Some(term), field) / length;
            }
        }
    }
    let is_telling = |term: &String| {
        (0..weights.len()).any(|field| {
            let in_hits = hits.iter().any(|(place, _)| {
                words.documents[*place].iter().any(|(of, other, _)| *of == field && other == term)
            });
            let df = words.holding(&[field], term).len();
            let has_field =
                |tokens: &&Vec<(usize, String, String)>| tokens.iter().any(|(of, ..)| *of == field);
            in_hits && df >= 2 && 2 * df <= words.documents.iter().filter(has_field).count()
        })
    };
    let mut best: Vec<(f64, &String, String)> = model
        .into_iter()
        .filter(|(term, (sum, _))| *sum > 0.0 && is_telling(term))
        .map(|(term, (sum, written))| (sum, term, written))
        .collect();
    best.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    best.truncate(terms);
    let all: f64 = best.iter().map(|(sum, ..)| sum).sum();
    best.into_iter().map(|(sum, _, written)| (written, sum / all)).collect()
}

#[test]
fn words_of_hits_equal_those_of_a_loop_over_all_words() {
    let mut found = 0;
    each_state(&mut |world, reader, rng| {
        let words = Words::of(world);
        let ids: Vec<i32> = world.documents().iter().map(|document| id_of(document)).collect();
        with_searcher(reader, |searcher| {
            for _ in 0..5 {
                let feedback = Feedback::new().documents(rng.usize(1..8)).terms(rng.usize(1..12));
                let query = if rng.bool() {
                    Query::word(format!("{} {}", random_word(rng), random_word(rng)))
                } else {
                    random_query(rng, 0)
                };
                let hits = first(searcher, &query, feedback.documents);
                let place = |hit: &RankedDoc| {
                    let document = searcher.collection().document(hit.doc).unwrap().unwrap();
                    ids.iter().position(|id| *id == id_of(&document)).unwrap()
                };
                let places: Vec<_> = hits.iter().map(|hit| (place(hit), hit.score)).collect();
                let expected = naive_words(world, &words, &places, feedback.terms);
                let model = RelevanceModel::new(searcher, &hits, feedback).unwrap();
                assert_eq!(model.words, expected, "{query}");
                found += expected.len();
            }
        });
    });
    assert!(found > 400, "{found}");
}

#[test]
fn what_is_more_than_words_finds_what_it_found() {
    let [mut more, mut same] = [0; 2];
    each_state(&mut |_, reader, rng| {
        with_searcher(reader, |searcher| {
            for _ in 0..5 {
                let query = match rng.u8(..3) {
                    0 => {
                        Query::word(random_word(rng)).with(Query::word(random_word(rng)).must_not())
                    }
                    _ => random_query(rng, 0),
                };
                let feedback = Feedback::new().documents(3).terms(4);
                let with_words = expanded(searcher, &query, feedback);
                let (before, after) = (ids(searcher, &query), ids(searcher, &with_words));
                let is_words = query.clauses.iter().all(|clause| {
                    let is_word =
                        matches!(clause.pattern, Pattern::Words(_) | Pattern::Similar { .. });
                    clause.occur == Occur::MustNot
                        || clause.occur == Occur::Should && clause.field.is_none() && is_word
                });
                if is_words {
                    more += usize::from(after.len() > before.len());
                    assert!(before.iter().all(|id| after.contains(id)), "{query}");
                    let mut excluded = query.clone();
                    excluded.clauses.retain(|clause| clause.occur == Occur::MustNot);
                    let allowed = ids(searcher, &Query::all().with(excluded));
                    assert!(after.iter().all(|id| allowed.contains(id)), "{query}: {with_words}");
                } else {
                    same += usize::from(with_words != query && !after.is_empty());
                    assert_eq!(after, before, "{query}: {with_words}");
                }
            }
        });
    });
    assert!(more > 10 && same > 20, "{more} {same}");
}

/// Six documents, two of which are about gold and gravel.
fn mine() -> World {
    world_of(&[
        "gold gravel river",
        "gold gravel gravel sand",
        "gravel sand pan",
        "snow mountain",
        "rain roof",
        "wind",
        "storm",
        "hail",
    ])
}

#[test]
fn queries_are_expanded_by_their_kind() {
    let world = mine();
    let feedback = Feedback::new().terms(2).original_weight(0.5);
    with_searcher(&world.store.snapshot(), |searcher| {
        for (text, found, is_expanded) in [
            ("gold", &[0, 1, 2][..], true),
            ("gold -pan", &[0, 1], true),
            ("gold -(pan x)", &[0, 1], true),
            ("+gold", &[0, 1], true),
            ("gold +gravel", &[0, 1, 2], true),
            ("\"gold gravel\"", &[0, 1], true),
            ("\"gravel sand\" -pan", &[1], true),
            ("gol*", &[0, 1], true),
            ("(gold wind)", &[0, 1, 5], true),
            ("gold^0", &[0, 1], false),
            ("zirconium", &[], false),
            ("-gold", &[], false),
            ("wind", &[5], false),
        ] {
            let query = Query::user(text).query;
            let with_words = expanded(searcher, &query, feedback);
            assert_eq!(with_words != query, is_expanded, "{text}: {with_words}");
            assert_eq!(ids(searcher, &with_words), found, "{text}: {with_words}");
        }
    });
}

#[test]
fn added_words_count_as_much_as_the_weight_leaves_them() {
    let world = mine();
    with_searcher(&world.store.snapshot(), |searcher| {
        for (text, documents, weight, words, boosts) in [
            // The first hit has each of its words once; river is in no other document.
            ("gold", 1, 0.5, "gold gravel", vec![0.5, 0.5]),
            ("gold", 1, 0.25, "gold gravel", vec![1.5, 1.5]),
            ("gold -wind", 1, 0.5, "gold gravel", vec![0.5, 0.5]),
            ("wind hail", 2, 0.5, "", vec![]),
            ("gold^3", 1, 0.5, "gold gravel", vec![1.5, 1.5]),
            ("\"gold gravel river\"", 1, 0.5, "gold gravel", vec![1.5, 1.5]),
            ("+(gold river)^2", 1, 0.5, "gold gravel", vec![2.0, 2.0]),
            ("gold^=9", 1, 0.5, "gold gravel", vec![4.5, 4.5]),
            ("gold", 1, 1.0, "", vec![]),
        ] {
            let query = Query::user(text).query;
            let feedback = Feedback::new().documents(documents).terms(2).original_weight(weight);
            let with_words = expanded(searcher, &query, feedback);
            let Some(added) = with_words.clauses.last().filter(|_| with_words != query) else {
                assert_eq!((words, &with_words), ("", &query), "{text}");
                continue;
            };
            let Pattern::Group(group) = &added.pattern else { panic!("{with_words}") };
            let texts: Vec<_> = group.clauses.iter().filter_map(|c| c.pattern.text()).collect();
            assert_eq!((added.occur, texts.join(" ").as_str()), (Occur::Should, words), "{text}");
            let found: Vec<_> = group.clauses.iter().map(|clause| clause.weight).collect();
            let expected: Vec<_> = boosts.into_iter().map(Weight::Boost).collect();
            assert_eq!(found, expected, "{text}");
        }
    });
}

#[test]
fn words_are_searched_as_they_are_written_in_the_language_of_their_document() {
    let english = AnalyzerOptions::for_language(Language::English);
    let options =
        TextIndexOptions::chosen([("text", 1.0)], english).by_language("lang", [Language::German]);
    let mut world = World::new(options);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    let texts = [
        ("de", "gold häuser"),
        ("de", "gold häusern"),
        ("de", "haus"),
        ("en", "settling rivers"),
        ("en", "settled river"),
        ("en", "wind"),
    ];
    for (id, (language, text)) in (0..).zip(texts) {
        let document = doc! { "_id": id, "lang": language, "text": text };
        world.put(&mut transaction, &mut writer, RawDocumentBuf::try_from(&document).unwrap());
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    with_searcher(&world.store.snapshot(), |searcher| {
        for (text, words, found) in
            [("gold", "häuser", &[0, 1, 2][..]), ("settles", "rivers", &[3, 4])]
        {
            let query = Query::word(text);
            let with_words = expanded(searcher, &query, Feedback::new().documents(2));
            assert!(with_words.to_string().contains(words), "{with_words}");
            assert_eq!(ids(searcher, &with_words), found, "{with_words}");
        }
    });
}

#[test]
fn feedback_out_of_range_is_refused() {
    let world = mine();
    with_searcher(&world.store.snapshot(), |searcher| {
        let new = Feedback::new();
        for feedback in [
            new.documents(0),
            new.documents(101),
            new.terms(0),
            new.terms(101),
            new.original_weight(0.0),
            new.original_weight(-0.5),
            new.original_weight(1.01),
            new.original_weight(f32::NAN),
        ] {
            let error = RelevanceModel::new(searcher, &[], feedback).unwrap_err();
            assert!(matches!(error, Error::InvalidFeedback { .. }), "{feedback:?}");
            assert!(error.to_string().contains("1 to 100"), "{error}");
        }
        let most = new.documents(100).terms(100).original_weight(1.0);
        let least = new.documents(1).terms(1).original_weight(f32::MIN_POSITIVE);
        for feedback in [most, least] {
            let query = expanded(searcher, &Query::word("gold"), feedback);
            assert!(searcher.plan(&query).unwrap().1.is_empty(), "{query}");
        }
    });
}
