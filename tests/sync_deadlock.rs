//! What the report of a deadlock says of channels and locks, and how it is unwound.

use corobin::sync::{
    Barrier, Condvar, Event, Mutex, OnceCell, RwLock, RwLockWriteGuard, Select, Semaphore,
    WaitGroup, broadcast, channel, oneshot, watch,
};
use corobin::{
    Builder, Id, RunError, Runtime, Snapshot, current, is_cancel, park, select, shield, snapshot,
    spawn, yield_now,
};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

fn deadlock(f: impl FnOnce()) -> Snapshot {
    match Runtime::new().unwrap().try_run(f) {
        Err(RunError::Deadlock(snapshot)) => snapshot,
        other => panic!("not a deadlock: {other:?}"),
    }
}

/// What `main` waits on, and who holds that.
fn main_waits(f: impl FnOnce()) -> (String, Vec<Id>) {
    let snapshot = deadlock(f);
    let main = &snapshot.coroutines[0];
    assert_eq!(main.name.as_deref(), Some("main"));
    assert!(
        main.waits_at.unwrap().file().ends_with("sync_deadlock.rs"),
        "{snapshot}"
    );
    (main.waits_on.clone().unwrap(), main.held_by.clone())
}

#[test]
fn a_mutex_locked_twice_is_the_deadlock_that_it_is() {
    let line = line!() + 5;
    let own = Rc::new(RefCell::new(None));
    let (text, holders) = main_waits(|| {
        *own.borrow_mut() = Some(current().id());
        let mutex = Mutex::new(0);
        let _guard = mutex.lock();
        let _again = mutex.lock();
    });
    let place = format!(
        "the Mutex taken at {}:{line}:28 by the same coroutine",
        file!()
    );
    assert_eq!(text, place);
    assert_eq!(holders, [own.take().unwrap()]);
}

#[test]
fn two_that_lock_in_different_orders() {
    let ids = Rc::new(RefCell::new(Vec::new()));
    let snapshot = deadlock(|| {
        let (one, other) = (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())));
        let lock_both = |name: &str, first: &Rc<Mutex<()>>, second: &Rc<Mutex<()>>| {
            let (first, second) = (first.clone(), second.clone());
            let body = move || {
                let _first = first.lock();
                yield_now();
                let _second = second.lock();
            };
            Builder::new().name(name).spawn(body).unwrap()
        };
        let handles = [lock_both("ab", &one, &other), lock_both("ba", &other, &one)];
        ids.borrow_mut()
            .extend(handles.each_ref().map(|handle| handle.coroutine().id()));
        let [ab, ba] = handles;
        drop(ba);
        let _ = ab.join();
    });
    let ids = ids.take();
    let held_by = |at: usize| {
        let info = snapshot.coroutines.iter().find(|info| info.id == ids[at]);
        info.unwrap().held_by.clone()
    };
    assert_eq!(held_by(0), [ids[1]]);
    assert_eq!(held_by(1), [ids[0]]);
    assert!(snapshot.to_string().contains("held by #"), "{snapshot}");
}

#[test]
fn every_primitive_says_what_is_waited_for_and_who_holds_it() {
    let (text, holders) = main_waits(|| {
        let lock = Rc::new(RwLock::new(()));
        for _ in 0..5 {
            let lock = lock.clone();
            spawn(move || {
                let _guard = lock.read();
                park();
            });
        }
        yield_now();
        drop(lock.write());
    });
    assert!(
        text.starts_with("the RwLock to write, taken at tests/sync_deadlock.rs:"),
        "{text}"
    );
    assert!(text.ends_with(" and 2 more"), "{text}");
    assert_eq!(holders.len(), 5);

    let (text, holders) = main_waits(|| {
        let lock = RwLock::new(());
        let _writes = lock.write();
        drop(lock.read());
    });
    assert!(text.starts_with("the RwLock to read, taken at "), "{text}");
    assert_eq!(holders.len(), 1);

    let line = line!() + 3;
    let (text, holders) = main_waits(|| {
        let lock = RwLock::new(());
        let _reads = RwLockWriteGuard::downgrade(lock.write());
        drop(lock.write());
    });
    let place = format!("the RwLock to write, taken at {}:{line}:55", file!());
    assert_eq!(text, format!("{place} by the same coroutine"));
    assert_eq!(holders.len(), 1);

    let (text, holders) = main_waits(|| {
        let semaphore = Rc::new(Semaphore::new(2));
        let _one = semaphore.acquire();
        let other = semaphore.clone();
        spawn(move || std::mem::forget(other.acquire()));
        yield_now();
        drop(semaphore.acquire());
    });
    assert!(
        text.starts_with("a permit of the Semaphore taken at "),
        "{text}"
    );
    assert_eq!(holders.len(), 2);

    let (text, holders) = main_waits(|| {
        let cell = Rc::new(OnceCell::new());
        let other = cell.clone();
        spawn(move || other.get_or_init(park).to_owned());
        yield_now();
        cell.get_or_init(|| ());
    });
    assert!(
        text.starts_with("the value of a OnceCell, its initialiser taken at "),
        "{text}"
    );
    assert_eq!(holders.len(), 1);
}

#[test]
fn channels_and_events_say_what_is_waited_for() {
    let waits = |f: fn()| main_waits(f).0;
    let made = "made at tests/sync_deadlock.rs:";

    let text = waits(|| {
        let (_tx, rx) = channel::<u32>(3);
        let _ = rx.recv();
    });
    assert!(
        text.starts_with("an item from the channel of capacity 3 "),
        "{text}"
    );
    assert!(
        text.contains(made) && text.ends_with("(senders: 1)"),
        "{text}"
    );

    let text = waits(|| {
        let (tx, _rx) = channel(1);
        (0..2).for_each(|n| tx.send(n).unwrap());
    });
    assert!(
        text.starts_with("room in the channel of capacity 1 "),
        "{text}"
    );
    assert!(
        text.contains(made) && text.ends_with("(receivers: 1)"),
        "{text}"
    );

    let text = waits(|| {
        let (tx, _rx) = channel(0);
        tx.send(()).unwrap();
    });
    assert!(
        text.starts_with("a receiver of the channel of capacity 0 "),
        "{text}"
    );

    let text = waits(|| {
        let (_tx, rx) = oneshot::<u32>();
        let _ = rx.recv();
    });
    assert!(
        text.starts_with("the item of the oneshot made at "),
        "{text}"
    );
    let text = waits(|| {
        let (_tx, rx) = broadcast::<u32>(1);
        let _ = rx.recv();
    });
    assert!(
        text.starts_with("the next item of the broadcast made at "),
        "{text}"
    );
    let text = waits(|| {
        let (_tx, rx) = watch(1);
        let _ = rx.changed();
    });
    assert!(text.starts_with("a change of the watch made at "), "{text}");

    let text = waits(|| {
        let ((tx, _rx), (_tx, rx)) = (channel(0), channel::<u32>(0));
        select! { recv(rx) -> _ => {}, send(tx, 1) -> _ => {} }
    });
    assert_eq!(text, "one of 2 operations of a select!");
    let text = waits(|| {
        let (_tx, rx) = channel::<u32>(0);
        let mut select = Select::new();
        select.recv(&rx);
        let _ = select.select();
    });
    assert_eq!(text, "one of 1 operations of a select!");

    assert_eq!(waits(|| Event::new().wait()), "an Event");
    assert_eq!(
        waits(|| assert!(Barrier::new(3).wait().is_leader())),
        "the others of a Barrier, 1 of 3 have come"
    );
    let text = waits(|| {
        let group = WaitGroup::new();
        let _member = group.clone();
        group.wait();
    });
    assert_eq!(text, "the last of 1 members of a WaitGroup");
    let text = waits(|| {
        let mutex = Mutex::new(());
        Condvar::new().wait(&mut mutex.lock());
    });
    assert_eq!(text, "a notification of a Condvar");
}

/// A snapshot shows them while all is well, too.
#[test]
fn snapshots_show_holders() {
    let text = corobin::run(|| {
        let mutex = Rc::new(Mutex::new(()));
        let guard = mutex.lock();
        let other = mutex.clone();
        let waiting = spawn(move || drop(other.lock()));
        yield_now();
        let text = snapshot().to_string();
        drop(guard);
        waiting.join().unwrap();
        text
    });
    assert!(
        text.contains("waits for the Mutex taken at tests/sync_deadlock.rs:"),
        "{text}"
    );
    assert!(text.contains("held by #"), "{text}");
}

/// Unwinding the one that holds a lock does not let those go on who wait for it, also behind a
/// shield, and also if they swallow the unwinding and try again.
#[test]
fn a_deadlock_hands_nothing_over() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let got = |what: &'static str| {
        let log = log.clone();
        move || log.borrow_mut().push(what)
    };
    struct SendsOnDrop(corobin::sync::Sender<u32>);
    impl Drop for SendsOnDrop {
        fn drop(&mut self) {
            let _ = self.0.try_send(1);
        }
    }
    deadlock(|| {
        let mutex = Rc::new(Mutex::new(()));
        let (tx, rx) = channel(0);
        let _sends = SendsOnDrop(tx);
        let _guard = mutex.lock();
        let (own, shielded) = (mutex.clone(), got("shielded"));
        spawn(move || {
            shield(|| {
                let _guard = own.lock();
                shielded();
            })
        });
        let (own, swallowing) = (mutex.clone(), got("swallowing"));
        spawn(move || {
            for _ in 0..3 {
                let locked = catch_unwind(AssertUnwindSafe(|| {
                    let _guard = own.lock();
                    swallowing();
                }));
                assert!(is_cancel(&locked.unwrap_err()));
            }
        });
        let received = got("received");
        spawn(move || {
            if rx.recv().is_ok() {
                received();
            }
        });
        park();
    });
    assert_eq!(*log.borrow(), [""; 0]);
}

/// Destructors that the unwinding of a deadlock runs may wait for what it releases: or it could
/// never end.
#[test]
fn destructors_may_lock_while_a_deadlock_is_unwound() {
    struct Locks(Rc<Mutex<u32>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            *self.0.lock() += 1;
        }
    }
    let mutex = Rc::new(Mutex::new(0));
    deadlock(|| {
        for _ in 0..3 {
            let mutex = mutex.clone();
            spawn(move || {
                let _locks = Locks(mutex.clone());
                let _guard = mutex.lock();
                park();
            });
        }
        let _condvar = Condvar::new();
        let pair = (Mutex::new(()), Condvar::new());
        pair.1.wait(&mut pair.0.lock());
    });
    assert_eq!(*mutex.try_lock().unwrap(), 3);
}
