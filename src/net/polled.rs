//! Reads and writes of streams for futures.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::reactor::Direction;

use super::socket::{read_slices, total, write_slices};
use super::split::{ReadHalf, Stream, WriteHalf};
use super::tcp::TcpStream;
use super::unix::UnixStream;

/// A stream that futures read from and write to. Timeouts and the like are for those
/// who block: they do not count here.
#[allow(dead_code, reason = "no feature uses all of it")]
pub(crate) trait Polled {
    /// Moves up to `most` bytes with `attempt`, which never waits. Where that would block,
    /// the waker is called when another poll is worth it.
    fn poll(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        most: usize,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>>;

    /// Ends the direction that writes.
    fn poll_shutdown(&self) -> Poll<io::Result<()>>;

    fn poll_read(&self, context: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll(Direction::Read, context, buf.len(), |fd| {
            Ok(recv(fd, &mut *buf, RecvFlags::DONTWAIT)?.0)
        })
    }

    fn poll_read_vectored(
        &self,
        context: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let most = total(bufs);
        if most == 0 {
            return Poll::Ready(Ok(0));
        }
        self.poll(Direction::Read, context, most, |fd| read_slices(fd, bufs))
    }

    fn poll_write(&self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(Direction::Write, context, buf.len(), |fd| {
            Ok(send(fd, buf, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?)
        })
    }

    fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(Direction::Write, context, total(bufs), |fd| {
            write_slices(fd, bufs)
        })
    }
}

/// A peer that is gone already needs no end.
fn end(result: io::Result<()>) -> Poll<io::Result<()>> {
    Poll::Ready(match result {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    })
}

impl Polled for TcpStream {
    fn poll(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        most: usize,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.socket.poll(direction, context, attempt))?;
        match direction {
            Direction::Read => self.socket.has_read(count, most),
            Direction::Write => self.socket.has_written(count, most),
        }
        Poll::Ready(Ok(count))
    }

    fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        end(self.shutdown(Shutdown::Write))
    }
}

impl Polled for UnixStream {
    fn poll(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
        _most: usize,
        attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll(direction, context, attempt)
    }

    fn poll_shutdown(&self) -> Poll<io::Result<()>> {
        end(self.shutdown(Shutdown::Write))
    }
}

/// The halves are as their stream.
macro_rules! half {
    ($half:ident) => {
        impl<S: Stream + Polled> Polled for $half<S> {
            fn poll(
                &self,
                direction: Direction,
                context: &mut Context<'_>,
                most: usize,
                attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
            ) -> Poll<io::Result<usize>> {
                self.stream().poll(direction, context, most, attempt)
            }

            fn poll_shutdown(&self) -> Poll<io::Result<()>> {
                self.stream().poll_shutdown()
            }
        }
    };
}

half!(ReadHalf);
half!(WriteHalf);
