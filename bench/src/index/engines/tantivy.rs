//! tantivy: documents in its store, its default merge policy; a change is a commit and a reload.
//!
//! Its writer has threads of its own beside the calling one: one or two that index, one that compresses the store, some that merge.

use std::path::Path;

use tantivy::collector::Count;
use tantivy::query::TermQuery;
use tantivy::schema::{
    Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{LowerCaser, SimpleTokenizer, TextAnalyzer};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term};

use super::{Indexer, MEMORY_BYTES};
use crate::Result;
use crate::index::corpus::Corpus;

const TOKENIZER: &str = "words";

struct Tantivy {
    writer: IndexWriter,
    reader: IndexReader,
    id: Field,
    text: Field,
}

pub(super) fn build(corpus: &Corpus, folder: &Path, threads: usize) -> Result<Box<dyn Indexer>> {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let stored = TextOptions::default().set_indexing_options(indexing).set_stored();
    let mut schema = Schema::builder();
    let id = schema.add_i64_field("id", INDEXED | STORED);
    let title = schema.add_text_field("title", stored.clone());
    let text = schema.add_text_field("text", stored);
    let index = Index::create_in_dir(folder, schema.build())?;
    let words = TextAnalyzer::builder(SimpleTokenizer::default()).filter(LowerCaser).build();
    index.tokenizers().register(TOKENIZER, words);
    let mut writer: IndexWriter = index.writer_with_num_threads(threads, MEMORY_BYTES)?;
    for (number, document) in (0_i64..).zip(&corpus.texts) {
        let mut fields = TantivyDocument::default();
        fields.add_i64(id, number);
        fields.add_text(title, &document.title);
        fields.add_text(text, &document.text);
        writer.add_document(fields)?;
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    let writer = index.writer_with_num_threads(1, MEMORY_BYTES)?;
    writer.garbage_collect_files().wait()?;
    let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    Ok(Box::new(Tantivy { writer, reader, id, text }))
}

impl Tantivy {
    fn add(&mut self, id: i64, text: &str) -> Result<()> {
        let mut document = TantivyDocument::default();
        document.add_i64(self.id, id);
        document.add_text(self.text, text);
        self.writer.add_document(document)?;
        Ok(())
    }

    fn show(&mut self) -> Result<()> {
        self.writer.commit()?;
        self.reader.reload()?;
        Ok(())
    }
}

impl Indexer for Tantivy {
    fn insert(&mut self, id: i64, text: &str) -> Result<()> {
        self.add(id, text)?;
        self.show()
    }

    fn update(&mut self, id: i64, text: &str) -> Result<()> {
        self.writer.delete_term(Term::from_field_i64(self.id, id));
        self.add(id, text)?;
        self.show()
    }

    fn delete(&mut self, id: i64) -> Result<()> {
        self.writer.delete_term(Term::from_field_i64(self.id, id));
        self.show()
    }

    fn count(&mut self, word: &str) -> Result<u64> {
        let term = Term::from_field_text(self.text, word);
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        Ok(self.reader.searcher().search(&query, &Count)? as u64)
    }
}
