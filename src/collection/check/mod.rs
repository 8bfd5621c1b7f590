//! The deep check: do documents, `_id`s, dead marks and text indexes say the same, both ways?
//!
//! Called by the facade's `check`, and at the end of every crash and model test. Every live document is analyzed again;
//! what it should have in the indexes is compared with what is there: nothing missing, nothing extra.
//! Of a collection that does not store its documents only their `_id`s can be compared.
//!
//! 1. Catalog against keyspaces. 2. Documents: numbers below the tally's next, readable, each found by its `_id`; as many
//!    `_id`s as documents, none of a dead one; live and dead together are all numbers ever given.
//! 3. Text indexes: `postings.rs`, and `detail.rs` to say what differs. 4. Value indexes: `values.rs`; columns:
//!    `columns.rs`.
//!
//! Damage that makes bytes unreadable is a finding too; other failures of the device end the check. Memory: bitmaps of
//! the dead (a bit a document), 32 bytes for every 4,096 documents and index, and one document. Cost: every document and
//! every index is read once.

mod columns;
mod detail;
mod postings;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use columns::ColumnCheck;
use postings::IndexCheck;
use values::ValueCheck;

use super::catalog::collection_names;
use super::documents::{id_of, stored_document};
use super::error::{Error, Result};
use super::read::CollectionReader;
use super::stub::Stub;
use crate::bson::{NESTING_MAX, sort_key, validate};
use crate::fts::{DeadChunk, DocId, decode_dead, names};
use crate::lsm::{KeyspaceId, Reader};

/// Findings that a report spells out; more are only counted.
pub const FINDINGS_LEN_MAX: usize = 100;

/// What a deep check looked at, and what it found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct DeepReport {
    /// Collections.
    pub collections: u64,
    /// Live documents.
    pub documents: u64,
    /// DocIds of documents that were removed or replaced.
    pub dead: u64,
    /// Text indexes, those included that are being built to take the place of others.
    pub text_indexes: u64,
    /// Terms of all fields of all text indexes.
    pub terms: u64,
    /// Postings of live documents.
    pub postings: u64,
    /// Postings of dead documents, which compactions have not reached yet.
    pub dead_postings: u64,
    /// Value indexes.
    pub value_indexes: u64,
    /// Entries of living documents in value indexes.
    pub value_entries: u64,
    /// Values of living documents in columns.
    pub column_values: u64,
    /// What is wrong, in words; at most [`FINDINGS_LEN_MAX`].
    pub findings: Vec<String>,
    /// How much is wrong, what is not spelled out included.
    pub findings_count: u64,
}

/// The dead documents of a collection.
struct Dead {
    chunks: BTreeMap<u32, DeadChunk>,
    /// All documents that ever were have smaller numbers.
    next: DocId,
}

/// The indexes of a collection, as far as they can be opened.
struct Indexes<'r> {
    text: Vec<IndexCheck<'r>>,
    value: Vec<ValueCheck>,
    columns: Vec<ColumnCheck>,
}

/// What the state of a document allows an index to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Live,
    Dead,
    NeverGiven,
}

/// Checks all collections of a snapshot.
///
/// # Errors
/// Failures of the device. Damage is reported as a finding.
pub fn check(reader: &dyn Reader) -> Result<DeepReport> {
    let mut report = DeepReport::default();
    let names = match collection_names(reader) {
        Ok(names) => names,
        Err(error) => {
            report.found_error(error)?;
            return Ok(report);
        }
    };
    for name in &names {
        report.collections += 1;
        if let Err(error) = check_collection(reader, name, &mut report) {
            report.found_error(error)?;
        }
    }
    let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    for keyspace in reader.keyspace_names() {
        if let Some((collection, _)) = keyspace.split_once('/')
            && !names.contains(collection)
        {
            report.found(format_args!("keyspace {keyspace}: the catalog has no {collection}"));
        }
    }
    Ok(report)
}

impl DeepReport {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.findings_count == 0
    }

    fn found(&mut self, finding: impl fmt::Display) {
        self.findings_count += 1;
        if !self.is_full() {
            self.findings.push(finding.to_string());
        }
    }

    /// Whether further findings are only counted.
    fn is_full(&self) -> bool {
        self.findings.len() >= FINDINGS_LEN_MAX
    }

    /// Damage and a changed analyzer are findings, other errors are not ours to report.
    fn found_error(&mut self, error: Error) -> Result<()> {
        let is_finding = error.is_corruption()
            || matches!(
                error,
                Error::AnalyzerChanged { .. }
                    | Error::AnalyzerMissing { .. }
                    | Error::Lsm(crate::lsm::Error::UnknownKeyspace(_))
            );
        if !is_finding {
            return Err(error);
        }
        self.found(error);
        Ok(())
    }
}

impl fmt::Display for DeepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} collections, {} documents, {} dead; {} text indexes, {} terms, {} postings and {} \
             of dead documents; {} value indexes, {} entries; {} values in columns",
            self.collections,
            self.documents,
            self.dead,
            self.text_indexes,
            self.terms,
            self.postings,
            self.dead_postings,
            self.value_indexes,
            self.value_entries,
            self.column_values,
        )?;
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        match self.findings_count.saturating_sub(self.findings.len() as u64) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}

impl Dead {
    fn load(reader: &dyn Reader, keyspace: KeyspaceId, next: DocId) -> Result<Self> {
        let mut chunks = BTreeMap::new();
        let mut cursor = reader.cursor(keyspace)?;
        let mut valid = cursor.first()?;
        while valid {
            chunks.insert(decode_dead(cursor.key())?, DeadChunk::decode(&cursor.value()?)?);
            valid = cursor.next()?;
        }
        Ok(Dead { chunks, next })
    }

    fn life(&self, doc: DocId) -> Life {
        if doc >= self.next {
            return Life::NeverGiven;
        }
        let dead = self.chunks.get(&doc.chunk()).is_some_and(|dead| dead.contains(doc.offset()));
        if dead { Life::Dead } else { Life::Live }
    }

    fn len(&self) -> u64 {
        self.chunks.values().map(|dead| u64::from(dead.len())).sum()
    }
}

fn check_collection(reader: &dyn Reader, name: &str, report: &mut DeepReport) -> Result<()> {
    let Some(collection) = CollectionReader::open(reader, name)? else { return Ok(()) };
    let dead = Dead::load(reader, collection.keyspaces().dead, collection.next_doc_id())?;
    for (chunk, bitmap) in &dead.chunks {
        let beyond = |offset| dead.next <= DocId::from_parts(*chunk, offset);
        if let Some(offset) = bitmap.iter().find(|&offset| beyond(offset)) {
            let doc = DocId::from_parts(*chunk, offset);
            report.found(format_args!("{name}: {doc} is dead and was never given"));
        }
    }
    let mut indexes = open_indexes(reader, &collection, report)?;
    if collection.definition().is_index_only {
        // Nothing says what they should have.
        indexes = Indexes { text: Vec::new(), value: Vec::new(), columns: Vec::new() };
    }
    check_dropped_indexes(reader, &collection, report)?;
    let documents = check_documents(reader, &collection, &dead, &mut indexes, report)?;
    check_ids(reader, &collection, &dead, documents, report)?;
    check_removals(reader, &collection, &dead, report)?;
    for (counted, what, expected) in [
        (documents, "live documents by the tally", collection.count()),
        (documents + dead.len(), "live and dead by the numbers given", dead.next.number()),
    ] {
        if counted != expected {
            report.found(format_args!("{name}: {counted} counted, {expected} {what}"));
        }
    }
    report.documents += documents;
    report.dead += dead.len();
    for index in &mut indexes.text {
        if let Err(error) = index.finish(&collection, &dead, report) {
            report.found_error(error)?;
        }
    }
    for index in &indexes.value {
        if let Err(error) = index.finish(reader, &dead, report) {
            report.found_error(error)?;
        }
    }
    Ok(())
}

fn open_indexes<'r>(
    reader: &dyn Reader,
    collection: &CollectionReader<'r>,
    report: &mut DeepReport,
) -> Result<Indexes<'r>> {
    let name = collection.name();
    let mut indexes = Indexes { text: Vec::new(), value: Vec::new(), columns: Vec::new() };
    for index in &collection.definition().indexes {
        report.text_indexes += 1;
        match collection.text_index(Some(&index.name)) {
            Ok(text) => {
                let missing = DocId::MIN..DocId::MIN;
                let name = format!("{name}, {}", index.name);
                indexes.text.push(IndexCheck::new(name, text, missing)?);
            }
            Err(error) => report.found_error(error)?,
        }
        match collection.text_rebuild(index) {
            Ok(None) => {}
            Ok(Some((text, missing))) => {
                report.text_indexes += 1;
                let name = format!("{name}, {} (being rebuilt)", index.name);
                indexes.text.push(IndexCheck::new(name, text, missing)?);
            }
            Err(error) => report.found_error(error)?,
        }
    }
    for index in &collection.definition().value_indexes {
        report.value_indexes += 1;
        match ValueCheck::new(reader, name, index) {
            Ok(check) => indexes.value.push(check),
            Err(error) => report.found_error(error)?,
        }
    }
    let columns = collection.definition().columns.iter();
    indexes.columns = columns.map(|path| ColumnCheck::new(path)).collect::<Result<_>>()?;
    Ok(indexes)
}

/// Walks the documents, lets the indexes see the live ones, and gives their number.
fn check_documents(
    reader: &dyn Reader,
    collection: &CollectionReader<'_>,
    dead: &Dead,
    indexes: &mut Indexes<'_>,
    report: &mut DeepReport,
) -> Result<u64> {
    let name = collection.name();
    let mut documents = 0;
    let mut cursor = reader.cursor(collection.keyspaces().docs)?;
    let mut valid = cursor.first()?;
    while valid {
        let doc = DocId::from_key(cursor.key())?;
        match dead.life(doc) {
            Life::Dead => {}
            Life::NeverGiven => {
                report.found(format_args!("{name}: document {doc} was never given"));
            }
            Life::Live => {
                documents += 1;
                let bytes = cursor.value()?;
                if let Err(error) = check_document(reader, collection, doc, &bytes, indexes, report)
                {
                    report.found_error(error)?;
                }
            }
        }
        valid = cursor.next()?;
    }
    Ok(documents)
}

/// Checks one live document and its way from its `_id`, and lets the indexes see it.
fn check_document(
    reader: &dyn Reader,
    collection: &CollectionReader<'_>,
    doc: DocId,
    bytes: &bytes::Bytes,
    indexes: &mut Indexes<'_>,
    report: &mut DeepReport,
) -> Result<()> {
    let name = collection.name();
    let stub = Stub::read(bytes)?;
    if stub.is_some() != collection.definition().is_index_only {
        report.found(format_args!("{name}: document {doc} is not stored as the collection says"));
        return Ok(());
    }
    let document = stub.map_or(&bytes[..], |stub| stub.id().as_bytes());
    let document = match validate(document, NESTING_MAX) {
        Ok(document) => document,
        Err(error) => {
            report.found(format_args!("{name}: document {doc} cannot be read: {error}"));
            return Ok(());
        }
    };
    match id_of(document)? {
        None => report.found(format_args!("{name}: document {doc} has no _id")),
        Some(id) => {
            let mut key = Vec::new();
            sort_key(id, &mut key)?;
            let found = reader.get(collection.keyspaces().ids, &key)?;
            if found.as_deref() != Some(&doc.to_key()) {
                report.found(format_args!("{name}: document {doc} is not found by its _id"));
            }
        }
    }
    if stub.is_some() {
        return Ok(());
    }
    for index in &mut indexes.text {
        index.document(doc, document, report)?;
    }
    for index in &mut indexes.value {
        index.document(reader, doc, document, report)?;
    }
    for column in &mut indexes.columns {
        column.document(collection, doc, document, report)?;
    }
    Ok(())
}

/// Every live document was found by its `_id`, so with as many entries as documents there is none too many.
fn check_ids(
    reader: &dyn Reader,
    collection: &CollectionReader<'_>,
    dead: &Dead,
    documents: u64,
    report: &mut DeepReport,
) -> Result<()> {
    let name = collection.name();
    let mut ids = 0;
    let mut cursor = reader.cursor(collection.keyspaces().ids)?;
    let mut valid = cursor.first()?;
    while valid {
        ids += 1;
        let doc = DocId::from_key(&cursor.value()?)?;
        if dead.life(doc) != Life::Live {
            report.found(format_args!("{name}: an _id leads to {doc}, which is not alive"));
        }
        valid = cursor.next()?;
    }
    if ids != documents {
        report.found(format_args!("{name}: {ids} _ids lead to {documents} live documents"));
    }
    Ok(())
}

/// What was removed, where that is tracked, stands at numbers of documents that are not alive, and says which one it was.
fn check_removals(
    reader: &dyn Reader,
    collection: &CollectionReader<'_>,
    dead: &Dead,
    report: &mut DeepReport,
) -> Result<()> {
    let name = collection.name();
    let Some(removals) = reader.keyspace(&names::removals(name)) else { return Ok(()) };
    let mut cursor = reader.cursor(removals)?;
    let mut valid = cursor.first()?;
    while valid {
        let number = DocId::from_key(cursor.key())?;
        let value = cursor.value()?;
        if dead.life(number) != Life::Dead {
            report.found(format_args!(
                "{name}: a removal has the number {number}, which is not dead"
            ));
        }
        let is_named =
            validate(&value, NESTING_MAX).is_ok() && id_of(stored_document(&value)?)?.is_some();
        if !is_named {
            report.found(format_args!("{name}: the removal {number} does not say of what"));
        }
        valid = cursor.next()?;
    }
    Ok(())
}

/// Keyspaces of indexes that the catalog does not have must be empty.
fn check_dropped_indexes(
    reader: &dyn Reader,
    collection: &CollectionReader<'_>,
    report: &mut DeepReport,
) -> Result<()> {
    let name = collection.name();
    let mut known =
        vec![names::docs(name), names::ids(name), names::dead(name), names::removals(name)];
    known.extend(collection.definition().indexes.iter().flat_map(|index| index.keyspaces(name)));
    let value_indexes = &collection.definition().value_indexes;
    known.extend(value_indexes.iter().map(|index| names::value(name, &index.name)));
    let columns = &collection.definition().columns;
    known.extend(columns.iter().map(|path| names::columns(name, path)));
    for keyspace in reader.keyspace_names() {
        let ours = keyspace.split_once('/').is_some_and(|(collection, _)| collection == name);
        let Some(id) = reader.keyspace(&keyspace).filter(|_| ours && !known.contains(&keyspace))
        else {
            continue;
        };
        if reader.cursor(id)?.first()? {
            report.found(format_args!("keyspace {keyspace} has entries and the catalog no index"));
        }
    }
    Ok(())
}
