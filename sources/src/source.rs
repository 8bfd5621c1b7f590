//! [`Source`]: any input as a stream of records. It looks what the input is, and hands everything else to the file of its format.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::archive::Archive;
use crate::bson::Bson;
use crate::csv::Csv;
use crate::decoding::marked;
use crate::dump::{Dump, is_dump};
use crate::dumped::{Chosen, DumpedCollection};
use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::format::Format;
use crate::input::Input;
use crate::json::Json;
use crate::meter::Meter;
use crate::ndjson::Ndjson;
use crate::options::SourceOptions;
use crate::place::Mark;
use crate::record::Record;
use crate::records::Records;
use crate::tsv::Tsv;

/// An input as a stream of records, each a document or why it is none.
///
/// Reading goes on behind a record that is none; an error ends it, because what follows cannot be found or read. Memory is that
/// of one record, whatever the input says.
///
/// ```
/// use alluvium::Database;
/// use alluvium_sources::{Source, SourceOptions};
///
/// let lines = "{\"_id\":1,\"text\":\"gold\"}\n{\"_id\":\n{\"_id\":2,\"text\":\"silver\"}\n";
/// let notes = Database::in_memory().unwrap().collection("notes").unwrap();
/// for record in Source::from_reader("notes.ndjson", lines.as_bytes(), &SourceOptions::new())? {
///     let record = record?;
///     match record.document {
///         Ok(document) => drop(notes.insert(&document).unwrap()),
///         Err(refusal) => assert_eq!(record.place.to_string(), "notes.ndjson, line 2", "{refusal}"),
///     }
/// }
/// assert_eq!(notes.count().unwrap(), 2);
/// # Ok::<(), alluvium_sources::Error>(())
/// ```
pub struct Source {
    name: String,
    format: Format,
    records: Option<Box<dyn Records>>,
    chosen: Chosen,
    meter: Arc<Meter>,
}

impl Source {
    /// Opens a file or folder.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Unusable`] when nothing tells what it is, or it is not what it was said to
    /// be.
    pub fn open(path: impl AsRef<Path>, options: &SourceOptions) -> Result<Source> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let meter = Arc::<Meter>::default();
        let metadata = path.metadata().map_err(|source| Error::io(&name, source))?;
        if metadata.is_dir() {
            return Self::open_folder(path, name, meter, options);
        }
        if metadata.is_file() {
            meter.set_total(metadata.len());
        }
        let input = Input::open(path, &name, &meter)?;
        let format = format_of(&input, options)?;
        if matches!(format, Format::Text | Format::Parquet) {
            // What was read to tell the format is read again.
            meter.begin_anew();
        }
        if format == Format::Text {
            let records = Box::new(Folder::new(path, &name, &meter, options));
            let chosen = Chosen::default();
            return Ok(Source { name, format, records: Some(records), chosen, meter });
        }
        #[cfg(feature = "parquet")]
        if format == Format::Parquet {
            let records = Box::new(crate::parquet::Parquet::open(path, &name, &meter)?);
            let chosen = Chosen::default();
            return Ok(Source { name, format, records: Some(records), chosen, meter });
        }
        Self::over(input, format, meter, options)
    }

    /// Reads a stream; `name` is what errors call it, and may help to tell what it is.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub fn from_reader(
        name: &str,
        reader: impl Read + Send + 'static,
        options: &SourceOptions,
    ) -> Result<Source> {
        let meter = Arc::<Meter>::default();
        let input = Input::stream(reader, name, &meter)?;
        let format = format_of(&input, options)?;
        if format == Format::Text {
            let reason = "texts are read from a file or folder, whose names are their `_id`s";
            return Err(Error::unusable(name, reason));
        }
        Self::over(input, format, meter, options)
    }

    fn open_folder(
        path: &Path,
        name: String,
        meter: Arc<Meter>,
        options: &SourceOptions,
    ) -> Result<Source> {
        let found = if is_dump(path) { Format::Dump } else { Format::Text };
        let format = options.format.unwrap_or(found);
        let (records, chosen): (Box<dyn Records>, _) = match format {
            Format::Dump => {
                let (dump, chosen) = Dump::new(path, &name, &meter, options)?;
                (Box::new(dump), chosen)
            }
            Format::Text => {
                (Box::new(Folder::new(path, &name, &meter, options)), Chosen::default())
            }
            other => {
                let reason =
                    format!("it is a folder, which can be a dump or text, but not {other}");
                return Err(Error::unusable(&name, reason));
            }
        };
        Ok(Source { name, format, records: Some(records), chosen, meter })
    }

    fn over(
        mut input: Input,
        format: Format,
        meter: Arc<Meter>,
        options: &SourceOptions,
    ) -> Result<Source> {
        let name = input.name().to_string();
        if matches!(format, Format::Ndjson | Format::Json | Format::Csv | Format::Tsv)
            && let Some(encoding) = marked(input.head()).or(options.encoding)
        {
            input.decode(encoding);
        }
        let mut chosen = Chosen::default();
        let records: Box<dyn Records> = match format {
            Format::Ndjson => Box::new(Ndjson::new(input, options)),
            Format::Json => Box::new(Json::new(input, options)),
            Format::Csv => Box::new(Csv::new(input, options)?),
            Format::Tsv => Box::new(Tsv::new(input, options)?),
            Format::Bson => Box::new(Bson::new(input, options)),
            Format::Archive => {
                let (archive, found) = Archive::new(input, options)?;
                chosen = found;
                Box::new(archive)
            }
            Format::Parquet => {
                let reason = if cfg!(feature = "parquet") {
                    "Parquet is read from a plain file, since its end comes first"
                } else {
                    "it is a Parquet file, which this build does not read; build it with the \
                     feature `parquet`"
                };
                return Err(Error::unusable(&name, reason));
            }
            Format::Dump | Format::Text => {
                return Err(Error::unusable(&name, format!("it is a file, not a {format} folder")));
            }
        };
        Ok(Source { name, format, records: Some(records), chosen, meter })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How far it is read.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The collections that a dump holds and that are read from it; none for anything else.
    pub fn collections(&self) -> &[DumpedCollection] {
        &self.chosen.collections
    }

    /// What a dump holds and is not read, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.chosen.warnings
    }

    /// The one of some marks of this source behind which no record of the others stands: where to go on when each collection of a dump has a
    /// mark of its own.
    ///
    /// ```
    /// use alluvium_sources::{Source, SourceOptions};
    ///
    /// let open = || Source::from_reader("rivers", &b"{\"a\":1}\n{\"a\":2}\n"[..], &SourceOptions::new());
    /// let marks: Vec<_> = open()?.map(|record| record.unwrap().mark).collect();
    /// assert_eq!(open()?.furthest(marks.clone()), marks.last().cloned());
    /// # Ok::<(), alluvium_sources::Error>(())
    /// ```
    pub fn furthest(&self, marks: impl IntoIterator<Item = Mark>) -> Option<Mark> {
        let file = |mark: &Mark| self.records.as_ref().map_or(0, |found| found.file_number(mark));
        marks.into_iter().max_by_key(|mark| (file(mark), mark.offset))
    }

    /// Goes on behind a mark of a record that an earlier reader of the same input gave, with the same options. Plain files are
    /// not read up to there; packed ones, streams and archives are.
    ///
    /// # Errors
    /// When the input ends before the mark, or cannot be read.
    pub fn skip_to(&mut self, mark: &Mark) -> Result<()> {
        match &mut self.records {
            Some(records) => records.resume(mark),
            None => Ok(()),
        }
    }
}

impl Iterator for Source {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let next = self.records.as_mut()?.next().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.records = None;
        }
        next
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// What the input was said to be, or seems to be.
fn format_of(input: &Input, options: &SourceOptions) -> Result<Format> {
    let (head, name) = (input.head(), input.name());
    let decoded = marked(head).map(|encoding| encoding.decode(head).0.into_owned().into_bytes());
    let found = Format::of(decoded.as_deref().unwrap_or(head), name);
    options.format.or(found).ok_or_else(|| {
        let names: Vec<&str> = Format::names().collect();
        let reason =
            format!("nothing tells what it is; say it with --format: {}", names.join(", "));
        Error::unusable(name, reason)
    })
}
