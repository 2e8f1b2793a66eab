//! Operations, as seen from the frames that wait for them.

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::process;
use std::slice;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// What became of an operation: the result of the system call, with an error negative. Once that
/// is there the kernel touches nothing of the operation any more.
pub(crate) struct Outcome(Cell<i32>);

impl Outcome {
    /// Not a result: the ring does not have it.
    const IDLE: i32 = i32::MIN;
    /// Not a result: the ring has it.
    const UNDER_WAY: i32 = i32::MIN + 1;

    /// Of an operation that the ring is about to have.
    pub(crate) fn under_way() -> Outcome {
        Outcome(Cell::new(Outcome::UNDER_WAY))
    }

    /// The result, once it is there.
    #[inline(always)]
    pub(crate) fn result(&self) -> Option<i32> {
        Some(self.0.get()).filter(|&state| state > Outcome::UNDER_WAY)
    }

    #[inline(always)]
    pub(super) fn set_result(&self, result: i32) {
        self.0.set(result);
    }
}

/// A receive, which a look may make while its coroutine waits for data.
pub(crate) struct Receive<'a> {
    pub(super) buf: *mut u8,
    pub(super) wanted: usize,
    pub(super) is_tcp: bool,
    pub(super) outcome: Outcome,
    _buf: PhantomData<&'a mut [u8]>,
}

impl<'a> Receive<'a> {
    /// One from a socket that `is_tcp`: of others a short one does not tell that nothing is left.
    #[inline(always)]
    pub(crate) fn new(buf: &'a mut [u8], is_tcp: bool) -> Receive<'a> {
        Receive {
            buf: buf.as_mut_ptr(),
            wanted: buf.len(),
            is_tcp,
            outcome: Outcome(Cell::new(Outcome::IDLE)),
            _buf: PhantomData,
        }
    }

    /// Receives what there is.
    ///
    /// # Errors
    /// As recv(2), which does not wait.
    #[inline(always)]
    pub(crate) fn now(&self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        assert!(self.started().is_none(), "the kernel has the buffer");
        // SAFETY: it is borrowed for us alone, and the kernel does not have it.
        let buf = unsafe { slice::from_raw_parts_mut(self.buf, self.wanted) };
        Ok(recv(fd, buf, RecvFlags::DONTWAIT)?.0)
    }

    /// What becomes of it, if a look has started it.
    #[inline(always)]
    pub(crate) fn started(&self) -> Option<&Outcome> {
        Some(&self.outcome).filter(|outcome| outcome.0.get() != Outcome::IDLE)
    }

    /// Whether the kernel has the buffer.
    #[inline(always)]
    pub(super) fn is_under_way(&self) -> bool {
        self.outcome.0.get() == Outcome::UNDER_WAY
    }

    /// The ring has it.
    #[inline(always)]
    pub(super) fn set_under_way(&self) {
        self.outcome.0.set(Outcome::UNDER_WAY);
    }

    /// What a look has made of it, told once.
    #[inline(always)]
    pub(crate) fn take_result(&self) -> Option<i32> {
        let result = self.outcome.result()?;
        self.outcome.0.set(Outcome::IDLE);
        Some(result)
    }
}

/// A [`Receive`] whose coroutine waits. Only [`Source::while_enlisted`](super::Source::while_enlisted) makes one, and takes it
/// back before it returns or unwinds.
#[derive(Clone, Copy)]
pub(super) struct Offer(pub(super) *const Receive<'static>);

impl Offer {
    #[inline(always)]
    pub(super) fn new(receive: &Receive<'_>) -> Offer {
        Offer(std::ptr::from_ref(receive).cast())
    }
}

/// What an operation came to, as of its system call.
///
/// # Errors
/// Its own.
#[inline(always)]
pub(crate) fn to_result(result: i32) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| Errno::from_raw_os_error(-result).into())
}

/// Instead of an unwinding by a panic of ours, which would leave the kernel with a frame that is
/// gone.
#[cold]
pub(crate) fn abort_in_operation() -> ! {
    eprintln!("corobin: a panic in the middle of an operation; aborting");
    process::abort();
}
