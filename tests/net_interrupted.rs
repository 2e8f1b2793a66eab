//! Cancels and timeouts in the middle of transfers: no byte is lost or doubled.

#[path = "common/backends.rs"]
mod backends;

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use backends::on_each;
use corobin::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use corobin::{JoinError, sleep, spawn, timeout, yield_now};
use rustix::net::sockopt;

const INTERRUPTIONS: usize = 10_000;
const LARGEST: usize = 6_000;

/// The byte at a place of the stream.
fn byte(place: usize) -> u8 {
    (place % 251) as u8
}

/// What both ends know, updated right after each operation.
#[derive(Default)]
struct Books {
    sent: Cell<usize>,
    received: Cell<usize>,
    interruptions: Cell<usize>,
    /// The sender should stop.
    enough: Cell<bool>,
}

impl Books {
    fn interrupted(&self) {
        self.interruptions.set(self.interruptions.get() + 1);
        self.enough.set(self.interruptions.get() >= INTERRUPTIONS);
    }
}

fn send(stream: &mut impl Write, books: &Books, random: &mut fastrand::Rng) {
    let sent = books.sent.get();
    let chunk: Vec<u8> = (sent..sent + random.usize(1..LARGEST)).map(byte).collect();
    let count = stream.write(&chunk).unwrap();
    books.sent.set(sent + count);
}

/// False at the end.
fn receive(stream: &mut impl Read, books: &Books, random: &mut fastrand::Rng) -> bool {
    let mut buf = vec![0; random.usize(1..LARGEST)];
    let count = stream.read(&mut buf).unwrap();
    let received = books.received.get();
    for (place, &got) in (received..).zip(&buf[..count]) {
        assert_eq!(got, byte(place), "at {place}");
    }
    books.received.set(received + count);
    count > 0
}

/// Does `step` again and again until it says that it was the last, sometimes with
/// a timeout, sometimes in a coroutine that is cancelled at some time.
fn torment(
    books: &Rc<Books>,
    mut random: fastrand::Rng,
    step: impl Fn(&Books, &mut fastrand::Rng) -> bool + Clone + 'static,
) {
    let ended = Rc::new(Cell::new(false));
    while !ended.get() {
        if random.bool() {
            let time = Duration::from_micros(random.u64(0..60));
            match timeout(time, || step(books, &mut random)) {
                Ok(more) => ended.set(!more),
                Err(_) => books.interrupted(),
            }
            continue;
        }
        let (step, ended, books) = (step.clone(), Rc::clone(&ended), Rc::clone(books));
        let mut own = random.fork();
        let worker = {
            let books = Rc::clone(&books);
            spawn(move || {
                while step(&books, &mut own) {}
                ended.set(true);
            })
        };
        for _ in 0..random.usize(0..6) {
            if random.u8(..) < 32 {
                sleep(Duration::from_micros(random.u64(0..50)));
            } else {
                yield_now();
            }
        }
        worker.cancel();
        match worker.join() {
            Ok(()) => {}
            Err(JoinError::Cancelled) => books.interrupted(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn transfer<S: AsFd + 'static>(one: S, two: S, seed: u64)
where
    for<'a> &'a S: Read + Write,
{
    // Small, so that there is much to wait for.
    sockopt::set_socket_send_buffer_size(&one, LARGEST).unwrap();
    sockopt::set_socket_recv_buffer_size(&two, LARGEST).unwrap();
    let mut random = fastrand::Rng::with_seed(seed);
    let books = Rc::new(Books::default());
    let (one, two) = (Rc::new(one), Rc::new(two));
    let sender = {
        let (books, random) = (Rc::clone(&books), random.fork());
        spawn(move || {
            let stream = Rc::clone(&one);
            torment(&books, random, move |books, random| {
                send(&mut &*stream, books, random);
                !books.enough.get()
            });
        })
    };
    let receiver = {
        let (books, random) = (Rc::clone(&books), random.fork());
        spawn(move || {
            torment(&books, random, move |books, random| {
                receive(&mut &*two, books, random)
            });
        })
    };
    sender.join().unwrap();
    receiver.join().unwrap();
    assert!(books.interruptions.get() >= INTERRUPTIONS);
    assert_eq!(books.sent.get(), books.received.get());
}

#[test]
fn every_byte_of_a_tcp_stream_is_accounted_for() {
    on_each(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (two, _) = listener.accept().unwrap();
        transfer(one, two, 1);
    });
}

#[test]
fn every_byte_of_a_unix_stream_is_accounted_for() {
    on_each(|| {
        let (one, two) = UnixStream::pair().unwrap();
        transfer(one, two, 2);
    });
}

#[test]
fn every_connection_is_accounted_for() {
    const CONNECTIONS: u32 = 1_000;
    on_each(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        let clients = spawn(move || {
            for n in 0..CONNECTIONS {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.write_all(&n.to_le_bytes()).unwrap();
            }
        });
        let next = Rc::new(Cell::new(0));
        let listener = Rc::new(listener);
        while next.get() < CONNECTIONS {
            let (accepted, listener) = (Rc::clone(&next), Rc::clone(&listener));
            let server = spawn(move || {
                loop {
                    let (mut stream, _) = listener.accept().unwrap();
                    let n = accepted.get();
                    accepted.set(n + 1);
                    let mut got = [0; 4];
                    corobin::shield(|| stream.read_exact(&mut got).unwrap());
                    assert_eq!(u32::from_le_bytes(got), n);
                }
            });
            (0..random.u8(0..5)).for_each(|_| yield_now());
            server.cancel();
            assert!(matches!(server.join(), Err(JoinError::Cancelled)));
        }
        clients.join().unwrap();
    });
}

#[test]
fn every_packet_is_accounted_for() {
    on_each(|| {
        let one = UdpSocket::bind("127.0.0.1:0").unwrap();
        let two = Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(two.local_addr().unwrap()).unwrap();
        let mut random = fastrand::Rng::with_seed(4);
        let next = Rc::new(Cell::new(0u32));
        let receive = {
            let (next, two) = (Rc::clone(&next), Rc::clone(&two));
            move || {
                let mut got = [0; 4];
                assert_eq!(two.recv(&mut got).unwrap(), 4);
                assert_eq!(u32::from_le_bytes(got), next.get());
                next.set(next.get() + 1);
            }
        };
        for sent in 0..1_000u32 {
            let receiver = spawn(receive.clone());
            if random.bool() {
                yield_now();
            }
            one.send(&sent.to_le_bytes()).unwrap();
            if random.bool() {
                receiver.cancel();
            }
            let _ = receiver.join();
            // The kernel drops what does not fit into its buffer.
            while sent - next.get().min(sent) > 50 {
                receive();
            }
        }
        while next.get() < 1_000 {
            receive();
        }
    });
}

/// Several wait for the same bytes, and are cancelled as they are about to try again: each must
/// end all the same.
#[test]
fn readers_of_one_socket_are_cancelled_as_they_are_about_to_try_again() {
    on_each(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = Rc::new(listener.accept().unwrap().0);
        let write = || assert!((&theirs).write(&[5; 900]).unwrap() > 0);
        let reader = || {
            let ours = Rc::clone(&ours);
            spawn(move || (&*ours).read(&mut [0; 1_000]).unwrap())
        };
        for round in 0..2_000 {
            let first = reader();
            match round % 2 {
                0 => sleep(Duration::from_micros(10)),
                _ => yield_now(),
            }
            if round % 3 == 0 {
                write();
            }
            first.cancel();
            if round % 5 == 0 {
                yield_now();
            }
            if round % 7 == 0 {
                write();
            }
            let others = [reader(), reader()];
            yield_now();
            if round % 11 == 0 {
                write();
            }
            others.iter().for_each(|other| other.cancel());
            drop(first.join());
            others.into_iter().for_each(|other| drop(other.join()));
        }
    });
}
