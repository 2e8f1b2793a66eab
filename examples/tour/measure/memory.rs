//! What the process holds for 10 000 that are parked, on stacks of the default size.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::child;
use super::table::Measured;

const CROWD: usize = 10_000;

pub fn coroutines() -> Measured {
    answer(&child::ask("parked-coroutines"))
}

pub fn threads() -> Measured {
    answer(&child::ask("parked-threads"))
}

/// An answer is a number of bytes, and a second line if the crowd is smaller than wanted.
fn answer(lines: &str) -> Measured {
    let mut lines = lines.lines();
    let bytes = lines.next().and_then(|line| line.parse().ok());
    Measured {
        value: bytes.unwrap_or(f64::NAN),
        refusal: lines.next().map(str::to_owned),
    }
}

/// The child's side for coroutines.
pub fn park_coroutines() {
    let mut handles = Vec::with_capacity(CROWD);
    corobin::run(|| {
        let before = resident_bytes();
        for _ in 0..CROWD {
            handles.push(corobin::spawn(corobin::park));
        }
        corobin::yield_now();
        println!("{}", (resident_bytes() - before) as f64 / CROWD as f64);
    });
}

/// The child's side for threads. They are still parked when the process ends.
pub fn park_threads() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let before = resident_bytes();
    let mut parked = 0;
    let mut refusal = None;
    while parked < CROWD && refusal.is_none() {
        let body = || {
            STARTED.fetch_add(1, Ordering::Relaxed);
            loop {
                thread::park();
            }
        };
        match thread::Builder::new().spawn(body) {
            Ok(_) => parked += 1,
            Err(error) => refusal = Some(error),
        }
    }
    while STARTED.load(Ordering::Relaxed) < parked {
        thread::sleep(Duration::from_millis(1));
    }
    println!("{}", (resident_bytes() - before) as f64 / parked as f64);
    if let Some(error) = refusal {
        println!("only {parked} threads: {error}");
    }
}

/// Bytes that this process holds: resident pages, and the page tables that map them.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    (kib(&status, "VmRSS:") + kib(&status, "VmPTE:")) * 1024
}

/// A number of KiB from one of the files of /proc that have lines such as `VmRSS:   1234 kB`.
pub fn kib(file: &str, field: &str) -> u64 {
    file.lines()
        .find_map(|line| line.strip_prefix(field))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {field} in /proc"))
}
