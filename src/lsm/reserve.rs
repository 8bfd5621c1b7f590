//! [`Reserve`]: the part of a store's memory that is set apart for what readers want to find again without a look.
//!
//! The block cache owns it and leaves it to them; cursors say how much of it an entry would take. Nobody waits for it and nothing is
//! taken back: when it is used up, readers look again. Cost: one atomic addition.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory that readers take, within a bound.
#[derive(Debug)]
pub(crate) struct Reserve {
    bytes_max: u64,
    taken: AtomicU64,
}

/// Memory of the store's budget for something that was read, given back when this is dropped.
#[derive(Debug)]
pub struct Reserved {
    reserve: Arc<Reserve>,
    bytes: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.reserve.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Reserve {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Reserve { bytes_max, taken: AtomicU64::new(0) }
    }

    /// Bytes that are taken now.
    pub(crate) fn bytes(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// So many bytes, if they are there.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Reserved> {
        let bytes = bytes as u64;
        let with = |taken: u64| taken.checked_add(bytes).filter(|&all| all <= self.bytes_max);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with);
        taken.ok().map(|_| Reserved { reserve: Arc::clone(self), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_is_there_and_what_is_dropped_is_there_again() {
        let reserve = Arc::new(Reserve::new(1024));
        let mut taken: Vec<Reserved> = (0..20).map_while(|_| reserve.take(100)).collect();
        assert_eq!((taken.len(), reserve.bytes()), (10, 1000));
        assert!(reserve.take(25).is_none() && reserve.take(usize::MAX).is_none());
        taken.pop();
        assert!(reserve.take(125).is_none() && reserve.take(124).is_some());
        taken.clear();
        assert_eq!(reserve.bytes(), 0);
    }
}
