//! Merges the pieces of a keyspace: for each key, what its newest readable pieces say.
//!
//! The rules of what counts stand in the header of the folder. Pieces are opened when the merge reaches their first key,
//! so that only those around the current key hold a block in memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::Bytes;

use super::piece::{Entry, Loss, Piece, Walk};
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::Result;
use crate::lsm::operands::{Combiner, Content, Operands};
use crate::lsm::value::ValueLookup;

/// One piece in the merge.
struct Source<'a> {
    piece: &'a Piece,
    /// `None` until the merge reaches the piece.
    walk: Option<Walk<'a>>,
    entry: Option<Entry>,
}

/// Gives the newest value of every key to `visit`; `pieces` are of one keyspace, newest first.
pub(super) fn merge(
    pieces: &[&Piece],
    values: &ValueLookup,
    combiner: &Combiner,
    visit: &mut dyn FnMut(&[u8], Bytes) -> Result<()>,
) -> Result<Vec<Loss>> {
    let mut losses = Vec::new();
    let damaged: Vec<&Piece> =
        pieces.iter().copied().filter(|piece| piece.is_current() && piece.is_damaged()).collect();
    let counts = |piece: &Piece, key: &[u8]| {
        piece.is_current() || damaged.iter().any(|damaged| damaged.is_damaged_at(key))
    };
    let hiding: Vec<usize> =
        (0..pieces.len()).filter(|&index| pieces[index].has_ranges()).collect();
    let mut sources: Vec<Source<'_>> =
        pieces.iter().map(|&piece| Source { piece, walk: None, entry: None }).collect();
    let first_keys = pieces.iter().map(|piece| piece.smallest()).enumerate();
    let mut heap: BinaryHeap<Reverse<(Bytes, usize)>> =
        first_keys.map(|(index, key)| Reverse((key, index))).collect();
    while let Some(Reverse((key, index))) = heap.pop() {
        let Some(source) = sources.get_mut(index) else { continue };
        if source.walk.is_none() {
            // Its first key was only an announcement.
            source.advance(index, &mut heap);
            continue;
        }
        let mut newest_first = vec![index];
        while let Some(Reverse((next, other))) = heap.peek()
            && *next == key
        {
            let other = *other;
            heap.pop();
            if sources.get(other).is_some_and(|source| source.walk.is_some()) {
                newest_first.push(other);
            } else if let Some(source) = sources.get_mut(other) {
                source.advance(other, &mut heap);
            }
        }
        newest_first.sort_unstable();
        let operands = collect(&sources, values, (&newest_first, &hiding), &key, &counts);
        match operands.resolve(combiner, &key) {
            Ok(Some(Content::Value(value))) => visit(&key, value)?,
            // A reference was followed when it was collected.
            Ok(Some(Content::Reference(_)) | None) => {}
            Err(error) => losses.push(Loss::new(
                &combiner.keyspace,
                "the operands of one key".to_owned(),
                format!("\"{}\"", key.escape_ascii()),
                error.to_string(),
            )),
        }
        for index in newest_first {
            if let Some(source) = sources.get_mut(index) {
                source.advance(index, &mut heap);
            }
        }
    }
    Ok(losses)
}

impl Source<'_> {
    /// To the next entry, whose key the heap learns.
    fn advance(&mut self, index: usize, heap: &mut BinaryHeap<Reverse<(Bytes, usize)>>) {
        self.entry = self.walk.get_or_insert_with(|| self.piece.walk()).next();
        if let Some(entry) = &self.entry {
            heap.push(Reverse((entry.key.clone(), index)));
        }
    }
}

/// What the pieces with these numbers say of `key`, as far as it `counts`. A range tombstone ends it.
fn collect(
    sources: &[Source<'_>],
    values: &ValueLookup,
    (newest_first, hiding): (&[usize], &[usize]),
    key: &[u8],
    counts: &dyn Fn(&Piece, &[u8]) -> bool,
) -> Operands {
    let hides = |source: &Source<'_>| source.piece.hides(key) && counts(source.piece, key);
    let hidden_by = hiding.iter().copied().find(|&index| sources.get(index).is_some_and(hides));
    let mut operands = Operands::default();
    // Entries of a piece are newer than its ranges.
    for &index in newest_first.iter().filter(|&&index| hidden_by.is_none_or(|by| index <= by)) {
        let Some(Source { piece, entry: Some(entry), .. }) = sources.get(index) else { continue };
        // A value that cannot be read was noted when the piece was verified; what is older counts then.
        if counts(piece, key)
            && let Ok(value) = piece.value(entry, values)
            && operands.push(
                if entry.kind == EntryKind::Refer { EntryKind::Put } else { entry.kind },
                value,
            )
        {
            break;
        }
    }
    operands
}
