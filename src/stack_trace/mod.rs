//! Where a flow of control is: the return addresses on its stack, and their
//! symbols.
//!
//! The running flow is walked by the system's unwinder, as for any backtrace. A
//! suspended one is walked the same way, from the outside and without resuming it:
//! the walk begins in a frame whose caller is, for an unwinder, the suspended flow.
//! It only reads, and needs no room on the stack that it walks.
//!
//! ```text
//!     our stack                        the suspended stack
//!   │ …          │                     │ bottom of the coroutine │
//!   │ stand_in   │ "my caller is there"│ …                       │
//!   │ the walk   │ ─ ─ ─ ─ ─ ─ ─ ─ ─ ▶ │ rbp, rbx, where it left │
//! ```

mod symbols;

#[cfg(target_arch = "x86_64")]
use std::ffi::c_void;
use std::ops::Range;

pub(crate) use symbols::resolve;

/// Deeper frames are left out.
pub(crate) const DEEPEST: usize = 128;

/// Where a flow of control is on a stack, and on those that were entered from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    /// The return addresses, innermost first.
    pub(crate) calls: Vec<usize>,
    /// How far down it goes on the stack itself, if that is known.
    pub(crate) lowest: Option<usize>,
}

impl Trace {
    /// Of the caller, up to the first frames of `stack`.
    pub(crate) fn here(stack: Range<usize>) -> Trace {
        let mut walk = Walk::new(None, stack);
        walk.run();
        walk.found()
    }

    /// Of a flow that is suspended with its state at `frame`, up to the first frames
    /// of `stack`. Empty where that cannot be done.
    ///
    /// # Safety
    /// What lies at `frame` is the place to go on at, rbx and rbp, below the frame
    /// of the function that was left there, on x86-64; elsewhere it is not read. The
    /// walk comes to `stack`.
    pub(crate) unsafe fn suspended(frame: usize, stack: Range<usize>) -> Trace {
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: as the caller says.
            let place = unsafe { *(frame as *const usize) };
            let mut walk = Walk::new(Some(place), stack);
            // SAFETY: as the caller says; `run_walk` gets the walk.
            unsafe { x86_64::stand_in((&raw mut walk).cast(), run_walk, frame) };
            walk.found()
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (frame, stack);
            Trace::default()
        }
    }
}

/// At the very bottom of a stack are frames of the engine only. What they were called
/// from is not to be asked: while the stack is suspended, it is long gone.
const BOTTOM: usize = 128;

/// Calls `each` for the addresses of the flow that a signal has interrupted at
/// `place`, innermost first and up to the first frames of the stack with this `base`.
/// Called in the signal's handler; takes no lock and allocates nothing.
///
/// # Safety
/// The system's unwinder may be used by several threads at once; that of Linux may.
pub(crate) unsafe fn walk_interrupted(place: usize, base: usize, mut each: impl FnMut(usize)) {
    let mut count = 0;
    let bottom = base - BOTTOM..base;
    // SAFETY: as the caller says.
    unsafe {
        ::backtrace::trace_unsynchronized(|frame| {
            let address = frame.ip().addr();
            if count == 0 && address != place {
                return true;
            }
            if address == END {
                return false;
            }
            // Symbols are looked up for the instruction before, since those outside
            // are addresses to return to. This one is not.
            each(if count == 0 { address + 1 } else { address });
            count += 1;
            count < DEEPEST && !bottom.contains(&frame.sp().addr())
        });
    }
}

/// The place that the outermost frame was called from, for an unwinder.
const END: usize = 0;

struct Walk {
    /// The address at which the part begins that counts.
    begins_at: Option<usize>,
    stack: Range<usize>,
    found: Trace,
}

#[cfg(target_arch = "x86_64")]
unsafe extern "C" fn run_walk(walk: *mut c_void) {
    // SAFETY: `suspended` passes a walk of its own.
    unsafe { (*walk.cast::<Walk>()).run() };
}

impl Walk {
    fn new(begins_at: Option<usize>, stack: Range<usize>) -> Walk {
        Walk {
            begins_at,
            stack,
            found: Trace {
                calls: Vec::with_capacity(DEEPEST),
                lowest: None,
            },
        }
    }

    #[inline(never)]
    fn run(&mut self) {
        let bottom = self.stack.end.saturating_sub(BOTTOM)..self.stack.end;
        ::backtrace::trace(|frame| {
            let place = frame.ip().addr();
            if self.begins_at.is_some_and(|begin| begin != place) {
                return true;
            }
            self.begins_at = None;
            if place == END {
                return false;
            }
            let pointer = frame.sp().addr();
            if self.found.lowest.is_none() && self.stack.contains(&pointer) {
                self.found.lowest = Some(pointer);
            }
            let calls = &mut self.found.calls;
            if calls.len() < DEEPEST {
                calls.push(place);
            }
            // Deep in a generator it goes on to the stack itself, to see how far down that is.
            let goes_on = calls.len() < DEEPEST || self.found.lowest.is_none();
            goes_on && !bottom.contains(&pointer)
        });
    }

    fn found(mut self) -> Trace {
        self.found.calls.shrink_to_fit();
        self.found
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::naked_asm;
    use std::ffi::c_void;

    /// Calls `f(data)`, and looks to an unwinder like a function that was called
    /// by the flow whose state lies at `frame`.
    ///
    /// # Safety
    /// As for `f`, which must not unwind; and `frame` is as
    /// [`Trace::suspended`](super::Trace::suspended) says.
    #[unsafe(naked)]
    pub(super) unsafe extern "C" fn stand_in(
        data: *mut c_void,
        f: unsafe extern "C" fn(*mut c_void),
        frame: usize,
    ) {
        naked_asm!(
            ".cfi_startproc",
            "push rbp",
            "push rbx",
            "sub rsp, 8",
            // From here on rbx, which `f` keeps, says where the caller's state is:
            // that of the flow, not that of ours.
            "mov rbx, rdx",
            ".cfi_def_cfa rbx, 24",
            ".cfi_offset rip, -24",
            ".cfi_offset rbx, -16",
            ".cfi_offset rbp, -8",
            "call rsi",
            "add rsp, 8",
            "pop rbx",
            "pop rbp",
            "ret",
            ".cfi_endproc",
        )
    }
}
