//! Items, destructors and programs that do what they should not.

use corobin::sync::{
    Event, Mutex, Receiver, RecvError, SendError, Sender, TrySendError, broadcast, channel,
    oneshot, unbounded, watch,
};
use corobin::{Runtime, park, run, select, sleep, spawn, yield_now};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

#[test]
fn items_without_a_size() {
    run(|| {
        let (tx, rx) = channel(usize::MAX);
        for _ in 0..1_000_000 {
            tx.send(()).unwrap();
        }
        assert_eq!(rx.len(), 1_000_000);
        drop(tx);
        assert_eq!(rx.iter().count(), 1_000_000);
    });
}

#[test]
fn a_huge_capacity_costs_nothing() {
    let (tx, rx) = channel::<[u8; 4096]>(usize::MAX);
    tx.try_send([7; 4096]).unwrap();
    assert_eq!(rx.try_recv().unwrap()[4095], 7);
    let (tx, _rx) = channel::<[u8; 4096]>(usize::MAX / 2);
    assert_eq!(tx.capacity(), Some(usize::MAX / 2));
}

#[test]
fn large_and_aligned_items() {
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(64))]
    struct Large([u8; 640]);
    run(|| {
        let (tx, rx) = channel(0);
        let sender = spawn(move || tx.send(Large([3; 640])).is_ok());
        yield_now();
        let item = rx.recv().unwrap();
        assert_eq!(std::ptr::from_ref(&item).addr() % 64, 0);
        assert_eq!(item, Large([3; 640]));
        assert!(sender.join().unwrap());
    });
}

#[test]
fn a_million_items_are_dropped() {
    struct Counted(Rc<Cell<u32>>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let (tx, rx) = unbounded();
    for _ in 0..1_000_000 {
        tx.send(Counted(dropped.clone())).unwrap();
    }
    drop(rx);
    assert_eq!(
        dropped.get(),
        1_000_000,
        "at once, though there is a sender"
    );
    drop(tx);
    assert_eq!(dropped.get(), 1_000_000);
}

/// Sends another item on its own channel when it is dropped.
struct Resends(Option<Sender<Resends>>, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Resends {
    fn drop(&mut self) {
        let Some(tx) = self.0.take() else { return };
        let word = match tx.send(Resends(None, self.1.clone())) {
            Ok(()) => "sent",
            Err(SendError(_)) => "closed",
        };
        self.1.borrow_mut().push(word);
    }
}

#[test]
fn items_that_send_when_they_are_dropped() {
    run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (tx, rx) = channel(8);
        for _ in 0..3 {
            tx.send(Resends(Some(tx.clone()), log.clone())).unwrap();
        }
        drop(rx.recv());
        assert_eq!(log.take(), ["sent"]);
        drop(rx);
        assert_eq!(log.take(), ["closed", "closed"]);

        // Values that are replaced, forgotten and pushed out.
        let (tx, rx) = channel(8);
        let item = || Resends(Some(tx.clone()), log.clone());
        let (watch_tx, watch_rx) = watch(Rc::new(item()));
        watch_tx.send(Rc::new(item())).ok().unwrap();
        drop((watch_tx, watch_rx));
        let (broadcast_tx, broadcast_rx) = broadcast(1);
        broadcast_tx.send(Rc::new(item())).ok().unwrap();
        broadcast_tx.send(Rc::new(item())).ok().unwrap();
        drop((broadcast_tx, broadcast_rx));
        let (one_tx, one_rx) = oneshot();
        one_tx.send(item()).ok().unwrap();
        drop(one_rx);
        assert_eq!(log.take(), ["sent"; 5]);
        assert_eq!(rx.len(), 5);
    });
}

#[test]
fn items_that_panic_when_they_are_dropped() {
    struct Panics(Rc<Cell<u32>>);
    impl Drop for Panics {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if self.0.get() == 2 {
                panic!("an item panics");
            }
        }
    }
    run(|| {
        let dropped = Rc::new(Cell::new(0));
        let (tx, rx) = unbounded();
        for _ in 0..4 {
            tx.send(Panics(dropped.clone())).unwrap();
        }
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(rx)));
        assert!(panicked.is_err());
        assert_eq!(dropped.get(), 4, "the others are dropped all the same");
        assert!(tx.is_closed());
        assert!(tx.send(Panics(Rc::new(Cell::new(5)))).is_err());
    });
}

/// Destructors may suspend, and others use the channel meanwhile.
#[test]
fn items_that_wait_when_they_are_dropped() {
    struct Waits(Rc<Event>);
    impl Drop for Waits {
        fn drop(&mut self) {
            self.0.wait();
        }
    }
    run(|| {
        let event = Rc::new(Event::new());
        let (tx, rx) = channel(2);
        tx.send(Waits(event.clone())).ok().unwrap();
        tx.send(Waits(event.clone())).ok().unwrap();
        let waiting = spawn({
            let (tx, event) = (tx.clone(), event.clone());
            move || tx.send(Waits(event)).is_err()
        });
        let dropping = spawn(move || drop(rx));
        yield_now();
        yield_now();
        assert!(!dropping.is_finished() && tx.is_closed());
        event.set();
        dropping.join().unwrap();
        assert!(waiting.join().unwrap());
    });
}

/// A channel that holds its own ends, and those of others.
#[test]
fn channels_of_channels() {
    run(|| {
        let (tx, rx) = unbounded::<(Sender<u32>, Receiver<u32>)>();
        let (inner_tx, inner_rx) = channel(0);
        tx.send((inner_tx.clone(), inner_rx.clone())).unwrap();
        let waiting = spawn(move || inner_tx.send(1));
        drop(inner_rx);
        yield_now();
        assert!(
            !waiting.is_finished(),
            "the channel in the channel can still be received from"
        );
        drop(rx);
        assert_eq!(waiting.join().unwrap(), Err(SendError(1)));
    });
}

#[test]
fn the_last_end_goes_while_another_waits() {
    run(|| {
        let (tx, rx) = channel::<Sender<u32>>(0);
        let (other, other_rx) = channel(0);
        // Waits with the only sender of `other` in its hands.
        let sender = spawn(move || tx.send(other));
        yield_now();
        let waiting = spawn(move || other_rx.recv());
        yield_now();
        drop(rx);
        drop(sender.join().unwrap());
        assert_eq!(waiting.join().unwrap(), Err(RecvError));
    });
}

#[test]
fn a_panic_in_a_message_passes_the_turn_on() {
    fn message() -> u32 {
        panic!("no message")
    }
    run(|| {
        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let panics = spawn({
            let tx = tx.clone();
            move || select! { send(tx, message()) -> _ => {} }
        });
        let next = spawn(move || tx.send(1));
        yield_now();
        assert_eq!(rx.recv(), Ok(0));
        assert!(panics.join().is_err());
        assert_eq!(rx.recv(), Ok(1));
        next.join().unwrap().unwrap();
    });
}

#[test]
fn messages_that_use_their_own_channel() {
    run(|| {
        let (tx, rx) = channel(1);
        // It takes the room that its own send was picked for, and so has to wait.
        let sender = spawn({
            let tx = tx.clone();
            move || select! { send(tx, { tx.try_send(1).unwrap(); 2 }) -> sent => sent }
        });
        yield_now();
        assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!((rx.recv(), rx.recv()), (Ok(1), Ok(2)));
        assert_eq!(sender.join().unwrap(), Ok(()));
        // It closes the channel.
        let rx = RefCell::new(Some(rx));
        let sent = select! { send(tx, { rx.take(); 4 }) -> sent => sent };
        assert_eq!(sent, Err(SendError(4)));
    });
}

/// What ran over is used again, and so are coroutines that wait for ever.
#[test]
fn channels_outlive_runs() {
    let (tx, rx) = channel(0);
    let mutex = Rc::new(Mutex::new(0));
    for n in 0..3 {
        let mut runtime = Runtime::new().unwrap();
        runtime.run(|| {
            for _ in 0..3 {
                let (rx, mutex) = (rx.clone(), mutex.clone());
                spawn(move || rx.recv().map(|n| *mutex.lock() = n));
            }
            yield_now();
            assert_eq!(tx.try_send(n), Ok(()));
            yield_now();
            assert_eq!(*mutex.lock(), n);
        });
        assert_eq!(
            tx.try_send(9),
            Err(TrySendError::Full(9)),
            "nobody waits any more"
        );
    }
}

/// A destructor that waits for ever: its coroutine is leaked at the end of the run, together with
/// its place in the queue, which is passed over from then on.
#[test]
fn leaked_waiters_get_nothing() {
    enum Hangs {
        Receives(Receiver<u32>),
        Locks(Rc<Mutex<u32>>),
        Waits(Rc<Event>),
    }
    impl Drop for Hangs {
        fn drop(&mut self) {
            match self {
                Hangs::Receives(rx) => drop(rx.recv()),
                Hangs::Locks(mutex) => drop(mutex.lock()),
                Hangs::Waits(event) => event.wait(),
            }
        }
    }
    let (tx, rx) = channel(0);
    let mutex = Rc::new(Mutex::new(0));
    let event = Rc::new(Event::new());
    let mut guard = mutex.lock();
    for n in 0..2 {
        run(|| {
            for hangs in [
                Hangs::Receives(rx.clone()),
                Hangs::Locks(mutex.clone()),
                Hangs::Waits(event.clone()),
            ] {
                spawn(move || {
                    let _hangs = hangs;
                    park();
                });
            }
            yield_now();
        });
        assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
        event.set();
        event.clear();
        *guard = n;
    }
    drop(guard);
    assert_eq!(*mutex.try_lock().expect("nobody was handed it"), 1);
    run(|| {
        let waiting = spawn({
            let rx = rx.clone();
            move || rx.recv()
        });
        sleep(Duration::from_millis(1));
        assert_eq!(tx.send(1), Ok(()));
        assert_eq!(waiting.join().unwrap(), Ok(1));
    });
    drop((tx, rx));
}
