//! The group rewriter of text keyspaces: takes dead documents out of postings while they are compacted, and computes impacts
//! anew that assume an average length of long ago.
//!
//! A compaction shows it a term's entries; it asks the dead keyspace of the same collection, through the reader
//! of the compacted version, which documents to drop. Searches mask exactly these, so nobody sees a change.
//! Counters are left alone: removing a document has subtracted already. A value is dropped when it has no document left and its
//! counters are zeros, which changes no sum. Length codes of dead documents stay in the norms keyspace; nobody asks for them.
//!
//! Impacts bound scores whatever average they assume, but the closer it is to that of the field now the better; whoever has
//! drifted too far gets new ones, from the norms keyspace of the same index.
//!
//! Cost: entries without dead documents and with good impacts are kept undecoded. A pass loads bitmaps and lengths of a chunk
//! once, when it is first met, and remembers at most 1,024 of the ones and 64 of the others, 8 MiB and 4 MiB.

use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

use bytes::Bytes;

use super::counters::FieldStatistics;
use super::dead::DeadChunk;
use super::ids::FieldId;
use super::impact::{Averages, ImpactScale};
use super::keyspace::{self, names};
use super::norms::LengthCodes;
use super::postings::{Postings, Rewritten, Weights, rewrite};
use crate::lsm::{GroupRewriter, KeyspaceId, Reader, Result, Rewrite, RewritePass};

/// Group rewriter of a text keyspace; its groups are the pairs of field and term.
#[derive(Debug, Clone, Copy, Default)]
pub struct TextRewriter;

/// Bitmaps that a pass keeps in memory, of at most 8 KiB each.
const CACHED_BITMAPS_MAX: usize = 1024;
/// Lengths of chunks that a pass keeps in memory, of at most 64 KiB each.
const CACHED_LENGTHS_MAX: usize = 64;
/// By what part averages may differ before impacts are computed anew: bounds lose less by it than by their rounding.
const DRIFT_MAX: f32 = 1.0 / 64.0;

/// A pass over one version.
struct Pass<'a> {
    reader: &'a dyn Reader,
    /// The dead documents of the collection; `None` when nothing was ever removed from it.
    dead: Option<KeyspaceId>,
    dead_chunks: Cache<u32, DeadChunk>,
    norms: Option<KeyspaceId>,
    /// For the average lengths of now.
    scales: Cache<FieldId, ImpactScale>,
    lengths: Cache<(FieldId, u32), Bytes>,
}

/// What was read of a version, the first `len_max` of which stay.
struct Cache<K, V> {
    known: HashMap<K, Option<Rc<V>>>,
    len: usize,
    len_max: usize,
}

impl GroupRewriter for TextRewriter {
    fn name(&self) -> &'static str {
        "text"
    }

    fn group_len(&self, key: &[u8]) -> usize {
        keyspace::group_len(key)
    }

    fn lists_names(&self) -> bool {
        true
    }

    fn begin<'a>(
        &'a self,
        keyspace: &str,
        reader: &'a dyn Reader,
    ) -> Result<Box<dyn RewritePass + 'a>> {
        let find = |name: Option<String>| name.and_then(|name| reader.keyspace(&name));
        Ok(Box::new(Pass {
            reader,
            dead: find(names::dead_of(keyspace)),
            dead_chunks: Cache::new(CACHED_BITMAPS_MAX),
            norms: find(names::norms_of(keyspace)),
            scales: Cache::new(usize::MAX),
            lengths: Cache::new(CACHED_LENGTHS_MAX),
        }))
    }
}

impl RewritePass for Pass<'_> {
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<Rewrite> {
        let key = keyspace::decode(key)?;
        let postings = Postings::parse(value)?;
        if postings.count() == 0 && postings.counters().is_zero() {
            return Ok(Rewrite::Drop);
        }
        let Pass { reader, dead, dead_chunks, norms, scales, lengths } = self;
        let dead = match *dead {
            Some(dead) => dead_chunks.get(key.chunk, || read_dead(*reader, dead, key.chunk))?,
            None => None,
        };
        let range = postings.first()..=postings.last();
        let dead = dead.filter(|dead| postings.count() > 0 && dead.contains_any(range));
        let mut weights = None;
        let (mut scale, mut codes) = (None, None);
        let field = key.field.of_lengths();
        if let Some(averages) = postings.averages() {
            scale = scales.get(field, || read_scale(*reader, *norms, field))?;
            scale = scale.filter(|scale| has_drifted(averages, scale.average()));
        }
        if scale.is_some() {
            let place = (field, key.chunk);
            codes = lengths.get(place, || read_lengths(*reader, *norms, place))?;
        }
        if let (Some(scale), Some(codes)) = (&scale, &codes) {
            weights = Some(Weights { lengths: LengthCodes::parse(codes)?, scale });
        }
        if dead.is_none() && weights.is_none() {
            return Ok(Rewrite::Keep);
        }
        let is_dead = |offset| dead.as_ref().is_some_and(|dead| dead.contains(offset));
        rewrite(value, &mut |offset| !is_dead(offset), weights).map(Rewrite::from)
    }
}

fn read_dead(reader: &dyn Reader, keyspace: KeyspaceId, chunk: u32) -> Result<Option<DeadChunk>> {
    let value = reader.get(keyspace, &keyspace::dead_key(chunk))?;
    value.map(|value| DeadChunk::decode(&value)).transpose()
}

/// For the average length of a field; `None` when it has no documents.
fn read_scale(
    reader: &dyn Reader,
    keyspace: Option<KeyspaceId>,
    field: FieldId,
) -> Result<Option<ImpactScale>> {
    let Some(keyspace) = keyspace else { return Ok(None) };
    let Some(value) = reader.get(keyspace, &keyspace::statistics_key(field))? else {
        return Ok(None);
    };
    let FieldStatistics { documents, total_length } = FieldStatistics::decode(&value)?;
    let (documents, total_length) = (u64::try_from(documents), u64::try_from(total_length));
    let known = documents.ok().zip(total_length.ok()).filter(|&(documents, _)| documents > 0);
    Ok(known.map(|(documents, length)| ImpactScale::of_documents(documents, length)))
}

fn read_lengths(
    reader: &dyn Reader,
    keyspace: Option<KeyspaceId>,
    (field, chunk): (FieldId, u32),
) -> Result<Option<Bytes>> {
    let Some(keyspace) = keyspace else { return Ok(None) };
    reader.get(keyspace, &keyspace::length_codes_key(field, chunk))
}

/// Whether impacts that assume `averages` are loose bounds where documents have `average` tokens.
fn has_drifted(averages: Averages, average: f32) -> bool {
    averages.least < average * (1.0 - DRIFT_MAX) || averages.greatest > average * (1.0 + DRIFT_MAX)
}

impl<K: Eq + Hash, V> Cache<K, V> {
    fn new(len_max: usize) -> Self {
        Cache { known: HashMap::new(), len: 0, len_max }
    }

    /// What stands under `key`, read when it is not known.
    fn get(&mut self, key: K, read: impl FnOnce() -> Result<Option<V>>) -> Result<Option<Rc<V>>> {
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let value = read()?.map(Rc::new);
        // Every term visits the chunks in the same order, so making room by forgetting the oldest would
        // forget what is needed next: the first ones stay instead.
        if value.is_none() || self.len < self.len_max {
            self.len += usize::from(value.is_some());
            self.known.insert(key, value.clone());
        }
        Ok(value)
    }
}

impl From<Rewritten> for Rewrite {
    fn from(rewritten: Rewritten) -> Self {
        match rewritten {
            Rewritten::Same => Rewrite::Keep,
            Rewritten::Changed(value) => Rewrite::Replace(value),
            Rewritten::Nothing => Rewrite::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytes::Bytes;

    use super::*;
    use crate::fts::counters::TermCounters;
    use crate::fts::length_code;
    use crate::fts::norms::LengthCodesBuilder;
    use crate::fts::postings::PostingsBuilder;
    use crate::lsm::{Cursor, Error};

    const DEAD: KeyspaceId = KeyspaceId(4);
    const NORMS: KeyspaceId = KeyspaceId(5);

    /// A collection `notes` in which chunk 1 has dead documents, if any has, and in which all documents have 30 tokens.
    struct Version {
        dead: Option<DeadChunk>,
        reads: Cell<usize>,
    }

    impl Reader for Version {
        fn keyspace(&self, name: &str) -> Option<KeyspaceId> {
            match name {
                "notes/dead" => Some(DEAD).filter(|_| self.dead.is_some()),
                "notes/norms.default" => Some(NORMS),
                _ => None,
            }
        }

        fn keyspace_names(&self) -> Vec<String> {
            Vec::new()
        }

        fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
            let mut value = Vec::new();
            if keyspace == NORMS {
                if key == keyspace::statistics_key(FieldId(1)) {
                    FieldStatistics { documents: 900, total_length: 27_000 }.encode(&mut value);
                } else {
                    let mut lengths = LengthCodesBuilder::default();
                    (0..900).for_each(|offset| lengths.push(offset, length_code::encode(30)));
                    lengths.finish_into(&mut value);
                }
                return Ok(Some(value.into()));
            }
            assert_eq!(keyspace, DEAD);
            self.reads.set(self.reads.get() + 1);
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
    fn impacts_that_assume_another_average_are_computed_anew() {
        let version = version(None);
        let mut pass = TextRewriter.begin("notes/text.default", &version).unwrap();
        let value = |average| {
            let mut builder = PostingsBuilder::default();
            (0..900).for_each(|offset| builder.push(offset, length_code::encode(30), [3]));
            let mut out = Vec::new();
            let scale = ImpactScale::new(average);
            builder.finish_into(TermCounters::default(), &scale, &mut out);
            out
        };
        let key = keyspace::postings_key(FieldId(1), b"a", 1);
        for average in [3.0, 29.0, 31.0, 1e9] {
            let expected = Rewrite::Replace(value(30.0));
            assert_eq!(pass.entry(&key, &value(average)).unwrap(), expected);
        }
        for average in [29.8, 30.0, 30.3] {
            assert_eq!(pass.entry(&key, &value(average)).unwrap(), Rewrite::Keep);
        }
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
