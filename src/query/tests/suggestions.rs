//! Completions, corrections and likeness against loops over all words of all documents, and case by case. The loops run on random
//! collections between transactions, in indexes over everything and of chosen fields, with and without a stemmer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::naive_search::edits;
use super::tiers::random_typed_word;
use super::{World, indexes, random_document, random_text, random_word, world_of};
use crate::bson::{Error as BsonError, RawDocument, RawDocumentBuf, doc, each_string, rawdoc};
use crate::collection::CollectionReader;
use crate::fts::{Analyzer, AnalyzerOptions, Fields, Language, TextIndexOptions, Tokenizer};
use crate::lsm::{Durability, Reader};
use crate::query::{
    COMPLETIONS_LEN_MAX, Correction, Error, Pattern, Query, Suggestion, completions, like_document,
    like_text, suggestion,
};

/// A token of a document: its field, its term, and the word in lower case without an English possessive.
pub(super) type Word = (usize, String, String);

/// All words of the fields of an index, document by document.
pub(super) struct Words {
    pub(super) paths: Vec<Option<String>>,
    pub(super) documents: Vec<Vec<Word>>,
}

impl Words {
    pub(super) fn of(world: &World) -> Self {
        let paths = match &world.options.fields {
            Fields::All => vec![None],
            Fields::Chosen(fields) => fields.iter().map(|(path, _)| Some(path.clone())).collect(),
        };
        let analyzer = Analyzer::new(&world.options.analyzer).unwrap();
        let is_english = world.options.analyzer.language == Some(Language::English);
        let words = |document: &RawDocument| {
            let mut words = Vec::new();
            each_string(document, &mut |path, text| {
                for (field, above) in paths.iter().enumerate() {
                    let is_in = above.as_ref().is_none_or(|above| {
                        path == above || path.starts_with(&format!("{above}."))
                    });
                    if is_in {
                        analyzer.analyze(text, &mut |token| {
                            let word = text[token.start..token.end].to_lowercase();
                            let end = if is_english { "'s" } else { "" };
                            let word = word.strip_suffix(end).unwrap_or(&word).to_owned();
                            words.push((field, token.term.to_owned(), word));
                        });
                    }
                }
                Ok::<(), BsonError>(())
            })
            .unwrap();
            words
        };
        let documents = world.documents().into_iter().map(|document| words(document)).collect();
        Words { paths, documents }
    }

    /// Documents with the term in one of these fields.
    pub(super) fn holding(&self, fields: &[usize], term: &str) -> Vec<&Vec<Word>> {
        let is_one = |(field, other, _): &Word| fields.contains(field) && other == term;
        self.documents.iter().filter(|words| words.iter().any(is_one)).collect()
    }

    fn terms(&self, fields: &[usize]) -> BTreeSet<&String> {
        let words = self.documents.iter().flatten();
        words.filter(|(field, ..)| fields.contains(field)).map(|(_, term, _)| term).collect()
    }

    /// The written forms of a term, most frequent first.
    fn forms(&self, fields: &[usize], term: &str) -> Vec<String> {
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for words in self.holding(fields, term).into_iter().take(8) {
            for (field, other, word) in words {
                if fields.contains(field) && other == term {
                    *counts.entry(word).or_default() += 1;
                }
            }
        }
        let mut forms: Vec<_> = counts.into_iter().collect();
        forms.sort_by_key(|&(form, count)| (Reverse(count), form));
        forms.into_iter().map(|(form, _)| form.clone()).collect()
    }

    fn fields(&self, path: Option<&str>) -> Vec<usize> {
        let is_asked = |&field: &usize| path.is_none() || self.paths[field].as_deref() == path;
        (0..self.paths.len()).filter(is_asked).collect()
    }

    /// Words that begin so, with their numbers of documents.
    fn completions(&self, path: Option<&str>, beginning: &str) -> Vec<(String, u64)> {
        let fields = self.fields(path);
        let terms = self.terms(&fields).into_iter().filter(|term| term.starts_with(beginning));
        let mut found: Vec<(u64, String)> =
            terms.map(|term| (self.holding(&fields, term).len() as u64, term.clone())).collect();
        found.sort_by_key(|(documents, _)| Reverse(*documents));
        let written = |(documents, term): (u64, String)| {
            let forms = self.forms(&fields, &term);
            let goes_on = forms.iter().find(|form| form.starts_with(beginning));
            (goes_on.unwrap_or(&forms[0]).clone(), documents)
        };
        found.into_iter().map(written).collect()
    }

    /// What was probably meant by a term in a field, or in any.
    fn meant(&self, path: Option<&str>, term: &str) -> Option<String> {
        let most = match term.chars().count() {
            _ if term.contains(char::is_numeric) => 0,
            0..=3 => 0,
            4..=7 => 1,
            _ => 2,
        };
        let fields = self.fields(path);
        let least = (50 * self.holding(&fields, term).len()).max(1);
        let near = self.terms(&fields).into_iter().filter_map(|other| {
            let first = usize::from(term.chars().next() != other.chars().next());
            let distance = edits(term, other, false) + first;
            let documents = self.holding(&fields, other).len();
            let is_near = distance > 0 && distance <= most && documents >= least;
            is_near.then_some((distance, Reverse(documents), other))
        });
        near.min().map(|(_, _, other)| self.forms(&fields, other).remove(0))
    }

    /// The words of a text that tell most, by the numbers of terms and fields, with the first written form of each.
    fn telling(
        &self,
        world: &World,
        words: &[Word],
        in_every_field: bool,
        len: usize,
    ) -> Vec<String> {
        let mut best: Vec<(f64, &String, &String)> = Vec::new();
        for (_, term, written) in words {
            if best.iter().any(|(_, known, _)| *known == term) {
                continue;
            }
            let mut sum = 0.0;
            for field in 0..self.paths.len() {
                let is_it =
                    |(of, other, _): &&Word| (in_every_field || *of == field) && other == term;
                let frequency = words.iter().filter(is_it).map(|_| 1.0).sum::<f64>();
                let df = self.holding(&[field], term).len();
                let has_field = |words: &&Vec<Word>| words.iter().any(|(of, ..)| *of == field);
                let documents = self.documents.iter().filter(has_field).count();
                if frequency > 0.0 && df >= 2 && 2 * df <= documents {
                    let weight = match &world.options.fields {
                        Fields::All => 1.0,
                        Fields::Chosen(fields) => f64::from(fields[field].1),
                    };
                    let [documents, df] =
                        [documents, df].map(|number| f64::from(u32::try_from(number).unwrap()));
                    let idf = (1.0 + (documents - df + 0.5) / (df + 0.5)).ln();
                    sum += weight * frequency * idf;
                }
            }
            if sum > 0.0 {
                best.push((sum, term, written));
            }
        }
        best.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
        best.into_iter().take(len).map(|(_, _, written)| written.clone()).collect()
    }
}

/// Changes a world at random, and lets `compare` look at it inside the transaction and behind it.
pub(super) fn each_state(compare: &mut dyn FnMut(&World, &dyn Reader, &mut fastrand::Rng)) {
    for (seed, index) in (0..).zip(indexes()) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = World::new(index);
        for _ in 0..3 {
            let mut transaction = world.store.begin().unwrap();
            let mut writer = world.writer(&mut transaction);
            for _ in 0..rng.usize(10..25) {
                let id = rng.i32(0..60);
                if rng.u8(..4) == 0 {
                    world.remove(&mut transaction, &mut writer, id);
                } else {
                    let document = random_document(&mut rng, id);
                    world.put(&mut transaction, &mut writer, document);
                }
            }
            writer.drain(&mut transaction).unwrap();
            compare(&world, &transaction, &mut rng);
            transaction.commit(Durability::Buffered).unwrap();
            if rng.bool() {
                world.store.compact().unwrap();
            }
            compare(&world, &world.store.snapshot(), &mut rng);
        }
    }
}

/// A world of these documents.
fn world_with<'t>(
    options: TextIndexOptions,
    texts: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> World {
    let mut world = World::new(options);
    let mut transaction = world.store.begin().unwrap();
    let mut writer = world.writer(&mut transaction);
    for (id, (title, body)) in (0..).zip(texts) {
        let document = doc! { "_id": id, "title": title, "body": body };
        world.put(&mut transaction, &mut writer, RawDocumentBuf::try_from(&document).unwrap());
    }
    writer.drain(&mut transaction).unwrap();
    transaction.commit(Durability::Buffered).unwrap();
    world
}

/// The completions of a text: words and numbers.
fn completed(
    reader: &dyn Reader,
    path: Option<&str>,
    text: &str,
    limit: usize,
) -> Vec<(String, u64)> {
    let collection = CollectionReader::open(reader, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let found = completions(&collection, &index, path, text, limit).unwrap();
    found.into_iter().map(|found| (found.word, found.documents)).collect()
}

#[test]
fn completions_equal_those_of_a_loop_over_all_words() {
    let mut several = 0;
    each_state(&mut |world, reader, rng| {
        let words = Words::of(world);
        for _ in 0..8 {
            let word = random_word(rng).to_lowercase();
            let len = rng.usize(1..=word.len().min(3));
            let Some(beginning) = word.get(..len) else { continue };
            let path = rng.choice(&words.paths).unwrap().as_deref().filter(|_| rng.bool());
            let expected = words.completions(path, beginning);
            several += usize::from(expected.len() > 1);
            let text = format!("gold +x {beginning}");
            assert_eq!(completed(reader, path, &text, 100), expected, "{path:?} {text:?}");
            let limit = rng.usize(..4);
            let page = &expected[..limit.min(expected.len())];
            assert_eq!(completed(reader, path, &text, limit), page, "{path:?} {text:?} {limit}");
        }
    });
    assert!(several > 50, "{several}");
}

#[test]
fn words_are_completed_as_people_write_them() {
    let english = TextIndexOptions::all(AnalyzerOptions::for_language(Language::English));
    let world = world_with(
        english,
        [
            ("Happiness", "happy, HAPPINESS and happiness"),
            ("The River’s bed", "Rivers rivers river rivers"),
            ("Straße", "_rivet_ café CAFE\u{301}S"),
        ],
    );
    let snapshot = world.store.snapshot();
    let cases: [(&str, &[(&str, u64)]); 13] = [
        ("happ", &[("happiness", 1)]),
        ("happy", &[]),
        ("Happ", &[("happiness", 1)]),
        ("riv", &[("rivers", 1), ("rivet", 1)]),
        ("title:riv", &[("rivers", 1), ("rivet", 1)]),
        ("(riv", &[("rivers", 1), ("rivet", 1)]),
        ("\"a rive", &[("rivers", 1), ("rivet", 1)]),
        ("stras", &[("straße", 1)]),
        ("straß", &[("straße", 1)]),
        ("caf", &[("café", 1)]),
        ("riv ", &[]),
        ("riv-", &[]),
        ("", &[]),
    ];
    for (text, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|&(word, df)| (word.to_owned(), df)).collect();
        let found = completed(&snapshot, None, text, 10);
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn completions_of_fields_count_a_document_once() {
    let fields = [("title", 2.0), ("body", 1.0)];
    let options = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
    let world = world_with(
        options,
        [("gold", "gold"), ("golden", "gold"), ("golden", "x"), ("x", "golden")],
    );
    let snapshot = world.store.snapshot();
    let pairs = |gold, golden| [("gold".to_owned(), gold), ("golden".to_owned(), golden)];
    let found = |path| completed(&snapshot, path, "gol", 10);
    assert_eq!(found(None), [pairs(2, 3)[1].clone(), pairs(2, 3)[0].clone()]);
    assert_eq!(found(Some("body")), pairs(2, 1));
    assert_eq!(found(Some("title")), [pairs(1, 2)[1].clone(), pairs(1, 2)[0].clone()]);
    assert_eq!(completed(&snapshot, None, "gol", 1), [("golden".to_owned(), 3)]);
    assert!(completed(&snapshot, None, "gol", 0).is_empty());

    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let error = completions(&collection, &index, Some("note"), "gol", 10).unwrap_err();
    assert!(matches!(error, Error::UnknownField { .. }));
    assert!(error.to_string().contains("title, body"), "{error}");
    let too_many = completions(&collection, &index, None, "gol", COMPLETIONS_LEN_MAX + 1);
    assert!(matches!(too_many, Err(Error::LimitExceeded { .. })));

    let over_all = world_of(&["gold"]);
    let snapshot = over_all.store.snapshot();
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let error = completions(&collection, &index, Some("body"), "gol", 10).unwrap_err();
    assert!(error.to_string().contains("over everything"), "{error}");
}

/// What is suggested for a query of this text.
fn suggested(reader: &dyn Reader, text: &str) -> Option<Suggestion> {
    let collection = CollectionReader::open(reader, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    suggestion(&collection, &index, &Query::user(text)).unwrap()
}

#[test]
fn suggestions_equal_those_of_a_loop_over_all_words() {
    let mut counts = [0; 2];
    each_state(&mut |world, reader, rng| {
        let (words, analyzer) = (Words::of(world), Analyzer::new(&world.options.analyzer).unwrap());
        for _ in 0..8 {
            let (mut text, mut corrected, mut corrections) =
                (String::new(), String::new(), Vec::new());
            for _ in 0..rng.usize(1..4) {
                let before = rng.choice(&["", "", "+", "title:", "(title:", "\"", "NEAR(", "-"]);
                let before = *before.unwrap();
                let behind = match before {
                    "\"" => "\"~2 ",
                    "NEAR(" => ", 3) ",
                    "-" => " ",
                    _ => *rng.choice(&[" ", " ", "^2.5 ", "* ", ") "]).unwrap(),
                };
                let is_title = before.ends_with("title:") && words.paths[0].is_some();
                let path = is_title.then_some("title");
                let word = random_typed_word(rng);
                let mut written = word.clone();
                if before != "-" && !behind.starts_with('*') {
                    let start = text.len() + before.len();
                    let mut tokens = Vec::new();
                    analyzer.analyze(&word, &mut |token| {
                        tokens.push((token.start..token.end, token.term.to_owned()));
                    });
                    for (span, term) in tokens.into_iter().rev() {
                        if let Some(correction) = words.meant(path, &term) {
                            written.replace_range(span.clone(), &correction);
                            let word = word[span.clone()].to_owned();
                            let span = start + span.start..start + span.end;
                            corrections.push(Correction { span, word, correction });
                        }
                    }
                }
                text.extend([before, word.as_str(), behind]);
                corrected.extend([before, written.as_str(), behind]);
            }
            corrections.sort_by_key(|correction| correction.span.start);
            let is_corrected = !corrections.is_empty();
            counts[usize::from(is_corrected)] += 1;
            let expected = is_corrected.then_some(Suggestion { text: corrected, corrections });
            assert_eq!(suggested(reader, &text), expected, "{text:?}");
        }
    });
    assert!(counts.iter().all(|&count| count > 20), "{counts:?}");
}

#[test]
fn suggestions_leave_all_but_the_words_as_they_were_typed() {
    let english = TextIndexOptions::all(AnalyzerOptions::for_language(Language::English));
    let texts = [
        ("Rivers", "Big rivers carry gold; 1848"),
        ("Mountains", "A mountain, a fountain, mountains"),
        ("Mountains", "foo:barbar"),
    ];
    let world = world_with(english, texts);
    let snapshot = world.store.snapshot();
    for (text, expected) in [
        ("rivr", Some("rivers")),
        ("+Rivr  -Rivr\t\"Big RIVRS\"^2", Some("+rivers  -Rivr\t\"Big rivers\"^2")),
        ("title:(rivr OR x:rivr) AND mountian", Some("title:(rivers OR x:rivers) AND mountains")),
        ("rivr:rivr", Some("rivr:rivers")),
        ("gold*rivr rivr* rivr~ /rivr/", None),
        ("moutnain", Some("mountains")),
        ("iver 1849 big", None),
        ("glod", Some("gold")),
        ("gould-rivr", Some("gold-rivers")),
        ("ri\\:vr", None),
        // What a query would read in another way is not suggested.
        ("foobarbar", None),
        ("rivers gold", None),
        ("", None),
    ] {
        let found = suggested(&snapshot, text);
        assert_eq!(found.as_ref().map(|found| found.text.as_str()), expected, "{text:?}");
        for Correction { span, word, .. } in found.into_iter().flat_map(|found| found.corrections) {
            assert_eq!(text[span], word);
        }
    }
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let by_program = Query::word("rivr").into();
    assert_eq!(suggestion(&collection, &index, &by_program).unwrap(), None);
}

#[test]
fn a_word_that_is_there_gives_way_to_one_that_is_fifty_times_as_frequent() {
    for (frequent, expected) in [(49, None), (50, Some("river"))] {
        let mut texts = vec!["river"; frequent];
        texts.push("rivr rivre");
        let world = world_of(&texts);
        let found = suggested(&world.store.snapshot(), "rivr");
        assert_eq!(found.as_ref().map(|found| found.text.as_str()), expected);
    }
}

#[test]
fn the_nearest_word_is_meant_then_the_most_frequent_then_the_first() {
    let frequent = "mountoin";
    let world =
        world_of(&["rivea", "rivez", "rivez", "goldb golda", "mountain", frequent, frequent]);
    let snapshot = world.store.snapshot();
    for (text, expected) in [("rivex", "rivez"), ("goldx", "golda"), ("mountaix", "mountain")] {
        assert_eq!(suggested(&snapshot, text).unwrap().text, expected);
    }
}

#[test]
fn likeness_equals_a_loop_over_all_words() {
    let mut telling = 0;
    let clauses = |query: &Query| -> Vec<String> {
        let words = query.clauses.iter().map(|clause| match &clause.pattern {
            Pattern::Words(word) => word.clone(),
            other => format!("{other:?} {:?}", clause.occur),
        });
        words.collect()
    };
    each_state(&mut |world, reader, rng| {
        let words = Words::of(world);
        let collection = CollectionReader::open(reader, super::NAME).unwrap().unwrap();
        let index = collection.text_index(None).unwrap();
        let or_none = |words: Vec<String>| match words.as_slice() {
            [] => vec!["All MustNot".to_owned()],
            _ => words,
        };
        for (document, of_document) in world.documents().into_iter().zip(&words.documents).take(5) {
            let len = rng.usize(..9);
            let expected = words.telling(world, of_document, false, len);
            telling += expected.len();
            let query = like_document(&index, document, len).unwrap();
            assert_eq!(clauses(&query), or_none(expected), "{document:?}");
        }
        let text = random_text(rng);
        let mut of_text = Vec::new();
        index.analyzer().analyze(&text, &mut |token| {
            let word = index.analyzer().written(&text[token.start..token.end]);
            of_text.push((0, token.term.to_owned(), word));
        });
        let expected = words.telling(world, &of_text, true, 5);
        let query = like_text(&index, &text, 5).unwrap();
        assert_eq!(clauses(&query), or_none(expected), "{text:?}");
    });
    assert!(telling > 200, "{telling}");
}

#[test]
fn a_text_of_many_words_is_like_its_first_ones() {
    let world = world_of(&["late", "late", "early", "early", "x"]);
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let mut text = "early ".to_owned();
    for number in 0..9_999 {
        text.push_str(&number.to_string());
        text.push(' ');
    }
    text.push_str("late late early");
    assert_eq!(like_text(&index, &text, 9).unwrap().to_string(), "early");
    assert_eq!(like_text(&index, &text[1..], 9).unwrap().to_string(), "-*");
    assert_eq!(like_text(&index, &text[6..], 9).unwrap().to_string(), "late");
}

/// German documents, and English ones without a language; codes are whole words.
fn world_of_languages() -> World {
    let english = AnalyzerOptions::for_language(Language::English);
    let options = TextIndexOptions::chosen([("code", 1.0), ("text", 1.0)], english)
        .field_analyzer("code", AnalyzerOptions::default().tokenizer(Tokenizer::Keyword))
        .by_language("lang", [Language::English, Language::German]);
    let mut documents = vec![
        rawdoc! { "_id": 1, "text": "Rivers and happiness", "code": "Rivers 7" },
        rawdoc! { "_id": 2, "text": "A river", "code": "happiness" },
        rawdoc! { "_id": 3, "lang": "de", "text": "Die alten Häusern", "code": "rivers 7" },
        rawdoc! { "_id": 4, "lang": "de", "text": "In Häusern am Fluß", "code": "x" },
    ];
    documents.push(rawdoc! { "_id": 9, "text": "hauserns" });
    documents.extend((5..9).map(|id| rawdoc! { "_id": id, "text": "x" }));
    super::alternatives::filled(options, documents)
}

#[test]
fn words_are_offered_as_their_fields_and_languages_have_them() {
    let world = world_of_languages();
    let snapshot = world.store.snapshot();
    for (path, text, expected) in [
        (None, "flu", vec![("fluß", 1)]),
        (None, "hau", vec![("häusern", 2), ("hauserns", 1)]),
        (None, "happ", vec![("happiness", 1)]),
        (Some("text"), "riv", vec![("river", 2)]),
        (Some("code"), "rivers 7", vec![("rivers 7", 2)]),
        (Some("code"), "riv", vec![("rivers 7", 2)]),
        (Some("code"), "happ", vec![("happiness", 1)]),
    ] {
        let expected: Vec<_> = expected.iter().map(|&(word, df)| (word.to_owned(), df)).collect();
        assert_eq!(completed(&snapshot, path, text, 9), expected, "{path:?} {text}");
    }
    for (text, expected) in [
        // What stands so in German documents is no typing error.
        ("häusern rivers", None),
        ("flusd", Some("fluß")),
        ("rivrs", Some("river")),
        ("code:\"rivers 8\"", None),
        ("code:happinss", Some("code:happiness")),
        ("code:rivrs", None),
    ] {
        let found = suggested(&snapshot, text).map(|found| found.text);
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

#[test]
fn likeness_asks_for_words_in_their_fields_and_languages() {
    let world = world_of_languages();
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let documents = world.documents();
    let like = |at: usize| like_document(&index, documents[at], 9).unwrap().to_string();
    assert_eq!(like(2), "häusern rivers 7");
    assert_eq!(like(1), "river");
    assert_eq!(like_text(&index, "alte Häusern", 9).unwrap().to_string(), "häusern");
    assert_eq!(like_text(&index, "river", 9).unwrap().to_string(), "river");
}
