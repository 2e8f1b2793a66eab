//! What `select!` and `Select` promise.

use corobin::sync::{
    Receiver, RecvError, Select, SelectTimeoutError, SendError, TryRecvError, TrySelectError,
    TrySendError, channel, unbounded,
};
use corobin::{
    Elapsed, Generator, JoinError, RunError, Runtime, gather, now, run, select, sleep, spawn,
    timeout, yield_now,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::{in_virtual_time, virtual_runtime};

const MS: Duration = Duration::from_millis(1);

fn full_channels<const N: usize>(items: u32) -> [Receiver<u32>; N] {
    [(); N].map(|()| {
        let (tx, rx) = unbounded();
        (0..items).for_each(|n| tx.send(n).unwrap());
        std::mem::forget(tx);
        rx
    })
}

#[test]
fn exactly_one_of_the_ready_takes_place_each_as_often() {
    run(|| {
        let [a, b, c] = full_channels(3000);
        let mut counts = [0; 3];
        for _ in 0..3000 {
            select! {
                recv(a) -> item => { item.unwrap(); counts[0] += 1 }
                recv(b) -> item => { item.unwrap(); counts[1] += 1 }
                recv(c) -> item => { item.unwrap(); counts[2] += 1 }
            }
        }
        assert_eq!([a, b, c].map(|rx| 3000 - rx.len()), counts);
        // Seven standard deviations.
        assert!(
            counts.iter().all(|count| (820..1180).contains(count)),
            "{counts:?}"
        );
    });
}

#[test]
fn two_that_are_ready_are_taken_equally_often() {
    run(|| {
        const ITEMS: usize = 100_000;
        let [a, b] = full_channels(ITEMS as u32);
        let from_a = |_: &usize| {
            select! {
                recv(a) -> item => item.map(|_| true).unwrap(),
                recv(b) -> item => item.map(|_| false).unwrap(),
            }
        };
        let count = (0..ITEMS).filter(from_a).count();
        // Some nine standard deviations.
        assert!(count.abs_diff(ITEMS / 2) < 1500, "{count}");
    });
}

/// What one picks tells nothing of what the next one picks.
#[test]
fn picks_are_independent() {
    const TIMES: usize = 10_000;
    run(|| {
        let [a, b, c, d] = full_channels(TIMES as u32);
        let mut counts = [0_usize; 4];
        for _ in 0..TIMES {
            let first = select! { recv(a) -> _ => 0, recv(b) -> _ => 1 };
            let second = select! { recv(c) -> _ => 0, recv(d) -> _ => 2 };
            counts[first + second] += 1;
        }
        // Some nine standard deviations.
        let quarter = TIMES / 4;
        assert!(
            counts.iter().all(|count| count.abs_diff(quarter) < 400),
            "{counts:?}"
        );
    });
}

/// Whoever comes every other time does not always meet the same answer.
#[test]
fn two_that_select_in_turn_both_meet_both() {
    for builder in [Runtime::builder(), Runtime::builder().schedule_seed(7)] {
        let counts = builder.build().unwrap().run(|| {
            let select_2000 = || {
                let [a, b] = full_channels(2000);
                let mut from_a = 0;
                for _ in 0..2000 {
                    select! {
                        recv(a) -> item => { item.unwrap(); from_a += 1 }
                        recv(b) -> item => item.map(drop).unwrap(),
                    }
                    yield_now();
                }
                from_a
            };
            gather([spawn(select_2000), spawn(select_2000)]).unwrap()
        });
        // Far more than ten standard deviations.
        assert!(
            counts.iter().all(|count| (500..1500).contains(count)),
            "{counts:?}"
        );
    }
}

#[test]
fn picks_are_the_same_under_the_same_seed() {
    let picks = |seed| {
        let mut runtime = Runtime::builder().schedule_seed(seed).build().unwrap();
        runtime.run(|| {
            let [a, b] = full_channels(64);
            let pick = || select! { recv(a) -> _ => 'a', recv(b) -> _ => 'b' };
            (0..64).map(|_| pick()).collect::<String>()
        })
    };
    assert_eq!(picks(1), picks(1));
    assert_ne!(picks(1), picks(2));
}

#[test]
fn a_message_is_made_only_if_it_is_sent() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        let made = Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            made.get()
        };
        for _ in 0..3 {
            select! { send(tx, make()) -> sent => sent.unwrap(), default(MS) => {} }
        }
        assert_eq!((made.get(), rx.recv()), (1, Ok(1)));
        let waiting = spawn(move || timeout(MS, || rx.recv().and_then(|_| rx.recv())));
        yield_now();
        select! { send(tx, make()) -> sent => sent.unwrap() }
        assert_eq!(waiting.join().unwrap(), Err(Elapsed));
        select! { send(tx, make()) -> sent => assert_eq!(sent, Err(SendError(3))) }
    });
}

#[test]
fn a_closed_channel_is_ready() {
    run(|| {
        let (tx, rx) = channel::<u32>(1);
        let (other_tx, other_rx) = channel::<u32>(1);
        drop((tx, other_rx));
        select! { recv(rx) -> item => assert_eq!(item, Err(RecvError)), default => unreachable!() }
        select! { send(other_tx, 1) -> sent => assert_eq!(sent, Err(SendError(1))), default => unreachable!() }
    });
}

/// Whichever side waits first, and if both wait in a `select!`.
#[test]
fn selects_meet_each_other_at_capacity_0() {
    for (sender_first, seed) in [(true, 1), (true, 2), (false, 3), (false, 4)] {
        let mut runtime = Runtime::builder().schedule_seed(seed).build().unwrap();
        runtime.run(|| {
            let (tx, rx) = channel(0);
            let (_keep_tx, never) = channel::<u32>(0);
            let never_too = never.clone();
            let sends = move || {
                select! {
                    send(tx, 5) -> sent => sent.unwrap(),
                    recv(never) -> _ => unreachable!(),
                }
            };
            let receives = move || {
                select! {
                    recv(never_too) -> _ => unreachable!(),
                    recv(rx) -> item => assert_eq!(item, Ok(5)),
                }
            };
            let first = if sender_first {
                spawn(sends.clone())
            } else {
                spawn(receives.clone())
            };
            yield_now();
            let second = if sender_first {
                spawn(receives)
            } else {
                spawn(sends)
            };
            first.join().unwrap();
            second.join().unwrap();
        });
    }
}

/// Neither waits in its queue all the time, and yet they meet.
#[test]
fn one_that_polls_meets_one_that_offers() {
    run(|| {
        let (tx, rx) = channel(0);
        let sender = spawn(move || select! { send(tx, 5) -> sent => sent });
        let mut polls = 0;
        let item = loop {
            select! {
                recv(rx) -> item => break item,
                default => {
                    polls += 1;
                    assert!(polls < 10, "it never meets the other");
                    yield_now();
                }
            }
        };
        assert_eq!(item, Ok(5));
        sender.join().unwrap().unwrap();
    });
}

#[test]
fn what_is_sent_without_select_meets_a_select_and_back() {
    run(|| {
        let (tx, rx) = channel(0);
        let selects = spawn({
            let rx = rx.clone();
            move || select! { recv(rx) -> item => item }
        });
        yield_now();
        assert_eq!(tx.try_send(1), Ok(()));
        assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
        assert_eq!(selects.join().unwrap(), Ok(1));

        let offers = spawn(move || select! { send(tx, 3) -> sent => sent });
        yield_now();
        assert_eq!(
            rx.try_recv(),
            Err(TryRecvError::Empty),
            "there is no message yet"
        );
        assert_eq!(rx.recv(), Ok(3));
        assert_eq!(offers.join().unwrap(), Ok(()));
    });
}

#[test]
fn one_select_never_pairs_with_itself() {
    let mut runtime = virtual_runtime();
    let result = runtime.try_run(|| {
        let (tx, rx) = channel(0);
        let both = || select! { recv(rx) -> _ => 'r', send(tx, 1) -> _ => 's', default(MS) => 'd' };
        assert_eq!(both(), 'd');
        // Two of them pair, one each way.
        let other = spawn({
            let (tx, rx) = (tx.clone(), rx.clone());
            move || select! { recv(rx) -> _ => 'r', send(tx, 1) -> _ => 's' }
        });
        yield_now();
        assert_ne!(both(), other.join().unwrap());
        select! { recv(rx) -> _ => {}, send(tx, 1) -> _ => {} }
    });
    let Err(RunError::Deadlock(snapshot)) = result else {
        panic!("it waits for itself");
    };
    assert!(
        snapshot
            .to_string()
            .contains("one of 2 operations of a select!"),
        "{snapshot}"
    );
}

#[test]
fn a_timeout_comes_last() {
    in_virtual_time(|| {
        let (tx, rx) = unbounded::<u32>();
        let start = now();
        assert!(select! { recv(rx) -> _ => false, default(5 * MS) => true });
        assert_eq!(now() - start, 5 * MS);
        // The item comes at the very time that the limit is over.
        spawn(move || {
            sleep(5 * MS);
            tx.send(1).unwrap();
        });
        let got = select! { recv(rx) -> item => item, default(10 * MS) => unreachable!() };
        assert_eq!((got, now() - start), (Ok(1), 10 * MS));
        assert!(select! { recv(rx) -> item => item.is_err(), default(Duration::MAX) => false });
    });
}

#[test]
fn who_is_unwound_loses_nothing_and_passes_its_turn_on() {
    in_virtual_time(|| {
        let (tx, rx) = channel(1);
        tx.send(0).unwrap();
        let offer = || {
            let tx = tx.clone();
            spawn(move || select! { send(tx, 9) -> _ => {} })
        };
        let (first, second) = (offer(), offer());
        let third = spawn({
            let tx = tx.clone();
            move || tx.send(3)
        });
        yield_now();
        // Its turn has come, and it is cancelled before it can send.
        assert_eq!(rx.recv(), Ok(0));
        first.cancel();
        assert!(matches!(first.join(), Err(JoinError::Cancelled)));
        second.join().unwrap();
        assert_eq!((rx.recv(), rx.recv()), (Ok(9), Ok(3)));
        third.join().unwrap().unwrap();

        let selects = || select! { recv(rx) -> item => item };
        assert_eq!(timeout(MS, selects), Err(Elapsed));
        tx.send(4).unwrap();
        assert_eq!(selects(), Ok(4));
    });
}

/// A sender that arrives while another's turn has come waits behind it.
#[test]
fn offers_are_served_in_their_turn() {
    run(|| {
        let (tx, rx) = channel(1);
        tx.send("first").unwrap();
        let offers = spawn({
            let tx = tx.clone();
            move || select! { send(tx, "offered") -> sent => sent.unwrap() }
        });
        yield_now();
        assert_eq!(rx.recv(), Ok("first"));
        let last = spawn(move || tx.send("last"));
        assert_eq!(rx.iter().collect::<Vec<_>>(), ["offered", "last"]);
        offers.join().unwrap();
        last.join().unwrap().unwrap();
    });
}

#[test]
fn select_in_a_generator() {
    run(|| {
        let (tx, rx) = channel(0);
        let (_keep, never) = channel::<u32>(0);
        let mut generator = Generator::new(move |y: &corobin::Yielder<u32>| {
            loop {
                select! {
                    recv(rx) -> item => match item {
                        Ok(item) => y.yield_(item),
                        Err(_) => break,
                    },
                    recv(never) -> _ => unreachable!(),
                }
            }
        });
        spawn(move || (0..4).for_each(|n| tx.send(n).unwrap()));
        assert_eq!(generator.next(), Some(0));
        assert_eq!(generator.collect::<Vec<_>>(), [1, 2, 3]);
    });
}

#[test]
fn a_thousand_operations() {
    in_virtual_time(|| {
        let channels: Vec<_> = (0..1000).map(|_| channel(0)).collect();
        let mut select = Select::new();
        for (_, rx) in &channels {
            select.recv(rx);
        }
        for round in 0..100 {
            let at = (round * 37) % 1000;
            let tx = channels[at].0.clone();
            spawn(move || tx.send(round));
            let operation = select.select();
            assert_eq!(operation.index(), at);
            assert_eq!(operation.recv(&channels[at].1), Ok(round));
        }
        let start = now();
        assert!(matches!(select.select_timeout(MS), Err(SelectTimeoutError)));
        assert!(matches!(
            select.select_deadline(start),
            Err(SelectTimeoutError)
        ));
        assert!(matches!(select.try_select(), Err(TrySelectError)));
        assert_eq!(now() - start, MS);
    });
}

#[test]
fn a_select_of_both_kinds() {
    run(|| {
        let ((tx, rx), (other_tx, other_rx)) = (channel::<u32>(1), channel(1));
        let mut select = Select::new();
        let (receives, sends) = (select.recv(&rx), select.send(&other_tx));
        assert_eq!((receives, sends), (0, 1));
        let operation = select.select();
        assert_eq!(operation.index(), sends);
        operation.send(&other_tx, "text").unwrap();
        select.remove(sends);
        assert!(select.try_select().is_err());
        tx.send(1).unwrap();
        assert_eq!(select.try_select().unwrap().recv(&rx), Ok(1));
        drop(tx);
        assert_eq!(select.select().recv(&rx), Err(RecvError));
        assert_eq!(other_rx.recv(), Ok("text"));
    });
}

/// What is selected and not completed is not lost.
#[test]
fn a_selected_operation_that_is_dropped_gives_back() {
    run(|| {
        let (tx, rx) = channel(2);
        tx.send(1).unwrap();
        tx.send(2).unwrap();
        let mut select = Select::new();
        select.recv(&rx);
        drop(select.select());
        assert_eq!((rx.recv(), rx.recv()), (Ok(1), Ok(2)));

        // Handed over by a sender that is long gone.
        let log = Rc::new(RefCell::new(Vec::new()));
        let waiting = spawn({
            let (rx, log) = (rx.clone(), log.clone());
            move || {
                let mut select = Select::new();
                select.recv(&rx);
                drop(select.select());
                log.borrow_mut().push("dropped");
            }
        });
        yield_now();
        let next = spawn({
            let rx = rx.clone();
            move || rx.recv()
        });
        yield_now();
        tx.send(3).unwrap();
        waiting.join().unwrap();
        assert_eq!(next.join().unwrap(), Ok(3));

        tx.send(4).unwrap();
        let mut select = Select::new();
        select.send(&tx);
        let operation = select.select();
        let other = spawn({
            let tx = tx.clone();
            move || tx.send(5)
        });
        drop(operation);
        other.join().unwrap().unwrap();
        assert_eq!(rx.try_iter().collect::<Vec<_>>(), [4, 5]);
    });
}

#[test]
fn who_polls_in_a_loop_lets_the_others_run() {
    run(|| {
        for polls_with_select in [true, false] {
            let (tx, rx) = channel(1);
            spawn(move || tx.send(7).unwrap());
            let mut polls = 0..1000;
            let item = polls.find_map(|_| match polls_with_select {
                true => {
                    let mut select = Select::new();
                    select.recv(&rx);
                    select.try_select().ok().map(|selected| selected.recv(&rx))
                }
                false => select! {
                    recv(rx) -> item => Some(item),
                    default => None,
                },
            });
            assert_eq!(item, Some(Ok(7)));
        }
    });
    in_virtual_time(|| {
        let (_tx, rx) = channel::<()>(1);
        let poll_for_ever = move || {
            loop {
                select! {
                    recv(rx) -> _ => unreachable!(),
                    default => {}
                }
            }
        };
        let sleeper = spawn(|| sleep(MS));
        let cancelled = spawn(poll_for_ever);
        yield_now();
        cancelled.cancel();
        assert!(matches!(cancelled.join(), Err(JoinError::Cancelled)));
        sleeper.join().unwrap();
    });
}

#[test]
fn misuse_of_select_panics() {
    fn text<T>(f: impl FnOnce() -> T) -> String {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
        let payload = result.err().expect("a panic");
        let text = payload.downcast_ref::<String>().cloned();
        text.or(payload.downcast_ref::<&str>().map(|&text| text.into()))
            .unwrap()
    }
    run(|| {
        let ((tx, rx), (other_tx, other_rx)) = (channel(1), channel(1));
        tx.send(1).unwrap();
        assert!(text(|| drop(Select::new().select())).contains("without operations"));
        let mut select = Select::new();
        select.recv(&rx);
        assert!(text(|| select.select().recv(&other_rx)).contains("not selected"));
        assert!(text(|| select.select().send(&tx, 1)).contains("not selected"));
        assert!(text(|| select.remove(1)).contains("no operation with index 1"));
        assert_eq!(
            select.select().recv(&rx),
            Ok(1),
            "it was not lost by any of that"
        );
        let mut select = Select::new();
        select.send(&tx);
        assert!(text(|| select.select().send(&other_tx, 1)).contains("not selected"));
    });
}
