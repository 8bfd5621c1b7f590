//! What all engines have to agree on before their times are worth comparing.
//!
//! * The documents are as many as the corpus has, and the tokens as many as its words, in every engine that can tell.
//! * Every query matches as many documents in every engine, and finds as many of the best as were asked for and match.
//! * The scores of the best are equal, place by place, up to the engine's constant factor, within [`TOLERANCE`] and
//!   [`ROUNDING`]; of engines with BM25's usual idf, and of queries of words, that is. Documents are not compared: engines order those of equal
//!   scores each in its own way.
//!
//! A disagreement is an error of its own kind, so that the program can end with a status of its own.

use std::error::Error;
use std::fmt;

use super::corpus::Documents;
use super::engines::{Answer, Command, Facts, Rival};
use super::queries::Query;
use crate::Result;

/// How far two scores may lie apart, relative to one of them.
const TOLERANCE: f64 = 1e-4;
/// And how far besides. An idf is the logarithm of one and a little, a very little for a word that nearly all documents hold;
/// an engine that takes it in f32 loses up to 6e-8 of that, and a score sums a few.
const ROUNDING: f64 = 1e-6;

/// Engines that were given the same and answered something else.
#[derive(Debug)]
pub(crate) struct Disagreement(String);

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engines disagree: {}", self.0)
    }
}

impl Error for Disagreement {}

fn disagree<T>(what: String) -> Result<T> {
    Err(Box::new(Disagreement(what)))
}

/// Documents and tokens against the corpus.
pub(crate) fn check_facts(rival: &Rival, facts: &Facts, documents: &Documents) -> Result<()> {
    let name = rival.name;
    let (have, expected) = (facts.documents, documents.len() as u64);
    if have != expected {
        return disagree(format!("{name} has {have} documents, the corpus {expected}"));
    }
    match facts.tokens {
        Some(tokens) if tokens != documents.words() => {
            disagree(format!("{name} has {tokens} tokens, the corpus {}", documents.words()))
        }
        _ => Ok(()),
    }
}

/// What all engines answered to one query under one command; engines that have no such query are left out.
pub(crate) type Answers<'a> = [(&'a Rival, Answer)];

/// Compares the answers to `query`, of which `matching` documents match as the first engine counted.
pub(crate) fn check_answers(
    query: &Query,
    command: Command,
    matching: u64,
    answers: &Answers<'_>,
) -> Result<()> {
    let about = |what: String| disagree(format!("{} of {}: {what}", command.name(), query.text));
    for (rival, answer) in answers {
        let name = rival.name;
        if let Some(count) = answer.count.filter(|&count| count != matching) {
            return about(format!("{name} counts {count}, {} {matching}", answers[0].0.name));
        }
        let expected = matching.min(command.limit() as u64);
        if answer.scores.len() as u64 != expected {
            let len = answer.scores.len();
            return about(format!("{name} finds {len} of the best, expected {expected}"));
        }
    }
    if !query.class.has_common_scores() {
        return Ok(());
    }
    let mut scored = answers.iter().filter_map(|(rival, answer)| {
        let factor = rival.score_factor?;
        Some((rival.name, answer.scores.iter().map(move |&score| score / factor)))
    });
    let Some((first, reference)) = scored.next() else { return Ok(()) };
    for (name, scores) in scored {
        for (place, (expected, have)) in (1..).zip(reference.clone().zip(scores)) {
            // Written so that what is no number is too far away.
            let near = (have - expected).abs() <= TOLERANCE * expected + ROUNDING;
            if !near {
                return about(format!(
                    "hit {place} scores {have} in {name}, {expected} in {first}"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::engines::RIVALS;
    use super::*;

    fn answer(scores: &[f64], count: Option<u64>) -> Answer {
        Answer { time: Duration::ZERO, scores: scores.to_vec(), count }
    }

    fn check(matching: u64, answers: [Answer; 3]) -> Result<()> {
        let answers: Vec<(&Rival, Answer)> = RIVALS.iter().zip(answers).collect();
        let query = Query::parse("gold river")?;
        check_answers(&query, Command::Top10Count, matching, &answers)
    }

    #[test]
    fn a_constant_factor_and_another_idf_are_no_disagreement() {
        let ours = answer(&[3.0, 2.0], Some(2));
        let others = [answer(&[6.6, 4.4], Some(2)), answer(&[9.0, 1.0], Some(2))];
        let [tantivy, fts5] = others;
        check(2, [ours, tantivy, fts5]).unwrap();
    }

    #[test]
    fn a_disagreement_names_the_query_and_the_engine() {
        let good = || answer(&[3.0, 2.0], Some(2));
        let near = || answer(&[6.6, 4.4], Some(2));
        for (answers, expected) in [
            ([good(), answer(&[6.6, 4.4], Some(3)), good()], "tantivy counts 3, alluvium 2"),
            ([good(), near(), answer(&[3.0], Some(2))], "fts5 finds 1 of the best, expected 2"),
            ([good(), answer(&[6.6, 4.41], Some(2)), good()], "hit 2 scores 2.00"),
            (
                [good(), answer(&[6.6, f64::NAN], Some(2)), good()],
                "scores NaN in tantivy, 2 in alluvium",
            ),
        ] {
            let error = check(2, answers).unwrap_err();
            assert!(error.is::<Disagreement>());
            let error = error.to_string();
            assert!(error.contains("TOP_10_COUNT of gold river"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
