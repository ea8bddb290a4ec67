//! How far a long command is, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use lodestore::VerifyProgress;

use crate::output::bytes;

/// A line on the standard error stream, if that is a terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        // The bar itself shows nothing where there is no terminal.
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} rows  {msg}");
        Progress(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    pub(crate) fn tell(&self, progress: &VerifyProgress) {
        self.0.set_length(progress.of);
        self.0.set_position(progress.rows);
        let found = match progress.findings {
            0 => String::new(),
            count => format!("  {count} findings"),
        };
        self.0.set_message(format!(
            "{} objects, {}  {}{found}",
            progress.objects,
            bytes(progress.bytes),
            progress.place
        ));
    }

    /// Tells no more than rows: so many are done.
    pub(crate) fn tell_rows(&self, rows: u64, done: u64) {
        self.0.set_length(rows);
        self.0.set_position(done);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
