//! The group rewriter of text keyspaces: takes dead documents out of postings while they are compacted.
//!
//! A compaction shows it a term's entries; it asks the dead keyspace of the same collection, through the reader
//! of the compacted version, which documents to drop. Searches mask exactly these, so nobody sees a change.
//! Counters are left alone: removing a document has subtracted already. A value is dropped when it has no document left and its
//! counters are zeros, which changes no sum. Length codes of dead documents stay in the norms keyspace; nobody asks for them.
//!
//! Cost: entries without dead documents are kept undecoded. A pass loads each chunk's bitmap once, when it is
//! first met, and remembers at most 1,024 of them, 8 MiB.

use std::collections::HashMap;

use super::dead::DeadChunk;
use super::keyspace::{self, names};
use super::postings::{Postings, Retained, retain};
use crate::lsm::{GroupRewriter, KeyspaceId, Reader, Result, Rewrite, RewritePass};

/// Group rewriter of a text keyspace; its groups are the pairs of field and term.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextRewriter;

/// Bitmaps that a pass keeps in memory, of at most 8 KiB each.
const CACHED_BITMAPS_MAX: usize = 1024;

/// The dead documents of a collection, in one version.
struct DeadDocuments<'a> {
    reader: &'a dyn Reader,
    /// `None` when nothing was ever removed from the collection.
    keyspace: Option<KeyspaceId>,
    /// By chunk; `None` for a chunk without dead documents.
    cached: HashMap<u32, Option<DeadChunk>>,
    cached_bitmaps: usize,
}

impl GroupRewriter for TextRewriter {
    fn name(&self) -> &'static str {
        "text"
    }

    fn group_len(&self, key: &[u8]) -> usize {
        keyspace::group_len(key)
    }

    fn begin<'a>(
        &'a self,
        keyspace: &str,
        reader: &'a dyn Reader,
    ) -> Result<Box<dyn RewritePass + 'a>> {
        let dead = names::dead_of(keyspace).and_then(|name| reader.keyspace(&name));
        Ok(Box::new(DeadDocuments {
            reader,
            keyspace: dead,
            cached: HashMap::new(),
            cached_bitmaps: 0,
        }))
    }
}

impl RewritePass for DeadDocuments<'_> {
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<Rewrite> {
        let chunk = keyspace::decode(key)?.chunk;
        let postings = Postings::parse(value)?;
        if postings.count() == 0 && postings.counters().is_zero() {
            return Ok(Rewrite::Drop);
        }
        self.with_chunk(chunk, |dead| {
            if !dead.contains_any(postings.first()..=postings.last()) {
                return Ok(Rewrite::Keep);
            }
            retain(value, &mut |offset| !dead.contains(offset)).map(Rewrite::from)
        })
    }
}

impl DeadDocuments<'_> {
    /// What `rewrite` makes of an entry of the chunk, given the chunk's dead documents; entries of a chunk
    /// without any are kept.
    fn with_chunk(
        &mut self,
        chunk: u32,
        rewrite: impl FnOnce(&DeadChunk) -> Result<Rewrite>,
    ) -> Result<Rewrite> {
        let Some(keyspace) = self.keyspace else {
            return Ok(Rewrite::Keep);
        };
        if let Some(cached) = self.cached.get(&chunk) {
            return cached.as_ref().map_or(Ok(Rewrite::Keep), rewrite);
        }
        let value = self.reader.get(keyspace, &keyspace::dead_key(chunk))?;
        let dead = value.map(|value| DeadChunk::decode(&value)).transpose()?;
        let rewritten = dead.as_ref().map_or(Ok(Rewrite::Keep), rewrite);
        // Every term visits the chunks in the same order, so making room by forgetting the oldest would
        // forget what is needed next: the first ones stay instead.
        if dead.is_none() || self.cached_bitmaps < CACHED_BITMAPS_MAX {
            self.cached_bitmaps += usize::from(dead.is_some());
            self.cached.insert(chunk, dead);
        }
        rewritten
    }
}

impl From<Retained> for Rewrite {
    fn from(retained: Retained) -> Self {
        match retained {
            Retained::Everything => Rewrite::Keep,
            Retained::Part(value) => Rewrite::Replace(value),
            Retained::Nothing => Rewrite::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::Bytes;

    use super::*;
    use crate::fts::counters::TermCounters;
    use crate::fts::ids::FieldId;
    use crate::fts::impact::ImpactScale;
    use crate::fts::postings::PostingsBuilder;
    use crate::lsm::{Cursor, Error};

    const DEAD: KeyspaceId = KeyspaceId(4);

    /// A collection `notes` in which chunk 1 has dead documents, if any has.
    struct Version {
        dead: Option<DeadChunk>,
        reads: Cell<usize>,
    }

    impl Reader for Version {
        fn keyspace(&self, name: &str) -> Option<KeyspaceId> {
            (name == "notes/dead" && self.dead.is_some()).then_some(DEAD)
        }

        fn keyspace_names(&self) -> Vec<String> {
            Vec::new()
        }

        fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
            assert_eq!(keyspace, DEAD);
            self.reads.set(self.reads.get() + 1);
            let mut value = Vec::new();
            let dead = self.dead.as_ref().filter(|_| key == keyspace::dead_key(1));
            Ok(dead.map(|dead| dead.encode(&mut value)).map(|()| value.into()))
        }

        fn cursor(&self, _keyspace: KeyspaceId) -> Result<Cursor<'_>> {
            Err(Error::Closed)
        }
    }

    fn version(dead: Option<&[u16]>) -> Version {
        let dead = dead.map(|dead| dead.iter().copied().collect());
        Version { dead, reads: Cell::new(0) }
    }

    /// A value of documents at these offsets; that of one that was cut from more has other counters.
    fn postings(offsets: &[u16], counted: usize) -> Vec<u8> {
        let mut builder = PostingsBuilder::default();
        for &offset in offsets {
            builder.push(offset, 9, [u32::from(offset)]);
        }
        let more = i64::try_from(counted).unwrap() - i64::try_from(offsets.len()).unwrap();
        let mut out = Vec::new();
        let counters = TermCounters { df: more, ttf: more };
        builder.finish_into(counters, &ImpactScale::new(30.0), &mut out);
        out
    }

    #[test]
    fn dead_documents_leave_postings() {
        let version = version(Some(&[2, 3, 9]));
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        for (term, living, rest) in [
            (b"a", [1_u16, 2, 5].as_slice(), Some([1_u16, 5].as_slice())),
            (b"b", &[2, 3, 9], None),
            (b"c", &[1, 5], Some(&[1, 5])),
            (b"d", &[10, 11], Some(&[10, 11])),
        ] {
            let key = keyspace::postings_key(FieldId(1), term, 1);
            let counted = living.len();
            let expected = match rest {
                None => Rewrite::Replace(postings(&[], counted)),
                Some(rest) if rest == living => Rewrite::Keep,
                Some(rest) => Rewrite::Replace(postings(rest, counted)),
            };
            assert_eq!(pass.entry(&key, &postings(living, counted)).unwrap(), expected);
            // Another chunk has no dead documents.
            let key = keyspace::postings_key(FieldId(1), term, 2);
            assert_eq!(pass.entry(&key, &postings(living, counted)).unwrap(), Rewrite::Keep);
        }
        drop(pass);
        assert_eq!(version.reads.get(), 2, "each chunk is read once a pass");
    }

    #[test]
    fn values_without_documents_stay_unless_their_counters_are_zeros() {
        let version = version(Some(&[1]));
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        let key = keyspace::postings_key(FieldId(1), b"a", 1);
        assert_eq!(pass.entry(&key, &postings(&[], 1)).unwrap(), Rewrite::Keep);
        assert_eq!(pass.entry(&key, &postings(&[1], 0)).unwrap(), Rewrite::Drop);
        let mut zero = Vec::new();
        let parts = [postings(&[], 1), postings(&[], 3)];
        let mut minus = Vec::new();
        let counters = TermCounters { df: -4, ttf: -4 };
        PostingsBuilder::default().finish_into(counters, &ImpactScale::new(1.0), &mut minus);
        crate::fts::postings::join(&[&parts[0], &minus, &parts[1]], &mut zero).unwrap();
        assert_eq!(pass.entry(&key, &zero).unwrap(), Rewrite::Drop);
    }

    #[test]
    fn a_collection_from_which_nothing_was_removed_keeps_its_entries() {
        let version = version(None);
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        let key = keyspace::postings_key(FieldId(1), b"a", 1);
        assert_eq!(pass.entry(&key, &postings(&[1], 1)).unwrap(), Rewrite::Keep);
    }

    #[test]
    fn damaged_entries_are_errors() {
        let version = version(Some(&[1]));
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        let key = keyspace::postings_key(FieldId(1), b"a", 1);
        assert!(pass.entry(&key, &[7]).unwrap_err().is_corruption());
        assert!(pass.entry(&[1], &postings(&[1], 1)).unwrap_err().is_corruption());
    }
}
