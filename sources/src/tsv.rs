//! Tables of cells between tabs, a row a line, with the names of the columns in the first line unless they were said.
//!
//! A cell is what stands between tabs. Quotes mean nothing within it; only if a cell as a whole is in quotes, and those inside
//! are doubled, is it taken out of them, as spreadsheets put it in. So neither a text that begins with a quotation nor a
//! spreadsheet's cell is read wrongly, and a stray quote never swallows lines. Memory: one line.

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::error::{Error, Result};
use crate::input::Input;
use crate::lines::{Line, Lines};
use crate::options::SourceOptions;
use crate::place::Mark;
use crate::record::{Record, Refusal};
use crate::records::Records;
use crate::table::{COLUMNS_MAX, Columns};

#[derive(Debug)]
pub(crate) struct Tsv {
    lines: Lines,
    columns: Columns,
    bytes_max: usize,
}

impl Tsv {
    pub(crate) fn new(input: Input, options: &SourceOptions) -> Result<Self> {
        let bytes_max = options.record_bytes_max;
        let mut lines = Lines::new(input, bytes_max);
        let mut names = options.columns.clone();
        if names.is_empty() {
            names = match lines.next()? {
                None => Vec::new(),
                Some(Line::Whole(line)) if cells_len(line) <= COLUMNS_MAX => cells(line)
                    .map(|cell| String::from_utf8(cell.into_owned()))
                    .collect::<std::result::Result<_, _>>()
                    .map_err(|_| unnamed(&lines))?,
                Some(_) => return Err(unnamed(&lines)),
            };
        }
        let columns = Columns::new(names, options)
            .map_err(|reason| Error::unusable(lines.input.name(), reason))?;
        Ok(Tsv { lines, columns, bytes_max })
    }
}

fn unnamed(lines: &Lines) -> Error {
    let reason = "the names of the columns, in the first row, cannot be read";
    Error::unusable(lines.input.name(), reason)
}

impl Records for Tsv {
    fn next(&mut self) -> Result<Option<Record>> {
        let document = match self.lines.next()? {
            None => return Ok(None),
            Some(Line::TooLong) => Err(Refusal::without_original(format!(
                "the row is longer than {} bytes",
                self.bytes_max
            ))),
            Some(Line::Whole(line)) if cells_len(line) > COLUMNS_MAX => {
                let reason = format!("the row has more than {COLUMNS_MAX} cells");
                Err(Refusal::new(reason, line))
            }
            Some(Line::Whole(line)) => {
                let cells: Vec<Cow<'_, [u8]>> = cells(line).collect();
                let cells: Vec<&[u8]> = cells.iter().map(|cell| &**cell).collect();
                self.columns.document(&cells).map_err(|reason| Refusal::new(reason, line))
            }
        };
        Ok(Some(self.lines.record(document)))
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        // The first mark may be that of nothing read, which stands before the names.
        if mark.offset > self.lines.input.offset() {
            self.lines.resume(mark.offset, mark.number)?;
        }
        Ok(())
    }
}

fn cells_len(line: &[u8]) -> usize {
    memchr_iter(b'\t', line).count() + 1
}

fn cells(line: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    line.split(|byte| *byte == b'\t').map(unquoted)
}

/// A cell out of the quotes that a spreadsheet put it in.
fn unquoted(cell: &[u8]) -> Cow<'_, [u8]> {
    let inside = cell.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let Some(inside) = inside else { return Cow::Borrowed(cell) };
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'"' && bytes.next() != Some(&b'"') {
            return Cow::Borrowed(cell);
        }
        out.push(*byte);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::to_json;

    fn read(text: &str) -> Vec<String> {
        let text = std::io::Cursor::new(text.as_bytes().to_vec());
        let input = Input::stream(text, "x", &std::sync::Arc::default()).unwrap();
        let mut tsv = Tsv::new(input, &SourceOptions::new()).unwrap();
        let records = std::iter::from_fn(|| tsv.next().unwrap());
        let shown =
            |record: Record| record.document.map_or_else(|_| "-".to_owned(), |d| to_json(&d));
        records.map(shown).collect()
    }

    #[test]
    fn quotes_are_text_unless_they_enclose_a_cell() {
        let table = "id\ttext\n1\t\"Gold\", he said\n2\t\"a \"\"b\"\"\"\n3\t\"open\n4\t\"a\"b\"\n5\t\"\n6\t\"\"\n";
        assert_eq!(
            read(table),
            [
                r#"{"id":1,"text":"\"Gold\", he said"}"#,
                r#"{"id":2,"text":"a \"b\""}"#,
                r#"{"id":3,"text":"\"open"}"#,
                r#"{"id":4,"text":"\"a\"b\""}"#,
                r#"{"id":5,"text":"\""}"#,
                r#"{"id":6}"#,
            ]
        );
        assert_eq!(read("a\tb\r\n1\r\n1\t2\r\n"), ["-", r#"{"a":1,"b":2}"#]);
        assert!(read("").is_empty());
    }
}
