//! Archives of `mongodump --archive`: many collections in one stream, their documents in blocks that take turns.
//!
//! ```text
//! archive  := 0x8199e26d: u32le  header  collection*  terminator  block*
//! block    := namespace  document*  terminator
//! terminator := 0xFFFFFFFF
//! ```
//! `header`, `collection`, `namespace` and `document` are BSON. A namespace has `db`, `collection`, and when its collection is
//! over `EOF` and `CRC`: the checksum of all bytes of its documents (CRC-64/XZ). Such a block has no documents.
//!
//! A checksum that differs, and a collection that does not come to its end, are refusals behind the documents of it, which have
//! then been given. Anything else that is out of order ends the source with an error. Memory: one document, and the list of
//! collections, of at most 256 MiB. Source: the description of the format beside mongo-tools.

use std::collections::HashMap;
use std::sync::Arc;

use alluvium::bson::{NESTING_MAX, RawDocument, RawDocumentBuf, validate};

use crate::bson::{Checksum, Found, checksum, read_document};
use crate::dumped::{Chosen, Listed, choose, metadata_text};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::options::SourceOptions;
use crate::place::{Mark, Place, Position};
use crate::record::{Record, Refusal};
use crate::records::Records;

const TERMINATOR: u32 = u32::MAX;
/// Most bytes of the list of collections.
const LIST_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug)]
pub(crate) struct Archive {
    input: Input,
    bytes_max: usize,
    collections: HashMap<String, Collection>,
    block: Block,
    number: u64,
    /// Documents before this byte were given by an earlier reader.
    resumed_at: u64,
}

/// The block that is open.
#[derive(Debug)]
enum Block {
    None,
    /// One that has no documents.
    Empty,
    /// One of this namespace.
    Of(String),
}

/// What began.
enum Begun {
    Block,
    /// Nothing: the archive is over.
    End,
    /// A block which says that something is wrong.
    Refused(Record),
}

/// A collection under way.
struct Collection {
    /// Its name here, unless its documents are not asked for.
    name: Option<Arc<str>>,
    checksum: Checksum,
    /// Whether it is over; a listed one may never begin.
    over: bool,
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Collection").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Archive {
    pub(crate) fn new(mut input: Input, options: &SourceOptions) -> Result<(Self, Chosen)> {
        let listed = read_list(&mut input)?;
        let chosen = choose(&listed, &options.collections)
            .map_err(|reason| Error::unusable(input.name(), reason))?;
        let mut collections: HashMap<String, Collection> = HashMap::new();
        for listed in &listed {
            let namespace = listed.namespace();
            let found = chosen.collections.iter().find(|chosen| chosen.namespace == namespace);
            let name = found.map(|chosen| chosen.name.as_str().into());
            let over = name.is_none();
            collections.insert(namespace, Collection { name, checksum: checksum(), over });
        }
        let bytes_max = options.record_bytes_max;
        let (block, number, resumed_at) = (Block::None, 0, 0);
        Ok((Archive { input, bytes_max, collections, block, number, resumed_at }, chosen))
    }

    fn place(&self, offset: u64) -> Place {
        let (file, number) = (self.input.name().clone(), self.number + 1);
        Place { file, position: Position::Record(number), offset }
    }

    fn record(
        &mut self,
        offset: u64,
        document: std::result::Result<RawDocumentBuf, Refusal>,
    ) -> Record {
        let place = self.place(offset);
        self.number += 1;
        let mark = Mark { file: None, offset: self.input.offset(), number: self.number };
        Record::new(place, mark, document)
    }

    fn lost(&self, offset: u64, reason: impl Into<String>) -> Error {
        Error::Lost { place: self.place(offset), reason: reason.into() }
    }

    /// Reads what begins a block.
    fn begin_block(&mut self) -> Result<Begun> {
        let offset = self.input.offset();
        let header = match read_document(&mut self.input, self.bytes_max, None)? {
            Found::End => return Ok(self.end(offset)),
            Found::Document(Ok(header)) => header,
            Found::Document(Err(refusal)) => {
                return Err(self.lost(offset, format!("a block cannot be read: {refusal}")));
            }
            Found::Other(found) => {
                let reason = format!("{found:#010x} stands where a block begins");
                return Err(self.lost(offset, reason));
            }
        };
        let (Ok(database), Ok(collection)) = (header.get_str("db"), header.get_str("collection"))
        else {
            return Err(self.lost(offset, "a block does not say which collection it is of"));
        };
        let namespace = format!("{database}.{collection}");
        let collection = self.collections.entry(namespace.clone()).or_insert_with(|| {
            // Not in the list: buckets of a time series, and the like.
            Collection { name: None, checksum: checksum(), over: true }
        });
        if !header.get_bool("EOF").unwrap_or(false) {
            self.block = Block::Of(namespace);
            return Ok(Begun::Block);
        }
        self.block = Block::Empty;
        let digest = std::mem::replace(&mut collection.checksum, checksum());
        let (found, told) = (digest.finalize(), header.get_i64("CRC").ok());
        collection.over = true;
        let differs = told.is_some_and(|told| told.to_le_bytes() != found.to_le_bytes());
        if collection.name.is_none() || !differs {
            return Ok(Begun::Block);
        }
        let reason = format!(
            "the checksum of {namespace} is wrong: some of its documents are not as they were dumped"
        );
        Ok(Begun::Refused(self.record(offset, Err(Refusal::without_original(reason)))))
    }

    /// The end; a refusal of it, and only once, if a collection is not over.
    fn end(&mut self, offset: u64) -> Begun {
        let mut open: Vec<&String> =
            self.collections.iter().filter(|(_, c)| !c.over).map(|(name, _)| name).collect();
        if open.is_empty() {
            return Begun::End;
        }
        open.sort_unstable();
        let names: Vec<&str> = open.into_iter().map(String::as_str).collect();
        let reason = format!("the archive ends before {}", names.join(", "));
        self.collections.clear();
        Begun::Refused(self.record(offset, Err(Refusal::without_original(reason))))
    }
}

impl Records for Archive {
    fn next(&mut self) -> Result<Option<Record>> {
        loop {
            if matches!(self.block, Block::None) {
                match self.begin_block()? {
                    Begun::End => return Ok(None),
                    Begun::Refused(record) if record.mark.offset > self.resumed_at => {
                        return Ok(Some(record));
                    }
                    Begun::Refused(_) | Begun::Block => continue,
                }
            }
            let offset = self.input.offset();
            let collection = match &self.block {
                Block::Of(namespace) => self.collections.get_mut(namespace),
                Block::None | Block::Empty => None,
            };
            let name = collection.as_ref().and_then(|collection| collection.name.clone());
            let takes_documents = collection.is_some();
            let digest = collection.map(|collection| &mut collection.checksum);
            match read_document(&mut self.input, self.bytes_max, digest)? {
                Found::Other(TERMINATOR) => self.block = Block::None,
                Found::Other(found) => {
                    let reason =
                        format!("{found} stands here, which is not the length of a document");
                    return Err(self.lost(offset, reason));
                }
                Found::Document(_) if !takes_documents => {
                    return Err(self.lost(offset, "a document follows the end of its collection"));
                }
                Found::End => {
                    return Err(self.lost(offset, "the archive ends within a block"));
                }
                Found::Document(_) if name.is_none() => {}
                Found::Document(document) => {
                    let mut record = self.record(offset, document);
                    record.collection = name;
                    if record.mark.offset > self.resumed_at {
                        return Ok(Some(record));
                    }
                }
            }
        }
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        // Checksums are over all documents, so that those before the mark are read too.
        self.resumed_at = mark.offset;
        Ok(())
    }
}

/// Reads what stands before the blocks.
fn read_list(input: &mut Input) -> Result<Vec<Listed>> {
    use std::io::BufRead as _;
    input.consume(crate::format::ARCHIVE_MAGIC.len());
    let mut listed: Option<Vec<Listed>> = None;
    let broken = |input: &Input, offset: u64| {
        let file = input.name().clone();
        let place = Place { file, position: Position::Whole, offset };
        Error::Lost { place, reason: "the list of collections cannot be read".to_owned() }
    };
    loop {
        let offset = input.offset();
        if offset > LIST_BYTES_MAX {
            return Err(broken(input, offset));
        }
        match (read_document(input, usize::MAX, None)?, &mut listed) {
            (Found::Document(Ok(_)), None) => listed = Some(Vec::new()),
            (Found::Document(Ok(document)), Some(listed)) => {
                listed.push(read_listed(&document).ok_or_else(|| broken(input, offset))?);
            }
            (Found::Other(TERMINATOR), Some(_)) => return Ok(listed.unwrap_or_default()),
            _ => return Err(broken(input, offset)),
        }
    }
}

fn read_listed(document: &RawDocument) -> Option<Listed> {
    validate(document.as_bytes(), NESTING_MAX).ok()?;
    let text = |name| document.get_str(name).ok().map(str::to_owned);
    let metadata = text("metadata").unwrap_or_default();
    let kind = text("type").filter(|kind| !kind.is_empty());
    let kind = kind.or_else(|| metadata_text(&metadata, "type")).unwrap_or_default();
    Some(Listed { database: text("db")?, collection: text("collection")?, metadata, kind })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alluvium::bson::rawdoc;

    /// What writes archives as mongodump does.
    struct Writer(Vec<u8>);

    impl Writer {
        fn new(collections: &[(&str, &str)]) -> Self {
            let mut writer = Writer(crate::format::ARCHIVE_MAGIC.to_vec());
            let header = rawdoc! { "concurrent_collections": 4, "version": "0.1", "server_version": "8.0", "tool_version": "100" };
            writer.document(&header);
            for (collection, kind) in collections {
                let metadata = r#"{"indexes":[{"key":{"_id":1},"name":"_id_"},{"key":{"n":-1},"name":"n_-1"}]}"#;
                writer.document(&rawdoc! { "db": "atlas", "collection": *collection, "metadata": metadata, "size": 0, "type": *kind });
            }
            writer.terminator();
            writer
        }

        fn document(&mut self, document: &RawDocument) {
            self.0.extend_from_slice(document.as_bytes());
        }

        fn terminator(&mut self) {
            self.0.extend_from_slice(&[0xFF; 4]);
        }

        fn header(&mut self, collection: &str, crc: Option<u64>) {
            let number = i64::from_le_bytes(crc.unwrap_or(0).to_le_bytes());
            self.document(&rawdoc! { "db": "atlas", "collection": collection, "EOF": crc.is_some(), "CRC": number });
        }
    }

    fn documents(from: i32, to: i32) -> Vec<RawDocumentBuf> {
        (from..to)
            .map(|n| rawdoc! { "_id": n, "text": "x".repeat(usize::try_from(n).unwrap()) })
            .collect()
    }

    fn crc(documents: &[RawDocumentBuf]) -> u64 {
        let bytes: Vec<u8> = documents.iter().flat_map(|d| d.as_bytes().to_vec()).collect();
        // Bit by bit, from the definition.
        let step =
            |crc: u64, _| if crc & 1 == 1 { (crc >> 1) ^ 0xC96C_5795_D787_0F42 } else { crc >> 1 };
        !bytes.iter().fold(u64::MAX, |crc, byte| (0..8).fold(crc ^ u64::from(*byte), step))
    }

    /// An archive of two collections whose blocks take turns, and of one that is empty.
    fn archive() -> Vec<u8> {
        let mut writer = Writer::new(&[
            ("rivers", "collection"),
            ("lakes", ""),
            ("empty", ""),
            ("long", "view"),
        ]);
        for (collection, from, to) in [("rivers", 0, 5), ("lakes", 100, 103), ("rivers", 5, 9)] {
            writer.header(collection, None);
            for document in documents(from, to) {
                writer.document(&document);
            }
            writer.terminator();
        }
        writer.header("empty", None);
        writer.terminator();
        for (collection, crc) in [
            ("empty", crc(&[])),
            ("rivers", crc(&documents(0, 9))),
            ("lakes", crc(&documents(100, 103))),
        ] {
            writer.header(collection, Some(crc));
            writer.terminator();
        }
        writer.0
    }

    fn open(bytes: &[u8], wanted: &[&str]) -> Result<(Archive, Chosen)> {
        let input =
            Input::stream(std::io::Cursor::new(bytes.to_vec()), "x", &Arc::default()).unwrap();
        Archive::new(input, &SourceOptions::new().collections(wanted.iter().copied()))
    }

    fn read(archive: &mut Archive) -> Result<Vec<(String, std::result::Result<i32, String>)>> {
        let mut found = Vec::new();
        while let Some(record) = archive.next()? {
            let name = record.collection.as_deref().unwrap_or("-").to_owned();
            let document =
                record.document.map(|d| d.get_i32("_id").unwrap_or(-1)).map_err(|r| r.reason);
            found.push((name, document));
        }
        Ok(found)
    }

    #[test]
    fn collections_that_take_turns_are_told_apart() {
        let (mut archive, chosen) = open(&archive(), &[]).unwrap();
        let found = read(&mut archive).unwrap();
        let rivers = |n| ("rivers".to_owned(), Ok(n));
        let lakes = |n| ("lakes".to_owned(), Ok(n));
        let expected: Vec<_> =
            (0..5).map(rivers).chain((100..103).map(lakes)).chain((5..9).map(rivers)).collect();
        assert_eq!(found, expected);
        let names: Vec<&str> = chosen.collections.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["rivers", "lakes", "empty"]);
        assert_eq!(chosen.collections[0].indexes.values[0].0, "n_-1");
        assert_eq!(chosen.warnings.len(), 1);
        let (mut archive, _) = open(&self::archive(), &["lakes"]).unwrap();
        assert_eq!(read(&mut archive).unwrap(), (100..103).map(lakes).collect::<Vec<_>>());
        assert!(open(&self::archive(), &["seas"]).is_err());
    }

    #[test]
    fn a_changed_byte_fails_the_checksum_and_an_early_end_is_told() {
        let mut bytes = archive();
        let at = bytes.windows(10).rposition(|window| window == [b'x'; 10]).unwrap();
        bytes[at] = b'y';
        let found = read(&mut open(&bytes, &[]).unwrap().0).unwrap();
        assert_eq!(found.len(), 13);
        assert!(found[12].1.as_ref().unwrap_err().contains("checksum of atlas.lakes is wrong"));
        let bytes = archive();
        let header = rawdoc! { "db": "atlas", "collection": "lakes", "EOF": true, "CRC": 0_i64 };
        let last = bytes.len() - header.as_bytes().len() - 4;
        let found = read(&mut open(&bytes[..last], &[]).unwrap().0).unwrap();
        assert!(found[12].1.as_ref().unwrap_err().contains("ends before atlas.lakes"));
    }

    #[test]
    fn damage_never_panics_and_a_cut_is_never_silent() {
        let whole = archive();
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..1000 {
            let mut bytes = whole.clone();
            let at = rng.usize(4..bytes.len());
            bytes[at] = rng.u8(..);
            if let Ok((mut archive, _)) = open(&bytes, &[]) {
                let _ = read(&mut archive);
            }
        }
        for end in 4..whole.len() {
            let Ok((mut archive, _)) = open(&whole[..end], &[]) else { continue };
            let complete =
                read(&mut archive).is_ok_and(|found| found.iter().all(|(_, d)| d.is_ok()));
            assert!(!complete, "{end} of {}", whole.len());
        }
    }

    #[test]
    fn reading_goes_on_behind_a_mark_and_checks_all() {
        let bytes = archive();
        let (mut archive, _) = open(&bytes, &[]).unwrap();
        let all: Vec<Record> = std::iter::from_fn(|| archive.next().unwrap()).collect();
        for (at, record) in all.iter().enumerate() {
            let (mut again, _) = open(&bytes, &[]).unwrap();
            again.resume(&record.mark).unwrap();
            let rest: Vec<Record> = std::iter::from_fn(|| again.next().unwrap()).collect();
            assert_eq!(rest, all[at + 1..]);
        }
    }
}
