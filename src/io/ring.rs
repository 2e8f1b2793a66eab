//! Sends that the next look makes for us, all of them at once, with io_uring(7).
//!
//! The kernel reads from the caller's own buffer. That is sound because the frame that borrows
//! it waits until the send has been made: it is not unwound meanwhile, whatever becomes due. That
//! is soon, since no send waits for room. Its result is returned, and what is due is raised at the
//! next suspension point.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use io_uring::opcode;
use io_uring::types::Fd;
use rustix::io::Errno;

use crate::reactor::Op;
use crate::scheduler;
use crate::suspend;

use super::registration::{Waiting, descriptor};

/// Dropped only by a panic of ours, which would leave the kernel with a frame that is gone.
struct Stays;

impl Drop for Stays {
    fn drop(&mut self) {
        eprintln!("corobin: a panic in the middle of an operation; aborting");
        std::process::abort();
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
    /// What send(2) moves at most; whoever writes to a stream goes on with the rest.
    const MOST: u32 = 0x7fff_f000;
    let scheduler = scheduler::current()?;
    let uring = scheduler.reactor.made()?.uring.as_ref()?;
    let is_first = uring.is_idle();
    if waiting.never() || is_first && (scheduler.is_alone() || uring.takes_pause()) {
        return None;
    }
    if uring.is_unopened() {
        match uring.open() {
            Ok(()) => log::debug!("sends go through io_uring"),
            Err(error) => log::debug!("there is no io_uring, so sends are system calls: {error}"),
        }
        // The logger may have suspended, so nothing known from before counts.
        return None;
    }
    let length = u32::try_from(buf.len()).unwrap_or(MOST).min(MOST);
    // Which does not wait: the kernel answers within the call that submits it.
    let entry = opcode::Send::new(Fd(fd.as_raw_fd()), buf.as_ptr(), length)
        .flags(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
        .build();
    let op = Op::new(scheduler.running());
    let stays = Stays;
    // SAFETY: `op` lies in this frame, which borrows `fd` and `buf`, and is not left before `op`
    // has a result: it parks deaf, a panic aborts, and a stack that is leaked is never reused.
    let is_started = unsafe { uring.start(entry, &op) };
    let result = is_started.then(|| {
        if is_first {
            // All who are ready may share that look, and one turn of each is long enough to wait.
            scheduler.look_after_this_round();
        }
        let what = descriptor(fd.as_raw_fd(), waiting.direction);
        let _waits = scheduler.reactor.waits();
        loop {
            if let Some(result) = op.result() {
                break result;
            }
            suspend::park_deaf(scheduler, &what, waiting.at);
        }
    });
    mem::forget(stays);
    let result = result?;
    if result == -libc::EINTR
        && let Some(error) = uring.refusal()
    {
        // Nothing was sent, so nothing is lost if the logger does not return.
        log::warn!("io_uring_enter fails, so each send is a system call now: {error}");
    }
    Some(usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result).into()))
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
