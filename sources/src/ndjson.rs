//! JSON lines: one object a line, in extended JSON. A line that is none is refused by itself, whatever is in it.
//!
//! The simplest of the formats: its marks are the ends of lines.

use alluvium::bson::parse_json;

use crate::error::Result;
use crate::input::Input;
use crate::lines::{Line, Lines};
use crate::options::SourceOptions;
use crate::place::Mark;
use crate::record::{Record, Refusal};
use crate::records::Records;

#[derive(Debug)]
pub(crate) struct Ndjson {
    lines: Lines,
    bytes_max: usize,
}

impl Ndjson {
    pub(crate) fn new(input: Input, options: &SourceOptions) -> Self {
        let bytes_max = options.record_bytes_max;
        Ndjson { lines: Lines::new(input, bytes_max), bytes_max }
    }
}

impl Records for Ndjson {
    fn next(&mut self) -> Result<Option<Record>> {
        let document = match self.lines.next()? {
            None => return Ok(None),
            Some(Line::TooLong) => Err(Refusal::without_original(format!(
                "the line is longer than {} bytes, more than any document may take",
                self.bytes_max
            ))),
            Some(Line::Whole(line)) => parse_json(line).map_err(|error| Refusal::new(error, line)),
        };
        Ok(Some(self.lines.record(document)))
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        self.lines.resume(mark.offset, mark.number)
    }
}
