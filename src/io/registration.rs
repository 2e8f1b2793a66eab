//! How an operation on a descriptor waits: try, and where that would block, let
//! the reactor tell when to try again.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::coroutine::Awaited;
use crate::reactor::{Direction, Source};
use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::time::Armed;

/// A descriptor's place in the reactor of the runtime that used it last; none
/// before its first wait.
#[derive(Default)]
pub(crate) struct Registration {
    source: RefCell<Option<Rc<Source>>>,
}

/// How one operation waits.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) direction: Direction,
    /// How long it may take; then it fails with `WouldBlock`, as in std.
    pub(crate) timeout: Option<Duration>,
    pub(crate) at: &'static Location<'static>,
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
        waiting: Waiting,
        mut attempt: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let scheduler = scheduler::current();
        if let Some(scheduler) = scheduler {
            suspend::begin_operation(scheduler);
        }
        let mut deadline = None;
        loop {
            if self.may_try(scheduler, waiting.direction) {
                let changes = self.changes(waiting.direction);
                match attempt() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.set_blocked(waiting.direction, changes);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    result => return result,
                }
            }
            let scheduler = expect(waiting.at);
            let deadline =
                deadline.get_or_insert_with(|| Deadline::new(scheduler, waiting.timeout));
            self.wait(scheduler, fd, waiting, deadline)?;
        }
    }

    /// Waits until an attempt is worth it, whatever is known from earlier ones.
    ///
    /// # Errors
    /// The reactor's.
    pub(crate) fn ready(&self, fd: BorrowedFd<'_>, waiting: Waiting) -> io::Result<()> {
        self.run(fd, waiting, || match poll_now(fd, waiting.direction)? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        })
    }

    /// Whether an attempt may succeed. Only the runtime that runs the caller
    /// keeps what is known up to date.
    #[inline(always)]
    fn may_try(&self, scheduler: Option<&Scheduler>, direction: Direction) -> bool {
        match (scheduler, &*self.source.borrow()) {
            (Some(scheduler), Some(source)) => {
                let poll = scheduler.reactor.made();
                source.is_ready(direction) || !poll.is_some_and(|poll| poll.knows(source))
            }
            _ => true,
        }
    }

    #[inline(always)]
    fn changes(&self, direction: Direction) -> u32 {
        let source = self.source.borrow();
        source
            .as_ref()
            .map_or(0, |source| source.changes(direction))
    }

    /// Changes that came while the attempt was made are not forgotten: the
    /// user's closure may have let other coroutines run.
    #[inline(always)]
    fn set_blocked(&self, direction: Direction, changes: u32) {
        if let Some(source) = &*self.source.borrow() {
            source.set_blocked(direction, changes);
        }
    }

    /// A try on a TCP stream moved less than it could have.
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
    fn wait(
        &self,
        scheduler: &Scheduler,
        fd: BorrowedFd<'_>,
        waiting: Waiting,
        deadline: &Deadline<'_>,
    ) -> io::Result<()> {
        let source = self.source(scheduler, fd)?;
        let what = Descriptor {
            number: fd.as_raw_fd(),
            direction: waiting.direction,
        };
        let _waits = scheduler.reactor.waits();
        let _enlisted = source.enlist(waiting.direction, scheduler.running());
        while !source.is_ready(waiting.direction) {
            if deadline.has_passed() {
                return Err(io::Error::from_raw_os_error(Errno::AGAIN.raw_os_error()));
            }
            suspend::park_on(scheduler, &what, waiting.at);
        }
        Ok(())
    }

    /// The source in the reactor of `scheduler`, made if need be.
    fn source(&self, scheduler: &Scheduler, fd: BorrowedFd<'_>) -> io::Result<Rc<Source>> {
        let poll = scheduler.reactor.poll(|bell| scheduler.inbox.hang(bell))?;
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

/// When an operation fails because it takes too long.
struct Deadline<'a> {
    /// None if it never does.
    timer: Option<Armed<'a>>,
}

impl<'a> Deadline<'a> {
    fn new(scheduler: &'a Scheduler, timeout: Option<Duration>) -> Deadline<'a> {
        let deadline = timeout.and_then(|timeout| scheduler.clock.after(timeout));
        let timer = deadline.map(|deadline| Armed {
            scheduler,
            key: scheduler.arm(deadline, scheduler.running()),
        });
        Deadline { timer }
    }

    fn has_passed(&self) -> bool {
        self.timer
            .as_ref()
            .is_some_and(|Armed { scheduler, key }| !scheduler.timers.borrow().is_armed(*key))
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
struct Descriptor {
    number: RawFd,
    direction: Direction,
}

impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.direction {
            Direction::Read => "read from",
            Direction::Write => "write to",
        };
        write!(f, "descriptor {} to {what}", self.number)
    }
}

impl Awaited for Descriptor {}
