//! Generators inside coroutines: bodies that suspend, cancels and expiries that pass through.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use corobin::GeneratorState::{Complete, Yielded};
use corobin::{Elapsed, Generator, JoinError, Yielder, sleep, spawn, timeout, yield_now};

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Mark, Trail, entries, note};

const SECOND: Duration = Duration::from_secs(1);

fn slow_counter(pause: Duration) -> Generator<u32> {
    Generator::new(move |y: &Yielder<u32>| {
        for n in 1.. {
            sleep(pause);
            y.yield_(n);
        }
    })
}

#[test]
fn smoke() {
    in_virtual_time(|| {
        let began = corobin::now();
        assert!(slow_counter(SECOND).take(3).eq(1..=3));
        assert!(corobin::now() - began >= SECOND * 3);
    });
}

#[test]
fn sleeping_bodies_overlap() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let handles: Vec<_> = [("fast", 2), ("slow", 5)]
            .map(|(name, seconds)| {
                let log = trail.clone();
                spawn(move || {
                    for n in slow_counter(SECOND * seconds).take(3) {
                        note(&log, format!("{name} {n}"));
                    }
                })
            })
            .into();
        let began = corobin::now();
        corobin::gather(handles).unwrap();
        assert!(corobin::now() - began < SECOND * 21);
    });
    assert_eq!(
        entries(&trail),
        ["fast 1", "fast 2", "slow 1", "fast 3", "slow 2", "slow 3"]
    );
}

#[test]
fn bodies_yield_to_the_scheduler_in_round_robin() {
    let trail = Trail::default();
    corobin::run(|| {
        let handles: Vec<_> = ["a", "b"]
            .map(|name| {
                let log = trail.clone();
                spawn(move || {
                    let generator = Generator::new(move |y: &Yielder<u32>| {
                        for n in 0..3 {
                            yield_now();
                            y.yield_(n);
                        }
                    });
                    for n in generator {
                        note(&log, format!("{name}{n}"));
                    }
                })
            })
            .into();
        corobin::gather(handles).unwrap();
    });
    assert_eq!(entries(&trail), ["a0", "b0", "a1", "b1", "a2", "b2"]);
}

#[test]
fn suspends_at_any_depth_of_generators() {
    fn nest(depth: u32) -> Generator<u32> {
        Generator::new(move |y: &Yielder<u32>| {
            if depth == 0 {
                for n in 0..3 {
                    sleep(SECOND);
                    y.yield_(n);
                }
            } else {
                for n in nest(depth - 1) {
                    yield_now();
                    y.yield_(n + 1);
                }
            }
        })
    }
    let ticks = Rc::new(Cell::new(0));
    in_virtual_time(|| {
        let count = ticks.clone();
        let ticker = spawn(move || {
            loop {
                sleep(SECOND / 2);
                count.set(count.get() + 1);
            }
        });
        assert!(nest(50).eq(50..53));
        ticker.cancel();
    });
    assert!(ticks.get() >= 5);
}

#[test]
fn started_in_one_coroutine_and_resumed_in_another() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let generator = Rc::new(RefCell::new(slow_counter(SECOND)));
        for name in ["first", "second", "third"] {
            let (generator, log) = (generator.clone(), trail.clone());
            let handle = spawn(move || {
                let value = generator.borrow_mut().next();
                note(&log, format!("{name} {value:?}"));
            });
            let log = trail.clone();
            let other = spawn(move || note(&log, "others run"));
            handle.join().unwrap();
            other.join().unwrap();
        }
    });
    assert_eq!(
        entries(&trail),
        [
            "others run",
            "first Some(1)",
            "others run",
            "second Some(2)",
            "others run",
            "third Some(3)",
        ]
    );
}

#[test]
fn body_waits_as_the_coroutine_that_resumes_it() {
    in_virtual_time(|| {
        let main = corobin::current().id();
        let mut generator = Generator::new(|y: &Yielder<corobin::Id>| {
            for _ in 0..2 {
                yield_now();
                y.yield_(corobin::current().id());
            }
        });
        assert_eq!(generator.start(), Yielded(main));
        let child = spawn(move || {
            let state = generator.send(());
            assert_eq!(state, Yielded(corobin::current().id()));
        });
        child.join().unwrap();
    });
}

#[test]
fn moves_between_runs_and_outside_of_them() {
    let mut generator = Generator::new(|y: &Yielder<u32>| {
        for n in 1..=3 {
            yield_now();
            y.yield_(n);
        }
    });
    assert_eq!(generator.start(), Yielded(1));
    let mut generator = corobin::run(move || {
        assert_eq!(generator.send(()), Yielded(2));
        generator
    });
    assert_eq!(generator.send(()), Yielded(3));
    assert_eq!(corobin::run(|| generator.send(())), Complete(()));
}

#[test]
fn cancel_unwinds_the_body_before_the_coroutine() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let _mark = Mark(log.clone(), "coroutine");
            let inside = log.clone();
            let outer = Generator::new(move |y: &Yielder<u32>| {
                let _mark = Mark(inside.clone(), "outer body");
                let innermost = inside.clone();
                let inner = Generator::new(move |y: &Yielder<u32>| {
                    let _mark = Mark(innermost.clone(), "inner body");
                    sleep(SECOND * 100);
                    y.yield_(1);
                });
                inner.for_each(|n| y.yield_(n));
            });
            outer.for_each(drop);
            note(&log, "never");
        });
        sleep(SECOND);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["inner body", "outer body", "coroutine"]);
}

#[test]
fn cancel_completes_the_generator_that_it_passes() {
    in_virtual_time(|| {
        let generator = Rc::new(RefCell::new(slow_counter(SECOND)));
        let shared = generator.clone();
        let handle = spawn(move || {
            let mut shared = shared.borrow_mut();
            loop {
                shared.next();
            }
        });
        sleep(SECOND * 5 / 2);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
        assert!(generator.borrow().is_complete());
        assert_eq!(generator.borrow_mut().next(), None);
    });
}

#[test]
fn cancel_closes_a_suspended_generator_that_the_coroutine_owns() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let inside = log.clone();
            let mut generator = Generator::new(move |y: &Yielder<u32>| {
                let _mark = Mark(inside.clone(), "body");
                y.yield_(1);
            });
            generator.start();
            let _mark = Mark(log.clone(), "later local");
            corobin::park();
        });
        yield_now();
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["later local", "body"]);
}

#[test]
fn expiry_passes_through_the_body_to_its_timeout() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let mut generator = Generator::new(move |y: &Yielder<u32>| {
            let _mark = Mark(log.clone(), "body");
            y.yield_(1);
            sleep(SECOND * 100);
        });
        assert_eq!(generator.start(), Yielded(1));
        let result = timeout(SECOND, || {
            generator.send(());
            note(&trail, "never");
        });
        assert_eq!(result, Err(Elapsed));
        assert!(generator.is_complete());
        yield_now();
    });
    assert_eq!(entries(&trail), ["body"]);
}

#[test]
fn expiry_passes_through_throw() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let mut generator = Generator::new(move |y: &Yielder<u32>| {
            let _mark = Mark(log.clone(), "body");
            let _ = catch_unwind(AssertUnwindSafe(|| y.yield_(1)));
            note(&log, "caught the payload");
            sleep(SECOND * 100);
        });
        assert_eq!(generator.start(), Yielded(1));
        let result = timeout(SECOND, || {
            let _ = generator.throw(Box::new("payload"));
            note(&trail, "never");
        });
        assert_eq!(result, Err(Elapsed));
        assert!(generator.is_complete());
    });
    assert_eq!(entries(&trail), ["caught the payload", "body"]);
}

#[test]
fn cancel_passes_through_throw() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let mut generator = Generator::new(|y: &Yielder<u32>| {
                let _ = catch_unwind(AssertUnwindSafe(|| y.yield_(1)));
                sleep(SECOND * 100);
            });
            assert_eq!(generator.start(), Yielded(1));
            let passed = catch_unwind(AssertUnwindSafe(|| {
                let _ = generator.throw(Box::new("payload"));
                note(&log, "never");
            }))
            .unwrap_err();
            assert!(corobin::is_cancel(&passed));
            assert!(generator.is_complete());
            note(&log, "cancel seen by the caller");
            yield_now();
            note(&log, "never");
        });
        sleep(SECOND);
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(entries(&trail), ["cancel seen by the caller"]);
}

#[test]
fn expiry_passes_through_delegation() {
    in_virtual_time(|| {
        let mut outer = Generator::new(|y: &Yielder<u32>| {
            y.yield_from(&mut slow_counter(SECOND));
        });
        assert_eq!(outer.start(), Yielded(1));
        assert_eq!(timeout(SECOND * 5, || outer.next()), Ok(Some(2)));
        assert_eq!(timeout(SECOND / 2, || outer.next()), Err(Elapsed));
        assert!(outer.is_complete());
    });
}

#[test]
fn body_may_time_out_its_own_waits() {
    in_virtual_time(|| {
        let generator = Generator::new(|y: &Yielder<bool>| {
            for seconds in [1, 9, 2, 8] {
                y.yield_(timeout(SECOND * 5, || sleep(SECOND * seconds)).is_ok());
            }
        });
        assert!(generator.eq([true, false, true, false]));
    });
}

#[test]
fn body_that_swallows_an_expiry_meets_it_again() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let mut generator = Generator::new(move |_: &Yielder<u32>| {
            for n in 0..2 {
                let raised = catch_unwind(AssertUnwindSafe(|| sleep(SECOND * 100))).is_err();
                note(&log, format!("{n} raised {raised}"));
            }
            sleep(SECOND);
            note(&log, "never");
        });
        let result = timeout(SECOND, || generator.start());
        assert_eq!(result, Err(Elapsed));
        assert!(generator.is_complete());
    });
    assert_eq!(entries(&trail), ["0 raised true", "1 raised true"]);
}

#[test]
fn closing_runs_destructors_that_suspend() {
    struct SleepsOnDrop(Trail);
    impl Drop for SleepsOnDrop {
        fn drop(&mut self) {
            note(&self.0, "destructor sleeps");
            sleep(SECOND);
            note(&self.0, "destructor ends");
        }
    }
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let other = spawn(move || {
            sleep(SECOND / 2);
            note(&log, "others run");
        });
        let log = trail.clone();
        let mut generator = Generator::new(move |y: &Yielder<u32>| {
            let _late = SleepsOnDrop(log.clone());
            y.yield_(1);
        });
        generator.start();
        generator.close();
        note(&trail, "closed");
        other.join().unwrap();
    });
    assert_eq!(
        entries(&trail),
        [
            "destructor sleeps",
            "others run",
            "destructor ends",
            "closed"
        ]
    );
}

#[test]
fn expiry_waits_for_the_destructors_of_a_closing() {
    struct SleepsOnDrop(Trail);
    impl Drop for SleepsOnDrop {
        fn drop(&mut self) {
            sleep(SECOND * 10);
            note(&self.0, "destructor ends");
        }
    }
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let mut generator = Generator::new(move |y: &Yielder<u32>| {
            let _late = SleepsOnDrop(log.clone());
            y.yield_(1);
        });
        generator.start();
        let result = timeout(SECOND, || {
            generator.close();
            note(&trail, "closed");
            sleep(SECOND);
            note(&trail, "never");
        });
        assert_eq!(result, Err(Elapsed));
        assert!(generator.is_complete());
    });
    assert_eq!(entries(&trail), ["destructor ends", "closed"]);
}

#[test]
fn end_of_the_run_unwinds_bodies_that_wait() {
    let trail = Trail::default();
    corobin::run(|| {
        let log = trail.clone();
        drop(spawn(move || {
            let _mark = Mark(log.clone(), "coroutine");
            let inside = log.clone();
            let mut generator = Generator::new(move |y: &Yielder<u32>| {
                let _mark = Mark(inside.clone(), "body");
                corobin::park();
                y.yield_(1);
            });
            generator.start();
        }));
        yield_now();
    });
    assert_eq!(entries(&trail), ["body", "coroutine"]);
}

#[test]
fn scope_inside_a_body_that_yields_between_scopes() {
    in_virtual_time(|| {
        let generator = Generator::new(|y: &Yielder<u32>| {
            for round in 1..=3_u32 {
                let sum = Cell::new(0);
                corobin::scope(|s| {
                    for n in 1..=4 {
                        let sum = &sum;
                        s.spawn(move || {
                            sleep(SECOND * n);
                            sum.set(sum.get() + round * n);
                        });
                    }
                });
                y.yield_(sum.get());
            }
        });
        assert!(generator.eq([10, 20, 30]));
    });
}
