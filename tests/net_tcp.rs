//! TCP: what std promises, on both backends.

#[path = "common/backends.rs"]
mod backends;

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use backends::on_each;
use corobin::net::{Shutdown, SocketAddr, SocketOptions, TcpListener, TcpStream, ToSocketAddrs};
use corobin::{JoinError, gather, scope, sleep, spawn, timeout, yield_now};

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listener();
    let one = TcpStream::connect(address).unwrap();
    let (two, peer) = listener.accept().unwrap();
    assert_eq!(peer, one.local_addr().unwrap());
    (one, two)
}

/// Runs everybody until all wait.
fn settle() {
    sleep(Duration::from_millis(5));
}

#[test]
fn many_connections_are_echoed() {
    on_each(|| {
        let (listener, address) = listener();
        let server = spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                spawn(move || {
                    let mut buf = [0; 512];
                    loop {
                        match stream.read(&mut buf).unwrap() {
                            0 => break,
                            n => stream.write_all(&buf[..n]).unwrap(),
                        }
                    }
                });
            }
        });
        let clients = (0..50u32).map(|client| {
            spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                for round in 0..20u32 {
                    let sent = (client * 1000 + round).to_le_bytes();
                    stream.write_all(&sent).unwrap();
                    let mut got = [0; 4];
                    stream.read_exact(&mut got).unwrap();
                    assert_eq!(sent, got);
                }
            })
        });
        gather(clients.collect::<Vec<_>>()).unwrap();
        server.cancel();
        assert!(matches!(server.join(), Err(JoinError::Cancelled)));
    });
}

#[test]
fn megabytes_pass_both_ways_at_once() {
    const SIZE: usize = 3_000_000;
    on_each(|| {
        let (one, two) = pair();
        let data: Vec<u8> = (0..SIZE).map(|n| (n * 7 % 251) as u8).collect();
        scope(|s| {
            for stream in [&one, &two] {
                let data = &data;
                s.spawn(move || {
                    let mut stream = stream;
                    stream.write_all(data).unwrap();
                });
                s.spawn(move || {
                    let mut got = vec![0; SIZE];
                    let mut stream = stream;
                    stream.read_exact(&mut got).unwrap();
                    assert!(got == *data);
                });
            }
        });
    });
}

#[test]
fn a_peer_that_never_reads_blocks_only_its_writer() {
    on_each(|| {
        let (mut one, two) = pair();
        let written = Rc::new(Cell::new(0));
        let count = Rc::clone(&written);
        let writer = spawn(move || {
            loop {
                count.set(count.get() + one.write(&[1; 65536]).unwrap());
            }
        });
        let mut before = usize::MAX;
        while before != written.get() {
            before = written.get();
            sleep(Duration::from_millis(20));
        }
        writer.cancel();
        assert!(writer.join().is_err());
        // Nothing is lost, and nothing that was not counted is sent.
        let mut rest = Vec::new();
        (&two).read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), written.get());
    });
}

#[test]
fn timeouts_are_those_of_std() {
    on_each(|| {
        let (mut one, two) = pair();
        let zero = one.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        let zero = one.set_write_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        assert_eq!(one.read_timeout().unwrap(), None);

        let time = Duration::from_millis(20);
        one.set_read_timeout(Some(time)).unwrap();
        assert_eq!(one.read_timeout().unwrap(), Some(time));
        let mut duplicate = one.try_clone().unwrap();
        for stream in [&mut one, &mut duplicate] {
            let begin = Instant::now();
            let error = stream.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(begin.elapsed() >= time);
        }
        (&two).write_all(b"late").unwrap();
        let mut got = [0; 4];
        one.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"late");

        one.set_write_timeout(Some(time)).unwrap();
        let error = loop {
            if let Err(error) = one.write(&[0; 65536]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        one.set_read_timeout(None).unwrap();
        let never = timeout(Duration::from_millis(30), || one.read(&mut [0]).unwrap());
        assert!(never.is_err());
    });
}

#[test]
fn nonblocking_sockets_never_wait() {
    on_each(|| {
        let (listener, address) = listener();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let one = TcpStream::connect(address).unwrap();
        let (two, _) = listener.accept().unwrap();
        one.set_nonblocking(true).unwrap();
        for _ in 0..3 {
            let error = (&one).read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        (&two).write_all(b"x").unwrap();
        one.set_nonblocking(false).unwrap();
        assert_eq!((&one).read(&mut [0]).unwrap(), 1);
    });
}

/// It shares the open file, and with it what was a matter of the whole socket.
#[test]
fn a_duplicate_that_is_given_to_std_does_not_block_the_loop() {
    on_each(|| {
        let (one, two) = pair();
        let duplicate: std::net::TcpStream = one.try_clone().unwrap().into();
        duplicate.set_nonblocking(false).unwrap();
        let other: std::net::TcpStream = two.try_clone().unwrap().into();
        // Ends the test if the loop is blocked.
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(20));
            let _ = (&other).write(b"late");
        });
        let writer = spawn(move || {
            (&two).write_all(b"peek").unwrap();
            yield_now();
            two
        });
        let mut buf = [0; 4];
        assert_eq!(one.peek(&mut buf).unwrap(), 4);
        (&one).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"peek");
        let two = writer.join().unwrap();
        let wait = Duration::from_millis(5);
        let slices = &mut [IoSliceMut::new(&mut buf)];
        assert!(timeout(wait, || (&one).read_vectored(slices)).is_err());
        let reader = spawn(move || {
            let mut all = vec![0; 1 << 24];
            (&two).read_exact(&mut all).unwrap();
            (&two).write_all(b"done").unwrap();
        });
        // More than the socket takes at once.
        (&one).write_all(&vec![7; 1 << 24]).unwrap();
        (&one).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"done");
        reader.join().unwrap();
    });
}

#[test]
fn peek_leaves_the_data() {
    on_each(|| {
        let (one, two) = pair();
        let peek = spawn(move || {
            let mut buf = [0; 8];
            for _ in 0..2 {
                assert_eq!(one.peek(&mut buf).unwrap(), 3);
            }
            assert_eq!((&one).read(&mut buf).unwrap(), 3);
            assert_eq!(&buf[..3], b"abc");
        });
        yield_now();
        (&two).write_all(b"abc").unwrap();
        peek.join().unwrap();
    });
}

#[test]
fn vectored_operations() {
    on_each(|| {
        let (mut one, mut two) = pair();
        let sent = one.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")]);
        assert_eq!(sent.unwrap(), 5);
        let (mut first, mut second) = ([0; 3], [0; 8]);
        let bufs = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(two.read_vectored(bufs).unwrap(), 5);
        assert_eq!((&first, &second[..2]), (b"abc", &b"de"[..]));
    });
}

#[test]
fn half_closed_streams_go_on_in_the_other_direction() {
    on_each(|| {
        let (mut one, mut two) = pair();
        one.write_all(b"question").unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        let mut question = String::new();
        two.read_to_string(&mut question).unwrap();
        two.write_all(b"answer").unwrap();
        drop(two);
        let mut answer = String::new();
        one.read_to_string(&mut answer).unwrap();
        assert_eq!((&*question, &*answer), ("question", "answer"));
        // The end stays the end.
        assert_eq!(one.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_reset_is_an_error_and_then_the_end() {
    on_each(|| {
        let (mut one, two) = pair();
        let reader = spawn(move || {
            let error = one.read(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            let error = one.write(b"x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
        settle();
        two.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(two.linger().unwrap(), Some(Duration::ZERO));
        drop(two);
        reader.join().unwrap();
    });
}

#[test]
fn shutdown_wakes_whoever_waits() {
    on_each(|| {
        let (one, two) = pair();
        let duplicate = one.try_clone().unwrap();
        let fill = one.try_clone().unwrap();
        let reader = spawn(move || (&one).read(&mut [0]).unwrap());
        let writer = spawn(move || {
            loop {
                if let Err(error) = (&fill).write(&[0; 65536]) {
                    break error.kind();
                }
            }
        });
        settle();
        assert!(!reader.is_finished() && !writer.is_finished());
        duplicate.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.join().unwrap(), 0);
        assert_eq!(writer.join().unwrap(), ErrorKind::BrokenPipe);
        drop(two);
    });
}

#[test]
fn shutdown_wakes_whoever_accepts() {
    on_each(|| {
        let (listener, _) = listener();
        let duplicate = listener.try_clone().unwrap();
        let acceptor = spawn(move || listener.accept().unwrap_err().kind());
        settle();
        let duplicate = TcpStream::from(std::os::fd::OwnedFd::from(duplicate));
        duplicate.shutdown(Shutdown::Both).unwrap();
        assert_eq!(acceptor.join().unwrap(), ErrorKind::InvalidInput);
    });
}

#[test]
fn several_acceptors_share_one_listener() {
    on_each(|| {
        let (listener, address) = listener();
        scope(|s| {
            let acceptors = [(); 3].map(|()| s.spawn(|| listener.accept().unwrap().1));
            settle();
            let clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
            let mut accepted = acceptors.map(|acceptor| acceptor.join().unwrap());
            let mut connected = clients.map(|client| client.local_addr().unwrap());
            accepted.sort_unstable();
            connected.sort_unstable();
            assert_eq!(accepted, connected);
        });
    });
}

#[test]
fn several_readers_share_one_stream() {
    on_each(|| {
        let (one, mut two) = pair();
        scope(|s| {
            let read = || {
                let mut byte = [0];
                (&one).read_exact(&mut byte).unwrap();
                byte[0]
            };
            let readers = [(); 4].map(|()| s.spawn(read));
            settle();
            readers[2].cancel();
            two.write_all(b"abc").unwrap();
            let got = readers.map(|reader| reader.join().ok());
            let mut got: Vec<u8> = got.into_iter().flatten().collect();
            got.sort_unstable();
            assert_eq!(got, b"abc");
        });
    });
}

#[test]
fn halves_are_used_apart_and_put_together() {
    on_each(|| {
        let (one, two) = pair();
        let (mut reader, mut writer) = one.split();
        let (other_reader, other_writer) = two.split();
        let echo = spawn(move || {
            let (mut reader, mut writer) = (other_reader, other_writer);
            std::io::copy(&mut reader, &mut writer).unwrap()
        });
        let read = spawn(move || {
            let mut all = String::new();
            reader.read_to_string(&mut all).unwrap();
            (reader, all)
        });
        writer.write_all(b"echo").unwrap();
        drop(writer);
        assert_eq!(echo.join().unwrap(), 4);
        let (_reader, all) = read.join().unwrap();
        assert_eq!(all, "echo");

        let (one, two) = pair();
        let ((reader, writer), (other_reader, other_writer)) = (one.split(), two.split());
        let wrong = reader.reunite(other_writer).unwrap_err();
        assert_eq!(wrong, wrong);
        let mut one = wrong.0.reunite(writer).unwrap();
        let mut two = other_reader.reunite(wrong.1).unwrap();
        one.write_all(b"x").unwrap();
        assert_eq!(two.read(&mut [0]).unwrap(), 1);
    });
}

#[test]
fn sockets_change_to_those_of_std_and_back() {
    on_each(|| {
        let (one, two) = pair();
        one.set_read_timeout(Some(Duration::from_millis(80)))
            .unwrap();
        let mut std = std::net::TcpStream::from(one);
        corobin::to_thread(|| {
            // Blocks the thread: a non-blocking one would fail at once.
            let begin = Instant::now();
            let error = std.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(begin.elapsed() >= Duration::from_millis(80));
            std.set_read_timeout(Some(Duration::from_secs(600)))
                .unwrap();
        });
        let one = TcpStream::from(std);
        assert_eq!(one.read_timeout().unwrap(), Some(Duration::from_secs(600)));
        let reader = spawn(move || (&one).read(&mut [0; 8]).unwrap());
        settle();
        (&two).write_all(b"!").unwrap();
        assert_eq!(reader.join().unwrap(), 1);
    });
}

#[test]
fn connect_tries_all_addresses_and_gives_the_last_error() {
    on_each(|| {
        let (listener, good) = listener();
        let bad: SocketAddr = {
            let gone = TcpListener::bind("127.0.0.1:0").unwrap();
            gone.local_addr().unwrap()
        };
        let stream = TcpStream::connect(&[bad, good][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let error = TcpStream::connect(&[bad, bad][..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect(&[][..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let (host, port) = ("localhost", good.port());
        TcpStream::connect((host, port)).unwrap();
        TcpStream::connect(format!("{host}:{port}")).unwrap();
        assert!("no port".to_socket_addrs().is_err());
        assert!("no-such-host.invalid:1".to_socket_addrs().is_err());
        drop(listener);
    });
}

/// An address where a connection neither succeeds nor fails: a listener whose
/// queue is full.
fn silent() -> (TcpListener, Vec<TcpStream>) {
    let mut options = SocketOptions::new();
    let listener = options.backlog(0).listen("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        waiting.push(stream);
    }
    (listener, waiting)
}

#[test]
fn a_connection_attempt_ends_in_time() {
    on_each(|| {
        let (listener, _waiting) = silent();
        let address = listener.local_addr().unwrap();
        let time = Duration::from_millis(20);
        let error = TcpStream::connect_timeout(&address, time).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(timeout(time, || TcpStream::connect(address)).is_err());
        let zero = TcpStream::connect_timeout(&address, Duration::ZERO).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        let connect = spawn(move || TcpStream::connect(address).map(drop));
        yield_now();
        connect.cancel();
        assert!(connect.join().is_err());
    });
}

#[test]
fn a_shared_port() {
    on_each(|| {
        let mut options = SocketOptions::new();
        options.reuse_port(true);
        let one = options.listen("127.0.0.1:0").unwrap();
        let address = one.local_addr().unwrap();
        let two = options.listen(address).unwrap();
        assert_eq!(two.local_addr().unwrap(), address);
        let taken = TcpListener::bind(address).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn options_are_kept() {
    on_each(|| {
        let (one, _two) = pair();
        one.set_nodelay(true).unwrap();
        assert!(one.nodelay().unwrap());
        one.set_quickack(false).unwrap();
        assert!(!one.quickack().unwrap());
        one.set_ttl(33).unwrap();
        assert_eq!(one.ttl().unwrap(), 33);
        assert!(one.take_error().unwrap().is_none());
        assert!(format!("{one:?}").contains("TcpStream"));
    });
}

/// More slices than one call takes: what it leaves is no sign of a full buffer.
#[test]
fn vectored_operations_with_thousands_of_slices() {
    on_each(|| {
        let (mut one, mut two) = pair();
        // Known to the reactor from here on.
        for stream in [&mut one, &mut two] {
            let wait = Duration::from_millis(5);
            assert!(timeout(wait, || stream.read(&mut [0])).is_err());
        }
        let data: Vec<u8> = (0..3000).map(|n| n as u8).collect();
        let slices: Vec<IoSlice> = data.chunks(1).map(IoSlice::new).collect();
        let mut rest = &slices[..];
        while !rest.is_empty() {
            let written = one.write_vectored(rest).unwrap();
            rest = &rest[written..];
        }
        let mut got = vec![0; 3000];
        let mut read = 0;
        while read < got.len() {
            let mut slices: Vec<_> = got[read..].chunks_mut(1).map(IoSliceMut::new).collect();
            read += two.read_vectored(&mut slices).unwrap();
        }
        assert_eq!(got, data);
    });
}

/// As those of std, so that code which catches panics goes on compiling.
#[test]
fn sockets_may_be_used_across_a_caught_panic() {
    fn check<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    check::<corobin::net::TcpStream>();
    check::<corobin::net::TcpListener>();
    check::<corobin::net::UdpSocket>();
    check::<corobin::net::UnixStream>();
    check::<corobin::net::UnixListener>();
    check::<corobin::net::UnixDatagram>();
    check::<corobin::fs::File>();
}
