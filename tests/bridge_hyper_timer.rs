//! hyper's timer and executor on our clock and in our coroutines.
#![cfg(feature = "hyper")]

#[path = "common/on_drop.rs"]
mod on_drop;
#[path = "common/polls.rs"]
mod polls;
#[path = "common/virtual_time.rs"]
mod virtual_time;

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::time::{Duration, Instant};

use corobin::hyper::{Executor, Timer};
use corobin::{
    Elapsed, RunError, block_on, gather, run, shield, snapshot, spawn, timeout, yield_now,
};
use hyper::rt::{Executor as _, Sleep, Timer as _};
use on_drop::OnDrop;
use polls::{begin, poll_once};
use virtual_time::virtual_runtime;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn smoke() {
    let begin = Instant::now();
    run(|| block_on(Timer.sleep(Duration::from_millis(5))));
    assert!(begin.elapsed() >= Duration::from_millis(5));
}

#[test]
fn sleeps_end_in_time_whatever_their_order() {
    virtual_runtime().run(|| {
        let begin = corobin::now();
        let sleepers = (0..1000).map(|n: u32| {
            let due = begin + n * 37 % 1000 / 3 * SECOND;
            spawn(move || {
                block_on(Timer.sleep_until(due));
                assert_eq!(corobin::now(), due.max(begin));
                assert_eq!(Timer.now(), corobin::now());
            })
        });
        gather(sleepers.collect::<Vec<_>>()).unwrap();
        assert_eq!(corobin::now(), begin + 333 * SECOND);
    });
}

#[test]
fn one_that_begins_later_may_end_sooner() {
    virtual_runtime().run(|| {
        let begin = corobin::now();
        let later = spawn(|| block_on(Timer.sleep(10 * SECOND)));
        // Everybody waits.
        corobin::sleep(SECOND);
        block_on(Timer.sleep(SECOND));
        assert_eq!(corobin::now(), begin + 2 * SECOND);
        later.join().unwrap();
        assert_eq!(corobin::now(), begin + 10 * SECOND);
    });
}

#[test]
fn one_that_is_polled_again_is_woken_once() {
    virtual_runtime().run(|| {
        let mut sleep = Timer.sleep(SECOND);
        let (poll, first) = poll_once(&mut sleep);
        assert!(poll.is_pending());
        yield_now();
        let (poll, second) = poll_once(&mut sleep);
        assert!(poll.is_pending());
        corobin::sleep(2 * SECOND);
        assert_eq!((first.get(), second.get()), (0, 1));
        assert!(poll_once(&mut sleep).0.is_ready());
    });
}

#[test]
fn a_dropped_sleep_leaves_nothing_behind() {
    let mut runtime = virtual_runtime();
    let waited = Cell::new(None);
    let end = runtime.try_run(|| {
        let now = corobin::now();
        let mut sleeps = [3, 1, 2].map(|n| Timer.sleep(n * SECOND));
        for sleep in &mut sleeps {
            begin(sleep);
        }
        yield_now();
        drop(sleeps);
        yield_now();
        assert_eq!(snapshot().coroutines.len(), 1);
        // The time would go on if anything were awaited.
        let _told = OnDrop(|| waited.set(Some(corobin::now() - now)));
        corobin::park();
    });
    assert!(matches!(end, Err(RunError::Deadlock(_))));
    assert_eq!(waited.get(), Some(Duration::ZERO));
}

#[test]
fn a_sleep_is_reset_to_sooner_and_to_later() {
    for polled in [false, true] {
        virtual_runtime().run(|| {
            let now = corobin::now();
            let mut sleep = Timer.sleep(10 * SECOND);
            for due in [now + 20 * SECOND, now + 5 * SECOND] {
                if polled {
                    begin(&mut sleep);
                    yield_now();
                }
                Timer.reset(&mut sleep, due);
            }
            block_on(&mut sleep);
            assert_eq!(corobin::now(), now + 5 * SECOND);
            Timer.reset(&mut sleep, now + 7 * SECOND);
            block_on(sleep);
            assert_eq!(corobin::now(), now + 7 * SECOND);
        });
    }
}

#[test]
fn a_sleep_that_is_too_long_for_any_clock_never_ends() {
    virtual_runtime().run(|| {
        let sleeping = timeout(1_000_000 * SECOND, || block_on(Timer.sleep(Duration::MAX)));
        assert_eq!(sleeping, Err(Elapsed));
    });
}

#[test]
fn outside_of_a_runtime_only_a_sleep_that_waits_panics() {
    block_on(Timer.sleep(Duration::ZERO));
    block_on(Timer.sleep_until(Instant::now()));
    let waits = || block_on(Timer.sleep(SECOND));
    let payload = catch_unwind(waits).unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("needs a runtime"), "{text}");
}

#[test]
fn a_sleep_may_go_to_other_threads_and_runs() {
    fn everywhere<T: Send + Sync + 'static>(it: T) -> T {
        it
    }
    let begun = || {
        let mut sleep: Pin<Box<dyn Sleep>> = Timer.sleep(Duration::from_millis(10));
        begin(&mut sleep);
        yield_now();
        everywhere(sleep)
    };
    let (dropped, mut moved) = run(|| (begun(), begun()));
    std::thread::spawn(move || {
        drop(dropped);
        run(|| block_on(&mut moved));
        let (again, _) = poll_once(&mut moved);
        assert_eq!(again, Poll::Ready(()));
    })
    .join()
    .unwrap();
    // While the run goes on, too.
    run(|| {
        let mut sleep = begun();
        let thread = std::thread::spawn(move || run(|| block_on(&mut sleep)));
        corobin::sleep(Duration::from_millis(20));
        corobin::to_thread(|| thread.join().unwrap());
    });
}

#[test]
fn what_may_still_sleep_at_the_end_of_a_run_does() {
    let (told, ends) = mpsc::channel();
    virtual_runtime().run(move || {
        let last = told.clone();
        spawn(move || {
            let begin = corobin::now();
            shield(|| block_on(Timer.sleep(SECOND)));
            told.send(corobin::now() - begin).unwrap();
        });
        spawn(move || {
            let _last = OnDrop(move || {
                let begin = corobin::now();
                block_on(Timer.sleep(2 * SECOND));
                last.send(corobin::now() - begin).unwrap();
            });
            corobin::park();
        });
        yield_now();
    });
    assert_eq!(ends.iter().collect::<Vec<_>>(), [SECOND, 2 * SECOND]);
}

#[test]
fn executed_futures_run_beside_each_other() {
    virtual_runtime().run(|| {
        let ended = Rc::new(Cell::new(0));
        let begin = corobin::now();
        for _ in 0..10 {
            let ended = Rc::clone(&ended);
            Executor.execute(async move {
                Timer.sleep(SECOND).await;
                ended.set(ended.get() + 1);
            });
        }
        assert_eq!(ended.get(), 0);
        corobin::sleep(SECOND);
        while ended.get() < 10 {
            yield_now();
        }
        assert_eq!(corobin::now(), begin + SECOND);
    });
}

#[test]
fn executed_futures_are_dropped_at_the_end_of_the_run() {
    let (told, drops) = mpsc::channel();
    run(move || {
        for begins in [true, false] {
            let told = told.clone();
            let dropped = OnDrop(move || told.send(begins).unwrap());
            Executor.execute(async move {
                let _dropped = dropped;
                pending::<()>().await;
            });
            if begins {
                yield_now();
            }
        }
    });
    assert_eq!(drops.iter().count(), 2);
}

#[test]
fn an_executor_needs_a_runtime() {
    let execute = AssertUnwindSafe(|| Executor.execute(async {}));
    let payload = catch_unwind(execute).unwrap_err();
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("needs a runtime"), "{text}");
}
