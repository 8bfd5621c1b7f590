//! [`Courtesy`]: work that has no hurry gives its processor to others while a commit is on its way to the device.
//!
//! Commits say with [`Awaited`] that they wait for the device; flushes and compactions ask every few pages. A commit leaves its processor
//! when it begins to wait, and when the device has answered it may find all of them taken: a compaction that is let alone keeps one
//! for milliseconds, where the device took a tenth of one. Yielding costs a system call, and nothing else where nobody wants
//! the processor.
//!
//! A program that computes on all processors takes what it is offered, and may keep it for a whole slice of time. So within a step
//! no more is given than was kept: background threads stay equals (decision 0016).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::clock::Clock;

/// How many commits wait for the device.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    commits: AtomicUsize,
}

/// A commit waits for the device as long as this is kept.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    awaited: &'a Awaited,
}

impl Awaited {
    pub(crate) fn wait(&self) -> Wait<'_> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        Wait { awaited: self }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.awaited.commits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of entries between two offers: about a tenth of a millisecond of work.
const OFFER_BYTES: usize = 16 << 10;

/// What a piece of work gives away.
#[derive(Debug, Default)]
pub(crate) struct Courtesy {
    /// When the first offer came.
    began: Option<Duration>,
    given: Duration,
    /// Bytes since the last offer.
    bytes: usize,
}

impl Courtesy {
    /// Notes work on so many bytes of entries; now and then offers the processor to whoever wants it, if a commit may be among them.
    #[inline]
    pub(crate) fn worked(&mut self, bytes: usize, awaited: &Awaited, clock: &dyn Clock) {
        self.bytes += bytes;
        if self.bytes >= OFFER_BYTES {
            self.bytes = 0;
            self.offer(awaited, clock, thread::yield_now);
        }
    }

    fn offer(&mut self, awaited: &Awaited, clock: &dyn Clock, give: impl FnOnce()) {
        if awaited.commits.load(Ordering::Relaxed) == 0 {
            return;
        }
        let start = clock.now();
        let began = *self.began.get_or_insert(start);
        if self.given * 2 <= start.saturating_sub(began) {
            give();
            self.given += clock.now().saturating_sub(start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::clock::ManualClock;

    #[test]
    fn what_nobody_waits_for_is_not_given() {
        let (awaited, clock) = (Awaited::default(), ManualClock::default());
        let mut courtesy = Courtesy::default();
        let mut given = 0;
        courtesy.offer(&awaited, &clock, || given += 1);
        let (first, second) = (awaited.wait(), awaited.wait());
        courtesy.offer(&awaited, &clock, || given += 1);
        drop(first);
        courtesy.offer(&awaited, &clock, || given += 1);
        drop(second);
        courtesy.offer(&awaited, &clock, || given += 1);
        assert_eq!(given, 2);
    }

    #[test]
    fn no_more_is_given_than_is_kept() {
        let millis = Duration::from_millis;
        let (awaited, clock) = (Awaited::default(), ManualClock::default());
        let _wait = awaited.wait();
        let mut rng = fastrand::Rng::with_seed(16);
        for (worked, taken_max) in [(1, 1), (1, 3), (2, 40), (5, 0)] {
            let mut courtesy = Courtesy::default();
            let (mut kept, mut given, mut offers) = (0, 0, 0);
            for _ in 0..1000 {
                clock.advance(millis(worked));
                kept += worked;
                courtesy.offer(&awaited, &clock, || {
                    assert!(given <= kept, "{given} ms were given, {kept} ms were kept");
                    let taken = rng.u64(0..=taken_max);
                    clock.advance(millis(taken));
                    given += taken;
                    offers += 1;
                });
            }
            // What is given is about as much as was kept, or whatever was wanted.
            let wanted = (offers * taken_max / 2).min(kept);
            assert!(given * 2 >= wanted, "{given} ms of {kept} in {offers} offers");
        }
    }
}
