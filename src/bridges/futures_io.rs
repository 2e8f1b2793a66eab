//! `futures_io::AsyncRead` and `AsyncWrite`.

use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::futures_io::{AsyncRead, AsyncWrite};

use crate::net::Polled;

use super::streams::{for_readers, writers};

macro_rules! reads {
    ($type:ty) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Polled::poll_read(&*self, context, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                Polled::poll_read_vectored(&*self, context, bufs)
            }
        }
    };
}

for_readers!(reads);
writers!(AsyncWrite, poll_close, {});
