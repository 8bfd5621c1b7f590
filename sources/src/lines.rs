//! [`Lines`]: lines of bounded length, each with its number and its place. JSON lines and tables of tabs are read through it.
//!
//! Of a line that is too long nothing is kept and the rest is read past. Memory: one line.

use std::io::BufRead;

use alluvium::bson::RawDocumentBuf;

use crate::error::Result;
use crate::input::Input;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};

/// What the buffer keeps of its memory from line to line.
const LINE_BYTES_KEPT: usize = 1 << 20;

/// Reads lines and knows which one it gave last.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) input: Input,
    bytes_max: usize,
    /// Number of the line given last, the first being 1.
    pub(crate) number: u64,
    /// Where that line begins.
    pub(crate) offset: u64,
    line: Vec<u8>,
}

/// One line, or that it is no use to look at it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

impl Lines {
    pub(crate) fn new(input: Input, bytes_max: usize) -> Self {
        Lines { input, bytes_max, number: 0, offset: 0, line: Vec::new() }
    }

    /// The next line that is not blank, without its end; `None` at the end of the source. Blank lines are counted, and a byte
    /// order mark before the first line is dropped.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            self.line.shrink_to(LINE_BYTES_KEPT);
            self.offset = self.input.offset();
            if !self.read()? {
                return Ok(Some(Line::TooLong));
            }
            if self.input.offset() == self.offset {
                return Ok(None);
            }
            if self.offset == 0 && self.line.starts_with(b"\xEF\xBB\xBF") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(Line::Whole(&self.line)));
            }
        }
    }

    /// What the line that was read last came to, with its place.
    pub(crate) fn record(&self, document: std::result::Result<RawDocumentBuf, Refusal>) -> Record {
        let (file, number) = (self.input.name().clone(), self.number);
        let place = Place { file, position: Position::Line(number), offset: self.offset };
        let mark = Mark { file: None, offset: self.input.offset(), number };
        Record::new(place, mark, document)
    }

    /// Reads a line into the buffer, without its end; whether there was room.
    fn read(&mut self) -> Result<bool> {
        use std::io::Read as _;
        let limit = (self.bytes_max as u64).saturating_add(1);
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut self.line);
        let read = read.map_err(|source| self.input.wrong(source))?;
        self.number += u64::from(read > 0);
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read > self.bytes_max {
            let skipped = self.input.skip_until(b'\n');
            skipped.map_err(|source| self.input.wrong(source))?;
            return Ok(false);
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(true)
    }

    /// Goes on behind a line.
    pub(crate) fn resume(&mut self, offset: u64, number: u64) -> Result<()> {
        self.input.skip_to(offset)?;
        self.number = number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::*;

    fn over(source: impl Read + Send + 'static, bytes_max: usize) -> Lines {
        Lines::new(Input::stream(source, "x", &std::sync::Arc::default()).unwrap(), bytes_max)
    }

    fn lines(text: &'static [u8], bytes_max: usize) -> Vec<(u64, u64, Option<Vec<u8>>)> {
        let mut lines = over(text, bytes_max);
        let mut found = Vec::new();
        loop {
            let line = match lines.next().unwrap() {
                None => return found,
                Some(Line::Whole(line)) => Some(line.to_vec()),
                Some(Line::TooLong) => None,
            };
            found.push((lines.number, lines.offset, line));
        }
    }

    #[test]
    fn blank_lines_are_counted_and_left_out() {
        let found = lines(b"\xEF\xBB\xBFon\r\n\n \ntwo\n\nthree", 100);
        let expected = [(1, 0, "on"), (4, 10, "two"), (6, 15, "three")];
        let whole = |(number, offset, line): (u64, u64, &str)| {
            (number, offset, Some(line.as_bytes().to_vec()))
        };
        assert_eq!(found, expected.map(whole));
        assert!(lines(b"", 5).is_empty());
    }

    #[test]
    fn lines_may_have_as_many_bytes_as_allowed() {
        assert_eq!(lines(b"12345\n123456\n1234567\n1\n12345", 5).len(), 5);
        let whole: Vec<bool> =
            lines(b"12345\n123456\n1\n1234567", 5).iter().map(|line| line.2.is_some()).collect();
        assert_eq!(whole, [true, false, true, false]);
    }

    #[test]
    fn a_line_without_end_is_read_past_and_not_kept() {
        let bytes_max = 4 << 20;
        let endless = io::repeat(b'x').take(4 * bytes_max as u64);
        let mut lines = over(endless.chain(b"\nnext\n".as_slice()), bytes_max);
        assert_eq!(lines.next().unwrap(), Some(Line::TooLong));
        assert!(lines.line.capacity() <= 2 * bytes_max);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
        assert_eq!((lines.number, lines.offset), (2, 4 * bytes_max as u64 + 1));
        assert!(lines.line.capacity() <= 2 * LINE_BYTES_KEPT);
    }
}
