//! The memory of tasks: free blocks of a thread, last in, first out.

use super::Task;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

type Block = NonNull<Task>;

/// More are given back to the allocator.
const KEPT: usize = 16 << 10;

/// A list of free blocks, as three addresses in it, so that one comparison tells whether
/// there is a block, or room for one.
///
/// Has no destructor of its own, since a look at a thread-local that has one is a look at
/// the state of that first.
struct Free {
    bottom: Cell<*mut Block>,
    /// The first place that is free; blocks lie below.
    top: Cell<*mut Block>,
    /// No room from here on: none before there is an [`AtExit`], and none after.
    limit: Cell<*mut Block>,
    capacity: Cell<usize>,
}

struct AtExit;

thread_local! {
    static FREE: Free = const {
        Free {
            bottom: Cell::new(ptr::null_mut()),
            top: Cell::new(ptr::null_mut()),
            limit: Cell::new(ptr::null_mut()),
            capacity: Cell::new(0),
        }
    };
    static AT_EXIT: AtExit = const { AtExit };
}

impl Free {
    #[inline(always)]
    fn pop(&self) -> Option<Block> {
        let top = self.top.get();
        if top == self.bottom.get() {
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

    /// The whole list, which is empty then, without room.
    fn take_list(&self) -> Vec<Block> {
        let (bottom, top) = (self.bottom.get(), self.top.get());
        if bottom.is_null() {
            return Vec::new();
        }
        for address in [&self.bottom, &self.top, &self.limit] {
            address.set(ptr::null_mut());
        }
        // SAFETY: `set_list` took the bottom and the capacity from a list; since then blocks
        // were added and taken between the bottom and the limit only.
        unsafe {
            let length = top.offset_from_unsigned(bottom);
            Vec::from_raw_parts(bottom, length, self.capacity.get())
        }
    }

    fn set_list(&self, list: Vec<Block>) {
        let mut list = ManuallyDrop::new(list);
        let bottom = list.as_mut_ptr();
        self.bottom.set(bottom);
        self.capacity.set(list.capacity());
        // SAFETY: both are in its memory, or at the end.
        unsafe {
            self.top.set(bottom.add(list.len()));
            self.limit.set(bottom.add(list.capacity().min(KEPT)));
        }
    }

    /// Makes more room. False if there is enough already, or the thread ends.
    fn grow(&self) -> bool {
        let mut list = self.take_list();
        let grows = list.len() < KEPT && AT_EXIT.try_with(|_| ()).is_ok();
        if grows {
            list.reserve(list.len().max(64));
        }
        self.set_list(list);
        grows
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

/// Memory for a task.
#[inline(always)]
pub(super) fn take() -> NonNull<Task> {
    FREE.with(Free::pop).unwrap_or_else(make)
}

#[cold]
fn make() -> Block {
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
