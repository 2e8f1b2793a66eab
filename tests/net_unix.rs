//! Unix sockets and UDP: what std promises, on both backends.

#[path = "common/backends.rs"]
mod backends;

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use backends::on_each;
use corobin::net::{Shutdown, SocketOptions, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use corobin::{scope, sleep, spawn, timeout, yield_now};

/// A path for a socket, removed in the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let file = format!("corobin-{}-{name}", std::process::id());
        let place = Place(std::env::temp_dir().join(file));
        let _ = std::fs::remove_file(&place.0);
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn streams_at_a_path() {
    on_each(|| {
        let place = Place::new("streams");
        let listener = UnixListener::bind(&place.0).unwrap();
        let server = spawn(move || {
            for stream in listener.incoming().take(3) {
                let mut stream = stream.unwrap();
                let mut text = String::new();
                stream.read_to_string(&mut text).unwrap();
                stream.write_all(text.to_uppercase().as_bytes()).unwrap();
            }
        });
        for word in ["a", "bc", "def"] {
            let mut stream = UnixStream::connect(&place.0).unwrap();
            assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*place.0));
            stream.write_all(word.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, word.to_uppercase());
        }
        server.join().unwrap();
        // Nobody listens any more.
        let error = UnixStream::connect(&place.0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = UnixStream::connect("/nonexistent/socket").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = UnixStream::connect("x".repeat(200)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn abstract_addresses() {
    on_each(|| {
        let name = format!("corobin-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let connect = spawn(move || UnixStream::connect_addr(&address).unwrap());
        let (mut one, _) = listener.accept().unwrap();
        let mut two = connect.join().unwrap();
        one.write_all(b"x").unwrap();
        assert_eq!(two.read(&mut [0]).unwrap(), 1);
    });
}

#[test]
fn a_full_queue_makes_the_next_connection_wait() {
    on_each(|| {
        let place = Place::new("queue");
        let listener = UnixListener::bind(&place.0).unwrap();
        rustix::net::listen(&listener, 1).unwrap();
        let mut waiting = Vec::new();
        let time = Duration::from_millis(30);
        while let Ok(stream) = timeout(time, || UnixStream::connect(&place.0).unwrap()) {
            waiting.push(stream);
        }
        scope(|s| {
            let late = s.spawn(|| UnixStream::connect(&place.0).unwrap());
            yield_now();
            assert!(!late.is_finished());
            for _ in 0..=waiting.len() {
                listener.accept().unwrap();
            }
            late.join().unwrap();
        });
    });
}

#[test]
fn packets_at_a_path() {
    on_each(|| {
        let (here, there) = (Place::new("here"), Place::new("there"));
        let one = UnixDatagram::bind(&here.0).unwrap();
        let two = UnixDatagram::bind(&there.0).unwrap();
        let receiver = spawn(move || {
            let mut buf = [0; 64];
            let (length, from) = two.recv_from(&mut buf).unwrap();
            two.send_to_addr(&buf[..length], &from).unwrap();
            two
        });
        one.send_to(b"hello", &there.0).unwrap();
        let mut buf = [0; 64];
        assert_eq!(one.peek(&mut buf).unwrap(), 5);
        assert_eq!(one.recv(&mut buf).unwrap(), 5);
        let two = receiver.join().unwrap();
        one.connect(&there.0).unwrap();
        one.send(b"again").unwrap();
        assert_eq!(two.recv(&mut buf).unwrap(), 5);
        two.set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        assert_eq!(
            two.recv(&mut buf).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    });
}

#[test]
fn a_receiver_that_is_slow_makes_senders_of_packets_wait() {
    const PACKETS: u32 = 500;
    on_each(|| {
        let place = Place::new("slow");
        let receiver = UnixDatagram::bind(&place.0).unwrap();
        let path = place.0.clone();
        let unconnected = spawn(move || {
            let sender = UnixDatagram::unbound().unwrap();
            (0..PACKETS)
                .for_each(|n| assert_eq!(sender.send_to(&n.to_le_bytes(), &path).unwrap(), 4));
        });
        let path = place.0.clone();
        let connected = spawn(move || {
            let sender = UnixDatagram::unbound().unwrap();
            sender.connect(&path).unwrap();
            (0..PACKETS).for_each(|n| assert_eq!(sender.send(&n.to_le_bytes()).unwrap(), 4));
        });
        sleep(Duration::from_millis(10));
        assert!(!unconnected.is_finished() && !connected.is_finished());
        for _ in 0..2 * PACKETS {
            assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 4);
        }
        unconnected.join().unwrap();
        connected.join().unwrap();
    });
}

#[test]
fn pairs() {
    on_each(|| {
        let (mut one, two) = UnixStream::pair().unwrap();
        let clone = two.try_clone().unwrap();
        let reader = spawn(move || (&clone).read(&mut [0; 8]).unwrap());
        yield_now();
        one.write_all(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);
        drop(one);
        assert_eq!((&two).read(&mut [0]).unwrap(), 0);

        let (one, two) = UnixDatagram::pair().unwrap();
        let reader = spawn(move || two.recv(&mut [0; 8]).unwrap());
        yield_now();
        one.send(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);
    });
}

#[test]
fn packets_over_udp() {
    on_each(|| {
        let one = UdpSocket::bind("localhost:0").unwrap();
        let two = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = two.local_addr().unwrap();
        let receiver = spawn(move || {
            let mut buf = [0; 16];
            assert_eq!(two.peek_from(&mut buf).unwrap().0, 3);
            let (length, from) = two.recv_from(&mut buf).unwrap();
            two.connect(from).unwrap();
            two.send(&buf[..length]).unwrap();
            assert_eq!(two.peer_addr().unwrap(), from);
        });
        yield_now();
        let here = ("127.0.0.1", to.port());
        assert_eq!(one.send_to(b"abc", here).unwrap(), 3);
        let mut buf = [0; 16];
        assert_eq!(one.recv(&mut buf).unwrap(), 3);
        receiver.join().unwrap();

        one.set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let error = one.recv_from(&mut buf).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let zero = one.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(zero.kind(), ErrorKind::InvalidInput);
        one.set_broadcast(true).unwrap();
        assert!(one.broadcast().unwrap());
    });
}

#[test]
fn a_port_that_nobody_listens_at_is_an_error_of_a_connected_socket() {
    on_each(|| {
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let gone = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        one.connect(gone).unwrap();
        let reader = {
            let one = one.try_clone().unwrap();
            spawn(move || one.recv(&mut [0]).unwrap_err().kind())
        };
        yield_now();
        one.send(b"x").unwrap();
        assert_eq!(reader.join().unwrap(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn sockets_that_share_a_port() {
    on_each(|| {
        let mut options = SocketOptions::new();
        options.reuse_port(true);
        let one = options.bind_udp("127.0.0.1:0").unwrap();
        options.bind_udp(one.local_addr().unwrap()).unwrap();
    });
}

/// Counts the turns that another coroutine has while `operation` is done a thousand times.
fn turns_beside(mut operation: impl FnMut()) -> u32 {
    let turns = std::cell::Cell::new(0);
    corobin::scope(|s| {
        let other = s.spawn(|| {
            loop {
                turns.set(turns.get() + 1);
                corobin::yield_now();
            }
        });
        (0..1000).for_each(|_| operation());
        other.cancel();
    });
    turns.get()
}

#[test]
fn operations_that_end_at_once_leave_turns_to_others() {
    corobin::run(|| {
        let nobody = std::path::Path::new("/no/such/socket");
        let refused = || assert!(corobin::net::UnixStream::connect(nobody).is_err());
        assert!(turns_beside(refused) >= 20);
        let socket = corobin::net::UnixDatagram::unbound().unwrap();
        let refused = || assert!(socket.send_to(b"x", nobody).is_err());
        assert!(turns_beside(refused) >= 20);
    });
}

#[test]
fn a_datagram_socket_that_is_shut_down_reads_nothing_from_then_on() {
    use corobin::net::UnixDatagram;
    use std::net::Shutdown;

    let read = |socket: &UnixDatagram, how: u32| match how {
        0 => socket.recv(&mut [0; 8]),
        1 => socket.peek(&mut [0; 8]),
        _ => socket.recv_from(&mut [0; 8]).map(|(count, from)| {
            assert!(count > 0 || from.is_unnamed());
            count
        }),
    };
    for backend in [corobin::IoBackend::Poll, corobin::IoBackend::IoUring] {
        let Ok(mut runtime) = corobin::Runtime::builder().io_backend(backend).build() else {
            continue;
        };
        runtime.run(|| {
            for how in 0..3 {
                let (socket, other) = UnixDatagram::pair().unwrap();
                other.send(b"last").unwrap();
                corobin::scope(|s| {
                    let waits = s.spawn(|| {
                        while read(&socket, how).unwrap() > 0 && how == 1 {
                            socket.recv(&mut [0; 8]).unwrap();
                        }
                        if how != 1 {
                            assert_eq!(read(&socket, how).unwrap(), 0);
                        }
                    });
                    (0..3).for_each(|_| corobin::yield_now());
                    socket
                        .try_clone()
                        .unwrap()
                        .shutdown(Shutdown::Read)
                        .unwrap();
                    waits.join().unwrap();
                });
                // And whoever comes after that.
                assert_eq!(read(&socket, how).unwrap(), 0);
            }
        });
    }
}

/// By a duplicate that is std's, or before the socket was ours.
#[test]
fn a_reader_of_packets_meets_a_shutdown_by_others() {
    use corobin::net::UnixDatagram;
    use std::os::unix::net::UnixDatagram as Std;

    on_each(|| {
        let (ours, _peer) = Std::pair().unwrap();
        let theirs = ours.try_clone().unwrap();
        let socket = UnixDatagram::from(ours);
        let reads = spawn(move || {
            assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 0);
            socket
        });
        (0..3).for_each(|_| yield_now());
        theirs.shutdown(Shutdown::Read).unwrap();
        let socket = reads.join().unwrap();
        let socket = UnixDatagram::from(Std::from(socket));
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 0);
        assert_eq!(socket.peek(&mut [0; 8]).unwrap(), 0);
        assert!(socket.recv_from(&mut [0; 8]).unwrap().1.is_unnamed());
    });
}

#[test]
fn an_address_without_a_name_is_no_address_to_connect_to() {
    let unnamed = corobin::net::UnixDatagram::unbound()
        .unwrap()
        .local_addr()
        .unwrap();
    let ours = corobin::net::UnixStream::connect_addr(&unnamed).unwrap_err();
    let std = std::os::unix::net::UnixStream::connect_addr(&unnamed).unwrap_err();
    assert_eq!(ours.kind(), std.kind());
}

#[test]
fn text_that_came_before_an_error_is_kept() {
    on_each(|| {
        let (a, b) = UnixStream::pair().unwrap();
        a.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        (&b).write_all(b"so far").unwrap();
        let mut text = String::from("kept: ");
        let error = (&a).read_to_string(&mut text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(text, "kept: so far");
        (&b).write_all(&[0xff]).unwrap();
        assert!((&a).read_to_string(&mut text).is_err());
        assert_eq!(text, "kept: so far");
    });
}

/// As the methods that std provides, but these know whose line it is.
#[test]
fn reads_and_writes_of_a_whole_tell_the_line_of_the_caller() {
    fn lines() -> Vec<u32> {
        let snapshot = corobin::snapshot();
        let places = snapshot.coroutines.iter().filter_map(|info| info.waits_at);
        let own = places.filter(|at| at.file() == file!());
        own.map(|at| at.line()).collect()
    }
    on_each(|| {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut c, d) = UnixStream::pair().unwrap();
        let (reads, mut writes) = b.try_clone().unwrap().split();
        let first = line!() + 2;
        let all = [
            spawn(move || (&a).read_exact(&mut [0; 6]).map(drop)),
            spawn(move || { reads }.read_to_end(&mut Vec::new()).map(drop)),
            spawn(move || (&d).read_to_string(&mut String::new()).map(drop)),
        ];
        corobin::yield_now();
        assert_eq!(lines(), [first, first + 1, first + 2]);
        write!(writes, "{}-part", 2).unwrap();
        write!(c, "{}", 7).unwrap();
        drop((b, c, writes));
        for one in all {
            one.join().unwrap().unwrap();
        }
    });
}

#[test]
fn a_timeout_loses_nothing_of_a_text() {
    on_each(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        one.write_all("hello gr\u{fc}".as_bytes()).unwrap();
        let mut text = String::new();
        let wait = Duration::from_millis(5);
        assert!(timeout(wait, || two.read_to_string(&mut text)).is_err());
        assert_eq!(text, "hello gr\u{fc}");
        one.write_all(b"n").unwrap();
        drop(one);
        two.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello gr\u{fc}n");
    });
}

/// The kernel makes no news of it to those who wait for room.
#[test]
fn a_writer_meets_its_own_shutdown() {
    on_each(|| {
        let (stream, peer) = UnixStream::pair().unwrap();
        let stream = Rc::new(stream);
        let writer = spawn({
            let stream = Rc::clone(&stream);
            move || (&*stream).write_all(&vec![7; 5_000_000])
        });
        let reader = spawn({
            let stream = Rc::clone(&stream);
            move || (&*stream).read(&mut [0; 10])
        });
        sleep(Duration::from_millis(1));
        assert!(!writer.is_finished());
        stream.shutdown(Shutdown::Write).unwrap();
        let error = writer.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        // Who reads goes on.
        (&peer).write_all(b"hello").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 5);

        let (socket, _peer) = UnixDatagram::pair().unwrap();
        let socket = Rc::new(socket);
        let sender = spawn({
            let socket = Rc::clone(&socket);
            move || {
                loop {
                    if let Err(error) = socket.send(&[7; 1000]) {
                        return error.kind();
                    }
                }
            }
        });
        sleep(Duration::from_millis(1));
        assert!(!sender.is_finished());
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(sender.join().unwrap(), ErrorKind::BrokenPipe);
    });
}
