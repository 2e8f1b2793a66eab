//! Programs that talk to each other: channels, `select!` and locks.

pub mod corobin;
pub mod may;
pub mod threads;
pub mod tokio;

/// Items that the channel of `stream` holds.
pub const CAPACITY: usize = 64;
