//! `limits.txt`: what each path took when somebody last looked.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

const PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/instructions/limits.txt"
);

const HEADER: &str = "\
# Instructions of one turn of each hot path in benches/instructions/cases.rs.
# Written by `cargo bench --bench instructions -- --update`.
";

pub struct Limits {
    compiler: String,
    counts: BTreeMap<String, f64>,
}

impl Limits {
    /// A file that is not there has no limits.
    pub fn read() -> Result<Self, String> {
        let mut limits = Limits {
            compiler: String::new(),
            counts: BTreeMap::new(),
        };
        for line in fs::read_to_string(PATH).unwrap_or_default().lines() {
            if let Some(compiler) = line.strip_prefix("# compiler: ") {
                limits.compiler = compiler.to_owned();
            } else if !line.starts_with('#') && !line.trim().is_empty() {
                let entry = line
                    .split_once(' ')
                    .and_then(|(name, count)| Some((name.to_owned(), count.trim().parse().ok()?)));
                let (name, count) = entry.ok_or_else(|| format!("{PATH}: `{line}`"))?;
                limits.counts.insert(name, count);
            }
        }
        Ok(limits)
    }

    pub fn get(&self, name: &str) -> Option<f64> {
        self.counts.get(name).copied()
    }

    pub fn set(&mut self, name: &str, count: f64) {
        self.counts.insert(name.to_owned(), count);
    }

    pub fn write(&self) -> Result<(), String> {
        let mut text = format!("{HEADER}# compiler: {}\n", compiler());
        for (name, count) in &self.counts {
            text += &format!("{name:<28} {count:.1}\n");
        }
        fs::write(PATH, text).map_err(|error| format!("{PATH}: {error}"))
    }

    /// What to say if the limits were counted with another compiler than today's.
    pub fn other_compiler(&self) -> Option<String> {
        let now = compiler();
        let differs = now != self.compiler;
        differs.then(|| format!("recorded with `{}`, counted with `{now}`", self.compiler))
    }
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    output.unwrap_or_else(|_| "unknown".to_owned())
}
