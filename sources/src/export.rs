//! [`Export`]: documents into a file or stream, such that a [`Source`](crate::Source) gives the very same documents back.
//!
//! A file appears under its name when it is whole: it is written beside that under another name, synced, and renamed. One whose
//! name ends with `.gz` is packed. Memory: one document and two buffers.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use alluvium::bson::{Bson, RawBsonRef, RawDocument};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::{Error, Result};
use crate::exact::exact_json;

/// Bytes given to the system at once.
const WRITE_BYTES: usize = 256 << 10;

/// How documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// JSON lines, in short forms where these read back as what they were.
    Ndjson,
    /// JSON lines that show the type of every number.
    CanonicalNdjson,
    /// BSON, one document after the other.
    Bson,
}

/// Writes documents.
///
/// ```
/// use alluvium::bson::rawdoc;
/// use alluvium_sources::{Export, ExportFormat, Source, SourceOptions};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("rivers.ndjson.gz");
/// let rhine = rawdoc! { "_id": "rhine", "km": 1233_i64 };
/// let mut export = Export::to_file(&path, ExportFormat::Ndjson)?;
/// export.write(&rhine)?;
/// assert!(!path.exists());
/// export.finish()?;
/// let record = Source::open(&path, &SourceOptions::new())?.next().unwrap()?;
/// assert_eq!(record.document.unwrap(), rhine);
/// # Ok::<(), alluvium_sources::Error>(())
/// ```
pub struct Export {
    out: Box<dyn Finish>,
    format: ExportFormat,
    /// What errors call the target.
    name: String,
    target: Option<Target>,
    documents: u64,
    bytes: u64,
}

/// A file that is not whole yet, and the name that it gets.
#[derive(Debug)]
struct Target {
    partial: PathBuf,
    path: PathBuf,
}

impl Drop for Target {
    fn drop(&mut self) {
        // It is not there any more if all went well.
        let _ = fs::remove_file(&self.partial);
    }
}

/// What takes bytes and has an end.
trait Finish: Write {
    /// Writes what is still to be written.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// What is written as it is.
struct Plain<W>(W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Finish for Plain<W> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

impl Finish for BufWriter<File> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

impl Finish for BufWriter<GzEncoder<File>> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        let packer = self.into_inner().map_err(io::IntoInnerError::into_error)?;
        packer.finish()?.sync_all()
    }
}

impl Export {
    /// Writes to a file, which replaces the one of that name when it is whole.
    ///
    /// # Errors
    /// When it cannot be made beside that.
    pub fn to_file(path: impl AsRef<Path>, format: ExportFormat) -> Result<Export> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let wrong = |source| Error::io(&name, source);
        let Some(file_name) = path.file_name() else {
            return Err(Error::unusable(&name, "it is no name of a file"));
        };
        let mut partial = OsString::from(".");
        partial.push(file_name);
        partial.push(format!(".{}.part", std::process::id()));
        let partial = path.with_file_name(partial);
        let file = File::create_new(&partial).map_err(wrong)?;
        let target = Target { partial, path: path.to_owned() };
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let out: Box<dyn Finish> = if packed {
            let packer = GzEncoder::new(file, Compression::default());
            Box::new(BufWriter::with_capacity(WRITE_BYTES, packer))
        } else {
            Box::new(BufWriter::with_capacity(WRITE_BYTES, file))
        };
        Ok(Export { out, format, name, target: Some(target), documents: 0, bytes: 0 })
    }

    /// Writes to a stream; `name` is what errors call it.
    pub fn to_writer(name: &str, out: impl Write + 'static, format: ExportFormat) -> Export {
        let out = Box::new(Plain(BufWriter::with_capacity(WRITE_BYTES, out)));
        Export { out, format, name: name.to_owned(), target: None, documents: 0, bytes: 0 }
    }

    /// Writes a document.
    ///
    /// # Errors
    /// [`Error::Inexact`] when JSON cannot carry it; [`Error::Io`] when the target does not take it.
    pub fn write(&mut self, document: &RawDocument) -> Result<()> {
        let line;
        let bytes = match self.format {
            ExportFormat::Bson => document.as_bytes(),
            ExportFormat::Ndjson | ExportFormat::CanonicalNdjson => {
                let canonical = self.format == ExportFormat::CanonicalNdjson;
                let json =
                    exact_json(document, canonical).map_err(|reason| inexact(document, reason))?;
                line = json + "\n";
                line.as_bytes()
            }
        };
        self.out.write_all(bytes).map_err(|source| Error::io(&self.name, source))?;
        self.documents += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Documents written.
    pub fn documents(&self) -> u64 {
        self.documents
    }

    /// Bytes written, before packing.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes what is still to be written, and gives the file its name.
    ///
    /// # Errors
    /// When the target does not take it; the file of that name is then as it was.
    pub fn finish(self) -> Result<()> {
        let Export { out, name, target, .. } = self;
        let renamed = out.finish().and_then(|()| match &target {
            Some(target) => fs::rename(&target.partial, &target.path),
            None => Ok(()),
        });
        renamed.map_err(|source| Error::io(&name, source))
    }
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

fn inexact(document: &RawDocument, reason: String) -> Error {
    let id = match document.get("_id") {
        Ok(Some(RawBsonRef::String(text))) => text.to_owned(),
        Ok(Some(id)) => {
            let id = Bson::try_from(id).unwrap_or(Bson::Null);
            id.into_relaxed_extjson().to_string()
        }
        _ => "without `_id`".to_owned(),
    };
    Error::Inexact { id, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::rawdoc;

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.ndjson");
        fs::write(&path, "old\n").unwrap();
        let left = || fs::read_dir(folder.path()).unwrap().count();
        let mut export = Export::to_file(&path, ExportFormat::Ndjson).unwrap();
        export.write(&rawdoc! { "_id": 1 }).unwrap();
        let refused = export.write(&rawdoc! { "_id": 7, "a": { "$oid": "x" } }).unwrap_err();
        assert!(refused.to_string().contains("document 7"), "{refused}");
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), left()), ("old\n", 2));
        drop(export);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), left()), ("old\n", 1));
        let mut export = Export::to_file(&path, ExportFormat::Ndjson).unwrap();
        export.write(&rawdoc! { "_id": 1 }).unwrap();
        assert_eq!((export.documents(), export.bytes()), (1, 10));
        export.finish().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), left()), ("{\"_id\":1}\n", 1));
        assert!(Export::to_file(folder.path().join("none/x"), ExportFormat::Bson).is_err());
        assert!(Export::to_file("..", ExportFormat::Bson).is_err());
    }
}
