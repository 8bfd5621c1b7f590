//! Relevance on real test collections, so that a change of ranking shows up in review.
//!
//! Every judged collection in `corpora` has a baseline in `tests/golden/relevance`, which the ranking has to equal: means, values
//! of every question and first ten documents. `UPDATE_GOLDEN=1 cargo test --test relevance` writes them anew; the difference is
//! then part of the change. A collection joins by lying there, its language is in its `manifest.json`.
//!
//! Collections with reference figures are measured where they are present beside the project. Four English ones have to reach
//! MAP or nDCG@10 of Lucene 9.9.1, and the other within .005; translations of one into twelve languages have to reach the mean
//! reciprocal rank of plain words in lower case, which are pairs of characters in Thai and Chinese.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use alluvium::eval::{
    Baseline, Comparison, CorpusReader, Evaluation, Judgements, Measure, Run, TestQuery,
    Tolerances, evaluate, open_queries,
};
use alluvium::{
    AnalyzerOptions, CollectionOptions, Database, Language, Query, TextIndexOptions, doc,
};

/// What may be lost to rounding and to another stemmer.
const TOLERANCE: f64 = 0.005;
const DEPTH: usize = 1000;
/// The parameters that searches have unless they are told others.
const K1_B: (f32, f32) = (1.2, 0.75);

/// Collection, k1, b, MAP and nDCG@10.
const REFERENCE: [(&str, f32, f32, f64, f64); 8] = [
    ("cranfield", 0.9, 0.4, 0.2879, 0.3510),
    ("cranfield", 1.2, 0.75, 0.3054, 0.3675),
    ("cisi", 0.9, 0.4, 0.2045, 0.3644),
    ("cisi", 1.2, 0.75, 0.2183, 0.3845),
    ("med", 0.9, 0.4, 0.5118, 0.6651),
    ("med", 1.2, 0.75, 0.5264, 0.6895),
    ("scifact", 0.9, 0.4, 0.6401, 0.6789),
    ("scifact", 1.2, 0.75, 0.6398, 0.6826),
];

/// Language and mean reciprocal rank.
const REFERENCE_OF_TRANSLATIONS: [(&str, f64); 12] = [
    ("ar", 0.869),
    ("de", 0.897),
    ("el", 0.894),
    ("en", 0.950),
    ("es", 0.936),
    ("hi", 0.749),
    ("ro", 0.905),
    ("ru", 0.852),
    ("th", 0.895),
    ("tr", 0.877),
    ("vi", 0.949),
    ("zh", 0.954),
];

/// A judged collection, ready to be asked.
struct Judged {
    name: String,
    language: Language,
    db: Database,
    queries: Vec<TestQuery>,
    judgements: Judgements,
}

/// The judged collections of `corpora`, by name; each is imported once for all tests.
static BUNDLED: LazyLock<Vec<Judged>> = LazyLock::new(|| {
    let folders = fs::read_dir(root().join("corpora")).expect("the bundled collections");
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders.iter().filter_map(|folder| bundled(folder)).collect()
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a folder of `corpora` holds; nothing when it is no collection, or one that nobody judged.
fn bundled(folder: &Path) -> Option<Judged> {
    let manifest = fs::read(folder.join("manifest.json")).ok()?;
    let manifest: serde_json::Value =
        serde_json::from_slice(&manifest).expect("a manifest in JSON");
    let (queries, qrels) = (folder.join("queries.jsonl"), folder.join("qrels.tsv"));
    if !qrels.exists() {
        return None;
    }
    let name = manifest["name"].as_str().expect("a name").to_owned();
    let language = manifest["language"].as_str().expect("a language");
    let language: Language = language.parse().expect("a language with an analyzer");
    let file = manifest["compressed"]["file"].as_str();
    let corpus = File::open(folder.join(file.unwrap_or("corpus.jsonl"))).expect("the documents");
    let corpus: Box<dyn Read> = match file {
        Some(_) => Box::new(flate2::read::GzDecoder::new(corpus)),
        None => Box::new(corpus),
    };
    let db = import(corpus, &name, language).expect("documents that can be imported");
    let queries = open_queries(queries).expect("questions");
    let judgements = Judgements::open(qrels).expect("judgements");
    Some(Judged { name, language, db, queries, judgements })
}

impl Judged {
    fn baseline_path(&self) -> PathBuf {
        root().join(format!("tests/golden/relevance/{}.json", self.name))
    }

    fn baseline(&self, (k1, b): (f32, f32)) -> alluvium::Result<Baseline> {
        let run = ask(&self.db, &self.queries, (k1, b))?;
        let evaluation = evaluate(&run, &self.judgements, &Measure::DEFAULT);
        Ok(Baseline::new(&evaluation, &run, &self.queries)
            .parameter("k1", k1)
            .parameter("b", b)
            .parameter("depth", DEPTH)
            .parameter("language", self.language.code())
            .parameter("documents", self.db.collection("documents")?.count()?))
    }
}

fn import(corpus: impl Read, name: &str, language: Language) -> alluvium::Result<Database> {
    let db = Database::in_memory()?;
    let index = TextIndexOptions::all(AnalyzerOptions::for_language(language));
    db.create_collection("documents", &CollectionOptions::new().text_index(index))?;
    let mut transaction = db.begin()?;
    let mut documents = transaction.collection("documents")?;
    for document in CorpusReader::new(BufReader::new(corpus), name) {
        let document = document.expect("a well-formed corpus");
        documents
            .insert(doc! { "_id": document.id, "title": document.title, "text": document.text })?;
    }
    transaction.commit()?;
    Ok(db)
}

fn ask(db: &Database, queries: &[TestQuery], (k1, b): (f32, f32)) -> alluvium::Result<Run> {
    let documents = db.snapshot().collection("documents")?;
    let mut run = Run::new();
    for query in queries {
        let search = documents.search(Query::word(&query.text))?.limit(DEPTH).k1(k1).b(b);
        let mut ranking = Vec::new();
        for hit in search {
            let hit = hit?;
            let id = hit.id()?.as_str().expect("ids are strings").to_owned();
            ranking.push((id, f64::from(hit.score)));
        }
        run.insert(query.id.clone(), ranking).expect("each query once");
    }
    Ok(run)
}

fn map_and_ndcg(evaluation: &Evaluation) -> (f64, f64) {
    let mean = |measure| evaluation.mean(measure).expect("a measure of the default");
    (mean(Measure::Map), mean(Measure::Ndcg(Some(10))))
}

/// What changed, as a reviewer wants to read it: the regression if it is one, and every question that is not as it was.
fn told(name: &str, comparison: &Comparison) -> String {
    let mut text = format!("the ranking of {name} changed\n");
    for mean in &comparison.means {
        let delta = mean.delta();
        let _ = writeln!(text, "  {:<10}  {:.4}  {delta:+.4}", mean.measure, mean.after);
    }
    if let Ok(Some(regression)) = comparison.regression(&Tolerances::new()) {
        let _ = writeln!(text, "{regression}");
    }
    let ids: Vec<&str> = comparison.queries.iter().map(|query| query.id.as_str()).collect();
    let _ = writeln!(
        text,
        "{} of {} questions changed: {}\nUPDATE_GOLDEN=1 cargo test --test relevance writes the baseline anew",
        ids.len(),
        comparison.queries_compared,
        ids.join(", ")
    );
    text
}

#[test]
fn bundled_collections_are_ranked_as_their_baselines_say() -> alluvium::Result<()> {
    assert!(!BUNDLED.is_empty(), "no collection in corpora has a manifest and judgements");
    for judged in BUNDLED.iter() {
        let (path, now) = (judged.baseline_path(), judged.baseline(K1_B)?);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of baselines");
            now.save(&path).expect("a baseline");
        }
        let before = Baseline::open(&path);
        let before = before.unwrap_or_else(|error| {
            panic!("{error}: UPDATE_GOLDEN=1 cargo test --test relevance writes it")
        });
        let comparison = Comparison::new(&before, &now, &judged.judgements);
        assert!(before == now, "{}", told(&judged.name, &comparison));
    }
    Ok(())
}

#[test]
fn another_k1_is_a_regression_that_names_the_questions_it_hurt() -> alluvium::Result<()> {
    let english = BUNDLED.iter().find(|judged| judged.name == "wikipedia-vital-en");
    let english = english.expect("the English collection");
    let before = english.baseline(K1_B)?;
    let regression = |k1| {
        let now = english.baseline((k1, K1_B.1))?;
        let comparison = Comparison::new(&before, &now, &english.judgements);
        let found = comparison.regression(&Tolerances::new()).expect("the same questions");
        Ok::<_, alluvium::Error>((found, comparison))
    };
    let (same, _) = regression(K1_B.0)?;
    assert_eq!(same, None, "nothing changed");

    let (worse, comparison) = regression(0.2)?;
    let worse = worse.expect("a k1 of 0.2 loses recall");
    let parameter = &comparison.parameters[0];
    assert_eq!(parameter.name, "k1");
    assert_eq!(
        (parameter.before.as_deref(), parameter.after.as_deref()),
        (Some("1.2"), Some("0.2"))
    );
    assert!(worse.means.iter().any(|mean| mean.change.measure == Measure::Recall(100)));
    assert!(!worse.queries.is_empty());
    let (message, told) = (worse.to_string(), told(&english.name, &comparison));
    for query in &worse.queries {
        assert!(message.contains(&query.id), "{} is missing in {message}", query.id);
    }
    let lost = worse.queries.iter().flat_map(|query| &query.moves);
    let lost = lost.filter(|moved| moved.grade > Some(0) && moved.after.is_none());
    let lost: Vec<String> = lost.map(ToString::to_string).collect();
    assert!(lost.iter().any(|moved| message.contains(moved.as_str())), "{lost:?} in {message}");
    assert!(told.contains(&message) && told.contains("UPDATE_GOLDEN=1"), "{told}");
    Ok(())
}

#[test]
fn english_collections_reach_the_reference_where_they_are_present() -> alluvium::Result<()> {
    let beside = root().join("../shared/corpora");
    for pair in REFERENCE.chunks(2) {
        let folder = beside.join(pair[0].0);
        let Ok(corpus) = File::open(folder.join("corpus.jsonl")) else { continue };
        let db = import(corpus, pair[0].0, Language::English)?;
        let queries = open_queries(folder.join("queries.jsonl")).expect("queries");
        let judgements = Judgements::open(folder.join("qrels.tsv")).expect("judgements");
        for &(name, k1, b, map, ndcg) in pair {
            let run = ask(&db, &queries, (k1, b))?;
            let found = map_and_ndcg(&evaluate(&run, &judgements, &Measure::DEFAULT));
            let reached = (rounded(found.0, 4) >= map && found.1 >= ndcg - TOLERANCE)
                || (rounded(found.1, 4) >= ndcg && found.0 >= map - TOLERANCE);
            assert!(
                reached,
                "{name} with k1 {k1} and b {b}: {found:?}, reference {map} and {ndcg}"
            );
        }
    }
    Ok(())
}

#[test]
fn translations_reach_the_reference_where_they_are_present() -> alluvium::Result<()> {
    for (code, expected) in REFERENCE_OF_TRANSLATIONS {
        let folder = root().join("../shared/corpora/xquad").join(code);
        let Ok(corpus) = File::open(folder.join("corpus.jsonl")) else { continue };
        let db = import(corpus, code, code.parse().expect("a language"))?;
        let queries = open_queries(folder.join("queries.jsonl")).expect("queries");
        let judgements = Judgements::open(folder.join("qrels.tsv")).expect("judgements");
        let run = ask(&db, &queries, K1_B)?;
        let found = evaluate(&run, &judgements, &[Measure::Mrr]).mean(Measure::Mrr);
        let found = found.expect("the measure");
        assert!(rounded(found, 3) >= expected, "{code}: {found}, reference {expected}");
    }
    Ok(())
}

/// As the reference figures are written.
fn rounded(figure: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (figure * scale).round() / scale
}
