//! How an operation on a descriptor waits: try, and where that would block, let
//! the reactor tell when to try again.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::coroutine::Awaited;
use crate::reactor::{Direction, Outcome, Poll, Receive, Source};
use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::time::Deadline;

use super::ring;

/// A descriptor's place in the reactor of the runtime that used it last; none
/// before its first wait.
#[derive(Default)]
pub(crate) struct Registration {
    source: RefCell<Option<Rc<Source>>>,
    /// Who waits through futures.
    #[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
    pub(super) lookouts: super::polled::Lookouts,
}

/// How one operation waits.
#[derive(Clone, Copy)]
pub(crate) struct Waiting<'a> {
    pub(crate) direction: Direction,
    pub(crate) limits: Option<&'a SharedLimits>,
    /// What a look may receive meanwhile.
    pub(crate) receive: Option<&'a Receive<'a>>,
    pub(crate) at: &'static Location<'static>,
}

/// How long operations may wait. As in std, one that may not wait any longer
/// fails with `WouldBlock`, and duplicates of a descriptor share their limits.
#[derive(Default)]
pub(crate) struct Limits {
    pub(crate) read_timeout: Cell<Option<Duration>>,
    pub(crate) write_timeout: Cell<Option<Duration>>,
    /// They never wait.
    pub(crate) nonblocking: Cell<bool>,
}

/// Made when a limit is set, or a duplicate made that shares them: which may be during a wait.
pub(crate) type SharedLimits = OnceCell<Rc<Limits>>;

impl Waiting<'_> {
    pub(super) fn unlimited(direction: Direction, at: &'static Location<'static>) -> Self {
        Waiting {
            direction,
            limits: None,
            receive: None,
            at,
        }
    }

    fn limits(&self) -> Option<&Limits> {
        Some(self.limits?.get()?)
    }

    pub(super) fn never(&self) -> bool {
        self.limits().is_some_and(|limits| limits.nonblocking.get())
    }

    /// Where the result comes of what a look has started.
    #[inline(always)]
    fn started(&self) -> Option<&Outcome> {
        self.receive?.started()
    }

    fn timeout(&self) -> Option<Duration> {
        let limits = self.limits()?;
        match self.direction {
            Direction::Read => limits.read_timeout.get(),
            Direction::Write => limits.write_timeout.get(),
        }
    }
}

impl Registration {
    /// Does `attempt` until it has not failed with `WouldBlock` or been
    /// interrupted.
    ///
    /// # Errors
    /// Its own; `WouldBlock` after the timeout.
    #[inline]
    pub(crate) fn run<R>(
        &self,
        fd: BorrowedFd<'_>,
        waiting: Waiting<'_>,
        mut attempt: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        suspend::begin_operation();
        let mut deadline = None;
        loop {
            // Read anew each time: an attempt that yields out of a generator may end in
            // another run, or in none.
            let scheduler = scheduler::current();
            if self.may_try(scheduler, waiting.direction)
                || waiting.started().is_some()
                || waiting.never()
            {
                let changes = self.changes(waiting.direction);
                match attempt() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.set_blocked(waiting.direction, changes);
                        if waiting.never() {
                            return Err(error);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    result => return result,
                }
            }
            let scheduler = expect(waiting.at);
            let deadline =
                deadline.get_or_insert_with(|| Deadline::new(scheduler, waiting.timeout()));
            self.wait(scheduler, fd, waiting, deadline)?;
        }
    }

    /// Waits until an attempt is worth it, whatever is known from earlier ones.
    ///
    /// # Errors
    /// The reactor's.
    pub(crate) fn ready(&self, fd: BorrowedFd<'_>, waiting: Waiting<'_>) -> io::Result<()> {
        self.run(fd, waiting, || match poll_now(fd, waiting.direction)? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        })
    }

    /// Whether an attempt may succeed. Only the runtime that runs the caller
    /// keeps what is known up to date.
    #[inline(always)]
    pub(super) fn may_try(&self, scheduler: Option<&Scheduler>, direction: Direction) -> bool {
        match (scheduler, &*self.source.borrow()) {
            (Some(scheduler), Some(source)) => {
                source.is_ready(direction)
                    || !scheduler
                        .reactor
                        .made()
                        .is_some_and(|made| made.poll.knows(source))
            }
            _ => true,
        }
    }

    #[inline(always)]
    pub(super) fn changes(&self, direction: Direction) -> u32 {
        let source = self.source.borrow();
        source
            .as_ref()
            .map_or(0, |source| source.changes(direction))
    }

    /// Changes that came while the attempt was made are not forgotten: the
    /// user's closure may have let other coroutines run.
    #[inline(always)]
    pub(super) fn set_blocked(&self, direction: Direction, changes: u32) {
        if let Some(source) = &*self.source.borrow() {
            source.set_blocked(direction, changes);
        }
    }

    /// A try on a TCP stream moved less than it could have. Only if no look was made since, which
    /// might have told of more.
    #[inline(always)]
    pub(crate) fn set_exhausted(&self, direction: Direction) {
        if let Some(source) = &*self.source.borrow() {
            source.set_exhausted(direction);
        }
    }

    /// Parks until there is news.
    ///
    /// # Errors
    /// `WouldBlock` after the deadline; what keeps the descriptor from being
    /// registered.
    pub(super) fn wait(
        &self,
        scheduler: &Scheduler,
        fd: BorrowedFd<'_>,
        waiting: Waiting<'_>,
        deadline: &Deadline<'_>,
    ) -> io::Result<()> {
        let backend = scheduler
            .reactor
            .backend(|bell| scheduler.inbox.hang(bell))?;
        let source = self.source(&backend.poll, fd)?;
        if let Some(uring) = &backend.uring
            && waiting.receive.is_some()
            && uring.is_wanted()
        {
            ring::open(uring);
            // The logger may have suspended, so nothing known from before counts.
            return Ok(());
        }
        let what = descriptor(fd.as_raw_fd(), waiting.direction);
        let _waits = scheduler.reactor.waits();
        let raw = scheduler.running();
        let for_news = || {
            loop {
                if let Some(outcome) = waiting.started() {
                    // Not there yet if the kernel was short of memory.
                    let result = ring::park_until_done(scheduler, outcome, fd, waiting);
                    return Ok(result == -libc::EINTR);
                }
                if source.is_ready(waiting.direction) {
                    return Ok(false);
                }
                if deadline.has_passed() {
                    return Err(Errno::AGAIN);
                }
                if !suspend::park_or_due(scheduler, &what, waiting.at)
                    && waiting.started().is_none()
                {
                    suspend::raise_due(scheduler);
                }
            }
        };
        let is_interrupted =
            source.while_enlisted(waiting.direction, raw, waiting.receive, for_news)?;
        scheduler.fetch_next();
        if is_interrupted && let Some(uring) = &backend.uring {
            ring::tell_refusal(uring);
        }
        Ok(())
    }

    /// The source in the reactor of the running runtime, made if need be.
    pub(super) fn source(&self, poll: &Rc<Poll>, fd: BorrowedFd<'_>) -> io::Result<Rc<Source>> {
        if let Some(source) = &*self.source.borrow()
            && poll.knows(source)
        {
            return Ok(Rc::clone(source));
        }
        let source = poll.register(fd)?;
        let former = self.source.replace(Some(Rc::clone(&source)));
        if let Some(former) = former {
            former.deregister(fd);
        }
        Ok(source)
    }

    /// After the socket was shut down for writing: wakes who waits for room, of which some kinds of
    /// sockets make no news. Only those who wait through this registration.
    pub(crate) fn writes_ended(&self) {
        let Some(scheduler) = scheduler::current() else {
            return;
        };
        if let Some(backend) = scheduler.reactor.made()
            && let Some(source) = &*self.source.borrow()
            && backend.poll.knows(source)
        {
            source.news(Direction::Write, true, &mut |raw| scheduler.wake(raw));
        }
    }

    /// Forgets the descriptor, which is still open.
    pub(crate) fn end(&mut self, fd: BorrowedFd<'_>) {
        if let Some(source) = self.source.get_mut().take() {
            source.deregister(fd);
        }
    }
}

/// The scheduler, for an operation that has to wait.
fn expect<'a>(at: &'static Location<'static>) -> &'a Scheduler {
    match scheduler::current() {
        Some(scheduler) => scheduler,
        None => panic!(
            "an operation on a descriptor would have to wait, at {at}: that needs a runtime; call \
             it inside corobin::run or Runtime::run"
        ),
    }
}

/// Asks the kernel whether an attempt would not block.
fn poll_now(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    let flags = match direction {
        Direction::Read => PollFlags::IN | PollFlags::PRI | PollFlags::RDHUP,
        Direction::Write => PollFlags::OUT,
    };
    let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
    Ok(rustix::event::poll(&mut fds, Some(&Timespec::default()))? > 0)
}

/// What a coroutine waits for.
pub(super) fn descriptor(number: RawFd, direction: Direction) -> impl Awaited {
    fmt::from_fn(move |f| {
        let what = match direction {
            Direction::Read => "read from",
            Direction::Write => "write to",
        };
        write!(f, "descriptor {number} to {what}")
    })
}
