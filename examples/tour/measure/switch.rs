//! A token goes round a ring: each member waits for it, then wakes the next one.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use super::median_of_5;
use super::table::Measured;

const MEMBERS: usize = 100;

pub fn coroutines() -> Measured {
    Measured::of(median_of_5(|| corobin::run(|| coroutine_ring(10_000))))
}

pub fn threads() -> Measured {
    Measured::of(median_of_5(|| thread_ring(100)))
}

fn coroutine_ring(rounds: usize) -> f64 {
    let ring = Rc::new(OnceCell::<Vec<corobin::Coroutine>>::new());
    let handles: Vec<_> = (0..MEMBERS)
        .map(|i| {
            let ring = Rc::clone(&ring);
            corobin::spawn(move || {
                for _ in 0..rounds {
                    corobin::park();
                    ring.get().expect("set before the token goes")[(i + 1) % MEMBERS].unpark();
                }
            })
        })
        .collect();
    let members = handles.iter().map(|handle| handle.coroutine().clone());
    ring.get_or_init(|| members.collect());
    corobin::yield_now();
    let begin = Instant::now();
    handles[0].coroutine().unpark();
    for handle in handles {
        handle.join().expect("no member fails");
    }
    begin.elapsed().as_secs_f64() / (rounds * MEMBERS) as f64
}

fn thread_ring(rounds: usize) -> f64 {
    let ring = OnceLock::<Vec<thread::Thread>>::new();
    // Threads may wake for nothing, so the token is a number: how often it was handed on.
    let token = AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        let handles: Vec<_> = (0..MEMBERS)
            .map(|i| {
                let (ring, token) = (&ring, &token);
                scope.spawn(move || {
                    for round in 0..rounds {
                        let mine = round * MEMBERS + i;
                        while token.load(Ordering::Acquire) != mine {
                            thread::park();
                        }
                        token.store(mine + 1, Ordering::Release);
                        ring.get().expect("set before the token goes")[(i + 1) % MEMBERS].unpark();
                    }
                })
            })
            .collect();
        let members = handles.iter().map(|handle| handle.thread().clone());
        ring.get_or_init(|| members.collect());
        let begin = Instant::now();
        token.store(0, Ordering::Release);
        handles[0].thread().unpark();
        for handle in handles {
            handle.join().expect("no member fails");
        }
        begin.elapsed().as_secs_f64() / (rounds * MEMBERS) as f64
    })
}
