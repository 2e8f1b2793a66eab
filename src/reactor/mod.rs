//! Who waits for which descriptor, and how the kernel is asked.
//!
//! A [`Reactor`] costs nothing before its first use: then it makes its backend.
//! The layer above tries, waits until [`Poll`] tells that another try is worth it, and tries
//! again. Through [`Uring`] a look makes the tries of many at once. A look hands those to the
//! scheduler who may go on.

#[allow(unsafe_code)]
mod operation;
mod poll;
mod source;
#[allow(unsafe_code)]
mod uring;

use std::cell::{Cell, OnceCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::frames;
use crate::generator::raw::Raw;

pub(crate) use operation::{Outcome, Receive, abort_in_operation, to_result};
pub(crate) use poll::Poll;
pub(crate) use source::{Direction, Source};
pub(crate) use uring::Uring;

/// How bytes are sent and received. Which descriptors are ready, epoll(7) tells with each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IoBackend {
    /// As [`IoUring`](IoBackend::IoUring) where the kernel allows it, else as
    /// [`Poll`](IoBackend::Poll); never an error. The ring is opened when a coroutine first sends
    /// beside others that are ready, or when data had come for several at once; what came of that
    /// is logged at debug level.
    #[default]
    Auto,
    /// Each send and each receive is a system call of its own.
    Poll,
    /// What coroutines that are ready together send is one system call, of io_uring(7), and so is
    /// what several receive who wait when their data come; from Linux 6.0 on. That is `write` and
    /// `write_all` of streams, and `send` of datagram sockets, `read` and `recv`; not
    /// vectored ones, those with an address, `peek`, what futures read and write, or sockets
    /// that are set non-blocking.
    ///
    /// An echo server takes 0.83 to 0.9 of the CPU that it takes with [`Poll`](IoBackend::Poll) at 100
    /// connections or more, and as much at one (`BENCHMARKS.md` in the
    /// repository). A send that shares a call waits for one turn of the others. A cancel or timeout
    /// does not cut that short: what was sent is returned, and the cancel is met at the next
    /// suspension point. One that comes after data were received for a coroutine, and before its turn,
    /// is met there too.
    ///
    /// Containers often forbid io_uring; then [`build`](crate::RuntimeBuilder::build) fails. A
    /// thread keeps one ring, of about 8 KiB and a descriptor, until its end.
    IoUring,
}

/// The longest sleep; the loop looks again then. Beyond 24 days epoll would need epoll_pwait2(2),
/// which came with Linux 5.11.
const LONGEST: Duration = Duration::from_hours(24);

pub(crate) struct Reactor {
    wanted: IoBackend,
    backend: OnceCell<Backend>,
    /// Coroutines that wait for a descriptor.
    waiting: Cell<usize>,
    has_more: Cell<bool>,
}

pub(crate) struct Backend {
    pub(crate) poll: Rc<Poll>,
    /// What sends in batches, if that is wanted.
    pub(crate) uring: Option<Uring>,
}

/// Whether the kernel lets us have this backend.
///
/// # Errors
/// It does not.
pub(crate) fn try_out(backend: IoBackend) -> io::Result<()> {
    match backend {
        IoBackend::Auto | IoBackend::Poll => Ok(()),
        IoBackend::IoUring => opened().map(drop).map_err(|error| {
            let text = format!("IoBackend::IoUring needs io_uring of Linux 6.0: {error}");
            io::Error::new(error.kind(), text)
        }),
    }
}

/// A ring that is there.
///
/// # Errors
/// As [`Uring::open`].
fn opened() -> io::Result<Uring> {
    let uring = Uring::default();
    uring.open()?;
    Ok(uring)
}

/// An eventfd(2).
fn bell() -> io::Result<Arc<OwnedFd>> {
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    Ok(Arc::new(bell))
}

impl Reactor {
    pub(crate) fn new(wanted: IoBackend) -> Reactor {
        Reactor {
            wanted,
            backend: OnceCell::new(),
            waiting: Cell::new(0),
            has_more: Cell::new(false),
        }
    }

    /// The backend. When it is made, `hang` gets a bell that ends a sleep.
    ///
    /// # Errors
    /// The system gives no descriptor for it.
    #[inline]
    pub(crate) fn backend(&self, hang: impl FnOnce(Arc<OwnedFd>)) -> io::Result<&Backend> {
        match self.backend.get() {
            Some(backend) => Ok(backend),
            None => self.make(hang),
        }
    }

    #[cold]
    fn make(&self, hang: impl FnOnce(Arc<OwnedFd>)) -> io::Result<&Backend> {
        let bell = bell()?;
        let uring = match self.wanted {
            // Opened by the first who is not alone.
            IoBackend::Auto => Some(Uring::default()),
            IoBackend::Poll => None,
            IoBackend::IoUring => Some(opened()?),
        };
        let poll = Rc::new(Poll::new(&bell)?);
        hang(bell);
        let backend = self.backend.get_or_init(|| Backend { poll, uring });
        // A logger may use descriptors itself: it finds the backend made.
        let wanted = self.wanted;
        frames::staying(|| log::debug!("descriptors are awaited with epoll ({wanted:?})"));
        Ok(backend)
    }

    /// The backend, if it was made.
    #[inline(always)]
    pub(crate) fn made(&self) -> Option<&Backend> {
        self.backend.get()
    }

    /// One more coroutine waits, until the guard is dropped.
    pub(crate) fn waits(&self) -> Waits<'_> {
        self.waiting.set(self.waiting.get() + 1);
        Waits(self)
    }

    /// How many wait.
    pub(crate) fn awaited(&self) -> usize {
        self.waiting.get()
    }

    /// Whether anybody waits.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Hands those to `wake` who may go on; sleeps for at most `timeout` until there is
    /// somebody, or the bell rings.
    pub(crate) fn look(&self, timeout: Option<Duration>, mut wake: impl FnMut(Raw)) {
        let Some(backend) = self.backend.get() else {
            return;
        };
        let mut timeout = timeout.map(|timeout| timeout.min(LONGEST));
        let uring = backend.uring.as_ref();
        if let Some(uring) = uring
            && !uring.is_idle()
        {
            if uring.submit(&mut wake) {
                uring.begin_pause();
            }
            timeout = Some(Duration::ZERO);
        }
        let has_more = backend.poll.look(timeout, |source, news, count| {
            // One receive is cheaper without the ring.
            let is_started =
                news.to_read && count > 1 && uring.is_some_and(|uring| uring.receive(source));
            if news.to_read && !is_started {
                source.wake_all(Direction::Read, &mut wake);
            }
            if news.to_write {
                source.wake_all(Direction::Write, &mut wake);
            }
        });
        self.has_more.set(has_more);
        if let Some(uring) = uring
            && !uring.is_idle()
        {
            uring.submit(&mut wake);
        }
    }

    /// Whether the last look may have left somebody who may go on.
    pub(crate) fn has_more(&self) -> bool {
        self.has_more.get()
    }
}

/// Whether what has failed so may do better: an interruption and a shortage pass, so the loop
/// looks again. Anything else will fail again, as when a seccomp(2) filter refuses the call, or
/// somebody has closed our descriptor.
#[cold]
fn passes(error: Errno) -> bool {
    const PASSES: [Errno; 4] = [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::NOMEM];
    PASSES.contains(&error)
}

pub(crate) struct Waits<'a>(&'a Reactor);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}
