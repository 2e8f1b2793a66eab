//! `coroutine_local!`: like `thread_local!`, a value for each coroutine.

use std::fmt;
use std::rc::Rc;

use crate::coroutine::locals::Values;
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
    ///
    /// # Panics
    /// If the value was dropped already, at the coroutine's end: so in its own destructor.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let key = std::ptr::from_ref(self).addr();
        let found = with_current(|values| values.get(key));
        let value = found.unwrap_or_else(|| {
            let value = Rc::new((self.init)());
            with_current(|values| values.set(key, value))
        });
        f(value.downcast_ref().expect("a key has one type"))
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

/// Calls `f` with the values of whoever runs.
fn with_current<R>(f: impl FnOnce(&Values) -> R) -> R {
    match scheduler::current() {
        Some(scheduler) => f(Values::of(scheduler.running())),
        None => OUTSIDE.with(f),
    }
}
