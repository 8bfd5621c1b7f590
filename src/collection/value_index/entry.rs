//! Entries of a value index: how a key and a document become a key and a value of its keyspace, and back.
//!
//! Written by `indexer`, read by `index`, dropped by compactions once their documents are dead. The layout is described here:
#![doc = include_str!("../../../docs/format/value_index.md")]
//! Cost: a copy of the key; a compaction holds the dead of all chunks that it meets, 8 KiB each at most.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::super::documents::DeadDocuments;
use crate::fts::{DeadChunk, DocId, names};
use crate::lsm::{
    self, ByteReader, GroupRewriter, KEY_BYTES_MAX, KeyspaceOptions, Reader, Rewrite, RewritePass,
};

/// Bytes that a key of a document may have.
pub(super) const INDEX_KEY_BYTES_MAX: usize = KEY_BYTES_MAX - DOC_ID_BYTES;
/// The key of the mark; those of entries begin with greater bytes.
pub(super) const MARK_KEY: [u8; 1] = [0];

const DOC_ID_BYTES: usize = 6;
const MARK_VERSION: u8 = 1;
const NAME: &str = "value";

/// Group rewriter of value indexes: drops the entries of dead documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct ValueRewriter;

/// How the keyspace of a value index is created.
pub(super) fn keyspace_options(unique: bool) -> KeyspaceOptions {
    let rewriter = (!unique).then(|| NAME.to_owned());
    // Only unique keys are looked up; others are walked.
    let defaults = KeyspaceOptions::default();
    let filter_bits_per_key = if unique { defaults.filter_bits_per_key } else { 0 };
    KeyspaceOptions { group_rewriter: rewriter, filter_bits_per_key, ..defaults }
}

/// The key under which a document stands that shares its key with others.
pub(super) fn shared_key(key: &[u8], doc: DocId) -> Vec<u8> {
    [key, &doc.to_key()].concat()
}

/// Takes apart what [`shared_key`] joined.
pub(super) fn split_shared_key(entry: &[u8]) -> lsm::Result<(&[u8], DocId)> {
    let damaged = || ByteReader::new("entry of a value index", entry).error("it is too short");
    let (key, doc) = entry.split_last_chunk::<DOC_ID_BYTES>().ok_or_else(damaged)?;
    Ok((key, DocId::from_key(doc)?))
}

/// The mark that says which fields met arrays: bit i for field i.
pub(super) fn encode_mark(arrays: u32) -> Vec<u8> {
    let mut mark = vec![MARK_VERSION];
    mark.extend_from_slice(&arrays.to_le_bytes());
    mark
}

/// Reads what [`encode_mark`] wrote.
pub(super) fn decode_mark(mark: &[u8]) -> lsm::Result<u32> {
    let mut reader = ByteReader::new("mark of a value index", mark);
    let version = reader.u8()?;
    if version != MARK_VERSION {
        return Err(reader.error(format_args!("version {version} is not known")));
    }
    let arrays = reader.u32()?;
    reader.expect_end()?;
    Ok(arrays)
}

impl GroupRewriter for ValueRewriter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn group_len(&self, key: &[u8]) -> usize {
        key.len()
    }

    fn ignores_values(&self) -> bool {
        true
    }

    fn begin<'a>(
        &'a self,
        keyspace: &str,
        reader: &'a dyn Reader,
    ) -> lsm::Result<Box<dyn RewritePass + 'a>> {
        let dead = names::dead_of(keyspace).and_then(|name| reader.keyspace(&name));
        Ok(Box::new(ValuePass { dead: DeadDocuments::new(reader, dead), chunks: BTreeMap::new() }))
    }
}

/// Keys name documents in no order of theirs, so all chunks that were met are kept.
struct ValuePass<'r> {
    dead: DeadDocuments<'r>,
    chunks: BTreeMap<u32, DeadChunk>,
}

impl RewritePass for ValuePass<'_> {
    fn entry(&mut self, key: &[u8], _value: &[u8]) -> lsm::Result<Rewrite> {
        if key == MARK_KEY {
            return Ok(Rewrite::Keep);
        }
        let (_, doc) = split_shared_key(key)?;
        let chunk = match self.chunks.entry(doc.chunk()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.dead.load(doc.chunk())?),
        };
        Ok(if chunk.contains(doc.offset()) { Rewrite::Drop } else { Rewrite::Keep })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_page_shows_true_bytes() {
        let hex = |bytes: &[u8]| {
            let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            hex.join(" ")
        };
        let page = include_str!("../../../docs/format/value_index.md");
        let mut key = Vec::new();
        crate::bson::sort_key(7.into(), &mut key).unwrap();
        assert!(page.contains(&hex(&shared_key(&key, DocId::new(3).unwrap()))));
        assert!(page.contains(&hex(&encode_mark(1))));
    }

    #[test]
    fn what_nobody_wrote_is_corruption() {
        assert!(split_shared_key(&[1, 2, 3]).is_err());
        for mark in [&[][..], &[1, 0, 0, 0], &[2, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0]] {
            assert!(decode_mark(mark).is_err(), "{mark:?}");
        }
        assert_eq!(decode_mark(&encode_mark(5)).unwrap(), 5);
    }
}
