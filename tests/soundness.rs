//! What must not be possible from safe code, or must not be lost, in odd corners.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corobin::{
    Elapsed, Generator, GeneratorState, JoinError, JoinHandle, RunError, Runtime, Yielder,
    block_on, coroutine_local, current, handle, is_cancel, park, race, run, scope, shield, sleep,
    spawn, timeout, yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;

/// Counts the values that are alive.
struct Counted(Rc<Cell<i32>>);

impl Counted {
    fn new(alive: &Rc<Cell<i32>>) -> Counted {
        alive.set(alive.get() + 1);
        Counted(Rc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn smoke() {
    let alive = Rc::new(Cell::new(0));
    let value = Counted::new(&alive);
    assert_eq!(run(|| spawn(move || value).join().unwrap().0.get()), 1);
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_generator_is_not_left_inside_of_block_on() {
    run(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                block_on(poll_fn(|_| {
                    y.yield_(1);
                    Poll::<()>::Pending
                }));
            }));
            assert!(polled.is_err());
            y.yield_(2);
        });
        assert_eq!(generator.next(), Some(2));
        assert_eq!(generator.next(), None);
    });
}

#[test]
fn the_value_of_a_cancelled_scope_may_leave_the_run_while_it_is_dropped() {
    struct YieldsOnDrop<'a>(&'a Yielder<u32>);
    impl Drop for YieldsOnDrop<'_> {
        fn drop(&mut self) {
            self.0.yield_(7);
        }
    }
    let left = Rc::new(RefCell::new(None));
    run(|| {
        let left = Rc::clone(&left);
        let worker = spawn(move || {
            let mut generator = Generator::new(|y: &Yielder<u32>| {
                scope(|s| {
                    s.spawn(park);
                    YieldsOnDrop(y)
                });
            });
            assert_eq!(generator.start(), GeneratorState::Yielded(7));
            *left.borrow_mut() = Some(generator);
        });
        yield_now();
        yield_now();
        worker.cancel();
        worker.join().unwrap();
    });
    let mut generator = left.take().unwrap();
    // What it was unwound by belongs to a coroutine that is long gone.
    let resumed = catch_unwind(AssertUnwindSafe(|| generator.send(())));
    assert!(is_cancel(&resumed.unwrap_err()));
    assert!(generator.is_complete());
}

#[test]
fn a_shielded_join_of_a_panicked_child_does_not_cancel_the_owner_for_good() {
    run(|| {
        let raised = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                let child = s.spawn(|| panic_any("child"));
                let joined = shield(|| child.join());
                assert!(matches!(joined, Err(JoinError::Panicked(_))));
            });
        }));
        assert_eq!(raised.unwrap_err().downcast_ref(), Some(&"child"));
        yield_now();
    });
}

#[test]
fn a_stale_expiry_does_not_end_the_coroutine_that_resumes_the_generator() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        let mut generator = Generator::new(|y: &Yielder<u32>| {
            let _on_drop = OnDrop(|| y.yield_(1));
            sleep(Duration::from_secs(10));
        });
        let first = timeout(Duration::from_secs(1), || generator.next());
        assert!(matches!(first, Ok(Some(1)) | Err(Elapsed)));
        let other = spawn(move || {
            let resumed = catch_unwind(AssertUnwindSafe(|| generator.next()));
            assert!(!is_cancel(&resumed.unwrap_err()));
            yield_now();
            "goes on"
        });
        assert_eq!(other.join().unwrap(), "goes on");
    });
}

coroutine_local! {
    static LOCAL: RefCell<Option<Counted>> = RefCell::new(None);
}

#[test]
fn locals_that_are_made_at_the_end_are_dropped_too() {
    let alive = Rc::new(Cell::new(0));
    run(|| {
        for _ in 0..10 {
            let result = {
                let alive = Rc::clone(&alive);
                OnDrop(move || {
                    yield_now();
                    LOCAL.with(|local| *local.borrow_mut() = Some(Counted::new(&alive)));
                })
            };
            drop(spawn(move || result));
        }
        for _ in 0..4 {
            yield_now();
        }
    });
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_panic_in_the_destructor_of_a_local_is_a_panic_of_the_body() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic_any("local");
        }
    }
    coroutine_local!(static PANICS: Panics = Panics);
    let alive = Rc::new(Cell::new(0));
    run(|| {
        let value = Counted::new(&alive);
        let worker = spawn(move || {
            PANICS.with(|_| ());
            value
        });
        let Err(JoinError::Panicked(payload)) = worker.join() else {
            panic!("no panic");
        };
        assert_eq!(payload.downcast_ref(), Some(&"local"));
    });
    assert_eq!(alive.get(), 0);
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic_any("waker");
        }
    }
    run(|| {
        let mut worker: JoinHandle<u32> = spawn(|| 7);
        let waker = Waker::from(Arc::new(Panics));
        let polled = Pin::new(&mut worker).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        yield_now();
        assert_eq!(worker.join().unwrap(), 7);
    });
}

#[test]
fn a_waker_that_suspends_for_ever_is_leaked() {
    struct Parks;
    impl Wake for Parks {
        fn wake(self: Arc<Self>) {
            park();
        }
    }
    let value = run(|| {
        let mut worker: JoinHandle<u32> = spawn(|| 7);
        let waker = Waker::from(Arc::new(Parks));
        let polled = Pin::new(&mut worker).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        yield_now();
        worker
    });
    assert_eq!(value.join().unwrap(), 7);
}

#[test]
fn a_waker_of_a_remote_handle_is_dropped_outside_of_its_lock() {
    struct Asks(Arc<std::sync::Mutex<Option<corobin::RemoteJoinHandle<()>>>>);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            // Takes the lock of the handle that drops this waker.
            if let Ok(remote) = self.0.try_lock() {
                assert!(remote.as_ref().is_none_or(|remote| !remote.is_finished()));
            }
        }
    }
    run(|| {
        let handle = handle();
        let mut remote = handle.spawn(park);
        let other = Arc::new(std::sync::Mutex::new(None));
        for _ in 0..3 {
            let waker = Waker::from(Arc::new(Asks(Arc::clone(&other))));
            let polled = Pin::new(&mut remote).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        *other.lock().unwrap() = Some(remote);
    });
}

#[test]
fn a_coroutine_that_blocks_on_its_own_handle_panics() {
    run(|| {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let taken = Rc::clone(&own);
        let worker = spawn(move || {
            let own = taken.take().unwrap();
            let blocked = catch_unwind(AssertUnwindSafe(|| drop(block_on(own))));
            let payload = blocked.unwrap_err();
            let text = payload.downcast_ref::<String>().unwrap();
            assert!(text.contains("joins itself"), "{text}");
        });
        *own.borrow_mut() = Some(worker);
        yield_now();
        assert!(own.borrow().is_none());
    });
}

#[test]
fn what_a_race_does_not_return_is_dropped_once_whatever_panics() {
    let alive = Rc::new(Cell::new(0));
    for panics in [false, true] {
        let raced = catch_unwind(AssertUnwindSafe(|| {
            run(|| {
                let arm = |turns: usize| {
                    let alive = &alive;
                    move || {
                        for _ in 0..turns {
                            yield_now();
                        }
                        let value = Counted::new(alive);
                        OnDrop(move || {
                            let _keeps = &value;
                            if panics && turns == 1 {
                                panic_any("loser");
                            }
                        })
                    }
                };
                drop(race((arm(0), arm(1), arm(1))));
            });
        }));
        assert!(raced.is_ok() || panics);
        assert_eq!(alive.get(), 0, "panics: {panics}");
    }
}

#[test]
fn a_deadlock_is_found_with_everybody_in_odd_places() {
    let mut runtime = Runtime::new().unwrap();
    let outcome = runtime.try_run(|| {
        let me = current();
        drop(spawn(move || {
            let _keeps = me;
            shield(park);
        }));
        let mut generator = Generator::new(|_: &Yielder<u32>| park());
        generator.next();
    });
    let Err(RunError::Deadlock(snapshot)) = outcome else {
        panic!("no deadlock");
    };
    assert_eq!(snapshot.coroutines.len(), 2);
}

#[test]
fn race_takes_a_tuple_of_twelve() {
    let n = || {
        park();
        0
    };
    let first = run(|| race((n, n, n, n, n, n, n, n, n, n, n, || 12)));
    assert_eq!(first, 12);
}
