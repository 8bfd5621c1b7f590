//! tantivy: an inverted index in Rust, in files that are mapped; Lucene's design and scoring.
//!
//! One thread writes, with the common budget of memory; then everything is merged into one segment. Its simple tokenizer
//! and lower-casing are all of the analysis. k1 and b are fixed in it, at our values. Scores hold a factor k1 + 1 that ours do not.
//! `TOP_10_COUNT` is one search with two collectors.

use std::path::Path;
use std::time::Instant;

use tantivy::collector::{Count, TopDocs};
use tantivy::indexer::NoMergePolicy;
use tantivy::query::{BooleanQuery, FuzzyTermQuery, PhraseQuery, RegexQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{LowerCaser, SimpleTokenizer, TextAnalyzer};
use tantivy::{Index, ReloadPolicy, Searcher, TantivyDocument, Term};

use super::{Answer, Command, Engine, Facts, MEMORY_BYTES, State};
use crate::Result;
use crate::process::disk_bytes;
use crate::search::corpus::Documents;
use crate::search::queries::{Clause, Occur, Pattern, Query};

const TOKENIZER: &str = "words";

struct Tantivy {
    searcher: Searcher,
    field: Field,
    queries: Vec<Box<dyn tantivy::query::Query>>,
    facts: Facts,
}

pub(super) fn build(
    documents: &Documents,
    folder: &Path,
    _state: State,
) -> Result<Box<dyn Engine>> {
    let start = Instant::now();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let mut schema = Schema::builder();
    let field =
        schema.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
    let index = Index::create_in_dir(folder, schema.build())?;
    let words = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    index.tokenizers().register(TOKENIZER, words);
    let mut writer = index.writer_with_num_threads(1, MEMORY_BYTES)?;
    writer.set_merge_policy(Box::new(NoMergePolicy));
    for text in documents.iter() {
        let mut document = TantivyDocument::default();
        document.add_text(field, text);
        writer.add_document(document)?;
    }
    writer.commit()?;
    let segments = index.searchable_segment_ids()?;
    if segments.len() > 1 {
        writer.merge(&segments).wait()?;
    }
    writer.garbage_collect_files().wait()?;
    writer.wait_merging_threads()?;
    let build = start.elapsed();
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let searcher = reader.searcher();
    let [segment] = searcher.segment_readers() else {
        let len = searcher.segment_readers().len();
        return Err(format!("tantivy has {len} segments instead of one").into());
    };
    let facts = Facts {
        documents: searcher.num_docs(),
        tokens: Some(segment.inverted_index(field)?.total_num_tokens()),
        build,
        index_bytes: disk_bytes(folder)?,
        file_bytes: None,
    };
    Ok(Box::new(Tantivy { searcher, field, queries: Vec::new(), facts }))
}

impl Engine for Tantivy {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prepare(&mut self, queries: &[Query]) -> Result<()> {
        let translated = queries.iter().map(|query| translate(self.field, query));
        self.queries = translated.collect::<Result<_>>()?;
        Ok(())
    }

    fn ask(&mut self, query: usize, command: Command) -> Result<Option<Answer>> {
        let query = &self.queries[query];
        let top = TopDocs::with_limit(command.limit().max(1)).order_by_score();
        let start = Instant::now();
        let (best, count) = match command {
            Command::Count => (Vec::new(), Some(query.count(&self.searcher)?)),
            Command::Top10Count => {
                let (best, count) = self.searcher.search(query, &(top, Count))?;
                (best, Some(count))
            }
            Command::Top10 | Command::Top100 | Command::Top1000 => {
                (self.searcher.search(query, &top)?, None)
            }
        };
        let time = start.elapsed();
        let scores = best.into_iter().map(|(score, _)| f64::from(score)).collect();
        Ok(Some(Answer { time, scores, count: count.map(|count| count as u64) }))
    }
}

fn translate(field: Field, query: &Query) -> Result<Box<dyn tantivy::query::Query>> {
    if let Some(pattern) = query.pattern() {
        return Ok(match pattern {
            Pattern::Prefix(beginning) => {
                Box::new(RegexQuery::from_pattern(&format!("{beginning}.*"), field)?)
            }
            Pattern::Wildcard(pattern) => {
                let regex = pattern.replace('?', ".").replace('*', ".*");
                Box::new(RegexQuery::from_pattern(&regex, field)?)
            }
            Pattern::Fuzzy(word, distance) => {
                let term = Term::from_field_text(field, word);
                Box::new(FuzzyTermQuery::new(term, distance, true))
            }
        });
    }
    if let [clause] = query.clauses.as_slice() {
        return Ok(leaf(field, clause));
    }
    let clauses = query.clauses.iter().map(|clause| {
        let occur = match clause.occur {
            Occur::Should => tantivy::query::Occur::Should,
            Occur::Must => tantivy::query::Occur::Must,
            Occur::MustNot => tantivy::query::Occur::MustNot,
        };
        (occur, leaf(field, clause))
    });
    Ok(Box::new(BooleanQuery::new(clauses.collect())))
}

fn leaf(field: Field, clause: &Clause) -> Box<dyn tantivy::query::Query> {
    let mut terms: Vec<Term> =
        clause.words.iter().map(|word| Term::from_field_text(field, word)).collect();
    match terms.pop() {
        Some(term) if terms.is_empty() => {
            Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
        }
        last => {
            terms.extend(last);
            Box::new(PhraseQuery::new(terms))
        }
    }
}
