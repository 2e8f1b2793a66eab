//! The forms of `select!` that crossbeam-channel takes.

use corobin::sync::{Receiver, RecvError, Sender, channel, unbounded};
use corobin::{run, select};
use std::cell::Cell;
use std::ops::Deref;
use std::time::Duration;

fn ready<T>(item: T) -> Receiver<T> {
    let (tx, rx) = unbounded();
    tx.send(item).unwrap();
    std::mem::forget(tx);
    rx
}

#[test]
#[allow(clippy::blocks_in_conditions, reason = "users may write so")]
fn commas_and_blocks() {
    run(|| {
        let rx = ready(1);
        let (tx, _keep) = unbounded::<u32>();
        let never = channel::<u32>(0);
        let n = select! { recv(rx) -> item => item.unwrap() };
        assert_eq!(n, 1);
        let n = select! {
            recv(never.1) -> item => item.unwrap(),
            default => 2
        };
        assert_eq!(n, 2);
        let n = select! {
            recv(never.1,) -> _item => { 1 }
            default() => { 3 }
        };
        assert_eq!(n, 3);
        let n = select! {
            recv(never.1) -> item => if item.is_ok() { 1 } else { 2 },
            default(Duration::from_millis(1),) => 4,
        };
        assert_eq!(n, 4);
        let n = select! {
            default => 5,
            recv(never.1) -> _ => { 6 },
        };
        assert_eq!(n, 5);
        let n = select! {
            send(tx, 7,) -> sent => { sent.unwrap(); 7 }
            recv(never.1) -> _ => unreachable!(),
        };
        assert_eq!(n, 7);
        select! {
            recv(never.1) -> _ => {}
            send(tx, if n == 7 { 8 } else { 9 }) -> (Ok(()) | Err(_)) => (),
        }
        select! { default => {} }
        select! { default(Duration::ZERO) => {} };
        // As part of an expression.
        let sum = 1 + select! { default => 1 } + select!(default => 1);
        assert_eq!(sum, 3);
        if select! { default => true } && !select! { recv(never.1) -> _ => true, default => false }
        {
            return;
        }
        unreachable!();
    });
}

/// Arms are evaluated where they stand.
#[test]
fn control_flow_in_arms() {
    fn first(rx: &Receiver<u32>) -> Result<u32, RecvError> {
        select! { recv(rx) -> item => Ok(item? + 1) }
    }
    fn early(rx: &Receiver<u32>) -> u32 {
        select! { recv(rx) -> _ => return 5, default => {} }
        6
    }
    fn message(tx: &Sender<u32>, item: Option<u32>) -> Option<u32> {
        select! { send(tx, item?) -> sent => sent.ok()? }
        Some(1)
    }
    run(|| {
        let (tx, rx) = unbounded();
        for n in 0..10 {
            tx.send(n).unwrap();
        }
        assert_eq!(first(&rx), Ok(1));
        assert_eq!(early(&rx), 5);
        let mut seen = Vec::new();
        let last = 'outer: loop {
            for _ in 0..2 {
                select! {
                    recv(rx) -> item => match item {
                        Ok(n) if n % 2 == 0 => continue 'outer,
                        Ok(7) => break 'outer 7,
                        Ok(n) => seen.push(n),
                        Err(_) => break,
                    }
                }
            }
        };
        assert_eq!((last, seen), (7, vec![3, 5]));
        let closed = ready(0);
        assert!(closed.recv().is_ok());
        assert_eq!(message(&tx, None), None);
        assert_eq!(message(&tx, Some(1)), Some(1));
        drop(tx);
        while first(&rx).is_ok() {}
        assert_eq!(first(&rx), Err(RecvError));
    });
}

#[test]
fn references_places_and_temporaries() {
    struct Held<T>(T);
    impl<T> Deref for Held<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
    run(|| {
        let (tx, rx) = channel(3);
        let pair = (&tx, Box::new(rx));
        select! { send(pair.0, 1) -> sent => sent.unwrap() }
        select! { send(&tx, 2) -> sent => sent.unwrap() }
        select! { send(tx.clone(), 3) -> sent => sent.unwrap() }
        let calls = Cell::new(0);
        let get = || {
            calls.set(calls.get() + 1);
            &*pair.1
        };
        let mut sum = 0;
        select! { recv(get()) -> item => sum += item.unwrap() }
        select! { recv(pair.1) -> mut item => { item = item.map(|n| n * 10); sum += item.unwrap() } }
        let held = Held(pair.1.clone());
        select! { recv(*held) -> item => sum += item.unwrap() }
        assert_eq!((sum, calls.get()), (24, 1));
        let several = [ready('a'), ready('b')];
        let got = select! { recv(several[1]) -> item => item };
        assert_eq!(got, Ok('b'));
    });
}

/// Names in arms are the user's, also those that the macro uses inside.
#[test]
fn names_do_not_clash() {
    run(|| {
        let (operation, picked, receiver) = (ready(1), ready(2), ready(3));
        let (sender, next) = (unbounded().0, 5);
        let sum = select! {
            recv(operation) -> picked => picked.unwrap() + next,
            recv(picked) -> operation => operation.unwrap() + next,
            recv(receiver) -> claim => claim.unwrap() + next,
            send(sender, next) -> next => next.map_or_else(|back| back.0, |()| 0) + picked.len(),
        };
        assert!([6, 7, 8].contains(&sum));
    });
}

/// What was received may be moved out, and the channel dropped, in the arm.
#[test]
fn arms_may_drop_the_channels() {
    run(|| {
        let (tx, rx) = channel(1);
        let text = select! {
            send(tx, String::from("text")) -> sent => {
                drop(tx);
                sent.unwrap();
                select! { recv(rx) -> item => { drop(rx); item.unwrap() } }
            }
        };
        assert_eq!(text, "text");
    });
}

#[test]
fn many_arms() {
    run(|| {
        let (tx, rx) = channel(1);
        let never = channel::<u32>(0).1;
        let keep = never.clone();
        drop(keep);
        let (a, b, c, d) = (&rx, &rx, &rx, &rx);
        tx.send(1).unwrap();
        let arm = select! {
            recv(a) -> _ => 0, recv(b) -> _ => 1, recv(c) -> _ => 2, recv(d) -> _ => 3,
            recv(a) -> _ => 4, recv(b) -> _ => 5, recv(c) -> _ => 6, recv(d) -> _ => 7,
            recv(a) -> _ => 8, recv(b) -> _ => 9, recv(c) -> _ => 10, recv(d) -> _ => 11,
            recv(a) -> _ => 12, recv(b) -> _ => 13, recv(c) -> _ => 14, recv(d) -> _ => 15,
            recv(a) -> _ => 16, recv(b) -> _ => 17, recv(c) -> _ => 18, recv(d) -> _ => 19,
            recv(a) -> _ => 20, recv(b) -> _ => 21, recv(c) -> _ => 22, recv(d) -> _ => 23,
        };
        assert!(arm < 24);
        assert!(rx.is_empty(), "one of them took it");
    });
}
