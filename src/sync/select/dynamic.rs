//! `Select`: operations that are known only at run time.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use crate::scheduler;
use crate::sync::channel::{Chan, Receiver, RecvError, SendError, Sender};
use crate::time;
use crate::wait_queue::{Caller, Crowd};

use super::operations::{Offer, Operation, Pick, Receive};
use super::standing::{AllStanding, Standing, StandingOffer, StandingReceive};

/// Waits for one of a number of channel operations that is known only at run time;
/// where it is written in the code, [`select!`](crate::select) is easier.
///
/// Operations are numbered in the order in which they are added. `select` picks one of
/// those that are ready, as fairly as `select!`, which is then completed with the same
/// channel: [`SelectedOperation`]. It can be used again and again. Where it has to wait, it takes
/// memory for each operation, and time in proportion.
///
/// Counterpart: `crossbeam_channel::Select`, without the `ready` family.
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
    /// None where one was removed. Only references, so that a channel may be dropped as soon as
    /// this is not used any more.
    handles: Vec<Option<&'a dyn Handle>>,
}

/// What there is while it waits.
type Waiting<'a> = Vec<Option<Box<dyn Dynamic + 'a>>>;

impl<'a> Select<'a> {
    /// One without operations.
    #[must_use]
    pub fn new() -> Select<'a> {
        Select::default()
    }

    /// Adds a receive operation, and gives its index.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(receiver)
    }

    /// Adds a send operation, and gives its index.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(sender)
    }

    fn add(&mut self, handle: &'a dyn Handle) -> usize {
        self.handles.push(Some(handle));
        self.handles.len() - 1
    }

    /// Removes an operation. The others keep their indices, which are never given
    /// again.
    ///
    /// # Panics
    /// There is none with this index.
    pub fn remove(&mut self, index: usize) {
        let handle = self.handles.get_mut(index).and_then(Option::take);
        assert!(
            handle.is_some(),
            "Select::remove: there is no operation with index {index}"
        );
    }

    /// Waits until one of the operations can take place.
    ///
    /// A suspension point. A cancelled wait has done nothing.
    ///
    /// # Panics
    /// With no operation; if it has to wait outside of a runtime.
    #[track_caller]
    pub fn select(&mut self) -> SelectedOperation<'a> {
        let any = self.handles.iter().any(Option::is_some);
        assert!(any, "a Select without operations would wait for ever");
        match self.ready() {
            Some(selected) => selected,
            None => {
                let waiting = self.waiting();
                let index = super::wait_for(&waiting, None);
                match selected(waiting, index) {
                    Some(selected) => selected,
                    None => unreachable!("it has waited until there was one"),
                }
            }
        }
    }

    /// Gives one of the operations that can take place at once.
    ///
    /// A suspension point: it takes a turn to fetch what a `select!` elsewhere offers. In a
    /// loop of calls that find nothing, some let the others run.
    ///
    /// # Errors
    /// There is none.
    #[track_caller]
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        if let Some(selected) = self.ready() {
            return Ok(selected);
        }
        let Some(scheduler) = scheduler::current() else {
            return Err(TrySelectError);
        };
        if !self.handles.iter().flatten().any(|one| one.is_offered()) {
            let selected = super::others_have_run(scheduler).then(|| self.ready());
            return selected.flatten().ok_or(TrySelectError);
        }
        let waiting = self.waiting();
        let index = super::glance_at(&waiting, scheduler);
        selected(waiting, index).ok_or(TrySelectError)
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
        if timeout.is_zero() {
            return self
                .try_select()
                .map_err(|TrySelectError| SelectTimeoutError);
        }
        if let Some(selected) = self.ready() {
            return Ok(selected);
        }
        let waiting = self.waiting();
        let index = super::wait_for(&waiting, Some(timeout));
        selected(waiting, index).ok_or(SelectTimeoutError)
    }

    /// As [`select_timeout`](Select::select_timeout), with a time to end at.
    ///
    /// A suspension point.
    ///
    /// # Errors
    /// The time is over.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn select_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.select_timeout(deadline.saturating_duration_since(time::now()))
    }

    /// One that needs no wait; it takes place when it is completed.
    #[inline]
    fn ready(&self) -> Option<SelectedOperation<'a>> {
        let caller = Caller::arrive();
        let mut pick = Pick::new(caller.scheduler());
        for (index, handle) in self.handles.iter().enumerate() {
            if handle.is_some_and(|handle| handle.is_ready(caller)) {
                pick.add(index);
            }
        }
        Some(SelectedOperation {
            index: pick.picked()?,
            chan: self.handles[pick.picked()?]?.chan(),
            waited: None,
        })
    }

    fn waiting(&self) -> Waiting<'a> {
        let stand = |handle: &Option<&'a dyn Handle>| handle.map(Handle::stand);
        self.handles.iter().map(stand).collect()
    }
}

fn selected(mut waiting: Waiting<'_>, index: usize) -> Option<SelectedOperation<'_>> {
    let waited = waiting.get_mut(index)?.take()?;
    Some(SelectedOperation {
        index,
        chan: waited.chan(),
        waited: Some(waited),
    })
}

/// A side of a channel, whatever its type.
trait Handle {
    fn chan(&self) -> Side;
    fn is_ready(&self, caller: Caller<'_>) -> bool;
    fn is_offered(&self) -> bool;
    fn stand(&self) -> Box<dyn Dynamic + '_>;
}

/// Which side, and the address of the channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Receives(*const ()),
    Sends(*const ()),
}

impl Side {
    fn receives<T>(chan: &Chan<T>) -> Side {
        Side::Receives(std::ptr::from_ref(chan).cast())
    }

    fn sends<T>(chan: &Chan<T>) -> Side {
        Side::Sends(std::ptr::from_ref(chan).cast())
    }
}

impl<T> Handle for Receiver<T> {
    fn chan(&self) -> Side {
        Side::receives(self.chan())
    }

    fn is_ready(&self, caller: Caller<'_>) -> bool {
        self.chan().can_recv(caller)
    }

    fn is_offered(&self) -> bool {
        self.chan().is_offered()
    }

    fn stand(&self) -> Box<dyn Dynamic + '_> {
        Box::new(Receive::new(self).stand())
    }
}

impl<T> Handle for Sender<T> {
    fn chan(&self) -> Side {
        Side::sends(self.chan())
    }

    fn is_ready(&self, caller: Caller<'_>) -> bool {
        self.chan().can_send(caller)
    }

    fn is_offered(&self) -> bool {
        false
    }

    fn stand(&self) -> Box<dyn Dynamic + '_> {
        Box::new(Offer::new(self).stand())
    }
}

/// What stands or has stood in a queue, whatever its type.
trait Dynamic: Standing {
    fn chan(&self) -> Side;

    /// Nobody completes it: its item, or its turn, goes to somebody else.
    fn give_up(&self);
}

impl<T> Dynamic for StandingReceive<'_, T> {
    fn chan(&self) -> Side {
        Side::receives(self.chan)
    }

    fn give_up(&self) {
        if let Some(item) = self.handed() {
            self.chan.hand_on(item);
        }
    }
}

impl<T> Dynamic for StandingOffer<'_, T> {
    fn chan(&self) -> Side {
        Side::sends(self.chan)
    }

    fn give_up(&self) {
        self.chan.settle();
    }
}

impl AllStanding for Waiting<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn poll(&self, caller: Caller<'_>, first: usize, pick: &mut Pick<'_>) {
        for (index, standing) in (first..).zip(self) {
            if standing.as_ref().is_some_and(|one| one.is_ready(caller)) {
                pick.add(index);
            }
        }
    }

    fn perform(&self, caller: Caller<'_>, index: usize) {
        if let Some(standing) = &self[index] {
            standing.perform(caller);
        }
    }

    fn join<'env>(&'env self, crowd: &Crowd<'env>, caller: Caller<'_>, first: usize) {
        for (index, standing) in (first..).zip(self) {
            if let Some(standing) = standing {
                standing.join(crowd, caller, index);
            }
        }
    }

    fn settle(&self, picked: Option<usize>) {
        for (index, standing) in self.iter().enumerate() {
            if let Some(standing) = standing
                && picked != Some(index)
            {
                standing.settle();
            }
        }
    }
}

/// The operation that a [`Select`] has picked, to be completed with
/// [`recv`](SelectedOperation::recv) or [`send`](SelectedOperation::send), at once: if others run
/// before, they may take what it was picked for, and then it waits.
///
/// If it is dropped instead, nothing is lost: its item goes back to the front of the channel, or
/// its turn to the next sender.
#[must_use = "complete it with recv or send"]
pub struct SelectedOperation<'a> {
    index: usize,
    chan: Side,
    /// What has stood for it, if it has waited, until it is completed.
    waited: Option<Box<dyn Dynamic + 'a>>,
}

impl SelectedOperation<'_> {
    /// Which operation it is.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes a receive operation.
    ///
    /// A suspension point only if others have run since it was selected, and it has to
    /// wait again.
    ///
    /// # Errors
    /// The channel is closed.
    ///
    /// # Panics
    /// Another operation was selected. If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let chan = receiver.chan();
        assert!(
            self.chan == Side::receives(chan),
            "this receiver was not selected: SelectedOperation::index says which operation was"
        );
        if let Some(waited) = &self.waited {
            waited.lay_out();
        }
        chan.recv_or_wait(Caller::now())
    }

    /// Completes a send operation.
    ///
    /// A suspension point only if others have run since it was selected, and it has to
    /// wait again.
    ///
    /// # Errors
    /// All receivers are gone: the item comes back.
    ///
    /// # Panics
    /// Another operation was selected. If it has to wait outside of a runtime.
    #[track_caller]
    pub fn send<T>(mut self, sender: &Sender<T>, item: T) -> Result<(), SendError<T>> {
        let chan = sender.chan();
        assert!(
            self.chan == Side::sends(chan),
            "this sender was not selected: SelectedOperation::index says which operation was"
        );
        // The claim has its turn.
        self.waited = None;
        Offer::new(sender).claim().send(item)
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        if let Some(waited) = &self.waited {
            waited.give_up();
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
            .field("operations", &self.handles.iter().flatten().count())
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
