//! The footer: the last 64 bytes of a segment, from which everything else in it is found.
//!
//! The manifest knows how long a segment is, so the footer needs no search. Encoded once by the writer,
//! decoded once by the reader, which trusts none of it until the checksum matches and the parts meet.

use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;

/// Bytes of the footer.
pub(super) const FOOTER_BYTES: u64 = 64;
const MAGIC: [u8; 8] = *b"ALVSEGMT";
const FORMAT_VERSION: u32 = 1;

/// Where the index block and the properties of a segment stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    /// Offset of the index block, which is also the end of leaf blocks and values.
    pub index_offset: u64,
    pub index_bytes: u64,
    /// Offset of the properties, which is also the end of the index block.
    pub properties_offset: u64,
    pub properties_bytes: u64,
    /// Length of the filter, which stands between properties and footer.
    pub filter_bytes: u32,
}

impl Footer {
    /// Length of the whole segment, footer included.
    pub(super) fn total_bytes(&self) -> u64 {
        self.filter_offset() + u64::from(self.filter_bytes) + FOOTER_BYTES
    }

    /// Offset of the filter, which is also the end of the properties.
    pub(super) fn filter_offset(&self) -> u64 {
        self.properties_offset + self.properties_bytes
    }

    pub(super) fn encode(&self, segment: SegmentId, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.filter_bytes.to_le_bytes());
        out.extend_from_slice(&self.index_offset.to_le_bytes());
        out.extend_from_slice(&self.index_bytes.to_le_bytes());
        out.extend_from_slice(&self.properties_offset.to_le_bytes());
        out.extend_from_slice(&self.properties_bytes.to_le_bytes());
        out.extend_from_slice(&self.total_bytes().to_le_bytes());
        let footer_offset = self.total_bytes() - FOOTER_BYTES;
        let sum = checksum(segment.0, footer_offset, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        assert_eq!((out.len() - start) as u64, FOOTER_BYTES, "a footer has its fixed length");
    }

    /// Decodes the footer of a segment that is `segment_bytes` long.
    pub(super) fn decode(bytes: &[u8], segment: SegmentId, segment_bytes: u64) -> Result<Footer> {
        let mut reader = ByteReader::new("segment footer", bytes);
        let magic = reader.take(MAGIC.len())?;
        if magic != MAGIC {
            return Err(reader.error(format_args!("magic {magic:02x?}, {MAGIC:02x?} expected")));
        }
        let version = reader.u32()?;
        let filter_bytes = reader.u32()?;
        let index_offset = reader.u64()?;
        let index_bytes = reader.u64()?;
        let properties_offset = reader.u64()?;
        let properties_bytes = reader.u64()?;
        let total_bytes = reader.u64()?;
        let summed = bytes.get(..reader.offset()).unwrap_or_default();
        let expected = reader.u64()?;
        reader.expect_end()?;
        let footer_offset = segment_bytes.saturating_sub(FOOTER_BYTES);
        let found = checksum(segment.0, footer_offset, summed);
        if found != expected {
            return Err(
                reader.error(format_args!("checksum {found:016x}, {expected:016x} expected"))
            );
        }
        if version > FORMAT_VERSION {
            return Err(Error::NewerFormat { found: version, supported: FORMAT_VERSION });
        }
        let filter_offset = properties_offset.checked_add(properties_bytes);
        let filter_end = filter_offset.and_then(|offset| offset.checked_add(filter_bytes.into()));
        let parts_meet = index_offset.checked_add(index_bytes) == Some(properties_offset)
            && filter_end == Some(footer_offset)
            && total_bytes == segment_bytes;
        if version == 0 || !parts_meet {
            return Err(reader.error(format_args!(
                "the parts of version {version} do not meet at {footer_offset}"
            )));
        }
        Ok(Footer { index_offset, index_bytes, properties_offset, properties_bytes, filter_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../docs/format/segment.md");

    #[test]
    fn a_footer_comes_back_and_every_flipped_bit_is_found() {
        let footer = Footer {
            index_offset: 4000,
            index_bytes: 50,
            properties_offset: 4050,
            properties_bytes: 30,
            filter_bytes: 73,
        };
        let mut bytes = Vec::new();
        footer.encode(SegmentId(9), &mut bytes);
        assert_eq!(Footer::decode(&bytes, SegmentId(9), 4217).unwrap(), footer);
        assert!(Footer::decode(&bytes, SegmentId(8), 4217).is_err());
        assert!(Footer::decode(&bytes, SegmentId(9), 4218).is_err());
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bytes, SegmentId(9), 4217).unwrap_err().is_corruption());
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn the_page_on_segments_has_the_footer_without_holes() {
        let rows = PAGE.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            Some((cells.next()?.parse::<u64>().ok()?, cells.next()?.parse::<u64>().ok()?))
        });
        let end = rows.fold(0, |end, (offset, bytes)| {
            assert_eq!(offset, end);
            offset + bytes
        });
        assert_eq!(end, FOOTER_BYTES);
    }
}
