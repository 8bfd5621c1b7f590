//! The footer: the last 64 bytes of a segment, from which everything else in it is found.
//!
//! The manifest knows how long a segment is, so the footer needs no search. Encoded once by the writer,
//! decoded once by the reader, which trusts none of it until the checksum matches and the parts meet. It says whose it is
//! and how long the segment is, so that salvage finds segments that no manifest names.

use crate::lsm::codec::ByteReader;
use crate::lsm::codec::checksum::checksum;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::SegmentId;

/// Bytes of the footer.
pub(crate) const FOOTER_BYTES: u64 = 64;
pub(crate) const FOOTER_MAGIC: [u8; 8] = *b"ALVSEGMT";
/// Of a segment that lists names.
const FORMAT_VERSION: u32 = 2;
/// Of one that does not: as it was before there were names.
const VERSION_WITHOUT_NAMES: u32 = 1;

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
    /// Whether the properties tell of names.
    pub lists_names: bool,
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
        out.extend_from_slice(&FOOTER_MAGIC);
        let version = if self.lists_names { FORMAT_VERSION } else { VERSION_WITHOUT_NAMES };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&self.filter_bytes.to_le_bytes());
        out.extend_from_slice(&self.index_offset.to_le_bytes());
        out.extend_from_slice(&self.index_bytes.to_le_bytes());
        out.extend_from_slice(&self.properties_offset.to_le_bytes());
        out.extend_from_slice(&self.properties_bytes.to_le_bytes());
        out.extend_from_slice(&segment.0.to_le_bytes());
        let footer_offset = self.total_bytes() - FOOTER_BYTES;
        let sum = checksum(segment.0, footer_offset, &out[start..]);
        out.extend_from_slice(&sum.to_le_bytes());
        assert_eq!((out.len() - start) as u64, FOOTER_BYTES, "a footer has its fixed length");
    }

    /// Decodes the footer of `segment`, which is `segment_bytes` long.
    pub(super) fn decode(bytes: &[u8], segment: SegmentId, segment_bytes: u64) -> Result<Footer> {
        let (found, footer) = Footer::decode_any(bytes)?;
        let found_bytes = footer.total_bytes();
        if found != segment || found_bytes != segment_bytes {
            let what = format!(
                "segment footer: of segment {found} of {found_bytes} bytes, not of segment \
                 {segment} of {segment_bytes}"
            );
            return Err(Error::corruption(what, segment_bytes.saturating_sub(FOOTER_BYTES)));
        }
        Ok(footer)
    }

    /// Decodes the footer of a segment of which nothing is known, and gives its number.
    pub(super) fn decode_any(bytes: &[u8]) -> Result<(SegmentId, Footer)> {
        let mut reader = ByteReader::new("segment footer", bytes);
        let magic = reader.take(FOOTER_MAGIC.len())?;
        if magic != FOOTER_MAGIC {
            return Err(
                reader.error(format_args!("magic {magic:02x?}, {FOOTER_MAGIC:02x?} expected"))
            );
        }
        let version = reader.u32()?;
        let filter_bytes = reader.u32()?;
        let index_offset = reader.u64()?;
        let index_bytes = reader.u64()?;
        let properties_offset = reader.u64()?;
        let properties_bytes = reader.u64()?;
        let segment = SegmentId(reader.u64()?);
        let summed = bytes.get(..reader.offset()).unwrap_or_default();
        let expected = reader.u64()?;
        reader.expect_end()?;
        let filter_offset = properties_offset.checked_add(properties_bytes);
        let footer_offset =
            filter_offset.and_then(|offset| offset.checked_add(filter_bytes.into()));
        let end = footer_offset.and_then(|offset| offset.checked_add(FOOTER_BYTES));
        let Some(footer_offset) = footer_offset.filter(|_| end.is_some()) else {
            return Err(reader.error("the parts are longer than any file"));
        };
        let found = checksum(segment.0, footer_offset, summed);
        if found != expected {
            return Err(
                reader.error(format_args!("checksum {found:016x}, {expected:016x} expected"))
            );
        }
        if version > FORMAT_VERSION {
            return Err(Error::NewerFormat { found: version, supported: FORMAT_VERSION });
        }
        if version == 0 || index_offset.checked_add(index_bytes) != Some(properties_offset) {
            return Err(reader.error(format_args!(
                "the parts of version {version} do not meet at {properties_offset}"
            )));
        }
        let footer = Footer {
            index_offset,
            index_bytes,
            properties_offset,
            properties_bytes,
            filter_bytes,
            lists_names: version > VERSION_WITHOUT_NAMES,
        };
        Ok((segment, footer))
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
            lists_names: true,
        };
        let mut bytes = Vec::new();
        let without = Footer { lists_names: false, ..footer.clone() };
        without.encode(SegmentId(9), &mut bytes);
        assert_eq!(Footer::decode(&bytes, SegmentId(9), 4217).unwrap(), without);
        bytes.clear();
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
