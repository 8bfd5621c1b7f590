//! [`CollectionWriter`]: what one pending transaction changes in one collection.
//!
//! The facade keeps one for each collection that a transaction writes to and passes the transaction to every call.
//! Documents and ids go into the transaction at once; text, dead marks and the tally gather here until
//! [`drain`](CollectionWriter::drain), which has to run before the transaction searches, iterates, counts or commits.
//!
//! Steps of a write: 1. validate the document, 2. look its `_id` up, 3. let the indexes refuse it, and only then
//! 4. mark the old document dead, 5. put the new one under the next DocId, 6. index it. What can be refused is refused
//! before step 4; a failure of the storage core behind it leaves the writer refusing everything but a rollback.
//! Cost: two or three look-ups a document, and the analysis of its text (of the old text too, when it goes).

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::bulk::BulkText;
use super::catalog::{
    CollectionDefinition, Keyspaces, Tally, create_collection, definition_to_change, put_tally,
    tally,
};
use super::columns::open_column_indexers;
use super::documents::{id_json, id_of, stored_document, stored_id};
use super::error::{Error, Result};
use super::import_marks::put_import_mark;
use super::rebuild::discard_stale_rebuilds;
use super::stub::{Stub, encode_stub};
use super::text_index::{DEFAULT_TEXT_INDEX, IndexWriter, create_text_index, open_index_writers};
use super::value_index::ValueIndexer;
use crate::bson::{
    self, Bson, IndexKeys, NESTING_MAX, ObjectId, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc,
    sort_key, validate,
};
use crate::columns::ColumnIndexer;
use crate::fts::{DeadChunk, DocId, INVERTER_BYTES_MAX, TextIndexOptions, dead_key, names};
use crate::lsm::{self, KEY_BYTES_MAX, KeyspaceId, Reader, Transaction};

/// What a writer is given by those above.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// Bytes that may gather before the writer drains by itself, at most 1 GiB. Default: 32 MiB.
    pub inverter_bytes_max: usize,
    /// Where the `_id`s of documents without one come from. Default: `ObjectId::new`.
    pub object_ids: fn() -> ObjectId,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upserted {
    /// There was no document with this `_id`.
    Inserted,
    /// The document with this `_id` was replaced.
    Replaced,
}

/// Gathers the changes of one transaction to one collection.
#[derive(Debug)]
pub struct CollectionWriter {
    name: String,
    keyspaces: Keyspaces,
    options: WriterOptions,
    /// Whether documents are indexed and not stored.
    is_index_only: bool,
    tally: Tally,
    text_indexes: Vec<IndexWriter>,
    value_indexers: Vec<ValueIndexer>,
    column_indexers: Vec<ColumnIndexer>,
    /// Where removals are noted, if they are.
    removals: Option<KeyspaceId>,
    /// Documents that died since the last drain, by chunk, and their number.
    dead: BTreeMap<u32, DeadChunk>,
    dead_len: usize,
    changed: bool,
    failed: bool,
}

/// A document that may be stored, and the key of its `_id`.
struct Prepared<'a> {
    document: Cow<'a, RawDocument>,
    key: Vec<u8>,
    /// Its keys in each value index that does not leave it out.
    index_keys: Vec<Option<IndexKeys>>,
}

/// When the text of a new document is indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Now,
    Later,
}

/// The stored document that has to go.
struct Old {
    doc: DocId,
    /// `None` when no index needs it.
    document: Option<Bytes>,
}

/// Bytes that a chunk's bitmap of dead documents takes beside its members.
const DEAD_CHUNK_BYTES: usize = 128;

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions { inverter_bytes_max: 32 << 20, object_ids: ObjectId::new }
    }
}

impl CollectionWriter {
    /// A writer for a collection that exists.
    ///
    /// # Errors
    /// [`Error::UnknownCollection`], and [`Error::AnalyzerChanged`] for a collection with a stale index.
    pub fn open(reader: &dyn Reader, name: &str, options: WriterOptions) -> Result<Self> {
        Self::with_definition(reader, name, &definition_to_change(reader, name)?, options)
    }

    fn with_definition(
        reader: &dyn Reader,
        name: &str,
        definition: &CollectionDefinition,
        options: WriterOptions,
    ) -> Result<Self> {
        let keyspaces = Keyspaces::find(reader, name)?;
        let value_indexers =
            definition.value_indexes.iter().map(|index| ValueIndexer::open(reader, name, index));
        Ok(CollectionWriter {
            name: name.to_owned(),
            keyspaces,
            options,
            is_index_only: definition.is_index_only,
            tally: tally(reader, keyspaces.catalog, name)?,
            text_indexes: open_index_writers(reader, name, definition)?,
            value_indexers: value_indexers.collect::<Result<_>>()?,
            column_indexers: open_column_indexers(reader, name, definition)?,
            removals: reader.keyspace(&names::removals(name)),
            dead: BTreeMap::new(),
            dead_len: 0,
            changed: false,
            failed: false,
        })
    }

    /// A writer for a collection that is created when it is not there, with a text index of these options if any. What another
    /// analyzer was building, and this program could not keep right, is dropped.
    ///
    /// # Errors
    /// Those of [`open`](Self::open) and of [`create_collection`].
    pub fn open_or_create(
        transaction: &mut Transaction,
        name: &str,
        text_index: Option<&TextIndexOptions>,
        options: WriterOptions,
    ) -> Result<Self> {
        if let Some(text_index) = text_index {
            text_index.check()?;
        }
        if create_collection(transaction, name)?
            && let Some(text_index) = text_index
        {
            let bytes_max = options.inverter_bytes_max;
            create_text_index(transaction, name, DEFAULT_TEXT_INDEX, text_index, bytes_max)?;
        }
        let mut definition = definition_to_change(transaction, name)?;
        discard_stale_rebuilds(transaction, name, &mut definition)?;
        Self::with_definition(transaction, name, &definition, options)
    }

    /// The collection's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stores a new document and gives its `_id`, which becomes its first field when it had none.
    ///
    /// # Errors
    /// [`Error::DuplicateId`], [`Error::DuplicateKey`], [`Error::InvalidId`], [`Error::IdTooLong`],
    /// [`Error::IndexKeyTooLong`], [`Error::Document`], [`Error::Columns`] and [`Error::Fts`] leave all as it was; after any other
    /// the transaction has to be rolled back.
    pub fn insert(
        &mut self,
        transaction: &mut Transaction,
        document: &RawDocument,
    ) -> Result<Bson> {
        let new = self.insert_prepared(transaction, document, Text::Now)?;
        let id = id_of(&new.document)?.ok_or(Error::MissingId)?;
        Ok(Bson::try_from(id).map_err(bson::Error::from)?)
    }

    fn insert_prepared<'a>(
        &mut self,
        transaction: &mut Transaction,
        document: &'a RawDocument,
        text: Text,
    ) -> Result<Prepared<'a>> {
        self.check_usable()?;
        let new = self.prepare(document)?;
        if self.doc_id(transaction, &new.key)?.is_some() {
            let (collection, id) = (self.name.clone(), id_json(&new.document)?);
            return Err(Error::DuplicateId { collection, id });
        }
        self.check_unique(transaction, &new, None)?;
        self.write(transaction, None, Some((&new, text)))?;
        Ok(new)
    }

    /// Replaces the document with the same `_id`; whether there was one. Nothing is stored when there was none.
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert) without [`Error::DuplicateId`], and [`Error::MissingId`].
    pub fn replace(
        &mut self,
        transaction: &mut Transaction,
        document: &RawDocument,
    ) -> Result<bool> {
        self.check_usable()?;
        validate(document.as_bytes(), NESTING_MAX)?;
        if id_of(document)?.is_none() {
            return Err(Error::MissingId);
        }
        let new = self.prepare(document)?;
        let Some(doc) = self.doc_id(transaction, &new.key)? else { return Ok(false) };
        self.check_unique(transaction, &new, Some(doc))?;
        let old = self.old(transaction, doc)?;
        self.write(transaction, Some((&new.key, old)), Some((&new, Text::Now)))?;
        Ok(true)
    }

    /// Stores a document, whether one with its `_id` is there or not.
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert) without [`Error::DuplicateId`].
    pub fn upsert(
        &mut self,
        transaction: &mut Transaction,
        document: &RawDocument,
    ) -> Result<Upserted> {
        self.upsert_with(transaction, document, Text::Now)
    }

    fn upsert_with(
        &mut self,
        transaction: &mut Transaction,
        document: &RawDocument,
        text: Text,
    ) -> Result<Upserted> {
        self.check_usable()?;
        let new = self.prepare(document)?;
        let doc = self.doc_id(transaction, &new.key)?;
        self.check_unique(transaction, &new, doc)?;
        let Some(doc) = doc else {
            self.write(transaction, None, Some((&new, text)))?;
            return Ok(Upserted::Inserted);
        };
        let old = self.old(transaction, doc)?;
        self.write(transaction, Some((&new.key, old)), Some((&new, text)))?;
        Ok(Upserted::Replaced)
    }

    /// Like [`insert`](Self::insert), or [`upsert`](Self::upsert) if it `replaces`, for a document of a bulk, whose text is added
    /// by [`add_text`](Self::add_text) behind its last document and before anything else is called.
    ///
    /// # Errors
    /// Those of the two.
    pub fn store_without_text(
        &mut self,
        transaction: &mut Transaction,
        document: &RawDocument,
        replaces: bool,
    ) -> Result<Upserted> {
        if replaces {
            return self.upsert_with(transaction, document, Text::Later);
        }
        self.insert_prepared(transaction, document, Text::Later).map(|_| Upserted::Inserted)
    }

    /// Adds the text of all documents that were stored without, the first of which was given the number `first`; the text
    /// indexes are those that `text` was made for.
    pub fn add_text(&mut self, first: DocId, text: BulkText) {
        for (index, inverters) in self.text_indexes.iter_mut().zip(text.into_indexes()) {
            index.indexer.add_beside(first, inverters);
        }
    }

    /// The options of each text index that is written to.
    pub fn text_options(&self) -> Vec<TextIndexOptions> {
        self.text_indexes.iter().map(|index| index.options.clone()).collect()
    }

    /// The number of the next document.
    pub fn next(&self) -> DocId {
        self.tally.next
    }

    /// Notes how far an import has come, for [`import_mark`](super::import_mark).
    ///
    /// # Errors
    /// [`Error::InvalidName`], which leaves all as it was, and those of the storage core.
    pub fn mark_import(
        &self,
        transaction: &mut Transaction,
        import: &str,
        mark: &RawDocument,
    ) -> Result<()> {
        put_import_mark(transaction, self.keyspaces.catalog, &self.name, import, mark)
    }

    /// Removes the document with this `_id`; whether there was one.
    ///
    /// # Errors
    /// After any error of the storage core the transaction has to be rolled back.
    pub fn remove(&mut self, transaction: &mut Transaction, id: RawBsonRef<'_>) -> Result<bool> {
        self.check_usable()?;
        let mut key = Vec::new();
        sort_key(id, &mut key)?;
        if key.len() > KEY_BYTES_MAX {
            return Ok(false);
        }
        let Some(doc) = self.doc_id(transaction, &key)? else { return Ok(false) };
        let old = self.old(transaction, doc)?;
        self.remove_old(transaction, id, &key, old)?;
        Ok(true)
    }

    /// Removes the document with the `_id` of this one, which is the document itself: the way in which one goes that is not stored. Whether
    /// there was one.
    ///
    /// # Errors
    /// [`Error::OtherDocument`] and [`Error::MissingId`], which leave all as it was; those of [`remove`](Self::remove).
    pub fn remove_document(
        &mut self,
        transaction: &mut Transaction,
        document: &RawDocument,
    ) -> Result<bool> {
        self.check_usable()?;
        let document = validate(document.as_bytes(), NESTING_MAX)?;
        let id = id_of(document)?.ok_or(Error::MissingId)?;
        let mut key = Vec::new();
        sort_key(id, &mut key)?;
        if key.len() > KEY_BYTES_MAX {
            return Ok(false);
        }
        let Some(doc) = self.doc_id(transaction, &key)? else { return Ok(false) };
        let bytes = self.stored(transaction, doc)?;
        match Stub::read(&bytes)? {
            Some(stub) => stub.expect_of(document)?,
            None if *bytes == *document.as_bytes() => {}
            None => return Err(Error::OtherDocument),
        }
        let old = Old { doc, document: Some(Bytes::copy_from_slice(document.as_bytes())) };
        self.remove_old(transaction, id, &key, old)?;
        Ok(true)
    }

    fn remove_old(
        &mut self,
        transaction: &mut Transaction,
        id: RawBsonRef<'_>,
        key: &[u8],
        old: Old,
    ) -> Result<()> {
        let next = self.tally.next.plus(1)?;
        self.write(transaction, Some((key, old)), None)?;
        if let Some(removals) = self.removals {
            // The number of a document that never lived.
            let number = self.tally.next;
            let removed = rawdoc! { "_id": id };
            transaction.put(removals, &number.to_key(), removed.as_bytes())?;
            self.dead.entry(number.chunk()).or_default().insert(number.offset());
            self.dead_len += 1;
            self.tally.next = next;
            // It may have been drained meanwhile.
            self.changed = true;
        }
        Ok(())
    }

    /// Documents that are alive, those of this transaction included.
    pub fn count(&self) -> u64 {
        self.tally.live
    }

    /// Bytes of memory that wait to be drained.
    pub fn bytes(&self) -> usize {
        let indexers: usize = self.text_indexes.iter().map(|index| index.indexer.bytes()).sum();
        let columns: usize = self.column_indexers.iter().map(ColumnIndexer::bytes).sum();
        indexers + columns + self.dead.len() * DEAD_CHUNK_BYTES + self.dead_len * 2
    }

    /// Writes all that has gathered into the transaction.
    ///
    /// # Errors
    /// [`Error::TransactionFailed`], and those of the storage core; the transaction has to be rolled back.
    pub fn drain(&mut self, transaction: &mut Transaction) -> Result<()> {
        self.check_usable()?;
        if !self.changed {
            return Ok(());
        }
        self.failed = true;
        for index in &mut self.text_indexes {
            index.indexer.drain(transaction)?;
        }
        for indexer in &mut self.column_indexers {
            indexer.drain(transaction)?;
        }
        for (chunk, dead) in std::mem::take(&mut self.dead) {
            let mut operand = Vec::new();
            dead.encode(&mut operand);
            transaction.merge(self.keyspaces.dead, &dead_key(chunk), operand)?;
        }
        self.dead_len = 0;
        put_tally(transaction, self.keyspaces.catalog, &self.name, self.tally)?;
        self.changed = false;
        self.failed = false;
        Ok(())
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            return Err(Error::TransactionFailed { collection: self.name.clone() });
        }
        Ok(())
    }

    /// Steps 1 and 3: all that a document can be refused for by itself.
    fn prepare<'a>(&self, document: &'a RawDocument) -> Result<Prepared<'a>> {
        let document = validate(document.as_bytes(), NESTING_MAX)?;
        let document = if id_of(document)?.is_some() {
            Cow::Borrowed(document)
        } else {
            let document = with_id((self.options.object_ids)(), document)?;
            validate(document.as_bytes(), NESTING_MAX)?;
            Cow::Owned(document)
        };
        let id = id_of(&document)?.ok_or(Error::MissingId)?;
        let kind = match id {
            RawBsonRef::Array(_) => Some("array"),
            RawBsonRef::RegularExpression(_) => Some("regular expression"),
            RawBsonRef::Undefined => Some("undefined"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(Error::InvalidId { kind });
        }
        let mut key = Vec::new();
        sort_key(id, &mut key)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::IdTooLong { bytes: key.len(), bytes_max: KEY_BYTES_MAX });
        }
        for index in &self.text_indexes {
            index.indexer.check(&document)?;
        }
        for indexer in &self.column_indexers {
            indexer.check(&document)?;
        }
        let index_keys = self.value_indexers.iter().map(|indexer| indexer.keys(&document));
        let index_keys = index_keys.collect::<Result<_>>()?;
        self.tally.next.plus(1)?;
        Ok(Prepared { document, key, index_keys })
    }

    /// Refuses a document that has a key which another one than `old` has, where that must not be.
    fn check_unique(
        &self,
        transaction: &Transaction,
        new: &Prepared<'_>,
        old: Option<DocId>,
    ) -> Result<()> {
        for (indexer, keys) in self.value_indexers.iter().zip(&new.index_keys) {
            let Some(keys) = keys else { continue };
            if let Some(holder) = indexer.holder(transaction, keys, old)? {
                let document = self.stored(transaction, holder)?;
                return Err(indexer.duplicate(id_json(stored_id(&document)?)?));
            }
        }
        Ok(())
    }

    /// Step 2.
    fn doc_id(&self, transaction: &Transaction, key: &[u8]) -> Result<Option<DocId>> {
        let value = transaction.get(self.keyspaces.ids, key)?;
        Ok(value.map(|value| DocId::from_key(&value)).transpose()?)
    }

    /// The document that will go; its text is subtracted, so it is read while nothing is written yet.
    fn old(&self, transaction: &Transaction, doc: DocId) -> Result<Old> {
        if self.text_indexes.is_empty() && !self.value_indexers.iter().any(ValueIndexer::is_unique)
        {
            return Ok(Old { doc, document: None });
        }
        let bytes = self.stored(transaction, doc)?;
        stored_document(&bytes)?;
        Ok(Old { doc, document: Some(bytes) })
    }

    /// The bytes of a document that an `_id` or an index led to.
    fn stored(&self, transaction: &Transaction, doc: DocId) -> Result<Bytes> {
        let missing = || {
            let what = format!("{}: document {doc} is indexed but is not there", self.name);
            lsm::Error::corruption(what, 0)
        };
        Ok(transaction.get(self.keyspaces.docs, &doc.to_key())?.ok_or_else(missing)?)
    }

    /// Steps 4 to 6. Only failures of the storage core can happen here.
    fn write(
        &mut self,
        transaction: &mut Transaction,
        old: Option<(&[u8], Old)>,
        new: Option<(&Prepared<'_>, Text)>,
    ) -> Result<()> {
        self.failed = true;
        self.changed = true;
        if let Some((key, old)) = old {
            self.bury(transaction, &old)?;
            // A new document overwrites the entry.
            if new.is_none() {
                transaction.delete(self.keyspaces.ids, key)?;
            }
        }
        if let Some((Prepared { document, key, index_keys }, text)) = new {
            let doc = self.tally.next;
            let stored = if self.is_index_only {
                encode_stub(document, id_of(document)?.ok_or(Error::MissingId)?)
            } else {
                document.as_bytes().to_vec()
            };
            transaction.put(self.keyspaces.docs, &doc.to_key(), stored)?;
            transaction.put(self.keyspaces.ids, key, doc.to_key())?;
            if text == Text::Now {
                for index in &mut self.text_indexes {
                    index.indexer.add(doc, document)?;
                }
            }
            for indexer in &mut self.column_indexers {
                indexer.add(doc, document)?;
            }
            for (indexer, keys) in self.value_indexers.iter_mut().zip(index_keys) {
                if let Some(keys) = keys {
                    indexer.put(transaction, doc, keys)?;
                }
            }
            self.tally = Tally { next: doc.plus(1)?, live: self.tally.live + 1 };
        }
        self.failed = false;
        if self.bytes() > self.options.inverter_bytes_max.min(INVERTER_BYTES_MAX) {
            self.drain(transaction)?;
        }
        Ok(())
    }

    /// Step 4.
    fn bury(&mut self, transaction: &mut Transaction, old: &Old) -> Result<()> {
        if let Some(bytes) = &old.document {
            let document = stored_document(bytes)?;
            for index in self.text_indexes.iter_mut().filter(|index| index.has(old.doc)) {
                index.indexer.remove(old.doc, document)?;
            }
            for indexer in &self.value_indexers {
                indexer.remove(transaction, document)?;
            }
        }
        self.dead.entry(old.doc.chunk()).or_default().insert(old.doc.offset());
        self.dead_len += 1;
        let none_left = || lsm::Error::corruption("tally of a collection: too few documents", 0);
        self.tally.live = self.tally.live.checked_sub(1).ok_or_else(none_left)?;
        Ok(())
    }
}

/// The document with an `_id` in front.
fn with_id(id: ObjectId, document: &RawDocument) -> Result<RawDocumentBuf> {
    // Both begin with 4 bytes of length, and the first ends with the NUL that ends documents.
    let mut bytes = rawdoc! { "_id": id }.into_bytes();
    bytes.pop();
    bytes.extend_from_slice(document.as_bytes().get(4..).unwrap_or_default());
    let too_large =
        |_| bson::Error::TooLarge { bytes: bytes.len(), bytes_max: bson::DOCUMENT_BYTES_MAX };
    let len = i32::try_from(bytes.len()).map_err(too_large)?;
    bytes.splice(..4, len.to_le_bytes());
    Ok(RawDocumentBuf::from_bytes(bytes).map_err(bson::Error::from)?)
}
