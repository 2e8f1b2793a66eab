//! Sends that are made in batches, with io_uring: to whoever sends they are as any other.

#[path = "common/backends.rs"]
mod backends;
#[path = "common/child.rs"]
mod child;

use std::cell::Cell;
use std::io::ErrorKind::{BrokenPipe, Interrupted, WouldBlock};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use std::{fs, net, thread};

use backends::{backends, on_each, on_each_with, open_descriptors};
use child::alone;
use corobin::net::{Shutdown, UdpSocket, UnixDatagram, UnixStream};
use corobin::{
    Elapsed, IoBackend, JoinError, Runtime, RuntimeBuilder, now, park, scope, sleep, spawn,
    timeout, yield_now,
};

/// More than a ring has room for.
const CROWD: usize = 300;
const FEW: usize = 4;
/// So long nothing takes, unless it hangs.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(1);

/// Waits for a socket: before that a run has asked the kernel for nothing, and each send is a
/// system call.
fn begin() {
    let (mut near, _far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(near.read(&mut [0]).unwrap_err().kind(), WouldBlock);
}

/// Runs `f` on every backend; it is told whether that sends in batches.
fn on_each_told(f: impl Fn(bool)) {
    for backend in backends() {
        let builder = Runtime::builder().io_backend(backend);
        builder.build().unwrap().run(|| {
            begin();
            f(backend == IoBackend::IoUring);
        });
    }
}

/// What sender `n` sends.
fn bytes(n: usize, count: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..=250).collect();
    pattern.repeat((n + count) / 251 + 1)[n..n + count].to_vec()
}

fn all_from(mut far: impl Read) -> Vec<u8> {
    let mut got = Vec::new();
    far.read_to_end(&mut got).unwrap();
    got
}

/// So many send at once, each to its own socket; all of it arrives, and in order.
fn talk(crowd: usize, piece: usize, pieces: usize) {
    scope(|s| {
        for n in 0..crowd {
            let (mut near, far) = UnixStream::pair().unwrap();
            s.spawn(move || {
                for sent in bytes(n, piece * pieces).chunks(piece) {
                    near.write_all(sent).unwrap();
                }
            });
            s.spawn(move || assert!(all_from(far) == bytes(n, piece * pieces)));
        }
    });
}

/// The far end reads so many bytes that were in the way.
fn full_pair() -> (UnixStream, unix::net::UnixStream, usize) {
    let (near, far) = unix::net::UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    let mut filled = 0;
    for size in [1 << 16, 1] {
        while let Ok(count) = (&near).write(&vec![0; size]) {
            filled += count;
        }
    }
    (UnixStream::from(near), far, filled)
}

#[test]
fn what_a_crowd_sends_arrives_in_order() {
    let each = |options: &dyn Fn(RuntimeBuilder) -> RuntimeBuilder| {
        on_each_with(options, || {
            begin();
            talk(CROWD, 7, 5);
        });
    };
    each(&|builder| builder.debug(true));
    each(&|builder| builder.virtual_time(true));
    each(&|builder| builder);
    for seed in 1..4 {
        each(&|builder| builder.schedule_seed(seed));
    }
}

/// All write at once, so that there is not room for all of them.
#[test]
fn a_crowd_sends_more_than_its_sockets_have_room_for() {
    on_each(|| {
        begin();
        talk(12, 1 << 20, 1);
    });
}

fn on_each_in_virtual_time(f: impl Fn()) {
    on_each_with(|builder| builder.virtual_time(true), f);
}

#[test]
fn sends_take_no_virtual_time() {
    on_each_in_virtual_time(|| {
        begin();
        let start = now();
        scope(|s| {
            for n in 1..4 {
                s.spawn(move || {
                    sleep(n * LONG);
                    assert_eq!(now(), start + n * LONG);
                });
            }
            talk(50, 10, 10);
            assert_eq!(now(), start);
            sleep(2 * LONG);
            talk(50, 10, 10);
            assert_eq!(now(), start + 2 * LONG);
        });
    });
}

/// How many operations the rings of this process have done. None if it has none, or the kernel
/// does not tell.
fn done_in_rings() -> Option<u64> {
    let mut done = None;
    for fd in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let name = fs::read_link(fd.path()).unwrap_or_default();
        if name.to_string_lossy().contains("io_uring") {
            let info = Path::new("/proc/self/fdinfo").join(fd.file_name());
            let text = fs::read_to_string(info).unwrap();
            let tail = text.lines().find_map(|line| line.strip_prefix("CqTail:"))?;
            *done.get_or_insert(0) += tail.trim().parse::<u64>().unwrap();
        }
    }
    done
}

/// Also with the default backend, where there is io_uring. Who is alone makes system calls.
#[test]
fn a_crowd_shares_a_ring() {
    alone("a_crowd_shares_a_ring", &[], || {
        if !backends().contains(&IoBackend::IoUring) {
            return;
        }
        for backend in [IoBackend::Auto, IoBackend::IoUring] {
            let builder = Runtime::builder().io_backend(backend);
            builder.build().unwrap().run(|| {
                begin();
                let Some(before) = done_in_rings() else {
                    return println!("skipped: the kernel does not tell of its rings");
                };
                let (mut near, mut far) = UnixStream::pair().unwrap();
                for _ in 0..100 {
                    near.write_all(b"x").unwrap();
                    far.read_exact(&mut [0]).unwrap();
                }
                assert_eq!(done_in_rings(), Some(before));
                talk(CROWD, 10, 10);
                let done = done_in_rings().unwrap() - before;
                // Some may find nobody else.
                assert!(done >= 5 * CROWD as u64, "{done} operations");
            });
        }
    });
}

/// Also on sockets that a duplicate has made blocking, where the kernel would wait.
#[test]
fn a_send_without_room_waits_while_the_others_go_on() {
    on_each(|| {
        begin();
        scope(|s| {
            let mut late = Vec::new();
            for n in 0..20 {
                let (mut near, far, filled) = full_pair();
                rustix::io::ioctl_fionbio(near.as_fd(), n % 2 == 0).unwrap();
                let send = s.spawn(move || near.write_all(&bytes(n, 300_000)).unwrap());
                late.push((n, send, far, filled));
            }
            (0..3).for_each(|_| talk(20, 10, 10));
            for (n, send, far, filled) in late {
                assert!(!send.is_finished());
                assert!(all_from(UnixStream::from(far))[filled..] == bytes(n, 300_000));
                send.join().unwrap();
            }
        });
    });
}

/// That is an error of who sends there, but no signal, which would end the process.
#[test]
fn peers_that_are_gone() {
    alone("peers_that_are_gone", &[], || {
        // SAFETY: only the action of a signal changes, of this process alone.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        on_each(|| {
            begin();
            scope(|s| {
                for n in 0..100 {
                    let (mut near, mut far) = UnixStream::pair().unwrap();
                    if n % 2 == 0 {
                        s.spawn(move || near.write_all(b"hello").unwrap());
                        s.spawn(move || far.read_exact(&mut [0; 5]).unwrap());
                    } else {
                        drop(far);
                        let error = s.spawn(move || near.write(b"hello").unwrap_err());
                        s.spawn(|| assert_eq!(error.join().unwrap().kind(), BrokenPipe));
                    }
                }
            });
        });
    });
}

/// Whoever has begun to send before others shut the socket down has sent.
#[test]
fn a_shutdown_comes_after_a_batch_that_was_begun() {
    on_each_told(|_| {
        for _ in 0..20 {
            let pairs: Vec<_> = (0..FEW).map(|_| UnixStream::pair().unwrap()).collect();
            let duplicates: Vec<_> = pairs.iter().map(|(near, _)| near.try_clone()).collect();
            let (sends, far): (Vec<_>, Vec<_>) = pairs
                .into_iter()
                .map(|(mut near, far)| (spawn(move || near.write(b"hello").unwrap()), far))
                .unzip();
            yield_now();
            for duplicate in duplicates {
                duplicate.unwrap().shutdown(Shutdown::Write).unwrap();
            }
            for (send, far) in sends.into_iter().zip(far) {
                assert_eq!(all_from(far), b"hello");
                assert_eq!(send.join().unwrap(), 5);
            }
        }
    });
}

#[test]
fn a_cancel_and_an_end_of_the_time_are_met_after_the_send() {
    on_each_told(|batches| {
        for by_timeout in [false, true] {
            let ends: Vec<_> = (0..FEW)
                .map(|_| {
                    let (near, far) = UnixStream::pair().unwrap();
                    let sent = Rc::new(Cell::new(0));
                    let count = Rc::clone(&sent);
                    let limit = if by_timeout { SHORT } else { Duration::MAX };
                    let send = move || {
                        count.set((&near).write(b"hello").unwrap());
                        loop {
                            yield_now();
                        }
                    };
                    (spawn(move || timeout(limit, send)), sent, far)
                })
                .collect();
            yield_now();
            for (sender, sent, _) in &ends {
                assert_eq!(sent.get(), if batches { 0 } else { 5 });
                if !by_timeout {
                    sender.cancel();
                }
            }
            if by_timeout {
                thread::sleep(2 * SHORT);
            }
            for (sender, sent, far) in ends {
                match sender.join() {
                    Ok(result) => assert_eq!((result, by_timeout), (Err::<(), _>(Elapsed), true)),
                    Err(error) => assert!(matches!(error, JoinError::Cancelled) && !by_timeout),
                }
                assert_eq!(sent.get(), 5);
                assert_eq!(all_from(far), b"hello");
            }
        }
    });
}

struct Goodbye(UnixStream);

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.0.write_all(b"goodbye").unwrap();
    }
}

#[test]
fn destructors_send_while_their_coroutines_are_unwound() {
    on_each(|| {
        begin();
        let unwound = |n| {
            let (near, far) = UnixStream::pair().unwrap();
            let handle = spawn(move || {
                let _goodbye = Goodbye(near);
                match n % 2 {
                    0 => park(),
                    _ => resume_unwind(Box::new(n)),
                }
            });
            (handle, far)
        };
        let crowd: Vec<_> = (0..20).map(unwound).collect();
        yield_now();
        crowd.iter().for_each(|(handle, _)| handle.cancel());
        for (handle, far) in crowd {
            assert!(handle.join().is_err());
            assert_eq!(all_from(far), b"goodbye");
        }
    });
}

/// What was told to be sent has arrived, and nothing else.
#[test]
fn a_run_ends_with_sends_in_the_batch() {
    for backend in backends() {
        for panics in [false, true] {
            let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
            let (near, far) = unix::net::UnixStream::pair().unwrap();
            far.set_read_timeout(Some(LONG)).unwrap();
            let near = Rc::new(UnixStream::from(near));
            let sent = Rc::new(Cell::new(0));
            let main = || {
                begin();
                for _ in 0..50 {
                    let (near, sent) = (Rc::clone(&near), Rc::clone(&sent));
                    spawn(move || {
                        let count = (&*near).write(&[7; 100]).unwrap();
                        sent.set(sent.get() + count);
                    });
                }
                yield_now();
                if panics {
                    resume_unwind(Box::new(()));
                }
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| runtime.run(main)));
            assert_eq!(outcome.is_err(), panics);
            drop(near);
            let got = all_from(far);
            assert_eq!(got, vec![7; sent.get()]);
            assert!(sent.get() > 0);
        }
    }
}

#[test]
fn a_crowd_without_room_gives_up_each_at_its_time() {
    on_each_in_virtual_time(|| {
        begin();
        let start = now();
        scope(|s| {
            for n in 1..=30 {
                s.spawn(move || {
                    let (mut near, _far, _) = full_pair();
                    near.set_write_timeout(Some(n * LONG)).unwrap();
                    let error = near.write(b"hello").unwrap_err();
                    assert_eq!(error.kind(), WouldBlock);
                    assert_eq!(now(), start + n * LONG);
                });
            }
            talk(30, 10, 10);
        });
    });
}

#[test]
fn sockets_that_never_wait_do_not_wait_for_the_batch() {
    on_each(|| {
        begin();
        let send = || {
            let (mut near, far, _) = full_pair();
            near.set_nonblocking(true).unwrap();
            assert_eq!(near.write(b"hello").unwrap_err().kind(), WouldBlock);
            while (&far).read(&mut [0; 1 << 16]).unwrap() == 1 << 16 {}
            assert_eq!(near.write(b"hello").unwrap(), 5);
        };
        let handles = [(); 30].map(|()| spawn(send));
        yield_now();
        assert!(handles.iter().all(|handle| handle.is_finished()));
        for handle in handles {
            handle.join().unwrap();
        }
    });
}

/// Each of some senders sends messages of its own size through one socket; all of them come, each
/// whole.
fn messages(send: impl Fn(&[u8]) -> usize, receive: impl Fn(&mut [u8]) -> usize) {
    const EACH: u8 = 20;
    let (send, mut next) = (&send, [0; 10]);
    scope(|s| {
        for n in 0..10 {
            s.spawn(move || {
                for count in 0..EACH {
                    assert_eq!(send(&vec![count; n + 1]), n + 1);
                }
            });
        }
        for _ in 0..10 * EACH {
            let mut buf = [0; 100];
            let size = receive(&mut buf);
            // In the order of each sender.
            assert_eq!(buf[..size], vec![next[size - 1]; size]);
            next[size - 1] += 1;
        }
    });
    assert_eq!(next, [EACH; 10]);
}

#[test]
fn messages_stay_whole() {
    on_each(|| {
        begin();
        let (near, far) = UnixDatagram::pair().unwrap();
        messages(|buf| near.send(buf).unwrap(), |buf| far.recv(buf).unwrap());
        let near = UdpSocket::bind("127.0.0.1:0").unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        near.connect(far.local_addr().unwrap()).unwrap();
        messages(|buf| near.send(buf).unwrap(), |buf| far.recv(buf).unwrap());
    });
}

fn short_run() {
    on_each(|| {
        begin();
        talk(20, 10, 10);
    });
}

#[test]
fn descriptors_are_not_lost_from_run_to_run() {
    alone("descriptors_are_not_lost_from_run_to_run", &[], || {
        (0..2).for_each(|_| short_run());
        let open = open_descriptors();
        (0..8).for_each(|_| short_run());
        assert_eq!(open_descriptors(), open);
        let two = [(); 2].map(|()| thread::spawn(|| (0..3).for_each(|_| short_run())));
        two.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(open_descriptors(), open);
    });
}

/// A few are allowed: whoever stops the process and lets it go on interrupts it too.
#[test]
fn a_run_leaves_nothing_that_interrupts_its_thread_later() {
    let mut interruptions = 0;
    for _ in 0..20 {
        short_run();
        let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let address = socket.local_addr().unwrap();
        let sender = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(b"hello", address).unwrap();
        });
        match socket.recv(&mut [0; 8]) {
            Err(error) if error.kind() == Interrupted => interruptions += 1,
            received => assert_eq!(received.unwrap(), 5),
        }
        sender.join().unwrap();
    }
    assert!(interruptions < 4, "{interruptions} interruptions");
}

/// The ring of the parent is not for the child.
#[test]
fn a_forked_process_has_a_ring_of_its_own() {
    alone("a_forked_process_has_a_ring_of_its_own", &[], || {
        let has_done = || {
            let before = done_in_rings();
            short_run();
            before.is_none() || done_in_rings() > before
        };
        let check = |child| {
            if child == 0 {
                let is_well = catch_unwind(|| has_done() && has_done()).unwrap_or(false);
                // SAFETY: nothing of the parent's is torn down here.
                unsafe { libc::_exit(i32::from(!is_well)) };
            }
            let mut status = 0;
            // SAFETY: it writes to `status` alone.
            let waited = unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!((waited, status), (child, 0));
        };
        assert!(has_done());
        // SAFETY: the only other thread waits for this one, and holds no lock meanwhile.
        check(unsafe { libc::fork() });
        // In a run, which both end.
        for backend in backends() {
            let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
            check(runtime.run(|| {
                begin();
                // SAFETY: as above.
                unsafe { libc::fork() }
            }));
        }
        assert!(has_done());
    });
}
