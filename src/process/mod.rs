//! Child processes: [`std::process`] that blocks only its coroutine.
//!
//! Names, signatures and errors are those of std, so that `use corobin::process`
//! in place of `use std::process` is the whole change; what need not wait, such as
//! [`Stdio`], [`ExitStatus`] and [`exit`], is std's own.
//!
//! A child's end is waited for through a descriptor of the process (a pidfd), so
//! there is no handler for `SIGCHLD` that others could be in the way of, and
//! nobody is reaped who is not a child of this module. Where the kernel gives no
//! such descriptor, a thread of the runtime's pool waits.
//!
//! **A cancelled wait loses nothing, and a cancel kills nobody**: the child goes
//! on. Kill it with [`Child::kill`] if that is meant:
//!
//! ```
//! use corobin::process::Command;
//! use std::time::Duration;
//!
//! corobin::run(|| {
//!     let mut child = Command::new("sleep").arg("60").spawn()?;
//!     if corobin::timeout(Duration::from_millis(10), || child.wait()).is_err() {
//!         child.kill()?;
//!     }
//!     assert!(!child.wait()?.success());
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! In asyncio these are `create_subprocess_exec` and `Process`.

mod child;
mod command;
mod exit;
mod orphans;
mod pipes;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
pub use std::process::{
    CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio, Termination, abort, exit, id,
};
