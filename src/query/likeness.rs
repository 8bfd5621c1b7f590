//! Likeness: the query for documents that are like a text or a document, made of its most telling words.
//!
//! The facade asks for it; the words come from the analyzer or from the walk that indexes a document, their numbers from the
//! `TextReader`. `feedback` counts the words of hits in the same way. The query is one of plain words, which stand for the same terms, so that everything that works with queries works
//! with it.
//!
//! ```text
//! telling = sum over fields of  weight × occurrences in the text × idf         idf and weight as in docs/scoring.md
//! left out: in a field those that fewer than 2 or more than half of its documents hold
//! ```
//! Invariants: words are distinct, the most telling first, ties by the term. Cost: the analysis of the text and a look-up for each
//! of its words and each field, at most [`WORDS_LEN_MAX`] words.

use std::collections::HashMap;

use super::ast::Query;
use super::bm25::idf;
use super::error::Result;
use super::planner::TERMS_LEN_MAX;
use crate::bson::RawDocument;
use crate::fts::{
    Analyzer, Analyzers, Field, FieldId, Language, TextEvent, TextReader, TextWalker,
};

/// Different words of a text that are looked up: the first ones.
const WORDS_LEN_MAX: usize = 10_000;

/// Documents that have to hold a word, at least.
const DF_MIN: u64 = 2;

/// How a query for what is like something is made.
///
/// ```
/// use alluvium::LikeOptions;
///
/// let options = LikeOptions::new().terms(10);
/// assert_eq!((options.terms, options.index), (10, None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LikeOptions {
    /// How many words are searched at most, up to 1,024. Default: 25.
    pub terms: usize,
    /// The text index whose words they are. Default: the only one, else the one named `default`.
    pub index: Option<String>,
}

impl LikeOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`terms`](Self::terms).
    #[must_use]
    pub fn terms(mut self, terms: usize) -> Self {
        self.terms = terms;
        self
    }

    /// Sets [`index`](Self::index).
    #[must_use]
    pub fn index(mut self, index: impl Into<String>) -> Self {
        self.index = Some(index.into());
        self
    }
}

impl Default for LikeOptions {
    fn default() -> Self {
        LikeOptions { terms: 25, index: None }
    }
}

/// The query for documents that are like `text`, with at most `terms` words.
///
/// # Errors
/// Those of the text index.
pub fn like_text(reader: &TextReader<'_>, text: &str, terms: usize) -> Result<Query> {
    let (analyzers, mut words) = (reader.analyzers(), Words::default());
    let fields: Vec<FieldId> = reader.fields().iter().map(|field| field.id).collect();
    let groups = analyzers.groups(&fields);
    for group in &groups {
        let every = [None];
        let own: Vec<Option<FieldId>> = group.iter().copied().map(Some).collect();
        let fields = if groups.len() == 1 { every.as_slice() } else { &own };
        analyzers.each_form(group, text, &mut |analyzer, token| {
            let word = text.get(token.start..token.end).unwrap_or_default();
            for &field in fields {
                words.count(token.term, word, field, analyzer.options().language);
            }
        });
    }
    words.query(reader, terms)
}

/// The query for documents that are like this one, with at most `terms` of the words that the index has of it.
///
/// # Errors
/// Those of the text index.
pub fn like_document(
    reader: &TextReader<'_>,
    document: &RawDocument,
    terms: usize,
) -> Result<Query> {
    Words::of_document(&mut reader.walker()?, reader.analyzers(), document)?.query(reader, terms)
}

/// How rare a word is in a field; `None` where it is too rare to find others, or too frequent to tell.
pub(super) fn telling_idf(
    reader: &TextReader<'_>,
    field: FieldId,
    term: &str,
) -> Result<Option<f64>> {
    let (documents, df) = (reader.statistics(field)?.documents, reader.term(field, term)?.df);
    Ok((df >= DF_MIN && df <= documents / 2).then(|| idf(documents, df)))
}

/// A word as it is searched: as people write it, if that alone becomes the term.
pub(super) fn searched(analyzer: &Analyzer, word: &str, term: &str) -> Option<String> {
    let written = analyzer.written(word);
    // A single character of a script without spaces would stand for all pairs that it is in.
    let is_it = analyzer.is_word_of(&written, term) && !analyzer.is_character(term);
    is_it.then_some(written)
}

/// The words of a text, by their terms.
#[derive(Default)]
pub(super) struct Words {
    pub(super) by_term: HashMap<String, Word>,
}

/// A word of a text.
pub(super) struct Word {
    /// As it stands in the text first.
    pub(super) text: String,
    /// The language that it was analyzed in there, if one was named.
    pub(super) language: Option<Language>,
    /// How often it occurs in each field, the first one first; `None` is every field.
    frequencies: Vec<(Option<FieldId>, u32)>,
}

impl Words {
    /// Those that the index has of a document, by a walker and the analyzers of the index.
    pub(super) fn of_document(
        walker: &mut TextWalker,
        analyzers: &Analyzers,
        document: &RawDocument,
    ) -> Result<Self> {
        let language = analyzers.language_of(document)?;
        let (mut words, mut read) = (Words::default(), "");
        walker.walk(document, &mut |event| {
            match event {
                TextEvent::Text { text, .. } => read = text,
                TextEvent::Token { field, token, .. } => {
                    let word = read.get(token.start..token.end).unwrap_or_default();
                    words.count(token.term, word, Some(field), language);
                }
                TextEvent::Pair { .. } | TextEvent::Path { .. } | TextEvent::Length { .. } => {}
            }
            Ok(())
        })?;
        Ok(words)
    }

    /// Counts an occurrence in a field.
    fn count(
        &mut self,
        term: &str,
        word: &str,
        field: Option<FieldId>,
        language: Option<Language>,
    ) {
        if !self.by_term.contains_key(term) {
            if self.by_term.len() == WORDS_LEN_MAX {
                return;
            }
            let new = Word { text: word.to_owned(), language, frequencies: Vec::new() };
            self.by_term.insert(term.to_owned(), new);
        }
        let Some(word) = self.by_term.get_mut(term) else { return };
        match word.frequencies.iter_mut().find(|(known, _)| *known == field) {
            Some((_, frequency)) => *frequency = frequency.saturating_add(1),
            None => word.frequencies.push((field, 1)),
        }
    }

    /// The query of the most telling ones.
    fn query(self, reader: &TextReader<'_>, terms: usize) -> Result<Query> {
        let mut telling = Vec::new();
        for (term, word) in self.by_term {
            let mut sum = 0.0;
            // In the order of the fields, so that sums are the same whatever the order of the text.
            for &Field { id, weight, .. } in reader.fields() {
                let frequency = word.frequency(id);
                if frequency > 0
                    && let Some(idf) = telling_idf(reader, id, &term)?
                {
                    sum += f64::from(weight) * f64::from(frequency) * idf;
                }
            }
            if sum > 0.0 {
                telling.push((sum, term, word));
            }
        }
        telling.sort_unstable_by(|(left, one, _), (right, other, _)| {
            right.total_cmp(left).then_with(|| one.cmp(other))
        });
        let searched = telling.into_iter().filter_map(|(_, term, word)| {
            // Words of every field are analyzed alike in all of them.
            let field = word.first_field().or(reader.fields().first().map(|field| field.id))?;
            searched(reader.analyzers().of(field, word.language), &word.text, &term)
        });
        let words = searched.take(terms.min(TERMS_LEN_MAX)).map(Query::word);
        let query = words.fold(Query::default(), Query::with);
        // Not an empty query, with which filters alone would decide.
        Ok(if query.is_empty() { Query::all().must_not() } else { query })
    }
}

impl Word {
    /// The field that it stands in first, if that is known.
    pub(super) fn first_field(&self) -> Option<FieldId> {
        self.frequencies.first().and_then(|(field, _)| *field)
    }

    /// How often it occurs in a field.
    pub(super) fn frequency(&self, field: FieldId) -> u32 {
        let mut known = self.frequencies.iter();
        known.find(|(known, _)| known.is_none_or(|known| known == field)).map_or(0, |(_, n)| *n)
    }
}
