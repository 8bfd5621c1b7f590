//! The report of `eval --html`: one page that needs nothing beside itself, and no script.
//!
//! `cmd::eval` gathers a [`Report`] and writes what [`Report::to_html`] gives. One file for each part of the page: the table of
//! means, the bars of all questions, the rankings side by side, the latencies; [`escape`] for every text from a file. Parts are
//! appended to one string with Rust's own formatting, which cannot fail there.
//!
//! The page follows the reader's choice of light or dark, says in words and signs what it says in colours, and forbids itself
//! scripts and anything from elsewhere. Cost: some kilobytes per question shown.

mod arrows;
mod bars;
mod escape;
mod latency;
mod means;
mod rankings;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use alluvium::eval::{Baseline, Comparison, Judgements, QueryChange};

use escape::Text;

/// What is reported.
pub(crate) struct Report<'a> {
    /// What was measured, as the user named it.
    pub(crate) database: &'a Path,
    pub(crate) now: &'a Baseline,
    /// What it is compared with.
    pub(crate) against: Option<Against<'a>>,
    pub(crate) judgements: &'a Judgements,
    /// Titles of documents by identifier, where they have any.
    pub(crate) titles: BTreeMap<String, String>,
    /// How long each question took.
    pub(crate) times: &'a [Duration],
}

/// The baseline of a report.
pub(crate) struct Against<'a> {
    pub(crate) path: &'a Path,
    pub(crate) before: &'a Baseline,
    pub(crate) comparison: &'a Comparison,
}

/// One question of the report.
struct Question<'a> {
    id: &'a str,
    text: &'a str,
    /// The value before and now, for each measure of the report.
    before: Option<&'a [f64]>,
    now: &'a [f64],
}

impl Report<'_> {
    /// The page.
    pub(crate) fn to_html(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let questions = self.questions();
        self.write_head(out)?;
        means::write(out, self)?;
        bars::write(out, self, &questions)?;
        rankings::write(out, self, &questions)?;
        latency::write(out, self.times)?;
        out.push_str("</body>\n</html>\n");
        Ok(())
    }

    fn write_head(&self, out: &mut String) -> fmt::Result {
        let name = self.database.display().to_string();
        let name = Text(&name);
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>Relevance of {name}</title>\n\
             <style>\n{}</style>\n</head>\n<body>\n<header>\n<h1>Relevance of {name}</h1>\n",
            include_str!("style.css")
        )?;
        let number = self.now.queries().count();
        let is_one = if number == 1 {
            "question that has a relevant document"
        } else {
            "questions that have a relevant document"
        };
        write!(out, "<p class=\"faint\">{number} {is_one}")?;
        if let Some(Against { path, .. }) = &self.against {
            let path = path.display().to_string();
            write!(out, ", compared with <b>{}</b>", Text(&path))?;
        }
        out.push_str(".</p>\n<ul class=\"parameters\">\n");
        for (name, value) in self.now.parameters() {
            let before = self.against.as_ref().map(|against| against.before.parameters().get(name));
            let before = before.map(|value| value.map_or("–", String::as_str));
            match before.filter(|before| before != value) {
                Some(before) => writeln!(
                    out,
                    "<li class=\"changed\">{} <b>{} → {}</b></li>",
                    Text(name),
                    Text(before),
                    Text(value)
                )?,
                None => writeln!(out, "<li>{} <b>{}</b></li>", Text(name), Text(value))?,
            }
        }
        out.push_str("</ul>\n</header>\n");
        Ok(())
    }

    /// The measures of the page: those compared, or all of them.
    fn measures(&self) -> Vec<String> {
        match &self.against {
            Some(Against { comparison, .. }) => {
                comparison.means.iter().map(|mean| mean.measure.to_string()).collect()
            }
            None => self.now.measures().iter().map(ToString::to_string).collect(),
        }
    }

    /// The questions that changed, or all of them, by the first measure, the worst first.
    fn questions(&self) -> Vec<Question<'_>> {
        let mut questions: Vec<Question<'_>> = match &self.against {
            Some(Against { comparison, .. }) => {
                comparison.queries.iter().map(Question::changed).collect()
            }
            None => self
                .now
                .queries()
                .map(|(id, query)| Question {
                    id,
                    text: &query.text,
                    before: None,
                    now: &query.values,
                })
                .collect(),
        };
        questions.sort_by(|left, right| left.height(0).total_cmp(&right.height(0)));
        questions
    }

    /// What a document is called: its title, or its identifier.
    fn name_of<'n>(&'n self, id: &'n str) -> &'n str {
        self.titles.get(id).map_or(id, String::as_str)
    }
}

impl<'a> Question<'a> {
    fn changed(query: &'a QueryChange) -> Self {
        Self { id: &query.id, text: &query.text, before: Some(&query.before), now: &query.after }
    }

    /// What the bar of one measure shows: the difference, or the value where there is nothing to compare.
    fn height(&self, measure: usize) -> f64 {
        let now = self.now.get(measure).copied().unwrap_or_default();
        now - self.before.and_then(|before| before.get(measure)).copied().unwrap_or_default()
    }
}

/// The class of what rose or fell.
fn class_of(change: f64) -> &'static str {
    if change > 0.0 {
        "gain"
    } else if change < 0.0 {
        "loss"
    } else {
        "faint"
    }
}

/// A difference with its sign, the minus of typography included.
fn signed(change: f64) -> String {
    if change == 0.0 { "0".to_owned() } else { format!("{change:+.4}").replace('-', "−") }
}
