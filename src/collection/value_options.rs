//! How a value index is set up: the fields of its keys, and which documents it leaves out or refuses.
//!
//! Chosen when an index is created, kept in the catalog as a document, read by those who write and read the index. Invariants
//! of what [`ValueIndexOptions::check`] accepts: the fields make a [`KeyShape`], and the filter is one. Cost: none to speak of.

use crate::bson::{
    Bson, Direction, Document, Filter, KeyField, KeyShape, RawBsonRef, RawDocument, doc,
};
use crate::lsm;

use super::error::{Error, Result};

/// How a value index is set up; fixed when it is created.
#[doc = include_str!("../../docs/indexes.md")]
#[derive(Debug, Clone, PartialEq)]
pub struct ValueIndexOptions {
    /// The paths whose values make a key, in this order.
    pub fields: Vec<KeyField>,
    /// Whether no two documents may have a key in common. Default: false.
    pub unique: bool,
    /// Whether documents that have none of the fields are left out. Default: false.
    pub sparse: bool,
    /// Leaves out the documents that this filter does not let through. Default: none are.
    pub filter: Option<Document>,
}

impl ValueIndexOptions {
    /// An index over the values at some paths together.
    pub fn new<P: Into<String>>(fields: impl IntoIterator<Item = (P, Direction)>) -> Self {
        let field = |(path, direction): (P, _)| KeyField { path: path.into(), direction };
        let fields = fields.into_iter().map(field).collect();
        ValueIndexOptions { fields, unique: false, sparse: false, filter: None }
    }

    /// An index over the values at one path.
    pub fn ascending(path: impl Into<String>) -> Self {
        Self::new([(path, Direction::Ascending)])
    }

    /// Refuses documents that have a key which another document has: a combination of the values at the paths. A missing value
    /// counts as null.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Leaves out documents that have none of the fields.
    #[must_use]
    pub fn sparse(mut self) -> Self {
        self.sparse = true;
        self
    }

    /// Leaves out documents that `filter` does not let through. The index serves filters that surely let none of those through.
    #[must_use]
    pub fn partial(mut self, filter: Document) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Refuses what cannot be indexed.
    ///
    /// # Errors
    /// [`Error::Document`] for fields that make no [`KeyShape`], and for a filter that is none.
    pub fn check(&self) -> Result<()> {
        self.compile().map(|_| ())
    }

    /// What makes keys of documents, and the filter.
    pub(super) fn compile(&self) -> Result<(KeyShape, Option<Filter>)> {
        let shape = KeyShape::new(self.fields.iter().cloned())?;
        let filter = self.filter.as_ref().map(Filter::try_from).transpose()?;
        Ok((shape, filter))
    }

    /// The options as the catalog keeps them; `docs/format/catalog.md` describes the document.
    pub(super) fn to_document(&self) -> Document {
        let field = |field: &KeyField| {
            let direction = match field.direction {
                Direction::Ascending => ASCENDING,
                Direction::Descending => DESCENDING,
            };
            Bson::Document(doc! { "path": &field.path, "direction": direction })
        };
        let fields: Vec<Bson> = self.fields.iter().map(field).collect();
        doc! {
            "fields": fields,
            "unique": self.unique,
            "sparse": self.sparse,
            "filter": self.filter.clone(),
        }
    }

    /// Reads what [`to_document`](Self::to_document) wrote.
    ///
    /// # Errors
    /// Corruption for a document that it does not write; an option that is not known is one of these.
    pub(super) fn from_document(document: &RawDocument) -> Result<Self> {
        let options = decode(document).filter(|options| options.check().is_ok());
        options.ok_or_else(|| {
            let what = format!("options of a value index: {document:?} cannot be read");
            Error::Lsm(lsm::Error::corruption(what, 0))
        })
    }
}

/// How the catalog spells directions.
const ASCENDING: i32 = 1;
const DESCENDING: i32 = -1;

fn decode(document: &RawDocument) -> Option<ValueIndexOptions> {
    let mut options = ValueIndexOptions::new([] as [(String, Direction); 0]);
    for element in document.iter_elements() {
        let element = element.ok()?;
        match (element.key().as_str(), element.value().ok()?) {
            ("fields", RawBsonRef::Array(array)) => {
                let fields =
                    array.into_iter().map(|field| decode_field(field.ok()?.as_document()?));
                options.fields = fields.collect::<Option<_>>()?;
            }
            ("unique", RawBsonRef::Boolean(unique)) => options.unique = unique,
            ("sparse", RawBsonRef::Boolean(sparse)) => options.sparse = sparse,
            ("filter", RawBsonRef::Null) => options.filter = None,
            ("filter", RawBsonRef::Document(filter)) => {
                options.filter = Some(Document::try_from(filter).ok()?);
            }
            _ => return None,
        }
    }
    Some(options)
}

fn decode_field(field: &RawDocument) -> Option<KeyField> {
    let direction = match field.get_i32("direction").ok()? {
        ASCENDING => Direction::Ascending,
        DESCENDING => Direction::Descending,
        _ => return None,
    };
    Some(KeyField { path: field.get_str("path").ok()?.to_owned(), direction })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::{RawDocumentBuf, rawdoc};

    #[test]
    fn options_come_back_as_they_went() {
        let compound = [("a.b", Direction::Ascending), ("c", Direction::Descending)];
        for options in [
            ValueIndexOptions::ascending("year"),
            ValueIndexOptions::new(compound).unique().sparse(),
            ValueIndexOptions::ascending("x").partial(doc! { "x": { "$gt": 3 } }),
        ] {
            let document = RawDocumentBuf::try_from(&options.to_document()).unwrap();
            assert_eq!(ValueIndexOptions::from_document(&document).unwrap(), options);
        }
    }

    #[test]
    fn options_of_a_newer_version_are_refused() {
        let fields = || rawdoc! { "0": { "path": "a", "direction": 1 } };
        for document in [
            rawdoc! { "fields": [] },
            rawdoc! { "fields": [{ "path": "a", "direction": 2 }] },
            rawdoc! { "fields": [{ "path": "a..b", "direction": 1 }] },
            rawdoc! { "fields": fields(), "unique": false },
            rawdoc! { "fields": [{ "path": "a", "direction": 1 }], "collation": "fr" },
            rawdoc! { "fields": [{ "path": "a", "direction": 1 }], "filter": { "a": { "$x": 1 } } },
        ] {
            assert!(ValueIndexOptions::from_document(&document).is_err(), "{document:?}");
        }
    }
}
