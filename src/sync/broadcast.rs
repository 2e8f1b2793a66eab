//! `broadcast`: each receiver sees each item.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Tag, WaitQueue};

use super::SendError;

/// A channel that shows each item to each receiver, and keeps up to `capacity` items
/// for those that are slow.
///
/// Sending never waits: a receiver that is more than `capacity` items behind loses the
/// oldest, and is told how many, [`BroadcastError::Lagged`].
///
/// Counterpart: `tokio::sync::broadcast`. Works outside of a runtime, unless it would
/// have to wait.
///
/// # Panics
/// The capacity is 0.
///
/// ```
/// use corobin::sync::{BroadcastError::Lagged, broadcast};
///
/// corobin::run(|| {
///     let (tx, rx) = broadcast(2);
///     let other = tx.subscribe();
///     for n in 1..=3 {
///         tx.send(n).unwrap();
///     }
///     for rx in [rx, other] {
///         assert_eq!(rx.recv(), Err(Lagged(1)));
///         assert_eq!(rx.recv(), Ok(2));
///         assert_eq!(rx.recv(), Ok(3));
///     }
/// });
/// ```
#[must_use]
#[track_caller]
pub fn broadcast<T: Clone>(capacity: usize) -> (BroadcastSender<T>, BroadcastReceiver<T>) {
    assert!(
        capacity > 0,
        "broadcast(0): the capacity must be at least 1"
    );
    let station = Rc::new(Station {
        capacity,
        items: RefCell::default(),
        first: Cell::new(0),
        senders: Cell::new(1),
        receivers: Cell::new(1),
        queue: WaitQueue::new(),
        made_at: Location::caller(),
    });
    let sender = BroadcastSender {
        station: Rc::clone(&station),
    };
    let next = Cell::new(0);
    (sender, BroadcastReceiver { station, next })
}

struct Station<T> {
    capacity: usize,
    items: RefCell<VecDeque<Item<T>>>,
    /// The number of the first item that is kept.
    first: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    queue: WaitQueue,
    made_at: &'static Location<'static>,
}

struct Item<T> {
    /// Shared, so that it is not borrowed from here while it is cloned.
    value: Rc<T>,
    /// Receivers that have not seen it.
    unseen: usize,
}

impl<T> Station<T> {
    /// The number that the next item will have.
    fn end(&self) -> u64 {
        self.first.get() + self.items.borrow().len() as u64
    }

    /// Drops the items that everybody has seen.
    fn forget_seen(&self) {
        loop {
            let mut items = self.items.borrow_mut();
            if items.front().is_none_or(|item| item.unseen > 0) {
                break;
            }
            let seen = items.pop_front();
            self.first.set(self.first.get() + 1);
            // A destructor may do anything.
            drop(items);
            drop(seen);
        }
    }
}

/// The side of a [`broadcast`] that sends.
pub struct BroadcastSender<T> {
    station: Rc<Station<T>>,
}

/// The side of a [`broadcast`] that receives. A clone sees what this one has yet to see.
pub struct BroadcastReceiver<T> {
    station: Rc<Station<T>>,
    /// The number of the item that it sees next.
    next: Cell<u64>,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BroadcastError {
    /// It was so slow that it has missed so many items.
    Lagged(u64),
    /// All senders are gone, and everything was received.
    Closed,
    /// There is nothing at the moment; only from
    /// [`try_recv`](BroadcastReceiver::try_recv).
    Empty,
}

impl fmt::Display for BroadcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BroadcastError::Lagged(items) => write!(f, "the receiver has missed {items} items"),
            BroadcastError::Closed => {
                f.write_str("receiving on an empty broadcast without senders")
            }
            BroadcastError::Empty => f.write_str("receiving on an empty broadcast"),
        }
    }
}

impl Error for BroadcastError {}

impl<T> BroadcastSender<T> {
    /// Shows the item to all receivers; gives their number. Not a suspension point.
    ///
    /// # Errors
    /// There is no receiver: the item comes back.
    pub fn send(&self, item: T) -> Result<usize, SendError<T>> {
        let station = &self.station;
        let receivers = station.receivers.get();
        if receivers == 0 {
            return Err(SendError(item));
        }
        let mut items = station.items.borrow_mut();
        let oldest = if items.len() == station.capacity {
            station.first.set(station.first.get() + 1);
            items.pop_front()
        } else {
            None
        };
        items.push_back(Item {
            value: Rc::new(item),
            unseen: receivers,
        });
        drop(items);
        station.queue.release_all();
        // A destructor may do anything.
        drop(oldest);
        Ok(receivers)
    }

    /// One more receiver, which sees what is sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> BroadcastReceiver<T> {
        let receivers = &self.station.receivers;
        receivers.set(receivers.get() + 1);
        BroadcastReceiver {
            station: Rc::clone(&self.station),
            next: Cell::new(self.station.end()),
        }
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.station.receivers.get()
    }
}

impl<T: Clone> BroadcastReceiver<T> {
    /// Takes the next item, and waits for one if there is none.
    ///
    /// A suspension point. A cancelled wait takes nothing.
    ///
    /// # Errors
    /// [`BroadcastError::Lagged`] if it has missed some, which happens once and then it
    /// goes on with the oldest that is kept; [`BroadcastError::Closed`].
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn recv(&self) -> Result<T, BroadcastError> {
        suspend::arrive();
        loop {
            match self.try_recv() {
                Err(BroadcastError::Empty) => {}
                result => return result,
            }
            let scheduler = scheduler::expect("a broadcast that has to wait");
            let made_at = self.station.made_at;
            let what =
                fmt::from_fn(|f| write!(f, "the next item of the broadcast made at {made_at}"));
            (self.station.queue).wait(scheduler, Tag::Plain, None, &what, Location::caller());
        }
    }

    /// Takes the next item if there is one. Not a suspension point.
    ///
    /// # Errors
    /// As for [`recv`](BroadcastReceiver::recv), or [`BroadcastError::Empty`].
    pub fn try_recv(&self) -> Result<T, BroadcastError> {
        let station = &self.station;
        let (next, first) = (self.next.get(), station.first.get());
        if next < first {
            self.next.set(first);
            return Err(BroadcastError::Lagged(first - next));
        }
        let value = {
            let mut items = station.items.borrow_mut();
            let Some(item) = items.get_mut((next - first) as usize) else {
                return Err(match station.senders.get() {
                    0 => BroadcastError::Closed,
                    _ => BroadcastError::Empty,
                });
            };
            item.unseen -= 1;
            Rc::clone(&item.value)
        };
        self.next.set(next + 1);
        station.forget_seen();
        // The last one has it for itself.
        Ok(Rc::try_unwrap(value).unwrap_or_else(|shared| T::clone(&shared)))
    }
}

impl<T> Clone for BroadcastSender<T> {
    fn clone(&self) -> Self {
        let senders = &self.station.senders;
        senders.set(senders.get() + 1);
        BroadcastSender {
            station: Rc::clone(&self.station),
        }
    }
}

impl<T> Clone for BroadcastReceiver<T> {
    fn clone(&self) -> Self {
        let station = &self.station;
        station.receivers.set(station.receivers.get() + 1);
        for item in self.unseen(&mut station.items.borrow_mut()) {
            item.unseen += 1;
        }
        BroadcastReceiver {
            station: Rc::clone(station),
            next: self.next.clone(),
        }
    }
}

impl<T> BroadcastReceiver<T> {
    /// The kept items that it has not seen.
    fn unseen<'i>(
        &self,
        items: &'i mut VecDeque<Item<T>>,
    ) -> impl Iterator<Item = &'i mut Item<T>> + use<'i, T> {
        let seen = self.next.get().saturating_sub(self.station.first.get());
        items.iter_mut().skip(seen as usize)
    }
}

impl<T> Drop for BroadcastSender<T> {
    fn drop(&mut self) {
        let senders = &self.station.senders;
        senders.set(senders.get() - 1);
        if senders.get() == 0 {
            self.station.queue.release_all();
        }
    }
}

impl<T> Drop for BroadcastReceiver<T> {
    fn drop(&mut self) {
        let station = &self.station;
        station.receivers.set(station.receivers.get() - 1);
        for item in self.unseen(&mut station.items.borrow_mut()) {
            item.unseen -= 1;
        }
        station.forget_seen();
    }
}

impl<T> fmt::Debug for BroadcastSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastReceiver").finish_non_exhaustive()
    }
}
