//! The load: each active connection sends a message, waits for its echo, and sends
//! the next.

use std::io::{ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

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

struct Connection {
    stream: TcpStream,
    /// Bytes of the present message that were sent, and that came back.
    sent: usize,
    got: usize,
    since: Instant,
}

pub fn run(address: SocketAddr, load: Load, seconds: f64, cpu: impl Fn() -> f64) -> Outcome {
    let connect = || {
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        stream.set_nodelay(true).expect("an option");
        stream
    };
    let _idle: Vec<TcpStream> = (0..load.idle).map(|_| connect()).collect();
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let mut connections: Vec<Connection> = (0..load.active)
        .map(|at| {
            let stream = connect();
            stream.set_nonblocking(true).expect("an option");
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&epoll, &stream, EventData::new_u64(at as u64), flags).expect("room");
            Connection {
                stream,
                sent: 0,
                got: 0,
                since: Instant::now(),
            }
        })
        .collect();

    let message = vec![b'x'; load.size];
    let mut buf = vec![0; load.size];
    let mut events = vec![MaybeUninit::uninit(); 1024];
    let mut turn = |until: Instant, times: &mut Vec<u32>| {
        let mut messages = 0u64;
        while Instant::now() < until {
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: 10_000_000,
            };
            let (told, _) = epoll::wait(&epoll, &mut events[..], Some(&wait)).expect("events");
            for event in told {
                let connection = &mut connections[event.data.u64() as usize];
                messages += connection.go_on(&message, &mut buf, times);
            }
        }
        messages
    };
    let mut times = Vec::with_capacity(1 << 20);
    let begin = Instant::now();
    turn(begin + Duration::from_secs_f64(0.3 * seconds), &mut times);
    times.clear();
    let (begin, before) = (Instant::now(), cpu());
    let messages = turn(begin + Duration::from_secs_f64(seconds), &mut times) as f64;
    let (elapsed, spent) = (begin.elapsed().as_secs_f64(), cpu() - before);
    times.sort_unstable();
    let quantile = |part: f64| match times.len() {
        0 => f64::NAN,
        count => f64::from(times[(part * (count - 1) as f64) as usize]) / 1e9,
    };
    Outcome {
        cpu: spent / messages,
        rate: messages / elapsed,
        p50: quantile(0.5),
        p99: quantile(0.99),
    }
}

impl Connection {
    /// Sends and receives what it can; returns how many answers are complete.
    fn go_on(&mut self, message: &[u8], buf: &mut [u8], times: &mut Vec<u32>) -> u64 {
        let mut complete = 0;
        loop {
            let mut moved = false;
            if self.sent < message.len() {
                if self.sent == 0 {
                    self.since = Instant::now();
                }
                if let Some(count) = count(self.stream.write(&message[self.sent..])) {
                    self.sent += count;
                    moved = true;
                }
                if self.sent == message.len() && moved && message.len() <= 64 {
                    // The answer cannot be there yet.
                    return complete;
                }
            }
            if self.got < self.sent
                && let Some(count) = count(self.stream.read(buf))
            {
                self.got += count;
                moved = true;
            }
            if self.got == message.len() {
                let nanos = self.since.elapsed().as_nanos();
                times.push(nanos.try_into().unwrap_or(u32::MAX));
                (self.sent, self.got) = (0, 0);
                complete += 1;
            }
            if !moved {
                return complete;
            }
        }
    }
}

fn count(result: std::io::Result<usize>) -> Option<usize> {
    match result {
        Ok(0) => panic!("the server has closed a connection"),
        Ok(count) => Some(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}
