//! [`SegmentSummary`]: what the manifest knows of a segment without reading it.
//!
//! The writer makes it, manifest edits carry it, and the reader compares it with the segment's own
//! properties before it believes either. Cloning shares the keys.

use bytes::Bytes;

use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::error::Result;
use crate::lsm::ids::{CommitNo, KEY_BYTES_MAX, KeyspaceId, SegmentId};

/// Identity, key range and sizes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentSummary {
    pub id: SegmentId,
    pub keyspace: KeyspaceId,
    pub smallest: Bytes,
    pub greatest: Bytes,
    /// Entries of all kinds, at least 1.
    pub entries: u64,
    /// Entries that delete their key.
    pub tombstones: u64,
    /// Bytes of the segment, footer included.
    pub bytes: u64,
    /// First and last commit whose entries may be in the segment.
    pub commits: (CommitNo, CommitNo),
}

impl SegmentSummary {
    /// Appends the summary; [`decode`](Self::decode) knows where it ends.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.id.0);
        put_varint(out, u64::from(self.keyspace.0));
        put_key(out, &self.smallest);
        put_key(out, &self.greatest);
        put_commits(out, self.commits);
        put_varint(out, self.entries);
        put_varint(out, self.tombstones);
        put_varint(out, self.bytes);
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Corruption when the numbers contradict each other or a key is too long.
    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<SegmentSummary> {
        let summary = SegmentSummary {
            id: SegmentId(reader.varint()?),
            keyspace: KeyspaceId(reader.varint_u32()?),
            smallest: key(reader)?,
            greatest: key(reader)?,
            commits: commits(reader)?,
            entries: reader.varint()?,
            tombstones: reader.varint()?,
            bytes: reader.varint()?,
        };
        if summary.smallest > summary.greatest
            || summary.entries == 0
            || summary.tombstones > summary.entries
        {
            return Err(reader.error(format_args!(
                "the numbers of segment {} contradict each other",
                summary.id
            )));
        }
        Ok(summary)
    }
}

pub(super) fn put_key(out: &mut Vec<u8>, key: &[u8]) {
    put_varint(out, key.len() as u64);
    out.extend_from_slice(key);
}

pub(super) fn key(reader: &mut ByteReader<'_>) -> Result<Bytes> {
    let len = reader.varint_usize()?;
    if len > KEY_BYTES_MAX {
        return Err(reader.error(format_args!("a key of {len} bytes is longer than any may be")));
    }
    Ok(Bytes::copy_from_slice(reader.take(len)?))
}

pub(super) fn put_commits(out: &mut Vec<u8>, (first, last): (CommitNo, CommitNo)) {
    put_varint(out, first.0);
    put_varint(out, last.0 - first.0);
}

pub(super) fn commits(reader: &mut ByteReader<'_>) -> Result<(CommitNo, CommitNo)> {
    let first = reader.varint()?;
    let last = first.checked_add(reader.varint()?);
    let last = last.ok_or_else(|| reader.error("a commit number exceeds 64 bits"))?;
    Ok((CommitNo(first), CommitNo(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_comes_back_and_contradictions_do_not() {
        let summary = SegmentSummary {
            id: SegmentId(300),
            keyspace: KeyspaceId(2),
            smallest: Bytes::new(),
            greatest: Bytes::from_static(b"zz"),
            entries: 1000,
            tombstones: 7,
            bytes: 1 << 33,
            commits: (CommitNo(5), CommitNo(500)),
        };
        let decode = |summary: &SegmentSummary| {
            let mut bytes = Vec::new();
            summary.encode(&mut bytes);
            bytes.push(0xEE);
            let mut reader = ByteReader::new("test", &bytes);
            SegmentSummary::decode(&mut reader).inspect(|_| assert_eq!(reader.rest(), [0xEE]))
        };
        assert_eq!(decode(&summary).unwrap(), summary);
        assert!(decode(&SegmentSummary { entries: 6, ..summary.clone() }).is_err());
        assert!(decode(&SegmentSummary { entries: 0, tombstones: 0, ..summary.clone() }).is_err());
        let smallest = Bytes::from_static(b"zzz");
        assert!(decode(&SegmentSummary { smallest, ..summary }).is_err());
    }
}
