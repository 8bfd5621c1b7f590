//! Queries sampled from a corpus: the same for the same corpus, seed and number.
//!
//! Every class gets as many. Words are told apart by how many documents hold them:
//!
//! ```text
//! frequent    a hundredth of the documents or more
//! middling    between
//! rare        fewer than one of 5,000 documents, or than 10; at least 2
//! ```
//! * **Terms**: a third of each kind, every word of a kind as likely as another.
//! * **All others** are sequences of two to five words, as many of each length, from a place in a document, both as likely
//!   as others. Half of each length is taken as it comes, which is mostly frequent words; half holds a rare or middling
//!   one at least. Words of one query differ, except in phrases.
//!
//! Of a sequence `a b c` there become `a b c`, `+a +b +c`, `"a b c"`, `+a b c` and `a b -c`.
//!
//! **Patterns** are made of words that are taken as terms are, of five characters at least: the first three or more of them; one of
//! them anywhere, and what follows the third one from there; one or two of them exchanged for another letter.

use std::collections::{HashMap, HashSet};

use super::corpus::Documents;
use super::queries::{Class, Query};
use crate::Result;

/// What the sampler begins with.
const SEED: u64 = 11;
/// Tries for one query before the corpus is held to be too small.
const TRIES: usize = 100_000;
/// Characters of a word that a pattern is made of.
const PATTERN_CHARS_MIN: usize = 5;
/// Words of a sequence.
const LENGTHS: [usize; 4] = [2, 3, 4, 5];

/// How many documents hold each word.
type Frequencies<'d> = HashMap<&'d str, u32>;

/// `per_class` queries of every one of some classes.
pub(crate) fn sample(
    documents: &Documents,
    classes: &[Class],
    per_class: usize,
) -> Result<Vec<Query>> {
    let mut sampler = Sampler::new(documents);
    let (mut queries, mut known) = (Vec::new(), HashSet::new());
    for &class in classes {
        for index in 0..per_class {
            let text = (0..TRIES)
                .filter_map(|_| sampler.query(class, index))
                .find(|text| !known.contains(text));
            let text = text.ok_or_else(|| {
                format!(
                    "the corpus is too small for {per_class} queries of the class {}",
                    class.name()
                )
            })?;
            let query = Query::parse(&text)?;
            debug_assert_eq!(query.class, class);
            queries.push(query);
            known.insert(text);
        }
    }
    Ok(queries)
}

struct Sampler<'d> {
    documents: &'d Documents,
    rng: fastrand::Rng,
    frequencies: Frequencies<'d>,
    /// From how many documents on a word is frequent.
    frequent: u32,
    /// Frequent, middling and rare words; kinds that no word has are left out.
    kinds: Vec<Vec<&'d str>>,
}

impl<'d> Sampler<'d> {
    fn new(documents: &'d Documents) -> Self {
        let frequencies = frequencies(documents);
        let len = u32::try_from(documents.len()).unwrap_or(u32::MAX);
        let (frequent, rare) = ((len / 100).max(1), (len / 5000).max(10));
        let mut kinds = vec![Vec::new(); 3];
        for (&word, &df) in &frequencies {
            let kind = if df >= frequent {
                0
            } else if df >= rare {
                1
            } else {
                2
            };
            if df >= 2 {
                kinds[kind].push(word);
            }
        }
        for words in &mut kinds {
            words.sort_unstable();
        }
        kinds.retain(|words| !words.is_empty());
        let rng = fastrand::Rng::with_seed(SEED);
        Sampler { documents, rng, frequencies, frequent, kinds }
    }

    /// The text of the query of this number, or nothing when chance did not find one.
    fn query(&mut self, class: Class, index: usize) -> Option<String> {
        if class == Class::Term {
            let kind = self.kinds.get(index % self.kinds.len().max(1))?;
            return Some((*self.rng.choice(kind)?).to_owned());
        }
        if Class::OF_PATTERNS.contains(&class) {
            return self.pattern(class, index);
        }
        let len = LENGTHS[index % LENGTHS.len()];
        let holds_rarer = (index / LENGTHS.len()) % 2 == 1;
        let words = self.sequence(len)?;
        let is_frequent = |word: &&&str| self.frequencies[**word] >= self.frequent;
        if holds_rarer && words.iter().filter(is_frequent).count() == len {
            return None;
        }
        let distinct: HashSet<&&str> = words.iter().collect();
        if class != Class::Phrase && distinct.len() < len {
            return None;
        }
        Some(match class {
            Class::Term | Class::Union => words.join(" "),
            Class::Intersection => format!("+{}", words.join(" +")),
            Class::Phrase => format!("\"{}\"", words.join(" ")),
            Class::MustShould => format!("+{}", words.join(" ")),
            Class::Negated => {
                let (excluded, wanted) = words.split_last()?;
                format!("{} -{excluded}", wanted.join(" "))
            }
            Class::Prefix | Class::Wildcard | Class::Fuzzy1 | Class::Fuzzy2 => return None,
        })
    }

    /// The text of a pattern; nothing when chance found a word that is too short.
    fn pattern(&mut self, class: Class, index: usize) -> Option<String> {
        let kind = self.kinds.get(index % self.kinds.len().max(1))?;
        let mut word: Vec<char> = self.rng.choice(kind)?.chars().collect();
        if word.len() < PATTERN_CHARS_MIN {
            return None;
        }
        let edits = match class {
            Class::Prefix => {
                word.truncate(self.rng.usize(3..word.len()));
                return Some(word.iter().collect::<String>() + "*");
            }
            Class::Wildcard => {
                let at = self.rng.usize(..word.len() - 3);
                word[at] = '?';
                word.truncate(at + 3);
                return Some(word.iter().collect::<String>() + "*");
            }
            Class::Fuzzy1 => 1,
            _ => 2,
        };
        for _ in 0..edits {
            let at = self.rng.usize(..word.len());
            word[at] = self.rng.lowercase();
        }
        Some(format!("{}~{edits}", word.iter().collect::<String>()))
    }

    /// Words side by side, from a place in a document; nothing when the document is too short.
    fn sequence(&mut self, len: usize) -> Option<Vec<&'d str>> {
        let document = self.documents.get(self.rng.usize(..self.documents.len()));
        let words: Vec<&str> = document.split(' ').collect();
        let places = (words.len() + 1).checked_sub(len).filter(|&places| places > 0)?;
        let start = self.rng.usize(..places);
        Some(words[start..start + len].to_vec())
    }
}

fn frequencies(documents: &Documents) -> Frequencies<'_> {
    let mut seen: HashMap<&str, (u32, usize)> = HashMap::new();
    for (index, document) in (1..).zip(documents.iter()) {
        for word in document.split(' ') {
            let (df, last) = seen.entry(word).or_default();
            *df += u32::from(*last != index);
            *last = index;
        }
    }
    seen.into_iter().map(|(word, (df, _))| (word, df)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents over a few words, of which the first are frequent and the last are rare.
    fn documents() -> Documents {
        let mut rng = fastrand::Rng::with_seed(3);
        let mut documents = Documents::default();
        for _ in 0..3000 {
            let word = |rng: &mut fastrand::Rng| format!("w{}", 2000_u32 >> rng.u32(..11));
            let rare = format!("r{}", rng.u32(..1500));
            let words: Vec<String> = (0..8).map(|_| word(&mut rng)).chain([rare]).collect();
            documents.push("", &words.join(" "));
        }
        documents
    }

    #[test]
    fn every_class_has_as_many_and_the_same_corpus_gives_the_same() {
        let documents = documents();
        let queries = sample(&documents, Class::OF_WORDS, 16).unwrap();
        for &class in Class::OF_WORDS {
            assert_eq!(queries.iter().filter(|query| query.class == class).count(), 16);
        }
        assert_eq!(sample(&documents, Class::OF_WORDS, 16).unwrap(), queries);
        let phrases = queries.iter().filter(|query| query.class == Class::Phrase);
        let mut lengths: Vec<usize> = phrases.map(|query| query.clauses[0].words.len()).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn half_of_the_sequences_hold_a_rarer_word() {
        let documents = documents();
        let known = frequencies(&documents);
        let queries = sample(&documents, Class::OF_WORDS, 16).unwrap();
        let unions: Vec<&Query> =
            queries.iter().filter(|query| query.class == Class::Union).collect();
        for query in unions.iter().enumerate().filter(|(index, _)| index / 4 % 2 == 1) {
            let words = query.1.text.split(' ');
            assert!(words.map(|word| known[word]).min() < Some(30), "{}", query.1.text);
        }
    }

    #[test]
    fn a_corpus_that_is_too_small_is_an_error() {
        let mut documents = Documents::default();
        documents.push("", "gold river");
        assert!(
            sample(&documents, Class::OF_WORDS, 3).unwrap_err().to_string().contains("too small")
        );
    }
}
