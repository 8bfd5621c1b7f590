//! What a text index covers: its fields, their weights and its analyzer.
//!
//! Chosen when an index is created, kept in the catalog as a document ([`TextIndexOptions::to_document`]), read by the
//! indexer and the reader. Invariants of what [`TextIndexOptions::check`] accepts: paths are paths of `bson::Path`, no
//! two are equal, weights are finite and above zero; a field's number is its place in the list. Cost: none to speak of.

use std::collections::BTreeMap;

use super::analysis::{AnalyzerOptions, Language, TERM_BYTES_MAX};
use super::error::{Error, Result};
use super::ids::FieldId;
use crate::bson::{
    Bson, Document, Path, RawBsonRef, RawDocument, deserialize_from_slice, doc,
    serialize_to_raw_document_buf,
};
use crate::lsm;

/// The most fields that an index may choose.
pub const FIELDS_LEN_MAX: usize = 1000;

/// Which strings of a document an index covers.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Fields {
    /// All strings of a document except `_id`, as one field for scoring: `$**`.
    #[default]
    All,
    /// The strings under chosen dotted paths, each a field with a weight.
    Chosen(Vec<(String, f32)>),
}

/// How a text index is set up; it is built anew to change it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextIndexOptions {
    /// The strings that it covers. Default: all.
    pub fields: Fields,
    /// How text becomes terms. Default: words of no language in particular.
    pub analyzer: AnalyzerOptions,
    /// Analyzers of chosen fields, by their paths, in the place of [`analyzer`](Self::analyzer). Default: none.
    pub analyzers: BTreeMap<String, AnalyzerOptions>,
    /// Where a document names its language. Default: nowhere.
    pub languages: Option<LanguageField>,
    /// Words of which each two that stand side by side are a term, too: see [`paired_words`](Self::paired_words). Default: none.
    pub paired_words: Vec<String>,
}

/// Where documents name their language, and which may be named.
///
/// A document that names one of these is analyzed as the index's analyzer says, but in that language, with its stemmer and stop
/// words; one that names none or another as the index's analyzer says. Words of queries are looked for in all of these languages.
///
/// ```
/// use alluvium::{CollectionOptions, Database, Language, TextIndexOptions, doc};
///
/// let languages = [Language::English, Language::German];
/// let index = TextIndexOptions::default().by_language("lang", languages);
/// let db = Database::in_memory()?;
/// let notes = db.create_collection("notes", &CollectionOptions::new().text_index(index))?;
/// notes.insert(doc! { "lang": "en", "text": "Rivers slow down." })?;
/// notes.insert(doc! { "lang": "de", "text": "Alte Häuser am Fluss." })?;
/// assert_eq!(notes.search("river haus")?.count()?, 2);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageField {
    /// The path of the language, a string: its code or its English name.
    pub path: String,
    /// The languages that may be named: 1 to 64, each once.
    pub known: Vec<Language>,
}

/// A field of a text index.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its number in the index.
    pub id: FieldId,
    /// The path that it covers; `None` for the field of `$**`.
    pub path: Option<String>,
    /// What its scores are multiplied by; 1 for the field of `$**`.
    pub weight: f32,
}

/// The most languages that documents of an index may name.
const LANGUAGES_LEN_MAX: usize = 64;
/// The most paired words of an index, and the bytes of the longest.
const PAIRED_WORDS_LEN_MAX: usize = 1000;
const PAIRED_WORD_BYTES_MAX: usize = TERM_BYTES_MAX;
/// The only field of an index over everything.
const ALL: FieldId = FieldId(0);
/// How the catalog spells [`Fields::All`].
const ALL_NAME: &str = "$**";

impl TextIndexOptions {
    /// An index over all strings of a document.
    pub fn all(analyzer: AnalyzerOptions) -> Self {
        TextIndexOptions { analyzer, ..TextIndexOptions::default() }
    }

    /// An index over the strings under some paths, each with a weight.
    pub fn chosen<P: Into<String>>(
        fields: impl IntoIterator<Item = (P, f32)>,
        analyzer: AnalyzerOptions,
    ) -> Self {
        let fields = fields.into_iter().map(|(path, weight)| (path.into(), weight)).collect();
        let fields = Fields::Chosen(fields);
        TextIndexOptions { fields, analyzer, ..TextIndexOptions::default() }
    }

    /// With an analyzer of its own for a chosen field.
    ///
    /// ```
    /// use alluvium::{AnalyzerOptions, Language, TextIndexOptions, Tokenizer};
    ///
    /// let english = AnalyzerOptions::for_language(Language::English);
    /// let codes = AnalyzerOptions::default().tokenizer(Tokenizer::Keyword);
    /// let index = TextIndexOptions::chosen([("text", 1.0), ("code", 2.0)], english);
    /// let index = index.field_analyzer("code", codes);
    /// assert_eq!(index.analyzers["code"].tokenizer, Tokenizer::Keyword);
    /// ```
    pub fn field_analyzer(mut self, path: impl Into<String>, analyzer: AnalyzerOptions) -> Self {
        self.analyzers.insert(path.into(), analyzer);
        self
    }

    /// With analyzers for documents that name one of these languages at `path`; see [`LanguageField`].
    pub fn by_language(
        mut self,
        path: impl Into<String>,
        known: impl IntoIterator<Item = Language>,
    ) -> Self {
        let (path, known) = (path.into(), known.into_iter().collect());
        self.languages = Some(LanguageField { path, known });
        self
    }

    /// With pairs of these words, at most 1,000, as terms of their own.
    ///
    /// Of the most frequent words of a collection phrases are found many times faster: of `"to be or not to be"` three short lists are
    /// read where there would be six long ones with their positions. Nothing that is found or scored changes. Each pair in a document
    /// takes about as much of the file as a word, and each paired word half a microsecond of every transaction that writes, and of the first
    /// search after it. Fields whose analyzer makes parts of words have no pairs.
    ///
    /// [`Collection::frequent_words`](crate::Collection::frequent_words) tells which words these are.
    ///
    /// ```
    /// use alluvium::{CollectionOptions, Database, TextIndexOptions, doc};
    ///
    /// let index = TextIndexOptions::default().paired_words(["to", "be", "or", "not"]);
    /// let db = Database::in_memory()?;
    /// let plays = db.create_collection("plays", &CollectionOptions::new().text_index(index))?;
    /// plays.insert(doc! { "text": "To be, or not to be, that is the question." })?;
    /// assert_eq!(plays.search("\"to be or not to be\"")?.count()?, 1);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    pub fn paired_words<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.paired_words = words.into_iter().map(Into::into).collect();
        self
    }

    /// Refuses what cannot be indexed.
    ///
    /// # Errors
    /// [`Error::InvalidIndex`] for no or too many fields, for a text that is no path, for a path that is given twice,
    /// for a weight that is not a finite number above zero, and for too many paired words or one that is too long.
    pub fn check(&self) -> Result<()> {
        let invalid = |reason: String| Err(Error::InvalidIndex { reason });
        if let Some(LanguageField { path, known }) = &self.languages {
            if let Err(error) = Path::parse(path) {
                return invalid(error.to_string());
            }
            let is_twice = |(at, language)| known.iter().take(at).any(|other| other == language);
            let are_twice = known.iter().enumerate().any(is_twice);
            if known.is_empty() || known.len() > LANGUAGES_LEN_MAX || are_twice {
                return invalid(format!("languages are 1 to {LANGUAGES_LEN_MAX}, each once"));
            }
        }
        let is_too_long = |word: &&String| word.len() > PAIRED_WORD_BYTES_MAX;
        if let Some(long) = self.paired_words.iter().find(is_too_long) {
            let len = long.len();
            return invalid(format!(
                "a paired word of {len} bytes, at most {PAIRED_WORD_BYTES_MAX} expected"
            ));
        }
        if self.paired_words.len() > PAIRED_WORDS_LEN_MAX {
            let len = self.paired_words.len();
            return invalid(format!("{len} paired words, at most {PAIRED_WORDS_LEN_MAX} expected"));
        }
        let chosen = |path: &str| match &self.fields {
            Fields::All => false,
            Fields::Chosen(fields) => fields.iter().any(|(chosen, _)| chosen == path),
        };
        if let Some(path) = self.analyzers.keys().find(|path| !chosen(path)) {
            return invalid(format!("{path} has an analyzer, but is no chosen field"));
        }
        let Fields::Chosen(fields) = &self.fields else { return Ok(()) };
        if fields.is_empty() || fields.len() > FIELDS_LEN_MAX {
            return invalid(format!("{} fields, 1 to {FIELDS_LEN_MAX} expected", fields.len()));
        }
        for (index, (path, weight)) in fields.iter().enumerate() {
            if let Err(error) = Path::parse(path) {
                return invalid(error.to_string());
            }
            if fields.iter().take(index).any(|(other, _)| other == path) {
                return invalid(format!("the path {path} is given twice"));
            }
            if !weight.is_finite() || *weight <= 0.0 {
                return invalid(format!("the weight of {path} is {weight}, not a number above 0"));
            }
        }
        Ok(())
    }

    /// The fields with their numbers.
    pub fn fields(&self) -> Vec<Field> {
        match &self.fields {
            Fields::All => vec![Field { id: ALL, path: None, weight: 1.0 }],
            Fields::Chosen(fields) => (0..)
                .zip(fields)
                .map(|(id, (path, weight))| Field {
                    id: FieldId(id),
                    path: Some(path.clone()),
                    weight: *weight,
                })
                .collect(),
        }
    }

    /// The options as the catalog keeps them; `docs/format/catalog.md` describes the document.
    pub fn to_document(&self) -> Document {
        let fields = match &self.fields {
            Fields::All => Bson::String(ALL_NAME.to_owned()),
            Fields::Chosen(fields) => Bson::Array(
                fields
                    .iter()
                    .map(|(path, weight)| {
                        Bson::Document(doc! { "path": path, "weight": f64::from(*weight) })
                    })
                    .collect(),
            ),
        };
        let mut document = doc! { "fields": fields, "analyzer": encode_analyzer(&self.analyzer) };
        if !self.analyzers.is_empty() {
            let of_fields = self.analyzers.iter().map(|(path, analyzer)| {
                Bson::Document(doc! { "path": path, "analyzer": encode_analyzer(analyzer) })
            });
            document.insert("analyzers", of_fields.collect::<Vec<_>>());
        }
        if let Some(LanguageField { path, known }) = &self.languages {
            let known: Vec<&str> = known.iter().map(|language| language.code()).collect();
            document.insert("languages", doc! { "path": path, "known": known });
        }
        if !self.paired_words.is_empty() {
            document.insert("paired_words", self.paired_words.clone());
        }
        document
    }

    /// Reads what [`to_document`](Self::to_document) wrote.
    ///
    /// # Errors
    /// Corruption for a document that it does not write. An option that is not known is one of these: it comes from
    /// a newer version, and would change terms.
    pub fn from_document(document: &RawDocument) -> Result<Self> {
        decode(document).ok_or_else(|| {
            let what = format!("options of a text index: {document:?} cannot be read");
            Error::Lsm(lsm::Error::corruption(what, 0))
        })
    }
}

fn decode(document: &RawDocument) -> Option<TextIndexOptions> {
    let mut options = TextIndexOptions::default();
    for element in document.iter_elements() {
        let element = element.ok()?;
        match (element.key().as_str(), element.value().ok()?) {
            ("fields", RawBsonRef::String(ALL_NAME)) => options.fields = Fields::All,
            ("fields", RawBsonRef::Array(array)) => {
                let fields =
                    array.into_iter().map(|field| decode_field(field.ok()?.as_document()?));
                options.fields = Fields::Chosen(fields.collect::<Option<_>>()?);
            }
            ("analyzer", RawBsonRef::Document(analyzer)) => {
                options.analyzer = decode_analyzer(analyzer)?;
            }
            ("analyzers", RawBsonRef::Array(array)) => {
                for field in array {
                    let field = field.ok()?.as_document()?;
                    let analyzer = decode_analyzer(field.get_document("analyzer").ok()?)?;
                    options.analyzers.insert(field.get_str("path").ok()?.to_owned(), analyzer);
                }
            }
            ("languages", RawBsonRef::Document(languages)) => {
                let path = languages.get_str("path").ok()?.to_owned();
                let known = languages.get_array("known").ok()?.into_iter();
                let known = known.map(|code| code.ok()?.as_str()?.parse().ok());
                options.languages =
                    Some(LanguageField { path, known: known.collect::<Option<_>>()? });
            }
            ("paired_words", RawBsonRef::Array(words)) => {
                let words = words.into_iter().map(|word| Some(word.ok()?.as_str()?.to_owned()));
                options.paired_words = words.collect::<Option<_>>()?;
            }
            _ => return None,
        }
    }
    options.check().ok()?;
    Some(options)
}

fn decode_field(field: &RawDocument) -> Option<(String, f32)> {
    let weight = field.get_f64("weight").ok()?;
    // Every f32 is spelled the same as an f64, so parsing gives back the very number.
    Some((field.get_str("path").ok()?.to_owned(), weight.to_string().parse().ok()?))
}

fn encode_analyzer(options: &AnalyzerOptions) -> Document {
    let document = serialize_to_raw_document_buf(options).and_then(|raw| Document::try_from(&raw));
    let mut document = document.expect("invariant: options are texts, numbers and lists of them");
    document.insert("language", options.language.map(Language::code));
    document
}

fn decode_analyzer(analyzer: &RawDocument) -> Option<AnalyzerOptions> {
    deserialize_from_slice(analyzer.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::{RawDocumentBuf, rawdoc};
    use crate::fts::{Compounds, Diacritics, Stemmers, Tokenizer};

    fn raw(options: &TextIndexOptions) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&options.to_document()).unwrap()
    }

    /// Options none of which is as it is by default.
    fn every_option() -> AnalyzerOptions {
        AnalyzerOptions::for_language(Language::Turkish)
            .tokenizer(Tokenizer::EdgeNgrams { min: 2, max: 9 })
            .stemmers(Stemmers::Snowball)
            .diacritics(Diacritics::Fold)
            .fold_numbers(true)
            .compounds(Compounds::Joined)
            .chars(Some(2), Some(u32::MAX))
            .more_stop_words(["a", "b"])
            .filters(["soundex"])
            .synonyms(["a, b", "c => d"])
    }

    #[test]
    fn what_is_as_it_was_before_there_was_a_choice_is_stored_so() {
        let english = AnalyzerOptions::for_language(Language::English);
        let stored = TextIndexOptions::all(english).to_document();
        let analyzer = doc! { "language": "en", "stemmer": true, "stop_words": true };
        assert_eq!(stored, doc! { "fields": "$**", "analyzer": analyzer });
        let path = AnalyzerOptions::default().tokenizer(Tokenizer::path('/'));
        let stored = TextIndexOptions::all(path).to_document();
        let tokenizer = doc! { "path": { "delimiter": "/" } };
        let analyzer = doc! { "language": null, "stemmer": false, "stop_words": false, "tokenizer": tokenizer };
        assert_eq!(stored, doc! { "fields": "$**", "analyzer": analyzer });
    }

    #[test]
    fn options_come_back_as_they_went() {
        let english = AnalyzerOptions::for_language(Language::English).stop_words(false);
        let chosen = [("title", 2.1_f32), ("author.name", 0.3), ("x", f32::MIN_POSITIVE)];
        for options in [
            TextIndexOptions::default(),
            TextIndexOptions::all(english.clone()),
            TextIndexOptions::chosen(chosen, english),
            TextIndexOptions::all(every_option()),
            TextIndexOptions::chosen([("a", 1.0), ("b.c", 1.0)], every_option())
                .field_analyzer("b.c", AnalyzerOptions::default())
                .by_language("lang", [Language::German, Language::Thai])
                .paired_words(["is", "a"]),
        ] {
            assert_eq!(TextIndexOptions::from_document(&raw(&options)).unwrap(), options);
        }
    }

    #[test]
    fn what_cannot_be_indexed_is_refused_with_the_reason() {
        for (fields, reason) in [
            (vec![], "0 fields"),
            (vec![("a..b", 1.0)], "empty segment"),
            (vec![("a", 1.0), ("b", 1.0), ("a", 2.0)], "the path a is given twice"),
            (vec![("a", 0.0)], "the weight of a is 0"),
            (vec![("a", f32::NAN)], "not a number above 0"),
            (vec![("a", f32::INFINITY)], "not a number above 0"),
        ] {
            let options = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn analyzers_of_what_is_not_there_are_refused() {
        let all = TextIndexOptions::default;
        for (options, reason) in [
            (all().field_analyzer("a", AnalyzerOptions::default()), "a has an analyzer, but"),
            (all().by_language("lang", []), "1 to 64, each once"),
            (all().by_language("lang", [Language::Thai, Language::Thai]), "1 to 64, each once"),
            (all().by_language("a..b", [Language::Thai]), "empty segment"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn options_of_a_newer_version_are_refused() {
        for document in [
            rawdoc! { "fields": "$**", "colour": true },
            rawdoc! { "fields": "$*" },
            rawdoc! { "fields": [{ "path": "a" }] },
            rawdoc! { "analyzer": { "language": "tlh" } },
            rawdoc! { "analyzer": { "soundex": true } },
            rawdoc! { "analyzer": { "tokenizer": "syllables" } },
            rawdoc! { "analyzer": { "tokenizer": { "ngrams": { "min": 1, "max": 2, "step": 1 } } } },
            rawdoc! { "languages": { "path": "lang", "known": ["tlh"] } },
        ] {
            assert!(TextIndexOptions::from_document(&document).is_err());
        }
    }
}
