//! The distinct values of a column's chunk, by their order; a value's place is its *ordinal*.
//!
//! Chunks share dictionaries, builders make them, sorts and aggregations look keys up in them. Invariants: values ascend
//! strictly by `compare`, and so do their sort keys, which are made on demand; there is at least one value, and fewer than 2^30.
//! Integers and dates that are alone are kept as numbers; texts and doubles that are alone stay where they stand in the file; anything
//! else is kept as BSON documents with one field without a name. Cost: some ten nanoseconds for a value or a key, the logarithm of
//! that many for a look-up; 8 bytes of memory for a number, 4 for a text, none for a double.

use std::cmp::Ordering;

use bytes::Bytes;

use super::packed::{pack, unpack, width};
use crate::bson::{
    DateTime, NESTING_MAX, RawBsonRef, RawDocument, compare, rawdoc, sort_key, validate,
};
use crate::lsm::{ByteReader, Result, put_signed_varint, put_varint};

/// Distinct values, ascending.
#[derive(Debug, Clone)]
pub(super) struct Dictionary {
    values: Values,
}

#[derive(Debug, Clone)]
enum Values {
    /// All values are integers of one type, or dates.
    Numbers { kind: u8, numbers: Vec<i64> },
    /// All values are doubles: the entries as they are stored.
    Doubles { entries: Bytes },
    /// All values are strings: the entries as they are stored, and by ordinal where each has its length.
    Texts { entries: Bytes, starts: Vec<u32> },
    /// Documents with one field each, one behind the other, and where each ends.
    Any { documents: Vec<u8>, ends: Vec<usize> },
}

/// BSON's numbers of types that this file looks into.
mod kind {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const OBJECT_ID: u8 = 0x07;
    pub(super) const BOOLEAN: u8 = 0x08;
    pub(super) const DATE: u8 = 0x09;
    pub(super) const NULL: u8 = 0x0A;
    pub(super) const CODE: u8 = 0x0D;
    pub(super) const SYMBOL: u8 = 0x0E;
    pub(super) const INT32: u8 = 0x10;
    pub(super) const TIMESTAMP: u8 = 0x11;
    pub(super) const INT64: u8 = 0x12;
    pub(super) const DECIMAL128: u8 = 0x13;
    pub(super) const MAX_KEY: u8 = 0x7F;
    pub(super) const MIN_KEY: u8 = 0xFF;
}

/// Gaps between numbers that share a width.
const BLOCK_LEN: usize = 128;
/// More values than these need more than 16 bits for each ordinal.
const NARROW_LEN_MAX: usize = 1 << 16;
/// Bytes in front of the value in a document with one field without a name: length, type, NUL.
const HEAD_BYTES: usize = 6;
/// Such a document's NUL at the end.
const TAIL_BYTES: usize = 1;
/// Bytes of a double's entry.
const DOUBLE_BYTES: usize = 9;

/// `value` as a document with one field without a name, which is how a dictionary takes it.
pub(super) fn wrap(value: RawBsonRef<'_>) -> Vec<u8> {
    rawdoc! { "": value }.into_bytes()
}

impl Dictionary {
    /// The dictionary of wrapped values, which ascend.
    pub(super) fn from_wrapped<'a>(wrapped: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut kinds = wrapped.clone().map(kind_of);
        let first = kinds.next().unwrap_or_default();
        let alone = kinds.all(|kind| kind == first);
        if alone && [kind::INT32, kind::INT64, kind::DATE].contains(&first) {
            let numbers = wrapped.filter_map(|document| integer(value_of(document))).collect();
            return Dictionary { values: Values::Numbers { kind: first, numbers } };
        }
        let (mut documents, mut ends) = (Vec::new(), Vec::new());
        for document in wrapped {
            documents.extend_from_slice(document);
            ends.push(documents.len());
        }
        Dictionary { values: Values::Any { documents, ends } }
    }

    /// Number of values.
    pub(super) fn len(&self) -> u32 {
        let len = match &self.values {
            Values::Numbers { numbers, .. } => numbers.len(),
            Values::Doubles { entries } => entries.len() / DOUBLE_BYTES,
            Values::Texts { starts, .. } => starts.len(),
            Values::Any { ends, .. } => ends.len(),
        };
        u32::try_from(len).expect("invariant: fewer than 2^30 values")
    }

    /// Whether the values are written as numbers.
    pub(super) fn has_numbers(&self) -> bool {
        matches!(self.values, Values::Numbers { .. })
    }

    /// The value of an ordinal.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn value(&self, ordinal: u32) -> RawBsonRef<'_> {
        let at = index(ordinal);
        match &self.values {
            Values::Numbers { kind, numbers } => number(*kind, numbers[at]),
            Values::Doubles { entries } => {
                let place = place_of(at, entries.len() / DOUBLE_BYTES);
                let entry = &entries[place * DOUBLE_BYTES..(place + 1) * DOUBLE_BYTES];
                let bits = entry.last_chunk().copied().unwrap_or_default();
                RawBsonRef::Double(f64::from_le_bytes(bits))
            }
            Values::Texts { entries, starts } => {
                let text = text_at(entries, starts[at]);
                RawBsonRef::String(text.expect("invariant: checked when it was read"))
            }
            Values::Any { documents, ends } => value_of(wrapped_at(documents, ends, at)),
        }
    }

    /// Appends an ordinal's value, wrapped.
    pub(super) fn put_wrapped(&self, ordinal: u32, out: &mut Vec<u8>) {
        match &self.values {
            Values::Numbers { kind, numbers } => {
                let payload = numbers[index(ordinal)].to_le_bytes();
                let (low, high) = payload.split_at(4);
                let high = if *kind == kind::INT32 { &[] } else { high };
                let bytes = HEAD_BYTES + low.len() + high.len() + TAIL_BYTES;
                out.extend([u8::try_from(bytes).unwrap_or_default(), 0, 0, 0, *kind, 0]);
                out.extend_from_slice(low);
                out.extend_from_slice(high);
                out.push(0);
            }
            Values::Doubles { .. } | Values::Texts { .. } => {
                out.extend_from_slice(&wrap(self.value(ordinal)));
            }
            Values::Any { documents, ends } => {
                out.extend_from_slice(wrapped_at(documents, ends, index(ordinal)));
            }
        }
    }

    /// The sort key of an ordinal's value, in `scratch`.
    pub(super) fn key<'a>(&self, ordinal: u32, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        scratch.clear();
        sort_key(self.value(ordinal), scratch).expect("invariant: values were read before");
        scratch
    }

    /// The first ordinal whose value is not below `key`, and whether it is equal: looked for at `near` and beside it, then by halves.
    pub(super) fn find(&self, key: &[u8], near: u32) -> (u32, bool) {
        let mut scratch = Vec::new();
        let (mut low, mut high) = (0, self.len());
        let mut place = near.min(high - 1);
        let mut is_first = true;
        while low < high {
            let is_below = match self.key(place, &mut scratch).cmp(key) {
                Ordering::Less => true,
                Ordering::Equal => return (place, true),
                Ordering::Greater => false,
            };
            if is_below {
                low = place + 1;
            } else {
                high = place;
            }
            let is_second = std::mem::take(&mut is_first);
            place = match (is_second, is_below) {
                (true, true) => low,
                (true, false) => high.saturating_sub(1),
                (false, _) => low + (high - low) / 2,
            };
        }
        (low, false)
    }

    /// Bytes of memory, beside those of the file.
    pub(super) fn bytes(&self) -> usize {
        match &self.values {
            Values::Numbers { numbers, .. } => numbers.len() * size_of::<i64>(),
            Values::Doubles { .. } => 0,
            Values::Texts { starts, .. } => size_of_val(&**starts),
            Values::Any { documents, ends } => documents.len() + ends.len() * size_of::<usize>(),
        }
    }

    /// Appends the dictionary as it is stored.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.len()));
        match &self.values {
            Values::Numbers { kind, numbers } => {
                out.push(*kind);
                put_numbers(numbers, out);
            }
            Values::Doubles { entries } | Values::Texts { entries, .. } => {
                out.extend_from_slice(entries);
            }
            Values::Any { documents, ends } => {
                let last = ends.len() - 1;
                let order = std::iter::once(0).chain((last > 0).then_some(last)).chain(1..last);
                for at in order {
                    put_entry(wrapped_at(documents, ends, at), out);
                }
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, from a reader of `whole`.
    ///
    /// # Errors
    /// Corruption. Allocates a small multiple of the bytes, or at most 512 KiB.
    pub(super) fn decode(
        reader: &mut ByteReader<'_>,
        whole: &Bytes,
        has_numbers: bool,
    ) -> Result<Self> {
        let len = reader.varint_usize()?;
        // Consecutive numbers take hardly a bit here, but every value is some document's, and so many take bytes there.
        if len == 0 || len > NARROW_LEN_MAX && len > reader.remaining() {
            return Err(reader.error(format_args!("a dictionary of {len} values")));
        }
        if has_numbers {
            let kind = reader.u8()?;
            let numbers = take_numbers(reader, kind, len)?;
            return Ok(Dictionary { values: Values::Numbers { kind, numbers } });
        }
        let values = match Self::take_alone(&mut reader.clone(), whole, len) {
            Some((values, taken)) => {
                reader.take(taken)?;
                values
            }
            None => Self::take_any(reader, len)?,
        };
        let dictionary = Dictionary { values };
        let mut before = dictionary.value(0);
        for ordinal in 1..dictionary.len() {
            let value = dictionary.value(ordinal);
            if compare(before, value).is_ge() {
                return Err(reader.error(format_args!("value {ordinal} does not ascend")));
            }
            before = value;
        }
        Ok(dictionary)
    }

    /// Entries that are all doubles or all strings, and how many bytes they take; `None` when they are neither, or damaged.
    fn take_alone(
        reader: &mut ByteReader<'_>,
        whole: &Bytes,
        len: usize,
    ) -> Option<(Values, usize)> {
        let mut entries = reader.clone().rest();
        match entries.first() {
            Some(&kind::DOUBLE) => {
                entries = entries.get(..len.checked_mul(DOUBLE_BYTES)?)?;
                let mut each = entries.chunks_exact(DOUBLE_BYTES);
                let are_alone = each.all(|entry| entry.first() == Some(&kind::DOUBLE));
                let values = Values::Doubles { entries: whole.slice_ref(entries) };
                are_alone.then_some((values, entries.len()))
            }
            Some(&kind::STRING) => {
                let begin = reader.offset();
                let mut starts = Vec::new();
                for _ in 0..len {
                    (reader.u8().ok()? == kind::STRING).then_some(())?;
                    starts.push(u32::try_from(reader.offset() - begin).ok()?);
                    let text = reader.varint_usize().and_then(|len| reader.take(len)).ok()?;
                    str::from_utf8(text).ok()?;
                }
                // The greatest stands behind the least.
                if let Some(behind) = starts.get_mut(1..) {
                    behind.rotate_left(usize::from(!behind.is_empty()));
                }
                let entries = entries.get(..reader.offset() - begin)?;
                Some((Values::Texts { entries: whole.slice_ref(entries), starts }, entries.len()))
            }
            _ => None,
        }
    }

    fn take_any(reader: &mut ByteReader<'_>, len: usize) -> Result<Values> {
        let (mut documents, mut ends, mut greatest) = (Vec::new(), Vec::new(), Vec::new());
        take_entry(reader, &mut documents)?;
        ends.push(documents.len());
        if len > 1 {
            take_entry(reader, &mut greatest)?;
        }
        for _ in 2..len {
            take_entry(reader, &mut documents)?;
            ends.push(documents.len());
        }
        if len > 1 {
            documents.extend_from_slice(&greatest);
            ends.push(documents.len());
        }
        Ok(Values::Any { documents, ends })
    }
}

/// The place of an ordinal among so many entries: the greatest stands behind the least.
fn place_of(ordinal: usize, len: usize) -> usize {
    match ordinal {
        0 => 0,
        ordinal if ordinal + 1 == len => 1,
        ordinal => ordinal + 1,
    }
}

/// The text whose length stands at `start`.
fn text_at(entries: &[u8], start: u32) -> Option<&str> {
    let mut reader = ByteReader::new("text", entries.get(index(start)..)?);
    let text = reader.varint_usize().and_then(|len| reader.take(len)).ok()?;
    str::from_utf8(text).ok()
}

/// An integer of one of the three types that are kept as numbers.
pub(super) fn integer(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(number) => Some(number.into()),
        RawBsonRef::Int64(number) => Some(number),
        RawBsonRef::DateTime(date) => Some(date.timestamp_millis()),
        _ => None,
    }
}

fn number(kind: u8, number: i64) -> RawBsonRef<'static> {
    match kind {
        kind::DATE => RawBsonRef::DateTime(DateTime::from_millis(number)),
        kind::INT32 => {
            RawBsonRef::Int32(i32::try_from(number).expect("invariant: checked when it was read"))
        }
        _ => RawBsonRef::Int64(number),
    }
}

fn index(ordinal: u32) -> usize {
    usize::try_from(ordinal).expect("invariant: 32 bits fit")
}

fn wrapped_at<'a>(documents: &'a [u8], ends: &[usize], at: usize) -> &'a [u8] {
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    &documents[start..ends[at]]
}

fn kind_of(wrapped: &[u8]) -> u8 {
    wrapped.get(HEAD_BYTES - 2).copied().unwrap_or_default()
}

/// The bytes of a wrapped value.
fn payload(wrapped: &[u8]) -> &[u8] {
    wrapped.get(HEAD_BYTES..wrapped.len() - TAIL_BYTES).unwrap_or_default()
}

/// The value of a wrapped one that was validated; doubles and strings, the most usual, by a short way.
fn value_of(wrapped: &[u8]) -> RawBsonRef<'_> {
    let payload = payload(wrapped);
    match kind_of(wrapped) {
        kind::DOUBLE => {
            if let Ok(bits) = payload.try_into() {
                return RawBsonRef::Double(f64::from_le_bytes(bits));
            }
        }
        kind::STRING => {
            let text = payload.get(4..payload.len().saturating_sub(1)).map(str::from_utf8);
            if let Some(Ok(text)) = text {
                return RawBsonRef::String(text);
            }
        }
        _ => {}
    }
    let document = RawDocument::from_bytes(wrapped).ok();
    let field = document.and_then(|document| document.into_iter().next()?.ok());
    field.expect("invariant: validated when it was read").1
}

/// Bytes of a value whose type says how many they are.
fn fixed_bytes(kind: u8) -> Option<usize> {
    match kind {
        kind::UNDEFINED | kind::NULL | kind::MIN_KEY | kind::MAX_KEY => Some(0),
        kind::BOOLEAN => Some(1),
        kind::INT32 => Some(4),
        kind::DOUBLE | kind::DATE | kind::TIMESTAMP | kind::INT64 => Some(8),
        kind::OBJECT_ID => Some(12),
        kind::DECIMAL128 => Some(16),
        _ => None,
    }
}

fn is_text(kind: u8) -> bool {
    [kind::STRING, kind::CODE, kind::SYMBOL].contains(&kind)
}

fn put_entry(wrapped: &[u8], out: &mut Vec<u8>) {
    let (kind, mut payload) = (kind_of(wrapped), payload(wrapped));
    out.push(kind);
    if is_text(kind) {
        payload = payload.get(4..payload.len() - 1).unwrap_or_default();
    }
    if fixed_bytes(kind).is_none() {
        put_varint(out, payload.len() as u64);
    }
    out.extend_from_slice(payload);
}

/// Appends the wrapped value of the next entry.
fn take_entry(reader: &mut ByteReader<'_>, out: &mut Vec<u8>) -> Result<()> {
    let kind = reader.u8()?;
    let len = match fixed_bytes(kind) {
        Some(len) => len,
        None => reader.varint_usize()?,
    };
    let payload = reader.take(len)?;
    let start = out.len();
    let text_bytes = if is_text(kind) { 5 } else { 0 };
    let put_length = |len: usize, out: &mut Vec<u8>| {
        let len = u32::try_from(len).map_err(|_| reader.error("a value of 4 GiB"))?;
        out.extend_from_slice(&len.to_le_bytes());
        Ok(())
    };
    put_length(HEAD_BYTES + payload.len() + text_bytes + TAIL_BYTES, out)?;
    out.extend_from_slice(&[kind, 0]);
    if is_text(kind) {
        put_length(payload.len() + 1, out)?;
    }
    out.extend_from_slice(payload);
    if is_text(kind) {
        out.push(0);
    }
    out.push(0);
    if fixed_bytes(kind).is_some() && kind != kind::BOOLEAN {
        // Any bytes are such a value.
        return Ok(());
    }
    let wrapped = out.get(start..).unwrap_or_default();
    validate(wrapped, NESTING_MAX)
        .and_then(|document| match document.into_iter().count() {
            1 => Ok(()),
            _ => Err(crate::bson::Error::Malformed { offset: 0, expected: "one value" }),
        })
        .map_err(|error| reader.error(format_args!("a value cannot be read: {error}")))
}

fn put_numbers(numbers: &[i64], out: &mut Vec<u8>) {
    let (Some(&least), Some(&greatest)) = (numbers.first(), numbers.last()) else { return };
    put_signed_varint(out, least);
    put_varint(out, greatest.abs_diff(least));
    let gaps: Vec<u64> = numbers.windows(2).map(|pair| pair[1].abs_diff(pair[0]) - 1).collect();
    for block in gaps.chunks(BLOCK_LEN) {
        let width = width(block.iter().copied().max().unwrap_or_default());
        out.push(width);
        pack(block.iter().copied(), width, out);
    }
}

fn take_numbers(reader: &mut ByteReader<'_>, kind: u8, len: usize) -> Result<Vec<i64>> {
    if ![kind::INT32, kind::INT64, kind::DATE].contains(&kind) {
        return Err(reader.error(format_args!("numbers of type {kind}")));
    }
    let mut last = reader.signed_varint()?;
    let span = reader.varint()?;
    let outside = |reader: &ByteReader<'_>| reader.error("the numbers leave their range");
    let greatest = last.checked_add_unsigned(span).ok_or_else(|| outside(reader))?;
    let fits = |number: i64| kind != kind::INT32 || i32::try_from(number).is_ok();
    if !fits(last) || !fits(greatest) {
        return Err(outside(reader));
    }
    let mut numbers = vec![last];
    while numbers.len() < len {
        let width = reader.u8()?;
        for gap in unpack(reader, (len - numbers.len()).min(BLOCK_LEN), width)? {
            let next = gap.checked_add(1).and_then(|step| last.checked_add_unsigned(step));
            last = next.filter(|&next| next <= greatest).ok_or_else(|| outside(reader))?;
            numbers.push(last);
        }
    }
    if last != greatest {
        return Err(outside(reader));
    }
    Ok(numbers)
}
