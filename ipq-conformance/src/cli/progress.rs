//! A progress bar on a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// The time for which a command runs before its progress bar appears.
const PATIENCE: Duration = Duration::from_millis(500);

/// A progress bar on standard error, shown on a terminal once a command has run for half a second.
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    /// Returns a bar for `length` items. `things` names the items on the bar.
    pub(super) fn new(length: u64, things: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}} of {{len}} {things}, {{elapsed}}"))
        {
            bar.set_style(style);
        }
        Self {
            bar,
            begun: Instant::now(),
        }
    }

    /// Counts one more item as done.
    pub(super) fn step(&self) {
        self.skip(1);
    }

    /// Counts `count` more items as done.
    pub(super) fn skip(&self, count: u64) {
        if self.bar.is_hidden() && self.begun.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(count);
    }

    /// Hides the bar while `write` writes.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
