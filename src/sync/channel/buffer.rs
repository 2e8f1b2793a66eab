//! What a channel holds.

use std::cell::UnsafeCell;
use std::collections::VecDeque;

/// A queue that is borrowed for no longer than one of these operations takes.
///
/// A `RefCell` would tell the same at each of them anew: a tenth of the time of an item.
pub(super) struct Buffer<T> {
    items: UnsafeCell<VecDeque<T>>,
}

impl<T> Buffer<T> {
    pub(super) const fn new() -> Buffer<T> {
        Buffer {
            items: UnsafeCell::new(VecDeque::new()),
        }
    }

    /// `f` must not run code that is not known here, which might come back: destructors of
    /// items, say.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut VecDeque<T>) -> R) -> R {
        // SAFETY: it is in a cell that no other thread sees, and the reference does not leave
        // `f`. Each `f` below moves items, counts them and asks the allocator, none of which gets
        // here again: an allocator that sent to a channel which is just asking it would have
        // to panic, which it may not.
        f(unsafe { &mut *self.items.get() })
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.with(|items| items.len())
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    pub(super) fn push_back(&self, item: T) {
        self.with(|items| items.push_back(item));
    }

    /// Puts an item before all others.
    pub(super) fn push_front(&self, item: T) {
        self.with(|items| items.push_front(item));
    }

    #[inline(always)]
    pub(super) fn pop_front(&self) -> Option<T> {
        self.with(VecDeque::pop_front)
    }

    /// All items, which are the caller's to drop.
    pub(super) fn take(&self) -> VecDeque<T> {
        self.with(std::mem::take)
    }
}
