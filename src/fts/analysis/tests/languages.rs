//! Texts in many languages: every byte is accounted for, and words of a query are found in other forms.
//!
//! The same texts are highlighted in `query`.

use super::*;

const TEXTS: &str = include_str!("../../../../tests/data/analysis/languages.tsv");

#[test]
fn ranges_are_the_words_of_the_text_and_all_between_them_is_none() {
    for line in TEXTS.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let (language, text): (Language, &str) = (cells[0].parse().unwrap(), cells[1]);
        for options in [
            AnalyzerOptions::for_language(language).stop_words(false),
            AnalyzerOptions::for_language(language)
                .stop_words(false)
                .diacritics(Diacritics::Fold)
                .compounds(Compounds::Joined),
            AnalyzerOptions::default(),
        ] {
            let analyzer = made(&options);
            let mut end = 0;
            for (term, _, start, after) in tokens(&analyzer, text).0 {
                assert!(text.is_char_boundary(start) && text.is_char_boundary(after));
                let gap = text.get(end..start).unwrap_or_default();
                assert!(!gap.contains(char::is_alphanumeric), "{language}: {gap:?} is left out");
                end = end.max(after);
                if !analyzer.has_pairs(&term) {
                    let word = &text[start..after];
                    assert_eq!(terms(&analyzer, word), [term], "{language}: {word}");
                    assert!(!word.contains(char::is_whitespace));
                }
            }
            assert!(!text[end..].contains(char::is_alphanumeric), "{language}");
        }
    }
}

#[test]
fn words_of_queries_are_found_in_other_forms() {
    let mut missed = Vec::new();
    for line in TEXTS.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let analyzer = of(cells[0].parse().unwrap());
        let wanted = terms(&analyzer, cells[2]);
        let (found, _) = tokens(&analyzer, cells[1]);
        let mut marked: Vec<(usize, usize)> = Vec::new();
        for (term, _, start, end) in found {
            match marked.last_mut().filter(|last| start <= last.1) {
                _ if !wanted.contains(&term) => {}
                Some(last) => last.1 = end,
                None => marked.push((start, end)),
            }
        }
        let marked: Vec<&str> = marked.iter().map(|&(start, end)| &cells[1][start..end]).collect();
        if marked.join("|") != cells[3] {
            missed.push(format!("{}: {}", cells[0], marked.join("|")));
        }
    }
    assert_eq!(missed, [""; 0]);
}

/// Analyzers of a language with each tokenizer and each step that is not there by itself; whether a word alone is what it is in a text.
fn every_kind(language: Language) -> Vec<(Analyzer, bool)> {
    let options = AnalyzerOptions::for_language(language);
    let folding = options.clone().diacritics(Diacritics::Fold).fold_numbers(true);
    let with = |tokenizer| folding.clone().tokenizer(tokenizer);
    let kinds = [
        (options.clone(), true),
        (folding.clone(), true),
        (folding.clone().chars(Some(2), Some(6)), true),
        (with(Tokenizer::Whitespace), true),
        (with(Tokenizer::Letters), true),
        (with(Tokenizer::Keyword), true),
        (folding.clone().compounds(Compounds::Joined), false),
        (with(Tokenizer::Ngrams { min: 1, max: 3 }), false),
        (with(Tokenizer::EdgeNgrams { min: 2, max: 4 }), false),
        (with(Tokenizer::path('-')), false),
        (with(Tokenizer::regex(r"\w{2,}")), false),
    ];
    kinds.into_iter().map(|(options, is_alone)| (made(&options), is_alone)).collect()
}

#[test]
fn offsets_stay_right_in_every_language_with_every_tokenizer_and_step() {
    let mut random = fastrand::Rng::with_seed(39);
    let texts: Vec<&str> = TEXTS.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    let (mut words, pieces) = (0, [" ", "-", "’", "\u{301}", "\u{AD}", "1.234,5 ", "_", "🎉"]);
    for line in TEXTS.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let kinds = every_kind(cells[0].parse().unwrap());
        let mut text: String = cells[1].to_owned();
        for _ in 0..4 {
            for (analyzer, is_alone) in &kinds {
                let (found, positions) = tokens(analyzer, &text);
                let (mut before, options) = (0, &analyzer.options);
                words += found.len();
                for (term, position, start, end) in found {
                    assert!(before <= position && position < positions, "{options:?} {text:?}");
                    before = position;
                    let word = text.get(start..end).unwrap_or_default();
                    assert!(!word.is_empty(), "{options:?} {text:?}");
                    if *is_alone && !analyzer.has_pairs(&term) {
                        assert_eq!(terms(analyzer, word), [term], "{options:?} {word:?}");
                    }
                }
            }
            // The next text has a piece of another language in it.
            let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = borders[random.usize(..borders.len())];
            let other = texts[random.usize(..texts.len())];
            let len = random.usize(..9);
            let inserted: String = other.chars().skip(random.usize(..20)).take(len).collect();
            text.insert_str(at, &(inserted + pieces[random.usize(..pieces.len())]));
        }
    }
    assert!(words > 10_000, "{words}");
}
