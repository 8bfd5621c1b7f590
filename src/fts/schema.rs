//! What a text index covers: its fields, their weights and its analyzer.
//!
//! Chosen when an index is created, kept in the catalog as a document ([`TextIndexOptions::to_document`]), read by the
//! indexer and the reader. Invariants of what [`TextIndexOptions::check`] accepts: paths are paths of `bson::Path`, no
//! two are equal, weights are finite and above zero; a field's number is its place in the list. Cost: none to speak of.

use super::analysis::{AnalyzerOptions, Language};
use super::error::{Error, Result};
use super::ids::FieldId;
use crate::bson::{Bson, Document, Path, RawBsonRef, RawDocument, doc};
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

/// The only field of an index over everything.
const ALL: FieldId = FieldId(0);
/// How the catalog spells [`Fields::All`].
const ALL_NAME: &str = "$**";

impl TextIndexOptions {
    /// An index over all strings of a document.
    pub fn all(analyzer: AnalyzerOptions) -> Self {
        TextIndexOptions { fields: Fields::All, analyzer }
    }

    /// An index over the strings under some paths, each with a weight.
    pub fn chosen<P: Into<String>>(
        fields: impl IntoIterator<Item = (P, f32)>,
        analyzer: AnalyzerOptions,
    ) -> Self {
        let fields = fields.into_iter().map(|(path, weight)| (path.into(), weight)).collect();
        TextIndexOptions { fields: Fields::Chosen(fields), analyzer }
    }

    /// Refuses what cannot be indexed.
    ///
    /// # Errors
    /// [`Error::InvalidIndex`] for no or too many fields, for a text that is no path, for a path that is given twice,
    /// and for a weight that is not a finite number above zero.
    pub fn check(&self) -> Result<()> {
        let Fields::Chosen(fields) = &self.fields else { return Ok(()) };
        let invalid = |reason: String| Err(Error::InvalidIndex { reason });
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
        let language = self.analyzer.language.map(Language::code);
        doc! {
            "fields": fields,
            "analyzer": {
                "language": language,
                "stemmer": self.analyzer.stemmer,
                "stop_words": self.analyzer.stop_words,
            },
        }
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

fn decode_analyzer(analyzer: &RawDocument) -> Option<AnalyzerOptions> {
    let mut options = AnalyzerOptions::default();
    for element in analyzer.iter_elements() {
        let element = element.ok()?;
        match (element.key().as_str(), element.value().ok()?) {
            ("language", RawBsonRef::Null) => options.language = None,
            ("language", RawBsonRef::String(code)) => {
                options.language = Some(code.parse::<Language>().ok()?);
            }
            ("stemmer", RawBsonRef::Boolean(on)) => options.stemmer = on,
            ("stop_words", RawBsonRef::Boolean(on)) => options.stop_words = on,
            _ => return None,
        }
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::{RawDocumentBuf, rawdoc};

    fn raw(options: &TextIndexOptions) -> RawDocumentBuf {
        RawDocumentBuf::try_from(&options.to_document()).unwrap()
    }

    #[test]
    fn options_come_back_as_they_went() {
        let english = AnalyzerOptions::for_language(Language::English).stop_words(false);
        let chosen = [("title", 2.1_f32), ("author.name", 0.3), ("x", f32::MIN_POSITIVE)];
        for options in [
            TextIndexOptions::default(),
            TextIndexOptions::all(english.clone()),
            TextIndexOptions::chosen(chosen, english),
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
    fn options_of_a_newer_version_are_refused() {
        for document in [
            rawdoc! { "fields": "$**", "colour": true },
            rawdoc! { "fields": "$*" },
            rawdoc! { "fields": [{ "path": "a" }] },
            rawdoc! { "analyzer": { "language": "tlh" } },
            rawdoc! { "analyzer": { "soundex": true } },
        ] {
            assert!(TextIndexOptions::from_document(&document).is_err());
        }
    }
}
