//! Items whose destructors and `clone`s use what they lie in, and suspend there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use corobin::sync::{
    BroadcastReceiver, BroadcastSender, Mutex, SendError, TryRecvError, broadcast, channel,
    oneshot, unbounded, watch,
};
use corobin::{Runtime, sleep, spawn, yield_now};

/// Runs a closure when it is dropped.
struct Last(Option<Box<dyn FnOnce()>>);

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

fn last(f: impl FnOnce() + 'static) -> Last {
    Last(Some(Box::new(f)))
}

fn nothing() -> Last {
    Last(None)
}

/// Runs `f` with a count of what is to happen `n` times.
fn happens(n: usize, f: impl FnOnce(Rc<Cell<usize>>)) {
    let count = Rc::new(Cell::new(0));
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    runtime.run(|| f(count.clone()));
    assert_eq!(count.get(), n);
}

fn once(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

#[test]
fn in_the_buffer_when_the_last_receiver_goes() {
    happens(2, |count| {
        let (sender, receiver) = unbounded::<Last>();
        for _ in 0..2 {
            let (again, count) = (sender.clone(), count.clone());
            let item = last(move || {
                assert!(again.try_send(nothing()).is_err());
                assert!(again.is_closed());
                yield_now();
                assert!(matches!(again.send(nothing()), Err(SendError(_))));
                once(&count);
            });
            sender.send(item).unwrap();
        }
        drop(receiver);
        assert!(sender.is_empty());
    });
}

#[test]
fn that_hold_the_last_end_of_their_own_channel() {
    // A cycle that a receive breaks.
    happens(1, |count| {
        let (sender, receiver) = channel::<Last>(2);
        let end = receiver.clone();
        sender
            .send(last(move || {
                let closed = end.try_recv().err();
                assert_eq!(closed, Some(TryRecvError::Closed));
                once(&count);
            }))
            .unwrap();
        drop(sender);
        drop(receiver.recv());
        assert!(receiver.recv().is_err());
    });
}

#[test]
fn of_a_cancelled_sender() {
    happens(1, |count| {
        let (sender, receiver) = channel::<Last>(0);
        let blocked = spawn({
            let (sender, receiver) = (sender.clone(), receiver.clone());
            move || {
                let again = sender.clone();
                let item = last(move || {
                    // It is no longer offered.
                    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
                    yield_now();
                    assert!(again.try_send(nothing()).is_err());
                    sleep(Duration::from_secs(1));
                    once(&count);
                });
                sender.send(item).is_ok()
            }
        });
        yield_now();
        blocked.cancel();
        assert!(blocked.join().is_err());
        drop(receiver);
        assert!(sender.send(nothing()).is_err());
    });
}

#[test]
fn of_a_oneshot_whose_receiver_goes() {
    happens(1, |count| {
        let (sender, receiver) = oneshot::<Last>();
        let item = last(move || {
            yield_now();
            once(&count);
        });
        assert!(sender.send(item).is_ok());
        drop(receiver);
    });
}

#[test]
fn that_a_broadcast_pushes_out() {
    happens(1, |count| {
        let (sender, receiver) = broadcast::<Rc<Last>>(1);
        let (again, other) = (sender.clone(), receiver.clone());
        let oldest = Rc::new(last(move || {
            assert_eq!(again.send(Rc::new(nothing())).ok(), Some(2));
            let _ = other.try_recv();
            yield_now();
            assert_eq!(again.receiver_count(), 2);
            once(&count);
        }));
        assert!(sender.send(oldest).is_ok());
        assert!(sender.send(Rc::new(nothing())).is_ok());
        assert!(receiver.recv().is_err(), "two came after it");
        assert!(receiver.recv().is_ok());
    });
}

type Ends = (
    Rc<RefCell<Option<BroadcastSender<Copied>>>>,
    BroadcastReceiver<Copied>,
);

/// Its `clone` uses the channel that it is cloned for.
struct Copied(RefCell<Option<Ends>>, Rc<Cell<usize>>);

impl Clone for Copied {
    fn clone(&self) -> Copied {
        let plain = || Copied(RefCell::default(), self.1.clone());
        let ends = self.0.borrow_mut().take();
        if let Some((sender, receiver)) = ends {
            let sender = sender.borrow();
            let sender = sender.as_ref().unwrap();
            assert!(sender.send(plain()).is_ok());
            yield_now();
            while receiver.try_recv().is_err() {}
            once(&self.1);
        }
        plain()
    }
}

#[test]
fn that_a_broadcast_clones() {
    happens(1, |count| {
        let (sender, receiver) = broadcast(1);
        let sender = Rc::new(RefCell::new(Some(sender)));
        let ends = (sender.clone(), receiver.clone());
        let item = Copied(RefCell::new(Some(ends)), count);
        assert!(sender.borrow().as_ref().unwrap().send(item).is_ok());
        assert!(receiver.recv().is_ok());
        assert!(receiver.recv().is_ok());
        drop(sender.borrow_mut().take());
        assert!(receiver.recv().is_err());
    });
}

#[test]
fn that_a_watch_replaces() {
    happens(1, |count| {
        let (sender, receiver) = watch(nothing());
        let sender = Rc::new(sender);
        let (again, other) = (sender.clone(), receiver.clone());
        let value = last(move || {
            assert!(again.send(nothing()).is_ok());
            let _borrowed = other.borrow();
            yield_now();
            other.changed().unwrap();
            once(&count);
        });
        assert!(sender.send(value).is_ok());
        assert!(sender.send(nothing()).is_ok());
        receiver.changed().unwrap();
    });
}

#[test]
fn in_a_mutex() {
    happens(2, |count| {
        let mutex = Rc::new(Mutex::new(nothing()));
        for _ in 0..2 {
            let (again, count) = (Rc::downgrade(&mutex), count.clone());
            let item = last(move || {
                // The guard lives through the assignment; at the end nothing is left.
                let mutex = again.upgrade();
                assert!(mutex.is_none_or(|mutex| mutex.try_lock().is_none()));
                yield_now();
                once(&count);
            });
            *mutex.lock() = item;
        }
    });
}
