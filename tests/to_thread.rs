//! Blocking work on the thread pool while the loop goes on.

use corobin::{
    JoinError, Runtime, gather, park, run, scope, sleep, spawn, timeout, to_thread, yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{panic_any, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::caught;

fn run_with_pool<T>(max: usize, keep_alive: Duration, f: impl FnOnce() -> T) -> T {
    Runtime::builder()
        .thread_pool(max, keep_alive)
        .build()
        .unwrap()
        .run(f)
}

/// Blocks the calling thread until the flag is set.
fn spin_until(flag: &AtomicBool) {
    while !flag.load(SeqCst) {
        thread::sleep(Duration::from_micros(50));
    }
}

#[test]
fn smoke() {
    run(|| {
        assert_eq!(to_thread(|| 5), 5);
        assert_eq!(to_thread(|| String::from("text")), "text");
    });
}

#[test]
fn the_work_is_done_by_another_thread() {
    run(|| {
        let worker = to_thread(|| thread::current().id());
        assert_ne!(worker, thread::current().id());
    });
}

#[test]
fn the_work_may_borrow_locals_and_so_may_its_value() {
    run(|| {
        let mut numbers = vec![1, 2, 3];
        let mut calls = Cell::new(0);
        let last: &mut i32 = to_thread(|| {
            *calls.get_mut() += 1;
            numbers.push(4);
            numbers.last_mut().unwrap()
        });
        *last = 5;
        assert_eq!(numbers, [1, 2, 3, 5]);
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn large_and_aligned_captures_arrive_whole() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);

    run(|| {
        let page = Page([7; 4096]);
        let many = [3_u8; 64 * 1024];
        let sum = to_thread(move || {
            assert_eq!(&raw const page as usize % 4096, 0);
            let sum = |bytes: &[u8]| bytes.iter().map(|&b| u64::from(b)).sum::<u64>();
            sum(&page.0) + sum(&many)
        });
        assert_eq!(sum, 7 * 4096 + 3 * 64 * 1024);
        let page = to_thread(|| Page([9; 4096]));
        assert_eq!(&raw const page as usize % 4096, 0);
        assert!(page.0.iter().all(|&b| b == 9));
    });
}

#[test]
fn captures_and_unclaimed_values_are_dropped_once() {
    let alive = Arc::new(());
    run(|| {
        for _ in 0..10 {
            let captured = alive.clone();
            drop(to_thread(move || captured));
        }
        let captured = alive.clone();
        assert!(
            caught(|| to_thread(move || {
                let _captured = captured;
                resume_unwind(Box::new(()));
            }))
            .is_err()
        );
    });
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn blocking_calls_overlap() {
    run(|| {
        let barrier = Barrier::new(4);
        let leaders = AtomicUsize::new(0);
        scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    to_thread(|| {
                        if barrier.wait().is_leader() {
                            leaders.fetch_add(1, SeqCst);
                        }
                    })
                });
            }
        });
        assert_eq!(leaders.load(SeqCst), 1);
    });
}

#[test]
fn the_loop_goes_on_meanwhile() {
    run(|| {
        let (sender, receiver) = mpsc::channel();
        spawn(move || {
            for n in 0..100 {
                yield_now();
                sender.send(n).unwrap();
            }
        });
        let got: Vec<i32> = to_thread(|| receiver.into_iter().collect());
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn timers_go_on_meanwhile() {
    run(|| {
        let slept = Arc::new(AtomicBool::new(false));
        let flag = slept.clone();
        spawn(move || {
            sleep(Duration::from_millis(1));
            flag.store(true, SeqCst);
        });
        to_thread(|| spin_until(&slept));
    });
}

#[test]
fn a_panic_is_raised_again_at_the_caller_with_its_payload() {
    #[derive(Debug, PartialEq)]
    struct Custom(u32);

    run(|| {
        let payload = caught(|| to_thread(|| -> () { panic_any(Custom(3)) })).unwrap_err();
        assert_eq!(payload.downcast_ref::<Custom>(), Some(&Custom(3)));
        let payload =
            caught(|| to_thread(|| -> () { panic!("number {}", std::hint::black_box(4)) }))
                .unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "number 4");
        assert_eq!(to_thread(|| 1), 1);

        let child = spawn(|| to_thread(|| -> () { panic_any(Custom(5)) }));
        match child.join() {
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(payload.downcast_ref::<Custom>(), Some(&Custom(5)));
            }
            other => panic!("expected Panicked, got {other:?}"),
        }
    });
}

#[test]
fn a_panic_leaves_the_pool_of_one_thread_usable() {
    run_with_pool(1, Duration::from_secs(60), || {
        for n in 0..20 {
            assert!(caught(|| to_thread(|| resume_unwind(Box::new(n)))).is_err());
            assert_eq!(to_thread(|| n), n);
        }
    });
}

#[test]
fn a_cancel_waits_for_the_thread_that_borrows() {
    run(|| {
        let release = Arc::new(AtomicBool::new(false));
        let started = Arc::new(AtomicBool::new(false));
        let seen = Rc::new(RefCell::new(String::new()));
        let child = spawn({
            let (release, started, seen) = (release.clone(), started.clone(), seen.clone());
            move || {
                let mut local = String::from("untouched");
                let address = &raw mut local;
                let _keep = OnDrop(|| {
                    // The thread is done with it by now, or this frame would still be held.
                    *seen.borrow_mut() = to_thread(|| String::from("destructor ran"));
                });
                let _ = address;
                to_thread(|| {
                    started.store(true, SeqCst);
                    spin_until(&release);
                    local.push_str(" no more");
                });
                yield_now();
                unreachable!("the cancel is met here at the latest");
            }
        });
        while !started.load(SeqCst) {
            yield_now();
        }
        child.cancel();
        for _ in 0..100 {
            yield_now();
        }
        assert!(!child.is_finished());
        assert_eq!(*seen.borrow(), "");
        release.store(true, SeqCst);
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        assert_eq!(*seen.borrow(), "destructor ran");
    });
}

#[test]
fn an_expiry_waits_for_the_thread_that_borrows() {
    run(|| {
        let mut local = 0;
        let result = timeout(Duration::from_millis(1), || {
            to_thread(|| {
                thread::sleep(Duration::from_millis(30));
                local = 1;
            });
            yield_now();
            unreachable!("the expiry is met here at the latest");
        });
        assert!(result.is_err());
        assert_eq!(local, 1);
    });
}

#[test]
fn the_end_of_the_run_waits_for_the_threads() {
    let release = AtomicBool::new(false);
    let ended = Arc::new(AtomicUsize::new(0));
    thread::scope(|threads| {
        threads.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            release.store(true, SeqCst);
        });
        run(|| {
            let started = Arc::new(AtomicUsize::new(0));
            let ended = ended.clone();
            for _ in 0..3 {
                let (started, ended) = (started.clone(), ended.clone());
                spawn(move || {
                    to_thread(|| {
                        started.fetch_add(1, SeqCst);
                        thread::sleep(Duration::from_millis(20));
                        ended.fetch_add(1, SeqCst);
                    })
                });
            }
            while started.load(SeqCst) < 3 {
                yield_now();
            }
        });
        assert_eq!(ended.load(SeqCst), 3);
    });
}

#[test]
fn many_calls_over_a_small_pool() {
    const MAX: usize = 3;
    run_with_pool(MAX, Duration::from_secs(60), || {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let total = AtomicUsize::new(0);
        scope(|s| {
            for n in 0..300 {
                let (running, most, total) = (&running, &most, &total);
                s.spawn(move || {
                    let got = to_thread(|| {
                        most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::sleep(Duration::from_micros(200));
                        running.fetch_sub(1, SeqCst);
                        n
                    });
                    assert_eq!(got, n);
                    total.fetch_add(got, SeqCst);
                });
            }
        });
        assert!((1..=MAX).contains(&most.load(SeqCst)));
        assert_eq!(total.load(SeqCst), (0..300).sum());
    });
}

#[test]
fn the_pool_grows_up_to_its_maximum() {
    const MAX: usize = 6;
    run_with_pool(MAX, Duration::from_secs(60), || {
        let barrier = Arc::new(Barrier::new(MAX));
        for _ in 0..3 {
            gather((0..MAX).map(|_| {
                let barrier = barrier.clone();
                spawn(move || to_thread(|| barrier.wait().is_leader()))
            }))
            .unwrap();
        }
    });
}

#[test]
fn idle_threads_end() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static ON_EXIT: OnDrop<fn()> = OnDrop(|| {
            ENDED.fetch_add(1, SeqCst);
        });
    }
    run_with_pool(4, Duration::from_millis(5), || {
        let barrier = Barrier::new(4);
        scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    to_thread(|| {
                        ON_EXIT.with(|_| ());
                        barrier.wait();
                    })
                });
            }
        });
        while ENDED.load(SeqCst) < 4 {
            sleep(Duration::from_millis(1));
        }
        // The pool grows again after all of its threads have gone.
        assert_eq!(to_thread(|| 5), 5);
    });
}

#[test]
fn a_call_inside_of_a_call_acts_on_its_thread() {
    run(|| {
        let nested = to_thread(|| to_thread(|| 5) + 1);
        assert_eq!(nested, 6);
        let inner_run = to_thread(|| run(|| spawn(|| 7).join().unwrap()));
        assert_eq!(inner_run, 7);
    });
}

#[test]
fn children_of_nested_scopes_share_a_borrow() {
    run(|| {
        let counter = AtomicUsize::new(0);
        scope(|outer| {
            for _ in 0..3 {
                outer.spawn(|| {
                    scope(|inner| {
                        for _ in 0..3 {
                            inner.spawn(|| to_thread(|| counter.fetch_add(1, SeqCst)));
                        }
                    });
                    to_thread(|| counter.fetch_add(10, SeqCst));
                });
            }
        });
        assert_eq!(counter.load(SeqCst), 9 + 30);
    });
}

#[test]
fn a_cancelled_scope_waits_for_the_threads_of_its_children() {
    run(|| {
        let started = AtomicUsize::new(0);
        let ended = AtomicUsize::new(0);
        scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    to_thread(|| {
                        started.fetch_add(1, SeqCst);
                        thread::sleep(Duration::from_millis(20));
                        ended.fetch_add(1, SeqCst);
                    })
                });
            }
            while started.load(SeqCst) < 3 {
                yield_now();
            }
            s.cancel();
        });
        assert_eq!(ended.load(SeqCst), 3);
    });
}

#[test]
fn in_a_destructor_during_unwinding() {
    run(|| {
        let got = Rc::new(Cell::new(0));
        let child = spawn({
            let got = got.clone();
            move || {
                let _guard = OnDrop(|| {
                    let base = 40;
                    got.set(to_thread(|| base + 2));
                });
                park();
            }
        });
        yield_now();
        child.cancel();
        assert!(matches!(child.join(), Err(JoinError::Cancelled)));
        assert_eq!(got.get(), 42);
    });
}

#[test]
fn a_running_thread_keeps_a_lone_coroutine_from_being_a_deadlock() {
    let value = Runtime::new()
        .unwrap()
        .try_run(|| {
            to_thread(|| {
                thread::sleep(Duration::from_millis(20));
                5
            })
        })
        .unwrap();
    assert_eq!(value, 5);
}

#[test]
fn outside_of_a_runtime_it_acts_on_the_thread() {
    let mut local = 1;
    assert_eq!(
        to_thread(|| {
            local += 1;
            local
        }),
        2
    );
    let payload = caught(|| to_thread(|| -> () { panic_any(6_u64) })).unwrap_err();
    assert_eq!(payload.downcast_ref::<u64>(), Some(&6));
}
