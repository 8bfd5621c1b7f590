//! Numbered lines of a text file, and the fields of a line.
//!
//! The readers of documents, queries, judgements and runs all stand on this file; it alone counts
//! lines and builds the errors that name one. A line ends with LF or CR LF, a byte order mark
//! before the first line is dropped, and lines of nothing but blanks are skipped but counted.
//!
//! One line is in memory at a time.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::{Error, Result};

/// Characters of a bad line that an error repeats.
const FOUND_CHARS_MAX: usize = 80;

/// Reads lines one by one and knows which one it gave last.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    path: PathBuf,
    number: u64,
    bytes: Vec<u8>,
}

/// Opens a file for [`Lines`], naming it when that fails.
pub(super) fn open(path: &Path) -> Result<BufReader<File>> {
    match File::open(path) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(source) => Err(Error::Io { path: path.to_path_buf(), source }),
    }
}

impl<R: BufRead> Lines<R> {
    /// Starts before line 1; `path` is only what errors call the input.
    pub(super) fn new(reader: R, path: impl Into<PathBuf>) -> Self {
        Self { reader, path: path.into(), number: 0, bytes: Vec::new() }
    }

    /// The next line that is not blank, without its end; `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> Result<Option<&str>> {
        loop {
            self.bytes.clear();
            match self.reader.read_until(b'\n', &mut self.bytes) {
                Ok(0) => return Ok(None),
                Ok(_) => self.number += 1,
                Err(source) => {
                    return Err(Error::Io { path: self.path.clone(), source });
                }
            }
            if self.number == 1 && self.bytes.starts_with(b"\xEF\xBB\xBF") {
                self.bytes.drain(..3);
            }
            while let Some(b'\n' | b'\r') = self.bytes.last() {
                self.bytes.pop();
            }
            if !self.bytes.trim_ascii().is_empty() {
                break;
            }
        }
        if let Ok(line) = std::str::from_utf8(&self.bytes) {
            return Ok(Some(line));
        }
        let found = quote(&String::from_utf8_lossy(&self.bytes));
        Err(self.malformed("UTF-8 text", found))
    }

    /// The line given last as a JSON object; `expected` is the shape that errors tell.
    pub(super) fn object<T: DeserializeOwned>(&self, line: &str, expected: &str) -> Result<T> {
        serde_json::from_str(line)
            .map_err(|error| self.malformed(expected, format!("{} ({error})", quote(line))))
    }

    /// The error that names the line given last. `found` is printed as it stands.
    pub(super) fn malformed(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::Malformed {
            path: self.path.clone(),
            line: self.number,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// The fields of a line: between tabs if it has any, else between runs of white space.
///
/// Identifiers with spaces, such as titles, are therefore safe in a file with tabs.
pub(super) fn fields(line: &str) -> Vec<&str> {
    if line.contains('\t') { line.split('\t').collect() } else { line.split_whitespace().collect() }
}

/// `text` between back quotes, cut when long.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(FOUND_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_are_skipped_but_counted() {
        let mut lines = Lines::new("\u{feff}one\r\n\n \t\ntwo".as_bytes(), "x");
        assert_eq!(lines.next_line().unwrap(), Some("one"));
        assert_eq!(lines.number, 1);
        assert_eq!(lines.next_line().unwrap(), Some("two"));
        assert_eq!(lines.number, 4);
        assert_eq!(lines.next_line().unwrap(), None);
    }

    #[test]
    fn text_that_is_not_utf8_names_its_line() {
        let mut lines = Lines::new(b"fine\nb\xFFd\n".as_slice(), "x");
        lines.next_line().unwrap();
        let error = lines.next_line().unwrap_err().to_string();
        assert!(error.starts_with("x, line 2: expected UTF-8 text, found `b"), "{error}");
    }

    #[test]
    fn tabs_win_over_spaces_as_separators() {
        assert_eq!(fields("a b\tc"), ["a b", "c"]);
        assert_eq!(fields(" a  b c"), ["a", "b", "c"]);
        assert_eq!(fields("a\t\tc"), ["a", "", "c"]);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let quoted = quote(&"é".repeat(500));
        assert_eq!(quoted.chars().count(), FOUND_CHARS_MAX + 3);
    }
}
