//! A lock on something that a whole process shares, which a coroutine that has it may
//! take again.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crate::scheduler;
use crate::task::Id;

use super::turns::Turns;

/// Who may own it: a coroutine, or a thread outside of any runtime.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Coroutine(Id),
    Thread(ThreadId),
}

impl Owner {
    fn here() -> Owner {
        match scheduler::current().filter(|scheduler| scheduler.has_running()) {
            Some(scheduler) => Owner::Coroutine(scheduler.running().task().id()),
            None => Owner::Thread(thread::current().id()),
        }
    }
}

pub(super) struct Ownership {
    turns: Turns<()>,
    /// Who has it, and how many times.
    owner: Mutex<Option<(Owner, usize)>>,
}

impl Ownership {
    pub(super) const fn new() -> Ownership {
        Ownership {
            turns: Turns::new(()),
            owner: Mutex::new(None),
        }
    }

    fn owner<R>(&self, f: impl FnOnce(&mut Option<(Owner, usize)>) -> R) -> R {
        f(&mut self.owner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until nobody else has it. A suspension point.
    #[track_caller]
    pub(super) fn take(&'static self) -> Owned {
        let here = Owner::here();
        let again = self.owner(|owner| match owner {
            Some((who, times)) if *who == here => {
                *times += 1;
                true
            }
            _ => false,
        });
        if !again {
            self.turns.take();
            self.owner(|owner| *owner = Some((here, 1)));
        }
        Owned {
            ownership: self,
            _not_send: PhantomData,
        }
    }
}

/// Given back when it is dropped.
pub(super) struct Owned {
    ownership: &'static Ownership,
    _not_send: PhantomData<*const ()>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let ends = self.ownership.owner(|owner| {
            if let Some((_, times)) = owner
                && *times > 1
            {
                *times -= 1;
                return false;
            }
            *owner = None;
            true
        });
        if ends {
            self.ownership.turns.put(());
        }
    }
}
