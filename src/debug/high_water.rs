//! How much of a stack was ever used: what the kernel has given it pages for.

use crate::stack::{self, page_size};

/// Bytes of a stack.
pub(super) struct HighWater {
    pub(super) used: usize,
    pub(super) size: usize,
}

/// The high-water mark of the stack with this base, if that is beyond 80 %.
///
/// Usually one system call that looks at one page.
pub(super) fn beyond_limit(base: usize) -> Option<HighWater> {
    let stack = stack::find(base)?;
    let page = page_size();
    // Rounded to pages: what is above is of the head's.
    let size = (base - stack.bottom) / page * page;
    let beyond = (base - size / 5 * 4) / page * page;
    let tell_tale = beyond.checked_sub(page).filter(|&at| at >= stack.bottom)?;
    lowest_touched(tell_tale, 1)?;
    let pages = (base / page * page - stack.bottom) / page;
    let lowest = lowest_touched(stack.bottom, pages)?;
    let used = (base - lowest).min(size);
    Some(HighWater { used, size })
}

/// The lowest of `pages` pages that is in memory. `None` if none is, or the kernel does not tell.
fn lowest_touched(start: usize, pages: usize) -> Option<usize> {
    let index = stack::touched(start, pages)?.position(|touched| touched)?;
    Some(start + index * page_size())
}

/// Gives back what lies well below the stack pointer `here`, so that the next
/// coroutine on this stack is not blamed for it.
pub(super) fn forget_below(here: usize) {
    /// What this function and a signal handler may use.
    const MARGIN: usize = 16 << 10;
    let Some(stack) = stack::find(here) else {
        return;
    };
    let page = page_size();
    let end = (here - MARGIN.min(here)) / page * page;
    // Only where it is worth a system call.
    if end < stack.bottom + page || lowest_touched(end - page, 1).is_none() {
        return;
    }
    let bytes = end - stack.bottom;
    // SAFETY: the stack is the one that we run on, and what lies so far below the
    // stack pointer is used by nobody.
    unsafe {
        libc::madvise(
            stack.bottom as *mut libc::c_void,
            bytes,
            libc::MADV_DONTNEED,
        )
    };
}
