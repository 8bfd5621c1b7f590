//! `generate`: any amount of documents for imports that are larger than every collection that is at hand, one JSON object a line.
//!
//! ```text
//! document := { "_id": number, "title": 2..=9 words, "text": 8..=1,000 words, most of them some 100 }
//! ```
//! Words are drawn from a million by Zipf's law with two exponents, as Ferrer i Cancho and Solé found it in languages: 1 for those of the
//! core, 2 behind it. So a few are in nearly every document, and there are new ones in all of them. Each is a number whose digits to base
//! 100 are syllables, so that frequent words are short. The same seed gives the same bytes.
//! Cost: some 100 ns a word, and 8 MB.

use std::io::{self, BufWriter, ErrorKind, Write};

use clap::Args;
use fastrand::Rng;

use crate::Result;

/// Different words that there are, and those of them that everybody knows.
const WORDS_LEN: u64 = 1_000_000;
const CORE_LEN: u64 = 8_000;
/// How often the first word is drawn, in parts of all draws.
const WEIGHT: u64 = 1 << 40;

const CONSONANTS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES_LEN: usize = 100;

/// Documents of drawn words, to standard output.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stop after the document with which there are so many bytes; 1e9 is a gigabyte.
    #[arg(long, value_name = "BYTES", default_value_t = 1e9)]
    bytes: f64,
    /// Other words for another number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Writes the documents. A reader who has had enough ends it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match write_documents(options, &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

fn write_documents(options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut words = Words::new(options.seed);
    let mut line = Vec::new();
    let mut bytes = 0.0;
    let mut id = 0_u64;
    while bytes < options.bytes {
        line.clear();
        write!(line, "{{\"_id\":{id},\"title\":\"")?;
        let title_len = words.random.usize(2..=9);
        words.put(title_len, &mut line);
        line.extend_from_slice(b"\",\"text\":\"");
        // The product of two: most texts are short, a few long.
        let text_len = 8 + words.random.usize(0..32) * words.random.usize(0..32);
        words.put(text_len, &mut line);
        line.extend_from_slice(b"\"}\n");
        out.write_all(&line)?;
        bytes += line.len() as f64;
        id += 1;
    }
    Ok(())
}

/// All words, and what is drawn next.
struct Words {
    random: Rng,
    /// Weights of all words up to each one.
    weights: Vec<u64>,
}

impl Words {
    fn new(seed: u64) -> Self {
        let weight = |rank: u64| match rank {
            ..=CORE_LEN => WEIGHT / rank,
            _ => WEIGHT * CORE_LEN / (rank * rank),
        };
        let sums = (1..=WORDS_LEN).scan(0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        });
        Words { random: Rng::with_seed(seed), weights: sums.collect() }
    }

    /// Appends so many words.
    fn put(&mut self, len: usize, line: &mut Vec<u8>) {
        let all = self.weights.last().copied().unwrap_or(1);
        for place in 0..len {
            if place > 0 {
                line.push(b' ');
            }
            let drawn = self.random.u64(..all);
            put_word(self.weights.partition_point(|&sum| sum <= drawn), line);
        }
    }
}

/// The word of a rank; no two ranks have the same.
fn put_word(rank: usize, line: &mut Vec<u8>) {
    let mut rest = rank;
    loop {
        let syllable = rest % SYLLABLES_LEN;
        line.push(CONSONANTS[syllable / VOWELS.len()]);
        line.push(VOWELS[syllable % VOWELS.len()]);
        if rest < SYLLABLES_LEN {
            return;
        }
        // One is taken away so that a word of two syllables does not begin as a number with a leading zero would.
        rest = rest / SYLLABLES_LEN - 1;
    }
}
