//! Lengths of documents, one code byte each, by field and chunk; and the norms keyspace's merge operator.
//!
//! The inverter writes one value per (field, chunk) and transaction, readers look lengths up while they
//! score. Codes come from `length_code`; 0 says that the document has no token in the field (or is not
//! there). Invariants: the first and the last code are not 0, so equal contents have equal bytes; parts of a
//! chunk never both have a code for one document. Cost: a lookup is one addition and one bounds check.
//! The bytes are described in `docs/format/postings.md`.

use super::counters::FieldStatistics;
use super::keyspace::{self, NormsKind};
use crate::lsm::{ByteReader, MergeOperator, Result};

/// Length codes of the documents of one chunk, in one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthCodes<'a> {
    first: u16,
    codes: &'a [u8],
}

/// Builds the value that [`LengthCodes`] reads.
#[derive(Debug, Clone, Default)]
pub struct LengthCodesBuilder {
    first: u16,
    codes: Vec<u8>,
}

/// Merge operator of a norms keyspace: overlays length codes, sums statistics.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormsOperator;

const WHAT: &str = "length codes";
const VERSION: u8 = 1;
const CHUNK_LEN: usize = 1 << 16;

impl<'a> LengthCodes<'a> {
    /// Reads a value's frame; constant time.
    ///
    /// # Errors
    /// Corruption for bytes that [`LengthCodesBuilder`] does not write.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = ByteReader::new(WHAT, bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(reader.error(format_args!("version {version} is not known")));
        }
        let first = reader.u16()?;
        let codes = reader.rest();
        let (Some(1..), Some(1..)) = (codes.first(), codes.last()) else {
            return Err(reader.error("the codes do not begin and end with a document"));
        };
        if usize::from(first) + codes.len() > CHUNK_LEN {
            return Err(reader.error(format_args!("{} codes from {first} on", codes.len())));
        }
        Ok(LengthCodes { first, codes })
    }

    /// Code of the document at `offset`; 0 when it has no token in the field.
    pub fn length_code(&self, offset: u16) -> u8 {
        let index = offset.checked_sub(self.first).map(usize::from);
        index.and_then(|index| self.codes.get(index)).copied().unwrap_or(0)
    }

    /// Offset of the first document that has a code.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// Codes of all documents from the first one on to the last one that has a code.
    pub fn codes(&self) -> &'a [u8] {
        self.codes
    }
}

impl LengthCodesBuilder {
    /// Adds the document at `offset`; offsets ascend. A code of 0 adds nothing.
    ///
    /// # Panics
    /// When `offset` is not greater than the one before.
    pub fn push(&mut self, offset: u16, code: u8) {
        if code == 0 {
            return;
        }
        if self.codes.is_empty() {
            self.first = offset;
        }
        let index = offset.checked_sub(self.first).map(usize::from);
        let index = index.filter(|&index| index >= self.codes.len());
        let index = index.expect("invariant: offsets of length codes ascend");
        self.codes.resize(index, 0);
        self.codes.push(code);
    }

    /// Whether no document was added.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Appends the value and leaves the builder empty. An empty builder has no value and appends nothing.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            put(self.first, &self.codes, out);
        }
        self.codes.clear();
    }
}

/// Appends the overlay of encoded length codes.
///
/// # Errors
/// Corruption for bytes that are no length codes, and when two parts have a code for one document.
pub(super) fn overlay(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
    let parsed: Vec<_> =
        parts.iter().map(|part| LengthCodes::parse(part)).collect::<Result<_>>()?;
    let end_of = |part: &LengthCodes<'_>| usize::from(part.first) + part.codes.len();
    let Some(first) = parsed.iter().map(|part| part.first).min() else {
        return Ok(());
    };
    let end = parsed.iter().map(end_of).max().unwrap_or_default();
    let mut codes = vec![0_u8; end - usize::from(first)];
    for part in parsed {
        let places = codes.iter_mut().skip(usize::from(part.first - first));
        for (place, code) in places.zip(part.codes) {
            if *place != 0 && *code != 0 {
                return Err(ByteReader::new(WHAT, &[]).error("two parts hold the same document"));
            }
            *place |= code;
        }
    }
    put(first, &codes, out);
    Ok(())
}

impl MergeOperator for NormsOperator {
    fn name(&self) -> &'static str {
        "norms"
    }

    fn merge(&self, key: &[u8], operands: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        match keyspace::decode_norms(key)?.kind {
            NormsKind::LengthCodes(_) => overlay(operands, out),
            NormsKind::Statistics => FieldStatistics::sum(operands, out),
        }
    }
}

fn put(first: u16, codes: &[u8], out: &mut Vec<u8>) {
    out.push(VERSION);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(codes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fts::ids::FieldId;

    type Twin = BTreeMap<u16, u8>;

    fn encoded(twin: &Twin) -> Vec<u8> {
        let mut builder = LengthCodesBuilder::default();
        for (&offset, &code) in twin {
            builder.push(offset, code);
        }
        let mut out = Vec::new();
        builder.finish_into(&mut out);
        out
    }

    fn merged(operands: &[&[u8]]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let key = keyspace::length_codes_key(FieldId(1), 2);
        NormsOperator.merge(&key, operands, &mut out).map(|()| out)
    }

    #[test]
    fn codes_equal_their_map_and_overlaying_works_in_any_grouping() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..200 {
            let mut twins = [(); 3].map(|()| Twin::new());
            for twin in &mut twins {
                twin.insert(rng.u16(..), 1);
            }
            let all: Twin = (0..rng.usize(..50)).map(|_| (rng.u16(..), rng.u8(1..))).collect();
            for (&offset, &code) in &all {
                twins[rng.usize(..3)].insert(offset, code);
            }
            let mut union = Twin::new();
            for twin in &mut twins {
                twin.retain(|offset, _| !union.contains_key(offset));
                twin.entry(0).and_modify(|code| *code = 9);
                union.extend(twin.iter());
            }
            if twins.iter().any(Twin::is_empty) {
                continue;
            }
            let values = twins.each_ref().map(encoded);
            let [a, b, c] = values.each_ref().map(Vec::as_slice);
            let joined = merged(&[a, b, c]).unwrap();
            assert_eq!(joined, encoded(&union));
            assert_eq!(merged(&[&merged(&[c, a]).unwrap(), b]).unwrap(), joined);
            assert_eq!(merged(&[a, &merged(&[c, b]).unwrap()]).unwrap(), joined);
            let codes = LengthCodes::parse(&joined).unwrap();
            for offset in 0..=u16::MAX {
                assert_eq!(codes.length_code(offset), union.get(&offset).copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn a_document_in_two_parts_is_an_error() {
        let part = encoded(&[(4, 7), (9, 1)].into());
        let other = encoded(&[(1, 7), (9, 1)].into());
        assert!(merged(&[&part, &other]).unwrap_err().is_corruption());
    }

    #[test]
    fn statistics_are_summed() {
        let mut part = Vec::new();
        FieldStatistics { documents: 1, total_length: 5 }.encode(&mut part);
        let mut out = Vec::new();
        let key = keyspace::statistics_key(FieldId(1));
        NormsOperator.merge(&key, &[&part, &part], &mut out).unwrap();
        let expected = FieldStatistics { documents: 2, total_length: 10 };
        assert_eq!(FieldStatistics::decode(&out).unwrap(), expected);
        assert!(NormsOperator.merge(&[1], &[&part, &part], &mut out).is_err());
    }

    #[test]
    fn the_format_page_shows_true_bytes() {
        assert_eq!(encoded(&[(258, 12), (260, 40)].into()), [1, 2, 1, 12, 0, 40]);
        let page = include_str!("../../docs/format/postings.md");
        assert!(page.contains("01  02 01  0C 00 28"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_an_error_or_have_codes(bytes: Vec<u8>, offset: u16) {
            if let Ok(codes) = LengthCodes::parse(&bytes) {
                prop_assert_ne!(codes.length_code(codes.first()), 0);
                codes.length_code(offset);
            }
            let _ = merged(&[&bytes, &[1, 0, 0, 3]]);
        }
    }
}
