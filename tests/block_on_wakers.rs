//! The wakers that `block_on` hands out: from where, when and how long they may be used.

use corobin::{JoinError, RunError, Runtime, block_on, now, park, run, sleep, spawn, yield_now};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/futures.rs"]
mod futures;
use futures::{Signal, pending_for};

#[test]
fn smoke() {
    run(|| block_on(pending_for(1)));
}

#[test]
fn a_wake_before_the_poll_returns_is_not_lost() {
    run(|| {
        for n in [1, 2, 1000] {
            block_on(pending_for(n));
        }
    });
}

#[test]
fn a_wake_from_another_thread_before_the_poll_returns_is_not_lost() {
    run(|| {
        for _ in 0..100 {
            let mut first = true;
            block_on(poll_fn(|context| {
                if std::mem::replace(&mut first, false) {
                    let waker = context.waker().clone();
                    thread::spawn(move || waker.wake()).join().unwrap();
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            }));
        }
    });
}

#[test]
fn a_wake_from_another_thread_later() {
    run(|| {
        for delay in [0, 1, 10] {
            let signal = Signal::default();
            let thread = thread::spawn({
                let signal = signal.clone();
                move || {
                    while !signal.is_waited_for() {
                        thread::yield_now();
                    }
                    thread::sleep(Duration::from_millis(delay));
                    signal.set();
                }
            });
            block_on(signal);
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_wake_from_another_coroutine() {
    in_virtual_time(|| {
        let signal = Signal::default();
        let start = now();
        spawn({
            let signal = signal.clone();
            move || {
                sleep(secs(3));
                signal.set();
            }
        });
        block_on(signal);
        assert_eq!(now() - start, secs(3));
    });
}

#[test]
fn a_storm_of_wakes_from_four_threads() {
    run(|| {
        let count = Arc::new(AtomicUsize::new(0));
        let mut started = false;
        let mut threads = Vec::new();
        block_on(poll_fn(|context| {
            if !std::mem::replace(&mut started, true) {
                for _ in 0..4 {
                    let (waker, count) = (context.waker().clone(), count.clone());
                    threads.push(thread::spawn(move || {
                        for _ in 0..2_000 {
                            count.fetch_add(1, SeqCst);
                            let clone = waker.clone();
                            clone.wake();
                            waker.wake_by_ref();
                        }
                    }));
                }
            }
            match count.load(SeqCst) {
                8_000 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_wake_after_completion_has_no_effect() {
    run(|| {
        let mut kept = None;
        block_on(poll_fn(|context| {
            kept = Some(context.waker().clone());
            Poll::Ready(())
        }));
        let waker = kept.unwrap();
        waker.wake_by_ref();
        let (sender, receiver) = mpsc::channel();
        let child = spawn(move || {
            park();
            sender.send(()).unwrap();
        });
        yield_now();
        waker.wake();
        for _ in 0..10 {
            yield_now();
        }
        assert!(receiver.try_recv().is_err(), "the wake reached another");
        child.coroutine().unpark();
        child.join().unwrap();

        // Nor does a late wake end a later wait of the same coroutine.
        let mut kept = None;
        block_on(poll_fn(|context| {
            kept = Some(context.waker().clone());
            Poll::Ready(())
        }));
        let waker = kept.unwrap();
        let me = corobin::current();
        let unparked = Rc::new(Cell::new(false));
        spawn({
            let unparked = unparked.clone();
            move || {
                waker.wake();
                yield_now();
                unparked.set(true);
                me.unpark();
            }
        });
        park();
        assert!(unparked.get());
    });
}

#[test]
fn a_waker_may_outlive_its_run() {
    let wakers = run(|| {
        let mut kept = Vec::new();
        block_on(poll_fn(|context| {
            kept.push(context.waker().clone());
            match kept.len() {
                3 => Poll::Ready(()),
                _ => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }));
        kept
    });
    wakers[0].wake_by_ref();
    let clone = wakers[0].clone();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake))
        .join()
        .unwrap();
    run(|| {
        clone.wake_by_ref();
        yield_now();
        drop(clone);
    });
}

#[test]
fn a_wake_after_the_future_was_dropped_by_a_cancel() {
    in_virtual_time(|| {
        let signal = Signal::default();
        let child = spawn({
            let signal = signal.clone();
            move || block_on(signal)
        });
        yield_now();
        child.cancel();
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        signal.set();
        yield_now();
    });
}

#[test]
fn a_future_that_nothing_can_wake_is_a_deadlock() {
    let mut runtime = Runtime::new().unwrap();
    let result = runtime.try_run(|| block_on(pending::<()>()));
    assert!(matches!(result, Err(RunError::Deadlock(_))));
    // So it is when the last waker is dropped by a thread, without a wake.
    let result = runtime.try_run(|| {
        block_on(poll_fn(|context| {
            let waker = context.waker().clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(10));
                drop(waker);
            });
            Poll::<()>::Pending
        }))
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
}

#[test]
fn a_live_waker_keeps_the_run_from_a_deadlock() {
    let woken = Arc::new(AtomicBool::new(false));
    let result = Runtime::new().unwrap().try_run(|| {
        let signal = Signal::default();
        spawn({
            let signal = signal.clone();
            move || block_on(signal)
        });
        yield_now();
        assert!(signal.is_waited_for());
        let flag = woken.clone();
        let other = signal.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            flag.store(true, SeqCst);
            other.set();
        });
        block_on(async { signal.clone().await });
    });
    result.unwrap();
    assert!(woken.load(SeqCst));
}
