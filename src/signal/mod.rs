//! Signals from the system: Ctrl-C, a request to end, a child's change.
//!
//! [`ctrl_c`] waits for one Ctrl-C. [`Signals`] listens to any set of signals for
//! as long as it lives; every listener, on every runtime and thread, sees each
//! signal.
//!
//! **A signal does what it does by default again once nobody here listens to
//! it**: after `ctrl_c` has returned, the next Ctrl-C ends the process, so a
//! shutdown that hangs can be ended by a second one. A handler that was there
//! before is called first, and a signal that was ignored before is ignored again.
//! A signal that is under way when the last listener is dropped may be lost with
//! it, or do so too; one that was received never does.
//!
//! The signals that came are kept, in their order, up to some ten thousand that
//! nobody has received; the system itself may merge signals of a kind that come
//! while one is pending.
//!
//! In asyncio this is `loop.add_signal_handler`; std has nothing of the kind.

#[allow(unsafe_code)]
mod handler;

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::io::Async;

use handler::Listener;

pub use signal_hook::consts::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP,
    SIGTTIN, SIGTTOU, SIGURG, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH,
};

/// Waits for one Ctrl-C (`SIGINT`), which then does not end the process.
///
/// A suspension point. A cancelled call listens no longer, and neither does one
/// that has returned: the next Ctrl-C ends the process, if nobody else listens.
/// For several use a [`Signals`].
///
/// # Errors
/// The system gives no descriptor or no handler for it.
///
/// # Panics
/// Outside of a runtime.
///
/// ```no_run
/// corobin::run(|| {
///     let server = corobin::spawn(|| { /* accepts for ever */ });
///     corobin::signal::ctrl_c()?;
///     server.cancel();
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn ctrl_c() -> io::Result<()> {
    Signals::new([SIGINT])?.recv().map(drop)
}

/// Listens to a set of signals, from its making to its drop.
///
/// It is an endless iterator of their numbers; [`recv`](Self::recv) is the same
/// for a shared one. Coroutines that share a `Signals` share its signals; each
/// `Signals` has its own.
///
/// ```
/// use corobin::signal::{SIGUSR1, SIGUSR2, Signals};
///
/// corobin::run(|| {
///     let signals = Signals::new([SIGUSR1, SIGUSR2])?;
///     let own = std::process::id().to_string();
///     corobin::process::Command::new("kill").args(["-USR1", &own]).status()?;
///     assert_eq!(signals.recv()?, SIGUSR1);
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Signals {
    /// The numbers, a byte each.
    pipe: Async<OwnedFd>,
    listeners: Vec<Listener>,
    /// Also of one that listens to nothing: its pipe is empty, not at its end.
    _writer: Arc<OwnedFd>,
}

impl Signals {
    /// Listens from now on. Not a suspension point; no runtime is needed.
    ///
    /// # Errors
    /// `InvalidInput` for what is no signal or cannot be listened to (`SIGKILL`,
    /// `SIGSTOP`, and `SIGSEGV`, `SIGILL` and `SIGFPE`, whose handlers must not
    /// return); the system gives no descriptors.
    pub fn new<I>(signals: I) -> io::Result<Signals>
    where
        I: IntoIterator<Item: Borrow<i32>>,
    {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let writer = Arc::new(writer);
        let mut listeners: Vec<Listener> = Vec::new();
        for signal in signals {
            let signal = *signal.borrow();
            if listeners.iter().all(|listener| listener.signal() != signal) {
                listeners.push(Listener::new(signal, &writer)?);
            }
        }
        Ok(Signals {
            pipe: Async::new_nonblocking(reader),
            listeners,
            _writer: writer,
        })
    }

    /// Waits for a signal and gives its number; at once, if one has come since
    /// the last was received.
    ///
    /// A suspension point. A cancelled call takes no signal.
    ///
    /// # Errors
    /// The system gives no descriptor to wait with.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv(&self) -> io::Result<i32> {
        let mut signal = [0];
        self.pipe
            .read_with(|fd| Ok(rustix::io::read(fd, &mut signal)?))?;
        Ok(signal[0].into())
    }

    /// The next signal, if one has come. Not a suspension point.
    #[must_use]
    pub fn try_recv(&self) -> Option<i32> {
        let mut signal = [0];
        let read = rustix::io::read(&self.pipe, &mut signal);
        (read == Ok(1)).then(|| signal[0].into())
    }

    /// An iterator for a shared one.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self)
    }
}

/// Each step is [`Signals::recv`]; where that fails the iterator ends, with an
/// error in the log.
impl Iterator for Signals {
    type Item = i32;

    #[track_caller]
    fn next(&mut self) -> Option<i32> {
        self.iter().next()
    }
}

impl<'a> IntoIterator for &'a Signals {
    type Item = i32;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The signals that a [`Signals`] receives; see [`Signals::iter`].
#[derive(Debug)]
pub struct Iter<'a>(&'a Signals);

impl Iterator for Iter<'_> {
    type Item = i32;

    #[track_caller]
    fn next(&mut self) -> Option<i32> {
        self.0
            .recv()
            .inspect_err(|error| log::error!("signals cannot be received: {error}"))
            .ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signals: Vec<_> = self.listeners.iter().map(Listener::signal).collect();
        f.debug_tuple("Signals").field(&signals).finish()
    }
}
