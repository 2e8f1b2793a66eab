//! The programs on tokio's current-thread runtime with a `LocalSet`.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ::tokio::runtime::Builder;
use ::tokio::select;
use ::tokio::sync::mpsc::{Receiver, channel};
use ::tokio::sync::{Mutex, Notify};
use ::tokio::task::{LocalSet, spawn_local, unconstrained, yield_now};

use super::CAPACITY;

fn run<T>(main: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), main)
}

/// A number goes to and fro through two channels of capacity 1; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    run(async {
        let ((to_pong, mut pong_rx), (to_ping, mut ping_rx)) = (channel(1), channel(1));
        let pong = spawn_local(async move {
            while let Some(n) = pong_rx.recv().await {
                to_ping.send(n + 1).await.expect("ping");
            }
        });
        yield_now().await;
        let begin = Instant::now();
        for n in 0..rounds {
            to_pong.send(n).await.expect("pong");
            assert_eq!(ping_rx.recv().await, Some(n + 1));
        }
        let took = begin.elapsed();
        drop(to_pong);
        pong.await.expect("pong");
        took
    })
}

/// One sends so many items, another receives them.
pub fn stream(items: u64) -> Duration {
    run(async {
        let (tx, mut rx) = channel(CAPACITY);
        let begin = Instant::now();
        spawn_local(async move {
            for n in 0..items {
                tx.send(n).await.expect("a receiver");
            }
        });
        let mut sum = 0;
        while let Some(n) = rx.recv().await {
            sum += n;
        }
        assert_eq!(sum, (0..items).sum::<u64>());
        begin.elapsed()
    })
}

/// Locks and unlocks, with nobody else around.
pub fn lock(times: u64) -> Duration {
    // Or it would have to yield now and then.
    run(unconstrained(async {
        let mutex = Mutex::new(0);
        let begin = Instant::now();
        for _ in 0..times {
            *black_box(&mutex).lock().await += 1;
        }
        let took = begin.elapsed();
        assert_eq!(mutex.into_inner(), times);
        took
    }))
}

/// Two that want a lock all the time: each lock waits, and is handed over.
pub fn contended_lock(times: u64) -> Duration {
    run(async {
        let mutex = Rc::new(Mutex::new(0));
        let guard = mutex.lock().await;
        let (other, each) = (Rc::clone(&mutex), times / 2);
        let handle = spawn_local(async move {
            for _ in 0..each {
                *other.lock().await += 1;
            }
        });
        yield_now().await;
        drop(guard);
        let begin = Instant::now();
        for _ in 0..each {
            *mutex.lock().await += 1;
        }
        let took = begin.elapsed();
        handle.await.expect("no panic");
        assert_eq!(*mutex.lock().await, 2 * each);
        took
    })
}

/// Takes from either of two channels, both of which are ready.
pub fn select_ready(times: u64) -> Duration {
    run(unconstrained(async {
        let [mut one, mut other] = [(); 2].map(|()| {
            let (tx, rx) = channel(times as usize + 1);
            (0..=times).for_each(|n| tx.try_send(n).expect("room"));
            std::mem::forget(tx);
            rx
        });
        let begin = Instant::now();
        for _ in 0..times {
            select! {
                item = Receiver::recv(&mut one) => { black_box(item.expect("an item")); },
                item = Receiver::recv(&mut other) => { black_box(item.expect("an item")); },
            }
        }
        begin.elapsed()
    }))
}

/// Wakes `n` that wait to be notified, `rounds` times: until all have run.
pub fn event(n: usize, rounds: u64) -> Duration {
    run(async {
        let (notify, woken) = (Rc::new(Notify::new()), Rc::new(Cell::new(0)));
        for _ in 0..n {
            let (notify, woken) = (Rc::clone(&notify), Rc::clone(&woken));
            spawn_local(async move {
                for _ in 0..rounds {
                    notify.notified().await;
                    woken.set(woken.get() + 1);
                }
            });
        }
        // A `LocalSet` runs so many tasks before it lets the main one look again.
        for _ in 0..=n / 61 {
            yield_now().await;
        }
        let begin = Instant::now();
        for round in 1..=rounds {
            notify.notify_waiters();
            while woken.get() < round * n as u64 {
                yield_now().await;
            }
        }
        begin.elapsed()
    })
}
