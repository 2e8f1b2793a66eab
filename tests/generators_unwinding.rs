//! Generators in destructors that run during unwinding: each stack has its own panic count.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::thread::panicking;
use std::time::Duration;

use corobin::GeneratorState::{Complete, Yielded};
use corobin::{Generator, Yielder, sleep, spawn, yield_now};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/trail.rs"]
mod trail;
use trail::{Trail, entries, note};

const SECOND: Duration = Duration::from_secs(1);

fn unwind(f: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

fn asks_three_times() -> Generator<bool, (), bool> {
    Generator::new(|y: &Yielder<bool>| {
        y.yield_(panicking());
        y.yield_(panicking());
        panicking()
    })
}

#[test]
fn smoke() {
    let trail = Trail::default();
    unwind(|| {
        let _last = OnDrop(|| {
            let mut generator = asks_three_times();
            note(&trail, format!("{:?}", generator.start()));
            note(&trail, format!("{}", panicking()));
        });
        resume_unwind(Box::new(()));
    });
    assert_eq!(entries(&trail), ["Yielded(false)", "true"]);
    assert!(!panicking());
}

#[test]
fn body_run_in_a_destructor_is_not_panicking() {
    for silent in [true, false] {
        let trail = Trail::default();
        unwind(|| {
            let _last = OnDrop(|| {
                let mut generator = asks_three_times();
                for state in [generator.start(), generator.send(()), generator.send(())] {
                    note(&trail, format!("{state:?} {}", panicking()));
                }
            });
            if silent {
                resume_unwind(Box::new(()));
            }
            panic!("loud");
        });
        assert_eq!(
            entries(&trail),
            [
                "Yielded(false) true",
                "Yielded(false) true",
                "Complete(false) true"
            ]
        );
        assert!(!panicking());
    }
}

#[test]
fn body_started_in_a_destructor_and_resumed_after_it() {
    let mut slot = None;
    unwind(|| {
        let _last = OnDrop(|| {
            let mut generator = asks_three_times();
            assert_eq!(generator.start(), Yielded(false));
            slot = Some(generator);
        });
        panic!("loud");
    });
    assert!(!panicking());
    let mut generator = slot.unwrap();
    assert_eq!(generator.send(()), Yielded(false));
    assert_eq!(generator.send(()), Complete(false));
    assert!(!panicking());
}

#[test]
fn body_started_before_and_resumed_in_a_destructor() {
    let mut generator = asks_three_times();
    assert_eq!(generator.start(), Yielded(false));
    unwind(|| {
        let _last = OnDrop(|| {
            assert_eq!(generator.send(()), Yielded(false));
            assert!(panicking());
        });
        panic!("loud");
    });
    assert_eq!(generator.send(()), Complete(false));
}

#[test]
fn body_closed_in_a_destructor() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _last = OnDrop(|| note(&log, format!("body unwinds {}", panicking())));
        y.yield_(1);
    });
    generator.start();
    unwind(|| {
        let _last = OnDrop(|| {
            generator.close();
            note(&trail, format!("closed {}", panicking()));
        });
        panic!("loud");
    });
    assert_eq!(entries(&trail), ["body unwinds true", "closed true"]);
    assert!(generator.is_complete());
    assert!(!panicking());
}

#[test]
fn body_that_panics_in_a_destructor_is_caught_there() {
    unwind(|| {
        let _last = OnDrop(|| {
            let mut generator = Generator::new(|y: &Yielder<u32>| {
                y.yield_(1);
                panic_any("inner");
            });
            assert_eq!(generator.start(), Yielded(1));
            let payload = catch_unwind(AssertUnwindSafe(|| generator.send(()))).unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"inner"));
            assert!(panicking());

            let mut thrown = asks_three_times();
            thrown.start();
            assert!(thrown.throw(Box::new("x")).is_err());
            assert!(panicking());
        });
        panic!("outer");
    });
    assert!(!panicking());
}

#[test]
fn generators_in_destructors_of_generators() {
    fn nest(depth: u32) -> Generator<u32> {
        Generator::new(move |y: &Yielder<u32>| {
            assert!(!panicking());
            if depth > 0 {
                unwind(|| {
                    let _last = OnDrop(|| {
                        assert!(panicking());
                        assert!(nest(depth - 1).eq((0..depth).rev()));
                        assert!(panicking());
                    });
                    resume_unwind(Box::new(()));
                });
                assert!(!panicking());
            }
            (0..=depth).rev().for_each(|n| y.yield_(n));
        })
    }
    assert!(nest(10).eq((0..=10).rev()));
    assert!(!panicking());
}

#[test]
fn std_mutex_used_by_such_a_body_is_not_poisoned() {
    let mutex = Rc::new(Mutex::new(0));
    let shared = mutex.clone();
    let mut slot = None;
    unwind(|| {
        let _last = OnDrop(|| {
            let shared = shared.clone();
            let mut generator = Generator::new(move |y: &Yielder<u32>| {
                let mut guard = shared.lock().unwrap();
                *guard += 1;
                y.yield_(1);
                *guard += 1;
            });
            generator.start();
            slot = Some(generator);
        });
        panic!("loud");
    });
    assert_eq!(slot.unwrap().send(()), Complete(()));
    assert_eq!(*mutex.lock().unwrap(), 2);
}

#[test]
fn yield_in_a_destructor_of_an_ordinary_panic_lets_nobody_else_panic() {
    let mut generator = Generator::new(|y: &Yielder<bool>| {
        unwind(|| {
            let _last = OnDrop(|| {
                y.yield_(panicking());
                y.yield_(panicking());
            });
            panic!("caught by the body itself");
        });
        y.yield_(panicking());
    });
    assert_eq!(generator.start(), Yielded(true));
    assert!(!panicking());
    assert_eq!(asks_three_times().start(), Yielded(false));
    drop(Mutex::new(()).lock().unwrap());
    assert_eq!(generator.send(()), Yielded(true));
    assert!(!panicking());
    assert_eq!(generator.send(()), Yielded(false));
    assert_eq!(generator.send(()), Complete(()));
    assert!(!panicking());
}

#[test]
fn several_bodies_suspended_in_mid_unwind_finish_in_any_order() {
    let body = |y: &Yielder<bool>| {
        unwind(|| {
            let _last = OnDrop(|| {
                y.yield_(panicking());
            });
            resume_unwind(Box::new(()));
        });
        y.yield_(panicking());
    };
    let mut generators: Vec<_> = (0..6).map(|_| Generator::new(body)).collect();
    for generator in &mut generators {
        assert_eq!(generator.start(), Yielded(true));
        assert!(!panicking());
    }
    for index in [3, 0, 5, 1, 4, 2] {
        assert_eq!(generators[index].send(()), Yielded(false));
        assert!(!panicking());
    }
    for mut generator in generators {
        assert_eq!(generator.send(()), Complete(()));
    }
    assert!(!panicking());
}

#[test]
fn throw_whose_unwinding_yields_and_goes_on() {
    let trail = Trail::default();
    let log = trail.clone();
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        let _outer = OnDrop(|| note(&log, format!("outer {}", panicking())));
        let _inner = OnDrop(|| {
            y.yield_(2);
        });
        y.yield_(1);
    });
    assert_eq!(generator.start(), Yielded(1));
    assert_eq!(generator.throw(Box::new("thrown")).unwrap(), Yielded(2));
    assert!(!panicking());
    assert!(!generator.is_complete());
    let payload = catch_unwind(AssertUnwindSafe(|| generator.send(()))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"thrown"));
    assert_eq!(entries(&trail), ["outer true"]);
    assert!(generator.is_complete());
    assert!(!panicking());
}

#[test]
fn sleeping_generator_in_a_destructor_of_a_cancelled_coroutine() {
    let trail = Trail::default();
    in_virtual_time(|| {
        let log = trail.clone();
        let handle = spawn(move || {
            let _last = OnDrop(|| {
                note(&log, format!("destructor {}", panicking()));
                let generator = Generator::new(|y: &Yielder<bool>| {
                    for _ in 0..2 {
                        sleep(SECOND);
                        y.yield_(panicking());
                    }
                });
                for seen in generator {
                    note(&log, format!("body {seen}, destructor {}", panicking()));
                }
            });
            corobin::park();
        });
        yield_now();
        handle.cancel();
        let log = trail.clone();
        let watcher = spawn(move || {
            for _ in 0..3 {
                sleep(SECOND * 3 / 5);
                note(&log, format!("other {}", panicking()));
            }
        });
        assert!(handle.join().is_err());
        watcher.join().unwrap();
        assert!(!panicking());
    });
    assert_eq!(
        entries(&trail),
        [
            "destructor true",
            "other false",
            "body false, destructor true",
            "other false",
            "other false",
            "body false, destructor true",
        ]
    );
}

#[test]
fn generator_shared_by_unwinding_and_other_coroutines() {
    in_virtual_time(|| {
        let generator = Rc::new(RefCell::new(Generator::new(|y: &Yielder<bool>| {
            loop {
                yield_now();
                y.yield_(panicking());
            }
        })));
        let shared = generator.clone();
        let handle = spawn(move || {
            let _last = OnDrop(|| {
                for _ in 0..3 {
                    assert_eq!(shared.borrow_mut().next(), Some(false));
                    sleep(SECOND);
                    assert!(panicking());
                }
            });
            corobin::park();
        });
        yield_now();
        handle.cancel();
        for _ in 0..3 {
            sleep(SECOND * 3 / 5);
            assert_eq!(generator.borrow_mut().next(), Some(false));
            assert!(!panicking());
        }
        assert!(matches!(handle.join(), Err(corobin::JoinError::Cancelled)));
    });
}
