//! Contenders in other languages, where the machine has them: each measures itself and prints one
//! number in the unit of its row.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::machine::said_by;
use crate::rounds::Contender;

const PYTHON: &str = include_str!("outside/programs.py");
const GO: &str = include_str!("outside/main.go");

/// What the header says of them.
pub fn versions() -> Vec<String> {
    let python = said_by("python3", &["--version"]);
    python
        .into_iter()
        .chain(said_by("go", &["version"]))
        .collect()
}

/// Nothing if there is no Python, or it lacks what the program begins with.
pub fn python(name: &str, program: &str, n: u64, times: u64) -> Option<Contender> {
    static PRESENT: LazyLock<bool> = LazyLock::new(|| imports("asyncio"));
    static GREENLET: LazyLock<bool> = LazyLock::new(|| imports("greenlet"));
    static GEVENT: LazyLock<bool> = LazyLock::new(|| imports("gevent"));
    static UVLOOP: LazyLock<bool> = LazyLock::new(|| imports("uvloop"));
    let is_there = match program.split('_').next() {
        Some("greenlets") => *GREENLET,
        Some("gevent") => *GEVENT,
        Some("uvloop") => *UVLOOP,
        _ => *PRESENT,
    };
    let (program, n, times) = (program.to_owned(), n.to_string(), times.to_string());
    is_there.then(|| {
        Contender::new(name, move || {
            number("python3", &["-c", PYTHON, &program, &n, &times])
        })
    })
}

/// The same program on each event loop that Python has.
pub fn event_loops(suffix: &str, program: &str, n: u64, times: u64) -> Vec<Contender> {
    let each = |name| {
        let program = format!("{name}_{program}");
        python(&format!("Python {name}{suffix}"), &program, n, times)
    };
    ["asyncio", "uvloop", "gevent"]
        .into_iter()
        .filter_map(each)
        .collect()
}

fn imports(module: &str) -> bool {
    said_by("python3", &["-c", &format!("import {module}; print()")]).is_some()
}

/// Nothing if there is no Go.
pub fn go(name: &str, program: &'static str, n: u64, times: u64) -> Option<Contender> {
    static BUILT: LazyLock<Option<String>> = LazyLock::new(build_go);
    let executable = BUILT.clone()?;
    let (n, times) = (n.to_string(), times.to_string());
    Some(Contender::new(name, move || {
        number(&executable, &[program, &n, &times])
    }))
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("corobin-compare-{}", std::process::id()))
}

/// Removes what was built for this process.
pub fn clean_up() {
    // Nothing is there if there is no Go.
    let _ = fs::remove_dir_all(folder());
}

/// The path of the executable.
fn build_go() -> Option<String> {
    said_by("go", &["version"])?;
    let folder = folder();
    fs::create_dir_all(&folder).ok()?;
    let (source, executable) = (folder.join("main.go"), folder.join("programs"));
    fs::write(&source, GO).ok()?;
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&executable).arg(&source);
    let built = build.status().is_ok_and(|status| status.success());
    if !built {
        eprintln!("compare: the programs in Go could not be built");
    }
    built.then(|| executable.to_string_lossy().into_owned())
}

fn number(program: &str, args: &[&str]) -> f64 {
    let answer = said_by(program, args).and_then(|line| line.parse().ok());
    answer.unwrap_or_else(|| {
        eprintln!(
            "compare: a program in another language failed: {}",
            args[args.len() - 3]
        );
        f64::NAN
    })
}
