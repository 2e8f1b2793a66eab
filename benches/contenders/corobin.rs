//! The programs on corobin: everything inside one `run`.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corobin::{JoinHandle, Runtime, current, park, sleep, spawn, yield_now};

use super::SleepCost;
use super::lap::Lap;
use super::meter::process_cpu;
use super::time_batches;

/// 64 KiB, and 16 KiB for crowds, where the page-table entries of wide stacks fill the cache.
pub fn stack_size(n: usize) -> usize {
    if n >= 10_000 { 16 << 10 } else { 64 << 10 }
}

pub fn run_with_stacks<T>(bytes: usize, f: impl FnOnce() -> T) -> T {
    let mut runtime = Runtime::builder().stack_size(bytes).build();
    runtime.as_mut().expect("a runtime").run(f)
}

/// Coroutines, queued in this order, that yield to each other `rounds` times.
pub fn yields(order: &[usize], rounds: u64) -> Duration {
    run_with_stacks(stack_size(order.len()), || {
        let (lap, first) = (Lap::new(order.len()), order[0]);
        let handles: Vec<_> = (0..order.len())
            .map(|i| {
                let lap = lap.clone();
                spawn(move || {
                    lap.enter();
                    park();
                    let watch = lap.begin(i == first);
                    for _ in 0..rounds {
                        yield_now();
                    }
                    if lap.end(watch) {
                        yield_now();
                        lap.check();
                    }
                })
            })
            .collect();
        yield_now();
        for &i in order {
            handles[i].coroutine().unpark();
        }
        join_all(handles);
        lap.result()
    })
}

/// `batches` times: spawn `batch` empty coroutines, then join them.
pub fn spawn_join(batch: usize, batches: u64) -> Duration {
    run_with_stacks(stack_size(batch), || {
        let mut handles = Vec::with_capacity(batch);
        let once = || {
            handles.extend((0..batch).map(|_| spawn(|| ())));
            handles.drain(..).filter_map(|h| h.join().ok()).count()
        };
        time_batches(batch, batches, once)
    })
}

/// Two coroutines that wake each other in turn; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    corobin::run(|| {
        let hits = Rc::new(Cell::new(0));
        let pong = spawn({
            let (ping, hits) = (current(), hits.clone());
            move || {
                for _ in 0..rounds {
                    park();
                    hits.set(hits.get() + 1);
                    ping.unpark();
                }
            }
        });
        yield_now();
        let begin = Instant::now();
        for _ in 0..rounds {
            pong.coroutine().unpark();
            park();
        }
        let took = begin.elapsed();
        assert_eq!(hits.get(), rounds);
        pong.join().expect("pong");
        took
    })
}

/// One sleeper for each deadline, on stacks that an earlier crowd has used already.
pub fn sleepers(deadlines: &[Duration]) -> SleepCost {
    run_with_stacks(stack_size(deadlines.len()), || {
        join_all(deadlines.iter().map(|_| spawn(yield_now)).collect());
        let before = process_cpu();
        let handles: Vec<_> = deadlines
            .iter()
            .map(|&deadline| {
                spawn(move || {
                    yield_now();
                    sleep(deadline);
                })
            })
            .collect();
        yield_now();
        let (begin, started) = (Instant::now(), process_cpu());
        join_all(handles);
        let ended = process_cpu();
        assert!(begin.elapsed() >= *deadlines.iter().max().expect("a deadline"));
        SleepCost {
            whole: ended - before,
            sleeping: ended - started,
        }
    })
}

/// `rounds` calls that each go to another thread and back.
pub fn to_thread(rounds: u64) -> Duration {
    corobin::run(|| {
        corobin::to_thread(|| ());
        let begin = Instant::now();
        let sum: u64 = (0..rounds)
            .map(|i| corobin::to_thread(move || black_box(i)))
            .sum();
        let took = begin.elapsed();
        assert_eq!(sum, (0..rounds).sum::<u64>());
        took
    })
}

/// Parks `n` coroutines and lets `at` look at each stage.
pub fn park_many(n: usize, stack: Option<usize>, at: &mut dyn FnMut(&str)) {
    // Touched before the first look, so that it is not counted as memory of the coroutines.
    let mut handles: Vec<Option<JoinHandle<()>>> = (0..n).map(|_| None).collect();
    let mut builder = Runtime::builder();
    if let Some(bytes) = stack {
        builder = builder.stack_size(bytes);
    }
    builder.build().expect("a runtime").run(|| {
        at("before");
        for slot in &mut handles {
            *slot = Some(spawn(park));
        }
        yield_now();
        at("parked");
        for handle in handles.iter().flatten() {
            handle.coroutine().unpark();
        }
        for slot in &mut handles {
            let handle = slot.take().expect("filled above");
            handle.join().expect("parked, then woken");
        }
        at("ended");
        sleep(Duration::from_secs(5));
        at("later");
    });
    at("run over");
}

/// CPU time of a runtime whose only coroutine sleeps for `span`.
pub fn idle(span: Duration) -> Duration {
    let before = process_cpu();
    corobin::run(|| sleep(span));
    process_cpu() - before
}

fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        handle.join().expect("no participant panics");
    }
}
