//! Relevance under test, in a program of one's own: what `cargo test` says when search got worse, for which questions, and why.
//!
//! Six help pages of a shop are searched with three questions, of which somebody judged the answers. What the ranking was worth
//! when it was good is kept in `relevance_baseline.json`, which is committed; a test compares with it. To see it fail,
//! `cargo run --example relevance_test` takes the stemmer away and prints the message. After a change that is meant,
//! `UPDATE_BASELINE=1 cargo test --example relevance_test` writes the file anew, and the review shows what changed.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use alluvium::eval::{
    Baseline, Comparison, Judgements, Measure, Regression, Run, TestQuery, Tolerances, evaluate,
};
use alluvium::{
    AnalyzerOptions, Collection, CollectionOptions, Database, Language, Query, TextIndexOptions,
    doc,
};

/// Whatever fails, fails the test.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PAGES: [(&str, &str); 6] = [
    (
        "returns",
        "Return shoes within thirty days, unworn and in their box. The label is in the parcel.",
    ),
    ("refunds", "We refund your money within a week of getting the returned parcel."),
    ("sizes", "Shoes run small: order one size up, boots two."),
    ("care", "Cleaning leather: a damp cloth, then wax. Never dry boots on a heater."),
    ("delivery", "Delivery takes two days. Parcels over fifty euros are delivered free."),
    ("gifts", "Gift cards never expire and are sent by mail or in a box."),
];

/// Questions as customers type them.
const QUESTIONS: [(&str, &str); 3] =
    [("q1", "returning shoes"), ("q2", "how do I clean leather boots"), ("q3", "free delivery")];

/// Question, page, grade: 2 answers, 1 helps.
const JUDGEMENTS: &str = "q1 returns 2\nq1 refunds 1\nq2 care 2\nq3 delivery 2\n";

fn main() -> Result<()> {
    let pages = open(None)?;
    let message = match check(&pages)? {
        Some(regression) => explained(&regression, &pages)?,
        None => "as good as it was\n".to_owned(),
    };
    io::stdout().write_all(message.as_bytes())?;
    Ok(())
}

/// The pages, indexed with the stemmer of a language or with none.
fn open(language: Option<Language>) -> Result<Collection> {
    let analyzer = language.map_or_else(AnalyzerOptions::default, AnalyzerOptions::for_language);
    let options = CollectionOptions::new().text_index(TextIndexOptions::all(analyzer));
    let db = Database::in_memory()?;
    let pages = db.create_collection("pages", &options)?;
    pages.insert_many(PAGES.map(|(id, text)| doc! { "_id": id, "text": text }))?;
    Ok(pages)
}

/// What the ranking is worth now.
fn measure(pages: &Collection) -> Result<Baseline> {
    let queries = QUESTIONS.map(|(id, text)| TestQuery { id: id.into(), text: text.into() });
    let mut run = Run::new();
    for query in &queries {
        let mut ranking = Vec::new();
        for hit in pages.search(Query::word(&query.text))?.limit(100) {
            let hit = hit?;
            ranking.push((hit.id()?.as_str().unwrap_or_default().to_owned(), f64::from(hit.score)));
        }
        run.insert(&query.id, ranking)?;
    }
    let measures = [Measure::Ndcg(Some(10)), Measure::Recall(10)];
    let evaluation = evaluate(&run, &judgements()?, &measures);
    Ok(Baseline::new(&evaluation, &run, &queries))
}

fn judgements() -> Result<Judgements> {
    Ok(Judgements::read(JUDGEMENTS.as_bytes(), "JUDGEMENTS")?)
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/relevance_baseline.json")
}

/// What is worse than when the baseline was saved, with a little slack for nDCG.
fn check(pages: &Collection) -> Result<Option<Regression>> {
    let before = Baseline::open(baseline_path())?;
    let comparison = Comparison::new(&before, &measure(pages)?, &judgements()?);
    let tolerances =
        Tolerances::new().allow(Measure::Ndcg(Some(10)), 0.01).allow(Measure::Recall(10), 0.0);
    Ok(comparison.regression(&tolerances)?)
}

/// The message of a regression, and why each relevant page that fell out or down has the score that it has now.
fn explained(regression: &Regression, pages: &Collection) -> Result<String> {
    let mut message = regression.to_string();
    for query in &regression.queries {
        let search = pages.search(Query::word(&query.text))?;
        let fell = query.moves.iter().filter(|moved| {
            moved.grade > Some(0) && moved.after.is_none_or(|after| Some(after) > moved.before)
        });
        for moved in fell {
            if let Some(explanation) = search.explain(moved.id.as_str())? {
                write!(message, "\nwhy {moved} for {:?}:\n{explanation}\n", query.text)?;
            }
        }
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test that a project keeps.
    #[test]
    fn search_is_as_good_as_it_was() -> Result<()> {
        let pages = open(Some(Language::English))?;
        if std::env::var_os("UPDATE_BASELINE").is_some() {
            measure(&pages)?.save(baseline_path())?;
        }
        match check(&pages)? {
            Some(regression) => Err(explained(&regression, &pages)?.into()),
            None => Ok(()),
        }
    }

    /// That it would fail, and what it would say.
    #[test]
    fn without_a_stemmer_the_questions_that_suffer_are_named_with_the_reason() -> Result<()> {
        let pages = open(None)?;
        let regression = check(&pages)?.ok_or("the ranking is worse without a stemmer")?;
        let message = explained(&regression, &pages)?;
        for said in [
            "relevance fell further than tolerated:\n  nDCG@10    1.0000 → ",
            "  recall@10  ",
            "1 query got worse:\n  q1  ",
            "refunds 2 → – (grade 1)",
            "why refunds 2 → – (grade 1) for \"returning shoes\":\n",
        ] {
            assert!(message.contains(said), "{said:?} is missing in\n{message}");
        }
        assert!(!message.contains("q3"), "{message}");
        Ok(())
    }
}
