//! The children of one scope: those that are alive, and what became of the rest.

use std::cell::{Cell, RefCell};

use crate::frames::{self, Frame, Kind};
use crate::generator::raw::Raw;
use crate::unwind::{Payload, drop_quietly, message, quietly};

use super::{Task, TaskRef};

pub(crate) struct Children {
    alive: RefCell<Vec<TaskRef>>,
    /// The first panic, for the scope to raise again.
    panic: RefCell<Option<Payload>>,
    /// Due when a child has panicked while the body runs.
    pub(crate) frame: Frame,
    /// The coroutine whose scope it is, if there is one.
    pub(crate) owner: Option<Raw>,
    pub(crate) body_runs: Cell<bool>,
    /// The scope is given up: new children are born cancelled.
    pub(crate) gives_up: Cell<bool>,
    /// The owner waits for the last child.
    pub(crate) owner_waits: Cell<bool>,
}

impl Children {
    pub(crate) fn new(owner: Option<Raw>) -> Children {
        Children {
            alive: RefCell::default(),
            panic: RefCell::default(),
            frame: Frame::new(Kind::Scope),
            owner,
            body_runs: Cell::new(true),
            gives_up: Cell::new(false),
            owner_waits: Cell::new(false),
        }
    }

    pub(crate) fn add(&self, task: TaskRef) {
        let mut alive = self.alive.borrow_mut();
        task.sibling
            .set(u32::try_from(alive.len()).expect("fewer than 2^32 children"));
        alive.push(task);
    }

    pub(crate) fn remove(&self, task: &Task) {
        let mut alive = self.alive.borrow_mut();
        let at = task.sibling.get() as usize;
        alive.swap_remove(at);
        if let Some(moved) = alive.get(at) {
            moved.sibling.set(at as u32);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.alive.borrow().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.alive.borrow().len()
    }

    /// Those that are alive now; they may end while the list is walked.
    pub(crate) fn list(&self) -> Vec<TaskRef> {
        self.alive.borrow().clone()
    }

    /// Keeps the first panic, logs further ones.
    pub(crate) fn record_panic(&self, payload: Payload) {
        let mut panic = self.panic.borrow_mut();
        if panic.is_none() {
            *panic = Some(payload);
            return;
        }
        drop(panic);
        // A scope that unwound here would leave children that borrow from it.
        frames::staying(|| {
            quietly(|| {
                log::error!(
                    "one more panic in a scope that has one: {}",
                    message(&*payload)
                );
            });
            drop_quietly(payload);
        });
    }

    pub(crate) fn take_panic(&self) -> Option<Payload> {
        self.panic.take()
    }
}
