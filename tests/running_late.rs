//! What happens at the very end: of a run, and of one coroutine.

use std::cell::Cell;
use std::future::Future;
use std::panic::{catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use corobin::{
    JoinError, Workers, coroutine_local, handle, park, race, run, sleep, spawn, to_thread,
    yield_now,
};

/// Calls its function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn what_was_sent_last_may_wait_for_a_thread_when_it_is_dropped() {
    let done = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&done);
    run(|| {
        let guard = OnDrop(move || to_thread(|| told.store(true, Ordering::SeqCst)));
        drop(handle().spawn(move || drop(guard)));
    });
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn what_was_sent_last_may_wait_for_another_runtime_when_it_is_dropped() {
    let got = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&got);
    run(|| {
        let guard = OnDrop(move || {
            let workers = Workers::new(1).unwrap();
            let remote = workers.spawn(|| {
                sleep(Duration::from_millis(5));
                7
            });
            told.store(remote.join().is_ok_and(|it| it == 7), Ordering::SeqCst);
        });
        drop(handle().spawn(move || drop(guard)));
    });
    assert!(got.load(Ordering::SeqCst));
}

#[test]
fn a_remote_join_of_a_leaked_coroutine_is_cancelled() {
    let remote = run(|| {
        let handle = handle();
        let remote = handle.spawn(|| {
            let _hangs = OnDrop(|| {
                loop {
                    park();
                }
            });
            park();
        });
        drop(handle);
        // Until it has started.
        to_thread(|| ());
        yield_now();
        remote
    });
    assert!(remote.is_finished());
    assert!(matches!(remote.join(), Err(JoinError::Cancelled)));
}

coroutine_local! {
    static WHO: Cell<u32> = Cell::new(0);
}

#[test]
fn what_a_waker_keeps_in_a_local_is_not_the_next_coroutines() {
    struct Remembers;
    impl Wake for Remembers {
        fn wake(self: Arc<Self>) {
            WHO.with(|who| who.set(7));
        }
    }

    run(|| {
        let mut first = spawn(yield_now);
        let waker = Waker::from(Arc::new(Remembers));
        let poll = Pin::new(&mut first).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        yield_now();
        yield_now();
        assert!(first.is_finished());
        for _ in 0..3 {
            assert_eq!(spawn(|| WHO.with(Cell::get)).join().unwrap(), 0);
        }
    });
}

#[test]
fn a_race_finds_the_result_behind_an_arm_that_was_cancelled() {
    // Forwards the payload of another coroutine's cancel, as code that passes panics on
    // would.
    let result = run(|| {
        let (tx, rx) = corobin::sync::unbounded();
        let other = spawn(move || tx.try_send(catch_unwind(park).unwrap_err()).unwrap());
        yield_now();
        other.cancel();
        let payload = rx.recv().unwrap();
        let arms: Vec<Box<dyn FnOnce() -> u32>> =
            vec![Box::new(move || resume_unwind(payload)), Box::new(|| 5)];
        race(arms)
    });
    assert_eq!(result, 5);
}

struct UsesItself;

impl Drop for UsesItself {
    fn drop(&mut self) {
        ITSELF.with(|_| ());
    }
}

coroutine_local! {
    static ITSELF: UsesItself = UsesItself;
}

/// As with `thread_local!`: made anew by its own destructor, it would have no end.
#[test]
fn local_that_its_own_destructor_uses_panics() {
    run(|| {
        let error = spawn(|| ITSELF.with(|_| ())).join().unwrap_err();
        assert!(error.to_string().contains("its own destruction"), "{error}");
    });
}
