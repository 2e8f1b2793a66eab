//! Destructors that suspend, spawn, join and time out while their coroutine unwinds.

use corobin::{
    Generator, JoinError, RunError, block_on, gather, now, park, scope, shield, sleep, spawn,
    to_thread, yield_now,
};
use std::panic::resume_unwind;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs, virtual_runtime};
#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, note};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{assert_cancelled, caught};

/// Parks a coroutine under a destructor that runs `in_drop`, cancels it and joins it.
fn cancel_with(in_drop: impl FnMut() + 'static) {
    in_virtual_time(|| {
        let child = spawn(|| {
            let _guard = OnDrop(in_drop);
            park();
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
    });
}

#[test]
fn smoke() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        note(&inner, "before");
        yield_now();
        note(&inner, "after");
    });
    assert_eq!(*log.borrow(), ["before", "after"]);
}

#[test]
fn others_run_while_a_destructor_waits() {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _outer = OnDrop(|| note(&log, "outer destructor"));
                let _inner = OnDrop(|| {
                    note(&log, "inner destructor begins");
                    sleep(secs(10));
                    note(&log, "inner destructor ends");
                });
                park();
            }
        });
        let other = spawn({
            let log = log.clone();
            move || {
                sleep(secs(5));
                note(&log, "other");
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        other.join().unwrap();
        assert_eq!(
            *log.borrow(),
            [
                "inner destructor begins",
                "other",
                "inner destructor ends",
                "outer destructor"
            ]
        );
    });
}

#[test]
fn every_kind_of_wait_works_inside_of_a_destructor() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        let start = now();
        sleep(secs(1));
        note(&inner, format!("sleep {:?}", now() - start));
        note(&inner, format!("join {}", spawn(|| 5).join().unwrap()));
        let gathered = gather([1, 2].map(|n| spawn(move || n))).unwrap();
        note(&inner, format!("gather {gathered:?}"));
        let mut local = 0;
        scope(|s| {
            s.spawn(|| {
                yield_now();
                local = 7;
            });
        });
        note(&inner, format!("scope {local}"));
        note(&inner, format!("to_thread {}", to_thread(|| local + 1)));
        note(&inner, format!("block_on {}", block_on(async { 9 })));
        let me = corobin::current();
        spawn(move || me.unpark());
        park();
        note(&inner, "park");
        shield(yield_now);
        note(&inner, "shield");
    });
    assert_eq!(
        *log.borrow(),
        [
            "sleep 1s",
            "join 5",
            "gather [1, 2]",
            "scope 7",
            "to_thread 8",
            "block_on 9",
            "park",
            "shield"
        ]
    );
}

#[test]
fn a_cancel_of_a_child_of_a_destructor_works() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        let child = spawn({
            let log = inner.clone();
            move || {
                let _note = OnDrop(|| note(&log, "grandchild unwound"));
                park();
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        note(&inner, "joined");
    });
    assert_eq!(*log.borrow(), ["grandchild unwound", "joined"]);
}

#[test]
fn a_panicking_child_of_a_destructor_is_joined_as_usual() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        let child = spawn(|| -> () { resume_unwind(Box::new(3_u8)) });
        if let Err(JoinError::Panicked(payload)) = child.join() {
            note(&inner, format!("{:?}", payload.downcast_ref::<u8>()));
        }
    });
    assert_eq!(*log.borrow(), ["Some(3)"]);
}

#[test]
fn a_destructor_may_suspend_while_the_main_coroutine_unwinds() {
    let log = Trail::default();
    let payload = caught(|| {
        in_virtual_time(|| {
            let other = spawn({
                let log = log.clone();
                move || {
                    sleep(secs(1));
                    note(&log, "other");
                    4
                }
            });
            let mut other = Some(other);
            let log = log.clone();
            let _guard = OnDrop(move || {
                let value = other.take().unwrap().join().unwrap();
                note(&log, format!("destructor got {value}"));
            });
            resume_unwind(Box::new("main failed"));
        })
    })
    .unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"main failed"));
    assert_eq!(*log.borrow(), ["other", "destructor got 4"]);
}

#[test]
fn a_destructor_may_suspend_in_the_clean_up_at_the_end_of_a_run() {
    let log = Trail::default();
    let inner = log.clone();
    in_virtual_time(move || {
        spawn(move || {
            let _guard = OnDrop(|| {
                sleep(secs(2));
                yield_now();
                note(&inner, "slept");
                let late = spawn(|| 1);
                note(
                    &inner,
                    format!("{:?}", late.join().map_err(|_| "cancelled")),
                );
            });
            park();
        });
        yield_now();
    });
    assert_eq!(*log.borrow(), ["slept", "Err(\"cancelled\")"]);
}

#[test]
fn a_destructor_may_suspend_in_the_unwinding_of_a_deadlock() {
    let log = Trail::default();
    let inner = log.clone();
    let mut runtime = virtual_runtime();
    let result = runtime.try_run(move || {
        let _guard = OnDrop(|| {
            sleep(secs(2));
            note(&inner, "slept");
        });
        park();
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
    assert_eq!(*log.borrow(), ["slept"]);
}

#[test]
fn a_cancel_inside_of_an_ordinary_destructor_unwinds_from_there() {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _outer = OnDrop(|| note(&log, "outer"));
                drop(OnDrop(|| {
                    note(&log, "waiting in drop");
                    park();
                    note(&log, "not reached");
                }));
                note(&log, "not reached either");
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["waiting in drop", "outer"]);
    });
}

#[test]
fn captures_that_were_never_started_may_suspend_in_their_destructors() {
    in_virtual_time(|| {
        let log = Trail::default();
        let inner = log.clone();
        let guard = OnDrop(move || {
            shield(|| sleep(secs(1)));
            note(&inner, "captures dropped");
        });
        let child = spawn(move || drop(guard));
        child.cancel();
        assert_cancelled(child.join());
        sleep(secs(2));
        assert_eq!(*log.borrow(), ["captures dropped"]);
    });
}

#[test]
fn a_panic_of_captures_that_were_never_started_is_one_of_the_body() {
    in_virtual_time(|| {
        let guard = OnDrop(|| panic!("in the destructor of a capture"));
        let child = spawn(move || drop(guard));
        child.cancel();
        match child.join() {
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(
                    payload.downcast_ref(),
                    Some(&"in the destructor of a capture")
                );
            }
            other => panic!("not a panic: {other:?}"),
        }
        let raised = caught(|| {
            scope(|s| {
                let guard = OnDrop(|| panic!("in a scope"));
                s.spawn(move || drop(guard)).cancel();
            });
        });
        assert_eq!(raised.unwrap_err().downcast_ref(), Some(&"in a scope"));
    });
}

#[test]
fn a_generator_may_be_used_and_suspended_in_a_destructor() {
    let log = Trail::default();
    let inner = log.clone();
    cancel_with(move || {
        let start = now();
        let generator = Generator::<u64>::new(|y| {
            for n in 1..=3 {
                sleep(secs(n));
                y.yield_(n);
            }
        });
        let items: Vec<_> = generator.collect();
        note(&inner, format!("{items:?} at {:?}", now() - start));
    });
    assert_eq!(*log.borrow(), ["[1, 2, 3] at 6s"]);
}

#[test]
fn a_generator_closed_by_the_unwinding_may_suspend_in_its_destructors() {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let _outer = OnDrop(|| note(&log, "coroutine"));
                let inner = log.clone();
                let mut generator = Generator::<u8>::new(move |y| {
                    let _guard = OnDrop(|| {
                        sleep(secs(1));
                        note(&inner, "generator");
                    });
                    y.yield_(1);
                });
                generator.next();
                park();
            }
        });
        yield_now();
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(*log.borrow(), ["generator", "coroutine"]);
    });
}
