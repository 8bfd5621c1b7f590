//! Joining parts of a column's chunk: one dictionary of all, and the rows of each with new ordinals.
//!
//! The merge operator calls it with what was read from operands. Dictionaries ascend, so that sorting their keys together is little
//! more than merging them; of equal values the one of the first document is kept, so that the order of parts does not matter.
//! Cost: some hundred nanoseconds a value, some ten a document.

use super::content::Content;
use super::dictionary::Dictionary;
use super::rows::Rows;

/// A value of a part, and where its sort key stands.
struct Item {
    start: usize,
    end: usize,
    part: usize,
    ordinal: u32,
}

/// The join of parts; fails with a document that two of them hold.
pub(super) fn join(parts: &[Content]) -> Result<Content, u16> {
    let (mut keys, mut items, mut key) = (Vec::new(), Vec::new(), Vec::new());
    for (part, content) in parts.iter().enumerate() {
        for ordinal in 0..content.dictionary.len() {
            let start = keys.len();
            keys.extend_from_slice(content.dictionary.key(ordinal, &mut key));
            items.push(Item { start, end: keys.len(), part, ordinal });
        }
    }
    let key_of = |item: &Item| &keys[item.start..item.end];
    items.sort_by(|a, b| key_of(a).cmp(key_of(b)));
    let firsts: Vec<Vec<u16>> = parts.iter().map(Content::first_documents).collect();
    let zeros = |content: &Content| vec![0; content.dictionary.len() as usize];
    let mut ordinals: Vec<Vec<u32>> = parts.iter().map(zeros).collect();
    let (mut wrapped, mut ends) = (Vec::new(), Vec::new());
    for (equal, joined) in items.chunk_by(|a, b| key_of(a) == key_of(b)).zip(0..) {
        let first_of = |item: &&Item| firsts[item.part][item.ordinal as usize];
        if let Some(first) = equal.iter().min_by_key(first_of) {
            parts[first.part].dictionary.put_wrapped(first.ordinal, &mut wrapped);
            ends.push(wrapped.len());
        }
        for item in equal {
            ordinals[item.part][item.ordinal as usize] = joined;
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let values = starts.zip(&ends).map(|(start, &end)| &wrapped[start..end]);
    Ok(Content { dictionary: Dictionary::from_wrapped(values), rows: join_rows(parts, &ordinals)? })
}

fn join_rows(parts: &[Content], ordinals: &[Vec<u32>]) -> Result<Rows, u16> {
    let rows = parts.iter().zip(ordinals).flat_map(|(content, ordinals)| {
        content.rows.iter().map(move |(offset, row)| (offset, row, ordinals))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|&(offset, ..)| offset);
    if let Some(twice) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(twice[0].0);
    }
    let (mut joined, mut row) = (Rows::default(), Vec::new());
    for (offset, old, ordinals) in rows {
        row.clear();
        row.extend(old.iter().map(|&ordinal| ordinals[ordinal as usize]));
        joined.push(offset, &row);
    }
    Ok(joined)
}
