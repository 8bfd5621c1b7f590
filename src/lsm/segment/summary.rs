//! [`SegmentSummary`]: what the manifest knows of a segment without reading it.
//!
//! The writer makes it, manifest edits carry it, and the reader compares it with the segment's own
//! properties before it believes either. Cloning shares the keys.

use std::sync::Arc;

use bytes::Bytes;

use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::error::Result;
use crate::lsm::ids::{CommitNo, KEY_BYTES_MAX, KeyspaceId, SegmentId};
use crate::lsm::ranges::{KeyEnd, KeyRange};

/// Value segments, ascending, and how many of their pages the values take to which a segment refers.
pub(crate) type Referred = Arc<[(SegmentId, u64)]>;

/// Identity, key range and sizes of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentSummary {
    pub id: SegmentId,
    pub keyspace: KeyspaceId,
    /// The smallest key of an entry or a range tombstone.
    pub smallest: Bytes,
    /// Where entries and range tombstones end.
    pub end: KeyEnd,
    /// Entries of all kinds.
    pub entries: u64,
    /// Entries that delete their key.
    pub tombstones: u64,
    /// Range tombstones; a segment without entries has at least one.
    pub ranges: u64,
    /// Bytes of the segment, footer included.
    pub bytes: u64,
    /// First and last commit whose entries may be in the segment.
    pub commits: (CommitNo, CommitNo),
    /// The value segments that its entries refer to.
    pub referred: Referred,
}

impl SegmentSummary {
    /// Appends the summary; [`decode`](Self::decode) knows where it ends.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.id.0);
        put_varint(out, u64::from(self.keyspace.0));
        put_key(out, &self.smallest);
        put_end(out, &self.end);
        put_commits(out, self.commits);
        put_varint(out, self.entries);
        put_varint(out, self.tombstones);
        put_varint(out, self.ranges);
        put_varint(out, self.bytes);
        put_referred(out, &self.referred);
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
            end: end(reader)?,
            commits: commits(reader)?,
            entries: reader.varint()?,
            tombstones: reader.varint()?,
            ranges: reader.varint()?,
            bytes: reader.varint()?,
            referred: referred(reader)?,
        };
        if summary.end.is_before(&summary.smallest)
            || (summary.entries == 0 && summary.ranges == 0)
            || summary.tombstones > summary.entries
            || summary.referred.len() as u64 > summary.entries - summary.tombstones
        {
            return Err(reader.error(format_args!(
                "the numbers of segment {} contradict each other",
                summary.id
            )));
        }
        Ok(summary)
    }

    /// The keys from the smallest one to the end.
    pub(crate) fn keys(&self) -> KeyRange {
        KeyRange { lower: self.smallest.clone(), upper: self.end.upper() }
    }

    /// Whether the segment may say something about `key`.
    pub(crate) fn spans(&self, key: &[u8]) -> bool {
        &self.smallest[..] <= key && !self.end.is_before(key)
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

pub(super) fn put_end(out: &mut Vec<u8>, end: &KeyEnd) {
    let (kind, key) = match end {
        KeyEnd::Included(key) => (0, &key[..]),
        KeyEnd::Excluded(key) => (1, &key[..]),
        KeyEnd::Unbounded => (2, &[][..]),
    };
    out.push(kind);
    put_key(out, key);
}

pub(super) fn end(reader: &mut ByteReader<'_>) -> Result<KeyEnd> {
    match (reader.u8()?, key(reader)?) {
        (0, key) => Ok(KeyEnd::Included(key)),
        (1, key) => Ok(KeyEnd::Excluded(key)),
        (2, key) if key.is_empty() => Ok(KeyEnd::Unbounded),
        (kind, _) => Err(reader.error(format_args!("{kind} is no kind of end of a segment"))),
    }
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

pub(super) fn put_referred(out: &mut Vec<u8>, referred: &Referred) {
    put_varint(out, referred.len() as u64);
    let mut before = 0;
    for &(id, pages) in referred.iter() {
        put_varint(out, id.0 - before);
        put_varint(out, pages);
        before = id.0;
    }
}

pub(super) fn referred(reader: &mut ByteReader<'_>) -> Result<Referred> {
    let mut referred: Vec<(SegmentId, u64)> = Vec::new();
    for _ in 0..reader.varint()? {
        let before = referred.last().map(|(id, _)| id.0);
        let (gap, pages) = (reader.varint()?, reader.varint()?);
        let id = before.unwrap_or_default().checked_add(gap);
        match id.filter(|_| (gap > 0 || before.is_none()) && (1..=1 << 50).contains(&pages)) {
            Some(id) => referred.push((SegmentId(id), pages)),
            None => return Err(reader.error("value segments do not ascend, or have no pages")),
        }
    }
    Ok(referred.into())
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
            end: KeyEnd::Included(Bytes::from_static(b"zz")),
            entries: 1000,
            tombstones: 7,
            ranges: 1,
            bytes: 1 << 33,
            commits: (CommitNo(5), CommitNo(500)),
            referred: Arc::from([(SegmentId(0), 3), (SegmentId(7), 1), (SegmentId(8), 20)]),
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
        assert!(decode(&SegmentSummary { entries: 9, ..summary.clone() }).is_err());
        let nothing = Arc::from([(SegmentId(7), 0)]);
        assert!(decode(&SegmentSummary { referred: nothing, ..summary.clone() }).is_err());
        let twice = [(SegmentId(7), 1), (SegmentId(7), 1)].into();
        assert!(decode(&SegmentSummary { referred: twice, ..summary.clone() }).is_err());
        let summary = SegmentSummary { referred: Referred::default(), ..summary };
        let empty = SegmentSummary { entries: 0, tombstones: 0, ..summary.clone() };
        assert_eq!(decode(&empty).unwrap(), empty);
        assert!(decode(&SegmentSummary { ranges: 0, ..empty }).is_err());
        let smallest = Bytes::from_static(b"zzz");
        assert!(decode(&SegmentSummary { smallest, ..summary.clone() }).is_err());
        for end in [KeyEnd::Excluded(Bytes::from_static(b"a")), KeyEnd::Unbounded] {
            let ended = SegmentSummary { end, ..summary.clone() };
            assert_eq!(decode(&ended).unwrap(), ended);
        }
        let end = KeyEnd::Excluded(Bytes::new());
        assert!(decode(&SegmentSummary { end, ..summary }).is_err(), "no key is before the first");
    }
}
