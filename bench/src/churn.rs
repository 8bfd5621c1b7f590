//! `churn`: does the file stay near its live data when everything in it is overwritten, and shrink when most is deleted?
//!
//! Records are loaded in random order, overwritten ten times in ten other orders, then nine tenths are deleted. After each
//! commit this thread does the background steps that are due, and after each part those that come due when nobody writes for a while,
//! by a clock that it sets itself: so the figures do not depend on the machine. *Minimal* is the size of a minimal copy of a fresh
//! store that was given the living records alone: it has this store's compression, so the ratio is overhead and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alluvium::lsm::{
    self, Durability, KeyspaceId, KeyspaceOptions, ManualClock, ManualScheduler, Store,
};
use clap::Args;
use serde_json::json;

use crate::Result;
use crate::engines::{MEMORY_BYTES, OURS};
use crate::machine::Machine;
use crate::process::{disk_bytes, written_bytes};
use crate::records::{Batch, in_batches, shuffled};
use crate::report::{Figure, Line, Report, Unit};

const OVERWRITES: u32 = 10;
/// Long enough without commits for a store to make its file small.
const REST: Duration = Duration::from_secs(2);

/// Size and writing under overwrites and deletes.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// 20,000 records instead of 500,000.
    #[arg(long)]
    quick: bool,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Where the files are made and removed. Default: the system's temporary folder.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A store in a folder of its own.
struct Churned {
    folder: PathBuf,
    store: Store,
    keyspace: KeyspaceId,
    clock: Arc<ManualClock>,
}

impl Churned {
    fn create(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir(&folder)?;
        let clock = Arc::new(ManualClock::default());
        let options = lsm::Options {
            memory_bytes: MEMORY_BYTES as usize,
            scheduler: Arc::new(ManualScheduler),
            clock: clock.clone(),
            ..Default::default()
        };
        let store = Store::open_file(folder.join("churn.alv"), options)?;
        let mut transaction = store.begin()?;
        let keyspace = transaction.create_keyspace("churn", KeyspaceOptions::default())?;
        transaction.commit(Durability::Sync)?;
        Ok(Churned { folder, store, keyspace, clock })
    }

    /// Writes each batch in a transaction of its own.
    fn commit_each(
        &self,
        numbers: &[u32],
        version: u32,
        put: impl Fn(&mut lsm::Transaction, &[u8], &[u8]) -> lsm::Result<()>,
    ) -> Result<()> {
        in_batches(numbers, version, |batch: &Batch, durable| {
            let mut transaction = self.store.begin()?;
            for (key, value) in batch.iter() {
                put(&mut transaction, key, value)?;
            }
            transaction.commit(if durable { Durability::Sync } else { Durability::Buffered })?;
            while self.store.step()? {}
            Ok(())
        })
    }

    fn put(&self, numbers: &[u32], version: u32) -> Result<()> {
        self.commit_each(numbers, version, |transaction, key, value| {
            transaction.put(self.keyspace, key, value)
        })
    }

    fn delete(&self, numbers: &[u32]) -> Result<()> {
        self.commit_each(numbers, 0, |transaction, key, _| transaction.delete(self.keyspace, key))
    }

    /// Does all background work that is due, and what comes due when nobody has written for a while; the size of the file
    /// then.
    fn idle(&self) -> Result<f64> {
        self.store.flush()?;
        while self.store.step()? {}
        self.clock.advance(REST);
        while self.store.step()? {}
        self.size()
    }

    fn size(&self) -> Result<f64> {
        self.store.sync()?;
        Ok(disk_bytes(&self.folder)? as f64)
    }

    /// The size of the file after `shrink`.
    fn shrunk(&self) -> Result<f64> {
        self.store.shrink()?;
        self.size()
    }
}

/// The size of a minimal copy of a store with these records alone.
fn minimal(folder: &Path, name: &str, numbers: &[u32]) -> Result<f64> {
    let fresh = Churned::create(folder.join(name))?;
    fresh.put(numbers, OVERWRITES)?;
    let copy = folder.join(format!("{name}-copy"));
    std::fs::create_dir(&copy)?;
    fresh.store.compact_into(copy.join("churn.alv"))?;
    Ok(disk_bytes(&copy)? as f64)
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let records: u32 = if options.quick { 20_000 } else { 500_000 };
    let report = Report { json: options.json };
    let machine = Machine::of(&folder);
    let text = format!("{}\n{records} records, overwritten {OVERWRITES} times", machine.line());
    let object = json!({ "bench": "churn", "machine": machine, "records": records, "overwrites": OVERWRITES });
    report.head(&text, &object)?;

    let folder = tempfile::tempdir_in(folder)?;
    let lines = measure(folder.path(), records)?;
    report.figures(&lines, &[OURS.to_owned()])
}

fn measure(folder: &Path, records: u32) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut row = |name: &str, value: f64, unit: Unit| {
        let figure = Figure::of(&[value], unit);
        lines.push(Line { bench: "churn", row: name.to_owned(), engine: OURS.to_owned(), figure });
    };
    let all = shuffled(records, 1);
    let (deleted, left) = all.split_at(all.len() / 10 * 9);
    let minimal_all = minimal(folder, "all", &all)?;
    let minimal_left = minimal(folder, "left", left)?;

    let churned = Churned::create(folder.join("churned"))?;
    let written_before = written_bytes()?;
    let mut user_bytes = 0;
    for version in 0..=OVERWRITES {
        let numbers = shuffled(records, version.into());
        churned.put(&numbers, version)?;
        user_bytes += numbers
            .chunks(1000)
            .map(|chunk| Batch::default().fill(chunk, version).bytes().len())
            .sum::<usize>();
    }
    let overwritten = churned.idle()?;
    row("overwritten_bytes", overwritten, Unit::Bytes);
    row("overwritten_to_minimal", overwritten / minimal_all, Unit::One);
    let written = (written_bytes()? - written_before) as f64;
    row("write_amplification", written / user_bytes as f64, Unit::One);
    churned.delete(deleted)?;
    let idle = churned.idle()?;
    row("deleted_bytes", idle, Unit::Bytes);
    row("deleted_to_minimal", idle / minimal_left, Unit::One);
    let shrunk = churned.shrunk()?;
    row("shrunk_bytes", shrunk, Unit::Bytes);
    row("shrunk_to_minimal", shrunk / minimal_left, Unit::One);
    row("minimal_bytes", minimal_left, Unit::Bytes);
    Ok(lines)
}
