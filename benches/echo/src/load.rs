//! The load: each active connection sends a message, waits for its echo, and sends
//! the next.
//!
//! It is as light as can be: a server that is faster than its load finds fewer messages at each look,
//! and spends the time that it saves on more looks. So all that is to be sent goes with one system
//! call, by io_uring, and what is received is counted and dropped without a copy.

use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{IoUring, opcode};
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

#[derive(Clone, Copy)]
pub struct Load {
    pub active: usize,
    pub idle: usize,
    pub size: usize,
}

#[derive(Clone, Copy)]
pub struct Outcome {
    /// Seconds of the server's processor time for a message.
    pub cpu: f64,
    /// Messages a second.
    pub rate: f64,
    /// Seconds from question to answer, for half of them, and for 99 %.
    pub p50: f64,
    pub p99: f64,
}

pub fn run(address: SocketAddr, load: Load, seconds: f64, cpu: impl Fn() -> f64) -> Outcome {
    let _idle: Vec<TcpStream> = (0..load.idle).map(|_| connect(address)).collect();
    let mut client = Client::new(address, load);
    let begin = Instant::now();
    client.run(begin + Duration::from_secs_f64(0.3 * seconds));
    client.times.clear();
    let (begin, before) = (Instant::now(), cpu());
    client.run(begin + Duration::from_secs_f64(seconds));
    let (elapsed, spent) = (begin.elapsed().as_secs_f64(), cpu() - before);
    let times = &mut client.times;
    times.sort_unstable();
    let quantile = |part: f64| match times.len() {
        0 => f64::NAN,
        count => f64::from(times[(part * (count - 1) as f64) as usize]) / 1e9,
    };
    Outcome {
        cpu: spent / times.len() as f64,
        rate: times.len() as f64 / elapsed,
        p50: quantile(0.5),
        p99: quantile(0.99),
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    stream.set_nodelay(true).expect("an option");
    stream
}

const EVENTS: usize = 1024;

struct Client {
    epoll: OwnedFd,
    ring: IoUring,
    connections: Vec<Connection>,
    /// Which of them have something to send.
    senders: Vec<usize>,
    message: Vec<u8>,
    /// Nothing is written there.
    dropped: Vec<u8>,
    events: Vec<MaybeUninit<Event>>,
    /// Nanoseconds that each answer took.
    times: Vec<u32>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the present message that were sent, and that came back.
    sent: usize,
    got: usize,
    since: Instant,
}

impl Client {
    fn new(address: SocketAddr, load: Load) -> Client {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let connection = |at| {
            let stream = connect(address);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&epoll, &stream, EventData::new_u64(at as u64), flags).expect("room");
            Connection {
                stream,
                sent: 0,
                got: 0,
                since: Instant::now(),
            }
        };
        let connections = (0..load.active).map(connection).collect();
        Client {
            epoll,
            ring: IoUring::builder()
                .setup_submit_all()
                .setup_single_issuer()
                .build(EVENTS as u32)
                .expect("a ring"),
            connections,
            senders: (0..load.active).collect(),
            message: vec![b'x'; load.size],
            dropped: vec![0; load.size],
            events: vec![MaybeUninit::uninit(); EVENTS],
            times: Vec::with_capacity(1 << 20),
        }
    }

    fn run(&mut self, until: Instant) {
        while Instant::now() < until {
            self.send();
            self.receive();
        }
    }

    fn send(&mut self) {
        for batch in self.senders.chunks(EVENTS) {
            for &at in batch {
                let connection = &mut self.connections[at];
                if connection.sent == 0 {
                    connection.since = Instant::now();
                }
                let rest = &self.message[connection.sent..];
                let fd = Fd(connection.stream.as_raw_fd());
                let entry = opcode::Send::new(fd, rest.as_ptr(), rest.len() as u32)
                    .flags(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
                    .build()
                    .user_data(at as u64);
                // SAFETY: the message stays where it is, and is sent when the call below returns.
                unsafe { self.ring.submission().push(&entry) }.expect("room");
            }
            self.ring.submit_and_wait(batch.len()).expect("a batch");
            for completion in self.ring.completion() {
                let connection = &mut self.connections[completion.user_data() as usize];
                connection.sent += match usize::try_from(completion.result()) {
                    Ok(count) => count,
                    Err(_) if completion.result() == -libc::EAGAIN => 0,
                    Err(_) => panic!("send: error {}", -completion.result()),
                };
            }
        }
        self.senders.clear();
    }

    fn receive(&mut self) {
        const PAUSE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        let told = match epoll::wait(&self.epoll, &mut self.events[..], Some(&PAUSE)) {
            Ok((told, _)) => told,
            // The kernel may still take the ring before this one apart.
            Err(Errno::INTR) => return,
            Err(error) => panic!("epoll_wait: {error}"),
        };
        for event in told {
            let (flags, at) = (event.flags, event.data.u64() as usize);
            let connection = &mut self.connections[at];
            if flags.contains(EventFlags::IN) {
                let how = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
                connection.got += match recv(&connection.stream, &mut self.dropped[..], how) {
                    Ok((_, 0)) => panic!("the server has closed a connection"),
                    Ok((_, count)) => count,
                    Err(Errno::AGAIN) => 0,
                    Err(error) => panic!("recv: {error}"),
                };
            }
            if connection.got == self.message.len() {
                let nanos = connection.since.elapsed().as_nanos();
                self.times.push(nanos.try_into().unwrap_or(u32::MAX));
                (connection.sent, connection.got) = (0, 0);
            }
            if connection.sent < self.message.len() {
                self.senders.push(at);
            }
        }
    }
}
