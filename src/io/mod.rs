//! Descriptors of any kind: [`Async`] makes one wait for only its coroutine.

mod adapter;
mod registration;

pub use adapter::Async;
pub(crate) use registration::{Registration, Waiting};
