//! A pending table against what its writes do to each key: in key order, nearly so, and in any order. The twin is that of
//! fresh runs; bytes are counted as `Pending` does.

use std::ops::Range;

use super::*;
use crate::lsm::fresh::tests::{Append, KEYS, Says, key, range, walk};

/// Writes as `Pending` does, and keeps count as it does.
#[derive(Debug, Default)]
struct Counted {
    table: Table,
    bytes: usize,
}

impl Counted {
    fn write(&mut self, number: usize, kind: EntryKind, value: &[u8]) {
        let key = key(number);
        let (written, have) = self.table.written(&key, (kind, value), Some(&Append)).unwrap();
        self.bytes -= have;
        match written {
            Written::Itself => {
                self.bytes += entry_bytes(&key, value);
                self.table.set(&key, (kind, value));
            }
            Written::Nothing => self.table.unset(&key),
            Written::Combined(kind, value) => {
                self.bytes += entry_bytes(&key, &value);
                self.table.set(&key, (kind, &value));
            }
        }
    }

    fn hide(&mut self, numbers: &Range<usize>) {
        let range = range(numbers);
        self.bytes -= self.table.bytes_within(&range) + self.table.ranges.memory_bytes();
        self.table.hide(range);
        self.bytes += self.table.ranges.memory_bytes();
    }
}

fn random_writes(rng: &mut fastrand::Rng, writes: usize, says: &mut Says) -> Counted {
    let mut counted = Counted::default();
    let mut at = 0;
    let (jumps, hides) = ([0, 0, 2, 30][rng.usize(0..4)], [0, 0, 3][rng.usize(0..3)]);
    for _ in 0..writes {
        if rng.usize(0..100) < hides {
            let lower = rng.usize(0..KEYS - 1);
            let hidden = lower..rng.usize(lower + 1..KEYS);
            says.hide(hidden.clone());
            counted.hide(&hidden);
        }
        at = if rng.usize(0..100) < jumps { rng.usize(0..KEYS) } else { at + rng.usize(1..4) };
        if at >= KEYS {
            break;
        }
        let kind = [EntryKind::Put, EntryKind::Put, EntryKind::Delete, EntryKind::Merge];
        let kind = kind[rng.usize(0..4)];
        let letter = rng.u8(b'a'..=b'z');
        let value = vec![letter; if kind == EntryKind::Delete { 0 } else { rng.usize(0..20) }];
        says.write(at, kind, &value);
        counted.write(at, kind, &value);
    }
    counted
}

fn check(counted: &Counted, says: &Says, seed: u64) {
    let table = &counted.table;
    assert_eq!(Says::of(|key| table.get(key), &table.ranges), *says, "seed {seed}");
    assert_eq!(table.bytes(), counted.bytes);
    let walked = walk(&mut *table.source().cursor);
    let entries = table.entries().map(|(key, kind, value)| (key.to_vec(), kind, value.to_vec()));
    assert!(walked.iter().cloned().eq(entries.map(|(k, kind, v)| (k, kind, Bytes::from(v)))));
    let within = range(&(100..200));
    let inside = table.entries().filter(|(key, ..)| within.contains(key));
    let bytes: usize = inside.map(|(key, _, value)| entry_bytes(key, value)).sum();
    assert_eq!(table.bytes_within(&within), bytes);
}

#[test]
fn a_table_says_what_its_writes_do_in_whatever_order_they_come() {
    let (mut ascending, mut mixed) = (0, 0);
    for seed in 0..600 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut says = Says::default();
        let writes = rng.usize(1..200);
        let counted = random_writes(&mut rng, writes, &mut says);
        check(&counted, &says, seed);
        let several = match &counted.table.held {
            Held::Ascending(table) => table.parts() > 1,
            Held::Mixed(_) => false,
        };
        ascending += usize::from(several);
        mixed += usize::from(matches!(counted.table.held, Held::Mixed(_)));
        let entries: Vec<_> = walk(&mut *counted.table.source().cursor);
        let builder = counted.table.into_builder();
        assert_eq!(walk(&mut PartsCursor::new(&builder)), entries);
    }
    assert!(ascending > 100 && mixed > 100, "{ascending} {mixed}");
}

/// As savepoints that are gone have it.
#[test]
fn joined_tables_say_what_the_writes_of_both_do() {
    for seed in 0..400 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut says = Says::default();
        let writes = rng.usize(1..100);
        let mut older = random_writes(&mut rng, writes, &mut says).table;
        let newer = random_writes(&mut rng, writes, &mut says).table;
        let joined = older.join_of(&newer, Some(&Append)).unwrap();
        newer.ranges.iter().for_each(|range| older.hide(range));
        for (key, entry) in joined {
            match entry {
                Some((kind, value)) => older.set(&key, (kind, &value)),
                None => older.unset(&key),
            }
        }
        assert_eq!(Says::of(|key| older.get(key), &older.ranges), says, "seed {seed}");
    }
}
