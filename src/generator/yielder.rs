//! The body's side of a generator.

use std::cell::Cell;
use std::fmt;
use std::panic::resume_unwind;
use std::thread::panicking;

use super::raw::Raw;
use super::{Generator, GeneratorState, STUCK, State, YIELDED};
use crate::unwind::{Payload, Silent, raise};
use crate::{cpu, frames, panic_count};

/// The body's side of a [`Generator`]: what it yields through.
///
/// A body gets it by reference. It belongs to the generator's own stack: used
/// anywhere else (from a coroutine, another generator or a [`run`](crate::run)
/// that the body started) it panics and switches nothing. It is neither `Send`
/// nor `Sync`:
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<&corobin::Yielder<u32>>();
/// ```
pub struct Yielder<Y: 'static, R: 'static = ()> {
    pub(super) raw: Raw,
    pub(super) yielded: Cell<Option<Y>>,
    pub(super) command: Cell<Option<Command<R>>>,
    pub(super) closing: Cell<bool>,
    /// Suspended in a destructor during an unwinding of the body.
    pub(super) unwinding: Cell<bool>,
}

/// What the resumer asks for.
pub(super) enum Command<R> {
    Send(R),
    Throw(Payload),
    Close,
}

impl<Y: 'static, R: 'static> Yielder<Y, R> {
    pub(super) fn new(raw: Raw) -> Self {
        Yielder {
            raw,
            yielded: Cell::new(None),
            command: Cell::new(None),
            closing: Cell::new(false),
            unwinding: Cell::new(false),
        }
    }

    /// Leaves the generator with `value`; returns what [`Generator::send`] is
    /// given. Works at any call depth of the body.
    ///
    /// # Panics
    /// On any stack but the generator's own, and inside a
    /// [`timeout`](crate::timeout), [`shield`](crate::shield),
    /// [`scope`](crate::scope()), [`race`](crate::race()) or the poll of a
    /// [`block_on`](crate::block_on()) that was opened in this generator: nobody
    /// would keep its promise while the generator is left
    /// ([PEP 789](https://peps.python.org/pep-0789/)). Raises what
    /// [`Generator::throw`] and [`Generator::close`] ask for.
    #[inline]
    pub fn yield_(&self, value: Y) -> R {
        match self.exchange(value) {
            Command::Send(reply) => reply,
            Command::Throw(payload) => resume_unwind(payload),
            Command::Close => raise(Silent::Close),
        }
    }

    /// Yields all that `inner` yields, and hands it what is sent and thrown to
    /// the outer generator; returns what `inner` returns
    /// ([PEP 380](https://peps.python.org/pep-0380/)). Closing the outer
    /// generator closes `inner`.
    ///
    /// # Panics
    /// `inner` was started before; and like [`yield_`](Yielder::yield_). A panic
    /// of `inner` passes through.
    ///
    /// ```
    /// use corobin::{Generator, Yielder};
    ///
    /// fn walk(depth: u32) -> Generator<u32> {
    ///     Generator::new(move |y: &Yielder<u32>| {
    ///         if depth > 0 {
    ///             y.yield_from(&mut walk(depth - 1));
    ///             y.yield_(depth);
    ///             y.yield_from(&mut walk(depth - 1));
    ///         }
    ///     })
    /// }
    /// assert_eq!(walk(3).collect::<Vec<_>>(), [1, 2, 1, 3, 1, 2, 1]);
    /// ```
    pub fn yield_from<U: 'static>(&self, inner: &mut Generator<Y, R, U>) -> U {
        assert!(
            inner.state == State::New,
            "yield_from: the inner generator was started before"
        );
        self.check_place();
        let mut state = inner.start();
        loop {
            let value = match state {
                GeneratorState::Complete(result) => return result,
                GeneratorState::Yielded(value) => value,
            };
            state = match self.exchange(value) {
                Command::Send(reply) => inner.send(reply),
                Command::Throw(payload) => match inner.throw(payload) {
                    Ok(state) => state,
                    Err(payload) => resume_unwind(payload),
                },
                Command::Close => {
                    inner.close();
                    raise(Silent::Close)
                }
            };
        }
    }

    #[inline]
    fn exchange(&self, value: Y) -> Command<R> {
        self.check_place();
        if panicking() || self.closing.get() {
            return self.exchange_unwinding(value);
        }
        self.yielded.set(Some(value));
        // SAFETY: `check_place` has found that we run on this stack.
        unsafe { self.raw.leave(YIELDED) };
        self.command.take().expect("a resume leaves a command")
    }

    #[cold]
    #[inline(never)]
    fn exchange_unwinding(&self, value: Y) -> Command<R> {
        if self.closing.get() {
            if !panicking() {
                return Command::Close;
            }
            // For ever: this stack never runs again.
            let _ = panic_count::set_aside();
            self.yielded.set(Some(value));
            // SAFETY: as in `exchange`. `Generator::unwind` gives up on us.
            unsafe { self.raw.leave(STUCK) };
            unreachable!("a stuck generator is never resumed");
        }
        self.yielded.set(Some(value));
        self.unwinding.set(true);
        let aside = panic_count::set_aside();
        // SAFETY: as in `exchange`.
        unsafe { self.raw.leave(YIELDED) };
        panic_count::put_back(aside);
        self.unwinding.set(false);
        self.command.take().expect("a resume leaves a command")
    }

    #[inline(always)]
    fn check_place(&self) {
        if !self.raw.contains(cpu::stack_pointer()) {
            foreign_stack();
        }
        if frames::top_is_in(|address| self.raw.contains(address)) {
            open_frame();
        }
    }
}

#[cold]
#[inline(never)]
fn foreign_stack() -> ! {
    panic!("yield_ was called outside of its generator's own stack: only the body itself may yield")
}

#[cold]
#[inline(never)]
fn open_frame() -> ! {
    panic!(
        "yield_ inside a timeout, shield, scope, race or the poll of a block_on that was opened in \
         the same generator: it could not keep its promise while the generator is left (PEP 789)"
    )
}

impl<Y: 'static, R: 'static> fmt::Debug for Yielder<Y, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}
