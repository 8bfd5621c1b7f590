//! JSON that is laid out in any way: an array of objects, or objects one after the other. The text is cut into values first,
//! by brackets and quotes alone, and each is parsed then; so a broken value costs itself and not the rest.
//!
//! A value whose brackets or quotes do not match has no end. It is cut short where the next one seems to begin: at a line that
//! is indented as the line where it began, and has an opening brace behind nothing but closing brackets and commas. Without
//! such a line everything up to the end of the text is that one value, and refused as such.
//!
//! Memory: one value, of at most `record_bytes_max`; of a longer one the rest is read past. Reading is one pass, but for what
//! [`Input::give_back`] bounds.

use std::io::BufRead;

use alluvium::bson::{self, RawDocumentBuf, parse_json};

use crate::error::Result;
use crate::input::Input;
use crate::options::SourceOptions;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};
use crate::records::Records;

/// What the buffer keeps of its memory from value to value.
const VALUE_BYTES_KEPT: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Json {
    input: Input,
    bytes_max: usize,
    /// Values read.
    number: u64,
    /// Whether an array is open.
    in_array: bool,
    /// Spaces and tabs at the beginning of the current line, and whether that is where we are.
    indentation: Vec<u8>,
    at_line_start: bool,
    value: Vec<u8>,
}

/// How the search for the end of a value ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Found,
    OfText,
    TooLong,
}

/// Where in a value the next byte stands.
#[derive(Debug, Default)]
struct Scan {
    depth: u64,
    in_string: bool,
    escaped: bool,
    bare: bool,
}

impl Scan {
    /// Whether the value ends with this byte (`Some(true)`) or before it (`Some(false)`).
    fn step(&mut self, byte: u8, first: bool) -> Option<bool> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    return (self.depth == 0).then_some(true);
                }
                _ => {}
            }
            return None;
        }
        match byte {
            b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n' if self.bare => return Some(false),
            _ if self.bare => {}
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return (self.depth == 0).then_some(true);
            }
            _ if first => self.bare = true,
            _ => {}
        }
        None
    }
}

impl Json {
    pub(crate) fn new(input: Input, options: &SourceOptions) -> Self {
        Json {
            input,
            bytes_max: options.record_bytes_max,
            number: 0,
            in_array: false,
            indentation: Vec::new(),
            at_line_start: true,
            value: Vec::new(),
        }
    }

    /// Takes what stands between values; whether there is a value.
    fn separators(&mut self) -> Result<bool> {
        loop {
            let at_start = self.input.offset() == 0;
            let next = self.input.fill_buf().map(|bytes| {
                let mark = at_start && bytes.starts_with(b"\xEF\xBB\xBF");
                (bytes.first().copied(), if mark { 3 } else { 1 })
            });
            let (byte, length) = next.map_err(|source| self.input.wrong(source))?;
            let Some(byte) = byte else { return Ok(false) };
            match byte {
                b'\n' => {
                    self.indentation.clear();
                    self.at_line_start = true;
                }
                b' ' | b'\t' if self.at_line_start && self.indentation.len() < 256 => {
                    self.indentation.push(byte);
                }
                b' ' | b'\t' | b'\r' => {}
                b',' => self.at_line_start = false,
                b'[' if !self.in_array => (self.in_array, self.at_line_start) = (true, false),
                b']' if self.in_array => (self.in_array, self.at_line_start) = (false, false),
                _ if length == 3 => {}
                _ => return Ok(true),
            }
            self.input.consume(length);
        }
    }

    /// Reads one value into the buffer.
    fn read_value(&mut self) -> Result<End> {
        self.value.clear();
        self.value.shrink_to(VALUE_BYTES_KEPT);
        self.at_line_start = false;
        let mut scan = Scan::default();
        loop {
            let room = self.bytes_max.saturating_sub(self.value.len());
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes.get(..room).unwrap_or(bytes),
                Err(source) => return Err(self.input.wrong(source)),
            };
            if bytes.is_empty() {
                return Ok(if room == 0 { End::TooLong } else { End::OfText });
            }
            let first = self.value.is_empty();
            let mut steps = bytes.iter().enumerate();
            let end = steps.find_map(|(at, byte)| Some((at, scan.step(*byte, first && at == 0)?)));
            let taken = end.map_or(bytes.len(), |(at, with)| at + usize::from(with));
            self.value.extend_from_slice(bytes.get(..taken).unwrap_or_default());
            self.input.consume(taken);
            if end.is_some() {
                return Ok(End::Found);
            }
        }
    }

    /// Where in the value, which has no end of its own, another one seems to begin.
    fn next_beginning(&self) -> Option<usize> {
        let lines = self.value.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        lines.map(|(at, _)| at + 1).find_map(|at| {
            let line = self.value.get(at..)?.strip_prefix(self.indentation.as_slice())?;
            let between = |byte: &u8| matches!(byte, b'}' | b']' | b',');
            if matches!(line.first(), Some(b' ' | b'\t')) {
                return None;
            }
            let closed = line.iter().take_while(|byte| between(byte)).count();
            let spaces = line.get(closed..)?.iter().take_while(|byte| **byte == b' ').count();
            let brace = closed + spaces;
            (line.get(brace) == Some(&b'{')).then_some(at + self.indentation.len() + brace)
        })
    }

    /// Cuts a value that has no end short, or reads past it.
    fn cut(&mut self, end: End) -> Result<()> {
        if let Some(at) = self.next_beginning() {
            let behind = self.value.split_off(at);
            return self.input.give_back(&behind);
        }
        if end != End::TooLong {
            return Ok(());
        }
        loop {
            let bytes = self.input.fill_buf().map(<[u8]>::len);
            match bytes.map_err(|source| self.input.wrong(source))? {
                0 => return Ok(()),
                bytes => self.input.consume(bytes),
            }
        }
    }

    fn document(&mut self) -> Result<std::result::Result<RawDocumentBuf, Refusal>> {
        let end = self.read_value()?;
        let refusal = match end {
            End::Found => match parse_json(&self.value) {
                Ok(document) => return Ok(Ok(document)),
                Err(error @ bson::Error::Json { .. }) => {
                    let reason = error.to_string();
                    self.cut(end)?;
                    reason
                }
                Err(error) => error.to_string(),
            },
            End::OfText => {
                self.cut(end)?;
                "a bracket or quote is not closed".to_owned()
            }
            End::TooLong => {
                self.cut(end)?;
                format!(
                    "the value is longer than {} bytes, more than any document may take, or a \
                     bracket or quote in it is not closed",
                    self.bytes_max
                )
            }
        };
        Ok(Err(Refusal::new(refusal, &self.value)))
    }

    fn record(
        &mut self,
        offset: u64,
        document: std::result::Result<RawDocumentBuf, Refusal>,
    ) -> Record {
        self.number += 1;
        let file = self.input.name().clone();
        let place = Place { file, position: Position::Record(self.number), offset };
        let mark = Mark { file: None, offset: self.input.offset(), number: self.number };
        Record::new(place, mark, document)
    }
}

impl Records for Json {
    fn next(&mut self) -> Result<Option<Record>> {
        let more = self.separators()?;
        let offset = self.input.offset();
        if more {
            let document = self.document()?;
            return Ok(Some(self.record(offset, document)));
        }
        if std::mem::take(&mut self.in_array) {
            let reason = "the array is not closed: the end of the text is missing";
            return Ok(Some(self.record(offset, Err(Refusal::without_original(reason)))));
        }
        Ok(None)
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        let text = self.input.head();
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        self.in_array = mark.number > 0 && text.trim_ascii_start().starts_with(b"[");
        self.input.skip_to(mark.offset)?;
        self.number = mark.number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::to_json;

    fn over(text: &str) -> Json {
        let text = std::io::Cursor::new(text.as_bytes().to_vec());
        let input = Input::stream(text, "x", &std::sync::Arc::default()).unwrap();
        Json::new(input, &SourceOptions::new().record_bytes_max(1 << 16))
    }

    /// Documents as JSON, refusals as `-`.
    fn read(text: &str) -> Vec<String> {
        let mut json = over(text);
        let mut found = Vec::new();
        while let Some(record) = json.next().unwrap() {
            found.push(record.document.map_or_else(|_| "-".to_owned(), |found| to_json(&found)));
        }
        found
    }

    #[test]
    fn arrays_and_objects_are_cut_into_values() {
        let values = [r#"{"a":1}"#, r#"{"b":["}","\"{",{"c":[]}]}"#];
        let [one, two] = values;
        for text in [
            format!("[{one},{two}]"),
            format!("\u{FEFF} [\r\n  {one},\r\n  {two}\r\n]\r\n"),
            format!("{one}{two}"),
            format!("{one}\n\n{two}"),
            format!("[{one}]\n[{two}]"),
            format!("[\n{}\n]", values.join("\n,")),
        ] {
            assert_eq!(read(&text), values, "{text}");
        }
        assert!(read("").is_empty() && read("[]").is_empty() && read(" \n").is_empty());
    }

    #[test]
    fn a_broken_value_costs_itself() {
        for (text, expected) in [
            ("[1, {\"a\":1}, \"x,{}\", null, [{}], {\"a\":2}]", vec!["-", "1", "-", "-", "-", "2"]),
            (
                "[\n  {\"a\":1},\n  {\"a\":[2},\n  {\"a\":3},\n  {\"a\":4}\n]",
                vec!["1", "-", "3", "4"],
            ),
            ("[\n  {\"a\":1},\n  {\"a\":\"2},\n  {\"a\":3}\n]", vec!["1", "-", "3"]),
            (
                "[\n  {\n    \"a\": [\n      {\n      }\n  },\n  {\n    \"a\": 2\n  }\n]",
                vec!["-", "2"],
            ),
            ("[{\n  \"a\": {\n    \"b\": 1\n},{\n  \"a\": 2\n}]", vec!["-", "2"]),
            ("{\n \"a\": x,\n \"b\": [\n  {}\n ]\n}\n{\"a\":2}", vec!["-", "2"]),
            ("[{\"a\":1},{\"a\":2", vec!["1", "-", "-"]),
            ("[{\"a\":1},", vec!["1", "-"]),
            ("{\"a\":1} } {\"a\":2}", vec!["1", "-", "2"]),
        ] {
            let found = read(text);
            let shown: Vec<String> =
                found.iter().map(|found| found.replace("{\"a\":", "").replace('}', "")).collect();
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn a_value_without_end_is_read_past_and_not_kept() {
        let mut json = over(&format!("[{{\"a\":\"{}", "x".repeat(5 << 16)));
        let refusal = json.next().unwrap().unwrap().document.unwrap_err();
        assert!(refusal.reason.contains("longer than 65536 bytes"), "{refusal}");
        assert!(json.value.capacity() <= 4 << 16);
        assert!(json.next().unwrap().unwrap().document.is_err(), "the array is open");
        assert!(json.next().unwrap().is_none());
        let deep = "[".repeat(300_000);
        assert!(over(&deep).next().unwrap().unwrap().document.is_err());
    }

    #[test]
    fn too_many_broken_values_end_the_source_instead_of_taking_for_ever() {
        let mut json = over(&"{\"a\":\"\\\n".repeat(30_000));
        let ended = std::iter::from_fn(|| json.next().transpose()).find(Result::is_err);
        assert!(ended.unwrap().unwrap_err().to_string().contains("too many records"));
    }

    #[test]
    fn reading_goes_on_behind_a_mark() {
        let text = "[\n{\"a\":1},\n{\"a\":2},\n{\"a\":3}\n]";
        let mut json = over(text);
        let marks: Vec<Mark> =
            std::iter::from_fn(|| json.next().unwrap()).map(|record| record.mark).collect();
        for (at, mark) in marks.iter().enumerate() {
            let mut again = over(text);
            again.resume(mark).unwrap();
            let rest: Vec<Record> = std::iter::from_fn(|| again.next().unwrap()).collect();
            assert_eq!(rest.len(), 2 - at, "{mark:?}");
            for record in rest {
                let number = u64::try_from(record.document.unwrap().get_i32("a").unwrap()).unwrap();
                assert_eq!(record.place.position, Position::Record(number));
            }
        }
    }
}
