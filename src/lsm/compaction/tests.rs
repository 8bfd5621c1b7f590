//! Picked work against an obvious twin: random levels, several works at a time, ended in any order.
//!
//! No file and no blocks: segments are summaries, and what they hold stands beside them, as the words that were said
//! of each key. Whatever is picked is held against the law in `picker`, spelled out over all pairs of segments; whatever
//! is installed goes through `Version::apply`, and then every key must say what it said before. Outputs are cut at
//! random and as wide as range tombstones may make them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::picker::{Phase, Shape};
use super::{Claims, Picker, Work, unite};
use crate::lsm::cache::BlockCache;
use crate::lsm::cipher::Sealer;
use crate::lsm::fresh::KeyspaceDescriptor;
use crate::lsm::ids::{CommitNo, KeyspaceId, SegmentId};
use crate::lsm::manifest::{Edit, Keyspace, LEVELS_MAX, Made, Placed, Registry, Version};
use crate::lsm::options::{KeyspaceOptions, Options};
use crate::lsm::ranges::KeyEnd;
use crate::lsm::scheduler::ManualScheduler;
use crate::lsm::segment::{Segment, SegmentSummary};
use crate::lsm::space::Space;
use crate::lsm::storage::{MemoryStorage, Storage};

/// A tenth of the full number, which `ALLUVIUM_TEST_SCALE=10` runs.
const CASES: u64 = 400;
const STEPS: usize = 80;
const ID: KeyspaceId = KeyspaceId(1);
/// Behind the last key.
const END: u16 = 256;

/// What was said of a key, newest first: by which flush; a deletion hides what is behind it.
type Words = Vec<(u64, bool)>;
type Content = BTreeMap<u16, Words>;

/// From the first key up to, but not including, the second.
type Keys = (u16, u16);

struct Job {
    claim: u64,
    work: Work,
    run: u64,
    /// Whether the run was there when the work was picked.
    joins: bool,
}

/// A compaction of a range that was asked for.
struct Request {
    keys: (u8, Option<u8>),
    before: Option<u64>,
}

#[derive(Debug, Default)]
struct Seen {
    rewritten: u64,
    moved: u64,
    /// Works of requests, and such as rewrite a run in its place.
    united: u64,
    buried: u64,
    renumbered: u64,
    side_by_side: usize,
    /// Works that joined a run that another one was about to begin, and one that had ended meanwhile.
    joined: u64,
    anew: u64,
    /// Levels between with several runs.
    tiers: u64,
}

struct Case {
    rng: fastrand::Rng,
    options: Options,
    storage: Arc<dyn Storage>,
    cache: Arc<BlockCache>,
    space: Arc<Space>,
    version: Version,
    contents: HashMap<SegmentId, Content>,
    /// What every key says.
    model: Content,
    keys: u16,
    picker: Picker,
    claims: Claims,
    jobs: Vec<Job>,
    request: Option<Request>,
    segments: u64,
    runs: u64,
    flushes: u64,
}

#[test]
fn whatever_is_picked_keeps_the_order_of_age_in_whatever_order_it_ends() {
    let mut seen = Seen::default();
    let scale = std::env::var("ALLUVIUM_TEST_SCALE").ok().and_then(|scale| scale.parse().ok());
    // One took down what an output had been put behind; one took a segment of range tombstones, which had no bytes, for nothing.
    for seed in (0..CASES * scale.unwrap_or(1)).chain([10_916, 14_543]) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut case = Case::new(seed);
            for _ in 0..STEPS {
                case.step(&mut seen);
            }
            case.rest(&mut seen);
        }));
        result.unwrap_or_else(|_| panic!("seed {seed}, {seen:?}"));
    }
    let counts = [seen.rewritten, seen.moved, seen.united, seen.buried, seen.renumbered];
    assert!(counts.iter().all(|&count| count > CASES / 20), "{seen:?}");
    assert!(seen.joined > 20 && seen.anew > 20 && seen.tiers > 20, "{seen:?}");
    assert!(seen.side_by_side > 3, "{seen:?}");
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let options = Options {
            segment_bytes_target: 1 << rng.u32(0..13),
            level0_runs_max: rng.usize(0..4),
            level_ratio: rng.u64(0..5),
            level_runs_max: rng.usize(0..5),
            level1_bytes_max: rng.u64(0..1 << 14),
            compaction_bytes_max: 1 << if rng.bool() { rng.u32(8..13) } else { rng.u32(0..16) },
            scheduler: Arc::new(ManualScheduler),
            ..Options::default()
        };
        let mut version = Version::default();
        let (name, keyspace) = ("words".to_owned(), KeyspaceOptions::default());
        let descriptor = KeyspaceDescriptor { id: ID, name, options: keyspace };
        version.create_keyspace(&descriptor, &Registry::default()).expect("it is the first");
        let keys = if rng.u32(0..4) == 0 { rng.u16(40..120) } else { rng.u16(4..40) };
        let mut case = Case {
            rng,
            options,
            storage: Arc::new(MemoryStorage::default()),
            cache: Arc::new(BlockCache::new(0)),
            space: Space::new(&[], 0, 0),
            version,
            contents: HashMap::new(),
            model: Content::new(),
            keys,
            picker: Picker::default(),
            claims: Claims::default(),
            jobs: Vec::new(),
            request: None,
            segments: 0,
            runs: 0,
            flushes: 0,
        };
        case.fill();
        let asked = case.rng.u32(0..3) == 0;
        case.request = asked.then_some(Request { keys: (0, None), before: None });
        case
    }

    /// Levels of any shape, oldest first.
    fn fill(&mut self) {
        let levels = if self.rng.u32(0..8) == 0 { LEVELS_MAX } else { self.rng.usize(1..5) };
        for level in (0..levels).rev() {
            let runs_max = if level + 1 == LEVELS_MAX { 2 } else { 5 };
            for _ in 0..self.rng.usize(0..runs_max) {
                self.write(u8::try_from(level).expect("levels are few"));
            }
        }
    }

    /// A run of new words, the newest of its level; of several words a key now and then.
    fn write(&mut self, level: u8) {
        self.flushes += 1;
        let deletes = [0, 0, 1, 5][self.rng.usize(0..4)];
        let len_max = if self.rng.bool() { self.keys } else { 4 };
        let (from, len) = (self.rng.u16(0..self.keys), self.rng.u16(1..=len_max));
        let dense = 1 << self.rng.u32(0..5);
        let mut content = Content::new();
        for key in from..(from + len).min(self.keys) {
            if self.rng.u32(0..dense) == 0 {
                content.insert(key, vec![(self.flushes, self.rng.u32(0..10) < deletes)]);
            }
        }
        for (key, words) in &content {
            say(self.model.entry(*key).or_default(), words);
        }
        let wide = self.rng.u32(0..6) == 0;
        self.runs += 1;
        let added = self.cut(content, (0, END), wide, level, self.runs);
        let flushed = Some(CommitNo(self.flushes));
        self.apply(Edit { flushed, ..Edit::default() }, added);
    }

    /// Cuts what a work wrote into segments that lie within `hull`; `wide` ones end anywhere between their neighbours.
    fn cut(
        &mut self,
        content: Content,
        hull: Keys,
        wide: bool,
        level: u8,
        run: u64,
    ) -> Vec<(Placed, Arc<Segment>)> {
        let mut left = content.into_iter().peekable();
        let mut free_from = hull.0;
        let mut added = Vec::new();
        let len_max = self.rng.usize(1..12);
        while left.peek().is_some() {
            let part: Content = left.by_ref().take(self.rng.usize(1..=len_max)).collect();
            let (first, last) =
                (*part.keys().next().expect("one"), *part.keys().last().expect("one"));
            let free_to = left.peek().map_or(hull.1, |(next, _)| *next);
            let (mut from, mut to) = (first, last + 1);
            if wide {
                (from, to) = (self.rng.u16(free_from..=first), self.rng.u16(last + 1..=free_to));
            }
            free_from = to;
            let ranges = u64::from((from, to) != (first, last + 1));
            added.push(self.segment(part, (from, to), ranges, level, run));
        }
        added
    }

    fn segment(
        &mut self,
        content: Content,
        (from, to): Keys,
        ranges: u64,
        level: u8,
        run: u64,
    ) -> (Placed, Arc<Segment>) {
        self.segments += 1;
        let id = SegmentId(self.segments);
        let tombstones = content.values().filter(|words| words.iter().any(|word| word.1)).count();
        let lease = self.space.allocate(1);
        let summary = SegmentSummary {
            id,
            keyspace: ID,
            smallest: key(from),
            end: match to {
                END => KeyEnd::Unbounded,
                to if self.rng.bool() => KeyEnd::Excluded(key(to)),
                to => KeyEnd::Included(key(to - 1)),
            },
            entries: content.len() as u64,
            tombstones: tombstones as u64,
            ranges,
            bytes: content.len() as u64 * self.rng.u64(10..200),
            commits: (CommitNo(self.flushes), CommitNo(self.flushes)),
            referred: Arc::default(),
        };
        self.contents.insert(id, content);
        let placed = Placed { level, run, extent: lease.extent(), summary: summary.clone() };
        let (storage, cache) = (Arc::clone(&self.storage), Arc::clone(&self.cache));
        (placed, Arc::new(Segment::new(storage, cache, Sealer::NONE, summary, lease, false)))
    }

    fn apply(&mut self, edit: Edit, added: Vec<(Placed, Arc<Segment>)>) {
        let (placed, segments): (Vec<_>, Vec<_>) = added.into_iter().unzip();
        let edit = Edit { added: placed, ..edit };
        let applied = self.version.apply(&edit, &Registry::default(), &Made::new(&segments, &[]));
        applied.unwrap_or_else(|error| panic!("{error}"));
        self.check();
    }

    fn keyspace(&self) -> &Keyspace {
        &self.version.keyspaces[&ID]
    }

    fn step(&mut self, seen: &mut Seen) {
        match self.rng.u32(0..20) {
            0..4 => self.write(0),
            4..11 if self.jobs.len() < 5 => {
                let phase = match self.rng.u32(..8) {
                    0..3 => Phase::Steady,
                    3..6 => Phase::Resting,
                    _ => Phase::Loading,
                };
                self.begin(phase, seen);
            }
            17 => self.drop_one(),
            18 if self.rng.u32(0..4) == 0 => {
                // Opened anew.
                (self.picker, self.claims) = (Picker::default(), Claims::default());
                self.jobs.clear();
                self.request = None;
            }
            19 if self.request.is_none() => {
                let from = self.rng.u8(0..40);
                let to = self.rng.bool().then(|| from + self.rng.u8(0..40));
                let keys = if self.rng.bool() { (0, None) } else { (from, to) };
                self.request = Some(Request { keys, before: None });
            }
            _ if !self.jobs.is_empty() => {
                let at = self.rng.usize(..self.jobs.len());
                let job = self.jobs.swap_remove(at);
                self.install(&job, seen);
            }
            _ => {}
        }
    }

    /// A work that is cancelled, or failed.
    fn drop_one(&mut self) {
        if !self.jobs.is_empty() {
            let at = self.rng.usize(..self.jobs.len());
            self.claims.release(self.jobs.swap_remove(at).claim);
        }
    }

    /// Picks as the store does; false when there is nothing to do.
    ///
    /// Another work may end meanwhile: its edit is not yet in the version that is picked from, and it keeps its claim.
    fn begin(&mut self, phase: Phase, seen: &mut Seen) -> bool {
        let version = self.version.clone();
        let mut ended = None;
        if !self.jobs.is_empty() && self.rng.u32(0..4) == 0 {
            let at = self.rng.usize(..self.jobs.len());
            let job = self.jobs.swap_remove(at);
            self.end(&job, seen);
            ended = Some(job.claim);
            self.jobs.push(job);
        }
        let begun = self.begin_from(&version, phase, seen);
        if let Some(ended) = ended {
            self.jobs.retain(|job| job.claim != ended);
            self.claims.release(ended);
        }
        begun
    }

    fn begin_from(&mut self, version: &Version, phase: Phase, seen: &mut Seen) -> bool {
        let keyspace = &version.keyspaces[&ID];
        let mut reserved = HashSet::new();
        let mut picked = None;
        if let Some(mut request) = self.request.take() {
            reserved.insert(ID);
            if !self.claims.busy(ID) {
                let before = *request.before.get_or_insert(self.segments + 1);
                let (from, to) = ([request.keys.0], request.keys.1.map(|to| [to]));
                let to = to.as_ref().map(|to| &to[..]);
                picked = unite(keyspace, &from, to, SegmentId(before), &self.options);
                seen.united += u64::from(picked.is_some());
            }
            if picked.is_some() || self.claims.busy(ID) {
                self.request = Some(request);
            }
        }
        let (options, claims) = (&self.options, &self.claims);
        let work = picked.or_else(|| self.picker.pick(version, options, claims, &reserved, phase));
        let Some(work) = work else { return false };
        self.check_law(keyspace, &work);
        let runs = keyspace.levels.get(usize::from(work.level)).map(|level| &level.runs[..]);
        let runs = runs.unwrap_or_default();
        let joins = runs.iter().any(|run| Some(run.id) == work.run);
        let whole = runs.is_empty() && work.run.is_none() && work.moved.len() > 1;
        seen.renumbered += u64::from(whole);
        seen.joined += u64::from(!joins && work.run.is_some());
        let in_place = work.inputs.len() == 1 && work.level > 0 && joins;
        seen.buried += u64::from(in_place);
        seen.rewritten += u64::from(!work.inputs.is_empty());
        seen.moved += u64::from(!work.moved.is_empty());
        let mut between = keyspace.levels.iter().skip(1);
        seen.tiers += u64::from(between.any(|level| level.runs.len() > 1));
        let run = work.run.unwrap_or_else(|| {
            self.runs += 1;
            self.runs
        });
        let claim = self.claims.take(work.claim(run));
        self.jobs.push(Job { claim, work, run, joins });
        seen.side_by_side = seen.side_by_side.max(self.jobs.len());
        true
    }

    fn install(&mut self, job: &Job, seen: &mut Seen) {
        self.end(job, seen);
        self.claims.release(job.claim);
    }

    /// Puts what a work made into the version.
    fn end(&mut self, job: &Job, seen: &mut Seen) {
        let Job { work, run, joins, .. } = job;
        let (run, joins) = (*run, *joins);
        let runs = self.keyspace().levels.get(usize::from(work.level)).map(|level| &level.runs[..]);
        let is_there = runs.unwrap_or_default().iter().any(|have| have.id == run);
        seen.anew += u64::from(joins && !is_there);
        let moved = work.moved.iter().map(|moved| (moved.summary().id, work.level, run)).collect();
        let removed = work.inputs.iter().flatten().map(|input| input.summary().id).collect();
        let mut added = Vec::new();
        if let Some(hull) = hull(work.inputs.iter().flatten()) {
            let carries = work.inputs.iter().flatten().any(|input| input.summary().ranges > 0);
            let carries = carries && !work.older.is_empty();
            let content = self.merge(work);
            if content.is_empty() && carries {
                added.push(self.segment(content, hull, 1, work.level, run));
            } else {
                added = self.cut(content, hull, carries, work.level, run);
            }
        }
        self.apply(Edit { removed, moved, ..Edit::default() }, added);
    }

    /// What the inputs say together; a deletion goes when nothing older can have the key.
    fn merge(&self, work: &Work) -> Content {
        let mut merged = Content::new();
        for segment in work.inputs.iter().flatten() {
            for (key, words) in &self.contents[&segment.summary().id] {
                let newer = merged.entry(*key).or_default();
                hear(newer, words);
            }
        }
        let older = work.older.iter().flat_map(|run| run.segments.iter());
        for (key, words) in &mut merged {
            if !older.clone().any(|segment| meet(keys_of(segment), (*key, key + 1))) {
                words.retain(|word| !word.1);
            }
        }
        merged.retain(|_, words| !words.is_empty());
        merged
    }

    /// Nothing more is written: works end, and leave the levels as they should be.
    fn rest(&mut self, seen: &mut Seen) {
        while let Some(job) = self.jobs.pop() {
            self.install(&job, seen);
        }
        for phase in [Phase::Loading, Phase::Resting] {
            for works in 0.. {
                assert!(works < 2_000, "work does not end");
                let asked = self.request.is_some();
                let begun = self.begin(phase, seen);
                if let Some(job) = self.jobs.pop() {
                    self.install(&job, seen);
                }
                if !begun && !asked {
                    break;
                }
            }
        }
        let keyspace = self.keyspace();
        let shape = Shape::of(keyspace, &self.options, Phase::Steady);
        for (number, level) in keyspace.levels.iter().enumerate() {
            let runs_max = match number {
                0 => self.options.level0_runs_max,
                _ if number >= shape.last => 1,
                _ => self.options.level_runs_max,
            };
            assert!(level.runs.len() <= runs_max, "level {number}: {keyspace:?}");
        }
    }

    /// Every key says what it should, and segments of a run are disjoint.
    fn check(&self) {
        let mut said = Content::new();
        for run in self.keyspace().runs() {
            let disjoint = |pair: &[Arc<Segment>]| keys_of(&pair[0]).1 <= keys_of(&pair[1]).0;
            assert!(run.segments.windows(2).all(disjoint), "{run:?}");
            for segment in run.segments.iter() {
                for (key, words) in &self.contents[&segment.summary().id] {
                    assert!(meet(keys_of(segment), (*key, key + 1)), "{segment:?} has not {key}");
                    hear(said.entry(*key).or_default(), words);
                }
            }
        }
        for key in 0..self.keys {
            let alive = |content: &Content| -> Vec<u64> {
                let words = content.get(&key).into_iter().flatten();
                words.take_while(|word| !word.1).map(|word| word.0).collect()
            };
            assert_eq!(alive(&said), alive(&self.model), "key {key}");
        }
    }

    /// The law of the picker, over all pairs of segments.
    fn check_law(&self, keyspace: &Keyspace, work: &Work) {
        let (segments, level, target) = places(keyspace, work);
        let places: HashMap<SegmentId, usize> =
            segments.iter().map(|(place, segment)| (segment.summary().id, *place)).collect();
        let place_of = |segment: &Arc<Segment>| places[&segment.summary().id];
        let taken: Vec<_> = work.inputs.iter().flatten().chain(&work.moved).collect();
        let ids: HashSet<SegmentId> = taken.iter().map(|segment| segment.summary().id).collect();
        assert_eq!(ids.len(), taken.len(), "nothing is taken twice: {work:?}");
        for run in &work.inputs {
            let place = place_of(&run[0]);
            assert!(run.iter().all(|input| place_of(input) == place), "run by run: {work:?}");
        }
        let firsts = work.inputs.iter().map(|run| place_of(&run[0]));
        assert!(firsts.is_sorted(), "newest first: {work:?}");
        let range = hull(work.inputs.iter().flatten());
        for (place, stays) in segments {
            let summary = stays.summary();
            if ids.contains(&summary.id) {
                continue;
            }
            let amid = place == target && range.is_some_and(|range| meet(range, keys_of(stays)));
            assert!(!amid, "{summary:?} stands amid {work:?}");
            for taken in taken.iter().filter(|taken| meet(keys_of(taken), keys_of(stays))) {
                let is_newer = place < place_of(taken);
                assert!(place != target, "{summary:?} would meet {work:?}");
                assert_eq!(is_newer, place < target, "{summary:?} is passed by {work:?}");
                let passable = level < place && place < target;
                assert!(!passable, "{summary:?} is passed by {work:?} if its run begins anew");
            }
        }
        let range = hull(taken.iter().copied()).expect("something is taken");
        for other in &self.jobs {
            let others = || other.work.inputs.iter().flatten().chain(&other.work.moved);
            let apart = !meet(range, hull(others()).expect("something is taken"));
            assert!(other.work.level != work.level || apart, "{:?} beside {work:?}", other.work);
            assert!(others().all(|other| !ids.contains(&other.summary().id)));
        }
    }
}

/// The segments with their places in the order of age, and the places before all of the work's level and of its run.
/// Runs have odd places, and a new run has the one before its level.
fn places<'a>(
    keyspace: &'a Keyspace,
    work: &Work,
) -> (Vec<(usize, &'a Arc<Segment>)>, usize, usize) {
    let (mut segments, mut place) = (Vec::new(), 1);
    let (mut begins, mut target) = (None, None);
    for (number, level) in (0_u8..).zip(&keyspace.levels) {
        if number == work.level {
            begins = Some(place - 1);
        }
        for run in &level.runs {
            if number == work.level && Some(run.id) == work.run {
                target = Some(place);
            }
            segments.extend(run.segments.iter().map(|segment| (place, segment)));
            place += 2;
        }
    }
    let begins = begins.unwrap_or(place - 1);
    (segments, begins, target.unwrap_or(begins))
}

fn key(number: u16) -> Bytes {
    Bytes::copy_from_slice(&[u8::try_from(number).expect("a key is a byte")])
}

fn keys_of(segment: &Segment) -> Keys {
    let summary = segment.summary();
    let to = match &summary.end {
        KeyEnd::Included(last) => u16::from(last[0]) + 1,
        KeyEnd::Excluded(end) => u16::from(end[0]),
        KeyEnd::Unbounded => END,
    };
    (u16::from(summary.smallest[0]), to)
}

fn meet(left: Keys, right: Keys) -> bool {
    left.0 < right.1 && right.0 < left.1
}

fn hull<'a>(segments: impl Iterator<Item = &'a Arc<Segment>>) -> Option<Keys> {
    let keys = segments.map(|segment| keys_of(segment));
    keys.reduce(|hull, next| (hull.0.min(next.0), hull.1.max(next.1)))
}

/// Adds what an older run says, unless it is deleted.
fn hear(newer: &mut Words, older: &Words) {
    if newer.last().is_none_or(|word| !word.1) {
        newer.extend(older);
    }
}

/// Adds what is newest.
fn say(words: &mut Words, newest: &Words) {
    words.splice(0..0, newest.iter().copied());
}
