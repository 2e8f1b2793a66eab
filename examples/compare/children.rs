//! Measurements that need a fresh process: this executable, started again with `--child`.

use std::collections::HashMap;
use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::contenders::meter::resident_bytes;
use crate::contenders::{corobin, may, tokio};

/// Bytes held at each stage that the program passed.
pub struct Stages(HashMap<String, u64>);

impl Stages {
    /// Bytes above what was held before anybody was there.
    pub fn above(&self, stage: &str) -> f64 {
        let bytes = |stage: &str| self.0.get(stage).copied();
        match (bytes(stage), bytes("before")) {
            (Some(now), Some(before)) => now.saturating_sub(before) as f64,
            _ => f64::NAN,
        }
    }
}

/// Parks `n` coroutines in a child process. `stack` is in bytes, 0 for the default.
pub fn park(contender: &str, n: usize, stack: usize) -> Stages {
    let answer = ask(&["park", contender, &n.to_string(), &stack.to_string()]);
    let stages = answer
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(stage, bytes)| Some((stage.to_owned(), bytes.parse().ok()?)));
    Stages(stages.collect())
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
pub fn serve(words: &[String]) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["park", contender, n, stack] => {
            let n = n.parse().expect("a number of coroutines");
            let stack: usize = stack.parse().expect("a size in bytes");
            let mut at = |stage: &str| println!("{stage} {}", resident_bytes());
            match contender {
                "corobin" => corobin::park_many(n, (stack > 0).then_some(stack), &mut at),
                "tokio" => tokio::park_many(n, &mut at),
                "may" => may::park_many(n, at),
                _ => panic!("no contender {contender}"),
            }
        }
        ["idle", contender] => {
            let second = Duration::from_secs(1);
            let used = match contender {
                "corobin" => corobin::idle(second),
                "tokio" => tokio::idle(second),
                _ => panic!("no contender {contender}"),
            };
            println!("{}", used.as_secs_f64() * 1e6);
        }
        _ => panic!("not a child's job: {words:?}"),
    }
}
