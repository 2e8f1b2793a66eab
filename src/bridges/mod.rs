//! Bridges to other crates, each behind a feature with the name of its crate.
//!
//! The I/O traits of tokio, futures-io and hyper are one idea under three names:
//! [`Polled`](crate::net::Polled) does the work, and the macros here pass it on.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "ureq")]
pub mod ureq;

/// Calls `$reads` for each type that reads, and `$writes` for each that writes.
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
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

#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
use for_streams;
