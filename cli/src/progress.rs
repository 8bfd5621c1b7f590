//! How far long work is: a bar on a terminal's standard error, for an import and an export with documents/s, MB/s, memory and
//! the time left. When standard error is no terminal, a verb with `--json` writes a line of JSON there, at most two a second;
//! otherwise nothing is shown.
//!
//! An import goes by batches, each of which takes a while; so a thread of its own looks how far its stages are, and how much memory the
//! process has. The place of an import's bar is bytes read of the source as it stands on the disk (compressed or not), which
//! is the only size known before the end; MB/s are of the text inside.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use alluvium::lsm;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::output;

/// Documents between two looks at the clock.
const DOCUMENTS_PER_UPDATE: u64 = 128;
/// Time between two lines of JSON.
const LINE_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two looks at an import.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The progress of one import or export.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// How much there is to do, if that is known.
    total: Option<u64>,
    started: Instant,
    /// When the next line of JSON is due; never without `--json`.
    next_line: Option<Instant>,
}

/// A thread that shows how far an import is, until it is asked to [`end`](Self::end) or dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    thread: Option<(JoinHandle<()>, Sender<()>)>,
    memory_bytes_max: Arc<AtomicU64>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stages {
    /// What was read.
    pub(crate) read: Done,
    /// Documents that were analyzed.
    pub(crate) analyzed: u64,
    /// Documents that were committed.
    pub(crate) stored: u64,
    /// Bytes that were written to the file, for whatever reason.
    pub(crate) bytes_written: u64,
}

/// What has been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Documents.
    pub(crate) documents: u64,
    /// Bytes of text.
    pub(crate) bytes: u64,
    /// Of the total.
    pub(crate) part: u64,
}

impl Progress {
    /// Starts now; `total` is how much there is to do, in whatever unit, and `json` whether lines are wanted.
    pub(crate) fn new(total: Option<u64>, json: bool) -> Self {
        let (bar, template) = match total {
            Some(length) => {
                (ProgressBar::new(length), "{bar:24} {percent:>3} %  {msg}  {eta} left")
            }
            None => (ProgressBar::no_length(), "{spinner} {msg}"),
        };
        // The templates are ours; a wrong one would show the default bar.
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        let started = Instant::now();
        let next_line = (json && bar.is_hidden()).then(|| started + LINE_INTERVAL);
        Self { bar, total, started, next_line }
    }

    /// Shows what has been done, now and then.
    pub(crate) fn tell(&mut self, done: Done) {
        let hidden = self.bar.is_hidden() && self.next_line.is_none();
        if !hidden && done.documents.is_multiple_of(DOCUMENTS_PER_UPDATE) {
            self.show(done, || json!({}));
        }
    }

    /// Has a thread show what `look` finds.
    pub(crate) fn watch(&self, look: impl Fn() -> Stages + Send + 'static) -> Watch {
        let mut progress = self.clone();
        let memory_bytes_max = Arc::new(AtomicU64::new(memory().unwrap_or(0)));
        let greatest = Arc::clone(&memory_bytes_max);
        let (stop, stopped) = mpsc::channel();
        let looks = move || {
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                greatest.fetch_max(memory().unwrap_or(0), Ordering::Relaxed);
                let stages = look();
                progress.show(stages.read, || {
                    json!({
                        "analyzed": stages.analyzed,
                        "stored": stages.stored,
                        "bytes_written": stages.bytes_written,
                    })
                });
            }
        };
        // Without a thread nothing is shown.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(looks);
        Watch { thread: thread.ok().map(|thread| (thread, stop)), memory_bytes_max }
    }

    /// Moves the bar, or writes a line with what is `more` if one is due.
    fn show(&mut self, done: Done, more: impl FnOnce() -> serde_json::Value) {
        match self.next_line {
            None => {
                self.bar.set_position(done.part);
                self.bar.set_message(self.message(done));
            }
            Some(due) if Instant::now() >= due => {
                let mut line = self.line(done);
                output::merge(&mut line, more());
                // A line that cannot be shown is no reason to stop.
                let _ = writeln!(io::stderr(), "{line}");
                self.next_line = Some(Instant::now() + LINE_INTERVAL);
            }
            Some(_) => {}
        }
    }

    /// From now on shows how the file is closed.
    pub(crate) fn begin_closing(&mut self) {
        self.bar.finish_and_clear();
        let template = "{bar:24} {percent:>3} %  taking back free space  {eta} left";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::new(0).with_style(style);
    }

    /// Shows how far closing is, now and then.
    pub(crate) fn tell_closing(&mut self, progress: lsm::Progress) {
        match self.next_line {
            None => show(&self.bar, progress),
            Some(due) if Instant::now() >= due => {
                let line = json!({
                    "stage": "closing",
                    "done_bytes": progress.done_bytes,
                    "total_bytes": progress.total_bytes,
                });
                // As above.
                let _ = writeln!(io::stderr(), "{line}");
                self.next_line = Some(Instant::now() + LINE_INTERVAL);
            }
            Some(_) => {}
        }
    }

    fn message(&self, done: Done) -> String {
        let elapsed = self.started.elapsed();
        let memory = memory().map(|memory| format!("  {}", output::bytes(memory)));
        format!(
            "{} documents  {} documents/s  {:.1} MB/s{}",
            output::count(done.documents),
            output::rate(output::per_second(done.documents, elapsed)),
            output::per_second(done.bytes, elapsed) / 1e6,
            memory.unwrap_or_default(),
        )
    }

    fn line(&self, done: Done) -> serde_json::Value {
        let elapsed = self.started.elapsed();
        let rate = output::per_second(done.part, elapsed);
        let left = self.total.filter(|_| rate > 0.0).map(|total| {
            output::thousandths(output::float(total.saturating_sub(done.part)) / rate)
        });
        json!({
            "documents": done.documents,
            "bytes": done.bytes,
            "seconds": output::thousandths(elapsed.as_secs_f64()),
            "documents_per_second":
                output::thousandths(output::per_second(done.documents, elapsed)),
            "mb_per_second": output::thousandths(output::per_second(done.bytes, elapsed) / 1e6),
            "seconds_left": left,
            "memory_bytes": memory(),
        })
    }

    /// Writes a line to standard error above the bar.
    pub(crate) fn say(&self, line: impl fmt::Display) {
        // A report that cannot be shown is no reason to stop.
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Watch {
    /// Ends the thread, which shows nothing any more then; gives the most memory that it saw.
    pub(crate) fn end(mut self) -> Option<u64> {
        self.stop();
        Some(self.memory_bytes_max.load(Ordering::Relaxed)).filter(|&bytes| bytes > 0)
    }

    fn stop(&mut self) {
        if let Some((thread, stop)) = self.thread.take() {
            drop(stop);
            // If it panicked, that has been told.
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Memory of this process in bytes, without that in which the system keeps pages of files. Known where there is /proc.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Moves a bar to where the store says that it is.
pub(crate) fn show(bar: &ProgressBar, progress: lsm::Progress) {
    bar.set_length(progress.total_bytes);
    bar.set_position(progress.done_bytes);
}
