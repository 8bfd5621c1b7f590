//! The inverter against a map of tokens.
//!
//! Random documents are added and removed, drained at random moments and merged as the store would. The
//! index that comes out is that of the map, counters of the live documents included.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::TermTokens;
use super::*;
use crate::fts::counters::{FieldStatistics, TermCounters};
use crate::fts::error::{Error, Result};
use crate::fts::ids::{DocId, FieldId};
use crate::fts::keyspace::{self, IndexKeyspace};
use crate::fts::length_code;
use crate::fts::norms::{LengthCodes, NormsOperator};
use crate::fts::postings::{Postings, TextOperator};
use crate::lsm::MergeOperator;

/// One document: its tokens by field and term, positions ascending.
type Document = BTreeMap<(FieldId, Vec<u8>), Vec<u32>>;

/// What a store would hold: values by keyspace and key.
#[derive(Default)]
struct Index(BTreeMap<(IndexKeyspace, Vec<u8>), Vec<u8>>);

impl Index {
    fn drain(&mut self, inverter: &mut Inverter) {
        let mut before = None;
        let mut sink = |part: Part<'_>| {
            let name = (part.keyspace, part.key.to_vec());
            assert!(before.as_ref() < Some(&name), "keys do not ascend: {name:?}");
            before = Some(name.clone());
            let merged = match self.0.get(&name) {
                None => part.operand.to_vec(),
                Some(value) => merge(part, value)?,
            };
            self.0.insert(name, merged);
            Ok(())
        };
        drain(&mut [inverter], &BTreeMap::new(), &mut sink).unwrap();
        assert!(inverter.is_empty());
        assert_eq!(inverter.bytes(), 0);
    }

    fn get(&self, keyspace: IndexKeyspace, key: Vec<u8>) -> &[u8] {
        self.0.get(&(keyspace, key)).map(Vec::as_slice).unwrap_or_default()
    }
}

fn merge(part: Part<'_>, value: &[u8]) -> Result<Vec<u8>> {
    let operator: &dyn MergeOperator = match part.keyspace {
        IndexKeyspace::Text => &TextOperator,
        IndexKeyspace::Norms => &NormsOperator,
    };
    let mut merged = Vec::new();
    operator.merge(part.key, &[value, part.operand], &mut merged)?;
    Ok(merged)
}

fn random_document(rng: &mut fastrand::Rng) -> Document {
    let mut document = Document::new();
    for position in 0..rng.u32(1..40) {
        let field = FieldId(if rng.u8(..4) == 0 { 0xFFFF } else { rng.u16(..2) });
        let term = vec![rng.u8(..3); rng.usize(..4)];
        let positions = document.entry((field, term)).or_default();
        positions.push(position * rng.u32(1..3).min(position + 1));
        positions.sort_unstable();
    }
    document
}

fn lengths(document: &Document) -> BTreeMap<FieldId, u32> {
    let mut lengths = BTreeMap::new();
    for ((field, _), positions) in document {
        *lengths.entry(*field).or_default() += u32::try_from(positions.len()).unwrap();
    }
    lengths
}

fn insert(inverter: &mut Inverter, doc: DocId, document: &Document) {
    for ((field, term), positions) in document {
        for &position in positions {
            inverter.add(*field, term, doc, position).unwrap();
        }
    }
    for (field, length) in lengths(document) {
        inverter.set_length(field, doc, length);
    }
}

fn remove(inverter: &mut Inverter, doc: DocId, document: &Document) {
    for ((field, term), positions) in document {
        for _ in positions {
            inverter.subtract(*field, term, doc).unwrap();
        }
    }
    for (field, length) in lengths(document) {
        inverter.subtract_length(field, length);
    }
}

/// All documents and positions that the index holds for a term, and what it counts.
fn indexed(
    index: &Index,
    field: FieldId,
    term: &[u8],
) -> (BTreeMap<DocId, Vec<u32>>, TermCounters) {
    let (mut found, mut counters) = (BTreeMap::new(), Vec::new());
    for chunk in 0..4 {
        let value = index.get(IndexKeyspace::Text, keyspace::postings_key(field, term, chunk));
        if value.is_empty() {
            continue;
        }
        let postings = Postings::parse(value).unwrap();
        counters.push(postings.counters());
        let mut insert = |offset, positions: &[u32]| {
            found.insert(DocId::from_parts(chunk, offset), positions.to_vec());
            Ok(())
        };
        postings.each(&mut insert).unwrap();
        let codes = index.get(IndexKeyspace::Norms, keyspace::length_codes_key(field, chunk));
        let codes = LengthCodes::parse(codes).ok();
        assert_eq!(postings.wrong_mark(codes.as_ref()).unwrap(), None);
    }
    (found, TermCounters::total(counters.into_iter()).unwrap())
}

fn check(index: &Index, all: &BTreeMap<DocId, Document>, dead: &BTreeSet<DocId>) {
    let mut documents = all.iter();
    let live = || all.iter().filter(|(doc, _)| !dead.contains(doc)).map(|(_, document)| document);
    let names: BTreeSet<_> = all.values().flat_map(Document::keys).cloned().collect();
    for name in &names {
        let expected = all.iter().filter_map(|(doc, d)| Some((*doc, d.get(name)?.clone())));
        let (found, counters) = indexed(index, name.0, &name.1);
        assert_eq!(found, expected.collect());
        let holding: Vec<_> = live().filter_map(|document| document.get(name)).collect();
        let expected = TermCounters {
            df: holding.len().try_into().unwrap(),
            ttf: holding.iter().map(|positions| positions.len()).sum::<usize>().try_into().unwrap(),
        };
        assert_eq!(counters, expected);
    }
    let fields: BTreeSet<FieldId> = names.iter().map(|name| name.0).collect();
    for &field in &fields {
        let value = index.get(IndexKeyspace::Norms, keyspace::statistics_key(field));
        let statistics = if value.is_empty() {
            Ok(FieldStatistics::default())
        } else {
            FieldStatistics::decode(value)
        };
        let lengths: Vec<u32> =
            live().filter_map(|document| lengths(document).get(&field).copied()).collect();
        let expected = FieldStatistics {
            documents: lengths.len().try_into().unwrap(),
            total_length: lengths.iter().map(|&length| i64::from(length)).sum(),
        };
        assert_eq!(statistics.unwrap(), expected);
    }
    assert!(documents.all(|(doc, document)| {
        fields.iter().all(|field| {
            let value =
                index.get(IndexKeyspace::Norms, keyspace::length_codes_key(*field, doc.chunk()));
            let length = lengths(document).get(field).copied().unwrap_or(0);
            let expected = if length == 0 { 0 } else { length_code::encode(length) };
            let code = LengthCodes::parse(value).map_or(0, |codes| codes.length_code(doc.offset()));
            code == expected
        })
    }));
}

#[test]
fn drained_and_merged_transactions_equal_the_map_of_their_tokens() {
    for seed in 0..30 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut inverter, mut index) = (Inverter::default(), Index::default());
        let (mut all, mut dead) = (BTreeMap::new(), BTreeSet::new());
        // Begins near the end of a chunk, so that terms span chunks within one drain.
        let mut doc = DocId::from_parts(0, 65_500);
        for _ in 0..60 {
            match rng.u8(..10) {
                0 => index.drain(&mut inverter),
                1 | 2 if !all.is_empty() => {
                    let victim = *all.keys().nth(rng.usize(..all.len())).unwrap();
                    if dead.insert(victim) {
                        remove(&mut inverter, victim, &all[&victim]);
                    }
                }
                _ => {
                    doc = doc.plus(rng.u64(1..3)).unwrap();
                    let document = random_document(&mut rng);
                    insert(&mut inverter, doc, &document);
                    all.insert(doc, document);
                }
            }
        }
        index.drain(&mut inverter);
        check(&index, &all, &dead);
        for (victim, document) in all.iter().filter(|(doc, _)| !dead.contains(doc)) {
            remove(&mut inverter, *victim, document);
        }
        index.drain(&mut inverter);
        check(&index, &all, &all.keys().copied().collect());
    }
}

#[test]
fn a_document_added_and_removed_at_once_leaves_postings_and_no_counters() {
    let mut inverter = Inverter::default();
    let (doc, document) =
        (DocId::MAX, Document::from([((FieldId(1), b"a".to_vec()), vec![0, u32::MAX])]));
    insert(&mut inverter, doc, &document);
    remove(&mut inverter, doc, &document);
    let mut kinds = Vec::new();
    let mut sink = |part: Part<'_>| {
        kinds.push((part.keyspace, part.key.to_vec()));
        Ok(())
    };
    drain(&mut [&mut inverter], &BTreeMap::new(), &mut sink).unwrap();
    let expected = [
        (IndexKeyspace::Text, keyspace::postings_key(FieldId(1), b"a", u32::MAX)),
        (IndexKeyspace::Norms, keyspace::length_codes_key(FieldId(1), u32::MAX)),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn memory_is_counted_and_given_back() {
    let mut inverter = Inverter::default();
    assert!(inverter.is_empty());
    for number in 0..1000_u32 {
        inverter.add(FieldId(0), &number.to_be_bytes(), DocId::MIN, number).unwrap();
    }
    assert!(inverter.bytes() >= 1000 * (4 + size_of::<TermTokens>()), "{inverter:?}");
    let failed =
        drain(&mut [&mut inverter], &BTreeMap::new(), &mut |_| Err(Error::DocIdsExhausted));
    assert!(failed.is_err() && inverter.is_empty() && inverter.bytes() == 0);
}

#[test]
fn a_term_too_long_for_a_key_is_refused() {
    let mut inverter = Inverter::default();
    let term = vec![b'x'; keyspace::TERM_BYTES_MAX + 1];
    let added = inverter.add(FieldId(0), &term, DocId::MIN, 0);
    assert!(matches!(added, Err(Error::TermTooLong { bytes, .. }) if bytes == term.len()));
    assert!(inverter.is_empty());
}

#[test]
#[should_panic(expected = "documents of a term ascend")]
fn descending_documents_are_refused() {
    let mut inverter = Inverter::default();
    inverter.add(FieldId(0), b"a", DocId::from_parts(0, 2), 0).unwrap();
    inverter.add(FieldId(0), b"a", DocId::from_parts(0, 1), 0).unwrap();
    let _ = drain(&mut [&mut inverter], &BTreeMap::new(), &mut |_| Ok(()));
}

#[test]
fn inverters_that_were_filled_side_by_side_drain_as_one() {
    for seed in 0..40 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut one = Inverter::default();
        let mut several: Vec<Inverter> =
            (0..rng.usize(2..5)).map(|_| Inverter::default()).collect();
        let first = DocId::from_parts(0, 65_520);
        let mut number = 0;
        let mut removed = Vec::new();
        for _ in 0..rng.usize(1..120) {
            number += rng.u64(1..3);
            let document = random_document(&mut rng);
            let doc = first.plus(number).unwrap();
            insert(&mut one, doc, &document);
            // Counted from 0, before anybody knows where the first one comes.
            let place = rng.usize(..several.len());
            insert(&mut several[place], DocId::new(number).unwrap(), &document);
            if rng.u8(..5) == 0 {
                removed.push((doc, document));
            }
        }
        for inverter in &mut several {
            inverter.shift(first.number());
        }
        let mut own = Inverter::default();
        for (doc, document) in &removed {
            remove(&mut one, *doc, document);
            remove(&mut own, *doc, document);
        }
        several.push(own);
        let drained = |inverters: &mut [&mut Inverter]| {
            let mut parts = Vec::new();
            let mut sink = |Part { keyspace, key, operand }: Part<'_>| {
                parts.push((keyspace, key.to_vec(), operand.to_vec()));
                Ok(())
            };
            drain(inverters, &BTreeMap::new(), &mut sink).unwrap();
            parts
        };
        let several = drained(&mut several.iter_mut().collect::<Vec<_>>());
        assert_eq!(several, drained(&mut [&mut one]), "seed {seed}");
    }
}
