//! A cancel and an expiry in every kind of wait, at several moments and under several
//! seeds, with a destructor on the way that suspends.

use std::cell::RefCell;
use std::thread::panicking;
use std::time::Duration;

use corobin::net::TcpListener;
use corobin::sync::{
    Barrier, Condvar, Event, Mutex, OnceCell, RwLock, Semaphore, WaitGroup, broadcast, channel,
    oneshot, watch,
};
use corobin::{
    Elapsed, Generator, JoinError, Runtime, as_completed, block_on, gather, handle, interval, park,
    park_timeout, race, scope, select, sleep, spawn, timeout, yield_now,
};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

type Wait = (&'static str, Box<dyn Fn()>);

fn waits() -> Vec<Wait> {
    vec![
        ("sleep", Box::new(|| sleep(ms(1000)))),
        ("park", Box::new(park)),
        ("park_timeout", Box::new(|| park_timeout(ms(1000)))),
        (
            "yield",
            Box::new(|| {
                loop {
                    yield_now()
                }
            }),
        ),
        (
            "recv",
            Box::new(|| {
                let (_s, r) = channel::<i32>(1);
                let _ = r.recv();
            }),
        ),
        (
            "send",
            Box::new(|| {
                let (s, _r) = channel::<i32>(0);
                let _ = s.send(1);
            }),
        ),
        (
            "recv_timeout",
            Box::new(|| {
                let (_s, r) = channel::<i32>(1);
                let _ = r.recv_timeout(ms(1000));
            }),
        ),
        (
            "send_timeout",
            Box::new(|| {
                let (s, _r) = channel::<i32>(0);
                let _ = s.send_timeout(1, ms(1000));
            }),
        ),
        (
            "select",
            Box::new(|| {
                let (_s, r) = channel::<i32>(1);
                select! { recv(r) -> _ => {} , default(ms(5000)) => {} }
            }),
        ),
        (
            "mutex",
            Box::new(|| {
                let m = Mutex::new(1);
                let _g = m.lock();
                let _h = m.lock();
            }),
        ),
        (
            "sem",
            Box::new(|| {
                let m = Semaphore::new(0);
                let _g = m.acquire();
            }),
        ),
        (
            "rw",
            Box::new(|| {
                let m = RwLock::new(0);
                let _g = m.read();
                let _h = m.write();
            }),
        ),
        ("event", Box::new(|| Event::new().wait())),
        (
            "barrier",
            Box::new(|| {
                Barrier::new(2).wait();
            }),
        ),
        (
            "wg",
            Box::new(|| {
                let w = WaitGroup::new();
                let _x = w.clone();
                w.wait();
            }),
        ),
        (
            "cv",
            Box::new(|| {
                let m = Mutex::new(1);
                let mut g = m.lock();
                Condvar::new().wait(&mut g);
            }),
        ),
        (
            "cv_timeout",
            Box::new(|| {
                let m = Mutex::new(1);
                let mut g = m.lock();
                Condvar::new().wait_timeout_while(&mut g, ms(1000), |_| true);
            }),
        ),
        (
            "join",
            Box::new(|| {
                let h = spawn(|| sleep(ms(100000)));
                let _ = h.join();
            }),
        ),
        (
            "gather",
            Box::new(|| {
                let h = (0..3).map(|_| spawn(|| sleep(ms(100000))));
                let _ = gather(h);
            }),
        ),
        (
            "scope",
            Box::new(|| {
                scope(|s| {
                    s.spawn(|| sleep(ms(10000000)));
                })
            }),
        ),
        (
            "race",
            Box::new(|| race((|| sleep(ms(10000000)), || sleep(ms(10000000))))),
        ),
        (
            "timeout",
            Box::new(|| {
                let _ = timeout(ms(50000), || sleep(ms(100000)));
            }),
        ),
        (
            "block_on",
            Box::new(|| block_on(std::future::pending::<()>())),
        ),
        (
            "oneshot",
            Box::new(|| {
                let (_s, r) = oneshot::<i32>();
                let _ = r.recv();
            }),
        ),
        (
            "watch",
            Box::new(|| {
                let (_s, r) = watch(1);
                let _ = r.changed();
            }),
        ),
        (
            "broadcast",
            Box::new(|| {
                let (_s, r) = broadcast::<i32>(1);
                let _ = r.recv();
            }),
        ),
        (
            "tick",
            Box::new(|| {
                let mut i = interval(ms(1000));
                loop {
                    i.tick();
                }
            }),
        ),
        (
            "accept",
            Box::new(|| {
                let l = TcpListener::bind("127.0.0.1:0").unwrap();
                let _ = l.accept();
            }),
        ),
        (
            "gen",
            Box::new(|| {
                let mut g = Generator::<i32>::new(|y| {
                    y.yield_(1);
                    sleep(ms(1000));
                    y.yield_(2);
                });
                for _ in &mut g {}
            }),
        ),
        (
            "nest",
            Box::new(|| {
                let mut g = Generator::<i32>::new(|y| {
                    y.yield_(1);
                    let mut h = Generator::<i32>::new(|z| {
                        z.yield_(3);
                        sleep(ms(1000))
                    });
                    for i in &mut h {
                        y.yield_(i);
                    }
                });
                for _ in &mut g {}
            }),
        ),
        (
            "get_or_init",
            Box::new(|| {
                let c = OnceCell::new();
                c.get_or_init(|| {
                    sleep(ms(10000));
                    1
                });
            }),
        ),
        (
            "as_completed",
            Box::new(
                || {
                    for _ in as_completed((0..3).map(|_| spawn(|| sleep(ms(100000))))) {}
                },
            ),
        ),
        (
            "remote",
            Box::new(|| {
                let h = handle().spawn(|| sleep(ms(100000)));
                let _ = h.join();
            }),
        ),
    ]
}

fn runtime(seed: Option<u64>) -> Runtime {
    let mut builder = Runtime::builder().virtual_time(true);
    if let Some(seed) = seed {
        builder = builder.schedule_seed(seed);
    }
    builder.build().unwrap()
}

#[test]
fn cancelled() {
    for seed in [None, Some(1), Some(2), Some(3)] {
        for ((name, wait), steps) in waits().iter().flat_map(|w| (0..3).map(move |n| (w, n))) {
            let log = &RefCell::new(Vec::new());
            runtime(seed).run(|| {
                scope(|s| {
                    println!("{name} after {steps} steps, seed {seed:?}");
                    let waiter = s.spawn(|| {
                        log.borrow_mut().push("begun");
                        let _unwound = OnDrop(|| {
                            yield_now();
                            sleep(ms(3));
                            assert!(panicking());
                            log.borrow_mut().push("unwound");
                        });
                        wait();
                        log.borrow_mut().push("went on");
                    });
                    for _ in 0..steps {
                        yield_now();
                    }
                    waiter.cancel();
                    let other = s.spawn(|| {
                        for _ in 0..10 {
                            assert!(!panicking());
                            yield_now();
                        }
                    });
                    assert!(matches!(waiter.join(), Err(JoinError::Cancelled)));
                    other.join().unwrap();
                    let log = log.take();
                    assert!(log.is_empty() || log == ["begun", "unwound"], "{log:?}");
                    assert!(!log.is_empty() || steps == 0 || seed.is_some());
                })
            });
        }
    }
}

#[test]
fn expired() {
    for (name, wait) in waits() {
        // Under virtual time it would yield for ever.
        if name == "yield" {
            continue;
        }
        runtime(None).run(|| {
            println!("{name}");
            let limited = timeout(ms(10), || {
                let _unwound = OnDrop(|| {
                    yield_now();
                    sleep(ms(3));
                });
                wait();
            });
            assert_eq!(limited, Err(Elapsed));
            // Nothing is left over.
            sleep(ms(1));
            yield_now();
            assert!(!panicking());
        });
    }
}
