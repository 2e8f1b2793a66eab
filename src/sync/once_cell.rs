//! `OnceCell`.

use std::cell::{self, Cell};
use std::fmt;
use std::panic::Location;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Caller, Tag, WaitQueue};

use super::holder::{Held, Holder};

/// A value that is made once, by code that may suspend.
///
/// Counterparts: [`std::sync::OnceLock`], whose initialiser must not suspend, since a
/// second coroutine that asked for the value would block the thread.
///
/// ```
/// use corobin::{gather, run, sleep, spawn, sync::OnceCell};
/// use std::{rc::Rc, time::Duration};
///
/// run(|| {
///     let cell = Rc::new(OnceCell::new());
///     let ask = |n| {
///         let cell = Rc::clone(&cell);
///         spawn(move || {
///             *cell.get_or_init(|| {
///                 sleep(Duration::from_millis(1)); // the others wait for this
///                 n
///             })
///         })
///     };
///     assert_eq!(gather([ask(1), ask(2)]).unwrap(), [1, 1]);
/// });
/// ```
pub struct OnceCell<T> {
    value: cell::OnceCell<T>,
    /// Who runs an initialiser, or is about to.
    initialiser: Cell<Option<Holder>>,
    /// Each brings what it will be known by as the initialiser.
    queue: WaitQueue<Holder>,
}

impl<T> OnceCell<T> {
    /// One without a value.
    #[must_use]
    pub const fn new() -> OnceCell<T> {
        OnceCell {
            value: cell::OnceCell::new(),
            initialiser: Cell::new(None),
            queue: WaitQueue::new(),
        }
    }

    /// The value, if it was made. Not a suspension point.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if it was made.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// The value, if it was made.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, if it was made.
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Sets the value. Not a suspension point.
    ///
    /// # Errors
    /// There is one, or an initialiser runs: the value comes back.
    pub fn set(&self, value: T) -> Result<(), T> {
        if self.initialiser.get().is_some() {
            return Err(value);
        }
        self.value.set(value)
    }

    /// The value, made by `f` if there is none. Whoever asks meanwhile waits for it.
    /// If `f` panics or is cancelled, the next that waits runs its own.
    ///
    /// A suspension point, and `f` may suspend.
    ///
    /// # Panics
    /// If `f` asks for the value of the same cell; with the panic of `f`; if it has to
    /// wait outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        enum Never {}
        match self.get_or_try_init(|| Ok::<T, Never>(f())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](OnceCell::get_or_init), with an `f` that may fail; then the
    /// next that waits runs its own.
    ///
    /// # Errors
    /// That of `f`.
    ///
    /// # Panics
    /// As for [`get_or_init`](OnceCell::get_or_init).
    #[track_caller]
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let scheduler = suspend::arrive();
        let me = Holder::new(scheduler, Location::caller());
        match self.initialiser.get() {
            // A value, or nobody else who makes one.
            None => {}
            Some(other) => {
                assert!(
                    !other.is(&me),
                    "the initialiser of a OnceCell, begun at {}, asks for its value, which would \
                     never end",
                    other.at
                );
                self.wait(me);
            }
        }
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        self.initialiser.set(Some(me));
        let turn = Turn(self);
        let value = f()?;
        // Nobody can have set one meanwhile.
        let value = self.value.get_or_init(|| value);
        drop(turn);
        Ok(value)
    }

    /// Waits until there is a value, or it is our turn to make one.
    #[inline(never)]
    #[track_caller]
    fn wait(&self, me: Holder) {
        let scheduler = scheduler::expect("a OnceCell that is being initialised");
        let what = Held {
            what: "the value of a OnceCell, its initialiser",
            one: &self.initialiser,
            many: None,
            waiter: me.id,
        };
        self.queue
            .wait(scheduler, Tag::Plain, Some(me), &what, me.at);
    }
}

/// Being the one that makes the value.
struct Turn<'a, T>(&'a OnceCell<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let cell = self.0;
        if cell.value.get().is_some() {
            cell.initialiser.set(None);
            cell.queue.release_all();
        } else {
            cell.initialiser
                .set(cell.queue.take(Tag::Plain, Caller::now()));
        }
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> OnceCell<T> {
        OnceCell {
            value: value.into(),
            ..OnceCell::new()
        }
    }
}

/// With a clone of the value, if there is one.
impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> OnceCell<T> {
        OnceCell {
            value: self.value.clone(),
            ..OnceCell::new()
        }
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &OnceCell<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("OnceCell");
        match self.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
