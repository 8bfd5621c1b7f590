//! Sorting: the first documents of a set by their values at some paths.
//!
//! Searches call it. The order is MongoDB's: ascending a document counts with its least value, descending with its greatest; one
//! without a value counts as null; what is equal at all paths comes in the order of document numbers.
//!
//! Within a chunk values are *places*, numbers that order as they do: four times the ordinal plus 3; what lies between two
//! ordinals has the numbers between, three of them, to tell what is below null, null, and what is above. The best known so far are places of each chunk again; what lies behind them is dropped a window at a
//! time, or a chunk whose extreme lies behind them without a look at its documents. Only what is left, at most as many documents of a chunk as are asked for, is compared by its keys. Cost: a
//! nanosecond a document, a few for those that are not dropped; memory for twice the documents that are asked for.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunk::ColumnChunk;
use super::source::ColumnSource;
use crate::bson::{Direction, RawBsonRef, sort_key};
use crate::fts::{DocId, DocumentSet, WINDOW_LEN, WINDOWS_LEN};
use crate::kernels::{Bitmap, Kernels};

/// A path to sort by, and which way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SortKey {
    /// The path.
    pub path: String,
    /// Which way.
    #[serde(default)]
    pub direction: Direction,
}

/// A document in its place in the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sorted {
    /// The document.
    pub doc: DocId,
    /// Sort keys of the values that it counts with, one for each path; that of null where it has none.
    pub keys: Vec<Vec<u8>>,
}

impl SortKey {
    /// Sorts small values at `path` first.
    pub fn ascending(path: impl Into<String>) -> Self {
        SortKey { path: path.into(), direction: Direction::Ascending }
    }

    /// Sorts great values at `path` first.
    pub fn descending(path: impl Into<String>) -> Self {
        SortKey { path: path.into(), direction: Direction::Descending }
    }
}

/// The documents of `set` by their values at the paths of `keys`, without the first `offset`, at most `limit`.
///
/// `after` continues behind a document that was found before with the same keys, wherever it stands now; `offset` counts from
/// there. Without keys the order is that of document numbers.
///
/// ```
/// use std::sync::Arc;
/// use alluvium::bson::{Path, rawdoc};
/// use alluvium::columns::{
///     ColumnChunk, ColumnChunkBuilder, ColumnSource, Error, SortKey, sorted,
/// };
/// use alluvium::fts::{DocId, DocumentSet};
///
/// /// Has years alone, and of chunk 0.
/// struct Years(Arc<ColumnChunk>);
///
/// impl ColumnSource for Years {
///     type Error = Error;
///
///     fn chunk(&self, _path: &str, chunk: u32) -> Result<Option<Arc<ColumnChunk>>, Error> {
///         Ok((chunk == 0).then(|| Arc::clone(&self.0)))
///     }
/// }
///
/// let mut builder = ColumnChunkBuilder::default();
/// let documents = [
///     (1, rawdoc! { "year": 1851 }),
///     (2, rawdoc! { "year": [1849, 1853] }),
///     (4, rawdoc! { "year": 1850 }),
/// ];
/// for (offset, document) in documents {
///     builder.add(offset, &Path::parse("year")?, &document)?;
/// }
/// let years = Years(Arc::new(builder.finish().expect("some values")));
/// let set: DocumentSet = (1..5).map(|offset| DocId::from_parts(0, offset)).collect();
/// let keys = [SortKey::descending("year")];
/// let found = sorted(&set, &years, &keys, 0, 3, None)?;
/// let offsets: Vec<u16> = found.iter().map(|sorted| sorted.doc.offset()).collect();
/// assert_eq!(offsets, [2, 1, 4]);
/// let rest = sorted(&set, &years, &keys, 0, 3, found.last())?;
/// assert_eq!(rest.len(), 1);
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// Those of the source.
pub fn sorted<S: ColumnSource>(
    set: &DocumentSet,
    source: &S,
    keys: &[SortKey],
    offset: usize,
    limit: usize,
    after: Option<&Sorted>,
) -> Result<Vec<Sorted>, S::Error> {
    let wanted = if limit == 0 { 0 } else { offset.saturating_add(limit) };
    let null = null_key();
    let mut best: Vec<Sorted> = Vec::new();
    for (chunk, windows) in set.chunks().filter(|_| wanted > 0) {
        if windows.iter().flatten().all(|&byte| byte == 0) {
            continue;
        }
        let columns = keys
            .iter()
            .map(|key| Ok(Places::new(source.chunk(&key.path, chunk)?, key.direction, &null)))
            .collect::<Result<Vec<_>, S::Error>>()?;
        let places_of = |sorted: &Sorted| -> Vec<u32> {
            columns
                .iter()
                .zip(&sorted.keys)
                .map(|(column, key)| column.of_key(key, &null))
                .collect()
        };
        let worst = best.last().filter(|_| best.len() == wanted).map(places_of);
        let first = columns.first().map(Places::least).unwrap_or_default();
        if worst.as_ref().and_then(|worst| worst.first()).is_some_and(|&worst| first > worst) {
            continue;
        }
        let after = after.map(|after| (places_of(after), after.doc));
        let mut selection =
            Selection { chunk, columns: &columns, wanted, worst, after, found: Vec::new() };
        selection.look_at(windows);
        let found = selection.finish();
        best.extend(found.into_iter().map(|offset| Sorted {
            doc: DocId::from_parts(chunk, offset),
            keys: columns.iter().map(|column| column.key(offset, &null)).collect(),
        }));
        best.sort_by(|a, b| order(keys, a, b));
        best.truncate(wanted);
    }
    best.drain(..offset.min(best.len()));
    Ok(best)
}

/// The order of two documents.
fn order(keys: &[SortKey], a: &Sorted, b: &Sorted) -> Ordering {
    let by_keys =
        keys.iter().zip(a.keys.iter().zip(&b.keys)).map(|(key, (a, b))| match key.direction {
            Direction::Ascending => a.cmp(b),
            Direction::Descending => b.cmp(a),
        });
    let first = by_keys.into_iter().find(|order| order.is_ne());
    first.unwrap_or_else(|| a.doc.cmp(&b.doc))
}

fn null_key() -> Vec<u8> {
    let mut key = Vec::new();
    sort_key(RawBsonRef::Null, &mut key).expect("invariant: null has a key");
    key
}

/// The places of a chunk's documents at one path: what comes first has the smaller place.
struct Places {
    column: Option<Arc<ColumnChunk>>,
    is_descending: bool,
    /// Of a document without a value.
    absent: u32,
}

impl Places {
    fn new(column: Option<Arc<ColumnChunk>>, direction: Direction, null: &[u8]) -> Self {
        let is_descending = direction == Direction::Descending;
        let mut places = Places { column, is_descending, absent: 0 };
        places.absent = places.of_key(null, null);
        places
    }

    fn of_key(&self, key: &[u8], null: &[u8]) -> u32 {
        let (ordinal, is_equal) =
            self.column.as_ref().map_or((0, false), |column| column.find(key));
        if is_equal {
            return self.turned(4 * ordinal + 3);
        }
        // Of what no document has as a value, null alone is some document's place.
        let beside_null = match key.cmp(null) {
            Ordering::Less => 0,
            Ordering::Equal => 1,
            Ordering::Greater => 2,
        };
        self.turned(4 * ordinal + beside_null)
    }

    fn of_slot(&self, slot: u32) -> u32 {
        if slot == 0 { self.absent } else { self.turned(4 * slot - 1) }
    }

    fn of(&self, offset: u16) -> u32 {
        let slot = self.column.as_ref().map_or(0, |column| column.slot(offset, self.is_descending));
        self.of_slot(slot)
    }

    /// The first place that a document may have.
    fn least(&self) -> u32 {
        let extreme =
            |column: &Arc<ColumnChunk>| if self.is_descending { column.cardinality() } else { 1 };
        self.column
            .as_ref()
            .map_or(self.absent, |column| self.of_slot(extreme(column)).min(self.absent))
    }

    /// Drops documents of a window that come behind a place; of those without a value none, where they may be before it.
    fn keep(&self, number: usize, place: u32, window: &mut Bitmap) {
        let Some(column) = self.column.as_ref().filter(|_| self.absent > place) else { return };
        let slots = 1..column.cardinality() + 1;
        // Places follow ordinals, so those that are not behind it are the first of them or the last.
        let is_inside = |&slot: &u32| self.of_slot(slot) <= place;
        let ordinals = if self.is_descending {
            let behind = first_slot(&slots, |slot| is_inside(&slot));
            behind - 1..column.cardinality()
        } else {
            let behind = first_slot(&slots, |slot| !is_inside(&slot));
            0..behind - 1
        };
        let mut found = [0; WINDOW_LEN / 8];
        column.in_range(number, &ordinals, &mut found);
        Kernels::best().and(window, &found);
    }

    fn turned(&self, place: u32) -> u32 {
        if self.is_descending { u32::MAX - place } else { place }
    }

    /// The sort key of the value that a document counts with.
    fn key(&self, offset: u16, null: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        let column = self.column.as_ref();
        let slot = column.map_or(0, |column| column.slot(offset, self.is_descending));
        match (column, slot.checked_sub(1)) {
            (Some(column), Some(ordinal)) => {
                column.key(ordinal, &mut key);
            }
            _ => key.extend_from_slice(null),
        }
        key
    }
}

/// The first of some slots that passes, as all behind it do; the end when none does.
fn first_slot(slots: &Range<u32>, passes: impl Fn(u32) -> bool) -> u32 {
    let (mut low, mut high) = (slots.start, slots.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if passes(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

/// The best documents of a chunk.
struct Selection<'a> {
    chunk: u32,
    columns: &'a [Places],
    wanted: usize,
    /// Places that a document has to stay before.
    worst: Option<Vec<u32>>,
    /// Places that it has to come behind, or at which its number has to.
    after: Option<(Vec<u32>, DocId)>,
    found: Vec<u16>,
}

/// Documents that are gathered before any is dropped, at least.
const GATHERED_LEN: usize = 1024;

impl Selection<'_> {
    fn look_at(&mut self, windows: &[Bitmap; WINDOWS_LEN]) {
        let columns = self.columns;
        for (number, window) in windows.iter().enumerate() {
            let mut window = *window;
            if let (Some(first), Some(worst)) = (columns.first(), &self.worst)
                && let Some(worst) = worst.first()
            {
                // Most documents fail here.
                first.keep(number, *worst, &mut window);
            }
            let mut offsets = [0; WINDOW_LEN];
            let count = Kernels::best().bitmap_offsets(&window, &mut offsets);
            let base = u16::try_from(number * WINDOW_LEN).unwrap_or_default();
            for offset in offsets.into_iter().take(count) {
                self.consider(base | offset);
            }
        }
    }

    fn consider(&mut self, offset: u16) {
        if self.worst.as_ref().is_some_and(|worst| self.compare(offset, worst).is_ge()) {
            return;
        }
        if let Some((after, doc)) = &self.after {
            let order = self.compare(offset, after);
            let order = order.then(DocId::from_parts(self.chunk, offset).cmp(doc));
            if order.is_le() {
                return;
            }
        }
        self.found.push(offset);
        if self.found.len() >= self.wanted.saturating_mul(2).max(GATHERED_LEN) {
            self.drop_worst();
        }
    }

    /// Keeps those that are wanted; their worst has to be beaten from now on.
    fn drop_worst(&mut self) {
        if self.found.len() <= self.wanted {
            return;
        }
        let columns = self.columns;
        let order = |a: &u16, b: &u16| {
            let by_places = columns.iter().map(|column| column.of(*a).cmp(&column.of(*b)));
            by_places.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.cmp(b))
        };
        let (_, &mut worst, _) = self.found.select_nth_unstable_by(self.wanted - 1, order);
        self.found.truncate(self.wanted);
        self.worst = Some(columns.iter().map(|column| column.of(worst)).collect());
    }

    fn finish(mut self) -> Vec<u16> {
        self.drop_worst();
        self.found
    }

    fn compare(&self, offset: u16, places: &[u32]) -> Ordering {
        let by_places =
            self.columns.iter().zip(places).map(|(column, place)| column.of(offset).cmp(place));
        by_places.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}
