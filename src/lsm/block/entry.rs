//! One entry of a block: how it is written, and how its bytes are read back and checked.
//!
//! The builder appends entries with [`put_entry`], cursors parse them with [`Entry::parse`]. A value stands
//! in the entry itself, or in the segment's value area, to which the entry holds a [`ValueRef`].

use std::ops::Range;

use super::compression::Codec;
use crate::lsm::codec::{ByteReader, put_varint};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::{Error, Result};
use crate::lsm::ids::{KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// Values of the value area start at multiples of this, counted from the segment's first byte.
pub(crate) const VALUE_ALIGN_BYTES: u64 = 64;
/// The most that the reference to an external value takes in an entry.
pub(crate) const EXTERNAL_BYTES_MAX: usize = 1 + 10 + 5 + 8;
/// The most that comes before an entry's key: two lengths of at most 64 Ki and a tag.
pub(super) const ENTRY_HEAD_BYTES_MAX: usize = 3 + 3 + 5;

const TAG_KIND_BITS: u32 = 3;
/// What the kinds of a tag mean, by their number: the word, and whether the value stands in the value area.
pub(crate) const ENTRY_KINDS: [(&str, bool); 6] = [
    ("put", false),
    ("delete", false),
    ("merge", false),
    ("put", true),
    ("merge", true),
    ("refer", false),
];
const PUT_INLINE: u64 = 0;
const DELETE: u64 = 1;
const MERGE_INLINE: u64 = 2;
const PUT_EXTERNAL: u64 = 3;
const MERGE_EXTERNAL: u64 = 4;
const REFER: u64 = 5;

/// Where a value stands in the segment's value area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueRef {
    /// From the segment's first byte; a multiple of [`VALUE_ALIGN_BYTES`].
    pub offset: u64,
    /// Bytes that stand there.
    pub stored_bytes: u64,
    /// Bytes of the value itself, at least 1 and at most [`VALUE_BYTES_MAX`].
    pub raw_bytes: usize,
    /// How the one became the other.
    pub codec: Codec,
    /// Checksum of the stored bytes, seeded with segment and offset.
    pub checksum: u64,
}

/// An entry's value, for writing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EntryValue<'a> {
    Inline(&'a [u8]),
    External(ValueRef),
}

/// An entry's value as parsed: a range of the raw block, or the reference.
#[derive(Debug, Clone)]
pub(super) enum ValuePlace {
    Inline(Range<usize>),
    External(ValueRef),
}

/// An entry as parsed.
pub(super) struct Entry<'a> {
    /// Leading bytes that the key shares with the key before it.
    pub shared: usize,
    /// The key's other bytes.
    pub unshared: &'a [u8],
    pub kind: EntryKind,
    pub value: ValuePlace,
    /// Offset of the first byte after the entry.
    pub end: usize,
}

/// Appends an entry whose key shares `shared` bytes with the one before it; returns where `unshared` went.
pub(super) fn put_entry(
    out: &mut Vec<u8>,
    shared: usize,
    unshared: &[u8],
    kind: EntryKind,
    value: EntryValue<'_>,
) -> usize {
    let (tag, raw_bytes) = match (kind, value) {
        (EntryKind::Put, EntryValue::Inline(bytes)) => (PUT_INLINE, bytes.len()),
        (EntryKind::Delete, _) => (DELETE, 0),
        (EntryKind::Merge, EntryValue::Inline(bytes)) => (MERGE_INLINE, bytes.len()),
        (EntryKind::Refer, EntryValue::Inline(bytes)) => (REFER, bytes.len()),
        (EntryKind::Refer, EntryValue::External(_)) => {
            unreachable!("invariant: a reference stands in its block")
        }
        (EntryKind::Put, EntryValue::External(value)) => (PUT_EXTERNAL, value.raw_bytes),
        (EntryKind::Merge, EntryValue::External(value)) => (MERGE_EXTERNAL, value.raw_bytes),
    };
    put_varint(out, shared as u64);
    put_varint(out, unshared.len() as u64);
    put_varint(out, (raw_bytes as u64) << TAG_KIND_BITS | tag);
    let key_start = out.len();
    out.extend_from_slice(unshared);
    match value {
        EntryValue::Inline(bytes) => out.extend_from_slice(bytes),
        EntryValue::External(value) => {
            out.push(value.codec.number());
            put_varint(out, value.offset / VALUE_ALIGN_BYTES);
            put_varint(out, value.stored_bytes);
            out.extend_from_slice(&value.checksum.to_le_bytes());
        }
    }
    key_start
}

impl<'a> Entry<'a> {
    /// Parses the entry that starts `at` bytes into `entries`.
    #[inline]
    pub(super) fn parse(entries: &'a [u8], at: usize) -> Result<Entry<'a>> {
        let mut reader = ByteReader::new("block", entries);
        reader.take(at)?;
        let shared = reader.varint_usize()?;
        let unshared_len = reader.varint_usize()?;
        let tag = reader.varint()?;
        let raw_bytes = usize::try_from(tag >> TAG_KIND_BITS)
            .ok()
            .filter(|&bytes| bytes <= VALUE_BYTES_MAX)
            .ok_or_else(|| reader.error("a value is longer than any may be"))?;
        let unshared = reader.take(unshared_len)?;
        let tag_kind = tag & ((1 << TAG_KIND_BITS) - 1);
        let kind = match tag_kind {
            PUT_INLINE | PUT_EXTERNAL => EntryKind::Put,
            DELETE if raw_bytes == 0 => EntryKind::Delete,
            MERGE_INLINE | MERGE_EXTERNAL => EntryKind::Merge,
            REFER => EntryKind::Refer,
            _ => return Err(reader.error(format_args!("unknown tag {tag:#x}"))),
        };
        let value = if matches!(tag_kind, PUT_EXTERNAL | MERGE_EXTERNAL) {
            ValuePlace::External(ValueRef::parse(&mut reader, raw_bytes)?)
        } else {
            let start = reader.offset();
            reader.take(raw_bytes)?;
            ValuePlace::Inline(start..reader.offset())
        };
        Ok(Entry { shared, unshared, kind, value, end: reader.offset() })
    }

    /// The most usual entry, a short key put with a short value in the block, if that is what starts `at` bytes into `entries`: how many
    /// bytes its key shares, and where the others and the value stand. What it is not, [`parse`](Self::parse) tells.
    #[inline]
    pub(super) fn short_put(
        entries: &[u8],
        at: usize,
    ) -> Option<(usize, Range<usize>, Range<usize>)> {
        let head @ [shared, unshared, tag] = *entries.get(at..)?.first_chunk()?;
        let kind = u64::from(tag) & ((1 << TAG_KIND_BITS) - 1);
        let is_short = head.iter().all(|&byte| byte < 0x80);
        let start = at + head.len();
        let key_end = start + usize::from(unshared);
        let end = key_end + usize::from(tag >> TAG_KIND_BITS);
        let is_there = is_short && kind == PUT_INLINE && end <= entries.len();
        is_there.then(|| (usize::from(shared), start..key_end, key_end..end))
    }

    /// Length of the entry's key, which follows one of `len_before` bytes; the entry starts at `at`.
    #[inline]
    pub(super) fn key_len(&self, len_before: usize, at: usize) -> Result<usize> {
        let len = self.shared + self.unshared.len();
        if self.shared <= len_before && len <= KEY_BYTES_MAX {
            return Ok(len);
        }
        if self.shared > len_before {
            return Err(damaged("a key shares more than the key before it has", at));
        }
        Err(damaged("a key is longer than any may be", at))
    }
}

impl ValueRef {
    fn parse(reader: &mut ByteReader<'_>, raw_bytes: usize) -> Result<ValueRef> {
        let codec = Codec::decode(reader)?;
        let offset = reader
            .varint()?
            .checked_mul(VALUE_ALIGN_BYTES)
            .ok_or_else(|| reader.error("a value starts beyond 64 bits"))?;
        let stored_bytes = reader.varint()?;
        let checksum = reader.u64()?;
        let shorter = stored_bytes < raw_bytes as u64;
        let same = stored_bytes == raw_bytes as u64;
        if raw_bytes == 0 || !(if codec == Codec::Raw { same } else { shorter }) {
            return Err(reader.error(format_args!(
                "a value of {raw_bytes} bytes cannot be stored in {stored_bytes}"
            )));
        }
        Ok(ValueRef { offset, stored_bytes, raw_bytes, codec, checksum })
    }
}

/// The first eight bytes of `rest` as a number that sorts like them; zeros stand for bytes that are missing.
pub(super) fn key_head(rest: &[u8]) -> u64 {
    let mut head = [0; 8];
    let len = rest.len().min(head.len());
    head[..len].copy_from_slice(&rest[..len]);
    u64::from_be_bytes(head)
}

/// Leading bytes that two keys have in common.
pub(crate) fn shared_len(left: &[u8], right: &[u8]) -> usize {
    let (left_words, _) = left.as_chunks::<8>();
    let (right_words, _) = right.as_chunks::<8>();
    let words = left_words.iter().zip(right_words).take_while(|(left, right)| left == right);
    let done = words.count() * 8;
    let rest = left.iter().zip(right).skip(done);
    done + rest.take_while(|(left, right)| left == right).count()
}

/// A corruption of a raw block, `at` bytes into it.
#[cold]
#[inline(never)]
pub(super) fn damaged(what: &str, at: usize) -> Error {
    Error::corruption(format!("block: {what}"), at as u64)
}
