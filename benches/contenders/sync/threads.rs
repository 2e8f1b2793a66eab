//! The programs on OS threads.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread::scope;
use std::time::{Duration, Instant};

use super::CAPACITY;

/// A number goes to and fro through two channels of capacity 1; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    let ((to_pong, pong_rx), (to_ping, ping_rx)) = (sync_channel(1), sync_channel(1));
    scope(|s| {
        s.spawn(move || {
            for n in pong_rx {
                to_ping.send(n + 1).expect("ping");
            }
        });
        let begin = Instant::now();
        for n in 0..rounds {
            to_pong.send(n).expect("pong");
            assert_eq!(ping_rx.recv(), Ok(n + 1));
        }
        let took = begin.elapsed();
        drop(to_pong);
        took
    })
}

/// One sends so many items, another receives them.
pub fn stream(items: u64) -> Duration {
    let (tx, rx) = sync_channel(CAPACITY);
    scope(|s| {
        let begin = Instant::now();
        s.spawn(move || (0..items).for_each(|n| tx.send(n).expect("a receiver")));
        assert_eq!(rx.iter().sum::<u64>(), (0..items).sum::<u64>());
        begin.elapsed()
    })
}

/// Locks and unlocks, with nobody else around.
pub fn lock(times: u64) -> Duration {
    let mutex = Mutex::new(0);
    let begin = Instant::now();
    for _ in 0..times {
        *black_box(&mutex).lock().expect("no panic") += 1;
    }
    let took = begin.elapsed();
    assert_eq!(mutex.into_inner().expect("no panic"), times);
    took
}
