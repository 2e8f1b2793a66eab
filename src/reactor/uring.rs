//! Completion: io_uring(7). The kernel is given an operation and its buffer, and
//! tells when it is done.
//!
//! Operations are written to a ring in shared memory; a look submits all of them
//! and takes what has completed, with one system call for a whole turn of the
//! loop. An [`Op`] lies in the frame of the coroutine that waits for it, as its
//! buffer may, so that frame is not left before the kernel has let go.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode, squeue};
use rustix::io::Errno;

use crate::generator::raw::Raw;

use super::assert_passes;

/// What one look submits; more are submitted in between.
const SUBMISSIONS: u32 = 256;
/// What can complete between two looks; the kernel keeps more aside.
const COMPLETIONS: u32 = 4096;

/// No operation: the answer to a cancel of all that there are on a file.
const CANCEL: u64 = 0;
/// No operation: the bell.
const BELL: u64 = 1;
/// Added to an operation's address: the answer to its cancel.
const ITS_CANCEL: u64 = 1;

pub(crate) struct Uring {
    ring: RefCell<IoUring>,
    bell: Arc<OwnedFd>,
    /// The kernel watches the bell.
    bell_is_watched: Cell<bool>,
}

/// An operation under way.
pub(crate) struct Op {
    raw: Raw,
    result: Cell<Option<i32>>,
    /// The kernel has not yet answered to a cancel, and will name this operation when it does.
    cancel_is_open: Cell<bool>,
    /// The last cancel has not found it.
    was_missed: Cell<bool>,
}

impl Op {
    /// One that wakes `raw` when it is done.
    pub(crate) fn new(raw: Raw) -> Op {
        Op {
            raw,
            result: Cell::new(None),
            cancel_is_open: Cell::new(false),
            was_missed: Cell::new(false),
        }
    }

    /// What it came to: as the system call, with the error negative. From then
    /// on the kernel touches nothing of it, and names it no more.
    #[inline(always)]
    pub(crate) fn result(&self) -> Option<i32> {
        self.result.get().filter(|_| !self.cancel_is_open.get())
    }

    /// Whether a cancel has not found it, told once. One that the kernel is about to try again
    /// it cannot find, and then that waits on if there is nothing; so one has to ask anew.
    pub(crate) fn was_missed(&self) -> bool {
        self.was_missed.take()
    }

    /// The kernel has let go of it. Says whether that is all.
    #[inline(always)]
    fn ends(&self, result: i32) -> bool {
        self.result.set(Some(result));
        !self.cancel_is_open.get()
    }

    /// The kernel has answered to its cancel. Says whether it has a result now, or was missed.
    #[cold]
    fn cancel_ends(&self, answer: i32) -> bool {
        self.cancel_is_open.set(false);
        self.was_missed.set(answer < 0);
        answer < 0 || self.result.get().is_some()
    }

    fn address(&self) -> u64 {
        std::ptr::from_ref(self).expose_provenance() as u64
    }
}

impl Uring {
    /// A ring whose sleep ends when `bell` is rung.
    ///
    /// # Errors
    /// The kernel has no io_uring, not the one that we need (Linux 6.1), or does
    /// not allow it.
    pub(super) fn new(bell: Arc<OwnedFd>) -> io::Result<Uring> {
        let ring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_submit_all()
            .setup_single_issuer()
            // The kernel's part of a completion is done in our looks, and not
            // whenever it comes.
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .build(SUBMISSIONS)?;
        Ok(Uring {
            ring: RefCell::new(ring),
            bell,
            bell_is_watched: Cell::new(false),
        })
    }

    /// Hands an operation to the next look. False if there is no room before
    /// that.
    ///
    /// # Safety
    /// What `entry` points to, and `op`, stay where they are until `op` has a
    /// result; and only the kernel touches what it may write to.
    #[must_use]
    #[inline]
    pub(crate) unsafe fn start(&self, entry: squeue::Entry, op: &Op) -> bool {
        // SAFETY: as the caller says.
        unsafe { self.push(entry.user_data(op.address())) }
    }

    /// Asks for an early end of an operation, which then has a result soon, or
    /// [was missed](Op::was_missed). False if there is no room for that before the next look.
    ///
    /// # Safety
    /// `op` stays where it is until it has a result.
    #[must_use]
    pub(crate) unsafe fn cancel(&self, op: &Op) -> bool {
        let entry = opcode::AsyncCancel::new(op.address()).build();
        // SAFETY: it points to nothing, and its answer to `op`, as the caller says.
        let pushed = unsafe { self.push(entry.user_data(op.address() | ITS_CANCEL)) };
        op.cancel_is_open.set(pushed);
        pushed
    }

    /// Ends all operations on the file that `fd` names with `ECANCELED` soon. False if there is
    /// no room for that before the next look.
    #[must_use]
    pub(crate) fn cancel_all(&self, fd: RawFd) -> bool {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::fd(Fd(fd)).all()).build();
        // SAFETY: it points to nothing.
        unsafe { self.push(entry.user_data(CANCEL)) }
    }

    /// # Safety
    /// As for `start`.
    unsafe fn push(&self, entry: squeue::Entry) -> bool {
        let mut ring = self.ring.borrow_mut();
        // SAFETY: as the caller says.
        if unsafe { ring.submission().push(&entry) }.is_ok() {
            return true;
        }
        // A failure shows in that there is still no room.
        let _ = ring.submit();
        // SAFETY: as the caller says.
        unsafe { ring.submission().push(&entry) }.is_ok()
    }

    fn watch_bell(&self) {
        let flags = u32::from(libc::POLLIN.cast_unsigned());
        let entry = opcode::PollAdd::new(Fd(self.bell.as_raw_fd()), flags).multi(true);
        // SAFETY: it points to nothing.
        let pushed = unsafe { self.push(entry.build().user_data(BELL)) };
        self.bell_is_watched.set(pushed);
    }

    /// Submits what there is, and hands those to `wake` whose operation is done; sleeps for at
    /// most `timeout` until there is somebody, or the bell rings. Says whether there is more: the
    /// kernel does its part for some at a time.
    pub(super) fn look(&self, timeout: Option<Duration>, mut wake: impl FnMut(Raw)) -> bool {
        if !self.bell_is_watched.get() {
            self.watch_bell();
        }
        // A sleep that nobody could end would be no good.
        let timeout = if self.bell_is_watched.get() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        let mut ring = self.ring.borrow_mut();
        let (submitter, submissions, mut completions) = ring.split();
        let count = submissions.len();
        let asks = submissions.taskrun() || submissions.cq_overflow();
        drop(submissions);
        let entered = if timeout != Some(Duration::ZERO) && completions.is_empty() {
            let timeout = timeout.map(Timespec::from);
            let mut args = SubmitArgs::new();
            if let Some(timeout) = &timeout {
                args = args.timespec(timeout);
            }
            submitter.submit_with_args(1, &args)
        } else if count > 0 || asks {
            let flags = EnterFlags::GETEVENTS.bits();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            // SAFETY: it submits entries that were pushed, and has no argument.
            unsafe { submitter.enter::<libc::sigset_t>(count, 0, flags, None) }
        } else {
            Ok(0)
        };
        if let Err(error) = entered {
            let error = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            assert_passes("io_uring_enter", error);
        }
        completions.sync();
        for completion in completions {
            match completion.user_data() {
                CANCEL => {}
                BELL => self.bell_is_watched.set(cqueue::more(completion.flags())),
                address => {
                    let op: *const Op =
                        std::ptr::with_exposed_provenance((address & !ITS_CANCEL) as usize);
                    // SAFETY: whoever started it waits for its result, which it does not have
                    // before a cancel is answered.
                    let op = unsafe { &*op };
                    let is_told = match address & ITS_CANCEL {
                        0 => op.ends(completion.result()),
                        _ => op.cancel_ends(completion.result()),
                    };
                    if is_told {
                        wake(op.raw);
                    }
                }
            }
        }
        ring.submission().taskrun()
    }
}
