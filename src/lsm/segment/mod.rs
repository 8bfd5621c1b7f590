//! Segments: immutable sorted pieces of one keyspace, each one contiguous stream of bytes in one extent.
//!
//! Flushes and compactions write them with [`SegmentWriter`], which produces the stream and does no I/O;
//! versions hold them as [`Segment`], which reads through [`Storage`](crate::lsm::Storage) and the block
//! cache; the manifest keeps a [`SegmentSummary`] of each.
//!
//! The parts stand in the order in which a writer learns them, so that nothing is buffered but the open
//! leaf block, the indexes, a hash of each key and names: values and leaf blocks as they fill, the index when the last leaf is
//! known, the properties and the filter when everything is counted, the footer when all offsets are. All offsets are
//! counted from the segment's first byte and every checksum is seeded with the segment's id and such an offset, so a
//! segment is relocated by copying it.
//!
//! Invariants: keys strictly ascend; a segment has at least one entry; every byte but the padding before
//! values is covered by a checksum that is verified before the byte is used.
//!
//! Cost of a point read: the filter and the index block are in memory while the budget allows, then one leaf block
//! and, for an external value, one read for it; each of them from the cache or the storage.
#![doc = ""]
#![doc = include_str!("../../../docs/format/segment.md")]

mod check;
mod cursor;
mod filter;
mod footer;
mod index;
mod mapped;
mod names;
mod parts;
mod properties;
mod reader;
mod summary;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use cursor::SegmentCursor;
pub(crate) use filter::KeyHash;
pub(crate) use footer::{FOOTER_BYTES, FOOTER_MAGIC};
pub(crate) use parts::{LeafPart, SegmentParts, find_segment};
pub(crate) use reader::Segment;
pub(crate) use summary::SegmentSummary;
pub(crate) use writer::{SegmentLayout, SegmentWriter};
