//! [`GroupRewriter`]: a look at whole groups of entries while a compaction rewrites them.
//!
//! A *group* is all entries whose keys share a prefix, for example all parts of one term's list. Segments
//! of a keyspace with a rewriter are cut only between groups, so a compaction always sees those entries of
//! a group that its inputs hold, in key order, after merge operators were applied.

use std::fmt;

use super::error::Result;
use super::reader::Reader;

/// Drops or replaces entries of a group during compaction.
///
/// What a rewriter does must be invisible to the keyspace's readers apart from what they mask anyway
/// (for example postings of documents that are dead), whatever part of a group it is shown.
pub trait GroupRewriter: Send + Sync + fmt::Debug {
    /// The name under which keyspaces record it in the file; never changes its meaning.
    fn name(&self) -> &'static str;

    /// Length of the prefix of `key` that names its group, at most `key.len()`.
    fn group_len(&self, key: &[u8]) -> usize;

    /// Whether segments list the names of their groups, where that pays. Then [`Reader::names`] finds names without a look at the
    /// entries. Names ascend as keys do: none may come before that of a smaller key.
    fn lists_names(&self) -> bool {
        false
    }

    /// Whether keys alone decide what becomes of entries. Then long values of the keyspace stand in value segments, and
    /// passes see them empty; else they stand beside their keys, where they cost compactions as much as they are long.
    fn ignores_values(&self) -> bool {
        false
    }

    /// Starts a pass over ascending keys of the keyspace named `keyspace`; `reader` is the version that is compacted.
    fn begin<'a>(
        &'a self,
        keyspace: &str,
        reader: &'a dyn Reader,
    ) -> Result<Box<dyn RewritePass + 'a>>;
}

/// One pass of a [`GroupRewriter`] over a stretch of ascending keys.
pub trait RewritePass {
    /// Decides what becomes of an entry. Keys ascend from call to call.
    fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<Rewrite>;
}

/// What becomes of an entry in a compaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The entry stays as it is.
    Keep,
    /// The entry is gone: nobody could see it any more.
    Drop,
    /// The entry gets this value.
    Replace(Vec<u8>),
}
