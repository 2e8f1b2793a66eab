//! `Mutex`.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
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
/// Between two suspension points nobody else runs: there a [`Cell`] or a [`RefCell`]
/// does, and no lock is needed. See the [module](super) for when one is.
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
    value: RefCell<T>,
}

/// The lock without the value.
struct State {
    holder: Cell<Option<Holder>>,
    /// Each brings what it will be known by as the holder.
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
            value: RefCell::new(value),
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
        let scheduler = suspend::arrive();
        self.state
            .lock(scheduler, Holder::new(scheduler, Location::caller()));
        self.guard()
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
        Some(self.guard())
    }

    /// The value, with no need to lock: nobody else can have a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline(always)]
    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            mutex: self,
            value: Some(self.value.borrow_mut()),
        }
    }
}

impl State {
    #[inline(always)]
    #[track_caller]
    fn lock(&self, scheduler: Option<&Scheduler>, me: Holder) {
        if self.holder.get().is_none() {
            self.holder.set(Some(me));
        } else {
            let scheduler = scheduler::needed(scheduler, "a Mutex that is locked");
            (self.queue).wait(
                scheduler,
                Tag::Plain,
                Some(me),
                &Locked(&self.holder, me),
                me.at,
            );
        }
    }

    /// As `lock`, whatever becomes due.
    fn lock_deaf(&self, scheduler: &Scheduler, me: Holder) {
        if self.holder.get().is_none() {
            self.holder.set(Some(me));
        } else {
            (self.queue).wait_deaf(
                scheduler,
                Tag::Plain,
                Some(me),
                &Locked(&self.holder, me),
                me.at,
            );
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
        self.holder.set(self.queue.take(Tag::Plain, Caller::now()));
    }
}

/// A [`Held`] that is made only when somebody asks: so a wait has less to write down.
struct Locked<'a>(&'a Cell<Option<Holder>>, Holder);

impl Locked<'_> {
    fn held(&self) -> Held<'_> {
        Held {
            what: "the Mutex",
            one: self.0,
            many: None,
            waiter: self.1,
        }
    }
}

impl Awaited for Locked<'_> {
    fn holders(&self) -> Vec<Id> {
        self.held().holders()
    }
}

impl fmt::Display for Locked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held().fmt(f)
    }
}

/// The right to the value of a [`Mutex`], until it is dropped.
#[must_use = "the Mutex is released at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// None only while a `Condvar` waits. Dropped after the lock is handed on: the
    /// next one runs later.
    value: Option<RefMut<'a, T>>,
}

impl<T: ?Sized> MutexGuard<'_, T> {
    /// Releases the lock, calls `wait`, and takes the lock again whatever is due.
    pub(super) fn without<R>(
        &mut self,
        scheduler: &Scheduler,
        at: &'static Location<'static>,
        wait: impl FnOnce() -> R,
    ) -> R {
        self.value = None;
        self.mutex.state.release();
        let result = wait();
        let me = Holder::new(Some(scheduler), at);
        self.mutex.state.lock_deaf(scheduler, me);
        self.value = Some(self.mutex.value.borrow_mut());
        result
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.value.is_some() {
            self.mutex.state.release();
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("the guard is in a Condvar"),
        }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("the guard is in a Condvar"),
        }
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
