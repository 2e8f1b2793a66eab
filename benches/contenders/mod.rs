//! The same few programs, written once for each engine that is compared.
//!
//! A function prepares its program, runs it, and returns what its timed part took. It panics when
//! the program did not do what it should: a wrong result is never reported as a time.

#![allow(
    dead_code,
    unused_imports,
    reason = "each bench takes only the programs of its own topic"
)]

#[cfg(target_arch = "x86_64")]
pub mod by_hand;
pub mod calls;
pub mod corobin;
pub mod crossover;
pub mod crowded_lock;
pub mod fan;
#[cfg(target_arch = "x86_64")]
pub mod floor;
pub mod generators;
#[cfg(target_arch = "x86_64")]
pub mod hand_over;
pub mod lap;
pub mod may;
pub mod meter;
pub mod raw;
pub mod skynet;
pub mod sync;
pub mod threads;
pub mod tokio;

use std::time::{Duration, Instant};

/// CPU time of the whole process that a crowd of sleepers took, helper threads included.
pub struct SleepCost {
    /// From before the first spawn to after the last join.
    pub whole: Duration,
    /// From when all have started and stand before their `sleep`, to after the last join.
    pub sleeping: Duration,
}

/// What `batches` calls of `once` take, after one to warm up. Each starts `batch` and tells how
/// many have ended as they should.
pub fn time_batches(batch: usize, batches: u64, mut once: impl FnMut() -> usize) -> Duration {
    assert_eq!(once(), batch);
    let begin = Instant::now();
    let joined: usize = (0..batches).map(|_| once()).sum();
    let took = begin.elapsed();
    assert_eq!(joined as u64, batch as u64 * batches);
    took
}

/// The order in which coroutines stand on the queue, as numbers of their age. From the eldest to
/// the youngest is kind to the processor: each stack lies a fixed step behind the one before, and
/// hardware can fetch ahead.
pub fn by_age(n: usize) -> Vec<usize> {
    (0..n).collect()
}

/// The order in which coroutines stand after a while in a real program: any. The same at each call.
pub fn shuffled(n: usize) -> Vec<usize> {
    let mut order = by_age(n);
    fastrand::Rng::with_seed(0x0c0_0b17).shuffle(&mut order);
    order
}

/// `n` deadlines, spread evenly at random over `span`; the same ones at each call.
pub fn random_deadlines(n: usize, span: Duration) -> Vec<Duration> {
    let mut random = fastrand::Rng::with_seed(0x0c0_0b17);
    let nanos = u64::try_from(span.as_nanos()).expect("a span of less than 584 years");
    (0..n)
        .map(|_| Duration::from_nanos(random.u64(0..nanos)))
        .collect()
}
