//! A task's result, with its type.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

use super::{Content, Coroutine, Origin, Stage, TaskRef};
use crate::unwind::message;

/// Why a coroutine has no result.
///
/// ```
/// use corobin::{JoinError, run, spawn};
///
/// let error = run(|| spawn(|| -> u32 { panic!("no") }).join()).unwrap_err();
/// assert_eq!(error.to_string(), "the coroutine panicked: no");
/// let JoinError::Panicked(payload) = error else { unreachable!() };
/// assert_eq!(payload.downcast_ref(), Some(&"no"));
/// ```
pub enum JoinError {
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
    /// It was cancelled, or its runtime ended before it did.
    Cancelled,
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => write!(f, "Panicked({:?})", message(&**payload)),
            JoinError::Cancelled => f.write_str("Cancelled"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => {
                write!(f, "the coroutine panicked: {}", message(&**payload))
            }
            JoinError::Cancelled => f.write_str("the coroutine was cancelled"),
        }
    }
}

impl std::error::Error for JoinError {}

/// A task whose result is a `T`.
pub(crate) struct Typed<T> {
    coroutine: Coroutine,
    _result: PhantomData<T>,
}

impl<T> Typed<T> {
    /// A task that borrows nothing.
    #[inline(always)]
    pub(crate) fn new<F>(origin: impl FnOnce() -> Origin, id: u64, body: F) -> Typed<T>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        // SAFETY: it borrows nothing, and belongs to no scope.
        let typed = unsafe { Typed::borrowing(origin, id, body) };
        debug_assert!(typed.task().siblings().is_none());
        typed
    }

    /// # Safety
    /// What the body and its result borrow, and the children that it belongs to,
    /// stay until the task has ended and was removed from them, or for ever if
    /// it is leaked.
    #[inline(always)]
    pub(crate) unsafe fn borrowing<F: FnOnce() -> T>(
        origin: impl FnOnce() -> Origin,
        id: u64,
        body: F,
    ) -> Typed<T> {
        Typed {
            // SAFETY: as the caller says.
            coroutine: Coroutine(unsafe { TaskRef::new(origin, id, body) }),
            _result: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn task(&self) -> &TaskRef {
        &self.coroutine.0
    }

    pub(crate) fn coroutine(&self) -> &Coroutine {
        &self.coroutine
    }

    /// Whether there is a result to claim.
    #[inline(always)]
    pub(crate) fn has_returned(&self) -> bool {
        self.task().stage() == Stage::ended(Content::Result)
    }

    /// What the body has returned, if it has, and nobody has claimed it.
    #[inline(always)]
    pub(crate) fn claim_returned(&self) -> Option<T> {
        if !self.has_returned() {
            return None;
        }
        let task = self.task();
        task.set_stage(Stage::ended(Content::Nothing));
        // SAFETY: the room holds the result, and a `Typed<T>` is made with a body that
        // returns a `T`; the stage says so no more.
        Some(unsafe { task.take() })
    }

    /// Why [`claim_returned`](Self::claim_returned) gave nothing, if the task has ended;
    /// `Cancelled` if the result was claimed before.
    #[inline(never)]
    pub(crate) fn claim_error(&self) -> Option<JoinError> {
        debug_assert!(!self.has_returned());
        let task = self.task();
        if !task.has_ended() {
            return None;
        }
        Some(match task.holds_payload() {
            true => JoinError::Panicked(task.take_payload()),
            false => JoinError::Cancelled,
        })
    }

    /// The result, or why there is none, if the task has ended.
    #[inline]
    pub(crate) fn claim(&self) -> Option<Result<T, JoinError>> {
        match self.claim_returned() {
            Some(result) => Some(Ok(result)),
            None => self.claim_error().map(Err),
        }
    }
}
