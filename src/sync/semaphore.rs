//! `Semaphore`.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Caller, Tag, WaitQueue};

use super::holder::{Held, Holder, Holders};

/// A number of permits: at most so many coroutines do something at a time.
///
/// Who waits is served in the order of arrival, and a permit goes straight from the
/// one that releases it to the next. A panic or a cancel that unwinds a permit
/// releases it.
///
/// Counterparts: `asyncio.Semaphore`, where releasing is left to the caller;
/// [`std`] has none. Works outside of a runtime, unless it would have to wait.
///
/// ```
/// use corobin::{scope, sleep, sync::Semaphore};
/// use std::{cell::Cell, time::Duration};
///
/// corobin::run(|| {
///     let (two, busy) = (Semaphore::new(2), Cell::new(0));
///     scope(|s| {
///         for _ in 0..10 {
///             s.spawn(|| {
///                 let _permit = two.acquire();
///                 busy.set(busy.get() + 1);
///                 assert!(busy.get() <= 2);
///                 sleep(Duration::from_millis(1));
///                 busy.set(busy.get() - 1);
///             });
///         }
///     });
///     assert_eq!(two.available_permits(), 2);
/// });
/// ```
pub struct Semaphore {
    /// Where there are any, nobody waits.
    available: Cell<usize>,
    queue: WaitQueue,
    holders: Holders,
}

impl Semaphore {
    /// One with so many permits.
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        Semaphore {
            available: Cell::new(permits),
            queue: WaitQueue::new(),
            holders: Holders::new(),
        }
    }

    /// Takes a permit, and waits for one if there is none. Dropping it gives it back.
    ///
    /// A suspension point. A cancelled wait passes its turn on.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> SemaphorePermit<'_> {
        let scheduler = suspend::arrive();
        let me = Holder::new(scheduler, Location::caller());
        match self.available.get().checked_sub(1) {
            Some(rest) => self.available.set(rest),
            None => self.wait(me),
        }
        self.permit(me)
    }

    /// Takes a permit if there is one. Not a suspension point.
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.available.set(self.available.get().checked_sub(1)?);
        let me = Holder::new(scheduler::current(), Location::caller());
        Some(self.permit(me))
    }

    /// Permits that nobody has.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.available.get()
    }

    #[inline(always)]
    fn permit(&self, me: Holder) -> SemaphorePermit<'_> {
        SemaphorePermit {
            semaphore: self,
            place: self.holders.add(me),
        }
    }

    #[inline(always)]
    #[track_caller]
    fn wait(&self, me: Holder) {
        let scheduler = scheduler::expect("a Semaphore without permits");
        let what = Held {
            what: "a permit of the Semaphore",
            one: &Cell::new(None),
            many: Some(&self.holders),
            waiter: me.id,
        };
        self.queue.wait(scheduler, Tag::Plain, None, &what, me.at);
    }
}

/// A permit of a [`Semaphore`], until it is dropped.
#[must_use = "the permit is given back at once if it is not kept"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    place: usize,
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        let semaphore = self.semaphore;
        semaphore.holders.remove(self.place);
        if semaphore.queue.give((), Caller::now()).is_err() {
            semaphore.available.set(semaphore.available.get() + 1);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit").finish_non_exhaustive()
    }
}
