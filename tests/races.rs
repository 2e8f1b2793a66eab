//! Threads against the loop: wakes, cancels, deadlines and results that arrive together.

use corobin::{
    Coroutine, JoinError, block_on, current, handle, park, run, sleep, spawn, timeout, to_thread,
    yield_now,
};
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

#[path = "common/rng.rs"]
mod rng;
use rng::Rng;

impl Rng {
    /// A pause of a few hundred spins: short, and different each time.
    fn spin(&mut self) {
        for _ in 0..self.below(400) {
            std::hint::spin_loop();
        }
    }
}

#[derive(Default)]
struct Flag {
    set: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Flag {
    fn set(&self) {
        self.set.store(true, SeqCst);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wait(&self) {
        block_on(poll_fn(|context| {
            *self.waker.lock().unwrap() = Some(context.waker().clone());
            match self.set.load(SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
    }
}

type Work = Box<dyn FnOnce() + Send>;

/// A thread that does what it is sent, to spare the cost of a new one for each round.
fn helper() -> (mpsc::Sender<Work>, thread::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel::<Work>();
    let thread = thread::spawn(move || receiver.into_iter().for_each(|work| work()));
    (sender, thread)
}

#[test]
fn smoke() {
    let (sender, thread) = helper();
    run(|| {
        let flag = Arc::new(Flag::default());
        let remote = flag.clone();
        sender.send(Box::new(move || remote.set())).unwrap();
        flag.wait();
    });
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn a_wake_is_never_lost_whenever_it_comes() {
    let (sender, thread) = helper();
    run(|| {
        let mut rng = Rng(3);
        for seed in 0..3000 {
            let flag = Arc::new(Flag::default());
            let remote = flag.clone();
            let work = move || {
                Rng(seed).spin();
                remote.set();
            };
            sender.send(Box::new(work)).unwrap();
            rng.spin();
            flag.wait();
            assert!(flag.set.load(SeqCst));
        }
    });
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn the_last_spawn_of_a_handle_that_is_dropped_at_once_is_not_lost() {
    thread_local! {
        static MAIN: RefCell<Option<Coroutine>> = const { RefCell::new(None) };
    }
    let (sender, thread) = helper();
    run(|| {
        MAIN.set(Some(current()));
        let mut rng = Rng(7);
        for seed in 0..3000 {
            let handle = handle();
            let work = move || {
                Rng(seed).spin();
                handle.spawn(|| MAIN.with_borrow(|main| main.as_ref().unwrap().unpark()));
            };
            sender.send(Box::new(work)).unwrap();
            rng.spin();
            park();
        }
    });
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn a_wake_against_a_cancel() {
    let (sender, thread) = helper();
    run(|| {
        let mut rng = Rng(4);
        for seed in 0..1000 {
            let flag = Arc::new(Flag::default());
            let child = spawn({
                let flag = flag.clone();
                move || flag.wait()
            });
            yield_now();
            let work = move || {
                Rng(seed).spin();
                flag.set();
            };
            sender.send(Box::new(work)).unwrap();
            rng.spin();
            child.cancel();
            assert!(matches!(child.join(), Ok(()) | Err(JoinError::Cancelled)));
        }
    });
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn a_wake_against_a_deadline() {
    let (sender, thread) = helper();
    run(|| {
        for seed in 0..500 {
            let flag = Arc::new(Flag::default());
            let remote = flag.clone();
            let work = move || {
                Rng(seed).spin();
                thread::sleep(Duration::from_micros(seed % 200));
                remote.set();
            };
            sender.send(Box::new(work)).unwrap();
            let limit = Duration::from_micros(Rng(seed + 1).below(300));
            if timeout(limit, || flag.wait()).is_ok() {
                assert!(flag.set.load(SeqCst));
            } else {
                flag.wait();
            }
        }
    });
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn a_cancel_against_the_end_of_blocking_work() {
    run(|| {
        let mut rng = Rng(5);
        for seed in 0..500 {
            let inside = Arc::new(AtomicUsize::new(0));
            let child = spawn({
                let inside = inside.clone();
                move || {
                    let mut local = [0_u64; 64];
                    let borrowed = &mut local;
                    let inside = &inside;
                    to_thread(move || {
                        inside.fetch_add(1, SeqCst);
                        for (n, slot) in borrowed.iter_mut().enumerate() {
                            *slot = n as u64;
                        }
                        Rng(seed).spin();
                        inside.fetch_sub(1, SeqCst);
                    });
                    assert_eq!(local.iter().sum::<u64>(), 63 * 32);
                }
            });
            yield_now();
            rng.spin();
            child.cancel();
            assert!(matches!(child.join(), Ok(()) | Err(JoinError::Cancelled)));
            assert_eq!(inside.load(SeqCst), 0);
        }
    });
}

#[test]
fn a_remote_cancel_against_the_end_of_its_coroutine() {
    const ROUNDS: usize = 2000;
    let ended = Arc::new(AtomicUsize::new(0));
    let captures = Arc::new(());
    run(|| {
        let handle = handle();
        let thread = thread::spawn({
            let (ended, captures) = (ended.clone(), captures.clone());
            move || {
                let mut rng = Rng(6);
                let (mut finished, mut cancelled) = (0, 0);
                for n in 0..ROUNDS {
                    let (ended, captures) = (ended.clone(), captures.clone());
                    let remote = handle.spawn(move || {
                        let _captures = captures;
                        for _ in 0..n % 4 {
                            yield_now();
                        }
                        ended.fetch_add(1, SeqCst);
                    });
                    rng.spin();
                    remote.cancel();
                    match remote.join() {
                        Ok(()) => finished += 1,
                        Err(JoinError::Cancelled) => cancelled += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                (finished, cancelled)
            }
        });
        while !thread.is_finished() {
            sleep(Duration::from_millis(1));
        }
        let (finished, cancelled) = thread.join().unwrap();
        assert_eq!(finished + cancelled, ROUNDS);
        assert_eq!(ended.load(SeqCst), finished);
    });
    assert_eq!(Arc::strong_count(&captures), 1);
}

#[test]
fn a_remote_join_against_the_end_of_the_run() {
    for round in 0..300_u64 {
        let thread = run(|| {
            let handle = handle();
            let thread = thread::spawn(move || {
                let remote = handle.spawn(park);
                let clone = handle.clone();
                let from_a_thread = thread::spawn(move || clone.spawn(|| 1).join());
                let outcome = remote.join();
                (outcome, from_a_thread.join().unwrap())
            });
            Rng(round).spin();
            for _ in 0..round % 5 {
                yield_now();
            }
            thread
        });
        let (parked, quick) = thread.join().unwrap();
        assert!(matches!(parked, Err(JoinError::Cancelled)));
        assert!(matches!(quick, Ok(1) | Err(JoinError::Cancelled)));
    }
}

#[test]
fn blocking_calls_of_many_short_runs() {
    for round in 0..200_u64 {
        let done = Arc::new(AtomicUsize::new(0));
        run(|| {
            for n in 0..3 {
                let done = done.clone();
                spawn(move || {
                    let before = done.load(SeqCst);
                    to_thread(|| {
                        Rng(round + n).spin();
                        done.fetch_add(1, SeqCst);
                    });
                    assert!(done.load(SeqCst) > before);
                });
            }
            for _ in 0..round % 3 {
                yield_now();
            }
        });
        assert!(done.load(SeqCst) <= 3);
        assert_eq!(Arc::strong_count(&done), 1);
    }
}

#[test]
fn an_arm_was_spawned_where_the_race_is() {
    corobin::run(|| {
        let here = std::panic::Location::caller();
        let arm = || {
            let id = corobin::current().id();
            let snapshot = corobin::snapshot();
            let arm = snapshot.coroutines.iter().find(|info| info.id == id);
            arm.unwrap().spawned_at
        };
        let spawned_at = corobin::race([arm]);
        assert_eq!(spawned_at.file(), here.file());
    });
}
