//! Waiting until a child has ended, without reaping it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::block_on::Latch;
use crate::frames;
use crate::io::Async;
use crate::scheduler::Scheduler;

/// How it is waited for; decided at the first wait, and kept for the next, should
/// that be cancelled.
#[derive(Default)]
pub(super) enum Exit {
    #[default]
    Undecided,
    /// A descriptor that is readable once the child has ended.
    Pidfd(Async<OwnedFd>),
    /// A thread of the pool.
    Thread(Arc<Latch>),
}

impl Exit {
    /// Waits until the child has ended, or until a look at it is worth it. It has
    /// not been reaped, so its number is its own.
    ///
    /// # Errors
    /// There is neither a descriptor nor a thread for it.
    #[track_caller]
    pub(super) fn wait(&mut self, scheduler: &Scheduler, id: u32) -> io::Result<()> {
        let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if let Exit::Undecided = self {
            *self = match pidfd_open(pid, PidfdFlags::empty()) {
                // Never read from, so it need not be non-blocking.
                Ok(fd) => Exit::Pidfd(Async::new_nonblocking(fd)),
                Err(error) => {
                    frames::staying(|| {
                        log::debug!("a thread waits for process {id}: no pidfd: {error}");
                    });
                    Exit::Thread(watch_on_thread(scheduler, pid)?)
                }
            };
        }
        match self {
            Exit::Undecided => unreachable!("it was decided just now"),
            Exit::Pidfd(fd) => fd.readable(),
            Exit::Thread(has_ended) => {
                has_ended.wait();
                // A signal may have interrupted it: the next wait begins anew.
                *self = Exit::Undecided;
                Ok(())
            }
        }
    }
}

fn watch_on_thread(scheduler: &Scheduler, pid: Pid) -> io::Result<Arc<Latch>> {
    let has_ended = Arc::new(Latch::default());
    let theirs = Arc::clone(&has_ended);
    let job = move || {
        // It stays a zombie, for the owner to reap. An error says that it was
        // reaped meanwhile.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = waitid(WaitId::Pid(pid), options);
        theirs.open();
    };
    scheduler.threads.submit(Box::new(job))?;
    Ok(has_ended)
}
