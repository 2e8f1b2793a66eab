//! Sends and receives that a look makes for us, all of them at once, with io_uring(7).
//!
//! The kernel uses the caller's own buffer. That is sound because the frame that borrows it waits
//! until the operation has ended: it is not unwound meanwhile, whatever becomes due. That is soon,
//! since none waits for data or room. Its result is returned, and what is due is raised at the next
//! suspension point.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use crate::frames;
use crate::reactor::{Outcome, Uring, abort_in_operation, to_result};
use crate::scheduler::{self, Scheduler};
use crate::suspend;

use super::registration::{Waiting, descriptor};

/// Dropped only by a panic of ours.
struct Stays;

impl Drop for Stays {
    fn drop(&mut self) {
        abort_in_operation();
    }
}

/// Opens the ring, or notes that there is none.
#[cold]
pub(super) fn open(uring: &Uring) {
    let opened = uring.open();
    frames::staying(|| match opened {
        Ok(()) => log::debug!("sends and receives go through io_uring"),
        Err(error) => {
            log::debug!("there is no io_uring, so sends and receives are system calls: {error}")
        }
    });
}

/// After an operation that counts as interrupted: says why there is no ring any more.
#[cold]
pub(super) fn tell_refusal(uring: &Uring) {
    if let Some(error) = uring.refusal() {
        frames::staying(|| {
            log::warn!(
                "io_uring_enter fails, so each send and receive is a system call now: {error}"
            );
        });
    }
}

/// Parks the running coroutine until the kernel has let go of its operation, whatever becomes due.
pub(super) fn park_until_done(
    scheduler: &Scheduler,
    outcome: &Outcome,
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
) -> i32 {
    let what = descriptor(fd.as_raw_fd(), waiting.direction);
    loop {
        if let Some(result) = outcome.result() {
            return result;
        }
        suspend::park_deaf(scheduler, &what, waiting.at);
    }
}

/// Has the next look send to a socket that has a peer, and waits until the kernel has let go of
/// the buffer. None if nobody would share the system call, or there is no room in the ring, or no
/// ring.
///
/// # Errors
/// As send(2), which does not wait.
pub(crate) fn send_together(
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
    buf: &[u8],
) -> Option<io::Result<usize>> {
    let scheduler = scheduler::current()?;
    let uring = scheduler.reactor.made()?.uring.as_ref()?;
    let is_first = uring.is_idle();
    if waiting.never() || is_first && (scheduler.is_alone() || uring.takes_pause()) {
        return None;
    }
    if uring.is_unopened() {
        open(uring);
        // The logger may have suspended, so nothing known from before counts.
        return None;
    }
    let outcome = Outcome::under_way();
    let stays = Stays;
    // SAFETY: `outcome` lies in this frame, which borrows `fd` and `buf`, and is not left before
    // it has a result: it parks deaf, a panic aborts, and a stack that is leaked is never reused.
    let is_started = unsafe { uring.send(fd, buf, scheduler.running(), &outcome) };
    let result = is_started.then(|| {
        if is_first {
            // All who are ready may share that look, and one turn of each is long enough to wait.
            scheduler.look_after_this_round();
        }
        let _waits = scheduler.reactor.waits();
        park_until_done(scheduler, &outcome, fd, waiting)
    });
    mem::forget(stays);
    let result = result?;
    if result == -libc::EINTR {
        // Nothing was sent, so nothing is lost if the logger does not return.
        tell_refusal(uring);
    }
    Some(to_result(result))
}

/// Has all that was begun sent at once.
pub(crate) fn send_begun() {
    if let Some(scheduler) = scheduler::current()
        && let Some(Some(uring)) = scheduler.reactor.made().map(|made| &made.uring)
        && !uring.is_idle()
    {
        scheduler.look_at_descriptors(Some(Duration::ZERO));
    }
}
