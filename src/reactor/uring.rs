//! Operations in batches: io_uring(7).
//!
//! A coroutine writes its operation to a ring in shared memory and parks; the next look
//! submits all that there are with one system call, and takes what they came to. None of
//! them waits in the kernel: what would block says so, and then [`Poll`](super::Poll) tells
//! when to try again. An [`Op`] lies in the frame of the coroutine that waits for it, as its
//! buffer may, so that frame is not left before the kernel has let go.

use std::cell::{Cell, RefCell};
use std::io;
use std::process;

use io_uring::{IoUring, squeue};
use rustix::io::Errno;

use crate::generator::raw::Raw;

use super::passes;

/// What one look submits at most; whoever finds no room does its operation itself.
const OPERATIONS: u32 = 64;

/// So many operations are made by themselves after a look that had one alone: waiting for it
/// was for nothing.
const PAUSE: u32 = 32;

thread_local! {
    /// The ring of a runtime that is gone. The next one of the thread takes it: the kernel takes
    /// a ring apart while its thread goes on, and may interrupt a blocking call of std for that.
    static SPARE: Cell<Option<Ring>> = const { Cell::new(None) };
}

struct Ring {
    ring: IoUring,
    /// The process that has made it. One that was forked since shares its memory.
    maker: u32,
}

impl Ring {
    /// # Errors
    /// The kernel has no io_uring, not the one that we need (Linux 6.0), or does
    /// not allow it.
    fn new() -> io::Result<Ring> {
        Ok(Ring {
            ring: IoUring::builder()
                .setup_submit_all()
                .setup_single_issuer()
                .build(OPERATIONS)?,
            maker: process::id(),
        })
    }

    fn is_ours(&self) -> bool {
        self.maker == process::id()
    }
}

#[derive(Default)]
pub(crate) struct Uring {
    /// None before it is opened, and once the kernel has refused it.
    ring: RefCell<Option<Ring>>,
    is_opened: Cell<bool>,
    refusal: Cell<Option<io::Error>>,
    /// Those that have no result yet.
    started: RefCell<Vec<*const Op>>,
    /// So many that come next are better made by themselves.
    pause: Cell<u32>,
}

/// An operation under way.
pub(crate) struct Op {
    raw: Raw,
    result: Cell<Option<i32>>,
}

impl Op {
    /// One that wakes `raw` when it is done.
    pub(crate) fn new(raw: Raw) -> Op {
        Op {
            raw,
            result: Cell::new(None),
        }
    }

    /// What it came to: as the system call, with the error negative. From then
    /// on the kernel touches nothing of it, and names it no more.
    #[inline(always)]
    pub(crate) fn result(&self) -> Option<i32> {
        self.result.get()
    }

    /// The kernel has let go of it.
    #[inline(always)]
    fn ends(&self, result: i32, wake: &mut impl FnMut(Raw)) {
        self.result.set(Some(result));
        wake(self.raw);
    }
}

impl Uring {
    /// Whether nobody has tried to [open](Self::open) it.
    #[inline(always)]
    pub(crate) fn is_unopened(&self) -> bool {
        !self.is_opened.get()
    }

    /// Makes the ring. If that fails, it goes without.
    ///
    /// # Errors
    /// As [`Ring::new`].
    #[cold]
    pub(crate) fn open(&self) -> io::Result<()> {
        self.is_opened.set(true);
        // Late in the life of the thread it has no place for one.
        let ring = match SPARE.try_with(Cell::take).ok().flatten() {
            Some(ring) if ring.is_ours() => ring,
            spare => {
                std::mem::forget(spare);
                Ring::new()?
            }
        };
        self.ring.replace(Some(ring));
        Ok(())
    }

    /// Whether no operation waits for the next look.
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.started.borrow().is_empty()
    }

    /// Takes one off the pause after a batch of one; says whether there was one.
    #[inline(always)]
    pub(crate) fn takes_pause(&self) -> bool {
        let pause = self.pause.get();
        self.pause.set(pause.saturating_sub(1));
        pause > 0
    }

    /// Hands an operation to the next look. False if there is no room before that, or no ring.
    ///
    /// # Safety
    /// What `entry` points to, and `op`, stay where they are until `op` has a
    /// result. The kernel writes to nothing of that, and answers within the call that submits.
    #[must_use]
    #[inline]
    pub(crate) unsafe fn start(&self, entry: squeue::Entry, op: &Op) -> bool {
        let mut ring = self.ring.borrow_mut();
        let Some(Ring { ring, .. }) = &mut *ring else {
            return false;
        };
        let op = std::ptr::from_ref(op);
        let entry = entry.user_data(op.expose_provenance() as u64);
        // SAFETY: as the caller says.
        let is_pushed = unsafe { ring.submission().push(&entry) }.is_ok();
        if is_pushed {
            self.started.borrow_mut().push(op);
        }
        is_pushed
    }

    /// Submits what there is, and hands those to `wake` whose operation is done, which is all of
    /// them, unless the kernel is short of memory.
    pub(super) fn submit(&self, mut wake: impl FnMut(Raw)) {
        let mut ring = self.ring.borrow_mut();
        let mut started = self.started.borrow_mut();
        let Some(Ring { ring: entered, .. }) = &mut *ring else {
            return;
        };
        let outcome = entered.submit_and_wait(started.len());
        let completions = entered.completion();
        let are_done = completions.len() == started.len();
        for completion in completions {
            let op: *const Op = std::ptr::with_exposed_provenance(completion.user_data() as usize);
            // SAFETY: only `start` pushes entries, each with the address of an `Op` that stays until
            // it has a result, and each is answered once.
            unsafe { &*op }.ends(completion.result(), &mut wake);
        }
        if are_done {
            if started.len() == 1 {
                self.pause.set(PAUSE);
            }
            started.clear();
            return;
        }
        // SAFETY: those without a result stay, and of the others nobody has run since.
        started.retain(|&op| unsafe { &*op }.result.get().is_none());
        if let Err(error) = outcome
            && !passes(Errno::from_io_error(&error).unwrap_or(Errno::IO))
        {
            // What the kernel has taken it has done and answered. The rest it never looks at once
            // the ring is gone, so nothing is done twice.
            drop(ring.take());
            self.refusal.set(Some(error));
            for op in started.drain(..) {
                // SAFETY: it has no result, so it stays.
                unsafe { &*op }.ends(-libc::EINTR, &mut wake);
            }
        }
    }

    /// Why there is no ring any more, told once. What was under way then counts as interrupted.
    pub(crate) fn refusal(&self) -> Option<io::Error> {
        self.refusal.take()
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let Some(ring) = self.ring.get_mut().take() else {
            return;
        };
        if self.started.get_mut().is_empty() {
            // At the end of the thread it is closed.
            let _ = SPARE.try_with(|spare| spare.set(Some(ring)));
        } else {
            // A coroutine was leaked in the middle of an operation.
            std::mem::forget(ring);
        }
    }
}
