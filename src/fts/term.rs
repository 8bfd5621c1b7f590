//! [`TermPostings`]: what an index has of a term, found and not decoded.
//!
//! The reader finds it, searches open its chunks; the index keeps it for the searches that follow, if there is memory. Cost: one step
//! for each entry of the term, of which there is one a chunk.

use bytes::Bytes;

use super::counters::{self, TermCounters};
use super::error::Result;
use super::keyspace;
use super::postings::Postings;
use crate::lsm::{Cursor, Reserved};

/// What a term and a chunk take at most beside the postings, as long as they are known.
const TERM_CHUNK_BYTES: usize = 256;

/// Exact numbers of a term in a field, over the live documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TermStatistics {
    /// Documents that hold the term.
    pub df: u64,
    /// Occurrences of the term in all documents.
    pub ttf: u64,
}

/// A term of a field: its numbers and its postings in all chunks.
#[derive(Debug, Default)]
pub struct TermPostings {
    /// Its numbers.
    pub statistics: TermStatistics,
    /// Its postings, by ascending chunk; dead documents included.
    pub chunks: Vec<StoredPostings>,
    /// What was reserved for each chunk; nothing when there was not enough for all.
    memory: Vec<Reserved>,
}

/// The postings of a term in one chunk, as they are stored: in as many parts as commits and compactions left, no document in
/// two of them.
#[derive(Debug, Clone)]
pub struct StoredPostings {
    /// The chunk.
    pub chunk: u32,
    /// The first part; compacted postings have no other.
    first: Bytes,
    others: Vec<Bytes>,
}

impl StoredPostings {
    /// Postings of these parts, of which there is at least one.
    pub fn new(chunk: u32, mut parts: impl Iterator<Item = Bytes>) -> Self {
        StoredPostings { chunk, first: parts.next().unwrap_or_default(), others: parts.collect() }
    }

    /// Whether there is one part, as there is once postings are compacted.
    pub fn is_whole(&self) -> bool {
        self.others.is_empty()
    }

    /// The parts; reads their directories only.
    pub fn parts(&self) -> impl Iterator<Item = Result<Postings<'_>>> {
        self.values().map(|bytes| Ok(Postings::parse(bytes)?))
    }

    fn values(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl TermPostings {
    /// Reads the entries whose keys begin with `prefix`, from the first of them on, where the cursor stands; it then stands
    /// behind them.
    pub(super) fn read(cursor: &mut Cursor<'_>, prefix: &[u8]) -> Result<Self> {
        let mut chunks = Vec::new();
        let (mut parts, mut counters, mut memory) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(behind) = cursor.key().strip_prefix(prefix) {
            let chunk = keyspace::decode_chunk(behind)?;
            cursor.each_operand(|part| parts.push(part))?;
            if memory.len() == chunks.len() {
                let of_parts = parts.len() * size_of::<Bytes>();
                memory.extend(cursor.reserve(TERM_CHUNK_BYTES + prefix.len() + of_parts));
            }
            let stored = StoredPostings::new(chunk, parts.drain(..));
            for part in stored.values() {
                counters.push(Postings::counters_of(part)?);
            }
            chunks.push(stored);
            cursor.next()?;
        }
        if memory.len() < chunks.len() {
            memory.clear();
        }
        let TermCounters { df, ttf } = TermCounters::total(counters.into_iter())?;
        let statistics = TermStatistics {
            df: counters::count("term counters", df)?,
            ttf: counters::count("term counters", ttf)?,
        };
        Ok(TermPostings { statistics, chunks, memory })
    }

    /// Whether the memory for all of it is its own, so that it may be kept.
    pub(super) fn has_memory(&self) -> bool {
        !self.memory.is_empty()
    }

    /// The postings in one chunk.
    pub fn in_chunk(&self, chunk: u32) -> Option<&StoredPostings> {
        let place = self.chunks.binary_search_by_key(&chunk, |stored| stored.chunk);
        place.ok().and_then(|place| self.chunks.get(place))
    }
}
