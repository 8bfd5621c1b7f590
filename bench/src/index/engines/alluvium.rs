//! Alluvium through its public face: an import, and a transaction for each change.
//!
//! The file is closed and opened again inside the clock, so that nothing is left to be done in the background.

use std::path::Path;

use alluvium::bson::rawdoc;
use alluvium::{
    AnalyzerOptions, Collection, CollectionOptions, Database, Options, TextIndexOptions,
};

use super::{Indexer, MEMORY_BYTES};
use crate::Result;
use crate::index::corpus::Corpus;

struct Alluvium {
    texts: Collection,
}

pub(super) fn build(corpus: &Corpus, folder: &Path, threads: usize) -> Result<Box<dyn Indexer>> {
    let options = Options::new().memory_bytes(MEMORY_BYTES);
    let path = folder.join("index.alv");
    let database = Database::open_with(&path, options.clone())?;
    let fields = [("title", 1.0), ("text", 1.0)];
    let index = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
    let texts = database.create_collection("texts", &CollectionOptions::new().text_index(index))?;
    let documents = (0_i64..).zip(&corpus.texts).map(|(id, text)| {
        rawdoc! { "_id": id, "title": text.title.as_str(), "text": text.text.as_str() }
    });
    texts.import().threads(threads).run(documents)?;
    // What is due in the background is done when the file is closed.
    drop(texts);
    database.close()?;
    let texts = Database::open_with(&path, options)?.collection("texts")?;
    Ok(Box::new(Alluvium { texts }))
}

impl Indexer for Alluvium {
    fn insert(&mut self, id: i64, text: &str) -> Result<()> {
        self.texts.insert(&rawdoc! { "_id": id, "title": "", "text": text })?;
        Ok(())
    }

    fn update(&mut self, id: i64, text: &str) -> Result<()> {
        self.texts.replace(&rawdoc! { "_id": id, "title": "", "text": text })?;
        Ok(())
    }

    fn delete(&mut self, id: i64) -> Result<()> {
        self.texts.remove(id)?;
        Ok(())
    }

    fn count(&mut self, word: &str) -> Result<u64> {
        Ok(self.texts.search(alluvium::Query::word(word))?.count()?)
    }
}
