//! Test collections: documents, queries and judgements in one folder of one layout.
//!
//! The command line imports a corpus with [`CorpusReader`] and asks the queries of a
//! [`TestCollection`]; tests do the same. Nothing here knows the engine that answers.
//!
//! ```text
//! corpus.jsonl    {"_id": "d1", "title": "…", "text": "…"}   a line; title may be missing
//! queries.jsonl   {"_id": "q1", "text": "…"}                 a line, see `read_queries`
//! qrels.tsv       query TAB document TAB grade               a line, see `Judgements`
//! ```
//! Other members of an object are ignored. Documents are read one by one, so that a corpus may be
//! larger than memory; queries and judgements are held whole.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::judgements::Judgements;
use super::lines::{self, Lines};
use super::queries::{TestQuery, open_queries};

/// What errors say a line of `corpus.jsonl` should be.
const DOCUMENT_SHAPE: &str = r#"{"_id": string, "title": string, "text": string}"#;

/// One line of `corpus.jsonl`.
///
/// ```
/// use alluvium::eval::CorpusDocument;
///
/// let document: CorpusDocument = serde_json::from_str(r#"{"_id": "d1", "text": "Gold."}"#)?;
/// assert_eq!((document.id.as_str(), document.title.as_str()), ("d1", ""));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusDocument {
    /// The identifier that judgements use.
    #[serde(rename = "_id")]
    pub id: String,
    /// The title; empty when the line has none.
    #[serde(default)]
    pub title: String,
    /// The text.
    pub text: String,
}

/// Gives the documents of a `corpus.jsonl` one by one and stops after the first error.
///
/// Whether identifiers repeat is not checked here: that would need them all in memory, and the
/// store that the documents go into refuses a second one anyway.
///
/// ```
/// use alluvium::eval::CorpusReader;
///
/// let text = r#"{"_id": "d1", "title": "Panning", "text": "Gold settles."}"#;
/// for document in CorpusReader::new(text.as_bytes(), "corpus.jsonl") {
///     assert_eq!(document?.title, "Panning");
/// }
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Debug)]
pub struct CorpusReader<R> {
    lines: Lines<R>,
    finished: bool,
}

impl<R: BufRead> CorpusReader<R> {
    /// Reads from `reader`, which may decompress; `path` is only what errors call it.
    pub fn new(reader: R, path: impl Into<PathBuf>) -> Self {
        Self { lines: Lines::new(reader, path), finished: false }
    }
}

impl CorpusReader<BufReader<File>> {
    /// Opens the uncompressed file at `path`.
    ///
    /// ```no_run
    /// use alluvium::eval::CorpusReader;
    ///
    /// let documents = CorpusReader::open("corpora/mine/corpus.jsonl")?.count();
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::new(lines::open(path.as_ref())?, path.as_ref()))
    }
}

impl<R: BufRead> Iterator for CorpusReader<R> {
    type Item = Result<CorpusDocument>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let next = next_document(&mut self.lines);
        self.finished = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// A folder with documents, queries and judgements.
///
/// Queries without judgements are kept, since they may be asked; measures leave them out.
///
/// ```no_run
/// use alluvium::eval::{Measure, Run, TestCollection, evaluate};
/// # fn search(_: &str) -> Vec<(String, f64)> { Vec::new() }
///
/// let collection = TestCollection::open("corpora/mine")?;
/// for document in collection.documents()? {
///     let document = document?;
///     // … index document.title and document.text under document.id
/// }
/// let mut run = Run::new();
/// for query in collection.queries() {
///     run.insert(&query.id, search(&query.text))?;
/// }
/// let evaluation = evaluate(&run, collection.judgements(), &Measure::DEFAULT);
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TestCollection {
    folder: PathBuf,
    queries: Vec<TestQuery>,
    judgements: Judgements,
}

impl TestCollection {
    /// Reads `queries.jsonl` and `qrels.tsv` of a folder; documents are read when asked for.
    ///
    /// # Errors
    /// Besides those of the two files: a judged query that `queries.jsonl` does not have, because
    /// it would count as a query that found nothing.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_path_buf();
        let queries = open_queries(folder.join("queries.jsonl"))?;
        let qrels = folder.join("qrels.tsv");
        let judgements = Judgements::open(&qrels)?;
        let known: HashSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
        if let Some((query, _)) = judgements.iter().find(|(query, _)| !known.contains(query)) {
            return Err(Error::UnknownQuery { path: qrels, query: query.to_owned() });
        }
        Ok(Self { folder, queries, judgements })
    }

    /// Starts reading `corpus.jsonl`.
    ///
    /// # Errors
    /// The file is missing; when `corpus.jsonl.gz` stands in its place, the error says so.
    pub fn documents(&self) -> Result<CorpusReader<BufReader<File>>> {
        let path = self.folder.join("corpus.jsonl");
        let compressed = self.folder.join("corpus.jsonl.gz");
        if !path.exists() && compressed.exists() {
            return Err(Error::CompressedCorpus { path: compressed });
        }
        CorpusReader::open(path)
    }

    /// The folder, as it was given.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The queries in the order of their file.
    pub fn queries(&self) -> &[TestQuery] {
        &self.queries
    }

    /// The judgements.
    pub fn judgements(&self) -> &Judgements {
        &self.judgements
    }
}

fn next_document<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<CorpusDocument>> {
    let Some(line) = lines.next_line()? else {
        return Ok(None);
    };
    let line = line.to_owned();
    let document: CorpusDocument = lines.object(&line, DOCUMENT_SHAPE)?;
    if document.id.is_empty() {
        return Err(lines.malformed("an `_id` of at least one character", "an empty one"));
    }
    Ok(Some(document))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn documents_come_in_file_order_with_or_without_a_title() {
        let text = "{\"_id\":\"2\",\"title\":\"T\",\"text\":\"x\",\"metadata\":{}}\n\n\
                    {\"text\":\"y\",\"_id\":\"1\"}\n";
        let documents: Vec<_> =
            CorpusReader::new(text.as_bytes(), "corpus.jsonl").map(Result::unwrap).collect();
        assert_eq!(documents.len(), 2);
        assert_eq!((documents[0].id.as_str(), documents[0].title.as_str()), ("2", "T"));
        assert_eq!((documents[1].id.as_str(), documents[1].title.as_str()), ("1", ""));
    }

    #[test]
    fn a_corpus_ends_at_its_first_malformed_line() {
        let text = "{\"_id\":\"1\",\"text\":\"x\"}\n{\"_id\":7,\"text\":\"x\"}\n{}\n";
        let mut documents = CorpusReader::new(text.as_bytes(), "corpus.jsonl");
        assert!(documents.next().unwrap().is_ok());
        let error = documents.next().unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with("corpus.jsonl, line 2: expected {\"_id\": string, \"title\": string"),
            "{error}"
        );
        assert!(error.contains("invalid type: integer `7`, expected a string"), "{error}");
        assert!(documents.next().is_none());
    }

    #[test]
    fn a_folder_opens_when_its_three_files_agree() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();

        let missing = TestCollection::open(folder.path()).unwrap_err();
        assert!(missing.to_string().contains("queries.jsonl"), "{missing}");
        assert!(matches!(missing, Error::Io { .. }));

        put("queries.jsonl", "{\"_id\":\"q1\",\"text\":\"gold\"}\n{\"_id\":\"q2\",\"text\":\"x\"}");
        put("qrels.tsv", "q1\td1\t1\n");
        let collection = TestCollection::open(folder.path()).unwrap();
        assert_eq!(collection.queries().len(), 2);
        assert_eq!(collection.judgements().len(), 1);
        assert!(matches!(collection.documents(), Err(Error::Io { .. })));

        put("corpus.jsonl.gz", "");
        let error = collection.documents().unwrap_err();
        assert!(matches!(error, Error::CompressedCorpus { .. }), "{error}");

        put("corpus.jsonl", "{\"_id\":\"d1\",\"text\":\"gold\"}");
        assert_eq!(collection.documents().unwrap().count(), 1);

        put("qrels.tsv", "q1\td1\t1\nq9\td1\t1\n");
        let error = TestCollection::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("query `q9` is judged"), "{error}");
    }
}
