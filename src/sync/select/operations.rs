//! The operations that a `select!` is made of.
//!
//! An operation is polled first. If none is ready, a [`Standing`] for each is made, and put
//! into the queue of its channel.

use crate::scheduler::Scheduler;
use crate::sync::channel::{Chan, Receiver, RecvError, SendError, Sender};
use crate::wait_queue::Caller;

use super::standing::{AllStanding, Standing, StandingOffer, StandingReceive};

/// One operation. What there is while it waits is made only then.
pub trait Operation: Copy {
    type Standing: Standing;

    /// Whether it can take place at once, with somebody else than the caller.
    fn is_ready(self, caller: Caller<'_>) -> bool;

    /// Whether somebody's offer could be met, if we stood in the queue.
    fn is_offered(self) -> bool;

    /// What stands in the queue for it.
    fn stand(self) -> Self::Standing;
}

/// Receives from a channel.
pub struct Receive<'a, T> {
    chan: &'a Chan<T>,
}

impl<T> Clone for Receive<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Receive<'_, T> {}

impl<'a, T> Receive<'a, T> {
    /// A receive from the channel of `receiver`.
    #[inline(always)]
    #[must_use]
    pub fn new(receiver: &'a Receiver<T>) -> Receive<'a, T> {
        Receive {
            chan: receiver.chan(),
        }
    }

    /// What was received, after this was picked.
    ///
    /// # Errors
    /// The channel is closed.
    #[inline(always)]
    pub fn result(self) -> Result<T, RecvError> {
        self.chan.recv_now(Caller::now()).map_err(|_| RecvError)
    }
}

impl<'a, T> Operation for Receive<'a, T> {
    type Standing = StandingReceive<'a, T>;

    #[inline(always)]
    fn is_ready(self, caller: Caller<'_>) -> bool {
        self.chan.can_recv(caller)
    }

    fn is_offered(self) -> bool {
        self.chan.is_offered()
    }

    fn stand(self) -> StandingReceive<'a, T> {
        StandingReceive::new(self.chan)
    }
}

/// Sends to a channel.
pub struct Offer<'a, T> {
    chan: &'a Chan<T>,
}

impl<T> Clone for Offer<'_, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Offer<'_, T> {}

impl<'a, T> Offer<'a, T> {
    /// A send to the channel of `sender`.
    #[inline(always)]
    #[must_use]
    pub fn new(sender: &'a Sender<T>) -> Offer<'a, T> {
        Offer {
            chan: sender.chan(),
        }
    }

    /// The right to send, after this was picked.
    #[inline(always)]
    #[must_use]
    pub fn claim(self) -> Claim<'a, T> {
        Claim(self.chan)
    }
}

impl<'a, T> Operation for Offer<'a, T> {
    type Standing = StandingOffer<'a, T>;

    #[inline(always)]
    fn is_ready(self, caller: Caller<'_>) -> bool {
        self.chan.can_send(caller)
    }

    fn is_offered(self) -> bool {
        false
    }

    fn stand(self) -> StandingOffer<'a, T> {
        StandingOffer::new(self.chan)
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
        self.0.send_or_wait(message, false, Caller::now())
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

/// The operations of a `select!`, numbered from `first` on: a list of pairs.
pub trait Operations: Copy {
    type AllStanding: AllStanding;

    fn count(self) -> usize;

    /// Tells `pick` of those that are ready.
    fn poll(self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>);

    /// As [`Operation::is_offered`], for any.
    fn is_offered(self) -> bool;

    /// As [`Operation::stand`], for all.
    fn stand(self) -> Self::AllStanding;

    /// As [`Standing::lay_out`], for one; none has the index that is their count.
    fn lay_out(standing: &Self::AllStanding, index: usize);
}

/// The end of the list.
impl Operations for () {
    type AllStanding = ();

    #[inline(always)]
    fn count(self) -> usize {
        0
    }

    #[inline(always)]
    fn poll(self, _: Caller<'_>, _: usize, _: &mut Pick<'_>) {}

    fn is_offered(self) -> bool {
        false
    }

    fn stand(self) {}

    fn lay_out((): &(), _: usize) {}
}

impl<O: Operation, Rest: Operations> Operations for (O, Rest) {
    type AllStanding = (O::Standing, Rest::AllStanding);

    #[inline(always)]
    fn count(self) -> usize {
        1 + self.1.count()
    }

    #[inline(always)]
    fn poll(self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>) {
        if self.0.is_ready(caller) {
            pick.add(first);
        }
        self.1.poll(caller, first + 1, pick);
    }

    fn is_offered(self) -> bool {
        self.0.is_offered() || self.1.is_offered()
    }

    fn stand(self) -> Self::AllStanding {
        (self.0.stand(), self.1.stand())
    }

    fn lay_out((standing, rest): &Self::AllStanding, index: usize) {
        match index.checked_sub(1) {
            None => standing.lay_out(),
            Some(index) => Rest::lay_out(rest, index),
        }
    }
}
