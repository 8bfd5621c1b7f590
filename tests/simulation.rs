//! Simulation: the whole engine on one thread, with a seeded scheduler, clock and device, so that every run repeats.
//!
//! In each turn the scheduler picks who goes on: a transaction with its next write, a reader with a search, one background
//! step, the clock, a maintenance call, or fate, which lets the power go or an operation fail some operations from now. The
//! model is the list of states after each commit. After every restart the database must hold one of them, at least the last
//! that was acknowledged as durable; a snapshot shows its state for ever; background work comes to an end and leaves few
//! runs; and every run ends with the deep check. One case again: `ALLUVIUM_TEST_SEED=… cargo test --test simulation`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use alluvium::lsm::{self, Clock, Durability, ManualClock, ManualScheduler, SimulatedStorage};
use alluvium::{Database, Error, Query, Snapshot, Transaction, doc};

/// A tenth of the full number, which `ALLUVIUM_TEST_SCALE=10` runs.
const SEEDS: u64 = 50;
const TURNS: u32 = 1000;
/// Background steps that must suffice to bring a store of this size to rest.
const STEPS_MAX: u32 = 20_000;
const WORDS: [&str; 10] =
    ["gold", "silver", "river", "panning", "nugget", "ore", "creek", "vein", "quartz", "sluice"];

/// The text of each document.
type Model = BTreeMap<i32, String>;

/// A transaction on its way, with what the database holds if it commits.
struct Session {
    transaction: Transaction,
    pending: Model,
    writes_left: u32,
}

/// What a run passed through, so that the test knows that it tested something.
#[derive(Debug, Default)]
struct Seen {
    commits: u64,
    steps: u64,
    searches: u64,
    power_cuts: u64,
    failures: u64,
    restarts: u64,
    compactions: u64,
}

struct Simulation {
    seed: u64,
    rng: fastrand::Rng,
    clock: Arc<ManualClock>,
    device: SimulatedStorage,
    db: Option<Database>,
    session: Option<Session>,
    snapshots: Vec<(Snapshot, Model)>,
    /// The state after each commit that was begun; the first is the empty one.
    states: Vec<Model>,
    /// Index of the last state that was acknowledged as durable.
    durable: usize,
    /// When what a commit with `Interval` wrote must be durable, and its state.
    due: Vec<(Duration, usize)>,
    seen: Seen,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Simulation {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            clock: Arc::new(ManualClock::default()),
            device: SimulatedStorage::new(seed),
            db: None,
            session: None,
            snapshots: Vec::new(),
            states: vec![Model::new()],
            durable: 0,
            due: Vec::new(),
            seen: Seen::default(),
        }
    }

    fn options(&self) -> lsm::Options {
        lsm::Options {
            memory_bytes: 64 << 10,
            block_bytes: 256,
            segment_bytes_target: 4 << 10,
            value_chunk_bytes: 100,
            level0_runs_max: 2,
            level_ratio: 2,
            level1_bytes_max: 16 << 10,
            log_bytes_max: 32 << 10,
            scheduler: Arc::new(ManualScheduler),
            clock: Arc::<ManualClock>::clone(&self.clock),
            ..lsm::Options::default()
        }
    }

    fn run(mut self) -> Result<Seen, Error> {
        self.open()?;
        for _ in 0..TURNS {
            if let Err(error) = self.turn() {
                self.restart_after(&error)?;
            }
        }
        // Fate has had its turns.
        let calm = SimulatedStorage::from_bytes(self.device.contents());
        self.crash();
        self.device = calm;
        self.open()?;
        self.come_to_rest()?;
        self.verify_now("at the end")?;
        Ok(self.seen)
    }

    fn turn(&mut self) -> Result<(), Error> {
        match self.rng.u32(0..100) {
            0..55 => self.write(),
            55..80 => self.step(),
            80..86 => self.search(),
            86..91 => self.advance_clock(),
            91..95 => self.keep_or_compare_snapshot(),
            95..97 => self.maintain(),
            97 | 98 => {
                self.arm_fate();
                Ok(())
            }
            _ => self.reopen(),
        }
    }

    fn db(&self) -> &Database {
        self.db.as_ref().expect("invariant: a database is open between turns")
    }

    /// The next write of the transaction on its way, or its end; begins one when there is none.
    fn write(&mut self) -> Result<(), Error> {
        let Some(session) = &mut self.session else {
            let transaction = self.db().begin()?;
            let pending = self.states[self.states.len() - 1].clone();
            let writes_left = self.rng.u32(1..8);
            self.session = Some(Session { transaction, pending, writes_left });
            return Ok(());
        };
        if session.writes_left > 0 {
            session.writes_left -= 1;
            return write_one(session, &mut self.rng);
        }
        let Some(Session { transaction, pending, .. }) = self.session.take() else { return Ok(()) };
        if self.rng.u32(0..6) == 0 {
            transaction.rollback();
            return Ok(());
        }
        // Known before the commit returns: it may turn out to have survived.
        self.states.push(pending);
        let state = self.states.len() - 1;
        let durability = match self.rng.u32(0..3) {
            0 => Durability::Sync,
            1 => Durability::Interval(Duration::from_millis(self.rng.u64(0..30))),
            _ => Durability::Buffered,
        };
        transaction.commit_with(durability)?;
        self.seen.commits += 1;
        match durability {
            Durability::Sync => self.durable = state,
            Durability::Interval(within) => self.due.push((self.clock.now() + within, state)),
            Durability::Buffered => {}
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Error> {
        for _ in 0..self.rng.u32(1..6) {
            self.seen.steps += u64::from(self.db().step()?);
        }
        Ok(())
    }

    fn search(&mut self) -> Result<(), Error> {
        self.seen.searches += 1;
        let word = WORDS[self.rng.usize(..WORDS.len())];
        let found = ids(self.db().snapshot().collection("notes")?.search(Query::word(word))?)?;
        let model = &self.states[self.states.len() - 1];
        assert_eq!(found, holding(model, word), "seed {}: {word}", self.seed);
        let Some(session) = &mut self.session else { return Ok(()) };
        let found = ids(session.transaction.collection("notes")?.search(Query::word(word))?)?;
        assert_eq!(found, holding(&session.pending, word), "seed {}: own {word}", self.seed);
        Ok(())
    }

    /// Moves the clock, and lets the background work see it: what is due then must be durable.
    fn advance_clock(&mut self) -> Result<(), Error> {
        self.clock.advance(Duration::from_millis(self.rng.u64(1..20)));
        let now = self.clock.now();
        if self.due.iter().any(|&(due, _)| due <= now) {
            self.settle()?;
            let passed = self.due.iter().filter(|&&(due, _)| due <= now).map(|&(_, state)| state);
            self.durable = self.durable.max(passed.max().unwrap_or_default());
            self.due.retain(|&(due, _)| due > now);
        }
        Ok(())
    }

    fn keep_or_compare_snapshot(&mut self) -> Result<(), Error> {
        if self.snapshots.len() < 3 {
            let state = self.states[self.states.len() - 1].clone();
            self.snapshots.push((self.db().snapshot(), state));
            return Ok(());
        }
        let (snapshot, state) = self.snapshots.swap_remove(self.rng.usize(..3));
        assert_eq!(read(&snapshot)?, state, "seed {}: a snapshot changed", self.seed);
        Ok(())
    }

    fn maintain(&mut self) -> Result<(), Error> {
        self.seen.compactions += 1;
        match self.rng.u32(0..4) {
            0 => self.db().compact()?,
            1 => {
                self.db().sync()?;
                self.durable = self.states.len() - 1;
            }
            _ => self.settle()?,
        }
        Ok(())
    }

    /// Lets something go wrong soon.
    fn arm_fate(&mut self) {
        let soon = self.rng.u64(1..40);
        match self.rng.u32(0..4) {
            0 | 1 => self.device.power_cut_at(self.device.ops() + soon),
            2 => self.device.fail_at(self.device.ops() + soon, std::io::ErrorKind::Other),
            _ => self.device.fail_read_at(self.device.reads() + soon, std::io::ErrorKind::Other),
        }
    }

    fn reopen(&mut self) -> Result<(), Error> {
        self.session = None;
        self.snapshots.clear();
        if let Some(db) = self.db.take() {
            db.close()?;
        }
        self.durable = self.states.len() - 1;
        self.open()
    }

    fn open(&mut self) -> Result<(), Error> {
        self.db = Some(Database::open_storage(self.device.clone(), self.options())?);
        self.verify_now("after opening")
    }

    /// The process ends here, whatever it was doing.
    fn crash(&mut self) {
        self.session = None;
        self.snapshots.clear();
        self.due.clear();
        self.db = None;
    }

    /// What only fate, or a snapshot kept for too long, can have caused: the database is opened again on what is left.
    fn restart_after(&mut self, error: &Error) -> Result<(), Error> {
        let text = error.to_string();
        let causes = ["power is off", "simulated failure", "snapshots hold"];
        let explained = causes.iter().any(|why| text.contains(why));
        assert!(explained, "seed {}: {error}", self.seed);
        self.seen.restarts += 1;
        let bytes = if self.device.power_is_off() {
            self.seen.power_cuts += 1;
            self.device.after_power_cut(self.rng.u64(..)).contents()
        } else {
            self.seen.failures += 1;
            self.device.contents()
        };
        self.crash();
        self.device = SimulatedStorage::from_bytes(bytes);
        self.open()
    }

    /// The database holds a state that it may hold; those after it are lost from now on.
    fn verify_now(&mut self, when: &str) -> Result<(), Error> {
        let found = read(&self.db().snapshot())?;
        let candidates = self.durable..self.states.len();
        let Some(state) = candidates.rev().find(|&state| self.states[state] == found) else {
            panic!("seed {}, {when}: none of states {}.. is there", self.seed, self.durable);
        };
        self.states.truncate(state + 1);
        let report = self.db().check(true)?;
        assert!(report.is_ok(), "seed {}, {when}: {report}", self.seed);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), Error> {
        for _ in 0..STEPS_MAX {
            if !self.db().step()? {
                return Ok(());
            }
            self.seen.steps += 1;
        }
        panic!("seed {}: background work does not come to an end", self.seed);
    }

    /// All work that is due gets done, and leaves the store in shape.
    fn come_to_rest(&mut self) -> Result<(), Error> {
        self.settle()?;
        let stats = self.db().stats();
        for keyspace in &stats.keyspaces {
            let runs = keyspace.levels.first().map_or(0, |level| level.runs);
            assert!(runs <= 2, "seed {}: {} has {runs} runs on level 0", self.seed, keyspace.name);
        }
        Ok(())
    }
}

fn write_one(session: &mut Session, rng: &mut fastrand::Rng) -> Result<(), Error> {
    let mut notes = session.transaction.collection("notes")?;
    let id = rng.i32(0..25);
    if rng.u32(0..4) == 0 {
        assert_eq!(notes.remove(id)?, session.pending.remove(&id).is_some());
        return Ok(());
    }
    let words: Vec<&str> = (0..rng.usize(0..90)).map(|_| WORDS[rng.usize(..WORDS.len())]).collect();
    let text = words.join(" ");
    notes.upsert(doc! { "_id": id, "text": text.clone() })?;
    session.pending.insert(id, text);
    Ok(())
}

fn holding(model: &Model, word: &str) -> Vec<i32> {
    let holds = |text: &str| text.split(' ').any(|have| have == word);
    model.iter().filter(|(_, text)| holds(text)).map(|(&id, _)| id).collect()
}

/// The ids of all hits, ascending.
fn ids(search: alluvium::Search<'_>) -> Result<Vec<i32>, Error> {
    let mut ids = Vec::new();
    for hit in search.limit(100) {
        ids.push(hit?.id()?.as_i32().expect("ids of the test are numbers"));
    }
    ids.sort_unstable();
    Ok(ids)
}

fn read(snapshot: &Snapshot) -> Result<Model, Error> {
    let notes = snapshot.collection("notes")?;
    let mut model = Model::new();
    for document in notes.documents() {
        let document = document?;
        let id = document.get_i32("_id").expect("every document has one");
        model.insert(id, document.get_str("text").expect("a text").to_owned());
    }
    Ok(model)
}

#[test]
fn the_engine_equals_its_model_whatever_the_scheduler_and_fate_do() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("ALLUVIUM_TEST_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS * number("ALLUVIUM_TEST_SCALE").unwrap_or(1),
    };
    let mut all = Seen::default();
    for seed in seeds.clone() {
        let seen =
            Simulation::new(seed).run().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        all.commits += seen.commits;
        all.steps += seen.steps;
        all.searches += seen.searches;
        all.power_cuts += seen.power_cuts;
        all.failures += seen.failures;
        all.restarts += seen.restarts;
        all.compactions += seen.compactions;
    }
    if seeds.end - seeds.start >= SEEDS {
        let enough = all.commits > SEEDS * 10 && all.steps > SEEDS * 30 && all.searches > SEEDS;
        let fateful = all.power_cuts > SEEDS && all.failures > SEEDS && all.restarts > SEEDS;
        assert!(enough && fateful && all.compactions > SEEDS, "{all:?}");
    }
}
