//! tantivy: indexed and fast fields for the same values, merged into one segment.
//!
//! `values` builds it and asks it the same questions as Alluvium. Filters score nothing, so the scores are those of the words alone.

use std::ops::Bound;
use std::path::Path;

use serde_json::json;
use tantivy::aggregation::{AggContextParams, AggregationCollector};
use tantivy::collector::{Count, TopDocs};
use tantivy::indexer::NoMergePolicy;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query, RangeQuery, TermQuery,
};
use tantivy::schema::{FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TEXT};
use tantivy::{Index, Order, ReloadPolicy, Searcher, TantivyDocument, Term};

use super::Engine;
use super::data::{Condition, Question, Record, Wanted};
use crate::Result;

const MEMORY_BYTES: usize = 256 << 20;
/// tantivy leaves the factor k1 + 1 in its scores, which changes no order.
const SCORE_FACTOR: f64 = 2.2;

pub(super) struct Tantivy {
    searcher: Searcher,
    fields: Fields,
}

#[derive(Clone, Copy)]
struct Fields {
    text: Field,
    year: Field,
    tags: Field,
    kind: Field,
    price: Field,
}

pub(super) fn build(
    records: &mut dyn Iterator<Item = Record>,
    folder: &Path,
) -> Result<Box<dyn Engine>> {
    let mut schema = Schema::builder();
    let fields = Fields {
        text: schema.add_text_field("text", TEXT),
        year: schema.add_i64_field("year", INDEXED | FAST),
        tags: schema.add_text_field("tags", STRING | FAST),
        kind: schema.add_text_field("kind", STRING | FAST),
        price: schema.add_f64_field("price", FAST),
    };
    let index = Index::create_in_dir(folder, schema.build())?;
    let mut writer = index.writer_with_num_threads(1, MEMORY_BYTES)?;
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for Record { text, year, tags, kind, price, .. } in records {
        let mut document = TantivyDocument::default();
        document.add_text(fields.text, text);
        document.add_i64(fields.year, year.into());
        for tag in &tags {
            document.add_text(fields.tags, tag);
        }
        document.add_text(fields.kind, kind);
        document.add_f64(fields.price, price);
        writer.add_document(document)?;
    }
    writer.commit()?;
    let segments = index.searchable_segment_ids()?;
    if segments.len() > 1 {
        writer.merge(&segments).wait()?;
    }
    writer.garbage_collect_files().wait()?;
    writer.wait_merging_threads()?;
    let reader: tantivy::IndexReader =
        index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Box::new(Tantivy { searcher: reader.searcher(), fields }))
}

impl Tantivy {
    fn query(&self, condition: &Condition) -> Box<dyn Query> {
        let Fields { text, year, tags, kind, .. } = self.fields;
        let term = |term, option| Box::new(TermQuery::new(term, option)) as Box<dyn Query>;
        let exact =
            |field, word| term(Term::from_field_text(field, word), IndexRecordOption::Basic);
        let mut filters: Vec<Box<dyn Query>> = Vec::new();
        filters.extend(condition.kind.map(|word| exact(kind, word)));
        filters.extend(condition.tag.map(|word| exact(tags, word)));
        filters.extend(condition.years.as_ref().map(|years| {
            let bound = |year_: i32| Term::from_field_i64(year, year_.into());
            let (from, to) =
                (Bound::Included(bound(years.start)), Bound::Excluded(bound(years.end)));
            Box::new(RangeQuery::new(from, to)) as Box<dyn Query>
        }));
        let occur = if condition.is_either { Occur::Should } else { Occur::Must };
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for filter in filters {
            clauses.push((occur, Box::new(ConstScoreQuery::new(filter, 0.0))));
        }
        let words = condition.words.iter().map(|word| {
            let word = Term::from_field_text(text, word);
            (Occur::Should, term(word, IndexRecordOption::WithFreqs))
        });
        if !condition.words.is_empty() {
            clauses.push((Occur::Must, Box::new(BooleanQuery::new(words.collect()))));
        }
        if clauses.is_empty() { Box::new(AllQuery) } else { Box::new(BooleanQuery::new(clauses)) }
    }
}

impl Engine for Tantivy {
    fn ask(&self, Question { condition, wanted, .. }: &Question) -> Result<Vec<f64>> {
        let query = self.query(condition);
        Ok(match wanted {
            Wanted::Count => vec![self.searcher.search(&query, &Count)? as f64],
            Wanted::Best => {
                let best =
                    self.searcher.search(&query, &TopDocs::with_limit(10).order_by_score())?;
                best.into_iter().map(|(score, _)| f64::from(score) / SCORE_FACTOR).collect()
            }
            Wanted::Terms(path) => {
                let asked = json!({ "found": { "terms": { "field": path, "size": 10 } } });
                let collector = AggregationCollector::from_aggs(
                    serde_json::from_value(asked)?,
                    AggContextParams::default(),
                );
                let results = serde_json::to_value(self.searcher.search(&query, &collector)?)?;
                let buckets = results["found"]["buckets"].as_array().cloned().unwrap_or_default();
                buckets.iter().filter_map(|bucket| bucket["doc_count"].as_f64()).collect()
            }
            Wanted::Dearest => {
                let collector =
                    TopDocs::with_limit(10).order_by_fast_field::<f64>("price", Order::Desc);
                let dearest = self.searcher.search(&query, &collector)?;
                dearest.into_iter().filter_map(|(price, _)| price).collect()
            }
        })
    }
}
