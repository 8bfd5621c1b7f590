//! [`TermTable`]: what gathers for each (field, term), found by its bytes.
//!
//! The inverter looks every token up here, and walks the terms in key order when it is drained.
//!
//! ```text
//! slots    hash and number of an entry; open addressing, at most half full
//! entries  field, length, first 8 bytes of the term, and what has gathered for it
//! names    the terms one after the other
//! ```
//! Invariant: a slot's number is that of an entry, and no two entries have the same field and term. Cost: for a short word the
//! slot and the entry are all that a look-up touches; nothing is allocated but when one of the three grows. The arena and the short
//! form of terms that comparing begins with are those of Lucene's and tantivy's term tables, and of sorts of strings.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::fts::ids::FieldId;

/// Slots of the smallest table.
const SLOTS_LEN_MIN: usize = 64;

/// Values of type `S` by field and term.
#[derive(Debug)]
pub(super) struct TermTable<S> {
    /// Others in each table, so that nobody can choose terms that all want the same slot.
    seeds: [u64; 2],
    slots: Vec<Slot>,
    entries: Vec<Entry<S>>,
    names: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    number: u32,
}

/// A slot that has no entry.
const FREE: Slot = Slot { hash: 0, number: u32::MAX };

#[derive(Debug)]
struct Entry<S> {
    head: u64,
    start: u32,
    len: u16,
    field: FieldId,
    state: S,
}

impl<S> Default for TermTable<S> {
    fn default() -> Self {
        let random = RandomState::new();
        let seeds = [random.hash_one(0), random.hash_one(1)];
        TermTable { seeds, slots: Vec::new(), entries: Vec::new(), names: Vec::new() }
    }
}

/// What a term is looked up by.
#[derive(Debug, Clone, Copy)]
pub(super) struct TermKey {
    field: FieldId,
    hash: u32,
    head: u64,
    len: u16,
}

impl TermKey {
    /// Whether all bytes of the term are in its head.
    pub(super) fn is_short(&self) -> bool {
        usize::from(self.len) <= size_of::<u64>()
    }
}

impl<S: Default> TermTable<S> {
    /// What a term of a field, of at most 65,535 bytes, is looked up by in this table.
    #[inline]
    pub(super) fn key(&self, field: FieldId, term: &[u8]) -> TermKey {
        let head = head(term);
        let len = u16::try_from(term.len()).expect("invariant: a term is shorter than a key");
        let [seed, other_seed] = self.seeds;
        let rest = seed ^ (u64::from(field.0) << u16::BITS | u64::from(len));
        let hash = if usize::from(len) <= size_of::<u64>() {
            folded_product(head ^ other_seed, rest)
        } else {
            xxh3_64_with_seed(term, rest)
        };
        TermKey { field, hash: (hash >> u32::BITS) as u32, head, len }
    }

    /// The number of a term, which is added when it is not there. Of a short one the bytes need not be given.
    pub(super) fn number(&mut self, key: TermKey, term: &[u8]) -> u32 {
        if (self.entries.len() + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut place = key.hash as usize & mask;
        loop {
            let slot = self.slots[place];
            if slot.number == FREE.number {
                let number = self.push(key, term);
                self.slots[place] = Slot { hash: key.hash, number };
                return number;
            }
            if slot.hash == key.hash && self.is(slot.number, key, term) {
                return slot.number;
            }
            place = (place + 1) & mask;
        }
    }

    /// The number that a term most likely has; [`is`](Self::is) says whether it has. Looks at one slot alone, so that several guesses
    /// wait for memory at the same time.
    pub(super) fn guess(&self, key: TermKey) -> Option<u32> {
        let place = key.hash as usize & self.slots.len().checked_sub(1)?;
        let slot = self.slots[place];
        (slot.number != FREE.number && slot.hash == key.hash).then_some(slot.number)
    }

    /// Whether a number is that of this term, whose bytes need not be given if it is short.
    #[inline]
    pub(super) fn is(&self, number: u32, key: TermKey, term: &[u8]) -> bool {
        let entry = &self.entries[number as usize];
        entry.head == key.head
            && entry.field == key.field
            && entry.len == key.len
            && (key.is_short() || self.term(entry) == term)
    }

    /// What has gathered for a term.
    pub(super) fn state(&mut self, number: u32) -> &mut S {
        &mut self.entries[number as usize].state
    }

    fn push(&mut self, key: TermKey, term: &[u8]) -> u32 {
        let TermKey { field, head, len, .. } = key;
        let number = u32::try_from(self.entries.len());
        let start = u32::try_from(self.names.len());
        let (Ok(number), Ok(start)) = (number, start) else {
            panic!("invariant: a table of terms is drained long before it has 4 GiB")
        };
        let bytes = head.to_be_bytes();
        self.names.extend_from_slice(bytes.get(..usize::from(len)).unwrap_or(term));
        self.entries.push(Entry { head, start, len, field, state: S::default() });
        number
    }

    fn grow(&mut self) {
        let len = (self.slots.len() * 2).max(SLOTS_LEN_MIN);
        let mut slots = vec![FREE; len];
        for &slot in self.slots.iter().filter(|slot| slot.number != FREE.number) {
            let mut place = slot.hash as usize & (len - 1);
            while slots[place].number != FREE.number {
                place = (place + 1) & (len - 1);
            }
            slots[place] = slot;
        }
        self.slots = slots;
    }
}

impl<S> TermTable<S> {
    fn term(&self, entry: &Entry<S>) -> &[u8] {
        &self.names[entry.start as usize..][..usize::from(entry.len)]
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that are filled.
    pub(super) fn bytes(&self) -> usize {
        self.slots.len() * size_of::<Slot>()
            + self.entries.len() * size_of::<Entry<S>>()
            + self.names.len()
    }

    /// Field, term and what has gathered for it.
    pub(super) fn get(&self, number: u32) -> (FieldId, &[u8], &S) {
        let entry = &self.entries[number as usize];
        (entry.field, self.term(entry), &entry.state)
    }

    /// The numbers of all terms in the order of their keys: fields ascend, and in a field terms by their bytes.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut sorted: Vec<(FieldId, u64, u32)> = (0..)
            .zip(&self.entries)
            .map(|(number, entry)| (entry.field, entry.head, number))
            .collect();
        sorted.sort_unstable_by(|left, right| {
            (left.0, left.1)
                .cmp(&(right.0, right.1))
                .then_with(|| self.compare(left.2, self, right.2))
        });
        sorted.into_iter().map(|(.., number)| number).collect()
    }

    /// How a term of this table and one of another are ordered.
    pub(super) fn compare(&self, number: u32, other: &Self, other_number: u32) -> Ordering {
        let (left, right) = (&self.entries[number as usize], &other.entries[other_number as usize]);
        (left.field, left.head)
            .cmp(&(right.field, right.head))
            .then_with(|| self.term(left).cmp(other.term(right)))
    }
}

/// The first 8 bytes of a term, so that those of two terms order as the terms do, unless they are equal.
fn head(term: &[u8]) -> u64 {
    if let Some(head) = term.first_chunk() {
        return u64::from_be_bytes(*head);
    }
    // Bytes are put where they belong, some of them twice, since a copy of so few whose number is not known is a call.
    let from_end = |bytes: u64| bytes << (u64::BITS as usize - 8 * term.len());
    if let (Some(first), Some(last)) = (term.first_chunk(), term.last_chunk()) {
        return u64::from(u32::from_be_bytes(*first)) << u32::BITS
            | from_end(u32::from_be_bytes(*last).into());
    }
    match *term {
        [a, b, c] => from_end(u32::from_be_bytes([0, a, b, c]).into()),
        [a, b] => from_end(u16::from_be_bytes([a, b]).into()),
        [a] => from_end(a.into()),
        _ => 0,
    }
}

/// Both halves of a product together: each bit depends on all of both numbers.
fn folded_product(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> u64::BITS) as u64 ^ left.wrapping_mul(right)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn terms_are_found_again_and_ordered_as_in_a_map() {
        let mut random = fastrand::Rng::with_seed(8);
        let mut table = TermTable::<u32>::default();
        let mut expected: BTreeMap<(FieldId, Vec<u8>), u32> = BTreeMap::new();
        for _ in 0..20_000 {
            let field = FieldId([0, 1, 300, 0xFFFF][random.usize(..4)]);
            // Short and long ones, with zeroes at the end and beginnings in common.
            let mut term = vec![b'a'; [0, 6, 7, 8, 9, 40][random.usize(..6)]];
            term.extend((0..random.usize(..3)).map(|_| [0, 1, b'b', 0xFF][random.usize(..4)]));
            let key = table.key(field, &term);
            let guess = table.guess(key).filter(|&guess| table.is(guess, key, &term));
            let number = table.number(key, &term);
            assert!(guess.is_none_or(|guess| guess == number));
            *table.state(number) += 1;
            *expected.entry((field, term)).or_default() += 1;
        }
        let found: Vec<_> = table.sorted().iter().map(|&number| table.get(number)).collect();
        let expected: Vec<_> =
            expected.iter().map(|((field, term), count)| (*field, &term[..], count)).collect();
        assert_eq!(found, expected);
        assert_eq!(table.len(), expected.len());
    }
}
