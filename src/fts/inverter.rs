//! The inverter: turns the tokens of a pending transaction into merge operands of the text index.
//!
//! The indexer adds and subtracts tokens and lengths, document by document; before a search inside the
//! transaction, when memory runs short, and at commit it drains what has gathered into the transaction.
//!
//! ```text
//! table    (field, term) ─► number of the buffer
//! buffer   counters, last document and position, tokens: bytes
//! tokens   := { document { token } }
//! document := varint(gap to the document before << 1 | 1)  varint(first position)
//! token    := varint(gap to the position before << 1)
//! ```
//!
//! Invariants: documents of a term ascend, positions of a document do not descend. A removed document
//! leaves negative counters only: its postings, its length codes and it itself stay until a compaction.
//! Cost: adding a token is one hash and one look-up, and allocates only when something grows; terms are
//! sorted once, when they are drained. Follows the term tables of Lucene and tantivy; we differ in keeping
//! plain growing buffers instead of linked ones, and in gathering counters of removed documents too.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::counters::{FieldStatistics, TermCounters};
use super::error::Result;
use super::ids::{DocId, FieldId};
use super::impact::ImpactScale;
use super::keyspace::{self, IndexKeyspace};
use super::length_code;
use super::norms::LengthCodesBuilder;
use super::postings::{CODED_LEN_MAX, PostingsBuilder};
use crate::lsm::{self, ByteReader, put_varint};

/// Gathers what a transaction adds to a text index and takes from it.
#[derive(Default)]
pub struct Inverter {
    /// Numbers of buffers by field (big endian) and term.
    terms: HashMap<Box<[u8]>, usize, BuildHasherDefault<TermHasher>>,
    buffers: Vec<TermBuffer>,
    fields: BTreeMap<FieldId, FieldBuffer>,
    /// The key that was looked up last, kept for its allocation.
    key: Vec<u8>,
    /// Bytes of the terms and the token buffers.
    heap_bytes: usize,
}

/// One merge operand that a drained inverter wants written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// The keyspace of the index that the operand belongs to.
    pub keyspace: IndexKeyspace,
    /// Its key.
    pub key: &'a [u8],
    /// The operand.
    pub operand: &'a [u8],
}

/// Where drained operands go.
type Sink<'a> = dyn FnMut(Part<'_>) -> Result<()> + 'a;

/// What has gathered for one (field, term).
#[derive(Debug, Default)]
struct TermBuffer {
    tokens: Vec<u8>,
    /// Document and position of the last token; meaningless without tokens.
    document: u64,
    position: u32,
    removed: Option<Box<Removed>>,
}

/// What removed documents take from the counters of a term.
#[derive(Debug)]
struct Removed {
    /// The document whose tokens were subtracted last.
    last: DocId,
    /// By chunk.
    counters: BTreeMap<u32, TermCounters>,
}

/// What has gathered for one field.
#[derive(Debug, Default)]
struct FieldBuffer {
    statistics: FieldStatistics,
    /// Length codes by document, ascending.
    codes: Vec<(DocId, u8)>,
}

/// Hashes the one byte string that a key of the table is.
#[derive(Debug, Clone, Copy, Default)]
struct TermHasher(u64);

/// Bytes that an allocation takes beyond those asked for.
const ALLOCATION_BYTES: usize = 16;
/// Bytes that the counters of removed documents take for a chunk, the smallest map included.
const REMOVED_BYTES: usize =
    size_of::<Removed>() + 11 * size_of::<(u32, TermCounters)>() + 3 * ALLOCATION_BYTES;

impl Inverter {
    /// Adds the token `term` at `position` of `field` in the document `doc`.
    ///
    /// For one field and term, documents ascend and a document's positions do not descend.
    ///
    /// # Errors
    /// [`Error::TermTooLong`](super::Error::TermTooLong); nothing was added.
    ///
    /// # Panics
    /// When documents or positions descend.
    pub fn add(&mut self, field: FieldId, term: &[u8], doc: DocId, position: u32) -> Result<()> {
        let buffer = self.buffer(field, term)?;
        let capacity = buffer.tokens.capacity();
        buffer.add(doc.number(), position);
        self.heap_bytes += buffer.tokens.capacity() - capacity;
        Ok(())
    }

    /// Sets the number of tokens of `field` in the document `doc`; 0 counts as no such field.
    ///
    /// Documents of a field ascend.
    ///
    /// # Panics
    /// When documents do not ascend.
    pub fn set_length(&mut self, field: FieldId, doc: DocId, length: u32) {
        if length == 0 {
            return;
        }
        let buffer = self.fields.entry(field).or_default();
        let ascends = buffer.codes.last().is_none_or(|&(last, _)| last < doc);
        assert!(ascends, "invariant: lengths of a field arrive by ascending document");
        buffer.codes.push((doc, length_code::encode(length)));
        buffer.statistics.documents += 1;
        buffer.statistics.total_length += i64::from(length);
    }

    /// Takes back one token `term` of `field` of the removed document `doc`.
    ///
    /// The caller analyses the removed text again and calls this once for every token, all tokens of a
    /// document's field before those of the next document's.
    ///
    /// # Errors
    /// [`Error::TermTooLong`](super::Error::TermTooLong); nothing was subtracted.
    pub fn subtract(&mut self, field: FieldId, term: &[u8], doc: DocId) -> Result<()> {
        let buffer = self.buffer(field, term)?;
        let is_first = buffer.removed.as_ref().is_none_or(|removed| removed.last != doc);
        let nothing = || Box::new(Removed { last: doc, counters: BTreeMap::new() });
        let removed = buffer.removed.get_or_insert_with(nothing);
        removed.last = doc;
        let chunks = removed.counters.len();
        let counters = removed.counters.entry(doc.chunk()).or_default();
        counters.ttf -= 1;
        counters.df -= i64::from(is_first);
        self.heap_bytes += (removed.counters.len() - chunks) * REMOVED_BYTES;
        Ok(())
    }

    /// Takes back the length of `field` of a removed document; 0 counts as no such field.
    pub fn subtract_length(&mut self, field: FieldId, length: u32) {
        if length > 0 {
            let buffer = self.fields.entry(field).or_default();
            buffer.statistics.documents -= 1;
            buffer.statistics.total_length -= i64::from(length);
        }
    }

    /// Bytes of memory that are held, estimated from above.
    pub fn bytes(&self) -> usize {
        let slot = size_of::<(Box<[u8]>, usize)>() + 1;
        let codes: usize = self.fields.values().map(|field| field.codes.capacity()).sum();
        self.terms.capacity() * slot * 8 / 7
            + self.buffers.capacity() * size_of::<TermBuffer>()
            + codes * size_of::<(DocId, u8)>()
            + self.fields.len() * size_of::<FieldBuffer>()
            + self.heap_bytes
    }

    /// Whether there is nothing to drain.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.fields.is_empty()
    }

    /// The fields of which many documents wait, so that the average length of all documents matters.
    pub fn long_fields(&self) -> impl Iterator<Item = FieldId> {
        let is_long = |(_, buffer): &(&FieldId, &FieldBuffer)| buffer.codes.len() > CODED_LEN_MAX;
        self.fields.iter().filter(is_long).map(|(field, _)| *field)
    }

    /// Hands to `sink` all operands to merge, in the order of their keys: the text keyspace's, then the
    /// norms keyspace's. The inverter is empty afterwards, even when `sink` fails.
    ///
    /// `before` are the statistics of what was drained before, as far as they are known: with them, impacts assume an average
    /// over all documents.
    ///
    /// # Errors
    /// What `sink` returns; the operands behind it are lost, so the transaction has to be rolled back.
    pub fn drain(
        &mut self,
        before: &BTreeMap<FieldId, FieldStatistics>,
        sink: &mut dyn FnMut(Part<'_>) -> Result<()>,
    ) -> Result<()> {
        let Inverter { terms, mut buffers, fields, .. } = mem::take(self);
        let mut terms: Vec<_> = terms.into_iter().collect();
        // Field and term in this plain form order as their escaped keys do.
        terms.sort_unstable();
        let before = |field| before.get(field).copied().unwrap_or_default();
        let lengths =
            fields.iter().map(|(field, buffer)| (*field, FieldLengths::new(buffer, before(field))));
        let lengths: BTreeMap<FieldId, FieldLengths> = lengths.collect();
        let unknown = FieldLengths::new(&FieldBuffer::default(), FieldStatistics::default());
        let mut writer = TermWriter::default();
        for (key, number) in terms {
            let (field, term) = split_key(&key);
            let lengths = lengths.get(&field).unwrap_or(&unknown);
            // Taken, so that its memory is free once it is written.
            writer.write(field, term, mem::take(&mut buffers[number]), lengths, sink)?;
        }
        for (field, buffer) in fields {
            write_field(field, &buffer, sink)?;
        }
        Ok(())
    }

    /// The buffer of a term, made when it is the first time.
    fn buffer(&mut self, field: FieldId, term: &[u8]) -> Result<&mut TermBuffer> {
        keyspace::check_term(term)?;
        self.key.clear();
        self.key.extend_from_slice(&field.0.to_be_bytes());
        self.key.extend_from_slice(term);
        let known = self.terms.get(self.key.as_slice()).copied();
        let number = known.unwrap_or_else(|| {
            self.terms.insert(self.key.as_slice().into(), self.buffers.len());
            self.buffers.push(TermBuffer::default());
            self.heap_bytes += self.key.len() + 2 * ALLOCATION_BYTES;
            self.buffers.len() - 1
        });
        Ok(&mut self.buffers[number])
    }
}

impl fmt::Debug for Inverter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content is the user's text, and long.
        f.debug_struct("Inverter")
            .field("terms", &self.terms.len())
            .field("fields", &self.fields.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl TermBuffer {
    fn add(&mut self, document: u64, position: u32) {
        if self.tokens.is_empty() || document > self.document {
            put_varint(&mut self.tokens, (document - self.document) << 1 | 1);
            put_varint(&mut self.tokens, u64::from(position));
        } else {
            assert!(document == self.document, "invariant: documents of a term ascend");
            let gap = position.checked_sub(self.position);
            let gap = gap.expect("invariant: positions of a document do not descend");
            put_varint(&mut self.tokens, u64::from(gap) << 1);
        }
        self.document = document;
        self.position = position;
    }
}

impl Hasher for TermHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_usize(&mut self, _len: usize) {
        // The length that precedes a slice; the hash of the bytes covers it.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Walks the tokens of a buffer, document by document.
struct Documents<'a> {
    tokens: ByteReader<'a>,
    /// Number of the document whose first position comes next.
    next: Option<u64>,
}

impl<'a> Documents<'a> {
    fn new(tokens: &'a [u8]) -> lsm::Result<Self> {
        let mut tokens = ByteReader::new("pending tokens", tokens);
        let next = if tokens.is_empty() { None } else { Some(tokens.varint()? >> 1) };
        Ok(Documents { tokens, next })
    }

    /// The next document; replaces the content of `positions` by those in it.
    fn read(&mut self, positions: &mut Vec<u32>) -> lsm::Result<Option<DocId>> {
        let Some(document) = self.next.take() else {
            return Ok(None);
        };
        let mut position = self.tokens.varint_u32()?;
        positions.clear();
        positions.push(position);
        while !self.tokens.is_empty() {
            let code = self.tokens.varint()?;
            if code & 1 == 1 {
                self.next = Some(document + (code >> 1));
                break;
            }
            let gap = u32::try_from(code >> 1).expect("invariant: a gap of positions has 32 bits");
            position += gap;
            positions.push(position);
        }
        Ok(Some(DocId::new(document).expect("invariant: a pending document has 48 bits")))
    }
}

/// Length codes of a field's new documents, for the marks of their postings.
struct FieldLengths {
    /// By chunk, and in it by offset as far as there are documents.
    chunks: BTreeMap<u32, Vec<u8>>,
    /// For the mean of these documents and those before.
    scale: ImpactScale,
}

impl FieldLengths {
    fn new(buffer: &FieldBuffer, before: FieldStatistics) -> Self {
        let mut chunks: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let mut total_length = number(before.total_length);
        for &(doc, code) in &buffer.codes {
            let codes = chunks.entry(doc.chunk()).or_default();
            codes.resize(usize::from(doc.offset()), 0);
            codes.push(code);
            total_length = total_length.saturating_add(length_code::decode(code).into());
        }
        let documents = number(before.documents).saturating_add(buffer.codes.len() as u64);
        FieldLengths { chunks, scale: ImpactScale::of_documents(documents, total_length) }
    }

    /// Codes of a chunk; of documents behind the last one they are 0.
    fn of_chunk(&self, chunk: u32) -> &[u8] {
        self.chunks.get(&chunk).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Writes terms one after the other, with the same memory.
#[derive(Debug, Default)]
struct TermWriter {
    /// The prefix of the term's keys, between the values that are handed out.
    key: Vec<u8>,
    operand: Vec<u8>,
    document_positions: Vec<u32>,
    postings: PostingsBuilder,
}

impl TermWriter {
    /// Hands out a term's values, chunk by chunk.
    fn write(
        &mut self,
        field: FieldId,
        term: &[u8],
        buffer: TermBuffer,
        lengths: &FieldLengths,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        self.key.clear();
        keyspace::put_term_prefix(&mut self.key, field, term);
        let mut removed = buffer.removed.map(|removed| removed.counters).unwrap_or_default();
        let mut documents = Documents::new(&buffer.tokens)?;
        let mut chunk = None;
        let mut codes: &[u8] = &[];
        while let Some(doc) = documents.read(&mut self.document_positions)? {
            if chunk != Some(doc.chunk()) {
                if let Some(ended) = chunk.replace(doc.chunk()) {
                    self.end_chunk(ended, &mut removed, lengths, sink)?;
                }
                codes = lengths.of_chunk(doc.chunk());
                // Those that documents were removed from and none added to.
                let behind = removed.split_off(&doc.chunk());
                self.end_removed(mem::replace(&mut removed, behind), lengths, sink)?;
            }
            let code = codes.get(usize::from(doc.offset())).copied().unwrap_or(0);
            self.postings.push(doc.offset(), code, self.document_positions.iter().copied());
        }
        if let Some(ended) = chunk {
            self.end_chunk(ended, &mut removed, lengths, sink)?;
        }
        self.end_removed(removed, lengths, sink)
    }

    /// Hands out the values of chunks to which no document was added.
    fn end_removed(
        &mut self,
        mut removed: BTreeMap<u32, TermCounters>,
        lengths: &FieldLengths,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        while let Some((&chunk, _)) = removed.first_key_value() {
            self.end_chunk(chunk, &mut removed, lengths, sink)?;
        }
        Ok(())
    }

    /// Hands out the value of a chunk, if there is something to say.
    fn end_chunk(
        &mut self,
        chunk: u32,
        removed: &mut BTreeMap<u32, TermCounters>,
        lengths: &FieldLengths,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let removed = removed.remove(&chunk).unwrap_or_default();
        self.operand.clear();
        self.postings.finish_into(removed, &lengths.scale, &mut self.operand);
        if self.operand.is_empty() {
            return Ok(());
        }
        let prefix_bytes = self.key.len();
        keyspace::put_chunk(&mut self.key, chunk);
        let handed =
            sink(Part { keyspace: IndexKeyspace::Text, key: &self.key, operand: &self.operand });
        self.key.truncate(prefix_bytes);
        handed
    }
}

/// Takes a key of the table apart.
fn split_key(key: &[u8]) -> (FieldId, &[u8]) {
    let parts = key.split_first_chunk();
    let (field, term) = parts.expect("invariant: keys of the table begin with a field");
    (FieldId(u16::from_be_bytes(*field)), term)
}

/// Hands out the length codes and the statistics of one field.
fn write_field(field: FieldId, buffer: &FieldBuffer, sink: &mut Sink<'_>) -> Result<()> {
    let keyspace = IndexKeyspace::Norms;
    let mut operand = Vec::new();
    let mut builder = LengthCodesBuilder::default();
    for codes in buffer.codes.chunk_by(|(left, _), (right, _)| left.chunk() == right.chunk()) {
        let Some((doc, _)) = codes.first() else {
            continue;
        };
        for (doc, code) in codes {
            builder.push(doc.offset(), *code);
        }
        operand.clear();
        builder.finish_into(&mut operand);
        let key = keyspace::length_codes_key(field, doc.chunk());
        sink(Part { keyspace, key: &key, operand: &operand })?;
    }
    if !buffer.statistics.is_zero() {
        operand.clear();
        buffer.statistics.encode(&mut operand);
        sink(Part { keyspace, key: &keyspace::statistics_key(field), operand: &operand })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
