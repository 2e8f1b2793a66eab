//! Numbers about a run.

use std::time::Duration;

/// Numbers about a run, for a monitor to poll; see [`metrics`](crate::metrics).
///
/// What counts up never goes down during a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Coroutines that have not ended.
    pub live: usize,
    /// Those of them that are in the ready queue.
    pub ready: usize,
    /// Those of them that wait.
    pub parked: usize,
    /// Coroutines that were ever spawned, the main one included. Counts up.
    pub spawned: u64,
    /// Steps: a coroutine ran from one suspension point to the next. Counts up.
    pub steps: u64,
    /// The longest step so far, in debug mode or while a trace is written. Otherwise
    /// nobody reads the clock that often.
    pub longest_step: Option<Duration>,
    /// Coroutines that became ready because of something outside: a timer, a thread,
    /// a descriptor. Counts up.
    pub woken_from_outside: u64,
    /// Stacks that the run holds, in use and idle.
    pub stacks: usize,
    /// The address space of these, without guards, in bytes.
    pub stack_bytes_mapped: usize,
    /// The memory of these, in bytes; estimated from some of them where there are more
    /// than 64.
    pub stack_bytes_resident: usize,
}
