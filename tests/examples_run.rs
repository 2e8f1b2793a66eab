//! The numbered examples, really run, and what they print.
//!
//! `COROBIN_BLESS=1 cargo test --test examples_run` writes anew what is expected.

#[path = "common/example.rs"]
mod example;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use example::build;

/// Those that print measurements, whose figures differ each time.
const MEASURED: [&str; 2] = ["08_stackful_stackless", "11_threads"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

fn is_numbered(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_digit())
}

fn stems(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let stems = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned());
    let stems = stems.map(|stem| stem.into_string().unwrap());
    stems.filter(|stem| is_numbered(stem)).collect()
}

/// Figures become `#`, and the spaces before them one.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' | '.' if out.ends_with('#') => {}
            '0'..='9' => {
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str(" #");
            }
            ' ' if out.ends_with("# ") => {}
            _ => out.push(c),
        }
    }
    out
}

#[test]
fn each_prints_what_is_expected() {
    let programs = build(&["--examples"]);
    let mut wrong = Vec::new();
    for name in stems(&folder()) {
        let output = Command::new(programs.join(&name)).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} fails: {errors}");
        let mut printed = String::from_utf8(output.stdout).unwrap();
        if MEASURED.contains(&name.as_str()) {
            printed = masked(&printed);
        }
        let path = folder().join("expected").join(format!("{name}.txt"));
        if std::env::var_os("COROBIN_BLESS").is_some() {
            fs::write(&path, &printed).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if printed != expected {
            let at = printed
                .lines()
                .zip(expected.lines())
                .position(|(a, b)| a != b);
            let line = at.unwrap_or(printed.lines().count().min(expected.lines().count()));
            wrong.push(format!("{name}, from line {} on:\n{printed}", line + 1));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}

#[test]
fn the_course_is_complete() {
    let examples = stems(&folder());
    assert_eq!(examples, stems(&folder().join("expected")));
    let numbers: Vec<_> = examples.iter().map(|name| name[..2].to_owned()).collect();
    let course: Vec<_> = (1..=12).map(|number| format!("{number:02}")).collect();
    assert_eq!(numbers, course);
}

#[test]
fn each_has_a_chapter_in_the_guide() {
    let chapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide/course");
    let examples = stems(&folder());
    assert_eq!(examples, stems(&chapters));
    for name in examples {
        let chapter = fs::read_to_string(chapters.join(format!("{name}.md"))).unwrap();
        assert!(chapter.contains(&format!("--example {name}")), "{name}");
        assert!(chapter.contains("*Exercise.*"), "{name}");
    }
}

#[test]
fn each_can_be_read_at_one_sitting() {
    for name in stems(&folder()) {
        let path = folder().join(format!("{name}.rs"));
        let path = if path.exists() {
            path
        } else {
            folder().join(&name).join("main.rs")
        };
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 120, "{} has {lines} lines", path.display());
    }
}

/// What asyncio printed is not made up. Needs `python3`; where there is none, nothing is compared.
#[test]
fn the_python_programs_print_what_is_recorded() {
    let programs = folder().join("10_asyncio_article");
    for entry in fs::read_dir(&programs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "py") {
            continue;
        }
        let Ok(output) = Command::new("python3").arg(&path).output() else {
            eprintln!("no python3");
            return;
        };
        let recorded = fs::read(path.with_extension("txt")).unwrap();
        assert!(
            output.status.success() && output.stdout == recorded,
            "{}",
            path.display()
        );
    }
}

#[test]
fn figures_are_masked() {
    assert_eq!(masked("took    1.5 ns,\n 20 times"), "took # ns,\n # times");
    assert_eq!(masked("no figure"), "no figure");
}
