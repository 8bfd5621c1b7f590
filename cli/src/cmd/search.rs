//! `alluvium search`: the best documents for a query, with the matching words marked.
//!
//! [`find`] asks and collects, [`write_hits`] shows on a terminal; `demo` uses both. Warnings about
//! the query go to standard error, so that standard output holds hits and nothing else.

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use alluvium::bson::{Bson, RawDocument, RawDocumentBuf, to_json};
use alluvium::{Collection, Hit, ParsedQuery, Query, Search};
use serde_json::{Value, json};

use crate::args::{RankingArguments, SearchArguments};
use crate::cmd::Outcome;
use crate::database::{self, id_text};
use crate::error::{At, Error, Result};
use crate::output::{self, FAINT, MATCH, STRONG};

/// Fields that make a good first line of a hit, best first.
const TITLE_FIELDS: [&str; 5] = ["title", "name", "headline", "subject", "label"];

/// Runs the verb.
pub(crate) fn run(arguments: &SearchArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let query = Query::user(&arguments.query.join(" "));
    let started = Instant::now();
    let search = ranked(&collection, query, arguments.ranking, path)?
        .limit(places(arguments.limit))
        .offset(places(arguments.offset));
    for warning in search.warnings() {
        output::warn(warning);
    }
    let mut out = output::open(arguments.json);
    let shown = if arguments.json {
        let hits = found(search, arguments.offset, path)?;
        for hit in &hits {
            output::json_line(&mut out, &hit.to_json(path)?)?;
        }
        hits.len()
    } else {
        let matching = search.count().at(path)?;
        let hits = found(search, arguments.offset, path)?;
        let elapsed = output::time(started.elapsed());
        write_hits(&mut out, &hits)?;
        let matching = output::count(matching);
        writeln!(out, "{FAINT}{} of {matching} matches shown, {elapsed}{FAINT:#}", hits.len())?;
        hits.len()
    };
    out.flush()?;
    Ok(if shown > 0 { Outcome::Done } else { Outcome::NothingFound })
}

/// One hit, ready to be shown.
#[derive(Debug)]
pub(crate) struct Found {
    /// Place in the ranking, from 1.
    rank: u64,
    score: f32,
    id: Bson,
    document: RawDocumentBuf,
    snippet: Option<Marked>,
}

/// A piece of a stored text and the matches in it, both as ranges of bytes in that text.
#[derive(Debug)]
struct Marked {
    path: String,
    text: String,
    source: Range<usize>,
    highlights: Vec<Range<usize>>,
}

/// The best `limit` hits for `query`.
pub(crate) fn find(
    collection: &Collection,
    query: impl Into<ParsedQuery>,
    limit: u32,
    path: &Path,
) -> Result<Vec<Found>> {
    let search = ranked(collection, query, RankingArguments::default(), path)?;
    found(search.limit(places(limit)), 0, path)
}

/// A search with the ranking that was asked for.
pub(crate) fn ranked(
    collection: &Collection,
    query: impl Into<ParsedQuery>,
    ranking: RankingArguments,
    path: &Path,
) -> Result<Search> {
    let mut search = collection.search(query).at(path)?;
    if let Some(k1) = ranking.k1 {
        search = search.k1(k1);
    }
    if let Some(b) = ranking.b {
        search = search.b(b);
    }
    Ok(search)
}

/// `number` of hits as the library counts them.
pub(crate) fn places(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn found(search: Search, offset: u32, path: &Path) -> Result<Vec<Found>> {
    let mut hits = Vec::new();
    let mut rank = u64::from(offset);
    for hit in search {
        rank += 1;
        hits.push(Found::new(&hit.at(path)?, rank).at(path)?);
    }
    Ok(hits)
}

impl Found {
    fn new(hit: &Hit, rank: u64) -> std::result::Result<Self, alluvium::Error> {
        let snippet = hit.best_snippet()?.map(|snippet| Marked {
            path: snippet.path,
            text: snippet.text,
            source: snippet.source,
            highlights: snippet.highlights,
        });
        Ok(Self { rank, score: hit.score, id: hit.id()?, document: hit.document()?, snippet })
    }

    fn to_json(&self, path: &Path) -> Result<Value> {
        let document = to_json(&self.document);
        let document: Value = serde_json::from_str(&document).map_err(|error| {
            let path = path.display();
            Error::Other(format!("{path}: a document cannot be written as JSON: {error}"))
        })?;
        let mut object = json!({
            "rank": self.rank,
            "score": self.score,
            "id": self.id.clone().into_relaxed_extjson(),
            "document": document,
        });
        if let Some(snippet) = &self.snippet {
            let pair = |range: &Range<usize>| [range.start, range.end];
            object["snippet"] = json!(snippet.text);
            object["path"] = json!(snippet.path);
            object["source"] = json!(pair(&snippet.source));
            object["highlights"] = snippet.highlights.iter().map(pair).map(Value::from).collect();
        }
        Ok(object)
    }
}

/// Shows hits as people read them: rank, title and score, then the snippet.
pub(crate) fn write_hits(out: &mut dyn Write, hits: &[Found]) -> Result<()> {
    for hit in hits {
        let id = output::printable(&id_text(hit.id.clone()));
        let title = title(&hit.document).unwrap_or_else(|| id.clone());
        write!(out, "{:>3}. {STRONG}{title}{STRONG:#}", hit.rank)?;
        if title != id {
            write!(out, "  {FAINT}{id}{FAINT:#}")?;
        }
        writeln!(out, "  {FAINT}{:.3}{FAINT:#}", hit.score)?;
        if let Some(snippet) = &hit.snippet {
            writeln!(out, "     {}", snippet.to_terminal())?;
        }
    }
    Ok(())
}

fn title(document: &RawDocument) -> Option<String> {
    let texts = TITLE_FIELDS.iter().filter_map(|field| document.get_str(field).ok());
    let title = output::printable(texts.map(str::trim).find(|text| !text.is_empty())?);
    Some(title)
}

impl Marked {
    /// The text with its matches marked, on one line.
    fn to_terminal(&self) -> String {
        let mut out = String::new();
        let mut at = 0;
        for highlight in &self.highlights {
            let start = highlight.start.saturating_sub(self.source.start);
            let end = highlight.end.saturating_sub(self.source.start);
            // Ranges that do not fit the text are left unmarked rather than trusted.
            if let (Some(before), Some(word)) =
                (self.text.get(at..start), self.text.get(start..end))
            {
                out.push_str(&output::printable(before));
                out.push_str(&format!("{MATCH}{}{MATCH:#}", output::printable(word)));
                at = end;
            }
        }
        out.push_str(&output::printable(self.text.get(at..).unwrap_or_default()));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_marked_where_they_stand_in_the_stored_text() {
        let marked = Marked {
            path: "text".to_owned(),
            text: "the gold\nof rivers".to_owned(),
            source: 100..118,
            highlights: vec![104..108, 112..118, 300..310, 90..95],
        };
        let marks = format!("the {MATCH}gold{MATCH:#} of {MATCH}rivers{MATCH:#}");
        assert_eq!(marked.to_terminal(), marks);
    }
}
