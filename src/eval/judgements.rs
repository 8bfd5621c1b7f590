//! Relevance judgements: which documents answer which query, and how well.
//!
//! Read from `qrels.tsv` by a [`TestCollection`](super::TestCollection) or alone, and consulted by
//! [`evaluate`](super::evaluate). A grade above 0 says relevant, and is the gain of graded
//! measures; 0 and below say that somebody looked and found the document not relevant. Documents
//! without a judgement count as not relevant.
//!
//! ```text
//! line   := query TAB document TAB grade                       our layout
//!         | query TAB iteration TAB document TAB grade         TREC; the iteration is ignored
//!         | {"query": "q1", "document": "d1", "grade": 2}      JSON lines; no other line then
//! header := a first line whose first field names the query column (`query-id corpus-id score`)
//! ```
//! Without any tab in a line, its fields are separated by white space. The first line tells whether all are JSON.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::Result;
use super::lines::{self, Lines, fields, quote};

/// The lowest grade that binary measures call relevant.
pub(super) const RELEVANT_GRADE_MIN: i32 = 1;

/// What errors say a line of JSON should be.
const JUDGEMENT_SHAPE: &str = r#"{"query": string, "document": string, "grade": whole number}"#;

/// What the query column may be called in a header line.
pub(super) const QUERY_COLUMN_NAMES: [&str; 5] = ["query-id", "query_id", "qid", "query", "topic"];

/// The grades of one query by document identifier.
pub type Grades = BTreeMap<String, i32>;

/// All judgements of a test collection: a grade per query and document.
///
/// ```
/// use alluvium::eval::Judgements;
///
/// let judgements = Judgements::read("q1\td1\t2\nq1\td2\t0\n".as_bytes(), "qrels.tsv")?;
/// assert_eq!(judgements.grade("q1", "d1"), Some(2));
/// assert_eq!(judgements.grade("q1", "d3"), None);
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgements {
    queries: BTreeMap<String, Grades>,
}

impl Judgements {
    /// No judgements yet.
    ///
    /// ```
    /// let mut judgements = alluvium::eval::Judgements::new();
    /// judgements.insert("who discovered penicillin", "Penicillin", 2);
    /// assert_eq!(judgements.len(), 1);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the file at `path`; see [`Judgements::read`].
    ///
    /// ```no_run
    /// let judgements = alluvium::eval::Judgements::open("corpora/mine/qrels.tsv")?;
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(lines::open(path.as_ref())?, path.as_ref())
    }

    /// Reads judgements in columns, three or four, with or without a header line, or as JSON lines.
    ///
    /// `path` is only what errors call the input. The same judgement twice is accepted.
    ///
    /// ```
    /// use alluvium::eval::Judgements;
    ///
    /// let trec = Judgements::read("7 0 d1 1\n".as_bytes(), "trec")?;
    /// let beir = Judgements::read("query-id\tcorpus-id\tscore\n7\td1\t1\n".as_bytes(), "beir")?;
    /// let json = r#"{"query": "7", "document": "d1", "grade": 1}"#;
    /// assert_eq!(trec, beir);
    /// assert_eq!(trec, Judgements::read(json.as_bytes(), "json")?);
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    ///
    /// # Errors
    /// A line with another number of columns or members, an empty identifier, a grade that is not a whole
    /// number of 32 bits, or a second, different grade for the same query and document.
    pub fn read(reader: impl BufRead, path: impl Into<PathBuf>) -> Result<Self> {
        let mut lines = Lines::new(reader, path);
        let mut judgements = Self::new();
        let mut is_json = None;
        while let Some(line) = lines.next_line()? {
            let line = line.to_owned();
            let is_first = is_json.is_none();
            let judgement = if *is_json.get_or_insert_with(|| line.starts_with('{')) {
                lines.object(&line, JUDGEMENT_SHAPE)?
            } else {
                match in_columns(&line, is_first, &lines)? {
                    Some(judgement) => judgement,
                    None => continue,
                }
            };
            judgements.add(judgement, &line, &lines)?;
        }
        Ok(judgements)
    }

    fn add<R: BufRead>(&mut self, found: Judgement, line: &str, lines: &Lines<R>) -> Result<()> {
        let Judgement { query, document, grade } = found;
        if query.is_empty() || document.is_empty() {
            return Err(lines.malformed("a query and a document identifier", quote(line)));
        }
        match self.insert(&query, &document, grade) {
            Some(earlier) if earlier != grade => Err(lines.malformed(
                format!("one grade for query `{query}` and document `{document}`"),
                format!("grade {grade} after grade {earlier}"),
            )),
            _ => Ok(()),
        }
    }

    /// Sets the grade of one document for one query and returns the grade that it replaces.
    pub fn insert(
        &mut self,
        query: impl Into<String>,
        document: impl Into<String>,
        grade: i32,
    ) -> Option<i32> {
        self.queries.entry(query.into()).or_default().insert(document.into(), grade)
    }

    /// The grade of one document for one query, if it was judged.
    pub fn grade(&self, query: &str, document: &str) -> Option<i32> {
        self.grades(query)?.get(document).copied()
    }

    /// All grades of one query, if it has any judgement.
    pub fn grades(&self, query: &str) -> Option<&Grades> {
        self.queries.get(query)
    }

    /// Every judged query with its grades, in the order of the identifiers' bytes.
    ///
    /// ```
    /// # let judgements =
    /// #     alluvium::eval::Judgements::read("b x 1\na x 0\n".as_bytes(), "qrels.tsv")?;
    /// let relevant = judgements.iter().filter(|(_, grades)| grades.values().any(|&g| g > 0));
    /// assert_eq!(relevant.map(|(query, _)| query).collect::<Vec<_>>(), ["b"]);
    /// # Ok::<(), alluvium::eval::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Grades)> {
        self.queries.iter().map(|(query, grades)| (query.as_str(), grades))
    }

    /// The number of judged queries, those without a relevant document included.
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether no query is judged.
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }
}

/// One line of a file.
#[derive(Deserialize)]
struct Judgement {
    query: String,
    document: String,
    grade: i32,
}

/// The judgement in the columns of a line; `None` for a header.
fn in_columns<R: BufRead>(
    line: &str,
    is_first: bool,
    lines: &Lines<R>,
) -> Result<Option<Judgement>> {
    let fields = fields(line);
    let (query, document, grade) = match fields.as_slice() {
        [query, document, grade] | [query, _, document, grade] => (*query, *document, grade.trim()),
        _ => {
            return Err(lines.malformed(
                "3 columns (query, document, grade) or 4 (query, iteration, document, grade)",
                format!("{} in {}", fields.len(), quote(line)),
            ));
        }
    };
    match grade.parse() {
        Ok(grade) => {
            Ok(Some(Judgement { query: query.to_owned(), document: document.to_owned(), grade }))
        }
        Err(_) if is_first && QUERY_COLUMN_NAMES.contains(&query) => Ok(None),
        Err(_) => Err(lines.malformed("a whole number as the grade", quote(grade))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Judgements> {
        Judgements::read(text.as_bytes(), "qrels.tsv")
    }

    fn message(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn all_accepted_forms_say_the_same() {
        let ours = read("q 1\td 1\t2\nq 1\td2\t-1\n").unwrap();
        assert_eq!(ours, read("query-id\tcorpus-id\tscore\nq 1\td 1\t2\nq 1\td2\t-1").unwrap());
        assert_eq!(ours, read("q 1\t0\td 1\t2\r\n\r\nq 1\t0\td2\t-1\r\n").unwrap());
        assert_eq!(ours, read("q 1\td 1\t2\nq 1\td2\t-1\nq 1\td 1\t2\n").unwrap());
        let json = "{\"query\":\"q 1\",\"document\":\"d 1\",\"grade\":2}\n\n\
                    {\"grade\":-1,\"query\":\"q 1\",\"document\":\"d2\",\"judge\":\"A\"}\n";
        assert_eq!(ours, read(json).unwrap());
        assert_eq!(ours.grade("q 1", "d 1"), Some(2));
        assert_eq!(ours.grade("q 1", "d2"), Some(-1));
        assert_eq!(ours.grade("q", "d2"), None);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn a_malformed_line_is_named_with_what_was_expected() {
        assert_eq!(
            message("q\td\t1\nq\td\n"),
            "qrels.tsv, line 2: expected 3 columns (query, document, grade) or 4 (query, \
             iteration, document, grade), found 2 in `q\td`"
        );
        assert!(message("a b c d 1").contains("found 5 in"));
        assert!(message("q\td\t1.5").contains("a whole number as the grade, found `1.5`"));
        assert!(message("q\td\t99999999999").contains("line 1: expected a whole number"));
        assert!(message("\td\t1").contains("a query and a document identifier"));
        assert!(message("q\t\t1").contains("a query and a document identifier"));
        assert_eq!(
            message("q\td\t1\n\nq\td\t2"),
            "qrels.tsv, line 3: expected one grade for query `q` and document `d`, found grade 2 \
             after grade 1"
        );
    }

    #[test]
    fn malformed_lines_of_json_are_named_too() {
        let first = "{\"query\":\"q\",\"document\":\"d\",\"grade\":1}\n";
        let shape = "line 2: expected {\"query\": string, \"document\": string, \"grade\"";
        for second in ["q\td\t1", "{\"query\":\"q\",\"document\":\"d\"}", "{\"query\":\"q\"", "[]"]
        {
            assert!(message(&format!("{first}{second}")).contains(shape), "{second}");
        }
        let empty = "{\"query\":\"\",\"document\":\"d\",\"grade\":1}";
        assert!(message(empty).contains("a query and a document identifier"));
        let other = first.replace('1', "2");
        assert!(message(&format!("{first}{other}")).contains("found grade 2 after grade 1"));
    }

    #[test]
    fn a_header_is_accepted_on_the_first_line_only_and_only_under_known_names() {
        assert!(message("q\td\t1\nquery-id\tcorpus-id\tscore").contains("line 2"));
        assert!(message("q\td\tone").contains("found `one`"));
        assert_eq!(read("query 0 d 1").unwrap().grade("query", "d"), Some(1));
    }
}
