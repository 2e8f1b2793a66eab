//! The memory of tasks: free blocks of a thread, last in, first out.

use super::Task;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// More are given back to the allocator.
const KEPT: usize = 16 << 10;

/// Has no destructor of its own, since a look at a thread-local that has one is a look at
/// the state of that first.
struct Free {
    blocks: UnsafeCell<ManuallyDrop<Vec<NonNull<Task>>>>,
    /// How many may be kept: none before there is an [`AtExit`], and none after.
    room: Cell<usize>,
}

struct AtExit;

thread_local! {
    static FREE: Free = const {
        Free {
            blocks: UnsafeCell::new(ManuallyDrop::new(Vec::new())),
            room: Cell::new(0),
        }
    };
    static AT_EXIT: AtExit = const { AtExit };
}

impl Free {
    fn pop(&self) -> Option<NonNull<Task>> {
        // SAFETY: it is this thread's, and nobody else is called meanwhile.
        unsafe { (*self.blocks.get()).pop() }
    }

    /// False if there is no room.
    fn push(&self, block: NonNull<Task>) -> bool {
        // SAFETY: as in `pop`; the allocator does not call us.
        let blocks = unsafe { &mut *self.blocks.get() };
        if blocks.len() >= self.room.get() {
            return false;
        }
        if blocks.len() == blocks.capacity() {
            grow(blocks);
        }
        blocks.push(block);
        true
    }
}

/// Apart, so that a push needs no frame.
#[cold]
#[inline(never)]
fn grow(blocks: &mut Vec<NonNull<Task>>) {
    blocks.reserve(blocks.len().max(64));
}

impl Drop for AtExit {
    fn drop(&mut self) {
        FREE.with(|free| {
            free.room.set(0);
            while let Some(block) = free.pop() {
                // SAFETY: free blocks are ours alone.
                unsafe { release(block) };
            }
            // SAFETY: as in `pop`. An empty list takes its place, and finds no room.
            drop(unsafe { std::mem::take(&mut **free.blocks.get()) });
        });
    }
}

/// Memory for a task.
#[inline(always)]
pub(super) fn take() -> NonNull<Task> {
    FREE.with(Free::pop).unwrap_or_else(make)
}

#[cold]
fn make() -> NonNull<Task> {
    if AT_EXIT.try_with(|_| ()).is_ok() {
        FREE.with(|free| free.room.set(KEPT));
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
        unsafe { release(block) };
    }
}

/// # Safety
/// As for [`put_back`].
#[cold]
unsafe fn release(block: NonNull<Task>) {
    // SAFETY: `make` allocated it.
    unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
}
