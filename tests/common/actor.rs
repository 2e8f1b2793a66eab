//! A child process that runs one of the ignored tests of its file, and what it
//! says.

use corobin::process::{Child, ChildStdout, Command, Stdio};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;

pub struct Actor {
    pub child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

const MARK: &str = "actor: ";

/// Called by the child, for [`Actor::says`].
#[allow(dead_code)] // As below.
pub fn say(line: &str) {
    // The test harness may have begun a line.
    println!("\n{MARK}{line}");
}

#[allow(dead_code)] // Not every test that includes this needs all.
impl Actor {
    pub fn new(test: &str) -> Actor {
        Actor::start(Actor::command(), test)
    }

    pub fn with_stdin(test: &str, stdin: impl Into<Stdio>) -> Actor {
        let mut command = Actor::command();
        command.stdin(stdin);
        Actor::start(command, test)
    }

    /// This program, with the signals of a terminal as they are by default: what a
    /// shell starts in the background ignores them, and so would its children.
    fn command() -> Command {
        let mut command = Command::new("env");
        command.arg("--default-signal=INT,QUIT");
        command.arg(std::env::current_exe().unwrap());
        command
    }

    pub fn start(mut command: Command, test: &str) -> Actor {
        command.args(["--exact", test, "--ignored", "--nocapture"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Actor { child, lines }
    }

    /// The next that it says.
    pub fn hear(&mut self) -> Option<String> {
        self.lines
            .find_map(|line| line.unwrap().strip_prefix(MARK).map(str::to_owned))
    }

    pub fn says(&mut self, what: &str) {
        assert_eq!(self.hear().as_deref(), Some(what));
    }

    /// Its test has passed.
    pub fn passes(&mut self) {
        assert_eq!(self.hear(), None);
        assert!(self.child.wait().unwrap().success());
    }

    pub fn send(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// The signal that ended it.
    pub fn died_of(&mut self) -> Option<i32> {
        self.child.wait().unwrap().signal()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
