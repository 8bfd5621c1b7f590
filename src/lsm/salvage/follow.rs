//! Following a damaged log: every record that is proved to belong to it, behind gaps too.
//!
//! A record belongs to the log when it carries the number that is next and the checksum of the record before it, or the
//! start of a chain that a root names. Where none does, the log ended there, or records are lost. It is the second when
//! a later record says that one of the missing was durable: the law by which opening refuses such a log. Then following
//! goes on with that record and those that lead to it, and the numbers in between are lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::ledger::Ledger;
use super::piece::Loss;
use super::survey::Lenient;
use crate::lsm::cipher::Sealer;
use crate::lsm::error::Result;
use crate::lsm::fresh::FreshRun;
use crate::lsm::ids::{CommitNo, Extent};
use crate::lsm::manifest::{Edit, Manifest};
use crate::lsm::root::Root;
use crate::lsm::wal::{RecordKind, ScannedRecord, scan_records};

/// How often the bytes of the file are read over in the search for records, newest extents first.
const READINGS_MAX: u64 = 4;

/// All whole records of all log extents that were found.
pub(super) struct Records<'a> {
    lenient: &'a Lenient,
    sealer: &'a Sealer,
    extents: &'a [(u64, Extent)],
    /// The index of the extent, and the record. Times that crashed may have left several of a number; the newest extent's
    /// comes first.
    by_number: BTreeMap<u64, Vec<(usize, ScannedRecord)>>,
}

/// Something of the log.
enum Step<'a> {
    Record(&'a Found),
    /// Records from the first to the last number are not whole.
    Lost(u64, u64),
}

/// A record and the extent that it stands in.
pub(super) type Found = (usize, ScannedRecord);

/// What a manifest and the log behind it say together.
pub(super) struct Replayed {
    pub(super) ledger: Ledger,
    /// The commits that the log has, newest first.
    pub(super) groups: Vec<Arc<FreshRun>>,
    pub(super) losses: Vec<Loss>,
    /// Whether edits may be among what is lost.
    pub(super) lacks_edits: bool,
}

/// What is missing of the log: as many commits as records, or edits too.
struct Gap {
    /// The last commit of which there is a record, or that was in segments before the first one.
    commit: CommitNo,
    /// Records that are lost since then.
    lost: u64,
}

impl Gap {
    /// The next commit of which there is a record; whether edits may be lost before it.
    fn close(&mut self, commit: CommitNo) -> bool {
        let before = std::mem::replace(&mut self.commit, commit);
        let lost = std::mem::take(&mut self.lost);
        lost > 0 && commit.0.saturating_sub(before.0.saturating_add(1)) != lost
    }
}

impl<'a> Records<'a> {
    /// Looks for records in every log extent.
    pub(super) fn find(
        lenient: &'a Lenient,
        sealer: &'a Sealer,
        extents: &'a [(u64, Extent)],
    ) -> Self {
        let mut records: BTreeMap<u64, Vec<Found>> = BTreeMap::new();
        // Extents of a store do not overlap, but old ones may, and forged ones all could.
        let mut readable = lenient.len_bytes.saturating_mul(READINGS_MAX);
        for (index, &(sequence, extent)) in extents.iter().enumerate().rev() {
            let bytes = lenient.read(extent.offset(), extent.bytes());
            let Some(rest) = readable.checked_sub(bytes.len() as u64) else { break };
            readable = rest;
            for record in scan_records(&bytes, sequence) {
                records.entry(record.record).or_default().push((index, record));
            }
        }
        Records { lenient, sealer, extents, by_number: records }
    }

    /// What `manifest` and the log from its `root` on say. Chains may begin where one of `roots` says, and the log goes on
    /// to where the newest of them begins.
    pub(super) fn replay(&self, root: &Root, roots: &[Root], manifest: &Manifest) -> Replayed {
        let mut replayed = Replayed {
            ledger: Ledger::new(manifest),
            groups: Vec::new(),
            losses: Vec::new(),
            lacks_edits: false,
        };
        let mut gap = Gap { commit: manifest.flushed, lost: 0 };
        let mut reached = root.log.record;
        for step in self.follow(root, roots) {
            match step {
                Step::Record(found) => {
                    reached = found.1.record.saturating_add(1);
                    if let Err(error) = self.apply(found, root, &mut replayed, &mut gap) {
                        replayed.lacks_edits = true;
                        let place = format!("record {} of the log", found.1.record);
                        replayed.losses.push(Loss::of_unknown(place, error.to_string()));
                    }
                }
                Step::Lost(first, last) => {
                    reached = last.saturating_add(1);
                    gap.lost = gap.lost.saturating_add(reached - first);
                    let what = format!("records {first} to {last} are not whole");
                    replayed.losses.push(Loss::of_unknown("the log".to_owned(), what));
                }
            }
        }
        replayed.lacks_edits |= gap.lost > 0;
        if let Some(newer) = roots.iter().find(|newer| newer.edits_before > reached) {
            replayed.lacks_edits = true;
            replayed.losses.push(Loss::of_unknown(
                format!("the manifest of generation {}, {}", newer.generation, newer.manifest),
                format!("it is not whole, and the log ends before record {reached}"),
            ));
        }
        replayed.groups.sort_by_key(|run| std::cmp::Reverse(run.commits.0));
        replayed
    }

    fn apply(
        &self,
        found: &Found,
        root: &Root,
        replayed: &mut Replayed,
        gap: &mut Gap,
    ) -> Result<()> {
        match found.1.kind {
            RecordKind::Group => {
                let run = FreshRun::decode(&self.payload(found)?)?;
                replayed.lacks_edits |= gap.close(run.commits.0);
                replayed.ledger.create(&run.created);
                replayed.ledger.put_values(&run.values);
                replayed.groups.push(Arc::new(run));
            }
            RecordKind::Edit if found.1.record >= root.edits_before => {
                replayed.ledger.apply(&Edit::decode(&self.payload(found)?)?);
            }
            RecordKind::Edit | RecordKind::Link | RecordKind::Mark => {}
        }
        Ok(())
    }

    /// Every record, in the order of their numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = &Found> {
        self.by_number.values().flatten()
    }

    /// What the log holds from `root` on; chains may also begin where one of `roots` says.
    fn follow(&self, root: &Root, roots: &[Root]) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        let (mut at, mut previous) = (root.log.record, root.log.previous);
        loop {
            let starts: Vec<u64> = roots
                .iter()
                .filter(|root| root.log.record == at)
                .map(|root| root.log.previous)
                .collect();
            let belongs = |(_, record): &&Found| {
                record.previous == previous || starts.contains(&record.previous)
            };
            if let Some(found) = self.numbered(at).find(belongs) {
                (at, previous) = (at.saturating_add(1), found.1.checksum);
                steps.push(Step::Record(found));
                continue;
            }
            let Some(proof) = self.proof_behind(at) else { return steps };
            let led = self.leading_to(proof, at);
            let first = led.last().map_or(at, |(_, record)| record.record);
            if first > at {
                steps.push(Step::Lost(at, first - 1));
            }
            steps.extend(led.into_iter().rev().map(Step::Record));
            (at, previous) = (proof.1.record.saturating_add(1), proof.1.checksum);
        }
    }

    fn numbered(&self, record: u64) -> impl Iterator<Item = &Found> {
        self.by_number.get(&record).into_iter().flatten()
    }

    /// The first record that says that record `broken` was durable.
    fn proof_behind(&self, broken: u64) -> Option<&Found> {
        let later = self.by_number.range(broken.saturating_add(1)..);
        later.flat_map(|(_, found)| found.iter()).find(|(_, record)| record.durable > broken)
    }

    /// `last` and the records before it back to number `from`, as far as they are whole; last first.
    fn leading_to<'f>(&'f self, last: &'f Found, from: u64) -> Vec<&'f Found> {
        let mut led = vec![last];
        let mut first = last;
        while first.1.record > from {
            let number = first.1.record - 1;
            let leads = |(_, record): &&Found| record.checksum == first.1.previous;
            let Some(before) = self.numbered(number).find(leads) else { break };
            led.push(before);
            first = before;
        }
        led
    }

    /// The payload of a record.
    ///
    /// # Errors
    /// Corruption when the cipher does not accept it.
    pub(super) fn payload(&self, (index, record): &Found) -> Result<Bytes> {
        let Some(&(sequence, extent)) = self.extents.get(*index) else { return Ok(Bytes::new()) };
        let bytes = self.lenient.read(extent.offset() + record.offset, record.bytes());
        record.payload(&bytes, self.sealer, sequence)
    }
}
