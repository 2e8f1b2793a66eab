//! The ready queue: who runs next.
//!
//! First in, first out, which is what makes the scheduler round robin; or, under
//! a seed, a pick among all that are ready, which makes a test meet other orders
//! than the usual one, the same ones for the same seed.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// A ring whose size is a power of two, behind a shared reference: a step takes
/// from it and puts to it, with other code in between, and has no time for more
/// than an index and a mask.
pub(crate) struct ReadyQueue<T> {
    /// From `Box::into_raw`; `mask + 1` slots.
    slots: Cell<NonNull<Slot<T>>>,
    mask: Cell<usize>,
    /// Where the next is taken from, and where it is put, both never wrapped.
    head: Cell<usize>,
    tail: Cell<usize>,
    pick: Option<RefCell<fastrand::Rng>>,
}

impl<T> ReadyQueue<T> {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        const FIRST: usize = 64;
        ReadyQueue {
            slots: Cell::new(allocate(FIRST)),
            mask: Cell::new(FIRST - 1),
            head: Cell::new(0),
            tail: Cell::new(0),
            pick: seed.map(|seed| RefCell::new(fastrand::Rng::with_seed(seed))),
        }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.get() == self.head.get()
    }

    /// Valid until the next `grow`.
    #[inline(always)]
    fn slot(&self, index: usize) -> *mut MaybeUninit<T> {
        // SAFETY: a masked index is below the number of slots.
        unsafe { self.slots.get().add(index & self.mask.get()).as_ref() }.get()
    }

    #[inline(always)]
    pub(crate) fn push(&self, item: T) {
        if self.len() > self.mask.get() {
            self.grow();
        }
        let tail = self.tail.get();
        // SAFETY: a valid slot, outside of those from head to tail, so that
        // nobody has a reference to it.
        unsafe { self.slot(tail).write(MaybeUninit::new(item)) };
        self.tail.set(tail.wrapping_add(1));
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        if let Some(pick) = &self.pick {
            self.pick_head(pick);
        }
        let head = self.head.get();
        self.head.set(head.wrapping_add(1));
        // SAFETY: the slots from head to tail are written, and this one is
        // outside of them from now on.
        Some(unsafe { self.slot(head).read().assume_init() })
    }

    #[cold]
    #[inline(never)]
    fn pick_head(&self, pick: &RefCell<fastrand::Rng>) {
        let head = self.head.get();
        let place = pick.borrow_mut().usize(..self.len());
        // SAFETY: two valid slots, or the same one.
        unsafe { self.slot(head).swap(self.slot(head.wrapping_add(place))) };
    }

    /// Takes the head if `wanted` says so; never under a seed.
    #[inline(always)]
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        if self.pick.is_some() || !self.peek(0, wanted)? {
            return None;
        }
        self.pop()
    }

    /// Shows the one that is `ahead` places behind the head to `look`, which
    /// must leave the queue alone.
    #[inline(always)]
    pub(crate) fn peek<R>(&self, ahead: usize, look: impl FnOnce(&T) -> R) -> Option<R> {
        if ahead >= self.len() {
            return None;
        }
        // SAFETY: the slots from head to tail are written. They are written to
        // again only after a `pop`; `look` calls none.
        Some(look(unsafe {
            (*self.slot(self.head.get().wrapping_add(ahead))).assume_init_ref()
        }))
    }

    /// Shows all of them, from the head on, to `look`, which must leave the queue
    /// alone.
    pub(crate) fn each(&self, mut look: impl FnMut(&T)) {
        for ahead in 0..self.len() {
            self.peek(ahead, &mut look);
        }
    }

    #[cold]
    fn grow(&self) {
        let slots = (self.mask.get() + 1) * 2;
        let new = allocate(slots);
        let len = self.len();
        for place in 0..len {
            // SAFETY: moves an item to the new slots, which are twice as many;
            // the old ones are not read again.
            unsafe {
                *new.add(place).as_ref().get() =
                    self.slot(self.head.get().wrapping_add(place)).read()
            };
        }
        // SAFETY: allocated with this number, and not used after.
        unsafe { free(self.slots.get(), slots / 2) };
        self.slots.set(new);
        self.mask.set(slots - 1);
        self.head.set(0);
        self.tail.set(len);
    }
}

impl<T> Drop for ReadyQueue<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
        // SAFETY: allocated with this number, and not used after.
        unsafe { free(self.slots.get(), self.mask.get() + 1) };
    }
}

fn allocate<T>(slots: usize) -> NonNull<Slot<T>> {
    let slots: Box<[Slot<T>]> = (0..slots)
        .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
        .collect();
    NonNull::from(Box::leak(slots)).cast()
}

/// # Safety
/// `allocate` gave them for this number, and nobody uses them any more.
unsafe fn free<T>(slots: NonNull<Slot<T>>, number: usize) {
    let slots = NonNull::slice_from_raw_parts(slots, number);
    // SAFETY: as the caller says.
    drop(unsafe { Box::from_raw(slots.as_ptr()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_in_first_out() {
        let queue = ReadyQueue::new(None);
        for n in 0..5 {
            queue.push(n);
        }
        assert_eq!(queue.pop(), Some(0));
        assert_eq!(queue.peek(0, |&n| n), Some(1));
        assert_eq!(queue.peek(3, |&n| n), Some(4));
        assert_eq!(queue.peek(4, |&n| n), None);
        assert_eq!(queue.pop_if(|&n| n == 7), None);
        assert_eq!(queue.pop_if(|&n| n == 1), Some(1));
        queue.push(5);
        let mut rest = Vec::new();
        queue.each(|&n| rest.push(n));
        assert_eq!(rest, [2, 3, 4, 5]);
    }

    /// Random operations against a plain list, for both kinds of queue.
    #[test]
    fn agrees_with_a_list() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let picks = seed % 2 == 1;
            let queue = ReadyQueue::new(picks.then_some(seed));
            let mut model = Vec::new();
            for n in 0..2000 {
                if random.bool() {
                    queue.push(n);
                    model.push(n);
                } else if let Some(item) = queue.pop() {
                    let at = model.iter().position(|&other| other == item).unwrap();
                    assert!(picks || at == 0);
                    model.remove(at);
                } else {
                    assert!(model.is_empty());
                }
                assert_eq!(queue.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn same_seed_same_order() {
        let order = |seed| {
            let queue = ReadyQueue::new(Some(seed));
            (0..20).for_each(|n| queue.push(n));
            std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
