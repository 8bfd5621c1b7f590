//! The first ten documents of each question, before and now side by side.
//!
//! Third part of a report: a fold for each question, the worst first and open. Between the sides, `arrows` draws who went
//! where; the same is said in words at the side of now. Documents with a grade above 0 are printed strong, those that nobody
//! judged in italics.

use std::fmt::{self, Write};

use super::arrows;
use super::escape::Text;
use super::{Question, Report, class_of, signed};

/// Folds that are open at first.
const OPEN: usize = 3;

pub(super) fn write(
    out: &mut String,
    report: &Report<'_>,
    questions: &[Question<'_>],
) -> fmt::Result {
    out.push_str("<section>\n<h2>Rankings</h2>\n");
    let told = match &report.against {
        Some(against) => {
            let (compared, changed) = (against.comparison.queries_compared, questions.len());
            format!(
                "{changed} of {compared} questions changed in a value or among the first ten documents"
            )
        }
        None => "The first ten documents of each question".to_owned(),
    };
    writeln!(
        out,
        "<p class=\"faint\">{told}, the worst first. Strong: judged relevant, with the grade. Italic: not judged.</p>"
    )?;
    let measures = report.measures();
    for (number, question) in questions.iter().enumerate() {
        write_question(out, report, &measures, number, question)?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn write_question(
    out: &mut String,
    report: &Report<'_>,
    measures: &[String],
    number: usize,
    question: &Question<'_>,
) -> fmt::Result {
    let open = if number < OPEN { " open" } else { "" };
    let first = measures.first().map_or("", String::as_str);
    let value = question.now.first().copied().unwrap_or_default();
    write!(
        out,
        "<details{open}>\n<summary><span class=\"id\">{}</span><span class=\"text\">{}</span><span class=\"value\">{first} ",
        Text(question.id),
        Text(question.text)
    )?;
    match question.before.and_then(|before| before.first()) {
        Some(before) => {
            let change = question.height(0);
            write!(
                out,
                "{before:.4} → {value:.4} <b class=\"{}\">{}</b>",
                class_of(change),
                signed(change)
            )?;
        }
        None => write!(out, "<b>{value:.4}</b>")?,
    }
    writeln!(
        out,
        "</span></summary>\n<div class=\"inside\" id=\"q{number}\">\n<ul class=\"values\">"
    )?;
    for (measure, name) in measures.iter().enumerate().skip(1) {
        let now = question.now.get(measure).copied().unwrap_or_default();
        match question.before.and_then(|before| before.get(measure)) {
            Some(before) => writeln!(out, "<li>{name} {before:.4} → <b>{now:.4}</b></li>")?,
            None => writeln!(out, "<li>{name} <b>{now:.4}</b></li>")?,
        }
    }
    out.push_str("</ul>\n");
    write_sides(out, report, question.id)?;
    out.push_str("</div>\n</details>\n");
    Ok(())
}

fn write_sides(out: &mut String, report: &Report<'_>, id: &str) -> fmt::Result {
    let now = report.now.query(id).map_or(&[][..], |query| &query.top);
    let against = report.against.as_ref();
    let before = against.and_then(|against| against.before.query(id)).map(|query| &query.top[..]);
    let grade = |document: &str| report.judgements.grade(id, document);
    let Some(before) = before else {
        return write_places(out, report, now, |_, document| (grade(document), String::new()));
    };
    out.push_str("<div class=\"sides\">\n<div><div class=\"side-title\">Before</div>\n");
    write_places(out, report, before, |_, document| (grade(document), String::new()))?;
    out.push_str("</div>\n<div><div class=\"side-title\"></div>\n");
    arrows::write(out, before, now, |document| grade(document).is_some_and(|grade| grade > 0))?;
    out.push_str("</div>\n<div><div class=\"side-title\">Now</div>\n");
    write_places(out, report, now, |rank, document| {
        let was = (1..).zip(before).find(|(_, other)| *other == document).map(|(rank, _)| rank);
        (grade(document), moved(was, rank))
    })?;
    out.push_str("</div>\n</div>\n");
    Ok(())
}

/// A list of documents; `told` gives the grade of each, and what happened to it.
fn write_places(
    out: &mut String,
    report: &Report<'_>,
    documents: &[String],
    told: impl Fn(u32, &str) -> (Option<i32>, String),
) -> fmt::Result {
    out.push_str("<ol class=\"places\">\n");
    for (rank, id) in (1..).zip(documents) {
        let (grade, moved) = told(rank, id);
        let class = match grade {
            Some(1..) => " class=\"relevant\"",
            Some(_) => "",
            None => " class=\"unjudged\"",
        };
        write!(
            out,
            "<li{class}><span class=\"rank\">{rank}</span><span class=\"name\" title=\"{}\">{}</span>",
            Text(id),
            Text(report.name_of(id))
        )?;
        if let Some(grade) = grade {
            write!(out, "<span class=\"grade\" title=\"grade {grade}\">{grade}</span>")?;
        }
        if !moved.is_empty() {
            write!(out, "<span class=\"moved\">{moved}</span>")?;
        }
        out.push_str("</li>\n");
    }
    out.push_str("</ol>\n");
    if documents.is_empty() {
        out.push_str("<p class=\"faint\">Nothing found.</p>\n");
    }
    Ok(())
}

/// Where a document came from, in words.
fn moved(was: Option<u32>, rank: u32) -> String {
    match was {
        None => "new".to_owned(),
        Some(was) if was > rank => format!("▲ {}", was - rank),
        Some(was) if was < rank => format!("▼ {}", rank - was),
        Some(_) => "=".to_owned(),
    }
}
