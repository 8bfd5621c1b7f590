//! One change of the version: what a flush, a compaction or a transaction that is no log group did.
//!
//! Written to the log when the output is durable; applied in memory, and again by recovery when it replays
//! the log. The layout stands in `docs/format/manifest.md`.

use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::error::Result;
use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{CommitNo, Extent, KeyspaceId, SegmentId};
use crate::lsm::segment::SegmentSummary;
use crate::lsm::value::PlacedValues;

/// A segment and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) level: u8,
    pub(crate) run: u64,
    pub(crate) extent: Extent,
    pub(crate) summary: SegmentSummary,
}

/// A change of the version.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Edit {
    /// Commits up to this one are in segments now.
    pub(crate) flushed: Option<CommitNo>,
    /// Keyspaces that these commits created. A log that holds the commits names them too, but there may be none.
    pub(crate) created: Vec<KeyspaceDescriptor>,
    /// Segments that are gone.
    pub(crate) removed: Vec<SegmentId>,
    /// Segments that change level: segment, new level, new run.
    pub(crate) moved: Vec<(SegmentId, u8, u64)>,
    /// Segments that were copied to another place.
    pub(crate) relocated: Vec<(SegmentId, Extent)>,
    /// Segments that are new. A run that its level does not have yet becomes its newest one.
    pub(crate) added: Vec<Placed>,
    /// Keyspaces that are gone with all that they hold; one that is created here may be among them.
    pub(crate) dropped: Vec<KeyspaceId>,
    /// Value segments that are new, or stand in another place from now on.
    pub(crate) values: Vec<PlacedValues>,
}

impl Placed {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.level);
        for number in [self.run, self.extent.start, self.extent.pages] {
            put_varint(out, number);
        }
        self.summary.encode(out);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Self> {
        let level = reader.u8()?;
        let run = reader.varint()?;
        let extent = extent(reader)?;
        Ok(Placed { level, run, extent, summary: SegmentSummary::decode(reader)? })
    }
}

fn extent(reader: &mut ByteReader<'_>) -> Result<Extent> {
    let extent = Extent::checked(reader.varint()?, reader.varint()?);
    extent.ok_or_else(|| reader.error("a segment's place is impossible"))
}

impl Edit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.flushed.map_or(0, |commit| commit.0 + 1));
        put_varint(&mut out, self.created.len() as u64);
        for descriptor in &self.created {
            descriptor.encode(&mut out);
        }
        put_varint(&mut out, self.removed.len() as u64);
        for id in &self.removed {
            put_varint(&mut out, id.0);
        }
        put_varint(&mut out, self.moved.len() as u64);
        for &(id, level, run) in &self.moved {
            put_varint(&mut out, id.0);
            out.push(level);
            put_varint(&mut out, run);
        }
        put_varint(&mut out, self.relocated.len() as u64);
        for &(id, extent) in &self.relocated {
            for number in [id.0, extent.start, extent.pages] {
                put_varint(&mut out, number);
            }
        }
        put_varint(&mut out, self.added.len() as u64);
        for placed in &self.added {
            placed.encode(&mut out);
        }
        put_varint(&mut out, self.dropped.len() as u64);
        for id in &self.dropped {
            put_varint(&mut out, u64::from(id.0));
        }
        put_varint(&mut out, self.values.len() as u64);
        for placed in &self.values {
            placed.encode(&mut out);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new("manifest edit", bytes);
        let mut edit =
            Edit { flushed: reader.varint()?.checked_sub(1).map(CommitNo), ..Edit::default() };
        for _ in 0..reader.varint()? {
            edit.created.push(KeyspaceDescriptor::decode(&mut reader)?);
        }
        for _ in 0..reader.varint()? {
            edit.removed.push(SegmentId(reader.varint()?));
        }
        for _ in 0..reader.varint()? {
            edit.moved.push((SegmentId(reader.varint()?), reader.u8()?, reader.varint()?));
        }
        for _ in 0..reader.varint()? {
            let id = SegmentId(reader.varint()?);
            edit.relocated.push((id, extent(&mut reader)?));
        }
        for _ in 0..reader.varint()? {
            edit.added.push(Placed::decode(&mut reader)?);
        }
        for _ in 0..reader.varint()? {
            edit.dropped.push(KeyspaceId(reader.varint_u32()?));
        }
        for _ in 0..reader.varint()? {
            edit.values.push(PlacedValues::decode(&mut reader)?);
        }
        reader.expect_end()?;
        Ok(edit)
    }
}
