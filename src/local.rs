//! `coroutine_local!`: like `thread_local!`, a value for each coroutine.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::generator::raw::Raw;
use crate::scheduler;
use crate::unwind::drop_quietly;

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
///     SERVED.with(|served| served.set(7));
///     let other = corobin::spawn(|| SERVED.with(Cell::get));
///     assert_eq!(other.join().unwrap(), 0);
///     assert_eq!(SERVED.with(Cell::get), 7);
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
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let key = std::ptr::from_ref(self).addr();
        let found = Values::with_current(|values| values.get(key));
        let value = found.unwrap_or_else(|| {
            let value = Rc::new((self.init)());
            Values::with_current(|values| values.set(key, value))
        });
        f(value.downcast_ref().expect("a key has one type"))
    }
}

impl<T> fmt::Debug for CoroutineLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoroutineLocal").finish_non_exhaustive()
    }
}

/// The values of one coroutine, in the order of their making.
#[derive(Default)]
struct Values(RefCell<Vec<(usize, Rc<dyn Any>)>>);

thread_local! {
    static OUTSIDE: Values = Values::default();
}

impl Values {
    fn with_current<R>(f: impl FnOnce(&Values) -> R) -> R {
        match scheduler::current() {
            Some(scheduler) => f(Values::of(scheduler.running())),
            None => OUTSIDE.with(f),
        }
    }

    fn of<'a>(raw: Raw) -> &'a Values {
        let values: &Cell<*mut ()> = raw.locals();
        if values.get().is_null() {
            values.set(Box::into_raw(Box::<Values>::default()).cast());
        }
        // SAFETY: made above for this coroutine; freed by `drop_all` only, which
        // the coroutine calls when its body is over.
        unsafe { &*values.get().cast::<Values>() }
    }

    fn get(&self, key: usize) -> Option<Rc<dyn Any>> {
        let values = self.0.borrow();
        let (_, value) = values.iter().find(|(other, _)| *other == key)?;
        Some(Rc::clone(value))
    }

    /// Adds a value, unless making it has added one already.
    fn set(&self, key: usize, value: Rc<dyn Any>) -> Rc<dyn Any> {
        if let Some(first) = self.get(key) {
            return first;
        }
        self.0.borrow_mut().push((key, Rc::clone(&value)));
        value
    }
}

/// Drops the values of the running coroutine, the last made first. Destructors
/// may suspend, and may use other values.
#[cold]
pub(crate) fn drop_all(raw: Raw) {
    let values = raw.locals().get().cast::<Values>();
    loop {
        // SAFETY: made by `Values::of`, and not yet freed.
        let last = unsafe { (*values).0.borrow_mut().pop() };
        match last {
            Some((_, value)) => drop_quietly(value),
            None => break,
        }
    }
    raw.locals().set(std::ptr::null_mut());
    // SAFETY: made by `Box::into_raw`, and nobody can reach it any more.
    drop(unsafe { Box::from_raw(values) });
}
