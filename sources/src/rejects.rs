//! [`Rejects`]: records that became no documents, as JSON lines that a person can read, mend and import again.
//!
//! ```json
//! {"file":"rivers.ndjson","line":8,"offset":912,"reason":"invalid JSON at column 7: expected value","text":"{\"a\": }"}
//! ```
//! `line` or `record` says which part of the file, neither that it is the whole. `text` is the record as it stood, if it is small
//! and is text; `bytes` if it is not text; `document` what came of a record that was read well and refused afterwards. Lines are
//! appended, so that a file of an earlier import stays.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use alluvium::bson::{RawDocument, to_json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::place::{Place, Position};
use crate::record::{ORIGINAL_BYTES_MAX, Refusal};

/// Writes rejects.
#[derive(Debug)]
pub struct Rejects {
    out: BufWriter<File>,
    written: u64,
}

impl Rejects {
    /// Appends to a file, which is made when missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Rejects { out: BufWriter::new(file), written: 0 })
    }

    /// Writes a record that is no document.
    ///
    /// # Errors
    /// When the file does not take it.
    pub fn refusal(&mut self, place: &Place, refusal: &Refusal) -> io::Result<()> {
        let original = refusal.original.as_deref().filter(|original| !original.is_empty());
        let shown = original.map(|bytes| match std::str::from_utf8(bytes) {
            Ok(text) => ("text", json!(text)),
            Err(_) => (
                "bytes",
                json!({ "$binary": { "base64": STANDARD.encode(bytes), "subType": "00" } }),
            ),
        });
        self.line(place, &refusal.reason, shown)
    }

    /// Writes a document that was not taken.
    ///
    /// # Errors
    /// When the file does not take it.
    pub fn document(
        &mut self,
        place: &Place,
        reason: &str,
        document: &RawDocument,
    ) -> io::Result<()> {
        let small = document.as_bytes().len() <= ORIGINAL_BYTES_MAX;
        let shown = small.then(|| serde_json::from_str(&to_json(document)).unwrap_or(Value::Null));
        self.line(place, reason, shown.map(|value| ("document", value)))
    }

    fn line(
        &mut self,
        place: &Place,
        reason: &str,
        shown: Option<(&str, Value)>,
    ) -> io::Result<()> {
        let mut line = Map::new();
        line.insert("file".to_owned(), json!(&*place.file));
        match place.position {
            Position::Line(number) => drop(line.insert("line".to_owned(), json!(number))),
            Position::Record(number) => drop(line.insert("record".to_owned(), json!(number))),
            Position::Whole => {}
        }
        line.insert("offset".to_owned(), json!(place.offset));
        line.insert("reason".to_owned(), json!(reason));
        if let Some((name, value)) = shown {
            line.insert(name.to_owned(), value);
        }
        self.written += 1;
        writeln!(self.out, "{}", Value::Object(line))
    }

    /// Lines written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Hands every line to the system.
    ///
    /// # Errors
    /// When the file does not take them.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::rawdoc;

    #[test]
    fn lines_say_where_and_why_and_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.ndjson");
        let place = |position| Place { file: "x".into(), position, offset: 9 };
        for _ in 0..2 {
            let mut rejects = Rejects::open(&path).unwrap();
            let text = Refusal::new("broken", b"{\"a\"");
            rejects.refusal(&place(Position::Line(3)), &text).unwrap();
            rejects.refusal(&place(Position::Record(4)), &Refusal::new("broken", b"\xFF")).unwrap();
            rejects
                .refusal(&place(Position::Whole), &Refusal::new("long", &b"x".repeat(20_000)))
                .unwrap();
            rejects.document(&place(Position::Line(5)), "taken", &rawdoc! { "_id": 1 }).unwrap();
            assert_eq!(rejects.written(), 4);
            rejects.flush().unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        let expected = [
            r#"{"file":"x","line":3,"offset":9,"reason":"broken","text":"{\"a\""}"#,
            r#"{"file":"x","record":4,"offset":9,"reason":"broken","bytes":{"$binary":{"base64":"/w==","subType":"00"}}}"#,
            r#"{"file":"x","offset":9,"reason":"long"}"#,
            r#"{"file":"x","line":5,"offset":9,"reason":"taken","document":{"_id":1}}"#,
        ];
        assert_eq!(lines, [expected, expected].concat());
    }
}
