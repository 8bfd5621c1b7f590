//! Searches that go on behind a position against those that begin at the front: all random searches are paged through here, and asked
//! to go on behind places where no document stands. The pages together have to be the ranking, which other tests prove.

use super::world_of;
use crate::collection::CollectionReader;
use crate::fts::DocId;
use crate::query::{Parameters, Plan, Position, Query, RankedDoc, ScoredDoc, Searcher};

/// Results of a ranking that are looked at.
const RANKING_LEN: usize = 3000;

/// Whether a document is ranked behind a position.
fn is_behind(found: &RankedDoc, after: &Position) -> bool {
    let by_doc =
        found.score.to_bits() == after.scored.score.to_bits() && found.doc > after.scored.doc;
    let by_score = found.score < after.scored.score || by_doc;
    match (found.is_corrected, after.is_corrected) {
        (true, false) => true,
        (false, true) => false,
        _ => by_score,
    }
}

/// Pages through a ranking, and goes on behind random places.
pub(super) fn check(
    searcher: Searcher<'_, '_>,
    plan: &Plan,
    as_typed: Option<&Plan>,
    parameters: Parameters,
    rng: &mut fastrand::Rng,
) {
    let search = |after: Option<Position>, offset: usize, limit: usize| {
        searcher.search_tiers(plan, as_typed, parameters, after, offset, limit).unwrap()
    };
    let all = search(None, 0, RANKING_LEN);
    let (mut pages, mut after): (Vec<RankedDoc>, _) = (Vec::new(), None);
    while pages.len() < all.len() {
        let limit = rng.usize(1..all.len() / 2 + 2);
        let page = search(after, 0, limit);
        let rest = &all[pages.len()..];
        assert_eq!(page.len().min(rest.len()), limit.min(rest.len()));
        after = page.last().map(RankedDoc::position);
        pages.extend(page);
    }
    assert_eq!(pages[..all.len()], all);
    if all.len() < RANKING_LEN {
        assert_eq!(search(after, 0, 9).len(), 0);
    }
    let Some(hit) = rng.choice(&all) else { return };
    let score = *rng.choice(&[hit.score, hit.score.next_up(), hit.score.next_down()]).unwrap();
    let doc = DocId::new(hit.doc.number() + rng.u64(..3)).unwrap();
    let scored = ScoredDoc { doc, score: score.max(0.0) };
    let after = Position { is_corrected: rng.bool(), scored };
    let (offset, limit) = (rng.usize(..4), rng.usize(..9));
    let behind = all.iter().copied().filter(|found| is_behind(found, &after));
    let expected: Vec<RankedDoc> = behind.skip(offset).take(limit).collect();
    let found = search(Some(after), offset, limit);
    // What is behind the last that was looked at is not known.
    let known = found.len() == expected.len() || all.len() == RANKING_LEN;
    assert!(known && found.starts_with(&expected), "{after} {offset} {limit}");
}

#[test]
fn among_documents_of_equal_scores_pages_go_on_by_their_order() {
    let world = world_of(&["gold"; 700]);
    let snapshot = world.store.snapshot();
    let collection = CollectionReader::open(&snapshot, super::NAME).unwrap().unwrap();
    let index = collection.text_index(None).unwrap();
    let searcher = Searcher::new(&collection, &index);
    let (plan, _) = searcher.plan(&Query::word("gold")).unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..5 {
        check(searcher, &plan, None, Parameters::default(), &mut rng);
    }
    // How much was passed is no matter, but how much is asked for.
    let search = |after, offset| {
        searcher
            .search_after(&plan, Parameters::default(), after, offset, 1)
            .map(|found| found.len())
    };
    let first = searcher.search(&plan, Parameters::default(), 0, 1).unwrap().pop();
    assert_eq!((search(first, 698).unwrap(), search(first, 699).unwrap()), (1, 0));
    assert!(search(first, crate::query::RESULTS_LEN_MAX).is_err());
}
