//! Completions: the words that begin as the last word of a text does, for a box that offers them while somebody types; and the most
//! frequent words of all.
//!
//! The facade asks for them; the terms come from the index's [`Vocabulary`], and so do their written forms. What counts as the
//! beginning of a word is what a prefix pattern stands for. Invariants: words are distinct and come with descending numbers of
//! living documents, ties by the term. Cost: a walk through the terms that begin so, and the analysis of a few documents a word.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;

use super::error::{Error, Result};
use super::vocabulary::Vocabulary;
use crate::collection::CollectionReader;
use crate::fts::{TermPattern, TextReader};

/// The most completions that may be asked for at once.
pub const COMPLETIONS_LEN_MAX: usize = 1000;

/// A word that begins as the last one of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Completion {
    /// The word as documents have it, in lower case.
    pub word: String,
    /// Number of documents that hold it, in any of its forms; of fields or languages that have it otherwise, what most documents
    /// hold counts.
    pub documents: u64,
    /// The text with the word in the place of its last one.
    pub text: String,
}

/// The `limit` words that most documents hold, of those that begin as the last word of `text`: in the field `field`, if it is told.
/// None when the text does not end with a word.
///
/// # Errors
/// [`Error::LimitExceeded`] for more than [`COMPLETIONS_LEN_MAX`], [`Error::UnknownField`], and those of the text index.
pub fn completions<'r>(
    collection: &CollectionReader<'r>,
    reader: &TextReader<'r>,
    field: Option<&str>,
    text: &str,
    limit: usize,
) -> Result<Vec<Completion>> {
    check_limit("completions", limit)?;
    let vocabulary = Vocabulary::new(collection, reader, field)?;
    let analyzer = vocabulary.analyzer();
    let Some((mut before, mut typed)) =
        analyzer.last_word(text).and_then(|at| text.split_at_checked(at))
    else {
        return Ok(Vec::new());
    };
    // Unicode joins words by a colon, queries take what stands before it for a field.
    if let Some((at, colon)) = typed.char_indices().rfind(|(_, c)| matches!(c, ':' | '：')) {
        let at = before.len() + at + colon.len_utf8();
        (before, typed) = text.split_at_checked(at).unwrap_or_default();
    }
    let analyzers = vocabulary.analyzers();
    let beginnings: BTreeSet<String> = analyzers.iter().map(|known| known.fold(typed)).collect();
    if beginnings.contains("") {
        return Ok(Vec::new());
    }
    let (terms, counts): (Vec<String>, Vec<u64>) =
        most_frequent(&vocabulary, &beginnings, limit)?.into_iter().unzip();
    let forms = vocabulary.written(&terms)?;
    let mut completions: Vec<Completion> = Vec::new();
    for (forms, documents) in forms.into_iter().zip(counts) {
        // Of a stem that goes on differently in some forms.
        let begins = |form: &String| beginnings.iter().any(|typed| form.starts_with(typed));
        let is_so = |form: &&String| analyzers.iter().any(|known| begins(&known.fold(form)));
        let goes_on = forms.iter().find(is_so);
        let word = goes_on.or(forms.first()).filter(|word| {
            // Analyzers may make different terms of a word.
            !completions.iter().any(|known| known.word == **word)
        });
        if let Some(word) = word.cloned() {
            completions.push(Completion { text: format!("{before}{word}"), word, documents });
        }
    }
    Ok(completions)
}

/// The `limit` words that most documents hold, as documents have them, the most frequent first.
///
/// # Errors
/// [`Error::LimitExceeded`] for more than [`COMPLETIONS_LEN_MAX`], and those of the text index.
pub fn frequent_words<'r>(
    collection: &CollectionReader<'r>,
    reader: &TextReader<'r>,
    limit: usize,
) -> Result<Vec<String>> {
    check_limit("frequent words", limit)?;
    let vocabulary = Vocabulary::new(collection, reader, None)?;
    let found = most_frequent(&vocabulary, &BTreeSet::from([String::new()]), limit)?;
    let terms: Vec<String> = found.into_iter().map(|(term, _)| term).collect();
    let forms = vocabulary.written(&terms)?;
    let written = forms.into_iter().map(|forms| forms.into_iter().next());
    Ok(written.zip(terms).map(|(form, term)| form.unwrap_or(term)).collect())
}

fn check_limit(what: &'static str, asked: usize) -> Result<()> {
    if asked > COMPLETIONS_LEN_MAX {
        return Err(Error::LimitExceeded { what, asked, limit: COMPLETIONS_LEN_MAX });
    }
    Ok(())
}

/// The terms that begin so which most documents hold, with their numbers.
fn most_frequent(
    vocabulary: &Vocabulary<'_, '_>,
    beginnings: &BTreeSet<String>,
    limit: usize,
) -> Result<Vec<(String, u64)>> {
    let (mut best, mut uncounted) = (BTreeSet::new(), Vec::new());
    let add = |best: &mut BTreeSet<(Reverse<u64>, String)>, term: &str, documents| {
        let is_worse = |(worst, last): &(_, String)| (*worst, &**last) < (Reverse(documents), term);
        if best.len() < limit || !best.last().is_none_or(is_worse) {
            best.insert((Reverse(documents), term.to_owned()));
        }
        if best.len() > limit {
            best.pop_last();
        }
    };
    for beginning in beginnings {
        vocabulary.each_fitting(&TermPattern::prefix(beginning), &mut |term, fitting| {
            if fitting.at_least == fitting.at_most {
                add(&mut best, term, fitting.at_most);
            } else {
                uncounted.push((Reverse(fitting.at_most), term.to_owned()));
            }
        })?;
    }
    uncounted.sort_unstable();
    uncounted.dedup();
    for (at_most, term) in uncounted {
        if best.len() >= limit && best.last().is_none_or(|(worst, _)| *worst < at_most) {
            break;
        }
        add(&mut best, &term, vocabulary.documents(&term)?);
    }
    Ok(best.into_iter().map(|(documents, term)| (term, documents.0)).collect())
}
