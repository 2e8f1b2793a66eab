//! The programs on OS threads. The kernel's own `yield` need not switch at all, so a switch is
//! measured by a token that goes round a ring of threads.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread::{self, Thread, park, sleep, spawn};
use std::time::{Duration, Instant};

use super::SleepCost;
use super::lap::Lap;
use super::meter::process_cpu;

/// `n` threads hand a token round `rounds` times.
pub fn token_ring(n: usize, rounds: u64) -> Duration {
    assert!(n > 1, "a ring of one hands nothing over");
    let lap = Lap::new(n);
    let ring = OnceLock::<Vec<Thread>>::new();
    // Hand-overs so far; participant i holds the token whenever it is i modulo n.
    let token = AtomicU64::new(u64::MAX);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..n)
            .map(|i| {
                let (lap, ring, token) = (&lap, &ring, &token);
                scope.spawn(move || {
                    lap.enter();
                    let mut watch = None;
                    for round in 0..=rounds {
                        let mine = round * n as u64 + i as u64;
                        while token.load(Ordering::Acquire) != mine {
                            park();
                        }
                        if round == 0 {
                            watch = lap.begin(i == 0);
                        }
                        if round == rounds {
                            // No need for `check`: the token itself cannot skip anybody.
                            let _ = lap.end(watch);
                        }
                        token.store(mine + 1, Ordering::Release);
                        ring.get().expect("set before the token goes")[(i + 1) % n].unpark();
                    }
                })
            })
            .collect();
        while !lap.all_started() {
            thread::yield_now();
        }
        let threads = handles.iter().map(|h| h.thread().clone()).collect();
        ring.set(threads).expect("set once");
        token.store(0, Ordering::Release);
        handles[0].thread().unpark();
    });
    lap.result()
}

/// `batches` times: spawn `batch` empty threads, then join them.
pub fn spawn_join(batch: usize, batches: u64) -> Duration {
    let mut handles = Vec::with_capacity(batch);
    let begin = Instant::now();
    let mut joined = 0;
    for _ in 0..batches {
        handles.extend((0..batch).map(|_| spawn(|| ())));
        joined += handles.drain(..).filter_map(|h| h.join().ok()).count();
    }
    let took = begin.elapsed();
    assert_eq!(joined as u64, batch as u64 * batches);
    took
}

/// Two threads that wake each other in turn; `rounds` round trips.
pub fn ping_pong(rounds: u64) -> Duration {
    // std's `park` may wake for nothing, so a ball tells whose turn it is: odd is pong's.
    let ball = Arc::new(AtomicU64::new(0));
    let pong = spawn({
        let (ping, ball) = (thread::current(), ball.clone());
        move || {
            for round in 0..rounds {
                while ball.load(Ordering::Acquire) != 2 * round + 1 {
                    park();
                }
                ball.store(2 * round + 2, Ordering::Release);
                ping.unpark();
            }
        }
    });
    let begin = Instant::now();
    for round in 0..rounds {
        ball.store(2 * round + 1, Ordering::Release);
        pong.thread().unpark();
        while ball.load(Ordering::Acquire) != 2 * round + 2 {
            park();
        }
    }
    let took = begin.elapsed();
    pong.join().expect("pong");
    took
}

/// One sleeping thread for each deadline.
pub fn sleepers(deadlines: &[Duration]) -> SleepCost {
    let before = process_cpu();
    let gate = Arc::new(Barrier::new(deadlines.len() + 1));
    let handles: Vec<_> = deadlines
        .iter()
        .map(|&deadline| {
            let gate = gate.clone();
            spawn(move || {
                gate.wait();
                sleep(deadline);
            })
        })
        .collect();
    // They may be asleep before we have noticed that the gate is open.
    let begin = Instant::now();
    gate.wait();
    let started = process_cpu();
    for handle in handles {
        handle.join().expect("no sleeper panics");
    }
    let ended = process_cpu();
    assert!(begin.elapsed() >= *deadlines.iter().max().expect("a deadline"));
    SleepCost {
        whole: ended - before,
        sleeping: ended - started,
    }
}

/// `rounds` calls that each go to a new thread and back.
pub fn to_thread(rounds: u64) -> Duration {
    let begin = Instant::now();
    let sum: u64 = (0..rounds)
        .map(|i| spawn(move || black_box(i)).join().expect("a call"))
        .sum();
    let took = begin.elapsed();
    assert_eq!(sum, (0..rounds).sum::<u64>());
    took
}
