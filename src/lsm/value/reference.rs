//! [`Reference`]: what an entry holds in the place of a value that stands in a value segment.
//!
//! Written with the value, moved by compactions without being looked into, and read when somebody wants the value. It
//! names the value by its segment and the page where it was written; what happened to the segment since is the segment's own
//! matter ([`Kept`](super::Kept)).

use super::VALUE_HEADER_BYTES;
use crate::lsm::block::TRAILER_BYTES;
use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::error::Result;
use crate::lsm::ids::{Extent, STREAM_BYTES_MAX, SegmentId, pages_for};

/// Where a value stands, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub segment: SegmentId,
    /// Page of the segment in which it begins, as the segment was written.
    pub page: u64,
    /// Bytes of the value itself, at least 1 and at most [`STREAM_BYTES_MAX`].
    pub raw_bytes: u64,
    /// Bytes that it takes, without the padding to a whole page.
    pub stored_bytes: u64,
}

impl Reference {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [self.segment.0, self.page, self.raw_bytes, self.stored_bytes] {
            put_varint(&mut out, number);
        }
        out
    }

    /// Reads what an entry holds.
    ///
    /// # Errors
    /// Corruption when the numbers contradict each other. Whether there is such a segment is not known here.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new("reference to a value", bytes);
        let reference = Reference {
            segment: SegmentId(reader.varint()?),
            page: reader.varint()?,
            raw_bytes: reader.varint()?,
            stored_bytes: reader.varint()?,
        };
        reader.expect_end()?;
        let least = (VALUE_HEADER_BYTES + 2 * TRAILER_BYTES) as u64;
        let possible = (1..=STREAM_BYTES_MAX).contains(&reference.raw_bytes)
            && reference.stored_bytes > least
            && Extent::checked(reference.page, pages_for(reference.stored_bytes)).is_some();
        if possible {
            return Ok(reference);
        }
        Err(reader.error(format_args!("{reference:?} is impossible")))
    }

    /// Pages that the value takes.
    pub(crate) fn pages(&self) -> u64 {
        pages_for(self.stored_bytes)
    }

    /// The page behind the value.
    pub(crate) fn end(&self) -> u64 {
        self.page + self.pages()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_comes_back_and_an_impossible_one_does_not() {
        let reference =
            Reference { segment: SegmentId(300), page: 7, raw_bytes: 70_000, stored_bytes: 5_000 };
        assert_eq!(Reference::decode(&reference.encode()).unwrap(), reference);
        for wrong in [
            Reference { raw_bytes: 0, ..reference },
            Reference { raw_bytes: STREAM_BYTES_MAX + 1, ..reference },
            Reference { stored_bytes: 20, ..reference },
            Reference { stored_bytes: u64::MAX, ..reference },
            Reference { page: u64::MAX, ..reference },
        ] {
            assert!(Reference::decode(&wrong.encode()).unwrap_err().is_corruption(), "{wrong:?}");
        }
        let mut long = reference.encode();
        long.push(0);
        assert!(Reference::decode(&long).is_err());
        assert!(Reference::decode(&[]).is_err());
    }
}
