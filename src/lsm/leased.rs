//! A root, and the lease under which it is read: how whoever does not write to a file begins to read it.
//!
//! A writer in another process may put a newer root into a slot, and use what no root names any more, at any moment. So
//! the newest root is read, leased, and looked for again: when at most one newer root is there by then, everything that
//! the leased one reaches is as it was, and stays so (why: `docs/decisions/0013-readers-in-other-processes.md`).
//! Otherwise it begins anew with the newer one. Nothing is written.

use std::io;
use std::sync::Arc;

use super::cipher::{BlockCipher, Sealer};
use super::descriptor::Descriptor;
use super::error::{Error, Result};
use super::root::{self, Found, Root};
use super::space::RootLease;
use super::storage::Storage;

/// A writer checkpoints twice between two of these at most times: that many in a row mean something else.
const ATTEMPTS_MAX: usize = 100;

/// The newest root of a file that others may write to, and what keeps it.
#[derive(Debug)]
pub(crate) struct LeasedRoot {
    pub(crate) descriptor: Descriptor,
    pub(crate) sealer: Sealer,
    pub(crate) root: Root,
    /// The one in the other slot, if that is whole; it is not leased.
    pub(crate) older: Option<Root>,
    /// None on a storage that knows no leases, and has no writer.
    pub(crate) lease: Option<RootLease>,
}

impl LeasedRoot {
    /// The newest root of the file behind `storage`.
    pub(crate) fn take(
        storage: &dyn Storage,
        cipher: Option<&Arc<dyn BlockCipher>>,
    ) -> Result<LeasedRoot> {
        for _ in 0..ATTEMPTS_MAX {
            let (descriptor, sealer, root, older) = read(storage, cipher)?;
            let lease = lease(storage, &root)?;
            if lease.is_some() && newest_generation(storage, cipher)? > root.generation + 1 {
                continue;
            }
            if let Err(error) = root::check_len(storage, &root) {
                // What made this root's file longer than a newer root's is nothing that it reaches.
                if newest_generation(storage, cipher)? == root.generation {
                    return Err(error);
                }
            }
            return Ok(LeasedRoot { descriptor, sealer, root, older, lease });
        }
        let source = io::Error::new(io::ErrorKind::ResourceBusy, "newer roots keep coming");
        Err(Error::io("leasing the newest root", source))
    }

    /// The older root in place of the newest one, which turned out to be damaged.
    pub(crate) fn fall_back(
        mut self,
        storage: &dyn Storage,
        cipher: Option<&Arc<dyn BlockCipher>>,
    ) -> Result<Option<LeasedRoot>> {
        let Some(older) = self.older.take() else { return Ok(None) };
        let lease = lease(storage, &older)?;
        if lease.is_some() && newest_generation(storage, cipher)? > older.generation + 1 {
            return Ok(None);
        }
        Ok(Some(LeasedRoot { root: older, lease, ..self }))
    }
}

fn lease(storage: &dyn Storage, root: &Root) -> Result<Option<RootLease>> {
    storage.lease(root.generation).map_err(|source| {
        if source.kind() == io::ErrorKind::WouldBlock {
            return Error::Locked;
        }
        Error::io(format!("leasing root {}", root.generation), source)
    })
}

/// Generation of the newest root that is whole now.
pub(crate) fn newest_generation(
    storage: &dyn Storage,
    cipher: Option<&Arc<dyn BlockCipher>>,
) -> Result<u64> {
    read(storage, cipher).map(|(_, _, newest, _)| newest.generation)
}

/// What the first pages say of a file that must be one of ours: its newest root, and the one in the other slot.
pub(crate) fn read(
    storage: &dyn Storage,
    cipher: Option<&Arc<dyn BlockCipher>>,
) -> Result<(Descriptor, Sealer, Root, Option<Root>)> {
    let missing = || Error::NotADatabase { found: "nothing was ever stored in it".to_owned() };
    let Found::File(descriptor, sealer, roots) = root::read(storage, cipher)? else {
        return Err(missing());
    };
    let mut roots = roots.into_iter();
    let newest = roots.next().ok_or_else(missing)?;
    Ok((descriptor, sealer, newest, roots.next()))
}
