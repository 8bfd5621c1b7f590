//! Folders of text files, one document a file: its path as `_id`, `title`, `headings`, `body`, and when it was `modified`.
//!
//! Markdown and HTML are known by their names; everything else that is text, which is to say has no NUL among its first bytes,
//! is its own body, and its title the name of the file. Files that are no text are left out and counted. So are hidden ones,
//! and what a `.gitignore` or `.ignore` names, which is not even counted. Symbolic links are not followed.
//!
//! Files come in the order of their paths, component by component, so that a mark is the path of one. Memory: one file, of at
//! most `record_bytes_max` and of what a document may have.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alluvium::bson::{DOCUMENT_BYTES_MAX, DateTime, RawDocumentBuf, doc};
use encoding_rs::Encoding;
use ignore::{Walk, WalkBuilder};

use crate::decoding::{decoded, marked};
use crate::error::{Error, Result};
use crate::html::{read_html, told_encoding};
use crate::input::Input;
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
    /// Mark of the record given last.
    mark: Mark,
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
            mark: Mark::default(),
        }
    }

    /// What cannot be looked into.
    fn unreachable(&self, error: &ignore::Error) -> Record {
        let file = self.name.as_str().into();
        let place = Place { file, position: Position::Whole, offset: 0 };
        Record::new(place, self.mark.clone(), Err(Refusal::without_original(error)))
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
        let shown = path.display().to_string();
        let read = Input::open(path, &shown, &self.meter).and_then(|input| {
            let wrong = |source| Error::io(&shown, source);
            input.take(limit).read_to_end(&mut bytes).map_err(wrong)?;
            Ok(path.metadata().and_then(|metadata| metadata.modified()).ok())
        });
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
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let unpacked = path.file_stem().filter(|_| packed).map_or(path, Path::new);
        let extension = unpacked.extension().and_then(|extension| extension.to_str());
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
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Ok(Some(self.unreachable(&error))),
            };
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
            self.mark = Mark { file, offset: 0, number: self.number };
            return Ok(Some(Record::new(place, self.mark.clone(), document)));
        }
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        self.resumed_at = mark.file.as_deref().map(|file| file.split('/').collect());
        self.number = mark.number;
        self.mark = mark.clone();
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

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_looked_into_costs_itself() {
        use std::os::unix::fs::symlink;
        let tree = tree(&[("a.txt", b"a"), ("c.txt", b"c")]);
        // Nobody can follow a link to itself, root included.
        symlink("b", tree.path().join("b")).unwrap();
        let found = records(&mut over(tree.path()).0);
        assert_eq!(found.iter().filter(|record| record.document.is_ok()).count(), 2);
        let folder = tree.path().join("none");
        let refused = records(&mut over(&folder).0);
        assert!(refused.len() == 1 && refused[0].document.is_err());
    }

    #[test]
    fn packed_files_are_unpacked() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, b"# Gold\n").unwrap();
        let tree = tree(&[("a.md.gz", &packed.finish().unwrap())]);
        let found = records(&mut over(tree.path()).0);
        let document = found[0].document.as_ref().unwrap();
        assert_eq!(
            (document.get_str("_id").unwrap(), document.get_str("title").unwrap()),
            ("a.md.gz", "Gold")
        );
    }

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
