//! Measures against `pytrec_eval` and `gdeval`, and loaders against real collections.
//!
//! Every pair `NAME.qrels.tsv`, `NAME.run.tsv` in `tests/data/eval` is measured twice: in the order
//! of the run and in `trec_eval`'s order. `expected.json` has what the two said, query by
//! query; `make_expected.py` beside it made all of them and tells how.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{CorpusReader, Judgements, Measure, Run, TestCollection, evaluate, read_queries};

/// Both sides compute in f64 with the same formulas; only the order of summation may differ.
const TOLERANCE: f64 = 1e-12;
/// `gdeval` prints five places after the point.
const TOLERANCE_GDEVAL: f64 = 5.001e-6;

/// Measures by name, as a mean or of one query.
type Values = BTreeMap<String, f64>;

#[derive(Deserialize)]
struct Expected {
    as_ranked: Theirs,
    trec_order: Theirs,
}

#[derive(Deserialize)]
struct Theirs {
    means: Values,
    per_query: BTreeMap<String, Values>,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eval")
}

fn assert_equal(name: &str, run: &Run, judgements: &Judgements, theirs: &Theirs) {
    let measures: Vec<Measure> = theirs.means.keys().map(|key| key.parse().unwrap()).collect();
    let ours = evaluate(run, judgements, &measures);
    let queries = ours.per_query().map(|(query, _)| query);
    assert!(queries.eq(theirs.per_query.keys()), "{name}: other queries");
    for measure in measures {
        let key = measure.key();
        let tolerance = match measure {
            Measure::ExpectedReciprocalRank(_) => TOLERANCE_GDEVAL,
            _ => TOLERANCE,
        };
        let close = |what: &str, ours: Option<f64>, theirs: f64| {
            let ours = ours.unwrap();
            let far = (ours - theirs).abs();
            assert!(far <= tolerance, "{name}, {what}: {measure} {ours}, not {theirs}");
        };
        for (query, values) in &theirs.per_query {
            close(query, ours.value(query, measure), values[&key]);
        }
        close("mean", ours.mean(measure), theirs.means[&key]);
    }
}

#[test]
fn measures_equal_those_of_pytrec_eval_and_gdeval() {
    let expected = fs::read(data().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_slice(&expected).unwrap();
    assert!(expected.len() >= 3);
    for (name, expected) in expected {
        assert!(expected.as_ranked.means.len() >= 13, "{name}");
        let judgements = Judgements::open(data().join(format!("{name}.qrels.tsv"))).unwrap();
        let run = Run::open(data().join(format!("{name}.run.tsv"))).unwrap();
        assert_equal(&name, &run, &judgements, &expected.as_ranked);
        let sorted = run.into_trec_order();
        let name = format!("{name} in trec_eval's order");
        assert_equal(&name, &sorted, &judgements, &expected.trec_order);
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
    const PIECES: [&[u8]; 19] = [
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
        b"<top>",
        b"</top>",
        b"<num>",
        b"<title>",
        b"<",
        b">",
        b"{\"query\":\"q\",\"document\":\"d\",\"grade\":1}",
    ];
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..5_000 {
        let pieces = random.usize(0..16);
        let bytes: Vec<u8> =
            (0..pieces).flat_map(|_| PIECES[random.usize(..PIECES.len())]).copied().collect();
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
        let evaluation = evaluate(&Run::new(), collection.judgements(), &Measure::DEFAULT);
        assert_eq!(evaluation.queries(), judged, "{name}");
    }
}
