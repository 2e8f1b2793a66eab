//! On what it was measured.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// A few lines of text.
pub fn describe() -> Vec<String> {
    let cores = available_parallelism().map_or(0, usize::from);
    vec![
        format!("corobin {} in {} build", env!("CARGO_PKG_VERSION"), build()),
        format!("{}, {cores} cores", processor()),
        format!("Linux {}", read("/proc/sys/kernel/osrelease")),
        said_by("rustc", &["--version"]).unwrap_or("rustc: unknown".to_owned()),
        locked(&["corosensei", "tokio", "may"]),
        format!("load when it began: {}", read("/proc/loadavg")),
    ]
}

fn build() -> &'static str {
    if cfg!(debug_assertions) {
        "a debug"
    } else {
        "an optimized"
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = field("model name").unwrap_or("unknown processor".to_owned());
    let family = field("cpu family").unwrap_or_default();
    let caches: Vec<_> = (0..4)
        .map(|i| format!("/sys/devices/system/cpu/cpu0/cache/index{i}"))
        .map(|cache| {
            let part = |name: &str| read(&format!("{cache}/{name}"));
            (part("level"), part("type"), part("size"))
        })
        .filter(|(level, kind, _)| !level.is_empty() && kind != "Instruction")
        .map(|(level, _, size)| format!("L{level} {size}"))
        .collect();
    format!("{name} (family {family}; {})", caches.join(", "))
}

/// The first line that a program says.
pub fn said_by(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}

/// The versions of these crates.
fn locked(crates: &[&str]) -> String {
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &&str| {
        let package = format!("name = \"{name}\"\nversion = \"");
        let rest = lock.split_once(&package)?.1;
        Some(format!("{name} {}", rest.split('"').next()?))
    };
    crates
        .iter()
        .filter_map(version)
        .collect::<Vec<_>>()
        .join(", ")
}
