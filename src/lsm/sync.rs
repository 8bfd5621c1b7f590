//! What threads of the storage core share and wait with: locks, conditions, flags, and a pointer that is swapped.
//!
//! The place of [`std::sync`] for everything that decides which thread goes on; counters and reference counts, on which nobody waits,
//! come from there. `tests/schedules` builds this layer with the cfg `shuttle`: a scheduler then picks the next thread at each of
//! them, so that the code that runs in production is tried under many schedules.
//!
//! Only one thread runs at a time then, and it must not hold a lock from elsewhere while it waits here: no part of the core
//! calls a storage, or another lock, with such a lock held.

use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::AtomicBool;
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub(crate) use std::sync::atomic::AtomicBool;
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};

/// A shared value that is read without a lock and replaced as a whole.
pub(crate) struct Swap<T>(ArcSwap<T>);

impl<T> Swap<T> {
    pub(crate) fn new(value: Arc<T>) -> Self {
        Swap(ArcSwap::new(value))
    }

    /// The value, for a short look.
    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        pause();
        self.0.load()
    }

    /// The value, to be kept.
    pub(crate) fn load_full(&self) -> Arc<T> {
        pause();
        self.0.load_full()
    }

    /// Replaces the value, and gives the one before.
    pub(crate) fn swap(&self, value: Arc<T>) -> Arc<T> {
        pause();
        self.0.swap(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load().fmt(f)
    }
}

/// Lets the scheduler of `tests/schedules` choose the thread that goes on.
#[cfg(shuttle)]
fn pause() {
    AtomicBool::new(false).load(std::sync::atomic::Ordering::SeqCst);
}

#[cfg(not(shuttle))]
#[inline]
fn pause() {}
