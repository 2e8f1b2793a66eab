//! Operations in batches: io_uring(7).
//!
//! Operations are written to a ring in shared memory. A look submits all that there are with one
//! system call, and takes what they came to. None of them waits in the kernel: what would block
//! says so, and then [`Poll`](super::Poll) tells when to try again.
//!
//! A send is written by the coroutine that sends, which parks then; a receive by the look itself,
//! for who waits for data that have come. Where the result goes, and the buffer, lie in frames
//! that are not left before the kernel has let go.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::process;
use std::rc::Rc;

use io_uring::types::Fd;
use io_uring::{IoUring, opcode, squeue};
use rustix::io::Errno;

use crate::generator::raw::Raw;

use super::operation::Offer;
use super::{Direction, Outcome, Source, passes};

/// What one look submits at most; whoever finds no room does its operation itself.
const OPERATIONS: u32 = 64;

/// What send(2) and recv(2) move at most. Whoever uses a stream goes on with the rest.
const MOST: u32 = 0x7fff_f000;

/// So many sends are made by themselves after a look that had one alone: waiting for it
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
    /// A look could have used it.
    is_wanted: Cell<bool>,
    refusal: Cell<Option<io::Error>>,
    /// What was started since none was left, in order; those that are left have no result yet.
    started: RefCell<Vec<Option<Started>>>,
    /// So many sends that come next are better made by themselves.
    pause: Cell<u32>,
}

/// An operation that the ring has.
struct Started {
    /// Who waits for it.
    raw: Raw,
    /// In the frame where it waits.
    outcome: *const Outcome,
    /// Where a receive that gets less than so much says that nothing is left.
    source: Option<(Rc<Source>, u32)>,
}

impl Started {
    /// The kernel has let go of it.
    ///
    /// Of what a full buffer leaves `IORING_CQE_F_SOCK_NONEMPTY` would tell, but not with all
    /// protocols of a TCP stream: multipath TCP never sets it.
    #[inline(always)]
    fn ends(self, result: i32, wake: &mut impl FnMut(Raw)) {
        if let Some((source, wanted)) = self.source
            && result > 0
            && result.cast_unsigned() < wanted
        {
            source.set_exhausted(Direction::Read);
        }
        // SAFETY: it stays until it has a result.
        unsafe { &*self.outcome }.set_result(result);
        wake(self.raw);
    }
}

impl Uring {
    /// Whether nobody has tried to [open](Self::open) it.
    #[inline(always)]
    pub(crate) fn is_unopened(&self) -> bool {
        !self.is_opened.get()
    }

    /// Whether a look could have used it, had it been open.
    #[inline(always)]
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.get()
    }

    /// Makes the ring. If that fails, it goes without.
    ///
    /// # Errors
    /// As [`Ring::new`].
    #[cold]
    pub(crate) fn open(&self) -> io::Result<()> {
        self.is_opened.set(true);
        self.is_wanted.set(false);
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

    /// A send was alone in its batch.
    #[inline(always)]
    pub(super) fn begin_pause(&self) {
        self.pause.set(PAUSE);
    }

    /// Takes one off the pause after a batch of one; says whether there was one.
    #[inline(always)]
    pub(crate) fn takes_pause(&self) -> bool {
        let pause = self.pause.get();
        self.pause.set(pause.saturating_sub(1));
        pause > 0
    }

    /// Has the next look send `buf`, and wake `raw` when that is done. False if there is no room
    /// before that, or no ring.
    ///
    /// # Safety
    /// The file of `fd`, `buf`, and `outcome` stay until `outcome` has a result.
    #[must_use]
    #[inline]
    pub(crate) unsafe fn send(
        &self,
        fd: BorrowedFd<'_>,
        buf: &[u8],
        raw: Raw,
        outcome: &Outcome,
    ) -> bool {
        let length = u32::try_from(buf.len()).unwrap_or(MOST).min(MOST);
        let entry = opcode::Send::new(Fd(fd.as_raw_fd()), buf.as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
            .build();
        let started = Started {
            raw,
            outcome,
            source: None,
        };
        // SAFETY: as the caller says. The kernel writes to nothing of that.
        unsafe { self.start(entry, started) }
    }

    /// Has this look receive for the one who waits at `source` for that. False if there is nobody,
    /// or more than one, or somebody has woken who waits, or there is no room or no ring.
    #[must_use]
    #[inline]
    pub(super) fn receive(&self, source: &Rc<Source>) -> bool {
        let Some((raw, Offer(receive))) = source.only_receiver() else {
            return false;
        };
        if !raw.is_parked() {
            // It may have come to something else, and leave.
            return false;
        }
        if self.is_unopened() {
            self.is_wanted.set(true);
            return false;
        }
        // SAFETY: it is offered, so it is there.
        let receive = unsafe { &*receive };
        if receive.is_under_way() {
            return true;
        }
        let wanted = u32::try_from(receive.wanted).unwrap_or(MOST).min(MOST);
        let entry = opcode::Recv::new(Fd(source.fd), receive.buf, wanted)
            .flags(libc::MSG_DONTWAIT)
            .build();
        let started = Started {
            raw,
            outcome: &raw const receive.outcome,
            source: receive.is_tcp.then(|| (Rc::clone(source), wanted)),
        };
        // SAFETY: that frame has borrowed the buffer for `receive` alone, which does not use it
        // before there is a result. It stays: an unwinding would abort, and a stack that is leaked
        // is never reused.
        let is_started = unsafe { self.start(entry, started) };
        if is_started {
            receive.set_under_way();
        }
        is_started
    }

    /// Hands an operation to the next submission. False if there is no room before that, or no
    /// ring.
    ///
    /// # Safety
    /// What `entry` and `started` point to stays where it is, and the kernel alone writes to what
    /// it writes to, until there is a result. The kernel answers within the call that submits.
    #[inline]
    unsafe fn start(&self, entry: squeue::Entry, started: Started) -> bool {
        let mut ring = self.ring.borrow_mut();
        let Some(Ring { ring, .. }) = &mut *ring else {
            return false;
        };
        let mut all = self.started.borrow_mut();
        let entry = entry.user_data(all.len() as u64);
        // SAFETY: as the caller says.
        let is_pushed = unsafe { ring.submission().push(&entry) }.is_ok();
        if is_pushed {
            all.push(Some(started));
        }
        is_pushed
    }

    /// Submits what there is, and hands those to `wake` whose operation is done, which is all of
    /// them, unless the kernel is short of memory. Says whether there was one alone.
    pub(super) fn submit(&self, wake: &mut impl FnMut(Raw)) -> bool {
        let mut ring = self.ring.borrow_mut();
        let mut started = self.started.borrow_mut();
        let Some(Ring { ring: entered, .. }) = &mut *ring else {
            return false;
        };
        let mut left = started.iter().flatten().count();
        let outcome = entered.submit_and_wait(left);
        for completion in entered.completion() {
            let at = usize::try_from(completion.user_data()).ok();
            let ended = at.and_then(|at| started.get_mut(at)?.take());
            if let Some(ended) = ended {
                ended.ends(completion.result(), wake);
                left -= 1;
            }
        }
        if left == 0 {
            let was_alone = started.len() == 1;
            started.clear();
            return was_alone;
        }
        if let Err(error) = outcome
            && !passes(Errno::from_io_error(&error).unwrap_or(Errno::IO))
        {
            // What the kernel has taken it has done and answered. The rest it never looks at once
            // the ring is gone, so nothing is done twice.
            drop(ring.take());
            self.refusal.set(Some(error));
            for ended in started.drain(..).flatten() {
                ended.ends(-libc::EINTR, wake);
            }
        }
        false
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
