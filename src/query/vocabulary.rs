//! [`Vocabulary`]: the words of some fields of a text index, for those who offer words to people.
//!
//! Completions, corrections and likeness ask here which terms fit a pattern, how many living documents hold one, and how people
//! write it: stems are words that nobody writes, so that what is shown comes from the text of documents. It reads the dictionary
//! and postings through a `TextReader`, and documents through the collection's reader.
//!
//! Invariants: numbers of documents are exact, a document that holds a word in several fields counts once; a written form, analyzed
//! alone, is the term that it stands for. Cost: a walk through the terms that fit, and for written forms the analysis of at most
//! [`SAMPLED_LEN`] documents a term, each of which is analyzed once for all terms together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::error::{Error, Result};
use crate::collection::CollectionReader;
use crate::fts::{Analyzer, DocId, DocumentSet, FieldId, TermPattern, TextEvent, TextReader};

/// Documents of a term in which its written forms are counted: the first ones.
const SAMPLED_LEN: usize = 8;

/// The words of some fields.
pub(super) struct Vocabulary<'v, 'r> {
    collection: &'v CollectionReader<'r>,
    reader: &'v TextReader<'r>,
    fields: Vec<FieldId>,
}

/// A term that fits a pattern.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fitting {
    /// How far it is from what was asked for.
    pub(super) distance: u8,
    /// Living documents that hold it, at least: those of one field.
    pub(super) at_least: u64,
    /// And at most: those of all fields, added up.
    pub(super) at_most: u64,
}

impl<'v, 'r> Vocabulary<'v, 'r> {
    /// The words of the field `field`, or of all.
    ///
    /// # Errors
    /// [`Error::UnknownField`] when the index has no such field of its own.
    pub(super) fn new(
        collection: &'v CollectionReader<'r>,
        reader: &'v TextReader<'r>,
        field: Option<&str>,
    ) -> Result<Self> {
        let fields = match field {
            None => reader.fields().iter().map(|field| field.id).collect(),
            Some(path) => vec![reader.field(path).ok_or_else(|| {
                let known = reader.fields().iter().filter_map(|field| field.path.clone());
                Error::UnknownField { field: path.to_owned(), known: known.collect() }
            })?],
        };
        Ok(Vocabulary { collection, reader, fields })
    }

    /// The analyzer of the field, that of documents without a language where there are several.
    pub(super) fn analyzer(&self) -> &'v Analyzer {
        let analyzers = self.reader.analyzers();
        match self.fields.as_slice() {
            [only] => analyzers.of(*only, None),
            _ => analyzers.default(),
        }
    }

    /// All analyzers of the fields.
    pub(super) fn analyzers(&self) -> Vec<&'v Analyzer> {
        self.reader.analyzers().all_of(&self.fields)
    }

    /// Passes the terms that fit a pattern and that living documents hold to `visit`, in the order of their bytes. Memory: where there are
    /// several fields, all of these terms.
    pub(super) fn each_fitting(
        &self,
        pattern: &TermPattern,
        visit: &mut dyn FnMut(&str, Fitting),
    ) -> Result<()> {
        let (mut found, is_only) = (BTreeMap::<String, Fitting>::new(), self.fields.len() == 1);
        for &field in &self.fields {
            self.reader.each_term(field, pattern, &mut |term, distance, postings| {
                let df = postings.statistics.df;
                match std::str::from_utf8(term) {
                    Ok(term) if df > 0 && is_only => {
                        visit(term, Fitting { distance, at_least: df, at_most: df });
                    }
                    Ok(term) if df > 0 => {
                        let known = found.entry(term.to_owned()).or_default();
                        let at_most = known.at_most.saturating_add(df);
                        *known = Fitting { distance, at_least: known.at_least.max(df), at_most };
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        for (term, fitting) in found {
            visit(&term, fitting);
        }
        Ok(())
    }

    /// Number of living documents that hold a term. Cost: where several fields have it, a step a document.
    pub(super) fn documents(&self, term: &str) -> Result<u64> {
        let mut lists = Vec::new();
        for &field in &self.fields {
            let postings = self.reader.postings(field, term)?;
            if postings.statistics.df > 0 {
                lists.push(postings);
            }
        }
        if let [only] = lists.as_slice() {
            return Ok(only.statistics.df);
        }
        let mut count = 0;
        self.each_chunk(term, &mut |documents| {
            count += documents.len();
            true
        })?;
        Ok(count)
    }

    /// How people write some terms: the forms of each, the most frequent first, then in the order of the alphabet.
    pub(super) fn written(&self, terms: &[String]) -> Result<Vec<Vec<String>>> {
        let mut wanted: BTreeMap<DocId, Vec<usize>> = BTreeMap::new();
        for (number, term) in terms.iter().enumerate() {
            for doc in self.sample(term)? {
                wanted.entry(doc).or_default().push(number);
            }
        }
        let (mut walker, analyzers) = (self.reader.walker()?, self.reader.analyzers());
        let mut counts: Vec<BTreeMap<String, u64>> = vec![BTreeMap::new(); terms.len()];
        for (doc, numbers) in wanted {
            let Some(document) = self.collection.document(doc)? else { continue };
            let (mut read, language) = ("", analyzers.language_of(&document)?);
            walker.walk(&document, &mut |event| {
                match event {
                    TextEvent::Text { text, .. } => read = text,
                    TextEvent::Token { field, token, .. } if self.fields.contains(&field) => {
                        let is_meant = |&&number: &&usize| terms[number] == token.term;
                        let word = read.get(token.start..token.end);
                        if let (Some(&number), Some(word)) = (numbers.iter().find(is_meant), word) {
                            let analyzer = analyzers.of(field, language);
                            let (counts, form) = (&mut counts[number], analyzer.written(word));
                            if let Some(count) = counts.get_mut(&form) {
                                *count += 1;
                            } else if analyzer.is_word_of(&form, token.term) {
                                counts.insert(form, 1);
                            }
                        }
                    }
                    _ => {}
                }
                Ok(())
            })?;
        }
        let forms = counts.into_iter().map(|counts| {
            let counts = counts.into_iter();
            let mut forms: Vec<_> = counts.map(|(form, count)| (Reverse(count), form)).collect();
            forms.sort_unstable();
            forms.into_iter().map(|(_, form)| form).collect()
        });
        Ok(forms.collect())
    }

    /// The first living documents that hold a term.
    fn sample(&self, term: &str) -> Result<Vec<DocId>> {
        let mut sample = Vec::with_capacity(SAMPLED_LEN);
        self.each_chunk(term, &mut |documents| {
            sample.extend(documents.iter().take(SAMPLED_LEN - sample.len()));
            sample.len() < SAMPLED_LEN
        })?;
        Ok(sample)
    }

    /// Passes the living documents of each chunk that hold a term to `visit`, ascending, as long as it wants more.
    fn each_chunk(&self, term: &str, visit: &mut dyn FnMut(&DocumentSet) -> bool) -> Result<()> {
        let mut chunks: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for &field in &self.fields {
            let postings = self.reader.postings(field, term)?;
            for stored in &postings.chunks {
                chunks.entry(stored.chunk).or_default().push(stored.clone());
            }
        }
        for (chunk, lists) in chunks {
            let mut documents = DocumentSet::default();
            for stored in &lists {
                documents.add_chunk(stored)?;
            }
            documents.remove_dead(chunk, &*self.reader.dead(chunk)?);
            if !visit(&documents) {
                break;
            }
        }
        Ok(())
    }
}
