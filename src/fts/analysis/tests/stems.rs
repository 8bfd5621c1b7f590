//! Stemmers against Snowball's vocabularies: `tests/data/snowball/README.md` says which and what differs.
//!
//! Samples and words of our own are always compared; whole vocabularies where `ALLUVIUM_SNOWBALL` names their folder, in which case the
//! number of words that are stemmed otherwise has to be the one that is written down.

use std::path::Path;

use super::super::stem::{Stemmer, stemmer};
use super::*;

const SAMPLES: &str = include_str!("../../../../tests/data/snowball/samples.tsv");
const OWN: &str = include_str!("../../../../tests/data/snowball/own.tsv");
const COUNTS: &str = include_str!("../../../../tests/data/snowball/counts.tsv");

/// Samples of words that current Snowball stems otherwise than in 2021, by language.
#[cfg(feature = "snowball")]
const CHANGED: [(Language, usize); 5] = [
    (Language::Dutch, 65),
    (Language::German, 5),
    (Language::Romanian, 26),
    (Language::Swedish, 1),
    (Language::Turkish, 9),
];

fn rows(text: &str) -> impl Iterator<Item = (Language, &str, &str)> {
    text.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        (cells[0].parse().unwrap(), cells[1], cells[2])
    })
}

fn of(stemmers: Stemmers, language: Language) -> Box<dyn Stemmer> {
    stemmer(stemmers, language).unwrap().unwrap()
}

#[test]
fn samples_of_snowballs_vocabularies_have_its_stems() {
    let mut differing = Vec::new();
    for (language, word, stem) in rows(SAMPLES).chain(rows(OWN)) {
        // As normalisation has it, which the algorithm of before 2018 does not do by itself.
        let word = if language == Language::Russian { &word.replace('ё', "е") } else { word };
        let found = of(Stemmers::Classic, language).stem(word).into_owned();
        if found != stem {
            differing.push((language, word.to_owned(), stem, found));
        }
    }
    assert!(differing.is_empty(), "{differing:?}");
}

#[cfg(feature = "snowball")]
#[test]
fn current_snowball_has_the_same_stems_but_where_it_changed() {
    let mut changed = std::collections::BTreeMap::<Language, usize>::new();
    for (language, word, stem) in rows(SAMPLES).chain(rows(OWN)) {
        let found = of(Stemmers::Snowball, language).stem(word).into_owned();
        *changed.entry(language).or_default() += usize::from(found != stem);
    }
    changed.retain(|_, count| *count > 0);
    assert_eq!(changed, CHANGED.into());
}

#[test]
fn whole_vocabularies_differ_as_often_as_is_written_down() {
    let Some(folder) = std::env::var_os("ALLUVIUM_SNOWBALL") else { return };
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for line in COUNTS.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let language: Language = cells[0].parse().unwrap();
        let read = |name: &str| {
            std::fs::read_to_string(Path::new(&folder).join(cells[0]).join(name))
                .unwrap_or_default()
        };
        let (mut words, stems) = (read("voc.txt"), read("output.txt"));
        if language == Language::Russian {
            words = words.replace('ё', "е");
        }
        if words.is_empty() {
            // Debian compresses the Arabic list.
            continue;
        }
        let mut counts = vec![words.lines().count().to_string()];
        for (stemmers, written) in [(Stemmers::Classic, cells[2]), (Stemmers::Snowball, cells[3])] {
            let Ok(Some(stemmer)) = stemmer(stemmers, language) else {
                counts.push(written.to_owned());
                continue;
            };
            let pairs = words.lines().zip(stems.lines());
            // Where nothing would be left, the word stays.
            let stem_of = |(word, stem): (&'_ str, &'_ str)| {
                if stem.is_empty() { word } else { stem }.to_owned()
            };
            let differing = pairs.filter(|&pair| stemmer.stem(pair.0) != stem_of(pair)).count();
            counts.push(differing.to_string());
        }
        found.push(format!("{} {}", cells[0], counts.join(" ")));
        expected.push(line.replace('\t', " "));
    }
    assert_eq!(found, expected);
}

#[test]
fn numbers_are_left_alone() {
    for language in Language::ALL {
        for stemmers in [Stemmers::Classic, Stemmers::Snowball] {
            let Ok(Some(stemmer)) = stemmer(stemmers, language) else { continue };
            for number in ["1999", "2000", "100", "3.55", "11", "0"] {
                assert_eq!(stemmer.stem(number), number, "{language}");
            }
        }
    }
}

#[test]
fn no_word_ends_the_process_and_no_stem_is_empty() {
    let words: Vec<&str> = rows(SAMPLES).chain(rows(OWN)).map(|(_, word, _)| word).collect();
    let mut random = fastrand::Rng::with_seed(29);
    for language in Language::ALL {
        for stemmers in [Stemmers::Classic, Stemmers::Snowball] {
            let Ok(Some(stemmer)) = stemmer(stemmers, language) else { continue };
            for _ in 0..300 {
                let [one, other] = [0, 0].map(|_| words[random.usize(..words.len())]);
                let cut = |word: &str, at: usize| {
                    word.char_indices().nth(at).map_or(word.len(), |(at, _)| at)
                };
                let (head, tail) = (cut(one, random.usize(..8)), cut(other, random.usize(..8)));
                let word = format!("{}{}", &one[..head], &other[tail..]);
                assert!(word.is_empty() || !stemmer.stem(&word).is_empty(), "{language} {word}");
            }
        }
    }
}
