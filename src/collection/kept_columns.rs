//! [`KeptColumns`]: chunks of columns that were opened and checked, for those who look at the same state again.
//!
//! An opened collection owns one, so what is kept goes with the state. Invariant: all of it is memory that the store's budget reserved; what
//! there was no memory for is checked again. Cost: a look-up in a map.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::columns::ColumnChunk;
use crate::lsm::Reserved;

/// Bytes that an entry takes beside the chunk.
const ENTRY_BYTES: usize = 128;

/// Opened chunks by path and number.
#[derive(Debug, Default)]
pub(super) struct KeptColumns(Mutex<HashMap<String, HashMap<u32, Kept>>>);

#[derive(Debug)]
struct Kept {
    column: Arc<ColumnChunk>,
    _memory: Reserved,
}

impl KeptColumns {
    /// A chunk, if it is kept.
    pub(super) fn get(&self, path: &str, chunk: u32) -> Option<Arc<ColumnChunk>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&kept.get(path)?.get(&chunk)?.column))
    }

    /// Keeps a chunk, if `reserve` has as many bytes as it is asked for.
    pub(super) fn keep(
        &self,
        path: &str,
        chunk: u32,
        column: Arc<ColumnChunk>,
        reserve: impl FnOnce(usize) -> Option<Reserved>,
    ) {
        let bytes = column.bytes();
        let Some(memory) = reserve(bytes + path.len() + ENTRY_BYTES) else { return };
        let kept = Kept { column, _memory: memory };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(path.to_owned()).or_default().insert(chunk, kept);
    }
}
