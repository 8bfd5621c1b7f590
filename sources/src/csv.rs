//! Tables of cells between commas, semicolons or bars, in quotes if need be (RFC 4180), with the names of the columns in the
//! first row unless they were said. The separator is the one that the first row has most of.
//!
//! A row with the wrong number of cells is refused. If it takes several lines, because a quote was opened and not closed, then
//! only its first line is, and reading goes on with the second: the rows behind a stray quote are not lost.
//!
//! `csv-core` finds the cells; this file bounds them. Memory: one row, of at most `record_bytes_max`.

use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr_iter;

use crate::error::{Error, Result};
use crate::input::Input;
use crate::options::SourceOptions;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};
use crate::records::Records;
use crate::table::{COLUMNS_MAX, Columns};

/// What the buffers keep of their memory from row to row.
const ROW_BYTES_KEPT: usize = 1 << 20;
const SEPARATORS: [u8; 4] = [b',', b';', b'|', b'\t'];

#[derive(Debug)]
pub(crate) struct Csv {
    input: Input,
    separator: u8,
    columns: Columns,
    rows: Rows,
}

/// Finds rows.
#[derive(Debug)]
struct Rows {
    reader: Reader,
    bytes_max: usize,
    /// Lines that were ended.
    lines: u64,
    /// The row as it stands in the text, its cells side by side, and where each of these ends.
    raw: Vec<u8>,
    cells: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    OfText,
    OfRow,
    TooLong,
}

impl Rows {
    /// Takes the ends of lines before a row.
    fn skip_blank(&mut self, input: &mut Input) -> Result<()> {
        loop {
            let next = input.fill_buf().map(|bytes| bytes.first().copied());
            match next.map_err(|source| input.wrong(source))? {
                Some(b'\n') => self.lines += 1,
                Some(b'\r') => {}
                _ => return Ok(()),
            }
            input.consume(1);
        }
    }

    fn next(&mut self, input: &mut Input) -> Result<End> {
        for buffer in [&mut self.raw, &mut self.cells] {
            buffer.clear();
            buffer.shrink_to(ROW_BYTES_KEPT);
        }
        self.ends.clear();
        self.skip_blank(input)?;
        self.reader.reset();
        let (mut cells_len, mut ends_len) = (0, 0);
        loop {
            self.cells.resize(cells_len + (cells_len / 2).max(4096), 0);
            self.ends.resize(ends_len + (ends_len / 2).max(64), 0);
            let room = self.bytes_max.saturating_sub(self.raw.len());
            let bytes = match input.fill_buf() {
                Ok(bytes) => bytes.get(..room).unwrap_or(bytes),
                Err(source) => return Err(input.wrong(source)),
            };
            if room == 0 || ends_len > COLUMNS_MAX {
                return Ok(End::TooLong);
            }
            let (cells, ends) = (
                self.cells.get_mut(cells_len..).unwrap_or_default(),
                self.ends.get_mut(ends_len..).unwrap_or_default(),
            );
            let (found, read, written, ended) = self.reader.read_record(bytes, cells, ends);
            self.raw.extend_from_slice(bytes.get(..read).unwrap_or_default());
            input.consume(read);
            (cells_len, ends_len) = (cells_len + written, ends_len + ended);
            let end = match found {
                ReadRecordResult::Record => End::OfRow,
                ReadRecordResult::End => End::OfText,
                _ => continue,
            };
            self.cells.truncate(cells_len);
            self.ends.truncate(ends_len);
            return Ok(end);
        }
    }

    fn cells(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let bounds = starts.zip(&self.ends);
        bounds.map(|(start, end)| self.cells.get(start..*end).unwrap_or_default()).collect()
    }

    /// Gives back all lines but the first of a row that cannot be one; whether there are any.
    fn cut(&mut self, input: &mut Input) -> Result<bool> {
        let end = self.raw.iter().position(|byte| *byte == b'\n');
        let Some(behind) = end.map(|end| self.raw.split_off(end + 1)) else { return Ok(false) };
        input.give_back(&behind)?;
        Ok(!behind.is_empty())
    }

    fn count_lines(&mut self) {
        self.lines += memchr_iter(b'\n', &self.raw).count() as u64;
    }

    /// Reads past the rest of a line.
    fn skip_line(&mut self, input: &mut Input) -> Result<()> {
        let skipped = input.skip_until(b'\n');
        skipped.map_err(|source| input.wrong(source))?;
        self.lines += 1;
        Ok(())
    }
}

impl Csv {
    pub(crate) fn new(mut input: Input, options: &SourceOptions) -> Result<Self> {
        if input.head().starts_with(b"\xEF\xBB\xBF") {
            input.consume(3);
        }
        let separator = separator(input.head());
        let mut rows = Rows {
            reader: ReaderBuilder::new().delimiter(separator).build(),
            bytes_max: options.record_bytes_max,
            lines: 0,
            raw: Vec::new(),
            cells: Vec::new(),
            ends: Vec::new(),
        };
        let unusable = |reason: &str| Error::unusable(input.name(), reason);
        let names = if options.columns.is_empty() {
            let wrong = unusable("the names of the columns, in the first row, cannot be read");
            if rows.next(&mut input)? == End::TooLong {
                return Err(wrong);
            }
            rows.count_lines();
            let names: std::result::Result<Vec<_>, _> = rows
                .cells()
                .into_iter()
                .map(|name| std::str::from_utf8(name).map(str::to_owned))
                .collect();
            names.map_err(|_| wrong)?
        } else {
            options.columns.clone()
        };
        let columns =
            Columns::new(names, options).map_err(|reason| Error::unusable(input.name(), reason))?;
        Ok(Csv { input, separator, columns, rows })
    }

    fn document(
        &mut self,
        end: End,
    ) -> Result<std::result::Result<alluvium::bson::RawDocumentBuf, Refusal>> {
        let reason = match end {
            End::TooLong => format!(
                "the row is longer than {} bytes, or a quote is not closed",
                self.rows.bytes_max
            ),
            End::OfRow | End::OfText => {
                let found = self.columns.document(&self.rows.cells());
                match found {
                    Err(reason) => reason,
                    Ok(document) => match ill_quoted(&self.rows.raw, self.separator) {
                        None => return Ok(Ok(document)),
                        Some(reason) => reason.to_owned(),
                    },
                }
            }
        };
        let cut = self.rows.cut(&mut self.input)?;
        if end == End::TooLong && !cut {
            self.rows.skip_line(&mut self.input)?;
        }
        Ok(Err(Refusal::new(reason, &self.rows.raw)))
    }
}

impl Records for Csv {
    fn next(&mut self) -> Result<Option<Record>> {
        self.rows.skip_blank(&mut self.input)?;
        let (offset, line) = (self.input.offset(), self.rows.lines + 1);
        let end = self.rows.next(&mut self.input)?;
        if end == End::OfText {
            return Ok(None);
        }
        let document = self.document(end)?;
        self.rows.count_lines();
        let file = self.input.name().clone();
        let place = Place { file, position: Position::Line(line), offset };
        let mark = Mark { file: None, offset: self.input.offset(), number: self.rows.lines };
        Ok(Some(Record::new(place, mark, document)))
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        // The first mark may be that of nothing read.
        if mark.offset > self.input.offset() {
            self.input.skip_to(mark.offset)?;
            self.rows.lines = mark.number;
        }
        Ok(())
    }
}

/// What is wrong with the quotes of a row. Text behind a closing one is let pass in a row of one line, since no other can be hurt.
fn ill_quoted(row: &[u8], separator: u8) -> Option<&'static str> {
    if !row.contains(&b'"') {
        return None;
    }
    let has_lines = row.trim_ascii_end().contains(&b'\n');
    let (mut quoted, mut cell_begins) = (false, true);
    let mut bytes = row.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if quoted => match bytes.peek() {
                Some(b'"') => drop(bytes.next()),
                None | Some(b'\r' | b'\n') => quoted = false,
                Some(next) if **next == separator => quoted = false,
                Some(_) if has_lines => return Some("text follows a closing quote"),
                Some(_) => quoted = false,
            },
            b'"' if cell_begins => quoted = true,
            _ => {}
        }
        cell_begins = !quoted && *byte == separator;
    }
    quoted.then_some("a quote is not closed")
}

/// The likeliest separator of a table: the one that its first row has most of, outside of quotes.
fn separator(head: &[u8]) -> u8 {
    let mut counts = [0_u32; SEPARATORS.len()];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                let counted =
                    SEPARATORS.iter().zip(&mut counts).find(|(separator, _)| *separator == byte);
                if let Some((_, count)) = counted {
                    *count += 1;
                }
            }
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let found = SEPARATORS.iter().zip(counts).find(|(_, count)| *count == most && most > 0);
    found.map_or(b',', |(separator, _)| *separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::to_json;

    fn over(text: &str) -> Csv {
        let text = std::io::Cursor::new(text.as_bytes().to_vec());
        let input = Input::stream(text, "x", &std::sync::Arc::default()).unwrap();
        Csv::new(input, &SourceOptions::new().record_bytes_max(1 << 16)).unwrap()
    }

    /// Lines with documents as JSON, refusals as `-`.
    fn read(text: &str) -> Vec<(u64, String)> {
        let mut csv = over(text);
        let mut found = Vec::new();
        while let Some(record) = csv.next().unwrap() {
            let Position::Line(line) = record.place.position else { panic!("no line") };
            assert!(text.len() as u64 > record.place.offset);
            found.push((
                line,
                record.document.map_or_else(|_| "-".to_owned(), |found| to_json(&found)),
            ));
        }
        found
    }

    fn is(text: &str, expected: &[(u64, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(line, json)| (*line, (*json).to_owned())).collect();
        assert_eq!(read(text), expected, "{text}");
    }

    #[test]
    fn rows_are_read_whatever_separates_them() {
        let two = [(2, r#"{"a":1,"b":"x"}"#), (3, r#"{"a":2,"b":"y"}"#)];
        for text in [
            "a,b\n1,x\n2,y\n",
            "a;b\r\n1;x\r\n2;y",
            "\u{FEFF}a|b\n1|x\n2|y\n",
            "\"a\",\"b\"\n\"1\",\"x\"\n2,y\n\n\n",
        ] {
            is(text, &two);
        }
        is("a\n1\n\n2\n", &[(2, r#"{"a":1}"#), (4, r#"{"a":2}"#)]);
        is(
            "a,b\n\"one\r\ntwo \"\"x\"\"\",\"1,5\"\n3,4\n",
            &[(2, r#"{"a":"one\r\ntwo \"x\"","b":"1,5"}"#), (4, r#"{"a":3,"b":4}"#)],
        );
        is("a,b\n", &[]);
    }

    #[test]
    fn a_stray_quote_costs_its_line() {
        is(
            "a,b\n1,2\n\"3,4\n5,6\n7,8\n",
            &[(2, r#"{"a":1,"b":2}"#), (3, "-"), (4, r#"{"a":5,"b":6}"#), (5, r#"{"a":7,"b":8}"#)],
        );
        is(
            "a,b\n1,\"2\n3,4\n5,\"6\"\n",
            &[(2, "-"), (3, r#"{"a":3,"b":4}"#), (4, r#"{"a":5,"b":6}"#)],
        );
        is("a,b\n1\n1,2,3\n1,2,,\n", &[(2, "-"), (3, "-"), (4, r#"{"a":1,"b":2}"#)]);
        is("a\n\"x\n", &[(2, "-")]);
        is("a\n5\" disk\n", &[(2, r#"{"a":"5\" disk"}"#)]);
    }

    #[test]
    fn a_row_without_end_is_read_past_and_not_kept() {
        let mut csv = over(&format!("a,b\n1,\"{}", "x".repeat(4 << 16)));
        assert!(csv.next().unwrap().unwrap().document.unwrap_err().reason.contains("longer than"));
        assert!(csv.next().unwrap().is_none());
        let mut csv = over(&format!("a,b\n1,\"2\n{}", "3,4\n".repeat(1 << 16)));
        assert!(csv.next().unwrap().unwrap().document.is_err());
        assert!(csv.next().unwrap().unwrap().document.is_ok());
        let mut csv = over(&format!("a\n{}\n1\n", ",".repeat(200_000)));
        assert!(csv.next().unwrap().unwrap().document.is_err());
        assert!(csv.next().unwrap().unwrap().document.is_ok());
    }

    #[test]
    fn reading_goes_on_behind_a_mark() {
        let text = "a,b\r\n1,\"x\ny\"\r\n2,z\r\n3,z\r\n";
        let all: Vec<Record> = {
            let mut csv = over(text);
            std::iter::from_fn(|| csv.next().unwrap()).collect()
        };
        assert_eq!(all.len(), 3);
        for (at, record) in all.iter().enumerate() {
            let mut again = over(text);
            again.resume(&record.mark).unwrap();
            let rest: Vec<Record> = std::iter::from_fn(|| again.next().unwrap()).collect();
            assert_eq!(rest, all[at + 1..]);
        }
    }
}
