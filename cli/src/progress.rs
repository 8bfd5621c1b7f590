//! How far long work is: a bar on a terminal's standard error, for an import and an export with documents/s, MB/s, memory and
//! the time left. When standard error is no terminal, a verb with `--json` writes a line of JSON there, at most one a second;
//! otherwise nothing is shown.
//!
//! The place of an import's bar is bytes read of the source as it stands on the disk (compressed or not), which
//! is the only size known before the end; MB/s are of the text inside.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use alluvium::lsm;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::output;

/// Documents between two looks at the clock.
const DOCUMENTS_PER_UPDATE: u64 = 128;
/// Time between two lines of JSON.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// The progress of one import or export.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    /// How much there is to do, if that is known.
    total: Option<u64>,
    started: Instant,
    /// When the next line of JSON is due; never without `--json`.
    next_line: Option<Instant>,
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
        if hidden || !done.documents.is_multiple_of(DOCUMENTS_PER_UPDATE) {
            return;
        }
        match self.next_line {
            None => {
                self.bar.set_position(done.part);
                self.bar.set_message(self.message(done));
            }
            Some(due) if Instant::now() >= due => {
                // A line that cannot be shown is no reason to stop.
                let _ = writeln!(io::stderr(), "{}", self.line(done));
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
        let memory = memory(Memory::Now).map(|memory| format!("  {}", output::bytes(memory)));
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
            "memory_bytes": memory(Memory::Now),
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

/// When memory is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    Now,
    AtMost,
}

/// Memory of this process in bytes. Known where there is /proc.
pub(crate) fn memory(when: Memory) -> Option<u64> {
    let name = match when {
        Memory::Now => "VmRSS:",
        Memory::AtMost => "VmHWM:",
    };
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Moves a bar to where the store says that it is.
pub(crate) fn show(bar: &ProgressBar, progress: lsm::Progress) {
    bar.set_length(progress.total_bytes);
    bar.set_position(progress.done_bytes);
}
