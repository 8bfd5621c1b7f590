//! The documents that are asked for by their values, and the questions. Both are made from a seed, so every engine has the same.

use std::ops::Range;

/// A document: words, and values to filter, sort and count by.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: i32,
    pub(super) text: String,
    pub(super) year: i32,
    pub(super) tags: Vec<String>,
    pub(super) kind: &'static str,
    pub(super) price: f64,
}

/// What has to hold of a document.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    /// Any of these words; none: nothing is asked of the text.
    pub(super) words: &'static [&'static str],
    pub(super) kind: Option<&'static str>,
    pub(super) years: Option<Range<i32>>,
    pub(super) tag: Option<&'static str>,
    /// Whether one of year and tag is enough.
    pub(super) is_either: bool,
}

/// What is wanted of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Count,
    /// The ten best by score.
    Best,
    /// The ten values at this path that most documents have.
    Terms(&'static str),
    /// The ten with the greatest price.
    Dearest,
}

/// A question, and the row that its time stands in.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) row: &'static str,
    pub(super) condition: Condition,
    pub(super) wanted: Wanted,
}

const KINDS: [&str; 4] = ["book", "film", "song", "map"];

/// All documents.
pub(super) fn records(len: i32) -> impl Iterator<Item = Record> {
    let mut rng = fastrand::Rng::with_seed(1);
    // Few numbers are drawn often.
    let skewed =
        |rng: &mut fastrand::Rng, power: i32, of: f64| (rng.f64().powi(power) * of).floor();
    (0..len).map(move |id| {
        let words: Vec<String> =
            (0..20).map(|_| format!("w{}", skewed(&mut rng, 4, 50_000.0))).collect();
        let tags = (0..rng.usize(0..4)).map(|_| format!("t{}", skewed(&mut rng, 3, 200.0)));
        let tags = tags.collect();
        let (year, kind) = (rng.i32(1900..2025), KINDS[rng.usize(..KINDS.len())]);
        Record { id, text: words.join(" "), year, tags, kind, price: rng.f64() * 100.0 }
    })
}

/// All questions.
pub(super) fn questions() -> Vec<Question> {
    let of_years = |years| Condition { years: Some(years), ..Condition::default() };
    let compound = Condition { kind: Some("book"), ..of_years(1999..2000) };
    let two = Condition { tag: Some("t50"), ..of_years(1999..2000) };
    let either = Condition { tag: Some("t77"), is_either: true, ..of_years(1901..1902) };
    let words = Condition { words: &["w3"], kind: Some("book"), ..Condition::default() };
    let recent = Condition { words: &["w3", "w77"], ..of_years(1950..2025) };
    let rare = Condition { words: &["w3000"], ..of_years(1950..2025) };
    let few = Condition { words: &["w3"], tag: Some("t50"), ..Condition::default() };
    let some = Condition { words: &["w3"], ..Condition::default() };
    let all = Condition::default();
    let of_words = |condition: &Condition| Condition { words: condition.words, ..all.clone() };
    let of_filter = |condition: &Condition| Condition { words: &[], ..condition.clone() };
    let question = |row, condition: &Condition, wanted| {
        let condition = condition.clone();
        Question { row, condition, wanted }
    };
    vec![
        question("find/compound", &compound, Wanted::Count),
        question("find/range", &of_years(1999..2009), Wanted::Count),
        question("find/wide", &of_years(1950..2025), Wanted::Count),
        question("find/two", &two, Wanted::Count),
        question("find/either", &either, Wanted::Count),
        question("words_w3/TOP_10", &of_words(&words), Wanted::Best),
        question("words_two/TOP_10", &of_words(&recent), Wanted::Best),
        question("words_two/COUNT", &of_words(&recent), Wanted::Count),
        question("words_rare/TOP_10", &of_words(&rare), Wanted::Best),
        question("filter_kind/COUNT", &of_filter(&words), Wanted::Count),
        question("filter_few/COUNT", &of_filter(&few), Wanted::Count),
        question("search_kind/TOP_10", &words, Wanted::Best),
        question("search_kind/COUNT", &words, Wanted::Count),
        question("search_recent/TOP_10", &recent, Wanted::Best),
        question("search_recent/COUNT", &recent, Wanted::Count),
        question("search_rare/TOP_10", &rare, Wanted::Best),
        question("search_few/TOP_10", &few, Wanted::Best),
        question("search_few/COUNT", &few, Wanted::Count),
        question("facet_year/all", &all, Wanted::Terms("year")),
        question("facet_tags/all", &all, Wanted::Terms("tags")),
        question("facet_tags/w3", &some, Wanted::Terms("tags")),
        question("sort_price/all", &all, Wanted::Dearest),
        question("sort_price/w3", &some, Wanted::Dearest),
    ]
}
