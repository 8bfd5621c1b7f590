//! The documents of the `index` benchmark, as they stand in a file: title and text, with everything that people write.
//!
//! They are read before a build, so that reading and parsing are nobody's work. Cost: a corpus is held whole.

use std::path::Path;

use crate::Result;
use crate::search::corpus::{Text, texts};

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

/// Reads at most `len_max` documents of a file.
pub(super) fn read(path: &Path, len_max: usize) -> Result<Corpus> {
    let texts = texts(path)?.take(len_max).collect::<Result<_>>()?;
    Ok(Corpus { texts })
}
