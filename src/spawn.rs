//! Spawning coroutines and waiting for their results.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::coroutine::Awaited;
use crate::generator::raw::Raw;
use crate::scheduler::{self, Scheduler};
use crate::suspend;
use crate::task::{Coroutine, Id, JoinError, Joiner, Origin, TaskRef, Typed, flag};

/// Starts a coroutine. It goes to the back of the ready queue and runs when its
/// turn comes, not at once.
///
/// Dropping the handle detaches it: it runs on, until its end or that of the
/// run. A panic in it then is logged, and the loop goes on. The closure need not
/// be `Send`, and may be of any size and alignment.
///
/// Not a suspension point. Once the runtime is warm there is no heap allocation but
/// for closures and results of more than 40 bytes, or aligned to more than 8.
///
/// # Panics
/// Outside of a runtime. If the system gives no stack when the coroutine's turn
/// comes, the coroutine ends as [`JoinError::Panicked`] with a message that says
/// so; [`Builder::spawn`] gives an `Err` at once instead.
///
/// ```
/// let sum = corobin::run(|| {
///     let handles: Vec<_> = (1..=3).map(|n| corobin::spawn(move || n * n)).collect();
///     handles.into_iter().map(|handle| handle.join().unwrap()).sum::<i32>()
/// });
/// assert_eq!(sum, 14);
/// ```
#[track_caller]
#[inline]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let scheduler = scheduler::expect("spawn");
    let at = Location::caller();
    let (task, handle) = prepare(|| scheduler.origin(at), f);
    scheduler.spawn(task);
    handle
}

/// A task and its handle.
#[inline(always)]
fn prepare<F, T>(origin: impl FnOnce() -> Origin, f: F) -> (TaskRef, JoinHandle<T>)
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let inner = Typed::new(origin, scheduler::next_id(), f);
    let task = inner.task().clone();
    (task, JoinHandle { inner })
}

/// Names a coroutine or gives it a stack of another size.
///
/// ```
/// corobin::run(|| {
///     let worker = corobin::Builder::new()
///         .name("worker")
///         .stack_size(64 << 10)
///         .spawn(|| corobin::current().name().map(str::to_owned))?;
///     assert_eq!(worker.join().unwrap().as_deref(), Some("worker"));
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until spawn is called"]
pub struct Builder {
    name: Option<Box<str>>,
    stack_size: Option<usize>,
}

impl Builder {
    /// The default stack, no name.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The name that logs, reports and [`Coroutine::name`] show.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into().into_boxed_str());
        self
    }

    /// Usable bytes of the stack, rounded up to pages; a guard comes on top.
    ///
    /// The default is 256 KiB of address space, of which only touched pages cost
    /// memory. 32 KiB survive a panic, also with `RUST_BACKTRACE=1`; without a
    /// backtrace 16 KiB do.
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts the coroutine, as [`spawn`] does, with its stack reserved now.
    ///
    /// # Errors
    /// `InvalidInput` for a stack of no bytes or of more than the address space
    /// holds; what the system says where it gives no more memory.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let scheduler = scheduler::expect("Builder::spawn");
        let at = Location::caller();
        let Reserved { name, stack } = self.reserve(scheduler)?;
        let origin = || Origin {
            name,
            ..scheduler.origin(at)
        };
        let (task, handle) = prepare(origin, f);
        task.raw.set(stack);
        scheduler.spawn(task);
        Ok(handle)
    }

    /// # Errors
    /// As for `spawn`.
    pub(crate) fn reserve(self, scheduler: &Scheduler) -> io::Result<Reserved> {
        let stack = (self.stack_size)
            .map(|bytes| scheduler.reserve_stack(bytes))
            .transpose()?;
        Ok(Reserved {
            name: self.name,
            stack,
        })
    }
}

/// What a coroutine begins with, if that is not what all have.
#[derive(Default)]
pub(crate) struct Reserved {
    pub(crate) name: Option<Box<str>>,
    pub(crate) stack: Option<Raw>,
}

/// The right to wait for a coroutine's result, or to cancel it.
///
/// It may outlive the run: `join` then gives the result if there is one, else
/// `Cancelled`. It is also a [`Future`] of the same result, for
/// [`block_on`](crate::block_on()) and other executors on this thread; polled by its
/// own coroutine it panics.
///
/// Dropping it detaches the coroutine.
pub struct JoinHandle<T> {
    inner: Typed<T>,
}

impl<T> JoinHandle<T> {
    /// Waits for the coroutine's end and gives its result.
    ///
    /// A suspension point. A cancel of the waiting coroutine detaches this one.
    ///
    /// # Errors
    /// [`JoinError::Panicked`] with the payload if it panicked,
    /// [`JoinError::Cancelled`] if it was cancelled.
    ///
    /// # Panics
    /// If a coroutine joins itself, which would never end.
    #[track_caller]
    #[inline]
    pub fn join(self) -> Result<T, JoinError> {
        let scheduler = suspend::arrive();
        if !self.inner.has_returned() {
            wait_for(scheduler, self.inner.task());
        }
        match self.inner.claim_returned() {
            Some(result) => {
                // Here, where it is known to be claimed.
                drop(self);
                Ok(result)
            }
            None => Err(self.into_error()),
        }
    }

    #[cold]
    #[inline(never)]
    fn into_error(self) -> JoinError {
        self.inner.claim_error().unwrap_or(JoinError::Cancelled)
    }

    /// Asks the coroutine to unwind at its current or next suspension point.
    ///
    /// If it has not started, its body never runs and its captures are dropped.
    /// If it has ended, nothing happens, nor outside of a runtime. Not a suspension
    /// point.
    ///
    /// ```
    /// corobin::run(|| {
    ///     let handle = corobin::spawn(corobin::park);
    ///     corobin::yield_now();
    ///     handle.cancel();
    ///     assert!(matches!(handle.join(), Err(corobin::JoinError::Cancelled)));
    /// });
    /// ```
    pub fn cancel(&self) {
        if let Some(scheduler) = scheduler::current() {
            scheduler.cancel(self.inner.task());
        }
    }

    /// Whether the coroutine has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.inner.task().has_ended()
    }

    /// The coroutine itself.
    #[must_use]
    pub fn coroutine(&self) -> &Coroutine {
        self.inner.coroutine()
    }

    pub(crate) fn inner(&self) -> &Typed<T> {
        &self.inner
    }
}

/// Waits for the end of a coroutine and takes its result.
#[inline(always)]
#[track_caller]
pub(crate) fn join<T>(inner: &Typed<T>) -> Result<T, JoinError> {
    let scheduler = suspend::arrive();
    wait_for(scheduler, inner.task());
    inner.claim().unwrap_or(Err(JoinError::Cancelled))
}

/// # Panics
/// If `task` is the coroutine that runs, and so would wait for itself.
#[track_caller]
pub(crate) fn assert_not_own(task: &TaskRef) {
    let running = scheduler::current().map(Scheduler::running);
    assert!(
        running.is_none() || running != task.raw.get(),
        "coroutine {} joins itself, which would never end",
        crate::snapshot::title(task)
    );
}

/// Without a scheduler there is nothing to wait for. A function of its own, whose frame, which
/// stays while it waits, has no room for a result.
#[inline(never)]
#[track_caller]
fn wait_for(scheduler: Option<&Scheduler>, task: &TaskRef) {
    let Some(scheduler) = scheduler.filter(|_| !task.has_ended()) else {
        return;
    };
    assert_not_own(task);
    let at = Location::caller();
    let running = scheduler.running();
    while !task.has_ended() {
        task.joiner.set(Joiner::Coroutine(running));
        suspend::park_on(scheduler, &Join(task), at);
    }
}

/// "the end of #7 'worker' (spawned at …)"
struct Join<'a>(&'a TaskRef);

impl Awaited for Join<'_> {
    fn holders(&self) -> Vec<Id> {
        vec![self.0.id()]
    }
}

impl fmt::Display for Join<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the end of {}", crate::snapshot::title(self.0))
    }
}

/// A result is moved out of its handle.
impl<T> Unpin for JoinHandle<T> {}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.inner.claim() {
            Some(result) => Poll::Ready(result),
            None if scheduler::current().is_none() => Poll::Ready(Err(JoinError::Cancelled)),
            None => {
                let task = self.inner.task();
                assert_not_own(task);
                let waker = Joiner::Waker(Box::new(context.waker().clone()));
                drop(task.joiner.replace(waker));
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if !self.inner.task().is_claimed() {
            self.detach();
        }
    }
}

impl<T> JoinHandle<T> {
    #[inline(never)]
    fn detach(&self) {
        let task = self.inner.task();
        task.set(flag::DETACHED);
        task.joiner.set(Joiner::None);
        if let Some(Err(JoinError::Panicked(payload))) = self.inner.claim() {
            let text = crate::unwind::message(&*payload);
            if let Some(scheduler) = scheduler::current() {
                scheduler.saw_unjoined(task, text);
            }
            log::error!(
                "coroutine {} panicked and nobody joined it: {text}",
                crate::snapshot::title(task)
            );
            crate::unwind::drop_quietly(payload);
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("coroutine", self.coroutine())
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl Coroutine {
    /// Its id, unique in the process.
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.id()
    }

    /// The name that it was given, if any; the main coroutine is `main`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Gives it the token that [`park`](crate::park) waits for.
    ///
    /// Not a suspension point. After the coroutine's end, and outside of a runtime,
    /// nothing happens.
    pub fn unpark(&self) {
        self.0.set(flag::TOKEN);
        if let (Some(scheduler), Some(raw)) = (scheduler::current(), self.0.raw.get())
            && raw.is_unparkable()
        {
            scheduler.wake(raw);
        }
    }
}

// As those of `std::thread::Thread`: it names and wakes, which nothing leaves half done.
impl std::panic::UnwindSafe for Coroutine {}
impl std::panic::RefUnwindSafe for Coroutine {}

impl fmt::Debug for Coroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// "#7 'worker'", or "#7" for one without a name.
impl fmt::Display for Coroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id())?;
        match self.name() {
            Some(name) => write!(f, " '{name}'"),
            None => Ok(()),
        }
    }
}

/// The coroutine that runs the caller, or `None` outside of a runtime: for loggers, and
/// others that run anywhere.
///
/// ```
/// fn who() -> String {
///     corobin::try_current().map_or("nobody".into(), |coroutine| coroutine.to_string())
/// }
/// assert_eq!(who(), "nobody");
/// assert!(corobin::run(who).ends_with(" 'main'"));
/// ```
#[must_use]
pub fn try_current() -> Option<Coroutine> {
    let scheduler = scheduler::current()?;
    scheduler
        .has_running()
        .then(|| Coroutine(scheduler.running_task()))
}

/// The coroutine that runs the caller.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// corobin::run(|| assert_eq!(corobin::current().name(), Some("main")));
/// ```
#[must_use]
#[track_caller]
pub fn current() -> Coroutine {
    Coroutine(scheduler::expect("current").running_task())
}
