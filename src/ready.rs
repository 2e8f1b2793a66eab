//! The ready queue: who runs next.
//!
//! First in, first out, which is what makes the scheduler round robin; or, under
//! a seed, a pick among all that are ready, which makes a test meet other orders
//! than the usual one, the same ones for the same seed.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::ptr::NonNull;

/// It begins with so many slots.
const FIRST: usize = 64;
/// And keeps so many after a crowd.
const KEPT: usize = 1 << 12;

/// What was ever put there stays until it is overwritten, taken or not.
type Slot<T> = UnsafeCell<T>;

/// A ring whose size is a power of two, behind a shared reference: a step takes
/// from it and puts to it, with other code in between, and has no time for more
/// than an index and a mask.
#[repr(C)]
pub(crate) struct ReadyQueue<T: Default> {
    /// From `allocate`.
    slots: Cell<NonNull<Slot<T>>>,
    /// Of the bytes of the slots, a power of two: one less.
    mask: Cell<usize>,
    /// Where the next is taken from, and where it is put, in bytes, both never
    /// wrapped.
    head: Cell<usize>,
    tail: Cell<usize>,
    pick: Option<Box<RefCell<fastrand::Rng>>>,
}

impl<T: Default> ReadyQueue<T> {
    /// What one that is taken adds to [`taken`](Self::taken).
    pub(crate) const TURN: usize = Self::SIZE;

    /// The bytes of a slot.
    const SIZE: usize = {
        assert!(size_of::<Slot<T>>().is_power_of_two());
        assert!(
            !std::mem::needs_drop::<T>(),
            "what stays in a slot is only data"
        );
        size_of::<Slot<T>>()
    };

    /// Slots that nothing was ever put to hold the default.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        ReadyQueue {
            slots: Cell::new(allocate(FIRST)),
            mask: Cell::new(FIRST * Self::SIZE - 1),
            head: Cell::new(0),
            tail: Cell::new(0),
            pick: seed.map(|seed| Box::new(RefCell::new(fastrand::Rng::with_seed(seed)))),
        }
    }

    /// Whether it picks at random.
    #[inline(always)]
    pub(crate) fn is_seeded(&self) -> bool {
        self.pick.is_some()
    }

    #[inline(always)]
    fn bytes(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes() / Self::SIZE
    }

    #[inline(always)]
    fn capacity(&self) -> usize {
        (self.mask.get() + 1) / Self::SIZE
    }

    /// A count of all that were ever taken: [`TURN`](Self::TURN) for each.
    #[inline(always)]
    pub(crate) fn taken(&self) -> usize {
        self.head.get()
    }

    /// Counts one more as taken: as if it were pushed and then taken, by whoever finds the
    /// queue empty.
    #[inline(always)]
    pub(crate) fn skip(&self) {
        debug_assert!(self.is_empty());
        let next = self.after(self.head.get());
        self.head.set(next);
        self.tail.set(next);
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.get() == self.head.get()
    }

    #[inline(always)]
    fn after(&self, offset: usize) -> usize {
        offset.wrapping_add(Self::SIZE)
    }

    /// Valid until the next `replace`.
    #[inline(always)]
    fn slot(&self, offset: usize) -> *mut T {
        // SAFETY: offsets are multiples of the size of a slot, so that a masked
        // one is that of a slot.
        unsafe { self.slots.get().byte_add(offset & self.mask.get()).as_ref() }.get()
    }

    #[inline(always)]
    pub(crate) fn push(&self, item: T) {
        self.push_by(|slot| *slot = item);
    }

    /// Pushes what `fill` makes of a stale item, or the default. `fill` must leave the queue
    /// alone.
    #[inline(always)]
    pub(crate) fn push_by<R>(&self, fill: impl FnOnce(&mut T) -> R) -> R {
        if self.bytes() > self.mask.get() {
            self.grow();
        }
        let result = self.fill(fill);
        self.tail.set(self.after(self.tail.get()));
        result
    }

    /// Pushes what `item` gives, if there is room for it without more memory. `item` must not
    /// push.
    #[inline(always)]
    pub(crate) fn push_in_room(&self, item: impl FnOnce() -> Option<T>) -> bool {
        if self.bytes() > self.mask.get() {
            return false;
        }
        let Some(item) = item() else {
            return false;
        };
        self.fill(|slot| *slot = item);
        self.tail.set(self.after(self.tail.get()));
        true
    }

    /// Lets `fill` write the slot behind the last: there is room, or what is there was read.
    #[inline(always)]
    fn fill<R>(&self, fill: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: nobody has a reference to a slot. This one holds the default, or a stale
        // item, which is data that drops nothing.
        fill(unsafe { &mut *self.slot(self.tail.get()) })
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
        self.head.set(self.after(head));
        // SAFETY: the slots from head to tail hold items that are taken once.
        // This one is outside of them from now on.
        Some(unsafe { self.slot(head).read() })
    }

    #[cold]
    #[inline(never)]
    fn pick_head(&self, pick: &RefCell<fastrand::Rng>) {
        let head = self.head.get();
        let place = pick.borrow_mut().usize(..self.len()) * Self::SIZE;
        // SAFETY: two slots, or the same one.
        unsafe { self.slot(head).swap(self.slot(head.wrapping_add(place))) };
    }

    /// Whether there is a head, and it is `wanted`. Without a seed that is who will be taken
    /// next.
    #[inline(always)]
    pub(crate) fn head_is(&self, wanted: impl FnOnce(&T) -> bool) -> bool {
        self.peek(0, wanted) == Some(true)
    }

    /// Takes the head, if there is one. Never asked under a seed.
    #[inline(always)]
    pub(crate) fn pop_head(&self) -> Option<T> {
        self.pop_if(|_| true)
    }

    /// Takes the head, if it is `wanted`. Never asked under a seed.
    #[inline(always)]
    pub(crate) fn pop_if(&self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        debug_assert!(!self.is_seeded());
        if self.is_empty() {
            return None;
        }
        let head = self.head.get();
        // SAFETY: there is an item at the head. One that is not wanted stays there, and this
        // copy of it is data that drops nothing.
        let item = unsafe { self.slot(head).read() };
        if !wanted(&item) {
            return None;
        }
        self.head.set(self.after(head));
        Some(item)
    }

    /// Takes the head in exchange for what `fill` makes: a [`pop_head`](Self::pop_head) and a
    /// [`push_by`](Self::push_by).
    ///
    /// # Panics
    /// The queue is empty.
    #[inline(always)]
    pub(crate) fn rotate<R>(&self, fill: impl FnOnce(&mut T) -> R) -> (T, R) {
        debug_assert!(!self.is_seeded());
        assert!(!self.is_empty(), "nobody to take the place of");
        let (head, tail) = (self.head.get(), self.tail.get());
        // SAFETY: there is an item at the head, which is taken here. Its slot is where the new
        // one goes if the queue is full.
        let first = unsafe { self.slot(head).read() };
        let result = self.fill(fill);
        self.head.set(self.after(head));
        self.tail.set(self.after(tail));
        (first, result)
    }

    /// Shows the one that is `ahead` places behind the head to `look`.
    #[inline(always)]
    pub(crate) fn peek<R>(&self, ahead: usize, look: impl FnOnce(&T) -> R) -> Option<R> {
        if ahead * Self::SIZE >= self.bytes() {
            return None;
        }
        Some(self.peek_or_stale(ahead, look))
    }

    /// As [`peek`](Self::peek); but where there is none, `look` is shown one that
    /// was taken already, or the default.
    #[inline(always)]
    pub(crate) fn peek_or_stale<R>(&self, ahead: usize, look: impl FnOnce(&T) -> R) -> R {
        let slot = self.slot(self.head.get().wrapping_add(ahead * Self::SIZE));
        // SAFETY: it holds an item, a stale one, or the default. This copy of it, which `look`
        // cannot keep, is data that drops nothing.
        look(&unsafe { slot.read() })
    }

    /// Whether it has room for more than `crowd`, a power of two: it has held more then, and
    /// has not been told since that fewer are left.
    #[inline(always)]
    pub(crate) fn is_crowded(&self, crowd: usize) -> bool {
        self.mask.get() >= crowd * Self::SIZE
    }

    /// Shows all of them, from the head on, to `look`.
    pub(crate) fn each(&self, mut look: impl FnMut(&T)) {
        for ahead in 0..self.len() {
            self.peek(ahead, &mut look);
        }
    }

    /// How many slots it could do without, if no more than `most` stand in it.
    #[inline(always)]
    pub(crate) fn spare(&self, most: usize) -> usize {
        match self.capacity() <= KEPT {
            true => 0,
            false => (self.capacity()).saturating_sub(most.next_power_of_two().max(KEPT)),
        }
    }

    /// Gives those back.
    pub(crate) fn shrink(&self, most: usize) {
        self.replace(self.capacity() - self.spare(most.max(self.len())));
    }

    #[cold]
    #[inline(never)]
    fn grow(&self) {
        self.replace(self.capacity() * 2);
    }

    /// Moves to so many slots, which are enough.
    fn replace(&self, new_slots: usize) {
        let len = self.len();
        assert!(len <= new_slots, "room for all");
        let new = allocate(new_slots);
        for place in 0..len {
            let old = self.slot(self.head.get().wrapping_add(place * Self::SIZE));
            let place = (self.head.get() / Self::SIZE + place) & (new_slots - 1);
            // SAFETY: moves an item to the new slots, which are enough for all items; the old
            // ones are not read again.
            unsafe { *new.add(place).as_ref().get() = old.read() };
        }
        // SAFETY: allocated with this number, and not used after.
        unsafe { free(self.slots.get(), self.capacity()) };
        self.slots.set(new);
        self.mask.set(new_slots * Self::SIZE - 1);
    }
}

impl<T: Default> Drop for ReadyQueue<T> {
    fn drop(&mut self) {
        // SAFETY: allocated with this number, and not used after.
        unsafe { free(self.slots.get(), self.capacity()) };
    }
}

fn allocate<T: Default>(slots: usize) -> NonNull<Slot<T>> {
    let slots: Box<[Slot<T>]> = (0..slots).map(|_| UnsafeCell::default()).collect();
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
    use std::mem;

    use super::*;

    #[test]
    fn a_ring_shrinks_after_a_crowd() {
        let queue = ReadyQueue::new(None);
        for crowd in [KEPT, 4 * KEPT] {
            (0..crowd).for_each(|n| queue.push(n));
            queue.shrink(0);
            assert_eq!((queue.len(), queue.spare(crowd)), (crowd, 0));
            assert!((0..crowd - 5).all(|n| queue.pop() == Some(n)));
            assert_eq!(queue.spare(crowd - KEPT / 2), 0);
            assert_eq!(queue.spare(5), crowd - KEPT);
            queue.shrink(5);
            assert_eq!(queue.spare(5), 0);
            assert!((crowd - 5..crowd).all(|n| queue.pop() == Some(n)));
            assert_eq!(queue.pop(), None);
        }
        assert!(!queue.is_crowded(2 * KEPT));
        queue.push(7);
        assert_eq!(queue.pop(), Some(7));
    }

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
        assert!(!queue.head_is(|&n| n == 7));
        assert!(queue.head_is(|&n| n == 1));
        assert_eq!(queue.rotate(|slot| mem::replace(slot, 5)), (1, 0));
        assert_eq!(queue.pop_if(|&n| n == 7), None);
        assert_eq!(queue.pop_if(|&n| n == 2), Some(2));
        let mut rest = Vec::new();
        queue.each(|&n| rest.push(n));
        assert_eq!(rest, [3, 4, 5]);
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
                    let pushed = random.bool() && queue.push_in_room(|| Some(n));
                    if !pushed {
                        assert!(!queue.push_in_room(|| None));
                        queue.push(n);
                    }
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
