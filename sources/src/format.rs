//! [`Format`]: what a source is, told by its first bytes, and where these leave it open by its name.
//!
//! Content comes first because names lie: a `.json` of JSON lines is as usual as one that is an array. Text cannot be taken for
//! BSON: four letters as a length are far above any document.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use memchr::memchr_iter;

use alluvium::bson::{DOCUMENT_BYTES_MAX, NESTING_MAX, validate};

/// First bytes of an archive of mongodump: 0x8199e26d, little-endian.
pub(crate) const ARCHIVE_MAGIC: [u8; 4] = [0x6D, 0xE2, 0x99, 0x81];
/// First bytes of a Parquet file.
const PARQUET_MAGIC: [u8; 4] = *b"PAR1";

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON objects, one a line.
    Ndjson,
    /// A JSON array of objects, or objects one after the other, laid out in any way.
    Json,
    /// Rows of cells between commas, semicolons or bars, in quotes if need be.
    Csv,
    /// Rows of cells between tabs, a line each.
    Tsv,
    /// BSON documents one after the other.
    Bson,
    /// What `mongodump --archive` writes.
    Archive,
    /// A folder that mongodump wrote.
    Dump,
    /// A Parquet file.
    Parquet,
    /// Text files, Markdown and HTML among them: a folder of them, or one.
    Text,
}

/// All formats by name.
const NAMES: [(&str, Format); 9] = [
    ("ndjson", Format::Ndjson),
    ("json", Format::Json),
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("bson", Format::Bson),
    ("archive", Format::Archive),
    ("dump", Format::Dump),
    ("parquet", Format::Parquet),
    ("text", Format::Text),
];

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// What begins with `head` and is called `name`; `None` when neither tells.
    ///
    /// ```
    /// use alluvium_sources::Format;
    ///
    /// assert_eq!(Format::of(b"{\"_id\": 1}\n", "-"), Some(Format::Ndjson));
    /// assert_eq!(Format::of(b"[{\"_id\": 1}]", "-"), Some(Format::Json));
    /// assert_eq!(Format::of(b"river;km\n", "rivers.csv.gz"), Some(Format::Csv));
    /// assert_eq!(Format::of(b"river;km\n", "-"), None);
    /// ```
    pub fn of(head: &[u8], name: &str) -> Option<Format> {
        if head.starts_with(&ARCHIVE_MAGIC) {
            return Some(Format::Archive);
        }
        if head.starts_with(&PARQUET_MAGIC) {
            return Some(Format::Parquet);
        }
        if is_bson(head) {
            return Some(Format::Bson);
        }
        let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
        let named = Self::of_name(name);
        match (text.first(), named) {
            // A table or a page may begin with anything.
            (_, Some(Format::Csv | Format::Tsv | Format::Text)) => named,
            (Some(b'['), _) => Some(Format::Json),
            (Some(b'{'), _) if is_laid_out(text) => Some(Format::Json),
            // An empty source has no records in any of them.
            (Some(b'{'), _) | (None, None) => Some(Format::Ndjson),
            _ => named,
        }
    }

    fn of_name(name: &str) -> Option<Format> {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        let extension = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "ndjson" | "jsonl" => Format::Ndjson,
            "json" => Format::Json,
            "csv" => Format::Csv,
            "tsv" | "tab" => Format::Tsv,
            "bson" => Format::Bson,
            "archive" => Format::Archive,
            "parquet" => Format::Parquet,
            "txt" | "text" | "md" | "markdown" | "html" | "htm" | "xhtml" => Format::Text,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let names: Vec<_> = Format::names().collect();
            format!("there is no format `{name}`; there are {}", names.join(", "))
        })
    }
}

/// Whether the first document is one, or could be one that does not end here.
fn is_bson(head: &[u8]) -> bool {
    let Some((length, _)) = head.split_first_chunk::<4>() else { return false };
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if !(5..=DOCUMENT_BYTES_MAX).contains(&length) {
        return false;
    }
    match head.get(..length) {
        Some(document) => validate(document, NESTING_MAX).is_ok(),
        None => head.get(4).is_some_and(|kind| matches!(kind, 1..=0x13 | 0x7F | 0xFF)),
    }
}

/// Whether JSON that begins with a brace goes on behind the end of its first line, outside of any string.
fn is_laid_out(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return false };
    let line = text.get(..end).unwrap_or_default().trim_ascii_end();
    let open = memchr_iter(b'{', line).count();
    let closed = memchr_iter(b'}', line).count();
    matches!(line.last(), Some(b'{' | b'[' | b',')) && open > closed
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::rawdoc;

    #[test]
    fn content_tells_and_names_help() {
        let document = rawdoc! { "_id": 1, "text": "x".repeat(300) };
        let bson = document.as_bytes();
        for (head, name, format) in [
            (b"{\"a\":1}\n{\"a\":2}\n".as_slice(), "x.json", Some(Format::Ndjson)),
            (b"{\n  \"a\": 1\n}\n", "x.json", Some(Format::Json)),
            (b"{\"a\": {\n  \"b\": 1\n}}\n", "-", Some(Format::Json)),
            (b"{\"_id\": \"broken\n", "-", Some(Format::Ndjson)),
            (b"\xEF\xBB\xBF \n[{}]", "-", Some(Format::Json)),
            (b"[draft] a title\n", "notes.md", Some(Format::Text)),
            (b"a\tb\n", "x.tsv.gz", Some(Format::Tsv)),
            (b"{a},b\n", "x.CSV", Some(Format::Csv)),
            (b"a,b\n", "-", None),
            (b"hello", "hello.pdf", None),
            (b"", "-", Some(Format::Ndjson)),
            (b"", "x.bson", Some(Format::Bson)),
            (b"\x6D\xE2\x99\x81\0\0", "x", Some(Format::Archive)),
            (b"PAR1\0", "x", Some(Format::Parquet)),
            (bson, "-", Some(Format::Bson)),
            (&bson[..200], "-", Some(Format::Bson)),
            (b"\x10\0\0\0junk", "-", None),
        ] {
            assert_eq!(
                Format::of(head, name),
                format,
                "{name}: {:?}",
                String::from_utf8_lossy(head)
            );
        }
        for name in Format::names() {
            assert_eq!(name.parse::<Format>().unwrap().name(), name);
        }
        assert!("xml".parse::<Format>().unwrap_err().contains("ndjson, json, csv"));
    }
}
