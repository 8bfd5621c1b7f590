//! `alluvium analyze`: what words a text becomes, step by step. It needs no database: the library analyzes, this prints.

use std::io::Write;

use alluvium::{Analyzer, AnalyzerOptions};
use serde_json::json;

use crate::args::AnalyzeArguments;
use crate::cmd::Outcome;
use crate::error::{Error, Result};
use crate::output::{self, FAINT};
use crate::table::Table;

/// Runs the verb.
pub(crate) fn run(arguments: &AnalyzeArguments) -> Result<Outcome> {
    let options = match (&arguments.analyzer, arguments.language) {
        (Some(options), _) => options.clone(),
        (None, Some(language)) => AnalyzerOptions::for_language(language),
        (None, None) => AnalyzerOptions::default(),
    };
    let analyzer = Analyzer::new(&options).map_err(|error| Error::Other(error.to_string()))?;
    if arguments.query { query(arguments, &analyzer) } else { document(arguments, &analyzer) }
}

/// Shows the stages of a document's text.
fn document(arguments: &AnalyzeArguments, analyzer: &Analyzer) -> Result<Outcome> {
    let stages = analyzer.stages(&arguments.text);
    let mut out = output::open(arguments.json);
    if arguments.json {
        let report = json!({ "fingerprint": analyzer.fingerprint(), "stages": stages });
        output::json_line(&mut out, &report)?;
    } else {
        let mut table = Table::new(&["<step", "position", "bytes", "<token"]);
        for stage in &stages {
            for (index, token) in stage.tokens.iter().enumerate() {
                let name = if index == 0 { stage.name } else { "" };
                let bytes = format!("{}..{}", token.start, token.end);
                table.row([name.to_owned(), token.position.to_string(), bytes, token.term.clone()]);
            }
            if stage.tokens.is_empty() {
                table.row([stage.name.to_owned(), String::new(), String::new(), String::new()]);
            }
        }
        table.write(&mut out)?;
        writeln!(out, "{FAINT}{}{FAINT:#}", analyzer.fingerprint())?;
    }
    out.flush()?;
    let is_empty = stages.last().is_none_or(|stage| stage.tokens.is_empty());
    Ok(if is_empty { Outcome::NothingFound } else { Outcome::Done })
}

/// Shows the words of a query's text, and what may stand for them.
fn query(arguments: &AnalyzeArguments, analyzer: &Analyzer) -> Result<Outcome> {
    let words = analyzer.query(&arguments.text);
    let mut out = output::open(arguments.json);
    if arguments.json {
        let report = json!({ "fingerprint": analyzer.fingerprint(), "words": words });
        output::json_line(&mut out, &report)?;
    } else {
        let mut table = Table::new(&["position", "bytes", "<token", "<or"]);
        let text = |terms: &[(String, u32)]| {
            let terms: Vec<&str> = terms.iter().map(|(term, _)| term.as_str()).collect();
            terms.join(" ")
        };
        for word in &words {
            let position = word.terms.first().map_or(0, |(_, position)| *position);
            let bytes = format!("{}..{}", word.bytes.start, word.bytes.end);
            let others: Vec<String> = word.alternatives.iter().map(|terms| text(terms)).collect();
            table.row([position.to_string(), bytes, text(&word.terms), others.join(", ")]);
        }
        table.write(&mut out)?;
    }
    out.flush()?;
    Ok(if words.is_empty() { Outcome::NothingFound } else { Outcome::Done })
}
