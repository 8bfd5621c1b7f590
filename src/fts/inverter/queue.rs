//! [`TokenQueue`]: tokens that were added to an inverter and wait for their terms to be looked up together.
//!
//! A look-up in a large table waits for memory three times: for the slot, for the entry, and for the end of its list. Done one by one these times add up; of a queue
//! of tokens, first all slots, then all entries and the ends of their lists are read, and the processor waits for many of them at once. Cost: a copy of each long term.

use super::term_table::TermKey;

/// Tokens that are looked up together.
const QUEUE_LEN: usize = 32;

/// Tokens in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct TokenQueue {
    tokens: Vec<QueuedToken>,
    /// Those of their terms that are not short, one after the other.
    terms: Vec<u8>,
}

/// A token whose term stands at `start..end`, unless it is short: then its key says all.
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
        if !key.is_short() {
            self.terms.extend_from_slice(term);
        }
        let end = self.terms.len();
        self.tokens.push(QueuedToken { key, start, end, document, position });
        self.tokens.len() >= QUEUE_LEN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens, with their terms if those are not short.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&QueuedToken, &[u8])> {
        self.tokens.iter().map(|token| (token, &self.terms[token.start..token.end]))
    }

    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.terms.clear();
    }
}
