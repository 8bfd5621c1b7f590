//! [`BlockCursor`]: moves over the entries of one block, both ways.
//!
//! The segment cursor holds two of them, one over the index block and one over the leaf block it stands in.
//! The law is that of [`RawCursor`](crate::lsm::cursor::RawCursor), but the block cannot read values that
//! stand in the value area: it hands out the reference.
//!
//! Cost: `next` decodes one entry; `prev` and a seek decode at most one restart interval; the key is kept in
//! a buffer that only grows. Damaged entries give an error, and an interval longer than any builder writes
//! is damage, so that no sequence of steps is worse than linear in the block.

use bytes::Bytes;

use super::builder::RESTART_INTERVAL_MAX;
use super::entry::{Entry, ValuePlace, ValueRef, damaged, shared_len};
use super::parsed::Block;
use crate::lsm::cursor::EntryKind;
use crate::lsm::error::Result;
use crate::lsm::name_filter::{Look, NameFilter};

/// A value as a block knows it.
#[derive(Debug, Clone)]
pub(crate) enum BlockValue {
    /// The value, in the block's own bytes.
    Inline(Bytes),
    /// Where the value stands in the segment.
    External(ValueRef),
}

/// The longest keys that are walked over in place, and the most of one that is not shared with the key before.
const SHORT_KEY_BYTES_MAX: usize = 120;
const SHORT_STEP_BYTES: usize = 16;

/// How a walk goes on behind a short entry that it was shown.
enum Step {
    /// To the next one.
    On,
    /// It stands on this one.
    Here,
    /// It does not stand on this one.
    Before,
}

/// A position in a block, or nowhere.
#[derive(Debug)]
pub(crate) struct BlockCursor {
    block: Block,
    /// The key of the current entry; while `entry` is none, of no meaning.
    key: Vec<u8>,
    /// Where the current entry starts, and the one after it.
    at: usize,
    next_at: usize,
    /// What the current key shares with the one before, as its entry says: nothing at a restart.
    shared: usize,
    entry: Option<(EntryKind, ValuePlace)>,
}

impl BlockCursor {
    /// A cursor that stands nowhere in `block`.
    pub(crate) fn new(block: Block) -> Self {
        BlockCursor { block, key: Vec::new(), at: 0, next_at: 0, shared: 0, entry: None }
    }

    /// Bytes that the block keeps in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.block.memory_bytes()
    }

    /// Leaves the block for another one and stands nowhere in it.
    pub(crate) fn enter(&mut self, block: Block) {
        self.block = block;
        self.entry = None;
    }

    /// Stands nowhere from now on.
    pub(crate) fn leave(&mut self) {
        self.entry = None;
    }

    pub(crate) fn first(&mut self) -> Result<()> {
        self.restart(0)
    }

    pub(crate) fn last(&mut self) -> Result<()> {
        self.restart(self.block.restart_count() - 1)?;
        self.advance_while(|cursor| cursor.next_at < cursor.block.entries().len())
    }

    /// To the first entry whose key is `key` or greater.
    pub(crate) fn seek_ge(&mut self, key: &[u8]) -> Result<()> {
        self.entry = None;
        self.restart(self.block.restart_before_key(key)?)?;
        self.advance_while(|cursor| &cursor.key[..] < key)
    }

    pub(crate) fn next(&mut self) -> Result<()> {
        if self.entry.take().is_none() || self.next_at == self.block.entries().len() {
            return Ok(());
        }
        self.decode(self.next_at)
    }

    /// As [`RawCursor::walk`](crate::lsm::cursor::RawCursor::walk), within the block.
    pub(crate) fn walk(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        let mut walked = 0;
        while walked < most
            && let Some((kind, _)) = self.entry
            && upper.is_none_or(|upper| self.key.as_slice() < upper)
        {
            if kind != EntryKind::Delete {
                visit(&self.key)?;
            }
            walked += 1;
            walked += self.walk_short(upper, most - walked, visit)?;
            self.next()?;
        }
        Ok(walked)
    }

    /// Walks on over short entries behind the current one and gives how many these were. The next step is to follow.
    fn walk_short(
        &mut self,
        upper: Option<&[u8]>,
        most: usize,
        visit: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<usize> {
        // Leading bytes that tell whether a key is below: who shares them is.
        let telling = |key: &[u8]| upper.map_or(Some(0), |upper| below_by(key, upper));
        let mut told_by = telling(&self.key).unwrap_or(usize::MAX);
        let (mut walked, mut shown) = (0, Ok(()));
        self.each_short(|key, shared| {
            if walked == most {
                return Step::Before;
            }
            if shared < told_by {
                let Some(by) = telling(key) else { return Step::Before };
                told_by = by;
            }
            walked += 1;
            shown = visit(key);
            if shown.is_ok() { Step::On } else { Step::Here }
        });
        shown.map(|()| walked)
    }

    /// Shows `filter` the keys from the current one on, which is known to share `shared` bytes with what it saw last, as long as it
    /// passes over them. Stands on the one that it does not pass over, of which it said what is given, or nowhere.
    pub(crate) fn look_on(
        &mut self,
        filter: &mut dyn NameFilter,
        mut shared: usize,
    ) -> Result<Look> {
        while self.valid() {
            match filter.look(&self.key, shared)? {
                Look::Pass => {}
                look => return Ok(look),
            }
            let mut found = None;
            self.each_short(|key, shared| match filter.look(key, shared) {
                Ok(Look::Pass) => Step::On,
                look => {
                    found = Some(look);
                    Step::Here
                }
            });
            if let Some(look) = found {
                return look;
            }
            self.next()?;
            shared = self.shared;
        }
        Ok(Look::Pass)
    }

    /// Steps on over entries of the most usual kind behind the current one, as far as they follow each other, and shows `visit` each key
    /// and how much it shares with the one before. Where `visit` stays before an entry, the key of the current one may end otherwise: the
    /// next step, which needs what it shares only, is to follow.
    fn each_short(&mut self, mut visit: impl FnMut(&[u8], usize) -> Step) {
        let entries = self.block.entries();
        let mut key = [0; SHORT_KEY_BYTES_MAX + SHORT_STEP_BYTES];
        let mut len = self.key.len();
        let Some(known) = key.get_mut(..len).filter(|_| len <= SHORT_KEY_BYTES_MAX) else {
            return;
        };
        known.copy_from_slice(&self.key);
        let mut step = Step::On;
        while let Step::On = step {
            let Some((shared, unshared, value)) = Entry::short_put(entries, self.next_at) else {
                break;
            };
            let next = entries.get(unshared.start..).and_then(<[u8]>::first_chunk);
            let is_short = shared <= len && unshared.len() <= SHORT_STEP_BYTES;
            let (Some(next), true) = (next, is_short) else { break };
            let next_len = shared + unshared.len();
            let Some(place) = key.get_mut(shared..shared + SHORT_STEP_BYTES) else { break };
            let next: &[u8; SHORT_STEP_BYTES] = next;
            place.copy_from_slice(next);
            let Some(whole) = key.get(..next_len) else { break };
            step = visit(whole, shared);
            if let Step::Before = step {
                break;
            }
            len = next_len;
            (self.at, self.next_at, self.shared) = (self.next_at, value.end, shared);
            self.entry = Some((EntryKind::Put, ValuePlace::Inline(value)));
        }
        self.key.clear();
        self.key.extend_from_slice(key.get(..len).unwrap_or_default());
    }

    pub(crate) fn prev(&mut self) -> Result<()> {
        let Some(restart) = self.block.restart_before_offset(self.at) else {
            self.entry = None;
            return Ok(());
        };
        if self.entry.take().is_none() {
            return Ok(());
        }
        let target = self.at;
        self.restart(restart)?;
        self.advance_while(|cursor| cursor.next_at < target)?;
        if self.next_at == target {
            return Ok(());
        }
        self.entry = None;
        Err(damaged("entries do not meet", target))
    }

    pub(crate) fn valid(&self) -> bool {
        self.entry.is_some()
    }

    /// The entry's key; empty when the cursor stands nowhere.
    pub(crate) fn key(&self) -> &[u8] {
        if self.valid() { &self.key } else { &[] }
    }

    /// How many of its first bytes the key shares with the entry before, as far as it stands there.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    pub(crate) fn kind(&self) -> EntryKind {
        self.current().0
    }

    pub(crate) fn value(&self) -> BlockValue {
        match &self.current().1 {
            ValuePlace::Inline(range) => BlockValue::Inline(self.block.slice(range.clone())),
            ValuePlace::External(value) => BlockValue::External(*value),
        }
    }

    /// The value where it stands in the block; none when it stands elsewhere.
    pub(crate) fn inline_value(&self) -> Option<&[u8]> {
        match &self.current().1 {
            ValuePlace::Inline(range) => Some(self.block.bytes(range.clone())),
            ValuePlace::External(_) => None,
        }
    }

    /// Checks the whole block beyond what reading it checks: keys ascend and begin with the common prefix,
    /// restarts stand where entries start and carry their key's head. Leaves the cursor nowhere.
    pub(crate) fn check(&mut self) -> Result<()> {
        let mut restarts = 0;
        let mut run_len = 0;
        let mut key_before: Option<Vec<u8>> = None;
        self.first()?;
        while self.valid() {
            if self.block.restart_offset(restarts) == Some(self.at) {
                self.block.check_restart(restarts)?;
                restarts += 1;
                run_len = 0;
            } else if let Some(before) = &key_before {
                let shared = self.block.entry(self.at)?.shared;
                if shared != shared_len(before, &self.key) {
                    return Err(damaged("a key shares more than it says", self.at));
                }
            }
            run_len += 1;
            if run_len > RESTART_INTERVAL_MAX {
                return Err(damaged("a restart interval is too long", self.at));
            }
            if key_before.as_ref().is_some_and(|before| self.key <= *before) {
                return Err(damaged("keys do not ascend", self.at));
            }
            if !self.key.starts_with(self.block.prefix()?) {
                return Err(damaged("a key lacks the common prefix", self.at));
            }
            key_before.get_or_insert_default().clone_from(&self.key);
            self.next()?;
        }
        if restarts == self.block.restart_count() {
            return Ok(());
        }
        Err(damaged("a restart stands between entries", self.block.entries().len()))
    }

    fn current(&self) -> &(EntryKind, ValuePlace) {
        self.entry.as_ref().expect("invariant: a cursor is asked only while it stands on an entry")
    }

    /// To the restart with this index.
    fn restart(&mut self, index: usize) -> Result<()> {
        self.key.clear();
        self.decode(self.block.restart_offset(index).unwrap_or_default())
    }

    /// Steps forward while `condition` holds, within one restart interval.
    fn advance_while(&mut self, condition: impl Fn(&Self) -> bool) -> Result<()> {
        let mut steps = 0;
        while self.valid() && condition(self) {
            if steps == RESTART_INTERVAL_MAX {
                self.entry = None;
                return Err(damaged("a restart interval is too long", self.at));
            }
            steps += 1;
            self.next()?;
        }
        Ok(())
    }

    /// Makes the entry that starts at `at` the current one; `key` holds the key before it.
    fn decode(&mut self, at: usize) -> Result<()> {
        self.entry = None;
        let entry = self.block.entry(at)?;
        entry.key_len(self.key.len(), at)?;
        self.key.truncate(entry.shared);
        self.key.extend_from_slice(entry.unshared);
        self.at = at;
        self.shared = entry.shared;
        self.next_at = entry.end;
        self.entry = Some((entry.kind, entry.value));
        Ok(())
    }
}

/// How many leading bytes tell that a key is below another; `None` when it is not.
fn below_by(key: &[u8], upper: &[u8]) -> Option<usize> {
    let shared = shared_len(key, upper);
    // A shorter key is below by where it ends, which the next one does not share.
    match (key.get(shared), upper.get(shared)) {
        (Some(byte), Some(bound)) => (byte < bound).then_some(shared + 1),
        (None, Some(_)) => Some(usize::MAX),
        (_, None) => None,
    }
}
