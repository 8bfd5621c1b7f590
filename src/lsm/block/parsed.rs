//! [`Block`]: a raw block whose parts have been found and checked, ready to be searched.
//!
//! Made by the segment reader from opened or cached bytes; [`BlockCursor`](super::BlockCursor) moves over
//! it. Parsing checks the fixed parts in one pass over the restarts; entries are parsed when a cursor meets
//! them, each with its own checks. A clone shares the bytes.

use std::ops::Range;

use bytes::{Buf, Bytes};

use super::entry::{Entry, damaged, key_head};
use crate::lsm::codec::ByteReader;
use crate::lsm::error::Result;

/// Bytes that each restart costs behind the entries: its key head and its offset.
pub(super) const RESTART_BYTES: usize = HEAD_BYTES + OFFSET_BYTES;
/// Bytes at the very end: length of the common prefix, number of restarts.
pub(super) const TAIL_BYTES: usize = 4 + 4;
const HEAD_BYTES: usize = 8;
const OFFSET_BYTES: usize = 4;

/// A raw block. Invariants: at least one restart, the first at 0; restart offsets ascend within the entries.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    raw: Bytes,
    entries_end: usize,
    heads_end: usize,
    offsets_end: usize,
    /// How many leading bytes all keys have in common.
    prefix_len: usize,
}

impl Block {
    /// Finds and checks the parts of `raw`.
    ///
    /// # Errors
    /// Corruption when the restarts do not fit the bytes, do not ascend, or the first is not whole.
    pub(crate) fn parse(raw: Bytes) -> Result<Block> {
        let block = Block::parsed_before(raw)?;
        block.check_restarts()?;
        block.prefix()?;
        Ok(block)
    }

    /// Finds the parts of `raw`, which [`parse`](Self::parse) has accepted before.
    pub(crate) fn parsed_before(raw: Bytes) -> Result<Block> {
        let offsets_end = raw.len().checked_sub(TAIL_BYTES);
        let offsets_end = offsets_end.ok_or_else(|| damaged("too short for its tail", 0))?;
        let mut tail = ByteReader::new("block tail", &raw);
        tail.take(offsets_end)?;
        let prefix_len = tail.u32()? as usize;
        let restart_count = tail.u32()? as usize;
        let restart_bytes = restart_count.saturating_mul(RESTART_BYTES);
        let entries_end = offsets_end
            .checked_sub(restart_bytes)
            .ok_or_else(|| damaged("more restarts than bytes", offsets_end))?;
        let heads_end = entries_end + restart_count * HEAD_BYTES;
        Ok(Block { raw, entries_end, heads_end, offsets_end, prefix_len })
    }

    fn check_restarts(&self) -> Result<()> {
        let offsets = self.offsets();
        let first_is_zero = offsets.first().is_some_and(|&first| u32::from_le_bytes(first) == 0);
        let ascend = offsets
            .is_sorted_by(|&left, &right| u32::from_le_bytes(left) < u32::from_le_bytes(right));
        let inside = self.restart_offset(offsets.len().saturating_sub(1)) < Some(self.entries_end);
        if first_is_zero && ascend && inside {
            return Ok(());
        }
        Err(damaged("restart offsets do not ascend from 0 within the entries", self.heads_end))
    }

    /// Bytes that the block keeps in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.raw.len()
    }

    /// The raw bytes in `range`, which a parsed entry named.
    pub(super) fn slice(&self, range: Range<usize>) -> Bytes {
        self.raw.slice(range)
    }

    /// Like [`slice`](Self::slice), for the last one who wants something of the block.
    pub(super) fn into_slice(mut self, range: Range<usize>) -> Bytes {
        self.raw.truncate(range.end);
        self.raw.advance(range.start.min(self.raw.len()));
        self.raw
    }

    /// The raw bytes in `range`, without a share of them.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.raw.get(range).unwrap_or_default()
    }

    /// The entries, without what stands behind them.
    pub(super) fn entries(&self) -> &[u8] {
        self.raw.get(..self.entries_end).unwrap_or_default()
    }

    /// The entry that starts `at` bytes into the block.
    pub(super) fn entry(&self, at: usize) -> Result<Entry<'_>> {
        Entry::parse(self.entries(), at)
    }

    /// Number of restarts, at least 1.
    pub(crate) fn restart_count(&self) -> usize {
        self.offsets().len()
    }

    /// Offset of the restart with this index.
    pub(super) fn restart_offset(&self, index: usize) -> Option<usize> {
        self.offsets().get(index).map(|&offset| u32::from_le_bytes(offset) as usize)
    }

    /// Index of the last restart that starts before `at`; none when `at` is 0.
    pub(super) fn restart_before_offset(&self, at: usize) -> Option<usize> {
        let starts_before = |&offset: &[u8; 4]| (u32::from_le_bytes(offset) as usize) < at;
        self.offsets().partition_point(starts_before).checked_sub(1)
    }

    /// Index of the last restart whose key is at most `key`; 0 when there is none.
    pub(super) fn restart_before_key(&self, key: &[u8]) -> Result<usize> {
        Ok(self.restarts_below(key, true)?.saturating_sub(1))
    }

    /// Index of the first restart whose key is `key` or greater; the number of restarts when there is none.
    pub(crate) fn restart_ge(&self, key: &[u8]) -> Result<usize> {
        self.restarts_below(key, false)
    }

    /// How many restarts have a key that is smaller than `key`, or, if `or_equal`, is `key`.
    fn restarts_below(&self, key: &[u8], or_equal: bool) -> Result<usize> {
        let prefix = self.prefix()?;
        match key.strip_prefix(prefix) {
            Some(rest) => self.restarts_below_rest(key, rest, or_equal),
            None => Ok(if key < prefix { 0 } else { self.restart_count() }),
        }
    }

    /// The last restart that may begin the interval in which `key` stands; any one when `key` lacks the common prefix,
    /// which is not looked at: it stands far from all else that a search reads. None for a key that is too short for it.
    pub(super) fn restart_for(&self, key: &[u8]) -> Result<Option<usize>> {
        let Some(rest) = key.get(self.prefix_len..) else { return Ok(None) };
        Ok(Some(self.restarts_below_rest(key, rest, true)?.saturating_sub(1)))
    }

    /// Like [`restarts_below`](Self::restarts_below) for a key that goes on with `rest` behind the common prefix.
    fn restarts_below_rest(&self, key: &[u8], rest: &[u8], or_equal: bool) -> Result<usize> {
        let head = key_head(rest);
        let heads = self.heads();
        let (mut lower, mut upper) = (0, heads.len());
        while lower < upper {
            let middle = usize::midpoint(lower, upper);
            let mut order = heads.get(middle).map_or(0, |&h| u64::from_be_bytes(h)).cmp(&head);
            // Equal heads say nothing about what follows them: these keys are compared whole.
            if order.is_eq() {
                order = self.restart_key(middle)?.cmp(key);
            }
            #[cfg(test)]
            super::tests::COMPARISONS.set(super::tests::COMPARISONS.get() + 1);
            if order.is_lt() || or_equal && order.is_eq() {
                lower = middle + 1;
            } else {
                upper = middle;
            }
        }
        Ok(lower)
    }

    /// Checks what a seek relies on beyond what parsing checks; for `check`, which looks at every entry too.
    pub(super) fn check_restart(&self, index: usize) -> Result<()> {
        let key = self.restart_key(index)?;
        let rest = key.strip_prefix(self.prefix()?);
        let head = self.heads().get(index).map(|&head| u64::from_be_bytes(head));
        if rest.is_some() && rest.map(key_head) == head {
            return Ok(());
        }
        Err(damaged("a key head does not match its key", self.entries_end + index * HEAD_BYTES))
    }

    /// The bytes with which all keys begin.
    pub(super) fn prefix(&self) -> Result<&[u8]> {
        let first = self.entry(0)?;
        let prefix = first.unshared.get(..self.prefix_len).filter(|_| first.shared == 0);
        prefix.ok_or_else(|| damaged("the common prefix is not part of the first key", 0))
    }

    fn restart_key(&self, index: usize) -> Result<&[u8]> {
        let at = self.restart_offset(index).unwrap_or(self.entries_end);
        let entry = self.entry(at)?;
        if entry.shared != 0 {
            return Err(damaged("a restart does not hold its whole key", at));
        }
        Ok(entry.unshared)
    }

    fn heads(&self) -> &[[u8; HEAD_BYTES]] {
        self.raw.get(self.entries_end..self.heads_end).unwrap_or_default().as_chunks().0
    }

    fn offsets(&self) -> &[[u8; OFFSET_BYTES]] {
        self.raw.get(self.heads_end..self.offsets_end).unwrap_or_default().as_chunks().0
    }
}
