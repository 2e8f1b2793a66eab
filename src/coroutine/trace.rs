//! Where a coroutine is.

use super::Raw;
use crate::stack_trace::Trace;

impl Raw {
    /// Of a coroutine that has begun: its calls, and those of the generators that it
    /// runs inside. `runs` says that the caller is inside it.
    pub(crate) fn trace(&self, runs: bool) -> Trace {
        if runs {
            return Trace::here(self.range());
        }
        match self.saved_frame() {
            // SAFETY: it is suspended, and so is its state: on its own stack, or on
            // one that was entered from there.
            Some(frame) => unsafe { Trace::suspended(frame, self.range()) },
            None => Trace::default(),
        }
    }
}
