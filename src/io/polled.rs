//! Operations of futures: tried at once, and never waited for by whoever polls.
//!
//! Where a try would block, a *companion* looks out: a coroutine that waits until another
//! try is worth it, and then calls the waker. Wakers are the user's code, so the reactor,
//! which runs on the scheduler's own stack, calls none. Each direction of a descriptor has
//! at most one companion; while that waits, later polls only leave their waker. It holds
//! nothing open, and is cancelled when the owner of the descriptor is dropped.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use crate::frames;
use crate::reactor::{Direction, Source};
use crate::scheduler::{self, Scheduler};
use crate::spawn::{JoinHandle, spawn};
use crate::suspend;
use crate::time::Deadline;
use crate::unwind::quietly;

use super::registration::descriptor;
use super::{Registration, Waiting};

/// Those of one descriptor; made when they are needed.
#[derive(Default)]
pub(super) struct Lookouts {
    read: OnceCell<Rc<Lookout>>,
    write: OnceCell<Rc<Lookout>>,
}

/// Who waits for one direction.
#[derive(Default)]
struct Lookout {
    /// Of the last poll that had to wait.
    waker: RefCell<Option<Waker>>,
    companion: RefCell<Option<JoinHandle<()>>>,
    /// Why the companion could not wait.
    error: Cell<Option<io::Error>>,
}

impl Lookouts {
    fn of(&self, direction: Direction) -> &OnceCell<Rc<Lookout>> {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// What kept a companion from its wait does not matter to who need not wait.
    fn forget_error(&self, direction: Direction) {
        if let Some(lookout) = self.of(direction).get() {
            drop(lookout.error.take());
        }
    }
}

impl Lookout {
    fn has_companion(&self) -> bool {
        self.companion.borrow().is_some()
    }

    fn leave(&self, waker: &Waker) {
        let is_known = |old: &Waker| old.will_wake(waker);
        if !self.waker.borrow().as_ref().is_some_and(is_known) {
            // Cloned and dropped while nothing is borrowed.
            let waker = waker.clone();
            drop(self.waker.replace(Some(waker)));
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if let Some(companion) = self.companion.get_mut() {
            companion.cancel();
        }
    }
}

impl Registration {
    /// Does `attempt`, unless it is known that it would block. Where it does, the waker is
    /// called when another poll is worth it.
    ///
    /// # Errors
    /// Those of `attempt`; the reactor's.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    pub(crate) fn poll<R>(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        context: &mut Context<'_>,
        mut attempt: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let scheduler = scheduler::current();
        loop {
            if self.may_try(scheduler, direction) {
                if scheduler.is_some_and(Scheduler::is_greedy) {
                    // The others have their turn before the next poll.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let changes = self.changes(direction);
                match attempt() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.set_blocked(direction, changes);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    result => {
                        self.lookouts.forget_error(direction);
                        return Poll::Ready(result);
                    }
                }
            }
            let scheduler = scheduler::needed(scheduler, "a poll of a socket that has to wait");
            if !scheduler.is_ending() {
                self.look_out(scheduler, fd, direction, context.waker())?;
                return Poll::Pending;
            }
            // A companion would be born cancelled. Whoever still waits is in a destructor
            // or a shield, and must wait here.
            let waiting = Waiting::unlimited(direction, Location::caller());
            self.wait(scheduler, fd, waiting, &Deadline::new(scheduler, None))?;
        }
    }

    /// Has the waker called when another try is worth it.
    ///
    /// # Errors
    /// What keeps the descriptor from being waited for.
    fn look_out(
        &self,
        scheduler: &Scheduler,
        fd: BorrowedFd<'_>,
        direction: Direction,
        waker: &Waker,
    ) -> io::Result<()> {
        let lookout = self.lookouts.of(direction).get_or_init(Rc::default);
        if let Some(error) = lookout.error.take() {
            return Err(error);
        }
        frames::staying(|| lookout.leave(waker));
        if lookout.has_companion() {
            return Ok(());
        }
        let backend = scheduler
            .reactor
            .backend(|bell| scheduler.inbox.hang(bell))?;
        let companion = Companion {
            lookout: Rc::downgrade(lookout),
            source: self.source(&backend.poll, fd)?,
            number: fd.as_raw_fd(),
            direction,
            has_begun: false,
        };
        let companion = spawn(move || companion.look_out());
        lookout.companion.replace(Some(companion));
        Ok(())
    }
}

/// Calls the waker when it is dropped: after its wait, or when it is cancelled with the
/// run, after which a poll waits itself.
struct Companion {
    /// Gone with the descriptor's owner.
    lookout: Weak<Lookout>,
    source: Rc<Source>,
    number: RawFd,
    direction: Direction,
    has_begun: bool,
}

impl Companion {
    fn look_out(mut self) {
        self.has_begun = true;
        let scheduler = scheduler::expect("a companion");
        let at = Location::caller();
        let what = descriptor(self.number, self.direction);
        let _waits = scheduler.reactor.waits();
        // Cancelled, it just ends: an unwinding would take longer.
        let waits =
            || !self.source.is_ready(self.direction) && suspend::park_or_due(scheduler, &what, at);
        let raw = scheduler.running();
        (self.source).while_enlisted(self.direction, raw, None, || while waits() {});
    }
}

/// Another one would not get a stack either.
fn no_companion() -> io::Error {
    let text = "no stack for the coroutine that waits for a descriptor";
    io::Error::new(io::ErrorKind::OutOfMemory, text)
}

impl Drop for Companion {
    fn drop(&mut self) {
        let Some(lookout) = self.lookout.upgrade() else {
            return;
        };
        // From here on a poll that has to wait needs another one.
        drop(lookout.companion.take());
        if !self.has_begun && !scheduler::current().is_none_or(Scheduler::is_ending) {
            lookout.error.set(Some(no_companion()));
        }
        let waker = lookout.waker.take();
        drop(lookout);
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }
}
