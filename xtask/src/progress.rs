//! Progress of long steps, on stderr: a spinner on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

const NOTICED: Duration = Duration::from_millis(400);

/// One long step: shown while it runs, with its time when it is done.
pub struct Step {
    bar: ProgressBar,
    name: String,
    since: Instant,
}

impl Step {
    /// Shows that the step has begun.
    pub fn new(name: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        if bar.is_hidden() {
            eprintln!("  {name} ...");
        }
        Self { bar, name: name.to_owned(), since: Instant::now() }
    }

    /// Shows that the step is done and how long it took, unless it was too quick to be noticed.
    pub fn done(self) {
        self.bar.finish_and_clear();
        if self.since.elapsed() < NOTICED {
            return;
        }
        eprintln!("  {} ({:.1} s)", self.name, self.since.elapsed().as_secs_f64());
    }
}
