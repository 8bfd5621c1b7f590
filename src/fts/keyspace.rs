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
    /// The term, without escapes; borrowed when it holds neither a byte of 0 nor of 1.
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
/// Ends a term; smaller than all that a longer term may have in its place, so that a prefix orders first.
const TERMINATOR: u8 = 0x00;
/// Stands in front of a byte of a term that is one of these two, to which [`ESCAPED`] is added.
const ESCAPE: u8 = 0x01;
/// What makes of an escaped byte another one than [`ESCAPE`].
const ESCAPED: u8 = 2;
/// Chunks from which on a text key has two bytes, and five; and what these begin with.
const ONE_BYTE_END: u32 = 0xF0;
const TWO_BYTES_END: u32 = 0xF0 + 0xF00;
const TWO_BYTES: u8 = 0xF0;
const FIVE_BYTES: u8 = 0xFF;
/// Bytes that a chunk may take.
const CHUNK_BYTES: [usize; 3] = [1, 2, 5];
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
    let chunk = take_short_chunk(&mut reader)?;
    reader.expect_end()?;
    Ok(TextKey { field, term, chunk })
}

/// The chunk that a text key names behind the [`term_prefix`] with which it begins.
///
/// # Errors
/// Corruption when something else stands there.
pub(crate) fn decode_chunk(behind: &[u8]) -> lsm::Result<u32> {
    let mut reader = ByteReader::new(TEXT_KEY, behind);
    let chunk = take_short_chunk(&mut reader)?;
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
    /// Bytes of the term, at least one, as they are.
    Bytes(&'a [u8]),
    /// The last ones, in front of the byte that ends it.
    LastBytes(&'a [u8]),
    /// A byte that says that the next one is escaped.
    Escape,
    /// A byte of the term behind that.
    Escaped(u8),
    /// The byte that ends the term.
    End,
}

/// Bytes of a term that stand for themselves nowhere in a text key.
pub(super) const ESCAPED_BYTES: [u8; 2] = [TERMINATOR, ESCAPE];

/// The bytes of a text key or of a name behind its field up to where its term ends: the term, but for [`ESCAPED_BYTES`] in it.
#[inline]
pub(super) fn escaped_term(term: &[u8]) -> &[u8] {
    let ends = |behind: usize| {
        let at = term.len().checked_sub(1 + behind);
        at.and_then(|at| term.get(at)) == Some(&TERMINATOR)
    };
    // Names, which most walks see, end with the term: no term has this byte, and a chunk is behind it in each key.
    let is_name = ends(0) && CHUNK_BYTES.iter().all(|&bytes| !ends(bytes));
    let ended = || term.iter().position(|&byte| byte == TERMINATOR);
    let len = if is_name { term.len().checked_sub(1) } else { ended() };
    len.and_then(|len| term.get(..len)).unwrap_or(term)
}

/// What stands at `at` in `term`, a text key behind its field, where a piece begins.
///
/// # Errors
/// Corruption when the term does not end.
#[inline]
pub(super) fn term_piece(term: &[u8], at: usize) -> lsm::Result<TermPiece<'_>> {
    let broken = || lsm::Error::corruption("text key: the term does not end", 0);
    let rest = term.get(at..).ok_or_else(broken)?;
    if is_escaped(term, at) {
        let byte = rest.first().and_then(|&byte| unescaped(byte));
        return byte.map(TermPiece::Escaped).ok_or_else(broken);
    }
    let len = rest.iter().position(|&byte| byte <= ESCAPE).ok_or_else(broken)?;
    match rest.split_at_checked(len) {
        Some(([], [TERMINATOR, ..])) => Ok(TermPiece::End),
        Some(([], _)) => Ok(TermPiece::Escape),
        Some((bytes, [TERMINATOR, ..])) => Ok(TermPiece::LastBytes(bytes)),
        Some((bytes, _)) => Ok(TermPiece::Bytes(bytes)),
        None => Err(broken()),
    }
}

/// Which bytes may stand in a text key behind its field in place of `byte`, which stands at `at` in `term`, and are greater; each with
/// a byte of the term that it may mean.
pub(super) fn term_bytes_behind(
    term: &[u8],
    at: usize,
    byte: u8,
) -> impl Iterator<Item = (u8, u8)> {
    let is_escaped = is_escaped(term, at);
    let behind = (byte..=u8::MAX).skip(1);
    behind.flat_map(move |next| {
        let means = if is_escaped {
            [unescaped(next), None]
        } else if next == ESCAPE {
            [Some(TERMINATOR), Some(ESCAPE)]
        } else {
            [Some(next), None]
        };
        means.into_iter().flatten().map(move |byte| (next, byte))
    })
}

/// Whether the byte at `at` stands behind one that says so.
fn is_escaped(term: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| term.get(before)) == Some(&ESCAPE)
}

/// The byte of a term that this one stands for behind [`ESCAPE`].
fn unescaped(byte: u8) -> Option<u8> {
    byte.checked_sub(ESCAPED).filter(|&byte| byte <= ESCAPE)
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
    for piece in term.split_inclusive(|&byte| byte <= ESCAPE) {
        match piece.split_last() {
            Some((&last, bytes)) if last <= ESCAPE => {
                out.extend_from_slice(bytes);
                out.extend_from_slice(&[ESCAPE, last + ESCAPED]);
            }
            _ => out.extend_from_slice(piece),
        }
    }
    out.push(TERMINATOR);
}

/// Appends what follows [`term_prefix`] in a key.
pub(crate) fn put_chunk(out: &mut Vec<u8>, chunk: u32) {
    let [a, b, c, d] = chunk.to_be_bytes();
    if chunk < ONE_BYTE_END {
        out.push(d);
    } else if chunk < TWO_BYTES_END {
        let [.., high, low] = (chunk - ONE_BYTE_END).to_be_bytes();
        out.extend_from_slice(&[TWO_BYTES + high, low]);
    } else {
        out.extend_from_slice(&[FIVE_BYTES, a, b, c, d]);
    }
}

/// Reads what [`put_chunk`] appends.
fn take_short_chunk(reader: &mut ByteReader<'_>) -> lsm::Result<u32> {
    match reader.u8()? {
        FIVE_BYTES => {
            let chunk = take_chunk(reader)?;
            if chunk >= TWO_BYTES_END {
                return Ok(chunk);
            }
            Err(reader.error(format_args!("five bytes for the chunk {chunk}")))
        }
        byte @ TWO_BYTES.. => {
            Ok(ONE_BYTE_END + u32::from_be_bytes([0, 0, byte - TWO_BYTES, reader.u8()?]))
        }
        byte => Ok(byte.into()),
    }
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
        let Some(len) = rest.iter().position(|&byte| byte <= ESCAPE) else {
            return Err(reader.error("the term does not end"));
        };
        let piece = reader.take(len)?;
        if term.is_empty() {
            term = Cow::Borrowed(piece);
        } else {
            term.to_mut().extend_from_slice(piece);
        }
        if reader.u8()? == TERMINATOR {
            return Ok(term);
        }
        let byte = reader.u8()?;
        let Some(byte) = unescaped(byte) else {
            return Err(reader.error(format_args!("{byte} is no escaped byte of a term")));
        };
        term.to_mut().push(byte);
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

    /// Terms that often hold terminators and escapes, and share prefixes.
    fn term() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0_u8), Just(1), Just(2), Just(3), Just(b'a'), any::<u8>()];
        proptest::collection::vec(byte, 0..8)
    }

    fn chunk() -> impl Strategy<Value = u32> {
        prop_oneof![0..2_u32, 0xEE..0xF2_u32, 0xFED..0xFF2_u32, any::<u32>()]
    }

    proptest! {
        #[test]
        fn keys_come_back_as_they_went(field: u16, term in term(), chunk in chunk()) {
            let field = FieldId(field);
            let key = postings_key(field, &term, chunk);
            let decoded = decode(&key).unwrap();
            prop_assert_eq!(&decoded, &TextKey { field, term: Cow::Borrowed(&term), chunk });
            let is_escaped = term.iter().any(|&byte| byte <= 1);
            prop_assert_eq!(matches!(decoded.term, Cow::Borrowed(_)), !is_escaped);
            let prefix = term_prefix(field, &term);
            prop_assert_eq!(group_len(&key), prefix.len());
            prop_assert!(key.starts_with(&prefix) && key.starts_with(&field_prefix(field)));
            prop_assert_eq!(escaped_term(&key[2..]), &prefix[2..prefix.len() - 1]);
            prop_assert_eq!(escaped_term(&prefix[2..]), &prefix[2..prefix.len() - 1]);
        }

        #[test]
        fn keys_order_like_field_term_chunk(
            a in (0..3_u16, term(), chunk()),
            b in (0..3_u16, term(), chunk()),
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
        assert_eq!(postings_key(FieldId(1), b"a\0b", 2), [0, 1, b'a', 1, 2, b'b', 0, 2]);
        for (chunk, bytes) in [
            (0xEF, [0xEF].as_slice()),
            (0xF0, &[0xF0, 0]),
            (0x0FEF, &[0xFE, 0xFF]),
            (0x0FF0, &[0xFF, 0, 0, 0x0F, 0xF0]),
        ] {
            assert!(postings_key(FieldId(1), b"", chunk).ends_with(bytes), "{chunk}");
        }
        assert!(decode(&[0, 1, 0, 0xFF, 0, 0, 0x0F, 0xEF]).is_err());
        let page = include_str!("../../docs/format/text_keys.md");
        assert!(page.contains("00 01  61 01 02 62  00   02"));
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
