//! How a coroutine is left and entered.
//!
//! Everywhere a coroutine is what `raw` says: corosensei resumes it from the loop
//! and suspends it back to the loop. On x86-64 the job that lives coroutines is
//! begun by corosensei too, but once it has [`settle`]d, it goes from one flow of
//! control straight to another by exchanging stack pointers: to the loop, or to
//! the next coroutine in line. That is half the switches, and less than half the
//! time of a yield.
//!
//! What is saved is the address to go on at and the two registers that inline
//! assembly cannot name as clobbered; the compiler saves the others where it
//! needs them. They lie at the stack pointer that identifies a suspended flow:
//!
//! ```text
//! │ …               │
//! ├─────────────────┤
//! │ rbp             │
//! │ rbx             │
//! │ where to go on  │
//! └─────────────────┘ ◀ frame
//! ```
//!
//! corosensei believes that such a stack is suspended where it settled. Nobody
//! resumes it there; see [`Raw::restart`].

use crate::generator::raw::Raw;

#[cfg(all(target_arch = "x86_64", not(corobin_portable)))]
mod straight {
    use std::arch::{asm, naked_asm};

    use super::Raw;

    /// Whether a coroutine may be left to another one, not only to the loop.
    pub(crate) const TO_ANOTHER: bool = true;

    /// Saves the running flow, whose frame is then in `save`, and goes on with
    /// the one whose frame is `to`.
    ///
    /// # Safety
    /// `to` is the frame of a flow of this thread that is suspended by this
    /// function or by `settle`, and is not used again. `save` is valid for a
    /// write.
    #[inline(always)]
    unsafe fn exchange(save: *mut usize, to: usize) {
        // SAFETY: the flow that is left has its state on its stack and in
        // `save`. All registers but rbx, rbp and rsp are clobbered; these three
        // are restored. The direction flag and the floating-point control words
        // are as the ABI wants them in every flow.
        unsafe {
            asm!(
                "push rbp",
                "push rbx",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov [rdi], rsp",
                "mov rsp, rsi",
                "pop rax",
                "jmp rax",
                "2:",
                "pop rbx",
                "pop rbp",
                inout("rdi") save => _,
                inout("rsi") to => _,
                lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }

    /// Enters the coroutine that left `frame` on `_raw`, from the loop, whose
    /// own frame is then in `save`.
    ///
    /// # Safety
    /// The frame is that of a suspended coroutine, and is not used again.
    #[inline(always)]
    pub(crate) unsafe fn enter(_raw: Raw, save: *mut usize, frame: usize) {
        // SAFETY: as the caller says.
        unsafe { exchange(save, frame) }
    }

    /// Leaves the running coroutine, whose frame is then in `save`, to the one
    /// that left the frame `to`: the loop or another coroutine.
    ///
    /// # Safety
    /// `to` is the frame of a suspended flow of this thread, and is not used
    /// again. `save` is valid for a write.
    #[inline(always)]
    pub(crate) unsafe fn leave(_raw: Raw, save: *mut usize, to: usize) {
        // SAFETY: as the caller says.
        unsafe { exchange(save, to) }
    }

    /// Where the state of a flow that has left this frame lies, for a backtrace.
    pub(crate) fn state(_raw: Raw, frame: usize) -> Option<usize> {
        Some(frame)
    }

    /// Leaves the job of `raw` for the first time, to whoever has started it.
    ///
    /// # Safety
    /// Called by the job that runs on `raw`. `save` is valid for a write.
    #[inline(always)]
    pub(crate) unsafe fn settle(raw: Raw, save: *mut usize) {
        // SAFETY: as in `exchange`. The stack pointer is aligned at the start of
        // inline assembly, and so it is at the call.
        unsafe {
            asm!(
                "push rbp",
                "push rbx",
                "lea rax, [rip + 2f]",
                "push rax",
                "mov [rsi], rsp",
                "sub rsp, 8",
                "call {leave}",
                "ud2",
                "2:",
                "pop rbx",
                "pop rbp",
                leave = sym leave_for_good,
                inout("rdi") raw.into_address().as_ptr() => _,
                inout("rsi") save => _,
                lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
                clobber_abi("sysv64"),
            );
        }
    }

    /// What lies below here on the stack is overwritten when the job goes on.
    unsafe extern "C" fn leave_for_good(raw: *mut ()) {
        // SAFETY: `settle` hands over the address of its stack, on which we run.
        unsafe {
            let raw = Raw::from_address(std::ptr::NonNull::new_unchecked(raw));
            raw.leave(super::SETTLED);
        }
        // Nobody resumes this stack through corosensei.
        std::process::abort();
    }

    /// Calls `f(data)` from a frame that no unwinder looks beyond: what was the
    /// caller of this stack's first frame has long gone on.
    ///
    /// # Safety
    /// As for `f`.
    #[unsafe(naked)]
    pub(crate) unsafe extern "C" fn fence(
        data: *mut (),
        f: unsafe extern "C" fn(*mut ()) -> !,
    ) -> ! {
        naked_asm!(
            ".cfi_startproc",
            ".cfi_undefined rip",
            "sub rsp, 8",
            "call rsi",
            "ud2",
            ".cfi_endproc",
        )
    }
}

#[cfg(not(all(target_arch = "x86_64", not(corobin_portable))))]
mod straight {
    use super::Raw;
    use crate::cpu::stack_pointer;

    pub(crate) const TO_ANOTHER: bool = false;

    #[inline(always)]
    pub(crate) unsafe fn enter(raw: Raw, _save: *mut usize, _frame: usize) {
        // SAFETY: a coroutine is suspended there, as the caller says.
        unsafe { raw.resume() };
    }

    #[inline(always)]
    pub(crate) unsafe fn leave(raw: Raw, save: *mut usize, _to: usize) {
        // SAFETY: as the caller says.
        unsafe {
            save.write(stack_pointer());
            raw.leave(super::SETTLED);
        }
    }

    pub(crate) fn state(raw: Raw, _frame: usize) -> Option<usize> {
        raw.saved_frame()
    }

    #[inline(always)]
    pub(crate) unsafe fn settle(raw: Raw, save: *mut usize) {
        // SAFETY: as the caller says.
        unsafe { leave(raw, save, 0) }
    }

    pub(crate) unsafe extern "C" fn fence(
        data: *mut (),
        f: unsafe extern "C" fn(*mut ()) -> !,
    ) -> ! {
        // SAFETY: as the caller says.
        unsafe { f(data) }
    }
}

/// What a coroutine leaves with through `raw`.
const SETTLED: usize = 1;

pub(super) use straight::{TO_ANOTHER, enter, fence, leave, settle, state};
