//! What the loop asks of the kernel: nothing where it need not.

#[path = "common/backends.rs"]
mod backends;

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use backends::{backends, on_each};
use corobin::net::{TcpListener, TcpStream, UnixStream};
use corobin::{IoBackend, RunError, Runtime, scope, sleep, spawn, timeout, yield_now};

#[test]
fn a_deadlock_is_found_when_nobody_waits_for_a_descriptor() {
    for backend in backends() {
        let builder = Runtime::builder().io_backend(backend);
        let mut runtime = builder.build().unwrap();
        let error = runtime.try_run(|| {
            let (mut one, _two) = UnixStream::pair().unwrap();
            let read = spawn(move || {
                let _ = timeout(Duration::from_millis(1), || one.read(&mut [0]).unwrap());
            });
            read.join().unwrap();
            corobin::park();
        });
        assert!(matches!(error, Err(RunError::Deadlock(_))));
    }
}

#[test]
fn virtual_time_does_not_wait_for_descriptors_but_sees_what_is_there() {
    for backend in backends() {
        let builder = Runtime::builder().io_backend(backend).virtual_time(true);
        builder.build().unwrap().run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let year = Duration::from_secs(365 * 24 * 60 * 60);
            let begin = corobin::now();
            assert!(timeout(year, || listener.accept().unwrap()).is_err());
            assert_eq!(corobin::now(), begin + year);
            // Two who talk to each other are ahead of any timer.
            let client = spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                for _ in 0..100 {
                    stream.write_all(b"ping").unwrap();
                    stream.read_exact(&mut [0; 4]).unwrap();
                }
            });
            let talk = timeout(Duration::from_secs(1), || {
                let (mut stream, _) = listener.accept().unwrap();
                for _ in 0..100 {
                    stream.read_exact(&mut [0; 4]).unwrap();
                    stream.write_all(b"pong").unwrap();
                }
                client.join().unwrap();
            });
            assert!(talk.is_ok());
        });
    }
}

#[test]
fn a_flood_and_a_busy_loop_do_not_starve_a_quiet_socket() {
    on_each(|| {
        let (flood, flooded) = UnixStream::pair().unwrap();
        let (quiet, mut peer) = UnixStream::pair().unwrap();
        let received = Cell::new(0u64);
        scope(|s| {
            s.spawn(|| {
                loop {
                    (&flood).write_all(&[0; 4096]).unwrap();
                }
            });
            s.spawn(|| {
                loop {
                    let count = (&flooded).read(&mut [0; 64]).unwrap();
                    received.set(received.get() + count as u64);
                }
            });
            s.spawn(|| {
                loop {
                    yield_now();
                }
            });
            let echo = s.spawn(|| {
                for _ in 0..100 {
                    let mut byte = [0];
                    (&quiet).read_exact(&mut byte).unwrap();
                    (&quiet).write_all(&byte).unwrap();
                }
            });
            let mut most = 0;
            for _ in 0..100 {
                let before = received.get();
                peer.write_all(b"x").unwrap();
                peer.read_exact(&mut [0]).unwrap();
                most = most.max(received.get() - before);
            }
            echo.join().unwrap();
            // A bound on turns, not on time.
            assert!(most < 64 * 64 * 64, "{most} bytes went first");
            s.cancel();
        });
        assert!(received.get() > 0);
    });
}

/// Also in a run that is watched, where each step goes through the loop.
#[test]
fn many_operations_without_a_wait_bring_the_next_look_outside_forward() {
    let plain = Runtime::builder();
    let watched = Runtime::builder().debug(true);
    for builder in [plain, watched] {
        let mut runtime = builder.io_backend(IoBackend::Poll).build().unwrap();
        runtime.run(|| {
            let (mut quiet, peer) = UnixStream::pair().unwrap();
            let (mut busy, _end) = UnixStream::pair().unwrap();
            let read = spawn(move || quiet.read(&mut [0]).unwrap());
            yield_now();
            // No operation of the runtime.
            let mut peer = std::os::unix::net::UnixStream::from(peer);
            peer.write_all(b"x").unwrap();
            for _ in 0..40 {
                busy.write_all(b"x").unwrap();
            }
            yield_now();
            assert!(read.is_finished());
        });
    }
}

#[test]
fn a_forced_backend_is_taken_or_an_error() {
    match Runtime::builder().io_backend(IoBackend::IoUring).build() {
        Ok(mut runtime) => runtime.run(|| {
            let (mut one, mut two) = UnixStream::pair().unwrap();
            let read = spawn(move || one.read(&mut [0]).unwrap());
            yield_now();
            let fds = std::fs::read_dir("/proc/self/fd").unwrap();
            let ring = fds
                .flatten()
                .filter_map(|fd| std::fs::read_link(fd.path()).ok());
            assert!(
                ring.into_iter()
                    .any(|name| name.to_string_lossy().contains("io_uring"))
            );
            two.write_all(b"x").unwrap();
            read.join().unwrap();
        }),
        Err(error) => assert!(error.to_string().contains("IoUring"), "{error}"),
    }
}

#[test]
fn waits_are_told_with_their_place() {
    on_each(|| {
        let (one, mut two) = UnixStream::pair().unwrap();
        let one = Rc::new(one);
        let other = Rc::clone(&one);
        let read = spawn(move || (&*other).read(&mut [0]).unwrap());
        yield_now();
        let snapshot = corobin::snapshot().to_string();
        let number = std::os::fd::AsRawFd::as_raw_fd(&*one);
        assert!(
            snapshot.contains(&format!(
                "descriptor {number} to read from at tests/net_quiet.rs"
            )),
            "{snapshot}"
        );
        two.write_all(b"x").unwrap();
        read.join().unwrap();
    });
}

/// Reads from a socket beside a coroutine that does `something` again and again.
fn read_beside(something: impl Fn()) {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let has_read = Cell::new(false);
    scope(|s| {
        s.spawn(|| {
            near.read_exact(&mut [0]).unwrap();
            has_read.set(true);
        });
        s.spawn(|| {
            for _ in 0..1_000_000 {
                if has_read.get() {
                    return;
                }
                something();
            }
            panic!("nobody looked at the socket");
        });
        yield_now();
        far.write_all(b"x").unwrap();
    });
}

/// Whose time has always come when nobody is ready: the loop never sleeps.
#[test]
fn timers_that_are_always_due_do_not_starve_a_socket() {
    on_each(|| read_beside(|| sleep(Duration::from_nanos(1))));
}

/// What is spawned through a handle comes as mail, which is there when nobody is ready: the
/// loop never sleeps.
#[test]
fn mail_does_not_starve_a_socket() {
    on_each(|| read_beside(|| corobin::handle().spawn(|| ()).join().unwrap()));
}

#[test]
fn what_came_in_time_is_read_although_the_loop_is_late() {
    const LIMIT: Duration = Duration::from_millis(20);
    on_each(|| {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let (mut other, mut peer) = UnixStream::pair().unwrap();
        near.set_read_timeout(Some(LIMIT)).unwrap();
        let read = spawn(move || near.read(&mut [0; 8]));
        let framed = spawn(move || timeout(LIMIT, || other.read(&mut [0; 8])));
        yield_now();
        far.write_all(b"in time").unwrap();
        peer.write_all(b"in time").unwrap();
        std::thread::sleep(2 * LIMIT);
        assert_eq!(read.join().unwrap().unwrap(), 7);
        assert_eq!(framed.join().unwrap().unwrap().unwrap(), 7);
    });
}

/// More than the kernel tells at once.
#[test]
fn what_came_in_time_is_read_by_all_of_many() {
    const LIMIT: Duration = Duration::from_millis(20);
    const READERS: usize = 200;
    on_each(|| {
        let pair = || std::os::unix::net::UnixStream::pair().unwrap();
        let (near, mut far): (Vec<_>, Vec<_>) = (0..READERS).map(|_| pair()).unzip();
        let read = |near| {
            let mut near = UnixStream::from(near);
            spawn(move || timeout(LIMIT, || near.read(&mut [0; 8])))
        };
        let reads: Vec<_> = near.into_iter().map(read).collect();
        yield_now();
        // Not by corobin, where the readers would have their turns meanwhile.
        for far in &mut far {
            far.write_all(b"in time").unwrap();
        }
        std::thread::sleep(2 * LIMIT);
        for read in reads {
            assert_eq!(read.join().unwrap().unwrap().unwrap(), 7);
        }
    });
}
