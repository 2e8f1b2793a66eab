//! Waits on channels and condition variables that end at a time.

use corobin::sync::{
    Condvar, Mutex, Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, channel,
    unbounded,
};
use corobin::{
    Elapsed, Generator, JoinError, JoinHandle, RunError, Runtime, now, park, park_timeout, run,
    select, shield, sleep, spawn, timeout, yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;

const MS: Duration = Duration::from_millis(1);
const ZERO: Duration = Duration::ZERO;

/// What `f` gives, and how long it took.
fn timed<T>(f: impl FnOnce() -> T) -> (T, Duration) {
    let start = now();
    let value = f();
    (value, now() - start)
}

#[test]
fn a_receive_waits_for_an_item_until_its_time_is_over() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        let sender = tx.clone();
        spawn(move || {
            sleep(3 * MS);
            sender.send(1)
        });
        let receive = || rx.recv_timeout(5 * MS);
        assert_eq!(timed(receive), (Ok(1), 3 * MS));
        assert_eq!(timed(receive), (Err(RecvTimeoutError::Timeout), 5 * MS));
        tx.send(2).unwrap();
        assert_eq!(timed(receive), (Ok(2), ZERO));
        tx.send(3).unwrap();
        let deadline = now() + 5 * MS;
        let receive = || rx.recv_deadline(deadline);
        assert_eq!(timed(receive), (Ok(3), ZERO));
        assert_eq!(timed(receive), (Err(RecvTimeoutError::Timeout), 5 * MS));
        assert_eq!(timed(receive), (Err(RecvTimeoutError::Timeout), ZERO));
        spawn(move || {
            sleep(MS);
            drop(tx);
        });
        let receive = || rx.recv_timeout(5 * MS);
        assert_eq!(timed(receive), (Err(RecvTimeoutError::Closed), MS));
        assert_eq!(timed(receive), (Err(RecvTimeoutError::Closed), ZERO));
    });
}

#[test]
fn a_send_waits_for_room_until_its_time_is_over() {
    for capacity in [0, 1] {
        in_virtual_time(|| {
            let (tx, rx) = channel(capacity);
            (0..capacity).for_each(|_| tx.send(0).unwrap());
            let receiver = rx.clone();
            spawn(move || {
                sleep(3 * MS);
                receiver.recv()
            });
            let send = |item| timed(|| tx.send_timeout(item, 5 * MS));
            assert_eq!(send(1), (Ok(()), 3 * MS));
            (1..capacity).for_each(|_| tx.send(0).unwrap());
            if capacity == 0 {
                spawn({
                    let rx = rx.clone();
                    move || assert_eq!(rx.recv(), Ok(2), "1 was sent")
                });
                yield_now();
                assert_eq!(send(2), (Ok(()), ZERO));
            }
            let late = (Err(SendTimeoutError::Timeout(3)), 5 * MS);
            assert_eq!(send(3), late);
            let deadline = now() + 5 * MS;
            let send = |item| timed(|| tx.send_deadline(item, deadline));
            assert_eq!(send(3), late);
            let late = (Err(SendTimeoutError::Timeout(4)), ZERO);
            assert_eq!(send(4), late);
            // Nothing of what came back is in the channel.
            let left: Vec<_> = rx.try_iter().collect();
            assert_eq!(left, [1][..capacity]);
            (0..capacity).for_each(|_| tx.send(0).unwrap());
            spawn(move || {
                sleep(MS);
                drop(rx);
            });
            let closed = Err(SendTimeoutError::Closed(5));
            let send = |item| timed(|| tx.send_timeout(item, 5 * MS));
            assert_eq!(send(5), (closed, MS));
            assert_eq!(send(5), (closed, ZERO));
        });
    }
}

/// Also at capacity 0 it stands there with its item, as in `send`.
#[test]
fn a_send_with_a_time_is_met_by_try_recv() {
    in_virtual_time(|| {
        let (tx, rx) = channel(0);
        let sends = spawn(move || tx.send_timeout(1, 5 * MS));
        yield_now();
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(sends.join().unwrap(), Ok(()));

        let (tx, rx) = channel(0);
        let sends = spawn(move || tx.send_timeout(1, 5 * MS));
        sleep(6 * MS);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
        let late = Err(SendTimeoutError::Timeout(1));
        assert_eq!(sends.join().unwrap(), late);
    });
}

/// Whoever's timer was set first runs first.
#[test]
fn an_item_that_comes_when_the_time_is_over_is_not_lost() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        let sends_at = |time| {
            let tx = tx.clone();
            spawn(move || {
                sleep(time);
                tx.send(7).unwrap();
            })
        };
        let sends = sends_at(5 * MS);
        yield_now();
        assert_eq!(rx.recv_timeout(5 * MS), Ok(7), "its timer has fired too");
        sends.join().unwrap();

        let receives = spawn({
            let rx = rx.clone();
            move || rx.recv_timeout(5 * MS)
        });
        yield_now();
        sends_at(5 * MS).join().unwrap();
        let late = Err(RecvTimeoutError::Timeout);
        assert_eq!((receives.join().unwrap(), rx.try_recv()), (late, Ok(7)));
    });
}

#[test]
fn room_that_comes_when_the_time_is_over_is_not_lost() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let receives_at = |time| {
            let rx = rx.clone();
            spawn(move || {
                sleep(time);
                rx.recv().unwrap()
            })
        };
        let receives = receives_at(5 * MS);
        yield_now();
        assert_eq!(
            tx.send_timeout(1, 5 * MS),
            Ok(()),
            "its timer has fired too"
        );
        assert_eq!((receives.join().unwrap(), rx.len()), (0, 1));

        let sends = spawn({
            let tx = tx.clone();
            move || tx.send_timeout(2, 5 * MS)
        });
        yield_now();
        assert_eq!(receives_at(5 * MS).join().unwrap(), 1);
        let late = Err(SendTimeoutError::Timeout(2));
        assert_eq!((sends.join().unwrap(), rx.len()), (late, 0));
    });
}

fn join_all<T>(handles: Vec<JoinHandle<T>>) -> Vec<T> {
    let joined = handles.into_iter().map(|handle| handle.join().unwrap());
    joined.collect()
}

#[test]
fn those_who_wait_keep_their_order() {
    in_virtual_time(|| {
        let (tx, rx) = channel(0);
        let receive = |limit: Option<Duration>| {
            let rx = rx.clone();
            move || match limit {
                Some(limit) => rx.recv_timeout(limit).ok(),
                None => rx.recv().ok(),
            }
        };
        let limits = [Some(9 * MS), None, Some(MS), Some(9 * MS), None];
        let receivers: Vec<_> = limits.map(|limit| spawn(receive(limit))).into();
        sleep(2 * MS);
        (1..5).for_each(|n| tx.send(n).unwrap());
        assert_eq!(
            join_all(receivers),
            [Some(1), Some(2), None, Some(3), Some(4)]
        );

        let send = |n: u32, limit: Option<Duration>| {
            let tx = tx.clone();
            move || match limit {
                Some(limit) => tx.send_timeout(n, limit).is_ok(),
                None => tx.send(n).is_ok(),
            }
        };
        let limits = [Some(MS), None, Some(9 * MS), Some(MS), None];
        let senders = (1..).zip(limits).map(|(n, limit)| spawn(send(n, limit)));
        let senders: Vec<_> = senders.collect();
        sleep(2 * MS);
        let received: Vec<_> = (0..3).map(|_| rx.recv().unwrap()).collect();
        assert_eq!(received, [2, 3, 5]);
        assert_eq!(join_all(senders), [false, true, true, false, true]);
    });
}

/// An offer of a `select!` stands behind it.
#[test]
fn a_sender_whose_time_is_over_lets_those_behind_it_go_on() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let first = spawn({
            let tx = tx.clone();
            move || tx.send_timeout(1, MS)
        });
        yield_now();
        let second = spawn({
            let tx = tx.clone();
            move || select! { send(tx, 2) -> sent => sent }
        });
        let third = spawn(move || tx.send(3));
        sleep(2 * MS);
        let late = Err(SendTimeoutError::Timeout(1));
        assert_eq!(first.join().unwrap(), late);
        assert_eq!(rx.iter().collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(
            (second.join().unwrap(), third.join().unwrap()),
            (Ok(()), Ok(()))
        );
    });
}

/// A `select!` that waited before has not come to run yet.
#[test]
fn a_send_with_a_time_waits_behind_an_offer_that_has_its_turn() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let selects = spawn({
            let tx = tx.clone();
            move || select! { send(tx, 1) -> sent => sent }
        });
        yield_now();
        assert_eq!(rx.recv(), Ok(0));
        let late = Err(SendTimeoutError::Timeout(2));
        assert_eq!(tx.send_timeout(2, MS), late);
        assert_eq!(selects.join().unwrap(), Ok(()));
        assert_eq!(rx.try_recv(), Ok(1));
    });
}

/// Says when it is dropped.
struct Item(Rc<Cell<bool>>);

impl Drop for Item {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn a_cancelled_wait_takes_nothing_and_sends_nothing() {
    in_virtual_time(|| {
        let (tx, rx) = channel(0);
        let receiver = spawn({
            let rx: Receiver<Item> = rx.clone();
            move || rx.recv_timeout(5 * MS).is_ok()
        });
        yield_now();
        receiver.cancel();
        let dropped = Rc::new(Cell::new(false));
        let sender = spawn({
            let (tx, dropped): (Sender<Item>, _) = (tx.clone(), dropped.clone());
            move || tx.send_timeout(Item(dropped), 5 * MS).is_ok()
        });
        yield_now();
        assert!(matches!(receiver.join(), Err(JoinError::Cancelled)));
        assert!(!sender.is_finished() && !dropped.get(), "nobody receives");
        sender.cancel();
        assert!(rx.try_recv().is_err());
        assert!(matches!(sender.join(), Err(JoinError::Cancelled)));
        assert!(dropped.get());
    });
}

/// Both have been woken by their timers, and not run yet, when they are cancelled.
#[test]
fn a_cancel_comes_before_an_expiry_that_was_not_told_yet() {
    in_virtual_time(|| {
        let (tx, rx) = channel::<u32>(0);
        let waits: [Box<dyn FnOnce()>; 2] = [
            Box::new(|| {
                let (_tx, rx) = channel::<u32>(0);
                assert!(rx.recv_timeout(5 * MS).is_err());
                unreachable!("it was cancelled");
            }),
            Box::new(move || {
                assert!(tx.send_timeout(1, 5 * MS).is_err());
                unreachable!("it was cancelled");
            }),
        ];
        for wait in waits {
            let both = Rc::new(RefCell::new(None::<JoinHandle<()>>));
            let cancels = spawn({
                let both = both.clone();
                move || {
                    sleep(5 * MS);
                    both.borrow().as_ref().unwrap().cancel();
                }
            });
            yield_now();
            *both.borrow_mut() = Some(spawn(wait));
            cancels.join().unwrap();
            let waiter = both.take().unwrap();
            assert!(matches!(waiter.join(), Err(JoinError::Cancelled)));
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    });
}

#[test]
fn timeouts_around_it_keep_their_own_time() {
    in_virtual_time(|| {
        let (tx, rx) = channel(0);
        let receive = |limit| timeout(3 * MS, || rx.recv_timeout(limit));
        let late = Ok(Err(RecvTimeoutError::Timeout));
        assert_eq!(timed(|| receive(MS)), (late, MS));
        assert_eq!(timed(|| receive(5 * MS)), (Err(Elapsed), 3 * MS));
        let send = |limit| timeout(3 * MS, || tx.send_timeout(1, limit));
        let late = Ok(Err(SendTimeoutError::Timeout(1)));
        assert_eq!(timed(|| send(MS)), (late, MS));
        assert_eq!(timed(|| send(5 * MS)), (Err(Elapsed), 3 * MS));
        // In a shield, and in a destructor during an unwinding, only its own counts.
        let shielded = timeout(MS, || shield(|| timed(|| rx.recv_timeout(5 * MS))));
        let late = (Err(RecvTimeoutError::Timeout), 5 * MS);
        assert_eq!(shielded, Ok(late));
        let seen = Cell::new(None);
        let unwound = timeout(MS, || {
            let _receives = OnDrop(|| seen.set(Some(timed(|| rx.recv_timeout(5 * MS)))));
            park();
        });
        assert_eq!((unwound, seen.get()), (Err(Elapsed), Some(late)));
    });
}

#[test]
fn the_longest_time_never_ends() {
    let mut runtime = Runtime::builder().virtual_time(true).build().unwrap();
    let waits_on = |result: Result<(), RunError>| match result {
        Err(RunError::Deadlock(snapshot)) => {
            let main = &snapshot.coroutines[0];
            assert_eq!(main.waits_at.unwrap().file(), file!());
            main.waits_on.clone().unwrap()
        }
        other => panic!("not a deadlock: {other:?}"),
    };
    let text = waits_on(runtime.try_run(|| {
        let (_tx, rx) = channel::<u32>(3);
        let _ = rx.recv_timeout(Duration::MAX);
    }));
    assert!(
        text.starts_with("an item from the channel of capacity 3"),
        "{text}"
    );
    let text = waits_on(runtime.try_run(|| {
        let (tx, _rx) = channel(0);
        let _ = tx.send_timeout(1, Duration::MAX);
    }));
    assert!(text.starts_with("a receiver of the channel"), "{text}");
    let text = waits_on(runtime.try_run(|| {
        let mutex = Mutex::new(0);
        let mut guard = mutex.lock();
        Condvar::new().wait_timeout(&mut guard, Duration::MAX);
    }));
    assert_eq!(text, "a notification of a Condvar");
    let text = waits_on(runtime.try_run(|| park_timeout(Duration::MAX)));
    assert_eq!(text, "unpark");
}

/// Also while a thread works, which holds virtual time: nothing needs it to pass.
#[test]
fn no_time_at_all_is_one_turn() {
    in_virtual_time(|| {
        let (tx, rx) = channel(0);
        let sends = spawn(move || (tx.send(1), tx.send(2)));
        assert_eq!(timed(|| rx.recv_timeout(ZERO)), (Ok(1), ZERO));
        sends.cancel();
        assert!(sends.join().is_err());

        let (tx, rx) = channel(0);
        let selects = spawn(move || select! { send(tx, 3) -> sent => sent });
        yield_now();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(rx.recv_timeout(ZERO), Ok(3), "it is asked");
        assert_eq!(selects.join().unwrap(), Ok(()));

        let (tx, rx) = channel(0);
        let receives = spawn({
            let rx = rx.clone();
            move || rx.recv()
        });
        assert_eq!(tx.send_timeout(4, ZERO), Ok(()));
        assert_eq!(receives.join().unwrap(), Ok(4));
        let late = Err(SendTimeoutError::Timeout(5));
        assert_eq!(tx.send_deadline(5, now()), late);

        let (goes_on, told) = std::sync::mpsc::channel();
        let works = spawn(move || corobin::to_thread(move || told.recv()));
        yield_now();
        let late = (Err(RecvTimeoutError::Timeout), ZERO);
        assert_eq!(timed(|| rx.recv_timeout(ZERO)), late);
        assert!(!works.is_finished());
        goes_on.send(()).unwrap();
        assert_eq!(works.join().unwrap(), Ok(()));
    });
}

/// Who asks again and again lets others run.
#[test]
fn a_loop_without_time_hangs_nobody() {
    run(|| {
        let (tx, rx) = unbounded();
        let sends = spawn(move || {
            (0..100).for_each(|_| yield_now());
            tx.send(1)
        });
        while rx.recv_timeout(ZERO) == Err(RecvTimeoutError::Timeout) {}
        assert_eq!(sends.join().unwrap(), Ok(()));

        let pair = Rc::new((Mutex::new(false), Condvar::new()));
        let other = pair.clone();
        spawn(move || *other.0.lock() = true);
        let mut guard = pair.0.lock();
        while !*guard {
            assert!(pair.1.wait_timeout(&mut guard, ZERO).timed_out());
        }
    });
}

#[test]
fn outside_of_a_runtime_only_what_need_not_wait_works() {
    let (tx, rx) = channel(1);
    assert_eq!(tx.send_timeout(1, MS), Ok(()));
    let names_run = |f: &dyn Fn()| {
        let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        let text = payload.downcast_ref::<String>().unwrap();
        assert!(text.contains("corobin::run"), "{text}");
    };
    names_run(&|| assert!(tx.send_timeout(2, MS).is_err()));
    assert_eq!(rx.recv_timeout(MS), Ok(1));
    names_run(&|| assert!(rx.recv_timeout(MS).is_err()));
    drop(tx);
    assert_eq!(rx.recv_timeout(MS), Err(RecvTimeoutError::Closed));
    let mutex = Mutex::new(0);
    names_run(&|| {
        Condvar::new().wait_timeout(&mut mutex.lock(), MS);
    });
    let result = Condvar::new().wait_timeout_while(&mut mutex.lock(), MS, |_| false);
    assert!(!result.timed_out());
}

type Pair = Rc<(Mutex<u32>, Condvar)>;

/// Adds one every `period`, and notifies.
fn count_up(pair: &Pair, period: Duration) -> JoinHandle<()> {
    let pair = pair.clone();
    spawn(move || {
        loop {
            sleep(period);
            *pair.0.lock() += 1;
            pair.1.notify_one();
        }
    })
}

#[test]
fn a_condvar_is_waited_for_until_the_time_is_over() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let counts = count_up(&pair, 3 * MS);
        yield_now();
        let mut guard = pair.0.lock();
        let (result, took) = timed(|| pair.1.wait_timeout(&mut guard, 5 * MS));
        assert_eq!((result.timed_out(), took, *guard), (false, 3 * MS, 1));
        assert!(pair.0.try_lock().is_none(), "it has the mutex again");
        let (result, took) = timed(|| pair.1.wait_timeout(&mut guard, 2 * MS));
        assert_eq!((result.timed_out(), took, *guard), (true, 2 * MS, 1));
        assert!(pair.0.try_lock().is_none(), "it has the mutex again");
        counts.cancel();
        drop(guard);
        assert!(pair.0.try_lock().is_some());
    });
}

#[test]
fn the_mutex_is_taken_again_however_long_that_takes() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let holds = spawn({
            let pair = pair.clone();
            move || {
                let mut guard = pair.0.lock();
                sleep(9 * MS);
                *guard = 7;
            }
        });
        let mut guard = pair.0.lock();
        let (result, took) = timed(|| pair.1.wait_timeout(&mut guard, 2 * MS));
        assert_eq!((result.timed_out(), took, *guard), (true, 9 * MS, 7));
        holds.join().unwrap();
    });
}

#[test]
fn who_is_too_late_uses_up_no_notification() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let wait = |limit| {
            let pair = pair.clone();
            spawn(move || pair.1.wait_timeout(&mut pair.0.lock(), limit).timed_out())
        };
        let (first, second, third) = (wait(MS), wait(9 * MS), wait(9 * MS));
        sleep(2 * MS);
        pair.1.notify_one();
        yield_now();
        assert!(first.join().unwrap());
        assert!(second.is_finished() && !third.is_finished());
        assert!(!second.join().unwrap());
        assert!(third.join().unwrap());
    });
}

/// The one who notifies runs first, the one who waits was woken by its timer.
#[test]
fn a_notification_when_the_time_is_over_counts() {
    in_virtual_time(|| {
        let pair = Pair::default();
        count_up(&pair, 5 * MS);
        yield_now();
        let mut guard = pair.0.lock();
        let result = pair.1.wait_timeout(&mut guard, 5 * MS);
        assert_eq!((result.timed_out(), *guard), (false, 1));
    });
}

#[test]
fn a_cancelled_wait_with_a_time_locks_again_first() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let waits = spawn({
            let pair = pair.clone();
            move || {
                let mut guard = pair.0.lock();
                pair.1.wait_timeout(&mut guard, 5 * MS);
                unreachable!("it was cancelled");
            }
        });
        yield_now();
        let guard = pair.0.lock();
        waits.cancel();
        sleep(9 * MS);
        assert!(!waits.is_finished(), "it waits for the mutex");
        drop(guard);
        assert!(matches!(waits.join(), Err(JoinError::Cancelled)));
        let mut guard = pair.0.lock();
        let wait = || timeout(MS, || pair.1.wait_timeout(&mut guard, 5 * MS));
        assert_eq!(timed(wait), (Err(Elapsed), MS));
        assert!(pair.0.try_lock().is_none());
    });
}

#[test]
fn notifications_in_each_turn_do_not_put_the_end_off() {
    in_virtual_time(|| {
        let pair = Rc::new((Mutex::new(0), Condvar::new()));
        let other = Rc::clone(&pair);
        spawn(move || {
            for _ in 0..100 {
                other.1.notify_all();
                yield_now();
            }
        });
        let mut guard = pair.0.lock();
        let mut turns = 0;
        let result = pair.1.wait_timeout_while(&mut guard, Duration::ZERO, |_| {
            turns += 1;
            true
        });
        assert!(result.timed_out());
        assert!(turns < 10, "{turns}");
    });
}

#[test]
fn one_time_for_all_waits_on_a_condition() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let counts = count_up(&pair, 3 * MS);
        yield_now();
        let mut guard = pair.0.lock();
        let mut wait_for = |n, limit| {
            let wait = || {
                pair.1
                    .wait_timeout_while(&mut guard, limit, |count| *count < n)
            };
            let (result, took) = timed(wait);
            (result.timed_out(), took)
        };
        assert_eq!(wait_for(2, 10 * MS), (false, 6 * MS));
        assert_eq!(wait_for(9, 10 * MS), (true, 10 * MS));
        assert_eq!(wait_for(5, ZERO), (false, ZERO));
        assert_eq!(wait_for(6, ZERO), (true, ZERO));
        counts.cancel();
    });
}

/// Nobody has notified.
#[test]
fn a_condition_that_ends_with_the_time_has_not_timed_out() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let sets = spawn({
            let pair = pair.clone();
            move || *pair.0.lock() = 1
        });
        let mut guard = pair.0.lock();
        let (result, took) = timed(|| (pair.1).wait_timeout_while(&mut guard, 5 * MS, |n| *n == 0));
        assert_eq!((result.timed_out(), took), (false, 5 * MS));
        sets.join().unwrap();
    });
}

/// A timer that was set by one coroutine would wake it after its end.
#[test]
fn a_condition_may_leave_a_generator_that_another_coroutine_goes_on_with() {
    in_virtual_time(|| {
        let pair = Pair::default();
        let waits = {
            let pair = pair.clone();
            Generator::new(move |y: &corobin::Yielder<u32>| {
                let mut guard = pair.0.lock();
                let result = pair.1.wait_timeout_while(&mut guard, 5 * MS, |n| {
                    y.yield_(*n);
                    true
                });
                assert!(result.timed_out());
            })
        };
        let step = |mut waits: Generator<u32>| {
            spawn(move || {
                let next = waits.next();
                (waits, next)
            })
        };
        let mut left = waits;
        for expected in [Some(0), Some(0), None] {
            let (back, next) = step(left).join().unwrap();
            assert_eq!(next, expected);
            left = back;
        }
        let leaves = step({
            let pair = pair.clone();
            Generator::new(move |y: &corobin::Yielder<u32>| {
                let wait = |n: &mut u32| {
                    y.yield_(*n);
                    true
                };
                pair.1.wait_timeout_while(&mut pair.0.lock(), 5 * MS, wait);
            })
        });
        drop(leaves.join().unwrap());
        sleep(9 * MS);
        assert!(pair.0.try_lock().is_some());
    });
}

#[test]
fn errors_say_what_they_are_and_hold() {
    struct Opaque;
    let late = SendTimeoutError::Timeout(Opaque);
    assert!(late.is_timeout() && !late.is_closed());
    assert_eq!(format!("{late:?}"), "Timeout(..)");
    assert!(late.to_string().contains("timed out"));
    let closed = SendTimeoutError::from(corobin::sync::SendError(1));
    assert!(closed.is_closed() && !closed.is_timeout());
    assert!(closed.to_string().contains("without receivers"));
    assert_eq!(
        (format!("{closed:?}"), closed.into_inner()),
        ("Closed(..)".into(), 1)
    );
    let late = RecvTimeoutError::Timeout;
    assert!(late.is_timeout() && !late.is_closed());
    assert!(late.to_string().contains("timed out"));
    let closed = RecvTimeoutError::from(corobin::sync::RecvError);
    assert!(closed.is_closed() && !closed.is_timeout());
    assert!(closed.to_string().contains("without senders"));
}
