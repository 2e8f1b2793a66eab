//! `timeout`, `timeout_at` and how they nest.

use corobin::{
    Elapsed, Generator, JoinError, RunError, Runtime, gather, now, park, run, scope, sleep, spawn,
    timeout, timeout_at, to_thread, yield_now,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, secs, virtual_runtime};
#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, note};

#[test]
fn smoke() {
    in_virtual_time(|| {
        let start = now();
        assert_eq!(timeout(secs(1), || 5), Ok(5));
        assert_eq!(now() - start, secs(0));
        assert_eq!(timeout(secs(1), || sleep(secs(2))), Err(Elapsed));
        assert_eq!(now() - start, secs(1));
    });
}

#[test]
fn a_body_that_waits_and_finishes_in_time_returns_its_value() {
    in_virtual_time(|| {
        let start = now();
        let value = timeout(secs(3), || {
            sleep(secs(2));
            String::from("in time")
        });
        assert_eq!(value.as_deref(), Ok("in time"));
        assert_eq!(now() - start, secs(2));
    });
}

#[test]
fn a_body_that_is_interrupted_drops_its_locals_and_runs_no_further() {
    in_virtual_time(|| {
        let log = Trail::default();
        let result = timeout(secs(1), || {
            let _outer = OnDrop(|| note(&log, "outer"));
            let _inner = OnDrop(|| note(&log, "inner"));
            park();
            note(&log, "not reached");
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(*log.borrow(), ["inner", "outer"]);
    });
}

#[test]
fn zero_runs_up_to_the_first_wait() {
    in_virtual_time(|| {
        assert_eq!(timeout(Duration::ZERO, || 5), Ok(5));
        for point in [
            yield_now as fn(),
            park,
            || sleep(Duration::ZERO),
            || sleep(secs(1)),
        ] {
            let reached = Cell::new(false);
            let start = now();
            let result = timeout(Duration::ZERO, || {
                reached.set(true);
                point();
            });
            assert_eq!(result, Err(Elapsed));
            assert!(reached.get());
            assert_eq!(now(), start);
        }
    });
}

#[test]
fn the_longest_duration_never_expires() {
    in_virtual_time(|| {
        let start = now();
        let hour = secs(3600);
        let result = timeout(Duration::MAX, || timeout(Duration::MAX, || sleep(hour)));
        assert_eq!(result, Ok(Ok(())));
        assert_eq!(now() - start, hour);
        let inner = timeout(Duration::MAX, || timeout(secs(1), park));
        assert_eq!(inner, Ok(Err(Elapsed)));
        let outer = timeout(secs(1), || timeout(Duration::MAX, park));
        assert_eq!(outer, Err(Elapsed));
        let both = timeout(secs(1), || sleep(Duration::MAX));
        assert_eq!(both, Err(Elapsed));
        assert_eq!(now() - start, hour + secs(3));
    });
}

#[test]
fn timeout_at_counts_from_nowhere() {
    in_virtual_time(|| {
        let start = now();
        sleep(secs(2));
        assert_eq!(timeout_at(start + secs(5), park), Err(Elapsed));
        assert_eq!(now() - start, secs(5));
        assert_eq!(timeout_at(start, || 1), Ok(1));
        assert_eq!(timeout_at(start, yield_now), Err(Elapsed));
        assert_eq!(timeout_at(start + secs(9), || sleep(secs(3))), Ok(()));
        assert_eq!(now() - start, secs(8));
    });
}

#[test]
fn an_inner_expiry_is_caught_by_the_inner_alone() {
    in_virtual_time(|| {
        let start = now();
        let outer = timeout(secs(5), || {
            let inner = timeout(secs(1), park);
            sleep(secs(2));
            (inner, now() - start)
        });
        assert_eq!(outer, Ok((Err(Elapsed), secs(3))));
    });
}

#[test]
fn an_outer_expiry_passes_through_the_inner() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let outer = timeout(secs(1), || {
            let inner = timeout(secs(5), || {
                let _guard = OnDrop(|| note(&log, "unwound"));
                park();
            });
            note(&log, format!("not reached {inner:?}"));
        });
        assert_eq!(outer, Err(Elapsed));
        assert_eq!(now() - start, secs(1));
        assert_eq!(*log.borrow(), ["unwound"]);
    });
}

#[test]
fn of_several_expired_at_once_the_innermost_is_raised_first() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let deadline = start + secs(1);
        let outer = timeout_at(deadline, || {
            let middle = timeout_at(deadline, || {
                let inner = timeout_at(deadline, park);
                note(&log, format!("inner {inner:?}"));
                yield_now();
                note(&log, "not reached");
            });
            note(&log, format!("middle {middle:?}"));
            yield_now();
            note(&log, "not reached");
        });
        note(&log, format!("outer {outer:?}"));
        assert_eq!(
            *log.borrow(),
            [
                "inner Err(Elapsed)",
                "middle Err(Elapsed)",
                "outer Err(Elapsed)"
            ]
        );
        assert_eq!(now() - start, secs(1));
    });
}

#[test]
fn an_outer_that_expired_with_the_inner_returns_a_value_that_needs_no_more_wait() {
    in_virtual_time(|| {
        let result = timeout(secs(1), || timeout(secs(1), park));
        assert_eq!(result, Ok(Err(Elapsed)));
    });
}

#[test]
fn a_cancel_passes_through_every_timeout() {
    in_virtual_time(|| {
        let log = Trail::default();
        let child = spawn({
            let log = log.clone();
            move || {
                let result = timeout(secs(10), || timeout(secs(20), park));
                note(&log, format!("not reached {result:?}"));
            }
        });
        yield_now();
        child.cancel();
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        assert!(log.borrow().is_empty());
    });
}

#[test]
fn a_panic_passes_through_every_timeout() {
    in_virtual_time(|| {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            timeout(secs(1), || {
                timeout(secs(2), || -> () { resume_unwind(Box::new(5_u8)) })
            })
        }))
        .unwrap_err();
        assert_eq!(payload.downcast_ref::<u8>(), Some(&5));
        sleep(secs(5));
    });
}

#[test]
fn a_value_that_comes_late_is_returned() {
    run(|| {
        let value = timeout(Duration::from_millis(1), || {
            std::thread::sleep(Duration::from_millis(20));
            7
        });
        assert_eq!(value, Ok(7));
        // The expiry died with its timeout.
        yield_now();
        sleep(Duration::from_millis(1));
    });
}

#[test]
fn a_body_that_is_late_meets_its_expiry_at_its_first_wait() {
    run(|| {
        let value = timeout(Duration::from_millis(1), || {
            std::thread::sleep(Duration::from_millis(20));
            sleep(Duration::from_secs(3600));
        });
        assert_eq!(value, Err(Elapsed));
    });
}

#[test]
fn a_body_may_borrow_and_so_may_its_value() {
    in_virtual_time(|| {
        let mut words = vec![String::from("a")];
        let last: Result<&mut String, Elapsed> = timeout(secs(1), || {
            yield_now();
            words.push(String::from("b"));
            words.last_mut().unwrap()
        });
        last.unwrap().push('!');
        assert_eq!(words, ["a", "b!"]);
    });
}

#[test]
fn a_timeout_that_is_over_leaves_nothing_behind() {
    in_virtual_time(|| {
        let start = now();
        for n in 1..=1000 {
            assert_eq!(timeout(secs(n), yield_now), Ok(()));
        }
        sleep(secs(2000));
        assert_eq!(now() - start, secs(2000));
    });
    // A timer left behind could still wake somebody, and this would wait an hour for it.
    let mut runtime = Runtime::new().unwrap();
    let result = runtime.try_run(|| {
        timeout(secs(3600), || 1).unwrap();
        timeout(secs(3600), yield_now).unwrap();
        park();
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
}

#[test]
fn timeouts_of_many_coroutines_are_their_own() {
    in_virtual_time(|| {
        let start = now();
        let children: Vec<_> = (1..=200)
            .map(|n| {
                spawn(move || {
                    let result = timeout(secs(n), || sleep(secs(100)));
                    (result, now() - start)
                })
            })
            .collect();
        for (n, child) in (1..=200).zip(children) {
            // At 100 s the deadline and the sleep fall together, and either may win.
            let (result, after) = child.join().unwrap();
            assert_eq!(after, secs(n.min(100)));
            if n != 100 {
                assert_eq!(result.is_ok(), n > 100);
            }
        }
    });
}

#[test]
fn around_gather_it_cancels_what_is_gathered() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let result = timeout(secs(1), || {
            gather((0..3).map(|n| {
                let log = log.clone();
                spawn(move || {
                    let _guard = OnDrop(|| note(&log, format!("child {n}")));
                    sleep(secs(100));
                })
            }))
        });
        assert!(matches!(result, Err(Elapsed)));
        for _ in 0..100 {
            yield_now();
        }
        log.borrow_mut().sort();
        assert_eq!(*log.borrow(), ["child 0", "child 1", "child 2"]);
        assert_eq!(now() - start, secs(1));
    });
}

#[test]
fn around_join_it_leaves_the_joined_alone() {
    in_virtual_time(|| {
        let done = Rc::new(Cell::new(false));
        let child = spawn({
            let done = done.clone();
            move || {
                sleep(secs(2));
                done.set(true);
            }
        });
        assert!(matches!(timeout(secs(1), || child.join()), Err(Elapsed)));
        assert!(!done.get());
        sleep(secs(2));
        assert!(done.get());
    });
}

#[test]
fn around_scope_it_waits_for_the_children_to_unwind() {
    in_virtual_time(|| {
        let log = Trail::default();
        let start = now();
        let mut local = 0;
        let result = timeout(secs(1), || {
            scope(|s| {
                s.spawn(|| {
                    let _guard = OnDrop(|| {
                        sleep(secs(3));
                        note(&log, format!("child at {:?}", now() - start));
                        local += 1;
                    });
                    sleep(secs(100));
                });
            });
            note(&log, "not reached");
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(local, 1);
        assert_eq!(now() - start, secs(4));
        assert_eq!(*log.borrow(), ["child at 4s"]);
    });
}

#[test]
fn inside_of_a_scope_it_interrupts_only_its_own_coroutine() {
    in_virtual_time(|| {
        let start = now();
        let ends = scope(|s| {
            let short = s.spawn(|| (timeout(secs(1), park), now() - start));
            let long = s.spawn(|| (timeout(secs(3), || sleep(secs(2))), now() - start));
            (short.join().unwrap(), long.join().unwrap())
        });
        assert_eq!(ends, ((Err(Elapsed), secs(1)), (Ok(()), secs(2))));
    });
}

#[test]
fn around_to_thread_it_waits_for_the_thread() {
    let ended = AtomicBool::new(false);
    run(|| {
        let result = timeout(Duration::from_millis(1), || {
            to_thread(|| {
                std::thread::sleep(Duration::from_millis(50));
                ended.store(true, SeqCst);
            });
            yield_now();
            unreachable!("the expiry is met here at the latest");
        });
        assert!(ended.load(SeqCst));
        assert!(result.is_err());
    });
}

#[test]
fn in_the_body_of_a_generator() {
    in_virtual_time(|| {
        let start = now();
        let generator = Generator::<(Result<u64, Elapsed>, Duration)>::new(move |y| {
            for n in 1..=3 {
                let result = timeout(secs(2), || {
                    sleep(secs(n));
                    n
                });
                if n != 2 {
                    y.yield_((result, now() - start));
                }
            }
        });
        let items: Vec<_> = generator.collect();
        assert_eq!(items, [(Ok(1), secs(1)), (Err(Elapsed), secs(5))]);
    });
}

#[test]
fn around_the_call_of_a_generator_it_unwinds_and_completes_it() {
    in_virtual_time(|| {
        let log = Trail::default();
        let inner = log.clone();
        let mut generator = Generator::<u8>::new(move |y| {
            let _guard = OnDrop(|| note(&inner, "generator unwound"));
            y.yield_(1);
            sleep(secs(100));
            y.yield_(2);
        });
        assert_eq!(timeout(secs(1), || generator.next()), Ok(Some(1)));
        assert_eq!(timeout(secs(1), || generator.next()), Err(Elapsed));
        assert_eq!(*log.borrow(), ["generator unwound"]);
        assert!(generator.is_complete());
        assert_eq!(generator.next(), None);
    });
}

#[test]
fn elapsed_is_an_error() {
    let error: Box<dyn std::error::Error> = Box::new(Elapsed);
    assert!(!error.to_string().is_empty());
    assert_eq!(Elapsed, Elapsed);
}

/// Timers that were cancelled stand in no way of those that come after.
#[test]
fn a_few_timers_after_many_cancelled_ones() {
    let mut runtime = virtual_runtime();
    runtime.run(|| {
        let ms = Duration::from_millis;
        for far in [60, 600, 60_000] {
            for many in [30, 300, 3000] {
                let other = spawn(move || sleep(ms(50)));
                yield_now();
                for _ in 0..many {
                    timeout(ms(far), || ()).unwrap();
                }
                other.join().unwrap();
                let start = now();
                timeout(ms(500), || sleep(ms(100))).unwrap();
                assert_eq!(now() - start, ms(100));
            }
        }
    });
}
