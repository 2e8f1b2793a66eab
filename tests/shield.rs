//! `shield` defers what comes from outside of it, and only that.

use corobin::sync::{Event, Mutex, channel};
use corobin::{
    Elapsed, gather, is_cancel, now, park, scope, select, shield, sleep, spawn, timeout, to_thread,
    yield_now,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs};
#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, note};
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::assert_cancelled;

/// Runs `body` in a coroutine that is cancelled after a second; it must end as cancelled.
fn cancel_after_a_second(body: impl FnOnce(&Trail) + 'static) -> Vec<String> {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || body(&log)
        });
        sleep(secs(1));
        child.cancel();
        assert_cancelled(child.join());
        log.take()
    })
}

#[test]
fn smoke() {
    let log = cancel_after_a_second(|log| {
        shield(|| {
            sleep(secs(5));
            note(log, "shielded sleep done");
        });
        yield_now();
        note(log, "not reached");
    });
    assert_eq!(log, ["shielded sleep done"]);
}

#[test]
fn the_value_of_a_shield_is_the_value_of_its_body_and_may_borrow() {
    in_virtual_time(|| {
        let mut number = 1;
        let borrowed = shield(|| {
            yield_now();
            number += 1;
            &mut number
        });
        *borrowed += 1;
        assert_eq!(number, 3);
    });
}

#[test]
fn outside_of_cancels_a_shield_changes_nothing() {
    in_virtual_time(|| {
        let start = now();
        shield(|| sleep(secs(2)));
        assert_eq!(now() - start, secs(2));
        let payload =
            catch_unwind(|| shield(|| -> () { resume_unwind(Box::new(4_u8)) })).unwrap_err();
        assert_eq!(payload.downcast_ref::<u8>(), Some(&4));
        // The shield is gone with the panic.
        assert_eq!(timeout(secs(1), park), Err(Elapsed));
    });
}

#[test]
fn many_waits_are_shielded_until_the_body_returns() {
    let log = cancel_after_a_second(|log| {
        let start = now();
        shield(|| {
            for _ in 0..3 {
                sleep(secs(2));
                yield_now();
            }
            note(log, format!("{:?}", now() - start));
            note(log, format!("{}", spawn(|| 5).join().unwrap()));
            note(log, format!("{:?}", gather([spawn(|| 6)]).unwrap()));
            note(log, format!("{}", scope(|s| s.spawn(|| 7).join().unwrap())));
            note(log, format!("{}", to_thread(|| 8)));
        });
        yield_now();
        note(log, "not reached");
    });
    assert_eq!(log, ["6s", "5", "[6]", "7", "8"]);
}

#[test]
fn a_cancel_pending_before_the_shield_waits_too() {
    let log = cancel_after_a_second(|log| {
        let payload = catch_unwind(AssertUnwindSafe(park)).unwrap_err();
        assert!(is_cancel(&payload));
        shield(|| {
            sleep(secs(1));
            note(log, "shielded");
        });
        yield_now();
        note(log, "not reached");
    });
    assert_eq!(log, ["shielded"]);
}

#[test]
fn an_expiry_from_outside_waits_too() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let result = timeout(secs(1), || {
            shield(|| {
                sleep(secs(3));
                note(&log, "shielded");
            });
            yield_now();
            note(&log, "not reached");
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(now() - start, secs(3));
        assert_eq!(*log.borrow(), ["shielded"]);
    });
}

#[test]
fn a_timeout_opened_inside_works() {
    let log = cancel_after_a_second(|log| {
        let start = now();
        shield(|| {
            let inside = timeout(secs(4), park);
            note(log, format!("{inside:?} at {:?}", now() - start));
            let nested = timeout(secs(9), || timeout(secs(1), park));
            note(log, format!("{nested:?} at {:?}", now() - start));
            let value = timeout(secs(9), || {
                sleep(secs(1));
                5
            });
            note(log, format!("{value:?} at {:?}", now() - start));
        });
        yield_now();
        note(log, "not reached");
    });
    assert_eq!(
        log,
        [
            "Err(Elapsed) at 4s",
            "Ok(Err(Elapsed)) at 5s",
            "Ok(5) at 6s"
        ]
    );
}

#[test]
fn a_timeout_inside_of_a_shield_does_not_let_the_outer_expiry_in() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let outer = timeout(secs(1), || {
            shield(|| {
                let inner = timeout(secs(5), || sleep(secs(3)));
                note(&log, format!("inner {inner:?} at {:?}", now() - start));
            });
            yield_now();
        });
        note(&log, format!("outer {outer:?} at {:?}", now() - start));
        assert_eq!(
            *log.borrow(),
            ["inner Ok(()) at 3s", "outer Err(Elapsed) at 3s"]
        );
    });
}

#[test]
fn after_a_shield_the_innermost_of_the_expired_is_raised_first() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let outer = timeout(secs(1), || {
            let inner = timeout(secs(2), || {
                shield(|| sleep(secs(5)));
                yield_now();
                note(&log, "not reached");
            });
            note(&log, format!("inner {inner:?}"));
            yield_now();
            note(&log, "not reached");
        });
        note(&log, format!("outer {outer:?} at {:?}", now() - start));
        assert_eq!(
            *log.borrow(),
            ["inner Err(Elapsed)", "outer Err(Elapsed) at 5s"]
        );
    });
}

#[test]
fn a_nested_shield_ends_with_the_outermost() {
    let log = cancel_after_a_second(|log| {
        shield(|| {
            shield(|| {
                sleep(secs(2));
                note(log, "inner");
            });
            sleep(secs(2));
            yield_now();
            note(log, "outer");
        });
        yield_now();
        note(log, "not reached");
    });
    assert_eq!(log, ["inner", "outer"]);
}

#[test]
fn a_shield_inside_of_a_timeout_inside_of_a_shield() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let child = spawn({
            let log = log.clone();
            move || {
                shield(|| {
                    let result = timeout(secs(2), || {
                        shield(|| sleep(secs(4)));
                        yield_now();
                        note(&log, "not reached");
                    });
                    note(&log, format!("{result:?} at {:?}", now() - start));
                    sleep(secs(1));
                    note(&log, format!("still shielded at {:?}", now() - start));
                });
                yield_now();
                note(&log, "not reached");
            }
        });
        sleep(secs(1));
        child.cancel();
        assert_cancelled(child.join());
        assert_eq!(
            *log.borrow(),
            ["Err(Elapsed) at 4s", "still shielded at 5s"]
        );
    });
}

#[test]
fn a_shield_does_not_cover_the_coroutines_it_spawns() {
    in_virtual_time(|| {
        shield(|| {
            let child = spawn(park);
            yield_now();
            child.cancel();
            assert_cancelled(child.join());
        });
        let ended = shield(|| {
            scope(|s| {
                let child = s.spawn(park);
                yield_now();
                s.cancel();
                child.join().is_err()
            })
        });
        assert!(ended);
    });
}

#[test]
fn a_shielded_scope_is_not_interrupted_nor_are_its_children() {
    let log = cancel_after_a_second(|log| {
        shield(|| {
            scope(|s| {
                s.spawn(|| {
                    sleep(secs(4));
                    note(log, "child");
                });
            });
        });
        yield_now();
        note(log, "not reached");
    });
    assert_eq!(log, ["child"]);
}

#[test]
fn the_end_of_the_run_waits_for_a_shield() {
    let log = Trail::default();
    let inner = log.clone();
    in_virtual_time(move || {
        spawn(move || {
            shield(|| {
                sleep(secs(5));
                note(&inner, "shielded");
            });
            yield_now();
            note(&inner, "not reached");
        });
        yield_now();
    });
    assert_eq!(*log.borrow(), ["shielded"]);
}

#[test]
fn a_shield_in_a_destructor_during_unwinding() {
    let log = cancel_after_a_second(|log| {
        let _guard = OnDrop(|| {
            shield(|| {
                sleep(secs(2));
                note(log, format!("{:?}", timeout(secs(1), park)));
            });
            sleep(secs(1));
            note(log, "destructor done");
        });
        park();
    });
    assert_eq!(log, ["Err(Elapsed)", "destructor done"]);
}

/// Yields, a channel with and without room, a lock, an event and a `select!`, in turns.
fn dance() -> Vec<String> {
    let log = Trail::default();
    let together = |body: fn(&Trail, usize)| {
        let start = |n| {
            let log = log.clone();
            spawn(move || body(&log, n))
        };
        gather((0..3).map(start)).unwrap();
    };
    together(|log, n| {
        for turn in 0..3 {
            note(log, format!("turn {turn} of {n}"));
            yield_now();
        }
    });
    for capacity in [0, 1, 4] {
        let ((to_pong, pong), (to_ping, ping)) = (channel(capacity), channel(capacity));
        let echo = spawn(move || pong.iter().for_each(|n| to_ping.send(n + 100).unwrap()));
        let heard = log.clone();
        let listener = spawn(move || {
            for n in &ping {
                note(&heard, format!("heard {n}"));
            }
        });
        for n in 0..6 {
            note(&log, format!("says {n}"));
            to_pong.send(n).unwrap();
        }
        drop(to_pong);
        gather([echo, listener]).unwrap();
    }
    let lock = Rc::new(Mutex::new(0));
    let takers = (0..3).map(|n| {
        let (lock, log) = (lock.clone(), log.clone());
        spawn(move || {
            for _ in 0..3 {
                let mut value = lock.lock();
                *value += 1;
                note(&log, format!("{n} has {value}"));
                yield_now();
            }
        })
    });
    gather(takers.collect::<Vec<_>>()).unwrap();
    let event = Rc::new(Event::new());
    let waiters = (0..3).map(|n| {
        let (event, log) = (event.clone(), log.clone());
        spawn(move || {
            event.wait();
            note(&log, format!("{n} goes on"));
        })
    });
    let waiters: Vec<_> = waiters.collect();
    yield_now();
    event.set();
    gather(waiters).unwrap();
    let ((tx, rx), (_other_tx, other)) = (channel(1), channel::<i32>(1));
    let sender = spawn(move || (0..3).for_each(|n| tx.send(n).unwrap()));
    for _ in 0..3 {
        select! {
            recv(rx) -> n => note(&log, format!("picks {n:?}")),
            recv(other) -> _ => unreachable!("nobody sends"),
        }
    }
    sender.join().unwrap();
    log.take()
}

/// While something is due somewhere, everybody has to ask for more.
#[test]
fn what_is_held_off_in_one_changes_nothing_for_the_others() {
    let plain = in_virtual_time(dance);
    assert!(plain.len() > 50, "{plain:?}");
    let beside = in_virtual_time(|| {
        let gate = Rc::new(Event::new());
        let waits = gate.clone();
        let held = spawn(move || {
            shield(|| waits.wait());
            park();
        });
        yield_now();
        held.cancel();
        let log = dance();
        assert!(!held.is_finished());
        gate.set();
        assert_cancelled(held.join());
        // From here on nothing is due any more.
        assert_eq!(log, dance());
        log
    });
    assert_eq!(plain, beside);
}
