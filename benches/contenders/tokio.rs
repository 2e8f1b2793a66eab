//! The programs on tokio's current-thread runtime with a `LocalSet`, the nearest it has to
//! coroutines that may share `Rc`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use ::tokio::runtime::Builder;
use ::tokio::sync::Notify;
use ::tokio::task::{JoinHandle, LocalSet, spawn_blocking, spawn_local, yield_now};
use ::tokio::time::sleep;

use super::SleepCost;
use super::lap::Lap;
use super::meter::process_cpu;

/// A `LocalSet` polls so many tasks in a row, and those that yielded meanwhile come back in
/// reverse: with each round, also those of the start, a task may be overtaken by so many others.
const TASKS_PER_TICK: u64 = 61;

fn run<T>(main: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), main)
}

/// Tasks, queued in this order, that yield to each other `rounds` times.
pub fn yields(order: &[usize], rounds: u64) -> Duration {
    run(async {
        let (n, first) = (order.len(), order[0]);
        let lap = Lap::with_slack(n, TASKS_PER_TICK.saturating_mul(rounds + 3));
        let wakers = Rc::new(RefCell::new(Vec::with_capacity(n)));
        let handles: Vec<_> = (0..n)
            .map(|i| {
                let (lap, wakers) = (lap.clone(), wakers.clone());
                spawn_local(async move {
                    lap.enter();
                    park(&wakers).await;
                    let watch = lap.begin(i == first);
                    for _ in 0..rounds {
                        yield_now().await;
                    }
                    if lap.end(watch) {
                        yield_now().await;
                        lap.check();
                    }
                })
            })
            .collect();
        while !lap.all_started() {
            yield_now().await;
        }
        for &i in order {
            wakers.borrow()[i].wake_by_ref();
        }
        join_all(handles).await;
        lap.result()
    })
}

/// Leaves the task's waker with the others and waits for it to be used.
fn park(wakers: &RefCell<Vec<Waker>>) -> impl Future<Output = ()> {
    let mut waits = false;
    poll_fn(move |context| {
        if waits {
            return Poll::Ready(());
        }
        waits = true;
        wakers.borrow_mut().push(context.waker().clone());
        Poll::Pending
    })
}

/// `batches` times: spawn `batch` empty tasks, then join them.
pub fn spawn_join(batch: usize, batches: u64) -> Duration {
    run(async {
        let mut handles = Vec::with_capacity(batch);
        let mut joined = 0;
        let mut begin = Instant::now();
        for number in 0..=batches {
            if number == 1 {
                // The batch before this one was the warm-up.
                assert_eq!(joined, batch as u64);
                (joined, begin) = (0, Instant::now());
            }
            handles.extend((0..batch).map(|_| spawn_local(async {})));
            for handle in handles.drain(..) {
                joined += u64::from(handle.await.is_ok());
            }
        }
        let took = begin.elapsed();
        assert_eq!(joined, batch as u64 * batches);
        took
    })
}

/// Two tasks that wake each other in turn; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    run(async {
        let hits = Rc::new(Cell::new(0));
        let (to_ping, to_pong) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let pong = spawn_local({
            let (to_ping, to_pong, hits) = (to_ping.clone(), to_pong.clone(), hits.clone());
            async move {
                for _ in 0..rounds {
                    to_pong.notified().await;
                    hits.set(hits.get() + 1);
                    to_ping.notify_one();
                }
            }
        });
        yield_now().await;
        let begin = Instant::now();
        for _ in 0..rounds {
            to_pong.notify_one();
            to_ping.notified().await;
        }
        let took = begin.elapsed();
        assert_eq!(hits.get(), rounds);
        pong.await.expect("pong");
        took
    })
}

/// One sleeper for each deadline, on memory that an earlier crowd has used already.
pub fn sleepers(deadlines: &[Duration]) -> SleepCost {
    run(async {
        let warm_up = deadlines.iter().map(|_| spawn_local(yield_now()));
        join_all(warm_up.collect()).await;
        let before = process_cpu();
        let started = Rc::new(Cell::new(0));
        let handles: Vec<_> = deadlines
            .iter()
            .map(|&deadline| {
                let started = started.clone();
                spawn_local(async move {
                    started.set(started.get() + 1);
                    yield_now().await;
                    sleep(deadline).await;
                })
            })
            .collect();
        while started.get() < deadlines.len() {
            yield_now().await;
        }
        let (begin, started) = (Instant::now(), process_cpu());
        join_all(handles).await;
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
    run(async {
        spawn_blocking(|| ()).await.expect("warm-up");
        let mut sum = 0;
        let begin = Instant::now();
        for i in 0..rounds {
            sum += spawn_blocking(move || black_box(i)).await.expect("a call");
        }
        let took = begin.elapsed();
        assert_eq!(sum, (0..rounds).sum::<u64>());
        took
    })
}

/// Lets `n` tasks wait and lets `at` look at each stage.
pub fn park_many(n: usize, at: &mut dyn FnMut(&str)) {
    let mut handles: Vec<Option<JoinHandle<()>>> = (0..n).map(|_| None).collect();
    run(async {
        at("before");
        let started = Rc::new(Cell::new(0));
        let wake = Rc::new(Notify::new());
        for slot in &mut handles {
            let (started, wake) = (started.clone(), wake.clone());
            *slot = Some(spawn_local(async move {
                started.set(started.get() + 1);
                wake.notified().await;
            }));
        }
        while started.get() < n {
            yield_now().await;
        }
        at("parked");
        wake.notify_waiters();
        for slot in &mut handles {
            let handle = slot.take().expect("filled above");
            handle.await.expect("parked, then woken");
        }
        at("ended");
        sleep(Duration::from_secs(5)).await;
        at("later");
    });
    at("run over");
}

/// CPU time of a runtime whose only task sleeps for `span`.
pub fn idle(span: Duration) -> Duration {
    let before = process_cpu();
    run(async { sleep(span).await });
    process_cpu() - before
}

async fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        handle.await.expect("no participant panics");
    }
}
