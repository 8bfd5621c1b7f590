//! The numbers by which the inverted index names documents and fields.
//!
//! A [`DocId`] is a point on an absolute grid: its *chunk* (65,536 consecutive numbers) is part of keys,
//! its *offset* inside the chunk stands in values. It is kept as these two parts, so that taking it
//! apart, which search does all the time, costs nothing. Both types are small `Copy` values.

use std::fmt;

use super::error::{Error, Result};
use crate::lsm;

/// Number of a document in its collection: ascending with commits, never reused, at most 48 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocId {
    // The order of the fields makes the derived order that of the numbers.
    chunk: u32,
    offset: u16,
}

impl DocId {
    /// The smallest number.
    pub const MIN: DocId = DocId::from_parts(0, 0);
    /// The greatest number, 2^48 - 1.
    pub const MAX: DocId = DocId::from_parts(u32::MAX, u16::MAX);
    /// Documents of one chunk.
    pub const CHUNK_LEN: u32 = 1 << 16;

    /// The document of this number; `None` when it does not fit 48 bits.
    pub fn new(number: u64) -> Option<Self> {
        let chunk = u32::try_from(number >> 16).ok()?;
        let [low, high, ..] = number.to_le_bytes();
        Some(DocId { chunk, offset: u16::from_le_bytes([low, high]) })
    }

    /// The document at `offset` of the chunk numbered `chunk`.
    pub const fn from_parts(chunk: u32, offset: u16) -> Self {
        DocId { chunk, offset }
    }

    /// The number itself.
    pub fn number(self) -> u64 {
        u64::from(self.chunk) << 16 | u64::from(self.offset)
    }

    /// Number of the chunk that the document belongs to: the upper 32 bits.
    pub fn chunk(self) -> u32 {
        self.chunk
    }

    /// Place of the document in its chunk: the lower 16 bits.
    pub fn offset(self) -> u16 {
        self.offset
    }

    /// The document `distance` numbers further on.
    ///
    /// # Errors
    /// [`Error::DocIdsExhausted`] when the sum does not fit 48 bits.
    pub fn plus(self, distance: u64) -> Result<Self> {
        let number = self.number().checked_add(distance);
        number.and_then(DocId::new).ok_or(Error::DocIdsExhausted)
    }

    /// Six bytes that order like the numbers.
    pub fn to_key(self) -> [u8; 6] {
        let [c0, c1, c2, c3] = self.chunk.to_be_bytes();
        let [o0, o1] = self.offset.to_be_bytes();
        [c0, c1, c2, c3, o0, o1]
    }

    /// The document that [`to_key`](Self::to_key) made `key` of.
    ///
    /// # Errors
    /// Corruption when `key` is not six bytes long.
    pub fn from_key(key: &[u8]) -> lsm::Result<Self> {
        let Ok([c0, c1, c2, c3, o0, o1]) = <[u8; 6]>::try_from(key) else {
            let what = format!("document number: 6 bytes expected, {} are there", key.len());
            return Err(lsm::Error::corruption(what, 0));
        };
        let chunk = u32::from_be_bytes([c0, c1, c2, c3]);
        Ok(DocId { chunk, offset: u16::from_be_bytes([o0, o1]) })
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// Number of an indexed field in its text index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldId(pub u16);

impl FieldId {
    /// The reserved field whose terms are document paths and whose positions are pairs: where each
    /// occurrence of the path starts and ends in the document's text.
    pub const PATHS: FieldId = FieldId(0xFFFF);

    /// What the number of a reserved field has, beyond all that fields of an index have.
    const RESERVED: u16 = 0x8000;

    /// The reserved field whose terms are pairs of words that stand side by side in this one.
    pub fn of_pairs(self) -> FieldId {
        FieldId(self.0 | Self::RESERVED)
    }

    /// The field that has the lengths of this one's documents: of pairs that of their words, else itself.
    pub fn of_lengths(self) -> FieldId {
        if self == Self::PATHS { self } else { FieldId(self.0 & !Self::RESERVED) }
    }

    /// Whether its terms are no words but paths or pairs.
    pub fn is_reserved(self) -> bool {
        self.0 & Self::RESERVED != 0
    }
}

impl fmt::Display for FieldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keys_and_order_of_a_document_number_agree() {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut draw = || rng.u64(..1 << 48) >> rng.u32(..48);
        for _ in 0..10_000 {
            let (a, b) = (draw(), draw());
            let (doc, other) = (DocId::new(a).unwrap(), DocId::new(b).unwrap());
            assert_eq!(doc.number(), a);
            assert_eq!(u64::from(doc.chunk()), a >> 16);
            assert_eq!(u64::from(doc.offset()), a & 0xFFFF);
            assert_eq!(DocId::from_parts(doc.chunk(), doc.offset()), doc);
            assert_eq!(DocId::from_key(&doc.to_key()).unwrap(), doc);
            assert_eq!(doc.cmp(&other), a.cmp(&b));
            assert_eq!(doc.to_key().cmp(&other.to_key()), a.cmp(&b));
        }
    }

    #[test]
    fn fields_of_pairs_are_reserved_and_have_the_lengths_of_their_words() {
        for field in [FieldId(0), FieldId(7), FieldId(999)] {
            let pairs = field.of_pairs();
            assert!(!field.is_reserved() && pairs.is_reserved() && pairs != FieldId::PATHS);
            assert_eq!((field.of_lengths(), pairs.of_lengths()), (field, field));
        }
        assert!(FieldId::PATHS.is_reserved());
        assert_eq!(FieldId::PATHS.of_lengths(), FieldId::PATHS);
    }

    #[test]
    fn numbers_beyond_48_bits_are_refused() {
        assert_eq!(DocId::new((1 << 48) - 1), Some(DocId::MAX));
        assert_eq!(DocId::new(1 << 48), None);
        assert!(DocId::MAX.plus(1).is_err());
        assert!(DocId::MIN.plus(u64::MAX).is_err());
        assert_eq!(DocId::from_parts(0, 0xFFFF).plus(1).unwrap(), DocId::from_parts(1, 0));
        assert!(DocId::from_key(&[0; 8]).is_err());
    }
}
