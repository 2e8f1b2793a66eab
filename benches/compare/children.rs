//! Measurements that need a fresh process: this executable, started again with `--child`.

use std::collections::HashMap;
use std::env;
use std::process::{Command, ExitCode, Stdio};

use crate::contenders::meter::resident_bytes;
use crate::topics::{idle_here, park_here};

/// Bytes held at each stage that the program passed.
pub type Stages = HashMap<String, u64>;

/// Parks `n` coroutines in a child process. `stack` is in bytes, 0 for the default.
pub fn park(contender: &str, n: usize, stack: usize) -> Stages {
    let answer = ask(&["park", contender, &n.to_string(), &stack.to_string()]);
    answer
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(stage, bytes)| Some((stage.to_owned(), bytes.parse().ok()?)))
        .collect()
}

/// Microseconds of CPU that an idle second takes in a child process.
pub fn idle(contender: &str) -> f64 {
    ask(&["idle", contender]).trim().parse().unwrap_or(f64::NAN)
}

fn ask(words: &[&str]) -> String {
    let executable = env::current_exe().expect("the path of this executable");
    let output = Command::new(executable)
        .arg("--child")
        .args(words)
        .stderr(Stdio::inherit())
        .output()
        .expect("a child process");
    if !output.status.success() {
        eprintln!("compare: the child for {words:?} failed: {}", output.status);
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The child's side.
pub fn serve(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["park", contender, n, stack] => {
            let n = n.parse().expect("a number of coroutines");
            let stack = stack.parse().expect("a size in bytes");
            park_here(contender, n, stack, |stage| {
                println!("{stage} {}", resident_bytes());
            });
        }
        ["idle", contender] => println!("{}", idle_here(contender).as_secs_f64() * 1e6),
        _ => panic!("not a child's job: {words:?}"),
    }
    ExitCode::SUCCESS
}
