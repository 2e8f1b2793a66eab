//! One runtime a thread: placement, results, ends.

use corobin::{
    JoinError, Runtime, Workers, is_cancel, park, run, scope, sleep, spawn, timeout, yield_now,
};
use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Sets its flag when dropped.
struct Flag(Arc<AtomicUsize>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn thread_id() -> ThreadId {
    thread::current().id()
}

fn ids(workers: &Workers) -> Vec<ThreadId> {
    let ids = workers.broadcast(|_| thread_id());
    ids.into_iter().map(|id| id.join().unwrap()).collect()
}

#[test]
fn smoke() {
    let workers = Workers::new(2).unwrap();
    assert_eq!(workers.count(), 2);
    assert_eq!(workers.spawn(|| 1 + 1).join().unwrap(), 2);
    assert!(format!("{workers:?}").contains("Workers"));
    workers.shutdown();
}

#[test]
fn each_has_a_thread_of_its_own_that_its_handle_leads_to() {
    let workers = Workers::new(4).unwrap();
    let ids = ids(&workers);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
    assert!(!ids.contains(&thread_id()));
    for (i, id) in ids.iter().enumerate() {
        assert_eq!(workers.on(i).spawn(thread_id).join().unwrap(), *id);
    }
    let numbers = workers.broadcast(|i| i);
    let numbers: Vec<_> = numbers.into_iter().map(|n| n.join().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

#[test]
fn none_is_an_error_and_a_number_too_large_panics() {
    assert_eq!(
        Workers::new(0).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    let workers = Workers::new(1).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| workers.on(1))).unwrap_err();
    assert_eq!(
        panic.downcast_ref::<String>().unwrap(),
        "there is no worker 1: the last is 0"
    );
}

#[test]
fn the_least_loaded_is_taken() {
    let workers = Workers::new(3).unwrap();
    let ids = ids(&workers);
    // Three that stay, one on each, since equals take turns and loads are equal.
    let staying: Vec<_> = (0..3)
        .map(|_| {
            let (told, id) = mpsc::channel();
            let handle = workers.spawn(move || {
                told.send(thread_id()).unwrap();
                park();
            });
            (id.recv().unwrap(), handle)
        })
        .collect();
    assert_eq!(
        staying
            .iter()
            .map(|(id, _)| id)
            .collect::<HashSet<_>>()
            .len(),
        3
    );
    // Two leave: the next hundred, one after the other, never meet the third.
    let mut busy = staying.into_iter();
    let (occupied, third) = busy.next().unwrap();
    for (_, handle) in busy {
        handle.cancel();
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    }
    for _ in 0..100 {
        let id = workers.spawn(thread_id).join().unwrap();
        assert!(id != occupied && ids.contains(&id));
    }
    third.cancel();
}

#[test]
fn what_a_handle_spawns_is_load_too() {
    let workers = Workers::new(2).unwrap();
    let ids = ids(&workers);
    let staying = workers.on(0).clone().spawn(park);
    for _ in 0..10 {
        assert_eq!(workers.spawn(thread_id).join().unwrap(), ids[1]);
    }
    staying.cancel();
}

#[test]
fn those_that_end_by_panic_or_before_they_start_are_no_load() {
    let workers = Workers::new(2).unwrap();
    for _ in 0..10 {
        let panics = workers.spawn(|| panic!("as it should"));
        let Err(JoinError::Panicked(payload)) = panics.join() else {
            panic!("no panic came back");
        };
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"as it should"));
        workers.spawn(park).cancel();
    }
    // Both are free again, so both are taken.
    while format!("{workers:?}") != "Workers { loads: [0, 0] }" {
        thread::yield_now();
    }
    let seen: HashSet<_> = (0..2)
        .map(|_| workers.spawn(thread_id).join().unwrap())
        .collect();
    assert_eq!(seen.len(), 2);
}

#[test]
fn coroutines_of_one_worker_share_without_locks_and_stay_there() {
    thread_local! {
        static COUNT: Rc<Cell<u32>> = Rc::new(Cell::new(0));
    }
    let workers = Workers::new(2).unwrap();
    let counts = workers.broadcast(|_| {
        let own = thread_id();
        let steps: Vec<_> = (0..100)
            .map(|_| {
                spawn(move || {
                    for _ in 0..10 {
                        yield_now();
                        COUNT.with(|count| count.set(count.get() + 1));
                    }
                    sleep(Duration::from_micros(10));
                    assert_eq!(thread_id(), own);
                })
            })
            .collect();
        steps.into_iter().for_each(|step| step.join().unwrap());
        COUNT.with(|count| count.get())
    });
    for count in counts {
        assert_eq!(count.join().unwrap(), 1000);
    }
}

#[test]
fn shutdown_cancels_unwinds_and_joins() {
    let unwound = Arc::new(AtomicUsize::new(0));
    let workers = Workers::new(2).unwrap();
    let handles: Vec<_> = (0..20)
        .map(|_| {
            let flag = Flag(Arc::clone(&unwound));
            workers.spawn(move || {
                let _flag = flag;
                loop {
                    sleep(Duration::from_millis(1));
                }
            })
        })
        .collect();
    let late = workers.on(0);
    workers.shutdown();
    assert_eq!(unwound.load(SeqCst), 20);
    for handle in handles {
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    }
    // A handle outlives the worker, and says so.
    let after = late.spawn(|| 1);
    assert!(matches!(after.join(), Err(JoinError::Cancelled)));
}

#[test]
fn shutdown_waits_for_destructors_that_suspend() {
    struct Slow(Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            sleep(Duration::from_millis(20));
            self.0.store(true, SeqCst);
        }
    }
    let done = Arc::new(AtomicBool::new(false));
    let workers = Workers::new(1).unwrap();
    let (started, has_started) = mpsc::channel();
    workers.spawn({
        let slow = Slow(Arc::clone(&done));
        move || {
            let _slow = slow;
            started.send(()).unwrap();
            park();
        }
    });
    has_started.recv().unwrap();
    drop(workers);
    assert!(done.load(SeqCst));
}

#[test]
fn in_a_coroutine_only_that_waits() {
    run(|| {
        let workers = Rc::new(Workers::new(2).unwrap());
        let ticks = Rc::new(Cell::new(0));
        let ticker = spawn({
            let ticks = Rc::clone(&ticks);
            move || {
                loop {
                    ticks.set(ticks.get() + 1);
                    sleep(Duration::from_millis(1));
                }
            }
        });
        let remote = workers.spawn(|| sleep(Duration::from_millis(20)));
        remote.join().unwrap();
        assert!(ticks.get() > 1);
        // Join, cancel and timeout of the waiting side.
        let cut = timeout(Duration::from_millis(1), || workers.spawn(park).join());
        assert!(cut.is_err());
        Rc::into_inner(workers).unwrap().shutdown();
        ticker.cancel();
    });
}

#[test]
fn a_cancelled_owner_still_joins() {
    let unwound = Arc::new(AtomicUsize::new(0));
    run(|| {
        let ready = Rc::new(Cell::new(false));
        let owner = spawn({
            let (unwound, ready) = (Arc::clone(&unwound), Rc::clone(&ready));
            move || {
                let workers = Workers::new(2).unwrap();
                workers.broadcast(move |_| {
                    let _flag = Flag(Arc::clone(&unwound));
                    park();
                });
                // First in, first out: now those above have started.
                let after = workers.broadcast(|_| ());
                after.into_iter().for_each(|w| w.join().unwrap());
                ready.set(true);
                park();
            }
        });
        while !ready.get() {
            sleep(Duration::from_millis(1));
        }
        owner.cancel();
        assert!(matches!(owner.join(), Err(JoinError::Cancelled)));
    });
    assert_eq!(unwound.load(SeqCst), 2);
}

#[test]
fn a_worker_may_shut_all_down() {
    let workers = Workers::new(3).unwrap();
    let place = Arc::new(Mutex::new(None));
    let ended = workers.on(1).spawn({
        let place = Arc::clone(&place);
        move || {
            let workers: Workers = loop {
                match place.lock().unwrap().take() {
                    Some(workers) => break workers,
                    None => yield_now(),
                }
            };
            let others = [workers.on(0).spawn(park), workers.on(2).spawn(park)];
            workers.shutdown();
            others.map(|other| matches!(other.join(), Err(JoinError::Cancelled)))
        }
    });
    *place.lock().unwrap() = Some(workers);
    // It was cancelled itself, and may meet that before it has looked at the others.
    match ended.join() {
        Ok(others) => assert_eq!(others, [true; 2]),
        Err(error) => assert!(matches!(error, JoinError::Cancelled)),
    }
}

#[test]
fn a_runtime_that_cannot_be_built_ends_those_that_have_started() {
    let built = Arc::new(AtomicUsize::new(0));
    let error = Workers::with(3, {
        let built = Arc::clone(&built);
        move |i| {
            if i == 2 {
                return Err(io::Error::other("no more"));
            }
            built.fetch_add(1, SeqCst);
            Runtime::new()
        }
    });
    assert_eq!(error.unwrap_err().to_string(), "no more");
    assert_eq!(built.load(SeqCst), 2);
    let absurd = Workers::with(usize::MAX, |_| Err(io::Error::other("not one")));
    assert_eq!(absurd.unwrap_err().to_string(), "not one");
    let panic = catch_unwind(|| Workers::with(1, |_| panic!("in build")));
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"in build"));
}

#[test]
fn many_threads_and_scoped_coroutines_use_them_at_once() {
    let workers = Workers::new(3).unwrap();
    let total: usize = thread::scope(|threads| {
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    run(|| {
                        scope(|s| {
                            let all: Vec<_> = (0..50)
                                .map(|n| (n, &workers))
                                .map(|(n, workers)| {
                                    s.spawn(move || workers.spawn(move || n).join().unwrap())
                                })
                                .collect();
                            all.into_iter()
                                .map(|one| one.join().unwrap())
                                .sum::<usize>()
                        })
                    })
                })
            })
            .collect();
        spawners
            .into_iter()
            .map(|spawner| spawner.join().unwrap())
            .sum()
    });
    assert_eq!(total, 4 * 1225);
}

#[test]
fn a_swallowed_cancel_does_not_stop_the_shutdown() {
    let workers = Workers::new(1).unwrap();
    let (started, has_started) = mpsc::channel();
    let stubborn = workers.spawn(move || {
        started.send(()).unwrap();
        let mut swallowed = 0;
        while swallowed < 3 {
            let caught = catch_unwind(AssertUnwindSafe(park));
            swallowed += usize::from(caught.is_err_and(|payload| is_cancel(&payload)));
        }
        swallowed
    });
    has_started.recv().unwrap();
    workers.shutdown();
    assert_eq!(stubborn.join().unwrap(), 3);
}
