//! Places: the right to enter a coroutine, and the ways there.

use std::cell::Cell;
use std::ptr::NonNull;

use super::{TO_ANOTHER, switch};
use crate::cpu::prefetch;
use crate::generator::raw::Raw;
use crate::stack::LINE;
use crate::task::{Task, TaskRef};

/// A place in the ready queue: the right to start or resume one coroutine, which
/// only one place has at a time.
#[must_use]
pub(crate) struct Ready {
    who: NonNull<()>,
    /// The frame that it left; 0 for one that has not started.
    frame: Cell<usize>,
}

/// Where a coroutine goes when it is left: the loop, or another coroutine.
#[must_use]
pub(crate) struct To(pub(super) usize);

/// Where the loop waits while a coroutine runs.
#[derive(Default)]
pub(crate) struct Loop(Cell<usize>);

/// A place of nobody, for slots of the queue that nothing was ever put to.
impl Default for Ready {
    fn default() -> Ready {
        Ready {
            who: NonNull::dangling(),
            frame: Cell::new(0),
        }
    }
}

impl Ready {
    #[inline(always)]
    pub(super) fn suspended(raw: Raw, frame: usize) -> Ready {
        Ready {
            who: raw.into_address(),
            frame: Cell::new(frame),
        }
    }

    /// Makes this the place of the running coroutine, which is about to leave. Gives where
    /// its frame is written when it does; until then nobody may ask anything of the place.
    #[inline(always)]
    pub(crate) fn set_leaving(&mut self, raw: Raw) -> *mut usize {
        self.who = raw.into_address();
        self.frame.as_ptr()
    }

    /// Where it was left.
    pub(super) fn frame(&self) -> usize {
        self.frame.get()
    }

    /// A place for a task that has not started.
    #[inline(always)]
    pub(crate) fn new(task: TaskRef) -> Ready {
        Ready {
            who: task.into_address(),
            frame: Cell::new(0),
        }
    }

    #[inline(always)]
    pub(crate) fn has_started(&self) -> bool {
        self.frame.get() != 0
    }

    /// The task, if it has not started.
    #[inline(always)]
    pub(crate) fn new_task(&self) -> Option<&Task> {
        // SAFETY: a new place owns the reference.
        (!self.has_started()).then(|| unsafe { TaskRef::peek(self.who) })
    }

    /// Takes the task out of a new place.
    #[inline(always)]
    pub(crate) fn into_new_task(self) -> Option<TaskRef> {
        // SAFETY: a new place owns the reference, and ends here.
        (!self.has_started()).then(|| unsafe { TaskRef::from_address(self.who) })
    }

    /// One more reference to the task.
    pub(crate) fn task_ref(&self) -> TaskRef {
        match self.stack() {
            Some(raw) => raw.task_ref(),
            // SAFETY: a new place owns a reference.
            None => unsafe { TaskRef::another(self.who.cast()) },
        }
    }

    /// The stack of one that has started.
    #[inline(always)]
    pub(crate) fn stack(&self) -> Option<Raw> {
        // SAFETY: `suspended` or `set_leaving` made it from a stack.
        self.has_started()
            .then(|| unsafe { Raw::from_address(self.who) })
    }

    /// Asks the cache for what a step will touch.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        match self.has_started() {
            true => self.prefetch_frame(),
            false => prefetch(self.who.addr().get()),
        }
    }

    /// Asks the cache for what the switch has saved.
    #[inline(always)]
    pub(crate) fn prefetch_frame(&self) {
        prefetch(self.frame.get());
    }

    /// Asks the cache for the seat.
    #[inline(always)]
    pub(crate) fn prefetch_seat(&self) {
        prefetch(self.who.addr().get() + LINE);
    }

    /// Asks the cache for the first locals above.
    #[inline(always)]
    pub(crate) fn prefetch_locals(&self) {
        prefetch(self.frame.get().wrapping_add(LINE));
    }

    /// Asks the cache for the frames above these.
    #[inline(always)]
    pub(crate) fn prefetch_frames_above(&self) {
        const LINES: usize = 9;
        for line in 2..LINES {
            prefetch(self.frame.get().wrapping_add(line * LINE));
        }
    }

    /// Asks the cache for as much of the stack as a read from a descriptor goes through.
    #[inline(always)]
    pub(crate) fn prefetch_frames(&self) {
        const LINES: usize = 12;
        if self.has_started() {
            for line in 0..LINES {
                prefetch(self.frame.get().wrapping_add(line * LINE));
            }
        }
    }

    /// Gives the place of one that has started up, for the way to it: only where
    /// coroutines may be left to others.
    #[inline(always)]
    pub(crate) fn into_way(self) -> (Raw, To) {
        debug_assert!(TO_ANOTHER && self.has_started());
        // SAFETY: `suspended` or `set_leaving` made it from a stack.
        let raw = unsafe { Raw::from_address(self.who) };
        (raw, To(self.frame.get()))
    }
}

impl Loop {
    /// Runs a coroutine that has started, on the stack that [`Ready::stack`]
    /// tells, until somebody leaves to the loop.
    #[inline(always)]
    pub(crate) fn enter(&self, ready: Ready, raw: Raw) {
        debug_assert!(ready.stack() == Some(raw));
        // SAFETY: the coroutine is suspended, and nobody else enters it: it has
        // left with a yield, which makes one place, or it was parked, and the
        // one that made a place of it has taken the state back.
        unsafe { switch::enter(raw, self.0.as_ptr(), ready.frame.get()) };
    }

    /// Begins `task` on an idle stack; as [`Loop::enter`].
    #[inline(always)]
    pub(crate) fn begin(&self, task: TaskRef, raw: Raw) {
        assert!(raw.is_idle(), "a coroutine begins on an idle stack");
        raw.sit_down(task);
        // SAFETY: an idle stack is suspended where it rests.
        unsafe { switch::enter(raw, self.0.as_ptr(), raw.frame()) };
    }

    /// The way to the loop, for a coroutine that leaves.
    #[inline(always)]
    pub(crate) fn way(&self) -> To {
        To(self.0.get())
    }
}
