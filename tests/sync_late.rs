//! Waiting, where something is due that cannot be met yet, and formatting, which may wait.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::rc::Rc;

use corobin::sync::{Mutex, RwLock, channel};
use corobin::{park, run, select, shield, spawn, yield_now};

/// Calls its function when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce()>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0.take().unwrap())();
    }
}

/// A `select!` stands first among the senders of a full channel while a cancel is pending
/// that it cannot meet there; somebody stands behind it.
fn offer_with_a_hidden_cancel(in_a_destructor: bool) {
    run(|| {
        let (tx, rx) = channel(1);
        let (_keeps, never) = channel::<u32>(1);
        tx.send(0).unwrap();
        let sent = Rc::new(RefCell::new(Vec::new()));
        let offer = {
            let (tx, sent) = (tx.clone(), Rc::clone(&sent));
            move || {
                select! {
                    send(tx, 1) -> result => sent.borrow_mut().push(result),
                    recv(never) -> _ => unreachable!("nobody sends"),
                }
            }
        };
        let selects = spawn(move || {
            if in_a_destructor {
                let _offers = OnDrop(Some(Box::new(offer)));
                park();
            } else {
                shield(offer);
            }
        });
        yield_now();
        selects.cancel();
        yield_now();
        let plain = spawn(move || tx.send(2));
        yield_now();
        assert_eq!(rx.recv(), Ok(0));
        yield_now();
        assert_eq!(rx.recv(), Ok(1));
        assert_eq!(rx.recv(), Ok(2));
        assert_eq!(plain.join().unwrap(), Ok(()));
        let _ = selects.join();
        assert_eq!(*sent.borrow(), [Ok(())]);
    });
}

#[test]
fn a_shielded_offer_keeps_its_place_when_a_cancel_is_pending() {
    offer_with_a_hidden_cancel(false);
}

#[test]
fn an_offer_in_a_destructor_keeps_its_place_when_its_cancel_unwinds() {
    offer_with_a_hidden_cancel(true);
}

#[test]
fn a_cancel_comes_before_an_item_that_comes_after_it() {
    run(|| {
        let (tx, rx) = channel(1);
        let selects = {
            let rx = rx.clone();
            spawn(move || select! { recv(rx) -> item => item })
        };
        yield_now();
        // Woken for nothing, so that it is not parked any more when it is cancelled.
        selects.coroutine().unpark();
        selects.cancel();
        tx.send(7).unwrap();
        assert!(matches!(selects.join(), Err(corobin::JoinError::Cancelled)));
        assert_eq!(rx.recv(), Ok(7));
    });
}

/// A writer that lets others run in the middle of a value.
struct Slow(String);

impl Write for Slow {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        if text == "1" {
            (0..5).for_each(|_| yield_now());
        }
        Ok(())
    }
}

#[test]
fn a_mutex_is_locked_while_it_is_written_out() {
    run(|| {
        let mutex = Rc::new(Mutex::new(1));
        let written = Rc::clone(&mutex);
        let writes = spawn(move || {
            let mut out = Slow(String::new());
            write!(out, "{written:?}").unwrap();
            out.0
        });
        yield_now();
        assert!(mutex.try_lock().is_none());
        *mutex.lock() += 1;
        assert!(writes.join().unwrap().contains('1'));
        assert!(format!("{mutex:?}").contains('2'));
        let _guard = mutex.lock();
        assert!(format!("{mutex:?}").contains("<locked>"));
    });
}

#[test]
fn a_rwlock_is_locked_while_it_is_written_out() {
    run(|| {
        let lock = Rc::new(RwLock::new(1));
        let written = Rc::clone(&lock);
        let writes = spawn(move || {
            let mut out = Slow(String::new());
            write!(out, "{written:?}").unwrap();
            out.0
        });
        yield_now();
        *lock.write() += 1;
        assert!(writes.join().unwrap().contains('1'));
        let _reads = lock.read();
        assert!(format!("{lock:?}").contains('2'));
    });
}
