//! Distinct hits against a loop over the whole ranking, which other tests prove. The random searches of the parent call [`check`], which asks
//! for what is left of the ranking when each value counts once, in pages, and how much that is.

use std::collections::HashSet;

use crate::bson::{Bson, Document, RawDocumentBuf};
use crate::query::{Parameters, Plan, Position, RankedDoc, Searcher};

/// The value of a document at a dotted path through documents.
fn value_at(document: &RawDocumentBuf, path: &str) -> Option<Bson> {
    let document = Document::try_from(&**document).unwrap();
    let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
    match (document.get(first)?, rest) {
        (Bson::Document(inner), Some(rest)) => inner.get(rest).cloned(),
        (_, Some(_)) => None,
        (Bson::Array(values), None) => {
            let texts = values.iter().filter_map(Bson::as_str);
            texts.min().map(|text| Bson::String(text.to_owned()))
        }
        (value, None) => Some(value.clone()),
    }
}

/// Asks for distinct hits of a ranking.
pub(super) fn check(
    searcher: Searcher<'_, '_>,
    plan: &Plan,
    parameters: Parameters,
    rng: &mut fastrand::Rng,
) {
    let mut ranking = |after, limit| searcher.search_tiers(plan, None, parameters, after, 0, limit);
    let all = ranking(None, 3000).unwrap();
    let path = *rng.choice(&["n", "author.name", "tags", "nothing"]).unwrap();
    let mut seen = HashSet::new();
    let is_new = |found: &&RankedDoc| {
        let document = searcher.collection.document(found.doc).unwrap().unwrap();
        value_at(&document, path).is_none_or(|value| seen.insert(value.to_string()))
    };
    let expected: Vec<RankedDoc> = all.iter().filter(is_new).copied().collect();
    assert_eq!(searcher.count_distinct(plan, path).unwrap(), expected.len() as u64, "{path}");
    let (offset, limit) = (rng.usize(..5), rng.usize(..40));
    let found = searcher.distinct(path, &mut ranking, None, offset, limit).unwrap();
    let page: Vec<RankedDoc> = expected.iter().copied().skip(offset).take(limit).collect();
    assert_eq!(found, page, "{path}");
    let (mut pages, mut after): (Vec<RankedDoc>, Option<Position>) = (Vec::new(), None);
    loop {
        let page = searcher.distinct(path, &mut ranking, after, 0, 1 + limit).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.position());
        pages.extend(page);
    }
    assert_eq!(pages, expected, "{path}");
}
