//! Generators: functions that can be left at any call depth and entered again.
//!
//! A [`Generator`] is a [`Raw`] with types. What the two sides hand each other
//! lies on the generator's stack, in a [`Context`] at its bottom:
//!
//! ```text
//!  resumer                             generator's stack
//!  send(r): command = Send(r) ──▶ …    yield_ returns r
//!  Yielded(y) ◀── yielded = y ──       yield_(y) leaves
//!  Complete(t) ◀─ *outcome = Ok(t)     the body returned t
//! ```

pub(crate) mod raw;
mod seat;
mod yielder;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::thread::panicking;

pub use yielder::Yielder;

use raw::{DONE, Raw, RawPool};
use yielder::Command;

use crate::unwind::{Payload, Silent, drop_quietly, raise, silent};
use crate::{frames, stack};

/// The words that a generator leaves with.
const YIELDED: usize = 1;
const STUCK: usize = 2;

/// Bodies larger than this go to the heap: they would take too much of a small
/// stack.
const LARGE_BODY: usize = 1024;

/// What [`Generator::start`] and [`Generator::send`] ran to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GeneratorState<Y, T> {
    /// The body called [`Yielder::yield_`] with this value.
    Yielded(Y),
    /// The body returned this value.
    Complete(T),
}

/// A function on a stack of its own that can be left at any call depth, with a
/// value, and entered again, with another: what Python calls a generator
/// ([PEP 342]), but not bound to one frame.
///
/// `Y` is what it yields, `R` what each yield returns, `T` what the body returns
/// in the end. It needs no runtime. Inside a coroutine the body may sleep, join,
/// or do anything else that suspends: the coroutine that resumed it waits.
///
/// With `R = ()` and `T = ()` it is an [`Iterator`].
///
/// ```
/// use corobin::{Generator, Yielder};
///
/// let squares = Generator::new(|y: &Yielder<u32>| {
///     for n in 1.. {
///         y.yield_(n * n);
///     }
/// });
/// assert_eq!(squares.take(4).collect::<Vec<_>>(), [1, 4, 9, 16]);
/// ```
///
/// Values go both ways:
///
/// ```
/// use corobin::{Generator, GeneratorState::*, Yielder};
///
/// let mut average = Generator::new(|y: &Yielder<f64, Option<f64>>| {
///     let (mut sum, mut count) = (0.0, 0);
///     while let Some(x) = y.yield_(if count == 0 { 0.0 } else { sum / f64::from(count) }) {
///         sum += x;
///         count += 1;
///     }
///     count
/// });
/// assert_eq!(average.start(), Yielded(0.0));
/// assert_eq!(average.send(Some(10.0)), Yielded(10.0));
/// assert_eq!(average.send(Some(20.0)), Yielded(15.0));
/// assert_eq!(average.send(None), Complete(2));
/// ```
///
/// # Dropping
/// A generator that is dropped before its end is [closed](Generator::close), which is
/// a suspension point if a destructor of the body's suspends. One that sits in a
/// thread-local and is dropped by that thread-local's destructor must not be unwound
/// any more; where corobin notices that, it leaks the stack and logs an error.
///
/// [PEP 342]: https://peps.python.org/pep-0342/
pub struct Generator<Y: 'static, R: 'static = (), T: 'static = ()> {
    state: State,
    raw: Raw,
    context: NonNull<Context<Y, R, T>>,
    _not_send: PhantomData<*mut (Y, R, T)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Suspended,
    Running,
    Complete,
}

type Body<Y, R, T> = Box<dyn FnOnce(&Yielder<Y, R>) -> T>;

type Outcome<T> = Option<Result<T, Payload>>;

/// Lies at the bottom of the generator's stack, from `new` to the end.
struct Context<Y: 'static, R: 'static, T> {
    yielder: Yielder<Y, R>,
    /// Where the resumer waits for the end of the body.
    outcome: Cell<*mut Outcome<T>>,
}

/// What the job needs to begin; lies in the frame of `on`.
struct Launch<Y: 'static, R: 'static, T, F> {
    raw: Raw,
    made_at: &'static Location<'static>,
    body: ManuallyDrop<F>,
    context: *const Context<Y, R, T>,
}

impl<Y: 'static, R: 'static, T: 'static> Generator<Y, R, T> {
    /// A generator with the default stack: 256 KiB of address space, of which
    /// only touched pages cost memory. The body does not run yet.
    ///
    /// # Panics
    /// The system gives no more memory; see [`with_stack_size`] for an error
    /// instead.
    ///
    /// [`with_stack_size`]: Generator::with_stack_size
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Y, R>) -> T + 'static,
    {
        match Self::with_stack_size(stack::DEFAULT_SIZE, body) {
            Ok(generator) => generator,
            Err(error) => panic!("no stack for a generator: {error}"),
        }
    }

    /// A generator whose stack has at least `bytes` usable bytes, rounded up to
    /// pages, with a guard below.
    ///
    /// # Errors
    /// `InvalidInput` for zero and for sizes beyond the address space; what the
    /// system says where it gives no more memory.
    ///
    /// ```
    /// let small = corobin::Generator::with_stack_size(16 << 10, |y: &corobin::Yielder<u8>| {
    ///     y.yield_(1);
    /// })?;
    /// assert_eq!(small.sum::<u8>(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn with_stack_size<F>(bytes: usize, body: F) -> io::Result<Self>
    where
        F: FnOnce(&Yielder<Y, R>) -> T + 'static,
    {
        let raw = RawPool::of_size(bytes)?.take()?;
        if size_of::<F>() > LARGE_BODY || align_of::<F>() > 64 {
            let body: Body<Y, R, T> = Box::new(body);
            Ok(Self::on(raw, body, Location::caller()))
        } else {
            Ok(Self::on(raw, body, Location::caller()))
        }
    }

    fn on<F>(raw: Raw, body: F, made_at: &'static Location<'static>) -> Self
    where
        F: FnOnce(&Yielder<Y, R>) -> T + 'static,
    {
        let mut launch = Launch {
            raw,
            made_at,
            body: ManuallyDrop::new(body),
            context: ptr::null(),
        };
        // SAFETY: the stack is fresh from the pool, and the job takes the body
        // out of `launch` before it leaves, which it does at once.
        unsafe { raw.start(job::<Y, R, T, F>, ptr::from_mut(&mut launch).cast()) };
        Generator {
            state: State::New,
            raw,
            context: NonNull::new(launch.context.cast_mut()).expect("set by the job"),
            _not_send: PhantomData,
        }
    }

    /// Runs the body to its first yield, or to its end.
    ///
    /// A suspension point if the body suspends.
    ///
    /// # Panics
    /// The generator was started before. A panic of the body arrives here and
    /// completes the generator.
    #[track_caller]
    pub fn start(&mut self) -> GeneratorState<Y, T> {
        match self.state {
            State::New => self.resume_with(None),
            State::Complete => panic!("start: the generator has completed"),
            State::Running => panic!("start: the generator is running"),
            State::Suspended => panic!("start: the generator was started before; call send"),
        }
    }

    /// Lets the pending [`Yielder::yield_`] return `value`, and runs the body to
    /// its next yield or to its end.
    ///
    /// A suspension point if the body suspends.
    ///
    /// # Panics
    /// The generator was not started, or has completed. A panic of the body
    /// arrives here and completes the generator.
    #[inline]
    #[track_caller]
    pub fn send(&mut self, value: R) -> GeneratorState<Y, T> {
        match self.state {
            State::Suspended => self.resume_with(Some(Command::Send(value))),
            State::Complete => panic!("send: the generator has completed"),
            State::Running => panic!("send: the generator is running"),
            State::New => panic!("send: the generator was not started; call start first"),
        }
    }

    /// Raises `payload` at the pending [`Yielder::yield_`], as a panic without a
    /// message, and runs the body to its next yield or to its end.
    ///
    /// Before the start the body never runs: its captures are dropped and the
    /// payload comes back, or what their destructors raise. After the end it comes
    /// straight back.
    ///
    /// A suspension point if the body suspends.
    ///
    /// # Errors
    /// The payload, if the body did not catch it, or whatever the body raised
    /// instead; its destructors ran. A cancel or expiry of the calling coroutine
    /// is no `Err`: it passes on through the caller.
    ///
    /// # Panics
    /// The generator is suspended in a destructor during an unwinding of its
    /// body, where nothing can be raised.
    ///
    /// ```
    /// use corobin::{Generator, GeneratorState::*, Yielder};
    ///
    /// let mut careful = Generator::new(|y: &Yielder<&str>| {
    ///     let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| y.yield_("working")));
    ///     if caught.is_err() {
    ///         y.yield_("recovered");
    ///     }
    /// });
    /// careful.start();
    /// assert!(matches!(careful.throw(Box::new("trouble")), Ok(Yielded("recovered"))));
    /// let back = careful.throw(Box::new(7_u8)).unwrap_err();
    /// assert_eq!(back.downcast_ref(), Some(&7_u8));
    /// ```
    #[track_caller]
    pub fn throw(&mut self, payload: Payload) -> Result<GeneratorState<Y, T>, Payload> {
        match self.state {
            State::Complete => Err(payload),
            State::Running => panic!("throw: the generator is running"),
            State::New => match catch_unwind(AssertUnwindSafe(|| self.close())) {
                Ok(()) => Err(payload),
                Err(raised) if silent(&*raised).is_some() => resume_unwind(raised),
                // A panic of a capture's destructor is one of the body.
                Err(raised) => {
                    drop_quietly(payload);
                    Err(raised)
                }
            },
            State::Suspended => {
                assert!(
                    !self.yielder().unwinding.get(),
                    "throw: the generator is suspended in a destructor during unwinding"
                );
                let thrown = self.switch(Some(Command::Throw(payload)));
                thrown.map_err(|payload| match silent(&*payload) {
                    Some(Silent::Cancel | Silent::Due(_)) => pass_on(payload),
                    Some(Silent::Close) | None => payload,
                })
            }
        }
    }

    /// Ends the generator: unwinds the body from its pending yield, so that its
    /// destructors run, innermost first. Before the start only its captures are
    /// dropped; after the end nothing happens. No panic hook runs.
    ///
    /// A suspension point if a destructor of the body's suspends.
    ///
    /// # Panics
    /// With whatever the body raises meanwhile. Also if it yields in a
    /// destructor during the unwinding, where it cannot be unwound any further:
    /// its stack is leaked then, and an error logged.
    #[track_caller]
    pub fn close(&mut self) {
        if let Err(stuck) = self.unwind() {
            panic!("{stuck}");
        }
    }

    fn unwind(&mut self) -> Result<(), &'static str> {
        match self.state {
            State::Complete => return Ok(()),
            State::Running => return Err("close: the generator is running"),
            State::Suspended if self.yielder().unwinding.get() => return Err(self.give_up()),
            State::New | State::Suspended => {}
        }
        self.yielder().closing.set(true);
        match self.switch(Some(Command::Close)) {
            Ok(GeneratorState::Complete(_)) => Ok(()),
            // A yield while closing raises, or else it is stuck.
            Ok(GeneratorState::Yielded(_)) => Err(self.give_up()),
            Err(payload) if silent(&*payload) == Some(Silent::Close) => Ok(()),
            Err(payload) => pass_on(payload),
        }
    }

    /// Leaves the stack as it is, for ever.
    fn give_up(&mut self) -> &'static str {
        self.state = State::Complete;
        let stuck = "a generator yielded in a destructor while it was closed; its stack is leaked";
        log::error!("{stuck}");
        stuck
    }

    /// Whether the body has returned, panicked or been closed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    fn yielder(&self) -> &Yielder<Y, R> {
        // SAFETY: the context lives until the job has ended, or for ever; by then the state
        // is `Complete`, in which nobody asks.
        unsafe { &self.context.as_ref().yielder }
    }

    #[inline]
    fn resume_with(&mut self, command: Option<Command<R>>) -> GeneratorState<Y, T> {
        self.switch(command)
            .unwrap_or_else(|payload| pass_on(payload))
    }

    #[inline]
    fn switch(&mut self, command: Option<Command<R>>) -> Result<GeneratorState<Y, T>, Payload> {
        let mut outcome: Outcome<T> = None;
        // SAFETY: as in `yielder`.
        let context = unsafe { self.context.as_ref() };
        context.yielder.command.set(command);
        context.outcome.set(&mut outcome);
        self.state = State::Running;
        // SAFETY: the state was `New` or `Suspended`, so a job is suspended here.
        let word = frames::entering(|| unsafe { self.raw.resume() });
        if word == DONE {
            self.state = State::Complete;
            // SAFETY: the job has ended, and a complete generator never touches
            // its stack again.
            unsafe { self.raw.release() };
            let outcome = outcome.expect("the job leaves an outcome");
            return outcome.map(GeneratorState::Complete);
        }
        self.state = State::Suspended;
        let yielded = context.yielder.yielded.take();
        Ok(GeneratorState::Yielded(
            yielded.expect("a yield leaves a value"),
        ))
    }
}

/// Raises in the resumer what has ended a body.
#[cold]
fn pass_on(payload: Payload) -> ! {
    if let Some(Silent::Due(id)) = silent(&*payload)
        && !frames::is_open(id)
    {
        // It yielded while it unwound, or kept the payload, and was resumed where nobody
        // waits for this expiry.
        panic!("the generator was unwound by a timeout or scope that has ended meanwhile");
    }
    resume_unwind(payload)
}

/// Runs a generator's body at the bottom of its stack.
///
/// # Safety
/// `data` is a `Launch` of the same types.
unsafe extern "C" fn job<Y: 'static, R: 'static, T, F>(data: *mut ())
where
    F: FnOnce(&Yielder<Y, R>) -> T,
{
    // SAFETY: as the caller says; `on` waits until we leave.
    let launch = unsafe { &mut *data.cast::<Launch<Y, R, T, F>>() };
    // SAFETY: taken once, here.
    let body = unsafe { ManuallyDrop::take(&mut launch.body) };
    let context = Context {
        yielder: Yielder::new(launch.raw),
        outcome: Cell::new(ptr::null_mut()),
    };
    launch.context = &raw const context;
    seat::sit_down(launch.raw, launch.made_at);
    let yielder = &context.yielder;
    // SAFETY: this job runs on this stack.
    unsafe { yielder.raw.leave(YIELDED) };
    let outcome = catch_unwind(AssertUnwindSafe(|| match yielder.command.take() {
        None => body(yielder),
        Some(_) => {
            drop(body);
            raise(Silent::Close)
        }
    }));
    // SAFETY: whoever resumed us waits with this place on its stack.
    unsafe { context.outcome.get().write(Some(outcome)) };
}

impl<Y: 'static, R: 'static, T: 'static> Drop for Generator<Y, R, T> {
    fn drop(&mut self) {
        if self.state == State::Complete {
            return;
        }
        if !raw::thread_is_alive() {
            log::error!("a generator was dropped by a thread-local's destructor; it is leaked");
            return;
        }
        if !panicking() {
            // `unwind` logs what it cannot do.
            let _ = self.unwind();
            return;
        }
        // A panic here would abort; the cause of the unwinding matters more.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.unwind())) {
            if silent(&*payload).is_none() {
                log::error!(
                    "a generator that was dropped during an unwinding panicked: {}",
                    crate::unwind::message(&*payload)
                );
            }
            drop_quietly(payload);
        }
    }
}

impl<Y: 'static> Iterator for Generator<Y, (), ()> {
    type Item = Y;

    /// The next value that the body yields; `None` once it has returned.
    ///
    /// A suspension point if the body suspends.
    #[inline]
    #[track_caller]
    fn next(&mut self) -> Option<Y> {
        let state = match self.state {
            State::New => self.start(),
            State::Complete => return None,
            State::Suspended | State::Running => self.send(()),
        };
        match state {
            GeneratorState::Yielded(value) => Some(value),
            GeneratorState::Complete(()) => None,
        }
    }
}

impl<Y: 'static> std::iter::FusedIterator for Generator<Y, (), ()> {}

impl<Y: 'static, R: 'static, T: 'static> fmt::Debug for Generator<Y, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
