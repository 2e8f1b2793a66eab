//! What has to wait outside of a runtime panics there where it was called, and names
//! `run`.

use std::time::Duration;

use corobin::select;
use corobin::sync::{
    Barrier, Condvar, Event, Mutex, OnceCell, RwLock, Semaphore, WaitGroup, broadcast, channel,
    oneshot, watch,
};

#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::payload_and_file_of;

#[track_caller]
fn panics_here<R>(f: impl FnOnce() -> R) {
    let (payload, file) = payload_and_file_of(f);
    let message = payload.downcast::<String>().unwrap();
    assert!(message.contains("corobin::run"), "{message}");
    assert_eq!(file, file!(), "{message}");
}

#[test]
fn waiting_outside_of_a_runtime() {
    let (sender, receiver) = channel::<i32>(0);
    panics_here(|| sender.send(1));
    panics_here(|| receiver.recv());
    panics_here(|| receiver.iter().next());
    panics_here(|| (&receiver).into_iter().next());
    panics_here(|| select! { recv(receiver) -> _ => {} });
    panics_here(|| select! { send(sender, 1) -> _ => {} });
    panics_here(|| select! { recv(receiver) -> _ => {}, default(Duration::from_secs(1)) => {} });
    let (_sender, receiver) = oneshot::<i32>();
    panics_here(|| receiver.recv());
    let (_sender, receiver) = broadcast::<i32>(1);
    panics_here(|| receiver.recv());
    let (_sender, receiver) = watch(1);
    panics_here(|| receiver.changed());

    let mutex = Mutex::new(1);
    let guard = mutex.lock();
    panics_here(|| mutex.lock());
    drop(guard);
    panics_here(|| Condvar::new().wait(&mut mutex.lock()));
    panics_here(|| Condvar::new().wait_while(&mut mutex.lock(), |_| true));
    assert!(mutex.try_lock().is_some());
    let lock = RwLock::new(1);
    let guard = lock.read();
    panics_here(|| lock.write());
    drop(guard);
    let guard = lock.write();
    panics_here(|| lock.read());
    drop(guard);
    let none = Semaphore::new(0);
    panics_here(|| none.acquire());
    panics_here(|| Event::new().wait());
    panics_here(|| Barrier::new(2).wait());
    let group = WaitGroup::new();
    let _member = group.clone();
    panics_here(|| group.wait());

    // Not outside, but of the same kind: it would wait for itself.
    corobin::run(|| {
        let cell = OnceCell::new();
        let again = || {
            cell.get_or_init(|| *cell.get_or_init(|| 1));
        };
        let (_, file) = payload_and_file_of(again);
        assert_eq!(file, file!());
        assert_eq!(cell.get(), None);
        assert_eq!(cell.get_or_init(|| 2), &2);
    });
}

#[test]
fn a_lock_that_was_taken_by_a_try_tells_where() {
    for writes in [true, false] {
        let error = corobin::Runtime::new().unwrap().try_run(|| {
            let lock = corobin::sync::RwLock::new(());
            let (read, write);
            if writes {
                write = lock.try_write();
                assert!(write.is_some());
            } else {
                read = lock.try_read();
                assert!(read.is_some());
            }
            drop(lock.write());
        });
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("taken at tests/spec_sync_places.rs"),
            "{text}"
        );
    }
}
