//! What coroutines and generators cost, and that it is given back. Each test measures a process of
//! its own: this file started again, with a variable that says so.

use std::thread;
use std::time::Duration;

use corobin::{
    Builder, Generator, JoinHandle, Runtime, Yielder, gather, park, run, scope, sleep, spawn,
    timeout, to_thread, yield_now,
};

#[path = "common/child.rs"]
mod child;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What a parked coroutine or a suspended generator may cost: a page (up to three where the compiler
/// does not optimise), and its share of the page tables and of the lists that it is on.
const EACH: usize = if cfg!(debug_assertions) { 14 } else { 6 } * KIB;

/// In another process, where nothing else uses memory.
fn alone(test: &str, f: impl FnOnce()) {
    // Each arena of malloc reserves 64 MiB of addresses, and threads that meet in it make new ones.
    child::alone(test, &[("MALLOC_ARENA_MAX", "1")], f);
}

/// A line of /proc/self/status.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Memory in use, page tables included.
fn used() -> usize {
    (status("VmRSS:") + status("VmPTE:")) * KIB
}

fn address_space() -> usize {
    status("VmSize:") * KIB
}

fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().count()
}

fn threads() -> usize {
    status("Threads:")
}

/// Waits, with `nap` after `nap`, for `condition`; gives up after very many of them.
#[track_caller]
fn wait_for(what: &str, nap: impl Fn(Duration), condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        nap(Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// Does `round` some times and then many times more, during which the process must not grow.
#[track_caller]
fn assert_does_not_grow(warm_up: usize, rounds: usize, mut round: impl FnMut()) {
    (0..warm_up).for_each(|_| round());
    let before = (used(), mappings(), address_space());
    (0..rounds).for_each(|_| round());
    let after = (used(), mappings(), address_space());
    let grown = [
        after.0.saturating_sub(before.0),
        after.1.saturating_sub(before.1),
        after.2.saturating_sub(before.2),
    ];
    println!("grown by {grown:?}");
    assert!(grown[0] < 2 * MIB, "{} bytes more in use", grown[0]);
    assert!(grown[1] < 16, "{} mappings more", grown[1]);
    assert!(grown[2] < 128 * MIB, "{} bytes of addresses", grown[2]);
}

fn suspended_generator(n: u32) -> Generator<u32> {
    let mut generator = Generator::new(move |y: &Yielder<u32>| {
        y.yield_(n);
        y.yield_(n + 1);
    });
    assert_eq!(generator.next(), Some(n));
    generator
}

#[test]
fn smoke() {
    alone("smoke", || {
        let before = used();
        let block = std::hint::black_box(vec![1_u8; 64 * MIB]);
        assert!(used() >= before + 60 * MIB);
        assert_eq!(block[7], 1);
        drop(block);
        assert!(used() < before + 10 * MIB);
        assert!(mappings() > 5 && threads() > 0 && address_space() > used() / 2);
        run(|| ());
    });
}

#[test]
fn parked_coroutines_cost_little_more_than_a_page() {
    const COUNT: usize = 50_000;
    alone("parked_coroutines_cost_little_more_than_a_page", || {
        run(|| {
            let before = used();
            let parked: Vec<JoinHandle<()>> = (0..COUNT).map(|_| spawn(park)).collect();
            yield_now();
            let each = used().saturating_sub(before) / COUNT;
            println!("{each} bytes for each of the default size");
            assert!(each <= EACH, "{each} bytes each");
            drop(parked);
        });
    });
}

#[test]
fn parked_coroutines_with_small_stacks_cost_little_more_than_a_page() {
    const COUNT: usize = 50_000;
    const TEST: &str = "parked_coroutines_with_small_stacks_cost_little_more_than_a_page";
    alone(TEST, || {
        let builder = Runtime::builder().stack_size(16 * KIB);
        builder.build().unwrap().run(|| {
            let before = used();
            for _ in 0..COUNT {
                drop(spawn(park));
            }
            yield_now();
            let each = used().saturating_sub(before) / COUNT;
            println!("{each} bytes for each of 16 KiB");
            assert!(each <= EACH, "{each} bytes each");
        });
    });
}

#[test]
fn suspended_generators_cost_little_more_than_a_page() {
    const COUNT: usize = 50_000;
    alone("suspended_generators_cost_little_more_than_a_page", || {
        let before = used();
        let suspended: Vec<_> = (0..COUNT as u32).map(suspended_generator).collect();
        let each = used().saturating_sub(before) / COUNT;
        println!("{each} bytes for each generator");
        assert!(each <= EACH, "{each} bytes each");
        assert_eq!(suspended.len(), COUNT);
    });
}

#[test]
fn coroutines_that_have_not_started_need_no_stack() {
    const COUNT: usize = 50_000;
    alone("coroutines_that_have_not_started_need_no_stack", || {
        run(|| {
            let before = used();
            for _ in 0..COUNT {
                drop(spawn(|| ()));
            }
            let each = used().saturating_sub(before) / COUNT;
            assert!(each <= 512, "{each} bytes each");
        });
    });
}

/// Parks `count` coroutines at once, lets them end, and returns by how much the process had grown.
fn burst(count: usize, stack_size: Option<usize>) -> usize {
    let before = used();
    let parked: Vec<JoinHandle<()>> = (0..count)
        .map(|_| match stack_size {
            None => spawn(park),
            Some(bytes) => {
                let sized = Builder::new().stack_size(bytes);
                sized.spawn(park).unwrap()
            }
        })
        .collect();
    yield_now();
    let grown = used().saturating_sub(before);
    for handle in &parked {
        handle.coroutine().unpark();
    }
    gather(parked).unwrap();
    assert!(grown >= count * 4 * KIB, "a burst of {grown} bytes");
    grown
}

#[test]
fn a_run_that_waits_gives_a_burst_back() {
    alone("a_run_that_waits_gives_a_burst_back", || {
        run(|| {
            spawn(|| ()).join().unwrap();
            for _ in 0..2 {
                let before = used();
                let grown = burst(20_000, None);
                wait_for("a tenth of the burst is left", sleep, || {
                    used() < before + grown / 10
                });
            }
            assert_eq!(spawn(|| 7).join().unwrap(), 7);
        });
    });
}

#[test]
fn a_run_that_never_sleeps_gives_a_burst_back() {
    alone("a_run_that_never_sleeps_gives_a_burst_back", || {
        run(|| {
            drop(spawn(|| {
                loop {
                    yield_now();
                }
            }));
            yield_now();
            let before = used();
            let grown = burst(20_000, None);
            let busy = |_| (0..100_000).for_each(|_| yield_now());
            wait_for("a tenth of the burst is left", busy, || {
                used() < before + grown / 10
            });
        });
    });
}

#[test]
fn a_run_that_waits_for_a_thread_gives_a_burst_back() {
    const TEST: &str = "a_run_that_waits_for_a_thread_gives_a_burst_back";
    alone(TEST, || {
        run(|| {
            to_thread(|| ());
            let before = used();
            let grown = burst(20_000, None);
            to_thread(|| {
                wait_for("a tenth of the burst is left", thread::sleep, || {
                    used() < before + grown / 10
                });
            });
        });
    });
}

#[test]
fn stacks_of_a_size_of_their_own_are_given_back() {
    alone("stacks_of_a_size_of_their_own_are_given_back", || {
        run(|| {
            let before = used();
            let grown = burst(20_000, Some(32 * KIB));
            wait_for("a tenth of the burst is left", sleep, || {
                used() < before + grown / 10
            });
        });
    });
}

#[test]
fn the_end_of_a_run_gives_a_burst_back() {
    alone("the_end_of_a_run_gives_a_burst_back", || {
        let mut runtime = Runtime::new().unwrap();
        runtime.run(|| spawn(|| ()).join().unwrap());
        for _ in 0..2 {
            let before = used();
            let grown = runtime.run(|| burst(20_000, None));
            let left = used().saturating_sub(before);
            assert!(left < grown / 10, "{left} of {grown} bytes");
        }
        // Parked ones that the end of the run unwinds.
        let before = used();
        let grown = runtime.run(|| {
            (0..20_000).for_each(|_| drop(spawn(park)));
            yield_now();
            used() - before
        });
        let left = used().saturating_sub(before);
        assert!(left < grown / 10, "{left} of {grown} bytes");
    });
}

#[test]
fn dropped_generators_give_a_burst_back() {
    alone("dropped_generators_give_a_burst_back", || {
        drop(suspended_generator(1));
        let before = used();
        let burst: Vec<_> = (0..20_000).map(suspended_generator).collect();
        let grown = used().saturating_sub(before);
        drop(burst);
        let left = used().saturating_sub(before);
        assert!(left < grown / 10, "{left} of {grown} bytes");
    });
}

#[test]
fn deep_stacks_are_given_back() {
    #[inline(never)]
    fn touch_a_megabyte() {
        let deep = std::hint::black_box([1_u8; MIB]);
        yield_now();
        assert!(std::hint::black_box(&deep).iter().all(|&byte| byte == 1));
    }

    alone("deep_stacks_are_given_back", || {
        let builder = Runtime::builder().stack_size(4 * MIB);
        builder.build().unwrap().run(|| {
            let before = used();
            let deep: Vec<_> = (0..200).map(|_| spawn(touch_a_megabyte)).collect();
            yield_now();
            let grown = used() - before;
            assert!(grown >= 200 * MIB, "{grown} bytes");
            gather(deep).unwrap();
            // Some stacks are kept, but not for ever what they used.
            wait_for("half of the burst is left", sleep, || {
                used() < before + grown / 2
            });
        });
    });
}

/// A little of everything.
fn everything() {
    let mut runtime = Runtime::new().unwrap();
    runtime.run(|| {
        let moment = Duration::from_micros(1);
        let handles: Vec<JoinHandle<u32>> = (0..100)
            .map(|n| {
                spawn(move || {
                    timeout(moment * n, park).unwrap_err();
                    n
                })
            })
            .collect();
        scope(|s| (0..10).for_each(|_| drop(s.spawn(|| sleep(moment)))));
        let named = Builder::new().name("sized").stack_size(100 * KIB);
        named.spawn(yield_now).unwrap().join().unwrap();
        assert_eq!(suspended_generator(5).sum::<u32>(), 6);
        gather(handles).unwrap();
        drop(spawn(park));
        yield_now();
        spawn(park).cancel();
    });
    let error = runtime.try_run(|| {
        drop(spawn(park));
        park();
    });
    assert!(error.is_err());
}

#[test]
fn runs_in_a_row_do_not_grow() {
    alone("runs_in_a_row_do_not_grow", || {
        assert_does_not_grow(20, 200, everything);
    });
}

#[test]
fn runs_of_one_runtime_do_not_grow() {
    alone("runs_of_one_runtime_do_not_grow", || {
        let mut runtime = Runtime::new().unwrap();
        assert_does_not_grow(5, 50, || {
            runtime.run(|| {
                for _ in 0..2000 {
                    drop(spawn(park));
                }
                yield_now();
            });
        });
    });
}

#[test]
fn stack_sizes_that_come_and_go_do_not_grow() {
    alone("stack_sizes_that_come_and_go_do_not_grow", || {
        run(|| {
            let mut size = 0;
            assert_does_not_grow(300, 1000, || {
                size = size % 200 + 1;
                let sized = Builder::new().stack_size(size * 4 * KIB + 16 * KIB);
                sized.spawn(yield_now).unwrap().join().unwrap();
            });
        });
    });
}

#[test]
fn generators_in_rounds_do_not_grow() {
    alone("generators_in_rounds_do_not_grow", || {
        assert_does_not_grow(3, 20, || {
            let all: Vec<_> = (0..10_000).map(suspended_generator).collect();
            assert_eq!(all.len(), 10_000);
        });
    });
}

#[test]
fn generators_dropped_in_any_order_do_not_grow() {
    alone("generators_dropped_in_any_order_do_not_grow", || {
        let mut all: Vec<Option<Generator<u32>>> = (0..3000).map(|_| None).collect();
        let mut place = 0;
        assert_does_not_grow(5, 20, || {
            for n in 0..3000 {
                place = (place * 48_271 + 11) % 2_147_483_647 % 3000;
                all[place] = all[place].is_none().then(|| suspended_generator(n));
            }
        });
    });
}

#[test]
fn panics_in_coroutines_and_generators_do_not_grow() {
    const TEST: &str = "panics_in_coroutines_and_generators_do_not_grow";
    alone(TEST, || {
        std::panic::set_hook(Box::new(|_| ()));
        run(|| {
            assert_does_not_grow(5, 50, || {
                for n in 0..100 {
                    assert!(spawn(move || assert_eq!(n, 1000)).join().is_err());
                    let failing = Generator::new(|_: &Yielder<u8>| panic!("a generator"));
                    let failing = std::panic::AssertUnwindSafe(failing);
                    let next = || { failing }.0.next();
                    assert!(std::panic::catch_unwind(next).is_err());
                }
            });
        });
    });
}

#[test]
fn threads_that_end_leave_nothing_behind() {
    alone("threads_that_end_leave_nothing_behind", || {
        assert_does_not_grow(20, 50, || {
            let threads: Vec<_> = (0..4).map(|_| thread::spawn(everything)).collect();
            threads.into_iter().for_each(|one| one.join().unwrap());
        });
    });
}

#[test]
fn threads_that_only_use_generators_leave_nothing_behind() {
    const TEST: &str = "threads_that_only_use_generators_leave_nothing_behind";
    alone(TEST, || {
        assert_does_not_grow(20, 100, || {
            let thread = thread::spawn(|| {
                let some: Vec<_> = (0..100).map(suspended_generator).collect();
                assert_eq!(some.into_iter().map(Iterator::count).sum::<usize>(), 100);
            });
            thread.join().unwrap();
        });
    });
}

/// Makes the pool of the running runtime grow to `count` threads.
fn occupy(count: usize) {
    let before = threads();
    let all = &std::sync::Barrier::new(count);
    scope(|s| {
        for _ in 0..count {
            s.spawn(|| to_thread(|| all.wait().is_leader()));
        }
    });
    assert!(threads() >= before);
}

#[test]
fn idle_threads_of_the_pool_end() {
    alone("idle_threads_of_the_pool_end", || {
        let before = threads();
        let brief = Duration::from_millis(1);
        let builder = Runtime::builder().thread_pool(20, brief);
        builder.build().unwrap().run(|| {
            for _ in 0..3 {
                occupy(20);
                wait_for("the threads end", sleep, || threads() == before);
            }
            assert_eq!(to_thread(|| 7), 7);
        });
    });
}

#[test]
fn threads_of_the_pool_end_with_their_runtime() {
    alone("threads_of_the_pool_end_with_their_runtime", || {
        let before = threads();
        let long = Duration::from_secs(1_000_000);
        let builder = Runtime::builder().thread_pool(20, long);
        let mut runtime = builder.build().unwrap();
        runtime.run(|| occupy(20));
        assert_eq!(threads(), before + 20);
        runtime.run(|| occupy(20));
        assert_eq!(threads(), before + 20, "kept from run to run");
        drop(runtime);
        wait_for("the threads end", thread::sleep, || threads() == before);
        run(|| to_thread(|| ()));
        wait_for("the thread ends", thread::sleep, || threads() == before);
    });
}
