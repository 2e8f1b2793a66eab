//! Echo servers as one would write them by hand, without coroutines: what the kernel takes.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::fd::AsRawFd;

use io_uring::types::Fd;
use io_uring::{IoUring, opcode};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// Not the place of a connection.
const LISTENER: u64 = u64::MAX;

/// One that tells of whoever wants to connect.
fn epoll_with(listener: &TcpListener) -> OwnedFd {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    listener.set_nonblocking(true).expect("an option");
    let data = EventData::new_u64(LISTENER);
    epoll::add(&epoll, listener, data, EventFlags::IN).expect("room");
    epoll
}

/// Takes in whoever wants to connect.
fn accept_all<C>(
    listener: &TcpListener,
    epoll: &OwnedFd,
    connections: &mut Vec<Option<C>>,
    connection: impl Fn(TcpStream, u64) -> C,
) {
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true).expect("an option");
        stream.set_nodelay(true).expect("an option");
        let at = connections.len() as u64;
        let data = EventData::new_u64(at);
        epoll::add(epoll, &stream, data, EventFlags::IN).expect("room");
        connections.push(Some(connection(stream, at)));
    }
}

/// Level-triggered, one read and one write for each event.
pub fn epoll_loop<const SIZE: usize>(listener: TcpListener) {
    struct Connection {
        stream: TcpStream,
        rest: Vec<u8>,
    }
    let epoll = epoll_with(&listener);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = vec![MaybeUninit::uninit(); 1024];
    let mut buf = [0; SIZE];
    loop {
        let (told, _) = epoll::wait(&epoll, &mut events[..], None).expect("events");
        for event in told {
            let at = event.data.u64();
            if at == LISTENER {
                accept_all(&listener, &epoll, &mut connections, |stream, _| {
                    Connection {
                        stream,
                        rest: Vec::new(),
                    }
                });
                continue;
            }
            let place = &mut connections[at as usize];
            let Some(connection) = place else { continue };
            let goes_on = (|| {
                if !connection.rest.is_empty() {
                    let count = connection.stream.write(&connection.rest)?;
                    connection.rest.drain(..count);
                    if connection.rest.is_empty() {
                        let data = EventData::new_u64(at);
                        epoll::modify(&epoll, &connection.stream, data, EventFlags::IN)?;
                    }
                    return Ok(true);
                }
                let got = connection.stream.read(&mut buf)?;
                let sent = match connection.stream.write(&buf[..got]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                    result => result?,
                };
                if sent < got {
                    connection.rest.extend_from_slice(&buf[sent..got]);
                    let data = EventData::new_u64(at);
                    epoll::modify(&epoll, &connection.stream, data, EventFlags::OUT)?;
                }
                io::Result::Ok(got > 0)
            })();
            if !matches!(goes_on, Ok(true)) {
                *place = None;
            }
        }
    }
}

/// The same, but all answers to what one wait has told are sent with one system call, by
/// io_uring. So each connection has a buffer of its own.
pub fn ring_loop<const SIZE: usize>(listener: TcpListener) {
    const EVENTS: usize = 64;
    let epoll = epoll_with(&listener);
    let mut ring: IoUring = IoUring::builder()
        .setup_submit_all()
        .setup_single_issuer()
        .build(EVENTS as u32)
        .expect("a ring");
    let mut connections: Vec<Option<Box<Buffered<SIZE>>>> = Vec::new();
    let mut events = vec![MaybeUninit::uninit(); EVENTS];
    let mut answers = Vec::new();
    loop {
        let (told, _) = epoll::wait(&epoll, &mut events[..], None).expect("events");
        for event in told {
            let at = event.data.u64();
            if at == LISTENER {
                accept_all(&listener, &epoll, &mut connections, |stream, at| {
                    Box::new(Buffered::new(stream, at))
                });
                continue;
            }
            let place = &mut connections[at as usize];
            let Some(connection) = place else { continue };
            if connection.receive() {
                answers.push(at);
            } else {
                *place = None;
            }
        }
        if answers.is_empty() {
            continue;
        }
        if let [at] = answers[..] {
            // One operation is cheaper without the ring.
            let place = &mut connections[at as usize];
            let connection = place.as_mut().expect("it has received");
            let rest = connection.rest.clone();
            let result = connection.stream.write(&connection.buf[rest]);
            has_sent(place, result, &epoll);
        } else {
            for &at in &answers {
                let place = connections[at as usize].as_mut();
                let connection = place.expect("it has received");
                let rest = &connection.buf[connection.rest.clone()];
                let fd = Fd(connection.stream.as_raw_fd());
                let entry = opcode::Send::new(fd, rest.as_ptr(), rest.len() as u32)
                    .flags(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
                    .build()
                    .user_data(at);
                // SAFETY: the buffer stays where it is until the operation is done, below.
                unsafe { ring.submission().push(&entry) }.expect("room");
            }
            ring.submit_and_wait(answers.len()).expect("a batch");
            for completion in ring.completion() {
                let result = match usize::try_from(completion.result()) {
                    Ok(count) => Ok(count),
                    Err(_) => Err(io::Error::from_raw_os_error(-completion.result())),
                };
                let place = &mut connections[completion.user_data() as usize];
                has_sent(place, result, &epoll);
            }
        }
        answers.clear();
    }
}

fn has_sent<const SIZE: usize>(
    place: &mut Option<Box<Buffered<SIZE>>>,
    result: io::Result<usize>,
    epoll: &OwnedFd,
) {
    let connection = place.as_mut().expect("it has received");
    if connection.has_sent(result, epoll).is_err() {
        *place = None;
    }
}

/// One of `ring_loop`.
struct Buffered<const SIZE: usize> {
    stream: TcpStream,
    at: u64,
    buf: [u8; SIZE],
    /// What is to be sent.
    rest: Range<usize>,
    waits_for_room: bool,
}

impl<const SIZE: usize> Buffered<SIZE> {
    fn new(stream: TcpStream, at: u64) -> Self {
        Buffered {
            stream,
            at,
            buf: [0; SIZE],
            rest: 0..0,
            waits_for_room: false,
        }
    }

    /// Whether there is something to be sent; if not, it has ended.
    fn receive(&mut self) -> bool {
        if self.rest.is_empty() {
            self.rest = 0..self.stream.read(&mut self.buf).unwrap_or(0);
        }
        !self.rest.is_empty()
    }

    fn has_sent(&mut self, result: io::Result<usize>, epoll: &OwnedFd) -> io::Result<()> {
        self.rest.start += match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            result => result?,
        };
        let waits_for_room = !self.rest.is_empty();
        if waits_for_room != self.waits_for_room {
            self.waits_for_room = waits_for_room;
            let flags = if waits_for_room {
                EventFlags::OUT
            } else {
                EventFlags::IN
            };
            epoll::modify(epoll, &self.stream, EventData::new_u64(self.at), flags)?;
        }
        Ok(())
    }
}
