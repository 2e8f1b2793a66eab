//! Many that send to one, and one that sends to many, through one channel of 64 places. The time
//! is from before the first starts until the last item is there.

use std::time::{Duration, Instant};

use super::sync::CAPACITY;

/// What `senders` of `each` items send, each its own numbers.
fn sum(senders: usize, each: u64) -> u64 {
    let items = senders as u64 * each;
    items * (items - 1) / 2
}

/// The numbers of one sender.
fn numbers(sender: usize, each: u64) -> std::ops::Range<u64> {
    sender as u64 * each..(sender as u64 + 1) * each
}

pub mod corobin {
    use super::*;
    use ::corobin::sync::channel;
    use ::corobin::{run, spawn};

    pub fn fan_in(senders: usize, each: u64) -> Duration {
        run(|| {
            let (tx, rx) = channel(CAPACITY);
            let begin = Instant::now();
            for i in 0..senders {
                let tx = tx.clone();
                spawn(move || numbers(i, each).for_each(|n| tx.send(n).expect("a receiver")));
            }
            drop(tx);
            let got: u64 = rx.iter().sum();
            let took = begin.elapsed();
            assert_eq!(got, sum(senders, each));
            took
        })
    }

    pub fn fan_out(receivers: usize, each: u64) -> Duration {
        run(|| {
            let (tx, rx) = channel(CAPACITY);
            let begin = Instant::now();
            let handles: Vec<_> = (0..receivers)
                .map(|_| {
                    let rx = rx.clone();
                    spawn(move || rx.iter().sum::<u64>())
                })
                .collect();
            for n in numbers(0, each * receivers as u64) {
                tx.send(n).expect("receivers");
            }
            drop(tx);
            let got: u64 = handles.into_iter().map(|h| h.join().expect("a sum")).sum();
            let took = begin.elapsed();
            assert_eq!(got, sum(receivers, each));
            took
        })
    }
}

pub mod tokio {
    use super::*;
    use std::rc::Rc;

    use ::tokio::runtime::Builder;
    use ::tokio::sync::Mutex;
    use ::tokio::sync::mpsc::channel;
    use ::tokio::task::{LocalSet, spawn_local};

    fn run<T>(main: impl Future<Output = T>) -> T {
        let runtime = Builder::new_current_thread().build();
        LocalSet::new().block_on(&runtime.expect("a runtime"), main)
    }

    pub fn fan_in(senders: usize, each: u64) -> Duration {
        run(async {
            let (tx, mut rx) = channel(CAPACITY);
            let begin = Instant::now();
            for i in 0..senders {
                let tx = tx.clone();
                spawn_local(async move {
                    for n in numbers(i, each) {
                        tx.send(n).await.expect("a receiver");
                    }
                });
            }
            drop(tx);
            let mut got = 0;
            while let Some(n) = rx.recv().await {
                got += n;
            }
            let took = begin.elapsed();
            assert_eq!(got, sum(senders, each));
            took
        })
    }

    /// Its channel has one receiver: they share it through a lock, as its documentation says.
    pub fn fan_out(receivers: usize, each: u64) -> Duration {
        run(async {
            let (tx, rx) = channel(CAPACITY);
            let rx = Rc::new(Mutex::new(rx));
            let begin = Instant::now();
            let handles: Vec<_> = (0..receivers)
                .map(|_| {
                    let rx = Rc::clone(&rx);
                    spawn_local(async move {
                        let mut got = 0;
                        loop {
                            let item = rx.lock().await.recv().await;
                            let Some(n) = item else { break got };
                            got += n;
                        }
                    })
                })
                .collect();
            for n in numbers(0, each * receivers as u64) {
                tx.send(n).await.expect("receivers");
            }
            drop(tx);
            let mut got = 0;
            for handle in handles {
                got += handle.await.expect("a sum");
            }
            let took = begin.elapsed();
            assert_eq!(got, sum(receivers, each));
            took
        })
    }
}

/// Its channels have no limit.
pub mod may {
    use super::*;
    use ::may::sync::{mpmc, mpsc};

    use crate::contenders::may::{run, spawn};

    pub fn fan_in(senders: usize, each: u64) -> Duration {
        run(move || {
            let (tx, rx) = mpsc::channel();
            let begin = Instant::now();
            for i in 0..senders {
                let tx = tx.clone();
                spawn(move || numbers(i, each).for_each(|n| tx.send(n).expect("a receiver")));
            }
            drop(tx);
            let got: u64 = rx.iter().sum();
            let took = begin.elapsed();
            assert_eq!(got, sum(senders, each));
            took
        })
    }

    pub fn fan_out(receivers: usize, each: u64) -> Duration {
        run(move || {
            let (tx, rx) = mpmc::channel::<u64>();
            let (answer, answers) = mpsc::channel();
            let begin = Instant::now();
            for _ in 0..receivers {
                let (rx, answer) = (rx.clone(), answer.clone());
                spawn(move || {
                    let mut got = 0;
                    while let Ok(n) = rx.recv() {
                        got += n;
                    }
                    answer.send(got).expect("the main coroutine");
                });
            }
            drop(answer);
            for n in numbers(0, each * receivers as u64) {
                tx.send(n).expect("receivers");
            }
            drop(tx);
            let got: u64 = answers.iter().sum();
            let took = begin.elapsed();
            assert_eq!(got, sum(receivers, each));
            took
        })
    }
}

pub mod threads {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;
    use std::thread::scope;

    pub fn fan_in(senders: usize, each: u64) -> Duration {
        scope(|s| {
            let (tx, rx) = sync_channel(CAPACITY);
            let begin = Instant::now();
            for i in 0..senders {
                let tx = tx.clone();
                s.spawn(move || numbers(i, each).for_each(|n| tx.send(n).expect("a receiver")));
            }
            drop(tx);
            let got: u64 = rx.iter().sum();
            let took = begin.elapsed();
            assert_eq!(got, sum(senders, each));
            took
        })
    }

    /// std's channel has one receiver too.
    pub fn fan_out(receivers: usize, each: u64) -> Duration {
        let (tx, rx) = sync_channel(CAPACITY);
        let rx = &Mutex::new(rx);
        scope(|s| {
            let begin = Instant::now();
            let receive = move || {
                let mut got = 0;
                loop {
                    let item = rx.lock().expect("no panic").recv();
                    let Ok(n) = item else { break got };
                    got += n;
                }
            };
            let handles: Vec<_> = (0..receivers).map(|_| s.spawn(receive)).collect();
            for n in numbers(0, each * receivers as u64) {
                tx.send(n).expect("receivers");
            }
            drop(tx);
            let got: u64 = handles.into_iter().map(|h| h.join().expect("a sum")).sum();
            let took = begin.elapsed();
            assert_eq!(got, sum(receivers, each));
            took
        })
    }
}

/// No coroutine at all: what the items themselves cost.
pub fn vec_deque(items: u64) -> Duration {
    let mut queue = std::collections::VecDeque::with_capacity(CAPACITY);
    let begin = Instant::now();
    let (mut sent, mut got) = (0, 0);
    while sent < items {
        while queue.len() < CAPACITY && sent < items {
            queue.push_back(std::hint::black_box(sent));
            sent += 1;
        }
        while let Some(n) = queue.pop_front() {
            got += n;
        }
    }
    let took = begin.elapsed();
    assert_eq!(got, sum(1, items));
    took
}
