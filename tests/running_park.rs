//! `current`, `park`, `unpark` and `yield_now`.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use corobin::{Coroutine, Runtime, current, park, run, sleep, spawn, yield_now};

const SECOND: Duration = Duration::from_secs(1);

type Trail = Rc<RefCell<Vec<String>>>;

fn entries(trail: &Trail) -> Vec<String> {
    trail.borrow().clone()
}

fn note(trail: &Trail, entry: impl Into<String>) {
    trail.borrow_mut().push(entry.into());
}

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
