//! Receives that a look makes for those who wait, with io_uring: to whoever receives they are as any
//! other.

#[path = "common/backends.rs"]
mod backends;

use std::cell::Cell;
use std::io::ErrorKind::{ConnectionReset, WouldBlock};
use std::io::{Read, Write};
use std::net;
use std::os::fd::AsFd;
use std::os::unix;
use std::rc::Rc;
use std::time::Duration;

use backends::{backends, on_each};
use corobin::net::{TcpStream, UdpSocket, UnixStream};
use corobin::{
    Elapsed, IoBackend, JoinError, JoinHandle, Runtime, now, scope, sleep, spawn, timeout,
    yield_now,
};
use rustix::io::ioctl_fionread;
use rustix::net::{
    AddressFamily, SendFlags, SocketType, bind, connect, ipproto, listen, send, socket, sockopt,
};

const FEW: usize = 4;
/// So long nothing takes, unless it hangs.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(1);

fn unix_pair() -> (UnixStream, unix::net::UnixStream) {
    let (near, far) = unix::net::UnixStream::pair().unwrap();
    (near.into(), far)
}

fn tcp_pair() -> (TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let far = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_nodelay(true).unwrap();
    let (near, _) = listener.accept().unwrap();
    (TcpStream::from(near), far)
}

fn udp_pair() -> (UdpSocket, net::UdpSocket) {
    let near = UdpSocket::bind("127.0.0.1:0").unwrap();
    let far = net::UdpSocket::bind("127.0.0.1:0").unwrap();
    far.connect(near.local_addr().unwrap()).unwrap();
    near.connect(far.local_addr().unwrap()).unwrap();
    (near, far)
}

/// What the kernel still has for it.
fn left_in(socket: impl AsFd) -> u64 {
    ioctl_fionread(socket).unwrap()
}

/// Lets those who were spawned begin to wait.
fn settle() {
    sleep(SHORT);
}

/// Waits until all of it has come, without a look.
fn has_come(socket: impl AsFd, count: u64) {
    while left_in(&socket) < count {
        std::thread::yield_now();
    }
}

/// The first of those who are woken together finds whether the others have received before their
/// turn. `begin` is what happens while they wait.
fn one_look_receives_for_all(begin: impl Fn(&Rc<Vec<UnixStream>>, &[unix::net::UnixStream])) {
    for backend in backends() {
        let builder = Runtime::builder().io_backend(backend);
        builder.build().unwrap().run(|| {
            let first = Rc::new(Cell::new(None));
            let (near, far): (Vec<_>, Vec<_>) = (0..FEW).map(|_| unix_pair()).unzip();
            let near = Rc::new(near);
            for at in 0..FEW {
                let (near, first) = (Rc::clone(&near), Rc::clone(&first));
                spawn(move || {
                    let mut buf = [0; 8];
                    assert_eq!((&near[at]).read(&mut buf).unwrap(), 5);
                    assert_eq!(buf[..5], *b"hello");
                    if first.get().is_none() {
                        first.set(Some(near.iter().map(left_in).sum::<u64>()));
                    }
                });
            }
            settle();
            begin(&near, &far);
            far.iter()
                .for_each(|mut far| far.write_all(b"hello").unwrap());
            while first.get().is_none() {
                yield_now();
            }
            let left = match backend {
                IoBackend::IoUring => 0,
                _ => 5 * (FEW as u64 - 1),
            };
            assert_eq!(first.get(), Some(left));
        });
    }
}

#[test]
fn one_look_receives_for_all_who_wait() {
    one_look_receives_for_all(|_, _| {});
}

/// Who waits for room at the same socket, and gets it, does not keep the look from that.
#[test]
fn a_look_receives_where_somebody_has_waited_for_room() {
    one_look_receives_for_all(|near, far| {
        let write = |at: usize| {
            let near = Rc::clone(near);
            spawn(move || (&near[at]).write_all(&[0; 1 << 20]).unwrap())
        };
        let writers: Vec<_> = (0..FEW).map(write).collect();
        settle();
        for (mut far, writer) in far.iter().zip(writers) {
            far.set_nonblocking(true).unwrap();
            while !writer.is_finished() {
                let _ = far.read(&mut [0; 1 << 16]);
                yield_now();
            }
        }
        settle();
    });
}

/// Each of a few waits for data at its socket, and then ends as `end` says.
fn readers<T: 'static>(
    end: impl Fn(usize, std::io::Result<usize>, &[u8]) -> T + Copy + 'static,
) -> (
    Vec<JoinHandle<T>>,
    Vec<UnixStream>,
    Vec<unix::net::UnixStream>,
) {
    let mut handles = Vec::new();
    let mut duplicates = Vec::new();
    let mut fars = Vec::new();
    for at in 0..FEW {
        let (mut near, far) = unix_pair();
        duplicates.push(near.try_clone().unwrap());
        fars.push(far);
        handles.push(spawn(move || {
            let mut buf = [0; 8];
            let result = near.read(&mut buf);
            end(at, result, &buf)
        }));
    }
    settle();
    (handles, duplicates, fars)
}

/// Whatever becomes due between the look and the turn of who was woken: it has what it has received,
/// and meets that at its next suspension point.
#[test]
fn a_cancel_after_the_look_loses_nothing() {
    on_each(|| {
        let got = Rc::new(Cell::new(0));
        let handles: Rc<Cell<Vec<JoinHandle<()>>>> = Rc::default();
        let mut spawned = Vec::new();
        let mut fars = Vec::new();
        for _ in 0..FEW {
            let (mut near, far) = unix_pair();
            fars.push(far);
            let (got, handles) = (Rc::clone(&got), Rc::clone(&handles));
            spawned.push(spawn(move || {
                let mut buf = [0; 8];
                let count = near.read(&mut buf).unwrap();
                assert_eq!(buf[..count], *b"hello");
                got.set(got.get() + 1);
                // The first ends all others, who were woken with it.
                handles.take().iter().for_each(JoinHandle::cancel);
                yield_now();
                unreachable!("it was cancelled");
            }));
        }
        settle();
        handles.set(spawned);
        fars.iter()
            .for_each(|mut far| far.write_all(b"hello").unwrap());
        while got.get() < FEW {
            yield_now();
        }
    });
}

#[test]
fn a_cancel_before_the_look_leaves_the_data_in_the_socket() {
    on_each(|| {
        let (handles, mut near, far) = readers(|_, result, _| result.unwrap());
        far.iter()
            .for_each(|mut far| far.write_all(b"hello").unwrap());
        handles[1].cancel();
        handles[2].cancel();
        for (at, handle) in handles.into_iter().enumerate() {
            match at {
                1 | 2 => assert!(matches!(handle.join(), Err(JoinError::Cancelled))),
                _ => assert_eq!(handle.join().unwrap(), 5),
            }
        }
        for at in [1, 2] {
            let mut buf = [0; 8];
            assert_eq!(near[at].read(&mut buf).unwrap(), 5);
        }
    });
}

#[test]
fn time_that_runs_out_loses_nothing() {
    on_each(|| {
        for round in 0..50 {
            let mut total = 0;
            scope(|s| {
                let mut handles = Vec::new();
                for _ in 0..FEW {
                    let (mut near, mut far) = tcp_pair();
                    handles.push(s.spawn(move || {
                        let (mut buf, mut total) = ([0; 7], 0);
                        loop {
                            match timeout(Duration::from_micros(200), || near.read(&mut buf)) {
                                Ok(Ok(0)) => return total,
                                Ok(count) => total += count.unwrap(),
                                Err(Elapsed) => {}
                            }
                        }
                    }));
                    s.spawn(move || {
                        for n in 1..20 {
                            far.write_all(&vec![0; n]).unwrap();
                            sleep(Duration::from_micros((n as u64 * 67 + round) % 400));
                        }
                    });
                }
                total = handles
                    .into_iter()
                    .map(|handle| handle.join().unwrap())
                    .sum();
            });
            assert_eq!(total, FEW * 190);
        }
    });
}

#[test]
fn a_read_timeout_ends_only_waits_for_nothing() {
    on_each(|| {
        let (mut near, mut far): (Vec<_>, Vec<_>) = (0..FEW).map(|_| tcp_pair()).unzip();
        for near in &near {
            near.set_read_timeout(Some(SHORT)).unwrap();
        }
        // The last one gets nothing.
        far[..FEW - 1]
            .iter_mut()
            .for_each(|far| far.write_all(b"hello").unwrap());
        scope(|s| {
            for (at, near) in near.iter_mut().enumerate() {
                s.spawn(move || {
                    let mut buf = [0; 8];
                    if at < FEW - 1 {
                        assert_eq!(near.read(&mut buf).unwrap(), 5);
                    }
                    assert_eq!(near.read(&mut buf).unwrap_err().kind(), WouldBlock);
                });
            }
        });
    });
}

/// A full buffer may leave something, a message that ends with it leaves nothing; both go on, as
/// does what comes when the look is over.
#[test]
fn what_a_full_buffer_leaves_is_read_next() {
    on_each(|| {
        scope(|s| {
            let turn = Rc::new(Cell::new(0));
            let mut fars = Vec::new();
            for _ in 0..FEW {
                let (mut near, mut far) = tcp_pair();
                fars.push(far.try_clone().unwrap());
                let turn = Rc::clone(&turn);
                s.spawn(move || {
                    let mut buf = [0; 4];
                    let mut next = || {
                        let count = near.read(&mut buf).unwrap();
                        buf[..count].to_vec()
                    };
                    assert_eq!(next(), b"0123");
                    // More comes before the turn of those behind.
                    far.write_all(b"abcdef").unwrap();
                    turn.set(turn.get() + 1);
                    assert_eq!(next(), b"4567");
                    assert_eq!(next(), b"abcd");
                    assert_eq!(next(), b"ef");
                    far.shutdown(net::Shutdown::Write).unwrap();
                    assert_eq!(next(), b"");
                    assert_eq!(next(), b"");
                });
            }
            settle();
            fars.iter_mut()
                .for_each(|far| far.write_all(b"01234567").unwrap());
        });
    });
}

#[test]
fn messages_and_ends_of_all_kinds() {
    on_each(|| {
        scope(|s| {
            let mut fars = Vec::new();
            for _ in 0..FEW {
                let (near, far) = udp_pair();
                fars.push(far);
                s.spawn(move || {
                    let mut buf = [0; 4];
                    assert_eq!(near.recv(&mut buf).unwrap(), 0);
                    assert_eq!(near.recv(&mut buf).unwrap(), 4);
                    assert_eq!(buf, *b"cut ");
                    assert_eq!(near.recv(&mut buf).unwrap(), 3);
                });
            }
            let mut resets = Vec::new();
            let mut ends = Vec::new();
            for _ in 0..FEW {
                let (mut near, far) = tcp_pair();
                resets.push(far);
                s.spawn(move || {
                    assert_eq!(near.read(&mut [0]).unwrap_err().kind(), ConnectionReset);
                    assert_eq!(near.read(&mut [0]).unwrap(), 0);
                });
                let (mut near, far) = unix_pair();
                ends.push(far);
                s.spawn(move || {
                    for _ in 0..3 {
                        assert_eq!(near.read(&mut [0]).unwrap(), 0);
                    }
                });
            }
            settle();
            for far in &fars {
                for message in ["", "cut off", "end"] {
                    far.send(message.as_bytes()).unwrap();
                }
            }
            for far in resets {
                sockopt::set_socket_linger(&far, Some(Duration::ZERO)).unwrap();
            }
            drop(ends);
        });
    });
}

/// A read ends at a mark, however much comes behind it.
#[test]
fn data_behind_an_urgent_byte_are_read() {
    on_each(|| {
        scope(|s| {
            let mut fars = Vec::new();
            for _ in 0..FEW {
                let (mut near, far) = tcp_pair();
                let peer = near.try_clone().unwrap();
                fars.push((far, peer));
                s.spawn(move || {
                    let (mut buf, mut all) = ([0; 16], Vec::new());
                    while all.len() < 6 {
                        let count = near.read(&mut buf).unwrap();
                        assert!(count > 0);
                        all.extend_from_slice(&buf[..count]);
                    }
                    assert_eq!(all, b"beforb");
                });
            }
            settle();
            for (far, peer) in &mut fars {
                far.write_all(b"befor").unwrap();
                send(&*far, b"!", SendFlags::OOB).unwrap();
                far.write_all(b"b").unwrap();
                has_come(&*peer, 5);
            }
        });
    });
}

/// Also while others come and go there.
#[test]
fn several_readers_of_one_socket_share_what_comes() {
    on_each(|| {
        scope(|s| {
            let mut fars = Vec::new();
            for _ in 0..FEW {
                let (near, far) = unix_pair();
                fars.push(far);
                let near = Rc::new(near);
                let total = Rc::new(Cell::new(0));
                for reader in 0..3 {
                    let (near, total) = (Rc::clone(&near), Rc::clone(&total));
                    s.spawn(move || {
                        let mut buf = [0; 2];
                        while total.get() < 100 {
                            let limit = Duration::from_micros(300 * (reader + 1));
                            if let Ok(count) = timeout(limit, || (&*near).read(&mut buf)) {
                                total.set(total.get() + count.unwrap());
                            }
                        }
                    });
                }
            }
            settle();
            for _ in 0..20 {
                fars.iter()
                    .for_each(|mut far| far.write_all(b"hello").unwrap());
                sleep(Duration::from_micros(100));
            }
        });
    });
}

/// With the news of all of them there, and a run that ends.
#[test]
fn a_run_ends_while_data_wait() {
    for backend in backends() {
        for looks in [false, true] {
            let mut runtime = Runtime::builder().io_backend(backend).build().unwrap();
            let fars = runtime.run(|| {
                let (handles, _, far) = readers(|_, _, _| {
                    loop {
                        yield_now();
                    }
                });
                far.iter()
                    .for_each(|mut far| far.write_all(b"hello").unwrap());
                if looks {
                    let until = now() + SHORT;
                    while now() < until {
                        yield_now();
                    }
                }
                let _: Vec<JoinHandle<()>> = handles;
                far
            });
            drop(fars);
            // Another run on the same thread finds a ring that works.
            runtime.run(|| {
                let (handles, _, far) = readers(|_, result, _| result.unwrap());
                far.iter()
                    .for_each(|mut far| far.write_all(b"hello").unwrap());
                for handle in handles {
                    assert_eq!(handle.join().unwrap(), 5);
                }
            });
        }
    }
}

/// Multipath TCP does not tell whether it has more.
#[test]
fn what_a_full_buffer_leaves_in_multipath_tcp_is_read_next() {
    let open = || {
        socket(
            AddressFamily::INET,
            SocketType::STREAM,
            Some(ipproto::MPTCP),
        )
    };
    let Ok(listener) = open() else {
        return println!("skipped: the kernel has no multipath TCP");
    };
    let any = net::SocketAddrV4::new(net::Ipv4Addr::LOCALHOST, 0);
    bind(&listener, &any).unwrap();
    listen(&listener, FEW as i32).unwrap();
    let listener = net::TcpListener::from(listener);
    on_each(|| {
        // Open to the end: their close would be news.
        let mut fars = Vec::new();
        scope(|s| {
            for _ in 0..FEW {
                let far = open().unwrap();
                connect(&far, &listener.local_addr().unwrap()).unwrap();
                fars.push(net::TcpStream::from(far));
                let mut near = TcpStream::from(listener.accept().unwrap().0);
                s.spawn(move || {
                    let mut buf = [0; 4];
                    for part in [b"0123", b"4567"] {
                        let count = timeout(LONG, || near.read(&mut buf));
                        assert_eq!(count.expect("the rest is read").unwrap(), 4);
                        assert_eq!(buf, *part);
                    }
                });
            }
            settle();
            fars.iter_mut()
                .for_each(|far| far.write_all(b"01234567").unwrap());
        });
    });
}

/// A message is taken also by who has no room for any of it.
#[test]
fn messages_are_received_into_no_room() {
    on_each(|| {
        scope(|s| {
            let mut fars = Vec::new();
            for _ in 0..FEW {
                let (near, far) = udp_pair();
                fars.push(far);
                s.spawn(move || {
                    assert_eq!(near.recv(&mut []).unwrap(), 0);
                    assert_eq!(near.recv(&mut []).unwrap(), 0);
                    assert_eq!(near.recv(&mut [0; 8]).unwrap(), 4);
                });
            }
            settle();
            for message in ["one", "", "last"] {
                fars.iter().for_each(|far| {
                    far.send(message.as_bytes()).unwrap();
                });
            }
        });
    });
}
