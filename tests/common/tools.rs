//! Programs that nobody here wrote, as clients.

use std::io::Write;
use std::process::{Command, Stdio};

use corobin::to_thread;

use crate::backends::skip;

/// Whether this machine has a tool.
pub fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(tool).exists());
    if !found {
        skip(&format!("{tool} is not installed"));
    }
    found
}

/// What a tool prints, given `input`, while the loop goes on.
pub fn output(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    to_thread(|| {
        let mut child = Command::new(tool)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = std::thread::scope(|s| {
            s.spawn(move || stdin.write_all(input).unwrap());
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "{tool}: {}", output.status);
        output.stdout
    })
}
