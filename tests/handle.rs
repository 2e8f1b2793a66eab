//! A `Handle` reaches a run from other threads.

use corobin::{
    Handle, JoinError, RemoteJoinHandle, RunError, Runtime, block_on, current, handle, park, run,
    sleep, spawn, yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::assert_cancelled;

/// Runs `work` on a thread with a handle of a run that goes on until `work` is done.
fn with_a_remote_run<T: Send + 'static>(work: impl FnOnce(Handle) -> T + Send + 'static) -> T {
    run(|| {
        let handle = handle();
        let thread = thread::spawn(move || work(handle));
        while !thread.is_finished() {
            sleep(Duration::from_millis(1));
        }
        match thread.join() {
            Ok(value) => value,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    })
}

#[test]
fn smoke() {
    let value = with_a_remote_run(|handle| handle.spawn(|| 5).join().unwrap());
    assert_eq!(value, 5);
}

#[test]
fn a_handle_goes_to_other_threads() {
    fn is_send_and_clone<T: Send + Clone + 'static>() {}
    fn is_send<T: Send + 'static>() {}
    is_send_and_clone::<Handle>();
    is_send::<RemoteJoinHandle<i32>>();
}

#[test]
fn what_is_spawned_runs_as_a_coroutine_on_the_thread_of_the_run() {
    thread_local! {
        static HERE: Cell<u32> = const { Cell::new(0) };
    }
    run(|| {
        HERE.set(1);
        let handle = handle();
        let thread = thread::spawn(move || {
            let remote = handle.spawn(|| {
                HERE.set(HERE.get() + 1);
                yield_now();
                sleep(Duration::from_micros(1));
                spawn(|| HERE.get()).join().unwrap()
            });
            (remote.join().unwrap(), HERE.get())
        });
        while !thread.is_finished() {
            sleep(Duration::from_millis(1));
        }
        assert_eq!(thread.join().unwrap(), (2, 0));
    });
}

#[test]
fn within_its_own_run_a_join_blocks_only_its_coroutine() {
    run(|| {
        let handle = handle();
        let flag = Arc::new(AtomicBool::new(false));
        spawn({
            let flag = flag.clone();
            move || {
                yield_now();
                flag.store(true, SeqCst);
            }
        });
        let remote = handle.spawn(move || {
            while !flag.load(SeqCst) {
                yield_now();
            }
            6
        });
        assert_eq!(remote.join().unwrap(), 6);
    });
}

#[test]
fn a_join_from_a_coroutine_of_another_run_blocks_only_that_coroutine() {
    let value = with_a_remote_run(|handle| {
        run(|| {
            let flag = Arc::new(AtomicBool::new(false));
            let sibling = spawn({
                let flag = flag.clone();
                move || {
                    for _ in 0..10 {
                        yield_now();
                    }
                    flag.store(true, SeqCst);
                }
            });
            let remote = handle.spawn(move || {
                while !flag.load(SeqCst) {
                    sleep(Duration::from_micros(50));
                }
                7
            });
            let value = remote.join().unwrap();
            sibling.join().unwrap();
            value
        })
    });
    assert_eq!(value, 7);
}

#[test]
fn a_remote_join_handle_is_a_future() {
    let values = with_a_remote_run(|handle| {
        let slow = |n| {
            move || {
                sleep(Duration::from_millis(1));
                n
            }
        };
        let on_a_thread = block_on(handle.spawn(slow(1))).unwrap();
        let in_a_run = run(|| block_on(handle.spawn(slow(2))).unwrap());
        let in_tokio = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(handle.spawn(slow(3)))
            .unwrap();
        let finished = handle.spawn(|| 4);
        while !finished.is_finished() {
            thread::yield_now();
        }
        [on_a_thread, in_a_run, in_tokio, block_on(finished).unwrap()]
    });
    assert_eq!(values, [1, 2, 3, 4]);
}

#[test]
fn cancel_reaches_a_parked_coroutine() {
    with_a_remote_run(|handle| {
        let (sender, receiver) = mpsc::channel();
        let remote = handle.spawn(move || {
            let dropped = sender.clone();
            let _guard = OnDrop(move || dropped.send("unwound").unwrap());
            sender.send("started").unwrap();
            park();
        });
        assert_eq!(receiver.recv(), Ok("started"));
        assert!(!remote.is_finished());
        remote.cancel();
        assert_cancelled(remote.join());
        assert_eq!(receiver.recv(), Ok("unwound"));
    });
}

#[test]
fn cancel_after_the_end_has_no_effect() {
    let value = with_a_remote_run(|handle| {
        let remote = handle.spawn(|| 3);
        while !remote.is_finished() {
            thread::yield_now();
        }
        remote.cancel();
        remote.join().unwrap()
    });
    assert_eq!(value, 3);
}

#[test]
fn a_panic_reaches_the_joiner_with_its_payload_and_the_run_goes_on() {
    with_a_remote_run(|handle| {
        match handle.spawn(|| -> () { panic_any(8_u16) }).join() {
            Err(JoinError::Panicked(payload)) => {
                assert_eq!(payload.downcast_ref::<u16>(), Some(&8));
            }
            other => panic!("expected Panicked, got {other:?}"),
        }
        assert_eq!(handle.spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn dropping_the_join_handle_detaches() {
    with_a_remote_run(|handle| {
        let (sender, receiver) = mpsc::channel();
        drop(handle.spawn(move || {
            sleep(Duration::from_millis(1));
            sender.send(1).unwrap();
        }));
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn after_the_run_everything_is_cancelled_and_nothing_runs() {
    let ran = Arc::new(AtomicBool::new(false));
    let handle = run(handle);
    for handle in [handle.clone(), handle] {
        let flag = ran.clone();
        let remote = handle.spawn(move || flag.store(true, SeqCst));
        remote.cancel();
        assert!(remote.is_finished());
        assert_cancelled(remote.join());
        let flag = ran.clone();
        assert_cancelled(block_on(handle.spawn(move || flag.store(true, SeqCst))));
    }
    assert!(!ran.load(SeqCst));
    assert_eq!(Arc::strong_count(&ran), 1, "the captures are dropped");
}

#[test]
fn a_handle_belongs_to_one_run() {
    let mut runtime = Runtime::new().unwrap();
    let first = runtime.run(handle);
    runtime.run(|| {
        assert_cancelled(first.spawn(|| 1).join());
        assert_eq!(handle().spawn(|| 2).join().unwrap(), 2);
    });
}

#[test]
fn what_is_still_running_at_the_end_of_the_run_is_cancelled() {
    let (sender, receiver) = mpsc::channel();
    let remotes = run(|| {
        let handle = handle();
        let parked = handle.spawn(park);
        let finished = handle.spawn(move || sender.send(()).unwrap());
        while receiver.try_recv().is_err() {
            yield_now();
        }
        let unstarted = handle.spawn(park);
        [parked, finished, unstarted]
    });
    let [parked, finished, unstarted] = remotes;
    finished.join().unwrap();
    assert_cancelled(parked.join());
    assert_cancelled(unstarted.join());
}

#[test]
fn a_live_handle_keeps_the_run_from_a_deadlock() {
    thread_local! {
        static MAIN: RefCell<Option<corobin::Coroutine>> = const { RefCell::new(None) };
    }
    Runtime::new()
        .unwrap()
        .try_run(|| {
            MAIN.set(Some(current()));
            let handle = handle();
            let thread = thread::spawn(move || {
                thread::sleep(Duration::from_millis(30));
                handle.spawn(|| MAIN.with_borrow(|main| main.as_ref().unwrap().unpark()));
            });
            park();
            thread.join().unwrap();
        })
        .unwrap();
}

#[test]
fn the_drop_of_the_last_handle_lets_a_deadlock_be_found() {
    for clones in 1..=3 {
        let result = Runtime::new().unwrap().try_run(|| {
            for n in 0..clones {
                let handle = handle();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(5 * n));
                    drop(handle);
                });
            }
            park();
        });
        assert!(matches!(result, Err(RunError::Deadlock(_))));
    }
    let result = Runtime::new().unwrap().try_run(|| {
        drop(handle());
        park();
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
}

#[test]
fn a_spawn_wakes_a_loop_that_sleeps_for_ever() {
    run(|| {
        let handle = handle();
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            for n in 0..20 {
                thread::sleep(Duration::from_millis(n % 3));
                assert_eq!(handle.spawn(move || n).join().unwrap(), n);
            }
            handle.spawn(move || sender.send(()).unwrap());
        });
        spawn(|| sleep(Duration::MAX));
        while receiver.try_recv().is_err() {
            sleep(Duration::from_millis(1));
        }
        thread.join().unwrap();
    });
    thread_local! {
        static MAIN: RefCell<Option<corobin::Coroutine>> = const { RefCell::new(None) };
    }
    run(|| {
        MAIN.set(Some(current()));
        for _ in 0..50 {
            let handle = handle();
            thread::spawn(move || {
                handle.spawn(|| MAIN.with_borrow(|main| main.as_ref().unwrap().unpark()))
            });
            park();
        }
    });
}

#[test]
fn four_threads_spawn_ten_thousand_each() {
    const EACH: usize = 10_000;
    thread_local! {
        static ON_THIS_THREAD: Cell<usize> = const { Cell::new(0) };
    }
    run(|| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let handle = handle();
                thread::spawn(move || {
                    let mut sum = 0;
                    let mut pending = Vec::new();
                    for n in 0..EACH {
                        pending.push(handle.spawn(move || {
                            ON_THIS_THREAD.set(ON_THIS_THREAD.get() + 1);
                            if n % 7 == 0 {
                                yield_now();
                            }
                            thread * EACH + n
                        }));
                        if n % 1000 == 999 {
                            for remote in pending.drain(..) {
                                sum += remote.join().unwrap();
                            }
                        }
                    }
                    sum
                })
            })
            .collect();
        while !threads.iter().all(|thread| thread.is_finished()) {
            sleep(Duration::from_millis(1));
        }
        let sum: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
        assert_eq!(sum, (0..4 * EACH).sum());
        assert_eq!(ON_THIS_THREAD.get(), 4 * EACH);
    });
}

/// They send faster than the loop takes, before the end of the run and during it.
#[test]
fn those_who_spawn_without_a_pause_hold_up_nobody() {
    const AT_MOST: Duration = Duration::from_secs(3);
    let is_over = Arc::new(AtomicBool::new(false));
    let spawners: Vec<_> = run(|| {
        let spawners = (0..3).map(|_| {
            let (handle, is_over) = (handle(), Arc::clone(&is_over));
            thread::spawn(move || {
                let begin = Instant::now();
                while !is_over.load(SeqCst) {
                    if begin.elapsed() > AT_MOST {
                        return false;
                    }
                    drop(handle.spawn(|| ()));
                }
                true
            })
        });
        let spawners = spawners.collect();
        for _ in 0..5 {
            sleep(Duration::from_millis(1));
        }
        spawners
    });
    is_over.store(true, SeqCst);
    for spawner in spawners {
        assert!(spawner.join().unwrap(), "the run did not come to its end");
    }
}

#[test]
fn spawns_that_race_with_the_end_of_the_run_run_whole_or_not_at_all() {
    let (sender, receiver) = mpsc::channel::<Handle>();
    let (ran, captures) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let spawner = thread::spawn({
        let (ran, captures) = (ran.clone(), captures.clone());
        move || {
            let (mut finished, mut cancelled) = (0, 0);
            for handle in receiver {
                let remotes = [0; 4].map(|_| {
                    let (ran, captures) = (ran.clone(), captures.clone());
                    handle.spawn(move || {
                        let _captures = captures;
                        ran.fetch_add(1, SeqCst);
                    })
                });
                for remote in remotes {
                    match remote.join() {
                        Ok(()) => finished += 1,
                        Err(JoinError::Cancelled) => cancelled += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
            (finished, cancelled)
        }
    });
    const ROUNDS: usize = 500;
    for round in 0..ROUNDS {
        let sender = sender.clone();
        run(move || {
            sender.send(handle()).unwrap();
            for _ in 0..round % 8 {
                yield_now();
            }
            if round % 16 == 15 {
                thread::yield_now();
                sleep(Duration::from_micros(20));
            }
        });
    }
    drop(sender);
    let (finished, cancelled) = spawner.join().unwrap();
    assert_eq!(finished + cancelled, 4 * ROUNDS);
    assert_eq!(ran.load(SeqCst), finished);
    assert_eq!(Arc::strong_count(&captures), 1);
}

#[test]
fn whoever_joins_itself_is_told_so() {
    run(|| {
        let (give, own) = mpsc::channel::<RemoteJoinHandle<()>>();
        let (tell, told) = mpsc::channel();
        let handle = handle().spawn(move || {
            let own = own.recv().unwrap();
            let joined = catch_unwind(AssertUnwindSafe(|| own.join()));
            tell.send(joined.unwrap_err().downcast::<String>()).unwrap();
        });
        give.send(handle).unwrap();
        sleep(Duration::from_millis(1));
        let text = told.recv().unwrap().unwrap();
        assert!(text.contains("joins itself"), "{text}");
    });
}

#[test]
fn dropping_a_handle_survives_a_payload_that_panics_when_it_is_dropped() {
    struct Fails;
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("the payload failed");
        }
    }
    run(|| {
        let remote = handle().spawn(|| panic_any(Fails));
        while !remote.is_finished() {
            yield_now();
            sleep(Duration::from_millis(1));
        }
        drop(remote);
    });
}
