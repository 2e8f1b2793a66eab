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
    /// How many there is memory for: none before there is an [`AtExit`], and none after.
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
    #[inline(always)]
    fn push(&self, block: NonNull<Task>) -> bool {
        // SAFETY: as in `pop`.
        let blocks = unsafe { &mut *self.blocks.get() };
        let count = blocks.len();
        if count >= self.room.get() {
            return false;
        }
        // SAFETY: there is memory for `room` of them.
        unsafe {
            blocks.as_mut_ptr().add(count).write(block);
            blocks.set_len(count + 1);
        }
        true
    }

    /// Makes more room. False if there is enough already, or the thread ends.
    fn grow(&self) -> bool {
        // SAFETY: as in `pop`; the allocator does not call us.
        let blocks = unsafe { &mut *self.blocks.get() };
        if blocks.len() >= KEPT || AT_EXIT.try_with(|_| ()).is_err() {
            return false;
        }
        let more = blocks.len().max(64);
        blocks.reserve(more);
        self.room.set(blocks.capacity().min(KEPT));
        true
    }
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
unsafe fn put_back_slowly(block: NonNull<Task>) {
    if !FREE.with(|free| free.grow() && free.push(block)) {
        // SAFETY: as the caller says.
        unsafe { release(block) };
    }
}

/// # Safety
/// As for [`put_back`].
unsafe fn release(block: NonNull<Task>) {
    // SAFETY: `make` allocated it.
    unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
}
