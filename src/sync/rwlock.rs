//! `RwLock`.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Caller, Tag, WaitQueue};

use super::holder::{Held, Holder, Holders};

/// A value that many coroutines read at a time, or one writes, also across
/// suspension points.
///
/// Who waits is served in the order of arrival: a reader that comes after a writer
/// waits for it, so that neither kind starves. So a coroutine that reads must not
/// ask to read again. A panic or a cancel that unwinds a guard releases it; there is
/// no poisoning.
///
/// Counterpart: [`std::sync::RwLock`]; asyncio has none. Works outside of a runtime,
/// unless it would have to wait.
///
/// ```
/// use corobin::sync::RwLock;
///
/// corobin::run(|| {
///     let lock = RwLock::new(vec![1]);
///     {
///         let (one, other) = (lock.read(), lock.read());
///         assert_eq!(*one, *other);
///         assert!(lock.try_write().is_none());
///     }
///     lock.write().push(2);
///     assert_eq!(*lock.read(), [1, 2]);
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    state: State,
    value: RefCell<T>,
}

/// The lock without the value.
struct State {
    writer: Cell<Option<Holder>>,
    /// Readers that have the lock.
    count: Cell<usize>,
    readers: Holders,
    /// Readers are plain, writers exclusive.
    queue: WaitQueue<Holder>,
}

impl<T> RwLock<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> RwLock<T> {
        RwLock {
            state: State {
                writer: Cell::new(None),
                count: Cell::new(0),
                readers: Holders::new(),
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

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock to read, and waits while somebody writes or waits to write.
    ///
    /// A suspension point. A cancelled wait passes its turn on.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        let me = self.arrive(Location::caller());
        if self.state.may_read() {
            self.state.count.set(self.state.count.get() + 1);
        } else {
            self.state.wait(Tag::Plain, me);
        }
        self.read_guard(me)
    }

    /// Takes the lock to read, unless that would have to wait. Not a suspension
    /// point.
    #[track_caller]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        let may = self.state.may_read();
        may.then(|| {
            self.state.count.set(self.state.count.get() + 1);
            self.read_guard(Holder::new(scheduler::current(), at))
        })
    }

    /// Takes the lock to write, and waits while anybody else has it.
    ///
    /// A suspension point. A cancelled wait passes its turn on.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        let me = self.arrive(Location::caller());
        if self.state.may_write() {
            self.state.writer.set(Some(me));
        } else {
            self.state.wait(Tag::Exclusive, me);
        }
        self.write_guard()
    }

    /// Takes the lock to write, unless that would have to wait. Not a suspension
    /// point.
    #[track_caller]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let at = Location::caller();
        self.state.may_write().then(|| {
            let me = Holder::new(scheduler::current(), at);
            self.state.writer.set(Some(me));
            self.write_guard()
        })
    }

    /// The value, with no need to lock: nobody else can have a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline(always)]
    fn arrive(&self, at: &'static Location<'static>) -> Holder {
        let scheduler = suspend::arrive();
        Holder::new(scheduler, at)
    }

    #[inline(always)]
    fn read_guard(&self, me: Holder) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard {
            state: &self.state,
            place: self.state.readers.add(me),
            value: self.value.borrow(),
        }
    }

    #[inline(always)]
    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard {
            lock: self,
            value: self.value.borrow_mut(),
        }
    }
}

impl State {
    #[inline(always)]
    fn may_read(&self) -> bool {
        self.writer.get().is_none() && self.queue.first(Caller::now()).is_none()
    }

    /// Where nobody has the lock, nobody waits for it.
    #[inline(always)]
    fn may_write(&self) -> bool {
        self.writer.get().is_none() && self.count.get() == 0
    }

    #[inline(never)]
    #[track_caller]
    fn wait(&self, tag: Tag, me: Holder) {
        let scheduler = scheduler::expect("an RwLock that is locked");
        // A writer that goes away lets the readers behind it go on.
        let _serve = Serve(self);
        let what = Held {
            what: match tag {
                Tag::Exclusive => "the RwLock to write,",
                _ => "the RwLock to read,",
            },
            one: &self.writer,
            many: Some(&self.readers),
            waiter: me.id,
        };
        self.queue.wait(scheduler, tag, Some(me), &what, me.at);
    }

    /// Hands the lock to those whose turn it is.
    #[inline(always)]
    fn serve(&self) {
        if !self.queue.is_empty() {
            self.serve_queue();
        }
    }

    #[inline(never)]
    fn serve_queue(&self) {
        let caller = Caller::now();
        while self.writer.get().is_none() {
            match self.queue.first(caller) {
                Some(Tag::Exclusive) if self.count.get() == 0 => {
                    self.writer.set(self.queue.take(Tag::Exclusive, caller));
                }
                Some(Tag::Plain) if self.queue.take(Tag::Plain, caller).is_some() => {
                    self.count.set(self.count.get() + 1);
                }
                _ => break,
            }
        }
    }
}

struct Serve<'a>(&'a State);

impl Drop for Serve<'_> {
    fn drop(&mut self) {
        self.0.serve();
    }
}

/// The right to read the value of an [`RwLock`], until it is dropped.
#[must_use = "the RwLock is released at once if the guard is not kept"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    state: &'a State,
    place: usize,
    /// Dropped after the lock is handed on: the next one runs later.
    value: Ref<'a, T>,
}

/// The right to write the value of an [`RwLock`], until it is dropped.
#[must_use = "the RwLock is released at once if the guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    value: RefMut<'a, T>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on with the right to read only. Nobody else writes in between, and readers that
    /// wait before any writer go on too.
    ///
    /// Not a suspension point.
    ///
    /// ```
    /// use corobin::sync::{RwLock, RwLockWriteGuard};
    ///
    /// corobin::run(|| {
    ///     let lock = RwLock::new(vec![2, 1]);
    ///     let mut sorts = lock.write();
    ///     sorts.sort();
    ///     let (reads, also) = (RwLockWriteGuard::downgrade(sorts), lock.read());
    ///     assert_eq!((reads[0], also[1]), (1, 2));
    /// });
    /// ```
    #[must_use = "the RwLock is released at once if the guard is not kept"]
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = guard.lock;
        let writer = lock.state.writer.get();
        // One that reads already, so that the guard's drop hands the lock to no other writer.
        lock.state.count.set(1);
        drop(guard);
        lock.read_guard(writer.expect("it has a guard"))
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.state.readers.remove(self.place);
        self.state.count.set(self.state.count.get() - 1);
        self.state.serve();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.state.writer.set(None);
        self.lock.state.serve();
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

macro_rules! as_the_value {
    ($($guard:ident)*) => {$(
        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}

as_the_value!(RwLockReadGuard RwLockWriteGuard);

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        // Locked, since a `Debug` or a writer may suspend.
        match self.try_read() {
            Some(value) => debug.field("value", &&*value),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish_non_exhaustive()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}
