//! The queries of a test collection: JSON lines, a table, or topics as TREC writes them.
//!
//! Read alone or by a [`TestCollection`](super::TestCollection); whoever asks them gives the answers to a
//! [`Run`](super::Run). The first line tells the form of the file:
//!
//! ```text
//! {"_id": "q1", "text": "…"}     JSON lines; other members are ignored
//! q1 TAB text                    a table; a first line such as `query-id TAB text` is a header
//! <top>                          topics: <num> and <title> of each, up to </top>
//! ```
//! Topics may close their parts or not (`<title> Airport security` up to the next tag), spread them over lines, and write
//! `Number:` and `Topic:` before them; tags of other parts are passed over with their text. The five entities of XML
//! stand for their signs.
//!
//! Invariants: an identifier is not empty and stands once. All queries are held in memory, one line beside them.

use std::collections::HashSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::judgements::QUERY_COLUMN_NAMES;
use super::lines::{self, Lines, quote};

/// What errors say a line of JSON should be.
const QUERY_SHAPE: &str = r#"{"_id": string, "text": string}"#;
/// What the text column may be called in a header line.
const TEXT_COLUMN_NAMES: [&str; 3] = ["text", "query", "title"];

/// One query: a line of `queries.jsonl`.
///
/// ```
/// use alluvium::eval::TestQuery;
///
/// let query: TestQuery = serde_json::from_str(r#"{"_id": "q1", "text": "river gold"}"#)?;
/// assert_eq!(query.text, "river gold");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestQuery {
    /// The identifier that judgements and runs use.
    #[serde(rename = "_id")]
    pub id: String,
    /// What a person would type.
    pub text: String,
}

/// Reads a query file; `path` is only what errors call the input.
///
/// ```
/// use alluvium::eval::read_queries;
///
/// let json = r#"{"_id": "7", "text": "largest moon of saturn"}"#;
/// let table = "7\tlargest moon of saturn";
/// let trec = "<top>\n<num> Number: 7\n<title> largest moon\nof saturn\n<desc> …\n</top>";
/// let queries = read_queries(json.as_bytes(), "queries.jsonl")?;
/// assert_eq!(queries.len(), 1);
/// assert_eq!(queries, read_queries(table.as_bytes(), "queries.tsv")?);
/// assert_eq!(queries, read_queries(trec.as_bytes(), "topics.txt")?);
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
///
/// # Errors
/// A line that is not of the form of the first, an identifier that is empty or used twice, a topic without number, title or
/// end.
pub fn read_queries(reader: impl BufRead, path: impl Into<PathBuf>) -> Result<Vec<TestQuery>> {
    let mut lines = Lines::new(reader, path);
    let mut read = Queries::default();
    let mut form = None;
    while let Some(line) = lines.next_line()? {
        let line = line.to_owned();
        match form.get_or_insert_with(|| Form::of(&line)) {
            Form::Json => read.add(lines.object(&line, QUERY_SHAPE)?, &lines)?,
            Form::Table { may_be_header } => {
                if let Some(query) = in_columns(&line, std::mem::take(may_be_header), &lines)? {
                    read.add(query, &lines)?;
                }
            }
            Form::Topics(topics) => {
                for query in topics.line(&line, &lines)? {
                    read.add(query, &lines)?;
                }
            }
        }
    }
    match form {
        Some(Form::Topics(Topics { topic: Some(_), .. })) => {
            Err(lines.malformed("</top> behind the last topic", "the end of the file"))
        }
        _ => Ok(read.queries),
    }
}

/// Reads the query file at `path`; see [`read_queries`].
///
/// ```no_run
/// let queries = alluvium::eval::open_queries("corpora/mine/queries.jsonl")?;
/// # Ok::<(), alluvium::eval::Error>(())
/// ```
pub fn open_queries(path: impl AsRef<Path>) -> Result<Vec<TestQuery>> {
    read_queries(lines::open(path.as_ref())?, path.as_ref())
}

/// What was read so far.
#[derive(Default)]
struct Queries {
    queries: Vec<TestQuery>,
    seen: HashSet<String>,
}

impl Queries {
    fn add<R: BufRead>(&mut self, query: TestQuery, lines: &Lines<R>) -> Result<()> {
        if query.id.is_empty() {
            return Err(lines.malformed("an `_id` of at least one character", "an empty one"));
        }
        if !self.seen.insert(query.id.clone()) {
            let found = format!("{} a second time", quote(&query.id));
            return Err(lines.malformed("an `_id` of its own for each query", found));
        }
        self.queries.push(query);
        Ok(())
    }
}

/// How the file writes queries.
enum Form {
    Json,
    Table { may_be_header: bool },
    Topics(Topics),
}

impl Form {
    fn of(first_line: &str) -> Self {
        match first_line.trim_start().chars().next() {
            Some('<') => Self::Topics(Topics::default()),
            // A line without a tab is no table; what is wrong with it is then told as for JSON.
            _ if first_line.contains('\t') && !first_line.starts_with('{') => {
                Self::Table { may_be_header: true }
            }
            _ => Self::Json,
        }
    }
}

/// The query in the columns of a line; `None` for a header.
fn in_columns<R: BufRead>(
    line: &str,
    may_be_header: bool,
    lines: &Lines<R>,
) -> Result<Option<TestQuery>> {
    match line.split('\t').collect::<Vec<_>>().as_slice() {
        [id, text] => {
            let is_header = may_be_header
                && (QUERY_COLUMN_NAMES.contains(id) || ["_id", "id"].contains(id))
                && TEXT_COLUMN_NAMES.contains(text);
            let query = || TestQuery { id: (*id).to_owned(), text: (*text).to_owned() };
            Ok((!is_header).then(query))
        }
        fields => Err(lines.malformed(
            "2 columns (query, text) with a tab between them",
            format!("{} in {}", fields.len(), quote(line)),
        )),
    }
}

/// The walk through a file of topics.
#[derive(Default)]
struct Topics {
    /// The topic that is open.
    topic: Option<Topic>,
    part: Part,
}

#[derive(Default)]
struct Topic {
    number: String,
    title: String,
}

/// Where text belongs.
#[derive(Clone, Copy, Default)]
enum Part {
    Number,
    Title,
    #[default]
    Other,
}

impl Topics {
    /// Takes in one line and gives the topics that end in it.
    fn line<R: BufRead>(&mut self, line: &str, lines: &Lines<R>) -> Result<Vec<TestQuery>> {
        let mut ended = Vec::new();
        let mut rest = line;
        while let Some((text, tag, behind)) = next_tag(rest) {
            self.text(text);
            rest = behind;
            self.part = match tag.to_ascii_lowercase().as_str() {
                "top" if self.topic.is_some() => {
                    return Err(lines.malformed("</top> before the next topic", quote(line)));
                }
                "top" => {
                    self.topic = Some(Topic::default());
                    Part::Other
                }
                "/top" => {
                    let topic = self.topic.take();
                    let query = topic.and_then(Topic::query).ok_or_else(|| {
                        lines.malformed("<num> and <title> between <top> and </top>", quote(line))
                    })?;
                    ended.push(query);
                    Part::Other
                }
                "num" => Part::Number,
                "title" => Part::Title,
                _ => Part::Other,
            };
        }
        self.text(rest);
        // The end of a line parts words.
        self.text(" ");
        Ok(ended)
    }

    fn text(&mut self, text: &str) {
        match (&mut self.topic, self.part) {
            (Some(topic), Part::Number) => topic.number.push_str(text),
            (Some(topic), Part::Title) => topic.title.push_str(text),
            _ => {}
        }
    }
}

impl Topic {
    /// `None` without number or title.
    fn query(self) -> Option<TestQuery> {
        let id = content(&self.number, "number:");
        let text = content(&self.title, "topic:");
        (!id.is_empty() && !text.is_empty()).then_some(TestQuery { id, text })
    }
}

/// The text before the next tag, the tag's name with its slash, and what stands behind it.
fn next_tag(line: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let close = from + line.get(from..)?.find('>')?;
        let open = line.get(from..close)?.rfind('<').map(|open| from + open);
        let inside = open.and_then(|open| line.get(open + 1..close)).unwrap_or_default();
        let name = inside.split_whitespace().next().unwrap_or_default();
        let letters = name.strip_prefix('/').unwrap_or(name);
        if letters.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Some((line.get(..open?)?, name, line.get(close + 1..)?));
        }
        from = close + 1;
    }
}

/// What a part of a topic says: words with single spaces, without the label before them, entities as their signs.
fn content(text: &str, label: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let head = text.get(..label.len()).unwrap_or_default();
    let text = match text.get(label.len()..) {
        Some(behind) if head.eq_ignore_ascii_case(label) => behind.trim_start(),
        _ => &text,
    };
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    signs.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let queries = read_queries(text.as_bytes(), "queries").unwrap();
        queries.into_iter().map(|query| (query.id, query.text)).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect()
    }

    fn message(text: &str) -> String {
        read_queries(text.as_bytes(), "queries").unwrap_err().to_string()
    }

    #[test]
    fn malformed_lines_of_json_are_named() {
        assert!(message("{\"_id\":\"1\"}").contains("line 1: expected {\"_id\": string"));
        assert!(message("{\"_id\":\"1\"}").contains("missing field `text`"));
        assert!(message("\n[1]").contains("line 2"));
        assert!(message("who discovered penicillin").contains("line 1: expected {\"_id\": string"));
        assert!(message("{\"_id\":\"\",\"text\":\"x\"}").contains("an empty one"));
        assert!(
            message("{\"_id\":\"1\",\"text\":\"x\"}\n{\"_id\":\"1\",\"text\":\"y\"}").contains(
                "line 2: expected an `_id` of its own for each query, found `1` a second"
            )
        );
        assert!(message("{\"_id\":\"1\",\"text\":\"cut").contains("EOF"));
    }

    #[test]
    fn a_table_has_two_columns_and_perhaps_a_header() {
        let expected = pairs(&[("1", "river  gold"), ("2", "text")]);
        assert_eq!(read("1\triver  gold\r\n\n2\ttext\n"), expected);
        assert_eq!(read("query-id\ttext\n1\triver  gold\n2\ttext\n"), expected);
        assert_eq!(read("_id\tquery\n1\triver  gold\n2\ttext"), expected);
        assert_eq!(read("1\tx\nid\ttext\n"), pairs(&[("1", "x"), ("id", "text")]));
        assert!(message("1\tx\n2\tx\ty").contains("line 2: expected 2 columns"));
        assert!(message("1\tx\n2 x").contains("found 1 in `2 x`"));
        assert!(message("1\tx\n1\ty").contains("line 2: expected an `_id` of its own"));
        assert!(message("\tx").contains("an empty one"));
    }

    #[test]
    fn topics_of_trec_close_their_parts_or_not() {
        let old = "<top>\n\n<num> Number: 301 \n<title> Topic:  International \nOrganized\tCrime \n\n\
                   <desc> Description: \nIdentify <b>organizations</b>.\n\n<narr> Narrative: \nNo.\n\n</top>\n\n\
                   <top>\n<num> Number: 302\n<title> a < b &amp; c &lt;d&gt;\n</top>\n";
        let expected = pairs(&[("301", "International Organized Crime"), ("302", "a < b & c <d>")]);
        assert_eq!(read(old), expected);
        let closed = "<?xml version='1.0'?>\n<xml><TOP><num>301</num> x <title>International Organized Crime</title>y</TOP><top>\
                      <num>302</num><title lang='en'>a < b &amp; c &lt;d&gt;</title></top></xml>";
        assert_eq!(read(closed), expected);
    }

    #[test]
    fn topics_without_number_title_or_end_are_named() {
        for (text, expected) in [
            ("<top>\n<num> 1\n</top>", "line 3: expected <num> and <title>"),
            ("<top>\n<title> x\n</top>", "line 3: expected <num> and <title>"),
            ("<top>\n<num> 1\n<title> x\n", "line 3: expected </top> behind the last topic"),
            ("<top><num>1<title>x\n<top>", "line 2: expected </top> before the next topic"),
            ("</top>", "line 1: expected <num> and <title>"),
            ("<top><num>1<title>x</top>\n<top><num>1<title>y</top>", "line 2: expected an `_id`"),
        ] {
            assert!(message(text).contains(expected), "{text}: {}", message(text));
        }
        assert!(read("<html>\n").is_empty());
    }
}
