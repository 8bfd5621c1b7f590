//! Lucene, in a Java process of its own that `bench/lucene/IndexDriver.java` runs in; its header has the grammar of what is said.
//!
//! Documents are in its memory before the clock starts, and it has indexed a part of them once, so that the virtual machine has compiled what the
//! build needs. Merges are its default. A change is a commit and a newer reader. Memory is that of its process, whose collector gives
//! back what it does not need when it likes: a heap of 1 GiB holds the documents too.

use std::io::Write;
use std::path::Path;

use super::{Indexer, Prepared};
use crate::Result;
use crate::driver::Driver;
use crate::index::corpus::Corpus;
use crate::lucene;

const DRIVER: &str = "IndexDriver";

struct Lucene(Driver);

pub(super) fn missing() -> Option<String> {
    lucene::missing(DRIVER)
}

pub(super) fn prepare<'c>(
    corpus: &'c Corpus,
    folder: &'c Path,
    threads: usize,
) -> Result<Prepared<'c>> {
    let mut lucene = Lucene(Driver::start(&mut lucene::command(DRIVER, folder)?)?);
    lucene.write(b"D")?;
    lucene.write(&u32::try_from(corpus.texts.len())?.to_be_bytes())?;
    lucene.write(&u32::try_from(threads)?.to_be_bytes())?;
    for document in &corpus.texts {
        lucene.text(&document.title)?;
        lucene.text(&document.text)?;
    }
    lucene.expect("ready")?;
    let process = Some(lucene.0.id());
    let build = move || -> Result<Box<dyn Indexer>> {
        lucene.write(b"B")?;
        lucene.expect("built")?;
        Ok(Box::new(lucene))
    };
    Ok(Prepared { process, build: Box::new(build) })
}

impl Lucene {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes)?)
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.write(&u32::try_from(text.len())?.to_be_bytes())?;
        self.write(text.as_bytes())
    }

    fn expect(&mut self, expected: &str) -> Result<()> {
        let answer = self.0.answer()?;
        if answer != expected {
            return Err(format!("the driver says {answer:?} in place of {expected:?}").into());
        }
        Ok(())
    }

    fn change(&mut self, command: u8, id: i64, text: Option<&str>) -> Result<()> {
        self.write(&[command])?;
        self.write(&id.to_be_bytes())?;
        if let Some(text) = text {
            self.text(text)?;
        }
        self.expect("done")
    }
}

impl Indexer for Lucene {
    fn insert(&mut self, id: i64, text: &str) -> Result<()> {
        self.change(b'I', id, Some(text))
    }

    fn update(&mut self, id: i64, text: &str) -> Result<()> {
        self.change(b'U', id, Some(text))
    }

    fn delete(&mut self, id: i64) -> Result<()> {
        self.change(b'X', id, None)
    }

    fn count(&mut self, word: &str) -> Result<u64> {
        self.write(b"C")?;
        self.text(word)?;
        Ok(self.0.answer()?.parse()?)
    }
}
