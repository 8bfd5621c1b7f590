//! Suggestions: the query that was probably meant, where a word of the one that was typed is hardly ever written so.
//!
//! The facade asks with a parsed query; the words of its text are found over the spans of its clauses, their neighbours in the
//! index's [`Vocabulary`]. The rule is that of typing errors in searches, and one more about how many documents a neighbour needs:
//!
//! ```text
//! word in no document       the nearest word that some document holds
//! word in n documents       the nearest word that at least 50 n documents hold
//! ```
//! Of equally near words the one that most documents hold is taken, then the first of the alphabet. Words of fewer than four
//! characters, words with a digit, patterns and what is excluded stay as they are.
//!
//! Invariants: spans of corrections lie in the text, ascend and are apart; all else of the text stays byte for byte, and what is put
//! there is read as a word. Cost: a walk through the near terms for each of the first [`SIMILAR_LEN_MAX`] words.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::ast::{Occur, Pattern, Query};
use super::error::Result;
use super::parser::ParsedQuery;
use super::planner::{SIMILAR_LEN_MAX, typos_of};
use super::vocabulary::Vocabulary;
use crate::collection::CollectionReader;
use crate::fts::{FieldId, TermPattern, TextReader};

/// How many times as many documents have to hold another word than hold the one that was typed.
const MORE_FREQUENT: u64 = 50;

/// A query that was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Suggestion {
    /// The text that was typed, with other words in some places.
    pub text: String,
    /// What was corrected, in the order of the text; never empty.
    pub corrections: Vec<Correction>,
}

/// A word of a query, and another that was probably meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Correction {
    /// The word's bytes in the text that was typed.
    pub span: Range<usize>,
    /// The word as it was typed.
    pub word: String,
    /// The word that was probably meant, as documents have it, in lower case.
    pub correction: String,
}

/// A word of a text.
struct Typed {
    span: Range<usize>,
    /// What it is in the languages and fields that it is looked for in.
    terms: Vec<String>,
    field: Option<String>,
}

/// The query that was probably meant by `query`; `None` when there is nothing to correct, and when it was not read from a text.
///
/// # Errors
/// Those of the text index.
pub fn suggestion<'r>(
    collection: &CollectionReader<'r>,
    reader: &TextReader<'r>,
    query: &ParsedQuery,
) -> Result<Option<Suggestion>> {
    let (text, mut words) = (query.text.as_str(), Vec::new());
    add_words(reader, text, &query.query, None, &mut words);
    let mut known: BTreeMap<(Option<String>, Vec<String>), Option<String>> = BTreeMap::new();
    let (mut corrected, mut corrections, mut end) = (String::new(), Vec::new(), 0);
    for Typed { span, terms, field } in words {
        let key = (field, terms);
        if !known.contains_key(&key) {
            if known.len() == SIMILAR_LEN_MAX {
                break;
            }
            let vocabulary = Vocabulary::new(collection, reader, key.0.as_deref())?;
            known.insert(key.clone(), meant(&vocabulary, &key.1)?);
        }
        let correction = known.get(&key).cloned().flatten().filter(|_| span.start >= end);
        if let (Some(correction), Some(word)) = (correction, text.get(span.clone())) {
            corrected.push_str(text.get(end..span.start).unwrap_or_default());
            corrected.push_str(&correction);
            end = span.end;
            corrections.push(Correction { span, word: word.to_owned(), correction });
        }
    }
    corrected.push_str(text.get(end..).unwrap_or_default());
    Ok((!corrections.is_empty()).then_some(Suggestion { text: corrected, corrections }))
}

/// Adds the words that a query asks for, in the order of the text, each with its field.
fn add_words(
    reader: &TextReader<'_>,
    text: &str,
    query: &Query,
    field: Option<&str>,
    words: &mut Vec<Typed>,
) {
    for clause in query.clauses.iter().filter(|clause| clause.occur != Occur::MustNot) {
        let field = clause.field.as_deref().or(field);
        let asked = match &clause.pattern {
            Pattern::Group(query) => {
                add_words(reader, text, query, field, words);
                continue;
            }
            Pattern::Words(asked)
            | Pattern::Phrase { text: asked, .. }
            | Pattern::Near { text: asked, .. } => asked,
            _ => continue,
        };
        // A field stands before the words, and what stands behind them has no letters. Words with a backslash are not found.
        let read = text.get(clause.span.clone()).unwrap_or_default();
        let Some(at) = read.rfind(asked.as_str()) else { continue };
        let start = clause.span.start + at;
        // A field that the index does not have apart is no reason to look elsewhere.
        let field = field.filter(|field| reader.field(field).is_some());
        let fields: Vec<FieldId> = match field.and_then(|field| reader.field(field)) {
            Some(field) => vec![field],
            None => reader.fields().iter().map(|field| field.id).collect(),
        };
        let (first, mut before) = (words.len(), None);
        reader.analyzers().each_form(&fields, asked, &mut |analyzer, token| {
            let span = start + token.start..start + token.end;
            let is_first = std::ptr::eq(*before.get_or_insert(analyzer), analyzer);
            let (term, field) = (token.term.to_owned(), field.map(str::to_owned));
            // What another analyzer makes of a word is the same word.
            let known = words.iter_mut().skip(first).find(|known| !is_first && known.span == span);
            match known {
                Some(known) => known.terms.push(term),
                None => words.push(Typed { span, terms: vec![term], field }),
            }
        });
        words.get_mut(first..).unwrap_or_default().sort_by_key(|word| word.span.start);
    }
}

/// The word that was probably meant by one that was typed, which is these terms, as people write it.
fn meant(vocabulary: &Vocabulary<'_, '_>, terms: &[String]) -> Result<Option<String>> {
    let (mut documents, mut near) = (0, Vec::new());
    if terms.iter().all(|term| typos_of(term) == 0) {
        return Ok(None);
    }
    for term in terms {
        documents = vocabulary.documents(term)?.max(documents);
    }
    let least = documents.saturating_mul(MORE_FREQUENT).max(1);
    for term in terms.iter().filter(|term| typos_of(term) > 0) {
        let pattern = TermPattern::typo(term, typos_of(term), false);
        vocabulary.each_fitting(&pattern, &mut |other, fitting| {
            let is_typed = terms.iter().any(|term| term == other);
            if !is_typed && fitting.at_most >= least {
                near.push((fitting.distance, other.to_owned()));
            }
        })?;
    }
    near.sort_unstable();
    let mut best: Option<(u8, Reverse<u64>, String)> = None;
    for (distance, other) in near {
        if best.as_ref().is_some_and(|(nearest, ..)| distance > *nearest) {
            break;
        }
        let documents = vocabulary.documents(&other)?;
        let found = (distance, Reverse(documents), other);
        if documents >= least && best.as_ref().is_none_or(|best| found < *best) {
            best = Some(found);
        }
    }
    let Some((.., other)) = best else { return Ok(None) };
    let forms = vocabulary.written(&[other])?.pop().unwrap_or_default();
    Ok(forms.into_iter().find(|form| is_plain(form)))
}

/// Whether a query of this text looks for just this word.
fn is_plain(form: &str) -> bool {
    let ParsedQuery { query, warnings, .. } = Query::user(form);
    let asked = match query.clauses.as_slice() {
        [only] if only.field.is_none() => &only.pattern,
        _ => return false,
    };
    warnings.is_empty() && matches!(asked, Pattern::Words(text) if text == form)
}
