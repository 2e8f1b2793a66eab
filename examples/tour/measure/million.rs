//! A million coroutines, which threads cannot match, in a process of their own.

use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::Instant;

use corobin::{JoinHandle, Runtime, park, spawn, yield_now};

use super::child;
use super::memory::{kib, resident_bytes};
use super::table::{size, time};

const CROWD: usize = 1_000_000;
const STACK: usize = 16 << 10;
const ROUNDS: usize = 4;

/// With some room for what else the machine has to do.
const NEEDED_KIB: u64 = 5 << 20;

pub struct Million {
    bytes_each: f64,
    start: f64,
    switch: f64,
}

/// What came out, or why nothing did.
pub fn measure() -> Result<Million, String> {
    let memory = fs::read_to_string("/proc/meminfo").expect("/proc is mounted");
    let available = kib(&memory, "MemAvailable:");
    if available < NEEDED_KIB {
        let [needed, available] = [NEEDED_KIB, available].map(|kib| size(kib as f64 * 1024.0));
        return Err(format!("left out, {available} of {needed} memory free"));
    }
    let answer = child::ask("million");
    let numbers: Vec<f64> = answer.lines().flat_map(str::parse).collect();
    match numbers[..] {
        [bytes_each, start, switch] => Ok(Million {
            bytes_each,
            start,
            switch,
        }),
        _ => Err("failed, see above".to_owned()),
    }
}

pub fn print(million: &Result<Million, String>) {
    println!("1 000 000 coroutines, alone, on guarded stacks of 16 KiB:");
    match million {
        Ok(million) => {
            let all = million.bytes_each * CROWD as f64;
            println!(
                "  {:<30} {:>12}  ({} in all)",
                "memory of one, parked",
                size(million.bytes_each),
                size(all)
            );
            println!(
                "  {:<30} {:>12}",
                "all started and parked after",
                time(million.start)
            );
            println!(
                "  {:<30} {:>12}",
                "one yield, all on the queue",
                time(million.switch)
            );
        }
        Err(reason) => println!("  {reason}"),
    }
}

/// The child's side.
pub fn park_a_million() {
    let mut handles: Vec<JoinHandle<()>> = Vec::with_capacity(CROWD);
    let mut runtime = Runtime::builder()
        .stack_size(STACK)
        .build()
        .expect("a runtime");
    runtime.run(|| {
        let (before, begin) = (resident_bytes(), Instant::now());
        let seconds = Rc::new(Cell::new(0.0));
        for i in 0..CROWD {
            let seconds = Rc::clone(&seconds);
            handles.push(spawn(move || member(i, &seconds)));
        }
        yield_now();
        let start = begin.elapsed().as_secs_f64();
        println!("{}", (resident_bytes() - before) as f64 / CROWD as f64);
        println!("{start}");

        for handle in &handles {
            handle.coroutine().unpark();
        }
        for handle in handles.drain(..) {
            handle.join().expect("no member fails");
        }
        println!("{}", seconds.get() / (CROWD * ROUNDS) as f64);
    });
}

/// Parks, and then yields for some rounds, which member 0 times from one of its turns to another.
fn member(i: usize, seconds: &Cell<f64>) {
    park();
    yield_now();
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        yield_now();
    }
    if i == 0 {
        seconds.set(begin.elapsed().as_secs_f64());
    }
}
