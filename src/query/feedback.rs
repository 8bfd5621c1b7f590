//! Relevance feedback: the query with the words that the first hits have in common, so that what is said in other words is found too.
//!
//! The facade asks for it where a [`Search`](crate::Search) has [`Feedback`]; the hits are those of `tiers`, their words those of
//! `likeness`. It is RM3, which takes the first hits for relevant without asking anybody (pseudo-relevance feedback):
//!
//! ```text
//! P(w | d) = sum over fields of weight × occurrences of w in d  /  the same sum over all words
//! P(w | R) = sum over the hits d of  P(w | d) × score(d) / sum of scores       of these the most probable, made to sum up to 1
//! boost(w) = (1 − original weight) / original weight × words of the query × P(w | R)
//! left out: words that no field of the hits has in 2 documents at least and in half of its documents at most
//! ```
//! That is RM3's query, all boosts of which are divided by the original weight: the query's own clauses stay as they are.
//!
//! * A query of optional words that name no field finds whatever has one of its words or of those that were added. Any other query
//!   finds what it finds without them, and they only score: what is required, excluded, a phrase or bound to a field stays so.
//! * A word is added as it is written where it stands first, if that alone becomes the same term in a query.
//!
//! Source: Abdul-Jaleel and others, "UMass at TREC 2004: Novelty and HARD", with scores of BM25 as Anserini has it. Invariants: the same
//! hits give the same words; scores of the query's own clauses do not change. Cost: the analysis of the hits, a look-up for each of
//! their words until enough are telling, and a search of more words.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::ast::{Occur, Pattern, Query, Weight};
use super::bm25::{exact, rounded};
use super::error::{Error, Result};
use super::likeness::{Words, searched, telling_idf};
use super::planner::DEPTH_MAX;
use super::searcher::Searcher;
use super::tiers::RankedDoc;
use crate::fts::{Field, FieldId, Language, TextReader};

/// The most documents that words are taken from, and the most words.
const FEEDBACK_LEN_MAX: usize = 100;

/// How a search takes words from its first hits: see [`Search::feedback`](crate::Search::feedback).
///
/// ```
/// use alluvium::Feedback;
///
/// let feedback = Feedback::new().documents(5).original_weight(0.5);
/// assert_eq!((feedback.documents, feedback.terms, feedback.original_weight), (5, 20, 0.5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Feedback {
    /// How many of the first hits are taken for relevant, 1 to 100. Default: 10.
    pub documents: usize,
    /// How many of their words are added at most, 1 to 100. Default: 20.
    pub terms: usize,
    /// How much the words of the query count, above 0 and up to 1; the rest of 1 is what the added words count, as many as they are.
    /// With 1 nothing is added. Default: 0.8.
    pub original_weight: f32,
}

impl Feedback {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`documents`](Self::documents).
    #[must_use]
    pub fn documents(mut self, documents: usize) -> Self {
        self.documents = documents;
        self
    }

    /// Sets [`terms`](Self::terms).
    #[must_use]
    pub fn terms(mut self, terms: usize) -> Self {
        self.terms = terms;
        self
    }

    /// Sets [`original_weight`](Self::original_weight).
    #[must_use]
    pub fn original_weight(mut self, weight: f32) -> Self {
        self.original_weight = weight;
        self
    }

    /// Refuses what is out of range.
    ///
    /// # Errors
    /// [`Error::InvalidFeedback`].
    pub fn check(self) -> Result<()> {
        let Feedback { documents, terms, original_weight } = self;
        let counts = 1..=FEEDBACK_LEN_MAX;
        if counts.contains(&documents)
            && counts.contains(&terms)
            && original_weight > 0.0
            && original_weight <= 1.0
        {
            return Ok(());
        }
        Err(Error::InvalidFeedback { documents, terms, original_weight })
    }
}

impl Default for Feedback {
    fn default() -> Self {
        Feedback { documents: 10, terms: 20, original_weight: 0.8 }
    }
}

/// The words that tell what hits are about.
#[derive(Debug, Clone, PartialEq)]
pub struct RelevanceModel {
    /// Words as they are searched, the most probable first, and their probabilities, which sum up to 1 if there are any.
    pub words: Vec<(String, f64)>,
    /// What the added words count, by what those of a query count.
    added_weight: f64,
}

/// A word of hits.
#[derive(Default)]
struct Candidate {
    /// As it stands in the first hit that has it, and in which language that is.
    text: String,
    language: Option<Language>,
    /// Where hits have it, the first one first.
    fields: Vec<FieldId>,
    /// The sum of its probabilities in the hits, by their scores.
    sum: f64,
}

impl RelevanceModel {
    /// The words of these hits of a search.
    ///
    /// # Errors
    /// [`Error::InvalidFeedback`], and those of the text index and the documents.
    pub fn new(searcher: Searcher<'_, '_>, hits: &[RankedDoc], feedback: Feedback) -> Result<Self> {
        feedback.check()?;
        let reader = searcher.reader;
        let mut candidates: Vec<(String, Candidate)> =
            candidates(searcher, hits)?.into_iter().collect();
        candidates.sort_unstable_by(|(one, left), (other, right)| {
            right.sum.total_cmp(&left.sum).then_with(|| one.cmp(other))
        });
        let mut words = Vec::with_capacity(feedback.terms);
        for (term, Candidate { text, language, fields, sum }) in candidates {
            if words.len() == feedback.terms || sum <= 0.0 {
                break;
            }
            if is_telling(reader, &fields, &term)?
                && let Some(&field) = fields.first()
                && let Some(written) =
                    searched(reader.analyzers().of(field, language), &text, &term)
            {
                words.push((written, sum));
            }
        }
        let all: f64 = words.iter().map(|(_, sum)| sum).sum();
        for (_, sum) in &mut words {
            *sum /= all;
        }
        let original = f64::from(feedback.original_weight);
        Ok(RelevanceModel { words, added_weight: (1.0 - original) / original })
    }

    /// The query with the words, as [`Query::word`]s with boosts in one optional group.
    pub fn expand(&self, searcher: Searcher<'_, '_>, query: &Query) -> Query {
        let added = self.added_weight * words_of(searcher.reader, query, 0);
        let boosted = self.words.iter().map(|(word, probability)| {
            let boost = rounded(added * probability).min(Weight::MAX);
            Query::word(word.as_str()).boost(boost)
        });
        let words = boosted.fold(Query::default(), Query::with);
        if added <= 0.0 || words.is_empty() {
            return query.clone();
        }
        let query = query.clone();
        let query = if is_words(&query) { query } else { query.grouped().must() };
        query.with(words.grouped())
    }
}

/// All words of the hits, by their terms.
fn candidates(
    searcher: Searcher<'_, '_>,
    hits: &[RankedDoc],
) -> Result<HashMap<String, Candidate>> {
    let reader = searcher.reader;
    let (mut walker, mut candidates) = (reader.walker()?, HashMap::new());
    let scores: f64 = hits.iter().map(|hit| f64::from(hit.score)).sum();
    for hit in hits {
        let Some(document) = searcher.collection().document(hit.doc)? else { continue };
        let words = Words::of_document(&mut walker, reader.analyzers(), &document)?;
        let mut length = 0.0;
        for field in reader.fields() {
            let frequencies =
                words.by_term.values().map(|word| u64::from(word.frequency(field.id)));
            length += f64::from(field.weight) * exact(frequencies.sum());
        }
        // Hits that score nothing are equally relevant.
        let share = if scores > 0.0 { f64::from(hit.score) / scores } else { 1.0 };
        for (term, word) in words.by_term {
            let candidate: &mut Candidate = candidates.entry(term).or_default();
            if candidate.fields.is_empty() {
                candidate.fields.extend(word.first_field());
                (candidate.text, candidate.language) = (word.text.clone(), word.language);
            }
            for field in reader.fields() {
                let frequency = word.frequency(field.id);
                if frequency > 0 {
                    candidate.sum +=
                        share * f64::from(field.weight) * f64::from(frequency) / length;
                    if !candidate.fields.contains(&field.id) {
                        candidate.fields.push(field.id);
                    }
                }
            }
        }
    }
    Ok(candidates)
}

/// Whether the word tells something in one of these fields.
fn is_telling(reader: &TextReader<'_>, fields: &[FieldId], term: &str) -> Result<bool> {
    for &field in fields {
        if telling_idf(reader, field, term)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether all that a query asks for are optional words that name no field.
fn is_words(query: &Query) -> bool {
    query.clauses.iter().all(|clause| match clause.occur {
        Occur::Must => false,
        Occur::MustNot => true,
        Occur::Should => {
            let is_words = matches!(clause.pattern, Pattern::Words(_) | Pattern::Similar { .. });
            is_words && clause.field.is_none()
        }
    })
}

/// How many words the query scores, each as often as its boost says; what is no word but scores counts as one.
fn words_of(reader: &TextReader<'_>, query: &Query, depth: usize) -> f64 {
    if depth > DEPTH_MAX {
        // What is deeper is not searched either.
        return 0.0;
    }
    let words_of = |query| words_of(reader, query, depth + 1);
    let asked = query.clauses.iter().filter(|clause| clause.occur != Occur::MustNot);
    let counts = asked.map(|clause| {
        let words = match &clause.pattern {
            _ if matches!(clause.weight, Weight::Constant(_)) => 1.0,
            Pattern::Words(text)
            | Pattern::Phrase { text, .. }
            | Pattern::Near { text, .. }
            | Pattern::Similar { text, .. } => {
                let in_field = |field: &Field| reader.analyzers().query(field.id, text).len();
                let most = reader.fields().iter().map(in_field).max().unwrap_or_default();
                exact(u64::try_from(most).unwrap_or(u64::MAX))
            }
            Pattern::Group(query) | Pattern::Across { query, .. } => words_of(query),
            Pattern::DisMax { queries, .. } => queries.iter().map(words_of).fold(0.0, f64::max),
            Pattern::Prefix(_)
            | Pattern::Wildcard(_)
            | Pattern::Fuzzy { .. }
            | Pattern::Regex(_)
            | Pattern::Range { .. }
            | Pattern::All
            | Pattern::Filter(_) => 1.0,
        };
        let (Weight::Boost(boost) | Weight::Constant(boost)) = clause.weight;
        // What is no number counts as 0 too, as it does when it is planned.
        words * if boost > 0.0 { f64::from(boost.min(Weight::MAX)) } else { 0.0 }
    });
    counts.sum()
}
