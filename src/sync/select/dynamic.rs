//! `Select`: operations that are known only at run time.

use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::sync::channel::{Chan, Receiver, RecvError, SendError, Sender};
use crate::time;
use crate::wait_queue::{Crowd, Waiter};

use super::operations::{Offer, Operation, Operations, Pick, Receive};

/// Waits for one of a number of channel operations that is known only at run time;
/// where it is written in the code, [`select!`](crate::select) is easier.
///
/// Operations are numbered in the order in which they are added. `select` picks one at
/// random among those that are ready, and it *has* to be completed with the same channel:
/// [`SelectedOperation`]. It can be used again and again.
///
/// Counterpart: `crossbeam_channel::Select`.
///
/// ```
/// use corobin::sync::{Select, unbounded};
///
/// corobin::run(|| {
///     let channels: Vec<_> = (0..10).map(|_| unbounded()).collect();
///     channels[7].0.send("seven").unwrap();
///
///     let mut select = Select::new();
///     for (_, rx) in &channels {
///         select.recv(rx);
///     }
///     let operation = select.select();
///     let index = operation.index();
///     assert_eq!(operation.recv(&channels[index].1), Ok("seven"));
///     assert_eq!(index, 7);
/// });
/// ```
#[derive(Default)]
pub struct Select<'a> {
    /// None where one was removed.
    operations: Vec<Option<Rc<dyn Dynamic + 'a>>>,
}

impl<'a> Select<'a> {
    /// One without operations.
    #[must_use]
    pub fn new() -> Select<'a> {
        Select::default()
    }

    /// Adds a receive operation, and gives its index.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(Rc::new(Receive::new(receiver)))
    }

    /// Adds a send operation, and gives its index.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(Rc::new(Offer::new(sender)))
    }

    fn add(&mut self, operation: Rc<dyn Dynamic + 'a>) -> usize {
        self.operations.push(Some(operation));
        self.operations.len() - 1
    }

    /// Removes an operation. The others keep their indices, which are never given
    /// again.
    ///
    /// # Panics
    /// There is none with this index.
    pub fn remove(&mut self, index: usize) {
        let operation = self.operations.get_mut(index).and_then(Option::take);
        assert!(operation.is_some(), "no operation with index {index}");
    }

    /// Waits until one of the operations can take place.
    ///
    /// A suspension point. A cancelled wait has done nothing.
    ///
    /// # Panics
    /// With no operation; if it has to wait outside of a runtime; if an operation that
    /// was selected before is not completed yet.
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        self.check();
        let any = self.operations.iter().any(Option::is_some);
        assert!(any, "a Select without operations would wait for ever");
        let index = super::select(&self.operations);
        match self.selected(index) {
            Some(selected) => selected,
            None => unreachable!("it has waited until there was one"),
        }
    }

    /// Gives one of the operations that can take place at once.
    ///
    /// A suspension point: what a `select!` elsewhere offers is asked for, which takes
    /// a turn.
    ///
    /// # Errors
    /// There is none.
    #[track_caller]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.check();
        let index = super::try_select(&self.operations);
        self.selected(index).ok_or(TrySelectError)
    }

    /// Waits until one of the operations can take place, but no longer than this.
    ///
    /// A suspension point.
    ///
    /// # Errors
    /// The time is over.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn select_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.check();
        let index = super::select_timeout(&self.operations, timeout);
        self.selected(index).ok_or(SelectTimeoutError)
    }

    /// As [`select_timeout`](Select::select_timeout), with a time to end at.
    ///
    /// # Errors
    /// The time is over.
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_timeout(deadline.saturating_duration_since(time::now()))
    }

    #[track_caller]
    fn check(&self) {
        let mut all = self.operations.iter().flatten();
        assert!(
            all.all(|operation| Rc::strong_count(operation) == 1),
            "complete the operation that was selected before"
        );
    }

    fn selected(&self, index: usize) -> Option<SelectedOperation<'a>> {
        let operation = Some(Rc::clone(self.operations.get(index)?.as_ref()?));
        Some(SelectedOperation { index, operation })
    }
}

impl<'a> Operations for Vec<Option<Rc<dyn Dynamic + 'a>>> {
    fn count(&self) -> usize {
        self.len()
    }

    fn poll(&self, me: Option<&Waiter>, first: usize, pick: &mut Pick<'_>) {
        for (index, operation) in (first..).zip(self) {
            if operation.as_ref().is_some_and(|one| one.is_ready(me)) {
                pick.add(index);
            }
        }
    }

    fn perform(&self, me: Option<&Waiter>, index: usize) {
        if let Some(operation) = &self[index] {
            operation.perform(me);
        }
    }

    fn join<'env>(&'env self, crowd: &Crowd<'env>, me: &Waiter, first: usize) {
        for (index, operation) in (first..).zip(self) {
            if let Some(operation) = operation {
                operation.join(crowd, me, index);
            }
        }
    }

    fn is_offered(&self) -> bool {
        self.iter()
            .flatten()
            .any(|operation| operation.is_offered())
    }

    fn settle(&self, picked: Option<usize>) {
        for (index, operation) in self.iter().enumerate() {
            if let Some(operation) = operation
                && picked != Some(index)
            {
                operation.settle();
            }
        }
    }
}

/// What a [`SelectedOperation`] needs of an operation whose type it does not know.
pub trait Dynamic: Operation {
    /// Its channel.
    fn channel(&self) -> *const ();

    /// Whether it receives.
    fn receives(&self) -> bool;

    /// Puts what it has received before all else in its channel, where the one that
    /// knows its type takes it at once. False if the channel is closed.
    fn lay_out(&self) -> bool;

    /// Nobody completes it: its item, or its turn, goes to somebody else.
    fn give_up(&self);
}

fn address<T>(chan: &Chan<T>) -> *const () {
    std::ptr::from_ref(chan).cast()
}

impl<T> Dynamic for Receive<'_, T> {
    fn channel(&self) -> *const () {
        address(self.chan)
    }

    fn receives(&self) -> bool {
        true
    }

    fn lay_out(&self) -> bool {
        self.node
            .take()
            .map(|item| self.chan.lay_out(item))
            .is_some()
    }

    fn give_up(&self) {
        if let Some(item) = self.node.take() {
            self.chan.put_back(item);
        }
    }
}

impl<T> Dynamic for Offer<'_, T> {
    fn channel(&self) -> *const () {
        address(self.chan)
    }

    fn receives(&self) -> bool {
        false
    }

    fn lay_out(&self) -> bool {
        false
    }

    fn give_up(&self) {
        self.chan.settle();
    }
}

/// The operation that a [`Select`] has picked, to be completed with
/// [`recv`](SelectedOperation::recv) or [`send`](SelectedOperation::send).
///
/// If it is dropped instead, the item goes back to the front of its channel, or the turn
/// to the next sender.
#[must_use = "complete it with recv or send"]
pub struct SelectedOperation<'a> {
    index: usize,
    /// Until somebody else has its turn.
    operation: Option<Rc<dyn Dynamic + 'a>>,
}

impl SelectedOperation<'_> {
    /// Which operation it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes a receive operation. Not a suspension point.
    ///
    /// # Errors
    /// The channel is closed.
    ///
    /// # Panics
    /// Another operation was selected.
    #[track_caller]
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let chan = receiver.chan();
        let selected = (self.operation.as_ref())
            .filter(|operation| operation.receives() && operation.channel() == address(chan));
        let Some(operation) = selected else {
            panic!("this receiver was not selected");
        };
        match operation.lay_out() {
            true => chan.fetch().ok_or(RecvError),
            false => Err(RecvError),
        }
    }

    /// Completes a send operation. Waits only if the room was taken by somebody since it
    /// was selected.
    ///
    /// # Errors
    /// All receivers are gone: the item comes back.
    ///
    /// # Panics
    /// Another operation was selected.
    #[track_caller]
    pub fn send<T>(mut self, sender: &Sender<T>, item: T) -> Result<(), SendError<T>> {
        let chan = sender.chan();
        let selected = (self.operation)
            .take_if(|operation| !operation.receives() && operation.channel() == address(chan));
        assert!(selected.is_some(), "this sender was not selected");
        Offer::new(sender).claim().send(item)
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        if let Some(operation) = &self.operation {
            operation.give_up();
        }
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("operations", &self.operations.iter().flatten().count())
            .finish_non_exhaustive()
    }
}

/// No operation was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrySelectError;

impl fmt::Display for TrySelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all operations would have to wait")
    }
}

impl Error for TrySelectError {}

/// No operation became ready in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectTimeoutError;

impl fmt::Display for SelectTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out waiting for an operation")
    }
}

impl Error for SelectTimeoutError {}
