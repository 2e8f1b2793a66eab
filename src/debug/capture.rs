//! Where another thread is at this moment, while it blocks.
//!
//! The thread is sent a signal, whose handler walks its stack and writes the
//! addresses to a place in static memory. The handler takes no lock and allocates
//! nothing: the unwinder was called before, so that nothing in it is initialised or
//! linked for the first time there, and it finds unwind tables without a lock
//! (`_dl_find_object`, from glibc 2.35 on; before, it takes the dynamic linker's lock,
//! which the thread itself may take twice).
//!
//! The signal may come at any instruction, also in the middle of a switch between
//! stacks, or in code whose unwind tables are wrong. Then the walk reads nonsense, and
//! may fault. Such a fault ends the walk, and nothing else: the handler of faults
//! returns to where the signal had come, see [`rescue`].
//!
//! SIGURG is what Go sends its threads for the same purpose: it is ignored by default,
//! and hardly anybody uses it. One that is not ours goes on to the earlier handler.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{ptr, thread};

use crate::overflow::{self, COROUTINES, RESCUE, altstack};
use crate::sigaction::{self, Handler};
use crate::stack_trace::{DEEPEST, Trace, walk_interrupted};

const SIGNAL: c_int = libc::SIGURG;
/// How long the thread has time to answer; it cannot while it blocks the signal, or
/// sleeps where nothing interrupts it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The states of the slot.
const IDLE: u32 = 0;
const WANTED: u32 = 1;
const AT_WORK: u32 = 2;
const DONE: u32 = 3;

const TITLE: usize = 512;

/// One capture at a time.
struct Slot {
    state: AtomicU32,
    /// Who is to answer.
    thread: AtomicI32,
    count: AtomicUsize,
    found: [AtomicUsize; DEEPEST],
    title_length: AtomicUsize,
    title: UnsafeCell<[u8; TITLE]>,
    /// What the handler was called with, and the errno that it found.
    context: AtomicPtr<c_void>,
    errno: AtomicI32,
}

// SAFETY: the title belongs to the handler while the state is `AT_WORK`, and to the
// one who asked when it is `DONE`.
unsafe impl Sync for Slot {}

static SLOT: Slot = Slot {
    state: AtomicU32::new(IDLE),
    thread: AtomicI32::new(0),
    count: AtomicUsize::new(0),
    found: [const { AtomicUsize::new(0) }; DEEPEST],
    title_length: AtomicUsize::new(0),
    title: UnsafeCell::new([0; TITLE]),
    context: AtomicPtr::new(ptr::null_mut()),
    errno: AtomicI32::new(0),
};

static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// A thread whose coroutine can be asked for.
pub(super) struct Target {
    thread: c_int,
}

pub(super) struct Captured {
    /// "coroutine #3 'worker' (spawned at …)"
    pub(super) title: String,
    pub(super) trace: Trace,
}

impl Target {
    /// The calling thread, made ready for the signal.
    pub(super) fn this_thread() -> Target {
        // Without the room the handler is not called for long: it would overflow.
        let has_room = altstack::ensure(altstack::LARGE).is_ok();
        // Initialises and links the unwinder.
        let _ = Trace::here(0..usize::MAX);
        install();
        Target {
            thread: if has_room { thread_id() } else { 0 },
        }
    }

    /// What the thread's coroutine is doing, as long as `still` holds; `None` if the
    /// thread does not answer.
    pub(super) fn capture(&self, still: &dyn Fn() -> bool) -> Option<Captured> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        if self.thread == 0 || !still() {
            return None;
        }
        SLOT.thread.store(self.thread, Ordering::Relaxed);
        SLOT.state.store(WANTED, Ordering::Release);
        // SAFETY: a signal to a thread of ours; an error means that it has ended.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.thread, SIGNAL) };
        let give_up = Instant::now() + PATIENCE;
        while SLOT.state.load(Ordering::Acquire) != DONE {
            if Instant::now() > give_up && change(WANTED, IDLE) {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let count = SLOT.count.load(Ordering::Relaxed);
        let found = SLOT.found[..count]
            .iter()
            .map(|place| place.load(Ordering::Relaxed));
        let length = SLOT.title_length.load(Ordering::Relaxed);
        // SAFETY: the state is `DONE`.
        let title = unsafe { &(&*SLOT.title.get())[..length] };
        let captured = Captured {
            title: String::from_utf8_lossy(title).into_owned(),
            trace: Trace {
                calls: found.collect(),
                lowest: None,
            },
        };
        SLOT.state.store(IDLE, Ordering::Release);
        (length > 0).then_some(captured)
    }
}

fn change(from: u32, to: u32) -> bool {
    let (order, failed) = (Ordering::AcqRel, Ordering::Relaxed);
    SLOT.state.compare_exchange(from, to, order, failed).is_ok()
}

fn thread_id() -> c_int {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

fn install() {
    let _ = RESCUE.set(rescue);
    BEFORE.get_or_init(|| {
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        // SAFETY: with these arguments; the handler does only what a handler may.
        let before = unsafe { sigaction::handle(SIGNAL, on_signal as Handler as usize, flags) };
        before.expect("a signal")
    });
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let is_ours = SLOT.state.load(Ordering::Acquire) == WANTED
        && SLOT.thread.load(Ordering::Relaxed) == thread_id()
        && change(WANTED, AT_WORK);
    if !is_ours {
        if let Some(before) = BEFORE.get() {
            // SAFETY: it was the handler before ours, which was called with the rest.
            unsafe { sigaction::call_handler(before, signal, info, context) };
        }
        return;
    }
    // SAFETY: a location of this thread's; the handler leaves it as it was.
    let errno = unsafe { *libc::__errno_location() };
    SLOT.errno.store(errno, Ordering::Relaxed);
    SLOT.context.store(context, Ordering::Relaxed);
    SLOT.count.store(0, Ordering::Relaxed);
    SLOT.title_length.store(0, Ordering::Relaxed);
    if let Some(names) = COROUTINES.get()
        && let Some(running) = names.running()
    {
        let _ = names.write_title(&mut Title);
        let note = |place| {
            let count = SLOT.count.load(Ordering::Relaxed);
            SLOT.found[count].store(place, Ordering::Relaxed);
            SLOT.count.store(count + 1, Ordering::Relaxed);
        };
        // SAFETY: `context` is what the handler was called with; this is Linux.
        unsafe {
            if let Some(place) = overflow::program_counter(context) {
                walk_interrupted(place, running.base, note);
            }
        }
    }
    SLOT.state.store(DONE, Ordering::Release);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// The title, in the slot.
struct Title;

impl Write for Title {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let length = SLOT.title_length.load(Ordering::Relaxed);
        let count = text.len().min(TITLE - length);
        // SAFETY: the state is `AT_WORK`, and we are the handler.
        let title = unsafe { &mut *SLOT.title.get() };
        title[length..length + count].copy_from_slice(&text.as_bytes()[..count]);
        SLOT.title_length.store(length + count, Ordering::Relaxed);
        Ok(())
    }
}

/// Called first of all by the handler of faults. If it was our walk that has led to
/// nowhere, the thread goes on where the signal had interrupted it.
fn rescue() {
    let is_walk = SLOT.state.load(Ordering::Acquire) == AT_WORK
        && SLOT.thread.load(Ordering::Relaxed) == thread_id();
    if !is_walk {
        return;
    }
    let context = SLOT.context.load(Ordering::Relaxed);
    // SAFETY: a location of this thread's.
    unsafe { *libc::__errno_location() = SLOT.errno.load(Ordering::Relaxed) };
    #[cfg(target_arch = "x86_64")]
    {
        SLOT.state.store(DONE, Ordering::Release);
        // SAFETY: rt_sigreturn(2) finds what the kernel has saved for the walking
        // handler, of which `context` is a part, at the stack pointer. It restores
        // all registers and the signal mask from there. The frames that are left in
        // this way are the unwinder's, which hold nothing, and ours.
        unsafe {
            std::arch::asm!(
                "mov rsp, {context}",
                "mov eax, {sigreturn}",
                "syscall",
                "ud2",
                context = in(reg) context,
                sigreturn = const libc::SYS_rt_sigreturn,
                options(noreturn),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = context;
}
