//! Every key that the inverted index writes; nobody else builds or takes apart these keys.
//!
//! The [`inverter`](super::Inverter) and the indexer build keys here, merge operators, the rewriter and
//! readers decode them. Invariants: keys of a keyspace order by field, then term (bytewise), then chunk; the keys of one (field, term), its *group*, are exactly those that begin with
//! [`term_prefix`]. Cost: one pass over the term. [`names`] holds the names of the keyspaces.
//!
#![doc = include_str!("../../docs/format/text_keys.md")]

use std::borrow::Cow;

use super::error::{Error, Result};
use super::ids::FieldId;
use crate::lsm::{self, ByteReader};

/// The longest term, in bytes. Escaping at most doubles it, so that every key stays below
/// [`lsm::KEY_BYTES_MAX`].
pub const TERM_BYTES_MAX: usize = 32_000;

/// Which keyspace of a text index a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexKeyspace {
    /// Postings, positions and counters of terms: [`names::text`].
    Text,
    /// Length codes and field statistics: [`names::norms`].
    Norms,
}

/// A key of the text keyspace, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextKey<'a> {
    /// The field.
    pub field: FieldId,
    /// The term, without escapes; borrowed when it holds no zero byte.
    pub term: Cow<'a, [u8]>,
    /// The chunk whose documents the value tells about.
    pub chunk: u32,
}

/// What stands under a key of the norms keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NormsKind {
    /// Length codes of the documents of this chunk.
    LengthCodes(u32),
    /// The field's statistics.
    Statistics,
}

/// A key of the norms keyspace, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormsKey {
    /// The field.
    pub field: FieldId,
    /// What stands under the key, and its chunk.
    pub kind: NormsKind,
}

const KIND_LENGTH_CODES: u8 = 0;
const KIND_STATISTICS: u8 = 1;
/// Follows a zero byte that belongs to the term.
const ESCAPED_ZERO: u8 = 0xFF;
/// Length of what ends a term: a zero byte and `TERMINATOR`.
pub(super) const TERMINATOR_LEN: usize = 2;
/// Follows the zero byte that ends the term; smaller than `ESCAPED_ZERO`, so that a prefix orders first.
const TERMINATOR: u8 = 0x01;
const TEXT_KEY: &str = "text key";
const NORMS_KEY: &str = "norms key";

/// Key of the postings of (`field`, `term`) in the chunk numbered `chunk`.
pub fn postings_key(field: FieldId, term: &[u8], chunk: u32) -> Vec<u8> {
    let mut key = term_prefix(field, term);
    put_chunk(&mut key, chunk);
    key
}

/// What all keys of (`field`, `term`), and no others, begin with.
pub fn term_prefix(field: FieldId, term: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(term.len() + 8);
    put_term_prefix(&mut key, field, term);
    key
}

/// What all keys of `field` begin with, in the text and in the norms keyspace.
pub fn field_prefix(field: FieldId) -> [u8; 2] {
    field.0.to_be_bytes()
}

/// Length of the part of a text key that names its group, the pair of field and term.
///
/// A key that is not one of ours is a group of its own.
pub fn group_len(key: &[u8]) -> usize {
    let mut reader = ByteReader::new(TEXT_KEY, key);
    let skipped = reader.take(2).and_then(|_| take_term(&mut reader));
    skipped.map_or(key.len(), |_| reader.offset())
}

/// Takes a key of the text keyspace apart.
///
/// # Errors
/// Corruption when the key is not one that this file builds.
pub fn decode(key: &[u8]) -> lsm::Result<TextKey<'_>> {
    let mut reader = ByteReader::new(TEXT_KEY, key);
    let field = take_field(&mut reader)?;
    let term = take_term(&mut reader)?;
    let chunk = take_chunk(&mut reader)?;
    reader.expect_end()?;
    Ok(TextKey { field, term, chunk })
}

/// The chunk that a text key names behind the [`term_prefix`] with which it begins.
///
/// # Errors
/// Corruption when something else stands there.
pub(crate) fn decode_chunk(behind: &[u8]) -> lsm::Result<u32> {
    let mut reader = ByteReader::new(TEXT_KEY, behind);
    let chunk = take_chunk(&mut reader)?;
    reader.expect_end()?;
    Ok(chunk)
}

/// The term of a [`term_prefix`].
///
/// # Errors
/// Corruption when it is none.
pub(super) fn decode_name(name: &[u8]) -> lsm::Result<Cow<'_, [u8]>> {
    let mut reader = ByteReader::new(TEXT_KEY, name);
    take_field(&mut reader)?;
    let term = take_term(&mut reader)?;
    reader.expect_end()?;
    Ok(term)
}

/// What stands next in a text key behind its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TermPiece<'a> {
    /// Bytes of the term, of which none is zero; maybe none. A zero byte follows.
    Bytes(&'a [u8]),
    /// The zero byte before it belongs to the term.
    Zero,
    /// The zero byte before it ends the term.
    End,
}

/// What stands at `at` in `term`, a text key behind its field, where a piece or the byte behind a zero byte begins.
///
/// # Errors
/// Corruption when the term does not end.
pub(super) fn term_piece(term: &[u8], at: usize) -> lsm::Result<TermPiece<'_>> {
    let broken = || lsm::Error::corruption("text key: the term does not end", 0);
    let rest = term.get(at..).ok_or_else(broken)?;
    if is_behind_zero(term, at) {
        return match rest.first() {
            Some(&ESCAPED_ZERO) => Ok(TermPiece::Zero),
            Some(&TERMINATOR) => Ok(TermPiece::End),
            _ => Err(broken()),
        };
    }
    let zero = rest.iter().position(|&byte| byte == 0).ok_or_else(broken)?;
    rest.get(..zero).map(TermPiece::Bytes).ok_or_else(broken)
}

/// Which bytes may stand in a text key behind its field in place of `byte`, which stands at `at` in `term`, and are greater; each with
/// the byte of the term that it means.
pub(super) fn term_bytes_behind(
    term: &[u8],
    at: usize,
    byte: u8,
) -> impl Iterator<Item = (u8, u8)> {
    let behind_zero = is_behind_zero(term, at);
    (byte..=u8::MAX).skip(1).filter_map(move |next| {
        if behind_zero { (next == ESCAPED_ZERO).then_some((next, 0)) } else { Some((next, next)) }
    })
}

/// Whether the byte before `at` is zero, so that the one at `at` says what that means.
fn is_behind_zero(term: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| term.get(before)) == Some(&0)
}

/// Key of the length codes of `field` in the chunk numbered `chunk`.
pub fn length_codes_key(field: FieldId, chunk: u32) -> Vec<u8> {
    let mut key = field_prefix(field).to_vec();
    key.push(KIND_LENGTH_CODES);
    key.extend_from_slice(&chunk.to_be_bytes());
    key
}

/// Key of the statistics of `field`.
pub fn statistics_key(field: FieldId) -> Vec<u8> {
    let mut key = field_prefix(field).to_vec();
    key.push(KIND_STATISTICS);
    key
}

/// Takes a key of the norms keyspace apart.
///
/// # Errors
/// Corruption when the key is not one that this file builds.
pub fn decode_norms(key: &[u8]) -> lsm::Result<NormsKey> {
    let mut reader = ByteReader::new(NORMS_KEY, key);
    let field = take_field(&mut reader)?;
    let kind = match reader.u8()? {
        KIND_LENGTH_CODES => NormsKind::LengthCodes(take_chunk(&mut reader)?),
        KIND_STATISTICS => NormsKind::Statistics,
        other => return Err(reader.error(format_args!("{other} is no kind of entry"))),
    };
    reader.expect_end()?;
    Ok(NormsKey { field, kind })
}

/// Key of the dead documents of the chunk numbered `chunk`.
pub fn dead_key(chunk: u32) -> [u8; 4] {
    chunk.to_be_bytes()
}

/// The chunk that a key of the dead keyspace names.
///
/// # Errors
/// Corruption when the key is not four bytes long.
pub fn decode_dead(key: &[u8]) -> lsm::Result<u32> {
    let mut reader = ByteReader::new("dead key", key);
    let chunk = take_chunk(&mut reader)?;
    reader.expect_end()?;
    Ok(chunk)
}

/// Refuses a term that is too long for a key.
pub(crate) fn check_term(term: &[u8]) -> Result<()> {
    if term.len() > TERM_BYTES_MAX {
        return Err(Error::TermTooLong { bytes: term.len(), bytes_max: TERM_BYTES_MAX });
    }
    Ok(())
}

/// Appends [`term_prefix`].
pub(crate) fn put_term_prefix(out: &mut Vec<u8>, field: FieldId, term: &[u8]) {
    out.extend_from_slice(&field_prefix(field));
    for (index, piece) in term.split(|&byte| byte == 0).enumerate() {
        if index > 0 {
            out.extend_from_slice(&[0, ESCAPED_ZERO]);
        }
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(&[0, TERMINATOR]);
}

/// Appends what follows [`term_prefix`] in a key.
pub(crate) fn put_chunk(out: &mut Vec<u8>, chunk: u32) {
    out.extend_from_slice(&chunk.to_be_bytes());
}

fn take_field(reader: &mut ByteReader<'_>) -> lsm::Result<FieldId> {
    Ok(FieldId(reader.u16()?.swap_bytes()))
}

fn take_chunk(reader: &mut ByteReader<'_>) -> lsm::Result<u32> {
    Ok(reader.u32()?.swap_bytes())
}

/// Reads a term and its terminator.
fn take_term<'a>(reader: &mut ByteReader<'a>) -> lsm::Result<Cow<'a, [u8]>> {
    let mut term = Cow::Borrowed([].as_slice());
    loop {
        let rest = reader.clone().rest();
        let Some(zero) = rest.iter().position(|&byte| byte == 0) else {
            return Err(reader.error("the term does not end"));
        };
        let piece = reader.take(zero)?;
        if term.is_empty() {
            term = Cow::Borrowed(piece);
        } else {
            term.to_mut().extend_from_slice(piece);
        }
        reader.u8()?;
        match reader.u8()? {
            TERMINATOR => return Ok(term),
            ESCAPED_ZERO => term.to_mut().push(0),
            other => {
                return Err(reader.error(format_args!("{other} follows a zero byte of the term")));
            }
        }
    }
}

/// Names of the keyspaces of a collection.
///
/// A collection's name holds no `/`, whoever creates collections sees to that; an index's name may.
pub mod names {
    /// Keyspace of the documents of `collection`.
    pub fn docs(collection: &str) -> String {
        format!("{collection}/docs")
    }

    /// Keyspace of the unique `_id` index of `collection`.
    pub fn ids(collection: &str) -> String {
        format!("{collection}/ids")
    }

    /// Keyspace of the dead documents of `collection`.
    pub fn dead(collection: &str) -> String {
        format!("{collection}/dead")
    }

    /// Keyspace of what was removed from `collection`, if that tracks it.
    pub fn removals(collection: &str) -> String {
        format!("{collection}/removals")
    }

    /// Keyspace of the terms of the text index `index` of `collection`.
    pub fn text(collection: &str, index: &str) -> String {
        format!("{collection}/text.{index}")
    }

    /// Keyspace of the lengths and statistics of the text index `index` of `collection`.
    pub fn norms(collection: &str, index: &str) -> String {
        format!("{collection}/norms.{index}")
    }

    /// Keyspace of the value index `index` of `collection`.
    pub fn value(collection: &str, index: &str) -> String {
        format!("{collection}/value.{index}")
    }

    /// Keyspace of the column of the values at `path` in the documents of `collection`.
    pub fn columns(collection: &str, path: &str) -> String {
        format!("{collection}/columns.{path}")
    }

    /// Keyspace of the dead documents of the collection that `keyspace` belongs to, if it belongs to one.
    pub fn dead_of(keyspace: &str) -> Option<String> {
        keyspace.split_once('/').map(|(collection, _)| dead(collection))
    }

    /// Keyspace of the lengths and statistics of the text index whose terms are in `keyspace`, if it is one of those.
    pub fn norms_of(keyspace: &str) -> Option<String> {
        let (collection, rest) = keyspace.split_once('/')?;
        rest.strip_prefix("text.").map(|index| norms(collection, index))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Terms that often hold zeros, escapes and terminators, and share prefixes.
    fn term() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0_u8), Just(1), Just(0xFF), Just(b'a'), any::<u8>()];
        proptest::collection::vec(byte, 0..8)
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_went(field: u16, term in term(), chunk: u32) {
            let field = FieldId(field);
            let key = postings_key(field, &term, chunk);
            let decoded = decode(&key).unwrap();
            prop_assert_eq!(&decoded, &TextKey { field, term: Cow::Borrowed(&term), chunk });
            prop_assert_eq!(matches!(decoded.term, Cow::Borrowed(_)), !term.contains(&0));
            let prefix = term_prefix(field, &term);
            prop_assert_eq!(group_len(&key), prefix.len());
            prop_assert!(key.starts_with(&prefix) && key.starts_with(&field_prefix(field)));
        }

        #[test]
        fn keys_order_like_field_term_chunk(
            a in (0..3_u16, term(), any::<u32>()),
            b in (0..3_u16, term(), any::<u32>()),
        ) {
            let left = postings_key(FieldId(a.0), &a.1, a.2);
            let right = postings_key(FieldId(b.0), &b.1, b.2);
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
            let same_group = (a.0, &a.1) == (b.0, &b.1);
            prop_assert_eq!(right.starts_with(&left[..group_len(&left)]), same_group);
        }

        #[test]
        fn arbitrary_bytes_decode_to_the_same_bytes_or_to_an_error(key: Vec<u8>) {
            prop_assert!(group_len(&key) <= key.len());
            if let Ok(TextKey { field, term, chunk }) = decode(&key) {
                prop_assert_eq!(postings_key(field, &term, chunk), key);
            } else if let Ok(NormsKey { field, kind: NormsKind::LengthCodes(chunk) }) = decode_norms(&key) {
                prop_assert_eq!(length_codes_key(field, chunk), key);
            } else if let Ok(chunk) = decode_dead(&key) {
                prop_assert_eq!(dead_key(chunk).to_vec(), key);
            }
        }
    }

    #[test]
    fn norms_keys_come_back_as_they_went() {
        let field = FieldId(0x0102);
        let codes = NormsKey { field, kind: NormsKind::LengthCodes(0x0304_0506) };
        assert_eq!(length_codes_key(field, 0x0304_0506), [1, 2, 0, 3, 4, 5, 6]);
        assert_eq!(decode_norms(&[1, 2, 0, 3, 4, 5, 6]).unwrap(), codes);
        let statistics = NormsKey { field, kind: NormsKind::Statistics };
        assert_eq!(decode_norms(&statistics_key(field)).unwrap(), statistics);
        assert!(decode_norms(&[1, 2, 1, 0]).is_err());
    }

    #[test]
    fn the_longest_term_fits_a_key_whatever_its_bytes() {
        let term = vec![0; TERM_BYTES_MAX];
        assert!(check_term(&term).is_ok());
        assert!(postings_key(FieldId::PATHS, &term, u32::MAX).len() <= lsm::KEY_BYTES_MAX);
        assert!(check_term(&vec![0; TERM_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn the_format_page_shows_true_bytes() {
        assert_eq!(
            postings_key(FieldId(1), b"a\0b", 2),
            [0, 1, b'a', 0, 0xFF, b'b', 0, 1, 0, 0, 0, 2]
        );
        let page = include_str!("../../docs/format/text_keys.md");
        assert!(page.contains("00 01  61 00 FF 62  00 01  00 00 00 02"));
    }

    #[test]
    fn every_keyspace_of_a_collection_leads_to_its_dead_documents() {
        for name in [
            names::text("notes", "default"),
            names::norms("notes", "a/b"),
            names::docs("notes"),
            names::ids("notes"),
            names::value("notes", "a/b"),
            names::columns("notes", "a.b"),
        ] {
            assert_eq!(names::dead_of(&name).as_deref(), Some("notes/dead"));
        }
        assert_eq!(names::text("notes", "$**"), "notes/text.$**");
        assert_eq!(names::dead_of("catalog"), None);
        assert_eq!(names::norms_of("notes/text.a").as_deref(), Some("notes/norms.a"));
        assert_eq!(names::norms_of("notes/norms.a"), None);
    }
}
