//! Where the operations of a `select!` stand while it waits.
//!
//! One that receives is handed its item there like any receiver. One that sends stands as an
//! offer: its message does not exist before it is picked.

use crate::sync::channel::Chan;
use crate::wait_queue::{Caller, Crowd, Node, Tag};

use super::operations::Pick;

/// Where an operation stands in the queue of its channel.
pub trait Standing {
    /// Whether the operation can take place at once, with somebody else than the caller.
    fn is_ready(&self, caller: Caller<'_>) -> bool;

    /// Lets it take place while it stands there, right after `is_ready`.
    fn perform(&self, caller: Caller<'_>);

    /// Joins the queue.
    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, index: usize);

    /// After it has left its queue without being picked.
    fn settle(&self);

    /// After it was picked, and all others were settled: puts what it was handed before all else
    /// in its channel, for the operation, which is completed at once.
    fn lay_out(&self);
}

/// One that receives.
pub struct StandingReceive<'a, T> {
    pub(super) chan: &'a Chan<T>,
    /// Holds the item if this was picked.
    node: Node<T>,
}

impl<'a, T> StandingReceive<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> StandingReceive<'a, T> {
        StandingReceive {
            chan,
            node: Node::new(Tag::Plain, None),
        }
    }

    /// The item that it was handed.
    pub(super) fn handed(&self) -> Option<T> {
        self.node.take()
    }
}

impl<T> Standing for StandingReceive<'_, T> {
    fn is_ready(&self, caller: Caller<'_>) -> bool {
        self.chan.can_recv(caller)
    }

    fn perform(&self, caller: Caller<'_>) {
        if let Ok(item) = self.chan.recv_now(caller) {
            self.node.put(item);
        }
    }

    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, index: usize) {
        crowd.join(&self.chan.receiving, &self.node, index);
        self.chan.sending.nudge(caller);
    }

    fn settle(&self) {}

    fn lay_out(&self) {
        if let Some(item) = self.handed() {
            self.chan.lay_out(item);
        }
    }
}

/// One that sends.
pub struct StandingOffer<'a, T> {
    pub(super) chan: &'a Chan<T>,
    node: Node<T>,
}

impl<'a, T> StandingOffer<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> StandingOffer<'a, T> {
        StandingOffer {
            chan,
            node: Node::new(Tag::Offer, None),
        }
    }
}

impl<T> Standing for StandingOffer<'_, T> {
    fn is_ready(&self, caller: Caller<'_>) -> bool {
        self.chan.can_send(caller)
    }

    fn perform(&self, _: Caller<'_>) {}

    fn join<'env>(&'env self, crowd: &Crowd<'env>, _: Caller<'_>, index: usize) {
        crowd.join(&self.chan.sending, &self.node, index);
    }

    fn settle(&self) {
        self.chan.settle();
    }

    fn lay_out(&self) {}
}

/// All that stand for one waiter: a list of pairs in a `select!`, boxes in a `Select`.
pub trait AllStanding {
    fn count(&self) -> usize;

    /// Tells `pick` of those that are ready, numbered from `first` on.
    fn poll(&self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>);

    /// As [`Standing::perform`], for one.
    fn perform(&self, caller: Caller<'_>, index: usize);

    /// As [`Standing::join`], for all.
    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, first: usize);

    /// As [`Standing::settle`], for all but the one that was picked.
    fn settle(&self, picked: Option<usize>);
}

/// The end of the list.
impl AllStanding for () {
    fn count(&self) -> usize {
        0
    }

    fn poll(&self, _: Caller<'_>, _: usize, _: &mut Pick<'_>) {}

    fn perform(&self, _: Caller<'_>, _: usize) {}

    fn join<'env>(&'env self, _: &Crowd<'env>, _: Caller<'_>, _: usize) {}

    fn settle(&self, _: Option<usize>) {}
}

impl<P: Standing, Rest: AllStanding> AllStanding for (P, Rest) {
    fn count(&self) -> usize {
        1 + self.1.count()
    }

    fn poll(&self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>) {
        if self.0.is_ready(caller) {
            pick.add(first);
        }
        self.1.poll(caller, first + 1, pick);
    }

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

    fn settle(&self, picked: Option<usize>) {
        if picked != Some(0) {
            self.0.settle();
        }
        self.1.settle(picked.and_then(|index| index.checked_sub(1)));
    }
}
