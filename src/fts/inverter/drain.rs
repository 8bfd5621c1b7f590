//! [`drain`]: from filled inverters to the merge operands of a transaction, in the order of their keys.
//!
//! The indexer calls it with its own inverter and with those that were filled beside it. Each inverter sorts its terms; the terms of
//! all are walked as one sorted list, and the documents of a term as one list of documents, so that the result is that of one
//! inverter that was given everything. Cost: a sort of the terms, and one pass over the tokens.

use std::collections::BTreeMap;
use std::mem;

use super::gather::{FieldLengths, Inverter, Part, TermTokens};
use crate::fts::counters::{FieldStatistics, TermCounters};
use crate::fts::error::Result;
use crate::fts::ids::{DocId, FieldId};
use crate::fts::impact::ImpactScale;
use crate::fts::keyspace::{self, IndexKeyspace};
use crate::fts::length_code;
use crate::fts::norms::LengthCodesBuilder;
use crate::fts::postings::PostingsBuilder;
use crate::lsm::{self, ByteReader};

/// Where drained operands go.
type Sink<'a> = dyn FnMut(Part<'_>) -> Result<()> + 'a;

/// Hands to `sink` all operands to merge, in the order of their keys: the text keyspace's, then the
/// norms keyspace's. The inverters are empty afterwards, even when `sink` fails. No two of them hold the same document.
///
/// `before` are the statistics of what was drained before, as far as they are known: with them, impacts assume an average
/// over all documents.
///
/// # Errors
/// What `sink` returns; the operands behind it are lost, so the transaction has to be rolled back.
pub(in crate::fts) fn drain(
    inverters: &mut [&mut Inverter],
    before: &BTreeMap<FieldId, FieldStatistics>,
    sink: &mut dyn FnMut(Part<'_>) -> Result<()>,
) -> Result<()> {
    let mut taken: Vec<Inverter> =
        inverters.iter_mut().map(|inverter| mem::take(*inverter)).collect();
    taken.iter_mut().for_each(Inverter::empty_queue);
    let fields = joined_fields(&mut taken);
    let lengths: BTreeMap<FieldId, ChunkLengths> = fields
        .iter()
        .map(|(&field, lengths)| {
            (field, ChunkLengths::new(lengths, before.get(&field).copied().unwrap_or_default()))
        })
        .collect();
    let unknown = ChunkLengths::new(&FieldLengths::default(), FieldStatistics::default());
    let mut sorted: Vec<SortedTerms<'_>> = taken.iter().map(SortedTerms::new).collect();
    let mut writer = TermWriter::default();
    while let Some(least) = least(&sorted) {
        let (inverter, number) = (sorted[least].inverter, sorted[least].number());
        let (field, term, _) = inverter.terms.get(number);
        let mut removed = BTreeMap::new();
        let mut streams = Vec::new();
        for terms in &mut sorted {
            if terms.stands_at(inverter, number) {
                terms.add_removed(&mut removed);
                streams.extend(terms.take()?);
            }
        }
        writer.write(
            field,
            term,
            streams,
            removed,
            lengths.get(&field.of_lengths()).unwrap_or(&unknown),
            sink,
        )?;
    }
    for (field, lengths) in fields {
        write_field(field, &lengths, sink)?;
    }
    Ok(())
}

/// The lengths of all, by document.
fn joined_fields(inverters: &mut [Inverter]) -> BTreeMap<FieldId, FieldLengths> {
    let mut joined: BTreeMap<FieldId, FieldLengths> = BTreeMap::new();
    for inverter in inverters {
        for (field, mut lengths) in mem::take(&mut inverter.fields) {
            lengths.codes.iter_mut().for_each(|(document, _)| *document += inverter.shift);
            let all = joined.entry(field).or_default();
            all.statistics.documents += lengths.statistics.documents;
            all.statistics.total_length += lengths.statistics.total_length;
            all.codes.append(&mut lengths.codes);
        }
    }
    for lengths in joined.values_mut() {
        lengths.codes.sort_unstable();
    }
    joined
}

/// The place of the inverter whose next term is the least one; nothing when all have ended.
fn least(sorted: &[SortedTerms<'_>]) -> Option<usize> {
    let open = (0..).zip(sorted).filter(|(_, terms)| terms.at < terms.numbers.len());
    let least = open.min_by(|(_, left), (_, right)| {
        let right_terms = &right.inverter.terms;
        left.inverter.terms.compare(left.number(), right_terms, right.number())
    });
    least.map(|(place, _)| place)
}

/// The terms of an inverter in order, and how far they have been written.
struct SortedTerms<'a> {
    inverter: &'a Inverter,
    numbers: Vec<u32>,
    at: usize,
    /// The tokens of a term.
    tokens: Vec<u8>,
}

impl<'a> SortedTerms<'a> {
    fn new(inverter: &'a Inverter) -> Self {
        SortedTerms { inverter, numbers: inverter.terms.sorted(), at: 0, tokens: Vec::new() }
    }

    fn number(&self) -> u32 {
        self.numbers[self.at]
    }

    /// Whether the next term is this one of an inverter.
    fn stands_at(&self, inverter: &Inverter, number: u32) -> bool {
        self.at < self.numbers.len()
            && self.inverter.terms.compare(self.number(), &inverter.terms, number).is_eq()
    }

    /// Adds what removed documents take from the counters of the next term.
    fn add_removed(&self, all: &mut BTreeMap<u32, TermCounters>) {
        let Some(removed) = self.inverter.removed.get(&self.number()) else { return };
        for (&chunk, counters) in &removed.counters {
            let all = all.entry(chunk).or_default();
            all.df += counters.df;
            all.ttf += counters.ttf;
        }
    }

    /// Steps over the next term; its documents if it has any.
    fn take(&mut self) -> Result<Option<Documents<'_>>> {
        let (_, _, TermTokens { list, .. }) = self.inverter.terms.get(self.number());
        self.at += 1;
        self.inverter.tokens.read(list, &mut self.tokens);
        Ok(Documents::new(&self.tokens, self.inverter.shift)?)
    }
}

/// Walks the tokens of a term, document by document.
struct Documents<'a> {
    tokens: ByteReader<'a>,
    /// Number of the document whose first position comes next.
    next: u64,
}

impl<'a> Documents<'a> {
    fn new(tokens: &'a [u8], shift: u64) -> lsm::Result<Option<Self>> {
        let mut tokens = ByteReader::new("pending tokens", tokens);
        if tokens.is_empty() {
            return Ok(None);
        }
        let next = shift + (tokens.varint()? >> 1);
        Ok(Some(Documents { tokens, next }))
    }

    /// Replaces the content of `positions` by those in the next document; whether there is one behind it.
    fn read(&mut self, positions: &mut Vec<u32>) -> lsm::Result<bool> {
        let mut position = self.tokens.varint_u32()?;
        positions.clear();
        positions.push(position);
        while !self.tokens.is_empty() {
            let code = self.tokens.varint()?;
            if code & 1 == 1 {
                self.next += code >> 1;
                return Ok(true);
            }
            let gap = u32::try_from(code >> 1).expect("invariant: a gap of positions has 32 bits");
            position += gap;
            positions.push(position);
        }
        Ok(false)
    }
}

/// Length codes of a field's new documents, for the marks of their postings.
struct ChunkLengths {
    /// By chunk, and in it by offset as far as there are documents.
    chunks: BTreeMap<u32, Vec<u8>>,
    /// For the mean of these documents and those before.
    scale: ImpactScale,
}

impl ChunkLengths {
    fn new(lengths: &FieldLengths, before: FieldStatistics) -> Self {
        let mut chunks: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let mut total_length = number(before.total_length);
        for &(document, code) in &lengths.codes {
            let doc = doc_id(document);
            let codes = chunks.entry(doc.chunk()).or_default();
            codes.resize(usize::from(doc.offset()), 0);
            codes.push(code);
            total_length = total_length.saturating_add(length_code::decode(code).into());
        }
        let documents = number(before.documents).saturating_add(lengths.codes.len() as u64);
        ChunkLengths { chunks, scale: ImpactScale::of_documents(documents, total_length) }
    }

    /// Codes of a chunk; of documents behind the last one they are 0.
    fn of_chunk(&self, chunk: u32) -> &[u8] {
        self.chunks.get(&chunk).map(Vec::as_slice).unwrap_or_default()
    }
}

fn doc_id(document: u64) -> DocId {
    DocId::new(document).expect("invariant: a pending document has 48 bits")
}

/// Writes terms one after the other, with the same memory.
#[derive(Debug, Default)]
struct TermWriter {
    /// The prefix of the term's keys, between the values that are handed out.
    key: Vec<u8>,
    operand: Vec<u8>,
    document_positions: Vec<u32>,
    postings: PostingsBuilder,
}

impl TermWriter {
    /// Hands out a term's values, chunk by chunk.
    fn write(
        &mut self,
        field: FieldId,
        term: &[u8],
        mut streams: Vec<Documents<'_>>,
        mut removed: BTreeMap<u32, TermCounters>,
        lengths: &ChunkLengths,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        self.key.clear();
        keyspace::put_term_prefix(&mut self.key, field, term);
        let mut chunk = None;
        let mut codes: &[u8] = &[];
        while let Some(place) = (0..streams.len()).min_by_key(|&place| streams[place].next) {
            let doc = doc_id(streams[place].next);
            if !streams[place].read(&mut self.document_positions)? {
                streams.remove(place);
            }
            if chunk != Some(doc.chunk()) {
                if let Some(ended) = chunk.replace(doc.chunk()) {
                    self.end_chunk(ended, &mut removed, lengths, sink)?;
                }
                codes = lengths.of_chunk(doc.chunk());
                // Those that documents were removed from and none added to.
                let behind = removed.split_off(&doc.chunk());
                self.end_removed(mem::replace(&mut removed, behind), lengths, sink)?;
            }
            let code = codes.get(usize::from(doc.offset())).copied().unwrap_or(0);
            self.postings.push(doc.offset(), code, self.document_positions.iter().copied());
        }
        if let Some(ended) = chunk {
            self.end_chunk(ended, &mut removed, lengths, sink)?;
        }
        self.end_removed(removed, lengths, sink)
    }

    /// Hands out the values of chunks to which no document was added.
    fn end_removed(
        &mut self,
        mut removed: BTreeMap<u32, TermCounters>,
        lengths: &ChunkLengths,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        while let Some((&chunk, _)) = removed.first_key_value() {
            self.end_chunk(chunk, &mut removed, lengths, sink)?;
        }
        Ok(())
    }

    /// Hands out the value of a chunk, if there is something to say.
    fn end_chunk(
        &mut self,
        chunk: u32,
        removed: &mut BTreeMap<u32, TermCounters>,
        lengths: &ChunkLengths,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let removed = removed.remove(&chunk).unwrap_or_default();
        self.operand.clear();
        self.postings.finish_into(removed, &lengths.scale, &mut self.operand);
        if self.operand.is_empty() {
            return Ok(());
        }
        let prefix_bytes = self.key.len();
        keyspace::put_chunk(&mut self.key, chunk);
        let handed =
            sink(Part { keyspace: IndexKeyspace::Text, key: &self.key, operand: &self.operand });
        self.key.truncate(prefix_bytes);
        handed
    }
}

/// Hands out the length codes and the statistics of one field.
fn write_field(field: FieldId, lengths: &FieldLengths, sink: &mut Sink<'_>) -> Result<()> {
    let keyspace = IndexKeyspace::Norms;
    let mut operand = Vec::new();
    let mut builder = LengthCodesBuilder::default();
    let chunk = |document: u64| doc_id(document).chunk();
    for codes in lengths.codes.chunk_by(|(left, _), (right, _)| chunk(*left) == chunk(*right)) {
        let Some((first, _)) = codes.first() else {
            continue;
        };
        for &(document, code) in codes {
            builder.push(doc_id(document).offset(), code);
        }
        operand.clear();
        builder.finish_into(&mut operand);
        let key = keyspace::length_codes_key(field, chunk(*first));
        sink(Part { keyspace, key: &key, operand: &operand })?;
    }
    if !lengths.statistics.is_zero() {
        operand.clear();
        lengths.statistics.encode(&mut operand);
        sink(Part { keyspace, key: &keyspace::statistics_key(field), operand: &operand })?;
    }
    Ok(())
}
