//! A version: the immutable list of the runs of every keyspace. A snapshot is an `Arc` of one.
//!
//! Every commit, flush and compaction makes a new version that shares all but what changed. The order of
//! runs alone says which entry of a key is newest: fresh runs first, then the runs of level 0 newest
//! first, then the runs of the levels below. What that law means where only a part of a run is compacted, and where
//! it is proved, stands in `order`.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::edit::{Edit, Placed};
use super::order::Before;
use crate::lsm::cursor::RawCursor;
use crate::lsm::error::{Error, Result};
use crate::lsm::fresh::{FreshRun, KeyspaceDescriptor};
use crate::lsm::group_rewriter::GroupRewriter;
use crate::lsm::ids::{CommitNo, Extent, KeyspaceId, SegmentId};
use crate::lsm::merge_operator::MergeOperator;
use crate::lsm::operands::{Combiner, Content, Operands};
use crate::lsm::options::KeyspaceOptions;
use crate::lsm::ranges::KeyRange;
use crate::lsm::scan::{RunCursor, RunRanges, Source};
use crate::lsm::segment::{KeyHash, Segment};
use crate::lsm::value::{PlacedValues, ValueMap, ValueSegment};

/// Levels that a keyspace may have: with a ratio of 8 and 64 MiB in level 1, enough for 16 PiB.
pub(crate) const LEVELS_MAX: usize = 12;

/// Runs of up to this size fold while a commit holds the lock; larger ones in background steps.
const FOLD_AT_COMMIT_BYTES: usize = 64 << 10;
/// Fresh runs above which a commit folds before it returns.
pub(crate) const FRESH_RUNS_MAX: usize = 16;
/// Bytes that one fold may take.
const FOLD_BYTES_MAX: usize = 2 << 20;

/// The operators and rewriters that keyspaces may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry {
    pub(crate) operators: Vec<Arc<dyn MergeOperator>>,
    pub(crate) rewriters: Vec<Arc<dyn GroupRewriter>>,
}

/// A consistent state of the whole store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Version {
    /// The newest commit that the version shows.
    pub(crate) commit: CommitNo,
    /// Commits up to this one are in segments.
    pub(crate) flushed: CommitNo,
    /// Greatest number that a keyspace ever had; numbers of dropped ones are not given again.
    pub(crate) last_keyspace: u32,
    /// Newest first.
    pub(crate) fresh: Vec<Arc<FreshRun>>,
    pub(crate) keyspaces: BTreeMap<KeyspaceId, Arc<Keyspace>>,
    /// Who keeps it for a program.
    pub(crate) holders: Holders,
    /// What a program found out about it.
    pub(crate) derived: Derived,
}

/// Those who keep a version for as long as a program likes. The store's own steps, which end by themselves, are none.
#[derive(Debug, Default)]
pub(crate) struct Holders(Arc<()>);

/// One of the [`Holders`], until it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    _one: Arc<()>,
}

/// Something that follows from a version, kept as long as it is. Of what it refers to, the version keeps everything alive.
#[derive(Default)]
pub(crate) struct Derived(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Derived {
    /// What is known, else what `make` makes; that is not kept when something of another type is.
    pub(crate) fn get<T: Any + Send + Sync>(&self, make: impl Fn() -> T) -> Arc<T> {
        let known = Arc::clone(self.0.get_or_init(|| Arc::new(make())));
        known.downcast().unwrap_or_else(|_| Arc::new(make()))
    }
}

impl Holders {
    pub(crate) fn join(&self) -> Hold {
        Hold { _one: Arc::clone(&self.0) }
    }

    pub(crate) fn are_none(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

impl Clone for Holders {
    /// Nobody holds the copy.
    fn clone(&self) -> Self {
        Holders::default()
    }
}

impl Clone for Derived {
    /// Nothing is known of the copy, which is about to become another version.
    fn clone(&self) -> Self {
        Derived::default()
    }
}

impl fmt::Debug for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").finish_non_exhaustive()
    }
}

/// One keyspace of a version.
#[derive(Clone)]
pub(crate) struct Keyspace {
    pub(crate) id: KeyspaceId,
    pub(crate) name: String,
    pub(crate) options: KeyspaceOptions,
    pub(crate) combiner: Arc<Combiner>,
    pub(crate) rewriter: Option<Arc<dyn GroupRewriter>>,
    /// Level 0 first.
    pub(crate) levels: Vec<Level>,
    pub(crate) values: Arc<ValueMap>,
}

/// Runs on disk of similar age and size, newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    pub(crate) runs: Vec<Run>,
}

/// Segments with disjoint key ranges, sorted.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: u64,
    /// Shared with cursors, so that opening one does not copy the list.
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
}

/// Makes what can be read of what a manifest, an edit or a commit names.
pub(crate) trait Opener {
    fn segment(&self, placed: &Placed) -> Result<Arc<Segment>>;
    fn values(&self, placed: &PlacedValues) -> Result<Arc<ValueSegment>>;
}

/// What this process made and is about to name.
#[derive(Debug, Default)]
pub(crate) struct Made<'a> {
    segments: HashMap<SegmentId, &'a Arc<Segment>>,
    values: HashMap<SegmentId, &'a Arc<ValueSegment>>,
}

impl<'a> Made<'a> {
    pub(crate) fn new(segments: &'a [Arc<Segment>], values: &'a [Arc<ValueSegment>]) -> Self {
        let segments = segments.iter().map(|segment| (segment.summary().id, segment));
        let values = values.iter().map(|values| (values.id(), values));
        Made { segments: segments.collect(), values: values.collect() }
    }
}

impl Opener for Made<'_> {
    fn segment(&self, placed: &Placed) -> Result<Arc<Segment>> {
        let made = self.segments.get(&placed.summary.id);
        Ok(Arc::clone(made.expect("invariant: an edit adds the segments beside it")))
    }

    fn values(&self, placed: &PlacedValues) -> Result<Arc<ValueSegment>> {
        let made = self.values.get(&placed.id);
        Ok(Arc::clone(made.expect("invariant: an edit adds the value segments beside it")))
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace")
            .field("name", &self.name)
            .field("levels", &self.levels)
            .finish_non_exhaustive()
    }
}

impl Run {
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.summary().bytes).sum()
    }

    /// Numbers a run that was written before it was known of which commits it would be.
    ///
    /// # Panics
    /// When somebody else holds the run or its segments.
    pub(crate) fn set_commits(&mut self, commits: (CommitNo, CommitNo)) {
        let segments = Arc::get_mut(&mut self.segments);
        for segment in segments.expect("invariant: a pending run has one owner") {
            let segment = Arc::get_mut(segment);
            segment.expect("invariant: a pending run has one owner").set_commits(commits);
        }
    }

    /// First and last commit of which the run holds entries.
    pub(crate) fn commits(&self) -> (CommitNo, CommitNo) {
        let commits = self.segments.iter().map(|segment| segment.summary().commits);
        commits.reduce(|hull, next| (hull.0.min(next.0), hull.1.max(next.1))).unwrap_or_default()
    }

    /// The segment that can hold `key`.
    pub(crate) fn segment_for(&self, key: &[u8]) -> Option<&Arc<Segment>> {
        let index = self.segments.partition_point(|segment| segment.summary().end.is_before(key));
        self.segments.get(index).filter(|segment| segment.summary().spans(key))
    }

    /// The part of `range` in which the run may hold keys.
    pub(crate) fn keys_within(&self, range: &KeyRange) -> Option<KeyRange> {
        let from = self.segments.partition_point(|s| s.summary().end.is_before(&range.lower));
        let behind = self.segments.get(from..)?;
        let to = behind.partition_point(|segment| range.ends_behind(&segment.summary().smallest));
        let within = behind.get(..to)?;
        let (first, last) = (within.first()?.summary(), within.last()?.summary());
        KeyRange { lower: first.smallest.clone(), upper: last.end.upper() }.intersection(range)
    }
}

impl Level {
    pub(crate) fn bytes(&self) -> u64 {
        self.runs.iter().map(Run::bytes).sum()
    }
}

impl Keyspace {
    pub(crate) fn descriptor(&self) -> KeyspaceDescriptor {
        KeyspaceDescriptor { id: self.id, name: self.name.clone(), options: self.options.clone() }
    }

    /// Runs on disk, newest first.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> + '_ {
        self.levels.iter().flat_map(|level| &level.runs)
    }

    pub(crate) fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> + '_ {
        self.runs().flat_map(|run| run.segments.iter())
    }

    fn add(&mut self, level: u8, run: u64, segment: Arc<Segment>) -> Result<()> {
        self.refer(&segment)?;
        let level = usize::from(level);
        if level >= LEVELS_MAX {
            return Err(Error::corruption(format!("a segment on level {level}"), 0));
        }
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Level::default);
        }
        let runs = &mut self.levels[level].runs;
        let index = runs.iter().position(|have| have.id == run).unwrap_or_else(|| {
            runs.insert(0, Run { id: run, segments: Arc::default() });
            0
        });
        let segments = Arc::make_mut(&mut runs[index].segments);
        let smallest = &segment.summary().smallest;
        let at = segments.partition_point(|have| have.summary().smallest < smallest);
        segments.insert(at, segment);
        Ok(())
    }
}

impl Version {
    pub(crate) fn keyspace(&self, id: KeyspaceId) -> Result<&Arc<Keyspace>> {
        self.keyspaces.get(&id).ok_or_else(|| Error::UnknownKeyspace(id.to_string()))
    }

    pub(crate) fn keyspace_named(&self, name: &str) -> Option<KeyspaceId> {
        let found = self.keyspaces.values().find(|keyspace| keyspace.name == name);
        found.map(|keyspace| keyspace.id)
    }

    pub(crate) fn fresh_bytes(&self) -> usize {
        self.fresh.iter().map(|run| run.memory_bytes()).sum()
    }

    /// Adds a keyspace, unless replay meets one again that the manifest has already.
    pub(crate) fn create_keyspace(
        &mut self,
        descriptor: &KeyspaceDescriptor,
        registry: &Registry,
    ) -> Result<()> {
        let KeyspaceDescriptor { id, name, options } = descriptor.clone();
        if let Some(have) = self.keyspaces.get(&id) {
            if have.descriptor() == *descriptor {
                return Ok(());
            }
            return Err(Error::corruption(format!("keyspace {id} is created twice"), 0));
        }
        if id.0 <= self.last_keyspace {
            let what = format!("keyspace {id} is created after {}", KeyspaceId(self.last_keyspace));
            return Err(Error::corruption(what, 0));
        }
        let unknown = |name: &String| Error::UnknownOperator { name: name.clone() };
        let find_operator = |name: &String| {
            let found = registry.operators.iter().find(|operator| operator.name() == name);
            found.cloned().ok_or_else(|| unknown(name))
        };
        let find_rewriter = |name: &String| {
            let found = registry.rewriters.iter().find(|rewriter| rewriter.name() == name);
            found.cloned().ok_or_else(|| unknown(name))
        };
        let operator = options.merge_operator.as_ref().map(find_operator).transpose()?;
        let rewriter = options.group_rewriter.as_ref().map(find_rewriter).transpose()?;
        let combiner = Arc::new(Combiner { keyspace: name.clone(), operator });
        let (levels, values) = (Vec::new(), Arc::default());
        let keyspace = Keyspace { id, name, options, combiner, rewriter, levels, values };
        self.keyspaces.insert(id, Arc::new(keyspace));
        self.last_keyspace = id.0;
        Ok(())
    }

    /// Takes a keyspace out. Its segments are free when nobody holds them any more.
    ///
    /// Fresh runs may not have entries of it, unless this is what a transaction begins on.
    pub(crate) fn drop_keyspace(&mut self, id: KeyspaceId) -> Result<Arc<Keyspace>> {
        self.keyspaces.remove(&id).ok_or_else(|| Error::UnknownKeyspace(id.to_string()))
    }

    /// Passes over a commit whose entries are in segments already.
    pub(crate) fn skip(&mut self, run: &FreshRun, registry: &Registry) -> Result<()> {
        for descriptor in &run.created {
            self.create_keyspace(descriptor, registry)?;
        }
        self.commit = run.commits.1;
        Ok(())
    }

    /// Shows one more commit; `opener` makes its value segments.
    pub(crate) fn push_fresh(
        &mut self,
        run: Arc<FreshRun>,
        registry: &Registry,
        opener: &dyn Opener,
    ) -> Result<()> {
        for descriptor in &run.created {
            self.create_keyspace(descriptor, registry)?;
        }
        if let Some(unknown) = run.keyspaces().find(|id| !self.keyspaces.contains_key(id)) {
            return Err(Error::corruption(format!("a commit writes to keyspace {unknown}"), 0));
        }
        for placed in &run.values {
            self.put_values(placed, opener)?;
        }
        self.commit = run.commits.1;
        self.fresh.insert(0, run);
        Ok(())
    }

    /// Folds the newest fresh runs while they are of similar size and small, or lie apart; and two others when there are
    /// many.
    ///
    /// Runs up to `flushing` stay as they are. Folding only what is of similar size copies each byte O(log n) times, and
    /// keeps those that are joined without a copy from being walked by every commit.
    pub(crate) fn fold_after_commit(&mut self, flushing: CommitNo) -> Result<()> {
        while let [newest, second, ..] = &self.fresh[..] {
            let (left, right) = (newest.memory_bytes(), second.memory_bytes());
            if second.commits.0 <= flushing || left * 2 < right {
                break;
            }
            if left + right > FOLD_AT_COMMIT_BYTES && !FreshRun::folds_freely(second, newest) {
                break;
            }
            self.fold(1)?;
        }
        self.fold_cheapest(flushing, FRESH_RUNS_MAX).map(|_| ())
    }

    /// Folds the two neighbours that cost least when there are more than `runs_max` runs behind `flushing`; false
    /// when there is nothing to fold, or nothing that is small enough for one step.
    pub(crate) fn fold_cheapest(&mut self, flushing: CommitNo, runs_max: usize) -> Result<bool> {
        let Some(index) = self.cheapest_fold(flushing, runs_max) else { return Ok(false) };
        self.fold(index).map(|()| true)
    }

    /// The older of the two neighbours that [`fold_cheapest`](Self::fold_cheapest) would fold.
    pub(crate) fn cheapest_fold(&self, flushing: CommitNo, runs_max: usize) -> Option<usize> {
        let foldable = self.fresh.partition_point(|run| run.commits.0 > flushing);
        if foldable <= runs_max {
            return None;
        }
        let bytes: Vec<usize> = self.fresh[..foldable].iter().map(|r| r.memory_bytes()).collect();
        let pairs = bytes.windows(2).map(|pair| pair[0] + pair[1]).enumerate();
        let cheapest = pairs.min_by_key(|&(_, bytes)| bytes);
        cheapest.filter(|&(_, bytes)| bytes <= FOLD_BYTES_MAX).map(|(newer, _)| newer + 1)
    }

    /// Makes one run of fresh runs `index - 1` and `index`.
    fn fold(&mut self, index: usize) -> Result<()> {
        let folded = self.folded(index)?;
        self.fresh[index - 1] = Arc::new(folded);
        self.fresh.remove(index);
        Ok(())
    }

    /// What fresh runs `index - 1` and `index` are as one.
    pub(crate) fn folded(&self, index: usize) -> Result<FreshRun> {
        let operators =
            |id: KeyspaceId| self.keyspaces.get(&id).and_then(|k| k.combiner.operator.clone());
        FreshRun::fold(&self.fresh[index], &self.fresh[index - 1], &operators)
    }

    /// Puts `folded` in the place of the two neighbours that it was made of; false when one is gone.
    pub(crate) fn replace_folded(
        &mut self,
        parts: [&Arc<FreshRun>; 2],
        folded: &Arc<FreshRun>,
    ) -> bool {
        let newer = self
            .fresh
            .windows(2)
            .position(|pair| Arc::ptr_eq(&pair[0], parts[0]) && Arc::ptr_eq(&pair[1], parts[1]));
        if let Some(newer) = newer {
            self.fresh[newer] = Arc::clone(folded);
            self.fresh.remove(newer + 1);
        }
        newer.is_some()
    }

    /// Adds a segment; a run that the level does not have yet becomes its newest.
    pub(crate) fn add_segment(&mut self, level: u8, run: u64, segment: Arc<Segment>) -> Result<()> {
        self.keyspace_mut(segment.summary().keyspace)?.add(level, run, segment)
    }

    /// Applies `edit`. `opener` makes a segment of each added one.
    pub(crate) fn apply(
        &mut self,
        edit: &Edit,
        registry: &Registry,
        opener: &dyn Opener,
    ) -> Result<()> {
        for descriptor in &edit.created {
            self.create_keyspace(descriptor, registry)?;
        }
        let moved = edit.moved.iter().map(|&(id, ..)| id);
        let ids = edit.removed.iter().copied().chain(moved).collect();
        let before = Before::look(self, &ids);
        let mut gone = self.take(&ids)?;
        for &(id, level, run) in &edit.moved {
            let missing = || Error::corruption(format!("segment {id} is moved twice"), 0);
            self.add_segment(level, run, gone.remove(&id).ok_or_else(missing)?)?;
        }
        if !edit.relocated.is_empty() {
            self.relocate(edit.relocated.iter().copied().collect(), opener)?;
        }
        for placed in &edit.values {
            self.put_values(placed, opener)?;
        }
        for placed in &edit.added {
            self.add_segment(placed.level, placed.run, opener.segment(placed)?)?;
        }
        if let Some(flushed) = edit.flushed {
            self.fresh.retain(|run| run.commits.0 > flushed);
            self.flushed = flushed;
            self.commit = self.commit.max(flushed);
        }
        before.check(self, edit)?;
        for &id in &edit.dropped {
            let missing = |_| Error::corruption(format!("keyspace {id} is dropped twice"), 0);
            self.drop_keyspace(id).map_err(missing)?;
        }
        self.drop_dead_values();
        self.check_order()
    }

    /// Takes segments out, and runs that become empty. One pass, however many there are.
    fn take(&mut self, ids: &HashSet<SegmentId>) -> Result<HashMap<SegmentId, Arc<Segment>>> {
        let mut taken = HashMap::with_capacity(ids.len());
        if ids.is_empty() {
            return Ok(taken);
        }
        let wanted = |segment: &Arc<Segment>| ids.contains(&segment.summary().id);
        for keyspace in self.keyspaces.values_mut().filter(|k| k.segments().any(wanted)) {
            let keyspace = Arc::make_mut(keyspace);
            let gone: Vec<_> = keyspace.segments().filter(|s| wanted(s)).cloned().collect();
            for gone in &gone {
                keyspace.release(gone);
            }
            taken.extend(gone.into_iter().map(|gone| (gone.summary().id, gone)));
            for level in &mut keyspace.levels {
                for run in &mut level.runs {
                    Arc::make_mut(&mut run.segments).retain(|segment| !wanted(segment));
                }
                level.runs.retain(|run| !run.segments.is_empty());
            }
        }
        match ids.iter().find(|id| !taken.contains_key(id)) {
            None => Ok(taken),
            Some(id) => Err(Error::corruption(format!("segment {id} is removed but not there"), 0)),
        }
    }

    /// Gives segments other places, each where it is in its run.
    fn relocate(
        &mut self,
        mut places: HashMap<SegmentId, Extent>,
        opener: &dyn Opener,
    ) -> Result<()> {
        let wanted = |places: &HashMap<_, _>, segment: &Arc<Segment>| {
            places.contains_key(&segment.summary().id)
        };
        for keyspace in self.keyspaces.values_mut() {
            if !keyspace.segments().any(|segment| wanted(&places, segment)) {
                continue;
            }
            for (level, content) in (0_u8..).zip(&mut Arc::make_mut(keyspace).levels) {
                for run in &mut content.runs {
                    if !run.segments.iter().any(|segment| wanted(&places, segment)) {
                        continue;
                    }
                    for segment in Arc::make_mut(&mut run.segments) {
                        if let Some(extent) = places.remove(&segment.summary().id) {
                            let summary = segment.summary().clone();
                            let placed = Placed { level, run: run.id, extent, summary };
                            *segment = opener.segment(&placed)?;
                        }
                    }
                }
            }
        }
        match places.keys().next() {
            None => Ok(()),
            Some(id) => {
                Err(Error::corruption(format!("segment {id} is relocated but not there"), 0))
            }
        }
    }

    pub(super) fn keyspace_mut(&mut self, id: KeyspaceId) -> Result<&mut Keyspace> {
        let found = self.keyspaces.get_mut(&id);
        let missing = || Error::corruption(format!("a segment of unknown keyspace {id}"), 0);
        Ok(Arc::make_mut(found.ok_or_else(missing)?))
    }

    /// Proves the invariants that only need the manifest.
    pub(crate) fn check_order(&self) -> Result<()> {
        for keyspace in self.keyspaces.values() {
            keyspace.runs().try_for_each(Run::check_order)?;
            keyspace.check_ages(self.flushed)?;
        }
        let newest_first =
            self.fresh.windows(2).all(|pair| pair[0].commits.0.0 == pair[1].commits.1.0 + 1);
        if !newest_first {
            return Err(Error::corruption("fresh runs do not follow each other", 0));
        }
        Ok(())
    }

    /// The newest word on `key`, operands applied; `None` when it has no value.
    pub(crate) fn find(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Content>> {
        self.find_below(keyspace, key, Operands::default())
    }

    /// Like [`find`](Self::find) below `operands`, which newer runs gave and which are not settled.
    pub(crate) fn find_below(
        &self,
        keyspace: &Keyspace,
        key: &[u8],
        mut operands: Operands,
    ) -> Result<Option<Content>> {
        for run in &self.fresh {
            if let Some((kind, value)) = run.find(keyspace.id, key)
                && operands.push(kind, value)
            {
                return operands.resolve(&keyspace.combiner, key);
            }
            if run.ranges(keyspace.id).is_some_and(|ranges| ranges.covers(key)) {
                return operands.resolve(&keyspace.combiner, key);
            }
        }
        let hash = KeyHash::of(key);
        for run in keyspace.runs() {
            let Some(segment) = run.segment_for(key) else { continue };
            if let Some((kind, value)) = segment.get(key, hash)?
                && operands.push(kind, value)
            {
                break;
            }
            if segment.hides(key)? {
                break;
            }
        }
        operands.resolve(&keyspace.combiner, key)
    }

    /// The runs of a keyspace for a scan, newest first.
    pub(crate) fn sources<'a>(&self, keyspace: &Keyspace) -> Vec<Source<'a>> {
        let fresh = self.fresh.iter().filter_map(|run| run.source(keyspace.id));
        let on_disk = keyspace.runs().map(|run| Source {
            cursor: Box::new(RunCursor::new(Arc::clone(&run.segments))),
            ranges: RunRanges::Segments(Arc::clone(&run.segments)),
        });
        fresh.chain(on_disk).collect()
    }

    /// The runs of a keyspace for a walk over names, whatever hides them; `None` when no segment lists any.
    pub(crate) fn name_sources<'a>(
        &self,
        keyspace: &Keyspace,
    ) -> Result<Option<Vec<Box<dyn RawCursor + 'a>>>> {
        let mut listed = false;
        for segment in keyspace.segments() {
            listed = listed || segment.lists_names()?;
        }
        if !listed {
            return Ok(None);
        }
        let fresh = self.fresh.iter().filter_map(|run| run.source(keyspace.id));
        let fresh = fresh.map(|source| source.cursor);
        let on_disk = keyspace.runs().map(|run| RunCursor::naming(Arc::clone(&run.segments)));
        let on_disk = on_disk.map(|cursor| -> Box<dyn RawCursor + 'a> { Box::new(cursor) });
        Ok(Some(fresh.chain(on_disk).collect()))
    }
}
