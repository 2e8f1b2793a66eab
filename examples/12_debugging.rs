//! 12 · Debugging: a hang, a slow step, a trace.
//!
//! Concurrent programs go wrong in ways that no backtrace of one thread explains: all wait, one
//! holds up all others, or the order is not the expected one. The scheduler knows everybody: ask it.
//!
//! `cargo run --example 12_debugging -- trace.html` leaves the trace as a page that plays it.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use corobin::sync::Mutex;
use corobin::{Builder, RunError, Runtime, scope, sleep, to_thread, yield_now};

fn main() -> std::io::Result<()> {
    // What debug mode has to say goes to the log, here stderr.
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Warn)
        .init();
    println!("— A hang —");
    hang()?;
    println!("\n— A slow step —");
    slow_step()?;
    println!("\n— A trace —");
    trace()
}

/// Two coroutines take two locks in opposite order. `try_run` returns who waits for what; `run` would
/// panic with it. While a timer or listener is left it is no deadlock: then look at `snapshot()`.
fn hang() -> std::io::Result<()> {
    let outcome = Runtime::new()?.try_run(|| {
        let (left, right) = (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())));
        let (first, second) = (Rc::clone(&right), Rc::clone(&left));
        let ann = named("Ann", move || take_both(&left, &right));
        named("Bob", move || take_both(&first, &second));
        ann.join()
    });
    if let Err(RunError::Deadlock(snapshot)) = outcome {
        let everybody = &snapshot.coroutines;
        for it in everybody {
            let holders = everybody
                .iter()
                .filter(|other| it.held_by.contains(&other.id));
            let holders: Vec<_> = holders.filter_map(|other| other.name.as_deref()).collect();
            let name = it.name.as_deref().unwrap_or("somebody");
            let line = it.waits_at.map_or(0, |at| at.line());
            println!("{name} waits in line {line}, for {}", holders.join(", "));
        }
    }
    Ok(())
}

fn take_both(one: &Mutex<()>, other: &Mutex<()>) {
    let _one = one.lock();
    yield_now(); // gives the other one time to take its first
    let _other = other.lock();
}

/// A call that blocks its thread stops everybody. `COROBIN_DEBUG=1` (or `debug(true)`) has a watchdog
/// that names the culprit while it still blocks, with a backtrace.
fn slow_step() -> std::io::Result<()> {
    let limit = Duration::from_millis(20);
    let mut runtime = Runtime::builder().debug(true).slow_step(limit).build()?;
    runtime.run(|| {
        let beats = AtomicU32::new(0); // atomic, as a thread will look at it
        scope(|s| {
            let heart = s.spawn(|| {
                loop {
                    sleep(Duration::from_millis(1));
                    beats.fetch_add(1, Relaxed);
                }
            });
            yield_now();
            thread::sleep(Duration::from_millis(50));
            println!("beats while a call blocks:     {}", beats.load(Relaxed));
            to_thread(|| wait_until(|| beats.load(Relaxed) >= 3));
            println!("beats while a thread does it:  3 and more");
            heart.cancel();
        });
    });
    Ok(())
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn named<T: 'static>(name: &str, f: impl FnOnce() -> T + 'static) -> corobin::JoinHandle<T> {
    Builder::new().name(name).spawn(f).expect("a stack")
}

/// Every step, wait and wake goes to a file: `.json` for <https://ui.perfetto.dev>, `.html` for a page
/// that plays the ready queue and shows the line of each stop. `COROBIN_TRACE=file` does the same
/// for any program, without a change.
fn trace() -> std::io::Result<()> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let own = std::env::temp_dir().join(format!("corobin-{}.json", std::process::id()));
    let path = given.as_ref().unwrap_or(&own);
    let mut runtime = Runtime::builder().virtual_time(true).trace(path).build()?;
    runtime.run(|| {
        let tea = named("tea", || sleep(Duration::from_secs(2)));
        let egg = named("egg", || sleep(Duration::from_secs(3)));
        [tea, egg].map(|it| it.join().expect("nobody cancels it"))
    });
    let trace = std::fs::read_to_string(path)?;
    for name in ["main", "tea", "egg"] {
        let has_lane = trace.contains(&format!(" {name}\""));
        println!("{name} has its lane: {has_lane}");
    }
    match given {
        Some(_) => Ok(()),
        None => std::fs::remove_file(path), // only to show it
    }
}
