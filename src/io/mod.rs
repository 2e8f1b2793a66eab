//! Standard input and output that block only their coroutine, and [`Async`], which
//! does the same for a descriptor of any kind.
//!
//! What std's `io` has that never blocks by itself (traits, buffers, errors) is here
//! under the same names, so that changing the `use` line is enough.

mod adapter;
mod output;
mod ownership;
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
mod polled;
mod registration;
#[allow(unsafe_code)]
mod ring;
mod stdin;
mod turns;

pub use adapter::Async;
pub use output::{Stderr, StderrLock, Stdout, StdoutLock, copy, stderr, stdout};
pub(crate) use registration::{Limits, Registration, SharedLimits, Waiting};
pub(crate) use ring::{send_begun, send_together};
#[doc(no_inline)]
pub use std::io::{
    BufRead, BufReader, BufWriter, Bytes, Chain, Cursor, Empty, Error, ErrorKind, IntoInnerError,
    IoSlice, IoSliceMut, IsTerminal, LineWriter, Lines, Read, Repeat, Result, Seek, SeekFrom, Sink,
    Split, Take, Write, WriterPanicked, empty, prelude, read_to_string, repeat, sink,
};
pub use stdin::{Stdin, StdinLock, stdin};
