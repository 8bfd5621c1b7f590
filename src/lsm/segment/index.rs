//! The index of a segment: one block with an entry per leaf block.
//!
//! An entry's key is a *separator*: at least the last key of its leaf, less than the first key of the next
//! leaf, and as short as these two allow. Its value says where the leaf stands. So the leaf that may hold a
//! key is the one of the first separator that is not smaller. The writer builds it with [`IndexBuilder`].
//!
//! Every entry is a restart, because the index is searched far more often than it is read through; so the number of a
//! leaf in the segment is that of its restart, and readers move over leaves by counting.

use crate::lsm::block::{Block, BlockBuilder, BlockCursor, EntryValue};
use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};

const RESTART_INTERVAL: u32 = 1;

/// Where a leaf block stands, trailer included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeafHandle {
    /// From the segment's first byte.
    pub offset: u64,
    pub bytes: u64,
}

impl LeafHandle {
    /// The leaf with this number; leaves and the restarts of the index are counted alike.
    pub(super) fn of(index: &Block, number: usize) -> Result<LeafHandle> {
        let entry = index.restart_entry(number)?;
        LeafHandle::decode(entry.kind, index.inline_value(&entry))
    }

    /// The leaf of the entry on which `index` stands.
    pub(super) fn at(index: &BlockCursor) -> Result<LeafHandle> {
        LeafHandle::decode(index.kind(), index.inline_value())
    }

    fn decode(kind: EntryKind, value: Option<&[u8]>) -> Result<LeafHandle> {
        let (EntryKind::Put, Some(value)) = (kind, value) else {
            return Err(Error::corruption("index block: an entry does not name a leaf block", 0));
        };
        let mut reader = ByteReader::new("index entry", value);
        let handle = LeafHandle { offset: reader.varint()?, bytes: reader.varint()? };
        reader.expect_end()?;
        Ok(handle)
    }
}

/// Collects the index while leaf blocks are written.
#[derive(Debug)]
pub(super) struct IndexBuilder {
    block: BlockBuilder,
    /// The leaf whose separator is not known before the next leaf's first key.
    pending: Option<LeafHandle>,
}

impl IndexBuilder {
    pub(super) fn new() -> Self {
        IndexBuilder { block: BlockBuilder::new(RESTART_INTERVAL), pending: None }
    }

    /// A leaf block was written.
    pub(super) fn leaf_ended(&mut self, handle: LeafHandle) {
        debug_assert!(self.pending.is_none(), "a leaf begins between two ends");
        self.pending = Some(handle);
    }

    /// A leaf block begins with `first_key`; the one before it, if any, ended with `last_key`.
    pub(super) fn leaf_begins(&mut self, last_key: &[u8], first_key: &[u8]) {
        if let Some(handle) = self.pending.take() {
            self.add(&separator(last_key, first_key), handle);
        }
    }

    /// Completes the raw index block; `greatest` is the segment's last key.
    pub(super) fn finish(&mut self, greatest: &[u8]) -> &[u8] {
        if let Some(handle) = self.pending.take() {
            self.add(greatest, handle);
        }
        self.block.finish()
    }

    fn add(&mut self, separator: &[u8], handle: LeafHandle) {
        let mut value = Vec::with_capacity(20);
        put_varint(&mut value, handle.offset);
        put_varint(&mut value, handle.bytes);
        self.block.add(separator, EntryKind::Put, EntryValue::Inline(&value));
    }
}

/// The shortest key that is at least `left` and less than `right`, which is greater than `left`.
fn separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    let shared = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let (Some(&left_byte), Some(&right_byte)) = (left.get(shared), right.get(shared)) else {
        return left.to_vec();
    };
    if shared + 1 == left.len() {
        return left.to_vec();
    }
    if left_byte + 1 < right_byte {
        return raised(left, shared);
    }
    if shared + 1 < right.len() {
        return right[..=shared].to_vec();
    }
    // `right` ends with the byte above `left`'s, so what is wanted begins like `left` up to there.
    let rest = left.iter().skip(shared + 1).position(|&byte| byte != u8::MAX);
    match rest.map(|at| shared + 1 + at) {
        Some(at) if at + 1 < left.len() => raised(left, at),
        _ => left.to_vec(),
    }
}

/// `key` cut after the byte `at`, which is raised by one.
fn raised(key: &[u8], at: usize) -> Vec<u8> {
    let mut raised = key[..=at].to_vec();
    raised[at] += 1;
    raised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_stand_between_their_keys() {
        let cases: [(&[u8], &[u8], &[u8]); 9] = [
            (b"", b"a", b""),
            (b"abc", b"abcd", b"abc"),
            (b"gold", b"river", b"h"),
            (b"gold", b"h", b"gp"),
            (b"gold", b"house", b"h"),
            (b"g", b"house", b"g"),
            (b"a\xff\xff", b"b", b"a\xff\xff"),
            (b"a\xff\xffmm", b"b", b"a\xff\xffn"),
            (b"river 1", b"river 3 bank", b"river 1"),
        ];
        for (left, right, expected) in cases {
            assert_eq!(separator(left, right), expected, "{left:?} {right:?}");
        }
    }

    #[test]
    fn no_shorter_separator_exists() {
        let mut keys: Vec<Vec<u8>> = vec![Vec::new()];
        let alphabet = [0, 1, 2, 254, 255];
        let mut from = 0;
        for _ in 0..3 {
            let to = keys.len();
            for at in from..to {
                for byte in alphabet {
                    let mut longer = keys[at].clone();
                    longer.push(byte);
                    keys.push(longer);
                }
            }
            from = to;
        }
        keys.sort();
        for pair in keys.windows(2).chain(keys.windows(7)) {
            let (left, right) = (&pair[0], &pair[pair.len() - 1]);
            let found = separator(left, right);
            assert!(found >= *left && found < *right);
            let best = keys.iter().filter(|key| *key >= left && *key < right).map(Vec::len).min();
            assert!(found.len() <= best.unwrap(), "{left:?} {right:?} {found:?}");
        }
    }
}
