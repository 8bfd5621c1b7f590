//! [`Pairs`]: which neighbouring words an index has as one term too, and by which terms a phrase is found then.
//!
//! Positions of the most frequent words are most of what a phrase like "to be or not to be" costs. An index that is told these words
//! keeps each two of them that stand side by side as a term of a field of its own ([`FieldId::of_pairs`]), with the position of the
//! first. The walker makes them of documents, searches ask which of a phrase there are.
//!
//! ```text
//! paired words  is, a, of
//! document      this is a list of a few      terms of the field of pairs   "is a" at 1, "of a" at 4
//! phrase        "is a list"                  found by                      "is a" at 0, "list" at 2
//! ```
//! Invariants: a pair stands in a document exactly where both words do, one behind the other, in one text; its terms are told apart,
//! since no paired word has a space. Pairs are no words: they count neither for lengths nor for statistics. Cost: a look-up for each short
//! word of a document; to make the sets, which is done whenever an index is opened, the analysis of the paired words.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::analysis::Token;
use super::analyzers::Analyzers;
use super::ids::FieldId;
use super::schema::TextIndexOptions;

/// What stands between the two words of a pair.
const SPACE: char = ' ';

/// The paired words of an index, as terms of each of its fields.
#[derive(Debug, Default)]
pub struct Pairs {
    of_fields: BTreeMap<FieldId, PairedTerms>,
}

/// The terms of a field whose neighbours are pairs.
#[derive(Debug, Default)]
pub(super) struct PairedTerms {
    terms: HashSet<Box<str>>,
    /// The length of the longest.
    bytes_max: usize,
}

/// A term by which a phrase is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseTerm<'t> {
    /// The field that has its postings.
    pub field: FieldId,
    /// The term.
    pub term: Cow<'t, str>,
    /// Its distance in positions from the first word of the phrase.
    pub distance: u32,
}

/// Makes pairs of the tokens of a field, as they come.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// The last token, where it was a paired word.
    last: String,
    /// Its position.
    position: Option<u32>,
    pair: String,
}

impl Pairs {
    /// Those of an index with these options.
    pub(super) fn new(options: &TextIndexOptions, analyzers: &Analyzers) -> Self {
        let mut of_fields = BTreeMap::new();
        if options.paired_words.is_empty() {
            return Pairs { of_fields };
        }
        for field in options.fields() {
            let all = analyzers.all_of(&[field.id]);
            // Parts of words stand in one place together: they have no neighbours.
            if all.iter().any(|analyzer| analyzer.makes_parts()) {
                continue;
            }
            let mut terms = PairedTerms::default();
            for word in &options.paired_words {
                terms.add(word);
                for analyzer in &all {
                    analyzer.analyze(word, &mut |Token { term, .. }| terms.add(term));
                }
            }
            of_fields.insert(field.id, terms);
        }
        Pairs { of_fields }
    }

    /// The paired words of a field, if it has any.
    pub(super) fn in_field(&self, field: FieldId) -> Option<&PairedTerms> {
        self.of_fields.get(&field)
    }

    /// The terms by which an exact phrase in a field is found: of two neighbours that are a pair this one, of all others the words.
    ///
    /// Each of `terms` has its distance in positions from the first.
    pub fn of_phrase<'t>(&self, field: FieldId, terms: &'t [(String, u32)]) -> Vec<PhraseTerm<'t>> {
        let paired = self.in_field(field);
        let pair = |first: usize| {
            let [(left, before), (right, behind)] = terms.get(first..first + 2)? else {
                return None;
            };
            let is_pair = behind.checked_sub(1) == Some(*before)
                && paired?.contains(left)
                && paired?.contains(right);
            let term = || Cow::Owned(format!("{left}{SPACE}{right}"));
            let (field, distance) = (field.of_pairs(), *before);
            is_pair.then(|| PhraseTerm { field, term: term(), distance })
        };
        let (mut found, mut at) = (Vec::with_capacity(terms.len()), 0);
        while let Some((term, distance)) = terms.get(at) {
            if let Some(pair) = pair(at) {
                found.push(pair);
                at += 2;
                continue;
            }
            // The last of an odd number of paired words has a neighbour that is in another pair, too.
            let with_last = at.checked_sub(1).and_then(pair);
            let word = || PhraseTerm { field, term: Cow::Borrowed(term), distance: *distance };
            found.push(with_last.unwrap_or_else(word));
            at += 1;
        }
        found
    }
}

impl PairedTerms {
    fn add(&mut self, term: &str) {
        if !term.contains(SPACE) {
            self.bytes_max = self.bytes_max.max(term.len());
            self.terms.insert(term.into());
        }
    }

    fn contains(&self, term: &str) -> bool {
        term.len() <= self.bytes_max && self.terms.contains(term)
    }
}

impl Neighbours {
    /// Takes the next token of the field, at `position` there; gives the pair that it ends and where that begins, if it ends one.
    pub(super) fn push(
        &mut self,
        paired: &PairedTerms,
        term: &str,
        position: u32,
    ) -> Option<(&str, u32)> {
        if !paired.contains(term) {
            self.position = None;
            return None;
        }
        let before = self.position.replace(position);
        let before = before.filter(|&before| position.checked_sub(1) == Some(before));
        if before.is_some() {
            self.pair.clear();
            self.pair.push_str(&self.last);
            self.pair.push(SPACE);
            self.pair.push_str(term);
        }
        self.last.clear();
        self.last.push_str(term);
        before.map(|before| (self.pair.as_str(), before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fts::{AnalyzerOptions, Language, Tokenizer};

    fn pairs(options: &TextIndexOptions) -> Pairs {
        Pairs::new(options, &Analyzers::new(options).unwrap())
    }

    fn phrase(pairs: &Pairs, text: &str) -> Vec<String> {
        let terms: Vec<(String, u32)> = text
            .split(' ')
            .zip(0..)
            .filter(|(term, _)| *term != "_")
            .map(|(term, at)| (term.to_owned(), at))
            .collect();
        let found = pairs.of_phrase(FieldId(3), &terms);
        found
            .into_iter()
            .map(|PhraseTerm { field, term, distance }| format!("{field:?} {term} {distance}"))
            .map(|line| line.replace("FieldId(3)", "word").replace("FieldId(32771)", "pair"))
            .collect()
    }

    #[test]
    fn a_phrase_is_found_by_pairs_and_by_the_words_that_are_in_none() {
        let fields = ["a", "b", "c", "d"].map(|path| (path, 1.0));
        let options = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
        let some = pairs(&options.clone().paired_words(["to", "BE", "or", "not"]));
        for (text, expected) in [
            ("to be", &["pair to be 0"][..]),
            ("to be seen", &["pair to be 0", "word seen 2"]),
            (
                "not seen to be or not",
                &["word not 0", "word seen 1", "pair to be 2", "pair or not 4"],
            ),
            ("to be or", &["pair to be 0", "pair be or 1"]),
            ("to be or seen or", &["pair to be 0", "pair be or 1", "word seen 3", "word or 4"]),
            ("to _ be", &["word to 0", "word be 2"]),
            ("be seen", &["word be 0", "word seen 1"]),
        ] {
            assert_eq!(phrase(&some, text), expected, "{text}");
        }
        assert_eq!(phrase(&pairs(&options), "to be"), ["word to 0", "word be 1"]);
    }

    #[test]
    fn paired_words_are_terms_of_all_analyzers_of_a_field_as_they_stand_and_without_spaces() {
        let english = AnalyzerOptions::for_language(Language::English).stop_words(false);
        let codes = AnalyzerOptions::default().tokenizer(Tokenizer::EdgeNgrams { min: 1, max: 3 });
        let options = TextIndexOptions::chosen([("t", 1.0), ("code", 1.0)], english)
            .field_analyzer("code", codes)
            .paired_words(["Houses", "of the"]);
        let pairs = pairs(&options);
        let terms = |field| {
            let paired: Option<&PairedTerms> = pairs.in_field(FieldId(field));
            let mut terms: Vec<_> = paired?.terms.iter().map(|term| &**term).collect();
            terms.sort_unstable();
            Some(terms)
        };
        assert_eq!(terms(0).unwrap(), ["Houses", "hous", "of", "the"]);
        assert_eq!(terms(1), None);
    }

    #[test]
    fn only_neighbours_are_pairs_however_often_they_stand_there() {
        let options = TextIndexOptions::default().paired_words(["ha", "ho"]);
        let pairs = pairs(&options);
        let paired = pairs.in_field(FieldId(0)).unwrap();
        let mut neighbours = Neighbours::default();
        let tokens = [
            ("ha", 0),
            ("ha", 1),
            ("ha", 2),
            ("x", 3),
            ("ho", 4),
            ("ha", 6),
            ("ho", 7),
            ("ho", 108),
        ];
        let mut found = Vec::new();
        for (term, position) in tokens {
            let pair = neighbours.push(paired, term, position);
            found.extend(pair.map(|(pair, position)| (pair.to_owned(), position)));
        }
        let expected = [("ha ha", 0), ("ha ha", 1), ("ha ho", 6)];
        assert_eq!(found, expected.map(|(pair, position)| (pair.to_owned(), position)));
    }
}
