//! Traits of other crates for the streams, each with a feature of its own name; hyper's
//! executor and timer.
//!
//! The I/O traits are one idea under three names: [`Polled`](crate::net::Polled) does the
//! work, and the macros here pass it on.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tokio")]
mod tokio;

/// Calls `$reads` for each type that reads, and `$writes` for each that writes.
macro_rules! for_streams {
    ($reads:ident, $writes:ident) => {
        $reads!($crate::net::TcpStream);
        $reads!($crate::net::UnixStream);
        $reads!($crate::net::ReadHalf<$crate::net::TcpStream>);
        $reads!($crate::net::ReadHalf<$crate::net::UnixStream>);
        $writes!($crate::net::TcpStream);
        $writes!($crate::net::UnixStream);
        $writes!($crate::net::WriteHalf<$crate::net::TcpStream>);
        $writes!($crate::net::WriteHalf<$crate::net::UnixStream>);
    };
}

use for_streams;
