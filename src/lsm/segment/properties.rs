//! The properties of a segment: what it says about itself, summed over all of its entries.
//!
//! The writer counts and appends them behind the index; the reader compares them with the summary that the
//! manifest keeps; `check` counts again. They have a checksum of their own, since they are no block.

use bytes::Bytes;

use super::footer::Footer;
use super::summary::{
    Referred, SegmentSummary, commits, end, key, put_commits, put_end, put_key, put_referred,
    referred,
};
use crate::lsm::cipher::{Owner, Sealer};
use crate::lsm::codec::checksum::checksum;
use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::Result;
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::ranges::KeyEnd;

const CHECKSUM_BYTES: usize = 8;

/// What a segment holds, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SegmentCounts {
    /// Entries of all kinds.
    pub entries: u64,
    /// Entries that delete their key.
    pub tombstones: u64,
    /// Entries that hold an operand.
    pub merges: u64,
    pub leaf_blocks: u64,
    /// Leaf blocks that are compressed; without any the segment can be read in place.
    pub compressed_leaf_blocks: u64,
    /// Bytes of all keys and values, before prefix sharing and compression.
    pub raw_bytes: u64,
    /// Values that stand in the value area.
    pub external_values: u64,
    /// Bytes that they take there, without padding.
    pub external_bytes: u64,
    pub ranges: u64,
    /// Length of the sealed block of range tombstones; 0 when there are none.
    pub range_bytes: u64,
    /// Names that are listed, and how they are.
    pub names: NameCounts,
}

/// What the list of names of a segment takes; zeros when there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NameCounts {
    pub names: u64,
    pub blocks: u64,
    /// Bytes of the sealed blocks and of the sealed index over them, which stands behind.
    pub bytes: u64,
    pub index_bytes: u64,
}

impl NameCounts {
    pub(super) fn is_empty(&self) -> bool {
        *self == NameCounts::default()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.names, self.blocks, self.bytes, self.index_bytes] {
            put_varint(out, number);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, which is not empty.
    fn decode(reader: &mut ByteReader<'_>) -> Result<NameCounts> {
        let counts = NameCounts {
            names: reader.varint()?,
            blocks: reader.varint()?,
            bytes: reader.varint()?,
            index_bytes: reader.varint()?,
        };
        let NameCounts { names, blocks, bytes, index_bytes } = counts;
        if blocks == 0
            || names < blocks
            || index_bytes == 0
            || bytes.checked_add(index_bytes).is_none()
        {
            return Err(reader.error(format_args!("its names contradict each other: {counts:?}")));
        }
        Ok(counts)
    }
}

impl SegmentCounts {
    /// Counts an entry; `external_bytes` is what its value takes in the value area, if it stands there.
    pub(super) fn count(&mut self, kind: EntryKind, raw_bytes: usize, external_bytes: Option<u64>) {
        self.entries += 1;
        self.tombstones += u64::from(kind == EntryKind::Delete);
        self.merges += u64::from(kind == EntryKind::Merge);
        self.raw_bytes += raw_bytes as u64;
        self.external_values += u64::from(external_bytes.is_some());
        self.external_bytes += external_bytes.unwrap_or(0);
    }
}

/// A segment's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Properties {
    pub id: SegmentId,
    pub keyspace: KeyspaceId,
    pub smallest: Bytes,
    pub end: KeyEnd,
    pub commits: (CommitNo, CommitNo),
    pub counts: SegmentCounts,
    pub referred: Referred,
    /// What the keyspace is, as the manifest says it: for who has lost that.
    pub description: Bytes,
}

impl Properties {
    /// What the manifest keeps of a segment with these properties that is `bytes` long.
    pub(super) fn summary(&self, bytes: u64) -> SegmentSummary {
        SegmentSummary {
            id: self.id,
            keyspace: self.keyspace,
            smallest: self.smallest.clone(),
            end: self.end.clone(),
            entries: self.counts.entries,
            tombstones: self.counts.tombstones,
            ranges: self.counts.ranges,
            bytes,
            commits: self.commits,
            referred: self.referred.clone(),
        }
    }

    /// Appends the properties, which are to stand `offset` bytes into the segment.
    pub(super) fn encode(&self, sealer: &Sealer, offset: u64, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        put_varint(out, self.id.0);
        put_varint(out, u64::from(self.keyspace.0));
        put_key(out, &self.smallest);
        put_end(out, &self.end);
        put_commits(out, self.commits);
        put_varint(out, self.counts.entries);
        put_varint(out, self.counts.tombstones);
        put_varint(out, self.counts.merges);
        put_varint(out, self.counts.leaf_blocks);
        put_varint(out, self.counts.compressed_leaf_blocks);
        put_varint(out, self.counts.raw_bytes);
        put_varint(out, self.counts.external_values);
        put_varint(out, self.counts.external_bytes);
        put_varint(out, self.counts.ranges);
        put_varint(out, self.counts.range_bytes);
        put_referred(out, &self.referred);
        put_varint(out, self.description.len() as u64);
        out.extend_from_slice(&self.description);
        if !self.counts.names.is_empty() {
            self.counts.names.encode(out);
        }
        sealer.seal(Owner::Segment(self.id), offset, &[], start, out)?;
        let sum = checksum(self.id.0, offset, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        Ok(())
    }

    /// Decodes the properties of `segment`, to which `footer` leads.
    pub(super) fn decode(
        sealer: &Sealer,
        bytes: &Bytes,
        segment: SegmentId,
        footer: &Footer,
    ) -> Result<Properties> {
        let offset = footer.properties_offset;
        let mut reader = ByteReader::new("segment properties", bytes);
        let summed = reader.take(bytes.len().saturating_sub(CHECKSUM_BYTES))?;
        let expected = reader.u64()?;
        let found = checksum(segment.0, offset, summed);
        if found != expected {
            return Err(
                reader.error(format_args!("checksum {found:016x}, {expected:016x} expected"))
            );
        }
        let plain =
            sealer.open(Owner::Segment(segment), offset, &[], bytes.slice(..summed.len()))?;
        let mut reader = ByteReader::new("segment properties", &plain);
        let mut properties = Properties {
            id: SegmentId(reader.varint()?),
            keyspace: KeyspaceId(reader.varint_u32()?),
            smallest: key(&mut reader)?,
            end: end(&mut reader)?,
            commits: commits(&mut reader)?,
            counts: SegmentCounts {
                entries: reader.varint()?,
                tombstones: reader.varint()?,
                merges: reader.varint()?,
                leaf_blocks: reader.varint()?,
                compressed_leaf_blocks: reader.varint()?,
                raw_bytes: reader.varint()?,
                external_values: reader.varint()?,
                external_bytes: reader.varint()?,
                ranges: reader.varint()?,
                range_bytes: reader.varint()?,
                names: NameCounts::default(),
            },
            referred: referred(&mut reader)?,
            description: description(&mut reader)?,
        };
        if footer.lists_names {
            properties.counts.names = NameCounts::decode(&mut reader)?;
        }
        reader.expect_end()?;
        Ok(properties)
    }
}

fn description(reader: &mut ByteReader<'_>) -> Result<Bytes> {
    let len = reader.varint_usize()?;
    Ok(Bytes::copy_from_slice(reader.take(len)?))
}
