//! The values that a coroutine has for `coroutine_local!`s.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::generator::raw::Raw;

/// The values of one coroutine, in the order of their making.
#[derive(Default)]
pub(crate) struct Values(RefCell<Vec<(usize, Value)>>);

/// None in place of one that was dropped at the end of the coroutine: made anew and dropped again
/// by its own destructor, that would have no end.
pub(crate) type Value = Option<Rc<dyn Any>>;

impl Values {
    /// Those of a coroutine.
    pub(crate) fn of<'a>(raw: Raw) -> &'a Values {
        let values: &Cell<*mut ()> = raw.locals();
        if values.get().is_null() {
            values.set(Box::into_raw(Box::<Values>::default()).cast());
        }
        // SAFETY: made above for this coroutine; freed by `drop_last` only, which the
        // coroutine calls when its body is over and no `get` or `set` is under way in it.
        unsafe { &*values.get().cast::<Values>() }
    }

    /// The value, if one was ever made.
    pub(crate) fn get(&self, key: usize) -> Option<Value> {
        let values = self.0.borrow();
        let found = values.iter().find(|(other, _)| *other == key);
        found.map(|(_, value)| value.clone())
    }

    /// Adds a value, unless making it has added one already.
    pub(crate) fn set(&self, key: usize, value: Rc<dyn Any>) -> Value {
        self.get(key).unwrap_or_else(|| {
            self.0.borrow_mut().push((key, Some(Rc::clone(&value))));
            Some(value)
        })
    }
}

/// Drops the value of the running coroutine that was made last; after the first
/// of all there are no values any more. Its destructor may do anything.
#[cold]
pub(crate) fn drop_last(raw: Raw) {
    let values = raw.locals().get().cast::<Values>();
    // SAFETY: made by `Values::of`, and not yet freed.
    let last = unsafe {
        let mut values = (*values).0.borrow_mut();
        values.iter_mut().rev().find_map(|(_, value)| value.take())
    };
    if last.is_none() {
        raw.locals().set(std::ptr::null_mut());
        // SAFETY: made by `Box::into_raw`, and nobody can reach it any more.
        drop(unsafe { Box::from_raw(values) });
    }
    drop(last);
}
