//! The documents of the `index` benchmark, as they stand in a file: title and text, with everything that people write.
//!
//! They are read before a build, so that reading and parsing are nobody's work. Cost: a corpus is held whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::Result;

/// A document; other members are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct Text {
    #[serde(default)]
    pub(super) title: String,
    pub(super) text: String,
}

/// Documents in the order of their file.
#[derive(Debug)]
pub(super) struct Corpus {
    pub(super) texts: Vec<Text>,
}

impl Corpus {
    /// Bytes of all titles and texts.
    pub(super) fn text_bytes(&self) -> u64 {
        self.texts.iter().map(|text| (text.title.len() + text.text.len()) as u64).sum()
    }
}

/// Reads at most `len_max` documents of a file with a JSON object a line; `.gz` is decompressed.
pub(super) fn read(path: &Path, len_max: usize) -> Result<Corpus> {
    let wrong = |what: String| format!("{}: {what}", path.display());
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let source: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut texts = Vec::new();
    for (number, line) in (1..).zip(BufReader::with_capacity(1 << 20, source).lines()).take(len_max)
    {
        let line = line.map_err(|error| wrong(error.to_string()))?;
        texts.push(serde_json::from_str(&line).map_err(|error| {
            wrong(format!("line {number}: {error}; expected {{\"title\": …, \"text\": …}}"))
        })?);
    }
    Ok(Corpus { texts })
}
