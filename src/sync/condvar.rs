//! `Condvar`.

use std::fmt;
use std::panic::Location;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Caller, WaitQueue};

use super::MutexGuard;

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
        suspend::checkpoint(scheduler);
        let at = Location::caller();
        let wait = || (self.queue).wait_or_due(scheduler, &"a notification of a Condvar", at);
        let notified = guard.without(scheduler, at, wait);
        if !notified {
            suspend::checkpoint(scheduler);
        }
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

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
