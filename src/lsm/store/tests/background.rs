//! Background steps: that they end, that they keep their promises after errors, and what rewriters may do.
//!
//! Each test drives the steps one by one and looks at the outcome, at the numbers, or at the file that is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::{background_step, lock};
use super::{open, tiny_options};
use crate::lsm::scheduler::{Outcome, Running, Scheduler, Step};
use crate::lsm::{
    Durability, GroupRewriter, KeyspaceId, KeyspaceOptions, ManualClock, Options, Reader, Result,
    Rewrite, RewritePass, SimulatedStorage, Store,
};

/// Does all steps, of which there must be a reasonable number.
fn settle(store: &Store) -> Result<()> {
    for _ in 0..10_000 {
        if !store.step()? {
            return Ok(());
        }
    }
    panic!("the steps do not come to an end");
}

fn put(store: &Store, id: KeyspaceId, key: &[u8], value: &[u8]) -> Result<()> {
    let mut transaction = store.begin()?;
    transaction.put(id, key, value)?;
    transaction.commit(Durability::Buffered).map(|_| ())
}

#[test]
fn an_interval_commit_without_writes_does_not_keep_the_steps_busy_for_ever() -> Result<()> {
    let store = open(SimulatedStorage::new(1), tiny_options())?;
    store.begin()?.commit(Durability::Interval(Duration::ZERO))?;
    settle(&store)
}

#[test]
fn a_transaction_that_writes_one_key_again_and_again_does_not_grow() -> Result<()> {
    let store = open(SimulatedStorage::new(1), tiny_options())?;
    let mut transaction = store.begin()?;
    let id = transaction.keyspace("merged").expect("created by open");
    transaction.put(id, b"key", "value")?;
    let once = transaction.bytes();
    for _ in 0..10_000 {
        transaction.put(id, b"key", "value")?;
        transaction.delete(id, b"key")?;
        transaction.merge(id, b"key", "value")?;
    }
    assert_eq!(transaction.bytes(), once);
    Ok(())
}

#[test]
fn a_step_that_fails_does_not_forget_when_an_interval_commit_is_due() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options = Options { settle_after: Duration::from_secs(60), ..tiny_options() };
    let store = open(device.clone(), options)?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut transaction = store.begin()?;
    transaction.put(id, b"key", "value")?;
    let commit = transaction.commit(Durability::Interval(Duration::from_secs(9)))?;
    lock(&store.core.jobs).flush_wanted = commit;
    device.fail_at(device.ops() + 1, std::io::ErrorKind::Other);
    let weak = Arc::downgrade(&store.core);
    let outcome = loop {
        match background_step(&weak, 0) {
            Outcome::More => {}
            outcome => break outcome,
        }
    };
    assert!(store.health().is_some());
    assert_eq!(outcome, Outcome::Idle(Some(Duration::from_secs(9))));
    Ok(())
}

#[test]
fn a_compaction_that_was_asked_for_and_fails_in_the_background_is_not_forgotten() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options = Options { memory_bytes: 1 << 20, ..tiny_options() };
    let store = open(device.clone(), options)?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    put(&store, id, b"key", b"value")?;
    store.flush()?;
    let _compaction = store.start_compaction()?;
    device.fail_at(device.ops() + 1, std::io::ErrorKind::Other);
    while store.step().is_ok() {}
    assert!(!lock(&store.core.jobs).united.is_empty(), "`compact` would report success");
    Ok(())
}

#[test]
fn a_long_log_is_cut_although_commits_go_on() -> Result<()> {
    let options = Options {
        memory_bytes: 1 << 20,
        log_bytes_max: 16 << 10,
        level0_runs_max: 1000,
        ..tiny_options()
    };
    let store = open(SimulatedStorage::new(1), options)?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    for number in 0..2000_u32 {
        put(&store, id, &number.to_be_bytes(), &[7; 100])?;
        store.step()?;
        let log_bytes = store.stats().log_bytes;
        assert!(log_bytes <= 2 * (16 << 10), "{log_bytes} bytes of log after {number} commits");
    }
    Ok(())
}

/// Counts how often threads are told that there is work, and runs none.
#[derive(Debug, Clone, Default)]
struct Told(Arc<AtomicU64>);

impl Scheduler for Told {
    fn start(&self, _step: Step) -> Box<dyn Running> {
        Box::new(self.clone())
    }

    fn workers(&self) -> usize {
        2
    }
}

impl Running for Told {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn stop(&self) {}
}

#[test]
fn commits_tell_threads_of_work_when_it_arises_and_seldom_while_it_lasts() -> Result<()> {
    let told = Told::default();
    let scheduler = Arc::new(told.clone());
    let (memory_bytes, log_bytes_max) = (1 << 20, 1 << 20);
    let options = Options { memory_bytes, log_bytes_max, scheduler, ..tiny_options() };
    let store = open(SimulatedStorage::new(1), options)?;
    let id = store.snapshot().keyspace("plain").expect("created by open");
    let mut number = 0_u32;
    let mut times_told = |commits: u32| -> Result<u64> {
        let before = told.0.load(Ordering::Relaxed);
        for _ in 0..commits {
            number += 1;
            put(&store, id, &number.to_be_bytes(), &[7; 90])?;
        }
        Ok(told.0.load(Ordering::Relaxed) - before)
    };
    assert_eq!(times_told(160)?, 0, "nothing is due");
    let fresh_bytes = || store.core.version.load().fresh_bytes();
    while fresh_bytes() < store.core.options().fresh_bytes_flush() {
        times_told(1)?;
    }
    assert!((1..=3).contains(&times_told(32)?), "a flush waits to be begun");
    while lock(&store.core.jobs).flush.is_none() {
        assert!(store.step()?);
    }
    // One of them may help.
    assert!(times_told(32)? <= 4, "a thread is at it");
    let before = told.0.load(Ordering::Relaxed);
    while lock(&store.core.jobs).flush.is_some() {
        store.step()?;
    }
    assert!(told.0.load(Ordering::Relaxed) > before, "what follows from it");
    Ok(())
}

#[test]
fn an_interval_commit_is_durable_when_its_time_has_come() -> Result<()> {
    for seed in 0..10 {
        let device = SimulatedStorage::new(seed);
        let clock = Arc::new(ManualClock::default());
        let options = Options { clock: clock.clone(), ..tiny_options() };
        let store = open(device.clone(), options)?;
        let id = store.snapshot().keyspace("plain").expect("created by open");
        for (key, seconds) in [(b"late", 9), (b"soon", 3)] {
            let mut transaction = store.begin()?;
            transaction.put(id, key, "value")?;
            transaction.commit(Durability::Interval(Duration::from_secs(seconds)))?;
        }
        clock.advance(Duration::from_secs(2));
        let syncs = device.syncs();
        settle(&store)?;
        assert_eq!(device.syncs(), syncs, "nothing is due yet");
        clock.advance(Duration::from_secs(1));
        settle(&store)?;
        let after = open(device.after_power_cut(seed), tiny_options())?;
        assert_eq!(after.snapshot().get(id, b"soon")?.as_deref(), Some(&b"value"[..]));
        assert_eq!(after.snapshot().get(id, b"late")?.as_deref(), Some(&b"value"[..]));
    }
    Ok(())
}

/// Drops what begins with `dead`, and what keyspace `graves` has under the same key.
#[derive(Debug)]
struct Undertaker;

impl GroupRewriter for Undertaker {
    fn name(&self) -> &'static str {
        "undertaker"
    }

    fn group_len(&self, key: &[u8]) -> usize {
        key.len().min(1)
    }

    fn begin<'a>(
        &'a self,
        _keyspace: &str,
        reader: &'a dyn Reader,
    ) -> Result<Box<dyn RewritePass + 'a>> {
        struct Pass<'a>(&'a dyn Reader);
        impl RewritePass for Pass<'_> {
            fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<Rewrite> {
                let graves = self.0.keyspace("graves");
                let buried = match graves {
                    Some(graves) => self.0.get(graves, key)?.is_some(),
                    None => false,
                };
                let dead = buried || value.starts_with(b"dead");
                Ok(if dead { Rewrite::Drop } else { Rewrite::Keep })
            }
        }
        Ok(Box::new(Pass(reader)))
    }
}

fn open_with_rewriter(
    device: SimulatedStorage,
    options: Options,
) -> Result<(Store, KeyspaceId, KeyspaceId)> {
    let options = Options { group_rewriters: vec![Arc::new(Undertaker)], ..options };
    let store = Store::open(device, options)?;
    let mut transaction = store.begin()?;
    let rewritten = KeyspaceOptions {
        group_rewriter: Some("undertaker".to_owned()),
        ..KeyspaceOptions::default()
    };
    let living = transaction.create_keyspace("living", rewritten)?;
    let graves = transaction.create_keyspace("graves", KeyspaceOptions::default())?;
    transaction.commit(Durability::Sync)?;
    Ok((store, living, graves))
}

#[test]
fn an_entry_that_a_rewriter_drops_does_not_bring_back_what_it_hid_on_a_level_below() -> Result<()> {
    // Level 1 is always too large, so that what is there sinks to the last level there may be.
    let options = Options { level1_bytes_max: 1, level_ratio: 2, ..tiny_options() };
    let (store, living, _) = open_with_rewriter(SimulatedStorage::new(1), options)?;
    put(&store, living, b"key", b"first")?;
    store.compact()?;
    settle(&store)?;
    put(&store, living, b"key", b"dead")?;
    for other in 0..3_u8 {
        put(&store, living, &[b'a', other], b"else")?;
        store.flush()?;
    }
    settle(&store)?;
    assert_eq!(store.snapshot().get(living, b"key")?, None);
    store.check()?;
    store.compact()?;
    assert_eq!(store.snapshot().get(living, b"key")?, None);
    Ok(())
}

#[test]
fn without_a_log_a_rewriter_does_not_see_what_a_crash_would_take_back() -> Result<()> {
    let device = SimulatedStorage::new(1);
    let options = Options { log: false, memory_bytes: 1 << 20, ..tiny_options() };
    let (store, living, graves) = open_with_rewriter(device.clone(), options.clone())?;
    for other in 0..3_u8 {
        put(&store, living, b"key", b"value")?;
        put(&store, living, &[b'a', other], b"else")?;
        store.flush()?;
    }
    put(&store, graves, b"key", b"")?;
    settle(&store)?;
    assert!(store.last_compaction().is_some_and(|report| report.keyspace == "living"));
    let left = SimulatedStorage::from_bytes(device.contents());
    let (store, living, graves) = open_with_rewriter(left, options)?;
    assert_eq!(store.snapshot().get(graves, b"key")?, None, "it was never flushed");
    assert_eq!(store.snapshot().get(living, b"key")?.as_deref(), Some(&b"value"[..]));
    Ok(())
}
