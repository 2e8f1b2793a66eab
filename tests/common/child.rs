//! Tests that run in a process of their own: the test file started again, with a variable that says
//! so.

#![allow(dead_code, reason = "not every file uses all of it")]

use std::process::{Command, ExitStatus};

const CHILD: &str = "COROBIN_TEST_CHILD";

/// Whether this process was started by [`child_output`].
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    /// All of it.
    pub text: String,
}

/// The command that runs `test` of this file alone, in another process.
pub fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(CHILD, "1");
    command
}

/// Runs `test` of this file alone, in another process.
pub fn child_output(test: &str, variables: &[(&str, &str)]) -> Output {
    output_of(child(test).envs(variables.iter().copied()))
}

/// Runs a [`child`] to its end.
pub fn output_of(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Output {
        status: output.status,
        text: format!("{stdout}{stderr}"),
        stdout,
        stderr,
    }
}

/// Runs `f` in another process, where it has all resources to itself; `test` is the test that calls
/// this. Does nothing where the system does not tell how much memory is used.
pub fn alone(test: &str, variables: &[(&str, &str)], f: impl FnOnce()) {
    if is_child() {
        return f();
    }
    if !std::path::Path::new("/proc/self/status").exists() {
        eprintln!("{test}: skipped, there is no /proc/self/status");
        return;
    }
    let Output { status, text, .. } = child_output(test, variables);
    assert!(status.success(), "{status}\n{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Lets this process die without a core file in the build directory.
pub fn no_core_dump() {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it reads the limit and touches no memory of ours.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}
