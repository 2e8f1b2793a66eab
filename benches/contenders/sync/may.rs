//! The programs on may with one worker thread. Its channels have no limit.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::may::coroutine::yield_now;
use ::may::sync::Mutex;
use ::may::sync::mpsc::channel;

use crate::contenders::may::{run, spawn};

/// A number goes to and fro through two channels; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    run(move || {
        let ((to_pong, pong_rx), (to_ping, ping_rx)) = (channel(), channel());
        let pong = spawn(move || {
            while let Ok(n) = pong_rx.recv() {
                if to_ping.send(n + 1).is_err() {
                    break;
                }
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
    run(move || {
        let (tx, rx) = channel();
        let begin = Instant::now();
        let sender = spawn(move || (0..items).for_each(|n| tx.send(n).expect("a receiver")));
        let mut sum = 0;
        while let Ok(n) = rx.recv() {
            sum += n;
        }
        assert_eq!(sum, (0..items).sum::<u64>());
        let took = begin.elapsed();
        sender.join().expect("no panic");
        took
    })
}

/// Locks and unlocks, with nobody else around.
pub fn lock(times: u64) -> Duration {
    run(move || {
        let mutex = Arc::new(Mutex::new(0));
        let begin = Instant::now();
        for _ in 0..times {
            *black_box(&mutex).lock().expect("no panic") += 1;
        }
        let took = begin.elapsed();
        assert_eq!(*mutex.lock().expect("no panic"), times);
        took
    })
}
