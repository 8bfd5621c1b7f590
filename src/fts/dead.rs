//! Documents of a chunk that were removed: a bitmap of their offsets, and its merge operator.
//!
//! A commit writes one operand per chunk in which it removes documents; readers mask with the union, the
//! [`rewriter`](super::TextRewriter) drops what the union covers. Invariants: a chunk's set only grows;
//! equal sets have equal bytes. Cost: `contains` is a lookup in one roaring container, at most 8 KiB.
//! The value's bytes are described in `docs/format/postings.md`.

use std::ops::RangeInclusive;

use roaring::RoaringBitmap;

use super::keyspace;
use crate::lsm::{ByteReader, MergeOperator, Result};

/// The removed documents of one chunk, by their offsets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeadChunk {
    // All members are at most 65,535, so there is at most one container.
    offsets: RoaringBitmap,
}

/// Merge operator of the dead keyspace: union.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeadOperator;

const WHAT: &str = "dead documents";
const VERSION: u8 = 1;
/// First word of a portable roaring bitmap without run containers.
const COOKIE: u32 = 12_346;
/// Bytes of such a bitmap before the members of its only container.
const CONTAINER_OFFSET: u32 = 16;
/// Members up to which a container is a list.
const LIST_LEN_MAX: usize = 4096;
/// Bytes of a container that is a bitmap.
const BITMAP_BYTES: usize = 8192;

impl DeadChunk {
    /// Reads a value of the dead keyspace.
    ///
    /// # Errors
    /// Corruption for bytes that [`encode`](Self::encode) does not write. Allocates at most 8 KiB.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new(WHAT, bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(reader.error(format_args!("version {version} is not known")));
        }
        let portable = reader.clone().rest();
        check_portable(&mut reader)?;
        let offsets = RoaringBitmap::deserialize_from(portable)
            .map_err(|error| reader.error(format_args!("not a roaring bitmap: {error}")))?;
        Ok(DeadChunk { offsets })
    }

    /// Appends the value of the dead keyspace.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        put_portable(&self.offsets, out);
    }

    /// Adds a document; whether it was not there yet.
    pub fn insert(&mut self, offset: u16) -> bool {
        self.offsets.insert(u32::from(offset))
    }

    /// Whether the document at `offset` was removed.
    pub fn contains(&self, offset: u16) -> bool {
        self.offsets.contains(u32::from(offset))
    }

    /// Whether a document between two offsets was removed.
    pub fn contains_any(&self, offsets: RangeInclusive<u16>) -> bool {
        let range = u32::from(*offsets.start())..=u32::from(*offsets.end());
        self.offsets.range_cardinality(range) > 0
    }

    /// Number of removed documents, at most 65,536.
    pub fn len(&self) -> u32 {
        member_count(&self.offsets)
    }

    /// Whether no document of the chunk was removed.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Offsets of the removed documents, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.offsets.iter().map(narrow)
    }
}

impl FromIterator<u16> for DeadChunk {
    fn from_iter<I: IntoIterator<Item = u16>>(offsets: I) -> Self {
        DeadChunk { offsets: offsets.into_iter().map(u32::from).collect() }
    }
}

impl MergeOperator for DeadOperator {
    fn name(&self) -> &'static str {
        "dead"
    }

    fn merge(&self, key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        keyspace::decode_dead(key)?;
        let mut union = DeadChunk::default();
        for operand in operands {
            union.offsets |= DeadChunk::decode(operand)?.offsets;
        }
        union.encode(out);
        Ok(())
    }
}

fn put_portable(offsets: &RoaringBitmap, out: &mut Vec<u8>) {
    offsets.serialize_into(out).expect("invariant: writing to memory does not fail");
}

fn member_count(offsets: &RoaringBitmap) -> u32 {
    u32::try_from(offsets.len()).expect("invariant: a chunk has 65,536 documents")
}

fn narrow(offset: u32) -> u16 {
    u16::try_from(offset).expect("invariant: members are below 65,536")
}

/// Checks all of a portable roaring bitmap but its members: no container, or the one of offsets below
/// 65,536, a list or a bitmap as its length demands. So equal sets have equal bytes, and the length of
/// what is decoded is known beforehand.
fn check_portable(reader: &mut ByteReader<'_>) -> Result<()> {
    let cookie = reader.u32()?;
    if cookie != COOKIE {
        return Err(reader.error(format_args!("{cookie} does not open a plain roaring bitmap")));
    }
    match reader.u32()? {
        0 => return reader.expect_end(),
        1 => {}
        other => return Err(reader.error(format_args!("{other} containers, at most 1 expected"))),
    }
    let (key, len) = (reader.u16()?, usize::from(reader.u16()?) + 1);
    let offset = reader.u32()?;
    if key != 0 || offset != CONTAINER_OFFSET {
        return Err(
            reader.error(format_args!("container {key} at byte {offset}, 0 at 16 expected"))
        );
    }
    let is_list = len <= LIST_LEN_MAX;
    reader.take(if is_list { len * 2 } else { BITMAP_BYTES })?;
    reader.expect_end()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn encoded(chunk: &DeadChunk) -> Vec<u8> {
        let mut out = Vec::new();
        chunk.encode(&mut out);
        out
    }

    fn merged(operands: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        DeadOperator.merge(&keyspace::dead_key(7), operands, &mut out).unwrap();
        out
    }

    /// A set of random offsets, sparse or dense enough for a bitmap.
    fn random_set(rng: &mut fastrand::Rng) -> BTreeSet<u16> {
        let len = if rng.bool() { rng.usize(..20) } else { rng.usize(3000..9000) };
        (0..len).map(|_| rng.u16(..)).collect()
    }

    #[test]
    fn a_chunk_equals_its_set_and_merging_is_union_in_any_grouping() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..50 {
            let sets = [(); 3].map(|()| random_set(&mut rng));
            let chunks = sets.clone().map(|set| set.into_iter().collect::<DeadChunk>());
            let values = chunks.each_ref().map(encoded);
            for (set, (chunk, value)) in sets.iter().zip(chunks.iter().zip(&values)) {
                assert_eq!(&DeadChunk::decode(value).unwrap(), chunk);
                assert!(chunk.iter().eq(set.iter().copied()));
                assert_eq!(chunk.len() as usize, set.len());
                assert_eq!(chunk.is_empty(), set.is_empty());
                let (a, b) = (rng.u16(..), rng.u16(..));
                let (low, high) = (a.min(b), a.max(b));
                assert_eq!(chunk.contains(a), set.contains(&a));
                assert_eq!(chunk.contains_any(low..=high), set.range(low..=high).next().is_some());
            }
            let [a, b, c] = values.each_ref().map(Vec::as_slice);
            let all = merged(&[a, b, c]);
            assert_eq!(merged(&[&merged(&[a, b]), c]), all);
            assert_eq!(merged(&[a, &merged(&[c, b])]), all);
            let union: BTreeSet<u16> = sets.iter().flatten().copied().collect();
            assert!(DeadChunk::decode(&all).unwrap().iter().eq(union));
        }
    }

    #[test]
    fn a_full_chunk_comes_back() {
        let full: DeadChunk = (0..=u16::MAX).collect();
        assert_eq!(full.len(), 65_536);
        assert_eq!(DeadChunk::decode(&encoded(&full)).unwrap(), full);
    }

    #[test]
    fn the_format_page_shows_true_bytes() {
        let value = encoded(&[3, 258].into_iter().collect());
        let expected = [1, 0x3A, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 3, 0, 2, 1];
        assert_eq!(value, expected);
        let page = include_str!("../../docs/format/postings.md");
        assert!(
            page.contains("01  3A 30 00 00  01 00 00 00  00 00  01 00  10 00 00 00  03 00 02 01")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_an_error_or_a_chunk_with_these_bytes(
            bytes: Vec<u8>,
            at in 0..40_usize,
            flip: u8,
        ) {
            if let Ok(chunk) = DeadChunk::decode(&bytes) {
                prop_assert_eq!(encoded(&chunk), bytes);
            }
            let mut value = encoded(&(0..10).collect());
            if let Some(byte) = value.get_mut(at) {
                *byte ^= flip;
            }
            if let Ok(chunk) = DeadChunk::decode(&value) {
                prop_assert_eq!(encoded(&chunk), value);
            }
        }
    }
}
