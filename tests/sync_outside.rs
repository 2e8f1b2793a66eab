//! Channels and locks outside of a runtime: what need not wait works, what must wait says what is
//! missing.

use corobin::sync::{
    Barrier, Condvar, Event, Mutex, OnceCell, RecvError, RwLock, Select, Semaphore, TryRecvError,
    TrySendError, WaitGroup, broadcast, channel, oneshot, unbounded, watch,
};
use corobin::{run, select};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

fn names_run<T>(f: impl FnOnce() -> T) {
    let result = catch_unwind(AssertUnwindSafe(f));
    let payload = result.err().expect("it would have to wait");
    let text = payload.downcast_ref::<String>().unwrap();
    assert!(text.contains("corobin::run"), "{text}");
}

#[test]
fn what_need_not_wait_works() {
    let (tx, rx) = channel(1);
    tx.send(1).unwrap();
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(
        (rx.recv(), rx.try_recv()),
        (Ok(1), Err(TryRecvError::Empty))
    );
    let n = select! { send(tx, 3) -> sent => { sent.unwrap(); 3 } };
    assert_eq!(
        select! { recv(rx) -> item => item, default => Ok(0) },
        Ok(n)
    );
    assert_eq!(
        select! { recv(rx) -> item => item, default => Ok(0) },
        Ok(0)
    );
    let mut select = Select::new();
    select.send(&tx);
    select.select().send(&tx, 4).unwrap();
    drop(tx);
    assert_eq!(rx.iter().collect::<Vec<_>>(), [4]);
    assert_eq!(rx.recv(), Err(RecvError));

    let (tx, rx) = oneshot();
    tx.send(1).unwrap();
    assert_eq!(rx.recv(), Ok(1));
    let (tx, rx) = broadcast(1);
    tx.send(1).unwrap();
    assert_eq!(rx.recv(), Ok(1));
    let (tx, rx) = watch(0);
    tx.send(1).unwrap();
    assert_eq!((rx.changed(), *rx.borrow()), (Ok(()), 1));

    let mutex = Mutex::new(0);
    *mutex.lock() += 1;
    Condvar::new().wait_while(&mut mutex.lock(), |n| *n == 0);
    let lock = RwLock::new(0);
    *lock.write() += *lock.try_read().map_or(&0, |_| &0);
    drop((lock.read(), lock.read()));
    drop(Semaphore::new(1).acquire());
    let event = Event::new();
    event.set();
    event.wait();
    assert!(Barrier::new(1).wait().is_leader());
    WaitGroup::new().wait();
    assert_eq!(OnceCell::new().get_or_init(|| 1), &1);
}

#[test]
fn what_must_wait_names_run() {
    let (tx, rx) = channel(0);
    names_run(|| tx.send(1));
    names_run(|| rx.recv());
    names_run(|| select! { recv(rx) -> _ => {} });
    names_run(|| select! { send(tx, 1) -> _ => {}, default(Duration::from_secs(1)) => {} });
    let (_tx, rx) = oneshot::<u32>();
    names_run(|| rx.recv());
    let (_tx, rx) = broadcast::<u32>(1);
    names_run(|| rx.recv());
    let (_tx, rx) = watch(0);
    names_run(|| rx.changed());
    let mutex = Mutex::new(0);
    let mut guard = mutex.lock();
    names_run(|| drop(mutex.lock()));
    names_run(|| Condvar::new().wait(&mut guard));
    assert!(mutex.try_lock().is_none(), "the guard still has it");
    drop(guard);
    assert!(mutex.try_lock().is_some());
    let lock = RwLock::new(0);
    let guard = lock.read();
    names_run(|| drop(lock.write()));
    drop(guard);
    let guard = lock.write();
    names_run(|| drop(lock.read()));
    drop(guard);
    names_run(|| drop(Semaphore::new(0).acquire()));
    names_run(|| Event::new().wait());
    names_run(|| Barrier::new(2).wait());
    let group = WaitGroup::new();
    names_run(|| group.clone().wait());
}

/// Who waits in a run is served from it only; what was sent before and after is kept.
#[test]
fn ends_may_be_used_before_in_and_after_a_run() {
    let (tx, rx) = unbounded();
    tx.send(1).unwrap();
    run(|| {
        assert_eq!(rx.recv(), Ok(1));
        let other = rx.clone();
        corobin::spawn(move || other.iter().for_each(drop));
        corobin::yield_now();
        tx.send(2).unwrap();
    });
    tx.send(3).unwrap();
    assert_eq!(rx.try_recv(), Ok(3));
    assert_eq!(run(|| rx.try_recv()), Err(TryRecvError::Empty));
}
