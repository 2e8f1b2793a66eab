//! Measurements in a process of their own: this executable, started again with `--child JOB`.

use std::env;
use std::process::{Command, ExitCode, Stdio};

use super::{memory, million};

/// What the child for `job` printed.
pub fn ask(job: &str) -> String {
    let executable = env::current_exe().expect("the path of this executable");
    let output = Command::new(executable)
        .args(["--child", job])
        .stderr(Stdio::inherit())
        .output();
    match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => format!("nan\nno process: {error}\n"),
    }
}

/// The child's side.
pub fn serve(job: &[String]) -> ExitCode {
    match job.first().map(String::as_str) {
        Some("parked-coroutines") => memory::park_coroutines(),
        Some("parked-threads") => memory::park_threads(),
        Some("million") => million::park_a_million(),
        _ => {
            eprintln!("tour: `--child` is for the tour's own use");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
