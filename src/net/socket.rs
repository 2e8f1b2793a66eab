//! What all sockets share: a socket of std in an [`Async`], and its limits.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags,
    SocketType, recv, recvmsg, send, sendmsg, socket_with,
};

use crate::io::{Async, Limits, SharedLimits, Waiting, send_begun, send_together};
use crate::reactor::{Direction, Receive, to_result};
use crate::scheduler;
use crate::suspend;
use crate::time::{now, sleep};

pub(super) type At = &'static Location<'static>;

pub(super) struct Socket<T: AsFd> {
    io: Async<T>,
    limits: SharedLimits,
}

impl<T: AsFd> Socket<T> {
    /// Of a socket that is non-blocking already.
    pub(super) fn new(io: T) -> Socket<T> {
        Socket {
            io: Async::new_nonblocking(io),
            limits: SharedLimits::new(),
        }
    }

    /// Of a socket of std, made non-blocking.
    ///
    /// # Errors
    /// That fails.
    pub(super) fn from_std(io: T) -> io::Result<Socket<T>> {
        ioctl_fionbio(&io, true)?;
        Ok(Socket::new(io))
    }

    /// A socket of std, blocking unless the user has asked for the contrary.
    pub(super) fn into_std(self) -> T {
        let io = self.io.into_inner();
        let limits = self.limits.get();
        let nonblocking = limits.is_some_and(|limits| limits.nonblocking.get());
        // No socket refuses this.
        let _ = ioctl_fionbio(&io, nonblocking);
        io
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// Those of `duplicate`.
    pub(super) fn try_clone(
        &self,
        duplicate: impl FnOnce(&T) -> io::Result<T>,
    ) -> io::Result<Socket<T>> {
        self.limits();
        Ok(Socket {
            io: Async::new_nonblocking(duplicate(self.get())?),
            limits: self.limits.clone(),
        })
    }

    #[inline]
    pub(super) fn get(&self) -> &T {
        self.io.get_ref()
    }

    /// Makes them, if need be.
    pub(super) fn limits(&self) -> &Limits {
        self.limits.get_or_init(Rc::default)
    }

    /// Shuts the socket down with `shutdown`, after what other coroutines have begun to send, and
    /// wakes those who wait to send more.
    ///
    /// # Errors
    /// Those of `shutdown`.
    pub(super) fn shut_down(
        &self,
        how: Shutdown,
        shutdown: impl FnOnce(&T, Shutdown) -> io::Result<()>,
    ) -> io::Result<()> {
        let ends_writes = how != Shutdown::Read;
        if ends_writes {
            send_begun();
        }
        shutdown(self.get(), how)?;
        if ends_writes {
            self.io.registration().writes_ended();
        }
        Ok(())
    }

    fn waiting(&self, direction: Direction, at: At) -> Waiting<'_> {
        Waiting {
            direction,
            limits: Some(&self.limits),
            receive: None,
            at,
        }
    }

    /// Does `read` until it need not wait for data.
    ///
    /// # Errors
    /// Its own; `WouldBlock` after the timeout.
    pub(super) fn read_with<R>(
        &self,
        at: At,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let waiting = self.waiting(Direction::Read, at);
        let io = self.get();
        self.io.registration().run(io.as_fd(), waiting, || read(io))
    }

    /// Does `write` until it need not wait for room.
    ///
    /// # Errors
    /// Its own; `WouldBlock` after the timeout.
    pub(super) fn write_with<R>(
        &self,
        at: At,
        mut write: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let waiting = self.waiting(Direction::Write, at);
        let io = self.get();
        self.io
            .registration()
            .run(io.as_fd(), waiting, || write(io))
    }

    /// Does `attempt`, if it need not wait; see [`Registration::poll`](crate::io::Registration::poll).
    #[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
    pub(super) fn poll<R>(
        &self,
        direction: Direction,
        context: &mut std::task::Context<'_>,
        mut attempt: impl FnMut(std::os::fd::BorrowedFd<'_>) -> io::Result<R>,
    ) -> std::task::Poll<io::Result<R>> {
        let fd = self.get().as_fd();
        let registration = self.io.registration();
        registration.poll(fd, direction, context, || attempt(fd))
    }

    /// As `read_with`, for what reads bytes of a TCP stream into room for
    /// `wanted`: where it gets less there is no more.
    ///
    /// Only TCP promises that. Other streams end a read early where a message
    /// with descriptors or another sender begins.
    ///
    /// # Errors
    /// As `read_with`.
    pub(super) fn read_stream(
        &self,
        at: At,
        wanted: usize,
        read: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = self.read_with(at, read)?;
        self.has_read(count, wanted);
        Ok(count)
    }

    #[inline]
    pub(super) fn has_read(&self, count: usize, wanted: usize) {
        if 0 < count && count < wanted {
            self.io.registration().set_exhausted(Direction::Read);
        }
    }

    /// As `write_with`, for what writes `offered` bytes to a TCP stream: where it
    /// writes less there is no more room.
    ///
    /// # Errors
    /// As `write_with`.
    pub(super) fn write_stream(
        &self,
        at: At,
        offered: usize,
        write: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = self.write_with(at, write)?;
        self.has_written(count, offered);
        Ok(count)
    }

    #[inline]
    pub(super) fn has_written(&self, count: usize, offered: usize) {
        if count < offered {
            self.io.registration().set_exhausted(Direction::Write);
        }
    }

    /// Receives from a TCP stream.
    ///
    /// # Errors
    /// As recv(2).
    #[inline]
    pub(super) fn receive_stream(&self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = buf.len();
        let receive = Receive::new(buf, true);
        self.receive_and(at, &receive, |count| self.has_read(count, wanted))
    }

    /// Sends to a TCP stream.
    ///
    /// # Errors
    /// As send(2).
    #[inline]
    pub(super) fn send_stream(&self, at: At, buf: &[u8]) -> io::Result<usize> {
        self.send_and(at, buf, |count| self.has_written(count, buf.len()))
    }

    /// Receives from any socket.
    ///
    /// # Errors
    /// As recv(2).
    #[inline]
    pub(super) fn receive(&self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        self.receive_and(at, &Receive::new(buf, false), |_| {})
    }

    /// `received` is told right after a system call how much that has received.
    #[inline]
    fn receive_and(
        &self,
        at: At,
        receive: &Receive<'_>,
        received: impl Fn(usize),
    ) -> io::Result<usize> {
        let waiting = Waiting {
            receive: Some(receive),
            ..self.waiting(Direction::Read, at)
        };
        let fd = self.get().as_fd();
        self.io.registration().run(fd, waiting, || {
            // After a look that found nothing there may be something by now.
            if let Some(result) = receive.take_result()
                && result != -libc::EAGAIN
            {
                return to_result(result);
            }
            let count = receive.now(fd)?;
            received(count);
            Ok(count)
        })
    }

    /// As `receive`, but what is received stays in the queue.
    ///
    /// # Errors
    /// As recv(2).
    pub(super) fn peek(&self, at: At, buf: &mut [u8]) -> io::Result<usize> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        self.read_with(at, |io| Ok(recv(io, &mut *buf, flags)?.0))
    }

    /// Sends to any socket that has a peer.
    ///
    /// # Errors
    /// As send(2).
    #[inline]
    pub(super) fn send(&self, at: At, buf: &[u8]) -> io::Result<usize> {
        self.send_and(at, buf, |_| {})
    }

    /// As `send`; `sent` is told right after a system call how much that has sent.
    #[inline]
    fn send_and(&self, at: At, buf: &[u8], sent: impl Fn(usize)) -> io::Result<usize> {
        let waiting = self.waiting(Direction::Write, at);
        self.write_with(at, |io| {
            match send_together(io.as_fd(), waiting, buf) {
                // No room then; but there may be by now, or an end, of which nobody was told.
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A short one says nothing about now: a look was made since.
                Some(result) => return result,
                None => {}
            }
            let count = send(io, buf, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
            sent(count);
            Ok(count)
        })
    }

    /// Waits until a connect(2) that is under way has ended.
    ///
    /// # Errors
    /// Its own; `TimedOut` after `timeout`.
    pub(super) fn connected(
        &self,
        at: At,
        timeout: Option<Duration>,
        outcome: impl Fn(&T) -> io::Result<Option<io::Error>>,
        has_peer: impl Fn(&T) -> bool,
    ) -> io::Result<()> {
        if timeout.is_some() {
            self.limits().write_timeout.set(timeout);
        }
        let mut error = None;
        let result = self.write_with(at, |io| {
            error = outcome(io)?;
            if error.is_some() || has_peer(io) {
                Ok(())
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            }
        });
        if timeout.is_some() {
            self.limits().write_timeout.set(None);
        }
        match (error, result) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "connection timed out",
            )),
            (None, result) => result,
        }
    }
}

/// Does `write` until it need not wait for room at another socket, of which the
/// kernel does not tell: it tries again after a pause.
///
/// # Errors
/// Its own; `WouldBlock` after the timeout.
///
/// # Panics
/// If it has to wait outside of a runtime.
#[track_caller]
pub(super) fn write_with_pauses<R>(
    limits: &Limits,
    mut write: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    const LONGEST: Duration = Duration::from_millis(10);
    let begin = now();
    let mut pause = Duration::from_millis(1);
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let timeout = limits.write_timeout.get();
                let is_late = timeout.is_some_and(|timeout| now() - begin >= timeout);
                if is_late || limits.nonblocking.get() {
                    return Err(error);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
        scheduler::expect("waiting for room at a socket");
        sleep(pause);
        pause = LONGEST.min(2 * pause);
    }
}

/// A read of a stream that has no room. The kernel would wait for data, and the
/// caller for ever, if he is the one who has to ask for them first.
#[cold]
#[track_caller]
pub(super) fn read_nothing() -> io::Result<usize> {
    suspend::begin_operation();
    Ok(0)
}

/// The most buffers that one call takes (`IOV_MAX`, `readv(2)`).
const BUFFERS: usize = 1024;

/// Room in all buffers together that one call is given.
pub(super) fn total<B: std::ops::Deref<Target = [u8]>>(bufs: &[B]) -> usize {
    bufs.iter().take(BUFFERS).map(|buf| buf.len()).sum()
}

/// As `readv(2)`, but it never waits, also where a duplicate was made blocking.
///
/// # Errors
/// As recvmsg(2).
pub(super) fn read_slices(io: impl AsFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let bufs = match bufs.split_at_mut_checked(BUFFERS) {
        Some((first, _)) => first,
        None => bufs,
    };
    let mut no_control = RecvAncillaryBuffer::default();
    Ok(recvmsg(io, bufs, &mut no_control, RecvFlags::DONTWAIT)?.bytes)
}

/// As `writev(2)`, but it never waits, also where a duplicate was made blocking.
///
/// # Errors
/// As sendmsg(2).
pub(super) fn write_slices(io: impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    if bufs.iter().all(|buf| buf.is_empty()) {
        return Ok(0);
    }
    let bufs = &bufs[..bufs.len().min(BUFFERS)];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(sendmsg(
        io,
        bufs,
        &mut SendAncillaryBuffer::default(),
        flags,
    )?)
}

/// With these flags sockets are made and accepted.
pub(super) const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// A new descriptor of a socket for addresses like this one.
///
/// # Errors
/// As socket(2).
pub(super) fn open(address: &SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    Ok(socket_with(family, kind, FLAGS, None)?)
}

/// The socket of a descriptor that was made with [`FLAGS`].
pub(super) fn nonblocking<T: AsFd + From<OwnedFd>>(fd: OwnedFd) -> Socket<T> {
    Socket::new(T::from(fd))
}
