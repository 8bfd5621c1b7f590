//! The deep check of one text index.
//!
//! Two multisets have to be equal: what the live documents' text says, and what the index holds of live documents. Both
//! are walked in their own order, the documents once and the index once, and every (field, term, document, positions) is
//! hashed to 128 bits; the sums of the hashes over windows of 4,096 documents are compared. Equal sums mean equal contents: that others sum up the same by chance is out of the question.
//! Where sums differ, `detail` finds out what does. Length codes are compared document by document; counters, impacts and
//! bounds of a value with its postings, which the sums have proved; statistics with what the documents summed up to.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use super::detail::{self, Window};
use super::{Dead, DeepReport, Life};
use crate::bson::RawDocument;
use crate::collection::error::{Error, Result};
use crate::collection::read::CollectionReader;
use crate::fts::{
    DocId, Field, FieldCounters, FieldId, FieldStatistics, LengthCodes, NormsKind, Postings,
    StoredLengths, TermCounters, TextEvent, TextReader, TextWalker, length_code,
};

/// Binary logarithm of a window's documents.
pub(super) const WINDOW_BITS: u32 = 12;
/// Windows whose difference is spelled out; each costs a walk over the index.
const WINDOWS_DETAILED_MAX: usize = 4;

/// One text index while it is checked.
pub(super) struct IndexCheck<'a> {
    /// Collection and index, for findings.
    name: String,
    text: TextReader<'a>,
    walker: TextWalker,
    /// Living documents that must not be in it, since it is being built.
    missing: Range<DocId>,
    /// What the documents seen so far should have.
    expected: Windows,
    statistics: BTreeMap<FieldId, FieldStatistics>,
    /// Stored length codes of the chunk of the last document, by field.
    lengths: Option<(u32, BTreeMap<FieldId, StoredLengths>)>,
    /// (hash of field and term, position) of the current document's tokens.
    tokens: Vec<(u128, u32)>,
}

/// Sums of hashes by window.
type Windows = BTreeMap<u64, u128>;

/// Length codes by field and chunk, as far as they were asked for.
type Lengths = HashMap<(FieldId, u32), Option<StoredLengths>>;

/// Chunks whose length codes are kept while the index is walked; each takes up to 64 KiB where the file is not mapped.
const LENGTHS_LEN_MAX: usize = 64;

/// A term while the index is walked.
#[derive(Default)]
struct Group {
    field: Option<FieldId>,
    term: Vec<u8>,
    hash: u128,
}

/// Hashes postings, with one buffer.
#[derive(Default)]
struct ItemHasher(Vec<u8>);

impl ItemHasher {
    /// Adds the hash of a posting to the sum of its window.
    fn add(
        &mut self,
        windows: &mut Windows,
        term: u128,
        doc: DocId,
        positions: impl Iterator<Item = u32>,
    ) {
        self.0.clear();
        self.0.extend_from_slice(&term.to_le_bytes());
        self.0.extend_from_slice(&doc.number().to_le_bytes());
        for position in positions {
            self.0.extend_from_slice(&position.to_le_bytes());
        }
        let sum = windows.entry(doc.number() >> WINDOW_BITS).or_default();
        *sum = sum.wrapping_add(xxh3_128(&self.0));
    }
}

fn term_hash(field: FieldId, term: &[u8], buffer: &mut Vec<u8>) -> u128 {
    buffer.clear();
    buffer.extend_from_slice(&field.0.to_le_bytes());
    buffer.extend_from_slice(term);
    xxh3_128(buffer)
}

impl<'a> IndexCheck<'a> {
    pub(super) fn new(name: String, text: TextReader<'a>, missing: Range<DocId>) -> Result<Self> {
        Ok(IndexCheck {
            name,
            walker: text.walker()?,
            text,
            missing,
            expected: Windows::new(),
            statistics: BTreeMap::new(),
            lengths: None,
            tokens: Vec::new(),
        })
    }

    /// Takes in what a live document should have in the index, and compares its lengths.
    pub(super) fn document(
        &mut self,
        doc: DocId,
        document: &RawDocument,
        report: &mut DeepReport,
    ) -> Result<()> {
        if self.missing.contains(&doc) {
            return Ok(());
        }
        self.load_lengths(doc.chunk())?;
        let IndexCheck { name, walker, expected, statistics, lengths, tokens, .. } = self;
        let mut buffer = Vec::new();
        let stored = lengths.as_ref().map(|(_, lengths)| lengths);
        tokens.clear();
        walker.walk(document, &mut |event| {
            match event {
                TextEvent::Text { .. } => {}
                TextEvent::Token { field, token, position } => {
                    tokens.push((term_hash(field, token.term.as_bytes(), &mut buffer), position));
                }
                TextEvent::Pair { field, term, position } => {
                    tokens.push((term_hash(field, term.as_bytes(), &mut buffer), position));
                }
                TextEvent::Path { term, start, end } => {
                    let hash = term_hash(FieldId::PATHS, term.as_bytes(), &mut buffer);
                    tokens.extend([(hash, start), (hash, end)]);
                }
                TextEvent::Length { field, tokens } => {
                    if tokens > 0 {
                        let statistics = statistics.entry(field).or_default();
                        statistics.documents += 1;
                        statistics.total_length += u64::from(tokens);
                    }
                    let code = match stored.and_then(|stored| stored.get(&field)) {
                        Some(lengths) => lengths.view()?.length_code(doc.offset()),
                        None => 0,
                    };
                    let right = length_code::encode(tokens);
                    if code != right {
                        report.found(format_args!(
                            "{name}: field {field} of document {doc} has the length code {code}, \
                             its {tokens} tokens have {right}"
                        ));
                    }
                }
            }
            Ok(())
        })?;
        tokens.sort_unstable();
        let mut hasher = ItemHasher::default();
        for places in tokens.chunk_by(|left, right| left.0 == right.0) {
            let Some(&(term, _)) = places.first() else { continue };
            hasher.add(expected, term, doc, places.iter().map(|place| place.1));
        }
        Ok(())
    }

    /// Compares the whole index with all documents, which have been seen by now.
    pub(super) fn finish(
        &mut self,
        collection: &CollectionReader<'_>,
        dead: &Dead,
        report: &mut DeepReport,
    ) -> Result<()> {
        let stored = self.walk_index(dead, report)?;
        self.check_norms(dead, report)?;
        let mut wrong = Vec::new();
        for &window in self.expected.keys().chain(stored.keys()) {
            let sum = |side: &Windows| side.get(&window).copied().unwrap_or_default();
            if sum(&self.expected) != sum(&stored) && !wrong.contains(&window) {
                wrong.push(window);
            }
        }
        for (index, window) in wrong.into_iter().enumerate() {
            if index < WINDOWS_DETAILED_MAX && !report.is_full() {
                let IndexCheck { name, text, walker, missing, .. } = self;
                let window = Window { number: window, dead, missing };
                detail::explain(name, text, walker, collection, &window, report)?;
            } else {
                let (start, end) = (window << WINDOW_BITS, (window + 1) << WINDOW_BITS);
                report.found(format_args!(
                    "{}: postings of documents {start}..{end} differ from their text",
                    self.name
                ));
            }
        }
        Ok(())
    }

    fn load_lengths(&mut self, chunk: u32) -> Result<()> {
        if self.lengths.as_ref().is_some_and(|(loaded, _)| *loaded == chunk) {
            return Ok(());
        }
        let mut lengths = BTreeMap::new();
        for Field { id, .. } in self.text.fields() {
            if let Some(stored) = self.text.lengths(*id, chunk)? {
                lengths.insert(*id, stored);
            }
        }
        self.lengths = Some((chunk, lengths));
        Ok(())
    }

    /// Sums up the postings of live documents, and compares the counters and the marks of each value with its postings.
    fn walk_index(&self, dead: &Dead, report: &mut DeepReport) -> Result<Windows> {
        let mut windows = Windows::new();
        let mut hasher = ItemHasher::default();
        let mut group = Group::default();
        let mut lengths = Lengths::new();
        let mut buffer = Vec::new();
        self.text.each_entry(&mut |key, value| {
            if group.field != Some(key.field) || group.term != *key.term {
                let hash = term_hash(key.field, &key.term, &mut buffer);
                group = Group { field: Some(key.field), term: key.term.to_vec(), hash };
                report.terms += 1;
            }
            let postings = Postings::parse(value)?;
            let mut counted = TermCounters::default();
            postings.each(&mut |offset, places| {
                let doc = DocId::from_parts(key.chunk, offset);
                match dead.life(doc) {
                    Life::Dead => report.dead_postings += 1,
                    Life::NeverGiven => {
                        group.found(
                            &self.name,
                            report,
                            format_args!("a posting for {doc}, which was never given"),
                        );
                    }
                    Life::Live => {
                        report.postings += 1;
                        counted.df += 1;
                        counted.ttf += i64::try_from(places.len()).unwrap_or(i64::MAX);
                        hasher.add(&mut windows, group.hash, doc, places.iter().copied());
                    }
                }
                Ok(())
            })?;
            if postings.counters() != counted {
                let what = format_args!(
                    "{:?} in chunk {}, its postings have {counted:?}",
                    postings.counters(),
                    key.chunk
                );
                group.found(&self.name, report, what);
            }
            let lengths = self.lengths_of(&mut lengths, key.field.of_lengths(), key.chunk)?;
            let lengths = lengths.map(StoredLengths::view).transpose()?;
            if let Some(offset) = postings.wrong_mark(lengths.as_ref())? {
                let doc = DocId::from_parts(key.chunk, offset);
                group.found(&self.name, report, format_args!("a wrong length or impact for {doc}"));
            }
            Ok::<(), Error>(())
        })?;
        Ok(windows)
    }

    fn lengths_of<'l>(
        &self,
        known: &'l mut Lengths,
        field: FieldId,
        chunk: u32,
    ) -> Result<Option<&'l StoredLengths>> {
        if known.len() >= LENGTHS_LEN_MAX && !known.contains_key(&(field, chunk)) {
            known.clear();
        }
        Ok(match known.entry((field, chunk)) {
            Entry::Occupied(known) => known.into_mut().as_ref(),
            Entry::Vacant(unknown) => unknown.insert(self.text.lengths(field, chunk)?).as_ref(),
        })
    }

    /// Lengths of live documents were compared with their text; here it is seen that there are no others.
    fn check_norms(&self, dead: &Dead, report: &mut DeepReport) -> Result<()> {
        let name = &self.name;
        let known = |field| self.text.fields().iter().any(|known| known.id == field);
        self.text.each_norms_entry(&mut |key, value| {
            let field = key.field;
            if !known(field) {
                report.found(format_args!("{name}: there are lengths of an unknown field {field}"));
                return Ok(());
            }
            match key.kind {
                NormsKind::LengthCodes(chunk) => {
                    let lengths = LengthCodes::parse(value)?;
                    let last = usize::from(lengths.first()) + lengths.codes().len() - 1;
                    let last = DocId::from_parts(chunk, u16::try_from(last).unwrap_or(u16::MAX));
                    if dead.life(last) == Life::NeverGiven {
                        report.found(format_args!(
                            "{name}: field {field} has a length for {last}, which was never given"
                        ));
                    }
                }
                NormsKind::Statistics => {
                    FieldCounters::decode(value)?;
                }
            }
            Ok::<(), Error>(())
        })?;
        for Field { id, .. } in self.text.fields() {
            let expected = self.statistics.get(id).copied().unwrap_or_default();
            let stored = self.text.statistics(*id)?;
            if stored != expected {
                report.found(format_args!(
                    "{name}: field {id} has {stored:?}, its documents have {expected:?}"
                ));
            }
        }
        Ok(())
    }
}

impl Group {
    fn found(&self, name: &str, report: &mut DeepReport, what: fmt::Arguments<'_>) {
        let term = String::from_utf8_lossy(&self.term);
        let field = self.field.unwrap_or(FieldId::PATHS);
        report.found(format_args!("{name}: the term {term:?} of field {field} has {what}"));
    }
}
