//! The programs on corobin.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use corobin::sync::{Event, Mutex, Receiver, channel, unbounded};
use corobin::{run, select, spawn, yield_now};

use super::super::corobin::{run_with_stacks, stack_size};
use super::CAPACITY;

/// A number goes to and fro through two channels of capacity 1; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    run(|| {
        let ((to_pong, pong_rx), (to_ping, ping_rx)) = (channel(1), channel(1));
        let pong = spawn(move || {
            for n in pong_rx {
                to_ping.send(n + 1).expect("ping");
            }
        });
        yield_now();
        let begin = Instant::now();
        for n in 0..rounds {
            to_pong.send(n).expect("pong");
            assert_eq!(ping_rx.recv(), Ok(n + 1));
        }
        let took = begin.elapsed();
        drop(to_pong);
        pong.join().expect("pong");
        took
    })
}

/// One sends so many items, another receives them.
pub fn stream(items: u64) -> Duration {
    run(|| {
        let (tx, rx) = channel(CAPACITY);
        let begin = Instant::now();
        spawn(move || (0..items).for_each(|n| tx.send(n).expect("a receiver")));
        assert_eq!(rx.iter().sum::<u64>(), (0..items).sum::<u64>());
        begin.elapsed()
    })
}

/// Locks and unlocks, with nobody else around.
pub fn lock(times: u64) -> Duration {
    run(|| {
        let mutex = Mutex::new(0);
        let begin = Instant::now();
        for _ in 0..times {
            *black_box(&mutex).lock() += 1;
        }
        let took = begin.elapsed();
        assert_eq!(mutex.into_inner(), times);
        took
    })
}

/// Two that want a lock all the time: each lock waits, and is handed over. Gives the time of
/// `times` hand-overs.
pub fn contended_lock(times: u64) -> Duration {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let guard = mutex.lock();
        let (other, each) = (Rc::clone(&mutex), times / 2);
        let handle = spawn(move || (0..each).for_each(|_| *other.lock() += 1));
        yield_now();
        drop(guard);
        let begin = Instant::now();
        (0..each).for_each(|_| *mutex.lock() += 1);
        let took = begin.elapsed();
        handle.join().expect("no panic");
        assert_eq!(*mutex.lock(), 2 * each);
        took
    })
}

/// Two channels with more items than are taken.
fn full_channels(times: u64) -> [Receiver<u64>; 2] {
    [(); 2].map(|()| {
        let (tx, rx) = unbounded();
        (0..=times).for_each(|n| tx.send(n).expect("a receiver"));
        std::mem::forget(tx);
        rx
    })
}

/// Takes from either of two channels, both of which are ready.
pub fn select_ready(times: u64) -> Duration {
    run(|| {
        let [one, other] = full_channels(times);
        let begin = Instant::now();
        for _ in 0..times {
            select! {
                recv(one) -> item => { black_box(item.expect("an item")); },
                recv(other) -> item => { black_box(item.expect("an item")); },
            }
        }
        begin.elapsed()
    })
}

/// Takes from two channels in turn, both of which are ready.
pub fn recv_ready(times: u64) -> Duration {
    run(|| {
        let [one, other] = full_channels(times);
        let begin = Instant::now();
        for _ in 0..times / 2 {
            black_box(one.recv().expect("an item"));
            black_box(other.recv().expect("an item"));
        }
        begin.elapsed()
    })
}

/// Takes from one of two channels by a toss, both of which are ready: what a fair `select!` cannot
/// do without.
pub fn recv_by_chance(times: u64) -> Duration {
    run(|| {
        let [one, other] = full_channels(times);
        let mut random = fastrand::Rng::new();
        let begin = Instant::now();
        for _ in 0..times / 64 {
            let tosses = random.u64(..);
            for toss in 0..64 {
                if tosses >> toss & 1 == 0 {
                    black_box(one.recv().expect("an item"));
                } else {
                    black_box(other.recv().expect("an item"));
                }
            }
        }
        begin.elapsed()
    })
}

/// Wakes `n` that wait for an event, `rounds` times: from the `set` until all have run.
pub fn event(n: usize, rounds: u64) -> Duration {
    run_with_stacks(stack_size(n), || {
        let (event, woken) = (Rc::new(Event::new()), Rc::new(Cell::new(0)));
        let handles: Vec<_> = (0..n)
            .map(|_| {
                let (event, woken) = (Rc::clone(&event), Rc::clone(&woken));
                spawn(move || {
                    for _ in 0..rounds {
                        event.wait();
                        woken.set(woken.get() + 1);
                    }
                })
            })
            .collect();
        yield_now();
        let begin = Instant::now();
        for round in 1..=rounds {
            event.set();
            event.clear();
            yield_now();
            assert_eq!(woken.get(), round * n as u64);
        }
        let took = begin.elapsed();
        handles
            .into_iter()
            .for_each(|h| h.join().expect("no panic"));
        took
    })
}
