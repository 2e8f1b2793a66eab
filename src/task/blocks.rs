//! The memory of tasks: free blocks of a thread, last in, first out.

use super::Task;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// More are given back to the allocator.
const KEPT: usize = 16 << 10;

struct Free(RefCell<Vec<NonNull<Task>>>);

thread_local! {
    static FREE: Free = const { Free(RefCell::new(Vec::new())) };
}

impl Drop for Free {
    fn drop(&mut self) {
        for block in self.0.take() {
            // SAFETY: free blocks are ours alone, and made by `take`.
            unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
        }
    }
}

/// Memory for a task.
#[inline]
pub(super) fn take() -> NonNull<Task> {
    let free = FREE.try_with(|free| free.0.borrow_mut().pop());
    free.ok().flatten().unwrap_or_else(make)
}

#[cold]
fn make() -> NonNull<Task> {
    // SAFETY: a task has a size.
    let block = unsafe { alloc(Layout::new::<Task>()) };
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(Layout::new::<Task>()))
}

/// # Safety
/// `block` comes from `take`, holds nothing and has no other user.
#[inline]
pub(super) unsafe fn put_back(block: NonNull<Task>) {
    let kept = FREE.try_with(|free| {
        let mut free = free.0.borrow_mut();
        let room = free.len() < KEPT;
        if room {
            free.push(block);
        }
        room
    });
    if kept != Ok(true) {
        // SAFETY: as the caller says.
        unsafe { dealloc(block.as_ptr().cast(), Layout::new::<Task>()) };
    }
}
