//! Who runs the background steps: a trait that is passed in, so that a test can be the one.
//!
//! All background work of a store is one step function. Production starts a few threads that only call it
//! ([`ThreadScheduler`]); a simulation calls [`Store::step`](super::Store::step) itself ([`ManualScheduler`]).

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is left to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// More: call again soon.
    More,
    /// Nothing until the next wake-up, or until so much time has passed.
    Idle(Option<Duration>),
    /// Nothing ever: the store is gone.
    Finished,
}

/// The step function of a store: does one bounded piece of work. The number says which worker calls it; worker 0 sees
/// to flushes first, so that compactions never keep memory from becoming free.
pub type Step = Arc<dyn Fn(usize) -> Outcome + Send + Sync>;

/// Runs the steps of stores.
pub trait Scheduler: Send + Sync + fmt::Debug {
    /// Starts to call `step` whenever there may be work, from [`workers`](Self::workers) places at most.
    fn start(&self, step: Step) -> Box<dyn Running>;

    /// Calls of `step` that may run side by side; as many jobs are begun.
    fn workers(&self) -> usize;
}

/// The running steps of one store.
pub trait Running: Send + Sync + fmt::Debug {
    /// There may be work.
    fn wake(&self);

    /// Stops after the step that is running, and returns when nothing runs any more.
    fn stop(&self);
}

/// Gives every store threads of its own, which end when it is closed.
#[derive(Debug, Clone, Copy)]
pub struct ThreadScheduler {
    threads: usize,
}

impl ThreadScheduler {
    /// Gives every store so many threads, at least one.
    pub fn new(threads: usize) -> Self {
        ThreadScheduler { threads: threads.max(1) }
    }
}

impl Default for ThreadScheduler {
    /// Two threads where there are two processors, so that a flush never waits behind a compaction; more would take
    /// them from the program, which does the rest of the work itself when it writes faster than two can follow.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        ThreadScheduler::new(processors.min(2))
    }
}

/// Runs nothing: the owner calls [`Store::step`](super::Store::step), which goes through several jobs in turn as if
/// threads did.
#[derive(Debug, Clone, Copy, Default)]
pub struct ManualScheduler;

impl Scheduler for ManualScheduler {
    fn start(&self, _step: Step) -> Box<dyn Running> {
        Box::new(ManualScheduler)
    }

    fn workers(&self) -> usize {
        3
    }
}

impl Running for ManualScheduler {
    fn wake(&self) {}

    fn stop(&self) {}
}

#[derive(Debug, Default)]
struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    /// Wake-ups so far: each thread remembers how many it has seen.
    wakes: u64,
    stopped: bool,
    /// Nobody is told, which costs a system call, when nobody waits.
    waiting: usize,
}

impl Signal {
    fn set(&self, change: impl FnOnce(&mut SignalState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.changed.notify_all();
        }
    }

    /// Waits for a wake-up that was not `seen`, at most `timeout`; false when it is time to stop.
    fn wait(&self, seen: &mut u64, timeout: Option<Duration>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting += 1;
        while state.wakes == *seen && !state.stopped && timeout != Some(Duration::ZERO) {
            match timeout {
                None => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(timeout) => {
                    let waited = self.changed.wait_timeout(state, timeout);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    break;
                }
            }
        }
        state.waiting -= 1;
        *seen = state.wakes;
        !state.stopped
    }
}

#[derive(Debug)]
struct RunningThreads {
    signal: Arc<Signal>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Scheduler for ThreadScheduler {
    fn start(&self, step: Step) -> Box<dyn Running> {
        let signal = Arc::new(Signal::default());
        let threads = (0..self.threads).filter_map(|worker| {
            let (signal, step) = (Arc::clone(&signal), Arc::clone(&step));
            let thread = std::thread::Builder::new().name(format!("alluvium-{worker}"));
            // Without a thread (the system has none left) committing threads still do the work that must be done.
            thread.spawn(move || work(&signal, &step, worker)).ok()
        });
        let threads = Mutex::new(threads.collect());
        Box::new(RunningThreads { signal, threads })
    }

    fn workers(&self) -> usize {
        self.threads
    }
}

fn work(signal: &Signal, step: &Step, worker: usize) {
    let mut seen = 0;
    let mut timeout = Some(Duration::ZERO);
    while signal.wait(&mut seen, timeout) {
        timeout = match step(worker) {
            Outcome::More => Some(Duration::ZERO),
            Outcome::Idle(timeout) => timeout,
            Outcome::Finished => return,
        };
    }
}

impl Running for RunningThreads {
    fn wake(&self) {
        self.signal.set(|state| state.wakes += 1);
    }

    fn stop(&self) {
        self.signal.set(|state| state.stopped = true);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // The last handle of a store may be dropped by the step itself; a thread cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
