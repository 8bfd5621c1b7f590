//! `alluvium search`: the best documents for a query, with the matching words marked.
//!
//! [`find`] asks and collects, [`write_hits`] shows on a terminal; `demo` uses both. Warnings about
//! the query go to standard error, so that standard output holds hits and nothing else.

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use alluvium::bson::{Bson, RawDocument, RawDocumentBuf, to_json};
use alluvium::{
    Explanation, Hit, Hits, ParsedQuery, Position, Query, Search, SnapshotCollection, Snippet,
    UserOptions,
};
use serde_json::{Value, json};

use crate::args::{RankingArguments, SearchArguments, SimilarArguments};
use crate::cmd::Outcome;
use crate::cmd::find::{parse_filter, projection};
use crate::database::{self, id_text};
use crate::error::{At, Error, Result};
use crate::output::{self, FAINT, MATCH, STRONG};

/// Fields that make a good first line of a hit, best first.
const TITLE_FIELDS: [&str; 5] = ["title", "name", "headline", "subject", "label"];

/// Runs the verb.
pub(crate) fn run(arguments: &SearchArguments) -> Result<Outcome> {
    let path = arguments.database.as_path();
    let db = database::open_reader(path)?;
    let collection = database::collection(&db, path, arguments.collection.as_deref())?;
    let SimilarArguments { typos, prefix } = arguments.similar;
    let options = UserOptions::new().typos(typos).prefix(prefix);
    let text = arguments.query.join(" ");
    let query = Query::user_with(&text, options);
    let started = Instant::now();
    let search = ranked(&collection, query, arguments.ranking, path)?
        .limit(places(arguments.limit))
        .offset(places(arguments.offset));
    let search = match arguments.after {
        Some(position) => search.after(position),
        None => search,
    };
    let search = chosen(search, arguments, path)?;
    let mut filters = arguments.filter.iter();
    let search =
        filters.try_fold(search, |search, filter| search.filter(parse_filter(filter)?).at(path))?;
    // Only people want to know how many there are.
    let search = if arguments.json { search } else { search.with_total() };
    let hits = search.run().at(path)?;
    let matching = hits.total().unwrap_or_default();
    for warning in hits.warnings() {
        output::warn(warning);
    }
    let hits = Found::all(hits, arguments.offset, arguments.explain, path)?;
    let elapsed = started.elapsed();

    let mut out = output::open(arguments.json);
    if arguments.json {
        for hit in &hits {
            output::json_line(&mut out, &hit.to_json(path)?)?;
        }
    } else {
        write_hits(&mut out, &hits)?;
        write_count(&mut out, hits.len(), matching, elapsed)?;
    }
    out.flush()?;
    if !hits.is_empty() {
        return Ok(Outcome::Done);
    }
    // As with numbers, only people want to know. Words are told as documents write them.
    let is_stored = collection.options().at(path)?.is_none_or(|options| !options.index_only);
    if !arguments.json
        && matching == 0
        && is_stored
        && let Some(suggestion) =
            of_index(collection.search(&text).at(path)?, arguments).suggestion().at(path)?
    {
        output::hint("did you mean", output::printable(&suggestion.text));
    }
    Ok(Outcome::NothingFound)
}

/// A search of the index that was named.
fn of_index<'a>(search: Search<'a>, arguments: &SearchArguments) -> Search<'a> {
    match &arguments.index {
        Some(index) => search.index(index),
        None => search,
    }
}

/// A search as to index, fields and values.
fn chosen<'a>(search: Search<'a>, arguments: &SearchArguments, path: &Path) -> Result<Search<'a>> {
    let mut search = of_index(search, arguments);
    if arguments.combine_fields {
        search = search.combine_fields();
    }
    if let Some(distinct) = &arguments.distinct {
        search = search.distinct(distinct);
    }
    match projection(&arguments.fields) {
        Some(projection) => search.project(projection).at(path),
        None => Ok(search),
    }
}

/// One hit, ready to be shown.
#[derive(Debug)]
pub(crate) struct Found {
    /// Place in the ranking, from 1.
    rank: u64,
    score: f32,
    is_corrected: bool,
    position: Position,
    id: Bson,
    /// None where documents are not stored.
    document: Option<RawDocumentBuf>,
    /// The best part of the document's text, and its path.
    snippet: Option<(String, Snippet)>,
    explanation: Option<Explanation>,
}

/// The best `limit` hits for `query`.
pub(crate) fn find(
    collection: &SnapshotCollection,
    query: impl Into<ParsedQuery>,
    limit: u32,
    path: &Path,
) -> Result<Vec<Found>> {
    let search = ranked(collection, query, RankingArguments::default(), path)?;
    Found::all(search.limit(places(limit)).run().at(path)?, 0, false, path)
}

/// A search with the ranking that was asked for.
pub(crate) fn ranked(
    collection: &SnapshotCollection,
    query: impl Into<ParsedQuery>,
    ranking: RankingArguments,
    path: &Path,
) -> Result<Search<'static>> {
    let mut search = collection.search(query).at(path)?;
    if let Some(k1) = ranking.k1 {
        search = search.k1(k1);
    }
    if let Some(b) = ranking.b {
        search = search.b(b);
    }
    if let Some(feedback) = ranking.feedback {
        search = search.feedback(feedback);
    }
    Ok(search)
}

/// `number` of hits as the library counts them.
pub(crate) fn places(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Found {
    pub(crate) fn all(
        hits: Hits<'_>,
        offset: u32,
        explain: bool,
        path: &Path,
    ) -> Result<Vec<Self>> {
        let ranks = u64::from(offset) + 1..;
        ranks.zip(hits).map(|(rank, hit)| Self::new(&hit, rank, explain).at(path)).collect()
    }

    fn new(hit: &Hit<'_>, rank: u64, explain: bool) -> std::result::Result<Self, alluvium::Error> {
        let document = match hit.document() {
            Err(error) if error.is_not_stored() => None,
            document => Some(document?),
        };
        Ok(Self {
            rank,
            score: hit.score,
            is_corrected: hit.is_corrected(),
            position: hit.position(),
            id: hit.id()?,
            snippet: if document.is_some() { hit.best_snippet()? } else { None },
            document,
            explanation: explain.then(|| hit.explain()).transpose()?,
        })
    }

    pub(crate) fn to_json(&self, path: &Path) -> Result<Value> {
        let document = self.document.as_deref().map_or("null".to_owned(), to_json);
        let document: Value = serde_json::from_str(&document).map_err(|error| {
            let path = path.display();
            Error::Other(format!("{path}: a document cannot be written as JSON: {error}"))
        })?;
        let mut object = json!({
            "rank": self.rank,
            "score": self.score,
            "corrected": self.is_corrected,
            "position": self.position,
            "id": self.id.clone().into_relaxed_extjson(),
            "document": document,
        });
        if let Some((path, snippet)) = &self.snippet {
            let pair = |range: &Range<usize>| [range.start, range.end];
            object["snippet"] = json!(snippet.text);
            object["path"] = json!(path);
            object["source"] = json!(pair(&snippet.source));
            object["highlights"] = snippet.highlights.iter().map(pair).map(Value::from).collect();
        }
        if let Some(explanation) = &self.explanation {
            object["explanation"] = json!(explanation);
        }
        Ok(object)
    }
}

/// Shows hits as people read them: rank, title and score, then the snippet.
pub(crate) fn write_hits(out: &mut dyn Write, hits: &[Found]) -> Result<()> {
    for hit in hits {
        let id = output::printable(&id_text(hit.id.clone()));
        let title = hit.document.as_deref().and_then(title).unwrap_or_else(|| id.clone());
        write!(out, "{:>3}. {STRONG}{title}{STRONG:#}", hit.rank)?;
        if title != id {
            write!(out, "  {FAINT}{id}{FAINT:#}")?;
        }
        let corrected = if hit.is_corrected { "  corrected" } else { "" };
        writeln!(out, "  {FAINT}{:.3}{corrected}{FAINT:#}", hit.score)?;
        if let Some((_, snippet)) = &hit.snippet {
            // Control characters of the document are spaces in what `marked` gives.
            let (on, off) = (MATCH.render().to_string(), MATCH.render_reset().to_string());
            writeln!(out, "     {}", snippet.marked(&on, &off))?;
        }
        if let Some(explanation) = &hit.explanation {
            for line in explanation.to_string().lines() {
                writeln!(out, "     {FAINT}{}{FAINT:#}", output::printable(line))?;
            }
        }
    }
    Ok(())
}

fn write_count(out: &mut dyn Write, shown: usize, matching: u64, elapsed: Duration) -> Result<()> {
    if matching == 0 {
        writeln!(out, "Nothing found.")?;
    } else {
        let (matching, elapsed) = (output::count(matching), output::time(elapsed));
        writeln!(out, "{FAINT}{shown} of {matching} matches shown, {elapsed}{FAINT:#}")?;
    }
    Ok(())
}

/// What a document is called, if it says so.
pub(crate) fn title(document: &RawDocument) -> Option<String> {
    let texts = TITLE_FIELDS.iter().filter_map(|field| document.get_str(field).ok());
    let title = output::printable(texts.map(str::trim).find(|text| !text.is_empty())?);
    Some(title)
}
