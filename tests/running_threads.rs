//! Threads that end with handles, generators and runtimes in their thread-locals.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::thread;

use corobin::{
    Generator, JoinError, JoinHandle, Runtime, Yielder, current, park, run, scope, spawn, timeout,
    yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;

fn on_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(f).join().unwrap()
}

#[test]
fn smoke() {
    let values: Vec<u32> = (0..8).map(|n| on_a_thread(move || run(|| n))).collect();
    assert_eq!(values, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn thread_ends_with_handles_in_a_thread_local() {
    thread_local!(static SLOT: RefCell<Vec<JoinHandle<Rc<()>>>> = const { RefCell::new(Vec::new()) });
    for before in [true, false] {
        on_a_thread(move || {
            if before {
                SLOT.with_borrow(Vec::len);
            }
            run(|| {
                let finished = spawn(|| Rc::new(()));
                let panicked = spawn(|| panic_any(1_u8));
                yield_now();
                let cut_off = spawn(|| Rc::new(()));
                SLOT.with_borrow_mut(|slot| slot.extend([finished, panicked, cut_off]));
            });
        });
    }
}

#[test]
fn thread_ends_with_a_suspended_generator_in_a_thread_local() {
    thread_local!(static SLOT: RefCell<Option<Generator<u32>>> = const { RefCell::new(None) });
    for before in [true, false] {
        on_a_thread(move || {
            if before {
                SLOT.with_borrow(Option::is_none);
            }
            let mut generator = Generator::new(|y: &Yielder<u32>| {
                let _token = Rc::new(());
                y.yield_(1);
            });
            generator.start();
            SLOT.set(Some(generator));
        });
    }
}

#[test]
fn thread_ends_with_a_runtime_in_a_thread_local() {
    thread_local!(static SLOT: RefCell<Option<Runtime>> = const { RefCell::new(None) });
    for before in [true, false] {
        on_a_thread(move || {
            if before {
                SLOT.with_borrow(Option::is_none);
            }
            let mut runtime = Runtime::new().unwrap();
            assert_eq!(runtime.run(|| spawn(|| 1).join().unwrap()), 1);
            SLOT.set(Some(runtime));
        });
    }
}

#[test]
fn many_threads_come_and_go() {
    for _ in 0..20 {
        let threads: Vec<_> = (0..4_u32)
            .map(|n| {
                thread::spawn(move || {
                    run(|| {
                        let handles = (0..50).map(|m| {
                            spawn(move || {
                                yield_now();
                                m * n
                            })
                        });
                        corobin::gather(handles).unwrap().iter().sum::<u32>()
                    })
                })
            })
            .collect();
        let sums: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(sums, [0, 1225, 2450, 3675]);
    }
}

#[test]
fn run_in_a_destructor_while_the_thread_unwinds() {
    let seen = Cell::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _last = OnDrop(|| {
            assert!(thread::panicking());
            run(|| {
                assert!(!thread::panicking());
                let parked = spawn(park);
                let child = spawn(|| {
                    yield_now();
                    thread::panicking()
                });
                assert!(!child.join().unwrap());
                parked.cancel();
                assert!(matches!(parked.join(), Err(JoinError::Cancelled)));
                assert!(timeout(std::time::Duration::ZERO, yield_now).is_err());
                assert!(catch_unwind(|| panic_any(1)).is_err());
                seen.set(scope(|s| s.spawn(|| 5).join().unwrap()));
            });
            assert!(thread::panicking());
        });
        panic!("around it");
    }));
    assert!(result.is_err());
    assert!(!thread::panicking());
    assert_eq!(seen.get(), 5);
}

#[test]
fn panic_of_a_run_in_a_destructor_is_caught_there() {
    let result = catch_unwind(|| {
        let _last = OnDrop(|| {
            let payload = catch_unwind(|| run(|| panic_any("inner"))).unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"inner"));
            let mut runtime = Runtime::new().unwrap();
            assert!(runtime.try_run(park).is_err());
        });
        panic_any("outer");
    });
    assert_eq!(result.unwrap_err().downcast_ref::<&str>(), Some(&"outer"));
    assert!(!thread::panicking());
}

#[test]
fn payload_of_a_foreign_cancel_is_no_result_of_main() {
    let payload = run(|| {
        let swallower = spawn(|| catch_unwind(park).unwrap_err());
        yield_now();
        swallower.cancel();
        swallower.join().unwrap()
    });
    let result = catch_unwind(AssertUnwindSafe(|| {
        run(|| {
            drop(spawn(park));
            resume_unwind(payload)
        })
    }));
    assert!(result.is_err());
    assert_eq!(run(|| 1), 1);
}

#[test]
fn result_of_main_that_nobody_gets_is_dropped_in_a_coroutine() {
    thread_local!(static DROPPED_IN: Cell<Option<corobin::Id>> = const { Cell::new(None) });
    struct NeedsACoroutine;
    impl Drop for NeedsACoroutine {
        fn drop(&mut self) {
            let id = catch_unwind(|| current().id());
            yield_now();
            DROPPED_IN.set(id.ok());
        }
    }
    let mut runtime = Runtime::new().unwrap();
    let result = runtime.try_run(|| {
        let _ = catch_unwind(park);
        NeedsACoroutine
    });
    assert!(result.is_err());
    assert!(DROPPED_IN.get().is_some());
}
