//! [`TextReader`]: one text index as a snapshot, or a transaction with its own writes, shows it.
//!
//! Opened by the collection's reader; searches, snippets and the deep check read through it. It finds entries and
//! turns counters into statistics; what the values hold, `postings` and `norms` say. Dead documents are not taken out
//! here: a search masks with [`TextReader::dead`]. What was looked up is remembered by the [`TextIndex`], which those of one state
//! share; terms for which it has no memory by the reader, since a search asks for their counters first and for their postings
//! then. Cost: one look-up a call the first time, unless said otherwise.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::analysis::Analyzer;
use super::counters::{FieldStatistics as FieldCounters, TermCounters};
use super::dead::DeadChunk;
use super::error::{Error, Result};
use super::ids::FieldId;
use super::index::{FieldStatistics, StoredLengths, TextIndex};
use super::indexer::{TextWalker, path_term};
use super::keyspace::{self, NormsKey, NormsKind, TextKey};
use super::postings::Postings;
use super::schema::{Field, TextIndexOptions};
use crate::lsm::{self, Cursor, KeyspaceId, Reader, Reserved, Seek};

/// Reads one text index.
pub struct TextReader<'a> {
    reader: &'a dyn Reader,
    index: Arc<TextIndex>,
    /// Terms that were looked up and the index has no memory for, by what their keys begin with.
    terms: RefCell<BTreeMap<Vec<u8>, Arc<TermPostings>>>,
    /// Looks terms up, once there was one.
    cursor: RefCell<Option<Cursor<'a>>>,
}

/// Exact numbers of a term in a field, over the live documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TermStatistics {
    /// Documents that hold the term.
    pub df: u64,
    /// Occurrences of the term in all documents.
    pub ttf: u64,
}

/// A term of a field: its numbers and its postings in all chunks.
#[derive(Debug, Default)]
pub struct TermPostings {
    /// Its numbers.
    pub statistics: TermStatistics,
    /// Its postings, by ascending chunk; dead documents included.
    pub chunks: Vec<StoredPostings>,
    /// What was reserved for each chunk; nothing when there was not enough for all.
    memory: Vec<Reserved>,
}

/// The postings of a term in one chunk, as they are stored: in as many parts as commits and compactions left, no document in
/// two of them.
#[derive(Debug, Clone)]
pub struct StoredPostings {
    /// The chunk.
    pub chunk: u32,
    /// The first part; compacted postings have no other.
    first: Bytes,
    others: Vec<Bytes>,
}

/// Is shown entries of terms.
type TextVisitor<'v, E> = dyn FnMut(&TextKey<'_>, &[u8]) -> Result<(), E> + 'v;

/// Is shown entries of lengths and statistics.
type NormsVisitor<'v, E> = dyn FnMut(&NormsKey, &[u8]) -> Result<(), E> + 'v;

/// Is shown entries as they are stored.
type Visitor<'v, E> = dyn FnMut(&[u8], &[u8]) -> Result<(), E> + 'v;

impl StoredPostings {
    /// Postings of these parts, of which there is at least one.
    pub fn new(chunk: u32, mut parts: impl Iterator<Item = Bytes>) -> Self {
        StoredPostings { chunk, first: parts.next().unwrap_or_default(), others: parts.collect() }
    }

    /// The parts; reads their directories only.
    pub fn parts(&self) -> impl Iterator<Item = Result<Postings<'_>>> {
        self.values().map(|bytes| Ok(Postings::parse(bytes)?))
    }

    fn values(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl TermPostings {
    /// The postings in one chunk.
    pub fn in_chunk(&self, chunk: u32) -> Option<&StoredPostings> {
        let place = self.chunks.binary_search_by_key(&chunk, |stored| stored.chunk);
        place.ok().and_then(|place| self.chunks.get(place))
    }
}

impl<'a> TextReader<'a> {
    /// Reads `index`, which was opened in the state that `reader` shows.
    pub fn new(reader: &'a dyn Reader, index: Arc<TextIndex>) -> Self {
        let (terms, cursor) = (RefCell::default(), RefCell::default());
        TextReader { reader, index, terms, cursor }
    }

    /// The analyzer that the index was written with.
    pub fn analyzer(&self) -> &Analyzer {
        self.index.walker.analyzer()
    }

    /// The options that the index was created with.
    pub fn options(&self) -> &TextIndexOptions {
        &self.index.options
    }

    /// A walker that sees documents as the index does.
    pub fn walker(&self) -> Result<TextWalker> {
        TextWalker::new(&self.index.options)
    }

    /// The indexed fields, by ascending number.
    pub fn fields(&self) -> &[Field] {
        &self.index.fields
    }

    /// The field that covers exactly `path`; never the field of `$**`.
    pub fn field(&self, path: &str) -> Option<FieldId> {
        let covers = |field: &&Field| field.path.as_deref() == Some(path);
        self.fields().iter().find(covers).map(|field| field.id)
    }

    /// Terms of [`FieldId::PATHS`] that live documents have: `path` itself and what lies below it, at most `limit`.
    ///
    /// Only an index over everything has any. Cost: one look-up a path.
    pub fn paths_under(&self, path: &str, limit: usize) -> Result<Vec<String>> {
        let path = path_term(path);
        let mut found = Vec::new();
        if limit > 0 && self.term(FieldId::PATHS, path)?.df > 0 {
            found.push(path.to_owned());
        }
        let below = format!("{path}.");
        let mut prefix = keyspace::term_prefix(FieldId::PATHS, path_term(&below).as_bytes());
        // Without the end of the term, so that longer terms begin with it too.
        prefix.truncate(prefix.len() - 2);
        let mut cursor = self.reader.cursor(self.index.text)?.prefix(&prefix);
        let mut valid = below.len() == path_term(&below).len() && cursor.first()?;
        while valid && found.len() < limit {
            let term = keyspace::decode(cursor.key())?.term.into_owned();
            if read_term(&mut cursor, &keyspace::term_prefix(FieldId::PATHS, &term))?.statistics.df
                > 0
            {
                let path = String::from_utf8(term);
                found.push(path.map_err(|_| lsm::Error::corruption("a path is not UTF-8", 0))?);
            }
            valid = cursor.valid();
        }
        Ok(found)
    }

    /// Numbers of a field; zeros when no live document has it.
    pub fn statistics(&self, field: FieldId) -> Result<FieldStatistics> {
        self.index.statistics.get(field, |&field| {
            let value = self.reader.get(self.index.norms, &keyspace::statistics_key(field))?;
            value.map_or(Ok(FieldStatistics::default()), |value| field_statistics(&value))
        })
    }

    /// Numbers of a term; zeros when no live document holds it. Cost: as of [`postings`](Self::postings).
    pub fn term(&self, field: FieldId, term: &str) -> Result<TermStatistics> {
        Ok(self.postings(field, term)?.statistics)
    }

    /// The postings of a term in all chunks, undecoded. Cost: one look-up and one step a chunk, the first time.
    pub fn postings(&self, field: FieldId, term: &str) -> Result<Arc<TermPostings>> {
        let prefix = keyspace::term_prefix(field, term.as_bytes());
        let known = self.index.terms.find(&prefix);
        if let Some(known) = known.or_else(|| self.terms.borrow().get(&prefix).map(Arc::clone)) {
            return Ok(known);
        }
        let mut kept = self.cursor.borrow_mut();
        let cursor = match &mut *kept {
            Some(cursor) => cursor,
            none => none.insert(self.reader.cursor(self.index.text)?),
        };
        cursor.first_of_prefix(&prefix)?;
        let found = Arc::new(read_term(cursor, &prefix)?);
        if found.memory.is_empty() {
            self.terms.borrow_mut().insert(prefix, Arc::clone(&found));
        } else {
            self.index.terms.keep(prefix, Arc::clone(&found));
        }
        Ok(found)
    }

    /// Lengths of a field in the documents of one chunk, dead ones included.
    pub fn lengths(&self, field: FieldId, chunk: u32) -> Result<Option<StoredLengths>> {
        let key = keyspace::length_codes_key(field, chunk);
        Ok(self.reader.get(self.index.norms, &key)?.map(StoredLengths::new))
    }

    /// Lengths of a field in all chunks, ascending; dead documents included. Cost: one look-up and one step a chunk, the
    /// first time.
    pub fn all_lengths(&self, field: FieldId) -> Result<Arc<[(u32, StoredLengths)]>> {
        self.index.lengths.get(field, |&field| self.read_lengths(field))
    }

    fn read_lengths(&self, field: FieldId) -> Result<Arc<[(u32, StoredLengths)]>> {
        let mut found = Vec::new();
        let mut cursor = self.reader.cursor(self.index.norms)?;
        let mut valid = cursor.seek(&keyspace::length_codes_key(field, 0), Seek::Ge)?;
        while valid {
            let NormsKey { field: of, kind: NormsKind::LengthCodes(chunk) } =
                keyspace::decode_norms(cursor.key())?
            else {
                break;
            };
            if of != field {
                break;
            }
            found.push((chunk, StoredLengths::new(cursor.value()?)));
            valid = cursor.next()?;
        }
        Ok(found.into())
    }

    /// The dead documents of one chunk.
    pub fn dead(&self, chunk: u32) -> Result<Arc<DeadChunk>> {
        self.index.dead.get(chunk, |&chunk| {
            let value = self.reader.get(self.index.dead_documents, &keyspace::dead_key(chunk))?;
            let dead = value.map_or(Ok(DeadChunk::default()), |value| DeadChunk::decode(&value));
            Ok(Arc::new(dead?))
        })
    }

    /// Passes every entry of terms to `visit`, in the order of the keys: by field, term and chunk. For checks; cost: the
    /// whole index is read.
    ///
    /// # Errors
    /// Those of `visit`, and corruption.
    pub fn each_entry<E: From<Error>>(&self, visit: &mut TextVisitor<'_, E>) -> Result<(), E> {
        each(self.reader, self.index.text, &mut |key, value| {
            visit(&keyspace::decode(key).map_err(Error::from)?, value)
        })
    }

    /// Passes every entry of lengths and statistics to `visit`, in the order of the keys. For checks.
    ///
    /// # Errors
    /// Those of `visit`, and corruption.
    pub fn each_norms_entry<E: From<Error>>(
        &self,
        visit: &mut NormsVisitor<'_, E>,
    ) -> Result<(), E> {
        each(self.reader, self.index.norms, &mut |key, value| {
            visit(&keyspace::decode_norms(key).map_err(Error::from)?, value)
        })
    }
}

impl std::fmt::Debug for TextReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextReader").field("index", &self.index).finish_non_exhaustive()
    }
}

fn each<E: From<Error>>(
    reader: &dyn Reader,
    keyspace: KeyspaceId,
    visit: &mut Visitor<'_, E>,
) -> Result<(), E> {
    let mut cursor = reader.cursor(keyspace).map_err(Error::from)?;
    let mut valid = cursor.first().map_err(Error::from)?;
    while valid {
        let value = cursor.value().map_err(Error::from)?;
        visit(cursor.key(), &value)?;
        valid = cursor.next().map_err(Error::from)?;
    }
    Ok(())
}

/// What a term and a chunk take at most beside the postings, as long as they are known.
const TERM_CHUNK_BYTES: usize = 256;

/// Reads the entries whose keys begin with `prefix`, from the first of them on, where the cursor stands; it then stands
/// behind them.
fn read_term(cursor: &mut Cursor<'_>, prefix: &[u8]) -> Result<TermPostings> {
    let mut chunks = Vec::new();
    let (mut parts, mut counters, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(behind) = cursor.key().strip_prefix(prefix) {
        let chunk = keyspace::decode_chunk(behind)?;
        cursor.each_operand(|part| parts.push(part))?;
        if memory.len() == chunks.len() {
            memory.extend(cursor.reserve(TERM_CHUNK_BYTES + prefix.len()));
        }
        let stored = StoredPostings::new(chunk, parts.drain(..));
        for part in stored.values() {
            counters.push(Postings::counters_of(part)?);
        }
        chunks.push(stored);
        cursor.next()?;
    }
    if memory.len() < chunks.len() {
        memory.clear();
    }
    let TermCounters { df, ttf } = TermCounters::total(counters.into_iter())?;
    let statistics =
        TermStatistics { df: count("term counters", df)?, ttf: count("term counters", ttf)? };
    Ok(TermPostings { statistics, chunks, memory })
}

fn field_statistics(value: &[u8]) -> Result<FieldStatistics> {
    let FieldCounters { documents, total_length } = FieldCounters::decode(value)?;
    Ok(FieldStatistics {
        documents: count("field statistics", documents)?,
        total_length: count("field statistics", total_length)?,
    })
}

/// A counter summed over the whole snapshot: what was added before is all that can be taken away.
fn count(what: &str, counter: i64) -> Result<u64> {
    let negative = |_| lsm::Error::corruption(format!("{what}: the sum is {counter}"), 0);
    Ok(u64::try_from(counter).map_err(negative)?)
}
