//! What a process does at a signal: sigaction(2). All of it may be called in a signal handler.

use std::ffi::{c_int, c_void};
use std::{io, mem, ptr};

/// A handler with `SA_SIGINFO`.
pub(crate) type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// What is done at a signal.
///
/// # Errors
/// It is none.
pub(crate) fn present(signal: c_int) -> io::Result<libc::sigaction> {
    // SAFETY: nothing is changed.
    unsafe { exchange(signal, ptr::null()) }
}

/// Lets `handler` be called at a signal, and holds off no other meanwhile. Gives what was done
/// before.
///
/// # Errors
/// It is no signal, or has no handlers.
///
/// # Safety
/// `handler` is a function with the arguments that `flags` tell, and does only what a handler
/// may; or it is `SIG_DFL`.
pub(crate) unsafe fn handle(
    signal: c_int,
    handler: usize,
    flags: c_int,
) -> io::Result<libc::sigaction> {
    // SAFETY: integers and pointers that may be null; the rest is as the caller says.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        libc::sigemptyset(&mut action.sa_mask);
        exchange(signal, &action)
    }
}

/// Lets the handler of a signal run on the thread's signal stack.
///
/// # Errors
/// It is no signal, or has no handlers.
pub(crate) fn use_signal_stack(signal: c_int) -> io::Result<()> {
    let mut action = present(signal)?;
    action.sa_flags |= libc::SA_ONSTACK;
    // SAFETY: the handler stays the one that is installed, which does not care for the stack
    // that it runs on.
    unsafe { exchange(signal, &action) }.map(drop)
}

/// # Safety
/// `new` is null, or an action whose handler is as for [`handle`].
unsafe fn exchange(signal: c_int, new: *const libc::sigaction) -> io::Result<libc::sigaction> {
    // SAFETY: integers and pointers that may be null.
    let mut before: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: as the caller says.
    match unsafe { libc::sigaction(signal, new, &mut before) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Calls an earlier handler with what another one was called with. False if there was
/// none.
///
/// # Safety
/// `before` is what [`handle`] has given, and the others are what a handler of that signal was
/// called with.
pub(crate) unsafe fn call_handler(
    before: &libc::sigaction,
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) -> bool {
    let handler = before.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return false;
    }
    if before.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the flag says that it takes these arguments, which the caller vouches for.
        let handler: Handler = unsafe { mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without the flag it takes this argument.
        let handler: extern "C" fn(c_int) = unsafe { mem::transmute(handler) };
        handler(signal);
    }
    true
}
