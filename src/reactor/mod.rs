//! Who waits for which descriptor, and how the kernel is asked.
//!
//! A [`Reactor`] costs nothing before its first use: then it makes its backend.
//! [`Poll`] is told by the kernel when a descriptor may be tried again. The
//! layer above tries, waits and tries again; a look hands those back to the
//! scheduler who may go on.

mod poll;
mod source;

use std::cell::{Cell, OnceCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use crate::generator::raw::Raw;

pub(crate) use poll::Poll;
pub(crate) use source::{Direction, Source};

/// How the kernel is asked about descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IoBackend {
    /// The faster one that the kernel allows.
    #[default]
    Auto,
    /// Readiness: epoll(7).
    Poll,
    /// Completion: io_uring(7).
    IoUring,
}

pub(crate) struct Reactor {
    poll: OnceCell<Rc<Poll>>,
    /// Coroutines that wait for a descriptor.
    waiting: Cell<usize>,
}

impl Reactor {
    pub(crate) fn new() -> Reactor {
        Reactor {
            poll: OnceCell::new(),
            waiting: Cell::new(0),
        }
    }

    /// The backend. When it is made, `hang` gets a bell that ends a sleep.
    ///
    /// # Errors
    /// The system gives no descriptor for it.
    pub(crate) fn poll(&self, hang: impl FnOnce(OwnedFd)) -> io::Result<&Rc<Poll>> {
        if let Some(poll) = self.poll.get() {
            return Ok(poll);
        }
        let (poll, bell) = Poll::new()?;
        hang(bell);
        Ok(self.poll.get_or_init(|| Rc::new(poll)))
    }

    /// The backend, if it was made.
    #[inline(always)]
    pub(crate) fn made(&self) -> Option<&Rc<Poll>> {
        self.poll.get()
    }

    /// One more coroutine waits, until the guard is dropped.
    pub(crate) fn waits(&self) -> Waits<'_> {
        self.waiting.set(self.waiting.get() + 1);
        Waits(self)
    }

    /// Whether anybody waits.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Hands everybody to `wake` who may go on; sleeps for at most `timeout`
    /// until there is somebody, or the bell rings.
    pub(crate) fn look(&self, timeout: Option<Duration>, wake: impl FnMut(Raw)) {
        if let Some(poll) = self.poll.get() {
            poll.look(timeout, wake);
        }
    }
}

pub(crate) struct Waits<'a>(&'a Reactor);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}
