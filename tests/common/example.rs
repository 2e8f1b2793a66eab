//! The examples, as programs to run.
#![allow(dead_code, reason = "each takes only what it needs")]

use std::path::PathBuf;

use corobin::process::Command;

/// Builds an example, and gives the command that runs it.
pub fn example(name: &str) -> Command {
    Command::new(build(&["--example", name]).join(name))
}

/// Builds these, as `cargo test` with no other argument has done already, and gives the
/// folder of the programs.
pub fn build(which: &[&str]) -> PathBuf {
    // …/target/debug/deps/this-test
    let own = std::env::current_exe().unwrap();
    let folder = own.ancestors().nth(2).unwrap();
    let profile = match folder.file_name().and_then(|name| name.to_str()).unwrap() {
        "debug" => "dev",
        other => other,
    };
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--profile", profile])
        .args(which);
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(cargo.status().unwrap().success(), "{which:?} are built");
    folder.join("examples")
}
