//! The documents of a measurement, reduced to words that every engine takes apart alike.
//!
//! Engines differ in what a word is: apostrophes, points inside numbers, marks above letters, scripts without spaces. So a
//! text is reduced before any engine sees it, to lower-cased words joined by single spaces, of letters and digits that
//! UAX #29 with our folding, tantivy's simple tokenizer, FTS5's `unicode61` and Lucene's standard tokenizer all keep, keep
//! together and leave as they are ([`is_kept`]). Everything else separates words. Title and text become one field.
//!
//! All documents stand in one piece of memory, one after the other. A document without a word is left out, because engines
//! differ in whether they count it. Cost: a corpus is held whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::Result;

/// Longer words are left out: engines cut or drop them, each at another length.
const WORD_BYTES_MAX: usize = 60;

/// Documents in the order of their file.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    text: String,
    /// Where each document ends.
    ends: Vec<usize>,
    words: u64,
}

/// A line of a corpus, as people wrote it; other members are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Text {
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) text: String,
}

/// The texts of a file with a JSON object a line; `.gz` is decompressed.
pub(crate) fn texts(path: &Path) -> Result<impl Iterator<Item = Result<Text>>> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let source: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let lines = (1..).zip(BufReader::with_capacity(1 << 20, source).lines());
    Ok(lines.map(move |(number, line)| {
        let line = line.map_err(|error| wrong(error.to_string()))?;
        let expected = "expected {\"title\": …, \"text\": …}";
        let parsed = serde_json::from_str(&line);
        Ok(parsed.map_err(|error| wrong(format!("line {number}: {error}; {expected}")))?)
    }))
}

impl Documents {
    /// Reads at most `len_max` documents of a file with a JSON object a line; `.gz` is decompressed.
    pub(crate) fn read(path: &Path, len_max: usize) -> Result<Self> {
        let mut documents = Documents::default();
        for text in texts(path)? {
            if documents.len() == len_max {
                break;
            }
            let Text { title, text } = text?;
            documents.push(&title, &text);
        }
        if documents.len() == 0 {
            let path = path.display();
            return Err(format!("{path}: there is no document with a word in it").into());
        }
        Ok(documents)
    }

    /// Adds a document, unless it has no word.
    pub(crate) fn push(&mut self, title: &str, text: &str) {
        let start = self.text.len();
        let mut words = reduce_into(title, &mut self.text);
        if words > 0 {
            self.text.push(' ');
        }
        let of_text = reduce_into(text, &mut self.text);
        if words > 0 && of_text == 0 {
            self.text.pop();
        }
        words += of_text;
        if self.text.len() > start {
            self.words += words;
            self.ends.push(self.text.len());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Words of all documents.
    pub(crate) fn words(&self) -> u64 {
        self.words
    }

    /// Bytes of all documents as engines are given them.
    pub(crate) fn bytes(&self) -> u64 {
        self.text.len() as u64
    }

    /// The text of document `index`.
    pub(crate) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }
}

/// The words of `text`, joined by single spaces.
pub(crate) fn reduce(text: &str) -> String {
    let mut out = String::new();
    reduce_into(text, &mut out);
    out
}

/// Appends the words of `text`, joined by single spaces; how many there are.
fn reduce_into(text: &str, out: &mut String) -> u64 {
    let (start, mut words) = (out.len(), 0);
    let lower = text.chars().flat_map(char::to_lowercase);
    // Where the word that is being read begins; its separator stands before it and goes when it turns out too long.
    let mut word_at = start;
    for c in lower.chain([' ']) {
        if is_kept(c) {
            if word_at == out.len() && word_at > start {
                out.push(' ');
            }
            out.push(c);
        } else if out.len() > word_at {
            let separator = usize::from(word_at > start);
            if out.len() - word_at - separator > WORD_BYTES_MAX {
                out.truncate(word_at);
            } else {
                words += 1;
                word_at = out.len();
            }
        }
    }
    words
}

/// Whether a lower-cased character belongs to words: ASCII letters and digits, and the composed letters of Latin-1 and
/// Latin Extended-A, without those that some engine folds to something else (ß, ĳ, ŀ, ŉ, ſ) or lower-cases in its own way
/// (ı, ĸ).
fn is_kept(c: char) -> bool {
    match c {
        'a'..='z' | '0'..='9' | 'à'..='ö' | 'ø'..='ÿ' => true,
        'ı' | 'ĳ' | 'ĸ' | 'ŀ' | 'ŉ' | 'ſ' => false,
        '\u{100}'..='\u{17F}' => c.is_lowercase(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_lower_cased_words_with_single_spaces() {
        for (text, expected) in [
            ("  The river's CAFÉS—3.14  ", "the river s cafés 3 14"),
            ("Straße, ŁÓDŹ; naïve\u{301}", "stra e łódź naïve"),
            ("foo_bar a1b2 日本 Ωmega", "foo bar a1b2 mega"),
            ("…", ""),
        ] {
            assert_eq!(reduce(text), expected);
        }
    }

    #[test]
    fn words_that_are_too_long_are_left_out_with_their_separator() {
        let long = "x".repeat(WORD_BYTES_MAX + 1);
        let kept = "y".repeat(WORD_BYTES_MAX);
        assert_eq!(reduce(&format!("{long} a {long} {long} {kept} {long}")), format!("a {kept}"));
        assert_eq!(reduce(&long), "");
    }

    #[test]
    fn our_analyzer_takes_the_words_apart_as_they_were_joined() {
        let kept: Vec<char> = ('\0'..='\u{2FF}').filter(|&c| is_kept(c)).collect();
        let mut text = String::new();
        for (left, right) in
            kept.iter().flat_map(|left| kept.iter().map(move |right| (left, right)))
        {
            text.extend([left, right, &' ']);
        }
        let text = reduce(&text);
        let mut terms = Vec::new();
        let analyzer = alluvium::Analyzer::new(&alluvium::AnalyzerOptions::default()).unwrap();
        analyzer.analyze(&text, &mut |token| terms.push(token.term.to_owned()));
        assert_eq!(terms.join(" "), text);
        assert_eq!(terms.len(), kept.len() * kept.len());
    }

    #[test]
    fn documents_are_title_and_text_and_empty_ones_are_left_out() {
        let mut documents = Documents::default();
        for (title, text) in [("Gold", "In rivers."), ("—", "…"), ("", "Silt"), ("Bed", "!")] {
            documents.push(title, text);
        }
        assert_eq!(documents.iter().collect::<Vec<_>>(), ["gold in rivers", "silt", "bed"]);
        assert_eq!((documents.len(), documents.words()), (3, 5));
    }
}
