//! Stackful coroutines: ten thousand things that wait at once, in plain,
//! blocking-style code, on one thread, without `async` in every signature.
//!
//! ```
//! use corobin::{gather, run, sleep, spawn};
//! use std::time::Duration;
//!
//! fn greet(name: &str, delay: u64) -> String {
//!     println!("{name} waits for {delay} ms");
//!     sleep(Duration::from_millis(delay)); // only this coroutine waits
//!     println!("{name} is done");
//!     format!("hello from {name}")
//! }
//!
//! let greetings = run(|| {
//!     let slow = spawn(|| greet("slow", 20));
//!     let fast = spawn(|| greet("fast", 10));
//!     gather([slow, fast]).unwrap()
//! });
//! assert_eq!(greetings, ["hello from slow", "hello from fast"]);
//! ```
//!
//! prints
//!
//! ```text
//! slow waits for 20 ms
//! fast waits for 10 ms
//! fast is done
//! slow is done
//! ```
//!
//! # The idea, in layers
//!
//! - A **generator** is a function on a stack of its own that can be left at any
//!   call depth and entered again: [`Generator`].
//! - A **coroutine** is a generator that yields *why it stops*: [`spawn()`].
//! - The **scheduler** is a loop that takes the next coroutine off a first-in,
//!   first-out ready queue and resumes it: [`run`].
//! - Timers, joins, threads and futures are only ways to put a coroutine back on
//!   that queue: [`sleep`], [`JoinHandle::join`], [`to_thread()`],
//!   [`block_on()`].
//!
//! # What to know
//!
//! - One thread runs one runtime, and nothing in it needs to be `Send`: coroutines
//!   share `Rc`, `Cell` and `&` freely.
//! - Only a call documented as a *suspension point* can switch. Between two of
//!   them no other coroutine runs, so no lock is needed there; [`sync`] has some
//!   for where one is, and channels. Every suspension point first raises a pending
//!   cancel or expiry.
//! - A coroutine that computes for long, or blocks its thread, holds up all
//!   others: call [`yield_now`] now and then, or move the work
//!   [`to_thread`](to_thread()).
//! - [Cancelling](JoinHandle::cancel) and [timeouts](timeout()) unwind, so that
//!   destructors run. Code that catches panics should raise what [`is_cancel`]
//!   tells it to.
//! - What coroutines borrow is kept alive for them: a [`scope`](scope()), a
//!   [`timeout`](timeout()) or a [`to_thread`](to_thread()) is never left before
//!   those that borrow from it have ended.
//!
//! # Limits
//!
//! - Linux only. Before 6.13 a guard costs a mapping, and a process may have
//!   `vm.max_map_count` of them: some 32 000 coroutines. The error says so.
//! - `panic = "unwind"` is needed; with `abort` the build fails and says why.
//! - A coroutine that computes for long or blocks the thread holds up all others.
//! - A parked coroutine takes at least one page, ten times as much as a small future.
//! - A panic in a destructor that runs during unwinding aborts, as everywhere in
//!   Rust; a cancel is such an unwinding. So does unwinding out of an
//!   `extern "C"` frame: put a [`shield`] around a callback that suspends.
//! - Cancelling a coroutine poisons a [`std::sync::Mutex`] that it holds.
//! - A suspending initialiser of [`std::sync::OnceLock`] or
//!   [`std::sync::LazyLock`] hangs the loop if a second coroutine asks for it; use
//!   [`sync::OnceCell`].
//! - In the destructor of a thread-local (also one that `process::exit` runs in a
//!   coroutine) do not resume, close or drop a suspended generator, and do not
//!   suspend: frames on those stacks may use thread-locals that are gone. corobin
//!   leaks such a generator where it notices.
//! - A stack that overflows ends the process, with a message that says whose it
//!   was and how to make it larger: every stack has a guard.
//! - The switch is our own assembly on x86-64 and corosensei's elsewhere; aarch64
//!   compiles, has no backtraces of suspended stacks, and was run on no real machine.
//!
//! # Features
//!
//! All off by default.
//!
//! - `tokio`: `tokio::io::AsyncRead` and `AsyncWrite`.
//! - `futures-io`: `futures_io::AsyncRead` and `AsyncWrite`.
//! - `hyper`: `hyper::rt::Read` and `Write`, and the module `hyper` with an executor and a
//!   timer.
//! - `ureq`: the module `ureq`, a blocking HTTP(S) client that blocks only its coroutine.
//!
//! The traits are for [`net::TcpStream`], [`net::UnixStream`] and their halves;
//! [`block_on()`] runs the futures, and only its coroutine waits. Such a read or write
//!
//! - raises no cancel; [`block_on()`] does;
//! - ignores `set_read_timeout`, `set_write_timeout` and `set_nonblocking`;
//! - never waits: where it would have to, a helper coroutine waits for the socket and then
//!   calls the waker. The helper waits even if the future is gone, until the stream is ready or
//!   dropped; meanwhile no deadlock is reported. Once the main coroutine has ended there are no helpers:
//!   what a shield or a destructor still polls waits in place;
//! - panics outside of a runtime if it would have to wait.
//!
//! # Logging
//!
//! Through the [`log`] facade, targets `corobin::…`. A logger can name the coroutine
//! that logs by [`try_current`]; `examples/hang.rs` does so with `env_logger`.
//!
//! # When something is wrong
//!
//! - It hangs: press Ctrl-\\, or send SIGQUIT: a [`Snapshot`] of all coroutines, with
//!   backtraces, goes to stderr. If nothing can ever happen any more, the run ends with
//!   such a snapshot by itself ([`RunError::Deadlock`]).
//! - It is slow: set `COROBIN_DEBUG=1`, see [`RuntimeBuilder::debug`].
//! - Its stack overflows: the last message says whose, and how to make it larger.
//! - Numbers for a monitor: [`metrics`].

#![warn(missing_docs)]
#![deny(unsafe_code)]
#![warn(clippy::undocumented_unsafe_blocks)]

#[cfg(not(panic = "unwind"))]
compile_error!(
    "corobin cancels coroutines by unwinding them: build with panic = \"unwind\" (remove \
     `panic = \"abort\"` from the profile)"
);

mod block_on;
mod bridges;
mod clock;
#[allow(unsafe_code)]
mod coroutine;
#[allow(unsafe_code)]
mod cpu;
mod debug;
#[allow(unsafe_code)]
mod frames;
pub mod fs;
mod gather;
#[allow(unsafe_code)]
mod generator;
pub mod guide;
mod handle;
mod inbox;
pub mod io;
mod json;
mod local;
mod metrics;
pub mod net;
#[allow(unsafe_code)]
mod overflow;
#[allow(unsafe_code)]
mod panic_count;
mod probe;
pub mod process;
mod race;
mod reactor;
#[allow(unsafe_code)]
mod ready;
mod runtime;
mod scheduler;
#[allow(unsafe_code)]
mod scope;
#[allow(unsafe_code)]
mod sigaction;
pub mod signal;
#[allow(unsafe_code)]
mod sigquit;
mod snapshot;
mod spawn;
#[allow(unsafe_code)]
mod stack;
#[allow(unsafe_code)]
mod stack_trace;
mod suspend;
pub mod sync;
#[allow(unsafe_code)]
mod task;
mod testing;
mod thread_pool;
mod time;
mod timeout;
mod timers;
#[allow(unsafe_code)]
mod to_thread;
mod trace;
mod unwind;
#[allow(unsafe_code)]
mod wait_queue;
mod whole;
mod workers;

pub use block_on::block_on;
#[cfg(feature = "hyper")]
pub use bridges::hyper;
#[cfg(feature = "ureq")]
pub use bridges::ureq;
pub use gather::{AsCompleted, as_completed, gather, gather_results};
pub use generator::{Generator, GeneratorState, Yielder};
pub use handle::{Handle, RemoteJoinHandle, handle};
pub use local::{AccessError, CoroutineLocal};
pub use metrics::Metrics;
pub use race::{Arm, Arms, race};
pub use reactor::IoBackend;
pub use runtime::{RunError, Runtime, RuntimeBuilder, metrics, run, snapshot};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use snapshot::{CoroutineInfo, CoroutineState, Snapshot};
pub use spawn::{Builder, JoinHandle, current, spawn, try_current};
pub use suspend::{park, yield_now};
pub use task::{Coroutine, Id, JoinError};
pub use testing::explore;
pub use time::{Interval, interval, now, park_timeout, sleep, sleep_until};
pub use timeout::{Elapsed, shield, timeout, timeout_at};
pub use to_thread::to_thread;
pub use unwind::is_cancel;
pub use workers::Workers;

/// The code in the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
