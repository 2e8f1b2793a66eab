//! Bridges to other crates, each behind a feature with the name of its crate.
//!
//! The I/O traits of tokio, futures-io and hyper are one idea under three names:
//! [`Polled`](crate::net::Polled) does the work, and the macros in `streams` pass it on.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
pub mod hyper;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
mod streams;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "ureq")]
pub mod ureq;
