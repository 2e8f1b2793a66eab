//! Waiting for several coroutines.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::coroutine::Awaited;
use crate::scheduler;
use crate::spawn::{JoinHandle, assert_not_own};
use crate::suspend;
use crate::task::{Group, Id, JoinError, Joiner};

/// Waits for all handles and gives their results in the order of the handles. The
/// first error is returned as soon as it comes; the others go on, detached, as with
/// `asyncio.gather`.
///
/// A suspension point. If the waiting coroutine is cancelled, or a
/// [`timeout`](crate::timeout) around expires, everybody it waits for is
/// cancelled.
///
/// # Errors
/// The first coroutine that panicked or was cancelled. After the run, which has ended
/// all, one without a result is [`JoinError::Cancelled`].
///
/// # Panics
/// If a coroutine is among its own handles, which would never end.
///
/// ```
/// use corobin::{gather, run, sleep, spawn};
/// use std::time::Duration;
///
/// let words = run(|| {
///     let slow = spawn(|| {
///         sleep(Duration::from_millis(2));
///         "slow"
///     });
///     gather([slow, spawn(|| "fast")]).unwrap()
/// });
/// assert_eq!(words, ["slow", "fast"]);
/// ```
#[track_caller]
pub fn gather<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Result<Vec<T>, JoinError> {
    let mut gathered = Gathered::new(handles, true);
    let mut results: Vec<Option<T>> = gathered.handles.iter().map(|_| None).collect();
    while let Some((index, result)) = gathered.next(Location::caller()) {
        results[index] = Some(result?);
    }
    Ok(results.into_iter().flatten().collect())
}

/// Waits for all handles and gives what became of each, in the order of the
/// handles: `asyncio.gather(return_exceptions=True)`.
///
/// A suspension point; a cancel or expiry cancels everybody it waits for. After the
/// run those without a result are [`JoinError::Cancelled`].
///
/// # Panics
/// If a coroutine is among its own handles, which would never end.
///
/// ```
/// use corobin::{JoinError, gather_results, run, spawn};
///
/// run(|| {
///     let results = gather_results([spawn(|| 1), spawn(|| panic!("no"))]);
///     assert!(matches!(&results[..], [Ok(1), Err(JoinError::Panicked(_))]));
/// });
/// ```
#[track_caller]
pub fn gather_results<T>(
    handles: impl IntoIterator<Item = JoinHandle<T>>,
) -> Vec<Result<T, JoinError>> {
    let mut gathered = Gathered::new(handles, true);
    let mut results: Vec<_> = gathered.handles.iter().map(|_| None).collect();
    while let Some((index, result)) = gathered.next(Location::caller()) {
        results[index] = Some(result);
    }
    results.into_iter().flatten().collect()
}

/// Gives the results in the order in which the coroutines end.
///
/// Each `next` is a suspension point. A cancel there, or dropping the iterator,
/// detaches the rest. After the run those without a result are
/// [`JoinError::Cancelled`].
///
/// # Panics
/// If a coroutine is among its own handles, which would never end.
///
/// ```
/// use corobin::{as_completed, run, sleep, spawn};
/// use std::time::Duration;
///
/// run(|| {
///     let handles = [30, 10, 20].map(|ms| {
///         spawn(move || {
///             sleep(Duration::from_millis(ms));
///             ms
///         })
///     });
///     let order: Vec<u64> = as_completed(handles).map(Result::unwrap).collect();
///     assert_eq!(order, [10, 20, 30]);
/// });
/// ```
#[track_caller]
pub fn as_completed<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> AsCompleted<T> {
    AsCompleted(Gathered::new(handles, false))
}

/// The iterator that [`as_completed`] returns.
#[derive(Debug)]
pub struct AsCompleted<T>(Gathered<T>);

impl<T> Iterator for AsCompleted<T> {
    type Item = Result<T, JoinError>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        let (_, result) = self.0.next(Location::caller())?;
        Some(result)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.left, Some(self.0.left))
    }
}

impl<T> ExactSizeIterator for AsCompleted<T> {}

/// Handles whose ends are collected in a group.
struct Gathered<T> {
    handles: Vec<Option<JoinHandle<T>>>,
    group: Rc<Group>,
    left: usize,
    /// Whether all of them are cancelled where whoever waits is unwound.
    cancels: bool,
}

impl<T> Gathered<T> {
    #[track_caller]
    fn new(handles: impl IntoIterator<Item = JoinHandle<T>>, cancels: bool) -> Gathered<T> {
        let mut gathered = Gathered {
            handles: Vec::new(),
            group: Rc::new(Group::default()),
            left: 0,
            cancels,
        };
        gathered.collect(handles);
        gathered.form_group();
        gathered
    }

    /// `handles` may suspend.
    fn collect(&mut self, handles: impl IntoIterator<Item = JoinHandle<T>>) {
        let mut unwound = Unwound::new(self);
        for handle in handles {
            unwound.gathered.handles.push(Some(handle));
            unwound.gathered.left += 1;
        }
        unwound.cancels = false;
    }

    #[track_caller]
    fn form_group(&self) {
        let mut ended = Vec::new();
        for (index, handle) in (0..).zip(self.handles.iter().flatten()) {
            let task = handle.inner().task();
            assert_not_own(task);
            if task.has_ended() || scheduler::current().is_none() {
                ended.push((task.sibling.get(), index));
            } else {
                task.joiner
                    .set(Joiner::Group(Rc::clone(&self.group), index));
            }
        }
        // In the order of their ends, whose numbers begin anew after 2^32.
        if let Some(&(first, _)) = ended.first() {
            ended.sort_by_key(|&(number, _)| number.wrapping_sub(first) as i32);
        }
        let ended = ended.into_iter().map(|(_, index)| index);
        self.group.ended.borrow_mut().extend(ended);
    }

    /// The next one to end, and its place.
    fn next(&mut self, at: &'static Location<'static>) -> Option<(usize, Result<T, JoinError>)> {
        self.wait(at);
        let index = self.group.ended.borrow_mut().pop_front()? as usize;
        let handle = self.handles[index].take().expect("a coroutine ends once");
        self.left -= 1;
        let result = handle.inner().claim();
        Some((index, result.unwrap_or(Err(JoinError::Cancelled))))
    }

    fn wait(&mut self, at: &'static Location<'static>) {
        let Some(scheduler) = scheduler::current() else {
            return;
        };
        let mut unwound = Unwound::new(self);
        let gathered = &*unwound.gathered;
        suspend::checkpoint(scheduler);
        while gathered.left > 0 && gathered.group.ended.borrow().is_empty() {
            gathered.group.waiting.set(Some(scheduler.running()));
            suspend::park_on(scheduler, gathered, at);
        }
        unwound.cancels = false;
    }
}

/// Ends a wait, and cancels everybody if it is unwound and they go with who waits.
struct Unwound<'a, T> {
    gathered: &'a mut Gathered<T>,
    cancels: bool,
}

impl<'a, T> Unwound<'a, T> {
    fn new(gathered: &'a mut Gathered<T>) -> Self {
        let cancels = gathered.cancels;
        Unwound { gathered, cancels }
    }
}

impl<T> Drop for Unwound<'_, T> {
    fn drop(&mut self) {
        self.gathered.group.waiting.set(None);
        if self.cancels {
            self.gathered
                .handles
                .iter()
                .flatten()
                .for_each(JoinHandle::cancel);
        }
    }
}

impl<T> Awaited for Gathered<T> {
    fn holders(&self) -> Vec<Id> {
        let waited_for = self.handles.iter().flatten();
        waited_for
            .map(|handle| handle.inner().task().id())
            .collect()
    }
}

impl<T> fmt::Display for Gathered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the end of {} coroutines:", self.left)?;
        let mut waited_for = self.handles.iter().flatten();
        for handle in waited_for.by_ref().take(3) {
            write!(f, " {}", crate::snapshot::title(handle.inner().task()))?;
        }
        if waited_for.next().is_some() {
            f.write_str(" …")?;
        }
        Ok(())
    }
}

impl<T> fmt::Debug for Gathered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
