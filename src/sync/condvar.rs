//! `Condvar`.

use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::time;
use crate::wait_queue::{Caller, WaitQueue};

use super::{MutexGuard, timed};

/// What it waits for.
const NOTIFICATION: &str = "a notification of a Condvar";

/// Waits for a change of what a [`Mutex`](super::Mutex) holds.
///
/// Who waits is notified in the order of arrival. A notification that meets a waiter
/// first is not lost by a cancel, and a cancelled waiter uses none up. There are no
/// spurious wake-ups, but the value may have changed again before a notified waiter
/// has its lock back: check in a loop, or use [`wait_while`](Condvar::wait_while).
///
/// Counterparts: [`std::sync::Condvar`], with the guard by `&mut`;
/// `asyncio.Condition`. Not bound to one mutex.
///
/// ```
/// use corobin::sync::{Condvar, Mutex};
/// use std::rc::Rc;
///
/// corobin::run(|| {
///     let pair = Rc::new((Mutex::new(0), Condvar::new()));
///     let other = Rc::clone(&pair);
///     corobin::spawn(move || {
///         *other.0.lock() = 7;
///         other.1.notify_one();
///     });
///     let mut value = pair.0.lock();
///     pair.1.wait_while(&mut value, |value| *value == 0);
///     assert_eq!(*value, 7);
/// });
/// ```
#[derive(Default)]
pub struct Condvar {
    queue: WaitQueue,
}

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar {
            queue: WaitQueue::new(),
        }
    }

    /// Releases the guard's mutex, waits for a notification, and takes the mutex
    /// again.
    ///
    /// A suspension point. A cancelled wait takes the mutex again before it unwinds;
    /// nothing interrupts that part.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn wait<T: ?Sized>(&self, guard: &mut MutexGuard<'_, T>) {
        let scheduler = scheduler::expect("Condvar::wait");
        let at = Location::caller();
        without(guard, scheduler, at, || {
            self.queue.wait_or_due(scheduler, &NOTIFICATION, at)
        });
    }

    /// As [`wait`](Condvar::wait), for at most `timeout`; taking the mutex again may take longer.
    ///
    /// Zero waits for one turn, in which everybody runs who is ready; [`Duration::MAX`] never
    /// ends. A suspension point.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn wait_timeout<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait_until(guard, time::now().checked_add(timeout))
    }

    #[track_caller]
    fn wait_until<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        until: Option<Instant>,
    ) -> WaitTimeoutResult {
        let scheduler = scheduler::expect("Condvar::wait_timeout");
        let at = Location::caller();
        WaitTimeoutResult(!without(guard, scheduler, at, || {
            timed::wait(&self.queue, scheduler, until, None, &NOTIFICATION, at).0
        }))
    }

    /// Waits as long as `condition` says true of the value.
    ///
    /// A suspension point, also if it need not wait; like [`wait`](Condvar::wait).
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn wait_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) {
        suspend::arrive();
        while condition(guard) {
            self.wait(guard);
        }
    }

    /// As [`wait_while`](Condvar::wait_while), for at most `timeout` in all.
    ///
    /// It has timed out only if `condition` says true of the value at the end. A suspension
    /// point, also if it need not wait.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    ///
    /// ```
    /// use corobin::sync::{Condvar, Mutex};
    /// use std::{rc::Rc, time::Duration};
    ///
    /// corobin::run(|| {
    ///     let pair = Rc::new((Mutex::new(0), Condvar::new()));
    ///     let other = Rc::clone(&pair);
    ///     corobin::spawn(move || {
    ///         *other.0.lock() += 1;
    ///         other.1.notify_one();
    ///     });
    ///     let (mut value, ms) = (pair.0.lock(), Duration::from_millis(1));
    ///     let result = pair.1.wait_timeout_while(&mut value, ms, |value| *value < 2);
    ///     assert!(result.timed_out());
    ///     assert_eq!(*value, 1);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_timeout_while<T: ?Sized>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> WaitTimeoutResult {
        suspend::arrive();
        // No timer outlives its wait: the condition may leave a generator that this runs in, and
        // another coroutine may go on with it.
        let until = time::now().checked_add(timeout);
        let mut has_timed_out = false;
        while condition(guard) {
            if has_timed_out {
                return WaitTimeoutResult(true);
            }
            let result = self.wait_until(guard, until);
            // A notification in time is no reason to wait for the next one beyond it.
            has_timed_out = result.timed_out() || until.is_some_and(|until| until <= time::now());
        }
        WaitTimeoutResult(false)
    }

    /// Wakes the first one that waits. Without one nothing happens, and nothing is
    /// remembered. Not a suspension point.
    pub fn notify_one(&self) {
        let _ = self.queue.give((), Caller::now());
    }

    /// Wakes all that wait. Not a suspension point.
    pub fn notify_all(&self) {
        self.queue.release_all();
    }
}

/// Waits without the mutex of `guard`, and raises what was due instead of a notification; says
/// whether there was one.
fn without<T: ?Sized>(
    guard: &mut MutexGuard<'_, T>,
    scheduler: &Scheduler,
    at: &'static Location<'static>,
    wait: impl FnOnce() -> bool,
) -> bool {
    suspend::checkpoint(scheduler);
    let notified = guard.without(scheduler, at, wait);
    if !notified {
        suspend::checkpoint(scheduler);
    }
    notified
}

/// What [`Condvar::wait_timeout`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over before a notification came.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
