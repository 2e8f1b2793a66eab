//! What the I/O traits have in common. They differ in their reads more than in their writes.

/// Calls `$reads` for each type that reads.
macro_rules! for_readers {
    ($reads:ident) => {
        $reads!($crate::net::TcpStream);
        $reads!($crate::net::UnixStream);
        $reads!($crate::net::ReadHalf<$crate::net::TcpStream>);
        $reads!($crate::net::ReadHalf<$crate::net::UnixStream>);
    };
}

/// Implements `$trait` for each type that writes; `$end` is what it calls the end of that,
/// `$more` are methods that only some of the traits have.
macro_rules! writers {
    ($trait:ident, $end:ident, $more:tt) => {
        writers!($trait, $end, $more, $crate::net::TcpStream);
        writers!($trait, $end, $more, $crate::net::UnixStream);
        writers!($trait, $end, $more, $crate::net::WriteHalf<$crate::net::TcpStream>);
        writers!($trait, $end, $more, $crate::net::WriteHalf<$crate::net::UnixStream>);
    };
    ($trait:ident, $end:ident, { $($more:tt)* }, $type:ty) => {
        impl $trait for $type {
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

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn $end(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Polled::poll_shutdown(&*self)
            }

            $($more)*
        }
    };
}

pub(super) use {for_readers, writers};
