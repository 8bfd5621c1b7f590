//! All analyzers of one text index: the one of all fields, those of some fields, and those of a document's language.
//!
//! Made of the index's options by the indexer; it, the planner and the highlighter ask for the analyzer of a text. Invariants: a text
//! of a document and its words in a query meet: a field with an analyzer of its own uses that one for both; everywhere else a
//! document is analyzed in its language, and a query in every language that documents may have, as alternatives. Cost: a
//! look-up a text.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{Analyzer, Language, QueryWord, Token};
use super::error::{Error, Result};
use super::ids::FieldId;
use super::schema::TextIndexOptions;
use crate::bson::{Path, RawBsonRef, RawDocument};

/// The analyzers of a text index.
#[derive(Debug)]
pub struct Analyzers {
    default: Analyzer,
    of_fields: BTreeMap<FieldId, Analyzer>,
    /// The path of a document's language.
    language_path: Option<Path>,
    of_languages: Vec<(Language, Analyzer)>,
}

impl Analyzers {
    /// The analyzers of an index with these options.
    ///
    /// # Errors
    /// [`Error::Analyzer`] when this program cannot make one of them, and [`Error::Document`] for a path that is none.
    pub fn new(options: &TextIndexOptions) -> Result<Self> {
        let mut of_fields = BTreeMap::new();
        for field in options.fields() {
            let own = field.path.as_ref().and_then(|path| options.analyzers.get(path));
            if let Some(own) = own {
                of_fields.insert(field.id, Analyzer::new(own)?);
            }
        }
        let (mut language_path, mut of_languages) = (None, Vec::new());
        if let Some(languages) = &options.languages {
            language_path = Some(Path::parse(&languages.path)?);
            for &language in &languages.known {
                let analyzer = Analyzer::new(&options.analyzer.clone().in_language(language))?;
                of_languages.push((language, analyzer));
            }
        }
        let default = Analyzer::new(&options.analyzer)?;
        Ok(Analyzers { default, of_fields, language_path, of_languages })
    }

    /// The analyzer of fields without one of their own, in documents that name no language.
    pub fn default(&self) -> &Analyzer {
        &self.default
    }

    /// The analyzer of a field, in documents of a language.
    pub fn of(&self, field: FieldId, language: Option<Language>) -> &Analyzer {
        let own = self.of_fields.get(&field);
        let of_language = || {
            let named = self.of_languages.iter().find(|(known, _)| Some(*known) == language);
            named.map_or(&self.default, |(_, analyzer)| analyzer)
        };
        own.unwrap_or_else(of_language)
    }

    /// The language that a document names, if it is one of those that the index knows.
    ///
    /// # Errors
    /// [`Error::Document`] for bytes that were not validated.
    pub fn language_of(&self, document: &RawDocument) -> Result<Option<Language>> {
        let mut language = None;
        if let Some(path) = &self.language_path {
            path.each_value(document, &mut |value| {
                if let (None, RawBsonRef::String(text)) = (language, value) {
                    let known =
                        |named: &Language| self.of_languages.iter().any(|of| of.0 == *named);
                    language = text.parse().ok().filter(known);
                }
            })
            .map_err(Error::Document)?;
        }
        Ok(language)
    }

    /// Whether no field has an analyzer of its own.
    pub fn are_of_all_fields(&self) -> bool {
        self.of_fields.is_empty()
    }

    /// Fields that share an analyzer, of those given.
    pub fn groups(&self, fields: &[FieldId]) -> Vec<Vec<FieldId>> {
        let (own, shared): (Vec<FieldId>, Vec<FieldId>) =
            fields.iter().partition(|field| self.of_fields.contains_key(field));
        let own = own.into_iter().map(|field| vec![field]);
        let shared = Some(shared).filter(|shared| !shared.is_empty());
        shared.into_iter().chain(own).collect()
    }

    /// All analyzers of some fields, that of documents without a language first.
    pub fn all_of(&self, fields: &[FieldId]) -> Vec<&Analyzer> {
        let own = fields.iter().filter_map(|field| self.of_fields.get(field));
        let mut all: Vec<&Analyzer> = Vec::new();
        if fields.is_empty() || fields.iter().any(|field| !self.of_fields.contains_key(field)) {
            all.push(&self.default);
            all.extend(self.of_languages.iter().map(|(_, analyzer)| analyzer));
        }
        all.extend(own);
        all
    }

    /// Passes the tokens of a text that stands in no document to `sink`, as all analyzers of some fields have them; what several make
    /// of a word alike comes once, with the first of them.
    pub fn each_form<'a>(
        &'a self,
        fields: &[FieldId],
        text: &str,
        sink: &mut dyn FnMut(&'a Analyzer, Token<'_>),
    ) {
        let all = self.all_of(fields);
        if let [only] = all.as_slice() {
            only.analyze(text, &mut |token| sink(only, token));
            return;
        }
        let mut known = BTreeSet::new();
        for analyzer in all {
            let mut own = Vec::new();
            analyzer.analyze(text, &mut |token| {
                let form = (token.start, token.end, token.term.to_owned());
                if !known.contains(&form) {
                    own.push(form);
                    sink(analyzer, token);
                }
            });
            known.extend(own);
        }
    }

    /// The words that a query's text has in a field, in whatever language documents are.
    pub fn query(&self, field: FieldId, text: &str) -> Vec<QueryWord> {
        if let Some(own) = self.of_fields.get(&field) {
            return own.query(text);
        }
        let mut words = self.default.query(text);
        for (_, analyzer) in &self.of_languages {
            let others = analyzer.query(text);
            if words.is_empty() {
                // Stop words of one language are words of another.
                words = others;
                continue;
            }
            for other in others {
                if let Some(word) = words.iter_mut().find(|word| word.bytes == other.bytes) {
                    word.unite(other);
                }
            }
        }
        words
    }

    /// Whether a term of a query is one character of a script that a field has by pairs, in whatever language documents are.
    pub fn is_character(&self, field: FieldId, term: &str) -> bool {
        let of_languages = self.of_languages.iter().map(|(_, analyzer)| analyzer);
        match self.of_fields.get(&field) {
            Some(own) => own.is_character(term),
            None => of_languages.chain([&self.default]).any(|known| known.is_character(term)),
        }
    }

    /// Whether several words of a query may stand for something together: have synonyms, or be syllables of one word.
    pub fn span_words(&self) -> bool {
        let of_languages = self.of_languages.iter().map(|(_, analyzer)| analyzer);
        let mut all = self.of_fields.values().chain(of_languages).chain([&self.default]);
        all.any(|analyzer| !analyzer.options().synonyms.is_empty() || analyzer.writes_syllables())
    }

    /// Names all that the terms of the index depend on.
    pub fn fingerprint(&self, options: &TextIndexOptions) -> String {
        let mut parts = vec![self.default.fingerprint()];
        for (field, analyzer) in &self.of_fields {
            parts.push(format!("field {}: {}", field.0, analyzer.fingerprint()));
        }
        if let Some(languages) = &options.languages {
            parts.push(format!("by {}", languages.path));
            parts.extend(self.of_languages.iter().map(|(_, analyzer)| analyzer.fingerprint()));
        }
        if !options.paired_words.is_empty() {
            parts.push(format!("pairs of {:?}", options.paired_words));
        }
        parts.join(" | ")
    }
}
