//! 11 · Coroutines against threads, measured.
//!
//! The same three jobs, done by OS threads and by coroutines: to start and end, to hand control to
//! and fro, and just to exist. The figures are your machine's, of this moment; run it with
//! `--release`. The tour's last chapter (`cargo run --release --example tour -- measure`) and
//! `cargo run --release --example compare` measure with more care.

use std::fs;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use corobin::sync::channel;
use corobin::{park, run, scope, spawn, yield_now};

const MANY: u32 = 2_000;

fn main() {
    println!("                           OS thread       coroutine");
    show("start and join, ns", threads_start(), run(coroutines_start));
    show("message and back, ns", threads_talk(), run(coroutines_talk));
    show("memory of one, bytes", threads_wait(), run(coroutines_wait));
    println!();
    println!(
        "A thread is started, switched and woken by the kernel, which must expect the worst; a"
    );
    println!(
        "coroutine by a few instructions that exchange stacks. What threads give for it: they"
    );
    println!("use many cores, and one that computes for long stops nobody.");
}

fn threads_start() -> f64 {
    nanoseconds_per(MANY, |_| thread::spawn(|| black_box(1)).join().is_ok())
}

fn coroutines_start() -> f64 {
    nanoseconds_per(MANY, |_| spawn(|| black_box(1)).join().is_ok())
}

fn threads_talk() -> f64 {
    let (ask, asked) = std::sync::mpsc::sync_channel(1);
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    thread::spawn(move || asked.iter().try_for_each(|n: u32| answer.send(n)));
    nanoseconds_per(MANY, |n| ask.send(n).is_ok() && answered.recv() == Ok(n))
}

/// Word for word the same; only the channels and the spawn are others.
fn coroutines_talk() -> f64 {
    let (ask, asked) = channel(1);
    let (answer, answered) = channel(1);
    spawn(move || asked.iter().try_for_each(|n: u32| answer.send(n)));
    nanoseconds_per(MANY, |n| ask.send(n).is_ok() && answered.recv() == Ok(n))
}

/// Of a thread this counts the user's part only; the kernel's (a stack of 16 KiB, and more) is on top.
fn threads_wait() -> f64 {
    let before = resident();
    let all_wait = Barrier::new(MANY as usize + 1);
    thread::scope(|s| {
        for _ in 0..MANY {
            s.spawn(|| [all_wait.wait(), all_wait.wait()]);
        }
        all_wait.wait();
        let used = resident() - before;
        all_wait.wait();
        used / f64::from(MANY)
    })
}

fn coroutines_wait() -> f64 {
    let before = resident();
    scope(|s| {
        (0..MANY).for_each(|_| drop(s.spawn(park)));
        yield_now(); // all start, and wait
        let used = resident() - before;
        s.cancel();
        used / f64::from(MANY)
    })
}

/// What the process has in memory, in bytes.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.into_iter().flat_map(str::split_whitespace);
    words
        .filter_map(|word| word.parse::<f64>().ok())
        .sum::<f64>()
        * 1024.0
}

fn nanoseconds_per(count: u32, mut job: impl FnMut(u32) -> bool) -> f64 {
    let start = Instant::now();
    assert!((0..count).all(&mut job), "each succeeds");
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

fn show(what: &str, thread: f64, coroutine: f64) {
    let times = thread / coroutine;
    println!("{what:<25} {thread:>10.0} {coroutine:>15.0}   {times:>6.0} times less");
}
