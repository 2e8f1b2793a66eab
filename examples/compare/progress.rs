//! How far it is, on stderr, if somebody looks.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

pub struct Progress {
    done: usize,
    steps: usize,
    begin: Instant,
    seen: bool,
}

const WIDTH: usize = 24;

impl Progress {
    pub fn new(steps: usize) -> Self {
        Progress {
            done: 0,
            steps,
            begin: Instant::now(),
            seen: io::stderr().is_terminal(),
        }
    }

    /// The next step begins.
    pub fn step(&mut self, what: &str) {
        if self.seen {
            let full = self.done * WIDTH / self.steps.max(1);
            let bar = "█".repeat(full) + &"·".repeat(WIDTH - full);
            let seconds = self.begin.elapsed().as_secs();
            let line = format!("{bar} {}/{} {seconds} s  {what}", self.done, self.steps);
            // Cut off, or a long line would be wrapped and stay.
            let line: String = line.chars().take(79).collect();
            eprint!("\r\x1b[K{line}");
            let _ = io::stderr().flush();
        }
        self.done += 1;
    }

    /// Makes room for something that is to stay.
    pub fn clear(&self) {
        if self.seen {
            eprint!("\r\x1b[K");
        }
    }
}
