//! Measures against `pytrec_eval`, and loaders against real collections.
//!
//! Every pair `NAME.qrels.tsv`, `NAME.run.tsv` in `tests/data/eval` is measured twice: in the order
//! of the run and in `trec_eval`'s order. `expected.json` has what `pytrec_eval` said, query by
//! query; `make_expected.py` beside it made all of them and tells how.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    CorpusReader, Evaluation, Judgements, MeasureSummary, QueryMeasures, Run, TestCollection,
    evaluate, read_queries,
};

/// Both sides compute in f64 with the same formulas; only the order of summation may differ.
const TOLERANCE: f64 = 1e-12;

#[derive(Deserialize)]
struct Expected {
    as_ranked: Evaluation,
    trec_order: Evaluation,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval")
}

fn assert_close(name: &str, ours: [f64; 5], theirs: [f64; 5]) {
    const MEASURES: [&str; 5] = ["average precision", "P@10", "nDCG@10", "recall@100", "RR"];
    for ((measure, ours), theirs) in MEASURES.into_iter().zip(ours).zip(theirs) {
        assert!((ours - theirs).abs() <= TOLERANCE, "{name}: {measure} {ours}, not {theirs}");
    }
}

fn of_query(m: &QueryMeasures) -> [f64; 5] {
    [m.average_precision, m.p_at_10, m.ndcg_at_10, m.recall_at_100, m.reciprocal_rank]
}

fn of_summary(m: &MeasureSummary) -> [f64; 5] {
    [m.map, m.p_at_10, m.ndcg_at_10, m.recall_at_100, m.mrr]
}

fn assert_equal(name: &str, ours: &Evaluation, theirs: &Evaluation) {
    assert!(ours.per_query.keys().eq(theirs.per_query.keys()), "{name}: other queries");
    for (query, measures) in &ours.per_query {
        let theirs = &theirs.per_query[query];
        assert_close(&format!("{name}, query {query}"), of_query(measures), of_query(theirs));
    }
    assert_eq!(ours.summary.queries, theirs.summary.queries, "{name}");
    assert_close(name, of_summary(&ours.summary), of_summary(&theirs.summary));
}

#[test]
fn measures_equal_those_of_pytrec_eval() {
    let expected = fs::read(data().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() >= 2);
    for (name, expected) in expected {
        let judgements = Judgements::open(data().join(format!("{name}.qrels.tsv"))).unwrap();
        let run = Run::open(data().join(format!("{name}.run.tsv"))).unwrap();
        assert_equal(&name, &evaluate(&run, &judgements), &expected.as_ranked);
        let sorted = evaluate(&run.into_trec_order(), &judgements);
        assert_equal(&format!("{name} in trec_eval's order"), &sorted, &expected.trec_order);
    }
}

#[test]
fn the_random_run_has_the_difficult_cases() {
    let judgements = Judgements::open(data().join("random.qrels.tsv")).unwrap();
    let run = Run::open(data().join("random.run.tsv")).unwrap();
    let relevant = |query: &str| {
        judgements.grades(query).is_some_and(|grades| grades.values().any(|&grade| grade > 0))
    };
    let judged = || judgements.iter().map(|(query, _)| query);
    assert!(judged().any(|query| !relevant(query)), "a query with nothing relevant");
    assert!(judged().any(|query| relevant(query) && run.ranking(query).is_empty()), "no answer");
    assert!(run.iter().any(|(query, _)| judgements.grades(query).is_none()), "not judged");
    assert!(run.iter().any(|(query, ranking)| relevant(query) && ranking.len() < 10), "short");
    assert!(run.iter().any(|(query, ranking)| relevant(query) && ranking.len() > 100), "long");
    assert!(judgements.iter().any(|(_, grades)| grades.values().any(|&grade| grade < 0)));
    assert_ne!(run, run.clone().into_trec_order(), "equal scores in another order");
}

#[test]
fn readers_survive_arbitrary_bytes() {
    const PIECES: [&[u8]; 12] = [
        b"\t",
        b"\n",
        b"\r\n",
        b" ",
        b"q1",
        b"Q0",
        b"1",
        b"-2.5",
        b"{\"_id\":\"1\",\"text\":\"x\"}",
        b"\xFF",
        b"\xEF\xBB\xBF",
        b"\"",
    ];
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..3_000 {
        let pieces = random.usize(0..16);
        let bytes: Vec<u8> =
            (0..pieces).flat_map(|_| PIECES[random.usize(..12)]).copied().collect();
        let _ = Judgements::read(bytes.as_slice(), "x");
        let _ = Run::read(bytes.as_slice(), "x");
        let _ = read_queries(bytes.as_slice(), "x");
        let _ = CorpusReader::new(bytes.as_slice(), "x").count();
    }
}

/// Collections that may not be published stand beside the project, on some machines only.
#[test]
fn collections_beside_the_project_load_where_they_are_present() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let collections = [
        ("cranfield", 1_400, 225),
        ("cisi", 1_460, 76),
        ("med", 1_033, 30),
        ("scifact", 5_183, 300),
        ("xquad/hi", 240, 1_190),
    ];
    for (name, documents, judged) in collections {
        let folder = shared.join(name);
        if !folder.exists() {
            continue;
        }
        let collection = TestCollection::open(&folder).unwrap();
        let read = collection.documents().unwrap().map(|document| document.unwrap().id);
        let ids: HashSet<String> = read.collect();
        assert_eq!(ids.len(), documents, "{name}");
        let evaluation = evaluate(&Run::new(), collection.judgements());
        assert_eq!(evaluation.summary.queries, judged, "{name}");
    }
}
