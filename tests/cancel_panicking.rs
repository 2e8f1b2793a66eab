//! `std::thread::panicking()` belongs to the stack that unwinds: nobody else ever sees it.

use corobin::{
    JoinError, JoinHandle, park, run, scope, sleep, spawn, timeout, to_thread, yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::panicking;
use std::time::Duration;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/rng.rs"]
mod rng;
use rng::Rng;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::{assert_balanced, expect_panics};

type Seen = Rc<RefCell<Vec<bool>>>;

fn virtual_run<T>(f: impl FnOnce() -> T) -> T {
    expect_panics();
    let result = in_virtual_time(f);
    assert_balanced();
    result
}

/// Watches from a coroutine of its own until told to stop; returns how often it looked.
struct Watcher {
    stop: Rc<Cell<bool>>,
    handle: JoinHandle<(u32, u32)>,
}

fn watch() -> Watcher {
    let stop = Rc::new(Cell::new(false));
    let handle = spawn({
        let stop = stop.clone();
        move || {
            let (mut looked, mut seen) = (0, 0);
            while !stop.get() {
                looked += 1;
                seen += u32::from(panicking());
                yield_now();
                seen += u32::from(panicking());
            }
            (looked, seen)
        }
    });
    Watcher { stop, handle }
}

impl Watcher {
    #[track_caller]
    fn finish(self) {
        self.stop.set(true);
        let (looked, seen) = self.handle.join().unwrap();
        assert!(looked > 0);
        assert_eq!(seen, 0, "panicking() was seen from outside");
    }
}

/// Looks at `panicking()` before, between and after `n` suspensions; all must be true.
fn suspend_and_look(n: u64, seen: &Seen) {
    seen.borrow_mut().push(panicking());
    for _ in 0..n {
        yield_now();
        seen.borrow_mut().push(panicking());
    }
}

#[track_caller]
fn assert_all_true(seen: &Seen, len: usize) {
    assert_eq!(*seen.borrow(), vec![true; len]);
}

#[test]
fn smoke() {
    virtual_run(|| {
        let seen = Seen::default();
        let watcher = watch();
        let child = spawn({
            let seen = seen.clone();
            move || {
                let _guard = OnDrop(|| suspend_and_look(5, &seen));
                park();
            }
        });
        yield_now();
        child.cancel();
        while !child.is_finished() {
            assert!(!panicking());
            yield_now();
        }
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        assert_all_true(&seen, 6);
        watcher.finish();
    });
}

#[test]
fn the_destructors_of_a_real_panic() {
    virtual_run(|| {
        let seen = Seen::default();
        let watcher = watch();
        let child = spawn({
            let seen = seen.clone();
            move || {
                let _outer = OnDrop(|| suspend_and_look(2, &seen));
                let _inner = OnDrop(|| suspend_and_look(3, &seen));
                panic!("expected");
            }
        });
        while !child.is_finished() {
            assert!(!panicking());
            yield_now();
        }
        assert!(matches!(child.join(), Err(JoinError::Panicked(_))));
        assert_all_true(&seen, 7);
        watcher.finish();
    });
}

#[test]
fn the_destructors_of_an_expiry() {
    virtual_run(|| {
        let seen = Seen::default();
        let watcher = watch();
        let child = spawn({
            let seen = seen.clone();
            move || {
                let result = timeout(Duration::ZERO, || {
                    let _guard = OnDrop(|| suspend_and_look(3, &seen));
                    yield_now();
                });
                assert!(result.is_err());
                assert!(!panicking());
                yield_now();
                assert!(!panicking());
            }
        });
        child.join().unwrap();
        assert_all_true(&seen, 4);
        watcher.finish();
    });
}

#[test]
fn a_nested_panic_that_is_caught_inside_of_the_destructor() {
    virtual_run(|| {
        let seen = Seen::default();
        let watcher = watch();
        let child = spawn({
            let seen = seen.clone();
            move || {
                let _guard = OnDrop(|| {
                    suspend_and_look(1, &seen);
                    let nested = catch_unwind(AssertUnwindSafe(|| {
                        let _inner = OnDrop(|| suspend_and_look(2, &seen));
                        panic!("expected");
                    }));
                    assert!(nested.is_err());
                    suspend_and_look(1, &seen);
                });
                park();
            }
        });
        yield_now();
        child.cancel();
        while !child.is_finished() {
            assert!(!panicking());
            yield_now();
        }
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        assert_all_true(&seen, 7);
        watcher.finish();
    });
}

#[test]
fn a_join_inside_of_the_destructor_shows_nothing_to_the_joined() {
    virtual_run(|| {
        let seen = Seen::default();
        let child = spawn({
            let seen = seen.clone();
            move || {
                let _guard = OnDrop(|| {
                    let spawned = spawn(panicking);
                    seen.borrow_mut().push(!spawned.join().unwrap());
                    let scoped = scope(|s| s.spawn(panicking).join().unwrap());
                    seen.borrow_mut().push(!scoped);
                    seen.borrow_mut().push(!to_thread(panicking));
                    seen.borrow_mut().push(panicking());
                });
                park();
            }
        });
        yield_now();
        child.cancel();
        assert!(child.join().is_err());
        assert_all_true(&seen, 4);
    });
}

#[test]
fn the_main_coroutine_unwinding_shows_nothing_to_the_others() {
    expect_panics();
    let seen = Seen::default();
    let payload = catch_unwind(AssertUnwindSafe(|| {
        run(|| {
            let watcher = watch();
            let mut watcher = Some(watcher);
            let seen = seen.clone();
            let _finish = OnDrop(move || {
                suspend_and_look(5, &seen);
                watcher.take().unwrap().finish();
                seen.borrow_mut().push(panicking());
            });
            panic!("expected");
        })
    }))
    .unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"expected"));
    assert_all_true(&seen, 7);
    assert_balanced();
}

#[test]
fn many_unwind_at_once_and_interleave() {
    virtual_run(|| {
        let mut rng = Rng(1);
        for _ in 0..200 {
            let watcher = watch();
            let mut expected = 0;
            let seen = Seen::default();
            let children: Vec<_> = (0..6)
                .map(|_| {
                    let (outer, inner) = (rng.below(4), rng.below(4));
                    expected += outer + inner + 2;
                    let seen = seen.clone();
                    let real = rng.below(2) == 0;
                    spawn(move || {
                        let _outer = OnDrop(|| suspend_and_look(outer, &seen));
                        let _inner = OnDrop(|| suspend_and_look(inner, &seen));
                        if real {
                            panic!("expected");
                        }
                        park();
                    })
                })
                .collect();
            yield_now();
            for child in &children {
                child.cancel();
                for _ in 0..rng.below(3) {
                    yield_now();
                    assert!(!panicking());
                }
            }
            for child in children {
                assert!(child.join().is_err());
                assert!(!panicking());
            }
            assert_all_true(&seen, expected as usize);
            watcher.finish();
        }
    });
}

#[test]
fn real_panics_of_others_meanwhile() {
    virtual_run(|| {
        for round in 0..200 {
            let seen = Seen::default();
            let unwinding = spawn({
                let seen = seen.clone();
                move || {
                    let _guard = OnDrop(|| suspend_and_look(6, &seen));
                    park();
                }
            });
            let other = spawn(move || {
                for _ in 0..4 {
                    let during = Cell::new(false);
                    let result = catch_unwind(AssertUnwindSafe(|| {
                        let _seen = OnDrop(|| {
                            if round % 2 == 0 {
                                yield_now();
                            }
                            during.set(panicking());
                        });
                        panic!("expected");
                    }));
                    assert!(result.is_err() && during.get());
                    assert!(!panicking());
                    yield_now();
                    assert!(!panicking());
                }
            });
            yield_now();
            unwinding.cancel();
            other.join().unwrap();
            assert!(unwinding.join().is_err());
            assert_all_true(&seen, 7);
        }
    });
}

#[test]
fn the_mutexes_of_others_are_not_poisoned() {
    virtual_run(|| {
        for _ in 0..100 {
            let mutex = Rc::new(Mutex::new(0_u32));
            let unwinding: Vec<_> = (0..3)
                .map(|n| {
                    spawn(move || {
                        let _guard = OnDrop(|| suspend_and_look(3 + n, &Seen::default()));
                        park();
                    })
                })
                .collect();
            yield_now();
            unwinding.iter().for_each(JoinHandle::cancel);
            yield_now();
            // All three are suspended in their destructors; take and release in their midst.
            let held = mutex.lock().unwrap();
            yield_now();
            drop(held);
            *mutex.lock().unwrap() += 1;
            for child in unwinding {
                assert!(child.join().is_err());
                *mutex.lock().unwrap() += 1;
            }
            assert!(!mutex.is_poisoned());
            assert_eq!(*mutex.lock().unwrap(), 4);
        }
    });
}

#[test]
fn a_mutex_held_over_the_whole_unwinding_of_another_is_not_poisoned() {
    virtual_run(|| {
        let mutex = Mutex::new(());
        let guard = mutex.lock().unwrap();
        let child = spawn(|| {
            let _guard = OnDrop(|| sleep(Duration::from_secs(1)));
            resume_unwind(Box::new(()));
        });
        yield_now();
        drop(guard);
        assert!(!mutex.is_poisoned());
        assert!(child.join().is_err());
    });
    let runtimes = [0; 4].map(|_| {
        std::thread::spawn(|| {
            run(|| {
                let child = spawn(|| {
                    let _guard = OnDrop(yield_now);
                    park();
                });
                yield_now();
                child.cancel();
                assert!(child.join().is_err());
            });
            assert_balanced();
        })
    });
    for runtime in runtimes {
        runtime.join().unwrap();
    }
}

#[test]
fn runtimes_on_several_threads_do_not_disturb_each_other() {
    expect_panics();
    let mutex = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (1..=4)
        .map(|seed| {
            let mutex = mutex.clone();
            std::thread::spawn(move || {
                let mut rng = Rng(seed);
                virtual_run(|| {
                    for _ in 0..50 {
                        let n = rng.below(5);
                        let seen = Seen::default();
                        let child = spawn({
                            let seen = seen.clone();
                            move || {
                                let _guard = OnDrop(|| suspend_and_look(n, &seen));
                                panic!("expected");
                            }
                        });
                        for _ in 0..rng.below(6) {
                            yield_now();
                            assert!(!panicking());
                            *mutex.lock().unwrap() += 1;
                        }
                        assert!(child.join().is_err());
                        assert_all_true(&seen, n as usize + 1);
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(!mutex.is_poisoned());
    assert_balanced();
}

#[test]
fn a_coroutine_that_ends_the_run_while_others_unwind() {
    for extra in 0..20 {
        let seen = Seen::default();
        let inner = seen.clone();
        virtual_run(move || {
            for n in 0..4 {
                let seen = inner.clone();
                spawn(move || {
                    let _guard = OnDrop(|| suspend_and_look(n + extra % 3, &seen));
                    park();
                });
            }
            yield_now();
        });
        let expected = (0..4).map(|n| n + extra % 3 + 1).sum::<u64>();
        assert_all_true(&seen, expected as usize);
    }
}
