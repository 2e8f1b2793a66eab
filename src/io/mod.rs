//! Descriptors of any kind: [`Async`] makes one wait for only its coroutine.

mod adapter;
mod registration;
mod ring;
mod stdin;
mod turns;

pub use adapter::Async;
pub(crate) use registration::{Limits, Registration, Waiting};
pub use stdin::{Stdin, StdinLock, stdin};
