//! `Mutex`.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::coroutine::Awaited;
use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::task::Id;
use crate::wait_queue::{Caller, Tag, WaitQueue};

use super::holder::{Held, Holder};

/// A value that one coroutine at a time has, also across suspension points.
///
/// Between two suspension points nobody else runs: there a [`Cell`] or a
/// [`RefCell`](std::cell::RefCell) does, and no lock is needed. See the [module](super) for when one is.
///
/// Who waits is served in the order of arrival, and the lock goes straight from the
/// one that unlocks to the next. A panic or a cancel that unwinds a guard releases it;
/// there is no poisoning. Locking it twice in one coroutine waits for ever, which is
/// reported as the deadlock that it is, with the place where it was taken.
///
/// Counterparts: [`std::sync::Mutex`], `asyncio.Lock`. Works outside of a runtime,
/// unless it would have to wait.
///
/// ```
/// use corobin::{gather, run, spawn, sync::Mutex, yield_now};
/// use std::rc::Rc;
///
/// let total = run(|| {
///     let total = Rc::new(Mutex::new(0));
///     let add = |n| {
///         let total = Rc::clone(&total);
///         spawn(move || {
///             let mut total = total.lock();
///             let read = *total;
///             yield_now(); // nobody else writes meanwhile
///             *total = read + n;
///         })
///     };
///     gather([add(1), add(2)]).unwrap();
///     *total.lock()
/// });
/// assert_eq!(total, 3);
/// ```
pub struct Mutex<T: ?Sized> {
    state: State,
    /// For who has the lock.
    value: UnsafeCell<T>,
}

/// The lock without the value.
struct State {
    holder: Cell<Option<Holder>>,
    /// Each brings what it will be known by as the holder. One that brought nothing would have
    /// the lock while it looks free.
    queue: WaitQueue<Holder>,
}

impl<T> Mutex<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            state: State {
                holder: Cell::new(None),
                queue: WaitQueue::new(),
            },
            value: UnsafeCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, and waits for it if somebody else has it. Dropping the guard
    /// releases it.
    ///
    /// A suspension point. A cancelled wait passes its turn on.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline(always)]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.state.lock();
        MutexGuard::new(self)
    }

    /// Takes the lock if it is free. Not a suspension point.
    #[inline]
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if self.state.holder.get().is_some() {
            return None;
        }
        let holder = Holder::new(scheduler::current(), Location::caller());
        self.state.holder.set(Some(holder));
        Some(MutexGuard::new(self))
    }

    /// The value, with no need to lock: nobody else can have a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl State {
    #[inline(always)]
    #[track_caller]
    fn lock(&self) {
        let Some(scheduler) = scheduler::plain() else {
            return self.lock_apart();
        };
        let me = Holder::new(Some(scheduler), Location::caller());
        if self.holder.get().is_none() {
            self.holder.set(Some(me));
        } else {
            (self.queue).wait_plainly(scheduler, Some(me), self, me.at);
        }
    }

    /// As `lock`, in all cases.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn lock_apart(&self) {
        let scheduler = suspend::arrive();
        let me = Holder::new(scheduler, Location::caller());
        if self.holder.get().is_none() {
            self.holder.set(Some(me));
        } else {
            let scheduler = scheduler::needed(scheduler, "a Mutex that is locked");
            (self.queue).wait(scheduler, Tag::Plain, Some(me), self, me.at);
        }
    }

    /// As `lock`, whatever becomes due.
    fn lock_deaf(&self, scheduler: &Scheduler, me: Holder) {
        if self.holder.get().is_none() {
            self.holder.set(Some(me));
        } else {
            (self.queue).wait_deaf(scheduler, Tag::Plain, Some(me), self, me.at);
        }
    }

    /// Hands the lock to the next, or frees it.
    #[inline(always)]
    fn release(&self) {
        if self.queue.is_empty() {
            self.holder.set(None);
        } else {
            self.hand_on();
        }
    }

    #[inline(never)]
    fn hand_on(&self) {
        let scheduler = scheduler::simply_plain();
        let next = scheduler.and_then(|s| self.queue.take_swiftly(Tag::Plain, s));
        match next {
            Some(next) => self.holder.set(Some(next)),
            None => self.hand_on_after_search(),
        }
    }

    /// As `hand_on`, where the next one is not simply the first.
    #[cold]
    #[inline(never)]
    fn hand_on_after_search(&self) {
        self.holder.set(self.queue.take(Tag::Plain, Caller::now()));
    }
}

/// What it looks like to who waits for it: so a wait has nothing to write down.
impl State {
    fn held(&self, waiter: Id) -> Held<'_> {
        Held {
            what: "the Mutex",
            one: &self.holder,
            many: None,
            waiter,
        }
    }
}

impl Awaited for State {
    fn describe(&self, waiter: Id, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.held(waiter), f)
    }

    fn holders(&self) -> Vec<Id> {
        self.held(Id(0)).holders()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.held(Id(0)), f)
    }
}

/// The right to the value of a [`Mutex`], until it is dropped.
#[must_use = "the Mutex is released at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    _value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Of who has just taken the lock.
    #[inline(always)]
    fn new(mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        MutexGuard {
            mutex,
            _value: PhantomData,
        }
    }

    /// Releases the lock, calls `wait`, and takes the lock again whatever is due.
    pub(super) fn without<R>(
        &mut self,
        scheduler: &Scheduler,
        at: &'static Location<'static>,
        wait: impl FnOnce() -> R,
    ) -> R {
        /// However `wait` ends, nobody sees a guard without its lock.
        struct Retake<'a>(&'a State, &'a Scheduler, &'static Location<'static>);
        impl Drop for Retake<'_> {
            fn drop(&mut self) {
                let me = Holder::new(Some(self.1), self.2);
                self.0.lock_deaf(self.1, me);
            }
        }
        let state = &self.mutex.state;
        state.release();
        let _retake = Retake(state, scheduler, at);
        wait()
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.state.release();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a guard is made by who takes the lock, which nobody else gets before the
        // guard's drop or while `without` borrows it; what this gives is borrowed from it.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        // Locked, since a `Debug` or a writer may suspend.
        match self.try_lock() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish_non_exhaustive()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}
