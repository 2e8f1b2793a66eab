//! The operations that a `select!` is made of.
//!
//! An operation is polled first; if none is ready, all of them stand in the queues of
//! their channels. One that receives is handed its item there like any receiver. One
//! that sends stands as an offer: its message does not exist before it is picked.

use std::cell::OnceCell;

use crate::scheduler::Scheduler;
use crate::sync::channel::{Chan, Receiver, RecvError, SendError, Sender, TrySendError};
use crate::wait_queue::{Caller, Crowd, Node, Tag};

/// One operation.
pub trait Operation {
    /// Whether it can take place at once, with somebody else than `me`.
    fn is_ready(&self, caller: Caller<'_>) -> bool;

    /// Lets it take place while it stands in a queue, right after `is_ready`.
    fn perform(&self, caller: Caller<'_>);

    /// Stands in the queue of its channel.
    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, index: usize);

    /// Whether somebody's offer could be met, if we stood in the queue.
    fn is_offered(&self) -> bool;

    /// After it has left its queue without being picked.
    fn settle(&self);
}

/// Receives from a channel.
pub struct Receive<'a, T> {
    pub(super) chan: &'a Chan<T>,
    /// Made when it stands in a queue for the first time. Holds the item if this was picked
    /// there.
    node: OnceCell<Node<T>>,
}

impl<'a, T> Receive<'a, T> {
    /// One that is not picked yet.
    #[inline(always)]
    #[must_use]
    pub fn new(receiver: &'a Receiver<T>) -> Receive<'a, T> {
        Receive {
            chan: receiver.chan(),
            node: OnceCell::new(),
        }
    }

    fn node(&self) -> &Node<T> {
        self.node.get_or_init(|| Node::new(Tag::Plain, None))
    }

    /// The item that it was handed in the queue.
    #[inline(always)]
    pub(super) fn handed(&self) -> Option<T> {
        self.node.get()?.take()
    }

    /// What was received, after this was picked.
    ///
    /// # Errors
    /// The channel is closed.
    #[inline(always)]
    pub fn result(&self) -> Result<T, RecvError> {
        match self.handed() {
            Some(item) => Ok(item),
            None => self.chan.recv_now(Caller::now()).map_err(|_| RecvError),
        }
    }
}

impl<T> Operation for Receive<'_, T> {
    #[inline(always)]
    fn is_ready(&self, caller: Caller<'_>) -> bool {
        self.chan.can_recv(caller)
    }

    #[inline(always)]
    fn perform(&self, caller: Caller<'_>) {
        if let Ok(item) = self.chan.recv_now(caller) {
            self.node().put(item);
        }
    }

    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, index: usize) {
        crowd.join(&self.chan.receiving, self.node(), index);
        self.chan.sending.nudge(caller);
    }

    fn is_offered(&self) -> bool {
        self.chan.is_offered()
    }

    fn settle(&self) {}
}

/// Sends to a channel.
pub struct Offer<'a, T> {
    pub(super) chan: &'a Chan<T>,
    /// Made when it stands in a queue for the first time.
    node: OnceCell<Node<T>>,
}

impl<'a, T> Offer<'a, T> {
    /// One that is not picked yet.
    #[inline(always)]
    #[must_use]
    pub fn new(sender: &'a Sender<T>) -> Offer<'a, T> {
        Offer {
            chan: sender.chan(),
            node: OnceCell::new(),
        }
    }

    /// The right to send, after this was picked.
    #[inline(always)]
    #[must_use]
    pub fn claim(&self) -> Claim<'a, T> {
        Claim(self.chan)
    }
}

impl<T> Operation for Offer<'_, T> {
    #[inline(always)]
    fn is_ready(&self, caller: Caller<'_>) -> bool {
        self.chan.can_send(caller)
    }

    #[inline(always)]
    fn perform(&self, _: Caller<'_>) {}

    fn join<'env>(&'env self, crowd: &Crowd<'env>, _: Caller<'_>, index: usize) {
        let node = self.node.get_or_init(|| Node::new(Tag::Offer, None));
        crowd.join(&self.chan.sending, node, index);
    }

    fn is_offered(&self) -> bool {
        false
    }

    fn settle(&self) {
        self.chan.settle();
    }
}

/// The turn of an offer. If it is dropped unused, others go on.
pub struct Claim<'a, T>(&'a Chan<T>);

impl<T> Claim<'_, T> {
    /// Sends the message. Only if making the message has let others run does it ever
    /// have to wait.
    ///
    /// # Errors
    /// All receivers are gone.
    #[inline(always)]
    #[track_caller]
    pub fn send(self, message: T) -> Result<(), SendError<T>> {
        let caller = Caller::now();
        match self.0.send_now(message, false, caller) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(message)) => Err(SendError(message)),
            Err(TrySendError::Full(message)) => self.0.wait_to_send(message, caller),
        }
    }
}

impl<T> Drop for Claim<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.0.sending.is_empty() {
            self.0.settle();
        }
    }
}

/// Finds one among those that are ready, each as often as the others.
pub struct Pick<'a> {
    scheduler: Option<&'a Scheduler>,
    ready: usize,
    picked: usize,
}

impl<'a> Pick<'a> {
    #[inline(always)]
    pub(super) fn new(scheduler: Option<&'a Scheduler>) -> Pick<'a> {
        Pick {
            scheduler,
            ready: 0,
            picked: 0,
        }
    }

    /// One more is ready: the k-th takes the place once in k times.
    #[inline(always)]
    pub(super) fn add(&mut self, index: usize) {
        self.ready += 1;
        let takes_place = match (self.ready, self.scheduler) {
            (1, _) => true,
            (2, Some(scheduler)) => scheduler.toss(),
            (ready, Some(scheduler)) => scheduler.random_below(ready) == 0,
            (ready, None) => fastrand::usize(..ready) == 0,
        };
        if takes_place {
            self.picked = index;
        }
    }

    #[inline(always)]
    pub(super) fn picked(&self) -> Option<usize> {
        (self.ready > 0).then_some(self.picked)
    }
}

/// Operations, numbered from `first` on: a list of pairs in a `select!`, a slice in a
/// `Select`.
pub trait Operations {
    fn count(&self) -> usize;

    /// Tells `pick` of those that are ready.
    fn poll(&self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>);

    /// As [`Operation::perform`], for one.
    fn perform(&self, caller: Caller<'_>, index: usize);

    /// As [`Operation::join`], for all.
    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, first: usize);

    /// As [`Operation::is_offered`], for any.
    fn is_offered(&self) -> bool;

    /// As [`Operation::settle`], for all but one.
    fn settle(&self, picked: Option<usize>);
}

/// The end of a list.
impl Operations for () {
    #[inline(always)]
    fn count(&self) -> usize {
        0
    }

    #[inline(always)]
    fn poll(&self, _: Caller<'_>, _: usize, _: &mut Pick<'_>) {}

    #[inline(always)]
    fn perform(&self, _: Caller<'_>, _: usize) {}

    fn join<'env>(&'env self, _: &Crowd<'env>, _: Caller<'_>, _: usize) {}

    fn is_offered(&self) -> bool {
        false
    }

    fn settle(&self, _: Option<usize>) {}
}

impl<O: Operation, Rest: Operations> Operations for (&O, Rest) {
    #[inline(always)]
    fn count(&self) -> usize {
        1 + self.1.count()
    }

    #[inline(always)]
    fn poll(&self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>) {
        if self.0.is_ready(caller) {
            pick.add(first);
        }
        self.1.poll(caller, first + 1, pick);
    }

    #[inline(always)]
    fn perform(&self, caller: Caller<'_>, index: usize) {
        match index.checked_sub(1) {
            None => self.0.perform(caller),
            Some(index) => self.1.perform(caller, index),
        }
    }

    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, first: usize) {
        self.0.join(crowd, caller, first);
        self.1.join(crowd, caller, first + 1);
    }

    fn is_offered(&self) -> bool {
        self.0.is_offered() || self.1.is_offered()
    }

    fn settle(&self, picked: Option<usize>) {
        if picked != Some(0) {
            self.0.settle();
        }
        self.1.settle(picked.and_then(|index| index.checked_sub(1)));
    }
}
