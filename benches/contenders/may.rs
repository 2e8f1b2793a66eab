//! The programs on may with one worker thread, started from a coroutine on that worker.

use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ::may::coroutine::{Builder, JoinHandle, current, park, sleep, yield_now};

use super::lap::Lap;
use super::time_batches;

/// May puts an `mprotect` guard under each stack, and the kernel stops at 65 530 mappings.
pub const MOST_COROUTINES: usize = 20_000;

pub fn run<T: Send + 'static>(main: impl FnOnce() -> T + Send + 'static) -> T {
    static ONE_WORKER: Once = Once::new();
    ONE_WORKER.call_once(|| {
        // Pinning would tie may to a core that somebody else may be using.
        may::config().set_workers(1).set_worker_pin(false);
    });
    let builder = Builder::new().stack_size(1 << 16);
    // SAFETY: the body uses no thread-local storage and little of its stack (may asks for both).
    let root = unsafe { builder.spawn(main) };
    root.expect("a may coroutine").join().expect("no panic")
}

pub fn spawn(body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    // SAFETY: as in `run`.
    unsafe { ::may::coroutine::spawn(body) }
}

/// `n` coroutines, queued by age, that yield to each other `rounds` times. They cannot be woken into
/// another order: what is unparked does not take turns with what yields.
pub fn yields(n: usize, rounds: u64) -> Duration {
    run(move || {
        let lap = Lap::new(n);
        let handles: Vec<_> = (0..n)
            .map(|i| {
                let lap = lap.clone();
                spawn(move || {
                    lap.enter();
                    yield_now();
                    let watch = lap.begin(i == 0);
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
        for handle in handles {
            handle.join().expect("no participant panics");
        }
        lap.result()
    })
}

/// `batches` times: spawn `batch` empty coroutines, then join them.
pub fn spawn_join(batch: usize, batches: u64) -> Duration {
    run(move || {
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
    run(move || {
        let hits = Arc::new(AtomicU64::new(0));
        let pong = spawn({
            let (ping, hits) = (current(), hits.clone());
            move || {
                for _ in 0..rounds {
                    park();
                    hits.fetch_add(1, Relaxed);
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
        assert_eq!(hits.load(Relaxed), rounds);
        pong.join().expect("pong");
        took
    })
}

/// Parks `n` coroutines, and calls `before` and `parked` around that.
pub fn park_many(n: usize, mut at: impl FnMut(&str) + Send + 'static) {
    run(move || {
        let mut handles: Vec<Option<JoinHandle<()>>> = (0..n).map(|_| None).collect();
        let started = Arc::new(AtomicUsize::new(0));
        at("before");
        for slot in &mut handles {
            let started = started.clone();
            *slot = Some(spawn(move || {
                started.fetch_add(1, Relaxed);
                park();
            }));
        }
        while started.load(Relaxed) < n {
            // Not `yield_now`: may looks at new coroutines only when nobody else is ready.
            sleep(Duration::from_millis(1));
        }
        at("parked");
        for slot in &mut handles {
            let handle = slot.take().expect("filled above");
            handle.coroutine().unpark();
            handle.join().expect("parked, then woken");
        }
        at("ended");
        sleep(Duration::from_secs(5));
        at("later");
    });
}
