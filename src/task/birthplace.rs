//! Where a coroutine was spawned and what it is called, in one word: few have a name.

use std::num::NonZero;
use std::panic::Location;
use std::ptr::NonNull;

/// A place, or a box of a place and a name; the lowest bit of the address tells which.
pub(super) struct Birthplace(NonNull<()>);

struct Named {
    at: &'static Location<'static>,
    name: Box<str>,
}

const NAMED: usize = 1;
const _: () = assert!(align_of::<Location<'_>>() > NAMED && align_of::<Named>() > NAMED);

impl Birthplace {
    #[inline(always)]
    pub(super) fn new(at: &'static Location<'static>, name: Option<Box<str>>) -> Birthplace {
        match name {
            None => Birthplace(NonNull::from(at).cast()),
            Some(name) => Birthplace::named(at, name),
        }
    }

    #[cold]
    fn named(at: &'static Location<'static>, name: Box<str>) -> Birthplace {
        let named = NonNull::from(Box::leak(Box::new(Named { at, name })));
        Birthplace(named.cast().map_addr(|address| address | NAMED))
    }

    #[inline(always)]
    pub(super) fn has_name(&self) -> bool {
        self.0.addr().get() & NAMED != 0
    }

    fn boxed(&self) -> Option<NonNull<Named>> {
        let address = NonZero::new(self.0.addr().get() & !NAMED)?;
        self.has_name().then(|| self.0.with_addr(address).cast())
    }

    pub(super) fn at(&self) -> &'static Location<'static> {
        match self.boxed() {
            // SAFETY: `named` made it, and it is dropped with us.
            Some(named) => unsafe { named.as_ref() }.at,
            // SAFETY: without the bit it is the place that `new` was given.
            None => unsafe { self.0.cast().as_ref() },
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        // SAFETY: as in `at`.
        self.boxed().map(|named| unsafe { &*named.as_ref().name })
    }
}

impl Drop for Birthplace {
    fn drop(&mut self) {
        if let Some(named) = self.boxed() {
            // SAFETY: `named` leaked it, and nobody has a reference any more.
            drop(unsafe { Box::from_raw(named.as_ptr()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_place_with_a_name_and_without() {
        let at = Location::caller();
        for name in [None, Some(""), Some("worker")] {
            let birthplace = Birthplace::new(at, name.map(Box::from));
            assert_eq!(birthplace.at(), at);
            assert_eq!(birthplace.name(), name);
            assert_eq!(birthplace.has_name(), name.is_some());
        }
    }
}
