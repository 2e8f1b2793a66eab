//! Descriptors of any kind: [`Async`] makes one wait for only its coroutine.

mod adapter;
mod output;
mod registration;
mod ring;
mod stdin;
mod turns;

pub use adapter::Async;
pub use output::{Stderr, Stdout, copy, stderr, stdout};
pub(crate) use registration::{Limits, Registration, Waiting};
pub use stdin::{Stdin, StdinLock, stdin};
