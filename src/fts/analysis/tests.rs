//! Tests of whole analysis: what terms, positions and byte ranges a text has.
//!
//! Samples show each rule once; properties hold for arbitrary texts: offsets, positions, bounds,
//! normal forms.

use std::sync::LazyLock;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

mod breaks;
mod languages;
mod stems;

type Found = (String, u32, usize, usize);

fn tokens(analyzer: &Analyzer, text: &str) -> (Vec<Found>, u32) {
    let mut found = Vec::new();
    let positions = analyzer.analyze(text, &mut |token| {
        found.push((token.term.to_owned(), token.position, token.start, token.end));
    });
    (found, positions)
}

fn terms(analyzer: &Analyzer, text: &str) -> Vec<String> {
    tokens(analyzer, text).0.into_iter().map(|(term, ..)| term).collect()
}

fn plain() -> Analyzer {
    made(&AnalyzerOptions::default())
}

fn made(options: &AnalyzerOptions) -> Analyzer {
    Analyzer::new(options).unwrap()
}

fn of(language: Language) -> Analyzer {
    made(&AnalyzerOptions::for_language(language))
}

/// Every kind of analyzer that takes a path of its own.
fn several() -> impl Iterator<Item = &'static Analyzer> {
    static MADE: LazyLock<Vec<Analyzer>> = LazyLock::new(|| {
        let languages = [
            Language::English,
            Language::French,
            Language::Greek,
            Language::Turkish,
            Language::Arabic,
        ];
        languages.into_iter().map(of).chain([plain()]).collect()
    });
    MADE.iter()
}

/// Further kinds, whose words are what they are cut to alone too.
fn of_other_words() -> impl Iterator<Item = &'static Analyzer> {
    static MADE: LazyLock<Vec<Analyzer>> = LazyLock::new(|| {
        let options = AnalyzerOptions::default();
        let hindi = AnalyzerOptions::for_language(Language::Hindi);
        let folding = options.clone().diacritics(Diacritics::Fold).fold_numbers(true);
        [
            options.clone().tokenizer(Tokenizer::Whitespace),
            options.clone().tokenizer(Tokenizer::Letters),
            options.clone().tokenizer(Tokenizer::Keyword),
            AnalyzerOptions::for_language(Language::Vietnamese),
            AnalyzerOptions::for_language(Language::Korean),
            folding.clone().chars(Some(2), Some(5)).more_stop_words(["the", "É"]),
            AnalyzerOptions { language: Some(Language::French), stemmer: true, ..folding },
            hindi,
        ]
        .iter()
        .map(made)
        .collect()
    });
    MADE.iter()
}

/// Kinds that make several terms of a word.
fn of_parts() -> impl Iterator<Item = &'static Analyzer> {
    static MADE: LazyLock<Vec<Analyzer>> = LazyLock::new(|| {
        let options = AnalyzerOptions::default();
        [
            options.clone().compounds(Compounds::Joined),
            AnalyzerOptions::for_language(Language::English).compounds(Compounds::Joined),
            options.clone().tokenizer(Tokenizer::Ngrams { min: 1, max: 3 }),
            options
                .clone()
                .tokenizer(Tokenizer::EdgeNgrams { min: 1, max: 4 })
                .diacritics(Diacritics::Fold),
            options.clone().tokenizer(Tokenizer::path('/')),
            options.tokenizer(Tokenizer::regex("[a-zé]{2,}|(\\d)x?")),
        ]
        .iter()
        .map(made)
        .collect()
    });
    MADE.iter()
}

/// Texts with what the rules look at, more often than chance would have it.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zA-Z]{1,6}",
        1 => "[0-9.,:']{1,5}",
        1 => Just(" ".to_owned()),
        1 => "['’_sS \u{AD}\u{301}-]{1,3}",
        1 => "[α-ωά-ώςΣ]{1,6}",
        1 => "[東京都にはカタｶﾞー〇ゟ]{1,4}",
        1 => "[กขคงนมำ้ิ๑]{1,5}",
        1 => "[가-힣ᄀ-ᄒא-ת\u{5F3}İIı]{1,3}",
        1 => "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn words_are_those_of_uax_29() {
    for (text, expected) in [
        ("can't stop 3.14, 1,000 foo-bar", vec!["can't", "stop", "3.14", "1,000", "foo", "bar"]),
        ("foo_bar _emphasis_ __init__ ___", vec!["foo_bar", "emphasis", "init"]),
        ("user@example.com http://a.b/c", vec!["user", "example.com", "http", "a.b", "c"]),
        ("Straße ÉTÉ ﬁn ＡＢＣ", vec!["strasse", "été", "fin", "abc"]),
        ("שָׁלוֹם مرحبا नमस्ते 대한민국", vec!["שָׁלוֹם", "مرحبا", "नमस्ते", "대한민국"]),
        ("C++ 🎉 -- § !", vec!["c"]),
        ("a\u{2060}b \u{3164}", vec!["ab"]),
        ("", vec![]),
    ] {
        let expected: Vec<String> = expected.iter().map(|term| term.nfkc().collect()).collect();
        assert_eq!(terms(&plain(), text), expected, "{text}");
    }
}

#[test]
fn stop_words_leave_holes_and_count() {
    let (found, positions) = tokens(&of(Language::English), "The rivers of the NORTH and");
    assert_eq!(positions, 6);
    assert_eq!(found, [("river".to_owned(), 1, 4, 10), ("north".to_owned(), 4, 18, 23)]);
}

#[test]
fn the_english_possessive_is_removed() {
    let english = of(Language::English);
    for text in ["dog's", "dog’s", "DOG'S", "DOG＇S", "dogs'", "dogs"] {
        assert_eq!(terms(&english, text), ["dog"], "{text}");
    }
    assert_eq!(terms(&english, "it's"), [""; 0]);
    assert_eq!(terms(&plain(), "dog’s"), ["dog's"]);
}

#[test]
fn what_hangs_on_a_word_by_an_apostrophe_is_removed() {
    let french = of(Language::French);
    assert_eq!(terms(&french, "l’eau d'une aujourd'hui"), terms(&french, "eau aujourd'hui"));
    let italian = of(Language::Italian);
    assert_eq!(terms(&italian, "dell'acqua"), terms(&italian, "acqua"));
    let turkish = of(Language::Turkish);
    assert_eq!(terms(&turkish, "İSTANBUL’DA"), terms(&turkish, "istanbul"));
}

#[test]
fn switches_work_alone_and_mean_nothing_without_a_language() {
    let english = AnalyzerOptions::for_language(Language::English);
    let unstemmed = made(&english.clone().stemmer(false));
    assert_eq!(terms(&unstemmed, "the rivers"), ["rivers"]);
    let complete = made(&english.stop_words(false));
    assert_eq!(terms(&complete, "the rivers"), ["the", "river"]);
    let nothing = made(&AnalyzerOptions::default().stemmer(true).stop_words(true));
    assert_eq!(terms(&nothing, "the rivers"), ["the", "rivers"]);
    assert_eq!(nothing.fingerprint(), plain().fingerprint());
}

#[test]
fn scripts_without_spaces_become_pairs_that_phrases_match() {
    let (found, positions) = tokens(&plain(), "東京都 に tower");
    let expected = [
        ("東京".to_owned(), 0, 0, 6),
        ("京都".to_owned(), 1, 3, 9),
        ("に".to_owned(), 2, 10, 13),
        ("tower".to_owned(), 3, 14, 19),
    ];
    assert_eq!((found, positions), (expected.to_vec(), 4));
    for (text, expected) in [
        ("食べるカタ", vec!["食べ", "べる", "るカ", "カタ"]),
        ("ｶﾞｽ", vec!["ガス"]),
        ("か\u{3099}す", vec!["がす"]),
        ("กิน2วัน", vec!["กิน", "2", "วัน"]),
        ("カ_a_ナ", vec!["カ", "a", "ナ"]),
        ("猫", vec!["猫"]),
        ("日本2020年", vec!["日本", "2020", "年"]),
        ("漢ก", vec!["漢", "ก"]),
    ] {
        assert_eq!(terms(&plain(), text), expected, "{text}");
    }
    // One character that normalises to two is two units of one range.
    assert_eq!(tokens(&plain(), "ゟ").0, [("より".to_owned(), 0, 0, 3)]);
    assert_eq!(terms(&plain(), "ก\u{AD}ข"), ["กข"]);
}

#[test]
fn long_words_are_cut_alike_everywhere() {
    for analyzer in several() {
        for word in ["x".repeat(10_000), "éß".repeat(5_000), "가".repeat(3_000)] {
            let found = terms(analyzer, &word);
            assert_eq!(found.len(), 1);
            assert!((200..=TERM_BYTES_MAX).contains(&found[0].len()));
            assert_eq!(found, terms(analyzer, &format!("{word}z")));
        }
        let marks = format!("a{}", "\u{301}".repeat(10_000));
        assert_eq!(terms(analyzer, &marks).len(), 1);
        let marks = format!("か{0}か{0}", "\u{3099}".repeat(10_000));
        assert!(terms(analyzer, &marks).iter().all(|term| term.len() <= TERM_BYTES_MAX));
    }
}

#[test]
fn greek_that_upsets_the_stemmer_is_kept_as_it_is() {
    assert_eq!(terms(&of(Language::Greek), "ΙΣΑΙΣΑ ίσαισα"), ["ισαισα", "ίσαισα"]);
}

#[test]
fn analyzers_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Analyzer>();
}

#[test]
fn options_survive_serde_and_unknown_ones_are_refused() {
    let options = AnalyzerOptions::for_language(Language::German).stop_words(false);
    let json = serde_json::to_string(&options).unwrap();
    assert_eq!(json, r#"{"language":"german","stemmer":true,"stop_words":false}"#);
    assert_eq!(serde_json::from_str::<AnalyzerOptions>(&json).unwrap(), options);
    assert!(serde_json::from_str::<AnalyzerOptions>(r#"{"soundex":true}"#).is_err());
}

#[test]
fn fingerprints_name_crates_and_options() {
    let english = of(Language::English).fingerprint();
    assert!(english.starts_with("alluvium-1; uax29 "), "{english}");
    assert!(
        english.ends_with("; language english; rust-stemmers 1.2.0 english; stop english-33"),
        "{english}"
    );
    let mut all: Vec<_> = Language::ALL.map(|language| of(language).fingerprint()).into();
    all.push(plain().fingerprint());
    all.push(made(&AnalyzerOptions::for_language(Language::English).stemmer(false)).fingerprint());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), Language::ALL.len() + 2);
}

#[test]
fn versions_in_the_fingerprint_are_those_of_the_lock_file() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    for (name, version) in [
        ("unicode-segmentation", fingerprint::SEGMENTATION),
        ("unicode-normalization", fingerprint::NORMALIZATION),
        ("caseless", fingerprint::CASELESS),
        ("rust-stemmers", stem::RUST_STEMMERS),
        #[cfg(feature = "snowball")]
        ("frostem", stem::current::FROSTEM),
        #[cfg(feature = "icu")]
        ("icu_segmenter", fingerprint::ICU),
    ] {
        let entry = format!("name = \"{name}\"\nversion = \"{version}");
        assert!(lock.contains(&entry), "{name} is no longer {version}");
    }
}

#[test]
fn tokenizers_cut_as_they_say() {
    let of = |tokenizer| made(&AnalyzerOptions::default().tokenizer(tokenizer));
    for (tokenizer, text, expected) in [
        (Tokenizer::Whitespace, " C++ foo-bar\tÜber ", vec!["c++", "foo-bar", "über"]),
        (Tokenizer::Letters, "don't x2y नमस्ते", vec!["don", "t", "x", "y", "नमस्ते"]),
        (Tokenizer::Keyword, "  New York ", vec!["new york"]),
        (Tokenizer::Keyword, " ", vec![]),
        (
            Tokenizer::Ngrams { min: 2, max: 3 },
            "Größe",
            vec!["gr", "grö", "rö", "rös", "ös", "öss", "ss", "sse", "se"],
        ),
        (
            Tokenizer::EdgeNgrams { min: 2, max: 3 },
            "Golden ox a",
            vec!["go", "gol", "golden", "ox", "a"],
        ),
        (Tokenizer::path('/'), "/usr//Share/doc/", vec!["/usr", "/usr//share", "/usr//share/doc"]),
        (Tokenizer::path('\\'), "C:\\dir", vec!["c:", "c:\\dir"]),
        (Tokenizer::regex(r"\w+"), "a-b", vec!["a", "b"]),
        (Tokenizer::regex(r"#(\w+)"), "x #Gold #river", vec!["gold", "river"]),
    ] {
        assert_eq!(terms(&of(tokenizer.clone()), text), expected, "{tokenizer:?}");
    }
    let (found, positions) = tokens(&of(Tokenizer::EdgeNgrams { min: 1, max: 2 }), "né b");
    let expected = [("n", 0, 0, 1), ("né", 0, 0, 3), ("b", 1, 4, 5)];
    let expected =
        expected.map(|(term, position, start, end)| (term.to_owned(), position, start, end));
    assert_eq!((found, positions), (expected.to_vec(), 2));
}

#[test]
fn a_query_has_only_the_parts_that_find_its_words() {
    let of = |tokenizer| made(&AnalyzerOptions::default().tokenizer(tokenizer));
    let asked = |tokenizer, text: &str| -> Vec<(String, u32)> {
        of(tokenizer).query(text).into_iter().flat_map(|word| word.terms).collect()
    };
    let ngrams = Tokenizer::Ngrams { min: 2, max: 3 };
    let owned = |terms: &[(&str, u32)]| -> Vec<(String, u32)> {
        terms.iter().map(|(term, position)| ((*term).to_owned(), *position)).collect()
    };
    assert_eq!(asked(ngrams.clone(), "gold go g"), owned(&[("gol", 0), ("old", 1), ("go", 5)]));
    let edges = Tokenizer::EdgeNgrams { min: 2, max: 3 };
    assert_eq!(asked(edges, "gold go"), owned(&[("gold", 0), ("go", 1)]));
    assert_eq!(asked(Tokenizer::path('/'), "/usr/share"), owned(&[("/usr/share", 0)]));
}

#[test]
fn compounds_are_found_however_they_are_written() {
    let analyzer =
        made(&AnalyzerOptions::for_language(Language::English).compounds(Compounds::Joined));
    let (found, positions) = tokens(&analyzer, "a Wi-Fi networks 3.14 covid-19");
    let expected = [
        ("wi", 1, 2, 4),
        ("fi", 1, 5, 7),
        ("wifi", 1, 2, 7),
        ("network", 2, 8, 16),
        ("3.14", 3, 17, 21),
        ("covid", 4, 22, 27),
        ("19", 4, 28, 30),
        ("covid19", 4, 22, 30),
    ];
    let expected =
        expected.map(|(term, position, start, end)| (term.to_owned(), position, start, end));
    assert_eq!((found, positions), (expected.to_vec(), 5));
    let words = analyzer.query("wi-fi networks");
    assert_eq!(words[0].terms, [("wi".to_owned(), 0), ("fi".to_owned(), 1)]);
    assert_eq!(words[0].alternatives, [[("wifi".to_owned(), 0)]]);
    assert_eq!(words[1].terms, [("network".to_owned(), 2)]);
    // Not a compound: spaces, several hyphens, pairs, and chains of nine.
    for text in ["wi - fi", "wi--fi", "東-京", "a-b-c-d-e-f-g-h-i"] {
        let plain = made(&AnalyzerOptions::default());
        let joining = made(&AnalyzerOptions::default().compounds(Compounds::Joined));
        assert_eq!(tokens(&joining, text), tokens(&plain, text), "{text}");
    }
}

#[test]
fn options_leave_out_and_fold() {
    let options = AnalyzerOptions::for_language(Language::French).diacritics(Diacritics::Fold);
    let french = made(&options);
    assert_eq!(terms(&french, "à l'École employés"), terms(&french, "a ecole EMPLOYES"));
    assert_eq!(french.fold("ÉCO"), "eco");
    let short = made(&AnalyzerOptions::default().chars(Some(2), Some(4)).more_stop_words(["Dust"]));
    let (found, positions) = tokens(&short, "a river of gold dust");
    assert_eq!(
        found.iter().map(|found| (found.0.as_str(), found.1)).collect::<Vec<_>>(),
        [("of", 2), ("gold", 3)]
    );
    assert_eq!(positions, 5);
}

#[test]
fn synonyms_stand_for_each_other_in_queries_only() {
    let english = AnalyzerOptions::for_language(Language::English);
    let options =
        english.clone().synonyms(["USA, United States, states of America", "poodles => dog"]);
    let analyzer = made(&options);
    assert_eq!(analyzer.fingerprint(), made(&english).fingerprint());
    assert_eq!(terms(&analyzer, "usa"), ["usa"]);
    let alternatives = |text: &str| -> Vec<Vec<String>> {
        let words = analyzer.query(text);
        let texts = |word: QueryWord| {
            word.alternatives
                .into_iter()
                .map(|terms| {
                    terms
                        .into_iter()
                        .map(|(term, at)| format!("{term}@{at}"))
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect()
        };
        words.into_iter().map(texts).collect()
    };
    let (usa, united, america) = ("usa@0", "unit@0 state@1", "state@0 america@2");
    assert_eq!(alternatives("usa"), [[united, america]]);
    assert_eq!(alternatives("The United States today"), [vec![usa, america], vec![]]);
    assert_eq!(alternatives("state of America"), [[usa, united]]);
    assert_eq!(alternatives("states america"), [[""; 0]; 2]);
    assert_eq!(alternatives("poodle"), [["dog@0"]]);
    assert_eq!(alternatives("dog"), [[""; 0]]);
    for rule in ["usa", "usa,", "the, usa", "=> usa", "usa =>"] {
        let refused = Analyzer::new(&english.clone().synonyms([rule]));
        assert!(matches!(refused, Err(AnalyzerError::Option { .. })), "{rule}");
    }
    let long = (0..100_000).map(|number| format!("é{number}")).collect::<Vec<_>>().join(",");
    let refused = Analyzer::new(&english.clone().synonyms([&long])).unwrap_err().to_string();
    assert!(refused.contains("has 100000 entries") && refused.len() < 200, "{refused}");
}

#[test]
fn what_cannot_be_made_is_refused_with_the_reason() {
    let of = |tokenizer| Analyzer::new(&AnalyzerOptions::default().tokenizer(tokenizer));
    for tokenizer in [
        Tokenizer::regex("("),
        Tokenizer::regex(r"\w{999}{999}"),
        Tokenizer::Ngrams { min: 0, max: 2 },
        Tokenizer::Ngrams { min: 3, max: 2 },
        Tokenizer::Ngrams { min: 1, max: 17 },
        Tokenizer::EdgeNgrams { min: 1, max: 65 },
    ] {
        let refused = of(tokenizer.clone());
        assert!(matches!(refused, Err(AnalyzerError::Option { .. })), "{tokenizer:?}");
    }
    let lengths = |min, max| Analyzer::new(&AnalyzerOptions::default().chars(Some(min), Some(max)));
    assert!(matches!(lengths(3, 2), Err(AnalyzerError::Option { .. })));
    assert_eq!(lengths(3, 3).unwrap().terms("an old pan"), ["old", "pan"]);
    assert!(matches!(of(Tokenizer::custom("test-none")), Err(AnalyzerError::Unknown { .. })));
    let current = AnalyzerOptions::for_language(Language::Polish).stemmers(Stemmers::Snowball);
    assert_eq!(Analyzer::new(&current).is_ok(), cfg!(feature = "snowball"));
    assert_eq!(of(Tokenizer::Dictionary).is_ok(), cfg!(feature = "icu"));
}

#[cfg(feature = "icu")]
#[test]
fn a_dictionary_cuts_scripts_without_spaces_into_words() {
    let analyzer = made(&AnalyzerOptions::default().tokenizer(Tokenizer::Dictionary));
    for (text, expected) in [
        ("Gold in 東京都に、river", vec!["gold", "in", "東京", "都", "に", "river"]),
        ("ทองคำจมลงในแม่น้ำ", vec!["ทอง", "คำ", "จม", "ลง", "ใน", "แม่น้ำ"]),
        ("河水慢下来", vec!["河水", "慢下来"]),
        ("", vec![]),
    ] {
        let expected: Vec<String> = expected.iter().map(|term| term.nfkc().collect()).collect();
        assert_eq!(terms(&analyzer, text), expected, "{text}");
    }
    let (found, positions) = tokens(&analyzer, "a 東京に b");
    let expected = [("a", 0, 0, 1), ("東京", 1, 2, 8), ("に", 2, 8, 11), ("b", 3, 12, 13)];
    let expected =
        expected.map(|(term, position, start, end)| (term.to_owned(), position, start, end));
    assert_eq!((found, positions), (expected.to_vec(), 4));
}

#[test]
fn a_tokenizer_of_the_programs_own_cannot_make_a_range_wrong() {
    register_tokenizer("test-wild", 3, |text, word| {
        for range in [0..1, 2..3, 1..4, 5..5, 4..99, 4..6, 3..6] {
            word(range);
        }
        word(text.len()..0);
    })
    .unwrap();
    register_filter("test-long", 4, |term, out| {
        if term != "x" {
            out.extend([term; 300]);
        }
    })
    .unwrap();
    let options = AnalyzerOptions::default().tokenizer(Tokenizer::custom("test-wild"));
    let analyzer = made(&options.filters(["test-long"]));
    let (found, positions) = tokens(&analyzer, "aébxyz");
    let found: Vec<_> =
        found.iter().map(|(term, at, start, end)| (term.len(), *at, *start, *end)).collect();
    assert_eq!(found, [(255, 0, 0, 1), (255, 1, 1, 4), (255, 2, 4, 6)]);
    assert_eq!(positions, 3);
    let fingerprint = analyzer.fingerprint();
    assert!(fingerprint.contains("tokenizer test-wild 3; filter test-long 4"), "{fingerprint}");
}

proptest! {
    #[test]
    fn positions_ranges_and_terms_keep_their_rules(text in texts()) {
        for analyzer in several() {
            let (found, positions) = tokens(analyzer, &text);
            let mut last = None;
            for (term, position, start, end) in &found {
                prop_assert!(last < Some(*position) && *position < positions);
                last = Some(*position);
                prop_assert!(start < end && text.get(*start..*end).is_some());
                prop_assert!(!term.is_empty() && term.len() <= TERM_BYTES_MAX);
            }
        }
    }

    #[test]
    fn a_words_range_analyzed_alone_gives_its_term(text in texts()) {
        for analyzer in several().chain(of_other_words()) {
            for (term, _, start, end) in tokens(analyzer, &text).0 {
                if !analyzer.has_pairs(&term) {
                    let alone = terms(analyzer, &text[start..end]);
                    prop_assert_eq!(alone, [term], "{:?} of {:?}", &text[start..end], &text);
                }
            }
        }
    }

    #[test]
    fn whatever_the_words_offsets_and_positions_keep_their_rules(text in texts()) {
        for analyzer in of_other_words().chain(of_parts()) {
            let (found, positions) = tokens(analyzer, &text);
            let mut last = 0;
            for (term, position, start, end) in &found {
                prop_assert!(last <= *position && *position < positions);
                last = *position;
                prop_assert!(start < end && text.get(*start..*end).is_some());
                prop_assert!(!term.is_empty() && term.len() <= TERM_BYTES_MAX);
            }
            let mut at = 0;
            for word in analyzer.query(&text) {
                prop_assert!(word.bytes.start < word.bytes.end);
                prop_assert!(text.get(word.bytes.clone()).is_some());
                for (term, position) in &word.terms {
                    prop_assert!(at <= *position && !term.is_empty());
                    at = *position;
                    // What is asked for is what a document of the same text has.
                    prop_assert!(found.iter().any(|(known, ..)| known == term), "{} in {:?}", term, text);
                }
            }
        }
    }

    #[test]
    fn normal_forms_of_a_text_have_the_same_terms(text in texts()) {
        for analyzer in several().chain(of_other_words()) {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(terms(analyzer, &composed), terms(analyzer, &decomposed));
        }
    }

    #[test]
    fn scratch_carries_nothing_from_one_text_to_the_next(first in texts(), second in texts()) {
        let analyzer = plain();
        let mut scratch = Scratch::default();
        analyzer.analyze_with(&mut scratch, &first, &mut |_| {});
        let mut found = Vec::new();
        analyzer.analyze_with(&mut scratch, &second, &mut |token| {
            found.push(token.term.to_owned());
        });
        prop_assert_eq!(found, terms(&analyzer, &second));
    }

    #[test]
    fn any_text_is_analyzed(text in any::<String>()) {
        for analyzer in several().chain(of_other_words()).chain(of_parts()) {
            tokens(analyzer, &text);
        }
    }
}

proptest! {
    // Each case makes all analyzers of all stages.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn stages_end_with_the_analysis(text in texts()) {
        for analyzer in several().chain(of_other_words()).chain(of_parts()) {
            let stages = analyzer.stages(&text);
            let last = stages.last().map(|stage| {
                let tokens = stage.tokens.iter();
                tokens.map(|token| (token.term.clone(), token.position, token.start, token.end)).collect::<Vec<_>>()
            });
            prop_assert_eq!(last.unwrap_or_default(), tokens(analyzer, &text).0);
        }
    }
}
