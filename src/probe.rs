//! Hooks: who is told what a run does.
//!
//! A run has no probe, usually. Then a yield pays nothing for them: the loop has one
//! way of making a step for each case, chosen when the run begins. A spawn, a wake and
//! an end test one word.
//!
//! With a probe, every step goes through the loop: no coroutine goes on without a
//! switch after a yield with nobody else ready, and none starts right where another
//! has ended.

use std::cell::Cell;
use std::panic::Location;
use std::time::Duration;

use crate::coroutine::Wait;
use crate::task::{End, Id, Task};

/// Is told of all that happens in one run; dropped at its end.
pub(crate) trait Probe {
    /// `at` is the time since the run began: the system's, and under virtual time
    /// the jumps of that on top.
    ///
    /// Called on the loop's stack, and for what a coroutine itself does also on its
    /// own, which may be small. It must not suspend, nor run code of the
    /// user's (a logger is such), nor wake or spawn.
    fn saw(&self, at: Duration, event: &Event<'_>);
}

/// What happens in a run.
pub(crate) enum Event<'a> {
    /// A new coroutine is at the back of the ready queue.
    Spawned { who: &'a Task, by: Cause },
    /// The head of the queue, which has left it, is resumed; `ready` others wait
    /// there.
    StepBegins { who: &'a Task, ready: usize },
    /// It is back in the loop.
    StepEnds { who: &'a Task, stop: Stopped<'a> },
    /// A parked coroutine is at the back of the ready queue again; `interrupted`
    /// if what it waits for has not happened, but it is to unwind.
    Woken {
        who: &'a Task,
        by: Cause,
        interrupted: bool,
    },
    /// A coroutine has ended. Its step goes on, if it has one.
    Ended { who: &'a Task, how: End },
    /// A coroutine has caught a cancel and gone on, and meets it again.
    CancelSwallowed { who: &'a Task },
    /// A coroutine has panicked with this text, and nobody wants to know.
    Unjoined { who: &'a Task, text: &'a str },
    /// A time has come that somebody sleeps to, or that a timeout ends at.
    TimerFired { who: &'a Task, expires: bool },
    /// Nobody is ready: the thread sleeps.
    Sleeps,
    /// It sleeps no more.
    Awakes,
    /// Nobody is ready, and nothing outside can change that.
    Deadlock,
}

/// Why a step has ended.
#[derive(Clone, Copy)]
pub(crate) enum Stopped<'a> {
    /// It is at the back of the ready queue; where it yielded, if that is known.
    Yielded(Option<&'static Location<'static>>),
    /// Somebody must wake it.
    Parked(&'a Wait<'a>),
    /// It has not begun: there was no stack for it.
    NoStack,
    /// It has ended.
    Ended,
}

/// Who puts a coroutine on the ready queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The loop itself: at the beginning and at the end of a run.
    Loop,
    /// The coroutine that runs.
    Coroutine(Id),
    Timer,
    /// A descriptor that is ready.
    Descriptor,
    /// Another thread.
    Thread,
}

/// The probes of a run.
pub(crate) struct Probes {
    list: Vec<Box<dyn Probe>>,
    cause: Cell<Cause>,
}

impl Probes {
    pub(crate) fn new(list: Vec<Box<dyn Probe>>) -> Probes {
        let cause = Cell::new(Cause::Loop);
        Probes { list, cause }
    }

    /// There are none.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Who acts now.
    pub(crate) fn cause(&self) -> Cause {
        self.cause.get()
    }

    /// Says who acts from now on, and gives who did before.
    pub(crate) fn set_cause(&self, cause: Cause) -> Cause {
        self.cause.replace(cause)
    }

    pub(crate) fn saw(&self, at: Duration, event: &Event<'_>) {
        for probe in &self.list {
            probe.saw(at, event);
        }
    }
}
