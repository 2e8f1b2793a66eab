//! Which file a run is traced to, and what becomes of it.

mod common;

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use common::chrome;
use common::temp_dir::TempDir;
use corobin::{Runtime, park, run, spawn, yield_now};

fn build(path: impl AsRef<Path>) -> io::Result<Runtime> {
    Runtime::builder().trace(path).build()
}

/// A test of this file that is ignored, in a process of its own.
fn child(test: &str, trace: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("COROBIN_TRACE", trace);
    command
}

fn output(test: &str, trace: &Path) -> Output {
    child(test, trace).output().unwrap()
}

#[test]
fn each_run_has_a_file() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let mut runtime = build(&path).unwrap();
    assert!(folder.list().is_empty(), "nothing has run");
    runtime.run(yield_now);
    runtime.run(|| ());
    let _ = runtime.try_run(park);
    build(&path).unwrap().run(|| ());
    build(folder.join("other.html")).unwrap().run(|| ());
    let files = [
        "other.html",
        "trace-2.json",
        "trace-3.json",
        "trace-4.json",
        "trace.json",
    ];
    assert_eq!(folder.list(), files);
    assert_eq!(chrome::read(&path).stops("main").len(), 2);
    for file in &files[1..4] {
        chrome::read(&folder.join(file));
    }
}

#[test]
fn runs_at_the_same_time_have_files_of_their_own() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    std::thread::scope(|s| {
        for _ in 0..8 {
            s.spawn(|| {
                build(&path)
                    .unwrap()
                    .run(|| spawn(yield_now).join().unwrap())
            });
        }
    });
    let files = folder.list();
    assert_eq!(files.len(), 8);
    for file in files {
        assert_eq!(chrome::read(&folder.join(&file)).lanes.len(), 3);
    }
}

#[test]
fn a_name_without_a_format_is_an_error() {
    for name in ["trace", "trace.txt", "trace.json.gz", ""] {
        let error = build(name).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        assert!(error.to_string().contains(".html"), "{error}");
    }
    let error = build("/no/such/folder/trace.json").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Records;

impl log::Log for Records {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() <= log::Level::Warn && record.target().starts_with("corobin") {
            LOGGED.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// What is logged about this file.
fn logged(path: &Path) -> Vec<String> {
    let logged = LOGGED.lock().unwrap();
    let path = path.display().to_string();
    let about = logged.iter().filter(|text| text.contains(&path));
    about.cloned().collect()
}

fn listen() {
    // Another test may have been first.
    if log::set_logger(&Records).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

#[test]
fn a_file_that_cannot_be_made_does_not_hinder_the_run() {
    listen();
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    std::fs::create_dir(&path).unwrap();
    assert_eq!(build(&path).unwrap().run(|| 7), 7);
    let logged = logged(&path);
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("no trace"), "{logged:?}");
}

#[test]
fn a_full_disk_does_not_hinder_the_run() {
    listen();
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let sum = build(&path).unwrap().run(|| {
        let handles: Vec<_> = (0..5000).map(|n| spawn(move || n)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .sum::<u32>()
    });
    assert_eq!(sum, (0..5000).sum::<u32>());
    let logged = logged(&path);
    assert!(logged[0].contains("is not complete"), "{logged:?}");
}

/// A writer that is stuck, in a pipe that nobody reads from.
#[test]
fn what_the_writer_cannot_take_is_dropped_and_counted() {
    listen();
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()));
    let reader = std::fs::OpenOptions::new()
        .read(true)
        .write(true) // so that the open does not wait for the other end
        .open(&path)
        .unwrap();
    let (done, ended) = std::sync::mpsc::channel();
    let text = std::thread::scope(|s| {
        let reader = s.spawn(move || {
            // Only when all that is to be dropped was.
            ended.recv().unwrap();
            let mut text = Vec::new();
            for line in BufReader::new(reader).lines() {
                text.push(line.unwrap());
                if text.last().unwrap() == "]" {
                    break;
                }
            }
            text.join("\n") + "\n"
        });
        build(&path).unwrap().run(move || {
            // The queue holds less than 300 000 records.
            for _ in 0..400_000 {
                yield_now();
            }
            done.send(()).unwrap();
        });
        reader.join().unwrap()
    });
    let copy = folder.join("copy.json");
    std::fs::write(&copy, text).unwrap();
    let trace = chrome::read(&copy);
    let dropped: u64 = (trace.events.iter())
        .filter_map(|event| event.args.get("dropped")?.as_u64())
        .sum();
    assert!(dropped > 400_000, "{dropped}");
    let logged = logged(&path);
    assert!(
        logged[0].starts_with(&format!("{dropped} events are missing")),
        "{logged:?}"
    );
    // Two records a step, and some for the beginning and the end.
    let steps = trace.of("main", "step").len() as u64;
    assert!(
        (800_000..800_010).contains(&(2 * steps + dropped)),
        "{steps}"
    );
}

#[test]
fn the_environment_names_a_file() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let output = output("child_runs_twice", &path);
    assert!(output.status.success());
    assert_eq!(folder.list(), ["own.json", "trace-2.json", "trace.json"]);
    chrome::read(&path);
    chrome::read(&folder.join("own.json"));
}

#[test]
#[ignore = "a child process"]
fn child_runs_twice() {
    run(yield_now);
    run(yield_now);
    let own = Path::new(&std::env::var_os("COROBIN_TRACE").unwrap()).with_file_name("own.json");
    build(own).unwrap().run(yield_now);
}

#[test]
fn an_empty_environment_is_none() {
    let folder = TempDir::new();
    let mut child = child("child_runs_once", Path::new(""));
    assert!(child.current_dir(folder.path()).status().unwrap().success());
    assert!(folder.list().is_empty());
}

#[test]
fn a_bad_environment_is_an_error() {
    let output = output("child_runs_once", Path::new("trace.txt"));
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains(".json"));
}

#[test]
#[ignore = "a child process"]
fn child_runs_once() {
    run(yield_now);
}

/// A process that is killed while it is asleep: all that has happened is there.
#[test]
fn what_a_killed_process_leaves_can_be_read() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let mut child = child("child_sleeps", &path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The sleep is the last that is written.
    let written = || std::fs::read_to_string(&path).unwrap_or_default();
    while !written().contains("sleeps: nobody is ready") {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let text = written();
    let trace = chrome::read_cut_off(&text);
    assert_eq!(
        trace.stops("main"),
        ["step, then yields", "step, then waits for a time"]
    );
    let [wait] = trace.of("main", "wait")[..] else {
        panic!("one wait, still open");
    };
    assert_eq!(wait.name, "waits for a time");
}

#[test]
#[ignore = "a child process"]
fn child_sleeps() {
    run(|| {
        yield_now();
        corobin::sleep(std::time::Duration::from_secs(3600));
    });
}

#[test]
fn a_process_that_aborts_leaves_a_file() {
    let folder = TempDir::new();
    let path = folder.join("trace.json");
    let output = output("child_aborts", &path);
    assert!(!output.status.success());
    let text = std::fs::read_to_string(&path).unwrap();
    let trace = chrome::read_cut_off(&text);
    let lanes: BTreeSet<&str> = trace.lanes.values().map(String::as_str).collect();
    assert!(lanes.len() > 900, "{}", lanes.len());
}

#[test]
#[ignore = "a child process"]
fn child_aborts() {
    run(|| {
        let path = std::env::var_os("COROBIN_TRACE").unwrap();
        (0..1000).for_each(|_| drop(spawn(|| ())));
        yield_now();
        // What was full when they began is on its way.
        let lanes = || {
            std::fs::read_to_string(&path)
                .unwrap()
                .matches("thread_name")
                .count()
        };
        while lanes() <= 900 {
            yield_now();
        }
        std::process::abort();
    });
}
