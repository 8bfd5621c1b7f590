//! The documents of a collection in the order of their numbers, without the dead ones; and how compaction drops these.
//!
//! Written by the writer, read by everything that walks all documents: iteration, building an index, checks.
//! Invariant: a DocId's document never changes; it dies, and later its bytes go. Cost: one step a stored document, and
//! one bitmap of at most 8 KiB for each chunk on the way.

use std::fmt;

use bytes::Bytes;

use super::catalog::Keyspaces;
use super::error::{Error, Result};
use super::stub::Stub;
use crate::bson::{self, Filter, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc, to_json};
use crate::fts::{DeadChunk, DocId, DocumentSet, dead_key, names};
use crate::lsm::{self, Cursor, GroupRewriter, KeyspaceId, Reader, Rewrite, RewritePass, Seek};

/// Group rewriter of a collection's documents: drops the dead ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct DocsRewriter;

/// Which documents are dead, asked by ascending numbers.
pub(super) struct DeadDocuments<'a> {
    reader: &'a dyn Reader,
    keyspace: Option<KeyspaceId>,
    chunk: Option<(u32, DeadChunk)>,
}

/// The live documents of a collection, by ascending numbers; an iterator.
pub struct Documents<'a> {
    cursor: Cursor<'a>,
    dead: DeadDocuments<'a>,
    /// Where to begin; `None` once the cursor stands on the entry behind the last document.
    start: Option<DocId>,
}

/// Reads a stored document; its checksum was verified, so only its frame is looked at.
///
/// # Errors
/// [`Error::NotStored`], and damage.
pub(super) fn stored_document(bytes: &Bytes) -> Result<&RawDocument> {
    if Stub::read(bytes)?.is_some() {
        return Err(Error::NotStored);
    }
    let damaged = |error| lsm::Error::corruption(format!("stored document: {error}"), 0);
    Ok(RawDocument::from_bytes(bytes).map_err(damaged)?)
}

/// Like [`stored_document`]; of one that is not stored a document of its `_id` alone.
pub(super) fn stored_id(bytes: &Bytes) -> Result<&RawDocument> {
    Stub::read(bytes)?.map_or_else(|| stored_document(bytes), |stub| Ok(stub.id()))
}

/// The `_id` of a document; the first one, should it have several.
pub(super) fn id_of(document: &RawDocument) -> Result<Option<RawBsonRef<'_>>> {
    Ok(document.get("_id").map_err(bson::Error::from)?)
}

/// The `_id` of a document as extended JSON, for errors.
pub(super) fn id_json(document: &RawDocument) -> Result<String> {
    let id = id_of(document)?.unwrap_or(RawBsonRef::Null);
    Ok(to_json(&rawdoc! { "_id": id }))
}

/// The documents that are stored and not dead. Reads no document.
pub(super) fn live_documents(reader: &dyn Reader, keyspaces: &Keyspaces) -> Result<DocumentSet> {
    let mut dead = DeadDocuments::new(reader, Some(keyspaces.dead));
    let mut live = DocumentSet::default();
    let mut cursor = reader.cursor(keyspaces.docs)?;
    let mut valid = cursor.first()?;
    while valid {
        let doc = DocId::from_key(cursor.key())?;
        if !dead.contains(doc)? {
            live.insert(doc);
        }
        valid = cursor.next()?;
    }
    Ok(live)
}

/// The live documents that all `filters` let through, of all or of those `within` a set.
pub(super) fn documents_where(
    reader: &dyn Reader,
    keyspaces: &Keyspaces,
    filters: &[Filter],
    within: Option<&DocumentSet>,
) -> Result<DocumentSet> {
    let mut dead = DeadDocuments::new(reader, Some(keyspaces.dead));
    let mut found = DocumentSet::default();
    let mut cursor = reader.cursor(keyspaces.docs)?;
    let mut look_at = |doc: DocId, cursor: &mut Cursor<'_>| {
        if dead.contains(doc)? {
            return Ok(());
        }
        let bytes = cursor.value()?;
        let document = stored_document(&bytes)?;
        for filter in filters {
            if !filter.matches(document)? {
                return Ok(());
            }
        }
        found.insert(doc);
        Ok::<(), Error>(())
    };
    if let Some(within) = within {
        for doc in within.iter() {
            if cursor.seek(&doc.to_key(), Seek::Eq)? {
                look_at(doc, &mut cursor)?;
            }
        }
        return Ok(found);
    }
    let mut valid = cursor.first()?;
    while valid {
        look_at(DocId::from_key(cursor.key())?, &mut cursor)?;
        valid = cursor.next()?;
    }
    Ok(found)
}

impl<'a> DeadDocuments<'a> {
    pub(super) fn new(reader: &'a dyn Reader, keyspace: Option<KeyspaceId>) -> Self {
        DeadDocuments { reader, keyspace, chunk: None }
    }

    pub(super) fn contains(&mut self, doc: DocId) -> lsm::Result<bool> {
        let dead = match self.chunk.take() {
            Some((chunk, dead)) if chunk == doc.chunk() => dead,
            _ => self.load(doc.chunk())?,
        };
        let contains = dead.contains(doc.offset());
        self.chunk = Some((doc.chunk(), dead));
        Ok(contains)
    }

    /// The dead documents of a chunk.
    pub(super) fn load(&self, chunk: u32) -> lsm::Result<DeadChunk> {
        let Some(keyspace) = self.keyspace else { return Ok(DeadChunk::default()) };
        let value = self.reader.get(keyspace, &dead_key(chunk))?;
        value.map_or(Ok(DeadChunk::default()), |value| DeadChunk::decode(&value))
    }
}

impl<'a> Documents<'a> {
    /// The live documents from `start` on.
    pub(super) fn from(
        reader: &'a dyn Reader,
        keyspaces: &Keyspaces,
        start: DocId,
    ) -> Result<Self> {
        Ok(Documents {
            cursor: reader.cursor(keyspaces.docs)?,
            dead: DeadDocuments::new(reader, Some(keyspaces.dead)),
            start: Some(start),
        })
    }

    fn read(&mut self) -> Result<Option<(DocId, RawDocumentBuf)>> {
        let mut valid = match self.start.take() {
            Some(start) => self.cursor.seek(&start.to_key(), Seek::Ge)?,
            None => self.cursor.next()?,
        };
        while valid {
            let doc = DocId::from_key(self.cursor.key())?;
            if !self.dead.contains(doc)? {
                let document = self.cursor.value()?;
                return Ok(Some((doc, stored_document(&document)?.to_owned())));
            }
            valid = self.cursor.next()?;
        }
        Ok(None)
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<(DocId, RawDocumentBuf)>;

    fn next(&mut self) -> Option<Self::Item> {
        // After an error the cursor stands nowhere, so the next call ends the iteration.
        self.read().transpose()
    }
}

impl fmt::Debug for Documents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl GroupRewriter for DocsRewriter {
    fn name(&self) -> &'static str {
        "docs"
    }

    fn group_len(&self, key: &[u8]) -> usize {
        key.len()
    }

    fn ignores_values(&self) -> bool {
        true
    }

    fn begin<'a>(
        &'a self,
        keyspace: &str,
        reader: &'a dyn Reader,
    ) -> lsm::Result<Box<dyn RewritePass + 'a>> {
        let dead = names::dead_of(keyspace).and_then(|name| reader.keyspace(&name));
        Ok(Box::new(DeadDocuments::new(reader, dead)))
    }
}

impl RewritePass for DeadDocuments<'_> {
    fn entry(&mut self, key: &[u8], _value: &[u8]) -> lsm::Result<Rewrite> {
        let dead = self.contains(DocId::from_key(key)?)?;
        Ok(if dead { Rewrite::Drop } else { Rewrite::Keep })
    }
}
