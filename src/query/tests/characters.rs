//! Words of one character, in scripts that are indexed by pairs: they are found wherever the character stands.
//!
//! Compared with a twin that looks for characters in the texts as they stand.

use super::alternatives::{filled, found, ids};
use super::*;
use crate::fts::Tokenizer;

const CHARACTERS: [&str; 12] = ["水", "河", "金", "の", "ガ", "น้", "น", "ก", " ", " ", "、", "a"];

fn texts(rng: &mut fastrand::Rng, count: usize) -> Vec<String> {
    let text = |len| (0..len).map(|_| CHARACTERS[rng.usize(..CHARACTERS.len())]).collect();
    (0..count)
        .map(|number| number % 9)
        .map(text)
        .map(|text: String| text.trim().to_owned())
        .collect()
}

/// Characters of a text, each with its marks, and where they begin.
fn characters(text: &str) -> Vec<(usize, &str)> {
    let is_base = |&(_, c): &(usize, char)| c != '\u{E49}';
    let starts: Vec<usize> = text.char_indices().filter(is_base).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| (start, &text[start..end])).collect()
}

fn holds(text: &str, character: &str) -> bool {
    characters(text).iter().any(|(_, found)| *found == character)
}

/// A text in which all of these characters are marked, side by side together.
fn marked(text: &str, wanted: &[&str]) -> String {
    let shown = |(_, character): (usize, &str)| {
        let mark = if wanted.contains(&character) { "**" } else { "" };
        format!("{mark}{character}{mark}")
    };
    characters(text).into_iter().map(shown).collect::<String>().replace("****", "")
}

#[test]
fn characters_are_found_wherever_they_stand() {
    let mut rng = fastrand::Rng::with_seed(31);
    let texts = texts(&mut rng, 90);
    let documents =
        (0..).zip(&texts).map(|(id, text)| rawdoc! { "_id": id, "text": text.as_str() });
    let world = filled(TextIndexOptions::all(AnalyzerOptions::default()), documents.collect());
    let expected = |is: &dyn Fn(&str) -> bool| -> Vec<i32> {
        (0..).zip(&texts).filter(|(_, text)| is(text)).map(|(id, _)| id).collect()
    };
    for one in &CHARACTERS[..8] {
        let holding = (0..).zip(&texts).filter(|(_, text)| holds(text, one));
        let all: Vec<_> = holding.map(|(id, text)| (id, marked(text, &[*one]))).collect();
        assert!(!all.is_empty());
        for query in
            [(*one).to_owned(), format!("+{one}"), format!("\"{one}\""), format!("text:{one}")]
        {
            assert_eq!(found(&world, &query), all, "{query}");
        }
        for other in CHARACTERS[..8].iter().filter(|other| *other != one) {
            let (is_one, is_other) =
                (|text: &str| holds(text, one), |text: &str| holds(text, other));
            for (query, expected) in [
                (format!("{one} {other}"), expected(&|text| is_one(text) || is_other(text))),
                (format!("+{one} +{other}"), expected(&|text| is_one(text) && is_other(text))),
                (format!("+{one} -{other}"), expected(&|text| is_one(text) && !is_other(text))),
            ] {
                assert_eq!(ids(&world, &query), expected, "{query}");
            }
            // A pair stands for itself.
            if one.starts_with(|c| c > '\u{3000}') && other.starts_with(|c| c > '\u{3000}') {
                let pair = format!("{one}{other}");
                assert_eq!(ids(&world, &pair), expected(&|text| text.contains(&pair)), "{pair}");
            }
        }
    }
}

#[test]
fn characters_that_are_in_many_pairs_are_found_in_all_of_them() {
    // More pairs than score.
    let others = (0x4E00..0x4E80).filter_map(char::from_u32);
    let documents: Vec<_> = (0..)
        .zip(others)
        .map(|(id, c): (i32, char)| {
            rawdoc! { "_id": id, "text": format!("{c}金") }
        })
        .collect();
    let len = documents.len();
    let world = filled(TextIndexOptions::all(AnalyzerOptions::default()), documents);
    let all = found(&world, "金");
    assert_eq!(all.len(), len);
    assert!(all.iter().all(|(_, text)| text.ends_with("**金**")), "{all:?}");
}

#[test]
fn what_stands_beside_a_character_and_other_tokenizers_change_nothing() {
    let english = AnalyzerOptions::for_language(Language::English);
    let options = TextIndexOptions::chosen([("text", 1.0), ("tag", 1.0)], english)
        .field_analyzer("tag", AnalyzerOptions::default().tokenizer(Tokenizer::Keyword))
        .by_language("lang", [Language::Korean]);
    let documents = vec![
        rawdoc! { "_id": 1, "text": "東京都の水", "tag": "水道" },
        rawdoc! { "_id": 2, "text": "第5章", "tag": "水" },
        rawdoc! { "_id": 3, "text": "강물이", "lang": "ko" },
        rawdoc! { "_id": 4, "text": "강물이" },
        rawdoc! { "_id": 5, "text": "ｶﾞﾗｽ ㍿ 水水" },
    ];
    let world = filled(options, documents);
    for (query, expected) in [
        ("水", vec![1, 2, 5]),
        ("text:水", vec![1, 5]),
        ("tag:水", vec![2]),
        ("京", vec![1]),
        ("京都", vec![1]),
        ("\"都の 水\"", vec![]),
        ("+第 +章", vec![2]),
        ("강", vec![3]),
        ("ガ", vec![5]),
        ("水~", vec![2]),
    ] {
        assert_eq!(ids(&world, query), expected, "{query}");
    }
    let shown = |query: &str| -> Vec<String> {
        found(&world, query).into_iter().map(|(_, text)| text).collect()
    };
    assert_eq!(shown("text:水"), ["東京都の**水**", "ｶﾞﾗｽ ㍿ **水水**"]);
    assert_eq!(shown("ガ"), ["**ｶﾞ**ﾗｽ ㍿ 水水"]);
    assert_eq!(shown("京 の水"), ["東**京**都**の水**"]);
}
