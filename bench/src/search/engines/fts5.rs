//! SQLite's FTS5, bundled, through rusqlite: an inverted index in tables of a B-tree, behind a query language.
//!
//! A table without the documents (`content=''`), with positions (`detail=full`, the default), merged into one b-tree by
//! `optimize`. Statements are prepared once; the query itself is a text that FTS5 reads inside the clock. k1 and b of its
//! `bm25()` are fixed, at our values, but its idf is another, so scores are not compared. The top documents and their number are two
//! statements.
//!
//! FTS5 has no optional words. `+a b` is written `a AND (a OR b)`: the same documents, but `a` is looked up twice and
//! scores twice.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use super::{Answer, Command, Engine, Facts, MEMORY_BYTES, State};
use crate::Result;
use crate::process::disk_bytes;
use crate::search::corpus::Documents;
use crate::search::queries::{Clause, Occur, Pattern, Query};

const TOP: &str = "SELECT rowid, rank FROM documents WHERE documents MATCH ? ORDER BY rank LIMIT ?";
const COUNT: &str = "SELECT count(*) FROM documents WHERE documents MATCH ?";

struct Fts5 {
    connection: Connection,
    queries: Vec<Option<String>>,
    facts: Facts,
}

pub(super) fn build(
    documents: &Documents,
    folder: &Path,
    _state: State,
) -> Result<Box<dyn Engine>> {
    let start = Instant::now();
    let mut connection = Connection::open(folder.join("search.sqlite"))?;
    // A negative size counts KiB.
    connection.pragma_update(None, "cache_size", -i64::try_from(MEMORY_BYTES / 1024)?)?;
    connection.execute_batch(
        "CREATE VIRTUAL TABLE documents USING fts5(text, content='', tokenize='unicode61 remove_diacritics 0');
         CREATE VIRTUAL TABLE vocabulary USING fts5vocab(documents, 'row');",
    )?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare("INSERT INTO documents (rowid, text) VALUES (?, ?)")?;
    for (number, text) in (1_i64..).zip(documents.iter()) {
        insert.execute((number, text))?;
    }
    drop(insert);
    transaction.commit()?;
    // Merging leaves pages free, which no rival's files keep either.
    connection.execute_batch("INSERT INTO documents (documents) VALUES ('optimize'); VACUUM;")?;
    let build = start.elapsed();
    let number = |sql: &str| -> Result<u64> {
        let value: i64 = connection.query_row(sql, [], |row| row.get(0))?;
        Ok(u64::try_from(value)?)
    };
    let facts = Facts {
        documents: number("SELECT count(*) FROM documents_docsize")?,
        tokens: Some(number("SELECT sum(cnt) FROM vocabulary")?),
        build,
        index_bytes: disk_bytes(folder)?,
        file_bytes: None,
    };
    Ok(Box::new(Fts5 { connection, queries: Vec::new(), facts }))
}

impl Engine for Fts5 {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prepare(&mut self, queries: &[Query]) -> Result<()> {
        self.queries = queries.iter().map(translate).collect();
        Ok(())
    }

    fn ask(&mut self, query: usize, command: Command) -> Result<Option<Answer>> {
        let Some(query) = &self.queries[query] else { return Ok(None) };
        let mut top = self.connection.prepare_cached(TOP)?;
        let mut counting = self.connection.prepare_cached(COUNT)?;
        let limit = i64::try_from(command.limit())?;
        let mut best: Vec<(i64, f64)> = Vec::with_capacity(command.limit());
        let start = Instant::now();
        if limit > 0 {
            let mut rows = top.query((query, limit))?;
            while let Some(row) = rows.next()? {
                best.push((row.get(0)?, row.get(1)?));
            }
        }
        let count: Option<i64> = if command.counts() {
            Some(counting.query_row([query], |row| row.get(0))?)
        } else {
            None
        };
        let time = start.elapsed();
        let count = count.map(u64::try_from).transpose()?;
        // Its ranks are negated, so that the best are first in ascending order.
        let scores = best.into_iter().map(|(_, rank)| -rank).collect();
        Ok(Some(Answer { time, scores, count }))
    }
}

/// A query in the language of FTS5, which of patterns has prefixes alone.
fn translate(query: &Query) -> Option<String> {
    match query.pattern() {
        None => Some(of_words(query)),
        Some(Pattern::Prefix(beginning)) => Some(format!("\"{beginning}\"*")),
        Some(_) => None,
    }
}

fn of_words(query: &Query) -> String {
    let joined = |clauses: Vec<&Clause>, operator: &str| {
        let leaves: Vec<String> = clauses.iter().map(|clause| leaf(clause)).collect();
        leaves.join(operator)
    };
    let must: Vec<&Clause> = query.clauses(Occur::Must).collect();
    let should: Vec<&Clause> = query.clauses(Occur::Should).collect();
    let wanted = match (must.first(), should.as_slice()) {
        (None, _) => joined(should, " OR "),
        (Some(_), []) => joined(must, " AND "),
        (Some(first), _) => {
            let optional = joined(should, " OR ");
            format!("{} AND ({} OR {optional})", joined(must.clone(), " AND "), leaf(first))
        }
    };
    let excluded: Vec<&Clause> = query.clauses(Occur::MustNot).collect();
    if excluded.is_empty() {
        return wanted;
    }
    format!("({wanted}) NOT ({})", joined(excluded, " OR "))
}

/// A word or a phrase; quotes keep `and`, `or`, `not` and `near` from being operators.
fn leaf(clause: &Clause) -> String {
    format!("\"{}\"", clause.words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_written_in_its_language() {
        for (query, expected) in [
            ("a", r#""a""#),
            ("a b", r#""a" OR "b""#),
            ("+a +b", r#""a" AND "b""#),
            ("\"a b\"", r#""a b""#),
            ("+a b c", r#""a" AND ("a" OR "b" OR "c")"#),
            ("a b -c", r#"("a" OR "b") NOT ("c")"#),
            ("gol*", r#""gol"*"#),
        ] {
            assert_eq!(translate(&Query::parse(query).unwrap()).as_deref(), Some(expected));
        }
        assert_eq!(translate(&Query::parse("g?ld").unwrap()), None);
    }
}
