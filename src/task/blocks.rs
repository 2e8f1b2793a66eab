//! The memory of tasks: free blocks of a thread, last in, first out.
//!
//! In a run all that were ever used at a time are kept, until the run gives back what was not
//! needed for a while; else no more than `KEPT`.

use super::Task;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

type Block = NonNull<Task>;

/// Outside of a run more are given back to the allocator.
const KEPT: usize = 16 << 10;
/// So many blocks are noted as needed at once.
const STRIDE: usize = 1 << 10;

/// A list of free blocks, as some addresses in it, so that one comparison tells whether
/// there is a block, or room for one.
///
/// Has no destructor of its own, since a look at a thread-local that has one is a look at
/// the state of that first.
struct Free {
    bottom: Cell<*mut Block>,
    /// Blocks below were not needed since `watch`.
    floor: Cell<*mut Block>,
    /// The first place that is free; blocks lie below.
    top: Cell<*mut Block>,
    /// No room from here on: none before there is an [`AtExit`], and none after.
    limit: Cell<*mut Block>,
    capacity: Cell<usize>,
    /// The list does not get longer.
    most: Cell<usize>,
}

struct AtExit;

thread_local! {
    static FREE: Free = const {
        Free {
            bottom: Cell::new(ptr::null_mut()),
            floor: Cell::new(ptr::null_mut()),
            top: Cell::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            capacity: Cell::new(0),
            most: Cell::new(KEPT),
        }
    };
    static AT_EXIT: AtExit = const { AtExit };
}

impl Free {
    #[inline(always)]
    fn pop(&self) -> Option<Block> {
        let top = self.top.get();
        if top == self.floor.get() {
            return None;
        }
        // SAFETY: a block lies there, and nowhere above.
        unsafe {
            let last = top.sub(1);
            self.top.set(last);
            Some(last.read())
        }
    }

    /// False if there is no room.
    #[inline(always)]
    fn push(&self, block: Block) -> bool {
        let top = self.top.get();
        if top == self.limit.get() {
            return false;
        }
        // SAFETY: there is memory up to the limit.
        unsafe {
            top.write(block);
            self.top.set(top.add(1));
        }
        true
    }

    /// As `pop`, from below the floor, which is lowered.
    fn pop_below(&self) -> Option<Block> {
        let (bottom, floor) = (self.bottom.get(), self.floor.get());
        if floor == bottom {
            return None;
        }
        // SAFETY: both are in the list, or at its end.
        let below = unsafe { floor.offset_from_unsigned(bottom) };
        // SAFETY: so is this.
        self.floor.set(unsafe { floor.sub(below.min(STRIDE)) });
        self.pop()
    }

    /// How many there are, and how many of these lie below the floor.
    fn counts(&self) -> (usize, usize) {
        let bottom = self.bottom.get();
        if bottom.is_null() {
            return (0, 0);
        }
        let above = |address: &Cell<*mut Block>| {
            // SAFETY: all of these are in one list, or at its end.
            unsafe { address.get().offset_from_unsigned(bottom) }
        };
        (above(&self.top), above(&self.floor))
    }

    /// The whole list, which is empty then, without room.
    fn take_list(&self) -> Vec<Block> {
        let (bottom, top) = (self.bottom.get(), self.top.get());
        if bottom.is_null() {
            return Vec::new();
        }
        for address in [&self.bottom, &self.floor, &self.top, &self.limit] {
            address.set(ptr::null_mut());
        }
        // SAFETY: `set_list` took the bottom and the capacity from a list; since then blocks
        // were added and taken between the bottom and the limit only.
        unsafe {
            let length = top.offset_from_unsigned(bottom);
            Vec::from_raw_parts(bottom, length, self.capacity.get())
        }
    }

    /// Takes a list, of which so many blocks lie below the floor.
    fn set_list(&self, list: Vec<Block>, floor: usize) {
        assert!(floor <= list.len());
        let mut list = ManuallyDrop::new(list);
        let bottom = list.as_mut_ptr();
        self.bottom.set(bottom);
        self.capacity.set(list.capacity());
        let limit = list.capacity().min(self.most.get()).max(list.len());
        // SAFETY: all are in its memory, or at the end.
        unsafe {
            self.floor.set(bottom.add(floor));
            self.top.set(bottom.add(list.len()));
            self.limit.set(bottom.add(limit));
        }
    }

    /// Makes more room. False if there is enough already, or the thread ends.
    fn grow(&self) -> bool {
        let (_, floor) = self.counts();
        let mut list = self.take_list();
        let grows = list.len() < self.most.get() && AT_EXIT.try_with(|_| ()).is_ok();
        if grows {
            list.reserve(list.len().max(64));
        }
        self.set_list(list, floor);
        grows
    }

    /// Of the blocks below the floor, how many there are besides those that are always kept.
    fn surplus(&self) -> usize {
        let (all, floor) = self.counts();
        floor.min(all.saturating_sub(KEPT))
    }

    /// Gives `count` of the surplus back to the allocator.
    fn give_back(&self, count: usize) {
        let (_, floor) = self.counts();
        let mut list = self.take_list();
        let rest = floor.saturating_sub(count);
        for place in (rest..floor).rev() {
            // SAFETY: free blocks are ours alone.
            unsafe { release(list.swap_remove(place)) };
        }
        if list.len() < list.capacity() / 4 {
            list.shrink_to(list.len() * 2);
        }
        self.set_list(list, rest);
    }
}

impl Drop for AtExit {
    fn drop(&mut self) {
        for block in FREE.with(Free::take_list) {
            // SAFETY: free blocks are ours alone.
            unsafe { release(block) };
        }
    }
}

/// Keeps all free blocks of its thread while a run has it.
pub(crate) struct Hoard(());

impl Hoard {
    pub(crate) fn new() -> Hoard {
        FREE.with(|free| free.most.set(usize::MAX));
        Hoard(())
    }

    /// How many blocks are more than what is always kept.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        let bytes = FREE.with(|free| free.top.get().addr() - free.bottom.get().addr());
        (bytes / size_of::<Block>()).saturating_sub(KEPT)
    }

    /// From here on blocks that are needed are noted.
    pub(crate) fn watch(&self) {
        FREE.with(|free| free.floor.set(free.top.get()));
    }

    /// How many of `count` were not needed since `watch`.
    pub(crate) fn surplus(&self) -> usize {
        FREE.with(Free::surplus)
    }

    /// Gives some of the surplus back.
    pub(crate) fn give_back(&self, count: usize) {
        FREE.with(|free| free.give_back(count));
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        self.watch();
        // Before the list is taken and set, which makes it as short as that.
        FREE.with(|free| free.most.set(KEPT));
        self.give_back(self.count());
    }
}

/// Memory for a task.
#[inline(always)]
pub(super) fn take() -> NonNull<Task> {
    FREE.with(Free::pop).unwrap_or_else(make)
}

#[cold]
fn make() -> Block {
    if let Some(block) = FREE.with(Free::pop_below) {
        return block;
    }
    // SAFETY: a task has a size.
    let block = unsafe { alloc(Layout::new::<Task>()) };
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(Layout::new::<Task>()))
}

/// # Safety
/// `block` comes from `take`, holds nothing and has no other user.
#[inline(always)]
pub(super) unsafe fn put_back(block: NonNull<Task>) {
    if !FREE.with(|free| free.push(block)) {
        // SAFETY: as the caller says.
        unsafe { put_back_slowly(block) };
    }
}

/// # Safety
/// As for [`put_back`].
#[cold]
#[inline(never)]
unsafe fn put_back_slowly(block: Block) {
    if !FREE.with(|free| free.grow() && free.push(block)) {
        // SAFETY: as the caller says.
        unsafe { release(block) };
    }
}

/// # Safety
/// As for [`put_back`].
unsafe fn release(block: Block) {
    // SAFETY: `make` allocated it.
    unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::thread;

    fn take_many(count: usize) -> Vec<Block> {
        let blocks: Vec<Block> = (0..count).map(|_| take()).collect();
        let different: HashSet<Block> = blocks.iter().copied().collect();
        assert_eq!(different.len(), count);
        blocks
    }

    fn put_all_back(blocks: Vec<Block>) {
        // SAFETY: nobody else knows them.
        blocks
            .into_iter()
            .for_each(|block| unsafe { put_back(block) });
    }

    #[test]
    fn a_hoard_gives_back_what_was_not_needed() {
        // A thread has a list of its own.
        let work = || {
            let hoard = Hoard::new();
            assert_eq!((hoard.count(), hoard.surplus()), (0, 0));
            put_all_back(take_many(KEPT + 5_000));
            assert_eq!(hoard.count(), 5_000);
            hoard.watch();
            assert_eq!(hoard.surplus(), 5_000);
            let needed = 17 * STRIDE;
            put_all_back(take_many(needed - 1));
            let surplus = KEPT + 5_000 - needed;
            assert_eq!((hoard.count(), hoard.surplus()), (5_000, surplus));
            hoard.give_back(1_000);
            assert_eq!(hoard.surplus(), surplus - 1_000);
            hoard.give_back(surplus - 1_000);
            assert_eq!((hoard.count(), hoard.surplus()), (5_000 - surplus, 0));
            put_all_back(take_many(2 * KEPT));
            assert_eq!(hoard.count(), KEPT);
            drop(hoard);
            assert_eq!(FREE.with(Free::counts).0, KEPT);
            // No more than that without a run.
            put_all_back(take_many(2 * KEPT));
            assert_eq!(FREE.with(Free::counts).0, KEPT);
        };
        thread::spawn(work).join().expect("no panic");
    }
}
