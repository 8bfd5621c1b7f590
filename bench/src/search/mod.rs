//! `search`: full-text engines beside each other on the same documents and queries.
//!
//! [`corpus`] reduces documents to words that all engines take apart alike, [`queries`] reads queries and [`sample`] makes
//! some, every engine of [`engines`] builds its index, [`measure`](mod@measure) asks them in turns while [`agreement`] compares what
//! they answer, and [`table`] shows the times. An engine that answers something else than the others is an error.

mod agreement;
pub(crate) mod corpus;
mod engines;
mod measure;
mod queries;
mod sample;
mod table;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

pub(crate) use self::agreement::Disagreement;
use self::agreement::check_facts;
use self::corpus::Documents;
use self::engines::{B, Index, K1, Rival, State, TANTIVY};
use self::measure::measure;
use self::queries::{Class, Query};
use crate::Result;
use crate::machine::Machine;
use crate::report::{Figure, Line, Report, Unit, show_progress};

/// The corpus of the repository, for a quick run.
pub(crate) const BUNDLED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../corpora/wikipedia-vital-en/corpus.jsonl.gz");

/// Full-text engines side by side.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The documents: a JSON object with `title` and `text` a line, plain or `.gz`.
    #[arg(long, required_unless_present = "quick")]
    corpus: Option<PathBuf>,
    /// The queries, one a line. Default: some that are sampled from the corpus.
    #[arg(long)]
    queries: Option<PathBuf>,
    /// Queries of each class that are sampled. Default: 100, or 8 with --quick.
    #[arg(long, conflicts_with = "queries")]
    per_class: Option<usize>,
    /// Samples what stands for words (prefixes, wildcards, words with a distance) in place of words.
    #[arg(long, conflicts_with = "queries")]
    patterns: bool,
    /// Writes the queries that are asked into this file.
    #[arg(long)]
    write_queries: Option<PathBuf>,
    /// Engines to run, with commas; all of this build by default.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// How often every query is asked; the fastest time counts. Default: 5, or 1 with --quick.
    #[arg(long)]
    passes: Option<usize>,
    /// Reads no more documents than this.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    documents: usize,
    /// What Alluvium is asked in.
    #[arg(long, value_enum, default_value_t = State::Compacted)]
    state: State,
    /// The bundled corpus and few queries, to see that everything works; the figures mean little.
    #[arg(long)]
    quick: bool,
    /// One JSON object a line instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the indexes are made and removed. Default: the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let rivals = engines::chosen(&options.engines, options.quick, show_progress)?;
    let passes = options.passes.unwrap_or(if options.quick { 1 } else { 5 }).max(1);
    let corpus = options.corpus.as_deref().unwrap_or(Path::new(BUNDLED));
    show_progress("reading the corpus");
    let documents = Documents::read(corpus, options.documents)?;
    let queries = queries_of(options, &documents)?;
    if let Some(path) = &options.write_queries {
        queries::write(path, &queries)?;
    }
    let report = Report { json: options.json };
    let setting = Setting { rivals: &rivals, passes, state: options.state };
    head(report, &Machine::of(&folder), &setting, &documents, &queries)?;
    let mut indexes = Vec::new();
    for rival in &rivals {
        show_progress(&format!("building the index of {}", rival.name));
        let mut index = Index::build(rival, &documents, &folder, options.state)?;
        check_facts(rival, index.engine.facts(), &documents)?;
        index.engine.prepare(&queries)?;
        indexes.push(index);
    }
    let names: Vec<&str> = rivals.iter().map(|rival| rival.name).collect();
    let columns: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    report.figures(&index_lines(&indexes, documents.bytes()), &columns)?;
    let times = measure(&mut indexes, &queries, passes, &mut |pass| {
        show_progress(&format!("pass {} of {passes}", pass + 1));
    })?;
    table::show(report, &table::rows(&queries, &times), &names)
}

/// The queries of the file that was named, else some of the corpus.
fn queries_of(options: &Options, documents: &Documents) -> Result<Vec<Query>> {
    if let Some(path) = &options.queries {
        return queries::read(path);
    }
    show_progress("sampling queries");
    let classes = if options.patterns { Class::OF_PATTERNS } else { Class::OF_WORDS };
    sample::sample(
        documents,
        classes,
        options.per_class.unwrap_or(if options.quick { 8 } else { 100 }),
    )
}

/// How it is measured.
struct Setting<'a> {
    rivals: &'a [&'static Rival],
    passes: usize,
    state: State,
}

fn head(
    report: Report,
    machine: &Machine,
    setting: &Setting<'_>,
    documents: &Documents,
    queries: &[Query],
) -> Result<()> {
    let &Setting { rivals, passes, state } = setting;
    let count = |class| queries.iter().filter(|query| query.class == class).count();
    let classes: Vec<(&str, usize)> = Class::ALL
        .iter()
        .map(|&class| (class.name(), count(class)))
        .filter(|of| of.1 > 0)
        .collect();
    let shown = |pairs: Vec<String>| pairs.join(", ");
    let text = format!(
        "{}\n{} documents, {} words, {} · k1 {K1}, b {B} · {} · one thread, fastest of {passes} passes\n\
         queries: {} · Alluvium: {}",
        machine.line(),
        documents.len(),
        documents.words(),
        Unit::Bytes.show(documents.bytes() as f64),
        shown(rivals.iter().map(|rival| format!("{} {}", rival.name, (rival.version)())).collect()),
        shown(classes.iter().map(|(name, count)| format!("{count} {name}")).collect()),
        match state {
            State::Compacted => "one run",
            State::Reordered => "one run, reordered",
            State::Paired => "one run, with pairs of frequent words",
            State::Runs => "eight runs and pending writes",
        },
    );
    let versions: Map<String, Value> =
        rivals.iter().map(|rival| (rival.name.to_owned(), (rival.version)().into())).collect();
    let classes: Map<String, Value> =
        classes.iter().map(|&(name, count)| (name.to_owned(), count.into())).collect();
    let object = json!({
        "bench": "search",
        "machine": machine,
        "documents": documents.len(),
        "words": documents.words(),
        "text_bytes": documents.bytes(),
        "queries": classes,
        "passes": passes,
        "state": state,
        "engines": versions,
    });
    report.head(&text, &object)
}

/// Time to build, and sizes; each with its ratio to tantivy's.
fn index_lines(indexes: &[Index], text_bytes: u64) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in ["build", "index_bytes", "index_to_text", "file_bytes"] {
        let first = lines.len();
        for index in indexes {
            let facts = index.engine.facts();
            let (value, unit) = match row {
                "build" => (Some(facts.build.as_secs_f64()), Unit::Seconds),
                "index_bytes" => (Some(facts.index_bytes as f64), Unit::Bytes),
                "index_to_text" => (Some(facts.index_bytes as f64 / text_bytes as f64), Unit::One),
                _ => (facts.file_bytes.map(|bytes| bytes as f64), Unit::Bytes),
            };
            let Some(value) = value else { continue };
            let (row, engine) = (row.to_owned(), index.rival.name.to_owned());
            lines.push(Line { bench: "search", row, engine, figure: Figure::of(&[value], unit) });
        }
        let added = &mut lines[first..];
        let tantivy = added.iter().find(|line| line.engine == TANTIVY);
        if let Some(tantivy) = tantivy.map(|line| line.figure.value) {
            for line in added {
                line.figure.ratio = Some(line.figure.value / tantivy);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents of frequent and rare words, in an order that repeats none of them.
    fn documents() -> Documents {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut documents = Documents::default();
        for number in 0..2000 {
            let len = 3 + rng.usize(..60);
            let words: Vec<String> =
                (0..len).map(|_| format!("w{}", 600 >> rng.u32(..9))).collect();
            documents.push(&format!("Title r{}", number / 3), &words.join(" "));
        }
        documents
    }

    #[test]
    fn the_engines_of_ci_agree_about_what_stands_for_words() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut documents = Documents::default();
        for _ in 0..2000 {
            let mut word = || -> String { (0..6).map(|_| rng.char('a'..='d')).collect() };
            let words: Vec<String> = (0..8).map(|_| word()).collect();
            documents.push("", &words.join(" "));
        }
        let queries = sample::sample(&documents, Class::OF_PATTERNS, 12).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut indexes = Vec::new();
        for rival in &engines::chosen(&[], true, |_| ()).unwrap() {
            let mut index =
                Index::build(rival, &documents, folder.path(), State::Compacted).unwrap();
            index.engine.prepare(&queries).unwrap();
            indexes.push(index);
        }
        let times = measure(&mut indexes, &queries, 1, &mut |_| ()).unwrap();
        let rows = table::rows(&queries, &times);
        let rows = |name| rows.iter().filter(|row| row.engine == name).count();
        let all = Class::OF_PATTERNS.len() * engines::Command::ALL.len();
        let of_prefixes = engines::Command::ALL.len();
        assert_eq!((rows("alluvium"), rows(TANTIVY), rows("fts5")), (all, all, of_prefixes));
    }

    #[test]
    fn the_engines_of_ci_agree_in_every_state() {
        let documents = documents();
        let queries = sample::sample(&documents, Class::OF_WORDS, 12).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let rivals = engines::chosen(&[], true, |_| ()).unwrap();
        for state in [State::Compacted, State::Reordered, State::Paired, State::Runs] {
            let mut indexes = Vec::new();
            for rival in &rivals {
                let mut index = Index::build(rival, &documents, folder.path(), state).unwrap();
                check_facts(rival, index.engine.facts(), &documents).unwrap();
                index.engine.prepare(&queries).unwrap();
                indexes.push(index);
            }
            let times = measure(&mut indexes, &queries, 2, &mut |_| ()).unwrap();
            let rows = table::rows(&queries, &times).len();
            assert_eq!(rows, rivals.len() * Class::OF_WORDS.len() * engines::Command::ALL.len());
            let lines = index_lines(&indexes, documents.bytes());
            assert!(lines.iter().all(|line| line.figure.value > 0.0));
        }
    }
}
