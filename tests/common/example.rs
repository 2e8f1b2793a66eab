//! The examples, as programs to run.

use corobin::process::Command;

/// Builds an example, as `cargo test` with no other argument has done already,
/// and gives the command that runs it.
pub fn example(name: &str) -> Command {
    // …/target/debug/deps/this-test
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", name, "--target-dir"]);
    cargo.arg(profile.parent().unwrap());
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "{name} is built");
    Command::new(profile.join("examples").join(name))
}
