//! Channels and locks.

mod barrier;
mod broadcast;
mod channel;
mod condvar;
mod event;
mod holder;
mod mutex;
mod once_cell;
mod oneshot;
mod rwlock;
mod select;
mod semaphore;
mod wait_group;
mod watch;

pub use barrier::{Barrier, BarrierWaitResult};
pub use broadcast::{BroadcastError, BroadcastReceiver, BroadcastSender, broadcast};
pub use channel::{
    IntoIter, Iter, Receiver, RecvError, SendError, Sender, TryIter, TryRecvError, TrySendError,
    channel, unbounded,
};
pub use condvar::Condvar;
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once_cell::OnceCell;
pub use oneshot::{OneReceiver, OneSender, oneshot};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use select::{Select, SelectTimeoutError, SelectedOperation, TrySelectError};
pub use semaphore::{Semaphore, SemaphorePermit};
pub use wait_group::WaitGroup;
pub use watch::{WatchReceiver, WatchRef, WatchSender, watch};

/// What `select!` expands to.
#[doc(hidden)]
pub mod __select {
    pub use super::select::{Offer, Receive, impossible, select, select_timeout, try_select};
}
