//! [`TokenLists`]: bytes that are appended to many lists at once, in one piece of memory.
//!
//! The inverter keeps the tokens of each term in one. A list is a chain of blocks, each twice as long as the one before it: most terms
//! stay in the first, and few frequent ones take most of the bytes.
//!
//! ```text
//! block := content: 8, 16, 32 … 4,096 bytes   next block: u32, once it is full
//! ```
//! Invariant: the bytes of a list come back as they were appended. Cost: appending touches the end of one block; nothing is copied
//! when a list grows. The scheme is that of Lucene's byte slices and tantivy's unrolled lists.

use std::hint::black_box;

/// Bytes of the first block and of the longest ones.
const BLOCK_BYTES_MIN: u16 = 8;
const BLOCK_BYTES_MAX: u16 = 4096;
/// Bytes behind a block that name the next one.
const LINK_BYTES: usize = size_of::<u32>();

/// The memory of many lists.
#[derive(Debug, Default)]
pub(super) struct TokenLists {
    bytes: Vec<u8>,
}

/// One list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TokenList {
    first: u32,
    /// Where the next byte goes.
    next: u32,
    /// Bytes that are free in the last block.
    free: u16,
    /// Bytes of the last block; 0 when there is none.
    block_bytes: u16,
}

impl TokenList {
    pub(super) fn is_empty(&self) -> bool {
        self.block_bytes == 0
    }
}

impl TokenLists {
    /// Bytes that are filled.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Has the processor fetch the place to which the next byte of a list goes.
    #[inline]
    pub(super) fn fetch_end(&self, list: &TokenList) {
        black_box(self.bytes.get(list.next as usize).copied());
    }

    /// Appends a number in one to ten bytes, as varints of files.
    #[inline]
    pub(super) fn put_varint(&mut self, list: &mut TokenList, mut number: u64) {
        while number >= 0x80 {
            self.put(list, number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.put(list, number.to_le_bytes()[0]);
    }

    #[inline]
    fn put(&mut self, list: &mut TokenList, byte: u8) {
        if list.free == 0 {
            self.add_block(list);
        }
        self.bytes[list.next as usize] = byte;
        list.next += 1;
        list.free -= 1;
    }

    #[cold]
    fn add_block(&mut self, list: &mut TokenList) {
        let start = u32::try_from(self.bytes.len());
        let start = start.expect("invariant: tokens are drained long before they have 4 GiB");
        if list.is_empty() {
            list.first = start;
            list.block_bytes = BLOCK_BYTES_MIN;
        } else {
            let link = list.next as usize;
            self.bytes[link..link + LINK_BYTES].copy_from_slice(&start.to_le_bytes());
            list.block_bytes = (list.block_bytes * 2).min(BLOCK_BYTES_MAX);
        }
        list.next = start;
        list.free = list.block_bytes;
        self.bytes.resize(self.bytes.len() + usize::from(list.block_bytes) + LINK_BYTES, 0);
    }

    /// Replaces the content of `out` by that of a list.
    pub(super) fn read(&self, list: &TokenList, out: &mut Vec<u8>) {
        out.clear();
        if list.is_empty() {
            return;
        }
        let (mut start, mut block_bytes) = (list.first as usize, BLOCK_BYTES_MIN);
        loop {
            let end = start + usize::from(block_bytes);
            let last = list.next as usize;
            if (start..=end).contains(&last) {
                out.extend_from_slice(&self.bytes[start..last]);
                return;
            }
            out.extend_from_slice(&self.bytes[start..end]);
            let link = self.bytes[end..].first_chunk();
            let link = link.expect("invariant: a block ends with a link");
            start = u32::from_le_bytes(*link) as usize;
            block_bytes = (block_bytes * 2).min(BLOCK_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::put_varint;

    #[test]
    fn lists_that_grow_in_turns_keep_their_bytes() {
        let mut random = fastrand::Rng::with_seed(4);
        let mut lists = TokenLists::default();
        let mut all = vec![(TokenList::default(), Vec::new()); 50];
        let mut found = Vec::new();
        for _ in 0..60_000 {
            // The first lists grow much longer than the last.
            let place = random.usize(..50).min(random.usize(..50)).min(random.usize(..50));
            let number = random.u64(..) >> random.u32(..64);
            let (list, expected) = &mut all[place];
            lists.put_varint(list, number);
            put_varint(expected, number);
            if random.usize(..100) == 0 {
                lists.read(list, &mut found);
                assert_eq!(&found, expected);
            }
        }
        for (list, expected) in &all {
            lists.read(list, &mut found);
            assert_eq!(&found, expected);
        }
        assert!(all[0].1.len() > 3 * usize::from(BLOCK_BYTES_MAX), "{}", all[0].1.len());
    }
}
