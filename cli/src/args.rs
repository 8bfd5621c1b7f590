//! The command line: every verb, its arguments, and the help that shows them.
//!
//! `main` parses a [`CommandLine`] and hands the arguments of one verb to its file in `cmd`. Values
//! are checked here, so that verbs meet only values that make sense; what is wrong on the command
//! line ends the process with exit code 2 before anything is opened.

mod eval;
mod feedback;
mod import;
mod watch;

use std::path::PathBuf;

use alluvium::{AnalyzerOptions, Feedback, Language, Position};
use clap::{Args, Parser, Subcommand};

pub(crate) use eval::{EvalArguments, places_of_grid};
use feedback::feedback;
pub(crate) use import::{ExportArguments, ExportFormat, ImportArguments, OnError};
pub(crate) use watch::{Since, WatchArguments};

/// Full-text search over documents in one file.
#[derive(Debug, Parser)]
#[command(name = "alluvium", version, about, propagate_version = true)]
#[command(after_help = "\
Exit codes: 0 done or found, 1 nothing found or something lost, 2 error.
Colours follow NO_COLOR and CLICOLOR_FORCE; nothing but text goes into a pipe.
Start with `alluvium demo`.")]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Demo(DemoArguments),
    Import(ImportArguments),
    Export(ExportArguments),
    Search(SearchArguments),
    Like(LikeArguments),
    Complete(CompleteArguments),
    Suggest(SuggestArguments),
    Analyze(AnalyzeArguments),
    Find(FindArguments),
    Get(GetArguments),
    Watch(WatchArguments),
    Aggregate(AggregateArguments),
    Index(IndexArguments),
    Column(ColumnArguments),
    Reindex(ReindexArguments),
    Eval(EvalArguments),
    Stats(StatsArguments),
    Check(CheckArguments),
    Compact(CompactArguments),
    Shrink(ShrinkArguments),
    Backup(BackupArguments),
    /// Show the runs of every level: their segments, keys, tombstones, bytes and leaf blocks.
    Levels(DeepArguments),
    /// Show every segment: its place, key range and what it holds.
    Segments(DeepArguments),
    Blocks(BlocksArguments),
    Page(PageArguments),
    /// Show the flushes, compactions and moves that the log tells of: those since the last checkpoint.
    Compactions(FileArguments),
    Dump(DumpArguments),
    Repair(RepairArguments),
}

/// Build a database from the bundled articles, search it and measure it.
///
/// The 10,033 opening extracts of Wikipedia's vital articles are imported into one file, and the
/// test collection that comes with them tells how good the ranking is. A file that an earlier demo
/// made is used as it is; any other file is left alone.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// The database file to make.
    #[arg(value_name = "PATH", default_value = "alluvium-demo.alv")]
    pub(crate) database: PathBuf,
    /// Language of stemmer and stop words.
    #[arg(long, value_name = "LANG", default_value = "en", value_parser = language)]
    pub(crate) language: Language,
    #[command(flatten)]
    pub(crate) memory: MemoryArguments,
    /// Print one JSON object: documents, queries, map, ndcg_at_10, p_at_10, recall_at_100, mrr,
    /// file_bytes, reused, and (null for a file that was reused) seconds, documents_per_second,
    /// mb_per_second.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Search a collection.
///
/// Any text is a query: words are alternatives, +word is required, -word excluded, "words side by
/// side" are a phrase, field:word looks into one field, gol* is the beginning of a word, rivr~ a
/// word that may be misspelt, (one two) a group, AND, OR and NOT join. Quote the query for the shell ('+gold
/// "river bed" -silver'), and put -- before one that starts with a minus sign.
#[derive(Debug, Args)]
#[command(after_help = "\
With --json, each hit is an object on a line of its own: rank (counted from --after), score,
corrected (whether it matches only with other words than those typed), position (for --after), id, document, and if the document has text: snippet, path (the field it is from), source and highlights. These last two are
ranges [start, end) in bytes of the stored text: source is where the snippet stands, highlights are
the matches. With --explain there is an explanation: value, what it is, and parts, which are such
objects. Exit code 1 and no line when nothing is found.")]
pub(crate) struct SearchArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// What to search for; several arguments are joined by spaces.
    #[arg(value_name = "QUERY", required_unless_present = "filter")]
    pub(crate) query: Vec<String>,
    /// Leave out documents that this filter does not let through, such as '{"year": {"$gte": 1990}}'; all of them have
    /// to, if there are several. With no query, everything that they let through is found.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Vec<String>,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// The text index; may be left out when the collection has only one, or one named default.
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// Look for words in all fields of the index as if these were one, instead of in each by itself.
    #[arg(long)]
    pub(crate) combine_fields: bool,
    /// Of hits with the same value at this path show the best alone.
    #[arg(long, value_name = "PATH")]
    pub(crate) distinct: Option<String>,
    /// Print only these fields of documents, dotted paths joined by commas; with a - before each all others, as in a,b.c or -a,-b.
    #[arg(long, value_name = "PATHS", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) fields: Vec<String>,
    /// Most hits to show.
    #[arg(long, value_name = "HITS", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Hits to leave out from the start.
    #[arg(long, value_name = "HITS", default_value_t = 0)]
    pub(crate) offset: u32,
    /// Show the hits that follow this position of a hit, as --json prints it: the next page.
    #[arg(long, value_name = "POSITION", value_parser = position)]
    pub(crate) after: Option<Position>,
    #[command(flatten)]
    pub(crate) similar: SimilarArguments,
    /// Show below each hit how its score comes about.
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) ranking: RankingArguments,
    /// Print one JSON object a line for each hit.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Search for documents that are like one.
///
/// The words that tell most about the document are searched, and the document itself is left out: words that stand often in it
/// and in few other documents.
#[derive(Debug, Args)]
pub(crate) struct LikeArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The document's `_id`, as `get` takes it.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: String,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// The text index; may be left out when the collection has only one, or one named default.
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// Leave out documents that this filter does not let through; all of them have to, if there are several.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Vec<String>,
    /// Most words to search.
    #[arg(long, value_name = "WORDS", default_value_t = 25,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) terms: u32,
    /// Most hits to show.
    #[arg(long, value_name = "HITS", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Print one JSON object a line for each hit, as `search` does.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the words that begin as the last word of a text does.
///
/// Words are those of the documents, the most frequent first, each with the number of documents that hold it. Ends with 1 when
/// there is none.
#[derive(Debug, Args)]
pub(crate) struct CompleteArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The text, of which the last word is completed.
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// The text index; may be left out when the collection has only one, or one named default.
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// Only words of this field, one of those that the text index was created with.
    #[arg(long, value_name = "PATH")]
    pub(crate) field: Option<String>,
    /// Most words to show.
    #[arg(long, value_name = "WORDS", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Print one JSON object a line: word, documents, text (with the word in the place of the last one).
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what words a text becomes, step by step.
///
/// Each step shows its tokens with their positions and the bytes of the text that they were made of. The last step is what an index
/// holds. Ends with 1 when nothing is left of the text.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArguments {
    /// The text.
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) text: String,
    /// Language of stemmer and stop words, as code or name (en, english).
    #[arg(long, value_name = "LANG", value_parser = language, conflicts_with = "analyzer")]
    pub(crate) language: Option<Language>,
    /// The analyzer as JSON, or a file of it: {"language": "de", "tokenizer": "whitespace"}.
    #[arg(long, value_name = "JSON|FILE", value_parser = analyzer)]
    pub(crate) analyzer: Option<AnalyzerOptions>,
    /// Analyze the text as that of a query: with synonyms, and without the parts that only documents have.
    #[arg(long)]
    pub(crate) query: bool,
    /// Print one JSON object: fingerprint, and stages (name, and tokens: term, position, start, end); with --query instead of stages
    /// words (terms and alternatives with positions, bytes).
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show the query that was probably meant.
///
/// Words that no document has, or very few beside one that is near it, are corrected, all else stays. Ends with 1 when there is
/// nothing to correct.
#[derive(Debug, Args)]
pub(crate) struct SuggestArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The query; several arguments are joined by spaces.
    #[arg(value_name = "QUERY", required = true)]
    pub(crate) query: Vec<String>,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// The text index; may be left out when the collection has only one, or one named default.
    #[arg(long, value_name = "NAME")]
    pub(crate) index: Option<String>,
    /// Print one JSON object: text, corrections (span [start, end) in bytes of the query, word, correction).
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the documents that a filter lets through.
///
/// One JSON object a line, in the order in which they were last written. Filters are those of MongoDB. Documents are found
/// over the value indexes that `alluvium index` creates, where that costs less than looking at each.
#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The filter, such as '{"year": {"$gte": 1990}, "tags": "gold"}'; {} lets everything through.
    #[arg(value_name = "FILTER")]
    pub(crate) filter: String,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Print only these fields of documents, dotted paths joined by commas; with a - before each all others, as in a,b.c or -a,-b.
    #[arg(long, value_name = "PATHS", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) fields: Vec<String>,
    /// Most documents to print; without it, all.
    #[arg(long, value_name = "DOCUMENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Order by the values at this path, which ends with :desc when great ones come first; repeat it for what is equal.
    #[arg(long, value_name = "PATH")]
    pub(crate) sort: Vec<String>,
    /// Leave out the first documents.
    #[arg(long, value_name = "DOCUMENTS", default_value_t = 0)]
    pub(crate) offset: u32,
    /// Take the way over this value index, whatever it costs.
    #[arg(long, value_name = "INDEX")]
    pub(crate) hint: Option<String>,
    /// Print only how many documents there are.
    #[arg(long, conflicts_with_all = ["limit", "explain"])]
    pub(crate) count: bool,
    /// Print how the documents are found, instead of the documents.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print one JSON object for --count and --explain; documents are JSON in any case.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Count and sum up the documents that a filter lets through.
///
/// Aggregations are terms, histogram, date_histogram, ranges, stats and distinct, written as JSON, for example
/// '{"years": {"histogram": {"path": "year", "interval": 10}}}'.
#[derive(Debug, Args)]
pub(crate) struct AggregateArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// Aggregations by name, as JSON.
    #[arg(value_name = "AGGREGATIONS")]
    pub(crate) aggregations: Option<String>,
    /// Count the documents of each value at this path; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) terms: Vec<String>,
    /// Tell number, bounds, sum and average of the values at this path; may be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) stats: Vec<String>,
    /// Of the documents that this filter lets through.
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Print one JSON object: a result under each name.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List, create and drop columns: the values of a path beside the documents, for sorting and counting.
#[derive(Debug, Args)]
pub(crate) struct ColumnArguments {
    #[command(subcommand)]
    pub(crate) verb: ColumnVerb,
}

/// What is done with columns.
#[derive(Debug, Subcommand)]
pub(crate) enum ColumnVerb {
    /// Show the columns of a collection. Ends with 1 when there are none.
    List(ColumnListArguments),
    /// Create a column and fill it with the documents that are there.
    Create(ColumnChangeArguments),
    /// Drop a column.
    Drop(ColumnChangeArguments),
}

/// How columns are listed.
#[derive(Debug, Args)]
pub(crate) struct ColumnListArguments {
    #[command(flatten)]
    pub(crate) place: CollectionArguments,
    /// Print one JSON object a line: path.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which column is meant.
#[derive(Debug, Args)]
pub(crate) struct ColumnChangeArguments {
    #[command(flatten)]
    pub(crate) place: CollectionArguments,
    /// Dotted path of the values.
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
}

/// List, create and drop value indexes: documents by the values at some paths.
#[derive(Debug, Args)]
pub(crate) struct IndexArguments {
    #[command(subcommand)]
    pub(crate) verb: IndexVerb,
}

/// What is done with value indexes.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexVerb {
    List(IndexListArguments),
    Create(IndexCreateArguments),
    Drop(IndexDropArguments),
}

/// A collection of a file.
#[derive(Debug, Args)]
pub(crate) struct CollectionArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
}

/// Show the value indexes of a collection. Ends with 1 when there are none.
#[derive(Debug, Args)]
pub(crate) struct IndexListArguments {
    #[command(flatten)]
    pub(crate) place: CollectionArguments,
    /// Print one JSON object a line: name, fields, unique, sparse, filter.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Create a value index and fill it with the documents that are there.
#[derive(Debug, Args)]
pub(crate) struct IndexCreateArguments {
    #[command(flatten)]
    pub(crate) place: CollectionArguments,
    /// Name of the index.
    #[arg(value_name = "INDEX")]
    pub(crate) name: String,
    /// Dotted paths whose values make a key, in this order; descending ones end with :desc.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
    /// Refuse documents that have a key which another document has.
    #[arg(long)]
    pub(crate) unique: bool,
    /// Leave out documents that have none of the fields.
    #[arg(long)]
    pub(crate) sparse: bool,
    /// Leave out documents that this filter does not let through.
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
}

/// Drop a value index.
#[derive(Debug, Args)]
pub(crate) struct IndexDropArguments {
    #[command(flatten)]
    pub(crate) place: CollectionArguments,
    /// Name of the index.
    #[arg(value_name = "INDEX")]
    pub(crate) name: String,
}

/// Build a text index anew: in another language, over other paths, or as it is.
///
/// What is not said stays as it is. That helps too when a newer version of this command makes other words
/// of texts, and with an index that is damaged. The old index is there until the new one is whole; what an
/// interrupted run has built is gone on with by the next one that asks for the same.
#[derive(Debug, Args)]
pub(crate) struct ReindexArguments {
    #[command(flatten)]
    pub(crate) place: CollectionArguments,
    /// Name of the index; may be left out when the collection has only one, or for `default`.
    #[arg(value_name = "INDEX")]
    pub(crate) index: Option<String>,
    /// Language of stemmer and stop words, as code or name (en, english); with none, words are indexed as
    /// they are.
    #[arg(long, value_name = "LANG", value_parser = words_of)]
    pub(crate) language: Option<WordsOf>,
    /// The analyzer as JSON, or a file of it: {"language": "de", "diacritics": "fold"}.
    #[arg(long, value_name = "JSON|FILE", value_parser = analyzer, conflicts_with = "language")]
    pub(crate) analyzer: Option<AnalyzerOptions>,
    /// Cover the strings at this path, which weigh so much in scores (title^2); may be repeated. With $**
    /// alone, all strings of a document.
    #[arg(long = "field", value_name = "PATH[^WEIGHT]", value_parser = weighted_path)]
    pub(crate) fields: Vec<(String, f32)>,
    /// Make terms of pairs of the N most frequent words, too: phrases like "to be or not to be" are found many
    /// times faster, and the index is larger. 0 takes them away.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=1000))]
    pub(crate) pairs: Option<u16>,
    /// Build nothing, and drop what an interrupted run has built.
    #[arg(long)]
    pub(crate) cancel: bool,
    /// Print one JSON object: index, documents, seconds, file_bytes; with --cancel nothing.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Of which language words are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordsOf {
    /// Of none in particular.
    None,
    /// Of this one.
    Language(Language),
}

/// Print a document as JSON.
///
/// On a terminal it is laid out over several lines, otherwise it is one line.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The document's `_id`: tried as a string first, then as JSON (7, {"$oid": "…"}), then as the
    /// 24 digits of an object id.
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    pub(crate) id: String,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Print only these fields of documents, dotted paths joined by commas; with a - before each all others, as in a,b.c or -a,-b.
    #[arg(long, value_name = "PATHS", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) fields: Vec<String>,
    /// Print one line on a terminal too.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what a file holds and how it is laid out: collections, keyspaces, pages, log.
///
/// With --deep, every leaf block is read: keys of a leaf and how full leaves are.
#[derive(Debug, Args)]
pub(crate) struct StatsArguments {
    #[command(flatten)]
    pub(crate) file: FileArguments,
    /// Read every leaf block.
    #[arg(long)]
    pub(crate) deep: bool,
}

/// Copy every document of a damaged file that can be read into a new one, and build all indexes anew.
///
/// The damaged file is read and never written. Ends with 0 when everything was recovered, with 1 when
/// something was lost or may have been, which is listed, and with 2 on an error.
#[derive(Debug, Args)]
pub(crate) struct RepairArguments {
    /// The damaged file.
    #[arg(value_name = "SRC")]
    pub(crate) source: PathBuf,
    /// The file to make; it must not exist.
    #[arg(value_name = "DST")]
    pub(crate) target: PathBuf,
    #[command(flatten)]
    pub(crate) memory: MemoryArguments,
    /// Print one JSON object: complete, documents, collections (name, documents, expected), trouble,
    /// losses and rebuilt (keyspace, place, keys, bytes, what), lost_bytes.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A file that a verb looks at without writing to it.
#[derive(Debug, Args)]
pub(crate) struct FileArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// Print JSON: one object, or one a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A file to look at, quickly or thoroughly.
#[derive(Debug, Args)]
pub(crate) struct DeepArguments {
    #[command(flatten)]
    pub(crate) file: FileArguments,
    /// Only this keyspace.
    #[arg(long, value_name = "NAME")]
    pub(crate) keyspace: Option<String>,
    /// Read every leaf block, and show keys of a leaf and how full leaves are.
    #[arg(long)]
    pub(crate) deep: bool,
}

/// Show the leaf blocks of a segment.
#[derive(Debug, Args)]
pub(crate) struct BlocksArguments {
    #[command(flatten)]
    pub(crate) file: FileArguments,
    /// Number of the segment, as `segments` shows it.
    #[arg(value_name = "SEGMENT")]
    pub(crate) segment: u64,
}

/// Show what a page is, and what its bytes mean.
///
/// The kind of the page is found by itself: descriptor, root slot, manifest, log, a segment's leaf blocks, values, index,
/// properties and footer, free. Every structure that has a byte in the page is shown whole. What is damaged is shown with
/// the reason, and ends with 2. A file that cannot be opened at all can be looked at too.
#[derive(Debug, Args)]
pub(crate) struct PageArguments {
    #[command(flatten)]
    pub(crate) file: FileArguments,
    /// Number of the page, from 0.
    #[arg(value_name = "PAGE")]
    pub(crate) page: u64,
    /// Print the page's bytes in hexadecimal instead.
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
}

/// Print the entries of a keyspace, or the whole file's structures byte by byte.
///
/// Entries are those that are alive, in key order, operands applied. Without --keyspace, everything that the file is made
/// of is shown as `page` does it, in the order of the pages.
#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    #[command(flatten)]
    pub(crate) file: FileArguments,
    /// The keyspace whose entries to print, for example notes/docs.
    #[arg(long, value_name = "NAME")]
    pub(crate) keyspace: Option<String>,
    /// Print at most this many entries.
    #[arg(long, value_name = "ENTRIES", requires = "keyspace")]
    pub(crate) limit: Option<u64>,
}

/// Check that a file is sound.
///
/// Prints `ok` and ends with 0 when all is well; prints what is wrong and ends with 2 otherwise.
/// Nothing is repaired. While another process writes, the newest state is checked, and what is said tells
/// how many pages of the file do not belong to it.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// Analyze every document again and compare with the text index.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Print one JSON object: ok, and the report.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Compact a file: everything becomes one run, what is dead goes, and the file is cut.
#[derive(Debug, Args)]
pub(crate) struct CompactArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// Print one JSON object: file_bytes_before, file_bytes.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a file as small as what is in it, without rewriting what is alive.
///
/// What stands at the end of the file moves into holes, and the file is cut. It does by itself most of what this does;
/// `alluvium compact` before it also removes what is dead.
#[derive(Debug, Args)]
pub(crate) struct ShrinkArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// Print one JSON object: file_bytes_before, file_bytes, live_bytes, segments_moved, bytes_moved.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write a minimal copy of a file, ready to be opened.
///
/// The copy is verified, compacted, and has its name only when it is whole and on the disk. A file that is there is
/// never overwritten.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The file to make.
    #[arg(value_name = "TARGET")]
    pub(crate) target: PathBuf,
    /// Write all documents anew, those that share words next to each other: takes as long as importing them and finding that
    /// order, and makes searches faster and the index smaller.
    #[arg(long)]
    pub(crate) reorder: bool,
    /// Print one JSON object: commit, file_bytes, entries, segments_copied, segments_merged,
    /// values_copied; with --reorder collections, documents, file_bytes.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What verbs that build an index have in common.
#[derive(Debug, Args)]
pub(crate) struct MemoryArguments {
    /// Memory for buffers and caches: bytes, or with a unit (64MiB, 1GiB, 500MB).
    #[arg(id = "memory", long = "memory", value_name = "BYTES", default_value = "256MiB",
          value_parser = size)]
    pub(crate) bytes: u64,
}

/// What else words of a search stand for.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct SimilarArguments {
    /// Find misspelt words too: words of 4 to 7 characters may differ in one, longer ones in two. Documents that match as
    /// typed come first.
    #[arg(long)]
    pub(crate) typos: bool,
    /// Take the last word for the beginning of one. Documents that match as typed come first.
    #[arg(long)]
    pub(crate) prefix: bool,
}

/// What verbs that rank have in common.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct RankingArguments {
    /// How soon repetitions of a word stop to count: 0 at once, usually .9 to 2 [default: 1.2].
    #[arg(long, value_name = "NUMBER", value_parser = k1, allow_negative_numbers = true)]
    pub(crate) k1: Option<f32>,
    /// How much long texts are marked down: 0 not at all, 1 fully [default: 0.75].
    #[arg(long, value_name = "NUMBER", value_parser = b, allow_negative_numbers = true)]
    pub(crate) b: Option<f32>,
    /// Search again with the words that the first hits have in common: from how many documents, how many words, and how much
    /// the query's own words count, above 0 and up to 1 [default: 10,20,0.8].
    #[arg(long, value_name = "DOCUMENTS,WORDS,WEIGHT", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = feedback)]
    pub(crate) feedback: Option<Feedback>,
}

fn language(text: &str) -> Result<Language, String> {
    text.parse::<Language>().map_err(|error| error.to_string())
}

/// An analyzer, from JSON or from a file of it.
fn analyzer(text: &str) -> Result<AnalyzerOptions, String> {
    let json = if text.trim_start().starts_with('{') {
        text.to_owned()
    } else {
        std::fs::read_to_string(text).map_err(|error| error.to_string())?
    };
    serde_json::from_str(&json).map_err(|error| error.to_string())
}

fn words_of(text: &str) -> Result<WordsOf, String> {
    if text == "none" { Ok(WordsOf::None) } else { language(text).map(WordsOf::Language) }
}

/// A path, and how much it weighs: 1 unless that is said.
fn weighted_path(text: &str) -> Result<(String, f32), String> {
    let (path, weight) = text.rsplit_once('^').unwrap_or((text, "1"));
    match weight.parse::<f32>() {
        Ok(weight) if weight.is_finite() && weight > 0.0 => Ok((path.to_owned(), weight)),
        _ => Err("expected a number above 0 behind the ^, as in title^2".to_owned()),
    }
}

fn position(text: &str) -> Result<Position, String> {
    text.parse::<Position>().map_err(|error| error.to_string())
}

fn k1(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number from 0 up".to_owned()),
    }
}

fn b(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// A number of bytes, with or without a unit of powers of 1,000 (MB) or 1,024 (MiB, or just M).
fn size(text: &str) -> Result<u64, String> {
    let expected = || "expected bytes, perhaps with a unit, as in 256MiB".to_owned();
    let text = text.trim();
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u64 = digits.parse().map_err(|_| expected())?;
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(expected()),
    };
    number.checked_mul(factor).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn sizes_are_bytes_with_or_without_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("256MiB", 256 << 20),
            ("64 mib", 64 << 20),
            ("1G", 1 << 30),
            ("500MB", 500_000_000),
            ("7b", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "1TiBs", "99999999999999GiB", "é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_weigh_1_unless_something_else_is_said() {
        for (text, path, weight) in [("title", "title", 1.0), ("a.b^2.5", "a.b", 2.5)] {
            assert_eq!(weighted_path(text), Ok((path.to_owned(), weight)));
        }
        for text in ["title^", "title^0", "title^-1", "title^x", "title^inf"] {
            assert!(weighted_path(text).is_err(), "{text}");
        }
        assert_eq!(words_of("none"), Ok(WordsOf::None));
        assert_eq!(words_of("en"), Ok(WordsOf::Language(Language::English)));
        assert!(words_of("tlh").is_err());
    }

    #[test]
    fn ranking_parameters_stay_in_their_range() {
        assert_eq!((k1("0.9"), b("1")), (Ok(0.9), Ok(1.0)));
        for text in ["-0.1", "NaN", "inf", "x", ""] {
            assert!(k1(text).is_err(), "{text}");
            assert!(b(text).is_err(), "{text}");
        }
        assert!(b("1.01").is_err());
    }
}
