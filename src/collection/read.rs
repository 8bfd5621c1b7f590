//! [`CollectionReader`]: one collection as a snapshot, or a transaction whose writer was drained, shows it.
//!
//! Opened by the facade, by searches and by checks; calls the storage core and opens text readers. Invariant: a document
//! is found by its `_id` exactly when it is alive. Cost: opening reads the catalog, which an [`OpenCollection`] spares who
//! reads the same state again; a document is two look-ups away.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::catalog::{CollectionDefinition, Keyspaces, Tally, collection_definition, tally};
use super::documents::{
    DeadDocuments, Documents, id_of, live_documents, stored_document, stored_id,
};
use super::error::Result;
use super::kept_columns::KeptColumns;
use super::text_definition::IndexDefinition;
use super::text_index::{find_index, open_index};
use super::value_index::ValueIndex;
use crate::bson::{self, Bson, RawBsonRef, RawDocumentBuf, sort_key};
use crate::fts::{DocId, DocumentSet, TextIndex, TextReader};
use crate::lsm::{KEY_BYTES_MAX, Reader};

/// Reads one collection.
pub struct CollectionReader<'a> {
    reader: &'a dyn Reader,
    open: Arc<OpenCollection>,
}

/// A collection as one state of the database has it, and its indexes as far as they were opened.
#[derive(Debug)]
pub struct OpenCollection {
    name: String,
    definition: CollectionDefinition,
    keyspaces: Keyspaces,
    tally: Tally,
    /// In the order of the definition.
    indexes: Vec<OnceLock<Arc<TextIndex>>>,
    value_indexes: Vec<OnceLock<Arc<ValueIndex>>>,
    columns: KeptColumns,
    /// All documents, once somebody asked which they are: a bit for each.
    live: OnceLock<Arc<DocumentSet>>,
}

impl<'a> CollectionReader<'a> {
    /// Opens a collection, if it exists.
    pub fn open(reader: &'a dyn Reader, name: &str) -> Result<Option<Self>> {
        let Some(definition) = collection_definition(reader, name)? else { return Ok(None) };
        let keyspaces = Keyspaces::find(reader, name)?;
        let tally = tally(reader, keyspaces.catalog, name)?;
        let indexes = definition.indexes.iter().map(|_| OnceLock::new()).collect();
        let value_indexes = definition.value_indexes.iter().map(|_| OnceLock::new()).collect();
        let open = OpenCollection {
            name: name.to_owned(),
            definition,
            keyspaces,
            tally,
            indexes,
            value_indexes,
            columns: KeptColumns::default(),
            live: OnceLock::new(),
        };
        Ok(Some(CollectionReader { reader, open: Arc::new(open) }))
    }

    /// Reads a collection that was opened before, in the state that `reader` shows.
    pub fn again(reader: &'a dyn Reader, open: Arc<OpenCollection>) -> Self {
        CollectionReader { reader, open }
    }

    /// What [`again`](Self::again) takes.
    pub fn opened(&self) -> Arc<OpenCollection> {
        Arc::clone(&self.open)
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        &self.open.name
    }

    /// The collection's indexes.
    pub fn definition(&self) -> &CollectionDefinition {
        &self.open.definition
    }

    /// Number of documents.
    pub fn count(&self) -> u64 {
        self.open.tally.live
    }

    /// The DocId that the next document will get: all that were ever given are smaller.
    pub fn next_doc_id(&self) -> DocId {
        self.open.tally.next
    }

    /// The document with this `_id`, byte for byte as it was stored.
    pub fn get(&self, id: RawBsonRef<'_>) -> Result<Option<RawDocumentBuf>> {
        let Some(doc) = self.doc_id(id)? else { return Ok(None) };
        self.stored(doc)
    }

    /// The DocId of the document with this `_id`.
    pub fn doc_id(&self, id: RawBsonRef<'_>) -> Result<Option<DocId>> {
        let mut key = Vec::new();
        sort_key(id, &mut key)?;
        if key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let value = self.reader.get(self.open.keyspaces.ids, &key)?;
        Ok(value.map(|value| DocId::from_key(&value)).transpose()?)
    }

    /// The document of this number; `None` when it is dead or was never there.
    pub fn document(&self, doc: DocId) -> Result<Option<RawDocumentBuf>> {
        if self.is_dead(doc)? { Ok(None) } else { self.stored(doc) }
    }

    /// The `_id` of the document of this number, which may not be stored; `None` when it is dead or was never there.
    pub fn id(&self, doc: DocId) -> Result<Option<Bson>> {
        if self.is_dead(doc)? {
            return Ok(None);
        }
        let Some(bytes) = self.reader.get(self.open.keyspaces.docs, &doc.to_key())? else {
            return Ok(None);
        };
        let id = id_of(stored_id(&bytes)?)?.unwrap_or(RawBsonRef::Null);
        Ok(Some(Bson::try_from(id).map_err(bson::Error::from)?))
    }

    /// Whether the document of this number was removed or replaced.
    pub fn is_dead(&self, doc: DocId) -> Result<bool> {
        Ok(self.dead().contains(doc)?)
    }

    /// All documents, by ascending DocId, one after the other.
    pub fn documents(&self) -> Result<Documents<'a>> {
        self.documents_from(DocId::MIN)
    }

    /// The documents from `start` on, by ascending DocId.
    pub fn documents_from(&self, start: DocId) -> Result<Documents<'a>> {
        Documents::from(self.reader, &self.open.keyspaces, start)
    }

    /// All documents, as a set. Cost: a step a stored document, the first time.
    pub fn live_documents(&self) -> Result<Arc<DocumentSet>> {
        if let Some(known) = self.open.live.get() {
            return Ok(Arc::clone(known));
        }
        let live = Arc::new(live_documents(self.reader, &self.open.keyspaces)?);
        Ok(Arc::clone(self.open.live.get_or_init(|| live)))
    }

    /// A text index: the one named, else the only one, else the one named `default`.
    ///
    /// # Errors
    /// [`Error::UnknownIndex`](super::Error::UnknownIndex), and
    /// [`Error::AnalyzerChanged`](super::Error::AnalyzerChanged).
    pub fn text_index(&self, index: Option<&str>) -> Result<TextReader<'a>> {
        let OpenCollection { name, definition, indexes, .. } = &*self.open;
        let place = find_index(name, definition, index)?;
        let index = if let Some(known) = indexes[place].get() {
            Arc::clone(known)
        } else {
            let opened = open_index(self.reader, name, &definition.indexes[place])?;
            Arc::clone(indexes[place].get_or_init(|| Arc::new(opened)))
        };
        Ok(TextReader::new(self.reader, index))
    }

    /// What is being built to take the place of a text index, as far as this program can read it, and the documents that are not
    /// in it yet.
    pub(super) fn text_rebuild(
        &self,
        index: &IndexDefinition,
    ) -> Result<Option<(TextReader<'a>, Range<DocId>)>> {
        let rebuild = index.rebuild.as_ref().filter(|rebuild| rebuild.is_current());
        let Some((rebuild, storage_name)) = rebuild.zip(index.rebuild_storage_name()) else {
            return Ok(None);
        };
        let options = rebuild.options.clone();
        let opened = TextIndex::open(self.reader, &self.open.name, &storage_name, options)?;
        Ok(Some((TextReader::new(self.reader, Arc::new(opened)), rebuild.missing.clone())))
    }

    /// Its value indexes.
    ///
    /// # Errors
    /// Those of the storage core.
    pub(super) fn value_indexes(&self) -> Result<Vec<Arc<ValueIndex>>> {
        let OpenCollection { name, definition, value_indexes, .. } = &*self.open;
        let open = |(known, definition): (&OnceLock<_>, _)| {
            if let Some(known) = known.get() {
                return Ok(Arc::clone(known));
            }
            let opened = Arc::new(ValueIndex::open(self.reader, name, definition)?);
            Ok(Arc::clone(known.get_or_init(|| opened)))
        };
        value_indexes.iter().zip(&definition.value_indexes).map(open).collect()
    }

    pub(super) fn kept_columns(&self) -> &KeptColumns {
        &self.open.columns
    }

    pub(super) fn reader(&self) -> &'a dyn Reader {
        self.reader
    }

    pub(super) fn keyspaces(&self) -> &Keyspaces {
        &self.open.keyspaces
    }

    pub(super) fn dead(&self) -> DeadDocuments<'a> {
        DeadDocuments::new(self.reader, Some(self.open.keyspaces.dead))
    }

    fn stored(&self, doc: DocId) -> Result<Option<RawDocumentBuf>> {
        let Some(bytes) = self.reader.get(self.open.keyspaces.docs, &doc.to_key())? else {
            return Ok(None);
        };
        Ok(Some(stored_document(&bytes)?.to_owned()))
    }
}

impl fmt::Debug for CollectionReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectionReader").field("open", &self.open).finish_non_exhaustive()
    }
}
