//! [`BulkLoad`]: a program is loading much that will be read later.
//!
//! Meanwhile compactions put off what later ones would do again (`Phase::Loading` of the picker): a byte is written about once a
//! level, and readers ask more runs. When the last load has ended what was put off is due, in the background or by
//! [`Store::catch_up`](super::Store::catch_up).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::core::Core;

/// Says that much is being loaded, until it is dropped; from [`Store::begin_load`](super::Store::begin_load).
///
/// ```
/// use alluvium::lsm::{Durability, KeyspaceOptions, MemoryStorage, Options, Store};
///
/// let store = Store::open(MemoryStorage::default(), Options::default())?;
/// let load = store.begin_load();
/// let mut transaction = store.begin()?;
/// let fruit = transaction.create_keyspace("fruit", KeyspaceOptions::default())?;
/// for number in 0..1000_u32 {
///     transaction.put(fruit, &number.to_be_bytes(), "an apple")?;
/// }
/// transaction.commit(Durability::Sync)?;
/// drop(load);
/// store.catch_up()?;
/// # Ok::<(), alluvium::lsm::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a load ends when it is dropped"]
pub struct BulkLoad {
    /// A store that is gone has nothing to put off.
    core: Weak<Core>,
}

impl BulkLoad {
    pub(super) fn begin(core: &Arc<Core>) -> Self {
        core.loads.fetch_add(1, Ordering::Relaxed);
        BulkLoad { core: Arc::downgrade(core) }
    }
}

impl Drop for BulkLoad {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.loads.fetch_sub(1, Ordering::Relaxed);
            core.wake();
        }
    }
}
