//! Alluvium, through its public face as any program would use it.
//!
//! A collection with one text index of one field, analyzed without a language. It stores the documents, which no rival is
//! asked to; `facts` tells the index from the rest by its keyspaces. A search is opened and planned inside the clock, that
//! is, words are analyzed and looked up; its query was put together before. What the searches of one view find out about the
//! catalog and about words they share, as they do in any program.
//!
//! Compacted, with pairs of frequent words or without, or reordered into a file of its own, a snapshot is asked. In runs, every eighth part is written by an opening of its own, whose closing leaves one
//! run, with compaction held off; a transaction with the last documents stays open, and is asked.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alluvium::collection::{CollectionReader, DEFAULT_TEXT_INDEX};
use alluvium::fts::{FieldStatistics, names};
use alluvium::lsm::{self, FileStorage, ManualScheduler};
use alluvium::{
    AnalyzerOptions, CollectionOptions, Database, Durability, Options, Search, SnapshotCollection,
    TextIndexOptions, Transaction, doc,
};

use super::{Answer, B, Command, Engine, Facts, K1, MEMORY_BYTES, State};
use crate::Result;
use crate::process::disk_bytes;
use crate::search::corpus::Documents;
use crate::search::queries::{Occur, Pattern, Query};

const COLLECTION: &str = "documents";
const FIELD: &str = "text";
/// Documents of a transaction.
const BATCH_LEN: usize = 10_000;
const RUNS: usize = 8;
/// Of so many documents one is pending.
const PENDING_SHARE: usize = 100;
/// Words of which pairs are terms, where some are.
const PAIRED_LEN: usize = 100;

/// What is asked. A database closes when nothing looks at it any more.
enum View {
    Snapshot(SnapshotCollection),
    Transaction(Box<Transaction>),
}

struct Alluvium {
    view: View,
    queries: Vec<alluvium::Query>,
    facts: Facts,
    // Behind the view, which has to end first.
    _database: Database,
}

pub(super) fn build(documents: &Documents, folder: &Path, state: State) -> Result<Box<dyn Engine>> {
    let path = folder.join("search.alv");
    let start = Instant::now();
    let (database, view, tokens) = match state {
        State::Compacted | State::Reordered | State::Paired => compacted(documents, &path, state)?,
        State::Runs => in_runs(documents, &path)?,
    };
    let build = start.elapsed();
    let facts = facts(&database, documents, tokens, build, folder)?;
    Ok(Box::new(Alluvium { view, queries: Vec::new(), facts, _database: database }))
}

/// An open database, what is asked in it, and the tokens in it if they are known.
type Opened = (Database, View, Option<u64>);

fn compacted(documents: &Documents, path: &Path, state: State) -> Result<Opened> {
    let options = Options::new().memory_bytes(MEMORY_BYTES).durability(Durability::Buffered);
    let database = Database::open_with(path, options.clone())?;
    create(&database)?;
    write(&database, documents, 0, documents.len())?;
    if matches!(state, State::Paired) {
        pair(&database)?;
    }
    if matches!(state, State::Reordered) {
        let reordered = path.with_extension("reordered");
        database.reorder_into(&reordered)?;
        database.close()?;
        std::fs::rename(&reordered, path)?;
    } else {
        database.compact()?;
        database.shrink()?;
        database.close()?;
    }
    let tokens = statistics(path)?.total_length;
    let database = Database::open_with(path, options)?;
    let view = View::Snapshot(database.snapshot().collection(COLLECTION)?);
    Ok((database, view, Some(tokens)))
}

fn in_runs(documents: &Documents, path: &Path) -> Result<Opened> {
    let open = || -> Result<Database> {
        let options = lsm::Options {
            memory_bytes: MEMORY_BYTES,
            // Nothing is compacted, neither by threads nor by commits.
            level0_runs_max: 10 * RUNS,
            scheduler: Arc::new(ManualScheduler),
            ..lsm::Options::default()
        };
        Ok(Database::open_storage(FileStorage::open(path)?, options)?)
    };
    let committed = documents.len() - documents.len() / PENDING_SHARE;
    for run in 0..RUNS {
        let database = open()?;
        if run == 0 {
            create(&database)?;
        }
        write(&database, documents, committed * run / RUNS, committed * (run + 1) / RUNS)?;
        database.close()?;
    }
    let database = open()?;
    let text = names::text(COLLECTION, DEFAULT_TEXT_INDEX);
    let stats = database.stats();
    let keyspace = stats.keyspaces.iter().find(|keyspace| keyspace.name == text);
    let runs = keyspace.map_or(0, |keyspace| keyspace.levels.iter().map(|level| level.runs).sum());
    if runs != RUNS {
        return Err(format!("the index has {runs} runs instead of {RUNS}").into());
    }
    let mut transaction = database.begin()?;
    insert(&mut transaction, documents, committed, documents.len())?;
    Ok((database, View::Transaction(Box::new(transaction)), None))
}

fn create(database: &Database) -> Result<()> {
    let options = CollectionOptions::new().text_index(index_options());
    database.create_collection(COLLECTION, &options)?;
    Ok(())
}

fn index_options() -> TextIndexOptions {
    TextIndexOptions::chosen([(FIELD, 1.0)], AnalyzerOptions::default())
}

/// Has the index built anew, with pairs of its most frequent words.
fn pair(database: &Database) -> Result<()> {
    let collection = database.collection(COLLECTION)?;
    let words = collection.frequent_words(None, PAIRED_LEN)?;
    let options = index_options().paired_words(words);
    Ok(collection.rebuild_text_index(DEFAULT_TEXT_INDEX, &options)?)
}

/// Writes documents `start..end`.
fn write(database: &Database, documents: &Documents, start: usize, end: usize) -> Result<()> {
    for from in (start..end).step_by(BATCH_LEN) {
        let mut transaction = database.begin()?;
        insert(&mut transaction, documents, from, end.min(from + BATCH_LEN))?;
        transaction.commit_with(Durability::Buffered)?;
    }
    Ok(())
}

fn insert(
    transaction: &mut Transaction,
    documents: &Documents,
    start: usize,
    end: usize,
) -> Result<()> {
    let mut collection = transaction.collection(COLLECTION)?;
    for number in start..end {
        let id = i64::try_from(number)?;
        collection.insert(doc! { "_id": id, FIELD: documents.get(number) })?;
    }
    Ok(())
}

/// The exact figures of the field, from the closed file.
fn statistics(path: &Path) -> Result<FieldStatistics> {
    let inspector = Database::inspect(path)?;
    let collection = CollectionReader::open(inspector.snapshot(), COLLECTION)?
        .ok_or("the collection is not there")?;
    let reader = collection.text_index(None)?;
    let field = reader.field(FIELD).ok_or("the field is not there")?;
    Ok(reader.statistics(field)?)
}

fn facts(
    database: &Database,
    documents: &Documents,
    tokens: Option<u64>,
    build: Duration,
    folder: &Path,
) -> Result<Facts> {
    let of_index = [names::text, names::norms].map(|name| name(COLLECTION, DEFAULT_TEXT_INDEX));
    let stats = database.stats();
    // One that was built anew has a number behind.
    let is_of_index = |name: &str| of_index.iter().any(|of_index| name.starts_with(of_index));
    let keyspaces = stats.keyspaces.iter().filter(|keyspace| is_of_index(&keyspace.name));
    let levels = keyspaces.flat_map(|keyspace| &keyspace.levels);
    Ok(Facts {
        documents: documents.len() as u64,
        tokens,
        build,
        index_bytes: levels.map(|level| level.bytes).sum(),
        file_bytes: Some(disk_bytes(folder)?),
    })
}

impl Engine for Alluvium {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prepare(&mut self, queries: &[Query]) -> Result<()> {
        self.queries = queries.iter().map(translate).collect();
        Ok(())
    }

    fn ask(&mut self, query: usize, command: Command) -> Result<Option<Answer>> {
        let query = self.queries[query].clone();
        let answer = match &mut self.view {
            View::Snapshot(collection) => answer(collection.search(query)?, command),
            View::Transaction(transaction) => {
                let mut collection = transaction.collection(COLLECTION)?;
                answer(collection.search(query)?, command)
            }
        };
        answer.map(Some)
    }
}

fn answer(search: Search<'_>, command: Command) -> Result<Answer> {
    let search = search.limit(command.limit()).k1(K1).b(B);
    let mut scores = Vec::with_capacity(command.limit());
    let start = Instant::now();
    let count = if command.limit() == 0 {
        Some(search.count()?)
    } else {
        let search = if command.counts() { search.with_total() } else { search };
        let hits = search.run()?;
        let total = hits.total();
        scores.extend(hits.map(|hit| f64::from(hit.score)));
        total
    };
    Ok(Answer { time: start.elapsed(), scores, count })
}

fn translate(query: &Query) -> alluvium::Query {
    match query.pattern() {
        Some(Pattern::Prefix(beginning)) => return alluvium::Query::prefix(beginning),
        Some(Pattern::Wildcard(pattern)) => return alluvium::Query::wildcard(pattern),
        Some(Pattern::Fuzzy(word, distance)) => return alluvium::Query::fuzzy(word, distance),
        None => {}
    }
    let mut all = alluvium::Query::default();
    for clause in &query.clauses {
        let text = clause.words.join(" ");
        let one = if clause.words.len() > 1 {
            alluvium::Query::phrase(text)
        } else {
            alluvium::Query::word(text)
        };
        all = all.with(match clause.occur {
            Occur::Should => one,
            Occur::Must => one.must(),
            Occur::MustNot => one.must_not(),
        });
    }
    all
}
