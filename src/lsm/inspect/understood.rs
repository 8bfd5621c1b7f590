//! [`Understood`]: the newest state of a file, and which pages it uses. What both tools here begin with.

use std::sync::Arc;

use crate::lsm::error::Result;
use crate::lsm::ids::Extent;
use crate::lsm::manifest::Registry;
use crate::lsm::options::Options;
use crate::lsm::reading::Reading;
use crate::lsm::root::Root;
use crate::lsm::space::ExtentLease;
use crate::lsm::storage::Storage;

/// A state, whose every page is marked as used in the page map of its disk.
pub(super) struct Understood {
    pub(super) reading: Reading,
    /// That of the root, and that of the root before it while it is known to be needed.
    pub(super) manifests: Vec<ExtentLease>,
    pub(super) log: Vec<ExtentLease>,
}

impl Understood {
    /// The newest state of what stands on a storage, in which nothing is written.
    pub(super) fn newest(storage: &Arc<dyn Storage>, options: Options) -> Result<Understood> {
        let registry = Registry {
            operators: options.merge_operators.clone(),
            rewriters: options.group_rewriters.clone(),
        };
        // A page of a damaged file that is read in place would end the process.
        let options = Options { mmap: false, ..options };
        let reading = Reading::newest(storage, &options, &registry, None)?;
        let (space, root) = (&reading.disk.space, &reading.root);
        let mut manifests = vec![space.adopt(root.manifest)?];
        let log = reading.log_extents.iter().map(|&extent| space.adopt(extent));
        let log = log.collect::<Result<_>>()?;
        let is_before = |older: &&Root| root.clean && older.generation + 1 == root.generation;
        match reading.older.as_ref().filter(is_before) {
            // Both roots describe the same state; only the older one's manifest is a place of its own.
            Some(older) => manifests.extend(space.adopt(older.manifest)),
            None => space.defer_free_until(root.generation + 1),
        }
        Ok(Understood { reading, manifests, log })
    }

    /// Extents of manifests and log.
    pub(super) fn others(&self) -> impl Iterator<Item = Extent> + '_ {
        self.manifests.iter().chain(&self.log).map(ExtentLease::extent)
    }
}
