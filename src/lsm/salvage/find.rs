//! Decides what of all that stands in a file is its newest state, and in which order its pieces shadow each other.
//!
//! Three cases, from good to bad: recovery understands the newest root (*known*); a manifest is whole but the log behind it
//! is not (*followed*); no manifest is whole (*anything*). The header of the folder says what counts in each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adrift::Adrift;
use super::follow::{Records, Replayed};
use super::ledger::Ledger;
use super::piece::{Loss, Piece, Standing};
use super::survey::{Lenient, Survey};
use crate::lsm::cache::BlockCache;
use crate::lsm::cipher::Sealer;
use crate::lsm::descriptor::{Descriptor, FORMAT_VERSION};
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::{FreshRun, KeyspaceDescriptor};
use crate::lsm::ids::{CommitNo, Extent, KeyspaceId, PAGE_BYTES, SegmentId};
use crate::lsm::manifest::{Edit, Manifest, Registry};
use crate::lsm::options::Options;
use crate::lsm::recovery::{Recovered, read_manifest, recover_at, recover_read_only};
use crate::lsm::root::Root;
use crate::lsm::segment::{Segment, SegmentSummary};
use crate::lsm::space::Space;
use crate::lsm::value::{HeldValues, Kept, PlacedValues, ValueHome, ValueMap, ValueSegment};
use crate::lsm::wal::RecordKind;

/// What stands in the file, the newest piece of each keyspace first.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) keyspaces: Vec<KeyspaceDescriptor>,
    pub(super) pieces: Vec<Piece>,
    /// The value segments that the pieces of each keyspace refer to.
    pub(super) values: BTreeMap<KeyspaceId, Arc<ValueMap>>,
    /// The last commit of the state, and the last sequence number of its log.
    ends: (CommitNo, u64),
    /// Why the file does not open, if it does not.
    pub(super) trouble: Option<String>,
    /// What must have been there and left no trace.
    pub(super) losses: Vec<Loss>,
}

/// What is needed to make pieces of what a survey found.
struct Finder<'a> {
    lenient: &'a Lenient,
    survey: &'a Survey,
    sealer: Sealer,
    cache: Arc<BlockCache>,
    /// Bytes of old commits that may be kept for what is damaged elsewhere.
    stale_bytes_max: u64,
    value_chunk_bytes: u32,
}

/// Looks for everything that can be read; `progress` hears how many bytes were looked at.
///
/// # Errors
/// What opening the file meets, when that is no damage or when nothing is found.
pub(super) fn find(
    lenient: &Lenient,
    options: &Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Found> {
    let registry = Registry {
        operators: options.merge_operators.clone(),
        rewriters: options.group_rewriters.clone(),
    };
    let own = Options { mmap: false, ..options.clone() };
    let opened = recover_read_only(Arc::clone(&lenient.storage), own.clone(), &registry);
    if let Err(error @ (Error::UnknownOperator { .. } | Error::MissingFeature { .. })) = opened {
        return Err(error);
    }
    let (sealer, own) = described(lenient, own)?;
    let survey = lenient.survey(&sealer, progress);
    let finder = Finder {
        lenient,
        survey: &survey,
        sealer,
        cache: Arc::new(BlockCache::new(0)),
        stale_bytes_max: own.memory_bytes as u64 / 4,
        value_chunk_bytes: own.value_chunk_bytes,
    };
    let trouble = opened.as_ref().err().map(ToString::to_string);
    let mut roots = survey.slots.clone();
    if !survey.slots_are_sound || opened.is_err() {
        roots.extend(survey.copies.iter().cloned());
    }
    // A checkpoint that was cut short leaves a copy of a generation that was given once more: the later one has more in it.
    roots.sort_by_key(|root| {
        std::cmp::Reverse((root.generation, root.edits_before, root.commit, root.manifest))
    });
    roots.dedup();
    let mut found = match opened {
        Ok(recovered) if roots.first() == Some(&recovered.root) => finder.known(&recovered),
        _ => finder.newest_of(&roots, &own, &registry),
    };
    if survey.slots.is_empty() {
        finder.doubt(&mut found);
    }
    found.trouble = trouble;
    let end = roots.first().map_or(0, |root| root.file_pages.saturating_mul(PAGE_BYTES));
    if end > lenient.len_bytes {
        found.losses.push(Loss::of_unknown(
            format!("behind byte {}", lenient.len_bytes),
            format!("the file had {end} bytes"),
        ));
    }
    if found.pieces.is_empty()
        && let Some(what) = &found.trouble
    {
        return Err(Error::corruption(format!("nothing can be salvaged: {what}"), 0));
    }
    Ok(found)
}

/// What opens the file's pieces, and the options with the sizes that it was created with, if they can be read.
///
/// # Errors
/// Those of a wrong key and of a newer format; that of a damaged descriptor when there is a key, which opens nothing
/// without it.
fn described(lenient: &Lenient, options: Options) -> Result<(Sealer, Options)> {
    let page = lenient.read(0, PAGE_BYTES);
    let cipher = options.cipher.clone();
    let cipher = cipher.as_ref();
    let error = match Descriptor::decode(&page, cipher) {
        Ok((descriptor, sealer)) => return Ok((sealer, descriptor.fix(options))),
        Err(error) => error,
    };
    match error {
        Error::Encrypted { .. } | Error::NotEncrypted | Error::WrongKey { .. } => Err(error),
        Error::NewerFormat { .. } => {
            // It may be the number alone that is damaged; then the checksum is that of the right one.
            let mut page = page.to_vec();
            let version = page.iter_mut().skip(8).take(4);
            version.zip(FORMAT_VERSION.to_le_bytes()).for_each(|(byte, right)| *byte = right);
            let decoded = Descriptor::decode(&page, cipher).map_err(|_| error);
            decoded.map(|(descriptor, sealer)| (sealer, descriptor.fix(options)))
        }
        _ if cipher.is_some() => Err(error),
        _ => Ok((Sealer::NONE, options)),
    }
}

impl Finder<'_> {
    /// The state that the newest root with a whole manifest leads to; `roots` stand newest first.
    fn newest_of(&self, roots: &[Root], options: &Options, registry: &Registry) -> Found {
        let storage = &self.lenient.storage;
        for (index, root) in roots.iter().enumerate() {
            let Ok(manifest) = read_manifest(&**storage, &self.sealer, root) else { continue };
            // An older root does not know where the log of a newer one begins anew.
            if index == 0 {
                let file = (Arc::clone(storage), self.sealer.clone(), options.clone());
                if let Ok(recovered) = recover_at(file, registry, root) {
                    return self.known(&recovered);
                }
            }
            return self.followed(root, roots, &manifest);
        }
        self.anything(roots)
    }

    /// The newest state is understood: its parts are current, the rest is stale.
    fn known(&self, recovered: &Recovered) -> Found {
        let version = &recovered.version;
        let mut found = Found::default();
        let mut current = Vec::new();
        for run in &version.fresh {
            found.commits(run, Standing::Current);
        }
        for keyspace in version.keyspaces.values() {
            found.keyspaces.push(keyspace.descriptor());
            found.values.insert(keyspace.id, Arc::clone(&keyspace.values));
            for segment in keyspace.segments() {
                current.push((segment.summary().id, segment.extent().start));
                found.pieces.extend(self.segment(
                    segment.extent(),
                    segment.summary(),
                    Standing::Current,
                ));
            }
        }
        found.pieces.extend(self.stale(&current));
        let sequence = recovered.log.position().sequence;
        found.ends = (version.commit, sequence);
        found
    }

    /// Without a slot, an old manifest may have been taken for the newest one: tells what is newer than it says.
    fn doubt(&self, found: &mut Found) {
        let (commit, sequence) = found.ends;
        let newer = |(_, summary): &&(Extent, SegmentSummary)| summary.commits.1 > commit;
        let segments = self.survey.segments.values().filter(newer).count();
        let log = self.survey.log.iter().filter(|(of, _)| *of > sequence).count();
        if segments > 0 || log > 0 {
            found.losses.push(Loss::of_unknown(
                "the whole file".to_owned(),
                format!(
                    "no root slot is whole, and {segments} segments and {log} parts of the log are newer \
                     than the newest manifest that is"
                ),
            ));
        }
    }

    /// A manifest is whole, and the log tells what has changed since, as far as it is whole.
    fn followed(&self, root: &Root, roots: &[Root], manifest: &Manifest) -> Found {
        let records = Records::find(self.lenient, &self.sealer, &self.survey.log);
        let replayed = records.replay(root, roots, manifest);
        let Replayed { mut ledger, groups, losses, .. } = replayed;
        let mut found = Found { losses, ..Found::default() };
        let last = groups.first().map_or(ledger.flushed, |run| run.commits.1.max(ledger.flushed));
        let unflushed = groups.iter().take_while(|run| run.commits.0 > ledger.flushed);
        unflushed.for_each(|run| found.commits(run, Standing::Current));
        let mut current = Vec::new();
        for placed in ledger.newest_first() {
            current.push((placed.summary.id, placed.extent.start));
            found.pieces.extend(self.segment(placed.extent, &placed.summary, Standing::Current));
        }
        if replayed.lacks_edits {
            self.adrift(&ledger, manifest.next_segment, &mut current, &mut found);
        }
        found.pieces.extend(self.stale(&current));
        self.name(&mut ledger, &found.pieces);
        let mut budget = self.stale_bytes_max;
        for run in groups.iter().filter(|run| run.commits.0 <= ledger.flushed) {
            match budget.checked_sub(run.memory_bytes() as u64) {
                Some(rest) => budget = rest,
                None => break,
            }
            found.commits(run, Standing::Stale);
        }
        let sequence = self.survey.log.last().map_or(0, |(sequence, _)| *sequence);
        found.ends = (last, sequence);
        found.values = self.values(&ledger);
        found.keyspaces = ledger.keyspaces.into_values().collect();
        found
    }

    /// Names keyspaces that neither a manifest nor the log names, as their segments do.
    fn name(&self, ledger: &mut Ledger, pieces: &[Piece]) {
        for piece in pieces.iter().filter(|piece| piece.is_current()) {
            let is_open = !ledger.keyspaces.contains_key(&piece.keyspace)
                && !ledger.is_dropped(piece.keyspace);
            if let Some(keyspace) = self.survey.keyspaces.get(&piece.keyspace).filter(|_| is_open) {
                ledger.create(std::slice::from_ref(keyspace));
            }
        }
    }

    /// Value segments that neither a manifest nor the log places, as their values tell and the segments that refer to
    /// them: of each the values that stand side by side, where most of them do.
    fn strewn(&self, ledger: &Ledger) -> Vec<PlacedValues> {
        let mut owners = BTreeMap::new();
        for (_, summary) in self.survey.segments.values() {
            owners.extend(summary.referred.iter().map(|&(id, _)| (id, summary.keyspace)));
        }
        let mut strewn: BTreeMap<SegmentId, PlacedValues> = BTreeMap::new();
        let mut values = self.survey.values.iter().copied().peekable();
        while let Some((value, mut extent)) = values.next() {
            let (id, mut end) = (value.segment, value.page + value.pages());
            let mut kept = Kept::default();
            kept.push(value.page, value.pages());
            while let Some((next, place)) = values.peek()
                && (next.segment, place.start) == (id, extent.end())
                && next.page >= end
            {
                kept.push(next.page, next.pages());
                (extent.pages, end) = (extent.pages + place.pages, next.page + next.pages());
                values.next();
            }
            let pages = strewn.get(&id).map_or(0, |placed| placed.extent.pages);
            if let Some(&keyspace) = owners.get(&id)
                && !ledger.values.contains_key(&id)
                && extent.pages > pages
            {
                let commit = CommitNo(0);
                strewn.insert(id, PlacedValues { id, keyspace, commit, extent, kept });
            }
        }
        strewn.into_values().collect()
    }

    /// The value segments of each keyspace.
    fn values(&self, ledger: &Ledger) -> BTreeMap<KeyspaceId, Arc<ValueMap>> {
        let mut maps: BTreeMap<KeyspaceId, ValueMap> = BTreeMap::new();
        for placed in ledger.values.values().chain(&self.strewn(ledger)) {
            let space = Space::new(&[], placed.extent.end(), 1);
            let Ok(lease) = space.adopt(placed.extent) else { continue };
            let home = Arc::new(ValueHome {
                storage: Arc::clone(&self.lenient.storage),
                space,
                sealer: self.sealer.clone(),
                chunk_bytes: self.value_chunk_bytes.max(1),
                segment_bytes_target: 0,
            });
            let segment = ValueSegment::new(home, placed.id, lease, placed.kept.clone());
            let (segment, commit) = (Arc::new(segment), placed.commit);
            let held = HeldValues { segment, commit, live_pages: 0 };
            maps.entry(placed.keyspace).or_default().insert(placed.id, held);
        }
        maps.into_iter().map(|(keyspace, map)| (keyspace, Arc::new(map))).collect()
    }

    /// Counts segments that only a lost record of the log can have named: they stand where their commits say.
    fn adrift(
        &self,
        ledger: &Ledger,
        next_segment: u64,
        current: &mut Vec<(SegmentId, u64)>,
        found: &mut Found,
    ) {
        let adrift = Adrift::among(self.survey.segments.values(), ledger, next_segment);
        let pieces = std::mem::take(&mut found.pieces);
        let is_replaced = |piece: &Piece| adrift.replaced.contains(&SegmentId(piece.number));
        let (mut replaced, kept): (Vec<_>, Vec<_>) = pieces.into_iter().partition(is_replaced);
        found.pieces = kept;
        for (extent, summary) in adrift.segments {
            let Some(piece) = self.segment(*extent, summary, Standing::Current) else { continue };
            current.push((summary.id, extent.start));
            let is_older = |other: &Piece| {
                other.keyspace == piece.keyspace && other.commits.1 < piece.commits.1
            };
            let at = found.pieces.iter().position(is_older).unwrap_or(found.pieces.len());
            found.pieces.insert(at, piece);
        }
        replaced.iter_mut().for_each(Piece::outlive);
        found.pieces.append(&mut replaced);
    }

    /// No manifest is whole: nobody knows what is current, so everything counts, the newest commits first.
    fn anything(&self, roots: &[Root]) -> Found {
        let records = Records::find(self.lenient, &self.sealer, &self.survey.log);
        let mut ledger = Ledger::default();
        let mut found = Found::default();
        let mut budget = self.stale_bytes_max;
        for record in records.all() {
            let Ok(payload) = records.payload(record) else { continue };
            match record.1.kind {
                RecordKind::Group => {
                    let Ok(run) = FreshRun::decode(&payload) else { continue };
                    ledger.create(&run.created);
                    ledger.put_values(&run.values);
                    let Some(rest) = budget.checked_sub(run.memory_bytes() as u64) else {
                        found.losses.push(Loss::of_unknown(
                            format!("commit {} in the log", run.commits.0),
                            "the commits of the log do not fit in memory".to_owned(),
                        ));
                        continue;
                    };
                    budget = rest;
                    found.commits(&Arc::new(run), Standing::Current);
                }
                RecordKind::Edit => {
                    if let Ok(edit) = Edit::decode(&payload) {
                        ledger.apply(&edit);
                    }
                }
                RecordKind::Link | RecordKind::Mark => {}
            }
        }
        for (extent, summary) in self.survey.segments.values() {
            found.pieces.extend(self.segment(*extent, summary, Standing::Current));
        }
        found.pieces.retain(|piece| !ledger.is_dropped(piece.keyspace));
        self.name(&mut ledger, &found.pieces);
        let age =
            |piece: &Piece| std::cmp::Reverse((piece.commits.1, piece.commits.0, piece.number));
        found.pieces.sort_by_key(age);
        let what = match roots.first() {
            Some(root) => format!("the manifest of generation {} is not whole", root.generation),
            None => "no root is whole".to_owned(),
        };
        let what =
            format!("{what}, nor is an older one, so nobody knows which segments there were");
        found.losses.push(Loss::of_unknown("the whole file".to_owned(), what));
        found.ends = (CommitNo(u64::MAX), u64::MAX);
        found.values = self.values(&ledger);
        found.keyspaces = ledger.keyspaces.into_values().collect();
        found
    }

    /// Segments that stand in the file and are not `current`, newest commits first. Those without commits belong to
    /// transactions that may never have been committed.
    fn stale(&self, current: &[(SegmentId, u64)]) -> Vec<Piece> {
        let mut current = current.to_vec();
        current.sort_unstable();
        let mut stale = Vec::new();
        for (place, (extent, summary)) in &self.survey.segments {
            let is_current = current.binary_search(place).is_ok();
            if !is_current && summary.commits.1 > CommitNo(0) {
                stale.extend(self.segment(*extent, summary, Standing::Stale));
            }
        }
        stale.sort_by_key(|piece| std::cmp::Reverse((piece.commits.1, piece.number)));
        stale
    }

    fn segment(
        &self,
        extent: Extent,
        summary: &SegmentSummary,
        standing: Standing,
    ) -> Option<Piece> {
        // A space of its own: stale segments may overlap.
        let lease = Space::new(&[], extent.end(), 1).adopt(extent).ok()?;
        let (storage, cache) = (Arc::clone(&self.lenient.storage), Arc::clone(&self.cache));
        let sealer = self.sealer.clone();
        let segment = Segment::new(storage, cache, sealer, summary.clone(), lease, false);
        Some(Piece::segment(Arc::new(segment), standing))
    }
}

impl Found {
    fn commits(&mut self, run: &Arc<FreshRun>, standing: Standing) {
        self.pieces.extend(run.keyspaces().map(|keyspace| Piece::commits(run, keyspace, standing)));
    }
}
