//! Which segments to compact next: lazy leveling.
//!
//! ```text
//! level 0        flushed runs; more than `level0_runs_max` are due
//! levels between runs side by side, up to `level_runs_max`; due when there are more, or more bytes than their share
//! last level     one run, which holds most of the data; each level above may hold 1/`level_ratio` of the one below
//! ```
//! What is pushed into a level between starts a new run there without reading the level, so that a byte is written
//! about once a level; only the last level merges with what it holds. The sizes follow from the last level's, so that
//! obsolete data stays a fixed share of the file. A last level that outgrows its number moves one number down, whole
//! and without being rewritten, which puts an empty level between.
//!
//! The most overdue level comes first. From it a *window* is taken: segments side by side, and with them whatever is
//! older in the level and overlaps them ([`gather`]), as much as `compaction_bytes_max` allows. Windows of one level
//! follow each other through the keys, so that every range has its turn; every other window between begins where most
//! tombstones are, or where least of the next level must be rewritten. A segment that overlaps nothing is moved, not
//! rewritten, unless it is small, or has tombstones and goes where nothing is older.
//!
//! # The law
//!
//! The output may stand anywhere between the ends of the inputs, of whatever runs they are: that is its *range*.
//! 1. Of the run that it joins, all that meets the range is input: [`rewrite`] takes it. What is moved meets nothing.
//! 2. What stays and overlaps an input is newer than the input and the output's run, or older than both: [`gather`].
//! 3. Newer runs of the output's level overlap no input. For the run that it joins may end meanwhile, when others take
//!    the rest of it; then it begins anew, as the level's newest.
//! 4. Nobody else takes the inputs, or writes to the range on that level; or takes what newer runs of that level have in the
//!    range, which would pass the output on its way down: [`Claims`].
//!
//! The first three hold in the version that the work is picked from, and the fourth keeps them until its edit is
//! applied, whatever else is meanwhile, in any order.
//!
//! Cost of a pick: the segments of one level, sorted; nothing when nothing has changed since one that found nothing. Follows Dayan and Idreos, "Dostoevsky" (SIGMOD 2018), for the
//! shape, and RocksDB for sizes that follow from the last level.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::claims::{Claim, Claims};
use crate::lsm::ids::{KeyspaceId, SegmentId};
use crate::lsm::manifest::{Keyspace, LEVELS_MAX, Level, Run, Version};
use crate::lsm::options::Options;
use crate::lsm::ranges::KeyEnd;
use crate::lsm::segment::Segment;

/// Hundredths of a segment's entries that make it worth a compaction of its own when they are tombstones.
const DEAD_PERCENT: u64 = 25;
/// Starting points that are tried when the first windows are claimed.
const ATTEMPTS_MAX: usize = 16;

/// What a compaction shall do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) keyspace: KeyspaceId,
    /// The level of the output.
    pub(crate) level: u8,
    /// The run there that the output joins, which may be one that another job is about to begin; none: a new one.
    pub(crate) run: Option<u64>,
    /// Segments to rewrite, run by run, newest run first.
    pub(crate) inputs: Vec<Vec<Arc<Segment>>>,
    /// Segments that only change level.
    pub(crate) moved: Vec<Arc<Segment>>,
    /// Segments that are older than an input and stay, as far as they overlap the inputs.
    pub(crate) older: Vec<Run>,
    /// Segments of the output's level that are newer than the output, and stand within its range.
    pub(crate) newer: Vec<SegmentId>,
}

impl Work {
    /// What the work needs for itself when it writes to `run`.
    pub(crate) fn claim(&self, run: u64) -> Claim {
        let segments = self.inputs.iter().flatten().chain(&self.moved);
        Claim::new(self.keyspace, (self.level, run), segments, &self.newer)
    }

    fn bytes(&self) -> u64 {
        self.inputs.iter().map(|run| bytes(run)).sum()
    }
}

/// Picks work; remembers where each level's turn stands, and where there was nothing to pick.
#[derive(Debug, Default)]
pub(crate) struct Picker {
    turns: HashMap<(KeyspaceId, usize), Bytes>,
    picks: u64,
    refused: Refused,
}

/// What was looked at in vain: steps ask again and again while a job is at all that is due, and a look costs as much as the file
/// has segments.
#[derive(Debug, Default)]
struct Refused {
    keyspaces: Vec<Weak<Keyspace>>,
    claims: u64,
    phase: Phase,
    /// Two looks differ in where they begin.
    looks: u8,
}

impl Refused {
    fn is_known(&self, version: &Version, claims: &Claims, phase: Phase) -> bool {
        let is_same = (self.claims, self.phase) == (claims.changes(), phase)
            && self.keyspaces.len() == version.keyspaces.len();
        // What a `Weak` points to may be gone, but nothing else is where it was.
        let mut keyspaces = self.keyspaces.iter().zip(version.keyspaces.values());
        is_same && keyspaces.all(|(looked_at, now)| looked_at.as_ptr() == Arc::as_ptr(now))
    }

    fn note(&mut self, version: &Version, claims: &Claims, phase: Phase) {
        if !self.is_known(version, claims, phase) {
            let keyspaces = version.keyspaces.values().map(Arc::downgrade).collect();
            *self = Refused { keyspaces, claims: claims.changes(), phase, looks: 0 };
        }
        self.looks = self.looks.saturating_add(1);
    }
}

/// What a store is at, which decides what of its compactions is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Commits come and go.
    #[default]
    Steady,
    /// Nobody writes: what could wait is due too.
    Resting,
    /// Much is loaded that will be read later: every level may have twice as many runs, and the last one several, so that what is there
    /// is written anew only when so many have gathered. What that leaves is due in the next phase.
    Loading,
}

impl Phase {
    /// How many runs a level may have that else has so many.
    pub(crate) fn runs_max(self, runs_max: usize) -> usize {
        if self == Phase::Loading { runs_max.max(1).saturating_mul(2) } else { runs_max }
    }
}

/// The levels of a keyspace as they should be.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The level of one run that holds what is oldest.
    pub(crate) last: usize,
    /// Bytes that each level above it may hold.
    targets: Vec<u64>,
    phase: Phase,
}

impl Shape {
    pub(crate) fn of(keyspace: &Keyspace, options: &Options, phase: Phase) -> Shape {
        let deepest = keyspace.levels.iter().rposition(|level| !level.runs.is_empty());
        let deepest = deepest.unwrap_or_default();
        let single = keyspace.levels.get(deepest).is_none_or(|level| level.runs.len() <= 1);
        let last = match deepest {
            0 => 1,
            // Several runs are no last level: they are merged into the one below, which is empty yet.
            _ if !single || phase == Phase::Loading => (deepest + 1).min(LEVELS_MAX - 1),
            _ => deepest,
        };
        let mut target = bytes_of(keyspace, last);
        let mut targets = vec![0; last];
        for level in (0..last).rev() {
            target /= ratio(options);
            targets[level] = target;
        }
        Shape { last, targets, phase }
    }

    /// Runs that a level may have.
    fn runs_max(&self, level: usize, options: &Options) -> usize {
        let runs_max = if level == 0 { options.level0_runs_max } else { options.level_runs_max };
        self.phase.runs_max(runs_max)
    }

    /// Hundredths of what a level may hold, when that is exceeded.
    fn excess(&self, keyspace: &Keyspace, level: usize, options: &Options) -> Option<u64> {
        let content = keyspace.levels.get(level).filter(|content| !content.runs.is_empty())?;
        let (runs, runs_max) = (content.runs.len() as u64, self.runs_max(level, options) as u64);
        let by_runs = (runs > runs_max).then(|| runs * 100 / runs_max.max(1));
        let (bytes, bytes_max) = (content.bytes(), self.targets.get(level).copied()?);
        let by_bytes = level > 0 && bytes > bytes_max && self.phase != Phase::Loading;
        by_runs.max(by_bytes.then(|| bytes.saturating_mul(100) / bytes_max.max(1)))
    }
}

fn ratio(options: &Options) -> u64 {
    options.level_ratio.max(2)
}

fn bytes_of(keyspace: &Keyspace, level: usize) -> u64 {
    keyspace.levels.get(level).map_or(0, Level::bytes)
}

fn bytes(segments: &[Arc<Segment>]) -> u64 {
    segments.iter().map(|segment| segment.summary().bytes).sum()
}

impl Picker {
    /// The most urgent compaction that is due and whose claim is free.
    ///
    /// Keyspaces in `reserved` are passed over.
    pub(crate) fn pick(
        &mut self,
        version: &Version,
        options: &Options,
        claims: &Claims,
        reserved: &HashSet<KeyspaceId>,
        phase: Phase,
    ) -> Option<Work> {
        if self.refused.looks >= 2 && self.refused.is_known(version, claims, phase) {
            return None;
        }
        let keyspaces = version.keyspaces.values().filter(|k| !reserved.contains(&k.id));
        let mut due = Vec::new();
        for keyspace in keyspaces {
            let shape = Shape::of(keyspace, options, phase);
            // While much is loaded, a last level that moved up would be pushed down again.
            if phase != Phase::Loading
                && let Some(work) = renumber(keyspace, &shape, options, claims)
            {
                return Some(work);
            }
            for level in 0..shape.last {
                if let Some(excess) = shape.excess(keyspace, level, options) {
                    due.push((Reverse(excess), due.len(), level, keyspace));
                }
            }
        }
        due.sort_by_key(|&(excess, order, ..)| (excess, order));
        let pushed = due.into_iter().find_map(|(_, _, level, keyspace)| {
            self.push(keyspace, level, (options, phase), claims)
        });
        let keyspaces = || version.keyspaces.values().filter(|k| !reserved.contains(&k.id));
        let picked = pushed
            .or_else(|| {
                let mut buried = keyspaces().filter(|_| phase != Phase::Loading);
                buried.find_map(|keyspace| bury(keyspace, options, claims))
            })
            .or_else(|| {
                let mut unsettled = keyspaces().filter(|_| phase == Phase::Resting);
                unsettled.find_map(|keyspace| self.settle(keyspace, options, claims))
            });
        let Some(mut work) = picked else {
            // What is reserved now may be free next time.
            if reserved.is_empty() {
                self.refused.note(version, claims, phase);
            }
            return None;
        };
        let keyspace = version.keyspaces.get(&work.keyspace);
        work.run = work.run.or_else(|| claims.new_run_in(keyspace?, work.level));
        Some(work)
    }

    /// Moves a window of `level` into the level below.
    fn push(
        &mut self,
        keyspace: &Keyspace,
        level: usize,
        (options, phase): (&Options, Phase),
        claims: &Claims,
    ) -> Option<Work> {
        let shape = Shape::of(keyspace, options, phase);
        let segments = by_key(keyspace, level);
        let turn = self.turns.get(&(keyspace.id, level)).cloned().unwrap_or_default();
        self.picks += 1;
        let in_turn = level == 0 || self.picks.is_multiple_of(2);
        let start = if in_turn {
            let next = segments.partition_point(|(_, segment)| segment.summary().smallest <= turn);
            let all: u64 = segments.iter().map(|(_, segment)| segment.summary().bytes).sum();
            // Where one window holds all, there is nothing to be fair about.
            if all <= options.compaction_bytes_max || turn.is_empty() { 0 } else { next }
        } else {
            cheapest(keyspace, level, &shape, &segments, options)?
        };
        for attempt in 0..segments.len().min(ATTEMPTS_MAX) {
            let at = (start + attempt) % segments.len();
            let Some((work, end)) = window(keyspace, level, &shape, &segments[at..], options)
            else {
                continue;
            };
            if claims.allow(&work.claim(0)) {
                if in_turn {
                    self.turns.insert((keyspace.id, level), end);
                }
                return Some(work);
            }
        }
        None
    }

    /// While nobody writes: brings down what lies above the last level, if that is more than a tenth of it.
    fn settle(&mut self, keyspace: &Keyspace, options: &Options, claims: &Claims) -> Option<Work> {
        let last = Shape::of(keyspace, options, Phase::Resting).last;
        let above: u64 = (0..last).map(|level| bytes_of(keyspace, level)).sum();
        if above <= bytes_of(keyspace, last) / 10 {
            return None;
        }
        let level = (0..last).find(|&level| bytes_of(keyspace, level) > 0)?;
        self.push(keyspace, level, (options, Phase::Resting), claims)
    }
}

/// The next part of compacting everything from `smallest` to `greatest` that is older than segment `before` into one
/// run; `None` when nothing is left.
pub(crate) fn unite(
    keyspace: &Keyspace,
    smallest: &[u8],
    greatest: Option<&[u8]>,
    before: SegmentId,
    options: &Options,
) -> Option<Work> {
    let shape = Shape::of(keyspace, options, Phase::Steady);
    let runs: Vec<&Run> = keyspace.runs().collect();
    let mut left: Vec<(usize, Arc<Segment>)> = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let wanted = run.segments.iter().filter(|segment| {
            let summary = segment.summary();
            summary.id < before
                && !summary.end.is_before(smallest)
                && greatest.is_none_or(|greatest| &summary.smallest[..] <= greatest)
        });
        left.extend(wanted.map(|segment| (number, Arc::clone(segment))));
    }
    left.sort_by(|left, right| left.1.summary().smallest.cmp(&right.1.summary().smallest));
    // The oldest run of all, if the last level has any yet.
    let target = keyspace.levels.get(shape.last).and_then(|level| level.runs.last());
    let newer = &runs[..runs.len() - usize::from(target.is_some())];
    let take = |count: usize| {
        let inputs = gather(newer, &left[..count]);
        let own = left[..count].iter().filter(|(number, _)| *number >= newer.len());
        let seeds = own.map(|(_, seed)| seed);
        rewrite(keyspace, shape.last, target, inputs, Hull::of(seeds), options)
    };
    widest(left.len(), options.compaction_bytes_max, take, Work::bytes).map(|(work, _)| work)
}

/// Segments of a level with the number of their run, by their smallest keys.
fn by_key(keyspace: &Keyspace, level: usize) -> Vec<(usize, Arc<Segment>)> {
    let runs = keyspace.levels.get(level).map(|level| &level.runs[..]).unwrap_or_default();
    let segments = runs.iter().enumerate().flat_map(|(number, run)| {
        run.segments.iter().map(move |segment| (number, Arc::clone(segment)))
    });
    let mut segments: Vec<_> = segments.collect();
    segments.sort_by(|left, right| left.1.summary().smallest.cmp(&right.1.summary().smallest));
    segments
}

/// The largest of `make(1)`, `make(2)`, … that costs at most `bytes_max`, found by doubling; at least the first. With
/// the count that it was made of.
fn widest<T>(
    count_max: usize,
    bytes_max: u64,
    make: impl Fn(usize) -> T,
    cost: impl Fn(&T) -> u64,
) -> Option<(T, usize)> {
    if count_max == 0 {
        return None;
    }
    let mut best = (make(1), 1);
    let mut step = 1;
    while step > 0 && best.1 < count_max {
        let count = (best.1 + step).min(count_max);
        let wider = make(count);
        if cost(&wider) <= bytes_max {
            best = (wider, count);
            step *= 2;
        } else {
            step /= 2;
        }
    }
    Some(best)
}

/// Where a window of the level should begin: where most tombstones are, or where least is rewritten for what is pushed.
///
/// Looks at windows that begin at places spread over the level, and at the segment with most tombstones.
fn cheapest(
    keyspace: &Keyspace,
    level: usize,
    shape: &Shape,
    segments: &[(usize, Arc<Segment>)],
    options: &Options,
) -> Option<usize> {
    let deadest = (0..segments.len()).max_by_key(|&at| dead_share(&segments[at].1))?;
    if dead_share(&segments[deadest].1) >= DEAD_PERCENT {
        return Some(deadest);
    }
    let own: HashSet<SegmentId> =
        segments.iter().map(|(_, segment)| segment.summary().id).collect();
    let apart = segments.len().div_ceil(ATTEMPTS_MAX);
    (0..segments.len()).step_by(apart).min_by_key(|&at| {
        let window = window(keyspace, level, shape, &segments[at..], options);
        window.map_or(u64::MAX, |(work, _)| {
            let inputs = work.inputs.iter().flatten();
            let pushed = inputs.filter(|segment| own.contains(&segment.summary().id));
            let pushed: u64 = pushed.map(|segment| segment.summary().bytes).sum();
            work.bytes().saturating_mul(16) / pushed.max(1)
        })
    })
}

/// The work of pushing the first few of `segments` from `level` into the next one, and the key where it ends.
fn window(
    keyspace: &Keyspace,
    level: usize,
    shape: &Shape,
    segments: &[(usize, Arc<Segment>)],
    options: &Options,
) -> Option<(Work, Bytes)> {
    let runs: Vec<&Run> = keyspace.levels.get(level)?.runs.iter().collect();
    let take = |count: usize| {
        // What lies between the edges that older runs make goes along: there the next level is rewritten anyway.
        let taken = gather(&runs, &segments[..count]);
        let hull = Hull::of(taken.iter().flatten());
        let inputs = gather(&runs, &hull.inside(&runs));
        compact(keyspace, level, shape, inputs, options)
    };
    let (work, count) = widest(segments.len(), options.compaction_bytes_max, take, Work::bytes)?;
    Some((work, segments[count - 1].1.summary().smallest.clone()))
}

/// `seeds`, and whatever in older runs overlaps what was taken from newer ones: without it, old data would pass new.
///
/// Goes through the runs once, newest first, so that it takes at most one more segment on each side a run.
fn gather(runs: &[&Run], seeds: &[(usize, Arc<Segment>)]) -> Vec<Vec<Arc<Segment>>> {
    let mut hull = Hull::default();
    let mut inputs = Vec::with_capacity(runs.len());
    for (number, run) in runs.iter().enumerate() {
        let mut own = Hull::default();
        hull.within(run).iter().for_each(|segment| own.extend(segment));
        let seeds = seeds.iter().filter(|(of, _)| *of == number);
        seeds.for_each(|(_, seed)| own.extend(seed));
        let taken = own.within(run).to_vec();
        for segment in &taken {
            hull.extend(segment);
        }
        inputs.push(taken);
    }
    inputs
}

/// Brings `inputs` from `level` (run by run, newest first) into the next level.
fn compact(
    keyspace: &Keyspace,
    level: usize,
    shape: &Shape,
    inputs: Vec<Vec<Arc<Segment>>>,
    options: &Options,
) -> Work {
    let to = level + 1;
    let below = keyspace.levels.get(to).map(|level| &level.runs[..]).unwrap_or_default();
    if let Some(work) = move_whole(keyspace, level, shape, &inputs, options) {
        return work;
    }
    let hull = Hull::of(inputs.iter().flatten());
    let input_bytes: u64 = inputs.iter().map(|run| bytes(run)).sum();
    let overlap = below.first().map_or(0, |newest| bytes(hull.within(newest)));
    // A run is joined where that costs little: else windows side by side, whose edges overlap, would each begin one. And
    // while it has not its share of the level, or the level has all its runs: so the level is as large as it may be
    // before it is pushed down, and what is pushed into the last level is paid for by as much as possible. While much is loaded, runs alone
    // say when that is.
    let runs_max = shape.runs_max(to, options).max(1);
    let share = shape.targets.get(to).map_or(0, |target| target / runs_max as u64);
    let has_room = below.first().is_some_and(|newest| newest.bytes() + input_bytes <= share);
    let is_full = below.len() >= runs_max && shape.phase != Phase::Loading;
    let joins = to >= shape.last || has_room || is_full || overlap <= input_bytes / 2;
    let free = below.iter().take_while(|run| hull.within(run).is_empty()).count();
    let target = if joins { below.get(free.saturating_sub(1)) } else { None };
    rewrite(keyspace, to, target, inputs, hull, options)
}

/// Rewrites `inputs`, which are newer than all of `target`, into `target` on level `to`, with everything that this has
/// between the ends of the inputs and of `seeds`.
fn rewrite(
    keyspace: &Keyspace,
    to: usize,
    target: Option<&Run>,
    mut inputs: Vec<Vec<Arc<Segment>>>,
    seeds: Hull,
    options: &Options,
) -> Work {
    let mut hull = seeds;
    inputs.iter().flatten().for_each(|segment| hull.extend(segment));
    // What stayed between two inputs, of whatever runs, would stand amid the output. Such are there when a request has
    // passed over what is newer than itself.
    let mut own = target.map(|target| hull.within(target).to_vec()).unwrap_or_default();
    for segment in &own {
        hull.extend(segment);
    }
    // A small segment just before the inputs joins them: otherwise ascending keys leave a trail of crumbs. Unless it
    // has newer neighbours in its level, which would be passed if its run ended meanwhile and had to begin anew.
    let small = options.segment_bytes_target / 4;
    let runs = keyspace.levels.get(to).map(|level| &level.runs[..]).unwrap_or_default();
    let is_newest = |crumb: &Arc<Segment>| {
        let mut newer = runs.iter().take_while(|run| target.is_some_and(|t| t.id != run.id));
        newer.all(|run| run.overlapping(crumb).next().is_none())
    };
    if let Some(crumb) = target.and_then(|target| hull.before(target))
        && crumb.summary().bytes < small
        && is_newest(crumb)
    {
        own.insert(0, Arc::clone(crumb));
        hull.extend(crumb);
    }
    inputs.push(own);
    let taken: HashSet<SegmentId> =
        inputs.iter().flatten().map(|segment| segment.summary().id).collect();
    let is_taken = |segment: &Arc<Segment>| taken.contains(&segment.summary().id);
    let behind = keyspace.runs().skip_while(|run| !hull.within(run).iter().any(is_taken));
    let older = behind.map(|run| {
        let stays = hull.within(run).iter().filter(|segment| !is_taken(segment));
        Run { id: run.id, segments: Arc::new(stays.cloned().collect()) }
    });
    let older = older.filter(|run| !run.segments.is_empty()).collect();
    let before = runs.iter().take_while(|run| target.is_some_and(|target| target.id != run.id));
    let newer = before.flat_map(|run| hull.within(run)).filter(|segment| !is_taken(segment));
    let newer = newer.map(|segment| segment.summary().id).collect();
    inputs.retain(|run| !run.is_empty());
    let (level, run) = (number(to), target.map(|run| run.id));
    Work { keyspace: keyspace.id, level, run, inputs, moved: Vec::new(), older, newer }
}

/// The inputs that overlap nothing in their level and can join a run of the next one as they are, if there are any.
fn move_whole(
    keyspace: &Keyspace,
    level: usize,
    shape: &Shape,
    inputs: &[Vec<Arc<Segment>>],
    options: &Options,
) -> Option<Work> {
    let to = level + 1;
    let beside = keyspace.levels.get(level).map(|level| &level.runs[..]).unwrap_or_default();
    let below = keyspace.levels.get(to).map(|level| &level.runs[..]).unwrap_or_default();
    let alone = inputs.iter().map(Vec::len).sum::<usize>() == 1;
    let mut target = below.len();
    let mut moved = Vec::new();
    for segment in inputs.iter().flatten() {
        let summary = segment.summary();
        // One that is small is rewritten with its neighbours; where it has none, that would gain nothing.
        let end = KeyEnd::Included(summary.smallest.clone());
        let before = |run: &&Run| run.within(&[], &end).is_empty();
        let small = summary.bytes < options.segment_bytes_target / 4;
        let worthy = !small || alone && below.iter().all(|run| before(&run));
        let droppable = to >= shape.last && summary.tombstones + summary.ranges > 0;
        let overlaps: usize = beside.iter().map(|run| run.overlapping(segment).count()).sum();
        let free = below.iter().take_while(|run| run.overlapping(segment).next().is_none()).count();
        let fits = free > 0 || below.is_empty();
        // Nothing of its own level but itself.
        if worthy && !droppable && fits && overlaps == 1 {
            target = target.min(free.saturating_sub(1));
            moved.push(Arc::clone(segment));
        }
    }
    let run = below.get(target).map(|run| run.id);
    let (inputs, older, newer) = (Vec::new(), Vec::new(), Vec::new());
    let work = Work { keyspace: keyspace.id, level: number(to), run, inputs, moved, older, newer };
    (!work.moved.is_empty()).then_some(work)
}

/// Gives the last level the number that its size asks for: the run moves whole.
fn renumber(
    keyspace: &Keyspace,
    shape: &Shape,
    options: &Options,
    claims: &Claims,
) -> Option<Work> {
    let run = keyspace.levels.get(shape.last)?.runs.first()?;
    let bytes = run.bytes();
    let bytes_max = |last: usize| {
        let exponent = u32::try_from(last - 1).unwrap_or(u32::MAX);
        options.level1_bytes().saturating_mul(ratio(options).saturating_pow(exponent))
    };
    let to = if bytes > bytes_max(shape.last) && shape.last + 1 < LEVELS_MAX {
        shape.last + 1
    } else if shape.last > 1
        && bytes <= bytes_max(shape.last - 1) / 2
        && keyspace.levels.get(shape.last - 1).is_none_or(|above| above.runs.is_empty())
    {
        shape.last - 1
    } else {
        return None;
    };
    let moved = run.segments.to_vec();
    let (inputs, older, newer) = (Vec::new(), Vec::new(), Vec::new());
    let (keyspace, level) = (keyspace.id, number(to));
    let work = Work { keyspace, level, run: None, inputs, moved, older, newer };
    (!claims.busy(keyspace)).then_some(work)
}

/// Rewrites where deletions have made much of the last level obsolete, or left tombstones in it.
fn bury(keyspace: &Keyspace, options: &Options, claims: &Claims) -> Option<Work> {
    let shape = Shape::of(keyspace, options, Phase::Steady);
    let allowed = |work: &Work| claims.allow(&work.claim(0));
    let last = keyspace.levels.get(shape.last).and_then(|level| level.runs.first());
    // Nothing is older than the last level: its tombstones hide nothing.
    if let Some(last) = last
        && let Some(segment) =
            last.segments.iter().find(|segment| dead_share(segment) >= DEAD_PERCENT)
    {
        let seed = Hull::of([segment]);
        let work = rewrite(keyspace, shape.last, Some(last), Vec::new(), seed, options);
        return Some(work).filter(allowed);
    }
    let tombstones = obsolete(keyspace);
    let entries: u64 = keyspace.segments().map(|segment| segment.summary().entries).sum();
    // Each entry that is written again is paid for by a tenth of a tombstone.
    if tombstones == 0 || tombstones < entries / 10 {
        return None;
    }
    (0..shape.last).find_map(|level| {
        let mut segments = by_key(keyspace, level);
        segments.retain(|(_, segment)| dead_share(segment) >= DEAD_PERCENT);
        segments.sort_by_key(|(_, segment)| Reverse(dead_share(segment)));
        let works = segments.chunks(1).take(ATTEMPTS_MAX);
        let mut works = works.filter_map(|seed| window(keyspace, level, &shape, seed, options));
        works.find(|(work, _)| allowed(work)).map(|(work, _)| work)
    })
}

/// About how many entries tombstones and range tombstones make obsolete: one each, and those of whole segments that
/// lie within a segment with range tombstones.
fn obsolete(keyspace: &Keyspace) -> u64 {
    let runs: Vec<&Run> = keyspace.runs().collect();
    let mut obsolete = 0;
    for (number, run) in runs.iter().enumerate() {
        for segment in run.segments.iter() {
            let summary = segment.summary();
            obsolete += summary.tombstones + summary.ranges;
            if summary.ranges == 0 {
                continue;
            }
            let older = runs[number + 1..].iter().flat_map(|run| run.overlapping(segment));
            let inside = older
                .map(|older| older.summary())
                .filter(|older| summary.smallest <= older.smallest && older.end <= summary.end);
            obsolete += inside.map(|older| older.entries).sum::<u64>();
        }
    }
    obsolete
}

/// Hundredths of a segment's entries and range tombstones that are tombstones.
fn dead_share(segment: &Segment) -> u64 {
    let summary = segment.summary();
    (summary.tombstones + summary.ranges) * 100 / (summary.entries + summary.ranges).max(1)
}

fn number(level: usize) -> u8 {
    u8::try_from(level).expect("invariant: levels are few")
}

/// The range of keys that a compaction reads.
#[derive(Debug, Default)]
struct Hull {
    /// Smallest key and end.
    ends: Option<(Bytes, KeyEnd)>,
}

impl Hull {
    fn of<'a>(segments: impl IntoIterator<Item = &'a Arc<Segment>>) -> Self {
        let mut hull = Hull::default();
        segments.into_iter().for_each(|segment| hull.extend(segment));
        hull
    }

    fn extend(&mut self, segment: &Segment) {
        let summary = segment.summary();
        let (smallest, end) = (summary.smallest.clone(), summary.end.clone());
        self.ends = Some(match self.ends.take() {
            None => (smallest, end),
            Some(have) => (have.0.min(smallest), have.1.max(end)),
        });
    }

    /// The segments of `run` that may say something about keys of the range.
    fn within<'a>(&self, run: &'a Run) -> &'a [Arc<Segment>] {
        self.ends.as_ref().map_or(&[], |(smallest, end)| run.within(smallest, end))
    }

    /// The segments of `runs` that say nothing about keys outside the range, with the number of their run.
    fn inside(&self, runs: &[&Run]) -> Vec<(usize, Arc<Segment>)> {
        let Some((smallest, end)) = &self.ends else { return Vec::new() };
        let runs = runs.iter().enumerate();
        let segments = runs.flat_map(|(number, run)| {
            self.within(run).iter().map(move |segment| (number, Arc::clone(segment)))
        });
        let inside = |segment: &Segment| {
            let summary = segment.summary();
            *smallest <= summary.smallest && summary.end <= *end
        };
        segments.filter(|(_, segment)| inside(segment)).collect()
    }

    /// The segment of `run` before the range.
    fn before<'a>(&self, run: &'a Run) -> Option<&'a Arc<Segment>> {
        let (smallest, _) = self.ends.as_ref()?;
        let index = run.segments.partition_point(|have| have.summary().end.is_before(smallest));
        run.segments.get(index.checked_sub(1)?)
    }
}
