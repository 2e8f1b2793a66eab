//! The silent unwindings: cancel, expiry, a scope that gives up, a generator
//! that is closed.
//!
//! They are panics without a message: [`resume_unwind`] calls no panic hook and
//! runs the same destructors as any panic. A [`Silent`] payload says who is to
//! catch it; everybody else lets it pass.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A panic payload.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Why a stack is unwound without a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// The coroutine was cancelled; caught where it began.
    Cancel,
    /// The frame with this number is due (a timeout expired, a scope gives
    /// up); caught there.
    Due(u64),
    /// The generator is closed; caught where it began.
    Close,
}

/// Unwinds to whoever catches `silent`.
#[cold]
#[inline(never)]
pub(crate) fn raise(silent: Silent) -> ! {
    resume_unwind(Box::new(silent))
}

pub(crate) fn silent(payload: &(dyn Any + Send)) -> Option<Silent> {
    // `&Box<dyn Any + Send>` coerces to `&dyn Any` by wrapping the box itself.
    match payload.downcast_ref::<Payload>() {
        Some(inner) => silent(&**inner),
        None => payload.downcast_ref().copied(),
    }
}

/// Whether a caught panic payload is corobin's own: a cancel, an expired
/// timeout, a scope that gives up or a generator that is closed.
///
/// Code that catches panics should raise such a payload again with
/// [`resume_unwind`]. If it does not, a cancel is met once more at the next
/// suspension point.
///
/// ```
/// use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
///
/// corobin::run(|| {
///     let worker = corobin::spawn(|| {
///         let caught = catch_unwind(AssertUnwindSafe(|| corobin::park()));
///         if let Err(payload) = caught {
///             assert!(corobin::is_cancel(&payload));
///             resume_unwind(payload);
///         }
///     });
///     corobin::yield_now();
///     worker.cancel();
///     assert!(matches!(worker.join(), Err(corobin::JoinError::Cancelled)));
/// });
/// ```
#[must_use]
pub fn is_cancel(payload: &(dyn Any + Send)) -> bool {
    silent(payload).is_some()
}

/// The text of a panic payload, where it has one.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a payload that is no text"
    }
}

/// Drops what may panic while it is dropped. A payload of that panic is logged
/// and leaked: dropping it could panic again.
pub(crate) fn drop_quietly(value: impl Sized) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        if !is_cancel(&*payload) {
            let logged = catch_unwind(AssertUnwindSafe(|| {
                log::error!(
                    "a destructor panicked where nobody can catch it: {}",
                    message(&*payload)
                );
            }));
            mem::forget(logged);
        }
        mem::forget(payload);
    }
}

/// Runs user code that has no business to panic where it is called, nor to raise what it
/// met while it was suspended: a logger, a waker.
pub(crate) fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        drop_quietly(payload);
    }
}
