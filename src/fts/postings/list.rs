//! Postings: the documents of one chunk that hold a term, and how often each does.
//!
//! Built by the inverter, read by searches that need no positions. The payload of a document is its
//! frequency, at least 1. Cost: two to three bytes a document, and as many steps to read it.

use super::frame::{Entries, Frame, FrameBuilder, Payload, Retained, join, retain};
use crate::lsm::{ByteReader, Result, put_varint};

/// The postings of one term in one chunk; parsing reads the head only.
#[derive(Debug, Clone)]
pub struct Postings<'a> {
    frame: Frame<'a, Frequency>,
}

/// Iterates over postings as (offset, frequency); checks each, and ends after an error.
#[derive(Debug, Clone)]
pub struct PostingsIter<'a> {
    entries: Entries<'a, Frequency>,
}

/// Builds the value that [`Postings`] reads.
#[derive(Debug, Clone, Default)]
pub struct PostingsBuilder {
    frame: FrameBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Frequency(u32);

impl<'a> Postings<'a> {
    /// Reads the head of a value.
    ///
    /// # Errors
    /// Corruption when the head is none, or promises more documents than the bytes can hold.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Ok(Postings { frame: Frame::parse(bytes)? })
    }

    /// Offset of the first document.
    pub fn first(&self) -> u16 {
        self.frame.first
    }

    /// Offset of the last document.
    pub fn last(&self) -> u16 {
        self.frame.last
    }

    /// Number of documents, 1 to 65,536.
    pub fn count(&self) -> u32 {
        self.frame.count
    }

    /// Iterates over the documents, ascending.
    pub fn iter(&self) -> PostingsIter<'a> {
        PostingsIter { entries: self.frame.entries() }
    }
}

impl<'a> IntoIterator for &Postings<'a> {
    type Item = Result<(u16, u32)>;
    type IntoIter = PostingsIter<'a>;

    fn into_iter(self) -> PostingsIter<'a> {
        self.iter()
    }
}

impl Iterator for PostingsIter<'_> {
    type Item = Result<(u16, u32)>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        Some(entry.map(|(offset, Frequency(frequency))| (offset, frequency)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl PostingsBuilder {
    /// Adds the document at `offset`, which holds the term `frequency` times; offsets ascend.
    ///
    /// # Panics
    /// When `offset` is not greater than the one before, or `frequency` is 0.
    pub fn push(&mut self, offset: u16, frequency: u32) {
        assert!(frequency > 0, "invariant: a document of a posting list holds the term");
        Frequency(frequency).put(self.frame.document(offset));
    }

    /// Number of documents added.
    pub fn count(&self) -> u32 {
        self.frame.count()
    }

    /// The value; empty when no document was added, which is not a value that can be read.
    pub fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.finish_into(&mut out);
        out
    }

    /// Appends the value and leaves the builder empty, for the next chunk.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        self.frame.finish_into(out);
    }
}

/// Appends the postings of all `parts` of one chunk, in whatever order they come.
///
/// Associative and commutative. Copies parts that do not interleave without decoding them.
///
/// # Errors
/// Corruption for bytes that are no postings, and for a document that stands in two parts.
pub fn join_postings(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
    join::<Frequency>(parts, out)
}

/// Takes out of encoded postings the documents whose offsets `keep` refuses.
///
/// # Errors
/// Corruption for bytes that are no postings.
pub fn retain_postings(bytes: &[u8], keep: &mut dyn FnMut(u16) -> bool) -> Result<Retained> {
    retain::<Frequency>(bytes, keep)
}

impl<'a> Payload<'a> for Frequency {
    const WHAT: &'static str = "postings";
    const BYTES_MIN: u64 = 1;

    fn read(reader: &mut ByteReader<'a>) -> Result<Self> {
        match reader.varint_u32()? {
            0 => Err(reader.error("a frequency is 0")),
            frequency => Ok(Frequency(frequency)),
        }
    }

    fn put(self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.0));
    }
}
