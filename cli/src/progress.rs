//! How far long work is: a bar on a terminal's standard error, for an import with documents/s, MB/s and the time left.
//! When standard error is not a terminal nothing is shown and nothing is measured.
//!
//! The place of an import's bar is bytes read of the source as it stands on the disk (compressed or not), which
//! is the only size known before the end; MB/s are of the text inside.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Instant;

use alluvium::lsm;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Documents between two looks at the clock.
const DOCUMENTS_PER_UPDATE: u64 = 128;

/// The bar of one import.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// Starts now; `source_bytes` is the size of the source, if it has one.
    pub(crate) fn new(source_bytes: Option<u64>) -> Self {
        let (bar, template) = match source_bytes {
            Some(length) => {
                (ProgressBar::new(length), "{bar:24} {percent:>3} %  {msg}  {eta} left")
            }
            None => (ProgressBar::no_length(), "{spinner} {msg}"),
        };
        // The templates are ours; a wrong one would show the default bar.
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self { bar, started: Instant::now() }
    }

    /// `source`, every byte of which moves the bar.
    pub(crate) fn watch<R: Read>(&self, source: R) -> impl Read + use<R> {
        self.bar.wrap_read(source)
    }

    /// Shows how many documents and bytes of text have been read.
    pub(crate) fn tell(&self, documents: u64, bytes: u64) {
        if self.bar.is_hidden() || !documents.is_multiple_of(DOCUMENTS_PER_UPDATE) {
            return;
        }
        let elapsed = self.started.elapsed();
        self.bar.set_message(format!(
            "{} documents  {} documents/s  {:.1} MB/s",
            output::count(documents),
            output::rate(output::per_second(documents, elapsed)),
            output::per_second(bytes, elapsed) / 1e6,
        ));
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
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }
}

/// Moves a bar to where the store says that it is.
pub(crate) fn show(bar: &ProgressBar, progress: lsm::Progress) {
    bar.set_length(progress.total_bytes);
    bar.set_position(progress.done_bytes);
}
