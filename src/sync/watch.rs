//! `watch`: the newest value, for everybody.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use crate::scheduler;
use crate::suspend;
use crate::wait_queue::{Tag, WaitQueue};

use super::{RecvError, SendError};

/// A value that changes, and can be watched: receivers see the newest, not each.
///
/// Counterpart: `tokio::sync::watch`. Works outside of a runtime, unless it would have
/// to wait.
///
/// ```
/// corobin::run(|| {
///     let (tx, rx) = corobin::sync::watch("off");
///     let lamp = corobin::spawn(move || {
///         let mut seen = vec![*rx.borrow()];
///         while rx.changed().is_ok() {
///             seen.push(*rx.borrow());
///         }
///         seen
///     });
///     corobin::yield_now();
///     tx.send("on").unwrap();
///     drop(tx);
///     assert_eq!(lamp.join().unwrap(), ["off", "on"]);
/// });
/// ```
#[must_use]
#[track_caller]
pub fn watch<T>(init: T) -> (WatchSender<T>, WatchReceiver<T>) {
    let board = Rc::new(Board {
        value: RefCell::new(Rc::new(init)),
        version: Cell::new(0),
        senders: Cell::new(1),
        receivers: Cell::new(1),
        queue: WaitQueue::new(),
        made_at: Location::caller(),
    });
    let sender = WatchSender {
        board: Rc::clone(&board),
    };
    let seen = Cell::new(0);
    (sender, WatchReceiver { board, seen })
}

struct Board<T> {
    /// Shared with those who look at it, so that it can be replaced meanwhile.
    value: RefCell<Rc<T>>,
    /// How often it has changed.
    version: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    queue: WaitQueue,
    made_at: &'static Location<'static>,
}

impl<T> Board<T> {
    fn borrow(&self) -> WatchRef<'_, T> {
        WatchRef {
            value: Rc::clone(&self.value.borrow()),
            _board: PhantomData,
        }
    }
}

/// The side of a [`watch`] that sends.
pub struct WatchSender<T> {
    board: Rc<Board<T>>,
}

/// The side of a [`watch`] that receives. A clone has seen what this one has seen.
pub struct WatchReceiver<T> {
    board: Rc<Board<T>>,
    /// The version that it has seen.
    seen: Cell<u64>,
}

/// A look at the value of a [`watch`]; it stays as it is, also if a newer one is sent
/// meanwhile.
pub struct WatchRef<'a, T> {
    value: Rc<T>,
    _board: PhantomData<&'a Board<T>>,
}

impl<T> WatchSender<T> {
    /// Replaces the value and wakes everybody who waits for a change. Not a suspension
    /// point.
    ///
    /// # Errors
    /// There is no receiver: the value comes back, and the old one stays.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        let old = self.board.value.replace(Rc::new(value));
        self.board.version.set(self.board.version.get() + 1);
        self.board.queue.release_all();
        // A destructor may do anything.
        drop(old);
        Ok(())
    }

    /// The value. Not a suspension point.
    #[must_use]
    pub fn borrow(&self) -> WatchRef<'_, T> {
        self.board.borrow()
    }

    /// One more receiver, which has seen the present value.
    #[must_use]
    pub fn subscribe(&self) -> WatchReceiver<T> {
        self.board.receivers.set(self.board.receivers.get() + 1);
        WatchReceiver {
            board: Rc::clone(&self.board),
            seen: self.board.version.clone(),
        }
    }

    /// Whether all receivers are gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.board.receivers.get() == 0
    }
}

impl<T> WatchReceiver<T> {
    /// The newest value. It does not count as seen by that. Not a suspension point.
    #[must_use]
    pub fn borrow(&self) -> WatchRef<'_, T> {
        self.board.borrow()
    }

    /// The newest value, which counts as seen. Not a suspension point.
    pub fn borrow_and_update(&self) -> WatchRef<'_, T> {
        self.seen.set(self.board.version.get());
        self.board.borrow()
    }

    /// Whether there is a value that it has not seen.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.seen.get() != self.board.version.get()
    }

    /// Waits for a value that it has not seen; then it counts as seen.
    ///
    /// A suspension point. A cancelled wait has seen nothing.
    ///
    /// # Errors
    /// All senders are gone, and the last value was seen.
    ///
    /// # Panics
    /// If it has to wait outside of a runtime.
    #[track_caller]
    pub fn changed(&self) -> Result<(), RecvError> {
        suspend::arrive();
        while !self.has_changed() && self.board.senders.get() > 0 {
            let scheduler = scheduler::expect("a watch that has to wait");
            let made_at = self.board.made_at;
            let what = fmt::from_fn(|f| write!(f, "a change of the watch made at {made_at}"));
            (self.board.queue).wait(scheduler, Tag::Plain, None, &what, Location::caller());
        }
        let changed = self.has_changed();
        self.seen.set(self.board.version.get());
        if changed { Ok(()) } else { Err(RecvError) }
    }
}

impl<T> Clone for WatchSender<T> {
    fn clone(&self) -> Self {
        self.board.senders.set(self.board.senders.get() + 1);
        WatchSender {
            board: Rc::clone(&self.board),
        }
    }
}

impl<T> Clone for WatchReceiver<T> {
    fn clone(&self) -> Self {
        self.board.receivers.set(self.board.receivers.get() + 1);
        WatchReceiver {
            board: Rc::clone(&self.board),
            seen: self.seen.clone(),
        }
    }
}

impl<T> Drop for WatchSender<T> {
    fn drop(&mut self) {
        self.board.senders.set(self.board.senders.get() - 1);
        if self.board.senders.get() == 0 {
            self.board.queue.release_all();
        }
    }
}

impl<T> Drop for WatchReceiver<T> {
    fn drop(&mut self) {
        self.board.receivers.set(self.board.receivers.get() - 1);
    }
}

impl<T> Deref for WatchRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

macro_rules! debug {
    ($($name:literal $type:ident)*) => {$(
        impl<T: fmt::Debug> fmt::Debug for $type<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name)
                    .field("value", &self.borrow())
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug!("WatchSender" WatchSender "WatchReceiver" WatchReceiver);
