//! Exact counters of terms and fields: signed pairs that commits add and merge operators sum.
//!
//! Inserting a document adds to the counters of its terms and fields, removing it subtracts the same amounts;
//! the sum of all operands is the count over live documents, whatever was compacted when. An operand may
//! therefore be negative, and a sum of zeros may be left out: it is the identity. Those of a term stand in the values of
//! its chunks, as part of them; those of a field are values of their own. Cost: a few bytes each.
//! The bytes are described in `docs/format/postings.md`.

use crate::lsm::{ByteReader, Error, Result, put_signed_varint};

/// Counters of one (field, term), or what one value adds to them.
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
    /// Whether adding these counters changes nothing.
    pub fn is_zero(self) -> bool {
        self == TermCounters::default()
    }

    /// What `documents` live documents, in which the term occurs `occurrences` times, add.
    pub fn of_documents(documents: usize, occurrences: u64) -> Self {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        TermCounters { df: number(documents as u64), ttf: number(occurrences) }
    }

    /// The sum of counters.
    ///
    /// # Errors
    /// Corruption for a sum beyond 64 bits.
    pub fn total(parts: impl Iterator<Item = TermCounters>) -> Result<Self> {
        let [df, ttf] = sum(TERM_WHAT, parts.map(|TermCounters { df, ttf }| Ok([df, ttf])))?;
        Ok(TermCounters { df, ttf })
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
        let pairs = parts.iter().map(|part| decode_pair(FIELD_WHAT, part));
        encode_pair(sum(FIELD_WHAT, pairs)?, out);
        Ok(())
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

fn sum(what: &'static str, parts: impl Iterator<Item = Result<[i64; 2]>>) -> Result<[i64; 2]> {
    // Wider than the parts, so that only the result can be too large, not a step on the way to it.
    let mut sum = [0_i128; 2];
    for part in parts {
        let [first, second] = part?;
        sum = [sum[0] + i128::from(first), sum[1] + i128::from(second)];
    }
    let [Ok(first), Ok(second)] = sum.map(i64::try_from) else {
        return Err(ByteReader::new(what, &[]).error("the sum does not fit 64 bits"));
    };
    Ok([first, second])
}

/// A counter summed over a whole snapshot: what was added before is all that can be taken away.
pub(super) fn count(what: &str, counter: i64) -> Result<u64> {
    let negative = |_| Error::corruption(format!("{what}: the sum is {counter}"), 0);
    u64::try_from(counter).map_err(negative)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(documents: i64, total_length: i64) -> Vec<u8> {
        let mut out = Vec::new();
        FieldStatistics { documents, total_length }.encode(&mut out);
        out
    }

    fn summed(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        FieldStatistics::sum(parts, &mut out).unwrap();
        out
    }

    proptest! {
        #[test]
        fn summing_is_adding_in_any_grouping(pairs: [(i32, i32); 3]) {
            let pairs = pairs.map(|(first, second)| (i64::from(first), i64::from(second)));
            let [a, b, c] = pairs.map(|(documents, length)| encoded(documents, length));
            let all = summed(&[&a, &b, &c]);
            prop_assert_eq!(&summed(&[&summed(&[&a, &b]), &c]), &all);
            prop_assert_eq!(&summed(&[&a, &summed(&[&c, &b])]), &all);
            prop_assert_eq!(&summed(&[&all, &encoded(0, 0)]), &all);
            let of_term = TermCounters::total(pairs.iter().map(|&(df, ttf)| TermCounters { df, ttf }));
            let (df, ttf) = (pairs.iter().map(|pair| pair.0).sum(), pairs.iter().map(|pair| pair.1).sum());
            prop_assert_eq!(of_term.unwrap(), TermCounters { df, ttf });
            let expected = FieldStatistics { documents: df, total_length: ttf };
            prop_assert_eq!(FieldStatistics::decode(&all).unwrap(), expected);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = FieldStatistics::decode(&bytes);
        }
    }

    #[test]
    fn a_sum_beyond_64_bits_is_an_error() {
        let most = TermCounters { df: i64::MAX, ttf: 0 };
        let least = TermCounters { df: -i64::MAX, ttf: 0 };
        assert!(TermCounters::total([most, most].into_iter()).is_err());
        assert_eq!(TermCounters::total([most, most, least].into_iter()).unwrap(), most);
    }

    #[test]
    fn the_format_page_shows_true_bytes() {
        assert_eq!(encoded(2, 130), [1, 4, 0x84, 2]);
        assert_eq!(encoded(-1, -3), [1, 1, 5]);
        let page = include_str!("../../docs/format/postings.md");
        assert!(page.contains("01  04  84 02") && page.contains("01  01  05"));
    }
}
