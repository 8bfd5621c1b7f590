//! [`Inverter`]: gathers the tokens and lengths of documents that are added and removed, in memory.
//!
//! The indexer fills it, document by document; `drain` takes it apart. What it holds, and what always holds of it, is told by the header
//! of the module.

use std::collections::BTreeMap;
use std::fmt;

use super::queue::TokenQueue;
use super::term_table::TermTable;
use super::token_lists::{TokenList, TokenLists};
use crate::fts::counters::{FieldStatistics, TermCounters};
use crate::fts::error::Result;
use crate::fts::ids::{DocId, FieldId};
use crate::fts::keyspace::{self, IndexKeyspace};
use crate::fts::length_code;

/// Gathers what a transaction adds to a text index and takes from it.
#[derive(Default)]
pub struct Inverter {
    pub(super) terms: TermTable<TermTokens>,
    pub(super) tokens: TokenLists,
    /// Tokens that were not looked up yet.
    queue: TokenQueue,
    /// Numbers of the terms of these tokens, kept for its allocation.
    numbers: Vec<Option<u32>>,
    /// What removed documents take from the counters of a term, by its number.
    pub(super) removed: BTreeMap<u32, Removed>,
    pub(super) fields: BTreeMap<FieldId, FieldLengths>,
    /// What is added to all numbers of documents when they are drained.
    pub(super) shift: u64,
    /// Bytes of `removed` and `fields`.
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

/// Where the tokens of a (field, term) are.
#[derive(Debug, Default)]
pub(super) struct TermTokens {
    pub(super) list: TokenList,
    /// Position and document of the last token; meaningless without tokens.
    position: u32,
    document: u64,
}

/// What removed documents take from the counters of a term.
#[derive(Debug)]
pub(super) struct Removed {
    /// The document whose tokens were subtracted last.
    last: DocId,
    /// By chunk.
    pub(super) counters: BTreeMap<u32, TermCounters>,
}

/// What has gathered for one field.
#[derive(Debug, Default)]
pub(super) struct FieldLengths {
    pub(super) statistics: FieldStatistics,
    /// Length codes by number of the document, ascending.
    pub(super) codes: Vec<(u64, u8)>,
}

/// Bytes of which an inverter has to be drained at the latest, give or take a document: places in it are numbers of 32 bits.
pub const INVERTER_BYTES_MAX: usize = 1 << 30;

/// Bytes that an entry of a map takes beside what it holds, estimated from above.
const ENTRY_BYTES: usize = 32;
/// Bytes that the counters of removed documents take for a chunk, the smallest map included.
const REMOVED_BYTES: usize =
    size_of::<Removed>() + 11 * size_of::<(u32, TermCounters)>() + 2 * ENTRY_BYTES;

impl Inverter {
    /// Adds the token `term` at `position` of `field` in the document `doc`.
    ///
    /// For one field and term, documents ascend and a document's positions do not descend.
    ///
    /// # Errors
    /// [`Error::TermTooLong`](crate::fts::Error::TermTooLong); nothing was added.
    ///
    /// # Panics
    /// When documents or positions descend, here or in one of the next calls.
    pub fn add(&mut self, field: FieldId, term: &[u8], doc: DocId, position: u32) -> Result<()> {
        keyspace::check_term(term)?;
        let key = self.terms.key(field, term);
        if self.queue.push(key, term, doc.number(), position) {
            self.empty_queue();
        }
        Ok(())
    }

    pub(super) fn empty_queue(&mut self) {
        let Inverter { terms, tokens, queue, numbers, .. } = self;
        numbers.clear();
        numbers.extend(queue.iter().map(|(token, _)| terms.guess(token.key)));
        for (number, (token, term)) in numbers.iter_mut().zip(queue.iter()) {
            *number = number.filter(|&number| terms.is(number, token.key, term));
        }
        for &number in numbers.iter().flatten() {
            tokens.fetch_end(&terms.state(number).list);
        }
        for (number, (token, term)) in numbers.iter().zip(queue.iter()) {
            let number = number.unwrap_or_else(|| terms.number(token.key, term));
            terms.state(number).add(token.document, token.position, tokens);
        }
        queue.clear();
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
        let lengths = self.fields.entry(field).or_default();
        let ascends = lengths.codes.last().is_none_or(|&(last, _)| last < doc.number());
        assert!(ascends, "invariant: lengths of a field arrive by ascending document");
        lengths.codes.push((doc.number(), length_code::encode(length)));
        lengths.statistics.documents += 1;
        lengths.statistics.total_length += i64::from(length);
        self.heap_bytes += size_of::<(u64, u8)>();
    }

    /// Takes back one token `term` of `field` of the removed document `doc`.
    ///
    /// The caller analyses the removed text again and calls this once for every token, all tokens of a
    /// document's field before those of the next document's.
    ///
    /// # Errors
    /// [`Error::TermTooLong`](crate::fts::Error::TermTooLong); nothing was subtracted.
    pub fn subtract(&mut self, field: FieldId, term: &[u8], doc: DocId) -> Result<()> {
        keyspace::check_term(term)?;
        let number = self.terms.number(self.terms.key(field, term), term);
        let nothing = || Removed { last: doc, counters: BTreeMap::new() };
        let mut is_first = false;
        let removed = self.removed.entry(number).or_insert_with(|| {
            is_first = true;
            nothing()
        });
        is_first |= removed.last != doc;
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
            let lengths = self.fields.entry(field).or_default();
            lengths.statistics.documents -= 1;
            lengths.statistics.total_length -= i64::from(length);
        }
    }

    /// Has all documents that were added have numbers that are greater by so many, for those that were counted from 0 before
    /// their numbers were known.
    pub fn shift(&mut self, documents: u64) {
        self.shift += documents;
    }

    /// Bytes of memory that are filled.
    pub fn bytes(&self) -> usize {
        self.terms.bytes()
            + self.tokens.bytes()
            + self.fields.len() * (size_of::<FieldLengths>() + ENTRY_BYTES)
            + self.heap_bytes
    }

    /// Whether there is nothing to drain.
    pub fn is_empty(&self) -> bool {
        self.terms.len() == 0 && self.queue.is_empty() && self.fields.is_empty()
    }

    /// Tokens of the documents that were added, less those of removed ones.
    pub fn tokens(&self) -> i64 {
        self.fields.values().map(|lengths| lengths.statistics.total_length).sum()
    }

    /// How many documents of each field wait.
    pub fn field_lens(&self) -> impl Iterator<Item = (FieldId, usize)> {
        self.fields.iter().map(|(field, lengths)| (*field, lengths.codes.len()))
    }
}

impl TermTokens {
    fn add(&mut self, document: u64, position: u32, tokens: &mut TokenLists) {
        if self.list.is_empty() || document > self.document {
            tokens.put_varint(&mut self.list, (document - self.document) << 1 | 1);
            tokens.put_varint(&mut self.list, u64::from(position));
        } else {
            assert!(document == self.document, "invariant: documents of a term ascend");
            let gap = position.checked_sub(self.position);
            let gap = gap.expect("invariant: positions of a document do not descend");
            tokens.put_varint(&mut self.list, u64::from(gap) << 1);
        }
        (self.document, self.position) = (document, position);
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
