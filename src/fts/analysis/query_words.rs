//! What the text of a query comes to: words in their places, and what each may be replaced by.
//!
//! Made by [`Analyzer::query`](super::Analyzer::query) for the planner, which looks for a word or one of its alternatives. They come
//! from synonyms, from compounds (`wi-fi` is also `wifi`), and from the languages that an index holds.
//! Invariants: positions do not descend; alternatives are not empty and differ from the words and from each other.
//! Cost: the analysis of the text.

use std::ops::Range;

use serde::Serialize;

use super::analyzer::{Analyzer, Scratch};
use super::compounds::{each_compound, joined};
use super::options::Compounds;
use super::token::{Output, Token};
use super::tokenize::Cut;

/// A word of a query, or several that have alternatives together.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QueryWord {
    /// Its terms with their positions in the text; several for a compound, or where they are a synonym together.
    pub terms: Vec<(String, u32)>,
    /// Where it stands in the text, from the first byte of its first word to behind the last.
    pub bytes: Range<usize>,
    /// What else may stand for it: terms, each with its distance in positions from the first.
    pub alternatives: Vec<Vec<(String, u32)>>,
}

impl QueryWord {
    /// Adds what may stand for it too, unless that is there already.
    pub(super) fn add(&mut self, alternative: Vec<(String, u32)>) {
        let first = self.terms.first().map_or(0, |(_, position)| *position);
        let is_itself = alternative.len() == self.terms.len()
            && alternative
                .iter()
                .zip(&self.terms)
                .all(|(new, known)| new.0 == known.0 && Some(new.1) == known.1.checked_sub(first));
        if !alternative.is_empty() && !is_itself && !self.alternatives.contains(&alternative) {
            self.alternatives.push(alternative);
        }
    }

    /// Adds what `other` looks for, which stands in the same place of the same text.
    pub(in crate::fts) fn unite(&mut self, other: QueryWord) {
        let first = other.terms.first().map_or(0, |(_, position)| *position);
        let terms = other.terms.into_iter().map(|(term, position)| (term, position - first));
        self.add(terms.collect());
        self.add_all(&other.alternatives);
    }

    fn add_all(&mut self, alternatives: &[Vec<(String, u32)>]) {
        for alternative in alternatives {
            self.add(alternative.clone());
        }
    }
}

/// A token of a query.
pub(super) struct QueryToken {
    pub(super) term: String,
    pub(super) position: u32,
    bytes: Range<usize>,
}

/// Parts of a query that are one word too.
struct Compound {
    /// The first of its tokens, and how many it has.
    first: usize,
    len: usize,
    /// What it is without hyphens.
    term: String,
}

impl Analyzer {
    /// The words of a query's text, and what may stand for them.
    ///
    /// Differs from [`analyze`](Self::analyze) by synonyms, by compounds, and by n-grams, beginnings and paths, of which a query has
    /// only what finds it.
    ///
    /// ```
    /// use alluvium::{Analyzer, AnalyzerOptions};
    ///
    /// let options = AnalyzerOptions::default().synonyms(["usa, united states"]);
    /// let words = Analyzer::new(&options)?.query("united states today");
    /// assert_eq!(words[0].terms, [("united".to_owned(), 0), ("states".to_owned(), 1)]);
    /// assert_eq!(words[0].alternatives, [[("usa".to_owned(), 0)]]);
    /// assert_eq!(words[1].terms, [("today".to_owned(), 2)]);
    /// # Ok::<(), alluvium::AnalyzerError>(())
    /// ```
    pub fn query(&self, text: &str) -> Vec<QueryWord> {
        let (tokens, _) = self.query_tokens(text);
        let compounds = self.compounds(text, &tokens);
        let (mut words, mut at) = (Vec::new(), 0);
        while let Some(rest) = tokens.get(at..).filter(|rest| !rest.is_empty()) {
            let synonym =
                self.synonyms.find(rest.iter().map(|token| (&token.term, token.position)));
            let compound = compounds.iter().find(|compound| compound.first == at);
            let len = synonym.map_or(1, |(len, _)| len).max(compound.map_or(1, |found| found.len));
            let mut word = word_of(rest.get(..len).unwrap_or(rest));
            if let Some(Compound { term, .. }) = compound.filter(|found| found.len == len) {
                word.add(vec![(term.clone(), 0)]);
                if let Some((_, alternatives)) = self.synonyms.find([(term, 0)].into_iter()) {
                    word.add_all(alternatives);
                }
            }
            if let Some((_, alternatives)) = synonym.filter(|(found, _)| *found == len) {
                word.add_all(alternatives);
            }
            words.push(word);
            at += len;
        }
        words
    }

    /// The tokens of a query's text, without what else may stand for them, and how many positions it takes.
    pub(super) fn query_tokens(&self, text: &str) -> (Vec<QueryToken>, u32) {
        let (mut tokens, scratch) = (Vec::new(), &mut Scratch::default());
        let mut sink = |Token { term, position, start, end }: Token<'_>| {
            tokens.push(QueryToken { term: term.to_owned(), position, bytes: start..end });
        };
        let mut output = Output { sink: &mut sink, position: 0 };
        match self.cut {
            Cut::Words => self.words(scratch, text, &mut output),
            _ => self.otherwise(scratch, text, true, &mut output),
        }
        let positions = output.position;
        (tokens, positions)
    }

    fn compounds(&self, text: &str, tokens: &[QueryToken]) -> Vec<Compound> {
        let (mut compounds, mut buffer) = (Vec::new(), String::new());
        if self.options.compounds == Compounds::Apart {
            return compounds;
        }
        each_compound(text, &|word| self.has_pairs(word), &mut |parts| {
            let Some((joined, start, end)) = joined(parts).filter(|_| parts.len() > 1) else {
                return;
            };
            let first = tokens.partition_point(|token| token.bytes.start < start);
            let len = tokens.partition_point(|token| token.bytes.start < end) - first;
            let mut term = None;
            let mut sink = |token: Token<'_>| term = Some(token.term.to_owned());
            self.word(
                &mut buffer,
                &joined,
                start..end,
                &mut Output { sink: &mut sink, position: 0 },
            );
            if let (Some(term), 1..) = (term, len) {
                compounds.push(Compound { first, len, term });
            }
        });
        compounds
    }
}

/// Some tokens as one word.
fn word_of(tokens: &[QueryToken]) -> QueryWord {
    let start = tokens.first().map_or(0, |token| token.bytes.start);
    let end = tokens.iter().map(|token| token.bytes.end).max().unwrap_or(start);
    let terms = tokens.iter().map(|token| (token.term.clone(), token.position)).collect();
    QueryWord { terms, bytes: start..end, alternatives: Vec::new() }
}
