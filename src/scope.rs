//! Scopes: coroutines that may borrow, since they have all ended when the scope
//! returns.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use crate::coroutine::Awaited;
use crate::scheduler::{self, Scheduler};
use crate::spawn::{Builder, Reserved};
use crate::suspend;
use crate::task::{Children, Coroutine, Id, JoinError, Joiner, Origin, Typed, flag};
use crate::unwind::{Payload, raise, silent};

/// Runs `f` with a scope in which coroutines may be spawned that borrow from
/// outside of it. All of them have ended when `scope` returns, whatever happens.
///
/// Lifetimes are as in [`std::thread::scope`]. A child that ends frees its
/// memory at once, so a server may accept inside one scope for years.
///
/// **A panic of a child** belongs to the scope: its siblings, the body, and those
/// who join it inside are cancelled, and `scope` raises the panic again. Further
/// panics are logged.
///
/// **A body that panics or is cancelled** cancels the children and waits for
/// them. So does a cancel or expiry that is met while `scope` waits for them; it
/// is raised when they have ended, even if the body had returned.
///
/// A suspension point at its end, if children are left.
///
/// # Panics
/// With the panic of the body or of a child.
///
/// ```
/// let words = vec!["to", "whom", "it", "may", "concern"];
/// let mut total = 0;
/// corobin::run(|| {
///     total = corobin::scope(|s| {
///         let halves = words.chunks(3).map(|half| s.spawn(|| half.concat().len()));
///         let halves: Vec<_> = halves.collect();
///         halves.into_iter().map(|half| half.join().unwrap()).sum()
///     });
/// });
/// assert_eq!(total, 18);
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let at = Location::caller();
    let scope = Scope {
        children: Children::new(scheduler::current().map(Scheduler::running)),
        _scope: PhantomData,
        _env: PhantomData,
    };
    let body = catch_unwind(AssertUnwindSafe(|| {
        scope.children.frame.enter(|| f(&scope))
    }));
    scope.children.body_runs.set(false);
    match scheduler::current() {
        Some(scheduler) => scope.finish(scheduler, body, at),
        None => scope.finish_outside(body),
    }
}

/// Spawns coroutines that may borrow; see [`scope`].
pub struct Scope<'scope, 'env: 'scope> {
    children: Children,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

impl Builder {
    /// Starts a coroutine of a scope, as [`Scope::spawn`] does, with its stack reserved now.
    ///
    /// Not a suspension point.
    ///
    /// # Errors
    /// Those of [`Builder::spawn`].
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// corobin::run(|| {
    ///     let mut word = String::new();
    ///     corobin::scope(|s| {
    ///         let writer = corobin::Builder::new().name("writer").stack_size(32 << 10);
    ///         writer.spawn_scoped(s, || word.push_str("hello"))?;
    ///         Ok::<(), std::io::Error>(())
    ///     })?;
    ///     assert_eq!(word, "hello");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let scheduler = scheduler::expect("Builder::spawn_scoped");
        let at = Location::caller();
        let reserved = self.reserve(scheduler)?;
        Ok(scope.start(scheduler, reserved, f, at))
    }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Starts a coroutine, as [`spawn`](crate::spawn()) does, that may borrow
    /// whatever outlives the scope. Dropping the handle lets it run on; the
    /// scope waits for it all the same.
    ///
    /// Not a suspension point.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let scheduler = scheduler::expect("Scope::spawn");
        self.start(scheduler, Reserved::default(), f, Location::caller())
    }

    /// As `spawn`, called at `at`.
    pub(crate) fn start<F, T>(
        &'scope self,
        scheduler: &Scheduler,
        Reserved { name, stack }: Reserved,
        f: F,
        at: &'static Location<'static>,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + 'scope,
        T: 'scope,
    {
        let cancelled = self.children.gives_up.get();
        let origin = || Origin {
            name,
            flags: flag::SCOPED | if cancelled { flag::CANCELLED } else { 0 },
            children_of: Some(NonNull::from(&self.children)),
            ..scheduler.origin(at)
        };
        // SAFETY: `finish` returns only when all children have ended, and the
        // frame that they borrow from is not left before: nothing unwinds out of
        // `finish`, a generator cannot be left inside of a scope, and a run that
        // cannot end aborts. Results borrow for `'scope` at most, and so does
        // the handle, the only one to claim them.
        let inner = unsafe { Typed::borrowing(origin, scheduler::next_id(), f) };
        self.children.add(inner.task().clone());
        inner.task().raw.set(stack);
        scheduler.spawn(inner.task().clone());
        ScopedJoinHandle {
            inner,
            _scope: PhantomData,
        }
    }

    /// Cancels all children that there are now. The body goes on.
    ///
    /// Not a suspension point.
    pub fn cancel(&self) {
        if let Some(scheduler) = scheduler::current() {
            scheduler.cancel_children(&self.children);
        }
    }

    /// Waits for the children and then does what is left to do. Unwinds only
    /// when they have all ended.
    fn finish<T>(
        &self,
        scheduler: &Scheduler,
        body: Result<T, Payload>,
        at: &'static Location<'static>,
    ) -> T {
        let body = self.settle(body);
        if body.is_err() {
            scheduler.give_up(&self.children);
        }
        let was_due = self.wait(scheduler, at);
        scheduler.frame_closed();
        if let Some(panic) = self.children.take_panic() {
            resume_unwind(panic);
        }
        match body {
            Ok(value) if was_due => {
                // Read before a destructor runs, which may do anything.
                let silent = suspend::due(scheduler);
                drop(value);
                match silent {
                    Some(silent) => raise(silent),
                    None => unreachable!("what was due in a wait stays due"),
                }
            }
            Ok(value) => value,
            Err(payload) => resume_unwind(payload),
        }
    }

    /// There is no runtime here; if there was one in the body, it has ended, and
    /// all coroutines with it.
    fn finish_outside<T>(&self, body: Result<T, Payload>) -> T {
        assert!(
            self.children.is_empty(),
            "the end of a run ends all coroutines"
        );
        let body = self.settle(body);
        if let Some(panic) = self.children.take_panic() {
            resume_unwind(panic);
        }
        body.unwrap_or_else(|payload| resume_unwind(payload))
    }

    /// Takes the body's own panic for the scope's if it was the first.
    fn settle<T>(&self, body: Result<T, Payload>) -> Result<T, Payload> {
        match body {
            Err(payload) if silent(&*payload).is_none() => {
                self.children.record_panic(payload);
                Err(Box::new(()))
            }
            body => body,
        }
    }

    /// Waits for the children. Says whether a cancel or expiry was met, which
    /// cancels them.
    fn wait(&self, scheduler: &Scheduler, at: &'static Location<'static>) -> bool {
        let children = &self.children;
        children.owner_waits.set(true);
        let mut was_due = false;
        while !children.is_empty() {
            if was_due {
                suspend::park_deaf(scheduler, self, at);
            } else if !suspend::park_or_due(scheduler, self, at) {
                was_due = true;
                scheduler.give_up(children);
            }
        }
        was_due
    }
}

impl Awaited for Scope<'_, '_> {
    fn holders(&self) -> Vec<Id> {
        self.children
            .list()
            .iter()
            .map(|child| child.id())
            .collect()
    }
}

impl fmt::Display for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the end of {} children of its scope",
            self.children.len()
        )
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("children", &self.children.len())
            .finish_non_exhaustive()
    }
}

/// The right to wait for a scoped coroutine's result, or to cancel it.
///
/// Dropping it lets the coroutine run on; its scope waits for it.
pub struct ScopedJoinHandle<'scope, T> {
    inner: Typed<T>,
    _scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the coroutine's end and gives its result.
    ///
    /// A suspension point. If the waiting coroutine is cancelled, this one runs on, and
    /// its scope waits for it.
    ///
    /// # Errors
    /// [`JoinError::Cancelled`] if it was cancelled. If it panicked, the scope
    /// has the panic, and whoever joins is cancelled; only inside of a
    /// [`shield`](crate::shield) this is [`JoinError::Panicked`], with a payload
    /// that says so.
    ///
    /// # Panics
    /// If a coroutine joins itself.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let result = crate::spawn::join(&self.inner);
        if let (Err(JoinError::Panicked(_)), Some(scheduler)) = (&result, scheduler::current()) {
            // The scope has the panic, and we are inside of the scope: either its
            // body, which unwinds already, or some coroutine below.
            let running = scheduler.running();
            let owner = self
                .inner
                .task()
                .siblings()
                .and_then(|siblings| siblings.owner);
            if owner != Some(running) {
                scheduler.cancel(running.task());
            }
            suspend::checkpoint(scheduler);
        }
        result
    }

    /// Asks the coroutine to unwind, as
    /// [`JoinHandle::cancel`](crate::JoinHandle::cancel) does. Not a suspension point.
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

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        let task = self.inner.task();
        task.set(flag::DETACHED);
        task.joiner.set(Joiner::None);
        drop(self.inner.claim());
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("id", &self.inner.task().id())
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
