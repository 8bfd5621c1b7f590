//! [`Place`]: where a record stood, for people. [`Mark`]: where to go on behind it, for programs.
//!
//! Every record has both. Offsets are bytes from the beginning of a file after it was unpacked; they are 64 bits wide on every
//! machine. A mark can be kept in the database beside what was imported up to it, as a document.

use std::fmt;
use std::sync::Arc;

use alluvium::bson::{Document, doc};

/// Where a record stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was given or found.
    pub file: Arc<str>,
    /// Which part of it.
    pub position: Position,
    /// Byte at which the record begins in the unpacked file.
    pub offset: u64,
}

/// A part of a file, as people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// A line, the first being 1.
    Line(u64),
    /// A record, the first being 1.
    Record(u64),
    /// All of it.
    Whole,
}

impl fmt::Display for Place {
    /// `rivers.ndjson, line 8`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Position::Line(number) => write!(f, "{}, line {number}", self.file),
            Position::Record(number) => write!(f, "{}, record {number}", self.file),
            Position::Whole => write!(f, "{}", self.file),
        }
    }
}

/// How far a source was read: everything up to here is behind, what follows is what [`Source::skip_to`](crate::Source::skip_to)
/// goes on with.
///
/// It is good for the same source, unchanged up to there.
///
/// ```
/// use alluvium_sources::{Mark, Source, SourceOptions};
///
/// let open = || Source::from_reader("rivers", &b"{\"a\":1}\n{\"a\":2}\n"[..], &SourceOptions::new());
/// let first = open()?.next().unwrap()?;
/// let mark = Mark::from_document(&first.mark.to_document()).unwrap();
/// let mut again = open()?;
/// again.skip_to(&mark)?;
/// assert_eq!(again.next().unwrap()?.document.unwrap().get_i32("a").unwrap(), 2);
/// # Ok::<(), alluvium_sources::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// The file of a folder or dump of several.
    pub(crate) file: Option<Arc<str>>,
    /// Byte behind what was read, in that file, unpacked.
    pub(crate) offset: u64,
    /// Lines or records that were read.
    pub(crate) number: u64,
}

impl Mark {
    /// The mark as a document, to keep.
    #[must_use]
    pub fn to_document(&self) -> Document {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut document = doc! { "offset": number(self.offset), "number": number(self.number) };
        if let Some(file) = &self.file {
            document.insert("file", &**file);
        }
        document
    }

    /// Reads what [`to_document`](Self::to_document) made; `None` for anything else.
    #[must_use]
    pub fn from_document(document: &Document) -> Option<Self> {
        let number = |name| document.get_i64(name).ok().and_then(|found| u64::try_from(found).ok());
        let file = match document.get("file") {
            None => None,
            Some(file) => Some(file.as_str()?.into()),
        };
        Some(Mark { file, offset: number("offset")?, number: number("number")? })
    }
}
