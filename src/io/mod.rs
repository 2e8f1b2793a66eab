//! Descriptors of any kind: [`Async`] makes one wait for only its coroutine.

mod adapter;
mod registration;
mod ring;

pub use adapter::Async;
pub(crate) use registration::{Limits, Registration, Waiting};
