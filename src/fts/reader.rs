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

use super::analysis::Analyzer;
use super::analyzers::Analyzers;
use super::counters::{self, FieldStatistics as FieldCounters};
use super::dead::DeadChunk;
use super::dictionary::{TermVisitor, each_term};
use super::error::{Error, Result};
use super::ids::FieldId;
use super::index::{FieldStatistics, StoredLengths, TextIndex};
use super::indexer::{TextWalker, path_term};
use super::keyspace::{self, NormsKey, NormsKind, TextKey};
use super::pairs::Pairs;
use super::schema::{Field, TextIndexOptions};
use super::term::{TermPostings, TermStatistics};
use super::term_pattern::TermPattern;
use crate::lsm::{self, Cursor, KeyspaceId, Reader, Seek};

/// Reads one text index.
pub struct TextReader<'a> {
    reader: &'a dyn Reader,
    index: Arc<TextIndex>,
    /// Terms that were looked up and the index has no memory for, by what their keys begin with.
    terms: RefCell<BTreeMap<Vec<u8>, Arc<TermPostings>>>,
    /// Looks terms up, once there was one.
    cursor: RefCell<Option<Cursor<'a>>>,
}

/// Is shown entries of terms.
type TextVisitor<'v, E> = dyn FnMut(&TextKey<'_>, &[u8]) -> Result<(), E> + 'v;

/// Is shown entries of lengths and statistics.
type NormsVisitor<'v, E> = dyn FnMut(&NormsKey, &[u8]) -> Result<(), E> + 'v;

/// Is shown entries as they are stored.
type Visitor<'v, E> = dyn FnMut(&[u8], &[u8]) -> Result<(), E> + 'v;

impl<'a> TextReader<'a> {
    /// Reads `index`, which was opened in the state that `reader` shows.
    pub fn new(reader: &'a dyn Reader, index: Arc<TextIndex>) -> Self {
        let (terms, cursor) = (RefCell::default(), RefCell::default());
        TextReader { reader, index, terms, cursor }
    }

    /// The analyzers that the index was written with.
    pub fn analyzers(&self) -> &Analyzers {
        self.index.walker.analyzers()
    }

    /// The analyzer of fields without one of their own.
    pub fn analyzer(&self) -> &Analyzer {
        self.analyzers().default()
    }

    /// The pairs of words that the index has as terms.
    pub fn pairs(&self) -> &Pairs {
        self.index.walker.pairs()
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
        // Without the byte that ends the term, so that longer terms begin with it too.
        prefix.pop();
        let mut cursor = self.reader.cursor(self.index.text)?.prefix(&prefix);
        let mut valid = below.len() == path_term(&below).len() && cursor.first()?;
        while valid && found.len() < limit {
            let term = keyspace::decode(cursor.key())?.term.into_owned();
            if TermPostings::read(&mut cursor, &keyspace::term_prefix(FieldId::PATHS, &term))?
                .statistics
                .df
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
        let found = Arc::new(TermPostings::read(cursor, &prefix)?);
        if found.has_memory() {
            self.index.terms.keep(prefix, Arc::clone(&found));
        } else {
            self.terms.borrow_mut().insert(prefix, Arc::clone(&found));
        }
        Ok(found)
    }

    /// Passes the terms of a field that fit `pattern` to `visit`, in the order of their bytes, each with its distance and its
    /// postings; terms that no live document holds are among them. Cost: a step for each term that may fit.
    ///
    /// # Errors
    /// Those of `visit`, and corruption.
    pub fn each_term(
        &self,
        field: FieldId,
        pattern: &TermPattern,
        visit: &mut TermVisitor<'_>,
    ) -> Result<()> {
        each_term(self.reader, self.index.text, (field, pattern), visit)
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

fn field_statistics(value: &[u8]) -> Result<FieldStatistics> {
    let FieldCounters { documents, total_length } = FieldCounters::decode(value)?;
    Ok(FieldStatistics {
        documents: counters::count("field statistics", documents)?,
        total_length: counters::count("field statistics", total_length)?,
    })
}
