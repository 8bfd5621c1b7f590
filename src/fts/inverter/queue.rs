//! [`TokenQueue`]: tokens that were added to an inverter and wait for their terms to be looked up together.
//!
//! A look-up in a large table waits for memory twice, for the slot and for the entry. Done one by one these times add up; of a queue
//! of tokens, first all slots and then all entries are read, and the processor waits for many of them at once. Cost: a copy of each term.

use super::term_table::TermKey;

/// Tokens that are looked up together.
const QUEUE_LEN: usize = 32;

/// Tokens in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct TokenQueue {
    tokens: Vec<QueuedToken>,
    /// Their terms, one after the other.
    terms: Vec<u8>,
}

/// A token whose term stands at `start..end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueuedToken {
    pub(super) key: TermKey,
    start: usize,
    end: usize,
    pub(super) document: u64,
    pub(super) position: u32,
}

impl TokenQueue {
    /// Adds a token; whether the queue is full.
    pub(super) fn push(&mut self, key: TermKey, term: &[u8], document: u64, position: u32) -> bool {
        let start = self.terms.len();
        self.terms.extend_from_slice(term);
        let end = self.terms.len();
        self.tokens.push(QueuedToken { key, start, end, document, position });
        self.tokens.len() >= QUEUE_LEN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens, with their terms.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&QueuedToken, &[u8])> {
        self.tokens.iter().map(|token| (token, &self.terms[token.start..token.end]))
    }

    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.terms.clear();
    }
}
