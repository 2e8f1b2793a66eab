//! The hot paths, each as a program that goes down one of them so many times and always takes the
//! same way there.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use corobin::net::UnixStream;
use corobin::sync::{Mutex, channel, unbounded};
use corobin::{
    Generator, IoBackend, JoinHandle, Runtime, RuntimeBuilder, current, park, run, select, sleep,
    spawn, timeout, yield_now,
};

pub struct Case {
    pub name: &'static str,
    /// Goes down the path so many times (a multiple of 1 000). Fails where the machine lacks it.
    pub program: fn(u64) -> io::Result<()>,
}

pub const CASES: [Case; 16] = [
    case("yield_alone", yield_alone),
    case("yield_100_alive", yield_100_alive),
    case("spawn_join", spawn_join),
    case("park_unpark_round_trip", park_unpark),
    case("channel_item", channel_item),
    case("channel_round_trip", channel_round_trip),
    case("lock_unlock", lock_unlock),
    case("lock_handed_over", lock_handed_over),
    case("select_both_ready", select_both_ready),
    case("select_that_waits", select_that_waits),
    case("sleep_alone", sleep_alone),
    case("sleep_1000_alive", sleep_1000_alive),
    case("timeout_not_reached", timeout_not_reached),
    case("generator_next", generator_next),
    case("socket_round_trip_poll", |times| {
        echo(IoBackend::Poll, times)
    }),
    case("socket_round_trip_io_uring", |times| {
        echo(IoBackend::IoUring, times)
    }),
];

const fn case(name: &'static str, program: fn(u64) -> io::Result<()>) -> Case {
    Case { name, program }
}

fn join_all(handles: Vec<JoinHandle<()>>) {
    for handle in handles {
        handle.join().expect("no panic");
    }
}

fn virtual_time() -> RuntimeBuilder {
    Runtime::builder().virtual_time(true)
}

fn yield_alone(times: u64) -> io::Result<()> {
    run(|| (0..times).for_each(|_| yield_now()));
    Ok(())
}

fn yield_100_alive(times: u64) -> io::Result<()> {
    run(|| {
        let yields = move || (0..times / 100).for_each(|_| yield_now());
        join_all((0..100).map(|_| spawn(yields)).collect());
    });
    Ok(())
}

/// In batches of 1 000.
fn spawn_join(times: u64) -> io::Result<()> {
    run(|| {
        for _ in 0..times / 1_000 {
            join_all((0..1_000).map(|_| spawn(|| ())).collect());
        }
    });
    Ok(())
}

fn park_unpark(times: u64) -> io::Result<()> {
    run(|| {
        let ping = current();
        let pong = spawn(move || {
            for _ in 0..times {
                park();
                ping.unpark();
            }
        });
        yield_now();
        for _ in 0..times {
            pong.coroutine().unpark();
            park();
        }
        join_all(vec![pong]);
    });
    Ok(())
}

fn channel_item(times: u64) -> io::Result<()> {
    run(|| {
        let (tx, rx) = channel(64);
        spawn(move || (0..times).for_each(|n| tx.send(n).expect("a receiver")));
        assert_eq!(rx.iter().sum::<u64>(), (0..times).sum::<u64>());
    });
    Ok(())
}

fn channel_round_trip(times: u64) -> io::Result<()> {
    run(|| {
        let ((to_pong, pong_rx), (to_ping, ping_rx)) = (channel(1), channel(1));
        let pong = spawn(move || {
            for n in pong_rx {
                to_ping.send(n + 1).expect("ping");
            }
        });
        for n in 0..times {
            to_pong.send(n).expect("pong");
            assert_eq!(ping_rx.recv(), Ok(n + 1));
        }
        drop(to_pong);
        join_all(vec![pong]);
    });
    Ok(())
}

fn lock_unlock(times: u64) -> io::Result<()> {
    run(|| {
        let mutex = Mutex::new(0);
        (0..times).for_each(|_| *black_box(&mutex).lock() += 1);
        assert_eq!(mutex.into_inner(), times);
    });
    Ok(())
}

/// Two that always want it.
fn lock_handed_over(times: u64) -> io::Result<()> {
    run(|| {
        let mutex = Rc::new(Mutex::new(0));
        let guard = mutex.lock();
        let other = Rc::clone(&mutex);
        let handle = spawn(move || (0..times / 2).for_each(|_| *other.lock() += 1));
        yield_now();
        drop(guard);
        (0..times / 2).for_each(|_| *mutex.lock() += 1);
        join_all(vec![handle]);
        assert_eq!(*mutex.lock(), times);
    });
    Ok(())
}

fn select_both_ready(times: u64) -> io::Result<()> {
    run(|| {
        let ((one_tx, one), (other_tx, other)) = (unbounded(), unbounded());
        for n in 0..times {
            one_tx.send(n).expect("a receiver");
            other_tx.send(n).expect("a receiver");
        }
        for _ in 0..times {
            select! {
                recv(one) -> item => { black_box(item.expect("an item")); },
                recv(other) -> item => { black_box(item.expect("an item")); },
            }
        }
    });
    Ok(())
}

/// Each item comes when the receiver waits for it already, now here, now there.
fn select_that_waits(times: u64) -> io::Result<()> {
    run(|| {
        let ((one_tx, one), (other_tx, other)) = (channel(1), channel(1));
        let sender = spawn(move || {
            for n in 0..times {
                let tx = if n % 2 == 0 { &one_tx } else { &other_tx };
                tx.send(n).expect("a receiver");
                yield_now();
            }
        });
        for n in 0..times {
            let item = select! {
                recv(one) -> item => item,
                recv(other) -> item => item,
            };
            assert_eq!(item, Ok(n));
        }
        join_all(vec![sender]);
    });
    Ok(())
}

fn sleep_alone(times: u64) -> io::Result<()> {
    virtual_time().build()?.run(|| {
        (0..times).for_each(|_| sleep(Duration::from_millis(5)));
    });
    Ok(())
}

fn sleep_1000_alive(times: u64) -> io::Result<()> {
    virtual_time().stack_size(64 << 10).build()?.run(|| {
        let mut random = fastrand::Rng::with_seed(7);
        let sleepers = (0..1_000).map(|_| {
            let span = Duration::from_micros(random.u64(10_000..1_000_000));
            spawn(move || (0..times / 1_000).for_each(|_| sleep(span)))
        });
        join_all(sleepers.collect());
    });
    Ok(())
}

fn timeout_not_reached(times: u64) -> io::Result<()> {
    virtual_time().build()?.run(|| {
        for n in 0..times {
            let value = timeout(Duration::from_secs(1), || {
                yield_now();
                black_box(n)
            });
            assert_eq!(value, Ok(n));
        }
    });
    Ok(())
}

fn generator_next(times: u64) -> io::Result<()> {
    let generator = Generator::<u64>::new(move |y| (0..times).for_each(|n| y.yield_(n)));
    assert_eq!(generator.sum::<u64>(), (0..times).sum::<u64>());
    Ok(())
}

/// 64 bytes to a coroutine at the other end of a socket pair, and back; ten pairs take turns.
fn echo(backend: IoBackend, times: u64) -> io::Result<()> {
    const PAIRS: u64 = 10;
    let mut runtime = Runtime::builder().io_backend(backend).build()?;
    runtime.run(|| {
        let clients = (0..PAIRS)
            .map(|_| {
                let (mut near, mut far) = UnixStream::pair()?;
                let server = spawn(move || {
                    let mut packet = [0; 64];
                    while far.read_exact(&mut packet).is_ok() {
                        far.write_all(&packet).expect("the client reads");
                    }
                });
                Ok(spawn(move || {
                    for n in 0..times / PAIRS {
                        let sent = [n as u8; 64];
                        near.write_all(&sent).expect("the server reads");
                        let mut packet = [0; 64];
                        near.read_exact(&mut packet).expect("the server writes");
                        assert_eq!(packet, sent);
                    }
                    drop(near);
                    join_all(vec![server]);
                }))
            })
            .collect::<io::Result<_>>()?;
        join_all(clients);
        Ok(())
    })
}
