//! The end of a process in which a stack has overflowed: one message that says
//! whose, then an abort.
//!
//! A touch of a guard raises SIGSEGV (SIGBUS on some systems). The handler runs on
//! a signal stack of the thread's, see [`altstack`], since there is no room on its
//! own. A fault that is no overflow of ours goes to whoever was there before: std's
//! handler, which knows the stacks of threads, or the default. Nothing here takes a
//! lock or allocates, and nothing is ever resumed or unwound.

pub(crate) mod altstack;
mod message;

use std::ffi::c_int;
use std::fmt::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use message::Message;

use crate::sigaction::{self, Handler};
use crate::stack::{self, Found};

/// What the layers above know about who runs. Called in a signal handler: no locks,
/// no allocation.
pub(crate) trait Coroutines: Sync {
    /// The running coroutine, if the thread runs one.
    fn running(&self) -> Option<Running>;
    /// Writes its name and where it was spawned.
    fn write_title(&self, text: &mut dyn Write) -> fmt::Result;
}

pub(crate) struct Running {
    /// The base of its stack.
    pub(crate) base: usize,
    pub(crate) is_main: bool,
}

/// Writes what is known of the generator whose stack has this base; `None` if that
/// runs none.
pub(crate) type DescribeGenerator = fn(base: usize, text: &mut dyn Write) -> Option<fmt::Result>;

/// Set by the layers that know.
pub(crate) static COROUTINES: OnceLock<&'static dyn Coroutines> = OnceLock::new();
pub(crate) static GENERATORS: OnceLock<DescribeGenerator> = OnceLock::new();

/// Called before anything else at a fault. Does not return if the fault was no harm.
pub(crate) static RESCUE: OnceLock<fn()> = OnceLock::new();

const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Sees to it that an overflow on this thread is told. If there is no memory for a
/// signal stack, it still ends the process, without a message.
pub(crate) fn watch_thread() {
    install();
    let _ = altstack::ensure(altstack::SMALL);
}

/// Who handled the signals before us.
static BEFORE: OnceLock<[libc::sigaction; 2]> = OnceLock::new();

fn install() {
    BEFORE.get_or_init(|| {
        // Told before, so that no fault finds the handler without them.
        SIGNALS.map(|signal| sigaction::present(signal).expect("a signal"))
    });
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    for signal in SIGNALS {
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: with these arguments; the handler does only what a handler may.
        let _ = unsafe { sigaction::handle(signal, on_fault as Handler as usize, flags) };
    }
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if let Some(rescue) = RESCUE.get() {
        rescue();
    }
    // SAFETY: the kernel passes a valid description, with an address for a fault
    // that it has found itself.
    let address = unsafe {
        match (*info).si_code > 0 {
            true => Some((*info).si_addr().addr()),
            false => None,
        }
    };
    let guard = address.and_then(|address| stack::find(address).filter(|s| s.is_guard(address)));
    if let Some(stack) = guard {
        // SAFETY: `context` is what the kernel has passed to us.
        tell(stack, unsafe { stack_pointer(context) });
    }
    pass_on(signal, info, context);
}

/// Ends the process if the thread really ran on this stack; returns if it only
/// went astray into its guard.
fn tell(stack: Found, stack_pointer: Option<usize>) {
    let coroutines = COROUTINES.get();
    let running = coroutines.and_then(|coroutines| coroutines.running());
    let is_running = running.as_ref().is_some_and(|it| it.base == stack.base);
    let on_it = stack_pointer.is_none_or(|pointer| stack.contains(pointer));
    if !is_running && !on_it {
        return;
    }
    let Some(mut text) = Message::take() else {
        // Another thread tells of its own overflow, and ends the process.
        loop {
            // SAFETY: may be called in a signal handler.
            unsafe { libc::pause() };
        }
    };
    let _ = text.write_str("\ncorobin: stack overflow in ");
    let title = |text: &mut Message| coroutines.map_or(Ok(()), |names| names.write_title(text));
    if is_running {
        let _ = title(&mut text);
    } else {
        let generator = GENERATORS.get();
        let known = generator.and_then(|describe| describe(stack.base, &mut text));
        if known.is_none() {
            text.give_back();
            return;
        }
        if running.is_some() {
            let _ = text.write_str(", in ").and_then(|()| title(&mut text));
        }
    }
    let usable = stack.base.saturating_sub(stack.bottom) / 4096 * 4;
    let larger = match running {
        Some(Running { is_main: true, .. }) if is_running => "RuntimeBuilder::main_stack_size",
        _ if is_running => {
            "Builder::stack_size for this coroutine, or RuntimeBuilder::stack_size for all"
        }
        _ => "Generator::with_stack_size",
    };
    let _ = writeln!(
        text,
        "\ncorobin: its stack has {usable} KiB; give it a larger one with {larger}"
    );
    text.print();
    // SAFETY: may be called in a signal handler.
    unsafe { libc::abort() }
}

fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let at = usize::from(signal != SIGNALS[0]);
    let Some(before) = BEFORE.get().map(|before| &before[at]) else {
        return;
    };
    // SAFETY: it was the handler before ours, which was called with the rest.
    if unsafe { sigaction::call_handler(before, signal, info, context) } {
        return;
    }
    // The default, once we have returned: the faulting instruction is tried again, and
    // a signal that somebody has sent is sent again. A fault cannot be ignored.
    // SAFETY: both may be called in a signal handler, to which the kernel has passed `info`.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        if (*info).si_code <= 0 && before.sa_sigaction == libc::SIG_DFL {
            libc::raise(signal);
        }
    }
}

/// A register of the thread that a signal has interrupted.
macro_rules! register {
    ($name:ident, $x86_64:expr, $aarch64:ident, $what:literal) => {
        #[doc = $what]
        /// of the thread that a signal has interrupted, where that is known.
        ///
        /// # Safety
        /// `context` is what the kernel has passed to a signal handler.
        pub(crate) unsafe fn $name(context: *mut libc::c_void) -> Option<usize> {
            let context = context.cast::<libc::ucontext_t>();
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as the caller says.
            let value = Some(unsafe { (*context).uc_mcontext.gregs[$x86_64 as usize] as usize });
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as the caller says.
            let value = Some(unsafe { (*context).uc_mcontext.$aarch64 as usize });
            #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
            let value = {
                let _ = context;
                None
            };
            value
        }
    };
}

register!(stack_pointer, libc::REG_RSP, sp, "The stack pointer");
register!(
    program_counter,
    libc::REG_RIP,
    pc,
    "The address of the next instruction"
);
