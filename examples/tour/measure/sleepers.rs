//! 10 000 sleep for a second at the same time. What it takes above that second is the cost of
//! starting, waking and joining them.

use std::thread;
use std::time::{Duration, Instant};

use super::table::Measured;

const SLEEPERS: usize = 10_000;
const SPAN: Duration = Duration::from_secs(1);

pub fn coroutines() -> Measured {
    corobin::run(|| {
        let begin = Instant::now();
        let sleeper = || corobin::spawn(|| corobin::sleep(SPAN));
        let handles: Vec<_> = (0..SLEEPERS).map(|_| sleeper()).collect();
        for handle in handles {
            handle.join().expect("a sleeper");
        }
        Measured::of((begin.elapsed() - SPAN).as_secs_f64())
    })
}

pub fn threads() -> Measured {
    let begin = Instant::now();
    let mut refusal = None;
    let mut handles = Vec::with_capacity(SLEEPERS);
    while handles.len() < SLEEPERS && refusal.is_none() {
        match thread::Builder::new().spawn(|| thread::sleep(SPAN)) {
            Ok(handle) => handles.push(handle),
            Err(error) => refusal = Some(format!("only {} threads: {error}", handles.len())),
        }
    }
    for handle in handles {
        handle.join().expect("a sleeper");
    }
    match refusal {
        None => Measured::of((begin.elapsed() - SPAN).as_secs_f64()),
        // A smaller crowd takes less time, which would compare with nothing.
        Some(refusal) => Measured::refused(refusal),
    }
}
