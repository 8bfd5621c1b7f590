//! Words of two syllables with a space between: neighbours of a query count as one more word.
//!
//! Compared with a twin index without a language, of which each pair is asked for as a phrase.

use super::alternatives::{filled, with_hits};
use super::*;
use crate::fts::DocId;

const SYLLABLES: [&str; 5] = ["hành", "tinh", "xanh", "sao", "7"];

fn hits(world: &World, query: &Query) -> Vec<(DocId, u32)> {
    with_hits(world, query, |_, _, hits| {
        hits.into_iter().map(|hit| (hit.doc, hit.score.to_bits())).collect()
    })
}

/// A document in which words, and the words of others too, are.
fn document(rng: &mut fastrand::Rng, id: i32) -> RawDocumentBuf {
    let mut text = || -> String {
        let words = (0..rng.usize(..12)).map(|_| SYLLABLES[rng.usize(..SYLLABLES.len())]);
        words.collect::<Vec<_>>().join(" ")
    };
    rawdoc! { "_id": id, "title": text(), "text": text() }
}

#[test]
fn neighbours_count_as_a_word_of_two_syllables() {
    let mut rng = fastrand::Rng::with_seed(56);
    let documents: Vec<_> = (0..120).map(|id| document(&mut rng, id)).collect();
    let of = |language| {
        let analyzer = AnalyzerOptions { language, ..AnalyzerOptions::default() };
        TextIndexOptions::chosen([("title", 2.0), ("text", 1.0)], analyzer)
    };
    let syllables = filled(of(Some(Language::Vietnamese)), documents.clone());
    let plain = filled(of(None), documents);
    for (query, with_pairs) in [
        ("hành", "hành"),
        ("hành tinh", r#"hành tinh "hành tinh"^0.5"#),
        ("hành tinh xanh", r#"hành tinh xanh "hành tinh"^0.5 "tinh xanh"^0.5"#),
        ("tinh, tinh; tinh", r#"tinh tinh tinh "tinh tinh"^0.5 "tinh tinh"^0.5"#),
        ("+hành +tinh", r#"+hành +tinh "hành tinh"^0.5"#),
        ("+hành tinh xanh", r#"+hành tinh xanh "tinh xanh"^0.5"#),
        ("hành tinh -xanh -sao", r#"hành tinh -xanh -sao "hành tinh"^0.5"#),
        ("title:hành title:tinh sao", r#"title:hành title:tinh sao title:"hành tinh"^0.5"#),
        ("title:hành tinh", "title:hành tinh"),
        ("title:(hành tinh)", r#"title:(hành tinh "hành tinh"^0.5)"#),
        ("+(hành tinh)^2 sao", r#"+(hành tinh "hành tinh"^0.5)^2 sao"#),
        ("hành^2 tinh", "hành^2 tinh"),
        (r#""hành tinh""#, r#""hành tinh""#),
        ("hành* tinh", "hành* tinh"),
        ("sao 7", r#"sao 7 "sao 7"^0.5"#),
    ] {
        let parsed = |text: &str| Query::parse(text).unwrap();
        let found = hits(&syllables, &parsed(query));
        assert!(!found.is_empty(), "{query}");
        assert_eq!(found, hits(&plain, &parsed(with_pairs)), "{query}");
    }
    // A text in one clause, as questions of a collection are asked.
    let pair = || Query::phrase("hành tinh").boost(0.5);
    assert_eq!(
        hits(&syllables, &Query::word("hành tinh")),
        hits(&plain, &Query::word("hành tinh").with(pair()))
    );
    assert_eq!(
        hits(&syllables, &Query::all_words("hành tinh")),
        hits(&plain, &Query::all_words("hành tinh").with(pair()))
    );
}

#[test]
fn neighbours_count_where_documents_name_the_language() {
    let options = TextIndexOptions::chosen([("text", 1.0)], AnalyzerOptions::default())
        .by_language("lang", [Language::Vietnamese]);
    let documents = vec![
        rawdoc! { "_id": 0, "text": "tinh xa hành sao sao" },
        rawdoc! { "_id": 1, "text": "xa sao hành tinh sao", "lang": "vi" },
    ];
    let world = filled(options, documents);
    let found = hits(&world, &Query::user("hành tinh").query);
    assert_eq!(found[0].0.number(), 1);
    assert!(found[0].1 > found[1].1, "{found:?}");
}
