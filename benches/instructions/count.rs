//! Counting: this executable again, under valgrind.

use std::env;
use std::process::{Command, ExitCode};

use crate::cases::Case;
use crate::find;

const TIMES: u64 = 10_000;

/// What a child says with its exit status when the machine lacks what it needs.
const NOT_HERE: u8 = 77;

/// Instructions of one turn, or why there is no such thing on this machine.
pub fn count(case: &Case) -> Result<Result<f64, String>, String> {
    let mut counts = [0; 2];
    for (i, count) in counts.iter_mut().enumerate() {
        match instructions(case, TIMES * (i as u64 + 1))? {
            Ok(instructions) => *count = instructions,
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok((counts[1] as f64 - counts[0] as f64) / TIMES as f64))
}

fn instructions(case: &Case, times: u64) -> Result<Result<u64, String>, String> {
    let executable = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(executable)
        .args(["--child", case.name, &times.to_string()])
        // What a run is told through its surroundings must not change its way.
        .env_remove("COROBIN_DEBUG")
        .env_remove("COROBIN_TRACE")
        .env_remove("COROBIN_SEED")
        .output()
        .map_err(|error| format!("valgrind (apt install valgrind): {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(i32::from(NOT_HERE)) {
        let why = String::from_utf8_lossy(&output.stdout);
        return Ok(Err(why.trim().to_owned()));
    }
    let counted = said
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok());
    match counted {
        Some(counted) if output.status.success() => Ok(Ok(counted)),
        _ => Err(format!(
            "{} under valgrind: {}\n{said}",
            case.name, output.status
        )),
    }
}

/// The child's side.
pub fn serve(name: &str, times: &str) -> ExitCode {
    let case = find(name).expect("the name of a case");
    match (case.program)(times.parse().expect("a number")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::from(NOT_HERE)
        }
    }
}
