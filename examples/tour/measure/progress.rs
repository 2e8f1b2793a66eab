//! Says on stderr what is being measured, since nothing else happens meanwhile.

use std::io::{IsTerminal, Write, stderr};

pub struct Progress {
    steps: usize,
    done: usize,
    /// On a terminal one line is written again and again; a log gets one line in all.
    terminal: bool,
}

impl Progress {
    pub fn new(steps: usize) -> Self {
        let terminal = stderr().is_terminal();
        if !terminal {
            eprintln!("measuring, about 10 seconds ...");
        }
        Progress {
            steps,
            done: 0,
            terminal,
        }
    }

    /// The next step begins.
    pub fn step(&mut self, what: &str) {
        self.done += 1;
        self.line(&format!(
            "measuring {}/{}: {what} ...",
            self.done, self.steps
        ));
    }

    /// All is done: the line goes away.
    pub fn finish(self) {
        self.line("");
    }

    fn line(&self, text: &str) {
        if self.terminal {
            // Back to the first column, and blank what the line before may have left.
            eprint!("\r{text:<60}\r{text}");
            let _ = stderr().flush();
        }
    }
}
