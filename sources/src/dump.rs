//! Folders that mongodump wrote: a folder for each database, and in it for each collection a `NAME.bson` with its documents and
//! a `NAME.metadata.json` with its indexes, both perhaps packed. The folder of one database is a dump too.
//!
//! Each file is read as `bson` reads one. Names of files are percent-encoded, and short for very long names; the metadata has
//! the true one. Memory: one document, and the list of files.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bson::Bson;
use crate::dumped::{Chosen, Listed, choose, metadata_text};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::meter::Meter;
use crate::options::SourceOptions;
use crate::place::Mark;
use crate::record::Record;
use crate::records::Records;

/// Most bytes of one file of metadata.
const METADATA_BYTES_MAX: u64 = 64 << 20;

pub(crate) struct Dump {
    files: std::vec::IntoIter<DumpedFile>,
    open: Option<(Arc<str>, Arc<str>, Bson)>,
    /// Where to go on in the first file.
    resumed: Option<Mark>,
    options: SourceOptions,
    meter: Arc<Meter>,
}

/// The documents of one collection.
struct DumpedFile {
    path: PathBuf,
    /// Its path within the dump.
    file: Arc<str>,
    /// The collection here.
    collection: Arc<str>,
}

/// A file that may be read.
struct Candidate {
    listed: Listed,
    path: PathBuf,
    file: String,
}

/// Whether a folder is a dump.
pub(crate) fn is_dump(path: &Path) -> bool {
    let folders = subfolders(path).unwrap_or_default();
    let holds = |folder: &Path| {
        names(folder).is_ok_and(|names| names.iter().any(|name| stem(name).is_some()))
    };
    holds(path) || folders.iter().any(|folder| holds(&path.join(folder)))
}

impl Dump {
    pub(crate) fn new(
        path: &Path,
        name: &str,
        meter: &Arc<Meter>,
        options: &SourceOptions,
    ) -> Result<(Self, Chosen)> {
        let candidates = candidates(path, name)?;
        let listed: Vec<Listed> = candidates.iter().map(|c| c.listed.clone()).collect();
        let chosen = choose(&listed, &options.collections)
            .map_err(|reason| Error::unusable(name, reason))?;
        let mut files = Vec::new();
        let mut total = 0;
        for candidate in candidates {
            let namespace = candidate.listed.namespace();
            let found = chosen.collections.iter().find(|chosen| chosen.namespace == namespace);
            let Some(found) = found else { continue };
            total += fs::metadata(&candidate.path).map_or(0, |metadata| metadata.len());
            let (path, file) = (candidate.path, candidate.file.into());
            files.push(DumpedFile { path, file, collection: found.name.as_str().into() });
        }
        meter.set_total(total);
        let (options, meter) = (options.clone(), Arc::clone(meter));
        Ok((Dump { files: files.into_iter(), open: None, resumed: None, options, meter }, chosen))
    }
}

impl Records for Dump {
    fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some((file, collection, bson)) = &mut self.open
                && let Some(mut record) = bson.next()?
            {
                record.collection = Some(Arc::clone(collection));
                record.mark.file = Some(Arc::clone(file));
                return Ok(Some(record));
            }
            let Some(next) = self.files.next() else { return Ok(None) };
            let name = next.path.display().to_string();
            let input = Input::open(&next.path, &name, &self.meter)?;
            let mut bson = Bson::new(input, &self.options);
            if let Some(mark) = self.resumed.take() {
                bson.resume(&mark)?;
            }
            self.open = Some((next.file, next.collection, bson));
        }
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        let Some(file) = &mark.file else { return Ok(()) };
        let rest: Vec<DumpedFile> =
            self.files.by_ref().skip_while(|next| next.file != *file).collect();
        let before = self.meter.bytes_total().unwrap_or(0);
        let left: u64 =
            rest.iter().map(|file| fs::metadata(&file.path).map_or(0, |m| m.len())).sum();
        self.meter.add_read(before.saturating_sub(left));
        if rest.is_empty() {
            return Err(Error::unusable(file, "the dump is not the one that the mark is from"));
        }
        self.files = rest.into_iter();
        self.resumed = Some(mark.clone());
        Ok(())
    }

    fn file_number(&self, mark: &Mark) -> usize {
        let files = self.files.as_slice();
        let is_of = |file: &DumpedFile| mark.file.as_ref() == Some(&file.file);
        files.iter().position(is_of).unwrap_or(files.len())
    }
}

/// The files of documents in a dump, in the order of their paths.
fn candidates(path: &Path, name: &str) -> Result<Vec<Candidate>> {
    let wrong = |source| Error::io(name, source);
    let own = path.canonicalize().map_err(wrong)?;
    let own = own.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = candidates_of(path, "", &own)?;
    for folder in subfolders(path).map_err(wrong)? {
        found.extend(candidates_of(&path.join(&folder), &format!("{folder}/"), &folder)?);
    }
    Ok(found)
}

fn candidates_of(folder: &Path, prefix: &str, database: &str) -> Result<Vec<Candidate>> {
    let shown = folder.display().to_string();
    let names = names(folder).map_err(|source| Error::io(&shown, source))?;
    let mut found = Vec::new();
    for name in &names {
        let Some(stem) = stem(name) else { continue };
        let metadata = metadata(folder, stem)?;
        let collection =
            metadata_text(&metadata, "collectionName").unwrap_or_else(|| percent_decoded(stem));
        let kind = metadata_text(&metadata, "type").unwrap_or_default();
        // The log of operations stands beside the folders of databases.
        let oplog = prefix.is_empty() && stem == "oplog" && metadata.is_empty();
        let database = if oplog { String::new() } else { percent_decoded(database) };
        let listed = Listed { database, collection, metadata, kind };
        let (path, file) = (folder.join(name), format!("{prefix}{name}"));
        found.push(Candidate { listed, path, file });
    }
    Ok(found)
}

/// The metadata beside a file of documents; nothing if there is none.
fn metadata(folder: &Path, stem: &str) -> Result<String> {
    for end in [".metadata.json", ".metadata.json.gz"] {
        let path = folder.join(format!("{stem}{end}"));
        if !path.is_file() {
            continue;
        }
        let shown = path.display().to_string();
        let input = Input::open(&path, &shown, &Arc::default())?;
        let mut text = String::new();
        let read = input.take(METADATA_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|source| Error::io(&shown, source))?;
        return Ok(text);
    }
    Ok(String::new())
}

/// The name of a file of documents, without its end.
fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".bson").filter(|stem| !stem.is_empty())
}

/// Names of files, sorted.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    entries(folder, |kind| !kind.is_dir())
}

fn subfolders(folder: &Path) -> std::io::Result<Vec<String>> {
    entries(folder, |kind| kind.is_dir())
}

fn entries(folder: &Path, is: impl Fn(fs::FileType) -> bool) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is(entry.file_type()?) {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// `text` with `%41` as `A`; what is no such sequence stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        let decoded = (*byte == b'%').then(|| u8::try_from(digit(0)? * 16 + digit(1)?).ok());
        if let Some(decoded) = decoded.flatten() {
            bytes.push(decoded);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            bytes.push(*byte);
            rest = behind;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::rawdoc;
    use std::io::Write;

    fn write(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(bytes).unwrap();
            return fs::write(path, packed.finish().unwrap()).unwrap();
        }
        fs::write(path, bytes).unwrap();
    }

    fn documents(numbers: std::ops::Range<i32>) -> Vec<u8> {
        numbers.flat_map(|number| rawdoc! { "_id": number }.into_bytes()).collect()
    }

    fn dump() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join("dump").join(name);
        write(&at("atlas/rivers.bson"), &documents(0..5));
        write(&at("atlas/rivers.metadata.json"), br#"{"indexes":[{"key":{"km":1},"name":"km_1"}],"collectionName":"rivers","type":"collection"}"#);
        write(&at("atlas/caf%C3%A9s.bson.gz"), &documents(10..12));
        write(&at("atlas/aLong%24xFO0.bson"), &documents(20..21));
        write(
            &at("atlas/aLong%24xFO0.metadata.json.gz"),
            br#"{"indexes":[],"collectionName":"aLongName"}"#,
        );
        write(&at("atlas/long.metadata.json"), br#"{"type":"view"}"#);
        write(&at("admin/system.version.bson"), &documents(0..1));
        write(&at("prelude.json"), b"{}");
        folder
    }

    fn read(dump: &mut Dump) -> Vec<Record> {
        std::iter::from_fn(|| dump.next().unwrap()).collect()
    }

    fn shown(records: &[Record]) -> Vec<String> {
        let show = |record: &Record| {
            let id = record.document.as_ref().unwrap().get_i32("_id").unwrap();
            format!("{} {id}", record.collection.as_ref().unwrap())
        };
        records.iter().map(show).collect()
    }

    #[test]
    fn files_are_collections_and_have_indexes_beside_them() {
        let folder = dump();
        let root = folder.path().join("dump");
        assert!(is_dump(&root) && is_dump(&root.join("atlas")) && !is_dump(folder.path()));
        let options = SourceOptions::new();
        let (mut dump, chosen) = Dump::new(&root, "dump", &Arc::default(), &options).unwrap();
        let all = [
            "aLongName 20",
            "cafés 10",
            "cafés 11",
            "rivers 0",
            "rivers 1",
            "rivers 2",
            "rivers 3",
            "rivers 4",
        ];
        assert_eq!(shown(&read(&mut dump)), all);
        let rivers = chosen.collections.iter().find(|found| found.name == "rivers").unwrap();
        assert_eq!(rivers.indexes.values[0].0, "km_1");
        let (mut one, chosen) =
            Dump::new(&root.join("atlas"), "atlas", &Arc::default(), &options).unwrap();
        assert_eq!(shown(&read(&mut one)), all);
        assert_eq!(chosen.collections[0].namespace, "atlas.aLongName");
    }

    #[test]
    fn reading_goes_on_behind_a_mark() {
        let folder = dump();
        let open = || {
            Dump::new(&folder.path().join("dump"), "dump", &Arc::default(), &SourceOptions::new())
                .unwrap()
                .0
        };
        let all = read(&mut open());
        for (at, record) in all.iter().enumerate() {
            let mut again = open();
            again.resume(&record.mark).unwrap();
            assert_eq!(read(&mut again), all[at + 1..]);
            // Marks of different files too are in the order of their records.
            let order = |mark: &Mark| (open().file_number(mark), mark.offset);
            assert!(all[..at].iter().all(|before| order(&before.mark) < order(&record.mark)));
        }
        let stranger = Mark { file: Some("other/rivers.bson".into()), ..Mark::default() };
        assert!(open().file_number(&stranger) > open().file_number(&all[7].mark));
        assert!(open().resume(&stranger).is_err());
    }

    #[test]
    fn names_are_decoded() {
        for (text, decoded) in [
            ("a%2Fb", "a/b"),
            ("caf%C3%A9s", "cafés"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%FF", "%FF"),
        ] {
            assert_eq!(percent_decoded(text), decoded);
        }
    }
}
