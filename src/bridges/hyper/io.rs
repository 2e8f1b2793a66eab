//! `hyper::rt::Read` and `Write`.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use rustix::net::{RecvFlags, recv};

use crate::bridges::for_streams;
use crate::net::Polled;
use crate::reactor::Direction;

/// What one read takes. hyper begins with a buffer of that size.
const MOST: usize = 8 << 10;

/// hyper's memory may be uninitialised, and is lent only to unsafe code. So the bytes come
/// to our stack first.
fn read(
    stream: &impl Polled,
    context: &mut Context<'_>,
    mut buf: ReadBufCursor<'_>,
) -> Poll<io::Result<()>> {
    let most = buf.remaining().min(MOST);
    if most == 0 {
        return Poll::Ready(Ok(()));
    }
    let attempt = |fd: BorrowedFd<'_>| {
        let mut room = [MaybeUninit::<u8>::uninit(); MOST];
        let ((bytes, _), _) = recv(fd, &mut room[..most], RecvFlags::DONTWAIT)?;
        buf.put_slice(bytes);
        Ok(bytes.len())
    };
    ready!(stream.poll(Direction::Read, context, most, attempt))?;
    Poll::Ready(Ok(()))
}

macro_rules! reads {
    ($type:ty) => {
        impl Read for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                read(&*self, context, buf)
            }
        }
    };
}

macro_rules! writes {
    ($type:ty) => {
        impl Write for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Polled::poll_write(&*self, context, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Polled::poll_write_vectored(&*self, context, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Polled::poll_shutdown(&*self)
            }
        }
    };
}

for_streams!(reads, writes);
