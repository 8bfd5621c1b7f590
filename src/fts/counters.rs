//! Exact counters of terms and fields: signed pairs that commits add and merge operators sum.
//!
//! Inserting a document adds to the counters of its terms and fields, removing it subtracts the same amounts;
//! the sum of all operands is the count over live documents, whatever was compacted when. An operand may
//! therefore be negative, and a sum of zeros may be left out: it is the identity. Cost: a few bytes each.
//! The bytes are described in `docs/format/postings.md`.

use crate::lsm::{ByteReader, Result, put_signed_varint};

/// Counters of one (field, term): the value under its header key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TermCounters {
    /// Documents that hold the term in the field, or the change of their number.
    pub df: i64,
    /// Occurrences of the term in the field over all documents, or the change of their number.
    pub ttf: i64,
}

/// Counters of one field: the value under its statistics key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldStatistics {
    /// Documents that hold a token in the field, or the change of their number.
    pub documents: i64,
    /// Tokens of the field over all documents, or the change of their number.
    pub total_length: i64,
}

const VERSION: u8 = 1;
const TERM_WHAT: &str = "term counters";
const FIELD_WHAT: &str = "field statistics";

impl TermCounters {
    /// Reads the value under a header key.
    ///
    /// # Errors
    /// Corruption for bytes that [`encode`](Self::encode) does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let [df, ttf] = decode_pair(TERM_WHAT, bytes)?;
        Ok(TermCounters { df, ttf })
    }

    /// Appends the value under a header key.
    pub fn encode(self, out: &mut Vec<u8>) {
        encode_pair([self.df, self.ttf], out);
    }

    /// Whether adding these counters changes nothing.
    pub fn is_zero(self) -> bool {
        self == TermCounters::default()
    }

    /// Appends the sum of encoded counters.
    ///
    /// # Errors
    /// Corruption for bytes that are no counters, and for a sum beyond 64 bits.
    pub fn sum(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        sum_pairs(TERM_WHAT, parts, out)
    }
}

impl FieldStatistics {
    /// Reads the value under a statistics key.
    ///
    /// # Errors
    /// Corruption for bytes that [`encode`](Self::encode) does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let [documents, total_length] = decode_pair(FIELD_WHAT, bytes)?;
        Ok(FieldStatistics { documents, total_length })
    }

    /// Appends the value under a statistics key.
    pub fn encode(self, out: &mut Vec<u8>) {
        encode_pair([self.documents, self.total_length], out);
    }

    /// Whether adding these statistics changes nothing.
    pub fn is_zero(self) -> bool {
        self == FieldStatistics::default()
    }

    /// Appends the sum of encoded statistics.
    ///
    /// # Errors
    /// Corruption for bytes that are no statistics, and for a sum beyond 64 bits.
    pub fn sum(parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
        sum_pairs(FIELD_WHAT, parts, out)
    }
}

fn encode_pair(pair: [i64; 2], out: &mut Vec<u8>) {
    out.push(VERSION);
    for value in pair {
        put_signed_varint(out, value);
    }
}

fn decode_pair(what: &'static str, bytes: &[u8]) -> Result<[i64; 2]> {
    let mut reader = ByteReader::new(what, bytes);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(reader.error(format_args!("version {version} is not known")));
    }
    let pair = [reader.signed_varint()?, reader.signed_varint()?];
    reader.expect_end()?;
    Ok(pair)
}

fn sum_pairs(what: &'static str, parts: &[&[u8]], out: &mut Vec<u8>) -> Result<()> {
    // Wider than the parts, so that only the result can be too large, not a step on the way to it.
    let mut sum = [0_i128; 2];
    for part in parts {
        let [first, second] = decode_pair(what, part)?;
        sum = [sum[0] + i128::from(first), sum[1] + i128::from(second)];
    }
    let [Ok(first), Ok(second)] = sum.map(i64::try_from) else {
        return Err(ByteReader::new(what, &[]).error("the sum does not fit 64 bits"));
    };
    encode_pair([first, second], out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(df: i64, ttf: i64) -> Vec<u8> {
        let mut out = Vec::new();
        TermCounters { df, ttf }.encode(&mut out);
        out
    }

    fn sum(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        TermCounters::sum(parts, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn summing_is_adding_in_any_grouping(pairs: [(i32, i32); 3]) {
            let [a, b, c] = pairs.map(|(df, ttf)| encoded(i64::from(df), i64::from(ttf)));
            let all = sum(&[&a, &b, &c]);
            prop_assert_eq!(&sum(&[&sum(&[&a, &b]), &c]), &all);
            prop_assert_eq!(&sum(&[&a, &sum(&[&c, &b])]), &all);
            prop_assert_eq!(&sum(&[&all, &encoded(0, 0)]), &all);
            let expected = TermCounters {
                df: pairs.iter().map(|pair| i64::from(pair.0)).sum(),
                ttf: pairs.iter().map(|pair| i64::from(pair.1)).sum(),
            };
            prop_assert_eq!(TermCounters::decode(&all).unwrap(), expected);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = TermCounters::decode(&bytes);
            let _ = FieldStatistics::decode(&bytes);
        }
    }

    #[test]
    fn statistics_come_back_and_sum() {
        let (mut a, mut b, mut out) = (Vec::new(), Vec::new(), Vec::new());
        FieldStatistics { documents: 3, total_length: 900 }.encode(&mut a);
        FieldStatistics { documents: -1, total_length: -300 }.encode(&mut b);
        FieldStatistics::sum(&[&a, &b], &mut out).unwrap();
        let expected = FieldStatistics { documents: 2, total_length: 600 };
        assert_eq!(FieldStatistics::decode(&out).unwrap(), expected);
    }

    #[test]
    fn a_sum_beyond_64_bits_is_an_error() {
        let most = encoded(i64::MAX, 0);
        assert!(TermCounters::sum(&[&most, &most], &mut Vec::new()).is_err());
        assert_eq!(sum(&[&most, &most, &encoded(-i64::MAX, 0)]), most);
    }

    #[test]
    fn the_format_page_shows_true_bytes() {
        assert_eq!(encoded(2, 130), [1, 4, 0x84, 2]);
        assert_eq!(encoded(-1, -3), [1, 1, 5]);
        let page = include_str!("../../docs/format/postings.md");
        assert!(page.contains("01  04  84 02") && page.contains("01  01  05"));
    }
}
