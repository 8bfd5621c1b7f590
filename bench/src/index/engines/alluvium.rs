//! Alluvium through its public face: an import, and a transaction for each change.
//!
//! The file is closed and opened again inside the clock, so that nothing is left to be done in the background. Where documents are not
//! stored, the program that keeps them gives those that go.

use std::collections::HashMap;
use std::path::Path;

use alluvium::bson::{RawDocumentBuf, rawdoc};
use alluvium::{
    AnalyzerOptions, Collection, CollectionOptions, Database, Options, TextIndexOptions,
};

use super::{Indexer, MEMORY_BYTES};
use crate::Result;
use crate::index::corpus::Corpus;

const NAME: &str = "texts";

struct Alluvium {
    database: Database,
    texts: Collection,
    /// Documents that were given one by one, if they are not stored.
    kept: Option<HashMap<i64, RawDocumentBuf>>,
}

pub(super) fn build(corpus: &Corpus, folder: &Path, threads: usize) -> Result<Box<dyn Indexer>> {
    build_as(false, corpus, folder, threads)
}

/// The same without storing documents.
pub(super) fn build_index_only(
    corpus: &Corpus,
    folder: &Path,
    threads: usize,
) -> Result<Box<dyn Indexer>> {
    build_as(true, corpus, folder, threads)
}

fn build_as(
    is_index_only: bool,
    corpus: &Corpus,
    folder: &Path,
    threads: usize,
) -> Result<Box<dyn Indexer>> {
    let options = Options::new().memory_bytes(MEMORY_BYTES);
    let path = folder.join("index.alv");
    let database = Database::open_with(&path, options.clone())?;
    let fields = [("title", 1.0), ("text", 1.0)];
    let index = TextIndexOptions::chosen(fields, AnalyzerOptions::default());
    let collection = CollectionOptions::new().text_index(index).index_only(is_index_only);
    let texts = database.create_collection(NAME, &collection)?;
    let documents = (0_i64..).zip(&corpus.texts).map(|(id, text)| {
        rawdoc! { "_id": id, "title": text.title.as_str(), "text": text.text.as_str() }
    });
    texts.import().threads(threads).run(documents)?;
    // What is due in the background is done when the file is closed.
    drop(texts);
    database.close()?;
    let database = Database::open_with(&path, options)?;
    let texts = database.collection(NAME)?;
    Ok(Box::new(Alluvium { database, texts, kept: is_index_only.then(HashMap::new) }))
}

fn document(id: i64, text: &str) -> RawDocumentBuf {
    rawdoc! { "_id": id, "title": "", "text": text }
}

impl Indexer for Alluvium {
    fn insert(&mut self, id: i64, text: &str) -> Result<()> {
        let document = document(id, text);
        self.texts.insert(&document)?;
        if let Some(kept) = &mut self.kept {
            kept.insert(id, document);
        }
        Ok(())
    }

    fn update(&mut self, id: i64, text: &str) -> Result<()> {
        let document = document(id, text);
        let Some(kept) = &mut self.kept else {
            self.texts.replace(&document)?;
            return Ok(());
        };
        let mut transaction = self.database.begin()?;
        let mut texts = transaction.collection(NAME)?;
        texts.remove_document(kept.get(&id).ok_or("it was never given")?)?;
        texts.insert(&document)?;
        transaction.commit()?;
        kept.insert(id, document);
        Ok(())
    }

    fn delete(&mut self, id: i64) -> Result<()> {
        match &mut self.kept {
            None => self.texts.remove(id)?,
            Some(kept) => {
                self.texts.remove_document(&kept.remove(&id).ok_or("it was never given")?)?
            }
        };
        Ok(())
    }

    fn count(&mut self, word: &str) -> Result<u64> {
        Ok(self.texts.search(alluvium::Query::word(word))?.count()?)
    }
}
