//! Conditions that a column answers: every document's values are in it, so no document has to be read.
//!
//! `Access` asks for the conditions that no index covers, where that costs less than to look at the documents that are left. Searches get
//! [`ColumnDocuments`], which find out a window at a time which documents pass: a search looks at some windows only. Invariant: a
//! condition is answered only where its ranges are all that it says, and where what columns leave out (nothing, null and empty arrays are one
//! to them) does not matter. Cost: opening the chunks; of a window some microseconds, of single documents some ten nanoseconds each.

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use super::super::column_source::stored_chunk;
use super::super::error::Result;
use super::super::read::CollectionReader;
use super::cost::column_cost;
use crate::bson::{Direction, Filter, KeyField, KeyRange, KeyShape, RawBsonRef, sort_key};
use crate::columns::ColumnChunk;
use crate::fts::{DocId, DocumentSet, WINDOW_LEN, WINDOWS_LEN};
use crate::kernels::{Bitmap, Kernels};

/// Windows in which it is counted how many documents pass, to know about how many do.
const SAMPLE_LEN: u64 = 4;
/// Of so many documents of these windows one is looked at where to look at all of them takes long.
const SAMPLED_STEP: u8 = 64;
/// Documents of a window up to which each is looked up.
const LOOKED_UP_LEN_MAX: u32 = 128;

/// A condition, and the column that answers it.
#[derive(Debug)]
pub(super) struct ColumnWay {
    /// The condition's place among those of the filter.
    pub(super) conjunct: usize,
    pub(super) path: String,
    ranges: Vec<KeyRange>,
}

impl ColumnWay {
    /// The conditions that columns of the collection answer.
    pub(super) fn find(
        collection: &CollectionReader<'_>,
        conjuncts: &[Filter],
    ) -> Result<Vec<ColumnWay>> {
        let mut ways = Vec::new();
        let columns = collection.definition().columns.iter();
        // Filters may take a number for a name or for an index, columns know names alone.
        for path in columns.filter(|path| !path.split('.').any(is_number)) {
            let field = KeyField { path: path.clone(), direction: Direction::Ascending };
            let shape = KeyShape::new([field])?;
            for (conjunct, filter) in conjuncts.iter().enumerate() {
                // Arrays may have been met: nothing says that none was.
                let Some(found) = filter.key_ranges(&shape, 1) else { continue };
                if found.is_exact && !has_null(&found.ranges)? {
                    ways.push(ColumnWay { conjunct, path: path.clone(), ranges: found.ranges });
                }
            }
        }
        Ok(ways)
    }

    /// The documents for which the condition holds; dead ones may be among them.
    pub(super) fn documents(&self, collection: &CollectionReader<'_>) -> Result<DocumentSet> {
        Ok(ColumnDocuments::find(collection, &[self])?.gather())
    }

    /// Keeps the documents for which the condition holds.
    pub(super) fn keep(
        &self,
        collection: &CollectionReader<'_>,
        documents: &mut DocumentSet,
    ) -> Result<()> {
        let chunks: Vec<u32> = documents.chunks().map(|(chunk, _)| chunk).collect();
        for chunk in chunks {
            let in_column = self.in_chunk(collection, chunk, None)?;
            for number in 0..WINDOWS_LEN {
                let window = documents.window_mut(chunk, number);
                match &in_column {
                    Some(in_column) => in_column.keep(number, window),
                    None => window.fill(0),
                }
            }
        }
        Ok(())
    }

    /// What it costs to find all documents for which the condition holds, in entries of an index walked.
    pub(super) fn cost(&self, collection: &CollectionReader<'_>) -> Result<u64> {
        let middle = chunks_len(collection) / 2;
        let column = stored_chunk(collection, &self.path, middle)?;
        let has_several = column.is_some_and(|column| column.has_several());
        Ok(column_cost(collection.count(), has_several))
    }

    /// The values of a chunk that are meant, if some are there; `like` are those of another chunk.
    fn in_chunk(
        &self,
        collection: &CollectionReader<'_>,
        chunk: u32,
        like: Option<&InColumn>,
    ) -> Result<Option<InColumn>> {
        let Some(column) = stored_chunk(collection, &self.path, chunk)? else { return Ok(None) };
        let like = like.map(|like| like.ordinals.as_slice()).unwrap_or_default();
        let mut ordinals = Vec::with_capacity(self.ranges.len());
        for (place, KeyRange { lower, upper }) in self.ranges.iter().enumerate() {
            let lower = Bound::Included(lower.as_slice());
            let upper = upper.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let found = match like.get(place) {
                Some(near) => column.ordinals_near(lower, upper, near),
                None => column.ordinals_between(lower, upper),
            };
            ordinals.extend(Some(found).filter(|found| !found.is_empty()));
        }
        Ok((!ordinals.is_empty()).then_some(InColumn { column, ordinals }))
    }
}

/// The values of a chunk that a condition means.
#[derive(Debug)]
struct InColumn {
    column: Arc<ColumnChunk>,
    ordinals: Vec<Range<u32>>,
}

impl InColumn {
    /// The documents of a window that have one.
    fn window(&self, number: usize) -> Bitmap {
        let mut found = [0; WINDOW_LEN / 8];
        for ordinals in &self.ordinals {
            self.column.in_range(number, ordinals, &mut found);
        }
        found
    }

    /// Whether a document has one.
    fn holds(&self, offset: u16) -> bool {
        let is_meant = |ordinal| self.ordinals.iter().any(|range| range.contains(&ordinal));
        self.column.ordinals(offset).any(is_meant)
    }

    /// Keeps those documents of a window that have one.
    fn keep(&self, number: usize, window: &mut Bitmap) {
        match Kernels::best().count_bits(window) {
            0 => {}
            1..=LOOKED_UP_LEN_MAX => {
                let mut offsets = [0; WINDOW_LEN];
                let count = Kernels::best().bitmap_offsets(window, &mut offsets);
                let base = u16::try_from(number * WINDOW_LEN).unwrap_or_default();
                for offset in offsets.into_iter().take(count) {
                    if !self.holds(base | offset) {
                        window[usize::from(offset) / 8] &= !(1 << (offset % 8));
                    }
                }
            }
            _ => {
                Kernels::best().and(window, &self.window(number));
            }
        }
    }
}

/// Documents for which conditions hold, as columns say: found out for a window when it is asked for. Dead ones may be among them.
#[derive(Debug)]
pub struct ColumnDocuments {
    /// For each chunk that may have some, the values that each condition means.
    chunks: BTreeMap<u32, Vec<InColumn>>,
}

/// Those of a chunk.
#[derive(Debug, Clone, Copy)]
pub struct ColumnDocumentsChunk<'a>(&'a [InColumn]);

impl ColumnDocuments {
    /// The documents that a filter lets through, where columns tell all that it says.
    ///
    /// # Errors
    /// Those of the storage core, and corruption.
    pub fn of(collection: &CollectionReader<'_>, filter: &Filter) -> Result<Option<Self>> {
        let conjuncts = filter.conjuncts();
        let columns = ColumnWay::find(collection, &conjuncts)?;
        let ways = answering_all(&columns, conjuncts.len());
        ways.map(|ways| Self::find(collection, &ways)).transpose()
    }

    /// The documents for which all of some conditions hold.
    pub(super) fn find(collection: &CollectionReader<'_>, ways: &[&ColumnWay]) -> Result<Self> {
        let mut chunks: BTreeMap<u32, Vec<InColumn>> = BTreeMap::new();
        for chunk in 0..chunks_len(collection) {
            let like = chunks.last_key_value().map(|(_, found)| found.as_slice());
            if let Some(found) = in_all(collection, ways, chunk, like.unwrap_or_default())? {
                chunks.insert(chunk, found);
            }
        }
        Ok(ColumnDocuments { chunks })
    }

    /// The chunks that may have some, ascending.
    pub fn chunks(&self) -> impl Iterator<Item = u32> {
        self.chunks.keys().copied()
    }

    /// Those of a chunk, if it may have some.
    pub fn in_chunk(&self, chunk: u32) -> Option<ColumnDocumentsChunk<'_>> {
        self.chunks.get(&chunk).map(|found| ColumnDocumentsChunk(found))
    }

    /// Whether a document is one of them.
    pub fn contains(&self, doc: DocId) -> bool {
        let chunk = self.in_chunk(doc.chunk());
        chunk.is_some_and(|chunk| chunk.contains(0, doc.offset()))
    }

    /// All of them.
    pub(super) fn gather(&self) -> DocumentSet {
        let mut documents = DocumentSet::default();
        for (&chunk, found) in &self.chunks {
            for number in 0..WINDOWS_LEN {
                let window = ColumnDocumentsChunk(found).window(number);
                *documents.window_mut(chunk, number) = window;
            }
        }
        documents
    }
}

impl ColumnDocumentsChunk<'_> {
    /// Those of a window.
    pub fn window(&self, number: usize) -> Bitmap {
        let Some((first, others)) = self.0.split_first() else { return [0; WINDOW_LEN / 8] };
        let mut window = first.window(number);
        for other in others {
            other.keep(number, &mut window);
        }
        window
    }

    /// How many are in a window; where documents have several values, about as many, as one in [`SAMPLED_STEP`] says.
    fn sampled(&self, number: usize) -> u64 {
        if !self.has_several() {
            return Kernels::best().count_bits(&self.window(number)).into();
        }
        let offsets = (0..u16::MAX).take(WINDOW_LEN).step_by(SAMPLED_STEP.into());
        offsets
            .map(|offset| u64::from(SAMPLED_STEP) * u64::from(self.contains(number, offset)))
            .sum()
    }

    /// Whether documents have several values in some column that is asked.
    pub fn has_several(&self) -> bool {
        self.0.iter().any(|in_column| in_column.column.has_several())
    }

    /// Whether the document at an offset in a window is one of them.
    pub fn contains(&self, number: usize, offset: u16) -> bool {
        let base = u16::try_from(number * WINDOW_LEN).unwrap_or_default();
        self.0.iter().all(|in_column| in_column.holds(base | offset))
    }
}

/// A column for each of so many conditions; `None` where there are none, or some have none.
pub(super) fn answering_all(
    columns: &[ColumnWay],
    conjuncts_len: usize,
) -> Option<Vec<&ColumnWay>> {
    let of = |place| columns.iter().find(|way| way.conjunct == place);
    (0..conjuncts_len).map(of).collect::<Option<Vec<_>>>().filter(|ways| !ways.is_empty())
}

/// The values of a chunk that each condition means; `None` when one of them means none that is there. `like` are those of another chunk.
fn in_all(
    collection: &CollectionReader<'_>,
    ways: &[&ColumnWay],
    chunk: u32,
    like: &[InColumn],
) -> Result<Option<Vec<InColumn>>> {
    let mut found = Vec::with_capacity(ways.len());
    for (place, way) in ways.iter().enumerate() {
        let Some(in_column) = way.in_chunk(collection, chunk, like.get(place))? else {
            return Ok(None);
        };
        found.push(in_column);
    }
    Ok(Some(found))
}

/// About how many documents all of some conditions hold for, as some windows say; `None` in a collection of few windows.
pub(super) fn sampled(
    collection: &CollectionReader<'_>,
    ways: &[&ColumnWay],
) -> Result<Option<u64>> {
    let windows_len = collection.next_doc_id().number() / WINDOW_LEN as u64;
    if windows_len < SAMPLE_LEN {
        return Ok(None);
    }
    let (mut sum, mut like) = (0, Vec::new());
    for place in 0..SAMPLE_LEN {
        let window = windows_len * (2 * place + 1) / (2 * SAMPLE_LEN);
        let Some(first) = DocId::new(window * WINDOW_LEN as u64) else { continue };
        if let Some(found) = in_all(collection, ways, first.chunk(), &like)? {
            let number = usize::from(first.offset()) / WINDOW_LEN;
            sum += ColumnDocumentsChunk(&found).sampled(number);
            like = found;
        }
    }
    Ok(Some(sum * windows_len / SAMPLE_LEN))
}

/// Chunks that documents may be in.
pub(super) fn chunks_len(collection: &CollectionReader<'_>) -> u32 {
    collection.next_doc_id().chunk().saturating_add(1)
}

fn is_number(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether documents without a value may be meant.
fn has_null(ranges: &[KeyRange]) -> Result<bool> {
    let mut null = Vec::new();
    sort_key(RawBsonRef::Null, &mut null)?;
    let is_below = |upper: &Vec<u8>| null < *upper;
    Ok(ranges.iter().any(|range| range.lower <= null && range.upper.as_ref().is_none_or(is_below)))
}
