//! [`Salvage`]: what can still be read of a damaged file. The file is never written.
//!
//! ```text
//! survey (what stands whole) ─► find (what of it is current) ─► verify (which keys of it are lost) ─► merge
//! ```
//!
//! What is current is found as well as the file allows:
//!
//! 1. *Known.* The newest root, from its slot or its copy behind the manifest, leads to a manifest and a log that are whole.
//! 2. *Followed.* The manifest is whole, the log is not. Its records are followed over the gaps; commits in a gap are lost,
//!    and told. Segments that only a lost record can have named count by their commits.
//! 3. *Anything.* No manifest is whole. Every segment and every commit of the log counts, newest commits first, and the
//!    report says that nobody knows what is missing. Segments say what their keyspace is, large values say to which segment
//!    they belong.
//!
//! What is not current is *stale*: a segment that was compacted away, a commit that was flushed, the old place of a segment
//! that moved. What an entry is worth at key `k`: of a current piece everything, in the order of the runs; of a stale one
//! nothing, unless a current piece of the keyspace is damaged around `k`: then it is the best that is left, and counts
//! behind the current ones. So in case 1 a key that is not damaged has its newest value, no operand counts twice and nothing
//! that was deleted comes back. Around damage, and in the other cases, the newest value that is left counts: it may be an
//! older one, of a key that was deleted too, and an operand may count twice.
//!
//! Cost: the file is read twice, and once more as it is walked; a leaf block of each piece around the current key is in memory,
//! and the commits of the log as when the file is opened.

mod adrift;
mod find;
mod follow;
mod ledger;
mod merge;
mod piece;
mod survey;

pub use piece::Loss;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use self::find::Found;
use self::merge::merge;
use self::piece::Piece;
use self::survey::Lenient;
use super::error::{Error, Result};
use super::fresh::KeyspaceDescriptor;
use super::ids::KeyspaceId;
use super::operands::Combiner;
use super::options::Options;
use super::stats::Progress;
use super::storage::{FileStorage, Storage};
use super::value::{ValueLookup, ValueMap};

/// What can still be read of a damaged file.
///
/// ```
/// use alluvium::lsm::{Durability, KeyspaceOptions, Options, Salvage, Store};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("fruit.alv");
/// let store = Store::open_file(&path, Options::default())?;
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// transaction.put(fruit, b"apple", "red")?;
/// transaction.commit(Durability::Sync)?;
/// store.close()?;
/// let mut file = std::fs::read(&path).unwrap();
/// file[4096..8192].fill(0); // Both roots are gone.
/// file[8 * 4096..9 * 4096].fill(0);
/// std::fs::write(&path, file).unwrap();
///
/// let salvage = Salvage::open_file(&path, Options::default())?;
/// let mut found = Vec::new();
/// let lost = salvage.entries("fruit", &mut |key, value| {
///     found.push((key.to_vec(), value));
///     Ok(())
/// })?;
/// assert_eq!(found, [(b"apple".to_vec(), "red".into())]);
/// assert!(lost.is_empty());
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
pub struct Salvage {
    keyspaces: BTreeMap<KeyspaceId, KeyspaceDescriptor>,
    /// Newest first.
    pieces: Vec<Piece>,
    values: BTreeMap<KeyspaceId, Arc<ValueMap>>,
    trouble: Option<String>,
    losses: Vec<Loss>,
    options: Options,
}

impl fmt::Debug for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvage")
            .field("pieces", &self.pieces.len())
            .field("losses", &self.losses)
            .finish_non_exhaustive()
    }
}

impl Salvage {
    /// Reads the file at `path` through; a store must not have it open.
    ///
    /// # Errors
    /// When the file does not exist, is locked, has another key, or holds nothing of ours; not when it is damaged.
    pub fn open_file(path: impl AsRef<Path>, options: Options) -> Result<Salvage> {
        let storage: Arc<dyn Storage> = Arc::new(FileStorage::open_read_only(path)?);
        Salvage::open_with(&storage, options, |_| ())
    }

    /// Reads a storage through, in which nothing is written; `progress` hears how far it is.
    ///
    /// # Errors
    /// Those of [`open_file`](Self::open_file).
    pub fn open_with(
        storage: &Arc<dyn Storage>,
        options: Options,
        mut progress: impl FnMut(Progress),
    ) -> Result<Salvage> {
        let lenient = Lenient::new(storage)?;
        let total_bytes = lenient.len_bytes.saturating_mul(2);
        let mut tell = |done_bytes: u64| {
            progress(Progress { done_bytes: done_bytes.min(total_bytes), total_bytes });
        };
        let mut found = find::find(&lenient, &options, &mut tell)?;
        let keyspaces: BTreeMap<KeyspaceId, KeyspaceDescriptor> =
            found.keyspaces.drain(..).map(|keyspace| (keyspace.id, keyspace)).collect();
        let mut losses = std::mem::take(&mut found.losses);
        let mut damaged = BTreeSet::new();
        let mut nameless = BTreeSet::new();
        let mut done_bytes = lenient.len_bytes;
        for piece in found.pieces.iter_mut().filter(|piece| piece.is_current()) {
            let Some(keyspace) = keyspaces.get(&piece.keyspace) else {
                nameless.insert(piece.keyspace);
                continue;
            };
            let values = ValueLookup::new(found.values.get(&piece.keyspace).cloned());
            losses.extend(piece.verify(&keyspace.name, &values));
            if piece.is_damaged() {
                damaged.insert(piece.keyspace);
            }
            done_bytes = done_bytes.saturating_add(piece.bytes());
            tell(done_bytes);
        }
        losses.extend(nameless.into_iter().map(|id| {
            let (place, keys) = ("the whole keyspace".to_owned(), "all of them".to_owned());
            Loss::new(&id.to_string(), place, keys, "nothing tells its name".to_owned())
        }));
        // Elsewhere nothing stale counts.
        found.pieces.retain(|piece| piece.is_current() || damaged.contains(&piece.keyspace));
        tell(total_bytes);
        let Found { pieces, values, trouble, .. } = found;
        Ok(Salvage { keyspaces, pieces, values, trouble, losses, options })
    }

    /// Why the file could not be opened as usual, if it could not. Then commits behind the newest root and log that were
    /// found may be missing without a loss that names them.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Names of the keyspaces that are known, ascending.
    pub fn keyspace_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.keyspaces.values().map(|keyspace| keyspace.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What of the newest state cannot be read. Older pieces may still have had some of it.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Gives every living entry of a keyspace that can be read to `visit`, in key order; returns what could not be
    /// resolved on the way.
    ///
    /// # Errors
    /// [`Error::UnknownKeyspace`], [`Error::UnknownOperator`], those of `visit`, and a failing device.
    pub fn entries(
        &self,
        keyspace: &str,
        visit: &mut dyn FnMut(&[u8], Bytes) -> Result<()>,
    ) -> Result<Vec<Loss>> {
        let found = self.keyspaces.values().rfind(|candidate| candidate.name == keyspace);
        let descriptor = found.ok_or_else(|| Error::UnknownKeyspace(keyspace.to_owned()))?;
        let operator = match &descriptor.options.merge_operator {
            None => None,
            Some(name) => {
                let mut operators = self.options.merge_operators.iter();
                let operator = operators.find(|operator| operator.name() == name);
                let unknown = || Error::UnknownOperator { name: name.clone() };
                Some(Arc::clone(operator.ok_or_else(unknown)?))
            }
        };
        let combiner = Combiner { keyspace: descriptor.name.clone(), operator };
        let pieces: Vec<&Piece> =
            self.pieces.iter().filter(|piece| piece.keyspace == descriptor.id).collect();
        let values = ValueLookup::new(self.values.get(&descriptor.id).cloned());
        merge(&pieces, &values, &combiner, visit)
    }

    /// Whether what is told as lost explains that a key has another value than it should.
    #[cfg(test)]
    pub(crate) fn may_differ(&self, keyspace: &str, key: &[u8]) -> bool {
        let named = |id: &KeyspaceId| self.keyspaces.get(id).map(|found| found.name.as_str());
        self.losses.iter().any(|loss| loss.keyspace == "*")
            || self
                .pieces
                .iter()
                .any(|piece| named(&piece.keyspace) == Some(keyspace) && piece.may_differ_at(key))
    }
}
