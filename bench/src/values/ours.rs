//! Alluvium: a text index over the text, value indexes over what is filtered by, columns of what is sorted and counted by.
//!
//! `values` builds it and asks it; all goes through the library's facade, in one snapshot, as a program would.

use std::path::Path;

use alluvium::bson::{Direction, Document};
use alluvium::{
    Aggregation, AnalyzerOptions, CollectionOptions, Database, Options, Query, SnapshotCollection,
    SortKey, TextIndexOptions, ValueIndexOptions, doc,
};

use super::Engine;
use super::data::{Condition, Question, Record, Wanted};
use crate::Result;
use crate::engines::MEMORY_BYTES;

/// Documents of one transaction.
const BATCH_LEN: usize = 50_000;

pub(super) struct Alluvium {
    things: SnapshotCollection,
    // Behind what reads it.
    _database: Database,
}

pub(super) fn build(
    records: &mut dyn Iterator<Item = Record>,
    folder: &Path,
) -> Result<Box<dyn Engine>> {
    let options = Options::new().memory_bytes(MEMORY_BYTES as usize);
    let db = Database::open_with(folder.join("values.alv"), options)?;
    let text = TextIndexOptions::chosen([("text", 1.0)], AnalyzerOptions::default());
    let things = db.create_collection("things", &CollectionOptions::new().text_index(text))?;
    let compound = [("kind", Direction::Ascending), ("year", Direction::Ascending)];
    for (name, options) in [
        ("year", ValueIndexOptions::ascending("year")),
        ("tags", ValueIndexOptions::ascending("tags")),
        ("kind_year", ValueIndexOptions::new(compound)),
    ] {
        things.create_value_index(name, &options)?;
    }
    for path in ["year", "tags", "kind", "price"] {
        things.create_column(path)?;
    }
    loop {
        let batch: Vec<Document> = (&mut *records).take(BATCH_LEN).map(document).collect();
        if batch.is_empty() {
            break;
        }
        things.insert_many(batch)?;
    }
    db.compact()?;
    let things = db.snapshot().collection("things")?;
    Ok(Box::new(Alluvium { things, _database: db }))
}

fn document(record: Record) -> Document {
    let Record { id, text, year, tags, kind, price } = record;
    doc! { "_id": id, "text": text, "year": year, "tags": tags, "kind": kind, "price": price }
}

fn filter(condition: &Condition) -> Document {
    let mut filter = Document::new();
    if let Some(kind) = condition.kind {
        filter.insert("kind", kind);
    }
    if let Some(years) = &condition.years {
        filter.insert("year", doc! { "$gte": years.start, "$lt": years.end });
    }
    if let Some(tag) = condition.tag {
        filter.insert("tags", tag);
    }
    if condition.is_either {
        let either: Vec<Document> =
            filter.into_iter().map(|(path, wanted)| doc! { path: wanted }).collect();
        filter = doc! { "$or": either };
    }
    filter
}

impl Engine for Alluvium {
    fn ask(&self, Question { condition, wanted, .. }: &Question) -> Result<Vec<f64>> {
        let filter = filter(condition);
        if condition.words.is_empty() {
            let found = self.things.find(&filter)?;
            return Ok(match wanted {
                Wanted::Count | Wanted::Best => vec![found.count()? as f64],
                Wanted::Terms(path) => counts(&found.aggregate([("", Aggregation::terms(*path))])?),
                Wanted::Dearest => {
                    let dearest = found.sort_by([SortKey::descending("price")]).limit(10).run()?;
                    dearest.map(|found| Ok(found?.get_f64("price")?)).collect::<Result<_>>()?
                }
            });
        }
        let words = condition.words.iter().map(|word| Query::word(*word));
        let words = words.reduce(Query::with).unwrap_or_default();
        let mut search = self.things.search(words)?;
        if !filter.is_empty() {
            search = search.filter(&filter)?;
        }
        Ok(match wanted {
            Wanted::Count => vec![search.count()? as f64],
            Wanted::Best => search.run()?.map(|hit| hit.score.into()).collect(),
            Wanted::Terms(path) => counts(&search.aggregate([("", Aggregation::terms(*path))])?),
            Wanted::Dearest => {
                let dearest = search.sort_by([SortKey::descending("price")]).run()?;
                dearest.map(|hit| Ok(hit.document()?.get_f64("price")?)).collect::<Result<_>>()?
            }
        })
    }
}

/// Documents of each bucket.
fn counts(results: &alluvium::AggregationResults) -> Vec<f64> {
    let buckets = results[""].buckets().unwrap_or_default().iter();
    buckets.map(|bucket| bucket.count as f64).collect()
}
