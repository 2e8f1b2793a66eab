//! Examples that serve, as programs that run.
#![allow(dead_code, reason = "each takes only what it needs")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::example::build;

/// A running example; it ends with the test.
pub struct Example {
    pub child: Child,
    stdout: BufReader<ChildStdout>,
    pub address: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Example {
    /// Runs it at a free port, with more arguments.
    pub fn start(name: &str, more: &[&str]) -> Example {
        Example::start_with("", name, more)
    }

    /// As `start`, of one that needs these features.
    pub fn start_with(features: &str, name: &str, more: &[&str]) -> Example {
        let programs = build(&["--features", features, "--example", name]);
        let mut child = Command::new(programs.join(name))
            .arg("127.0.0.1:0")
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut example = Example {
            child,
            stdout,
            address: String::new(),
        };
        let line = example.line();
        example.address = line.strip_prefix("listening at ").unwrap().into();
        example
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    pub fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
    }
}
