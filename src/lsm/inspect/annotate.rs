//! [`Annotator`]: reads a structure field by field and keeps what each stretch of bytes means.
//!
//! `structures` names the fields; the result is a list of [`Annotation`]s that covers every byte: what no field took is
//! shown as unexplained, so that a dump shows a format that grew before its decoder did.

use std::fmt::Write;

use serde::Serialize;

use crate::lsm::codec::ByteReader;
use crate::lsm::error::Result;
use crate::lsm::ranges::KeyEnd;

/// Bytes of one field that are shown.
const BYTES_SHOWN: usize = 16;
/// Bytes of a key that are shown.
const KEY_BYTES_SHOWN: usize = 40;
/// Bytes of a text that are shown.
const TEXT_SHOWN: usize = 48;

/// What a stretch of bytes means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// From the first byte of the part.
    pub offset: u64,
    /// Bytes that are described.
    pub len: u64,
    /// They themselves, in hexadecimal; the first ones if they are many.
    pub hex: String,
    /// What the field is called.
    pub field: String,
    /// What it says.
    pub value: String,
}

/// Reads fields and notes them.
pub(super) struct Annotator<'a> {
    bytes: &'a [u8],
    reader: ByteReader<'a>,
    notes: Vec<Annotation>,
}

impl<'a> Annotator<'a> {
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Annotator { bytes, reader: ByteReader::new(what, bytes), notes: Vec::new() }
    }

    /// Offset of the next field.
    pub(super) fn offset(&self) -> usize {
        self.reader.offset()
    }

    pub(super) fn remaining(&self) -> usize {
        self.reader.remaining()
    }

    /// A field that `read` reads, shown by `show`.
    pub(super) fn field<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut ByteReader<'a>) -> Result<T>,
        show: impl FnOnce(&T) -> String,
    ) -> Result<T> {
        let start = self.reader.offset();
        let value = read(&mut self.reader)?;
        self.note(start, self.reader.offset(), name, show(&value));
        Ok(value)
    }

    pub(super) fn u8(&mut self, name: &str) -> Result<u8> {
        self.field(name, ByteReader::u8, u8::to_string)
    }

    pub(super) fn u32(&mut self, name: &str) -> Result<u32> {
        self.field(name, ByteReader::u32, u32::to_string)
    }

    pub(super) fn u64(&mut self, name: &str) -> Result<u64> {
        self.field(name, ByteReader::u64, u64::to_string)
    }

    pub(super) fn varint(&mut self, name: &str) -> Result<u64> {
        self.field(name, ByteReader::varint, u64::to_string)
    }

    /// Bytes that are shown as text.
    pub(super) fn text(&mut self, name: &str, len: usize) -> Result<&'a [u8]> {
        self.field(name, |reader| reader.take(len), |bytes| text(bytes))
    }

    /// Bytes of which only the number matters.
    pub(super) fn opaque(&mut self, name: &str, len: usize) -> Result<&'a [u8]> {
        let show = |bytes: &&[u8]| {
            let zeros = bytes.iter().all(|&byte| byte == 0);
            if zeros { "zeros".to_owned() } else { format!("{} bytes", bytes.len()) }
        };
        self.field(name, |reader| reader.take(len), show)
    }

    /// A checksum, and whether it is `expected`.
    pub(super) fn checksum(&mut self, expected: u64) -> Result<bool> {
        let show = |found: &u64| {
            if *found == expected {
                "matches".to_owned()
            } else {
                format!("DOES NOT MATCH, {expected:016x} expected")
            }
        };
        let found = self.field("checksum", ByteReader::u64, show)?;
        Ok(found == expected)
    }

    /// A remark that covers no bytes, where the reader stands.
    pub(super) fn remark(&mut self, field: &str, value: impl Into<String>) {
        self.note(self.reader.offset(), self.reader.offset(), field, value.into());
    }

    fn note(&mut self, start: usize, end: usize, field: &str, value: String) {
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        self.notes.push(Annotation {
            offset: start as u64,
            len: bytes.len() as u64,
            hex: hex(bytes),
            field: field.to_owned(),
            value,
        });
    }

    /// The notes, with the rest of the bytes: as padding when they are zeros, else as unexplained.
    pub(super) fn finish(mut self) -> Vec<Annotation> {
        let start = self.reader.offset();
        let rest = self.reader.rest();
        if !rest.is_empty() {
            let zeros = rest.iter().all(|&byte| byte == 0);
            let field = if zeros { "padding" } else { "unexplained" };
            let value = format!("{} {}", rest.len(), if zeros { "zeros" } else { "bytes" });
            self.note(start, start + rest.len(), field, value);
        }
        self.notes
    }
}

/// Bytes in hexadecimal; a long row is cut.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(3 * BYTES_SHOWN + 2);
    for (at, byte) in bytes.iter().take(BYTES_SHOWN).enumerate() {
        let space = if at > 0 { " " } else { "" };
        // Writing to a string does not fail.
        let _ = write!(out, "{space}{byte:02x}");
    }
    if bytes.len() > BYTES_SHOWN {
        out.push_str(" …");
    }
    out
}

/// Bytes as text: printable ASCII as it is, other bytes escaped, cut when long.
pub(super) fn text(bytes: &[u8]) -> String {
    match bytes.get(..TEXT_SHOWN) {
        Some(start) if bytes.len() > TEXT_SHOWN => {
            format!("\"{}…\" ({} bytes)", start.escape_ascii(), bytes.len())
        }
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}

/// A key as text: printable ASCII as it is, other bytes escaped, a long one cut.
pub(super) fn shown(key: &[u8]) -> String {
    match key.get(..KEY_BYTES_SHOWN) {
        Some(start) if key.len() > KEY_BYTES_SHOWN => format!("{}…", start.escape_ascii()),
        _ => key.escape_ascii().to_string(),
    }
}

/// Where a segment's keys end, as text.
pub(super) fn shown_end(end: &KeyEnd) -> String {
    match end {
        KeyEnd::Included(key) => shown(key),
        KeyEnd::Excluded(key) => format!("before {}", shown(key)),
        KeyEnd::Unbounded => "the end".to_owned(),
    }
}
