//! A cancel at each kind of suspension point: while it waits, and pending before it was reached.

use corobin::{
    JoinHandle, block_on, current, gather, interval, is_cancel, now, park, scope, sleep,
    sleep_until, spawn, timeout, to_thread, yield_now,
};
use std::cell::RefCell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, note};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::assert_cancelled;

/// Cancels a coroutine that waits in `wait`: nothing after the wait may run.
fn cancel_while_in(wait: impl FnOnce() + 'static) {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let child = spawn({
            let log = log.clone();
            move || {
                let _note = Mark(log.clone(), "unwound");
                note(&log, "before");
                wait();
                note(&log, "after");
            }
        });
        yield_now();
        yield_now();
        assert_eq!(*log.borrow(), ["before"]);
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["before", "unwound"]);
        assert_eq!(now(), start);
    });
}

/// Runs `point` in a coroutine that has a cancel pending: it must raise although it need not wait.
fn cancel_pending_before(point: impl FnOnce() + 'static) {
    in_virtual_time(|| {
        let own: Rc<RefCell<Option<JoinHandle<bool>>>> = Rc::default();
        let child = spawn({
            let own = own.clone();
            move || {
                own.borrow().as_ref().unwrap().cancel();
                match catch_unwind(AssertUnwindSafe(point)) {
                    Ok(()) => false,
                    Err(payload) => is_cancel(&payload),
                }
            }
        });
        *own.borrow_mut() = Some(child);
        while !own.borrow().as_ref().unwrap().is_finished() {
            yield_now();
        }
        let child = own.borrow_mut().take().unwrap();
        assert!(child.join().unwrap(), "the pending cancel was not raised");
    });
}

#[test]
fn smoke() {
    cancel_while_in(park);
}

#[test]
fn while_in_yield_now() {
    cancel_while_in(|| {
        loop {
            yield_now();
        }
    });
}

#[test]
fn while_in_sleep() {
    cancel_while_in(|| sleep(Duration::from_secs(60)));
}

#[test]
fn while_in_an_endless_sleep() {
    cancel_while_in(|| sleep(Duration::MAX));
}

#[test]
fn while_in_sleep_until() {
    cancel_while_in(|| sleep_until(now() + Duration::from_secs(60)));
}

#[test]
fn while_in_a_tick() {
    cancel_while_in(|| {
        let mut interval = interval(Duration::from_secs(60));
        for _ in 0..3 {
            interval.tick();
        }
    });
}

#[test]
fn while_in_join() {
    cancel_while_in(|| {
        let target = spawn(park);
        target.join().unwrap();
    });
}

#[test]
fn while_in_gather() {
    cancel_while_in(|| {
        let targets = vec![spawn(park), spawn(park)];
        gather(targets).unwrap();
    });
}

#[test]
fn while_a_scope_waits_for_its_children() {
    cancel_while_in(|| {
        scope(|s| {
            s.spawn(park);
        });
    });
}

#[test]
fn while_the_body_of_a_scope_waits() {
    cancel_while_in(|| {
        scope(|s| {
            s.spawn(park);
            park();
        });
    });
}

#[test]
fn while_in_a_scoped_join() {
    cancel_while_in(|| {
        scope(|s| {
            let child = s.spawn(park);
            child.join().unwrap();
        });
    });
}

#[test]
fn while_in_block_on() {
    cancel_while_in(|| block_on(pending::<()>()));
}

#[test]
fn while_in_block_on_of_a_join_handle() {
    cancel_while_in(|| {
        let target = spawn(park);
        block_on(target).unwrap();
    });
}

#[test]
fn while_in_a_suspension_inside_of_a_polled_future() {
    cancel_while_in(|| block_on(async { park() }));
}

#[test]
fn while_inside_of_a_timeout() {
    cancel_while_in(|| {
        timeout(Duration::from_secs(60), park).unwrap();
    });
}

#[test]
fn while_in_to_thread_the_frame_is_kept_until_the_thread_is_done() {
    let release = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicBool::new(false));
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            let (release, started) = (release.clone(), started.clone());
            move || {
                let _note = Mark(log.clone(), "unwound");
                to_thread(|| {
                    started.store(true, SeqCst);
                    while !release.load(SeqCst) {
                        std::thread::yield_now();
                    }
                });
                yield_now();
                note(&log, "after");
            }
        });
        while !started.load(SeqCst) {
            yield_now();
        }
        child.cancel();
        for _ in 0..1000 {
            yield_now();
        }
        assert!(!child.is_finished());
        assert!(log.borrow().is_empty());
        release.store(true, SeqCst);
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["unwound"]);
    });
}

#[test]
fn a_cancelled_to_thread_that_ran_returns_its_value_first() {
    let release = Arc::new(AtomicBool::new(false));
    let started = Arc::new(AtomicBool::new(false));
    in_virtual_time(|| {
        let value = Rc::new(RefCell::new(None));
        let child = spawn({
            let value = value.clone();
            let (release, started) = (release.clone(), started.clone());
            move || {
                let got = to_thread(|| {
                    started.store(true, SeqCst);
                    while !release.load(SeqCst) {
                        std::thread::yield_now();
                    }
                    String::from("done")
                });
                *value.borrow_mut() = Some(got);
                yield_now();
                value.borrow_mut().take();
            }
        });
        while !started.load(SeqCst) {
            yield_now();
        }
        child.cancel();
        release.store(true, SeqCst);
        assert_cancelled(child.join());
        assert_eq!(value.borrow().as_deref(), Some("done"));
    });
}

#[test]
fn a_join_that_was_woken_with_its_result_returns_it_first() {
    in_virtual_time(|| {
        let value = Rc::new(RefCell::new(None));
        let target = spawn(|| {
            park();
            String::from("result")
        });
        let target_coroutine = target.coroutine().clone();
        let joiner = spawn({
            let value = value.clone();
            move || {
                *value.borrow_mut() = Some(target.join().unwrap());
                yield_now();
                value.borrow_mut().take();
            }
        });
        yield_now();
        target_coroutine.unpark();
        // The target runs before this coroutine does, the joiner after it.
        yield_now();
        joiner.cancel();
        assert_cancelled(joiner.join());
        assert_eq!(value.borrow().as_deref(), Some("result"));
    });
}

#[test]
fn pending_before_yield_now() {
    cancel_pending_before(yield_now);
}

#[test]
fn pending_before_a_park_with_a_token() {
    cancel_pending_before(|| {
        current().unpark();
        park();
    });
}

#[test]
fn pending_before_a_zero_sleep() {
    cancel_pending_before(|| sleep(Duration::ZERO));
}

#[test]
fn pending_before_a_sleep_into_the_past() {
    cancel_pending_before(|| sleep_until(now()));
}

#[test]
fn pending_before_a_tick() {
    cancel_pending_before(|| {
        interval(Duration::from_secs(1)).tick();
    });
}

#[test]
fn pending_before_a_join_of_a_finished_coroutine() {
    in_virtual_time(|| {
        let finished = spawn(|| 5);
        yield_now();
        assert!(finished.is_finished());
        let own: Rc<RefCell<Option<JoinHandle<i32>>>> = Rc::default();
        let child = spawn({
            let own = own.clone();
            move || {
                own.borrow().as_ref().unwrap().cancel();
                finished.join().unwrap()
            }
        });
        *own.borrow_mut() = Some(child);
        yield_now();
        let child = own.borrow_mut().take().unwrap();
        assert_cancelled(child.join());
    });
}

#[test]
fn pending_before_gather() {
    cancel_pending_before(|| {
        let children = vec![spawn(|| 1), spawn(|| 2)];
        gather(children).unwrap();
    });
}

#[test]
fn pending_before_to_thread_which_then_never_runs() {
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    cancel_pending_before(move || to_thread(|| flag.store(true, SeqCst)));
    assert!(!ran.load(SeqCst));
}

#[test]
fn pending_before_block_on_of_a_ready_future() {
    cancel_pending_before(|| block_on(ready(())));
}

#[test]
fn a_cancel_drops_the_future_in_block_on() {
    struct Never(#[allow(dead_code)] Mark<Trail, &'static str>);
    impl Future for Never {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _outer = Mark(log.clone(), "frame");
                block_on(Never(Mark(log, "future")));
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["future", "frame"]);
    });
}

/// An `unpark` ends no other wait, so it opens no gap in which the end could come before
/// a cancel that was earlier.
#[test]
fn a_cancel_after_an_unpark_comes_before_the_end_that_is_waited_for() {
    let waits: [fn(JoinHandle<()>); 3] = [
        |other| drop(other.join()),
        |other| drop(gather([other])),
        |other| drop(block_on(other)),
    ];
    for wait in waits {
        in_virtual_time(|| {
            let other = spawn(park);
            let end = other.coroutine().clone();
            let returned = Rc::new(RefCell::new(false));
            let log = Rc::clone(&returned);
            let waiter = spawn(move || {
                wait(other);
                *log.borrow_mut() = true;
            });
            yield_now();
            end.unpark();
            waiter.coroutine().unpark();
            waiter.cancel();
            assert_cancelled(waiter.join());
            assert!(!*returned.borrow());
        });
    }
}
