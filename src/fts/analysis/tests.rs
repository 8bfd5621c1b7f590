//! Tests of whole analysis: what terms, positions and byte ranges a text has.
//!
//! Samples show each rule once; properties hold for arbitrary texts: offsets, positions, bounds,
//! normal forms.

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

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
    Analyzer::new(&AnalyzerOptions::default())
}

fn of(language: Language) -> Analyzer {
    Analyzer::new(&AnalyzerOptions::for_language(language))
}

/// Every kind of analyzer that takes a path of its own.
fn several() -> Vec<Analyzer> {
    let languages =
        [Language::English, Language::French, Language::Greek, Language::Turkish, Language::Arabic];
    languages.into_iter().map(of).chain([plain()]).collect()
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
    let unstemmed = Analyzer::new(&english.clone().stemmer(false));
    assert_eq!(terms(&unstemmed, "the rivers"), ["rivers"]);
    let complete = Analyzer::new(&english.stop_words(false));
    assert_eq!(terms(&complete, "the rivers"), ["the", "river"]);
    let nothing = Analyzer::new(&AnalyzerOptions::default().stemmer(true).stop_words(true));
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
            let found = terms(&analyzer, &word);
            assert_eq!(found.len(), 1);
            assert!((200..=TERM_BYTES_MAX).contains(&found[0].len()));
            assert_eq!(found, terms(&analyzer, &format!("{word}z")));
        }
        let marks = format!("a{}", "\u{301}".repeat(10_000));
        assert_eq!(terms(&analyzer, &marks).len(), 1);
        let marks = format!("か{0}か{0}", "\u{3099}".repeat(10_000));
        assert!(terms(&analyzer, &marks).iter().all(|term| term.len() <= TERM_BYTES_MAX));
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
    assert!(serde_json::from_str::<AnalyzerOptions>(r#"{"synonyms":true}"#).is_err());
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
    all.push(
        Analyzer::new(&AnalyzerOptions::for_language(Language::English).stemmer(false))
            .fingerprint(),
    );
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}

#[test]
fn versions_in_the_fingerprint_are_those_of_the_lock_file() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    for (name, version) in [
        ("unicode-segmentation", SEGMENTATION),
        ("unicode-normalization", NORMALIZATION),
        ("caseless", CASELESS),
        ("rust-stemmers", STEMMERS),
    ] {
        let entry = format!("name = \"{name}\"\nversion = \"{version}");
        assert!(lock.contains(&entry), "{name} is no longer {version}");
    }
}

proptest! {
    #[test]
    fn positions_ranges_and_terms_keep_their_rules(text in texts()) {
        for analyzer in several() {
            let (found, positions) = tokens(&analyzer, &text);
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
        let pairs = |term: &str| term.chars().any(|c| script(c).is_some());
        for analyzer in several() {
            for (term, _, start, end) in tokens(&analyzer, &text).0 {
                if !pairs(&term) {
                    let alone = terms(&analyzer, &text[start..end]);
                    prop_assert_eq!(alone, [term], "{:?} of {:?}", &text[start..end], &text);
                }
            }
        }
    }

    #[test]
    fn normal_forms_of_a_text_have_the_same_terms(text in texts()) {
        for analyzer in several() {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(terms(&analyzer, &composed), terms(&analyzer, &decomposed));
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
        for analyzer in several() {
            tokens(&analyzer, &text);
        }
    }
}
