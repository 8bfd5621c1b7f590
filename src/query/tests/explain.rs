//! Explanations against the searches that they explain: every random search checks that numbers add up to the scores, bit for bit, and
//! that documents which do not match are told so. What an explanation says is shown by cases.

use super::{NAME, World, id_of, world_of};
use crate::bson::{RawBsonRef, doc};
use crate::collection::CollectionReader;
use crate::query::{Explanation, Parameters, Plan, Query, Searcher};

/// The explanations of a result, as the naive search has it, and of a document that is none.
pub(super) fn check(
    searcher: Searcher<'_, '_>,
    plan: &Plan,
    parameters: Parameters,
    expected: &[(i32, u32)],
) {
    let collection = searcher.collection;
    let doc = |id| collection.doc_id(RawBsonRef::Int32(id)).unwrap().unwrap();
    if let Some(&(id, score)) = expected.get(expected.len() / 2) {
        let explanation = searcher.explain(plan, parameters, doc(id)).unwrap();
        assert_eq!(explanation.value.to_bits(), score, "{explanation}");
        check_parts(&explanation);
    }
    let all = collection.documents().unwrap().take(20);
    let others = all.map(|document| id_of(&document.unwrap().1));
    let others = others.filter(|id| !expected.iter().any(|found| found.0 == *id));
    for id in others.take(1) {
        let explanation = searcher.explain(plan, parameters, doc(id)).unwrap();
        assert_eq!(explanation.value.to_bits(), 0);
        assert_eq!(explanation.what, "the document does not match");
        assert!(!explanation.parts.is_empty());
    }
}

/// The parts of an explanation come to what they are said to.
fn check_parts(explanation: &Explanation) {
    let sum = explanation.parts.iter().fold(0.0_f32, |sum, part| sum + part.value);
    assert_eq!(sum.to_bits(), explanation.value.to_bits(), "{explanation}");
    for share in &explanation.parts {
        if let Some(rest) = share.what.strip_prefix("the best of these") {
            check_best(share, rest);
            continue;
        }
        if share.what.starts_with("constant") {
            let sum: f64 = share.parts.iter().map(|part| f64::from(part.value)).sum();
            assert!((sum - f64::from(share.value)).abs() <= sum * 1e-6, "{share}");
            continue;
        }
        if share.what.ends_with("weight · tf / (tf + k1)") {
            check_across(share);
            continue;
        }
        let [weight, tf, norm] = share.parts.as_slice() else { panic!("{share}") };
        let value = weight.value * (tf.value / (tf.value + norm.value));
        assert_eq!(value.to_bits(), share.value.to_bits(), "{share}");
        let product: f32 = weight.parts.iter().map(|part| part.value).product();
        assert!((product - weight.value).abs() <= product * 1e-5, "{weight}");
        let [k1, b, length, average] = norm.parts.as_slice() else { panic!("{norm}") };
        let expected = k1.value * ((1.0 - b.value) + b.value * (length.value / average.value));
        assert_eq!(expected.to_bits(), norm.value.to_bits(), "{norm}");
        for sum in weight.parts.iter().filter(|part| !part.parts.is_empty()) {
            let of_parts: f32 = sum.parts.iter().map(|part| part.value).sum();
            assert!((of_parts - sum.value).abs() <= of_parts * 1e-5, "{sum}");
        }
    }
}

/// A clause across fields.
fn check_across(share: &Explanation) {
    let [weight, tf, k1] = share.parts.as_slice() else { panic!("{share}") };
    let near = |found: f32, expected: f32| {
        assert!((found - expected).abs() <= expected.abs() * 1e-5, "{share}");
    };
    near(share.value, weight.value * (tf.value / (tf.value + k1.value)));
    near(weight.value, weight.parts.iter().map(|part| part.value).product());
    near(tf.value, tf.parts.iter().map(|field| field.value).sum());
    for field in &tf.parts {
        let [weight, occurrences, factor] = field.parts.as_slice() else { panic!("{share}") };
        near(field.value, weight.value * occurrences.value / factor.value);
        let [b, length, average] = factor.parts.as_slice() else { panic!("{share}") };
        near(factor.value, (1.0 - b.value) + b.value * (length.value / average.value));
    }
}

/// The best of alternatives, and what `rest` says of the others.
fn check_best(share: &Explanation, rest: &str) {
    let tie_breaker = rest.split(' ').nth(2).map_or(0.0, |text| text.parse::<f32>().unwrap());
    let (best, others) = share.parts.split_first().unwrap();
    let others = others.iter().inspect(|other| assert!(other.value <= best.value, "{share}"));
    let sum = others.fold(0.0_f32, |sum, other| sum + other.value);
    assert_eq!(share.value.to_bits(), (best.value + tie_breaker * sum).to_bits(), "{share}");
    share.parts.iter().for_each(check_parts);
}

/// The explanation of one document of a world.
fn explain(world: &World, query: &Query, id: i32) -> String {
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &index);
    let (plan, _) = searcher.plan(query).unwrap();
    let doc = collection.doc_id(RawBsonRef::Int32(id)).unwrap().unwrap();
    searcher.explain(&plan, Parameters::default(), doc).unwrap().to_string()
}

#[test]
fn the_page_shows_an_explanation() {
    let world = world_of(&["gold and gold", "river bed", "the bed of a river of gold"]);
    let query = Query::user("gold^2 \"river of\" * -sand").query;
    let shown = explain(&world, &query, 2);
    let page = include_str!("../../../docs/scoring.md");
    assert!(page.contains(&format!("```text\n{shown}\n```")), "{shown}");
}

#[test]
fn reasons_tell_why_a_document_does_not_match() {
    let world = world_of(&["gold river", "sand"]);
    let year = Query::filter(doc! { "year": 1848 }).must();
    let cases = [
        (
            Query::user("+gold +body:\"river bed\"").query,
            0,
            "required, and missing: \"river bed\" in body",
        ),
        (Query::user("gold -riv*").query, 0, "excluded, and there: riv*"),
        (Query::user("gold rivr~").query, 1, "nothing that the query asks for occurs"),
        (
            Query::user("x (sand AND gold)").query,
            1,
            "no group of the query holds in which something occurs",
        ),
        (Query::word("sand").with(year), 1, "required, and missing: { \"year\": 1848 }"),
        (
            Query::near("gold sand", 3).must().with(Query::all()),
            1,
            "required, and missing: NEAR(gold sand, 3)",
        ),
    ];
    for (query, id, reason) in cases {
        let expected = format!("0 the document does not match\n  0 {reason}");
        assert_eq!(explain(&world, &query, id), expected, "{query}");
    }
}
