//! Who runs the background steps: a trait that is passed in, so that a test can be the one.
//!
//! All background work of a store is one step function. Production starts a thread that only calls it
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

/// Runs the steps of stores.
pub trait Scheduler: Send + Sync + fmt::Debug {
    /// Starts to call `step` whenever there may be work, one call at a time.
    fn start(&self, step: Box<dyn FnMut() -> Outcome + Send>) -> Box<dyn Running>;
}

/// The running steps of one store.
pub trait Running: Send + Sync + fmt::Debug {
    /// There may be work.
    fn wake(&self);

    /// Stops after the step that is running, and returns when nothing runs any more.
    fn stop(&self);
}

/// Gives every store a thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadScheduler;

/// Runs nothing: the owner calls [`Store::step`](super::Store::step).
#[derive(Debug, Clone, Copy, Default)]
pub struct ManualScheduler;

impl Scheduler for ManualScheduler {
    fn start(&self, _step: Box<dyn FnMut() -> Outcome + Send>) -> Box<dyn Running> {
        Box::new(ManualScheduler)
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
    awake: bool,
    stopped: bool,
}

impl Signal {
    fn set(&self, change: impl FnOnce(&mut SignalState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits for a wake-up, at most `timeout`; false when it is time to stop.
    fn wait(&self, timeout: Option<Duration>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.awake && !state.stopped {
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
        state.awake = false;
        !state.stopped
    }
}

#[derive(Debug)]
struct RunningThread {
    signal: Arc<Signal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Scheduler for ThreadScheduler {
    fn start(&self, mut step: Box<dyn FnMut() -> Outcome + Send>) -> Box<dyn Running> {
        let signal = Arc::new(Signal::default());
        let seen = Arc::clone(&signal);
        let thread = std::thread::Builder::new().name("alluvium".to_owned()).spawn(move || {
            let mut timeout = Some(Duration::ZERO);
            while seen.wait(timeout) {
                timeout = match step() {
                    Outcome::More => Some(Duration::ZERO),
                    Outcome::Idle(timeout) => timeout,
                    Outcome::Finished => return,
                };
            }
        });
        // Without a thread (the system has none left) committing threads still do the work that must be done.
        Box::new(RunningThread { signal, thread: Mutex::new(thread.ok()) })
    }
}

impl Running for RunningThread {
    fn wake(&self) {
        self.signal.set(|state| state.awake = true);
    }

    fn stop(&self) {
        self.signal.set(|state| state.stopped = true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The last handle of a store may be dropped by the step itself; a thread cannot wait for itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
