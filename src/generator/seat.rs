//! What a stack tells of the generator that it runs.

use std::fmt;
use std::panic::Location;

use super::raw::Raw;
use crate::overflow;

/// The first word of the seat of a generator; no coroutine's is the same.
const GENERATOR: u64 = 1 << 63;

#[derive(Clone, Copy)]
#[repr(C)]
struct Seat {
    mark: u64,
    made_at: &'static Location<'static>,
}

/// Marks the stack of a generator; called by its job.
#[inline]
pub(super) fn sit_down(raw: Raw, made_at: &'static Location<'static>) {
    // SAFETY: we are the job of this stack; the job words were read before we ran.
    unsafe {
        raw.take_seat(Seat {
            mark: GENERATOR,
            made_at,
        });
    }
    overflow::GENERATORS.get_or_init(|| describe);
}

/// Where the generator was made whose stack has this base. Called in a signal
/// handler.
fn describe(base: usize, text: &mut dyn fmt::Write) -> Option<fmt::Result> {
    let address = std::ptr::NonNull::new(base as *mut ())?;
    // SAFETY: the overflow report asks for the bases of mapped stacks only; what is
    // above one is a head, or zero where none was written yet.
    let raw = unsafe { Raw::from_address(address) };
    // SAFETY: whoever runs on a stack has written its seat, a word at least.
    (unsafe { *raw.seat::<u64>() } == GENERATOR).then(|| {
        // SAFETY: the mark says that `sit_down` wrote the seat.
        let seat = unsafe { raw.seat::<Seat>() };
        write!(text, "a generator (made at {})", seat.made_at)
    })
}
