//! A TCP connection that belongs to no runtime, as ureq keeps it.
//!
//! What waits in a runtime is not `Send`; ureq's connections are. So each operation is tried
//! first, and only while it waits is the socket known to a reactor: that of the coroutine that
//! waits. An idle connection is a plain socket.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ::ureq::Error;
use ::ureq::config::Config;
use ::ureq::unversioned::transport::{
    Buffers, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::io::{Async, Limits, SharedLimits, Waiting};
use crate::reactor::Direction;
use crate::scheduler;

pub(super) struct TcpTransport {
    /// Shared with the handle by which the agent shuts it down.
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
}

impl TcpTransport {
    pub(super) fn new(stream: TcpStream, config: &Config) -> TcpTransport {
        TcpTransport {
            stream: Arc::new(stream),
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        }
    }

    pub(super) fn shutdown_handle(&self) -> Weak<dyn ShutdownHandle> {
        let weak: Weak<TcpStream> = Arc::downgrade(&self.stream);
        weak
    }
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let stream = &*self.stream;
        let mut rest = &self.buffers.output()[..amount];
        run(stream, Direction::Write, timeout.for_write(), || {
            while !rest.is_empty() {
                let sent = send(stream, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
                rest = &rest[sent..];
            }
            Ok(())
        })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let stream = &*self.stream;
        let input = self.buffers.input_append_buf();
        if input.is_empty() {
            // The kernel would wait for data all the same.
            return Ok(false);
        }
        let (count, _) = run(stream, Direction::Read, timeout.for_read(), || {
            Ok(recv(stream, &mut *input, RecvFlags::DONTWAIT)?)
        })?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    /// ureq calls this with its pool locked, so it must not suspend.
    fn is_open(&mut self) -> bool {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        // Data that nobody has asked for are as bad as the end.
        matches!(recv(&self.stream, &mut [0], flags), Err(Errno::AGAIN))
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

/// How long an operation may take; `None` is for ever.
pub(super) fn limit(timeout: NextTimeout) -> Option<Duration> {
    (!timeout.after.is_not_happening()).then_some(*timeout.after)
}

/// Does `attempt` until it does not fail with `WouldBlock`. A suspension point.
///
/// # Errors
/// Its own; `Timeout`.
fn run<R>(
    stream: &TcpStream,
    direction: Direction,
    timeout: NextTimeout,
    attempt: impl FnMut() -> io::Result<R>,
) -> Result<R, Error> {
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    let limit = limit(timeout);
    let result = if scheduler::current().is_some() {
        let limits = SharedLimits::new();
        if limit.is_some() {
            let limits = limits.get_or_init(Rc::<Limits>::default);
            limits.read_timeout.set(limit);
            limits.write_timeout.set(limit);
        }
        let waiting = Waiting {
            direction,
            limits: Some(&limits),
            receive: None,
            at: Location::caller(),
        };
        // The reactor forgets the socket when this is dropped.
        let io = Async::new_nonblocking(stream);
        io.registration().run(stream.as_fd(), waiting, attempt)
    } else {
        block(stream, direction, limit, attempt)
    };
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    })
}

/// As [`run`], where there is only the thread to wait.
///
/// # Errors
/// Those of `attempt`; `WouldBlock` after the limit.
fn block<R>(
    stream: &TcpStream,
    direction: Direction,
    limit: Option<Duration>,
    mut attempt: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    let flags = match direction {
        Direction::Read => PollFlags::IN,
        Direction::Write => PollFlags::OUT,
    };
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => return result,
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(stream, flags)], left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
