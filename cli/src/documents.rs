//! From lines of text to documents in a collection, in batches that are transactions.
//!
//! `import` feeds it a file, `demo` the bundled corpus. [`Lines`] reads, [`Import::fill`] parses and
//! writes. A batch ends at a number of documents or of bytes, whichever comes first, and is
//! committed with `Durability::Sync` before the next one starts: one device sync for thousands of
//! documents costs nothing that can be measured, and whatever ends the process, the file holds whole
//! batches from the start of the source.
//!
//! A line that cannot become a document (not JSON, no identifier, longer than [`LINE_BYTES_MAX`], an
//! `_id` that is there already) is reported with its number. `OnError::Stop` then rolls its batch
//! back and ends; `OnError::Skip` leaves out the line. An error of the file or of the source always
//! ends the import.
//!
//! Memory: one line and one batch; the budget of the database bounds the rest.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use alluvium::bson::{RawDocumentBuf, parse_json, rawdoc};
use alluvium::{Database, TransactionCollection};
use flate2::bufread::MultiGzDecoder;

use crate::args::OnError;
use crate::database::blames_document;
use crate::error::{At, Error, Result};
use crate::progress::Progress;

/// Longest line in bytes. A document has at most 64 MiB, and JSON seldom takes three times that.
pub(crate) const LINE_BYTES_MAX: usize = 192 << 20;

/// What the line buffer keeps of its memory from line to line.
const LINE_BYTES_KEPT: usize = 1 << 20;
/// Bytes asked of the source at once.
const READ_BYTES: usize = 256 << 10;
/// Text in one batch, as a part of the memory budget: the transaction holds documents and postings,
/// while the store still folds what earlier batches left.
const BATCHES_PER_MEMORY: u64 = 16;
/// No batch has to be smaller than this, however small the budget.
const BATCH_BYTES_MIN: u64 = 64 << 10;
/// Larger batches gain nothing.
const BATCH_BYTES_MAX: u64 = 32 << 20;

/// The text of `source`, unpacked if it starts like gzip, `-` being standard input.
pub(crate) fn open(source: &Path) -> Result<(Box<dyn BufRead>, Progress)> {
    if source == Path::new("-") {
        let progress = Progress::new(None);
        let text = unpacked(progress.watch(io::stdin())).at(source)?;
        return Ok((text, progress));
    }
    let file = File::open(source).at(source)?;
    let metadata = file.metadata().at(source)?;
    let progress = Progress::new(metadata.is_file().then_some(metadata.len()));
    let text = unpacked(progress.watch(file)).at(source)?;
    Ok((text, progress))
}

/// `source` as lines are read from it; unpacks what starts like gzip, of one member or several.
pub(crate) fn unpacked(source: impl Read + 'static) -> io::Result<Box<dyn BufRead>> {
    let mut reader = BufReader::with_capacity(READ_BYTES, source);
    if reader.fill_buf()?.starts_with(&[0x1F, 0x8B]) {
        let decoder = MultiGzDecoder::new(reader);
        Ok(Box::new(BufReader::with_capacity(READ_BYTES, decoder)))
    } else {
        Ok(Box::new(reader))
    }
}

/// Reads lines of bounded length and knows which one it gave last.
struct Lines<R> {
    reader: R,
    number: u64,
    bytes_read: u64,
    line: Vec<u8>,
}

/// One line, or that it is no use to look at it.
enum Line<'a> {
    Whole(&'a [u8]),
    TooLong,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self { reader, number: 0, bytes_read: 0, line: Vec::new() }
    }

    /// The next line that is not blank, without its end; `None` at the end of the source. Blank
    /// lines are counted, a byte order mark before the first line is dropped, and of a line that is
    /// too long the rest is read past, not kept.
    fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            self.line.shrink_to(LINE_BYTES_KEPT);
            let limit = LINE_BYTES_MAX as u64 + 1;
            let read = (&mut self.reader).take(limit).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.bytes_read += read as u64;
            if self.line.last() == Some(&b'\n') {
                self.line.pop();
            } else if read > LINE_BYTES_MAX {
                self.bytes_read += self.reader.skip_until(b'\n')? as u64;
                return Ok(Some(Line::TooLong));
            }
            if self.number == 1 && self.line.starts_with(b"\xEF\xBB\xBF") {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(Line::Whole(&self.line)))
    }
}

/// Where documents go and how.
#[derive(Debug)]
pub(crate) struct Import<'a> {
    /// What errors call the source.
    pub(crate) source: &'a Path,
    pub(crate) db: &'a Database,
    /// What errors call the database.
    pub(crate) path: &'a Path,
    /// The collection, which has to be there.
    pub(crate) collection: &'a str,
    /// The field that becomes `_id`; with it, documents replace those of the same `_id`.
    pub(crate) id: Option<&'a str>,
    pub(crate) on_error: OnError,
    pub(crate) batch_documents: u64,
    pub(crate) batch_bytes: u64,
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Documents committed.
    pub(crate) documents: u64,
    /// Lines left out.
    pub(crate) skipped: u64,
    /// Text read, in bytes, after unpacking.
    pub(crate) bytes: u64,
}

/// Bytes of text in a batch under a memory budget.
pub(crate) fn batch_bytes(memory_bytes: u64) -> u64 {
    (memory_bytes / BATCHES_PER_MEMORY).clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX)
}

impl Import<'_> {
    /// Imports everything that `reader` gives.
    pub(crate) fn fill(&self, reader: impl BufRead, progress: &Progress) -> Result<Tally> {
        let mut pass =
            Pass { import: self, lines: Lines::new(reader), progress, tally: Tally::default() };
        while let Some(first) = pass.next_document()? {
            pass.batch(first)?;
        }
        pass.tally.bytes = pass.lines.bytes_read;
        Ok(pass.tally)
    }
}

/// One walk over a source.
struct Pass<'a, R> {
    import: &'a Import<'a>,
    lines: Lines<R>,
    progress: &'a Progress,
    tally: Tally,
}

impl<R: BufRead> Pass<'_, R> {
    /// One transaction: `first`, and what follows until the batch is full.
    fn batch(&mut self, first: RawDocumentBuf) -> Result<()> {
        let Import { db, path, collection, .. } = *self.import;
        let start = self.lines.bytes_read;
        let mut documents = 0;
        let mut transaction = db.begin().at(path)?;
        let mut target = transaction.collection(collection).at(path)?;
        let mut next = Some(first);
        while let Some(document) = next {
            documents += u64::from(self.put(&mut target, &document)?);
            self.progress.tell(self.tally.documents + documents, self.lines.bytes_read);
            let full = documents >= self.import.batch_documents
                || self.lines.bytes_read - start >= self.import.batch_bytes;
            next = if full { None } else { self.next_document()? };
        }
        drop(target);
        transaction.commit().at(path)?;
        self.tally.documents += documents;
        Ok(())
    }

    /// Whether the document went in; if not, its line was left out.
    fn put(
        &mut self,
        target: &mut TransactionCollection<'_>,
        document: &RawDocumentBuf,
    ) -> Result<bool> {
        let done = match self.import.id {
            Some(_) => target.upsert(document).map(drop),
            None => target.insert(document).map(drop),
        };
        match done {
            Ok(()) => Ok(true),
            Err(error) if blames_document(&error) => {
                self.refuse(error.to_string())?;
                Ok(false)
            }
            Err(error) => Err(error).at(self.import.path),
        }
    }

    /// The document of the next line that has one.
    fn next_document(&mut self) -> Result<Option<RawDocumentBuf>> {
        loop {
            let parsed = match self.lines.next().at(self.import.source)? {
                None => return Ok(None),
                Some(Line::TooLong) => Err(format!(
                    "the line is longer than {LINE_BYTES_MAX} bytes, more than any document takes"
                )),
                Some(Line::Whole(line)) => parse_json(line)
                    .map_err(|error| error.to_string())
                    .and_then(|document| identified(document, self.import.id)),
            };
            match parsed {
                Ok(document) => return Ok(Some(document)),
                Err(reason) => self.refuse(reason)?,
            }
        }
    }

    /// Reports the line read last, and ends the import if that is what was asked for.
    fn refuse(&mut self, reason: String) -> Result<()> {
        let (source, line) = (self.import.source, self.lines.number);
        match self.import.on_error {
            OnError::Stop => Err(Error::Line {
                path: source.to_path_buf(),
                line,
                reason,
                database: PathBuf::from(self.import.path),
                documents_kept: self.tally.documents,
            }),
            OnError::Skip => {
                self.tally.skipped += 1;
                self.progress
                    .say(format_args!("{}, line {line}: {reason}; skipped", source.display()));
                Ok(())
            }
        }
    }
}

/// `document` with its field `id` as `_id` in the first place.
fn identified(
    document: RawDocumentBuf,
    id: Option<&str>,
) -> std::result::Result<RawDocumentBuf, String> {
    let Some(id) = id else {
        return Ok(document);
    };
    let value = document.get(id).map_err(|error| error.to_string())?;
    let Some(value) = value else {
        return Err(format!("the document has no field `{id}`, which is to identify it"));
    };
    if id == "_id" {
        return Ok(document);
    }
    let mut out = rawdoc! { "_id": value };
    for element in &document {
        let (field, value) = element.map_err(|error| error.to_string())?;
        if field.as_str() == "_id" {
            return Err(format!("the document has both `_id` and `{id}`; it needs one of them"));
        }
        if field.as_str() != id {
            out.append(field, value);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use alluvium::bson::to_json;

    use super::*;

    fn lines(text: &[u8]) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::new(text);
        let mut found = Vec::new();
        loop {
            let line = match lines.next().unwrap() {
                None => return found,
                Some(Line::Whole(line)) => Some(line.to_vec()),
                Some(Line::TooLong) => None,
            };
            found.push((lines.number, line));
        }
    }

    #[test]
    fn blank_lines_are_counted_and_left_out() {
        let found = lines(b"\xEF\xBB\xBFone\r\n\n \ntwo\n\nthree");
        let expected = [(1, "one\r"), (4, "two"), (6, "three")];
        assert_eq!(found, expected.map(|(number, line)| (number, Some(line.as_bytes().to_vec()))));
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_without_end_is_read_past_and_not_kept() {
        let endless = io::repeat(b'x').take(2 * LINE_BYTES_MAX as u64);
        let source = endless.chain(b"\nnext\n".as_slice());
        let mut lines = Lines::new(BufReader::new(source));
        assert!(matches!(lines.next().unwrap(), Some(Line::TooLong)));
        assert!(lines.line.capacity() < 2 * LINE_BYTES_MAX);
        assert!(matches!(lines.next().unwrap(), Some(Line::Whole(b"next"))));
        assert_eq!((lines.number, lines.bytes_read), (2, 2 * LINE_BYTES_MAX as u64 + 6));
        assert!(lines.line.capacity() <= 2 * LINE_BYTES_KEPT);
    }

    #[test]
    fn the_identifying_field_becomes_the_first() {
        let parse = |line: &str, id| identified(parse_json(line).unwrap(), id);
        let shown = |line: &str, id| to_json(&parse(line, Some(id)).unwrap());
        assert_eq!(shown(r#"{"a":1,"key":"x"}"#, "key"), r#"{"_id":"x","a":1}"#);
        assert_eq!(shown(r#"{"a":1,"_id":7}"#, "_id"), r#"{"a":1,"_id":7}"#);
        assert!(parse(r#"{"a":1}"#, None).is_ok());
        assert!(parse(r#"{"a":1}"#, Some("key")).unwrap_err().contains("no field `key`"));
        assert!(parse(r#"{"key":1,"_id":2}"#, Some("key")).unwrap_err().contains("both"));
    }

    #[test]
    fn compressed_text_is_known_by_its_first_bytes() {
        let mut packed = Vec::new();
        for text in ["one\n", "two\n"] {
            let mut encoder =
                flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
            io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
            encoder.finish().unwrap();
        }
        let mut text = String::new();
        unpacked(io::Cursor::new(packed)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
        assert!(unpacked(io::empty()).unwrap().fill_buf().unwrap().is_empty());
    }

    #[test]
    fn batches_follow_the_budget_within_bounds() {
        assert_eq!(batch_bytes(0), BATCH_BYTES_MIN);
        assert_eq!(batch_bytes(256 << 20), 16 << 20);
        assert_eq!(batch_bytes(u64::MAX), BATCH_BYTES_MAX);
    }
}
