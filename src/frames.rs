//! The open `timeout`, `shield` and `scope` frames of whoever runs.
//!
//! Such a call puts a [`Frame`] on its own stack and links it to the one around
//! it. The chain belongs to one coroutine (or to the thread outside of all), not
//! to one stack: a frame opened in a generator's body is linked to the frames of
//! the coroutine that resumed the generator. Two questions are answered by
//! walking the chain from the innermost frame outwards: what may be raised here
//! ([`due`]), and whether a generator may be left here ([`top_is_in`]).

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use crate::panic_count;
use crate::unwind::Silent;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Catches its own expiry.
    Timeout,
    /// Keeps what is due outside of it from those inside.
    Shield,
    /// Catches that a child has panicked.
    Scope,
    /// Catches nothing: it only keeps a generator from being left inside.
    Wait,
    /// Catches nothing: a stack was entered from inside a destructor during an
    /// unwinding, whose panics do not count on the stack that was entered.
    Entry,
}

pub(crate) struct Frame {
    kind: Kind,
    id: u64,
    /// Whether this frame wants the code inside it to be unwound.
    due: Cell<bool>,
    /// Panics in flight when it was opened. Code that runs with more is inside a
    /// destructor of an unwinding that began within the frame, and nothing may
    /// be raised across that.
    depth: usize,
    outer: Cell<Option<NonNull<Frame>>>,
    _pinned: PhantomPinned,
}

thread_local! {
    static TOP: Cell<Option<NonNull<Frame>>> = const { Cell::new(None) };
    static NEXT_ID: Cell<u64> = const { Cell::new(0) };
}

/// The innermost open frame, or none.
pub(crate) type Top = Option<NonNull<Frame>>;

/// The chain of whoever runs.
#[inline(always)]
pub(crate) fn top() -> Top {
    TOP.get()
}

/// Exchanges the chain: done by whoever lets another coroutine run.
#[inline(always)]
pub(crate) fn set_top(top: Top) {
    TOP.set(top);
}

/// Whether the innermost open frame lies on the stack that `contains` tells.
#[inline(always)]
pub(crate) fn top_is_in(contains: impl FnOnce(usize) -> bool) -> bool {
    top().is_some_and(|frame| contains(frame.addr().get()))
}

impl Frame {
    pub(crate) fn new(kind: Kind) -> Frame {
        Frame::with_depth(kind, panic_count::depth())
    }

    fn with_depth(kind: Kind, depth: usize) -> Frame {
        let id = NEXT_ID.get();
        NEXT_ID.set(id + 1);
        Frame {
            kind,
            id,
            due: Cell::new(false),
            depth,
            outer: Cell::new(None),
            _pinned: PhantomPinned,
        }
    }

    /// Runs `f` inside this frame.
    #[inline]
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Close<'a>(&'a Frame);
        impl Drop for Close<'_> {
            fn drop(&mut self) {
                debug_assert_eq!(top(), Some(NonNull::from(self.0)), "frames nest");
                set_top(self.0.outer.get());
            }
        }
        self.outer.set(top());
        set_top(Some(NonNull::from(self)));
        let _close = Close(self);
        f()
    }

    /// Whether `silent` is for this frame to catch.
    pub(crate) fn catches(&self, silent: Option<Silent>) -> bool {
        silent == Some(Silent::Due(self.id))
    }
}

/// An open frame, for those who may make it due; they let go of it before it is
/// closed.
#[derive(Clone, Copy)]
pub(crate) struct FrameRef(NonNull<Frame>);

impl FrameRef {
    pub(crate) fn new(frame: &Frame) -> FrameRef {
        FrameRef(NonNull::from(frame))
    }

    /// Asks for the unwinding of what runs inside.
    pub(crate) fn set_due(self) {
        // SAFETY: a timer is disarmed, and the last child has ended, before the
        // call that opened the frame returns.
        unsafe { self.0.as_ref() }.due.set(true);
    }
}

/// What may be raised in code that runs inside `top` with `depth` panics in
/// flight: the innermost frame that is due, else the cancel of the coroutine.
/// Shields hide what is outside of them, unless they are ignored.
pub(crate) fn due(
    top: Top,
    mut depth: usize,
    cancelled: bool,
    ignore_shields: bool,
) -> Option<Silent> {
    let mut next = top;
    while let Some(frame) = next {
        // SAFETY: an open frame is linked from `enter` until it returns, and is
        // on a stack that is not left before.
        let frame = unsafe { frame.as_ref() };
        if frame.due.get() && frame.depth == depth {
            return Some(Silent::Due(frame.id));
        }
        match frame.kind {
            Kind::Shield if !ignore_shields => return None,
            // Beyond the base of an entered stack that is itself unwinding.
            Kind::Entry if depth > 0 => return None,
            Kind::Entry => depth = frame.depth,
            Kind::Shield | Kind::Timeout | Kind::Scope | Kind::Wait => {}
        }
        next = frame.outer.get();
    }
    (cancelled && depth == 0).then_some(Silent::Cancel)
}

/// Whether any frame of the chain is due, hidden or not.
pub(crate) fn any_due(top: Top) -> bool {
    any(top, |frame| frame.due.get())
}

/// Whether the frame that `Silent::Due(id)` is meant for is open here.
pub(crate) fn is_open(id: u64) -> bool {
    any(top(), |frame| frame.id == id)
}

fn any(top: Top, is: impl Fn(&Frame) -> bool) -> bool {
    let mut next = top;
    while let Some(frame) = next {
        // SAFETY: as in `due`.
        let frame = unsafe { frame.as_ref() };
        if is(frame) {
            return true;
        }
        next = frame.outer.get();
    }
    false
}

/// Runs code of the user's while a frame of ours holds the scheduler: a generator cannot be left
/// inside, and go on in another run.
pub(crate) fn staying<R>(f: impl FnOnce() -> R) -> R {
    Frame::new(Kind::Wait).enter(f)
}

/// Enters another stack with `f`, where no panic of the caller is seen.
#[inline(always)]
pub(crate) fn entering<R>(f: impl FnOnce() -> R) -> R {
    if std::thread::panicking() {
        entering_apart(f)
    } else {
        f()
    }
}

#[cold]
#[inline(never)]
fn entering_apart<R>(f: impl FnOnce() -> R) -> R {
    let aside = panic_count::set_aside();
    let frame = Frame::with_depth(Kind::Entry, aside.count());
    let result = catch_unwind(AssertUnwindSafe(|| frame.enter(f)));
    panic_count::put_back(aside);
    result.unwrap_or_else(|payload| resume_unwind(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_here(cancelled: bool) -> Option<Silent> {
        due(top(), panic_count::depth(), cancelled, false)
    }

    #[test]
    fn the_innermost_due_frame_comes_first() {
        let (outer, inner) = (&Frame::new(Kind::Timeout), &Frame::new(Kind::Timeout));
        outer.enter(|| {
            inner.enter(|| {
                assert_eq!(due_here(false), None);
                assert_eq!(due_here(true), Some(Silent::Cancel));
                FrameRef::new(outer).set_due();
                assert!(outer.catches(due_here(true)));
                FrameRef::new(inner).set_due();
                assert!(inner.catches(due_here(true)));
            });
            assert!(outer.catches(due_here(false)));
        });
        assert_eq!(due_here(false), None);
    }

    #[test]
    fn a_shield_hides_what_is_outside() {
        let frames = [Kind::Timeout, Kind::Shield, Kind::Timeout].map(Frame::new);
        let [outer, shield, inner] = &frames;
        outer.enter(|| {
            shield.enter(|| {
                FrameRef::new(outer).set_due();
                assert_eq!(due_here(true), None);
                assert!(outer.catches(due(top(), 0, true, true)));
                inner.enter(|| {
                    FrameRef::new(inner).set_due();
                    assert!(inner.catches(due_here(true)));
                });
            });
            assert!(outer.catches(due_here(true)));
        });
    }
}
