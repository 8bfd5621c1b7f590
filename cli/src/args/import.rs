//! The arguments of `import` and `export`: what documents come from, what becomes of them, and what they go into.
//!
//! [`args`](super) names both among the verbs. Values that `alluvium-sources` understands are read by its own rules.

use std::path::PathBuf;

use alluvium::{AnalyzerOptions, Language};
use alluvium_sources::{ColumnType, Format, Shape, SourceOptions};
use clap::{Args, ValueEnum};

use super::{MemoryArguments, analyzer, language, size};

/// Import documents from a file, a dump or a folder.
///
/// JSON lines, JSON arrays, tables (CSV, TSV), BSON, dumps and archives of mongodump, and folders of text, Markdown and HTML, packed
/// by gzip or not; what it is, its content tells. JSON is extended, so {"$date": …}, {"$oid": …} and {"$numberLong": …} become what
/// they stand for. The database and the collection are made when missing. Batches are transactions
/// that are on the disk before the next one is, so whatever ends an import, the file holds whole
/// batches in order; --resume goes on behind them, and with --id, importing again replaces them.
///
/// First --id takes effect, then --fields, then --map.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The documents: a file or a folder; - reads standard input.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: PathBuf,
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// What the source is, when its content and name do not tell: ndjson, json, csv, tsv, bson, archive, dump, parquet, text.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) table: TableArguments,
    /// The field that identifies a document. It becomes `_id`, and a document replaces an earlier
    /// one of the same `_id`. Without it, documents keep their `_id` or get one, and an `_id` that
    /// is there already makes the record malformed; but files of a folder replace those of the same path.
    #[arg(long, value_name = "FIELD")]
    pub(crate) id: Option<String>,
    /// Keep only the values at these dotted paths, and `_id`.
    #[arg(long, value_name = "PATH,…", value_delimiter = ',')]
    pub(crate) fields: Vec<String>,
    /// Give the field at a dotted path another name or place; may be repeated.
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    pub(crate) map: Vec<(String, String)>,
    /// The collection to import into [default: documents]. Collections of a dump keep their names without it.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Collections of a dump to import, as rivers or atlas.rivers; may be repeated. Without it, all.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Language of stemmer and stop words, as code or name (en, english); without it, words are
    /// indexed as they are. Only for a collection that is made; `reindex` changes it.
    #[arg(long, value_name = "LANG", value_parser = language)]
    pub(crate) language: Option<Language>,
    /// The analyzer as JSON, or a file of it: {"language": "de", "diacritics": "fold"}. Only for a collection that is made; `reindex`
    /// changes it.
    #[arg(long, value_name = "JSON|FILE", value_parser = analyzer, conflicts_with = "language")]
    pub(crate) analyzer: Option<AnalyzerOptions>,
    #[command(flatten)]
    pub(crate) memory: MemoryArguments,
    /// What a malformed record does: stop keeps the batches before it and nothing of its own; skip
    /// leaves it out and names it on standard error; rejects=FILE leaves it out and appends to a file where it stood, why, and
    /// what it was.
    #[arg(long, value_name = "WHAT", value_parser = on_error, default_value = "stop")]
    pub(crate) on_error: OnError,
    /// Index documents and do not store them: searches give scores and _ids. Only for a collection that is made.
    #[arg(long)]
    pub(crate) index_only: bool,
    /// Go on behind the last record of this source that was committed, whatever ended the import; options that say how it is read have
    /// to be the same. Without it, or when nothing was, the source is read from its beginning.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Largest record in the source; larger ones are malformed.
    #[arg(long, value_name = "BYTES", value_parser = size, default_value = "192MiB")]
    pub(crate) record_max: u64,
    /// Most documents in one transaction. Without it, as many as a sixteenth of the memory has room for.
    #[arg(long, value_name = "DOCUMENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: Option<u32>,
    /// Print one JSON object: format, collections, documents, bytes, bytes_read, seconds, documents_per_second,
    /// mb_per_second, skipped, files_left_out, indexes, file_bytes, write_amplification, memory_bytes_max. Meanwhile, unless
    /// standard error is a terminal, two a second at most go there: documents, bytes, seconds, documents_per_second,
    /// mb_per_second, seconds_left, memory_bytes, analyzed, stored, bytes_written.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How text and tables are read.
#[derive(Debug, Args)]
pub(crate) struct TableArguments {
    /// How text is encoded, as in windows-1252 or shift_jis. Without it, text is UTF-8 or what its byte order mark says, and files
    /// of a folder are looked at.
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    pub(crate) encoding: Option<String>,
    /// Names of the columns of a table that has no header.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Take all cells of a table as text. Without it, those become numbers and booleans that read as the very same text.
    #[arg(long)]
    pub(crate) all_text: bool,
    /// What the cells of a column are: text, int, double, bool or date; may be repeated. A row with another cell is malformed.
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = column_type)]
    pub(crate) types: Vec<(String, ColumnType)>,
}

/// What a malformed record does to an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Leave out the record, name it, go on.
    Skip,
    /// Leave out the record, write it to this file, go on.
    Rejects(PathBuf),
    /// Roll its batch back and end.
    Stop,
}

/// Export documents into a file from which `import` makes the very same ones.
///
/// The file appears under its name when it is whole. A name that ends with .gz makes it packed, one with .bson before that BSON.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The database file.
    #[arg(value_name = "DB")]
    pub(crate) database: PathBuf,
    /// The file to write, which is replaced if it is there; - is standard output.
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) target: PathBuf,
    /// The collection; may be left out when the file has only one.
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// What is written: one JSON object a line, or BSON [default: as the name says, else ndjson].
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// Show the type of every number in JSON, as canonical extended JSON does. Without it, that is done where it matters.
    #[arg(long)]
    pub(crate) canonical: bool,
    /// Only documents that this filter lets through.
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Print one JSON object: documents, bytes, seconds, documents_per_second, mb_per_second. Needs a FILE.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What documents are exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// JSON, one object a line.
    Ndjson,
    /// BSON, one document after the other.
    Bson,
}

fn format(text: &str) -> Result<Format, String> {
    text.parse()
}

fn encoding(text: &str) -> Result<String, String> {
    let known = SourceOptions::new().encoding_named(text).map(|_| text.to_owned());
    known.ok_or_else(|| "expected the name of an encoding, as in windows-1252".to_owned())
}

fn on_error(text: &str) -> Result<OnError, String> {
    match (text, text.strip_prefix("rejects=")) {
        ("stop", _) => Ok(OnError::Stop),
        ("skip", _) => Ok(OnError::Skip),
        (_, Some(file)) if !file.is_empty() => Ok(OnError::Rejects(file.into())),
        _ => Err("expected stop, skip or rejects=FILE".to_owned()),
    }
}

fn renaming(text: &str) -> Result<(String, String), String> {
    let (old, new) = text.split_once('=').ok_or("expected OLD=NEW, as in Full Name=title")?;
    // The rules are those of the shape.
    Shape::new().rename(old, new)?;
    Ok((old.to_owned(), new.to_owned()))
}

fn column_type(text: &str) -> Result<(String, ColumnType), String> {
    let named = text.rsplit_once('=').and_then(|(column, name)| {
        let becomes = match name {
            "text" => ColumnType::Text,
            "int" => ColumnType::Int,
            "double" => ColumnType::Double,
            "bool" => ColumnType::Bool,
            "date" => ColumnType::Date,
            _ => return None,
        };
        Some((column.to_owned(), becomes))
    });
    named.ok_or_else(|| {
        "expected COLUMN=TYPE, the type being text, int, double, bool or date".to_owned()
    })
}
