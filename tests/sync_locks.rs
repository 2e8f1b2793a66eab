//! Locks: what they promise, one thing at a time.

use corobin::sync::{
    Barrier, Condvar, Event, Mutex, OnceCell, RwLock, RwLockWriteGuard, Semaphore, WaitGroup,
};
use corobin::{
    Elapsed, Generator, JoinError, Runtime, gather, run, scope, shield, sleep, spawn, timeout,
    yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

type Log = Rc<RefCell<Vec<u32>>>;

#[test]
fn a_mutex_is_fair_and_handed_over() {
    run(|| {
        let (mutex, log) = (Rc::new(Mutex::new(())), Log::default());
        let guard = mutex.lock();
        let handles: Vec<_> = (1..4)
            .map(|n| {
                let (mutex, log) = (mutex.clone(), log.clone());
                spawn(move || {
                    let _guard = mutex.lock();
                    log.borrow_mut().push(n);
                })
            })
            .collect();
        yield_now();
        drop(guard);
        assert!(
            mutex.try_lock().is_none(),
            "it went to the first, who has not run yet"
        );
        drop(mutex.lock());
        assert_eq!(*log.borrow(), [1, 2, 3]);
        gather(handles).unwrap();
    });
}

#[test]
fn a_panic_or_a_cancel_releases() {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let (one, other) = (mutex.clone(), mutex.clone());
        let panics = spawn(move || {
            *one.lock() = 1;
            let _guard = one.lock();
            panic!("with the lock");
        });
        assert!(panics.join().is_err());
        assert_eq!(*mutex.lock(), 1);
        let hangs = spawn(move || {
            let mut guard = other.lock();
            *guard = 2;
            sleep(Duration::MAX);
        });
        yield_now();
        assert!(mutex.try_lock().is_none());
        hangs.cancel();
        assert_eq!(*mutex.lock(), 2);
        assert_eq!(Rc::try_unwrap(mutex).unwrap().into_inner(), 2);
    });
}

#[test]
fn locks_of_what_has_no_size() {
    run(|| {
        let mutex: &Mutex<[u8]> = &Mutex::new([1, 2]);
        mutex.lock()[1] = 3;
        assert_eq!(*mutex.lock(), [1, 3]);
        let lock: Box<RwLock<dyn std::fmt::Debug>> = Box::new(RwLock::new(7));
        assert_eq!(format!("{:?}", lock.read()), "7");
        assert_eq!(format!("{lock:?}"), "RwLock { value: 7, .. }");
        let guard = mutex.lock();
        assert_eq!(format!("{mutex:?}"), "Mutex { value: <locked>, .. }");
        drop(guard);
    });
}

#[test]
fn a_guard_may_go_to_another() {
    run(|| {
        let mutex: &'static Mutex<u32> = Box::leak(Box::default());
        let guard = mutex.lock();
        let other = spawn(move || {
            let mut guard = guard;
            *guard += 1;
        });
        assert_eq!(*mutex.lock(), 1, "the other releases it");
        other.join().unwrap();
    });
}

#[test]
fn a_generator_may_be_left_with_a_guard() {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let own = mutex.clone();
        let mut generator = Generator::new(move |y: &corobin::Yielder<u32>| {
            let mut guard = own.lock();
            for n in 1.. {
                *guard = n;
                y.yield_(n);
            }
        });
        assert_eq!((generator.next(), generator.next()), (Some(1), Some(2)));
        let waiting = spawn({
            let mutex = mutex.clone();
            move || *mutex.lock()
        });
        yield_now();
        assert!(!waiting.is_finished());
        drop(generator);
        assert_eq!(waiting.join().unwrap(), 2);
    });
}

#[test]
fn writers_and_readers_take_turns() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let first = lock.read();
        let spawn_one = |writes: bool, n: u32| {
            let (lock, log) = (lock.clone(), log.clone());
            spawn(move || {
                if writes {
                    *lock.write() += n;
                    log.borrow_mut().push(n);
                } else {
                    let guard = lock.read();
                    yield_now();
                    log.borrow_mut().push(*guard);
                }
            })
        };
        let handles: Vec<_> = [(true, 10), (false, 0), (false, 0), (true, 20), (false, 0)]
            .map(|(writes, n)| spawn_one(writes, n))
            .into();
        yield_now();
        assert!(lock.try_read().is_none(), "a writer waits");
        assert!(log.borrow().is_empty());
        drop(first);
        gather(handles).unwrap();
        assert_eq!(*log.borrow(), [10, 10, 10, 20, 30]);
        assert!(lock.try_write().is_some());
    });
}

#[test]
fn a_writer_that_goes_away_lets_readers_in() {
    run(|| {
        let lock = Rc::new(RwLock::new(0));
        let first = lock.read();
        let writer = spawn({
            let lock = lock.clone();
            move || drop(lock.write())
        });
        let reader = spawn({
            let lock = lock.clone();
            move || drop(lock.read())
        });
        yield_now();
        assert!(!reader.is_finished());
        writer.cancel();
        reader.join().unwrap();
        drop(first);
    });
}

#[test]
fn a_writer_that_reads_on_lets_readers_in_but_no_writer() {
    run(|| {
        let (lock, log) = (Rc::new(RwLock::new(0)), Log::default());
        let mut writes = lock.write();
        let spawn_one = |writes: bool, n: u32| {
            let (lock, log) = (lock.clone(), log.clone());
            spawn(move || {
                if writes {
                    *lock.write() += n;
                } else {
                    let guard = lock.read();
                    yield_now();
                    log.borrow_mut().push(n + *guard);
                }
            })
        };
        let handles: Vec<_> = [(false, 1), (false, 2), (true, 10), (false, 3)]
            .map(|(writes, n)| spawn_one(writes, n))
            .into();
        yield_now();
        *writes = 100;
        let reads = RwLockWriteGuard::downgrade(writes);
        assert!(lock.try_read().is_none(), "a writer waits");
        for _ in 0..5 {
            yield_now();
        }
        assert_eq!((*reads, &*log.borrow()), (100, &vec![101, 102]));
        drop(reads);
        gather(handles).unwrap();
        assert_eq!(*log.borrow(), [101, 102, 113]);
        assert!(lock.try_write().is_some(), "all of it was given back");
    });
}

#[test]
fn a_writer_that_reads_on_keeps_the_next_writer_waiting() {
    run(|| {
        let lock = Rc::new(RwLock::new(0));
        let writes = lock.write();
        let [next, reader] = [true, false].map(|adds| {
            let lock = lock.clone();
            spawn(move || match adds {
                true => *lock.write() += 1,
                false => assert_eq!(*lock.read(), 1, "it came after the writer"),
            })
        });
        yield_now();
        let reads = RwLockWriteGuard::downgrade(writes);
        yield_now();
        yield_now();
        assert!(*reads == 0 && !next.is_finished() && !reader.is_finished());
        drop(reads);
        gather([next, reader]).unwrap();
    });
}

/// With nobody who waits, and of what has no size.
#[test]
fn a_writer_that_reads_on_reads_beside_others() {
    let lock: Box<RwLock<[u32]>> = Box::new(RwLock::new([1, 2]));
    let mut writes = lock.write();
    writes[0] = 3;
    let reads = RwLockWriteGuard::downgrade(writes);
    assert_eq!(*lock.try_read().unwrap(), *reads);
    assert!(lock.try_write().is_none());
    drop(reads);
    assert!(lock.try_write().is_some());
}

#[test]
fn a_cancelled_wait_on_a_condvar_locks_again_first() {
    run(|| {
        let pair = Rc::new((Mutex::new(0), Condvar::new()));
        struct Looks<'a>(corobin::sync::MutexGuard<'a, u32>);
        impl Drop for Looks<'_> {
            fn drop(&mut self) {
                *self.0 += 1; // it has the lock
            }
        }
        let waiting = spawn({
            let pair = pair.clone();
            move || {
                let mut looks = Looks(pair.0.lock());
                pair.1.wait(&mut looks.0);
                unreachable!("nobody notifies");
            }
        });
        yield_now();
        let guard = pair.0.lock();
        waiting.cancel();
        yield_now();
        assert!(!waiting.is_finished(), "it waits for the mutex");
        drop(guard);
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
        assert_eq!(*pair.0.lock(), 1);
        let mut guard = pair.0.lock();
        assert_eq!(timeout(MS, || pair.1.wait(&mut guard)), Err(Elapsed));
        assert!(pair.0.try_lock().is_none());
    });
}

#[test]
fn a_notification_is_not_lost_by_a_cancel() {
    run(|| {
        let pair = Rc::new((Mutex::new(()), Condvar::new()));
        let wait = || {
            let pair = pair.clone();
            spawn(move || {
                pair.1.wait(&mut pair.0.lock());
                yield_now();
            })
        };
        let (first, second, third) = (wait(), wait(), wait());
        yield_now();
        first.cancel();
        pair.1.notify_one(); // for the second
        pair.1.notify_one(); // for the third, who is cancelled too late
        third.cancel();
        second.join().unwrap();
        assert!(matches!(first.join(), Err(JoinError::Cancelled)));
        assert!(
            matches!(third.join(), Err(JoinError::Cancelled)),
            "after its wait"
        );
    });
}

#[test]
fn wait_while_suspends_and_panics_as_its_condition_does() {
    run(|| {
        let pair = Rc::new((Mutex::new(0), Condvar::new()));
        let other = pair.clone();
        spawn(move || {
            for _ in 0..3 {
                *other.0.lock() += 1;
                other.1.notify_all();
                yield_now();
            }
        });
        let mut guard = pair.0.lock();
        pair.1.wait_while(&mut guard, |n| {
            yield_now();
            *n < 3
        });
        assert_eq!(*guard, 3);
        let panics = || pair.1.wait_while(&mut guard, |_| panic!("a condition"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        *guard = 4;
        drop(guard);
        assert_eq!(*pair.0.lock(), 4);
    });
}

#[test]
fn permits_are_conserved() {
    run(|| {
        let semaphore = Semaphore::new(3);
        let most = Cell::new(0);
        scope(|s| {
            for n in 0..50 {
                let (semaphore, most) = (&semaphore, &most);
                let handle = s.spawn(move || {
                    let _permit = semaphore.acquire();
                    most.set(most.get().max(3 - semaphore.available_permits()));
                    sleep(n % 3 * MS);
                });
                if n % 5 == 0 {
                    handle.cancel();
                }
            }
        });
        assert_eq!((semaphore.available_permits(), most.get()), (3, 3));
        let _three = [(); 3].map(|()| semaphore.try_acquire().unwrap());
        assert!(semaphore.try_acquire().is_none());
    });
}

#[test]
fn an_event_that_is_cleared_at_once_still_wakes() {
    run(|| {
        let event = Rc::new(Event::new());
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let event = event.clone();
                spawn(move || event.wait())
            })
            .collect();
        yield_now();
        event.set();
        event.clear();
        assert_eq!(
            timeout(MS, || event.wait()),
            Err(Elapsed),
            "this one came later"
        );
        gather(waiting).unwrap();
    });
}

#[test]
fn a_barrier_does_not_count_who_was_cancelled() {
    run(|| {
        let barrier = Rc::new(Barrier::new(2));
        let wait = || {
            let barrier = barrier.clone();
            spawn(move || barrier.wait().is_leader())
        };
        let first = wait();
        yield_now();
        first.cancel(); // it has not unwound yet
        let (second, third) = (wait(), wait());
        assert!(matches!(first.join(), Err(JoinError::Cancelled)));
        assert_eq!(
            (second.join().unwrap(), third.join().unwrap()),
            (false, true)
        );
        assert!(Barrier::new(0).wait().is_leader() && Barrier::new(1).wait().is_leader());
    });
}

#[test]
fn a_wait_group_that_is_cancelled_has_dropped_its_member() {
    run(|| {
        let group = WaitGroup::new();
        let waiting = spawn({
            let group = group.clone();
            move || group.wait()
        });
        yield_now();
        waiting.cancel();
        group.wait();
        assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn the_next_initialises_where_one_fails() {
    run(|| {
        let cell = Rc::new(OnceCell::new());
        let fails = spawn({
            let cell = cell.clone();
            move || {
                *cell.get_or_init(|| -> u32 {
                    sleep(Duration::MAX);
                    unreachable!()
                })
            }
        });
        yield_now();
        let errs = spawn({
            let cell = cell.clone();
            move || cell.get_or_try_init(|| Err("no value")).copied()
        });
        let succeeds = spawn({
            let cell = cell.clone();
            move || *cell.get_or_init(|| 3)
        });
        yield_now();
        assert_eq!(
            (cell.get(), cell.set(9)),
            (None, Err(9)),
            "it is being made"
        );
        fails.cancel();
        assert_eq!(errs.join().unwrap(), Err("no value"));
        assert_eq!(succeeds.join().unwrap(), 3);
        assert_eq!((cell.get(), cell.set(9)), (Some(&3), Err(9)));
    });
}

#[test]
fn an_initialiser_must_not_ask_for_its_value() {
    let cell = OnceCell::new();
    let again = || *cell.get_or_init(|| *cell.get_or_init(|| 1) + 1);
    for _ in 0..2 {
        let payload = catch_unwind(AssertUnwindSafe(again)).unwrap_err();
        assert!(
            payload
                .downcast_ref::<String>()
                .unwrap()
                .contains("asks for its value")
        );
    }
    run(|| {
        let payload = catch_unwind(AssertUnwindSafe(again)).unwrap_err();
        assert!(
            payload
                .downcast_ref::<String>()
                .unwrap()
                .contains("asks for its value")
        );
    });
    assert_eq!(cell.get_or_init(|| 7), &7);
}

/// A turn that has come is kept through a spurious wake-up, and given up by a cancel.
#[test]
fn unpark_disturbs_no_wait() {
    run(|| {
        let event = Rc::new(Event::new());
        let own = event.clone();
        let waiting = spawn(move || own.wait());
        yield_now();
        waiting.coroutine().unpark();
        yield_now();
        assert!(!waiting.is_finished());
        // Woken by the wrong one, and then by the right one before it runs.
        waiting.coroutine().unpark();
        event.set();
        event.clear();
        waiting.join().unwrap();

        let mutex = Rc::new(Mutex::new(()));
        let guard = mutex.lock();
        let lock = || {
            let mutex = mutex.clone();
            spawn(move || drop(mutex.lock()))
        };
        let (first, second) = (lock(), lock());
        yield_now();
        first.coroutine().unpark();
        first.cancel(); // it is awake, and will unwind
        drop(guard);
        second.join().unwrap();
        assert!(matches!(first.join(), Err(JoinError::Cancelled)));
    });
}

/// Locks work where nothing may be raised: in destructors during an unwinding, and in shields.
#[test]
fn locks_in_destructors_and_shields() {
    struct Locks(Rc<Mutex<u32>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let (locks, shielded) = (Locks(mutex.clone()), mutex.clone());
        let unwinds = spawn(move || {
            let _locks = locks;
            sleep(Duration::MAX);
        });
        let shields = spawn(move || {
            shield(|| *shielded.lock() += 10);
            yield_now();
        });
        let guard = mutex.lock();
        yield_now();
        unwinds.cancel();
        shields.cancel();
        sleep(MS);
        assert!(!unwinds.is_finished() && !shields.is_finished());
        drop(guard);
        assert!(unwinds.join().is_err() && shields.join().is_err());
        assert_eq!(*mutex.lock(), 11);
    });
}
