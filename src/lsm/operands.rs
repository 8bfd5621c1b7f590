//! What several runs say about one key, and how that becomes one value.
//!
//! Point reads and cursors collect the entries of a key in [`Operands`], newest first, and stop where nothing older
//! matters; compactions and they combine them with the keyspace's [`Combiner`].

use std::sync::Arc;

use bytes::Bytes;

use super::cursor::EntryKind;
use super::error::{Error, Result};
use super::merge_operator::MergeOperator;

/// A keyspace's operator, if it has one, and the name that errors give.
#[derive(Debug)]
pub(crate) struct Combiner {
    pub(crate) keyspace: String,
    pub(crate) operator: Option<Arc<dyn MergeOperator>>,
}

impl Combiner {
    /// Combines at least two operands, given newest first.
    pub(crate) fn merge(&self, key: &[u8], newest_first: &[Bytes]) -> Result<Bytes> {
        let operator = self.operator.as_ref().ok_or_else(|| {
            Error::corruption(format!("an operand in {}, which has no operator", self.keyspace), 0)
        })?;
        let oldest_first: Vec<&[u8]> = newest_first.iter().rev().map(|value| &value[..]).collect();
        let mut out = Vec::new();
        operator.merge(key, &oldest_first, &mut out)?;
        Ok(Bytes::from(out))
    }
}

/// What the runs say about one key, collected newest first.
///
/// Most keys have one entry, and that takes no allocation.
#[derive(Debug, Default)]
pub(crate) struct Operands {
    newest: Option<Bytes>,
    /// Newest first; the last one may be a base.
    older: Vec<Bytes>,
    /// The last one is a reference.
    refers: bool,
}

/// What a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Value(Bytes),
    /// Where its value stands; see `value`.
    Reference(Bytes),
}

impl Operands {
    /// Takes the next older entry; true when nothing older matters.
    pub(crate) fn push(&mut self, kind: EntryKind, value: Bytes) -> bool {
        if kind != EntryKind::Delete {
            match &self.newest {
                None => self.newest = Some(value),
                Some(_) => self.older.push(value),
            }
        }
        self.refers = kind == EntryKind::Refer;
        kind != EntryKind::Merge
    }

    /// All of them, newest first, uncombined.
    pub(crate) fn into_parts(self) -> Result<impl Iterator<Item = Bytes>> {
        self.check()?;
        Ok(self.newest.into_iter().chain(self.older))
    }

    /// Values that operands are combined with stand beside their keys.
    fn check(&self) -> Result<()> {
        if self.refers && !self.older.is_empty() {
            return Err(Error::corruption("operands stand above a reference to a value", 0));
        }
        Ok(())
    }

    /// What the key has.
    pub(crate) fn resolve(mut self, combiner: &Combiner, key: &[u8]) -> Result<Option<Content>> {
        self.check()?;
        match self.newest {
            Some(newest) if !self.older.is_empty() => {
                self.older.insert(0, newest);
                combiner.merge(key, &self.older).map(|value| Some(Content::Value(value)))
            }
            Some(newest) if self.refers => Ok(Some(Content::Reference(newest))),
            newest => Ok(newest.map(Content::Value)),
        }
    }
}
