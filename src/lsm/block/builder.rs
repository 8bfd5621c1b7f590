//! [`BlockBuilder`]: collects ascending entries and lays out the raw block.
//!
//! Used by the segment writer, for leaf blocks and for the index block. It never compresses and never
//! decides when a block is full: it only says how long the block is, or would be with one more entry.
//! Buffers are kept from block to block. Cost: one comparison with the key before, and a copy, an entry.

use super::entry::{ENTRY_HEAD_BYTES_MAX, EntryValue, key_head, put_entry, shared_len};
use super::parsed::{RESTART_BYTES, TAIL_BYTES};
use crate::lsm::cursor::EntryKind;

/// The longest restart interval that readers accept: it bounds the steps of a seek in a damaged block.
pub(super) const RESTART_INTERVAL_MAX: u32 = 256;

/// Lays out one block after the other.
#[derive(Debug)]
pub(crate) struct BlockBuilder {
    restart_interval: u32,
    /// Entries since the last restart, the restart itself included.
    run_len: u32,
    raw: Vec<u8>,
    restarts: Vec<Restart>,
    last_key: Vec<u8>,
}

/// Where a restart and its whole key stand in the raw block.
#[derive(Debug)]
struct Restart {
    offset: usize,
    key_start: usize,
    key_end: usize,
}

impl BlockBuilder {
    /// A builder that writes every `restart_interval`-th key in full; the interval is 1 to 256.
    pub(crate) fn new(restart_interval: u32) -> Self {
        assert!(
            (1..=RESTART_INTERVAL_MAX).contains(&restart_interval),
            "a restart interval of {restart_interval} is not within 1..={RESTART_INTERVAL_MAX}"
        );
        BlockBuilder {
            restart_interval,
            run_len: 0,
            raw: Vec::new(),
            restarts: Vec::new(),
            last_key: Vec::new(),
        }
    }

    /// Whether the block has no entry yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }

    /// Length of the raw block if it were finished now.
    pub(crate) fn raw_bytes(&self) -> usize {
        self.raw.len() + self.restarts.len() * RESTART_BYTES + TAIL_BYTES
    }

    /// Length of the raw block, at most, if it were finished after one more entry, with `value_bytes` of
    /// value or reference.
    pub(crate) fn raw_bytes_with(&self, key: &[u8], value_bytes: usize) -> usize {
        let key_bytes = if self.at_restart() {
            RESTART_BYTES + key.len()
        } else {
            key.len() - shared_len(&self.last_key, key)
        };
        self.raw_bytes() + ENTRY_HEAD_BYTES_MAX + key_bytes + value_bytes
    }

    /// The key added last, even if its block was cleared; empty before the first.
    pub(crate) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Adds an entry; its key is greater than the block's last one.
    pub(crate) fn add(&mut self, key: &[u8], kind: EntryKind, value: EntryValue<'_>) {
        debug_assert!(self.is_empty() || key > &self.last_key[..], "keys ascend");
        let at_restart = self.at_restart();
        let shared = if at_restart { 0 } else { shared_len(&self.last_key, key) };
        let offset = self.raw.len();
        let key_start = put_entry(&mut self.raw, shared, &key[shared..], kind, value);
        if at_restart {
            self.restarts.push(Restart { offset, key_start, key_end: key_start + key.len() });
            self.run_len = 0;
        }
        self.run_len += 1;
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(&key[shared..]);
    }

    /// Completes the raw block, which has at least one entry. [`clear`](Self::clear) starts the next one.
    pub(crate) fn finish(&mut self) -> &[u8] {
        let first = self.restarts.first().expect("invariant: a finished block has an entry");
        let prefix_len = shared_len(&self.raw[first.key_start..first.key_end], &self.last_key);
        for restart in &self.restarts {
            let head = key_head(&self.raw[restart.key_start + prefix_len..restart.key_end]);
            self.raw.extend_from_slice(&head.to_be_bytes());
        }
        for restart in &self.restarts {
            self.raw.extend_from_slice(&as_u32(restart.offset).to_le_bytes());
        }
        self.raw.extend_from_slice(&as_u32(prefix_len).to_le_bytes());
        self.raw.extend_from_slice(&as_u32(self.restarts.len()).to_le_bytes());
        &self.raw
    }

    /// Forgets the block's entries, all but the last key.
    pub(crate) fn clear(&mut self) {
        self.raw.clear();
        self.restarts.clear();
        self.run_len = 0;
    }

    fn at_restart(&self) -> bool {
        self.restarts.is_empty() || self.run_len == self.restart_interval
    }
}

fn as_u32(number: usize) -> u32 {
    u32::try_from(number).expect("invariant: a block is shorter than 4 GiB")
}
