//! `coroutine_local!`: like `thread_local!`, a value for each coroutine.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use crate::coroutine::locals::{Value, Values};
use crate::scheduler;

/// Declares values of which each coroutine has its own.
///
/// A value is made when its coroutine first asks for it, and dropped, inside the
/// coroutine, when that ends. Outside of all coroutines the thread has one.
///
/// ```
/// use std::cell::Cell;
///
/// corobin::coroutine_local! {
///     /// Requests that this coroutine has served.
///     static SERVED: Cell<u32> = Cell::new(0);
/// }
///
/// corobin::run(|| {
///     SERVED.set(7);
///     let other = corobin::spawn(|| SERVED.get());
///     assert_eq!(other.join().unwrap(), 0);
///     assert_eq!(SERVED.with(|served| served.get()), 7);
/// });
/// ```
#[macro_export]
macro_rules! coroutine_local {
    ($($(#[$attribute:meta])* $visible:vis static $name:ident: $type:ty = $init:expr);* $(;)?) => {$(
        $(#[$attribute])*
        $visible static $name: $crate::CoroutineLocal<$type> = {
            fn init() -> $type {
                $init
            }
            $crate::CoroutineLocal::new(init)
        };
    )*};
}

/// A value for each coroutine; see [`coroutine_local!`].
pub struct CoroutineLocal<T: 'static> {
    init: fn() -> T,
}

impl<T: 'static> CoroutineLocal<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> Self {
        CoroutineLocal { init }
    }

    /// Calls `f` with the value of the running coroutine, or of the thread
    /// outside of all, making it first if there is none. The value stays alive
    /// while `f` runs, which may suspend.
    ///
    /// # Panics
    /// If the value was dropped already, at the coroutine's end: so in its own destructor.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        f(value_of(&self.value_or(self.init)))
    }

    /// As [`with`](CoroutineLocal::with), for destructors and others that may come late.
    ///
    /// # Errors
    /// The value was dropped already.
    ///
    /// ```
    /// struct Leaves;
    ///
    /// impl Drop for Leaves {
    ///     fn drop(&mut self) {
    ///         assert!(LEAVES.try_with(|_| ()).is_err());
    ///     }
    /// }
    ///
    /// corobin::coroutine_local! {
    ///     static LEAVES: Leaves = Leaves;
    /// }
    ///
    /// corobin::run(|| assert!(LEAVES.try_with(|_| ()).is_ok()));
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let value = self.try_value_or(self.init).ok_or(AccessError)?;
        Ok(f(value_of(&value)))
    }

    /// The value, made by `init` if there is none.
    fn value_or(&'static self, init: impl FnOnce() -> T) -> Rc<dyn Any> {
        match self.try_value_or(init) {
            Some(value) => value,
            None => panic!(
                "a coroutine_local is used in or after its own destruction; try_with gives an error \
                 instead"
            ),
        }
    }

    /// As [`value_or`](Self::value_or); none if it was dropped already.
    fn try_value_or(&'static self, init: impl FnOnce() -> T) -> Value {
        let key = std::ptr::from_ref(self).addr();
        let found = with_current(|values| values.get(key))?;
        found.unwrap_or_else(|| {
            let value = Rc::new(init());
            with_current(|values| values.set(key, value))?
        })
    }

    /// Gives the value to `put`, if there is one, else makes it `new`, without its
    /// initialiser.
    fn put<V>(&'static self, value: V, new: fn(V) -> T, put: impl FnOnce(&T, V)) {
        let mut value = Some(value);
        let made = self.value_or(|| new(value.take().expect("made once")));
        if let Some(value) = value {
            put(value_of(&made), value);
        }
    }
}

fn value_of<T: 'static>(value: &Rc<dyn Any>) -> &T {
    value.downcast_ref().expect("a key has one type")
}

/// As those of [`LocalKey`](std::thread::LocalKey), each in one step.
impl<T: 'static> CoroutineLocal<Cell<T>> {
    /// Sets the value, without a call of the initialiser.
    ///
    /// # Panics
    /// As for [`with`](CoroutineLocal::with), as all of these.
    pub fn set(&'static self, value: T) {
        self.put(value, Cell::new, Cell::set);
    }

    /// A copy of the value.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// The value, in exchange for the default.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// The value, in exchange for another.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// As those of [`LocalKey`](std::thread::LocalKey).
impl<T: 'static> CoroutineLocal<RefCell<T>> {
    /// Calls `f` with the value borrowed, which may suspend.
    ///
    /// # Panics
    /// It is borrowed mutably; and as for [`with`](CoroutineLocal::with), as all of these.
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value borrowed mutably, which may suspend.
    ///
    /// # Panics
    /// It is borrowed.
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value, without a call of the initialiser.
    ///
    /// # Panics
    /// It is borrowed.
    pub fn set(&'static self, value: T) {
        // The former value is dropped when it is not borrowed any more.
        self.put(value, RefCell::new, |cell, value| drop(cell.replace(value)));
    }

    /// The value, in exchange for the default.
    ///
    /// # Panics
    /// It is borrowed.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// The value, in exchange for another.
    ///
    /// # Panics
    /// It is borrowed.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T> fmt::Debug for CoroutineLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoroutineLocal").finish_non_exhaustive()
    }
}

thread_local! {
    static OUTSIDE: Values = Values::default();
}

/// Calls `f` with the values of whoever runs; a thread that ends has none.
fn with_current<R>(f: impl FnOnce(&Values) -> R) -> Option<R> {
    match scheduler::current() {
        Some(scheduler) => Some(f(Values::of(scheduler.running()))),
        None => OUTSIDE.try_with(f).ok(),
    }
}

/// The value of a [`coroutine_local!`] was dropped already, with its coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a coroutine_local that was dropped already")
    }
}

impl Error for AccessError {}
