//! A runtime, seen from other threads.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::block_on::block_on;
use crate::inbox::{Door, Inbox};
use crate::scheduler::{self, Message, Remote, Scheduler};
use crate::snapshot::{title, title_of};
use crate::spawn::assert_not_own;
use crate::task::{Id, JoinError, Origin, Typed, flag};
use crate::unwind::{drop_quietly, is_cancel, message, quietly};

/// A handle to the run that the caller is in, for other threads.
///
/// While one is alive, an idle runtime waits for what it may send, rather than
/// report a deadlock; the main coroutine's return ends the run all the same.
///
/// Not a suspension point.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// let sum = corobin::run(|| {
///     let handle = corobin::handle();
///     corobin::to_thread(move || {
///         let remote = handle.spawn(|| 1 + 1); // runs on the loop's thread
///         remote.join().unwrap() // blocks this thread
///     })
/// });
/// assert_eq!(sum, 2);
/// ```
#[must_use]
#[track_caller]
pub fn handle() -> Handle {
    Handle {
        door: Door::new(&scheduler::expect("handle").inbox),
        load: None,
    }
}

/// Spawns coroutines on a runtime from any thread; see [`handle`].
#[derive(Clone)]
pub struct Handle {
    door: Door<Message>,
    /// Counts those that it has spawned and that have not ended, if somebody wants to know.
    load: Option<Arc<AtomicUsize>>,
}

impl Handle {
    /// Starts a coroutine on the runtime's thread, when the loop next looks
    /// outside. Dropping the [`RemoteJoinHandle`] detaches it.
    ///
    /// Once the main coroutine has ended, or a deadlock was found, `f` is dropped here, and the join gives
    /// [`JoinError::Cancelled`].
    ///
    /// Not a suspension point.
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> RemoteJoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let spawned_at = Location::caller();
        // A large one stays where it is from here on.
        let f: Box<dyn FnOnce() -> T + Send> = Box::new(f);
        let number = scheduler::next_id();
        let shared = Arc::new(Shared::new());
        let ending = Ending {
            number,
            shared: Arc::clone(&shared),
            load: self.load.clone().map(Load::new),
        };
        let spawn = move |scheduler: &Scheduler| {
            let origin = || Origin {
                flags: flag::DETACHED,
                ..scheduler.origin_of_root(spawned_at)
            };
            let shared = Arc::clone(&ending.shared);
            let task = Typed::new(origin, number, move || ending.run(f))
                .task()
                .clone();
            let remote = Remote {
                task: task.clone(),
                leaked: Box::new(move || shared.end(Err(JoinError::Cancelled))),
            };
            scheduler.remote.borrow_mut().insert(number, remote);
            scheduler.spawn(task);
        };
        // What comes back, or is left, ends as cancelled when it is dropped.
        match self.door.inbox().is_ending() {
            true => drop(spawn),
            false => drop(self.door.inbox().send(Message::Spawn(Box::new(spawn)))),
        }
        RemoteJoinHandle {
            shared,
            number,
            spawned_at,
            inbox: Arc::clone(self.door.inbox()),
        }
    }

    /// The same one, whose coroutines are counted from here on, as are those of its clones.
    pub(crate) fn counting(self) -> Handle {
        Handle {
            load: Some(Arc::default()),
            ..self
        }
    }

    /// How many there are of these.
    pub(crate) fn load(&self) -> usize {
        let load = self.load.as_ref();
        load.map_or(0, |load| load.load(Ordering::Relaxed))
    }
}

/// Counts a coroutine from its spawn to its end, whatever that is.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn new(load: Arc<AtomicUsize>) -> Load {
        load.fetch_add(1, Ordering::Relaxed);
        Load(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// The right to wait, on any thread, for a coroutine that was spawned through a
/// [`Handle`].
///
/// It is also a [`Future`]. Dropping it detaches the coroutine.
pub struct RemoteJoinHandle<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    spawned_at: &'static Location<'static>,
    inbox: Arc<Inbox<Message>>,
}

impl<T> RemoteJoinHandle<T> {
    /// Waits for the result: blocks this thread, or in a coroutine only that.
    ///
    /// In a coroutine a suspension point. A cancel of the waiting coroutine detaches
    /// this one.
    ///
    /// # Errors
    /// [`JoinError::Panicked`] with the payload if the coroutine panicked,
    /// [`JoinError::Cancelled`] if it was cancelled or the run ended before it.
    ///
    /// # Panics
    /// In the coroutine that this is the handle of.
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        block_on(self)
    }

    /// Asks the coroutine to unwind, as
    /// [`JoinHandle::cancel`](crate::JoinHandle::cancel) does, when the loop next
    /// looks outside. Not a suspension point.
    pub fn cancel(&self) {
        if !self.is_finished() {
            drop(self.inbox.send(Message::Cancel(self.number)));
        }
    }

    fn assert_not_own(&self) {
        let Some(scheduler) = scheduler::current() else {
            return;
        };
        let remote = scheduler.remote.borrow();
        let task = remote.get(&self.number).map(|remote| remote.task.clone());
        drop(remote);
        if let Some(task) = task {
            assert_not_own(&task);
        }
    }

    /// Whether the coroutine has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.lock().ended
    }
}

impl<T> Future for RemoteJoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Wakers are user code: cloned and dropped outside of the lock.
        let waker = context.waker().clone();
        let mut state = self.shared.lock();
        if state.ended {
            let result = state.result.take();
            drop(state);
            // Polled again after its end, it is as good as cancelled.
            return Poll::Ready(result.unwrap_or(Err(JoinError::Cancelled)));
        }
        let old = state.waker.replace(waker);
        drop(state);
        drop(old);
        self.assert_not_own();
        Poll::Pending
    }
}

impl<T> Drop for RemoteJoinHandle<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.detached = true;
        let (waker, result) = (state.waker.take(), state.result.take());
        drop(state);
        drop(waker);
        if let Some(Err(JoinError::Panicked(payload))) = result {
            log::error!(
                "coroutine {} panicked and nobody joined it: {}",
                title_of(Id(self.number), self.spawned_at),
                message(&*payload)
            );
            drop_quietly(payload);
        }
    }
}

impl<T> fmt::Debug for RemoteJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteJoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Where the coroutine leaves its result.
struct Shared<T>(Mutex<State<T>>);

struct State<T> {
    ended: bool,
    /// Nobody holds the handle any more.
    detached: bool,
    result: Option<Result<T, JoinError>>,
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    fn new() -> Shared<T> {
        Shared(Mutex::new(State {
            ended: false,
            detached: false,
            result: None,
            waker: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, result: Result<T, JoinError>) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.ended = true;
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Goes with the coroutine's body: whatever happens to that, the result is told.
struct Ending<T> {
    number: u64,
    shared: Arc<Shared<T>>,
    /// Over before the result is told.
    load: Option<Load>,
}

impl<T> Ending<T> {
    fn run<F: FnOnce() -> T>(mut self, f: F) {
        let result = catch_unwind(AssertUnwindSafe(f));
        drop(self.load.take());
        match result {
            Ok(value) => self.shared.end(Ok(value)),
            Err(payload) if is_cancel(&*payload) => {
                drop(self);
                resume_unwind(payload);
            }
            Err(payload) => {
                let is_awaited = !self.shared.lock().detached;
                tell_of_panic(message(&*payload), is_awaited);
                self.shared.end(Err(JoinError::Panicked(payload)));
            }
        }
    }
}

/// Logs the panic of the running coroutine.
fn tell_of_panic(text: &str, is_awaited: bool) {
    let Some(scheduler) = scheduler::current() else {
        return;
    };
    let task = scheduler.running_task();
    if is_awaited {
        quietly(|| log::warn!("coroutine {} panicked: {text}", title(&task)));
    } else {
        scheduler.tell_of_unjoined(&task, text);
    }
}

impl<T> Drop for Ending<T> {
    fn drop(&mut self) {
        if let Some(scheduler) = scheduler::current() {
            let remote = scheduler.remote.borrow_mut().remove(&self.number);
            drop(remote);
        }
        drop(self.load.take());
        self.shared.end(Err(JoinError::Cancelled));
    }
}
