//! The gate: walks a whole document once, so that no later walk can meet a surprise.
//!
//! Called wherever bytes enter (insert, import, `check`); calls only the standard library. It
//! accepts exactly what the `bson` crate can read element by element, so validated bytes make every
//! iterator of that crate total.
//!
//! Checked: the lengths of documents, strings, binaries and code with scope, each against the bytes
//! that really follow; NUL terminators; UTF-8 of keys and strings; element types; booleans 0 or 1;
//! the inner length of the old binary subtype; depth and size. Not checked, because every reader
//! ignores them: the keys of arrays (order alone counts), repeated keys, the order of regex
//! options, the value of a Decimal128.
//!
//! Cost: one pass, O(bytes); allocates nothing, so a claimed length is only ever compared.
//! Recursion is bounded by [`NESTING_MAX`]. Source: bsonspec.org, version 1.1.

use super::error::{Error, Result};
use bson::RawDocument;

/// Most levels of documents and arrays inside each other that any document may have; the document
/// itself is level 1, the scope of a code value counts as a level.
pub const NESTING_MAX: usize = 200;

/// Largest document, in bytes: 64 MiB.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// Checks that `bytes` are one whole BSON document with at most `nesting_max` levels, and gives
/// them back as one.
///
/// A `nesting_max` above [`NESTING_MAX`] means [`NESTING_MAX`].
///
/// ```
/// use alluvium::bson::{NESTING_MAX, rawdoc, validate};
///
/// let document = rawdoc! { "title": "Placer mining" };
/// assert_eq!(validate(document.as_bytes(), NESTING_MAX)?.get_str("title").unwrap(), "Placer mining");
/// assert!(validate(b"\x05\0\0\0\x01", NESTING_MAX).is_err());
/// # Ok::<(), alluvium::bson::Error>(())
/// ```
///
/// # Errors
/// [`Error::TooLarge`] above [`DOCUMENT_BYTES_MAX`], [`Error::TooDeep`], or [`Error::Malformed`]
/// with the byte offset and what was expected there.
pub fn validate(bytes: &[u8], nesting_max: usize) -> Result<&RawDocument> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Error::TooLarge { bytes: bytes.len(), bytes_max: DOCUMENT_BYTES_MAX });
    }
    let nesting_max = nesting_max.min(NESTING_MAX);
    let mut walk = Walk { bytes, at: 0, end: bytes.len(), nesting_max };
    walk.document(1)?;
    if walk.at != bytes.len() {
        return Err(Error::Malformed { offset: 0, expected: "a length equal to the bytes given" });
    }
    RawDocument::from_bytes(bytes).map_err(Error::from)
}

/// A position in the bytes, and the end of the innermost document or code value that holds it.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
    nesting_max: usize,
}

impl<'a> Walk<'a> {
    /// The next `len` bytes, all of them before `end`.
    fn take(&mut self, len: usize, expected: &'static str) -> Result<&'a [u8]> {
        let taken = self
            .at
            .checked_add(len)
            .filter(|&end| end <= self.end)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or(Error::Malformed { offset: self.at, expected })?;
        self.at += len;
        Ok(taken)
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8> {
        let offset = self.at;
        self.take(1, expected)?.first().copied().ok_or(Error::Malformed { offset, expected })
    }

    /// A length field: a little-endian i32 of at least `least`.
    fn length(&mut self, least: usize, expected: &'static str) -> Result<usize> {
        let offset = self.at;
        let malformed = Error::Malformed { offset, expected };
        let Ok(field) = <[u8; 4]>::try_from(self.take(4, expected)?) else {
            return Err(malformed);
        };
        usize::try_from(i32::from_le_bytes(field)).ok().filter(|&len| len >= least).ok_or(malformed)
    }

    fn cstring(&mut self, expected: &'static str) -> Result<()> {
        let start = self.at;
        let rest = self.bytes.get(start..self.end).unwrap_or_default();
        let Some(len) = rest.iter().position(|&byte| byte == 0) else {
            return Err(Error::Malformed { offset: start, expected });
        };
        let text = self.take(len, expected)?;
        self.at += 1;
        utf8(text, start)
    }

    fn string(&mut self) -> Result<()> {
        let len = self.length(1, "a string length of 1 or more")?;
        let start = self.at;
        let text = self.take(len, "a string as long as its length says")?;
        match text.split_last() {
            Some((0, text)) => utf8(text, start),
            _ => Err(Error::Malformed {
                offset: start + len - 1,
                expected: "NUL at the end of a string",
            }),
        }
    }

    /// A document, or an array, which is laid out the same.
    fn document(&mut self, level: usize) -> Result<()> {
        if level > self.nesting_max {
            return Err(Error::TooDeep { nesting_max: self.nesting_max });
        }
        let start = self.at;
        let len = self.length(5, "a document length of 5 or more")?;
        let outer_end = self.end;
        let end = start + len;
        if end > outer_end {
            return Err(Error::Malformed {
                offset: start,
                expected: "a document that ends inside what holds it",
            });
        }
        // Elements must stop before the NUL that ends the document.
        self.end = end - 1;
        while self.at < self.end {
            self.element(level)?;
        }
        self.end = outer_end;
        let offset = self.at;
        match self.byte("NUL at the end of a document")? {
            0 => Ok(()),
            _ => Err(Error::Malformed { offset, expected: "NUL at the end of a document" }),
        }
    }

    fn element(&mut self, level: usize) -> Result<()> {
        let tag_offset = self.at;
        let tag = self.byte("an element type")?;
        self.cstring("a key that ends in NUL")?;
        match tag {
            // Null, undefined, smallest and largest key have no bytes.
            0x0A | 0x06 | 0xFF | 0x7F => Ok(()),
            0x08 => {
                let offset = self.at;
                match self.byte("a boolean")? {
                    0 | 1 => Ok(()),
                    _ => Err(Error::Malformed { offset, expected: "a boolean of 0 or 1" }),
                }
            }
            0x10 => self.take(4, "4 bytes of an int32").map(|_| ()),
            0x01 | 0x09 | 0x11 | 0x12 => self.take(8, "8 bytes of a number or time").map(|_| ()),
            0x07 => self.take(12, "12 bytes of an ObjectId").map(|_| ()),
            0x13 => self.take(16, "16 bytes of a Decimal128").map(|_| ()),
            // String, code, symbol.
            0x02 | 0x0D | 0x0E => self.string(),
            0x03 | 0x04 => self.document(level + 1),
            0x05 => self.binary(),
            0x0B => {
                self.cstring("a regex pattern that ends in NUL")?;
                self.cstring("regex options that end in NUL")
            }
            0x0C => {
                self.string()?;
                self.take(12, "12 bytes of an ObjectId").map(|_| ())
            }
            0x0F => self.code_with_scope(level),
            _ => Err(Error::Malformed { offset: tag_offset, expected: "a known element type" }),
        }
    }

    fn binary(&mut self) -> Result<()> {
        let len = self.length(0, "a binary length of 0 or more")?;
        let subtype = self.byte("a binary subtype")?;
        let start = self.at;
        if subtype == 2 {
            // The old subtype repeats its length inside.
            let expected = "an inner length 4 less than the outer one";
            let inner = self.length(0, expected)?;
            if inner.checked_add(4) != Some(len) {
                return Err(Error::Malformed { offset: start, expected });
            }
            return self.take(inner, "a binary as long as its length says").map(|_| ());
        }
        self.take(len, "a binary as long as its length says").map(|_| ())
    }

    fn code_with_scope(&mut self, level: usize) -> Result<()> {
        let start = self.at;
        let expected = "a code with scope as long as its length says";
        let end = start + self.length(14, "a code with scope length of 14 or more")?;
        let outer_end = self.end;
        if end > outer_end {
            return Err(Error::Malformed { offset: start, expected });
        }
        self.end = end;
        self.string()?;
        self.document(level + 1)?;
        self.end = outer_end;
        if self.at == end { Ok(()) } else { Err(Error::Malformed { offset: start, expected }) }
    }
}

/// `start` is where `text` lies in the document.
fn utf8(text: &[u8], start: usize) -> Result<()> {
    std::str::from_utf8(text).map(|_| ()).map_err(|error| Error::Malformed {
        offset: start + error.valid_up_to(),
        expected: "valid UTF-8",
    })
}

#[cfg(test)]
mod tests {
    use super::super::compare::compare;
    use super::super::json::to_json;
    use super::super::samples::Samples;
    use super::super::sort_key::sort_key;
    use super::super::text::each_string;
    use super::*;
    use bson::{RawBsonRef, RawDocumentBuf, rawdoc};

    /// Every later walk of the layer over bytes that passed.
    fn walk_everything(bytes: &[u8]) {
        let Ok(document) = validate(bytes, NESTING_MAX) else {
            return;
        };
        let value = RawBsonRef::Document(document);
        let mut key = Vec::new();
        sort_key(value, &mut key).expect("a validated document has a sort key");
        assert_eq!(compare(value, value), std::cmp::Ordering::Equal);
        each_string(document, &mut |_, _| Ok::<(), Error>(())).expect("its strings can be walked");
        assert!(to_json(document).starts_with('{'));
        bson::Document::try_from(document).expect("the bson crate reads it whole");
    }

    fn nested(levels: usize) -> RawDocumentBuf {
        (1..levels).fold(rawdoc! {}, |inside, _| rawdoc! { "a": inside })
    }

    #[test]
    fn valid_documents_of_every_type_pass() {
        let mut samples = Samples::new(1);
        for _ in 0..500 {
            let document = samples.document(4);
            validate(document.as_bytes(), NESTING_MAX).expect("valid");
            walk_everything(document.as_bytes());
        }
    }

    #[test]
    fn flipped_bits_and_cuts_never_panic_and_what_passes_can_be_walked() {
        let mut samples = Samples::new(2);
        for _ in 0..150 {
            let document = samples.document(3);
            let mut bytes = document.into_bytes();
            for _ in 0..60 {
                let at = samples.rng.usize(..bytes.len());
                let before = bytes[at];
                bytes[at] = if samples.rng.bool() {
                    before ^ (1 << samples.rng.u8(..8))
                } else {
                    samples.rng.u8(..)
                };
                walk_everything(&bytes);
                // Walks over bytes that were not validated may fail, but only by saying so.
                if let Ok(document) = RawDocument::from_bytes(&bytes) {
                    let value = RawBsonRef::Document(document);
                    let _ = sort_key(value, &mut Vec::new());
                    let _ = compare(value, RawBsonRef::Document(document));
                    let _ = each_string(document, &mut |_, _| Ok::<(), Error>(()));
                    let _ = to_json(document);
                }
                if samples.rng.bool() {
                    bytes[at] = before;
                }
            }
            walk_everything(&bytes[..samples.rng.usize(..bytes.len())]);
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut samples = Samples::new(3);
        for _ in 0..20_000 {
            let len = samples.rng.usize(5..60);
            let mut bytes: Vec<u8> = (0..len).map(|_| samples.rng.u8(..0x14)).collect();
            bytes[..4].copy_from_slice(&u32::try_from(len).expect("small").to_le_bytes());
            bytes[len - 1] = 0;
            walk_everything(&bytes);
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        let cases: [(&[u8], usize, &str); 6] = [
            (b"", 0, "a document length of 5 or more"),
            (b"\x05\0\0\0\x01", 4, "NUL at the end of a document"),
            (b"\x06\0\0\0\0", 0, "a document that ends inside what holds it"),
            (b"\x08\0\0\0\x20a\0\0", 4, "a known element type"),
            (b"\x0e\0\0\0\x02a\0\x02\0\0\0\xff\0\0", 11, "valid UTF-8"),
            (b"\x09\0\0\0\x08a\0\x02\0", 7, "a boolean of 0 or 1"),
        ];
        for (bytes, offset_wanted, expected_wanted) in cases {
            match validate(bytes, NESTING_MAX) {
                Err(Error::Malformed { offset, expected }) => {
                    assert_eq!((offset, expected), (offset_wanted, expected_wanted), "{bytes:?}");
                }
                other => panic!("{bytes:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn depth_is_bounded_and_the_last_level_still_passes() {
        assert!(validate(nested(10).as_bytes(), 10).is_ok());
        assert!(matches!(
            validate(nested(11).as_bytes(), 10),
            Err(Error::TooDeep { nesting_max: 10 })
        ));
        walk_everything(nested(NESTING_MAX).as_bytes());
        let deeper = nested(NESTING_MAX + 1);
        assert!(matches!(validate(deeper.as_bytes(), usize::MAX), Err(Error::TooDeep { .. })));
    }

    #[test]
    fn a_very_deep_document_is_refused_without_deep_recursion() {
        let levels = 200_000usize;
        let mut bytes = Vec::new();
        for level in (0..levels).rev() {
            bytes.extend(u32::try_from(5 + 8 * level).expect("fits").to_le_bytes());
            if level > 0 {
                bytes.extend(b"\x03a\0");
            }
        }
        bytes.resize(bytes.len() + levels, 0);
        assert!(matches!(validate(&bytes, NESTING_MAX), Err(Error::TooDeep { .. })));
        let document = RawDocument::from_bytes(&bytes).expect("outer length is right");
        let value = RawBsonRef::Document(document);
        assert!(sort_key(value, &mut Vec::new()).is_err());
        assert!(each_string(document, &mut |_, _| Ok::<(), Error>(())).is_err());
        let _ = compare(value, value);
        let _ = to_json(document);
    }

    #[test]
    fn a_document_above_the_limit_is_refused_and_one_of_that_size_passes() {
        let overhead = rawdoc! { "a": "" }.as_bytes().len();
        let exact = rawdoc! { "a": "x".repeat(DOCUMENT_BYTES_MAX - overhead) };
        assert!(validate(exact.as_bytes(), NESTING_MAX).is_ok());
        let above = rawdoc! { "a": "x".repeat(DOCUMENT_BYTES_MAX - overhead + 1) };
        assert!(matches!(validate(above.as_bytes(), NESTING_MAX), Err(Error::TooLarge { .. })));
    }
}
