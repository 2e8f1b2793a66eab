//! Stackful coroutines.
#![warn(missing_docs)]

#[cfg(not(panic = "unwind"))]
compile_error!(
    "corobin cancels coroutines by unwinding them: build with panic = \"unwind\" (remove \
     `panic = \"abort\"` from the profile)"
);

mod block_on;
mod children;
mod clock;
mod coroutine;
mod cpu;
mod frames;
mod gather;
mod generator;
mod handle;
mod inbox;
mod local;
mod panic_count;
mod race;
mod ready;
mod runtime;
mod scheduler;
mod scope;
mod snapshot;
mod spawn;
mod stack;
mod suspend;
mod task;
mod testing;
mod thread_pool;
mod time;
mod timeout;
mod timers;
mod to_thread;
mod unwind;

pub use block_on::block_on;
pub use gather::{AsCompleted, as_completed, gather, gather_results};
pub use generator::{Generator, GeneratorState, Yielder};
pub use handle::{Handle, RemoteJoinHandle, handle};
pub use local::CoroutineLocal;
pub use race::{Arm, Arms, race};
pub use runtime::{IoBackend, RunError, Runtime, RuntimeBuilder, run};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use snapshot::{CoroutineInfo, Snapshot, snapshot};
pub use spawn::{Builder, JoinHandle, current, spawn};
pub use suspend::{park, yield_now};
pub use task::{Coroutine, Id, JoinError};
pub use testing::explore;
pub use time::{Interval, interval, now, sleep, sleep_until};
pub use timeout::{Elapsed, shield, timeout, timeout_at};
pub use to_thread::to_thread;
pub use unwind::is_cancel;
