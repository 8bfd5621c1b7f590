//! A text index as the catalog has it, with the rebuild that is under way if there is one: as a value, and as a document.
//!
//! The catalog keeps it, everything that opens text indexes reads it. Invariants of what is read: a rebuild's keyspaces are not
//! those of its index, and its missing documents do not end before they begin. Fields that say nothing are not written, so that
//! an index which was never rebuilt looks as it did before there were rebuilds. Cost: none to speak of.

use std::ops::Range;

use super::error::Result;
use crate::bson::{Document, RawDocument, doc};
use crate::fts::{self, Analyzers, DocId, TextIndexOptions, names};

/// A text index as the catalog has it.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// What it covers, and how.
    pub options: TextIndexOptions,
    /// Fingerprint of the analyzer that writes it.
    pub fingerprint: String,
    /// Number of its keyspaces: 0 as it is created, another one after each rebuild.
    pub storage: u64,
    /// What will take its place, while that is being built.
    pub rebuild: Option<RebuildDefinition>,
}

/// A text index that is being built to take the place of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct RebuildDefinition {
    /// What it covers, and how.
    pub options: TextIndexOptions,
    /// Fingerprint of the analyzer that writes it.
    pub fingerprint: String,
    /// Number of its keyspaces.
    pub storage: u64,
    /// Documents that are not in it yet, of those that were there at its beginning; all other living ones are in it.
    pub missing: Range<DocId>,
}

/// The catalog's name of the kind.
pub(super) const KIND_TEXT: &str = "text";

impl IndexDefinition {
    /// An index as it is created, written by the analyzer of this program.
    ///
    /// # Errors
    /// [`fts::Error::Analyzer`](crate::fts::Error::Analyzer) when this program cannot make that analyzer.
    pub(super) fn new(name: &str, options: &TextIndexOptions) -> Result<Self> {
        Ok(IndexDefinition {
            name: name.to_owned(),
            options: options.clone(),
            fingerprint: fingerprint(options)?,
            storage: 0,
            rebuild: None,
        })
    }

    /// What stands for it in the names of its keyspaces.
    pub(super) fn storage_name(&self) -> String {
        storage_name(&self.name, self.storage)
    }

    /// What stands for its rebuild in the names of that one's keyspaces.
    pub(super) fn rebuild_storage_name(&self) -> Option<String> {
        self.rebuild.as_ref().map(|rebuild| storage_name(&self.name, rebuild.storage))
    }

    /// Names of its keyspaces, those of its rebuild included.
    pub(super) fn keyspaces(&self, collection: &str) -> Vec<String> {
        let storages = [Some(self.storage_name()), self.rebuild_storage_name()];
        let keyspaces = |storage: String| storage_keyspaces(collection, &storage);
        storages.into_iter().flatten().flat_map(keyspaces).collect()
    }

    pub(super) fn to_document(&self) -> Document {
        let mut document = doc! {
            "name": &self.name,
            "kind": KIND_TEXT,
            "options": self.options.to_document(),
            "fingerprint": &self.fingerprint,
        };
        if self.storage > 0 {
            document.insert("storage", number(self.storage));
        }
        if let Some(rebuild) = &self.rebuild {
            let rebuild = doc! {
                "options": rebuild.options.to_document(),
                "fingerprint": &rebuild.fingerprint,
                "storage": number(rebuild.storage),
                "next": number(rebuild.missing.start.number()),
                "end": number(rebuild.missing.end.number()),
            };
            document.insert("rebuild", rebuild);
        }
        document
    }

    /// Reads what [`to_document`](Self::to_document) wrote; `None` when a field is missing, unknown or wrong.
    pub(super) fn from_document(document: &RawDocument) -> Result<Option<Self>> {
        let known = ["name", "kind", "options", "fingerprint", "storage", "rebuild"];
        let (Ok(name), Ok(options), Ok(fingerprint), Ok(storage), Ok(rebuild), true) = (
            document.get_str("name"),
            document.get_document("options"),
            document.get_str("fingerprint"),
            document.get("storage"),
            document.get("rebuild"),
            has_only(document, &known),
        ) else {
            return Ok(None);
        };
        let storage = match storage {
            None => 0,
            Some(_) => match get_number(document, "storage") {
                Some(storage @ 1..) => storage,
                _ => return Ok(None),
            },
        };
        let rebuild = match rebuild {
            None => None,
            Some(rebuild) => {
                let Some(rebuild) = rebuild.as_document() else { return Ok(None) };
                match RebuildDefinition::from_document(rebuild)? {
                    Some(rebuild) if rebuild.storage != storage => Some(rebuild),
                    _ => return Ok(None),
                }
            }
        };
        let (name, fingerprint) = (name.to_owned(), fingerprint.to_owned());
        let options = TextIndexOptions::from_document(options)?;
        Ok(Some(IndexDefinition { name, options, fingerprint, storage, rebuild }))
    }
}

impl RebuildDefinition {
    /// Whether this program's analyzer makes the terms that it holds.
    pub(super) fn is_current(&self) -> bool {
        fingerprint(&self.options).is_ok_and(|current| current == self.fingerprint)
    }

    fn from_document(document: &RawDocument) -> Result<Option<Self>> {
        let doc_id = |name| get_number(document, name).and_then(DocId::new);
        let (Ok(options), Ok(fingerprint), Some(storage @ 1..), Some(next), Some(end), true) = (
            document.get_document("options"),
            document.get_str("fingerprint"),
            get_number(document, "storage"),
            doc_id("next"),
            doc_id("end"),
            has_only(document, &["options", "fingerprint", "storage", "next", "end"]),
        ) else {
            return Ok(None);
        };
        if next > end {
            return Ok(None);
        }
        let options = TextIndexOptions::from_document(options)?;
        let fingerprint = fingerprint.to_owned();
        Ok(Some(RebuildDefinition { options, fingerprint, storage, missing: next..end }))
    }
}

/// Names all that the terms of an index with these options depend on.
///
/// # Errors
/// [`fts::Error::Analyzer`](crate::fts::Error::Analyzer) when this program cannot make one of its analyzers.
pub(super) fn fingerprint(options: &TextIndexOptions) -> fts::Result<String> {
    Ok(Analyzers::new(options)?.fingerprint(options))
}

/// Names of the two keyspaces of a text index, or of a rebuild.
pub(super) fn storage_keyspaces(collection: &str, storage_name: &str) -> [String; 2] {
    [names::text(collection, storage_name), names::norms(collection, storage_name)]
}

/// Whether a document has no other fields than these.
pub(super) fn has_only(document: &RawDocument, keys: &[&str]) -> bool {
    document
        .iter_elements()
        .all(|element| element.is_ok_and(|element| keys.contains(&element.key().as_str())))
}

/// No index has a `/` in its name, so that none has the keyspaces of another one.
fn storage_name(index: &str, storage: u64) -> String {
    if storage == 0 { index.to_owned() } else { format!("{index}/{storage}") }
}

/// Numbers here stay far below the limit: of documents there are 2^48, and each rebuild takes the next number of a storage.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn get_number(document: &RawDocument, name: &str) -> Option<u64> {
    document.get_i64(name).ok().and_then(|number| u64::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bson::RawDocumentBuf;

    fn read(document: &Document) -> Option<IndexDefinition> {
        IndexDefinition::from_document(&RawDocumentBuf::try_from(document).unwrap()).unwrap()
    }

    fn rebuilt() -> IndexDefinition {
        let options = TextIndexOptions::default();
        let missing = DocId::new(7).unwrap()..DocId::MAX;
        let fingerprint = "alluvium-9".to_owned();
        let rebuild =
            RebuildDefinition { options: options.clone(), fingerprint, storage: 3, missing };
        let storage = i64::MAX.unsigned_abs();
        IndexDefinition {
            storage,
            rebuild: Some(rebuild),
            ..IndexDefinition::new("default", &options).unwrap()
        }
    }

    #[test]
    fn what_was_never_rebuilt_looks_as_before_and_all_else_comes_back() {
        let plain = IndexDefinition::new("default", &TextIndexOptions::default()).unwrap();
        let keys: Vec<_> = plain.to_document().keys().cloned().collect();
        assert_eq!(keys, ["name", "kind", "options", "fingerprint"]);
        let switched = IndexDefinition { rebuild: None, ..rebuilt() };
        for definition in [plain, switched, rebuilt()] {
            assert_eq!(read(&definition.to_document()), Some(definition));
        }
        assert!(!rebuilt().rebuild.unwrap().is_current());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let whole = rebuilt().to_document();
        for (key, value) in [("storage", 0_i64), ("storage", -1), ("storage", 3), ("stowage", 1)] {
            let mut document = whole.clone();
            document.insert(key, value);
            assert_eq!(read(&document), None, "{key} {value}");
        }
        for (key, value) in [
            ("storage", 0_i64),
            ("next", -1),
            ("next", 1 << 48),
            ("end", 6),
            ("end", 1 << 48),
            ("begun", 1),
        ] {
            let mut document = whole.clone();
            document.get_document_mut("rebuild").unwrap().insert(key, value);
            assert_eq!(read(&document), None, "rebuild: {key} {value}");
            document.get_document_mut("rebuild").unwrap().remove(key);
            let unknown_field = key == "begun";
            assert_eq!(read(&document).is_some(), unknown_field, "rebuild: no {key}");
        }
        let mut document = whole;
        document.insert("rebuild", 1_i64);
        assert_eq!(read(&document), None);
    }

    #[test]
    fn keyspaces_of_an_index_and_of_what_replaces_it_have_names_of_their_own() {
        let expected = ["notes/text.a/2", "notes/norms.a/2", "notes/text.a/3", "notes/norms.a/3"];
        let definition = IndexDefinition { name: "a".to_owned(), storage: 2, ..rebuilt() };
        assert_eq!(definition.keyspaces("notes"), expected);
        let first = IndexDefinition { storage: 0, rebuild: None, ..definition };
        assert_eq!(first.keyspaces("notes"), ["notes/text.a", "notes/norms.a"]);
        assert_eq!(names::norms_of("notes/text.a/2").as_deref(), Some("notes/norms.a/2"));
    }
}
