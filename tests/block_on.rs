//! `block_on`: any future blocks only its coroutine.

use corobin::{
    Elapsed, JoinError, block_on, handle, now, park, run, sleep, spawn, timeout, yield_now,
};
use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::Poll;
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
    run(|| {
        assert_eq!(block_on(async { 5 }), 5);
        assert_eq!(block_on(ready("ready")), "ready");
    });
}

#[test]
fn a_future_may_borrow_locals_and_so_may_its_value() {
    run(|| {
        let mut words = vec![String::from("a")];
        let last: &mut String = block_on(async {
            pending_for(3).await;
            words.push(String::from("b"));
            words.last_mut().unwrap()
        });
        last.push('!');
        assert_eq!(words, ["a", "b!"]);
    });
}

#[test]
fn a_large_and_aligned_future() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    run(|| {
        let sum = block_on(async {
            let page = Page([1; 4096]);
            let more = [2_u8; 8192];
            pending_for(2).await;
            assert_eq!(&raw const page as usize % 4096, 0);
            page.0
                .iter()
                .chain(&more)
                .map(|&b| u32::from(b))
                .sum::<u32>()
        });
        assert_eq!(sum, 4096 + 2 * 8192);
    });
}

#[test]
fn only_its_coroutine_blocks() {
    in_virtual_time(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let signal = Signal::default();
        let waiting = spawn({
            let (log, signal) = (log.clone(), signal.clone());
            move || {
                log.borrow_mut().push("waits");
                block_on(signal);
                log.borrow_mut().push("woken");
            }
        });
        let other = spawn({
            let (log, signal) = (log.clone(), signal.clone());
            move || {
                for _ in 0..3 {
                    log.borrow_mut().push("other");
                    yield_now();
                }
                signal.set();
            }
        });
        waiting.join().unwrap();
        other.join().unwrap();
        assert_eq!(*log.borrow(), ["waits", "other", "other", "other", "woken"]);
    });
}

#[test]
fn a_future_that_wakes_itself_for_ever_lets_others_run() {
    run(|| {
        let stop = Rc::new(Cell::new(false));
        let busy = spawn({
            let stop = stop.clone();
            move || {
                block_on(poll_fn(|context| {
                    if stop.get() {
                        return Poll::Ready(());
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                }))
            }
        });
        for _ in 0..100 {
            yield_now();
        }
        sleep(Duration::from_millis(1));
        stop.set(true);
        busy.join().unwrap();
    });
}

#[test]
fn a_future_that_wakes_itself_for_ever_meets_a_cancel_and_an_expiry() {
    fn busy() -> impl Future<Output = ()> {
        poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }
    run(|| {
        let child = spawn(|| block_on(busy()));
        yield_now();
        child.cancel();
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        let result = timeout(Duration::from_millis(1), || block_on(busy()));
        assert_eq!(result, Err(Elapsed));
    });
}

#[test]
fn a_future_may_suspend_its_coroutine_inside_of_its_poll() {
    in_virtual_time(|| {
        let start = now();
        let value = block_on(async {
            sleep(secs(1));
            pending_for(2).await;
            let inner = block_on(async {
                sleep(secs(1));
                pending_for(2).await;
                3
            });
            yield_now();
            inner + spawn(|| 4).join().unwrap()
        });
        assert_eq!(value, 7);
        assert_eq!(now() - start, secs(2));
    });
}

#[test]
fn a_join_handle_is_a_future() {
    in_virtual_time(|| {
        assert_eq!(block_on(spawn(|| 5)).unwrap(), 5);
        let finished = spawn(|| 6);
        yield_now();
        assert_eq!(block_on(finished).unwrap(), 6);
        let (slow, slower) = (spawn(|| sleep(secs(1))), spawn(|| sleep(secs(2))));
        let (a, b) = block_on(async { tokio::join!(slow, slower) });
        assert!(a.is_ok() && b.is_ok());

        let cancelled = spawn(park);
        cancelled.cancel();
        assert!(matches!(block_on(cancelled), Err(JoinError::Cancelled)));
        let panicked = spawn(|| -> () { resume_unwind(Box::new(7_u8)) });
        match block_on(panicked) {
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(payload.downcast_ref::<u8>(), Some(&7));
            }
            other => panic!("expected Panicked, got {other:?}"),
        }
    });
}

#[test]
fn the_first_of_two_join_handles_wins_and_the_other_goes_on_detached() {
    in_virtual_time(|| {
        let ended = Rc::new(Cell::new(false));
        let fast = spawn(|| {
            sleep(secs(1));
            "fast"
        });
        let slow = spawn({
            let ended = ended.clone();
            move || {
                sleep(secs(2));
                ended.set(true);
                "slow"
            }
        });
        let winner = block_on(async {
            tokio::select! {
                winner = fast => winner,
                winner = slow => winner,
            }
        });
        assert_eq!(winner.unwrap(), "fast");
        assert!(!ended.get());
        sleep(secs(2));
        assert!(ended.get());
    });
}

#[test]
fn a_remote_join_handle_is_a_future() {
    run(|| {
        let remote = handle().spawn(|| {
            sleep(Duration::from_millis(1));
            5
        });
        assert_eq!(block_on(remote).unwrap(), 5);
    });
}

#[test]
fn a_cancel_drops_the_future() {
    in_virtual_time(|| {
        let dropped = Rc::new(());
        let child = spawn({
            let inside = dropped.clone();
            move || {
                block_on(async move {
                    let _inside = inside;
                    pending::<()>().await;
                })
            }
        });
        yield_now();
        assert_eq!(Rc::strong_count(&dropped), 2);
        child.cancel();
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        assert_eq!(Rc::strong_count(&dropped), 1);
    });
}

#[test]
fn a_timeout_around_it_drops_the_future() {
    in_virtual_time(|| {
        let start = now();
        let dropped = Rc::new(());
        let inside = dropped.clone();
        let result = timeout(secs(2), || {
            block_on(async move {
                let _inside = inside;
                pending::<()>().await;
            })
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(Rc::strong_count(&dropped), 1);
        assert_eq!(now() - start, secs(2));
        let value = timeout(secs(2), || block_on(pending_for(5)));
        assert_eq!(value, Ok(()));
    });
}

#[test]
fn a_panic_in_the_future_reaches_the_caller() {
    run(|| {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            block_on(async {
                pending_for(2).await;
                resume_unwind(Box::new(9_u32));
            })
        }))
        .unwrap_err();
        assert_eq!(payload.downcast_ref::<u32>(), Some(&9));
    });
}

#[test]
fn outside_of_a_runtime_it_blocks_the_thread() {
    assert_eq!(block_on(async { 5 }), 5);
    block_on(pending_for(10));
    let signal = Signal::default();
    let thread = thread::spawn({
        let signal = signal.clone();
        move || {
            while !signal.is_waited_for() {
                thread::yield_now();
            }
            signal.set();
        }
    });
    block_on(signal);
    thread.join().unwrap();
    let caller = thread::current().id();
    assert_eq!(block_on(async { thread::current().id() }), caller);
}
