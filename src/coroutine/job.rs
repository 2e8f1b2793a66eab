//! The job that lives coroutines on a stack, one after another.

use std::cell::Cell;
use std::ptr::NonNull;

use super::place::To;
use super::{IDLE, OwnSeat, Seat, switch};
use crate::generator::raw::Raw;

/// What is done with coroutines on their stacks: the layer above.
pub(crate) trait Life {
    /// Lives the whole life of the coroutine that has sat down on this stack,
    /// and of others that may go on right there. Returns with the stack idle,
    /// and where to go.
    fn live(seat: OwnSeat) -> To;
}

/// Readies a stack for coroutines: it has a seat then, and is idle.
pub(crate) fn settle<L: Life>(raw: Raw) {
    // SAFETY: a stack from the pool has no job. The job needs its stack only.
    unsafe { raw.start(job::<L>, raw.into_address().as_ptr()) };
}

/// Undoes [`settle`].
///
/// # Safety
/// The stack is idle and nobody uses it as a coroutine's any more.
pub(crate) unsafe fn unsettle(raw: Raw) {
    // SAFETY: an idle stack rests in `lives`, whose frame owns nothing.
    unsafe { raw.restart() };
}

/// # Safety
/// `data` is the stack that it runs on.
unsafe extern "C" fn job<L: Life>(data: *mut ()) {
    // SAFETY: as the caller says.
    unsafe { switch::fence(data, lives::<L>) }
}

/// # Safety
/// As for [`job`].
unsafe extern "C" fn lives<L: Life>(data: *mut ()) -> ! {
    // SAFETY: as the caller says; we are the job, and the words of the start
    // have been read.
    let raw = unsafe {
        let raw = Raw::from_address(NonNull::new_unchecked(data));
        raw.take_seat(Seat {
            state: Cell::new(IDLE),
            task: Cell::new(NonNull::dangling()),
            wait: Cell::new(None),
            baggage: Cell::new(None),
            frame: Cell::new(0),
            locals: Cell::new(std::ptr::null_mut()),
        });
        raw
    };
    let frame = raw.co().frame.as_ptr();
    // SAFETY: we are the job of this stack.
    unsafe { switch::settle(raw, frame) };
    loop {
        // Whoever has entered us has let a coroutine sit down first.
        let to = L::live(OwnSeat(raw));
        // SAFETY: as in `leave_to`.
        unsafe { switch::leave(raw, frame, to.0) };
    }
}
