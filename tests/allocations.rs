//! What is warm allocates nothing: a global allocator counts, thread by thread, what each way to
//! start, wait or switch asks of the heap. The numbers are exact.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use corobin::{
    Builder, Generator, GeneratorState, JoinHandle, Runtime, Yielder, block_on, current, gather,
    handle, interval, now, park, race, run, scope, shield, sleep, spawn, timeout, to_thread,
    yield_now,
};

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

#[test]
fn measure() {
    macro_rules! m {
        ($name:expr, $e:expr) => {{
            let mut f = || $e;
            for _ in 0..5 {
                f();
            }
            println!("{:40} {}", $name, allocations(&mut f));
        }};
    }
    run(|| {
        m!("spawn join", spawn(|| ()).join().unwrap());
        m!("spawn join 40", {
            let a = [1u64; 5];
            spawn(move || a).join().unwrap();
        });
        m!("spawn join 48", {
            let a = [1u64; 6];
            spawn(move || a.len()).join().unwrap();
        });
        m!("spawn join ->48", {
            spawn(move || [1u64; 6]).join().unwrap();
        });
        m!("spawn join 48->48", {
            let a = [1u64; 6];
            spawn(move || a).join().unwrap();
        });
        m!("spawn join u128", {
            let a = 5u128;
            spawn(move || a as u64).join().unwrap();
        });
        m!("spawn 100 join", {
            let mut h: [_; 100] = std::array::from_fn(|_| Some(spawn(|| 1)));
            h.iter_mut().for_each(|h| {
                h.take().unwrap().join().unwrap();
            });
        });
        m!("spawn detached", {
            drop(spawn(|| ()));
            yield_now();
        });
        m!("spawn cancel unstarted", {
            let h = spawn(|| ());
            h.cancel();
            assert!(h.join().is_err());
        });
        m!("spawn cancel started", {
            let h = spawn(park);
            yield_now();
            h.cancel();
            assert!(h.join().is_err());
        });
        m!("spawn panic resume_unwind", {
            let h = spawn(|| std::panic::resume_unwind(Box::new(1)));
            assert!(h.join().is_err());
        });
        m!("yield", (0..1000).for_each(|_| yield_now()));
        m!("yield two", {
            let h = spawn(|| (0..1000).for_each(|_| yield_now()));
            (0..1000).for_each(|_| yield_now());
            h.join().unwrap();
        });
        m!("park self", {
            current().unpark();
            park();
        });
        m!("sleep", sleep(Duration::from_nanos(1)));
        m!("sleep 1ms", sleep(Duration::from_millis(1)));
        m!("sleep ms x100", {
            let mut h: [_; 100] =
                std::array::from_fn(|_| Some(spawn(|| sleep(Duration::from_micros(10)))));
            h.iter_mut().for_each(|h| {
                h.take().unwrap().join().unwrap();
            });
        });
        m!(
            "timeout",
            timeout(Duration::from_secs(3600), || yield_now()).unwrap()
        );
        m!(
            "timeout park",
            timeout(Duration::from_secs(3600), || sleep(Duration::from_nanos(1))).unwrap()
        );
        m!(
            "timeout nest",
            timeout(Duration::from_secs(3600), || timeout(
                Duration::MAX,
                yield_now
            ))
            .unwrap()
            .unwrap()
        );
        m!(
            "timeout expire",
            assert!(timeout(Duration::from_nanos(1), park).is_err())
        );
        m!("shield", shield(yield_now));
        m!("now", {
            black_box(now());
        });
        let mut i = interval(Duration::from_micros(10));
        m!("tick", {
            i.tick();
        });
        m!("current", {
            black_box(current().clone().id());
        });
        m!("handle()", {
            black_box(handle().clone());
        });
        m!("handle spawn", {
            handle().spawn(|| 1).join().unwrap();
        });
        m!("gather 10", {
            gather((0..10).map(|n| spawn(move || n))).unwrap();
        });
        m!("gather_results 10", {
            corobin::gather_results((0..10).map(|n| spawn(move || n)));
        });
        m!("as_completed 10", {
            corobin::as_completed((0..10).map(|n| spawn(move || n))).count();
        });
        m!("scope empty", scope(|_| ()));
        m!(
            "scope 1",
            scope(|s| {
                s.spawn(|| ());
            })
        );
        m!(
            "scope 4",
            scope(|s| {
                for _ in 0..4 {
                    s.spawn(yield_now);
                }
            })
        );
        m!(
            "scope join",
            scope(|s| {
                s.spawn(yield_now).join().unwrap();
            })
        );
        m!(
            "scope 5",
            scope(|s| {
                for _ in 0..5 {
                    s.spawn(yield_now);
                }
            })
        );
        m!(
            "scope 100",
            scope(|s| {
                for _ in 0..100 {
                    s.spawn(yield_now);
                }
            })
        );
        scope(|s| {
            m!("inside scope 10", {
                for _ in 0..10 {
                    s.spawn(|| ());
                }
                yield_now();
                yield_now();
            })
        });
        m!("race 2", {
            race((|| 1, || 2));
        });
        m!("race array", {
            race([|| 1, || 1]);
        });
        m!("block_on ready", { block_on(async {}) });
        m!("block_on spawn", {
            block_on(spawn(|| 1)).unwrap();
        });
        m!("to_thread", to_thread(|| ()));
        m!("generator new", {
            drop(Generator::new(|y: &Yielder<u8>| y.yield_(1)));
        });
        m!("generator new start drop", {
            let mut g = Generator::new(|y: &Yielder<u8>| y.yield_(1));
            g.start();
        });
        m!("generator run", {
            for _ in Generator::new(|y: &Yielder<u8>| (0..100).for_each(|n| y.yield_(n))) {}
        });
        m!("generator 1000 bytes", {
            let a = [1u8; 1000];
            for _ in Generator::new(move |y: &Yielder<u8>| {
                y.yield_(a[3]);
            }) {}
        });
        m!("generator 2000 bytes", {
            let a = [1u8; 2000];
            for _ in Generator::new(move |y: &Yielder<u8>| {
                y.yield_(a[3]);
            }) {}
        });
        m!("generator sized", {
            for _ in Generator::with_stack_size(16 << 10, move |y: &Yielder<u8>| {
                y.yield_(3);
            })
            .unwrap()
            {}
        });
        let mut g = Generator::new(|y: &Yielder<u64, u64>| {
            let mut n = 0;
            loop {
                n = y.yield_(n + 1);
            }
        });
        g.start();
        m!("generator send", {
            let _: GeneratorState<u64, ()> = g.send(1);
        });
        m!(
            "builder",
            Builder::new().spawn(|| ()).unwrap().join().unwrap()
        );
        m!(
            "builder sized",
            Builder::new()
                .stack_size(64 << 10)
                .spawn(|| ())
                .unwrap()
                .join()
                .unwrap()
        );
        m!(
            "builder sized same",
            Builder::new()
                .stack_size(256 << 10)
                .spawn(|| ())
                .unwrap()
                .join()
                .unwrap()
        );
        m!(
            "builder name",
            Builder::new()
                .name("x")
                .spawn(|| ())
                .unwrap()
                .join()
                .unwrap()
        );
        corobin::coroutine_local! { static X: u32 = 1; }
        m!(
            "local",
            X.with(|x| {
                black_box(*x);
            })
        );
        m!(
            "local in new",
            spawn(|| X.with(|x| {
                black_box(*x);
            }))
            .join()
            .unwrap()
        );
    });
    m!("Runtime::new", {
        Runtime::new().unwrap();
    });
    m!("run", run(|| ()));
    let mut rt = Runtime::new().unwrap();
    m!("rt.run", rt.run(|| ()));
    m!("gen outside", {
        for _ in Generator::new(|y: &Yielder<u8>| (0..100).for_each(|n| y.yield_(n))) {}
    });
    let _: Option<JoinHandle<Rc<RefCell<u8>>>> = None;
}
