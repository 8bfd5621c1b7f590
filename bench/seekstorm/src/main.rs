//! SeekStorm's side of `search`: builds an index and answers queries that the benchmark writes to its standard input.
//!
//! The lines are those of `bench/lucene/SearchDriver.java`, whose header has their grammar; the answer to `queries` is the version.
//! One shard, single words only, BM25 with its own k1 and b, which are 1.2 and 0.75. SeekStorm reads a query as text, inside the clock. It has no words that are
//! optional beside required ones: such queries have no answer. Times are taken here, around the search alone.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, StdinLock, Write, stdin, stdout};
use std::path::Path;
use std::time::{Duration, Instant};

use seekstorm::commit::Commit;
use seekstorm::index::{
    AccessType, Clustering, Document, DocumentCompression, FrequentwordType, IndexArc,
    IndexDocuments, IndexMetaObject, LexicalSimilarity, NgramSet, SchemaField, StemmerType,
    StopwordType, TokenizerType, create_index,
};
use seekstorm::search::{QueryRewriting, QueryType, ResultType, Search, SearchMode};
use seekstorm::vector::Inference;
use tokio::runtime::Runtime;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The name of the only field.
const FIELD: &str = "text";
/// Documents that are handed over at once.
const BATCH_LEN: usize = 1000;
/// Rounds over all queries before any is measured.
const WARM_ROUNDS: usize = 3;
/// Limits of the benchmark's commands, each with whether all that match are counted.
const COMMANDS: [(usize, bool); 5] =
    [(10, false), (100, false), (1000, false), (10, true), (0, true)];
/// The version that `Cargo.toml` asks for.
const VERSION: &str = "4.0.1";

/// A query as SeekStorm has it; nothing where it has none like it.
type Query = Option<(String, QueryType)>;

struct Driver<'i> {
    input: StdinLock<'i>,
    runtime: Runtime,
    index: IndexArc,
    queries: Vec<Query>,
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).ok_or("usage: seekstorm-driver FOLDER")?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build()?;
    let index = runtime.block_on(create(Path::new(&folder)))?;
    let input = stdin().lock();
    Driver { input, runtime, index, queries: Vec::new() }.run()
}

async fn create(folder: &Path) -> Result<IndexArc> {
    let field = serde_json::json!([{ "field": FIELD, "field_type": "Text", "store": false, "index_lexical": true }]);
    let schema: Vec<SchemaField> = serde_json::from_value(field)?;
    let meta = IndexMetaObject {
        id: 0,
        name: "search".to_owned(),
        lexical_similarity: LexicalSimilarity::Bm25f,
        tokenizer: TokenizerType::UnicodeAlphanumeric,
        stemmer: StemmerType::None,
        stop_words: StopwordType::None,
        frequent_words: FrequentwordType::None,
        ngram_indexing: NgramSet::SingleTerm as u8,
        document_compression: DocumentCompression::None,
        access_type: AccessType::Mmap,
        spelling_correction: None,
        query_completion: None,
        clustering: Clustering::None,
        inference: Inference::None,
        segment_number_bits: 11,
    };
    Ok(create_index(folder, meta, &schema, &Vec::new(), true, Some(1)).await?)
}

impl Driver<'_> {
    fn run(mut self) -> Result<()> {
        while let Some(line) = self.line()? {
            let words: Vec<&str> = line.split(' ').collect();
            let answer = match words.as_slice() {
                ["documents", count] => self.index(count.parse()?)?,
                ["queries", count] => self.prepare(count.parse()?)?,
                ["ask", query, limit, counts] => {
                    self.ask(query.parse()?, limit.parse()?, *counts == "1")?
                }
                _ => return Err(format!("unknown: {line}").into()),
            };
            let mut out = stdout().lock();
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
        Ok(())
    }

    /// The next line of the input; nothing at its end.
    fn line(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let read = self.input.read_line(&mut line)?;
        line.truncate(line.trim_end_matches('\n').len());
        Ok((read > 0).then_some(line))
    }

    fn expected_line(&mut self) -> Result<String> {
        Ok(self.line()?.ok_or("the input ends too early")?)
    }

    fn index(&mut self, count: usize) -> Result<String> {
        let mut time = Duration::ZERO;
        let mut left = count;
        while left > 0 {
            let mut batch = Vec::with_capacity(left.min(BATCH_LEN));
            for _ in 0..left.min(BATCH_LEN) {
                let text = self.expected_line()?;
                batch.push(Document::from_iter([(FIELD.to_owned(), text.into())]));
            }
            left -= batch.len();
            let start = Instant::now();
            self.runtime.block_on(self.index.index_documents(batch));
            time += start.elapsed();
        }
        let start = Instant::now();
        self.runtime.block_on(self.index.commit());
        time += start.elapsed();
        Ok(format!("{count} - {}", time.as_nanos()))
    }

    fn prepare(&mut self, count: usize) -> Result<String> {
        for _ in 0..count {
            let query = parse(&self.expected_line()?);
            self.queries.push(query);
        }
        for _ in 0..WARM_ROUNDS {
            for query in 0..count {
                for (limit, counts) in COMMANDS {
                    self.ask(query, limit, counts)?;
                }
            }
        }
        Ok(VERSION.to_owned())
    }

    fn ask(&self, query: usize, limit: usize, counts: bool) -> Result<String> {
        let query = self.queries.get(query).ok_or("there is no such query")?;
        let Some((text, query_type)) = query.clone() else { return Ok("-".to_owned()) };
        let result_type = match (limit, counts) {
            (0, _) => ResultType::Count,
            (_, true) => ResultType::TopkCount,
            (_, false) => ResultType::Topk,
        };
        let start = Instant::now();
        let found = self.runtime.block_on(self.index.search(
            text,
            None,
            query_type,
            SearchMode::Lexical,
            false,
            0,
            limit,
            result_type,
            false,
            Vec::new(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            QueryRewriting::SearchOnly,
        ));
        let mut answer = start.elapsed().as_nanos().to_string();
        let count = if counts { found.result_count_total.to_string() } else { "-".to_owned() };
        write!(answer, " {count}")?;
        for hit in found.results.iter().take(limit) {
            write!(answer, " {}", hit.score)?;
        }
        Ok(answer)
    }
}

/// A line of a query as SeekStorm reads it: a phrase, words that are all optional, or all required.
fn parse(line: &str) -> Query {
    let clauses: Vec<(char, &str)> = line
        .split('\t')
        .filter_map(|clause| Some((clause.chars().next()?, clause.get(1..)?)))
        .collect();
    if let [(_, phrase)] = clauses.as_slice()
        && phrase.contains(' ')
    {
        return Some((format!("\"{phrase}\""), QueryType::Phrase));
    }
    let are_all = |sign| clauses.iter().all(|&(own, words)| own == sign && !words.contains(' '));
    let text = || clauses.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
    if are_all('?') {
        Some((text(), QueryType::Union))
    } else if are_all('+') {
        Some((text(), QueryType::Intersection))
    } else {
        None
    }
}
