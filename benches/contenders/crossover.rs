//! Tasks that only compute: where more than one core begins to pay. From before the first is
//! started until all answers are there.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Computes for about so many microseconds, without a look at the clock.
fn compute(steps: u64) -> u64 {
    let mut state = 1_u64;
    for _ in 0..steps {
        state = black_box(state).wrapping_mul(6_364_136_223_846_793_005);
    }
    state
}

/// Steps of `compute` that take so long here when nobody else is at it.
pub fn calibrate(span: Duration) -> u64 {
    const STEPS: u64 = 100_000;
    let once = || {
        let begin = Instant::now();
        black_box(compute(STEPS));
        begin.elapsed()
    };
    let fastest = (0..20).map(|_| once()).min().expect("twenty");
    (STEPS as f64 * span.as_secs_f64() / fastest.as_secs_f64()).max(1.0) as u64
}

fn check(answers: impl Iterator<Item = u64>, tasks: usize, steps: u64) {
    let right = compute(steps);
    assert_eq!(answers.filter(|&answer| answer == right).count(), tasks);
}

/// On the one thread of the loop.
pub fn corobin(tasks: usize, steps: u64) -> Duration {
    corobin::run(|| {
        let begin = Instant::now();
        let start = |_| corobin::spawn(move || compute(steps));
        let handles: Vec<_> = (0..tasks).map(start).collect();
        let answers = corobin::gather(handles).expect("no panic");
        let took = begin.elapsed();
        check(answers.into_iter(), tasks, steps);
        took
    })
}

/// On one runtime for each core, which are there already.
pub fn workers(cores: usize) -> impl FnMut(usize, u64) -> Duration {
    let workers = corobin::Workers::new(cores).expect("workers");
    move |tasks, steps| {
        let begin = Instant::now();
        let start = |_| workers.spawn(move || compute(steps));
        let handles: Vec<_> = (0..tasks).map(start).collect();
        let answer = |handle: corobin::RemoteJoinHandle<u64>| handle.join().expect("no panic");
        let answers: Vec<_> = handles.into_iter().map(answer).collect();
        let took = begin.elapsed();
        check(answers.into_iter(), tasks, steps);
        took
    }
}

/// A new thread for each.
pub fn threads(tasks: usize, steps: u64) -> Duration {
    let begin = Instant::now();
    let start = |_| std::thread::spawn(move || compute(steps));
    let handles: Vec<_> = (0..tasks).map(start).collect();
    let answers: Vec<_> = handles
        .into_iter()
        .map(|handle| handle.join().expect("no panic"))
        .collect();
    let took = begin.elapsed();
    check(answers.into_iter(), tasks, steps);
    took
}
