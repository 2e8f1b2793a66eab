//! A crowd that wants one lock: whoever holds it lets the others run before it lets go, so that
//! they queue. The time is from before the first starts until all have been there `each` times.

use std::time::{Duration, Instant};

pub mod corobin {
    use super::*;
    use std::rc::Rc;

    use ::corobin::sync::Mutex;
    use ::corobin::{run, spawn, yield_now};

    pub fn crowded_lock(crowd: usize, each: u64) -> Duration {
        run(|| {
            let mutex = Rc::new(Mutex::new(0));
            let begin = Instant::now();
            let handles: Vec<_> = (0..crowd)
                .map(|_| {
                    let mutex = Rc::clone(&mutex);
                    spawn(move || {
                        for _ in 0..each {
                            let mut guard = mutex.lock();
                            yield_now();
                            *guard += 1;
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.join().expect("no panic");
            }
            let took = begin.elapsed();
            assert_eq!(*mutex.lock(), crowd as u64 * each);
            took
        })
    }
}

pub mod tokio {
    use super::*;
    use std::rc::Rc;

    use ::tokio::runtime::Builder;
    use ::tokio::sync::Mutex;
    use ::tokio::task::{LocalSet, spawn_local, yield_now};

    pub fn crowded_lock(crowd: usize, each: u64) -> Duration {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let mutex = Rc::new(Mutex::new(0));
            let begin = Instant::now();
            let handles: Vec<_> = (0..crowd)
                .map(|_| {
                    let mutex = Rc::clone(&mutex);
                    spawn_local(async move {
                        for _ in 0..each {
                            let mut guard = mutex.lock().await;
                            yield_now().await;
                            *guard += 1;
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.await.expect("no panic");
            }
            let took = begin.elapsed();
            assert_eq!(*mutex.lock().await, crowd as u64 * each);
            took
        })
    }
}

pub mod may {
    use super::*;
    use std::sync::Arc;

    use ::may::coroutine::yield_now;
    use ::may::sync::Mutex;

    use crate::contenders::may::{run, spawn};

    pub fn crowded_lock(crowd: usize, each: u64) -> Duration {
        run(move || {
            let mutex = Arc::new(Mutex::new(0));
            let begin = Instant::now();
            let handles: Vec<_> = (0..crowd)
                .map(|_| {
                    let mutex = Arc::clone(&mutex);
                    spawn(move || {
                        for _ in 0..each {
                            let mut guard = mutex.lock().expect("no panic");
                            yield_now();
                            *guard += 1;
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.join().expect("no panic");
            }
            let took = begin.elapsed();
            assert_eq!(*mutex.lock().expect("no panic"), crowd as u64 * each);
            took
        })
    }
}

/// Its lock is not fair: it may go to whoever comes first.
pub mod threads {
    use super::*;
    use std::sync::Mutex;
    use std::thread::{scope, yield_now};

    pub fn crowded_lock(crowd: usize, each: u64) -> Duration {
        let mutex = Mutex::new(0);
        let begin = Instant::now();
        scope(|s| {
            for _ in 0..crowd {
                s.spawn(|| {
                    for _ in 0..each {
                        let mut guard = mutex.lock().expect("no panic");
                        yield_now();
                        *guard += 1;
                    }
                });
            }
        });
        let took = begin.elapsed();
        assert_eq!(mutex.into_inner().expect("no panic"), crowd as u64 * each);
        took
    }
}
