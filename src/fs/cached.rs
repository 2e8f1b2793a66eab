//! Reads that never wait for the disk: `preadv2` with `RWF_NOWAIT`.
//!
//! A thread's help costs a hundred times what it takes to copy a page that the
//! kernel has in memory. Where the kernel would have to wait, or does not know
//! how not to (some file systems, terminals), it says so, and the thread does the work.

use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ReadWriteFlags};

/// What the kernel takes for the file's cursor, which then moves.
const CURSOR: u64 = u64::MAX;

/// What the handles of one open file know of it in common.
#[derive(Debug)]
pub(super) struct State {
    /// Whether a read waits for a disk only, and not for somebody who writes.
    on_disk: OnceLock<bool>,
    /// Whether it is worth a try.
    supported: AtomicBool,
    /// Calls on threads that may hold the kernel's lock on the cursor.
    in_thread: AtomicUsize,
    /// Held by whoever moves the cursor of a file on disk; in a coroutine only while
    /// that cannot wait.
    cursor: Mutex<()>,
}

impl State {
    pub(super) fn new() -> State {
        State {
            on_disk: OnceLock::new(),
            supported: AtomicBool::new(true),
            in_thread: AtomicUsize::new(0),
            cursor: Mutex::new(()),
        }
    }

    /// Whether `file`, which this is the state of, is on a disk.
    pub(super) fn is_on_disk(&self, file: impl AsFd) -> bool {
        let ask = || {
            let kind = fstat(file).map(|stat| FileType::from_raw_mode(stat.st_mode));
            matches!(kind, Ok(FileType::RegularFile | FileType::BlockDevice))
        };
        *self.on_disk.get_or_init(ask)
    }

    /// Counts a call on a thread.
    pub(super) fn enter_thread(&self) -> InThread<'_> {
        self.in_thread.fetch_add(1, Ordering::Relaxed);
        InThread(&self.in_thread)
    }

    /// For a thread that may wait until the others have moved the cursor.
    pub(super) fn lock_cursor(&self) -> MutexGuard<'_, ()> {
        self.cursor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cursor, if nobody has it, nor will have it for long.
    pub(super) fn try_lock_cursor(&self) -> Option<MutexGuard<'_, ()>> {
        if self.in_thread.load(Ordering::Relaxed) > 0 {
            return None;
        }
        match self.cursor.try_lock() {
            Ok(cursor) => Some(cursor),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Reads what is in memory, at an offset or the cursor, which then is locked. None
    /// if a thread has to do it, which then finds the error, if that is why.
    pub(super) fn read(
        &self,
        file: impl AsFd,
        buffers: &mut [IoSliceMut<'_>],
        offset: Option<u64>,
    ) -> Option<usize> {
        let offset = match offset {
            None => CURSOR,
            Some(offset) if offset <= i64::MAX as u64 => offset,
            _ => return None,
        };
        if !self.supported.load(Ordering::Relaxed) {
            return None;
        }
        match rustix::io::preadv2(file, buffers, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Some(read),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::SPIPE) => {
                self.supported.store(false, Ordering::Relaxed);
                None
            }
            Err(_) => None,
        }
    }
}

/// See [`State::enter_thread`].
pub(super) struct InThread<'a>(&'a AtomicUsize);

impl Drop for InThread<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
