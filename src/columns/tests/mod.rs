//! Columns against their naive twins: documents in a map, whose values are joined, counted and sorted by loops.
//!
//! Here are random documents and the twin's view of them, the sort keys of each; what is tested with them stands in the files
//! beside. Seeds are fixed, so that failures repeat.

mod aggregations;
mod sorting;
mod storage;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bson::{
    Binary, BinarySubtype, Bson, DateTime, ObjectId, Path, RawBsonRef, RawDocument, RawDocumentBuf,
    Timestamp, doc, sort_key,
};
use crate::columns::{ColumnChunk, ColumnChunkBuilder, ColumnSource, Error, Result};
use crate::fts::{DocId, DocumentSet};

/// What random values are like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Int32,
    Int64,
    Dates,
    Words,
    Few,
    Mixed,
}

const KINDS: [Kind; 6] =
    [Kind::Int32, Kind::Int64, Kind::Dates, Kind::Words, Kind::Few, Kind::Mixed];

fn value(rng: &mut fastrand::Rng, kind: Kind) -> Bson {
    match kind {
        Kind::Int32 => Bson::Int32(rng.i32(-500..500)),
        Kind::Int64 if rng.u8(..20) == 0 => Bson::Int64(rng.i64(..)),
        Kind::Int64 => Bson::Int64(rng.i64(1 << 40..(1 << 40) + 300)),
        Kind::Dates => Bson::DateTime(DateTime::from_millis(rng.i64(-5..90) * 3_600_000)),
        Kind::Words => Bson::String(word(rng)),
        Kind::Few => Bson::Double([0.5, 1.0, 7.25][rng.usize(..3)]),
        Kind::Mixed => mixed(rng),
    }
}

fn word(rng: &mut fastrand::Rng) -> String {
    let word = ["", "gold", "dust", "a\0b", "é", "river"][rng.usize(..6)];
    word.repeat(if rng.u8(..9) == 0 { 60 } else { rng.usize(..3) })
}

fn mixed(rng: &mut fastrand::Rng) -> Bson {
    let decimals = ["1", "1.0", "0.1", "-0", "NaN", "7E+3", "9007199254740993", "-Infinity"];
    let doubles = [0.0, -0.0, 1.0, -2.5, f64::NAN, f64::INFINITY, 1e300, 7000.0, 0.1];
    match rng.u8(..20) {
        0 => Bson::Null,
        1 => Bson::Undefined,
        2 => Bson::MinKey,
        3 => Bson::MaxKey,
        4 | 5 => Bson::Int32(rng.i32(-3..3)),
        6 => Bson::Int64(rng.i64(-3..3)),
        7 | 8 => Bson::Double(doubles[rng.usize(..doubles.len())]),
        9 | 10 => Bson::Decimal128(decimals[rng.usize(..decimals.len())].parse().unwrap()),
        11 => Bson::String(word(rng)),
        12 => Bson::Symbol(word(rng)),
        13 => Bson::Boolean(rng.bool()),
        14 => Bson::DateTime(DateTime::from_millis(rng.i64(-3..3))),
        15 => Bson::ObjectId(ObjectId::from_bytes([rng.u8(..3); 12])),
        16 => Bson::Document(doc! { "a": rng.i32(0..2), "b": [word(rng)] }),
        17 => Bson::Array(vec![Bson::Int32(rng.i32(0..2))]),
        18 => Bson::Timestamp(Timestamp { time: rng.u32(..2), increment: 1 }),
        _ => {
            let subtype = BinarySubtype::Generic;
            Bson::Binary(Binary { subtype, bytes: vec![rng.u8(..3); rng.usize(..3)] })
        }
    }
}

/// A document with a value at `v`, several, none or null.
fn document(rng: &mut fastrand::Rng, kind: Kind, has_several: bool) -> RawDocumentBuf {
    let document = match rng.u8(..12) {
        0 => doc! { "w": 1 },
        1 if has_several => doc! { "v": [] },
        2..=5 if has_several => {
            doc! { "v": (0..rng.u8(..5)).map(|_| value(rng, kind)).collect::<Vec<_>>() }
        }
        6 if has_several => doc! { "v": null },
        // An array would give its elements.
        _ => match value(rng, kind) {
            Bson::Array(_) => doc! { "v": 1.0 },
            value => doc! { "v": value },
        },
    };
    RawDocumentBuf::try_from(&document).unwrap()
}

fn key(value: RawBsonRef<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    sort_key(value, &mut out).unwrap();
    out
}

fn key_of(value: &Bson) -> Vec<u8> {
    let document = RawDocumentBuf::try_from(&doc! { "v": value.clone() }).unwrap();
    key(document.get("v").unwrap().unwrap())
}

/// The values of a document at `path`, one for each sort key, in document order of the first of each.
fn values(document: &RawDocument, path: &str) -> BTreeMap<Vec<u8>, Bson> {
    let mut values = BTreeMap::new();
    let path = Path::parse(path).unwrap();
    path.each_value(document, &mut |value| {
        values.entry(key(value)).or_insert_with(|| Bson::try_from(value).unwrap());
    })
    .unwrap();
    values
}

/// Documents and their columns `v` and `w`.
struct Collection {
    documents: BTreeMap<DocId, RawDocumentBuf>,
    columns: BTreeMap<(String, u32), Arc<ColumnChunk>>,
}

impl Collection {
    fn new(documents: BTreeMap<DocId, RawDocumentBuf>) -> Self {
        let mut columns: BTreeMap<(String, u32), ColumnChunkBuilder> = BTreeMap::new();
        for path in ["v", "w"] {
            for (doc, document) in &documents {
                let builder = columns.entry((path.to_owned(), doc.chunk())).or_default();
                builder.add(doc.offset(), &Path::parse(path).unwrap(), document).unwrap();
            }
        }
        let built =
            |(at, mut builder): (_, ColumnChunkBuilder)| Some((at, Arc::new(builder.finish()?)));
        Collection { documents, columns: columns.into_iter().filter_map(built).collect() }
    }

    /// Documents with one value at `v`.
    fn of(values: impl Iterator<Item = (DocId, Bson)>) -> Self {
        let wrapped = |(doc, value)| (doc, RawDocumentBuf::try_from(&doc! { "v": value }).unwrap());
        Collection::new(values.map(wrapped).collect())
    }

    /// Documents of some chunks, whose values are of one kind each.
    fn random(rng: &mut fastrand::Rng, round: usize) -> Self {
        let kind = KINDS[round % KINDS.len()];
        let (has_several, other) = (rng.bool(), KINDS[rng.usize(..KINDS.len())]);
        let mut documents = BTreeMap::new();
        for chunk in [0, 1, 7] {
            for _ in 0..[0, 20, 400][rng.usize(..3)] {
                let mut document = document(rng, kind, has_several);
                if rng.bool() {
                    let value = match value(rng, other) {
                        Bson::Array(_) => Bson::Null,
                        value => value,
                    };
                    let mut with: crate::bson::Document = (&*document).try_into().unwrap();
                    with.insert("w", value);
                    document = RawDocumentBuf::try_from(&with).unwrap();
                }
                documents.insert(DocId::from_parts(chunk, rng.u16(..) >> rng.u8(..9)), document);
            }
        }
        Collection::new(documents)
    }

    /// Some of the documents, or all, or documents that are not there.
    fn random_set(&self, rng: &mut fastrand::Rng) -> DocumentSet {
        let share = rng.u8(1..4);
        let mut set: DocumentSet =
            self.documents.keys().filter(|_| rng.u8(..share) == 0).copied().collect();
        for chunk in [1, 2] {
            set.insert(DocId::from_parts(chunk, rng.u16(..)));
        }
        set
    }
}

impl ColumnSource for Collection {
    type Error = Error;

    fn chunk(&self, path: &str, chunk: u32) -> Result<Option<Arc<ColumnChunk>>> {
        Ok(self.columns.get(&(path.to_owned(), chunk)).cloned())
    }
}
