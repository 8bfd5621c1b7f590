//! [`WriteRight`]: what a transaction needs of the store that gave it out.
//!
//! The store implements it with its gate; a transaction owns it and gives it back by committing or by being dropped.

use std::collections::BTreeMap;
use std::fmt;

use crate::lsm::error::Result;
use crate::lsm::fresh::{FreshTableBuilder, KeyspaceDescriptor};
use crate::lsm::ids::{CommitNo, KeyspaceId};
use crate::lsm::manifest::Registry;
use crate::lsm::options::{Durability, Options};

/// The right to write, which the store gives to one transaction at a time; dropped, it goes to the next one.
pub(crate) trait WriteRight: Send + Sync + fmt::Debug {
    fn registry(&self) -> &Registry;
    fn options(&self) -> &Options;

    /// Appends a commit to the log and publishes it.
    ///
    /// The next transaction may begin as soon as the commit is appended; returns when it is visible and as durable
    /// as asked.
    fn commit(
        self: Box<Self>,
        created: Vec<KeyspaceDescriptor>,
        tables: BTreeMap<KeyspaceId, FreshTableBuilder>,
        durability: Durability,
    ) -> Result<CommitNo>;

    /// Makes what is committed as durable as asked.
    fn harden(&self, durability: Durability) -> Result<()>;
}
