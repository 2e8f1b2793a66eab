//! What is warm allocates nothing: a global allocator counts, thread by thread, what each way to
//! start, wait or switch asks of the heap. The numbers are exact.

use std::alloc::{GlobalAlloc, Layout, System};
use std::array::from_fn;
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use corobin::sync::{Event, Mutex, channel, unbounded};
use corobin::{
    Builder, Generator, GeneratorState, Runtime, Yielder, coroutine_local, current, handle,
    interval, now, park, run, scope, select, shield, sleep, spawn, timeout, to_thread, yield_now,
};

const FOREVER: Duration = Duration::from_secs(1_000_000);
const MOMENT: Duration = Duration::from_micros(1);

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that is ending counts no more.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

// SAFETY: it only counts, and leaves the rest to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller says.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often `f` asks for memory, all coroutines of the thread that run meanwhile included.
fn allocations(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

/// The same once `f` is warm: for each of some more rounds, which must all be equal.
#[track_caller]
fn warm_allocations(mut f: impl FnMut()) -> usize {
    (0..3).for_each(|_| f());
    let first = allocations(&mut f);
    for round in 0..20 {
        assert_eq!(allocations(&mut f), first, "round {round}");
    }
    first
}

#[track_caller]
fn assert_allocates_nothing(f: impl FnMut()) {
    assert_eq!(warm_allocations(f), 0);
}

/// What a list that grows to `len` entries of a word asks for.
fn allocations_of_a_list(len: usize) -> usize {
    allocations(|| {
        let mut list = Vec::new();
        (0..len).for_each(|entry| list.push(entry));
        black_box(list);
    })
}

#[test]
fn smoke() {
    assert_eq!(allocations(|| ()), 0);
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| drop(black_box(vec![0_u8; 100]))), 1);
    run(|| assert_allocates_nothing(|| spawn(|| ()).join().unwrap()));
}

#[test]
fn spawn_and_join_of_what_is_small() {
    run(|| {
        assert_allocates_nothing(|| spawn(|| ()).join().unwrap());
        assert_allocates_nothing(|| assert_eq!(spawn(|| 7).join().unwrap(), 7));
        let words = [1_u64, 2, 3, 4, 5];
        assert_allocates_nothing(|| {
            assert_eq!(spawn(move || words.len()).join().unwrap(), 5);
            assert_eq!(spawn(|| [9_u64; 5]).join().unwrap(), [9; 5]);
            assert_eq!(spawn(move || words).join().unwrap(), words);
        });
        let bytes = [3_u8; 40];
        assert_allocates_nothing(|| assert_eq!(spawn(move || bytes).join().unwrap(), bytes));
    });
}

#[test]
fn spawn_and_join_of_what_is_larger_takes_one_allocation_for_each() {
    let bytes = [3_u8; 41];
    let large = [4_u8; 10_000];
    run(|| {
        let closure = warm_allocations(|| {
            assert_eq!(spawn(move || bytes[40]).join().unwrap(), 3);
        });
        assert_eq!(closure, 1);
        let result = warm_allocations(|| {
            assert_eq!(spawn(|| [5_u8; 41]).join().unwrap()[40], 5);
        });
        assert_eq!(result, 1);
        let both = warm_allocations(|| assert_eq!(spawn(move || large).join().unwrap(), large));
        assert_eq!(both, 2);
    });
}

#[test]
fn a_thousand_at_once() {
    run(|| {
        let mut handles: Vec<_> = Vec::with_capacity(1000);
        assert_allocates_nothing(|| {
            handles.extend((0..1000).map(|n| spawn(move || n)));
            for (n, handle) in handles.drain(..).enumerate() {
                assert_eq!(handle.join().unwrap(), n);
            }
        });
        let mut parked: Vec<_> = Vec::with_capacity(1000);
        assert_allocates_nothing(|| {
            parked.extend((0..1000).map(|_| spawn(park)));
            yield_now();
            for handle in &parked {
                handle.coroutine().unpark();
            }
            parked.drain(..).for_each(|handle| handle.join().unwrap());
        });
    });
}

#[test]
fn ends_that_nobody_joins() {
    run(|| {
        assert_allocates_nothing(|| {
            drop(spawn(|| ()));
            drop(spawn(|| 7));
            yield_now();
        });
        assert_allocates_nothing(|| {
            let finished = spawn(|| 7);
            yield_now();
            assert!(finished.is_finished());
        });
        assert_allocates_nothing(|| {
            let unstarted = spawn(|| ());
            unstarted.cancel();
            assert!(unstarted.join().is_err());
        });
    });
}

#[test]
fn unwinding_takes_a_payload_and_no_more() {
    run(|| {
        // std boxes the payload, and wraps it for the unwinder.
        let raised = warm_allocations(|| {
            let raised = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
            assert!(raised.is_err());
        });
        let cancelled = warm_allocations(|| {
            let parked = spawn(park);
            yield_now();
            parked.cancel();
            assert!(parked.join().is_err());
        });
        assert_eq!(cancelled, raised);
        let expired = warm_allocations(|| assert!(timeout(MOMENT, park).is_err()));
        assert_eq!(expired, raised);
        let closed = warm_allocations(|| {
            let mut generator = Generator::new(|y: &Yielder<u8>| y.yield_(1));
            generator.start();
        });
        assert_eq!(closed, raised);
        let panicked = warm_allocations(|| {
            let ends = spawn(|| std::panic::resume_unwind(Box::new(1)));
            assert!(ends.join().is_err());
        });
        assert_eq!(panicked, raised);
    });
}

#[test]
fn yields() {
    run(|| {
        assert_allocates_nothing(|| (0..1000).for_each(|_| yield_now()));
        assert_allocates_nothing(|| {
            let others: [_; 10] = from_fn(|_| spawn(|| (0..100).for_each(|_| yield_now())));
            (0..100).for_each(|_| yield_now());
            others.into_iter().for_each(|other| other.join().unwrap());
        });
    });
}

#[test]
fn park_and_unpark() {
    run(|| {
        let main = current();
        assert_allocates_nothing(|| {
            main.unpark();
            park();
            current().unpark();
            park();
        });
        assert_allocates_nothing(|| {
            let main = main.clone();
            let other = spawn(move || {
                for _ in 0..100 {
                    park();
                    main.unpark();
                }
            });
            for _ in 0..100 {
                other.coroutine().unpark();
                park();
            }
            other.join().unwrap();
        });
    });
}

#[test]
fn channels() {
    run(|| {
        let ((there, there_rx), (back, back_rx)) = (channel(1), channel(0));
        spawn(move || {
            for n in there_rx {
                back.send(n + 1).unwrap();
            }
        });
        let (many_tx, many_rx) = unbounded();
        assert_allocates_nothing(|| {
            for n in 0..100 {
                // Waits, and is handed its item.
                there.send(n).unwrap();
                assert_eq!(back_rx.recv(), Ok(n + 1));
            }
            (0..10).for_each(|n| many_tx.send(n).unwrap());
            assert_eq!(many_rx.try_iter().sum::<i32>(), 45);
        });
    });
}

#[test]
fn selects() {
    run(|| {
        let ((there, there_rx), (back, back_rx)) = (channel(1), channel(0));
        spawn(move || {
            for n in there_rx {
                select! { send(back, n + 1) -> sent => sent.unwrap() }
            }
        });
        let (never_tx, never_rx) = channel::<()>(1);
        assert_allocates_nothing(|| {
            for n in 0..100 {
                select! { send(there, n) -> sent => sent.unwrap(), recv(never_rx) -> _ => {} }
                select! {
                    recv(never_rx) -> _ => unreachable!(),
                    recv(back_rx) -> item => assert_eq!(item, Ok(n + 1)),
                    default(FOREVER) => unreachable!(),
                }
                assert!(select! { recv(back_rx) -> _ => false, default => true });
            }
        });
        drop(never_tx);
    });
}

#[test]
fn locks_and_events() {
    run(|| {
        let lock = Rc::new(Mutex::new(0));
        let event = Rc::new(Event::new());
        let (other_lock, other_event) = (Rc::clone(&lock), Rc::clone(&event));
        spawn(move || {
            loop {
                *other_lock.lock() += 1;
                other_event.set();
                yield_now();
            }
        });
        assert_allocates_nothing(|| {
            for _ in 0..100 {
                let guard = lock.lock();
                yield_now();
                drop(guard);
                event.wait();
                event.clear();
            }
        });
        assert!(*lock.lock() > 0);
    });
}

#[test]
fn sleeps() {
    run(|| {
        assert_allocates_nothing(|| sleep(MOMENT));
        assert_allocates_nothing(|| sleep(Duration::ZERO));
        assert_allocates_nothing(|| {
            let sleepers: [_; 30] = from_fn(|n| spawn(move || sleep(MOMENT * n as u32)));
            for sleeper in sleepers {
                sleeper.join().unwrap();
            }
        });
        let mut ticks = interval(MOMENT);
        assert_allocates_nothing(|| assert!(ticks.tick() <= now()));
    });
}

#[test]
fn timeouts_that_do_not_expire() {
    run(|| {
        assert_allocates_nothing(|| timeout(FOREVER, || ()).unwrap());
        assert_allocates_nothing(|| timeout(Duration::MAX, yield_now).unwrap());
        assert_allocates_nothing(|| timeout(FOREVER, || sleep(MOMENT)).unwrap());
        assert_allocates_nothing(|| {
            let other = timeout(FOREVER, || timeout(FOREVER, || spawn(|| 7).join().unwrap()));
            assert_eq!(other, Ok(Ok(7)));
        });
        assert_allocates_nothing(|| shield(|| timeout(FOREVER, || shield(yield_now)).unwrap()));
        assert_allocates_nothing(|| {
            let others: [_; 30] = from_fn(|_| spawn(|| timeout(FOREVER, || sleep(MOMENT))));
            for other in others {
                other.join().unwrap().unwrap();
            }
        });
    });
}

#[test]
fn generators_inside_and_outside_of_a_run() {
    fn all() {
        let mut echo = Generator::new(|y: &Yielder<u64, u64>| {
            let mut value = 0;
            loop {
                value = y.yield_(value + 1);
            }
        });
        let _: GeneratorState<u64, ()> = echo.start();
        assert_allocates_nothing(|| {
            for n in 0..100 {
                assert_eq!(echo.send(n), GeneratorState::Yielded(n + 1));
            }
        });
        assert_allocates_nothing(|| {
            let count = Generator::new(|y: &Yielder<u64>| (0..100).for_each(|n| y.yield_(n)));
            assert_eq!(count.sum::<u64>(), 4950);
        });
        let bytes = [1_u8; 500];
        assert_allocates_nothing(|| {
            let mut holds = Generator::new(move |y: &Yielder<u8>| y.yield_(bytes[7]));
            assert_eq!((holds.next(), holds.next()), (Some(1), None));
        });
        assert_allocates_nothing(|| {
            let body = |y: &Yielder<u8>| y.yield_(7);
            let mut small = Generator::with_stack_size(32 << 10, body).unwrap();
            assert_eq!((small.next(), small.next()), (Some(7), None));
        });
        assert_allocates_nothing(|| {
            let mut many: [_; 30] = from_fn(|n| Generator::new(move |y: &Yielder<_>| y.yield_(n)));
            for (n, one) in many.iter_mut().enumerate() {
                assert_eq!(one.next(), Some(n));
            }
            assert!(many.iter_mut().all(|one| one.next().is_none()));
        });
        assert_allocates_nothing(|| {
            let mut outer = Generator::new(|y: &Yielder<u8>| {
                let mut inner = Generator::new(|y: &Yielder<u8>| y.yield_(7));
                y.yield_from(&mut inner);
            });
            assert_eq!((outer.next(), outer.next()), (Some(7), None));
        });
    }
    all();
    run(all);
}

#[test]
fn a_generator_that_suspends_its_coroutine() {
    run(|| {
        assert_allocates_nothing(|| {
            let mut sleepy = Generator::new(|y: &Yielder<u8>| {
                sleep(MOMENT);
                y.yield_(7);
                yield_now();
            });
            assert_eq!((sleepy.next(), sleepy.next()), (Some(7), None));
        });
    });
}

#[test]
fn builders() {
    run(|| {
        assert_allocates_nothing(|| Builder::new().spawn(|| ()).unwrap().join().unwrap());
        assert_allocates_nothing(|| {
            let sized = Builder::new().stack_size(64 << 10);
            sized.spawn(|| ()).unwrap().join().unwrap();
        });
        assert_allocates_nothing(|| {
            let sized = || Builder::new().stack_size(64 << 10);
            let others: [_; 30] = from_fn(|_| sized().spawn(yield_now).unwrap());
            others.into_iter().for_each(|other| other.join().unwrap());
        });
    });
}

#[test]
fn a_scope_takes_no_more_than_its_list_of_children() {
    run(|| {
        assert_allocates_nothing(|| scope(|_| ()));
        for children in [1, 4, 5, 100] {
            let count = warm_allocations(|| {
                scope(|s| (0..children).for_each(|_| drop(s.spawn(yield_now))));
            });
            assert!(
                count <= allocations_of_a_list(children),
                "{children}: {count}"
            );
            let one_by_one = warm_allocations(|| {
                scope(|s| (0..children).for_each(|_| s.spawn(yield_now).join().unwrap()));
            });
            assert!(one_by_one <= 1, "{children}: {one_by_one}");
        }
    });
}

#[test]
fn children_of_a_scope_that_is_warm() {
    run(|| {
        let borrowed = Cell::new(0);
        scope(|s| {
            assert_allocates_nothing(|| {
                let children: [_; 30] = from_fn(|n| {
                    let borrowed = &borrowed;
                    s.spawn(move || {
                        yield_now();
                        borrowed.set(borrowed.get() + 1);
                        n
                    })
                });
                for (n, child) in children.into_iter().enumerate() {
                    assert_eq!(child.join().unwrap(), n);
                }
            });
        });
        assert!(borrowed.get() > 0);
    });
}

#[test]
fn what_only_looks() {
    coroutine_local! {
        static LOCAL: u32 = 7;
    }
    run(|| {
        let finished = spawn(|| ());
        yield_now();
        assert_allocates_nothing(|| {
            black_box((now(), current().id(), current().clone()));
            black_box(handle().clone());
            assert!(finished.is_finished());
            assert_eq!(finished.coroutine().name(), None);
            assert_eq!(LOCAL.with(|local| *local), 7);
        });
    });
}

#[test]
fn a_blocking_call_takes_one_allocation_and_the_inbox_another_now_and_then() {
    // One thread, which stays: to start another takes more.
    let builder = Runtime::builder().thread_pool(1, FOREVER);
    builder.build().unwrap().run(|| {
        let borrowed = [1, 2, 3];
        let call = || assert_eq!(to_thread(|| borrowed.len()), 3);
        (0..100).for_each(|_| call());
        let count = allocations(|| (0..100).for_each(|_| call()));
        assert!((100..=110).contains(&count), "{count}");
    });
}

#[test]
fn under_virtual_time_and_under_a_seed() {
    for seed in [None, Some(1), Some(2)] {
        let mut builder = Runtime::builder().virtual_time(true);
        if let Some(seed) = seed {
            builder = builder.schedule_seed(seed);
        }
        builder.build().unwrap().run(|| {
            assert_allocates_nothing(|| {
                let others: [_; 30] = from_fn(|n| {
                    spawn(move || {
                        timeout(FOREVER, || sleep(Duration::from_secs(n as u64))).unwrap();
                        yield_now();
                        n
                    })
                });
                for (n, other) in others.into_iter().enumerate() {
                    assert_eq!(other.join().unwrap(), n);
                }
            });
        });
    }
}

#[test]
fn runs_of_one_runtime_take_the_same_each() {
    let mut runtime = Runtime::new().unwrap();
    let empty = warm_allocations(|| runtime.run(|| ()));
    let busy = warm_allocations(|| {
        runtime.run(|| {
            for _ in 0..10 {
                spawn(|| sleep(MOMENT)).join().unwrap();
            }
        });
    });
    let busier = warm_allocations(|| {
        runtime.run(|| {
            for _ in 0..200 {
                spawn(|| sleep(MOMENT)).join().unwrap();
            }
        });
    });
    assert!(empty <= busy && busy == busier, "{empty}, {busy}, {busier}");
}
