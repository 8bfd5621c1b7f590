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
