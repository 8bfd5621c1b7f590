//! How long a search takes on the bundled collection: its judged questions, one after the other, on one thread.
//!
//! Run with `cargo bench --bench search`. Each question is asked several times and its fastest time counts; the median and
//! the p99 are over questions.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use std::io::{BufReader, Read};
use std::time::{Duration, Instant};

use alluvium::eval::{CorpusReader, open_queries};
use alluvium::{
    AnalyzerOptions, CollectionOptions, Database, Language, Query, TextIndexOptions, doc,
};

const PASSES: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora/wikipedia-vital-en");
    let mut corpus = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(folder.join("corpus.jsonl.gz"))?)
        .read_to_end(&mut corpus)?;
    let scratch = tempfile::tempdir()?;
    let db = Database::open(scratch.path().join("bench.alv"))?;
    let english = TextIndexOptions::all(AnalyzerOptions::for_language(Language::English));
    let articles =
        db.create_collection("articles", &CollectionOptions::new().text_index(english))?;
    let mut transaction = db.begin()?;
    let mut batch = transaction.collection("articles")?;
    for document in CorpusReader::new(BufReader::new(&corpus[..]), "corpus.jsonl") {
        let document = document?;
        batch
            .insert(doc! { "_id": document.id, "title": document.title, "text": document.text })?;
    }
    transaction.commit()?;
    db.compact()?;

    println!("{:<28} {:>10} {:>10} {:>10}", "208 questions", "mean", "median", "p99");
    let queries = open_queries(folder.join("queries.jsonl"))?;
    let any: fn(&str) -> Query = |text| Query::word(text);
    for (name, query) in [("any word", any), ("all words", |text| Query::all_words(text))] {
        for limit in [10, 100, 1000] {
            let ask = |text: &str| -> alluvium::Result<usize> {
                Ok(articles.search(query(text))?.limit(limit).run()?.count())
            };
            report(&format!("{name}, top {limit}"), &queries, &ask)?;
        }
        report(&format!("{name}, count"), &queries, &|text| {
            Ok(usize::try_from(articles.search(query(text))?.count()?).unwrap_or(0))
        })?;
    }
    report("as typed, top 10, snippets", &queries, &|text| {
        let mut bytes = 0;
        for hit in articles.search(text)? {
            bytes += hit?.best_snippet()?.map_or(0, |(_, snippet)| snippet.text.len());
        }
        Ok(bytes)
    })?;
    Ok(())
}

fn report(
    name: &str,
    queries: &[alluvium::eval::TestQuery],
    ask: &dyn Fn(&str) -> alluvium::Result<usize>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for query in queries {
        let mut best = Duration::MAX;
        for _ in 0..PASSES {
            let start = Instant::now();
            std::hint::black_box(ask(&query.text)?);
            best = best.min(start.elapsed());
        }
        times.push(best);
    }
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let mean = micros(times.iter().sum()) / f64::from(u32::try_from(times.len())?);
    let at = |share: usize| micros(times[(times.len() - 1) * share / 100]);
    println!("{name:<28} {mean:>7.0} µs {:>7.0} µs {:>7.0} µs", at(50), at(99));
    Ok(())
}
