//! Tests of snippets: what is marked, which part is shown, and where it is cut. Plans are built by hand, so that no
//! index is needed; the parent's tests take snippets of random documents.

use super::*;
use crate::bson::rawdoc;
use crate::fts::{AnalyzerOptions, Diacritics, FieldId, FieldStatistics, Language};
use crate::query::plan::{Leaf, LeafKey, PlannedField, Slop};

/// A plan that looks for patterns, each the analyzed words of a text, under a path if one is given.
fn plan(analyzer: &Analyzer, patterns: &[(&str, Option<&str>)], field_path: Option<&str>) -> Plan {
    let mut plan = Plan::default();
    let path = field_path.map(str::to_owned);
    let field = PlannedField { path, weight: 1.0, statistics: FieldStatistics::default() };
    plan.fields.insert(FieldId(0), field);
    for (text, path) in patterns {
        let mut terms = Vec::new();
        analyzer.analyze(text, &mut |token| terms.push((token.term.to_owned(), token.position)));
        let first = terms[0].1;
        for (_, position) in &mut terms {
            *position -= first;
        }
        let (is_phrase, path) = (terms.len() > 1, path.map(str::to_owned));
        let dfs = vec![1; terms.len()];
        let (slop, set) = (Slop::Exact, None);
        let key = LeafKey {
            across: None,
            field: FieldId(0),
            is_phrase,
            terms,
            slop,
            path,
            character: None,
            set,
            group: 0,
        };
        plan.leaves.push(Leaf { key, dfs, scores: true, boost: 1.0 });
    }
    plan
}

fn english() -> Analyzer {
    Analyzer::new(&AnalyzerOptions::for_language(Language::English)).unwrap()
}

fn shown(patterns: &[&str], text: &str) -> String {
    let analyzer = english();
    let patterns: Vec<_> = patterns.iter().map(|pattern| (*pattern, None)).collect();
    let plan = plan(&analyzer, &patterns, None);
    Highlighter::with_analyzer(&analyzer, &plan).snippet("body", text).to_string()
}

#[test]
fn words_are_marked_as_they_stand_in_the_text() {
    let text = "The rivers' GOLD settles where a River slowed.";
    assert_eq!(
        shown(&["river", "gold", "slow"], text),
        "The **rivers**' **GOLD** settles where a **River** **slowed**."
    );
    assert_eq!(shown(&["silver"], text), text);
    assert_eq!(shown(&["silver"], ""), "");
}

#[test]
fn phrases_are_marked_where_they_occur_and_only_there() {
    assert_eq!(
        shown(&["bed of the river"], "A bed, a river; the beds of the river and the bed of gold."),
        "A bed, a river; the **beds of the river** and the bed of gold."
    );
    assert_eq!(shown(&["gold gold"], "gold, gold gold"), "**gold, gold gold**");
    assert_eq!(shown(&["river bed", "bed"], "river bed or bed"), "**river bed** or **bed**");
}

#[test]
fn pairs_of_characters_are_joined() {
    let analyzer = Analyzer::new(&AnalyzerOptions::default()).unwrap();
    let plan = plan(&analyzer, &[("東京", None), ("京都", None)], None);
    let snippet = Highlighter::with_analyzer(&analyzer, &plan).snippet("t", "私は東京都に");
    assert_eq!(snippet.to_string(), "私は**東京都**に");
    assert_eq!((snippet.highlights.len(), snippet.highlights[0].clone()), (1, 6..15));
}

#[test]
fn the_part_with_the_most_different_matches_is_shown() {
    let filler = "lorem ipsum dolor sit amet ".repeat(20);
    let text = format!("gold gold gold {filler}gold by the river {filler}gold by the river");
    let shown = shown(&["gold", "river"], &text);
    assert!(shown.contains("**gold** by the **river**"), "{shown}");
    assert!(shown.starts_with("…") && shown.ends_with('…'), "{shown}");
    let analyzer = english();
    let plan = plan(&analyzer, &[("gold", None), ("river", None)], None);
    let snippet = Highlighter::with_analyzer(&analyzer, &plan).snippet("body", &text);
    assert!(snippet.source.start < text.len() / 2, "the earlier one of two equals");
    let chars = snippet.text.chars().count();
    assert!((SNIPPET_CHARS - 2 * WORD_CHARS_MAX..=SNIPPET_CHARS).contains(&chars), "{chars}");
    for cut in [&snippet.text[..3], &snippet.text[snippet.text.len() - 3..]] {
        assert!(!cut.starts_with(' ') && !cut.ends_with(' '), "{}", snippet.text);
    }
    let (before, behind) = text.split_at(snippet.source.start);
    assert!(before.ends_with(' '));
    assert!(behind[snippet.text.len()..].starts_with(' '));
}

#[test]
fn texts_without_spaces_are_cut_between_characters() {
    let text = "あ".repeat(1000) + "東京" + &"い".repeat(1000);
    let snippet = shown(&["東京"], &text);
    assert!(snippet.contains("東京") || snippet.contains("**"), "{snippet}");
    let long = "y".repeat(5000);
    assert_eq!(shown(&["x"], &long), format!("{}…", "y".repeat(SNIPPET_CHARS)));
}

#[test]
fn a_phrase_longer_than_a_snippet_is_marked_up_to_the_cut() {
    let text = "gold river ".repeat(60);
    let snippet = shown(&[text.trim()], &text);
    assert!(snippet.starts_with("**gold river") && snippet.ends_with("**…"), "{snippet}");
}

#[test]
fn matches_count_only_where_the_clause_looks() {
    let analyzer = english();
    let everywhere = plan(&analyzer, &[("gold", Some("author"))], None);
    let highlighter = Highlighter::with_analyzer(&analyzer, &everywhere);
    for (path, marked) in [("author", true), ("author.name", true), ("authority", false)] {
        assert_eq!(!highlighter.snippet(path, "gold").highlights.is_empty(), marked, "{path}");
    }
    let chosen = plan(&analyzer, &[("gold", None)], Some("author"));
    let highlighter = Highlighter::with_analyzer(&analyzer, &chosen);
    for (path, marked) in [("author", true), ("author.name", false), ("title", false)] {
        assert_eq!(!highlighter.snippet(path, "gold").highlights.is_empty(), marked, "{path}");
    }
}

#[test]
fn a_document_shows_its_best_string() {
    let analyzer = english();
    let plan = plan(&analyzer, &[("gold", None), ("river", None)], None);
    let highlighter = Highlighter::with_analyzer(&analyzer, &plan);
    let document = rawdoc! {
        "title": "Gold",
        "notes": [{ "text": "nothing" }, { "text": "gold from the river" }],
        "n": 1,
    };
    let (path, snippet) = highlighter.best(&document).unwrap().unwrap();
    assert_eq!((path.as_str(), snippet.text.as_str()), ("notes.text", "gold from the river"));
    assert_eq!(highlighter.field(&document, "title").unwrap().unwrap().to_string(), "**Gold**");
    let notes = highlighter.field(&document, "notes").unwrap().unwrap();
    assert_eq!(notes.marked("<b>", "</b>"), "<b>gold</b> from the <b>river</b>");
    assert_eq!(highlighter.field(&document, "n").unwrap(), None);
    assert_eq!(highlighter.best(&rawdoc! {}).unwrap(), None);
}

#[test]
fn control_characters_are_shown_as_spaces() {
    assert_eq!(shown(&["gold"], "a\ngold\u{1b}[1m"), "a **gold** [1m");
}

#[test]
fn whole_words_are_marked_in_every_language() {
    let texts = include_str!("../../../tests/data/analysis/languages.tsv");
    for line in texts.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let (text, query, expected) = (cells[1], cells[2], cells[3]);
        let options = AnalyzerOptions::for_language(cells[0].parse().unwrap());
        let folding = options.clone().diacritics(Diacritics::Fold).fold_numbers(true);
        for options in [options, folding] {
            let analyzer = Analyzer::new(&options).unwrap();
            let patterns: Vec<_> = query.split(' ').map(|word| (word, None)).collect();
            let plan = plan(&analyzer, &patterns, None);
            let snippet = Highlighter::with_analyzer(&analyzer, &plan).snippet("t", text);
            let marked: Vec<&str> =
                snippet.highlights.iter().map(|range| &text[range.clone()]).collect();
            if options.diacritics == Diacritics::Keep {
                assert_eq!(marked.join("|"), expected, "{options:?}");
            }
            // A stemmer that misses its accents finds less, but nothing else, and whole words.
            let expected: Vec<&str> = expected.split('|').collect();
            assert!(!marked.is_empty(), "{options:?}");
            assert!(marked.iter().all(|word| expected.contains(word)), "{marked:?} {options:?}");
        }
    }
    let folding = AnalyzerOptions::default().diacritics(Diacritics::Fold);
    let analyzer = Analyzer::new(&folding).unwrap();
    let plan = plan(&analyzer, &[("creme", None), ("ÆRO", None)], None);
    let snippet = Highlighter::with_analyzer(&analyzer, &plan).snippet("t", "Crème, på Ærø.");
    assert_eq!(snippet.to_string(), "**Crème**, på **Ærø**.");
}
