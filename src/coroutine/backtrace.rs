//! Where a coroutine is: its calls, and those of the generators that it runs inside.

use super::place::Ready;
use super::{Raw, switch};
use crate::stack_trace::Trace;

impl Raw {
    /// Of the coroutine that the caller runs in.
    pub(crate) fn trace_running(&self) -> Trace {
        Trace::here(self.range())
    }

    /// Of one that is parked.
    pub(crate) fn trace_parked(&self) -> Trace {
        debug_assert!(self.is_parked());
        // SAFETY: it is suspended where it has left.
        unsafe { trace(*self, self.frame()) }
    }
}

impl Ready {
    /// Of one that has started.
    pub(crate) fn trace(&self) -> Trace {
        match self.stack() {
            // SAFETY: as long as it has its place, it is suspended there.
            Some(raw) => unsafe { trace(raw, self.frame()) },
            None => Trace::default(),
        }
    }
}

/// # Safety
/// The coroutine on this stack is suspended, and has left with this frame.
unsafe fn trace(raw: Raw, frame: usize) -> Trace {
    match switch::state(raw, frame) {
        // SAFETY: its state is there: on its own stack, or on one that was entered from
        // that.
        Some(state) => unsafe { Trace::suspended(state, raw.range()) },
        None => Trace::default(),
    }
}
