//! Attempts that the next look makes for us, all of them at once, with io_uring(7).
//!
//! The kernel reads from the caller's own buffer, or writes to it. That is sound because the
//! frame that borrows it waits until the attempt has been made, whatever becomes due: nothing is
//! raised there. It is not long, since no attempt waits for its socket. What it came to is
//! returned, and what is due is met at the next suspension point.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use rustix::io::Errno;

use crate::reactor::Op;
use crate::scheduler;
use crate::suspend;

use super::registration::{Waiting, descriptor};

/// Sends to a socket that has a peer. None if nobody else could share the system call.
///
/// # Errors
/// As send(2), which does not wait.
#[inline]
pub(super) fn send(
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
    buf: &[u8],
) -> Option<io::Result<usize>> {
    let entry = opcode::Send::new(Fd(fd.as_raw_fd()), buf.as_ptr(), length(buf))
        .flags(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
        .build();
    // SAFETY: `buf` and `fd` are borrowed until the attempt has been made.
    unsafe { attempt(fd, waiting, entry) }
}

/// What one operation may move; streams go on with the rest.
fn length(buf: &[u8]) -> u32 {
    const MOST: u32 = 0x7fff_f000;
    u32::try_from(buf.len()).unwrap_or(MOST).min(MOST)
}

/// Has the next look make an attempt, and waits until the kernel has let go of it. None if
/// that look would have nothing else to do, or no room for it.
///
/// # Safety
/// What `entry` points to stays where it is until this returns, and nobody else touches what it
/// may write to.
unsafe fn attempt(
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
    entry: squeue::Entry,
) -> Option<io::Result<usize>> {
    /// Dropped only by a panic of ours, which would leave the kernel with a frame
    /// that is gone.
    struct Stays;
    impl Drop for Stays {
        fn drop(&mut self) {
            eprintln!("corobin: a panic in the middle of an operation; aborting");
            std::process::abort();
        }
    }
    let scheduler = scheduler::current()?;
    let uring = scheduler.reactor.made()?.uring.as_ref()?;
    let is_first = uring.is_idle();
    if waiting.never() || is_first && (scheduler.is_alone() || uring.pauses()) {
        return None;
    }
    let op = Op::new(scheduler.running());
    let stays = Stays;
    // SAFETY: as the caller says; and `op` is in this frame, which waits.
    let is_started = unsafe { uring.start(entry, &op) };
    let result = is_started.then(|| {
        if is_first {
            // All who are ready may share that look, and one turn of each is long enough to wait.
            scheduler.look_after_others();
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
    if let Some(error) = uring.refusal() {
        log::warn!("io_uring_enter fails, so each operation is a system call now: {error}");
    }
    let result = result?;
    Some(usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result).into()))
}
