//! How a database is opened, and how a collection is created. Each knob says what it means and its default.

use crate::fts::TextIndexOptions;
use crate::lsm::{self, Durability};

/// How to open a database.
///
/// ```
/// use alluvium::{Database, Options};
///
/// let folder = tempfile::tempdir().unwrap();
/// let options = Options::new().memory_bytes(64 << 20).create_new(true);
/// let db = Database::open_with(folder.path().join("notes.alv"), options.clone())?;
/// assert!(Database::open_with(folder.path().join("notes.alv"), options).is_err());
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Bytes that the database may hold in memory. Default: 256 MiB; at least 1 MiB.
    pub memory_bytes: usize,
    /// When a commit counts as done, unless `commit_with` says otherwise. Default: `Sync`.
    pub durability: Durability,
    /// Whether the file must not exist yet. Default: false.
    pub create_new: bool,
    /// Whether the file must exist already. Default: false.
    pub must_exist: bool,
}

/// The least memory that a database works with.
const MEMORY_BYTES_MIN: usize = 1 << 20;

impl Default for Options {
    fn default() -> Self {
        let memory_bytes = lsm::Options::default().memory_bytes;
        let durability = Durability::Sync;
        Options { memory_bytes, durability, create_new: false, must_exist: false }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`memory_bytes`](Self::memory_bytes).
    #[must_use]
    pub fn memory_bytes(mut self, bytes: usize) -> Self {
        self.memory_bytes = bytes.max(MEMORY_BYTES_MIN);
        self
    }

    /// Sets [`durability`](Self::durability).
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets [`create_new`](Self::create_new).
    #[must_use]
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Sets [`must_exist`](Self::must_exist).
    #[must_use]
    pub fn must_exist(mut self, must_exist: bool) -> Self {
        self.must_exist = must_exist;
        self
    }

    /// Bytes of postings that a transaction gathers before it writes them out.
    pub(super) fn inverter_bytes_max(&self) -> usize {
        self.memory_bytes / 16
    }
}

/// How a collection is created.
///
/// ```
/// use alluvium::{AnalyzerOptions, CollectionOptions, Database, Language, TextIndexOptions, doc};
///
/// let db = Database::in_memory()?;
/// let english = AnalyzerOptions::for_language(Language::English);
/// let fields = TextIndexOptions::chosen([("title", 2.0), ("body", 1.0)], english);
/// let notes = db.create_collection("notes", &CollectionOptions::new().text_index(fields))?;
/// notes.insert(doc! { "title": "Panning", "body": "Rivers carry gold." })?;
/// assert_eq!(notes.search("title:pans")?.count()?, 1);
/// # Ok::<(), alluvium::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CollectionOptions {
    /// The text index that it begins with. Default: all strings, words of no language in particular.
    pub text_index: Option<TextIndexOptions>,
    /// Whether documents are indexed and not stored. Default: false.
    pub index_only: bool,
}

impl Default for CollectionOptions {
    fn default() -> Self {
        CollectionOptions { text_index: Some(TextIndexOptions::default()), index_only: false }
    }
}

impl CollectionOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`text_index`](Self::text_index).
    #[must_use]
    pub fn text_index(mut self, text_index: impl Into<Option<TextIndexOptions>>) -> Self {
        self.text_index = text_index.into();
        self
    }

    /// Sets [`index_only`](Self::index_only): for documents that are kept elsewhere. Searches, counts, scores, `_id`s, and value indexes and columns
    /// that are created before the first document work as ever; whatever needs a document is an error that says so: getting it, snippets,
    /// projections, filters that no index answers, building an index anew. A document goes by
    /// [`remove_document`](crate::Collection::remove_document), and one takes the place of another behind that.
    ///
    /// ```
    /// use alluvium::{CollectionOptions, Database, doc};
    ///
    /// let db = Database::in_memory()?;
    /// let notes = db.create_collection("notes", &CollectionOptions::new().index_only(true))?;
    /// notes.insert(doc! { "_id": 7, "text": "Gold settles where the river slows." })?;
    /// let hit = notes.search("gold")?.run()?.next().unwrap();
    /// assert_eq!(hit.id()?.as_i32(), Some(7));
    /// assert!(hit.document().is_err_and(|error| error.is_not_stored()));
    /// assert!(notes.remove(7).is_err());
    /// notes.remove_document(doc! { "_id": 7, "text": "Gold settles where the river slows." })?;
    /// assert_eq!(notes.search("gold")?.count()?, 0);
    /// # Ok::<(), alluvium::Error>(())
    /// ```
    #[must_use]
    pub fn index_only(mut self, is_index_only: bool) -> Self {
        self.index_only = is_index_only;
        self
    }
}
