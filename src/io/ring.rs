//! Operations that the kernel does for us, with io_uring(7).
//!
//! The kernel writes to the caller's own buffer. That is sound because the frame
//! that borrows it waits until the operation has ended, whatever happens: what
//! becomes due does not unwind here, it asks the kernel to cancel the operation,
//! and the wait goes on deaf. If the operation took effect nevertheless, its
//! result is returned, and what is due is met at the next suspension point.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::time::Duration;

use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use rustix::io::Errno;

use crate::coroutine::Awaited;
use crate::reactor::{Direction, Op, Uring};
use crate::scheduler::Scheduler;
use crate::suspend;
use crate::time::Deadline;

use super::registration::{Waiting, descriptor};

/// Receives from a socket; at its first try only when there is something, if it is
/// `drained`.
///
/// # Errors
/// As recv(2); `WouldBlock` after the timeout.
pub(super) fn receive(
    scheduler: &Scheduler,
    uring: &Uring,
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
    buf: &mut [u8],
    drained: bool,
) -> io::Result<usize> {
    const POLL_FIRST: u16 = 1;
    let entry = opcode::Recv::new(Fd(fd.as_raw_fd()), buf.as_mut_ptr(), length(buf))
        .ioprio(if drained { POLL_FIRST } else { 0 })
        .build();
    // SAFETY: `buf` and `fd` are borrowed until the operation has ended.
    unsafe { run(scheduler, uring, fd, waiting, &entry) }
}

/// Sends to a socket that has a peer.
///
/// # Errors
/// As send(2); `WouldBlock` after the timeout.
pub(super) fn send(
    scheduler: &Scheduler,
    uring: &Uring,
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
    buf: &[u8],
) -> io::Result<usize> {
    let entry = opcode::Send::new(Fd(fd.as_raw_fd()), buf.as_ptr(), length(buf))
        .flags(libc::MSG_NOSIGNAL)
        .build();
    // SAFETY: `buf` and `fd` are borrowed until the operation has ended.
    unsafe { run(scheduler, uring, fd, waiting, &entry) }
}

/// Lets all who have begun an operation on this file try again.
pub(super) fn retry_all(scheduler: &Scheduler, uring: &Uring, fd: BorrowedFd<'_>) {
    while !uring.cancel_all(fd.as_raw_fd()) {
        scheduler.look_at_descriptors(Some(Duration::ZERO));
    }
}

/// What one operation may move; streams go on with the rest.
fn length(buf: &[u8]) -> u32 {
    const MOST: u32 = 0x7fff_f000;
    u32::try_from(buf.len()).unwrap_or(MOST).min(MOST)
}

/// Does an operation until it has succeeded or failed.
///
/// # Errors
/// Its own; `WouldBlock` after the timeout.
///
/// # Safety
/// As for [`complete`].
unsafe fn run(
    scheduler: &Scheduler,
    uring: &Uring,
    fd: BorrowedFd<'_>,
    waiting: Waiting<'_>,
    entry: &squeue::Entry,
) -> io::Result<usize> {
    suspend::checkpoint(scheduler);
    let deadline = Deadline::new(scheduler, waiting.timeout());
    let number = fd.as_raw_fd();
    loop {
        // SAFETY: as the caller says.
        let (result, _) = unsafe { complete(scheduler, uring, number, waiting, &deadline, entry) };
        match result {
            // The kernel did not wait for a non-blocking descriptor.
            Err(Errno::AGAIN) if !deadline.has_passed() => {
                poll(scheduler, uring, number, waiting, &deadline)?;
            }
            // Canceled by somebody who has shut the socket down.
            Err(Errno::INTR | Errno::CANCELED) => {}
            result => return Ok(result?),
        }
    }
}

/// Waits until an attempt is worth it. The descriptor may be closed meanwhile: then this
/// tells nothing of it, or of another one.
///
/// # Errors
/// `WouldBlock` after the deadline.
pub(super) fn poll(
    scheduler: &Scheduler,
    uring: &Uring,
    number: RawFd,
    waiting: Waiting<'_>,
    deadline: &Deadline<'_>,
) -> io::Result<()> {
    let flags = match waiting.direction {
        Direction::Read => libc::POLLIN | libc::POLLPRI | libc::POLLRDHUP,
        Direction::Write => libc::POLLOUT,
    };
    let flags = u32::from(flags.cast_unsigned());
    let entry = opcode::PollAdd::new(Fd(number), flags).build();
    loop {
        // SAFETY: it points to nothing.
        let (result, is_cancelled) =
            unsafe { complete(scheduler, uring, number, waiting, deadline, &entry) };
        match result {
            Err(Errno::INTR) => {}
            // What came in time comes before what became due since.
            Ok(_) if !is_cancelled => return Ok(()),
            result => {
                // Nothing has been done yet that would come first.
                suspend::checkpoint(scheduler);
                return match result {
                    Ok(_) | Err(Errno::CANCELED) => Ok(()),
                    Err(error) => Err(error.into()),
                };
            }
        }
    }
}

/// Does an operation, and waits until the kernel has let go of it; says also whether its end was
/// asked for meanwhile. Raises what is due, if that kept it from taking effect.
///
/// # Errors
/// Its own; `AGAIN` after the deadline.
///
/// # Safety
/// What `entry` points to stays for as long as this call, and only the kernel
/// touches what it may write to.
unsafe fn complete(
    scheduler: &Scheduler,
    uring: &Uring,
    number: RawFd,
    waiting: Waiting<'_>,
    deadline: &Deadline<'_>,
    entry: &squeue::Entry,
) -> (Result<usize, Errno>, bool) {
    /// Dropped only by a panic of ours, which would leave the kernel with a frame
    /// that is gone.
    struct Stays;
    impl Drop for Stays {
        fn drop(&mut self) {
            eprintln!("corobin: a panic in the middle of an operation; aborting");
            std::process::abort();
        }
    }
    let look = || scheduler.look_at_descriptors(Some(Duration::ZERO));
    let what = descriptor(number, waiting.direction);
    loop {
        let op = Op::new(scheduler.running());
        let stays = Stays;
        // SAFETY: as the caller says; and `op` is in this frame, which waits.
        while !unsafe { uring.start(entry.clone(), &op) } {
            look();
        }
        let waits = scheduler.reactor.waits();
        let mut is_late = false;
        let mut is_cancelled = false;
        let result = loop {
            if let Some(result) = op.result() {
                break result;
            }
            is_late = deadline.has_passed();
            if is_late || !suspend::park_or_due(scheduler, &what, waiting.at) {
                is_cancelled = true;
                // SAFETY: `op` is in this frame, which waits.
                break unsafe { cancel(scheduler, uring, &op, &what, waiting.at) };
            }
        };
        drop(waits);
        mem::forget(stays);
        if let Ok(count) = usize::try_from(result) {
            return (Ok(count), is_cancelled);
        }
        let error = Errno::from_raw_os_error(-result);
        if !is_cancelled || !matches!(error, Errno::CANCELED | Errno::INTR) {
            return (Err(error), is_cancelled);
        }
        if is_late {
            return (Err(Errno::AGAIN), true);
        }
        suspend::checkpoint(scheduler);
    }
}

/// Asks for an early end of an operation, and waits for it whatever is due. Gives its result.
///
/// # Safety
/// `op` was started, and stays where it is until this returns.
#[cold]
unsafe fn cancel(
    scheduler: &Scheduler,
    uring: &Uring,
    op: &Op,
    what: &dyn Awaited,
    at: &'static Location<'static>,
) -> i32 {
    loop {
        // SAFETY: as the caller says.
        while op.result().is_none() && !unsafe { uring.cancel(op) } {
            scheduler.look_at_descriptors(Some(Duration::ZERO));
        }
        while !op.was_missed() {
            if let Some(result) = op.result() {
                return result;
            }
            suspend::park_deaf(scheduler, what, at);
        }
    }
}
