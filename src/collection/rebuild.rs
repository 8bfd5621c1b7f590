//! [`Rebuild`]: a text index built anew in the background, in many short transactions, while the old one is searched.
//!
//! Driven by the facade, step by step; what is under way stands in the catalog, so that a crash loses nothing but the step.
//!
//! ```text
//! documents   0 ……………… missing.start ……………… missing.end ………… next
//!             in it: steps     not in it yet           in it: writers add what is new to both indexes
//! ```
//! 1. [`start`](Rebuild::start) creates keyspaces for the new index and notes which documents are missing in it: all.
//! 2. A step [gathers](Rebuild::gather) the text of the next missing ones from a snapshot, keeping nobody out, and
//!    [applies](Rebuild::apply) it in a short transaction; what died in between is subtracted there.
//! 3. The step after which none is missing makes the new index the one that is searched, and drops the old one, all in its commit.
//!
//! Invariant: of an index that is being built, statistics, lengths and postings are those of the living documents that are not
//! missing. A rebuild is known by the number of its keyspace, which is never given twice. Cost: every living document is analyzed
//! once; a transaction writes what a step gathered.

use super::catalog::{
    self, CollectionDefinition, Keyspaces, collection_definition, definition_to_change, tally,
};
use super::documents::{DeadDocuments, Documents, stored_document};
use super::error::{Error, Result};
use super::text_definition::{IndexDefinition, RebuildDefinition, fingerprint, storage_keyspaces};
use super::text_index::{drop_keyspaces, find_index, find_index_keyspaces};
use crate::fts::{DocId, TextIndexOptions, TextIndexer};
use crate::lsm::{self, KeyspaceId, Reader, Transaction};

/// A rebuild that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuild {
    collection: String,
    index: String,
    /// Keyspace of the terms of the new index.
    text: KeyspaceId,
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RebuildProgress {
    /// Documents that were dealt with, those that were removed or replaced before included.
    pub documents: u64,
    /// Documents in all: those that were ever stored before the rebuild began.
    pub total: u64,
}

/// The text of the next documents of a rebuild.
#[derive(Debug)]
pub struct RebuildBatch {
    indexer: TextIndexer,
    documents: Vec<DocId>,
    /// Documents that are missing before and after it.
    start: DocId,
    next: DocId,
}

/// How much a batch gathers at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Documents; at least one is gathered.
    pub documents: usize,
    /// Bytes of stored documents.
    pub stored_bytes: usize,
    /// Bytes of memory.
    pub memory_bytes: usize,
}

impl RebuildProgress {
    fn of(rebuild: &RebuildDefinition) -> Self {
        let (start, end) = (rebuild.missing.start.number(), rebuild.missing.end.number());
        RebuildProgress { documents: start, total: end }
    }
}

impl Rebuild {
    /// Begins to build a text index anew, under the options that it has unless there are others; or finds what was begun with the
    /// same options. What was begun with others is dropped. It is done at once where other options mean other queries only: other
    /// weights or synonyms.
    ///
    /// # Errors
    /// [`Error::UnknownCollection`], [`Error::NotStored`], [`Error::UnknownIndex`] and [`fts::Error::InvalidIndex`](crate::fts::Error::InvalidIndex), which
    /// leave the transaction as it was; those of the storage core, after which it has to be rolled back.
    pub fn start(
        transaction: &mut Transaction,
        collection: &str,
        index: &str,
        options: Option<&TextIndexOptions>,
    ) -> Result<Self> {
        options.map_or(Ok(()), TextIndexOptions::check)?;
        let mut definition = definition_to_change(transaction, collection)?;
        if definition.is_index_only {
            return Err(Error::NotStored);
        }
        let place = find_index(collection, &definition, Some(index))?;
        let found = &mut definition.indexes[place];
        if let Some(options) = options.filter(|options| asks_otherwise(found, options)) {
            discard(transaction, collection, found)?;
            found.options = options.clone();
            let (text, _) = find_index_keyspaces(transaction, collection, &found.storage_name())?;
            catalog::put_definition(transaction, collection, &definition)?;
            return Ok(Rebuild {
                collection: collection.to_owned(),
                index: index.to_owned(),
                text,
            });
        }
        let options = options.unwrap_or(&found.options).clone();
        let same = |rebuild: &RebuildDefinition| rebuild.options == options && rebuild.is_current();
        if !found.rebuild.as_ref().is_some_and(same) {
            let before = discard(transaction, collection, found)?.unwrap_or_default();
            let storage = before.max(found.storage).checked_add(1);
            let none_left = || lsm::Error::corruption("no number is left for another storage", 0);
            let catalog = Keyspaces::find(transaction, collection)?.catalog;
            found.rebuild = Some(RebuildDefinition {
                fingerprint: fingerprint(&options)?,
                options,
                storage: storage.ok_or_else(none_left)?,
                missing: DocId::MIN..tally(transaction, catalog, collection)?.next,
            });
            let storage_name = found.rebuild_storage_name().unwrap_or_default();
            catalog::create_index_keyspaces(transaction, collection, &storage_name)?;
            catalog::put_definition(transaction, collection, &definition)?;
        }
        let storage_name = definition.indexes[place].rebuild_storage_name().unwrap_or_default();
        let (text, _) = find_index_keyspaces(transaction, collection, &storage_name)?;
        Ok(Rebuild { collection: collection.to_owned(), index: index.to_owned(), text })
    }

    /// How far it is in the state that `reader` shows; `None` when it is done.
    ///
    /// # Errors
    /// [`Error::RebuildEnded`] when another one took its place, or the index was dropped.
    pub fn progress(&self, reader: &dyn Reader) -> Result<Option<RebuildProgress>> {
        let Some((definition, place)) = self.find(reader)? else { return Ok(None) };
        Ok(definition.indexes[place].rebuild.as_ref().map(RebuildProgress::of))
    }

    /// Gathers the text of the next documents; `None` when the rebuild is done.
    ///
    /// # Errors
    /// [`Error::RebuildEnded`] as of [`progress`](Self::progress); those of the analysis and of the storage core.
    pub fn gather(&self, reader: &dyn Reader, limits: BatchLimits) -> Result<Option<RebuildBatch>> {
        let Some((definition, place)) = self.find(reader)? else { return Ok(None) };
        let index = &definition.indexes[place];
        let Some((rebuild, storage_name)) =
            index.rebuild.as_ref().zip(index.rebuild_storage_name())
        else {
            return Ok(None);
        };
        let (text, norms) = find_index_keyspaces(reader, &self.collection, &storage_name)?;
        let (start, end) = (rebuild.missing.start, rebuild.missing.end);
        let mut batch = RebuildBatch {
            indexer: TextIndexer::new(text, norms, &rebuild.options)?,
            documents: Vec::new(),
            start,
            next: end,
        };
        let keyspaces = Keyspaces::find(reader, &self.collection)?;
        let mut stored_bytes = 0;
        for document in Documents::from(reader, &keyspaces, start)? {
            let (doc, document) = document?;
            if doc >= end {
                break;
            }
            batch.indexer.add(doc, &document)?;
            batch.documents.push(doc);
            stored_bytes += document.as_bytes().len();
            if batch.documents.len() >= limits.documents
                || stored_bytes >= limits.stored_bytes
                || batch.indexer.bytes() >= limits.memory_bytes
            {
                batch.next = doc.plus(1)?;
                break;
            }
        }
        Ok(Some(batch))
    }

    /// Writes a batch that was gathered from `snapshot`; after the last one the new index takes the place of the old one.
    ///
    /// Does nothing when somebody else has written the same documents meanwhile.
    ///
    /// # Errors
    /// [`Error::RebuildEnded`] as of [`progress`](Self::progress); after any error the transaction has to be rolled back.
    pub fn apply(
        &self,
        transaction: &mut Transaction,
        snapshot: &dyn Reader,
        batch: RebuildBatch,
    ) -> Result<Option<RebuildProgress>> {
        let Some((mut definition, place)) = self.find(transaction)? else { return Ok(None) };
        let index = &mut definition.indexes[place];
        let Some(rebuild) = &mut index.rebuild else { return Ok(None) };
        if rebuild.missing.start != batch.start {
            return Ok(Some(RebuildProgress::of(rebuild)));
        }
        rebuild.missing.start = batch.next;
        let (progress, is_last) = (RebuildProgress::of(rebuild), rebuild.missing.is_empty());
        self.write(transaction, snapshot, batch)?;
        if !is_last {
            catalog::put_definition(transaction, &self.collection, &definition)?;
            return Ok(Some(progress));
        }
        let old = storage_keyspaces(&self.collection, &index.storage_name());
        if let Some(RebuildDefinition { options, fingerprint, storage, .. }) = index.rebuild.take()
        {
            (index.options, index.fingerprint, index.storage) = (options, fingerprint, storage);
        }
        catalog::put_definition(transaction, &self.collection, &definition)?;
        drop_keyspaces(transaction, old)?;
        Ok(None)
    }

    /// Drops what was built so far; the index stays as it is. When the rebuild is done it is too late, and nothing happens.
    ///
    /// # Errors
    /// [`Error::RebuildEnded`] as of [`progress`](Self::progress); those of the storage core.
    pub fn cancel(&self, transaction: &mut Transaction) -> Result<()> {
        let Some((mut definition, place)) = self.find(transaction)? else { return Ok(()) };
        discard(transaction, &self.collection, &mut definition.indexes[place])?;
        catalog::put_definition(transaction, &self.collection, &definition)
    }

    /// Subtracts of a batch what died since it was gathered, and writes it.
    fn write(
        &self,
        transaction: &mut Transaction,
        snapshot: &dyn Reader,
        batch: RebuildBatch,
    ) -> Result<()> {
        let RebuildBatch { mut indexer, documents, .. } = batch;
        let keyspaces = Keyspaces::find(transaction, &self.collection)?;
        let mut dead = DeadDocuments::new(transaction, Some(keyspaces.dead));
        for doc in documents {
            if !dead.contains(doc)? {
                continue;
            }
            // A compaction may have dropped it from what the transaction sees.
            let missing = || lsm::Error::corruption(format!("document {doc} is gone"), 0);
            let bytes = snapshot.get(keyspaces.docs, &doc.to_key())?.ok_or_else(missing)?;
            indexer.remove(doc, stored_document(&bytes)?)?;
        }
        Ok(indexer.drain(transaction)?)
    }

    /// The collection and the place of the index, while it is being built; `None` when it is done.
    fn find(&self, reader: &dyn Reader) -> Result<Option<(CollectionDefinition, usize)>> {
        let ended = || Error::RebuildEnded {
            collection: self.collection.clone(),
            index: self.index.clone(),
        };
        let definition = collection_definition(reader, &self.collection)?.ok_or_else(ended)?;
        let place = definition.indexes.iter().position(|index| index.name == self.index);
        let place = place.ok_or_else(ended)?;
        let is_ours = |storage_name: &str| {
            let found = find_index_keyspaces(reader, &self.collection, storage_name);
            found.map(|(text, _)| text == self.text)
        };
        let index = &definition.indexes[place];
        if is_ours(&index.storage_name())? {
            return Ok(None);
        }
        match index.rebuild_storage_name() {
            Some(storage_name) if is_ours(&storage_name)? => Ok(Some((definition, place))),
            _ => Err(ended()),
        }
    }
}

/// Whether an index holds what it would hold under other options, which change nothing but queries.
fn asks_otherwise(index: &IndexDefinition, options: &TextIndexOptions) -> bool {
    let paths = |options: &TextIndexOptions| -> Vec<Option<String>> {
        options.fields().into_iter().map(|field| field.path).collect()
    };
    let makes_its_terms =
        |options| fingerprint(options).is_ok_and(|current| current == index.fingerprint);
    index.options != *options
        && paths(&index.options) == paths(options)
        && makes_its_terms(&index.options)
        && makes_its_terms(options)
}

/// Drops what another analyzer than this program's was building: nobody could keep it right.
pub(super) fn discard_stale_rebuilds(
    transaction: &mut Transaction,
    collection: &str,
    definition: &mut CollectionDefinition,
) -> Result<()> {
    let mut discarded = false;
    for index in &mut definition.indexes {
        if index.rebuild.as_ref().is_some_and(|rebuild| !rebuild.is_current()) {
            discard(transaction, collection, index)?;
            discarded = true;
        }
    }
    if discarded {
        catalog::put_definition(transaction, collection, definition)?;
    }
    Ok(())
}

/// Drops what is being built to take the place of an index; gives the number of its storage. The catalog is still to be written.
fn discard(
    transaction: &mut Transaction,
    collection: &str,
    index: &mut IndexDefinition,
) -> Result<Option<u64>> {
    if let Some(storage_name) = index.rebuild_storage_name() {
        drop_keyspaces(transaction, storage_keyspaces(collection, &storage_name))?;
    }
    Ok(index.rebuild.take().map(|rebuild| rebuild.storage))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bson::{RawDocumentBuf, rawdoc};
    use crate::collection::{
        CollectionReader, CollectionWriter, DEFAULT_TEXT_INDEX, WriterOptions, check, operators,
        rewriters,
    };
    use crate::fts::{AnalyzerOptions, FieldId, Fields, Language};
    use crate::lsm::{Durability, ManualScheduler, MemoryStorage, Options, Store};

    const NAME: &str = "notes";
    const WORDS: [&str; 6] = ["gold", "rivers", "the", "pans", "creek", "of"];

    fn store() -> Store {
        let options = Options {
            memory_bytes: 1 << 20,
            block_bytes: 256,
            segment_bytes_target: 4 << 10,
            scheduler: Arc::new(ManualScheduler),
            merge_operators: operators(),
            group_rewriters: rewriters(),
            ..Options::default()
        };
        Store::open(MemoryStorage::default(), options).unwrap()
    }

    fn english() -> TextIndexOptions {
        let english = AnalyzerOptions::for_language(Language::English);
        TextIndexOptions::chosen([("title", 2.0), ("text", 1.0)], english)
    }

    fn document(rng: &mut fastrand::Rng) -> RawDocumentBuf {
        let mut text = || (0..rng.usize(0..6)).map(|_| WORDS[rng.usize(..6)]).collect::<Vec<_>>();
        let (title, text) = (text().join(" "), text().join(" "));
        rawdoc! { "_id": rng.i32(0..30), "title": title, "text": text }
    }

    /// A transaction with a writer, which opens as the facade opens it.
    fn write(store: &Store, change: impl FnOnce(&mut Transaction, &mut CollectionWriter)) {
        let mut transaction = store.begin().unwrap();
        let (options, default) = (WriterOptions::default(), TextIndexOptions::default());
        let mut writer =
            CollectionWriter::open_or_create(&mut transaction, NAME, Some(&default), options)
                .unwrap();
        change(&mut transaction, &mut writer);
        writer.drain(&mut transaction).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
    }

    fn in_transaction<T>(store: &Store, change: impl FnOnce(&mut Transaction) -> Result<T>) -> T {
        let mut transaction = store.begin().unwrap();
        let done = change(&mut transaction).unwrap();
        transaction.commit(Durability::Buffered).unwrap();
        done
    }

    fn start(store: &Store, options: Option<&TextIndexOptions>) -> Rebuild {
        in_transaction(store, |transaction| {
            Rebuild::start(transaction, NAME, DEFAULT_TEXT_INDEX, options)
        })
    }

    fn step(store: &Store, rebuild: &Rebuild, documents: usize) -> Option<RebuildProgress> {
        let snapshot = store.snapshot();
        let batch = rebuild.gather(&snapshot, limits(documents)).unwrap()?;
        in_transaction(store, |transaction| rebuild.apply(transaction, &snapshot, batch))
    }

    fn limits(documents: usize) -> BatchLimits {
        BatchLimits { documents, stored_bytes: 1 << 20, memory_bytes: 1 << 20 }
    }

    fn index(reader: &dyn Reader) -> IndexDefinition {
        definition_to_change(reader, NAME).unwrap().indexes.remove(0)
    }

    fn change_index(store: &Store, change: impl FnOnce(&mut IndexDefinition)) {
        in_transaction(store, |transaction| {
            let mut definition = definition_to_change(transaction, NAME)?;
            change(&mut definition.indexes[0]);
            catalog::put_definition(transaction, NAME, &definition)
        });
    }

    /// Text keyspaces of the collection, which are one more while a rebuild is under way.
    fn text_keyspaces(store: &Store) -> usize {
        let names = store.snapshot().keyspace_names().into_iter();
        names.filter(|name| name.starts_with("notes/text.")).count()
    }

    #[track_caller]
    fn assert_clean(store: &Store) {
        let report = check(&store.snapshot()).unwrap();
        assert!(report.is_ok(), "{report}");
    }

    #[test]
    fn what_happens_between_gathering_and_writing_is_counted_once() {
        for seed in 0..40 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let store = store();
            let fill = |transaction: &mut Transaction, writer: &mut CollectionWriter| {
                for _ in 0..40 {
                    writer.upsert(transaction, &document(&mut rng)).unwrap();
                }
            };
            write(&store, fill);
            let handles = [start(&store, Some(&english())), start(&store, Some(&english()))];
            let mut gathered = Vec::new();
            while index(&store.snapshot()).rebuild.is_some() {
                match rng.u32(0..8) {
                    0..3 => write(&store, |transaction, writer| {
                        for _ in 0..rng.usize(0..6) {
                            let document = document(&mut rng);
                            if rng.bool() {
                                writer.upsert(transaction, &document).unwrap();
                            } else {
                                let id = document.get("_id").unwrap().unwrap();
                                writer.remove(transaction, id).unwrap();
                            }
                        }
                    }),
                    3 => store.compact().unwrap(),
                    4 | 5 => {
                        let (snapshot, handle) = (store.snapshot(), rng.usize(0..2));
                        let limits = limits(rng.usize(0..12));
                        let batch = handles[handle].gather(&snapshot, limits).unwrap();
                        gathered.extend(batch.map(|batch| (snapshot, handle, batch)));
                    }
                    6 if !gathered.is_empty() => {
                        let (snapshot, handle, batch) =
                            gathered.swap_remove(rng.usize(..gathered.len()));
                        in_transaction(&store, |transaction| {
                            handles[handle].apply(transaction, &snapshot, batch)
                        });
                    }
                    _ => assert_clean(&store),
                }
            }
            assert_clean(&store);
            assert_eq!(index(&store.snapshot()).options, english());
            assert_eq!(text_keyspaces(&store), 1);
            for handle in &handles {
                assert_eq!(handle.progress(&store.snapshot()).unwrap(), None);
            }
        }
    }

    #[test]
    fn the_check_compares_what_is_half_built() {
        let store = store();
        write(&store, |transaction, writer| {
            for id in 0..9 {
                writer.insert(transaction, &rawdoc! { "_id": id, "text": "gold" }).unwrap();
            }
        });
        let rebuild = start(&store, Some(&english()));
        step(&store, &rebuild, 4);
        assert_eq!(check(&store.snapshot()).unwrap().text_indexes, 2);
        assert_clean(&store);
        for next in [3, 5] {
            change_index(&store, |index| {
                let rebuild = index.rebuild.as_mut().unwrap();
                rebuild.missing.start = DocId::new(next).unwrap();
            });
            let report = check(&store.snapshot()).unwrap();
            assert!(report.findings[0].contains("default (being rebuilt)"), "{report}");
            assert!(report.to_string().contains(&format!("document {}", next.min(4))), "{report}");
        }
    }

    #[test]
    fn other_weights_and_synonyms_are_there_at_once() {
        let store = store();
        let count = |query: &str| {
            let snapshot = store.snapshot();
            let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
            collection.text_index(None).unwrap().analyzers().query(FieldId(0), query)
        };
        write(&store, |transaction, writer| {
            let document = rawdoc! { "_id": 1, "title": "gold" };
            writer.insert(transaction, &document).unwrap();
        });
        let rebuild = start(&store, Some(&english()));
        while step(&store, &rebuild, 1).is_some() {}
        let before = index(&store.snapshot());
        assert!(count("au")[0].alternatives.is_empty());
        // What was begun is dropped.
        start(&store, Some(&TextIndexOptions::default()));
        let mut options = english();
        options.analyzer = options.analyzer.synonyms(["au, gold"]);
        options.fields = Fields::Chosen(vec![("title".to_owned(), 9.0), ("text".to_owned(), 1.0)]);
        let rebuild = start(&store, Some(&options));
        assert!(rebuild.progress(&store.snapshot()).unwrap().is_none());
        assert!(step(&store, &rebuild, 1).is_none());
        let after = index(&store.snapshot());
        assert_eq!((after.storage, &after.fingerprint), (before.storage, &before.fingerprint));
        assert_eq!((after.options, after.rebuild, text_keyspaces(&store)), (options, None, 1));
        assert_eq!(count("au")[0].alternatives.len(), 1);
        // Other paths are other terms.
        let fields = [("text", 1.0), ("title", 1.0)];
        let swapped = TextIndexOptions::chosen(fields, english().analyzer);
        assert!(start(&store, Some(&swapped)).progress(&store.snapshot()).unwrap().is_some());
        assert_clean(&store);
    }

    #[test]
    fn an_index_of_another_analyzer_is_rebuilt_and_a_rebuild_of_another_one_is_dropped() {
        let store = store();
        write(&store, |transaction, writer| {
            for id in 0..9 {
                writer.insert(transaction, &rawdoc! { "_id": id, "text": "gold" }).unwrap();
            }
        });
        let stale = |index: &mut IndexDefinition| "alluvium-0".clone_into(&mut index.fingerprint);
        change_index(&store, stale);
        let rebuild = start(&store, None);
        step(&store, &rebuild, 4).unwrap();
        let refused = CollectionWriter::open(&store.snapshot(), NAME, WriterOptions::default());
        assert!(matches!(refused, Err(Error::AnalyzerChanged { .. })));
        assert_eq!(step(&store, &rebuild, 9), None);
        assert_clean(&store);

        let rebuild = start(&store, Some(&english()));
        step(&store, &rebuild, 4).unwrap();
        assert_eq!(text_keyspaces(&store), 2);
        change_index(&store, |index| {
            "alluvium-0".clone_into(&mut index.rebuild.as_mut().unwrap().fingerprint);
        });
        assert_clean(&store);
        let again = start(&store, Some(&english()));
        assert_ne!(again, rebuild, "it does not go on with what this program cannot read");
        step(&store, &again, 4).unwrap();
        change_index(&store, |index| {
            "alluvium-0".clone_into(&mut index.rebuild.as_mut().unwrap().fingerprint);
        });
        write(&store, |transaction, writer| {
            writer.insert(transaction, &rawdoc! { "_id": 9, "text": "gold" }).unwrap();
        });
        assert!(matches!(again.progress(&store.snapshot()), Err(Error::RebuildEnded { .. })));
        assert_eq!(text_keyspaces(&store), 1);
        assert_clean(&store);
        let snapshot = store.snapshot();
        let collection = CollectionReader::open(&snapshot, NAME).unwrap().unwrap();
        assert_eq!(*collection.text_index(None).unwrap().options(), TextIndexOptions::default());
    }
}
