//! The group rewriter of text keyspaces: takes dead documents out of postings while they are compacted.
//!
//! A compaction shows it a term's entries; it asks the dead keyspace of the same collection, through the reader
//! of the compacted version, which documents to drop. Searches mask exactly these, so nobody sees a change.
//! Counters are left alone: removing a document has subtracted already. Only a sum of zeros is dropped, which
//! changes no other sum. Length codes of dead documents stay in the norms keyspace; nobody asks for them.
//!
//! Cost: entries without dead documents are kept undecoded. A pass loads each chunk's bitmap once, when it is
//! first met, and remembers at most 1,024 of them, 8 MiB.

use std::collections::HashMap;

use super::counters::TermCounters;
use super::dead::DeadChunk;
use super::keyspace::{self, TextKind, names};
use super::postings::{Positions, Postings, Retained, retain_positions, retain_postings};
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
        match keyspace::decode(key)?.kind {
            TextKind::Header => {
                let zero = TermCounters::decode(value)?.is_zero();
                Ok(if zero { Rewrite::Drop } else { Rewrite::Keep })
            }
            TextKind::Postings(chunk) => self.with_chunk(chunk, |dead| {
                let postings = Postings::parse(value)?;
                if !dead.contains_any(postings.first()..=postings.last()) {
                    return Ok(Rewrite::Keep);
                }
                retain_postings(value, &mut |offset| !dead.contains(offset)).map(Rewrite::from)
            }),
            TextKind::Positions(chunk) => self.with_chunk(chunk, |dead| {
                let positions = Positions::parse(value)?;
                if !dead.contains_any(positions.first()..=positions.last()) {
                    return Ok(Rewrite::Keep);
                }
                retain_positions(value, &mut |offset| !dead.contains(offset)).map(Rewrite::from)
            }),
        }
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
    use crate::fts::ids::FieldId;
    use crate::fts::postings::{PositionsBuilder, PostingsBuilder};
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

    fn postings(offsets: &[u16]) -> Vec<u8> {
        let mut builder = PostingsBuilder::default();
        for &offset in offsets {
            builder.push(offset, 1);
        }
        builder.finish()
    }

    fn positions(offsets: &[u16]) -> Vec<u8> {
        let mut builder = PositionsBuilder::default();
        for &offset in offsets {
            builder.push(offset, [u32::from(offset)]);
        }
        builder.finish()
    }

    #[test]
    fn dead_documents_leave_postings_and_positions() {
        let version = version(Some(&[2, 3, 9]));
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        for (term, living, rest) in [
            (b"a", [1_u16, 2, 5].as_slice(), Some([1_u16, 5].as_slice())),
            (b"b", &[2, 3, 9], None),
            (b"c", &[1, 5], Some(&[1, 5])),
            (b"d", &[10, 11], Some(&[10, 11])),
        ] {
            let expected = |encode: fn(&[u16]) -> Vec<u8>| match rest {
                None => Rewrite::Drop,
                Some(rest) if rest == living => Rewrite::Keep,
                Some(rest) => Rewrite::Replace(encode(rest)),
            };
            let key = keyspace::postings_key(FieldId(1), term, 1);
            assert_eq!(pass.entry(&key, &postings(living)).unwrap(), expected(postings));
            // Another chunk has no dead documents.
            let key = keyspace::postings_key(FieldId(1), term, 2);
            assert_eq!(pass.entry(&key, &postings(living)).unwrap(), Rewrite::Keep);
            let key = keyspace::positions_key(FieldId(1), term, 1);
            assert_eq!(pass.entry(&key, &positions(living)).unwrap(), expected(positions));
        }
        drop(pass);
        assert_eq!(version.reads.get(), 2, "each chunk is read once a pass");
    }

    #[test]
    fn headers_stay_unless_they_are_zero() {
        let version = version(Some(&[1]));
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        for (counters, expected) in [
            (TermCounters { df: 0, ttf: 0 }, Rewrite::Drop),
            (TermCounters { df: 0, ttf: 1 }, Rewrite::Keep),
            (TermCounters { df: -1, ttf: -2 }, Rewrite::Keep),
        ] {
            let mut value = Vec::new();
            counters.encode(&mut value);
            let key = keyspace::header_key(FieldId(1), b"a");
            assert_eq!(pass.entry(&key, &value).unwrap(), expected);
        }
    }

    #[test]
    fn a_collection_from_which_nothing_was_removed_keeps_its_entries() {
        let version = version(None);
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        let key = keyspace::postings_key(FieldId(1), b"a", 1);
        assert_eq!(pass.entry(&key, &postings(&[1])).unwrap(), Rewrite::Keep);
    }

    #[test]
    fn damaged_entries_are_errors() {
        let version = version(Some(&[1]));
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        let key = keyspace::postings_key(FieldId(1), b"a", 1);
        assert!(pass.entry(&key, &[7]).unwrap_err().is_corruption());
        assert!(pass.entry(&[1], &postings(&[1])).unwrap_err().is_corruption());
    }
}
