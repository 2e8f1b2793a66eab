//! `current`, `park`, `unpark` and `yield_now`.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Coroutine, JoinError, Runtime, current, now, park, park_timeout, run, sleep, spawn, yield_now,
};

#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, entries, note};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn smoke() {
    run(|| {
        let main = current();
        let child = spawn(move || main.unpark());
        park();
        assert!(child.is_finished());
    });
}

#[test]
fn coroutines_know_themselves() {
    run(|| {
        let ids: Rc<RefCell<HashSet<corobin::Id>>> = Rc::default();
        ids.borrow_mut().insert(current().id());
        for _ in 0..10 {
            let inside = ids.clone();
            let handle = spawn(move || {
                yield_now();
                let me: Coroutine = current().clone();
                inside.borrow_mut().insert(me.id());
                me.id()
            });
            let id = handle.coroutine().id();
            assert_eq!(handle.join().unwrap(), id);
        }
        assert_eq!(ids.borrow().len(), 11);
    });
}

#[test]
fn park_waits_for_unpark() {
    let trail = Trail::default();
    run(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            for turn in 0..3 {
                park();
                note(&log, format!("woken {turn}"));
            }
        });
        for turn in 0..3 {
            yield_now();
            yield_now();
            note(&trail, format!("unpark {turn}"));
            handle.coroutine().unpark();
        }
        handle.join().unwrap();
    });
    assert_eq!(
        entries(&trail),
        [
            "unpark 0", "woken 0", "unpark 1", "woken 1", "unpark 2", "woken 2"
        ]
    );
}

#[test]
fn unpark_leaves_one_token_however_often() {
    run(|| {
        let passed = Rc::new(Cell::new(0));
        let count = passed.clone();
        let handle = spawn(move || {
            for _ in 0..3 {
                park();
                count.set(count.get() + 1);
            }
        });
        handle.coroutine().unpark();
        handle.coroutine().unpark();
        handle.coroutine().unpark();
        (0..5).for_each(|_| yield_now());
        assert_eq!(passed.get(), 1);
        handle.coroutine().unpark();
        handle.coroutine().unpark();
        (0..5).for_each(|_| yield_now());
        assert!(passed.get() <= 3);
        handle.cancel();
    });
}

#[test]
fn unpark_of_oneself_makes_the_next_park_return() {
    run(|| {
        let me = current();
        me.unpark();
        park();
        me.clone().unpark();
        park();
    });
}

#[test]
fn unparked_coroutines_run_in_the_order_of_unparking() {
    let trail = Trail::default();
    run(|| {
        let handles: Vec<_> = ["a", "b", "c", "d"]
            .map(|name| {
                let log = trail.clone();
                spawn(move || {
                    park();
                    note(&log, name);
                })
            })
            .into();
        yield_now();
        for index in [2, 0, 3, 1] {
            handles[index].coroutine().unpark();
        }
        corobin::gather(handles).unwrap();
    });
    assert_eq!(entries(&trail), ["c", "a", "d", "b"]);
}

#[test]
fn unpark_does_not_end_another_wait_and_is_kept() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        let handle = spawn(|| {
            let began = corobin::now();
            sleep(SECOND * 10);
            let slept = corobin::now() - began;
            park();
            slept
        });
        sleep(SECOND);
        handle.coroutine().unpark();
        assert!(handle.join().unwrap() >= SECOND * 10);
    });
}

#[test]
fn park_timeout_waits_for_unpark_or_the_time() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        let timed = |limit| {
            let start = now();
            park_timeout(limit);
            now() - start
        };
        let (me, unparks) = (current(), SECOND * 3);
        spawn(move || {
            sleep(unparks);
            me.unpark();
        });
        assert_eq!(timed(SECOND * 2), SECOND * 2);
        assert_eq!(timed(SECOND * 2), SECOND);
        assert_eq!(timed(SECOND * 2), SECOND * 2, "the token is used up");
        current().unpark();
        assert_eq!(timed(Duration::MAX), Duration::ZERO);
        current().unpark();
        assert_eq!(timed(Duration::ZERO), Duration::ZERO);
        assert_eq!(timed(SECOND), SECOND, "the token is used up");
    });
}

/// The token that comes when the time is over is used up, as with a thread.
#[test]
fn park_timeout_takes_a_token_that_comes_with_the_time() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        let me = current();
        spawn(move || {
            sleep(SECOND);
            me.unpark();
        });
        yield_now();
        park_timeout(SECOND);
        let start = now();
        park_timeout(SECOND);
        assert_eq!(now() - start, SECOND);
    });
}

#[test]
fn park_timeout_without_time_lets_others_run() {
    run(|| {
        let other = spawn(|| ());
        park_timeout(Duration::ZERO);
        assert!(other.is_finished());
    });
}

#[test]
fn a_cancel_of_park_timeout_leaves_the_token() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        let after = Rc::new(Cell::new(None));
        let parks = spawn({
            let after = after.clone();
            move || {
                struct Parks(Rc<Cell<Option<Duration>>>);
                impl Drop for Parks {
                    fn drop(&mut self) {
                        let start = now();
                        park_timeout(SECOND);
                        self.0.set(Some(now() - start));
                    }
                }
                let _parks = Parks(after);
                park_timeout(SECOND);
            }
        });
        yield_now();
        parks.cancel();
        parks.coroutine().unpark();
        assert!(matches!(parks.join(), Err(JoinError::Cancelled)));
        assert_eq!(after.get(), Some(Duration::ZERO));
    });
}

#[test]
fn unpark_of_a_finished_coroutine_does_nothing() {
    run(|| {
        let handle = spawn(|| 1);
        let coroutine = handle.coroutine().clone();
        assert_eq!(handle.join().unwrap(), 1);
        let next = spawn(|| {
            yield_now();
            yield_now();
        });
        coroutine.unpark();
        coroutine.unpark();
        next.join().unwrap();
    });
}

#[test]
fn yield_now_alone_returns() {
    run(|| (0..1000).for_each(|_| yield_now()));
}
