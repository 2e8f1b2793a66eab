//! A stack for signal handlers, where the thread has none or one that is too small.
//!
//! std gives one to the threads that it starts and to the main thread, of about
//! 8 KiB; threads of other origin have none.

use std::cell::RefCell;
use std::ffi::c_void;
use std::{io, mem, ptr};

use crate::stack::{map_memory, page_size};

/// Enough for a message; any that there is will do.
pub(crate) const SMALL: usize = 4 << 10;
/// Enough to walk a stack.
pub(crate) const LARGE: usize = 64 << 10;

thread_local! {
    static OURS: RefCell<Option<AltStack>> = const { RefCell::new(None) };
}

/// Gives the calling thread a signal stack until its end, unless it has one with
/// `least` bytes.
///
/// # Errors
/// The system gives no memory, or the thread is ending.
pub(crate) fn ensure(least: usize) -> io::Result<()> {
    let present = present();
    if present.ss_flags & libc::SS_DISABLE == 0 && present.ss_size >= least {
        return Ok(());
    }
    let stack = AltStack::install()?;
    // One that is ending loses it again at once.
    OURS.try_with(|ours| ours.replace(Some(stack)))
        .map(drop)
        .map_err(io::Error::other)
}

struct AltStack {
    start: *mut c_void,
    mapped: usize,
}

impl AltStack {
    fn install() -> io::Result<AltStack> {
        let guard = page_size();
        let mapped = LARGE + guard;
        let start = map_memory(mapped)?.as_ptr();
        let stack = AltStack { start, mapped };
        let ours = libc::stack_t {
            ss_sp: start.wrapping_byte_add(guard),
            ss_flags: 0,
            ss_size: LARGE,
        };
        // SAFETY: the lowest page of our mapping, then the rest of it, which stays
        // until the signal stack is no longer installed.
        unsafe {
            libc::mprotect(start, guard, libc::PROT_NONE);
            if libc::sigaltstack(&ours, ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(stack)
    }
}

/// The signal stack of the calling thread.
fn present() -> libc::stack_t {
    // SAFETY: integers and a pointer that may be null.
    let mut stack: libc::stack_t = unsafe { mem::zeroed() };
    // SAFETY: only reads the present one.
    unsafe { libc::sigaltstack(ptr::null(), &mut stack) };
    stack
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let present = present();
        let range = self.start.addr()..self.start.addr() + self.mapped;
        if range.contains(&present.ss_sp.addr()) {
            let none = libc::stack_t {
                ss_sp: ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: LARGE,
            };
            // What was there before may be gone, so it is not put back.
            // SAFETY: takes ours away; refused while a handler runs on it.
            if unsafe { libc::sigaltstack(&none, ptr::null_mut()) } != 0 {
                return;
            }
        }
        // SAFETY: our mapping, which no handler uses any more.
        unsafe { libc::munmap(self.start, self.mapped) };
    }
}
