//! Batches of 1 000 are started and joined; the body is empty.

use std::io;
use std::thread;
use std::time::Instant;

use super::median_of_5;
use super::table::Measured;

const BATCH: usize = 1_000;

pub fn coroutines() -> Measured {
    corobin::run(|| {
        let batch = || {
            let handles: Vec<_> = (0..BATCH).map(|_| corobin::spawn(|| ())).collect();
            for handle in handles {
                handle.join().expect("an empty body");
            }
        };
        batch();
        Measured::of(median_of_5(|| time(100, batch)))
    })
}

pub fn threads() -> Measured {
    let batch = || {
        let spawn = |_| thread::Builder::new().spawn(|| ());
        let handles: io::Result<Vec<_>> = (0..BATCH).map(spawn).collect();
        for handle in handles? {
            handle.join().expect("an empty body");
        }
        Ok(())
    };
    let mut refusal: io::Result<()> = batch();
    let value = median_of_5(|| {
        time(1, || {
            if refusal.is_ok() {
                refusal = batch();
            }
        })
    });
    match refusal {
        Ok(()) => Measured::of(value),
        Err(error) => Measured::refused(format!("no {BATCH} threads: {error}")),
    }
}

fn time(batches: usize, mut batch: impl FnMut()) -> f64 {
    let begin = Instant::now();
    for _ in 0..batches {
        batch();
    }
    begin.elapsed().as_secs_f64() / (batches * BATCH) as f64
}
