//! Channels: what they promise, one thing at a time.

use corobin::sync::{
    BroadcastError, RecvError, SendError, TryRecvError, TrySendError, broadcast, channel, oneshot,
    unbounded, watch,
};
use corobin::{Elapsed, Generator, JoinError, run, spawn, timeout, yield_now};
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

#[test]
fn smoke() {
    run(|| {
        let (tx, rx) = channel(2);
        tx.send(1).unwrap();
        tx.try_send(2).unwrap();
        assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!((tx.len(), tx.is_full(), tx.capacity()), (2, true, Some(2)));
        assert_eq!((rx.recv(), rx.try_recv()), (Ok(1), Ok(2)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert!(rx.is_empty() && !rx.is_closed());
    });
}

#[test]
fn senders_wait_for_room_and_go_on_in_order() {
    run(|| {
        let (tx, rx) = channel(1);
        for n in 0..5 {
            let tx = tx.clone();
            spawn(move || tx.send(n).unwrap());
        }
        drop(tx);
        yield_now();
        assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_rendezvous_hands_over() {
    run(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let (tx, rx) = channel(0);
        let (own, sender) = (log.clone(), tx.clone());
        let handle = spawn(move || {
            sender.send("item").unwrap();
            own.borrow_mut().push("sent");
        });
        yield_now();
        assert_eq!(tx.try_send("other"), Err(TrySendError::Full("other")));
        assert!(log.borrow().is_empty(), "it waits for the receiver");
        assert_eq!(rx.recv(), Ok("item"));
        handle.join().unwrap();
        assert_eq!(*log.borrow(), ["sent"]);
    });
}

#[test]
fn what_is_tried_meets_who_waits_at_capacity_0() {
    run(|| {
        let (tx, rx) = channel(0);
        let receiver = spawn({
            let rx = rx.clone();
            move || rx.recv()
        });
        yield_now();
        assert_eq!(tx.try_send(1), Ok(()));
        assert_eq!(
            tx.try_send(2),
            Err(TrySendError::Full(2)),
            "it has one already"
        );
        assert_eq!(receiver.join().unwrap(), Ok(1));

        let sender = spawn(move || tx.send(3));
        yield_now();
        assert_eq!(rx.try_recv(), Ok(3));
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    });
}

/// The receiver that waits gets the item that was sent for it, whoever runs before it.
#[test]
fn an_item_goes_straight_to_who_waits() {
    run(|| {
        let (tx, rx) = unbounded();
        let waiting = spawn({
            let rx = rx.clone();
            move || rx.recv()
        });
        yield_now();
        tx.send(1).unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.send(2).unwrap();
        assert_eq!(rx.recv(), Ok(2));
        assert_eq!(waiting.join().unwrap(), Ok(1));
    });
}

#[test]
fn closing_delivers_what_is_buffered() {
    run(|| {
        let (tx, rx) = channel(4);
        for n in 0..3 {
            tx.send(n).unwrap();
        }
        drop(tx);
        assert!(rx.is_closed());
        assert_eq!(rx.try_recv(), Ok(0));
        assert_eq!((&rx).into_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(rx.recv(), Err(RecvError));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn closing_wakes_who_waits() {
    run(|| {
        let (tx, rx) = channel::<u32>(0);
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let rx = rx.clone();
                spawn(move || rx.recv())
            })
            .collect();
        yield_now();
        drop((tx, rx));
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), Err(RecvError));
        }

        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let senders: Vec<_> = (1..4)
            .map(|n| {
                let tx = tx.clone();
                spawn(move || tx.send(n))
            })
            .collect();
        yield_now();
        drop(rx);
        for (n, sender) in (1..).zip(senders) {
            assert_eq!(
                sender.join().unwrap(),
                Err(SendError(n)),
                "it has its item back"
            );
        }
        assert!(tx.is_closed());
        assert_eq!(tx.send(9), Err(SendError(9)));
        assert_eq!(tx.try_send(9), Err(TrySendError::Closed(9)));
    });
}

#[test]
fn a_cancel_comes_before_a_hand_over_that_has_not_taken_place() {
    run(|| {
        let (tx, rx) = channel(0);
        let first = spawn({
            let rx = rx.clone();
            move || rx.recv()
        });
        let second = spawn(move || rx.recv());
        yield_now();
        first.cancel();
        assert_eq!(tx.try_send(1), Ok(()), "the second has it");
        assert!(matches!(first.join(), Err(JoinError::Cancelled)));
        assert_eq!(second.join().unwrap(), Ok(1));
    });
}

#[test]
fn a_hand_over_comes_before_a_cancel_that_is_late() {
    run(|| {
        let (tx, rx) = channel(0);
        let got = Rc::new(RefCell::new(None));
        let receiver = spawn({
            let got = got.clone();
            move || {
                *got.borrow_mut() = rx.recv().ok();
                yield_now();
                unreachable!("the cancel is met here");
            }
        });
        yield_now();
        tx.try_send(1).unwrap();
        receiver.cancel();
        assert!(matches!(receiver.join(), Err(JoinError::Cancelled)));
        assert_eq!(*got.borrow(), Some(1));
    });
}

#[test]
fn who_is_unwound_passes_its_turn_on() {
    run(|| {
        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let senders: Vec<_> = (1..4)
            .map(|n| {
                let tx = tx.clone();
                spawn(move || tx.send(n))
            })
            .collect();
        yield_now();
        senders[0].cancel();
        assert_eq!(rx.recv(), Ok(0));
        assert_eq!(rx.recv(), Ok(2));
        assert_eq!(rx.recv(), Ok(3));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        let limit = Duration::from_millis(1);
        assert_eq!(timeout(limit, || rx.recv()), Err(Elapsed));
        tx.send(4).unwrap();
        assert_eq!(rx.recv(), Ok(4));
    });
}

/// Every suspension point first raises what is pending, even if it need not wait.
#[test]
fn a_pending_cancel_comes_before_a_send_that_need_not_wait() {
    run(|| {
        let (tx, rx) = unbounded();
        let worker = spawn(move || {
            corobin::shield(yield_now);
            let _ = tx.send(1);
        });
        yield_now();
        worker.cancel();
        assert!(matches!(worker.join(), Err(JoinError::Cancelled)));
        assert_eq!(rx.recv(), Err(RecvError));
    });
}

#[test]
fn generators_may_send_receive_and_be_left_in_between() {
    run(|| {
        let (tx, rx) = channel(0);
        let (back, answers) = unbounded();
        let mut generator = Generator::new(move |y: &corobin::Yielder<u32>| {
            for item in rx {
                back.send(item * 10).unwrap();
                y.yield_(item);
            }
        });
        spawn(move || (1..4).for_each(|n| tx.send(n).unwrap()));
        assert_eq!(generator.by_ref().take(2).collect::<Vec<_>>(), [1, 2]);
        let other = spawn(move || generator.collect::<Vec<_>>());
        assert_eq!(other.join().unwrap(), [3]);
        assert_eq!(answers.try_iter().collect::<Vec<_>>(), [10, 20, 30]);
    });
}

#[test]
fn a_oneshot_has_one_end_or_the_other() {
    run(|| {
        let (tx, rx) = oneshot();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.send(1).unwrap();
        assert!(rx.is_closed());
        assert_eq!(rx.recv(), Ok(1));

        let (tx, rx) = oneshot::<u32>();
        let waiting = spawn(move || rx.recv());
        yield_now();
        drop(tx);
        assert_eq!(waiting.join().unwrap(), Err(RecvError));

        let (tx, rx) = oneshot();
        drop(rx);
        assert!(tx.is_closed());
        assert_eq!(tx.send(2), Err(SendError(2)));

        let (tx, rx) = oneshot();
        let waiting = spawn(move || rx.recv());
        yield_now();
        waiting.cancel();
        yield_now();
        assert_eq!(tx.send(3), Err(SendError(3)), "it comes back");
    });
}

#[test]
fn a_broadcast_wakes_all_and_tells_the_slow() {
    run(|| {
        let (tx, rx) = broadcast(2);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let rx = rx.clone();
                spawn(move || (rx.recv(), rx.recv(), rx.recv()))
            })
            .collect();
        yield_now();
        for n in 1..=3 {
            assert_eq!(tx.send(n), Ok(4));
        }
        for waiting in waiting {
            let lagged = Err(BroadcastError::Lagged(1));
            assert_eq!(waiting.join().unwrap(), (lagged, Ok(2), Ok(3)));
        }
        drop(rx);
        assert_eq!(tx.send(4), Err(SendError(4)));
    });
}

/// The last receiver gets the item itself, the others get clones.
#[test]
fn a_broadcast_clones_no_more_than_it_must() {
    #[derive(Debug)]
    struct Counted(Rc<RefCell<u32>>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            *self.0.borrow_mut() += 1;
            yield_now(); // nothing is borrowed while user code runs
            Counted(self.0.clone())
        }
    }
    run(|| {
        let clones = Rc::new(RefCell::new(0));
        let (tx, rx) = broadcast(1);
        let other = tx.subscribe();
        assert_eq!(tx.send(Counted(clones.clone())).unwrap(), 2);
        assert!(rx.recv().is_ok() && other.recv().is_ok());
        assert_eq!(*clones.borrow(), 1);
    });
}

#[test]
fn a_watch_shows_the_newest() {
    run(|| {
        let (tx, rx) = watch(0);
        assert!(!rx.has_changed());
        for n in 1..4 {
            tx.send(n).unwrap();
        }
        let old = rx.borrow();
        assert_eq!(rx.changed(), Ok(()));
        tx.send(4).unwrap();
        assert_eq!(
            (*old, *rx.borrow_and_update(), rx.has_changed()),
            (3, 4, false)
        );
        let waiting = spawn({
            let rx = rx.clone();
            move || (rx.changed(), *rx.borrow(), rx.changed())
        });
        yield_now();
        tx.send(5).unwrap();
        yield_now();
        drop(tx);
        assert_eq!(waiting.join().unwrap(), (Ok(()), 5, Err(RecvError)));
        assert_eq!((rx.changed(), rx.changed()), (Ok(()), Err(RecvError)));
    });
}

/// Two may wait on one receiver: a change wakes both, and is for one of them.
#[test]
fn a_change_is_seen_once_by_a_shared_receiver() {
    run(|| {
        let (tx, rx) = watch(0);
        let rx = Rc::new(rx);
        let seen: Vec<_> = (0..2)
            .map(|_| {
                let rx = rx.clone();
                spawn(move || rx.changed())
            })
            .collect();
        yield_now();
        tx.send(1).unwrap();
        yield_now();
        assert_eq!(seen.iter().filter(|handle| handle.is_finished()).count(), 1);
        tx.send(2).unwrap();
        for seen in seen {
            assert_eq!(seen.join().unwrap(), Ok(()));
        }
    });
}

#[test]
fn errors_say_what_they_are() {
    fn text(error: impl Error) -> String {
        format!("{error:?}: {error}")
    }
    struct Opaque;
    assert!(text(SendError(Opaque)).starts_with("SendError { .. }: "));
    assert!(text(TrySendError::Full(Opaque)).contains("full"));
    assert!(text(RecvError).contains("without senders"));
    assert!(text(TryRecvError::Empty).contains("empty"));
    assert!(text(BroadcastError::Lagged(3)).starts_with("Lagged(3): "));
    assert_eq!(
        SendError(1).into_inner(),
        TrySendError::Closed(1).into_inner()
    );
}
