//! `hyper::rt::Read` and `Write`.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use rustix::net::{RecvFlags, recv};

use crate::bridges::streams::{for_readers, writers};
use crate::net::Polled;
use crate::reactor::Direction;

/// What one read takes. hyper begins with a buffer of that size.
const MOST: usize = 8 << 10;

/// hyper's memory may be uninitialised, which safe code cannot lend to the kernel. So the bytes
/// come to our stack first.
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

for_readers!(reads);
writers!(Write, poll_shutdown, {
    fn is_write_vectored(&self) -> bool {
        true
    }
});
