//! Folders of text files, one document a file: its path as `_id`, `title`, `headings`, `body`, and when it was `modified`.
//!
//! Markdown and HTML are known by their names; everything else that is text, which is to say has no NUL among its first bytes,
//! is its own body, and its title the name of the file. Files that are no text are left out and counted. So are hidden ones,
//! and what a `.gitignore` or `.ignore` names, which is not even counted. Symbolic links are not followed.
//!
//! Files come in the order of their paths, component by component, so that a mark is the path of one. Memory: one file, of at
//! most `record_bytes_max` and of what a document may have.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alluvium::bson::{DOCUMENT_BYTES_MAX, DateTime, RawDocumentBuf, doc};
use encoding_rs::Encoding;
use ignore::{Walk, WalkBuilder};

use crate::decoding::{decoded, marked};
use crate::error::{Error, Result};
use crate::html::{read_html, told_encoding};
use crate::markdown::read_markdown;
use crate::meter::Meter;
use crate::options::SourceOptions;
use crate::page::Page;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};
use crate::records::Records;

/// Bytes in which a file that is no text has a NUL.
const TEXT_BYTES: usize = 8 << 10;

pub(crate) struct Folder {
    /// What paths are relative to, and how errors call it.
    root: PathBuf,
    name: String,
    walk: Walk,
    encoding: Option<&'static Encoding>,
    bytes_max: usize,
    meter: Arc<Meter>,
    /// Files up to this one were read.
    resumed_at: Option<PathBuf>,
    number: u64,
}

impl Folder {
    /// All text files under `path`, or the file that it is.
    pub(crate) fn new(
        path: &Path,
        name: &str,
        meter: &Arc<Meter>,
        options: &SourceOptions,
    ) -> Self {
        let mut walk = WalkBuilder::new(path);
        walk.require_git(false).sort_by_file_name(std::ffi::OsStr::cmp);
        let root = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        Folder {
            root: root.to_owned(),
            name: name.to_owned(),
            walk: walk.build(),
            encoding: options.encoding,
            bytes_max: options.record_bytes_max.min(DOCUMENT_BYTES_MAX),
            meter: Arc::clone(meter),
            resumed_at: None,
            number: 0,
        }
    }

    /// The document of a file; `None` if it is no text.
    fn document(
        &self,
        path: &Path,
        id: Option<&str>,
    ) -> Option<std::result::Result<RawDocumentBuf, Refusal>> {
        let refused = |reason: &dyn std::fmt::Display| Some(Err(Refusal::without_original(reason)));
        let Some(id) = id else { return refused(&"its path is not UTF-8, and cannot be an `_id`") };
        let mut bytes = Vec::new();
        let limit = (self.bytes_max as u64).saturating_add(1);
        let read = File::open(path).and_then(|file| {
            let modified = file.metadata()?.modified().ok();
            file.take(limit).read_to_end(&mut bytes)?;
            Ok(modified)
        });
        self.meter.add_read(bytes.len() as u64);
        self.meter.add_unpacked(bytes.len() as u64);
        let modified = match read {
            Ok(modified) => modified,
            Err(error) => return refused(&error),
        };
        let beginning = bytes.get(..TEXT_BYTES).unwrap_or(&bytes);
        if beginning.contains(&0) && marked(beginning).is_none() {
            return None;
        }
        if bytes.len() > self.bytes_max {
            return refused(&format!("the file has more than {} bytes", self.bytes_max));
        }
        let page = self.page(path, &bytes);
        let title = page.title.or_else(|| Some(path.file_name()?.to_str()?.to_owned()));
        let mut document = doc! { "_id": id, "title": title.unwrap_or_default() };
        if !page.headings.is_empty() {
            document.insert("headings", page.headings);
        }
        document.insert("body", page.body);
        if let Some(modified) = modified {
            document.insert("modified", DateTime::from_system_time(modified));
        }
        Some(RawDocumentBuf::try_from(&document).map_err(Refusal::without_original))
    }

    fn page(&self, path: &Path, bytes: &[u8]) -> Page {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let extension = extension.unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "html" | "htm" | "xhtml" => {
                read_html(&decoded(bytes, self.encoding.or_else(|| told_encoding(bytes))))
            }
            "md" | "markdown" => read_markdown(&decoded(bytes, self.encoding)),
            _ => Page { body: decoded(bytes, self.encoding).into_owned(), ..Page::default() },
        }
    }
}

/// A path with slashes, whatever the system has.
fn with_slashes(path: &Path) -> Option<String> {
    let names: Option<Vec<&str>> = path.iter().map(|name| name.to_str()).collect();
    names.map(|names| names.join("/"))
}

impl Records for Folder {
    fn next(&mut self) -> Result<Option<Record>> {
        loop {
            let Some(entry) = self.walk.next() else { return Ok(None) };
            let entry = entry.map_err(|error| Error::unusable(&self.name, error.to_string()))?;
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let path = entry.path();
            let below = path.strip_prefix(&self.root).unwrap_or(path);
            if self.resumed_at.as_deref().is_some_and(|read| below <= read) {
                continue;
            }
            let id = with_slashes(below);
            let Some(document) = self.document(path, id.as_deref()) else {
                self.meter.leave_out();
                continue;
            };
            self.number += 1;
            let place = Place {
                file: path.display().to_string().into(),
                position: Position::Whole,
                offset: 0,
            };
            let file = Some(id.unwrap_or_else(|| below.display().to_string()).into());
            let mark = Mark { file, offset: 0, number: self.number };
            return Ok(Some(Record::new(place, mark, document)));
        }
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        self.resumed_at = mark.file.as_deref().map(|file| file.split('/').collect());
        self.number = mark.number;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn over(path: &Path) -> (Folder, Arc<Meter>) {
        let meter = Arc::default();
        (Folder::new(path, "x", &meter, &SourceOptions::new()), meter)
    }

    fn records(folder: &mut Folder) -> Vec<Record> {
        std::iter::from_fn(|| folder.next().unwrap()).collect()
    }

    fn id(record: &Record) -> String {
        record.document.as_ref().unwrap().get_str("_id").unwrap().to_owned()
    }

    const FILES: [(&str, &[u8]); 9] = [
        ("a.txt", b"Gold.\nAnd silver."),
        ("a/z.md", b"# Heading\n\nText."),
        ("b.html", b"<meta charset=koi8-r><title>\xF2\xC5\xCB\xC1</title><h1>h</h1><p>p"),
        ("b.png", b"\x89PNG\0\0"),
        (".hidden", b"x"),
        (".gitignore", b"*.log\n"),
        ("c/deep/x.log", b"x"),
        ("c/deep/y", b"\xFF\xFEa\0b\0"),
        ("d.txt", b""),
    ];

    #[test]
    fn files_become_documents() {
        let tree = tree(&FILES);
        let (mut folder, meter) = over(tree.path());
        let found = records(&mut folder);
        let ids: Vec<String> = found.iter().map(id).collect();
        assert_eq!(ids, ["a/z.md", "a.txt", "b.html", "c/deep/y", "d.txt"]);
        let document = |at: usize| found[at].document.clone().unwrap();
        assert_eq!(document(0).get_str("title").unwrap(), "Heading");
        assert_eq!(document(0).get_array("headings").unwrap().get_str(0).unwrap(), "Heading");
        assert_eq!(document(1).get_str("title").unwrap(), "a.txt");
        assert_eq!(document(1).get_str("body").unwrap(), "Gold.\nAnd silver.");
        assert!(document(1).get_datetime("modified").unwrap().timestamp_millis() > 0);
        assert_eq!(document(2).get_str("title").unwrap(), "Река");
        assert_eq!(document(3).get_str("body").unwrap(), "ab");
        assert_eq!(meter.files_left_out(), 1);
        let (mut file, _) = over(&tree.path().join("a/z.md"));
        assert_eq!(records(&mut file).iter().map(id).collect::<Vec<_>>(), ["z.md"]);
    }

    #[test]
    fn reading_goes_on_behind_a_mark() {
        let tree = tree(&FILES);
        let all = records(&mut over(tree.path()).0);
        for (at, record) in all.iter().enumerate() {
            let (mut again, _) = over(tree.path());
            again.resume(&record.mark).unwrap();
            assert_eq!(records(&mut again), all[at + 1..]);
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let tree = tree(&[("a.txt", b"1234"), ("b.txt", b"12345")]);
        let meter = Arc::default();
        let options = SourceOptions::new().record_bytes_max(4);
        let found = records(&mut Folder::new(tree.path(), "x", &meter, &options));
        assert!(found[0].document.is_ok());
        assert!(found[1].document.as_ref().unwrap_err().reason.contains("more than 4 bytes"));
        assert!(found[1].place.to_string().ends_with("b.txt"));
    }
}
