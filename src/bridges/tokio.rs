//! `tokio::io::AsyncRead` and `AsyncWrite`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::Polled;

use super::streams::{for_readers, writers};

macro_rules! reads {
    ($type:ty) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let count = ready!(Polled::poll_read(
                    &*self,
                    context,
                    buf.initialize_unfilled()
                ))?;
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
        }
    };
}

for_readers!(reads);
writers!(AsyncWrite, poll_shutdown, {
    fn is_write_vectored(&self) -> bool {
        true
    }
});
