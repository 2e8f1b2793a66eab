//! Waiting until a child has ended, without reaping it.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::block_on::block_on;
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
    Thread(Arc<Watch>),
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
                    log::debug!("a thread waits for process {id}: no pidfd: {error}");
                    Exit::Thread(watch_on_thread(scheduler, pid)?)
                }
            };
        }
        match self {
            Exit::Undecided => unreachable!("it was decided just now"),
            Exit::Pidfd(fd) => fd.readable(),
            Exit::Thread(watch) => {
                watch.wait();
                // A signal may have interrupted it: the next wait begins anew.
                *self = Exit::Undecided;
                Ok(())
            }
        }
    }
}

fn watch_on_thread(scheduler: &Scheduler, pid: Pid) -> io::Result<Arc<Watch>> {
    let watch = Arc::new(Watch::default());
    let job = {
        let watch = Arc::clone(&watch);
        move || {
            // It stays a zombie, for the owner to reap. An error says that it was
            // reaped meanwhile.
            let _ = waitid(
                WaitId::Pid(pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
            );
            watch.has_ended();
        }
    };
    scheduler.threads.submit(Box::new(job))?;
    Ok(watch)
}

/// What a thread tells.
#[derive(Default)]
pub(super) struct Watch(Mutex<(bool, Option<Waker>)>);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, (bool, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_ended(&self) {
        let waker = {
            let mut watch = self.lock();
            watch.0 = true;
            watch.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    #[track_caller]
    fn wait(&self) {
        block_on(poll_fn(|context| {
            let mut watch = self.lock();
            if watch.0 {
                return Poll::Ready(());
            }
            let former = watch.1.replace(context.waker().clone());
            drop(watch);
            drop(former);
            Poll::Pending
        }));
    }
}
