//! Engines that run in a process of their own: the benchmark's end of the pipes.
//!
//! A driver is a program that knows its engine: `bench/lucene/SearchDriver.java`, whose header has the grammar of the
//! lines. It builds the index, answers queries on one thread, and takes the times itself, around the
//! search alone, so that neither the pipes nor waking the process up count.

use std::io::Write;
use std::path::Path;
use std::process::Command as Process;
use std::str::FromStr;
use std::time::Duration;

use super::{Answer, Command, Engine, Facts};
use crate::Result;
use crate::driver::Driver;
use crate::process::disk_bytes;
use crate::search::corpus::Documents;
use crate::search::queries::{Occur, Query};

/// What a driver writes in the place of what its engine has not.
const NOTHING: &str = "-";

/// An engine behind a driver.
struct Driven {
    driver: Driver,
    /// Whether each of the prepared queries is of a kind that drivers do not have.
    unknown: Vec<bool>,
    facts: Facts,
}

/// Starts `process`, whose index goes into `folder`, and has it index the documents.
pub(super) fn build(
    mut process: Process,
    documents: &Documents,
    folder: &Path,
) -> Result<Box<dyn Engine>> {
    let mut driver = Driver::start(&mut process)?;
    writeln!(driver, "documents {}", documents.len())?;
    for text in documents.iter() {
        writeln!(driver, "{text}")?;
    }
    let answer = driver.answer()?;
    let mut words = answer.split(' ');
    let indexed = next(&mut words)?.ok_or("the driver does not count documents")?;
    let tokens = next(&mut words)?;
    let time = next(&mut words)?.ok_or("the driver takes no time")?;
    let facts = Facts {
        documents: indexed,
        tokens,
        build: Duration::from_nanos(time),
        index_bytes: disk_bytes(folder)?,
        file_bytes: None,
    };
    Ok(Box::new(Driven { driver, unknown: Vec::new(), facts }))
}

/// The next number of an answer; nothing where the driver has none.
fn next<T: FromStr>(words: &mut std::str::Split<'_, char>) -> Result<Option<T>> {
    let word = words.next().unwrap_or_default();
    if word == NOTHING {
        return Ok(None);
    }
    let number = word.parse().map_err(|_| format!("the driver wrote {word:?} for a number"))?;
    Ok(Some(number))
}

impl Engine for Driven {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn prepare(&mut self, queries: &[Query]) -> Result<()> {
        writeln!(self.driver, "queries {}", queries.len())?;
        for query in queries {
            writeln!(self.driver, "{}", translate(query))?;
        }
        self.unknown = queries.iter().map(|query| query.pattern().is_some()).collect();
        self.driver.answer()?;
        Ok(())
    }

    fn ask(&mut self, query: usize, command: Command) -> Result<Option<Answer>> {
        if self.unknown.get(query) == Some(&true) {
            return Ok(None);
        }
        writeln!(self.driver, "ask {query} {} {}", command.limit(), u8::from(command.counts()))?;
        let answer = self.driver.answer()?;
        let mut words = answer.split(' ');
        let Some(time) = next(&mut words)? else { return Ok(None) };
        let count = next(&mut words)?;
        let scores = words.map(str::parse).collect::<std::result::Result<_, _>>()?;
        Ok(Some(Answer { time: Duration::from_nanos(time), scores, count }))
    }
}

/// A query as a driver reads it.
fn translate(query: &Query) -> String {
    let clauses = query.clauses.iter().map(|clause| {
        let sign = match clause.occur {
            Occur::Should => '?',
            Occur::Must => '+',
            Occur::MustNot => '-',
        };
        format!("{sign}{}", clause.words.join(" "))
    });
    clauses.collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A driver of few words: it has two documents, answers the first query, and has none like the second.
    const SCRIPT: &str = r#"
        read -r line; read -r line; read -r line; echo "2 - 1000"
        read -r line; read -r first; read -r second; echo ready
        while read -r ask query rest; do
            if [ "$query" = 0 ]; then echo "7000 2 1.5 0.5"; else echo -; fi
        done
    "#;

    #[test]
    fn a_driver_is_asked_in_lines_and_may_have_no_answer() {
        let mut documents = Documents::default();
        documents.push("", "gold river");
        documents.push("", "silt");
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::new("sh");
        process.args(["-c", SCRIPT]);
        let mut engine = build(process, &documents, folder.path()).unwrap();
        assert_eq!((engine.facts().documents, engine.facts().tokens), (2, None));
        let queries = ["gold", "+gold silt -\"river bed\""].map(|text| Query::parse(text).unwrap());
        assert_eq!(translate(&queries[1]), "+gold\t?silt\t-river bed");
        engine.prepare(&queries).unwrap();
        let answer = engine.ask(0, Command::Top10Count).unwrap().unwrap();
        assert_eq!((answer.count, answer.scores), (Some(2), vec![1.5, 0.5]));
        assert_eq!(answer.time, Duration::from_micros(7));
        assert_eq!(engine.ask(1, Command::Count).unwrap(), None);
    }
}
